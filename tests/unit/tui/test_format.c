/* Goal: numbers are short, have their unit, and differences their sign; typed times are read.
 * Method: a table of numbers and texts; graphs of known values cell by cell. */
#include "tui_test.h"

#include "format.h"
#include "graph.h"

#include <time.h>

static const char *text(enum tui_unit unit, int64_t number)
{
    static char out[8][TUI_FORMAT_SIZE];
    static unsigned turn;
    char *at = out[turn++ % 8];
    tui_format(at, unit, number);
    return at;
}

static void numbers_have_three_digits_that_matter(void **state)
{
    (void)state;
    assert_string_equal(text(TUI_COUNT, 0), "0");
    assert_string_equal(text(TUI_COUNT, 2463), "2 463");
    assert_string_equal(text(TUI_COUNT, 18200000), "18.2M");
    assert_string_equal(text(TUI_COUNT, -1), "-");
    assert_string_equal(text(TUI_RATE, 812000), "812");
    assert_string_equal(text(TUI_RATE, 400), "0.4");
    assert_string_equal(text(TUI_US, 85), "85us");
    assert_string_equal(text(TUI_US, 4100), "4.10ms");
    assert_string_equal(text(TUI_US, 312000), "312ms");
    assert_string_equal(text(TUI_US, 1920000), "1.92s");
    assert_string_equal(text(TUI_US, 125000000), "2m05");
    assert_string_equal(text(TUI_AGE, 200000), "0.2s");
    assert_string_equal(text(TUI_AGE, 3000000), "3s");
    assert_string_equal(text(TUI_AGE, INT64_C(29) * 86400 * 1000000), "29d");
    assert_string_equal(text(TUI_SHARE, 2000), "0.2%");
    assert_string_equal(text(TUI_SHARE, 20), "<0.1%");
    assert_string_equal(text(TUI_SHARE, 610000), "61%");
    assert_string_equal(text(TUI_BYTES, INT64_C(12) << 30), "12.0G");
    assert_string_equal(text(TUI_BYTES, 640), "640");
    assert_string_equal(text(TUI_USD, 861111), "$3.09/h");
    assert_string_equal(text(TUI_TIME, INT64_C(43471000000)), "12:04:31");
    assert_string_equal(text(TUI_US, INT64_MAX), "106751991d");
}

static void differences_have_a_sign(void **state)
{
    char out[TUI_FORMAT_SIZE];
    (void)state;
    tui_format_change(out, TUI_US, 1200);
    assert_string_equal(out, "+1.2ms");
    tui_format_change(out, TUI_US, -29700);
    assert_string_equal(out, "-29ms");
    tui_format_change(out, TUI_COUNT, -3);
    assert_string_equal(out, "-3");
    tui_format_change(out, TUI_SHARE, 0);
    assert_string_equal(out, "0");
    assert_true(tui_format_change(out, TUI_COUNT, INT64_MIN) < TUI_FORMAT_SIZE);
}

static void times_are_read_as_people_type_them(void **state)
{
    const int64_t now = INT64_C(1795435471000000); /* 12:04:31 */
    int64_t at;
    (void)state;
    assert_true(tui_parse_time(AION_STR("11:55"), now, false, &at) && now - at == 571000000);
    assert_true(tui_parse_time(AION_STR("11:55:07"), now, false, &at) && now - at == 564000000);
    assert_true(tui_parse_time(AION_STR("12:05"), now, false, &at) &&
                now - at > INT64_C(86000000000));
    assert_true(tui_parse_time(AION_STR("-5m"), now, false, &at) && now - at == 300000000);
    assert_true(tui_parse_time(AION_STR(" 90s "), now, false, &at) && now - at == 90000000);
    assert_true(tui_parse_time(AION_STR("2026-11-23T11:00:00Z"), now, false, &at));
    assert_false(tui_parse_time(AION_STR("25:00"), now, false, &at));
    assert_false(tui_parse_time(AION_STR("11:60"), now, false, &at));
    assert_false(tui_parse_time(AION_STR("soon"), now, false, &at));
    assert_false(tui_parse_time(AION_STR(""), now, false, &at));
    assert_false(tui_parse_time(AION_STR("-99999999d"), now, false, &at));
}

