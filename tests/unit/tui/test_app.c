/* Goal: keys do what the table says; views, details, filters and the palette lead in and out;
 * what is not meant as a key is none; a lost or silent control is seen at once; the past is the
 * past in every view. Method: the app on a stage, its screens as text. */
#include "tui_test.h"

#include "command.h"
#include "stage.h"

#include <time.h>

enum { SECOND = 1000000 };

static struct stage stage;
static struct tui_canvas canvas;

static void show(void)
{
    tui_app_draw(&stage.app, &canvas, stage.now);
    assert_clean(&canvas);
}

static bool seen(const char *text)
{
    show();
    return row_with(&canvas, text) >= 0;
}

static int set_up(void **state)
{
    const struct world_conf conf = {.seed = 7};
    (void)state;
    stage_init(&stage, &conf);
    tui_canvas_resize(&canvas, 40, 140);
    stage_run(&stage, 5 * SECOND);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stage_done(&stage);
    tui_canvas_done(&canvas);
    return 0;
}

/* -- views ----------------------------------------------------------------- */

static void digits_and_names_open_views(void **state)
{
    char key[2] = "1";
    (void)state;
    for (size_t i = 0; i < TUI_VIEWS; i++, key[0]++) {
        stage_key(&stage, key);
        show();
        assert_int_equal(stage.app.view, i);
        char title[32];
        snprintf(title, sizeof(title), "[%s]%s", key, tui_views[i]->title);
        assert_true(seen(title));
        stage_run(&stage, 200000);
    }
    assert_true(tui_app_execute(&stage.app, AION_STR("router")));
    assert_int_equal(stage.app.view, 1);
    assert_false(tui_app_execute(&stage.app, AION_STR("nowhere")));
}

static void every_view_stands_at_every_size(void **state)
{
    static const int sizes[][2] = {{16, 60},  {24, 80},   {25, 119},  {40, 120},
                                   {40, 140}, {100, 300}, {300, 320}, {16, 300},
                                   {100, 60}, {5, 20},    {1, 1}};
    (void)state;
    for (size_t i = 0; i < aion_countof(sizes); i++) {
        tui_canvas_resize(&canvas, sizes[i][0], sizes[i][1]);
        for (size_t view = 0; view < TUI_VIEWS; view++) {
            stage.app.view = view;
            for (int detail = 0; detail < 2; detail++) {
                stage.app.views[view].detail = detail != 0;
                show();
            }
            stage_key(&stage, "?");
            show();
            stage_key(&stage, "esc");
            stage_key(&stage, ":");
            show();
            stage_key(&stage, "esc");
            stage_run(&stage, 200000);
        }
    }
}

static void enter_leads_deeper_and_esc_back(void **state)
{
    (void)state;
    show();
    stage_key(&stage, "j");
    show();
    stage_key(&stage, "enter");
    show();
    assert_int_equal(stage.app.view, 1);
    assert_string_equal(stage.app.views[1].panes[0].list.cursor, "embed/local");
    stage_key(&stage, "esc");
    show();
    assert_int_equal(stage.app.view, 0);
    stage_key(&stage, "tab"); /* hosts, dependencies, tenants */
    stage_key(&stage, "tab");
    stage_key(&stage, "tab");
    show();
    stage_key(&stage, "enter");
    show();
    assert_int_equal(stage.app.view, 2);
    assert_string_equal(stage.app.views[2].filter.text, "tenant:\"acme\"");
    stage_key(&stage, "esc"); /* the filter first */
    stage_key(&stage, "esc");
    assert_int_equal(stage.app.view, 0);
}

static void a_task_is_followed_to_its_end(void **state)
{
    char task[40];
    (void)state;
    stage_run(&stage, 6 * SECOND);
    world_long_task(&stage.world, stage.now.utc_us, task);
    stage_key(&stage, "3");
    stage_run(&stage, SECOND);
    tui_list_go(&stage.app.views[2].panes[1].list, aion_str_of(task));
    show();
    stage_key(&stage, "enter");
    show();
    stage_run(&stage, 3 * SECOND);
    assert_true(seen(task));
    assert_true(seen("chunk 1 says something"));
    assert_false(seen("-- done"));
    stage_run(&stage, 40 * SECOND);
    assert_true(seen("-- done sha256:5ad190"));
    stage_key(&stage, "q"); /* the detail first */
    assert_false(stage.app.quit);
    stage_key(&stage, "q");
    assert_true(stage.app.quit);
}

