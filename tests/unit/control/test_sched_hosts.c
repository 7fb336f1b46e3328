/* Hosts: who can run what, who gets the next task, how many a host keeps up with, and batches.
 */
#include "sched/sched_pace.h"
#include "sched_bench.h"

/* -- choosing ----------------------------------------------------------------------- */
static void the_host_with_the_largest_free_share_gets_the_next(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_host *small = sched_bench_host(bench, 2),
                              *large = sched_bench_host(bench, 6);
    for (unsigned i = 0; i < 8; i++)
        sched_bench_add(bench, "t", 2);
    for (unsigned i = 0; i < 4; i++)
        assert_non_null(sched_bench_next(bench));
    assert_int_equal(small->running, 1);
    assert_int_equal(large->running, 3);
    for (unsigned i = 0; i < 4; i++)
        assert_non_null(sched_bench_next(bench));
    sched_bench_add(bench, "t", 0);
    assert_null(sched_bench_next(bench));
}

static void equals_share_by_chance_and_chance_by_the_seed(void **state)
{
    struct sched_bench *bench = *state;
    unsigned counts[3] = {0, 0, 0};
    for (unsigned i = 0; i < 3; i++)
        sched_bench_host(bench, 1);
    for (unsigned i = 0; i < 90; i++) {
        sched_bench_add(bench, "t", 2);
        struct control_sched_item *item = sched_bench_next(bench);
        for (unsigned k = 0; k < 3; k++)
            counts[k] += bench->hosts[k].running;
        control_sched_end(&bench->sched, item, bench->now_us, false);
    }
    for (unsigned k = 0; k < 3; k++)
        assert_in_range(counts[k], 15, 45);
}

static void labels_pools_and_closed_hosts_are_respected(void **state)
{
    const struct control_sched_label labels[] = {{AION_STR("gpu"), AION_STR("true")},
                                                 {AION_STR("zone"), AION_STR("b")}};
    struct sched_bench *bench = *state;
    struct control_sched_host *host = sched_bench_host(bench, 4);
    sched_bench_add_to(bench, "t", "a", "gpu=true", 2);
    struct control_sched_item *both = sched_bench_add_to(bench, "t", "a", "gpu=true,zone=b", 1);
    sched_bench_add_to(bench, "t", "a", "zone=a", 0);
    assert_null(sched_bench_next(bench));
    control_sched_host_remove(&bench->sched, host);
    host->labels = labels;
    host->label_count = 2;
    control_sched_host_add(&bench->sched, host);
    assert_null(sched_bench_next(bench)); /* closed at first */
    control_sched_host_set(&bench->sched, host, 4, true);
    assert_ptr_equal(sched_bench_next(bench), both);
    assert_ptr_equal(sched_bench_next(bench), &bench->items[0]);
    assert_null(sched_bench_next(bench));
}

static void slots_can_be_taken_away_and_given_back(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_host *host = sched_bench_host(bench, 2);
    for (unsigned i = 0; i < 4; i++)
        sched_bench_add(bench, "t", 2);
    control_sched_host_set(&bench->sched, host, 0, true);
    assert_null(sched_bench_next(bench));
    control_sched_host_set(&bench->sched, host, 3, true);
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(sched_bench_next(bench));
    assert_null(sched_bench_next(bench));
}

/* -- pace --------------------------------------------------------------------------- */
/* A window of runs of this length at the limit that the host has. */
static uint32_t window(struct control_sched_pace *pace, uint32_t limit_256, int64_t run_us)
{
    static int64_t now_us;
    for (unsigned i = 0; i < PACE_SAMPLES_MAX; i++)
        limit_256 = control_sched_pace(pace, limit_256, 8, now_us += 1000, run_us);
    return limit_256;
}

