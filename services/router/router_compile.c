/* YAML files → router_policy: every fault with its place, up to ROUTER_FAULTS_MAX, or a policy
 * ready to decide. */
#include "router_policy.h"

#include "auth/digest.h"
#include "yaml/yaml.h"

#include <stdlib.h>

enum { ARENA_MAX = 64 * 1024 * 1024 };

struct compile {
    struct router_policy *policy;
    struct router_route routes[ROUTER_ROUTES_MAX];
    struct router_rule rules[ROUTER_RULES_MAX];
    size_t route_count, rule_count;
    const struct yaml_node
        *rule_nodes[ROUTER_RULES_MAX]; /* their `use` is resolved when all routes are known */
    bool has_default;
    struct router_fault *faults;
    size_t fault_count;
};

/* -- faults --------------------------------------------------------------- */

static bool fault_at(struct compile *c, const char *file, int line, int column, const char *fmt,
                     ...) AION_PRINTF(5, 6);

static bool fault_at(struct compile *c, const char *file, int line, int column, const char *fmt,
                     ...)
{
    if (c->fault_count == ROUTER_FAULTS_MAX)
        return false;
    struct router_fault *fault = &c->faults[c->fault_count++];
    va_list args;
    va_start(args, fmt);
    vsnprintf(fault->message, sizeof(fault->message), fmt, args);
    va_end(args);
    snprintf(fault->file, sizeof(fault->file), "%s", file);
    fault->line = line;
    fault->column = column;
    return false;
}

#define FAULT(c, node, ...) \
    fault_at((c), (node)->file, (node)->line, (node)->column, __VA_ARGS__)

/* An error of the yaml area, "file:line:column: text", taken apart again. */
static bool fault_of(struct compile *c, const char *file, const struct aion_err *err)
{
    aion_str rest = aion_str_of(err->text);
    size_t skip = strlen(file) + 1;
    int64_t line = 1, column = 1;
    if (aion_str_starts(rest, aion_str_of(file)) && rest.size > skip) {
        rest = aion_str_n(rest.data + skip, rest.size - skip);
        aion_str line_text = aion_str_cut(&rest, ':');
        aion_str column_text = aion_str_cut(&rest, ':');
        if (!aion_str_i64(line_text, &line) || !aion_str_i64(column_text, &column) ||
            rest.data == NULL)
            rest = aion_str_of(err->text);
    }
    rest = aion_str_trim(rest);
    return fault_at(c, file, (int)line, (int)column, "%.*s", AION_STR_ARG(rest));
}

/* -- values --------------------------------------------------------------- */

static bool name_valid(aion_str name)
{
    if (name.size == 0 || name.size > 64)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        char ch = name.data[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
              (ch >= '0' && ch <= '9') || ch == '_' || ch == '-' || ch == '.'))
            return false;
    }
    return true;
}

static bool read_name(struct compile *c, const struct yaml_node *node, aion_str *ret_name)
{
    if (node->kind != YAML_SCALAR || !name_valid(node->value))
        return FAULT(c, node, "expected a name: 1..64 of letters, digits, _ - .");
    *ret_name = node->value;
    return true;
}

/* A name or a list of names. */
static bool read_names(struct compile *c, const struct yaml_node *node,
                       struct router_names *ret_names)
{
    size_t count = node->kind == YAML_LIST ? node->count : 1;
    if (node->kind == YAML_MAP || count == 0)
        return FAULT(c, node, "expected a name or a list of names");
    aion_str *names = aion_arena_array(&c->policy->arena, count, sizeof(*names));
    if (names == NULL)
        return FAULT(c, node, "the policy is too large");
    const struct yaml_node *item = node->kind == YAML_LIST ? node->first : node;
    for (size_t i = 0; i < count; i++, item = item->next)
        if (!read_name(c, item, &names[i]))
            return false;
    *ret_names = (struct router_names){names, count};
    return true;
}

