/* Frames and events for live readers. What many want alike is packed once: a view for each set
 * of kinds, tenant and rate, a tail for each filter and rate. A reader that does not keep up
 * loses frames until its queue is empty again; then it gets what changed since its last one, or
 * a whole one when that is too long ago. */
#include "base/clock.h"
#include "control_private.h"
#include "ops/ops_wire.h"

#include <stdlib.h>

enum {
    VIEWS_MAX = 256,
    ARENA_MAX = 64 << 20,
    WHOLE_EVERY_S = 30,
    CATCH_UP_US = 2000000, /* less than OPS_GRAVE_US: who is gone is still known */
    /* fields of aion.v1.OpsWatchReply */
    REPLY_SERVER = 1,
    REPLY_DROPPED = 2,
    REPLY_EVENTS = 4,
};

bool control_ops_due(unsigned rate_hz, unsigned tenth)
{
    return tenth > 0 && tenth * rate_hz / 10 != (tenth - 1) * rate_hz / 10;
}

/* The frame in the middle of the second is told even when nothing moved: a reader hears of us
 * twice a second, and silence means that something is wrong. */
static bool is_beat(unsigned rate_hz, unsigned tenth)
{
    return rate_hz > 1 && tenth * rate_hz / 10 == rate_hz / 2;
}

/* -- sending ------------------------------------------------------------------------ */
/* The packed reply, with the reader's own count in front where it has one: fields may come in
 * any order. */
void control_ops_send(struct control_ops_reader *reader, aion_str wire)
{
    enum mesh_sent sent;
    if (reader->ended)
        return;
    if (reader->dropped == 0) {
        sent = mesh_send_packed(reader->call, wire);
    } else {
        struct aion_buf own;
        aion_buf_init(&own, wire.size + 2 * OPS_WIRE_VARINT_MAX);
        ops_wire_add_u64(&own, REPLY_DROPPED, reader->dropped);
        aion_buf_str(&own, wire);
        sent = mesh_send_packed(reader->call, aion_buf_view(&own));
        aion_buf_done(&own);
    }
    reader->full = sent == MESH_FULL;
}

/* -- views -------------------------------------------------------------------------- */
static struct control_ops_view *view_of(struct control_ops_reader *reader)
{
    struct control_ops *ops = reader->control->ops;
    aion_list_each (link, &ops->views) {
        struct control_ops_view *view = aion_container(link, struct control_ops_view, link);
        if (view->shows.kinds == reader->kinds && view->rate_hz == reader->rate_hz &&
            strcmp(view->tenant, reader->tenant) == 0)
            return view;
    }
    struct control_ops_view *view = calloc(1, sizeof(*view));
    if (view == NULL)
        abort(); /* as many as readers at most, which are bounded */
    aion_str_copy(view->tenant, sizeof(view->tenant), aion_str_of(reader->tenant));
    view->shows = (struct ops_view){reader->kinds, aion_str_of(view->tenant)};
    view->rate_hz = reader->rate_hz;
    aion_list_init(&view->readers);
    aion_list_add_last(&ops->views, &view->link);
    return view;
}

void control_ops_join(struct control_ops_reader *reader)
{
    reader->view = view_of(reader);
    reader->stamp = 0;
    reader->phase_s = aion_clock_utc_us() / 1000000 % WHOLE_EVERY_S;
    aion_list_add_last(&reader->view->readers, &reader->in_view);
    control_ops_wake(reader->control);
}

static void leave_view(struct control_ops_reader *reader)
{
    struct control_ops_view *view = reader->view;
    aion_list_remove(&reader->in_view);
    reader->view = NULL;
    if (view == NULL || !aion_list_empty(&view->readers))
        return;
    aion_list_remove(&view->link);
    free(view);
}

static bool is_empty(const Aion__V1__OpsFrame *frame)
{
    return frame->n_rows == 0 && frame->n_entities == 0 && frame->n_gone == 0;
}

/* A reply with what changed since `since` (0: everything), in ops->wire. False: nothing to say.
 */
