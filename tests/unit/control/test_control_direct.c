/* The direct lane on a real mesh and the scripted store: nothing is written before the run, one
 * write records all of it afterwards, and the task ends with its call, whoever ends that. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COST  1000
#define LIMIT 10000

static struct bench bench;
static struct mesh_rpc *call;

static int setup(void **state)
{
    (void)state;
    bench_start(&bench);
    bench.direct = true;
    bench_attach(&bench, 0, 1, NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop(&bench);
    return 0;
}

/* -- what the tests do -------------------------------------------------------------- */
static void answered(void *user, const struct mesh_result *result)
{
    (void)user;
    call = NULL;
    bench.answered = true;
    bench.err = (struct aion_err){.code = AION_OK};
    if (result->err != NULL)
        bench.err = *result->err;
}

static Aion__V1__TaskRequest *asking(int64_t wait_s)
{
    return bench_waiting_request(&bench, "x", NULL, wait_s);
}

/* A call under way; its task runs on host 0. */
static const struct bench_word *running(void)
{
    struct bench_host *host = &bench.hosts[0];
    size_t before = host->executes;
    bench.answered = false;
    call =
        mesh_unary(bench.channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
                   &asking(30)->base, NULL, answered, NULL);
    bench_until(&bench, host->executes > before);
    return &host->executed[before % BENCH_EVENTS];
}

static size_t written(enum store_kind kind)
{
    return store_script_count(bench.store, kind);
}

static bool nothing_is_left(void)
{
    return aion_list_empty(&bench.control->directs.open) &&
           bench.control->directs.unrecorded == 0 && aion_list_empty(&bench.control->writes);
}

/* The stored task, once it is recorded. */
static struct store_task stored(const char *task_id)
{
    struct store_task task;
    bench_until(&bench, nothing_is_left());
    assert_true(bench_stored(&bench, task_id, &task));
    return task;
}

static void make_budget(void)
{
    bench.cost_nano_usd = COST;
    bench_set_budget(&bench, LIMIT);
}

static int64_t balance(const char *prefix)
{
    return bench_balance(&bench, prefix);
}

/* -- the run and its record --------------------------------------------------------- */
static void nothing_is_written_before_it_ran_and_everything_afterwards(void **state)
{
    (void)state;
    const struct bench_word *word = running();
    bench_chunk(&bench.hosts[0], word, 1, "part ");
    bench_turns(&bench, 60); /* longer than a start lingers */
    assert_int_equal(written(STORE_ACCEPT) + written(STORE_START) + written(STORE_CHUNKS), 0);
    assert_int_equal(bench_get(&bench, word->task_id)->state,
                     AION__V1__TASK_STATE__TASK_STATE_RUNNING);
    bench.answered = false;
    bench_result(&bench.hosts[0], word, "done");
    bench_until(&bench, bench.answered);
    assert_int_equal(bench.err.code, AION_OK);
    struct store_task task = stored(word->task_id);
    assert_int_equal(written(STORE_FINISH), 1);
    assert_int_equal(task.state, STORE_SUCCEEDED);
    assert_int_equal(task.attempt_count, 1);
    assert_true(aion_str_is(task.attempts[0].host, "host-0"));
    assert_int_equal(task.cursor, 1);
    assert_true(task.body.size > 0);
    const Aion__V1__Task *told = bench_get(&bench, word->task_id);
    assert_string_equal(told->result->text, "done");
    assert_string_equal(told->engine->route, "local");
    assert_string_equal(told->events[0]->kind, "accepted");
    assert_string_equal(told->events[told->n_events - 1]->kind, "succeeded");
}

/* The store answers nothing: who calls is answered all the same. */
static void the_call_does_not_wait_for_the_disk(void **state)
{
    (void)state;
    bench.hosts[0].automatic = true;
    store_script_hold(bench.store, true);
    const Aion__V1__Task *task = bench_submit_request(&bench, asking(10));
    assert_non_null(task);
    assert_int_equal(task->state, AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED);
    assert_string_equal(task->result->text, "x");
    assert_int_equal(bench.control->directs.unrecorded, 1);
    assert_string_equal(bench_get(&bench, task->task_id)->result->text, "x");
    store_script_hold(bench.store, false);
    store_script_step(bench.store, 100);
    assert_int_equal(stored(task->task_id).state, STORE_SUCCEEDED);
}

