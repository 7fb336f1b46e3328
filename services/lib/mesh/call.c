/* One call, from the core's event to the end of its handler. */
#include "mesh/server_private.h"

#include "base/clock.h"
#include "codec/message.h"

#include <assert.h>
#include <stdlib.h>

enum { ARENA_LIMIT_MIN = 1024 * 1024 };

static void on_new(struct mesh_op *op, bool ok);
static void on_close(struct mesh_op *op, bool ok);
static void on_recv(struct mesh_op *op, bool ok);
static void on_deadline(struct mesh_timer *timer);

/* -- the pool ------------------------------------------------------------- */

static struct mesh_call *new_call(struct mesh_server *server)
{
    struct aion_link *link = aion_list_first(&server->free_calls);
    if (link != NULL) {
        aion_list_remove(link);
        server->free_count--;
        return aion_container(link, struct mesh_call, link);
    }
    struct mesh_call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        abort(); /* armed calls are bounded: this is start-up */
    aion_list_init(&call->link);
    call->server = server;
    grpc_metadata_array_init(&call->metadata);
    return call;
}

/* All of a call but what the pool keeps: its place, the server and the metadata's memory. */
static void reset(struct mesh_call *call, struct mesh_server_method *at)
{
    struct mesh_server *server = call->server;
    grpc_metadata_array metadata = call->metadata;
    memset((void *)call, 0, offsetof(struct mesh_call, status));
    aion_err_none(&call->status);
    aion_list_init(&call->link);
    aion_list_init(&call->held.link);
    call->server = server;
    call->metadata = metadata;
    call->metadata.count = 0;
    call->at = at;
    call->refs = 1;
    call->op_new.done = on_new;
    call->op_close.done = on_close;
    call->op_recv.done = on_recv;
    call->deadline_timer.fire = on_deadline;
    mesh_queue_init(&call->out);
    call->details_slice = grpc_empty_slice();
    size_t limit = at != NULL ? (size_t)at->method->request_bytes_max * 16 : 0;
    limit = limit > ARENA_LIMIT_MIN ? limit : ARENA_LIMIT_MIN;
    aion_arena_init(&call->arena, limit, call->first_block, sizeof(call->first_block));
    aion_arena_init(&call->messages, limit, NULL, 0);
}

bool mesh_call_arm(struct mesh_server *server, struct mesh_server_method *at)
{
    if (server->stopping)
        return false;
    struct mesh_call *call = new_call(server);
    server->calls_out++;
    reset(call, at);
    aion_tsan_release(&call->op_new);
    grpc_call_error error;
    if (at == NULL) {
        grpc_call_details_init(&call->details);
        error =
            grpc_server_request_call(server->core, &call->core, &call->details, &call->metadata,
                                     server->loop->cq, server->loop->cq, &call->op_new);
    } else {
        bool with_payload = !at->method->client_stream;
        error = grpc_server_request_registered_call(
            server->core, at->registered, &call->core, &call->deadline, &call->metadata,
            with_payload ? &call->payload : NULL, server->loop->cq, server->loop->cq,
            &call->op_new);
    }
    if (error != GRPC_CALL_OK)
        mesh_call_recycle(call);
    return error == GRPC_CALL_OK;
}

/* -- what the core tells -------------------------------------------------- */

static void start_close(struct mesh_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &call->cancelled;
    call->close_started = true;
    mesh_call_ref(call);
    mesh_batch(call->core, &op, 1, &call->op_close);
}

static void on_close(struct mesh_op *op, bool ok)
{
    struct mesh_call *call = aion_container(op, struct mesh_call, op_close);
    (void)ok;
    call->close_done = true;
    if (call->cancelled != 0 && !call->status_done)
        mesh_call_gone(call);
    mesh_call_unref(call);
}

static void drop_payload(struct mesh_call *call)
{
    if (call->payload != NULL)
        grpc_byte_buffer_destroy(call->payload);
    call->payload = NULL;
}

