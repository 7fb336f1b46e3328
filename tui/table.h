/* Tables: rows and columns without a screen. One declaration makes the list on the screen, its
 * sorting and filter, JSON, CSV and plain text of `aion get`. */
#ifndef TUI_TABLE_H
#define TUI_TABLE_H

#include "filter.h"
#include "model.h"

#include "base/arena.h"
#include "base/buf.h"

enum { TUI_ITEMS_MAX = 4096, TUI_TABLE_COLUMNS_MAX = 24 };

struct tui_answers;

/* All that a view may look at while it is drawn or exported. The arena lives for one frame. */
struct tui_scene {
    const struct tui_model *model;
    const struct tui_picture *picture; /* of the shown instant */
    const struct tui_picture *base;    /* compared with; NULL = not comparing */
    const struct tui_answers *answers; /* what was asked besides */
    struct tui_time now;
    bool local_time; /* all times are shown by the clocks of this machine's zone */
    /* Keys of the rows under the cursors of the view's panes, by pane; for what depends on
     * another pane. NULL outside of a view: everything is meant. */
    const char *const *cursors;
    const struct tui_filter *filter; /* of the view; NULL = none */
    struct aion_arena *arena;
};

struct tui_value {
    enum tui_unit unit;
    int64_t number;
    aion_str text; /* TUI_TEXT, TUI_STATE; lives as long as the scene */
    enum tui_role role;
    bool change; /* number is a difference */
};

/* Where entity tables find a column's value: the number of a measure, or one of these. */
enum tui_column_tag {
    TUI_TAG_KEY = -1,
    TUI_TAG_TREND = -2,
    TUI_TAG_LABEL = -3, /* the label of the column's name */
};

struct tui_column {
    const char *name, *title; /* NULL for measures: theirs */
    enum tui_unit unit;
    uint8_t width; /* 0: the measure's */
    uint8_t rank;  /* 0 stays; the highest goes first when there is no room */
    bool grows;    /* takes what room is left */
    bool hidden;   /* only exported */
    bool shown;    /* only shown */
    int tag;
};

struct tui_item {
    aion_str key; /* unique in the table; selection and marks go by it */
    const void *object;
};

struct tui_table {
    const char *name; /* "routes" */
    const char *title;
    const struct tui_column *columns;
    size_t count;
    enum tui_kind kind; /* of an entity table, else TUI_NO_KIND */
    const char *empty;  /* what to say when there is nothing */
    bool newest_first;  /* rows come by time: a list may follow them */
    size_t (*items)(const struct tui_scene *scene, struct tui_item *out, size_t max);
    void (*value)(const struct tui_scene *scene, const struct tui_item *item,
                  const struct tui_column *column, struct tui_value *out);
};

/* The column with the measure's name, title, unit and width filled in. */
struct tui_column tui_column_of(const struct tui_table *table, size_t index);
/* Index of the column of this name, or -1. */
int tui_column_index(const struct tui_table *table, aion_str name);
void tui_table_value(const struct tui_table *table, const struct tui_scene *scene,
                     const struct tui_item *item, size_t index, struct tui_value *out);
/* What is shown of a value, at most TUI_FORMAT_SIZE for numbers; texts are borrowed. */
aion_str tui_value_text(const struct tui_scene *scene, const struct tui_value *value,
                        char out[TUI_FORMAT_SIZE]);
/* "2026-11-23 12:04:31", in the arena. */
aion_str tui_scene_date_time(const struct tui_scene *scene, int64_t utc_us);
/* The same, "2026-11-23 12:04:31Z" when it is UTC. */
const char *tui_scene_moment(const struct tui_scene *scene, int64_t utc_us);
bool tui_table_matches(const struct tui_table *table, const struct tui_scene *scene,
                       const struct tui_item *item, const struct tui_filter *filter);
/* Items that pass the filter (may be NULL), sorted by a column (-1: as they come), in the
 * arena.
 */
struct tui_item *tui_table_items(const struct tui_table *table, const struct tui_scene *scene,
                                 const struct tui_filter *filter, int sort, bool reverse,
                                 size_t *ret_count);

/* -- entity tables --------------------------------------------------------- */
/* Of "a/b"; a key without a slash is all before it. */
enum tui_key_part { TUI_WHOLE_KEY, TUI_BEFORE_SLASH, TUI_BEHIND_SLASH };
aion_str tui_key_part(aion_str key, enum tui_key_part part);
/* For struct tui_table.items and .value of tables over one kind. */
size_t tui_entity_items(const struct tui_scene *scene, enum tui_kind kind, struct tui_item *out,
                        size_t max);
void tui_entity_value(const struct tui_scene *scene, const struct tui_item *item,
                      const struct tui_column *column, struct tui_value *out);

/* -- export (export.c) ----------------------------------------------------- */
/* One JSON object of an item: numbers raw, their unit in the name ("p95_us"), unknown = null.
 */
void tui_export_json(const struct tui_table *table, const struct tui_scene *scene,
                     const struct tui_item *item, struct aion_buf *out);
void tui_export_csv_head(const struct tui_table *table, struct aion_buf *out);
void tui_export_csv(const struct tui_table *table, const struct tui_scene *scene,
                    const struct tui_item *item, struct aion_buf *out);
/* Aligned columns with a head, as on the screen. */
void tui_export_text(const struct tui_table *table, const struct tui_scene *scene,
                     const struct tui_item *items, size_t count, struct aion_buf *out);

#endif
