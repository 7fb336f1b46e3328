/* Unpacking into arenas: merging of parts, what protobuf-c alone would refuse, and every lack
 * of memory. */
#include "codec_test.h"

static const char *unpacked(void **state, const char *wire, size_t size)
{
    struct fixture *fixture = *state;
    ProtobufCMessage *m =
        codec_unpack(ALL, aion_str_n(wire, size), NULL, &fixture->arena, &fixture->err);
    if (m == NULL)
        fail_msg("%s", fixture->err.text);
    return printed(fixture, (all *)m);
}
#define UNPACKED(wire) unpacked(state, wire, sizeof(wire) - 1)

static void parts_of_a_submessage_are_merged(void **state)
{
    /* inner {a 1 list 1} inner {a 2 next {a 3}} inner {next {name x}} */
    assert_string_equal(
        UNPACKED("\x8a\x01\x04\x08\x01\x20\x01\x8a\x01\x08\x08\x02\x12\x02\x08\x03\x20\x02"
                 "\x8a\x01\x05\x12\x03\x1a\x01x"),
        "{\"inner\":{\"a\":2,\"next\":{\"a\":3,\"name\":\"x\"},\"list\":[1,2]}}");
    /* inside the elements of a repeated field as well */
    assert_string_equal(UNPACKED("\x82\x02\x09\x12\x02\x08\x01\x12\x03\x1a\x01y"),
                        "{\"rInner\":[{\"next\":{\"a\":1,\"name\":\"y\"}}]}");
}

static void of_a_oneof_the_last_member_counts(void **state)
{
    /* c_inner {a 1} c_inner {name x} */
    assert_string_equal(UNPACKED("\xb2\x01\x02\x08\x01\xb2\x01\x03\x1a\x01x"),
                        "{\"cInner\":{\"a\":1,\"name\":\"x\"}}");
    /* c_inner, c_other, c_inner: what came before another member is forgotten */
    assert_string_equal(UNPACKED("\xb2\x01\x02\x08\x01\xba\x01\x00\xb2\x01\x03\x1a\x01x"),
                        "{\"cInner\":{\"name\":\"x\"}}");
    /* c_inner, c_inner, c_text */
    assert_string_equal(UNPACKED("\xb2\x01\x02\x08\x01\xb2\x01\x00\xa2\x01\x01t"),
                        "{\"cText\":\"t\"}");
    /* c_other, c_number, c_inner */
    assert_string_equal(UNPACKED("\xba\x01\x00\xa8\x01\x07\xb2\x01\x00"), "{\"cInner\":{}}");
}

static void unknown_groups_and_wrong_wire_types_are_left_out(void **state)
{
    assert_string_equal(
        UNPACKED("\x08\x05\xc3\x3e\x08\x01\xcb\x3e\xcc\x3e\x72\x01x\xc4\x3e\x10\x06"),
        "{\"fInt32\":5,\"fInt64\":\"6\"}");
    assert_string_equal(UNPACKED("\x0a\x01x\x0d"
                                 "abcd\x08\x05"),
                        "{\"fInt32\":5}");
    assert_string_equal(UNPACKED("\x70\x01\x88\x01\x02\x82\x01\x00\x08\x07"), "{\"fInt32\":7}");
    assert_string_equal(UNPACKED("\x0b\x10\x01\x0c\x08\x09"), "{\"fInt32\":9}");
}

static void unknown_fields_survive(void **state)
{
    struct fixture *fixture = *state;
    /* field 1000 as varint, and out-of-order parts so that the message is rewritten */
    static const char wire[] = "\xc0\x3e\x07\x8a\x01\x00\x8a\x01\x00";
    ProtobufCMessage *m = codec_unpack(ALL, aion_str_n(wire, sizeof(wire) - 1), NULL,
                                       &fixture->arena, &fixture->err);
    assert_non_null(m);
    uint8_t packed[64];
    size_t size = protobuf_c_message_pack(m, packed);
    assert_int_equal(size, 6);
    assert_memory_equal(packed, "\x8a\x01\x00\xc0\x3e\x07", 6);
}

