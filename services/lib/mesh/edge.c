#include "mesh/edge.h"

#include "mesh/channel_private.h"

#include <stdlib.h>

void mesh_endpoint_count(struct mesh_endpoint *endpoint, int64_t took_us, enum aion_code code)
{
    struct mesh_edge_counts *counts = &endpoint->counts;
    counts->calls++;
    counts->errors += code != AION_OK;
    if (took_us < 0)
        return;
    if (counts->latency == NULL)
        counts->latency = calloc(AION_HIST_BUCKETS, sizeof(*counts->latency));
    if (counts->latency != NULL)
        counts->latency[aion_hist_bucket((uint64_t)took_us)]++;
}

void mesh_rpc_answered(struct mesh_rpc *rpc, int64_t took_us, enum aion_code code)
{
    if (rpc->endpoint != NULL)
        mesh_endpoint_count(rpc->endpoint, took_us > 0 ? took_us : 0, code);
}

static enum mesh_edge_state state_of(const struct mesh_endpoint *endpoint)
{
    const struct mesh_channel *channel = endpoint->channel;
    if (mesh_outlier_ejected(&endpoint->outlier, channel->loop->now_us))
        return MESH_EDGE_EJECTED;
    if (grpc_channel_check_connectivity_state(endpoint->core, 0) != GRPC_CHANNEL_READY)
        return MESH_EDGE_DOWN;
    if (endpoint->health == MESH_HEALTH_NOT_SERVING)
        return MESH_EDGE_DRAINING;
    if (channel->outstanding >= channel->conf.outstanding_max)
        return MESH_EDGE_BREAKER;
    return MESH_EDGE_OK;
}

/* As it was configured: without the core's scheme. */
static const char *plain_address(const char *address)
{
    static const char *const schemes[] = {"ipv4:", "ipv6:", "dns:///"};
    for (size_t i = 0; i < aion_countof(schemes); i++)
        if (aion_str_starts(aion_str_of(address), aion_str_of(schemes[i])))
            return address + strlen(schemes[i]);
    return address;
}

static void tell(const struct mesh_endpoint *endpoint, mesh_edge_fn *fn, void *user)
{
    const struct mesh_edge edge = {
        .peer = endpoint->channel->name,
        .address = plain_address(endpoint->address),
        .state = state_of(endpoint),
        /* the health watch is the channel's own business */
        .outstanding = endpoint->outstanding - (endpoint->watch != NULL),
        .calls = endpoint->counts.calls,
        .errors = endpoint->counts.errors,
        .retries = endpoint->counts.retries,
        .ejections = endpoint->counts.ejections,
        .latency = endpoint->counts.latency,
    };
    fn(user, &edge);
}

/* Of a name with one address the stand-in is all there is (resolve.c): calls go over it. */
static bool only_stand_ins(const struct mesh_channel *channel)
{
    for (size_t i = 0; i < channel->endpoint_count; i++)
        if (!channel->endpoints[i]->stand_in)
            return false;
    return true;
}

void mesh_edges_each(struct mesh_loop *loop, mesh_edge_fn *fn, void *user)
{
    aion_list_each (link, &loop->channels) {
        const struct mesh_channel *channel = aion_container(link, struct mesh_channel, link);
        bool all = only_stand_ins(channel);
        for (size_t i = 0; i < channel->endpoint_count; i++)
            if (all || !channel->endpoints[i]->stand_in)
                tell(channel->endpoints[i], fn, user);
    }
}
