/* Inside the scheduler. Who holds whom:
 *
 *   pool ── lanes ── heaps of flows, one a class      tenant ── members (one a pool) ── shares
 *     │       └── ways ── hosts                          └── gates (one an intent and module)
 *     └── hosts, tasks by age                                   └── flows ── items
 *
 * A flow is the waiting tasks of one gate in one lane and class, first in first out. It is in
 * its lane's heap unless its gate is full. Flows live while they have items, gates while
 * something of theirs waits or runs; tenants and lanes beyond that, up to a number of idle
 * ones, because of what is remembered of them: debts, and run times. Pools live while anything
 * names them. */
#ifndef CONTROL_SCHED_PRIVATE_H
#define CONTROL_SCHED_PRIVATE_H

#include "sched_pace.h"
#include "sched_rules.h"
#include "scheduler.h"

#include <stdint.h>

enum {
    SCHED_IDLE_TENANTS_MAX = 4096,
    SCHED_IDLE_LANES_MAX = 256,
    SCHED_COST_UNKNOWN = 1000,       /* µs, of a lane whose tasks never ended yet */
    SCHED_CLIMBS_MAX = 64,           /* tasks that climb before one pick */
    SCHED_BATCH_BYTES_MAX = 1 << 20, /* beyond, no further task joins: a command holds 8 MiB */
};

/* The order of flows in a heap: whose turn, then which came first. */
struct control_sched_key {
    uint64_t round, turn, order;
};

struct control_sched_heap {
    struct control_sched_flow **flows;
    size_t count, capacity;
};

/* A tenant's part of one class of one pool. */
struct control_sched_share {
    uint64_t round; /* in which it may be served next */
    uint64_t turn;  /* among those of the same round */
    int64_t credit; /* µs of work it may still begin in this round; > 0 */
    size_t count;   /* tasks that wait */
    struct aion_link flows;
};

struct control_sched_member {
    struct aion_link link; /* in the tenant's members */
    struct control_sched_tenant *tenant;
    struct control_sched_pool *pool;
    struct control_sched_share shares[SCHED_CLASSES];
};

struct control_sched_tenant {
    struct aion_link idle, changed; /* in the scheduler's lists, or alone */
    struct aion_link members, gates;
    uint32_t weight;
    size_t waiting, waiting_bytes, reserved, reserved_bytes, running;
    struct control_sched_told told;
    bool shedding[SCHED_CLASSES]; /* because of the wait that is predicted for it */
    aion_str name;                /* behind the struct */
};

struct control_sched_gate {
    struct aion_link link; /* in the tenant's gates */
    struct control_sched_tenant *tenant;
    struct aion_link flows;
    size_t waiting, running;
    uint32_t limit; /* 0 = none */
    aion_str intent, module;
    aion_str name; /* tenant NUL intent NUL module, behind the struct */
};

struct control_sched_flow {
    struct control_sched_key key;
    size_t slot; /* in the lane's heap + 1; 0 = parked */
    struct aion_link items;
    struct aion_link of_gate, of_share;
    struct control_sched_lane *lane;
    struct control_sched_gate *gate;
    struct control_sched_member *member;
    unsigned class;
    size_t count;
};

struct control_sched_lane {
    struct aion_link link;          /* in the scheduler's lanes */
    struct aion_link of_pool, busy; /* busy: in the pool's, while tasks wait in it */
    struct aion_link idle;
    struct aion_link ways; /* hosts that can run it */
    struct control_sched_pool *pool;
    struct control_sched_heap heaps[SCHED_CLASSES];
    size_t counts[SCHED_CLASSES]; /* tasks that wait */
    size_t waiting, ready;        /* of them, not parked */
    size_t runs;                  /* that hold a slot */
    size_t free;                  /* hosts that can start one now */
    int64_t cost_us;              /* mean run time; 0 = unknown */
    uint32_t batch_max;           /* what all its hosts agree to */
    int64_t batch_wait_us;
    int64_t ready_since_us; /* the longest that one of the ready ones waits, or longer */
    aion_str module, intent, labels;
    aion_str name; /* pool NUL module NUL intent NUL labels, behind the struct */
};

/* A lane on a host. */
struct control_sched_way {
    struct aion_link of_lane, of_host;
    struct control_sched_lane *lane;
    struct control_sched_host *host;
    const struct control_sched_offer *offer;
    struct control_sched_pace pace;
};

/* What holds one slot of a host: one task, or the tasks of a batch until the last has ended. */
struct control_sched_run {
    struct control_sched_lane *lane;
    struct control_sched_host *host;
    size_t count, left;
    int64_t begun_us;
    bool good; /* all that ended so far ended well */
};

struct control_sched_pool {
    struct aion_link link; /* in the scheduler's pools */
    struct aion_link lanes, busy, hosts;
    size_t refs; /* members, lanes, hosts */
    size_t free_hosts;
    size_t waiting, running; /* tasks */
    struct control_sched_told told;
    uint64_t rounds[SCHED_CLASSES];                      /* of the latest task that started */
    uint64_t weights[SCHED_CLASSES];                     /* of the tenants that wait */
    struct aion_link ages[SCHED_CLASSES][SCHED_CLASSES]; /* [asked][classes climbed] */
    aion_str name;                                       /* behind the struct */
};

