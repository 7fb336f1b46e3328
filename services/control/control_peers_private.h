/* Hosts, their attempts, and the router: the other ends of control's standing streams. Included
 * by control_private.h. */
#ifndef CONTROL_PEERS_PRIVATE_H
#define CONTROL_PEERS_PRIVATE_H

#include "control_private.h"

/* -- hosts (control_hosts.c, control_dispatch.c, control_attempt.c) ----------------- */
struct control_offer {
    char module[64], digest[80], version[32];
    aion_str *intents;
    size_t intent_count;
    uint32_t batch_max;
    int64_t batch_wait_us;
};

/* An attached host; lives as long as its call. */
struct control_host {
    struct aion_link attached; /* in control->attached */
    struct aion_link link;     /* in control->hosts, once it said hello */
    struct control *control;
    struct mesh_call *call;
    uint64_t session;
    char host_id[64], pool[32], version[32];
    struct control_sched_host sched; /* slots, and how many are taken */
    bool ready;                      /* hello and running are said: may get work */
    bool draining;                   /* its own wish, or an admin's: no new work */
    bool drains_itself;
    bool blocked;  /* its stream is full */
    bool claiming; /* has not said yet what it runs of shards that came */
    bool ended;
    struct aion_link attempts; /* tasks that run there */
    struct aion_arena arena;   /* labels, offers */
    struct control_offer *offers;
    size_t offer_count;
    struct ops_entity **ops_modules; /* the same of its offers, in the arena */
    struct ops_entity *ops; /* its row of telemetry, pinned; NULL: no hello yet, or gone */
    int64_t heard_us, ticked_us, attached_utc_us;
    struct mesh_timer lease; /* ping, silence, and the wait for `running` */
};

const struct control_offer *control_host_offer(const struct control_host *host,
                                               const char *pool, const char *module);
void control_host_settled(struct control_host *host, const struct control_task *task,
                          const Aion__V1__AttemptToken *token, bool accepted);
void control_host_cancel(struct control_task *task, const char *reason);
void control_host_cancel_token(struct control_host *host, const Aion__V1__AttemptToken *token);
/* Attempts of these shards (bits) belong to the host's stream from now on; it answers with
 * those it has. */
void control_host_claim(struct control_host *host, uint64_t shards);
void control_hosts_claim(struct control *control, uint64_t shards); /* at all hosts */
/* Tells it where the other controls are. */
void control_host_peers(struct control_host *host);
void control_hosts_forget(struct control *control); /* at the end of the process */
void control_hosts_end(struct control *control);    /* their streams, when control stops */
void control_hosts_pause(struct control *control); /* when too much output waits for the disk */
/* May it get work? After a change of what that depends on. */
void control_host_refresh(struct control_host *host);
/* In the arena; NULL: it is full. */
Aion__V1__HostInfo *control_host_info(const struct control_host *host,
                                      struct aion_arena *arena);
/* Gives queued tasks to hosts with free slots until one of both is out. */
void control_dispatch(struct control *control);

/* The attempt (task->epoch, task->attempt) runs on the host from now on. */
void control_attempt_begin(struct control *control, struct control_task *task,
                           struct control_host *host, int64_t at_us);
void control_attempt_write_chunks(struct control *control, struct control_task *task);
/* The host let go of the attempt (or never had it). */
void control_attempt_leave(struct control_task *task);
/* Its host is away: it has until `grace_us` to come back with it. */
void control_attempt_orphan(struct control *control, struct control_task *task,
                            int64_t grace_us);
void control_attempt_lost(struct control *control, struct control_task *task);
/* What hosts say about attempts. */
void control_attempt_chunk(struct control_host *host,
                           const Aion__V1__HostMessage__Chunk *chunk);
void control_attempt_result(struct control_host *host,
                            const Aion__V1__HostMessage__Result *result);
void control_attempts_running(struct control_host *host,
                              const Aion__V1__HostMessage__Running *running);

/* -- router (control_router.c) ------------------------------------------------------ */
struct control_router *control_router_open(struct control *control,
                                           struct mesh_channel *channel);
void control_router_close(struct control_router *router); /* NULL fine */
/* Asks for a decision. `decided` runs once, later: a decision; or an error of the router (its
 * refusal); or neither: the router is away. False: it is away now, decided does not run. */
typedef void control_decided_fn(void *user, const Aion__V1__Decision *decision,
                                const Aion__V1__TaskError *refusal);
bool control_router_ask(struct control_router *router, const Aion__V1__DecideRequest *request,
                        control_decided_fn *decided, void *user);
bool control_router_here(const struct control_router *router);
/* Asks for the tasks without decision, a bounded number at a time. */
void control_route_unrouted(struct control *control);

#endif
