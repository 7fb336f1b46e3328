/* protobuf-c messages as JSON, by schema. Bytes go straight into room reserved in the buffer.
 */
#include "base/base64.h"
#include "codec/json_private.h"
#include "codec/map_private.h"

#include <math.h>
#include <stdarg.h>

enum {
    ROOM = 512,             /* reserved at once */
    SCRATCH_MAX = 64 << 20, /* messages inside Any, orders of large maps */
};

/* -- the writer ---------------------------------------------------------------------------- */

static void writer_init(struct json_writer *writer, const struct codec_json_write *options,
                        struct aion_buf *out, struct aion_err *err)
{
    *writer = (struct json_writer){.out = out, .err = err};
    if (options != NULL)
        writer->options = *options;
    aion_arena_init(&writer->scratch, SCRATCH_MAX, NULL, 0);
    writer->at = writer->end = aion_buf_reserve(out, 0);
}

static void writer_sync(struct json_writer *writer)
{
    struct aion_buf *out = writer->out;
    if (writer->at == NULL)
        return;
    out->size = (size_t)(writer->at - out->data);
    *writer->at = '\0';
}

bool codec_json_grow(struct json_writer *writer, size_t size)
{
    struct aion_buf *out = writer->out;
    writer_sync(writer);
    size_t left = out->max - out->size, want = size > ROOM ? size : ROOM;
    want = want <= left ? want : size;
    char *room = aion_buf_reserve(out, want);
    writer->at = room;
    writer->end = room != NULL ? room + want : NULL;
    return room != NULL;
}

/* On failure the buffer is as it was. */
static bool writer_done(struct json_writer *writer, bool good, size_t before)
{
    aion_arena_done(&writer->scratch);
    writer_sync(writer);
    if (good && !writer->out->overflow)
        return true;
    size_t max = writer->out->max;
    writer->out->size = before;
    if (writer->out->data != NULL)
        writer->out->data[before] = '\0';
    return !good
               ? false
               : aion_fail(writer->err, AION_EXHAUSTED, "the JSON text is over %zu bytes", max);
}

bool codec_json_unwritable(struct json_writer *writer, const char *fmt, ...)
{
    if (writer->err == NULL)
        return false;
    char words[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof(words), fmt, args);
    va_end(args);
    codec_json_scrub(words);
    const char *field = writer->field != NULL ? writer->field : "";
    aion_err_set(writer->err, "codec_json_print", AION_INVALID, "%s%s%s", field,
                 field[0] != '\0' ? ": " : "", words);
    aion_err_field(writer->err, "%s", field);
    return false;
}

/* -- scalars ------------------------------------------------------------------------------- */

void codec_json_put_u64(struct json_writer *writer, uint64_t value)
{
    if (json_room(writer, JSON_NUMBER_MAX))
        writer->at += codec_json_print_u64(writer->at, value);
}

