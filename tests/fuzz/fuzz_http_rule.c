/* "template LF path LF query LF body": templates of any bytes are refused or match; a match
 * makes a request or a refusal. A second, fixed template stands beside the first. */
#include "aion/test/codec.schema.h"
#include "codec/http_rule.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct codec_message *const schema = &aion__test__all__schema;

static void match(const struct codec_router *router, aion_str path, aion_str query,
                  aion_str body)
{
    struct codec_http_match found;
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, 4 << 20, NULL, 0);
    if (codec_router_match(router, AION_STR("GET"), path, &found, &err))
        (void)!codec_http_request(&found, schema, query, body, NULL, &arena, &err);
    else
        assert(err.code == AION_NOT_FOUND ||
               (err.code == AION_UNIMPLEMENTED && found.allow[0]));
    aion_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct codec_http_rule fixed = {"POST", "/v1/{inner.name=a/*}:go", "r_inner",
                                                 ""};
    struct codec_http_rule rule = {"GET", NULL, "inner", ""};
    aion_str rest = aion_str_n(data, size);
    aion_str template = aion_str_cut(&rest, '\n'), path = aion_str_cut(&rest, '\n'),
             query = aion_str_cut(&rest, '\n');
    char *text = strndup(template.size > 0 ? template.data : "", template.size);
    rule.path = text;
    struct aion_err err;
    struct codec_router *router = codec_router_new();
    if (!codec_router_add(router, &fixed, schema, NULL, &err))
        abort();
    (void)!codec_router_add(router, &rule, schema, NULL, &err);
    if (!codec_router_build(router, &err))
        abort();
    match(router, path, query, rest);
    codec_router_free(router);
    free(text);
    return 0;
}
