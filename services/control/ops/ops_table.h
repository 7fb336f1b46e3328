/* Telemetry as a table: entities × columns of integers, each cell with the stamp of its last
 * change. Pure; I/O thread.
 *
 * Counts of what is there now (queued, running ...) are changed in place by whoever sees them
 * change: a few adds per event of a task. What happened in a second gathers in `now` and
 * becomes cells when the second is closed; cells and histograms become those of ten seconds.
 * An entity is pinned while somebody keeps a pointer to it; one that nobody pins and nothing
 * touched for OPS_IDLE_US goes. Its grave stays for OPS_GRAVE_US, so that every reader hears
 * of it. Ids are never used again. */
#ifndef OPS_TABLE_H
#define OPS_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "ops_hist.h"
#include "ops_kind.h"

enum {
    OPS_LABELS_MAX = 16,
    OPS_LABEL_BYTES_MAX = 768, /* names and values of one entity */
    OPS_IDLE_US = 600000000,
    OPS_GRAVE_US = 3000000,
    OPS_COUNTS = 12, /* of events within a second, per entity */
};

struct ops_label {
    aion_str name, value;
};

/* Ten seconds of a cell. */
struct ops_ten {
    int64_t sum, least, most;
    unsigned known; /* seconds in which it was */
};

/* What programs say of an entity, all together: see ops_report. */
struct ops_reported {
    int64_t counters[3], gauges[3];
    int64_t states[8]; /* how many say that it is in this state */
    int64_t parts;     /* how many speak of it */
};

struct ops_entity {
    struct aion_link link;   /* in its kind's */
    struct aion_link recent; /* in the table's; out of it once it is gone */
    enum ops_kind kind;
    uint32_t id;
    uint32_t born;  /* stamp of its first word */
    uint32_t named; /* of its announcement: its birth, or new labels */
    uint32_t moved; /* stamp of its newest cell */
    uint32_t gone;  /* stamp of its end; 0 = it is there */
    unsigned pins;
    int64_t touched_us; /* monotonic */
    char key[OPS_KEY_MAX + 1];
    struct ops_label *labels; /* one piece with their texts */
    size_t label_count;
    /* What happened in the second that is open, by the fold's own numbers. */
    int64_t now[OPS_COUNTS];
    struct ops_reported *reported; /* NULL: nobody did */
    int64_t wish_us; /* of a route: the 95th percentile its tasks asked for; 0 = none */
    struct ops_hist *second, *ten; /* of kinds with latency, made on first use */
    int64_t *cells;
    uint32_t *stamps;
    struct ops_ten *ten_cells;
};

struct ops_kind_rows {
    struct aion_link entities, graves;
    struct aion_map by_key;
    size_t count;
};

struct ops_table {
    struct ops_kind_rows kinds[OPS_KINDS];
    struct aion_link recent; /* all entities, by when they were named or moved last */
    uint32_t stamp;          /* of changes from now on; from 1 */
    uint32_t next_id;
    int64_t now_us; /* monotonic, of the last tick */
};

void ops_table_init(struct ops_table *table);
void ops_table_done(struct ops_table *table);
/* Finds or makes; its values are 0. Keys longer than OPS_KEY_MAX are cut; when the kind has
 * entities_max, the entity "other" stands for all further ones. Never NULL: aborts without
 * memory, at start or bounded by entities_max. */
struct ops_entity *ops_entity(struct ops_table *table, enum ops_kind kind, aion_str key);
/* NULL = none. */
struct ops_entity *ops_entity_find(const struct ops_table *table, enum ops_kind kind,
                                   aion_str key);
/* Replaces the labels, if they differ; beyond the bounds the rest is dropped. */
void ops_entity_label(struct ops_table *table, struct ops_entity *entity,
                      const struct ops_label *labels, size_t count);
struct ops_entity *ops_pin(struct ops_entity *entity);
/* *entity becomes NULL; NULL fine. */
void ops_unpin(struct ops_entity **entity);

/* It has news for the frame that is made next. */
static inline void ops_news(struct ops_table *table, struct ops_entity *entity)
{
    if (entity->moved == table->stamp || entity->named == table->stamp)
        return;
    aion_list_remove(&entity->recent);
    aion_list_add_last(&table->recent, &entity->recent);
}

static inline int64_t ops_get(const struct ops_entity *entity, unsigned column)
{
    return entity->cells[column];
}
static inline void ops_set(struct ops_table *table, struct ops_entity *entity, unsigned column,
                           int64_t value)
{
    if (entity->cells[column] == value)
        return;
    ops_news(table, entity);
    entity->cells[column] = value;
    entity->stamps[column] = entity->moved = table->stamp;
}
static inline void ops_add(struct ops_table *table, struct ops_entity *entity, unsigned column,
                           int64_t delta)
{
    ops_set(table, entity, column, entity->cells[column] + delta);
}
/* Something happened with it: it is not idle. */
static inline void ops_count(struct ops_table *table, struct ops_entity *entity, unsigned count,
                             int64_t delta)
{
    entity->now[count] += delta;
    entity->touched_us = table->now_us;
}
void ops_record(struct ops_entity *entity, int64_t us);
/* `count` of a bucket of base/metric.h's histograms. */
void ops_record_many(struct ops_entity *entity, unsigned bucket, uint64_t count);

/* Adds the second's cells and histograms to the ten seconds'. */
void ops_table_second(struct ops_table *table);
/* The value that ten seconds of a cell become, OPS_UNKNOWN when none of them knew it; least
 * and most of those that did. */
int64_t ops_ten_value(const struct ops_entity *entity, unsigned column);
/* Begins ten seconds anew. */
void ops_table_ten(struct ops_table *table);
/* Ends what is idle and forgets old graves. */
void ops_table_sweep(struct ops_table *table, int64_t now_us);
/* Memory of all rows, those that are gone and still told among them. */
size_t ops_table_bytes(const struct ops_table *table);
/* A frame was made: changes from now on belong to the next. */
static inline void ops_table_next(struct ops_table *table)
{
    table->stamp++;
}

#endif
