/* Which waiting task starts next, and on which host. Pure: no mesh, no store; time and the seed
 * are parameters; one thread.
 *
 * A task waits in a lane (what can run it: pool, module, intent, labels) and in one of five
 * classes. The most urgent class goes first; in it, the tenants of a pool share by weighted
 * deficit round robin over the cost of their tasks (sched_share.c); a tenant's own tasks keep
 * their order. A waiting task climbs one class per ageing step (sched_age.c). What a tenant may
 * run at once of an intent on a module is limited (sched_gate.c); the queue is bounded and
 * sheds its lowest classes first (sched_admit.c). Hosts have as many slots as they keep up with
 * (sched_host.c, sched_pace.c).
 *
 * The order depends on what was called with which times and on the seed alone. Every operation
 * is O(log n) in tenants, and O(1) in tasks. */
#ifndef CONTROL_SCHED_H
#define CONTROL_SCHED_H

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rand.h"

enum {
    SCHED_CLASSES = 5,
    SCHED_BATCH_MAX = 64,
    SCHED_SLOTS_MAX = 1024,
    SCHED_WEIGHT_MAX = 1000,
    SCHED_NAME_MAX = 128, /* of a pool, a module, an intent; labels may be four times as long */
};

struct control_sched_flow;
struct control_sched_gate;
struct control_sched_lane;
struct control_sched_pool;
struct control_sched_rules;
struct control_sched_run;
struct control_sched_tenant;

/* A task as the scheduler sees it: waits (flow), runs (run), or neither. Part of the caller's
 * task; not touched by the caller after control_sched_item_init. */
struct control_sched_item {
    struct aion_link link;           /* in its flow, first in first out */
    struct aion_link age;            /* among those of its pool that asked for the same class */
    struct control_sched_flow *flow; /* while it waits */
    struct control_sched_gate *gate; /* while it waits, or counts as running for its tenant */
    struct control_sched_run *run;   /* while it holds a slot */
    int64_t since_us;                /* when it was queued */
    uint64_t order;                  /* of coming into its class */
    size_t bytes;
    unsigned char asked, class; /* 0 = most urgent; class <= asked: it climbs */
    bool counted;               /* in the gate's running */
    bool alone;
};

struct control_sched_label {
    aion_str name, value;
};

/* A module that a host can run. */
struct control_sched_offer {
    const char *module;
    uint32_t batch_max;    /* tasks that it takes together; 0 and 1: one by one */
    int64_t batch_wait_us; /* longest wait for company */
};

/* A host; part of the caller's, who sets pool, offers, labels (borrowed while it is in) and
 * slots before control_sched_host_add. */
struct control_sched_host {
    struct aion_link link; /* in the pool's hosts */
    struct aion_link ways; /* lanes that it can run */
    const char *pool_name;
    const struct control_sched_offer *offers;
    size_t offer_count;
    const struct control_sched_label *labels;
    size_t label_count;
    uint32_t slots;
    struct control_sched_pool *pool; /* NULL: it is not in */
    uint32_t limit_256; /* slots that it keeps up with, in 1/256: 1..slots (sched_pace.c) */
    uint32_t running;   /* slots taken; a batch takes one */
    uint32_t tasks;     /* that run there */
    bool open;          /* may get work */
    bool free;          /* open, and below its limit */
};

/* Where a task may run, and whose it is. Texts are borrowed for the call. */
struct control_sched_place {
    aion_str tenant, pool, module, intent;
    aion_str labels; /* what the host must say of itself: "gpu=true,zone=a", sorted by name */
    bool alone;      /* not in a batch with others */
};

struct control_sched_conf {
    size_t tasks_max, bytes_max;               /* that wait, in all */
    size_t tenant_tasks_max, tenant_bytes_max; /* of one tenant; 0 = four fifths of all */
    int64_t ageing_step_us;                    /* 0 = never climbs */
    int64_t wait_max_us[SCHED_CLASSES]; /* predicted; beyond, a class is shed; 0 = never */
    bool adaptive;                      /* hosts' limits follow their run times */
    const char *weights, *limits;       /* see sched_rules.h; NULL = none */
};

struct control_sched {
    struct control_sched_conf conf; /* its texts are not kept */
    struct control_sched_rules *rules;
    struct aion_rand rand;
    struct aion_map tenants_by_name, lanes_by_name, gates_by_name, pools_by_name;
    struct aion_link pools, lanes;             /* all */
    struct aion_link idle_tenants, idle_lanes; /* longest idle first */
    struct aion_link changed_tenants;          /* since control_sched_tenants_changed */
    size_t idle_tenant_count, idle_lane_count;
    uint64_t next_order, next_turn;
    size_t count, bytes;             /* waiting */
    size_t reserved, reserved_bytes; /* admitted, not queued yet */
    size_t running;                  /* in slots */
    size_t asked_count[SCHED_CLASSES];
    bool shedding[SCHED_CLASSES]; /* because of how full it is */
};

/* A place in the bounds, taken at admission. */
struct control_sched_ticket {
    struct control_sched_tenant *tenant; /* NULL = none */
    size_t bytes;
};

