/* Tasks as messages. One builder for what the cache holds and what the store gives. */
#include "codec/message.h"
#include "control_private.h"

#include <assert.h>
#include <stdio.h>

/* A message in the arena; arenas of calls are bounded, so that NULL must be expected. */
#define message_new(arena, schema, type) ((type *)(void *)codec_message_new(&(schema), (arena)))

static char *text_of(struct aion_arena *arena, aion_str value)
{
    static char empty[] = "";
    char *text = value.size > 0 ? aion_arena_text(arena, value) : empty;
    return text != NULL ? text : empty;
}

Google__Protobuf__Timestamp *control_timestamp(struct aion_arena *arena, int64_t utc_us)
{
    Google__Protobuf__Timestamp *stamp = aion_arena_alloc(arena, sizeof(*stamp));
    if (stamp == NULL || utc_us == 0)
        return NULL;
    google__protobuf__timestamp__init(stamp);
    stamp->seconds = utc_us / 1000000;
    stamp->nanos = (int32_t)(utc_us % 1000000) * 1000;
    return stamp;
}

Aion__V1__TaskError *control_task_error(struct aion_arena *arena,
                                        const struct store_error *error)
{
    if (error->code == 0)
        return NULL;
    Aion__V1__TaskError *message = aion_arena_alloc(arena, sizeof(*message));
    if (message == NULL)
        return NULL;
    aion__v1__task_error__init(message);
    message->code = error->code;
    message->reason = text_of(arena, error->reason);
    message->message = text_of(arena, error->message);
    return message;
}

/* -- parts -------------------------------------------------------------------------- */
/* Stored by us, checked when it came: what does not unpack is left out rather than failing the
 * whole answer. */
static ProtobufCMessage *unpack(const struct codec_message *schema, aion_str wire,
                                struct aion_arena *arena)
{
    ProtobufCAllocator allocator = codec_arena_allocator(arena);
    return wire.size == 0 ? NULL
                          : protobuf_c_message_unpack(schema->descriptor, &allocator, wire.size,
                                                      (const uint8_t *)wire.data);
}

static void put_meta(Aion__V1__Task *task, aion_str wire, struct aion_arena *arena)
{
    const Aion__V1__TaskMeta *meta =
        (const Aion__V1__TaskMeta *)unpack(&aion__v1__task_meta__schema, wire, arena);
    if (meta != NULL)
        task->replay_of = meta->replay_of;
    if (meta == NULL || meta->n_metadata == 0)
        return;
    Aion__V1__Task__MetadataEntry *entries =
        aion_arena_array(arena, meta->n_metadata, sizeof(*entries));
    task->metadata = aion_arena_array(arena, meta->n_metadata, sizeof(*task->metadata));
    if (entries == NULL || task->metadata == NULL)
        return;
    for (size_t i = 0; i < meta->n_metadata; i++) {
        aion__v1__task__metadata_entry__init(&entries[i]);
        entries[i].key = meta->metadata[i]->key;
        entries[i].value = meta->metadata[i]->value;
        task->metadata[i] = &entries[i];
    }
    task->n_metadata = meta->n_metadata;
}

static Aion__V1__Usage *usage_of(const struct store_task *stored, struct aion_arena *arena)
{
    Aion__V1__Usage *usage = aion_arena_alloc(arena, sizeof(*usage));
    if (usage == NULL || !store_state_final(stored->state))
        return NULL;
    aion__v1__usage__init(usage);
    usage->latency_us = stored->updated_us - stored->created_us;
    usage->queue_us = stored->usage.queue_us;
    usage->run_us = stored->usage.run_us;
    usage->tokens_in = stored->usage.tokens_in;
    usage->tokens_out = stored->usage.tokens_out;
    usage->cost_nano_usd = stored->usage.cost_nano_usd;
    return usage;
}

int64_t control_expires_us(const struct control *control, enum store_state state,
                           int64_t ended_us)
{
    if (!store_state_final(state))
        return 0;
    return ended_us + (state == STORE_SUCCEEDED ? control->plan.keep_succeeded_us
                                                : control->plan.keep_failed_us);
}

