/* One value out of one text: the content of a JSON string, a map's key, a path variable, a
 * query parameter. */
#include "codec/json_private.h"

#include <math.h>

/* -- numbers ------------------------------------------------------------------------------- */

static bool store_signed(const struct json_number *number, bool wide, void *member)
{
    int64_t value;
    if (!codec_json_number_i64(number, wide ? INT64_MIN : INT32_MIN,
                               wide ? INT64_MAX : INT32_MAX, &value))
        return false;
    if (wide)
        *(int64_t *)member = value;
    else
        *(int32_t *)member = (int32_t)value;
    return true;
}

static bool store_unsigned(const struct json_number *number, bool wide, void *member)
{
    uint64_t value;
    if (!codec_json_number_u64(number, wide ? UINT64_MAX : UINT32_MAX, &value))
        return false;
    if (wide)
        *(uint64_t *)member = value;
    else
        *(uint32_t *)member = (uint32_t)value;
    return true;
}

static const char *number_kind(ProtobufCType type)
{
    switch ((int)type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return "a 64-bit integer";
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return "an unsigned 32-bit integer";
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return "an unsigned 64-bit integer";
    case PROTOBUF_C_TYPE_FLOAT:
        return "a 32-bit number";
    case PROTOBUF_C_TYPE_DOUBLE:
        return "a 64-bit number";
    default:
        return "a 32-bit integer";
    }
}

bool codec_json_number_store(struct json_reader *reader, ProtobufCType type,
                             const struct json_number *number, void *member)
{
    bool stored;
    switch ((int)type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        stored = store_signed(number, true, member);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        stored = store_unsigned(number, true, member);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        stored = store_unsigned(number, false, member);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        stored = codec_json_number_float(number, member);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        stored = codec_json_number_double(number, member);
        break;
    default:
        stored = store_signed(number, false, member);
        break;
    }
    return stored || codec_json_refuse(reader, AION_INVALID, "%.*s is not %s",
                                       (int)(number->text.size < 40 ? number->text.size : 40),
                                       number->text.data, number_kind(type));
}

static bool whole_number(aion_str text, struct json_number *ret)
{
    return text.size > 0 && codec_json_number_scan(text.data, text.data + text.size, ret) &&
           ret->text.size == text.size;
}

/* "NaN", "Infinity" and "-Infinity" have no number's form in JSON. */
static bool special_double(aion_str text, double *ret)
{
    if (aion_str_eq(text, AION_STR("NaN")))
        *ret = (double)NAN;
    else if (aion_str_eq(text, AION_STR("Infinity")))
        *ret = (double)INFINITY;
    else if (aion_str_eq(text, AION_STR("-Infinity")))
        *ret = -(double)INFINITY;
    else
        return false;
    return true;
}

static bool number_of_text(struct json_reader *reader, ProtobufCType type, aion_str text,
                           void *member)
{
    struct json_number number;
    double special;
    if (whole_number(text, &number))
        return codec_json_number_store(reader, type, &number, member);
    if (type == PROTOBUF_C_TYPE_DOUBLE && special_double(text, &special)) {
        *(double *)member = special;
        return true;
    }
    if (type == PROTOBUF_C_TYPE_FLOAT && special_double(text, &special)) {
        *(float *)member = (float)special;
        return true;
    }
    return codec_json_refuse(reader, AION_INVALID, "\"%.*s\" is not %s",
                             (int)(text.size < 40 ? text.size : 40), text.data,
                             number_kind(type));
}

/* -- the other scalars --------------------------------------------------------------------- */

static enum json_got enum_of_text(struct json_reader *reader,
                                  const struct codec_enum *enumeration, aion_str text,
                                  bool quoted, void *member)
{
    for (size_t i = 0; i < enumeration->name_count; i++)
        if (aion_str_is(text, enumeration->names[i].name)) {
            *(int32_t *)member = enumeration->names[i].number;
            return JSON_VALUE;
        }
    struct json_number number;
    if (!quoted && whole_number(text, &number))
        return codec_json_number_store(reader, PROTOBUF_C_TYPE_INT32, &number, member)
                   ? JSON_VALUE
                   : JSON_BAD;
    if (reader->options.ignore_unknown)
        return JSON_NOTHING;
    codec_json_refuse(reader, AION_INVALID, "\"%.*s\" is no value of %s",
                      (int)(text.size < 40 ? text.size : 40), text.data,
                      enumeration->descriptor->name);
    return JSON_BAD;
}

