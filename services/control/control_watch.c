/* rpc WatchStreams: the output of many tasks, for many principals, over one call of a gateway.
 *
 * Each watch has a window: bytes that may be under way to its client, a chunk counting more
 * than its payload, for a small one costs whoever keeps it more; the gateway gives credit as it
 * hands chunks on. So one slow client stops its own watch alone. Is the call itself full,
 * watches with something to say stand in line. */
#include "control_private.h"

#include <stdlib.h>

enum {
    WATCHES_MAX = 65536,
    WINDOW_BYTES = 65536,
    WINDOW_BYTES_MAX = 262144,
    CHUNK_COST = 256 /* as tasks.proto says */
};

struct watch_call {
    struct aion_link link; /* in control->watches */
    struct control *control;
    struct mesh_call *call;
    struct aion_map watches;  /* by id */
    struct aion_link stalled; /* watches that wait for room in the call */
    bool full;
    bool ended;
};

struct watch {
    struct control_watcher watcher;
    struct watch_call *owner; /* NULL: the call is gone */
    struct aion_link stalled;
    uint64_t watch_id;
    int64_t credit; /* may go below 0 by one chunk */
};

static aion_str key_of(const uint64_t *watch_id)
{
    return aion_str_n(watch_id, sizeof(*watch_id));
}

/* -- replies ------------------------------------------------------------------------ */
static void send_reply(struct watch_call *owner, const Aion__V1__WatchStreamsReply *reply)
{
    if (!owner->ended && aion_v1_aion_tasks_watch_streams_send(owner->call, reply) == MESH_FULL)
        owner->full = true;
}

static void send_closed(struct watch_call *owner, uint64_t watch_id, const struct aion_err *err)
{
    Aion__V1__WatchStreamsReply reply = AION__V1__WATCH_STREAMS_REPLY__INIT;
    Aion__V1__TaskError closed = AION__V1__TASK_ERROR__INIT;
    char reason[sizeof(err->reason)], text[sizeof(err->text)];
    if (err != NULL) {
        closed.code = (int32_t)err->code;
        memcpy(reason, err->reason, sizeof(reason));
        memcpy(text, err->text, sizeof(text));
        closed.reason = reason;
        closed.message = text;
    }
    reply.watch_id = watch_id;
    reply.event_case = AION__V1__WATCH_STREAMS_REPLY__EVENT_CLOSED;
    reply.closed = &closed;
    send_reply(owner, &reply);
}

static void refuse(struct watch_call *owner, uint64_t watch_id, enum aion_code code,
                   const char *text)
{
    struct aion_err err;
    aion_err_set(&err, __func__, code, "%s", text);
    send_closed(owner, watch_id, &err);
}

/* -- a watch ------------------------------------------------------------------------ */
static void watch_leave(struct watch *watch)
{
    if (watch->owner != NULL)
        aion_map_remove(&watch->owner->watches, key_of(&watch->watch_id));
    aion_list_remove(&watch->stalled);
    watch->owner = NULL;
}

static void watch_close(struct watch *watch)
{
    watch_leave(watch);
    control_watcher_close(&watch->watcher);
}

static size_t watch_room(struct control_watcher *watcher)
{
    struct watch *watch = aion_container(watcher, struct watch, watcher);
    if (watch->credit <= 0)
        return 0;
    if (!watch->owner->full)
        return (size_t)watch->credit;
    if (aion_list_empty(&watch->stalled))
        aion_list_add_last(&watch->owner->stalled, &watch->stalled);
    return 0;
}

static void watch_send(struct control_watcher *watcher, const Aion__V1__StreamChunk *chunk,
                       size_t payload)
{
    struct watch *watch = aion_container(watcher, struct watch, watcher);
    Aion__V1__WatchStreamsReply reply = AION__V1__WATCH_STREAMS_REPLY__INIT;
    Aion__V1__StreamChunk copy = *chunk;
    reply.watch_id = watch->watch_id;
    reply.event_case = AION__V1__WATCH_STREAMS_REPLY__EVENT_CHUNK;
    reply.chunk = &copy;
    watch->credit -= (int64_t)payload + CHUNK_COST;
    send_reply(watch->owner, &reply);
}

static void watch_ended(struct control_watcher *watcher, const struct aion_err *err)
{
    struct watch *watch = aion_container(watcher, struct watch, watcher);
    send_closed(watch->owner, watch->watch_id, err);
    watch_close(watch);
}

static void watch_free(struct control_watcher *watcher)
{
    free(aion_container(watcher, struct watch, watcher));
}

static struct watch *watch_new(struct watch_call *owner, uint64_t watch_id,
                               const Aion__V1__WatchStreamsRequest__Open *open)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL)
        return NULL;
    uint32_t window = open->window_bytes > 0 ? open->window_bytes : WINDOW_BYTES;
    watch->watcher = (struct control_watcher){
        .control = owner->control,
        .cursor = open->after_cursor,
        .gaps = true,
        .room = watch_room,
        .send = watch_send,
        .ended = watch_ended,
        .free = watch_free,
    };
    aion_list_init(&watch->stalled);
    watch->owner = owner;
    watch->watch_id = watch_id;
    watch->credit = window < WINDOW_BYTES_MAX ? window : WINDOW_BYTES_MAX;
    return watch;
}

