/* Slices, byte buffers and metadata of the core as strings of ours. */
#include "mesh/core_private.h"

#include <assert.h>
#include <stdlib.h>

aion_str mesh_slice_view(const grpc_slice *slice)
{
    return aion_str_n(GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
}

/* The buffer takes a reference of its own: ours goes. */
static grpc_byte_buffer *buffer_of(grpc_slice slice)
{
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

grpc_byte_buffer *mesh_pack(const ProtobufCMessage *message, size_t *ret_size)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    grpc_slice slice = grpc_slice_malloc(size);
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    *ret_size = size;
    return buffer_of(slice);
}

grpc_byte_buffer *mesh_pack_wire(aion_str wire)
{
    return buffer_of(grpc_slice_from_copied_buffer(wire.data, wire.size));
}

/* -- one message for many calls ------------------------------------------- */

struct mesh_wire {
    grpc_slice slice;
};

struct mesh_wire *mesh_wire_new(aion_str packed)
{
    struct mesh_wire *wire = malloc(sizeof(*wire));
    if (wire == NULL)
        abort(); /* as the core does: it has no slices without memory */
    wire->slice = grpc_slice_from_copied_buffer(packed.data, packed.size);
    return wire;
}

void mesh_wire_free(struct mesh_wire *wire)
{
    if (wire == NULL)
        return;
    grpc_slice_unref(wire->slice);
    free(wire);
}

grpc_byte_buffer *mesh_wires_buffer(struct mesh_wire *const *wires, size_t count,
                                    size_t *ret_size)
{
    grpc_slice slices[MESH_WIRES_MAX];
    assert(count >= 1 && count <= MESH_WIRES_MAX);
    *ret_size = 0;
    for (size_t i = 0; i < count; i++) {
        slices[i] = wires[i]->slice;
        *ret_size += GRPC_SLICE_LENGTH(slices[i]);
    }
    return grpc_raw_byte_buffer_create(slices, count);
}

/* -- what was received ---------------------------------------------------- */

bool mesh_buffer_view(grpc_byte_buffer *buffer, struct aion_arena *arena, aion_str *ret_wire)
{
    grpc_byte_buffer_reader reader;
    *ret_wire = (aion_str){0};
    if (buffer == NULL || !grpc_byte_buffer_reader_init(&reader, buffer))
        return buffer == NULL;
    size_t total = grpc_byte_buffer_length(buffer);
    grpc_slice *slice;
    bool good = true;
    if (total > 0 && grpc_byte_buffer_reader_peek(&reader, &slice)) {
        *ret_wire = mesh_slice_view(slice);
        if (ret_wire->size < total) {
            char *copy = aion_arena_alloc(arena, total);
            size_t used = 0;
            good = copy != NULL;
            do {
                aion_str part = mesh_slice_view(slice);
                if (good && part.size <= total - used) {
                    memcpy(copy + used, part.data, part.size);
                    used += part.size;
                }
            } while (grpc_byte_buffer_reader_peek(&reader, &slice));
            *ret_wire = aion_str_n(copy, used);
        }
    }
    grpc_byte_buffer_reader_destroy(&reader);
    return good;
}

aion_str mesh_metadata_find(const grpc_metadata_array *array, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < array->count; i++) {
        aion_str key = mesh_slice_view(&array->metadata[i].key);
        if (key.size == size && memcmp(key.data, name, size) == 0)
            return mesh_slice_view(&array->metadata[i].value);
    }
    return (aion_str){0};
}
