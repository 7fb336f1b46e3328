/* google.rpc.Status with its details, built and read with the generated messages. */
#include "mesh/core_private.h"

#include "codec/message.h"
#include "google/rpc/error_details.schema.h"
#include "google/rpc/status.schema.h"

enum { DETAILS_MAX = 4 };
#define TYPE_PREFIX "type.googleapis.com/google.rpc."

struct builder {
    Google__Rpc__Status status;
    Google__Protobuf__Any any[DETAILS_MAX];
    Google__Protobuf__Any *list[DETAILS_MAX];
    struct aion_arena *arena;
    bool failed;
};

static void add_detail(struct builder *builder, const char *type,
                       const ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = &builder->any[builder->status.n_details];
    google__protobuf__any__init(any);
    size_t size = protobuf_c_message_get_packed_size(message);
    any->type_url = (char *)(uintptr_t)type;
    any->value.data = aion_arena_alloc(builder->arena, size);
    any->value.len = size;
    if (any->value.data == NULL) {
        builder->failed = true;
        return;
    }
    protobuf_c_message_pack(message, any->value.data);
    builder->list[builder->status.n_details++] = any;
}

static void add_reason(struct builder *builder, const struct aion_err *err)
{
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    info.reason = (char *)(uintptr_t)err->reason;
    info.domain = (char *)(uintptr_t) "aion";
    add_detail(builder, TYPE_PREFIX "ErrorInfo", &info.base);
}

static void add_field(struct builder *builder, const struct aion_err *err)
{
    Google__Rpc__BadRequest__FieldViolation violation =
        GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    violation.field = (char *)(uintptr_t)err->field;
    violation.description = (char *)(uintptr_t)err->text;
    Google__Rpc__BadRequest__FieldViolation *violations[] = {&violation};
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    bad.field_violations = violations;
    bad.n_field_violations = 1;
    add_detail(builder, TYPE_PREFIX "BadRequest", &bad.base);
}

static void add_retry(struct builder *builder, int64_t after_ms)
{
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = after_ms / 1000;
    delay.nanos = (int32_t)(after_ms % 1000) * 1000000;
    Google__Rpc__RetryInfo info = GOOGLE__RPC__RETRY_INFO__INIT;
    info.retry_delay = &delay;
    add_detail(builder, TYPE_PREFIX "RetryInfo", &info.base);
}

aion_str mesh_status_details(const struct aion_err *err, struct aion_arena *arena)
{
    struct builder builder = {.arena = arena};
    if (err->reason[0] == '\0' && err->field[0] == '\0' && err->retry_after_ms <= 0)
        return (aion_str){0};
    google__rpc__status__init(&builder.status);
    builder.status.code = (int32_t)err->code;
    builder.status.message = (char *)(uintptr_t)err->text;
    builder.status.details = builder.list;
    if (err->reason[0] != '\0')
        add_reason(&builder, err);
    if (err->field[0] != '\0')
        add_field(&builder, err);
    if (err->retry_after_ms > 0)
        add_retry(&builder, err->retry_after_ms);
    size_t size = google__rpc__status__get_packed_size(&builder.status);
    uint8_t *wire = aion_arena_alloc(arena, size);
    if (wire == NULL || builder.failed)
        return (aion_str){0}; /* code and text still go out */
    google__rpc__status__pack(&builder.status, wire);
    return aion_str_n(wire, size);
}

/* -- reading -------------------------------------------------------------- */

static void read_detail(const Google__Protobuf__Any *any, struct aion_arena *arena,
                        struct aion_err *err)
{
    aion_str value = aion_str_n(any->value.data, any->value.len);
    ProtobufCMessage *message = NULL;
    if (strcmp(any->type_url, TYPE_PREFIX "ErrorInfo") == 0) {
        message = codec_unpack(&google__rpc__error_info__schema, value, NULL, arena, NULL);
        if (message != NULL)
            aion_err_reason(err, ((Google__Rpc__ErrorInfo *)message)->reason);
    } else if (strcmp(any->type_url, TYPE_PREFIX "BadRequest") == 0) {
        message = codec_unpack(&google__rpc__bad_request__schema, value, NULL, arena, NULL);
        const Google__Rpc__BadRequest *bad = (const Google__Rpc__BadRequest *)message;
        if (bad != NULL && bad->n_field_violations > 0)
            aion_err_field(err, "%s", bad->field_violations[0]->field);
    } else if (strcmp(any->type_url, TYPE_PREFIX "RetryInfo") == 0) {
        message = codec_unpack(&google__rpc__retry_info__schema, value, NULL, arena, NULL);
        const Google__Rpc__RetryInfo *retry = (const Google__Rpc__RetryInfo *)message;
        if (retry != NULL && retry->retry_delay != NULL && retry->retry_delay->seconds >= 0 &&
            retry->retry_delay->seconds < 86400)
            err->retry_after_ms =
                retry->retry_delay->seconds * 1000 + retry->retry_delay->nanos / 1000000;
    }
}

void mesh_status_read(aion_str details, struct aion_err *err)
{
    struct aion_arena arena;
    char first[2048];
    aion_arena_init(&arena, 65536, first, sizeof(first));
    const Google__Rpc__Status *status = (const Google__Rpc__Status *)codec_unpack(
        &google__rpc__status__schema, details, NULL, &arena, NULL);
    for (size_t i = 0; status != NULL && i < status->n_details && i < 16; i++)
        read_detail(status->details[i], &arena, err);
    aion_arena_done(&arena);
}
