/* Control's handlers over the mesh: what a client, a host and a router see. */
#include "base/clock.h"
#include "base/metric.h"
#include "control_hear.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

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

/* What is scraped now; aion_store_up is what `aion doctor` goes by. */
static bool is_scraped(const char *line)
{
    struct aion_buf text;
    aion_buf_init(&text, 4 << 20);
    aion_metric_render(&text);
    aion_buf_put(&text, "", 1);
    bool there = strstr(text.data, line) != NULL;
    aion_buf_done(&text);
    return there;
}

static void whoever_scrapes_control_sees_that_its_store_is_down(void **state)
{
    struct bench *bench = *state;
    assert_true(is_scraped("aion_store_up{driver=\"script\"} 1"));
    store_script_down(bench->store, true);
    bench_until(bench, is_scraped("aion_store_up{driver=\"script\"} 0"));
    store_script_down(bench->store, false);
    bench_until(bench, is_scraped("aion_store_up{driver=\"script\"} 1"));
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
struct told_task {
    struct bench *bench;
    bool answered;
    Aion__V1__TaskState state;
};

static void on_told_task(void *user, const struct mesh_result *result)
{
    struct told_task *told = user;
    assert_null(result->err);
    told->answered = true;
    told->state = ((const Aion__V1__Task *)result->reply)->state;
}

static void on_told_list(void *user, const struct mesh_result *result)
{
    struct told_task *told = user;
    assert_null(result->err);
    const Aion__V1__ListTasksReply *reply = (const Aion__V1__ListTasksReply *)result->reply;
    assert_int_equal(reply->n_tasks, 2);
    told->answered = true;
    told->state = reply->tasks[0]->state;
    assert_int_equal(reply->tasks[1]->state, told->state);
}

/* The end is in the store before control hears of it: nobody is told of it, and then that the
 * task runs. */
static void who_was_told_of_an_end_is_not_told_later_that_the_task_runs(void **state)
{
    struct bench *bench = *state;
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    struct told_task told = {.bench = bench};
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    request.task_id = (char *)(uintptr_t)id;
    store_script_mute(bench->store, STORE_FINISH);
    bench_result(&bench->hosts[0], word, "done");
    bench_turns(bench, 20);
    mesh_unary(bench->channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_GET_TASK],
               &request.base, NULL, on_told_task, &told);
    bench_turns(bench, 20);
    assert_false(told.answered);
    assert_int_equal(bench_status(bench, id)->state, TASK_RUNNING);
    store_script_tell(bench->store);
    bench_until(bench, told.answered);
    assert_int_equal(told.state, TASK_SUCCEEDED);
    assert_int_equal(bench_status(bench, id)->state, TASK_SUCCEEDED);
}

/* The same of a list, which waits for all ends in it. */
static void a_list_tells_no_end_before_other_calls_do(void **state)
{
    struct bench *bench = *state;
    Aion__V1__ListTasksRequest request = AION__V1__LIST_TASKS_REQUEST__INIT;
    struct told_task told = {.bench = bench};
    const char *ids[2];
    bench_attach(bench, 0, 2, NULL, 0);
    store_script_mute(bench->store, STORE_FINISH);
    for (size_t i = 0; i < 2; i++)
        bench_result(&bench->hosts[0], bench_begin(bench, NULL, &ids[i]), "done");
    bench_turns(bench, 20);
    mesh_unary(bench->channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_LIST_TASKS],
               &request.base, NULL, on_told_list, &told);
    bench_turns(bench, 20);
    assert_false(told.answered);
    store_script_tell(bench->store);
    bench_until(bench, told.answered);
    assert_int_equal(told.state, TASK_SUCCEEDED);
    assert_int_equal(bench_status(bench, ids[0])->state, TASK_SUCCEEDED);
    assert_int_equal(bench_status(bench, ids[1])->state, TASK_SUCCEEDED);
}

