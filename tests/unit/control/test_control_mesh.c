/* Control's handlers over the mesh: what a client, a host and a router see. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
    static struct bench bench;
    bench_start(&bench);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    bench_stop(*state);
    return 0;
}

/* -- submit ------------------------------------------------------------------------- */
static void a_task_travels_to_a_host_and_back(void **state)
{
    struct bench *bench = *state;
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 4, NULL, 0);
    const Aion__V1__Task *task = bench_submit(bench, "hello", NULL, 5);
    assert_non_null(task);
    assert_int_equal(task->state, TASK_SUCCEEDED);
    assert_string_equal(task->result->text, "hello");
    assert_string_equal(task->engine->route, "local");
    assert_string_equal(task->engine->module, "noop");
    assert_string_equal(task->tenant, "default");
    assert_true(task->usage->run_us == 7 && task->usage->latency_us > 0);
    assert_true(task->expires_at->seconds > task->updated_at->seconds);
    bench_until(bench, bench->hosts[0].settles == 1);
    assert_true(bench->hosts[0].settled[0].accepted);
    assert_int_equal(store_script_count(bench->store, STORE_ACCEPT), 1);
    assert_int_equal(store_script_count(bench->store, STORE_FINISH), 1);
}

static void its_history_can_be_read(void **state)
{
    struct bench *bench = *state;
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 4, NULL, 0);
    const Aion__V1__Task *task =
        bench_get(bench, bench_submit(bench, "hello", NULL, 5)->task_id);
    static const char *const kinds[] = {"accepted", "routed", "queued", "started", "succeeded"};
    assert_int_equal(task->n_events, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(task->events[i]->kind, kinds[i]);
        assert_int_equal(task->events[i]->sequence, i + 1);
    }
    assert_int_equal(task->n_attempts, 1);
    assert_string_equal(task->attempts[0]->host_id, "host-0");
    assert_string_equal(task->attempts[0]->module_digest, "sha256:1");
    assert_string_equal(task->result->text, "hello");
}

static void without_a_host_a_task_waits(void **state)
{
    struct bench *bench = *state;
    const Aion__V1__Task *task = bench_submit(bench, "later", NULL, 0);
    assert_int_equal(task->state, TASK_QUEUED);
    assert_true(bench_is(bench, task->task_id, TASK_QUEUED));
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_until(bench, bench_is(bench, task->task_id, TASK_SUCCEEDED));
}

static void a_host_gets_no_more_than_its_slots(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    bench_attach(bench, 0, 2, NULL, 0);
    for (int i = 0; i < 5; i++)
        assert_non_null(bench_submit(bench, "x", NULL, 0));
    bench_turns(bench, 20);
    assert_int_equal(host->executes, 2);
    bench_result(host, &host->executed[0], "done");
    bench_until(bench, host->executes == 3);
}

static void an_unknown_intent_leaves_no_trace(void **state)
{
    struct bench *bench = *state;
    bench->route = ROUTE_REFUSES;
    assert_null(bench_submit(bench, "x", NULL, 0));
    assert_int_equal(bench->err.code, AION_NOT_FOUND);
    assert_string_equal(bench->err.reason, "INTENT_UNKNOWN");
    assert_int_equal(store_script_count(bench->store, STORE_ACCEPT), 0);
}

static void a_malformed_request_names_the_field(void **state)
{
    struct bench *bench = *state;
    Aion__V1__TaskRequest *request = bench_request(bench, "x", NULL);
    char intent[] = "Not A Name";
    request->intent = intent;
    assert_null(bench_submit_request(bench, request));
    assert_int_equal(bench->err.code, AION_INVALID);
    assert_string_equal(bench->err.field, "intent");
}

static void refused_with(struct bench *bench, Aion__V1__Priority priority, const char *reason)
{
    Aion__V1__TaskRequest *request = bench_request(bench, "x", NULL);
    request->priority = priority;
    assert_null(bench_submit_request(bench, request));
    assert_int_equal(bench->err.code, AION_EXHAUSTED);
    assert_string_equal(bench->err.reason, reason);
    assert_true(bench->err.retry_after_ms >= 1000);
}

static void submit_many(struct bench *bench, Aion__V1__Priority priority, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        Aion__V1__TaskRequest *request = bench_request(bench, "x", NULL);
        request->priority = priority;
        assert_non_null(bench_submit_request(bench, request));
    }
}

