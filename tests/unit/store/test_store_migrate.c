/* A store of schema 1 is brought up to date without losing a task. Goal: every state, output,
 * key, history, policy and plan of the old store is read from the new one, and tasks go on
 * under their tokens. Method: a store that the old code wrote, kept as SQL. */
#include "sqlite_bench.h"

#include <sqlite3.h>

#define HOUR ((int64_t)3600000000)

static void load_fixture(struct sqlite_bench *bench)
{
    static char sql[65536];
    FILE *file = fopen("tests/data/store/schema_1.sql", "r");
    assert_non_null(file);
    size_t size = fread(sql, 1, sizeof(sql) - 1, file);
    sql[size] = '\0';
    fclose(file);
    sqlite_bench_sql(bench, sql);
}

static struct aion_uuid old_id(unsigned number)
{
    struct aion_uuid id = {.bytes = {0x01, 0x8b, 0xcf, 0xe5, 0x68, 0, 0x70, 1, 0x80}};
    id.bytes[13] = (uint8_t)number;
    id.bytes[14] = 7;
    id.bytes[15] = (uint8_t)(number * 11);
    return id;
}

static struct store_task read_task(struct sqlite_bench *bench, unsigned number)
{
    struct aion_uuid id = old_id(number);
    return sqlite_bench_read(bench, &id, 0);
}

static int setup(void **state)
{
    sqlite_bench_setup(state);
    load_fixture(*state);
    sqlite_bench_open(*state, 0);
    return 0;
}

static bool is(aion_str value, const char *text)
{
    return aion_str_is(value, text);
}

static void every_task_is_in_its_state(void **state)
{
    static const enum store_state states[] = {0,
                                              STORE_QUEUED,
                                              STORE_ACCEPTED,
                                              STORE_RUNNING,
                                              STORE_RETRY_WAIT,
                                              STORE_SUCCEEDED,
                                              STORE_CANCELLED,
                                              STORE_RUNNING,
                                              STORE_RUNNING,
                                              STORE_DEAD,
                                              STORE_QUEUED};
    struct sqlite_bench *bench = *state;
    assert_int_equal(store_info(bench->store).version, 2);
    for (unsigned i = 1; i < aion_countof(states); i++) {
        struct store_task task = read_task(bench, i);
        assert_int_equal(task.state, states[i]);
        assert_int_equal(store_seq_shard(task.seq), i * 11 % 64);
        assert_true(is(task.tenant, i % 2 != 0 ? "acme" : "default"));
        assert_true(is(task.meta, "meta") && is(task.body, "body"));
        assert_int_equal(task.priority, 1 + i % 5);
    }
    assert_int_equal(sqlite_bench_unfinished(bench), 7);
}

static void what_a_task_was_is_what_it_is(void **state)
{
    struct sqlite_bench *bench = *state;
    assert_int_equal(read_task(bench, 1).created_us, T0 + 1);
    assert_true(is(read_task(bench, 1).decision.bytes, "decision"));
    struct store_task waiting = read_task(bench, 4);
    assert_int_equal(waiting.due_us, T0 + 9000);
    assert_true(is(waiting.error.reason, "HOST_LOST"));
    struct store_task done = read_task(bench, 5);
    assert_true(is(done.result, "result"));
    assert_int_equal(done.usage.cost_nano_usd, 5);
    assert_int_equal(done.cursor, 4);
    assert_int_equal(done.stream_digest.size, 32);
    struct store_task late = read_task(bench, 7);
    assert_true(is(late.decision.bytes, "late"));
    assert_int_equal(late.event_count, 4);
    assert_int_equal(late.events[1].kinds, STORE_EVENT_ROUTED | STORE_EVENT_QUEUED);
    assert_int_equal(late.events[3].kinds, STORE_EVENT_RESUMED);
    assert_true(is(late.events[3].note, "host-1"));
    struct store_task dead = read_task(bench, 9);
    assert_int_equal(dead.attempt_count, 2);
    assert_true(is(dead.attempts[0].error.message, "gone"));
    assert_int_equal(dead.attempts[1].ended_us, dead.updated_us);
}

