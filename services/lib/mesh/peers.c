/* Who calls. A peer is known by its SPIFFE id while it has calls, and a while longer: its id is
 * parsed once, and its calls are counted. A connection is recognised by its auth context, which
 * the core makes once a connection and shows with each call: as long as we hold it, no other
 * one can have its address. */
#include "mesh/server_private.h"

#include <stdlib.h>

enum { IDLE_PEERS_MAX = 256 }; /* kept for their next call while they are few */

static aion_str property_of(const grpc_auth_context *context, const char *name)
{
    grpc_auth_property_iterator at = grpc_auth_context_find_properties_by_name(context, name);
    const grpc_auth_property *property = grpc_auth_property_iterator_next(&at);
    return property != NULL ? aion_str_n(property->value, property->value_length)
                            : (aion_str){0};
}

/* -- by id ---------------------------------------------------------------- */

static bool parse(const struct mesh_server *server, aion_str id, struct mesh_known_peer *ret)
{
    if (server->conf.tls == NULL) { /* loopback only: see mesh_server_new */
        ret->peer = (struct mesh_peer){.spiffe_id = AION_STR(""), .service = AION_STR("")};
        ret->principal = (struct mesh_principal){AION_STR("default"), AION_STR("local"),
                                                 AION_STR(""), MESH_ROLE_ADMIN};
        return true;
    }
    return id.size == 0 || /* anonymous: no principal but what is delegated */
           mesh_spiffe_parse(id, server->trust_domain, &ret->peer, &ret->principal);
}

static enum mesh_meeting add(struct mesh_server *server, aion_str id,
                             struct mesh_known_peer **ret)
{
    struct mesh_known_peer *known = calloc(1, sizeof(*known) + id.size + 1);
    if (known == NULL)
        return MESH_TOO_MANY_PEERS;
    if (id.size > 0)
        memcpy(known->id, id.data, id.size);
    aion_str kept = aion_str_n(known->id, id.size);
    bool good = parse(server, kept, known);
    if (good && aion_map_put(&server->peers, kept, known)) {
        *ret = known;
        return MESH_MET;
    }
    free(known);
    return good ? MESH_TOO_MANY_PEERS : MESH_NOBODY;
}

static enum mesh_meeting by_id(struct mesh_server *server, aion_str id,
                               struct mesh_known_peer **ret)
{
    *ret = aion_map_get(&server->peers, id);
    return *ret != NULL ? MESH_MET : add(server, id, ret);
}

void mesh_peer_let_go(struct mesh_server *server, struct mesh_known_peer *known)
{
    if (--known->refs > 0 || server->peers.count <= IDLE_PEERS_MAX)
        return;
    aion_map_remove(&server->peers, aion_str_of(known->id));
    free(known);
}

/* -- by connection -------------------------------------------------------- */

static void remember(struct mesh_server *server, grpc_auth_context *context,
                     struct mesh_known_peer *known)
{
    struct mesh_connection *oldest = &server->connections[server->connections_met++];
    server->connections_met %= MESH_CONNECTIONS_KNOWN;
    if (oldest->context != NULL) {
        grpc_auth_context_release(oldest->context);
        mesh_peer_let_go(server, oldest->known);
    }
    *oldest = (struct mesh_connection){context, known};
    known->refs++;
}

static struct mesh_known_peer *by_connection(const struct mesh_server *server,
                                             const grpc_auth_context *context)
{
    for (size_t i = 0; i < MESH_CONNECTIONS_KNOWN; i++)
        if (server->connections[i].context == context)
            return server->connections[i].known;
    return NULL;
}

/* Takes the context over. */
static enum mesh_meeting meet(struct mesh_server *server, grpc_auth_context *context,
                              struct mesh_known_peer **ret)
{
    aion_str id = property_of(context, GRPC_PEER_SPIFFE_ID_PROPERTY_NAME);
    bool anonymous = server->anonymous_peers &&
                     property_of(context, GRPC_X509_PEM_CERT_PROPERTY_NAME).data == NULL;
    enum mesh_meeting met = id.size > 0 || anonymous ? by_id(server, id, ret) : MESH_NOBODY;
    if (met == MESH_MET)
        remember(server, context, *ret);
    else
        grpc_auth_context_release(context);
    return met;
}

enum mesh_meeting mesh_peer_meet(struct mesh_server *server, grpc_call *core,
                                 struct mesh_known_peer **ret)
{
    enum mesh_meeting met = MESH_MET;
    grpc_auth_context *context = server->conf.tls != NULL ? grpc_call_auth_context(core) : NULL;
    if (context == NULL) {
        met = server->conf.tls == NULL ? by_id(server, AION_STR(""), ret) : MESH_NOBODY;
    } else if ((*ret = by_connection(server, context)) != NULL) {
        grpc_auth_context_release(context);
    } else {
        met = meet(server, context, ret);
    }
    if (met == MESH_MET)
        (*ret)->refs++;
    return met;
}

void mesh_peers_free(struct mesh_server *server)
{
    for (size_t i = 0; i < MESH_CONNECTIONS_KNOWN; i++)
        if (server->connections[i].context != NULL)
            grpc_auth_context_release(server->connections[i].context);
    size_t cursor = 0;
    void *known;
    while ((known = aion_map_next(&server->peers, &cursor)) != NULL)
        free(known);
    aion_map_done(&server->peers);
}
