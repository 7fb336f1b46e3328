/* Telemetry over the mesh: what a console and a reporting program see of a control at work,
 * live and from the past, and what they may not. The clock is the real one: tests wait for the
 * ends of its seconds, so each has a process of its own and all wait at the same time.
 * test_control_ops NAME runs one of them. */
#include "apart.h"
#include "base/clock.h"
#include "mesh_bench.h"
#include "ops_reader.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { READERS = 2 };

static struct bench bench;
static struct ops_reader readers[READERS];
static char dir[64];

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < READERS; i++)
        ops_reader_init(&readers[i]);
    bench_start(&bench);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop(&bench);
    for (int i = 0; i < READERS; i++)
        ops_reader_done(&readers[i]);
    return 0;
}

/* -- reading ------------------------------------------------------------------------ */
static struct ops_reader *watch_as(int number, const Aion__V1__OpsWatchRequest *request,
                                   const struct mesh_principal *principal)
{
    ops_reader_open(&readers[number], bench.channel, request, principal);
    return &readers[number];
}

static struct ops_reader *watch(const Aion__V1__OpsWatchRequest *request)
{
    return watch_as(0, request, NULL);
}

static void refused(const Aion__V1__OpsWatchRequest *request,
                    const struct mesh_principal *principal, enum aion_code code)
{
    struct ops_reader *reader = watch_as(0, request, principal);
    bench_until(&bench, reader->rpc == NULL);
    assert_int_equal(reader->err.code, code);
}

static const Aion__V1__OpsFrame *get_at(int64_t at_us)
{
    Aion__V1__OpsGetAtRequest request = AION__V1__OPS_GET_AT_REQUEST__INIT;
    request.at_us = at_us;
    return (const Aion__V1__OpsFrame *)bench_call(
        &bench, &aion_v1_ops_type.methods[AION_V1_OPS_GET_AT], &request.base);
}

static uint64_t hash_at(int64_t at_us)
{
    struct ops_model model;
    const Aion__V1__OpsFrame *frame = get_at(at_us);
    if (frame == NULL)
        fail_msg("%s", bench.err.text);
    assert_true(frame->full);
    ops_model_init(&model);
    ops_model_apply(&model, frame);
    uint64_t hash = model.at_us == at_us ? ops_model_hash(&model) : 0;
    ops_model_done(&model);
    return hash;
}

static Aion__V1__OpsWatchRequest request_of(uint32_t rate_hz)
{
    Aion__V1__OpsWatchRequest request = AION__V1__OPS_WATCH_REQUEST__INIT;
    request.rate_hz = rate_hz;
    return request;
}

/* -- live --------------------------------------------------------------------------- */
static void cells_from_the_past_are_those_that_were_live(void **state)
{
    Aion__V1__OpsWatchRequest request = request_of(10);
    (void)state;
    bench.hosts[0].automatic = true;
    bench_attach(&bench, 0, 4, NULL, 0);
    struct ops_reader *reader = watch(&request);
    for (int i = 0; reader->second_count < 3; i++) {
        if (i % 40 == 0)
            assert_non_null(bench_submit(&bench, "hello", NULL, 5));
        bench_turn(&bench);
    }
    assert_true(reader->hello);
    assert_string_equal(reader->subject, "local");
    assert_false(reader->read_only);
    assert_int_equal(reader->whole, 1);
    assert_true(reader->frames > 10); /* live cells moved in between */
    assert_true(ops_reader_cell(reader, OPS_ROUTE, "noop/local", 0) > 0);
    bench_until(&bench, ops_reader_cell(reader, OPS_HOST, "host-0", 0) == 2);
    assert_true(ops_reader_cell(reader, OPS_MODULE, "noop@", 0) > 0);
    assert_int_equal(reader->model.faults, 0);
    for (size_t i = 0; i < reader->second_count; i++)
        assert_int_equal(hash_at(reader->seconds[i].at_us), reader->seconds[i].hash);
}

static void a_reader_of_the_past_arrives_at_the_present(void **state)
{
    Aion__V1__OpsWatchRequest request = request_of(1);
    (void)state;
    struct ops_reader *first = watch(&request);
    bench_until(&bench, first->second_count >= 3);
    request.from_us = first->seconds[0].at_us;
    struct ops_reader *second = watch_as(1, &request, NULL);
    bench_until(&bench, first->second_count >= 5);
    bench_until(&bench, second->second_count >= first->second_count);
    for (size_t i = 0; i < first->second_count; i++) {
        assert_int_equal(second->seconds[i].at_us, first->seconds[i].at_us);
        assert_int_equal(second->seconds[i].hash, first->seconds[i].hash);
    }
    assert_non_null(second->rpc);
}

