/* rpc WatchTasks on a real mesh and the scripted store: what a listener hears live, what of the
 * past, what it does not hear, and how it ends. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { HEARD_MAX = 4096 };

/* A call of WatchTasks and what came. */
struct listener {
    struct mesh_rpc *rpc;
    size_t count; /* the first HEARD_MAX are kept */
    size_t doubles;
    char kinds[1024]; /* "accepted routed ..." */
    char ids[HEARD_MAX][AION_UUID_TEXT];
    uint64_t sequences[HEARD_MAX];
    Aion__V1__TaskState states[HEARD_MAX];
    bool closed;
    struct aion_err err;
};

static struct bench bench;
static struct listener one, two;

static int setup(void **state)
{
    (void)state;
    bench_start(&bench);
    bench_attach(&bench, 0, 8, NULL, 0);
    bench.hosts[0].automatic = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop(&bench);
    return 0;
}

static void heard(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct listener *listener = mesh_rpc_user(rpc);
    const Aion__V1__TaskEvent *event = aion_v1_aion_tasks_watch_tasks_read(message);
    size_t used = strlen(listener->kinds), at = listener->count;
    assert_string_equal(event->tenant, "default");
    assert_string_equal(event->intent, "noop");
    assert_non_null(event->at);
    listener->count++;
    if (at >= HEARD_MAX)
        return;
    for (size_t i = 0; i < at; i++)
        listener->doubles += listener->sequences[i] == event->sequence &&
                             strcmp(listener->ids[i], event->task_id) == 0;
    aion_str_copy(listener->ids[at], AION_UUID_TEXT, aion_str_of(event->task_id));
    listener->sequences[at] = event->sequence;
    listener->states[at] = event->state;
    if (used + strlen(event->kind) + 2 < sizeof(listener->kinds))
        snprintf(listener->kinds + used, sizeof(listener->kinds) - used, "%s ", event->kind);
}

static void closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct listener *listener = mesh_rpc_user(rpc);
    listener->closed = true;
    if (result->err != NULL)
        listener->err = *result->err;
}

static Aion__V1__WatchTasksRequest asking(void)
{
    return (Aion__V1__WatchTasksRequest)AION__V1__WATCH_TASKS_REQUEST__INIT;
}

static void listen(struct listener *listener, const Aion__V1__WatchTasksRequest *request)
{
    static const struct mesh_stream_ops ops = {.message = heard, .closed = closed};
    size_t before = bench.control->tails.count;
    memset(listener, 0, sizeof(*listener));
    listener->rpc =
        aion_v1_aion_tasks_watch_tasks_open(bench.channel, request, NULL, &ops, listener);
    bench_until(&bench, bench.control->tails.count > before || listener->closed);
}

static void stop(struct listener *listener)
{
    if (!listener->closed)
        mesh_rpc_cancel(listener->rpc);
    bench_until(&bench, listener->closed);
    bench_until(&bench, bench.control->tails.count == 0);
}

static Google__Protobuf__Timestamp ago(int64_t us)
{
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    int64_t at_us = aion_clock_utc_us() - us;
    at.seconds = at_us / 1000000;
    at.nanos = (int32_t)(at_us % 1000000) * 1000;
    return at;
}

static const char whole_life[] = "accepted routed queued started succeeded ";

static void a_task_is_heard_from_its_admission_to_its_end(void **state)
{
    Aion__V1__WatchTasksRequest request = asking();
    (void)state;
    listen(&one, &request);
    const Aion__V1__Task *task = bench_submit(&bench, "x", NULL, 10);
    assert_non_null(task);
    bench_until(&bench, one.count == 5);
    assert_string_equal(one.kinds, whole_life);
    for (size_t i = 0; i < one.count; i++) {
        assert_string_equal(one.ids[i], task->task_id);
        assert_true(i == 0 || one.sequences[i] > one.sequences[i - 1]);
    }
    assert_int_equal(one.states[4], AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED);
    stop(&one);
}

