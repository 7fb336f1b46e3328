/* A whole screen: header, the panes of the view, footer, and what lies above them. */
#include "command.h"

enum { ROWS_MIN = 16, COLS_MIN = 60 };

static void draw_page(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect,
                      const struct tui_pane *pane, struct tui_pane_state *state,
                      const struct tui_scene *scene)
{
    uint64_t stamp = pane->stamp != NULL ? pane->stamp(scene) * 2 + 1 : 0;
    if (stamp == 0 || stamp != state->stamp || state->lines.width != rect.cols - 2) {
        aion_arena_reset(&state->arena);
        state->lines = (struct tui_lines){.arena = &state->arena, .width = rect.cols - 2};
        pane->lines(scene, &state->lines);
        state->stamp = stamp;
    }
    tui_page_draw(canvas, rect, &state->page, &state->lines, &tui_app_state(app)->filter);
}

static void draw_pane(struct tui_app *app, struct tui_canvas *canvas, size_t index,
                      struct tui_rect rect, const struct tui_scene *scene)
{
    const struct tui_pane *pane = &tui_app_view(app)->panes[index];
    struct tui_pane_state *state = &tui_app_state(app)->panes[index];
    bool focused = tui_app_state(app)->focus == index;
    state->rect = rect;
    if (rect.rows <= 0 || rect.cols <= 0)
        return;
    if (pane->kind == TUI_LIST) {
        tui_list_draw(canvas, rect, pane->table, &state->list, scene,
                      &tui_app_state(app)->filter, focused);
        return;
    }
    if (!pane->bare) {
        aion_str right = aion_str_of(pane->subtitle != NULL ? pane->subtitle(scene) : NULL);
        tui_put_rule(canvas, tui_rect_top(&rect, 1), 0, aion_str_of(pane->title), right,
                     focused);
    }
    if (pane->kind == TUI_PAGE)
        draw_page(app, canvas, rect, pane, state, scene);
    else
        pane->figure(canvas, rect, scene);
}

static bool can_focus(const struct tui_app *app, const struct tui_rect *rects, size_t index)
{
    return tui_app_view(app)->panes[index].kind != TUI_FIGURE && rects[index].rows > 0;
}

/* A pane that is hidden now gives the keys to the first one that is not. */
static void keep_focus(struct tui_app *app, const struct tui_rect *rects)
{
    struct tui_view_state *state = tui_app_state(app);
    if (can_focus(app, rects, state->focus))
        return;
    state->focus = tui_app_view(app)->first;
    for (size_t i = 0; i < tui_app_view(app)->pane_count; i++)
        if (!can_focus(app, rects, state->focus) && can_focus(app, rects, i))
            state->focus = i;
}

static void draw_body(struct tui_app *app, struct tui_canvas *canvas, struct tui_rect rect)
{
    struct tui_rect rects[TUI_PANES_MAX] = {{0}};
    struct tui_scene scene = tui_app_scene(app);
    const struct tui_view *view = tui_app_view(app);
    app->body = rect;
    if (scene.cursors == NULL)
        return;
    view->place(rect, tui_app_state(app)->detail, rects);
    keep_focus(app, rects);
    for (size_t i = 0; i < view->pane_count; i++)
        draw_pane(app, canvas, i, rects[i], &scene);
    enum tui_fresh fresh = tui_app_fresh(app);
    if (fresh == TUI_STALE || fresh == TUI_DISCONNECTED || app->model.wanted_us != 0)
        tui_flag_all(canvas, rect, TUI_OLD);
}

static void draw_small(struct tui_canvas *canvas, struct tui_rect rect)
{
    tui_putf(canvas, rect, rect.rows / 2, 1, TUI_WARN, "%dx%d: needs %dx%d", rect.cols,
             rect.rows, COLS_MIN, ROWS_MIN);
}

void tui_app_draw(struct tui_app *app, struct tui_canvas *canvas, struct tui_time now)
{
    struct tui_rect rect = tui_canvas_rect(canvas);
    app->now = now;
    app->due = false;
    app->drawn_version = app->model.version;
    app->drawn_us = now.mono_us;
    app->drawn_second = tui_model_now(&app->model, now) / 1000000;
    app->drawn_fresh = tui_app_fresh(app);
    aion_arena_reset(&app->arena);
    canvas->ascii = app->settings.ascii;
    canvas->blocks = app->settings.blocks;
    tui_canvas_clear(canvas);
    if (rect.rows < ROWS_MIN || rect.cols < COLS_MIN) {
        draw_small(canvas, rect);
        return;
    }
    tui_frame_header(app, canvas, tui_rect_top(&rect, 1));
    struct tui_rect footer = tui_rect_bottom(&rect, 1);
    if (app->mode == TUI_HELP)
        tui_help_draw(app, canvas, rect);
    else
        draw_body(app, canvas, rect);
    tui_frame_footer(app, canvas, footer);
    if (app->mode == TUI_PALETTE || app->mode == TUI_NARROW)
        tui_palette_draw(app, canvas);
    else if (app->mode == TUI_MENU)
        tui_menu_draw(app, canvas);
    else if (app->mode == TUI_DIALOG || (app->mode == TUI_QUITTING && app->dialog.running))
        tui_dialog_draw(app, canvas);
}