static void runs_that_take_three_times_as_long_cost_slots(void **state)
{
    struct control_sched_pace pace = {0};
    uint32_t limit_256 = window(&pace, 8 * 256, 100000);
    (void)state;
    assert_int_equal(limit_256, 8 * 256);
    limit_256 = window(&pace, limit_256, 300000);
    assert_true(limit_256 < 7 * 256);
    for (unsigned i = 0; i < 6; i++)
        limit_256 = window(&pace, limit_256, 300000);
    assert_true(limit_256 < 3 * 256);
    for (unsigned i = 0; i < 12; i++)
        limit_256 = window(&pace, limit_256, 100000);
    assert_int_equal(limit_256, 8 * 256);
}

static void short_runs_and_small_differences_cost_nothing(void **state)
{
    struct control_sched_pace pace = {0};
    uint32_t limit_256 = window(&pace, 8 * 256, 500);
    (void)state;
    limit_256 = window(&pace, limit_256, 15000);
    assert_int_equal(limit_256, 8 * 256);
    pace = (struct control_sched_pace){0};
    limit_256 = window(&pace, window(&pace, limit_256, 100000), 150000);
    assert_int_equal(limit_256, 8 * 256);
}

static void what_runs_alone_takes_as_long_as_it_takes(void **state)
{
    struct control_sched_pace pace = {0};
    uint32_t limit_256 = window(&pace, 8 * 256, 100000), least_256 = limit_256;
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        limit_256 = window(&pace, limit_256, 2000000); /* all work has become longer */
        least_256 = limit_256 < least_256 ? limit_256 : least_256;
    }
    assert_true(least_256 < 2 * 256);
    assert_int_equal(limit_256, 8 * 256);
}

/* Half of the tasks take a hundred times as long as the other half; or each takes anything from
 * once to a hundred times: the host is as it always was. */
static void a_mixture_of_short_and_long_work_costs_nothing(void **state)
{
    struct aion_rand rand;
    (void)state;
    aion_rand_seed(&rand, 1);
    for (unsigned kind = 0; kind < 2; kind++) {
        struct control_sched_pace pace = {0};
        uint32_t limit_256 = 8 * 256, less = 0;
        for (int64_t i = 0; i < 31 * 2000; i++) {
            int64_t run_us = 50000;
            if (kind == 0)
                run_us *= aion_rand_below(&rand, 2) == 0 ? 1 : 100;
            else
                for (uint64_t n = aion_rand_below(&rand, 47); n > 0; n--)
                    run_us += run_us / 10;
            limit_256 = control_sched_pace(&pace, limit_256, 8, i * 1000, run_us);
            less += limit_256 < 8 * 256;
        }
        assert_true(less < 31 * 2000 / 50); /* at most in 2 % of the time */
    }
}

static void an_adaptive_limit_is_off_when_told(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_host *host = sched_bench_host(bench, 4);
    bench->conf.adaptive = true;
    sched_bench_configure(bench);
    for (unsigned i = 0; i < 100; i++)
        sched_bench_add(bench, "t", 2);
    sched_bench_run(bench, 31, 100000);
    sched_bench_run(bench, 16, 900000);
    assert_true(control_sched_host_limit(host) < 4);
    bench->conf.adaptive = false;
    sched_bench_configure(bench);
    sched_bench_run(bench, 1, 900000);
    assert_int_equal(control_sched_host_limit(host), 4);
}

/* -- batches ------------------------------------------------------------------------ */
static struct control_sched_host *batch_host(struct sched_bench *bench, uint32_t slots,
                                             uint32_t max, int64_t wait_us)
{
    struct control_sched_host *host = sched_bench_host(bench, slots);
    struct control_sched_offer *offer = bench->offers[bench->host_count - 1];
    control_sched_host_remove(&bench->sched, host);
    offer->batch_max = max;
    offer->batch_wait_us = wait_us;
    control_sched_host_add(&bench->sched, host);
    control_sched_host_set(&bench->sched, host, slots, true);
    return host;
}

static size_t next_batch(struct sched_bench *bench, struct control_sched_pick *pick)
{
    return control_sched_next(&bench->sched, bench->now_us, pick, &bench->wake_us) ? pick->count
                                                                                   : 0;
}

