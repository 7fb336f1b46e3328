/* HTTP/2 by libnghttp2: frames in, requests out. The response's side: h2_reply.c.
 *
 * nghttp2 keeps the protocol (states, flow control, HPACK, field validation); kept here are the
 * bounds: streams, head bytes, body bytes, resets (nghttp2's own rate limit ends a connection
 * that resets more than RESETS_BURST streams), time. Calls into the session are never made from
 * inside its callbacks but submit_x and resume_data. */
#include "http/http_private.h"

#include <stdlib.h>

enum {
    RESETS_BURST = 500, /* then RESETS_RATE a second; CVE-2023-44487 */
    RESETS_RATE = 50,
    CONTINUATIONS_MAX = 8,
    STREAM_WINDOW = 256 * 1024,
    CONN_WINDOW = 1024 * 1024,
    GOAWAY_WAIT_US = 500000, /* between the two GOAWAYs of a drain: more than a round trip */
};

static int64_t now(const struct gw_conn *conn)
{
    return gw_loop_now(conn->server->loop);
}

/* -- requests ----------------------------------------------------------------------------- */

static struct gw_exchange *of_stream(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct gw_conn *conn = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct gw_exchange *x = gw_exchange_new(conn);
    x->stream_id = frame->hd.stream_id;
    x->request.version = 20;
    aion_list_add_last(&conn->streams, &x->link);
    conn->served++;
    nghttp2_session_set_stream_user_data(session, x->stream_id, x);
    return 0;
}

/* ":method", ":path", ":authority"; nghttp2 has checked that each comes once and first. */
static void take_pseudo(struct gw_exchange *x, aion_str name, aion_str value)
{
    if (aion_str_is(name, ":method")) {
        x->request.method = value;
    } else if (aion_str_is(name, ":authority")) {
        x->request.authority = value;
    } else if (aion_str_is(name, ":path")) {
        size_t mark = aion_str_index(value, '?');
        x->request.path = mark == SIZE_MAX ? value : aion_str_n(value.data, mark);
        if (mark != SIZE_MAX)
            x->request.query = aion_str_n(value.data + mark + 1, value.size - mark - 1);
    }
}

/* RFC 9113 §6.5.2 counts 32 bytes more for each field. */
static bool head_fits(struct gw_exchange *x, size_t size)
{
    x->head_bytes += size + 32;
    if (x->head_bytes > x->server->conf.head_bytes_max + GW_FIELDS_MAX * 32)
        x->too_large_head = true;
    return !x->too_large_head;
}

static int header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                  size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                  void *user)
{
    (void)flags;
    (void)user;
    struct gw_exchange *x = of_stream(session, frame->hd.stream_id);
    if (x == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST ||
        !head_fits(x, name_size + value_size))
        return 0; /* trailers are dropped */
    aion_str name_copy = aion_arena_str(&x->arena, aion_str_n(name, name_size));
    aion_str value_copy = aion_arena_str(&x->arena, aion_str_n(value, value_size));
    if (name_copy.data == NULL || value_copy.data == NULL)
        x->too_large_head = true;
    else if (name_size > 0 && name[0] == ':')
        take_pseudo(x, name_copy, value_copy);
    else if (!gw_exchange_field(x, name_copy, value_copy))
        x->too_large_head = true;
    return 0;
}

/* RFC 3986 has only visible ASCII in a path; nghttp2 lets more through. */
static bool odd_path(aion_str path)
{
    for (size_t i = 0; i < path.size; i++)
        if (path.data[i] <= ' ' || path.data[i] == '#' || path.data[i] >= 0x7f)
            return true;
    return false;
}

static void begin(struct gw_exchange *x)
{
    bool connect = aion_str_is(x->request.method, "CONNECT");
    bool odd = odd_path(x->request.path) || odd_path(x->request.query);
    x->request.malformed = x->too_large_head || connect || odd;
    gw_exchange_begin(x);
    if (x->too_large_head)
        gw_exchange_refuse(x, 431, AION_INVALID, "the head is too large");
    else if (connect)
        gw_exchange_refuse(x, 501, AION_UNIMPLEMENTED, "CONNECT is not served");
    else if (odd)
        gw_exchange_refuse(x, 400, AION_INVALID,
                           "the path holds a character that a URI may not");
}

static int frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct gw_exchange *x = of_stream(session, frame->hd.stream_id);
    if (x == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        begin(x);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && !x->complete)
        gw_exchange_end(x, (aion_str){0});
    return 0;
}

static int data_received(nghttp2_session *session, uint8_t flags, int32_t id,
                         const uint8_t *data, size_t size, void *user)
{
    (void)flags;
    (void)user;
    struct gw_exchange *x = of_stream(session, id);
    if (x != NULL)
        gw_exchange_body(x, aion_str_n(data, size));
    return 0;
}

static int stream_closed(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct gw_conn *conn = user;
    struct gw_exchange *x = of_stream(session, id);
    if (x == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    bool whole = x->ended && x->out_at == x->out.size && error == NGHTTP2_NO_ERROR;
    gw_exchange_close(x, whole);
    conn->since_us = now(conn);
    return 0;
}

/* The answer is out before the request has ended: tell the client to stop (RFC 9113 §8.1). */
static int frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
        (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    struct gw_exchange *x = of_stream(session, frame->hd.stream_id);
    if (x != NULL && !x->complete)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, x->stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

/* -- set up ------------------------------------------------------------------------------- */

bool gw_h2_set_up(struct gw_server *server)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 ||
        nghttp2_option_new(&server->h2_options) != 0)
        abort(); /* at start */
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_received);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
    server->h2_callbacks = callbacks;
    nghttp2_option_set_stream_reset_rate_limit(server->h2_options, RESETS_BURST, RESETS_RATE);
    nghttp2_option_set_max_continuations(server->h2_options, CONTINUATIONS_MAX);
    return true;
}

