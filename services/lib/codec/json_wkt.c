/* Reading the well-known types, whose JSON is not that of their fields. */
#include "base/clock.h"
#include "codec/json_private.h"
#include "codec/message.h"

enum { NANO_DIGITS = 9 };
#define DURATION_MAX  INT64_C(315576000000) /* seconds: google/protobuf/duration.proto */
#define TIMESTAMP_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TIMESTAMP_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Field i (from 0) of a message of these types: their numbers are 1, 2, ... in order. */
static void *field(const struct codec_message *schema, ProtobufCMessage *message, size_t i)
{
    return json_member(message, schema->descriptor->fields[i].offset);
}

/* -- strings ------------------------------------------------------------------------------- */

static bool set_time(const struct codec_message *schema, ProtobufCMessage *into,
                     int64_t seconds, int32_t nanos)
{
    *(int64_t *)field(schema, into, 0) = seconds;
    *(int32_t *)field(schema, into, 1) = nanos;
    return true;
}

static bool read_timestamp(struct json_reader *reader, const struct codec_message *schema,
                           aion_str text, ProtobufCMessage *into)
{
    int64_t seconds;
    int32_t nanos;
    if (!aion_clock_parse(text, &seconds, &nanos) || seconds < TIMESTAMP_MIN ||
        seconds > TIMESTAMP_MAX)
        return codec_json_refuse(
            reader, AION_INVALID,
            "expected a time like \"2026-11-23T10:00:00Z\", years 0001 to 9999");
    return set_time(schema, into, seconds, nanos);
}

/* Digits behind the point as nanoseconds. */
static bool fraction(aion_str digits, int32_t *ret_nanos)
{
    int32_t nanos = 0;
    if (digits.size == 0 || digits.size > NANO_DIGITS)
        return false;
    for (size_t i = 0; i < NANO_DIGITS; i++) {
        char c = i < digits.size ? digits.data[i] : '0';
        if (c < '0' || c > '9')
            return false;
        nanos = nanos * 10 + (c - '0');
    }
    *ret_nanos = nanos;
    return true;
}

/* "-1.5s"; sign and unit are part of it. */
static bool parse_duration(aion_str text, int64_t *ret_seconds, int32_t *ret_nanos)
{
    uint64_t seconds;
    int32_t nanos = 0;
    if (text.size < 2 || text.data[text.size - 1] != 's')
        return false;
    bool negative = text.data[0] == '-';
    aion_str rest = aion_str_n(text.data + negative, text.size - negative - 1);
    aion_str whole = aion_str_cut(&rest, '.');
    if (!aion_str_u64(whole, &seconds) || seconds > (uint64_t)DURATION_MAX ||
        (rest.data != NULL && !fraction(rest, &nanos)))
        return false;
    *ret_seconds = negative ? -(int64_t)seconds : (int64_t)seconds;
    *ret_nanos = negative ? -nanos : nanos;
    return true;
}

static bool read_duration(struct json_reader *reader, const struct codec_message *schema,
                          aion_str text, ProtobufCMessage *into)
{
    int64_t seconds;
    int32_t nanos;
    if (!parse_duration(text, &seconds, &nanos))
        return codec_json_refuse(reader, AION_INVALID,
                                 "expected a duration like \"1.5s\", at most 10000 years");
    return set_time(schema, into, seconds, nanos);
}

