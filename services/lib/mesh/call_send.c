/* What a call sends: headers, messages, status, in as few batches as can be, from a bounded
 * queue.
 *
 * At most one batch is under way. The next one takes the headers if they are still due, one
 * message, and the status when the call has ended and nothing else waits. The status batch
 * carries RECV_CLOSE too unless it was started before. */
#include "mesh/server_private.h"

#include <assert.h>

enum { OPS_MAX = 4 };

struct batch {
    grpc_op ops[OPS_MAX];
    size_t count;
    grpc_metadata headers[MESH_HEADERS_MAX], trailers[MESH_HEADERS_MAX + 1];
    grpc_slice text;
};

static void on_sent(struct mesh_op *op, bool ok);

static void fill_pairs(grpc_metadata *metadata, const struct mesh_header_pair *pairs,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        metadata[i].key = grpc_slice_from_static_string(pairs[i].name);
        metadata[i].value =
            grpc_slice_from_static_buffer(pairs[i].value.data, pairs[i].value.size);
    }
}

static void add_headers(struct mesh_call *call, struct batch *batch)
{
    grpc_op *op = &batch->ops[batch->count++];
    *op = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    fill_pairs(batch->headers, call->headers, call->header_count);
    op->data.send_initial_metadata.metadata = batch->headers;
    op->data.send_initial_metadata.count = call->header_count;
    call->headers_sent = true;
}

static void add_message(struct mesh_call *call, struct batch *batch)
{
    grpc_op *op = &batch->ops[batch->count++];
    *op = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
    op->data.send_message.send_message = mesh_queue_send(&call->out);
}

