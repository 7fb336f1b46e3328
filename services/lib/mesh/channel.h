/* The client's side: a channel is one service behind one or more endpoints.
 *
 * Picks the better of two random healthy endpoints by outstanding calls; watches health; ejects
 * endpoints that fail (outlier detection); refuses beyond a number of outstanding calls
 * (circuit breaker); retries idempotent calls on UNAVAILABLE, and CANCELLED by a drain, within
 * a budget. I/O thread only unless said. */
#ifndef MESH_CHANNEL_H
#define MESH_CHANNEL_H

#include "base/arena.h"
#include "base/err.h"
#include "mesh/call.h"
#include "mesh/identity.h"
#include "mesh/loop.h"
#include "mesh/method.h"
#include "mesh/trace.h"

struct mesh_channel;
struct mesh_rpc;

struct mesh_channel_conf {
    const char *name;           /* peer service, for metrics and logs: "control" */
    const char *target;         /* "127.0.0.1:8081", "a:1,b:2" or "dns:///name:port"; calls are
                                   spread over all addresses of a name */
    const struct mesh_tls *tls; /* NULL: plain text, refused unless every address is loopback */
    const char *peer_service;   /* the server must be spiffe://TRUST/service/THIS; NULL = any of
                                   the trust domain */
    uint32_t outstanding_max;   /* circuit breaker, 0 = 4096 unary calls */
    unsigned retry_percent;     /* retry budget as a share of calls, 0 = 20 */
    unsigned retry_floor_per_s; /* retries always allowed, 0 = 3 */
    unsigned eject_failures;    /* consecutive UNAVAILABLE|INTERNAL|UNKNOWN that eject, 0 = 5 */
    int64_t eject_us;           /* first ejection, doubled each time to 10 ×; 0 = 5 s */
    int64_t timeout_us;         /* of unary calls whose opts name none; 0 = 10 s */
    uint32_t reply_bytes_max;   /* 0 = 8 MiB */
    bool no_health;             /* the peer does not serve grpc.health.v1 */
    uint32_t window_bytes; /* what a stream may have on its way; 0 = found out by pings, which
                              cost a quiet connection more than its messages do */
};

/* Connects lazily. INVALID: target or TLS files; the text says which. */
struct mesh_channel *mesh_channel_new(struct mesh_loop *loop,
                                      const struct mesh_channel_conf *conf,
                                      struct aion_err *err);
/* Replaces the endpoints ("a:1,b:2"); calls in flight stay where they are. INVALID leaves the
 * old ones. */
bool mesh_channel_set_target(struct mesh_channel *channel, const char *target,
                             struct aion_err *err);
/* Cancels what is in flight (their callbacks run with AION_CANCELLED while the loop runs), then
 * frees itself. */
void mesh_channel_close(struct mesh_channel *channel);
bool mesh_channel_ready(
    const struct mesh_channel *channel); /* any endpoint connected and healthy */

struct mesh_metadata_pair {
    const char *name;
    aion_str value;
};

struct mesh_rpc_opts {
    struct mesh_call *parent; /* carries deadline, cancellation and trace on; NULL = none */
    int64_t timeout_us;       /* 0 = the channel's for unary, none for streams */
    /* Sent as aion-principal-bin; NULL = none: the work is done in this service's own name. */
    const struct mesh_principal *principal;
    const struct mesh_trace *trace; /* parent span; NULL = the parent's or a new root */
    /* Wait for a server that serves instead of failing at once: through its restart, say. Until
     * the deadline, a unary call at most for ready_wait_us (0 = no bound of its own), then
     * UNAVAILABLE with reason UNREACHABLE. */
    bool wait_for_ready;
    int64_t ready_wait_us;
    bool repeatable; /* this request may be repeated although its method may not (it carries a
                        key) */
    const struct mesh_metadata_pair *metadata;
    size_t metadata_count;
};

/* How an RPC ended. err == NULL: OK. Borrowed until the callback returns. */
struct mesh_result {
    const ProtobufCMessage *reply; /* unary: NULL exactly when err is not */
    const struct aion_err *err;
    aion_str
        status_details; /* grpc-status-details-bin as received (google.rpc.Status), or empty */
    aion_str wire;      /* the reply's wire form, checked by codec_scan */
    unsigned attempts;
};
typedef void mesh_done_fn(void *user, const struct mesh_result *result);

/* One unary call. `done` runs exactly once, later, on the I/O thread, never from inside this
 * function; the rpc is gone after it. request is packed before it returns. Never NULL. */
struct mesh_rpc *mesh_unary(struct mesh_channel *channel, const struct mesh_method *method,
                            const ProtobufCMessage *request, const struct mesh_rpc_opts *opts,
                            mesh_done_fn *done, void *user);

struct mesh_stream_ops {
    void (*message)(struct mesh_rpc *rpc,
                    const ProtobufCMessage *message); /* borrowed until return */
    void (*writable)(struct mesh_rpc *rpc);           /* after MESH_FULL; NULL = not wanted */
    void (*closed)(struct mesh_rpc *rpc,
                   const struct mesh_result *result); /* once, last; frees rpc after */
};
/* Opens a streaming call of any kind. Server-streaming: send one message, then half_close.
 * Never NULL. */
struct mesh_rpc *mesh_open(struct mesh_channel *channel, const struct mesh_method *method,
                           const struct mesh_rpc_opts *opts, const struct mesh_stream_ops *ops,
                           void *user);
enum mesh_sent mesh_rpc_send(struct mesh_rpc *rpc, const ProtobufCMessage *message);
/* The same for a message packed already, by the caller's own hand. */
enum mesh_sent mesh_rpc_send_packed(struct mesh_rpc *rpc, aion_str wire);
/* As mesh_bundle: only when the server has said that it reads that. */
void mesh_rpc_bundle(struct mesh_rpc *rpc);
void mesh_rpc_half_close(struct mesh_rpc *rpc);
void mesh_rpc_cancel(struct mesh_rpc *rpc); /* closed / done follows with AION_CANCELLED */
void mesh_rpc_pause(struct mesh_rpc *rpc);
void mesh_rpc_resume(struct mesh_rpc *rpc);
void *mesh_rpc_user(const struct mesh_rpc *rpc);
const struct mesh_method *mesh_rpc_method(const struct mesh_rpc *rpc);
/* What the server sent beside the messages; data NULL when absent; -bin values as bytes.
 * Borrowed: headers from the first message on, trailers inside done or closed; gone when that
 * returns. */
aion_str mesh_rpc_header(const struct mesh_rpc *rpc, const char *name);
aion_str mesh_rpc_trailer(const struct mesh_rpc *rpc, const char *name);

/* Blocking form for tests and workers: any thread but the I/O thread, while the loop runs
 * elsewhere. The reply is in the arena; NULL with *err on failure. */
const ProtobufCMessage *mesh_unary_wait(struct mesh_channel *channel,
                                        const struct mesh_method *method,
                                        const ProtobufCMessage *request,
                                        const struct mesh_rpc_opts *opts,
                                        struct aion_arena *arena, struct aion_err *err);

#endif
