/* Endpoints: which one a call goes to, who is ill, who is out. */
#include "mesh/channel_private.h"

#include "grpc/health/v1/health.mesh.h"

#include <stdlib.h>

/* A restarted server is back in the choice this soon; one that refuses the watch is asked ever
 * less often. */
enum { WATCH_AGAIN_US = 50000, WATCH_AGAIN_MAX_US = 5000000 };

enum { WINDOW_BYTES = 65535 }; /* of a stream at first, by RFC 9113 */

/* -- life ----------------------------------------------------------------- */

static grpc_arg int_arg(const char *name, int value)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)name};
    arg.value.integer = value;
    return arg;
}

/* One connection of its own per channel; no service config from outside (a hostile one crashes
 * the core: facts); our own retries instead of the core's; pings that servers allow. */
static grpc_channel *make_core(struct mesh_channel *channel, const char *address)
{
    const struct mesh_channel_conf *conf = &channel->conf;
    grpc_arg args[] = {
        int_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        int_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        int_arg(GRPC_ARG_ENABLE_RETRIES, 0),
        int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, 30000),
        int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000),
        int_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100),
        int_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000),
        int_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000),
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)conf->reply_bytes_max),
        int_arg(GRPC_ARG_HTTP2_BDP_PROBE, conf->window_bytes == 0),
        int_arg(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
                conf->window_bytes > 0 ? (int)conf->window_bytes : WINDOW_BYTES),
        mesh_gather_arg(),
    };
    grpc_channel_args list = {aion_countof(args) - !mesh_gather_known(), args};
    if (channel->tls != NULL)
        return grpc_channel_create(address, mesh_client_credentials(channel->tls), &list);
    grpc_channel_credentials *plain = grpc_insecure_credentials_create();
    grpc_channel *core = grpc_channel_create(address, plain, &list);
    grpc_channel_credentials_release(plain);
    return core;
}

struct mesh_endpoint *mesh_endpoint_new(struct mesh_channel *channel, const char *address)
{
    struct mesh_endpoint *endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint == NULL)
        abort();
    endpoint->channel = channel;
    aion_str_copy(endpoint->address, sizeof(endpoint->address), aion_str_of(address));
    endpoint->core = make_core(channel, address);
    endpoint->unwatched = channel->conf.no_health;
    endpoint->stand_in = aion_str_starts(aion_str_of(address), AION_STR("dns:"));
    channel->alive++;
    return endpoint;
}

static void free_if_unused(struct mesh_endpoint *endpoint)
{
    if (!endpoint->removed || endpoint->outstanding > 0)
        return;
    struct mesh_channel *channel = endpoint->channel;
    mesh_timer_cancel(channel->loop, &endpoint->watch_again);
    grpc_channel_destroy(endpoint->core);
    free(endpoint->counts.latency);
    free(endpoint);
    mesh_channel_release(channel);
}

void mesh_endpoint_remove(struct mesh_endpoint *endpoint)
{
    endpoint->removed = true;
    if (endpoint->watch != NULL)
        mesh_rpc_cancel(endpoint->watch);
    free_if_unused(endpoint);
}

void mesh_endpoint_unref(struct mesh_endpoint *endpoint)
{
    endpoint->outstanding--;
    free_if_unused(endpoint);
}

/* -- health --------------------------------------------------------------- */

static void on_health(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct mesh_endpoint *endpoint = mesh_rpc_user(rpc);
    const Grpc__Health__V1__HealthCheckResponse *response =
        grpc_health_v1_health_watch_read(message);
    endpoint->health =
        response->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
            ? MESH_HEALTH_SERVING
            : MESH_HEALTH_NOT_SERVING;
    endpoint->watch_wait_us = 0;
    if (endpoint->health == MESH_HEALTH_SERVING)
        mesh_unary_unpark(endpoint->channel);
}

static void watch_again(struct mesh_timer *timer)
{
    mesh_endpoint_watch(aion_container(timer, struct mesh_endpoint, watch_again));
}

static void on_watch_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct mesh_endpoint *endpoint = mesh_rpc_user(rpc);
    endpoint->watch = NULL;
    bool served = result->err == NULL || result->err->code != AION_UNIMPLEMENTED;
    /* who drains says NOT_SERVING and then ends the watch: that stands until we hear of it
     * again. Else the connection's state decides */
    if (endpoint->health != MESH_HEALTH_NOT_SERVING || !served)
        endpoint->health = MESH_HEALTH_UNKNOWN;
    if (endpoint->removed)
        return;
    if (!served) {
        endpoint->unwatched = true;
        mesh_unary_unpark(endpoint->channel);
        return;
    }
    int64_t wait = endpoint->watch_wait_us > 0 ? endpoint->watch_wait_us * 2 : WATCH_AGAIN_US;
    endpoint->watch_wait_us = wait < WATCH_AGAIN_MAX_US ? wait : WATCH_AGAIN_MAX_US;
    endpoint->watch_again.fire = watch_again;
    mesh_timer_set(endpoint->channel->loop, &endpoint->watch_again,
                   endpoint->channel->loop->now_us + endpoint->watch_wait_us);
}