static bool pack_frame(struct control_ops *ops, const struct control_ops_view *view,
                       uint32_t since, unsigned tenth, int64_t at_us, bool gap)
{
    bool second = tenth == 10, beat = second || is_beat(view->rate_hz, tenth);
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    struct aion_arena arena;
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    Aion__V1__OpsFrame *frame = ops_frame_build(&ops->fold.table, &view->shows, since, &arena);
    aion_buf_reset(&ops->wire);
    if (frame != NULL && (beat || since == 0 || !is_empty(frame))) {
        frame->at_us = at_us;
        frame->span_ms = second ? 1000 : 100;
        frame->gap = gap;
        reply.server_us = aion_clock_utc_us();
        reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
        reply.frame = frame;
        size_t size = protobuf_c_message_get_packed_size(&reply.base);
        char *room = aion_buf_reserve(&ops->wire, size);
        if (room != NULL)
            ops->wire.size += protobuf_c_message_pack(&reply.base, (uint8_t *)room);
    }
    aion_arena_done(&arena);
    return ops->wire.size > 0;
}

/* Since when a reader is to be told, 0 = everything: what is older than CATCH_UP_US, and now
 * and then all of it. */
static uint32_t since_of(const struct control_ops *ops, const struct control_ops_reader *reader,
                         bool second, int64_t at_us)
{
    int64_t now_us = mesh_loop_now(ops->control->loop);
    bool its_turn = second && at_us / 1000000 % WHOLE_EVERY_S == reader->phase_s;
    return its_turn || now_us - reader->sent_us > CATCH_UP_US ? 0 : reader->stamp;
}

/* To all readers that are to be told since then. */
static void send_to(struct control_ops *ops, struct control_ops_view *view, uint32_t since,
                    bool second, int64_t at_us)
{
    aion_list_each_safe (link, &view->readers) {
        struct control_ops_reader *reader =
            aion_container(link, struct control_ops_reader, in_view);
        if (reader->full || reader->stamp == ops->fold.table.stamp ||
            since_of(ops, reader, second, at_us) != since)
            continue;
        if (ops->wire.size > 0)
            control_ops_send(reader, aion_buf_view(&ops->wire));
        reader->stamp = ops->fold.table.stamp;
        reader->sent_us = mesh_loop_now(ops->control->loop);
        if (reader->until_us > 0 && at_us >= reader->until_us && !reader->ended) {
            reader->ended = true;
            mesh_finish(reader->call);
        }
    }
}

/* One message for all that are as far; those that had to wait have theirs. */
static void send_view(struct control_ops *ops, struct control_ops_view *view, unsigned tenth,
                      int64_t at_us, bool gap)
{
    bool second = tenth == 10;
    aion_list_each (link, &view->readers) {
        struct control_ops_reader *reader =
            aion_container(link, struct control_ops_reader, in_view);
        uint32_t since = since_of(ops, reader, second, at_us);
        if (reader->full) {
            reader->dropped++;
        } else if (reader->stamp != ops->fold.table.stamp) {
            (void)pack_frame(ops, view, since, tenth, at_us, gap);
            send_to(ops, view, since, second, at_us);
        }
    }
}

void control_ops_views_send(struct control *control, unsigned tenth, int64_t at_us, bool gap)
{
    aion_list_each_safe (link, &control->ops->views) {
        struct control_ops_view *view = aion_container(link, struct control_ops_view, link);
        if (control_ops_due(view->rate_hz, tenth))
            send_view(control->ops, view, tenth, at_us, gap);
    }
}

/* -- tails -------------------------------------------------------------------------- */
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

static size_t count_tails(const struct control_ops *ops)
{
    size_t count = 0;
    aion_list_each (link, &ops->tails)
        count++;
    return count;
}

