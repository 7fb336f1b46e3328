/* What every driver of the store must do, said once and run against each: the same operations
 * in the same order, the same answers. Method: store_wait, as one caller sees it; nothing here
 * knows which driver runs. */
#include "store/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define T0 1700000000000000 /* some microsecond of 2023 */

static const char *driver; /* the one under test */

struct bench {
    char folder[64];
    char url[128];
    struct store *store;
    struct aion_arena arena;
    struct aion_err err;
};

/* -- the bench ---------------------------------------------------------------------- */
static void open_bench(struct bench *bench)
{
    struct store_conf conf = {.url = bench->url};
    bench->store = store_open(&conf, &bench->err);
    if (bench->store == NULL)
        fail_msg("open: %s (%s)", bench->err.text, bench->err.detail);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    *state = bench;
    aion_arena_init(&bench->arena, 64 << 20, NULL, 0);
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/aion-store-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->url, sizeof(bench->url), "%s:%s/aion.db", driver, bench->folder);
    open_bench(bench);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    static const char *const files[] = {"aion.db", "aion.db-wal", "aion.db-shm",
                                        "aion.db-owner"};
    store_close(bench->store);
    aion_arena_done(&bench->arena);
    for (size_t i = 0; i < aion_countof(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", bench->folder, files[i]);
        unlink(path);
    }
    rmdir(bench->folder);
    free(bench);
    return 0;
}

static struct aion_uuid id_of(unsigned number)
{
    struct aion_uuid id = {.bytes = {1, 2, 3}};
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)number;
    return id;
}

static char digest_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            digest_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static struct store_accept accept_of(unsigned number)
{
    return (struct store_accept){
        .id = id_of(number),
        .tenant = AION_STR("default"),
        .intent = AION_STR("noop"),
        .digest = aion_str_of(digest_a),
        .priority = 3,
        .created_us = T0 + number,
        .deadline_us = T0 + 3600000000,
        .meta = AION_STR("meta"),
        .body = AION_STR("body"),
        .decision = AION_STR("decision"),
    };
}

#define wait_for(bench, name, op)                                                \
    do {                                                                         \
        if (!store_##name##_wait((bench)->store, (op), &(bench)->err))           \
            fail_msg(#name ": %s (%s)", (bench)->err.text, (bench)->err.detail); \
    } while (0)

static void put_task(struct bench *bench, unsigned number)
{
    struct store_accept accept = accept_of(number);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_DONE);
}

static enum store_outcome start_attempt(struct bench *bench, unsigned number, uint64_t epoch,
                                        uint32_t attempt)
{
    struct store_start start = {
        .id = id_of(number),
        .token = {epoch, attempt},
        .at_us = T0 + 1000,
        .host = AION_STR("host-1"),
        .module = AION_STR("noop"),
        .module_digest = AION_STR("sha256:1"),
    };
    wait_for(bench, start, &start);
    return start.outcome;
}

static enum store_outcome finish_task(struct bench *bench, unsigned number,
                                      struct store_token token, enum store_state state)
{
    struct store_finish finish = {
        .id = id_of(number),
        .token = token,
        .state = state,
        .at_us = T0 + 2000,
        .error = {.code = state == STORE_SUCCEEDED ? 0 : 13, .reason = AION_STR("WHY")},
        .usage =
            {.queue_us = 1, .run_us = 2, .tokens_in = 3, .tokens_out = 4, .cost_nano_usd = 5},
        .result = AION_STR("result"),
    };
    wait_for(bench, finish, &finish);
    return finish.outcome;
}

static struct store_task read_task(struct bench *bench, unsigned number)
{
    struct store_task_read read = {.op.arena = &bench->arena,
                                   .id = id_of(number),
                                   .with_body = true,
                                   .with_history = true};
    wait_for(bench, task_read, &read);
    assert_true(read.found);
    return read.task;
}

static struct store_chunk chunk_of(uint64_t cursor, uint64_t sequence, uint32_t attempt)
{
    return (struct store_chunk){.cursor = cursor,
                                .sequence = sequence,
                                .attempt = attempt,
                                .kind = STORE_CHUNK_TEXT,
                                .content_type = AION_STR("text/plain"),
                                .payload = AION_STR("words")};
}

static enum store_outcome put_chunks(struct bench *bench, unsigned number,
                                     struct store_token token, uint64_t first, size_t count)
{
    struct store_chunk chunks[64];
    for (size_t i = 0; i < count; i++)
        chunks[i] = chunk_of(first + i, first + i, token.attempt);
    struct store_chunks op = {
        .id = id_of(number), .token = token, .chunks = chunks, .count = count};
    wait_for(bench, chunks, &op);
    return op.outcome;
}

static bool str_is(aion_str value, const char *text)
{
    return aion_str_is(value, text);
}

/* -- tests -------------------------------------------------------------------------- */
static void a_task_is_read_as_it_was_accepted(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_QUEUED);
    assert_true(str_is(task.tenant, "default") && str_is(task.intent, "noop"));
    assert_true(str_is(task.meta, "meta") && str_is(task.body, "body"));
    assert_true(str_is(task.decision, "decision"));
    assert_int_equal(task.priority, 3);
    assert_int_equal(task.created_us, T0 + 1);
    assert_int_equal(task.updated_us, T0 + 1);
    assert_int_equal(task.token.attempt, 0);
    assert_int_equal(task.event_count, 1);
    assert_int_equal(task.events[0].kinds,
                     STORE_EVENT_ACCEPTED | STORE_EVENT_ROUTED | STORE_EVENT_QUEUED);
    assert_int_equal(task.attempt_count, 0);
}

