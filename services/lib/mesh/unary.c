/* A unary call: one batch an attempt, retries within budget and deadline. */
#include "mesh/channel_private.h"

#include "base/clock.h"
#include "codec/message.h"

static void start_attempt(struct mesh_rpc *rpc);

/* -- ends ----------------------------------------------------------------- */

static void finish(struct mesh_rpc *rpc, const ProtobufCMessage *reply, aion_str wire)
{
    bool good = reply != NULL;
    struct mesh_result result = {
        .reply = reply,
        .err = good ? NULL : &rpc->err,
        .wire = wire,
        .attempts = rpc->attempt,
    };
    if (!good && rpc->core != NULL)
        result.status_details = mesh_rpc_status_details(rpc);
    rpc->channel->outstanding--;
    aion_metric_add(rpc->channel->outstanding_metric, -1);
    mesh_rpc_tell_end(rpc);
    rpc->done(rpc->user, &result);
    mesh_rpc_free(rpc);
}

static void fail_now(struct aion_job *job)
{
    struct mesh_rpc *rpc = aion_container(job, struct mesh_rpc, fail_job);
    finish(rpc, NULL, (aion_str){0});
}

/* done never runs inside mesh_unary. */
static void fail_later(struct mesh_rpc *rpc)
{
    rpc->fail_job.run = fail_now;
    aion_exec_post(mesh_loop_exec(rpc->channel->loop), &rpc->fail_job);
}

/* -- waiting for a server that serves ------------------------------------- */

static void park_over(struct mesh_timer *timer)
{
    struct mesh_rpc *rpc = aion_container(timer, struct mesh_rpc, retry_timer);
    aion_list_remove(&rpc->park);
    if (rpc->cancelled) {
        aion_err_set(&rpc->err, __func__, AION_CANCELLED, "cancelled");
    } else {
        aion_err_set(&rpc->err, __func__, AION_UNAVAILABLE, "%s cannot be reached",
                     rpc->channel->name);
        aion_err_reason(&rpc->err, "UNREACHABLE");
    }
    finish(rpc, NULL, (aion_str){0});
}

/* Bounded as every call is: by outstanding_max and its deadline. */
static void park(struct mesh_rpc *rpc)
{
    aion_list_add_last(&rpc->channel->parked, &rpc->park);
    rpc->retry_timer.fire = park_over;
    mesh_timer_set(rpc->channel->loop, &rpc->retry_timer, rpc->ready_by_us);
}

void mesh_unary_cancel(struct mesh_rpc *rpc)
{
    if (!aion_list_empty(&rpc->park))
        mesh_timer_set(rpc->channel->loop, &rpc->retry_timer, rpc->channel->loop->now_us);
}

void mesh_unary_unpark(struct mesh_channel *channel)
{
    struct aion_link *link;
    while ((link = aion_list_first(&channel->parked)) != NULL) {
        struct mesh_rpc *rpc = aion_container(link, struct mesh_rpc, park);
        aion_list_remove(link);
        mesh_timer_cancel(channel->loop, &rpc->retry_timer);
        start_attempt(rpc);
    }
}

/* -- retries -------------------------------------------------------------- */

/* UNAVAILABLE, and CANCELLED that we did not ask for: a server that drained (facts: rolling
 * restart). */
static bool worth_another(const struct mesh_rpc *rpc)
{
    if (!rpc->repeatable || rpc->cancelled || rpc->channel->closing ||
        (rpc->parent != NULL && mesh_ended(rpc->parent)))
        return false;
    return rpc->err.code == AION_UNAVAILABLE || rpc->err.code == AION_CANCELLED;
}

static void on_retry(struct mesh_timer *timer)
{
    struct mesh_rpc *rpc = aion_container(timer, struct mesh_rpc, retry_timer);
    if (rpc->cancelled) {
        aion_err_set(&rpc->err, __func__, AION_CANCELLED, "cancelled");
        finish(rpc, NULL, (aion_str){0});
        return;
    }
    start_attempt(rpc);
}

