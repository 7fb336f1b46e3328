/* Rows to records. Builds the message in the encoder's arena and prints it as proto3 JSON. */
#include "events/encode.h"

#include "aion/v1/common.schema.h"
#include "aion/v1/events.pb-c.h"
#include "aion/v1/router.schema.h"
#include "base/map.h"
#include "codec/json.h"
#include "codec/message.h"

enum { ARENA_MAX = 4 * EVENTS_VALUE_MAX, AUDIT_NUMBER_BITS = 40 };

const char *const events_kind_names[EVENTS_KINDS] = {
    "accepted",  "routed",  "queued", "started", "retry",    "resumed", "succeeded", "failed",
    "cancelled", "expired", "dead",   "doubt",   "resolved", "held",    "released",  "replayed",
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

uint64_t events_audit_sequence(aion_str writer, uint64_t number)
{
    uint64_t mask = (UINT64_C(1) << AUDIT_NUMBER_BITS) - 1;
    uint64_t hash = aion_siphash(0, 0, writer.data, writer.size);
    return (hash >> 1 & ~mask) | (number & mask); /* below 2^63: stores have signed numbers */
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
/* A record under construction: where it goes and what it is called. */
struct draft {
    enum events_topic topic;
    aion_str key;
    uint64_t sequence;
    int64_t at_us;
};

/* The value's place is set when all are printed: the buffer moves while it grows. */
static bool add(struct events_encoder *encoder, size_t *count, const struct draft *draft,
                const ProtobufCMessage *message, struct aion_err *err)
{
    size_t before = encoder->values.size;
    if (!events_encode_message(draft->topic, message, &encoder->values, err) ||
        encoder->values.size - before > EVENTS_VALUE_MAX) {
        encoder->values.size = before;
        return false;
    }
    encoder->records[(*count)++] = (struct events_record){
        .topic = draft->topic,
        .key = draft->key,
        .value = {NULL, encoder->values.size - before},
        .sequence = draft->sequence,
        .at_us = draft->at_us,
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

static struct draft task_draft(const struct events_encoder *encoder, enum events_topic topic,
                               const struct events_row *row)
{
    return (struct draft){.topic = topic,
                          .key = aion_str_of(encoder->task_id),
                          .sequence = row->sequence,
                          .at_us = row->at_us};
}

static bool encode_decision(struct events_encoder *encoder, const struct events_row *row,
                            size_t *count, struct aion_err *err)
{
    Aion__V1__DecisionEvent event = AION__V1__DECISION_EVENT__INIT;
    Google__Protobuf__Timestamp at;
    ProtobufCMessage *decision;
    struct draft draft = task_draft(encoder, EVENTS_DECISIONS, row);
    if (!unpack(encoder, &aion__v1__decision__schema, row->of.task.decision, &decision, err))
        return false;
    stamp(&at, row->at_us);
    event.task_id = encoder->task_id;
    event.sequence = row->sequence;
    event.shard = row->lane;
    event.at = &at;
    event.decision = (Aion__V1__Decision *)decision;
    return text_of(encoder, row->of.task.tenant, &event.tenant) &&
           text_of(encoder, row->of.task.intent, &event.intent) &&
           add(encoder, count, &draft, &event.base, err);
}

static bool encode_lifecycle(struct events_encoder *encoder, const struct events_row *row,
                             size_t *count, struct aion_err *err)
{
    Aion__V1__LifecycleEvent event = AION__V1__LIFECYCLE_EVENT__INIT;
    Google__Protobuf__Timestamp at, started;
    ProtobufCMessage *usage;
    struct draft draft = task_draft(encoder, EVENTS_LIFECYCLE, row);
    bool whole = unpack(encoder, &aion__v1__usage__schema, row->of.task.usage, &usage, err);
    stamp(&at, row->at_us);
    stamp(&started, row->of.task.started_us);
    event.task_id = encoder->task_id;
    event.sequence = row->sequence;
    event.shard = row->lane;
    event.at = &at;
    event.state = (Aion__V1__TaskState)row->of.task.state;
    event.attempt = row->of.task.attempt;
    event.started_at = row->of.task.started_us > 0 ? &started : NULL;
    event.usage = (Aion__V1__Usage *)usage;
    return text_of(encoder, row->of.task.tenant, &event.tenant) &&
           text_of(encoder, row->of.task.intent, &event.intent) &&
           text_of(encoder, row->of.task.note, &event.note) &&
           text_of(encoder, row->of.task.host, &event.host) &&
           kinds_of(encoder, row->of.task.kinds, &event) &&
           add(encoder, count, &draft, &event.base, err) && whole;
}

static bool encode_task(struct events_encoder *encoder, const struct events_row *row,
                        size_t *count, struct aion_err *err)
{
    aion_uuid_text(&row->of.task.id, encoder->task_id);
    bool decided = (row->of.task.kinds & EVENTS_KIND_ROUTED) == 0 ||
                   encode_decision(encoder, row, count, err);
    return encode_lifecycle(encoder, row, count, err) && decided;
}

static bool encode_audit(struct events_encoder *encoder, const struct events_row *row,
                         size_t *count, struct aion_err *err)
{
    Aion__V1__AuditActivity event = AION__V1__AUDIT_ACTIVITY__INIT;
    Google__Protobuf__Timestamp at;
    struct draft draft = {.topic = EVENTS_AUDIT,
                          .key = row->of.audit.actor,
                          .sequence =
                              events_audit_sequence(row->of.audit.writer, row->of.audit.number),
                          .at_us = row->at_us};
    stamp(&at, row->at_us);
    event.sequence = draft.sequence;
    event.number = row->of.audit.number;
    event.at = &at;
    event.hash.data = (uint8_t *)(uintptr_t)row->of.audit.hash.data;
    event.hash.len = row->of.audit.hash.size;
    return text_of(encoder, row->of.audit.writer, &event.writer) &&
           text_of(encoder, row->of.audit.actor, &event.actor_id) &&
           text_of(encoder, row->of.audit.role, &event.role) &&
           text_of(encoder, row->of.audit.action, &event.action) &&
           text_of(encoder, row->of.audit.target, &event.target) &&
           text_of(encoder, row->of.audit.result, &event.result) &&
           text_of(encoder, row->of.audit.reason, &event.reason) &&
           add(encoder, count, &draft, &event.base, err);
}

bool events_encode(struct events_encoder *encoder, enum events_stream stream,
                   const struct events_row *row, size_t *ret_count, struct aion_err *err)
{
    struct aion_err why;
    *ret_count = 0;
    aion_arena_reset(&encoder->arena);
    aion_buf_reset(&encoder->values);
    aion_err_set(&why, __func__, AION_EXHAUSTED, "it is larger than %d bytes as JSON",
                 EVENTS_VALUE_MAX);
    bool whole = stream == EVENTS_STREAM_TASKS ? encode_task(encoder, row, ret_count, &why)
                                               : encode_audit(encoder, row, ret_count, &why);
    place_values(encoder, *ret_count);
    if (whole)
        return true;
    return aion_fail(err, AION_DATA_LOSS, "row %llu of lane %u cannot be told whole: %s",
                     (unsigned long long)row->sequence, row->lane, why.text);
}
