/* The preview of an action: what it is about, what it will do, why, and the confirmation.
 *
 * Nothing happens by a key that was meant for something else: input is ignored for 300 ms after
 * opening, Enter never confirms, the confirming key is not the one that asked, a paste does not
 * confirm, and what cannot be undone wants its name typed. */
#include "action.h"

#include <stdio.h>

enum { DEAF_US = 300000, BOX_COLS = 78, REASON_LEAST = 3 };

/* -- opening --------------------------------------------------------------- */

static bool add_target(struct tui_dialog *dialog, aion_str key)
{
    if (dialog->target_count == TUI_TARGETS_MAX)
        return false;
    return aion_str_copy(dialog->targets[dialog->target_count++], TUI_LIST_KEY_MAX, key);
}

/* The first list of the view that shows the action's table. */
static struct tui_pane_state *list_of(struct tui_app *app, const struct tui_table *table,
                                      const struct tui_pane **ret_pane)
{
    const struct tui_view *view = tui_app_view(app);
    for (size_t i = 0; i < view->pane_count; i++)
        if (view->panes[i].kind == TUI_LIST && view->panes[i].table == table) {
            *ret_pane = &view->panes[i];
            return &tui_app_state(app)->panes[i];
        }
    return NULL;
}

static void take_rows(struct tui_app *app, const struct tui_action *action)
{
    const struct tui_pane *pane = NULL;
    struct tui_pane_state *state = list_of(app, action->table, &pane);
    struct tui_scene scene = tui_app_scene(app);
    size_t count = 0;
    if (state == NULL || scene.cursors == NULL)
        return;
    if (state->list.mark_count == 0) {
        if (state->list.shown > 0)
            add_target(&app->dialog, aion_str_of(state->list.cursor));
        return;
    }
    const struct tui_item *items =
        tui_table_items(pane->table, &scene, NULL, -1, false, &count);
    for (size_t i = 0; i < count; i++)
        if (tui_list_marked(&state->list, items[i].key))
            add_target(&app->dialog, items[i].key);
}

void tui_dialog_open(struct tui_app *app, const struct tui_action *action, aion_str target)
{
    struct tui_dialog *dialog = &app->dialog;
    const char *forbidden = tui_app_forbidden(app);
    if (dialog->running) {
        tui_say(app, TUI_WARN, "one action at a time: the one before is under way");
        return;
    }
    if (forbidden != NULL) {
        tui_say(app, TUI_WARN, "%s: %s", action->verb, forbidden);
        return;
    }
    *dialog = (struct tui_dialog){.action = action,
                                  .targets = dialog->targets,
                                  .asked = app->key,
                                  .opened_us = app->now.mono_us};
    if (action->table == NULL)
        dialog->targets[dialog->target_count++][0] = '\0';
    else if (target.size > 0)
        add_target(dialog, target);
    else
        take_rows(app, action);
    if (dialog->target_count == 0) {
        tui_say(app, TUI_WARN, "%s: no row is chosen", action->verb);
        return;
    }
    app->mode = TUI_DIALOG;
    action->look(app, dialog->targets[0]);
}

/* -- confirming ------------------------------------------------------------ */

/* What must be typed; "" = one key is enough. */
static void wanted_text(const struct tui_dialog *dialog, char *out, size_t size)
{
    const char *target = dialog->targets[0];
    size_t length = strlen(target);
    out[0] = '\0';
    if (dialog->target_count > 1)
        snprintf(out, size, "%s %zu", dialog->action->verb, dialog->target_count);
    else if (!dialog->action->reversible)
        snprintf(out, size, "%s %s", dialog->action->verb,
                 length > 4 ? target + length - 4 : target);
}

static uint32_t confirming_key(const struct tui_dialog *dialog)
{
    return dialog->asked == 'y' ? 'o' : 'y';
}

static size_t ended(const struct tui_dialog *dialog)
{
    return dialog->done + dialog->refused + dialog->unknown;
}

static void run_next(struct tui_app *app)
{
    struct tui_dialog *dialog = &app->dialog;
    dialog->running = true;
    dialog->action->run(app, dialog->targets[ended(dialog)], dialog->reason.text);
}