static void add_status(struct mesh_call *call, struct batch *batch)
{
    grpc_op *op = &batch->ops[batch->count++];
    *op = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    size_t trailers = call->trailer_count;
    fill_pairs(batch->trailers, call->trailers, trailers);
    if (call->status.code != AION_OK) {
        aion_str details = mesh_status_details(&call->status, &call->arena);
        if (details.size > 0) {
            batch->trailers[trailers].key =
                grpc_slice_from_static_string("grpc-status-details-bin");
            batch->trailers[trailers++].value =
                grpc_slice_from_static_buffer(details.data, details.size);
        }
        batch->text = grpc_slice_from_copied_string(call->status.text);
        op->data.send_status_from_server.status_details = &batch->text;
    }
    op->data.send_status_from_server.status = (grpc_status_code)call->status.code;
    op->data.send_status_from_server.trailing_metadata = batch->trailers;
    op->data.send_status_from_server.trailing_metadata_count = trailers;
    call->status_sent = true;
    if (call->close_started)
        return;
    call->close_started = call->close_with_status = true;
    op = &batch->ops[batch->count++];
    *op = (grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op->data.recv_close_on_server.cancelled = &call->cancelled;
}

void mesh_call_pump(struct mesh_call *call)
{
    bool message = call->out.first != NULL;
    if (call->corked || call->on_worker || call->send_pending || call->status_sent ||
        (!message && !call->ended))
        return;
    struct batch batch;
    batch.count = 0;
    batch.text = grpc_empty_slice();
    if (!call->headers_sent)
        add_headers(call, &batch);
    if (message)
        add_message(call, &batch);
    if (call->ended && call->out.first == NULL)
        add_status(call, &batch);
    else if (call->out.first != NULL && batch.count == 1)
        /* The next one follows: no write for this alone. With headers the core would not even
         * say that it took it. */
        batch.ops[0].flags = GRPC_WRITE_BUFFER_HINT;
    call->send_pending = true;
    call->op_send.done = on_sent;
    mesh_call_ref(call);
    mesh_batch(call->core, batch.ops, batch.count, &call->op_send);
    grpc_slice_unref(batch.text);
}

static void release(struct mesh_held *held)
{
    struct mesh_call *call = aion_container(held, struct mesh_call, held);
    mesh_call_pump(call);
    mesh_call_unref(call);
}

void mesh_call_pump_soon(struct mesh_call *call)
{
    if (call->corked || call->on_worker || call->send_pending || call->status_sent)
        return; /* who lifts that pumps */
    if (call->ended || !call->at->stream) {
        mesh_call_pump(call);
        return;
    }
    if (call->out.first == NULL || !aion_list_empty(&call->held.link))
        return;
    mesh_call_ref(call);
    call->held.release = release;
    mesh_hold_back(call->server->loop, &call->held);
}

static void tell_writable(struct mesh_call *call)
{
    const struct mesh_handler *handler = &call->at->method->handler;
    call->full = false;
    if (handler->writable == NULL)
        return;
    call->corked = true;
    handler->writable(call);
    call->corked = false;
}

static void on_sent(struct mesh_op *op, bool ok)
{
    struct mesh_call *call = aion_container(op, struct mesh_call, op_send);
    (void)ok; /* a failed send is followed by RECV_CLOSE with cancelled set */
    call->send_pending = false;
    mesh_queue_sent(&call->out);
    if (call->status_sent) {
        call->status_done = true;
        mesh_call_finished(call);
    } else {
        if (call->full && !call->ended && !call->gone &&
            call->out.bytes <= call->server->conf.send_queue_bytes_max / 4)
            tell_writable(call);
        mesh_call_pump(call);
    }
    mesh_call_unref(call);
}

/* `size` bytes more wait. */
static enum mesh_sent queued(struct mesh_call *call, size_t size)
{
    call->bytes_out += size;
    mesh_call_pump_soon(call);
    if (call->out.bytes < call->server->conf.send_queue_bytes_max / 2)
        return MESH_SENT;
    call->full = true;
    return MESH_FULL;
}

enum mesh_sent mesh_send(struct mesh_call *call, const ProtobufCMessage *message)
{
    if (call->ended || call->gone)
        return MESH_GONE;
    assert(message->descriptor == call->at->method->reply->descriptor);
    return queued(call, mesh_queue_add(&call->out, message));
}

enum mesh_sent mesh_send_packed(struct mesh_call *call, aion_str wire)
{
    if (call->ended || call->gone)
        return MESH_GONE;
    mesh_queue_add_packed(&call->out, wire);
    return queued(call, wire.size);
}

void mesh_bundle(struct mesh_call *call)
{
    mesh_queue_bundle(&call->out, call->at->method->reply->descriptor);
}

enum mesh_sent mesh_send_wires(struct mesh_call *call, struct mesh_wire *const *wires,
                               size_t count)
{
    if (call->ended || call->gone)
        return MESH_GONE;
    size_t size;
    grpc_byte_buffer *buffer = mesh_wires_buffer(wires, count, &size);
    mesh_queue_add_buffer(&call->out, buffer, size);
    return queued(call, size);
}

size_t mesh_send_queued(const struct mesh_call *call)
{
    return call->out.bytes;
}

/* -- ends ----------------------------------------------------------------- */

static void end(struct mesh_call *call)
{
    assert(!call->ended);
    call->ended = true;
    call->on_cancel = NULL;
    if (!call->on_worker) {
        mesh_timer_cancel(call->server->loop, &call->deadline_timer);
        mesh_call_pump(call);
    }
}

void mesh_reply(struct mesh_call *call, const ProtobufCMessage *reply)
{
    if (call->gone || (call->ended && call->status.code != AION_OK))
        return;
    assert(!call->at->method->server_stream);
    assert(reply->descriptor == call->at->method->reply->descriptor);
    call->bytes_out += mesh_queue_add(&call->out, reply);
    end(call);
}

void mesh_finish(struct mesh_call *call)
{
    if (!call->gone && !call->ended)
        end(call);
}

void mesh_fail_with(struct mesh_call *call, const struct aion_err *err)
{
    assert(err->code != AION_OK);
    if (call->gone || call->ended)
        return;
    call->status = *err;
    end(call);
}

void mesh_fail(struct mesh_call *call, enum aion_code code, const char *fmt, ...)
{
    struct aion_err err;
    va_list args;
    va_start(args, fmt);
    aion_err_setv(&err, "mesh_fail", code, fmt, args);
    va_end(args);
    mesh_fail_with(call, &err);
}