/* -- filter and palette ---------------------------------------------------- */

static void a_filter_narrows_while_it_is_typed(void **state)
{
    (void)state;
    stage_key(&stage, "2");
    stage_key(&stage, "/");
    stage_type(&stage, "state:slow");
    assert_true(seen("1 of 7 match"));
    stage_key(&stage, "enter");
    assert_true(seen("/state:slow"));
    assert_false(seen(" embed/local"));
    stage_key(&stage, "/");
    stage_type(&stage, " ~[");
    assert_true(seen("\"[\": ")); /* says what is wrong with it */
    stage_key(&stage, "esc");     /* the one before comes back */
    assert_string_equal(stage.app.views[1].filter.text, "state:slow");
    stage_key(&stage, "3");
    stage_key(&stage, "/");
    stage_type(&stage, "~(.+)+[!?]");
    show();
    assert_true(seen("too slow: hides nothing"));
    stage_key(&stage, "enter");
    assert_true(seen("FILTER TOO SLOW"));
    stage_key(&stage, "2");
    stage_key(&stage, "esc");
    assert_true(seen(" embed/local"));
}

/* Control compares whole names, and who else's name holds what was typed is on the screen. */
static void control_sends_less_only_where_it_means_the_same(void **state)
{
    static const char *const typed[] = {"tenant:acme", "tenant:acm", "tenant:ACME",
                                        "!tenant:acme", "tenant:nobody"};
    (void)state;
    stage_key(&stage, "3");
    for (size_t i = 0; i < aion_countof(typed); i++) {
        tui_cmd_filter(&stage.app, aion_str_of(typed[i]));
        stage_run(&stage, SECOND);
        assert_string_equal(stage.tenant, i == 0 ? "acme" : "");
    }
    tui_cmd_filter(&stage.app, AION_STR("tenant:acme"));
    stage_run(&stage, SECOND);
    assert_string_equal(stage.tenant, "acme");
    stage_key(&stage, "1"); /* of all that happens there */
    stage_run(&stage, SECOND);
    assert_string_equal(stage.tenant, "");
}

static void the_palette_completes_and_explains(void **state)
{
    (void)state;
    stage_key(&stage, ":");
    stage_type(&stage, "rete");
    assert_true(seen("how long tasks are kept"));
    stage_key(&stage, "enter");
    assert_int_equal(stage.app.view, 5);
    stage_key(&stage, ":");
    stage_type(&stage, "them");
    stage_key(&stage, "tab");
    assert_string_equal(stage.app.prompt.text, "theme ");
    stage_type(&stage, "li");
    assert_true(seen("light"));
    stage_key(&stage, "tab");
    stage_key(&stage, "enter");
    assert_int_equal(stage.app.settings.theme, TUI_LIGHT);
    stage_key(&stage, ":"); /* the arrows choose, whatever was typed */
    stage_type(&stage, "theme dark");
    for (size_t i = 0; i < 10; i++)
        stage_key(&stage, "backspace");
    stage_type(&stage, "theme t");
    stage_key(&stage, "down");
    stage_key(&stage, "enter");
    assert_int_not_equal(stage.app.settings.theme, TUI_LIGHT);
    stage_key(&stage, ":");
    stage_type(&stage, "nonsense");
    stage_key(&stage, "enter");
    assert_true(seen("no command \"nonsense\""));
}

