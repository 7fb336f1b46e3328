/* Path templates as one tree: an edge is a literal segment, "*" or a final "**"; a leaf is what
 * one HTTP verb and one custom verb (":ack") lead to. Built once, then read by any thread.
 *
 * A match walks segments from the root, at each the literal edge before "*" before "**"; as
 * every template's depth is fixed but for a final "**", each node is visited at most once. */
#include "codec/http_rule.h"

#include <stdlib.h>

enum { SEGMENTS_MAX = 32, TEMPLATE_MAX = 512 };

/* A variable of a leaf: the segments it takes; `count` 0 = to the end. */
struct variable {
    char *field_path;
    uint32_t first, count;
};

struct leaf {
    struct leaf *next;
    aion_str custom; /* "ack" of "/v1/x:ack", data NULL = none; borrowed from the rule */
    const struct codec_http_rule *rule;
    const void *target;
    size_t variable_count;
    struct variable variables[CODEC_HTTP_VARS_MAX];
};

struct node {
    aion_str literal; /* of the edge that leads here, borrowed from the rule */
    struct node **children;
    size_t child_count;
    struct node *star, *rest; /* "*" and "**" */
    struct leaf *leaves;
};

struct codec_router {
    struct node root;
    bool built;
};

static void free_node(struct node *node)
{
    for (size_t i = 0; i < node->child_count; i++) {
        free_node(node->children[i]);
        free(node->children[i]);
    }
    free(node->children);
    for (struct leaf *leaf = node->leaves, *next; leaf != NULL; leaf = next) {
        next = leaf->next;
        for (size_t i = 0; i < leaf->variable_count; i++)
            free(leaf->variables[i].field_path);
        free(leaf);
    }
    if (node->star != NULL)
        free_node(node->star);
    if (node->rest != NULL)
        free_node(node->rest);
    free(node->star);
    free(node->rest);
}

struct codec_router *codec_router_new(void)
{
    return calloc(1, sizeof(struct codec_router));
}

void codec_router_free(struct codec_router *router)
{
    if (router != NULL)
        free_node(&router->root);
    free(router);
}

/* -- templates ----------------------------------------------------------------------------- */

/* A template being read. Nodes are made as segments are met; those of a refused template stay
 * in the tree without leaves, where they match nothing. */
struct reading {
    const struct codec_http_rule *rule;
    const struct codec_message *request;
    const char *at;
    struct node *node; /* reached so far */
    uint32_t segments;
    bool ended; /* "**" was met: nothing may follow */
    struct leaf *leaf;
    struct aion_err *err;
};

static bool refuse(const struct reading *reading, const char *what)
{
    return aion_fail(reading->err, AION_INVALID, "template \"%s\": %s at character %zu",
                     reading->rule->path, what,
                     (size_t)(reading->at - reading->rule->path) + 1);
}

static bool no_memory(struct aion_err *err)
{
    return aion_fail(err, AION_EXHAUSTED, "out of memory");
}

static struct node *literal_child(struct node *node, aion_str literal)
{
    for (size_t i = 0; i < node->child_count; i++)
        if (aion_str_eq(node->children[i]->literal, literal))
            return node->children[i];
    return NULL;
}

static struct node *add_literal(struct node *node, aion_str literal)
{
    struct node *child = literal_child(node, literal);
    if (child != NULL)
        return child;
    struct node **children =
        realloc(node->children, (node->child_count + 1) * sizeof(*children));
    if (children == NULL)
        return NULL;
    node->children = children;
    child = calloc(1, sizeof(*child));
    if (child == NULL)
        return NULL;
    child->literal = literal;
    node->children[node->child_count++] = child;
    return child;
}

static struct node *add_edge(struct node **edge)
{
    if (*edge == NULL)
        *edge = calloc(1, sizeof(**edge));
    return *edge;
}

/* Unreserved and sub-delimiters of RFC 3986 that may stand raw in a segment, but for the
 * template's own marks. */
static bool is_literal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~!$&'()+,;@%", c) != NULL);
}

