/* The standing stream to one control: hello, what runs, commands; again and again while the
 * link is wanted. */
#include "base/log.h"
#include "host_private.h"

#include <stdlib.h>

enum { AGAIN_FIRST_US = 100000, AGAIN_MOST_US = 2000000 };

static void link_free(struct host_link *link)
{
    mesh_timer_cancel(link->host->program->loop, &link->again);
    aion_list_remove(&link->link);
    mesh_channel_close(link->channel); /* its stream was forgotten: it tells nobody any more */
    free(link);
}

static void sent(struct host_link *link, enum mesh_sent how)
{
    if (how != MESH_FULL || link->full)
        return;
    link->full = true; /* control does not keep up: the modules wait */
    if (link->host->full_links++ == 0)
        host_pool_pause(link->host->pool, true);
}

void host_link_send(struct host_link *link, const Aion__V1__HostMessage *message)
{
    if (link->stream != NULL)
        sent(link, aion_v1_hosts_attach_write(link->stream, message));
}

void host_link_send_packed(struct host_link *link, aion_str wire)
{
    if (link->stream != NULL)
        sent(link, mesh_rpc_send_packed(link->stream, wire));
}

static void not_full(struct host_link *link)
{
    if (!link->full)
        return;
    link->full = false;
    if (--link->host->full_links == 0)
        host_pool_pause(link->host->pool, false);
}

static void on_writable(struct mesh_rpc *rpc)
{
    not_full(mesh_rpc_user(rpc));
}

/* -- hello ---------------------------------------------------------------- */

static void fill_offer(const struct host_manifest *manifest, Aion__V1__ModuleOffer *offer)
{
    aion__v1__module_offer__init(offer);
    offer->module = (char *)(uintptr_t)manifest->name;
    offer->version = (char *)(uintptr_t)manifest->version;
    offer->digest = (char *)(uintptr_t)manifest->digest;
    offer->intents = (char **)(uintptr_t)manifest->intents;
    offer->n_intents = manifest->intent_count;
    offer->batch_max = manifest->batch_max;
    offer->batch_wait_us = manifest->batch_wait_us;
}

struct labels {
    char names[HOST_LABELS_MAX][65], values[HOST_LABELS_MAX][65];
    Aion__V1__HostMessage__Hello__LabelsEntry entries[HOST_LABELS_MAX];
    Aion__V1__HostMessage__Hello__LabelsEntry *pointers[HOST_LABELS_MAX];
    size_t count;
};

static void fill_labels(const struct host_conf *conf, struct labels *labels)
{
    aion_str rest = aion_str_of(conf->labels), name, value;
    while (rest.size > 0 && labels->count < HOST_LABELS_MAX &&
           host_labels_next(&rest, &name, &value)) {
        size_t i = labels->count++;
        Aion__V1__HostMessage__Hello__LabelsEntry *entry = &labels->entries[i];
        aion_str_copy(labels->names[i], sizeof(labels->names[i]), name);
        aion_str_copy(labels->values[i], sizeof(labels->values[i]), value);
        aion__v1__host_message__hello__labels_entry__init(entry);
        entry->key = labels->names[i];
        entry->value = labels->values[i];
        labels->pointers[i] = entry;
    }
}

static void send_hello(struct host_link *link)
{
    const struct host *host = link->host;
    struct labels labels = {.count = 0};
    Aion__V1__ModuleOffer offers[HOST_MODULES_MAX];
    Aion__V1__ModuleOffer *pointers[HOST_MODULES_MAX];
    Aion__V1__HostMessage__Hello hello = AION__V1__HOST_MESSAGE__HELLO__INIT;
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    for (size_t i = 0; i < host->manifest_count; i++) {
        fill_offer(&host->manifests[i], &offers[i]);
        pointers[i] = &offers[i];
    }
    hello.host_id = (char *)(uintptr_t)host->conf->host_id;
    hello.pool = (char *)(uintptr_t)host->conf->pool;
    hello.slots = (uint32_t)host->conf->slots;
    hello.version = (char *)(uintptr_t)AION_VERSION;
    hello.bundles = true;
    fill_labels(host->conf, &labels);
    hello.labels = labels.pointers;
    hello.n_labels = labels.count;
    hello.modules = pointers;
    hello.n_modules = host->manifest_count;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_HELLO;
    message.hello = &hello;
    host_link_send(link, &message);
}

/* -- commands ------------------------------------------------------------- */

static void on_welcome(struct host_link *link, const Aion__V1__HostCommand__Welcome *welcome)
{
    struct host *host = link->host;
    if (welcome->bundles)
        mesh_rpc_bundle(link->stream);
    link->welcomed = true;
    link->failures = 0;
    aion_log(AION_LOG_INFO, "attached to control", LOG_TEXT("host_id", host->conf->host_id),
             LOG_TEXT("control", link->target));
    program_ready(host->program, true, "");
    host_share_changed(host);
}

