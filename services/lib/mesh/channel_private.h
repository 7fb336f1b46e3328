/* A channel, its endpoints and its calls: channel.c (life, targets), resolve.c (names with
 * several addresses), endpoint.c (pick, health, ejection), rpc.c (what every call has), unary.c
 * and stream.c. All on the I/O thread. */
#ifndef MESH_CHANNEL_PRIVATE_H
#define MESH_CHANNEL_PRIVATE_H

#include "base/list.h"
#include "base/metric.h"
#include "mesh/channel.h"
#include "mesh/core_private.h"
#include "mesh/outlier.h"
#include "mesh/retry_budget.h"

enum {
    MESH_ENDPOINTS_MAX = 64,
    MESH_RPC_FIRST_BLOCK = 1024,
    MESH_PAIRS_MAX = 12,
    MESH_ATTEMPTS_MAX = 3,
    MESH_ADDRESS_MAX = 256,
};

enum mesh_endpoint_health { MESH_HEALTH_UNKNOWN, MESH_HEALTH_SERVING, MESH_HEALTH_NOT_SERVING };

struct mesh_edge_counts { /* see edge.h */
    uint64_t calls, errors, retries, ejections;
    uint32_t *latency;
};

struct mesh_endpoint {
    struct mesh_channel *channel;
    char address[MESH_ADDRESS_MAX]; /* as the core wants it: "ipv4:127.0.0.1:8081" or
                                       "dns:///..." */
    grpc_channel *core;
    uint32_t outstanding;
    bool removed;  /* by set_target or close: freed with its last call */
    bool stand_in; /* a name's, for when none of its addresses serves: see resolve.c */
    struct mesh_outlier outlier;
    struct mesh_edge_counts counts;
    enum mesh_endpoint_health health;
    struct mesh_rpc *watch; /* the health stream, NULL = none */
    struct mesh_timer watch_again;
    int64_t watch_wait_us; /* until then; doubled by each watch that tells nothing */
    bool unwatched;        /* it does not tell its health */
};

/* As the core names them: "ipv4:127.0.0.1:8081", "ipv6:[::1]:8081", "dns:///host:8081". */
struct mesh_addresses {
    char names[MESH_ENDPOINTS_MAX][MESH_ADDRESS_MAX];
    size_t count;
};

struct mesh_channel {
    struct aion_link link; /* of the loop's */
    struct mesh_loop *loop;
    struct mesh_channel_conf conf; /* defaults filled in; texts are copies */
    char *name;
    struct mesh_client_tls *tls; /* NULL: plain text */
    struct mesh_endpoint *endpoints[MESH_ENDPOINTS_MAX];
    size_t endpoint_count;
    struct mesh_addresses *target; /* as configured */
    struct mesh_resolver *resolver;
    struct aion_link rpcs;
    struct aion_link parked; /* unary calls that wait for an endpoint to serve */
    uint32_t outstanding;    /* unary */
    uint32_t alive;          /* rpcs and removed endpoints that still need the channel */
    bool closing;
    struct mesh_retry_budget retries;
    struct aion_metric *outstanding_metric, *retry_metric, *refused_metric, *ejected_metric;
};

struct mesh_rpc {
    struct aion_link link;
    struct mesh_channel *channel;
    struct mesh_endpoint *endpoint;    /* of the attempt under way */
    const struct mesh_endpoint *tried; /* of the attempt before: compared, never looked into */
    const struct mesh_method *method;
    grpc_call *core;
    struct mesh_call *parent; /* held; NULL = none */
    void *user;
    int64_t began_us, began_utc_us, deadline_us; /* INT64_MAX = none */
    int64_t attempt_us;                          /* when the attempt began */
    struct mesh_trace trace;
    char traceparent[MESH_TRACEPARENT_SIZE];
    grpc_metadata pairs[MESH_PAIRS_MAX];
    size_t pair_count;
    bool wait_for_ready, repeatable, cancelled,
        system; /* system: the channel's own health watch */

    grpc_metadata_array headers, trailers;
    grpc_status_code status;
    grpc_slice status_text;
    grpc_byte_buffer *received;
    struct aion_err err;

