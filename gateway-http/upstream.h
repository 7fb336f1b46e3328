/* What the gateway asks of the services behind it. The mesh's implementation is upstream_mesh.c
 * and feed.c; tests script one.
 *
 * Threads: the functions are called on the gateway's loop. An upstream works on a thread of its
 * own, hands replies over there, where they are borrowed (`reply`, `failed`, `format`), and
 * posts the end back to the loop (`done`, events). */
#ifndef GATEWAY_UPSTREAM_H
#define GATEWAY_UPSTREAM_H

#include "base/exec.h"
#include "mesh/channel.h"

struct gw_upstream;

/* One unary call, embedded in its owner, who keeps it (and the request) until done, and until
 * `over` after a cancel. */
struct gw_upcall {
    const struct mesh_method *method;
    const ProtobufCMessage *request;
    const struct mesh_principal *principal;
    const struct mesh_trace *trace;
    int64_t timeout_us;
    bool repeatable;
    /* One of the two, on the upstream's thread. details: google.rpc.Status, or empty. */
    void (*reply)(struct gw_upcall *call, const ProtobufCMessage *reply);
    void (*failed)(struct gw_upcall *call, const struct aion_err *err, aion_str details);
    /* Then, on the gateway's loop. */
    void (*done)(struct gw_upcall *call);
    /* After gw_upstream_cancel, on the gateway's loop, before or after done: the upstream
     * forgets the call. */
    void (*over)(struct gw_upcall *call);

    /* private to the upstream */
    struct gw_upstream *upstream;
    struct gw_upcall *next;
    struct mesh_rpc *rpc;
    struct aion_job job, cancel_job;
};

enum gw_format { GW_SSE, GW_NDJSON, GW_ARRAY };

/* Something that came on a stream; made by the upstream, freed by the receiver. */
struct gw_event {
    struct aion_job job; /* run on the gateway's loop: hands it to sink */
    void (*sink)(void *user, struct gw_event *event);
    void *user;
    uint64_t stream_id;
    uint64_t cursor; /* 0 = none */
    bool closed;     /* the last one; code and the texts say how it ended */
    bool final;      /* the task's last chunk */
    uint32_t credit; /* payload bytes, to be given back by gw_upstream_credit */
    enum aion_code code;
    char reason[48];
    char text[256];
    size_t size;
    char bytes[]; /* formatted: a whole event, line or element */
};

/* A stream to open; copied. */
struct gw_stream_spec {
    uint64_t id; /* unique among the open ones */
    const struct mesh_method *method;
    const ProtobufCMessage *request;
    const struct mesh_principal *principal;
    const struct mesh_trace *trace;
    enum gw_format format;
    void (*sink)(void *user, struct gw_event *event); /* on the gateway's loop */
    void *user;
};

struct gw_upstream {
    void (*unary)(struct gw_upstream *self, struct gw_upcall *call);
    void (*cancel)(struct gw_upstream *self, struct gw_upcall *call);
    void (*open)(struct gw_upstream *self, const struct gw_stream_spec *spec);
    void (*credit)(struct gw_upstream *self, uint64_t id, uint32_t bytes);
    void (*close)(struct gw_upstream *self, uint64_t id); /* events under way may still come */
};

/* -- the mesh's */
struct gw_loop;
struct gw_mesh_conf {
    struct mesh_loop *mesh;
    struct gw_loop *loop;
    const struct mesh_tls *tls;
    const char *control, *router, *retention;
    int64_t timeout_us;
};
/* On the mesh's thread, or before it runs. INVALID: a target. */
struct gw_upstream *gw_mesh_new(const struct gw_mesh_conf *conf, struct aion_err *err);
bool gw_mesh_ready(
    const struct gw_upstream *upstream); /* control is reachable; any thread, a little old */
/* Control's, for telemetry; lives until gw_mesh_close. */
struct mesh_channel *gw_mesh_control(const struct gw_upstream *upstream);
void gw_mesh_close(
    struct gw_upstream *upstream); /* mesh's thread, after the gateway's loop has ended */
void gw_mesh_free(struct gw_upstream *upstream); /* after the mesh's loop has ended */

#endif