static aion_str take_literal(struct reading *reading)
{
    const char *begin = reading->at;
    while (is_literal(*reading->at))
        reading->at++;
    return aion_str_n(begin, (size_t)(reading->at - begin));
}

/* "*", "**" or a literal. */
static bool take_plain_segment(struct reading *reading)
{
    if (reading->ended)
        return refuse(reading, "something behind \"**\"");
    if (reading->segments++ == SEGMENTS_MAX)
        return refuse(reading, "too many segments");
    struct node *next;
    if (reading->at[0] == '*' && reading->at[1] == '*') {
        reading->at += 2;
        reading->ended = true;
        next = add_edge(&reading->node->rest);
    } else if (reading->at[0] == '*') {
        reading->at++;
        next = add_edge(&reading->node->star);
    } else {
        aion_str literal = take_literal(reading);
        if (literal.size == 0)
            return refuse(reading, "expected a segment");
        next = add_literal(reading->node, literal);
    }
    if (next == NULL)
        return no_memory(reading->err);
    reading->node = next;
    return true;
}

/* Whether the path names a field that one text can give. */
static bool check_field(struct reading *reading, aion_str path)
{
    const struct codec_message *message = reading->request;
    while (path.data != NULL) {
        aion_str name = aion_str_cut(&path, '.');
        int index = message != NULL ? codec_field_index(message, name) : -1;
        if (index < 0)
            return refuse(reading, "no such field in the request, before");
        if (message->descriptor->fields[index].label == PROTOBUF_C_LABEL_REPEATED)
            return refuse(reading, "a repeated field in a path, before");
        message = message->fields[index].message;
    }
    return message == NULL || message->wkt == CODEC_WKT_WRAPPER ||
           message->wkt == CODEC_WKT_TIMESTAMP || message->wkt == CODEC_WKT_DURATION ||
           message->wkt == CODEC_WKT_FIELD_MASK ||
           refuse(reading, "a message in a path, before");
}

static struct variable *add_variable(struct reading *reading, aion_str path)
{
    struct leaf *leaf = reading->leaf;
    if (leaf->variable_count == CODEC_HTTP_VARS_MAX) {
        refuse(reading, "too many variables");
        return NULL;
    }
    for (size_t i = 0; i < leaf->variable_count; i++)
        if (aion_str_is(path, leaf->variables[i].field_path)) {
            refuse(reading, "a variable that stands twice, before");
            return NULL;
        }
    struct variable *variable = &leaf->variables[leaf->variable_count];
    variable->field_path = strndup(path.data, path.size);
    if (variable->field_path == NULL) {
        no_memory(reading->err);
        return NULL;
    }
    leaf->variable_count++;
    return variable;
}

/* "{" field_path [ "=" segments ] "}", the brace taken. */
static bool take_variable(struct reading *reading)
{
    const char *begin = reading->at;
    size_t size = strcspn(begin, "=}{/");
    aion_str path = aion_str_n(begin, size);
    reading->at += size;
    if (!check_field(reading, path))
        return false;
    struct variable *variable = add_variable(reading, path);
    if (variable == NULL)
        return false;
    variable->first = reading->segments;
    if (*reading->at == '=') {
        do {
            reading->at++;
            if (!take_plain_segment(reading))
                return false;
        } while (*reading->at == '/');
    } else { /* {x} is {x=*} */
        const char *here = reading->at;
        reading->at = "*";
        bool good = take_plain_segment(reading);
        reading->at = here;
        if (!good)
            return false;
    }
    variable->count = reading->ended ? 0 : reading->segments - variable->first;
    if (*reading->at != '}')
        return refuse(reading, "expected \"}\"");
    reading->at++;
    return true;
}

static bool take_template(struct reading *reading)
{
    do {
        if (*reading->at != '/')
            return refuse(reading, "expected \"/\"");
        reading->at++;
        if (*reading->at != '{') {
            if (!take_plain_segment(reading))
                return false;
            continue;
        }
        reading->at++;
        if (!take_variable(reading))
            return false;
    } while (*reading->at == '/');
    if (*reading->at == ':') {
        reading->at++;
        reading->leaf->custom = take_literal(reading);
        if (reading->leaf->custom.size == 0)
            return refuse(reading, "expected a verb");
    }
    return *reading->at == '\0' || refuse(reading, "an unexpected character");
}

