/* A channel: its configuration, its endpoints, its end. */
#include "mesh/channel_private.h"

#include <stdlib.h>

static const struct aion_metric_family outstanding_family = {
    .name = "aion_rpc_client_outstanding",
    .help = "Unary calls under way, by peer.",
    .kind = AION_GAUGE,
    .labels = {"peer"},
};
static const struct aion_metric_family retry_family = {
    .name = "aion_rpc_client_retries",
    .help = "Calls tried again, by peer.",
    .kind = AION_COUNTER,
    .labels = {"peer"},
};
static const struct aion_metric_family refused_family = {
    .name = "aion_rpc_client_circuit_open",
    .help = "Calls refused by the circuit breaker, by peer.",
    .kind = AION_COUNTER,
    .labels = {"peer"},
};
static const struct aion_metric_family ejected_family = {
    .name = "aion_rpc_client_ejections",
    .help = "Endpoints ejected as outliers, by peer.",
    .kind = AION_COUNTER,
    .labels = {"peer"},
};

/* -- targets -------------------------------------------------------------- */

static bool loopback(aion_str address)
{
    return aion_str_starts(address, AION_STR("127.")) ||
           aion_str_starts(address, AION_STR("localhost:")) ||
           aion_str_starts(address, AION_STR("[::1]:"));
}

/* "host:port" with a port of 1..65535. */
static bool valid_address(aion_str address)
{
    size_t colon = SIZE_MAX;
    for (size_t i = 0; i < address.size; i++)
        if (address.data[i] == ':')
            colon = i;
    uint64_t port;
    return colon != SIZE_MAX && colon > 0 && address.size < MESH_ADDRESS_MAX - 16 &&
           aion_str_u64(aion_str_n(address.data + colon + 1, address.size - colon - 1),
                        &port) &&
           port >= 1 && port <= 65535;
}

/* The core's name for an address: numbers as they are, names by its resolver. */
static void core_name(aion_str address, char out[MESH_ADDRESS_MAX])
{
    bool v6 = address.data[0] == '[';
    bool v4 = true;
    for (size_t i = 0; i < address.size; i++)
        v4 = v4 && (address.data[i] == '.' || address.data[i] == ':' ||
                    (address.data[i] >= '0' && address.data[i] <= '9'));
    snprintf(out, MESH_ADDRESS_MAX, "%s%.*s",
             v6   ? "ipv6:"
             : v4 ? "ipv4:"
                  : "dns:///",
             AION_STR_ARG(address));
}

static bool parse_target(const struct mesh_channel *channel, const char *text,
                         struct mesh_addresses *ret_target, struct aion_err *err)
{
    aion_str rest = aion_str_of(text);
    ret_target->count = 0;
    if (aion_str_starts(rest, AION_STR("dns:///")))
        rest = aion_str_n(rest.data + 7, rest.size - 7);
    while (rest.data != NULL) {
        aion_str address = aion_str_trim(aion_str_cut(&rest, ','));
        if (!valid_address(address) || ret_target->count == MESH_ENDPOINTS_MAX)
            return aion_fail(
                err, AION_INVALID,
                "target \"%s\" of %s: expected up to %d host:port, comma-separated", text,
                channel->name, MESH_ENDPOINTS_MAX);
        if (channel->tls == NULL && !loopback(address))
            return aion_fail(err, AION_INVALID,
                             "target \"%s\" of %s: plain text is for loopback only", text,
                             channel->name);
        core_name(address, ret_target->names[ret_target->count++]);
    }
    return true;
}

/* Keeps endpoints that stay, so that their connections do. */
static struct mesh_endpoint *take_old(struct mesh_endpoint **old, size_t count,
                                      const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (old[i] != NULL && strcmp(old[i]->address, name) == 0) {
            struct mesh_endpoint *kept = old[i];
            old[i] = NULL;
            return kept;
        }
    return NULL;
}

static struct mesh_endpoint *endpoint_of(struct mesh_channel *channel,
                                         struct mesh_endpoint **old, size_t old_count,
                                         const char *name)
{
    struct mesh_endpoint *kept = take_old(old, old_count, name);
    return kept != NULL ? kept : mesh_endpoint_new(channel, name);
}

/* The endpoints are those configured and those `found` behind their names. */
static void set_endpoints(struct mesh_channel *channel, const struct mesh_addresses *found)
{
    const struct mesh_addresses *lists[] = {channel->target, found};
    struct mesh_endpoint *old[MESH_ENDPOINTS_MAX];
    size_t old_count = channel->endpoint_count;
    size_t count = 0;
    memcpy(old, channel->endpoints, sizeof(old));
    for (size_t i = 0; i < aion_countof(lists); i++)
        for (size_t k = 0; lists[i] != NULL && k < lists[i]->count; k++)
            if (count < MESH_ENDPOINTS_MAX)
                channel->endpoints[count++] =
                    endpoint_of(channel, old, old_count, lists[i]->names[k]);
    channel->endpoint_count = count;
    for (size_t i = 0; i < old_count; i++)
        if (old[i] != NULL)
            mesh_endpoint_remove(old[i]);
    for (size_t i = 0; !channel->conf.no_health && i < count; i++)
        mesh_endpoint_watch(channel->endpoints[i]);
}