static void every_command_has_a_sentence_and_its_keys_are_its_own(void **state)
{
    (void)state;
    size_t keys = 0;
    for (size_t i = 0; i < tui_command_count; i++) {
        const struct tui_command *command = &tui_commands[i];
        assert_true(strlen(tui_command_sentence(command)) > 8);
        assert_true(command->view != NULL || command->run != NULL);
        assert_true(command->footer == NULL || command->rank > 0);
        for (const char *at = command->keys; *at != '\0'; at++)
            keys += *at == ' ' || at == command->keys;
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(command->name, tui_commands[k].name);
    }
    assert_int_equal(stage.app.binding_count, keys); /* none took another one's */
}

static void the_help_lists_what_there_is(void **state)
{
    (void)state;
    stage_key(&stage, "5");
    stage_key(&stage, "?");
    assert_true(seen("help for Incidents"));
    assert_true(seen("Detectors, runbooks and actions for incidents come with a later"));
    assert_false(seen(":second-back"));
    stage_key(&stage, "pgdn");
    assert_true(seen(":second-back"));
    stage_key(&stage, "x");
    assert_int_equal(stage.app.mode, TUI_NORMAL);
}

static void keys_can_be_given_other_commands(void **state)
{
    struct aion_err err;
    (void)state;
    assert_true(tui_app_config(&stage.app, "keys",
                               AION_STR("# mine\n\nbind z tasks\nbind ctrl-t theme mono\n"
                                        "unbind q\nset graphs blocks\n"),
                               &err));
    stage_key(&stage, "z");
    assert_int_equal(stage.app.view, 2);
    stage_key(&stage, "ctrl-t");
    assert_int_equal(stage.app.settings.theme, TUI_MONO);
    stage_key(&stage, "q");
    assert_false(stage.app.quit);
    assert_false(tui_app_config(&stage.app, "keys", AION_STR("\nbind z nothing\n"), &err));
    assert_non_null(strstr(err.text, "keys:2: no command \"nothing\""));
    assert_false(tui_app_config(&stage.app, "keys", AION_STR("cancel x"), &err));
    assert_false(tui_app_config(&stage.app, "keys", AION_STR("set colors many"), &err));
}

static void a_wrong_value_changes_nothing(void **state)
{
    (void)state;
    tui_app_execute(&stage.app, AION_STR("set tz local"));
    tui_app_execute(&stage.app, AION_STR("set ascii on"));
    tui_app_execute(&stage.app, AION_STR("set graphs blocks"));
    static const char *const wrong[] = {"set tz mars", "set ascii", "set graphs dots"};
    for (size_t i = 0; i < aion_countof(wrong); i++) {
        stage_run(&stage, 1000);
        assert_false(tui_app_execute(&stage.app, aion_str_of(wrong[i])));
    }
    assert_true(stage.app.settings.local_time);
    assert_true(stage.app.settings.ascii);
    assert_true(stage.app.settings.blocks);
}

/* What enter would not change is not offered. */
static void the_footer_offers_what_works_now(void **state)
{
    (void)state;
    for (size_t i = 0; i < TUI_VIEWS; i++) {
        const char key[2] = {(char)('1' + (int)i), '\0'};
        stage_key(&stage, key);
        stage_run(&stage, 3 * SECOND);
        show();
        bool opens = strstr(row_text(&canvas, canvas.rows - 1), "enter:open") != NULL;
        assert_int_equal(opens, i == TUI_OVERVIEW_VIEW || i == TUI_TASKS_VIEW);
        stage_key(&stage, "enter");
        assert_int_equal(tui_app_state(&stage.app)->detail, i == TUI_TASKS_VIEW);
    }
    stage_key(&stage, "?");
    show();
    assert_non_null(strstr(row_text(&canvas, canvas.rows - 1), "any other key:close"));
    stage_key(&stage, "esc");
    stage_key(&stage, "4");
    stage_key(&stage, "a");
    show();
    assert_non_null(strstr(row_text(&canvas, canvas.rows - 1), "a letter:preview"));
    stage_key(&stage, "d");
    show();
    assert_non_null(strstr(row_text(&canvas, canvas.rows - 1), "esc:change nothing"));
}