static void a_batch_waits_for_company_but_not_for_long(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_pick pick;
    struct control_sched_host *host = batch_host(bench, 2, 4, 5000);
    sched_bench_add(bench, "t", 2);
    assert_int_equal(next_batch(bench, &pick), 0);
    assert_int_equal(bench->wake_us, bench->now_us + 5000);
    bench->now_us += 3000;
    sched_bench_add(bench, "t", 2);
    assert_int_equal(next_batch(bench, &pick), 0);
    bench->now_us += 2000;
    assert_int_equal(next_batch(bench, &pick), 2);
    assert_int_equal(host->running, 1);
    assert_int_equal(host->tasks, 2);
}

static void a_full_batch_waits_for_nothing(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_pick pick;
    struct control_sched_host *host = batch_host(bench, 2, 4, 5000);
    for (unsigned i = 0; i < 5; i++)
        sched_bench_add(bench, "t", 2);
    assert_int_equal(next_batch(bench, &pick), 4);
    assert_int_equal(next_batch(bench, &pick), 0); /* the fifth is alone, and still young */
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(host->running, 1); /* one slot, until the last has ended */
        control_sched_end(&bench->sched, pick.items[i], bench->now_us, true);
    }
    assert_int_equal(host->running, 0);
}

/* Urgent ones first, then the tenants in turn; who is at its limit stays out. */
static void a_batch_keeps_classes_turns_and_limits(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_pick pick;
    bench->conf.limits = "c/*/*=1";
    sched_bench_configure(bench);
    batch_host(bench, 1, 6, 1000);
    static const char *const tenants[] = {"a", "a", "a", "b", "c", "c", "d"};
    static const unsigned classes[] = {2, 2, 2, 2, 2, 2, 0};
    for (unsigned i = 0; i < 7; i++)
        sched_bench_add(bench, tenants[i], classes[i]);
    assert_int_equal(next_batch(bench, &pick), 6);
    char order[7] = "";
    for (unsigned i = 0; i < 6; i++)
        order[i] = bench->names[pick.items[i] - bench->items][0];
    assert_string_equal(order, "dabcaa");
}

static void other_lanes_do_not_wait_for_a_batch(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_pick pick;
    batch_host(bench, 2, 4, 5000);
    sched_bench_add(bench, "t", 0);
    struct control_sched_item *single = sched_bench_add_to(bench, "t", "b", "", 4);
    assert_int_equal(next_batch(bench, &pick), 1);
    assert_ptr_equal(pick.items[0], single);
    assert_int_equal(next_batch(bench, &pick), 0);
    assert_int_equal(bench->wake_us, bench->now_us + 5000);
}

static void hosts_of_two_minds_take_tasks_one_by_one(void **state)
{
    struct sched_bench *bench = *state;
    struct control_sched_pick pick;
    batch_host(bench, 1, 4, 5000);
    sched_bench_host(bench, 1); /* an older module, without batches */
    sched_bench_add(bench, "t", 2);
    sched_bench_add(bench, "t", 2);
    assert_int_equal(next_batch(bench, &pick), 1);
    assert_int_equal(next_batch(bench, &pick), 1);
}

int main(void)
{
#define host_test(test) \
    cmocka_unit_test_setup_teardown(test, sched_bench_setup, sched_bench_teardown)
    const struct CMUnitTest tests[] = {
        host_test(the_host_with_the_largest_free_share_gets_the_next),
        host_test(equals_share_by_chance_and_chance_by_the_seed),
        host_test(labels_pools_and_closed_hosts_are_respected),
        host_test(slots_can_be_taken_away_and_given_back),
        host_test(runs_that_take_three_times_as_long_cost_slots),
        host_test(short_runs_and_small_differences_cost_nothing),
        host_test(what_runs_alone_takes_as_long_as_it_takes),
        host_test(a_mixture_of_short_and_long_work_costs_nothing),
        host_test(an_adaptive_limit_is_off_when_told),
        host_test(a_batch_waits_for_company_but_not_for_long),
        host_test(a_full_batch_waits_for_nothing),
        host_test(a_batch_keeps_classes_turns_and_limits),
        host_test(other_lanes_do_not_wait_for_a_batch),
        host_test(hosts_of_two_minds_take_tasks_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
