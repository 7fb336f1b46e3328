/* proto3 JSON both ways, directed by the schema: no DOM, one pass, into and out of protobuf-c
 * messages.
 *
 * Follows protobuf.dev "ProtoJSON Format" as Google's conformance suite 3.21.12 checks it; RFC
 * 8259 strict (no comments, no trailing commas, no NaN outside strings, no BOM, UTF-8 only,
 * lone surrogates refused). */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/schema.h"

enum { CODEC_JSON_DEPTH = 32 };

struct codec_json_read {
    const struct codec_file *const *files; /* types that an Any may hold; NULL = none */
    uint32_t depth_max;    /* objects and arrays inside one another; 0 = CODEC_JSON_DEPTH */
    uint32_t elements_max; /* values in all; 0 = 1,000,000 */
    bool ignore_unknown;   /* skip unknown fields and enum names instead of refusing them */
    bool allow_nul;        /* "\u0000" in strings (conformance only): else refused */
};

/* Parses one JSON value into a new message in the arena. Texts are copied.
 * AION_INVALID: err->field is the path ("params.text", "items[2].id"), err->text says what
 * stood there, what was expected, and line:column. Duplicate member names and two members of
 * one oneof are refused. AION_EXHAUSTED: depth, elements or arena. */
ProtobufCMessage *codec_json_parse(const struct codec_message *message, aion_str json,
                                   const struct codec_json_read *options,
                                   struct aion_arena *arena,
                                   struct aion_err *err) AION_MUST_CHECK;

/* The same into part of a message: `json` is the value of one field (google.api.http body:
 * "field"). */
bool codec_json_parse_field(const struct codec_message *message, ProtobufCMessage *into,
                            int field_index, aion_str json,
                            const struct codec_json_read *options, struct aion_arena *arena,
                            struct aion_err *err) AION_MUST_CHECK;

/* Only checks that `json` is one RFC 8259 value; for JSONTestSuite and cold paths. */
bool codec_json_check(aion_str json, uint32_t depth_max, struct aion_err *err) AION_MUST_CHECK;

struct codec_json_write {
    const struct codec_file *const *files; /* types that an Any may hold; NULL = none */
    bool proto_names;                      /* proto field names instead of lowerCamelCase */
    bool emit_defaults; /* fields without presence are written at their default, too */
    bool enum_numbers;  /* enums as numbers */
};

/* Appends the message as JSON, no white space. 64-bit integers are strings, bytes are base64,
 * doubles the shortest text that reads back. AION_INVALID: not expressible (Timestamp out of
 * range, Any of an unknown type, NaN in a Value, Duration signs); AION_EXHAUSTED: out's
 * maximum. */
bool codec_json_print(const struct codec_message *schema, const ProtobufCMessage *message,
                      const struct codec_json_write *options, struct aion_buf *out,
                      struct aion_err *err) AION_MUST_CHECK;
/* Only one field's value (google.api.http response_body). */
bool codec_json_print_field(const struct codec_message *schema, const ProtobufCMessage *message,
                            int field_index, const struct codec_json_write *options,
                            struct aion_buf *out, struct aion_err *err) AION_MUST_CHECK;

#endif
