/* Server streams as a response: event stream, JSON lines or one JSON array, by Accept.
 *
 * The response begins with the first message, or after a moment without one, so that an error
 * that comes at once (NOT_FOUND) still has its status. What was handed to a slow reader is not
 * credited to the upstream until the reader has taken it, so at most a window's worth waits
 * here. */
#include "gateway_private.h"

#include <stdlib.h>

enum { BEGIN_AFTER_US = 200000, RETRY_HINT_MS = 1000 };

static const struct aion_metric_family streams_family = {
    .name = "aion_gateway_streams",
    .help = "Open streamed responses.",
    .kind = AION_GAUGE,
};

static const struct aion_metric_family owed_family = {
    .name = "aion_gateway_stream_owed_bytes",
    .help = "Output that slow readers were given and have not taken, in bytes of credit.",
    .unit = "bytes",
    .kind = AION_GAUGE,
};

struct gw_stream {
    struct gw_call *call;
    struct aion_link link; /* app->stream_list */
    struct gw_timer timer;
    uint64_t id;
    enum gw_format format;
    bool begun, any; /* a message was written */
    bool full;
    bool upstream_open;
    uint64_t after; /* Last-Event-ID: what the client has */
    uint32_t owed;  /* credit to give when the reader has taken what it has */
};

static aion_str key_of(const uint64_t *id)
{
    return aion_str_n(id, sizeof(*id));
}

/* -- the format --------------------------------------------------------------------------- */

static bool accepts(aion_str accept, const char *type)
{
    while (accept.data != NULL) {
        aion_str item = aion_str_cut(&accept, ',');
        item = aion_str_trim(aion_str_cut(&item, ';'));
        if (aion_str_caseeq(item, aion_str_of(type)))
            return true;
    }
    return false;
}

/* Events unless only another form is asked for. */
static enum gw_format format_of(const struct gw_exchange *x)
{
    aion_str accept = gw_request_field(x, "accept");
    if (accepts(accept, "text/event-stream") || accept.data == NULL)
        return GW_SSE;
    if (accepts(accept, "application/x-ndjson") || accepts(accept, "application/jsonl"))
        return GW_NDJSON;
    return accepts(accept, "application/json") ? GW_ARRAY : GW_SSE;
}

static void begin(struct gw_stream *stream)
{
    static const char *const types[] = {[GW_SSE] = "text/event-stream",
                                        [GW_NDJSON] = "application/x-ndjson",
                                        [GW_ARRAY] = "application/json"};
    struct gw_exchange *x = stream->call->x;
    if (stream->begun)
        return;
    stream->begun = true;
    gw_reply_field(x, "content-type", aion_str_of(types[stream->format]));
    gw_reply_field(x, "cache-control", AION_STR("no-cache, no-transform"));
    gw_reply_field(x, "x-accel-buffering", AION_STR("no"));
    gw_reply_field(x, "x-request-id", aion_str_of(stream->call->request_id));
    gw_reply_begin(x, 200);
    if (stream->format == GW_SSE)
        gw_reply_write(x, AION_STR(": open\n\n"));
    else if (stream->format == GW_ARRAY)
        gw_reply_write(x, AION_STR("["));
}

static void write(struct gw_stream *stream, aion_str bytes)
{
    struct gw_exchange *x = stream->call->x;
    begin(stream);
    if (stream->format == GW_ARRAY && stream->any)
        gw_reply_write(x, AION_STR(","));
    stream->any = true;
    if (gw_reply_write(x, bytes) == GW_FULL)
        stream->full = true;
}

/* -- the end ------------------------------------------------------------------------------ */

static void leave(struct gw_stream *stream)
{
    struct gw_app *app = stream->call->app;
    if (stream->upstream_open)
        app->upstream->close(app->upstream, stream->id);
    stream->upstream_open = false;
}