/* The process goes with a store that never says how the write ended: the answer that waits for
 * it must not outlive control. */
static void a_list_that_waits_for_an_end_is_told_before_control_goes(void **state)
{
    struct bench *bench = *state;
    Aion__V1__ListTasksRequest request = AION__V1__LIST_TASKS_REQUEST__INIT;
    struct told_task told = {.bench = bench};
    const char *ids[2];
    bench_attach(bench, 0, 2, NULL, 0);
    bench_result(&bench->hosts[0], bench_begin(bench, NULL, &ids[0]), "done");
    bench_until(bench, bench->hosts[0].settles == 1);
    store_script_mute(bench->store, STORE_FINISH);
    bench_result(&bench->hosts[0], bench_begin(bench, NULL, &ids[1]), "done");
    bench_turns(bench, 20);
    mesh_unary(bench->channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_LIST_TASKS],
               &request.base, NULL, on_told_list, &told);
    bench_turns(bench, 20);
    assert_false(told.answered);
    assert_false(aion_list_empty(&bench->control->hearings));
    control_hearings_end(bench->control);
    assert_true(aion_list_empty(&bench->control->hearings));
    bench_until(bench, told.answered);
    assert_int_equal(told.state, TASK_SUCCEEDED); /* as the store has it */
    store_script_tell(bench->store);
    assert_int_equal(bench_status(bench, ids[1])->state, TASK_SUCCEEDED);
}

static void somebody_ended(struct store_op *op, const struct aion_err *err)
{
    assert_null(err);
    assert_int_equal(aion_container(op, struct store_finish, write.op)->write.outcome,
                     STORE_DONE);
}

/* It cannot be, while one control owns the shard; should it, nobody waits for ever, and nothing
 * is held for a task that is not there. */
static void an_end_that_the_store_knows_better_leaves_nobody_waiting(void **state)
{
    struct bench *bench = *state;
    const char *id;
    struct aion_uuid uuid;
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    bench_turns(bench, 50); /* its start is written */
    bench_stream(bench, id, 0);
    assert_true(aion_uuid_parse(aion_str_of(id), &uuid));
    const struct control_task *task = control_cache_find(&bench->control->tasks, &uuid);
    struct store_finish end = {
        .write = {.op.done = somebody_ended,
                  .seq = task->seq,
                  .epoch = control_shard_epoch(bench->control, task->seq)},
        .token = {word->epoch, word->attempt},
        .state = STORE_FAILED,
        .at_us = aion_clock_utc_us()};
    assert_true(store_finish(bench->store, &end, NULL));
    bench_turns(bench, 20);
    assert_true(bench_is(bench, id, TASK_RUNNING));
    bench_chunk(&bench->hosts[0], word, 1, "in vain");
    bench_result(&bench->hosts[0], word, "in vain");
    bench_until(bench, bench->stream_closed);
    assert_int_equal(bench->final_state, TASK_FAILED);
    assert_int_equal(bench->control->pending_bytes, 0);
    assert_true(bench_is(bench, id, TASK_FAILED));
}

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
#define mesh_test(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)
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
        mesh_test(whoever_scrapes_control_sees_that_its_store_is_down),
        mesh_test(a_result_is_kept_until_the_store_takes_it),
        mesh_test(who_was_told_of_an_end_is_not_told_later_that_the_task_runs),
        mesh_test(a_list_tells_no_end_before_other_calls_do),
        mesh_test(a_list_that_waits_for_an_end_is_told_before_control_goes),
        mesh_test(an_end_that_the_store_knows_better_leaves_nobody_waiting),
        mesh_test(an_end_does_not_overtake_its_start),
        mesh_test(tasks_are_listed_by_pages),
        mesh_test(policies_are_kept_with_their_files),
        mesh_test(a_plan_is_checked_and_kept),
        mesh_test(a_swept_task_is_gone_from_memory_too),
        mesh_test(hosts_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
