/* The end of a call: what is told of it, and its return to the pool. */
#include "mesh/server_private.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

static const struct aion_metric_family calls_family = {
    .name = "aion_rpc_server_calls",
    .help = "Calls ended, by method and code.",
    .kind = AION_COUNTER,
    .labels = {"method", "code"},
    .series_max = 2048,
};

void mesh_call_ref(struct mesh_call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
}

static void count(struct mesh_call *call, int64_t duration_us)
{
    enum aion_code code = call->status.code;
    if (call->at == NULL) {
        aion_metric_add(aion_metric(&calls_family, "unknown", aion_code_name(code)), 1);
        return;
    }
    struct mesh_server_method *at = call->at;
    if (at->by_code[code] == NULL)
        at->by_code[code] = aion_metric(&calls_family, at->method->path, aion_code_name(code));
    aion_metric_add(at->by_code[code], 1);
    aion_metric_record(at->duration, duration_us);
}

aion_str mesh_call_address(struct mesh_call *call)
{
    if (call->peer.address.data != NULL)
        return call->peer.address;
    char *address = grpc_call_get_peer(call->core);
    call->peer.address =
        aion_arena_str(&call->arena, aion_str_of(address != NULL ? address : ""));
    gpr_free(address);
    return call->peer.address;
}

static void record_span(const struct mesh_call *call, int64_t duration_us)
{
    struct mesh_span span = {.trace = call->trace,
                             .name = call->at != NULL ? call->at->method->path : "unknown",
                             .start_utc_us = call->began_utc_us,
                             .duration_us = duration_us,
                             .code = (int)call->status.code,
                             .server = true};
    mesh_span_record(&span);
}

static void log_call(struct mesh_call *call, int64_t duration_us)
{
    aion_str peer =
        call->peer.spiffe_id.size > 0 ? call->peer.spiffe_id : mesh_call_address(call);
    char trace_id[33];
    aion_hex(trace_id, call->trace.trace_id, 16);
    bool failed = call->status.code != AION_OK;
    struct aion_log_field fields[10 + MESH_NOTES_MAX] = {
        LOG_WORD("method", aion_str_of(call->at != NULL ? call->at->method->path : "unknown")),
        LOG_WORD("code", aion_str_of(aion_code_name(call->status.code))),
        LOG_I64("duration_us", duration_us),
        LOG_WORD("peer", peer),
        LOG_STR("tenant", call->principal.tenant), /* one that was refused is told, too */
        LOG_WORD("trace_id", aion_str_n(trace_id, sizeof(trace_id) - 1)),
        LOG_U64("bytes_in", call->bytes_in),
        LOG_U64("bytes_out", call->bytes_out),
    };
    size_t used = 8;
    if (failed)
        fields[used++] = LOG_TEXT("error", call->status.text);
    if (failed && call->status.detail[0] != '\0')
        fields[used++] = LOG_TEXT("detail", call->status.detail);
    for (uint8_t i = 0; i < call->note_count; i++)
        fields[used++] =
            LOG_STR(call->notes[i].name, aion_str_n(call->notes[i].value, call->notes[i].size));
    aion_log_line(AION_LOG_INFO, "call", used, fields);
}

static void tell_audit(const struct mesh_call *call)
{
    const struct mesh_server *server = call->server;
    if (server->audited == NULL || call->at == NULL || !call->at->method->audit)
        return;
    struct mesh_audit audit = {.method = call->at->method,
                               .principal = &call->principal,
                               .peer = call->peer.spiffe_id,
                               .code = call->status.code,
                               .reason = call->status.reason,
                               .text = call->status.text};
    if (call->note_count > 0)
        audit.target = aion_str_n(call->notes[0].value, call->notes[0].size);
    server->audited(server->audited_user, &audit);
}

static void tell_done(struct mesh_call *call)
{
    if (!call->handler_opened)
        return;
    call->handler_opened = false;
    if (call->at->method->handler.done != NULL)
        call->at->method->handler.done(call, call->gone);
}

static void tell_failed(struct mesh_call *call)
{
    struct mesh_server *server = call->server;
    bool denied = call->status.code == AION_DENIED;
    if (server->failed != NULL && call->status.code != AION_OK && call->at != NULL &&
        (denied || call->at->method->audit))
        server->failed(server->failed_user, call, &call->status);
}

void mesh_call_finished(struct mesh_call *call)
{
    struct mesh_server *server = call->server;
    int64_t duration_us = server->loop->now_us - call->began_us;
    bool close_known = call->close_done || call->close_with_status;
    if (close_known && call->cancelled != 0 && call->status.code == AION_OK)
        aion_err_set(&call->status, __func__, AION_CANCELLED, "the caller left before the end");
    mesh_timer_cancel(server->loop, &call->deadline_timer);
    tell_done(call);
    tell_failed(call);
    count(call, duration_us);
    tell_audit(call);
    record_span(call, duration_us);
    if (server->conf.log_calls && aion_log_on(AION_LOG_INFO))
        log_call(call, duration_us);
    mesh_unadmit(call);
    aion_list_remove(&call->link);
    call->begun = false;
    mesh_call_unref(call); /* the first reference */
    mesh_server_call_gone(server);
}

void mesh_call_unref(struct mesh_call *call)
{
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) > 1)
        return;
    mesh_queue_drop(&call->out);
    if (call->payload != NULL)
        grpc_byte_buffer_destroy(call->payload);
    aion_arena_done(&call->messages);
    aion_arena_done(&call->arena);
    grpc_call_unref(call->core);
    call->core = NULL;
    if (call->known != NULL)
        mesh_peer_let_go(call->server, call->known);
    mesh_call_recycle(call);
}

void mesh_call_recycle(struct mesh_call *call)
{
    struct mesh_server *server = call->server;
    server->calls_out--;
    if (server->free_count < MESH_POOL_MAX) {
        aion_list_add_first(&server->free_calls, &call->link);
        server->free_count++;
        return;
    }
    grpc_metadata_array_destroy(&call->metadata);
    free(call);
}
