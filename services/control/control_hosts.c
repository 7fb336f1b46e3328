/* rpc Attach: one standing stream a host. And rpc ListHosts.
 *
 * A host says hello, then which attempts it still has (`running`, also when it has none); from
 * then on it gets work. Every word of it counts as a sign of life; control asks for one three
 * times a lease. A stream that ends makes orphans of the host's attempts: they have a short
 * grace to come back over a new stream of the same host, then others get them. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum {
    LABELS_MAX = 16,
    OFFERS_MAX = 1024,
    RUNNING_WAIT_US = 500000, /* for `running` after hello */
    HOST_ARENA_MAX = 1 << 20,
};

const struct control_offer *control_host_offer(const struct control_host *host,
                                               const char *pool, const char *module)
{
    if (strcmp(host->pool, pool) != 0)
        return NULL;
    for (size_t i = 0; i < host->offer_count; i++)
        if (strcmp(host->offers[i].module, module) == 0)
            return &host->offers[i];
    return NULL;
}

/* -- commands ----------------------------------------------------------------------- */
static void command(struct control_host *host, const Aion__V1__HostCommand *message)
{
    if (!host->ended && aion_v1_hosts_attach_send(host->call, message) == MESH_FULL) {
        host->blocked = true;
        control_host_refresh(host);
    }
}

void control_host_refresh(struct control_host *host)
{
    control_sched_host_set(&host->control->sched, &host->sched, host->sched.slots,
                           host->ready && !host->claiming && !host->draining &&
                               !host->blocked && !host->ended);
}

static Aion__V1__AttemptToken token_of(const struct control_task *task, char id[AION_UUID_TEXT])
{
    Aion__V1__AttemptToken token = AION__V1__ATTEMPT_TOKEN__INIT;
    memcpy(id, task->id_text, AION_UUID_TEXT);
    token.task_id = id;
    token.attempt = task->attempt;
    token.epoch = task->epoch;
    return token;
}

void control_host_settled(struct control_host *host, const struct control_task *task,
                          const Aion__V1__AttemptToken *token, bool accepted)
{
    Aion__V1__HostCommand message = AION__V1__HOST_COMMAND__INIT;
    Aion__V1__HostCommand__Settled settled = AION__V1__HOST_COMMAND__SETTLED__INIT;
    char id[AION_UUID_TEXT];
    Aion__V1__AttemptToken copy = token != NULL ? *token : token_of(task, id);
    settled.token = &copy;
    settled.accepted = accepted;
    message.kind_case = AION__V1__HOST_COMMAND__KIND_SETTLED;
    message.settled = &settled;
    command(host, &message);
}

static void cancel_attempt(struct control_host *host, Aion__V1__AttemptToken *token,
                           const char *reason)
{
    Aion__V1__HostCommand message = AION__V1__HOST_COMMAND__INIT;
    Aion__V1__HostCommand__Cancel cancel = AION__V1__HOST_COMMAND__CANCEL__INIT;
    char text[257];
    aion_str_copy(text, sizeof(text), aion_str_of(reason));
    cancel.token = token;
    cancel.reason = text;
    message.kind_case = AION__V1__HOST_COMMAND__KIND_CANCEL;
    message.cancel = &cancel;
    command(host, &message);
}

void control_host_cancel(struct control_task *task, const char *reason)
{
    char id[AION_UUID_TEXT];
    Aion__V1__AttemptToken token = token_of(task, id);
    cancel_attempt(task->host, &token, reason);
}

void control_host_cancel_token(struct control_host *host, const Aion__V1__AttemptToken *token)
{
    Aion__V1__AttemptToken copy = *token;
    cancel_attempt(host, &copy, "the attempt was given to another host");
}

static void ping(struct control_host *host)
{
    Aion__V1__HostCommand message = AION__V1__HOST_COMMAND__INIT;
    Aion__V1__HostCommand__Ping word = AION__V1__HOST_COMMAND__PING__INIT;
    word.sent_us = mesh_loop_now(host->control->loop);
    message.kind_case = AION__V1__HOST_COMMAND__KIND_PING;
    message.ping = &word;
    command(host, &message);
}

static void welcome(struct control_host *host)
{
    Aion__V1__HostCommand message = AION__V1__HOST_COMMAND__INIT;
    Aion__V1__HostCommand__Welcome word = AION__V1__HOST_COMMAND__WELCOME__INIT;
    word.session = host->session;
    word.lease_us = host->control->conf->host_lease;
    word.bundles = true;
    message.kind_case = AION__V1__HOST_COMMAND__KIND_WELCOME;
    message.welcome = &word;
    command(host, &message);
}

