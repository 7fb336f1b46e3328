/* Which task starts next: classes, tenants' shares, ageing, limits. By small cases whose whole
 * order is written down; the simulation (tests/sim) judges large ones. */
#include "sched_bench.h"

static void add_many(struct sched_bench *bench, const char *tenant, unsigned class,
                     unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sched_bench_add(bench, tenant, class);
}

/* -- classes and lanes -------------------------------------------------------------- */
static void the_urgent_come_first_and_equals_in_order(void **state)
{
    struct sched_bench *bench = *state;
    static const unsigned classes[6] = {2, 4, 2, 0, 1, 0}, order[6] = {3, 5, 4, 0, 2, 1};
    sched_bench_host(bench, 10);
    for (size_t i = 0; i < 6; i++)
        sched_bench_add_to(bench, "t", i % 2 ? "a" : "b", "", classes[i]);
    for (size_t i = 0; i < 6; i++)
        assert_ptr_equal(sched_bench_next(bench), &bench->items[order[i]]);
    assert_null(sched_bench_next(bench));
    assert_int_equal(bench->sched.count, 0);
    assert_int_equal(bench->sched.bytes, 0);
    assert_int_equal(bench->sched.running, 6);
}

static void a_lane_without_host_blocks_nobody(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_item *blocked = sched_bench_add_to(bench, "t", "c", "", 0);
    struct control_sched_item *other = sched_bench_add(bench, "t", 4);
    sched_bench_host(bench, 2);
    assert_ptr_equal(sched_bench_next(bench), other);
    assert_null(sched_bench_next(bench));
    assert_true(control_sched_waits(blocked));
    control_sched_remove(&bench->sched, blocked);
    control_sched_remove(&bench->sched, blocked); /* absent: nothing */
    assert_int_equal(bench->sched.count, 0);
}

/* -- shares ------------------------------------------------------------------------- */
static void equal_tenants_take_turns(void **state)
{
    struct sched_bench *bench = *state;
    sched_bench_host(bench, 1);
    add_many(bench, "a", 2, 5);
    add_many(bench, "b", 2, 2);
    add_many(bench, "c", 2, 1);
    assert_string_equal(sched_bench_run(bench, 8, 1000), "abcabaaa");
}

static void a_weight_of_three_is_three_times_as_much(void **state)
{
    struct sched_bench *bench = *state;
    bench->conf.weights = "a=3";
    sched_bench_configure(bench);
    sched_bench_host(bench, 1);
    add_many(bench, "a", 2, 9);
    add_many(bench, "b", 2, 3);
    const char *order = sched_bench_run(bench, 12, 3000);
    size_t of_b = 0;
    for (size_t i = 0; i < 12; i++) {
        of_b += order[i] == 'b';
        assert_true(of_b <= i / 4 + 1 && of_b >= i / 4);
    }
}

/* A task of "b" takes ten times as long as one of "a": b has a tenth as many. */
static void shares_are_of_work_not_of_tasks(void **state)
{
    struct sched_bench *bench = *state;
    sched_bench_host(bench, 1);
    sched_bench_add_to(bench, "a", "a", "", 2);
    sched_bench_run(bench, 1, 1000);
    sched_bench_add_to(bench, "b", "b", "", 2);
    sched_bench_run(bench, 1, 10000);
    for (unsigned i = 0; i < 40; i++)
        sched_bench_add_to(bench, "a", "a", "", 2);
    for (unsigned i = 0; i < 8; i++)
        sched_bench_add_to(bench, "b", "b", "", 2);
    unsigned of_b = 0;
    for (unsigned i = 0; i < 33; i++) {
        struct control_sched_item *item = sched_bench_next(bench);
        bool is_b = bench->names[item - bench->items][0] == 'b';
        of_b += is_b;
        bench->now_us += is_b ? 10000 : 1000;
        control_sched_end(&bench->sched, item, bench->now_us, true);
    }
    assert_int_equal(of_b, 3);
}

/* Two tenants send their next task only when the last one has started; one pays ten times as
 * much for each. Leaving in between does not make it forget. */
