/* A server and its calls: shared by server.c (binding, accepting, drain), call.c (one call's
 * life), call_send.c (its send queue) and call_end.c (metrics, log, release). Everything here
 * belongs to the I/O thread, but for a blocking handler's call while `on_worker` is set. */
#ifndef MESH_SERVER_PRIVATE_H
#define MESH_SERVER_PRIVATE_H

#include "base/list.h"
#include "base/map.h"
#include "base/metric.h"
#include "mesh/core_private.h"
#include "mesh/server.h"

enum {
    MESH_FIRST_BLOCK = 2048,
    MESH_HEADERS_MAX = 8,
    MESH_NOTES_MAX = 4,
    MESH_NOTE_SIZE = 64,
    MESH_UNARY_SLOTS = 32, /* armed requests of a busy unary method; measured: 1 is too few, 512
                              too many */
    MESH_STREAM_SLOTS = 4,
    MESH_FIRST_SLOTS = 2, /* of a method that nobody has called yet: an idle mesh is small */
    MESH_GENERIC_SLOTS = 8,
    MESH_POOL_MAX = 2048, /* calls kept for reuse, about 5 KiB each; what a peak had beyond goes
                             back to the heap */
};

/* A bound service: what the handlers of its methods get. */
struct mesh_bound {
    const struct mesh_service_type *type;
    const void *table;
    void *service;
    bool serving;
};

/* A row of a bound service at work. */
struct mesh_server_method {
    const struct mesh_method *method;
    const struct mesh_bound *bound;
    void *registered; /* the core's handle; NULL for what the catch-all answers */
    bool stream;      /* either side streams */
    uint32_t slots;   /* armed requests, up to its kind's number */
    struct aion_metric *duration, *live;
    struct aion_metric *by_code[AION_UNAUTHENTICATED + 1]; /* made on first use */
};

struct mesh_health; /* watchers of grpc.health.v1; health.c */

enum { MESH_BOUND_MAX = 16, MESH_CONNECTIONS_KNOWN = 16 };

struct mesh_server {
    struct mesh_loop *loop;
    grpc_server *core;
    struct mesh_server_conf conf; /* defaults filled in */
    char *listen, *trust_domain;
    bool anonymous_peers;
    int port;
    struct mesh_bound bound[MESH_BOUND_MAX];
    size_t bound_count;
    struct mesh_server_method *methods;
    size_t method_count;
    struct mesh_health *health;

    struct aion_link free_calls; /* pooled */
    struct aion_link live_calls; /* begun, not ended */
    size_t free_count;           /* of free_calls */
    size_t calls_out;            /* armed, live or held: not in the pool */
    uint32_t live_unary, live_streams;
    struct aion_map peers; /* spiffe id → struct mesh_known_peer */
    struct mesh_connection {
        grpc_auth_context *context; /* held; NULL: free */
        struct mesh_known_peer *known;
    } connections[MESH_CONNECTIONS_KNOWN]; /* the last ones that were met, in a circle */
    size_t connections_met;
    void (*audited)(void *user, const struct mesh_audit *audit); /* NULL: nobody asks */
    void *audited_user;

    bool started, stopping; /* stopping: no new calls */
    struct mesh_op shut;
    bool shut_done;
    struct mesh_timer drain_timer;
    int drain_step;
    int64_t drain_grace_us;
    void (*stopped)(void *user);
    void *stopped_user;
    void (*failed)(void *user, struct mesh_call *call, const struct aion_err *err);
    void *failed_user;
    void (*drained)(void *user);
    void *drained_user;
};

struct mesh_known_peer {
    uint32_t live; /* calls that count for its limit */
    uint32_t refs; /* calls and connections whose strings are these */
    struct mesh_peer peer;
    struct mesh_principal principal; /* who it speaks for when it delegates for nobody */
    char id[];
};

struct mesh_header_pair {
    const char *name;
    aion_str value;
};

struct mesh_call {
    struct aion_link link; /* free_calls or live_calls */
    struct mesh_server *server;
    struct mesh_server_method *at; /* NULL: the catch-all's */
    atomic_int refs;               /* a worker may hold a call too */
    grpc_call *core;
    grpc_metadata_array metadata;
    grpc_call_details details; /* the catch-all's only */
    gpr_timespec deadline;
    grpc_byte_buffer *payload; /* of the request, then of the message being read */

