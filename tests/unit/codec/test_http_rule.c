/* The routing tree: templates, precedence, custom verbs, variables, refusals, the Allow header.
 */
#include "codec/http_rule.h"
#include "codec_test.h"

static const struct codec_http_rule rules[] = {
    {"GET", "/v1/tasks", "", ""},
    {"POST", "/v1/tasks", "*", ""},
    {"POST", "/v1/tasks:batch", "*", ""},
    {"GET", "/v1/tasks/{f_string}", "", ""},
    {"DELETE", "/v1/tasks/{f_string}", "", ""},
    {"GET", "/v1/tasks/special", "", ""},
    {"GET", "/v1/tasks/{f_string}/status", "", ""},
    {"POST", "/v1/stream/{f_string}:ack", "*", ""},
    {"GET", "/v1/stream/{f_string}", "", ""},
    {"GET", "/v1/{f_string=shelves/*/books/**}", "", ""},
    {"GET", "/v1/files/**", "", ""},
    {"GET", "/v1/{inner.name=projects/*}/x/{maybe_text}", "", ""},
    {"PATCH", "/v1/*/any", "inner", ""},
};

static struct codec_router *router;

static int build(void **state)
{
    struct aion_err err;
    (void)state;
    router = codec_router_new();
    for (size_t i = 0; i < aion_countof(rules); i++)
        if (!codec_router_add(router, &rules[i], ALL, &rules[i], &err))
            fail_msg("%s", err.text);
    return codec_router_build(router, &err) ? 0 : -1;
}

static int drop(void **state)
{
    (void)state;
    codec_router_free(router);
    return 0;
}

/* "template|var=value|..." of a match, or the code's name. */
static const char *match(struct fixture *fixture, const char *verb, const char *path)
{
    struct codec_http_match found;
    aion_buf_reset(&fixture->out);
    if (!codec_router_match(router, aion_str_of(verb), aion_str_of(path), &found,
                            &fixture->err)) {
        aion_buf_printf(&fixture->out, "%s %s", aion_code_name(fixture->err.code), found.allow);
        return fixture->out.data;
    }
    assert_ptr_equal(found.target, found.rule);
    aion_buf_text(&fixture->out, found.rule->path);
    for (size_t i = 0; i < found.var_count; i++)
        aion_buf_printf(&fixture->out, "|%s=%.*s%s", found.vars[i].field_path,
                        AION_STR_ARG(found.vars[i].value),
                        found.vars[i].multi ? " (multi)" : "");
    return fixture->out.data;
}

static void literals_win_over_variables(void **state)
{
    assert_string_equal(match(*state, "GET", "/v1/tasks"), "/v1/tasks");
    assert_string_equal(match(*state, "GET", "/v1/tasks/abc"),
                        "/v1/tasks/{f_string}|f_string=abc");
    assert_string_equal(match(*state, "GET", "/v1/tasks/special"), "/v1/tasks/special");
    assert_string_equal(match(*state, "DELETE", "/v1/tasks/special"),
                        "/v1/tasks/{f_string}|f_string=special");
    assert_string_equal(match(*state, "GET", "/v1/tasks/special/status"),
                        "/v1/tasks/{f_string}/status|f_string=special");
    assert_string_equal(match(*state, "GET", "/v1/tasks/a%2Fb"),
                        "/v1/tasks/{f_string}|f_string=a%2Fb");
}

static void custom_verbs_are_told_from_segments(void **state)
{
    assert_string_equal(match(*state, "POST", "/v1/tasks:batch"), "/v1/tasks:batch");
    assert_string_equal(match(*state, "POST", "/v1/stream/x:ack"),
                        "/v1/stream/{f_string}:ack|f_string=x");
    assert_string_equal(match(*state, "POST", "/v1/stream/a:b:ack"),
                        "/v1/stream/{f_string}:ack|f_string=a:b");
    assert_string_equal(match(*state, "GET", "/v1/stream/x:ack"),
                        "/v1/stream/{f_string}|f_string=x:ack");
    assert_string_equal(match(*state, "POST", "/v1/tasks:nope"), "NOT_FOUND ");
}

static void variables_may_take_many_segments(void **state)
{
    assert_string_equal(
        match(*state, "GET", "/v1/shelves/1/books/a/b"),
        "/v1/{f_string=shelves/*/books/**}|f_string=shelves/1/books/a/b (multi)");
    assert_string_equal(match(*state, "GET", "/v1/shelves/1/books"),
                        "/v1/{f_string=shelves/*/books/**}|f_string=shelves/1/books (multi)");
    assert_string_equal(match(*state, "GET", "/v1/files/a/b/c"), "/v1/files/**");
    assert_string_equal(match(*state, "GET", "/v1/projects/p/x/y"),
                        "/v1/{inner.name=projects/*}/x/{maybe_text}|inner.name=projects/p "
                        "(multi)|maybe_text=y");
}

