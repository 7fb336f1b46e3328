/* Header and footer: who, where, when, how fresh, and the keys that work now. */
#include "command.h"

#include <inttypes.h>
#include <stdio.h>

enum { SECOND_US = 1000000, COLS_WIDE = 120 };

/* "12:04:31Z", or local time without the Z. */
static void clock_text(const struct tui_app *app, int64_t utc_us, char out[TUI_FORMAT_SIZE])
{
    size_t size = tui_format_clock(out, utc_us, app->settings.local_time);
    if (!app->settings.local_time)
        snprintf(out + size, TUI_FORMAT_SIZE - size, "Z");
}

/* -- how fresh ------------------------------------------------------------- */

/* What must not be overlooked; "" when all is as it should be. */
static void alarm_text(struct tui_app *app, char *out, size_t size)
{
    const struct tui_model *model = &app->model;
    char at[TUI_FORMAT_SIZE], ago[TUI_FORMAT_SIZE], base[TUI_FORMAT_SIZE];
    enum tui_fresh fresh = tui_app_fresh(app);
    size_t used = 0;
    out[0] = '\0';
    int64_t since = fresh == TUI_STALE
                        ? (app->now.mono_us - model->heard_us + SECOND_US / 2) / SECOND_US
                        : (app->now.mono_us - model->lost_us) / SECOND_US;
    if (fresh == TUI_DISCONNECTED)
        used += (size_t)snprintf(out, size, "DISCONNECTED %" PRId64 " s ", since);
    else if (fresh == TUI_STALE)
        used += (size_t)snprintf(out, size, "STALE %" PRId64 " s ", since);
    if (model->wanted_us != 0) {
        clock_text(app, model->wanted_us, at);
        used += (size_t)snprintf(out + used, size - used, "ASKING FOR %s ", at);
    }
    if (!tui_model_is_live(model)) {
        int64_t behind = tui_model_now(model, app->now) - tui_model_at(model);
        clock_text(app, tui_model_at(model), at);
        tui_format(ago, TUI_AGE, behind > 0 ? behind / SECOND_US * SECOND_US : 0);
        used += (size_t)snprintf(out + used, size - used, "PAUSED at %s, %s ago ", at, ago);
    }
    if (model->comparing) {
        clock_text(app, model->base.at_us, base);
        snprintf(out + used, size - used, "minus %s ", base);
    }
}

/* -- the header ------------------------------------------------------------ */

/* "[2]Router" for the open one, and all the others where there is room. */
static int put_views(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect,
                     int x, enum tui_role bar)
{
    bool all = rect.cols - x >= 86; /* what their titles need */
    for (size_t i = 0; i < TUI_VIEWS; i++) {
        if (i == app->view)
            x = tui_putf(canvas, rect, 0, x, bar == TUI_BAR ? TUI_BAR_ON : bar, "[%zu]%s ",
                         i + 1, tui_views[i]->title);
        else if (all)
            x = tui_putf(canvas, rect, 0, x, bar, "%zu %s ", i + 1, tui_views[i]->title);
    }
    return x;
}

/* Where we are: what the detail is about, and the filter. */
static void put_crumbs(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect,
                       int x, enum tui_role bar)
{
    const struct tui_view_state *state = tui_app_state(app);
    const struct tui_view *view = tui_app_view(app);
    const char *cursor = state->panes[view->first].list.cursor;
    size_t size = strlen(cursor);
    if (state->detail && size == 36) /* a task's id */
        x = tui_putf(canvas, rect, 0, x, bar, "> %.8s..%s ", cursor, cursor + 32);
    else if (state->detail && size > 0)
        x = tui_putf(canvas, rect, 0, x, bar, "> %.40s ", cursor);
    if (state->filter.text[0] != '\0')
        tui_putf(canvas, rect, 0, x, bar, "/%s ", state->filter.text);
}

/* How late frames come, as long as they come. */
static void right_text(struct tui_app *app, char *out, size_t size)
{
    const struct tui_model *model = &app->model;
    const char *recording = app->recording ? " REC" : "";
    char at[TUI_FORMAT_SIZE];
    clock_text(app, tui_model_now(model, app->now), at);
    if (tui_app_fresh(app) != TUI_FRESH)
        snprintf(out, size, "%s%s ", at, recording);
    else
        snprintf(out, size, "%s lag %" PRId64 ".%" PRId64 "s%s ", at, model->lag_us / SECOND_US,
                 model->lag_us % SECOND_US / 100000, recording);
}

void tui_frame_header(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect)
{
    const struct tui_hello *hello = &app->model.hello;
    char alarm[160], right[64];
    alarm_text(app, alarm, sizeof(alarm));
    right_text(app, right, sizeof(right));
    enum tui_role bar = alarm[0] != '\0' ? TUI_BAR_ALARM : TUI_BAR;
    tui_role_row(canvas, rect, 0, bar);
    tui_put_run(canvas, rect, 0, 0, rect.cols, bar, ' ');
    int x = tui_put(canvas, rect, 0, 1, bar, AION_STR("AION "));
    int end = rect.cols - tui_text_width(aion_str_of(right));
    if (alarm[0] != '\0')
        x = tui_put(canvas, rect, 0, x, bar, aion_str_of(alarm)) + 1;
    if (hello->subject[0] != '\0' && (alarm[0] == '\0' || rect.cols >= 100))
        x = tui_putf(canvas, rect, 0, x, bar, "%s  %s %s  ", hello->environment, hello->subject,
                     hello->read_only ? "RO" : "RW");
    else if (alarm[0] == '\0')
        x = tui_put(canvas, rect, 0, x, bar, AION_STR("connecting ..."));
    struct tui_rect left = {rect.y, rect.x, 1, end - 1};
    x = put_views(app, canvas, left, x + 1, bar);
    put_crumbs(app, canvas, left, x, bar);
    tui_put(canvas, rect, 0, end, bar, aion_str_of(right));
}

