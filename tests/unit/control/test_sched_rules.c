/* Weights and limits as the configuration writes them. */
#include "sched/sched_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint32_t limit_of(const struct control_sched_rules *rules, const char *tenant,
                         const char *intent, const char *module)
{
    return control_sched_rules_limit(rules, aion_str_of(tenant), aion_str_of(intent),
                                     aion_str_of(module));
}

static void no_rules_mean_weight_one_and_no_limit(void **state)
{
    (void)state;
    assert_int_equal(control_sched_rules_weight(NULL, AION_STR("a")), 1);
    assert_int_equal(limit_of(NULL, "a", "b", "c"), 0);
    struct control_sched_rules *rules = control_sched_rules_new("", " ", NULL);
    assert_non_null(rules);
    assert_int_equal(control_sched_rules_weight(rules, AION_STR("a")), 1);
    assert_int_equal(limit_of(rules, "a", "b", "c"), 0);
    control_sched_rules_free(rules);
}

static void the_first_rule_that_fits_counts(void **state)
{
    (void)state;
    struct control_sched_rules *rules = control_sched_rules_new(
        "acme=3, beta=2,*=5", "acme/sum/noop=8, acme/*/*=4, */sum/*=2", NULL);
    assert_non_null(rules);
    assert_int_equal(control_sched_rules_weight(rules, AION_STR("acme")), 3);
    assert_int_equal(control_sched_rules_weight(rules, AION_STR("beta")), 2);
    assert_int_equal(control_sched_rules_weight(rules, AION_STR("gamma")), 5);
    assert_int_equal(limit_of(rules, "acme", "sum", "noop"), 8);
    assert_int_equal(limit_of(rules, "acme", "sum", "other"), 4);
    assert_int_equal(limit_of(rules, "beta", "sum", "other"), 2);
    assert_int_equal(limit_of(rules, "beta", "embed", "other"), 0);
    control_sched_rules_free(rules);
}

static void a_malformed_part_is_named(void **state)
{
    static const char *const weights[] = {"acme", "acme=0", "=3", "acme=1001", "a=1,,b=2"};
    static const char *const limits[] = {"acme/sum=3", "a/b/c",   "a/b/c/d=1",
                                         "a//c=1",     "a/b/c=0", "a/b/c=-1"};
    struct aion_err err;
    (void)state;
    for (size_t i = 0; i < sizeof(weights) / sizeof(*weights); i++) {
        assert_null(control_sched_rules_new(weights[i], "", &err));
        assert_int_equal(err.code, AION_INVALID);
        assert_non_null(strstr(err.text, "tenant_weights: \""));
    }
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        assert_null(control_sched_rules_new("", limits[i], &err));
        assert_int_equal(err.code, AION_INVALID);
        assert_non_null(strstr(err.text, "task_limits: \""));
    }
}

static void there_are_at_most_so_many(void **state)
{
    char text[(SCHED_RULES_MAX + 1) * 8] = "";
    struct aion_err err;
    (void)state;
    for (unsigned i = 0; i <= SCHED_RULES_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%st%u=2", i > 0 ? "," : "",
                 i);
    assert_null(control_sched_rules_new(text, "", &err));
    assert_non_null(strstr(err.text, "more than 256"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rules_mean_weight_one_and_no_limit),
        cmocka_unit_test(the_first_rule_that_fits_counts),
        cmocka_unit_test(a_malformed_part_is_named),
        cmocka_unit_test(there_are_at_most_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
