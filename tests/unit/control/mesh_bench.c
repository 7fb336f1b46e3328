#include "mesh_bench.h"

#include "base/clock.h"
#include "codec/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* -- the loop ----------------------------------------------------------------------- */
struct turn {
    struct mesh_timer timer;
    struct mesh_loop *loop;
};

static void turn_over(struct mesh_timer *timer)
{
    mesh_loop_stop(aion_container(timer, struct turn, timer)->loop);
}

static void run_for(struct bench *bench, int64_t us)
{
    struct turn turn = {.timer.fire = turn_over, .loop = bench->loop};
    mesh_timer_set(bench->loop, &turn.timer, aion_clock_mono_us() + us);
    mesh_loop_run(bench->loop);
}

void bench_turn(struct bench *bench)
{
    struct bench *peer = bench->peer;
    if (!bench->paused)
        run_for(bench, peer != NULL ? 500 : 1000);
    if (peer != NULL && !peer->paused)
        run_for(peer, 500);
}

void bench_turns(struct bench *bench, unsigned milliseconds)
{
    int64_t until_us = aion_clock_mono_us() + 1000 * (int64_t)milliseconds;
    do
        bench_turn(bench);
    while (aion_clock_mono_us() < until_us);
}

/* -- the router --------------------------------------------------------------------- */
static void decided(struct mesh_call *call, const Aion__V1__DecideStreamRequest *request)
{
    struct bench *bench = mesh_service(call);
    Aion__V1__DecideStreamReply reply = AION__V1__DECIDE_STREAM_REPLY__INIT;
    Aion__V1__Decision decision = AION__V1__DECISION__INIT;
    Aion__V1__Engine engine = AION__V1__ENGINE__INIT;
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    char module[] = "noop", pool[] = "cpu", route[] = "local", reason[] = "INTENT_UNKNOWN",
         message[] = "no route serves the intent", denied[] = "DENIED_BY_POLICY",
         label[] = "gpu=true", *labels[] = {label};
    bench->decisions++;
    if (bench->route == ROUTE_SILENT)
        return;
    reply.request_id = request->request_id;
    engine.module = module;
    engine.route = route;
    decision.engine = &engine;
    decision.pool = pool;
    decision.labels = labels;
    decision.n_labels = bench->wants_gpu ? 1 : 0;
    decision.attempts_max = bench->attempts_max;
    decision.cost_estimate_nano_usd = bench->cost_nano_usd;
    decision.lane = bench->direct ? AION__V1__LANE__LANE_DIRECT : AION__V1__LANE__LANE_DURABLE;
    decision.repeat_unsafe = bench->unsafe;
    decision.timeout_us = 30000000;
    error.code = AION_NOT_FOUND;
    error.reason = reason;
    error.message = message;
    bool dear = bench->counts_money &&
                request->request->_money_left_nano_usd_case !=
                    AION__V1__DECIDE_REQUEST___MONEY_LEFT_NANO_USD__NOT_SET &&
                request->request->money_left_nano_usd < bench->cost_nano_usd;
    if (bench->route == ROUTE_DENIES) {
        error.code = AION_DENIED;
        error.reason = denied;
    }
    if (bench->route == ROUTE_DECIDES && !dear) {
        reply.outcome_case = AION__V1__DECIDE_STREAM_REPLY__OUTCOME_DECISION;
        reply.decision = &decision;
    } else {
        reply.outcome_case = AION__V1__DECIDE_STREAM_REPLY__OUTCOME_ERROR;
        reply.error = &error;
    }
    aion_v1_router_decide_stream_send(call, &reply);
}

static void router_half_close(struct mesh_call *call)
{
    mesh_finish(call);
}

static void router_quiet(struct mesh_call *call)
{
    (void)call;
}

static void router_done(struct mesh_call *call, bool cancelled)
{
    (void)call;
    (void)cancelled;
}

/* The generated thunks call every slot of a method; the other methods are never called here. */
static const struct aion_v1_router_server router_table = {
    .decide_stream = {.open = router_quiet,
                      .message = decided,
                      .half_close = router_half_close,
                      .writable = router_quiet,
                      .done = router_done}};

