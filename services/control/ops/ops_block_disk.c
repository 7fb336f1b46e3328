/* Blocks on disk: version, span, times, gaps, columns of each kind, names, then columns bit by
 * bit. What is read is checked as if anybody had written it. Who wrote it may have known fewer
 * columns (they are unknown then) or more kinds and columns than we do (they are left out). */
#include "ops_block_private.h"

#include "ops_wire.h"

enum { VERSION = 1 };

/* -- out ---------------------------------------------------------------------------- */
static void put_varint(struct aion_buf *out, uint64_t value)
{
    char room[OPS_WIRE_VARINT_MAX];
    aion_buf_add(out, room, (size_t)(ops_wire_varint(room, value) - room));
}

/* What it has in common with the text that stood in its place before is not repeated: keys and
 * labels of neighbours differ in their ends. */
static void put_text(struct aion_buf *out, aion_str text, aion_str before)
{
    size_t shared = 0;
    while (shared < text.size && shared < before.size &&
           text.data[shared] == before.data[shared])
        shared++;
    put_varint(out, shared);
    put_varint(out, text.size - shared);
    aion_buf_add(out, text.data + shared, text.size - shared);
}

static aion_str label_before(const struct ops_block_entity *before, size_t i, bool value)
{
    if (before == NULL || i >= before->label_count)
        return (aion_str){0};
    return value ? before->labels[i].value : before->labels[i].name;
}

static void put_entity(struct aion_buf *out, const struct ops_block_entity *entity,
                       const struct ops_block_entity *before)
{
    aion_buf_char(out, (char)entity->kind);
    put_varint(out, ~entity->present); /* most are there all the time */
    put_text(out, entity->key, before != NULL ? before->key : (aion_str){0});
    put_varint(out, entity->label_count);
    for (size_t i = 0; i < entity->label_count; i++) {
        put_text(out, entity->labels[i].name, label_before(before, i, false));
        put_text(out, entity->labels[i].value, label_before(before, i, true));
    }
}

static size_t gather(const struct ops_block *block, const struct ops_block_entity *entity,
                     unsigned plane, unsigned column, int64_t values[OPS_BLOCK_FRAMES])
{
    size_t count = 0;
    for (unsigned i = 0; i < block->frames; i++)
        if (entity->present >> i & 1)
            values[count++] = ops_block_value(entity, plane, column, i);
    return count;
}

static int64_t bound_of(unsigned plane, int64_t value, int64_t off)
{
    return (int64_t)(plane == OPS_PLANE_BELOW ? (uint64_t)value - (uint64_t)off
                                              : (uint64_t)value + (uint64_t)off);
}

/* Least and most, or how far off they are: bounds of buckets and whole counts are cheap as they
 * are, what seldom moves is cheap as zeros. */
static void put_spread(struct ops_bits_out *bits, unsigned plane, const int64_t *values,
                       const int64_t *off, size_t count)
{
    int64_t bounds[OPS_BLOCK_FRAMES];
    for (size_t i = 0; i < count; i++)
        bounds[i] = bound_of(plane, values[i], off[i]);
    bool whole = ops_column_cost(bounds, count) < ops_column_cost(off, count);
    ops_bits_put(bits, whole, 1);
    ops_column_write(bits, whole ? bounds : off, count);
}

static void put_values(struct ops_bits_out *bits, const struct ops_block *block,
                       const struct ops_block_entity *entity)
{
    int64_t values[OPS_BLOCK_FRAMES], off[OPS_BLOCK_FRAMES];
    for (unsigned column = 0; column < ops_block_columns(entity); column++) {
        size_t count = gather(block, entity, OPS_PLANE_VALUE, column, values);
        ops_column_write(bits, values, count);
        for (unsigned plane = OPS_PLANE_BELOW; plane < block->planes; plane++) {
            gather(block, entity, plane, column, off);
            put_spread(bits, plane, values, off, count);
        }
    }
}

