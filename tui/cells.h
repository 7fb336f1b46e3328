/* A grid of cells: what views draw on. No ncurses, no terminal: a cell says what stands there
 * and what it means (its role); term.c turns roles into colours by the theme.
 *
 * Everything is clipped to a rectangle, all text goes through text.h, so a view can neither
 * draw outside its pane nor pass on a control character. */
#ifndef TUI_CELLS_H
#define TUI_CELLS_H

#include "text.h"

/* What a cell means. Colours are the theme's (theme.c); a state is always a word, too. */
enum tui_role {
    TUI_PLAIN,
    TUI_DIM,
    TUI_TITLE,     /* rules and titles of panes */
    TUI_HEAD,      /* column heads */
    TUI_BAR,       /* header and footer lines */
    TUI_BAR_ON,    /* the view that is open; keys in the footer */
    TUI_BAR_ALARM, /* PAUSED, STALE, DISCONNECTED: unmistakable */
    TUI_GOOD,
    TUI_WARN,
    TUI_ALARM,
    TUI_ACCENT,  /* names that lead further, what was typed */
    TUI_GRAPH_A, /* p50, ok */
    TUI_GRAPH_B, /* p95, retries */
    TUI_GRAPH_C, /* p99, failures */
    TUI_HEAT_1,
    TUI_HEAT_2,
    TUI_HEAT_3,
    TUI_HEAT_4,
    TUI_HEAT_5,
    TUI_ADDED, /* diff */
    TUI_REMOVED,
    TUI_ROLES,
};

enum tui_flag {
    TUI_SELECTED = 1, /* the row under the cursor, in the pane that has it */
    TUI_MARKED = 2,
    TUI_OLD = 4,   /* no longer true: dimmed */
    TUI_FOUND = 8, /* matches what is searched */
};

struct tui_cell {
    uint32_t ch;   /* 0 = the right half of a wide one */
    uint32_t mark; /* one combining mark, or 0 */
    uint8_t role, flags;
    uint16_t width;
};

struct tui_rect {
    int y, x, rows, cols;
};

struct tui_canvas {
    int rows, cols;
    struct tui_cell *cells; /* rows * cols */
    bool ascii;             /* nothing beyond ASCII is drawn */
    bool blocks;            /* graphs of block characters instead of braille */
};

enum { TUI_ROWS_MAX = 300, TUI_COLS_MAX = 320 };

/* Clears to blanks. Larger sizes than the maximum are cut. False: out of memory, size 0. */
bool tui_canvas_resize(struct tui_canvas *canvas, int rows, int cols);
void tui_canvas_done(struct tui_canvas *canvas);
void tui_canvas_clear(struct tui_canvas *canvas);
static inline struct tui_rect tui_canvas_rect(const struct tui_canvas *canvas)
{
    return (struct tui_rect){0, 0, canvas->rows, canvas->cols};
}
static inline struct tui_cell *tui_canvas_cell(const struct tui_canvas *canvas, int y, int x)
{
    return &canvas->cells[(size_t)y * (size_t)canvas->cols + (size_t)x];
}

/* All coordinates below are within the rectangle; what lies outside is not drawn. */

void tui_put_char(struct tui_canvas *canvas, struct tui_rect rect, int y, int x,
                  enum tui_role role, uint32_t ch);
/* Returns the column behind the text. */
int tui_put(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, enum tui_role role,
            aion_str text);
int tui_putf(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, enum tui_role role,
             const char *fmt, ...) AION_PRINTF(6, 7);
/* In a field of `width` columns from x on; cut with an ellipsis when it is longer. */
void tui_put_field(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int width,
                   bool right, enum tui_role role, aion_str text);
/* A run of the same character to the right. */
void tui_put_run(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int count,
                 enum tui_role role, uint32_t ch);
/* "─ title ───────── right ─" over the whole width of the rectangle. */
void tui_put_rule(struct tui_canvas *canvas, struct tui_rect rect, int y, aion_str title,
                  aion_str right, bool focused);
/* A vertical rule of the rectangle's height at x. */
void tui_put_bar(struct tui_canvas *canvas, struct tui_rect rect, int x);
/* A frame around the rectangle, its inside blank. Returns the inside. */
struct tui_rect tui_put_box(struct tui_canvas *canvas, struct tui_rect rect, aion_str title,
                            aion_str right);
/* Adds flags to cells x .. x + count - 1 of a row. */
void tui_flag(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int count,
              enum tui_flag flags);
void tui_flag_all(struct tui_canvas *canvas, struct tui_rect rect, enum tui_flag flags);
void tui_role_row(struct tui_canvas *canvas, struct tui_rect rect, int y, enum tui_role role);

/* -- cutting rectangles ---------------------------------------------------- */
/* The first `rows` off the top (or `cols` off the left); *rest is what remains. */
struct tui_rect tui_rect_top(struct tui_rect *rest, int rows);
struct tui_rect tui_rect_bottom(struct tui_rect *rest, int rows);
struct tui_rect tui_rect_left(struct tui_rect *rest, int cols);
struct tui_rect tui_rect_right(struct tui_rect *rest, int cols);

#endif
