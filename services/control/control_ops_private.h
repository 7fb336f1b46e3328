/* Telemetry inside control: hooks of the task's way, the tick that makes frames, readers, and
 * the worker that keeps them. Included by control_private.h.
 *
 * control_ops.c (the tick, the second), control_ops_tasks.c and control_ops_hosts.c (hooks: one
 * line each where things happen), control_ops_report.c (rpc Report), control_ops_watch.c (rpc
 * Watch), control_ops_views.c and control_ops_tails.c (frames and events for its readers),
 * control_ops_past.c (the worker, rpc GetAt), control_ops_replay.c (readers of the past). The
 * ops_* files are pure. */
#ifndef CONTROL_OPS_PRIVATE_H
#define CONTROL_OPS_PRIVATE_H

#include "aion/v1/ops.mesh.h"
#include "ops/ops_events.h"
#include "ops/ops_fold.h"
#include "ops/ops_frame.h"
#include "ops/ops_history.h"
#include "ops/ops_report.h"

struct control;
struct control_host;
struct control_task;

/* A set of kinds at a rate, for one tenant or all: encoded once for all its readers. */
struct control_ops_view {
    struct aion_link link;
    struct ops_view shows;
    char tenant[128];
    unsigned rate_hz;
    struct aion_link readers;
};

/* Events on their way to the readers of a tail; NULL: none are. */
struct control_ops_batch {
    struct mesh_wire *head, *beside; /* of a reply that they are, or stand in beside a frame */
    struct mesh_wire *events;
    struct ops_event_counts missed; /* by a reader that is too full for them */
    uint64_t number;                /* 1, 2, ... */
};

/* A filter of events: packed once for all its readers. One that wants every event has a tail of
 * its own. */
struct control_ops_tail {
    struct aion_link link;
    struct ops_event_view view;
    unsigned rate_hz;
    bool more; /* than one batch waits */
    struct control_ops_batch batch;
    struct aion_link readers;
};

struct control_ops_replay;

/* A call of Watch. */
struct control_ops_reader {
    struct aion_link link;    /* in control_ops.readers */
    struct aion_link in_view; /* while it reads live */
    struct aion_link in_tail;
    struct control *control;
    struct mesh_call *call;
    struct control_ops_view *view;
    struct control_ops_tail *tail;
    bool joined;    /* it takes events beside a frame, in one reply */
    uint64_t batch; /* number of the newest batch of its tail that it was given */
    bool full;      /* its send queue: what comes meanwhile is dropped */
    bool ended;
    uint32_t stamp;  /* of the table as it was told last; 0 = never */
    int64_t sent_us; /* monotonic: when that was */
    int64_t phase_s; /* of the seconds in which it is told everything */
    uint64_t dropped;
    struct ops_event_counts missed;    /* of events that it was too full for */
    int64_t until_us;                  /* UTC; 0 = for ever */
    struct control_ops_replay *replay; /* NULL: live */
    char tenant[128];                  /* whose rows it sees; "" = all */
    uint32_t kinds;
    unsigned rate_hz;
};

struct control_ops {
    struct control *control;
    struct ops_fold fold;
    struct ops_reports reports;
    struct ops_events events;
    struct aion_link views, tails, readers, report_calls;
    size_t reader_count, replay_count;
    struct aion_map lanes; /* what hosts can run: control_ops_hosts.c */
    struct mesh_timer timer;
    int64_t second_us, tenth_us; /* UTC: ends of the second and tenth that were made last */
    int64_t closed_us;           /* monotonic: when the second was closed */
    int64_t stale, repeated;     /* counts as of the last second */
    bool began, ended;
    bool gap_in_ten; /* within the ten seconds that are open */
    struct control_past *past;
    struct aion_metric *store_state, *cost, *rows_memory, *events_memory;
    struct aion_buf wire, parts; /* of one message for many */
};

/* Memory of telemetry, by part: rows, events, frames. */
extern const struct aion_metric_family control_ops_memory;
/* Of what control stands on, by name: a state of OpsDependencyState, what waits to be sent. */
extern const struct aion_metric_family control_dependency_state, control_dependency_lag;

/* -- life (control_ops.c) ------------------------------------------------------------ */
void control_ops_init(struct control *control);
void control_ops_done(struct control *control);
/* Opens the history. Blocking; before the loop runs. What cannot be kept is told, not fatal. */
bool control_ops_open(struct control *control, struct aion_err *err) AION_MUST_CHECK;
void control_ops_begin(struct control *control); /* the clock runs */
void control_ops_end(struct control *control);   /* readers and reporters, when control stops */
/* A reader or tail came or went: how often to look. */
void control_ops_wake(struct control *control);
/* A report of control's own. */
void control_ops_take(void *control, const Aion__V1__OpsReport *report);

/* -- reports (control_ops_report.c) --------------------------------------------------- */
/* One that ops_report_check has seen. */
void control_ops_report_take(struct control *control, const Aion__V1__OpsReport *report);
void control_ops_reports_end(struct control *control);

/* -- hooks of tasks (control_ops_tasks.c) --------------------------------------------- */
void control_ops_entered(struct control *control, struct control_task *task);
/* ... and was acknowledged just now. */
void control_ops_accepted(struct control *control, struct control_task *task,
                          const Aion__V1__TaskRequest *request);
void control_ops_decided(struct control_task *task, const Aion__V1__Decision *decision);
void control_ops_moved(struct control *control, struct control_task *task,
                       enum control_event event);
void control_ops_started(struct control *control, struct control_task *task);
void control_ops_attempt(struct control *control, struct control_task *task,
                         const Aion__V1__HostMessage__Result *result);
