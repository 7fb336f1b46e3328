/* Goal: no order of keys, sizes, pastes, clicks, frames and breakdowns spoils memory, the
 * screen or the app's own word. Method: all of them at random on a stage whose names are
 * hostile, for three seconds, or sixty when AION_TEST_LONG is set; the seed is printed,
 * AION_TEST_SEED sets it. */
#include "tui_test.h"

#include "command.h"
#include "stage.h"

#include "base/clock.h"
#include "base/rand.h"

enum { SECOND = 1000000 };

static struct stage stage;
static struct tui_canvas canvas;
static struct aion_rand dice;

static uint64_t below(uint64_t bound)
{
    return aion_rand_below(&dice, bound);
}

/* -- what people do -------------------------------------------------------- */

static void any_key(void)
{
    static const uint32_t special[] = {TUI_KEY_ENTER,     TUI_KEY_ESCAPE,
                                       TUI_KEY_TAB,       TUI_KEY_TAB | TUI_KEY_SHIFT,
                                       TUI_KEY_UP,        TUI_KEY_DOWN,
                                       TUI_KEY_BACKSPACE, TUI_KEY_END,
                                       TUI_KEY_HOME,      ' ',
                                       TUI_KEY_CTRL | ' '};
    struct tui_event event = {.kind = TUI_EVENT_KEY};
    uint64_t what = below(10);
    if (what < 5 && stage.app.binding_count > 0)
        event.key = stage.app.bindings[below(stage.app.binding_count)].key;
    else if (what < 8)
        event.key = special[below(aion_countof(special))];
    else
        event.key = what < 9 ? (uint32_t)(' ' + below(95)) : (uint32_t)below(0x110000 + 64);
    tui_app_event(&stage.app, &event, stage.now);
}

static void a_line(void)
{
    static const char *const lines[] = {
        "sort p95",         "theme light",       "set ascii on",
        "set ascii off",    "set graphs blocks", "at -5m",
        "at 09:00",         "export csv",        "export json x y",
        "cancel",           "cancel x",          "drain",
        "reload",           "filter ~(a|b)*c",   "filter state:~^[A-Z]",
        "filter !a",        "filter tenant:x",   "sweep-preview",
        "set mouse on",     "set colors 16",     "at 11:59",
        "bind z second-on", "set tz local",      "live",
        "unbind q"};
    tui_app_execute(&stage.app, aion_str_of(lines[below(aion_countof(lines))]));
}

static void another_event(void)
{
    char bytes[64];
    size_t size = below(sizeof(bytes));
    struct tui_event event = {.kind = TUI_EVENT_PASTE, .text = aion_str_n(bytes, size)};
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)below(256);
    uint64_t what = below(3);
    if (what == 1)
        event = (struct tui_event){.kind = TUI_EVENT_FOCUS, .on = below(2) != 0};
    else if (what == 2)
        event = (struct tui_event){.kind = TUI_EVENT_MOUSE,
                                   .button = below(2) != 0 ? 0 : (int)(64 + below(2)),
                                   .y = (int)below(120),
                                   .x = (int)below(400)};
    tui_app_event(&stage.app, &event, stage.now);
}

/* -- what control does ----------------------------------------------------- */

static int64_t any_number(void)
{
    static const int64_t edges[] = {0, -1, 1, INT64_MAX, INT64_MIN, 1000000, 4294967296};
    return below(3) == 0 ? edges[below(aion_countof(edges))] : (int64_t)below(5000000);
}

/* A frame of the live stream that no control would send. */
static void a_strange_frame(void)
{
    struct aion_arena arena;
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    Aion__V1__OpsFrame frame = AION__V1__OPS_FRAME__INIT;
    Aion__V1__OpsEntity entities[8], *entity_list[8];
    Aion__V1__OpsRow rows[16], *row_list[16], *most_list[16];
    uint32_t gone[4];
    int64_t values[16][40];
    char keys[8][32];
    const struct tui_answer *watch = &stage.app.answers.list[TUI_ASK_WATCH];
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    for (size_t i = 0; i < 8; i++) {
        aion__v1__ops_entity__init(&entities[i]);
        snprintf(keys[i], sizeof(keys[i]), "k%c%llu", (int)(1 + below(254)),
                 (unsigned long long)below(40));
        entities[i].id = (uint32_t)(below(10) == 0 ? below(UINT32_MAX) : below(60));
        entities[i].kind = (Aion__V1__OpsKind)below(14);
        entities[i].key = keys[i];
        entity_list[i] = &entities[i];
    }
    for (size_t i = 0; i < 16; i++) {
        aion__v1__ops_row__init(&rows[i]);
        rows[i].entity = (uint32_t)below(80);
        rows[i].changed = below(2) == 0 ? 0 : aion_rand_u64(&dice);
        rows[i].n_values = below(40);
        rows[i].values = values[i];
        for (size_t k = 0; k < 40; k++)
            values[i][k] = any_number();
        row_list[i] = most_list[i] = &rows[i];
    }
    for (size_t i = 0; i < 4; i++)
        gone[i] = (uint32_t)below(100);
    frame.at_us = below(4) == 0 ? any_number() : stage.now.utc_us / SECOND * SECOND;
    frame.span_ms = (uint32_t)(below(3) == 0 ? below(UINT32_MAX) : 1000);
    frame.full = below(8) == 0;
    frame.n_entities = below(9);
    frame.entities = entity_list;
    frame.n_rows = below(17);
    frame.rows = row_list;
    frame.n_most = below(17);
    frame.most = most_list;
    frame.n_gone = below(5);
    frame.gone = gone;
    reply.server_us = below(4) == 0 ? any_number() : stage.now.utc_us;
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
    reply.frame = &frame;
    if (watch->pending)
        tui_app_message(&stage.app, watch->id, &reply.base, stage.now);
    aion_arena_done(&arena);
}

static void a_breakdown(void)
{
    stage.down = below(4) == 0;
    stage.silent = below(4) == 0;
    stage.read_only = below(6) == 0;
}

static void draw(void)
{
    if (below(10) == 0)
        tui_canvas_resize(&canvas, (int)(1 + below(110)), (int)(1 + below(330)));
    tui_app_draw(&stage.app, &canvas, stage.now);
    assert_clean(&canvas);
    stage.app.quit = stage.app.suspend = stage.app.redraw = false;
}

static void one_step(void)
{
    uint64_t what = below(100);
    if (what < 60)
        any_key();
    else if (what < 68)
        a_line();
    else if (what < 74)
        another_event();
    else if (what < 80)
        a_strange_frame();
    else if (what < 82)
        a_breakdown();
    else if (what < 97)
        stage_run(&stage, (int64_t)below(400000));
    else
        stage_run(&stage, (int64_t)below(3 * SECOND));
    draw();
}

static void anything_in_any_order(void **state)
{
    const struct world_conf conf = {.seed = 5, .hostile = true};
    const char *given = getenv("AION_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)aion_clock_utc_us();
    int64_t until =
        aion_clock_mono_us() + (getenv("AION_TEST_LONG") != NULL ? 60 : 3) * (int64_t)SECOND;
    unsigned long steps = 0;
    (void)state;
    printf("AION_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    aion_rand_seed(&dice, seed);
    stage_init(&stage, &conf);
    tui_canvas_resize(&canvas, 40, 140);
    for (; aion_clock_mono_us() < until; steps++)
        one_step();
    printf("%lu steps\n", steps);
    stage_done(&stage);
    tui_canvas_done(&canvas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(anything_in_any_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