static void a_reader_may_say_until_when(void **state)
{
    Aion__V1__OpsWatchRequest request = request_of(1);
    (void)state;
    struct ops_reader *first = watch(&request);
    bench_until(&bench, first->second_count >= 3);
    request.from_us = first->seconds[0].at_us;
    request.until_us = first->seconds[1].at_us;
    struct ops_reader *second = watch_as(1, &request, NULL);
    bench_until(&bench, second->rpc == NULL);
    assert_int_equal(second->err.code, AION_OK);
    assert_int_equal(second->second_count, 2);
    ops_reader_done(second);
    ops_reader_init(second);
    request.from_us = first->seconds[0].at_us + 1;
    request.until_us = first->seconds[0].at_us + 2; /* no second ends between them */
    second = watch_as(1, &request, NULL);
    bench_until(&bench, second->rpc == NULL);
    assert_int_equal(second->err.code, AION_OK);
    assert_int_equal(second->second_count, 0);
    request.from_us = 0;
    request.until_us = first->model.at_us + 2000000;
    second = watch_as(1, &request, NULL);
    bench_until(&bench, second->rpc == NULL); /* in the future: live until then */
    assert_int_equal(second->err.code, AION_OK);
    assert_int_equal(second->model.at_us, request.until_us);
}

static void what_is_no_request_is_refused(void **state)
{
    Aion__V1__OpsEventFilter filter = AION__V1__OPS_EVENT_FILTER__INIT;
    Aion__V1__OpsKind kind = (Aion__V1__OpsKind)77;
    char text[200];
    (void)state;
    Aion__V1__OpsWatchRequest request = request_of(11);
    refused(&request, NULL, AION_INVALID);
    request = request_of(1);
    request.span_ms = 500;
    refused(&request, NULL, AION_INVALID);
    request = request_of(1);
    request.from_us = 5;
    request.until_us = 4;
    refused(&request, NULL, AION_INVALID);
    request = request_of(1);
    request.n_kinds = 1;
    request.kinds = &kind;
    refused(&request, NULL, AION_INVALID);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    request = request_of(1);
    request.events = &filter;
    filter.text = text;
    refused(&request, NULL, AION_INVALID);
    assert_string_equal(readers[0].err.field, "events.text");
    request = request_of(1);
    request.from_us = 1000000; /* 1970 */
    bench_turns(&bench, 1100);
    refused(&request, NULL, AION_RANGE);
    assert_string_equal(readers[0].err.reason, "FRAME_TOO_OLD");
    assert_null(get_at(aion_clock_utc_us() + 60000000));
    assert_string_equal(bench.err.reason, "FRAME_TOO_NEW");
}

/* -- who sees what ------------------------------------------------------------------ */
static void users_see_their_own_tenant(void **state)
{
    static const struct mesh_principal user = {
        {"acme", 4}, {"ana", 3}, {"", 0}, MESH_ROLE_USER};
    Aion__V1__OpsEventFilter filter = AION__V1__OPS_EVENT_FILTER__INIT;
    Aion__V1__OpsWatchRequest request = request_of(10);
    char other[] = "default";
    (void)state;
    request.events = &filter;
    bench.hosts[0].automatic = true;
    bench_attach(&bench, 0, 4, NULL, 0);
    struct ops_reader *reader = watch_as(1, &request, &user);
    bench_until(&bench, reader->hello);
    assert_true(reader->read_only);
    assert_non_null(bench_submit(&bench, "of another tenant", NULL, 5));
    bench_until(&bench, reader->second_count >= 2);
    assert_int_equal(reader->counted, 0);
    assert_int_equal(reader->model.by_id.count, 0); /* acme has no row yet */
    filter.tenant = other;
    refused(&request, &user, AION_DENIED);
    filter.tenant = (char *)(uintptr_t)protobuf_c_empty_string;
    filter.all = true;
    refused(&request, &user, AION_DENIED);
}

