#include "app.h"

#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HISTORY_BYTES_MAX = 8 * 1024 * 1024,
    FRAME_ARENA_MAX = 16 * 1024 * 1024,
    SCRATCH_SIZE = 1024 * 1024,
    PAGE_ARENA_MAX = 8 * 1024 * 1024,
    MESSAGE_US = 5000000,
    PASTE_US = 100000,
    SECOND_US = 1000000,
    ASLEEP_US = 2 * SECOND_US, /* the loop comes by once a second */
};

const char *const tui_theme_names[TUI_THEMES] = {"dark", "light", "deuteranopia", "tritanopia",
                                                 "mono"};

/* -- life ------------------------------------------------------------------ */

static void init_view(struct tui_view_state *state, const struct tui_view *view)
{
    state->focus = view->first;
    for (size_t i = 0; i < view->pane_count; i++) {
        tui_list_init(&state->panes[i].list);
        state->panes[i].page.follows = view->panes[i].follows;
        aion_arena_init(&state->panes[i].arena, PAGE_ARENA_MAX, NULL, 0);
    }
}

bool tui_app_init(struct tui_app *app, const struct tui_port *port, struct tui_time now)
{
    memset(app, 0, sizeof(*app));
    app->port = port;
    app->now = now;
    app->focused = true;
    app->key_us = now.mono_us;
    app->settings.rate_hz = 10;
    app->scratch = malloc(SCRATCH_SIZE);
    aion_arena_init(&app->arena, FRAME_ARENA_MAX, app->scratch,
                    app->scratch != NULL ? SCRATCH_SIZE : 0);
    tui_answers_init(&app->answers, port);
    tui_bindings_reset(app);
    for (size_t i = 0; i < TUI_VIEWS; i++)
        init_view(&app->views[i], tui_views[i]);
    app->dialog.targets = calloc(TUI_TARGETS_MAX, sizeof(*app->dialog.targets));
    return tui_model_init(&app->model, HISTORY_BYTES_MAX) && app->dialog.targets != NULL;
}

void tui_app_done(struct tui_app *app)
{
    for (size_t i = 0; i < TUI_VIEWS; i++) {
        tui_filter_done(&app->views[i].filter);
        for (size_t k = 0; k < tui_views[i]->pane_count; k++)
            aion_arena_done(&app->views[i].panes[k].arena);
    }
    free(app->dialog.targets);
    tui_answers_done(&app->answers);
    tui_model_done(&app->model);
    aion_arena_done(&app->arena);
    free(app->scratch);
}

void tui_say(struct tui_app *app, enum tui_role role, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(app->message.text, sizeof(app->message.text), fmt, args);
    va_end(args);
    app->message.role = role;
    app->message.until_us = app->now.mono_us + MESSAGE_US;
    app->model.version++;
}

/* -- what is looked at ----------------------------------------------------- */

struct tui_scene tui_app_scene(struct tui_app *app)
{
    const struct tui_view *view = tui_app_view(app);
    struct tui_view_state *state = tui_app_state(app);
    const char **cursors = aion_arena_array(&app->arena, TUI_PANES_MAX, sizeof(const char *));
    for (size_t i = 0; cursors != NULL && i < TUI_PANES_MAX; i++)
        cursors[i] = i < view->pane_count ? state->panes[i].list.cursor : "";
    return (struct tui_scene){.model = &app->model,
                              .picture = app->model.shown,
                              .base = app->model.comparing ? &app->model.base : NULL,
                              .answers = &app->answers,
                              .now = app->now,
                              .local_time = app->settings.local_time,
                              .cursors = (const char *const *)cursors,
                              .filter = &state->filter,
                              .arena = &app->arena};
}

const struct tui_item *tui_app_items(struct tui_app *app, size_t *ret_count)
{
    const struct tui_pane *pane = tui_app_pane(app);
    const struct tui_list *list = &tui_app_pane_state(app)->list;
    struct tui_scene scene = tui_app_scene(app);
    *ret_count = 0;
    if (pane->kind != TUI_LIST || scene.cursors == NULL)
        return NULL;
    return tui_table_items(pane->table, &scene, &tui_app_state(app)->filter, list->sort,
                           list->reverse, ret_count);
}

const char *tui_app_forbidden(const struct tui_app *app)
{
    if (tui_app_fresh(app) == TUI_DISCONNECTED || tui_app_fresh(app) == TUI_CONNECTING)
        return "there is no connection to control";
    if (app->model.hello.read_only)
        return "your role may change nothing";
    return NULL;
}

