/* Checking a TaskRequest: every refusal names the field, what it holds and what was expected.
 * Pure. */
#include "auth/digest.h"
#include "codec/message.h"
#include "control_private.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_US ((int64_t)86400 * 1000000)

static bool refuse(struct aion_err *err, const char *field, const char *fmt, ...)
    AION_PRINTF(3, 4);
static bool refuse(struct aion_err *err, const char *field, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    aion_err_setv(err, __func__, AION_INVALID, fmt, args);
    va_end(args);
    aion_err_field(err, "%s", field);
    return false;
}

/* -- single fields ------------------------------------------------------------------ */
static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_name_char(char c)
{
    return is_lower(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static bool check_intent(const Aion__V1__TaskRequest *request, struct aion_err *err)
{
    aion_str intent = aion_str_of(request->intent);
    bool good = intent.size >= 1 && intent.size <= 64 && is_lower(intent.data[0]);
    for (size_t i = 1; good && i < intent.size; i++)
        good = is_name_char(intent.data[i]);
    if (intent.size == 0)
        return refuse(err, "intent",
                      "intent is missing: name what to do, as \"summarize_text\"");
    return good ||
           refuse(
               err, "intent",
               "intent \"%.80s\" is no name: a lower-case letter, then up to 63 of [a-z0-9_.-]",
               intent.data);
}

static uint32_t deeper(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Levels of lists and objects. Recursion is bounded: the mesh's scan let through at most 100.
 */
static uint32_t struct_depth(const Google__Protobuf__Struct *object);
static uint32_t value_depth(const Google__Protobuf__Value *value)
{
    uint32_t depth = 0;
    if (value == NULL)
        return 0;
    if (value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
        return struct_depth(value->struct_value);
    if (value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE)
        return 0;
    for (size_t i = 0; i < value->list_value->n_values; i++)
        depth = deeper(depth, value_depth(value->list_value->values[i]));
    return depth + 1;
}

static uint32_t struct_depth(const Google__Protobuf__Struct *object)
{
    uint32_t depth = 0;
    for (size_t i = 0; i < object->n_fields; i++)
        depth = deeper(depth, value_depth(object->fields[i]->value));
    return depth + 1;
}

static bool check_params(const Aion__V1__TaskRequest *request, struct aion_err *err)
{
    if (request->params == NULL)
        return true;
    size_t size = protobuf_c_message_get_packed_size(&request->params->base);
    if (size > PARAMS_BYTES_MAX)
        return refuse(err, "params",
                      "params take %zu bytes, more than %d: long text belongs in input", size,
                      (int)PARAMS_BYTES_MAX);
    uint32_t depth = struct_depth(request->params);
    return depth <= PARAMS_DEPTH_MAX ||
           refuse(err, "params", "params are %u levels deep, more than %d", depth,
                  (int)PARAMS_DEPTH_MAX);
}

static bool check_input(const Aion__V1__TaskRequest *request, struct aion_err *err)
{
    if (request->input.len > INPUT_BYTES_MAX)
        return refuse(err, "input", "input has %zu bytes, more than %d (4 MiB)",
                      request->input.len, (int)INPUT_BYTES_MAX);
    size_t type = strlen(request->content_type);
    return type <= 127 ||
           refuse(err, "content_type", "content_type has %zu bytes, more than 127", type);
}

/* -- identity ----------------------------------------------------------------------- */
static bool check_key(aion_str key, struct aion_err *err)
{
    if (key.size == 0 || key.size > 255)
        return refuse(err, "idempotency_key", "idempotency_key has %zu bytes: give 1 to 255",
                      key.size);
    for (size_t i = 0; i < key.size; i++)
        if (key.data[i] < 0x21 || key.data[i] > 0x7e)
            return refuse(err, "idempotency_key",
                          "idempotency_key has byte 0x%02x at %zu: visible ASCII only",
                          (unsigned char)key.data[i], i);
    return true;
}

static bool read_identity(const Aion__V1__TaskRequest *request, struct control_request *out,
                          struct aion_err *err)
{
    bool key =
        request->_idempotency_key_case != AION__V1__TASK_REQUEST___IDEMPOTENCY_KEY__NOT_SET;
    out->has_id = request->_task_id_case != AION__V1__TASK_REQUEST___TASK_ID__NOT_SET;
    if (out->has_id && key)
        return refuse(err, "idempotency_key",
                      "task_id and idempotency_key came together: a task_id is a key already, "
                      "leave one out");
    if (out->has_id && !aion_uuid_parse(aion_str_of(request->task_id), &out->id))
        return refuse(err, "task_id", "task_id \"%.80s\" is not a UUID", request->task_id);
    if (key)
        out->key = aion_str_of(request->idempotency_key);
    return !key || check_key(out->key, err);
}

/* -- bounds ------------------------------------------------------------------------- */
static bool read_priority(const Aion__V1__TaskRequest *request, struct control_request *out,
                          struct aion_err *err)
{
    int priority = (int)request->priority;
    if (priority < 0 || priority > 5)
        return refuse(err, "priority",
                      "priority %d is unknown: PRIORITY_CRITICAL (1) to PRIORITY_BATCH (5)",
                      priority);
    out->priority = priority == 0 ? 3 : (unsigned)priority;
    return true;
}

static bool read_deadline(const Aion__V1__TaskRequest *request, int64_t now_us,
                          struct control_request *out, struct aion_err *err)
{
    const Google__Protobuf__Timestamp *deadline = request->deadline;
    out->deadline_us = now_us + DAY_US;
    if (deadline == NULL)
        return true;
    if (deadline->seconds < 0 || deadline->seconds > 253402300799 || deadline->nanos < 0 ||
        deadline->nanos > 999999999)
        return refuse(err, "deadline", "deadline is no time between 1970 and 9999");
    out->deadline_us = deadline->seconds * 1000000 + deadline->nanos / 1000;
    if (out->deadline_us <= now_us)
        return refuse(err, "deadline",
                      "deadline has passed already: it is a moment, not a length of time");
    return out->deadline_us <= now_us + 7 * DAY_US ||
           refuse(err, "deadline", "deadline is more than 7 days ahead");
}

static bool read_wait(const Aion__V1__TaskRequest *request, struct control_request *out,
                      struct aion_err *err)
{
    const Google__Protobuf__Duration *wait = request->wait;
    if (wait == NULL)
        return true;
    if (wait->seconds < 0 || wait->seconds > WAIT_SECONDS_MAX || wait->nanos < 0 ||
        wait->nanos > 999999999 || (wait->seconds == WAIT_SECONDS_MAX && wait->nanos > 0))
        return refuse(err, "wait", "wait is %lld s: give 0 to %d s", (long long)wait->seconds,
                      (int)WAIT_SECONDS_MAX);
    out->wait_us = wait->seconds * 1000000 + wait->nanos / 1000;
    return true;
}

static bool check_sla(const Aion__V1__TaskRequest *request, struct aion_err *err)
{
    if (request->sla == NULL)
        return true;
    if (request->sla->budget_nano_usd < 0)
        return refuse(err, "sla.budget_nano_usd", "sla.budget_nano_usd is %lld: not below 0",
                      (long long)request->sla->budget_nano_usd);
    int privacy = (int)request->sla->privacy;
    return (privacy >= 0 && privacy <= 2) ||
           refuse(err, "sla.privacy",
                  "sla.privacy %d is unknown: PRIVACY_LOCAL_ONLY or PRIVACY_ANY", privacy);
}

static bool check_metadata(const Aion__V1__TaskRequest *request, struct aion_err *err)
{
    if (strlen(request->preferred_engine) > 64)
        return refuse(err, "preferred_engine", "preferred_engine is longer than 64 bytes");
    if (request->n_metadata > 16)
        return refuse(err, "metadata", "metadata has %zu entries, more than 16",
                      request->n_metadata);
    for (size_t i = 0; i < request->n_metadata; i++) {
        const Aion__V1__TaskRequest__MetadataEntry *entry = request->metadata[i];
        if (strlen(entry->key) < 1 || strlen(entry->key) > 64 || strlen(entry->value) > 256)
            return refuse(err, "metadata",
                          "metadata \"%.64s\": keys have 1 to 64 bytes, values at most 256",
                          entry->key);
    }
    return true;
}

bool control_request_check(const Aion__V1__TaskRequest *request, int64_t now_utc_us,
                           struct control_request *ret_request, struct aion_err *err)
{
    *ret_request = (struct control_request){.has_id = false};
    return check_intent(request, err) && check_params(request, err) &&
           check_input(request, err) && read_identity(request, ret_request, err) &&
           read_priority(request, ret_request, err) &&
           read_deadline(request, now_utc_us, ret_request, err) &&
           read_wait(request, ret_request, err) && check_sla(request, err) &&
           check_metadata(request, err);
}

bool control_request_digest(const Aion__V1__TaskRequest *request, uint8_t ret_digest[32],
                            struct aion_buf *scratch, struct aion_err *err)
{
    static const uint32_t skip[] = {5, 6, 10, 11,
                                    0}; /* task_id, idempotency_key, deadline, wait */
    aion_buf_reset(scratch);
    if (!codec_canonical(&aion__v1__task_request__schema, &request->base, skip, scratch, err))
        return false;
    auth_sha256(ret_digest, aion_buf_view(scratch));
    return true;
}

/* -- wire forms that are kept --------------------------------------------------------- */
bool control_pack(struct control_bytes *bytes, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    bytes->data = size > 0 ? malloc(size) : NULL;
    bytes->size = bytes->data != NULL ? size : 0;
    if (bytes->data != NULL)
        protobuf_c_message_pack(message, (uint8_t *)bytes->data);
    return size == 0 || bytes->data != NULL;
}
