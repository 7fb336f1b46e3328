#include "list.h"

#include "graph.h"

void tui_list_init(struct tui_list *list)
{
    *list = (struct tui_list){.sort = -1};
}

/* -- columns --------------------------------------------------------------- */

enum { RANK_MAX = 9 };

/* Which columns there is room for, those of the lowest rank first. Returns the cells they
 * leave. */
static int choose(const struct tui_column *columns, size_t count, int cols,
                  bool chosen[TUI_TABLE_COLUMNS_MAX])
{
    int left = cols - 1; /* the cursor's */
    for (unsigned rank = 0; rank <= RANK_MAX; rank++)
        for (size_t i = 0; i < count; i++) {
            bool fits = columns[i].width + 1 <= left || rank == 0;
            if (columns[i].hidden || columns[i].rank != rank || !fits)
                continue;
            chosen[i] = true;
            left -= columns[i].width + 1;
        }
    return left > 0 ? left : 0;
}

void tui_list_layout(const struct tui_table *table, int cols, struct tui_layout *out)
{
    struct tui_column columns[TUI_TABLE_COLUMNS_MAX];
    bool chosen[TUI_TABLE_COLUMNS_MAX] = {false};
    size_t count = table->count < TUI_TABLE_COLUMNS_MAX ? table->count : TUI_TABLE_COLUMNS_MAX;
    for (size_t i = 0; i < count; i++)
        columns[i] = tui_column_of(table, i);
    int spare = choose(columns, count, cols, chosen), x = 1;
    *out = (struct tui_layout){.count = 0};
    for (size_t i = 0; i < count; i++) {
        if (!chosen[i])
            continue;
        int width = columns[i].width;
        if (columns[i].grows) {
            width += spare;
            spare = 0;
        }
        out->columns[out->count].index = i;
        out->columns[out->count].x = x;
        out->columns[out->count++].width = width;
        x += width + 1;
    }
}

static void draw_head(struct tui_canvas *canvas, struct tui_rect rect,
                      const struct tui_table *table, const struct tui_list *list,
                      const struct tui_layout *layout, bool focused)
{
    char title[48];
    tui_put_run(canvas, rect, 0, 0, rect.cols, TUI_TITLE, 0x2500);
    for (size_t i = 0; i < layout->count; i++) {
        struct tui_column column = tui_column_of(table, layout->columns[i].index);
        bool sorted = list->sort == (int)layout->columns[i].index;
        const char *text = i == 0 ? table->title : column.title;
        size_t size = strlen(text);
        memcpy(title, text, size);
        if (sorted)
            title[size++] = list->reverse ? '-' : '+';
        int x = layout->columns[i].x, width = layout->columns[i].width;
        if (i == 0)
            tui_put_run(canvas, rect, 0, 0, (int)size + 2, TUI_TITLE, ' ');
        tui_put_field(canvas, rect, 0, x, width, i > 0 && tui_unit_is_number(column.unit),
                      i == 0 && focused ? TUI_ACCENT : TUI_HEAD, aion_str_n(title, size));
    }
}

/* -- cells ----------------------------------------------------------------- */

static void draw_trend(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int width,
                       const struct tui_scene *scene, const struct tui_row *row)
{
    int64_t samples[TUI_TREND_SHOWN + 1], now = TUI_UNKNOWN;
    int trend = tui_kinds[row->entity->kind].trend;
    int count = TUI_TREND_SHOWN + 1;
    if (trend >= 0)
        now = row->values[trend];
    int64_t top = tui_series_trend(tui_model_series(scene->model), row->entity->slot,
                                   scene->picture->at_us, now, samples);
    int shown = tui_graph_samples(canvas, width);
    if (shown > count)
        shown = count;
    tui_graph_spark(canvas, rect, y, x, width, samples + count - shown, shown, top,
                    TUI_GRAPH_A);
}

/* A number beyond its limit has a "!", so that no colour is needed to see it. */
static void draw_value(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int width,
                       const struct tui_scene *scene, const struct tui_value *value)
{
    char number[TUI_FORMAT_SIZE], text[TUI_FORMAT_SIZE + 1];
    aion_str shown = tui_value_text(scene, value, number);
    bool right = tui_unit_is_number(value->unit);
    if (right && (value->role == TUI_WARN || value->role == TUI_ALARM)) {
        memcpy(text, shown.data, shown.size);
        text[shown.size] = '!';
        shown = aion_str_n(text, shown.size + 1);
    }
    enum tui_role role = right && value->number < 0 && !value->change ? TUI_DIM : value->role;
    tui_put_field(canvas, rect, y, x, width, right, role, shown);
}

