#include "auth/keys.h"

#include "auth/digest.h"
#include "base/arena.h"

#include <stdlib.h>

enum { KEYS_MAX = 10000, SECRET_MIN = 16, SECRET_MAX = 256, TENANT_MAX = 64 };

struct entry {
    uint8_t digest[AUTH_SHA256_SIZE];
    struct auth_key key;
};

struct auth_keys {
    struct aion_arena arena;
    struct entry *entries; /* by digest */
    size_t count;
};

static bool secret_valid(aion_str secret)
{
    if (secret.size < SECRET_MIN || secret.size > SECRET_MAX)
        return false;
    for (size_t i = 0; i < secret.size; i++)
        if (secret.data[i] <= ' ' || secret.data[i] > '~')
            return false;
    return true;
}

static bool tenant_valid(aion_str tenant)
{
    if (tenant.size == 0 || tenant.size > TENANT_MAX)
        return false;
    for (size_t i = 0; i < tenant.size; i++) {
        char c = tenant.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

static bool read_roles(aion_str roles, size_t number, enum auth_role *ret_role,
                       struct aion_err *err)
{
    static const char *const names[] = {"", "user", "manager", "admin"};
    *ret_role = (enum auth_role)0;
    while (roles.data != NULL) {
        aion_str name = aion_str_trim(aion_str_cut(&roles, '|'));
        unsigned role = AUTH_ROLE_USER;
        while (role <= AUTH_ROLE_ADMIN && !aion_str_is(name, names[role]))
            role++;
        if (role > AUTH_ROLE_ADMIN)
            return aion_fail(
                err, AION_INVALID,
                "api_keys: entry %zu: role \"%.*s\" is none of user, manager, admin", number,
                AION_STR_ARG(name));
        if (role > (unsigned)*ret_role)
            *ret_role = (enum auth_role)role;
    }
    return true;
}

/* "ak_" and the first 60 bits of the digest in base32 (RFC 4648, lower case): names the key,
 * betrays nothing. */
static void make_id(char out[AUTH_KEY_ID_SIZE], const uint8_t digest[AUTH_SHA256_SIZE])
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | digest[i];
    memcpy(out, "ak_", 3);
    for (int i = 0; i < 12; i++)
        out[3 + i] = alphabet[bits >> (59 - 5 * i) & 31];
    out[15] = '\0';
}

/* secret[@tenant]:role1|role2 */
static bool read_entry(struct auth_keys *keys, aion_str text, size_t number,
                       struct aion_err *err)
{
    aion_str rest = text;
    aion_str who = aion_str_trim(aion_str_cut(&rest, ':'));
    if (rest.data == NULL)
        return aion_fail(err, AION_INVALID,
                         "api_keys: entry %zu: expected secret[@tenant]:role1|role2", number);
    aion_str tenant = who;
    aion_str secret = aion_str_cut(&tenant, '@');
    if (tenant.data == NULL)
        tenant = AION_STR("default");
    if (!secret_valid(secret))
        return aion_fail(
            err, AION_INVALID,
            "api_keys: entry %zu: the secret must be %d..%d visible ASCII characters", number,
            SECRET_MIN, SECRET_MAX);
    if (!tenant_valid(tenant))
        return aion_fail(err, AION_INVALID,
                         "api_keys: entry %zu: tenant \"%.*s\" must be 1..%d of a-z 0-9 . _ -",
                         number, AION_STR_ARG(tenant), TENANT_MAX);
    if (keys->count == KEYS_MAX)
        return aion_fail(err, AION_EXHAUSTED, "more than %d keys", KEYS_MAX);
    struct entry *entry = &keys->entries[keys->count];
    auth_sha256(entry->digest, secret);
    make_id(entry->key.key_id, entry->digest);
    entry->key.tenant = aion_arena_text(&keys->arena, tenant);
    keys->count++;
    return read_roles(rest, number, &entry->key.role, err);
}

static int by_digest(const void *a, const void *b)
{
    return memcmp(((const struct entry *)a)->digest, ((const struct entry *)b)->digest,
                  AUTH_SHA256_SIZE);
}

static bool unique(const struct auth_keys *keys, struct aion_err *err)
{
    for (size_t i = 1; i < keys->count; i++)
        if (by_digest(&keys->entries[i - 1], &keys->entries[i]) == 0)
            return aion_fail(err, AION_INVALID, "the secret of %s is given twice",
                             keys->entries[i].key.key_id);
    return true;
}

static bool read_line(struct auth_keys *keys, aion_str line, size_t *number,
                      struct aion_err *err)
{
    line = aion_str_trim(line);
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    if (line.size == 0 || line.data[0] == '#')
        return true;
    while (line.data != NULL) {
        aion_str entry = aion_str_trim(aion_str_cut(&line, ','));
        if (entry.size > 0 && !read_entry(keys, entry, ++*number, err))
            return false;
    }
    return true;
}

struct auth_keys *auth_keys_parse(aion_str text, struct aion_err *err)
{
    struct auth_keys *keys = calloc(1, sizeof(*keys));
    if (keys == NULL || (keys->entries = calloc(KEYS_MAX, sizeof(*keys->entries))) == NULL) {
        free(keys);
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    }
    aion_arena_init(&keys->arena, SIZE_MAX, NULL, 0);
    bool good = true;
    size_t number = 0;
    while (good && text.data != NULL)
        good = read_line(keys, aion_str_cut(&text, '\n'), &number, err);
    qsort(keys->entries, keys->count, sizeof(*keys->entries), by_digest);
    if (good && unique(keys, err))
        return keys;
    auth_keys_free(keys);
    return NULL;
}

void auth_keys_free(struct auth_keys *keys)
{
    if (keys == NULL)
        return;
    aion_arena_done(&keys->arena);
    free(keys->entries);
    free(keys);
}

size_t auth_keys_count(const struct auth_keys *keys)
{
    return keys->count;
}

const struct auth_key *auth_keys_find(const struct auth_keys *keys, aion_str secret)
{
    /* The digest hides the secret, so a binary search by it leaks nothing of use; equality is
     * judged in constant time. */
    struct entry wanted;
    auth_sha256(wanted.digest, secret);
    const struct entry *found =
        bsearch(&wanted, keys->entries, keys->count, sizeof(*keys->entries), by_digest);
    if (found == NULL || !aion_str_secret_eq(aion_str_n(found->digest, AUTH_SHA256_SIZE),
                                             aion_str_n(wanted.digest, AUTH_SHA256_SIZE)))
        return NULL;
    return &found->key;
}
