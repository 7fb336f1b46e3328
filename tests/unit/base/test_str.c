/* Goal: borrowed strings compare, cut and convert; numbers do not overflow; UTF-8 is RFC 3629.
 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    uint64_t u = 7;
    int64_t i = 7;
    (void)state;
    assert_true(aion_str_u64(AION_STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_true(aion_str_i64(AION_STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_false(aion_str_u64(AION_STR("18446744073709551616"), &u));
    assert_false(aion_str_i64(AION_STR("9223372036854775808"), &i));
    assert_false(aion_str_u64(AION_STR(""), &u));
    assert_false(aion_str_u64(AION_STR("+1"), &u));
    assert_false(aion_str_i64(AION_STR("1x"), &i));
    assert_true(u == UINT64_MAX && i == INT64_MIN);
}

static void durations_and_sizes_need_their_unit(void **state)
{
    int64_t us;
    uint64_t bytes;
    (void)state;
    assert_true(aion_str_duration(AION_STR("50ms"), &us) && us == 50000);
    assert_true(aion_str_duration(AION_STR("7d"), &us) && us == 604800000000);
    assert_false(aion_str_duration(AION_STR("50"), &us));
    assert_false(aion_str_duration(AION_STR("ms"), &us));
    assert_false(aion_str_duration(AION_STR("99999999999999999d"), &us));
    assert_true(aion_str_bytes(AION_STR("4MiB"), &bytes) && bytes == 4u << 20);
    assert_true(aion_str_bytes(AION_STR("64"), &bytes) && bytes == 64);
    assert_false(aion_str_bytes(AION_STR("4MB"), &bytes));
}

static void parts_are_cut_to_the_last(void **state)
{
    aion_str rest = AION_STR("a,,b");
    (void)state;
    assert_true(aion_str_is(aion_str_cut(&rest, ','), "a"));
    assert_true(aion_str_is(aion_str_cut(&rest, ','), ""));
    assert_true(aion_str_is(aion_str_cut(&rest, ','), "b"));
    assert_null(rest.data);
}

static void utf8_is_shortest_form_without_surrogates(void **state)
{
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc2\x80",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xf4\x8f\xbf\xbf",
                                       "12345678\xc3\xa9",
                                       "\xf0\x90\x80\x80"};
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xc3",         "abcdefgh\xff",     "\xe2\x82"};
    (void)state;
    for (size_t i = 0; i < aion_countof(good); i++)
        assert_true(aion_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < aion_countof(bad); i++)
        assert_false(aion_utf8_valid(bad[i], strlen(bad[i])));
    size_t pos = 0;
    assert_int_equal(aion_utf8_next(AION_STR("\xf0\x9f\x98\x80"), &pos), 0x1f600);
    assert_int_equal(pos, 4);
}

static void near_names_are_near(void **state)
{
    (void)state;
    assert_int_equal(aion_str_distance(AION_STR("queue"), AION_STR("queu")), 1);
    assert_int_equal(aion_str_distance(AION_STR(""), AION_STR("abc")), 3);
    assert_int_equal(aion_str_distance(AION_STR("kitten"), AION_STR("sitting")), 3);
    assert_true(aion_str_secret_eq(AION_STR("same"), AION_STR("same")));
    assert_false(aion_str_secret_eq(AION_STR("same"), AION_STR("sama")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(durations_and_sizes_need_their_unit),
        cmocka_unit_test(parts_are_cut_to_the_last),
        cmocka_unit_test(utf8_is_shortest_form_without_surrogates),
        cmocka_unit_test(near_names_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
