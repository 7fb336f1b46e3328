/* Output of tasks wherever they are. A reader's task is ours: then control_stream.c reads it;
 * final: likewise, from the store; or another control's: then its Stream is read and handed on
 * chunk by chunk, no faster than our reader takes them.
 *
 * When the task's shard moves, or its owner goes away, it is looked for again and goes on
 * behind the last cursor: the reader sees a pause. After PATIENCE without any luck it is told.
 */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { PATIENCE_LEASES = 4 };

/* -- ends ---------------------------------------------------------------------------- */
static bool is_idle(const struct control_watcher *watcher)
{
    return !watcher->reading && !watcher->finding && watcher->upstream == NULL;
}

void control_watcher_free(struct control_watcher *watcher)
{
    if (!is_idle(watcher))
        return; /* whatever is under way comes back here */
    control_park_leave(&watcher->park);
    control_task_unref(watcher->task);
    free(watcher->texts);
    watcher->free(watcher);
}

void control_watcher_close(struct control_watcher *watcher)
{
    if (watcher->closed)
        return;
    watcher->closed = true;
    aion_list_remove(&watcher->link);
    control_park_leave(&watcher->park);
    if (watcher->upstream != NULL)
        mesh_rpc_cancel(watcher->upstream);
    if (watcher->upstream != NULL && watcher->paused)
        mesh_rpc_resume(watcher->upstream);
    control_watcher_free(watcher);
}

static void end_elsewhere(struct control_watcher *watcher)
{
    struct aion_err err;
    control_shard_elsewhere(&err);
    watcher->ended(watcher, &err);
}

/* -- waiting ------------------------------------------------------------------------- */
static void woken(struct control_park *park)
{
    control_follow_again(aion_container(park, struct control_watcher, park));
}

static void wait(struct control_watcher *watcher)
{
    struct control *control = watcher->control;
    int64_t patience_us = PATIENCE_LEASES * control->conf->shard_lease;
    if (control->draining || mesh_loop_now(control->loop) - watcher->since_us > patience_us) {
        end_elsewhere(watcher);
        return;
    }
    watcher->park.wake = woken;
    control_park(control, &watcher->park);
}

/* -- another control's --------------------------------------------------------------- */
static size_t payload_of(const Aion__V1__StreamChunk *chunk)
{
    if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_DATA)
        return chunk->data.len;
    return chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_TEXT ? strlen(chunk->text)
                                                                       : 0;
}

static void upstream_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct control_watcher *watcher = mesh_rpc_user(rpc);
    const Aion__V1__StreamChunk *chunk = aion_v1_aion_tasks_stream_read(message);
    if (watcher->closed)
        return;
    watcher->since_us = mesh_loop_now(watcher->control->loop);
    watcher->park.times = 0;
    watcher->ever = true;
    watcher->cursor = chunk->cursor;
    watcher->final = chunk->final != NULL;
    watcher->send(watcher, chunk, payload_of(chunk));
    if (!watcher->closed && watcher->room(watcher) == 0) {
        watcher->paused = true;
        mesh_rpc_pause(rpc);
    }
}

static void upstream_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct control_watcher *watcher = mesh_rpc_user(rpc);
    const struct aion_err *err = result->err;
    control_flight_end(&watcher->flight);
    watcher->upstream = NULL;
    watcher->paused = false;
    if (watcher->closed)
        control_watcher_free(watcher);
    else if (watcher->final)
        watcher->ended(watcher, NULL);
    else if (err == NULL || err->code == AION_UNAVAILABLE || err->code == AION_CANCELLED)
        wait(watcher); /* it left, or its task did */
    else
        watcher->ended(watcher, err);
}

/* "gap": what is too old is told by the first chunk. */
static void open_upstream(struct control_watcher *watcher, struct mesh_channel *channel)
{
    static const struct mesh_stream_ops ops = {.message = upstream_message,
                                               .closed = upstream_closed};
    const struct mesh_metadata_pair pair = {CONTROL_FORWARDED,
                                            aion_str_of(watcher->gaps ? "gap" : "1")};
    struct mesh_rpc_opts opts = {
        .principal = &watcher->principal, .metadata = &pair, .metadata_count = 1};
    Aion__V1__StreamRequest request = AION__V1__STREAM_REQUEST__INIT;
    char id[AION_UUID_TEXT];
    aion_uuid_text(&watcher->id, id);
    request.task_id = id;
    request.after_cursor = watcher->cursor;
    watcher->upstream = aion_v1_aion_tasks_stream_open(channel, &request, &opts, &ops, watcher);
    control_flight_begin(watcher->control, &watcher->flight, watcher->upstream,
                         control_shard_of(&watcher->id));
}

