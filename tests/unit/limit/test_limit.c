/* GCRA by its definition: a burst, then one per step; keys apart; a fixed table that only ever
 * loosens. */
#include "limit/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { SECOND = 1000000, START = 5 * SECOND };
static const struct limit_rate ten = {.per_second = 10, .burst = 3};

static void a_burst_is_spent_at_once_and_comes_back_at_the_rate(void **state)
{
    struct limit_table *table = *state;
    aion_str key = AION_STR("k");
    for (uint32_t i = 0; i < 3; i++) {
        struct limit_verdict verdict = limit_take(table, &ten, key, 1, START);
        assert_true(verdict.allowed);
        assert_int_equal(verdict.remaining, 2 - i);
    }
    struct limit_verdict refused = limit_take(table, &ten, key, 1, START);
    assert_false(refused.allowed);
    assert_int_equal(refused.retry_after_us, SECOND / 10);
    assert_int_equal(refused.reset_us, 3 * SECOND / 10);
    assert_false(limit_take(table, &ten, key, 1, START + SECOND / 10 - 1).allowed);
    assert_true(limit_take(table, &ten, key, 1, START + SECOND / 10).allowed);
    assert_int_equal(limit_look(table, &ten, key, 0, START + SECOND).remaining, 3);
}

static void a_refusal_spends_nothing(void **state)
{
    struct limit_table *table = *state;
    aion_str key = AION_STR("r");
    limit_take(table, &ten, key, 3, START);
    for (int i = 0; i < 100; i++)
        assert_false(limit_take(table, &ten, key, 1, START).allowed);
    assert_true(limit_take(table, &ten, key, 1, START + SECOND / 10).allowed);
}

static void a_cost_above_the_burst_never_fits(void **state)
{
    struct limit_verdict verdict = limit_take(*state, &ten, AION_STR("c"), 4, START);
    assert_false(verdict.allowed);
    assert_true(verdict.retry_after_us == INT64_MAX);
}

static void keys_do_not_spend_for_one_another(void **state)
{
    struct limit_table *table = *state;
    assert_true(limit_take(table, &ten, AION_STR("a"), 3, START).allowed);
    assert_false(limit_take(table, &ten, AION_STR("a"), 1, START).allowed);
    assert_true(limit_take(table, &ten, AION_STR("b"), 3, START).allowed);
}

static void rate_zero_is_no_limit(void **state)
{
    struct limit_rate none = {0};
    for (int i = 0; i < 1000; i++)
        assert_true(limit_take(*state, &none, AION_STR("n"), 1000, START).allowed);
}

static void more_keys_than_places_are_judged_but_never_refused_wrongly(void **state)
{
    struct limit_table *table = *state;
    for (int i = 0; i < 10000; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key-%d", i);
        assert_true(limit_take(table, &ten, aion_str_of(key), 1, START).allowed);
    }
}

static int start(void **state)
{
    *state = limit_table_new(64);
    return 0;
}

static int stop(void **state)
{
    limit_table_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_spent_at_once_and_comes_back_at_the_rate),
        cmocka_unit_test(a_refusal_spends_nothing),
        cmocka_unit_test(a_cost_above_the_burst_never_fits),
        cmocka_unit_test(keys_do_not_spend_for_one_another),
        cmocka_unit_test(rate_zero_is_no_limit),
        cmocka_unit_test(more_keys_than_places_are_judged_but_never_refused_wrongly),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
