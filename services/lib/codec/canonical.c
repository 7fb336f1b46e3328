/* The canonical form of a message: what digests are made of, so it never changes for the same
 * meaning.
 *
 * One record a field in the order of numbers: varint(number << 3 | kind), then
 *   kind 0  integers, bools, enums   varint; signed ones as 64-bit two's complement
 *   kind 1  doubles and floats       8 bytes, little-endian, of the value as a double; -0 is 0,
 * one NaN kind 2  strings, bytes, messages varint size, then the bytes; a message is its own
 * records Elements of a repeated field are records of the same number one behind the other,
 * packed never. Map entries are messages of the records 1 and 2, by key; of equal keys the
 * last. The kinds are protobuf's wire types, so the form is itself protobuf wire format. */
#include "codec/map_private.h"
#include "codec/message.h"

enum { KIND_VARINT = 0, KIND_DOUBLE = 1, KIND_BYTES = 2, ORDER_BYTES_MAX = 64 << 20 };

struct canon {
    struct aion_buf *out;
    struct aion_arena scratch; /* orders of maps */
    bool no_memory;
};

static void write_message(struct canon *canon, const struct codec_message *schema,
                          const ProtobufCMessage *message, const uint32_t *skip);

static void put_varint(struct canon *canon, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    aion_buf_add(canon->out, bytes, size);
}

static void put_tag(struct canon *canon, uint32_t number, unsigned kind)
{
    put_varint(canon, (uint64_t)number << 3 | kind);
}

static void put_bytes(struct canon *canon, uint32_t number, const void *data, size_t size)
{
    put_tag(canon, number, KIND_BYTES);
    put_varint(canon, size);
    aion_buf_add(canon->out, data, size);
}

static void put_double(struct canon *canon, uint32_t number, double value)
{
    uint64_t bits;
    uint8_t bytes[8];
    memcpy(&bits, &value, sizeof(bits));
    if (value == 0)
        bits = 0;
    else if (value != value) /* NaN */
        bits = UINT64_C(0x7ff8000000000000);
    for (size_t i = 0; i < sizeof(bytes); i++, bits >>= 8)
        bytes[i] = (uint8_t)bits;
    put_tag(canon, number, KIND_DOUBLE);
    aion_buf_add(canon->out, bytes, sizeof(bytes));
}

static void put_integer(struct canon *canon, uint32_t number, uint64_t value)
{
    put_tag(canon, number, KIND_VARINT);
    put_varint(canon, value);
}

/* A size stands before its content and is known behind it: the content is written, then moved
 * up. */
static size_t open_record(struct canon *canon, uint32_t number)
{
    put_tag(canon, number, KIND_BYTES);
    return canon->out->size;
}

static void close_record(struct canon *canon, size_t begin)
{
    uint8_t length[10];
    size_t size = canon->out->size - begin;
    put_varint(canon, size);
    if (canon->out->overflow)
        return;
    char *at = canon->out->data + begin;
    size_t length_size = canon->out->size - begin - size;
    memcpy(length, at + size, length_size);
    memmove(at + length_size, at, size);
    memcpy(at, length, length_size);
}

/* NULL: an empty message. */
static void put_message(struct canon *canon, uint32_t number,
                        const struct codec_message *schema, const ProtobufCMessage *message)
{
    size_t begin = open_record(canon, number);
    if (message != NULL)
        write_message(canon, schema, message, NULL);
    close_record(canon, begin);
}

static void put_value(struct canon *canon, const ProtobufCFieldDescriptor *field,
                      const struct codec_field *about, const void *member)
{
    uint32_t number = field->id;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        put_integer(canon, number, *(const uint32_t *)member);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        put_integer(canon, number, *(const uint64_t *)member);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        put_integer(canon, number, *(const protobuf_c_boolean *)member != 0);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        put_double(canon, number, (double)*(const float *)member);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_double(canon, number, *(const double *)member);
        break;
    case PROTOBUF_C_TYPE_STRING: {
        aion_str text = aion_str_of(*(const char *const *)member);
        put_bytes(canon, number, text.data, text.size);
        break;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = member;
        put_bytes(canon, number, bytes->data, bytes->len);
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(canon, number, about->message, *(ProtobufCMessage *const *)member);
        break;
    default: /* int32, sint32, sfixed32, enum */
        put_integer(canon, number, (uint64_t)(int64_t) * (const int32_t *)member);
        break;
    }
}