static void answers_of_now_are_said_to_be_of_now(void **state)
{
    (void)state;
    stage_key(&stage, "2");
    assert_false(seen("OF NOW"));
    stage_key(&stage, "p");
    assert_true(seen("OF NOW: policy, revisions"));
    stage_key(&stage, "3"); /* its list is folded up to the instant */
    assert_false(seen("OF NOW"));
    stage_key(&stage, "enter");
    assert_true(seen("OF NOW: life, output"));
}

/* -- what is no key -------------------------------------------------------- */

static void a_paste_outside_of_a_field_is_ignored(void **state)
{
    const struct tui_event event = {.kind = TUI_EVENT_PASTE, .text = AION_STR("q3:cancel\n")};
    (void)state;
    tui_app_event(&stage.app, &event, stage.now);
    assert_false(stage.app.quit);
    assert_true(seen("a paste is taken in fields only"));
    stage_key(&stage, "/");
    tui_app_event(&stage.app, &event, stage.now);
    assert_string_equal(stage.app.prompt.text, "q3:cancel ");
}

static void too_many_keys_at_once_are_a_paste(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++)
        stage_key(&stage, i < 39 ? "j" : "q");
    assert_false(stage.app.quit);
    assert_true(seen("taken for a paste"));
    stage_run(&stage, 300000);
    stage_key(&stage, "3");
    assert_int_equal(stage.app.view, 2);
}

static void leaving_by_ctrl_c_takes_two(void **state)
{
    (void)state;
    stage_key(&stage, "ctrl-c");
    assert_false(stage.app.quit);
    stage_run(&stage, 3 * SECOND);
    stage_key(&stage, "ctrl-c");
    assert_false(stage.app.quit);
    stage_key(&stage, "ctrl-c");
    assert_true(stage.app.quit);
}

/* -- fresh or not ---------------------------------------------------------- */

static bool body_is_dimmed(void)
{
    show();
    return (tui_canvas_cell(&canvas, 20, 30)->flags & TUI_OLD) != 0;
}

static void a_lost_control_is_seen_and_found_again(void **state)
{
    (void)state;
    assert_true(seen("LIVE 10 Hz"));
    assert_true(seen("lag 0.0s"));
    assert_true(seen("dropped 0"));
    stage.down = true;
    stage_run(&stage, 300000);
    assert_true(seen("DISCONNECTED 0 s"));
    assert_false(seen("lag ")); /* of frames that do not come */
    assert_true(body_is_dimmed());
    stage_run(&stage, 5 * SECOND);
    assert_true(seen("DISCONNECTED 5 s"));
    stage.down = false;
    stage_run(&stage, 900000);
    assert_true(seen("LIVE 10 Hz"));
    assert_false(body_is_dimmed());
}

static void a_silent_control_is_stale_then_lost_within_a_second(void **state)
{
    (void)state;
    stage.silent = true;
    stage_run(&stage, 900000);
    assert_true(seen("STALE 1 s"));
    assert_true(body_is_dimmed());
    stage_run(&stage, 100000);
    assert_true(seen("DISCONNECTED 1 s"));
    assert_true(body_is_dimmed());
    assert_int_equal(stage.renewed, 1);
    stage_run(&stage, 4900000); /* a connection is given time to come about */
    assert_true(seen("DISCONNECTED 5 s"));
    assert_int_equal(stage.renewed, 1);
    stage_run(&stage, 300000);
    assert_int_equal(stage.renewed, 2);
    stage.silent = false;
    stage_run(&stage, 200000);
    assert_true(seen("LIVE 10 Hz"));
    assert_false(body_is_dimmed());
}

/* Of one frame a second, one that is late is no loss. */
static void who_asks_for_less_waits_longer(void **state)
{
    const struct tui_event away = {.kind = TUI_EVENT_FOCUS, .on = false};
    (void)state;
    tui_app_event(&stage.app, &away, stage.now);
    stage_run(&stage, 3 * SECOND);
    stage.silent = true;
    stage_run(&stage, 2 * SECOND);
    assert_int_equal(tui_app_fresh(&stage.app), TUI_FRESH);
    stage_run(&stage, 600000);
    assert_int_equal(tui_app_fresh(&stage.app), TUI_STALE);
    stage_run(&stage, 500000);
    assert_int_equal(tui_app_fresh(&stage.app), TUI_DISCONNECTED);
}

