/* Admission: bounds in items and bytes, in all and per tenant; classes that are shed as the
 * queue fills, and by the wait that is predicted. */
#include "sched_bench.h"

static int setup(void **state)
{
    static struct sched_bench bench;
    sched_bench_start(&bench);
    bench.conf.tasks_max = 100;
    bench.conf.bytes_max = 1000;
    bench.conf.tenant_tasks_max = 100;
    bench.conf.tenant_bytes_max = 1000;
    sched_bench_configure(&bench);
    *state = &bench;
    return 0;
}

static struct control_sched_ticket tickets[256];
static size_t ticket_count;

static int teardown(void **state)
{
    struct sched_bench *bench = *state;
    while (ticket_count > 0)
        control_sched_unreserve(&bench->sched, &tickets[--ticket_count]);
    sched_bench_stop(bench);
    return 0;
}

static bool reserve(struct sched_bench *bench, const char *tenant, unsigned class, size_t bytes,
                    struct aion_err *err)
{
    bool taken = control_sched_reserve(&bench->sched, aion_str_of(tenant), class, bytes,
                                       &tickets[ticket_count], err);
    ticket_count += taken;
    return taken;
}

static void refused(struct sched_bench *bench, const char *tenant, unsigned class, size_t bytes,
                    const char *reason)
{
    struct aion_err err;
    assert_false(reserve(bench, tenant, class, bytes, &err));
    assert_int_equal(err.code, AION_EXHAUSTED);
    assert_string_equal(err.reason, reason);
    assert_true(err.retriable && err.retry_after_ms >= 1000);
}

static void take(struct sched_bench *bench, const char *tenant, unsigned class, size_t bytes,
                 size_t count)
{
    struct aion_err err;
    for (size_t i = 0; i < count; i++)
        assert_true(reserve(bench, tenant, class, bytes, &err));
}

static void full_is_an_answer_in_items_and_in_bytes(void **state)
{
    struct sched_bench *bench = *state;
    take(bench, "a", 0, 1, 100);
    refused(bench, "b", 0, 1, "QUEUE_FULL");
    control_sched_unreserve(&bench->sched, &tickets[--ticket_count]);
    refused(bench, "b", 0, 902, "QUEUE_FULL"); /* 99 of 1000 are taken */
    take(bench, "b", 0, 901, 1);
}

static void a_tenant_may_have_four_fifths_unless_told(void **state)
{
    struct sched_bench *bench = *state;
    bench->conf.tenant_tasks_max = bench->conf.tenant_bytes_max = 0;
    sched_bench_configure(bench);
    take(bench, "a", 0, 1, 80);
    refused(bench, "a", 0, 1, "TENANT_QUEUE_FULL");
    take(bench, "b", 0, 1, 1);
    refused(bench, "b", 0, 800, "TENANT_QUEUE_FULL");
}

static void queued_tasks_count_as_reserved_ones_do(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_item *item = sched_bench_add(bench, "a", 9); /* the class is bounded */
    assert_int_equal(item->asked, SCHED_CLASSES - 1);
    refused(bench, "b", 0, 991, "QUEUE_FULL");
    control_sched_remove(&bench->sched, item);
    take(bench, "b", 0, 991, 1);
}

static void what_was_acknowledged_is_queued_beyond_the_bounds(void **state)
{
    struct sched_bench *bench = *state;
    for (size_t i = 0; i < 120; i++)
        sched_bench_add(bench, "a", 2);
    assert_int_equal(bench->sched.count, 120);
    assert_int_equal(bench->sched.asked_count[2], 120);
    refused(bench, "b", 0, 1, "QUEUE_FULL");
}

static void classes_are_shed_from_the_lowest_on(void **state)
{
    static const size_t closed_at[SCHED_CLASSES] = {100, 96, 92, 88, 84};
    struct sched_bench *bench = *state;
    for (unsigned class = SCHED_CLASSES; class -- > 0;) {
        take(bench, "a", 0, 1, closed_at[class] - ticket_count);
        refused(bench, "b", class, 1, class > 0 ? "SHED" : "QUEUE_FULL");
        if (class > 1) {
            take(bench, "b", class - 1, 1, 1);
            control_sched_unreserve(&bench->sched, &tickets[--ticket_count]);
        }
    }
}

