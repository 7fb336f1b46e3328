/* What every call of a client has: metadata, deadline, trace, status, end. */
#include "mesh/channel_private.h"

#include "base/clock.h"

#include <stdlib.h>

enum { ARENA_LIMIT = 64 * 1024 * 1024, PRINCIPAL_MAX = 560 };

static const struct aion_metric_family calls_family = {
    .name = "aion_rpc_client_calls",
    .help = "Calls ended, by peer, method and code.",
    .kind = AION_COUNTER,
    .labels = {"peer", "method", "code"},
    .series_max = 2048,
};

static const struct aion_metric_family duration_family = {
    .name = "aion_rpc_client_duration_seconds",
    .help = "Time from a unary call's start to its end, retries included.",
    .unit = "seconds",
    .kind = AION_HISTOGRAM,
    .labels = {"peer", "method"},
    .scale = 1e-6,
};

static void add_pair(struct mesh_rpc *rpc, const char *name, aion_str value)
{
    if (rpc->pair_count == MESH_PAIRS_MAX)
        abort(); /* a programmer's error: names are few and known */
    grpc_metadata *pair = &rpc->pairs[rpc->pair_count++];
    pair->key = grpc_slice_from_static_string(name);
    pair->value =
        grpc_slice_from_static_buffer(value.data, value.size); /* lives in the arena */
}

static void add_principal(struct mesh_rpc *rpc, const struct mesh_principal *principal)
{
    uint8_t *wire = aion_arena_alloc(&rpc->arena, PRINCIPAL_MAX);
    size_t size = wire != NULL ? mesh_principal_encode(principal, wire, PRINCIPAL_MAX) : 0;
    /* one that cannot be told is refused there: without any the call would count as our own */
    add_pair(rpc, "aion-principal-bin", size > 0 ? aion_str_n(wire, size) : AION_STR("?"));
}

/* Vendors' own state goes on with the trace it belongs to, unread. */
static void add_tracestate(struct mesh_rpc *rpc)
{
    aion_str state = {0};
    if (rpc->parent != NULL)
        state = mesh_metadata(rpc->parent, "tracestate");
    if (state.size > 0 && state.size <= MESH_TRACESTATE_MAX)
        add_pair(rpc, "tracestate", aion_arena_str(&rpc->arena, state));
}

static void add_metadata(struct mesh_rpc *rpc, const struct mesh_rpc_opts *opts)
{
    mesh_trace_header(&rpc->trace, rpc->traceparent);
    add_pair(rpc, "traceparent", aion_str_of(rpc->traceparent));
    add_tracestate(rpc);
    if (opts != NULL && opts->principal != NULL)
        add_principal(rpc, opts->principal);
    for (size_t i = 0; opts != NULL && i < opts->metadata_count; i++)
        add_pair(rpc, opts->metadata[i].name,
                 aion_arena_str(&rpc->arena, opts->metadata[i].value));
}

static void set_trace(struct mesh_rpc *rpc, const struct mesh_rpc_opts *opts)
{
    const struct mesh_trace *parent = opts != NULL ? opts->trace : NULL;
    if (parent == NULL && rpc->parent != NULL)
        parent = mesh_trace(rpc->parent);
    if (parent != NULL)
        mesh_trace_child(&rpc->trace, parent);
    else
        mesh_trace_begin(&rpc->trace, (aion_str){0});
}

static void set_deadline(struct mesh_rpc *rpc, const struct mesh_rpc_opts *opts)
{
    bool stream = rpc->method->client_stream || rpc->method->server_stream;
    int64_t timeout = opts != NULL ? opts->timeout_us : 0;
    if (timeout == 0 && !stream)
        timeout = rpc->channel->conf.timeout_us;
    rpc->deadline_us = timeout > 0 ? rpc->began_us + timeout : INT64_MAX;
    if (rpc->parent != NULL && mesh_deadline_us(rpc->parent) < rpc->deadline_us)
        rpc->deadline_us = mesh_deadline_us(rpc->parent);
}

size_t mesh_rpc_size(void)
{
    return sizeof(struct mesh_rpc);
}

struct mesh_rpc *mesh_rpc_new(struct mesh_channel *channel, const struct mesh_method *method,
                              const struct mesh_rpc_opts *opts, void *user)
{
    struct mesh_rpc *rpc = aion_spares_take(&channel->loop->rpcs);
    if (rpc == NULL)
        abort(); /* bounded by the circuit breaker: nothing sensible is left to do */
    memset(rpc, 0, offsetof(struct mesh_rpc, first_block));
    aion_list_add_last(&channel->rpcs, &rpc->link);
    channel->alive++;
    rpc->channel = channel;
    rpc->method = method;
    rpc->user = user;
    mesh_queue_init(&rpc->out);
    aion_list_init(&rpc->park);
    aion_list_init(&rpc->held.link);
    rpc->parent = opts != NULL && opts->parent != NULL ? mesh_hold(opts->parent) : NULL;
    rpc->wait_for_ready = opts != NULL && opts->wait_for_ready;
    rpc->repeatable = method->idempotent || (opts != NULL && opts->repeatable);
    aion_arena_init(&rpc->arena, ARENA_LIMIT, rpc->first_block, sizeof(rpc->first_block));
    aion_arena_init(&rpc->messages, ARENA_LIMIT, NULL, 0);
    rpc->status_text = grpc_empty_slice();
    rpc->began_us = aion_clock_mono_us();
    rpc->began_utc_us = aion_clock_utc_us();
    set_trace(rpc, opts);
    set_deadline(rpc, opts);
    int64_t wait = opts != NULL ? opts->ready_wait_us : 0;
    rpc->ready_by_us = wait > 0 && rpc->began_us + wait < rpc->deadline_us
                           ? rpc->began_us + wait
                           : rpc->deadline_us;
    add_metadata(rpc, opts);
    return rpc;
}