/* -- sched_heap.c ------------------------------------------------------------------- */
bool control_sched_before(const struct control_sched_key *a, const struct control_sched_key *b);
/* Adds, or moves one that is in already. Aborts without memory, as a task would be lost. */
void control_sched_heap_set(struct control_sched_heap *heap, struct control_sched_flow *flow,
                            const struct control_sched_key *key);
void control_sched_heap_remove(struct control_sched_heap *heap,
                               struct control_sched_flow *flow);

/* -- sched_share.c ------------------------------------------------------------------ */
/* Tasks come into the share or leave it unserved. */
void control_sched_share_grow(struct control_sched *sched, struct control_sched_member *member,
                              unsigned class);
void control_sched_share_shrink(struct control_sched_member *member, unsigned class);
/* One of its tasks, pulled already, starts. Places the share's flows. */
void control_sched_share_serve(struct control_sched *sched, struct control_sched_member *member,
                               unsigned class, int64_t cost_us);
void control_sched_tenant_weigh(struct control_sched_tenant *tenant, uint32_t weight);

/* -- sched_flow.c ------------------------------------------------------------------- */
/* Behind all others of its flow. */
void control_sched_flow_push(struct control_sched *sched, struct control_sched_lane *lane,
                             struct control_sched_gate *gate, struct control_sched_item *item,
                             unsigned class);
/* NULL: it was the last one. The caller places the flow anew, if the item was its first. */
struct control_sched_flow *control_sched_flow_pull(struct control_sched_item *item);
/* The place of the flow in its heap, by its share, its gate and its first item. */
void control_sched_flow_place(struct control_sched_flow *flow);

/* -- sched_gate.c ------------------------------------------------------------------- */
struct control_sched_gate *control_sched_gate_of(struct control_sched *sched,
                                                 const struct control_sched_place *place);
bool control_sched_gate_full(const struct control_sched_gate *gate);
void control_sched_gate_enter(struct control_sched_item *item);
void control_sched_gate_leave(struct control_sched *sched, struct control_sched_item *item);
void control_sched_gate_limit(struct control_sched_gate *gate, uint32_t limit);
/* Frees it when nothing of it waits or runs. */
void control_sched_gate_drop(struct control_sched *sched, struct control_sched_gate *gate);

/* -- sched_names.c: what is found by name ------------------------------------------- */
struct control_sched_pool *control_sched_pool_ref(struct control_sched *sched, aion_str name);
void control_sched_pool_unref(struct control_sched *sched, struct control_sched_pool *pool);
struct control_sched_tenant *control_sched_tenant_of(struct control_sched *sched,
                                                     aion_str name);
struct control_sched_tenant *control_sched_tenant_find(const struct control_sched *sched,
                                                       aion_str name);
/* Its numbers changed: it may have become idle, and whoever watches wants to know. */
void control_sched_tenant_changed(struct control_sched *sched,
                                  struct control_sched_tenant *tenant);
struct control_sched_member *control_sched_member_of(struct control_sched *sched,
                                                     struct control_sched_tenant *tenant,
                                                     struct control_sched_pool *pool);
struct control_sched_lane *control_sched_lane_of(struct control_sched *sched,
                                                 const struct control_sched_place *place);
struct control_sched_lane *control_sched_lane_find(const struct control_sched *sched,
                                                   const struct control_sched_place *place);
/* Nothing waits or runs in it any more: kept for a while. */
void control_sched_lane_changed(struct control_sched *sched, struct control_sched_lane *lane);
void control_sched_forget(struct control_sched *sched); /* all that is idle */

/* -- sched_host.c ------------------------------------------------------------------- */
void control_sched_lane_meet(struct control_sched_lane *lane); /* the hosts of its pool */
void control_sched_lane_part(struct control_sched_lane *lane);
/* The host with the largest free share of its limit; ties by chance. */
struct control_sched_host *control_sched_host_for(struct control_sched *sched,
                                                  const struct control_sched_lane *lane);
void control_sched_host_take(struct control_sched_host *host);
void control_sched_host_release(struct control_sched_host *host);
/* A run on it ended well after run_us per task. */
void control_sched_host_learn(struct control_sched *sched, struct control_sched_host *host,
                              const struct control_sched_lane *lane, int64_t now_us,
                              int64_t run_us);

/* -- sched_age.c -------------------------------------------------------------------- */
void control_sched_age_add(struct control_sched_pool *pool, struct control_sched_item *item);
/* Moves what has waited long enough a class up, the longest first, up to SCHED_CLIMBS_MAX. */
void control_sched_age(struct control_sched *sched, struct control_sched_pool *pool,
                       int64_t now_us);

static inline int64_t control_sched_cost(const struct control_sched_lane *lane)
{
    return lane->cost_us > 0 ? lane->cost_us : SCHED_COST_UNKNOWN;
}

#endif
