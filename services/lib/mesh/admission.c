/* Who calls, may they, and is there room: identity → role → limits, before any byte of the
 * request is unpacked. */
#include "mesh/server_private.h"

static const struct aion_metric_family refused_family = {
    .name = "aion_rpc_server_refused",
    .help = "Calls refused before their handler, by reason.",
    .kind = AION_COUNTER,
    .labels = {"reason"},
};

static bool refuse(struct mesh_call *call, enum aion_code code, const char *reason,
                   const char *text)
{
    struct aion_err err;
    aion_err_set(&err, "mesh_admit", code, "%s", text);
    aion_err_reason(&err, reason);
    aion_metric_add(aion_metric(&refused_family, reason), 1);
    mesh_fail_with(call, &err);
    return false;
}

/* -- identity ------------------------------------------------------------- */

static bool is_delegate(const struct mesh_server *server, aion_str service)
{
    const char *const *delegate = server->conf.delegates;
    for (; delegate != NULL && *delegate != NULL; delegate++)
        if (aion_str_is(service, *delegate))
            return true;
    return false;
}

/* A principal in the metadata counts only when a delegate sent it. */
static bool delegated(struct mesh_call *call)
{
    aion_str wire = mesh_metadata_find(&call->metadata, "aion-principal-bin");
    if (wire.data == NULL)
        return true;
    if (call->server->conf.tls != NULL && !is_delegate(call->server, call->peer.service))
        return refuse(call, AION_DENIED, "NOT_A_DELEGATE",
                      "this peer may not speak for other principals");
    if (!mesh_principal_decode(wire, &call->principal))
        return refuse(call, AION_INVALID, "PRINCIPAL_INVALID",
                      "aion-principal-bin holds no principal");
    return true;
}

static bool identify(struct mesh_call *call)
{
    switch (mesh_peer_meet(call->server, call->core, &call->known)) {
    case MESH_NOBODY:
        return refuse(call, AION_UNAUTHENTICATED, "NO_IDENTITY",
                      "the certificate has no SPIFFE id of this trust domain");
    case MESH_TOO_MANY_PEERS:
        return refuse(call, AION_EXHAUSTED, "TOO_MANY_PEERS",
                      "the server knows as many peers as it can; try again");
    case MESH_MET:
        break;
    }
    call->peer = call->known->peer;
    call->principal = call->known->principal;
    return delegated(call);
}

/* -- role ----------------------------------------------------------------- */

/* SERVICE methods are for services (and for local tests without TLS); the others for principals
 * of at least the role; services pass as well: they act for the mesh itself. */
static bool allowed(struct mesh_call *call)
{
    enum mesh_role need = call->at->method->role, have = call->principal.role;
    if (need == MESH_ROLE_ANY || call->server->conf.tls == NULL)
        return true;
    bool good = need == MESH_ROLE_SERVICE ? call->peer.service.size > 0 : have >= need;
    if (good)
        return true;
    char text[128];
    snprintf(text, sizeof(text), "this method needs the role %s; the caller has %s",
             mesh_role_name(need), mesh_role_name(have));
    return refuse(call, AION_DENIED, "ROLE_MISSING", text);
}

/* -- limits --------------------------------------------------------------- */

static bool has_room(struct mesh_call *call)
{
    struct mesh_server *server = call->server;
    bool stream = call->at->stream;
    uint32_t *live = stream ? &server->live_streams : &server->live_unary;
    uint32_t most = stream ? server->conf.streams_max : server->conf.calls_max;
    if (*live >= most)
        return refuse(call, AION_EXHAUSTED, "TOO_MANY_CALLS",
                      "the server has as many calls as it takes; try again");
    if (call->known->live >= server->conf.calls_per_peer_max)
        return refuse(call, AION_EXHAUSTED, "TOO_MANY_CALLS_OF_PEER",
                      "this peer has as many calls as it may have; try again");
    (*live)++;
    call->known->live++;
    call->admitted = true;
    aion_metric_add(call->at->live, 1);
    return true;
}

bool mesh_admit(struct mesh_call *call)
{
    return identify(call) && allowed(call) && has_room(call);
}

void mesh_unadmit(struct mesh_call *call)
{
    struct mesh_server *server = call->server;
    if (!call->admitted)
        return;
    call->admitted = false;
    call->known->live--;
    if (call->at->stream)
        server->live_streams--;
    else
        server->live_unary--;
    aion_metric_add(call->at->live, -1);
}
