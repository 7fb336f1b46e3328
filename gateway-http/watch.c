/* Task streams: every client's watch goes over one standing WatchStreams call to control.
 *
 * A watch remembers the cursor it has handed on. When the call breaks (control restarts), a new
 * one is opened after a short wait and each watch goes on behind its cursor: clients see a
 * pause, neither a gap nor a double. A client that still has a window's worth to take is not on
 * the new call until it has taken it, or every restart of control would give it another. */
#include "upstream_private.h"

#include "aion/v1/tasks.mesh.h"

#include <stdlib.h>

enum {
    RETRY_US = 100000,
    RETRY_MAX_US = 3000000,
    FAILURES_TOLD = 3,
    WINDOW_BYTES = 32768, /* under way; as JSON six times that at worst */
    CHUNK_COST = 256      /* of a chunk beside its payload, as tasks.proto says */
};

static void send_open(struct gw_feed *feed)
{
    feed->opened = feed->queued < WINDOW_BYTES;
    if (!feed->opened)
        return;
    Aion__V1__WatchStreamsRequest message = AION__V1__WATCH_STREAMS_REQUEST__INIT;
    Aion__V1__WatchStreamsRequest__Open open = AION__V1__WATCH_STREAMS_REQUEST__OPEN__INIT;
    Aion__V1__Principal principal = AION__V1__PRINCIPAL__INIT;
    char *roles[] = {(char *)(uintptr_t)mesh_role_name(feed->principal.role)};
    /* the strings were copied by aion_arena_str: they end in NUL */
    principal.tenant = (char *)(uintptr_t)feed->principal.tenant.data;
    principal.subject = (char *)(uintptr_t)feed->principal.subject.data;
    principal.key_id = (char *)(uintptr_t)feed->principal.key_id.data;
    principal.roles = roles;
    principal.n_roles = 1;
    open.task_id = ((const Aion__V1__StreamRequest *)feed->request)->task_id;
    open.after_cursor = feed->cursor;
    open.principal = &principal;
    open.window_bytes = WINDOW_BYTES - feed->queued;
    message.watch_id = feed->id;
    message.action_case = AION__V1__WATCH_STREAMS_REQUEST__ACTION_OPEN;
    message.open = &open;
    aion_v1_aion_tasks_watch_streams_write(feed->self->watch, &message);
}

/* -- what comes --------------------------------------------------------------------------- */

static const char *name_of(const Aion__V1__StreamChunk *chunk)
{
    if (chunk->final != NULL)
        return "final";
    if (chunk->restart != NULL)
        return "restart";
    return chunk->gap ? "gap" : "chunk";
}

static void got_chunk(struct gw_feed *feed, const Aion__V1__StreamChunk *chunk)
{
    size_t payload = 0;
    if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_DATA)
        payload = chunk->data.len;
    else if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_TEXT)
        payload = strlen(chunk->text);
    if (chunk->cursor > feed->cursor)
        feed->cursor = chunk->cursor;
    uint32_t cost = (uint32_t)payload + CHUNK_COST;
    feed->queued += cost;
    if (gw_feed_message(feed, &aion__v1__stream_chunk__schema, &chunk->base, chunk->cursor,
                        cost, chunk->final != NULL, name_of(chunk)) == 0)
        gw_watch_remove(feed); /* its end was handed on */
}

static void got_reply(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct gw_mesh *self = mesh_rpc_user(rpc);
    const Aion__V1__WatchStreamsReply *reply = aion_v1_aion_tasks_watch_streams_read(message);
    struct gw_feed *feed = aion_map_get(&self->feeds, gw_feed_key(&reply->watch_id));
    self->watch_failures = 0;
    if (feed == NULL || !feed->watched)
        return; /* closed meanwhile */
    if (reply->event_case == AION__V1__WATCH_STREAMS_REPLY__EVENT_CHUNK) {
        got_chunk(feed, reply->chunk);
    } else if (reply->event_case == AION__V1__WATCH_STREAMS_REPLY__EVENT_CLOSED) {
        gw_feed_end(feed, aion_code_of(reply->closed->code), reply->closed->reason,
                    reply->closed->message);
        gw_feed_free(feed);
    }
}

