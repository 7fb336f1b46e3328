/* Decide: a pure function of policy, request and seed. No clock, no locale, no floats, no hash
 * order: the same input gives the same decision on every machine, for ever. */
#ifndef ROUTER_DECIDE_H
#define ROUTER_DECIDE_H

#include "router_policy.h"

struct router_request {
    aion_str tenant, intent;
    uint32_t priority; /* 1..5 */
    enum router_privacy privacy;
    int64_t budget_nano_usd; /* 0 = none */
    bool bounded;            /* by budgets, which have ... */
    int64_t money_left;      /* ... so much left, nano-USD */
    int64_t p95_us;          /* 0 = none */
    aion_str preferred;      /* route name; empty = none */
    uint64_t input_bytes;
    uint64_t seed;
};

enum { ROUTER_FALLBACKS_MAX = 8 };

struct router_decision {
    const struct router_route *route;
    const struct router_rule *rule; /* NULL = default */
    bool preferred;                 /* chosen because the request preferred it */
    int64_t cost_nano_usd;
    enum router_lane lane; /* never DEFAULT */
    const struct router_route *fallbacks[ROUTER_FALLBACKS_MAX];
    size_t fallback_count;
};

/* NOT_FOUND reason INTENT_UNKNOWN: no route serves the intent.
 * PRECONDITION reason NO_ROUTE: routes exist, none passes; the text says what excluded how
 * many. EXHAUSTED reason BUDGET_EXHAUSTED: only the money left stands against every route that
 * passes else. DENIED reason DENIED_BY_POLICY: a rule refuses, with its text and place. */
bool router_decide(const struct router_policy *policy, const struct router_request *request,
                   struct router_decision *ret_decision, struct aion_err *err) AION_MUST_CHECK;

/* The cost of a request on a route; saturates instead of overflowing. */
int64_t router_cost(const struct router_route *route, uint64_t input_bytes);

#endif