void bench_router_start(struct bench *bench)
{
    struct aion_err err;
    char listen[32];
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", bench->router_port);
    struct mesh_server_conf conf = {.listen = listen};
    bench->router_server = mesh_server_new(bench->loop, &conf, &err);
    if (bench->router_server == NULL)
        fail_msg("router: %s", err.text);
    bench->router_port = mesh_server_port(bench->router_server);
    mesh_server_bind(bench->router_server, &aion_v1_router_type, &router_table, bench);
    mesh_server_start(bench->router_server);
}

void bench_router_stop(struct bench *bench)
{
    mesh_server_free(bench->router_server);
    bench->router_server = NULL;
}

/* -- hosts -------------------------------------------------------------------------- */
static void note_token(struct bench_word *word, const Aion__V1__AttemptToken *token)
{
    aion_str_copy(word->task_id, sizeof(word->task_id), aion_str_of(token->task_id));
    word->attempt = token->attempt;
    word->epoch = token->epoch;
}

static Aion__V1__AttemptToken token_of(const struct bench_word *word, char id[AION_UUID_TEXT])
{
    Aion__V1__AttemptToken token = AION__V1__ATTEMPT_TOKEN__INIT;
    memcpy(id, word->task_id, AION_UUID_TEXT);
    token.task_id = id;
    token.attempt = word->attempt;
    token.epoch = word->epoch;
    return token;
}

static void body_add(struct bench_body *body, const struct bench_word *word);

static void note_execute(struct bench_host *host, const Aion__V1__HostCommand__Execute *execute)
{
    struct bench_word *word = &host->executed[host->executes++ % BENCH_EVENTS];
    note_token(word, execute->token);
    assert_string_equal(execute->module, "noop");
    assert_string_equal(execute->intent, "noop");
    assert_true(execute->timeout_us > 0);
    assert_int_equal(execute->params->n_fields, 1);
    aion_str_copy(word->text, sizeof(word->text),
                  aion_str_of(execute->params->fields[0]->value->string_value));
    body_add(host->body, word);
    if (host->automatic)
        bench_result(host, word, word->text);
}

static void note_cancel(struct bench_host *host, const Aion__V1__HostCommand__Cancel *cancel)
{
    struct bench_word *word = &host->cancelled[host->cancels++ % BENCH_EVENTS];
    note_token(word, cancel->token);
    aion_str_copy(word->text, sizeof(word->text), aion_str_of(cancel->reason));
    if (host->obedient)
        bench_failure(host, word, false, "CANCELLED");
}

static bool same_word(const struct bench_word *a, const struct bench_word *b)
{
    return strcmp(a->task_id, b->task_id) == 0 && a->attempt == b->attempt &&
           a->epoch == b->epoch;
}

static void body_add(struct bench_body *body, const struct bench_word *word)
{
    if (body != NULL && body->count < BENCH_EVENTS)
        body->words[body->count++] = *word;
}

static void body_remove(struct bench_body *body, const struct bench_word *word)
{
    for (size_t i = 0; body != NULL && i < body->count; i++)
        if (same_word(&body->words[i], word))
            body->words[i--] = body->words[--body->count];
}

static void say_running(struct bench_host *host, const struct bench_word *words, size_t count,
                        uint64_t shards);

static void note_claim(struct bench_host *host, uint64_t shards)
{
    static struct bench_word words[BENCH_EVENTS];
    size_t count = 0;
    host->claims++;
    host->claimed = shards;
    for (size_t i = 0; host->body != NULL && i < host->body->count; i++) {
        struct aion_uuid id;
        assert_true(aion_uuid_parse(aion_str_of(host->body->words[i].task_id), &id));
        if ((shards & control_shard_bit(control_shard_of(&id))) != 0)
            words[count++] = host->body->words[i];
    }
    if (host->body != NULL)
        say_running(host, words, count, shards);
}

static void note_peers(struct bench_host *host, const Aion__V1__HostCommand__Peers *peers)
{
    size_t used = (size_t)snprintf(host->peers, sizeof(host->peers), "%s|", peers->self);
    for (size_t i = 0; i < peers->n_addresses; i++)
        used += (size_t)snprintf(host->peers + used, sizeof(host->peers) - used, "%s%s",
                                 i > 0 ? " " : "", peers->addresses[i]);
}