static bool retry(struct mesh_rpc *rpc)
{
    struct mesh_channel *channel = rpc->channel;
    int64_t now = channel->loop->now_us;
    int64_t wait = mesh_retry_backoff_us(rpc->attempt + 1, aion_rand_u64(&channel->loop->rand));
    /* one that waits for a server to come back may try until its deadline; others three times
     */
    unsigned most = rpc->wait_for_ready ? UINT32_MAX : MESH_ATTEMPTS_MAX;
    if (!worth_another(rpc) || rpc->attempt >= most || now + wait >= rpc->deadline_us ||
        !mesh_retry_budget_take(&channel->retries, now))
        return false;
    aion_metric_add(channel->retry_metric, 1);
    rpc->endpoint->counts.retries++;
    mesh_rpc_end_attempt(rpc);
    rpc->retry_timer.fire = on_retry;
    mesh_timer_set(channel->loop, &rpc->retry_timer, now + wait);
    return true;
}

/* -- attempts ------------------------------------------------------------- */

static const ProtobufCMessage *unpack(struct mesh_rpc *rpc, aion_str *ret_wire)
{
    struct codec_scan_limits limits = {.bytes_max = rpc->channel->conf.reply_bytes_max};
    if (rpc->received == NULL) {
        aion_err_set(&rpc->err, __func__, AION_INTERNAL, "%s answered OK without a message",
                     rpc->channel->name);
        return NULL;
    }
    if (!mesh_buffer_view(rpc->received, &rpc->arena, ret_wire)) {
        aion_err_set(&rpc->err, __func__, AION_EXHAUSTED, "the reply is too large");
        return NULL;
    }
    return codec_unpack(rpc->method->reply, *ret_wire, &limits, &rpc->arena, &rpc->err);
}

static void on_unary(struct mesh_op *op, bool ok)
{
    struct mesh_rpc *rpc = aion_container(op, struct mesh_rpc, op_unary);
    (void)ok; /* the status says more */
    bool good = mesh_rpc_read_status(rpc);
    mesh_endpoint_record(rpc->endpoint, good ? AION_OK : rpc->err.code);
    mesh_endpoint_count(rpc->endpoint, aion_clock_mono_us() - rpc->attempt_us,
                        good ? AION_OK : rpc->err.code);
    if (!good && retry(rpc))
        return;
    aion_str wire = {0};
    finish(rpc, good ? unpack(rpc, &wire) : NULL, wire);
}

static void start_attempt(struct mesh_rpc *rpc)
{
    if (rpc->wait_for_ready && !mesh_endpoints_serve(rpc->channel)) {
        park(rpc);
        return;
    }
    rpc->attempt++;
    rpc->err.code = AION_OK;
    mesh_rpc_begin(rpc, NULL);
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA}, /* without it the status may stall */
        {.op = GRPC_OP_RECV_MESSAGE},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};
    ops[0].flags = rpc->wait_for_ready ? GRPC_INITIAL_METADATA_WAIT_FOR_READY : 0;
    ops[0].data.send_initial_metadata.metadata = rpc->pairs;
    ops[0].data.send_initial_metadata.count = rpc->pair_count;
    rpc->sending = rpc->repeatable ? grpc_byte_buffer_copy(rpc->request) : NULL;
    ops[1].data.send_message.send_message = rpc->repeatable ? rpc->sending : rpc->request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &rpc->headers;
    ops[4].data.recv_message.recv_message = &rpc->received;
    ops[5].data.recv_status_on_client.trailing_metadata = &rpc->trailers;
    ops[5].data.recv_status_on_client.status = &rpc->status;
    ops[5].data.recv_status_on_client.status_details = &rpc->status_text;
    rpc->op_unary.done = on_unary;
    grpc_slice_unref(rpc->status_text);
    mesh_batch(rpc->core, ops, aion_countof(ops), &rpc->op_unary);
}

struct mesh_rpc *mesh_unary(struct mesh_channel *channel, const struct mesh_method *method,
                            const ProtobufCMessage *request, const struct mesh_rpc_opts *opts,
                            mesh_done_fn *done, void *user)
{
    struct mesh_rpc *rpc = mesh_rpc_new(channel, method, opts, user);
    size_t size;
    rpc->done = done;
    rpc->request = mesh_pack(request, &size);
    aion_metric_add(channel->outstanding_metric, 1);
    mesh_retry_budget_call(&channel->retries);
    if (channel->outstanding++ >= channel->conf.outstanding_max || channel->closing) {
        aion_metric_add(channel->refused_metric, 1);
        aion_err_set(&rpc->err, __func__, AION_EXHAUSTED,
                     "%s has as many calls outstanding as it may have; try again",
                     channel->name);
        aion_err_reason(&rpc->err, "CIRCUIT_OPEN");
        fail_later(rpc);
        return rpc;
    }
    start_attempt(rpc);
    return rpc;
}