static void a_full_queue_refuses_and_says_why(void **state)
{
    struct bench *bench = *state;
    submit_many(bench, AION__V1__PRIORITY__PRIORITY_NORMAL, 80);
    refused_with(bench, AION__V1__PRIORITY__PRIORITY_CRITICAL, "TENANT_QUEUE_FULL");
    bench->conf.tenant_tasks_max = 100;
    control_reload(bench->control, &bench->conf);
    submit_many(bench, AION__V1__PRIORITY__PRIORITY_NORMAL, 12);
    refused_with(bench, AION__V1__PRIORITY__PRIORITY_NORMAL, "SHED");
    submit_many(bench, AION__V1__PRIORITY__PRIORITY_CRITICAL, 8);
    refused_with(bench, AION__V1__PRIORITY__PRIORITY_CRITICAL, "QUEUE_FULL");
}

/* -- idempotency -------------------------------------------------------------------- */
static void the_same_key_gives_the_same_task_and_answer(void **state)
{
    struct bench *bench = *state;
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 1, NULL, 0);
    const Aion__V1__Task *first = bench_submit(bench, "once", "k", 5);
    const Aion__V1__Task *second = bench_submit(bench, "once", "k", 5);
    assert_string_equal(first->task_id, second->task_id);
    assert_string_equal(second->result->text, "once");
    assert_int_equal(bench->hosts[0].executes, 1);
    control_cache_drop_finished(&bench->control->tasks);
    second = bench_submit(bench, "once", "k", 0); /* from the store now */
    assert_string_equal(first->task_id, second->task_id);
    assert_string_equal(second->result->text, "once");
}

static void the_same_key_with_another_body_is_a_conflict(void **state)
{
    struct bench *bench = *state;
    const Aion__V1__Task *first = bench_submit(bench, "once", "k", 0);
    assert_null(bench_submit(bench, "twice", "k", 0));
    assert_int_equal(bench->err.code, AION_EXISTS);
    assert_string_equal(bench->err.reason, "IDEMPOTENCY_KEY_REUSED");
    assert_non_null(strstr(bench->err.text, first->task_id));
}

static void a_repeat_is_known_after_its_intent_was_dropped(void **state)
{
    struct bench *bench = *state;
    const Aion__V1__Task *first = bench_submit(bench, "once", "k", 0);
    bench->route = ROUTE_REFUSES;
    const Aion__V1__Task *second = bench_submit(bench, "once", "k", 0);
    assert_non_null(second);
    assert_string_equal(first->task_id, second->task_id);
    assert_null(bench_submit(bench, "once", "other", 0));
}

/* -- router ------------------------------------------------------------------------- */
static void a_task_is_taken_undecided_while_the_router_is_away(void **state)
{
    struct bench *bench = *state;
    bench_router_stop(bench);
    bench_until(bench, !control_router_here(bench->control->router));
    const Aion__V1__Task *task = bench_submit(bench, "patient", NULL, 0);
    assert_non_null(task);
    assert_int_equal(task->state, TASK_ACCEPTED);
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 1, NULL, 0);
    bench_router_start(bench);
    bench_until(bench, bench_is(bench, task->task_id, TASK_SUCCEEDED));
    assert_int_equal(store_script_count(bench->store, STORE_ROUTE), 1);
}

static void a_router_that_says_nothing_is_away(void **state)
{
    struct bench *bench = *state;
    bench->route = ROUTE_SILENT;
    const Aion__V1__Task *task = bench_submit(bench, "patient", NULL, 0);
    assert_int_equal(task->state, TASK_ACCEPTED);
    bench->route = ROUTE_REFUSES;
    bench_until(bench, bench_is(bench, task->task_id, TASK_FAILED));
    assert_string_equal(bench_get(bench, task->task_id)->error->reason, "INTENT_UNKNOWN");
}

/* -- store -------------------------------------------------------------------------- */
static void nothing_is_acknowledged_while_the_store_is_down(void **state)
{
    struct bench *bench = *state;
    store_script_down(bench->store, true);
    assert_null(bench_submit(bench, "x", NULL, 0));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    assert_string_equal(bench->err.reason, "STORE_DOWN");
    store_script_down(bench->store, false);
    assert_non_null(bench_submit(bench, "x", NULL, 0));
    assert_int_equal(bench->control->sched.count, 1);
}

