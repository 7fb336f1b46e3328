/* What happens to tasks, and what programs report, as rows: gauges come back to zero, rates and
 * quantiles are those of their second, reports of many instances add up and lost ones leave. */
#include "ops/ops_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND_US ((int64_t)1000000)

static struct ops_fold fold;
static struct ops_reports reports;
static int64_t now_us;

static int setup(void **state)
{
    (void)state;
    ops_fold_init(&fold);
    ops_reports_init(&reports, &fold);
    now_us = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ops_reports_done(&reports);
    ops_fold_done(&fold);
    return 0;
}

static void close_second(void)
{
    now_us += SECOND_US;
    ops_reports_close(&reports, now_us);
    ops_fold_close(&fold, now_us, now_us, 1);
}

static int64_t cell(enum ops_kind kind, const char *key, unsigned column)
{
    const struct ops_entity *entity = ops_entity_find(&fold.table, kind, aion_str_of(key));
    if (entity == NULL)
        fail_msg("no %s %s", ops_kind_info(kind)->name, key);
    return ops_get(entity, column);
}

/* -- tasks -------------------------------------------------------------------------- */
static struct ops_route_of local_route(void)
{
    return (struct ops_route_of){.intent = AION_STR("noop"),
                                 .route = AION_STR("local"),
                                 .module = AION_STR("noop"),
                                 .pool = AION_STR("cpu"),
                                 .priority = 3,
                                 .fresh = true};
}

static void begin(struct ops_task *task)
{
    ops_task_init(task);
    ops_task_enter(&fold, task, AION_STR("acme"), TASK_ACCEPTED, 100);
    struct ops_route_of local = local_route();
    ops_task_route(&fold, task, &local);
    ops_task_move(&fold, task, TASK_QUEUED, 100);
}

static void run(struct ops_task *task, struct ops_entity *host, struct ops_entity *module)
{
    ops_task_start(&fold, task, host, module);
    ops_task_move(&fold, task, TASK_RUNNING, 100);
}

static void end(struct ops_task *task, enum control_state state, int64_t latency_us)
{
    ops_attempt(&fold, task, 500, state != TASK_SUCCEEDED);
    ops_task_move(&fold, task, state, 0);
    ops_task_end(&fold, task, latency_us, 1000);
}

static void a_task_is_in_the_gauges_of_its_state(void **state)
{
    struct ops_task task;
    struct ops_entity *host = ops_entity(&fold.table, OPS_HOST, AION_STR("host-1"));
    struct ops_entity *module = ops_entity(&fold.table, OPS_MODULE, AION_STR("noop@1.0.0"));
    (void)state;
    ops_task_init(&task);
    ops_task_enter(&fold, &task, AION_STR("acme"), TASK_ACCEPTED, 100);
    assert_int_equal(cell(OPS_MESH, "mesh", 7), 1);
    assert_int_equal(cell(OPS_TENANT, "acme", 2), 1);
    struct ops_route_of local = local_route();
    ops_task_route(&fold, &task, &local);
    ops_task_move(&fold, &task, TASK_QUEUED, 100);
    assert_int_equal(cell(OPS_MESH, "mesh", 7), 1);
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 4), 1);
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 0), 1);
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 1), 100);
    run(&task, host, module);
    assert_int_equal(cell(OPS_MESH, "mesh", 7), 0);
    assert_int_equal(cell(OPS_MESH, "mesh", 8), 1);
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 4), 0);
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 5), 1);
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 1), 0);
    assert_int_equal(cell(OPS_HOST, "host-1", 2), 1);
    assert_int_equal(cell(OPS_MODULE, "noop@1.0.0", 6), 1);
    assert_int_equal(cell(OPS_TENANT, "acme", 3), 1);
    ops_task_move(&fold, &task, TASK_RETRY_WAIT, 0);
    assert_int_equal(cell(OPS_MESH, "mesh", 9), 1);
    assert_int_equal(cell(OPS_HOST, "host-1", 2), 0);
    ops_task_move(&fold, &task, TASK_QUEUED, 100);
    run(&task, host, module);
    end(&task, TASK_SUCCEEDED, 3000);
    static const unsigned gauges[][2] = {{OPS_MESH, 7}, {OPS_MESH, 8}, {OPS_MESH, 9}};
    for (size_t i = 0; i < aion_countof(gauges); i++)
        assert_int_equal(cell(OPS_MESH, "mesh", gauges[i][1]), 0);
    assert_int_equal(host->pins + module->pins, 0);
    assert_null(task.tenant);
}

