/* API keys of the gateway: AION_GATEWAY_API_KEYS="secret[@tenant]:role1|role2,secret2:role" or
 * a file of that form (entries separated by commas or newlines, '#' begins a comment line).
 *
 * A set is immutable once parsed: reload parses a new one and swaps the pointer. Secrets are
 * kept as SHA-256 only; lookups compare digests in constant time. Any thread. */
#ifndef AUTH_KEYS_H
#define AUTH_KEYS_H

#include "base/err.h"
#include "base/str.h"

enum auth_role { AUTH_ROLE_USER = 1, AUTH_ROLE_MANAGER = 2, AUTH_ROLE_ADMIN = 3 };
enum { AUTH_KEY_ID_SIZE = 16 };

struct auth_key {
    char key_id[AUTH_KEY_ID_SIZE]; /* "ak_" and 12 of base32(SHA-256 of the secret): safe to log
                                    */
    const char *tenant;            /* "default" */
    enum auth_role role;           /* the highest of the entry's */
};

struct auth_keys;

/* INVALID names the entry by number, never the secret: "entry 2: role \"boss\" is none of user,
 * manager, admin". At most 10,000 entries; secrets 16..256 visible ASCII without ':' ',' '@'; a
 * secret twice is refused. An empty text is an empty set (every request is refused). */
struct auth_keys *auth_keys_parse(aion_str text, struct aion_err *err);
void auth_keys_free(struct auth_keys *keys);
size_t auth_keys_count(const struct auth_keys *keys);
/* NULL = unknown. */
const struct auth_key *auth_keys_find(const struct auth_keys *keys, aion_str secret);

#endif
