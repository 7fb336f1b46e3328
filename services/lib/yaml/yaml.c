/* The tree is built from libfyaml's events with a stack of our own. */
#include "yaml/yaml.h"

#include "base/map.h"

#include <libfyaml.h>
#include <stdlib.h>

struct level {
    struct yaml_node *node;
    struct yaml_node **last; /* where its next child goes */
    struct yaml_node *key;   /* a key that waits for its value */
};

struct build {
    const char *file;
    struct aion_arena *arena;
    struct aion_err *err;
    struct level levels[YAML_DEPTH_MAX];
    size_t depth;
    size_t nodes;
    unsigned documents;
    struct yaml_node *root;
};

bool yaml_fail(struct aion_err *err, const struct yaml_node *at, const char *fmt, ...)
{
    char text[240];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return aion_fail(err, AION_INVALID, "%s:%d:%d: %s", at->file, at->line, at->column, text);
}

/* -- characters ----------------------------------------------------------- */

/* UTF-8 without control characters: the library never returns from a directive that holds
 * anything else (found by fuzzing, libfyaml 0.7.12). */
static bool check_text(const char *file, aion_str text, struct aion_err *err)
{
    int line = 1, column = 1;
    for (size_t at = 0; at < text.size; column++) {
        size_t from = at;
        uint32_t code = aion_utf8_next(text, &at);
        if (code == 0xfffd && at == from + 1) /* one byte alone: not an encoded U+FFFD */
            return aion_fail(err, AION_INVALID, "%s:%d:%d: not UTF-8", file, line, column);
        if ((code < ' ' && code != '\t' && code != '\n' && code != '\r') || code == 0x7f)
            return aion_fail(err, AION_INVALID, "%s:%d:%d: a control character", file, line,
                             column);
        if (code != '\n')
            continue;
        line++;
        column = 0;
    }
    return true;
}

/* -- building ------------------------------------------------------------- */

static bool fail_at(struct build *build, const struct fy_mark *mark, const char *text)
{
    return aion_fail(build->err, AION_INVALID, "%s:%d:%d: %s", build->file,
                     mark != NULL ? mark->line + 1 : 1, mark != NULL ? mark->column + 1 : 1,
                     text);
}

static struct yaml_node *new_node(struct build *build, enum yaml_kind kind,
                                  const struct fy_mark *mark)
{
    struct yaml_node *node = aion_arena_zalloc(build->arena, sizeof(*node));
    if (node == NULL || ++build->nodes > YAML_NODES_MAX) {
        aion_err_set(build->err, __func__, AION_EXHAUSTED, "%s: more than %d values",
                     build->file, YAML_NODES_MAX);
        return NULL;
    }
    node->kind = kind;
    node->file = build->file;
    node->line = mark != NULL ? mark->line + 1 : 1;
    node->column = mark != NULL ? mark->column + 1 : 1;
    return node;
}

static bool duplicate_key(const struct level *level, aion_str key)
{
    for (const struct yaml_node *node = level->node->first; node != NULL; node = node->next)
        if (aion_str_eq(node->key, key))
            return true;
    return false;
}

/* A scalar where a key of a map is due. */
static bool take_key(struct build *build, struct level *level, struct yaml_node *node)
{
    if (duplicate_key(level, node->value))
        return yaml_fail(build->err, node, "the key \"%.*s\" stands twice in one map",
                         AION_STR_ARG(node->value));
    level->key = node;
    return true;
}

static void append(struct level *level, struct yaml_node *node)
{
    if (level->key != NULL) {
        node->key = level->key->value;
        node->key_line = level->key->line;
        node->key_column = level->key->column;
        level->key = NULL;
    }
    *level->last = node;
    level->last = &node->next;
    level->node->count++;
}