static void another_tenants_task_is_not_found(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_task_read read = {
        .op.arena = &bench->arena, .tenant = AION_STR("other"), .id = id_of(1)};
    wait_for(bench, task_read, &read);
    assert_false(read.found);
    read.tenant = AION_STR("default");
    wait_for(bench, task_read, &read);
    assert_true(read.found);
    read.id = id_of(2);
    wait_for(bench, task_read, &read);
    assert_false(read.found);
}

static void a_task_without_decision_waits_for_its_route(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(1);
    accept.decision = (aion_str){0};
    wait_for(bench, accept, &accept);
    assert_int_equal(read_task(bench, 1).state, STORE_ACCEPTED);
    struct store_route route = {.id = id_of(1), .at_us = T0 + 50, .decision = AION_STR("late")};
    wait_for(bench, route, &route);
    assert_int_equal(route.outcome, STORE_DONE);
    wait_for(bench, route, &route);
    assert_int_equal(route.outcome, STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_QUEUED);
    assert_true(str_is(task.decision, "late"));
    assert_int_equal(task.events[1].kinds, STORE_EVENT_ROUTED | STORE_EVENT_QUEUED);
}

static void the_same_key_and_body_give_the_first_task(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(1);
    accept.key = AION_STR("k");
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_DONE);
    accept.id = id_of(2);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_DUPLICATE);
    struct aion_uuid first = id_of(1);
    assert_true(aion_uuid_eq(&accept.first, &first));
    accept.digest = aion_str_of(digest_b);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_CONFLICT);
    assert_true(aion_uuid_eq(&accept.first, &first));
    accept.tenant = AION_STR("other");
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_DONE);
}

static void a_key_is_found_by_its_tenant(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(1);
    accept.key = AION_STR("k");
    wait_for(bench, accept, &accept);
    struct store_key_read read = {
        .op.arena = &bench->arena, .tenant = AION_STR("default"), .key = AION_STR("k")};
    wait_for(bench, key_read, &read);
    assert_true(read.found);
    assert_memory_equal(read.digest, digest_a, 32);
    read.tenant = AION_STR("other");
    wait_for(bench, key_read, &read);
    assert_false(read.found);
}

static void the_same_task_id_acts_as_a_key(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_accept accept = accept_of(1);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_DUPLICATE);
    accept.digest = aion_str_of(digest_b);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_CONFLICT);
    accept.digest = (aion_str){0};
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_CONFLICT);
    accept.tenant = AION_STR("other");
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_TAKEN);
}

static void an_attempt_starts_under_a_greater_token_only(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    assert_int_equal(start_attempt(bench, 1, 5, 1), STORE_DONE);
    assert_int_equal(start_attempt(bench, 1, 5, 1), STORE_STALE);
    assert_int_equal(start_attempt(bench, 1, 4, 2), STORE_STALE);
    assert_int_equal(start_attempt(bench, 1, 6, 2), STORE_DONE);
    assert_int_equal(start_attempt(bench, 2, 6, 2), STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_RUNNING);
    assert_int_equal(task.token.epoch, 6);
    assert_int_equal(task.token.attempt, 2);
    assert_int_equal(task.attempt_count, 2);
    assert_true(str_is(task.attempts[1].host, "host-1"));
    assert_true(str_is(task.attempts[1].module_digest, "sha256:1"));
}

