/* Inside control: one process, one state, owned by the I/O thread.
 *
 * A task's way, file by file: control_submit (admit) → control_router (decide) → store accept,
 * commit 1 → task_queue → control_dispatch (to a host) → control_hosts (chunks, result) →
 * control_attempt (judge) → control_write finish, commit 2 → whoever waits. */
#ifndef CONTROL_PRIVATE_H
#define CONTROL_PRIVATE_H

#include "aion/v1/modules.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/state.mesh.h"
#include "aion/v1/tasks.mesh.h"
#include "control_conf.h"
#include "mesh/call.h"
#include "mesh/channel.h"
#include "mesh/server.h"
#include "store/store.h"
#include "task.h"

struct program;
struct control_router;

struct control {
    struct program *program; /* NULL: a test */
    struct mesh_loop *loop;
    struct store *store;
    const struct control_conf *conf; /* own_conf */
    struct control_conf own_conf;    /* as reloaded last */
    uint64_t epoch;

    struct control_cache tasks;
    struct control_queue queue;
    struct aion_link unrouted; /* tasks without decision, oldest first */
    struct aion_link loaded;   /* tasks read at the start, until control_begin */
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

    struct aion_link writes;  /* under way: what must reach the disk */
    struct aion_link submits; /* calls that wait for the end of their task */
    struct aion_link watches; /* calls of WatchStreams */
    size_t pending_bytes;     /* output not committed, of all tasks */
    bool hosts_paused;        /* because of it */
    bool loading;             /* control_begin has not been */
    bool draining;
    void (*drained)(struct control *control);
    struct aion_buf scratch; /* for packing; used within one function */
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
/* The task as stored. */
struct control_task *control_task_load(struct control *control,
                                       const struct store_task *stored);
/* The task as the store would give it; borrows from the task. */
void control_task_view(const struct control_task *task, struct store_task *ret_view);
/* Reads what dispatch must know from the wire form of a Decision. False: malformed. */
bool control_task_decide(struct control_task *task, aion_str decision);
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
 * perhaps before this returns; task is borrowed; NULL with *err: NOT_FOUND or the store's.
 * Tenant empty: any. */
typedef void control_found_fn(void *user, struct control_task *task,
                              const struct aion_err *err);
void control_find(struct control *control, aion_str tenant, const struct aion_uuid *id,
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
/* By request of a client: queued ones end now, running ones when the module stopped. */
void control_cancel_task(struct control *control, struct control_task *task,
                         const char *reason);
/* The time of the task's `due` has come. */
void control_due(struct control *control, struct control_task *task);
void control_expire(struct control *control, struct control_task *task);

/* -- writes (control_write.c) ------------------------------------------------------- */
/* A write that must reach the disk: repeated until it does. */
struct control_write {
    union {
        struct store_op op;
        struct store_route route;
        struct store_start start;
        struct store_resume resume;
        struct store_chunks chunks;
        struct store_retry retry;
        struct store_finish finish;
    } as;
    enum store_kind kind;
    struct control *control;
    struct control_task *task; /* one reference */
    struct aion_link link;
    struct mesh_timer again;
    int64_t begun_us;
    uint64_t cursor;                              /* newest chunk in it */
    struct store_chunk *chunks;                   /* owned */
    struct control_error error;                   /* what as.*.error points into */
    void (*prepare)(struct control_write *write); /* control_write_end: last touches */
    void (*done)(struct control_write *write);    /* committed; the write is freed after it */
};
struct control_write *control_write_new(struct control *control, struct control_task *task,
                                        enum store_kind kind,
                                        void (*done)(struct control_write *write));
/* The task's uncommitted output; for the kinds that carry chunks. */
void control_write_chunks(struct control_write *write, const struct store_chunk **ret_chunks,
                          size_t *ret_count);
void control_write_submit(struct control_write *write);
/* Submits the end of an attempt, once the chunks under way are on disk: what they carry must
 * not come twice, nor after. */
void control_write_end(struct control_write *write);
/* The task's chunks under way are on disk. */
void control_write_chunks_done(struct control_task *task);
void control_writes_abandon(struct control *control); /* at the end of the process */

/* -- hosts (control_hosts.c, control_dispatch.c, control_attempt.c) ----------------- */
struct control_offer {
    char module[64], digest[80], version[32];
    aion_str *intents;
    size_t intent_count;
};

/* An attached host; lives as long as its call. */
struct control_host {
    struct aion_link attached; /* in control->attached */
    struct aion_link link;     /* in control->hosts, once it said hello */
    struct control *control;
    struct mesh_call *call;
    uint64_t session;
    char host_id[64], pool[32], version[32];
    uint32_t slots, running;
    bool ready;    /* hello and running are said: may get work */
    bool draining; /* its own wish */
    bool blocked;  /* its stream is full */
    bool ended;
    struct aion_link attempts; /* tasks that run there */
    struct aion_arena arena;   /* labels, offers */
    struct control_offer *offers;
    size_t offer_count;
    struct mesh_metadata_pair *labels;
    size_t label_count;
    int64_t heard_us, attached_utc_us;
    struct mesh_timer lease; /* ping, silence, and the wait for `running` */
};

const struct control_offer *control_host_offer(const struct control_host *host,
                                               const char *pool, const char *module);
void control_host_settled(struct control_host *host, const struct control_task *task,
                          const Aion__V1__AttemptToken *token, bool accepted);
void control_host_cancel(struct control_task *task, const char *reason);
void control_host_cancel_token(struct control_host *host, const Aion__V1__AttemptToken *token);
void control_hosts_forget(struct control *control); /* at the end of the process */
void control_hosts_end(struct control *control);    /* their streams, when control stops */
void control_hosts_pause(struct control *control); /* when too much output waits for the disk */
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

/* -- output (control_stream.c) ------------------------------------------------------ */
/* A reader of one task's output. */
struct control_watcher {
    struct aion_link link; /* in the task's watchers */
    struct control *control;
    struct control_task *task; /* one reference */
    uint64_t cursor;           /* newest one sent */
    bool reading;              /* chunks are being read from the store */
    bool closed;               /* nothing more may be sent; freed when reading ends */
    bool gap;                  /* chunks it asked for are gone: say so with the next one */
    /* Bytes of payload that may be sent now; 0 = wait: the owner pumps when there is room
     * again. */
    size_t (*room)(struct control_watcher *watcher);
    void (*send)(struct control_watcher *watcher, const Aion__V1__StreamChunk *chunk,
                 size_t payload);
    /* After the final chunk, or with an error: the owner tells its client and closes the
     * watcher. */
    void (*ended)(struct control_watcher *watcher, const struct aion_err *err);
    void (*free)(struct control_watcher *watcher); /* the owner's memory */
};
/* The owner made it and set control, cursor and the functions; takes a reference of the task.
 */
void control_watch(struct control_watcher *watcher, struct control_task *task);
void control_watcher_pump(struct control_watcher *watcher);
void control_watcher_close(
    struct control_watcher *watcher); /* frees it, now or when its read is over */
/* New output is visible, or the task is final. */
void control_watchers_wake(struct control_task *task);

void control_watches_forget(struct control *control); /* at the end of the process */
void control_watches_end(
    struct control *control); /* calls of WatchStreams, when control stops */

/* -- the retention plan (control_state.c, control_life.c) --------------------------- */
extern const struct store_plan control_plan_default;
void control_plan_set(struct control *control, const struct store_plan *plan); /* copies */

/* -- replies (control_reply.c) ------------------------------------------------------ */
Aion__V1__Task *control_reply_build(const struct control *control,
                                    const struct store_task *stored, struct aion_arena *arena);
void control_reply_task(struct control *control, struct mesh_call *call,
                        const struct control_task *task);
Google__Protobuf__Timestamp *control_timestamp(struct aion_arena *arena, int64_t utc_us);
Aion__V1__TaskError *control_task_error(struct aion_arena *arena,
                                        const struct store_error *error);
/* The tenant of the caller. False: the call has been failed. */
bool control_tenant(struct mesh_call *call, aion_str *ret_tenant);
/* A task id of a request. False: the call has been failed. */
bool control_task_id(struct mesh_call *call, const char *text, struct aion_uuid *ret_id);

/* -- calls that wait (control_submit.c) --------------------------------------------- */
/* Answers with the task when it is final, at the latest after wait_us; holds the call
 * meanwhile. */
void control_wait(struct control *control, struct mesh_call *call, struct control_task *task,
                  int64_t wait_us);
void control_waits_end(struct control *control); /* answers all as things stand */

/* -- the handlers of the generated tables; what each does is said where it is ------- */
void control_submit(struct mesh_call *call, const Aion__V1__TaskRequest *request);
void control_status_by_id(struct mesh_call *call, const Aion__V1__TaskRef *request);
void control_get_task(struct mesh_call *call, const Aion__V1__GetTaskRequest *request);
void control_list_tasks(struct mesh_call *call, const Aion__V1__ListTasksRequest *request);
void control_cancel(struct mesh_call *call, const Aion__V1__CancelRequest *request);
void control_stream(struct mesh_call *call, const Aion__V1__StreamRequest *request);
void control_stream_writable(struct mesh_call *call);
void control_stream_done(struct mesh_call *call, bool cancelled);
void control_ack_stream(struct mesh_call *call, const Aion__V1__AckStreamRequest *request);
void control_watch_streams_open(struct mesh_call *call);
void control_watch_streams(struct mesh_call *call,
                           const Aion__V1__WatchStreamsRequest *request);
void control_watch_streams_half_close(struct mesh_call *call);
void control_watch_streams_writable(struct mesh_call *call);
void control_watch_streams_done(struct mesh_call *call, bool cancelled);
void control_attach_open(struct mesh_call *call);
void control_attach(struct mesh_call *call, const Aion__V1__HostMessage *message);
void control_attach_half_close(struct mesh_call *call);
void control_attach_writable(struct mesh_call *call);
void control_attach_done(struct mesh_call *call, bool cancelled);
void control_list_hosts(struct mesh_call *call, const Aion__V1__ListHostsRequest *request);
void control_state_put_policy_revision(struct mesh_call *call,
                                       const Aion__V1__PutPolicyRevisionRequest *request);
void control_state_list_policy_revisions(
    struct mesh_call *call, const Aion__V1__StateListPolicyRevisionsRequest *request);
void control_state_get_policy_revision(struct mesh_call *call,
                                       const Aion__V1__GetPolicyRevisionRequest *request);
void control_state_get_retention_plan(struct mesh_call *call,
                                      const Aion__V1__GetPlanRequest *request);
void control_state_put_retention_plan(struct mesh_call *call,
                                      const Aion__V1__RetentionPlan *request);
void control_state_sweep_tasks(struct mesh_call *call,
                               const Aion__V1__SweepTasksRequest *request);

/* -- requests (control_request.c): pure --------------------------------------------- */
enum {
    INPUT_BYTES_MAX = 4 << 20,
    PARAMS_BYTES_MAX = 64 << 10,
    PARAMS_DEPTH_MAX = 32,
    WAIT_SECONDS_MAX = 60,
};
/* What a valid TaskRequest says. Texts borrow the request. */
struct control_request {
    bool has_id;
    struct aion_uuid id;
    aion_str key;
    unsigned priority;   /* 1..5 */
    int64_t deadline_us; /* UTC */
    int64_t wait_us;
};
/* INVALID, with the field, its value and what was expected. */
bool control_request_check(const Aion__V1__TaskRequest *request, int64_t now_utc_us,
                           struct control_request *ret_request,
                           struct aion_err *err) AION_MUST_CHECK;
/* What must be the same for the same key: the request without key, id, deadline, wait and
 * trace. */
bool control_request_digest(const Aion__V1__TaskRequest *request, uint8_t ret_digest[32],
                            struct aion_buf *scratch, struct aion_err *err) AION_MUST_CHECK;

/* -- metrics (control_metrics.c) ---------------------------------------------------- */
enum control_count {
    COUNT_ACCEPTED,
    COUNT_DUPLICATE,
    COUNT_REFUSED,
    COUNT_STALE,
    COUNT_RETRY,
    COUNT_HOST_LOST,
    COUNT_WRITE_RETRY,
    COUNTS,
};
void control_metrics_init(struct control *control);
void control_count(enum control_count count);
void control_count_state(enum control_state state, int delta);
void control_gauge_queue(const struct control *control);
void control_record_task(const struct control_task *task);

extern const struct aion_v1_aion_tasks_server control_tasks_table;
extern const struct aion_v1_hosts_server control_hosts_table;
extern const struct aion_v1_state_server control_state_table;

#endif
