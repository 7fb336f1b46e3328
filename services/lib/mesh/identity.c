/* SPIFFE ids and principals. */
#include "mesh/identity.h"

#include "mesh/core_private.h"

enum {
    TENANT_MAX = 64,
    PART_MAX = 127, /* what a field of the principal holds, whose length is one byte */
};

static const char *const roles[] = {"any", "user", "manager", "admin", "service"};

const char *mesh_role_name(enum mesh_role role)
{
    return (unsigned)role < aion_countof(roles) ? roles[role] : "any";
}

bool mesh_role_parse(aion_str name, enum mesh_role *ret_role)
{
    for (unsigned i = MESH_ROLE_USER; i <= MESH_ROLE_ADMIN; i++)
        if (aion_str_is(name, roles[i])) {
            *ret_role = (enum mesh_role)i;
            return true;
        }
    return false;
}

/* A path segment: 1..127 of [A-Za-z0-9._-]. */
static bool part_valid(aion_str part)
{
    if (part.size == 0 || part.size > PART_MAX)
        return false;
    for (size_t i = 0; i < part.size; i++) {
        char c = part.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

/* As common.proto says, and as everybody who keeps one has room for: 1..64 of [a-z0-9._-]. */
static bool tenant_valid(aion_str tenant)
{
    bool good = part_valid(tenant) && tenant.size <= TENANT_MAX;
    for (size_t i = 0; good && i < tenant.size; i++)
        good = tenant.data[i] < 'A' || tenant.data[i] > 'Z';
    return good;
}

/* The path behind spiffe://TRUST/, or data NULL. */
static aion_str path_of(aion_str id, const char *trust_domain)
{
    aion_str scheme = AION_STR("spiffe://"), trust = aion_str_of(trust_domain);
    if (!aion_str_starts(id, scheme))
        return (aion_str){0};
    id = aion_str_n(id.data + scheme.size, id.size - scheme.size);
    aion_str domain = aion_str_cut(&id, '/');
    return aion_str_eq(domain, trust) ? id : (aion_str){0};
}

bool mesh_spiffe_parse(aion_str id, const char *trust_domain, struct mesh_peer *ret_peer,
                       struct mesh_principal *ret_principal)
{
    aion_str parts[4], rest = path_of(id, trust_domain);
    size_t count = 0;
    while (rest.data != NULL && count < 4) {
        parts[count] = aion_str_cut(&rest, '/');
        if (!part_valid(parts[count++]))
            return false;
    }
    if (rest.data != NULL)
        return false;
    *ret_peer = (struct mesh_peer){.spiffe_id = id, .service = AION_STR("")};
    *ret_principal = (struct mesh_principal){.tenant = AION_STR(""), .key_id = AION_STR("")};
    if (count == 2 && aion_str_is(parts[0], "service")) {
        ret_peer->service = ret_principal->subject = parts[1];
        ret_principal->role = MESH_ROLE_SERVICE;
        return true;
    }
    if (count == 2 && aion_str_is(parts[0], "user")) {
        ret_principal->tenant = AION_STR("default");
        ret_principal->subject = parts[1];
        ret_principal->role = MESH_ROLE_ADMIN;
        return true;
    }
    if (count == 4 && aion_str_is(parts[0], "tenant") && aion_str_is(parts[2], "client") &&
        tenant_valid(parts[1])) {
        ret_principal->tenant = parts[1];
        ret_principal->subject = parts[3];
        ret_principal->role = MESH_ROLE_USER;
        return true;
    }
    return false;
}

/* -- aion.v1.Principal: tenant 1, subject 2, key_id 3, roles 4, all strings -- */

/* One field "tag length bytes" with tag and length of one byte each: all parts are below 128
 * bytes. */
static bool next_field(aion_str *wire, uint32_t *ret_number, aion_str *ret_value)
{
    if (wire->size < 2)
        return false;
    uint8_t tag = (uint8_t)wire->data[0], length = (uint8_t)wire->data[1];
    if ((tag & 0x87) != 2 || length > 127 || length > wire->size - 2)
        return false;
    *ret_number = tag >> 3;
    *ret_value = aion_str_n(wire->data + 2, length);
    *wire = aion_str_n(wire->data + 2 + length, wire->size - 2 - length);
    return aion_utf8_valid(ret_value->data, ret_value->size) &&
           memchr(ret_value->data, '\0', ret_value->size) == NULL;
}

bool mesh_principal_decode(aion_str wire, struct mesh_principal *ret_principal)
{
    *ret_principal = (struct mesh_principal){
        .tenant = AION_STR(""), .subject = AION_STR(""), .key_id = AION_STR("")};
    while (wire.size > 0) {
        uint32_t number;
        aion_str value;
        enum mesh_role role;
        if (!next_field(&wire, &number, &value))
            return false;
        if (number == 1)
            ret_principal->tenant = value;
        else if (number == 2)
            ret_principal->subject = value;
        else if (number == 3)
            ret_principal->key_id = value;
        else if (number == 4 && mesh_role_parse(value, &role) && role > ret_principal->role)
            ret_principal->role = role;
    }
    return tenant_valid(ret_principal->tenant) && ret_principal->role != MESH_ROLE_ANY;
}

static size_t add_field(uint8_t *out, size_t used, size_t size, uint32_t number, aion_str value)
{
    if (used == SIZE_MAX || value.size > 127 || used + 2 + value.size > size)
        return SIZE_MAX;
    if (value.size == 0)
        return used;
    out[used] = (uint8_t)(number << 3 | 2);
    out[used + 1] = (uint8_t)value.size;
    memcpy(out + used + 2, value.data, value.size);
    return used + 2 + value.size;
}

size_t mesh_principal_encode(const struct mesh_principal *principal, uint8_t *out, size_t size)
{
    size_t used = add_field(out, 0, size, 1, principal->tenant);
    used = add_field(out, used, size, 2, principal->subject);
    used = add_field(out, used, size, 3, principal->key_id);
    used = add_field(out, used, size, 4, aion_str_of(mesh_role_name(principal->role)));
    return used != SIZE_MAX ? used : 0;
}
