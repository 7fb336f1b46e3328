/* The well-known types in both directions, their ranges, and Any. */
#include "codec_test.h"

static void times_round_trip(void **state)
{
    static const char *const same[] = {
        "{\"at\":\"2026-11-23T10:00:00Z\"}",
        "{\"at\":\"2026-11-23T10:00:00.120Z\"}",
        "{\"at\":\"2026-11-23T10:00:00.000120Z\"}",
        "{\"at\":\"2026-11-23T10:00:00.000000001Z\"}",
        "{\"at\":\"0001-01-01T00:00:00Z\"}",
        "{\"at\":\"9999-12-31T23:59:59.999999999Z\"}",
        "{\"at\":\"1969-12-31T23:59:59.500Z\"}",
        "{\"wait\":\"0s\"}",
        "{\"wait\":\"-0.500s\"}",
        "{\"wait\":\"315576000000.999999999s\"}",
        "{\"wait\":\"-315576000000s\"}",
        "{\"wait\":\"1.000001s\"}",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        round_trip(*state, same[i]);
    round_trip_to(*state, "{\"at\":\"2026-11-23T10:00:00+02:30\"}",
                  "{\"at\":\"2026-11-23T07:30:00Z\"}");
    round_trip_to(*state, "{\"wait\":\"1.5s\"}", "{\"wait\":\"1.500s\"}");
}

static void times_out_of_form_or_range_are_refused(void **state)
{
    static const char *const bad_at[] = {
        "2026-11-23",
        "2026-11-23 10:00:00Z",
        "2026-11-23t10:00:00Z",
        "2026-11-23T10:00:00",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2026-11-23T10:00:00.1234567891Z",
        "",
    };
    static const char *const bad_wait[] = {
        "1",   "s",   "-s",   "1.s",           ".5s",  "1.0000000001s",
        "+1s", "1 s", "--1s", "315576000001s", "1e3s", "99999999999999999999s",
        ""};
    char json[128];
    for (size_t i = 0; i < sizeof(bad_at) / sizeof(bad_at[0]); i++) {
        snprintf(json, sizeof(json), "{\"at\":\"%s\"}", bad_at[i]);
        refused(*state, json, AION_INVALID, "at");
    }
    for (size_t i = 0; i < sizeof(bad_wait) / sizeof(bad_wait[0]); i++) {
        snprintf(json, sizeof(json), "{\"wait\":\"%s\"}", bad_wait[i]);
        refused(*state, json, AION_INVALID, "wait");
    }
    refused(*state, "{\"at\":5}", AION_INVALID, "at");
    refused(*state, "{\"wait\":5}", AION_INVALID, "wait");
}

static void assert_unwritable(struct fixture *fixture, const all *m, const char *field)
{
    const struct codec_json_write options = {.files = test_files};
    aion_buf_reset(&fixture->out);
    assert_false(codec_json_print(ALL, &m->base, &options, &fixture->out, &fixture->err));
    assert_int_equal(fixture->err.code, AION_INVALID);
    assert_string_equal(fixture->err.field, field);
    assert_int_equal(fixture->out.size, 0);
}

static void what_has_no_json_form_is_not_written(void **state)
{
    Google__Protobuf__Timestamp at;
    google__protobuf__timestamp__init(&at);
    Google__Protobuf__Duration wait;
    google__protobuf__duration__init(&wait);
    Google__Protobuf__Value value;
    google__protobuf__value__init(&value);
    all m;
    aion__test__all__init(&m);
    m.at = &at;
    at.seconds = 253402300800;
    assert_unwritable(*state, &m, "at");
    at.seconds = 0;
    at.nanos = -1;
    assert_unwritable(*state, &m, "at");
    m.at = NULL;
    m.wait = &wait;
    wait.seconds = 1;
    wait.nanos = -1;
    assert_unwritable(*state, &m, "wait");
    wait.seconds = INT64_MIN;
    assert_unwritable(*state, &m, "wait");
    m.wait = NULL;
    m.value = &value;
    value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    value.number_value = __builtin_nan("");
    assert_unwritable(*state, &m, "value");
}

static void masks_round_trip(void **state)
{
    round_trip(*state, "{\"mask\":\"fooBar,a.bC,x1\"}");
    round_trip(*state, "{\"mask\":\"\"}");
    refused(*state, "{\"mask\":\"foo_bar\"}", AION_INVALID, "mask");
    refused(*state, "{\"mask\":\"a,,b\"}", AION_INVALID, "mask");
    const all *m = parsed(*state, "{\"mask\":\"fooBar,baz\"}");
    assert_string_equal(m->mask->paths[0], "foo_bar");
    static const char *const bad[] = {"fooBar", "foo__bar", "foo_3", "foo_", "foo\"", "a,b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *path = text(*state, bad[i]);
        m->mask->n_paths = 1;
        m->mask->paths = &path;
        assert_unwritable(*state, m, "mask");
    }
}

static void values_round_trip(void **state)
{
    round_trip(*state, "{\"params\":{\"a\":null,\"b\":1.5,\"c\":\"1\",\"d\":true,\"e\":{\"f\":["
                       "]},\"g\":[1,[{}]]},"
                       "\"value\":[null,false,\"x\"],\"values\":[1,{\"a\":-0}]}");
    round_trip(*state, "{\"value\":\"NaN\"}");
    refused(*state, "{\"params\":[]}", AION_INVALID, "params");
    refused(*state, "{\"values\":{}}", AION_INVALID, "values");
    refused(*state, "{\"params\":{\"a\":1e999}}", AION_INVALID, "params.a");
    refused(*state, "{\"params\":{\"a\":nul}}", AION_INVALID, "params.a");
    refused(*state, "{\"params\":{\"a\":}}", AION_INVALID, "params.a");
}

static void wrappers_round_trip(void **state)
{
    round_trip(
        *state,
        "{\"wInt64\":\"0\",\"wString\":\"\",\"wBool\":false,\"wBytes\":\"\",\"wDouble\":0}");
    round_trip(*state, "{\"wInt64\":\"-1\",\"wString\":\"x\",\"wBool\":true,\"wBytes\":\"AA=="
                       "\",\"wDouble\":\"NaN\"}");
    refused(*state, "{\"wInt64\":{}}", AION_INVALID, "w_int64");
    round_trip(*state, "{\"empty\":{}}");
    refused(*state, "{\"empty\":{\"a\":1}}", AION_INVALID, "empty.a");
}

static void anys_round_trip(void **state)
{
    round_trip(*state, "{\"any\":{}}");
    round_trip(
        *state,
        "{\"any\":{\"@type\":\"type.googleapis.com/aion.test.Inner\",\"a\":5,\"next\":{}}}");
    round_trip(*state, "{\"any\":{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\"}}");
    round_trip(*state, "{\"any\":{\"@type\":\"x/google.protobuf.Empty\"}}");
    round_trip(*state, "{\"any\":{\"@type\":\"x/google.protobuf.Any\",\"value\":{\"@type\":\"x/"
                       "aion.test.Inner\",\"a\":1}}}");
    round_trip_to(*state, "{\"any\":{\"value\":[1],\"@type\":\"x/google.protobuf.Value\"}}",
                  "{\"any\":{\"@type\":\"x/google.protobuf.Value\",\"value\":[1]}}");
    round_trip_to(*state, "{\"any\":{\"a\":3,\"@type\":\"x\\/aion.test.Inner\"}}",
                  "{\"any\":{\"@type\":\"x/aion.test.Inner\",\"a\":3}}");
}

static void anys_of_unknown_types_are_refused(void **state)
{
    static const char *const bad[] = {
        "{\"any\":{\"a\":1}}",
        "{\"any\":{\"@type\":\"aion.test.Inner\"}}",
        "{\"any\":{\"@type\":\"x/aion.test.Nope\"}}",
        "{\"any\":{\"@type\":5}}",
        "{\"any\":{\"@type\":\"x/google.protobuf.Duration\",\"value\":\"1s\",\"b\":1}}",
        "{\"any\":[]}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(*state, bad[i], AION_INVALID, "any");
    Google__Protobuf__Any any;
    google__protobuf__any__init(&any);
    all m;
    aion__test__all__init(&m);
    m.any = &any;
    any.type_url = text(*state, "x/aion.test.Nope");
    assert_unwritable(*state, &m, "any");
}

/* Each Any is scanned on its own, so their nesting is bounded apart. */
static void anys_inside_one_another_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    for (size_t levels = 15; levels <= 18; levels++) {
        Google__Protobuf__Any inner;
        google__protobuf__any__init(&inner);
        for (size_t i = 0; i < levels; i++) {
            Google__Protobuf__Any outer;
            google__protobuf__any__init(&outer);
            outer.type_url = text(fixture, "x/google.protobuf.Any");
            outer.value.len = google__protobuf__any__get_packed_size(&inner);
            outer.value.data = aion_arena_alloc(&fixture->arena, outer.value.len);
            google__protobuf__any__pack(&inner, outer.value.data);
            inner = outer;
        }
        all m;
        aion__test__all__init(&m);
        m.any = &inner;
        if (levels <= 16)
            assert_int_equal(strncmp(printed(fixture, &m), "{\"any\":{\"@type\":", 16), 0);
        else
            assert_unwritable(fixture, &m, "any");
    }
}

static void a_value_that_says_nothing_is_null(void **state)
{
    Google__Protobuf__Value value;
    all m;
    google__protobuf__value__init(&value);
    aion__test__all__init(&m);
    m.value = &value;
    assert_string_equal(printed(*state, &m), "{\"value\":null}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(times_round_trip, "times and durations round trip with 0, 3, 6 or 9 digits"),
        TEST(times_out_of_form_or_range_are_refused, "times out of form or range are refused"),
        TEST(what_has_no_json_form_is_not_written, "what has no JSON form is not written"),
        TEST(masks_round_trip, "field masks turn camelCase and snake_case into each other"),
        TEST(values_round_trip, "Struct, Value and ListValue round trip"),
        TEST(wrappers_round_trip, "wrappers and Empty round trip"),
        TEST(anys_round_trip, "Any round trips with its type anywhere in the object"),
        TEST(anys_of_unknown_types_are_refused,
             "an Any of an unknown type is refused both ways"),
        TEST(anys_inside_one_another_are_bounded, "Anys inside one another are bounded"),
        TEST(a_value_that_says_nothing_is_null, "a Value that says nothing is null"),
    };
    return cmocka_run_group_tests_name("json_wkt", tests, NULL, NULL);
}