/* -- events ------------------------------------------------------------------------- */
static void a_tasks_way_is_told_as_events(void **state)
{
    Aion__V1__OpsEventFilter filter = AION__V1__OPS_EVENT_FILTER__INIT;
    Aion__V1__OpsEvent__Kind kinds[] = {AION__V1__OPS_EVENT__KIND__KIND_HOST};
    Aion__V1__OpsWatchRequest request = request_of(10);
    (void)state;
    request.events = &filter;
    struct ops_reader *all = watch_as(0, &request, NULL);
    filter.n_kinds = 1;
    filter.kinds = kinds;
    struct ops_reader *hosts = watch_as(1, &request, NULL);
    bench_until(&bench, all->hello && hosts->hello);
    bench.hosts[0].automatic = true;
    bench_attach(&bench, 0, 4, NULL, 0);
    assert_non_null(bench_submit(&bench, "hello", NULL, 5));
    bench_until(&bench, all->events >= 5 && hosts->events >= 1);
    assert_string_equal(all->what, "attached accepted  started succeeded ");
    assert_string_equal(hosts->what, "attached ");
    bench_detach(&bench, 0);
    bench_until(&bench, hosts->events >= 2);
    assert_string_equal(hosts->what, "attached lost ");
}

static void events_stand_beside_a_frame_for_who_asks_for_it(void **state)
{
    Aion__V1__OpsEventFilter filter = AION__V1__OPS_EVENT_FILTER__INIT;
    Aion__V1__OpsWatchRequest request = request_of(10);
    (void)state;
    request.events = &filter;
    struct ops_reader *apart = watch_as(0, &request, NULL); /* of the same view and tail */
    request.joined = true;
    struct ops_reader *joined = watch_as(1, &request, NULL);
    bench_until(&bench, apart->frames > 0 && joined->frames > 0);
    bench.hosts[0].automatic = true;
    bench_attach(&bench, 0, 4, NULL, 0);
    for (int i = 0; i < 5; i++)
        assert_non_null(bench_submit(&bench, "hello", NULL, 5));
    bench_until(&bench, apart->events >= 21 && joined->events >= 21);
    assert_string_equal(apart->what, joined->what);
    assert_int_equal(apart->counted, joined->counted);
    assert_int_equal(apart->beside, 0);
    assert_true(joined->beside > 0);
}

static struct mesh_rpc *report_rpc;
static struct aion_err report_err;

static void report_reply(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    (void)rpc;
    (void)message;
}

static void report_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    (void)rpc;
    report_rpc = NULL;
    report_err = result->err != NULL ? *result->err : (struct aion_err){.code = AION_OK};
}

static void open_report(void)
{
    static const struct mesh_stream_ops ops = {.message = report_reply,
                                               .closed = report_closed};
    report_rpc = aion_v1_ops_report_open(bench.channel, NULL, &ops, NULL);
}

/* A report with `count` events. */
static void report(const char *instance, uint64_t sequence, size_t count)
{
    static Aion__V1__OpsEvent event;
    static Aion__V1__OpsEvent *events[4096];
    Aion__V1__OpsReport message = AION__V1__OPS_REPORT__INIT;
    Aion__V1__OpsProcess process = AION__V1__OPS_PROCESS__INIT;
    char component[] = "gateway", what[] = "succeeded",
         id[] = "01a20d71-507e-71d6-9db6-3a4ee1f8b889", tenant[] = "acme";
    aion__v1__ops_event__init(&event);
    event.kind = AION__V1__OPS_EVENT__KIND__KIND_TASK;
    event.state = AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
    event.what = what;
    event.task_id = id;
    event.tenant = tenant;
    for (size_t i = 0; i < count; i++)
        events[i] = &event;
    process.state = AION__V1__OPS_PROCESS_STATE__OPS_PROCESS_STATE_READY;
    message.component = component;
    message.instance = (char *)(uintptr_t)instance;
    message.sequence = sequence;
    message.process = &process;
    message.n_events = count;
    message.events = events;
    aion_v1_ops_report_write(report_rpc, &message);
}

