/* A streaming call of any kind: headers, a bounded send queue, one read at a time, and the
 * status last. */
#include "mesh/channel_private.h"

#include "codec/message.h"

#include <assert.h>
#include <stdlib.h>

enum { SEND_QUEUE_MAX = 256 * 1024 };

static void maybe_close(struct mesh_rpc *rpc);

/* -- reading -------------------------------------------------------------- */

static void on_recv(struct mesh_op *op, bool ok);

static void start_recv(struct mesh_rpc *rpc)
{
    if (rpc->recv_pending || rpc->paused || rpc->no_more)
        return;
    grpc_op ops[2];
    size_t count = 0;
    if (!rpc->first_recv) {
        rpc->first_recv = true;
        ops[count] = (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA};
        ops[count++].data.recv_initial_metadata.recv_initial_metadata = &rpc->headers;
    }
    ops[count] = (grpc_op){.op = GRPC_OP_RECV_MESSAGE};
    ops[count++].data.recv_message.recv_message = &rpc->received;
    rpc->recv_pending = true;
    rpc->op_recv.done = on_recv;
    mesh_batch(rpc->core, ops, count, &rpc->op_recv);
}

static void take_message(struct mesh_rpc *rpc)
{
    struct codec_scan_limits limits = {.bytes_max = rpc->channel->conf.reply_bytes_max};
    aion_str wire;
    ProtobufCMessage *message = NULL;
    struct aion_err err;
    if (mesh_buffer_view(rpc->received, &rpc->messages, &wire))
        message = codec_unpack(rpc->method->reply, wire, &limits, &rpc->messages, &err);
    else
        aion_err_set(&err, __func__, AION_EXHAUSTED, "the message is too large");
    if (message != NULL) {
        rpc->ops->message(rpc, message);
    } else { /* what we cannot read ends the call, with our reason */
        rpc->err = err;
        mesh_rpc_cancel(rpc);
    }
    grpc_byte_buffer_destroy(rpc->received);
    rpc->received = NULL;
    aion_arena_reset(&rpc->messages);
}

static void on_recv(struct mesh_op *op, bool ok)
{
    struct mesh_rpc *rpc = aion_container(op, struct mesh_rpc, op_recv);
    rpc->recv_pending = false;
    if (!ok || rpc->received == NULL) {
        rpc->no_more = true;
    } else {
        /* the callback may not free the rpc: closed comes when the status is here, too */
        take_message(rpc);
        start_recv(rpc);
    }
    maybe_close(rpc);
}

void mesh_rpc_pause(struct mesh_rpc *rpc)
{
    rpc->paused = true;
}

void mesh_rpc_resume(struct mesh_rpc *rpc)
{
    rpc->paused = false;
    if (rpc->core != NULL)
        start_recv(rpc);
}

/* -- sending -------------------------------------------------------------- */

static void on_sent(struct mesh_op *op, bool ok);

static void pump(struct mesh_rpc *rpc)
{
    if (rpc->send_pending || rpc->headers_pending || !rpc->status_pending)
        return;
    grpc_op ops[2];
    size_t count = 0;
    if (rpc->out.first != NULL) {
        ops[count] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE};
        ops[count].data.send_message.send_message = mesh_queue_send(&rpc->out);
        /* when the next one follows: no write for this alone */
        ops[count++].flags = rpc->out.first != NULL ? GRPC_WRITE_BUFFER_HINT : 0;
    }
    if (rpc->half_close && !rpc->half_closed && rpc->out.first == NULL) {
        rpc->half_closed = true;
        ops[count++] = (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    }
    if (count == 0)
        return;
    rpc->send_pending = true;
    rpc->op_send.done = on_sent;
    mesh_batch(rpc->core, ops, count, &rpc->op_send);
}

static void on_sent(struct mesh_op *op, bool ok)
{
    struct mesh_rpc *rpc = aion_container(op, struct mesh_rpc, op_send);
    rpc->send_pending = false;
    mesh_queue_sent(&rpc->out);
    if (!ok)
        mesh_queue_drop(&rpc->out); /* the status tells why */
    if (ok && rpc->full && rpc->out.bytes <= SEND_QUEUE_MAX / 4) {
        rpc->full = false;
        if (rpc->ops->writable != NULL && rpc->status_pending)
            rpc->ops->writable(rpc);
    }
    pump(rpc);
    maybe_close(rpc);
}

static void release(struct mesh_held *held)
{
    pump(aion_container(held, struct mesh_rpc, held));
}

static bool may_send(const struct mesh_rpc *rpc)
{
    return rpc->status_pending && !rpc->cancelled && !rpc->half_close;
}