/* The body's name; response_body is of another message and checked where that is known. */
static bool check_body(const struct reading *reading)
{
    const char *body = reading->rule->body;
    return body == NULL || body[0] == '\0' || strcmp(body, "*") == 0 ||
           codec_field_index(reading->request, aion_str_of(body)) >= 0 ||
           aion_fail(reading->err, AION_INVALID,
                     "template \"%s\": body \"%s\" is no field of the request",
                     reading->rule->path, body);
}

static bool same_requests(const struct leaf *a, const struct leaf *b)
{
    return strcmp(a->rule->verb, b->rule->verb) == 0 && aion_str_eq(a->custom, b->custom);
}

static bool add_leaf(struct reading *reading)
{
    for (const struct leaf *other = reading->node->leaves; other != NULL; other = other->next)
        if (same_requests(other, reading->leaf))
            return aion_fail(reading->err, AION_EXISTS,
                             "%s \"%s\" matches the same requests as \"%s\"",
                             reading->rule->verb, reading->rule->path, other->rule->path);
    reading->leaf->next = reading->node->leaves;
    reading->node->leaves = reading->leaf;
    return true;
}

bool codec_router_add(struct codec_router *router, const struct codec_http_rule *rule,
                      const struct codec_message *request, const void *target,
                      struct aion_err *err)
{
    struct leaf *leaf = calloc(1, sizeof(*leaf));
    if (leaf == NULL)
        return no_memory(err);
    leaf->rule = rule;
    leaf->target = target;
    struct reading reading = {.rule = rule,
                              .request = request,
                              .at = rule->path,
                              .node = &router->root,
                              .leaf = leaf,
                              .err = err};
    router->built = false;
    bool good = strlen(rule->path) <= TEMPLATE_MAX ? take_template(&reading)
                                                   : refuse(&reading, "over 512 bytes");
    if (good && check_body(&reading) && add_leaf(&reading))
        return true;
    for (size_t i = 0; i < leaf->variable_count; i++)
        free(leaf->variables[i].field_path);
    free(leaf);
    return false;
}

/* -- building ------------------------------------------------------------------------------ */

static int by_literal(const void *a, const void *b)
{
    const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
    return aion_str_cmp(x->literal, y->literal);
}

static void sort_node(struct node *node)
{
    if (node->child_count > 1)
        qsort(node->children, node->child_count, sizeof(*node->children), by_literal);
    for (size_t i = 0; i < node->child_count; i++)
        sort_node(node->children[i]);
    if (node->star != NULL)
        sort_node(node->star);
}

bool codec_router_build(struct codec_router *router, struct aion_err *err)
{
    (void)err; /* what could be wrong was refused when it was added */
    sort_node(&router->root);
    router->built = true;
    return true;
}

/* -- matching ------------------------------------------------------------------------------ */

struct path {
    aion_str segments[SEGMENTS_MAX];
    uint32_t count;
    aion_str
        custom;    /* behind the last ':' of the last segment; data NULL = none is looked for */
    aion_str verb; /* data NULL: any */
    const struct leaf *found;
};

/* HEAD is GET whose answer's body is left out. */
static bool verb_matches(const struct path *path, const struct leaf *leaf)
{
    return path->verb.data == NULL || aion_str_is(path->verb, leaf->rule->verb) ||
           (aion_str_is(path->verb, "HEAD") && strcmp(leaf->rule->verb, "GET") == 0);
}

static bool find_leaf(struct path *path, const struct node *node)
{
    for (const struct leaf *leaf = node->leaves; leaf != NULL; leaf = leaf->next)
        if (aion_str_eq(leaf->custom, path->custom) && verb_matches(path, leaf)) {
            path->found = leaf;
            return true;
        }
    return false;
}