/* -- presence and repetition --------------------------------------------------------------- */

static bool has_value(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    const void *member = (const char *)message + field->offset;
    const void *quantifier = (const char *)message + field->quantifier_offset;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return *(const uint32_t *)quantifier == field->id;
    if (field->quantifier_offset != 0)
        return *(const protobuf_c_boolean *)quantifier != 0;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(const void *const *)member != NULL;
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)member;
        return text != NULL && text[0] != '\0';
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)member)->len > 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)member != 0;
    case PROTOBUF_C_TYPE_FLOAT:
        return *(const float *)member != 0;
    default: {
        static const char zeros[8];
        return memcmp(member, zeros, codec_element_width(field->type)) != 0;
    }
    }
}

/* A sub-message that is not there is, as the value of a map's entry, an empty one. */
static void put_entry(struct canon *canon, uint32_t number, const struct codec_message *schema,
                      const ProtobufCMessage *entry)
{
    size_t begin = open_record(canon, number);
    for (size_t i = 0; i < schema->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[i];
        if (field->type == PROTOBUF_C_TYPE_MESSAGE || has_value(field, entry))
            put_value(canon, field, &schema->fields[i], (const char *)entry + field->offset);
    }
    close_record(canon, begin);
}

static void put_map(struct canon *canon, uint32_t number, const struct codec_message *entry,
                    ProtobufCMessage *const *entries, size_t count)
{
    struct codec_map map;
    if (!codec_map_sort(entries, count, &canon->scratch, &map)) {
        canon->no_memory = true;
        return;
    }
    for (size_t i = 0; i < map.count; i++)
        put_entry(canon, number, entry, *map.slots[i]);
}

static void put_repeated(struct canon *canon, const ProtobufCFieldDescriptor *field,
                         const struct codec_field *about, const ProtobufCMessage *message)
{
    size_t count =
        *(const size_t *)(const void *)((const char *)message + field->quantifier_offset);
    const void *member = (const char *)message + field->offset;
    if (about->map) {
        put_map(canon, field->id, about->message, *(ProtobufCMessage *const *const *)member,
                count);
        return;
    }
    const char *elements = *(const char *const *)member;
    for (size_t i = 0; i < count; i++)
        put_value(canon, field, about, elements + i * codec_element_width(field->type));
}

static bool skipped(const uint32_t *skip, uint32_t number)
{
    for (; skip != NULL && *skip != 0; skip++)
        if (*skip == number)
            return true;
    return false;
}

static void write_message(struct canon *canon, const struct codec_message *schema,
                          const ProtobufCMessage *message, const uint32_t *skip)
{
    for (size_t i = 0; i < schema->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[i];
        if (skipped(skip, field->id))
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            put_repeated(canon, field, &schema->fields[i], message);
        else if (has_value(field, message))
            put_value(canon, field, &schema->fields[i], (const char *)message + field->offset);
    }
}

bool codec_canonical(const struct codec_message *schema, const ProtobufCMessage *message,
                     const uint32_t *skip, struct aion_buf *out, struct aion_err *err)
{
    struct canon canon = {.out = out};
    aion_arena_init(&canon.scratch, ORDER_BYTES_MAX, NULL, 0);
    write_message(&canon, schema, message, skip);
    aion_arena_done(&canon.scratch);
    if (canon.no_memory || out->overflow)
        return aion_fail(err, AION_EXHAUSTED, "the message is over %zu bytes in canonical form",
                         out->max);
    return true;
}
