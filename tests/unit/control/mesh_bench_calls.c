/* What a client of a bench asks: unary calls, and streams of output. */
#include "base/clock.h"
#include "codec/message.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* -- unary calls -------------------------------------------------------------------- */
static void call_done(void *user, const struct mesh_result *result)
{
    struct bench *bench = user;
    bench->answered = true;
    bench->reply = NULL;
    bench->err = (struct aion_err){.code = AION_OK};
    if (result->err != NULL)
        bench->err = *result->err;
    else /* the answer's memory is the call's: keep a copy */
        bench->reply = result->reply;
    if (bench->reply != NULL) {
        size_t size = protobuf_c_message_get_packed_size(bench->reply);
        uint8_t *wire = aion_arena_alloc(&bench->arena, size);
        protobuf_c_message_pack(bench->reply, wire);
        ProtobufCAllocator allocator = codec_arena_allocator(&bench->arena);
        bench->reply =
            protobuf_c_message_unpack(bench->reply->descriptor, &allocator, size, wire);
    }
}

const ProtobufCMessage *bench_call(struct bench *bench, const struct mesh_method *method,
                                   const ProtobufCMessage *request)
{
    struct mesh_rpc_opts opts = {.wait_for_ready = true, .principal = bench->as};
    bench->answered = false;
    mesh_unary(bench->channel, method, request, &opts, call_done, bench);
    bench_until(bench, bench->answered);
    return bench->reply;
}

Aion__V1__TaskRequest *bench_request(struct bench *bench, const char *text, const char *key)
{
    static char intent[] = "noop", name[] = "text";
    struct aion_arena *arena = &bench->arena;
    Aion__V1__TaskRequest *request =
        (Aion__V1__TaskRequest *)codec_message_new(&aion__v1__task_request__schema, arena);
    Google__Protobuf__Struct *params = aion_arena_alloc(arena, sizeof(*params));
    Google__Protobuf__Struct__FieldsEntry *entry = aion_arena_alloc(arena, sizeof(*entry));
    Google__Protobuf__Value *value = aion_arena_alloc(arena, sizeof(*value));
    google__protobuf__struct__init(params);
    google__protobuf__struct__fields_entry__init(entry);
    google__protobuf__value__init(value);
    value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    value->string_value = aion_arena_text(arena, aion_str_of(text));
    entry->key = name;
    entry->value = value;
    params->n_fields = 1;
    params->fields = aion_arena_array(arena, 1, sizeof(*params->fields));
    params->fields[0] = entry;
    request->intent = intent;
    request->params = params;
    if (key != NULL) {
        request->_idempotency_key_case =
            AION__V1__TASK_REQUEST___IDEMPOTENCY_KEY_IDEMPOTENCY_KEY;
        request->idempotency_key = aion_arena_text(arena, aion_str_of(key));
    }
    return request;
}

Aion__V1__TaskRequest *bench_waiting_request(struct bench *bench, const char *text,
                                             const char *key, int64_t wait_s)
{
    Aion__V1__TaskRequest *request = bench_request(bench, text, key);
    Google__Protobuf__Duration *wait = aion_arena_alloc(&bench->arena, sizeof(*wait));
    google__protobuf__duration__init(wait);
    wait->seconds = wait_s;
    request->wait = wait_s > 0 ? wait : NULL;
    return request;
}

const Aion__V1__Task *bench_submit_request(struct bench *bench, Aion__V1__TaskRequest *request)
{
    return (const Aion__V1__Task *)bench_call(
        bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT], &request->base);
}

const Aion__V1__Task *bench_submit(struct bench *bench, const char *text, const char *key,
                                   int64_t wait_s)
{
    return bench_submit_request(bench, bench_waiting_request(bench, text, key, wait_s));
}

const struct bench_word *bench_begin(struct bench *bench, const char *key, const char **ret_id)
{
    struct bench_host *host = &bench->hosts[0];
    size_t before = host->executes;
    const Aion__V1__Task *task = bench_submit(bench, "words", key, 0);
    assert_non_null(task);
    *ret_id = task->task_id;
    bench_until(bench, host->executes > before);
    return &host->executed[before % BENCH_EVENTS];
}

const Aion__V1__Task *bench_get(struct bench *bench, const char *task_id)
{
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    request.task_id = aion_arena_text(&bench->arena, aion_str_of(task_id));
    return (const Aion__V1__Task *)bench_call(
        bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_GET_TASK], &request.base);
}

const Aion__V1__TaskStatus *bench_status(struct bench *bench, const char *task_id)
{
    Aion__V1__TaskRef request = AION__V1__TASK_REF__INIT;
    request.task_id = aion_arena_text(&bench->arena, aion_str_of(task_id));
    return (const Aion__V1__TaskStatus *)bench_call(
        bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_STATUS_BY_ID],
        &request.base);
}

bool bench_is(struct bench *bench, const char *task_id, int state)
{
    const Aion__V1__TaskStatus *status = bench_status(bench, task_id);
    return status != NULL && (int)status->state == state;
}

const Aion__V1__Task *bench_cancel(struct bench *bench, const char *task_id)
{
    Aion__V1__CancelRequest request = AION__V1__CANCEL_REQUEST__INIT;
    char reason[] = "enough";
    request.task_id = aion_arena_text(&bench->arena, aion_str_of(task_id));
    request.reason = reason;
    return (const Aion__V1__Task *)bench_call(
        bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_CANCEL], &request.base);
}

