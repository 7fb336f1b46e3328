/* The loop: keys, messages, time in; the screen, calls, files out. */
#include "console.h"

#include "cast.h"
#include "feed.h"
#include "terminal.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    SECOND_US = 1000000,
    BLOCKED_US = 50000,      /* a terminal that takes nothing for so long is slow */
    SLOW_US = 2 * SECOND_US, /* and is drawn less often for so long */
    SETTINGS_MAX = 64 * 1024,
};

struct console {
    struct tui_app app;
    struct tui_port port;
    struct tui_input input;
    struct tui_canvas canvas;
    struct tui_term *term;
    struct tui_feed *feed;
    struct tui_settings applied;
    int wake;
    int64_t byte_us;                   /* mono: the last byte that was typed */
    int64_t pending_us, slow_until_us; /* mono: since when the terminal takes nothing */
    bool urgent;                       /* a key: draw at once */
    struct tui_cast cast;
};

static volatile sig_atomic_t resized;
static int wake_fd = -1;

static struct tui_time time_now(void)
{
    return (struct tui_time){aion_clock_mono_us(), aion_clock_utc_us()};
}

static void on_resize(int number)
{
    const uint64_t one = 1;
    int saved = errno;
    (void)number;
    resized = 1;
    if (write(wake_fd, &one, sizeof(one)) < 0)
        resized = 1; /* full: it is awake anyway */
    errno = saved;
}

/* -- the port -------------------------------------------------------------- */

static void port_call(void *user, uint64_t id, enum tui_peer peer,
                      const struct mesh_method *method, const ProtobufCMessage *request)
{
    tui_feed_call(((struct console *)user)->feed, id, peer, method, request);
}

static void port_cancel(void *user, uint64_t id)
{
    tui_feed_cancel(((struct console *)user)->feed, id);
}

static void port_renew(void *user, enum tui_peer peer)
{
    tui_feed_renew(((struct console *)user)->feed, peer);
}

static bool port_copy(void *user, aion_str text, struct aion_err *err)
{
    return tui_term_copy(((struct console *)user)->term, text, err);
}

static bool port_save(void *user, const char *path, aion_str bytes, struct aion_err *err)
{
    (void)user;
    return tui_file_save(path, bytes, err);
}

static bool port_record(void *user, const char *path, struct aion_err *err)
{
    struct console *console = user;
    tui_cast_end(&console->cast);
    return path == NULL || tui_cast_begin(&console->cast, path, console->canvas.rows,
                                          console->canvas.cols, time_now(), err);
}

/* -- what comes in --------------------------------------------------------- */

static void on_event(void *user, const struct tui_event *event)
{
    struct console *console = user;
    if (event->kind == TUI_EVENT_SYNCED && event->on)
        tui_term_synced(console->term);
    tui_app_event(&console->app, event, time_now());
    console->urgent = true;
}

static void on_message(void *user, uint64_t id, const ProtobufCMessage *message)
{
    tui_app_message(&((struct console *)user)->app, id, message, time_now());
}

static void on_ended(void *user, uint64_t id, const struct aion_err *err)
{
    tui_app_ended(&((struct console *)user)->app, id, err, time_now());
}

/* False: the terminal is gone. */
static bool read_keys(struct console *console)
{
    char bytes[4096];
    ssize_t size = read(tui_term_fd(console->term), bytes, sizeof(bytes));
    if (size <= 0)
        return size < 0 && (errno == EAGAIN || errno == EINTR);
    console->byte_us = aion_clock_mono_us();
    tui_input_feed(&console->input, aion_str_n(bytes, (size_t)size), on_event, console);
    return true;
}

static void wait_escape(struct console *console, int64_t now_us)
{
    int64_t wait = tui_input_wait_us(&console->input);
    if (wait > 0 && now_us - console->byte_us >= wait)
        tui_input_flush(&console->input, on_event, console);
}