static void a_resumed_attempt_is_told_in_the_history(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_attempt(bench, 1, 1, 1);
    struct store_resume resume = {
        .id = id_of(1), .token = {1, 1}, .at_us = T0 + 9, .host = AION_STR("host-1")};
    wait_for(bench, resume, &resume);
    assert_int_equal(resume.outcome, STORE_DONE);
    resume.token.attempt = 2;
    wait_for(bench, resume, &resume);
    assert_int_equal(resume.outcome, STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_RUNNING);
    assert_int_equal(task.event_count, 3);
    assert_int_equal(task.events[2].kinds, STORE_EVENT_RESUMED);
    assert_true(str_is(task.events[2].note, "host-1"));
}

static void a_stale_result_changes_nothing(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_attempt(bench, 1, 1, 1);
    start_attempt(bench, 1, 2, 2);
    assert_int_equal(finish_task(bench, 1, (struct store_token){1, 1}, STORE_SUCCEEDED),
                     STORE_STALE);
    assert_int_equal(read_task(bench, 1).state, STORE_RUNNING);
    assert_int_equal(finish_task(bench, 1, (struct store_token){2, 2}, STORE_SUCCEEDED),
                     STORE_DONE);
    assert_int_equal(finish_task(bench, 1, (struct store_token){2, 2}, STORE_FAILED),
                     STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_SUCCEEDED);
    assert_true(str_is(task.result, "result"));
    assert_int_equal(task.usage.tokens_out, 4);
    assert_int_equal(task.usage.cost_nano_usd, 5);
    assert_int_equal(task.updated_us, T0 + 2000);
    assert_int_equal(task.attempts[1].ended_us, T0 + 2000);
    assert_int_equal(task.events[task.event_count - 1].kinds, STORE_EVENT_SUCCEEDED);
}

static void a_task_that_never_ran_is_cancelled_under_token_zero(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    assert_int_equal(finish_task(bench, 1, (struct store_token){0, 0}, STORE_CANCELLED),
                     STORE_DONE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_CANCELLED);
    assert_int_equal(task.error.code, 13);
    assert_true(str_is(task.error.reason, "WHY"));
    assert_int_equal(start_attempt(bench, 1, 1, 1), STORE_STALE);
}

static void a_failed_attempt_waits_for_the_next(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_attempt(bench, 1, 1, 1);
    struct store_chunk chunk = chunk_of(1, 1, 1);
    struct store_retry retry = {
        .id = id_of(1),
        .token = {1, 1},
        .at_us = T0 + 10,
        .due_us = T0 + 500,
        .error = {.code = 14, .reason = AION_STR("HOST_LOST"), .message = AION_STR("gone")},
        .chunks = &chunk,
        .count = 1,
    };
    wait_for(bench, retry, &retry);
    assert_int_equal(retry.outcome, STORE_DONE);
    wait_for(bench, retry, &retry);
    assert_int_equal(retry.outcome, STORE_STALE);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_RETRY_WAIT);
    assert_int_equal(task.due_us, T0 + 500);
    assert_true(str_is(task.error.reason, "HOST_LOST"));
    assert_true(str_is(task.attempts[0].error.message, "gone"));
    assert_int_equal(task.attempts[0].ended_us, T0 + 10);
    assert_int_equal(task.cursor, 1);
    assert_int_equal(start_attempt(bench, 1, 1, 2), STORE_DONE);
    assert_int_equal(read_task(bench, 1).error.code, 0);
}

static void output_is_read_from_a_cursor(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_attempt(bench, 1, 1, 1);
    assert_int_equal(put_chunks(bench, 1, (struct store_token){1, 1}, 1, 10), STORE_DONE);
    assert_int_equal(put_chunks(bench, 1, (struct store_token){1, 2}, 11, 1), STORE_STALE);
    struct store_chunks_read read = {
        .op.arena = &bench->arena, .id = id_of(1), .after = 4, .limit = 3, .bytes_max = 1000};
    wait_for(bench, chunks_read, &read);
    assert_int_equal(read.count, 3);
    assert_true(read.more);
    assert_int_equal(read.chunks[0].cursor, 5);
    assert_int_equal(read.chunks[0].sequence, 5);
    assert_int_equal(read.chunks[0].kind, STORE_CHUNK_TEXT);
    assert_true(str_is(read.chunks[2].payload, "words"));
    assert_true(str_is(read.chunks[2].content_type, "text/plain"));
    read.after = 7;
    wait_for(bench, chunks_read, &read);
    assert_int_equal(read.count, 3);
    assert_false(read.more);
    read.after = 0;
    read.bytes_max = 6;
    read.limit = 100;
    wait_for(bench, chunks_read, &read);
    assert_int_equal(read.count, 2);
    assert_true(read.more);
    assert_int_equal(read_task(bench, 1).cursor, 10);
}