    struct mesh_op op_new, op_close, op_recv, op_send;
    struct mesh_held held; /* what a stream sends */
    int cancelled;         /* written by the core with RECV_CLOSE */
    bool close_started, close_done;
    bool close_with_status; /* in one batch: `cancelled` is known when that is sent */
    bool recv_pending, paused, half_closed;
    bool begun;  /* counted as live */
    bool ended;  /* reply, finish or fail was called */
    bool gone;   /* cancelled by the client, the deadline or the connection */
    bool corked; /* inside the handler: hold the batch back */
    bool on_worker;
    atomic_bool gone_meanwhile; /* gone while a worker has the call; read there by mesh_ended */
    bool headers_sent, send_pending, status_sent, status_done;
    bool full;           /* MESH_FULL was answered and writable is owed */
    bool handler_opened; /* done is owed */
    struct mesh_queue out;

    grpc_slice details_slice;

    void *user;
    void (*on_cancel)(struct mesh_call *call);
    struct mesh_timer deadline_timer;
    struct mesh_work work; /* blocking methods */
    const ProtobufCMessage *request;

    struct mesh_principal principal;
    struct mesh_peer peer;
    struct mesh_known_peer *known; /* whose id and principal these are */
    bool admitted;                 /* it counts for the limits */
    struct mesh_trace trace;
    int64_t began_us, began_utc_us;
    int64_t deadline_us; /* 0 = not yet computed */
    size_t bytes_in, bytes_out;
    uint8_t header_count, trailer_count, note_count;

    /* What is above is cleared for each call, a kilobyte less than all. */
    struct aion_err status; /* code OK or what failed */
    struct mesh_header_pair headers[MESH_HEADERS_MAX], trailers[MESH_HEADERS_MAX];
    struct {
        const char *name;
        char value[MESH_NOTE_SIZE];
        uint8_t size;
    } notes[MESH_NOTES_MAX];
    struct aion_arena arena;    /* the call's */
    struct aion_arena messages; /* of streams: reset per message */
    char first_block[MESH_FIRST_BLOCK];
};

/* -- call.c --------------------------------------------------------------- */
/* Asks the core for the next call of the method (NULL = any other); false: the server is
 * stopping. */
bool mesh_call_arm(struct mesh_server *server, struct mesh_server_method *at);
/* Ends the call for its handler: cancelled from outside. */
void mesh_call_gone(struct mesh_call *call);

/* -- call_send.c ---------------------------------------------------------- */
/* Starts the next batch of what waits to be sent, if none is under way. */
void mesh_call_pump(struct mesh_call *call);
/* The same for what a stream sends, once the round is over: more may come until then. */
void mesh_call_pump_soon(struct mesh_call *call);

/* -- call_end.c ----------------------------------------------------------- */
/* The transport is through with the call: metrics, span, log line, release. */
void mesh_call_finished(struct mesh_call *call);
void mesh_call_ref(struct mesh_call *call);
void mesh_call_unref(struct mesh_call *call);
/* Back to the pool; its core call is gone. */
void mesh_call_recycle(struct mesh_call *call);
/* Who calls, by address; asked of the core when it is wanted first. */
aion_str mesh_call_address(struct mesh_call *call);

/* -- peers.c -------------------------------------------------------------- */
enum mesh_meeting { MESH_MET, MESH_NOBODY, MESH_TOO_MANY_PEERS };
/* Who makes this call; to be let go when nobody looks at its strings any more. NOBODY: the
 * certificate has no id of this trust domain. */
enum mesh_meeting mesh_peer_meet(struct mesh_server *server, grpc_call *core,
                                 struct mesh_known_peer **ret);
void mesh_peer_let_go(struct mesh_server *server, struct mesh_known_peer *known);
void mesh_peers_free(struct mesh_server *server);

/* -- admission.c ---------------------------------------------------------- */
/* Identity, role and limits; false: the call was failed. */
bool mesh_admit(struct mesh_call *call);
void mesh_unadmit(struct mesh_call *call);

/* -- server.c ------------------------------------------------------------- */
/* A call ended: the drain may go on. */
void mesh_server_call_gone(struct mesh_server *server);

/* -- health.c, reflection.c ----------------------------------------------- */
struct mesh_health *mesh_health_new(struct mesh_server *server);
/* Ends all watches: they would keep a draining server for its whole grace. */
void mesh_health_end_watches(struct mesh_health *health);
void mesh_health_free(struct mesh_health *health);
void mesh_health_changed(struct mesh_health *health); /* tells the watchers */
void mesh_reflection_bind(struct mesh_server *server);

#endif
