/* What happens to tasks, folded into the table: gauges at once, the rest when its second is
 * closed. Pure; I/O thread.
 *
 * A task carries its place in the table (struct ops_task), so that an event of it costs a
 * handful of adds and no look-up but when it comes and when it is routed. */
#ifndef OPS_FOLD_H
#define OPS_FOLD_H

#include "ops_table.h"
#include "task_state.h"

enum { OPS_CLASSES = 5, OPS_POOLS_MAX = 32, OPS_INTENTS_MAX = 1024 };

/* Tasks of a pool and class that wait for a host. */
struct ops_queue {
    struct ops_entity *entity;
    struct aion_link waiting; /* oldest first */
};

struct ops_pool {
    struct aion_link link;
    char name[32];
    struct ops_queue classes[OPS_CLASSES];
};

/* Embedded in a task. Zeroed, with `waiting` made a list, it is in no place. */
struct ops_task {
    struct ops_entity *tenant, *route, *module, *host; /* pinned; NULL = not known */
    struct ops_queue *queue;
    struct aion_link waiting; /* in the queue's, while it is QUEUED */
    int64_t since_us;         /* monotonic: in the queue since */
    int64_t bytes;            /* that it has in the queue */
    int64_t wish_us;          /* 95th percentile its client asked for; 0 = none */
    enum control_state state; /* as counted; TASK_NONE: not counted */
};

struct ops_fold {
    struct ops_table table;
    struct ops_entity *mesh;
    struct aion_link pools;
    struct aion_map intents; /* their decisions of the second */
    int64_t closed_us;       /* UTC: end of the second that was closed last; 0 = none */
    uint64_t reports_lost;
};

void ops_fold_init(struct ops_fold *fold);
void ops_fold_done(struct ops_fold *fold);

void ops_task_init(struct ops_task *task);
/* The task is there from now on. `bytes` count while it is QUEUED. */
void ops_task_enter(struct ops_fold *fold, struct ops_task *task, aion_str tenant,
                    enum control_state state, int64_t bytes);
/* Its route, and where it waits. priority 1..5. `fresh`: the router has just decided. */
struct ops_route_of {
    aion_str intent, route, module, pool;
    unsigned priority;
    bool fresh;
};
void ops_task_route(struct ops_fold *fold, struct ops_task *task,
                    const struct ops_route_of *of);
/* `bytes` count while it is QUEUED. */
void ops_task_move(struct ops_fold *fold, struct ops_task *task, enum control_state next,
                   int64_t bytes);
/* Before it moves to RUNNING: where it runs. */
void ops_task_start(struct ops_fold *fold, struct ops_task *task, struct ops_entity *host,
                    struct ops_entity *module);
/* An attempt ended there: its run, or -1 when it did not come to one. */
void ops_attempt(struct ops_fold *fold, struct ops_task *task, int64_t run_us, bool failed);
/* It is final (and has moved there). */
void ops_task_end(struct ops_fold *fold, struct ops_task *task, int64_t latency_us,
                  int64_t cost_nano_usd);
/* Forgets it, whatever its state. */
void ops_task_leave(struct ops_fold *fold, struct ops_task *task);

/* Of the mesh alone, within a second: see aion.v1.OpsMeshColumn. */
enum ops_mesh_count {
    OPS_NOW_ENDED,
    OPS_NOW_ACCEPTED,
    OPS_NOW_FAILED,
    OPS_NOW_RETRY,
    OPS_NOW_DEAD,
    OPS_NOW_REFUSED,
    OPS_NOW_ERROR,
    OPS_NOW_COST,
    OPS_NOW_CANCELLED,
    OPS_NOW_STALE,
    OPS_NOW_EVENTS,
};
static inline void ops_mesh_count(struct ops_fold *fold, enum ops_mesh_count count,
                                  int64_t delta)
{
    ops_count(&fold->table, fold->mesh, (unsigned)count, delta);
}
/* A task was refused; the mesh's refusals come with its calls. */
void ops_refused(struct ops_fold *fold, aion_str tenant);

/* Closes the second that ends at utc_us, `seconds` long (1 but after a pause). Whoever knows
 * more of the second (hosts, reports) sets its cells before; they are read by ops_frame. */
void ops_fold_close(struct ops_fold *fold, int64_t utc_us, int64_t now_us, int64_t seconds);
/* Sets the quantiles of an entity from its second; `held`: when nothing came, the old ones
 * stay. */
void ops_set_quantiles(struct ops_table *table, struct ops_entity *entity, bool held);

#endif