bool control_ops_tail_join(struct control_ops_reader *reader,
                           const struct ops_event_filter *filter, struct aion_err *err)
{
    if (count_tails(reader->control->ops) >= VIEWS_MAX)
        return aion_fail(err, AION_EXHAUSTED, "%d different filters of events are read already",
                         (int)VIEWS_MAX);
    reader->tail = tail_of(reader, filter);
    if (reader->tail == NULL)
        return aion_fail(err, AION_EXHAUSTED, "control is out of memory");
    aion_list_add_last(&reader->tail->readers, &reader->in_tail);
    control_ops_wake(reader->control);
    return true;
}

static void leave_tail(struct control_ops_reader *reader)
{
    struct control_ops_tail *tail = reader->tail;
    aion_list_remove(&reader->in_tail);
    reader->tail = NULL;
    if (tail == NULL || !aion_list_empty(&tail->readers))
        return;
    ops_event_view_close(&tail->view);
    aion_list_remove(&tail->link);
    free(tail);
}

void control_ops_leave(struct control_ops_reader *reader)
{
    leave_view(reader);
    leave_tail(reader);
}

/* OpsWatchReply {server_us, events = what stands in ops->parts}, in ops->wire. */
static void wrap_events(struct control_ops *ops)
{
    aion_buf_reset(&ops->wire);
    ops_wire_add_u64(&ops->wire, REPLY_SERVER, (uint64_t)aion_clock_utc_us());
    ops_wire_add_head(&ops->wire, REPLY_EVENTS, ops->parts.size);
    aion_buf_str(&ops->wire, aion_buf_view(&ops->parts));
}

/* What it was too full for, as counts alone. */
static void send_missed(struct control_ops_reader *reader)
{
    struct control_ops *ops = reader->control->ops;
    if (reader->full || ops_event_counts_none(&reader->missed))
        return;
    aion_buf_reset(&ops->parts);
    ops_event_counts_write(&reader->missed, &ops->parts);
    wrap_events(ops);
    reader->missed = (struct ops_event_counts){.sampled = 0};
    control_ops_send(reader, aion_buf_view(&ops->wire));
}

static void send_batch(struct control_ops *ops, struct control_ops_tail *tail, size_t taken)
{
    struct ops_event_counts counts = tail->view.counts;
    struct ops_event_counts missed = counts;
    missed.sampled += taken;
    tail->view.counts = (struct ops_event_counts){.sampled = 0};
    ops_event_counts_write(&counts, &ops->parts);
    wrap_events(ops);
    aion_list_each_safe (link, &tail->readers) {
        struct control_ops_reader *reader =
            aion_container(link, struct control_ops_reader, in_tail);
        if (reader->full)
            ops_event_counts_add(&reader->missed, &missed);
        else
            control_ops_send(reader, aion_buf_view(&ops->wire));
    }
}

/* One that wants every event has one reader, and waits for it. */
static bool must_wait(const struct control_ops_tail *tail)
{
    const struct aion_link *first = tail->readers.next;
    return tail->view.filter.all && aion_container((struct aion_link *)(uintptr_t)first,
                                                   struct control_ops_reader, in_tail)
                                        ->full;
}

static void send_tail(struct control_ops *ops, struct control_ops_tail *tail)
{
    bool more = true;
    aion_list_each_safe (link, &tail->readers)
        send_missed(aion_container(link, struct control_ops_reader, in_tail));
    while (more && !must_wait(tail)) {
        size_t taken;
        aion_buf_reset(&ops->parts);
        more = ops_event_view_take(&ops->events, &tail->view, mesh_loop_now(ops->control->loop),
                                   &ops->parts, &taken);
        if (!ops_event_counts_none(&tail->view.counts))
            send_batch(ops, tail, taken);
    }
}

void control_ops_tails_send(struct control *control, unsigned tenth)
{
    aion_list_each_safe (link, &control->ops->tails) {
        struct control_ops_tail *tail = aion_container(link, struct control_ops_tail, link);
        if (tail->view.filter.all || control_ops_due(tail->rate_hz, tenth))
            send_tail(control->ops, tail);
    }
}

void control_ops_tail_writable(struct control_ops_reader *reader)
{
    if (reader->tail != NULL && reader->tail->view.filter.all)
        send_tail(reader->control->ops, reader->tail);
}