/* Its numbers are old, but control is not to blame: its words wait to be read. */
static void who_was_stopped_does_not_call_control_lost(void **state)
{
    (void)state;
    stage.now.mono_us += 60 * SECOND;
    stage.now.utc_us += 60 * SECOND;
    tui_app_tick(&stage.app, stage.now);
    assert_true(seen("STALE 60 s"));
    stage.silent = true;
    stage_run(&stage, 900000);
    assert_int_equal(stage.renewed, 0);
    stage_run(&stage, 100000);
    assert_true(seen("DISCONNECTED 61 s"));
    assert_int_equal(stage.renewed, 1);
}

/* Not at the next tenth of a second. */
static void what_a_person_waits_for_is_drawn_when_it_comes(void **state)
{
    (void)state;
    stage_run(&stage, 2 * SECOND);
    show();
    stage_type(&stage, ":at -3h");
    stage_key(&stage, "enter");
    assert_true(seen("ASKING FOR"));
    assert_false(stage.app.due);
    stage_run(&stage, 1000);
    assert_true(stage.app.due);
    assert_true(seen("PAUSED at"));
    assert_false(stage.app.due);
    stage_run(&stage, 5 * SECOND); /* what the stream brings has its pace */
    assert_false(stage.app.due);
}

static void who_does_not_look_is_sent_less(void **state)
{
    const struct tui_event away = {.kind = TUI_EVENT_FOCUS, .on = false},
                           back = {.kind = TUI_EVENT_FOCUS, .on = true};
    (void)state;
    assert_int_equal(tui_app_pace_us(&stage.app), 100000);
    tui_app_event(&stage.app, &away, stage.now);
    assert_int_equal(tui_app_pace_us(&stage.app), SECOND);
    stage_run(&stage, 2 * SECOND);
    assert_int_equal(stage.app.asked_hz, 1);
    tui_app_event(&stage.app, &back, stage.now);
    stage_run(&stage, SECOND);
    assert_int_equal(stage.app.asked_hz, 10);
    stage_run(&stage, INT64_C(301) * SECOND); /* five minutes without a key */
    assert_int_equal(stage.app.asked_hz, 1);
    stage.app.blocked = true;
    stage_key(&stage, "j");
    assert_int_equal(tui_app_pace_us(&stage.app), SECOND / 2);
}

static void nothing_new_is_nothing_to_draw(void **state)
{
    (void)state;
    show();
    assert_false(tui_app_changed(&stage.app, stage.now));
    stage_run(&stage, 100000);
    assert_true(tui_app_changed(&stage.app, stage.now));
}

/* -- time ------------------------------------------------------------------ */

/* Reasons to wake up fall together. */
static void who_does_nothing_is_woken_once_a_second(void **state)
{
    const struct tui_event away = {.kind = TUI_EVENT_FOCUS, .on = false};
    (void)state;
    stage_run(&stage, SECOND);
    show();
    struct tui_time now = stage.now, early = now, later = now;
    early.mono_us += 90000;
    later.mono_us += SECOND;
    later.utc_us += SECOND;
    assert_false(tui_app_ripe(&stage.app, now));
    assert_int_equal(tui_app_next_us(&stage.app, now), now.mono_us + SECOND + 30000);
    assert_true(tui_app_ripe(&stage.app, later)); /* by a frame: the clock has moved, too */
    stage_run(&stage, 96000);
    assert_false(tui_app_ripe(&stage.app, early));
    assert_true(tui_app_ripe(&stage.app, stage.now));
    assert_true(tui_app_next_us(&stage.app, stage.now) <= stage.now.mono_us);
    tui_app_event(&stage.app, &away, stage.now);
    show();
    assert_int_equal(tui_app_next_us(&stage.app, stage.now),
                     stage.now.mono_us + 3 * SECOND / 2);
    stage_run(&stage, SECOND / 2);
    assert_false(tui_app_ripe(&stage.app, stage.now));
    stage_run(&stage, SECOND / 2);
    assert_true(tui_app_ripe(&stage.app, stage.now));
}

