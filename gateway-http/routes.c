/* The routing tree, made from every public method of the services: a method in a .proto with
 * google.api.http and `public: true` is served without a line here. */
#include "gateway_private.h"

#include "aion/v1/modules.mesh.h"
#include "aion/v1/ops.mesh.h"
#include "aion/v1/retention.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/tasks.mesh.h"

#include <stdlib.h>

static const struct mesh_service_type *const services[] = {
    &aion_v1_aion_tasks_type, &aion_v1_hosts_type,     &aion_v1_modules_type,
    &aion_v1_budgets_type,    &aion_v1_keys_type,      &aion_v1_ops_type,
    &aion_v1_router_type,     &aion_v1_retention_type,
};

static const struct aion_metric_family duration_family = {
    .name = "aion_gateway_request_duration_seconds",
    .help = "Time from a request's head to the end of its answer.",
    .unit = "seconds",
    .kind = AION_HISTOGRAM,
    .labels = {"method", "code"},
    .scale = 1e-6,
    .series_max = 1024,
};

static const struct aion_metric_family in_flight_family = {
    .name = "aion_gateway_requests_in_flight",
    .help = "Requests whose answer is not finished, streams too.",
    .kind = AION_GAUGE,
    .labels = {"method"},
};

static bool add_method(struct gw_app *app, const struct mesh_method *method,
                       struct aion_err *err)
{
    struct gw_route *route = &app->routes[app->route_count++];
    route->method = method;
    route->hook = gw_hook_find(method->path);
    route->in_flight = aion_metric(&in_flight_family, method->path);
    for (size_t i = 0; i < method->http_count; i++)
        if (!codec_router_add(app->router, &method->http[i], method->request, route, err))
            return false;
    return true;
}

/* A gateway cannot hold the client's half of a stream open in one request. */
static bool served(const struct mesh_method *method)
{
    return method->is_public && method->http_count > 0 && !method->client_stream;
}

bool gw_routes_build(struct gw_app *app, struct aion_err *err)
{
    size_t most = 0;
    for (size_t i = 0; i < aion_countof(services); i++)
        most += services[i]->method_count;
    app->routes = calloc(most, sizeof(*app->routes));
    app->router = codec_router_new();
    if (app->routes == NULL || app->router == NULL)
        abort(); /* at start */
    for (size_t i = 0; i < aion_countof(services); i++)
        for (size_t j = 0; j < services[i]->method_count; j++)
            if (served(&services[i]->methods[j]) &&
                !add_method(app, &services[i]->methods[j], err))
                return false;
    return codec_router_build(app->router, err);
}

bool gw_route_find(struct gw_call *call)
{
    const struct gw_request *request = gw_request(call->x);
    struct aion_err err;
    if (!codec_router_match(call->app->router, request->method, request->path, &call->match,
                            &err)) {
        if (err.code == AION_UNIMPLEMENTED) {
            gw_reply_field(call->x, "allow", aion_str_of(call->match.allow));
            aion_err_reason(&err, "METHOD_NOT_ALLOWED");
        }
        gw_fail(call, &err);
        return false;
    }
    /* the router keeps what it was given: one of ours */
    call->route =
        &call->app->routes[(const struct gw_route *)call->match.target - call->app->routes];
    aion_metric_add(call->route->in_flight, 1);
    if (!call->route->method->unstable)
        return true;
    aion_err_set(&err, __func__, AION_UNIMPLEMENTED, "%s is not served yet",
                 call->route->method->path);
    gw_fail(call, &err);
    return false;
}

struct aion_metric *gw_route_duration(struct gw_route *route, int status)
{
    char text[12];
    size_t i = 0;
    while (i < GW_CODES_MAX && route != NULL && route->codes[i].status != status &&
           route->codes[i].status != 0)
        i++;
    if (route != NULL && i < GW_CODES_MAX && route->codes[i].status == status)
        return route->codes[i].duration;
    snprintf(text, sizeof(text), "%d", status);
    struct aion_metric *series =
        aion_metric(&duration_family, route != NULL ? route->method->path : "none", text);
    if (route != NULL && i < GW_CODES_MAX) {
        route->codes[i].status = status;
        route->codes[i].duration = series;
    }
    return series;
}
