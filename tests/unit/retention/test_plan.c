/* Goal: the cutoffs follow the plan and the clock given; a plan out of its bounds is refused by
 * the field's name. */
#include "retention_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void cutoffs_lie_as_far_back_as_the_plan_says(void **state)
{
    const struct retention_plan plan = {60000000, 120000000, 86400000000, 10000000};
    (void)state;
    struct retention_cutoffs cutoffs = retention_cutoffs(&plan, 1000000000000);
    assert_true(cutoffs.succeeded == 1000000000000 - 60000000);
    assert_true(cutoffs.failed == 1000000000000 - 120000000);
    assert_true(cutoffs.keys == 1000000000000 - 86400000000);
}

static void a_plan_out_of_bounds_names_the_field(void **state)
{
    struct retention_plan plan = retention_default;
    struct aion_err err;
    (void)state;
    assert_true(retention_plan_check(&plan, &err));
    plan.keep_succeeded = 59000000;
    assert_false(retention_plan_check(&plan, &err));
    assert_string_equal(err.field, "keep_succeeded");
    plan = retention_default;
    plan.keep_idempotency = 3600000000; /* less than the promised day */
    assert_false(retention_plan_check(&plan, &err));
    assert_string_equal(err.field, "keep_idempotency");
    plan = retention_default;
    plan.sweep_every = 1;
    assert_false(retention_plan_check(&plan, &err));
    assert_string_equal(err.field, "sweep_every");
}

static void a_plan_that_sweeps_more_often_does_not_wait_for_the_old_time(void **state)
{
    (void)state;
    assert_int_equal(retention_due(1000, 0, 100), 1000); /* no other plan came */
    assert_int_equal(retention_due(1000, 50, 100), 150);
    assert_int_equal(retention_due(1000, 5000, 100), 1000); /* a rarer one begins after it */
    assert_int_equal(retention_due(90, 50, 100), 90);       /* due already */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cutoffs_lie_as_far_back_as_the_plan_says),
        cmocka_unit_test(a_plan_out_of_bounds_names_the_field),
        cmocka_unit_test(a_plan_that_sweeps_more_often_does_not_wait_for_the_old_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
