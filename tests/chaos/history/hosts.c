/* Scripted hosts. They take attempts like a real one and end them in every way there is: well,
 * with an error, again and again, not at all; they lose their stream and come back with or
 * without their attempts; they send results of attempts that are not theirs any more, and a
 * second result after the first. */
#include "history.h"

#include "aion/v1/modules.mesh.h"
#include "base/clock.h"
#include "base/uuid.h"

#include <stdlib.h>

enum { HOSTS_MAX = 8, SLOTS = 24, AGAIN_US = 50000, BREAK_EACH_US = 700000 };

enum kind { SUCCESS, AGAIN, FAILURE, CANCELLED };
static const char *const kind_names[] = {"success", "again", "failure", "cancelled"};

struct host;

/* To one control. */
struct link {
    struct host *host;
    struct mesh_channel *channel;
    struct mesh_rpc *stream;
    struct mesh_timer again;
    uint64_t shards; /* claimed by that control last */
    bool forget;     /* comes back without its attempts */
};

struct host {
    struct history *history;
    unsigned number;
    char id[16];
    struct link links[LINKS_MAX];
    size_t link_count;
    struct aion_link attempts;
    struct mesh_timer breaker; /* breaks a stream now and then */
};

struct attempt {
    struct aion_link at;
    struct host *host;
    struct mesh_timer timer;
    char task_id[ID_BYTES], key[KEY_BYTES], result[TEXT_BYTES];
    uint64_t epoch;
    uint32_t number;
    unsigned shard, client;
    unsigned sent; /* times: a refusal of a repeat may mean that the first one counted */
    enum kind kind;
    int64_t called_us; /* the result was first sent; 0: not yet */
    bool zombie;       /* its host says that it knows nothing of it */
    bool twice;        /* another result follows the first one's settlement */
};

static struct host hosts[HOSTS_MAX];
static size_t host_count;
static unsigned attempts_made;

/* -- what is written down --------------------------------------------------------------- */
static void note_start(const struct attempt *attempt)
{
    int64_t called_us = clients_called_us(attempt->key);
    struct operation operation = {.called_us = called_us,
                                  .returned_us = aion_clock_mono_us(),
                                  .client = attempt->client,
                                  .task = attempt->key,
                                  .name = "start",
                                  .outcome = "",
                                  .host = attempt->host->id,
                                  .epoch = attempt->epoch,
                                  .attempt = attempt->number};
    history_write(attempt->host->history, &operation);
}

static void note_complete(const struct attempt *attempt, const char *outcome)
{
    struct operation operation = {.called_us = attempt->called_us,
                                  .returned_us = outcome[0] == 'u' ? 0 : aion_clock_mono_us(),
                                  .client = attempt->client,
                                  .task = attempt->key,
                                  .name = "complete",
                                  .outcome = outcome,
                                  .kind = kind_names[attempt->kind],
                                  .result = attempt->kind == SUCCESS ? attempt->result : "",
                                  .host = attempt->host->id,
                                  .epoch = attempt->epoch,
                                  .attempt = attempt->number};
    history_write(attempt->host->history, &operation);
}

/* -- sending ---------------------------------------------------------------------------- */
static struct link *link_of(const struct attempt *attempt)
{
    struct host *host = attempt->host;
    for (size_t i = 0; i < host->link_count; i++)
        if ((host->links[i].shards >> attempt->shard & 1) != 0 && host->links[i].stream != NULL)
            return &host->links[i];
    return NULL;
}

static Aion__V1__AttemptToken token_of(struct attempt *attempt)
{
    Aion__V1__AttemptToken token = AION__V1__ATTEMPT_TOKEN__INIT;
    token.task_id = attempt->task_id;
    token.attempt = attempt->number;
    token.epoch = attempt->epoch;
    return token;
}

