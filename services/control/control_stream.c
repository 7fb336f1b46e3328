/* Reading a task's output: what every reader shares, and rpc Stream and AckStream.
 *
 * A reader has a cursor and room for some bytes. It is pumped when there is more to read or
 * more room; it takes chunks from memory, or, when it is far behind, a bounded piece from the
 * store. It never holds more than one such piece, so that a slow reader costs its send queue
 * and no more. */
#include "auth/digest.h"
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { PIECE_BYTES = 65536, PIECE_CHUNKS = 64, PIECE_ARENA = 8 << 20 };

/* -- chunks ------------------------------------------------------------------------- */
static void send_chunk(struct control_watcher *watcher, const struct store_chunk *chunk,
                       char *text, char *content_type)
{
    Aion__V1__StreamChunk message = AION__V1__STREAM_CHUNK__INIT;
    Aion__V1__StreamChunk__Restart restart = AION__V1__STREAM_CHUNK__RESTART__INIT;
    message.cursor = chunk->cursor;
    message.attempt = chunk->attempt;
    message.content_type = content_type;
    message.gap = watcher->gap;
    if (chunk->kind == STORE_CHUNK_RESTART) {
        restart.discard_from = chunk->discard_from;
        message.restart = &restart;
    } else if (chunk->kind == STORE_CHUNK_TEXT) {
        message.payload_case = AION__V1__STREAM_CHUNK__PAYLOAD_TEXT;
        message.text = text;
    } else {
        message.payload_case = AION__V1__STREAM_CHUNK__PAYLOAD_DATA;
        message.data = (ProtobufCBinaryData){chunk->payload.size, (uint8_t *)text};
    }
    watcher->gap = false;
    watcher->cursor = chunk->cursor;
    watcher->send(watcher, &message, chunk->payload.size);
}

/* Texts of messages end in NUL, chunks in memory do not. */
static void send_from_memory(struct control_watcher *watcher, const struct control_chunk *chunk)
{
    struct aion_arena arena;
    char first[2048];
    aion_arena_init(&arena, PIECE_ARENA, first, sizeof(first));
    struct store_chunk copy = {
        .cursor = chunk->cursor,
        .attempt = chunk->attempt,
        .kind = (enum store_chunk_kind)chunk->kind,
        .discard_from = chunk->discard_from,
        .payload = chunk->payload,
    };
    char *text = aion_arena_text(&arena, chunk->payload);
    char *content_type = aion_arena_text(&arena, chunk->content_type);
    if (text != NULL && content_type != NULL)
        send_chunk(watcher, &copy, text, content_type);
    aion_arena_done(&arena);
}

static void send_final(struct control_watcher *watcher)
{
    const struct control_task *task = watcher->task;
    Aion__V1__StreamChunk message = AION__V1__STREAM_CHUNK__INIT;
    Aion__V1__StreamChunk__Final final = AION__V1__STREAM_CHUNK__FINAL__INIT;
    struct store_error error = {task->error->code, aion_str_of(task->error->reason),
                                aion_str_of(task->error->message)};
    struct aion_arena arena;
    char first[2048], digest[AUTH_SHA256_TEXT];
    aion_arena_init(&arena, PIECE_BYTES, first, sizeof(first));
    final.state = (Aion__V1__TaskState)task->state;
    final.error = control_task_error(&arena, &error);
    if (task->stream_digest_known) {
        auth_sha256_text(digest, task->stream_digest);
        final.digest = digest;
    }
    message.cursor = task->log.committed + 1;
    message.attempt = task->attempt;
    message.gap = watcher->gap;
    message.final = &final;
    watcher->send(watcher, &message, 0);
    aion_arena_done(&arena);
    watcher->ended(watcher, NULL);
}

/* -- pieces from the store ---------------------------------------------------------- */
struct piece {
    struct store_chunks_read read;
    struct control_watcher *watcher;
    struct aion_arena arena;
};