static void a_result_is_kept_until_the_store_takes_it(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    store_script_down(bench->store, true);
    bench_result(&bench->hosts[0], word, "precious");
    bench_turns(bench, 50);
    assert_true(bench_is(bench, id, TASK_RUNNING));
    assert_int_equal(bench->hosts[0].settles, 0);
    store_script_down(bench->store, false);
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    assert_string_equal(bench_get(bench, id)->result->text, "precious");
    bench_until(bench, bench->hosts[0].settles == 1);
}

/* The start's write fails, the end's goes through: it must wait for the start. */
static void an_end_does_not_overtake_its_start(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    store_script_fail(bench->store, STORE_START, STORE_SCRIPT_FAIL, AION_UNAVAILABLE, 1);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    bench_until(bench, store_script_count(bench->store, STORE_START) == 1);
    bench_result(&bench->hosts[0], word, "quick");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    assert_int_equal(bench_get(bench, id)->n_attempts, 1);
}

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
    bench_until(bench, is_state(bench, id, TASK_CANCELLED));
    assert_int_equal(bench_get(bench, id)->n_attempts, 1);
}

static void what_ends_without_its_host_is_not_lost_when_that_returns_without_it(void **state)
{
    struct bench *bench = *state;
    const char *id;
    bench->conf.host_grace = 60000000;
    control_reload(bench->control, &bench->conf);
    bench_attach(bench, 0, 1, NULL, 0);
    begin(bench, &id);
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
    struct bench_word word = *begin(bench, &id);
    begin(bench, &other); /* one more that waits for its host */
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
    bench_attach(bench, 0, 1, NULL, 0);
    bench_begin(bench, NULL, &id);
    bench_until(bench, bench->hosts[0].rpc == NULL); /* pings were not answered */
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
    int64_t at_us = aion_clock_utc_us() + 50000;
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

/* -- lists and the State service ---------------------------------------------------- */
static void tasks_are_listed_by_pages(void **state)
{
    struct bench *bench = *state;
    Aion__V1__ListTasksRequest request = AION__V1__LIST_TASKS_REQUEST__INIT;
    size_t seen = 0;
    for (int i = 0; i < 7; i++)
        bench_submit(bench, "x", NULL, 0);
    request.page_size = 3;
    do {
        const Aion__V1__ListTasksReply *reply = (const Aion__V1__ListTasksReply *)bench_call(
            bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_LIST_TASKS],
            &request.base);
        assert_non_null(reply);
        seen += reply->n_tasks;
        request.page_token = reply->next_page_token;
    } while (request.page_token[0] != '\0');
    assert_int_equal(seen, 7);
    char bad[] = "abc";
    request.page_token = bad;
    assert_null(bench_call(
        bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_LIST_TASKS], &request.base));
    assert_string_equal(bench->err.field, "page_token");
}

static void policies_are_kept_with_their_files(void **state)
{
    struct bench *bench = *state;
    Aion__V1__PutPolicyRevisionRequest put = AION__V1__PUT_POLICY_REVISION_REQUEST__INIT;
    Aion__V1__GetPolicyRevisionRequest get = AION__V1__GET_POLICY_REVISION_REQUEST__INIT;
    Aion__V1__PolicyFile file = AION__V1__POLICY_FILE__INIT, *files[] = {&file};
    char digest[] = "sha256:0123456789012345678901234567890123456789012345678901234567890123",
         path[] = "10-routes.yaml", content[] = "routes: []", cause[] = "start";
    file.path = path;
    file.content = content;
    put.digest = digest;
    put.n_files = 1;
    put.files = files;
    put.cause = cause;
    const Aion__V1__Policy *policy = (const Aion__V1__Policy *)bench_call(
        bench, &aion_v1_state_type.methods[AION_V1_STATE_PUT_POLICY_REVISION], &put.base);
    assert_int_equal(policy->revision->ordinal, 1);
    get.ordinal = 1;
    policy = (const Aion__V1__Policy *)bench_call(
        bench, &aion_v1_state_type.methods[AION_V1_STATE_GET_POLICY_REVISION], &get.base);
    assert_int_equal(policy->n_files, 1);
    assert_string_equal(policy->files[0]->content, "routes: []");
    assert_string_equal(policy->cause, "start");
    get.ordinal = 2;
    assert_null(bench_call(
        bench, &aion_v1_state_type.methods[AION_V1_STATE_GET_POLICY_REVISION], &get.base));
    assert_int_equal(bench->err.code, AION_NOT_FOUND);
}

