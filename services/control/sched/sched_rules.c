#include "sched_rules.h"

#include "scheduler.h"

#include <stdlib.h>

enum { LIMIT_MAX = 1000000 };

struct weight {
    aion_str tenant;
    uint32_t value;
};

struct limit {
    aion_str tenant, intent, module;
    uint32_t value;
};

struct control_sched_rules {
    struct weight weights[SCHED_RULES_MAX];
    struct limit limits[SCHED_RULES_MAX];
    size_t weight_count, limit_count;
    char *texts[2];
};

/* -- reading ------------------------------------------------------------------------ */
/* Cuts "NAME=VALUE" in two. */
static bool read_value(aion_str part, uint64_t max, aion_str *ret_name, uint32_t *ret_value)
{
    aion_str value = part, name = aion_str_cut(&value, '=');
    uint64_t number = 0;
    if (name.size == 0 || value.data == NULL || !aion_str_u64(value, &number) || number == 0 ||
        number > max)
        return false;
    *ret_name = name;
    *ret_value = (uint32_t)number;
    return true;
}

static bool add_weight(struct control_sched_rules *rules, aion_str part, struct aion_err *err)
{
    struct weight *weight = &rules->weights[rules->weight_count];
    if (rules->weight_count == SCHED_RULES_MAX)
        return aion_fail(err, AION_INVALID, "tenant_weights: more than %d",
                         (int)SCHED_RULES_MAX);
    if (!read_value(part, SCHED_WEIGHT_MAX, &weight->tenant, &weight->value))
        return aion_fail(err, AION_INVALID,
                         "tenant_weights: \"%.*s\": expected TENANT=1..%d, as acme=3",
                         AION_STR_ARG(part), (int)SCHED_WEIGHT_MAX);
    rules->weight_count++;
    return true;
}

static bool add_limit(struct control_sched_rules *rules, aion_str part, struct aion_err *err)
{
    struct limit *limit = &rules->limits[rules->limit_count];
    aion_str name = {0};
    if (rules->limit_count == SCHED_RULES_MAX)
        return aion_fail(err, AION_INVALID, "task_limits: more than %d", (int)SCHED_RULES_MAX);
    bool good = read_value(part, LIMIT_MAX, &name, &limit->value);
    limit->tenant = aion_str_cut(&name, '/');
    limit->intent = aion_str_cut(&name, '/');
    limit->module = name;
    if (!good || limit->tenant.size == 0 || limit->intent.size == 0 ||
        limit->module.size == 0 || aion_str_index(name, '/') != SIZE_MAX)
        return aion_fail(
            err, AION_INVALID,
            "task_limits: \"%.*s\": expected TENANT/INTENT/MODULE=1..%d, as acme/*/noop=8",
            AION_STR_ARG(part), (int)LIMIT_MAX);
    rules->limit_count++;
    return true;
}

typedef bool add_fn(struct control_sched_rules *rules, aion_str part, struct aion_err *err);

static bool read_list(struct control_sched_rules *rules, const char *text, add_fn *add,
                      struct aion_err *err)
{
    aion_str rest = aion_str_trim(aion_str_of(text));
    if (rest.size == 0)
        return true;
    while (rest.data != NULL)
        if (!add(rules, aion_str_trim(aion_str_cut(&rest, ',')), err))
            return false;
    return true;
}

struct control_sched_rules *control_sched_rules_new(const char *weights, const char *limits,
                                                    struct aion_err *err)
{
    struct control_sched_rules *rules = calloc(1, sizeof(*rules));
    if (rules != NULL) {
        rules->texts[0] = strdup(weights != NULL ? weights : "");
        rules->texts[1] = strdup(limits != NULL ? limits : "");
    }
    if (rules == NULL || rules->texts[0] == NULL || rules->texts[1] == NULL)
        (void)aion_fail(err, AION_UNAVAILABLE, "out of memory");
    else if (read_list(rules, rules->texts[0], add_weight, err) &&
             read_list(rules, rules->texts[1], add_limit, err))
        return rules;
    control_sched_rules_free(rules);
    return NULL;
}

void control_sched_rules_free(struct control_sched_rules *rules)
{
    if (rules == NULL)
        return;
    free(rules->texts[0]);
    free(rules->texts[1]);
    free(rules);
}

/* -- asking ------------------------------------------------------------------------- */
static bool fits(aion_str pattern, aion_str name)
{
    return aion_str_is(pattern, "*") || aion_str_eq(pattern, name);
}

uint32_t control_sched_rules_weight(const struct control_sched_rules *rules, aion_str tenant)
{
    for (size_t i = 0; rules != NULL && i < rules->weight_count; i++)
        if (fits(rules->weights[i].tenant, tenant))
            return rules->weights[i].value;
    return 1;
}

uint32_t control_sched_rules_limit(const struct control_sched_rules *rules, aion_str tenant,
                                   aion_str intent, aion_str module)
{
    for (size_t i = 0; rules != NULL && i < rules->limit_count; i++) {
        const struct limit *limit = &rules->limits[i];
        if (fits(limit->tenant, tenant) && fits(limit->intent, intent) &&
            fits(limit->module, module))
            return limit->value;
    }
    return 0;
}
