/* A server: its port, its methods, its start and its drain. */
#include "mesh/server_private.h"

#include <stdlib.h>

enum {
    DRAIN_WAIT_US =
        300000, /* measured: clients that watch health leave within it; 0 lost calls */
    CANCEL_WAIT_US = 1000000,
    PEERS_MAX = 65536,
};

static const struct aion_metric_family duration_family = {
    .name = "aion_rpc_server_duration_seconds",
    .help = "Time from a call's arrival to its end.",
    .unit = "seconds",
    .kind = AION_HISTOGRAM,
    .labels = {"method"},
    .scale = 1e-6,
};

static const struct aion_metric_family live_family = {
    .name = "aion_rpc_server_live_calls",
    .help = "Calls that have begun and not ended.",
    .kind = AION_GAUGE,
    .labels = {"method"},
};

/* -- making --------------------------------------------------------------- */

static bool is_loopback(const char *listen)
{
    static const char *const prefixes[] = {"127.", "localhost:", "[::1]:", "unix:"};
    for (size_t i = 0; i < aion_countof(prefixes); i++)
        if (aion_str_starts(aion_str_of(listen), aion_str_of(prefixes[i])))
            return true;
    return false;
}

static void fill_defaults(struct mesh_server_conf *conf)
{
    conf->calls_max = conf->calls_max > 0 ? conf->calls_max : 4096;
    conf->streams_max = conf->streams_max > 0 ? conf->streams_max : 16384;
    conf->calls_per_peer_max = conf->calls_per_peer_max > 0 ? conf->calls_per_peer_max : 8192;
    if (conf->send_queue_bytes_max == 0)
        conf->send_queue_bytes_max = 256 * 1024;
    if (conf->deadline_max_us == 0)
        conf->deadline_max_us = 60000000;
    if (conf->connection_age_us == 0)
        conf->connection_age_us = 600000000;
}

static grpc_arg int_arg(const char *name, int value)
{
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)name};
    arg.value.integer = value;
    return arg;
}

/* Two servers must never share a port unseen; pings are bounded on both sides (facts:
 * keepalive). */
static grpc_server *make_core(const struct mesh_server_conf *conf)
{
    int age_ms =
        conf->connection_age_us < 0 ? INT32_MAX : (int)(conf->connection_age_us / 1000);
    grpc_arg args[] = {
        int_arg(GRPC_ARG_ALLOW_REUSEPORT, 0),
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 8 * 1024 * 1024),
        int_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, 1 << 20), /* our own limits answer at once */
        int_arg(GRPC_ARG_MAX_METADATA_SIZE, 16 * 1024),
        int_arg(GRPC_ARG_MAX_CONNECTION_AGE_MS, age_ms),
        int_arg(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 600000),
        int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, 30000),
        int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000),
        int_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000),
        int_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10000),
        mesh_gather_arg(),
    };
    grpc_channel_args list = {aion_countof(args) - !mesh_gather_known(), args};
    return grpc_server_create(&list, NULL);
}

static bool bind_port(struct mesh_server *server, struct aion_err *err)
{
    const struct mesh_server_conf *conf = &server->conf;
    grpc_server_credentials *credentials = conf->tls != NULL
                                               ? mesh_server_credentials(conf->tls, err)
                                               : grpc_insecure_server_credentials_create();
    if (credentials == NULL)
        return false;
    server->port = grpc_server_add_http2_port(server->core, server->listen, credentials);
    grpc_server_credentials_release(credentials);
    if (server->port > 0)
        return true;
    return aion_fail(
        err, AION_EXISTS,
        "cannot listen on %s: the address is in use or not of this machine; choose "
        "another by --listen or --port-base",
        server->listen);
}

