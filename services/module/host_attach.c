/* The standing stream to control: hello, what runs, commands; again and again while the host
 * lives. */
#include "base/log.h"
#include "host_private.h"

enum { AGAIN_FIRST_US = 100000, AGAIN_MOST_US = 2000000 };

static void attach_again(struct mesh_timer *timer)
{
    host_attach(aion_container(timer, struct host, again_timer));
}

void host_send(struct host *host, const Aion__V1__HostMessage *message)
{
    if (host->stream == NULL)
        return;
    if (aion_v1_hosts_attach_write(host->stream, message) == MESH_FULL && !host->full) {
        host->full = true; /* control does not keep up: the modules wait */
        host_pool_pause(host->pool, true);
    }
}

static void on_writable(struct mesh_rpc *rpc)
{
    struct host *host = mesh_rpc_user(rpc);
    host->full = false;
    host_pool_pause(host->pool, false);
}

void host_send_capacity(struct host *host)
{
    Aion__V1__HostMessage__Capacity capacity = AION__V1__HOST_MESSAGE__CAPACITY__INIT;
    Aion__V1__HostMessage message = AION__V1__HOST_MESSAGE__INIT;
    capacity.slots = host->draining ? 0 : (uint32_t)host->conf->slots;
    capacity.draining = host->draining;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_CAPACITY;
    message.capacity = &capacity;
    host_send(host, &message);
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
}

static void send_hello(struct host *host)
{
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
    hello.modules = pointers;
    hello.n_modules = host->manifest_count;
    message.kind_case = AION__V1__HOST_MESSAGE__KIND_HELLO;
    message.hello = &hello;
    host_send(host, &message);
}

/* -- commands ------------------------------------------------------------- */

static void on_welcome(struct host *host)
{
    host->welcomed = true;
    host->failures = 0;
    aion_log(AION_LOG_INFO, "attached to control", LOG_TEXT("host_id", host->conf->host_id));
    program_ready(host->program, true, "");
    if (host->draining)
        host_send_capacity(host);
}

static void on_command(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct host *host = mesh_rpc_user(rpc);
    const Aion__V1__HostCommand *command = aion_v1_hosts_attach_read(message);
    switch ((int)command->kind_case) {
    case AION__V1__HOST_COMMAND__KIND_WELCOME:
        on_welcome(host);
        break;
    case AION__V1__HOST_COMMAND__KIND_EXECUTE:
        host_execute(host, command->execute);
        break;
    case AION__V1__HOST_COMMAND__KIND_CANCEL:
        host_cancel(host, command->cancel);
        break;
    case AION__V1__HOST_COMMAND__KIND_SETTLED:
        host_settled(host, command->settled);
        break;
    case AION__V1__HOST_COMMAND__KIND_PING:
        host_send_capacity(host);
        break;
    default: /* a newer control: what we do not know we do not do */
        break;
    }
}

static int64_t back_off(struct host *host)
{
    unsigned doublings = host->failures < 5 ? host->failures : 5;
    int64_t wait = (int64_t)AGAIN_FIRST_US << doublings;
    host->failures++;
    return wait < AGAIN_MOST_US ? wait : AGAIN_MOST_US;
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct host *host = mesh_rpc_user(rpc);
    host->stream = NULL;
    if (host->full)
        on_writable(rpc); /* what comes meanwhile is kept by its attempt */
    if (host->welcomed)
        aion_log(AION_LOG_WARN, "detached from control",
                 LOG_TEXT("error", result->err != NULL ? result->err->text : "control closed"));
    host->welcomed = false;
    program_ready(host->program, false, "not attached to control");
    if (host->again_timer.fire == NULL)
        return; /* detached for good */
    mesh_timer_set(host->program->loop, &host->again_timer,
                   mesh_loop_now(host->program->loop) + back_off(host));
}

void host_attach(struct host *host)
{
    static const struct mesh_stream_ops ops = {
        .message = on_command, .writable = on_writable, .closed = on_closed};
    const struct mesh_rpc_opts opts = {.wait_for_ready = true};
    host->again_timer.fire = attach_again;
    host->stream = aion_v1_hosts_attach_open(host->control, &opts, &ops, host);
    send_hello(host);
    host_resend(host);
}

void host_detach(struct host *host)
{
    host->again_timer.fire = NULL;
    mesh_timer_cancel(host->program->loop, &host->again_timer);
    if (host->stream != NULL)
        mesh_rpc_half_close(host->stream);
}