static void start_recv(struct mesh_call *call)
{
    if (call->recv_pending || call->paused || call->half_closed || call->gone || call->ended)
        return;
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->payload;
    call->recv_pending = true;
    mesh_call_ref(call);
    mesh_batch(call->core, &op, 1, &call->op_recv);
}

/* The payload as a message in `arena`, or a failed call. The payload is let go before the
 * handler runs, which may already ask for the next one. */
static ProtobufCMessage *unpack(struct mesh_call *call, struct aion_arena *arena)
{
    const struct mesh_method *method = call->at->method;
    struct codec_scan_limits limits = {.bytes_max = method->request_bytes_max};
    aion_str wire;
    struct aion_err err;
    ProtobufCMessage *message = NULL;
    if (mesh_buffer_view(call->payload, arena, &wire)) {
        call->bytes_in += wire.size;
        message = codec_unpack(method->request, wire, &limits, arena, &err);
    } else {
        aion_err_set(&err, __func__, AION_EXHAUSTED, "request too large");
    }
    drop_payload(call);
    if (message == NULL)
        mesh_fail_with(call, &err);
    return message;
}

/* Runs `handler` corked: what it sends leaves in as few batches as can be. */
#define CORKED(call, ...)          \
    do {                           \
        (call)->corked = true;     \
        __VA_ARGS__;               \
        (call)->corked = false;    \
        mesh_call_pump_soon(call); \
    } while (0)

static void on_recv(struct mesh_op *op, bool ok)
{
    struct mesh_call *call = aion_container(op, struct mesh_call, op_recv);
    const struct mesh_handler *handler = &call->at->method->handler;
    call->recv_pending = false;
    if (call->ended || call->gone) {
        drop_payload(call);
    } else if (!ok || call->payload == NULL) {
        call->half_closed = true;
        if (ok && handler->half_close != NULL)
            CORKED(call, handler->half_close(call));
    } else {
        ProtobufCMessage *message = unpack(call, &call->messages);
        if (message != NULL)
            CORKED(call, handler->message(call, message));
        aion_arena_reset(&call->messages);
        start_recv(call);
    }
    mesh_call_unref(call);
}

/* -- handlers ------------------------------------------------------------- */

static void on_worker(struct mesh_work *work)
{
    struct mesh_call *call = aion_container(work, struct mesh_call, work);
    call->at->method->handler.message(call, call->request);
}

static void back_from_worker(struct mesh_work *work)
{
    struct mesh_call *call = aion_container(work, struct mesh_call, work);
    call->on_worker = false;
    if (call->gone_meanwhile)
        mesh_call_gone(call);
    else if (!call->ended)
        mesh_fail(call, AION_INTERNAL, "the handler of %s gave no answer",
                  call->at->method->path);
    mesh_call_pump(call);
    mesh_call_unref(call);
}

static void run_blocking(struct mesh_call *call, const ProtobufCMessage *request)
{
    call->request = request;
    call->work.work = on_worker;
    call->work.done = back_from_worker;
    call->on_worker = true;
    start_close(call);
    mesh_call_ref(call);
    if (mesh_offload(call->server->loop, &call->work))
        return;
    call->on_worker = false;
    mesh_fail(call, AION_EXHAUSTED, "too many calls wait for a worker");
    mesh_call_unref(call);
}

/* A unary call that was not answered at once: its end may come from outside. */
static void wait_for_answer(struct mesh_call *call)
{
    start_close(call);
    int64_t deadline = mesh_deadline_us(call);
    if (deadline != INT64_MAX)
        mesh_timer_set(call->server->loop, &call->deadline_timer, deadline);
}

static void on_deadline(struct mesh_timer *timer)
{
    struct mesh_call *call = aion_container(timer, struct mesh_call, deadline_timer);
    if (call->on_worker || call->ended)
        return;
    void (*on_cancel)(struct mesh_call *) = call->on_cancel;
    call->on_cancel = NULL;
    mesh_fail(call, AION_DEADLINE, "no answer within the call's deadline");
    if (on_cancel != NULL)
        on_cancel(call);
}