void control_host_claim(struct control_host *host, uint64_t shards)
{
    Aion__V1__HostCommand message = AION__V1__HOST_COMMAND__INIT;
    Aion__V1__HostCommand__Claim claim = AION__V1__HOST_COMMAND__CLAIM__INIT;
    claim.shards = shards;
    message.kind_case = AION__V1__HOST_COMMAND__KIND_CLAIM;
    message.claim = &claim;
    command(host, &message);
}

/* A host gets no work until it has said what it runs of them, or for so long: the start of what
 * runs there may have been lost with its former owner. */
void control_hosts_claim(struct control *control, uint64_t shards)
{
    int64_t until_us = mesh_loop_now(control->loop) + RUNNING_WAIT_US;
    aion_list_each (link, &control->hosts) {
        struct control_host *host = aion_container(link, struct control_host, link);
        if (shards == 0)
            continue;
        host->claiming = true;
        control_host_claim(host, shards);
        control_host_refresh(host);
        mesh_timer_set(control->loop, &host->lease, until_us);
    }
}

/* Where the other controls are: a host keeps a stream to each. */
void control_host_peers(struct control_host *host)
{
    const struct control_book *book = &host->control->shards.book;
    Aion__V1__HostCommand message = AION__V1__HOST_COMMAND__INIT;
    Aion__V1__HostCommand__Peers peers = AION__V1__HOST_COMMAND__PEERS__INIT;
    char *addresses[BOOK_OTHERS_MAX];
    if (!host->control->shards.shared)
        return;
    for (unsigned i = 0; i < book->other_count; i++)
        addresses[peers.n_addresses++] = (char *)(uintptr_t)book->others[i].address;
    peers.addresses = addresses;
    peers.self = host->control->cluster.self;
    message.kind_case = AION__V1__HOST_COMMAND__KIND_PEERS;
    message.peers = &peers;
    command(host, &message);
}

/* -- leaving ------------------------------------------------------------------------ */
/* Its attempts wait for it; the stream itself is ended by the caller or has ended. */
static void detach(struct control_host *host)
{
    struct control *control = host->control;
    host->ended = true;
    host->ready = false;
    aion_list_remove(&host->link);
    mesh_timer_cancel(control->loop, &host->lease);
    control_ops_host_left(host);
    while (!aion_list_empty(&host->attempts))
        control_attempt_orphan(
            control, aion_container(host->attempts.next, struct control_task, on_host),
            control->conf->host_grace);
    control_sched_host_remove(&control->sched, &host->sched);
    if (host->session != 0)
        control_gauge_host(host);
}

static void silent(struct control_host *host)
{
    detach(host);
    mesh_fail(host->call, AION_DEADLINE, "no word of host %s within its lease", host->host_id);
}

/* Every third of a lease; the first comes early, when `running` was not said. */
static void lease_tick(struct mesh_timer *timer)
{
    struct control_host *host = aion_container(timer, struct control_host, lease);
    int64_t now_us = mesh_loop_now(host->control->loop),
            lease_us = host->control->conf->host_lease;
    if (now_us - host->ticked_us > lease_us)
        host->heard_us = now_us; /* it was we who were away: its words are still to be read */
    host->ticked_us = now_us;
    if (now_us - host->heard_us > lease_us) {
        silent(host);
        return;
    }
    mesh_timer_set(host->control->loop, timer, now_us + lease_us / 3);
    if (!host->ready)
        control_attempts_running(host, NULL);
    if (host->claiming) { /* what it runs of them is given up by their grace, not by its silence
                           */
        host->claiming = false;
        control_host_refresh(host);
        control_dispatch(host->control);
    }
    ping(host);
}

