/* The gRPC C core, wrapped once: operations, the loop's insides, slices, credentials,
 * arguments. Seen only in this folder. Debian's core is 1.51.1; every experimental symbol is
 * used in tls.c alone. */
#ifndef MESH_CORE_PRIVATE_H
#define MESH_CORE_PRIVATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jobs.h"
#include "base/list.h"
#include "base/rand.h"
#include "base/spare.h"
#include "mesh/call.h"
#include "mesh/loop.h"
#include "mesh/moderate.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <pthread.h>
#include <stdatomic.h>

/* One pending operation. Its address is the tag, so a tag can only ever name code that knows
 * what to do with it. Embedded in its owner. */
struct mesh_op {
    void (*done)(struct mesh_op *op, bool ok);
    struct mesh_op *next; /* the loop's, while it is complete and not yet done */
    bool ok;
};

/* Stream messages that wait for the end of the round: those that follow within it leave in the
 * same write. Embedded in its owner. */
struct mesh_held {
    struct aion_link link;
    void (*release)(struct mesh_held *held);
};

enum { MESH_WORKERS_MAX = 16 };

struct mesh_kept;
struct mesh_row {
    struct mesh_kept *first; /* the sockets that something is kept for */
};

struct mesh_loop {
    struct aion_exec exec; /* first: posting needs no lookup */
    grpc_completion_queue *cq;
    struct aion_heap timers;
    struct aion_link held;     /* mesh_held */
    struct aion_link channels; /* mesh_channel: for telemetry */
    unsigned held_rounds;      /* events taken since the first of them */
    unsigned row;              /* completions in a row */
    unsigned found;            /* those of them that waited already */
    bool busy;                 /* the last row had several of those */
    struct mesh_row written;   /* what the row's handlers wrote to sockets */
    int64_t row_us;            /* since when that is kept */
    unsigned done;             /* completions since the last look at the sockets */
    struct mesh_moderation moderation;
    int64_t now_us;
    int64_t cpu_mark_ns;
    _Atomic int64_t longest_ns, longest_ever_ns; /* written by the I/O thread alone */
    _Atomic pthread_t thread;                    /* who runs it */
    struct aion_link link;                       /* in the list of all loops; loop_list.c */
    atomic_bool running, stop;
    struct aion_rand rand;   /* picks and jitter */
    struct aion_spares rpcs; /* mesh_rpc */

    struct aion_jobs jobs;     /* from other threads */
    pthread_mutex_t wake_lock; /* empty batches on one call are serialised */
    struct mesh_op wake;
    grpc_channel *lame;
    grpc_call *wake_call;

    struct mesh_workers {
        pthread_mutex_t lock;
        pthread_cond_t work;
        struct aion_job *first, **last;
        unsigned queued, queued_max, threads, threads_max, idle;
        bool stop;
        pthread_t ids[MESH_WORKERS_MAX];
    } workers;
};

/* Starts a batch whose completion is op->done. A refused batch is a programmer's error. */
void mesh_batch(grpc_call *call, const grpc_op *ops, size_t count, struct mesh_op *op);
/* Calls held->release once nothing else is to be done at once, or after a few events. Harmless
 * when it is held already. I/O thread. */
void mesh_hold_back(struct mesh_loop *loop, struct mesh_held *held);
/* One round: waits at most until `until_us` (or the next timer), runs what came. For closing
 * servers and channels after the loop ended. */
void mesh_loop_step(struct mesh_loop *loop, int64_t until_us);
gpr_timespec mesh_timespec(int64_t mono_us); /* INT64_MAX = never */

/* -- what is written to the core's sockets during a row leaves at its end; gather.c, adr/0006
 * -- */
/* From now on this thread's messages are kept. */
void mesh_gather(struct mesh_row *row);
/* What was kept leaves, and no more is kept. False: a peer takes no more at present; what is
 * left goes with the next message to it, or with the next end. */
bool mesh_gather_end(struct mesh_row *row);
void mesh_gather_done(struct mesh_row *row); /* before a row is freed */
void mesh_gather_from(int fd);               /* a socket of the core's, until its shutdown(2) */
bool mesh_gather_known(void);                /* whether this core's sockets can be known */
/* The last of a server's or channel's arguments; to be left out when they can't. */
grpc_arg mesh_gather_arg(void);

/* Sends the core's log lines to ours. Once is enough. */
void mesh_core_log(void);
/* Spares the core's locks their deadlock detector. Once is enough, before the core starts. */
void mesh_core_locks(void);

