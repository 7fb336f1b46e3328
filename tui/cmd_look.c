/* Commands that choose what is seen: views, filter, order, marks. */
#include "command.h"

#include <stdio.h>

void tui_cmd_view(struct tui_app *app, const struct tui_view *view)
{
    for (size_t i = 0; i < TUI_VIEWS; i++)
        if (tui_views[i] == view)
            tui_app_open(app, i);
}

void tui_cmd_palette(struct tui_app *app, aion_str argument)
{
    app->mode = TUI_PALETTE;
    app->choice = 0;
    tui_prompt_set(&app->prompt, argument);
}

void tui_cmd_filter(struct tui_app *app, aion_str argument)
{
    struct tui_filter *filter = &tui_app_state(app)->filter;
    struct aion_err err;
    if (argument.size > 0) {
        if (!tui_filter_set(filter, argument, &err))
            tui_say(app, TUI_WARN, "filter: %s", err.text);
        return;
    }
    app->mode = TUI_NARROW;
    aion_str_copy(app->before, sizeof(app->before), aion_str_of(filter->text));
    tui_prompt_set(&app->prompt, aion_str_of(filter->text));
}

void tui_cmd_help(struct tui_app *app, aion_str argument)
{
    (void)argument;
    app->mode = TUI_HELP;
    app->help.top = 0;
}

/* -- order ----------------------------------------------------------------- */

static void say_order(struct tui_app *app, const struct tui_table *table,
                      const struct tui_list *list)
{
    if (list->sort < 0)
        tui_say(app, TUI_DIM, "in their own order");
    else
        tui_say(app, TUI_DIM, "sorted by %s, %s", tui_column_of(table, (size_t)list->sort).name,
                list->reverse ? "the largest first" : "the smallest first");
}

/* Without a name: the next column that is on the screen, then their own order. */
static int next_sort(const struct tui_table *table, const struct tui_list *list)
{
    for (int i = list->sort + 1; i < (int)table->count; i++) {
        struct tui_column column = tui_column_of(table, (size_t)i);
        if (!column.hidden && column.unit != TUI_TREND)
            return i;
    }
    return -1;
}

void tui_cmd_sort(struct tui_app *app, aion_str argument)
{
    const struct tui_table *table = tui_app_pane(app)->table;
    struct tui_list *list = &tui_app_pane_state(app)->list;
    int column = argument.size > 0 ? tui_column_index(table, argument) : next_sort(table, list);
    if (argument.size > 0 && column < 0) {
        tui_say(app, TUI_WARN, "%s has no column \"%.*s\"", table->name,
                AION_STR_ARG(argument));
        return;
    }
    list->sort = column;
    list->reverse = column >= 0 && tui_column_of(table, (size_t)column).unit != TUI_TEXT;
    say_order(app, table, list);
}

void tui_cmd_reverse(struct tui_app *app, aion_str argument)
{
    struct tui_list *list = &tui_app_pane_state(app)->list;
    (void)argument;
    list->reverse = !list->reverse;
    say_order(app, tui_app_pane(app)->table, list);
}

void tui_columns_complete(struct tui_app *app, struct tui_choices *out)
{
    const struct tui_table *table = tui_app_pane(app)->table;
    for (size_t i = 0; table != NULL && i < table->count && out->count < TUI_CHOICES_MAX; i++) {
        struct tui_column column = tui_column_of(table, i);
        if (!column.hidden && column.unit != TUI_TREND)
            out->words[out->count++] = column.name;
    }
}

bool tui_can_follow(struct tui_app *app)
{
    const struct tui_pane *pane = tui_app_pane(app);
    const struct tui_pane_state *state = tui_app_pane_state(app);
    if (pane->kind == TUI_PAGE)
        return pane->follows && !state->page.follows;
    return pane->kind == TUI_LIST && pane->table->newest_first && state->list.held;
}

void tui_cmd_follow(struct tui_app *app, aion_str argument)
{
    struct tui_pane_state *state = tui_app_pane_state(app);
    (void)argument;
    if (tui_on_page(app))
        tui_page_end(&state->page);
    state->list.held = false;
    state->list.top = 0;
}

/* -- marks ----------------------------------------------------------------- */

void tui_cmd_mark(struct tui_app *app, aion_str argument)
{
    struct tui_list *list = &tui_app_pane_state(app)->list;
    aion_str key = aion_str_of(list->cursor);
    (void)argument;
    if (!tui_list_mark(list, key, !tui_list_marked(list, key)))
        tui_say(app, TUI_WARN, "%d rows are marked: that is the most", TUI_MARKS_MAX);
    aion_str_copy(list->anchor, sizeof(list->anchor), key);
    tui_cmd_down(app, (aion_str){0});
}

void tui_cmd_mark_range(struct tui_app *app, aion_str argument)
{
    struct tui_list *list = &tui_app_pane_state(app)->list;
    size_t count;
    const struct tui_item *items = tui_app_items(app, &count);
    (void)argument;
    if (items != NULL)
        tui_list_mark_range(list, items, count);
}

void tui_cmd_unmark(struct tui_app *app, aion_str argument)
{
    struct tui_list *list = &tui_app_pane_state(app)->list;
    (void)argument;
    list->mark_count = 0;
    list->anchor[0] = '\0';
}
