/* Goal: a copy says what its original said, and stands on its own. Method: messages of a world,
 * and one with every kind of field that the console meets, packed before and after; the
 * originals are freed in between, under the address sanitizer. */
#include "tui_test.h"

#include "copy.h"
#include "stage.h"

static char *packed(const ProtobufCMessage *message, size_t *ret_size)
{
    *ret_size = protobuf_c_message_get_packed_size(message);
    char *wire = malloc(*ret_size + 1);
    protobuf_c_message_pack(message, (uint8_t *)wire);
    return wire;
}

/* `made` is in `from`, which is freed. */
static void check(const ProtobufCMessage *made, struct aion_arena *from)
{
    struct aion_arena own;
    size_t before_size, after_size;
    char *before = packed(made, &before_size);
    aion_arena_init(&own, 64 << 20, NULL, 0);
    const ProtobufCMessage *copy = tui_message_copy(made, &own);
    aion_arena_done(from);
    assert_non_null(copy);
    char *after = packed(copy, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
    aion_arena_done(&own);
}

static void messages_of_a_world_are_the_same(void **state)
{
    const struct world_conf conf = {.seed = 7, .hostile = true};
    static struct world world;
    struct world_reader reader = {.last = NULL};
    struct aion_arena arena;
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    (void)state;
    world_init(&world, &conf);
    aion_arena_init(&arena, 64 << 20, NULL, 0);
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
    reply.frame = world_frame(&world, &reader, STAGE_START_US / 1000, 1000, 0, &arena);
    reply.beside = world_events(&world, STAGE_START_US, STAGE_START_US + 1000000, 50, &arena);
    check(&reply.base, &arena);
    check(&world_tasks(&world, STAGE_START_US, 30, &arena)->base, &arena);
    check(&world_policy(42, true, &arena)->base, &arena);
    check(&world_hosts(&world, STAGE_START_US, &arena)->base, &arena);
    check(&world_plan(&arena)->base, &arena);
    world_reader_done(&reader);
}

/* Of a oneof only the value that is chosen is one. */
static void chunks_keep_their_one_payload(void **state)
{
    struct aion_arena arena;
    Aion__V1__StreamChunk chunk = AION__V1__STREAM_CHUNK__INIT;
    (void)state;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    chunk.cursor = 3;
    chunk.payload_case = AION__V1__STREAM_CHUNK__PAYLOAD_TEXT;
    chunk.text = aion_arena_text(&arena, AION_STR("some text"));
    check(&chunk.base, &arena);
    chunk.payload_case = AION__V1__STREAM_CHUNK__PAYLOAD_DATA;
    chunk.data = (ProtobufCBinaryData){4, aion_arena_alloc(&arena, 4)};
    memcpy(chunk.data.data, "\0\1\2\3", 4);
    check(&chunk.base, &arena);
    chunk.payload_case = AION__V1__STREAM_CHUNK__PAYLOAD_DATA;
    chunk.data = (ProtobufCBinaryData){0, NULL};
    check(&chunk.base, &arena);
}

static void an_arena_that_is_full_gives_no_copy(void **state)
{
    struct aion_arena arena, small;
    (void)state;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    const ProtobufCMessage *policy = &world_policy(42, true, &arena)->base;
    for (size_t limit = 0; limit < 4096; limit += 16) {
        aion_arena_init(&small, limit, NULL, 0);
        const ProtobufCMessage *copy = tui_message_copy(policy, &small);
        assert_true(copy == NULL || protobuf_c_message_get_packed_size(copy) ==
                                        protobuf_c_message_get_packed_size(policy));
        assert_true(limit > 200 || copy == NULL);
        aion_arena_done(&small);
    }
    aion_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_a_world_are_the_same),
        cmocka_unit_test(chunks_keep_their_one_payload),
        cmocka_unit_test(an_arena_that_is_full_gives_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
