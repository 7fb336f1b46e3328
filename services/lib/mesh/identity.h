/* Who calls: SPIFFE ids from certificates, and the principal that a delegate vouches for.
 *
 * Every hop is mTLS. The peer is the certificate's one URI SAN, spiffe://TRUST/service/NAME,
 * spiffe://TRUST/tenant/T/client/NAME or spiffe://TRUST/user/NAME. The principal is who the
 * work is for:
 *  - a delegate (a service listed in mesh_server_conf, the gateway) sends it as
 * aion-principal-bin;
 *  - a tenant's client is {tenant T, subject NAME, role user}; a user certificate {tenant
 * default, subject NAME, role admin}; a service that is no delegate is {tenant "", subject
 * NAME, role SERVICE}. A peer without a certificate (where it gets in) has no principal: role
 * ANY. Without TLS (test binaries on loopback) the principal is {default, "local", admin}. */
#ifndef MESH_IDENTITY_H
#define MESH_IDENTITY_H

#include "base/str.h"
#include "mesh/method.h"

struct mesh_tls {
    const char *ca_file, *cert_file,
        *key_file;            /* PEM; re-read when they change, within reload_s */
    unsigned reload_s;        /* 0 = 1 */
    const char *trust_domain; /* "aion.local" */
    /* Servers: peers without a certificate get in too, for methods of role ANY alone. For
     * conformance tests, whose clients have none; a certificate that is shown is verified all
     * the same. */
    bool anonymous_peers;
};

struct mesh_principal {
    aion_str tenant;  /* "default" */
    aion_str subject; /* user, client or key owner */
    aion_str key_id;  /* "ak_..." or "" */
    enum mesh_role role;
};

struct mesh_peer {
    aion_str spiffe_id; /* "" without TLS */
    aion_str service;   /* NAME of /service/NAME, else "" */
    aion_str address;   /* "ipv4:127.0.0.1:4711" */
};

/* Parses an id of the trust domain; false: another domain or no such form. The strings borrow
 * `id`. ret_principal is who the id speaks for when it delegates for nobody. */
bool mesh_spiffe_parse(aion_str id, const char *trust_domain, struct mesh_peer *ret_peer,
                       struct mesh_principal *ret_principal);

const char *mesh_role_name(enum mesh_role role);               /* "user" */
bool mesh_role_parse(aion_str name, enum mesh_role *ret_role); /* user, manager, admin */

#endif
