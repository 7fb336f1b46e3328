/* See scan_private.h. The bytes were scanned: they are well-formed and nested at most
 * CODEC_SCAN_DEPTH deep, so nothing is checked again and recursion is bounded. Off the normal
 * path: messages in order with each sub-message once never come here. */
#include "codec/scan_private.h"

/* Parts of one sub-message, in order. */
struct part {
    struct part *next;
    aion_str bytes;
};

struct parts {
    struct part *first, **last;
    size_t size; /* together */
};

struct rewrite {
    uint8_t *out;
    struct aion_arena *arena;
};

/* One field of the wire. */
struct wire_field {
    const uint8_t *begin, *end; /* tag included */
    aion_str content;           /* CODEC_WIRE_BYTES */
    uint32_t number, wire;
};

static uint64_t varint(const uint8_t **at)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << (shift & 63);
        if ((byte & 0x80) == 0)
            return value;
    }
}

/* Behind the value of a tag; groups are passed over whole. */
static const uint8_t *next_field(const uint8_t *at, struct wire_field *field)
{
    uint32_t groups = 0;
    field->begin = at;
    do {
        uint64_t tag = varint(&at);
        uint32_t wire = (uint32_t)tag & 7;
        if (groups == 0) {
            field->number = (uint32_t)(tag >> 3);
            field->wire = wire;
        }
        uint64_t size = wire == CODEC_WIRE_64 ? 8 : wire == CODEC_WIRE_32 ? 4 : 0;
        if (wire == CODEC_WIRE_VARINT)
            varint(&at);
        else if (wire == CODEC_WIRE_BYTES)
            size = varint(&at);
        groups = wire == CODEC_WIRE_START ? groups + 1
                 : wire == CODEC_WIRE_END ? groups - 1
                                          : groups;
        field->content = aion_str_n(at, size);
        at += size;
    } while (groups > 0);
    return field->end = at;
}

static bool rewrite_message(struct rewrite *rewrite, const struct codec_message *message,
                            aion_str wire);

static void put_varint(struct rewrite *rewrite, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *rewrite->out++ = (uint8_t)(value | 0x80);
    *rewrite->out++ = (uint8_t)value;
}

/* Tag, length in five bytes (known only afterwards), content. */
static bool put_message(struct rewrite *rewrite, const struct codec_message *message,
                        uint32_t number, aion_str wire)
{
    put_varint(rewrite, (uint64_t)number << 3 | CODEC_WIRE_BYTES);
    uint8_t *length = rewrite->out;
    rewrite->out += 5;
    if (!rewrite_message(rewrite, message, wire))
        return false;
    uint64_t size = (uint64_t)(rewrite->out - length) - 5;
    for (unsigned i = 0; i < 5; i++, size >>= 7)
        length[i] = (uint8_t)((size & 0x7f) | (i < 4 ? 0x80 : 0));
    return true;
}

static bool add_part(struct rewrite *rewrite, struct parts *parts, aion_str bytes)
{
    struct part *part = aion_arena_alloc(rewrite->arena, sizeof(*part));
    if (part == NULL)
        return false;
    *part = (struct part){.bytes = bytes};
    if (parts->first == NULL)
        parts->last = &parts->first;
    *parts->last = part;
    parts->last = &part->next;
    parts->size += bytes.size;
    return true;
}

/* Messages one behind the other are one merged message: the definition of merging in protobuf.
 */
static bool join(struct rewrite *rewrite, const struct parts *parts, aion_str *ret_wire)
{
    if (parts->first->next == NULL) {
        *ret_wire = parts->first->bytes;
        return true;
    }
    char *joined = aion_arena_alloc(rewrite->arena, parts->size);
    if (joined == NULL)
        return false;
    *ret_wire = aion_str_n(joined, parts->size);
    for (const struct part *part = parts->first; part != NULL; part = part->next) {
        memcpy(joined, part->bytes.data, part->bytes.size);
        joined += part->bytes.size;
    }
    return true;
}

static bool put_parts(struct rewrite *rewrite, const struct codec_message *message,
                      const struct parts *parts)
{
    for (size_t i = 0; parts != NULL && i < message->descriptor->n_fields; i++) {
        aion_str wire;
        if (parts[i].first == NULL)
            continue;
        if (!join(rewrite, &parts[i], &wire) ||
            !put_message(rewrite, message->fields[i].message, message->descriptor->fields[i].id,
                         wire))
            return false;
    }
    return true;
}

/* Of a oneof the last member counts: what came of the others is forgotten. */
static void forget_others(const struct codec_message *message, struct parts *parts,
                          size_t index)
{
    int16_t oneof = message->fields[index].oneof;
    for (size_t i = 0; parts != NULL && oneof >= 0 && i < message->descriptor->n_fields; i++)
        if (i != index && message->fields[i].oneof == oneof)
            parts[i] = (struct parts){0};
}

static void put_raw(struct rewrite *rewrite, const struct wire_field *field)
{
    size_t size = (size_t)(field->end - field->begin);
    memcpy(rewrite->out, field->begin, size);
    rewrite->out += size;
}

static bool rewrite_known(struct rewrite *rewrite, const struct codec_message *message,
                          size_t index, const struct wire_field *wire, struct parts **parts)
{
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[index];
    const struct codec_message *type = message->fields[index].message;
    forget_others(message, *parts, index);
    if (type == NULL) {
        put_raw(rewrite, wire);
        return true;
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return put_message(rewrite, type, wire->number, wire->content);
    if (*parts == NULL)
        *parts =
            aion_arena_array(rewrite->arena, message->descriptor->n_fields, sizeof(**parts));
    return *parts != NULL && add_part(rewrite, *parts + index, wire->content);
}

static bool rewrite_message(struct rewrite *rewrite, const struct codec_message *message,
                            aion_str wire)
{
    struct parts *parts = NULL; /* one for each field, once a sub-message is met */
    const uint8_t *at = (const uint8_t *)wire.data, *end = at + wire.size;
    while (at < end) {
        struct wire_field field;
        at = next_field(at, &field);
        const ProtobufCFieldDescriptor *known =
            protobuf_c_message_descriptor_get_field(message->descriptor, field.number);
        if (field.wire == CODEC_WIRE_START ||
            (known != NULL && !codec_wire_fits(known, field.wire)))
            continue;
        if (known == NULL)
            put_raw(rewrite, &field);
        else if (!rewrite_known(rewrite, message, (size_t)(known - message->descriptor->fields),
                                &field, &parts))
            return false;
    }
    return put_parts(rewrite, message, parts);
}

bool codec_rewrite(const struct codec_message *message, aion_str *wire,
                   struct aion_arena *arena)
{
    /* The shortest sub-message is two bytes and becomes six. */
    struct rewrite rewrite = {.arena = arena};
    uint8_t *begin = wire->size < SIZE_MAX / 3 ? aion_arena_alloc(arena, 3 * wire->size) : NULL;
    rewrite.out = begin;
    if (begin == NULL || !rewrite_message(&rewrite, message, *wire))
        return false;
    *wire = aion_str_n(begin, (size_t)(rewrite.out - begin));
    return true;
}
