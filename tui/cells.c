#include "cells.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 1024 };

/* -- the grid -------------------------------------------------------------- */

static int between(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

bool tui_canvas_resize(struct tui_canvas *canvas, int rows, int cols)
{
    rows = between(rows, 1, TUI_ROWS_MAX);
    cols = between(cols, 1, TUI_COLS_MAX);
    struct tui_cell *cells =
        realloc(canvas->cells, (size_t)rows * (size_t)cols * sizeof(*canvas->cells));
    if (cells == NULL)
        return false;
    canvas->cells = cells;
    canvas->rows = rows;
    canvas->cols = cols;
    tui_canvas_clear(canvas);
    return true;
}

void tui_canvas_done(struct tui_canvas *canvas)
{
    free(canvas->cells);
    canvas->cells = NULL;
    canvas->rows = canvas->cols = 0;
}

void tui_canvas_clear(struct tui_canvas *canvas)
{
    const struct tui_cell blank = {.ch = ' ', .width = 1};
    size_t row_size = (size_t)canvas->cols * sizeof(blank);
    for (int x = 0; x < canvas->cols; x++)
        canvas->cells[x] = blank;
    for (int y = 1; y < canvas->rows; y++)
        memcpy(tui_canvas_cell(canvas, y, 0), canvas->cells, row_size);
}

/* The cell at (y, x) of the rectangle, or NULL outside of it or of the canvas. */
static struct tui_cell *cell_at(struct tui_canvas *canvas, struct tui_rect rect, int y, int x)
{
    if (y < 0 || x < 0 || y >= rect.rows || x >= rect.cols)
        return NULL;
    y += rect.y;
    x += rect.x;
    if (y < 0 || x < 0 || y >= canvas->rows || x >= canvas->cols)
        return NULL;
    return tui_canvas_cell(canvas, y, x);
}

/* -- characters ------------------------------------------------------------ */

/* What stands for a character where only ASCII can be shown. */
static uint32_t to_ascii(uint32_t ch)
{
    if (ch < 0x7F)
        return ch;
    switch (ch) {
    case 0x2500: /* ─ */
        return '-';
    case 0x2502: /* │ */
        return '|';
    case 0x2026: /* … */
        return '~';
    case 0x25B2: /* ▲ */
        return '^';
    case 0x25BC: /* ▼ */
        return 'v';
    case 0x2022: /* • */
    case 0xB7:
        return '.';
    default:
        return ch >= 0x250C && ch <= 0x253C ? '+' : '?';
    }
}

/* A wide character that loses one half loses the other, too. */
static void break_wide(struct tui_canvas *canvas, int y, int x)
{
    struct tui_cell *cell = tui_canvas_cell(canvas, y, x);
    if (cell->ch == 0 && x > 0)
        *tui_canvas_cell(canvas, y, x - 1) =
            (struct tui_cell){.ch = ' ', .width = 1, .role = cell->role};
    if (cell->width == 2 && x + 1 < canvas->cols)
        *tui_canvas_cell(canvas, y, x + 1) =
            (struct tui_cell){.ch = ' ', .width = 1, .role = cell->role};
}

/* Nothing where it does not fit as a whole. */
static void put_width(struct tui_canvas *canvas, struct tui_rect rect, int y, int x,
                      enum tui_role role, uint32_t ch, int width)
{
    struct tui_cell *cell = cell_at(canvas, rect, y, x);
    struct tui_cell *half = width == 2 ? cell_at(canvas, rect, y, x + 1) : NULL;
    if (cell == NULL || (width == 2 && half == NULL))
        return;
    break_wide(canvas, rect.y + y, rect.x + x);
    if (width == 2) {
        break_wide(canvas, rect.y + y, rect.x + x + 1);
        if (canvas->ascii) {
            *half = (struct tui_cell){.ch = '?', .width = 1, .role = (uint8_t)role};
            width = 1;
        } else {
            *half = (struct tui_cell){.role = (uint8_t)role};
        }
    }
    *cell = (struct tui_cell){.ch = canvas->ascii ? to_ascii(ch) : ch,
                              .width = (uint16_t)width,
                              .role = (uint8_t)role};
}

void tui_put_char(struct tui_canvas *canvas, struct tui_rect rect, int y, int x,
                  enum tui_role role, uint32_t ch)
{
    put_width(canvas, rect, y, x, role, ch, 1);
}

/* The cells of a row from column *x on, *count of them, as far as they are in the rectangle and
 * on the canvas: all of them are to be written. NULL: none. */
static struct tui_cell *clip(struct tui_canvas *canvas, struct tui_rect rect, int y, int *x,
                             int *count)
{
    int row = rect.y + y, first = *x > 0 ? *x : 0, end = *x + *count;
    first = rect.x + first < 0 ? -rect.x : first;
    end = end < rect.cols ? end : rect.cols;
    end = rect.x + end < canvas->cols ? end : canvas->cols - rect.x;
    if (y < 0 || y >= rect.rows || row < 0 || row >= canvas->rows || first >= end)
        return NULL;
    *x = first;
    *count = end - first;
    break_wide(canvas, row, rect.x + first);
    break_wide(canvas, row, rect.x + end - 1);
    return tui_canvas_cell(canvas, row, rect.x + first);
}

void tui_put_run(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int count,
                 enum tui_role role, uint32_t ch)
{
    const struct tui_cell cell = {
        .ch = canvas->ascii ? to_ascii(ch) : ch, .width = 1, .role = (uint8_t)role};
    struct tui_cell *cells = clip(canvas, rect, y, &x, &count);
    for (int i = 0; cells != NULL && i < count; i++)
        cells[i] = cell;
}

/* -- text ------------------------------------------------------------------ */

/* A mark joins the character before it; a second one is left out. */
static void put_mark(struct tui_canvas *canvas, struct tui_rect rect, int y, int x,
                     uint32_t mark)
{
    struct tui_cell *cell = cell_at(canvas, rect, y, x - 1);
    if (cell != NULL && cell->ch == 0)
        cell = cell_at(canvas, rect, y, x - 2);
    if (cell != NULL && cell->ch > ' ' && cell->mark == 0 && !canvas->ascii)
        cell->mark = mark;
}

/* Bytes of printable ASCII from pos on. */
static size_t plain_size(aion_str text, size_t pos)
{
    size_t end = pos;
    while (end < text.size && text.data[end] >= 0x20 && text.data[end] <= 0x7E)
        end++;
    return end - pos;
}

static void put_plain(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int count,
                      enum tui_role role, const char *text)
{
    int first = x;
    struct tui_cell *cells = clip(canvas, rect, y, &first, &count);
    for (int i = 0; cells != NULL && i < count; i++)
        cells[i] = (struct tui_cell){
            .ch = (uint32_t)text[first - x + i], .width = 1, .role = (uint8_t)role};
}

/* A character that is no plain one, and its place. Returns the column behind it. */
static int put_other(struct tui_canvas *canvas, struct tui_rect rect, int y, int x,
                     enum tui_role role, uint32_t ch, int width)
{
    if (width > 0)
        put_width(canvas, rect, y, x, role, ch, width);
    else
        put_mark(canvas, rect, y, x, ch);
    return x + width;
}

int tui_put(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, enum tui_role role,
            aion_str text)
{
    int width, begin = x;
    uint32_t ch;
    for (size_t pos = 0; x <= rect.cols;) {
        size_t plain = plain_size(text, pos), room = (size_t)(rect.cols - x);
        size_t count = plain < room ? plain : room;
        if (count > 0)
            put_plain(canvas, rect, y, x, (int)count, role, text.data + pos);
        x += (int)count;
        pos += count;
        if (count < plain || (ch = tui_text_next(text, &pos, &width)) == 0 ||
            x + width > rect.cols)
            break;
        if (width > 0 || x > begin)
            x = put_other(canvas, rect, y, x, role, ch, width);
    }
    return x;
}

int tui_putf(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, enum tui_role role,
             const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return tui_put(canvas, rect, y, x, role, aion_str_of(text));
}

void tui_put_field(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int width,
                   bool right, enum tui_role role, aion_str text)
{
    char clean[LINE_MAX_BYTES];
    int columns = tui_text_width(text);
    if (columns > width) {
        text = aion_str_n(clean, tui_text_clean(clean, sizeof(clean), text, width));
        columns = tui_text_width(text);
    }
    tui_put(canvas, rect, y, right ? x + width - columns : x, role, text);
}

/* -- rules and boxes ------------------------------------------------------- */

void tui_put_rule(struct tui_canvas *canvas, struct tui_rect rect, int y, aion_str title,
                  aion_str right, bool focused)
{
    int width = tui_text_width(right);
    enum tui_role role = focused ? TUI_ACCENT : TUI_HEAD;
    tui_put_run(canvas, rect, y, 0, rect.cols, TUI_TITLE, 0x2500);
    if (title.size > 0) {
        tui_put_char(canvas, rect, y, 1, TUI_TITLE, ' ');
        int end = tui_put(canvas, rect, y, 2, role, title);
        tui_put_char(canvas, rect, y, end, TUI_TITLE, ' ');
    }
    if (right.size > 0 && width + tui_text_width(title) + 8 <= rect.cols) {
        tui_put_char(canvas, rect, y, rect.cols - width - 3, TUI_TITLE, ' ');
        tui_put(canvas, rect, y, rect.cols - width - 2, TUI_DIM, right);
        tui_put_char(canvas, rect, y, rect.cols - 2, TUI_TITLE, ' ');
    }
}

void tui_put_bar(struct tui_canvas *canvas, struct tui_rect rect, int x)
{
    for (int y = 0; y < rect.rows; y++)
        tui_put_char(canvas, rect, y, x, TUI_TITLE, 0x2502);
}

static void put_edge(struct tui_canvas *canvas, struct tui_rect rect, int y, uint32_t left,
                     uint32_t right)
{
    tui_put_run(canvas, rect, y, 1, rect.cols - 2, TUI_TITLE, 0x2500);
    tui_put_char(canvas, rect, y, 0, TUI_TITLE, left);
    tui_put_char(canvas, rect, y, rect.cols - 1, TUI_TITLE, right);
}

struct tui_rect tui_put_box(struct tui_canvas *canvas, struct tui_rect rect, aion_str title,
                            aion_str right)
{
    for (int y = 0; y < rect.rows; y++)
        tui_put_run(canvas, rect, y, 0, rect.cols, TUI_PLAIN, ' ');
    const struct tui_rect inner = {rect.y, rect.x + 1, 1, rect.cols - 2};
    put_edge(canvas, rect, rect.rows - 1, 0x2514, 0x2518);
    tui_put_rule(canvas, inner, 0, title, right, true);
    tui_put_char(canvas, rect, 0, 0, TUI_TITLE, 0x250C);
    tui_put_char(canvas, rect, 0, rect.cols - 1, TUI_TITLE, 0x2510);
    const struct tui_rect sides = {rect.y + 1, rect.x, rect.rows - 2, rect.cols};
    tui_put_bar(canvas, sides, 0);
    tui_put_bar(canvas, sides, rect.cols - 1);
    return (struct tui_rect){rect.y + 1, rect.x + 2, rect.rows - 2, rect.cols - 4};
}

/* -- flags ----------------------------------------------------------------- */

void tui_flag(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int count,
              enum tui_flag flags)
{
    for (int i = 0; i < count; i++) {
        struct tui_cell *cell = cell_at(canvas, rect, y, x + i);
        if (cell != NULL)
            cell->flags = (uint8_t)(cell->flags | flags);
    }
}

void tui_flag_all(struct tui_canvas *canvas, struct tui_rect rect, enum tui_flag flags)
{
    for (int y = 0; y < rect.rows; y++)
        tui_flag(canvas, rect, y, 0, rect.cols, flags);
}

void tui_role_row(struct tui_canvas *canvas, struct tui_rect rect, int y, enum tui_role role)
{
    for (int x = 0; x < rect.cols; x++) {
        struct tui_cell *cell = cell_at(canvas, rect, y, x);
        if (cell != NULL)
            cell->role = (uint8_t)role;
    }
}

/* -- cutting --------------------------------------------------------------- */

struct tui_rect tui_rect_top(struct tui_rect *rest, int rows)
{
    struct tui_rect cut = *rest;
    cut.rows = between(rows, 0, rest->rows);
    rest->y += cut.rows;
    rest->rows -= cut.rows;
    return cut;
}

struct tui_rect tui_rect_bottom(struct tui_rect *rest, int rows)
{
    struct tui_rect cut = *rest;
    cut.rows = between(rows, 0, rest->rows);
    cut.y += rest->rows - cut.rows;
    rest->rows -= cut.rows;
    return cut;
}

struct tui_rect tui_rect_left(struct tui_rect *rest, int cols)
{
    struct tui_rect cut = *rest;
    cut.cols = between(cols, 0, rest->cols);
    rest->x += cut.cols;
    rest->cols -= cut.cols;
    return cut;
}

struct tui_rect tui_rect_right(struct tui_rect *rest, int cols)
{
    struct tui_rect cut = *rest;
    cut.cols = between(cols, 0, rest->cols);
    cut.x += rest->cols - cut.cols;
    rest->cols -= cut.cols;
    return cut;
}
