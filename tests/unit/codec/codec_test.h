/* What the codec's tests share. */
#ifndef CODEC_TEST_H
#define CODEC_TEST_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include "aion/test/codec.schema.h"
#include "base/arena.h"
#include "codec/json.h"
#include "codec/message.h"
#include "google/protobuf/duration.schema.h"
#include "google/protobuf/empty.schema.h"
#include "google/protobuf/struct.schema.h"

#include <stdio.h>

typedef Aion__Test__All all;
#define ALL (&aion__test__all__schema)

static const struct codec_file *const test_files[] = {&aion__test__codec_proto__file, NULL};

/* A fresh arena for each test. */
struct fixture {
    struct aion_arena arena;
    struct aion_buf out;
    struct aion_err err;
};

static inline int fixture_setup(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    aion_arena_init(&fixture.arena, 64 << 20, NULL, 0);
    aion_buf_init(&fixture.out, 16 << 20);
    *state = &fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    aion_arena_done(&fixture->arena);
    aion_buf_done(&fixture->out);
    return 0;
}

#define TEST(function, sentence)                                  \
    {                                                             \
        sentence, function, fixture_setup, fixture_teardown, NULL \
    }

static inline all *parse(struct fixture *fixture, const char *json)
{
    const struct codec_json_read options = {.files = test_files};
    fixture->err.text[0] = fixture->err.field[0] = '\0';
    return (all *)codec_json_parse(ALL, aion_str_of(json), &options, &fixture->arena,
                                   &fixture->err);
}

static inline all *parsed(struct fixture *fixture, const char *json)
{
    all *message = parse(fixture, json);
    if (message == NULL)
        fail_msg("%s: %s", json, fixture->err.text);
    return message;
}

static inline void refused(struct fixture *fixture, const char *json, enum aion_code code,
                           const char *field)
{
    if (parse(fixture, json) != NULL)
        fail_msg("taken: %s", json);
    assert_int_equal(fixture->err.code, code);
    assert_string_equal(fixture->err.field, field);
}

static inline const char *printed(struct fixture *fixture, const all *message)
{
    const struct codec_json_write options = {.files = test_files};
    aion_buf_reset(&fixture->out);
    if (!codec_json_print(ALL, &message->base, &options, &fixture->out, &fixture->err))
        fail_msg("%s", fixture->err.text);
    return fixture->out.data;
}

/* protobuf-c's members are not const. */
static inline char *text(struct fixture *fixture, const char *literal)
{
    return aion_arena_text(&fixture->arena, aion_str_of(literal));
}

/* JSON in, the same JSON out, also by way of the wire. */
static inline void round_trip_to(struct fixture *fixture, const char *json,
                                 const char *expected)
{
    const all *message = parsed(fixture, json);
    assert_string_equal(printed(fixture, message), expected);
    size_t size = protobuf_c_message_get_packed_size(&message->base);
    uint8_t *wire = aion_arena_alloc(&fixture->arena, size);
    protobuf_c_message_pack(&message->base, wire);
    ProtobufCMessage *again =
        codec_unpack(ALL, aion_str_n(wire, size), NULL, &fixture->arena, &fixture->err);
    if (again == NULL)
        fail_msg("%s: %s", json, fixture->err.text);
    assert_string_equal(printed(fixture, (all *)again), expected);
}

static inline void round_trip(struct fixture *fixture, const char *json)
{
    round_trip_to(fixture, json, json);
}

#endif
