/* The world around the scheduler: tenants that send tasks, hosts that run them, die, stall and
 * slow down; and a plain model of what waits and runs, against which every step is judged. */
#ifndef SIM_SCHED_WORLD_H
#define SIM_SCHED_WORLD_H

#include "sched/sched_private.h"
#include "sched/scheduler.h"
#include "sim.h"

enum {
    WORLD_TENANTS = 8,
    WORLD_KINDS = 6,
    WORLD_HOSTS = 6,
    WORLD_MODULES = 4,
    WORLD_INTENTS = 3,
    WORLD_LIMITS = 4,
};

enum world_state { TASK_AWAY, TASK_WAITS, TASK_RUNS, TASK_ORPHANED, TASK_ENDED };

/* What a task needs: one lane. */
struct world_kind {
    char pool[8], module[8], intent[8], labels[16];
    unsigned module_number, intent_number;
    int64_t base_us; /* mean run time on a host that is well */
};

struct world;

struct world_tenant {
    struct world *world;
    unsigned number;
    char name[8];
    uint32_t weight;
    size_t waiting, bytes, reserved, reserved_bytes; /* as the model counts */
    struct sim_event arrival;
    int64_t every_us;     /* mean time between its bursts; 0 = it sends nothing by itself */
    unsigned burst, most; /* tasks at once; tasks in all that it may still send */
    unsigned class, class_spread;
    uint32_t kinds;    /* bits: those it sends */
    bool retries;      /* refused tasks count as not sent */
    int64_t served_us; /* cost of what started */
    size_t started;
};

struct world_host {
    struct world *world;
    struct control_sched_host sched;
    unsigned number;
    char pool[8];
    struct control_sched_offer offers[WORLD_MODULES];
    struct control_sched_label labels[1];
    uint32_t modules; /* bits */
    bool gpu, up, stalled;
    unsigned slow;          /* run times in percent */
    unsigned crowded;       /* percent more for each other task there */
    struct aion_link tasks; /* running there */
    struct sim_event life;
    int64_t trouble_every_us; /* 0 = always well */
    size_t started;
};

struct world_task {
    struct control_sched_item item;
    struct control_sched_ticket ticket;
    struct aion_link link; /* in waiting, in the host's tasks, or in orphans */
    struct world_tenant *tenant;
    const struct world_kind *kind;
    struct world_host *host;
    enum world_state state;
    struct sim_event event; /* commit, end, or loss */
    uint64_t number;        /* order of being queued */
    unsigned class;
    size_t bytes, starts;
    int64_t queued_us, started_us, size_percent, left_us;
    bool eligible; /* scratch of the judge */
};

struct world_limit {
    int tenant, intent, module; /* -1 = any */
    uint32_t value;
};

/* What two tenants were served in a class of a pool while both could be. */
struct world_pair {
    bool both;
    double served[2]; /* by weight */
};

struct world {
    struct sim sim;
    struct control_sched sched;
    struct control_sched_conf conf;
    struct world_kind kinds[WORLD_KINDS];
    struct world_tenant tenants[WORLD_TENANTS];
    struct world_host hosts[WORLD_HOSTS];
    struct world_limit limits[WORLD_LIMITS];
    size_t kind_count, tenant_count, host_count, limit_count;
    char weights_text[256], limits_text[256];
    struct aion_link waiting, orphans;
    struct sim_event wake;
    size_t waiting_count, away_count, running_count, ended_count, sent_count;
    size_t bytes, reserved_bytes;
    size_t refused[4]; /* queue full, tenant full, shed, by wait */
    unsigned running[WORLD_TENANTS][WORLD_INTENTS][WORLD_MODULES];
    uint64_t next_number;
    int64_t cost_max_us;
    struct world_pair pairs[2][SCHED_CLASSES][WORLD_TENANTS][WORLD_TENANTS];
    bool cheap;              /* skip the checks that walk everything */
    unsigned cancel_percent; /* of the steps are followed by the cancellation of a task */
    void (*on_start)(struct world *world, struct world_task *task);
    void (*on_end)(struct world *world, struct world_task *task);
    void *user;
};

/* Lists and scheduler only: the caller fills in kinds, tenants, hosts. */
void world_init(struct world *world, uint64_t seed, bool trace);
void world_done(struct world *world); /* everything has ended */

struct world_kind *world_kind(struct world *world, const char *pool, unsigned module,
                              unsigned intent, bool gpu, int64_t base_us);
struct world_tenant *world_tenant(struct world *world, uint32_t weight);
struct world_host *world_host(struct world *world, const char *pool, uint32_t modules,
                              uint32_t slots, bool gpu);
void world_configure(struct world *world); /* conf, weights, limits, as they stand */

/* One task, through admission. NULL: refused. */
struct world_task *world_send(struct world *world, struct world_tenant *tenant,
                              const struct world_kind *kind, unsigned class);
void world_arrivals(struct world *world, struct world_tenant *tenant); /* begins to send */
void world_troubles(struct world *world, struct world_host *host);     /* begins to have some */
void world_host_up(struct world_host *host);
void world_host_down(struct world_host *host);
void world_host_well(struct world_host *host);
void world_dispatch(struct world *world);
/* Runs until then, or until nothing happens any more. */
void world_run(struct world *world, int64_t for_us);
/* No more trouble, no more tasks: until all has ended. */
void world_finish(struct world *world);

/* -- the judge (sched_judge.c) ------------------------------------------------------ */
uint32_t world_limit_of(const struct world *world, const struct world_task *task);
/* Before a pick: who could start. */
void judge_eligible(struct world *world);
void judge_pick(struct world *world, const struct control_sched_pick *pick);
/* None was picked: nothing could. */
void judge_rest(struct world *world, int64_t wake_us);
void judge_counts(struct world *world);
void judge_refusal(struct world *world, const struct world_tenant *tenant, unsigned class,
                   size_t bytes, const struct aion_err *err);

static inline struct world_task *world_task_of(struct control_sched_item *item)
{
    return aion_container(item, struct world_task, item);
}

#endif