static void go_elsewhere(struct control_watcher *watcher)
{
    struct control *control = watcher->control;
    unsigned shard = control_shard_of(&watcher->id);
    struct mesh_channel *channel =
        watcher->handed_on ? NULL : control_cluster_owner(control, shard);
    if (channel != NULL && !control->draining)
        open_upstream(watcher, channel);
    else if (watcher->handed_on && !control_shard_has(control, shard))
        end_elsewhere(watcher);
    else
        wait(watcher);
}

/* -- ours ---------------------------------------------------------------------------- */
static void too_old(const struct control_watcher *watcher, const struct control_task *task,
                    struct aion_err *err)
{
    aion_err_set(err, __func__, AION_RANGE,
                 "output after cursor %llu is no longer kept: the oldest is after %llu",
                 (unsigned long long)watcher->cursor, (unsigned long long)task->log.acked);
    aion_err_reason(err, "CURSOR_TOO_OLD");
    aion_err_field(err, "after_cursor");
}

static void join(struct control_watcher *watcher, struct control_task *task)
{
    struct aion_err err;
    bool gone = watcher->cursor < task->log.acked;
    if (gone && !watcher->gaps) {
        too_old(watcher, task, &err);
        watcher->ended(watcher, &err);
        return;
    }
    watcher->gap |= gone;
    watcher->ever = true;
    watcher->park.times = 0;
    control_watch(watcher, task);
}

/* -- finding ------------------------------------------------------------------------- */
static void found(void *user, struct control_task *task, const struct aion_err *err)
{
    struct control_watcher *watcher = user;
    watcher->finding = false;
    if (watcher->closed)
        control_watcher_free(watcher);
    else if (err == NULL)
        join(watcher, task);
    else if (strcmp(err->reason, "SHARD_ELSEWHERE") == 0)
        go_elsewhere(watcher);
    else if (err->code == AION_UNAVAILABLE && watcher->ever)
        wait(watcher);
    else
        watcher->ended(watcher, err);
}

void control_follow_again(struct control_watcher *watcher)
{
    control_task_unref(watcher->task);
    watcher->task = NULL;
    watcher->finding = true;
    control_find(watcher->control,
                 watcher->principal.role == MESH_ROLE_ADMIN ? (aion_str){0}
                                                            : watcher->principal.tenant,
                 &watcher->id, found, watcher);
}

static aion_str keep(char **at, aion_str text)
{
    char *to = *at;
    if (text.size > 0)
        memcpy(to, text.data, text.size);
    *at += text.size;
    return aion_str_n(to, text.size);
}

void control_follow(struct control_watcher *watcher, const struct aion_uuid *id,
                    const struct mesh_principal *principal)
{
    char *texts =
        malloc(principal->tenant.size + principal->subject.size + principal->key_id.size + 1);
    if (texts == NULL)
        abort();
    watcher->texts = texts;
    watcher->principal = (struct mesh_principal){.tenant = keep(&texts, principal->tenant),
                                                 .subject = keep(&texts, principal->subject),
                                                 .key_id = keep(&texts, principal->key_id),
                                                 .role = principal->role};
    watcher->id = *id;
    watcher->since_us = mesh_loop_now(watcher->control->loop);
    aion_list_init(&watcher->link);
    aion_list_init(&watcher->park.link);
    aion_list_init(&watcher->flight.link);
    control_follow_again(watcher);
}

/* One that reads a piece of the store goes when it has it. */
void control_watchers_move(struct control_task *task)
{
    struct aion_link *link;
    while ((link = aion_list_first(&task->watchers)) != NULL) {
        struct control_watcher *watcher = aion_container(link, struct control_watcher, link);
        aion_list_remove(link);
        watcher->since_us = mesh_loop_now(watcher->control->loop);
        watcher->moved = watcher->reading;
        if (!watcher->reading)
            control_follow_again(watcher);
    }
}