static void run_handler(struct mesh_call *call)
{
    const struct mesh_method *method = call->at->method;
    const struct mesh_handler *handler = &method->handler;
    if (method->client_stream) {
        start_close(call);
        call->handler_opened = true;
        if (handler->open != NULL)
            CORKED(call, handler->open(call));
        start_recv(call);
        return;
    }
    if (method->server_stream)
        start_close(call);
    ProtobufCMessage *request = unpack(call, &call->arena);
    if (request == NULL)
        return;
    call->handler_opened = call->at->stream;
    if (method->blocking) {
        run_blocking(call, request);
    } else {
        CORKED(call, handler->message(call, request));
        if (!call->at->stream && !call->ended)
            wait_for_answer(call);
    }
}

static bool is_row(const struct mesh_server *server, aion_str path)
{
    for (size_t i = 0; i < server->bound_count; i++) {
        const struct mesh_service_type *type = server->bound[i].type;
        for (size_t k = 0; k < type->method_count; k++)
            if (aion_str_is(path, type->methods[k].path))
                return true;
    }
    return false;
}

/* The catch-all: a method nobody registered, or one marked unstable. */
static void refuse_unknown(struct mesh_call *call)
{
    aion_str path = mesh_slice_view(&call->details.method);
    const char *why =
        is_row(call->server, path) ? "not served by this version" : "not served here";
    mesh_fail(call, AION_UNIMPLEMENTED, "%.*s is %s", AION_STR_ARG(path), why);
    grpc_slice_unref(call->details.method);
    grpc_slice_unref(call->details.host);
}

static void begin(struct mesh_call *call)
{
    struct mesh_server *server = call->server;
    call->begun = true;
    call->began_us = server->loop->now_us;
    call->began_utc_us = aion_clock_utc_us();
    aion_list_add_last(&server->live_calls, &call->link);
    mesh_trace_begin(&call->trace, mesh_metadata_find(&call->metadata, "traceparent"));
    mesh_call_ref(call); /* over the handler, which may end the call */
    if (call->at == NULL)
        refuse_unknown(call);
    else if (mesh_admit(call))
        run_handler(call);
    mesh_call_unref(call);
}

/* Each call of a method lets one more wait for the next, up to what a busy one wants. */
static void arm_more(struct mesh_server *server, struct mesh_server_method *at)
{
    if (at != NULL && at->slots < (at->stream ? MESH_STREAM_SLOTS : MESH_UNARY_SLOTS))
        at->slots += mesh_call_arm(server, at);
}

static void on_new(struct mesh_op *op, bool ok)
{
    struct mesh_call *call = aion_container(op, struct mesh_call, op_new);
    struct mesh_server *server = call->server;
    if (!ok) { /* the server is shutting down */
        if (call->at == NULL)
            grpc_call_details_destroy(&call->details);
        mesh_call_recycle(call);
        return;
    }
    mesh_call_arm(server, call->at); /* always re-armed: no call waits unseen */
    arm_more(server, call->at);
    begin(call);
}

void mesh_call_gone(struct mesh_call *call)
{
    if (call->on_worker) { /* the worker owns the rest of the call: its answer is dropped when
                              it comes */
        atomic_store(&call->gone_meanwhile, true);
        return;
    }
    if (call->gone)
        return;
    call->gone = true;
    mesh_timer_cancel(call->server->loop, &call->deadline_timer);
    mesh_queue_drop(&call->out);
    if (!call->ended) {
        aion_err_set(&call->status, __func__, AION_CANCELLED,
                     "cancelled by the caller or its deadline");
        call->ended = true;
    }
    void (*on_cancel)(struct mesh_call *) = call->on_cancel;
    call->on_cancel = NULL;
    if (on_cancel != NULL)
        on_cancel(call);
    mesh_call_pump(call);
}

grpc_call *mesh_core_call(grpc_channel *channel, struct mesh_call *parent,
                          struct mesh_loop *loop, const char *path, int64_t deadline_us)
{
    return grpc_channel_create_call(
        channel, parent != NULL ? parent->core : NULL, GRPC_PROPAGATE_CANCELLATION, loop->cq,
        grpc_slice_from_static_string(path), NULL, mesh_timespec(deadline_us), NULL);
}