/* -- the footer ------------------------------------------------------------ */

/* Losses are always said where there is room for it, so that nobody has to know that no word
 * means none. */
static void state_text(struct tui_app *app, int cols, char *out, size_t size)
{
    const struct tui_list *list = &tui_app_pane_state(app)->list;
    const struct tui_records *records = &app->model.records;
    size_t used = 0;
    out[0] = '\0';
    if (tui_filter_slow(&tui_app_state(app)->filter))
        used += (size_t)snprintf(out, size, "FILTER TOO SLOW, hides nothing  ");
    if (list->mark_count > 0)
        used += (size_t)snprintf(out + used, size - used, "%zu marked  ", list->mark_count);
    if (list->held && list->unseen > 0)
        used += (size_t)snprintf(out + used, size - used, "%zu new  ", list->unseen);
    if (app->model.dropped > 0 || cols >= COLS_WIDE)
        used += (size_t)snprintf(out + used, size - used, "dropped %" PRIu64 "  ",
                                 app->model.dropped);
    if (records->sampled > 0)
        used += (size_t)snprintf(out + used, size - used, "sampled  ");
    const struct tui_view *view = tui_app_view(app);
    bool seen = view->wants_detail == 0 || tui_app_state(app)->detail;
    if (!tui_model_is_live(&app->model) && view->present != NULL && seen)
        snprintf(out + used, size - used, "OF NOW: %s ", view->present);
    else if (tui_model_is_live(&app->model) && tui_app_fresh(app) == TUI_FRESH)
        snprintf(out + used, size - used, "LIVE %u Hz ", app->asked_hz);
}

/* The next command for the footer behind (rank, place); NULL: none is left. */
static const struct tui_command *next_command(struct tui_app *app, unsigned rank,
                                              const struct tui_command *after)
{
    const struct tui_command *best = NULL;
    for (size_t i = 0; i < tui_command_count; i++) {
        const struct tui_command *command = &tui_commands[i];
        bool behind = command->rank > rank || (command->rank == rank && command > after);
        if (command->footer == NULL || !behind || (best != NULL && command->rank >= best->rank))
            continue;
        if (command->usable == NULL || command->usable(app))
            best = command;
    }
    return best;
}

static void put_keys(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect,
                     int end)
{
    const struct tui_command *command = NULL;
    char key[TUI_KEY_NAME_SIZE];
    unsigned rank = 0;
    int x = 1;
    while ((command = next_command(app, rank, command)) != NULL) {
        rank = command->rank;
        tui_command_key(app, command, key);
        int width = (int)(strlen(key) + strlen(command->footer)) + 2;
        bool sign = key[1] == '\0' && strchr("?:/[=", key[0]) != NULL;
        if (key[0] == '\0')
            continue;
        if (x + width > end)
            break;
        x = tui_put(canvas, rect, 0, x, TUI_BAR_ON, aion_str_of(key));
        x = tui_putf(canvas, rect, 0, x, TUI_BAR, "%s%s ", sign ? "" : ":", command->footer);
    }
}

/* The keys of what lies above the view; NULL: nothing does. */
static const char *mode_keys(const struct tui_app *app)
{
    const struct tui_dialog *dialog = &app->dialog;
    switch (app->mode) {
    case TUI_HELP:
        return "j k pgup pgdn:scroll  any other key:close";
    case TUI_MENU:
        return "a letter:preview  any other key:close";
    case TUI_DIALOG:
        return dialog->running ? "esc:close, it goes on"
               : dialog->done + dialog->refused + dialog->unknown > 0
                   ? "any key:close"
                   : "tab:field  esc:change nothing";
    case TUI_NORMAL:
    case TUI_PALETTE:
    case TUI_NARROW:
    case TUI_QUITTING:
        break;
    }
    return NULL;
}

void tui_frame_footer(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect)
{
    char state[160];
    state_text(app, rect.cols, state, sizeof(state));
    tui_put_run(canvas, rect, 0, 0, rect.cols, TUI_BAR, ' ');
    int end = rect.cols - tui_text_width(aion_str_of(state));
    if (app->mode == TUI_QUITTING)
        tui_put(canvas, rect, 0, 1, TUI_ALARM,
                AION_STR("an action is under way: Y leaves all the same, any other key stays"));
    else if (app->message.until_us > app->now.mono_us)
        tui_put(canvas, rect, 0, 1, app->message.role, aion_str_of(app->message.text));
    else if (mode_keys(app) != NULL)
        tui_put(canvas, rect, 0, 1, TUI_BAR, aion_str_of(mode_keys(app)));
    else
        put_keys(app, canvas, rect, end - 1);
    tui_put(canvas, rect, 0, end, TUI_BAR, aion_str_of(state));
}
