/* Candidates by intent → first matching rule → privacy, budget, latency → preference or choice.
 */
#include "router_decide.h"

#include "base/map.h"

/* Why routes fell out, for the error. */
struct excluded {
    size_t privacy, budget, latency, money;
};

struct candidates {
    const struct router_route *routes[ROUTER_ROUTES_MAX];
    size_t count;
};

static bool in_names(const struct router_names *list, aion_str name)
{
    for (size_t i = 0; i < list->count; i++)
        if (aion_str_eq(list->names[i], name))
            return true;
    return list->count == 0;
}

static bool rule_matches(const struct router_rule *rule, const struct router_request *request,
                         enum router_privacy privacy)
{
    return in_names(&rule->intents, request->intent) &&
           in_names(&rule->tenants, request->tenant) &&
           (rule->priorities == 0 || (rule->priorities >> request->priority & 1) != 0) &&
           (rule->privacy == ROUTER_PRIVACY_DEFAULT || rule->privacy == privacy);
}

static const struct router_rule *first_rule(const struct router_policy *policy,
                                            const struct router_request *request,
                                            enum router_privacy privacy)
{
    for (size_t i = 0; i < policy->rule_count; i++)
        if (rule_matches(&policy->rules[i], request, privacy))
            return &policy->rules[i];
    return NULL;
}

int64_t router_cost(const struct router_route *route, uint64_t input_bytes)
{
    uint64_t kib = input_bytes / 1024 + (input_bytes % 1024 != 0);
    int64_t by_size;
    int64_t cost;
    if (kib > INT64_MAX ||
        __builtin_mul_overflow(route->cost_nano_usd_per_kib, (int64_t)kib, &by_size) ||
        __builtin_add_overflow(route->cost_nano_usd, by_size, &cost))
        return INT64_MAX;
    return cost;
}

static bool passes(const struct router_route *route, const struct router_request *request,
                   enum router_privacy privacy, struct excluded *excluded)
{
    if (privacy == ROUTER_PRIVACY_LOCAL_ONLY && route->tier != ROUTER_TIER_LOCAL) {
        excluded->privacy++;
        return false;
    }
    if (request->budget_nano_usd > 0 &&
        router_cost(route, request->input_bytes) > request->budget_nano_usd) {
        excluded->budget++;
        return false;
    }
    if (request->p95_us > 0 && route->p95_us > request->p95_us) {
        excluded->latency++;
        return false;
    }
    if (request->bounded && router_cost(route, request->input_bytes) > request->money_left) {
        excluded->money++;
        return false;
    }
    return true;
}

static void add_if_passes(struct candidates *candidates, const struct router_route *route,
                          const struct router_request *request, enum router_privacy privacy,
                          struct excluded *excluded)
{
    if (in_names(&route->intents, request->intent) && passes(route, request, privacy, excluded))
        candidates->routes[candidates->count++] = route;
}

static void collect(const struct router_policy *policy, const struct router_rule *rule,
                    const struct router_request *request, enum router_privacy privacy,
                    struct candidates *candidates, struct excluded *excluded)
{
    if (rule != NULL && rule->use != NULL) {
        for (size_t i = 0; i < rule->use_count; i++)
            add_if_passes(candidates, &policy->routes[rule->use[i]], request, privacy,
                          excluded);
        return;
    }
    for (size_t i = 0; i < policy->route_count; i++)
        add_if_passes(candidates, &policy->routes[i], request, privacy, excluded);
}

static bool intent_known(const struct router_policy *policy, aion_str intent)
{
    for (size_t i = 0; i < policy->route_count; i++)
        if (in_names(&policy->routes[i].intents, intent))
            return true;
    return false;
}

static size_t preferred_of(const struct candidates *candidates, aion_str preferred)
{
    for (size_t i = 0; preferred.size > 0 && i < candidates->count; i++)
        if (aion_str_eq(candidates->routes[i]->name, preferred))
            return i;
    return SIZE_MAX;
}

/* The least of a property; the first wins a tie, so that the order of the files decides. */
static size_t least(const struct candidates *candidates, uint64_t input_bytes, bool by_cost)
{
    size_t best = 0;
    for (size_t i = 1; i < candidates->count; i++) {
        const struct router_route *a = candidates->routes[i], *b = candidates->routes[best];
        if (by_cost ? router_cost(a, input_bytes) < router_cost(b, input_bytes)
                    : a->p95_us < b->p95_us)
            best = i;
    }
    return best;
}

/* SipHash with a fixed key makes the seed a uniform point on the sum of the weights. */
static size_t weighted(const struct candidates *candidates, uint64_t seed)
{
    uint64_t total = 0;
    for (size_t i = 0; i < candidates->count; i++)
        total += candidates->routes[i]->weight;
    if (total == 0)
        return 0;
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(seed >> (8 * i));
    uint64_t point = aion_siphash(0x61696f6e, 0x726f757465, bytes, sizeof(bytes)) % total;
    for (size_t i = 0; i < candidates->count; i++) {
        if (point < candidates->routes[i]->weight)
            return i;
        point -= candidates->routes[i]->weight;
    }
    return 0;
}

