/* Goal: the cursor and the marks stay with their rows; rows keep their places while others
 * come; columns go by rank; sorting, export and comparison say what is there. Method: a table
 * of rows that a test changes; lists drawn on a canvas. */
#include "tui_test.h"

#include "list.h"
#include "stage.h"
#include "tables.h"

/* -- a table of numbers ---------------------------------------------------- */

static struct {
    const char *keys[64];
    size_t count;
    bool newest_first;
} rows;

static size_t items(const struct tui_scene *scene, struct tui_item *out, size_t max)
{
    (void)scene;
    for (size_t i = 0; i < rows.count && i < max; i++)
        out[i] = (struct tui_item){aion_str_of(rows.keys[i]), rows.keys[i]};
    return rows.count;
}

static void value(const struct tui_scene *scene, const struct tui_item *item,
                  const struct tui_column *column, struct tui_value *out)
{
    (void)scene;
    if (column->tag == 0)
        out->text = item->key;
    else
        out->number = strtol((const char *)item->object + 1, NULL, 10) * column->tag;
}

static const struct tui_column columns[] = {
    {"name", "NAME", TUI_TEXT, 8, 0, .grows = true, .tag = 0},
    {"one", "ONE", TUI_COUNT, 6, 0, .tag = 1},
    {"two", "TWO", TUI_COUNT, 6, 2, .tag = 2},
    {"three", "THREE", TUI_COUNT, 6, 5, .tag = 3},
};
static const struct tui_table in_order = {.name = "numbers",
                                          .title = "NUMBERS",
                                          .columns = columns,
                                          .count = 4,
                                          .empty = "none",
                                          .items = items,
                                          .value = value};
static const struct tui_table by_time = {.name = "numbers",
                                         .title = "NUMBERS",
                                         .columns = columns,
                                         .count = 4,
                                         .empty = "none",
                                         .newest_first = true,
                                         .items = items,
                                         .value = value};

static struct aion_arena arena;
static struct tui_canvas canvas;
static struct tui_list list;

static const struct tui_item *draw(const struct tui_table *table, int lines, int cols)
{
    const struct tui_scene scene = {.arena = &arena};
    aion_arena_reset(&arena);
    tui_canvas_resize(&canvas, lines, cols);
    return tui_list_draw(&canvas, tui_canvas_rect(&canvas), table, &list, &scene, NULL, true);
}

static void set_rows(const char *const *keys, size_t count)
{
    memcpy(rows.keys, keys, count * sizeof(*keys));
    rows.count = count;
}

static int set_up(void **state)
{
    (void)state;
    aion_arena_init(&arena, 64 << 20, NULL, 0);
    tui_list_init(&list);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    aion_arena_done(&arena);
    tui_canvas_done(&canvas);
    return 0;
}

/* -- places ---------------------------------------------------------------- */

static void the_cursor_stays_with_its_row(void **state)
{
    (void)state;
    set_rows((const char *const[]){"a1", "b2", "c3"}, 3);
    const struct tui_item *shown = draw(&in_order, 5, 30);
    tui_list_move(&list, TUI_MOVE_DOWN, shown, 3);
    draw(&in_order, 5, 30);
    assert_string_equal(list.cursor, "b2");
    set_rows((const char *const[]){"0", "a1", "aa5", "b2", "c3"}, 5);
    draw(&in_order, 5, 30);
    assert_string_equal(list.cursor, "b2");
    assert_true(strncmp(row_text(&canvas, 3), ">b2", 3) == 0);
}

static void a_row_that_is_gone_gives_its_place_to_the_next(void **state)
{
    (void)state;
    set_rows((const char *const[]){"a1", "b2", "c3"}, 3);
    const struct tui_item *shown = draw(&in_order, 5, 30);
    tui_list_move(&list, TUI_MOVE_DOWN, shown, 3);
    draw(&in_order, 5, 30);
    set_rows((const char *const[]){"a1", "c3"}, 2);
    draw(&in_order, 5, 30);
    assert_string_equal(list.cursor, "c3"); /* what is seen is what an action would meet */
    rows.count = 0;
    draw(&in_order, 5, 30);
    assert_string_equal(list.cursor, "");
    assert_string_equal(row_text(&canvas, 1), " none");
}

