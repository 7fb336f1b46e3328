/* google.api.http: path templates compiled to one routing tree, query parameters, body and
 * response_body.
 *
 * Source: google/api/http.proto. Template grammar: "/" Segments [ ":" Verb ]; segment = "*" |
 * "**" | LITERAL | "{" field_path [ "=" segments ] "}". */
#ifndef CODEC_HTTP_RULE_H
#define CODEC_HTTP_RULE_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/json.h"
#include "codec/schema.h"

/* Generated: one row per binding (additional_bindings are rows of their own). */
struct codec_http_rule {
    const char *verb; /* "GET", "POST", ... */
    const char *path; /* the template as written */
    const char *body; /* "" none, "*" whole message, else a top-level field's proto name */
    const char *response_body; /* "" whole message, else a top-level field's proto name */
};

struct codec_router; /* immutable after build; any thread */

/* Starts empty; add all rules, then build. `target` is what a match gives back (a mesh_method).
 * AION_INVALID names the template and the place; AION_EXISTS: two rules match the same requests
 * equally. */
struct codec_router *codec_router_new(void);
void codec_router_free(struct codec_router *router);
bool codec_router_add(struct codec_router *router, const struct codec_http_rule *rule,
                      const struct codec_message *request, const void *target,
                      struct aion_err *err) AION_MUST_CHECK;
bool codec_router_build(struct codec_router *router, struct aion_err *err) AION_MUST_CHECK;

enum { CODEC_HTTP_VARS_MAX = 8 };

struct codec_http_match {
    const struct codec_http_rule *rule;
    const void *target;
    size_t var_count;
    struct codec_http_var {
        const char *field_path; /* "task_id" or "a.b" */
        aion_str value;         /* still percent-encoded, borrowed from path */
        bool multi;             /* matched more than one segment: %2F stays encoded */
    } vars[CODEC_HTTP_VARS_MAX];
    char allow[64]; /* on AION_UNIMPLEMENTED: the verbs that would match, "GET, DELETE" */
};

/* `path` without query. AION_NOT_FOUND: no template; AION_UNIMPLEMENTED: the template exists
 * for other verbs only: ret_match->allow lists them for the Allow header. Literals win over
 * variables, longer matches over "**". HEAD matches GET. Paths of over 32 segments are not
 * found. */
bool codec_router_match(const struct codec_router *router, aion_str verb, aion_str path,
                        struct codec_http_match *ret_match,
                        struct aion_err *err) AION_MUST_CHECK;

/* Makes the request message: body by the rule, then path variables, then query parameters
 * (?a.b=1&list=x&list=y; JSON names or proto names; scalars, enums, wrappers, Timestamp,
 * Duration, FieldMask). Query parameters that name no field, a repeated message or a field
 * bound by path or body are refused. AION_INVALID with err->field; AION_EXHAUSTED. */
ProtobufCMessage *codec_http_request(const struct codec_http_match *match,
                                     const struct codec_message *request, aion_str query,
                                     aion_str body, const struct codec_json_read *options,
                                     struct aion_arena *arena,
                                     struct aion_err *err) AION_MUST_CHECK;

/* Percent-decoding into the arena; '+' is a space only in queries. Invalid escapes: false. */
bool codec_percent_decode(aion_str text, bool plus_is_space, bool keep_slash,
                          struct aion_arena *arena, aion_str *ret_text);

#endif