static void note_settled(struct bench_host *host, const Aion__V1__HostCommand__Settled *settled)
{
    struct bench_word *word = &host->settled[host->settles++ % BENCH_EVENTS];
    note_token(word, settled->token);
    word->accepted = settled->accepted;
    body_remove(host->body, word);
}

static void say_capacity(struct bench_host *host)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Capacity capacity = AION__V1__HOST_MESSAGE__CAPACITY__INIT;
    capacity.slots = host->slots;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CAPACITY;
    message.capacity = &capacity;
    if (host->body != NULL)
        aion_v1_hosts_attach_write(host->rpc, &message);
}

static void host_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct bench_host *host = mesh_rpc_user(rpc);
    const Aion__V1__HostCommand *command = aion_v1_hosts_attach_read(message);
    switch ((int)command->kind_case) {
    case AION__V1__HOST_COMMAND__KIND_WELCOME:
        host->welcomes++;
        return;
    case AION__V1__HOST_COMMAND__KIND_EXECUTE:
        note_execute(host, command->execute);
        return;
    case AION__V1__HOST_COMMAND__KIND_BATCH:
        host->batches++;
        for (size_t i = 0; i < command->batch->n_executes; i++)
            note_execute(host, command->batch->executes[i]);
        return;
    case AION__V1__HOST_COMMAND__KIND_CANCEL:
        note_cancel(host, command->cancel);
        return;
    case AION__V1__HOST_COMMAND__KIND_SETTLED:
        note_settled(host, command->settled);
        return;
    case AION__V1__HOST_COMMAND__KIND_CLAIM:
        note_claim(host, command->claim->shards);
        return;
    case AION__V1__HOST_COMMAND__KIND_PEERS:
        note_peers(host, command->peers);
        return;
    case AION__V1__HOST_COMMAND__KIND_PING:
        say_capacity(host);
        return;
    default:
        return;
    }
}

static void host_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    (void)result;
    ((struct bench_host *)mesh_rpc_user(rpc))->rpc = NULL;
}

static const struct mesh_stream_ops host_ops = {.message = host_message, .closed = host_closed};

static void say_hello(struct bench_host *host, uint32_t slots)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Hello hello = AION__V1__HOST_MESSAGE__HELLO__INIT;
    Aion__V1__ModuleOffer offer = AION__V1__MODULE_OFFER__INIT, *offers[] = {&offer};
    Aion__V1__HostMessage__Hello__LabelsEntry label, *labels[] = {&label};
    char id[32], pool[] = "cpu", module[] = "noop", digest[] = "sha256:1", intent[] = "noop",
                 *intents[] = {intent}, gpu[] = "gpu", yes[] = "true";
    aion_str_copy(id, sizeof(id), aion_str_of(host->id));
    offer.module = module;
    offer.digest = digest;
    offer.n_intents = 1;
    offer.intents = intents;
    offer.batch_max = host->batch_max;
    offer.batch_wait_us = 20000;
    hello.host_id = id;
    hello.pool = pool;
    hello.slots = slots;
    aion__v1__host_message__hello__labels_entry__init(&label);
    label.key = gpu;
    label.value = yes;
    hello.labels = labels;
    hello.n_labels = host->gpu ? 1 : 0;
    hello.n_modules = 1;
    hello.modules = offers;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_HELLO;
    message.hello = &hello;
    aion_v1_hosts_attach_write(host->rpc, &message);
}

static void say_running(struct bench_host *host, const struct bench_word *words, size_t count,
                        uint64_t shards)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Running running = AION__V1__HOST_MESSAGE__RUNNING__INIT;
    Aion__V1__AttemptToken tokens[BENCH_EVENTS], *pointers[BENCH_EVENTS];
    char ids[BENCH_EVENTS][AION_UUID_TEXT];
    running.shards = shards;
    for (size_t i = 0; i < count; i++) {
        tokens[i] = token_of(&words[i], ids[i]);
        pointers[i] = &tokens[i];
    }
    running.n_tokens = count;
    running.tokens = pointers;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RUNNING;
    message.running = &running;
    aion_v1_hosts_attach_write(host->rpc, &message);
}

