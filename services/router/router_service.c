/* Binds the generated table to the handlers. */
#include "router_private.h"

#define router_decide router_decide_call /* the domain's function has the short name */
static const struct aion_v1_router_server table = AION_V1_ROUTER_SERVER(router);
#undef router_decide

void router_bind(struct router *router)
{
    mesh_server_bind(router->program->server, &aion_v1_router_type, &table, router);
}
