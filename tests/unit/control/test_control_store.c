/* Control and its store: what is written with what, what others are told, and what becomes of
 * it when the store cannot tell or belongs to somebody else. Method: the scripted store, which
 * counts, loses shards and keeps its answers to itself when told. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* -- starts and events --------------------------------------------------------------- */
static void a_quick_tasks_start_goes_with_its_end(void **state)
{
    struct bench *bench = *state;
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 4, NULL, 0);
    const Aion__V1__Task *task = bench_submit(bench, "quick", NULL, 5);
    assert_int_equal(task->state, TASK_SUCCEEDED);
    assert_int_equal(store_script_count(bench->store, STORE_START), 0);
    task = bench_get(bench, task->task_id);
    assert_int_equal(task->n_attempts, 1);
    assert_string_equal(task->attempts[0]->host_id, "host-0");
    assert_string_equal(task->attempts[0]->module_digest, "sha256:1");
    assert_string_equal(task->events[task->n_events - 2]->kind, "started");
    struct store_events_read events = bench_events(bench);
    assert_int_equal(events.count, 2);
    assert_int_equal(events.events[0].kinds,
                     STORE_EVENT_ACCEPTED | STORE_EVENT_ROUTED | STORE_EVENT_QUEUED);
    assert_true(events.events[0].payload.size > 0);
    const struct store_outbox *end = &events.events[1];
    assert_int_equal(end->kinds, STORE_EVENT_STARTED | STORE_EVENT_SUCCEEDED);
    assert_int_equal(end->state, STORE_SUCCEEDED);
    assert_true(aion_str_is(end->host, "host-0") && end->started_us > 0);
    assert_true(end->started_us <= end->at_us);
}

static void a_slow_tasks_start_is_written_alone(void **state)
{
    struct bench *bench = *state;
    bench_attach(bench, 0, 1, NULL, 0);
    const char *id = bench_submit(bench, "slow", NULL, 0)->task_id;
    bench_until(bench, store_script_count(bench->store, STORE_START) == 1);
    assert_int_equal(bench_get(bench, id)->n_attempts, 1);
    bench_result(&bench->hosts[0], &bench->hosts[0].executed[0], "done");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    struct store_events_read events = bench_events(bench);
    assert_int_equal(events.count, 3);
    assert_int_equal(events.events[1].kinds, STORE_EVENT_STARTED);
    assert_int_equal(events.events[2].kinds, STORE_EVENT_SUCCEEDED);
}

/* A chunk names its attempt: the start must be there first. */
static void output_brings_its_start_along(void **state)
{
    struct bench *bench = *state;
    bench_attach(bench, 0, 1, NULL, 0);
    const char *id = bench_submit(bench, "talker", NULL, 0)->task_id;
    bench_until(bench, bench->hosts[0].executes == 1);
    bench_chunk(&bench->hosts[0], &bench->hosts[0].executed[0], 1, "a word");
    bench_until(bench, bench_status(bench, id)->cursor > 0);
    assert_int_equal(store_script_count(bench->store, STORE_START), 1);
    assert_int_equal(bench_get(bench, id)->n_attempts, 1);
}

static void sequences_grow_over_restarts(void **state)
{
    struct bench *bench = *state;
    uint64_t last = 0;
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 4, NULL, 0);
    for (int i = 0; i < 5; i++)
        assert_non_null(bench_submit(bench, "x", NULL, 5));
    bench_restart_control(bench);
    bench_attach(bench, 0, 4, NULL, 0);
    for (int i = 0; i < 5; i++)
        assert_non_null(bench_submit(bench, "y", NULL, 5));
    struct store_events_read events = bench_events(bench);
    assert_int_equal(events.count, 20);
    for (size_t i = 0; i < events.count; i++) {
        assert_true(events.events[i].sequence > last);
        last = events.events[i].sequence;
    }
}

/* -- places -------------------------------------------------------------------------- */
static void an_id_holds_its_tasks_place(void **state)
{
    struct bench *bench = *state;
    uint64_t last = 0;
    for (int i = 0; i < 20; i++) {
        struct aion_uuid id;
        const Aion__V1__Task *task = bench_submit(bench, "x", NULL, 0);
        assert_true(aion_uuid_parse(aion_str_of(task->task_id), &id));
        const struct control_task *held = control_cache_find(&bench->control->tasks, &id);
        assert_int_equal(store_seq_of(&id), held->seq);
        assert_true(held->seq > last);
        last = held->seq;
    }
}

static void a_key_has_its_shard(void **state)
{
    struct bench *bench = *state;
    struct aion_uuid one, other;
    assert_true(
        aion_uuid_parse(aion_str_of(bench_submit(bench, "x", "key-a", 0)->task_id), &one));
    bench_restart_control(bench);
    Aion__V1__TaskRequest *request = bench_request(bench, "x", "key-a");
    const Aion__V1__Task *again = bench_submit_request(bench, request);
    assert_true(aion_uuid_parse(aion_str_of(again->task_id), &other));
    assert_true(aion_uuid_eq(&one, &other));
}

