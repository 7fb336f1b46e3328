/* Writing JSON by schema: forms, defaults, options, limits; and that what is written is read
 * back. */
#include "codec_test.h"
#include "google/protobuf/descriptor.schema.h"

static void writes_what_it_reads(void **state)
{
    static const char *const same[] = {
        "{}",
        "{\"fInt32\":-5,\"fInt64\":\"-9223372036854775808\",\"fUint32\":4294967295,\"fUint64\":"
        "\"18446744073709551615\"}",
        "{\"fFloat\":0.1,\"fDouble\":0.1,\"fBool\":true,\"fString\":"
        "\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\/\xc3\xa9\",\"fBytes\":\"AQI=\"}",
        "{\"fDouble\":\"NaN\"}",
        "{\"fFloat\":\"-Infinity\",\"fDouble\":\"Infinity\"}",
        "{\"fColor\":\"COLOR_RED\"}",
        "{\"fColor\":42}",
        "{\"inner\":{\"a\":1,\"next\":{\"name\":\"x\",\"list\":[1,2]}}}",
        "{\"maybeInt\":0,\"maybeText\":\"\"}",
        "{\"cText\":\"\"}",
        "{\"cInner\":{}}",
        "{\"cNull\":null}",
        "{\"rInt32\":[0,-1],\"rString\":[\"\",\"a\"],\"rInner\":[{},{\"a\":1}],\"rColor\":["
        "\"COLOR_UNSPECIFIED\"],"
        "\"rDouble\":[0,1.5],\"rFixed64\":[\"7\"],\"rBytes\":[\"\"],\"rBool\":[false,true]}",
        "{\"mText\":{\"\":\"\",\"b\":\"a\"},\"mInner\":{\"-1\":{}},\"mWide\":{\"5\":true},"
        "\"mColor\":{\"false\":\"COLOR_BLUE\"}}",
        "{\"other-name\":\"x\"}",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        round_trip(*state, same[i]);
}

static void drops_defaults_and_prefers_the_first_alias(void **state)
{
    round_trip_to(*state,
                  "{\"fInt32\":0,\"fString\":\"\",\"rInt32\":[],\"mText\":{},\"fBool\":false}",
                  "{}");
    round_trip_to(*state, "{\"fColor\":\"COLOR_ROUGE\"}", "{\"fColor\":\"COLOR_RED\"}");
}

static void follows_its_options(void **state)
{
    struct fixture *fixture = *state;
    Aion__Test__Inner inner;
    aion__test__inner__init(&inner);
    all m;
    aion__test__all__init(&m);
    const struct codec_json_write options = {
        .proto_names = true, .emit_defaults = true, .enum_numbers = true};
    assert_true(codec_json_print(&aion__test__inner__schema, &inner.base, &options,
                                 &fixture->out, &fixture->err));
    assert_string_equal(fixture->out.data, "{\"a\":0,\"name\":\"\",\"list\":[]}");
    m.f_color = AION__TEST__COLOR__COLOR_BLUE;
    aion_buf_reset(&fixture->out);
    const struct codec_json_write numbers = {.proto_names = true, .enum_numbers = true};
    assert_true(codec_json_print(ALL, &m.base, &numbers, &fixture->out, &fixture->err));
    assert_string_equal(fixture->out.data, "{\"f_color\":-5}");
    aion_buf_reset(&fixture->out);
    assert_true(codec_json_print(ALL, &m.base, &options, &fixture->out, &fixture->err));
    assert_non_null(strstr(fixture->out.data, "\"f_bytes\":\"\""));
    assert_non_null(strstr(fixture->out.data, "\"m_text\":{}"));
    assert_null(strstr(fixture->out.data, "maybe"));
    assert_null(strstr(fixture->out.data, "c_text"));
}

static void of_a_key_twice_on_the_wire_the_last_counts(void **state)
{
    struct fixture *fixture = *state;
    static const char wire[] =
        "\xc2\x02\x06\n\1a\x12\1x\xc2\x02\x06\n\1b\x12\1y\xc2\x02\x06\n\1a\x12\1z"
        "\xca\x02\x02\x08\x05"; /* m_inner {5: no value} */
    ProtobufCMessage *m = codec_unpack(ALL, aion_str_n(wire, sizeof(wire) - 1), NULL,
                                       &fixture->arena, &fixture->err);
    assert_non_null(m);
    assert_string_equal(printed(fixture, (all *)m),
                        "{\"mText\":{\"b\":\"y\",\"a\":\"z\"},\"mInner\":{\"5\":{}}}");
}

static void many_entries_lose_their_duplicates_too(void **state)
{
    struct fixture *fixture = *state;
    Aion__Test__All__MTextEntry entries[40], *list[40];
    all m;
    aion__test__all__init(&m);
    char keys[40][8];
    for (int i = 0; i < 40; i++) {
        protobuf_c_message_init(&aion__test__all__mtext_entry__descriptor, &entries[i]);
        snprintf(keys[i], sizeof(keys[i]), "k%d", i % 20);
        entries[i].key = keys[i];
        entries[i].value = text(fixture, i < 20 ? "old" : "new");
        list[i] = &entries[i];
    }
    m.n_m_text = 40;
    m.m_text = list;
    const char *json = printed(fixture, &m);
    assert_null(strstr(json, "old"));
    assert_int_equal(parsed(fixture, json)->n_m_text, 20);
}

/* Descriptors are proto2: has_ members, default values, required fields. */
static void proto2_messages_round_trip(void **state)
{
    struct fixture *fixture = *state;
    const struct codec_message *schema = &google__protobuf__file_descriptor_proto__schema;
    aion_str wire = aion_str_n(test_files[0]->descriptor, test_files[0]->descriptor_size);
    ProtobufCMessage *m = codec_unpack(schema, wire, NULL, &fixture->arena, &fixture->err);
    assert_non_null(m);
    assert_true(codec_json_print(schema, m, NULL, &fixture->out, &fixture->err));
    assert_non_null(strstr(fixture->out.data, "\"jsonName\":\"other-name\""));
    assert_non_null(strstr(fixture->out.data, "\"allowAlias\":true"));
    m = codec_json_parse(schema, aion_buf_view(&fixture->out), NULL, &fixture->arena,
                         &fixture->err);
    assert_non_null(m);
    uint8_t *again = aion_arena_alloc(&fixture->arena, protobuf_c_message_get_packed_size(m));
    assert_int_equal(protobuf_c_message_pack(m, again), wire.size);
    struct aion_buf canonical;
    aion_buf_init(&canonical, 1 << 20);
    assert_true(codec_canonical(schema, m, NULL, &canonical, &fixture->err));
    aion_buf_done(&canonical);
}

static void refuses_what_json_cannot_say(void **state)
{
    struct fixture *fixture = *state;
    Aion__Test__Inner inner;
    aion__test__inner__init(&inner);
    inner.name = text(fixture, "\xff");
    aion_buf_text(&fixture->out, "before");
    assert_false(codec_json_print(&aion__test__inner__schema, &inner.base, NULL, &fixture->out,
                                  &fixture->err));
    assert_int_equal(fixture->err.code, AION_INVALID);
    assert_string_equal(fixture->err.field, "name");
    assert_string_equal(fixture->out.data, "before");
}

static void the_maximum_of_the_buffer_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    const char *json = "{\"fInt32\":-5,\"fDouble\":0.125,\"fString\":\"abc\\n\",\"fBytes\":"
                       "\"AQI=\",\"mText\":{\"a\":\"b\"},"
                       "\"at\":\"2026-11-23T10:00:00Z\",\"wait\":\"-1.500s\"}";
    const all *m = parsed(fixture, json);
    for (size_t max = 0; max <= strlen(json) + 40; max++) {
        struct aion_buf out;
        aion_buf_init(&out, max);
        bool good = codec_json_print(ALL, &m->base, NULL, &out, &fixture->err);
        if (max < strlen(json)) {
            assert_false(good);
            assert_int_equal(fixture->err.code, AION_EXHAUSTED);
        } else if (good) {
            assert_string_equal(out.data, json);
        }
        /* numbers are written into room for the longest one, so a few bytes may be missing at
         * the end */
        assert_true(good || max < strlen(json) + 40);
        aion_buf_done(&out);
    }
}