/* -- moving between views -------------------------------------------------- */

void tui_app_open(struct tui_app *app, size_t view)
{
    if (view >= TUI_VIEWS)
        return;
    if (view != app->view) {
        if (app->trail_count == TUI_TRAIL_MAX) {
            memmove(&app->trail[0], &app->trail[1],
                    (TUI_TRAIL_MAX - 1) * sizeof(app->trail[0]));
            app->trail_count--;
        }
        app->trail[app->trail_count++] = app->view;
    }
    app->view = view;
    app->model.version++;
}

bool tui_app_back(struct tui_app *app)
{
    struct tui_view_state *state = tui_app_state(app);
    app->model.version++;
    if (state->filter.text[0] != '\0') {
        tui_filter_done(&state->filter);
        return true;
    }
    if (state->detail) {
        state->detail = false;
        state->focus = tui_app_view(app)->first;
        tui_ask_drop(&app->answers, TUI_ASK_OUTPUT);
        return true;
    }
    if (app->trail_count == 0)
        return false;
    app->view = app->trail[--app->trail_count];
    return true;
}

/* -- keys ------------------------------------------------------------------ */

static bool is_typing(const struct tui_app *app)
{
    return app->mode == TUI_PALETTE || app->mode == TUI_NARROW || app->mode == TUI_DIALOG;
}

/* More keys than hands have, in a tenth of a second, outside of a field: text that was meant
 * for another window. It is ignored until there is a pause. */
static bool is_paste(struct tui_app *app)
{
    int64_t now = app->now.mono_us;
    int64_t oldest = app->seen_us[app->seen_at];
    if (is_typing(app)) {
        memset(app->seen_us, 0, sizeof(app->seen_us));
        return false;
    }
    app->seen_us[app->seen_at] = now;
    app->seen_at = (app->seen_at + 1) % TUI_KEYS_SEEN;
    if (oldest > 0 && now - oldest < PASTE_US && app->deaf_until_us < now)
        tui_say(app, TUI_WARN, "more than %d keys in 0.1 s: taken for a paste and ignored",
                TUI_KEYS_SEEN);
    if (oldest > 0 && now - oldest < PASTE_US)
        app->deaf_until_us = now + PASTE_US;
    if (now < app->deaf_until_us) {
        app->deaf_until_us = now + PASTE_US;
        return true;
    }
    return false;
}

static void normal_key(struct tui_app *app, uint32_t key)
{
    const struct tui_binding *binding = tui_binding_of(app, key);
    char name[TUI_KEY_NAME_SIZE];
    if (binding == NULL) {
        tui_key_name(name, key);
        tui_say(app, TUI_DIM, "%s does nothing; ? shows the keys", name);
    } else if (binding->command->view != NULL) {
        tui_cmd_view(app, binding->command->view);
    } else if (binding->command->usable == NULL || binding->command->usable(app)) {
        binding->command->run(app, aion_str_of(binding->argument));
    } else {
        tui_say(app, TUI_DIM, "%s: not here", binding->command->name);
    }
}

/* Any key but the scrolling ones leaves the help. */
static void help_key(struct tui_app *app, uint32_t key)
{
    const struct tui_binding *binding = tui_binding_of(app, key);
    int64_t page = (int64_t)app->help.rows;
    void (*run)(struct tui_app * app_, aion_str argument) =
        binding != NULL ? binding->command->run : NULL;
    if (run == tui_cmd_up || run == tui_cmd_down)
        tui_page_scroll(&app->help, run == tui_cmd_up ? -1 : 1);
    else if (run == tui_cmd_page_up || run == tui_cmd_page_down)
        tui_page_scroll(&app->help, run == tui_cmd_page_up ? -page : page);
    else
        app->mode = TUI_NORMAL;
}

static void quitting_key(struct tui_app *app, uint32_t key)
{
    app->mode = app->dialog.running ? TUI_DIALOG : TUI_NORMAL;
    if (key == 'Y')
        app->quit = true;
    else
        tui_say(app, TUI_DIM, "stays");
}