void ops_block_write(const struct ops_block *block, struct aion_buf *out)
{
    const struct ops_block_entity *before = NULL;
    size_t named = 0;
    for (size_t i = 0; i < block->entity_count; i++)
        named += block->entities[i].present != 0;
    aion_buf_char(out, VERSION);
    put_varint(out, block->span_ms);
    put_varint(out, block->frames);
    for (unsigned i = 0; i < block->frames; i++)
        put_varint(out,
                   ops_wire_zigzag((int64_t)((uint64_t)block->at_us[i] -
                                             (uint64_t)(i > 0 ? block->at_us[i - 1] : 0))));
    put_varint(out, block->gaps);
    put_varint(out, OPS_KINDS);
    for (int kind = 0; kind < OPS_KINDS; kind++)
        put_varint(out, ops_kind_info((enum ops_kind)kind)->column_count);
    put_varint(out, named);
    for (size_t i = 0; i < block->entity_count; i++) {
        if (block->entities[i].present == 0)
            continue;
        put_entity(out, &block->entities[i], before);
        before = &block->entities[i];
    }
    struct ops_bits_out bits = {.out = out};
    for (size_t i = 0; i < block->entity_count; i++)
        if (block->entities[i].present != 0)
            put_values(&bits, block, &block->entities[i]);
    ops_bits_flush(&bits);
}

/* -- in ----------------------------------------------------------------------------- */
enum { KINDS_MAX = 64 }; /* on disk */

struct reading {
    const char *at, *end;
    bool bad;
    unsigned columns[KINDS_MAX]; /* on disk, by kind */
};

static uint64_t get_varint(struct reading *reading)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && reading->at < reading->end; shift += 7) {
        unsigned char byte = (unsigned char)*reading->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    reading->bad = true;
    return 0;
}

static aion_str get_text(struct reading *reading, aion_str before, struct aion_arena *arena)
{
    uint64_t shared = get_varint(reading), fresh = get_varint(reading);
    aion_str text = {0};
    if (reading->bad || shared > before.size ||
        fresh > (uint64_t)(reading->end - reading->at) || shared + fresh > UINT16_MAX) {
        reading->bad = true;
        return text;
    }
    char *copy = aion_arena_alloc(arena, (size_t)(shared + fresh) + 1);
    if (copy == NULL) {
        reading->bad = true;
        return text;
    }
    if (shared > 0)
        memcpy(copy, before.data, (size_t)shared);
    memcpy(copy + shared, reading->at, (size_t)fresh);
    reading->at += fresh;
    copy[shared + fresh] = '\0';
    text = aion_str_n(copy, (size_t)(shared + fresh));
    reading->bad = !aion_utf8_valid(copy, text.size) || memchr(copy, '\0', text.size) != NULL;
    return text;
}

static void get_labels(struct reading *reading, struct ops_block *block,
                       struct ops_block_entity *entity, const struct ops_block_entity *before)
{
    uint64_t count = get_varint(reading);
    if (reading->bad || count > OPS_LABELS_MAX) {
        reading->bad = true;
        return;
    }
    entity->labels = aion_arena_array(&block->arena, (size_t)count, sizeof(*entity->labels));
    for (size_t i = 0; entity->labels != NULL && i < count && !reading->bad; i++) {
        struct ops_label *label = &entity->labels[i];
        label->name = get_text(reading, label_before(before, i, false), &block->arena);
        label->value = get_text(reading, label_before(before, i, true), &block->arena);
        entity->label_count++;
    }
    reading->bad = reading->bad || entity->labels == NULL;
}

static uint64_t frames_mask(unsigned frames)
{
    return frames < 64 ? ((uint64_t)1 << frames) - 1 : UINT64_MAX;
}

/* Of a kind that we do not know, too: as one that is no entity of the mesh's. */
static void get_entity(struct reading *reading, struct ops_block *block)
{
    unsigned kind = reading->at < reading->end ? (unsigned char)*reading->at++ : KINDS_MAX;
    uint64_t present = ~get_varint(reading) & frames_mask(block->frames);
    const struct ops_block_entity *before = NULL;
    struct ops_block_entity *entity = NULL;
    if (!reading->bad && present != 0 && kind < KINDS_MAX && reading->columns[kind] > 0)
        entity =
            ops_block_entity_add(block, (enum ops_kind)kind, (uint32_t)block->entity_count + 1);
    if (entity == NULL) {
        reading->bad = true;
        return;
    }
    if (block->entity_count > 1)
        before = entity - 1;
    entity->present = present;
    entity->key =
        get_text(reading, before != NULL ? before->key : (aion_str){0}, &block->arena);
    if (!reading->bad)
        get_labels(reading, block, entity, before);
}

static bool get_spread(struct ops_bits_in *bits, unsigned plane, const int64_t *values,
                       int64_t *off, size_t count)
{
    bool whole = ops_bits_get(bits, 1) == 1;
    if (!ops_column_read(bits, off, count))
        return false;
    for (size_t i = 0; i < count && whole; i++)
        off[i] = (int64_t)(plane == OPS_PLANE_BELOW ? (uint64_t)values[i] - (uint64_t)off[i]
                                                    : (uint64_t)off[i] - (uint64_t)values[i]);
    return true;
}