static void send_result(struct attempt *attempt)
{
    static char type[] = "text/plain", reason[] = "SCRIPTED", words[] = "as the script has it";
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Result result = AION__V1__HOST_MESSAGE__RESULT__INIT;
    Aion__V1__TaskResult body = AION__V1__TASK_RESULT__INIT;
    Aion__V1__TaskError error = AION__V1__TASK_ERROR__INIT;
    Aion__V1__AttemptToken token = token_of(attempt);
    struct link *link = link_of(attempt);
    if (attempt->called_us == 0)
        attempt->called_us = aion_clock_mono_us();
    mesh_timer_cancel(attempt->host->history->loop, &attempt->timer);
    if (link == NULL)
        return; /* when somebody claims its shard */
    attempt->sent++;
    body.body_case = AION__V1__TASK_RESULT__BODY_TEXT;
    body.text = attempt->result;
    body.content_type = type;
    error.code = attempt->kind == CANCELLED ? AION_CANCELLED : AION_ABORTED;
    error.reason = reason;
    error.message = words;
    result.token = &token;
    result.retriable = attempt->kind == AGAIN;
    if (attempt->kind == SUCCESS)
        result.result = &body;
    else
        result.error = &error;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RESULT;
    message.result = &result;
    aion_v1_hosts_attach_write(link->stream, &message);
}

static void send_running(struct link *link, uint64_t shards)
{
    static Aion__V1__AttemptToken tokens[1024];
    static Aion__V1__AttemptToken *pointers[1024];
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Running running = AION__V1__HOST_MESSAGE__RUNNING__INIT;
    aion_list_each (pos, &link->host->attempts) {
        struct attempt *attempt = aion_container(pos, struct attempt, at);
        if (attempt->zombie || (shards >> attempt->shard & 1) == 0 ||
            running.n_tokens == aion_countof(tokens))
            continue;
        tokens[running.n_tokens] = token_of(attempt);
        pointers[running.n_tokens] = &tokens[running.n_tokens];
        running.n_tokens++;
    }
    running.tokens = pointers;
    running.shards = shards;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_RUNNING;
    message.running = &running;
    aion_v1_hosts_attach_write(link->stream, &message);
}

static void send_hello(struct link *link)
{
    static char pool[] = "chaos", name[] = "chaos", version[] = "1.0.0", digest[] = "sha256:0";
    static char *intents[] = {name};
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Hello hello = AION__V1__HOST_MESSAGE__HELLO__INIT;
    Aion__V1__ModuleOffer offer = AION__V1__MODULE_OFFER__INIT;
    Aion__V1__ModuleOffer *offers[] = {&offer};
    offer.module = name;
    offer.version = version;
    offer.digest = digest;
    offer.intents = intents;
    offer.n_intents = 1;
    hello.host_id = link->host->id;
    hello.pool = pool;
    hello.slots = SLOTS;
    hello.version = version;
    hello.modules = offers;
    hello.n_modules = 1;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_HELLO;
    message.hello = &hello;
    aion_v1_hosts_attach_write(link->stream, &message);
}

static void send_capacity(struct link *link)
{
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    Aion__V1__HostMessage__Capacity capacity = AION__V1__HOST_MESSAGE__CAPACITY__INIT;
    capacity.slots = SLOTS;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CAPACITY;
    message.capacity = &capacity;
    aion_v1_hosts_attach_write(link->stream, &message);
}

/* -- attempts --------------------------------------------------------------------------- */
static void attempt_free(struct attempt *attempt)
{
    mesh_timer_cancel(attempt->host->history->loop, &attempt->timer);
    aion_list_remove(&attempt->at);
    free(attempt);
}

static void attempt_due(struct mesh_timer *timer)
{
    send_result(aion_container(timer, struct attempt, timer));
}

static void due_in(struct attempt *attempt, int64_t us)
{
    struct mesh_loop *loop = attempt->host->history->loop;
    mesh_timer_set(loop, &attempt->timer, mesh_loop_now(loop) + us);
}

/* Each result is unlike every other: a second one that counts is seen. */
static void name_result(struct attempt *attempt)
{
    snprintf(attempt->result, sizeof(attempt->result), "%s %u", attempt->host->id,
             ++attempts_made);
}

