/* What calls over the channels of a loop came to, endpoint by endpoint: for telemetry. I/O
 * thread. */
#ifndef MESH_EDGE_H
#define MESH_EDGE_H

#include "mesh/channel.h"

enum mesh_edge_state { /* numbers of aion.v1.OpsEdgeState */
                       MESH_EDGE_DOWN = 0,
                       MESH_EDGE_OK = 1,
                       MESH_EDGE_EJECTED = 2,
                       MESH_EDGE_DRAINING = 3,
                       MESH_EDGE_BREAKER = 4, /* the channel's circuit breaker refuses */
};

/* Counts since the endpoint was made; a stream counts as a call when it ends. Borrowed. */
struct mesh_edge {
    const char *peer;    /* the channel's name */
    const char *address; /* "127.0.0.1:8081" */
    enum mesh_edge_state state;
    uint32_t outstanding; /* calls, and streams that stand */
    uint64_t calls, errors, retries, ejections;
    const uint32_t *latency; /* AION_HIST_BUCKETS counts of µs; NULL = none yet */
};
typedef void mesh_edge_fn(void *user, const struct mesh_edge *edge);
void mesh_edges_each(struct mesh_loop *loop, mesh_edge_fn *fn, void *user);

/* A question that went over a standing stream was answered after took_us: it counts as a call
 * of the stream's endpoint. */
void mesh_rpc_answered(struct mesh_rpc *rpc, int64_t took_us, enum aion_code code);

#endif