static void draw_row(struct tui_canvas *canvas, struct tui_rect rect, int y,
                     const struct tui_table *table, const struct tui_scene *scene,
                     const struct tui_item *item, const struct tui_layout *layout)
{
    struct tui_value value;
    for (size_t i = 0; i < layout->count; i++) {
        int x = layout->columns[i].x, width = layout->columns[i].width;
        tui_table_value(table, scene, item, layout->columns[i].index, &value);
        if (value.unit == TUI_TREND)
            draw_trend(canvas, rect, y, x, width, scene, item->object);
        else
            draw_value(canvas, rect, y, x, width, scene, &value);
    }
}

/* -- places ---------------------------------------------------------------- */

static size_t find(const struct tui_item *items, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (aion_str_is(items[i].key, key))
            return i;
    return SIZE_MAX;
}

static void put_cursor(struct tui_list *list, const struct tui_item *items, size_t count,
                       size_t at)
{
    list->at = count == 0 ? 0 : at < count ? at : count - 1;
    aion_str_copy(list->cursor, sizeof(list->cursor),
                  count > 0 ? items[list->at].key : (aion_str){0});
}

/* Where a row is gone, the cursor takes the one in its place: what an action would meet is what
 * is seen. A list that follows keeps it on top. */
static void find_cursor(struct tui_list *list, const struct tui_table *table,
                        const struct tui_item *items, size_t count)
{
    size_t at = list->cursor[0] != '\0' ? find(items, count, list->cursor) : 0;
    if (table->newest_first && !list->held)
        at = 0;
    if (list->held && at != SIZE_MAX && at > list->at)
        list->top += at - list->at; /* what came above does not move the rows */
    put_cursor(list, items, count, at != SIZE_MAX ? at : list->at);
}

static void count_unseen(struct tui_list *list, const struct tui_item *items, size_t count)
{
    size_t at = list->held ? find(items, count, list->newest) : 0;
    list->unseen = at == SIZE_MAX ? count : at;
}

static void scroll(struct tui_list *list, size_t count)
{
    if (list->page == 0)
        return;
    if (list->at < list->top)
        list->top = list->at;
    if (list->at >= list->top + list->page)
        list->top = list->at - list->page + 1;
    if (list->top + list->page > count)
        list->top = count > list->page ? count - list->page : 0;
}

/* How many are above and below, where they would be. */
static void draw_edges(struct tui_canvas *canvas, struct tui_rect rect,
                       const struct tui_list *list, size_t count)
{
    if (list->top > 0)
        tui_put_char(canvas, rect, 1, 0, TUI_DIM, 0x25B2);
    if (list->top + list->page < count)
        tui_put_char(canvas, rect, rect.rows - 1, 0, TUI_DIM, 0x25BC);
}

static void draw_rows(struct tui_canvas *canvas, struct tui_rect rect,
                      const struct tui_table *table, struct tui_list *list,
                      const struct tui_scene *scene, const struct tui_item *items, size_t count,
                      bool focused)
{
    struct tui_layout layout;
    tui_list_layout(table, rect.cols, &layout);
    draw_head(canvas, rect, table, list, &layout, focused);
    draw_edges(canvas, rect, list, count);
    for (size_t i = list->top; i < count && i < list->top + list->page; i++) {
        int y = (int)(i - list->top) + 1;
        draw_row(canvas, rect, y, table, scene, &items[i], &layout);
        if (tui_list_marked(list, items[i].key)) {
            tui_put_char(canvas, rect, y, 0, TUI_ACCENT, '*');
            tui_flag(canvas, rect, y, 0, rect.cols, TUI_MARKED);
        }
        if (i == list->at && focused) {
            tui_put_char(canvas, rect, y, 0, TUI_ACCENT, '>');
            tui_flag(canvas, rect, y, 0, rect.cols, TUI_SELECTED);
        }
    }
}