static void a_program_reports_as_long_as_it_runs(void **state)
{
    Aion__V1__OpsWatchRequest request = request_of(1);
    (void)state;
    struct ops_reader *reader = watch(&request);
    open_report();
    report("g", 1, 0);
    bench_until(&bench, ops_reader_cell(reader, OPS_PROCESS, "gateway/g", 0) == 1);
    mesh_rpc_half_close(report_rpc);
    bench_until(&bench, report_rpc == NULL);
    assert_int_equal(report_err.code, AION_OK);
    open_report();
    report("bad name", 1, 0);
    bench_until(&bench, report_rpc == NULL);
    assert_int_equal(report_err.code, AION_INVALID);
}

static const struct control_ops_reader *as_control_sees_it(void)
{
    return aion_container(bench.control->ops->readers.next, struct control_ops_reader, link);
}

/* As many events as it takes to fill every queue on the way, for a while. */
static void a_reader_that_stands_still_loses_frames_and_no_counts(void **state)
{
    Aion__V1__OpsEventFilter filter = AION__V1__OPS_EVENT_FILTER__INIT;
    Aion__V1__OpsWatchRequest request = request_of(10);
    enum { EVENTS = 4000 };
    uint64_t told = 0;
    (void)state;
    request.events = &filter;
    filter.per_second_max = 1000000;
    struct ops_reader *reader = watch(&request);
    open_report();
    bench_until(&bench, reader->hello && reader->frames > 0);
    mesh_rpc_pause(reader->rpc);
    for (uint64_t i = 1; as_control_sees_it()->dropped < 15 && i < 1000; i++) {
        report("g", i, EVENTS);
        told += EVENTS;
        bench_turns(&bench, 20);
    }
    assert_true(as_control_sees_it()->dropped >= 15);
    mesh_rpc_resume(reader->rpc);
    bench_until(&bench, reader->counted == told && reader->dropped >= 15);
    assert_true(reader->sampled > 0);
    assert_int_equal(reader->events + reader->sampled, reader->counted);
    size_t seconds = reader->second_count;
    bench_until(&bench, reader->second_count > seconds + 1);
    size_t last = reader->second_count - 1;
    assert_int_equal(hash_at(reader->seconds[last].at_us), reader->seconds[last].hash);
    assert_int_equal(reader->model.faults, 0);
    mesh_rpc_cancel(report_rpc);
    bench_until(&bench, report_rpc == NULL);
}

static void a_reader_of_every_event_gets_every_event(void **state)
{
    Aion__V1__OpsEventFilter filter = AION__V1__OPS_EVENT_FILTER__INIT;
    Aion__V1__OpsWatchRequest request = request_of(1);
    enum { BATCHES = 40, EVENTS = 500 };
    (void)state;
    request.events = &filter;
    filter.all = true;
    struct ops_reader *reader = watch(&request);
    open_report();
    bench_until(&bench, reader->hello);
    mesh_rpc_pause(reader->rpc); /* for a moment: what comes waits in control */
    for (int i = 0; i < BATCHES; i++) {
        report("g", (uint64_t)i + 1, EVENTS);
        bench_turns(&bench, 2);
    }
    mesh_rpc_resume(reader->rpc);
    bench_until(&bench, reader->counted == BATCHES * EVENTS);
    assert_int_equal(reader->sampled, 0);
    assert_int_equal(reader->events, BATCHES * EVENTS);
    mesh_rpc_cancel(report_rpc);
    bench_until(&bench, report_rpc == NULL);
}

/* -- draining ----------------------------------------------------------------------- */
static const Aion__V1__HostInfo *drain(const char *host_id, bool undrain, const char *reason)
{
    Aion__V1__DrainHostRequest request = AION__V1__DRAIN_HOST_REQUEST__INIT;
    request.host_id = (char *)(uintptr_t)host_id;
    request.undrain = undrain;
    request.reason = (char *)(uintptr_t)reason;
    const Aion__V1__DrainHostReply *reply = (const Aion__V1__DrainHostReply *)bench_call(
        &bench, &aion_v1_hosts_type.methods[AION_V1_HOSTS_DRAIN_HOST], &request.base);
    return reply != NULL ? reply->host : NULL;
}

static const Aion__V1__HostInfo *listed(void)
{
    Aion__V1__ListHostsRequest request = AION__V1__LIST_HOSTS_REQUEST__INIT;
    const Aion__V1__ListHostsReply *reply = (const Aion__V1__ListHostsReply *)bench_call(
        &bench, &aion_v1_hosts_type.methods[AION_V1_HOSTS_LIST_HOSTS], &request.base);
    assert_int_equal(reply->n_hosts, 1);
    return reply->hosts[0];
}