static void what_must_be_kept_takes_the_durable_lane(void **state)
{
    (void)state;
    bench.hosts[0].automatic = true;
    assert_non_null(bench_submit(&bench, "x", "key", 10));
    assert_int_equal(written(STORE_ACCEPT), 1);
    const Aion__V1__Task *task = bench_submit(&bench, "x", NULL, 0); /* nobody waits */
    assert_non_null(task);
    assert_int_equal(written(STORE_ACCEPT), 2);
    bench.unsafe = true;
    assert_non_null(bench_submit_request(&bench, asking(10)));
    assert_int_equal(written(STORE_ACCEPT), 3);
    bench.unsafe = false;
    assert_non_null(bench_submit_request(&bench, asking(10)));
    assert_int_equal(written(STORE_ACCEPT), 3);
}

static void a_hold_keeps_it_as_a_durable_one(void **state)
{
    Aion__V1__HoldQueueRequest request = AION__V1__HOLD_QUEUE_REQUEST__INIT;
    Aion__V1__TaskFilter filter = AION__V1__TASK_FILTER__INIT;
    (void)state;
    bench.hosts[0].automatic = true;
    filter.all = true;
    request.filter = &filter;
    assert_non_null(bench_call(&bench,
                               &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_HOLD_QUEUE],
                               &request.base));
    const Aion__V1__Task *task = bench_submit_request(&bench, asking(1));
    assert_non_null(task);
    assert_int_equal(task->state, AION__V1__TASK_STATE__TASK_STATE_HELD);
    assert_int_equal(written(STORE_ACCEPT), 1);
}

static void its_output_is_read_from_memory_while_it_runs(void **state)
{
    (void)state;
    const struct bench_word *word = running();
    bench_chunk(&bench.hosts[0], word, 1, "one ");
    bench_stream(&bench, word->task_id, 0);
    bench_until(&bench, bench.chunks == 1);
    bench_chunk(&bench.hosts[0], word, 2, "two");
    bench_until(&bench, bench.chunks == 2);
    assert_int_equal(written(STORE_CHUNKS), 0);
    bench_result(&bench.hosts[0], word, "done");
    bench_until(&bench, bench.final && bench.stream_closed);
    assert_string_equal(bench.text, "one two");
    stored(word->task_id);
    bench_restart_control(&bench);
    bench_stream(&bench, word->task_id, 0);
    bench_until(&bench, bench.final);
    assert_string_equal(bench.text, "one two");
}

