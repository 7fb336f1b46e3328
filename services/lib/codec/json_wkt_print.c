/* Writing the well-known types. */
#include "base/clock.h"
#include "codec/json_private.h"
#include "codec/message.h"

#include <math.h>

enum { NANOS = 1000000000, ANY_DEPTH_MAX = 16 };
#define DURATION_MAX INT64_C(315576000000) /* seconds: google/protobuf/duration.proto */

static const void *field(const struct codec_message *schema, const ProtobufCMessage *message,
                         size_t i)
{
    return json_member_of(message, schema->descriptor->fields[i].offset);
}

static bool write_timestamp(struct json_writer *writer, const struct codec_message *schema,
                            const ProtobufCMessage *message)
{
    char text[AION_RFC3339_SIZE];
    size_t size = aion_clock_rfc3339(text, *(const int64_t *)field(schema, message, 0),
                                     *(const int32_t *)field(schema, message, 1));
    if (size == 0)
        return codec_json_unwritable(writer, "a Timestamp outside the years 0001 to 9999");
    json_put(writer, '"');
    json_put_bytes(writer, text, size);
    json_put(writer, '"');
    return true;
}

/* As many of 0, 3, 6, 9 digits as are needed. */
static void put_fraction(struct json_writer *writer, uint32_t nanos)
{
    char digits[9];
    uint32_t rest = nanos;
    for (size_t i = sizeof(digits); i-- > 0; rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    json_put(writer, '.');
    json_put_bytes(writer, digits, nanos % 1000000 == 0 ? 3 : nanos % 1000 == 0 ? 6 : 9);
}

static bool write_duration(struct json_writer *writer, const struct codec_message *schema,
                           const ProtobufCMessage *message)
{
    int64_t seconds = *(const int64_t *)field(schema, message, 0);
    int32_t nanos = *(const int32_t *)field(schema, message, 1);
    if (seconds < -DURATION_MAX || seconds > DURATION_MAX || nanos <= -NANOS || nanos >= NANOS)
        return codec_json_unwritable(writer,
                                     "a Duration of over 10000 years, or nanos out of range");
    if ((seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
        return codec_json_unwritable(writer, "a Duration whose parts have two signs");
    json_put(writer, '"');
    if (seconds < 0 || nanos < 0)
        json_put(writer, '-');
    codec_json_put_u64(writer, (uint64_t)(seconds < 0 ? -seconds : seconds));
    if (nanos != 0)
        put_fraction(writer, (uint32_t)(nanos < 0 ? -nanos : nanos));
    json_put_literal(writer, "s\"");
    return true;
}

/* "foo_bar" → "fooBar"; false: reading it back would give another path. */
static bool put_camel(struct json_writer *writer, const char *path)
{
    for (; *path != '\0'; path++) {
        char c = *path;
        if (c >= 'A' && c <= 'Z')
            return false;
        if (c == '_') {
            c = *++path;
            if (c < 'a' || c > 'z')
                return false;
            c = (char)(c - 'a' + 'A');
        }
        if (c < '.' || c == '/' || c == '"' || c == '\\' || (unsigned char)c > 'z')
            return false;
        json_put(writer, c);
    }
    return true;
}

static bool write_field_mask(struct json_writer *writer, const struct codec_message *schema,
                             const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *paths = &schema->descriptor->fields[0];
    size_t count = *(const size_t *)json_member_of(message, paths->quantifier_offset);
    char *const *texts = *(char *const *const *)field(schema, message, 0);
    json_put(writer, '"');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            json_put(writer, ',');
        if (!put_camel(writer, texts[i]))
            return codec_json_unwritable(writer,
                                         "a FieldMask path that is not lower_snake_case");
    }
    json_put(writer, '"');
    return true;
}

/* -- Value --------------------------------------------------------------------------------- */

static bool write_value(struct json_writer *writer, const struct codec_message *schema,
                        const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *members = schema->descriptor->fields;
    uint32_t kind = *(const uint32_t *)json_member_of(message, members[0].quantifier_offset);
    if (kind == 0 || kind > schema->descriptor->n_fields) {
        json_put_literal(writer, "null"); /* a Value that says nothing */
        return true;
    }
    const ProtobufCFieldDescriptor *member = &members[kind - 1]; /* numbers are 1 to 6 */
    const void *data = json_member_of(message, member->offset);
    if (member->type == PROTOBUF_C_TYPE_DOUBLE && !isfinite(*(const double *)data))
        return codec_json_unwritable(writer, "a Value that is infinite or not a number");
    return codec_json_write_value(writer, member, &schema->fields[kind - 1], data);
}

/* -- Any ----------------------------------------------------------------------------------- */

static const struct codec_message *type_of(struct json_writer *writer, const char *url)
{
    const char *slash = strrchr(url, '/');
    const struct codec_message *schema =
        slash != NULL ? codec_find_message(writer->options.files, aion_str_of(slash + 1))
                      : NULL;
    if (schema == NULL)
        codec_json_unwritable(writer, "an Any of type \"%.100s\", which is not known here",
                              url);
    return schema;
}

static bool write_boxed(struct json_writer *writer, const char *url,
                        const struct codec_message *schema, const ProtobufCMessage *inner)
{
    bool first = false;
    json_put_literal(writer, "{\"@type\":");
    if (!codec_json_put_string(writer, aion_str_of(url)))
        return false;
    if (schema->wkt == CODEC_WKT_NONE || schema->wkt == CODEC_WKT_EMPTY) {
        if (!codec_json_write_members(writer, schema, inner, &first))
            return false;
    } else {
        json_put_literal(writer, ",\"value\":");
        if (!codec_json_write_message(writer, schema, inner))
            return false;
    }
    json_put(writer, '}');
    return true;
}

static bool write_any(struct json_writer *writer, const struct codec_message *schema,
                      const ProtobufCMessage *message)
{
    const char *url = *(const char *const *)field(schema, message, 0);
    const ProtobufCBinaryData *value = field(schema, message, 1);
    if (url[0] == '\0' && value->len == 0) {
        json_put_literal(writer, "{}");
        return true;
    }
    const struct codec_message *type = type_of(writer, url);
    if (type == NULL)
        return false;
    if (writer->any_depth == ANY_DEPTH_MAX)
        return codec_json_unwritable(writer, "Anys inside one another too deeply");
    ProtobufCMessage *inner = codec_unpack(type, aion_str_n(value->data, value->len), NULL,
                                           &writer->scratch, writer->err);
    if (inner == NULL)
        return false;
    writer->any_depth++;
    bool good = write_boxed(writer, url, type, inner);
    writer->any_depth--;
    return good;
}

bool codec_json_write_wkt(struct json_writer *writer, const struct codec_message *schema,
                          const ProtobufCMessage *message)
{
    switch (schema->wkt) {
    case CODEC_WKT_ANY:
        return write_any(writer, schema, message);
    case CODEC_WKT_TIMESTAMP:
        return write_timestamp(writer, schema, message);
    case CODEC_WKT_DURATION:
        return write_duration(writer, schema, message);
    case CODEC_WKT_FIELD_MASK:
        return write_field_mask(writer, schema, message);
    case CODEC_WKT_STRUCT:
    case CODEC_WKT_LIST_VALUE:
        return codec_json_write_field(writer, schema, 0, message);
    case CODEC_WKT_VALUE:
        return write_value(writer, schema, message);
    case CODEC_WKT_WRAPPER:
        return codec_json_write_value(writer, &schema->descriptor->fields[0],
                                      &schema->fields[0], field(schema, message, 0));
    case CODEC_WKT_EMPTY:
    case CODEC_WKT_NONE:
        break;
    }
    return codec_json_unwritable(writer, "%s has no JSON form of its own",
                                 schema->descriptor->name);
}
