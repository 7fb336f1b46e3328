/* Unpacking into arenas, behind the scan. */
#include "codec/message.h"

#include "codec/scan_private.h"

static void *arena_alloc(void *data, size_t size)
{
    return aion_arena_alloc(data, size);
}

static void arena_free(void *data, void *piece)
{
    (void)data;
    (void)piece;
}

ProtobufCAllocator codec_arena_allocator(struct aion_arena *arena)
{
    return (ProtobufCAllocator){arena_alloc, arena_free, arena};
}

ProtobufCMessage *codec_unpack(const struct codec_message *message, aion_str wire,
                               const struct codec_scan_limits *limits, struct aion_arena *arena,
                               struct aion_err *err)
{
    bool rewrite;
    if (!codec_scan_form(message, wire, limits, &rewrite, err))
        return NULL;
    ProtobufCMessage *unpacked = NULL;
    ProtobufCAllocator allocator = codec_arena_allocator(arena);
    if (!rewrite || codec_rewrite(message, &wire, arena))
        unpacked = protobuf_c_message_unpack(message->descriptor, &allocator, wire.size,
                                             (const uint8_t *)wire.data);
    if (unpacked == NULL) /* the scan let through nothing else that protobuf-c refuses */
        return aion_fail_null(err, AION_EXHAUSTED,
                              "message of %zu bytes does not fit in memory", wire.size);
    return unpacked;
}

ProtobufCMessage *codec_message_new(const struct codec_message *message,
                                    struct aion_arena *arena)
{
    ProtobufCMessage *made = aion_arena_alloc(arena, message->descriptor->sizeof_message);
    if (made != NULL)
        protobuf_c_message_init(message->descriptor, made);
    return made;
}

ProtobufCMessage *codec_message_copy(const struct codec_message *message,
                                     const ProtobufCMessage *from, struct aion_arena *arena)
{
    size_t size = protobuf_c_message_get_packed_size(from);
    uint8_t *wire = aion_arena_alloc(arena, size);
    if (wire == NULL)
        return NULL;
    protobuf_c_message_pack(from, wire);
    ProtobufCAllocator allocator = codec_arena_allocator(arena);
    return protobuf_c_message_unpack(message->descriptor, &allocator, size, wire);
}
