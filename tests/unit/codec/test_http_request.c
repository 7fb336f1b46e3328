/* A request out of body, path and query. */
#include "codec/http_rule.h"
#include "codec_test.h"

static const struct codec_http_rule get_rule = {"GET", "/t/{f_string}/{inner.name=**}", "", ""};
static const struct codec_http_rule post_rule = {"POST", "/t/{f_string}", "*", ""};
static const struct codec_http_rule field_rule = {"PUT", "/t/{f_string}", "inner", ""};

static const char *request(struct fixture *fixture, const struct codec_http_rule *rule,
                           const char *path, const char *query, const char *body)
{
    struct codec_router *router = codec_router_new();
    struct codec_http_match match;
    assert_true(codec_router_add(router, rule, ALL, NULL, &fixture->err));
    assert_true(codec_router_build(router, &fixture->err));
    if (!codec_router_match(router, aion_str_of(rule->verb), aion_str_of(path), &match,
                            &fixture->err))
        fail_msg("%s", fixture->err.text);
    fixture->err.field[0] = '\0';
    ProtobufCMessage *m = codec_http_request(&match, ALL, aion_str_of(query), aion_str_of(body),
                                             NULL, &fixture->arena, &fixture->err);
    codec_router_free(router);
    if (m == NULL)
        return aion_arena_printf(&fixture->arena, "%s %s", aion_code_name(fixture->err.code),
                                 fixture->err.field);
    return printed(fixture, (all *)m);
}
#define GET(path, query) request(*state, &get_rule, path, query, "")

static void path_variables_are_decoded(void **state)
{
    assert_string_equal(GET("/t/a%20b%2Fc+d/x", ""),
                        "{\"fString\":\"a b/c+d\",\"inner\":{\"name\":\"x\"}}");
    /* of many segments: a slash that was encoded stays told from those that were not */
    assert_string_equal(GET("/t/a/x/y%2fz%20", ""),
                        "{\"fString\":\"a\",\"inner\":{\"name\":\"x/y%2fz \"}}");
    assert_string_equal(GET("/t/%C3%A9/x", ""),
                        "{\"fString\":\"\xc3\xa9\",\"inner\":{\"name\":\"x\"}}");
    assert_string_equal(GET("/t/%/x", ""), "INVALID_ARGUMENT f_string");
    assert_string_equal(GET("/t/%0/x", ""), "INVALID_ARGUMENT f_string");
    assert_string_equal(GET("/t/%zz/x", ""), "INVALID_ARGUMENT f_string");
    assert_string_equal(GET("/t/%00/x", ""), "INVALID_ARGUMENT f_string");
    assert_string_equal(GET("/t/%ff/x", ""), "INVALID_ARGUMENT f_string");
}

static void queries_take_every_kind_of_text(void **state)
{
    static const char *const cases[][2] = {
        {"fInt32=-5&f_int64=7", "\"fInt32\":-5,\"fInt64\":\"7\""},
        {"fDouble=1.5&fFloat=NaN&fBool=true",
         "\"fFloat\":\"NaN\",\"fDouble\":1.5,\"fBool\":true"},
        {"fColor=COLOR_BLUE", "\"fColor\":\"COLOR_BLUE\""},
        {"fColor=1", "\"fColor\":\"COLOR_RED\""},
        {"fBytes=-_8", "\"fBytes\":\"+/8=\""},
        {"maybeText=a+b%26c%3D", "\"maybeText\":\"a b&c=\""},
        {"maybeText", "\"maybeText\":\"\""},
        {"at=2026-11-23T10:00:00%2B01:00", "\"at\":\"2026-11-23T09:00:00Z\""},
        {"wait=1.5s&mask=aB,c", "\"wait\":\"1.500s\",\"mask\":\"aB,c\""},
        {"wInt64=5&wString=x&wBool=false",
         "\"wInt64\":\"5\",\"wString\":\"x\",\"wBool\":false"},
        {"rInt32=1&rInt32=2&rInt32=3&rInt32=4&rInt32=5", "\"rInt32\":[1,2,3,4,5]"},
        {"rString=a&rString=&&rBytes=AA", "\"rString\":[\"a\",\"\"],\"rBytes\":[\"AA==\"]"},
        {"rColor=COLOR_RED&rColor=0", "\"rColor\":[\"COLOR_RED\",\"COLOR_UNSPECIFIED\"]"},
        {"cNumber=5", "\"cNumber\":\"5\""},
        {"cInner.a=5&cInner.next.name=q", "\"cInner\":{\"a\":5,\"next\":{\"name\":\"q\"}}"},
        {"other-name=z", "\"other-name\":\"z\""},
    };
    for (size_t i = 0; i < aion_countof(cases); i++)
        if (strstr(GET("/t/s/n", cases[i][0]), cases[i][1]) == NULL)
            fail_msg("%s gives %s", cases[i][0], GET("/t/s/n", cases[i][0]));
    assert_string_equal(
        GET("/t/s/n", "inner.list=4&inner.a=3&inner.list=5"),
        "{\"fString\":\"s\",\"inner\":{\"a\":3,\"name\":\"n\",\"list\":[4,5]}}");
}