static void a_task_that_is_routed_when_it_comes_has_its_bytes_in_the_queue(void **state)
{
    struct ops_task task;
    struct ops_route_of local = local_route();
    (void)state;
    ops_task_init(&task);
    ops_task_enter(&fold, &task, AION_STR("acme"), TASK_QUEUED, 700);
    ops_task_route(&fold, &task, &local);
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 0), 1);
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 1), 700);
    ops_task_leave(&fold, &task);
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 1), 0);
}

static void a_second_has_the_rates_and_quantiles_of_what_ended_in_it(void **state)
{
    struct ops_task tasks[100];
    (void)state;
    for (int i = 0; i < 100; i++) {
        begin(&tasks[i]);
        run(&tasks[i], NULL, NULL);
        end(&tasks[i], i < 90 ? TASK_SUCCEEDED : TASK_FAILED, i < 96 ? 10000 : 5000000);
    }
    close_second();
    assert_int_equal(cell(OPS_MESH, "mesh", 0), 100000);
    assert_int_equal(cell(OPS_MESH, "mesh", 2), 10000);
    assert_in_range(cell(OPS_MESH, "mesh", 10), 10000, 10600);
    assert_in_range(cell(OPS_MESH, "mesh", 12), 5000000, 5320000);
    assert_int_equal(cell(OPS_MESH, "mesh", 13), 100000);
    assert_int_equal(cell(OPS_MESH, "mesh", 20), 96); /* up to 50 ms */
    assert_int_equal(cell(OPS_MESH, "mesh", 27), 4);  /* up to 6.4 s */
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 0), 100000);
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 7), 100000);
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 9), 1000000);
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 3), 100000);
    close_second();
    assert_int_equal(cell(OPS_MESH, "mesh", 0), 0);
    assert_int_equal(cell(OPS_MESH, "mesh", 10), OPS_UNKNOWN);
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 9), 1000000); /* the share stays */
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 11), 0);
}

static void shares_are_of_the_intents_decisions(void **state)
{
    struct ops_task tasks[8];
    struct ops_route_of other = local_route();
    (void)state;
    other.route = AION_STR("api");
    for (int i = 0; i < 8; i++) {
        begin(&tasks[i]);
        if (i % 4 == 3)
            ops_task_route(&fold, &tasks[i], &other);
    }
    close_second();
    assert_int_equal(cell(OPS_ROUTE, "noop/api", 9), 200000); /* 2 of 10 decisions */
    for (int i = 0; i < 8; i++)
        ops_task_leave(&fold, &tasks[i]);
    assert_int_equal(cell(OPS_ROUTE, "noop/api", 4), 0);
    assert_int_equal(cell(OPS_MESH, "mesh", 7), 0);
}

static void the_oldest_that_waits_is_told(void **state)
{
    struct ops_task first, second;
    (void)state;
    ops_table_sweep(&fold.table, 0);
    begin(&first);
    now_us = 3 * SECOND_US;
    ops_table_sweep(&fold.table, now_us);
    begin(&second);
    close_second();
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 2), 4 * SECOND_US);
    run(&first, NULL, NULL);
    close_second();
    assert_int_equal(cell(OPS_QUEUE, "cpu/normal", 2), 2 * SECOND_US);
    ops_task_leave(&fold, &first);
    ops_task_leave(&fold, &second);
}

static void a_route_says_how_it_is(void **state)
{
    struct ops_task task;
    (void)state;
    begin(&task);
    task.wish_us = 2000;
    close_second();
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 11), 4); /* nobody can run it */
    ops_set(&fold.table, task.route, 10, 1);
    close_second();
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 11), 1);
    run(&task, NULL, NULL);
    end(&task, TASK_SUCCEEDED, 5000);
    close_second();
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 11), 2); /* slower than was asked for */
    begin(&task);
    run(&task, NULL, NULL);
    end(&task, TASK_DEAD, 500);
    close_second();
    assert_int_equal(cell(OPS_ROUTE, "noop/local", 11), 3); /* failing */
    assert_int_equal(cell(OPS_MESH, "mesh", 4), 1000);
}

/* -- reports ------------------------------------------------------------------------ */
struct report {
    Aion__V1__OpsReport message;
    Aion__V1__OpsSample samples[4], *pointers[4];
    Aion__V1__OpsHistogram histogram;
    Aion__V1__OpsProcess process;
    int64_t counters[4][3], gauges[4][3];
    uint32_t bucket;
    uint64_t count;
};