static void who_leaves_and_comes_back_still_owes(void **state)
{
    struct sched_bench *bench = *state;
    sched_bench_host(bench, 1);
    sched_bench_add_to(bench, "b", "b", "", 2);
    sched_bench_run(bench, 1, 10000); /* the cost of b is known */
    sched_bench_add_to(bench, "a", "a", "", 2);
    sched_bench_run(bench, 1, 1000);
    sched_bench_add_to(bench, "a", "a", "", 2);
    sched_bench_add_to(bench, "b", "b", "", 2);
    unsigned of_b = 0;
    for (unsigned i = 0; i < 44; i++) {
        struct control_sched_item *item = sched_bench_next(bench);
        bool is_b = bench->names[item - bench->items][0] == 'b';
        of_b += is_b;
        sched_bench_add_to(bench, is_b ? "b" : "a", is_b ? "b" : "a", "", 2);
        bench->now_us += is_b ? 10000 : 1000;
        control_sched_end(&bench->sched, item, bench->now_us, true);
    }
    assert_in_range(of_b, 3, 5);
}

/* While its module has no host, a tenant saves nothing up: afterwards it has one turn first,
 * then its share. */
static void what_could_not_run_has_no_claim_on_the_past(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_host *host = sched_bench_host(bench, 1);
    host->offer_count = 1; /* only "a" so far */
    control_sched_host_remove(&bench->sched, host);
    control_sched_host_add(&bench->sched, host);
    control_sched_host_set(&bench->sched, host, 1, true);
    add_many(bench, "a", 2, 30);
    for (unsigned i = 0; i < 10; i++)
        sched_bench_add_to(bench, "b", "b", "", 2);
    assert_string_equal(sched_bench_run(bench, 20, 1000), "aaaaaaaaaaaaaaaaaaaa");
    control_sched_host_remove(&bench->sched, host);
    host->offer_count = 2;
    control_sched_host_add(&bench->sched, host);
    control_sched_host_set(&bench->sched, host, 1, true);
    assert_string_equal(sched_bench_run(bench, 8, 1000), "babababa");
}

static void one_task_waits_for_no_flood(void **state)
{
    struct sched_bench *bench = *state;
    sched_bench_host(bench, 1);
    add_many(bench, "a", 2, 100);
    sched_bench_run(bench, 10, 1000);
    sched_bench_add_to(bench, "b", "b", "", 2);
    assert_string_equal(sched_bench_run(bench, 2, 1000), "ba");
}

/* -- ageing ------------------------------------------------------------------------- */
static void a_waiting_task_climbs_a_class_a_step(void **state)
{
    struct sched_bench *bench = *state;
    bench->conf.ageing_step_us = 1000;
    sched_bench_configure(bench);
    struct control_sched_item *old = sched_bench_add(bench, "old", 4);
    struct control_sched_host *host = sched_bench_host(bench, 1);
    for (unsigned step = 1; step <= 3; step++) {
        bench->now_us += 1000;
        sched_bench_add(bench, "top", 0);
        struct control_sched_item *item = sched_bench_next(bench);
        assert_int_equal(old->class, 4 - step);
        assert_ptr_not_equal(item, old);
        control_sched_end(&bench->sched, item, bench->now_us, true);
    }
    bench->now_us += 1000;
    sched_bench_add(bench, "top", 0);
    assert_ptr_equal(sched_bench_next(bench), old); /* in the same class: its turn */
    assert_int_equal(old->class, 0);
    assert_int_equal(old->asked, 4);
    assert_int_equal(host->running, 1);
}

static void nobody_climbs_without_a_step(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_item *old = sched_bench_add(bench, "old", 4);
    sched_bench_host(bench, 1);
    bench->now_us += 1000000000;
    sched_bench_add(bench, "top", 0);
    assert_ptr_not_equal(sched_bench_next(bench), old);
    assert_int_equal(old->class, 4);
}