void bench_set_budget(struct bench *bench, int64_t limit_nano_usd)
{
    Aion__V1__Budget budget = AION__V1__BUDGET__INIT;
    char id[] = "b";
    budget.budget_id = id;
    budget.period = AION__V1__BUDGET__PERIOD__PERIOD_TOTAL;
    budget.limit_nano_usd = limit_nano_usd;
    assert_non_null(bench_call(bench, &aion_v1_budgets_type.methods[AION_V1_BUDGETS_SET_BUDGET],
                               &budget.base));
}

/* -- streams ------------------------------------------------------------------------ */
static void note_chunk(struct bench *bench, const Aion__V1__StreamChunk *chunk)
{
    assert_true(chunk->cursor > bench->last_cursor);
    bench->last_cursor = chunk->cursor;
    bench->gap |= chunk->gap;
    if (chunk->restart != NULL)
        bench->discard_from = chunk->restart->discard_from;
    if (chunk->final != NULL) {
        bench->final = true;
        bench->final_state = chunk->final->state;
        return;
    }
    bench->chunks++;
    if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_TEXT) {
        size_t used = strlen(bench->text);
        snprintf(bench->text + used, sizeof(bench->text) - used, "%s", chunk->text);
    }
}

static void stream_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    note_chunk(mesh_rpc_user(rpc), (const Aion__V1__StreamChunk *)message);
}

static void watch_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct bench *bench = mesh_rpc_user(rpc);
    const Aion__V1__WatchStreamsReply *reply = aion_v1_aion_tasks_watch_streams_read(message);
    assert_int_equal(reply->watch_id, 17);
    if (reply->event_case == AION__V1__WATCH_STREAMS_REPLY__EVENT_CHUNK)
        note_chunk(bench, reply->chunk);
    else
        bench->closed_code = reply->closed->code;
}

static void stream_ended(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct bench *bench = mesh_rpc_user(rpc);
    bench->stream = NULL;
    bench->stream_closed = true;
    bench->stream_err = (struct aion_err){.code = AION_OK};
    if (result->err != NULL)
        bench->stream_err = *result->err;
}

static void reset_stream(struct bench *bench, uint64_t after)
{
    bench->stream_closed = bench->final = bench->gap = false;
    bench->text[0] = '\0';
    bench->chunks = 0;
    bench->last_cursor = after;
    bench->discard_from = 0;
    bench->closed_code = -1;
}

void bench_stream(struct bench *bench, const char *task_id, uint64_t after)
{
    static const struct mesh_stream_ops ops = {.message = stream_message,
                                               .closed = stream_ended};
    Aion__V1__StreamRequest request = AION__V1__STREAM_REQUEST__INIT;
    request.task_id = aion_arena_text(&bench->arena, aion_str_of(task_id));
    request.after_cursor = after;
    struct mesh_rpc_opts opts = {.principal = bench->as};
    reset_stream(bench, after);
    bench->stream =
        aion_v1_aion_tasks_stream_open(bench->channel, &request, &opts, &ops, bench);
}

void bench_watch(struct bench *bench, const char *task_id, uint64_t after, uint32_t window)
{
    static const struct mesh_stream_ops ops = {.message = watch_message,
                                               .closed = stream_ended};
    Aion__V1__WatchStreamsRequest request = AION__V1__WATCH_STREAMS_REQUEST__INIT;
    Aion__V1__WatchStreamsRequest__Open open = AION__V1__WATCH_STREAMS_REQUEST__OPEN__INIT;
    Aion__V1__Principal principal = AION__V1__PRINCIPAL__INIT;
    char tenant[65] = "default", role[16] = "user", *roles[] = {role};
    if (bench->as != NULL) {
        aion_str_copy(tenant, sizeof(tenant), bench->as->tenant);
        snprintf(role, sizeof(role), "%s",
                 bench->as->role == MESH_ROLE_ADMIN ? "admin" : "user");
    }
    principal.tenant = tenant;
    principal.roles = roles;
    principal.n_roles = 1;
    open.task_id = aion_arena_text(&bench->arena, aion_str_of(task_id));
    open.after_cursor = after;
    open.window_bytes = window;
    open.principal = &principal;
    request.watch_id = 17;
    request.action_case = AION__V1__WATCH_STREAMS_REQUEST__ACTION_OPEN;
    request.open = &open;
    reset_stream(bench, after);
    bench->stream = aion_v1_aion_tasks_watch_streams_open(bench->channel, NULL, &ops, bench);
    aion_v1_aion_tasks_watch_streams_write(bench->stream, &request);
}

void bench_credit(struct bench *bench, uint32_t bytes)
{
    Aion__V1__WatchStreamsRequest request = AION__V1__WATCH_STREAMS_REQUEST__INIT;
    Aion__V1__WatchStreamsRequest__Credit credit =
        AION__V1__WATCH_STREAMS_REQUEST__CREDIT__INIT;
    credit.bytes = bytes;
    request.watch_id = 17;
    request.action_case = AION__V1__WATCH_STREAMS_REQUEST__ACTION_CREDIT;
    request.credit = &credit;
    aion_v1_aion_tasks_watch_streams_write(bench->stream, &request);
}
