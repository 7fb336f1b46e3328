/* The scan: what is malformed, too deep, too much or no text is refused with its path; what
 * passes can be unpacked. */
#include "codec_test.h"

#include <stdlib.h>

static bool scan_with(struct fixture *fixture, const void *wire, size_t size,
                      const struct codec_scan_limits *limits)
{
    uint8_t *exact =
        malloc(size > 0 ? size : 1); /* so that the sanitizer sees the first byte behind */
    memcpy(exact, wire, size);
    fixture->err.field[0] = '\0';
    bool good = codec_scan(ALL, aion_str_n(exact, size), limits, &fixture->err);
    free(exact);
    return good;
}
#define SCAN(wire) scan_with(*state, wire, sizeof(wire) - 1, NULL)

static void takes_what_is_well_formed(void **state)
{
    assert_true(SCAN(""));
    assert_true(SCAN("\x08\x01"));
    assert_true(SCAN("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    assert_true(SCAN("\x08\x81\x80\x80\x00")); /* padded varints are allowed */
    assert_true(SCAN("r\x02h\xc3") == false);
    assert_true(SCAN("r\x03h\xc3\xa9"));
    assert_true(SCAN("\xf2\x01\x03\x01\x02\x03")); /* r_int32 packed */
    assert_true(SCAN("\xf0\x01\x01"));             /* and not */
    assert_true(SCAN("\x0a\x03"
                     "abc"));                      /* f_int32 as bytes: an unknown field */
    assert_true(SCAN("\xc3\x3e\x08\x01\xc4\x3e")); /* an unknown group */
}

static void refuses_what_is_malformed(void **state)
{
    static const struct {
        const char *wire;
        size_t size;
        const char *why;
    } bad[] = {
        {"\x08", 1, "no value"},
        {"\x08\x80", 2, "cut varint"},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, "over 64 bits"},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "over 10 bytes"},
        {"\x00\x01", 2, "field 0"},
        {"\x88\x80\x80\x80\x80\x00\x01", 7, "tag of six bytes"},
        {"\x88\x80\x80\x80\x10\x01", 6, "field number too large"},
        {"\x39\x01\x02", 3, "cut fixed32 as 64"},
        {"\x3d\x01\x02\x03", 4, "cut fixed32"},
        {"\x72\x05"
         "abc",
         5, "cut string"},
        {"\x72\xff\xff\xff\xff\x0f", 6, "length beyond the end"},
        {"\x72\x81\x80\x80\x80\x80\x00"
         "a",
         8, "length of six bytes"},
        {"\x0c", 1, "end of a group that is not open"},
        {"\xc3\x3e\x08\x01", 4, "group without an end"},
        {"\xc3\x3e\xcc\x3e", 4, "end of another group"},
        {"\x0e", 1, "wire type 6"},
        {"\x0f", 1, "wire type 7"},
        {"\xf2\x01\x01\x80", 4, "packed varint cut"},
        {"\x9a\x02\x03\x00\x00\x00", 6, "packed fixed64 of 3 bytes"},
        {"\x8a\x01\x02\x08\x80", 5, "varint cut by its message"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fixture *fixture = *state;
        if (scan_with(fixture, bad[i].wire, bad[i].size, NULL))
            fail_msg("taken: %s", bad[i].why);
        assert_int_equal(fixture->err.code, AION_INVALID);
    }
}

static void names_the_path_of_bad_text(void **state)
{
    struct fixture *fixture = *state;
    assert_false(SCAN("\x8a\x01\x04\x12\x02\x1a\x00\x72\x01\xff"));
    assert_string_equal(fixture->err.field, "f_string");
    assert_false(SCAN("\x8a\x01\x05\x12\x03\x1a\x01\xff"));
    assert_string_equal(fixture->err.field, "inner.next.name");
    assert_false(SCAN("\x82\x02\x00\x82\x02\x03\x1a\x01\x00"));
    assert_string_equal(fixture->err.field, "r_inner[1].name");
    assert_non_null(strstr(fixture->err.text, "U+0000"));
    /* overlong, surrogate, above U+10FFFF */
    assert_false(SCAN("r\x02\xc0\x80"));
    assert_false(SCAN("r\x03\xed\xa0\x80"));
    assert_false(SCAN("r\x04\xf4\x90\x80\x80"));
    assert_true(SCAN("z\x02\xff\xff")); /* bytes may be anything */
}

static void nul_passes_only_when_told(void **state)
{
    const struct codec_scan_limits limits = {.allow_nul = true};
    assert_false(SCAN("r\x01\x00"));
    assert_true(scan_with(*state, "r\x01\x00", 3, &limits));
}

/* `levels` messages inside one another: inner.next.next... */
static size_t nest(uint8_t *out, size_t levels)
{
    size_t size = 0;
    for (size_t i = 0; i < levels; i++) { /* from the innermost outwards */
        uint8_t head[8];
        size_t used = 0, length = size;
        if (i == levels - 1) {
            head[used++] = 0x8a;
            head[used++] = 0x01;
        } else {
            head[used++] = 0x12;
        }
        for (; length >= 0x80; length >>= 7)
            head[used++] = (uint8_t)(length | 0x80);
        head[used++] = (uint8_t)length;
        memmove(out + used, out, size);
        memcpy(out, head, used);
        size += used;
    }
    return size;
}

static void bounds_depth(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t wire[1 << 20];
    size_t size = nest(wire, CODEC_SCAN_DEPTH - 1);
    assert_true(scan_with(fixture, wire, size, NULL));
    assert_non_null(
        codec_unpack(ALL, aion_str_n(wire, size), NULL, &fixture->arena, &fixture->err));
    size = nest(wire, CODEC_SCAN_DEPTH);
    assert_false(scan_with(fixture, wire, size, NULL));
    assert_int_equal(fixture->err.code, AION_EXHAUSTED);
    const struct codec_scan_limits limits = {.depth_max = 3};
    assert_true(scan_with(fixture, wire, nest(wire, 2), &limits));
    assert_false(scan_with(fixture, wire, nest(wire, 3), &limits));
    /* groups count as well */
    memset(wire, 0xc3, sizeof(wire));
    for (size_t i = 1; i < sizeof(wire); i += 2)
        wire[i] = 0x3e;
    assert_false(scan_with(fixture, wire, sizeof(wire), NULL));
    assert_int_equal(fixture->err.code, AION_EXHAUSTED);
}

/* 30 KB of Values in Values ran protobuf-c off its stack: facts of the scan's birth. */
static void refuses_values_nested_by_the_thousand(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t wire[1 << 20];
    size_t size = 0;
    for (int i = 0; i < 4500; i++) { /* Value { list_value { values */
        for (int level = 0; level < 2; level++) {
            uint8_t head[6] = {level == 0 ? 0x0a : 0x32};
            size_t used = 1, length = size;
            for (; length >= 0x80; length >>= 7)
                head[used++] = (uint8_t)(length | 0x80);
            head[used++] = (uint8_t)length;
            memmove(wire + used, wire, size);
            memcpy(wire, head, used);
            size += used;
        }
    }
    assert_true(size > 30000);
    const struct codec_message *value = &google__protobuf__value__schema;
    assert_false(codec_scan(value, aion_str_n(wire, size), NULL, &fixture->err));
    assert_int_equal(fixture->err.code, AION_EXHAUSTED);
    assert_null(
        codec_unpack(value, aion_str_n(wire, size), NULL, &fixture->arena, &fixture->err));
}

static void bounds_bytes_and_elements(void **state)
{
    struct codec_scan_limits limits = {.bytes_max = 4};
    assert_true(scan_with(*state, "\xf0\x01\x01", 3, &limits));
    assert_false(scan_with(*state, "\xf0\x01\x81\x01\x08", 5, &limits));
    limits = (struct codec_scan_limits){.elements_max = 4};
    assert_true(scan_with(*state, "\xf2\x01\x03\x01\x02\x03", 6, &limits));
    assert_false(scan_with(*state, "\xf2\x01\x04\x01\x02\x03\x04", 7, &limits));
    assert_true(scan_with(*state,
                          "\x9a\x02\x18"
                          "aaaaaaaabbbbbbbbcccccccc",
                          27, &limits));
    limits.elements_max = 3;
    assert_false(scan_with(*state,
                           "\x9a\x02\x18"
                           "aaaaaaaabbbbbbbbcccccccc",
                           27, &limits));
    assert_false(scan_with(*state, "\x08\x01\x08\x01\x08\x01\x08\x01", 8, &limits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_what_is_well_formed, "what is well-formed is taken"),
        TEST(refuses_what_is_malformed, "what is malformed is refused"),
        TEST(names_the_path_of_bad_text, "bad text is refused with its path"),
        TEST(nul_passes_only_when_told, "U+0000 passes only when told"),
        TEST(bounds_depth, "depth is bounded, of groups too"),
        TEST(refuses_values_nested_by_the_thousand, "30 KB of Values in Values are refused"),
        TEST(bounds_bytes_and_elements, "bytes and elements are bounded"),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