static void a_class_is_open_again_only_some_way_below(void **state)
{
    struct sched_bench *bench = *state;
    take(bench, "a", 0, 1, 84);
    refused(bench, "b", 4, 1, "SHED");
    for (unsigned i = 0; i < 4; i++) {
        control_sched_unreserve(&bench->sched, &tickets[--ticket_count]);
        refused(bench, "b", 4, 1, "SHED");
    }
    control_sched_unreserve(&bench->sched, &tickets[--ticket_count]);
    take(bench, "b", 4, 1, 1);
}

/* -- by the predicted wait ---------------------------------------------------------- */
/* Two slots, and tasks of 10 ms: a hundred of them take half a second. */
static void flood(struct sched_bench *bench)
{
    bench->conf.tasks_max = bench->conf.tenant_tasks_max = 1000;
    bench->conf.bytes_max = bench->conf.tenant_bytes_max = 100000;
    sched_bench_configure(bench);
    sched_bench_host(bench, 2);
    sched_bench_add(bench, "a", 2);
    sched_bench_run(bench, 1, 10000);
    for (unsigned i = 0; i < 100; i++)
        sched_bench_add(bench, "a", 2);
}

static void the_wait_is_predicted_for_the_tenant(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_place of_a = sched_bench_place("a", "a", ""),
                               of_b = sched_bench_place("b", "a", ""),
                               nowhere = sched_bench_place("b", "z", "");
    flood(bench);
    assert_int_equal(control_sched_wait_us(&bench->sched, &of_a, 2), 500000);
    assert_int_equal(control_sched_wait_us(&bench->sched, &of_b, 2), 10000); /* a turn */
    assert_int_equal(control_sched_wait_us(&bench->sched, &of_b, 1), 0);
    assert_int_equal(control_sched_wait_us(&bench->sched, &of_b, 3),
                     500000); /* all before it */
    assert_int_equal(control_sched_wait_us(&bench->sched, &nowhere, 2), -1);
}

static bool admit(struct sched_bench *bench, const char *tenant, struct aion_err *err)
{
    struct control_sched_place place = sched_bench_place(tenant, "a", "");
    return control_sched_admit(&bench->sched, &place, 2, err);
}

static void who_would_wait_too_long_is_shed_until_it_is_well_below(void **state)
{
    struct sched_bench *bench = *state;
    struct aion_err err;
    flood(bench);
    take(bench, "b", 2, 1, 1);
    assert_true(admit(bench, "a", &err)); /* there is no bound */
    bench->conf.wait_max_us[2] = 400000;
    sched_bench_configure(bench);
    assert_false(admit(bench, "a", &err));
    assert_string_equal(err.reason, "SHED");
    assert_true(err.retriable && err.retry_after_ms >= 1000);
    assert_true(admit(bench, "b", &err)); /* the flood is not its own */
    sched_bench_run(bench, 30, 10000);    /* 350 ms are left: above three quarters */
    assert_false(admit(bench, "a", &err));
    sched_bench_run(bench, 11, 10000);
    assert_true(admit(bench, "a", &err));
}

int main(void)
{
#define admit_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        admit_test(full_is_an_answer_in_items_and_in_bytes),
        admit_test(a_tenant_may_have_four_fifths_unless_told),
        admit_test(queued_tasks_count_as_reserved_ones_do),
        admit_test(what_was_acknowledged_is_queued_beyond_the_bounds),
        admit_test(classes_are_shed_from_the_lowest_on),
        admit_test(a_class_is_open_again_only_some_way_below),
        admit_test(the_wait_is_predicted_for_the_tenant),
        admit_test(who_would_wait_too_long_is_shed_until_it_is_well_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
