/* HTTP/1 responses as bytes in conn->out. */
#include "http/http_private.h"

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < aion_countof(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Status"; /* the phrase means nothing (RFC 9112 §4) */
}

static void field(struct aion_buf *out, const char *name, aion_str value)
{
    aion_buf_text(out, name);
    aion_buf_add(out, ": ", 2);
    aion_buf_str(out, value);
    aion_buf_add(out, "\r\n", 2);
}

/* The rest of the request may be too long to wait for, or never come (Expect): then this answer
 * is the last. */
static void judge_keep_alive(struct gw_conn *conn)
{
    bool unread = conn->state == GW_H1_BODY || conn->state == GW_H1_CHUNKS;
    if (conn->server->draining || (unread && (conn->state == GW_H1_CHUNKS || conn->expects ||
                                              conn->left > GW_DISCARD_MAX)))
        conn->keep_alive = false;
}

static void head(struct gw_exchange *x)
{
    struct gw_conn *conn = x->conn;
    struct aion_buf *out = &conn->out;
    judge_keep_alive(conn);
    aion_buf_add(out, "HTTP/1.1 ", 9);
    aion_buf_u64(out, (uint64_t)x->status);
    aion_buf_char(out, ' ');
    aion_buf_text(out, phrase(x->status));
    aion_buf_add(out, "\r\n", 2);
    field(out, "date", gw_server_date(x->server));
    for (size_t i = 0; i < x->reply_count; i++) {
        aion_buf_str(out, x->reply_fields[i].name);
        aion_buf_add(out, ": ", 2);
        aion_buf_str(out, x->reply_fields[i].value);
        aion_buf_add(out, "\r\n", 2);
    }
    if (!conn->keep_alive)
        field(out, "connection", AION_STR("close"));
    else if (x->request.version == 10)
        field(out, "connection", AION_STR("keep-alive"));
}

void gw_h1_reply(struct gw_exchange *x, aion_str body)
{
    struct aion_buf *out = &x->conn->out;
    bool bare = x->status == 204 || x->status == 304;
    if (aion_buf_reserve(out, 1024 + (x->head_only ? 0 : body.size)) == NULL) {
        gw_conn_kill(x->conn);
        return;
    }
    head(x);
    if (!bare) {
        aion_buf_text(out, "content-length: ");
        aion_buf_u64(out, body.size);
        aion_buf_add(out, "\r\n", 2);
    }
    aion_buf_add(out, "\r\n", 2);
    if (!bare && !x->head_only)
        aion_buf_str(out, body);
}

void gw_h1_reply_begin(struct gw_exchange *x)
{
    struct gw_conn *conn = x->conn;
    x->chunked = x->request.version == 11 && !x->head_only;
    if (x->request.version == 10)
        conn->keep_alive = false; /* the close ends the body */
    head(x);
    if (x->request.version == 11)
        field(&conn->out, "transfer-encoding", AION_STR("chunked"));
    aion_buf_add(&conn->out, "\r\n", 2);
}

void gw_h1_reply_write(struct gw_exchange *x, aion_str bytes)
{
    struct aion_buf *out = &x->conn->out;
    gw_compact(out, &x->conn->out_at);
    if (x->chunked)
        aion_buf_printf(out, "%zx\r\n", bytes.size);
    aion_buf_str(out, bytes);
    if (x->chunked)
        aion_buf_add(out, "\r\n", 2);
    if (out->overflow)
        gw_conn_kill(x->conn);
}

void gw_h1_reply_end(struct gw_exchange *x)
{
    if (x->chunked)
        aion_buf_add(&x->conn->out, "0\r\n\r\n", 5);
}

void gw_h1_continue(struct gw_conn *conn)
{
    aion_buf_text(&conn->out, "HTTP/1.1 100 Continue\r\n\r\n");
    conn->expects = false; /* the body will come now */
    gw_conn_work(conn);
}
