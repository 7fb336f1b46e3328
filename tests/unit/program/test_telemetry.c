/* What a program reports of itself: metric families become samples by the table, once and
 * exactly; events are copied within bounds; the kernel's figures are this process's. The
 * families are made here under the names that programs use. */
#include "program/telemetry_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define KIND(name) AION__V1__OPS_KIND__OPS_KIND_##name

static const struct aion_metric_family calls = {.name = "aion_rpc_server_calls",
                                                .help = "x",
                                                .kind = AION_COUNTER,
                                                .labels = {"method", "code"}};
static const struct aion_metric_family durations = {.name = "aion_rpc_server_duration_seconds",
                                                    .help = "x",
                                                    .kind = AION_HISTOGRAM,
                                                    .labels = {"method"}};
static const struct aion_metric_family live = {.name = "aion_rpc_server_live_calls",
                                               .help = "x",
                                               .kind = AION_GAUGE,
                                               .labels = {"method"}};
static const struct aion_metric_family requests = {.name =
                                                       "aion_gateway_request_duration_seconds",
                                                   .help = "x",
                                                   .kind = AION_HISTOGRAM,
                                                   .labels = {"method", "code"}};
static const struct aion_metric_family limited = {
    .name = "aion_gateway_limited", .help = "x", .kind = AION_COUNTER, .labels = {"limit"}};
static const struct aion_metric_family deaths = {.name = "aion_module_process_deaths",
                                                 .help = "x",
                                                 .kind = AION_COUNTER,
                                                 .labels = {"module", "version", "cause"}};
static const struct aion_metric_family commits = {.name = "aion_store_commit_operations",
                                                  .help = "x",
                                                  .kind = AION_HISTOGRAM,
                                                  .labels = {"store"}};
static const struct aion_metric_family processes = {
    .name = "aion_module_processes", .help = "x", .kind = AION_GAUGE, .labels = {"module"}};
static const struct aion_metric_family unmapped = {
    .name = "aion_of_no_interest", .help = "x", .kind = AION_COUNTER};

static struct telemetry_samples samples;
static struct mesh_loop *loop;
static struct aion_arena arena;
static Aion__V1__OpsReport report;

static int setup(void **state)
{
    struct aion_err err;
    (void)state;
    loop = mesh_loop_new(NULL, &err);
    aion_arena_init(&arena, 8 << 20, NULL, 0);
    telemetry_samples_init(&samples);
    telemetry_samples_read(&samples, loop); /* what other tests counted */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    telemetry_samples_done(&samples);
    aion_arena_done(&arena);
    mesh_loop_free(loop);
    return 0;
}

static void next(bool whole)
{
    aion_arena_reset(&arena);
    aion__v1__ops_report__init(&report);
    telemetry_samples_read(&samples, loop);
    assert_true(telemetry_samples_put(&samples, whole, &report, &arena));
}

static const Aion__V1__OpsSample *sample(Aion__V1__OpsKind kind, const char *key)
{
    for (size_t i = 0; i < report.n_samples; i++)
        if (report.samples[i]->kind == kind && strcmp(report.samples[i]->key, key) == 0)
            return report.samples[i];
    return NULL;
}

static int64_t counter(Aion__V1__OpsKind kind, const char *key, size_t number)
{
    const Aion__V1__OpsSample *found = sample(kind, key);
    return found != NULL && number < found->n_counters ? found->counters[number] : 0;
}

static void calls_are_told_once_with_their_errors(void **state)
{
    (void)state;
    aion_metric_add(aion_metric(&calls, "/aion.v1.AionTasks/Submit", "OK"), 5);
    aion_metric_add(aion_metric(&calls, "/aion.v1.AionTasks/Submit", "NOT_FOUND"), 2);
    next(false);
    assert_int_equal(counter(KIND(METHOD), "AionTasks.Submit", 0), 7);
    assert_int_equal(counter(KIND(METHOD), "AionTasks.Submit", 1), 2);
    next(false);
    assert_null(sample(KIND(METHOD), "AionTasks.Submit"));
    aion_metric_add(aion_metric(&calls, "/aion.v1.AionTasks/Submit", "OK"), 1);
    next(false);
    assert_int_equal(counter(KIND(METHOD), "AionTasks.Submit", 0), 1);
    assert_int_equal(sample(KIND(METHOD), "AionTasks.Submit")->n_counters, 1);
}

