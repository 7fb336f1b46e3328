#include "ops_frame.h"

bool ops_view_shows(const struct ops_view *view, enum ops_kind kind, aion_str key)
{
    if ((view->kinds >> kind & 1) == 0)
        return false;
    return view->tenant.size == 0 || (kind == OPS_TENANT && aion_str_eq(key, view->tenant));
}

/* -- parts -------------------------------------------------------------------------- */
static bool put_labels(Aion__V1__OpsEntity *entity, const struct ops_label *labels,
                       size_t count, struct aion_arena *arena)
{
    Aion__V1__OpsEntity__LabelsEntry *entries =
        aion_arena_array(arena, count, sizeof(*entries));
    entity->labels = aion_arena_array(arena, count, sizeof(*entity->labels));
    if (entries == NULL || entity->labels == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        aion__v1__ops_entity__labels_entry__init(&entries[i]);
        entries[i].key = aion_arena_text(arena, labels[i].name);
        entries[i].value = aion_arena_text(arena, labels[i].value);
        if (entries[i].key == NULL || entries[i].value == NULL)
            return false;
        entity->labels[entity->n_labels++] = &entries[i];
    }
    return true;
}

Aion__V1__OpsEntity *ops_frame_entity(uint32_t id, enum ops_kind kind, aion_str key,
                                      const struct ops_label *labels, size_t label_count,
                                      struct aion_arena *arena)
{
    Aion__V1__OpsEntity *entity = aion_arena_alloc(arena, sizeof(*entity));
    if (entity == NULL)
        return NULL;
    aion__v1__ops_entity__init(entity);
    entity->id = id;
    entity->kind = (Aion__V1__OpsKind)kind;
    entity->key = aion_arena_text(arena, key);
    if (entity->key == NULL || !put_labels(entity, labels, label_count, arena))
        return NULL;
    return entity;
}

Aion__V1__OpsRow *ops_frame_row(uint32_t id, uint64_t changed, const int64_t *values,
                                size_t count, struct aion_arena *arena)
{
    Aion__V1__OpsRow *row = aion_arena_alloc(arena, sizeof(*row));
    if (row == NULL)
        return NULL;
    aion__v1__ops_row__init(row);
    row->entity = id;
    row->changed = changed;
    row->values = aion_arena_array(arena, count, sizeof(*row->values));
    if (row->values == NULL)
        return NULL;
    memcpy(row->values, values, count * sizeof(*values));
    row->n_values = count;
    return row;
}

/* -- a frame in the making ---------------------------------------------------------- */
struct making {
    Aion__V1__OpsFrame *frame;
    struct aion_arena *arena;
    uint32_t since;
    bool full; /* the arena, not the frame */
};

/* Room in every list for all entities and graves there are. */
static bool begin(struct making *making, const struct ops_table *table, bool tens)
{
    size_t count = 0, graves = 0;
    for (int kind = 0; kind < OPS_KINDS; kind++) {
        count += table->kinds[kind].count;
        graves += aion_list_count(&table->kinds[kind].graves);
    }
    Aion__V1__OpsFrame *frame = aion_arena_alloc(making->arena, sizeof(*frame));
    if (frame == NULL)
        return false;
    aion__v1__ops_frame__init(frame);
    frame->entities = aion_arena_array(making->arena, count, sizeof(*frame->entities));
    frame->rows = aion_arena_array(making->arena, count, sizeof(*frame->rows));
    frame->gone = aion_arena_array(making->arena, graves, sizeof(*frame->gone));
    if (tens) {
        frame->least = aion_arena_array(making->arena, count, sizeof(*frame->least));
        frame->most = aion_arena_array(making->arena, count, sizeof(*frame->most));
    }
    making->frame = frame;
    return frame->entities != NULL && frame->rows != NULL && frame->gone != NULL &&
           (!tens || (frame->least != NULL && frame->most != NULL));
}

static void put_entity(struct making *making, const struct ops_entity *entity)
{
    Aion__V1__OpsFrame *frame = making->frame;
    Aion__V1__OpsEntity *put =
        ops_frame_entity(entity->id, entity->kind, aion_str_of(entity->key), entity->labels,
                         entity->label_count, making->arena);
    making->full = making->full || put == NULL;
    if (put != NULL)
        frame->entities[frame->n_entities++] = put;
}

static void put_row(struct making *making, Aion__V1__OpsRow **list, size_t *count, uint32_t id,
                    uint64_t changed, const int64_t *values, size_t value_count)
{
    Aion__V1__OpsRow *row = ops_frame_row(id, changed, values, value_count, making->arena);
    making->full = making->full || row == NULL;
    if (row != NULL)
        list[(*count)++] = row;
}

static void put_whole_row(struct making *making, const struct ops_entity *entity)
{
    put_row(making, making->frame->rows, &making->frame->n_rows, entity->id, 0, entity->cells,
            ops_kind_info(entity->kind)->column_count);
}

