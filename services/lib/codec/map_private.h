/* The order of a map's entries, and duplicate keys: on the wire a later entry replaces an
 * earlier one of the same key, but protobuf-c keeps both. */
#ifndef CODEC_MAP_PRIVATE_H
#define CODEC_MAP_PRIVATE_H

#include "base/arena.h"
#include "codec/schema.h"

enum { CODEC_MAP_FEW = 16 }; /* up to this many entries are compared pair by pair */

/* Entries of one map by key: strings by bytes, numbers as unsigned ones. */
int codec_map_compare(const ProtobufCMessage *a, const ProtobufCMessage *b);
bool codec_map_same_key(const ProtobufCMessage *a, const ProtobufCMessage *b);

struct codec_map {
    ProtobufCMessage *const *
        *slots; /* places in the message's own array, by key; of duplicates the last */
    size_t count;
};

/* False: the arena's limit. */
bool codec_map_sort(ProtobufCMessage *const *entries, size_t count, struct aion_arena *arena,
                    struct codec_map *ret_map);

/* Bytes of one element of a repeated field, or of a member. */
size_t codec_element_width(ProtobufCType type);

#endif
