/* Blocks in memory. */
#include "ops_block_private.h"

#include <stdlib.h>

enum { ARENA_MAX = 512 << 20, FIRST_ENTITIES = 64 };

void ops_block_init(struct ops_block *block, uint32_t span_ms)
{
    *block = (struct ops_block){.span_ms = span_ms, .planes = span_ms > 1000 ? OPS_PLANES : 1};
    aion_arena_init(&block->arena, ARENA_MAX, NULL, 0);
}

void ops_block_done(struct ops_block *block)
{
    aion_arena_done(&block->arena);
    free(block->entities);
    free(block->by_id);
    free(block->room);
    block->entities = NULL;
    block->by_id = NULL;
    block->room = NULL;
}

void ops_block_reset(struct ops_block *block)
{
    uint32_t span_ms = block->span_ms;
    ops_block_done(block);
    ops_block_init(block, span_ms);
}

void ops_block_reuse(struct ops_block *block)
{
    size_t used = block->arena.used, had = block->arena.first_size;
    void *room = block->room;
    block->room = NULL;
    ops_block_reset(block);
    if (used > had) {
        free(room);
        room = malloc(used);
        had = room != NULL ? used : 0;
    }
    block->room = room;
    aion_arena_init(&block->arena, ARENA_MAX, room, had);
}

size_t ops_block_bytes(const struct ops_block *block)
{
    const struct aion_arena *arena = &block->arena;
    return (arena->used > arena->first_size ? arena->used : arena->first_size) +
           block->entity_room * sizeof(*block->entities) +
           block->by_id_size * sizeof(*block->by_id);
}

/* -- entities ----------------------------------------------------------------------- */
/* Open addressing over ids that are nearly consecutive. */
static void index_put(struct ops_block *block, size_t place)
{
    size_t at = block->entities[place].id & (block->by_id_size - 1);
    while (block->by_id[at] != 0)
        at = (at + 1) & (block->by_id_size - 1);
    block->by_id[at] = (uint32_t)place + 1;
}

static bool grow(struct ops_block *block)
{
    size_t room = block->entity_room > 0 ? block->entity_room * 2 : FIRST_ENTITIES;
    if (room > OPS_BLOCK_ENTITIES_MAX)
        return false;
    struct ops_block_entity *entities = realloc(block->entities, room * sizeof(*entities));
    if (entities == NULL)
        return false;
    block->entities = entities;
    uint32_t *by_id = calloc(room * 2, sizeof(*by_id));
    if (by_id == NULL)
        return false;
    free(block->by_id);
    block->by_id = by_id;
    block->by_id_size = room * 2;
    block->entity_room = room;
    for (size_t i = 0; i < block->entity_count; i++)
        if (block->entities[i].id != 0)
            index_put(block, i);
    return true;
}

static struct ops_block_entity *find(const struct ops_block *block, uint32_t id)
{
    if (block->by_id_size == 0)
        return NULL;
    size_t at = id & (block->by_id_size - 1);
    for (; block->by_id[at] != 0; at = (at + 1) & (block->by_id_size - 1))
        if (block->entities[block->by_id[at] - 1].id == id)
            return &block->entities[block->by_id[at] - 1];
    return NULL;
}

struct ops_block_entity *ops_block_entity_add(struct ops_block *block, enum ops_kind kind,
                                              uint32_t id)
{
    size_t values = (size_t)ops_kind_info(kind)->column_count * OPS_BLOCK_FRAMES;
    if (block->entity_count == block->entity_room && !grow(block))
        return NULL;
    struct ops_block_entity *entity = &block->entities[block->entity_count];
    *entity = (struct ops_block_entity){.kind = kind, .id = id};
    for (unsigned plane = 0; plane < block->planes; plane++) {
        entity->values[plane] =
            aion_arena_alloc(&block->arena, values * sizeof(*entity->values[plane]));
        if (entity->values[plane] == NULL)
            return NULL;
    }
    index_put(block, block->entity_count++);
    return entity;
}

/* After a change of ids: the entity of this name, if the block has it from before. */
static struct ops_block_entity *find_nameless(struct ops_block *block, enum ops_kind kind,
                                              aion_str key, uint32_t id)
{
    for (size_t i = 0; i < block->entity_count && block->nameless > 0; i++) {
        struct ops_block_entity *entity = &block->entities[i];
        if (entity->id != 0 || entity->kind != kind || !aion_str_eq(entity->key, key))
            continue;
        entity->id = id;
        index_put(block, i);
        block->nameless--;
        return entity;
    }
    return NULL;
}

void ops_block_rename(struct ops_block *block)
{
    for (size_t i = 0; i < block->entity_count; i++)
        block->entities[i].id = 0;
    block->nameless = block->entity_count;
    if (block->by_id_size > 0)
        memset(block->by_id, 0, block->by_id_size * sizeof(*block->by_id));
}

