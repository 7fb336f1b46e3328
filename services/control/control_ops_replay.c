/* Readers of the past: frames from some second on, block by block, as fast as the reader takes
 * them; then it reads on live.
 *
 * At most one block's frames are made ahead of the reader. A block begins with a whole frame.
 * When nothing newer is kept the reader joins the live ones, whose first frame is whole again.
 */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { ARENA_MAX = 64 << 20, WIRES_MAX = 128 << 20, TRIES_MAX = 3 };

struct control_ops_replay {
    struct control_past_job job;
    struct control_ops_reader *reader; /* NULL: gone while the job was under way */
    bool working;
    int64_t cursor_us; /* UTC: the next frame ends at or after it */
    int64_t last_us;   /* of the frame read last; 0 = none */
    uint32_t span_ms;
    unsigned tries; /* at the end, while newer frames are on their way to the disk */
    /* the worker's, then the reader's */
    int64_t until_us;
    struct ops_view view;
    char tenant[128];
    struct aion_buf wires;                             /* replies one behind another ... */
    size_t sizes[OPS_BLOCK_FRAMES], count, next, sent; /* ... how long each is */
    bool end;                                          /* nothing newer, or ... */
    bool reached;                                      /* ... until_us was */
    struct aion_err err;
};

/* -- on the worker ------------------------------------------------------------------ */
static bool add_frame(struct control_ops_replay *replay, const struct ops_place *place,
                      unsigned index, struct aion_arena *arena)
{
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    Aion__V1__OpsFrame *frame =
        ops_block_frame(place->block, index, index == place->index, &replay->view, arena);
    if (frame == NULL)
        return false;
    reply.server_us = aion_clock_utc_us();
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
    reply.frame = frame;
    size_t size = protobuf_c_message_get_packed_size(&reply.base);
    char *room = aion_buf_reserve(&replay->wires, size);
    if (room == NULL)
        return false;
    protobuf_c_message_pack(&reply.base, (uint8_t *)room);
    replay->wires.size += size;
    replay->sizes[replay->count++] = size;
    replay->last_us = frame->at_us;
    replay->cursor_us = frame->at_us + 1;
    return true;
}

/* What does not fit any more (a fleet's frames are large) comes with the next piece. */
static void read_block(struct control_past_job *job, struct ops_history *history)
{
    struct control_ops_replay *replay = aion_container(job, struct control_ops_replay, job);
    struct ops_place place;
    replay->count = replay->next = replay->sent = 0;
    aion_buf_reset(&replay->wires);
    if (!ops_history_find(history, replay->cursor_us, replay->span_ms, &place, &replay->err)) {
        replay->end = true;
        return;
    }
    for (unsigned i = place.index; i < place.end; i++) {
        struct aion_arena arena;
        if (replay->until_us > 0 && place.block->at_us[i] > replay->until_us) {
            replay->end = replay->reached = true;
            break;
        }
        aion_arena_init(&arena, ARENA_MAX, NULL, 0);
        bool good = add_frame(replay, &place, i, &arena);
        aion_arena_done(&arena);
        if (!good)
            break;
    }
    if (replay->count == 0 && !replay->end)
        aion_err_set(&replay->err, __func__, AION_EXHAUSTED, "a frame is too large");
}

/* -- on the I/O thread -------------------------------------------------------------- */
static void read_done(struct control_past_job *job);

static void replay_free(struct control_ops_replay *replay)
{
    aion_buf_done(&replay->wires);
    free(replay);
}

static void stop(struct control_ops_reader *reader, const struct aion_err *err)
{
    struct control_ops_replay *replay = reader->replay;
    reader->replay = NULL;
    reader->control->ops->replay_count--;
    replay_free(replay);
    if (err != NULL)
        mesh_fail_with(reader->call, err);
}

static void read_more(struct control_ops_reader *reader)
{
    struct control_ops_replay *replay = reader->replay;
    struct aion_err err;
    replay->job = (struct control_past_job){.run = read_block, .done = read_done};
    aion_err_set(&replay->err, __func__, AION_UNAVAILABLE, "control is stopping");
    replay->working = control_past_do(reader->control->ops->past, &replay->job, &err);
    if (!replay->working)
        stop(reader, &err);
}

static void join_live(struct control_ops_reader *reader)
{
    struct control_ops *ops = reader->control->ops;
    const struct control_ops_replay *replay = reader->replay;
    if (replay->reached || (reader->until_us > 0 && reader->until_us <= ops->second_us)) {
        stop(reader, NULL);
        mesh_finish(reader->call);
        return;
    }
    if (replay->last_us > 0 && replay->last_us < ops->second_us && reader->replay->tries > 0) {
        reader->replay->tries--; /* a second ended meanwhile: it is kept by now */
        reader->replay->end = false;
        read_more(reader);
        return;
    }
    stop(reader, NULL);
    control_ops_join(reader);
}

/* Sends what was read while there is room, then goes on. */
static void pump(struct control_ops_reader *reader)
{
    struct control_ops_replay *replay = reader->replay;
    while (replay->next < replay->count && !reader->full) {
        aion_str wire =
            aion_str_n(replay->wires.data + replay->sent, replay->sizes[replay->next]);
        replay->sent += replay->sizes[replay->next++];
        struct mesh_wire *message = mesh_wire_new(wire);
        control_ops_send(reader, &message, 1);
        mesh_wire_free(message);
    }
    if (replay->next < replay->count)
        return;
    if (!replay->end)
        read_more(reader);
    else
        join_live(reader);
}

/* At the end of what is kept or asked for: fine after the first frame, and for who asks for a
 * moment ago. */
static bool is_end(const struct control_ops_replay *replay)
{
    return replay->reached || replay->last_us > 0 || replay->err.code == AION_NOT_FOUND ||
           strcmp(replay->err.reason, "FRAME_TOO_NEW") == 0;
}

static void read_done(struct control_past_job *job)
{
    struct control_ops_replay *replay = aion_container(job, struct control_ops_replay, job);
    struct control_ops_reader *reader = replay->reader;
    replay->working = false;
    if (reader == NULL) {
        replay_free(replay);
        return;
    }
    bool failed = replay->count == 0 && !(replay->end && is_end(replay));
    if (failed || reader->control->ops->ended) {
        struct aion_err err = replay->err;
        stop(reader, &err);
        return;
    }
    pump(reader);
}

void control_ops_replay_begin(struct control_ops_reader *reader, int64_t from_us,
                              uint32_t span_ms)
{
    struct control_ops_replay *replay = calloc(1, sizeof(*replay));
    if (replay == NULL)
        abort(); /* control_ops.replay_count is bounded */
    replay->reader = reader;
    replay->cursor_us = from_us;
    replay->span_ms = span_ms;
    replay->until_us = reader->until_us;
    replay->tries = TRIES_MAX;
    aion_str_copy(replay->tenant, sizeof(replay->tenant), aion_str_of(reader->tenant));
    replay->view = (struct ops_view){reader->kinds, aion_str_of(replay->tenant)};
    aion_buf_init(&replay->wires, WIRES_MAX);
    reader->replay = replay;
    reader->control->ops->replay_count++;
    read_more(reader);
}

void control_ops_replay_writable(struct control_ops_reader *reader)
{
    if (!reader->replay->working)
        pump(reader);
}

void control_ops_replay_end(struct control_ops_reader *reader)
{
    struct control_ops_replay *replay = reader->replay;
    reader->replay = NULL;
    reader->control->ops->replay_count--;
    replay->reader = NULL;
    if (!replay->working)
        replay_free(replay);
}
