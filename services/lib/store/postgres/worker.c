/* Threads that take one operation after the other from a bounded queue. */
#include "base/clock.h"
#include "store/postgres/postgres_private.h"

#include <time.h>

static struct timespec timespec_of(int64_t mono_us)
{
    return (struct timespec){.tv_sec = mono_us / 1000000, .tv_nsec = mono_us % 1000000 * 1000};
}

/* False: it is time to be idle. */
static bool wait_locked(struct pg_worker *worker)
{
    if (worker->idle == NULL) {
        pthread_cond_wait(&worker->wake, &worker->lock);
        return true;
    }
    struct timespec until = timespec_of(worker->idle_until_us);
    return pthread_cond_timedwait(&worker->wake, &worker->lock, &until) == 0 ||
           aion_clock_mono_us() < worker->idle_until_us;
}

/* NULL with *ret_idle: nothing came; NULL without: stopped, and nothing is left. */
static struct store_op *take_op(struct pg_worker *worker, bool *ret_idle)
{
    *ret_idle = false;
    pthread_mutex_lock(&worker->lock);
    while (worker->first == NULL && !worker->stopping && !*ret_idle)
        *ret_idle = !wait_locked(worker);
    struct store_op *op = worker->first;
    if (op != NULL) {
        worker->first = op->next;
        if (worker->first == NULL)
            worker->last = &worker->first;
        worker->count--;
        op->next = NULL;
    }
    *ret_idle &= op == NULL && !worker->stopping;
    pthread_mutex_unlock(&worker->lock);
    return op;
}

static void *worker_main(void *arg)
{
    struct pg_worker *worker = arg;
    struct store_op *op;
    bool idle;
    while ((op = take_op(worker, &idle)) != NULL || idle) {
        if (op == NULL) {
            worker->idle(worker);
            continue;
        }
        worker->run(worker, op);
        store_complete(&worker->store->base, op);
    }
    return NULL;
}

void pg_worker_init(struct pg_worker *worker, struct pg_store *store, enum pg_role role,
                    size_t count_max)
{
    pthread_condattr_t attr;
    worker->store = store;
    worker->count_max = count_max;
    worker->last = &worker->first;
    pg_wait_init(&worker->wait, &store->url, role, &store->stopping);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->wake, &attr);
    pthread_condattr_destroy(&attr);
}

bool pg_worker_start(struct pg_worker *worker)
{
    worker->started = pthread_create(&worker->thread, NULL, worker_main, worker) == 0;
    return worker->started;
}

bool pg_worker_add(struct pg_worker *worker, struct store_op *op, struct aion_err *err)
{
    pthread_mutex_lock(&worker->lock);
    size_t count = worker->count;
    bool taken = count < worker->count_max && !worker->stopping;
    if (taken) {
        *worker->last = op;
        worker->last = &op->next;
        worker->count++;
    }
    pthread_mutex_unlock(&worker->lock);
    if (taken)
        pthread_cond_signal(&worker->wake);
    return taken || pg_busy(count, err);
}

size_t pg_worker_waiting(struct pg_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    size_t count = worker->count;
    pthread_mutex_unlock(&worker->lock);
    return count;
}

void pg_worker_stop(struct pg_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    pthread_mutex_unlock(&worker->lock);
    pthread_cond_signal(&worker->wake);
    if (worker->started)
        pthread_join(worker->thread, NULL);
    worker->started = false;
}

void pg_worker_done(struct pg_worker *worker)
{
    pg_wait_done(&worker->wait);
    pthread_mutex_destroy(&worker->lock);
    pthread_cond_destroy(&worker->wake);
}