/* -- the loops of this process, as the admin port shows them; loop_list.c, any thread -- */
void mesh_loops_add(struct mesh_loop *loop);
void mesh_loops_remove(struct mesh_loop *loop);
void mesh_loops_write(struct aion_buf *out);
/* The watchdog saw a handler, job or timer that took this long; I/O thread. */
void mesh_loops_slow(struct mesh_loop *loop, int64_t used_ns);

/* A call on a channel. `parent` (may be NULL) is a server's call whose cancellation it shares.
 */
grpc_call *mesh_core_call(grpc_channel *channel, struct mesh_call *parent,
                          struct mesh_loop *loop, const char *path, int64_t deadline_us);

size_t mesh_rpc_size(void); /* of a client's call; rpc.c */

/* -- messages of a stream that wait to be sent; queue.c -------------------- */
struct mesh_out {
    struct mesh_out *next;    /* first: the end of a queue is found by it */
    grpc_byte_buffer *buffer; /* NULL: open, more may join it */
    struct aion_buf bundle;
    bool begun; /* a message is in the bundle, which may have no bytes */
    size_t size;
};
struct mesh_queue { /* stays where it is */
    struct mesh_out *first, **last, *sending;
    size_t bytes;        /* of all, and what a message costs beside them */
    uint32_t more_field; /* of the messages' type; 0: each message by itself */
    bool own_used;
    struct mesh_out own; /* the one of a call that has one message */
};
void mesh_queue_init(struct mesh_queue *queue);
/* From now on what waits leaves as one message, in the repeated field `more` of its type. */
void mesh_queue_bundle(struct mesh_queue *queue, const ProtobufCMessageDescriptor *type);
size_t mesh_queue_add(struct mesh_queue *queue,
                      const ProtobufCMessage *message); /* its bytes */
void mesh_queue_add_packed(struct mesh_queue *queue, aion_str wire);
/* By itself in any case; the queue's from now on. */
void mesh_queue_add_buffer(struct mesh_queue *queue, grpc_byte_buffer *buffer, size_t size);
/* The first one, of a queue that is not empty; the queue's until it is sent. */
grpc_byte_buffer *mesh_queue_send(struct mesh_queue *queue);
void mesh_queue_sent(struct mesh_queue *queue); /* nothing was on its way: fine */
void mesh_queue_drop(struct mesh_queue *queue); /* what waits; not what is on its way */

/* -- slices and buffers --------------------------------------------------- */
/* A packed message; NULL: out of memory. */
grpc_byte_buffer *mesh_pack(const ProtobufCMessage *message, size_t *ret_size);
grpc_byte_buffer *mesh_pack_wire(aion_str wire);
/* One more reference to their bytes. */
grpc_byte_buffer *mesh_wires_buffer(struct mesh_wire *const *wires, size_t count,
                                    size_t *ret_size);
/* The bytes of a received buffer as one string: borrowed from it when it is one slice, else
 * copied to the arena. False: arena's limit. */
bool mesh_buffer_view(grpc_byte_buffer *buffer, struct aion_arena *arena, aion_str *ret_wire);
aion_str mesh_slice_view(const grpc_slice *slice);
/* The value of a metadata key, data NULL when absent; "-bin" values are raw in the core. */
aion_str mesh_metadata_find(const grpc_metadata_array *array, const char *name);

/* -- google.rpc.Status ---------------------------------------------------- */
/* The serialized Status of an error with reason, field or retry_after; empty (size 0) when
 * there is nothing to say beyond code and text. In the arena. */
aion_str mesh_status_details(const struct aion_err *err, struct aion_arena *arena);
/* Reads reason, field and retry_after out of a serialized Status into *err. */
void mesh_status_read(aion_str details, struct aion_err *err);

/* -- principal ------------------------------------------------------------ */
/* aion.v1.Principal, by hand: mesh stands below the protos of AION. */
bool mesh_principal_decode(aion_str wire, struct mesh_principal *ret_principal);
/* Into out[size]; 0 = does not fit. */
size_t mesh_principal_encode(const struct mesh_principal *principal, uint8_t *out, size_t size);

/* -- TLS ------------------------------------------------------------------ */
/* INVALID or UNAVAILABLE: a file is missing or unreadable; the text names it. */
grpc_server_credentials *mesh_server_credentials(const struct mesh_tls *tls,
                                                 struct aion_err *err);
/* The server must present spiffe://TRUST/service/`peer_service` (NULL: any of the trust
 * domain). */
struct mesh_client_tls; /* credentials and their verifier */
struct mesh_client_tls *mesh_client_tls_new(const struct mesh_tls *tls,
                                            const char *peer_service, struct aion_err *err);
grpc_channel_credentials *mesh_client_credentials(struct mesh_client_tls *tls);
void mesh_client_tls_free(struct mesh_client_tls *tls);

#endif
