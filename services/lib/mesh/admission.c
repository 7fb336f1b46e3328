/* Who calls, may they, and is there room: identity → role → limits, before any byte of the
 * request is unpacked. */
#include "mesh/server_private.h"

#include <stdlib.h>

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

/* The peer's SPIFFE id, copied into the arena; data NULL: none. */
static aion_str peer_id(struct mesh_call *call)
{
    aion_str id = {0};
    grpc_auth_context *context = grpc_call_auth_context(call->core);
    if (context == NULL)
        return id;
    grpc_auth_property_iterator at =
        grpc_auth_context_find_properties_by_name(context, GRPC_PEER_SPIFFE_ID_PROPERTY_NAME);
    const grpc_auth_property *property = grpc_auth_property_iterator_next(&at);
    if (property != NULL)
        id = aion_arena_str(&call->arena, aion_str_n(property->value, property->value_length));
    grpc_auth_context_release(context);
    return id;
}

static bool has_certificate(struct mesh_call *call)
{
    grpc_auth_context *context = grpc_call_auth_context(call->core);
    if (context == NULL)
        return false;
    grpc_auth_property_iterator at =
        grpc_auth_context_find_properties_by_name(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);
    bool has = grpc_auth_property_iterator_next(&at) != NULL;
    grpc_auth_context_release(context);
    return has;
}

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
    struct mesh_server *server = call->server;
    if (server->conf.tls == NULL) { /* loopback only: see mesh_server_new */
        call->peer = (struct mesh_peer){.spiffe_id = AION_STR(""), .service = AION_STR("")};
        call->principal = (struct mesh_principal){AION_STR("default"), AION_STR("local"),
                                                  AION_STR(""), MESH_ROLE_ADMIN};
        return delegated(call);
    }
    aion_str id = peer_id(call);
    if (id.data == NULL && server->anonymous_peers && !has_certificate(call))
        return delegated(call);
    if (!mesh_spiffe_parse(id, server->trust_domain, &call->peer, &call->principal))
        return refuse(call, AION_UNAUTHENTICATED, "NO_IDENTITY",
                      "the certificate has no SPIFFE id of this trust domain");
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

static struct mesh_peer_count *count_of(struct mesh_server *server, aion_str id)
{
    struct mesh_peer_count *count = aion_map_get(&server->peers, id);
    if (count != NULL)
        return count;
    count = calloc(1, sizeof(*count) + id.size + 1);
    if (count == NULL)
        return NULL;
    if (id.size > 0)
        memcpy(count->id, id.data, id.size);
    if (aion_map_put(&server->peers, aion_str_n(count->id, id.size), count))
        return count;
    free(count);
    return NULL;
}

static bool has_room(struct mesh_call *call)
{
    struct mesh_server *server = call->server;
    bool stream = call->at->stream;
    uint32_t *live = stream ? &server->live_streams : &server->live_unary;
    uint32_t most = stream ? server->conf.streams_max : server->conf.calls_max;
    if (*live >= most)
        return refuse(call, AION_EXHAUSTED, "TOO_MANY_CALLS",
                      "the server has as many calls as it takes; try again");
    struct mesh_peer_count *count = count_of(server, call->peer.spiffe_id);
    if (count == NULL || count->live >= server->conf.calls_per_peer_max)
        return refuse(call, AION_EXHAUSTED, "TOO_MANY_CALLS_OF_PEER",
                      "this peer has as many calls as it may have; try again");
    (*live)++;
    count->live++;
    call->peer_count = count;
    aion_metric_add(call->at->live, 1);
    return true;
}

bool mesh_admit(struct mesh_call *call)
{
    return identify(call) && allowed(call) && has_room(call);
}

/* Idle peers are kept for the next call while they are few. */
static void forget_peer(struct mesh_server *server, struct mesh_peer_count *count)
{
    enum { IDLE_PEERS_MAX = 256 };
    if (--count->live > 0 || server->peers.count <= IDLE_PEERS_MAX)
        return;
    aion_map_remove(&server->peers, aion_str_of(count->id));
    free(count);
}

void mesh_unadmit(struct mesh_call *call)
{
    struct mesh_server *server = call->server;
    if (call->peer_count == NULL)
        return;
    forget_peer(server, call->peer_count);
    call->peer_count = NULL;
    if (call->at->stream)
        server->live_streams--;
    else
        server->live_unary--;
    aion_metric_add(call->at->live, -1);
}
