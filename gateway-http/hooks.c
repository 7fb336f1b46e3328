/* What HTTP has a header for and proto has a field: task submission. A row for each method that
 * needs more than transcoding. */
#include "gateway_private.h"

#include "aion/v1/tasks.mesh.h"

enum { WAIT_MAX_S = 60 };

void gw_call_field(struct gw_call *call, const char *name, const char *value)
{
    aion_str copy = aion_arena_str(gw_arena(call->x), aion_str_of(value));
    if (call->field_count < aion_countof(call->fields) && copy.data != NULL)
        call->fields[call->field_count++] = (struct gw_field){aion_str_of(name), copy};
}

/* -- Submit ------------------------------------------------------------------------------- */

/* A structured-field string has quotes, most clients send none
 * (draft-ietf-httpapi-idempotency-key). */
static bool take_key(struct gw_call *call, Aion__V1__TaskRequest *request, struct aion_err *err)
{
    aion_str key = gw_request_field(call->x, "idempotency-key");
    if (key.data == NULL)
        return true;
    if (key.size >= 2 && key.data[0] == '"' && key.data[key.size - 1] == '"')
        key = aion_str_n(key.data + 1, key.size - 2);
    bool in_body = request->_idempotency_key_case != 0;
    if (in_body && !aion_str_is(key, request->idempotency_key)) {
        aion_err_set(err, __func__, AION_INVALID,
                     "Idempotency-Key differs from the body's idempotency_key");
        aion_err_field(err, "idempotency_key");
        return false;
    }
    bool good = key.size >= 1 && key.size <= 255;
    for (size_t i = 0; i < key.size; i++)
        good = good && key.data[i] > ' ' && key.data[i] < 0x7f;
    if (!good) {
        aion_err_set(err, __func__, AION_INVALID,
                     "Idempotency-Key is not 1..255 visible ASCII characters");
        aion_err_field(err, "idempotency_key");
        return false;
    }
    request->_idempotency_key_case = AION__V1__TASK_REQUEST___IDEMPOTENCY_KEY_IDEMPOTENCY_KEY;
    request->idempotency_key = aion_arena_text(gw_arena(call->x), key);
    return request->idempotency_key != NULL ||
           aion_fail(err, AION_EXHAUSTED, "the request is too large");
}

/* "Prefer: respond-async, wait=10" (RFC 7240). A malformed preference is ignored, as the RFC
 * says. */
static bool preferred_wait(aion_str prefer, uint64_t *ret_seconds)
{
    while (prefer.data != NULL) {
        aion_str item = aion_str_trim(aion_str_cut(&prefer, ','));
        if (aion_str_starts(item, AION_STR("wait=")) &&
            aion_str_u64(aion_str_n(item.data + 5, item.size - 5), ret_seconds))
            return true;
    }
    return false;
}

static bool take_wait(struct gw_call *call, Aion__V1__TaskRequest *request,
                      struct aion_err *err)
{
    uint64_t seconds;
    if (request->wait == NULL &&
        preferred_wait(gw_request_field(call->x, "prefer"), &seconds)) {
        request->wait = aion_arena_alloc(gw_arena(call->x), sizeof(*request->wait));
        if (request->wait == NULL)
            return aion_fail(err, AION_EXHAUSTED, "the request is too large");
        google__protobuf__duration__init(request->wait);
        request->wait->seconds = (int64_t)(seconds < WAIT_MAX_S ? seconds : WAIT_MAX_S);
    }
    if (request->wait != NULL && request->wait->seconds > 0)
        call->up.timeout_us =
            (request->wait->seconds < WAIT_MAX_S ? request->wait->seconds : WAIT_MAX_S) *
            1000000;
    return true;
}

static bool submit_request(struct gw_call *call, ProtobufCMessage *message,
                           struct aion_err *err)
{
    Aion__V1__TaskRequest *request = (Aion__V1__TaskRequest *)message;
    if (!take_key(call, request, err) || !take_wait(call, request, err))
        return false;
    call->up.repeatable = request->_idempotency_key_case != 0 || request->_task_id_case != 0;
    return true;
}

static bool is_final(Aion__V1__TaskState state)
{
    return (int)state >= AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
}

/* 200 when the task is final, else 202 and where to ask. */
static void submit_reply(struct gw_call *call, const ProtobufCMessage *message)
{
    const Aion__V1__Task *task = (const Aion__V1__Task *)message;
    char location[80];
    call->http_status = is_final(task->state) ? 200 : 202;
    snprintf(location, sizeof(location), "/v1/tasks/%.40s", task->task_id);
    gw_call_field(call, "aion-task-id", task->task_id);
    if (task->engine != NULL && task->engine->decision_id[0] != '\0')
        gw_call_field(call, "aion-decision-id", task->engine->decision_id);
    if (call->http_status == 202)
        gw_call_field(call, "location", location);
}

/* -- the rows ----------------------------------------------------------------------------- */

static const struct gw_hook hooks[] = {
    {"/aion.v1.AionTasks/Submit", submit_request, submit_reply},
};

const struct gw_hook *gw_hook_find(const char *method)
{
    for (size_t i = 0; i < aion_countof(hooks); i++)
        if (strcmp(hooks[i].method, method) == 0)
            return &hooks[i];
    return NULL;
}
