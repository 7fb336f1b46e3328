/* Reading JSON by schema: every kind of field, what is refused, where the error points, and
 * every limit. */
#include "codec_test.h"

#include <stdlib.h>

static void reads_scalars(void **state)
{
    const all *m = parsed(
        *state, "{\"fInt32\":-5,\"fInt64\":\"-9223372036854775808\",\"fUint32\":4294967295,"
                "\"fUint64\":18446744073709551615,\"fSint32\":-2147483648,\"fSint64\":12,"
                "\"fFixed32\":1,\"fFixed64\":\"2\",\"fSfixed32\":-3,\"fSfixed64\":\"-4\","
                "\"fFloat\":1.5,\"fDouble\":-2.25e-3,\"fBool\":true,\"fString\":\"h\\u00e9\","
                "\"fBytes\":\"AQID\",\"fColor\":\"COLOR_BLUE\"}");
    assert_int_equal(m->f_int32, -5);
    assert_true(m->f_int64 == INT64_MIN);
    assert_true(m->f_uint32 == UINT32_MAX);
    assert_true(m->f_uint64 == UINT64_MAX);
    assert_true(m->f_sint32 == INT32_MIN);
    assert_true(m->f_sint64 == 12);
    assert_true(m->f_fixed32 == 1 && m->f_fixed64 == 2);
    assert_true(m->f_sfixed32 == -3 && m->f_sfixed64 == -4);
    assert_true(m->f_float == 1.5F && m->f_double == -2.25e-3);
    assert_true(m->f_bool);
    assert_string_equal(m->f_string, "h\xc3\xa9");
    assert_int_equal(m->f_bytes.len, 3);
    assert_memory_equal(m->f_bytes.data, "\1\2\3", 3);
    assert_int_equal(m->f_color, AION__TEST__COLOR__COLOR_BLUE);
}

static void takes_both_names(void **state)
{
    assert_int_equal(parsed(*state, "{\"f_int32\":1}")->f_int32, 1);
    assert_int_equal(parsed(*state, "{\"fInt32\":1}")->f_int32, 1);
    assert_string_equal(parsed(*state, "{\"other-name\":\"x\"}")->renamed, "x");
    assert_string_equal(parsed(*state, "{\"renamed\":\"x\"}")->renamed, "x");
}

static void takes_integral_numbers_in_every_form(void **state)
{
    assert_int_equal(parsed(*state, "{\"fInt32\":1.0}")->f_int32, 1);
    assert_int_equal(parsed(*state, "{\"fInt32\":1e5}")->f_int32, 100000);
    assert_int_equal(parsed(*state, "{\"fInt32\":\"1e2\"}")->f_int32, 100);
    assert_int_equal(parsed(*state, "{\"fInt32\":1200e-2}")->f_int32, 12);
    assert_int_equal(parsed(*state, "{\"fUint32\":-0}")->f_uint32, 0);
}