static const struct node *child_of(const struct node *node, aion_str literal)
{
    size_t low = 0, high = node->child_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = aion_str_cmp(literal, node->children[middle]->literal);
        if (order == 0)
            return node->children[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Recursion as deep as the longest reading. */
static bool walk(struct path *path, const struct node *node, uint32_t depth)
{
    if (depth == path->count) {
        if (find_leaf(path, node))
            return true;
    } else {
        const struct node *child = child_of(node, path->segments[depth]);
        if (child != NULL && walk(path, child, depth + 1))
            return true;
        if (node->star != NULL && path->segments[depth].size > 0 &&
            walk(path, node->star, depth + 1))
            return true;
    }
    return node->rest != NULL && find_leaf(path, node->rest);
}

/* False: not absolute, or longer than any template without "**" could be. */
static bool split(aion_str text, struct path *path)
{
    if (text.size == 0 || text.data[0] != '/')
        return false;
    aion_str rest = aion_str_n(text.data + 1, text.size - 1);
    while (rest.data != NULL) {
        if (path->count == SEGMENTS_MAX)
            return false;
        path->segments[path->count++] = aion_str_cut(&rest, '/');
    }
    return true;
}

/* First with what stands behind the last ':' as a custom verb, then as part of the segment. */
static bool find(struct path *path, const struct node *root)
{
    aion_str *last = &path->segments[path->count - 1], whole = *last;
    const char *colon = memrchr(whole.data, ':', whole.size);
    if (colon != NULL) {
        last->size = (size_t)(colon - whole.data);
        path->custom = aion_str_n(colon + 1, whole.size - last->size - 1);
        if (path->custom.size > 0 && walk(path, root, 0))
            return true;
        *last = whole;
    }
    path->custom = (aion_str){0};
    return walk(path, root, 0);
}

static void give_variables(const struct path *path, struct codec_http_match *match)
{
    const struct leaf *leaf = path->found;
    match->var_count = leaf->variable_count;
    for (size_t i = 0; i < leaf->variable_count; i++) {
        const struct variable *variable = &leaf->variables[i];
        uint32_t count = variable->count > 0 ? variable->count : path->count - variable->first;
        struct codec_http_var *var = &match->vars[i];
        *var = (struct codec_http_var){.field_path = variable->field_path, .value = {"", 0}};
        var->multi = variable->count != 1;
        if (count == 0) /* "**" takes no segment as well */
            continue;
        const aion_str *first = &path->segments[variable->first], *last = first + count - 1;
        var->value = aion_str_n(first->data, (size_t)(last->data + last->size - first->data));
    }
}

/* The verbs that would match, in the order of RFC 9110 and RFC 5789. */
static bool other_verbs(struct path *path, const struct node *root, char *allow, size_t size)
{
    static const char *const verbs[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"};
    aion_str last = path->segments[path->count - 1];
    size_t used = 0;
    for (size_t i = 0; i < aion_countof(verbs); i++) {
        path->verb = aion_str_of(verbs[i]);
        if (find(path, root))
            used += (size_t)snprintf(allow + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     verbs[i]);
        path->segments[path->count - 1] = last; /* find() may have taken a custom verb off */
    }
    return used > 0;
}

bool codec_router_match(const struct codec_router *router, aion_str verb, aion_str text,
                        struct codec_http_match *ret_match, struct aion_err *err)
{
    struct path path;
    path.count = 0;
    path.found = NULL;
    path.verb = verb;
    *ret_match = (struct codec_http_match){.rule = NULL};
    if (!split(text, &path) || path.count == 0)
        return aion_fail(err, AION_NOT_FOUND, "nothing is served at this path");
    if (find(&path, &router->root)) {
        ret_match->rule = path.found->rule;
        ret_match->target = path.found->target;
        give_variables(&path, ret_match);
        return true;
    }
    if (!other_verbs(&path, &router->root, ret_match->allow, sizeof(ret_match->allow)))
        return aion_fail(err, AION_NOT_FOUND, "nothing is served at this path");
    return aion_fail(err, AION_UNIMPLEMENTED, "this path takes %s, not %.*s", ret_match->allow,
                     (int)(verb.size < 32 ? verb.size : 32), verb.data);
}