static void finish(struct gw_stream *stream)
{
    if (stream->format == GW_ARRAY)
        gw_reply_write(stream->call->x, AION_STR("]"));
    leave(stream);
    gw_reply_end(stream->call->x);
}

/* An error after the status line can only be told in the stream's own form. */
static void finish_with_error(struct gw_stream *stream, const struct aion_err *err)
{
    enum { ERROR_MAX = 4096 };
    struct aion_buf out;
    aion_buf_init(&out, ERROR_MAX);
    aion_buf_text(&out, stream->format == GW_SSE ? "event: error\ndata: " : "{\"error\":");
    gw_status_json(err, (aion_str){0}, stream->call->x, &out);
    aion_buf_text(&out, stream->format == GW_SSE      ? "\n\n"
                        : stream->format == GW_NDJSON ? "}\n"
                                                      : "}");
    write(stream, aion_buf_view(&out));
    aion_buf_done(&out);
    finish(stream);
}

static void ended(struct gw_stream *stream, const struct gw_event *event)
{
    struct aion_err err;
    stream->upstream_open = false;
    if (event->code == AION_OK && !stream->begun && stream->format == GW_SSE) {
        gw_reply(stream->call->x, 204,
                 (aion_str){0}); /* all was read before: do not reconnect */
        return;
    }
    if (event->code == AION_OK) {
        begin(stream);
        finish(stream);
        return;
    }
    aion_err_set(&err, __func__, event->code, "%s", event->text);
    aion_err_reason(&err, event->reason);
    if (stream->begun)
        finish_with_error(stream, &err);
    else
        gw_fail(stream->call, &err);
}

/* -- what comes --------------------------------------------------------------------------- */

static void owe(struct gw_stream *stream, uint32_t bytes)
{
    aion_metric_add(aion_metric(&owed_family), (int64_t)bytes - (int64_t)stream->owed);
    stream->owed = bytes;
}

static void give_credit(struct gw_stream *stream, uint32_t bytes)
{
    struct gw_app *app = stream->call->app;
    if (bytes > 0 && stream->upstream_open)
        app->upstream->credit(app->upstream, stream->id, bytes);
}

/* A client that comes back with the last chunk's id has everything: 204 keeps it from coming
 * again (WHATWG HTML, "Server-sent events"). */
static bool has_all(const struct gw_stream *stream, const struct gw_event *event)
{
    return event->final && !stream->begun && stream->format == GW_SSE && stream->after > 0 &&
           stream->after >= event->cursor;
}

static void on_event(void *user, struct gw_event *event)
{
    struct gw_app *app = user;
    struct gw_stream *stream = aion_map_get(&app->streams, key_of(&event->stream_id));
    if (stream != NULL && event->closed) {
        ended(stream, event);
    } else if (stream != NULL && has_all(stream, event)) {
        leave(stream);
        gw_reply(stream->call->x, 204, (aion_str){0});
    } else if (stream != NULL && stream->upstream_open) {
        write(stream, aion_str_n(event->bytes, event->size));
        if (stream->full)
            owe(stream, stream->owed + event->credit);
        else
            give_credit(stream, event->credit);
    }
    free(event);
}

void gw_stream_writable(struct gw_call *call)
{
    struct gw_stream *stream = call->stream;
    if (stream == NULL)
        return;
    stream->full = false;
    give_credit(stream, stream->owed);
    owe(stream, 0);
}

/* First: begin although nothing has come. Then: show that the stream lives. */
static void beat(struct gw_timer *timer)
{
    struct gw_stream *stream = aion_container(timer, struct gw_stream, timer);
    struct gw_app *app = stream->call->app;
    if (!stream->begun)
        begin(stream);
    else if (stream->format == GW_SSE && !stream->full)
        gw_reply_write(stream->call->x, AION_STR(": hb\n\n"));
    gw_timer_set(app->loop, timer, gw_loop_now(app->loop) + app->conf->heartbeat);
}

