/* The files that keep telemetry's frames: whatever bytes they hold, reading them does no harm.
 * The first byte says what the rest is: a block of seconds or of tens, or records one behind
 * another, whose checksums are believed or not. A block that is read comes back the same when
 * it is written again, and every frame of it can be made. */
#include "aion/v1/ops.schema.h"
#include "codec/message.h"
#include "ops/ops_block.h"
#include "ops/ops_record.h"

#include <assert.h>

enum { INPUT_MAX = 16384 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_frames(const struct ops_block *block)
{
    static const struct ops_view all = {.kinds = OPS_ALL_KINDS};
    for (unsigned i = 0; i < block->frames; i++) {
        struct aion_arena arena;
        aion_arena_init(&arena, 256 << 20, NULL, 0);
        const Aion__V1__OpsFrame *frame = ops_block_frame(block, i, i % 2 == 0, &all, &arena);
        assert(frame != NULL && frame->at_us == block->at_us[i]);
        aion_arena_done(&arena);
    }
}

/* Of frames that do not have the entity a place is not set. */
static void assert_same_values(const struct ops_block *block, const struct ops_block_entity *x,
                               const struct ops_block_entity *y)
{
    size_t columns = ops_kind_info(x->kind)->column_count;
    for (unsigned plane = 0; plane < block->planes; plane++)
        for (size_t at = 0; at < columns * OPS_BLOCK_FRAMES; at++)
            assert((x->present >> at % OPS_BLOCK_FRAMES & 1) == 0 ||
                   x->values[plane][at] == y->values[plane][at]);
}

static void assert_same(const struct ops_block *a, const struct ops_block *b)
{
    assert(a->frames == b->frames && a->gaps == b->gaps && a->entity_count == b->entity_count);
    for (size_t i = 0; i < a->entity_count; i++) {
        const struct ops_block_entity *x = &a->entities[i], *y = &b->entities[i];
        assert(x->kind == y->kind && x->present == y->present && aion_str_eq(x->key, y->key));
        assert_same_values(a, x, y);
    }
}

static void read_block(uint32_t span_ms, aion_str bytes)
{
    struct ops_block block, again;
    struct aion_buf buf;
    struct aion_err err;
    ops_block_init(&block, span_ms);
    ops_block_init(&again, span_ms);
    aion_buf_init(&buf, OPS_RECORD_BYTES_MAX);
    if (ops_block_read(&block, bytes, &err)) {
        make_frames(&block);
        ops_block_write(&block, &buf);
        assert(!buf.overflow && ops_block_read(&again, aion_buf_view(&buf), &err));
        assert_same(&block, &again);
    }
    aion_buf_done(&buf);
    ops_block_done(&block);
    ops_block_done(&again);
}

static void add_frame(struct ops_block *block, bool first, aion_str payload)
{
    struct aion_arena arena;
    struct aion_err err;
    unsigned frames = block->frames;
    aion_arena_init(&arena, 64 << 20, NULL, 0);
    const Aion__V1__OpsFrame *frame = (const Aion__V1__OpsFrame *)codec_unpack(
        &aion__v1__ops_frame__schema, payload, NULL, &arena, &err);
    if (frame != NULL && first)
        ops_block_rename(block);
    if (frame != NULL && !ops_block_add(block, frame, &err))
        assert(block->frames == frames);
    aion_arena_done(&arena);
}

static void read_records(uint32_t span_ms, bool believe, aion_str rest)
{
    struct ops_block block;
    struct ops_record record;
    ops_block_init(&block, span_ms);
    while (ops_record_head(rest, &record) && rest.size - OPS_RECORD_HEAD >= record.size) {
        aion_str payload = aion_str_n(rest.data + OPS_RECORD_HEAD, record.size);
        if (!ops_record_holds(&record, payload) && !believe)
            break;
        if (record.type == OPS_RECORD_BLOCK)
            read_block(span_ms, payload);
        else
            add_frame(&block, record.type == OPS_RECORD_FIRST, payload);
        rest =
            aion_str_n(payload.data + payload.size, rest.size - OPS_RECORD_HEAD - record.size);
    }
    make_frames(&block);
    ops_block_done(&block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > INPUT_MAX)
        return 0;
    aion_str bytes = aion_str_n(data + 1, size - 1);
    uint32_t span_ms = (data[0] & 1) != 0 ? 10000 : 1000;
    if ((data[0] & 2) != 0)
        read_records(span_ms, (data[0] & 4) != 0, bytes);
    else
        read_block(span_ms, bytes);
    return 0;
}