void mesh_channel_resolved(struct mesh_channel *channel, const struct mesh_addresses *found)
{
    set_endpoints(channel, found);
}

bool mesh_channel_set_target(struct mesh_channel *channel, const char *text,
                             struct aion_err *err)
{
    struct mesh_addresses *target = malloc(sizeof(*target));
    if (target == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    if (!parse_target(channel, text, target, err)) {
        free(target);
        return false;
    }
    free(channel->target);
    channel->target = target;
    set_endpoints(channel, NULL);
    mesh_resolver_free(channel->resolver);
    channel->resolver = mesh_resolver_new(channel, target);
    return true;
}

/* -- life ----------------------------------------------------------------- */

static void fill_defaults(struct mesh_channel_conf *conf)
{
    conf->outstanding_max = conf->outstanding_max > 0 ? conf->outstanding_max : 4096;
    conf->retry_percent = conf->retry_percent > 0 ? conf->retry_percent : 20;
    conf->retry_floor_per_s = conf->retry_floor_per_s > 0 ? conf->retry_floor_per_s : 3;
    conf->eject_failures = conf->eject_failures > 0 ? conf->eject_failures : 5;
    conf->eject_us = conf->eject_us > 0 ? conf->eject_us : 5000000;
    conf->timeout_us = conf->timeout_us > 0 ? conf->timeout_us : 10000000;
    conf->reply_bytes_max = conf->reply_bytes_max > 0 ? conf->reply_bytes_max : 8 * 1024 * 1024;
}

static void free_channel(struct mesh_channel *channel)
{
    aion_list_remove(&channel->link);
    mesh_client_tls_free(channel->tls);
    free(channel->target);
    free(channel->name);
    free(channel);
}

struct mesh_channel *mesh_channel_new(struct mesh_loop *loop,
                                      const struct mesh_channel_conf *conf,
                                      struct aion_err *err)
{
    struct mesh_channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL || (channel->name = strdup(conf->name)) == NULL) {
        free(channel);
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    }
    channel->loop = loop;
    aion_list_add_last(&loop->channels, &channel->link);
    channel->conf = *conf;
    fill_defaults(&channel->conf);
    aion_list_init(&channel->rpcs);
    aion_list_init(&channel->parked);
    channel->outstanding_metric = aion_metric(&outstanding_family, channel->name);
    channel->retry_metric = aion_metric(&retry_family, channel->name);
    channel->refused_metric = aion_metric(&refused_family, channel->name);
    channel->ejected_metric = aion_metric(&ejected_family, channel->name);
    mesh_retry_budget_init(&channel->retries, channel->conf.retry_percent,
                           channel->conf.retry_floor_per_s, loop->now_us);
    bool good = true;
    if (conf->tls != NULL) {
        channel->tls = mesh_client_tls_new(conf->tls, conf->peer_service, err);
        good = channel->tls != NULL;
    }
    if (good && mesh_channel_set_target(channel, conf->target, err))
        return channel;
    free_channel(channel);
    return NULL;
}

bool mesh_channel_ready(const struct mesh_channel *channel)
{
    for (size_t i = 0; i < channel->endpoint_count; i++) {
        const struct mesh_endpoint *endpoint = channel->endpoints[i];
        if (mesh_endpoint_serves(endpoint) &&
            grpc_channel_check_connectivity_state(endpoint->core, 1) == GRPC_CHANNEL_READY)
            return true;
    }
    return false;
}

void mesh_channel_release(struct mesh_channel *channel)
{
    if (--channel->alive == 0 && channel->closing)
        free_channel(channel);
}

static void cancel_all(struct mesh_channel *channel)
{
    aion_list_each_safe (link, &channel->rpcs)
        mesh_rpc_cancel(aion_container(link, struct mesh_rpc, link));
}

void mesh_channel_close(struct mesh_channel *channel)
{
    if (channel == NULL)
        return;
    struct mesh_loop *loop = channel->loop;
    channel->closing = true;
    mesh_resolver_free(channel->resolver);
    channel->alive++; /* until this function is done with it */
    cancel_all(channel);
    for (size_t i = 0; i < channel->endpoint_count; i++)
        mesh_endpoint_remove(channel->endpoints[i]);
    channel->endpoint_count = 0;
    /* after the loop ended somebody must take the cancelled calls' completions */
    int64_t until = loop->now_us + 5000000;
    while (channel->alive > 1 && !atomic_load(&loop->running) && loop->now_us < until)
        mesh_loop_step(loop, loop->now_us + 50000);
    mesh_channel_release(channel);
}
