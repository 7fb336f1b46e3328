/* The I/O thread: completions, jobs, timers; and the workers. See loop.h and services/adr/0002.
 */
#include "base/clock.h"
#include "mesh/core_private.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    LONG_NS =
        500000, /* handlers shorter than this need no look at the CPU clock: a system call */
    HELD_ROUNDS_MAX = 32, /* events that held messages wait for at most */
    KEPT_US = 2000,       /* what is written leaves after at most so long */
    FULL_US = 5000,       /* what a peer did not take is tried again after so long */
    RPCS_KEPT_MAX = 64,   /* a client's calls, for the next ones */
};

void mesh_batch(grpc_call *call, const grpc_op *ops, size_t count, struct mesh_op *op)
{
    aion_tsan_release(op);
    grpc_call_error error = grpc_call_start_batch(call, ops, count, op, NULL);
    if (error != GRPC_CALL_OK) {
        fprintf(stderr, "mesh: batch refused: %s\n", grpc_call_error_to_string(error));
        abort();
    }
}

gpr_timespec mesh_timespec(int64_t mono_us)
{
    if (mono_us == INT64_MAX)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return (gpr_timespec){mono_us / 1000000, (int32_t)(mono_us % 1000000) * 1000,
                          GPR_CLOCK_MONOTONIC};
}

/* -- jobs ----------------------------------------------------------------- */

static void wake(struct mesh_loop *loop)
{
    pthread_mutex_lock(&loop->wake_lock);
    mesh_batch(loop->wake_call, NULL, 0, &loop->wake);
    pthread_mutex_unlock(&loop->wake_lock);
}

static void post(struct aion_exec *exec, struct aion_job *job)
{
    struct mesh_loop *loop = (struct mesh_loop *)exec;
    if (aion_jobs_add(&loop->jobs, job))
        wake(loop);
}

static void woken(struct mesh_op *op, bool ok)
{
    (void)ok;
    aion_jobs_run(&aion_container(op, struct mesh_loop, wake)->jobs);
}

/* -- timers --------------------------------------------------------------- */

void mesh_timer_set(struct mesh_loop *loop, struct mesh_timer *timer, int64_t at_us)
{
    aion_heap_set(&loop->timers, &timer->node, at_us);
}

void mesh_timer_cancel(struct mesh_loop *loop, struct mesh_timer *timer)
{
    aion_heap_remove(&loop->timers, &timer->node);
}

static void fire_timers(struct mesh_loop *loop)
{
    struct aion_heap_node *node;
    while ((node = aion_heap_first(&loop->timers)) != NULL && node->key <= loop->now_us) {
        aion_heap_remove(&loop->timers, node);
        struct mesh_timer *timer = aion_container(node, struct mesh_timer, node);
        timer->fire(timer);
    }
}

/* -- rounds --------------------------------------------------------------- */

enum {
    ROW_MIN = 4,  /* completions between two looks for more while few are found */
    ROW_MAX = 64, /* completions in a row between two looks at the sockets */
    LOOKS = 4,
};

/* CPU time, not wall time: on a busy machine the thread may just not have run. The CPU clock is
 * read only after a long wall time; what it counts since the last reading is an upper bound of
 * the handler's own. */
static void watch_time(struct mesh_loop *loop, int64_t began_us)
{
    int64_t wall_ns = (aion_clock_mono_us() - began_us) * 1000;
    if (wall_ns < LONG_NS)
        return;
    int64_t cpu = aion_clock_thread_cpu_ns();
    int64_t used = cpu - loop->cpu_mark_ns;
    loop->cpu_mark_ns = cpu;
    if (used > wall_ns)
        used = wall_ns;
    if (used >= LONG_NS)
        mesh_loops_slow(loop, used);
}

void mesh_hold_back(struct mesh_loop *loop, struct mesh_held *held)
{
    if (aion_list_empty(&held->link))
        aion_list_add_last(&loop->held, &held->link);
}