static void the_last_output_comes_with_the_end(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_attempt(bench, 1, 1, 1);
    struct store_chunk chunk = chunk_of(1, 1, 1);
    struct store_finish finish = {.id = id_of(1),
                                  .token = {1, 1},
                                  .state = STORE_SUCCEEDED,
                                  .at_us = T0,
                                  .stream_digest = aion_str_of(digest_a),
                                  .chunks = &chunk,
                                  .count = 1};
    wait_for(bench, finish, &finish);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.cursor, 1);
    assert_memory_equal(task.stream_digest.data, digest_a, 32);
    assert_int_equal(put_chunks(bench, 1, (struct store_token){1, 1}, 2, 1), STORE_STALE);
}

static void acknowledged_output_is_gone_and_cursors_go_on(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_attempt(bench, 1, 1, 1);
    put_chunks(bench, 1, (struct store_token){1, 1}, 1, 5);
    struct store_ack ack = {.id = id_of(1), .cursor = 3};
    wait_for(bench, ack, &ack);
    assert_int_equal(ack.acked, 3);
    ack.cursor = 1;
    wait_for(bench, ack, &ack);
    assert_int_equal(ack.acked, 3);
    ack.cursor = 99;
    wait_for(bench, ack, &ack);
    assert_int_equal(ack.acked, 5);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.acked, 5);
    assert_int_equal(task.cursor, 5);
    struct store_load load = {.op.arena = &bench->arena, .limit = 10};
    wait_for(bench, load, &load);
    assert_int_equal(load.tasks[0].chunk_sequence, 5);
    ack.id = id_of(9);
    wait_for(bench, ack, &ack);
    assert_int_equal(ack.outcome, STORE_STALE);
}

static void a_list_is_newest_first_and_pages_without_gap(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 25; i++)
        put_task(bench, i);
    finish_task(bench, 7, (struct store_token){0, 0}, STORE_CANCELLED);
    struct store_list list = {
        .op.arena = &bench->arena, .tenant = AION_STR("default"), .limit = 10};
    unsigned seen = 0, expected = 25;
    do {
        wait_for(bench, list, &list);
        for (size_t i = 0; i < list.count; i++, seen++) {
            struct aion_uuid id = id_of(expected--);
            assert_true(aion_uuid_eq(&list.tasks[i].id, &id));
            assert_true(str_is(list.tasks[i].meta, "meta"));
        }
        list.before = list.next;
    } while (list.next != 0);
    assert_int_equal(seen, 25);
    list = (struct store_list){.op.arena = &bench->arena,
                               .tenant = AION_STR("default"),
                               .limit = 10,
                               .states = 1u << STORE_CANCELLED};
    wait_for(bench, list, &list);
    assert_int_equal(list.count, 1);
    list.intent = AION_STR("other");
    list.before = 0;
    wait_for(bench, list, &list);
    assert_int_equal(list.count, 0);
    list.tenant = AION_STR("other");
    list.intent = (aion_str){0};
    wait_for(bench, list, &list);
    assert_int_equal(list.count, 0);
}

static void unfinished_tasks_are_loaded_in_order(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 9; i++)
        put_task(bench, i);
    start_attempt(bench, 2, 3, 1);
    put_chunks(bench, 2, (struct store_token){3, 1}, 1, 4);
    finish_task(bench, 5, (struct store_token){0, 0}, STORE_CANCELLED);
    struct store_load load = {.op.arena = &bench->arena, .limit = 3};
    unsigned seen = 0;
    do {
        wait_for(bench, load, &load);
        for (size_t i = 0; i < load.count; i++) {
            assert_true(load.tasks[i].sequence > load.after);
            load.after = load.tasks[i].sequence;
            seen++;
            if (load.tasks[i].state != STORE_RUNNING)
                continue;
            assert_int_equal(load.tasks[i].token.epoch, 3);
            assert_int_equal(load.tasks[i].cursor, 4);
            assert_int_equal(load.tasks[i].chunk_sequence, 4);
            assert_true(str_is(load.tasks[i].host, "host-1"));
        }
    } while (load.more);
    assert_int_equal(seen, 8);
}

