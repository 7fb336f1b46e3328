/* Hosts of a bench: they note what they are told, and answer as the test says. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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
    for (size_t i = 0; host->automatic && i < count; i++)
        bench_result(host, &words[i], words[i].text); /* what is not settled is said again */
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
    if (!host->silent)
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

/* How the attempt has ended. */
static void say_end(struct bench_host *host, const struct bench_word *word,
                    Aion__V1__HostMessage__Result *result)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    char id[AION_UUID_TEXT];
    Aion__V1__AttemptToken token = token_of(word, id);
    result->token = &token;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RESULT;
    message.result = result;
    aion_v1_hosts_attach_write(host->rpc, &message);
}

void bench_result(struct bench_host *host, const struct bench_word *word, const char *text)
{
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    Aion__V1__TaskResult body = AION__V1__TASK_RESULT__INIT;
    Aion__V1__Usage usage = AION__V1__USAGE__INIT;
    char copy[256], type[] = "text/plain";
    aion_str_copy(copy, sizeof(copy), aion_str_of(text));
    body.body_case = AION__V1__TASK_RESULT__BODY_TEXT;
    body.text = copy;
    body.content_type = type;
    usage.run_us = 7;
    result.result = &body;
    result.usage = &usage;
    say_end(host, word, &result);
}

void bench_failure(struct bench_host *host, const struct bench_word *word, bool retriable,
                   const char *reason)
{
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    char copy[64], text[] = "it failed";
    aion_str_copy(copy, sizeof(copy), aion_str_of(reason));
    error.code = AION_INTERNAL;
    error.reason = copy;
    error.message = text;
    result.error = &error;
    result.retriable = retriable;
    say_end(host, word, &result);
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
