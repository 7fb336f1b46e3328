/* Rate limits of keys and addresses, told by RateLimit fields
 * (draft-ietf-httpapi-ratelimit-headers) and, when refused, by 429 with reason, limit_id and
 * the time to wait. */
#include "gateway_private.h"

static const struct aion_metric_family limited_family = {
    .name = "aion_gateway_limited",
    .help = "Requests refused by a rate limit.",
    .kind = AION_COUNTER,
    .labels = {"limit"},
};

static void tell(struct gw_call *call, const char *id, const struct limit_rate *rate,
                 const struct limit_verdict *verdict)
{
    char text[96];
    /* the window in which the burst comes back */
    uint32_t window = (rate->burst + rate->per_second - 1) / rate->per_second;
    snprintf(text, sizeof(text), "\"%s\";q=%u;w=%u", id, rate->burst, window);
    gw_reply_field(call->x, "ratelimit-policy", aion_str_of(text));
    snprintf(text, sizeof(text), "\"%s\";r=%u;t=%lld", id, verdict->remaining,
             (long long)((verdict->reset_us + 999999) / 1000000));
    gw_reply_field(call->x, "ratelimit", aion_str_of(text));
}

static bool refuse(struct gw_call *call, const char *id, const struct limit_verdict *verdict)
{
    struct aion_err err;
    aion_metric_add(aion_metric(&limited_family, id), 1);
    aion_err_set(&err, __func__, AION_EXHAUSTED,
                 "rate limit \"%s\" is reached; limit_id=%s retry_after_ms=%lld", id, id,
                 (long long)((verdict->retry_after_us + 999) / 1000));
    aion_err_reason(&err, "RATE_LIMITED");
    err.retry_after_ms = (verdict->retry_after_us + 999) / 1000;
    gw_fail(call, &err);
    return false;
}

bool gw_quota_peer(struct gw_call *call)
{
    struct gw_app *app = call->app;
    if (app->peer_rate.per_second == 0)
        return true;
    struct limit_verdict verdict = limit_take(app->peer_limits, &app->peer_rate,
                                              gw_request(call->x)->peer, 1, gw_now(call->x));
    return verdict.allowed || refuse(call, "address", &verdict);
}

bool gw_quota_key(struct gw_call *call)
{
    struct gw_app *app = call->app;
    if (app->key_rate.per_second == 0)
        return true;
    struct limit_verdict verdict =
        limit_take(app->key_limits, &app->key_rate, call->principal.key_id, 1, gw_now(call->x));
    tell(call, "key", &app->key_rate, &verdict);
    return verdict.allowed || refuse(call, "key", &verdict);
}

/* Guessing keys is slow from one address, however fast the address may ask otherwise. */
bool gw_quota_failure(struct gw_call *call)
{
    struct gw_app *app = call->app;
    struct limit_verdict verdict = limit_take(app->failure_limits, &app->failure_rate,
                                              gw_request(call->x)->peer, 1, gw_now(call->x));
    return verdict.allowed || refuse(call, "refused-keys", &verdict);
}
