/* Running text on the screen: lines with a role each, scrolled, searched, followed. Policies,
 * differences, a task's life, its output, the help. */
#ifndef TUI_PAGES_H
#define TUI_PAGES_H

#include "cells.h"
#include "filter.h"

#include "base/arena.h"

enum { TUI_LINES_MAX = 16384 };

struct tui_line {
    enum tui_role role;
    int indent;
    aion_str text; /* lives as long as the arena it was made in */
};

/* A growing list of lines in an arena; beyond TUI_LINES_MAX or the arena's limit lines are
 * left out. */
struct tui_lines {
    struct tui_line *lines;
    size_t count, room;
    struct aion_arena *arena;
    int width; /* columns of the pane, for whoever wraps */
};

void tui_line_add(struct tui_lines *lines, enum tui_role role, int indent, aion_str text);
void tui_line_addf(struct tui_lines *lines, enum tui_role role, int indent, const char *fmt,
                   ...) AION_PRINTF(4, 5);
/* "name   value", the name dimmed. */
void tui_line_pair(struct tui_lines *lines, const char *name, const char *fmt, ...)
    AION_PRINTF(3, 4);
/* A text of many lines; long ones are wrapped at the pane's width. */
void tui_line_text(struct tui_lines *lines, enum tui_role role, int indent, aion_str text);

struct tui_page {
    size_t top;   /* first line on the screen */
    size_t rows;  /* on the screen */
    size_t count; /* lines there were when it was drawn last */
    bool follows; /* sticks to the end */
    size_t found; /* lines that match */
};

/* Lines that match the filter are flagged. */
void tui_page_draw(struct tui_canvas *canvas, struct tui_rect rect, struct tui_page *page,
                   const struct tui_lines *lines, const struct tui_filter *filter);
/* By rows; clips. Moving up ends following, reaching the end of a page that may follow begins
 * it again. */
void tui_page_scroll(struct tui_page *page, int64_t rows);
void tui_page_end(struct tui_page *page);
/* To the next (or previous) matching line; false: there is none. */
bool tui_page_next(struct tui_page *page, const struct tui_lines *lines,
                   const struct tui_filter *filter, bool back);

#endif