static void pausing_holds_the_screen_while_data_comes(void **state)
{
    char before[160];
    (void)state;
    stage_key(&stage, "p");
    assert_true(seen("PAUSED at 12:00:05Z, 0"));
    snprintf(before, sizeof(before), "%s", row_text(&canvas, 1));
    stage_run(&stage, 7 * SECOND);
    assert_true(seen("7s ago"));
    assert_string_equal(row_text(&canvas, 1), before);
    assert_true(stage.app.model.live.at_us - tui_model_at(&stage.app.model) >= 7 * SECOND);
    stage_key(&stage, "p");
    assert_true(seen("LIVE 10 Hz"));
}

/* Cells of the body, whatever header and footer say. */
static uint64_t body_hash(void)
{
    show();
    return aion_siphash(1, 2, tui_canvas_cell(&canvas, 1, 0),
                        (size_t)(canvas.rows - 2) * (size_t)canvas.cols *
                            sizeof(struct tui_cell));
}

/* At a whole second nothing live-only is on the screen: the picture is the kept one. */
static void cells_of_the_past_are_those_that_were_live(void **state)
{
    static const size_t views[] = {0, 4, 7};
    uint64_t live[3][12];
    (void)state;
    stage_run(&stage, 40 * SECOND);
    for (size_t i = 0; i < 12; i++) {
        for (size_t view = 0; view < 3; view++) {
            stage.app.view = views[view];
            live[view][i] = body_hash();
        }
        stage_run(&stage, SECOND);
    }
    int64_t first = stage.now.utc_us - 12 * INT64_C(1000000);
    for (size_t i = 0; i < 12; i++) {
        tui_session_seek(&stage.app, first + (int64_t)i * SECOND);
        for (size_t view = 0; view < 3; view++) {
            stage.app.view = views[view];
            assert_true(body_hash() == live[view][i]);
        }
    }
}

static void steps_and_times_move_all_views(void **state)
{
    (void)state;
    stage_run(&stage, 130 * SECOND);
    int64_t now = stage.app.model.live.at_us / SECOND * SECOND;
    stage_key(&stage, "[");
    stage_key(&stage, "[");
    assert_true(tui_model_at(&stage.app.model) == now - 2 * SECOND);
    stage_key(&stage, "]");
    assert_true(tui_model_at(&stage.app.model) == now - SECOND);
    stage_key(&stage, "{");
    assert_true(tui_model_at(&stage.app.model) == now - 61 * INT64_C(1000000));
    for (size_t view = 0; view < TUI_VIEWS; view++) {
        stage.app.view = view;
        assert_true(seen("PAUSED at 12:01:14Z"));
    }
    tui_app_execute(&stage.app, AION_STR("at 12:00:30"));
    assert_true(seen("PAUSED at 12:00:30Z"));
    stage_key(&stage, "end");
    assert_true(seen("LIVE 10 Hz"));
    tui_app_execute(&stage.app, AION_STR("at noon"));
    assert_true(seen("\"noon\" is no time"));
}

static void what_is_not_kept_here_is_asked_of_control(void **state)
{
    (void)state;
    tui_app_execute(&stage.app, AION_STR("at 09:00"));
    assert_true(seen("ASKING FOR 09:00:00Z"));
    assert_true(body_is_dimmed());
    stage_run(&stage, 300000);
    assert_true(seen("PAUSED at 09:00:00Z"));
    assert_false(body_is_dimmed());
    assert_true(tui_series_second(tui_model_series(&stage.app.model),
                                  tui_model_at(&stage.app.model) / SECOND - 600) != NULL);
    tui_app_execute(&stage.app, AION_STR("at -30h")); /* as far as there is something */
    stage_run(&stage, 300000);
    assert_true(tui_model_at(&stage.app.model) == stage.began_us);
}