static void running_tasks_go_on_under_their_tokens(void **state)
{
    struct sqlite_bench *bench = *state;
    struct store_task running = read_task(bench, 3), acked = read_task(bench, 8);
    assert_int_equal(running.cursor, 3);
    assert_int_equal(acked.cursor, 5);
    assert_int_equal(acked.acked, 5);
    assert_true(bench->epoch > running.token.epoch);
    struct store_load load = {
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 100};
    sqlite_wait(bench, load, &load);
    for (size_t i = 0; i < load.count; i++)
        if (load.tasks[i].seq == acked.seq)
            assert_int_equal(load.tasks[i].chunk_sequence, 5);
    struct store_finish finish = {.write = sqlite_bench_write(bench, running.seq),
                                  .token = running.token,
                                  .state = STORE_SUCCEEDED,
                                  .at_us = T0 + 5000,
                                  .cursor = 3,
                                  .result = AION_STR("late")};
    sqlite_wait(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_DONE);
    assert_int_equal(read_task(bench, 3).attempt_count, 1);
    sqlite_bench_open(bench, 0);
    assert_int_equal(sqlite_bench_unfinished(bench), 6);
    assert_true(is(read_task(bench, 3).result, "late"));
}

static void keys_and_ids_are_known_still(void **state)
{
    struct sqlite_bench *bench = *state;
    static const char *const keys[] = {"key-3", "key-6", "key-10"};
    static const unsigned numbers[] = {3, 6, 10};
    for (unsigned i = 0; i < 3; i++) {
        struct store_accept accept = sqlite_bench_accept(bench, store_seq(T0 + 70 * HOUR, i));
        struct aion_uuid id = old_id(numbers[i]);
        accept.tenant = numbers[i] % 2 != 0 ? AION_STR("acme") : AION_STR("default");
        accept.key = aion_str_of(keys[i]);
        accept.digest = AION_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        sqlite_wait(bench, accept, &accept);
        assert_int_equal(accept.write.outcome, STORE_DUPLICATE);
        assert_true(aion_uuid_eq(&accept.first, &id));
        assert_int_equal(accept.first_seq, read_task(bench, numbers[i]).seq);
    }
    struct store_accept own = sqlite_bench_accept(bench, store_seq(T0 + 70 * HOUR, 9));
    own.own_id = true;
    own.id = old_id(4);
    own.digest = AION_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    sqlite_wait(bench, accept, &own);
    assert_int_equal(own.write.outcome, STORE_DUPLICATE);
    own.id = old_id(2); /* the server's own */
    sqlite_wait(bench, accept, &own);
    assert_int_equal(own.write.outcome, STORE_CONFLICT);
}

static void policy_and_plan_are_there(void **state)
{
    struct sqlite_bench *bench = *state;
    struct store_policy_read policy = {.op.arena = &bench->arena};
    sqlite_wait(bench, policy_read, &policy);
    assert_true(policy.found && is(policy.policy.digest, "sha256:p"));
    assert_true(is(policy.policy.files, "files") && is(policy.policy.by, "me"));
    struct store_plan_read plan = {.op.arena = &bench->arena};
    sqlite_wait(bench, plan_read, &plan);
    assert_int_equal(plan.plan.keep_failed_us, 2);
}

static void nothing_of_the_old_schema_is_left(void **state)
{
    struct sqlite_bench *bench = *state;
    store_close(bench->store);
    bench->store = NULL;
    assert_int_equal(
        sqlite_bench_sql(bench, "SELECT count(*) FROM sqlite_master WHERE name IN ('task',"
                                "'live','event','stream','policy_1','plan_1','idempotency')"),
        0);
    assert_int_equal(
        sqlite_bench_sql(bench, "SELECT integrity_check <> 'ok' FROM pragma_integrity_check"),
        0);
}

/* What AION 0.1 asks a file before it opens it: with these answers it says that a newer AION
 * wrote it, and leaves it alone. */
static void an_older_binary_finds_a_version_it_does_not_know(void **state)
{
    struct sqlite_bench *bench = *state;
    store_close(bench->store);
    bench->store = NULL;
    assert_int_equal(sqlite_bench_sql(bench, "PRAGMA application_id"), 0x41494f4e);
    assert_true(sqlite_bench_sql(bench, "SELECT value FROM schema_meta WHERE name = "
                                        "'schema_version'") > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define migrated_test(test) cmocka_unit_test_setup_teardown(test, setup, sqlite_bench_teardown)
        migrated_test(every_task_is_in_its_state),
        migrated_test(what_a_task_was_is_what_it_is),
        migrated_test(running_tasks_go_on_under_their_tokens),
        migrated_test(keys_and_ids_are_known_still),
        migrated_test(policy_and_plan_are_there),
        migrated_test(nothing_of_the_old_schema_is_left),
        migrated_test(an_older_binary_finds_a_version_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
