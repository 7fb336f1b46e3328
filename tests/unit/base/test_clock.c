/* Goal: RFC 3339 both ways over the whole range of google.protobuf.Timestamp. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void times_are_written(void **state)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
        const char *text;
    } cases[] = {
        {0, 0, "1970-01-01T00:00:00Z"},
        {-62135596800, 0, "0001-01-01T00:00:00Z"},
        {253402300799, 999999999, "9999-12-31T23:59:59.999999999Z"},
        {951782400, 500000000, "2000-02-29T00:00:00.500Z"},
        {1, 1000, "1970-01-01T00:00:01.000001Z"},
    };
    char text[AION_RFC3339_SIZE];
    (void)state;
    for (size_t i = 0; i < aion_countof(cases); i++) {
        int64_t seconds;
        int32_t nanos;
        assert_int_equal(aion_clock_rfc3339(text, cases[i].seconds, cases[i].nanos),
                         strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
        assert_true(aion_clock_parse(aion_str_of(text), &seconds, &nanos));
        assert_true(seconds == cases[i].seconds && nanos == cases[i].nanos);
    }
    assert_int_equal(aion_clock_rfc3339(text, 253402300800, 0), 0);
}

static void offsets_count(void **state)
{
    int64_t seconds;
    int32_t nanos;
    (void)state;
    assert_true(aion_clock_parse(AION_STR("1970-01-01T01:30:00+01:30"), &seconds, &nanos));
    assert_true(seconds == 0);
    assert_true(aion_clock_parse(AION_STR("1969-12-31T16:00:00-08:00"), &seconds, &nanos));
    assert_true(seconds == 0);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-13-01T00:00:00Z",
        "1970-02-30T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01t00:00:00Z",
        "0000-01-01T00:00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00Zx",
        "1970-01-01T00:00:00+25:00",
    };
    int64_t seconds;
    int32_t nanos;
    (void)state;
    for (size_t i = 0; i < aion_countof(bad); i++)
        assert_false(aion_clock_parse(aion_str_of(bad[i]), &seconds, &nanos));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(offsets_count),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