static void rows_do_not_move_while_others_come(void **state)
{
    (void)state;
    set_rows((const char *const[]){"e5", "d4", "c3", "b2", "a1"}, 5);
    const struct tui_item *shown = draw(&by_time, 4, 30);
    assert_string_equal(list.cursor, "e5");
    tui_list_move(&list, TUI_MOVE_DOWN, shown, 5);
    draw(&by_time, 4, 30);
    set_rows((const char *const[]){"g7", "f6", "e5", "d4", "c3", "b2", "a1"}, 7);
    draw(&by_time, 4, 30);
    assert_string_equal(list.cursor, "d4");
    assert_int_equal(list.unseen, 2);
    assert_true(strncmp(row_text(&canvas, 2), ">d4", 3) == 0);
    list.held = false;
    list.top = 0;
    draw(&by_time, 4, 30);
    assert_string_equal(list.cursor, "g7");
    assert_int_equal(list.unseen, 0);
}

static void long_lists_scroll_and_end(void **state)
{
    static char names[64][8];
    (void)state;
    rows.count = 50;
    for (size_t i = 0; i < 50; i++) {
        snprintf(names[i], sizeof(names[i]), "r%02zu", i);
        rows.keys[i] = names[i];
    }
    const struct tui_item *shown = draw(&in_order, 11, 30);
    tui_list_move(&list, TUI_MOVE_PAGE_DOWN, shown, 50);
    assert_string_equal(list.cursor, "r09");
    tui_list_move(&list, TUI_MOVE_LAST, shown, 50);
    shown = draw(&in_order, 11, 30);
    assert_true(strncmp(row_text(&canvas, 10), ">r49", 4) == 0);
    tui_list_move(&list, TUI_MOVE_DOWN, shown, 50);
    assert_string_equal(list.cursor, "r49");
    tui_list_move(&list, TUI_MOVE_FIRST, shown, 50);
    shown = draw(&in_order, 11, 30);
    assert_true(strncmp(row_text(&canvas, 1), ">r00", 4) == 0);
    tui_list_move(&list, TUI_MOVE_UP, shown, 50);
    assert_string_equal(list.cursor, "r00");
    assert_true(tui_list_point(&list, 3, shown, 50));
    assert_string_equal(list.cursor, "r02");
    assert_false(tui_list_point(&list, 0, shown, 50));
}

static void marks_stay_with_their_rows(void **state)
{
    (void)state;
    set_rows((const char *const[]){"a1", "b2", "c3", "d4"}, 4);
    const struct tui_item *shown = draw(&in_order, 6, 30);
    assert_true(tui_list_mark(&list, AION_STR("b2"), true));
    snprintf(list.anchor, sizeof(list.anchor), "b2");
    tui_list_go(&list, AION_STR("c3"));
    tui_list_mark_range(&list, shown, 4);
    assert_true(tui_list_marked(&list, AION_STR("b2")) &&
                tui_list_marked(&list, AION_STR("c3")));
    assert_false(tui_list_marked(&list, AION_STR("d4")));
    tui_list_mark(&list, AION_STR("b2"), false);
    assert_int_equal(list.mark_count, 1);
    for (int i = 0; i < TUI_MARKS_MAX + 5; i++) {
        char key[16];
        snprintf(key, sizeof(key), "m%d", i);
        tui_list_mark(&list, aion_str_of(key), true);
    }
    assert_int_equal(list.mark_count, TUI_MARKS_MAX);
}

/* Rows come between the drawing that was seen and the key. */
static void keys_mean_the_rows_that_were_seen(void **state)
{
    static const struct tui_item now[] = {
        {{"e5", 2}, "e5"}, {{"d4", 2}, "d4"}, {{"c3", 2}, "c3"}, {{"a1", 2}, "a1"}};
    (void)state;
    set_rows((const char *const[]){"c3", "b2", "a1"}, 3);
    draw(&by_time, 6, 30);
    assert_string_equal(list.cursor, "c3");
    assert_true(tui_list_item(&list, now, 4) == &now[2]);
    snprintf(list.anchor, sizeof(list.anchor), "a1");
    tui_list_mark_range(&list, now, 4);
    assert_int_equal(list.mark_count, 2);
    assert_true(tui_list_marked(&list, AION_STR("c3")));
    assert_true(tui_list_marked(&list, AION_STR("a1")));
    tui_list_go(&list, AION_STR("b2"));
    assert_null(tui_list_item(&list, now, 4)); /* it is gone: nobody else is meant */
}

