/* What the tests of the console share: cells as text, and the cmocka headers in their order. */
#ifndef TUI_TEST_H
#define TUI_TEST_H

#include "cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A row of the canvas as UTF-8, blanks at its end cut. */
static inline const char *row_text(const struct tui_canvas *canvas, int y)
{
    static char text[4][4 * TUI_COLS_MAX + 8];
    static unsigned turn;
    char *out = text[turn++ % 4];
    size_t used = 0, end = 0;
    for (int x = 0; x < canvas->cols; x++) {
        const struct tui_cell *cell = tui_canvas_cell(canvas, y, x);
        if (cell->ch == 0)
            continue;
        used += tui_text_encode(out + used, cell->ch);
        if (cell->mark != 0)
            used += tui_text_encode(out + used, cell->mark);
        if (cell->ch != ' ')
            end = used;
    }
    out[end] = '\0';
    return out;
}

/* The first row that holds the text, or -1. */
static inline int row_with(const struct tui_canvas *canvas, const char *text)
{
    for (int y = 0; y < canvas->rows; y++)
        if (strstr(row_text(canvas, y), text) != NULL)
            return y;
    return -1;
}

/* All cells of the canvas may stand on a terminal. */
static inline void assert_clean(const struct tui_canvas *canvas)
{
    for (int y = 0; y < canvas->rows; y++)
        for (int x = 0; x < canvas->cols; x++) {
            const struct tui_cell *cell = tui_canvas_cell(canvas, y, x);
            uint32_t ch = cell->ch;
            assert_true(ch == 0 || (ch >= 0x20 && (ch < 0x7F || ch > 0x9F)));
            assert_false(ch >= 0x202A && ch <= 0x202E);
            assert_false(ch >= 0x2066 && ch <= 0x2069);
            assert_true(cell->role < TUI_ROLES);
            if (cell->width == 2)
                assert_true(x + 1 < canvas->cols && tui_canvas_cell(canvas, y, x + 1)->ch == 0);
            if (ch == 0)
                assert_true(x > 0 && tui_canvas_cell(canvas, y, x - 1)->width == 2);
        }
}

#endif