static void policy_revisions_count_up_and_a_repeat_is_the_newest(void **state)
{
    struct bench *bench = *state;
    struct store_policy_put put = {.op.arena = &bench->arena,
                                   .policy = {.digest = AION_STR("sha256:1"),
                                              .at_us = T0,
                                              .by = AION_STR("me"),
                                              .cause = AION_STR("start"),
                                              .rules = 2,
                                              .routes = 3,
                                              .files = AION_STR("files")}};
    wait_for(bench, policy_put, &put);
    assert_int_equal(put.policy.ordinal, 1);
    put.policy.by = AION_STR("you");
    wait_for(bench, policy_put, &put);
    assert_true(put.repeated);
    assert_true(str_is(put.policy.by, "me"));
    put.policy.digest = AION_STR("sha256:2");
    put.policy.files = AION_STR("others");
    wait_for(bench, policy_put, &put);
    assert_int_equal(put.policy.ordinal, 2);
    struct store_policy_list list = {.op.arena = &bench->arena, .limit = 10};
    wait_for(bench, policy_list, &list);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.policies[0].ordinal, 2);
    struct store_policy_read read = {.op.arena = &bench->arena, .ordinal = 1};
    wait_for(bench, policy_read, &read);
    assert_true(read.found && str_is(read.policy.files, "files"));
    read.ordinal = 0;
    wait_for(bench, policy_read, &read);
    assert_true(read.found && str_is(read.policy.files, "others"));
    read.ordinal = 7;
    wait_for(bench, policy_read, &read);
    assert_false(read.found);
}

static void a_plan_is_kept_by_revision(void **state)
{
    struct bench *bench = *state;
    struct store_plan_read read = {.op.arena = &bench->arena};
    wait_for(bench, plan_read, &read);
    assert_int_equal(read.plan.revision, 0);
    struct store_plan_put put = {.plan = {.keep_succeeded_us = 1,
                                          .keep_failed_us = 2,
                                          .keep_idempotency_us = 3,
                                          .sweep_every_us = 4,
                                          .changed_us = T0,
                                          .changed_by = AION_STR("me")}};
    wait_for(bench, plan_put, &put);
    wait_for(bench, plan_put, &put);
    wait_for(bench, plan_read, &read);
    assert_int_equal(read.plan.revision, 2);
    assert_int_equal(read.plan.sweep_every_us, 4);
    assert_true(str_is(read.plan.changed_by, "me"));
}

static void a_sweep_takes_what_is_due_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 6; i++)
        put_task(bench, i);
    start_attempt(bench, 1, 1, 1);
    put_chunks(bench, 1, (struct store_token){1, 1}, 1, 3);
    finish_task(bench, 1, (struct store_token){1, 1}, STORE_SUCCEEDED);
    finish_task(bench, 2, (struct store_token){0, 0}, STORE_FAILED);
    finish_task(bench, 3, (struct store_token){0, 0}, STORE_SUCCEEDED);
    struct store_sweep sweep = {
        .succeeded_before_us = T0 + 2001, .batch_max = 10, .dry_run = true};
    wait_for(bench, sweep, &sweep);
    assert_int_equal(sweep.tasks, 2);
    assert_int_equal(sweep.chunks, 3);
    sweep.dry_run = false;
    sweep.batch_max = 1;
    wait_for(bench, sweep, &sweep);
    assert_int_equal(sweep.tasks, 1);
    assert_true(sweep.more);
    sweep.batch_max = 10;
    wait_for(bench, sweep, &sweep);
    assert_int_equal(sweep.tasks, 1);
    assert_false(sweep.more);
    struct store_task_read read = {.op.arena = &bench->arena, .id = id_of(1)};
    wait_for(bench, task_read, &read);
    assert_false(read.found);
    assert_int_equal(read_task(bench, 2).state, STORE_FAILED);
    assert_int_equal(read_task(bench, 4).state, STORE_QUEUED);
}

static void old_keys_are_swept(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(1);
    accept.key = AION_STR("old");
    wait_for(bench, accept, &accept);
    accept = accept_of(2);
    accept.key = AION_STR("new");
    wait_for(bench, accept, &accept);
    struct store_sweep sweep = {.keys_before_us = T0 + 2};
    wait_for(bench, sweep, &sweep);
    assert_int_equal(sweep.keys, 1);
    accept = accept_of(3);
    accept.key = AION_STR("old");
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_DONE);
    accept.key = AION_STR("new");
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.outcome, STORE_DUPLICATE);
}

