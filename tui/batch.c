#include "batch.h"

#include "app.h"
#include "feed.h"
#include "tables.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    SECOND_US = 1000000,
    PATIENCE_US = 10 * SECOND_US,
    SETTLE_US = 50000, /* at least so long for answers that come besides the first frame */
    LOOK_US = 5000,    /* between two looks whether they are all here */
    OUT_MAX = 64 * 1024 * 1024,
};

struct run {
    const struct tui_batch *batch;
    struct tui_app app;
    struct tui_port port;
    struct tui_feed *feed;
    struct tui_filter filter;
    struct aion_buf out;
    int wake;
    uint64_t printed_event, printed; /* the newest one's ordinal; rows or pictures */
    int64_t printed_us;              /* the picture's instant */
    const struct tui_table *events;  /* that are printed as they come, or NULL */
    bool gone;                       /* nobody reads what we print */
    bool silent;                     /* control says nothing, as was told */
};

static struct tui_time time_now(void)
{
    return (struct tui_time){aion_clock_mono_us(), aion_clock_utc_us()};
}

/* -- names ----------------------------------------------------------------- */

bool tui_batch_knows(const char *what)
{
    return tui_view_index(aion_str_of(what)) >= 0 || tui_table_named(aion_str_of(what)) != NULL;
}

const char *tui_batch_name(size_t index)
{
    if (index < TUI_VIEWS)
        return tui_views[index]->name;
    /* tables of the name of a view are that view's first */
    for (size_t i = 0, left = index - TUI_VIEWS; tui_table_nth(i) != NULL; i++) {
        const struct tui_table *table = tui_table_nth(i);
        bool view = false;
        for (size_t k = 0; k < TUI_VIEWS; k++)
            view = view || strcmp(tui_views[k]->name, table->name) == 0;
        if (!view && left-- == 0)
            return table->name;
    }
    return NULL;
}

/* -- the port -------------------------------------------------------------- */

static void port_call(void *user, uint64_t id, enum tui_peer peer,
                      const struct mesh_method *method, const ProtobufCMessage *request)
{
    tui_feed_call(((struct run *)user)->feed, id, peer, method, request);
}

static void port_cancel(void *user, uint64_t id)
{
    tui_feed_cancel(((struct run *)user)->feed, id);
}

static void port_renew(void *user, enum tui_peer peer)
{
    tui_feed_renew(((struct run *)user)->feed, peer);
}

/* -- printing -------------------------------------------------------------- */

static void flush(struct run *run)
{
    aion_str text = aion_buf_view(&run->out);
    if (text.size > 0 && fwrite(text.data, 1, text.size, stdout) != text.size)
        run->gone = true;
    if (fflush(stdout) != 0)
        run->gone = true;
    aion_buf_reset(&run->out);
}

static struct tui_scene scene_of(struct run *run)
{
    struct tui_scene scene = tui_app_scene(&run->app);
    scene.cursors = NULL; /* no pane chooses for another one */
    return scene;
}

static void put_rows(struct run *run, const struct tui_table *table)
{
    struct tui_scene scene = scene_of(run);
    size_t count;
    const struct tui_item *items =
        tui_table_items(table, &scene, &run->filter, -1, false, &count);
    if (!run->batch->json) {
        tui_export_text(table, &scene, items, count, &run->out);
        return;
    }
    aion_buf_char(&run->out, '[');
    for (size_t i = 0; i < count; i++) {
        aion_buf_text(&run->out, i > 0 ? "," : "");
        tui_export_json(table, &scene, &items[i], &run->out);
    }
    aion_buf_char(&run->out, ']');
}

/* All lists of a view: an object of arrays, or one below the other. Of events only those are
 * known that came while it listens: without `listening`, no list would not mean no event. */
static void put_view(struct run *run, const struct tui_view *view, bool listening)
{
    bool first = true;
    for (size_t i = 0; i < view->pane_count; i++) {
        const struct tui_table *table = view->panes[i].table;
        if (table == NULL || (!listening && tui_is_events_table(table)))
            continue;
        if (run->batch->json)
            aion_buf_printf(&run->out, "%s\"%s\":", first ? "{" : ",", table->name);
        else
            aion_buf_printf(&run->out, "%s%s\n", first ? "" : "\n", table->title);
        put_rows(run, table);
        first = false;
    }
    aion_buf_text(&run->out, run->batch->json ? "}" : "");
}

/* A view's name before a table's: the shape of what is printed goes by the name. */
static void put_all(struct run *run, bool dated)
{
    int view = tui_view_index(aion_str_of(run->batch->what));
    char at[AION_RFC3339_SIZE];
    int64_t at_us = tui_model_at(&run->app.model);
    aion_arena_reset(&run->app.arena);
    if (dated && run->batch->json) {
        aion_clock_rfc3339(at, at_us / SECOND_US, 0);
        aion_buf_printf(&run->out, "{\"at\":\"%s\",\"data\":", at);
    }
    if (view >= 0)
        put_view(run, tui_views[view], dated);
    else
        put_rows(run, tui_table_named(aion_str_of(run->batch->what)));
    if (run->batch->json)
        aion_buf_text(&run->out, dated ? "}\n" : "\n");
    flush(run);
}

