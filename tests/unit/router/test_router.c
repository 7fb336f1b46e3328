/* Goal: policies compile or say what is wrong and where; decisions are pure and keep within
 * what was asked. */
#include "router_decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const char policy_text[] =
    "version: 1\n"
    "routes:\n"
    "  - {name: local, intents: [sum], module: m1, tier: local, p95: 500ms, cost_nano_usd: "
    "10}\n"
    "  - {name: fast, intents: [sum], module: m2, tier: provider, p95: 50ms, cost_nano_usd: "
    "1000, cost_nano_usd_per_kib: 5}\n"
    "  - {name: cheap, intents: [sum, chat], module: m3, tier: provider, p95: 2s, "
    "cost_nano_usd: 1}\n"
    "rules:\n"
    "  - {name: no-batch-chat, when: {intent: chat, priority: batch}, deny: chat is not for "
    "batches}\n"
    "  - {name: urgent, when: {intent: sum, priority: [critical, high], privacy: any}, use: "
    "[fast, cheap], choose: fastest}\n"
    "  - {name: acme, when: {tenant: acme, privacy: any}, choose: cheapest}\n";

static struct router_fault faults[ROUTER_FAULTS_MAX];

static struct router_policy *compile(const char *text, size_t *ret_faults)
{
    const struct router_file file = {"p.yaml", aion_str_of(text)};
    return router_policy_compile(&file, 1, faults, ret_faults);
}

static struct router_policy *good_policy(void)
{
    size_t count;
    struct router_policy *policy = compile(policy_text, &count);
    assert_non_null(policy);
    assert_int_equal(count, 0);
    return policy;
}

static void drop(struct router_policy *policy)
{
    aion_snap_unref(&policy->snap);
}

static struct router_request request_for(const char *intent)
{
    return (struct router_request){
        .tenant = AION_STR("default"), .intent = aion_str_of(intent), .priority = 3};
}

static const char *route_of(const struct router_policy *policy,
                            const struct router_request *request)
{
    static char name[64];
    struct router_decision decision;
    struct aion_err err;
    if (!router_decide(policy, request, &decision, &err))
        aion_str_copy(name, sizeof(name), aion_str_of(err.reason));
    else
        aion_str_copy(name, sizeof(name), decision.route->name);
    return name;
}

static void privacy_keeps_data_local_by_default(void **state)
{
    struct router_policy *policy = good_policy();
    struct router_request request = request_for("sum");
    (void)state;
    assert_string_equal(route_of(policy, &request), "local");
    request.privacy = ROUTER_PRIVACY_LOCAL_ONLY;
    request.preferred = AION_STR("fast");
    assert_string_equal(route_of(policy, &request),
                        "local"); /* a preference never widens privacy */
    request = request_for("chat");
    assert_string_equal(route_of(policy, &request), "NO_ROUTE");
    request.privacy = ROUTER_PRIVACY_ANY;
    assert_string_equal(route_of(policy, &request), "cheap");
    drop(policy);
}

static void rules_budget_and_latency_decide(void **state)
{
    struct router_policy *policy = good_policy();
    struct router_request request = request_for("sum");
    (void)state;
    request.privacy = ROUTER_PRIVACY_ANY;
    request.priority = 1;
    assert_string_equal(route_of(policy, &request), "fast");
    request.budget_nano_usd = 1004; /* 1000 + 5 for a begun KiB */
    request.input_bytes = 1;
    assert_string_equal(route_of(policy, &request), "cheap");
    request.priority = 3;
    request.budget_nano_usd = 0;
    request.tenant = AION_STR("acme");
    assert_string_equal(route_of(policy, &request), "cheap");
    request.p95_us = 600000;
    assert_string_equal(route_of(policy, &request), "local");
    request.p95_us = 10;
    assert_string_equal(route_of(policy, &request), "NO_ROUTE");
    drop(policy);
}

static void refusals_have_their_reason(void **state)
{
    struct router_policy *policy = good_policy();
    struct router_request request = request_for("nothing");
    (void)state;
    assert_string_equal(route_of(policy, &request), "INTENT_UNKNOWN");
    request = request_for("chat");
    request.priority = 5;
    assert_string_equal(route_of(policy, &request), "DENIED_BY_POLICY");
    drop(policy);
}