/* Puts a node where it belongs: the root, a list's end, a map's value. */
static bool place(struct build *build, struct yaml_node *node)
{
    if (build->depth == 0) {
        build->root = node;
        return true;
    }
    struct level *level = &build->levels[build->depth - 1];
    if (level->node->kind == YAML_MAP && level->key == NULL) {
        if (node->kind != YAML_SCALAR)
            return yaml_fail(build->err, node, "a key must be a plain text");
        return take_key(build, level, node);
    }
    append(level, node);
    return true;
}

static bool open_level(struct build *build, enum yaml_kind kind, const struct fy_mark *mark)
{
    if (build->depth == YAML_DEPTH_MAX)
        return fail_at(build, mark, "nested too deeply");
    struct yaml_node *node = new_node(build, kind, mark);
    if (node == NULL || !place(build, node))
        return false;
    build->levels[build->depth++] = (struct level){.node = node, .last = &node->first};
    return true;
}

static bool add_scalar(struct build *build, struct fy_event *event, const struct fy_mark *mark)
{
    size_t size = 0;
    const char *text =
        event->scalar.value != NULL ? fy_token_get_text(event->scalar.value, &size) : "";
    struct yaml_node *node = new_node(build, YAML_SCALAR, mark);
    if (node == NULL)
        return false;
    if (!aion_utf8_valid(text, size) || memchr(text, 0, size) != NULL)
        return fail_at(build, mark, "not valid UTF-8 text");
    node->value = aion_arena_str(build->arena, aion_str_n(text, size));
    if (node->value.data == NULL)
        return fail_at(build, mark, "too large");
    enum fy_scalar_style style =
        event->scalar.value != NULL ? fy_token_scalar_style(event->scalar.value) : FYSS_PLAIN;
    node->quoted = style != FYSS_PLAIN;
    if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
        node->column--; /* the mark is behind the quote */
    return place(build, node);
}

/* Anchors and tags hang on values; both are refused. */
static bool plain(struct build *build, const struct fy_token *anchor,
                  const struct fy_token *tag, const struct fy_mark *mark)
{
    if (anchor != NULL)
        return fail_at(build, mark,
                       "anchors are not supported; write the value where it is used");
    return tag == NULL || fail_at(build, mark, "tags are not supported");
}

static bool on_event(struct build *build, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return build->documents++ == 0 || fail_at(build, mark, "a second document begins here");
    case FYET_MAPPING_START:
        return plain(build, event->mapping_start.anchor, event->mapping_start.tag, mark) &&
               open_level(build, YAML_MAP, mark);
    case FYET_SEQUENCE_START:
        return plain(build, event->sequence_start.anchor, event->sequence_start.tag, mark) &&
               open_level(build, YAML_LIST, mark);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        build->depth--;
        return true;
    case FYET_SCALAR:
        return plain(build, event->scalar.anchor, event->scalar.tag, mark) &&
               add_scalar(build, event, mark);
    case FYET_ALIAS:
        return fail_at(build, mark,
                       "aliases are not supported; write the value where it is used");
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        break;
    }
    return true;
}

/* -- parsing -------------------------------------------------------------- */

static bool syntax_error(struct build *build, struct fy_parser *parser)
{
    void *iterator = NULL;
    struct fy_diag *diag = fy_parser_get_diag(parser); /* counted */
    struct fy_diag_error *first = fy_diag_errors_iterate(diag, &iterator);
    if (first != NULL)
        (void)aion_fail(build->err, AION_INVALID, "%s:%d:%d: %s", build->file, first->line,
                        first->column, first->msg);
    else
        (void)aion_fail(build->err, AION_INVALID, "%s:1:1: not YAML", build->file);
    fy_diag_unref(diag);
    return false;
}

static bool run(struct build *build, struct fy_parser *parser)
{
    for (;;) {
        struct fy_event *event = fy_parser_parse(parser);
        if (event == NULL)
            return fy_parser_get_stream_error(parser) ? syntax_error(build, parser) : true;
        bool good = on_event(build, event);
        fy_parser_event_free(parser, event);
        if (!good)
            return false;
    }
}