static void release_held(struct mesh_loop *loop)
{
    struct aion_link *link;
    loop->held_rounds = 0;
    while ((link = aion_list_first(&loop->held)) != NULL) {
        struct mesh_held *held = aion_container(link, struct mesh_held, link);
        aion_list_remove(link);
        held->release(held);
    }
}

/* So many completions since a look found none waiting that another look is due. One look costs
 * what a system call does, so where calls come singly few are made; after a row in which they
 * found some each completion is followed by one, or its first replies would leave singly. */
static bool long_row(const struct mesh_loop *loop)
{
    return loop->row >= (loop->busy ? 1 : ROW_MIN);
}

/* One more of a row; false: the row is over. What is held goes with the last one. */
static bool next_in_row(struct mesh_loop *loop, grpc_event *ret_event)
{
    bool holds = !aion_list_empty(&loop->held) && loop->held_rounds++ < HELD_ROUNDS_MAX;
    if (!holds)
        release_held(loop);
    if (!holds && !long_row(loop))
        return false;
    *ret_event = grpc_completion_queue_next(loop->cq, gpr_inf_past(GPR_CLOCK_MONOTONIC), NULL);
    loop->found += ret_event->type == GRPC_OP_COMPLETE;
    return ret_event->type == GRPC_OP_COMPLETE;
}

static void begin_row(struct mesh_loop *loop)
{
    loop->row_us = 0;
    mesh_gather(&loop->written);
}

/* The row is over and all of it has left: the next look at the sockets may find more if it
 * comes a little later. */
static void moderate(struct mesh_loop *loop, int64_t until_us)
{
    int64_t wait_us = mesh_moderate(&loop->moderation, loop->now_us, loop->done);
    loop->done = 0;
    if (wait_us == 0 || until_us - loop->now_us <= wait_us)
        return;
    struct timespec wait = {.tv_nsec = (long)wait_us * 1000};
    nanosleep(&wait, NULL); /* cut short by a signal, it has done no harm */
}

static grpc_event next_event(struct mesh_loop *loop, int64_t until_us)
{
    grpc_event event;
    if (loop->row_us != 0 && loop->now_us - loop->row_us >= KEPT_US) {
        mesh_gather_end(&loop->written);
        begin_row(loop);
    }
    if (next_in_row(loop, &event))
        return event;
    bool looked = long_row(loop);
    if (looked) {
        loop->busy = loop->found > 1;
        loop->row = loop->found = 0;
    }
    release_held(loop);
    bool left = mesh_gather_end(&loop->written);
    if (!left && until_us - loop->now_us > FULL_US)
        until_us = loop->now_us + FULL_US;
    if (looked && left)
        moderate(loop, until_us);
    event = grpc_completion_queue_next(loop->cq, mesh_timespec(until_us), NULL);
    begin_row(loop);
    return event;
}

static void run_op(struct mesh_loop *loop, struct mesh_op *op, bool ok)
{
    loop->now_us = aion_clock_mono_us();
    if (loop->row_us == 0)
        loop->row_us = loop->now_us;
    loop->done++;
    aion_tsan_acquire(op);
    op->done(op, ok);
}

/* The core reads sockets only when no completion waits. Streams that can always send, each of
 * whose completions makes the next, would keep new connections and calls out for seconds: so
 * now and then all completions are taken before any is acted upon. A look handles one socket.
 */
