/* One pass over the wire form with a stack of our own: what protobuf-c would take on trust is
 * checked here. */
#include "codec/scan_private.h"

enum { ELEMENTS_DEFAULT = 1000000 };

/* One message (or unknown group) that is open. */
struct level {
    const struct codec_message *message; /* NULL inside an unknown group */
    const uint8_t *end;                  /* of the message; a group ends by its tag */
    uint32_t group;                      /* number of the group, 0 = a message */
    const char *field;                   /* name of the field that led here, for the path */
    uint32_t index;                      /* of the element, when repeated */
    bool repeated;
    int last_field; /* index of the field met last, and how often in a row */
    uint32_t run;
    int last_message; /* highest index of the sub-messages met: in order, each comes once */
};

struct scan {
    const uint8_t *at;
    const uint8_t *end; /* of the open level */
    struct level levels[CODEC_SCAN_DEPTH + 1];
    uint32_t depth; /* index of the open level */
    uint32_t depth_max;
    uint32_t elements_left;
    bool allow_nul;
    bool rewrite;      /* see scan_private.h */
    const char *field; /* the one being looked at */
    struct aion_err *err;
};

/* "params.fields[3].value": the fields that led here. */
static void write_path(const struct scan *scan, char *path, size_t size)
{
    size_t used = 0;
    for (uint32_t i = 1; i <= scan->depth + 1 && used < size - 1; i++) {
        bool last = i == scan->depth + 1;
        const char *name = last ? scan->field : scan->levels[i].field;
        if (name == NULL)
            continue;
        const char *dot = used > 0 ? "." : "";
        int n = !last && scan->levels[i].repeated
                    ? snprintf(path + used, size - used, "%s%s[%u]", dot, name,
                               scan->levels[i].index)
                    : snprintf(path + used, size - used, "%s%s", dot, name);
        used += n > 0 ? (size_t)n : 0;
    }
}

static AION_COLD bool refuse(struct scan *scan, enum aion_code code, const char *what)
{
    if (scan->err == NULL)
        return false;
    char path[sizeof(scan->err->field)] = "";
    write_path(scan, path, sizeof(path));
    aion_err_set(scan->err, "codec_scan", code, "%s%s%s", path, path[0] != '\0' ? ": " : "",
                 what);
    aion_err_field(scan->err, "%s", path);
    return false;
}

static inline const uint8_t *limit(const struct scan *scan)
{
    return scan->end;
}

static bool long_varint(struct scan *scan, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (scan->at == limit(scan))
            return refuse(scan, AION_INVALID, "truncated varint");
        uint8_t byte = *scan->at++;
        value |= (uint64_t)(byte & 0x7f) << (shift < 64 ? shift : 0);
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return shift < 63 || byte <= 1 ||
                   refuse(scan, AION_INVALID, "varint of over 64 bits");
        }
    }
    return refuse(scan, AION_INVALID, "varint of over 10 bytes");
}

static inline bool varint(struct scan *scan, uint64_t *ret_value)
{
    if (scan->at == limit(scan) || (*scan->at & 0x80) != 0)
        return long_varint(scan, ret_value);
    *ret_value = *scan->at++;
    return true;
}

/* Tags and lengths are numbers of 32 bits; protobuf-c reads five bytes of them at most. */
static inline bool short_varint(struct scan *scan, uint64_t *ret_value)
{
    const uint8_t *begin = scan->at;
    return varint(scan, ret_value) &&
           (scan->at - begin <= 5 ||
            refuse(scan, AION_INVALID, "tag or length of over 5 bytes"));
}

static inline bool skip(struct scan *scan, uint64_t size)
{
    if (size > (uint64_t)(limit(scan) - scan->at))
        return refuse(scan, AION_INVALID, "field longer than its message");
    scan->at += size;
    return true;
}

static inline bool count_element(struct scan *scan)
{
    if (scan->elements_left == 0)
        return refuse(scan, AION_EXHAUSTED, "too many elements in one message");
    scan->elements_left--;
    return true;
}

static bool open_level(struct scan *scan, const struct codec_message *message,
                       const uint8_t *end, uint32_t group,
                       const ProtobufCFieldDescriptor *field)
{
    if (scan->depth + 1 >= scan->depth_max)
        return refuse(scan, AION_EXHAUSTED, "messages nested too deeply");
    struct level *parent = &scan->levels[scan->depth];
    bool repeated = field != NULL && field->label == PROTOBUF_C_LABEL_REPEATED;
    scan->levels[++scan->depth] = (struct level){.message = message,
                                                 .end = end,
                                                 .group = group,
                                                 .field = field != NULL ? field->name : NULL,
                                                 .index = parent->run,
                                                 .repeated = repeated,
                                                 .last_field = -1,
                                                 .last_message = -1};
    scan->end = end;
    return true;
}

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Whether all bytes are ASCII and none is NUL: most texts, at eight bytes a step. */
static bool is_plain(const char *at, size_t size)
{
    uint64_t word = 0;
    for (; size >= 8; at += 8, size -= 8) {
        memcpy(&word, at, 8);
        if (((word - ONES) | word) & HIGHS)
            return false;
    }
    for (; size > 0; at++, size--)
        if ((unsigned char)(*at - 1) >= 0x7f)
            return false;
    return true;
}