/* -- what handlers may ask ------------------------------------------------ */

struct mesh_call *mesh_hold(struct mesh_call *call)
{
    mesh_call_ref(call);
    return call;
}

void mesh_drop(struct mesh_call *call)
{
    mesh_call_unref(call);
}

void mesh_on_cancel(struct mesh_call *call, void (*fn)(struct mesh_call *call))
{
    call->on_cancel = fn;
}

bool mesh_ended(const struct mesh_call *call)
{
    return call->ended || call->gone || atomic_load(&call->gone_meanwhile);
}

void mesh_pause(struct mesh_call *call)
{
    call->paused = true;
}

void mesh_resume(struct mesh_call *call)
{
    call->paused = false;
    start_recv(call);
}

void *mesh_service(const struct mesh_call *call)
{
    return call->at->bound->service;
}

const void *mesh_call_table(const struct mesh_call *call)
{
    return call->at->bound->table;
}

void *mesh_user(const struct mesh_call *call)
{
    return call->user;
}

void mesh_set_user(struct mesh_call *call, void *user)
{
    call->user = user;
}

struct mesh_loop *mesh_call_loop(const struct mesh_call *call)
{
    return call->server->loop;
}

const struct mesh_method *mesh_call_method(const struct mesh_call *call)
{
    return call->at->method;
}

struct aion_arena *mesh_arena(struct mesh_call *call)
{
    return &call->arena;
}

const struct mesh_principal *mesh_principal(const struct mesh_call *call)
{
    return &call->principal;
}

const struct mesh_peer *mesh_peer(const struct mesh_call *call)
{
    mesh_call_address((struct mesh_call *)(uintptr_t)call);
    return &call->peer;
}

const struct mesh_trace *mesh_trace(const struct mesh_call *call)
{
    return &call->trace;
}

/* The core's deadline as monotonic time, bounded by the server's own for unary calls. */
static int64_t compute_deadline(const struct mesh_call *call)
{
    int64_t now = aion_clock_mono_us(), deadline = INT64_MAX;
    gpr_timespec never = gpr_inf_future(call->deadline.clock_type);
    if (gpr_time_cmp(call->deadline, never) != 0) {
        gpr_timespec left = gpr_time_sub(call->deadline, gpr_now(call->deadline.clock_type));
        double micros = gpr_timespec_to_micros(left);
        if (micros < 1e15)
            deadline = now + (int64_t)micros;
    }
    int64_t most = call->began_us + call->server->conf.deadline_max_us;
    return !call->at->stream && most < deadline ? most : deadline;
}

int64_t mesh_deadline_us(const struct mesh_call *call)
{
    return call->deadline_us != 0 ? call->deadline_us : compute_deadline(call);
}

aion_str mesh_metadata(const struct mesh_call *call, const char *name)
{
    return mesh_metadata_find(&call->metadata, name);
}

static void add_pair(struct mesh_call *call, struct mesh_header_pair *pairs, uint8_t *count,
                     const char *name, aion_str value)
{
    assert(*count < MESH_HEADERS_MAX);
    aion_str copy = aion_arena_str(&call->arena, value);
    if (copy.data != NULL)
        pairs[(*count)++] = (struct mesh_header_pair){name, copy};
}

void mesh_header(struct mesh_call *call, const char *name, aion_str value)
{
    add_pair(call, call->headers, &call->header_count, name, value);
}

void mesh_trailer(struct mesh_call *call, const char *name, aion_str value)
{
    add_pair(call, call->trailers, &call->trailer_count, name, value);
}

void mesh_note(struct mesh_call *call, const char *name, aion_str value)
{
    if (call->note_count == MESH_NOTES_MAX)
        return;
    size_t size = value.size < MESH_NOTE_SIZE ? value.size : MESH_NOTE_SIZE;
    call->notes[call->note_count].name = name;
    call->notes[call->note_count].size = (uint8_t)size;
    if (size > 0)
        memcpy(call->notes[call->note_count].value, value.data, size);
    call->note_count++;
}