void mesh_endpoint_watch(struct mesh_endpoint *endpoint)
{
    static const struct mesh_stream_ops ops = {.message = on_health, .closed = on_watch_closed};
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct mesh_rpc_opts opts = {.wait_for_ready = true};
    const struct mesh_method *watch =
        &grpc_health_v1_health_type.methods[GRPC_HEALTH_V1_HEALTH_WATCH];
    if (endpoint->watch != NULL || endpoint->removed)
        return;
    endpoint->watch = mesh_open_on(endpoint, watch, &opts, &ops, endpoint);
    mesh_rpc_send(endpoint->watch, &request.base);
    mesh_rpc_half_close(endpoint->watch);
}

/* -- picking -------------------------------------------------------------- */

/* How good a choice it is: of the endpoints of the best rank at hand one is taken. */
enum rank {
    RANK_TRIED,     /* the attempt before went there */
    RANK_FAILED,    /* no connection; better any than none */
    RANK_CONNECTED, /* ejected or draining, but it may still answer */
    RANK_UNHEARD,   /* nothing is known against it */
    RANK_STAND_IN,  /* the core knows an address of the name that answers */
    RANK_SERVING,
};

static enum rank rank_of(const struct mesh_endpoint *endpoint, int64_t now_us)
{
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(endpoint->core, 1);
    if (mesh_outlier_ejected(&endpoint->outlier, now_us) ||
        endpoint->health == MESH_HEALTH_NOT_SERVING)
        return state == GRPC_CHANNEL_READY ? RANK_CONNECTED : RANK_FAILED;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN)
        return RANK_FAILED;
    if (state != GRPC_CHANNEL_READY || !mesh_endpoint_serves(endpoint))
        return RANK_UNHEARD;
    return endpoint->stand_in ? RANK_STAND_IN : RANK_SERVING;
}

/* Two different ones, and of them the one with fewer calls outstanding. */
static struct mesh_endpoint *better_of_two(struct aion_rand *rand,
                                           struct mesh_endpoint *const *candidates,
                                           size_t count)
{
    size_t first = aion_rand_below(rand, count);
    if (count == 1)
        return candidates[first];
    size_t second = (first + 1 + aion_rand_below(rand, count - 1)) % count;
    struct mesh_endpoint *a = candidates[first];
    struct mesh_endpoint *b = candidates[second];
    return b->outstanding < a->outstanding ? b : a;
}

struct mesh_endpoint *mesh_endpoint_pick(struct mesh_channel *channel,
                                         const struct mesh_endpoint *avoid)
{
    struct mesh_endpoint *candidates[MESH_ENDPOINTS_MAX];
    enum rank best = RANK_TRIED;
    size_t count = 0;
    if (channel->endpoint_count == 1)
        return channel->endpoints[0];
    for (size_t i = 0; i < channel->endpoint_count; i++) {
        struct mesh_endpoint *endpoint = channel->endpoints[i];
        enum rank rank =
            endpoint != avoid ? rank_of(endpoint, channel->loop->now_us) : RANK_TRIED;
        if (rank > best)
            count = 0;
        if (rank >= best)
            candidates[count++] = endpoint;
        best = rank > best ? rank : best;
    }
    return better_of_two(&channel->loop->rand, candidates, count);
}

bool mesh_endpoint_serves(const struct mesh_endpoint *endpoint)
{
    return endpoint->unwatched || endpoint->health == MESH_HEALTH_SERVING;
}

bool mesh_endpoints_serve(const struct mesh_channel *channel)
{
    for (size_t i = 0; i < channel->endpoint_count; i++)
        if (mesh_endpoint_serves(channel->endpoints[i]))
            return true;
    return false;
}

/* At most half of the endpoints may be out at a time. */
static bool may_eject(const struct mesh_channel *channel)
{
    size_t out = 0;
    for (size_t i = 0; i < channel->endpoint_count; i++)
        out += mesh_outlier_ejected(&channel->endpoints[i]->outlier, channel->loop->now_us);
    return (out + 1) * 2 <= channel->endpoint_count;
}

void mesh_endpoint_record(struct mesh_endpoint *endpoint, enum aion_code code)
{
    struct mesh_channel *channel = endpoint->channel;
    if (channel->endpoint_count < 2 || endpoint->removed)
        return;
    struct mesh_outlier_conf conf = {channel->conf.eject_failures, channel->conf.eject_us};
    bool failed = code == AION_UNAVAILABLE || code == AION_INTERNAL || code == AION_UNKNOWN;
    if (!mesh_outlier_record(&endpoint->outlier, &conf, failed, failed && may_eject(channel),
                             channel->loop->now_us))
        return;
    aion_metric_add(channel->ejected_metric, 1);
    endpoint->counts.ejections++;
}
