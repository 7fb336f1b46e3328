/* What both protocol versions share of a request and its response. */
#include "http/http_private.h"

#include <assert.h>
#include <stdlib.h>

/* -- life --------------------------------------------------------------------------------- */

struct gw_exchange *gw_exchange_new(struct gw_conn *conn)
{
    struct gw_server *server = conn->server;
    struct gw_exchange *x = server->pool;
    if (x != NULL) {
        server->pool = x->next;
        server->pool_count--;
    } else if ((x = malloc(sizeof(*x))) == NULL) {
        abort(); /* bounded by connections × streams: nothing sensible is left to do */
    }
    memset(x, 0, offsetof(struct gw_exchange, first));
    x->conn = conn;
    x->server = server;
    x->refs = 1;
    aion_list_init(&x->link);
    aion_arena_init(&x->arena, GW_ARENA_MAX, x->first, sizeof(x->first));
    aion_buf_init(&x->out,
                  SIZE_MAX); /* the writer is told when it is full; whole bodies fit always */
    x->request.peer = aion_str_of(conn->peer->text);
    x->request.tls = conn->tls != NULL;
    x->request.began_us = gw_loop_now(server->loop);
    return x;
}

static void free_body(struct gw_exchange *x)
{
    x->server->bodies -= x->body.size;
    aion_buf_done(&x->body);
}

void gw_hold(struct gw_exchange *x)
{
    x->refs++;
}

void gw_drop(struct gw_exchange *x)
{
    struct gw_server *server = x->server;
    assert(x->refs > 0);
    if (--x->refs > 0)
        return;
    aion_arena_done(&x->arena);
    free_body(x);
    aion_buf_done(&x->out);
    if (server->pool_count == GW_POOL_MAX) {
        free(x);
        return;
    }
    x->next = server->pool;
    server->pool = x;
    server->pool_count++;
}

void gw_exchange_close(struct gw_exchange *x, bool whole)
{
    if (x->conn == NULL)
        return;
    aion_list_remove(&x->link);
    x->conn = NULL;
    if (x->begun)
        x->server->ops->closed(x->server->app, x, whole);
    gw_drop(x);
}

bool gw_closed(const struct gw_exchange *x)
{
    return x->conn == NULL || x->conn->dead;
}

/* -- request ------------------------------------------------------------------------------ */

bool gw_exchange_field(struct gw_exchange *x, aion_str name, aion_str value)
{
    if (x->field_count == x->field_capacity) {
        size_t capacity = x->field_capacity == 0 ? 16 : x->field_capacity * 2;
        struct gw_field *fields = capacity <= GW_FIELDS_MAX
                                      ? aion_arena_array(&x->arena, capacity, sizeof(*fields))
                                      : NULL;
        if (fields == NULL)
            return false;
        if (x->field_count > 0)
            memcpy(fields, x->fields, x->field_count * sizeof(*fields));
        x->fields = fields;
        x->field_capacity = capacity;
    }
    x->fields[x->field_count++] = (struct gw_field){name, value};
    return true;
}

void gw_exchange_begin(struct gw_exchange *x)
{
    x->request.fields = x->fields;
    x->request.field_count = x->field_count;
    x->head_only = aion_str_is(x->request.method, "HEAD");
    x->begun = true;
    x->server->ops->begin(x->server->app, x);
}

static bool body_fits(struct gw_exchange *x, size_t size)
{
    if (x->received > x->body_max) {
        gw_exchange_refuse(x, 413, AION_INVALID, "the body is larger than this method takes");
        return false;
    }
    if (x->server->bodies + size > x->server->conf.bodies_bytes_max) {
        gw_exchange_refuse(x, 503, AION_UNAVAILABLE,
                           "too many bodies are being received; try again");
        return false;
    }
    return true;
}

bool gw_exchange_body(struct gw_exchange *x, aion_str piece)
{
    x->received += piece.size;
    if (x->status != 0)
        return true; /* answered already: the rest is read and dropped */
    if (!body_fits(x, piece.size))
        return false;
    if (x->body.data == NULL)
        aion_buf_init(&x->body, x->body_max);
    if (!aion_buf_str(&x->body, piece)) {
        gw_exchange_refuse(x, 503, AION_UNAVAILABLE, "no memory for the body; try again");
        return false;
    }
    x->server->bodies += piece.size;
    return true;
}

void gw_exchange_end(struct gw_exchange *x, aion_str rest)
{
    x->complete = true;
    if (x->status != 0)
        return;
    if (x->body.size == 0) { /* all of it stands in the read buffer: no copy */
        x->received += rest.size;
        if (body_fits(x, rest.size))
            x->server->ops->end(x->server->app, x, rest);
        return;
    }
    if (rest.size == 0 || gw_exchange_body(x, rest))
        x->server->ops->end(x->server->app, x, aion_buf_view(&x->body));
    free_body(x);
}