static void look_around(struct mesh_loop *loop)
{
    struct mesh_op *first = NULL, **last = &first;
    bool woken_up = false; /* there may be two wakes: one of jobs that were run meanwhile */
    for (int looks = 0; looks < LOOKS;) {
        grpc_event event =
            grpc_completion_queue_next(loop->cq, gpr_inf_past(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type != GRPC_OP_COMPLETE) {
            looks++;
            continue;
        }
        struct mesh_op *op = event.tag;
        if (op == &loop->wake) {
            woken_up = true;
            continue;
        }
        op->ok = event.success != 0;
        op->next = NULL;
        *last = op;
        last = &op->next;
    }
    while (first != NULL) {
        struct mesh_op *op = first;
        first = op->next; /* done may free it */
        run_op(loop, op, op->ok);
        watch_time(loop, loop->now_us);
    }
    if (woken_up)
        run_op(loop, &loop->wake, true);
}

static void step(struct mesh_loop *loop, int64_t until_us)
{
    struct aion_heap_node *next = aion_heap_first(&loop->timers);
    if (next != NULL && next->key < until_us)
        until_us = next->key;
    grpc_event event = next_event(loop, until_us);
    if (event.type == GRPC_OP_COMPLETE) {
        loop->row++;
        run_op(loop, event.tag, event.success != 0);
    } else {
        loop->row = loop->found = 0;
        loop->now_us = aion_clock_mono_us();
    }
    fire_timers(loop);
    watch_time(loop, loop->now_us);
    if (loop->row > 0 && loop->row % ROW_MAX == 0)
        look_around(loop);
}

void mesh_loop_step(struct mesh_loop *loop, int64_t until_us)
{
    step(loop, until_us);
    mesh_gather_end(&loop->written); /* the next step may be a while off */
}

void mesh_loop_run(struct mesh_loop *loop)
{
    loop->thread = pthread_self();
    loop->now_us = aion_clock_mono_us();
    loop->cpu_mark_ns = aion_clock_thread_cpu_ns();
    atomic_store(&loop->running, true);
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire))
        step(loop, INT64_MAX);
    aion_jobs_run(&loop->jobs);
    release_held(loop);
    mesh_gather_end(&loop->written);
    atomic_store(&loop->running, false);
    atomic_store(&loop->stop, false); /* it may be run again: tests and the CLI do */
}

void mesh_loop_settle(struct mesh_loop *loop)
{
    aion_jobs_run(&loop->jobs);
}

void mesh_loop_stop(struct mesh_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    if (aion_jobs_wake(&loop->jobs))
        wake(loop);
}

bool mesh_loop_here(const struct mesh_loop *loop)
{
    return pthread_equal(loop->thread, pthread_self()) != 0;
}

int64_t mesh_loop_now(const struct mesh_loop *loop)
{
    return loop->now_us;
}

struct aion_exec *mesh_loop_exec(struct mesh_loop *loop)
{
    return &loop->exec;
}

int64_t mesh_loop_longest_ns(struct mesh_loop *loop)
{
    return atomic_exchange(&loop->longest_ns, 0);
}

/* -- workers -------------------------------------------------------------- */

static void work_done(struct aion_job *job)
{
    struct mesh_work *work = aion_container(job, struct mesh_work, job);
    work->done(work);
}

static void *work(void *argument)
{
    struct mesh_loop *loop = argument;
    struct mesh_workers *workers = &loop->workers;
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (workers->first == NULL && !workers->stop) {
            workers->idle++;
            pthread_cond_wait(&workers->work, &workers->lock);
            workers->idle--;
        }
        struct aion_job *job = workers->first;
        if (job == NULL)
            break;
        workers->first = job->next;
        if (workers->first == NULL)
            workers->last = &workers->first;
        workers->queued--;
        pthread_mutex_unlock(&workers->lock);
        struct mesh_work *item = aion_container(job, struct mesh_work, job);
        item->work(item);
        job->run = work_done;
        aion_exec_post(&loop->exec, job);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

/* Caller holds workers->lock. A thread is made when work waits and nobody is idle. */
static void more_threads(struct mesh_loop *loop)
{
    struct mesh_workers *workers = &loop->workers;
    if (workers->idle > 0 || workers->threads == workers->threads_max)
        return;
    if (pthread_create(&workers->ids[workers->threads], NULL, work, loop) == 0)
        workers->threads++;
}

bool mesh_offload(struct mesh_loop *loop, struct mesh_work *item)
{
    struct mesh_workers *workers = &loop->workers;
    item->loop = loop;
    pthread_mutex_lock(&workers->lock);
    more_threads(loop);
    bool room = workers->queued < workers->queued_max && workers->threads > 0;
    if (room) {
        item->job.next = NULL;
        *workers->last = &item->job;
        workers->last = &item->job.next;
        workers->queued++;
        pthread_cond_signal(&workers->work);
    }
    pthread_mutex_unlock(&workers->lock);
    return room;
}

static void stop_workers(struct mesh_loop *loop)
{
    struct mesh_workers *workers = &loop->workers;
    pthread_mutex_lock(&workers->lock);
    workers->stop = true;
    pthread_cond_broadcast(&workers->work);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->threads; i++)
        pthread_join(workers->ids[i], NULL);
}