static void only_what_was_asked_for_is_heard(void **state)
{
    static char other[] = "other";
    Aion__V1__TaskState ends[] = {AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED};
    Aion__V1__WatchTasksRequest request = asking();
    (void)state;
    request.states = ends;
    request.n_states = 1;
    listen(&one, &request);
    request = asking();
    request.intent = other;
    listen(&two, &request);
    for (size_t i = 0; i < 3; i++)
        assert_non_null(bench_submit(&bench, "x", NULL, 10));
    bench_until(&bench, one.count == 3);
    assert_string_equal(one.kinds, "succeeded succeeded succeeded ");
    assert_int_equal(two.count, 0);
    mesh_rpc_cancel(two.rpc);
    bench_until(&bench, two.closed);
    stop(&one);
}

/* The past by pages, then what comes: nothing is missing and nothing comes twice. */
static void with_a_time_the_past_comes_first(void **state)
{
    enum { TASKS = 150 };
    Aion__V1__WatchTasksRequest request = asking();
    Google__Protobuf__Timestamp since = ago(60000000), now;
    (void)state;
    for (size_t i = 0; i < TASKS; i++)
        assert_non_null(bench_submit(&bench, "x", NULL, 10));
    request.since = &since;
    listen(&one, &request);
    assert_non_null(bench_submit(&bench, "x", NULL, 10));
    bench_until(&bench, one.count >= 5 * (TASKS + 1));
    assert_non_null(bench_submit(&bench, "x", NULL, 10));
    bench_until(&bench, one.count == 5 * (TASKS + 2));
    assert_int_equal(one.doubles, 0);
    now = ago(0);
    request.since = &now;
    listen(&two, &request);
    bench_turns(&bench, 20);
    assert_int_equal(two.count, 0);
    mesh_rpc_cancel(two.rpc);
    bench_until(&bench, two.closed);
    stop(&one);
}

/* The store answers the listener's first page late: what is committed meanwhile is told once.
 */
static void what_is_committed_while_it_joins_is_heard_once(void **state)
{
    Aion__V1__WatchTasksRequest request = asking();
    Google__Protobuf__Timestamp since = ago(60000000);
    (void)state;
    assert_non_null(bench_submit(&bench, "x", NULL, 10));
    request.since = &since;
    store_script_hold(bench.store, true);
    listen(&one, &request);
    mesh_unary(bench.channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
               &bench_request(&bench, "y", NULL)->base, NULL, bench_ignore, NULL);
    for (size_t i = 0; i < 200 && one.count < 10; i++) {
        store_script_step(bench.store, 1);
        bench_turns(&bench, 2);
    }
    store_script_hold(bench.store, false);
    store_script_step(bench.store, 1000);
    bench_until(&bench, one.count == 10);
    bench_turns(&bench, 20);
    assert_int_equal(one.count, 10);
    assert_int_equal(one.doubles, 0);
    stop(&one);
}

static void fill(struct store_outbox *event, char note[256], uint64_t sequence)
{
    memset(note, 'n', 255);
    *event = (struct store_outbox){.sequence = sequence,
                                   .seq = store_seq(1700000000000000, 1),
                                   .tenant = AION_STR("default"),
                                   .intent = AION_STR("noop"),
                                   .kinds = STORE_EVENT_FAILED,
                                   .at_us = 1700000000000000,
                                   .note = aion_str_n(note, 255)};
}

/* A listener that takes nothing costs its queues, and is sent away when they are full. */
static void who_is_too_slow_is_sent_away(void **state)
{
    Aion__V1__WatchTasksRequest request = asking();
    struct store_outbox event;
    char note[256];
    size_t told = 0;
    (void)state;
    listen(&one, &request);
    mesh_rpc_pause(one.rpc);
    while (bench.control->tails.count > 0) {
        fill(&event, note, 1000000 + ++told);
        control_tails_told(bench.control, &event, 1);
        if (told % 100 == 0)
            bench_turn(&bench);
        assert_true(told < 100000);
    }
    mesh_rpc_resume(one.rpc);
    bench_until(&bench, one.closed);
    assert_int_equal(one.err.code, AION_EXHAUSTED);
    assert_string_equal(one.err.reason, "READER_TOO_SLOW");
    assert_true(one.count > 0 && one.count < told);
}