static void refuses_numbers_that_do_not_fit(void **state)
{
    static const char *const bad[] = {
        "{\"fInt32\":2147483648}",    "{\"fInt32\":0.5}",     "{\"fInt32\":\"\"}",
        "{\"fInt32\":\" 1\"}",        "{\"fInt32\":\"1 \"}",  "{\"fInt32\":\"+1\"}",
        "{\"fInt32\":\"0x1\"}",       "{\"fInt32\":\"NaN\"}", "{\"fInt32\":true}",
        "{\"fInt32\":1e99999999999}", "{\"fInt32\":[]}",      "{\"fInt32\":01}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(*state, bad[i], AION_INVALID, "f_int32");
    refused(*state, "{\"fUint32\":-1}", AION_INVALID, "f_uint32");
    refused(*state, "{\"fUint64\":18446744073709551616}", AION_INVALID, "f_uint64");
    refused(*state, "{\"fInt64\":9223372036854775808}", AION_INVALID, "f_int64");
    refused(*state, "{\"fFloat\":3.5e38}", AION_INVALID, "f_float");
    refused(*state, "{\"fDouble\":1.8e308}", AION_INVALID, "f_double");
    refused(*state, "{\"fDouble\":NaN}", AION_INVALID, "f_double");
    refused(*state, "{\"fDouble\":\"inf\"}", AION_INVALID, "f_double");
}

static void takes_special_doubles_in_quotes(void **state)
{
    assert_true(__builtin_isnan(parsed(*state, "{\"fDouble\":\"NaN\"}")->f_double));
    assert_true(__builtin_isinf(parsed(*state, "{\"fFloat\":\"-Infinity\"}")->f_float));
    assert_true(parsed(*state, "{\"fDouble\":\"1.5\"}")->f_double == 1.5);
}

static void reads_enums(void **state)
{
    assert_int_equal(parsed(*state, "{\"fColor\":\"COLOR_ROUGE\"}")->f_color, 1);
    assert_int_equal(parsed(*state, "{\"fColor\":-5}")->f_color, -5);
    assert_int_equal((int)parsed(*state, "{\"fColor\":77}")->f_color, 77);
    refused(*state, "{\"fColor\":\"red\"}", AION_INVALID, "f_color");
    refused(*state, "{\"fColor\":\"1\"}", AION_INVALID, "f_color");
    refused(*state, "{\"fColor\":1.5}", AION_INVALID, "f_color");
    refused(*state, "{\"fColor\":true}", AION_INVALID, "f_color");
}

static void takes_either_base64_with_or_without_padding(void **state)
{
    static const char *const same[] = {"{\"fBytes\":\"+/8=\"}", "{\"fBytes\":\"-_8=\"}",
                                       "{\"fBytes\":\"-_8\"}", "{\"fBytes\":\"\\u002b/8\"}"};
    for (size_t i = 0; i < 4; i++) {
        const all *m = parsed(*state, same[i]);
        assert_int_equal(m->f_bytes.len, 2);
        assert_memory_equal(m->f_bytes.data, "\xfb\xff", 2);
    }
    refused(*state, "{\"fBytes\":\"A\"}", AION_INVALID, "f_bytes");
    refused(*state, "{\"fBytes\":\"AA=\"}", AION_INVALID, "f_bytes");
    refused(*state, "{\"fBytes\":\"A*==\"}", AION_INVALID, "f_bytes");
    refused(*state, "{\"fBytes\":7}", AION_INVALID, "f_bytes");
}

static void null_leaves_fields_unset(void **state)
{
    const all *m =
        parsed(*state, "{\"fInt32\":null,\"fString\":null,\"inner\":null,\"rInt32\":null,"
                       "\"mText\":null,\"maybeInt\":null,\"wInt64\":null,\"cText\":null,"
                       "\"cNumber\":3,\"at\":null,\"any\":null}");
    assert_int_equal(m->f_int32, 0);
    assert_string_equal(m->f_string, "");
    assert_null(m->inner);
    assert_int_equal(m->n_r_int32, 0);
    assert_int_equal(m->_maybe_int_case, 0);
    assert_null(m->w_int64);
    assert_int_equal(m->choice_case, AION__TEST__ALL__CHOICE_C_NUMBER);
}

static void null_is_a_value_where_it_has_a_meaning(void **state)
{
    const all *m = parsed(*state, "{\"value\":null,\"cNull\":null}");
    assert_int_equal(m->value->kind_case, GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE);
    assert_int_equal(m->choice_case, AION__TEST__ALL__CHOICE_C_NULL);
    refused(*state, "{\"rInt32\":[1,null]}", AION_INVALID, "r_int32[1]");
    refused(*state, "{\"rString\":[null]}", AION_INVALID, "r_string[0]");
    refused(*state, "{\"mText\":{\"a\":null}}", AION_INVALID, "m_text.a");
    refused(*state, "{\"rInner\":[null]}", AION_INVALID, "r_inner[0]");
}

static void optional_fields_know_whether_they_are_set(void **state)
{
    const all *m = parsed(*state, "{\"maybeInt\":0,\"maybeText\":\"\"}");
    assert_int_equal(m->_maybe_int_case, 18);
    assert_int_equal(m->_maybe_text_case, 19);
    assert_string_equal(m->maybe_text, "");
}

static void refuses_two_members_of_one_oneof(void **state)
{
    refused(*state, "{\"cText\":\"a\",\"cNumber\":1}", AION_INVALID, "c_number");
    refused(*state, "{\"cText\":\"a\",\"cText\":\"b\"}", AION_INVALID, "c_text");
}

static void refuses_a_member_that_stands_twice(void **state)
{
    refused(*state, "{\"fInt32\":1,\"fInt32\":1}", AION_INVALID, "f_int32");
    refused(*state, "{\"fInt32\":1,\"f_int32\":1}", AION_INVALID, "f_int32");
    refused(*state, "{\"mText\":{\"a\":\"\",\"b\":\"\",\"a\":\"\"}}", AION_INVALID, "m_text.a");
    refused(*state, "{\"mInner\":{\"1\":{},\"1\":{}}}", AION_INVALID, "m_inner.1");
    refused(*state, "{\"params\":{\"a\":{\"x\":1,\"x\":2}}}", AION_INVALID, "params.a.x");
}

static void refuses_a_key_that_stands_twice_in_a_large_object(void **state)
{
    struct fixture *fixture = *state;
    aion_buf_text(&fixture->out, "{\"mText\":{");
    for (int i = 0; i < 3000; i++)
        aion_buf_printf(&fixture->out, "%s\"k%d\":\"\"", i > 0 ? "," : "", (i * 7919) % 3001);
    size_t before = fixture->out.size;
    aion_buf_text(&fixture->out, "}}");
    assert_int_equal(parsed(fixture, fixture->out.data)->n_m_text, 3000);
    fixture->out.size = before;
    aion_buf_text(&fixture->out, ",\"k7\":\"\"}}");
    refused(fixture, fixture->out.data, AION_INVALID, "m_text");
}

static void reads_repeated_fields_and_maps(void **state)
{
    const all *m =
        parsed(*state,
               "{ \"rInt32\" : [ 1 , 2,3,4,5,6,7,8,9 ], \"rInner\":[{\"a\":1},{}],"
               "\"rColor\":[\"COLOR_RED\",9],\"rBytes\":[\"\",\"AA==\"],\"rBool\":[true,false],"
               "\"mInner\":{\"-7\":{\"a\":3}},\"mWide\":{\"18446744073709551615\":true},"
               "\"mColor\":{\"true\":\"COLOR_BLUE\"},\"mText\":{}}");
    assert_int_equal(m->n_r_int32, 9);
    assert_int_equal(m->r_int32[8], 9);
    assert_int_equal(m->n_r_inner, 2);
    assert_int_equal(m->r_inner[0]->a, 1);
    assert_int_equal(m->n_r_color, 2);
    assert_int_equal(m->r_bytes[1].len, 1);
    assert_true(m->r_bool[0] && !m->r_bool[1]);
    assert_int_equal(m->m_inner[0]->key, -7);
    assert_int_equal(m->m_inner[0]->value->a, 3);
    assert_true(m->m_wide[0]->key == UINT64_MAX);
    assert_true(m->m_color[0]->key);
    refused(*state, "{\"mColor\":{\"yes\":0}}", AION_INVALID, "m_color.yes");
    refused(*state, "{\"mInner\":{\"x\":{}}}", AION_INVALID, "m_inner.x");
    refused(*state, "{\"rInt32\":{}}", AION_INVALID, "r_int32");
    refused(*state, "{\"mText\":[]}", AION_INVALID, "m_text");
}

static void says_where_and_what(void **state)
{
    struct fixture *fixture = *state;
    refused(fixture, "{\n  \"rInner\": [{}, {\"a\": \"x\"}]}", AION_INVALID, "r_inner[1].a");
    assert_string_equal(fixture->err.text,
                        "r_inner[1].a: \"x\" is not a 32-bit integer at 2:27");
    refused(fixture, "{\"inner\":{\"next\":{\"b\":1}}}", AION_INVALID, "inner.next.b");
    assert_non_null(strstr(fixture->err.text, "no such field"));
    refused(fixture, "{\"fBool\":1}", AION_INVALID, "f_bool");
    assert_non_null(strstr(fixture->err.text, "expected true or false, found a number"));
    refused(fixture, "{\"fInt32\"", AION_INVALID, "");
    assert_non_null(strstr(fixture->err.text, "expected ':', found the end"));
}

static void errors_are_utf8_however_they_are_cut(void **state)
{
    static const char *const around[][2] = {
        {"{\"fColor\":\"", "\"}"}, {"{\"mText\":{\"", "\":1}}"}, {"{\"", "\":1}"}};
    struct fixture *fixture = *state;
    char euros[60 * 3 + 1] = "", json[300];
    for (int i = 0; i < 60; i++)
        memcpy(euros + (size_t)i * 3, "\xe2\x82\xac", 4);
    for (size_t form = 0; form < 3; form++)
        for (int pad = 0; pad < 3; pad++) {
            snprintf(json, sizeof(json), "%s%.*s%s%s", around[form][0], pad, "xxx", euros,
                     around[form][1]);
            assert_null(parse(fixture, json));
            assert_true(aion_utf8_valid(fixture->err.field, strlen(fixture->err.field)));
            assert_true(aion_utf8_valid(fixture->err.text, strlen(fixture->err.text)));
        }
}

static void passes_over_unknown_names_when_told(void **state)
{
    struct fixture *fixture = *state;
    const struct codec_json_read options = {.ignore_unknown = true};
    const char *json =
        "{\"nope\":{\"a\":[1,{\"b\":\"\\u0041\"}]},\"fInt32\":3,\"fColor\":\"NO\","
        "\"rColor\":[\"NO\",\"COLOR_RED\"],\"mColor\":{\"true\":\"NO\"}}";
    const all *m = (all *)codec_json_parse(ALL, aion_str_of(json), &options, &fixture->arena,
                                           &fixture->err);
    assert_non_null(m);
    assert_int_equal(m->f_int32, 3);
    assert_int_equal(m->f_color, 0);
    assert_int_equal(m->n_r_color, 1);
    assert_int_equal(m->n_m_color, 0);
    json = "{\"nope\":[1,]}";
    assert_null(
        codec_json_parse(ALL, aion_str_of(json), &options, &fixture->arena, &fixture->err));
}

static void refuses_bad_strings(void **state)
{
    static const char *const bad[] = {
        "{\"fString\":\"\x80\"}",           "{\"fString\":\"\xc0\xaf\"}",
        "{\"fString\":\"\xed\xa0\x80\"}",   "{\"fString\":\"\xf4\x90\x80\x80\"}",
        "{\"fString\":\"\\ud800\"}",        "{\"fString\":\"\\udc00\\ud800\"}",
        "{\"fString\":\"\\ud800\\u0041\"}", "{\"fString\":\"\\u0000\"}",
        "{\"fString\":\"\\x41\"}",          "{\"fString\":\"\\u00g1\"}",
        "{\"fString\":\"a\nb\"}",           "{\"fString\":\"12345678\x1f\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(*state, bad[i], AION_INVALID, "f_string");
    refused(*state, "{\"fString\":\"no end", AION_INVALID, "f_string");
    refused(*state, "{\"fString\":\"no end\\", AION_INVALID, "f_string");
    refused(*state, "{\"fString\":\"no end\\\"", AION_INVALID, "f_string");
    assert_string_equal(
        parsed(*state, "{\"fString\":\"\\ud83d\\ude00\\/\\\"\\\\\\b\"}")->f_string,
        "\xf0\x9f\x98\x80/\"\\\b");
}

static void bounds_depth_without_recursing_on_what_is_skipped(void **state)
{
    enum { DEEP = 100000 };
    struct fixture *fixture = *state;
    char *deep = malloc(DEEP + 64);
    static const char *const starts[] = {"{\"value\":", "{\"nope\":", "{\"params\":{\"a\":"};
    for (size_t i = 0; i < 3; i++) {
        size_t start = strlen(starts[i]);
        memcpy(deep, starts[i], start);
        memset(deep + start, '[', DEEP);
        deep[start + DEEP] = '\0';
        const struct codec_json_read options = {.ignore_unknown = true,
                                                .depth_max = UINT32_MAX};
        assert_null(
            codec_json_parse(ALL, aion_str_of(deep), &options, &fixture->arena, &fixture->err));
        assert_int_equal(fixture->err.code, AION_EXHAUSTED);
    }
    assert_false(codec_json_check(aion_str_of(deep + 20), 0, &fixture->err));
    assert_int_equal(fixture->err.code, AION_EXHAUSTED);
    free(deep);
}

static void takes_the_depth_it_promises(void **state)
{
    struct fixture *fixture = *state;
    for (int depth = 30; depth <= 33; depth++) {
        aion_buf_reset(&fixture->out);
        aion_buf_text(&fixture->out, "{\"value\":");
        for (int i = 1; i < depth; i++)
            aion_buf_char(&fixture->out, '[');
        for (int i = 1; i < depth; i++)
            aion_buf_char(&fixture->out, ']');
        aion_buf_char(&fixture->out, '}');
        if (depth <= CODEC_JSON_DEPTH)
            round_trip(fixture, aion_arena_text(&fixture->arena, aion_buf_view(&fixture->out)));
        else
            assert_null(parse(fixture, fixture->out.data));
    }
    assert_int_equal(fixture->err.code, AION_EXHAUSTED);
    assert_non_null(strstr(fixture->err.field, "value[0][0][0]"));
}

static void bounds_the_number_of_values(void **state)
{
    struct fixture *fixture = *state;
    struct codec_json_read options = {.elements_max = 5};
    aion_str json = AION_STR("{\"rInt32\":[1,2,3,4]}");
    assert_non_null(codec_json_parse(ALL, json, &options, &fixture->arena, &fixture->err));
    options.elements_max = 4;
    assert_null(codec_json_parse(ALL, json, &options, &fixture->arena, &fixture->err));
    assert_int_equal(fixture->err.code, AION_EXHAUSTED);
}

static const char everything[] = "{\"fString\":\"a\\n\",\"fBytes\":\"AQ==\",\"inner\":{\"a\":1}"
                                 ",\"rInt32\":[1,2,3,4,5],\"rString\":[\"x\"],"
                                 "\"mText\":{\"k\":\"v\"},\"at\":\"2026-11-23T10:00:00Z\","
                                 "\"params\":{\"a\":[1,\"\\u00e9\",{}]},"
                                 "\"any\":{\"@type\":\"type.googleapis.com/"
                                 "aion.test.Inner\",\"a\":5},\"mask\":\"fooBar,baz\","
                                 "\"wString\":\"w\",\"wBytes\":\"AQ\"}";

static void every_lack_of_memory_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    const struct codec_json_read options = {.files = test_files};
    parsed(fixture, everything);
    size_t need = fixture->arena.used;
    for (size_t limit = 0; limit < need; limit++) {
        struct aion_arena arena;
        aion_arena_init(&arena, limit, NULL, 0);
        assert_null(
            codec_json_parse(ALL, aion_str_of(everything), &options, &arena, &fixture->err));
        assert_int_equal(fixture->err.code, AION_EXHAUSTED);
        aion_arena_done(&arena);
    }
}

static void every_cut_text_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct codec_json_read options = {.files = test_files};
    for (size_t size = 0; size < sizeof(everything) - 1; size++) {
        char *exact =
            malloc(size > 0 ? size : 1); /* so that the sanitizer sees the first byte behind */
        memcpy(exact, everything, size);
        aion_arena_reset(&fixture->arena);
        assert_null(codec_json_parse(ALL, aion_str_n(exact, size), &options, &fixture->arena,
                                     &fixture->err));
        free(exact);
    }
}

