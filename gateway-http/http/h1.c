/* HTTP/1.1 and 1.0: requests one after another, bodies by length or in chunks. The response's
 * bytes: h1_reply.c.
 *
 * HEAD → BODY or CHUNKS → WAIT (the request is read, the answer is not finished) → HEAD.
 * Pipelined requests wait in conn->in, so answers keep the order of their requests. */
#include "http/http_private.h"

static int64_t now(const struct gw_conn *conn)
{
    return gw_loop_now(conn->server->loop);
}

/* -- heads -------------------------------------------------------------------------------- */

/* An answer to what is no request; the application only counts it. */
void gw_h1_refuse(struct gw_conn *conn, int status, const char *why)
{
    struct gw_exchange *x = gw_exchange_new(conn);
    conn->x = x;
    conn->keep_alive = false;
    conn->state = GW_H1_WAIT;
    x->complete = true;
    x->request.malformed = true;
    x->request.version = 11;
    x->request.method = AION_STR("-");
    x->request.path = AION_STR("-");
    gw_exchange_begin(x);
    gw_exchange_refuse(x, status, AION_INVALID, why);
}

/* The head's strings borrow the read buffer; the exchange needs them longer: one copy, then the
 * same offsets. */
static aion_str moved(aion_str s, const char *from, const char *to)
{
    return s.data == NULL ? s : aion_str_n(to + (s.data - from), s.size);
}

static bool copy_head(struct gw_exchange *x, const struct http1_head *head, aion_str bytes)
{
    const char *from = bytes.data;
    const char *to = aion_arena_str(&x->arena, bytes).data;
    x->fields = aion_arena_array(&x->arena, head->field_count, sizeof(*x->fields));
    if (to == NULL || x->fields == NULL)
        return false;
    x->field_count = x->field_capacity = head->field_count;
    for (size_t i = 0; i < head->field_count; i++)
        x->fields[i] = (struct gw_field){moved(head->fields[i].name, from, to),
                                         moved(head->fields[i].value, from, to)};
    x->request.method = moved(head->method, from, to);
    /* an absolute target without a path has the static "/" */
    bool own = head->path.data >= from && head->path.data < from + bytes.size;
    x->request.path = own ? moved(head->path, from, to) : head->path;
    x->request.query = moved(head->query, from, to);
    x->request.authority = moved(head->host, from, to);
    x->request.version = 10 + head->minor;
    return true;
}

static void expect_body(struct gw_conn *conn, const struct http1_head *head)
{
    conn->expects = head->expect_continue;
    conn->left = head->chunked ? UINT64_MAX : head->length;
    conn->state = head->chunked ? GW_H1_CHUNKS : head->length > 0 ? GW_H1_BODY : GW_H1_WAIT;
    http1_chunks_init(&conn->chunks);
}

static void begin(struct gw_conn *conn, const struct http1_head *head, aion_str bytes)
{
    struct gw_exchange *x = gw_exchange_new(conn);
    conn->x = x;
    conn->served++;
    conn->scanned = 0;
    conn->head_begun = false;
    conn->since_us = now(conn);
    conn->keep_alive = head->keep_alive && !conn->server->draining;
    expect_body(conn, head);
    if (!copy_head(x, head, bytes)) {
        gw_conn_kill(conn);
        return;
    }
    gw_exchange_begin(x);
    if (conn->state == GW_H1_WAIT)
        gw_exchange_end(x, (aion_str){0});
    else if (x->status == 0 && conn->state == GW_H1_BODY && conn->left > x->body_max)
        gw_exchange_refuse(x, 413, AION_INVALID, "the body is larger than this method takes");
    else if (x->status == 0 && conn->expects)
        gw_h1_continue(conn);
}

/* Returns the bytes used; 0 = more are needed, or the connection ends. */
static size_t take_head(struct gw_conn *conn, aion_str data)
{
    struct http1_head head;
    size_t size;
    const char *why = "the head is too large";
    if (!conn->head_begun)
        conn->since_us = now(conn);
    conn->head_begun = true;
    enum http1_result result = http1_head_parse(data, &conn->scanned, &head, &size, &why);
    if (result == HTTP1_MORE ? data.size >= conn->server->conf.head_bytes_max
                             : result == HTTP1_DONE && size > conn->server->conf.head_bytes_max)
        result = HTTP1_LARGE;
    if (result == HTTP1_MORE)
        return 0;
    if (result != HTTP1_DONE) {
        gw_h1_refuse(conn, http1_result_status(result), why);
        return 0;
    }
    begin(conn, &head, aion_str_n(data.data, size));
    return size;
}

/* -- bodies ------------------------------------------------------------------------------- */