static void copies_are_equal_and_apart(void **state)
{
    struct fixture *fixture = *state;
    const all *m =
        parsed(fixture, "{\"fString\":\"a\",\"rInner\":[{\"a\":1}],\"mText\":{\"k\":\"v\"}}");
    all *copy = (all *)codec_message_copy(ALL, &m->base, &fixture->arena);
    assert_non_null(copy);
    assert_ptr_not_equal(copy->f_string, m->f_string);
    assert_string_equal(printed(fixture, copy),
                        "{\"fString\":\"a\",\"rInner\":[{\"a\":1}],\"mText\":{\"k\":\"v\"}}");
}

static void every_lack_of_memory_is_an_answer(void **state)
{
    static const char wire[] =
        "\x72\x01x\x8a\x01\x04\x08\x01\x20\x01\x8a\x01\x08\x08\x02\x12\x02\x08\x03\x20\x02"
        "\x82\x02\x02\x08\x01\xc2\x02\x06\n\1a\x12\1x\xc0\x3e\x07";
    struct fixture *fixture = *state;
    aion_str bytes = aion_str_n(wire, sizeof(wire) - 1);
    ProtobufCMessage *m = codec_unpack(ALL, bytes, NULL, &fixture->arena, &fixture->err);
    assert_non_null(m);
    size_t need = fixture->arena.used;
    for (size_t limit = 0; limit < need; limit++) {
        struct aion_arena arena;
        aion_arena_init(&arena, limit, NULL, 0);
        assert_null(codec_unpack(ALL, bytes, NULL, &arena, &fixture->err));
        assert_int_equal(fixture->err.code, AION_EXHAUSTED);
        assert_true(limit > 600 || codec_message_copy(ALL, m, &arena) == NULL);
        aion_arena_done(&arena);
    }
}

static void finds_messages_files_and_symbols(void **state)
{
    (void)state;
    assert_ptr_equal(codec_find_message(test_files, AION_STR("aion.test.Inner")),
                     &aion__test__inner__schema);
    assert_ptr_equal(codec_find_message(test_files, AION_STR("google.protobuf.Duration")),
                     &google__protobuf__duration__schema);
    assert_null(codec_find_message(test_files, AION_STR("aion.test.Inne")));
    assert_null(codec_find_message(NULL, AION_STR("aion.test.Inner")));
    assert_ptr_equal(codec_find_symbol(test_files, AION_STR("aion.test.Color")), test_files[0]);
    assert_ptr_equal(codec_find_file(test_files, AION_STR("aion/test/codec.proto")),
                     test_files[0]);
    for (size_t i = 0; i < ALL->descriptor->n_fields; i++) {
        assert_int_equal(codec_field_index(ALL, aion_str_of(ALL->fields[i].json_name)), i);
        assert_int_equal(codec_field_index(ALL, aion_str_of(ALL->descriptor->fields[i].name)),
                         i);
    }
    assert_int_equal(codec_field_index(ALL, AION_STR("")), -1);
    assert_int_equal(codec_field_index(&google__protobuf__empty__schema, AION_STR("x")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parts_of_a_submessage_are_merged, "parts of a sub-message are merged"),
        TEST(of_a_oneof_the_last_member_counts, "of a oneof the last member counts"),
        TEST(unknown_groups_and_wrong_wire_types_are_left_out,
             "unknown groups and wrong wire types are left out"),
        TEST(unknown_fields_survive, "unknown fields survive"),
        TEST(copies_are_equal_and_apart, "a copy is equal and apart"),
        TEST(every_lack_of_memory_is_an_answer,
             "every lack of memory gives RESOURCE_EXHAUSTED"),
        TEST(finds_messages_files_and_symbols,
             "messages, files, symbols and fields are found by name"),
    };
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
