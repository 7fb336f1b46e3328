/* Messages that wait to be sent, and several in one.
 *
 * A message costs the core on each side some ten microseconds, whatever is in it. On a standing
 * stream what is sent while something is still on its way may leave as one message: the first
 * one, with the others in a repeated field of it (`more`). In protobuf's encoding that is an
 * appending: the field's tag and length, then the other's bytes. Whoever reads must know it, so
 * nothing is bundled until it has said so. */
#include "mesh/core_private.h"

#include <assert.h>
#include <stdlib.h>

enum {
    BUNDLE_MAX = 32 * 1024, /* below the limits of all requests; one larger goes by itself */
    HEAD_MAX = 15,          /* a tag and a length */
    TYPE_BYTES = 2          /* of a field: length and bytes */
};

static char *add_varint(char *at, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

uint32_t mesh_more_field(const ProtobufCMessageDescriptor *descriptor)
{
    const ProtobufCFieldDescriptor *more =
        protobuf_c_message_descriptor_get_field_by_name(descriptor, "more");
    assert(more != NULL && more->label == PROTOBUF_C_LABEL_REPEATED &&
           more->descriptor == descriptor);
    return more->id;
}

struct mesh_out *mesh_out_new(grpc_byte_buffer *buffer, size_t size)
{
    struct mesh_out *out = calloc(1, sizeof(*out));
    if (out == NULL)
        abort(); /* a few bytes: nothing sensible is left to do */
    out->buffer = buffer;
    out->size = size;
    return out;
}

struct mesh_out *mesh_out_open(size_t size)
{
    struct mesh_out *out = mesh_out_new(NULL, 0);
    aion_buf_init(&out->bundle, size > BUNDLE_MAX ? size : BUNDLE_MAX);
    return out;
}

bool mesh_out_has_room(const struct mesh_out *out, size_t size)
{
    return out->buffer == NULL && size <= BUNDLE_MAX &&
           out->bundle.size + size + HEAD_MAX <= BUNDLE_MAX;
}

char *mesh_out_part(struct mesh_out *out, uint32_t field, size_t size)
{
    struct aion_buf *bundle = &out->bundle;
    char head[HEAD_MAX], *end = head;
    if (bundle->size > 0 || out->parts > 0) {
        end = add_varint(end, (uint64_t)field << 3 | TYPE_BYTES);
        end = add_varint(end, size);
    }
    aion_buf_add(bundle, head, (size_t)(end - head));
    char *room = aion_buf_reserve(bundle, size);
    if (room == NULL)
        abort(); /* mesh_out_has_room has said that it fits */
    bundle->size += size;
    out->parts++;
    return room;
}

grpc_byte_buffer *mesh_out_buffer(struct mesh_out *out)
{
    if (out->buffer == NULL) {
        grpc_slice slice = out->bundle.size > 0
                               ? grpc_slice_new(out->bundle.data, out->bundle.size, free)
                               : grpc_empty_slice();
        if (out->bundle.size == 0)
            free(out->bundle.data);
        out->bundle.data = NULL;
        out->buffer = grpc_raw_byte_buffer_create(&slice, 1);
        grpc_slice_unref(slice);
    }
    return out->buffer;
}

struct mesh_out *mesh_out_join(struct mesh_out *first, struct mesh_out ***last, size_t size)
{
    struct mesh_out *out = first != NULL ? aion_container(*last, struct mesh_out, next) : NULL;
    if (out != NULL && mesh_out_has_room(out, size))
        return out;
    out = mesh_out_open(size);
    **last = out;
    *last = &out->next;
    return out;
}

void mesh_out_free(struct mesh_out *out)
{
    if (out == NULL)
        return;
    if (out->buffer != NULL)
        grpc_byte_buffer_destroy(out->buffer);
    aion_buf_done(&out->bundle);
    free(out);
}
