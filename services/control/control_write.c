/* Writes that must reach the disk. The disk may be full for an hour: a result that is here and
 * an attempt that was begun are kept in memory and written again and again, in their order,
 * until the store takes them. After a failed fsync the process ends; then the store and the
 * hosts know what was not lost. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { AGAIN_US = 200000, LINGER_US = 20000 };

struct control_write *control_write_new(struct control *control, struct control_task *task,
                                        enum store_kind kind,
                                        void (*done)(struct control_write *write))
{
    struct control_write *write = aion_spares_take(&control->spare_writes);
    if (write == NULL)
        abort();
    memset(write, 0, sizeof(*write));
    write->control = control;
    write->task = control_task_ref(task);
    write->kind = kind;
    write->done = done;
    write->begun_us = mesh_loop_now(control->loop);
    aion_list_init(&write->lingers);
    aion_list_add_last(&control->writes, &write->link);
    control_shard_writes(control, task->seq);
    return write;
}

static void write_free(struct control_write *write)
{
    struct control *control = write->control;
    uint64_t seq = write->task->seq;
    mesh_timer_cancel(control->loop, &write->again);
    aion_list_remove(&write->lingers);
    aion_list_remove(&write->link);
    control_task_unref(write->task);
    free(write->chunks);
    free(write->entries);
    aion_spares_give(&control->spare_writes, write);
    control_shard_written(control, seq);
}

void control_write_chunks(struct control_write *write, const struct store_chunk **ret_chunks,
                          size_t *ret_count)
{
    const struct control_log *log = &write->task->log;
    const struct control_chunk *first = control_log_unsaved(log);
    size_t count = 0;
    for (const struct control_chunk *chunk = first; chunk != NULL; chunk = chunk->next)
        count++;
    *ret_count = count;
    *ret_chunks = write->chunks = count > 0 ? calloc(count, sizeof(*write->chunks)) : NULL;
    write->cursor = log->cursor;
    if (count > 0 && write->chunks == NULL)
        abort();
    struct store_chunk *to = write->chunks;
    for (const struct control_chunk *chunk = first; chunk != NULL; chunk = chunk->next)
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
    struct control_write *write = aion_container(timer, struct control_write, again);
    struct control *control = write->control;
    if (!write->task->forgotten) {
        control_write_submit(write);
        return;
    }
    write_free(write);
    control_drain_step(control);
}

static void later(struct control_write *write)
{
    control_count(COUNT_WRITE_RETRY);
    write->again.fire = try_again;
    mesh_timer_set(write->control->loop, &write->again,
                   mesh_loop_now(write->control->loop) + AGAIN_US);
}

/* The end of an attempt whose start was still on its way to the disk when it was submitted
 * found another token there: once more, behind the start. That the start is there by now says
 * nothing of what the end has met. */
static bool too_early(const struct control_write *write)
{
    if (write->kind == STORE_START || (!write->before_start && !write->task->starting))
        return false;
    return write->as.write.outcome == STORE_STALE &&
           (write->kind == STORE_FINISH || write->kind == STORE_RETRY ||
            write->kind == STORE_CHUNKS);
}

static void write_done(struct store_op *op, const struct aion_err *err)
{
    struct control_write *write = aion_container(op, struct control_write, as.write.op);
    struct control *control = write->control;
    bool fenced = err == NULL && write->as.write.outcome == STORE_FENCED;
    if (fenced)
        control_shard_fenced(control, write->as.write.seq, write->as.write.epoch);
    if (!fenced && !write->task->forgotten) {
        if (err != NULL || too_early(write)) {
            later(write);
            return;
        }
        control_direct_wrote(write);
        control_events_wrote(control, &write->as.write);
        write->done(write);
    } else if (fenced && write->done == control_direct_recorded) {
        write->done(write); /* it has ended: there is nobody else to see to it */
    }
    write_free(write);
    control_drain_step(control);
}

void control_write_submit(struct control_write *write)
{
    struct store_write *common = &write->as.write;
    if (!control_shards_awake(write->control)) {
        later(write);
        return;
    }
    write->before_start = write->task->starting;
    common->op.done = write_done;
    common->seq = write->task->seq;
    common->epoch = control_shard_epoch(write->control, write->task->seq);
    control_direct_fill(write);
    control_event_fill(write);
    write->event.sequence = common->event != NULL ? control_shard_event(write->control) : 0;
    if (!store_submit(write->control->store, &common->op, write->kind, NULL))
        later(write);
}

/* -- starts that linger -------------------------------------------------------------- */
static void submit_lingering(struct control_write *write)
{
    aion_list_remove(&write->lingers);
    write->task->lingering = NULL;
    control_write_submit(write);
}

static void set_linger(struct control *control);

static void linger_over(struct mesh_timer *timer)
{
    struct control *control = aion_container(timer, struct control, linger);
    int64_t now_us = mesh_loop_now(control->loop);
    struct aion_link *link;
    while ((link = aion_list_first(&control->lingering)) != NULL) {
        struct control_write *write = aion_container(link, struct control_write, lingers);
        if (write->linger_until_us > now_us)
            break;
        submit_lingering(write);
    }
    set_linger(control);
}

static void set_linger(struct control *control)
{
    struct aion_link *link = aion_list_first(&control->lingering);
    control->linger.fire = linger_over;
    if (link != NULL)
        mesh_timer_set(control->loop, &control->linger,
                       aion_container(link, struct control_write, lingers)->linger_until_us);
}

void control_write_linger(struct control_write *write)
{
    struct control *control = write->control;
    write->task->lingering = write;
    if (write->task->direct != NULL)
        return; /* it goes with the end, whenever that comes */
    bool first = aion_list_empty(&control->lingering);
    write->linger_until_us = mesh_loop_now(control->loop) + LINGER_US;
    aion_list_add_last(&control->lingering, &write->lingers);
    if (first)
        set_linger(control);
}

void control_write_start_now(struct control_task *task)
{
    if (task->lingering != NULL)
        submit_lingering(task->lingering);
}

void control_writes_forget(struct control_task *task)
{
    if (task->lingering != NULL)
        write_free(task->lingering);
    if (task->ending != NULL)
        write_free(task->ending);
    task->lingering = task->ending = NULL;
}

void control_writes_hurry(struct control *control)
{
    struct aion_link *link;
    while ((link = aion_list_first(&control->lingering)) != NULL)
        submit_lingering(aion_container(link, struct control_write, lingers));
}

/* The start that lingers goes with the end: one row less. Without the start of this attempt
 * lingering, NULL. */
static const struct store_begin *take_start(struct control_write *write)
{
    struct control_write *start = write->task->lingering;
    if (start == NULL)
        return NULL;
    memcpy(write->host, start->host, sizeof(write->host));
    memcpy(write->module, start->module, sizeof(write->module));
    memcpy(write->module_digest, start->module_digest, sizeof(write->module_digest));
    write->begin = start->as.start.begin;
    write->begin.host = aion_str_of(write->host);
    write->begin.module = aion_str_of(write->module);
    write->begin.module_digest = aion_str_of(write->module_digest);
    write->task->lingering = NULL;
    write->task->starting = false;
    write_free(start);
    return &write->begin;
}

static void submit_end(struct control_write *write)
{
    const struct store_begin *begin = take_start(write);
    if (write->kind == STORE_FINISH)
        write->as.finish.begin = begin;
    else
        write->as.retry.begin = begin;
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
