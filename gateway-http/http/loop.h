/* The gateway's I/O thread: epoll, timers, and jobs posted from other threads.
 *
 * One thread runs the loop and owns everything that hangs on it: connections, exchanges,
 * limits. A round is: events, jobs, timers, then `after_round`, where what the round has
 * produced is written, so that one system call carries many answers. Only post and stop may be
 * called from other threads. */
#ifndef GW_HTTP_LOOP_H
#define GW_HTTP_LOOP_H

#include "base/err.h"
#include "base/exec.h"
#include "base/heap.h"

struct gw_loop;

struct gw_loop *gw_loop_new(struct aion_err *err);
void gw_loop_free(struct gw_loop *loop); /* NULL fine; nothing may be registered any more */
/* Runs until gw_loop_stop; jobs posted before the stop run before it returns. */
void gw_loop_run(struct gw_loop *loop);
void gw_loop_stop(struct gw_loop *loop);
/* One round: waits at most until `until_us`. For tests. */
void gw_loop_step(struct gw_loop *loop, int64_t until_us);
int64_t gw_loop_now(const struct gw_loop *loop); /* monotonic µs, read once per round */
struct aion_exec *gw_loop_exec(struct gw_loop *loop);

/* A file descriptor's events, embedded in its owner. */
struct gw_io {
    void (*ready)(struct gw_io *io, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, ... */
};
bool gw_io_add(struct gw_loop *loop, int fd, uint32_t events, struct gw_io *io);
void gw_io_change(struct gw_loop *loop, int fd, uint32_t events, struct gw_io *io);
void gw_io_remove(struct gw_loop *loop, int fd);

struct gw_timer {
    struct aion_heap_node node; /* private */
    void (*fire)(struct gw_timer *timer);
};
void gw_timer_set(struct gw_loop *loop, struct gw_timer *timer, int64_t at_us);
void gw_timer_cancel(struct gw_loop *loop, struct gw_timer *timer); /* unset: nothing */
static inline bool gw_timer_is_set(const struct gw_timer *timer)
{
    return timer->node.slot != 0;
}

/* Runs at the end of each round, in the order of adding. At most 8; for ever. */
void gw_loop_after_round(struct gw_loop *loop, void (*fn)(void *user), void *user);

#endif