static void confirmed(struct tui_app *app)
{
    struct tui_dialog *dialog = &app->dialog;
    if (dialog->action->asks_reason && dialog->reason.size < REASON_LEAST) {
        dialog->in_confirm = false;
        dialog->confirm.size = dialog->confirm.at = 0;
        tui_say(app, TUI_WARN, "a reason comes first: it goes into the record");
        return;
    }
    dialog->result[0] = '\0';
    run_next(app);
}

static void confirm_key(struct tui_app *app, uint32_t key)
{
    struct tui_dialog *dialog = &app->dialog;
    char wanted[64];
    wanted_text(dialog, wanted, sizeof(wanted));
    if (wanted[0] == '\0') {
        if (key == confirming_key(dialog))
            confirmed(app);
        return;
    }
    tui_prompt_key(&dialog->confirm, key);
    if (aion_str_is(tui_prompt_text(&dialog->confirm), wanted))
        confirmed(app);
}

static void close_dialog(struct tui_app *app)
{
    app->mode = TUI_NORMAL;
    if (app->dialog.running)
        tui_say(app, TUI_DIM, "goes on; its result is told here");
}

void tui_dialog_key(struct tui_app *app, uint32_t key)
{
    struct tui_dialog *dialog = &app->dialog;
    if (app->now.mono_us - dialog->opened_us < DEAF_US)
        return;
    if (key == TUI_KEY_ESCAPE || key == (TUI_KEY_CTRL | 'c')) {
        close_dialog(app);
        return;
    }
    if (dialog->running)
        return;
    if (ended(dialog) > 0) {
        close_dialog(app); /* the result was seen */
        return;
    }
    if (key == TUI_KEY_TAB || key == (TUI_KEY_TAB | TUI_KEY_SHIFT) || key == TUI_KEY_DOWN ||
        key == TUI_KEY_UP)
        dialog->in_confirm = !dialog->in_confirm;
    else if (key == TUI_KEY_ENTER)
        dialog->in_confirm = true; /* on to the next field; never more */
    else if (dialog->in_confirm)
        confirm_key(app, key);
    else
        tui_prompt_key(&dialog->reason, key);
}

void tui_dialog_paste(struct tui_app *app, aion_str text)
{
    struct tui_dialog *dialog = &app->dialog;
    if (app->now.mono_us - dialog->opened_us < DEAF_US || dialog->running)
        return;
    if (dialog->in_confirm)
        tui_say(app, TUI_WARN, "a confirmation is typed, not pasted");
    else
        tui_prompt_paste(&dialog->reason, text);
}

/* -- the end of a call ----------------------------------------------------- */

/* Whoever does not answer may have done it all the same. */
static bool is_unknown(const struct aion_err *err)
{
    return err->code == AION_UNAVAILABLE || err->code == AION_DEADLINE ||
           err->code == AION_CANCELLED || err->code == AION_UNKNOWN;
}

static void tell_many(struct tui_dialog *dialog, const struct aion_err *err)
{
    char unknown[48] = "";
    if (dialog->unknown > 0)
        snprintf(unknown, sizeof(unknown), ", %zu without an answer", dialog->unknown);
    snprintf(dialog->result, sizeof(dialog->result), "of %zu: %zu done, %zu refused%s%s%.150s",
             dialog->target_count, dialog->done, dialog->refused, unknown,
             err != NULL ? ": " : "", err != NULL ? err->text : "");
}

static void tell(struct tui_app *app, const struct aion_err *err)
{
    struct tui_dialog *dialog = &app->dialog;
    const ProtobufCMessage *answer = tui_answer(&app->answers, TUI_ASK_ACTION);
    if (dialog->target_count > 1)
        tell_many(dialog, err);
    else if (err != NULL && is_unknown(err))
        snprintf(dialog->result, sizeof(dialog->result),
                 "NO ANSWER, so it is not known whether it was done: %.150s", err->text);
    else if (err != NULL)
        snprintf(dialog->result, sizeof(dialog->result), "REFUSED: %.180s%s%.40s", err->text,
                 err->reason[0] != '\0' ? " " : "", err->reason);
    else if (answer != NULL)
        dialog->action->tell(answer, dialog->result, sizeof(dialog->result));
    else
        snprintf(dialog->result, sizeof(dialog->result), "done");
    dialog->result_role = dialog->refused + dialog->unknown > 0 ? TUI_ALARM : TUI_GOOD;
}

