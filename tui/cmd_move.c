/* Commands that move: the cursor, the keys' pane, deeper and back. */
#include "command.h"

/* -- where are we? --------------------------------------------------------- */

bool tui_on_list(struct tui_app *app)
{
    return tui_app_pane(app)->kind == TUI_LIST;
}

bool tui_on_page(struct tui_app *app)
{
    return tui_app_pane(app)->kind == TUI_PAGE;
}

bool tui_on_row(struct tui_app *app)
{
    return tui_on_list(app) && tui_app_pane_state(app)->list.shown > 0;
}

/* Where enter shows something else: another view, or panes that are hidden now. */
bool tui_can_open(struct tui_app *app)
{
    struct tui_rect list[TUI_PANES_MAX] = {{0}}, detail[TUI_PANES_MAX] = {{0}};
    const struct tui_view *view = tui_app_view(app);
    view->place(app->body, false, list);
    view->place(app->body, true, detail);
    return tui_on_row(app) &&
           (tui_app_pane(app)->leads_to != NULL || memcmp(list, detail, sizeof(list)) != 0);
}

bool tui_can_go_back(struct tui_app *app)
{
    const struct tui_view_state *state = tui_app_state(app);
    return state->detail || state->filter.text[0] != '\0' || app->trail_count > 0;
}

/* -- the cursor ------------------------------------------------------------ */

static void move(struct tui_app *app, enum tui_move move, int64_t rows)
{
    struct tui_pane_state *state = tui_app_pane_state(app);
    size_t count;
    if (tui_on_page(app)) {
        tui_page_scroll(&state->page, rows);
        return;
    }
    const struct tui_item *items = tui_app_items(app, &count);
    if (items != NULL)
        tui_list_move(&state->list, move, items, count);
}

static int64_t page_rows(struct tui_app *app)
{
    size_t rows = tui_app_pane_state(app)->page.rows;
    return rows > 1 ? (int64_t)rows - 1 : 1;
}

void tui_cmd_up(struct tui_app *app, aion_str argument)
{
    (void)argument;
    move(app, TUI_MOVE_UP, -1);
}

void tui_cmd_down(struct tui_app *app, aion_str argument)
{
    (void)argument;
    move(app, TUI_MOVE_DOWN, 1);
}

void tui_cmd_page_up(struct tui_app *app, aion_str argument)
{
    (void)argument;
    move(app, TUI_MOVE_PAGE_UP, -page_rows(app));
}

void tui_cmd_page_down(struct tui_app *app, aion_str argument)
{
    (void)argument;
    move(app, TUI_MOVE_PAGE_DOWN, page_rows(app));
}

void tui_cmd_first(struct tui_app *app, aion_str argument)
{
    (void)argument;
    move(app, TUI_MOVE_FIRST, -TUI_LINES_MAX);
}

void tui_cmd_last(struct tui_app *app, aion_str argument)
{
    (void)argument;
    move(app, TUI_MOVE_LAST, TUI_LINES_MAX);
}

static void match(struct tui_app *app, bool back)
{
    struct tui_pane_state *state = tui_app_pane_state(app);
    const struct tui_filter *filter = &tui_app_state(app)->filter;
    if (filter->count == 0)
        tui_say(app, TUI_DIM, "/ first says what to look for");
    else if (!tui_page_next(&state->page, &state->lines, filter, back))
        tui_say(app, TUI_DIM, "no line matches /%s", filter->text);
}

void tui_cmd_next_match(struct tui_app *app, aion_str argument)
{
    (void)argument;
    match(app, false);
}

void tui_cmd_previous_match(struct tui_app *app, aion_str argument)
{
    (void)argument;
    match(app, true);
}

/* -- panes ----------------------------------------------------------------- */

static void next_pane(struct tui_app *app, size_t step)
{
    struct tui_view_state *state = tui_app_state(app);
    const struct tui_view *view = tui_app_view(app);
    size_t at = state->focus;
    for (size_t i = 0; i < view->pane_count; i++) {
        at = (at + step) % view->pane_count;
        if (view->panes[at].kind != TUI_FIGURE && state->panes[at].rect.rows > 0)
            break;
    }
    state->focus = at;
}

void tui_cmd_next_pane(struct tui_app *app, aion_str argument)
{
    (void)argument;
    next_pane(app, 1);
}

void tui_cmd_previous_pane(struct tui_app *app, aion_str argument)
{
    (void)argument;
    next_pane(app, tui_app_view(app)->pane_count - 1);
}

/* -- deeper and back ------------------------------------------------------- */

/* The view's filter becomes "NAME:VALUE". */
static void narrow_to(struct tui_app *app, const char *name, aion_str value)
{
    char text[TUI_FILTER_MAX];
    struct aion_err err;
    snprintf(text, sizeof(text), "%s:\"%.*s\"", name, AION_STR_ARG(value));
    if (!tui_filter_set(&tui_app_state(app)->filter, aion_str_of(text), &err))
        tui_say(app, TUI_WARN, "filter: %s", err.text);
}

static aion_str lead_value(struct tui_app *app, const struct tui_pane *pane,
                           const struct tui_item *item)
{
    struct tui_scene scene = tui_app_scene(app);
    struct tui_value value;
    int column = pane->leads_column != NULL
                     ? tui_column_index(pane->table, aion_str_of(pane->leads_column))
                     : -1;
    if (column < 0)
        return item->key;
    tui_table_value(pane->table, &scene, item, (size_t)column, &value);
    return value.text;
}

static void lead(struct tui_app *app, const struct tui_pane *pane, const struct tui_item *item)
{
    aion_str value = lead_value(app, pane, item);
    int view = tui_view_index(aion_str_of(pane->leads_to));
    if (view < 0)
        return;
    tui_app_open(app, (size_t)view);
    struct tui_view_state *state = tui_app_state(app);
    state->focus = tui_app_view(app)->first;
    if (pane->leads_by != NULL) {
        narrow_to(app, pane->leads_by, value);
    } else {
        tui_filter_done(&state->filter);
        tui_list_go(&state->panes[state->focus].list, value);
    }
}

/* Pages that begin at their end are there again. */
static void open_detail(struct tui_app *app)
{
    struct tui_view_state *state = tui_app_state(app);
    const struct tui_view *view = tui_app_view(app);
    state->detail = true;
    for (size_t i = view->pane_count; i-- > 0;)
        if (view->panes[i].kind == TUI_PAGE)
            state->panes[i].page.follows = view->panes[i].follows;
}

void tui_cmd_enter(struct tui_app *app, aion_str argument)
{
    const struct tui_pane *pane = tui_app_pane(app);
    size_t count;
    const struct tui_item *items = tui_app_items(app, &count);
    const struct tui_item *item = tui_list_item(&tui_app_pane_state(app)->list, items, count);
    (void)argument;
    if (item == NULL)
        return;
    tui_list_hold(&tui_app_pane_state(app)->list, items, count);
    if (pane->leads_to != NULL)
        lead(app, pane, item);
    else
        open_detail(app);
}

void tui_cmd_back(struct tui_app *app, aion_str argument)
{
    (void)argument;
    tui_app_back(app);
}