/* -- columns --------------------------------------------------------------- */

static void columns_go_by_rank_and_never_wrap(void **state)
{
    struct tui_layout layout;
    (void)state;
    tui_list_layout(&in_order, 40, &layout);
    assert_int_equal(layout.count, 4);
    tui_list_layout(&in_order, 26, &layout);
    assert_int_equal(layout.count, 3);
    tui_list_layout(&in_order, 20, &layout);
    assert_int_equal(layout.count, 2);
    for (int cols = 20; cols < 200; cols++) {
        tui_list_layout(&in_order, cols, &layout);
        int end = layout.columns[layout.count - 1].x + layout.columns[layout.count - 1].width;
        assert_true(end < cols);
    }
}

static void sorting_is_stable_and_turns_around(void **state)
{
    (void)state;
    set_rows((const char *const[]){"x3", "a1", "m3", "b2"}, 4);
    list.sort = 1;
    const struct tui_item *shown = draw(&in_order, 6, 40);
    assert_true(aion_str_is(shown[0].key, "a1") && aion_str_is(shown[2].key, "x3"));
    list.reverse = true;
    shown = draw(&in_order, 6, 40);
    assert_true(aion_str_is(shown[0].key, "x3") && aion_str_is(shown[1].key, "m3"));
    assert_non_null(strstr(row_text(&canvas, 0), "ONE-"));
}

/* An end that is near is worth a look before it has come. */
static void certificates_alarm_before_they_end(void **state)
{
    const struct tui_measure *expires = &tui_kinds[TUI_CERTIFICATE].measures[0],
                             *started = &tui_kinds[TUI_PROCESS].measures[5];
    const int64_t end = 1795435200, day = 86400, second = 1000000;
    (void)state;
    assert_int_equal(tui_role_of(expires, end, (end - 6 * day) * second), TUI_PLAIN);
    assert_int_equal(tui_role_of(expires, end, (end - 4 * day) * second), TUI_WARN);
    assert_int_equal(tui_role_of(expires, end, (end - 1) * second), TUI_WARN);
    assert_int_equal(tui_role_of(expires, end, end * second), TUI_ALARM);
    assert_int_equal(tui_role_of(expires, TUI_UNKNOWN, end * second), TUI_PLAIN);
    assert_int_equal(started->unit, TUI_DATE);
    assert_int_equal(tui_role_of(started, end, (end + day) * second), TUI_PLAIN);
}

/* -- export ---------------------------------------------------------------- */

static void export_has_units_and_no_control_characters(void **state)
{
    const struct world_conf conf = {.seed = 7, .hostile = true};
    static struct stage stage;
    struct aion_buf out;
    (void)state;
    stage_init(&stage, &conf);
    stage_run(&stage, 2000000);
    struct tui_scene scene = tui_app_scene(&stage.app);
    size_t count;
    const struct tui_item *all = tui_table_items(&tui_tenants, &scene, NULL, -1, false, &count);
    aion_buf_init(&out, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        tui_export_json(&tui_tenants, &scene, &all[i], &out);
        tui_export_csv(&tui_tenants, &scene, &all[i], &out);
    }
    tui_export_text(&tui_tenants, &scene, all, count, &out);
    assert_non_null(strstr(out.data, "\"tenant\":\"evil\\u001b[2Jname\",\"tasks_per_s\":1"));
    assert_non_null(strstr(out.data, "\"p95_us\":1"));
    assert_null(strchr(out.data, '\x1b'));
    assert_null(strstr(out.data, "rtl\xe2\x80\xae"));
    aion_buf_done(&out);
    stage_done(&stage);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_cursor_stays_with_its_row),
        TEST(a_row_that_is_gone_gives_its_place_to_the_next),
        TEST(rows_do_not_move_while_others_come),
        TEST(long_lists_scroll_and_end),
        TEST(marks_stay_with_their_rows),
        TEST(keys_mean_the_rows_that_were_seen),
        TEST(columns_go_by_rank_and_never_wrap),
        TEST(sorting_is_stable_and_turns_around),
        TEST(certificates_alarm_before_they_end),
        TEST(export_has_units_and_no_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