static void other_verbs_are_listed(void **state)
{
    assert_string_equal(match(*state, "PUT", "/v1/tasks/abc"),
                        "UNIMPLEMENTED GET, HEAD, DELETE");
    assert_string_equal(match(*state, "PUT", "/v1/tasks"), "UNIMPLEMENTED GET, HEAD, POST");
    assert_string_equal(match(*state, "PUT", "/v1/stream/x:ack"),
                        "UNIMPLEMENTED GET, HEAD, POST");
    assert_string_equal(match(*state, "HEAD", "/v1/tasks"), "/v1/tasks");
    assert_string_equal(match(*state, "get", "/v1/tasks"), "UNIMPLEMENTED GET, HEAD, POST");
}

static void other_paths_are_not_found(void **state)
{
    static const char *const none[] = {"",
                                       "/",
                                       "v1/tasks",
                                       "/v1",
                                       "/v1/",
                                       "/v1/tasks/",
                                       "/v1/tasks//status",
                                       "/v1/tasks/a/b",
                                       "//v1/tasks",
                                       "/v1/shelves//books",
                                       "/V1/tasks",
                                       ":batch",
                                       "/v1/tasks/a/status/"};
    for (size_t i = 0; i < aion_countof(none); i++)
        assert_string_equal(match(*state, "GET", none[i]), "NOT_FOUND ");
    char deep[4096];
    memset(deep, '/', sizeof(deep));
    deep[sizeof(deep) - 1] = '\0';
    assert_string_equal(match(*state, "GET", deep), "NOT_FOUND ");
}

static void bad_templates_are_refused_with_the_place(void **state)
{
    static const char *const bad[] = {
        "",
        "v1",
        "/",
        "/v1/",
        "/v1//a",
        "/v1/{f_string",
        "/v1/{f_string=}",
        "/v1/{}",
        "/v1/{nope}",
        "/v1/{r_int32}",
        "/v1/{inner}",
        "/v1/{inner.nope}",
        "/v1/**/a",
        "/v1/{f_string=**}/a",
        "/v1/a:",
        "/v1/a b",
        "/v1/{f_string}{f_bool}",
        "/v1/{f_string}/{f_string}",
        "/v1/{f_string=a/{f_bool}}",
        "/v1/***",
        "/v1/a?b",
        "/v1/{m_text}",
        "/v1/{params}",
        "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a",
    };
    struct fixture *fixture = *state;
    struct codec_router *other = codec_router_new();
    for (size_t i = 0; i < aion_countof(bad); i++) {
        const struct codec_http_rule rule = {"GET", bad[i], "", ""};
        if (codec_router_add(other, &rule, ALL, NULL, &fixture->err))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(fixture->err.code, AION_INVALID);
    }
    const struct codec_http_rule body = {"POST", "/v1/a", "nope", ""};
    assert_false(codec_router_add(other, &body, ALL, NULL, &fixture->err));
    assert_non_null(strstr(fixture->err.text, "body \"nope\""));
    codec_router_free(other);
    codec_router_free(NULL);
}

static void equal_rules_are_refused(void **state)
{
    static const struct codec_http_rule one = {"GET", "/v1/{f_string}", "", ""},
                                        two = {"GET", "/v1/{maybe_text=*}", "", ""},
                                        three = {"POST", "/v1/{f_string}", "", ""};
    struct fixture *fixture = *state;
    struct codec_router *other = codec_router_new();
    assert_true(codec_router_add(other, &one, ALL, NULL, &fixture->err));
    assert_false(codec_router_add(other, &two, ALL, NULL, &fixture->err));
    assert_int_equal(fixture->err.code, AION_EXISTS);
    assert_true(codec_router_add(other, &three, ALL, NULL, &fixture->err));
    codec_router_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(literals_win_over_variables, "literals win over variables"),
        TEST(custom_verbs_are_told_from_segments, "custom verbs are told from segments"),
        TEST(variables_may_take_many_segments, "variables may take many segments"),
        TEST(other_verbs_are_listed, "a path of other verbs lists them"),
        TEST(other_paths_are_not_found, "other paths are not found"),
        TEST(bad_templates_are_refused_with_the_place, "bad templates are refused"),
        TEST(equal_rules_are_refused, "two rules for the same requests are refused"),
    };
    return cmocka_run_group_tests_name("http_rule", tests, build, drop);
}