static void events_tell_its_whole_life_when_it_is_recorded(void **state)
{
    struct store_events_read read = {
        .op.arena = &bench.arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    (void)state;
    bench.hosts[0].automatic = true;
    const Aion__V1__Task *task = bench_submit_request(&bench, asking(10));
    stored(task->task_id);
    assert_true(store_events_read_wait(bench.store, &read, &bench.err));
    assert_int_equal(read.count, 2);
    assert_int_equal(read.events[0].kinds,
                     STORE_EVENT_ACCEPTED | STORE_EVENT_ROUTED | STORE_EVENT_QUEUED);
    assert_true(read.events[0].payload.size > 0);
    assert_int_equal(read.events[1].kinds, STORE_EVENT_STARTED | STORE_EVENT_SUCCEEDED);
    assert_true(read.events[1].sequence > read.events[0].sequence);
    assert_true(read.events[1].payload.size > 0);
}

/* -- how it ends otherwise ---------------------------------------------------------- */
static void a_cancelled_call_ends_the_work(void **state)
{
    (void)state;
    make_budget();
    const struct bench_word *word = running();
    bench.hosts[0].obedient = true;
    mesh_rpc_cancel(call);
    bench_until(&bench, bench.hosts[0].cancels == 1);
    assert_string_equal(bench.hosts[0].cancelled[0].text, "its call ended");
    struct store_task task = stored(word->task_id);
    assert_int_equal(task.state, STORE_CANCELLED);
    assert_int_equal(balance("reserved:") + balance("spent:"), 0);
    assert_int_equal(balance(""), 0);
    bench.hosts[0].automatic = true; /* the slot is free again */
    assert_non_null(bench_submit_request(&bench, asking(10)));
}

static void a_wait_that_is_over_ends_the_work(void **state)
{
    (void)state;
    bench.hosts[0].obedient = true;
    const Aion__V1__Task *task = bench_submit_request(&bench, asking(1));
    assert_non_null(task);
    assert_int_equal(task->state, AION__V1__TASK_STATE__TASK_STATE_EXPIRED);
    assert_int_equal(stored(task->task_id).state, STORE_EXPIRED);
    bench_until(&bench, bench.hosts[0].cancels == 1);
}

static void a_failure_that_may_pass_is_the_callers_to_repeat(void **state)
{
    (void)state;
    const struct bench_word *word = running();
    bench_failure(&bench.hosts[0], word, true, "MODULE_CRASHED");
    bench_until(&bench, bench.answered);
    assert_int_equal(bench.err.code, AION_UNAVAILABLE);
    assert_string_equal(bench.err.reason, "MODULE_CRASHED");
    assert_int_equal(stored(word->task_id).state, STORE_FAILED);
    assert_int_equal(bench.hosts[0].executes, 1);
    word = running();
    bench_failure(&bench.hosts[0], word, false, "BAD_INPUT");
    bench_until(&bench, bench.answered);
    assert_int_equal(bench.err.code, AION_OK); /* the task says it */
    assert_int_equal(stored(word->task_id).state, STORE_FAILED);
}

static void a_host_that_goes_takes_the_call_with_it_at_once(void **state)
{
    (void)state;
    struct bench_word word = *running();
    bench_detach(&bench, 0);
    bench_until(&bench, bench.answered);
    assert_int_equal(bench.err.code, AION_UNAVAILABLE);
    assert_string_equal(bench.err.reason, "HOST_LOST");
    assert_int_equal(stored(word.task_id).state, STORE_FAILED);
    bench_attach(&bench, 0, 1, &word, 1); /* it comes back with it */
    bench_until(&bench, bench.hosts[0].cancels == 1);
}

static void without_a_slot_it_is_refused_soon_and_leaves_no_trace(void **state)
{
    (void)state;
    make_budget();
    const struct bench_word *word = running();
    bench.answered = false;
    call =
        mesh_unary(bench.channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
                   &asking(30)->base, NULL, answered, NULL);
    int64_t began_us = aion_clock_mono_us();
    bench_until(&bench, bench.answered);
    assert_in_range(aion_clock_mono_us() - began_us, 900000, 3000000);
    assert_int_equal(bench.err.code, AION_EXHAUSTED);
    assert_string_equal(bench.err.reason, "NO_FREE_SLOT");
    bench.answered = false;
    bench_result(&bench.hosts[0], word, "done");
    bench_until(&bench, bench.answered);
    assert_int_equal(stored(word->task_id).state, STORE_SUCCEEDED);
    assert_int_equal(written(STORE_FINISH), 1);
    assert_int_equal(balance("reserved:"), 0);
    assert_int_equal(balance("spent:"), COST);
    assert_int_equal(balance(""), 0);
}

static void a_control_that_stops_ends_the_call_and_records_it(void **state)
{
    (void)state;
    struct bench_word word = *running();
    control_directs_end(bench.control);
    bench_until(&bench, bench.answered);
    assert_int_equal(bench.err.code, AION_UNAVAILABLE);
    assert_string_equal(bench.err.reason, "CONTROL_STOPPED");
    bench_until(&bench, bench.hosts[0].cancels == 1);
    assert_int_equal(stored(word.task_id).state, STORE_CANCELLED);
}

static void what_a_crash_keeps_from_the_disk_never_was(void **state)
{
    (void)state;
    make_budget();
    struct bench_word word = *running();
    store_script_fail(bench.store, STORE_FINISH, STORE_SCRIPT_REFUSE, AION_UNAVAILABLE, 1000);
    bench_restart_control(&bench);
    store_script_fail(bench.store, STORE_FINISH, STORE_SCRIPT_REFUSE, AION_UNAVAILABLE, 0);
    struct store_task never;
    assert_false(bench_stored(&bench, word.task_id, &never));
    assert_int_equal(balance("reserved:") + balance("spent:"), 0);
    assert_int_equal(balance(""), 0);
    bench_attach(&bench, 0, 1, &word, 1); /* its host still has it */
    bench_until(&bench, bench.hosts[0].cancels >= 1);
    bench.hosts[0].automatic = true;
    for (int i = 0; i < LIMIT / COST; i++)
        assert_non_null(bench_submit_request(&bench, asking(10)));
    assert_null(bench_submit_request(&bench, asking(10)));
    assert_string_equal(bench.err.reason, "BUDGET_EXHAUSTED");
    bench_until(&bench, nothing_is_left());
    assert_int_equal(balance("spent:"), LIMIT);
    assert_int_equal(balance(""), 0);
}

static void records_that_wait_for_the_store_are_bounded(void **state)
{
    (void)state;
    bench.control->directs.unrecorded += 10000;
    assert_null(bench_submit_request(&bench, asking(10)));
    assert_int_equal(bench.err.code, AION_UNAVAILABLE);
    assert_string_equal(bench.err.reason, "STORE_DOWN");
    bench.control->directs.unrecorded -= 10000;
    bench.hosts[0].automatic = true;
    assert_non_null(bench_submit_request(&bench, asking(10)));
}

/* A store that cannot tell, or fails, is asked again: the task is there once, its cost too. */
static void a_record_that_fails_is_written_again(void **state)
{
    (void)state;
    make_budget();
    bench.hosts[0].automatic = true;
    store_script_fail(bench.store, STORE_FINISH, STORE_SCRIPT_UNCLEAR, AION_UNAVAILABLE, 1);
    const Aion__V1__Task *first = bench_submit_request(&bench, asking(10));
    assert_non_null(first);
    bench_until(&bench, nothing_is_left());
    store_script_fail(bench.store, STORE_FINISH, STORE_SCRIPT_REFUSE, AION_EXHAUSTED, 1);
    const Aion__V1__Task *second = bench_submit_request(&bench, asking(10));
    assert_non_null(second);
    assert_int_equal(stored(first->task_id).state, STORE_SUCCEEDED);
    assert_int_equal(stored(second->task_id).state, STORE_SUCCEEDED);
    assert_int_equal(written(STORE_FINISH), 4);
    assert_int_equal(balance("spent:"), 2 * COST);
    assert_int_equal(balance(""), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_written_before_it_ran_and_everything_afterwards),
        TEST(the_call_does_not_wait_for_the_disk),
        TEST(what_must_be_kept_takes_the_durable_lane),
        TEST(a_hold_keeps_it_as_a_durable_one),
        TEST(its_output_is_read_from_memory_while_it_runs),
        TEST(events_tell_its_whole_life_when_it_is_recorded),
        TEST(a_cancelled_call_ends_the_work),
        TEST(a_wait_that_is_over_ends_the_work),
        TEST(a_failure_that_may_pass_is_the_callers_to_repeat),
        TEST(a_host_that_goes_takes_the_call_with_it_at_once),
        TEST(without_a_slot_it_is_refused_soon_and_leaves_no_trace),
        TEST(a_control_that_stops_ends_the_call_and_records_it),
        TEST(what_a_crash_keeps_from_the_disk_never_was),
        TEST(records_that_wait_for_the_store_are_bounded),
        TEST(a_record_that_fails_is_written_again),
    };
    return cmocka_run_group_tests_name("control direct", tests, NULL, NULL);
}