void mesh_rpc_begin(struct mesh_rpc *rpc, struct mesh_endpoint *endpoint)
{
    if (endpoint == NULL)
        endpoint = mesh_endpoint_pick(rpc->channel, rpc->tried);
    rpc->endpoint = endpoint;
    endpoint->outstanding++;
    rpc->attempt_us = rpc->attempt > 1 ? aion_clock_mono_us() : rpc->began_us;
    /* a parent that is gone already would cancel the child at once: it still reports so */
    bool propagate = rpc->parent != NULL && !mesh_ended(rpc->parent);
    rpc->core = mesh_core_call(endpoint->core, propagate ? rpc->parent : NULL,
                               rpc->channel->loop, rpc->method->path, rpc->deadline_us);
    grpc_metadata_array_init(&rpc->headers);
    grpc_metadata_array_init(&rpc->trailers);
    if (rpc->cancelled)
        grpc_call_cancel(rpc->core, NULL);
}

void mesh_rpc_end_attempt(struct mesh_rpc *rpc)
{
    if (rpc->core == NULL)
        return;
    if (rpc->received != NULL)
        grpc_byte_buffer_destroy(rpc->received);
    rpc->received = NULL;
    if (rpc->sending != NULL)
        grpc_byte_buffer_destroy(rpc->sending);
    rpc->sending = NULL;
    grpc_metadata_array_destroy(&rpc->headers);
    grpc_metadata_array_destroy(&rpc->trailers);
    grpc_slice_unref(rpc->status_text);
    rpc->status_text = grpc_empty_slice();
    grpc_call_unref(rpc->core);
    rpc->core = NULL;
    rpc->tried = rpc->endpoint;
    mesh_endpoint_unref(rpc->endpoint);
    rpc->endpoint = NULL;
}

aion_str mesh_rpc_status_details(const struct mesh_rpc *rpc)
{
    return mesh_metadata_find(&rpc->trailers, "grpc-status-details-bin");
}

bool mesh_rpc_read_status(struct mesh_rpc *rpc)
{
    enum aion_code code = aion_code_of(rpc->status);
    if (code == AION_OK)
        return true;
    aion_str text = mesh_slice_view(&rpc->status_text);
    aion_err_set(&rpc->err, rpc->method->path, code, "%.*s", AION_STR_ARG(text));
    aion_str details = mesh_rpc_status_details(rpc);
    if (details.size > 0)
        mesh_status_read(details, &rpc->err);
    aion_err_detail(&rpc->err, "%s at %s", rpc->channel->name, rpc->endpoint->address);
    return false;
}

void mesh_rpc_tell_end(struct mesh_rpc *rpc)
{
    if (rpc->system)
        return;
    int64_t duration = aion_clock_mono_us() - rpc->began_us;
    const char *peer = rpc->channel->name;
    aion_metric_add(
        aion_metric(&calls_family, peer, rpc->method->path, aion_code_name(rpc->err.code)), 1);
    if (rpc->done != NULL)
        aion_metric_record(aion_metric(&duration_family, peer, rpc->method->path), duration);
    struct mesh_span span = {.trace = rpc->trace,
                             .name = rpc->method->path,
                             .start_utc_us = rpc->began_utc_us,
                             .duration_us = duration,
                             .code = (int)rpc->err.code};
    mesh_span_record(&span);
}

void mesh_rpc_free(struct mesh_rpc *rpc)
{
    struct mesh_channel *channel = rpc->channel;
    mesh_rpc_end_attempt(rpc);
    if (rpc->request != NULL)
        grpc_byte_buffer_destroy(rpc->request);
    aion_arena_done(&rpc->messages);
    aion_arena_done(&rpc->arena);
    if (rpc->parent != NULL)
        mesh_drop(rpc->parent);
    aion_list_remove(&rpc->link);
    aion_list_remove(&rpc->held.link);
    aion_spares_give(&channel->loop->rpcs, rpc);
    mesh_channel_release(channel);
}

void *mesh_rpc_user(const struct mesh_rpc *rpc)
{
    return rpc->user;
}

const struct mesh_method *mesh_rpc_method(const struct mesh_rpc *rpc)
{
    return rpc->method;
}

aion_str mesh_rpc_header(const struct mesh_rpc *rpc, const char *name)
{
    return rpc->core != NULL ? mesh_metadata_find(&rpc->headers, name) : (aion_str){0};
}

aion_str mesh_rpc_trailer(const struct mesh_rpc *rpc, const char *name)
{
    return rpc->core != NULL ? mesh_metadata_find(&rpc->trailers, name) : (aion_str){0};
}

void mesh_rpc_cancel(struct mesh_rpc *rpc)
{
    rpc->cancelled = true;
    if (rpc->core != NULL)
        grpc_call_cancel(rpc->core, NULL);
    else if (rpc->ops == NULL)
        mesh_unary_cancel(rpc);
}
