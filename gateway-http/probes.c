/* /healthz: the process lives. /readyz: it can serve, or why not. Without a key: for load
 * balancers. */
#include "gateway_private.h"

bool gw_probe(struct gw_call *call)
{
    const struct gw_request *request = gw_request(call->x);
    bool health = aion_str_is(request->path, "/healthz");
    if (!health && !aion_str_is(request->path, "/readyz"))
        return false;
    struct aion_err err;
    if (!aion_str_is(request->method, "GET") && !aion_str_is(request->method, "HEAD")) {
        gw_reply_field(call->x, "allow", AION_STR("GET, HEAD"));
        aion_err_set(&err, __func__, AION_UNIMPLEMENTED, "only GET and HEAD");
        aion_err_reason(&err, "METHOD_NOT_ALLOWED");
        gw_fail(call, &err);
        return true;
    }
    bool ready = call->app->ready == NULL || call->app->ready(call->app);
    gw_reply_field(call->x, "content-type", AION_STR("text/plain"));
    gw_reply_field(call->x, "cache-control", AION_STR("no-store"));
    if (health || (ready && !call->app->draining))
        gw_reply(call->x, 200, AION_STR("ok\n"));
    else
        gw_reply(call->x, 503,
                 call->app->draining ? AION_STR("draining\n")
                                     : AION_STR("control cannot be reached\n"));
    return true;
}
