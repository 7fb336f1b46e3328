/* The host at work: its pool and its standing stream to control. Everything on the I/O thread.
 */
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include "aion/v1/modules.mesh.h"
#include "auth/digest.h"
#include "base/list.h"
#include "host_conf.h"
#include "host_pool.h"
#include "program/program.h"

enum {
    HOST_CHUNKS_MAX = 4 * 1024 * 1024
}; /* bytes of chunks kept per attempt until it is settled */

/* A packed HostMessage that is kept until control has settled the attempt. */
struct host_kept {
    struct host_kept *next;
    uint64_t sequence; /* of a chunk */
    size_t size;
    uint8_t wire[];
};

/* One attempt, from Execute to Settled. */
struct host_attempt {
    struct host_job job; /* first */
    struct aion_link link;
    struct host *host;
    char task_id[40];
    uint32_t attempt;
    uint64_t epoch;
    bool running; /* the pool has the job */
    struct host_kept *chunks, **chunks_last;
    size_t chunk_bytes;
    struct host_kept *result; /* sent again until it is settled */
    struct auth_sha256 *digest;
    bool has_chunks;
    int64_t began_us;
};

struct host {
    struct program *program;
    const struct host_conf *conf;
    struct aion_arena arena; /* manifests */
    struct host_manifest manifests[HOST_MODULES_MAX];
    size_t manifest_count;
    struct host_pool *pool;
    struct mesh_channel *control;
    struct mesh_rpc *stream; /* NULL: not attached */
    bool welcomed, draining, full;
    struct mesh_timer again_timer, drain_timer;
    unsigned failures; /* of attaching, in a row: for the back-off */
    struct aion_link attempts;
    unsigned running;
    void (*settled)(struct host *host); /* while draining: an attempt is settled */
};

/* -- host_attach.c -------------------------------------------------------- */
void host_attach(struct host *host);
void host_detach(struct host *host);
/* Sends a message when attached; dropped otherwise: what matters is kept by its attempt. */
void host_send(struct host *host, const Aion__V1__HostMessage *message);
void host_send_capacity(struct host *host);

/* -- host_attempt.c ------------------------------------------------------- */
void host_execute(struct host *host, const Aion__V1__HostCommand__Execute *execute);
void host_cancel(struct host *host, const Aion__V1__HostCommand__Cancel *cancel);
void host_settled(struct host *host, const Aion__V1__HostCommand__Settled *settled);
/* Everything that is not settled, in order, after a new attach. */
void host_resend(struct host *host);
void host_free_attempts(struct host *host);

/* -- host_describe.c ------------------------------------------------------ */
void host_bind(struct host *host);

#endif
