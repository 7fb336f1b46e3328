/* Inside the gateway: the application behind the HTTP engine.
 *
 * One request: begin (route, key, role, limits) → end (JSON to message) → upstream → reply
 * (message to JSON) → closed (metrics, log). All of it on the gateway's loop, but what stands
 * under "upstream's thread". */
#ifndef GATEWAY_PRIVATE_H
#define GATEWAY_PRIVATE_H

#include "auth/keys.h"
#include "base/list.h"
#include "base/map.h"
#include "base/metric.h"
#include "codec/http_rule.h"
#include "gateway_conf.h"
#include "http/http.h"
#include "limit/limit.h"
#include "upstream.h"

#include <pthread.h>

enum { GW_REQUEST_ID_SIZE = 129, GW_CODES_MAX = 12 };

struct gw_call;

/* What a method needs beyond transcoding: see hooks.c. Each may be NULL. */
struct gw_hook {
    const char *method; /* "/aion.v1.AionTasks/Submit" */
    /* After the request is made, on the gateway's loop. false: *err is the answer. */
    bool (*request)(struct gw_call *call, ProtobufCMessage *request, struct aion_err *err);
    /* While the reply is borrowed, on the upstream's thread: may set call->http_status and
     * fields. */
    void (*reply)(struct gw_call *call, const ProtobufCMessage *reply);
};

struct gw_route { /* one public method */
    const struct mesh_method *method;
    const struct gw_hook *hook;
    struct aion_metric *in_flight;
    struct { /* series by HTTP status, filled as they come */
        int status;
        struct aion_metric *duration;
    } codes[GW_CODES_MAX];
};

struct gw_app {
    const struct gw_conf *conf;
    struct gw_loop *loop;
    struct gw_server *server;
    struct gw_upstream *upstream;
    struct codec_router *router;
    struct gw_route *routes;
    size_t route_count;
    struct auth_keys *keys;
    struct limit_table *key_limits, *peer_limits, *failure_limits;
    struct limit_rate key_rate, peer_rate, failure_rate;
    struct aion_map streams; /* by id */
    uint64_t stream_last;
    struct aion_link stream_list;
    bool (*ready)(const struct gw_app *app); /* NULL = always */
    bool access_log, draining;
};

/* One exchange, in its arena. */
struct gw_call {
    struct gw_app *app;
    struct gw_exchange *x;
    struct gw_route *route; /* NULL: none matched, a probe, or no request at all */
    struct codec_http_match match;
    struct mesh_trace trace;
    struct mesh_principal principal; /* texts in the arena */
    char request_id[GW_REQUEST_ID_SIZE];
    const char *log_reason; /* static or arena: ErrorInfo.reason, for the log */
    struct gw_stream *stream;

    struct gw_upcall up;
    bool pending; /* the upstream has the call */
    bool cancelled;
    /* written on the upstream's thread, read after done */
    bool failed; /* err and details; else body holds the reply */
    struct aion_err err;
    aion_str details;
    struct aion_buf body;
    int http_status; /* 0 = 200 */
    struct gw_field fields[4];
    size_t field_count;
};

/* -- gateway.c: the engine's four functions */
extern const struct gw_app_ops gw_app_ops;
struct gw_app *gw_app_new(const struct gw_conf *conf, struct gw_loop *loop,
                          struct gw_upstream *upstream, struct aion_err *err);
void gw_app_free(struct gw_app *app);
void gw_app_drain(struct gw_app *app); /* ends the streams with a hint to come back */
/* Takes keys and limits anew; INVALID leaves the old ones. */
bool gw_app_reload(struct gw_app *app, const struct gw_conf *conf, struct aion_err *err);

/* -- routes.c */
bool gw_routes_build(struct gw_app *app, struct aion_err *err);
/* false: answered (404, 405, 501). */
bool gw_route_find(struct gw_call *call);
struct aion_metric *gw_route_duration(struct gw_route *route, int status);

/* -- identity.c: who asks. false: answered (401, 403, 429). */
bool gw_identify(struct gw_call *call);
/* -- quota.c: how much of it. false: answered (429). */
bool gw_quota_peer(struct gw_call *call);
bool gw_quota_key(struct gw_call *call);
bool gw_quota_failure(struct gw_call *call); /* counts a refused key */

/* -- status.c: errors as google.rpc.Status */
int gw_http_status(const struct aion_err *err);
void gw_fail(struct gw_call *call, const struct aion_err *err);
/* details: google.rpc.Status as received, or empty. */
void gw_fail_with(struct gw_call *call, const struct aion_err *err, aion_str details);
void gw_status_json(const struct aion_err *err, aion_str details, struct gw_exchange *x,
                    struct aion_buf *out);

/* -- transcode.c */
void gw_transcode(struct gw_call *call, aion_str body);
/* -- hooks.c */
const struct gw_hook *gw_hook_find(const char *method);
void gw_call_field(struct gw_call *call, const char *name, const char *value);
/* -- stream.c */
void gw_stream_open(struct gw_call *call, ProtobufCMessage *request);
void gw_stream_writable(struct gw_call *call);
void gw_stream_closed(struct gw_call *call);
void gw_streams_drain(struct gw_app *app);
/* -- probes.c: /healthz, /readyz. true: answered. */
bool gw_probe(struct gw_call *call);
/* -- access.c: one line and one sample a request */
void gw_access(struct gw_call *call, bool whole);

#endif