static void the_same_input_gives_the_same_decision(void **state)
{
    static const char weighted[] = "routes:\n"
                                   "  - {name: a, intents: [x], module: m, weight: 3}\n"
                                   "  - {name: b, intents: [x], module: m, weight: 1}\n"
                                   "default: {choose: weighted}\n";
    size_t count;
    struct router_policy *policy = compile(weighted, &count);
    struct router_request request = request_for("x");
    unsigned a = 0;
    (void)state;
    for (request.seed = 0; request.seed < 4000; request.seed++) {
        char first = route_of(policy, &request)[0];
        assert_int_equal(route_of(policy, &request)[0], first);
        a += first == 'a';
    }
    assert_in_range(a, 2900, 3100); /* 3 of 4 */
    drop(policy);
}

static void faults_say_file_line_and_column(void **state)
{
    static const struct {
        const char *text;
        int line;
        const char *part;
    } cases[] = {
        {"routes:\n  - {name: a, intents: [x]}\n", 2, "module is missing"},
        {"routes:\n  - {name: a, intents: [x], module: m, tier: cloud}\n", 2,
         "local, provider"},
        {"routes:\n  - {name: a, intents: [x], module: m}\n  - {name: a, intents: [y], module: "
         "m}\n",
         3, "exists already"},
        {"routes:\n  - {name: a, intents: [x], module: m, timeout: 5}\n", 2, "duration"},
        {"routes:\n  - {name: a, intents: [x], module: m}\nrules:\n  - {name: r, use: [b]}\n",
         4, "no route is named"},
        {"routes:\n  - {name: a, intents: [x], module: m}\nrules:\n  - {name: r, use: [a, "
         "a]}\n",
         4, "twice"},
        {"routes:\n  - {name: a, intents: [x], module: m}\n"
         "rules:\n  - {name: r, when: {intent: x, intents: [y]}, use: [a]}\n",
         4, "either intent or intents"},
        {"routes:\n  - {name: a, intents: [x], module: m}\n"
         "rules:\n  - name: r\n    when:\n      tenants: [t]\n      tenant: u\n",
         6, "either tenant or tenants"},
        {"rotes: []\n", 1, "nearest: routes"},
        {"routes: [\n", 2, ""},
        {"version: 2\n", 1, "1..1"},
        {"", 1, "no routes"},
    };
    (void)state;
    for (size_t i = 0; i < aion_countof(cases); i++) {
        size_t count = 0;
        assert_null(compile(cases[i].text, &count));
        assert_true(count >= 1);
        assert_string_equal(faults[0].file, "p.yaml");
        assert_int_equal(faults[0].line, cases[i].line);
        assert_true(faults[0].column >= 1);
        assert_non_null(strstr(faults[0].message, cases[i].part));
    }
}

static void the_digest_is_of_names_and_contents(void **state)
{
    const struct router_file one[] = {{"a.yaml", AION_STR("x")}, {"b.yaml", AION_STR("y")}};
    const struct router_file two[] = {{"b.yaml", AION_STR("y")}, {"a.yaml", AION_STR("x")}};
    const struct router_file other[] = {{"a.yaml", AION_STR("x")}, {"c.yaml", AION_STR("y")}};
    char first[72], second[72], third[72];
    (void)state;
    router_policy_digest(one, 2, first);
    router_policy_digest(two, 2, second);
    router_policy_digest(other, 2, third);
    assert_string_equal(first, second); /* the order they are given in does not count */
    assert_string_not_equal(first, third);
}

