#include "graph.h"

enum { BRAILLE = 0x2800, EIGHTHS = 8 };

int tui_graph_samples(const struct tui_canvas *canvas, int cols)
{
    return canvas->ascii || canvas->blocks ? cols : cols * 2;
}

int64_t tui_graph_top(int64_t value)
{
    int64_t unit = 1;
    while (unit < INT64_MAX / 100 && unit * 10 <= value)
        unit *= 10;
    if (value <= unit)
        return unit;
    if (value <= unit * 2)
        return unit * 2;
    return value <= unit * 5 ? unit * 5 : value <= unit * 10 ? unit * 10 : value;
}

/* Steps of `steps` that a value reaches; a value above 0 has at least one. */
static int level(int64_t value, int64_t top, int steps)
{
    if (value <= 0)
        return 0;
    if (value >= top)
        return steps;
    int reached = (int)((double)value * steps / (double)top);
    return reached > 0 ? reached : 1;
}

/* Dots of the left (0) or right (1) column of a cell, from the bottom up to `height` of 4. */
static uint32_t column_dots(int side, int height)
{
    static const uint8_t dots[2][5] = {{0, 0x40, 0x44, 0x46, 0x47},
                                       {0, 0x80, 0xA0, 0xB0, 0xB8}};
    return dots[side][height];
}

/* One dot at a height of 0..3. */
static uint32_t single_dot(int side, int height)
{
    return column_dots(side, height + 1) & ~column_dots(side, height);
}

static uint32_t block(int eighths)
{
    return eighths <= 0 ? ' ' : 0x2580 + (uint32_t)(eighths < EIGHTHS ? eighths : EIGHTHS);
}

static uint32_t ascii_block(int eighths)
{
    static const char ramp[] = " _..--==#";
    return (uint32_t)ramp[eighths < 0 ? 0 : eighths > EIGHTHS ? EIGHTHS : eighths];
}

/* -- areas ----------------------------------------------------------------- */

/* The part of a level that lies in the cell `row` rows above the bottom, `steps` a cell. */
static int part_of(int reached, int row, int steps)
{
    int part = reached - row * steps;
    return part < 0 ? 0 : part > steps ? steps : part;
}

static void braille_area(struct tui_canvas *canvas, struct tui_rect rect, const int64_t *values,
                         int count, int64_t top, enum tui_role role)
{
    for (int x = 0; x < rect.cols && 2 * x + 1 < count; x++) {
        int left = level(values[2 * x], top, rect.rows * 4);
        int right = level(values[2 * x + 1], top, rect.rows * 4);
        for (int row = 0; row * 4 < left || row * 4 < right; row++) {
            uint32_t bits =
                column_dots(0, part_of(left, row, 4)) | column_dots(1, part_of(right, row, 4));
            tui_put_char(canvas, rect, rect.rows - 1 - row, x, role, BRAILLE + bits);
        }
    }
}

static void block_area(struct tui_canvas *canvas, struct tui_rect rect, const int64_t *values,
                       int count, int64_t top, enum tui_role role)
{
    for (int x = 0; x < rect.cols && x < count; x++) {
        int reached = level(values[x], top, rect.rows * EIGHTHS);
        for (int row = 0; row * EIGHTHS < reached; row++) {
            int part = part_of(reached, row, EIGHTHS);
            tui_put_char(canvas, rect, rect.rows - 1 - row, x, role,
                         canvas->ascii ? ascii_block(part) : block(part));
        }
    }
}

void tui_graph_area(struct tui_canvas *canvas, struct tui_rect rect, const int64_t *values,
                    int count, int64_t top, enum tui_role role)
{
    top = top > 0 ? top : 1;
    if (canvas->ascii || canvas->blocks)
        block_area(canvas, rect, values, count, top, role);
    else
        braille_area(canvas, rect, values, count, top, role);
}

/* -- lines ----------------------------------------------------------------- */

static void line_dot(struct tui_canvas *canvas, struct tui_rect rect, int x, int side,
                     int reached, enum tui_role role)
{
    int row = (reached - 1) / 4, height = (reached - 1) % 4, y = rect.rows - 1 - row;
    if (reached <= 0 || x >= rect.cols || rect.y + y >= canvas->rows ||
        rect.x + x >= canvas->cols)
        return;
    uint32_t there = tui_canvas_cell(canvas, rect.y + y, rect.x + x)->ch;
    uint32_t bits = there >= BRAILLE && there <= BRAILLE + 0xFF ? there - BRAILLE : 0;
    tui_put_char(canvas, rect, y, x, role, BRAILLE + (bits | single_dot(side, height)));
}

static void line_mark(struct tui_canvas *canvas, struct tui_rect rect, int x, int reached,
                      enum tui_role role)
{
    if (reached > 0)
        tui_put_char(canvas, rect, rect.rows - 1 - (reached - 1) / EIGHTHS, x, role,
                     canvas->ascii ? '*' : 0xB7);
}

void tui_graph_line(struct tui_canvas *canvas, struct tui_rect rect, const int64_t *values,
                    int count, int64_t top, enum tui_role role)
{
    bool braille = !canvas->ascii && !canvas->blocks;
    top = top > 0 ? top : 1;
    for (int i = 0; i < count; i++) {
        if (braille)
            line_dot(canvas, rect, i / 2, i % 2, level(values[i], top, rect.rows * 4), role);
        else
            line_mark(canvas, rect, i, level(values[i], top, rect.rows * EIGHTHS), role);
    }
}

/* -- one row --------------------------------------------------------------- */

void tui_graph_spark(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int cols,
                     const int64_t *values, int count, int64_t top, enum tui_role role)
{
    if (y < 0 || y >= rect.rows || x >= rect.cols)
        return;
    int room = cols < rect.cols - x ? cols : rect.cols - x;
    const struct tui_rect row = {rect.y + y, rect.x + x, 1, room};
    tui_graph_area(canvas, row, values, count, top, role);
}

/* Steps that tell apart what latencies look like: most of them lie in a few classes. */
void tui_graph_heat(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int64_t part,
                    int64_t whole)
{
    static const char glyphs[] = " .:*#@";
    static const int percent[] = {0, 4, 10, 20, 35};
    int step = 0;
    if (part <= 0)
        return;
    while (step < 5 && (double)part * 100 >= (double)whole * percent[step])
        step++;
    tui_put_char(canvas, rect, y, x, (enum tui_role)(TUI_HEAT_1 + (step > 0 ? step - 1 : 0)),
                 (uint32_t)glyphs[step > 0 ? step : 1]);
}