/* -- life ----------------------------------------------------------------- */

static void init_workers(struct mesh_workers *workers, const struct mesh_loop_conf *conf)
{
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);
    workers->last = &workers->first;
    unsigned threads = conf != NULL && conf->workers > 0 ? conf->workers : 2;
    workers->threads_max = threads < MESH_WORKERS_MAX ? threads : MESH_WORKERS_MAX;
    workers->queued_max = conf != NULL && conf->work_max > 0 ? conf->work_max : 1024;
}

/* The core has no public way to post to a queue: an empty batch on a call of a lame channel
 * does it. */
static bool init_wake(struct mesh_loop *loop)
{
    loop->lame = grpc_lame_client_channel_create("wake", GRPC_STATUS_UNAVAILABLE, "wake");
    loop->wake_call = grpc_channel_create_call(loop->lame, NULL, 0, loop->cq,
                                               grpc_slice_from_static_string("/w"), NULL,
                                               gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    loop->wake.done = woken;
    pthread_mutex_init(&loop->wake_lock, NULL);
    return loop->wake_call != NULL;
}

/* The core looks at each of its lists of timers once a second, each list at another time, even
 * if all are empty. Its threads are made by the first grpc_init and inherit the slack, by which
 * these times fall together. */
static void init_core(uint64_t slack_ns)
{
    int before = prctl(PR_GET_TIMERSLACK);
    if (slack_ns > 0)
        prctl(PR_SET_TIMERSLACK, slack_ns);
    grpc_init();
    if (slack_ns > 0)
        prctl(PR_SET_TIMERSLACK, (unsigned long)before);
}

struct mesh_loop *mesh_loop_new(const struct mesh_loop_conf *conf, struct aion_err *err)
{
    struct mesh_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    mesh_core_log();
    mesh_core_locks();
    init_core(conf != NULL ? conf->core_slack_ns : 0);
    loop->exec.post = post;
    aion_list_init(&loop->held);
    aion_list_init(&loop->channels);
    loop->cq = grpc_completion_queue_create_for_next(NULL);
    loop->now_us = aion_clock_mono_us();
    loop->thread = pthread_self();
    aion_heap_init(&loop->timers);
    init_workers(&loop->workers, conf);
    uint64_t seed;
    aion_rand_secret(&seed, sizeof(seed));
    aion_rand_seed(&loop->rand, seed);
    loop->rpcs = AION_SPARES(mesh_rpc_size(), RPCS_KEPT_MAX);
    mesh_loops_add(loop);
    if (init_wake(loop))
        return loop;
    mesh_loop_free(loop);
    return aion_fail_null(err, AION_UNAVAILABLE, "cannot make the loop's wake-up call");
}

void mesh_loop_free(struct mesh_loop *loop)
{
    if (loop == NULL)
        return;
    mesh_loops_remove(loop);
    stop_workers(loop);
    aion_jobs_run(&loop->jobs);
    if (loop->wake_call != NULL)
        grpc_call_unref(loop->wake_call);
    grpc_channel_destroy(loop->lame);
    grpc_completion_queue_shutdown(loop->cq);
    gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    grpc_event event;
    do
        event = grpc_completion_queue_next(loop->cq, never, NULL);
    while (event.type != GRPC_QUEUE_SHUTDOWN); /* late wakes: nobody waits for their jobs */
    grpc_completion_queue_destroy(loop->cq);
    mesh_gather_done(&loop->written);
    aion_spares_done(&loop->rpcs);
    aion_heap_done(&loop->timers);
    pthread_mutex_destroy(&loop->wake_lock);
    pthread_mutex_destroy(&loop->workers.lock);
    pthread_cond_destroy(&loop->workers.work);
    free(loop);
    grpc_shutdown_blocking();
}
