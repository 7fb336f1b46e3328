/* Attempts over the mesh: where and with whom a task is tried, when again, how it ends from
 * outside, and what becomes of it when its host or its control is lost. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* -- attempts ----------------------------------------------------------------------- */
static void a_retriable_failure_is_tried_again_until_dead(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_begin(bench, NULL, &id);
    for (size_t i = 1; i <= 3; i++) {
        bench_until(bench, host->executes == i);
        assert_int_equal(host->executed[i - 1].attempt, i);
        bench_failure(host, &host->executed[i - 1], true, "MODULE_CRASHED");
    }
    bench_until(bench, bench_is(bench, id, TASK_DEAD));
    const Aion__V1__Task *task = bench_get(bench, id);
    assert_int_equal(task->n_attempts, 3);
    assert_string_equal(task->error->reason, "MODULE_CRASHED");
    assert_string_equal(task->attempts[0]->error->reason, "MODULE_CRASHED");
}

static void a_failure_that_cannot_be_mended_ends_the_task(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_failure(&bench->hosts[0], bench_begin(bench, NULL, &id), false, "PARAMS_WRONG");
    bench_until(bench, bench_is(bench, id, TASK_FAILED));
    assert_int_equal(bench->hosts[0].executes, 1);
}

static void a_lost_hosts_attempt_goes_to_another_and_its_late_result_is_refused(void **state)
{
    struct bench *bench = *state;
    struct bench_host *first = &bench->hosts[0], *second = &bench->hosts[1];
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    struct bench_word old = *bench_begin(bench, NULL, &id);
    bench_detach(bench, 0);
    bench_attach(bench, 1, 1, NULL, 0);
    bench_until(bench, second->executes == 1);
    assert_int_equal(second->executed[0].attempt, 2);
    bench_attach(bench, 0, 1, &old, 1); /* back, too late */
    bench_until(bench, first->cancels == 1);
    bench_result(first, &old, "stale");
    bench_until(bench, first->settles == 1);
    assert_false(first->settled[0].accepted);
    bench_result(second, &second->executed[0], "fresh");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    const Aion__V1__Task *task = bench_get(bench, id);
    assert_string_equal(task->result->text, "fresh");
    assert_string_equal(task->attempts[0]->error->reason, "HOST_LOST");
}

/* The start is a lazy write: what it says of the host must not be the host's memory. */
static void a_start_outlives_its_host(void **state)
{
    struct bench *bench = *state;
    bench->conf.host_grace = 60000000;
    control_reload(bench->control, &bench->conf);
    const Aion__V1__Task *task = bench_submit(bench, "x", NULL, 0);
    store_script_hold(bench->store, true);
    bench_attach(bench, 0, 1, NULL, 0);
    bench_until(bench, bench->hosts[0].executes == 1);
    bench_detach(bench, 0);
    bench_until(bench, store_script_held(bench->store) > 0);
    store_script_hold(bench->store, false);
    store_script_step(bench->store, 100);
    task = bench_get(bench, task->task_id);
    assert_string_equal(task->attempts[0]->module_digest, "sha256:1");
    assert_string_equal(task->attempts[0]->host_id, "host-0");
}

static void a_host_that_comes_back_in_time_goes_on(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench->conf.host_grace = 5000000;
    control_reload(bench->control, &bench->conf);
    bench_attach(bench, 0, 1, NULL, 0);
    struct bench_word word = *bench_begin(bench, NULL, &id);
    bench_detach(bench, 0);
    bench_attach(bench, 0, 1, &word, 1);
    bench_result(host, &word, "same attempt");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    assert_int_equal(bench_get(bench, id)->n_attempts, 1);
    assert_int_equal(host->cancels, 0);
}

static void what_a_returning_host_does_not_name_is_lost_at_once(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench->conf.host_grace = 60000000;
    control_reload(bench->control, &bench->conf);
    bench_attach(bench, 0, 1, NULL, 0);
    bench_begin(bench, NULL, &id);
    bench_detach(bench, 0);
    bench_attach(bench, 0, 1, NULL, 0); /* a new process of the same name */
    bench_until(bench, host->executes == 2);
    assert_int_equal(host->executed[1].attempt, 2);
}