/* One line an event, the newest last. */
static void put_event(struct run *run, const struct tui_record *record)
{
    struct tui_scene scene = scene_of(run);
    const struct tui_item item = {record->task_id, record};
    struct tui_value value;
    char text[TUI_FORMAT_SIZE], clean[256];
    if (!tui_table_matches(run->events, &scene, &item, &run->filter))
        return;
    run->printed++;
    if (run->batch->json) {
        tui_export_json(run->events, &scene, &item, &run->out);
        aion_buf_char(&run->out, '\n');
        return;
    }
    for (size_t i = 0; i < run->events->count; i++) {
        struct tui_column column = tui_column_of(run->events, i);
        if (column.shown)
            continue;
        tui_table_value(run->events, &scene, &item, i, &value);
        aion_str shown = tui_value_text(&scene, &value, text);
        size_t size = tui_text_clean(clean, sizeof(clean), shown, (int)sizeof(clean) / 4);
        aion_buf_printf(&run->out, "%s%.*s", i > 0 ? "  " : "", (int)size, clean);
    }
    aion_buf_char(&run->out, '\n');
}

static void put_new_events(struct run *run)
{
    const struct tui_records *records = &run->app.model.records;
    const struct tui_record *record;
    size_t back = 0;
    aion_arena_reset(&run->app.arena);
    while ((record = tui_records_at(records, back)) != NULL &&
           record->ordinal > run->printed_event)
        back++;
    while (back-- > 0) {
        record = tui_records_at(records, back);
        run->printed_event = record->ordinal;
        if (tui_events_table(record->kind) == run->events &&
            (run->batch->count == 0 || run->printed < run->batch->count))
            put_event(run, record);
    }
    flush(run);
}

/* -- the loop -------------------------------------------------------------- */

static void on_message(void *user, uint64_t id, const ProtobufCMessage *message)
{
    struct run *run = user;
    tui_app_message(&run->app, id, message, time_now());
    if (run->events != NULL)
        put_new_events(run);
}

static void on_ended(void *user, uint64_t id, const struct aion_err *err)
{
    tui_app_ended(&((struct run *)user)->app, id, err, time_now());
}

