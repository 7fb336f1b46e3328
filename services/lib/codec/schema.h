/* What protobuf-c's descriptors do not say, generated beside them by protoc-gen-aion.
 *
 * For X.proto the plugin writes X.schema.h and X.schema.c: one codec_message per message, one
 * codec_enum per enum, and one codec_file that holds the FileDescriptorProto's bytes for
 * reflection. All are static const and live for ever; all functions of codec may be called from
 * any thread. */
#ifndef CODEC_SCHEMA_H
#define CODEC_SCHEMA_H

#include "base/str.h"

#include <protobuf-c/protobuf-c.h>

/* Messages with a JSON form of their own (protobuf.dev, "ProtoJSON Format"). */
enum codec_wkt {
    CODEC_WKT_NONE,
    CODEC_WKT_ANY,
    CODEC_WKT_TIMESTAMP,
    CODEC_WKT_DURATION,
    CODEC_WKT_FIELD_MASK,
    CODEC_WKT_STRUCT,
    CODEC_WKT_VALUE,
    CODEC_WKT_LIST_VALUE,
    CODEC_WKT_WRAPPER, /* one of the nine wrappers: field 1 is the value */
    CODEC_WKT_EMPTY,
};

struct codec_message;

struct codec_enum {
    const ProtobufCEnumDescriptor *descriptor;
    bool null_value; /* google.protobuf.NullValue: JSON null */
    /* All names in file order, aliases too (protobuf-c sorts and drops some). */
    struct codec_enum_name {
        const char *name;
        int32_t number;
    } const *names;
    size_t name_count;
};

struct codec_field {
    const char *json_name;                /* lowerCamelCase, or the json_name option */
    const struct codec_message *message;  /* type of a message field, else NULL */
    const struct codec_enum *enumeration; /* type of an enum field, else NULL */
    bool map;             /* repeated map entry: message->fields[0] key, [1] value */
    bool proto3_optional; /* explicit presence by a synthetic one-member oneof */
    int16_t oneof;        /* index of the real oneof in its message, -1 = none */
};

struct codec_message {
    const ProtobufCMessageDescriptor *descriptor;
    const struct codec_field *fields; /* one per descriptor->fields, same order (by tag) */
    /* Field indexes sorted by JSON name and by proto name, for binary search. */
    const uint16_t *by_json_name, *by_name;
    enum codec_wkt wkt;
    uint16_t oneof_count;
};

struct codec_file {
    const char *name;          /* "aion/v1/tasks.proto" */
    const uint8_t *descriptor; /* serialized google.protobuf.FileDescriptorProto */
    size_t descriptor_size;
    const struct codec_file *const *imports;     /* NULL-terminated, in file order */
    const struct codec_message *const *messages; /* NULL-terminated, nested ones too */
    const struct codec_enum *const *enums;       /* NULL-terminated, nested ones too */
    const char *const *symbols; /* NULL-terminated full names: messages, enums, services,
                                   methods, extensions */
};

/* Full names: "aion.v1.TaskRequest". Searches the files and their imports; NULL = none.
 * `files` is NULL-terminated. For Any and reflection; a linear walk, not for hot paths. */
const struct codec_message *codec_find_message(const struct codec_file *const *files,
                                               aion_str name);
const struct codec_file *codec_find_symbol(const struct codec_file *const *files,
                                           aion_str name);
const struct codec_file *codec_find_file(const struct codec_file *const *files, aion_str name);

/* Index of a field by its JSON name, else by its proto name; -1 = none. */
int codec_field_index(const struct codec_message *message, aion_str name);

#endif