static void on_key(struct tui_app *app, uint32_t key)
{
    app->key = key;
    app->key_us = app->now.mono_us;
    app->focused = true; /* whoever types looks, whatever the terminal said */
    app->model.version++;
    if (is_paste(app))
        return;
    if (app->mode != TUI_QUITTING)
        app->message.until_us = 0;
    switch (app->mode) {
    case TUI_NORMAL:
        normal_key(app, key);
        break;
    case TUI_PALETTE:
    case TUI_NARROW:
        tui_palette_key(app, key);
        break;
    case TUI_MENU:
        tui_menu_key(app, key);
        break;
    case TUI_DIALOG:
        tui_dialog_key(app, key);
        break;
    case TUI_HELP:
        help_key(app, key);
        break;
    case TUI_QUITTING:
        quitting_key(app, key);
        break;
    }
}

static void on_paste(struct tui_app *app, aion_str text)
{
    app->model.version++;
    if (app->mode == TUI_PALETTE || app->mode == TUI_NARROW)
        tui_prompt_paste(&app->prompt, text);
    else if (app->mode == TUI_DIALOG)
        tui_dialog_paste(app, text);
    else
        tui_say(app, TUI_WARN, "a paste is taken in fields only");
}

static bool inside(struct tui_rect rect, int y, int x)
{
    return y >= rect.y && y < rect.y + rect.rows && x >= rect.x && x < rect.x + rect.cols;
}

/* A click gives the pane the keys and moves the cursor; the wheel moves by three. */
static void on_mouse(struct tui_app *app, const struct tui_event *event)
{
    struct tui_view_state *state = tui_app_state(app);
    const struct tui_view *view = tui_app_view(app);
    size_t count;
    if (!app->settings.mouse || app->mode != TUI_NORMAL)
        return;
    app->model.version++;
    for (size_t i = 0; i < view->pane_count; i++)
        if (view->panes[i].kind != TUI_FIGURE &&
            inside(state->panes[i].rect, event->y, event->x))
            state->focus = i;
    if (event->button >= 64) {
        for (int i = 0; i < 3; i++)
            event->button == 64 ? tui_cmd_up(app, (aion_str){0})
                                : tui_cmd_down(app, (aion_str){0});
        return;
    }
    struct tui_pane_state *pane = tui_app_pane_state(app);
    const struct tui_item *items = tui_app_items(app, &count);
    if (items != NULL)
        tui_list_point(&pane->list, event->y - pane->rect.y, items, count);
}

void tui_app_event(struct tui_app *app, const struct tui_event *event, struct tui_time now)
{
    app->now = now;
    aion_arena_reset(&app->arena);
    switch (event->kind) {
    case TUI_EVENT_KEY:
        on_key(app, event->key);
        break;
    case TUI_EVENT_PASTE:
        on_paste(app, event->text);
        break;
    case TUI_EVENT_FOCUS:
        app->focused = event->on;
        app->key_us = now.mono_us;
        break;
    case TUI_EVENT_MOUSE:
        on_mouse(app, event);
        break;
    case TUI_EVENT_SYNCED:
        break; /* the terminal's business */
    }
}

void tui_app_tick(struct tui_app *app, struct tui_time now)
{
    if (now.mono_us - app->now.mono_us > ASLEEP_US)
        app->slept_us = now.mono_us;
    app->now = now;
    aion_arena_reset(&app->arena);
    tui_session_tick(app);
}

/* -- messages -------------------------------------------------------------- */

/* Who has just pressed a key waits for what it asked: that is drawn when it comes. Streams go
 * on at their pace. */
static void answered(struct tui_app *app, enum tui_ask ask)
{
    bool streams = ask == TUI_ASK_WATCH || ask == TUI_ASK_WINDOW || ask == TUI_ASK_OUTPUT;
    app->due |= !streams && app->now.mono_us - app->key_us < SECOND_US;
}

void tui_app_message(struct tui_app *app, uint64_t id, const ProtobufCMessage *message,
                     struct tui_time now)
{
    enum tui_ask ask = tui_ask_of(&app->answers, id);
    app->now = now;
    if (ask == TUI_ASKS)
        return;
    answered(app, ask);
    app->answers.list[ask].err.code = AION_OK; /* a stream that was refused before goes on */
    if (tui_session_message(app, ask, message))
        return;
    tui_ask_answered(&app->answers, ask, message);
    app->model.version++;
}

void tui_app_ended(struct tui_app *app, uint64_t id, const struct aion_err *err,
                   struct tui_time now)
{
    enum tui_ask ask = tui_ask_of(&app->answers, id);
    app->now = now;
    if (ask == TUI_ASKS)
        return;
    answered(app, ask);
    tui_ask_ended(&app->answers, ask, err);
    tui_session_ended(app, ask, err);
    app->model.version++;
}
