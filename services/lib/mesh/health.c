/* grpc.health.v1: Check answers at once, Watch is told of changes. */
#include "mesh/server_private.h"

#include "grpc/health/v1/health.mesh.h"

#include <stdlib.h>

enum { WATCHERS_MAX = 1024 };

struct watcher {
    struct aion_link link;
    struct mesh_call *call;
    char *service;
    int told; /* the status sent last, -1 = none */
};

struct mesh_health {
    struct mesh_server *server;
    struct aion_link watchers;
    size_t count;
};

static int status_of(const struct mesh_server *server, const char *service)
{
    bool known = service[0] == '\0', serving = server->started && !server->stopping;
    for (size_t i = 0; i < server->bound_count; i++) {
        const struct mesh_bound *bound = &server->bound[i];
        if (service[0] != '\0' && strcmp(bound->type->name, service) != 0)
            continue;
        known = true;
        serving = serving && bound->serving;
    }
    if (!known)
        return GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN;
    return serving ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                   : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static Grpc__Health__V1__HealthCheckResponse response_of(int status)
{
    Grpc__Health__V1__HealthCheckResponse response =
        GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    return response;
}

static void health_check(struct mesh_call *call,
                         const Grpc__Health__V1__HealthCheckRequest *request)
{
    struct mesh_health *health = mesh_service(call);
    int status = status_of(health->server, request->service);
    if (status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN) {
        mesh_fail(call, AION_NOT_FOUND, "no service \"%s\" here", request->service);
        return;
    }
    Grpc__Health__V1__HealthCheckResponse response = response_of(status);
    grpc_health_v1_health_check_reply(call, &response);
}

static void tell(struct mesh_health *health, struct watcher *watcher)
{
    int status = status_of(health->server, watcher->service);
    if (status == watcher->told)
        return;
    watcher->told = status;
    Grpc__Health__V1__HealthCheckResponse response = response_of(status);
    grpc_health_v1_health_watch_send(watcher->call, &response);
}

static void health_watch(struct mesh_call *call,
                         const Grpc__Health__V1__HealthCheckRequest *request)
{
    struct mesh_health *health = mesh_service(call);
    if (health->count == WATCHERS_MAX) {
        mesh_fail(call, AION_EXHAUSTED, "%d watchers are here already", WATCHERS_MAX);
        return;
    }
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    if (watcher == NULL || (watcher->service = strdup(request->service)) == NULL)
        abort();
    watcher->call = call;
    watcher->told = -1;
    health->count++;
    aion_list_add_last(&health->watchers, &watcher->link);
    mesh_set_user(call, watcher);
    tell(health, watcher);
}

static void health_watch_writable(struct mesh_call *call)
{
    (void)call;
}

static void health_watch_done(struct mesh_call *call, bool cancelled)
{
    struct mesh_health *health = mesh_service(call);
    struct watcher *watcher = mesh_user(call);
    (void)cancelled;
    if (watcher == NULL)
        return;
    aion_list_remove(&watcher->link);
    health->count--;
    free(watcher->service);
    free(watcher);
}

static const struct grpc_health_v1_health_server table = GRPC_HEALTH_V1_HEALTH_SERVER(health);

struct mesh_health *mesh_health_new(struct mesh_server *server)
{
    struct mesh_health *health = calloc(1, sizeof(*health));
    if (health == NULL)
        abort();
    health->server = server;
    aion_list_init(&health->watchers);
    mesh_server_bind(server, &grpc_health_v1_health_type, &table, health);
    return health;
}

void mesh_health_changed(struct mesh_health *health)
{
    aion_list_each_safe (link, &health->watchers)
        tell(health, aion_container(link, struct watcher, link));
}

void mesh_health_end_watches(struct mesh_health *health)
{
    aion_list_each_safe (link, &health->watchers)
        mesh_finish(aion_container(link, struct watcher, link)->call);
}

void mesh_health_free(struct mesh_health *health)
{
    if (health == NULL)
        return;
    health->server->health = NULL;
    if (aion_list_empty(&health->watchers)) /* else the core kept a call beyond the wait: better
                                               lost than dangling */
        free(health);
}