static void refusals_and_faults_are_the_meshs(void **state)
{
    (void)state;
    aion_metric_add(aion_metric(&calls, "/a.B/C", "RESOURCE_EXHAUSTED"), 3);
    aion_metric_add(aion_metric(&calls, "/a.B/C", "INTERNAL"), 2);
    aion_metric_add(aion_metric(&calls, "/a.B/C", "UNAVAILABLE"), 1);
    aion_metric_add(aion_metric(&limited, "key"), 4);
    next(false);
    assert_int_equal(counter(KIND(MESH), "mesh", 0), 7);
    assert_int_equal(counter(KIND(MESH), "mesh", 1), 3);
}

static void statuses_of_http_are_codes_too(void **state)
{
    (void)state;
    aion_metric_record(aion_metric(&requests, "/aion.v1.AionTasks/ListTasks", "200"), 1000);
    aion_metric_record(aion_metric(&requests, "/aion.v1.AionTasks/ListTasks", "404"), 2000);
    aion_metric_record(aion_metric(&requests, "/aion.v1.AionTasks/ListTasks", "503"), 2000);
    next(false);
    assert_int_equal(counter(KIND(METHOD), "AionTasks.ListTasks", 0), 3);
    assert_int_equal(counter(KIND(METHOD), "AionTasks.ListTasks", 1), 2);
    const Aion__V1__OpsHistogram *latency =
        sample(KIND(METHOD), "AionTasks.ListTasks")->latency;
    assert_int_equal(latency->n_buckets, 2); /* of three series, merged */
    assert_int_equal(latency->buckets[0], aion_hist_bucket(1000));
    assert_int_equal(latency->counts[1], 2);
}

static void latencies_are_those_of_the_second(void **state)
{
    (void)state;
    struct aion_metric *series = aion_metric(&durations, "/x.Y/Z");
    aion_metric_record(series, 100);
    next(false);
    assert_int_equal(sample(KIND(METHOD), "Y.Z")->latency->counts[0], 1);
    aion_metric_record(series, 100);
    aion_metric_record(series, 100);
    next(false);
    assert_int_equal(sample(KIND(METHOD), "Y.Z")->latency->n_counts, 1);
    assert_int_equal(sample(KIND(METHOD), "Y.Z")->latency->counts[0], 2);
    next(true);
    assert_null(sample(KIND(METHOD), "Y.Z")->latency);
}

static void gauges_stand_and_a_whole_report_repeats_them(void **state)
{
    (void)state;
    aion_metric_set(aion_metric(&live, "/g.H/I"), 4);
    aion_metric_set(aion_metric(&live, "/g.H/Never"), 0);
    next(false);
    assert_int_equal(sample(KIND(METHOD), "H.I")->gauges[0], 4);
    next(false);
    assert_null(sample(KIND(METHOD), "H.I"));
    next(true);
    assert_int_equal(sample(KIND(METHOD), "H.I")->gauges[0], 4);
    assert_null(sample(KIND(METHOD), "H.Never")); /* nobody ever called it */
    aion_metric_set(aion_metric(&live, "/g.H/I"), 0);
    next(false);
    assert_int_equal(sample(KIND(METHOD), "H.I")->n_gauges, 0); /* all are 0 */
}

static void a_module_restarts_when_it_fails_alone(void **state)
{
    (void)state;
    aion_metric_add(aion_metric(&deaths, "noop", "1.0.0", "crash"), 2);
    aion_metric_add(aion_metric(&deaths, "noop", "1.0.0", "timeout"), 1);
    aion_metric_add(aion_metric(&deaths, "noop", "1.0.0", "recycled"), 50);
    aion_metric_add(aion_metric(&deaths, "noop", "1.0.0", "cancel"), 9);
    next(false);
    assert_int_equal(sample(KIND(MODULE), "noop@1.0.0")->gauges[0], 3);
}

