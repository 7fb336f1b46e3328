/* The canonical form: the same for what means the same, another for what does not, and its
 * bytes fixed. */
#include "base/base64.h"
#include "codec_test.h"

/* Hex of the canonical form, in the arena. */
static const char *canonical_skip(struct fixture *fixture, const char *json,
                                  const uint32_t *skip)
{
    struct aion_buf out;
    aion_buf_init(&out, 1 << 20);
    const all *m = parsed(fixture, json);
    if (!codec_canonical(ALL, &m->base, skip, &out, &fixture->err))
        fail_msg("%s", fixture->err.text);
    char *hex = aion_arena_alloc(&fixture->arena, 2 * out.size + 1);
    aion_hex(hex, out.data, out.size);
    aion_buf_done(&out);
    return hex;
}

static const char *canonical(struct fixture *fixture, const char *json)
{
    return canonical_skip(fixture, json, NULL);
}

static void bytes_are_fixed(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(canonical(fixture, "{}"), "");
    assert_string_equal(canonical(fixture, "{\"fInt32\":-1}"), "08ffffffffffffffffff01");
    assert_string_equal(canonical(fixture, "{\"fSint32\":-1}"), "28ffffffffffffffffff01");
    assert_string_equal(canonical(fixture, "{\"fFixed64\":\"300\"}"), "40ac02");
    assert_string_equal(canonical(fixture, "{\"fUint32\":1,\"fBool\":true}"), "18016801");
    assert_string_equal(canonical(fixture, "{\"fDouble\":1}"), "61000000000000f03f");
    assert_string_equal(canonical(fixture, "{\"fFloat\":1}"), "59000000000000f03f");
    assert_string_equal(canonical(fixture, "{\"fDouble\":\"NaN\"}"), "61000000000000f87f");
    assert_string_equal(canonical(fixture, "{\"fString\":\"ab\",\"fBytes\":\"AQ==\"}"),
                        "720261627a0101");
    assert_string_equal(canonical(fixture, "{\"inner\":{\"a\":1},\"rInt32\":[1,0]}"),
                        "8a01020801f00101f00100");
    assert_string_equal(canonical(fixture, "{\"mText\":{\"b\":\"\",\"a\":\"x\"}}"),
                        "c202060a01611201"
                        "78"
                        "c202030a0162");
}

