/* Inside of the JSON codec: the reader's cursor, the writer's cursor, and what the files share.
 *
 *   json_lex.c     tokens: white space, strings, literals; errors with path, line and column;
 * skipping json_number.c  numbers both ways, apart from the process's locale json_text.c    one
 * value out of a text: of a JSON string, a map's key, a query parameter json_parse.c messages,
 * fields, repeated fields, maps, by schema json_wkt.c     reading the well-known types;
 * json_wkt_print.c: writing them json_print.c   messages and fields to text */
#ifndef CODEC_JSON_PRIVATE_H
#define CODEC_JSON_PRIVATE_H

#include "codec/json.h"

/* -- reading ------------------------------------------------------------------------------- */

/* What is being read, for the path of an error: a list through the C stack, innermost first. */
struct json_place {
    const struct json_place *up;
    const char *field; /* name of a field, or NULL */
    aion_str name;     /* else a key; data NULL: an element */
    size_t index;
};

struct json_reader {
    const char *at, *end, *begin; /* begin NULL: not of a JSON text, errors have no position */
    struct codec_json_read options; /* defaults filled in */
    struct aion_arena *arena;
    const struct json_place *place;
    uint32_t depth_left, elements_left;
    struct aion_err *err;
};

/* What reading a value came to. */
enum json_got {
    JSON_BAD,     /* refused, err is set */
    JSON_VALUE,   /* the member is written */
    JSON_NOTHING, /* an unknown enum name under ignore_unknown: leave the field alone */
};

void codec_json_reader_init(struct json_reader *reader, aion_str json,
                            const struct codec_json_read *options, struct aion_arena *arena,
                            struct aion_err *err);
/* Always false; err gets path, words, line and column. */
bool codec_json_refuse(struct json_reader *reader, enum aion_code code, const char *fmt, ...)
    AION_PRINTF(3, 4) AION_COLD;
/* Errors quote what came from outside, cut to length: bytes that are no UTF-8 (any more) become
 * '?', since the text travels on in messages. */
void codec_json_scrub(char *text) AION_COLD;
bool codec_json_refuse_memory(struct json_reader *reader) AION_COLD;
/* "expected WHAT, found a number". */
bool codec_json_expected(struct json_reader *reader, const char *what) AION_COLD;

/* The next character behind white space, -1 at the end. */
static inline int json_peek(struct json_reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    reader->at = at;
    return at < reader->end ? (unsigned char)*at : -1;
}

/* Takes `c` when it is next. */
static inline bool json_take(struct json_reader *reader, char c)
{
    if (json_peek(reader) != (unsigned char)c)
        return false;
    reader->at++;
    return true;
}

bool codec_json_count(struct json_reader *reader); /* one value more, in all */
bool codec_json_enter(struct json_reader *reader,
                      char open); /* takes '{' or '[' and one level of depth */
static inline void json_leave(struct json_reader *reader)
{
    reader->depth_left++;
}
bool codec_json_literal(struct json_reader *reader,
                        const char *word); /* takes it, or is refused */
/* A string's text: borrowed from the input when it has no escapes, else in the arena with a NUL
 * behind
 * (*ret_owned). The reader stands at the quote. */
bool codec_json_string(struct json_reader *reader, aion_str *ret_text, bool *ret_owned);
/* The same, in the arena with a NUL behind it. */
bool codec_json_string_copy(struct json_reader *reader, char **ret_text);
/* One value of any kind is checked and stepped over; no recursion. */
bool codec_json_skip(struct json_reader *reader);
bool codec_json_end(struct json_reader *reader); /* nothing but white space is left */

/* A number taken apart: (-1)^negative * digits * 10^exponent. */
struct json_number {
    aion_str text;
    uint64_t digits;
    int32_t exponent;
    bool negative;
    bool exact; /* the significant digits fit: `digits` holds all of them */
};

/* The number at the start of the text by RFC 8259's grammar; ret->text is its extent. */
bool codec_json_number_scan(const char *at, const char *end, struct json_number *ret);
bool codec_json_number_take(struct json_reader *reader, struct json_number *ret);
/* False: not integral or out of range. 1.0 and 1e2 are integral. */
bool codec_json_number_i64(const struct json_number *number, int64_t least, int64_t most,
                           int64_t *ret);
bool codec_json_number_u64(const struct json_number *number, uint64_t most, uint64_t *ret);
/* False: out of range (the value would be infinite) or out of memory. */
bool codec_json_number_double(const struct json_number *number, double *ret);
bool codec_json_number_float(const struct json_number *number, float *ret);

/* A value from a text: numbers, true and false, enum names and numbers, base64, strings, and
 * messages whose JSON form is a string or scalar. `quoted`: the text stood in a JSON string as
 * a value, so that bools and enum numbers are refused. `text` is copied. */
