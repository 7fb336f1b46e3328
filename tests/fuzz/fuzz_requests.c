/* The request of every method we have, as its server meets it: any bytes are scanned and
 * unpacked with the method's own bounds; what is taken packs, reads back, and survives as JSON.
 *
 * The first byte chooses the method. */
#include "aion/v1/events.mesh.h"
#include "aion/v1/modules.mesh.h"
#include "aion/v1/ops.mesh.h"
#include "aion/v1/retention.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/state.mesh.h"
#include "aion/v1/tasks.mesh.h"
#include "codec/json.h"
#include "codec/message.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mesh_service_type *const services[] = {
    &aion_v1_aion_tasks_type, &aion_v1_hosts_type,     &aion_v1_module_host_type,
    &aion_v1_modules_type,    &aion_v1_ops_type,       &aion_v1_router_type,
    &aion_v1_state_type,      &aion_v1_retention_type, &aion_v1_events_type,
    &aion_v1_budgets_type,    &aion_v1_keys_type,
};

static const struct mesh_method *choose(uint8_t number)
{
    size_t left = number;
    for (size_t i = 0;; i = (i + 1) % aion_countof(services)) {
        if (left < services[i]->method_count)
            return &services[i]->methods[left];
        left -= services[i]->method_count;
    }
}

static void check_json(const struct codec_message *schema, const ProtobufCMessage *message,
                       struct aion_arena *arena)
{
    const struct codec_json_write write = {.emit_defaults = false};
    const struct codec_json_read read = {.files = NULL};
    struct aion_buf out;
    struct aion_err err;
    aion_buf_init(&out, 16 << 20);
    /* not all that protobuf can say has a JSON form: a NaN in a Value, a Timestamp of year 0 */
    if (codec_json_print(schema, message, &write, &out, &err))
        assert(codec_json_parse(schema, aion_buf_view(&out), &read, arena, &err) != NULL ||
               err.code == AION_EXHAUSTED);
    aion_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct mesh_method *method = choose(data[0]);
    const struct codec_scan_limits limits = {.bytes_max = method->request_bytes_max};
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, (size_t)256 << 20, NULL, 0);
    ProtobufCMessage *message =
        codec_unpack(method->request, aion_str_n(data + 1, size - 1), &limits, &arena, &err);
    if (message != NULL) {
        size_t packed = protobuf_c_message_get_packed_size(message);
        uint8_t *wire = aion_arena_alloc(&arena, packed);
        assert(wire != NULL && protobuf_c_message_pack(message, wire) == packed);
        assert(codec_unpack(method->request, aion_str_n(wire, packed), NULL, &arena, &err) !=
               NULL);
        check_json(method->request, message, &arena);
    }
    aion_arena_done(&arena);
    return 0;
}
