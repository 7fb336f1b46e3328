/* Bounded queues from the I/O thread to the driver's threads. */
#include "store/sqlite/sqlite_private.h"

void sqlite_queue_init(struct sqlite_queue *queue, size_t count_max)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&queue->lock, NULL);
    queue->last = &queue->first;
    queue->count_max = count_max;
}

void sqlite_queue_done(struct sqlite_queue *queue)
{
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
}

static bool add_locked(struct sqlite_queue *queue, struct store_op *op, struct aion_err *err)
{
    if (queue->count >= queue->count_max || queue->stopping) {
        aion_err_set(err, __func__, AION_EXHAUSTED, "the store is busy: %zu operations wait",
                     queue->count);
        aion_err_reason(err, "STORE_BUSY");
        if (err != NULL) {
            err->retriable = true;
            err->retry_after_ms = 100;
        }
        return false;
    }
    *queue->last = op;
    queue->last = &op->next;
    queue->count++;
    queue->urgent += !op->lazy;
    return true;
}

bool sqlite_queue_add(struct sqlite_queue *queue, struct store_op *op, struct aion_err *err)
{
    pthread_mutex_lock(&queue->lock);
    bool added = add_locked(queue, op, err);
    /* A lazy first one must start the writer's clock; later lazy ones change nothing. */
    bool wake = added && queue->sleeping > 0 && (!op->lazy || queue->count == 1);
    pthread_mutex_unlock(&queue->lock);
    if (wake)
        pthread_cond_signal(&queue->wake);
    return added;
}

void sqlite_queue_stop(struct sqlite_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_broadcast(&queue->wake);
}
