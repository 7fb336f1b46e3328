/* JSON in, message to the upstream, message back, JSON out. */
#include "gateway_private.h"

#include "codec/json.h"

enum { REPLY_MAX = 24 << 20 };

/* -- the way back ------------------------------------------------------------------------- */

/* On the upstream's thread: the exchange's arena is this call's alone until done. */
static void keep_error(struct gw_call *call, const struct aion_err *err, aion_str details)
{
    call->failed = true;
    call->err = *err;
    if (details.size > 0)
        call->details = aion_arena_str(gw_arena(call->x), details);
}

static void got_error(struct gw_upcall *up, const struct aion_err *err, aion_str details)
{
    keep_error(aion_container(up, struct gw_call, up), err, details);
}

/* Too large, or what JSON has no form for (a Value that is no number): nothing the client could
 * have asked better. */
static void keep_unshown(struct gw_call *call, const struct aion_err *why)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_INTERNAL, "the answer has no JSON form: %s", why->text);
    aion_err_reason(&err, "NOT_JSON");
    keep_error(call, &err, (aion_str){0});
}

static int response_field(const struct gw_call *call)
{
    const char *name = call->match.rule->response_body;
    return name[0] == '\0' ? -1
                           : codec_field_index(call->route->method->reply, aion_str_of(name));
}

static void got_reply(struct gw_upcall *up, const ProtobufCMessage *reply)
{
    struct gw_call *call = aion_container(up, struct gw_call, up);
    const struct codec_message *schema = call->route->method->reply;
    struct codec_json_write options = {0};
    struct aion_err err;
    int field = response_field(call);
    aion_buf_init(&call->body, REPLY_MAX);
    bool good = field >= 0
                    ? codec_json_print_field(schema, reply, field, &options, &call->body, &err)
                    : codec_json_print(schema, reply, &options, &call->body, &err);
    if (!good)
        keep_unshown(call, &err);
    else if (call->route->hook != NULL && call->route->hook->reply != NULL)
        call->route->hook->reply(call, reply);
}

/* -- the end, on the gateway's loop ------------------------------------------------------- */

static void answer(struct gw_call *call)
{
    if (call->failed) {
        gw_fail_with(call, &call->err, call->details);
        return;
    }
    for (size_t i = 0; i < call->field_count; i++)
        gw_reply_field(call->x, call->fields[i].name.data, call->fields[i].value);
    gw_reply_field(call->x, "content-type", AION_STR("application/json"));
    gw_reply_field(call->x, "x-request-id", aion_str_of(call->request_id));
    gw_reply(call->x, call->http_status > 0 ? call->http_status : 200,
             aion_buf_view(&call->body));
}

static void done(struct gw_upcall *up)
{
    struct gw_call *call = aion_container(up, struct gw_call, up);
    call->pending = false;
    if (!gw_closed(call->x))
        answer(call);
    aion_buf_done(&call->body);
    gw_drop(call->x);
}

static void over(struct gw_upcall *up)
{
    gw_drop(aion_container(up, struct gw_call, up)->x);
}

/* -- the way there ------------------------------------------------------------------------ */

static void start_unary(struct gw_call *call, const ProtobufCMessage *request)
{
    call->up = (struct gw_upcall){.method = call->route->method,
                                  .request = request,
                                  .principal = &call->principal,
                                  .trace = &call->trace,
                                  .timeout_us = call->app->conf->timeout + call->up.timeout_us,
                                  .repeatable = call->up.repeatable,
                                  .reply = got_reply,
                                  .failed = got_error,
                                  .done = done,
                                  .over = over};
    call->pending = true;
    gw_hold(call->x);
    call->app->upstream->unary(call->app->upstream, &call->up);
}

void gw_transcode(struct gw_call *call, aion_str body)
{
    const struct codec_json_read options = {0};
    struct aion_err err;
    ProtobufCMessage *request =
        codec_http_request(&call->match, call->route->method->request,
                           gw_request(call->x)->query, body, &options, gw_arena(call->x), &err);
    const struct gw_hook *hook = call->route->hook;
    if (request == NULL ||
        (hook != NULL && hook->request != NULL && !hook->request(call, request, &err))) {
        if (err.code == AION_EXHAUSTED) /* depth, elements, memory: the request's own fault */
            err.code = AION_INVALID;
        gw_fail(call, &err);
    } else if (call->route->method->server_stream) {
        gw_stream_open(call, request);
    } else {
        start_unary(call, request);
    }
}