const struct gw_request *gw_request(const struct gw_exchange *x)
{
    return &x->request;
}

aion_str gw_request_field(const struct gw_exchange *x, const char *name)
{
    aion_str wanted = aion_str_of(name);
    for (size_t i = 0; i < x->field_count; i++)
        if (x->fields[i].name.size == wanted.size && aion_str_caseeq(x->fields[i].name, wanted))
            return x->fields[i].value;
    return (aion_str){0};
}

void gw_body_max(struct gw_exchange *x, size_t bytes)
{
    x->body_max = bytes;
}

uint64_t gw_request_bytes(const struct gw_exchange *x)
{
    return x->received;
}

struct aion_arena *gw_arena(struct gw_exchange *x)
{
    return &x->arena;
}

void *gw_user(const struct gw_exchange *x)
{
    return x->user;
}

void gw_set_user(struct gw_exchange *x, void *user)
{
    x->user = user;
}

int64_t gw_now(const struct gw_exchange *x)
{
    return gw_loop_now(x->server->loop);
}

/* -- response ----------------------------------------------------------------------------- */

void gw_reply_field(struct gw_exchange *x, const char *name, aion_str value)
{
    aion_str copy = aion_arena_str(&x->arena, value);
    if (x->reply_count == GW_REPLY_FIELDS_MAX || copy.data == NULL)
        return;
    x->reply_fields[x->reply_count++] = (struct gw_field){aion_str_of(name), copy};
}

static bool may_reply(struct gw_exchange *x)
{
    return !gw_closed(x) && x->status == 0;
}

static bool is_h2(const struct gw_exchange *x)
{
    return x->conn->mode == GW_H2;
}

void gw_reply(struct gw_exchange *x, int status, aion_str body)
{
    if (!may_reply(x))
        return;
    x->status = status;
    x->ended = true;
    x->sent = x->head_only ? 0 : body.size;
    if (is_h2(x))
        gw_h2_reply(x, body);
    else
        gw_h1_reply(x, body);
    gw_conn_work(x->conn);
}

void gw_reply_begin(struct gw_exchange *x, int status)
{
    if (!may_reply(x))
        return;
    x->status = status;
    x->streaming = true;
    if (is_h2(x))
        gw_h2_reply_begin(x);
    else
        gw_h1_reply_begin(x);
    gw_conn_work(x->conn);
}

size_t gw_reply_queued(const struct gw_exchange *x)
{
    if (gw_closed(x))
        return 0;
    return gw_conn_queued(x->conn) + (x->out.size - x->out_at);
}

enum gw_written gw_reply_write(struct gw_exchange *x, aion_str bytes)
{
    if (gw_closed(x) || !x->streaming || x->ended)
        return GW_GONE;
    if (bytes.size == 0 || x->head_only)
        return GW_WRITTEN;
    x->sent += bytes.size;
    if (is_h2(x))
        gw_h2_reply_write(x, bytes);
    else
        gw_h1_reply_write(x, bytes);
    gw_conn_work(x->conn);
    if (gw_reply_queued(x) < GW_QUEUE_MAX / 4) /* the rest is for what is under way */
        return GW_WRITTEN;
    x->full = true;
    return GW_FULL;
}

void gw_reply_end(struct gw_exchange *x)
{
    if (gw_closed(x) || !x->streaming || x->ended)
        return;
    x->ended = true;
    if (is_h2(x))
        gw_h2_reply_end(x);
    else
        gw_h1_reply_end(x);
    gw_conn_work(x->conn);
}

void gw_reply_abort(struct gw_exchange *x)
{
    if (gw_closed(x))
        return;
    if (is_h2(x))
        gw_h2_reply_abort(x);
    else
        gw_conn_kill(x->conn);
    if (x->conn != NULL)
        gw_conn_work(x->conn);
}

int gw_reply_status(const struct gw_exchange *x)
{
    return x->status;
}

uint64_t gw_reply_bytes(const struct gw_exchange *x)
{
    return x->sent;
}

void gw_refusal_text(char *out, size_t size, enum aion_code code, const char *text)
{
    snprintf(out, size, "{\"code\":%u,\"message\":\"%s\"}", (unsigned)code, text);
}

void gw_exchange_refuse(struct gw_exchange *x, int status, enum aion_code code,
                        const char *text)
{
    char body[256];
    gw_refusal_text(body, sizeof(body), code, text);
    gw_reply_field(x, "content-type", AION_STR("application/json"));
    gw_reply(x, status, aion_str_of(body));
}