/* -- limits ------------------------------------------------------------------------- */
static void what_is_at_its_limit_is_parked_until_a_slot_of_it_is_free(void **state)
{
    struct sched_bench *bench = *state;
    bench->conf.limits = "a/work/a=2";
    sched_bench_configure(bench);
    sched_bench_host(bench, 10);
    add_many(bench, "a", 0, 4);
    struct control_sched_item *elsewhere = sched_bench_add_to(bench, "a", "b", "", 4);
    struct control_sched_item *other = sched_bench_add(bench, "o", 4);
    struct control_sched_item *first = sched_bench_next(bench);
    assert_ptr_equal(sched_bench_next(bench), &bench->items[1]);
    assert_ptr_equal(sched_bench_next(bench), elsewhere); /* another module, another count */
    assert_ptr_equal(sched_bench_next(bench), other);     /* another tenant, too */
    assert_null(sched_bench_next(bench));
    control_sched_end(&bench->sched, first, bench->now_us, true);
    assert_ptr_equal(sched_bench_next(bench), &bench->items[2]);
    assert_null(sched_bench_next(bench));
    bench->conf.limits = "a/work/a=3";
    sched_bench_configure(bench);
    assert_ptr_equal(sched_bench_next(bench), &bench->items[3]);
}

static void a_lost_host_frees_slots_but_not_the_tenants_limit(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_place place = sched_bench_place("a", "a", "");
    bench->conf.limits = "*/*/*=1";
    sched_bench_configure(bench);
    struct control_sched_host *host = sched_bench_host(bench, 4);
    add_many(bench, "a", 0, 2);
    struct control_sched_item *first = sched_bench_next(bench);
    control_sched_orphan(&bench->sched, first, &place);
    assert_int_equal(host->running, 0);
    assert_null(sched_bench_next(bench));
    control_sched_adopt(&bench->sched, first, &place, host, bench->now_us);
    assert_int_equal(host->running, 1);
    assert_null(sched_bench_next(bench));
    control_sched_end(&bench->sched, first, bench->now_us, false);
    assert_ptr_equal(sched_bench_next(bench), &bench->items[1]);
}

/* -- seeds -------------------------------------------------------------------------- */
static void the_same_calls_give_the_same_order(void **state)
{
    struct sched_bench *bench = *state;
    size_t orders[2][60];
    const struct control_sched_host *hosts[2][60];
    for (unsigned round = 0; round < 2; round++) {
        sched_bench_stop(bench);
        sched_bench_start(bench);
        for (unsigned i = 0; i < 3; i++)
            sched_bench_host(bench, 30);
        for (unsigned i = 0; i < 60; i++) {
            char tenant[] = {(char)('a' + i * 7 % 11), '\0'};
            sched_bench_add(bench, tenant, i * 5 % 3);
        }
        for (unsigned i = 0; i < 60; i++) {
            struct control_sched_pick pick;
            assert_true(
                control_sched_next(&bench->sched, bench->now_us, &pick, &bench->wake_us));
            orders[round][i] = (size_t)(pick.items[0] - bench->items);
            hosts[round][i] = pick.host;
            bench->now_us += 100;
            if (i % 3 == 2)
                control_sched_end(&bench->sched, pick.items[0], bench->now_us, true);
        }
    }
    assert_memory_equal(orders[0], orders[1], sizeof(orders[0]));
    assert_memory_equal(hosts[0], hosts[1], sizeof(hosts[0]));
}

int main(void)
{
#define order_test(test) \
    cmocka_unit_test_setup_teardown(test, sched_bench_setup, sched_bench_teardown)
    const struct CMUnitTest tests[] = {
        order_test(the_urgent_come_first_and_equals_in_order),
        order_test(a_lane_without_host_blocks_nobody),
        order_test(equal_tenants_take_turns),
        order_test(a_weight_of_three_is_three_times_as_much),
        order_test(shares_are_of_work_not_of_tasks),
        order_test(who_leaves_and_comes_back_still_owes),
        order_test(what_could_not_run_has_no_claim_on_the_past),
        order_test(one_task_waits_for_no_flood),
        order_test(a_waiting_task_climbs_a_class_a_step),
        order_test(nobody_climbs_without_a_step),
        order_test(what_is_at_its_limit_is_parked_until_a_slot_of_it_is_free),
        order_test(a_lost_host_frees_slots_but_not_the_tenants_limit),
        order_test(the_same_calls_give_the_same_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
