/* The application behind the engine: its four functions, its life. */
#include "gateway_private.h"

#include "base/base64.h"

#include <stdlib.h>

enum { KEY_PLACES = 65536, PEER_PLACES = 65536 };

/* -- one request -------------------------------------------------------------------------- */

/* The client's own id when it is harmless, else the trace's. */
static void choose_request_id(struct gw_call *call)
{
    aion_str given = gw_request_field(call->x, "x-request-id");
    bool good = given.size >= 1 && given.size < GW_REQUEST_ID_SIZE;
    for (size_t i = 0; good && i < given.size; i++)
        good = given.data[i] > ' ' && given.data[i] < 0x7f;
    if (good)
        aion_str_copy(call->request_id, sizeof(call->request_id), given);
    else
        aion_hex(call->request_id, call->trace.trace_id, sizeof(call->trace.trace_id));
}

static struct gw_call *call_new(struct gw_app *app, struct gw_exchange *x)
{
    struct gw_call *call = aion_arena_zalloc(gw_arena(x), sizeof(*call));
    if (call == NULL)
        abort(); /* the first piece of a fresh arena */
    call->app = app;
    call->x = x;
    call->log_reason = "";
    mesh_trace_begin(&call->trace, gw_request_field(x, "traceparent"));
    choose_request_id(call);
    gw_set_user(x, call);
    return call;
}

static size_t body_bound(const struct gw_call *call)
{
    size_t method = call->route->method->request_bytes_max;
    size_t most = (size_t)call->app->conf->body_bytes_max;
    /* JSON says the same in more bytes: base64 is 4/3, names and quotes come on top */
    size_t json = method + method / 2 + 1024;
    return json < most ? json : most;
}

static void begin(void *app, struct gw_exchange *x)
{
    struct gw_call *call = call_new(app, x);
    if (gw_request(x)->malformed || gw_probe(call))
        return;
    if (!gw_quota_peer(call) || !gw_route_find(call) || !gw_identify(call) ||
        !gw_quota_key(call))
        return;
    gw_body_max(x, body_bound(call));
}

static void end(void *app, struct gw_exchange *x, aion_str body)
{
    (void)app;
    gw_transcode(gw_user(x), body);
}

static void writable(void *app, struct gw_exchange *x)
{
    (void)app;
    gw_stream_writable(gw_user(x));
}

static void closed(void *app_, struct gw_exchange *x, bool whole)
{
    struct gw_app *app = app_;
    struct gw_call *call = gw_user(x);
    gw_access(call, whole);
    if (call->stream != NULL)
        gw_stream_closed(call);
    if (!call->pending || call->cancelled)
        return;
    call->cancelled = true;
    gw_hold(x); /* until over */
    app->upstream->cancel(app->upstream, &call->up);
}

const struct gw_app_ops gw_app_ops = {begin, end, writable, closed};

/* -- life --------------------------------------------------------------------------------- */

static struct limit_rate rate_of(int64_t per_second, int64_t burst)
{
    return (struct limit_rate){(uint32_t)per_second, (uint32_t)burst};
}

bool gw_app_reload(struct gw_app *app, const struct gw_conf *conf, struct aion_err *err)
{
    struct auth_keys *keys = auth_keys_parse(aion_str_of(conf->api_keys), err);
    if (keys == NULL)
        return false;
    auth_keys_free(app->keys);
    app->keys = keys;
    app->key_rate = rate_of(conf->key_rate, conf->key_burst);
    app->peer_rate = rate_of(conf->peer_rate, conf->peer_burst);
    app->failure_rate = rate_of(conf->failure_rate, 5 * conf->failure_rate);
    app->access_log = conf->access_log;
    return true;
}

struct gw_app *gw_app_new(const struct gw_conf *conf, struct gw_loop *loop,
                          struct gw_upstream *upstream, struct aion_err *err)
{
    struct gw_app *app = calloc(1, sizeof(*app));
    if (app == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    app->conf = conf;
    app->loop = loop;
    app->upstream = upstream;
    app->key_limits = limit_table_new(KEY_PLACES);
    app->peer_limits = limit_table_new(PEER_PLACES);
    app->failure_limits = limit_table_new(PEER_PLACES);
    aion_map_init(&app->streams, SIZE_MAX);
    aion_list_init(&app->stream_list);
    if (gw_routes_build(app, err) && gw_app_reload(app, conf, err))
        return app;
    gw_app_free(app);
    return NULL;
}

void gw_app_free(struct gw_app *app)
{
    if (app == NULL)
        return;
    auth_keys_free(app->keys);
    limit_table_free(app->key_limits);
    limit_table_free(app->peer_limits);
    limit_table_free(app->failure_limits);
    codec_router_free(app->router);
    aion_map_done(&app->streams);
    free(app->routes);
    free(app);
}

void gw_app_drain(struct gw_app *app)
{
    app->draining = true;
    gw_streams_drain(app);
}