struct mesh_server *mesh_server_new(struct mesh_loop *loop, const struct mesh_server_conf *conf,
                                    struct aion_err *err)
{
    if (conf->tls == NULL && !is_loopback(conf->listen))
        return aion_fail_null(
            err, AION_INVALID,
            "listen address \"%s\" is not loopback: plain text is refused there; "
            "give certificates",
            conf->listen);
    struct mesh_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    server->loop = loop;
    server->conf = *conf;
    fill_defaults(&server->conf);
    server->listen = strdup(conf->listen);
    const char *trust = conf->tls != NULL && conf->tls->trust_domain != NULL
                            ? conf->tls->trust_domain
                            : "aion.local";
    server->trust_domain = strdup(trust);
    server->anonymous_peers = conf->tls != NULL && conf->tls->anonymous_peers;
    aion_list_init(&server->free_calls);
    aion_list_init(&server->live_calls);
    aion_map_init(&server->peers, PEERS_MAX);
    server->core = make_core(&server->conf);
    grpc_server_register_completion_queue(server->core, loop->cq, NULL);
    server->health = mesh_health_new(server);
    mesh_reflection_bind(server);
    if (bind_port(server, err))
        return server;
    mesh_server_free(server);
    return NULL;
}

int mesh_server_port(const struct mesh_server *server)
{
    return server->port;
}

void mesh_server_on_audit(struct mesh_server *server,
                          void (*audited)(void *user, const struct mesh_audit *audit),
                          void *user)
{
    server->audited = audited;
    server->audited_user = user;
}

uint32_t mesh_server_live(const struct mesh_server *server)
{
    return server->live_unary + server->live_streams;
}

/* -- binding and starting ------------------------------------------------- */

void mesh_server_bind(struct mesh_server *server, const struct mesh_service_type *type,
                      const void *table, void *service)
{
    if (server->bound_count == MESH_BOUND_MAX || server->started)
        abort(); /* a programmer's error: the services of a program are few and known */
    server->bound[server->bound_count++] =
        (struct mesh_bound){.type = type, .table = table, .service = service};
}

static size_t count_methods(const struct mesh_server *server)
{
    size_t count = 0;
    for (size_t i = 0; i < server->bound_count; i++)
        count += server->bound[i].type->method_count;
    return count;
}

static void register_method(struct mesh_server *server, const struct mesh_bound *bound,
                            const struct mesh_method *method)
{
    if (method->handler.message == NULL)
        return; /* unstable: the catch-all answers UNIMPLEMENTED */
    struct mesh_server_method *at = &server->methods[server->method_count++];
    *at = (struct mesh_server_method){.method = method, .bound = bound};
    at->stream = method->client_stream || method->server_stream;
    at->duration = aion_metric(&duration_family, method->path);
    at->live = aion_metric(&live_family, method->path);
    at->registered = grpc_server_register_method(
        server->core, method->path, NULL,
        method->client_stream ? GRPC_SRM_PAYLOAD_NONE
                              : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER,
        0);
}

static void arm_all(struct mesh_server *server)
{
    for (size_t i = 0; i < server->method_count; i++) {
        struct mesh_server_method *at = &server->methods[i];
        while (at->slots < MESH_FIRST_SLOTS && mesh_call_arm(server, at))
            at->slots++;
    }
    for (int k = 0; k < MESH_GENERIC_SLOTS; k++)
        mesh_call_arm(server, NULL);
}

void mesh_server_start(struct mesh_server *server)
{
    server->methods = calloc(count_methods(server) + 1, sizeof(*server->methods));
    if (server->methods == NULL)
        abort();
    for (size_t i = 0; i < server->bound_count; i++) {
        const struct mesh_bound *bound = &server->bound[i];
        for (size_t k = 0; k < bound->type->method_count; k++)
            register_method(server, bound, &bound->type->methods[k]);
    }
    grpc_server_start(server->core);
    server->started = true;
    arm_all(server);
    mesh_server_serving(server, "", true);
}

void mesh_server_serving(struct mesh_server *server, const char *service, bool serving)
{
    for (size_t i = 0; i < server->bound_count; i++)
        if (service[0] == '\0' || strcmp(server->bound[i].type->name, service) == 0)
            server->bound[i].serving = serving;
    mesh_health_changed(server->health);
}

/* -- drain ---------------------------------------------------------------- */

enum { DRAIN_NONE, DRAIN_TOLD, DRAIN_GRACE, DRAIN_CANCELLED, DRAIN_DONE };

static void drain_finished(struct mesh_server *server)
{
    server->drain_step = DRAIN_DONE;
    mesh_timer_cancel(server->loop, &server->drain_timer);
    void (*drained)(void *) = server->drained;
    server->drained = NULL;
    if (drained != NULL)
        drained(server->drained_user);
}

