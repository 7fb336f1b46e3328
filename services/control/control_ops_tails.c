/* Events for live readers: a tail for each filter and rate, whose batches are packed once for
 * all its readers. A reader that is too full for a batch gets its counts later. One that wants
 * every event has a tail of its own, which waits for it as long as the ring of events holds. */
#include "base/clock.h"
#include "control_private.h"
#include "ops/ops_wire.h"

#include <stdlib.h>

enum {
    TAILS_MAX = 256,
    /* fields of aion.v1.OpsWatchReply */
    REPLY_SERVER = 1,
    REPLY_EVENTS = 4,
    REPLY_BESIDE = 6,
};

static void batch_drop(struct control_ops_batch *batch)
{
    mesh_wire_free(batch->head);
    mesh_wire_free(batch->beside);
    mesh_wire_free(batch->events);
    batch->head = batch->beside = batch->events = NULL;
}

/* -- coming and going ---------------------------------------------------------------- */
static struct control_ops_tail *tail_of(struct control_ops_reader *reader,
                                        const struct ops_event_filter *filter)
{
    struct control_ops *ops = reader->control->ops;
    aion_list_each (link, &ops->tails) {
        struct control_ops_tail *tail = aion_container(link, struct control_ops_tail, link);
        if (!filter->all && tail->rate_hz == reader->rate_hz &&
            ops_event_filter_same(&tail->view.filter, filter))
            return tail;
    }
    struct control_ops_tail *tail = calloc(1, sizeof(*tail));
    if (tail == NULL)
        return NULL;
    if (!ops_event_view_open(&ops->events, &tail->view, filter,
                             mesh_loop_now(reader->control->loop))) {
        free(tail);
        return NULL;
    }
    tail->rate_hz = reader->rate_hz;
    aion_list_init(&tail->readers);
    aion_list_add_last(&ops->tails, &tail->link);
    return tail;
}

bool control_ops_tail_join(struct control_ops_reader *reader,
                           const struct ops_event_filter *filter, struct aion_err *err)
{
    if (aion_list_count(&reader->control->ops->tails) >= TAILS_MAX)
        return aion_fail(err, AION_EXHAUSTED, "%d different filters of events are read already",
                         (int)TAILS_MAX);
    reader->tail = tail_of(reader, filter);
    if (reader->tail == NULL)
        return aion_fail(err, AION_EXHAUSTED, "control is out of memory");
    reader->batch = reader->tail->batch.number;
    aion_list_add_last(&reader->tail->readers, &reader->in_tail);
    control_ops_wake(reader->control);
    return true;
}

void control_ops_leave_tail(struct control_ops_reader *reader)
{
    struct control_ops_tail *tail = reader->tail;
    aion_list_remove(&reader->in_tail);
    reader->tail = NULL;
    if (tail == NULL || !aion_list_empty(&tail->readers))
        return;
    batch_drop(&tail->batch);
    ops_event_view_close(&tail->view);
    aion_list_remove(&tail->link);
    free(tail);
}

/* -- batches ------------------------------------------------------------------------- */
/* The head of a length-delimited field of OpsWatchReply; as a reply of its own it has the time.
 */
static struct mesh_wire *head_of(unsigned field, size_t size)
{
    char room[4 * OPS_WIRE_VARINT_MAX], *end = room;
    if (field == REPLY_EVENTS)
        end = ops_wire_u64(end, REPLY_SERVER, (uint64_t)aion_clock_utc_us());
    end = ops_wire_varint(ops_wire_tag(end, field, OPS_WIRE_BYTES), size);
    return mesh_wire_new(aion_str_n(room, (size_t)(end - room)));
}

/* Of what stands in ops->parts. */
static void batch_make(struct control_ops *ops, struct control_ops_batch *batch)
{
    batch->head = head_of(REPLY_EVENTS, ops->parts.size);
    batch->beside = head_of(REPLY_BESIDE, ops->parts.size);
    batch->events = mesh_wire_new(aion_buf_view(&ops->parts));
    batch->number++;
}