static bool check_string(struct scan *scan, aion_str text)
{
    if (is_plain(text.data, text.size))
        return true;
    if (!aion_utf8_valid(text.data, text.size))
        return refuse(scan, AION_INVALID, "string is not valid UTF-8");
    if (!scan->allow_nul && memchr(text.data, 0, text.size) != NULL)
        return refuse(scan, AION_INVALID, "string contains U+0000");
    return true;
}

/* Bytes of an element of fixed size on the wire; 0 = varint. */
static size_t fixed_width(ProtobufCType type)
{
    if (type == PROTOBUF_C_TYPE_SFIXED32 || type == PROTOBUF_C_TYPE_FIXED32 ||
        type == PROTOBUF_C_TYPE_FLOAT)
        return 4;
    return type == PROTOBUF_C_TYPE_SFIXED64 || type == PROTOBUF_C_TYPE_FIXED64 ||
                   type == PROTOBUF_C_TYPE_DOUBLE
               ? 8
               : 0;
}

static bool check_packed_fixed(struct scan *scan, uint64_t size, size_t width)
{
    if (size % width != 0)
        return refuse(scan, AION_INVALID, "packed field of a broken length");
    if (size / width > scan->elements_left)
        return refuse(scan, AION_EXHAUSTED, "too many elements in one message");
    scan->elements_left -= (uint32_t)(size / width);
    scan->at += size;
    return true;
}

/* A packed run: form by the element's wire type. */
static bool check_packed(struct scan *scan, const ProtobufCFieldDescriptor *field,
                         uint64_t size)
{
    size_t width = fixed_width(field->type);
    if (width > 0)
        return check_packed_fixed(scan, size, width);
    const uint8_t *end = scan->at + size;
    while (scan->at < end) {
        uint64_t ignored;
        if (!count_element(scan) || !varint(scan, &ignored))
            return false;
    }
    return scan->at == end || refuse(scan, AION_INVALID, "packed field of a broken length");
}

bool codec_wire_fits(const ProtobufCFieldDescriptor *field, uint32_t wire)
{
    static const uint8_t wires[] = {
        [PROTOBUF_C_TYPE_SFIXED32] = CODEC_WIRE_32,
        [PROTOBUF_C_TYPE_FIXED32] = CODEC_WIRE_32,
        [PROTOBUF_C_TYPE_FLOAT] = CODEC_WIRE_32,
        [PROTOBUF_C_TYPE_SFIXED64] = CODEC_WIRE_64,
        [PROTOBUF_C_TYPE_FIXED64] = CODEC_WIRE_64,
        [PROTOBUF_C_TYPE_DOUBLE] = CODEC_WIRE_64,
        [PROTOBUF_C_TYPE_STRING] = CODEC_WIRE_BYTES,
        [PROTOBUF_C_TYPE_BYTES] = CODEC_WIRE_BYTES,
        [PROTOBUF_C_TYPE_MESSAGE] = CODEC_WIRE_BYTES, /* the others: CODEC_WIRE_VARINT, 0 */
    };
    return wire == wires[field->type] ||
           (wire == CODEC_WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED);
}

/* A length-delimited field; field NULL = unknown, skipped. */
static bool scan_bytes(struct scan *scan, const ProtobufCFieldDescriptor *field,
                       const struct codec_field *about)
{
    uint64_t size;
    if (!short_varint(scan, &size))
        return false;
    if (size > (uint64_t)(limit(scan) - scan->at))
        return refuse(scan, AION_INVALID, "field longer than its message");
    if (field == NULL || field->type == PROTOBUF_C_TYPE_BYTES)
        return skip(scan, size);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return open_level(scan, about->message, scan->at + size, 0, field);
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return check_string(scan, aion_str_n(scan->at, size)) && skip(scan, size);
    return check_packed(scan, field, size);
}

static inline void close_level(struct scan *scan)
{
    scan->depth--;
    scan->end = scan->levels[scan->depth].end;
}

static bool close_group(struct scan *scan, uint32_t number)
{
    if (scan->levels[scan->depth].group != number)
        return refuse(scan, AION_INVALID, "end of a group that is not open");
    close_level(scan);
    return true;
}

/* Index of the field with that number, -1 = unknown. Messages are small and fields come in
 * order: look beside the last hit first. */