/* Whom the gateway serves. */
static struct mesh_principal principal_of(const Aion__V1__Principal *message)
{
    struct mesh_principal principal = {.tenant = aion_str_of(message->tenant),
                                       .subject = aion_str_of(message->subject),
                                       .key_id = aion_str_of(message->key_id),
                                       .role = MESH_ROLE_USER};
    for (size_t i = 0; i < message->n_roles; i++) {
        enum mesh_role role;
        if (mesh_role_parse(aion_str_of(message->roles[i]), &role) && role > principal.role)
            principal.role = role;
    }
    return principal;
}

/* -- actions ------------------------------------------------------------------------ */
static void open_watch(struct watch_call *owner, uint64_t watch_id,
                       const Aion__V1__WatchStreamsRequest__Open *open)
{
    struct aion_uuid id;
    aion_str tenant =
        open->principal != NULL ? aion_str_of(open->principal->tenant) : (aion_str){0};
    if (aion_map_get(&owner->watches, key_of(&watch_id)) != NULL) {
        mesh_fail(owner->call, AION_INVALID, "watch %llu is open already",
                  (unsigned long long)watch_id);
        return;
    }
    if (!aion_uuid_parse(aion_str_of(open->task_id), &id)) {
        refuse(owner, watch_id, AION_INVALID, "task_id is not a UUID");
        return;
    }
    if (tenant.size == 0) { /* "any" is for control's own reads alone */
        refuse(owner, watch_id, AION_DENIED, "the principal has no tenant");
        return;
    }
    struct watch *watch = watch_new(owner, watch_id, open);
    if (watch == NULL || !aion_map_put(&owner->watches, key_of(&watch->watch_id), watch)) {
        free(watch);
        refuse(owner, watch_id, AION_EXHAUSTED, "too many watches are open on this call");
        return;
    }
    struct mesh_principal principal = principal_of(open->principal);
    control_follow(&watch->watcher, &id, &principal);
}

static void give_credit(struct watch *watch, uint32_t bytes)
{
    watch->credit += bytes;
    if (watch->credit > WINDOW_BYTES_MAX)
        watch->credit = WINDOW_BYTES_MAX;
    control_watcher_pump(&watch->watcher);
}

/* An action on a watch that ended meanwhile is no fault: the messages crossed. */
void control_watch_streams(struct mesh_call *call, const Aion__V1__WatchStreamsRequest *request)
{
    struct watch_call *owner = mesh_user(call);
    if (owner == NULL || owner->ended)
        return;
    struct watch *watch = aion_map_get(&owner->watches, key_of(&request->watch_id));
    switch ((int)request->action_case) {
    case AION__V1__WATCH_STREAMS_REQUEST__ACTION_OPEN:
        open_watch(owner, request->watch_id, request->open);
        return;
    case AION__V1__WATCH_STREAMS_REQUEST__ACTION_CREDIT:
        if (watch != NULL)
            give_credit(watch, request->credit->bytes);
        return;
    case AION__V1__WATCH_STREAMS_REQUEST__ACTION_CLOSE:
        if (watch != NULL)
            watch_close(watch);
        return;
    default:
        return;
    }
}

/* -- the call ----------------------------------------------------------------------- */
void control_watch_streams_open(struct mesh_call *call)
{
    struct control *control = mesh_service(call);
    struct watch_call *owner = calloc(1, sizeof(*owner));
    if (owner == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    owner->control = control;
    owner->call = call;
    aion_map_init(&owner->watches, WATCHES_MAX);
    aion_list_init(&owner->stalled);
    aion_list_add_last(&control->watches, &owner->link);
    mesh_set_user(call, owner);
    if (control->draining)
        mesh_fail(call, AION_UNAVAILABLE, "control is stopping");
}

static void close_all(struct watch_call *owner)
{
    size_t cursor = 0;
    struct watch *watch;
    while ((watch = aion_map_next(&owner->watches, &cursor)) != NULL) {
        watch_close(watch);
        cursor = 0; /* the table has changed */
    }
}

void control_watch_streams_half_close(struct mesh_call *call)
{
    mesh_finish(call);
}

void control_watch_streams_writable(struct mesh_call *call)
{
    struct watch_call *owner = mesh_user(call);
    if (owner == NULL)
        return;
    owner->full = false;
    while (!owner->full && !aion_list_empty(&owner->stalled)) {
        struct watch *watch = aion_container(owner->stalled.next, struct watch, stalled);
        aion_list_remove(&watch->stalled);
        control_watcher_pump(&watch->watcher);
    }
}

static void watch_call_free(struct watch_call *owner)
{
    mesh_set_user(owner->call, NULL);
    owner->ended = true;
    close_all(owner);
    aion_list_remove(&owner->link);
    aion_map_done(&owner->watches);
    free(owner);
}

void control_watch_streams_done(struct mesh_call *call, bool cancelled)
{
    (void)cancelled;
    if (mesh_user(call) != NULL)
        watch_call_free(mesh_user(call));
}

void control_watches_forget(struct control *control)
{
    while (!aion_list_empty(&control->watches))
        watch_call_free(aion_container(control->watches.next, struct watch_call, link));
}

void control_watches_end(struct control *control)
{
    aion_list_each (link, &control->watches) {
        struct watch_call *owner = aion_container(link, struct watch_call, link);
        owner->ended = true;
        mesh_fail(owner->call, AION_UNAVAILABLE, "control is stopping");
    }
}