static void take_command(struct host_link *link, const Aion__V1__HostCommand *command)
{
    Aion__V1__HostCommand__Execute *execute = command->execute;
    switch ((int)command->kind_case) {
    case AION__V1__HOST_COMMAND__KIND_WELCOME:
        on_welcome(link, command->welcome);
        break;
    case AION__V1__HOST_COMMAND__KIND_EXECUTE:
        host_execute(link, &execute, 1);
        break;
    case AION__V1__HOST_COMMAND__KIND_BATCH:
        host_execute(link, command->batch->executes, command->batch->n_executes);
        break;
    case AION__V1__HOST_COMMAND__KIND_CANCEL:
        host_cancel(link, command->cancel);
        break;
    case AION__V1__HOST_COMMAND__KIND_SETTLED:
        host_settled(link, command->settled);
        break;
    case AION__V1__HOST_COMMAND__KIND_PING:
        host_link_send_capacity(link);
        break;
    case AION__V1__HOST_COMMAND__KIND_PEERS:
        host_peers(link, command->peers);
        break;
    case AION__V1__HOST_COMMAND__KIND_CLAIM:
        host_claimed(link, command->claim->shards);
        break;
    default: /* a newer control: what we do not know we do not do */
        break;
    }
}

static void on_command(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct host_link *link = mesh_rpc_user(rpc);
    const Aion__V1__HostCommand *command = aion_v1_hosts_attach_read(message);
    take_command(link, command);
    for (size_t i = 0; i < command->n_more; i++)
        take_command(link, command->more[i]);
}

/* -- life ----------------------------------------------------------------- */

static int64_t back_off(struct host_link *link)
{
    unsigned doublings = link->failures < 5 ? link->failures : 5;
    int64_t wait = (int64_t)AGAIN_FIRST_US << doublings;
    link->failures++;
    return wait < AGAIN_MOST_US ? wait : AGAIN_MOST_US;
}

/* What runs for it is kept by its attempts, until it or another control claims them. */
static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct host_link *link = mesh_rpc_user(rpc);
    struct host *host = link->host;
    bool was_welcomed = link->welcomed;
    link->stream = NULL;
    link->welcomed = false;
    link->shards = 0;
    not_full(link);
    host_attempts_orphan(link);
    if (was_welcomed)
        aion_log(AION_LOG_WARN, "detached from control", LOG_TEXT("control", link->target),
                 LOG_TEXT("error", result->err != NULL ? result->err->text : "control closed"));
    if (!host_attached(host))
        program_ready(host->program, false, "not attached to control");
    host_share_changed(host);
    if (host->leaving)
        return;
    mesh_timer_set(host->program->loop, &link->again,
                   mesh_loop_now(host->program->loop) + back_off(link));
}

static void attach(struct host_link *link)
{
    static const struct mesh_stream_ops ops = {
        .message = on_command, .writable = on_writable, .closed = on_closed};
    const struct mesh_rpc_opts opts = {.wait_for_ready = true};
    link->stream = aion_v1_hosts_attach_open(link->channel, &opts, &ops, link);
    send_hello(link);
}

/* A control that is no more is not called any more. The first link is for ever: it finds
 * whichever control there is. */
static void attach_again(struct mesh_timer *timer)
{
    struct host_link *link = aion_container(timer, struct host_link, again);
    if (!link->seed && !link->wanted)
        link_free(link);
    else
        attach(link);
}

bool host_link_open(struct host *host, const char *target, bool seed, struct aion_err *err)
{
    struct host_link *link = calloc(1, sizeof(*link));
    struct mesh_channel_conf conf = {.name = "control",
                                     .target = target,
                                     .tls = host->program->tls,
                                     .peer_service = "control"};
    if (link == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    link->channel = mesh_channel_new(host->program->loop, &conf, err);
    if (link->channel == NULL) {
        free(link);
        return false;
    }
    link->host = host;
    link->seed = seed;
    link->wanted = true;
    aion_str_copy(link->target, sizeof(link->target), aion_str_of(target));
    link->again.fire = attach_again;
    aion_list_add_last(&host->links, &link->link);
    return true;
}

void host_link_attach(struct host_link *link)
{
    if (link->stream == NULL)
        attach(link);
}

void host_links_end(struct host *host)
{
    host->leaving = true;
    aion_list_each (pos, &host->links) {
        struct host_link *link = aion_container(pos, struct host_link, link);
        mesh_timer_cancel(host->program->loop, &link->again);
        if (link->stream != NULL)
            mesh_rpc_half_close(link->stream);
    }
}

void host_links_free(struct host *host)
{
    host->leaving = true;
    aion_list_each_safe (pos, &host->links)
        link_free(aion_container(pos, struct host_link, link));
}