/* -- arriving ----------------------------------------------------------------------- */
void control_attach_open(struct mesh_call *call)
{
    struct control *control = mesh_service(call);
    struct control_host *host = calloc(1, sizeof(*host));
    if (host == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    host->control = control;
    host->call = call;
    aion_list_init(&host->link);
    aion_list_init(&host->attempts);
    aion_arena_init(&host->arena, HOST_ARENA_MAX, NULL, 0);
    host->lease.fire = lease_tick;
    aion_list_add_last(&control->attached, &host->attached);
    mesh_set_user(call, host);
    if (control->draining)
        mesh_fail(call, AION_UNAVAILABLE, "control is stopping");
}

static bool check_hello(const Aion__V1__HostMessage__Hello *hello, struct aion_err *err)
{
    size_t id = strlen(hello->host_id), pool = strlen(hello->pool);
    if (id < 1 || id > 63 || pool < 1 || pool > 31)
        return aion_fail(err, AION_INVALID, "hello: host_id has 1 to 63 bytes, pool 1 to 31");
    if (hello->slots < 1 || hello->slots > SCHED_SLOTS_MAX)
        return aion_fail(err, AION_INVALID, "hello: slots is %u: give 1 to %d", hello->slots,
                         (int)SCHED_SLOTS_MAX);
    if (hello->n_labels > LABELS_MAX || hello->n_modules > OFFERS_MAX)
        return aion_fail(err, AION_INVALID, "hello: more than %d labels or %d modules",
                         (int)LABELS_MAX, (int)OFFERS_MAX);
    return true;
}

static bool take_offer(struct control_host *host, const Aion__V1__ModuleOffer *offer)
{
    struct control_offer *to = &host->offers[host->offer_count];
    to->intents = aion_arena_array(&host->arena, offer->n_intents, sizeof(*to->intents));
    if (to->intents == NULL ||
        !aion_str_copy(to->module, sizeof(to->module), aion_str_of(offer->module)) ||
        !aion_str_copy(to->digest, sizeof(to->digest), aion_str_of(offer->digest)) ||
        !aion_str_copy(to->version, sizeof(to->version), aion_str_of(offer->version)))
        return false;
    for (size_t i = 0; i < offer->n_intents; i++)
        to->intents[to->intent_count++] =
            aion_arena_str(&host->arena, aion_str_of(offer->intents[i]));
    to->batch_max = offer->batch_max;
    to->batch_wait_us = offer->batch_wait_us > 0 ? offer->batch_wait_us : 0;
    host->offer_count++;
    return true;
}

/* What the scheduler is to know of it. */
static void describe(struct control_host *host, const Aion__V1__HostMessage__Hello *hello)
{
    struct control_sched_offer *offers =
        aion_arena_array(&host->arena, host->offer_count, sizeof(*offers));
    struct control_sched_label *labels =
        aion_arena_array(&host->arena, hello->n_labels, sizeof(*labels));
    for (size_t i = 0; offers != NULL && i < host->offer_count; i++)
        offers[i] =
            (struct control_sched_offer){.module = host->offers[i].module,
                                         .batch_max = host->offers[i].batch_max,
                                         .batch_wait_us = host->offers[i].batch_wait_us};
    for (size_t i = 0; labels != NULL && i < hello->n_labels; i++)
        labels[i] = (struct control_sched_label){
            aion_arena_str(&host->arena, aion_str_of(hello->labels[i]->key)),
            aion_arena_str(&host->arena, aion_str_of(hello->labels[i]->value))};
    host->sched = (struct control_sched_host){.pool_name = host->pool,
                                              .offers = offers,
                                              .offer_count = offers ? host->offer_count : 0,
                                              .labels = labels,
                                              .label_count = labels ? hello->n_labels : 0,
                                              .slots = hello->slots};
}

static bool take_hello(struct control_host *host, const Aion__V1__HostMessage__Hello *hello,
                       struct aion_err *err)
{
    if (host->session != 0)
        return aion_fail(err, AION_PRECONDITION, "hello came twice");
    if (!check_hello(hello, err))
        return false;
    host->offers = aion_arena_array(&host->arena, hello->n_modules, sizeof(*host->offers));
    for (size_t i = 0; i < hello->n_modules; i++)
        if (host->offers == NULL || !take_offer(host, hello->modules[i]))
            return aion_fail(err, AION_INVALID,
                             "hello: module %zu has a name, version or digest too long", i);
    aion_str_copy(host->host_id, sizeof(host->host_id), aion_str_of(hello->host_id));
    aion_str_copy(host->pool, sizeof(host->pool), aion_str_of(hello->pool));
    aion_str_copy(host->version, sizeof(host->version), aion_str_of(hello->version));
    describe(host, hello);
    return true;
}

/* A host that comes again before its old stream was seen to end. */
static void replace_former(struct control_host *host)
{
    aion_list_each_safe (link, &host->control->hosts) {
        struct control_host *former = aion_container(link, struct control_host, link);
        if (strcmp(former->host_id, host->host_id) != 0)
            continue;
        detach(former);
        mesh_fail(former->call, AION_ABORTED, "host %s has attached anew", host->host_id);
    }
}

static void hello(struct control_host *host, const Aion__V1__HostMessage__Hello *message)
{
    struct control *control = host->control;
    struct aion_err err;
    if (!take_hello(host, message, &err)) {
        mesh_fail_with(host->call, &err);
        return;
    }
    replace_former(host);
    host->session = ++control->next_session;
    host->attached_utc_us = aion_clock_utc_us();
    aion_list_add_last(&control->hosts, &host->link);
    control_sched_host_add(&control->sched, &host->sched);
    control_host_drain(host, false);
    control_ops_host_came(host);
    mesh_note(host->call, "host_id", aion_str_of(host->host_id));
    host->ticked_us = mesh_loop_now(control->loop);
    mesh_timer_set(control->loop, &host->lease, host->ticked_us + RUNNING_WAIT_US);
    if (message->bundles)
        mesh_bundle(host->call);
    welcome(host);
    control_host_peers(host);
    control_host_claim(host, control_book_open(&control->shards.book));
}

static void capacity(struct control_host *host, const Aion__V1__HostMessage__Capacity *message)
{
    control_host_drain(host, message->draining);
    control_sched_host_set(&host->control->sched, &host->sched, message->slots, false);
    control_host_refresh(host);
    control_dispatch(host->control);
}

/* -- the handlers ------------------------------------------------------------------- */
static void take_message(struct control_host *host, const Aion__V1__HostMessage *message)
{
    if (host->session == 0 && message->kind_case != AION__V1__HOST_MESSAGE__KIND_HELLO) {
        mesh_fail(host->call, AION_PRECONDITION, "the first message of a host is its hello");
        return;
    }
    switch ((int)message->kind_case) {
    case AION__V1__HOST_MESSAGE__KIND_HELLO:
        hello(host, message->hello);
        return;
    case AION__V1__HOST_MESSAGE__KIND_CHUNK:
        control_attempt_chunk(host, message->chunk);
        return;
    case AION__V1__HOST_MESSAGE__KIND_RESULT:
        control_attempt_result(host, message->result);
        return;
    case AION__V1__HOST_MESSAGE__KIND_RUNNING:
        control_attempts_running(host, message->running);
        return;
    case AION__V1__HOST_MESSAGE__KIND_CAPACITY:
        capacity(host, message->capacity);
        return;
    default:
        return; /* a newer host's word: ignored */
    }
}

void control_attach(struct mesh_call *call, const Aion__V1__HostMessage *message)
{
    struct control_host *host = mesh_user(call);
    if (host == NULL || host->ended)
        return;
    host->heard_us = mesh_loop_now(host->control->loop);
    take_message(host, message);
    for (size_t i = 0; i < message->n_more && !host->ended && !mesh_ended(call); i++)
        take_message(host, message->more[i]);
}

void control_attach_half_close(struct mesh_call *call)
{
    struct control_host *host = mesh_user(call);
    if (host != NULL)
        detach(host);
    mesh_finish(call);
}

void control_attach_writable(struct mesh_call *call)
{
    struct control_host *host = mesh_user(call);
    if (host == NULL)
        return;
    host->blocked = false;
    control_host_refresh(host);
    control_dispatch(host->control);
}

static void host_free(struct control_host *host)
{
    mesh_set_user(host->call, NULL);
    detach(host);
    aion_list_remove(&host->attached);
    aion_arena_done(&host->arena);
    free(host);
}

void control_attach_done(struct mesh_call *call, bool cancelled)
{
    (void)cancelled;
    if (mesh_user(call) != NULL)
        host_free(mesh_user(call));
}

void control_hosts_forget(struct control *control)
{
    while (!aion_list_empty(&control->attached))
        host_free(aion_container(control->attached.next, struct control_host, attached));
}

void control_hosts_end(struct control *control)
{
    while (!aion_list_empty(&control->hosts)) {
        struct control_host *host =
            aion_container(control->hosts.next, struct control_host, link);
        detach(host);
        mesh_fail(host->call, AION_UNAVAILABLE, "control is stopping");
    }
}

/* -- back-pressure ------------------------------------------------------------------ */
enum { PENDING_HIGH = 16 << 20, PENDING_LOW = 8 << 20 };

void control_hosts_pause(struct control *control)
{
    bool pause = control->pending_bytes > (control->hosts_paused ? PENDING_LOW : PENDING_HIGH);
    if (pause == control->hosts_paused)
        return;
    control->hosts_paused = pause;
    aion_list_each (link, &control->hosts) {
        struct control_host *host = aion_container(link, struct control_host, link);
        if (pause)
            mesh_pause(host->call);
        else
            mesh_resume(host->call);
    }
}

/* -- ListHosts ---------------------------------------------------------------------- */
static void put_labels(Aion__V1__HostInfo *info, const struct control_host *host,
                       struct aion_arena *arena)
{
    size_t count = host->sched.label_count;
    Aion__V1__HostInfo__LabelsEntry *entries = aion_arena_array(arena, count, sizeof(*entries));
    info->labels = aion_arena_array(arena, count, sizeof(*info->labels));
    for (size_t i = 0; entries != NULL && info->labels != NULL && i < count; i++) {
        aion__v1__host_info__labels_entry__init(&entries[i]);
        entries[i].key = aion_arena_text(arena, host->sched.labels[i].name);
        entries[i].value = aion_arena_text(arena, host->sched.labels[i].value);
        info->labels[info->n_labels++] = &entries[i];
    }
}

static void put_offers(Aion__V1__HostInfo *info, const struct control_host *host,
                       struct aion_arena *arena)
{
    Aion__V1__ModuleOffer *offers = aion_arena_array(arena, host->offer_count, sizeof(*offers));
    info->modules = aion_arena_array(arena, host->offer_count, sizeof(*info->modules));
    for (size_t i = 0; offers != NULL && info->modules != NULL && i < host->offer_count; i++) {
        const struct control_offer *from = &host->offers[i];
        aion__v1__module_offer__init(&offers[i]);
        offers[i].module = aion_arena_text(arena, aion_str_of(from->module));
        offers[i].version = aion_arena_text(arena, aion_str_of(from->version));
        offers[i].digest = aion_arena_text(arena, aion_str_of(from->digest));
        offers[i].batch_max = from->batch_max;
        offers[i].batch_wait_us = from->batch_wait_us;
        offers[i].intents =
            aion_arena_array(arena, from->intent_count, sizeof(*offers[i].intents));
        for (size_t k = 0; offers[i].intents != NULL && k < from->intent_count; k++)
            offers[i].intents[offers[i].n_intents++] = aion_arena_text(arena, from->intents[k]);
        info->modules[info->n_modules++] = &offers[i];
    }
}

Aion__V1__HostInfo *control_host_info(const struct control_host *host, struct aion_arena *arena)
{
    Aion__V1__HostInfo *info = aion_arena_alloc(arena, sizeof(*info));
    if (info == NULL)
        return NULL;
    aion__v1__host_info__init(info);
    info->host_id = aion_arena_text(arena, aion_str_of(host->host_id));
    info->pool = aion_arena_text(arena, aion_str_of(host->pool));
    info->version = aion_arena_text(arena, aion_str_of(host->version));
    info->slots = host->sched.slots;
    info->running = host->sched.tasks;
    info->draining = host->draining;
    info->attached_at = control_timestamp(arena, host->attached_utc_us);
    control_drained_tell(host->control, info, arena);
    put_labels(info, host, arena);
    put_offers(info, host, arena);
    return info;
}

/* rpc ListHosts. Inline. */
void control_list_hosts(struct mesh_call *call, const Aion__V1__ListHostsRequest *request)
{
    struct control *control = mesh_service(call);
    struct aion_arena
        arena; /* names of many hosts and modules may be more than a call's own holds */
    Aion__V1__ListHostsReply reply = AION__V1__LIST_HOSTS_REPLY__INIT;
    (void)request;
    aion_arena_init(&arena, 16 << 20, NULL, 0);
    reply.hosts =
        aion_arena_array(&arena, aion_list_count(&control->hosts), sizeof(*reply.hosts));
    aion_list_each (link, &control->hosts) {
        const struct control_host *host = aion_container(link, struct control_host, link);
        if (reply.hosts == NULL ||
            (reply.hosts[reply.n_hosts] = control_host_info(host, &arena)) == NULL)
            break;
        reply.n_hosts++;
    }
    aion_v1_hosts_list_hosts_reply(call, &reply);
    aion_arena_done(&arena);
}