static struct bench_host *open_host(struct bench *bench, size_t number, uint32_t slots)
{
    static const char *const ids[BENCH_HOSTS] = {"host-0", "host-1", "host-2", "host-3"};
    /* the channel may just have lost the control before */
    static const struct mesh_rpc_opts patient = {.wait_for_ready = true};
    struct bench_host *host = &bench->hosts[number];
    host->bench = bench;
    host->id = ids[number];
    host->slots = slots;
    host->rpc = aion_v1_hosts_attach_open(bench->channel, &patient, &host_ops, host);
    say_hello(host, slots);
    return host;
}

void bench_attach(struct bench *bench, size_t number, uint32_t slots,
                  const struct bench_word *running, size_t running_count)
{
    size_t welcomes = bench->hosts[number].welcomes;
    struct bench_host *host = open_host(bench, number, slots);
    say_running(host, running, running_count, 0);
    bench_until(bench, host->welcomes > welcomes);
}

void bench_attach_whole(struct bench *bench, size_t number, uint32_t slots,
                        struct bench_body *body)
{
    size_t claims = bench->hosts[number].claims;
    bench->hosts[number].body = body;
    struct bench_host *host = open_host(bench, number, slots);
    bench_until(bench, host->claims > claims);
}

void bench_detach(struct bench *bench, size_t number)
{
    struct bench_host *host = &bench->hosts[number];
    mesh_rpc_cancel(host->rpc);
    bench_until(bench, host->rpc == NULL);
}

void bench_result(struct bench_host *host, const struct bench_word *word, const char *text)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    Aion__V1__TaskResult body = AION__V1__TASK_RESULT__INIT;
    Aion__V1__Usage usage = AION__V1__USAGE__INIT;
    char id[AION_UUID_TEXT], copy[256], type[] = "text/plain";
    Aion__V1__AttemptToken token = token_of(word, id);
    aion_str_copy(copy, sizeof(copy), aion_str_of(text));
    body.body_case = AION__V1__TASK_RESULT__BODY_TEXT;
    body.text = copy;
    body.content_type = type;
    usage.run_us = 7;
    result.token = &token;
    result.result = &body;
    result.usage = &usage;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RESULT;
    message.result = &result;
    aion_v1_hosts_attach_write(host->rpc, &message);
}

void bench_failure(struct bench_host *host, const struct bench_word *word, bool retriable,
                   const char *reason)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    char id[AION_UUID_TEXT], copy[64], text[] = "it failed";
    Aion__V1__AttemptToken token = token_of(word, id);
    aion_str_copy(copy, sizeof(copy), aion_str_of(reason));
    error.code = AION_INTERNAL;
    error.reason = copy;
    error.message = text;
    result.token = &token;
    result.error = &error;
    result.retriable = retriable;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RESULT;
    message.result = &result;
    aion_v1_hosts_attach_write(host->rpc, &message);
}

void bench_chunk(struct bench_host *host, const struct bench_word *word, uint64_t sequence,
                 const char *text)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Chunk chunk = AION__V1__HOST_MESSAGE__CHUNK__INIT;
    char id[AION_UUID_TEXT], copy[1024];
    Aion__V1__AttemptToken token = token_of(word, id);
    aion_str_copy(copy, sizeof(copy), aion_str_of(text));
    chunk.token = &token;
    chunk.sequence = sequence;
    chunk.payload_case = AION__V1__HOST_MESSAGE__CHUNK__PAYLOAD_TEXT;
    chunk.text = copy;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CHUNK;
    message.chunk = &chunk;
    aion_v1_hosts_attach_write(host->rpc, &message);
}

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
    struct mesh_rpc_opts opts = {.wait_for_ready = true};
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

const Aion__V1__Task *bench_submit_request(struct bench *bench, Aion__V1__TaskRequest *request)
{
    return (const Aion__V1__Task *)bench_call(
        bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT], &request->base);
}

