/* protobuf-c messages in arenas. */
#ifndef CODEC_MESSAGE_H
#define CODEC_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/scan.h"
#include "codec/schema.h"

/* An allocator whose memory is the arena's: free does nothing, so free_unpacked is never
 * called. The result borrows the arena and is passed by address to protobuf-c. */
ProtobufCAllocator codec_arena_allocator(struct aion_arena *arena);

/* Scan, then unpack into the arena. The message lives as long as the arena.
 * Errors: codec_scan's, and AION_EXHAUSTED when the arena's limit is reached. */
ProtobufCMessage *codec_unpack(const struct codec_message *message, aion_str wire,
                               const struct codec_scan_limits *limits, struct aion_arena *arena,
                               struct aion_err *err) AION_MUST_CHECK;

/* An empty message in the arena, or NULL. */
ProtobufCMessage *codec_message_new(const struct codec_message *message,
                                    struct aion_arena *arena);

/* A deep copy in the arena, through the wire form; NULL: arena's limit. */
ProtobufCMessage *codec_message_copy(const struct codec_message *message,
                                     const ProtobufCMessage *from, struct aion_arena *arena);

/* The canonical form that idempotency digests are made of (design.md §6 "Body digest"): fields
 * by number, defaults dropped, maps and Struct sorted by key bytes (last duplicate wins),
 * doubles as IEEE bits with -0 = 0, unknown fields dropped. `skip` (may be NULL) names
 * top-level field numbers left out, 0-terminated. AION_EXHAUSTED: out's maximum. */
bool codec_canonical(const struct codec_message *schema, const ProtobufCMessage *message,
                     const uint32_t *skip, struct aion_buf *out,
                     struct aion_err *err) AION_MUST_CHECK;

#endif
