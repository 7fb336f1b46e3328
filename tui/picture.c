#include "picture.h"

#include <stdlib.h>

void tui_picture_init(struct tui_picture *picture)
{
    *picture = (struct tui_picture){.rows = NULL};
}

void tui_picture_clear(struct tui_picture *picture)
{
    for (size_t i = 0; i < picture->room; i++) {
        free(picture->rows[i]);
        picture->rows[i] = NULL;
    }
    memset(picture->counts, 0, sizeof(picture->counts));
    picture->at_us = 0;
    picture->gap = false;
}

void tui_picture_done(struct tui_picture *picture)
{
    tui_picture_clear(picture);
    free(picture->rows);
    tui_picture_init(picture);
}

static bool make_room(struct tui_picture *picture, uint32_t slot)
{
    if (slot < picture->room)
        return true;
    size_t room = ((size_t)slot / 256 + 1) * 256;
    struct tui_row **rows = realloc(picture->rows, room * sizeof(struct tui_row *));
    if (rows == NULL)
        return false;
    memset(rows + picture->room, 0, (room - picture->room) * sizeof(struct tui_row *));
    picture->rows = rows;
    picture->room = room;
    return true;
}

struct tui_row *tui_picture_row(struct tui_picture *picture, struct tui_entity *entity)
{
    size_t count = tui_kinds[entity->kind].count;
    if (!make_room(picture, entity->slot))
        return NULL;
    struct tui_row *row = picture->rows[entity->slot];
    if (row != NULL && row->entity == entity)
        return row;
    tui_picture_remove(picture, entity->slot);
    row = malloc(sizeof(*row) + count * sizeof(int64_t));
    if (row == NULL)
        return NULL;
    row->entity = entity;
    for (size_t i = 0; i < count; i++)
        row->values[i] = TUI_UNKNOWN;
    picture->rows[entity->slot] = row;
    picture->counts[entity->kind]++;
    return row;
}

void tui_picture_remove(struct tui_picture *picture, uint32_t slot)
{
    struct tui_row *row = tui_picture_find(picture, slot);
    if (row == NULL)
        return;
    picture->counts[row->entity->kind]--;
    free(row);
    picture->rows[slot] = NULL;
}

bool tui_picture_copy(struct tui_picture *picture, const struct tui_picture *from)
{
    for (size_t i = 0; i < picture->room; i++)
        if (tui_picture_find(from, (uint32_t)i) == NULL)
            tui_picture_remove(picture, (uint32_t)i);
    for (size_t i = 0; i < from->room; i++) {
        if (from->rows[i] == NULL)
            continue;
        struct tui_entity *entity = from->rows[i]->entity;
        struct tui_row *row = tui_picture_row(picture, entity);
        if (row == NULL)
            return false;
        memcpy(row->values, from->rows[i]->values,
               tui_kinds[entity->kind].count * sizeof(int64_t));
    }
    picture->at_us = from->at_us;
    picture->span_ms = from->span_ms;
    picture->gap = from->gap;
    return true;
}

void tui_picture_seen(const struct tui_picture *picture, int64_t now_us)
{
    for (size_t i = 0; i < picture->room; i++)
        if (picture->rows[i] != NULL)
            picture->rows[i]->entity->seen_us = now_us;
}

void tui_picture_mark(const struct tui_picture *picture, const struct tui_entities *entities)
{
    for (size_t i = 0; i < picture->room; i++)
        if (picture->rows[i] != NULL)
            picture->rows[i]->entity->marked = entities->round;
}

static int by_key(const void *a, const void *b)
{
    const struct tui_row *const *left = a, *const *right = b;
    return aion_str_cmp((*left)->entity->key, (*right)->entity->key);
}

size_t tui_picture_list(const struct tui_picture *picture, enum tui_kind kind,
                        const struct tui_row **out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < picture->room && count < max; i++)
        if (picture->rows[i] != NULL && picture->rows[i]->entity->kind == kind)
            out[count++] = picture->rows[i];
    if (count > 1)
        qsort(out, count, sizeof(struct tui_row *), by_key);
    return count;
}

const struct tui_row *tui_picture_key(const struct tui_picture *picture, enum tui_kind kind,
                                      aion_str key)
{
    for (size_t i = 0; i < picture->room; i++) {
        const struct tui_row *row = picture->rows[i];
        if (row != NULL && row->entity->kind == kind && aion_str_eq(row->entity->key, key))
            return row;
    }
    return NULL;
}

const struct tui_row *tui_picture_mesh(const struct tui_picture *picture)
{
    for (size_t i = 0; picture->counts[TUI_MESH] > 0 && i < picture->room; i++)
        if (picture->rows[i] != NULL && picture->rows[i]->entity->kind == TUI_MESH)
            return picture->rows[i];
    return NULL;
}
