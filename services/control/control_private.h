/* Inside control: one process, one state, owned by the I/O thread.
 *
 * A task's way, file by file: control_submit (admit) → control_router (decide) → store accept,
 * commit 1 → scheduler → control_dispatch (to a host) → control_hosts (chunks, result) →
 * control_attempt (judge) → control_write finish, commit 2 → whoever waits. */
#ifndef CONTROL_PRIVATE_H
#define CONTROL_PRIVATE_H

#include "aion/v1/modules.mesh.h"
#include "aion/v1/ops.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/state.mesh.h"
#include "aion/v1/tasks.mesh.h"
#include "base/spare.h"
#include "control_audit.h"
#include "control_conf.h"
#include "control_money.h"
#include "mesh/call.h"
#include "mesh/channel.h"
#include "mesh/server.h"
#include "store/store.h"
#include "task.h"

struct program;
struct control_router;
struct control_events;

#include "control_arrivals.h"
#include "control_budget.h"
#include "control_cluster.h"
#include "control_direct.h"
#include "control_hold.h"
#include "control_shards.h"
#include "control_tail.h"

struct control {
    struct program *program; /* NULL: a test */
    struct mesh_loop *loop;
    struct store *store;
    const struct control_conf *conf; /* own_conf */
    struct control_conf own_conf;    /* as reloaded last */
    struct control_shards shards;
    struct control_cluster cluster;
    const struct mesh_tls *tls; /* for channels to others; NULL: plain text */

    struct control_cache tasks;
    struct control_sched sched;
    struct aion_link unrouted; /* tasks without decision, oldest first */
    size_t unrouted_asked;     /* of them, those that the router was asked about */
    struct aion_link loaded;   /* tasks read of shards that came, until all of them are */
    struct aion_link attached; /* calls of hosts, with and without hello */
    struct aion_link hosts;    /* those that said hello */
    struct aion_link orphans;  /* running tasks whose host is away */
    uint64_t next_session;
    struct control_router *router;
    struct mesh_channel *router_channel;
    struct store_plan plan;
    char plan_by[129];

    struct aion_heap deadlines, dues; /* of tasks, by monotonic time */
    struct mesh_timer tick;           /* the first of both */
    struct mesh_timer dispatching;    /* at the end of the step, or when a batch has waited long
                                         enough for company */
    struct mesh_timer gauge_timer;    /* tells what changed, once a second */
    struct mesh_timer ready_timer;    /* after the start: until the router is here */
    int64_t ready_by_us;              /* ... or then */

    struct aion_link holds;
    char holds_over[HOLDS_OVER_MAX][HOLD_ID_MAX]; /* that ended here last */
    unsigned hold_over;                           /* the next place */
    struct aion_link replays;                     /* of dead letters */
    struct aion_link letters;                     /* of them, those that wait for their shard */
    struct control_audit audit;
    struct control_money money;
    struct aion_link money_waits; /* for carves under way */
    struct mesh_timer money_tick;
    struct control_escrow escrow;
    struct control_polls polls;

    struct aion_link writes;    /* under way: what must reach the disk */
    struct aion_link lingering; /* of them, starts that may yet go with their ends */
    struct mesh_timer linger;   /* the first of those */
    struct aion_link unclear;   /* submissions of which the store could not tell yet */
    struct aion_link submits;   /* calls that wait for the end of their task */
    struct aion_link hearings;  /* answers that wait for ends: control_hear.h */
    struct aion_link watches;   /* calls of WatchStreams */
    size_t pending_bytes;       /* output not committed, of all tasks */
    bool hosts_paused;          /* because of it */
    bool loading;               /* control_begin has not been */
    bool draining;
    void (*drained)(struct control *control);
    bool store_ended; /* it takes nothing any more: what is not written never will be */
    struct control_events *events;
    struct control_tails tails;     /* calls of WatchTasks */
    struct control_directs directs; /* tasks of the direct lane */
    struct control_arrivals arrivals;
    struct aion_buf scratch; /* for packing; used within one function */
    struct aion_spares spare_writes, spare_submissions;
    struct control_ops *ops;
    struct aion_link drained_hosts; /* by admins: control_drain.c */
};