/* Of a new entity all columns, else those that moved. */
static void put_changes(struct making *making, const struct ops_entity *entity)
{
    int64_t values[OPS_COLUMNS_MAX];
    uint64_t changed = 0;
    size_t count = 0;
    for (unsigned i = 0; i < ops_kind_info(entity->kind)->column_count; i++)
        if (entity->stamps[i] > making->since) {
            changed |= (uint64_t)1 << i;
            values[count++] = entity->cells[i];
        }
    if (count > 0)
        put_row(making, making->frame->rows, &making->frame->n_rows, entity->id, changed,
                values, count);
}

/* A birth is a name and a move. */
static void put_news(struct making *making, const struct ops_view *view,
                     const struct ops_entity *entity)
{
    if (!ops_view_shows(view, entity->kind, aion_str_of(entity->key)))
        return;
    if (entity->named > making->since)
        put_entity(making, entity);
    if (entity->born > making->since)
        put_whole_row(making, entity);
    else if (entity->moved > making->since)
        put_changes(making, entity);
}

/* Those without news are not even looked at: ten times a second that is nearly all there are.
 */
static void put_all_news(struct making *making, const struct ops_view *view,
                         const struct ops_table *table)
{
    struct aion_link *link = table->recent.prev;
    for (; link != &table->recent; link = link->prev) {
        const struct ops_entity *entity = aion_container(link, struct ops_entity, recent);
        if (entity->named <= making->since && entity->moved <= making->since)
            break;
    }
    for (link = link->next; link != &table->recent; link = link->next)
        put_news(making, view, aion_container(link, struct ops_entity, recent));
}

static void put_gone(struct making *making, const struct ops_table *table, int kind)
{
    aion_list_each (link, &table->kinds[kind].graves) {
        const struct ops_entity *entity = aion_container(link, struct ops_entity, link);
        if (entity->gone > making->since && entity->born <= making->since)
            making->frame->gone[making->frame->n_gone++] = entity->id;
    }
}

Aion__V1__OpsFrame *ops_frame_build(const struct ops_table *table, const struct ops_view *view,
                                    uint32_t since, struct aion_arena *arena)
{
    struct making making = {.arena = arena, .since = since};
    if (!begin(&making, table, false))
        return NULL;
    making.frame->full = since == 0;
    put_all_news(&making, view, table);
    for (int kind = OPS_MESH; kind < OPS_KINDS && since > 0 && view->tenant.size == 0; kind++)
        if (view->kinds >> kind & 1)
            put_gone(&making, table, kind);
    return making.full ? NULL : making.frame;
}

/* -- the history's ------------------------------------------------------------------ */
Aion__V1__OpsFrame *ops_frame_second(const struct ops_table *table, uint32_t since,
                                     struct aion_arena *arena)
{
    struct making making = {.arena = arena, .since = since};
    if (!begin(&making, table, false))
        return NULL;
    making.frame->full = true;
    making.frame->span_ms = 1000;
    for (int kind = OPS_MESH; kind < OPS_KINDS; kind++)
        aion_list_each (link, &table->kinds[kind].entities) {
            const struct ops_entity *entity = aion_container(link, struct ops_entity, link);
            if (entity->named > since)
                put_entity(&making, entity);
            put_whole_row(&making, entity);
        }
    return making.full ? NULL : making.frame;
}

static void put_ten(struct making *making, const struct ops_entity *entity)
{
    Aion__V1__OpsFrame *frame = making->frame;
    int64_t values[OPS_COLUMNS_MAX], least[OPS_COLUMNS_MAX], most[OPS_COLUMNS_MAX];
    unsigned columns = ops_kind_info(entity->kind)->column_count;
    uint64_t below = 0, above = 0;
    size_t below_count = 0, above_count = 0;
    for (unsigned i = 0; i < columns; i++) {
        const struct ops_ten *ten = &entity->ten_cells[i];
        bool spread =
            ten->known > 0 && ops_kind_info(entity->kind)->columns[i].merge != OPS_SUM;
        values[i] = ops_ten_value(entity, i);
        if (spread && ten->least != values[i]) {
            below |= (uint64_t)1 << i;
            least[below_count++] = ten->least;
        }
        if (spread && ten->most != values[i]) {
            above |= (uint64_t)1 << i;
            most[above_count++] = ten->most;
        }
    }
    put_row(making, frame->rows, &frame->n_rows, entity->id, 0, values, columns);
    if (below_count > 0)
        put_row(making, frame->least, &frame->n_least, entity->id, below, least, below_count);
    if (above_count > 0)
        put_row(making, frame->most, &frame->n_most, entity->id, above, most, above_count);
}

Aion__V1__OpsFrame *ops_frame_ten(const struct ops_table *table, uint32_t since,
                                  struct aion_arena *arena)
{
    struct making making = {.arena = arena, .since = since};
    if (!begin(&making, table, true))
        return NULL;
    making.frame->full = true;
    making.frame->span_ms = 10000;
    for (int kind = OPS_MESH; kind < OPS_KINDS; kind++)
        aion_list_each (link, &table->kinds[kind].entities) {
            const struct ops_entity *entity = aion_container(link, struct ops_entity, link);
            if (entity->named > since)
                put_entity(&making, entity);
            put_ten(&making, entity);
        }
    return making.full ? NULL : making.frame;
}