static void batch_send(struct control_ops_reader *reader, const struct control_ops_batch *batch)
{
    struct mesh_wire *const parts[] = {batch->head, batch->events};
    control_ops_send(reader, parts, aion_countof(parts));
}

static void take(struct control_ops *ops, struct control_ops_tail *tail)
{
    size_t taken;
    aion_buf_reset(&ops->parts);
    tail->more = ops_event_view_take(&ops->events, &tail->view,
                                     mesh_loop_now(ops->control->loop), &ops->parts, &taken);
    if (ops_event_counts_none(&tail->view.counts))
        return;
    ops_event_counts_write(&tail->view.counts, &ops->parts);
    tail->batch.missed = tail->view.counts;
    tail->batch.missed.sampled += taken;
    tail->view.counts = (struct ops_event_counts){.sampled = 0};
    batch_make(ops, &tail->batch);
}

const struct control_ops_batch *control_ops_batch_beside(struct control_ops_reader *reader)
{
    if (!reader->joined || reader->tail == NULL || reader->tail->batch.events == NULL ||
        reader->batch == reader->tail->batch.number)
        return NULL;
    reader->batch = reader->tail->batch.number;
    return &reader->tail->batch;
}

/* -- sending ------------------------------------------------------------------------- */
/* What it was too full for, as counts alone. */
static void send_missed(struct control_ops_reader *reader)
{
    struct control_ops *ops = reader->control->ops;
    struct control_ops_batch counts = {.number = 0};
    if (reader->full || ops_event_counts_none(&reader->missed))
        return;
    aion_buf_reset(&ops->parts);
    ops_event_counts_write(&reader->missed, &ops->parts);
    reader->missed = (struct ops_event_counts){.sampled = 0};
    batch_make(ops, &counts);
    batch_send(reader, &counts);
    batch_drop(&counts);
}

static void send_batch(struct control_ops_tail *tail)
{
    aion_list_each_safe (link, &tail->readers) {
        struct control_ops_reader *reader =
            aion_container(link, struct control_ops_reader, in_tail);
        if (tail->batch.events == NULL || reader->batch == tail->batch.number)
            continue;
        reader->batch = tail->batch.number;
        if (reader->full)
            ops_event_counts_add(&reader->missed, &tail->batch.missed);
        else
            batch_send(reader, &tail->batch);
    }
    batch_drop(&tail->batch);
}

/* One that wants every event has one reader, and waits for it. */
static bool must_wait(const struct control_ops_tail *tail)
{
    struct aion_link *first = tail->readers.next;
    return tail->view.filter.all &&
           aion_container(first, struct control_ops_reader, in_tail)->full;
}

static void send_tail(struct control_ops *ops, struct control_ops_tail *tail)
{
    aion_list_each_safe (link, &tail->readers)
        send_missed(aion_container(link, struct control_ops_reader, in_tail));
    send_batch(tail);
    while (tail->more && !must_wait(tail)) {
        take(ops, tail);
        send_batch(tail);
    }
}

void control_ops_tails_take(struct control *control, unsigned tenth)
{
    aion_list_each_safe (link, &control->ops->tails) {
        struct control_ops_tail *tail = aion_container(link, struct control_ops_tail, link);
        if (!tail->view.filter.all && control_ops_due(tail->rate_hz, tenth))
            take(control->ops, tail);
    }
}

void control_ops_tails_send(struct control *control, unsigned tenth)
{
    aion_list_each_safe (link, &control->ops->tails) {
        struct control_ops_tail *tail = aion_container(link, struct control_ops_tail, link);
        if (!tail->view.filter.all && !control_ops_due(tail->rate_hz, tenth))
            continue;
        tail->more = tail->more || tail->view.filter.all;
        send_tail(control->ops, tail);
    }
}

void control_ops_tail_writable(struct control_ops_reader *reader)
{
    if (reader->tail == NULL || !reader->tail->view.filter.all)
        return;
    reader->tail->more = true;
    send_tail(reader->control->ops, reader->tail);
}