static bool read_int(struct compile *c, const struct yaml_node *node, int64_t min, int64_t max,
                     int64_t *ret_value)
{
    if (node->kind == YAML_SCALAR && aion_str_i64(node->value, ret_value) &&
        *ret_value >= min && *ret_value <= max)
        return true;
    return FAULT(c, node, "expected an integer, %lld..%lld", (long long)min, (long long)max);
}

static bool read_duration(struct compile *c, const struct yaml_node *node, int64_t max_us,
                          int64_t *ret_us)
{
    if (node->kind == YAML_SCALAR && aion_str_duration(node->value, ret_us) && *ret_us > 0 &&
        *ret_us <= max_us)
        return true;
    return FAULT(c, node, "expected a duration such as 500ms or 30s, at most %llds",
                 (long long)(max_us / 1000000));
}

/* The index of the word in `words` (NULL-terminated). */
static bool read_word(struct compile *c, const struct yaml_node *node, const char *const *words,
                      int *ret_index)
{
    for (int i = 0; node->kind == YAML_SCALAR && words[i] != NULL; i++)
        if (aion_str_is(node->value, words[i])) {
            *ret_index = i;
            return true;
        }
    char list[128] = "";
    for (int i = 0; words[i] != NULL; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return FAULT(c, node, "expected one of %s", list);
}

static const char *const tiers[] = {"local", "provider", NULL};
static const char *const privacies[] = {"", "local_only", "any", NULL};
static const char *const priorities[] = {"",    "critical", "high", "normal",
                                         "low", "batch",    NULL};
static const char *const repeats[] = {"safe", "unsafe", NULL};
static const char *const lanes[] = {"", "durable", "direct", NULL};
static const char *const chooses[] = {"first", "cheapest", "fastest", "weighted", NULL};

static bool read_privacy(struct compile *c, const struct yaml_node *node,
                         enum router_privacy *ret_privacy)
{
    int index;
    if (!read_word(c, node, privacies + 1, &index))
        return false;
    *ret_privacy = (enum router_privacy)(index + 1);
    return true;
}

static bool read_lane(struct compile *c, const struct yaml_node *node,
                      enum router_lane *ret_lane)
{
    int index;
    if (!read_word(c, node, lanes + 1, &index))
        return false;
    *ret_lane = (enum router_lane)(index + 1);
    return true;
}

static bool read_choose(struct compile *c, const struct yaml_node *node,
                        enum router_choose *ret_choose)
{
    int index;
    if (!read_word(c, node, chooses, &index))
        return false;
    *ret_choose = (enum router_choose)index;
    return true;
}

static bool read_priorities(struct compile *c, const struct yaml_node *node, uint32_t *ret_bits)
{
    const struct yaml_node *item = node->kind == YAML_LIST ? node->first : node;
    *ret_bits = 0;
    for (; item != NULL; item = node->kind == YAML_LIST ? item->next : NULL) {
        int index;
        if (!read_word(c, item, priorities + 1, &index))
            return false;
        *ret_bits |= 1u << (index + 1);
    }
    return *ret_bits != 0 || FAULT(c, node, "expected at least one priority");
}

/* Unknown keys are faults, each at its place. */
static bool only(struct compile *c, const struct yaml_node *map, const char *const *known)
{
    struct aion_err err;
    if (map->kind != YAML_MAP)
        return FAULT(c, map, "expected a map");
    return yaml_only(map, known, &err) || fault_of(c, map->file, &err);
}

static aion_str place_of(struct compile *c, const struct yaml_node *node)
{
    char *text = aion_arena_printf(&c->policy->arena, "%s:%d", node->file, node->line);
    return text != NULL ? aion_str_of(text) : AION_STR("?");
}

static const struct yaml_node *need(struct compile *c, const struct yaml_node *map,
                                    const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    if (node == NULL)
        (void)FAULT(c, map, "%s is missing", key);
    return node;
}

/* -- routes --------------------------------------------------------------- */

static bool read_costs(struct compile *c, const struct yaml_node *map,
                       struct router_route *route)
{
    const struct yaml_node *node;
    const int64_t most = 1000000000000000; /* a million dollars */
    if ((node = yaml_get(map, "cost_nano_usd")) != NULL &&
        !read_int(c, node, 0, most, &route->cost_nano_usd))
        return false;
    return (node = yaml_get(map, "cost_nano_usd_per_kib")) == NULL ||
           read_int(c, node, 0, most, &route->cost_nano_usd_per_kib);
}

static bool read_running(struct compile *c, const struct yaml_node *map,
                         struct router_route *route)
{
    const struct yaml_node *node;
    int64_t attempts = 3, weight = 100;
    route->timeout_us = 30000000;
    if ((node = yaml_get(map, "p95")) != NULL &&
        !read_duration(c, node, 3600000000, &route->p95_us))
        return false;
    if ((node = yaml_get(map, "timeout")) != NULL &&
        !read_duration(c, node, 3600000000, &route->timeout_us))
        return false;
    if ((node = yaml_get(map, "attempts")) != NULL && !read_int(c, node, 1, 10, &attempts))
        return false;
    if ((node = yaml_get(map, "weight")) != NULL && !read_int(c, node, 0, 1000000, &weight))
        return false;
    route->attempts = (uint32_t)attempts;
    route->weight = (uint32_t)weight;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return aion_str_cmp(*(const aion_str *)a, *(const aion_str *)b);
}

/* A map of names and values, as texts "name=value". */
static bool read_labels(struct compile *c, const struct yaml_node *map,
                        struct router_names *ret_labels)
{
    size_t count = 0, bytes = 0;
    if (map->kind != YAML_MAP || map->count == 0 || map->count > ROUTER_LABELS_MAX)
        return FAULT(c, map, "expected a map of 1..%d labels, such as {gpu: true}",
                     ROUTER_LABELS_MAX);
    aion_str *labels = aion_arena_array(&c->policy->arena, map->count, sizeof(*labels));
    for (const struct yaml_node *item = map->first; item != NULL; item = item->next) {
        if (item->kind != YAML_SCALAR || !name_valid(item->key) || !name_valid(item->value))
            return FAULT(c, item,
                         "a label has a name and a value: 1..64 of letters, digits, "
                         "_ - .");
        char *text = aion_arena_printf(&c->policy->arena, "%.*s=%.*s", AION_STR_ARG(item->key),
                                       AION_STR_ARG(item->value));
        if (labels == NULL || text == NULL)
            return FAULT(c, map, "the policy is too large");
        bytes += strlen(text) + 1;
        labels[count++] = aion_str_of(text);
    }
    if (bytes > ROUTER_LABELS_BYTES_MAX)
        return FAULT(c, map, "the labels have %zu bytes together, more than %d", bytes,
                     (int)ROUTER_LABELS_BYTES_MAX);
    qsort(labels, count, sizeof(*labels), by_bytes);
    *ret_labels = (struct router_names){labels, count};
    return true;
}

static const struct router_route *route_named(const struct compile *c, aion_str name)
{
    for (size_t i = 0; i < c->route_count; i++)
        if (aion_str_eq(c->routes[i].name, name))
            return &c->routes[i];
    return NULL;
}

static bool read_route(struct compile *c, const struct yaml_node *map)
{
    static const char *const known[] = {
        "name",   "intents", "module",        "pool",
        "labels", "tier",    "cost_nano_usd", "cost_nano_usd_per_kib",
        "p95",    "timeout", "attempts",      "weight",
        "repeat", NULL};
    struct router_route route = {.pool = AION_STR("cpu"), .at = place_of(c, map)};
    const struct yaml_node *name, *intents, *module, *node;
    int tier = 0, repeat = 0;
    if (!only(c, map, known))
        return false;
    name = need(c, map, "name");
    intents = need(c, map, "intents");
    module = need(c, map, "module");
    if (name == NULL || intents == NULL || module == NULL || !read_name(c, name, &route.name) ||
        !read_names(c, intents, &route.intents) || !read_name(c, module, &route.module))
        return false;
    if ((node = yaml_get(map, "pool")) != NULL && !read_name(c, node, &route.pool))
        return false;
    if ((node = yaml_get(map, "labels")) != NULL && !read_labels(c, node, &route.labels))
        return false;
    if ((node = yaml_get(map, "tier")) != NULL && !read_word(c, node, tiers, &tier))
        return false;
    route.tier = (enum router_tier)tier;
    if ((node = yaml_get(map, "repeat")) != NULL && !read_word(c, node, repeats, &repeat))
        return false;
    route.repeat_unsafe = repeat == 1;
    if (!read_costs(c, map, &route) || !read_running(c, map, &route))
        return false;
    const struct router_route *first = route_named(c, route.name);
    if (first != NULL)
        return FAULT(c, name, "route \"%.*s\" exists already at %.*s", AION_STR_ARG(route.name),
                     AION_STR_ARG(first->at));
    if (c->route_count == ROUTER_ROUTES_MAX)
        return FAULT(c, map, "more than %d routes", ROUTER_ROUTES_MAX);
    c->routes[c->route_count++] = route;
    return true;
}

/* -- rules ---------------------------------------------------------------- */

/* Names under one of two keys; both at once would hide one of them. */
static bool read_either(struct compile *c, const struct yaml_node *map, const char *one,
                        const char *many, struct router_names *ret_names)
{
    const struct yaml_node *a = yaml_get(map, one), *b = yaml_get(map, many);
    if (a != NULL && b != NULL)
        return FAULT(c, b, "give either %s or %s", one, many);
    const struct yaml_node *node = a != NULL ? a : b;
    return node == NULL || read_names(c, node, ret_names);
}

static bool read_when(struct compile *c, const struct yaml_node *map, struct router_rule *rule)
{
    static const char *const known[] = {"intent",   "intents", "tenant", "tenants",
                                        "priority", "privacy", NULL};
    const struct yaml_node *node;
    if (!only(c, map, known) || !read_either(c, map, "intent", "intents", &rule->intents) ||
        !read_either(c, map, "tenant", "tenants", &rule->tenants))
        return false;
    if ((node = yaml_get(map, "priority")) != NULL &&
        !read_priorities(c, node, &rule->priorities))
        return false;
    return (node = yaml_get(map, "privacy")) == NULL || read_privacy(c, node, &rule->privacy);
}

static bool read_rule(struct compile *c, const struct yaml_node *map)
{
    static const char *const known[] = {"name", "when", "use", "choose", "lane", "deny", NULL};
    struct router_rule rule = {.at = place_of(c, map)};
    const struct yaml_node *name, *node;
    if (!only(c, map, known) || (name = need(c, map, "name")) == NULL ||
        !read_name(c, name, &rule.name))
        return false;
    if ((node = yaml_get(map, "when")) != NULL && !read_when(c, node, &rule))
        return false;
    if ((node = yaml_get(map, "choose")) != NULL && !read_choose(c, node, &rule.choose))
        return false;
    if ((node = yaml_get(map, "lane")) != NULL && !read_lane(c, node, &rule.lane))
        return false;
    if ((node = yaml_get(map, "deny")) != NULL) {
        if (node->kind != YAML_SCALAR || node->value.size == 0 || node->value.size > 200)
            return FAULT(c, node, "expected the text of the refusal, 1..200 bytes");
        if (yaml_get(map, "use") != NULL)
            return FAULT(c, node, "a rule has either use or deny");
        rule.deny = node->value;
    }
    if (c->rule_count == ROUTER_RULES_MAX)
        return FAULT(c, map, "more than %d rules", ROUTER_RULES_MAX);
    c->rule_nodes[c->rule_count] = map;
    c->rules[c->rule_count++] = rule;
    return true;
}

/* `use` names routes of any file. */
static bool resolve_use(struct compile *c, struct router_rule *rule,
                        const struct yaml_node *map)
{
    const struct yaml_node *use = yaml_get(map, "use");
    struct router_names names;
    if (use == NULL)
        return true;
    if (!read_names(c, use, &names))
        return false;
    uint16_t *indexes = aion_arena_array(&c->policy->arena, names.count, sizeof(*indexes));
    if (indexes == NULL)
        return FAULT(c, use, "the policy is too large");
    for (size_t i = 0; i < names.count; i++) {
        const struct router_route *route = route_named(c, names.names[i]);
        if (route == NULL)
            return FAULT(c, use, "no route is named \"%.*s\"", AION_STR_ARG(names.names[i]));
        indexes[i] = (uint16_t)(route - c->routes);
        for (size_t k = 0; k < i; k++)
            if (indexes[k] == indexes[i])
                return FAULT(c, use, "route \"%.*s\" stands twice",
                             AION_STR_ARG(names.names[i]));
    }
    rule->use = indexes;
    rule->use_count = names.count;
    return true;
}

/* -- files ---------------------------------------------------------------- */

static bool read_default(struct compile *c, const struct yaml_node *map)
{
    static const char *const known[] = {"privacy", "choose", "lane", NULL};
    const struct yaml_node *node;
    if (!only(c, map, known))
        return false;
    if (c->has_default)
        return FAULT(c, map, "default is given in two files");
    c->has_default = true;
    if ((node = yaml_get(map, "privacy")) != NULL &&
        !read_privacy(c, node, &c->policy->privacy))
        return false;
    if ((node = yaml_get(map, "lane")) != NULL && !read_lane(c, node, &c->policy->lane))
        return false;
    return (node = yaml_get(map, "choose")) == NULL || read_choose(c, node, &c->policy->choose);
}

static void read_list(struct compile *c, const struct yaml_node *list,
                      bool (*read)(struct compile *, const struct yaml_node *))
{
    if (list == NULL)
        return;
    if (list->kind != YAML_LIST) {
        (void)FAULT(c, list, "expected a list");
        return;
    }
    for (const struct yaml_node *item = list->first; item != NULL; item = item->next)
        (void)read(c, item); /* a fault in one does not hide those of the next */
}

static void read_file(struct compile *c, const struct router_file *file)
{
    static const char *const known[] = {"version", "routes", "rules", "default", NULL};
    struct aion_err err;
    const char *path = aion_arena_text(&c->policy->arena, aion_str_of(file->path));
    if (strlen(file->path) > ROUTER_PATH_MAX) {
        (void)fault_at(c, file->path, 1, 1, "a path longer than %d bytes", ROUTER_PATH_MAX);
        return;
    }
    if (path == NULL || file->content.size > ROUTER_FILE_BYTES_MAX) {
        (void)fault_at(c, file->path, 1, 1, "larger than %d bytes", ROUTER_FILE_BYTES_MAX);
        return;
    }
    const struct yaml_node *root = yaml_parse(path, file->content, &c->policy->arena, &err);
    if (root == NULL) {
        (void)fault_of(c, path, &err);
        return;
    }
    if (!only(c, root, known))
        return;
    const struct yaml_node *version = yaml_get(root, "version");
    int64_t number;
    if (version != NULL && !read_int(c, version, 1, 1, &number))
        return;
    read_list(c, yaml_get(root, "routes"), read_route);
    read_list(c, yaml_get(root, "rules"), read_rule);
    if (yaml_get(root, "default") != NULL)
        (void)read_default(c, yaml_get(root, "default"));
}

/* -- the whole ------------------------------------------------------------ */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct router_file *)a)->path, ((const struct router_file *)b)->path);
}

