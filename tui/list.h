/* A table on the screen: cursor, scrolling, sorting, marks, following. The cursor and the marks
 * stay with their rows, whatever comes and goes around them. */
#ifndef TUI_LIST_H
#define TUI_LIST_H

#include "table.h"

enum { TUI_LIST_KEY_MAX = 208, TUI_MARKS_MAX = 512 };

struct tui_list {
    char cursor[TUI_LIST_KEY_MAX]; /* key of the row; "" = the first */
    size_t at;                     /* its place when it was drawn last */
    size_t top;                    /* first row on the screen */
    size_t shown;                  /* rows that pass the filter */
    size_t unseen;                 /* came since the list stopped following */
    size_t page;                   /* rows on the screen */
    int sort;                      /* column, or -1 = as they come */
    bool reverse;
    bool held;                     /* newest_first: does not follow */
    char newest[TUI_LIST_KEY_MAX]; /* the first row when it was held */
    uint64_t marks[TUI_MARKS_MAX]; /* hashes of keys */
    size_t mark_count;
    char anchor[TUI_LIST_KEY_MAX]; /* key of the row where a range of marks begins; "" = none */
};

void tui_list_init(struct tui_list *list);

/* Draws and keeps places. Returns the items (in the scene's arena) for whoever needs the row
 * under the cursor. `focused`: it has the keys. */
const struct tui_item *tui_list_draw(struct tui_canvas *canvas, struct tui_rect rect,
                                     const struct tui_table *table, struct tui_list *list,
                                     const struct tui_scene *scene,
                                     const struct tui_filter *filter, bool focused);

enum tui_move {
    TUI_MOVE_UP,
    TUI_MOVE_DOWN,
    TUI_MOVE_PAGE_UP,
    TUI_MOVE_PAGE_DOWN,
    TUI_MOVE_FIRST,
    TUI_MOVE_LAST,
};
/* `items`, `count`: what is listed now. */
void tui_list_move(struct tui_list *list, enum tui_move move, const struct tui_item *items,
                   size_t count);
/* Does not follow what is newest any more: whoever moves or opens wants the rows to stay. */
void tui_list_hold(struct tui_list *list, const struct tui_item *items, size_t count);
/* To the row at this place on the screen (the head is row 0); false: none is there. */
bool tui_list_point(struct tui_list *list, int row, const struct tui_item *items, size_t count);
/* To the row of this key, if it is there when it is drawn next. */
void tui_list_go(struct tui_list *list, aion_str key);
/* The item under the cursor; NULL: there is none, or the row that was seen there is gone. */
const struct tui_item *tui_list_item(const struct tui_list *list, const struct tui_item *items,
                                     size_t count);

/* -- marks ----------------------------------------------------------------- */
bool tui_list_marked(const struct tui_list *list, aion_str key);
/* False: TUI_MARKS_MAX are marked. */
bool tui_list_mark(struct tui_list *list, aion_str key, bool on);
/* All from the anchor's row to the cursor's. */
void tui_list_mark_range(struct tui_list *list, const struct tui_item *items, size_t count);

/* -- columns --------------------------------------------------------------- */
struct tui_layout {
    struct {
        size_t index; /* column of the table */
        int x, width;
    } columns[TUI_TABLE_COLUMNS_MAX];
    size_t count;
};
/* Which columns fit in so many cells: those of the highest rank go first. */
void tui_list_layout(const struct tui_table *table, int cols, struct tui_layout *out);

#endif