    /* unary */
    mesh_done_fn *done;
    grpc_byte_buffer *request; /* kept for another attempt ... */
    grpc_byte_buffer *sending; /* ... and this attempt's: sending empties it */
    unsigned attempt;
    struct mesh_op op_unary;
    struct mesh_timer retry_timer; /* until the next attempt, or for how long it stays parked */
    struct aion_link park;         /* in channel->parked, else unlinked */
    int64_t ready_by_us;
    struct aion_job fail_job; /* an end that must come later */

    /* streams */
    const struct mesh_stream_ops *ops;
    struct mesh_op op_headers, op_recv, op_send, op_status;
    struct mesh_held held;
    bool recv_pending, send_pending, headers_pending, status_pending, paused, no_more;
    bool half_close, half_closed, full, first_recv;
    struct mesh_queue out;
    struct aion_arena messages;

    struct aion_arena arena;
    char first_block[MESH_RPC_FIRST_BLOCK];
};

/* -- endpoint.c ----------------------------------------------------------- */
struct mesh_endpoint *mesh_endpoint_new(struct mesh_channel *channel, const char *address);
/* No new calls; its own go on. */
void mesh_endpoint_remove(struct mesh_endpoint *endpoint);
void mesh_endpoint_unref(struct mesh_endpoint *endpoint); /* a call on it ended */
/* The better of two random ones of the best rank (see endpoint.c). `avoid` (may be NULL) only
 * when there is no other. */
struct mesh_endpoint *mesh_endpoint_pick(struct mesh_channel *channel,
                                         const struct mesh_endpoint *avoid);
/* It says that it serves, or does not speak of its health. */
bool mesh_endpoint_serves(const struct mesh_endpoint *endpoint);
bool mesh_endpoints_serve(const struct mesh_channel *channel);
void mesh_endpoint_record(struct mesh_endpoint *endpoint, enum aion_code code);
void mesh_endpoint_watch(struct mesh_endpoint *endpoint); /* starts its health stream */

/* -- edge.c ---------------------------------------------------------------- */
/* A call or stream on it ended; took_us -1: its time says nothing. */
void mesh_endpoint_count(struct mesh_endpoint *endpoint, int64_t took_us, enum aion_code code);

/* -- rpc.c ---------------------------------------------------------------- */
struct mesh_rpc *mesh_rpc_new(struct mesh_channel *channel, const struct mesh_method *method,
                              const struct mesh_rpc_opts *opts, void *user);
/* Makes rpc->core on an endpoint (NULL: picks one, another than the attempt before). */
void mesh_rpc_begin(struct mesh_rpc *rpc, struct mesh_endpoint *endpoint);
void mesh_rpc_end_attempt(
    struct mesh_rpc *rpc); /* unrefs core and endpoint, forgets what was received */
/* status, status_text, trailers → rpc->err; true when OK. */
bool mesh_rpc_read_status(struct mesh_rpc *rpc);
aion_str mesh_rpc_status_details(const struct mesh_rpc *rpc);
void mesh_rpc_tell_end(struct mesh_rpc *rpc); /* metrics and span */
void mesh_rpc_free(struct mesh_rpc *rpc);
struct mesh_rpc *mesh_open_on(struct mesh_endpoint *endpoint, const struct mesh_method *method,
                              const struct mesh_rpc_opts *opts,
                              const struct mesh_stream_ops *ops, void *user);

/* -- unary.c -------------------------------------------------------------- */
void mesh_unary_unpark(struct mesh_channel *channel); /* an endpoint serves (again) */
void mesh_unary_cancel(struct mesh_rpc *rpc);         /* of one that is parked */

/* -- resolve.c ------------------------------------------------------------ */
/* Asks for the names in `target` from now on; never NULL, nothing to do without names. */
struct mesh_resolver *mesh_resolver_new(struct mesh_channel *channel,
                                        const struct mesh_addresses *target);
void mesh_resolver_free(struct mesh_resolver *resolver); /* NULL fine */

/* -- channel.c ------------------------------------------------------------ */
void mesh_channel_resolved(struct mesh_channel *channel, const struct mesh_addresses *found);
void mesh_channel_release(struct mesh_channel *channel); /* alive--; frees when closing and 0 */

#endif