/* Its end waits for the disk when its host comes back, without it or with it. */
static void cancel_without_its_host(struct bench *bench, const char *id)
{
    Aion__V1__CancelRequest request = AION__V1__CANCEL_REQUEST__INIT;
    request.task_id = (char *)(uintptr_t)id;
    bench_detach(bench, 0);
    bench_turns(bench, 20);
    store_script_hold(bench->store, true);
    mesh_unary(bench->channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_CANCEL],
               &request.base, NULL, bench_ignore, NULL);
    bench_until(bench, store_script_held(bench->store) > 0);
}

static void let_it_end(struct bench *bench, const char *id)
{
    bench_turns(bench, 20);
    store_script_hold(bench->store, false);
    store_script_step(bench->store, 100);
    bench_until(bench, bench_is(bench, id, TASK_CANCELLED));
    assert_int_equal(bench_get(bench, id)->n_attempts, 1);
}

static void what_ends_without_its_host_is_not_lost_when_that_returns_without_it(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench->conf.host_grace = 60000000;
    control_reload(bench->control, &bench->conf);
    bench_attach(bench, 0, 1, NULL, 0);
    bench_begin(bench, NULL, &id);
    cancel_without_its_host(bench, id);
    bench_attach(bench, 0, 1, NULL, 0);
    let_it_end(bench, id);
}

static void what_ends_without_its_host_is_settled_with_it_when_that_returns(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id, *other;
    bench->conf.host_grace = 60000000;
    control_reload(bench->control, &bench->conf);
    bench_attach(bench, 0, 2, NULL, 0);
    struct bench_word word = *bench_begin(bench, NULL, &id);
    bench_begin(bench, NULL, &other); /* one more that waits for its host */
    cancel_without_its_host(bench, id);
    bench_attach(bench, 0, 2, &word, 1);
    let_it_end(bench, id);
    bench_until(bench, host->settles == 1);
    bench_until(bench, host->executes == 3); /* the other one was not named */
    assert_int_equal(host->executed[2].attempt, 2);
}

static void a_silent_host_loses_its_lease(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench->hosts[0].silent = true;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_begin(bench, NULL, &id);
    bench_until(bench, bench->hosts[0].rpc == NULL);
    bench->hosts[1].automatic = true;
    bench_attach(bench, 1, 1, NULL, 0);
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
}

/* -- where and with whom ------------------------------------------------------------ */
static void labels_of_the_decision_are_asked_of_the_host(void **state)
{
    struct bench *bench = *state;
    bench->wants_gpu = true;
    bench->hosts[1].gpu = true;
    bench_attach(bench, 0, 4, NULL, 0);
    assert_non_null(bench_submit(bench, "x", NULL, 0));
    bench_turns(bench, 20);
    assert_int_equal(bench->hosts[0].executes, 0);
    bench_attach(bench, 1, 4, NULL, 0);
    bench_until(bench, bench->hosts[1].executes == 1);
}

static void a_batch_is_one_command_and_one_slot(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    host->batch_max = 3;
    for (int i = 0; i < 4; i++)
        assert_non_null(bench_submit(bench, "x", NULL, 0));
    bench_attach(bench, 0, 1, NULL, 0);
    bench_until(bench, host->executes == 3);
    assert_int_equal(host->batches, 1);
    for (int i = 0; i < 2; i++)
        bench_result(host, &host->executed[i], "done");
    bench_until(bench, host->settles == 2);
    bench_turns(bench, 30);
    assert_int_equal(host->executes, 3); /* its slot is still taken */
    bench_result(host, &host->executed[2], "done");
    bench_until(bench, host->executes == 4);
    assert_int_equal(host->batches, 1); /* one alone is no batch */
}

static void what_failed_in_a_batch_is_tried_alone(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    host->batch_max = 3;
    for (int i = 0; i < 3; i++)
        assert_non_null(bench_submit(bench, "x", NULL, 0));
    bench_attach(bench, 0, 4, NULL, 0);
    bench_until(bench, host->batches == 1);
    for (int i = 0; i < 3; i++)
        bench_failure(host, &host->executed[i], true, "MODULE_CRASHED");
    bench_until(bench, host->executes == 6);
    assert_int_equal(host->batches, 1);
}