void control_ops_left(struct control *control, struct control_task *task);
void control_ops_refused(struct control *control, aion_str tenant, const struct aion_err *err);
void control_ops_event(struct control *control, const struct ops_event *event);

/* -- hooks of hosts and policies (control_ops_hosts.c) -------------------------------- */
void control_ops_host_came(struct control_host *host);
void control_ops_host_left(struct control_host *host);
/* Drained or not, by itself or by an admin. */
void control_ops_host_changed(struct control_host *host, const char *what, aion_str actor,
                              aion_str why);
/* A revision is in force. */
void control_ops_policy(struct control *control, aion_str by, aion_str cause, aion_str digest);
void control_ops_lanes_init(struct control_ops *ops);
void control_ops_lanes_done(struct control_ops *ops);
/* Rows of hosts and routes for the second that ends now. */
void control_ops_hosts_close(struct control *control);

/* -- readers (control_ops_watch.c, control_ops_views.c, control_ops_tails.c) --------- */
/* From the next frame on; the first one is whole. */
void control_ops_join(struct control_ops_reader *reader);
void control_ops_leave_view(struct control_ops_reader *reader);
void control_ops_leave_tail(struct control_ops_reader *reader);
/* False: out of memory, or too many different ones. */
bool control_ops_tail_join(struct control_ops_reader *reader,
                           const struct ops_event_filter *filter,
                           struct aion_err *err) AION_MUST_CHECK;
/* Frames that are due at this tenth of a second (1..10; 10 = the whole one), for joined readers
 * with the batch of their tail. */
void control_ops_views_send(struct control *control, unsigned tenth, int64_t at_us, bool gap);
/* Makes a batch of events that wait, of each tail whose frames are due at this tenth. */
void control_ops_tails_take(struct control *control, unsigned tenth);
/* The batches, to whom has them not yet, and what waits behind; 0: of those tails alone that
 * want every event. */
void control_ops_tails_send(struct control *control, unsigned tenth);
void control_ops_tail_writable(struct control_ops_reader *reader);
/* A reply of these parts, each for this reader or for many. */
void control_ops_send(struct control_ops_reader *reader, struct mesh_wire *const *parts,
                      size_t count);
/* The batch that stands beside the reader's frame, if it takes one there: it has it then. NULL:
 * none. */
const struct control_ops_batch *control_ops_batch_beside(struct control_ops_reader *reader);
void control_ops_readers_end(struct control *control);
bool control_ops_due(unsigned rate_hz, unsigned tenth);
/* The kinds of a request as bits; none = all. INVALID: there is no such kind. */
bool control_ops_kinds(const Aion__V1__OpsKind *kinds, size_t count, uint32_t *ret_kinds,
                       struct aion_err *err) AION_MUST_CHECK;
/* The tenant whose rows alone the caller may see; "" = it sees all. */
void control_ops_own_tenant(const struct mesh_call *call, char *out, size_t size);

/* -- the past (control_ops_past.c, control_ops_replay.c) -------------------------------- */
struct control_past;
/* A piece of work on the history, one at a time, in order. Embedded in its owner. */
struct control_past_job {
    struct control_past_job *next;
    void (*run)(struct control_past_job *job, struct ops_history *history); /* on a worker */
    void (*done)(struct control_past_job *job); /* on the I/O thread */
};
struct control_past *control_past_open(struct control *control, struct aion_err *err);
void control_past_close(struct control_past *past); /* NULL fine */
/* EXHAUSTED: too many wait. */
bool control_past_do(struct control_past *past, struct control_past_job *job,
                     struct aion_err *err) AION_MUST_CHECK;
/* The frame of the second that was just closed, and of ten seconds when they end with it. */
void control_past_keep(struct control_past *past, int64_t at_us, bool gap);
int64_t control_past_oldest_us(const struct control_past *past); /* UTC; 0 = nothing is kept */
/* Frames from from_us on, of span_ms (0: the finest), then live. */
void control_ops_replay_begin(struct control_ops_reader *reader, int64_t from_us,
                              uint32_t span_ms);
void control_ops_replay_writable(struct control_ops_reader *reader);
void control_ops_replay_end(struct control_ops_reader *reader); /* the reader is gone */

/* -- draining hosts (control_drain.c) --------------------------------------------------- */
struct control_drained; /* by an admin */
const struct control_drained *control_drained_find(const struct control *control,
                                                   const char *host_id);
/* Who drained it, when and why, if an admin did. */
void control_drained_tell(const struct control *control, Aion__V1__HostInfo *info,
                          struct aion_arena *arena);
/* Whether the host itself wishes no new work; with what admins say it makes `draining`. */
void control_host_drain(struct control_host *host, bool by_itself);
void control_drained_done(struct control *control);
/* The hosts drained now, of the rows of holds. */
void control_drains_take(struct control *control, const struct store_hold_list *list);

/* -- handlers --------------------------------------------------------------------------- */
extern const struct aion_v1_ops_server control_ops_table;
void control_ops_watch(struct mesh_call *call, const Aion__V1__OpsWatchRequest *request);
void control_ops_watch_writable(struct mesh_call *call);
void control_ops_watch_done(struct mesh_call *call, bool cancelled);
void control_ops_report_open(struct mesh_call *call);
void control_ops_report(struct mesh_call *call, const Aion__V1__OpsReport *report);
void control_ops_report_writable(struct mesh_call *call);
void control_ops_report_half_close(struct mesh_call *call);
void control_ops_report_done(struct mesh_call *call, bool cancelled);
void control_ops_get_at(struct mesh_call *call, const Aion__V1__OpsGetAtRequest *request);
void control_drain_host(struct mesh_call *call, const Aion__V1__DrainHostRequest *request);

#endif
