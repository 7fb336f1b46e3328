/* Goal: a buffer grows to its maximum and no further, and says so once at the end. */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void writes_go_behind_one_another(void **state)
{
    struct aion_buf buf;
    (void)state;
    aion_buf_init(&buf, 1000);
    aion_buf_text(&buf, "a=");
    aion_buf_u64(&buf, UINT64_MAX);
    aion_buf_char(&buf, ' ');
    aion_buf_i64(&buf, INT64_MIN);
    aion_buf_printf(&buf, " %s", "end");
    assert_string_equal(buf.data, "a=18446744073709551615 -9223372036854775808 end");
    aion_buf_consume(&buf, 2);
    assert_true(aion_str_starts(aion_buf_view(&buf), AION_STR("1844")));
    aion_buf_done(&buf);
    aion_buf_done(&buf);
}

static void beyond_the_maximum_it_overflows(void **state)
{
    struct aion_buf buf;
    (void)state;
    aion_buf_init(&buf, 10);
    assert_true(aion_buf_text(&buf, "0123456789"));
    assert_false(aion_buf_char(&buf, 'x'));
    assert_true(buf.overflow);
    assert_false(aion_buf_text(&buf, ""));
    assert_null(aion_buf_reserve(&buf, 1));
    aion_buf_reset(&buf);
    assert_true(aion_buf_text(&buf, "ok"));
    aion_buf_done(&buf);
}

static void json_strings_are_escaped(void **state)
{
    struct aion_buf buf;
    (void)state;
    aion_buf_init(&buf, 1000);
    aion_buf_json(&buf, AION_STR("a\"b\\c\n\x01\xc3\xa9\xff"));
    assert_string_equal(buf.data, "\"a\\\"b\\\\c\\n\\u0001\xc3\xa9\\ufffd\"");
    aion_buf_done(&buf);
}

/* A text is looked at eight bytes at a time; a byte alone is not. */
static void each_byte_is_escaped_alike_wherever_it_stands(void **state)
{
    struct aion_buf whole, alone;
    (void)state;
    aion_buf_init(&whole, 1000);
    aion_buf_init(&alone, 1000);
    for (unsigned c = 0; c < 256; c++) {
        const char byte = (char)c;
        aion_buf_reset(&alone);
        aion_buf_json(&alone, aion_str_n(&byte, 1));
        for (int at = 0; at < 17; at++) {
            char text[] = "~ bcdefghijklmnop", expected[64];
            text[at] = byte;
            aion_buf_reset(&whole);
            aion_buf_json(&whole, aion_str_n(text, sizeof(text) - 1));
            snprintf(expected, sizeof(expected), "\"%.*s%.*s%s\"", at, text,
                     (int)alone.size - 2, alone.data + 1, text + at + 1);
            assert_string_equal(whole.data, expected);
        }
    }
    aion_buf_done(&whole);
    aion_buf_done(&alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_go_behind_one_another),
        cmocka_unit_test(beyond_the_maximum_it_overflows),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(each_byte_is_escaped_alike_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