const struct tui_item *tui_list_draw(struct tui_canvas *canvas, struct tui_rect rect,
                                     const struct tui_table *table, struct tui_list *list,
                                     const struct tui_scene *scene,
                                     const struct tui_filter *filter, bool focused)
{
    size_t count;
    const struct tui_item *items =
        tui_table_items(table, scene, filter, list->sort, list->reverse, &count);
    list->shown = count;
    list->page = rect.rows > 1 ? (size_t)rect.rows - 1 : 0;
    if (items == NULL)
        return NULL;
    find_cursor(list, table, items, count);
    count_unseen(list, items, count);
    scroll(list, count);
    draw_rows(canvas, rect, table, list, scene, items, count, focused);
    if (count == 0)
        tui_put(canvas, rect, 1, 1, TUI_DIM,
                aion_str_of(filter != NULL && filter->count > 0
                                ? "nothing matches the filter (esc drops it)"
                                : table->empty));
    return items;
}

/* -- moving ---------------------------------------------------------------- */

void tui_list_hold(struct tui_list *list, const struct tui_item *items, size_t count)
{
    if (list->held || count == 0)
        return;
    list->held = true;
    aion_str_copy(list->newest, sizeof(list->newest), items[0].key);
}

void tui_list_move(struct tui_list *list, enum tui_move move, const struct tui_item *items,
                   size_t count)
{
    size_t at = find(items, count, list->cursor), page = list->page > 1 ? list->page - 1 : 1;
    if (count == 0)
        return;
    if (at == SIZE_MAX) /* rows may have come and gone since they were drawn */
        at = list->at;
    else
        list->top += at > list->at ? at - list->at : 0;
    switch (move) {
    case TUI_MOVE_UP:
        at = at > 0 ? at - 1 : 0;
        break;
    case TUI_MOVE_DOWN:
        at++;
        break;
    case TUI_MOVE_PAGE_UP:
        at = at > page ? at - page : 0;
        break;
    case TUI_MOVE_PAGE_DOWN:
        at += page;
        break;
    case TUI_MOVE_FIRST:
        at = 0;
        break;
    case TUI_MOVE_LAST:
        at = count - 1;
        break;
    }
    tui_list_hold(list, items, count);
    put_cursor(list, items, count, at);
}

bool tui_list_point(struct tui_list *list, int row, const struct tui_item *items, size_t count)
{
    if (row < 1 || list->top + (size_t)row - 1 >= count || (size_t)row > list->page)
        return false;
    tui_list_hold(list, items, count);
    put_cursor(list, items, count, list->top + (size_t)row - 1);
    return true;
}

void tui_list_go(struct tui_list *list, aion_str key)
{
    aion_str_copy(list->cursor, sizeof(list->cursor), key);
    list->held = true;
}

const struct tui_item *tui_list_item(const struct tui_list *list, const struct tui_item *items,
                                     size_t count)
{
    size_t at = list->cursor[0] != '\0' ? find(items, count, list->cursor) : list->at;
    return at < count ? &items[at] : NULL;
}

/* -- marks ----------------------------------------------------------------- */

static uint64_t hash_of(aion_str key)
{
    return aion_siphash(5, 6, key.data, key.size);
}

static size_t mark_at(const struct tui_list *list, uint64_t hash)
{
    for (size_t i = 0; i < list->mark_count; i++)
        if (list->marks[i] == hash)
            return i;
    return SIZE_MAX;
}

bool tui_list_marked(const struct tui_list *list, aion_str key)
{
    return list->mark_count > 0 && mark_at(list, hash_of(key)) != SIZE_MAX;
}

bool tui_list_mark(struct tui_list *list, aion_str key, bool on)
{
    uint64_t hash = hash_of(key);
    size_t at = mark_at(list, hash);
    if (on && at == SIZE_MAX) {
        if (list->mark_count == TUI_MARKS_MAX)
            return false;
        list->marks[list->mark_count++] = hash;
    } else if (!on && at != SIZE_MAX) {
        list->marks[at] = list->marks[--list->mark_count];
    }
    return true;
}

void tui_list_mark_range(struct tui_list *list, const struct tui_item *items, size_t count)
{
    const struct tui_item *cursor = tui_list_item(list, items, count);
    if (cursor == NULL)
        return;
    size_t to = (size_t)(cursor - items), from = find(items, count, list->anchor);
    if (from == SIZE_MAX)
        from = to;
    for (size_t i = from < to ? from : to; i <= (from < to ? to : from); i++)
        if (!tui_list_mark(list, items[i].key, true))
            return;
}