static void choose_end(struct attempt *attempt)
{
    struct history *history = attempt->host->history;
    uint64_t dice = aion_rand_below(&history->rand, 100);
    attempt->kind = dice < 84 ? SUCCESS : dice < 96 ? AGAIN : FAILURE;
    attempt->twice = history_chance(history, 5);
    name_result(attempt);
    int64_t longest_us = history_chance(history, 10) ? 400000 : 20000;
    due_in(attempt, (int64_t)aion_rand_below(&history->rand, (uint64_t)longest_us));
}

static const char *text_param(const Google__Protobuf__Struct *params)
{
    for (size_t i = 0; params != NULL && i < params->n_fields; i++)
        if (strcmp(params->fields[i]->key, "key") == 0 &&
            params->fields[i]->value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE)
            return params->fields[i]->value->string_value;
    return "";
}

static void execute(struct link *link, const Aion__V1__HostCommand__Execute *command)
{
    struct attempt *attempt = calloc(1, sizeof(*attempt));
    struct aion_uuid id;
    if (attempt == NULL || command->token == NULL ||
        !aion_uuid_parse(aion_str_of(command->token->task_id), &id))
        abort();
    attempt->host = link->host;
    attempt->timer.fire = attempt_due;
    attempt->client = 1000 + link->host->number * 100 + attempts_made % 100;
    aion_str_copy(attempt->task_id, ID_BYTES, aion_str_of(command->token->task_id));
    aion_str_copy(attempt->key, KEY_BYTES, aion_str_of(text_param(command->params)));
    attempt->number = command->token->attempt;
    attempt->epoch = command->token->epoch;
    attempt->shard = id.bytes[15] & 0x3f;
    aion_list_add_last(&link->host->attempts, &attempt->at);
    note_start(attempt);
    choose_end(attempt);
}

static struct attempt *find(struct host *host, const Aion__V1__AttemptToken *token)
{
    aion_list_each (pos, &host->attempts) {
        struct attempt *attempt = aion_container(pos, struct attempt, at);
        if (attempt->number == token->attempt && attempt->epoch == token->epoch &&
            strcmp(attempt->task_id, token->task_id) == 0)
            return attempt;
    }
    return NULL;
}

/* Mostly obeyed; some modules do not hear, and some have just finished. */
static void cancel(struct host *host, const Aion__V1__HostCommand__Cancel *command)
{
    struct attempt *attempt = find(host, command->token);
    if (attempt == NULL || attempt->called_us != 0 || history_chance(host->history, 20))
        return;
    attempt->kind = CANCELLED;
    send_result(attempt);
}

static void settled(struct host *host, const Aion__V1__HostCommand__Settled *command)
{
    struct attempt *attempt = find(host, command->token);
    if (attempt == NULL)
        return;
    if (attempt->called_us != 0)
        note_complete(attempt, command->accepted   ? "accepted"
                               : attempt->sent > 1 ? "unknown"
                                                   : "refused");
    if (attempt->called_us == 0 || !attempt->twice) {
        attempt_free(attempt);
        return;
    }
    attempt->twice = false; /* once more, with another result */
    attempt->called_us = 0;
    attempt->sent = 0;
    attempt->kind = SUCCESS;
    name_result(attempt);
    send_result(attempt);
}

/* -- streams ---------------------------------------------------------------------------- */
static void claimed(struct link *link, uint64_t shards)
{
    struct host *host = link->host;
    for (size_t i = 0; i < host->link_count; i++)
        host->links[i].shards &= ~shards;
    link->shards |= shards;
    send_running(link, shards);
    aion_list_each (pos, &host->attempts) {
        struct attempt *attempt = aion_container(pos, struct attempt, at);
        if (attempt->called_us != 0 && (shards >> attempt->shard & 1) != 0)
            send_result(attempt);
    }
}

static void on_command(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct link *link = mesh_rpc_user(rpc);
    const Aion__V1__HostCommand *command = aion_v1_hosts_attach_read(message);
    switch ((int)command->kind_case) {
    case AION__V1__HOST_COMMAND__KIND_EXECUTE:
        execute(link, command->execute);
        break;
    case AION__V1__HOST_COMMAND__KIND_CANCEL:
        cancel(link->host, command->cancel);
        break;
    case AION__V1__HOST_COMMAND__KIND_SETTLED:
        settled(link->host, command->settled);
        break;
    case AION__V1__HOST_COMMAND__KIND_PING:
        send_capacity(link);
        break;
    case AION__V1__HOST_COMMAND__KIND_CLAIM:
        claimed(link, command->claim->shards);
        break;
    default:
        break;
    }
}

