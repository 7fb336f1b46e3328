/* Goal: nothing is done by a key that was meant for something else, and what is done is said.
 * Method: actions on a stage, key by key and in time. */
#include "tui_test.h"

#include "action.h"
#include "stage.h"

enum { SECOND = 1000000, MS = 1000 };

static struct stage stage;
static struct tui_canvas canvas;

static bool seen(const char *text)
{
    tui_app_draw(&stage.app, &canvas, stage.now);
    assert_clean(&canvas);
    return row_with(&canvas, text) >= 0;
}

static void keys(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        stage_key(&stage, names[i]);
        seen("");
        stage_run(&stage, 20 * MS);
    }
}
#define KEYS(...) \
    keys((const char *const[]){__VA_ARGS__}, aion_countof(((const char *const[]){__VA_ARGS__})))

static int set_up(void **state)
{
    const struct world_conf conf = {.seed = 7};
    (void)state;
    stage_init(&stage, &conf);
    tui_canvas_resize(&canvas, 40, 140);
    stage_run(&stage, 12 * SECOND);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stage_done(&stage);
    tui_canvas_done(&canvas);
    return 0;
}

/* The long chat of this moment is under the cursor, its cancelling previewed. */
static void preview_cancel(char task[40])
{
    world_long_task(&stage.world, stage.now.utc_us, task);
    KEYS("3");
    stage_run(&stage, SECOND);
    tui_list_go(&stage.app.views[2].panes[1].list, aion_str_of(task));
    seen("");
    KEYS("a", "c");
    stage_run(&stage, 400 * MS);
}

static void a_preview_says_what_will_happen(void **state)
{
    char task[40];
    (void)state;
    preview_cancel(task);
    assert_true(seen("CANCEL"));
    assert_true(seen(task));
    assert_true(seen("its module is told to stop"));
    assert_true(seen("no: submit the task anew"));
    assert_true(seen("esc: change nothing"));
    KEYS("esc");
    assert_int_equal(stage.app.mode, TUI_NORMAL);
    assert_int_equal(stage.cancels, 0);
}

static void what_cannot_be_undone_wants_its_name(void **state)
{
    char task[40], wanted[64];
    (void)state;
    preview_cancel(task);
    stage_type(&stage, "stuck");
    KEYS("tab", "y", "enter", "Y", "enter");
    assert_int_equal(stage.cancels, 0);
    KEYS("ctrl-u");
    snprintf(wanted, sizeof(wanted), "cancel %s", task + 32);
    assert_true(seen(wanted));
    stage_type(&stage, wanted);
    assert_int_equal(stage.cancels, 1);
    assert_string_equal(stage.cancelled, task);
    assert_string_equal(stage.reason, "stuck");
    stage_run(&stage, 200 * MS);
    assert_true(seen("is cancelled"));
    KEYS("x");
    assert_int_equal(stage.app.mode, TUI_NORMAL);
}

static void a_reason_comes_first(void **state)
{
    (void)state;
    KEYS("4", "a", "d");
    stage_run(&stage, 400 * MS);
    assert_true(seen("DRAIN A HOST"));
    KEYS("tab", "y");
    assert_int_equal(stage.drains, 0);
    assert_true(seen("a reason comes first"));
    stage_type(&stage, "new disk");
    KEYS("tab", "y");
    assert_int_equal(stage.drains, 1);
    assert_string_equal(stage.reason, "new disk");
}

/* What is left when all of them are drained. */
static void hosts_that_go_together_do_not_stand_in_for_each_other(void **state)
{
    (void)state;
    KEYS("4");
    stage_run(&stage, 200 * MS);
    tui_app_execute(&stage.app, AION_STR("drain gpu-1"));
    stage_run(&stage, 100 * MS);
    assert_true(seen("pool gpu keeps 16 of 24 slots"));
    stage_run(&stage, 300 * MS);
    KEYS("esc", "G", "space", "k", "space", "k", "k", "space");
    assert_true(seen("3 marked"));
    KEYS("a", "d");
    stage_run(&stage, 100 * MS);
    assert_true(seen("pool gpu keeps 0 of 24 slots: its tasks will wait"));
    assert_true(seen("nobody else has module"));
}

static void enter_and_the_asking_key_confirm_nothing(void **state)
{
    (void)state;
    KEYS("2", "a", "r");
    stage_run(&stage, 400 * MS);
    assert_true(seen("RELOAD THE POLICY"));
    assert_true(seen("the files come in force as a new revision"));
    assert_true(seen("+     fallback: [api, local]"));
    stage_type(&stage, "chat prefers api");
    KEYS("enter", "enter", "r", "a", "space");
    assert_int_equal(stage.reloads, 0);
    KEYS("y");
    assert_int_equal(stage.reloads, 1);
    stage_run(&stage, 200 * MS);
    assert_true(seen("revision 43 is in force"));
}

static void input_is_ignored_right_after_opening(void **state)
{
    (void)state;
    KEYS("4", "a");
    stage_key(&stage, "d");
    for (const char *c = "abcxyz"; *c != '\0'; c++) {
        const char name[2] = {*c, '\0'};
        stage_key(&stage, name);
    }
    stage_key(&stage, "esc");
    assert_int_equal(stage.app.mode, TUI_DIALOG);
    assert_int_equal(stage.app.dialog.reason.size, 0);
    stage_run(&stage, 301 * MS);
    stage_key(&stage, "a");
    assert_string_equal(stage.app.dialog.reason.text, "a");
}