static void a_drained_host_ends_what_it_runs_and_gets_nothing_new(void **state)
{
    Aion__V1__OpsWatchRequest request = request_of(10);
    struct bench_host *host = &bench.hosts[0];
    (void)state;
    bench_attach(&bench, 0, 4, NULL, 0);
    struct ops_reader *reader = watch(&request);
    const Aion__V1__Task *running = bench_submit(&bench, "running", NULL, 0);
    bench_until(&bench, host->executes == 1);
    assert_true(drain("host-0", false, "new kernel")->draining);
    assert_string_equal(listed()->drain_reason, "new kernel");
    assert_string_equal(listed()->drained_by, "local");
    const Aion__V1__Task *waiting = bench_submit(&bench, "waiting", NULL, 0);
    bench_until(&bench, ops_reader_cell(reader, OPS_HOST, "host-0", 0) == 4);
    bench_turns(&bench, 50);
    assert_int_equal(host->executes, 1);
    bench_result(host, &host->executed[0], "done");
    bench_until(&bench,
                (int)bench_status(&bench, running->task_id)->state == (int)TASK_SUCCEEDED);
    assert_int_equal(bench_status(&bench, waiting->task_id)->state, TASK_QUEUED);
    bench_detach(&bench, 0); /* it goes, and comes back drained */
    bench_attach(&bench, 0, 4, NULL, 0);
    bench_turns(&bench, 50);
    assert_true(listed()->draining);
    assert_int_equal(host->executes, 1);
    assert_false(drain("host-0", true, "kernel is in")->draining);
    bench_until(&bench, host->executes == 2);
    assert_string_equal(listed()->drain_reason, "");
}

static void draining_wants_a_host_and_a_reason(void **state)
{
    (void)state;
    assert_null(drain("nobody", false, "because"));
    assert_int_equal(bench.err.code, AION_NOT_FOUND);
    assert_string_equal(bench.err.reason, "HOST_NOT_FOUND");
    bench_attach(&bench, 0, 4, NULL, 0);
    assert_null(drain("host-0", false, ""));
    assert_int_equal(bench.err.code, AION_INVALID);
    assert_string_equal(bench.err.field, "reason");
    assert_non_null(drain("host-0", true, "was not drained")); /* no harm */
}

/* -- a restart ---------------------------------------------------------------------- */
static void delete_dir(void)
{
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char path[400];
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(folder);
    rmdir(dir);
}

static void frames_are_there_after_a_restart_and_the_next_has_a_gap(void **state)
{
    Aion__V1__OpsWatchRequest request = request_of(1);
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/aion-frames.XXXXXX");
    assert_non_null(mkdtemp(dir));
    bench.conf.frames_dir = dir;
    bench_restart_control(&bench);
    struct ops_reader *reader = watch(&request);
    bench_until(&bench, reader->second_count >= 3);
    bench_restart_control(&bench);
    bench_until(&bench, reader->rpc == NULL);
    for (size_t i = 0; i < reader->second_count; i++)
        assert_int_equal(hash_at(reader->seconds[i].at_us), reader->seconds[i].hash);
    request.from_us = reader->seconds[1].at_us;
    struct ops_reader *second = watch_as(1, &request, NULL);
    bench_until(&bench, second->second_count >= reader->second_count + 1);
    assert_true(second->gap);
    delete_dir();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        /* the longest first */
        TEST(a_reader_that_stands_still_loses_frames_and_no_counts),
        TEST(frames_are_there_after_a_restart_and_the_next_has_a_gap),
        TEST(cells_from_the_past_are_those_that_were_live),
        TEST(a_reader_of_the_past_arrives_at_the_present),
        TEST(a_reader_may_say_until_when),
        TEST(what_is_no_request_is_refused),
        TEST(users_see_their_own_tenant),
        TEST(a_tasks_way_is_told_as_events),
        TEST(events_stand_beside_a_frame_for_who_asks_for_it),
        TEST(a_program_reports_as_long_as_it_runs),
        TEST(a_reader_of_every_event_gets_every_event),
        TEST(a_drained_host_ends_what_it_runs_and_gets_nothing_new),
        TEST(draining_wants_a_host_and_a_reason),
    };
    if (argc < 2)
        return apart_run(tests, sizeof(tests) / sizeof(tests[0]));
    cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
