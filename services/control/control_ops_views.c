/* Frames for live readers. What many want alike is packed once: a view for each set of kinds,
 * tenant and rate. A reader that does not keep up loses frames until its queue is empty again;
 * then it gets what changed since its last one, or a whole one when that is too long ago. */
#include "base/clock.h"
#include "control_private.h"
#include "ops/ops_wire.h"

#include <assert.h>
#include <stdlib.h>

enum {
    ARENA_MAX = 64 << 20,
    WHOLE_EVERY_S = 30,
    CATCH_UP_US = 2000000, /* less than OPS_GRAVE_US: who is gone is still known */
    PARTS_MAX = 3,         /* of a reply: a frame, and events beside it */
    REPLY_DROPPED = 2,     /* field of aion.v1.OpsWatchReply */
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
/* With the reader's own count in front, where it has one: fields may come in any order. */
void control_ops_send(struct control_ops_reader *reader, struct mesh_wire *const *parts,
                      size_t count)
{
    struct mesh_wire *all[1 + PARTS_MAX], *own = NULL;
    char room[2 * OPS_WIRE_VARINT_MAX];
    size_t used = 0;
    assert(count <= PARTS_MAX);
    if (reader->ended)
        return;
    if (reader->dropped > 0) {
        const char *end = ops_wire_u64(room, REPLY_DROPPED, reader->dropped);
        all[used++] = own = mesh_wire_new(aion_str_n(room, (size_t)(end - room)));
    }
    memcpy(all + used, parts, count * sizeof(*parts));
    reader->full = mesh_send_wires(reader->call, all, used + count) == MESH_FULL;
    mesh_wire_free(own);
}

static void send_frame(struct control_ops_reader *reader, struct mesh_wire *frame)
{
    struct mesh_wire *parts[PARTS_MAX] = {frame};
    size_t count = 1;
    const struct control_ops_batch *batch = control_ops_batch_beside(reader);
    if (batch != NULL) {
        parts[count++] = batch->beside;
        parts[count++] = batch->events;
    }
    control_ops_send(reader, parts, count);
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

void control_ops_leave_view(struct control_ops_reader *reader)
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

/* A reply with what changed since `since` (0: everything). NULL: nothing to say. */
static struct mesh_wire *pack_frame(struct control_ops *ops,
                                    const struct control_ops_view *view, uint32_t since,
                                    unsigned tenth, int64_t at_us, bool gap)
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
    return ops->wire.size > 0 ? mesh_wire_new(aion_buf_view(&ops->wire)) : NULL;
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

/* To all readers that are to be told since then; frame NULL: nothing, but they are as far. */
static void send_to(struct control_ops *ops, struct control_ops_view *view, uint32_t since,
                    struct mesh_wire *frame, bool second, int64_t at_us)
{
    aion_list_each_safe (link, &view->readers) {
        struct control_ops_reader *reader =
            aion_container(link, struct control_ops_reader, in_view);
        if (reader->full || reader->stamp == ops->fold.table.stamp ||
            since_of(ops, reader, second, at_us) != since)
            continue;
        if (frame != NULL)
            send_frame(reader, frame);
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
            struct mesh_wire *frame = pack_frame(ops, view, since, tenth, at_us, gap);
            send_to(ops, view, since, frame, second, at_us);
            mesh_wire_free(frame);
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
