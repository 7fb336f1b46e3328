/* Rows to records. Builds the message in the encoder's arena and prints it as proto3 JSON. */
#include "events/encode.h"

#include "aion/v1/common.schema.h"
#include "aion/v1/events.pb-c.h"
#include "aion/v1/router.schema.h"
#include "codec/json.h"
#include "codec/message.h"

enum { ARENA_MAX = 4 * EVENTS_VALUE_MAX, FIRST_FINAL_STATE = 7 };

const char *const events_kind_names[EVENTS_KINDS] = {
    "accepted",  "routed", "queued",    "started", "retry", "resumed",
    "succeeded", "failed", "cancelled", "expired", "dead",
};

void events_encoder_init(struct events_encoder *encoder)
{
    aion_arena_init(&encoder->arena, ARENA_MAX, NULL, 0);
    aion_buf_init(&encoder->values, (size_t)EVENTS_PER_ROW * EVENTS_VALUE_MAX);
}

void events_encoder_done(struct events_encoder *encoder)
{
    aion_arena_done(&encoder->arena);
    aion_buf_done(&encoder->values);
}

bool events_encode_message(enum events_topic topic, const ProtobufCMessage *message,
                           struct aion_buf *out, struct aion_err *err)
{
    return codec_json_print(events_topic_about(topic)->message, message, NULL, out, err);
}

/* -- parts -------------------------------------------------------------------------- */
static bool text_of(struct events_encoder *encoder, aion_str value, char **ret_text)
{
    if (value.size == 0)
        return true; /* stays the message's empty string */
    char *text = aion_arena_text(&encoder->arena, value);
    if (text == NULL)
        return false;
    *ret_text = text;
    return true;
}

static void stamp(Google__Protobuf__Timestamp *at, int64_t utc_us)
{
    google__protobuf__timestamp__init(at);
    at->seconds = utc_us / 1000000;
    at->nanos = (int32_t)(utc_us % 1000000) * 1000;
}

/* Kinds beyond the known ones are of a newer store: left out. */
static bool kinds_of(struct events_encoder *encoder, uint32_t kinds,
                     Aion__V1__LifecycleEvent *event)
{
    event->kinds = aion_arena_array(&encoder->arena, EVENTS_KINDS, sizeof(*event->kinds));
    if (event->kinds == NULL)
        return false;
    for (size_t i = 0; i < EVENTS_KINDS; i++)
        if ((kinds >> i & 1) != 0)
            event->kinds[event->n_kinds++] = (char *)(uintptr_t)events_kind_names[i];
    return true;
}

static bool unpack(struct events_encoder *encoder, const struct codec_message *schema,
                   aion_str wire, ProtobufCMessage **ret_message, struct aion_err *err)
{
    *ret_message = NULL;
    if (wire.size == 0)
        return true;
    *ret_message = codec_unpack(schema, wire, NULL, &encoder->arena, err);
    return *ret_message != NULL;
}

/* -- records ------------------------------------------------------------------------ */
/* The value's place is set when all are printed: the buffer moves while it grows. */
static bool add(struct events_encoder *encoder, size_t *count, enum events_topic topic,
                const struct events_row *row, aion_str key, const ProtobufCMessage *message,
                struct aion_err *err)
{
    size_t before = encoder->values.size;
    if (!events_encode_message(topic, message, &encoder->values, err) ||
        encoder->values.size - before > EVENTS_VALUE_MAX) {
        encoder->values.size = before;
        return false;
    }
    encoder->records[(*count)++] = (struct events_record){
        .topic = topic,
        .key = key,
        .value = {NULL, encoder->values.size - before},
        .sequence = row->sequence,
        .at_us = row->at_us,
    };
    return true;
}

static void place_values(struct events_encoder *encoder, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        encoder->records[i].value.data = encoder->values.data + at;
        at += encoder->records[i].value.size;
    }
}