/* -- history ------------------------------------------------------------------------ */
static void put_attempts(Aion__V1__Task *task, const struct store_task *stored,
                         struct aion_arena *arena)
{
    Aion__V1__Attempt *attempts =
        aion_arena_array(arena, stored->attempt_count, sizeof(*attempts));
    task->attempts = aion_arena_array(arena, stored->attempt_count, sizeof(*task->attempts));
    if (attempts == NULL || task->attempts == NULL)
        return;
    for (size_t i = 0; i < stored->attempt_count; i++) {
        const struct store_attempt *from = &stored->attempts[i];
        Aion__V1__Attempt *to = task->attempts[i] = &attempts[i];
        aion__v1__attempt__init(to);
        to->attempt = from->token.attempt;
        to->host_id = text_of(arena, from->host);
        to->module = text_of(arena, from->module);
        to->module_digest = text_of(arena, from->module_digest);
        to->started_at = control_timestamp(arena, from->started_us);
        to->ended_at = control_timestamp(arena, from->ended_us);
        to->error = control_task_error(arena, &from->error);
    }
    task->n_attempts = stored->attempt_count;
}

/* Kinds in the order of their bits, with the state each leads to. */
static const struct {
    const char *kind;
    Aion__V1__TaskState state;
} event_names[] = {
    {"accepted", AION__V1__TASK_STATE__TASK_STATE_ACCEPTED},
    {"routed", AION__V1__TASK_STATE__TASK_STATE_ACCEPTED},
    {"queued", AION__V1__TASK_STATE__TASK_STATE_QUEUED},
    {"started", AION__V1__TASK_STATE__TASK_STATE_RUNNING},
    {"retry", AION__V1__TASK_STATE__TASK_STATE_RETRY_WAIT},
    {"resumed", AION__V1__TASK_STATE__TASK_STATE_RUNNING},
    {"succeeded", AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED},
    {"failed", AION__V1__TASK_STATE__TASK_STATE_FAILED},
    {"cancelled", AION__V1__TASK_STATE__TASK_STATE_CANCELLED},
    {"expired", AION__V1__TASK_STATE__TASK_STATE_EXPIRED},
    {"dead", AION__V1__TASK_STATE__TASK_STATE_DEAD},
    {"doubt", AION__V1__TASK_STATE__TASK_STATE_IN_DOUBT},
    {"resolved", AION__V1__TASK_STATE__TASK_STATE_QUEUED},
    {"held", AION__V1__TASK_STATE__TASK_STATE_HELD},
    {"released", AION__V1__TASK_STATE__TASK_STATE_QUEUED},
    {"replayed", AION__V1__TASK_STATE__TASK_STATE_DEAD},
};

const char *control_event_name(unsigned kind, Aion__V1__TaskState *ret_state)
{
    size_t bit = (size_t)__builtin_ctz(kind);
    assert(bit < aion_countof(event_names));
    *ret_state = event_names[bit].state;
    return event_names[bit].kind;
}

static size_t count_events(const struct store_task *stored)
{
    size_t count = 0;
    for (size_t i = 0; i < stored->event_count; i++)
        count += (size_t)__builtin_popcount(stored->events[i].kinds);
    return count;
}

static void put_event(Aion__V1__Task *task, Aion__V1__TaskEvent *event, size_t kind,
                      const struct store_event *from, struct aion_arena *arena)
{
    aion__v1__task_event__init(event);
    task->events[task->n_events++] = event;
    event->sequence = task->n_events;
    event->task_id = task->task_id;
    event->kind = text_of(arena, aion_str_of(event_names[kind].kind));
    event->state = event_names[kind].state;
    event->at = control_timestamp(arena, from->at_us);
    event->attempt = from->attempt;
    event->note = text_of(arena, from->note);
    if ((STORE_EVENT_REPLAYED >> kind & 1) != 0)
        task->replayed_as = event->note;
}