/* What control keeps, of the shown instant, asked for when it is needed. */
static void the_log_is_read_as_it_was(void **state)
{
    (void)state;
    stage_key(&stage, "7");
    stage_run(&stage, 200000);
    assert_true(seen(">2026-11-23 12:00:00 ana"));
    assert_true(seen("revision 41 -> 42"));
    assert_int_equal(stage.audits, 1);
    stage_run(&stage, 56 * SECOND); /* once in ten seconds, and when a line is heard of */
    assert_in_range(stage.audits, 6, 7);
    stage_run(&stage, 3 * SECOND);
    assert_true(seen(">2026-11-23 12:01:00 ci"));
    unsigned before = stage.audits;
    tui_app_execute(&stage.app, AION_STR("at 12:00:30"));
    stage_run(&stage, 200000);
    assert_false(seen("12:01:00"));
    assert_int_equal(stage.audits, before); /* the page that is here reaches back so far */
    tui_app_execute(&stage.app, AION_STR("at 09:00"));
    stage_run(&stage, 300000);
    assert_true(seen("2026-11-23 09:00:00 ana"));
    assert_int_equal(stage.audits, before + 1);
    tui_app_execute(&stage.app, AION_STR("at 08:59"));
    stage_run(&stage, 20 * SECOND); /* what was then does not change */
    assert_true(seen("2026-11-23 08:59:00 ci"));
    assert_false(seen("09:00:00 ana"));
    assert_int_equal(stage.audits, before + 1);
}

static void a_broken_chain_is_told(void **state)
{
    (void)state;
    stage_key(&stage, "7");
    stage_key(&stage, "a");
    assert_true(seen("verify the log"));
    stage_key(&stage, "v");
    assert_true(seen("computes the hashes anew"));
    stage_run(&stage, 100000);
    assert_true(seen("control-1 holds: 7112 lines"));
    assert_true(seen("control-2 BROKEN at line 4711"));
    assert_true(seen("its hash is another"));
}

static void who_may_not_read_the_log_is_told_so(void **state)
{
    (void)state;
    stage.read_only = true;
    stage_key(&stage, "7");
    stage_run(&stage, 200000);
    assert_true(seen("the role manager may read the log"));
}

/* The clock in the header, what lists and pages say, what is typed. */
static void all_times_are_of_one_zone(void **state)
{
    (void)state;
    setenv("TZ", "CET-1", 1);
    tzset();
    stage_key(&stage, "7");
    stage_run(&stage, 200000);
    assert_true(seen("when         2026-11-23 12:00:00Z"));
    tui_app_execute(&stage.app, AION_STR("set tz local"));
    assert_true(seen("13:00:05 lag"));
    assert_true(seen(">2026-11-23 13:00:00 ana"));
    assert_true(seen("when         2026-11-23 13:00:00"));
    assert_false(seen("13:00:00Z"));
    tui_app_execute(&stage.app, AION_STR("at 13:00:02"));
    assert_true(seen("PAUSED at 13:00:02"));
    assert_true(tui_model_at(&stage.app.model) == STAGE_START_US + 2 * SECOND);
    setenv("TZ", "UTC", 1);
    tzset();
}

static void two_instants_are_compared(void **state)
{
    (void)state;
    stage_run(&stage, 20 * SECOND);
    tui_app_execute(&stage.app, AION_STR("at 12:00:10"));
    stage_key(&stage, "=");
    tui_app_execute(&stage.app, AION_STR("at 12:00:20"));
    stage_key(&stage, "2");
    assert_true(seen("minus 12:00:10Z"));
    assert_true(seen("+"));
    stage_key(&stage, "=");
    assert_false(seen("minus 12:00:10Z"));
}

/* -- giving out ------------------------------------------------------------ */