/* What it had becomes the work of a host that nobody knows: its results come all the same, as
 * those of a stale attempt. */
static void forget_attempts(struct link *link)
{
    aion_list_each (pos, &link->host->attempts)
        aion_container(pos, struct attempt, at)->zombie = true;
    link->forget = false;
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct link *link = mesh_rpc_user(rpc);
    struct mesh_loop *loop = link->host->history->loop;
    (void)result;
    link->stream = NULL;
    link->shards = 0;
    if (link->forget)
        forget_attempts(link);
    if (!link->host->history->over)
        mesh_timer_set(loop, &link->again, mesh_loop_now(loop) + AGAIN_US);
}

static void attach(struct mesh_timer *timer)
{
    static const struct mesh_stream_ops ops = {.message = on_command, .closed = on_closed};
    const struct mesh_rpc_opts opts = {.wait_for_ready = true};
    struct link *link = aion_container(timer, struct link, again);
    link->stream = aion_v1_hosts_attach_open(link->channel, &opts, &ops, link);
    send_hello(link);
}

static void break_stream(struct mesh_timer *timer)
{
    struct host *host = aion_container(timer, struct host, breaker);
    struct history *history = host->history;
    struct link *link = &host->links[aion_rand_below(&history->rand, host->link_count)];
    if (link->stream != NULL) {
        link->forget = history_chance(history, 50);
        mesh_rpc_cancel(link->stream);
    }
    int64_t wait_us = (int64_t)aion_rand_below(&history->rand, 2 * BREAK_EACH_US);
    mesh_timer_set(history->loop, timer, mesh_loop_now(history->loop) + wait_us);
}

/* -- beginning and end ------------------------------------------------------------------ */
static bool add_link(struct host *host, aion_str target, const struct mesh_tls *tls,
                     struct aion_err *err)
{
    struct link *link = &host->links[host->link_count];
    char address[128];
    struct mesh_channel_conf conf = {
        .name = "control", .target = address, .tls = tls, .peer_service = "control"};
    if (host->link_count == LINKS_MAX || !aion_str_copy(address, sizeof(address), target))
        return aion_fail(err, AION_INVALID, "too many controls, or an address too long");
    link->host = host;
    link->again.fire = attach;
    link->channel = mesh_channel_new(host->history->loop, &conf, err);
    if (link->channel == NULL)
        return false;
    host->link_count++;
    attach(&link->again);
    return true;
}

static bool host_start(struct host *host, const char *targets, const struct mesh_tls *tls,
                       struct aion_err *err)
{
    snprintf(host->id, sizeof(host->id), "chaos-%u", host->number);
    aion_list_init(&host->attempts);
    host->breaker.fire = break_stream;
    while (*targets != '\0') {
        size_t size = strcspn(targets, ",");
        if (!add_link(host, aion_str_n(targets, size), tls, err))
            return false;
        targets += size + (targets[size] == ',');
    }
    break_stream(&host->breaker);
    return true;
}

bool hosts_start(struct history *history, const char *targets, const struct mesh_tls *tls,
                 unsigned count, struct aion_err *err)
{
    for (; host_count < count && host_count < HOSTS_MAX; host_count++) {
        struct host *host = &hosts[host_count];
        host->history = history;
        host->number = (unsigned)host_count;
        if (!host_start(host, targets, tls, err))
            return false;
    }
    return true;
}

void hosts_end(void)
{
    for (size_t i = 0; i < host_count; i++)
        aion_list_each_safe (pos, &hosts[i].attempts) {
            struct attempt *attempt = aion_container(pos, struct attempt, at);
            if (attempt->called_us != 0)
                note_complete(attempt, "unknown");
            attempt_free(attempt);
        }
}
