/* What a module may write to its pipe: frames are cut without reading past the end, and each
 * payload is a HostMessage or is refused. */
#include "aion/v1/modules.schema.h"
#include "codec/message.h"
#include "sdk/frame.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct codec_scan_limits limits = {.bytes_max = MODULE_FRAME_MAX};
    aion_str rest = aion_str_n(data, size), payload;
    struct aion_arena arena;
    struct aion_err err;
    size_t used;
    aion_arena_init(&arena, 64 << 20, NULL, 0);
    while (rest.size > 0 && module_frame_next(rest, &payload, &used) > 0) {
        assert(used == payload.size + MODULE_FRAME_HEAD && used <= rest.size);
        const ProtobufCMessage *message =
            codec_unpack(&aion__v1__host_message__schema, payload, &limits, &arena, &err);
        assert(message != NULL || err.text[0] != '\0');
        aion_arena_reset(&arena);
        rest = aion_str_n(rest.data + used, rest.size - used);
    }
    aion_arena_done(&arena);
    return 0;
}
