/* Goal: nothing from outside reaches a terminal as it is; widths are those of the terminal.
 * Method: texts with escapes, bidi controls, broken UTF-8, wide and combining characters; a
 * walk over all code points beside the C library's wcwidth. */
#include "tui_test.h"

#include "key.h"
#include "prompt.h"

#include <locale.h>
#include <wchar.h>

static const char *clean(const char *text, int columns)
{
    static char out[256];
    tui_text_clean(out, sizeof(out), aion_str_of(text), columns);
    return out;
}

static void control_characters_become_blanks(void **state)
{
    (void)state;
    assert_string_equal(clean("a\x1b[2Jb", 80), "a [2Jb");
    assert_string_equal(clean("a\tb\nc\rd\x7f"
                              "e",
                              80),
                        "a b c d e");
    assert_string_equal(clean("\xc2\x9b"
                              "31m",
                              80),
                        " 31m");                             /* C1 CSI */
    assert_string_equal(clean("a\xe2\x80\xa8z", 80), "a z"); /* line separator */
}

static void what_nobody_sees_is_left_out(void **state)
{
    (void)state;
    assert_string_equal(clean("a\xe2\x80\xae"
                              "b",
                              80),
                        "ab"); /* RLO */
    assert_string_equal(clean("\xe2\x81\xa6x\xe2\x81\xa9", 80), "x");
    assert_string_equal(clean("\xef\xbb\xbfx\xe2\x80\x8by", 80), "xy"); /* BOM, ZWSP */
}

static void broken_bytes_are_shown_as_such(void **state)
{
    (void)state;
    assert_string_equal(clean("a\xff"
                              "b",
                              80),
                        "a\xef\xbf\xbd"
                        "b");
    assert_string_equal(clean("\xc3", 80), "\xef\xbf\xbd");
    assert_string_equal(clean("\xed\xa0\x80", 80), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_string_equal(clean("\xee\x80\x80", 80), "\xef\xbf\xbd"); /* private use */
}

static void widths_count_cells(void **state)
{
    (void)state;
    assert_int_equal(tui_text_width(AION_STR("abc")), 3);
    assert_int_equal(tui_text_width(aion_str_of("\xe6\xbc\xa2\xe5\xad\x97")), 4);
    assert_int_equal(tui_text_width(aion_str_of("e\xcc\x81")), 1);
    assert_int_equal(tui_text_width(aion_str_of("\xf0\x9f\x98\x80")), 2);
}

static void what_is_too_long_ends_in_an_ellipsis(void **state)
{
    (void)state;
    assert_string_equal(clean("abcdef", 4), "abc\xe2\x80\xa6");
    assert_string_equal(clean("abcd", 4), "abcd");
    assert_string_equal(clean("\xe6\xbc\xa2\xe5\xad\x97x", 4), "\xe6\xbc\xa2\xe2\x80\xa6");
    assert_string_equal(clean("abc", 0), "");
    char small[6];
    tui_text_clean(small, sizeof(small), AION_STR("abcdef"), 80);
    assert_string_equal(small, "ab");
}

static void every_character_is_as_wide_as_the_c_library_draws_it(void **state)
{
    (void)state;
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        skip();
    for (uint32_t ch = 0x20; ch < 0x110000; ch++) {
        int width = wcwidth((wchar_t)ch);
        if (width >= 0 && tui_char_width(ch) != width)
            fail_msg("U+%04X: %d, the library says %d", ch, tui_char_width(ch), width);
    }
}

/* A reason goes into the log: it holds what was seen when it was typed. */
static void what_nobody_sees_cannot_be_typed(void **state)
{
    static const uint32_t keys[] = {'a', 0x202E, 0x200B, 0xE9, 0xFEFF, TUI_KEY_CTRL | 'b', 'z'};
    struct tui_prompt prompt = {.size = 0};
    (void)state;
    for (size_t i = 0; i < aion_countof(keys); i++)
        tui_prompt_key(&prompt, keys[i]);
    assert_string_equal(prompt.text, "a\xc3\xa9z");
}

/* -- the canvas ------------------------------------------------------------ */

static void drawing_is_clipped(void **state)
{
    struct tui_canvas canvas = {.rows = 0};
    (void)state;
    assert_true(tui_canvas_resize(&canvas, 4, 10));
    const struct tui_rect rect = {1, 2, 2, 5};
    tui_put(&canvas, rect, 0, 0, TUI_PLAIN, AION_STR("abcdefgh"));
    tui_put(&canvas, rect, 1, -2, TUI_PLAIN, AION_STR("abcdefgh"));
    tui_put(&canvas, rect, 2, 0, TUI_PLAIN, AION_STR("outside"));
    tui_put(&canvas, rect, -1, 0, TUI_PLAIN, AION_STR("outside"));
    assert_string_equal(row_text(&canvas, 0), "");
    assert_string_equal(row_text(&canvas, 1), "  abcde");
    assert_string_equal(row_text(&canvas, 2), "  cdefg");
    assert_string_equal(row_text(&canvas, 3), "");
    tui_canvas_done(&canvas);
}

static void wide_characters_are_whole_or_not_there(void **state)
{
    struct tui_canvas canvas = {.rows = 0};
    (void)state;
    tui_canvas_resize(&canvas, 1, 5);
    struct tui_rect all = tui_canvas_rect(&canvas);
    tui_put(&canvas, all, 0, 0, TUI_PLAIN, aion_str_of("\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2"));
    assert_string_equal(row_text(&canvas, 0), "\xe6\xbc\xa2\xe5\xad\x97");
    assert_clean(&canvas);
    tui_put_char(&canvas, all, 0, 1, TUI_PLAIN, 'x'); /* its half goes, too */
    assert_string_equal(row_text(&canvas, 0), " x\xe5\xad\x97");
    tui_put_char(&canvas, all, 0, 2, TUI_PLAIN, 'y');
    assert_string_equal(row_text(&canvas, 0), " xy");
    assert_clean(&canvas);
    tui_canvas_done(&canvas);
}

static void ascii_stays_ascii(void **state)
{
    struct tui_canvas canvas = {.rows = 0, .ascii = true};
    (void)state;
    tui_canvas_resize(&canvas, 2, 12);
    struct tui_rect all = tui_canvas_rect(&canvas);
    tui_put(&canvas, all, 0, 0, TUI_PLAIN, aion_str_of("\xe6\xbc\xa2\xc3\xa9z\xe2\x80\xa6"));
    tui_put_rule(&canvas, all, 1, AION_STR("t"), (aion_str){0}, false);
    assert_string_equal(row_text(&canvas, 0), "???z~");
    assert_string_equal(row_text(&canvas, 1), "- t --------");
    tui_canvas_done(&canvas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_become_blanks),
        cmocka_unit_test(what_nobody_sees_is_left_out),
        cmocka_unit_test(broken_bytes_are_shown_as_such),
        cmocka_unit_test(widths_count_cells),
        cmocka_unit_test(what_is_too_long_ends_in_an_ellipsis),
        cmocka_unit_test(every_character_is_as_wide_as_the_c_library_draws_it),
        cmocka_unit_test(what_nobody_sees_cannot_be_typed),
        cmocka_unit_test(drawing_is_clipped),
        cmocka_unit_test(wide_characters_are_whole_or_not_there),
        cmocka_unit_test(ascii_stays_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
