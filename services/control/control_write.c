/* Writes that must reach the disk. The disk may be full for an hour: a result that is here and
 * an attempt that was begun are kept in memory and written again and again, in their order,
 * until the store takes them. After a failed fsync the process ends; then the store and the
 * hosts know what was not lost. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { AGAIN_US = 200000 };

struct control_write *control_write_new(struct control *control, struct control_task *task,
                                        enum store_kind kind,
                                        void (*done)(struct control_write *write))
{
    struct control_write *write = calloc(1, sizeof(*write));
    if (write == NULL)
        abort();
    write->control = control;
    write->task = control_task_ref(task);
    write->kind = kind;
    write->done = done;
    write->begun_us = mesh_loop_now(control->loop);
    aion_list_add_last(&control->writes, &write->link);
    return write;
}

static void write_free(struct control_write *write)
{
    mesh_timer_cancel(write->control->loop, &write->again);
    aion_list_remove(&write->link);
    control_task_unref(write->task);
    free(write->chunks);
    free(write);
}

void control_write_chunks(struct control_write *write, const struct store_chunk **ret_chunks,
                          size_t *ret_count)
{
    const struct control_log *log = &write->task->log;
    size_t count = 0;
    for (const struct control_chunk *chunk = log->pending; chunk != NULL; chunk = chunk->next)
        count++;
    *ret_count = count;
    *ret_chunks = write->chunks = count > 0 ? calloc(count, sizeof(*write->chunks)) : NULL;
    write->cursor = log->cursor;
    if (count > 0 && write->chunks == NULL)
        abort();
    struct store_chunk *to = write->chunks;
    for (const struct control_chunk *chunk = log->pending; chunk != NULL; chunk = chunk->next)
        *to++ = (struct store_chunk){
            .cursor = chunk->cursor,
            .sequence = chunk->sequence,
            .attempt = chunk->attempt,
            .kind = (enum store_chunk_kind)chunk->kind,
            .discard_from = chunk->discard_from,
            .content_type = chunk->content_type,
            .payload = chunk->payload,
        };
}

static void try_again(struct mesh_timer *timer)
{
    control_write_submit(aion_container(timer, struct control_write, again));
}

static void later(struct control_write *write)
{
    control_count(COUNT_WRITE_RETRY);
    write->again.fire = try_again;
    mesh_timer_set(write->control->loop, &write->again,
                   mesh_loop_now(write->control->loop) + AGAIN_US);
}

/* The end of an attempt whose start is still on its way to the disk finds another token there:
 * wait for the start. */
static bool too_early(const struct control_write *write)
{
    if (!write->task->starting || write->kind == STORE_START)
        return false;
    return (write->kind == STORE_FINISH && write->as.finish.outcome == STORE_STALE) ||
           (write->kind == STORE_RETRY && write->as.retry.outcome == STORE_STALE) ||
           (write->kind == STORE_CHUNKS && write->as.chunks.outcome == STORE_STALE);
}

static void write_done(struct store_op *op, const struct aion_err *err)
{
    struct control_write *write = aion_container(op, struct control_write, as.op);
    struct control *control = write->control;
    if (err != NULL || too_early(write)) {
        later(write);
        return;
    }
    write->done(write);
    write_free(write);
    control_drain_step(control);
}

void control_write_submit(struct control_write *write)
{
    write->as.op.done = write_done;
    if (!store_submit(write->control->store, &write->as.op, write->kind, NULL))
        later(write);
}

static void submit_end(struct control_write *write)
{
    write->prepare(write);
    control_write_submit(write);
}

void control_write_end(struct control_write *write)
{
    if (write->task->chunks_writing)
        write->task->ending = write;
    else
        submit_end(write);
}

void control_write_chunks_done(struct control_task *task)
{
    struct control_write *ending = task->ending;
    task->chunks_writing = false;
    task->ending = NULL;
    if (ending != NULL)
        submit_end(ending);
}

void control_writes_abandon(struct control *control)
{
    aion_list_each_safe (link, &control->writes) {
        write_free(aion_container(link, struct control_write, link));
    }
}
