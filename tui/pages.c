#include "pages.h"

#include <stdarg.h>

enum { PAIR_WIDTH = 13 };

/* -- lines ----------------------------------------------------------------- */

static bool make_room(struct tui_lines *lines)
{
    if (lines->count < lines->room)
        return true;
    size_t room = lines->room == 0 ? 64 : lines->room * 2;
    struct tui_line *more =
        room <= TUI_LINES_MAX ? aion_arena_array(lines->arena, room, sizeof(*more)) : NULL;
    if (more == NULL)
        return false;
    if (lines->count > 0)
        memcpy(more, lines->lines, lines->count * sizeof(*more));
    lines->lines = more;
    lines->room = room;
    return true;
}

void tui_line_add(struct tui_lines *lines, enum tui_role role, int indent, aion_str text)
{
    if (make_room(lines))
        lines->lines[lines->count++] = (struct tui_line){role, indent, text};
}

void tui_line_addf(struct tui_lines *lines, enum tui_role role, int indent, const char *fmt,
                   ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = aion_arena_vprintf(lines->arena, fmt, args);
    va_end(args);
    tui_line_add(lines, role, indent, aion_str_of(text));
}

void tui_line_pair(struct tui_lines *lines, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *value = aion_arena_vprintf(lines->arena, fmt, args);
    va_end(args);
    tui_line_addf(lines, TUI_PLAIN, 0, "%-*s %s", PAIR_WIDTH - 1, name,
                  value != NULL ? value : "");
}

/* Bytes of the text that fit in so many columns; at a blank when there is one. */
static size_t fitting(aion_str text, int columns)
{
    size_t pos = 0, blank = 0;
    int width, used = 0;
    while (pos < text.size) {
        size_t next = pos;
        if (tui_text_next(text, &next, &width) == 0)
            return text.size;
        if (used + width > columns)
            break;
        used += width;
        pos = next;
        if (text.data[pos - 1] == ' ')
            blank = pos;
    }
    if (pos == text.size)
        return pos;
    return blank > 0 ? blank : pos > 0 ? pos : 1;
}

void tui_line_text(struct tui_lines *lines, enum tui_role role, int indent, aion_str text)
{
    int columns = lines->width - indent > 8 ? lines->width - indent : 8;
    while (text.data != NULL) {
        aion_str line = aion_str_cut(&text, '\n');
        do {
            size_t size = fitting(line, columns);
            tui_line_add(lines, role, indent, aion_str_n(line.data, size));
            line = aion_str_n(line.data + size, line.size - size);
        } while (line.size > 0 && lines->count < TUI_LINES_MAX);
    }
}

/* -- the page -------------------------------------------------------------- */

static bool matches(const struct tui_line *line, const struct tui_filter *filter)
{
    const struct tui_field field = {"text", line->text};
    return filter != NULL && filter->count > 0 && tui_filter_match(filter, &field, 1);
}

static size_t last_top(const struct tui_page *page)
{
    return page->count > page->rows ? page->count - page->rows : 0;
}

static void count_found(struct tui_page *page, const struct tui_lines *lines,
                        const struct tui_filter *filter)
{
    page->found = 0;
    for (size_t i = 0; filter != NULL && filter->count > 0 && i < lines->count; i++)
        page->found += matches(&lines->lines[i], filter);
}

void tui_page_draw(struct tui_canvas *canvas, struct tui_rect rect, struct tui_page *page,
                   const struct tui_lines *lines, const struct tui_filter *filter)
{
    page->rows = rect.rows > 0 ? (size_t)rect.rows : 0;
    page->count = lines->count;
    if (page->follows || page->top > last_top(page))
        page->top = last_top(page);
    count_found(page, lines, filter);
    for (size_t i = 0; i < page->rows && page->top + i < lines->count; i++) {
        const struct tui_line *line = &lines->lines[page->top + i];
        int y = (int)i;
        tui_put(canvas, rect, y, 1 + line->indent, line->role, line->text);
        if (matches(line, filter))
            tui_flag(canvas, rect, y, 0, rect.cols, TUI_FOUND);
    }
    if (page->top > 0)
        tui_put_char(canvas, rect, 0, rect.cols - 1, TUI_DIM, 0x25B2);
    if (page->top < last_top(page))
        tui_put_char(canvas, rect, rect.rows - 1, rect.cols - 1, TUI_DIM, 0x25BC);
}

void tui_page_scroll(struct tui_page *page, int64_t rows)
{
    int64_t top = (int64_t)page->top + rows;
    if (rows < 0)
        page->follows = false;
    page->top = top < 0 ? 0 : (size_t)top;
    if (page->top > last_top(page))
        page->top = last_top(page);
}

void tui_page_end(struct tui_page *page)
{
    page->top = last_top(page);
    page->follows = true;
}

bool tui_page_next(struct tui_page *page, const struct tui_lines *lines,
                   const struct tui_filter *filter, bool back)
{
    for (size_t step = 1; step <= lines->count; step++) {
        size_t at = back ? (page->top + lines->count - step) % lines->count
                         : (page->top + step) % lines->count;
        if (!matches(&lines->lines[at], filter))
            continue;
        page->follows = false;
        page->top = at;
        return true;
    }
    return false;
}
