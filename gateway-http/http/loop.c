/* Rounds of events, jobs, timers and hooks. See loop.h. */
#include "http/loop.h"

#include "base/clock.h"
#include "base/jobs.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, HOOKS_MAX = 8 };

struct gw_loop {
    struct aion_exec exec; /* first */
    int epoll_fd, wake_fd;
    struct gw_io wake;
    struct aion_jobs jobs;
    atomic_bool stop;
    struct aion_heap timers;
    int64_t now_us;
    struct {
        void (*fn)(void *user);
        void *user;
    } hooks[HOOKS_MAX];
    size_t hook_count;
};

/* -- jobs --------------------------------------------------------------------------------- */

static void wake(struct gw_loop *loop)
{
    uint64_t one = 1;
    while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void post(struct aion_exec *exec, struct aion_job *job)
{
    struct gw_loop *loop = (struct gw_loop *)exec;
    if (aion_jobs_add(&loop->jobs, job))
        wake(loop);
}

static void woken(struct gw_io *io, uint32_t events)
{
    struct gw_loop *loop = aion_container(io, struct gw_loop, wake);
    uint64_t count;
    (void)events;
    while (read(loop->wake_fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    aion_jobs_run(&loop->jobs);
}

/* -- rounds ------------------------------------------------------------------------------- */

static int wait_ms(struct gw_loop *loop, int64_t until_us)
{
    struct aion_heap_node *next = aion_heap_first(&loop->timers);
    if (next != NULL && next->key < until_us)
        until_us = next->key;
    if (until_us == INT64_MAX)
        return -1;
    int64_t left = until_us - aion_clock_mono_us();
    if (left <= 0)
        return 0;
    return left > 60000000 ? 60000 : (int)((left + 999) / 1000);
}

static void fire_timers(struct gw_loop *loop)
{
    struct aion_heap_node *node;
    while ((node = aion_heap_first(&loop->timers)) != NULL && node->key <= loop->now_us) {
        aion_heap_remove(&loop->timers, node);
        struct gw_timer *timer = aion_container(node, struct gw_timer, node);
        timer->fire(timer);
    }
}

static void run_hooks(struct gw_loop *loop)
{
    for (size_t i = 0; i < loop->hook_count; i++)
        loop->hooks[i].fn(loop->hooks[i].user);
}

void gw_loop_step(struct gw_loop *loop, int64_t until_us)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, wait_ms(loop, until_us));
    loop->now_us = aion_clock_mono_us();
    for (int i = 0; i < count; i++) {
        struct gw_io *io = events[i].data.ptr;
        io->ready(io, events[i].events);
    }
    fire_timers(loop);
    run_hooks(loop);
}

void gw_loop_run(struct gw_loop *loop)
{
    loop->now_us = aion_clock_mono_us();
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire))
        gw_loop_step(loop, INT64_MAX);
    aion_jobs_run(&loop->jobs);
    run_hooks(loop);
    atomic_store(&loop->stop, false);
}

void gw_loop_stop(struct gw_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    if (aion_jobs_wake(&loop->jobs))
        wake(loop);
}

int64_t gw_loop_now(const struct gw_loop *loop)
{
    return loop->now_us;
}

struct aion_exec *gw_loop_exec(struct gw_loop *loop)
{
    return &loop->exec;
}

void gw_loop_after_round(struct gw_loop *loop, void (*fn)(void *user), void *user)
{
    if (loop->hook_count == HOOKS_MAX)
        abort(); /* a programmer's error */
    loop->hooks[loop->hook_count].fn = fn;
    loop->hooks[loop->hook_count++].user = user;
}

/* -- descriptors and timers --------------------------------------------------------------- */

static bool control(struct gw_loop *loop, int how, int fd, uint32_t events, struct gw_io *io)
{
    struct epoll_event event = {.events = events, .data.ptr = io};
    return epoll_ctl(loop->epoll_fd, how, fd, &event) == 0;
}

bool gw_io_add(struct gw_loop *loop, int fd, uint32_t events, struct gw_io *io)
{
    return control(loop, EPOLL_CTL_ADD, fd, events, io);
}

void gw_io_change(struct gw_loop *loop, int fd, uint32_t events, struct gw_io *io)
{
    control(loop, EPOLL_CTL_MOD, fd, events, io);
}

void gw_io_remove(struct gw_loop *loop, int fd)
{
    control(loop, EPOLL_CTL_DEL, fd, 0, NULL);
}

void gw_timer_set(struct gw_loop *loop, struct gw_timer *timer, int64_t at_us)
{
    aion_heap_set(&loop->timers, &timer->node, at_us);
}

void gw_timer_cancel(struct gw_loop *loop, struct gw_timer *timer)
{
    aion_heap_remove(&loop->timers, &timer->node);
}

/* -- life --------------------------------------------------------------------------------- */

struct gw_loop *gw_loop_new(struct aion_err *err)
{
    struct gw_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    loop->exec.post = post;
    loop->wake.ready = woken;
    loop->now_us = aion_clock_mono_us();
    aion_heap_init(&loop->timers);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd >= 0 && loop->wake_fd >= 0 &&
        gw_io_add(loop, loop->wake_fd, EPOLLIN, &loop->wake))
        return loop;
    aion_err_set(err, __func__, AION_UNAVAILABLE,
                 "cannot make an epoll descriptor; raise the limit of open files");
    aion_err_errno(err);
    gw_loop_free(loop);
    return NULL;
}

void gw_loop_free(struct gw_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    aion_heap_done(&loop->timers);
    free(loop);
}
