#include "table.h"

#include <stdlib.h>

struct tui_column tui_column_of(const struct tui_table *table, size_t index)
{
    struct tui_column column = table->columns[index];
    if (table->kind == TUI_NO_KIND || column.tag < 0 || column.name != NULL)
        return column;
    const struct tui_measure *measure = &tui_kinds[table->kind].measures[column.tag];
    column.name = measure->name;
    column.title = column.title != NULL ? column.title : measure->title;
    column.unit = measure->unit;
    column.width = column.width != 0 ? column.width : measure->width;
    return column;
}

int tui_column_index(const struct tui_table *table, aion_str name)
{
    for (size_t i = 0; i < table->count; i++)
        if (aion_str_caseeq(aion_str_of(tui_column_of(table, i).name), name))
            return (int)i;
    return -1;
}

void tui_table_value(const struct tui_table *table, const struct tui_scene *scene,
                     const struct tui_item *item, size_t index, struct tui_value *out)
{
    struct tui_column column = tui_column_of(table, index);
    *out = (struct tui_value){.unit = column.unit, .number = TUI_UNKNOWN};
    table->value(scene, item, &column, out);
}

aion_str tui_value_text(const struct tui_scene *scene, const struct tui_value *value,
                        char out[TUI_FORMAT_SIZE])
{
    if (!tui_unit_is_number(value->unit))
        return value->text;
    bool time = value->unit == TUI_TIME && value->number >= 0;
    size_t size = value->change ? tui_format_change(out, value->unit, value->number)
                  : time        ? tui_format_clock(out, value->number, scene->local_time)
                                : tui_format(out, value->unit, value->number);
    return aion_str_n(out, size);
}

aion_str tui_scene_date_time(const struct tui_scene *scene, int64_t utc_us)
{
    char *text = aion_arena_alloc(scene->arena, TUI_FORMAT_SIZE);
    if (text == NULL)
        return AION_STR("-");
    return aion_str_n(text, tui_format_date_time(text, utc_us, scene->local_time));
}

const char *tui_scene_moment(const struct tui_scene *scene, int64_t utc_us)
{
    aion_str text = tui_scene_date_time(scene, utc_us);
    const char *moment = aion_arena_printf(scene->arena, "%.*s%s", AION_STR_ARG(text),
                                           scene->local_time ? "" : "Z");
    return moment != NULL ? moment : "-";
}

bool tui_table_matches(const struct tui_table *table, const struct tui_scene *scene,
                       const struct tui_item *item, const struct tui_filter *filter)
{
    struct tui_field fields[TUI_TABLE_COLUMNS_MAX];
    char texts[TUI_TABLE_COLUMNS_MAX][TUI_FORMAT_SIZE];
    struct tui_value value;
    size_t count = 0;
    if (filter == NULL || filter->count == 0)
        return true;
    for (size_t i = 0; i < table->count && count < TUI_TABLE_COLUMNS_MAX; i++) {
        struct tui_column column = tui_column_of(table, i);
        if (column.unit == TUI_TREND)
            continue;
        tui_table_value(table, scene, item, i, &value);
        fields[count] =
            (struct tui_field){column.name, tui_value_text(scene, &value, texts[count])};
        count++;
    }
    return tui_filter_match(filter, fields, count);
}

/* -- sorting --------------------------------------------------------------- */

struct sorted {
    struct tui_item item;
    struct tui_value value;
    size_t place; /* so that equal ones stay as they are */
    bool reverse;
};