static struct router_file *sorted(const struct router_file *files, size_t count)
{
    struct router_file *copy = calloc(count + 1, sizeof(*copy));
    if (copy == NULL)
        abort(); /* at most ROUTER_FILES_MAX */
    memcpy(copy, files, count * sizeof(*copy));
    qsort(copy, count, sizeof(*copy), by_path);
    return copy;
}

void router_policy_digest(const struct router_file *files, size_t file_count, char out[72])
{
    struct router_file *in_order = sorted(files, file_count);
    struct auth_sha256 *sha = auth_sha256_new();
    uint8_t digest[AUTH_SHA256_SIZE];
    for (size_t i = 0; i < file_count; i++) {
        auth_sha256(digest, in_order[i].content);
        auth_sha256_add(sha, aion_str_n(in_order[i].path, strlen(in_order[i].path) + 1));
        auth_sha256_add(sha, aion_str_n(digest, sizeof(digest)));
        auth_sha256_add(sha, AION_STR("\n"));
    }
    auth_sha256_end(sha, digest);
    auth_sha256_free(sha);
    free(in_order);
    auth_sha256_text(out, digest);
}

static void free_policy(struct aion_snap *snap)
{
    struct router_policy *policy = (struct router_policy *)snap;
    aion_arena_done(&policy->arena);
    free(policy);
}

