/* Wire form of any bytes: what the scan takes unpacks for want of memory only, and what was
 * packed once packs again to the same bytes; its canonical form unpacks, too. */
#include "aion/test/codec.schema.h"
#include "codec/message.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct codec_message *const schema = &aion__test__all__schema;

static aion_str pack(const ProtobufCMessage *message, struct aion_arena *arena)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *wire = aion_arena_alloc(arena, size);
    assert(wire != NULL && protobuf_c_message_pack(message, wire) == size);
    return aion_str_n(wire, size);
}

static void check_canonical(const ProtobufCMessage *message, struct aion_arena *arena)
{
    struct aion_buf out;
    struct aion_err err;
    aion_buf_init(&out, 16 << 20);
    if (codec_canonical(schema, message, NULL, &out, &err))
        assert(codec_unpack(schema, aion_buf_view(&out), NULL, arena, &err) != NULL);
    aion_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct codec_scan_limits limits = {.elements_max = 10000};
    aion_str wire = aion_str_n(data, size);
    struct aion_arena arena;
    struct aion_err err = {.code = AION_OK};
    aion_arena_init(&arena, (size_t)1 << 30, NULL, 0);
    bool scanned = codec_scan(schema, wire, &limits, &err);
    ProtobufCMessage *message = codec_unpack(schema, wire, &limits, &arena, &err);
    assert(scanned == (message != NULL));
    if (message != NULL) {
        aion_str once = pack(message, &arena);
        ProtobufCMessage *again = codec_unpack(schema, once, NULL, &arena, &err);
        assert(again != NULL && aion_str_eq(once, pack(again, &arena)));
        check_canonical(message, &arena);
    }
    aion_arena_done(&arena);
    return 0;
}