static void a_tenant_has_no_more_running_than_its_limit(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    bench->conf.task_limits = "default/noop/noop=2";
    control_reload(bench->control, &bench->conf);
    bench_attach(bench, 0, 8, NULL, 0);
    for (int i = 0; i < 4; i++)
        assert_non_null(bench_submit(bench, "x", NULL, 0));
    bench_until(bench, host->executes == 2);
    bench_turns(bench, 20);
    assert_int_equal(host->executes, 2);
    bench_result(host, &host->executed[0], "done");
    bench_until(bench, host->executes == 3);
}

/* -- ends from outside -------------------------------------------------------------- */
static void a_queued_task_is_cancelled_at_once(void **state)
{
    struct bench *bench = *state;
    const Aion__V1__Task *task = bench_submit(bench, "x", NULL, 0);
    task = bench_cancel(bench, task->task_id);
    assert_int_equal(task->state, TASK_CANCELLED);
    assert_string_equal(task->error->message, "enough");
    assert_int_equal(bench->control->sched.count, 0);
    assert_int_equal(bench_cancel(bench, task->task_id)->state, TASK_CANCELLED);
}

static void a_running_task_is_cancelled_when_its_module_stopped(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench->hosts[0].obedient = true;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_begin(bench, NULL, &id);
    assert_int_equal(bench_cancel(bench, id)->state, TASK_CANCELLED);
    assert_string_equal(bench->hosts[0].cancelled[0].text, "enough");
}

static void a_module_that_does_not_stop_is_not_waited_for(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    struct bench_word word = *bench_begin(bench, NULL, &id);
    assert_int_equal(bench_cancel(bench, id)->state, TASK_CANCELLED);
    bench_result(&bench->hosts[0], &word, "too late");
    bench_until(bench, bench->hosts[0].settles == 2);
    assert_false(bench->hosts[0].settled[1].accepted);
}

static void a_task_past_its_deadline_is_never_started(void **state)
{
    struct bench *bench = *state;
    Aion__V1__TaskRequest *request = bench_request(bench, "x", NULL);
    Google__Protobuf__Timestamp deadline = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    int64_t at_us = aion_clock_utc_us() + 300000; /* later than it is taken, on any machine */
    deadline.seconds = at_us / 1000000;
    deadline.nanos = (int32_t)(at_us % 1000000) * 1000;
    request->deadline = &deadline;
    const Aion__V1__Task *task = bench_submit_request(bench, request);
    bench_until(bench, bench_is(bench, task->task_id, TASK_EXPIRED));
    bench_attach(bench, 0, 1, NULL, 0);
    bench_turns(bench, 10);
    assert_int_equal(bench->hosts[0].executes, 0);
    assert_string_equal(bench_get(bench, task->task_id)->error->reason, "DEADLINE_PASSED");
}

/* -- restart ------------------------------------------------------------------------ */
static void unfinished_tasks_go_on_after_a_restart(void **state)
{
    struct bench *bench = *state;
    const Aion__V1__Task *queued = bench_submit(bench, "queued", NULL, 0);
    bench_restart_control(bench);
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_until(bench, bench_is(bench, queued->task_id, TASK_SUCCEEDED));
    assert_string_equal(bench_get(bench, queued->task_id)->result->text, "queued");
}

static void a_running_attempt_is_taken_up_after_a_restart(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench->conf.start_grace = bench->conf.host_grace = 5000000;
    control_reload(bench->control, &bench->conf);
    bench_attach(bench, 0, 1, NULL, 0);
    struct bench_word word = *bench_begin(bench, NULL, &id);
    bench_chunk(host, &word, 1, "a");
    bench_until(bench, bench_status(bench, id)->cursor == 1);
    bench_restart_control(bench);
    assert_true(bench_is(bench, id, TASK_RUNNING));
    bench_attach(bench, 0, 1, &word, 1);
    bench_stream(bench, id, 0);
    bench_chunk(host, &word, 2, "b");
    bench_result(host, &word, "over the restart");
    bench_until(bench, bench->stream_closed);
    assert_string_equal(bench->text, "ab");
    assert_int_equal(bench_get(bench, id)->n_attempts, 1);
}