static void the_same_meaning_has_the_same_form(void **state)
{
    static const char *const pairs[][2] = {
        {"{\"fInt32\":0,\"fString\":\"\",\"fDouble\":-0.0,\"rInt32\":[]}", "{}"},
        {"{\"mText\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"mText\":{\"b\":\"2\",\"a\":\"1\"}}"},
        {"{\"params\":{\"a\":{\"x\":1,\"y\":[null]},\"b\":-0}}",
         "{\"params\":{\"b\":0,\"a\":{\"y\":[null],\"x\":1.0}}}"},
        {"{\"fColor\":\"COLOR_RED\"}", "{\"fColor\":\"COLOR_ROUGE\"}"},
        {"{\"rDouble\":[-0.0]}", "{\"rDouble\":[0]}"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_string_equal(canonical(*state, pairs[i][0]), canonical(*state, pairs[i][1]));
}

static void another_meaning_has_another_form(void **state)
{
    static const char *const pairs[][2] = {
        {"{\"maybeInt\":0}", "{}"},
        {"{\"inner\":{}}", "{}"},
        {"{\"cText\":\"\"}", "{}"},
        {"{\"rInt32\":[1,2]}", "{\"rInt32\":[2,1]}"},
        {"{\"rInt32\":[0]}", "{\"rInt32\":[0,0]}"},
        {"{\"rString\":[\"ab\"]}", "{\"rString\":[\"a\",\"b\"]}"},
        {"{\"params\":{\"a\":1}}", "{\"params\":{\"a\":\"1\"}}"},
        {"{\"params\":{\"a\":null}}", "{\"params\":{}}"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_string_not_equal(canonical(*state, pairs[i][0]), canonical(*state, pairs[i][1]));
}

static void fields_can_be_left_out(void **state)
{
    static const uint32_t skip[] = {14, 17, 0};
    assert_string_equal(
        canonical_skip(*state, "{\"fInt32\":1,\"fString\":\"key\",\"inner\":{\"a\":1}}", skip),
        "0801");
    /* only on the top: number 1 inside stays */
    static const uint32_t first[] = {1, 0};
    assert_string_equal(canonical_skip(*state, "{\"fInt32\":1,\"inner\":{\"a\":1}}", first),
                        "8a01020801");
}

static void order_and_duplicates_on_the_wire_do_not_matter(void **state)
{
    struct fixture *fixture = *state;
    static const char one[] = "\xc2\x02\x06\n\1a\x12\1x\xc2\x02\x06\n\1b\x12\1y\xc2\x02\x06\n\1"
                              "a\x12\1z\xca\x02\x02\x08\x05\xc0\x3e\x07";
    static const char two[] =
        "\xca\x02\x04\x08\x05\x12\x00\xc2\x02\x06\n\1b\x12\1y\xc2\x02\x06\n\1a\x12\1z";
    struct aion_buf a, b;
    aion_buf_init(&a, 1000);
    aion_buf_init(&b, 1000);
    ProtobufCMessage *x = codec_unpack(ALL, aion_str_n(one, sizeof(one) - 1), NULL,
                                       &fixture->arena, &fixture->err);
    ProtobufCMessage *y = codec_unpack(ALL, aion_str_n(two, sizeof(two) - 1), NULL,
                                       &fixture->arena, &fixture->err);
    assert_true(codec_canonical(ALL, x, NULL, &a, &fixture->err));
    assert_true(codec_canonical(ALL, y, NULL, &b, &fixture->err));
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    aion_buf_done(&a);
    aion_buf_done(&b);
}

static void it_is_protobuf_itself(void **state)
{
    struct fixture *fixture = *state;
    const char *json = "{\"fInt32\":-7,\"fString\":\"a\",\"inner\":{\"a\":1,\"next\":{}},"
                       "\"rString\":[\"x\",\"\"],\"mText\":{\"a\":\"b\"}}";
    const all *m = parsed(fixture, json);
    struct aion_buf out;
    aion_buf_init(&out, 1 << 20);
    assert_true(codec_canonical(ALL, &m->base, NULL, &out, &fixture->err));
    ProtobufCMessage *again =
        codec_unpack(ALL, aion_buf_view(&out), NULL, &fixture->arena, &fixture->err);
    assert_non_null(again);
    assert_string_equal(printed(fixture, (all *)again), json);
    aion_buf_done(&out);
}

static void the_maximum_is_an_answer(void **state)
{
    struct fixture *fixture = *state;
    const all *m =
        parsed(fixture, "{\"fString\":\"abc\",\"inner\":{\"next\":{\"name\":\"xyz\"}}}");
    for (size_t max = 0;; max++) {
        struct aion_buf out;
        aion_buf_init(&out, max);
        bool good = codec_canonical(ALL, &m->base, NULL, &out, &fixture->err);
        size_t size = out.size;
        aion_buf_done(&out);
        if (good) {
            assert_int_equal(size, max);
            break;
        }
        assert_int_equal(fixture->err.code, AION_EXHAUSTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_are_fixed, "the bytes of the canonical form are fixed"),
        TEST(the_same_meaning_has_the_same_form, "the same meaning has the same form"),
        TEST(another_meaning_has_another_form, "another meaning has another form"),
        TEST(fields_can_be_left_out, "fields on the top can be left out"),
        TEST(order_and_duplicates_on_the_wire_do_not_matter,
             "order, duplicates and unknown fields do not matter"),
        TEST(it_is_protobuf_itself, "the form is protobuf itself"),
        TEST(the_maximum_is_an_answer, "every maximum of the buffer is kept"),
    };
    return cmocka_run_group_tests_name("canonical", tests, NULL, NULL);
}
