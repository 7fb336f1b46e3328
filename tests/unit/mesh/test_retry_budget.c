/* Goal: retries are a share of calls plus a floor, and quiet time is no licence for a storm.
 * Method: the pure functions over a clock that the test moves. */
#include "mesh/retry_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const int64_t SECOND = 1000000;

static unsigned take_all(struct mesh_retry_budget *budget, int64_t now_us)
{
    unsigned taken = 0;
    while (mesh_retry_budget_take(budget, now_us))
        taken++;
    return taken;
}

static void a_fifth_of_the_calls_may_be_tried_again(void **state)
{
    struct mesh_retry_budget budget;
    unsigned taken = 0;
    (void)state;
    mesh_retry_budget_init(&budget, 20, 0, 0);
    for (int i = 0; i < 1000; i++) {
        mesh_retry_budget_call(&budget);
        taken += mesh_retry_budget_take(&budget, 0);
    }
    assert_int_equal(taken, 200);
}

static void the_floor_holds_without_calls(void **state)
{
    struct mesh_retry_budget budget;
    (void)state;
    mesh_retry_budget_init(&budget, 20, 3, 0);
    assert_int_equal(take_all(&budget, 0), 3);
    assert_int_equal(take_all(&budget, SECOND), 3);
    assert_int_equal(take_all(&budget, 3 * SECOND), 6);
    /* asked often, it earns no less */
    unsigned taken = 0;
    for (int64_t now = 3 * SECOND; now <= 5 * SECOND; now += 1000)
        taken += take_all(&budget, now);
    assert_in_range(taken, 5, 6);
}

static void what_is_saved_is_bounded(void **state)
{
    struct mesh_retry_budget budget;
    (void)state;
    mesh_retry_budget_init(&budget, 100, 3, 0);
    for (int i = 0; i < 100000; i++)
        mesh_retry_budget_call(&budget);
    assert_int_equal(take_all(&budget, 3600 * SECOND), 100);
    mesh_retry_budget_init(&budget, 20, 50, 0);
    assert_int_equal(take_all(&budget, 3600 * SECOND), 500);
}

static void the_back_off_doubles_and_is_spread(void **state)
{
    static const int64_t bases[] = {25000,  50000,   100000,  200000, 400000,
                                    800000, 1000000, 1000000, 1000000};
    (void)state;
    for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        int64_t base = bases[i];
        assert_int_equal(mesh_retry_backoff_us(i + 2, 0), base / 2);
        assert_int_equal(mesh_retry_backoff_us(i + 2, (uint64_t)base - 1), base / 2 + base - 1);
        for (uint64_t random = 1; random != 0; random <<= 1)
            assert_in_range(mesh_retry_backoff_us(i + 2, random), base / 2,
                            base / 2 + base - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fifth_of_the_calls_may_be_tried_again),
        cmocka_unit_test(the_floor_holds_without_calls),
        cmocka_unit_test(what_is_saved_is_bounded),
        cmocka_unit_test(the_back_off_doubles_and_is_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