/* A copy of the files, for GetPolicy and the record of revisions. */
static bool keep_files(struct router_policy *policy, const struct router_file *files,
                       size_t count)
{
    struct router_file *copy = aion_arena_array(&policy->arena, count, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i].path = aion_arena_text(&policy->arena, aion_str_of(files[i].path));
        copy[i].content = aion_arena_str(&policy->arena, files[i].content);
        if (copy[i].path == NULL || copy[i].content.data == NULL)
            return false;
    }
    policy->files = copy;
    policy->file_count = count;
    return copy != NULL;
}

/* Copies the tables into the policy's arena. */
static bool seal(struct compile *c, const struct router_file *files, size_t file_count)
{
    struct router_policy *policy = c->policy;
    struct router_route *routes =
        aion_arena_array(&policy->arena, c->route_count, sizeof(*routes));
    struct router_rule *rules = aion_arena_array(&policy->arena, c->rule_count, sizeof(*rules));
    if (routes == NULL || rules == NULL || !keep_files(policy, files, file_count))
        return fault_at(c, "policy", 1, 1, "the policy is too large");
    memcpy(routes, c->routes, c->route_count * sizeof(*routes));
    memcpy(rules, c->rules, c->rule_count * sizeof(*rules));
    policy->routes = routes;
    policy->route_count = c->route_count;
    policy->rules = rules;
    policy->rule_count = c->rule_count;
    return true;
}