static void an_answer_beyond_the_arena_is_refused(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct aion_arena small;
    aion_arena_init(&small, 8, NULL, 0);
    struct store_task_read read = {.op.arena = &small, .id = id_of(1), .with_body = true};
    assert_false(store_task_read_wait(bench->store, &read, &bench->err));
    assert_int_equal(bench->err.code, AION_EXHAUSTED);
    aion_arena_done(&small);
}

/* -- completions -------------------------------------------------------------------- */
struct gathered {
    struct aion_exec exec;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct aion_job *jobs;
};

static void gather(struct aion_exec *exec, struct aion_job *job)
{
    struct gathered *gathered = aion_container(exec, struct gathered, exec);
    pthread_mutex_lock(&gathered->lock);
    job->next = gathered->jobs;
    gathered->jobs = job;
    pthread_cond_signal(&gathered->wake);
    pthread_mutex_unlock(&gathered->lock);
}

static void run_jobs(struct gathered *gathered)
{
    pthread_mutex_lock(&gathered->lock);
    while (gathered->jobs == NULL)
        pthread_cond_wait(&gathered->wake, &gathered->lock);
    struct aion_job *job = gathered->jobs;
    gathered->jobs = job->next;
    pthread_mutex_unlock(&gathered->lock);
    job->run(job);
}

struct counted {
    struct store_accept accept;
    unsigned place;
};
static unsigned done_count;

static void count_done(struct store_op *op, const struct aion_err *err)
{
    struct counted *counted = aion_container(op, struct counted, accept.op);
    assert_null(err);
    assert_int_equal(counted->accept.outcome, STORE_DONE);
    assert_int_equal(counted->place, done_count++);
}

static void completions_come_in_order_on_the_exec(void **state)
{
    struct bench *bench = *state;
    struct gathered gathered = {.exec.post = gather,
                                .lock = PTHREAD_MUTEX_INITIALIZER,
                                .wake = PTHREAD_COND_INITIALIZER};
    static struct counted ops[200];
    store_close(bench->store);
    struct store_conf conf = {.url = bench->url, .exec = &gathered.exec};
    bench->store = store_open(&conf, &bench->err);
    assert_non_null(bench->store);
    done_count = 0;
    for (unsigned i = 0; i < aion_countof(ops); i++) {
        ops[i] = (struct counted){.accept = accept_of(i), .place = i};
        ops[i].accept.op.done = count_done;
        assert_true(store_accept(bench->store, &ops[i].accept, &bench->err));
    }
    while (done_count < aion_countof(ops))
        run_jobs(&gathered);
    store_close(bench->store);
    open_bench(bench);
}

#define each_driver_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    static const char *const drivers[] = {"sqlite", "script"};
    const struct CMUnitTest tests[] = {
        each_driver_test(a_task_is_read_as_it_was_accepted),
        each_driver_test(another_tenants_task_is_not_found),
        each_driver_test(a_task_without_decision_waits_for_its_route),
        each_driver_test(the_same_key_and_body_give_the_first_task),
        each_driver_test(a_key_is_found_by_its_tenant),
        each_driver_test(the_same_task_id_acts_as_a_key),
        each_driver_test(an_attempt_starts_under_a_greater_token_only),
        each_driver_test(a_resumed_attempt_is_told_in_the_history),
        each_driver_test(a_stale_result_changes_nothing),
        each_driver_test(a_task_that_never_ran_is_cancelled_under_token_zero),
        each_driver_test(a_failed_attempt_waits_for_the_next),
        each_driver_test(output_is_read_from_a_cursor),
        each_driver_test(the_last_output_comes_with_the_end),
        each_driver_test(acknowledged_output_is_gone_and_cursors_go_on),
        each_driver_test(a_list_is_newest_first_and_pages_without_gap),
        each_driver_test(unfinished_tasks_are_loaded_in_order),
        each_driver_test(policy_revisions_count_up_and_a_repeat_is_the_newest),
        each_driver_test(a_plan_is_kept_by_revision),
        each_driver_test(a_sweep_takes_what_is_due_and_nothing_else),
        each_driver_test(old_keys_are_swept),
        each_driver_test(an_answer_beyond_the_arena_is_refused),
        each_driver_test(completions_come_in_order_on_the_exec),
    };
    int failed = 0;
    for (size_t i = 0; i < aion_countof(drivers); i++) {
        driver = drivers[i];
        failed += cmocka_run_group_tests_name(drivers[i], tests, NULL, NULL);
    }
    return failed;
}