/* -- life (control_life.c) ---------------------------------------------------------- */
/* store and loop are open. I/O thread or before it runs. */
void control_init(struct control *control, struct mesh_loop *loop, struct store *store,
                  const struct control_conf *conf);
void control_done(struct control *control); /* after the loop ended and store_close */
/* Reads the plan and all unfinished tasks. Blocking; before the loop runs. */
bool control_load(struct control *control, struct aion_err *err) AION_MUST_CHECK;
/* What was loaded goes on, and dispatch begins. I/O thread. */
void control_begin(struct control *control);
/* One unfinished task of the store, into memory; then all that were taken so go on. */
void control_take_loaded(struct control *control, const struct store_task *stored);
void control_begin_loaded(struct control *control);
/* The options that may change while it runs. */
void control_reload(struct control *control, const struct control_conf *conf);
void control_bind(struct control *control, struct mesh_server *server);
/* No new work; waiting calls are answered as things stand; `done` when all writes are on disk.
 */
void control_drain(struct control *control, void (*done)(struct control *control));
/* A write ended: the drain may be over. */
void control_drain_step(struct control *control);

/* -- tasks (control_task.c) --------------------------------------------------------- */
/* The one door: every change of state goes through here. A transition that the table does not
 * know is a bug. */
void control_move(struct control *control, struct control_task *task, enum control_event event);
/* With the time that the store has of it, not that of the commit: what is told live, by events
 * and by the record is one instant. */
void control_move_at(struct control *control, struct control_task *task,
                     enum control_event event, int64_t at_us);
/* The task as stored. */
struct control_task *control_task_load(struct control *control,
                                       const struct store_task *stored);
/* The task as the store would give it; borrows from the task. */
void control_task_view(const struct control_task *task, struct store_task *ret_view);
/* What an unfinished task that was loaded has reserved, as its decision tells. */
void control_task_recharge(struct control *control, struct control_task *task);
/* Reads what dispatch must know from the wire form of a Decision. False: malformed. */
bool control_task_decide(struct control_task *task, aion_str decision);
/* The labels of a decision as one text. False: they are too long. */
bool control_decision_labels(const Aion__V1__Decision *decision, char out[TASK_LABELS_MAX]);
void control_timers_init(struct control *control);
/* Puts a task with a decision in the queue, and dispatches. */
void control_enqueue(struct control *control, struct control_task *task);
/* Takes it out of whatever it waits in. */
void control_dequeue(struct control *control, struct control_task *task);
void control_due_at(struct control *control, struct control_task *task,
                    int64_t at_us); /* monotonic */
void control_due_never(struct control *control, struct control_task *task);
void control_deadline_set(struct control *control, struct control_task *task);

/* Finds a task of the tenant in memory, else in the store. `found(user, task, err)` runs once,
 * perhaps before this returns; task is borrowed; NULL with *err: NOT_FOUND, the store's, or
 * SHARD_ELSEWHERE: it is not final, and not ours to decide about. Tenant empty: any. */
typedef void control_found_fn(void *user, struct control_task *task,
                              const struct aion_err *err);
void control_find(struct control *control, aion_str tenant, const struct aion_uuid *id,
                  control_found_fn *found, void *user);
/* The same to look at it only: another control's as it is stored. */
void control_look(struct control *control, aion_str tenant, const struct aion_uuid *id,
                  control_found_fn *found, void *user);

/* -- ends (control_finish.c) -------------------------------------------------------- */
/* Ends a task that is not settling: final state, error (NULL = none). Result, usage, host are
 * in the task already. */
void control_finish(struct control *control, struct control_task *task,
                    enum control_event event, const struct control_error *error);
/* The attempt failed and another may succeed: after the wait, while attempts are left; else
 * DEAD. */
void control_retry(struct control *control, struct control_task *task,
                   const struct control_error *error);
/* The attempt ended and nobody knows how: another one, or doubt where that must not be
 * (control_doubt.c). */
void control_outcome_unknown(struct control *control, struct control_task *task,
                             const struct control_error *error);