struct router_policy *router_policy_compile(const struct router_file *files, size_t file_count,
                                            struct router_fault *faults,
                                            size_t *ret_fault_count)
{
    struct compile *c = calloc(1, sizeof(*c)); /* 1 MiB of tables: not for a stack */
    struct router_policy *policy = calloc(1, sizeof(*policy));
    if (c == NULL || policy == NULL)
        abort();
    aion_arena_init(&policy->arena, ARENA_MAX, NULL, 0);
    policy->snap.free = free_policy;
    atomic_init(&policy->snap.refs, 1);
    policy->privacy = ROUTER_PRIVACY_LOCAL_ONLY; /* the careful default */
    policy->lane = ROUTER_LANE_DURABLE;
    c->policy = policy;
    c->faults = faults;
    struct router_file *in_order = sorted(files, file_count);
    if (file_count == 0 || file_count > ROUTER_FILES_MAX)
        (void)fault_at(c, "policy", 1, 1, "expected 1..%d *.yaml files, found %zu",
                       ROUTER_FILES_MAX, file_count);
    for (size_t i = 0; i < file_count && i < ROUTER_FILES_MAX; i++)
        read_file(c, &in_order[i]);
    for (size_t i = 0; i < c->rule_count; i++)
        (void)resolve_use(c, &c->rules[i], c->rule_nodes[i]);
    if (c->fault_count == 0 && c->route_count == 0)
        (void)fault_at(c, in_order[0].path, 1, 1, "the policy has no routes");
    bool good = c->fault_count == 0 && seal(c, in_order, file_count);
    *ret_fault_count = c->fault_count;
    free(in_order);
    free(c);
    if (good) {
        router_policy_digest(files, file_count, policy->digest);
        return policy;
    }
    aion_snap_unref(&policy->snap);
    return NULL;
}