void tui_dialog_ended(struct tui_app *app, const struct aion_err *err)
{
    struct tui_dialog *dialog = &app->dialog;
    if (!dialog->running)
        return;
    dialog->done += err == NULL;
    dialog->unknown += err != NULL && is_unknown(err);
    dialog->refused += err != NULL && !is_unknown(err);
    tell(app, err);
    if (ended(dialog) < dialog->target_count) {
        run_next(app);
        return;
    }
    dialog->running = false;
    if (app->mode != TUI_DIALOG)
        tui_say(app, dialog->result_role, "%s: %s", dialog->action->verb, dialog->result);
    for (size_t ask = TUI_ASK_TASKS; ask < TUI_ASK_ACTION; ask++)
        app->answers.list[ask].at_us = 0; /* what was listed may have changed */
}

/* -- drawing --------------------------------------------------------------- */

static void draw_confirm(struct tui_canvas *canvas, struct tui_rect rect, int y,
                         const struct tui_dialog *dialog)
{
    char wanted[64], key[TUI_KEY_NAME_SIZE];
    wanted_text(dialog, wanted, sizeof(wanted));
    enum tui_role role = dialog->in_confirm ? TUI_ACCENT : TUI_DIM;
    if (wanted[0] == '\0') {
        tui_key_name(key, confirming_key(dialog));
        tui_putf(canvas, rect, y, 0, role, "%s: %s it%s", key, dialog->action->verb,
                 dialog->in_confirm ? "" : "   (tab first)");
    } else {
        int x = tui_putf(canvas, rect, y, 0, role, "type \"%s\" to do it: ", wanted);
        tui_prompt_draw(canvas, rect, y, x, 24, &dialog->confirm, dialog->in_confirm);
    }
    tui_put_field(canvas, rect, y, rect.cols - 22, 22, true, TUI_DIM,
                  AION_STR("esc: change nothing"));
}

static void draw_fields(struct tui_canvas *canvas, struct tui_rect rect,
                        const struct tui_dialog *dialog)
{
    if (dialog->running) {
        tui_putf(canvas, rect, 2, 0, TUI_WARN, "under way: %zu of %zu", ended(dialog),
                 dialog->target_count);
    } else if (ended(dialog) > 0) {
        tui_put(canvas, rect, 2, 0, TUI_DIM, AION_STR("any key closes"));
    } else {
        int x = tui_put(canvas, rect, 1, 0, TUI_DIM, AION_STR("reason ")) + 6;
        tui_prompt_draw(canvas, rect, 1, x, rect.cols - x, &dialog->reason,
                        !dialog->in_confirm);
        draw_confirm(canvas, rect, 2, dialog);
    }
    tui_put(canvas, rect, 0, 0, dialog->result_role, aion_str_of(dialog->result));
}

void tui_dialog_draw(struct tui_app *app, struct tui_canvas *canvas)
{
    const struct tui_dialog *dialog = &app->dialog;
    struct tui_rect all = tui_canvas_rect(canvas);
    int cols = all.cols - 2 < BOX_COLS ? all.cols - 2 : BOX_COLS;
    struct tui_lines lines = {.arena = &app->arena, .width = cols - 4};
    struct tui_scene scene = tui_app_scene(app);
    struct tui_page page = {.top = 0};
    dialog->action->preview(app, &scene, &lines);
    tui_line_pair(&lines, "undo", "%s", dialog->action->undo);
    int rows = (int)lines.count + 6;
    rows = rows > all.rows - 4 ? all.rows - 4 : rows;
    struct tui_rect box = {(all.rows - rows) / 2, (all.cols - cols) / 2, rows, cols};
    struct tui_rect inner =
        tui_put_box(canvas, box, aion_str_of(dialog->action->title), AION_STR("PREVIEW"));
    struct tui_rect fields = tui_rect_bottom(&inner, 3);
    inner.x--; /* pages have a column of their own in front */
    inner.cols++;
    tui_page_draw(canvas, inner, &page, &lines, NULL);
    draw_fields(canvas, fields, dialog);
}
