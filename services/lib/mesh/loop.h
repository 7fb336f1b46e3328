/* The I/O thread of a process: one completion queue, timers, jobs posted from other threads,
 * and a small pool of workers for what can only block.
 *
 * The thread that runs mesh_loop_run owns all domain state of the process: handlers,
 * completions, timers and jobs run there, one at a time, and never block. Why one thread:
 * measured, facts in services/adr. */
#ifndef MESH_LOOP_H
#define MESH_LOOP_H

#include "base/err.h"
#include "base/exec.h"
#include "base/heap.h"

struct mesh_loop;

struct mesh_loop_conf {
    unsigned workers;  /* 0 = 2; threads made on first use */
    unsigned work_max; /* queued offloads, 0 = 1024; beyond mesh_offload refuses */
    /* Of the core's own timers (connecting, deadlines, pings): they may be late by so much, and
     * wake its threads the less often. 0 = the system's. The process's first loop decides. */
    uint64_t core_slack_ns;
};

/* Calls grpc_init (counted). UNAVAILABLE: no thread or memory. */
struct mesh_loop *mesh_loop_new(const struct mesh_loop_conf *conf, struct aion_err *err);
/* Runs until mesh_loop_stop; the caller becomes the I/O thread. After it returns servers and
 * channels may be freed, then the loop; or it may be run again. */
void mesh_loop_run(struct mesh_loop *loop);
/* Runs what other threads have posted, after the loop ended: for an owner about to free what
 * the jobs point to, once the posters are joined. */
void mesh_loop_settle(struct mesh_loop *loop);
void mesh_loop_stop(struct mesh_loop *loop); /* any thread, signal-safe not */
/* All servers and channels of the loop must be closed. Joins the workers. NULL fine. */
void mesh_loop_free(struct mesh_loop *loop);
bool mesh_loop_here(const struct mesh_loop *loop); /* is this the I/O thread? */
/* Microseconds, monotonic; read once per round of the loop. I/O thread. */
int64_t mesh_loop_now(const struct mesh_loop *loop);
/* The loop as a place to post jobs to; see base/exec.h. Jobs posted before stop run before run
 * returns. */
struct aion_exec *mesh_loop_exec(struct mesh_loop *loop);
/* Longest single handler, job or timer since the last call, in thread CPU time; for the
 * watchdog. */
int64_t mesh_loop_longest_ns(struct mesh_loop *loop);

/* Timers: embedded in their owner, I/O thread only. */
struct mesh_timer {
    struct aion_heap_node node; /* private */
    void (*fire)(struct mesh_timer *timer);
};
void mesh_timer_set(struct mesh_loop *loop, struct mesh_timer *timer, int64_t at_us);
void mesh_timer_cancel(struct mesh_loop *loop, struct mesh_timer *timer); /* unset: nothing */

/* Work that may block: `work` runs on a worker, then `done` on the I/O thread. Embedded in its
 * owner. */
struct mesh_work {
    void (*work)(struct mesh_work *work);
    void (*done)(struct mesh_work *work);
    struct aion_job job;    /* private */
    struct mesh_loop *loop; /* private */
};
/* False: work_max are waiting already; nothing happens. I/O thread. */
bool mesh_offload(struct mesh_loop *loop, struct mesh_work *work) AION_MUST_CHECK;

#endif