/* -- the standing call -------------------------------------------------------------------- */

static bool any_watched(struct gw_mesh *self)
{
    struct gw_feed *feed;
    size_t cursor = 0;
    while ((feed = aion_map_next(&self->feeds, &cursor)) != NULL)
        if (feed->watched)
            return true;
    return false;
}

static void call_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct gw_mesh *self = mesh_rpc_user(rpc);
    (void)result; /* the mesh logs and counts it */
    self->watch = NULL;
    if (self->closing || !any_watched(self))
        return;
    unsigned shift = self->watch_failures < 5 ? self->watch_failures : 5;
    int64_t wait = (int64_t)RETRY_US << shift;
    self->watch_failures++;
    mesh_timer_set(self->mesh, &self->watch_timer,
                   mesh_loop_now(self->mesh) + (wait < RETRY_MAX_US ? wait : RETRY_MAX_US));
}

static void open_call(struct gw_mesh *self)
{
    static const struct mesh_stream_ops ops = {.message = got_reply, .closed = call_closed};
    self->watch = aion_v1_aion_tasks_watch_streams_open(self->control, NULL, &ops, self);
}

void gw_watch_retry(struct mesh_timer *timer)
{
    struct gw_mesh *self = aion_container(timer, struct gw_mesh, watch_timer);
    struct gw_feed *feed;
    size_t cursor = 0;
    if (self->watch != NULL || self->closing)
        return;
    open_call(self);
    while ((feed = aion_map_next(&self->feeds, &cursor)) != NULL)
        if (feed->watched)
            send_open(feed);
}

void gw_watch_add(struct gw_feed *feed)
{
    struct gw_mesh *self = feed->self;
    if (self->watch == NULL && mesh_channel_ready(self->control)) {
        mesh_timer_cancel(self->mesh, &self->watch_timer);
        gw_watch_retry(&self->watch_timer); /* this feed is one of them */
        return;
    }
    if (self->watch == NULL && self->watch_failures >= FAILURES_TOLD) {
        gw_feed_end(feed, AION_UNAVAILABLE, "CONTROL_DOWN",
                    "control cannot be reached; try again");
        gw_feed_free(feed);
        return;
    }
    if (self->watch == NULL && self->watch_failures > 0)
        return; /* the retry opens it with the others */
    if (self->watch == NULL)
        open_call(self);
    send_open(feed);
}

static void send_small(struct gw_feed *feed, Aion__V1__WatchStreamsRequest *message)
{
    message->watch_id = feed->id;
    if (feed->self->watch != NULL)
        aion_v1_aion_tasks_watch_streams_write(feed->self->watch, message);
}

void gw_watch_credit(struct gw_feed *feed, uint32_t bytes)
{
    Aion__V1__WatchStreamsRequest message = AION__V1__WATCH_STREAMS_REQUEST__INIT;
    Aion__V1__WatchStreamsRequest__Credit credit =
        AION__V1__WATCH_STREAMS_REQUEST__CREDIT__INIT;
    feed->queued -= bytes < feed->queued ? bytes : feed->queued;
    if (!feed->opened) {
        if (feed->self->watch != NULL)
            send_open(feed);
        return;
    }
    credit.bytes = bytes;
    message.action_case = AION__V1__WATCH_STREAMS_REQUEST__ACTION_CREDIT;
    message.credit = &credit;
    send_small(feed, &message);
}

void gw_watch_remove(struct gw_feed *feed)
{
    Aion__V1__WatchStreamsRequest message = AION__V1__WATCH_STREAMS_REQUEST__INIT;
    Aion__V1__WatchStreamsRequest__Close close = AION__V1__WATCH_STREAMS_REQUEST__CLOSE__INIT;
    message.action_case = AION__V1__WATCH_STREAMS_REQUEST__ACTION_CLOSE;
    message.close = &close;
    send_small(feed, &message);
    gw_feed_free(feed);
}