/* -- life --------------------------------------------------------------------------------- */

/* An event stream resumes behind Last-Event-ID: the cursor field of the request, where it has
 * one. */
static bool take_last_event_id(struct gw_call *call, ProtobufCMessage *request,
                               uint64_t *ret_after, struct aion_err *err)
{
    aion_str id = gw_request_field(call->x, "last-event-id");
    int index = codec_field_index(call->route->method->request, AION_STR("after_cursor"));
    if (id.size == 0 || index < 0)
        return true;
    if (!aion_str_u64(id, ret_after)) {
        aion_err_set(err, __func__, AION_INVALID, "Last-Event-ID is no cursor of this stream");
        aion_err_field(err, "after_cursor");
        return false;
    }
    const ProtobufCFieldDescriptor *field =
        &call->route->method->request->descriptor->fields[index];
    memcpy((char *)request + field->offset, ret_after, sizeof(*ret_after));
    return true;
}

static struct gw_stream *stream_new(struct gw_call *call)
{
    struct gw_app *app = call->app;
    struct gw_stream *stream = aion_arena_zalloc(gw_arena(call->x), sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream->call = call;
    stream->id = ++app->stream_last;
    stream->format = format_of(call->x);
    stream->timer.fire = beat;
    if (!aion_map_put(&app->streams, key_of(&stream->id), stream))
        return NULL;
    aion_list_add_last(&app->stream_list, &stream->link);
    aion_metric_add(aion_metric(&streams_family), 1);
    call->stream = stream;
    return stream;
}

void gw_stream_open(struct gw_call *call, ProtobufCMessage *request)
{
    struct gw_app *app = call->app;
    struct aion_err err;
    struct gw_stream *stream = NULL;
    uint64_t after = 0;
    bool good = take_last_event_id(call, request, &after, &err);
    if (good && app->draining)
        good = aion_fail(&err, AION_UNAVAILABLE, "the gateway is stopping; try again");
    if (good && (stream = stream_new(call)) == NULL)
        good = aion_fail(&err, AION_EXHAUSTED, "too many open streams; try again");
    if (!good) {
        gw_fail(call, &err);
        return;
    }
    if (aion_str_is(gw_request(call->x)->method, "HEAD")) {
        begin(stream);
        gw_reply_end(call->x);
        return;
    }
    gw_timer_set(app->loop, &stream->timer, gw_loop_now(app->loop) + BEGIN_AFTER_US);
    stream->after = after;
    stream->upstream_open = true;
    struct gw_stream_spec spec = {.id = stream->id,
                                  .method = call->route->method,
                                  .request = request,
                                  .principal = &call->principal,
                                  .trace = &call->trace,
                                  .format = stream->format,
                                  .sink = on_event,
                                  .user = app};
    app->upstream->open(app->upstream, &spec);
}

void gw_stream_closed(struct gw_call *call)
{
    struct gw_stream *stream = call->stream;
    call->stream = NULL;
    leave(stream);
    owe(stream, 0);
    gw_timer_cancel(call->app->loop, &stream->timer);
    aion_list_remove(&stream->link);
    aion_map_remove(&call->app->streams, key_of(&stream->id));
    aion_metric_add(aion_metric(&streams_family), -1);
}

void gw_streams_drain(struct gw_app *app)
{
    aion_list_each_safe (link, &app->stream_list) {
        struct gw_stream *stream = aion_container(link, struct gw_stream, link);
        struct aion_err err;
        char hint[32];
        aion_err_set(&err, __func__, AION_UNAVAILABLE,
                     "the gateway is stopping; resume elsewhere");
        snprintf(hint, sizeof(hint), "retry: %d\n\n", RETRY_HINT_MS);
        begin(stream);
        if (stream->format == GW_SSE) {
            gw_reply_write(stream->call->x, aion_str_of(hint));
            finish(stream);
        } else {
            finish_with_error(stream, &err);
        }
    }
}