static size_t take_body(struct gw_conn *conn, aion_str data)
{
    size_t size = conn->left < data.size ? (size_t)conn->left : data.size;
    conn->left -= size;
    if (conn->left == 0) {
        conn->state = GW_H1_WAIT;
        gw_exchange_end(conn->x, aion_str_n(data.data, size));
    } else {
        gw_exchange_body(conn->x, aion_str_n(data.data, size));
    }
    return size;
}

/* A chunked body that was answered early is read on for a while only. */
static bool discarding_too_much(const struct gw_conn *conn)
{
    return conn->x->status != 0 && conn->x->received > conn->x->body_max + GW_DISCARD_MAX;
}

static size_t take_chunks(struct gw_conn *conn, aion_str data)
{
    aion_str in = data, piece;
    const char *why;
    enum http1_result result = HTTP1_MORE;
    while (result == HTTP1_MORE && in.size > 0) {
        result = http1_chunks_next(&conn->chunks, &in, &piece, &why);
        if (result == HTTP1_MORE && piece.size > 0)
            gw_exchange_body(conn->x, piece);
    }
    if (result == HTTP1_DONE) {
        conn->state = GW_H1_WAIT;
        gw_exchange_end(conn->x, (aion_str){0});
    } else if (result != HTTP1_MORE || discarding_too_much(conn)) {
        conn->keep_alive = false;
        conn->state = GW_H1_WAIT;
        conn->x->complete = true;
        gw_exchange_refuse(conn->x, 400, AION_INVALID, "the chunked body is malformed");
        return data.size;
    }
    return data.size - in.size;
}

size_t gw_h1_take(struct gw_conn *conn, aion_str data)
{
    size_t used = 0;
    while (!conn->dead && !conn->closing && used < data.size) {
        aion_str rest = aion_str_n(data.data + used, data.size - used);
        size_t step = 0;
        if (conn->state == GW_H1_HEAD)
            step = take_head(conn, rest);
        else if (conn->state == GW_H1_BODY)
            step = take_body(conn, rest);
        else if (conn->state == GW_H1_CHUNKS)
            step = take_chunks(conn, rest);
        if (step == 0)
            break;
        used += step;
    }
    return conn->closing ? data.size : used;
}

/* -- the round's end ---------------------------------------------------------------------- */

/* The exchange is over: its response is written into conn->out and its request is read (or
 * given up). */
static bool finish(struct gw_conn *conn)
{
    struct gw_exchange *x = conn->x;
    if (x == NULL || !x->ended || (conn->state != GW_H1_WAIT && conn->keep_alive))
        return false;
    conn->x = NULL;
    conn->state = GW_H1_HEAD;
    conn->since_us = now(conn);
    conn->closing = !conn->keep_alive;
    gw_exchange_close(x, true);
    return !conn->closing;
}

void gw_h1_work(struct gw_conn *conn)
{
    if (conn->server->drain_idle && conn->x == NULL && !conn->head_begun && conn->in.size == 0)
        conn->closing = true;
    /* on while there is a next request and room for its answer; flush calls again when there is
     */
    while (!conn->dead) {
        bool free_again = finish(conn);
        bool may_go_on = conn->x == NULL && !conn->closing && conn->in.size > 0 &&
                         gw_conn_queued(conn) < GW_OUT_HIGH;
        size_t used = may_go_on ? gw_h1_take(conn, aion_buf_view(&conn->in)) : 0;
        aion_buf_consume(&conn->in, used);
        if (conn->in.size == 0)
            aion_buf_done(&conn->in);
        if (used == 0 && !free_again)
            break;
    }
}

/* -- deadlines ---------------------------------------------------------------------------- */

int64_t gw_h1_deadline(const struct gw_conn *conn)
{
    const struct gw_server_conf *conf = &conn->server->conf;
    if (conn->state == GW_H1_WAIT)
        return INT64_MAX;
    if (conn->state == GW_H1_HEAD) {
        bool first = conn->head_begun || conn->served == 0;
        return conn->since_us + (first ? conf->head_us : conf->idle_us);
    }
    uint64_t earned_us = conn->x->received * 1000000 / conf->body_rate_min;
    return conn->since_us + conf->body_grace_us + (int64_t)earned_us;
}

void gw_h1_timeout(struct gw_conn *conn)
{
    conn->keep_alive = false;
    if (conn->state == GW_H1_HEAD && conn->head_begun) {
        gw_h1_refuse(conn, 408, "the head took too long");
    } else if (conn->state == GW_H1_HEAD) {
        conn->closing = true;
    } else if (conn->x->status == 0) {
        conn->state = GW_H1_WAIT;
        gw_exchange_refuse(conn->x, 408, AION_DEADLINE, "the body came too slowly");
    } else {
        gw_conn_kill(conn);
    }
}