/* Waits until something came, at most `us`. */
static void step(struct run *run, int64_t us)
{
    const struct tui_feed_sink sink = {run, on_message, on_ended};
    struct pollfd fd = {.fd = run->wake, .events = POLLIN};
    uint64_t count;
    tui_app_tick(&run->app, time_now());
    poll(&fd, 1, us > 0 ? (int)(us / 1000) + 1 : 0);
    if (read(run->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
        abort();
    tui_feed_take(run->feed, &sink);
}

/* Control refuses for a reason that waiting does not mend. */
static bool refused(const struct run *run, struct aion_err *err)
{
    const struct tui_answer *watch = &run->app.answers.list[TUI_ASK_WATCH];
    if (watch->err.code == AION_OK || watch->err.code == AION_UNAVAILABLE ||
        watch->err.code == AION_DEADLINE)
        return false;
    *err = watch->err;
    return true;
}

static bool wait_first(struct run *run, struct aion_err *err)
{
    int64_t until = aion_clock_mono_us() + PATIENCE_US;
    while (run->app.model.live.at_us == 0) {
        if (refused(run, err))
            return false;
        if (aion_clock_mono_us() >= until)
            return aion_fail(err, AION_UNAVAILABLE, "control does not answer (%.200s)",
                             run->app.answers.list[TUI_ASK_WATCH].err.text);
        step(run, SECOND_US / 10);
    }
    return true;
}

static bool answers_pending(const struct run *run)
{
    for (size_t ask = TUI_ASK_TASKS; ask < TUI_ASK_ACTION; ask++)
        if (run->app.answers.list[ask].pending)
            return true;
    return run->app.model.wanted_us != 0;
}

/* The first frame is here; the answers to the view's other questions follow. */
static void wait_answers(struct run *run)
{
    int64_t least = aion_clock_mono_us() + SETTLE_US, most = least + PATIENCE_US;
    do
        step(run, LOOK_US);
    while (aion_clock_mono_us() < least ||
           (answers_pending(run) && aion_clock_mono_us() < most));
}

/* -- life ------------------------------------------------------------------ */

/* The view that shows the table, for the sake of what it asks. */
static size_t view_of(const char *what)
{
    int named = tui_view_index(aion_str_of(what));
    const struct tui_table *table = tui_table_named(aion_str_of(what));
    if (named >= 0)
        return (size_t)named;
    for (size_t i = 0; i < TUI_VIEWS; i++)
        for (size_t k = 0; k < tui_views[i]->pane_count; k++)
            if (tui_views[i]->panes[k].table == table)
                return i;
    return 0;
}

static bool begin(struct run *run, const struct tui_batch *batch, struct aion_err *err)
{
    const struct tui_options *mesh = batch->mesh;
    *run = (struct run){.batch = batch, .wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    aion_buf_init(&run->out, OUT_MAX);
    run->port = (struct tui_port){
        .user = run, .call = port_call, .cancel = port_cancel, .renew = port_renew};
    if (!tui_app_init(&run->app, &run->port, time_now()))
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    if (batch->filter != NULL && !tui_filter_set(&run->filter, aion_str_of(batch->filter), err))
        return false;
    const struct tui_feed_conf conf = {
        .targets = {mesh->control, mesh->router, mesh->retention},
        .tls = mesh->tls,
        .wake = run->wake};
    run->app.view = view_of(batch->what);
    run->app.settings.rate_hz = 1;
    run->app.wish.plain = true;
    run->feed = tui_feed_start(&conf, err);
    return run->feed != NULL;
}

static void end(struct run *run)
{
    tui_feed_stop(run->feed);
    tui_filter_done(&run->filter);
    tui_app_done(&run->app);
    aion_buf_done(&run->out);
    close(run->wake);
    free(run);
}

static bool seek(struct run *run, struct aion_err *err)
{
    int64_t at_us;
    if (run->batch->at == NULL)
        return true;
    if (!tui_parse_time(aion_str_of(run->batch->at), tui_model_now(&run->app.model, time_now()),
                        false, &at_us))
        return aion_fail(err, AION_INVALID, "--at: \"%.60s\" is no time: 11:55, 11:55:07, -5m",
                         run->batch->at);
    tui_session_seek(&run->app, at_us);
    wait_answers(run);
    const struct tui_answer *answer = &run->app.answers.list[TUI_ASK_AT];
    if (answer->err.code == AION_OK)
        return true;
    *err = answer->err;
    return false;
}

/* Nothing of it is kept by control. */
static bool is_events_alone(const char *what)
{
    int view = tui_view_index(aion_str_of(what));
    if (view < 0)
        return tui_is_events_table(tui_table_named(aion_str_of(what)));
    for (size_t i = 0; i < tui_views[view]->pane_count; i++) {
        const struct tui_table *table = tui_views[view]->panes[i].table;
        if (table != NULL && !tui_is_events_table(table))
            return false;
    }
    return true;
}

static bool get(struct run *run, struct aion_err *err)
{
    const char *what = run->batch->what;
    if (is_events_alone(what))
        return aion_fail(err, AION_PRECONDITION,
                         "%s is made of events, which control does not keep: aion watch %s "
                         "follows them",
                         what, what);
    if (!wait_first(run, err))
        return false;
    wait_answers(run);
    if (!seek(run, err))
        return false;
    put_all(run, false);
    return true;
}

bool tui_get(const struct tui_batch *batch, struct aion_err *err)
{
    struct run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    bool good = begin(run, batch, err) && get(run, err);
    end(run);
    return good;
}

static bool is_over(const struct run *run)
{
    return run->gone || (run->batch->count > 0 && run->printed >= run->batch->count);
}

/* The newest frame is printed once: numbers that are printed again would look new. */
static void put_due(struct run *run, int64_t *next_us, int64_t every_us)
{
    int64_t now = aion_clock_mono_us(), at_us = tui_model_at(&run->app.model);
    if (now < *next_us || at_us == run->printed_us)
        return;
    put_all(run, true);
    run->printed++;
    run->printed_us = at_us;
    *next_us = *next_us + every_us > now ? *next_us + every_us : now;
}

/* Whoever reads along is told once, and once when it goes on. */
static void tell_silence(struct run *run)
{
    bool silent = tui_app_fresh(&run->app) != TUI_FRESH;
    if (silent && !run->silent)
        fprintf(stderr, "aion watch: control says nothing any more; it is called again\n");
    else if (!silent && run->silent)
        fprintf(stderr, "aion watch: control speaks again\n");
    run->silent = silent;
}

static bool watch(struct run *run, struct aion_err *err)
{
    int64_t every = (run->batch->every_s > 0 ? run->batch->every_s : 1) * (int64_t)SECOND_US;
    if (!wait_first(run, err))
        return false;
    if (run->events == NULL)
        wait_answers(run);
    int64_t next = aion_clock_mono_us();
    while (!is_over(run)) {
        if (refused(run, err))
            return false;
        if (run->events == NULL)
            put_due(run, &next, every);
        step(run, SECOND_US / 10);
        tell_silence(run);
    }
    return true;
}

bool tui_watch(const struct tui_batch *batch, struct aion_err *err)
{
    struct run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    bool good = begin(run, batch, err);
    const struct tui_table *table = tui_table_named(aion_str_of(batch->what));
    if (table != NULL && strcmp(table->name, "tasks") == 0)
        table = &tui_task_events; /* as they happen, not as a list */
    run->events = table != NULL && tui_is_events_table(table) ? table : NULL;
    run->app.wish.all = batch->all;
    good = good && watch(run, err);
    end(run);
    return good;
}