static void queries_that_say_what_cannot_be_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"nope=1", "nope"},
        {"inner.nope=1", "inner.nope"},
        {"fInt32=x", "fInt32"},
        {"fInt32=1&fInt32=2", "fInt32"},
        {"fInt32=1&f_int32=2", "f_int32"},
        {"fString=x", "fString"}, /* bound by the path */
        {"inner.name=x", "inner.name"},
        {"inner=x", "inner"},
        {"rInner=x", "rInner"},
        {"rInner.a=1", "rInner.a"},
        {"mText.a=1", "mText.a"},
        {"mText=1", "mText"},
        {"params=1", "params"},
        {"any=1", "any"},
        {"at=yesterday", "at"},
        {"at.seconds=5", "at.seconds"},
        {"fBool=1", "fBool"},
        {"cText=a&cNumber=1", "cNumber"},
        {"cInner.a=1&cText=a", "cText"},
        {"maybeText=%f", "maybeText"},
        {"maybeText=%00", "maybeText"},
        {"fInt32.a=1", "fInt32.a"},
        {"%ff=1", "?"},
        {"=1", ""},
        {".=1", "."},
        {"inner.next.next.next.next.next.next.next.next.next.a=1",
         "inner.next.next.next.next.next.next.next.next.next.a"},
    };
    for (size_t i = 0; i < aion_countof(cases); i++) {
        char expected[128];
        snprintf(expected, sizeof(expected), "INVALID_ARGUMENT %s", cases[i][1]);
        const char *got = GET("/t/s/n", cases[i][0]);
        if (strcmp(got, expected) != 0)
            fail_msg("%s gives %s", cases[i][0], got);
    }
}

static void bodies_follow_the_rule(void **state)
{
    assert_string_equal(
        request(*state, &post_rule, "/t/p", "", "{\"fInt32\":1,\"fString\":\"body\"}"),
        "{\"fInt32\":1,\"fString\":\"p\"}");
    assert_string_equal(request(*state, &post_rule, "/t/p", "", " \n"), "{\"fString\":\"p\"}");
    assert_string_equal(request(*state, &post_rule, "/t/p", "fInt32=1", "{}"),
                        "INVALID_ARGUMENT fInt32");
    assert_string_equal(request(*state, &post_rule, "/t/p", "", "{\"fInt32\":}"),
                        "INVALID_ARGUMENT f_int32");
    assert_string_equal(request(*state, &field_rule, "/t/p", "fInt32=3", "{\"a\":1}"),
                        "{\"fInt32\":3,\"fString\":\"p\",\"inner\":{\"a\":1}}");
    assert_string_equal(request(*state, &field_rule, "/t/p", "inner.name=x", "{\"a\":1}"),
                        "INVALID_ARGUMENT inner.name");
    assert_string_equal(request(*state, &field_rule, "/t/p", "", "{\"b\":1}"),
                        "INVALID_ARGUMENT inner.b");
    assert_string_equal(request(*state, &get_rule, "/t/p/n", "", "{}"), "INVALID_ARGUMENT ");
}

static void unknown_names_are_passed_over_when_told(void **state)
{
    struct fixture *fixture = *state;
    const struct codec_json_read options = {.ignore_unknown = true};
    struct codec_http_match match = {.rule = &get_rule};
    ProtobufCMessage *m = codec_http_request(
        &match, ALL, AION_STR("nope=1&fColor=NO&rColor=COLOR_RED&rColor=NO&cNull=NO&fInt32=4"),
        AION_STR(""), &options, &fixture->arena, &fixture->err);
    assert_non_null(m);
    assert_string_equal(printed(fixture, (all *)m),
                        "{\"fInt32\":4,\"rColor\":[\"COLOR_RED\"]}");
}

static void every_lack_of_memory_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    struct codec_http_match match = {.rule = &get_rule, .var_count = 1};
    match.vars[0] = (struct codec_http_var){"f_string", AION_STR("a%20b"), false};
    aion_str query =
        AION_STR("rInt32=1&rInt32=2&inner.name=x&wString=y&fBytes=AAAA&mask=a,b&maybeText=z");
    struct aion_arena arena;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    assert_non_null(
        codec_http_request(&match, ALL, query, AION_STR(""), NULL, &arena, &fixture->err));
    size_t need = arena.used;
    aion_arena_done(&arena);
    for (size_t limit = 0; limit < need; limit++) {
        aion_arena_init(&arena, limit, NULL, 0);
        assert_null(
            codec_http_request(&match, ALL, query, AION_STR(""), NULL, &arena, &fixture->err));
        assert_int_equal(fixture->err.code, AION_EXHAUSTED);
        aion_arena_done(&arena);
    }
}

static void parameters_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct codec_http_match match = {.rule = &get_rule};
    const struct codec_json_read options = {.elements_max = 100};
    struct aion_buf query;
    aion_buf_init(&query, 1 << 20);
    for (int i = 0; i < 101; i++)
        aion_buf_text(&query, "rInt32=1&");
    assert_null(codec_http_request(&match, ALL, aion_buf_view(&query), AION_STR(""), &options,
                                   &fixture->arena, &fixture->err));
    assert_int_equal(fixture->err.code, AION_EXHAUSTED);
    aion_buf_done(&query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(path_variables_are_decoded, "path variables are decoded"),
        TEST(queries_take_every_kind_of_text, "queries take every kind that one text can give"),
        TEST(queries_that_say_what_cannot_be_are_refused,
             "queries that say what cannot be are refused"),
        TEST(bodies_follow_the_rule,
             "the body is the message, a field or nothing, by the rule"),
        TEST(every_lack_of_memory_is_an_answer,
             "every lack of memory gives RESOURCE_EXHAUSTED"),
        TEST(unknown_names_are_passed_over_when_told,
             "unknown names are passed over when told"),
        TEST(parameters_are_bounded, "the number of parameters is bounded"),
    };
    return cmocka_run_group_tests_name("http_request", tests, NULL, NULL);
}
