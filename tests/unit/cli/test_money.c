/* Goal: amounts are read and printed exactly, to the last nano-dollar; what is no amount is
 * refused whole. Method: the edges of the form and of the integers, and every printed amount
 * read back. */
#include "cli_money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void amounts_are_read_to_the_last_nano_dollar(void **state)
{
    static const struct {
        const char *text;
        int64_t nano;
    } rows[] = {
        {"0", 0},
        {"12", 12000000000},
        {"12.5", 12500000000},
        {"$0.1", 100000000},
        {"0.000000001", 1},
        {"0.1000000000", -1}, /* ten digits */
        {"9223372036.854775807", INT64_MAX},
        {"9223372036.854775808", -1},
        {"9223372037", -1},
        {"18446744073.709551617", -1}, /* would be small again modulo 2^64 */
        {"500nano", 500},
        {"9223372036854775807nano", INT64_MAX},
        {"9223372036854775808nano", -1},
        {"0.5nano", -1},
        {"nano", -1},
        {"", -1},
        {"$", -1},
        {".5", -1},
        {"5.", -1},
        {"1.2.3", -1},
        {"-1", -1},
        {"+1", -1},
        {"1e3", -1},
        {"1,5", -1},
        {" 1", -1},
        {"1.-5", -1},
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(rows); i++) {
        int64_t nano = -7;
        bool good = cli_money_parse(aion_str_of(rows[i].text), &nano);
        if (good != (rows[i].nano >= 0) || nano != (good ? rows[i].nano : -7))
            fail_msg("\"%s\": %d, %lld", rows[i].text, good, (long long)nano);
    }
}

static void amounts_are_printed_with_nine_digits(void **state)
{
    char text[CLI_MONEY_SIZE];
    (void)state;
    assert_string_equal(cli_money_text(text, 0), "0.000000000");
    assert_string_equal(cli_money_text(text, 1), "0.000000001");
    assert_string_equal(cli_money_text(text, -1500000000), "-1.500000000");
    assert_string_equal(cli_money_text(text, INT64_MAX), "9223372036.854775807");
    assert_string_equal(cli_money_text(text, INT64_MIN), "-9223372036.854775808");
}

/* 0.1 + 0.2 and its like: no binary fraction is near. */
static void what_is_printed_reads_back_the_same(void **state)
{
    char text[CLI_MONEY_SIZE];
    (void)state;
    for (int64_t nano = 1; nano < INT64_MAX / 7; nano = nano * 7 + 3) {
        int64_t back = -1;
        assert_true(cli_money_parse(aion_str_of(cli_money_text(text, nano)), &back));
        assert_int_equal(back, nano);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_read_to_the_last_nano_dollar),
        cmocka_unit_test(amounts_are_printed_with_nine_digits),
        cmocka_unit_test(what_is_printed_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
