/* The mesh upstream: unary calls (upstream_mesh.c) and streams (upstream_streams.c, of which
 * watch.c has one kind; both hand on by feed.c). All state but `batch` belongs to the mesh's
 * thread. */
#ifndef GATEWAY_UPSTREAM_PRIVATE_H
#define GATEWAY_UPSTREAM_PRIVATE_H

#include "base/map.h"
#include "http/loop.h"
#include "upstream.h"

#include <stdatomic.h>

enum { GW_FEEDS_MAX = 65536 };

struct gw_mesh {
    struct gw_upstream ops; /* first */
    struct mesh_loop *mesh;
    struct aion_exec *gateway;
    struct mesh_channel *control, *router, *retention;
    struct gw_upcall *batch_first, **batch_last; /* gateway's loop: calls of this round */
    struct aion_map feeds;                       /* by stream id */
    struct mesh_rpc *watch;                      /* the standing WatchStreams call, or NULL */
    struct mesh_timer watch_timer, ready_timer;
    unsigned watch_failures;
    bool closing;
    atomic_bool ready;
};

/* One open stream: a watch on the standing call, or a call of its own. */
struct gw_feed {
    uint64_t id;
    struct gw_mesh *self;
    const struct mesh_method *method;
    enum gw_format format;
    void (*sink)(void *user, struct gw_event *event);
    void *user;
    struct mesh_principal principal; /* strings in `texts` */
    struct mesh_trace trace;
    uint64_t cursor; /* watch: of the last chunk handed on */
    bool watched;    /* of the two kinds, the first */
    bool opened;     /* watch: on the standing call as it is now */
    bool paused;
    uint32_t queued; /* handed on and not yet given back, in bytes of credit */
    struct mesh_rpc *rpc;
    ProtobufCMessage *request; /* until the call is opened */
    struct aion_arena arena;   /* request, principal's texts */
    struct aion_job job;       /* open */
    char first[512];           /* the arena's first block: ten thousand streams are idle */
};

/* The channel to whom this method is a method of. */
static inline struct mesh_channel *gw_mesh_channel(const struct gw_mesh *self,
                                                   const struct mesh_method *method)
{
    if (strcmp(method->service, "aion.v1.Router") == 0)
        return self->router;
    if (strcmp(method->service, "aion.v1.Retention") == 0)
        return self->retention;
    return self->control;
}

/* -- feed.c */
static inline aion_str gw_feed_key(const uint64_t *id) /* in gw_mesh.feeds */
{
    return aion_str_n(id, sizeof(*id));
}
void gw_feed_free(struct gw_feed *feed); /* out of the map, too */
/* Hands one message, or the end, to the gateway's loop. Returns what of credit it takes:
 * `credit`, or with 0 the bytes it became; 0 when it could not be shown and the end went
 * instead: the gateway's loop has forgotten the stream, so the caller ends it. */
uint32_t gw_feed_message(struct gw_feed *feed, const struct codec_message *schema,
                         const ProtobufCMessage *message, uint64_t cursor, uint32_t credit,
                         bool final, const char *name);
void gw_feed_end(struct gw_feed *feed, enum aion_code code, const char *reason,
                 const char *text);

/* -- watch.c */
void gw_watch_add(struct gw_feed *feed);
void gw_watch_credit(struct gw_feed *feed, uint32_t bytes);
void gw_watch_remove(struct gw_feed *feed);
void gw_watch_retry(struct mesh_timer *timer);

/* -- upstream_streams.c: struct gw_upstream's open, credit, close */
void gw_upstream_open(struct gw_upstream *upstream, const struct gw_stream_spec *spec);
void gw_upstream_credit(struct gw_upstream *upstream, uint64_t id, uint32_t bytes);
void gw_upstream_close(struct gw_upstream *upstream, uint64_t id);

#endif