static void writes_one_field(void **state)
{
    struct fixture *fixture = *state;
    const all *m = parsed(fixture, "{\"rString\":[\"a\"],\"at\":\"1970-01-01T00:00:00Z\"}");
    aion_buf_reset(&fixture->out);
    assert_true(codec_json_print_field(ALL, &m->base,
                                       codec_field_index(ALL, AION_STR("rString")), NULL,
                                       &fixture->out, &fixture->err));
    assert_true(codec_json_print_field(ALL, &m->base, codec_field_index(ALL, AION_STR("at")),
                                       NULL, &fixture->out, &fixture->err));
    assert_string_equal(fixture->out.data, "[\"a\"]\"1970-01-01T00:00:00Z\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_what_it_reads, "what is read is written the same, through the wire too"),
        TEST(drops_defaults_and_prefers_the_first_alias,
             "defaults are dropped, the first alias is written"),
        TEST(follows_its_options,
             "proto names, defaults and enum numbers are written when told"),
        TEST(of_a_key_twice_on_the_wire_the_last_counts,
             "of a key twice on the wire the last counts"),
        TEST(many_entries_lose_their_duplicates_too, "so it is among many entries"),
        TEST(proto2_messages_round_trip, "proto2 messages round trip"),
        TEST(refuses_what_json_cannot_say,
             "invalid UTF-8 is refused and the buffer left as it was"),
        TEST(the_maximum_of_the_buffer_is_an_answer, "every maximum of the buffer is kept"),
        TEST(writes_one_field, "one field's value is written alone"),
    };
    return cmocka_run_group_tests_name("json_print", tests, NULL, NULL);
}