static void sums_and_the_process_have_their_places(void **state)
{
    (void)state;
    aion_metric_record(aion_metric(&commits, "sqlite"), 30);
    aion_metric_record(aion_metric(&commits, "sqlite"), 12);
    aion_metric_set(aion_metric(&processes, "a"), 3);
    aion_metric_set(aion_metric(&processes, "b"), 2);
    aion_metric_add(aion_metric(&unmapped), 1);
    next(false);
    assert_int_equal(counter(KIND(DEPENDENCY), "sqlite", 0), 42);
    assert_int_equal(samples.process[TELEMETRY_WORKERS], 5);
}

/* -- events ------------------------------------------------------------------------- */
static void events_are_copied_and_bounded(void **state)
{
    struct telemetry_events events;
    Aion__V1__OpsEvent event = AION__V1__OPS_EVENT__INIT;
    char what[32] = "first";
    (void)state;
    telemetry_events_init(&events);
    event.what = what;
    telemetry_event_add(&events, &event);
    snprintf(what, sizeof(what), "second");
    assert_string_equal(events.events[0]->what, "first");
    assert_true(events.events[0]->at_us > 0);
    for (int i = 0; i < TELEMETRY_EVENTS_MAX + 10; i++)
        telemetry_event_add(&events, &event);
    assert_int_equal(events.count, TELEMETRY_EVENTS_MAX);
    assert_int_equal(events.dropped, 11);
    telemetry_events_forget(&events);
    telemetry_event_add(&events, &event);
    assert_int_equal(events.count, 1);
    telemetry_events_done(&events);
}

static void audited_calls_become_events(void **state)
{
    static const struct mesh_method method = {.name = "DrainHost", .service = "aion.v1.Hosts"};
    static const struct mesh_principal principal = {
        {"acme", 4}, {"ana", 3}, {"", 0}, MESH_ROLE_ADMIN};
    struct telemetry_events events;
    struct mesh_audit audit = {.method = &method,
                               .principal = &principal,
                               .reason = "",
                               .text = "",
                               .target = {"host-\xc3\xa9", 6}}; /* cut within a letter */
    (void)state;
    telemetry_events_init(&events);
    telemetry_audit(&events, &audit);
    audit.code = AION_DENIED;
    audit.text = "no";
    audit.target = (aion_str){NULL, 0};
    telemetry_audit(&events, &audit);
    assert_int_equal(events.count, 2);
    assert_string_equal(events.events[0]->what, "Hosts.DrainHost");
    assert_string_equal(events.events[0]->actor, "ana");
    assert_string_equal(events.events[0]->note, "host-");
    assert_string_equal(events.events[0]->reason, "");
    assert_string_equal(events.events[1]->reason, "PERMISSION_DENIED");
    assert_string_equal(events.events[1]->note, "no");
    telemetry_events_done(&events);
}

/* -- the process -------------------------------------------------------------------- */
static void the_kernels_figures_are_of_this_process(void **state)
{
    struct telemetry_process process = {.cert_file = "/nowhere/at/all.crt"};
    int pipes[2];
    (void)state;
    telemetry_process_read(&process);
    assert_in_range(process.rss_bytes, 1 << 20, (int64_t)1 << 40);
    assert_in_range(process.threads, 1, 100);
    assert_true(process.machine_memory_bytes > process.rss_bytes);
    assert_int_equal(process.cert_expires_s, 0);
    int64_t fds = process.fds;
    assert_int_equal(pipe(pipes), 0);
    telemetry_process_read(&process);
    assert_int_equal(process.fds, fds + 2);
    close(pipes[0]);
    close(pipes[1]);
    assert_in_range(process.machine_cpu_ppm, 0, 1000000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_are_told_once_with_their_errors),
        TEST(refusals_and_faults_are_the_meshs),
        TEST(statuses_of_http_are_codes_too),
        TEST(latencies_are_those_of_the_second),
        TEST(gauges_stand_and_a_whole_report_repeats_them),
        TEST(a_module_restarts_when_it_fails_alone),
        TEST(sums_and_the_process_have_their_places),
        TEST(events_are_copied_and_bounded),
        TEST(audited_calls_become_events),
        TEST(the_kernels_figures_are_of_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