void codec_json_put_i64(struct json_writer *writer, int64_t value)
{
    if (value < 0)
        json_put(writer, '-');
    codec_json_put_u64(writer, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void put_special(struct json_writer *writer, double value)
{
    if (isnan(value))
        json_put_literal(writer, "\"NaN\"");
    else if (value > 0)
        json_put_literal(writer, "\"Infinity\"");
    else
        json_put_literal(writer, "\"-Infinity\"");
}

void codec_json_put_double(struct json_writer *writer, double value)
{
    if (!isfinite(value))
        put_special(writer, value);
    else if (json_room(writer, JSON_NUMBER_MAX))
        writer->at += codec_json_print_double(writer->at, value);
}

void codec_json_put_float(struct json_writer *writer, float value)
{
    if (!isfinite(value))
        put_special(writer, (double)value);
    else if (json_room(writer, JSON_NUMBER_MAX))
        writer->at += codec_json_print_float(writer->at, value);
}

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static void put_escape(struct json_writer *writer, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    if (letters[c] != 0) {
        const char pair[] = {'\\', letters[c]};
        json_put_bytes(writer, pair, sizeof(pair));
        return;
    }
    const char code[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    json_put_bytes(writer, code, sizeof(code));
}

/* Length of what may stand raw at the start: no quote, backslash or control. */
static size_t raw_run(const char *at, size_t size, uint64_t *high)
{
    size_t i = 0;
    for (; size - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, at + i, 8);
        uint64_t quote = word ^ ONES * '"', slash = word ^ ONES * '\\';
        if (((((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) |
              ((word - ONES * 0x20) & ~word)) &
             HIGHS) != 0)
            break;
        *high |= word;
    }
    for (; i < size; i++) {
        unsigned char c = (unsigned char)at[i];
        if (c == '"' || c == '\\' || c < 0x20)
            break;
        *high |= c;
    }
    return i;
}

bool codec_json_put_string(struct json_writer *writer, aion_str text)
{
    uint64_t high = 0;
    json_put(writer, '"');
    for (size_t at = 0; at < text.size;) {
        size_t run = raw_run(text.data + at, text.size - at, &high);
        json_put_bytes(writer, text.data + at, run);
        at += run;
        if (at < text.size)
            put_escape(writer, (unsigned char)text.data[at++]);
    }
    json_put(writer, '"');
    return (high & HIGHS) == 0 || aion_utf8_valid(text.data, text.size) ||
           codec_json_unwritable(writer, "a string that is not valid UTF-8");
}

static void put_bytes_field(struct json_writer *writer, const ProtobufCBinaryData *bytes)
{
    json_put(writer, '"');
    if (json_room(writer, aion_base64_size(bytes->len) + 1))
        writer->at += aion_base64_encode(writer->at, bytes->data, bytes->len);
    json_put(writer, '"');
}

static void put_enum(struct json_writer *writer, const struct codec_enum *enumeration,
                     int32_t number)
{
    if (enumeration->null_value) {
        json_put_literal(writer, "null");
        return;
    }
    for (size_t i = 0; i < enumeration->name_count && !writer->options.enum_numbers; i++)
        if (enumeration->names[i].number == number) {
            json_put(writer, '"');
            json_put_bytes(writer, enumeration->names[i].name,
                           strlen(enumeration->names[i].name));
            json_put(writer, '"');
            return;
        }
    codec_json_put_i64(writer, number);
}

static void put_wide(struct json_writer *writer, bool negative, uint64_t magnitude)
{
    json_put(writer, '"');
    if (negative)
        json_put(writer, '-');
    codec_json_put_u64(writer, magnitude);
    json_put(writer, '"');
}

static void put_bool(struct json_writer *writer, protobuf_c_boolean value)
{
    if (value)
        json_put_literal(writer, "true");
    else
        json_put_literal(writer, "false");
}

/* A message that is not there: of a map entry without a value on the wire. */
static bool write_submessage(struct json_writer *writer, const struct codec_message *schema,
                             const ProtobufCMessage *message)
{
    if (message != NULL)
        return codec_json_write_message(writer, schema, message);
    ProtobufCMessage *empty =
        aion_arena_alloc(&writer->scratch, schema->descriptor->sizeof_message);
    if (empty == NULL)
        return codec_json_unwritable(writer, "out of memory");
    protobuf_c_message_init(schema->descriptor, empty);
    return codec_json_write_message(writer, schema, empty);
}

/* One kind a case, so long but flat. */
bool codec_json_write_value(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                            const struct codec_field *about, const void *member)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        codec_json_put_i64(writer, *(const int32_t *)member);
        return true;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        codec_json_put_u64(writer, *(const uint32_t *)member);
        return true;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: {
        int64_t value = *(const int64_t *)member;
        put_wide(writer, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
        return true;
    }
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        put_wide(writer, false, *(const uint64_t *)member);
        return true;
    case PROTOBUF_C_TYPE_FLOAT:
        codec_json_put_float(writer, *(const float *)member);
        return true;
    case PROTOBUF_C_TYPE_DOUBLE:
        codec_json_put_double(writer, *(const double *)member);
        return true;
    case PROTOBUF_C_TYPE_BOOL:
        put_bool(writer, *(const protobuf_c_boolean *)member);
        return true;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(writer, about->enumeration, *(const int32_t *)member);
        return true;
    case PROTOBUF_C_TYPE_STRING:
        return codec_json_put_string(writer, aion_str_of(*(const char *const *)member));
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes_field(writer, member);
        return true;
    default:
        return write_submessage(writer, about->message, *(ProtobufCMessage *const *)member);
    }
}

/* -- repeated fields and maps -------------------------------------------------------------- */

static bool write_list(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                       const struct codec_field *about, size_t count, const char *elements)
{
    size_t width = codec_element_width(field->type);
    json_put(writer, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            json_put(writer, ',');
        if (!codec_json_write_value(writer, field, about, elements + i * width))
            return false;
    }
    json_put(writer, ']');
    return true;
}

static bool write_entry(struct json_writer *writer, const struct codec_message *schema,
                        const ProtobufCMessage *entry, bool *first)
{
    const ProtobufCFieldDescriptor *key = &schema->descriptor->fields[0], *value = key + 1;
    const void *key_member = json_member_of(entry, key->offset);
    if (!*first)
        json_put(writer, ',');
    *first = false;
    /* strings and 64-bit keys have their quotes already */
    bool quoted = key->type == PROTOBUF_C_TYPE_STRING || codec_element_width(key->type) == 8;
    if (!quoted)
        json_put(writer, '"');
    if (!codec_json_write_value(writer, key, &schema->fields[0], key_member))
        return false;
    if (!quoted)
        json_put(writer, '"');
    json_put(writer, ':');
    return codec_json_write_value(writer, value, &schema->fields[1],
                                  json_member_of(entry, value->offset));
}

static bool replaced_later(ProtobufCMessage *const *entries, size_t i, size_t count)
{
    for (size_t k = i + 1; k < count; k++)
        if (codec_map_same_key(entries[i], entries[k]))
            return true;
    return false;
}

static bool write_many(struct json_writer *writer, const struct codec_message *schema,
                       size_t count, ProtobufCMessage *const *entries, bool *first)
{
    struct codec_map sorted;
    if (!codec_map_sort(entries, count, &writer->scratch, &sorted))
        return codec_json_unwritable(writer, "a map too large to be sorted");
    for (size_t i = 0; i < sorted.count; i++)
        if (!write_entry(writer, schema, *sorted.slots[i], first))
            return false;
    return true;
}

static bool write_map(struct json_writer *writer, const struct codec_message *schema,
                      size_t count, ProtobufCMessage *const *entries)
{
    bool first = true;
    json_put(writer, '{');
    if (count > CODEC_MAP_FEW) {
        if (!write_many(writer, schema, count, entries, &first))
            return false;
    } else {
        for (size_t i = 0; i < count; i++)
            if (!replaced_later(entries, i, count) &&
                !write_entry(writer, schema, entries[i], &first))
                return false;
    }
    json_put(writer, '}');
    return true;
}

/* -- messages ------------------------------------------------------------------------------ */

static bool is_zero(const ProtobufCFieldDescriptor *field, const void *member)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)member;
        return text == NULL || text[0] == '\0';
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)member)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)member == NULL;
    default: {
        static const char zeros[8];
        return memcmp(member, zeros, codec_element_width(field->type)) == 0;
    }
    }
}