static void reads_one_field(void **state)
{
    struct fixture *fixture = *state;
    all *m = (all *)codec_message_new(ALL, &fixture->arena);
    int index = codec_field_index(ALL, AION_STR("rString"));
    assert_true(codec_json_parse_field(ALL, &m->base, index, AION_STR(" [\"a\",\"b\"] "), NULL,
                                       &fixture->arena, &fixture->err));
    assert_int_equal(m->n_r_string, 2);
    assert_false(codec_json_parse_field(ALL, &m->base, index, AION_STR("[\"a\"]x"), NULL,
                                        &fixture->arena, &fixture->err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_scalars, "scalars of every kind are read"),
        TEST(takes_both_names, "fields go by their JSON name and by their proto name"),
        TEST(takes_integral_numbers_in_every_form, "1.0, 1e5 and \"1e2\" are integers"),
        TEST(refuses_numbers_that_do_not_fit,
             "numbers that do not fit their field are refused"),
        TEST(takes_special_doubles_in_quotes, "NaN and infinities come in quotes"),
        TEST(reads_enums, "enums go by name, alias and number, unknown numbers too"),
        TEST(takes_either_base64_with_or_without_padding,
             "bytes are base64 of either alphabet"),
        TEST(null_leaves_fields_unset, "null leaves a field unset"),
        TEST(null_is_a_value_where_it_has_a_meaning,
             "null is a value for Value and NullValue only"),
        TEST(optional_fields_know_whether_they_are_set,
             "optional fields keep an explicit default"),
        TEST(refuses_two_members_of_one_oneof, "two members of one oneof are refused"),
        TEST(refuses_a_member_that_stands_twice, "a member that stands twice is refused"),
        TEST(refuses_a_key_that_stands_twice_in_a_large_object,
             "a key that stands twice among 3000 is refused"),
        TEST(reads_repeated_fields_and_maps,
             "repeated fields and maps of every key kind are read"),
        TEST(says_where_and_what, "an error names path, expectation, line and column"),
        TEST(errors_are_utf8_however_they_are_cut, "errors are UTF-8 however they are cut"),
        TEST(passes_over_unknown_names_when_told, "unknown names are passed over when told"),
        TEST(refuses_bad_strings, "malformed strings are refused"),
        TEST(bounds_depth_without_recursing_on_what_is_skipped, "100,000 brackets are refused"),
        TEST(takes_the_depth_it_promises,
             "32 levels are taken, through the wire too, and 33 refused"),
        TEST(bounds_the_number_of_values, "the number of values is bounded"),
        TEST(every_lack_of_memory_is_an_answer,
             "every lack of memory gives RESOURCE_EXHAUSTED"),
        TEST(every_cut_text_is_refused, "every cut text is refused"),
        TEST(reads_one_field, "one field's value is read alone"),
    };
    return cmocka_run_group_tests_name("json_parse", tests, NULL, NULL);
}
