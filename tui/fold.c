#include "fold.h"

#include <stdlib.h>

enum { IDS_MAX = 65536 };

void tui_ids_done(struct tui_ids *ids)
{
    free(ids->by_id);
    *ids = (struct tui_ids){.by_id = NULL};
}

void tui_ids_mark(const struct tui_ids *ids, const struct tui_entities *entities)
{
    for (size_t i = 0; i < ids->room; i++)
        if (ids->by_id[i] != NULL)
            ids->by_id[i]->marked = entities->round;
}

static bool make_room(struct tui_ids *ids, uint32_t id)
{
    if (id >= IDS_MAX)
        return false;
    if (id < ids->room)
        return true;
    size_t room = ((size_t)id / 256 + 1) * 256;
    struct tui_entity **by_id = realloc(ids->by_id, room * sizeof(struct tui_entity *));
    if (by_id == NULL)
        return false;
    memset(by_id + ids->room, 0, (room - ids->room) * sizeof(struct tui_entity *));
    ids->by_id = by_id;
    ids->room = room;
    return true;
}

static struct tui_entity *find(const struct tui_ids *ids, uint32_t id)
{
    return id < ids->room ? ids->by_id[id] : NULL;
}

/* -- entities -------------------------------------------------------------- */

/* The same one with other labels: its values go on. */
static void rename_row(struct tui_picture *picture, const struct tui_entity *old,
                       struct tui_entity *entity)
{
    const struct tui_row *before = tui_picture_find(picture, old->slot);
    if (before == NULL || old->kind != entity->kind)
        return;
    struct tui_row *row = tui_picture_row(picture, entity);
    before = tui_picture_find(picture, old->slot);
    if (row != NULL && before != NULL)
        memcpy(row->values, before->values, tui_kinds[entity->kind].count * sizeof(int64_t));
    tui_picture_remove(picture, old->slot);
}

static void add_entity(struct tui_ids *ids, struct tui_entities *entities,
                       const Aion__V1__OpsEntity *announced, int64_t seen_us,
                       struct tui_picture *picture)
{
    struct tui_label labels[TUI_LABELS_MAX];
    size_t count = 0;
    int kind = (int)announced->kind;
    if (kind <= TUI_NO_KIND || kind >= TUI_KINDS || !make_room(ids, announced->id))
        return;
    for (; count < announced->n_labels && count < TUI_LABELS_MAX; count++)
        labels[count] = (struct tui_label){aion_str_of(announced->labels[count]->key),
                                           aion_str_of(announced->labels[count]->value)};
    struct tui_entity *old = ids->by_id[announced->id];
    struct tui_entity *entity = tui_entity_of(
        entities, (enum tui_kind)kind, aion_str_of(announced->key), labels, count, seen_us);
    ids->by_id[announced->id] = entity;
    if (old != NULL && entity != NULL && old != entity)
        rename_row(picture, old, entity);
}

/* -- rows ------------------------------------------------------------------ */

static void take_row(const struct tui_ids *ids, const Aion__V1__OpsRow *changed,
                     struct tui_picture *picture)
{
    struct tui_entity *entity = find(ids, changed->entity);
    struct tui_row *row = entity != NULL ? tui_picture_row(picture, entity) : NULL;
    if (row == NULL)
        return;
    size_t columns = tui_kinds[entity->kind].count, at = 0;
    for (unsigned i = 0; i < 64 && at < changed->n_values; i++) {
        if (changed->changed != 0 && (changed->changed >> i & 1) == 0)
            continue;
        int64_t value = changed->values[at++];
        if (i < columns)
            row->values[i] = value;
    }
}

static void take_most(const struct tui_ids *ids, const Aion__V1__OpsRow *most, int64_t at_us,
                      struct tui_series *series)
{
    const struct tui_entity *entity = find(ids, most->entity);
    int column = entity != NULL ? tui_kinds[entity->kind].trend : -1;
    size_t at = 0;
    for (int i = 0; i < 64 && column >= 0 && at < most->n_values; i++) {
        if (most->changed != 0 && (most->changed >> i & 1) == 0)
            continue;
        if (i == column)
            tui_series_add_most(series, entity, at_us, most->values[at]);
        at++;
    }
}

void tui_fold_frame(struct tui_ids *ids, struct tui_entities *entities,
                    const Aion__V1__OpsFrame *frame, int64_t seen_us,
                    struct tui_picture *picture, struct tui_series *series)
{
    if (frame->full) {
        tui_picture_clear(picture);
        if (ids->room > 0)
            memset(ids->by_id, 0, ids->room * sizeof(struct tui_entity *));
    }
    for (size_t i = 0; i < frame->n_entities; i++)
        add_entity(ids, entities, frame->entities[i], seen_us, picture);
    for (size_t i = 0; i < frame->n_gone; i++) {
        const struct tui_entity *entity = find(ids, frame->gone[i]);
        if (entity == NULL)
            continue;
        tui_picture_remove(picture, entity->slot);
        ids->by_id[frame->gone[i]] = NULL;
    }
    for (size_t i = 0; i < frame->n_rows; i++)
        take_row(ids, frame->rows[i], picture);
    for (size_t i = 0; series != NULL && i < frame->n_most; i++)
        take_most(ids, frame->most[i], frame->at_us, series);
    picture->at_us = frame->at_us;
    picture->span_ms = frame->span_ms;
    picture->gap = frame->gap;
}