/* -- what the store cannot tell ------------------------------------------------------- */
static void what_was_unclear_is_found_out_and_runs(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    store_script_fail(bench->store, STORE_ACCEPT, STORE_SCRIPT_UNCLEAR, AION_UNAVAILABLE, 2);
    assert_null(bench_submit(bench, "perhaps", "key", 0));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    assert_string_equal(bench->err.reason, "STORE_UNCLEAR");
    host->automatic = true;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_until(bench, host->executes == 1);
    const Aion__V1__Task *task = bench_submit(bench, "perhaps", "key", 5);
    assert_non_null(task);
    assert_int_equal(task->state, TASK_SUCCEEDED);
    assert_int_equal(host->executes, 1);
    assert_int_equal(bench->control->tasks.by_id.count, 1);
}

static void an_end_that_was_unclear_is_written_once(void **state)
{
    struct bench *bench = *state;
    bench->hosts[0].automatic = true;
    store_script_fail(bench->store, STORE_FINISH, STORE_SCRIPT_UNCLEAR, AION_UNAVAILABLE, 2);
    bench_attach(bench, 0, 1, NULL, 0);
    const Aion__V1__Task *task = bench_submit(bench, "x", NULL, 5);
    assert_int_equal(task->state, TASK_SUCCEEDED);
    assert_int_equal(store_script_count(bench->store, STORE_FINISH), 3);
    assert_int_equal(bench_events(bench).count, 2);
}

/* The start failed and is written again; the end came in between, met no start, and is told of
 * only after the start is there. */
static void an_end_that_met_no_start_is_written_again(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    store_script_fail(bench->store, STORE_START, STORE_SCRIPT_FAIL, AION_UNAVAILABLE, 1);
    bench_attach(bench, 0, 1, NULL, 0);
    const char *id = bench_submit(bench, "x", NULL, 0)->task_id;
    bench_until(bench, store_script_count(bench->store, STORE_START) == 1);
    store_script_mute(bench->store, STORE_FINISH);
    bench_result(host, &host->executed[0], "done");
    bench_until(bench, store_script_count(bench->store, STORE_FINISH) == 1);
    bench_until(bench, store_script_count(bench->store, STORE_START) == 2);
    assert_int_equal(bench_get(bench, id)->n_attempts, 1); /* and that has been heard */
    store_script_tell(bench->store);
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    assert_int_equal(store_script_count(bench->store, STORE_FINISH), 2);
}

static void a_control_that_ends_forgets_what_is_unclear(void **state)
{
    struct bench *bench = *state;
    store_script_fail(bench->store, STORE_ACCEPT, STORE_SCRIPT_UNCLEAR, AION_UNAVAILABLE, 1);
    assert_null(bench_submit(bench, "perhaps", "key", 0));
    bench_restart_control(bench); /* ASan judges; the store has it */
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_until(bench, bench->hosts[0].executes == 1);
}

/* -- shards that are lost -------------------------------------------------------------- */
static void note_lost(struct control *control, const struct aion_err *err)
{
    (void)err;
    control->next_session = 4711;
}

static void note_drained(struct control *control)
{
    control->next_session = 4712;
}

static void a_submit_to_a_lost_shard_is_refused_and_ends_the_process(void **state)
{
    struct bench *bench = *state;
    bench->control->shards.clash = note_lost;
    store_script_lose(bench->store, STORE_ALL_SHARDS);
    assert_null(bench_submit(bench, "x", NULL, 0));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    assert_int_equal(bench->control->next_session, 4711);
}

static void a_result_of_a_lost_shard_is_not_settled_and_holds_up_nothing(void **state)
{
    struct bench *bench = *state;
    bench->control->shards.clash = note_lost;
    bench_attach(bench, 0, 1, NULL, 0);
    const char *id = bench_submit(bench, "x", NULL, 0)->task_id;
    bench_until(bench, bench->hosts[0].executes == 1);
    store_script_lose(bench->store, STORE_ALL_SHARDS);
    bench_result(&bench->hosts[0], &bench->hosts[0].executed[0], "too late");
    bench_until(bench, bench->control->next_session == 4711);
    assert_true(bench_is(bench, id, TASK_RUNNING));
    assert_int_equal(bench->hosts[0].settles, 0);
    control_drain(bench->control, note_drained);
    bench_until(bench, bench->control->next_session == 4712);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define store_test(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)
        store_test(a_quick_tasks_start_goes_with_its_end),
        store_test(a_slow_tasks_start_is_written_alone),
        store_test(output_brings_its_start_along),
        store_test(sequences_grow_over_restarts),
        store_test(an_id_holds_its_tasks_place),
        store_test(a_key_has_its_shard),
        store_test(what_was_unclear_is_found_out_and_runs),
        store_test(an_end_that_was_unclear_is_written_once),
        store_test(an_end_that_met_no_start_is_written_again),
        store_test(a_control_that_ends_forgets_what_is_unclear),
        store_test(a_submit_to_a_lost_shard_is_refused_and_ends_the_process),
        store_test(a_result_of_a_lost_shard_is_not_settled_and_holds_up_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