static void send_piece(struct control_watcher *watcher, struct piece *piece)
{
    for (size_t i = 0; i < piece->read.count && !watcher->closed; i++) {
        if (watcher->room(watcher) == 0)
            return; /* the rest is read again when there is room */
        const struct store_chunk *chunk = &piece->read.chunks[i];
        char *text = aion_arena_text(&piece->arena, chunk->payload);
        char *content_type = aion_arena_text(&piece->arena, chunk->content_type);
        if (text != NULL && content_type != NULL)
            send_chunk(watcher, chunk, text, content_type);
    }
    if (piece->read.count == 0 && !watcher->closed) { /* acknowledged or deleted meanwhile */
        watcher->cursor = watcher->task->log.dropped;
        watcher->gap = true;
    }
}

static void piece_done(struct store_op *op, const struct aion_err *err)
{
    struct piece *piece = aion_container(op, struct piece, read.op);
    struct control_watcher *watcher = piece->watcher;
    watcher->reading = false;
    if (watcher->closed) {
        control_watcher_free(watcher);
    } else if (watcher->moved) {
        watcher->moved = false;
        control_follow_again(watcher);
    } else if (err != NULL) {
        watcher->ended(watcher, err);
    } else {
        send_piece(watcher, piece);
        control_watcher_pump(watcher);
    }
    aion_arena_done(&piece->arena);
    free(piece);
}

static void read_piece(struct control_watcher *watcher, size_t room)
{
    struct aion_err err;
    struct piece *piece = calloc(1, sizeof(*piece));
    if (piece == NULL)
        abort();
    piece->watcher = watcher;
    aion_arena_init(&piece->arena, PIECE_ARENA, NULL, 0);
    piece->read = (struct store_chunks_read){
        .op = {.done = piece_done, .arena = &piece->arena},
        .seq = watcher->task->seq,
        .after = watcher->cursor,
        .limit = PIECE_CHUNKS,
        .bytes_max = room < PIECE_BYTES ? room : PIECE_BYTES,
    };
    watcher->reading = store_chunks_read(watcher->control->store, &piece->read, &err);
    if (watcher->reading)
        return;
    aion_arena_done(&piece->arena);
    free(piece);
    watcher->ended(watcher, &err);
}

/* -- readers ------------------------------------------------------------------------ */
void control_watcher_pump(struct control_watcher *watcher)
{
    size_t room;
    if (watcher->upstream != NULL && watcher->paused && watcher->room(watcher) > 0) {
        watcher->paused = false;
        mesh_rpc_resume(watcher->upstream);
    }
    if (watcher->task == NULL)
        return;
    while (!watcher->closed && !watcher->reading && (room = watcher->room(watcher)) > 0) {
        bool stored;
        const struct control_chunk *chunk =
            control_log_after(&watcher->task->log, watcher->cursor, &stored);
        if (stored) {
            read_piece(watcher, room);
            return;
        }
        if (chunk == NULL) {
            if (control_state_final(watcher->task->state))
                send_final(watcher); /* it may be freed now */
            return;
        }
        send_from_memory(watcher, chunk);
    }
}

void control_watch(struct control_watcher *watcher, struct control_task *task)
{
    watcher->task = control_task_ref(task);
    aion_list_add_last(&task->watchers, &watcher->link);
    control_watcher_pump(watcher);
}

/* A pumped watcher may close itself, and nobody else. */
void control_watchers_wake(struct control_task *task)
{
    control_task_ref(task);
    aion_list_each_safe (link, &task->watchers) {
        control_watcher_pump(aion_container(link, struct control_watcher, link));
    }
    control_task_unref(task);
}

/* -- rpc Stream --------------------------------------------------------------------- */
struct stream {
    struct control_watcher watcher;
    struct mesh_call *call;
    bool full; /* until `writable` */
};

static size_t stream_room(struct control_watcher *watcher)
{
    return aion_container(watcher, struct stream, watcher)->full ? 0 : PIECE_BYTES;
}

static void stream_send(struct control_watcher *watcher, const Aion__V1__StreamChunk *chunk,
                        size_t payload)
{
    struct stream *stream = aion_container(watcher, struct stream, watcher);
    (void)payload;
    if (aion_v1_aion_tasks_stream_send(stream->call, chunk) == MESH_FULL)
        stream->full = true;
}

static void stream_ended(struct control_watcher *watcher, const struct aion_err *err)
{
    struct stream *stream = aion_container(watcher, struct stream, watcher);
    mesh_set_user(stream->call, NULL);
    if (err != NULL)
        mesh_fail_with(stream->call, err);
    else
        mesh_finish(stream->call);
    control_watcher_close(watcher);
}