static size_t choose(const struct candidates *candidates, enum router_choose how,
                     const struct router_request *request)
{
    switch (how) {
    case ROUTER_CHOOSE_CHEAPEST:
        return least(candidates, request->input_bytes, true);
    case ROUTER_CHOOSE_FASTEST:
        return least(candidates, request->input_bytes, false);
    case ROUTER_CHOOSE_WEIGHTED:
        return weighted(candidates, request->seed);
    case ROUTER_CHOOSE_FIRST:
        break;
    }
    return 0;
}

/* What is set aside for a task is the cost of its route: where money is bounded, only routes
 * that cost no more may step in. */
static bool may_step_in(const struct router_route *route,
                        const struct router_decision *decision,
                        const struct router_request *request)
{
    return route != decision->route &&
           (!request->bounded ||
            router_cost(route, request->input_bytes) <= decision->cost_nano_usd);
}

static void fill(const struct candidates *candidates, size_t chosen,
                 const struct router_request *request, struct router_decision *decision)
{
    decision->route = candidates->routes[chosen];
    decision->cost_nano_usd = router_cost(decision->route, request->input_bytes);
    decision->fallback_count = 0;
    for (size_t i = 0; i < candidates->count && decision->fallback_count < ROUTER_FALLBACKS_MAX;
         i++)
        if (may_step_in(candidates->routes[i], decision, request))
            decision->fallbacks[decision->fallback_count++] = candidates->routes[i];
}

static bool no_money(const struct router_request *request, const struct excluded *excluded,
                     struct aion_err *err)
{
    aion_err_set(err, "router_decide", AION_EXHAUSTED,
                 "the budget has %lld nano-USD left: too little for the %zu routes of intent "
                 "\"%.*s\"",
                 (long long)request->money_left, excluded->money,
                 AION_STR_ARG(request->intent));
    aion_err_reason(err, "BUDGET_EXHAUSTED");
    return false;
}

static bool no_route(const struct router_request *request, const struct router_rule *rule,
                     const struct excluded *excluded, struct aion_err *err)
{
    aion_err_set(
        err, "router_decide", AION_PRECONDITION,
        "no route for intent \"%.*s\": privacy excludes %zu, budget %zu, p95 %zu; rule %.*s",
        AION_STR_ARG(request->intent), excluded->privacy, excluded->budget, excluded->latency,
        AION_STR_ARG(rule != NULL ? rule->at : AION_STR("none")));
    aion_err_reason(err, "NO_ROUTE");
    return false;
}

static bool denied(const struct router_rule *rule, struct aion_err *err)
{
    aion_err_set(err, "router_decide", AION_DENIED, "%.*s (%.*s %.*s)",
                 AION_STR_ARG(rule->deny), AION_STR_ARG(rule->at), AION_STR_ARG(rule->name));
    aion_err_reason(err, "DENIED_BY_POLICY");
    return false;
}

bool router_decide(const struct router_policy *policy, const struct router_request *request,
                   struct router_decision *ret_decision, struct aion_err *err)
{
    if (!intent_known(policy, request->intent)) {
        aion_err_set(err, __func__, AION_NOT_FOUND, "no route serves the intent \"%.*s\"",
                     AION_STR_ARG(request->intent));
        aion_err_reason(err, "INTENT_UNKNOWN");
        aion_err_field(err, "intent");
        return false;
    }
    enum router_privacy privacy =
        request->privacy != ROUTER_PRIVACY_DEFAULT ? request->privacy : policy->privacy;
    const struct router_rule *rule = first_rule(policy, request, privacy);
    if (rule != NULL && rule->deny.size > 0)
        return denied(rule, err);
    struct candidates candidates;
    candidates.count = 0;
    struct excluded excluded = {0};
    collect(policy, rule, request, privacy, &candidates, &excluded);
    if (candidates.count == 0 && excluded.money > 0)
        return no_money(request, &excluded, err);
    if (candidates.count == 0)
        return no_route(request, rule, &excluded, err);
    size_t chosen = preferred_of(&candidates, request->preferred);
    ret_decision->preferred = chosen != SIZE_MAX;
    if (chosen == SIZE_MAX)
        chosen = choose(&candidates, rule != NULL ? rule->choose : policy->choose, request);
    ret_decision->rule = rule;
    ret_decision->lane =
        rule != NULL && rule->lane != ROUTER_LANE_DEFAULT ? rule->lane : policy->lane;
    fill(&candidates, chosen, request, ret_decision);
    return true;
}