static void scatter(const struct ops_block *block, const struct ops_block_entity *entity,
                    unsigned plane, unsigned column, const int64_t *values)
{
    if (column >= ops_block_columns(entity))
        return;
    int64_t *to = entity->values[plane] + (size_t)column * OPS_BLOCK_FRAMES;
    for (unsigned i = 0, next = 0; i < block->frames; i++)
        if (entity->present >> i & 1)
            to[i] = values[next++];
}

/* A column that the block does not know. */
static void fill_unknown(const struct ops_block *block, const struct ops_block_entity *entity,
                         unsigned column)
{
    for (unsigned plane = OPS_PLANE_VALUE; plane < block->planes; plane++) {
        int64_t *to = entity->values[plane] + (size_t)column * OPS_BLOCK_FRAMES;
        for (unsigned i = 0; i < block->frames; i++)
            to[i] = plane == OPS_PLANE_VALUE ? OPS_UNKNOWN : 0;
    }
}

static bool get_values(struct ops_bits_in *bits, const struct ops_block *block,
                       const struct ops_block_entity *entity, unsigned columns)
{
    int64_t values[OPS_BLOCK_FRAMES], off[OPS_BLOCK_FRAMES];
    size_t count = (size_t)__builtin_popcountll(entity->present);
    for (unsigned column = 0; column < columns; column++) {
        if (!ops_column_read(bits, values, count))
            return false;
        scatter(block, entity, OPS_PLANE_VALUE, column, values);
        for (unsigned plane = OPS_PLANE_BELOW; plane < block->planes; plane++) {
            if (!get_spread(bits, plane, values, off, count))
                return false;
            scatter(block, entity, plane, column, off);
        }
    }
    for (unsigned column = columns; column < ops_block_columns(entity); column++)
        fill_unknown(block, entity, column);
    return true;
}

static void get_columns(struct reading *reading)
{
    uint64_t kinds = get_varint(reading);
    reading->bad = reading->bad || kinds > KINDS_MAX;
    for (uint64_t kind = 0; kind < kinds && !reading->bad; kind++) {
        uint64_t columns = get_varint(reading);
        reading->columns[kind] = (unsigned)columns;
        reading->bad = reading->bad || columns > 64;
    }
}

static void get_head(struct reading *reading, struct ops_block *block)
{
    bool known = reading->at < reading->end && *reading->at++ == VERSION;
    uint64_t span_ms = get_varint(reading), frames = get_varint(reading);
    if (!known || reading->bad || span_ms != block->span_ms || frames < 1 ||
        frames > OPS_BLOCK_FRAMES) {
        reading->bad = true;
        return;
    }
    block->frames = (unsigned)frames;
    uint64_t at = 0;
    for (unsigned i = 0; i < block->frames; i++) {
        uint64_t step = get_varint(reading);
        at += step >> 1 ^ (0 - (step & 1));
        block->at_us[i] = (int64_t)at;
    }
    block->gaps = get_varint(reading) & frames_mask(block->frames);
    get_columns(reading);
}

/* Kinds that we do not know are only read over. */
static void forget_foreign(struct ops_block *block)
{
    size_t kept = 0;
    for (size_t i = 0; i < block->entity_count; i++)
        if (ops_block_columns(&block->entities[i]) > 0)
            block->entities[kept++] = block->entities[i];
    block->entity_count = kept;
}

bool ops_block_read(struct ops_block *block, aion_str bytes, struct aion_err *err)
{
    struct reading reading = {
        .at = bytes.data, .end = bytes.data + bytes.size, .bad = bytes.size == 0};
    get_head(&reading, block);
    uint64_t count = reading.bad ? 0 : get_varint(&reading);
    reading.bad = reading.bad || count > OPS_BLOCK_ENTITIES_MAX;
    for (uint64_t i = 0; i < count && !reading.bad; i++)
        get_entity(&reading, block);
    struct ops_bits_in bits = {.next = (const unsigned char *)reading.at,
                               .end = (const unsigned char *)reading.end};
    for (size_t i = 0; i < block->entity_count && !reading.bad; i++)
        reading.bad = !get_values(&bits, block, &block->entities[i],
                                  reading.columns[block->entities[i].kind]);
    if (!reading.bad) {
        forget_foreign(block);
        return true;
    }
    ops_block_reset(block);
    return aion_fail(err, AION_INVALID, "%zu bytes that are no block of frames", bytes.size);
}