/* "fooBar.baz" → "foo_bar.baz"; NULL: not lowerCamelCase, or no memory (*ret_memory). */
static char *snake_path(struct aion_arena *arena, aion_str path, bool *ret_memory)
{
    char *out = aion_arena_alloc(arena, 2 * path.size + 1);
    *ret_memory = out == NULL;
    size_t used = 0;
    for (size_t i = 0; out != NULL && i < path.size; i++) {
        char c = path.data[i];
        bool upper = c >= 'A' && c <= 'Z';
        if (!upper && c != '.' && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            return NULL;
        if (upper)
            out[used++] = '_';
        out[used++] = upper ? (char)(c - 'A' + 'a') : c;
    }
    if (out != NULL)
        out[used] = '\0';
    return out;
}

static bool read_field_mask(struct json_reader *reader, const struct codec_message *schema,
                            aion_str text, ProtobufCMessage *into)
{
    if (text.size == 0)
        return true;
    size_t count = 1, filled = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == ',';
    char **paths = aion_arena_array(reader->arena, count, sizeof(char *));
    if (paths == NULL)
        return codec_json_refuse_memory(reader);
    while (text.data != NULL) {
        bool memory;
        aion_str path = aion_str_cut(&text, ',');
        paths[filled] = path.size > 0 ? snake_path(reader->arena, path, &memory) : NULL;
        if (path.size > 0 && paths[filled] == NULL && memory)
            return codec_json_refuse_memory(reader);
        if (paths[filled++] == NULL)
            return codec_json_refuse(reader, AION_INVALID,
                                     "expected lowerCamelCase paths with commas between");
    }
    *(size_t *)json_member(into, schema->descriptor->fields[0].quantifier_offset) = count;
    *(char ***)field(schema, into, 0) = paths;
    return true;
}

/* -- Value --------------------------------------------------------------------------------- */

/* Members of Value's oneof, in order of their numbers. */
enum value_kind { KIND_NULL, KIND_NUMBER, KIND_STRING, KIND_BOOL, KIND_STRUCT, KIND_LIST };

static enum value_kind kind_of(int c)
{
    switch (c) {
    case 'n':
        return KIND_NULL;
    case '"':
        return KIND_STRING;
    case 't':
    case 'f':
        return KIND_BOOL;
    case '{':
        return KIND_STRUCT;
    case '[':
        return KIND_LIST;
    default:
        return KIND_NUMBER;
    }
}

static void set_kind(const struct codec_message *schema, ProtobufCMessage *into,
                     enum value_kind kind)
{
    const ProtobufCFieldDescriptor *member = &schema->descriptor->fields[kind];
    *(uint32_t *)json_member(into, member->quantifier_offset) = member->id;
}

static bool read_value(struct json_reader *reader, const struct codec_message *schema,
                       ProtobufCMessage *into)
{
    enum value_kind kind = kind_of(json_peek(reader));
    void *member = field(schema, into, kind);
    if (kind == KIND_NUMBER) { /* not as a field would: "1" in quotes is a string */
        struct json_number number;
        if (!codec_json_number_take(reader, &number) ||
            !codec_json_number_store(reader, PROTOBUF_C_TYPE_DOUBLE, &number, member))
            return false;
    } else if (codec_json_read_value(reader, &schema->descriptor->fields[kind],
                                     &schema->fields[kind], member) != JSON_VALUE) {
        return false;
    }
    set_kind(schema, into, kind);
    return true;
}

bool codec_json_wkt_of_text(struct json_reader *reader, const struct codec_message *schema,
                            aion_str text, ProtobufCMessage *into)
{
    switch ((int)schema->wkt) {
    case CODEC_WKT_TIMESTAMP:
        return read_timestamp(reader, schema, text, into);
    case CODEC_WKT_DURATION:
        return read_duration(reader, schema, text, into);
    case CODEC_WKT_FIELD_MASK:
        return read_field_mask(reader, schema, text, into);
    default:
        return codec_json_refuse(reader, AION_INVALID, "%s cannot be given as text",
                                 schema->descriptor->name);
    }
}

static bool read_text(struct json_reader *reader, const struct codec_message *schema,
                      ProtobufCMessage *into)
{
    aion_str text;
    bool owned;
    return codec_json_string(reader, &text, &owned) &&
           codec_json_wkt_of_text(reader, schema, text, into);
}

/* -- Any ----------------------------------------------------------------------------------- */

/* "@type" may stand anywhere in the object, so it is looked up ahead on a copy of the reader;
 * most writers put it first. *ret_url.data NULL: the object is empty. */
static bool find_type(struct json_reader *reader, aion_str *ret_url)
{
    struct json_reader ahead = *reader;
    *ret_url = (aion_str){0};
    if (!codec_json_enter(&ahead, '{'))
        return false;
    if (json_take(&ahead, '}'))
        return true;
    do {
        aion_str key;
        bool owned;
        if (!codec_json_string(&ahead, &key, &owned))
            return false;
        if (!json_take(&ahead, ':'))
            return codec_json_expected(&ahead, "':'");
        if (aion_str_eq(key, AION_STR("@type")))
            return codec_json_string(&ahead, ret_url, &owned);
        if (!codec_json_skip(&ahead))
            return false;
    } while (json_take(&ahead, ','));
    return codec_json_refuse(reader, AION_INVALID, "expected a member \"@type\"");
}

static const struct codec_message *type_of(struct json_reader *reader, aion_str url)
{
    const char *slash = memrchr(url.data, '/', url.size);
    if (slash == NULL) {
        codec_json_refuse(reader, AION_INVALID,
                          "expected \"@type\" like \"type.googleapis.com/NAME\"");
        return NULL;
    }
    aion_str name = aion_str_n(slash + 1, (size_t)(url.data + url.size - slash) - 1);
    const struct codec_message *schema = codec_find_message(reader->options.files, name);
    if (schema == NULL)
        codec_json_refuse(reader, AION_INVALID, "the type \"%.*s\" is not known here",
                          (int)(name.size < 80 ? name.size : 80), name.data);
    return schema;
}

/* {"@type": ..., "value": ...}: types with a JSON form of their own. */
static bool read_boxed(struct json_reader *reader, const struct codec_message *schema,
                       ProtobufCMessage *into)
{
    bool seen = false;
    if (!codec_json_enter(reader, '{'))
        return false;
    do {
        aion_str key;
        bool owned;
        if (!codec_json_string(reader, &key, &owned))
            return false;
        if (!json_take(reader, ':'))
            return codec_json_expected(reader, "':'");
        bool type = aion_str_eq(key, AION_STR("@type"));
        if (!type && (seen || !aion_str_eq(key, AION_STR("value"))))
            return codec_json_refuse(reader, AION_INVALID,
                                     "expected \"@type\" and \"value\" alone");
        seen = seen || !type;
        if (type ? !codec_json_skip(reader) : !codec_json_read_message(reader, schema, into))
            return false;
    } while (json_take(reader, ','));
    if (!json_take(reader, '}'))
        return codec_json_expected(reader, "',' or '}'");
    json_leave(reader);
    return true;
}

static bool store_any(struct json_reader *reader, const struct codec_message *schema,
                      aion_str url, const ProtobufCMessage *inner, ProtobufCMessage *into)
{
    ProtobufCBinaryData value = {.len = protobuf_c_message_get_packed_size(inner)};
    char *text = aion_arena_text(reader->arena, url);
    value.data = aion_arena_alloc(reader->arena, value.len);
    if (text == NULL || value.data == NULL)
        return codec_json_refuse_memory(reader);
    protobuf_c_message_pack(inner, value.data);
    *(char **)field(schema, into, 0) = text;
    *(ProtobufCBinaryData *)field(schema, into, 1) = value;
    return true;
}

static bool read_any(struct json_reader *reader, const struct codec_message *schema,
                     ProtobufCMessage *into)
{
    aion_str url;
    if (!find_type(reader, &url))
        return false;
    if (url.data == NULL)
        return codec_json_read_members(reader, schema, into, false); /* {} */
    const struct codec_message *type = type_of(reader, url);
    ProtobufCMessage *inner = type != NULL ? codec_json_new(reader, type) : NULL;
    if (inner == NULL)
        return false;
    bool good = type->wkt == CODEC_WKT_NONE ? codec_json_read_members(reader, type, inner, true)
                                            : read_boxed(reader, type, inner);
    return good && store_any(reader, schema, url, inner, into);
}

bool codec_json_read_wkt(struct json_reader *reader, const struct codec_message *schema,
                         ProtobufCMessage *into)
{
    switch (schema->wkt) {
    case CODEC_WKT_ANY:
        return read_any(reader, schema, into);
    case CODEC_WKT_TIMESTAMP:
    case CODEC_WKT_DURATION:
    case CODEC_WKT_FIELD_MASK:
        return read_text(reader, schema, into);
    case CODEC_WKT_STRUCT:
        return codec_json_read_map(reader, schema, 0, into);
    case CODEC_WKT_LIST_VALUE:
        return codec_json_read_list(reader, schema, 0, into);
    case CODEC_WKT_VALUE:
        return read_value(reader, schema, into);
    case CODEC_WKT_WRAPPER:
        return codec_json_read_value(reader, &schema->descriptor->fields[0], &schema->fields[0],
                                     field(schema, into, 0)) == JSON_VALUE;
    case CODEC_WKT_EMPTY:
    case CODEC_WKT_NONE:
        break;
    }
    return codec_json_read_members(reader, schema, into, false);
}
