#include "ops_table.h"

#include <assert.h>
#include <stdlib.h>

static const char other[] = "other";

void ops_table_init(struct ops_table *table)
{
    *table = (struct ops_table){.stamp = 1};
    aion_list_init(&table->recent);
    for (int kind = 0; kind < OPS_KINDS; kind++) {
        struct ops_kind_rows *rows = &table->kinds[kind];
        aion_list_init(&rows->entities);
        aion_list_init(&rows->graves);
        aion_map_init(&rows->by_key, ops_kind_info((enum ops_kind)kind)->entities_max + 1);
    }
}

static void entity_free(struct ops_entity *entity)
{
    aion_list_remove(&entity->link);
    aion_list_remove(&entity->recent);
    free(entity->labels);
    free(entity->reported);
    free(entity->second);
    free(entity->ten);
    free(entity);
}

static void free_all(struct aion_link *list)
{
    while (!aion_list_empty(list))
        entity_free(aion_container(list->next, struct ops_entity, link));
}

void ops_table_done(struct ops_table *table)
{
    for (int kind = 0; kind < OPS_KINDS; kind++) {
        free_all(&table->kinds[kind].entities);
        free_all(&table->kinds[kind].graves);
        aion_map_done(&table->kinds[kind].by_key);
    }
}

/* -- entities ----------------------------------------------------------------------- */
struct ops_entity *ops_entity_find(const struct ops_table *table, enum ops_kind kind,
                                   aion_str key)
{
    key.size = key.size < OPS_KEY_MAX ? key.size : OPS_KEY_MAX;
    return aion_map_get(&table->kinds[kind].by_key, key);
}

static void begin_ten(struct ops_entity *entity)
{
    for (unsigned i = 0; i < ops_kind_info(entity->kind)->column_count; i++)
        entity->ten_cells[i] = (struct ops_ten){.least = INT64_MAX, .most = INT64_MIN};
}

static size_t entity_size(enum ops_kind kind)
{
    size_t columns = ops_kind_info(kind)->column_count;
    return sizeof(struct ops_entity) +
           columns * (sizeof(struct ops_ten) + sizeof(int64_t) + sizeof(uint32_t));
}

static struct ops_entity *make(struct ops_table *table, enum ops_kind kind, aion_str key)
{
    struct ops_kind_rows *rows = &table->kinds[kind];
    size_t columns = ops_kind_info(kind)->column_count;
    struct ops_entity *entity = calloc(1, entity_size(kind));
    if (entity == NULL)
        abort();
    entity->ten_cells = (struct ops_ten *)(void *)(entity + 1);
    entity->cells = (int64_t *)(void *)(entity->ten_cells + columns);
    entity->stamps = (uint32_t *)(void *)(entity->cells + columns);
    entity->kind = kind;
    entity->id = ++table->next_id;
    entity->born = entity->named = entity->moved = table->stamp;
    entity->touched_us = table->now_us;
    aion_str_copy(entity->key, sizeof(entity->key), key);
    begin_ten(entity);
    if (!aion_map_put(&rows->by_key, aion_str_of(entity->key), entity))
        abort();
    aion_list_add_last(&rows->entities, &entity->link);
    aion_list_add_last(&table->recent, &entity->recent);
    rows->count++;
    return entity;
}

struct ops_entity *ops_entity(struct ops_table *table, enum ops_kind kind, aion_str key)
{
    assert(kind > OPS_NONE && kind < OPS_KINDS);
    struct ops_entity *entity = ops_entity_find(table, kind, key);
    if (entity != NULL)
        return entity;
    key.size = key.size < OPS_KEY_MAX ? key.size : OPS_KEY_MAX;
    if (table->kinds[kind].count < ops_kind_info(kind)->entities_max)
        return make(table, kind, key);
    entity = ops_entity_find(table, kind, aion_str_of(other));
    return entity != NULL ? entity : make(table, kind, aion_str_of(other));
}

struct ops_entity *ops_pin(struct ops_entity *entity)
{
    entity->pins++;
    return entity;
}

void ops_unpin(struct ops_entity **entity)
{
    if (*entity == NULL)
        return;
    assert((*entity)->pins > 0);
    (*entity)->pins--;
    *entity = NULL;
}

/* -- labels ------------------------------------------------------------------------- */
static bool labels_same(const struct ops_entity *entity, const struct ops_label *labels,
                        size_t count)
{
    if (entity->label_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!aion_str_eq(entity->labels[i].name, labels[i].name) ||
            !aion_str_eq(entity->labels[i].value, labels[i].value))
            return false;
    return true;
}

/* The labels of the front that keep within the bounds. */
static size_t labels_kept(const struct ops_label *labels, size_t count, size_t *ret_bytes)
{
    size_t kept = 0;
    *ret_bytes = 0;
    while (kept < count && kept < OPS_LABELS_MAX) {
        size_t bytes = labels[kept].name.size + labels[kept].value.size;
        if (*ret_bytes + bytes > OPS_LABEL_BYTES_MAX)
            break;
        *ret_bytes += bytes;
        kept++;
    }
    return kept;
}

static aion_str put_text(char **at, aion_str text)
{
    aion_str put = {*at, text.size};
    if (text.size > 0)
        memcpy(*at, text.data, text.size);
    *at += text.size;
    return put;
}