/* The doubted attempt did not do its work: another one. */
void control_doubt_requeue(struct control *control, struct control_task *task);
bool control_is_doubted(const struct control_task *task, const Aion__V1__AttemptToken *token);
/* By request of a client: queued ones end now, running ones when the module stopped. reason
 * NULL: as it was given before. */
void control_cancel_task(struct control *control, struct control_task *task,
                         const char *reason);
/* The time of the task's `due` has come. */
void control_due(struct control *control, struct control_task *task);
void control_expire(struct control *control, struct control_task *task);

void control_replays_done(struct control *control);

/* -- the State service (control_state.c) -------------------------------------------- */
/* False: the caller is another service, and the call has been failed. */
bool control_state_caller(struct mesh_call *call, const char *service);

/* -- the retention plan (control_state.c, control_life.c) --------------------------- */
extern const struct store_plan control_plan_default;
void control_plan_set(struct control *control, const struct store_plan *plan); /* copies */

/* -- replies (control_reply.c) ------------------------------------------------------ */
Aion__V1__Task *control_reply_build(const struct control *control,
                                    const struct store_task *stored, struct aion_arena *arena);
void control_reply_task(struct control *control, struct mesh_call *call,
                        const struct control_task *task);
/* When retention may delete a task that ended so; 0: it has not ended. */
int64_t control_expires_us(const struct control *control, enum store_state state,
                           int64_t ended_us);
Google__Protobuf__Timestamp *control_timestamp(struct aion_arena *arena, int64_t utc_us);
Aion__V1__TaskError *control_task_error(struct aion_arena *arena,
                                        const struct store_error *error);
/* What one store_event_kind is called, and the state it leads to. */
const char *control_event_name(unsigned kind, Aion__V1__TaskState *ret_state);
/* The tenant of the caller. False: the call has been failed. */
bool control_tenant(struct mesh_call *call, aion_str *ret_tenant);
/* Whose a task must be that a call names: the caller's tenant's, or anybody's (empty) for an
 * admin. False: the call has been failed. */
bool control_task_tenant(struct mesh_call *call, aion_str *ret_tenant);
/* A task id of a request. False: the call has been failed. */
bool control_task_id(struct mesh_call *call, const char *text, struct aion_uuid *ret_id);

/* -- calls that wait (control_wait.c) --------------------------------------------- */
/* Answers with the task when it is final, at the latest after wait_us; holds the call
 * meanwhile. */
void control_wait(struct control *control, struct mesh_call *call, struct control_task *task,
                  int64_t wait_us);
/* The task is final, or forgotten: those who wait for it are answered. */
void control_waits_tell(struct control_task *task);
void control_waits_end(struct control *control); /* answers all as things stand */

/* -- metrics (control_metrics.c) ---------------------------------------------------- */
enum control_count {
    COUNT_ACCEPTED,
    COUNT_DUPLICATE,
    COUNT_REFUSED,
    COUNT_STALE,
    COUNT_RETRY,
    COUNT_HOST_LOST,
    COUNT_WRITE_RETRY,
    COUNT_FENCED,
    COUNT_FORWARDED,
    COUNTS,
};
void control_metrics_init(struct control *control);
void control_count(enum control_count count);
int64_t control_counted(enum control_count count);
void control_count_state(enum control_state state, int delta);
void control_gauge_queue(const struct control *control);
void control_gauges_start(struct control *control);
void control_gauge_host(const struct control_host *host);
void control_count_shed(unsigned class);
void control_record_task(const struct control_task *task);

extern const struct aion_v1_aion_tasks_server control_tasks_table;
extern const struct aion_v1_hosts_server control_hosts_table;
extern const struct aion_v1_state_server control_state_table;
extern const struct aion_v1_budgets_server control_budgets_table;
extern const struct aion_v1_events_server control_events_table;

#include "control_calls_private.h"
#include "control_events_private.h"
#include "control_io_private.h"
#include "control_letter.h"
#include "control_order.h"
#include "control_peers_private.h"

#include "control_ops_private.h"

#endif