/* One that is slow for a while only hears all of it, in order. */
static void who_catches_up_has_missed_nothing(void **state)
{
    Aion__V1__WatchTasksRequest request = asking();
    struct store_outbox event;
    char note[256];
    (void)state;
    listen(&one, &request);
    mesh_rpc_pause(one.rpc);
    bench_turns(&bench, 5);
    for (uint64_t i = 1; i <= 700; i++) {
        fill(&event, note, i);
        control_tails_told(bench.control, &event, 1);
    }
    bench_turns(&bench, 20);
    mesh_rpc_resume(one.rpc);
    bench_until(&bench, one.count == 700 || one.closed);
    assert_false(one.closed);
    for (size_t i = 1; i < one.count; i++)
        assert_true(one.sequences[i] > one.sequences[i - 1]);
    stop(&one);
}

static void when_control_stops_they_are_told(void **state)
{
    Aion__V1__WatchTasksRequest request = asking();
    Google__Protobuf__Timestamp since = ago(1000000);
    (void)state;
    listen(&one, &request);
    store_script_hold(bench.store, true);
    request.since = &since;
    listen(&two, &request); /* its page is under way */
    control_tails_end(bench.control);
    bench_until(&bench, one.closed && two.closed);
    assert_int_equal(one.err.code, AION_UNAVAILABLE);
    assert_int_equal(two.err.code, AION_UNAVAILABLE);
    store_script_hold(bench.store, false);
    store_script_step(bench.store, 100);
    listen(&one, &request);
    bench_until(&bench, one.closed);
    assert_int_equal(one.err.code, AION_UNAVAILABLE);
}

static void a_store_that_fails_ends_the_call(void **state)
{
    Aion__V1__WatchTasksRequest request = asking();
    Google__Protobuf__Timestamp since = ago(1000000);
    (void)state;
    request.since = &since;
    store_script_fail(bench.store, STORE_EVENTS_READ, STORE_SCRIPT_FAIL, AION_UNAVAILABLE, 1);
    listen(&one, &request);
    bench_until(&bench, one.closed);
    assert_int_equal(one.err.code, AION_UNAVAILABLE);
    store_script_fail(bench.store, STORE_EVENTS_READ, STORE_SCRIPT_REFUSE, AION_EXHAUSTED, 1);
    listen(&one, &request);
    bench_until(&bench, one.closed);
    assert_int_equal(one.err.code, AION_EXHAUSTED);
}

static void refuses(const Aion__V1__WatchTasksRequest *request, const char *part)
{
    listen(&one, request);
    bench_until(&bench, one.closed);
    assert_int_equal(one.err.code, AION_INVALID);
    if (strstr(one.err.text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, one.err.text);
}

static void what_is_wrong_is_named(void **state)
{
    Aion__V1__TaskState wrong[] = {(Aion__V1__TaskState)17};
    Google__Protobuf__Timestamp since = ago(INT64_C(25) * 3600 * 1000000);
    char intent[100];
    Aion__V1__WatchTasksRequest request = asking();
    (void)state;
    request.states = wrong;
    request.n_states = 1;
    refuses(&request, "states");
    request = asking();
    request.since = &since;
    refuses(&request, "24 h");
    request = asking();
    memset(intent, 'i', sizeof(intent));
    intent[sizeof(intent) - 1] = '\0';
    request.intent = intent;
    refuses(&request, "intent");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_task_is_heard_from_its_admission_to_its_end),
        TEST(only_what_was_asked_for_is_heard),
        TEST(with_a_time_the_past_comes_first),
        TEST(what_is_committed_while_it_joins_is_heard_once),
        TEST(who_is_too_slow_is_sent_away),
        TEST(who_catches_up_has_missed_nothing),
        TEST(when_control_stops_they_are_told),
        TEST(a_store_that_fails_ends_the_call),
        TEST(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests_name("control tail", tests, NULL, NULL);
}