const Aion__V1__Task *bench_submit(struct bench *bench, const char *text, const char *key,
                                   int64_t wait_s)
{
    Aion__V1__TaskRequest *request = bench_request(bench, text, key);
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    wait.seconds = wait_s;
    if (wait_s > 0)
        request->wait = &wait;
    return bench_submit_request(bench, request);
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

const Aion__V1__Task *bench_cancel(struct bench *bench, const char *task_id)
{
    Aion__V1__CancelRequest request = AION__V1__CANCEL_REQUEST__INIT;
    char reason[] = "enough";
    request.task_id = aion_arena_text(&bench->arena, aion_str_of(task_id));
    request.reason = reason;
    return (const Aion__V1__Task *)bench_call(
        bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_CANCEL], &request.base);
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
    reset_stream(bench, after);
    bench->stream = aion_v1_aion_tasks_stream_open(bench->channel, &request, NULL, &ops, bench);
}

void bench_watch(struct bench *bench, const char *task_id, uint64_t after, uint32_t window)
{
    static const struct mesh_stream_ops ops = {.message = watch_message,
                                               .closed = stream_ended};
    Aion__V1__WatchStreamsRequest request = AION__V1__WATCH_STREAMS_REQUEST__INIT;
    Aion__V1__WatchStreamsRequest__Open open = AION__V1__WATCH_STREAMS_REQUEST__OPEN__INIT;
    Aion__V1__Principal principal = AION__V1__PRINCIPAL__INIT;
    char tenant[] = "default";
    principal.tenant = tenant;
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

/* -- life --------------------------------------------------------------------------- */
static struct bench *clash_of; /* controls do not know their bench */

static void note_clash(struct control *control, const struct aion_err *err)
{
    (void)err;
    for (struct bench *bench = clash_of; bench != NULL;
         bench = bench->peer != clash_of ? bench->peer : NULL)
        bench->clashed |= bench->control == control;
}

static void start_control(struct bench *bench)
{
    char target[32];
    struct mesh_server_conf server = {.listen = "127.0.0.1:0"};
    struct mesh_channel_conf to_control = {.name = "control", .target = target};
    struct mesh_channel_conf to_router = {.name = "router", .target = target};
    bench->server = mesh_server_new(bench->loop, &server, &bench->err);
    assert_non_null(bench->server);
    bench->control = calloc(1, sizeof(*bench->control));
    control_init(bench->control, bench->loop, bench->store, &bench->conf);
    snprintf(bench->control->cluster.self, sizeof(bench->control->cluster.self), "127.0.0.1:%d",
             mesh_server_port(bench->server));
    clash_of = clash_of != NULL ? clash_of : bench;
    bench->control->shards.clash = note_clash;
    assert_true(control_load(bench->control, &bench->err));
    control_bind(bench->control, bench->server);
    snprintf(target, sizeof(target), "127.0.0.1:%d", bench->router_port);
    bench->router_channel = mesh_channel_new(bench->loop, &to_router, &bench->err);
    bench->control->router = control_router_open(bench->control, bench->router_channel);
    mesh_server_start(bench->server);
    snprintf(target, sizeof(target), "127.0.0.1:%d", mesh_server_port(bench->server));
    bench->channel = mesh_channel_new(bench->loop, &to_control, &bench->err);
    assert_non_null(bench->channel);
    control_begin(bench->control);
}

static bool hosts_gone(const struct bench *bench)
{
    for (size_t i = 0; i < BENCH_HOSTS; i++)
        if (bench->hosts[i].rpc != NULL)
            return false;
    return bench->stream == NULL;
}

static void set_bool(void *user)
{
    *(bool *)user = true;
}

/* Everybody who speaks with control goes away. */
static void leave(struct bench *bench)
{
    bool drained = false;
    mesh_channel_close(bench->channel);
    bench_until(bench, hosts_gone(bench));
    control_router_close(bench->control->router);
    bench->control->router = NULL;
    mesh_channel_close(bench->router_channel);
    control_cluster_leave(bench->control);
    mesh_server_drain(bench->server, 100000, set_bool, &drained);
    bench_until(bench, drained);
    mesh_server_free(bench->server);
}

static void stop_control(struct bench *bench)
{
    leave(bench);
    control_done(bench->control);
    free(bench->control);
}

void bench_restart_control(struct bench *bench)
{
    stop_control(bench);
    start_control(bench);
    bench_until(bench,
                bench->router_server == NULL || control_router_here(bench->control->router));
}

static void open_store(struct bench *bench, const char *url)
{
    struct store_conf store = {
        .url = url, .exec = mesh_loop_exec(bench->loop), .window_us = 1000000};
    bench->store = store_open(&store, &bench->err);
    if (bench->store == NULL)
        fail_msg("store: %s (%s)", bench->err.text, bench->err.detail);
}

void bench_ignore(void *user, const struct mesh_result *result)
{
    (void)user;
    (void)result;
}

void bench_reopen(struct bench *bench, const char *store_url)
{
    struct control *control = bench->control;
    leave(bench);
    store_close(bench->store);
    control_done(control);
    free(control);
    open_store(bench, store_url);
    start_control(bench);
    bench_until(bench, control_router_here(bench->control->router));
}

void bench_start(struct bench *bench)
{
    bench_start_on(bench, "script:");
}

static void start_on(struct bench *bench, const char *store_url, const char *replica,
                     int64_t lease_us)
{
    *bench = (struct bench){.attempts_max = 3, .router_port = 0};
    snprintf(bench->url, sizeof(bench->url), "%s", store_url);
    snprintf(bench->replica, sizeof(bench->replica), "%s", replica);
    bench->conf = (struct control_conf){
        .replica = bench->replica,
        .shard_lease = lease_us,
        .queue_tasks_max = 100,
        .queue_bytes_max = 1 << 20,
        .cache_tasks_max = 100,
        .cache_bytes_max = 1 << 20,
        .decide_timeout = 200000,
        .host_lease = 600000,
        .host_grace = 50000,
        .start_grace = 100000,
        .attempt_grace = 100000,
        .cancel_grace = 100000,
        .retry_first = 1000,
        .retry_longest = 10000,
        .stream_bytes_max = 1000,
        .frames_dir = "",
        .frames_bytes_max = 16 << 20,
        .environment = "dev",
    };
    aion_arena_init(&bench->arena, 64 << 20, NULL, 0);
    bench->loop = mesh_loop_new(&(struct mesh_loop_conf){.workers = 1}, &bench->err);
    assert_non_null(bench->loop);
    open_store(bench, store_url);
    bench_router_start(bench);
    start_control(bench);
    bench_until(bench, control_router_here(bench->control->router));
}

void bench_start_on(struct bench *bench, const char *store_url)
{
    start_on(bench, store_url, "test", 15000000);
}

void bench_start_pair(struct bench *one, struct bench *two)
{
    start_on(one, "script:pair", "one", BENCH_LEASE_US);
    start_on(two, "script:pair", "two", BENCH_LEASE_US);
    one->peer = two;
    two->peer = one;
}

/* What it still does on its way out does not reach the store. */
void bench_kill(struct bench *bench)
{
    struct control *control = bench->control;
    if (aion_str_starts(aion_str_of(bench->url), AION_STR("script:")))
        store_script_down(bench->store, true);
    leave(bench);
    control_shards_done(control);
    control_polls_done(control);
    run_for(bench, 2000); /* the loop goes on: nothing of the store's may be left in it */
    store_close(bench->store);
    control_done(control);
    free(control);
    bench->control = NULL;
}

void bench_revive(struct bench *bench)
{
    open_store(bench, bench->url);
    start_control(bench);
    bench_until(bench, control_router_here(bench->control->router));
}

/* The second's handle on the store is the last: then it is gone. */
void bench_stop_pair(struct bench *one, struct bench *two)
{
    one->paused = two->paused = false;
    bench_stop(one);
    two->peer = NULL;
    bench_stop(two);
}

void bench_stop(struct bench *bench)
{
    clash_of = NULL;
    if (bench->control != NULL)
        bench_kill(bench);
    if (bench->router_server != NULL)
        mesh_server_free(bench->router_server);
    bench_turns(bench, 1);
    mesh_loop_free(bench->loop);
    aion_arena_done(&bench->arena);
}
