/* Graphs of cells: braille (2 x 4 dots a cell), blocks (8 steps a cell) or ASCII, as the canvas
 * says. A sample that is not known (-1) leaves a gap. */
#ifndef TUI_GRAPH_H
#define TUI_GRAPH_H

#include "cells.h"

/* Samples that a graph of so many columns shows: braille has two in a cell. */
int tui_graph_samples(const struct tui_canvas *canvas, int cols);

/* A filled graph over the whole rectangle. values[count], oldest first, count =
 * tui_graph_samples(); `top` is the value of the full height (at least 1). */
void tui_graph_area(struct tui_canvas *canvas, struct tui_rect rect, const int64_t *values,
                    int count, int64_t top, enum tui_role role);
/* The same as a line over what is there already: dots are added to braille cells; other glyphs
 * get a mark at its height. */
void tui_graph_line(struct tui_canvas *canvas, struct tui_rect rect, const int64_t *values,
                    int count, int64_t top, enum tui_role role);
/* One row from x on, `cols` wide. */
void tui_graph_spark(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int cols,
                     const int64_t *values, int count, int64_t top, enum tui_role role);
/* One cell of a heat map: which part of the whole is here. Glyph and colour both grow. */
void tui_graph_heat(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int64_t part,
                    int64_t whole);
/* A round number >= value for the full height: 1, 2, 5 x 10^n. */
int64_t tui_graph_top(int64_t value);

#endif
