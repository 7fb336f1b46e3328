/* Messages of a stream that wait to be sent, and several in one.
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
    TYPE_BYTES = 2,         /* of a field: length and bytes */
    COST = 256,             /* of a message beside its bytes: our part and the core's buffer */
    LEAST = 768 /* that one by itself counts for beside that: its slice, and what the heap loses
                 * between small ones (tests/bench/footprint) */
};

/* -- a message or a bundle ------------------------------------------------ */

static struct mesh_out *out_new(struct mesh_queue *queue)
{
    struct mesh_out *out = queue->own_used ? malloc(sizeof(*out)) : &queue->own;
    if (out == NULL)
        abort(); /* a few bytes: nothing sensible is left to do */
    *out = (struct mesh_out){.size = COST};
    queue->bytes += COST;
    queue->own_used = true;
    *queue->last = out;
    queue->last = &out->next;
    return out;
}

static void out_free(struct mesh_queue *queue, struct mesh_out *out)
{
    queue->bytes -= out->size;
    if (out->buffer != NULL)
        grpc_byte_buffer_destroy(out->buffer);
    aion_buf_done(&out->bundle);
    if (out == &queue->own)
        queue->own_used = false;
    else
        free(out);
}

static void count(struct mesh_queue *queue, struct mesh_out *out, size_t size)
{
    out->size += size;
    queue->bytes += size;
}

static char *add_varint(char *at, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

/* Where one more message is to be packed. */
static char *part(struct mesh_out *out, uint32_t field, size_t size)
{
    struct aion_buf *bundle = &out->bundle;
    char head[HEAD_MAX], *end = head;
    if (out->begun) {
        end = add_varint(end, (uint64_t)field << 3 | TYPE_BYTES);
        end = add_varint(end, size);
    }
    aion_buf_add(bundle, head, (size_t)(end - head));
    char *room = aion_buf_reserve(bundle, size);
    if (room == NULL)
        abort(); /* out of memory: has_room has said that it fits */
    bundle->size += size;
    out->begun = true;
    return room;
}

static bool has_room(const struct mesh_out *out, size_t size)
{
    return out->buffer == NULL && size <= BUNDLE_MAX &&
           out->bundle.size + size + HEAD_MAX <= BUNDLE_MAX;
}

/* The open one at the end that has room, or a new one there. */
static char *join(struct mesh_queue *queue, size_t size)
{
    struct mesh_out *out =
        queue->first != NULL ? aion_container(queue->last, struct mesh_out, next) : NULL;
    if (out == NULL || !has_room(out, size)) {
        out = out_new(queue);
        aion_buf_init(&out->bundle, size > BUNDLE_MAX ? size : BUNDLE_MAX);
    }
    count(queue, out, size);
    return part(out, queue->more_field, size);
}

static void close_bundle(struct mesh_out *out)
{
    grpc_slice slice = grpc_empty_slice();
    if (out->bundle.size > 0) {
        slice = grpc_slice_new(out->bundle.data, out->bundle.size, free);
        out->bundle.data = NULL;
    }
    out->buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
}

/* -- the queue ------------------------------------------------------------ */

void mesh_queue_init(struct mesh_queue *queue)
{
    *queue = (struct mesh_queue){.last = &queue->first};
}

void mesh_queue_bundle(struct mesh_queue *queue, const ProtobufCMessageDescriptor *type)
{
    const ProtobufCFieldDescriptor *more =
        protobuf_c_message_descriptor_get_field_by_name(type, "more");
    assert(more != NULL && more->label == PROTOBUF_C_LABEL_REPEATED &&
           more->descriptor == type);
    queue->more_field = more->id;
}

void mesh_queue_add_buffer(struct mesh_queue *queue, grpc_byte_buffer *buffer, size_t size)
{
    struct mesh_out *out = out_new(queue);
    out->buffer = buffer;
    count(queue, out, size > LEAST ? size : LEAST);
}

size_t mesh_queue_add(struct mesh_queue *queue, const ProtobufCMessage *message)
{
    size_t size;
    if (queue->more_field == 0) {
        grpc_byte_buffer *buffer = mesh_pack(message, &size);
        mesh_queue_add_buffer(queue, buffer, size);
    } else {
        size = protobuf_c_message_get_packed_size(message);
        protobuf_c_message_pack(message, (uint8_t *)join(queue, size));
    }
    return size;
}

void mesh_queue_add_packed(struct mesh_queue *queue, aion_str wire)
{
    if (queue->more_field == 0)
        mesh_queue_add_buffer(queue, mesh_pack_wire(wire), wire.size);
    else
        memcpy(join(queue, wire.size), wire.data, wire.size);
}

grpc_byte_buffer *mesh_queue_send(struct mesh_queue *queue)
{
    struct mesh_out *out = queue->first;
    queue->first = out->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->sending = out;
    if (out->buffer == NULL)
        close_bundle(out);
    return out->buffer;
}

void mesh_queue_sent(struct mesh_queue *queue)
{
    if (queue->sending != NULL)
        out_free(queue, queue->sending);
    queue->sending = NULL;
}

void mesh_queue_drop(struct mesh_queue *queue)
{
    while (queue->first != NULL) {
        struct mesh_out *out = queue->first;
        queue->first = out->next;
        out_free(queue, out);
    }
    queue->last = &queue->first;
}
