/* The register of entities. */
#include "picture.h"

#include "base/buf.h"

#include <stdlib.h>

enum { ID_MAX = 16 * 1024 };

aion_str tui_entity_label(const struct tui_entity *entity, const char *name)
{
    for (size_t i = 0; i < entity->label_count; i++)
        if (aion_str_is(entity->labels[i].name, name))
            return entity->labels[i].value;
    return (aion_str){0};
}

void tui_entities_init(struct tui_entities *entities)
{
    *entities = (struct tui_entities){.slots = NULL};
    aion_map_init(&entities->by_id, TUI_ENTITIES_MAX);
}

void tui_entities_done(struct tui_entities *entities)
{
    for (size_t i = 0; i < entities->slot_count; i++)
        free(entities->slots[i]);
    free(entities->slots);
    aion_map_done(&entities->by_id);
    *entities = (struct tui_entities){.slots = NULL};
}

/* kind, key, then name and value of each label, each ended by a NUL. */
static bool make_id(struct aion_buf *out, enum tui_kind kind, aion_str key,
                    const struct tui_label *labels, size_t count)
{
    aion_buf_char(out, (char)('a' + (int)kind));
    aion_buf_str(out, key);
    aion_buf_char(out, '\0');
    for (size_t i = 0; i < count; i++) {
        aion_buf_str(out, labels[i].name);
        aion_buf_char(out, '\0');
        aion_buf_str(out, labels[i].value);
        aion_buf_char(out, '\0');
    }
    return !out->overflow;
}

/* One piece of memory: the struct, its labels, and the id, which holds all the texts. */
static struct tui_entity *new_entity(enum tui_kind kind, aion_str id, aion_str key,
                                     const struct tui_label *labels, size_t count)
{
    size_t head = sizeof(struct tui_entity) + count * sizeof(*labels);
    struct tui_entity *entity = calloc(1, head + id.size);
    if (entity == NULL)
        return NULL;
    char *texts = (char *)entity + head;
    memcpy(texts, id.data, id.size);
    entity->kind = kind;
    entity->id = aion_str_n(texts, id.size);
    entity->key = aion_str_n(texts + 1, key.size);
    char *at = texts + 1 + key.size + 1;
    for (size_t i = 0; i < count; i++) {
        entity->labels[i].name = aion_str_n(at, labels[i].name.size);
        at += labels[i].name.size + 1;
        entity->labels[i].value = aion_str_n(at, labels[i].value.size);
        at += labels[i].value.size + 1;
    }
    entity->label_count = count;
    return entity;
}

/* A free slot's number; SIZE_MAX: none. */
static size_t free_slot(struct tui_entities *entities)
{
    if (entities->slot_count < entities->room)
        return entities->slot_count++;
    for (size_t i = 0; i < entities->slot_count; i++)
        if (entities->slots[i] == NULL)
            return i;
    size_t room = entities->room == 0 ? 256 : entities->room * 2;
    struct tui_entity **slots =
        room <= TUI_ENTITIES_MAX ? realloc(entities->slots, room * sizeof(struct tui_entity *))
                                 : NULL;
    if (slots == NULL)
        return SIZE_MAX;
    memset(slots + entities->room, 0, (room - entities->room) * sizeof(struct tui_entity *));
    entities->slots = slots;
    entities->room = room;
    return entities->slot_count++;
}

static struct tui_entity *add(struct tui_entities *entities, struct tui_entity *entity)
{
    size_t slot = entity != NULL ? free_slot(entities) : SIZE_MAX;
    if (slot == SIZE_MAX || !aion_map_put(&entities->by_id, entity->id, entity)) {
        free(entity);
        entities->refused++;
        return NULL;
    }
    entity->slot = (uint32_t)slot;
    entities->slots[slot] = entity;
    return entity;
}

static int by_name(const void *a, const void *b)
{
    return aion_str_cmp(((const struct tui_label *)a)->name,
                        ((const struct tui_label *)b)->name);
}

struct tui_entity *tui_entity_of(struct tui_entities *entities, enum tui_kind kind,
                                 aion_str key, const struct tui_label *labels,
                                 size_t label_count, int64_t now_us)
{
    struct tui_label sorted[TUI_LABELS_MAX];
    struct aion_buf id;
    struct tui_entity *entity = NULL;
    size_t count = label_count < TUI_LABELS_MAX ? label_count : TUI_LABELS_MAX;
    if (key.size > TUI_KEY_MAX)
        key.size = TUI_KEY_MAX;
    if (count > 0)
        memcpy(sorted, labels, count * sizeof(*labels));
    qsort(sorted, count, sizeof(*sorted), by_name);
    aion_buf_init(&id, ID_MAX);
    if (make_id(&id, kind, key, sorted, count)) {
        entity = aion_map_get(&entities->by_id, aion_buf_view(&id));
        if (entity == NULL)
            entity = add(entities, new_entity(kind, aion_buf_view(&id), key, sorted, count));
    }
    aion_buf_done(&id);
    if (entity != NULL && entity->seen_us < now_us)
        entity->seen_us = now_us;
    return entity;
}

void tui_entities_sweep_begin(struct tui_entities *entities)
{
    entities->round++;
}

void tui_entities_sweep_end(struct tui_entities *entities, int64_t oldest_us,
                            void (*gone)(void *user, uint32_t slot), void *user)
{
    for (size_t i = 0; i < entities->slot_count; i++) {
        struct tui_entity *entity = entities->slots[i];
        if (entity == NULL || entity->seen_us >= oldest_us || entity->marked == entities->round)
            continue;
        aion_map_remove(&entities->by_id, entity->id);
        free(entity);
        entities->slots[i] = NULL;
        gone(user, (uint32_t)i);
    }
}