// clang-format off
/* Values of the characters of both base64 alphabets; NO = none. */
enum { NO = 255 };
static const uint8_t sextets[256] = {
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, 62, NO, 62, NO, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NO, NO, NO, NO, NO, NO,
    NO, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NO, NO, NO, NO, 63,
    NO, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
    NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
};
// clang-format on

/* Four characters to three bytes. What is no character of the alphabets has its high bit set.
 */
static bool base64_group(const char *in, uint8_t out[3])
{
    uint32_t a = sextets[(uint8_t)in[0]], b = sextets[(uint8_t)in[1]],
             c = sextets[(uint8_t)in[2]], d = sextets[(uint8_t)in[3]];
    uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)bits;
    return ((a | b | c | d) & 0x80) == 0;
}

/* Base64 as proto3 JSON takes it: either alphabet, padding optional, stray bits of the last
 * character passed over (which base/base64.h, made for credentials, refuses). `out` has room
 * for 3/4 of the text and 3. */
static bool base64(aion_str text, uint8_t *out, size_t *ret_size)
{
    size_t padding = 0;
    while (padding < 2 && text.size > 0 && text.data[text.size - 1] == '=') {
        text.size--;
        padding++;
    }
    if (text.size % 4 == 1 || (padding > 0 && (text.size + padding) % 4 != 0))
        return false;
    size_t whole = text.size / 4 * 4, rest = text.size - whole, size = 0;
    for (size_t i = 0; i < whole; i += 4, size += 3)
        if (!base64_group(text.data + i, out + size))
            return false;
    if (rest > 0) {
        char last[4] = {'A', 'A', 'A', 'A'};
        memcpy(last, text.data + whole, rest);
        if (!base64_group(last, out + size))
            return false;
        size += rest - 1;
    }
    *ret_size = size;
    return true;
}

static bool bytes_of_text(struct json_reader *reader, aion_str text,
                          ProtobufCBinaryData *member)
{
    size_t size;
    uint8_t *data = aion_arena_alloc(reader->arena, text.size / 4 * 3 + 3);
    if (data == NULL)
        return codec_json_refuse_memory(reader);
    if (!base64(text, data, &size))
        return codec_json_refuse(reader, AION_INVALID, "not base64");
    *member = (ProtobufCBinaryData){.data = data, .len = size};
    return true;
}

static bool string_of_text(struct json_reader *reader, aion_str text, char **member)
{
    *member = aion_arena_text(reader->arena, text);
    return *member != NULL || codec_json_refuse_memory(reader);
}

static bool bool_of_text(struct json_reader *reader, aion_str text, bool quoted, void *member)
{
    bool yes = aion_str_eq(text, AION_STR("true"));
    if (quoted || (!yes && !aion_str_eq(text, AION_STR("false"))))
        return codec_json_refuse(reader, AION_INVALID, "expected true or false%s",
                                 quoted ? ", found a string" : "");
    *(protobuf_c_boolean *)member = yes;
    return true;
}

/* Timestamp, Duration, FieldMask, wrappers, a Value of a string. */
static enum json_got message_of_text(struct json_reader *reader,
                                     const struct codec_message *schema, aion_str text,
                                     ProtobufCMessage **member)
{
    ProtobufCMessage *made = codec_json_new(reader, schema);
    if (made == NULL)
        return JSON_BAD;
    if (schema->wkt == CODEC_WKT_WRAPPER) {
        const ProtobufCFieldDescriptor *value = &schema->descriptor->fields[0];
        if (codec_json_text_value(reader, value, &schema->fields[0], text, false,
                                  json_member(made, value->offset)) == JSON_BAD)
            return JSON_BAD;
    } else if (!codec_json_wkt_of_text(reader, schema, text, made)) {
        return JSON_BAD;
    }
    *member = made;
    return JSON_VALUE;
}

enum json_got codec_json_text_value(struct json_reader *reader,
                                    const ProtobufCFieldDescriptor *field,
                                    const struct codec_field *about, aion_str text, bool quoted,
                                    void *member)
{
    bool good;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        good = string_of_text(reader, text, member);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        good = bytes_of_text(reader, text, member);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        good = bool_of_text(reader, text, quoted, member);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        return enum_of_text(reader, about->enumeration, text, quoted, member);
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_of_text(reader, about->message, text, member);
    default:
        good = number_of_text(reader, field->type, text, member);
        break;
    }
    return good ? JSON_VALUE : JSON_BAD;
}