static inline int field_of(const struct codec_message *message, uint32_t number, unsigned *hint)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    if (*hint < descriptor->n_fields && descriptor->fields[*hint].id == number)
        return (int)*hint;
    if (*hint + 1 < descriptor->n_fields && descriptor->fields[*hint + 1].id == number)
        return (int)++*hint;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(descriptor, number);
    if (field == NULL)
        return -1;
    *hint = (unsigned)(field - descriptor->fields);
    return (int)*hint;
}

/* The value behind a tag. */
static inline bool scan_value(struct scan *scan, uint32_t number, uint32_t wire,
                              const ProtobufCFieldDescriptor *field,
                              const struct codec_field *about)
{
    uint64_t ignored;
    switch (wire) {
    case CODEC_WIRE_VARINT:
        return varint(scan, &ignored);
    case CODEC_WIRE_64:
        return skip(scan, 8);
    case CODEC_WIRE_32:
        return skip(scan, 4);
    case CODEC_WIRE_BYTES:
        return scan_bytes(scan, field, about);
    case CODEC_WIRE_START:
        return open_level(scan, NULL, limit(scan), number, NULL);
    case CODEC_WIRE_END:
        return close_group(scan, number);
    default:
        return refuse(scan, AION_INVALID, "unknown wire type");
    }
}

/* Sub-messages out of order may come twice: rare, so looked at more closely only then. */
static inline void note_message(struct scan *scan, struct level *level,
                                const ProtobufCFieldDescriptor *field, int index)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED)
        return;
    scan->rewrite = scan->rewrite || index <= level->last_message;
    level->last_message = index;
}

static inline bool scan_field(struct scan *scan, unsigned *hint)
{
    struct level *level = &scan->levels[scan->depth];
    uint64_t tag;
    scan->field = NULL;
    if (!count_element(scan) || !short_varint(scan, &tag))
        return false;
    uint32_t number = (uint32_t)(tag >> 3), wire = (uint32_t)(tag & 7);
    if (tag >> 32 != 0 || number == 0 || number > 0x1fffffff)
        return refuse(scan, AION_INVALID, "field number out of range");
    int index = level->message != NULL && wire != CODEC_WIRE_END
                    ? field_of(level->message, number, hint)
                    : -1;
    if (index < 0) {
        scan->rewrite = scan->rewrite || wire == CODEC_WIRE_START;
        return scan_value(scan, number, wire, NULL, NULL);
    }
    const ProtobufCFieldDescriptor *field = &level->message->descriptor->fields[index];
    scan->field = field->name;
    if (!codec_wire_fits(field, wire)) {
        scan->rewrite = true;
        return scan_value(scan, number, wire, NULL, NULL);
    }
    level->run = index == level->last_field ? level->run + 1 : 0;
    level->last_field = index;
    note_message(scan, level, field, index);
    return scan_value(scan, number, wire, field, &level->message->fields[index]);
}

static bool scan_all(struct scan *scan)
{
    unsigned hint = 0;
    for (;;) {
        while (scan->at == limit(scan)) {
            if (scan->levels[scan->depth].group != 0)
                return refuse(scan, AION_INVALID, "group without an end");
            if (scan->depth == 0)
                return true;
            close_level(scan);
        }
        if (!scan_field(scan, &hint))
            return false;
    }
}

bool codec_scan_form(const struct codec_message *message, aion_str wire,
                     const struct codec_scan_limits *limits, bool *ret_rewrite,
                     struct aion_err *err)
{
    static const struct codec_scan_limits none = {0};
    if (limits == NULL)
        limits = &none;
    *ret_rewrite = false;
    if (limits->bytes_max > 0 && wire.size > limits->bytes_max)
        return aion_fail(err, AION_EXHAUSTED, "message of %zu bytes; at most %zu are taken",
                         wire.size, limits->bytes_max);
    if (wire.size == 0)
        return true;
    struct scan scan; /* its levels are written when they are opened */
    scan.at = (const uint8_t *)wire.data;
    scan.end = scan.at + wire.size;
    scan.depth = 0;
    scan.depth_max = limits->depth_max > 0 && limits->depth_max < CODEC_SCAN_DEPTH
                         ? limits->depth_max
                         : CODEC_SCAN_DEPTH;
    scan.elements_left = limits->elements_max > 0 ? limits->elements_max : ELEMENTS_DEFAULT;
    scan.allow_nul = limits->allow_nul;
    scan.rewrite = false;
    scan.field = NULL;
    scan.err = err;
    scan.levels[0] = (struct level){
        .message = message, .end = scan.end, .last_field = -1, .last_message = -1};
    if (!scan_all(&scan))
        return false;
    *ret_rewrite = scan.rewrite;
    return true;
}

bool codec_scan(const struct codec_message *message, aion_str wire,
                const struct codec_scan_limits *limits, struct aion_err *err)
{
    bool rewrite;
    return codec_scan_form(message, wire, limits, &rewrite, err);
}