static int compare(const void *a, const void *b)
{
    const struct sorted *left = a, *right = b;
    int order = tui_unit_is_number(left->value.unit)
                    ? (left->value.number > right->value.number) -
                          (left->value.number < right->value.number)
                    : aion_str_cmp(left->value.text, right->value.text);
    if (left->reverse)
        order = -order;
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

static void sort_items(const struct tui_table *table, const struct tui_scene *scene,
                       struct tui_item *items, size_t count, size_t column, bool reverse)
{
    struct sorted *sorted = aion_arena_array(scene->arena, count, sizeof(*sorted));
    if (sorted == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        sorted[i].item = items[i];
        sorted[i].place = i;
        sorted[i].reverse = reverse;
        tui_table_value(table, scene, &items[i], column, &sorted[i].value);
    }
    qsort(sorted, count, sizeof(*sorted), compare);
    for (size_t i = 0; i < count; i++)
        items[i] = sorted[i].item;
}

struct tui_item *tui_table_items(const struct tui_table *table, const struct tui_scene *scene,
                                 const struct tui_filter *filter, int sort, bool reverse,
                                 size_t *ret_count)
{
    struct tui_item *items = aion_arena_alloc(scene->arena, TUI_ITEMS_MAX * sizeof(*items));
    *ret_count = 0;
    if (items == NULL)
        return NULL;
    size_t all = table->items(scene, items, TUI_ITEMS_MAX);
    for (size_t i = 0; i < all; i++)
        if (tui_table_matches(table, scene, &items[i], filter))
            items[(*ret_count)++] = items[i];
    if (sort >= 0 && (size_t)sort<table->count && * ret_count> 1)
        sort_items(table, scene, items, *ret_count, (size_t)sort, reverse);
    return items;
}

/* -- entity tables --------------------------------------------------------- */

size_t tui_entity_items(const struct tui_scene *scene, enum tui_kind kind, struct tui_item *out,
                        size_t max)
{
    size_t room = scene->picture->counts[kind];
    const struct tui_row **rows =
        room > 0 ? aion_arena_array(scene->arena, room, sizeof(*rows)) : NULL;
    if (rows == NULL)
        return 0;
    size_t count = tui_picture_list(scene->picture, kind, rows, room < max ? room : max);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct tui_item){rows[i]->entity->key, rows[i]};
    return count;
}

aion_str tui_key_part(aion_str key, enum tui_key_part part)
{
    size_t slash = part != TUI_WHOLE_KEY ? aion_str_index(key, '/') : SIZE_MAX;
    if (slash == SIZE_MAX)
        return part == TUI_BEHIND_SLASH ? (aion_str){0} : key;
    return part == TUI_BEHIND_SLASH ? aion_str_n(key.data + slash + 1, key.size - slash - 1)
                                    : aion_str_n(key.data, slash);
}

static void state_value(const struct tui_scene *scene, const struct tui_measure *measure,
                        int64_t now, const int64_t *base, struct tui_value *out)
{
    struct tui_word word = tui_word_of(measure, now);
    out->number = now;
    out->text = aion_str_of(word.word);
    out->role = word.role;
    if (base == NULL || *base == now)
        return;
    const char *both =
        aion_arena_printf(scene->arena, "%s>%s", tui_word_of(measure, *base).word, word.word);
    out->text = aion_str_of(both);
}

/* The row of the instant that is compared with. */
static const struct tui_row *row_before(const struct tui_scene *scene,
                                        const struct tui_row *row)
{
    if (scene->base == NULL)
        return NULL;
    const struct tui_row *same = tui_picture_find(scene->base, row->entity->slot);
    return same != NULL && same->entity == row->entity
               ? same
               : tui_picture_key(scene->base, row->entity->kind, row->entity->key);
}

static void measure_value(const struct tui_scene *scene, const struct tui_row *row,
                          const struct tui_column *column, struct tui_value *out)
{
    const struct tui_measure *measure = &tui_kinds[row->entity->kind].measures[column->tag];
    int64_t now = row->values[column->tag];
    const struct tui_row *before = row_before(scene, row);
    const int64_t *base = before != NULL ? &before->values[column->tag] : NULL;
    if (measure->unit == TUI_STATE) {
        state_value(scene, measure, now, base, out);
        return;
    }
    out->number = now;
    out->role = tui_role_of(measure, now, scene->picture->at_us);
    if (base != NULL && now >= 0 && *base >= 0) {
        out->number = now - *base;
        out->change = true;
        out->role = out->number == 0 ? TUI_DIM : out->role;
    }
}

void tui_entity_value(const struct tui_scene *scene, const struct tui_item *item,
                      const struct tui_column *column, struct tui_value *out)
{
    const struct tui_row *row = item->object;
    if (column->tag >= 0) {
        measure_value(scene, row, column, out);
        return;
    }
    if (column->tag == TUI_TAG_LABEL)
        out->text = tui_entity_label(row->entity, column->name);
    else if (column->tag == TUI_TAG_TREND)
        out->number = row->entity->slot; /* the list draws it */
    else
        out->text = row->entity->key;
}