static void rows_are_copied_and_exported(void **state)
{
    (void)state;
    stage_key(&stage, "2");
    show();
    stage_key(&stage, "y");
    assert_string_equal(stage.copied, "chat/hybrid");
    stage_key(&stage, "space");
    stage_key(&stage, "space");
    stage_key(&stage, "y");
    assert_non_null(strstr(stage.copied, "embed/local"));
    assert_null(strstr(stage.copied, "invoice/local"));
    tui_app_execute(&stage.app, AION_STR("export csv routes.csv"));
    assert_string_equal(stage.saved_path, "routes.csv");
    assert_true(strncmp(stage.saved, "route,tasks_per_s,p50_us,p95_us", 31) == 0);
    stage_key(&stage, "u");
    tui_app_execute(&stage.app, AION_STR("export json"));
    assert_non_null(strstr(stage.saved_path, "aion-routes-20261123-120005.json"));
    assert_non_null(strstr(stage.saved, "\"route\":\"vision/local\""));
    tui_app_execute(&stage.app, AION_STR("export text taken"));
    assert_true(seen("there is a file of this name"));
    tui_app_execute(&stage.app, AION_STR("export xml"));
    assert_true(seen("none of csv, json, text"));
}

/* Nobody shall paste what stood there before. */
static void what_is_not_copied_is_not_said_to_be(void **state)
{
    (void)state;
    stage_run(&stage, 10 * SECOND);
    stage_key(&stage, "3");
    stage_run(&stage, SECOND);
    size_t count;
    const struct tui_item *items = tui_app_items(&stage.app, &count);
    for (size_t i = 0; i < count; i++)
        tui_list_mark(&stage.app.views[2].panes[1].list, items[i].key, true);
    stage_key(&stage, "y");
    assert_true(seen("nothing was copied: it takes less"));
    assert_string_equal(stage.copied, "");
}

static void the_mouse_is_off_until_it_is_wanted(void **state)
{
    const struct tui_event click = {.kind = TUI_EVENT_MOUSE, .button = 0, .y = 3, .x = 5};
    (void)state;
    stage_key(&stage, "2");
    show();
    tui_app_event(&stage.app, &click, stage.now);
    assert_string_equal(stage.app.views[1].panes[0].list.cursor, "chat/hybrid");
    tui_app_execute(&stage.app, AION_STR("set mouse on"));
    tui_app_event(&stage.app, &click, stage.now);
    assert_string_equal(stage.app.views[1].panes[0].list.cursor, "embed/local");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(digits_and_names_open_views),
        TEST(every_view_stands_at_every_size),
        TEST(enter_leads_deeper_and_esc_back),
        TEST(a_task_is_followed_to_its_end),
        TEST(a_filter_narrows_while_it_is_typed),
        TEST(control_sends_less_only_where_it_means_the_same),
        TEST(the_palette_completes_and_explains),
        TEST(every_command_has_a_sentence_and_its_keys_are_its_own),
        TEST(the_help_lists_what_there_is),
        TEST(keys_can_be_given_other_commands),
        TEST(a_wrong_value_changes_nothing),
        TEST(the_footer_offers_what_works_now),
        TEST(answers_of_now_are_said_to_be_of_now),
        TEST(a_paste_outside_of_a_field_is_ignored),
        TEST(too_many_keys_at_once_are_a_paste),
        TEST(leaving_by_ctrl_c_takes_two),
        TEST(a_lost_control_is_seen_and_found_again),
        TEST(a_silent_control_is_stale_then_lost_within_a_second),
        TEST(who_asks_for_less_waits_longer),
        TEST(who_was_stopped_does_not_call_control_lost),
        TEST(what_a_person_waits_for_is_drawn_when_it_comes),
        TEST(who_does_not_look_is_sent_less),
        TEST(nothing_new_is_nothing_to_draw),
        TEST(who_does_nothing_is_woken_once_a_second),
        TEST(pausing_holds_the_screen_while_data_comes),
        TEST(cells_of_the_past_are_those_that_were_live),
        TEST(steps_and_times_move_all_views),
        TEST(what_is_not_kept_here_is_asked_of_control),
        TEST(the_log_is_read_as_it_was),
        TEST(a_broken_chain_is_told),
        TEST(who_may_not_read_the_log_is_told_so),
        TEST(all_times_are_of_one_zone),
        TEST(two_instants_are_compared),
        TEST(rows_are_copied_and_exported),
        TEST(what_is_not_copied_is_not_said_to_be),
        TEST(the_mouse_is_off_until_it_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
