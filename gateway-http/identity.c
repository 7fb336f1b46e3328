/* Who asks: the API key of `Authorization: Bearer` or `X-API-Key`, its tenant, its role.
 *
 * 401 says nothing of why a key is refused; 403 is for a valid key without the role or tenant.
 */
#include "gateway_private.h"

static bool refuse_key(struct gw_call *call)
{
    struct aion_err err;
    if (!gw_quota_failure(call))
        return false;
    gw_reply_field(call->x, "www-authenticate",
                   AION_STR("Bearer realm=\"aion\", error=\"invalid_token\""));
    aion_err_set(&err, __func__, AION_UNAUTHENTICATED,
                 "the API key is not valid: of a mesh by `aion up` it stands in the home's "
                 "api-key, `aion env` sets it");
    aion_err_reason(&err, "KEY_INVALID");
    gw_fail(call, &err);
    return false;
}

static bool ask_for_key(struct gw_call *call)
{
    struct aion_err err;
    gw_reply_field(call->x, "www-authenticate", AION_STR("Bearer realm=\"aion\""));
    aion_err_set(&err, __func__, AION_UNAUTHENTICATED,
                 "an API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY");
    aion_err_reason(&err, "KEY_MISSING");
    gw_fail(call, &err);
    return false;
}

static bool deny(struct gw_call *call, const char *reason, const char *text)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_DENIED, "%s", text);
    aion_err_reason(&err, reason);
    gw_fail(call, &err);
    return false;
}

static bool no_memory(struct gw_call *call)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_UNAVAILABLE, "no memory for the request; try again");
    gw_fail(call, &err);
    return false;
}

static aion_str secret_of(const struct gw_exchange *x)
{
    aion_str bearer = gw_request_field(x, "authorization");
    if (bearer.size > 7 && aion_str_caseeq(aion_str_n(bearer.data, 7), AION_STR("bearer ")))
        return aion_str_trim(aion_str_n(bearer.data + 7, bearer.size - 7));
    return gw_request_field(x, "x-api-key");
}

static bool valid_tenant(aion_str tenant)
{
    for (size_t i = 0; i < tenant.size; i++) {
        char c = tenant.data[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                    c == '-';
        if (!good)
            return false;
    }
    return tenant.size >= 1 && tenant.size <= 64;
}

/* Tenant-ID may repeat the key's tenant; an admin may name another one to work in. */
static bool choose_tenant(struct gw_call *call, const struct auth_key *key)
{
    aion_str asked = gw_request_field(call->x, "tenant-id");
    aion_str own = aion_str_of(key->tenant);
    if (asked.data != NULL && !aion_str_eq(asked, own)) {
        if (key->role != AUTH_ROLE_ADMIN)
            return deny(call, "TENANT_DENIED",
                        "the key is of another tenant than Tenant-ID says");
        if (!valid_tenant(asked))
            return deny(call, "TENANT_DENIED", "Tenant-ID is not 1..64 of a-z 0-9 . _ -");
        own = asked;
    }
    call->principal.tenant = aion_arena_str(gw_arena(call->x), own);
    if (call->principal.tenant.data == NULL || call->principal.key_id.data == NULL)
        return no_memory(call); /* unanswered it would go on without a tenant */
    return true;
}

bool gw_identify(struct gw_call *call)
{
    aion_str secret = secret_of(call->x);
    if (secret.data == NULL || secret.size == 0)
        return ask_for_key(call);
    const struct auth_key *key = auth_keys_find(call->app->keys, secret);
    if (key == NULL)
        return refuse_key(call);
    call->principal.role = (enum mesh_role)key->role;
    call->principal.key_id = aion_arena_str(gw_arena(call->x), aion_str_of(key->key_id));
    call->principal.subject = call->principal.key_id;
    if (!choose_tenant(call, key))
        return false;
    /* what is audited is refused where the audit log is */
    if ((call->principal.role < call->route->method->role && !call->route->method->audit) ||
        call->route->method->role == MESH_ROLE_SERVICE)
        return deny(call, "ROLE_MISSING", "the key's role is too low for this method");
    return true;
}