static void times_may_be_those_of_the_zone(void **state)
{
    const int64_t now = INT64_C(1795435471000000), summer = now - INT64_C(120) * 86400000000;
    char out[TUI_FORMAT_SIZE];
    int64_t at;
    (void)state;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    tui_format_clock(out, now, true);
    assert_string_equal(out, "13:04:31");
    tui_format_clock(out, summer, true);
    assert_string_equal(out, "14:04:31");
    tui_format_date_time(out, now, true);
    assert_string_equal(out, "2026-11-23 13:04:31");
    assert_true(tui_parse_time(AION_STR("13:00"), now, true, &at) && now - at == 271000000);
    assert_true(tui_parse_time(AION_STR("2026-11-23T12:00:00Z"), now, true, &at));
    assert_true(now - at == 271000000);
    assert_true(tui_format_clock(out, INT64_MAX, true) < TUI_FORMAT_SIZE);
    setenv("TZ", "UTC", 1);
    tzset();
}

/* -- graphs ---------------------------------------------------------------- */

static void areas_fill_from_the_bottom(void **state)
{
    struct tui_canvas canvas = {.rows = 0};
    const int64_t values[] = {0, 1, 4, 8, 8, -1};
    (void)state;
    tui_canvas_resize(&canvas, 2, 3);
    tui_graph_area(&canvas, tui_canvas_rect(&canvas), values, 6, 8, TUI_GRAPH_A);
    assert_string_equal(row_text(&canvas, 0), " \xe2\xa2\xb8\xe2\xa1\x87");
    assert_string_equal(row_text(&canvas, 1), "\xe2\xa2\x80\xe2\xa3\xbf\xe2\xa1\x87");
    tui_canvas_clear(&canvas);
    canvas.blocks = true;
    tui_graph_area(&canvas, tui_canvas_rect(&canvas), values + 1, 3, 8, TUI_GRAPH_A);
    assert_string_equal(row_text(&canvas, 0), "  \xe2\x96\x88");
    assert_string_equal(row_text(&canvas, 1), "\xe2\x96\x82\xe2\x96\x88\xe2\x96\x88");
    tui_canvas_clear(&canvas);
    canvas.ascii = true;
    tui_graph_area(&canvas, tui_canvas_rect(&canvas), values + 1, 3, 8, TUI_GRAPH_A);
    assert_string_equal(row_text(&canvas, 1), ".##");
    tui_canvas_done(&canvas);
}

static void heat_grows_by_sign_and_by_colour(void **state)
{
    struct tui_canvas canvas = {.rows = 0};
    (void)state;
    tui_canvas_resize(&canvas, 1, 6);
    struct tui_rect all = tui_canvas_rect(&canvas);
    const int64_t parts[] = {0, 1, 5, 12, 25, 60};
    for (int i = 0; i < 6; i++)
        tui_graph_heat(&canvas, all, 0, i, parts[i], 100);
    assert_string_equal(row_text(&canvas, 0), " .:*#@");
    assert_int_equal(tui_canvas_cell(&canvas, 0, 5)->role, TUI_HEAT_5);
    tui_canvas_done(&canvas);
}

static void tops_are_round(void **state)
{
    (void)state;
    assert_int_equal(tui_graph_top(0), 1);
    assert_int_equal(tui_graph_top(3), 5);
    assert_int_equal(tui_graph_top(10), 10);
    assert_int_equal(tui_graph_top(812), 1000);
    assert_true(tui_graph_top(INT64_MAX) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_three_digits_that_matter),
        cmocka_unit_test(differences_have_a_sign),
        cmocka_unit_test(times_are_read_as_people_type_them),
        cmocka_unit_test(times_may_be_those_of_the_zone),
        cmocka_unit_test(areas_fill_from_the_bottom),
        cmocka_unit_test(heat_grows_by_sign_and_by_colour),
        cmocka_unit_test(tops_are_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