static enum mesh_sent queued(struct mesh_rpc *rpc)
{
    if (!rpc->send_pending && !rpc->headers_pending)
        mesh_hold_back(rpc->channel->loop, &rpc->held);
    if (rpc->out.bytes < SEND_QUEUE_MAX / 2)
        return MESH_SENT;
    rpc->full = true;
    return MESH_FULL;
}

enum mesh_sent mesh_rpc_send(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    if (!may_send(rpc))
        return MESH_GONE;
    mesh_queue_add(&rpc->out, message);
    return queued(rpc);
}

enum mesh_sent mesh_rpc_send_packed(struct mesh_rpc *rpc, aion_str wire)
{
    if (!may_send(rpc))
        return MESH_GONE;
    mesh_queue_add_packed(&rpc->out, wire);
    return queued(rpc);
}

void mesh_rpc_bundle(struct mesh_rpc *rpc)
{
    mesh_queue_bundle(&rpc->out, rpc->method->request->descriptor);
}

void mesh_rpc_half_close(struct mesh_rpc *rpc)
{
    rpc->half_close = true;
    pump(rpc);
}

/* -- the ends ------------------------------------------------------------- */

static void maybe_close(struct mesh_rpc *rpc)
{
    if (rpc->status_pending || rpc->recv_pending || rpc->send_pending || rpc->headers_pending)
        return;
    if (rpc->paused && !rpc->no_more && rpc->status == GRPC_STATUS_OK)
        return; /* messages wait behind the pause; resume reads on */
    mesh_queue_drop(&rpc->out);
    struct mesh_result result = {.status_details = mesh_rpc_status_details(rpc), .attempts = 1};
    bool ours = rpc->err.code != AION_OK; /* an unreadable message */
    if (ours || !mesh_rpc_read_status(rpc))
        result.err = &rpc->err;
    mesh_endpoint_record(rpc->endpoint, ours ? AION_OK : rpc->err.code);
    if (!rpc->system)
        mesh_endpoint_count(rpc->endpoint, -1, rpc->err.code);
    mesh_rpc_tell_end(rpc);
    rpc->ops->closed(rpc, &result);
    mesh_rpc_free(rpc);
}

static void on_status(struct mesh_op *op, bool ok)
{
    struct mesh_rpc *rpc = aion_container(op, struct mesh_rpc, op_status);
    (void)ok;
    rpc->status_pending = false;
    maybe_close(rpc);
}

static void on_headers(struct mesh_op *op, bool ok)
{
    struct mesh_rpc *rpc = aion_container(op, struct mesh_rpc, op_headers);
    (void)ok;
    rpc->headers_pending = false;
    pump(rpc);
    maybe_close(rpc);
}

static void start(struct mesh_rpc *rpc)
{
    rpc->held.release = release;
    grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    status.data.recv_status_on_client.trailing_metadata = &rpc->trailers;
    status.data.recv_status_on_client.status = &rpc->status;
    status.data.recv_status_on_client.status_details = &rpc->status_text;
    grpc_slice_unref(rpc->status_text);
    rpc->op_status.done = on_status;
    rpc->status_pending = true;
    mesh_batch(rpc->core, &status, 1, &rpc->op_status);

    grpc_op headers = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    headers.flags = rpc->wait_for_ready ? GRPC_INITIAL_METADATA_WAIT_FOR_READY : 0;
    headers.data.send_initial_metadata.metadata = rpc->pairs;
    headers.data.send_initial_metadata.count = rpc->pair_count;
    rpc->op_headers.done = on_headers;
    rpc->headers_pending = true;
    mesh_batch(rpc->core, &headers, 1, &rpc->op_headers);
    start_recv(rpc);
}

struct mesh_rpc *mesh_open_on(struct mesh_endpoint *endpoint, const struct mesh_method *method,
                              const struct mesh_rpc_opts *opts,
                              const struct mesh_stream_ops *ops, void *user)
{
    struct mesh_rpc *rpc = mesh_rpc_new(endpoint->channel, method, opts, user);
    rpc->ops = ops;
    rpc->system = true;
    mesh_rpc_begin(rpc, endpoint);
    start(rpc);
    return rpc;
}

struct mesh_rpc *mesh_open(struct mesh_channel *channel, const struct mesh_method *method,
                           const struct mesh_rpc_opts *opts, const struct mesh_stream_ops *ops,
                           void *user)
{
    assert(!channel->closing);
    struct mesh_rpc *rpc = mesh_rpc_new(channel, method, opts, user);
    rpc->ops = ops;
    mesh_rpc_begin(rpc, NULL);
    start(rpc);
    return rpc;
}
