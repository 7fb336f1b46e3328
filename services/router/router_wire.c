/* Between the domain's structs and the messages of router.proto. */
#include "router_private.h"

#include "base/uuid.h"

/* Strings of the domain are borrowed with their NUL where they have one; these are copied. */
static char *text(struct aion_arena *arena, aion_str s)
{
    return aion_arena_text(arena, s);
}

static char *borrow(const char *s)
{
    return (char *)(uintptr_t)s;
}

static Google__Protobuf__Timestamp *timestamp(int64_t utc_us, struct aion_arena *arena)
{
    Google__Protobuf__Timestamp *stamp = aion_arena_alloc(arena, sizeof(*stamp));
    if (stamp == NULL)
        return NULL;
    google__protobuf__timestamp__init(stamp);
    stamp->seconds = utc_us / 1000000;
    stamp->nanos = (int32_t)(utc_us % 1000000) * 1000;
    return stamp;
}

static Aion__V1__PolicyRevision *revision(const struct router_policy *policy,
                                          struct aion_arena *arena)
{
    Aion__V1__PolicyRevision *made = aion_arena_alloc(arena, sizeof(*made));
    if (made == NULL)
        return NULL;
    aion__v1__policy_revision__init(made);
    made->ordinal = policy->ordinal;
    made->digest = borrow(policy->digest);
    return made;
}

static bool add_files(Aion__V1__Policy *message, const struct router_policy *policy,
                      struct aion_arena *arena)
{
    message->files = aion_arena_array(arena, policy->file_count, sizeof(*message->files));
    for (size_t i = 0; message->files != NULL && i < policy->file_count; i++) {
        Aion__V1__PolicyFile *file = aion_arena_alloc(arena, sizeof(*file));
        if (file == NULL)
            return false;
        aion__v1__policy_file__init(file);
        file->path = borrow(policy->files[i].path);
        file->content = borrow(policy->files[i].content.data);
        message->files[message->n_files++] = file;
    }
    return message->files != NULL;
}

Aion__V1__Policy *router_policy_message(const struct router_policy *policy, bool with_files,
                                        struct aion_arena *arena)
{
    Aion__V1__Policy *message = aion_arena_alloc(arena, sizeof(*message));
    if (message == NULL)
        return NULL;
    aion__v1__policy__init(message);
    message->revision = revision(policy, arena);
    message->activated_at = timestamp(policy->activated_us, arena);
    message->activated_by = borrow(policy->activated_by);
    message->cause = borrow(policy->cause);
    message->rules = (uint32_t)policy->rule_count;
    message->routes = (uint32_t)policy->route_count;
    if (message->revision == NULL || message->activated_at == NULL ||
        (with_files && !add_files(message, policy, arena)))
        return NULL;
    return message;
}

bool router_request_read(const Aion__V1__DecideRequest *message,
                         struct router_request *ret_request, struct aion_err *err)
{
    *ret_request = (struct router_request){.tenant = aion_str_of(message->tenant),
                                           .intent = aion_str_of(message->intent),
                                           .priority = 3,
                                           .preferred = aion_str_of(message->preferred_engine),
                                           .input_bytes = message->input_bytes,
                                           .seed = message->seed,
                                           .bounded = message->_money_left_nano_usd_case != 0,
                                           .money_left = message->money_left_nano_usd};
    int priority = (int)message->priority;
    if (priority < 0 || priority > ROUTER_PRIORITIES) {
        aion_err_set(err, __func__, AION_INVALID, "priority %d is unknown", priority);
        aion_err_field(err, "priority");
        return false;
    }
    if (priority > 0)
        ret_request->priority = (uint32_t)priority;
    if (message->sla == NULL)
        return true;
    int privacy = (int)message->sla->privacy;
    if (privacy < 0 || privacy > ROUTER_PRIVACY_ANY) {
        aion_err_set(err, __func__, AION_INVALID, "sla.privacy %d is unknown", privacy);
        aion_err_field(err, "sla.privacy");
        return false;
    }
    ret_request->privacy = (enum router_privacy)privacy;
    ret_request->budget_nano_usd = message->sla->budget_nano_usd;
    ret_request->p95_us = (int64_t)message->sla->p95_ms * 1000;
    return true;
}

static Aion__V1__Engine *engine(const struct router_policy *policy,
                                const struct router_decision *decision, const char *decision_id,
                                struct aion_arena *arena)
{
    Aion__V1__Engine *made = aion_arena_alloc(arena, sizeof(*made));
    if (made == NULL)
        return NULL;
    aion__v1__engine__init(made);
    const struct router_rule *rule = decision->rule;
    made->route = text(arena, decision->route->name);
    made->module = text(arena, decision->route->module);
    made->chosen_by = borrow(decision->preferred ? "preferred"
                             : rule != NULL      ? "rule"
                                                 : "default");
    made->reason =
        rule != NULL ? aion_arena_printf(arena, "%.*s %.*s", AION_STR_ARG(rule->at),
                                         AION_STR_ARG(rule->name))
                     : aion_arena_printf(arena, "%.*s %.*s", AION_STR_ARG(decision->route->at),
                                         AION_STR_ARG(decision->route->name));
    made->tier = borrow(decision->route->tier == ROUTER_TIER_LOCAL ? "local" : "provider");
    made->policy_revision = revision(policy, arena);
    made->decision_id = borrow(decision_id);
    bool good = made->route != NULL && made->module != NULL && made->reason != NULL &&
                made->policy_revision != NULL;
    return good ? made : NULL;
}

static bool add_fallbacks(Aion__V1__Decision *message, const struct router_decision *decision,
                          struct aion_arena *arena)
{
    message->fallbacks = aion_arena_array(arena, decision->fallback_count, sizeof(char *));
    for (size_t i = 0; message->fallbacks != NULL && i < decision->fallback_count; i++) {
        message->fallbacks[i] = text(arena, decision->fallbacks[i]->module);
        if (message->fallbacks[i] == NULL)
            return false;
        message->n_fallbacks++;
    }
    return message->fallbacks != NULL;
}

static bool add_labels(Aion__V1__Decision *message, const struct router_names *labels,
                       struct aion_arena *arena)
{
    message->labels = aion_arena_array(arena, labels->count, sizeof(char *));
    for (size_t i = 0; message->labels != NULL && i < labels->count; i++) {
        message->labels[i] = text(arena, labels->names[i]);
        if (message->labels[i] == NULL)
            return false;
        message->n_labels++;
    }
    return message->labels != NULL;
}

Aion__V1__Decision *router_decision_message(const struct router_policy *policy,
                                            const struct router_decision *decision,
                                            struct aion_arena *arena)
{
    Aion__V1__Decision *message = aion_arena_alloc(arena, sizeof(*message));
    char *id = aion_arena_alloc(arena, AION_UUID_TEXT);
    if (message == NULL || id == NULL)
        return NULL;
    struct aion_uuid uuid = aion_uuid_new();
    aion_uuid_text(&uuid, id);
    aion__v1__decision__init(message);
    message->decision_id = id;
    message->engine = engine(policy, decision, id, arena);
    message->cost_estimate_nano_usd = decision->cost_nano_usd;
    message->pool = text(arena, decision->route->pool);
    message->attempts_max = decision->route->attempts;
    message->timeout_us = decision->route->timeout_us;
    message->lane = (Aion__V1__Lane)decision->lane;
    message->repeat_unsafe = decision->route->repeat_unsafe;
    if (message->engine == NULL || message->pool == NULL ||
        !add_fallbacks(message, decision, arena) ||
        !add_labels(message, &decision->route->labels, arena))
        return NULL;
    return message;
}