static void stream_free(struct control_watcher *watcher)
{
    free(aion_container(watcher, struct stream, watcher));
}

/* rpc Stream: from a cursor on, live, until the task's end. Inline. */
void control_stream(struct mesh_call *call, const Aion__V1__StreamRequest *request)
{
    struct aion_uuid id;
    aion_str tenant;
    if (!control_task_id(call, request->task_id, &id) || !control_tenant(call, &tenant))
        return;
    struct stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    aion_str from = mesh_metadata(call, CONTROL_FORWARDED);
    stream->call = call;
    stream->watcher = (struct control_watcher){
        .control = mesh_service(call),
        .cursor = request->after_cursor,
        .gaps = aion_str_is(from, "gap"),
        .handed_on = from.data != NULL,
        .room = stream_room,
        .send = stream_send,
        .ended = stream_ended,
        .free = stream_free,
    };
    mesh_set_user(call, stream);
    control_follow(&stream->watcher, &id, mesh_principal(call));
}

void control_stream_writable(struct mesh_call *call)
{
    struct stream *stream = mesh_user(call);
    if (stream == NULL)
        return;
    stream->full = false;
    control_watcher_pump(&stream->watcher);
}

void control_stream_done(struct mesh_call *call, bool cancelled)
{
    struct stream *stream = mesh_user(call);
    (void)cancelled;
    if (stream == NULL)
        return;
    mesh_set_user(call, NULL);
    control_watcher_close(&stream->watcher);
}

/* -- rpc AckStream ------------------------------------------------------------------ */
struct acknowledgement {
    struct store_ack ack;
    struct control *control;
    struct control_task *task; /* one reference, once it was found */
    struct mesh_call *call;    /* held */
};

static void ack_end(struct acknowledgement *ack, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(ack->call, err);
    mesh_drop(ack->call);
    control_task_unref(ack->task);
    free(ack);
}

static void ack_done(struct store_op *op, const struct aion_err *err)
{
    struct acknowledgement *ack = aion_container(op, struct acknowledgement, ack.write.op);
    Aion__V1__AckStreamReply reply = AION__V1__ACK_STREAM_REPLY__INIT;
    if (err == NULL && ack->ack.write.outcome == STORE_FENCED) {
        struct aion_err own;
        control_shard_fenced(ack->control, ack->ack.write.seq, ack->ack.write.epoch);
        control_shard_elsewhere(&own);
        mesh_fail_with(ack->call, &own);
    } else if (err == NULL) {
        control_log_ack(&ack->task->log, ack->ack.acked);
        reply.cursor = ack->ack.acked;
        aion_v1_aion_tasks_ack_stream_reply(ack->call, &reply);
    }
    ack_end(ack, err);
}

static void ack_found(void *user, struct control_task *task, const struct aion_err *err)
{
    struct acknowledgement *ack = user;
    struct aion_err own;
    if (err != NULL) {
        ack_end(ack, err);
        return;
    }
    ack->task = control_task_ref(task);
    ack->ack.write.op.done = ack_done;
    ack->ack.write.seq = task->seq;
    ack->ack.write.epoch = control_shard_epoch(ack->control, task->seq);
    ack->ack.at_us = aion_clock_utc_us();
    if (!store_ack(ack->control->store, &ack->ack, &own))
        ack_end(ack, &own);
}

/* rpc AckStream: the client has stored all chunks up to the cursor. Inline. */
void control_ack_stream(struct mesh_call *call, const Aion__V1__AckStreamRequest *request)
{
    struct aion_uuid id;
    aion_str tenant;
    if (!control_task_id(call, request->task_id, &id) || !control_tenant(call, &tenant) ||
        control_elsewhere(call, control_shard_of(&id), &request->base, true))
        return;
    struct acknowledgement *ack = calloc(1, sizeof(*ack));
    if (ack == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    ack->control = mesh_service(call);
    ack->call = mesh_hold(call);
    ack->ack.cursor = request->cursor;
    control_find(ack->control, tenant, &id, ack_found, ack);
}
