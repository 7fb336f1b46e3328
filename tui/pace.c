/* When to draw, how often to ask, what the silence of control means. Pure: of the app and of
 * time.
 *
 * Who does nothing is to cost nothing, so every reason to wake up is joined with another where
 * it can be: the clock waits a moment for the frame that ends its second, and whoever is not
 * looked at is drawn when a frame comes. */
#include "app.h"

enum {
    SECOND_US = 1000000,
    IDLE_US = 5 * 60 * SECOND_US, /* without a key: nobody looks */
    STALE_US = 800000,            /* a word of control is late ... */
    STALE_SLOW_US = 2500000,      /* ... of one frame a second */
    LOST_US = 950000,             /* and more than late: within a second of its end */
    LOST_SLOW_US = 3 * SECOND_US, /* two words are missing */
    CONNECT_US = 5 * SECOND_US,   /* until the first word */
    CLOCK_LATE_US = 30000,        /* the clock's second may be shown so late */
    CLOCK_SLOW_US = 1500000,      /* ... where nobody looks */
};

/* -- fresh or not ---------------------------------------------------------- */

/* Between two frames; what is longer makes the numbers old. Control speaks twice a second, or
 * once if it is asked for one frame. */
static int64_t silence_us(const struct tui_app *app)
{
    return app->asked_hz > 1 ? STALE_US : STALE_SLOW_US;
}

/* A stream that has not said a word yet may still be on its way. Who was stopped itself gives
 * control as long again: what it said meanwhile waits to be read. */
int64_t tui_app_lost_us(const struct tui_app *app)
{
    int64_t since = app->slept_us > app->model.heard_us ? app->slept_us : app->model.heard_us;
    if (!app->model.open)
        return since + CONNECT_US;
    return since + (app->asked_hz > 1 ? LOST_US : LOST_SLOW_US);
}

enum tui_fresh tui_app_fresh(const struct tui_app *app)
{
    return tui_model_fresh(&app->model, app->now, silence_us(app));
}

int64_t tui_app_silence_us(const struct tui_app *app, struct tui_time now)
{
    int64_t stale = app->model.heard_us + silence_us(app) + 1;
    if (!app->answers.list[TUI_ASK_WATCH].pending)
        return INT64_MAX; /* lost already */
    return app->model.open && stale > now.mono_us ? stale : tui_app_lost_us(app);
}

/* -- how often ------------------------------------------------------------- */

static bool is_watched(const struct tui_app *app)
{
    return app->wish.plain || (app->focused && app->now.mono_us - app->key_us < IDLE_US);
}

unsigned tui_app_rate(const struct tui_app *app)
{
    if (!is_watched(app))
        return 1;
    return app->settings.rate_hz < 10 ? app->settings.rate_hz : 10;
}

int64_t tui_app_pace_us(const struct tui_app *app)
{
    if (!is_watched(app))
        return SECOND_US;
    if (app->blocked)
        return SECOND_US / 2;
    return SECOND_US / (int64_t)app->settings.rate_hz;
}

/* -- when ------------------------------------------------------------------ */

bool tui_app_changed(const struct tui_app *app, struct tui_time now)
{
    return app->redraw || app->model.version != app->drawn_version ||
           tui_model_now(&app->model, now) / SECOND_US != app->drawn_second ||
           tui_model_fresh(&app->model, now, silence_us(app)) != app->drawn_fresh;
}

/* A frame that comes a little before its time is not put off: that would be a wake-up more. */
static int64_t ripe_us(const struct tui_app *app)
{
    int64_t pace = tui_app_pace_us(app);
    return app->drawn_us + pace - pace / 16;
}

bool tui_app_ripe(const struct tui_app *app, struct tui_time now)
{
    return app->due || (now.mono_us >= ripe_us(app) && tui_app_changed(app, now));
}

int64_t tui_app_next_us(const struct tui_app *app, struct tui_time now)
{
    int64_t clock = SECOND_US - tui_model_now(&app->model, now) % SECOND_US;
    int64_t next = now.mono_us + clock + CLOCK_LATE_US;
    if (!is_watched(app))
        return app->drawn_us + CLOCK_SLOW_US;
    if (tui_app_changed(app, now))
        next = now.mono_us;
    return next > ripe_us(app) ? next : ripe_us(app);
}