bool gw_h2_start(struct gw_conn *conn)
{
    const struct gw_server_conf *conf = &conn->server->conf;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, conf->streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, conf->head_bytes_max + GW_FIELDS_MAX * 32},
    };
    conn->mode = GW_H2;
    conn->data_us = now(conn);
    if (nghttp2_session_server_new2(&conn->session, conn->server->h2_callbacks, conn,
                                    conn->server->h2_options) != 0)
        return false;
    gw_conn_work(conn);
    return nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings,
                                   aion_countof(settings)) == 0 &&
           nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0,
                                                 CONN_WINDOW) == 0;
}

/* -- bytes -------------------------------------------------------------------------------- */

void gw_h2_take(struct gw_conn *conn, aion_str data)
{
    ssize_t used =
        nghttp2_session_mem_recv(conn->session, (const uint8_t *)data.data, data.size);
    if (used < 0) { /* not HTTP/2, flooded, or no memory: say GOAWAY if there is a session to
                       say it to */
        nghttp2_session_terminate_session(conn->session, NGHTTP2_PROTOCOL_ERROR);
        conn->goaway = true;
    }
    gw_conn_work(conn);
}

static void send(struct gw_conn *conn)
{
    while (gw_conn_queued(conn) < GW_OUT_HIGH) {
        const uint8_t *bytes;
        ssize_t size = nghttp2_session_mem_send(conn->session, &bytes);
        if (size < 0 || (size > 0 && !aion_buf_add(&conn->out, bytes, (size_t)size)))
            gw_conn_kill(conn);
        if (size <= 0)
            return;
    }
}

void gw_h2_work(struct gw_conn *conn)
{
    send(conn);
    bool over = nghttp2_session_want_read(conn->session) == 0 &&
                nghttp2_session_want_write(conn->session) == 0;
    bool drained = conn->goaway && aion_list_empty(&conn->streams) && gw_conn_queued(conn) == 0;
    if (over || drained)
        conn->closing = true;
}

/* -- time --------------------------------------------------------------------------------- */

/* A client that reads nothing may keep the socket moving and a window at 0: its own of the
 * stream, or that of all, which one stream that moves may have used up for the others. */
static int64_t stall_deadline(const struct gw_conn *conn, const struct gw_exchange *x)
{
    int64_t stall_us = conn->server->conf.stall_us;
    if (x->out.size == x->out_at)
        return INT64_MAX;
    if (nghttp2_session_get_stream_remote_window_size(conn->session, x->stream_id) <= 0)
        return x->moved_us + stall_us;
    if (nghttp2_session_get_remote_window_size(conn->session) <= 0)
        return conn->data_us + stall_us;
    return INT64_MAX;
}

static int64_t stream_deadline(const struct gw_conn *conn, const struct gw_exchange *x)
{
    const struct gw_server_conf *conf = &conn->server->conf;
    if (x->status != 0)
        return stall_deadline(conn, x);
    if (x->complete)
        return INT64_MAX;
    uint64_t earned_us = x->received * 1000000 / conf->body_rate_min;
    return x->request.began_us + conf->body_grace_us + (int64_t)earned_us;
}

/* Walks the streams: at most streams_max. */
int64_t gw_h2_deadline(const struct gw_conn *conn)
{
    const struct gw_server_conf *conf = &conn->server->conf;
    if (conn->server->draining && !conn->goaway)
        return conn->since_us + GOAWAY_WAIT_US;
    if (aion_list_empty(&conn->streams))
        return conn->since_us + (conn->served == 0 ? conf->head_us : conf->idle_us);
    int64_t first = INT64_MAX;
    aion_list_each (link, &conn->streams) {
        const struct gw_exchange *x = aion_container(link, struct gw_exchange, link);
        int64_t at = stream_deadline(conn, x);
        first = at < first ? at : first;
    }
    return first;
}

void gw_h2_drain(struct gw_conn *conn)
{
    nghttp2_submit_shutdown_notice(conn->session);
    conn->since_us = now(conn);
}

static void say_goaway(struct gw_conn *conn)
{
    nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(conn->session),
                          NGHTTP2_NO_ERROR, NULL, 0);
    conn->goaway = true;
}

void gw_h2_timeout(struct gw_conn *conn)
{
    if (aion_list_empty(&conn->streams) || (conn->server->draining && !conn->goaway)) {
        say_goaway(conn);
        return;
    }
    aion_list_each_safe (link, &conn->streams) {
        struct gw_exchange *x = aion_container(link, struct gw_exchange, link);
        if (stream_deadline(conn, x) > now(conn))
            continue;
        if (!x->begun) /* not even a head */
            gw_conn_kill(conn);
        else if (x->status != 0)
            gw_h2_reply_abort(x);
        else
            gw_exchange_refuse(x, 408, AION_DEADLINE, "the body came too slowly");
    }
}