static void money_that_is_left_bounds_routes_and_what_may_step_in(void **state)
{
    static const char text[] = "routes:\n"
                               "  - {name: dear, intents: [x], module: d, cost_nano_usd: 100}\n"
                               "  - {name: mid, intents: [x], module: m, cost_nano_usd: 50}\n"
                               "  - {name: free, intents: [x], module: f}\n"
                               "  - {name: only, intents: [y], module: d, cost_nano_usd: 9}\n";
    size_t count;
    struct router_policy *policy = compile(text, &count);
    struct router_request request = request_for("x");
    struct router_decision decision;
    struct aion_err err;
    (void)state;
    assert_non_null(policy);
    assert_string_equal(route_of(policy, &request), "dear");
    request.bounded = true;
    request.money_left = 99;
    assert_true(router_decide(policy, &request, &decision, &err));
    assert_true(aion_str_is(decision.route->name, "mid"));
    assert_int_equal(decision.fallback_count, 1); /* the free one: never a dearer one */
    request.money_left = 0;
    assert_string_equal(route_of(policy, &request), "free");
    request.intent = AION_STR("y");
    assert_string_equal(route_of(policy, &request), "BUDGET_EXHAUSTED");
    drop(policy);
}

static void the_lane_is_the_rules_or_the_policys(void **state)
{
    static const char text[] = "default: {lane: direct}\n"
                               "routes:\n"
                               "  - {name: a, intents: [x, y], module: m}\n"
                               "rules:\n"
                               "  - {name: keep, when: {intent: x}, lane: durable}\n";
    size_t count;
    struct router_policy *policy = compile(text, &count);
    struct router_request request = request_for("x");
    struct router_decision decision;
    struct aion_err err;
    (void)state;
    assert_non_null(policy);
    assert_true(router_decide(policy, &request, &decision, &err));
    assert_int_equal(decision.lane, ROUTER_LANE_DURABLE);
    request.intent = AION_STR("y");
    assert_true(router_decide(policy, &request, &decision, &err));
    assert_int_equal(decision.lane, ROUTER_LANE_DIRECT);
    drop(policy);
    policy = good_policy();
    request = request_for("sum");
    assert_true(router_decide(policy, &request, &decision, &err));
    assert_int_equal(decision.lane, ROUTER_LANE_DURABLE);
    drop(policy);
}

static void costs_saturate(void **state)
{
    const struct router_route route = {.cost_nano_usd = 1,
                                       .cost_nano_usd_per_kib = INT64_MAX / 2};
    (void)state;
    assert_true(router_cost(&route, 0) == 1);
    assert_true(router_cost(&route, 1024 * 100) == INT64_MAX);
    assert_true(router_cost(&route, UINT64_MAX) == INT64_MAX);
}

static void labels_of_a_route_are_sorted_texts(void **state)
{
    static const char text[] =
        "version: 1\nroutes:\n  - {name: r, intents: [a], module: m, labels: {zone: b, gpu: "
        "true}}\n";
    size_t count;
    (void)state;
    struct router_policy *policy = compile(text, &count);
    assert_non_null(policy);
    assert_int_equal(policy->routes[0].labels.count, 2);
    assert_true(aion_str_is(policy->routes[0].labels.names[0], "gpu=true"));
    assert_true(aion_str_is(policy->routes[0].labels.names[1], "zone=b"));
    drop(policy);
}

static void malformed_labels_are_faults_with_their_place(void **state)
{
    static const char *const labels[] = {
        "gpu",        "{}",         "[gpu]",
        "{gpu: [a]}", "{gpu: a b}", "{a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9}"};
    (void)state;
    for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
        char text[256];
        size_t count;
        snprintf(text, sizeof(text),
                 "version: 1\nroutes:\n  - {name: r, intents: [a], module: m, labels: %s}\n",
                 labels[i]);
        assert_null(compile(text, &count));
        assert_int_equal(count, 1);
        assert_int_equal(faults[0].line, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_of_a_route_are_sorted_texts),
        cmocka_unit_test(malformed_labels_are_faults_with_their_place),
        cmocka_unit_test(privacy_keeps_data_local_by_default),
        cmocka_unit_test(rules_budget_and_latency_decide),
        cmocka_unit_test(refusals_have_their_reason),
        cmocka_unit_test(the_same_input_gives_the_same_decision),
        cmocka_unit_test(faults_say_file_line_and_column),
        cmocka_unit_test(the_digest_is_of_names_and_contents),
        cmocka_unit_test(money_that_is_left_bounds_routes_and_what_may_step_in),
        cmocka_unit_test(the_lane_is_the_rules_or_the_policys),
        cmocka_unit_test(costs_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
