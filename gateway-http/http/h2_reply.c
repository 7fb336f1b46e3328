/* HTTP/2 responses: fields to nghttp2 at once, bodies through x->out as flow control lets them
 * go. */
#include "http/http_private.h"

static nghttp2_nv pair(const char *name, aion_str value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value.data,
        .namelen = strlen(name),
        .valuelen = value.size,
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME,
    };
}

/* What is queued, or "deferred" until gw_h2_reply_write resumes the stream. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)id;
    (void)user;
    struct gw_exchange *x = source->ptr;
    size_t left = x->out.size - x->out_at;
    size_t count = left < size ? left : size;
    if (count > 0) {
        memcpy(to, x->out.data + x->out_at, count);
        x->moved_us = x->conn->data_us = gw_loop_now(x->server->loop);
    }
    x->out_at += count;
    if (x->out_at == x->out.size) {
        aion_buf_done(&x->out);
        aion_buf_init(&x->out, SIZE_MAX);
        x->out_at = 0;
        if (x->ended)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        else if (count == 0)
            return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)count;
}

static void submit(struct gw_exchange *x, bool with_length, size_t length, bool with_body)
{
    nghttp2_nv pairs[GW_REPLY_FIELDS_MAX + 3];
    char status[8], size_text[24];
    size_t count = 0;
    snprintf(status, sizeof(status), "%d", x->status);
    pairs[count++] = pair(":status", aion_str_of(status));
    pairs[count++] = pair("date", gw_server_date(x->server));
    if (with_length) {
        snprintf(size_text, sizeof(size_text), "%zu", length);
        pairs[count++] = pair("content-length", aion_str_of(size_text));
    }
    for (size_t i = 0; i < x->reply_count; i++)
        pairs[count++] = pair(x->reply_fields[i].name.data, x->reply_fields[i].value);
    nghttp2_data_provider provider = {.source = {.ptr = x}, .read_callback = read_body};
    if (nghttp2_submit_response(x->conn->session, x->stream_id, pairs, count,
                                with_body ? &provider : NULL) != 0)
        nghttp2_submit_rst_stream(x->conn->session, NGHTTP2_FLAG_NONE, x->stream_id,
                                  NGHTTP2_INTERNAL_ERROR);
}

void gw_h2_reply(struct gw_exchange *x, aion_str body)
{
    bool bare = x->status == 204 || x->status == 304;
    bool with_body = !bare && !x->head_only && body.size > 0;
    x->moved_us = gw_loop_now(x->server->loop);
    if (with_body && !aion_buf_str(&x->out, body)) {
        gw_h2_reply_abort(x);
        return;
    }
    submit(x, !bare, body.size, with_body);
}

void gw_h2_reply_begin(struct gw_exchange *x)
{
    submit(x, false, 0, !x->head_only);
}

void gw_h2_reply_write(struct gw_exchange *x, aion_str bytes)
{
    gw_compact(&x->out, &x->out_at);
    if (x->out.size == x->out_at)
        x->moved_us = gw_loop_now(x->server->loop);
    if (!aion_buf_str(&x->out, bytes))
        gw_h2_reply_abort(x);
    else
        nghttp2_session_resume_data(x->conn->session, x->stream_id);
}

void gw_h2_reply_end(struct gw_exchange *x)
{
    if (!x->head_only)
        nghttp2_session_resume_data(x->conn->session, x->stream_id);
}

void gw_h2_reply_abort(struct gw_exchange *x)
{
    nghttp2_submit_rst_stream(x->conn->session, NGHTTP2_FLAG_NONE, x->stream_id,
                              NGHTTP2_INTERNAL_ERROR);
}
