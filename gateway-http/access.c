/* One histogram sample and one log line for each request, when it is over. */
#include "gateway_private.h"

#include "base/base64.h"
#include "base/log.h"

static const struct aion_metric_family bytes_family = {
    .name = "aion_gateway_body_bytes",
    .help = "Bytes of bodies received and sent.",
    .unit = "bytes",
    .kind = AION_COUNTER,
    .labels = {"direction"},
};

static void count_bytes(const struct gw_exchange *x)
{
    static struct aion_metric *in, *out; /* the gateway's loop alone comes here */
    if (in == NULL) {
        in = aion_metric(&bytes_family, "in");
        out = aion_metric(&bytes_family, "out");
    }
    aion_metric_add(in, (int64_t)gw_request_bytes(x));
    aion_metric_add(out, (int64_t)gw_reply_bytes(x));
}

/* Formatting is a good part of a request's cost: what says nothing is left out. */
static void log_line(const struct gw_call *call, int status, bool whole, int64_t duration_us)
{
    const struct gw_request *request = gw_request(call->x);
    char trace_id[33];
    aion_hex(trace_id, call->trace.trace_id, 16);
    struct aion_log_field fields[16] = {
        LOG_STR("method", request->method),
        LOG_STR("path", request->path),
        LOG_I64("status", status),
        LOG_I64("us", duration_us),
        LOG_U64("in", gw_request_bytes(call->x)),
        LOG_U64("out", gw_reply_bytes(call->x)),
        LOG_STR("peer", request->peer),
        LOG_I64("version", request->version),
        LOG_TEXT("trace_id", trace_id),
    };
    size_t count = 9;
    if (call->route != NULL)
        fields[count++] = LOG_TEXT("rpc", call->route->method->path);
    if (call->principal.key_id.size > 0) {
        fields[count++] = LOG_STR("tenant", call->principal.tenant);
        fields[count++] = LOG_STR("key_id", call->principal.key_id);
    }
    if (strcmp(call->request_id, trace_id) != 0)
        fields[count++] = LOG_TEXT("request_id", call->request_id);
    if (call->log_reason[0] != '\0')
        fields[count++] = LOG_TEXT("reason", call->log_reason);
    if (!whole)
        fields[count++] = LOG_BOOL("whole", false);
    aion_log_line(AION_LOG_INFO, "request", count, fields);
}

void gw_access(struct gw_call *call, bool whole)
{
    int status = gw_reply_status(call->x);
    if (status == 0)
        status = 499; /* gone before the answer, as nginx calls it */
    int64_t duration_us = gw_now(call->x) - gw_request(call->x)->began_us;
    aion_metric_record(gw_route_duration(call->route, status), duration_us);
    if (call->route != NULL)
        aion_metric_add(call->route->in_flight, -1);
    count_bytes(call->x);
    if (call->app->access_log && aion_log_on(AION_LOG_INFO))
        log_line(call, status, whole, duration_us);
}