static void put_events(Aion__V1__Task *task, const struct store_task *stored,
                       struct aion_arena *arena)
{
    size_t count = count_events(stored);
    Aion__V1__TaskEvent *events = aion_arena_array(arena, count, sizeof(*events));
    task->events = aion_arena_array(arena, count, sizeof(*task->events));
    if (events == NULL || task->events == NULL)
        return;
    for (size_t i = 0; i < stored->event_count; i++)
        for (size_t kind = 0; kind < aion_countof(event_names); kind++)
            if ((stored->events[i].kinds >> kind & 1) != 0)
                put_event(task, &events[task->n_events], kind, &stored->events[i], arena);
}

/* -- the task ----------------------------------------------------------------------- */
Aion__V1__Task *control_reply_build(const struct control *control,
                                    const struct store_task *stored, struct aion_arena *arena)
{
    Aion__V1__Task *task = message_new(arena, aion__v1__task__schema, Aion__V1__Task);
    char id[AION_UUID_TEXT];
    if (task == NULL)
        return NULL;
    aion_uuid_text(&stored->id, id);
    task->task_id = text_of(arena, aion_str_of(id));
    task->tenant = text_of(arena, stored->tenant);
    task->intent = text_of(arena, stored->intent);
    task->state = (Aion__V1__TaskState)stored->state;
    task->priority = (Aion__V1__Priority)stored->priority;
    task->created_at = control_timestamp(arena, stored->created_us);
    task->updated_at = control_timestamp(arena, stored->updated_us);
    task->deadline = control_timestamp(arena, stored->deadline_us);
    task->expires_at = control_timestamp(
        arena, control_expires_us(control, stored->state, stored->updated_us));
    task->cursor = stored->cursor;
    task->error = control_task_error(arena, &stored->error);
    task->usage = usage_of(stored, arena);
    task->result =
        (Aion__V1__TaskResult *)unpack(&aion__v1__task_result__schema, stored->result, arena);
    const Aion__V1__Decision *decision = (const Aion__V1__Decision *)unpack(
        &aion__v1__decision__schema, stored->decision.bytes, arena);
    task->engine = decision != NULL ? decision->engine : NULL;
    put_meta(task, stored->meta, arena);
    put_attempts(task, stored, arena);
    put_events(task, stored, arena);
    return task;
}

void control_reply_task(struct control *control, struct mesh_call *call,
                        const struct control_task *task)
{
    struct store_task view;
    control_task_view(task, &view);
    mesh_note(call, "task_id", aion_str_of(task->id_text));
    const Aion__V1__Task *reply = control_reply_build(control, &view, mesh_arena(call));
    if (reply != NULL)
        mesh_reply(call, &reply->base);
    else
        mesh_fail(call, AION_EXHAUSTED, "the task does not fit in an answer");
}

/* -- what every handler begins with ------------------------------------------------- */
bool control_tenant(struct mesh_call *call, aion_str *ret_tenant)
{
    *ret_tenant = mesh_principal(call)->tenant;
    if (ret_tenant->size > 0)
        return true;
    mesh_fail(call, AION_DENIED,
              "the caller speaks for no tenant: a service must name its principal");
    return false;
}

bool control_task_tenant(struct mesh_call *call, aion_str *ret_tenant)
{
    if (!control_tenant(call, ret_tenant))
        return false;
    if (mesh_principal(call)->role == MESH_ROLE_ADMIN)
        *ret_tenant = (aion_str){0};
    return true;
}

bool control_task_id(struct mesh_call *call, const char *text, struct aion_uuid *ret_id)
{
    struct aion_err err;
    if (aion_uuid_parse(aion_str_of(text), ret_id))
        return true;
    aion_err_set(&err, __func__, AION_INVALID, "task_id \"%.80s\" is not a UUID", text);
    aion_err_field(&err, "task_id");
    mesh_fail_with(call, &err);
    return false;
}