static void a_plan_is_checked_and_kept(void **state)
{
    struct bench *bench = *state;
    const struct mesh_method *put =
        &aion_v1_state_type.methods[AION_V1_STATE_PUT_RETENTION_PLAN];
    Aion__V1__RetentionPlan plan = AION__V1__RETENTION_PLAN__INIT;
    Google__Protobuf__Duration keep = GOOGLE__PROTOBUF__DURATION__INIT;
    plan.keep_succeeded = &keep;
    keep.seconds = 59;
    assert_null(bench_call(bench, put, &plan.base));
    assert_string_equal(bench->err.field, "keep_succeeded");
    keep.seconds = 3600;
    const Aion__V1__RetentionPlan *reply =
        (const Aion__V1__RetentionPlan *)bench_call(bench, put, &plan.base);
    assert_int_equal(reply->revision, 1);
    assert_int_equal(reply->keep_succeeded->seconds, 3600);
    assert_int_equal(reply->keep_failed->seconds, 30 * 86400); /* as it was */
    bench_restart_control(bench);
    assert_int_equal(bench->control->plan.keep_succeeded_us, 3600000000);
}

static void a_swept_task_is_gone_from_memory_too(void **state)
{
    struct bench *bench = *state;
    Aion__V1__SweepTasksRequest sweep = AION__V1__SWEEP_TASKS_REQUEST__INIT;
    Google__Protobuf__Timestamp before = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    bench->hosts[0].automatic = true;
    bench_attach(bench, 0, 1, NULL, 0);
    const Aion__V1__Task *task = bench_submit(bench, "x", NULL, 5);
    before.seconds = aion_clock_utc_us() / 1000000 + 10;
    sweep.succeeded_before = &before;
    const Aion__V1__SweepTasksReply *reply = (const Aion__V1__SweepTasksReply *)bench_call(
        bench, &aion_v1_state_type.methods[AION_V1_STATE_SWEEP_TASKS], &sweep.base);
    assert_int_equal(reply->tasks, 1);
    assert_null(bench_status(bench, task->task_id));
    assert_int_equal(bench->err.code, AION_NOT_FOUND);
}

static void hosts_are_listed(void **state)
{
    struct bench *bench = *state;
    Aion__V1__ListHostsRequest request = AION__V1__LIST_HOSTS_REQUEST__INIT;
    bench_attach(bench, 0, 3, NULL, 0);
    const Aion__V1__ListHostsReply *reply = (const Aion__V1__ListHostsReply *)bench_call(
        bench, &aion_v1_hosts_type.methods[AION_V1_HOSTS_LIST_HOSTS], &request.base);
    assert_int_equal(reply->n_hosts, 1);
    assert_string_equal(reply->hosts[0]->host_id, "host-0");
    assert_string_equal(reply->hosts[0]->modules[0]->module, "noop");
    assert_int_equal(reply->hosts[0]->slots, 3);
}

int main(void)
{
#define mesh_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        mesh_test(a_task_travels_to_a_host_and_back),
        mesh_test(its_history_can_be_read),
        mesh_test(without_a_host_a_task_waits),
        mesh_test(a_host_gets_no_more_than_its_slots),
        mesh_test(an_unknown_intent_leaves_no_trace),
        mesh_test(a_malformed_request_names_the_field),
        mesh_test(a_full_queue_refuses_and_says_why),
        mesh_test(the_same_key_gives_the_same_task_and_answer),
        mesh_test(the_same_key_with_another_body_is_a_conflict),
        mesh_test(a_repeat_is_known_after_its_intent_was_dropped),
        mesh_test(a_task_is_taken_undecided_while_the_router_is_away),
        mesh_test(a_router_that_says_nothing_is_away),
        mesh_test(nothing_is_acknowledged_while_the_store_is_down),
        mesh_test(a_result_is_kept_until_the_store_takes_it),
        mesh_test(an_end_does_not_overtake_its_start),
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
        mesh_test(tasks_are_listed_by_pages),
        mesh_test(policies_are_kept_with_their_files),
        mesh_test(a_plan_is_checked_and_kept),
        mesh_test(a_swept_task_is_gone_from_memory_too),
        mesh_test(hosts_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