static void a_running_attempt_whose_host_stays_away_is_tried_again(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[1];
    const char *id;
    bench->conf.host_grace = 5000000; /* of the control before: it must not act first */
    control_reload(bench->control, &bench->conf);
    bench_attach(bench, 0, 1, NULL, 0);
    struct bench_word old = *bench_begin(bench, NULL, &id);
    bench_restart_control(bench);
    bench_attach(bench, 1, 1, NULL, 0);
    bench_until(bench, host->executes == 1);
    assert_int_equal(host->executed[0].attempt, 2);
    bench_result(host, &old, "the old one's");
    bench_until(bench, host->settles == 1);
    assert_false(host->settled[0].accepted);
    bench_result(host, &host->executed[0], "new");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
}

/* The crash took the start with it: the store says QUEUED, the host says running. */
static void a_start_that_never_reached_the_disk_is_taken_up(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    store_script_fail(bench->store, STORE_START, STORE_SCRIPT_REFUSE, AION_UNAVAILABLE, 1000);
    struct bench_word word = *bench_begin(bench, NULL, &id);
    bench_restart_control(bench);
    store_script_fail(bench->store, STORE_START, STORE_SCRIPT_REFUSE, AION_UNAVAILABLE, 0);
    assert_true(bench_is(bench, id, TASK_QUEUED));
    bench_attach(bench, 0, 1, &word, 1);
    bench_result(host, &word, "found again");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    assert_int_equal(host->executes, 1);
    assert_int_equal(bench_get(bench, id)->n_attempts, 1);
}

static void mark(struct control *control)
{
    control->next_session = 4711;
}

static void a_drain_answers_who_waits_and_keeps_what_was_heard(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    store_script_hold(bench->store, true);
    bench_result(&bench->hosts[0], word, "heard");
    bench_until(bench, store_script_held(bench->store) > 0);
    control_drain(bench->control, mark);
    bench_until(bench, bench->hosts[0].rpc == NULL);
    assert_int_not_equal(bench->control->next_session, 4711);
    store_script_hold(bench->store, false);
    store_script_step(bench->store, 100);
    bench_until(bench, bench->control->next_session == 4711);
    assert_null(bench_submit(bench, "x", NULL, 0));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    bench->control->draining = false;
    assert_true(bench_is(bench, id, TASK_SUCCEEDED));
}

int main(void)
{
#define mesh_test(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        mesh_test(a_retriable_failure_is_tried_again_until_dead),
        mesh_test(a_failure_that_cannot_be_mended_ends_the_task),
        mesh_test(a_lost_hosts_attempt_goes_to_another_and_its_late_result_is_refused),
        mesh_test(a_start_outlives_its_host),
        mesh_test(a_host_that_comes_back_in_time_goes_on),
        mesh_test(what_a_returning_host_does_not_name_is_lost_at_once),
        mesh_test(what_ends_without_its_host_is_not_lost_when_that_returns_without_it),
        mesh_test(what_ends_without_its_host_is_settled_with_it_when_that_returns),
        mesh_test(a_silent_host_loses_its_lease),
        mesh_test(labels_of_the_decision_are_asked_of_the_host),
        mesh_test(a_batch_is_one_command_and_one_slot),
        mesh_test(what_failed_in_a_batch_is_tried_alone),
        mesh_test(a_tenant_has_no_more_running_than_its_limit),
        mesh_test(a_queued_task_is_cancelled_at_once),
        mesh_test(a_running_task_is_cancelled_when_its_module_stopped),
        mesh_test(a_module_that_does_not_stop_is_not_waited_for),
        mesh_test(a_task_past_its_deadline_is_never_started),
        mesh_test(unfinished_tasks_go_on_after_a_restart),
        mesh_test(a_running_attempt_is_taken_up_after_a_restart),
        mesh_test(a_running_attempt_whose_host_stays_away_is_tried_again),
        mesh_test(a_start_that_never_reached_the_disk_is_taken_up),
        mesh_test(a_drain_answers_who_waits_and_keeps_what_was_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
