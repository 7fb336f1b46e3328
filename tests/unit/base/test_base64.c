/* Goal: RFC 4648 both ways; stray bits and bad lengths are refused. */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void the_rfc_vectors_hold(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    (void)state;
    for (size_t i = 0; i < aion_countof(pairs); i++) {
        char text[32];
        uint8_t back[32];
        size_t size;
        aion_base64_encode(text, pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(text, pairs[i][1]);
        assert_true(aion_base64_decode(back, &size, aion_str_of(pairs[i][1])));
        assert_int_equal(size, strlen(pairs[i][0]));
        assert_memory_equal(back, pairs[i][0], size);
    }
}

static void url_safe_and_unpadded_texts_are_read(void **state)
{
    uint8_t back[8];
    size_t size;
    (void)state;
    assert_true(aion_base64_decode(back, &size, AION_STR("-_8")));
    assert_int_equal(size, 2);
    assert_int_equal(back[0], 0xfb);
}

static void what_is_no_base64_is_refused(void **state)
{
    static const char *const bad[] = {
        "A", "AB=C", "Zg=", "Zh==", "Zm9v=", "Z g=", "====", "Zm9vYg==="};
    uint8_t back[32];
    size_t size;
    (void)state;
    for (size_t i = 0; i < aion_countof(bad); i++)
        assert_false(aion_base64_decode(back, &size, aion_str_of(bad[i])));
}

static void hex_goes_both_ways(void **state)
{
    uint8_t bytes[4];
    char text[9];
    (void)state;
    assert_true(aion_unhex(bytes, 4, AION_STR("00ffA5b6")));
    aion_hex(text, bytes, 4);
    assert_string_equal(text, "00ffa5b6");
    assert_false(aion_unhex(bytes, 4, AION_STR("00ffa5b")));
    assert_false(aion_unhex(bytes, 4, AION_STR("00ffa5bg")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfc_vectors_hold),
        cmocka_unit_test(url_safe_and_unpadded_texts_are_read),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(hex_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
