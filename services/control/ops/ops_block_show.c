/* Frames of a block for readers. */
#include "ops_block_private.h"

struct showing {
    const struct ops_block *block;
    unsigned index;
    bool full;
    struct aion_arena *arena;
    Aion__V1__OpsFrame *frame;
};

static bool is_there(const struct ops_block_entity *entity, unsigned index)
{
    return entity->present >> index & 1;
}

static bool show_row(struct showing *showing, const struct ops_block_entity *entity,
                     uint32_t id, bool whole)
{
    int64_t values[OPS_COLUMNS_MAX];
    uint64_t changed = 0;
    size_t count = 0;
    for (unsigned i = 0; i < ops_block_columns(entity); i++) {
        int64_t value = ops_block_value(entity, OPS_PLANE_VALUE, i, showing->index);
        if (!whole && value == ops_block_value(entity, OPS_PLANE_VALUE, i, showing->index - 1))
            continue;
        changed |= (uint64_t)1 << i;
        values[count++] = value;
    }
    if (count == 0)
        return true;
    Aion__V1__OpsRow *row =
        ops_frame_row(id, whole ? 0 : changed, values, count, showing->arena);
    if (row == NULL)
        return false;
    showing->frame->rows[showing->frame->n_rows++] = row;
    return true;
}

static bool show_spread(struct showing *showing, const struct ops_block_entity *entity,
                        uint32_t id, unsigned plane, Aion__V1__OpsRow **list, size_t *count)
{
    int64_t values[OPS_COLUMNS_MAX];
    uint64_t changed = 0;
    size_t found = 0;
    for (unsigned i = 0; i < ops_block_columns(entity); i++) {
        int64_t value = ops_block_value(entity, OPS_PLANE_VALUE, i, showing->index),
                off = ops_block_value(entity, plane, i, showing->index);
        if (off == 0)
            continue;
        changed |= (uint64_t)1 << i;
        values[found++] = (int64_t)(plane == OPS_PLANE_BELOW ? (uint64_t)value - (uint64_t)off
                                                             : (uint64_t)value + (uint64_t)off);
    }
    if (found == 0)
        return true;
    Aion__V1__OpsRow *row = ops_frame_row(id, changed, values, found, showing->arena);
    if (row == NULL)
        return false;
    list[(*count)++] = row;
    return true;
}

static bool show_entity(struct showing *showing, const struct ops_block_entity *entity,
                        uint32_t id)
{
    Aion__V1__OpsFrame *frame = showing->frame;
    bool there = is_there(entity, showing->index);
    bool before = !showing->full && is_there(entity, showing->index - 1);
    if (before && !there)
        frame->gone[frame->n_gone++] = id;
    if (!there)
        return true;
    if (!before && (frame->entities[frame->n_entities++] =
                        ops_frame_entity(id, entity->kind, entity->key, entity->labels,
                                         entity->label_count, showing->arena)) == NULL)
        return false;
    if (!show_row(showing, entity, id, !before))
        return false;
    return showing->block->planes == 1 ||
           (show_spread(showing, entity, id, OPS_PLANE_BELOW, frame->least, &frame->n_least) &&
            show_spread(showing, entity, id, OPS_PLANE_ABOVE, frame->most, &frame->n_most));
}

static bool begin_showing(struct showing *showing)
{
    size_t count = showing->block->entity_count;
    Aion__V1__OpsFrame *frame = aion_arena_alloc(showing->arena, sizeof(*frame));
    if (frame == NULL)
        return false;
    aion__v1__ops_frame__init(frame);
    showing->frame = frame;
    frame->entities = aion_arena_array(showing->arena, count, sizeof(*frame->entities));
    frame->rows = aion_arena_array(showing->arena, count, sizeof(*frame->rows));
    frame->gone = aion_arena_array(showing->arena, count, sizeof(*frame->gone));
    frame->least = aion_arena_array(showing->arena, count, sizeof(*frame->least));
    frame->most = aion_arena_array(showing->arena, count, sizeof(*frame->most));
    frame->at_us = showing->block->at_us[showing->index];
    frame->span_ms = showing->block->span_ms;
    frame->gap = showing->block->gaps >> showing->index & 1;
    frame->full = showing->full;
    return frame->entities != NULL && frame->rows != NULL && frame->gone != NULL &&
           frame->least != NULL && frame->most != NULL;
}

Aion__V1__OpsFrame *ops_block_frame(const struct ops_block *block, unsigned index, bool full,
                                    const struct ops_view *view, struct aion_arena *arena)
{
    struct showing showing = {
        .block = block, .index = index, .full = full || index == 0, .arena = arena};
    if (!begin_showing(&showing))
        return NULL;
    for (size_t i = 0; i < block->entity_count; i++) {
        const struct ops_block_entity *entity = &block->entities[i];
        if (ops_view_shows(view, entity->kind, entity->key) &&
            !show_entity(&showing, entity, (uint32_t)i + 1))
            return NULL;
    }
    return showing.frame;
}