static void report_init(struct report *report, const char *component, const char *instance,
                        uint64_t sequence)
{
    memset(report, 0, sizeof(*report));
    aion__v1__ops_report__init(&report->message);
    aion__v1__ops_process__init(&report->process);
    report->message.component = (char *)(uintptr_t)component;
    report->message.instance = (char *)(uintptr_t)instance;
    report->message.sequence = sequence;
    report->message.samples = report->pointers;
    report->message.process = &report->process;
    report->process.state = AION__V1__OPS_PROCESS_STATE__OPS_PROCESS_STATE_READY;
    report->process.cpu_us = 12345;
}

static void sample(struct report *report, Aion__V1__OpsKind kind, const char *key,
                   int64_t first, int64_t gauge0, int64_t gauge1)
{
    size_t i = report->message.n_samples++;
    Aion__V1__OpsSample *to = &report->samples[i];
    aion__v1__ops_sample__init(to);
    report->pointers[i] = to;
    to->kind = kind;
    to->key = (char *)(uintptr_t)key;
    to->n_counters = to->n_gauges = 3;
    to->counters = report->counters[i];
    to->gauges = report->gauges[i];
    to->counters[0] = first;
    to->gauges[0] = gauge0;
    to->gauges[1] = gauge1;
}

static void take(struct report *report)
{
    struct aion_err err;
    if (!ops_report_check(&reports, &report->message, &err))
        fail_msg("%s", err.text);
    ops_report_take(&reports, &report->message, now_us);
}

#define METHOD AION__V1__OPS_KIND__OPS_KIND_METHOD
#define EDGE   AION__V1__OPS_KIND__OPS_KIND_EDGE

static void instances_of_a_component_add_up(void **state)
{
    struct report report;
    static const char *const hosts[] = {"host-1", "host-2"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        report_init(&report, "host", hosts[i], 1);
        sample(&report, METHOD, "ModuleHost.Describe", 3, 2, 0);
        sample(&report, EDGE, "control@127.0.0.1:1", 5, 4, i == 0 ? 1 : 2);
        take(&report);
    }
    close_second();
    assert_int_equal(cell(OPS_METHOD, "host/ModuleHost.Describe", 0), 6000);
    assert_int_equal(cell(OPS_METHOD, "host/ModuleHost.Describe", 5), 4);
    assert_int_equal(cell(OPS_EDGE, "host>control@127.0.0.1:1", 0), 10000);
    assert_int_equal(cell(OPS_EDGE, "host>control@127.0.0.1:1", 6), 2); /* one is ejected */
    assert_int_equal(cell(OPS_PROCESS, "host/host-1", 1), 12300);
    assert_int_equal(cell(OPS_PROCESS, "host/host-2", 0), 1);
}

static void what_a_report_leaves_out_did_not_move(void **state)
{
    struct report report;
    (void)state;
    report_init(&report, "gateway", "g", 1);
    sample(&report, METHOD, "AionTasks.Submit", 7, 1, 0);
    take(&report);
    close_second();
    report_init(&report, "gateway", "g", 2);
    take(&report);
    close_second();
    assert_int_equal(cell(OPS_METHOD, "gateway/AionTasks.Submit", 0), 0);
    assert_int_equal(cell(OPS_METHOD, "gateway/AionTasks.Submit", 5), 1); /* gauges stand */
    report_init(&report, "gateway", "g", 10);                             /* whole */
    take(&report);
    close_second();
    assert_int_equal(cell(OPS_METHOD, "gateway/AionTasks.Submit", 5), 0);
}

static void a_late_report_neither_doubles_nor_misses_a_second(void **state)
{
    struct report report;
    (void)state;
    report_init(&report, "router", "r", 1);
    sample(&report, METHOD, "Router.Decide", 9, 0, 0);
    take(&report);
    close_second();
    close_second(); /* none came */
    assert_int_equal(cell(OPS_METHOD, "router/Router.Decide", 0), 9000);
    for (uint64_t i = 2; i < 4; i++) { /* two came */
        report_init(&report, "router", "r", i);
        sample(&report, METHOD, "Router.Decide", 9, 0, 0);
        take(&report);
    }
    close_second();
    assert_int_equal(cell(OPS_METHOD, "router/Router.Decide", 0), 9000);
}

