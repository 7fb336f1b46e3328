/* Commands that move in time: all views together. */
#include "command.h"

enum { SECOND_US = 1000000, MINUTE_S = 60 };

bool tui_is_past(struct tui_app *app)
{
    return !tui_model_is_live(&app->model);
}

/* Also in the present, when a list does not follow what is newest. */
bool tui_can_go_live(struct tui_app *app)
{
    return tui_is_past(app) || tui_can_follow(app);
}

void tui_cmd_pause(struct tui_app *app, aion_str argument)
{
    (void)argument;
    if (tui_is_past(app))
        tui_model_go_live(&app->model);
    else
        tui_model_pause(&app->model);
}

void tui_cmd_live(struct tui_app *app, aion_str argument)
{
    struct tui_view_state *state = tui_app_state(app);
    (void)argument;
    if (tui_can_follow(app))
        tui_cmd_follow(app, argument);
    tui_ask_drop(&app->answers, TUI_ASK_AT);
    tui_model_go_live(&app->model);
    for (size_t i = 0; i < tui_app_view(app)->pane_count; i++)
        state->panes[i].list.held = false;
}

void tui_cmd_at(struct tui_app *app, aion_str argument)
{
    int64_t at_us;
    if (!tui_parse_time(argument, tui_model_now(&app->model, app->now),
                        app->settings.local_time, &at_us)) {
        tui_say(app, TUI_WARN, "\"%.*s\" is no time: 11:55, 11:55:07, -5m",
                AION_STR_ARG(argument));
        return;
    }
    tui_session_seek(app, at_us);
}

/* From a time that is asked for already, when it has not come yet. */
static void step(struct tui_app *app, int64_t seconds)
{
    int64_t from = app->model.wanted_us != 0 ? app->model.wanted_us : tui_model_at(&app->model);
    if (from == 0)
        return;
    int64_t to = from / SECOND_US * SECOND_US + seconds * SECOND_US;
    tui_session_seek(app, to);
}

void tui_cmd_second_back(struct tui_app *app, aion_str argument)
{
    (void)argument;
    step(app, -1);
}

void tui_cmd_second_on(struct tui_app *app, aion_str argument)
{
    (void)argument;
    step(app, 1);
}

void tui_cmd_minute_back(struct tui_app *app, aion_str argument)
{
    (void)argument;
    step(app, -MINUTE_S);
}

void tui_cmd_minute_on(struct tui_app *app, aion_str argument)
{
    (void)argument;
    step(app, MINUTE_S);
}

void tui_cmd_compare(struct tui_app *app, aion_str argument)
{
    (void)argument;
    tui_model_compare(&app->model, !app->model.comparing);
    if (app->model.comparing)
        tui_say(app, TUI_DIM, "numbers are differences to this instant; = again ends it");
}
