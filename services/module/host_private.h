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
    struct host_link *owner; /* NULL: its control is away, or another has not claimed it yet */
    struct aion_link mates;  /* that came in the same command and run */
    bool seated;             /* counts for the slot of all of them */
    char task_id[40];
    unsigned shard;
    uint32_t attempt;
    uint64_t epoch;
    bool running; /* the pool has the job */
    struct host_kept *chunks, **chunks_last;
    size_t chunk_bytes;
    struct host_kept *result;   /* sent again until it is settled */
    struct auth_sha256 *digest; /* of all chunks; NULL: there are none */
    int64_t began_us;
};

/* A standing stream to one control. */
struct host_link {
    struct aion_link link; /* in host->links */
    struct host *host;
    char target[256];  /* what the channel was made for */
    char address[128]; /* of the control, as others know it; empty: not heard yet */
    struct mesh_channel *channel;
    struct mesh_rpc *stream; /* NULL: not attached */
    struct mesh_timer again;
    bool seed;   /* made from --control */
    bool wanted; /* named by the last word of peers */
    bool welcomed, full;
    unsigned failures; /* of attaching, in a row: for the back-off */
    uint64_t shards;   /* claimed over it, as bits */
    unsigned running;  /* slots that its attempts take */
    unsigned share;    /* slots it was told last */
};

struct host {
    struct program *program;
    const struct host_conf *conf;
    struct aion_arena arena; /* manifests */
    struct host_manifest manifests[HOST_MODULES_MAX];
    size_t manifest_count;
    struct host_pool *pool;
    struct host_memory *memory;
    struct aion_link links; /* to controls */
    unsigned full_links;    /* that do not keep up */
    bool draining, leaving;
    struct mesh_timer drain_timer, share_timer;
    bool sharing; /* share_timer is set */
    struct aion_link attempts;
    unsigned running;                   /* slots taken */
    void (*settled)(struct host *host); /* while draining: an attempt is settled */
};

/* -- host_link.c ---------------------------------------------------------- */
/* Not attached yet. INVALID: the target. The newest of host->links. */
bool host_link_open(struct host *host, const char *target, bool seed,
                    struct aion_err *err) AION_MUST_CHECK;
void host_link_attach(struct host_link *link);
/* Sends a message when attached; dropped otherwise: what matters is kept by its attempt. */
void host_link_send(struct host_link *link, const Aion__V1__HostMessage *message);
/* The same for one that is packed. */
void host_link_send_packed(struct host_link *link, aion_str wire);
void host_links_end(struct host *host);  /* streams end, and are not opened again */
void host_links_free(struct host *host); /* after the loop ended */

/* -- host_peers.c --------------------------------------------------------- */
bool host_attached(const struct host *host); /* to any control */
void host_peers(struct host_link *link, const Aion__V1__HostCommand__Peers *peers);
void host_link_send_capacity(struct host_link *link);
/* Attempts or links came or went: each control is told its share soon. */
void host_share_changed(struct host *host);

/* -- host_attempt.c ------------------------------------------------------- */
/* What comes in one command runs together as far as its module takes it, in one slot. */
void host_execute(struct host_link *link, Aion__V1__HostCommand__Execute *const *executes,
                  size_t count);
void host_cancel(struct host_link *link, const Aion__V1__HostCommand__Cancel *cancel);
void host_settled(struct host_link *link, const Aion__V1__HostCommand__Settled *settled);
/* Attempts of the shards belong to the link from now on: it is told which, then everything of
 * them that is not settled, in order. */
void host_claimed(struct host_link *link, uint64_t shards);
void host_attempts_orphan(struct host_link *link); /* it closed */
void host_free_attempts(struct host *host);

/* -- host_memory.c -------------------------------------------------------- */
struct host_memory;
struct host_memory *host_memory_watch(struct host *host);
void host_memory_stop(struct host_memory *memory); /* NULL fine */
/* Resident memory of a process, 0 when it is gone. */
uint64_t host_resident(pid_t pid);

/* -- host_describe.c ------------------------------------------------------ */
void host_bind(struct host *host);

#endif
