/* Goal: an endpoint that fails in a row is left out, longer each time, and comes back whole.
 * Method: the pure function over a clock that the test moves. */
#include "mesh/outlier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct mesh_outlier_conf conf = {.failures = 3, .eject_us = 1000};

static bool fails(struct mesh_outlier *outlier, int64_t now_us)
{
    return mesh_outlier_record(outlier, &conf, true, true, now_us);
}

static void succeeds(struct mesh_outlier *outlier, int64_t now_us)
{
    assert_false(mesh_outlier_record(outlier, &conf, false, true, now_us));
}

static int64_t eject_at(struct mesh_outlier *outlier, int64_t now_us)
{
    assert_false(fails(outlier, now_us));
    assert_false(fails(outlier, now_us));
    assert_true(fails(outlier, now_us));
    return outlier->until_us - now_us;
}

static void only_failures_in_a_row_count(void **state)
{
    struct mesh_outlier outlier = {0};
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_false(fails(&outlier, i));
        assert_false(fails(&outlier, i));
        succeeds(&outlier, i);
    }
    assert_false(mesh_outlier_ejected(&outlier, 10));
}

static void each_ejection_is_twice_as_long_up_to_ten_times(void **state)
{
    static const int64_t lengths[] = {1000, 2000, 4000, 8000, 10000, 10000, 10000};
    struct mesh_outlier outlier = {0};
    int64_t now = 5;
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_int_equal(eject_at(&outlier, now), lengths[i]);
        assert_true(mesh_outlier_ejected(&outlier, now + lengths[i] - 1));
        now += lengths[i];
        assert_false(mesh_outlier_ejected(&outlier, now));
    }
}

static void one_success_after_the_time_forgets_the_past(void **state)
{
    struct mesh_outlier outlier = {0};
    (void)state;
    eject_at(&outlier, 0);
    assert_int_equal(eject_at(&outlier, 1000), 2000);
    succeeds(&outlier, 2500); /* a late answer while it is out says nothing */
    assert_true(mesh_outlier_ejected(&outlier, 2999));
    succeeds(&outlier, 3000);
    assert_int_equal(eject_at(&outlier, 3001), 1000);
}

static void what_may_not_be_ejected_stays_until_it_may(void **state)
{
    struct mesh_outlier outlier = {0};
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_false(mesh_outlier_record(&outlier, &conf, true, false, 0));
    assert_true(fails(&outlier, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_failures_in_a_row_count),
        cmocka_unit_test(each_ejection_is_twice_as_long_up_to_ten_times),
        cmocka_unit_test(one_success_after_the_time_forgets_the_past),
        cmocka_unit_test(what_may_not_be_ejected_stays_until_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