static bool encode_decision(struct events_encoder *encoder, uint32_t shard,
                            const struct events_row *row, size_t *count, struct aion_err *err)
{
    Aion__V1__DecisionEvent event = AION__V1__DECISION_EVENT__INIT;
    Google__Protobuf__Timestamp at;
    ProtobufCMessage *decision;
    if (!unpack(encoder, &aion__v1__decision__schema, row->payload, &decision, err))
        return false;
    stamp(&at, row->at_us);
    event.task_id = encoder->task_id;
    event.sequence = row->sequence;
    event.shard = shard;
    event.at = &at;
    event.decision = (Aion__V1__Decision *)decision;
    return text_of(encoder, row->tenant, &event.tenant) &&
           text_of(encoder, row->intent, &event.intent) &&
           add(encoder, count, EVENTS_DECISIONS, row, aion_str_of(encoder->task_id),
               &event.base, err);
}

static bool encode_lifecycle(struct events_encoder *encoder, uint32_t shard,
                             const struct events_row *row, size_t *count, struct aion_err *err)
{
    Aion__V1__LifecycleEvent event = AION__V1__LIFECYCLE_EVENT__INIT;
    Google__Protobuf__Timestamp at;
    ProtobufCMessage *usage = NULL;
    bool whole = row->state < FIRST_FINAL_STATE ||
                 unpack(encoder, &aion__v1__usage__schema, row->payload, &usage, err);
    stamp(&at, row->at_us);
    event.task_id = encoder->task_id;
    event.sequence = row->sequence;
    event.shard = shard;
    event.at = &at;
    event.state = (Aion__V1__TaskState)row->state;
    event.attempt = row->attempt;
    event.usage = (Aion__V1__Usage *)usage;
    return text_of(encoder, row->tenant, &event.tenant) &&
           text_of(encoder, row->intent, &event.intent) &&
           text_of(encoder, row->note, &event.note) && kinds_of(encoder, row->kinds, &event) &&
           add(encoder, count, EVENTS_LIFECYCLE, row, aion_str_of(encoder->task_id),
               &event.base, err) &&
           whole;
}

static bool encode_task(struct events_encoder *encoder, uint32_t shard,
                        const struct events_row *row, size_t *count, struct aion_err *err)
{
    aion_uuid_text(&row->task_id, encoder->task_id);
    bool decided = (row->kinds & EVENTS_KIND_ROUTED) == 0 ||
                   encode_decision(encoder, shard, row, count, err);
    return encode_lifecycle(encoder, shard, row, count, err) && decided;
}

static bool encode_audit(struct events_encoder *encoder, uint32_t writer,
                         const struct events_row *row, size_t *count, struct aion_err *err)
{
    Aion__V1__AuditActivity event = AION__V1__AUDIT_ACTIVITY__INIT;
    Google__Protobuf__Timestamp at;
    stamp(&at, row->at_us);
    event.sequence = row->sequence;
    event.writer = writer;
    event.at = &at;
    return text_of(encoder, row->actor, &event.actor_id) &&
           text_of(encoder, row->tenant, &event.tenant) &&
           add(encoder, count, EVENTS_AUDIT, row, aion_str_of(event.actor_id), &event.base,
               err);
}

bool events_encode(struct events_encoder *encoder, struct events_lane lane,
                   const struct events_row *row, size_t *ret_count, struct aion_err *err)
{
    struct aion_err why;
    *ret_count = 0;
    aion_arena_reset(&encoder->arena);
    aion_buf_reset(&encoder->values);
    aion_err_set(&why, __func__, AION_EXHAUSTED, "it is larger than %d bytes as JSON",
                 EVENTS_VALUE_MAX);
    bool whole = lane.stream == EVENTS_STREAM_TASKS
                     ? encode_task(encoder, lane.number, row, ret_count, &why)
                     : encode_audit(encoder, lane.number, row, ret_count, &why);
    place_values(encoder, *ret_count);
    if (whole)
        return true;
    return aion_fail(err, AION_DATA_LOSS, "row %llu of lane %u cannot be told whole: %s",
                     (unsigned long long)row->sequence, lane.number, why.text);
}