static void latencies_of_instances_are_merged(void **state)
{
    struct report report;
    (void)state;
    for (int i = 0; i < 2; i++) {
        report_init(&report, "host", i == 0 ? "a" : "b", 1);
        sample(&report, METHOD, "M.X", 10, 0, 0);
        aion__v1__ops_histogram__init(&report.histogram);
        report.bucket = aion_hist_bucket(i == 0 ? 1000 : 8000);
        report.count = 10;
        report.histogram.n_buckets = report.histogram.n_counts = 1;
        report.histogram.buckets = &report.bucket;
        report.histogram.counts = &report.count;
        report.samples[0].latency = &report.histogram;
        take(&report);
    }
    close_second();
    assert_in_range(cell(OPS_METHOD, "host/M.X", 3), 8000, 8500);
    close_second(); /* calls go on, but no report came: as they were */
    assert_in_range(cell(OPS_METHOD, "host/M.X", 3), 8000, 8500);
}

static void a_silent_program_is_lost_and_what_it_said_goes(void **state)
{
    struct report report;
    (void)state;
    report_init(&report, "gateway", "g", 1);
    sample(&report, EDGE, "control@a:1", 5, 3, 1);
    take(&report);
    for (int i = 0; i < 4; i++)
        close_second();
    assert_int_equal(cell(OPS_PROCESS, "gateway/g", 0), 0);
    assert_int_equal(cell(OPS_PROCESS, "gateway/g", 7), 4 * SECOND_US);
    assert_int_equal(cell(OPS_EDGE, "gateway>control@a:1", 0), 0);
    assert_int_equal(cell(OPS_EDGE, "gateway>control@a:1", 6), OPS_UNKNOWN);
    report_init(&report, "gateway", "g", 6);
    take(&report);
    close_second();
    assert_int_equal(cell(OPS_PROCESS, "gateway/g", 0), 1);
    now_us += OPS_IDLE_US;
    close_second();
    assert_int_equal(reports.count, 0);
    now_us += OPS_IDLE_US;
    close_second();
    assert_null(ops_entity_find(&fold.table, OPS_PROCESS, AION_STR("gateway/g")));
}

static void lost_reports_are_counted(void **state)
{
    struct report report;
    (void)state;
    report_init(&report, "gateway", "g", 5);
    report.message.dropped = 4;
    take(&report);
    report_init(&report, "gateway", "g", 9);
    report.message.dropped = 7;
    take(&report);
    close_second();
    assert_int_equal(cell(OPS_MESH, "mesh", 19), 3); /* before the first: not ours to count */
}

static void what_is_no_report_is_refused(void **state)
{
    struct report report;
    struct aion_err err;
    (void)state;
    report_init(&report, "gate way", "g", 1);
    assert_false(ops_report_check(&reports, &report.message, &err));
    report_init(&report, "gateway", "", 1);
    assert_false(ops_report_check(&reports, &report.message, &err));
    report_init(&report, "gateway", "g", 1);
    sample(&report, AION__V1__OPS_KIND__OPS_KIND_TENANT, "acme", 1, 0, 0);
    assert_false(ops_report_check(&reports, &report.message, &err));
    assert_non_null(strstr(err.text, "kind 4"));
    report_init(&report, "gateway", "g", 1);
    sample(&report, (Aion__V1__OpsKind)4711, "acme", 1, 0, 0);
    assert_false(ops_report_check(&reports, &report.message, &err));
    report_init(&report, "gateway", "g", 1);
    sample(&report, METHOD, "", 1, 0, 0);
    assert_false(ops_report_check(&reports, &report.message, &err));
    assert_int_equal(reports.count, 0);
}

static void absurd_numbers_do_no_harm(void **state)
{
    struct report report;
    (void)state;
    for (uint64_t i = 1; i < 30; i++) {
        report_init(&report, "gateway", "g", i);
        sample(&report, METHOD, "A.B", INT64_MAX, INT64_MIN, INT64_MAX);
        sample(&report, EDGE, "x@y", INT64_MIN, INT64_MAX, INT64_MIN + 5);
        take(&report);
        close_second();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_task_is_in_the_gauges_of_its_state),
        TEST(a_task_that_is_routed_when_it_comes_has_its_bytes_in_the_queue),
        TEST(a_second_has_the_rates_and_quantiles_of_what_ended_in_it),
        TEST(shares_are_of_the_intents_decisions),
        TEST(the_oldest_that_waits_is_told),
        TEST(a_route_says_how_it_is),
        TEST(instances_of_a_component_add_up),
        TEST(what_a_report_leaves_out_did_not_move),
        TEST(a_late_report_neither_doubles_nor_misses_a_second),
        TEST(latencies_of_instances_are_merged),
        TEST(a_silent_program_is_lost_and_what_it_said_goes),
        TEST(lost_reports_are_counted),
        TEST(what_is_no_report_is_refused),
        TEST(absurd_numbers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