static void on_shut(struct mesh_op *op, bool ok)
{
    struct mesh_server *server = aion_container(op, struct mesh_server, shut);
    (void)ok;
    server->shut_done = true;
    if (server->drain_step != DRAIN_NONE && server->drain_step != DRAIN_DONE)
        drain_finished(server);
}

/* Stops accepting; on_shut comes when the core has no call left. */
static void shut(struct mesh_server *server)
{
    if (server->stopping)
        return;
    server->stopping = true;
    server->shut.done = on_shut;
    aion_tsan_release(&server->shut);
    grpc_server_shutdown_and_notify(server->core, server->loop->cq, &server->shut);
}

static void drain_on(struct mesh_timer *timer)
{
    struct mesh_server *server = aion_container(timer, struct mesh_server, drain_timer);
    int64_t now = server->loop->now_us;
    switch (server->drain_step) {
    case DRAIN_TOLD:
        server->drain_step = DRAIN_GRACE;
        shut(server);
        mesh_health_end_watches(server->health);
        mesh_timer_set(server->loop, timer, now + server->drain_grace_us);
        if (server->stopped != NULL)
            server->stopped(server->stopped_user);
        break;
    case DRAIN_GRACE:
        server->drain_step = DRAIN_CANCELLED;
        grpc_server_cancel_all_calls(server->core);
        mesh_timer_set(server->loop, timer, now + CANCEL_WAIT_US);
        break;
    case DRAIN_CANCELLED: /* a handler that does not let go must not keep the process */
        drain_finished(server);
        break;
    default:
        break;
    }
}

void mesh_server_call_gone(struct mesh_server *server)
{
    (void)server; /* the core itself tells when the last call is gone: on_shut */
}

void mesh_server_on_stopped(struct mesh_server *server, void (*stopped)(void *user), void *user)
{
    server->stopped = stopped;
    server->stopped_user = user;
}

void mesh_server_on_failed(struct mesh_server *server,
                           void (*failed)(void *user, struct mesh_call *call,
                                          const struct aion_err *err),
                           void *user)
{
    server->failed = failed;
    server->failed_user = user;
}

void mesh_server_drain(struct mesh_server *server, int64_t grace_us, void (*done)(void *user),
                       void *user)
{
    if (server->drain_step != DRAIN_NONE)
        return;
    server->drained = done;
    server->drained_user = user;
    server->drain_grace_us = grace_us;
    server->drain_step = DRAIN_TOLD;
    server->drain_timer.fire = drain_on;
    mesh_server_serving(server, "", false);
    mesh_timer_set(server->loop, &server->drain_timer, server->loop->now_us + DRAIN_WAIT_US);
}

/* -- freeing -------------------------------------------------------------- */

static void free_calls(struct mesh_server *server)
{
    struct aion_link *link;
    while ((link = aion_list_first(&server->free_calls)) != NULL) {
        struct mesh_call *call = aion_container(link, struct mesh_call, link);
        aion_list_remove(link);
        grpc_metadata_array_destroy(&call->metadata);
        free(call);
    }
}

static bool busy(struct mesh_server *server)
{
    return !server->shut_done || server->calls_out > 0;
}

/* Until the core has let go of every call; a handler that holds one for ever is cut off after
 * the wait. */
static void wait_for_calls(struct mesh_server *server)
{
    int64_t until = server->loop->now_us + 5000000;
    while (busy(server) && server->loop->now_us < until)
        mesh_loop_step(server->loop, server->loop->now_us + 50000);
}

void mesh_server_free(struct mesh_server *server)
{
    if (server == NULL)
        return;
    mesh_timer_cancel(server->loop, &server->drain_timer);
    server->drain_step = DRAIN_DONE;
    shut(server);
    grpc_server_cancel_all_calls(server->core);
    mesh_health_end_watches(server->health);
    wait_for_calls(server);
    mesh_health_free(server->health);
    grpc_server_destroy(server->core);
    free_calls(server);
    mesh_peers_free(server);
    free(server->methods);
    free(server->listen);
    free(server->trust_domain);
    free(server);
}