static void take_feed(struct console *console)
{
    const struct tui_feed_sink sink = {console, on_message, on_ended};
    uint64_t count;
    if (read(console->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
        abort();
    if (console->feed != NULL)
        tui_feed_take(console->feed, &sink);
}

/* -- what goes out --------------------------------------------------------- */

static void lose_recording(struct console *console)
{
    console->app.recording = false;
    tui_say(&console->app, TUI_WARN, "the recording has ended: no room");
}

static void fit(struct console *console)
{
    int rows, cols;
    resized = 0;
    tui_term_size(console->term, &rows, &cols);
    if (!tui_canvas_resize(&console->canvas, rows, cols))
        return;
    tui_term_resize(console->term, rows, cols);
    if (console->app.recording && !tui_cast_size(&console->cast, rows, cols, time_now()))
        lose_recording(console);
    console->app.redraw = true;
    console->urgent = true;
}

static bool same_look(const struct tui_settings *a, const struct tui_settings *b)
{
    return a->theme == b->theme && a->mouse == b->mouse && a->colors == b->colors &&
           a->ascii == b->ascii;
}

static void draw(struct console *console)
{
    struct tui_app *app = &console->app;
    struct tui_time now = time_now();
    if (app->redraw || !same_look(&app->settings, &console->applied)) {
        tui_term_apply(console->term, &app->settings);
        console->applied = app->settings;
    }
    app->redraw = false;
    console->urgent = false;
    tui_app_draw(app, &console->canvas, now);
    tui_term_show(console->term, &console->canvas, &app->settings);
    if (app->recording && !tui_cast_frame(&console->cast, tui_term_shown(console->term), now))
        lose_recording(console);
    tui_term_flush(console->term);
}

/* A terminal that does not keep up is drawn less often for a while. */
static void watch_terminal(struct console *console, int64_t now_us)
{
    if (tui_term_flush(console->term))
        console->pending_us = 0;
    else if (console->pending_us == 0)
        console->pending_us = now_us;
    if (console->pending_us != 0 && now_us - console->pending_us >= BLOCKED_US)
        console->slow_until_us = now_us + SLOW_US;
    console->app.blocked = now_us < console->slow_until_us;
}

static void maybe_draw(struct console *console)
{
    struct tui_time now = time_now();
    watch_terminal(console, now.mono_us);
    if (!tui_term_pending(console->term) &&
        (console->urgent || tui_app_ripe(&console->app, now)))
        draw(console);
}

/* -- the loop -------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Milliseconds until something is to be done without being woken. */
static int wait_ms(struct console *console)
{
    const struct tui_app *app = &console->app;
    struct tui_time now = time_now();
    int64_t until = now.mono_us + BLOCKED_US;
    int64_t escape = tui_input_wait_us(&console->input);
    /* nothing is drawn before the terminal has taken what it has */
    if (!tui_term_pending(console->term))
        until = earlier(tui_app_next_us(app, now), tui_app_silence_us(app, now));
    if (escape > 0)
        until = earlier(until, console->byte_us + escape);
    if (app->retry_us > now.mono_us)
        until = earlier(until, app->retry_us);
    return until <= now.mono_us ? 0 : (int)((until - now.mono_us + 999) / 1000);
}

static void suspend(struct console *console)
{
    console->app.suspend = false;
    tui_term_leave(console->term);
    raise(SIGSTOP);
    tui_term_return(console->term);
    fit(console);
}

static void loop(struct console *console)
{
    while (!console->app.quit) {
        struct pollfd fds[] = {{.fd = tui_term_fd(console->term), .events = POLLIN},
                               {.fd = console->wake, .events = POLLIN}};
        if (tui_term_pending(console->term))
            fds[0].events |= POLLOUT;
        tui_app_tick(&console->app, time_now());
        if (poll(fds, 2, wait_ms(console)) < 0 && errno != EINTR)
            return;
        if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !read_keys(console))
            return;
        wait_escape(console, aion_clock_mono_us());
        take_feed(console);
        if (resized)
            fit(console);
        if (console->app.suspend)
            suspend(console);
        maybe_draw(console);
    }
}

/* -- life ------------------------------------------------------------------ */

static bool read_file(struct console *console, const struct tui_options *options,
                      struct aion_err *err)
{
    struct aion_buf text;
    if (options->settings_file == NULL)
        return true;
    if (!options->settings_named && access(options->settings_file, F_OK) != 0)
        return true;
    aion_buf_init(&text, SETTINGS_MAX);
    bool good =
        aion_file_read(options->settings_file, &text, err) &&
        tui_app_config(&console->app, options->settings_file, aion_buf_view(&text), err);
    aion_buf_done(&text);
    return good;
}

/* What the command line says counts more than the file. */
static bool read_settings(struct console *console, const struct tui_options *options,
                          struct aion_err *err)
{
    char line[64];
    if (!read_file(console, options, err))
        return false;
    if (options->theme == NULL)
        return true;
    snprintf(line, sizeof(line), "theme %.40s", options->theme);
    console->app.message.until_us = 0;
    return tui_app_execute(&console->app, aion_str_of(line)) ||
           aion_fail(err, AION_INVALID, "--theme: %.200s", console->app.message.text);
}

static bool open_feed(struct console *console, const struct tui_options *options,
                      struct aion_err *err)
{
    const struct tui_feed_conf conf = {
        .targets = {options->control, options->router, options->retention},
        .tls = options->tls,
        .wake = console->wake};
    console->feed = tui_feed_start(&conf, err);
    return console->feed != NULL;
}

static bool open_screen(struct console *console, const struct tui_options *options,
                        struct aion_err *err)
{
    const char *no_color = getenv("NO_COLOR");
    const struct tui_term_conf conf = {.color = getenv("COLORTERM"),
                                       .no_color = no_color != NULL && no_color[0] != '\0',
                                       .ascii = options->ascii};
    console->term = tui_term_open(&conf, err);
    if (console->term == NULL)
        return false;
    console->app.settings.ascii |= !tui_term_utf8(console->term);
    signal(SIGWINCH, on_resize);
    signal(SIGPIPE, SIG_IGN);
    fit(console);
    draw(console); /* before anything is connected: it is usable while control is down */
    return true;
}

static void init(struct console *console)
{
    *console = (struct console){.cast.fd = -1, .wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    wake_fd = console->wake;
    console->port = (struct tui_port){.user = console,
                                      .call = port_call,
                                      .cancel = port_cancel,
                                      .renew = port_renew,
                                      .copy = port_copy,
                                      .save = port_save,
                                      .record = port_record};
}

int tui_console_run(const struct tui_options *options)
{
    struct console *console = calloc(1, sizeof(*console));
    struct aion_err err;
    if (console == NULL) {
        fprintf(stderr, "aion console: out of memory\n");
        return 2;
    }
    init(console);
    bool good = (tui_app_init(&console->app, &console->port, time_now()) ||
                 aion_fail(&err, AION_UNAVAILABLE, "out of memory")) &&
                read_settings(console, options, &err) && open_screen(console, options, &err) &&
                open_feed(console, options, &err);
    if (good)
        loop(console);
    tui_feed_stop(console->feed);
    tui_cast_end(&console->cast);
    tui_term_close(console->term);
    if (!good)
        fprintf(stderr, "aion console: %s\n", err.text);
    tui_app_done(&console->app);
    tui_canvas_done(&console->canvas);
    close(console->wake);
    free(console);
    return good ? 0 : 2;
}
