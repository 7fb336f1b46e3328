/* YAML 1.2 as configuration needs it: one document of maps, lists and scalars, with a place for
 * every value.
 *
 * What invites mistakes is refused: duplicate keys, anchors and aliases (alias bombs), tags, a
 * second document, more than YAML_DEPTH_MAX levels or YAML_NODES_MAX values. Every error begins
 * with "file:line:column: ". Parsing is libfyaml's. */
#ifndef YAML_YAML_H
#define YAML_YAML_H

#include "base/arena.h"
#include "base/conf.h"
#include "base/err.h"

enum { YAML_DEPTH_MAX = 32, YAML_NODES_MAX = 100000, YAML_BYTES_MAX = 1024 * 1024 };

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;  /* a scalar in quotes is a text, whatever it looks like */
    aion_str key; /* of a member of a map */
    int key_line, key_column;
    aion_str value;                 /* scalar */
    const char *file;               /* as given to yaml_parse */
    int line, column;               /* from 1 */
    struct yaml_node *first, *next; /* children, in order */
    size_t count;                   /* of children */
};

/* The document in the arena; an empty one is an empty map. `file` names it in errors and must
 * live as long. AION_INVALID, or AION_EXHAUSTED for what is too large. */
const struct yaml_node *yaml_parse(const char *file, aion_str text, struct aion_arena *arena,
                                   struct aion_err *err) AION_MUST_CHECK;

/* The member of a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* Fills err: "file:line:column: " and the text. Returns false. */
bool yaml_fail(struct aion_err *err, const struct yaml_node *at, const char *fmt, ...)
    AION_PRINTF(3, 4) AION_COLD;
/* False when the map has a key that is none of `known` (NULL-terminated): names it, its place
 * and the nearest. */
bool yaml_only(const struct yaml_node *map, const char *const *known,
               struct aion_err *err) AION_MUST_CHECK;

/* A flat map of scalars as pairs for base/conf, in the arena. */
bool yaml_conf_pairs(const struct yaml_node *map, struct aion_arena *arena,
                     const struct aion_conf_pair **ret_pairs, size_t *ret_count,
                     struct aion_err *err) AION_MUST_CHECK;

#endif