enum json_got codec_json_text_value(struct json_reader *reader,
                                    const ProtobufCFieldDescriptor *field,
                                    const struct codec_field *about, aion_str text, bool quoted,
                                    void *member);
bool codec_json_number_store(struct json_reader *reader, ProtobufCType type,
                             const struct json_number *number, void *member);

ProtobufCMessage *codec_json_new(struct json_reader *reader,
                                 const struct codec_message *schema);
/* A whole message in its own JSON form; a field's value by name; a value without presence. */
bool codec_json_read_message(struct json_reader *reader, const struct codec_message *schema,
                             ProtobufCMessage *into);
bool codec_json_read_field(struct json_reader *reader, const struct codec_message *schema,
                           int index, ProtobufCMessage *into);
enum json_got codec_json_read_value(struct json_reader *reader,
                                    const ProtobufCFieldDescriptor *field,
                                    const struct codec_field *about, void *member);
/* Members of a plain message. `any`: "@type" is passed over. */
bool codec_json_read_members(struct json_reader *reader, const struct codec_message *schema,
                             ProtobufCMessage *into, bool any);
bool codec_json_read_map(struct json_reader *reader, const struct codec_message *schema,
                         int index, ProtobufCMessage *into);
bool codec_json_read_list(struct json_reader *reader, const struct codec_message *schema,
                          int index, ProtobufCMessage *into);

/* json_wkt.c: any well-known type, and those written as a string. */
bool codec_json_read_wkt(struct json_reader *reader, const struct codec_message *schema,
                         ProtobufCMessage *into);
bool codec_json_wkt_of_text(struct json_reader *reader, const struct codec_message *schema,
                            aion_str text, ProtobufCMessage *into);

/* -- writing ------------------------------------------------------------------------------- */

struct json_writer {
    char *at, *end; /* room reserved in out */
    struct aion_buf *out;
    struct codec_json_write options;
    struct aion_arena scratch; /* for Any and the order of maps */
    const char *field;         /* the one being written, for errors */
    uint32_t any_depth;        /* messages inside Anys: each is scanned on its own */
    struct aion_err *err;
};

enum { JSON_NUMBER_MAX = 32 };

/* Bytes and texts appended; when out's maximum is reached nothing more is written and the end
 * tells. */
bool codec_json_grow(struct json_writer *writer, size_t size) AION_COLD;
static inline bool json_room(struct json_writer *writer, size_t size)
{
    return aion_likely((size_t)(writer->end - writer->at) >= size) ||
           codec_json_grow(writer, size);
}
static inline void json_put(struct json_writer *writer, char c)
{
    if (json_room(writer, 1))
        *writer->at++ = c;
}
static inline void json_put_bytes(struct json_writer *writer, const void *data, size_t size)
{
    if (json_room(writer, size)) {
        memcpy(writer->at, data, size);
        writer->at += size;
    }
}
#define json_put_literal(writer, text) json_put_bytes((writer), (text), sizeof(text) - 1)

bool codec_json_put_string(struct json_writer *writer, aion_str text);
void codec_json_put_i64(struct json_writer *writer, int64_t value);
void codec_json_put_u64(struct json_writer *writer, uint64_t value);
void codec_json_put_double(struct json_writer *writer, double value);
void codec_json_put_float(struct json_writer *writer, float value);

/* Shortest text that reads back; finite values only. Returns the length. */
size_t codec_json_print_u64(char *out, uint64_t value);
size_t codec_json_print_double(char out[JSON_NUMBER_MAX], double value);
size_t codec_json_print_float(char out[JSON_NUMBER_MAX], float value);

bool codec_json_unwritable(struct json_writer *writer, const char *fmt, ...)
    AION_PRINTF(2, 3) AION_COLD;
bool codec_json_write_message(struct json_writer *writer, const struct codec_message *schema,
                              const ProtobufCMessage *message);
/* The members without braces; *first tells whether a comma is due. */
bool codec_json_write_members(struct json_writer *writer, const struct codec_message *schema,
                              const ProtobufCMessage *message, bool *first);
bool codec_json_write_field(struct json_writer *writer, const struct codec_message *schema,
                            size_t index, const ProtobufCMessage *message);
bool codec_json_write_value(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                            const struct codec_field *about, const void *member);
bool codec_json_write_wkt(struct json_writer *writer, const struct codec_message *schema,
                          const ProtobufCMessage *message);

/* -- members of protobuf-c messages -------------------------------------------------------- */

static inline void *json_member(ProtobufCMessage *message, unsigned offset)
{
    return (char *)message + offset;
}
static inline const void *json_member_of(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

#endif