/* What starts: one task, or a batch of one lane, on one slot of a host. */
struct control_sched_pick {
    struct control_sched_host *host;
    size_t count;
    struct control_sched_item *items[SCHED_BATCH_MAX];
};

/* -- life --------------------------------------------------------------------------- */
/* Nothing may wait before the first control_sched_configure. */
void control_sched_init(struct control_sched *sched, uint64_t seed);
/* Items and hosts must be out. */
void control_sched_done(struct control_sched *sched);
/* Takes effect on what waits and runs, too. False: weights or limits are malformed, *err names
 * the part; nothing has changed. */
bool control_sched_configure(struct control_sched *sched, const struct control_sched_conf *conf,
                             struct aion_err *err) AION_MUST_CHECK;

/* -- admission ---------------------------------------------------------------------- */
/* A place in the queue's bounds for a task that may be acknowledged: it counts until the ticket
 * is given back. EXHAUSTED: reason QUEUE_FULL, TENANT_QUEUE_FULL, or SHED (its class is not
 * admitted while the queue is nearly full); with retry_after. */
bool control_sched_reserve(struct control_sched *sched, aion_str tenant, unsigned class,
                           size_t bytes, struct control_sched_ticket *ret_ticket,
                           struct aion_err *err) AION_MUST_CHECK;
/* The ticket is none after it; harmless for one that is none. */
void control_sched_unreserve(struct control_sched *sched, struct control_sched_ticket *ticket);
/* May a task with this place be admitted? EXHAUSTED reason SHED: the wait that is predicted for
 * it is beyond its class's bound. */
bool control_sched_admit(struct control_sched *sched, const struct control_sched_place *place,
                         unsigned class, struct aion_err *err) AION_MUST_CHECK;
/* Until a task of this place would start, by what waits and what modules took so far; -1 = not
 * known: no host can run it now. */
int64_t control_sched_wait_us(struct control_sched *sched,
                              const struct control_sched_place *place, unsigned class);

/* -- tasks -------------------------------------------------------------------------- */
void control_sched_item_init(struct control_sched_item *item);
/* Never refused: what was acknowledged must run. */
void control_sched_add(struct control_sched *sched, struct control_sched_item *item,
                       const struct control_sched_place *place, unsigned class, size_t bytes,
                       int64_t now_us);
/* Out of the queue; one that does not wait: nothing. */
void control_sched_remove(struct control_sched *sched, struct control_sched_item *item);
/* The next to start; its items hold a slot of its host from then on. False: none can start
 * now, and the answer is the same until something is called, or until *ret_wake_us (0 = no such
 * time): a batch has waited long enough. */
bool control_sched_next(struct control_sched *sched, int64_t now_us,
                        struct control_sched_pick *ret_pick, int64_t *ret_wake_us);
/* A task that was found running on a host: takes a slot, whatever the limits say. */
void control_sched_adopt(struct control_sched *sched, struct control_sched_item *item,
                         const struct control_sched_place *place,
                         struct control_sched_host *host, int64_t now_us);
/* Its host is away: no slot, but it counts as running for its tenant until its end. */
void control_sched_orphan(struct control_sched *sched, struct control_sched_item *item,
                          const struct control_sched_place *place);
/* It runs no more; one that does not run: nothing. `good`: it took as long as such tasks take,
 * so that the cost of the lane and the limit of the host may be learned from it. */
void control_sched_end(struct control_sched *sched, struct control_sched_item *item,
                       int64_t now_us, bool good);
static inline bool control_sched_waits(const struct control_sched_item *item)
{
    return item->flow != NULL;
}
static inline bool control_sched_runs(const struct control_sched_item *item)
{
    return item->run != NULL;
}

/* -- hosts -------------------------------------------------------------------------- */
/* Closed at first. */
void control_sched_host_add(struct control_sched *sched, struct control_sched_host *host);
/* Its items must have ended or be orphans. One that is not in: nothing. */
void control_sched_host_remove(struct control_sched *sched, struct control_sched_host *host);
/* What it may get from now on; slots 0 = nothing. One that is not in: nothing. */
void control_sched_host_set(struct control_sched *sched, struct control_sched_host *host,
                            uint32_t slots, bool open);
/* Slots it may have at once now. */
static inline uint32_t control_sched_host_limit(const struct control_sched_host *host)
{
    return host->limit_256 / 256;
}

/* -- what is seen from outside ------------------------------------------------------ */
struct control_sched_told {
    size_t waiting, running;
};
struct control_sched_load {
    aion_str name; /* of the tenant or pool */
    size_t waiting, running;
    struct control_sched_told *told; /* what was told last: kept for the caller, 0 at first */
};
typedef void control_sched_load_fn(void *user, const struct control_sched_load *load);
/* Tenants whose numbers changed since the last time; each once. */
void control_sched_tenants_changed(struct control_sched *sched, control_sched_load_fn *fn,
                                   void *user);
void control_sched_pools(struct control_sched *sched, control_sched_load_fn *fn, void *user);

#endif