static struct fy_diag *new_diag(void)
{
    struct fy_diag_cfg conf;
    fy_diag_cfg_default(&conf);
    conf.fp = NULL;
    struct fy_diag *diag = fy_diag_create(&conf);
    if (diag != NULL)
        fy_diag_set_collect_errors(diag, true);
    return diag;
}

const struct yaml_node *yaml_parse(const char *file, aion_str text, struct aion_arena *arena,
                                   struct aion_err *err)
{
    struct build build = {.file = file, .arena = arena, .err = err};
    if (text.size > YAML_BYTES_MAX)
        return aion_fail_null(err, AION_EXHAUSTED, "%s: larger than %d bytes", file,
                              YAML_BYTES_MAX);
    if (!check_text(file, text, err))
        return NULL;
    struct fy_diag *diag = new_diag();
    struct fy_parse_cfg conf = {
        .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE, .diag = diag};
    struct fy_parser *parser = diag != NULL ? fy_parser_create(&conf) : NULL;
    bool good = parser != NULL;
    if (!good)
        (void)aion_fail(err, AION_UNAVAILABLE, "%s: out of memory", file);
    if (good && text.size > 0) {
        fy_parser_set_string(parser, text.data, text.size);
        good = run(&build, parser);
    }
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    if (!good)
        return NULL;
    bool empty = build.root == NULL || (build.root->kind == YAML_SCALAR &&
                                        build.root->value.size == 0 && !build.root->quoted);
    return empty ? new_node(&build, YAML_MAP, NULL) : build.root;
}

/* -- reading -------------------------------------------------------------- */

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    if (map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_node *node = map->first; node != NULL; node = node->next)
        if (aion_str_is(node->key, key))
            return node;
    return NULL;
}

static const char *nearest(aion_str key, const char *const *known)
{
    const char *best = NULL;
    size_t least = 4;
    for (; *known != NULL; known++) {
        size_t distance = aion_str_distance(key, aion_str_of(*known));
        if (distance < least) {
            least = distance;
            best = *known;
        }
    }
    return best;
}

static bool is_known(aion_str key, const char *const *known)
{
    for (; *known != NULL; known++)
        if (aion_str_is(key, *known))
            return true;
    return false;
}

bool yaml_only(const struct yaml_node *map, const char *const *known, struct aion_err *err)
{
    for (const struct yaml_node *node = map->first; node != NULL; node = node->next) {
        if (is_known(node->key, known))
            continue;
        const char *near = nearest(node->key, known);
        return aion_fail(err, AION_INVALID, "%s:%d:%d: unknown key \"%.*s\"%s%s", node->file,
                         node->key_line, node->key_column, AION_STR_ARG(node->key),
                         near != NULL ? "; nearest: " : "", near != NULL ? near : "");
    }
    return true;
}

bool yaml_conf_pairs(const struct yaml_node *map, struct aion_arena *arena,
                     const struct aion_conf_pair **ret_pairs, size_t *ret_count,
                     struct aion_err *err)
{
    if (map->kind != YAML_MAP)
        return yaml_fail(err, map, "expected a map of options");
    struct aion_conf_pair *pairs = aion_arena_array(arena, map->count + 1, sizeof(*pairs));
    size_t count = 0;
    for (const struct yaml_node *node = map->first; node != NULL; node = node->next) {
        if (node->kind != YAML_SCALAR)
            return yaml_fail(err, node, "option \"%.*s\": expected a single value",
                             AION_STR_ARG(node->key));
        struct aion_conf_pair pair = {
            .key = aion_arena_text(arena, node->key),
            .value = aion_arena_text(arena, node->value),
            .at = aion_arena_printf(arena, "%s:%d:%d", node->file, node->line, node->column)};
        if (pairs == NULL || pair.key == NULL || pair.value == NULL || pair.at == NULL)
            return aion_fail(err, AION_EXHAUSTED, "%s: too large", map->file);
        pairs[count++] = pair;
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return true;
}