void ops_entity_label(struct ops_table *table, struct ops_entity *entity,
                      const struct ops_label *labels, size_t count)
{
    size_t bytes;
    count = labels_kept(labels, count, &bytes);
    if (labels_same(entity, labels, count))
        return;
    struct ops_label *fresh = malloc(count * sizeof(*fresh) + bytes + 1);
    if (fresh == NULL)
        return; /* the old ones stay: nothing counts on labels */
    char *text = (char *)(fresh + count);
    for (size_t i = 0; i < count; i++) {
        fresh[i].name = put_text(&text, labels[i].name);
        fresh[i].value = put_text(&text, labels[i].value);
    }
    free(entity->labels);
    entity->labels = fresh;
    entity->label_count = count;
    ops_news(table, entity);
    entity->named = table->stamp;
}

/* -- time --------------------------------------------------------------------------- */
static struct ops_hist *hist_of(struct ops_hist **slot)
{
    if (*slot == NULL && (*slot = calloc(1, sizeof(**slot))) == NULL)
        abort();
    return *slot;
}

void ops_record(struct ops_entity *entity, int64_t us)
{
    ops_hist_record(hist_of(&entity->second), us);
}

void ops_record_many(struct ops_entity *entity, unsigned bucket, uint64_t count)
{
    ops_hist_add(hist_of(&entity->second), bucket, count);
}

static void add_second(struct ops_entity *entity)
{
    for (unsigned i = 0; i < ops_kind_info(entity->kind)->column_count; i++) {
        struct ops_ten *ten = &entity->ten_cells[i];
        int64_t value = entity->cells[i];
        if (value == OPS_UNKNOWN)
            continue;
        ten->sum = (int64_t)((uint64_t)ten->sum + (uint64_t)value); /* absurd ones may wrap */
        ten->least = value < ten->least ? value : ten->least;
        ten->most = value > ten->most ? value : ten->most;
        ten->known++;
    }
    if (entity->second == NULL || entity->second->total == 0)
        return;
    ops_hist_merge(hist_of(&entity->ten), entity->second);
    ops_hist_reset(entity->second);
}

void ops_table_second(struct ops_table *table)
{
    for (int kind = 0; kind < OPS_KINDS; kind++)
        aion_list_each (link, &table->kinds[kind].entities)
            add_second(aion_container(link, struct ops_entity, link));
}

int64_t ops_ten_value(const struct ops_entity *entity, unsigned column)
{
    const struct ops_column *about = &ops_kind_info(entity->kind)->columns[column];
    const struct ops_ten *ten = &entity->ten_cells[column];
    if (ten->known == 0)
        return OPS_UNKNOWN;
    switch (about->merge) {
    case OPS_MEAN:
        return (ten->sum + (int64_t)ten->known / 2) / (int64_t)ten->known;
    case OPS_SUM:
        return ten->sum;
    case OPS_QUANTILE:
        if (entity->ten != NULL && entity->ten->total > 0)
            return ops_hist_quantile(entity->ten, about->per_mille);
        return entity->cells[column];
    case OPS_LAST:
    default:
        return entity->cells[column];
    }
}

void ops_table_ten(struct ops_table *table)
{
    for (int kind = 0; kind < OPS_KINDS; kind++)
        aion_list_each (link, &table->kinds[kind].entities) {
            struct ops_entity *entity = aion_container(link, struct ops_entity, link);
            begin_ten(entity);
            if (entity->ten != NULL)
                ops_hist_reset(entity->ten);
        }
}

/* -- ends --------------------------------------------------------------------------- */
static void end_idle(struct ops_table *table, struct ops_kind_rows *rows, int64_t now_us)
{
    aion_list_each_safe (link, &rows->entities) {
        struct ops_entity *entity = aion_container(link, struct ops_entity, link);
        if (entity->pins > 0 || now_us - entity->touched_us < OPS_IDLE_US)
            continue;
        aion_map_remove(&rows->by_key, aion_str_of(entity->key));
        aion_list_remove(link);
        aion_list_remove(&entity->recent);
        aion_list_add_last(&rows->graves, link);
        rows->count--;
        entity->gone = table->stamp;
        entity->touched_us = now_us;
    }
}

static void forget_graves(struct ops_kind_rows *rows, int64_t now_us)
{
    aion_list_each_safe (link, &rows->graves) {
        struct ops_entity *entity = aion_container(link, struct ops_entity, link);
        if (now_us - entity->touched_us >= OPS_GRAVE_US)
            entity_free(entity);
    }
}

void ops_table_sweep(struct ops_table *table, int64_t now_us)
{
    table->now_us = now_us;
    for (int kind = 0; kind < OPS_KINDS; kind++) {
        end_idle(table, &table->kinds[kind], now_us);
        forget_graves(&table->kinds[kind], now_us);
    }
}

/* -- memory ------------------------------------------------------------------------- */
static size_t bytes_of(const struct aion_link *list)
{
    size_t bytes = 0;
    aion_list_each (link, list) {
        const struct ops_entity *entity = aion_container(link, struct ops_entity, link);
        bytes += entity_size(entity->kind) + entity->label_count * sizeof(*entity->labels) +
                 (entity->reported != NULL ? sizeof(*entity->reported) : 0) +
                 (entity->second != NULL ? sizeof(*entity->second) : 0) +
                 (entity->ten != NULL ? sizeof(*entity->ten) : 0);
        for (size_t i = 0; i < entity->label_count; i++)
            bytes += entity->labels[i].name.size + entity->labels[i].value.size;
    }
    return bytes;
}

size_t ops_table_bytes(const struct ops_table *table)
{
    size_t bytes = 0;
    for (int kind = 0; kind < OPS_KINDS; kind++) {
        const struct ops_kind_rows *rows = &table->kinds[kind];
        bytes += bytes_of(&rows->entities) + bytes_of(&rows->graves) +
                 rows->by_key.capacity * sizeof(*rows->by_key.slots);
    }
    return bytes;
}