static bool name_entity(struct ops_block *block, const Aion__V1__OpsEntity *message)
{
    struct ops_block_entity *entity = find(block, message->id);
    if ((unsigned)message->kind >= OPS_KINDS || message->id == 0 ||
        ops_kind_info((enum ops_kind)message->kind)->column_count == 0)
        return false;
    if (entity == NULL)
        entity = find_nameless(block, (enum ops_kind)message->kind, aion_str_of(message->key),
                               message->id);
    if (entity == NULL)
        entity = ops_block_entity_add(block, (enum ops_kind)message->kind, message->id);
    if (entity == NULL || entity->kind != (enum ops_kind)message->kind)
        return false;
    entity->key = aion_arena_str(&block->arena, aion_str_of(message->key));
    entity->label_count = 0;
    entity->labels =
        aion_arena_array(&block->arena, message->n_labels, sizeof(*entity->labels));
    for (size_t i = 0; entity->labels != NULL && i < message->n_labels; i++)
        entity->labels[entity->label_count++] = (struct ops_label){
            aion_arena_str(&block->arena, aion_str_of(message->labels[i]->key)),
            aion_arena_str(&block->arena, aion_str_of(message->labels[i]->value))};
    return entity->labels != NULL;
}

/* -- adding a frame ----------------------------------------------------------------- */
static bool add_row(struct ops_block *block, const Aion__V1__OpsRow *row)
{
    struct ops_block_entity *entity = find(block, row->entity);
    if (entity == NULL || row->changed != 0)
        return false;
    /* of a control that knew fewer columns, or more */
    for (size_t i = 0; i < ops_block_columns(entity); i++) {
        size_t at = i * OPS_BLOCK_FRAMES + block->frames;
        entity->values[OPS_PLANE_VALUE][at] = i < row->n_values ? row->values[i] : OPS_UNKNOWN;
        for (unsigned plane = OPS_PLANE_BELOW; plane < block->planes; plane++)
            entity->values[plane][at] = 0;
    }
    entity->present |= (uint64_t)1 << block->frames;
    return true;
}

/* How far from the value: never negative in a frame of ours; modulo 2^64 in any. */
static bool add_spread(struct ops_block *block, const Aion__V1__OpsRow *row, unsigned plane)
{
    struct ops_block_entity *entity = find(block, row->entity);
    size_t next = 0;
    if (entity == NULL || (entity->present >> block->frames & 1) == 0)
        return false;
    for (unsigned i = 0; i < ops_block_columns(entity); i++) {
        if ((row->changed >> i & 1) == 0)
            continue;
        if (next == row->n_values)
            return false;
        size_t at = (size_t)i * OPS_BLOCK_FRAMES + block->frames;
        uint64_t value = (uint64_t)entity->values[OPS_PLANE_VALUE][at],
                 bound = (uint64_t)row->values[next++];
        entity->values[plane][at] =
            (int64_t)(plane == OPS_PLANE_BELOW ? value - bound : bound - value);
    }
    return true;
}

static bool add_rows(struct ops_block *block, const Aion__V1__OpsFrame *frame)
{
    for (size_t i = 0; i < frame->n_rows; i++)
        if (!add_row(block, frame->rows[i]))
            return false;
    for (size_t i = 0; i < frame->n_least && block->planes > OPS_PLANE_BELOW; i++)
        if (!add_spread(block, frame->least[i], OPS_PLANE_BELOW))
            return false;
    for (size_t i = 0; i < frame->n_most && block->planes > OPS_PLANE_ABOVE; i++)
        if (!add_spread(block, frame->most[i], OPS_PLANE_ABOVE))
            return false;
    return true;
}

static void take_back(struct ops_block *block)
{
    for (size_t i = 0; i < block->entity_count; i++)
        block->entities[i].present &= ~((uint64_t)1 << block->frames);
}

bool ops_block_add(struct ops_block *block, const Aion__V1__OpsFrame *frame,
                   struct aion_err *err)
{
    if (block->frames == OPS_BLOCK_FRAMES)
        return aion_fail(err, AION_EXHAUSTED, "the block has %d frames", (int)OPS_BLOCK_FRAMES);
    if (frame->span_ms != block->span_ms)
        return aion_fail(err, AION_INVALID, "a frame of %u ms among those of %u",
                         frame->span_ms, block->span_ms);
    for (size_t i = 0; i < frame->n_entities; i++)
        if (!name_entity(block, frame->entities[i]))
            return aion_fail(err, AION_INVALID, "entity %u cannot be taken",
                             frame->entities[i]->id);
    if (!add_rows(block, frame)) {
        take_back(block);
        return aion_fail(err, AION_INVALID, "a row of an entity that was not named so");
    }
    block->at_us[block->frames] = frame->at_us;
    if (frame->gap)
        block->gaps |= (uint64_t)1 << block->frames;
    block->frames++;
    return true;
}