/* Whether the field is written. */
static bool is_present(const struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                       const ProtobufCMessage *message)
{
    const void *member = json_member_of(message, field->offset);
    const void *quantifier = json_member_of(message, field->quantifier_offset);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)quantifier > 0 || writer->options.emit_defaults;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return *(const uint32_t *)quantifier == field->id;
    if (field->quantifier_offset != 0) /* proto2 scalars */
        return *(const protobuf_c_boolean *)quantifier != 0;
    if (field->label != PROTOBUF_C_LABEL_NONE || field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(const void *const *)member != NULL &&
               *(const void *const *)member != field->default_value;
    return writer->options.emit_defaults || !is_zero(field, member);
}

bool codec_json_write_field(struct json_writer *writer, const struct codec_message *schema,
                            size_t index, const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[index];
    const struct codec_field *about = &schema->fields[index];
    const void *member = json_member_of(message, field->offset);
    writer->field = field->name;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return codec_json_write_value(writer, field, about, member);
    size_t count = *(const size_t *)json_member_of(message, field->quantifier_offset);
    if (about->map)
        return write_map(writer, about->message, count,
                         *(ProtobufCMessage *const *const *)member);
    return write_list(writer, field, about, count, *(const char *const *)member);
}

static void put_name(struct json_writer *writer, const char *name, bool *first)
{
    size_t size = strlen(name);
    if (!json_room(writer, size + 4))
        return;
    char *at = writer->at;
    if (!*first)
        *at++ = ',';
    *first = false;
    *at++ = '"';
    memcpy(at, name, size);
    at += size;
    *at++ = '"';
    *at++ = ':';
    writer->at = at;
}

bool codec_json_write_members(struct json_writer *writer, const struct codec_message *schema,
                              const ProtobufCMessage *message, bool *first)
{
    for (size_t i = 0; i < schema->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &schema->descriptor->fields[i];
        if (!is_present(writer, field, message))
            continue;
        put_name(writer,
                 writer->options.proto_names ? field->name : schema->fields[i].json_name,
                 first);
        if (!codec_json_write_field(writer, schema, i, message))
            return false;
    }
    return true;
}

bool codec_json_write_message(struct json_writer *writer, const struct codec_message *schema,
                              const ProtobufCMessage *message)
{
    if (schema->wkt != CODEC_WKT_NONE && schema->wkt != CODEC_WKT_EMPTY)
        return codec_json_write_wkt(writer, schema, message);
    bool first = true;
    json_put(writer, '{');
    if (!codec_json_write_members(writer, schema, message, &first))
        return false;
    json_put(writer, '}');
    return true;
}

/* -- the contract -------------------------------------------------------------------------- */

bool codec_json_print(const struct codec_message *schema, const ProtobufCMessage *message,
                      const struct codec_json_write *options, struct aion_buf *out,
                      struct aion_err *err)
{
    struct json_writer writer;
    size_t before = out->size;
    writer_init(&writer, options, out, err);
    return writer_done(&writer, codec_json_write_message(&writer, schema, message), before);
}

bool codec_json_print_field(const struct codec_message *schema, const ProtobufCMessage *message,
                            int field_index, const struct codec_json_write *options,
                            struct aion_buf *out, struct aion_err *err)
{
    struct json_writer writer;
    size_t before = out->size;
    writer_init(&writer, options, out, err);
    bool good = codec_json_write_field(&writer, schema, (size_t)field_index, message);
    return writer_done(&writer, good, before);
}