static void a_confirmation_is_not_pasted(void **state)
{
    const struct tui_event paste = {.kind = TUI_EVENT_PASTE, .text = AION_STR("cancel 2\ny")};
    char task[40];
    (void)state;
    preview_cancel(task);
    tui_app_event(&stage.app, &paste, stage.now);
    assert_string_equal(stage.app.dialog.reason.text, "cancel 2 y");
    KEYS("tab");
    tui_app_event(&stage.app, &paste, stage.now);
    assert_int_equal(stage.app.dialog.confirm.size, 0);
    assert_true(seen("typed, not pasted"));
}

static void many_are_done_one_after_the_other(void **state)
{
    (void)state;
    KEYS("3");
    stage_run(&stage, SECOND);
    KEYS("f", "j", "space", "space", "space");
    assert_true(seen("3 marked"));
    assert_true(tui_app_execute(&stage.app, AION_STR("cancel")));
    stage_run(&stage, 400 * MS);
    assert_true(seen("3 marked tasks, one after the other"));
    stage_type(&stage, "cleanup");
    KEYS("tab", "y");
    assert_int_equal(stage.cancels, 0);
    KEYS("ctrl-u");
    stage_type(&stage, "cancel 3");
    for (int i = 0; i < 5; i++)
        stage_run(&stage, 100 * MS);
    assert_int_equal(stage.cancels, 3);
    assert_true(seen("of 3: 3 done, 0 refused"));
}

static void who_may_not_is_told_so(void **state)
{
    (void)state;
    stage.read_only = true;
    stage.down = true;
    stage_run(&stage, 400 * MS);
    KEYS("4");
    tui_app_execute(&stage.app, AION_STR("drain"));
    assert_true(seen("there is no connection to control"));
    stage.down = false;
    stage_run(&stage, SECOND);
    assert_true(seen(" RO "));
    KEYS("a");
    assert_true(seen("your role may change nothing"));
    KEYS("d");
    assert_int_equal(stage.app.mode, TUI_NORMAL);
    tui_app_execute(&stage.app, AION_STR("reload"));
    assert_int_equal(stage.app.mode, TUI_NORMAL);
}

static void a_refusal_is_shown_as_one(void **state)
{
    (void)state;
    KEYS("3");
    tui_app_execute(&stage.app, AION_STR("cancel 11111111-2222-7000-8000-000000000000"));
    stage_run(&stage, 400 * MS);
    assert_true(seen("no such task of this tenant"));
    stage_type(&stage, "why not");
    KEYS("tab");
    stage_type(&stage, "cancel 0000");
    stage_run(&stage, 200 * MS);
    assert_true(seen("REFUSED: no such task"));
}

/* Control went between the question and the answer. */
static void no_answer_is_not_called_a_refusal(void **state)
{
    struct aion_err err;
    (void)state;
    KEYS("4", "a", "d");
    stage_run(&stage, 400 * MS);
    stage_type(&stage, "new disk");
    stage_key(&stage, "tab");
    stage_key(&stage, "y");
    assert_true(stage.app.dialog.running);
    aion_err_set(&err, __func__, AION_UNAVAILABLE, "connection reset");
    tui_app_ended(&stage.app, stage.app.answers.list[TUI_ASK_ACTION].id, &err, stage.now);
    assert_true(seen("it is not known whether it was done: connection reset"));
    assert_false(seen("REFUSED"));
}

/* Whichever key that is. */
static void a_key_of_ones_own_does_not_confirm_what_it_asked(void **state)
{
    (void)state;
    tui_app_execute(&stage.app, AION_STR("bind y drain"));
    KEYS("4", "y");
    stage_run(&stage, 400 * MS);
    stage_type(&stage, "new disk");
    KEYS("tab", "y", "y");
    assert_int_equal(stage.drains, 0);
    assert_true(seen("o: drain it"));
    KEYS("o");
    assert_int_equal(stage.drains, 1);
}

static void leaving_while_something_is_under_way_asks(void **state)
{
    (void)state;
    KEYS("4", "a", "d");
    stage_run(&stage, 400 * MS);
    stage_type(&stage, "new disk");
    stage_key(&stage, "tab");
    stage_key(&stage, "y"); /* the answer comes when the clock moves */
    stage_key(&stage, "esc");
    stage_key(&stage, "q");
    assert_false(stage.app.quit);
    assert_true(seen("an action is under way"));
    stage_key(&stage, "q");
    assert_false(stage.app.quit);
    stage_key(&stage, "esc");
    stage_key(&stage, "q");
    stage_key(&stage, "Y");
    assert_true(stage.app.quit);
}

static void a_sweep_is_previewed_without_a_question(void **state)
{
    (void)state;
    KEYS("6", "a", "s");
    stage_run(&stage, 300 * MS);
    assert_true(seen("due now: 812 tasks, 9140 chunks, 77 keys; nothing was deleted"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_preview_says_what_will_happen),
        TEST(what_cannot_be_undone_wants_its_name),
        TEST(a_reason_comes_first),
        TEST(hosts_that_go_together_do_not_stand_in_for_each_other),
        TEST(enter_and_the_asking_key_confirm_nothing),
        TEST(input_is_ignored_right_after_opening),
        TEST(a_confirmation_is_not_pasted),
        TEST(many_are_done_one_after_the_other),
        TEST(who_may_not_is_told_so),
        TEST(a_refusal_is_shown_as_one),
        TEST(no_answer_is_not_called_a_refusal),
        TEST(a_key_of_ones_own_does_not_confirm_what_it_asked),
        TEST(leaving_while_something_is_under_way_asks),
        TEST(a_sweep_is_previewed_without_a_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
