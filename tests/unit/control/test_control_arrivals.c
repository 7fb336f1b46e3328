/* Refused admissions reach the store with their inputs and verdict, bounded; denials stand in
 * the audit log, bounded too. On a real mesh and the scripted store. */
#include "base/clock.h"
#include "base/metric.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct bench bench;
static struct aion_arena page; /* of the last read */

static int setup(void **state)
{
    (void)state;
    bench_start(&bench);
    aion_arena_init(&page, 64 << 20, NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop(&bench);
    aion_arena_done(&page);
    return 0;
}

static const struct store_arrivals_read *read_arrivals(void)
{
    static struct store_arrivals_read read;
    aion_arena_reset(&page);
    read = (struct store_arrivals_read){.op.arena = &page, .limit = 10000};
    assert_true(store_arrivals_read_wait(bench.store, &read, &bench.err));
    return &read;
}

static size_t refused_so_far(void)
{
    const struct store_arrivals_read *read = read_arrivals();
    size_t count = 0;
    for (size_t i = 0; i < read->count; i++)
        count += read->arrivals[i].reason.size > 0;
    return count;
}

/* The newest refused one. */
static struct store_arrival newest(void)
{
    const struct store_arrivals_read *read = read_arrivals();
    for (size_t i = read->count; i > 0; i--)
        if (read->arrivals[i - 1].reason.size > 0)
            return read->arrivals[i - 1];
    fail_msg("no arrival was refused");
    return (struct store_arrival){0};
}

static void what_the_policy_refuses_is_kept_with_its_inputs(void **state)
{
    (void)state;
    bench.route = ROUTE_REFUSES;
    Aion__V1__TaskRequest *request = bench_request(&bench, "x", NULL);
    request->priority = AION__V1__PRIORITY__PRIORITY_HIGH;
    assert_null(bench_submit_request(&bench, request));
    assert_string_equal(bench.err.reason, "INTENT_UNKNOWN");
    bench_until(&bench, refused_so_far() == 1);
    struct store_arrival arrival = newest();
    assert_true(aion_str_is(arrival.tenant, "default"));
    assert_true(aion_str_is(arrival.intent, "noop"));
    assert_true(aion_str_is(arrival.reason, "INTENT_UNKNOWN"));
    assert_true(aion_str_is(arrival.lane, "durable"));
    assert_int_equal(arrival.priority, AION__V1__PRIORITY__PRIORITY_HIGH);
    assert_true(arrival.body_bytes > 0);
}

static void a_full_queue_and_an_empty_budget_are_kept_too(void **state)
{
    (void)state;
    bench_set_budget(&bench, 5);
    bench.cost_nano_usd = 6;
    bench.direct = true;
    assert_null(bench_submit(&bench, "x", NULL, 10));
    assert_string_equal(bench.err.reason, "BUDGET_EXHAUSTED");
    bench_until(&bench, refused_so_far() == 1);
    struct store_arrival arrival = newest();
    assert_true(aion_str_is(arrival.limit_id, "b"));
    assert_true(aion_str_is(arrival.lane, "direct"));
    bench.cost_nano_usd = 0;
    while (bench_submit(&bench, "x", NULL, 0) != NULL)
        continue; /* no host: they wait */
    assert_string_equal(bench.err.reason, "TENANT_QUEUE_FULL");
    bench_until(&bench, refused_so_far() == 2);
    assert_true(aion_str_is(newest().reason, "TENANT_QUEUE_FULL"));
    assert_true(aion_str_is(newest().lane, "durable"));
}

/* Nor repeats, nor what no limit said: these are no verdicts. */
static void what_is_malformed_is_no_arrival(void **state)
{
    static char intent[] = "No Intent";
    (void)state;
    Aion__V1__TaskRequest *request = bench_request(&bench, "x", NULL);
    request->intent = intent;
    assert_null(bench_submit_request(&bench, request));
    assert_int_equal(bench.err.code, AION_INVALID);
    bench_turns(&bench, 1200);
    assert_int_equal(store_script_count(bench.store, STORE_ARRIVALS), 0);
}

/* A second's flood is one write of a thousand; the rest is counted. */
static void a_flood_costs_one_write_a_second(void **state)
{
    enum { FLOOD = 2500 };
    struct control_order order = {.control = bench.control,
                                  .request = bench_request(&bench, "x", NULL),
                                  .tenant = AION_STR("default")};
    struct aion_err err;
    (void)state;
    aion_err_set(&err, __func__, AION_EXHAUSTED, "full");
    aion_err_reason(&err, "QUEUE_FULL");
    for (unsigned i = 0; i < FLOOD; i++) {
        order.seq = control_shard_seq(bench.control, i % STORE_SHARDS, aion_clock_utc_us());
        control_arrival(&order, &err);
    }
    bench_until(&bench, refused_so_far() > 0);
    assert_int_equal(refused_so_far(), ARRIVALS_MAX);
    assert_int_equal(store_script_count(bench.store, STORE_ARRIVALS), 1);
    order.seq = control_shard_seq(bench.control, 1, aion_clock_utc_us());
    control_arrival(&order, &err);
    control_arrivals_end(bench.control); /* the process ends: it does not wait */
    bench_until(&bench, refused_so_far() == ARRIVALS_MAX + 1);
}

static void a_store_that_fails_costs_the_rows_and_nothing_else(void **state)
{
    (void)state;
    bench.route = ROUTE_REFUSES;
    store_script_fail(bench.store, STORE_ARRIVALS, STORE_SCRIPT_FAIL, AION_UNAVAILABLE, 1);
    assert_null(bench_submit(&bench, "x", NULL, 0));
    bench_until(&bench, store_script_count(bench.store, STORE_ARRIVALS) == 1);
    store_script_fail(bench.store, STORE_ARRIVALS, STORE_SCRIPT_REFUSE, AION_EXHAUSTED, 1);
    assert_null(bench_submit(&bench, "x", NULL, 0));
    bench_until(&bench, store_script_count(bench.store, STORE_ARRIVALS) == 2);
    assert_null(bench_submit(&bench, "x", NULL, 0));
    bench_until(&bench, refused_so_far() == 1);
}

/* -- denials ------------------------------------------------------------------------ */
static size_t audited(const char *result)
{
    struct store_audit_list list = {.op.arena = &page, .limit = 1000};
    size_t count = 0;
    aion_arena_reset(&page);
    assert_true(store_audit_list_wait(bench.store, &list, &bench.err));
    for (size_t i = 0; i < list.count; i++)
        count += aion_str_is(list.lines[i].result, result);
    return count;
}

static void a_denial_by_the_policy_is_audited_and_an_arrival(void **state)
{
    (void)state;
    bench.route = ROUTE_DENIES;
    assert_null(bench_submit(&bench, "x", NULL, 0));
    assert_int_equal(bench.err.code, AION_DENIED);
    bench_until(&bench, audited("PERMISSION_DENIED") == 1 && refused_so_far() == 1);
    Aion__V1__SubmitBatchRequest batch = AION__V1__SUBMIT_BATCH_REQUEST__INIT;
    Aion__V1__TaskRequest *both[] = {bench_request(&bench, "x", NULL),
                                     bench_request(&bench, "y", NULL)};
    batch.requests = both;
    batch.n_requests = 2;
    assert_non_null(
        bench_call(&bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT_BATCH],
                   &batch.base));
    bench_until(&bench, audited("PERMISSION_DENIED") == 3 && refused_so_far() == 3);
    assert_true(aion_str_is(newest().reason, "DENIED_BY_POLICY"));
}

static void denials_beyond_a_hundred_a_second_are_counted_only(void **state)
{
    (void)state;
    bench.route = ROUTE_DENIES;
    int64_t began_us = aion_clock_mono_us();
    for (size_t i = 0; i < 300; i++)
        assert_null(bench_submit(&bench, "x", NULL, 0));
    int64_t took_us = aion_clock_mono_us() - began_us;
    bench_until(&bench, aion_list_empty(&bench.control->audit.waiting));
    size_t most = (size_t)(AUDIT_REFUSALS_MAX * (2 + took_us / 1000000));
    assert_in_range(audited("PERMISSION_DENIED"), 100, most < 300 ? most : 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_the_policy_refuses_is_kept_with_its_inputs),
        TEST(a_full_queue_and_an_empty_budget_are_kept_too),
        TEST(what_is_malformed_is_no_arrival),
        TEST(a_flood_costs_one_write_a_second),
        TEST(a_store_that_fails_costs_the_rows_and_nothing_else),
        TEST(a_denial_by_the_policy_is_audited_and_an_arrival),
        TEST(denials_beyond_a_hundred_a_second_are_counted_only),
    };
    return cmocka_run_group_tests_name("control arrivals", tests, NULL, NULL);
}
