/* Errors to HTTP: one table from codes to statuses, one for reasons that need another, one body
 * builder (google.rpc.Status as JSON). */
#include "gateway_private.h"

#include "codec/json.h"
#include "codec/message.h"
#include "google/rpc/error_details.schema.h"
#include "google/rpc/status.schema.h"

static const short statuses[] = {
    [AION_OK] = 200,
    [AION_CANCELLED] = 499,
    [AION_UNKNOWN] = 500,
    [AION_INVALID] = 400,
    [AION_DEADLINE] = 504,
    [AION_NOT_FOUND] = 404,
    [AION_EXISTS] = 409,
    [AION_DENIED] = 403,
    [AION_EXHAUSTED] = 429,
    [AION_PRECONDITION] = 400,
    [AION_ABORTED] = 409,
    [AION_RANGE] = 400,
    [AION_UNIMPLEMENTED] = 501,
    [AION_INTERNAL] = 500,
    [AION_UNAVAILABLE] = 503,
    [AION_DATA_LOSS] = 500,
    [AION_UNAUTHENTICATED] = 401,
};

static const struct {
    const char *reason;
    int status;
} by_reason[] = {
    {"POLICY_INVALID", 422},
    {"KEY_BLOCKED", 403},
    {"IDEMPOTENCY_KEY_REUSED", 409},
    {"METHOD_NOT_ALLOWED", 405},
    {"TOO_LARGE", 413},
    {"CIRCUIT_OPEN", 503}, /* the service behind is full, not the client's share */
};

int gw_http_status(const struct aion_err *err)
{
    for (size_t i = 0; err->reason[0] != '\0' && i < aion_countof(by_reason); i++)
        if (strcmp(by_reason[i].reason, err->reason) == 0)
            return by_reason[i].status;
    return statuses[aion_code_of((int64_t)err->code)];
}

/* -- the body ----------------------------------------------------------------------------- */

/* What the upstream sent, details and all; false: it cannot be read or shown. */
static bool print_received(aion_str details, struct gw_exchange *x, struct aion_buf *out)
{
    static const struct codec_file *const files[] = {&google__rpc__error_details_proto__file,
                                                     NULL};
    struct codec_json_write options = {.files = files};
    struct aion_err ignored;
    const ProtobufCMessage *status =
        codec_unpack(&google__rpc__status__schema, details, NULL, gw_arena(x), &ignored);
    if (status != NULL &&
        codec_json_print(&google__rpc__status__schema, status, &options, out, &ignored))
        return true;
    aion_buf_reset(out);
    return false;
}

static void print_details(const struct aion_err *err, struct aion_buf *out)
{
    const char *comma = "";
    aion_buf_text(out, ",\"details\":[");
    if (err->reason[0] != '\0') {
        aion_buf_text(out,
                      "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":");
        aion_buf_json(out, aion_str_of(err->reason));
        aion_buf_text(out, ",\"domain\":\"aion\"}");
        comma = ",";
    }
    if (err->field[0] != '\0') {
        aion_buf_printf(out,
                        "%s{\"@type\":\"type.googleapis.com/google.rpc.BadRequest\","
                        "\"fieldViolations\":[{\"field\":",
                        comma);
        aion_buf_json(out, aion_str_of(err->field));
        aion_buf_text(out, ",\"description\":");
        aion_buf_json(out, aion_str_of(err->text));
        aion_buf_text(out, "}]}");
        comma = ",";
    }
    if (err->retry_after_ms > 0)
        aion_buf_printf(out,
                        "%s{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
                        "\"retryDelay\":\"%lld.%03llds\"}",
                        comma, (long long)(err->retry_after_ms / 1000),
                        (long long)(err->retry_after_ms % 1000));
    aion_buf_char(out, ']');
}

void gw_status_json(const struct aion_err *err, aion_str details, struct gw_exchange *x,
                    struct aion_buf *out)
{
    if (details.size > 0 && print_received(details, x, out))
        return;
    aion_buf_printf(out, "{\"code\":%d,\"message\":", (int)err->code);
    aion_buf_json(out, aion_str_of(err->text));
    if (err->reason[0] != '\0' || err->field[0] != '\0' || err->retry_after_ms > 0)
        print_details(err, out);
    aion_buf_char(out, '}');
}

/* -- the answer --------------------------------------------------------------------------- */

static void add_retry_after(struct gw_call *call, const struct aion_err *err, int status)
{
    char text[24];
    int64_t seconds = (err->retry_after_ms + 999) / 1000;
    if (seconds <= 0 && status != 429 && status != 503)
        return;
    snprintf(text, sizeof(text), "%lld", (long long)(seconds > 0 ? seconds : 1));
    gw_reply_field(call->x, "retry-after", aion_str_of(text));
}

void gw_fail_with(struct gw_call *call, const struct aion_err *err, aion_str details)
{
    enum { BODY_MAX = 64 * 1024 };
    struct aion_buf body;
    int status = gw_http_status(err);
    aion_buf_init(&body, BODY_MAX);
    gw_status_json(err, details, call->x, &body);
    if (err->reason[0] != '\0')
        call->log_reason = aion_arena_text(gw_arena(call->x), aion_str_of(err->reason));
    add_retry_after(call, err, status);
    gw_reply_field(call->x, "content-type", AION_STR("application/json"));
    gw_reply_field(call->x, "x-request-id", aion_str_of(call->request_id));
    gw_reply(call->x, status, aion_buf_view(&body));
    aion_buf_done(&body);
}

void gw_fail(struct gw_call *call, const struct aion_err *err)
{
    gw_fail_with(call, err, (aion_str){0});
}
