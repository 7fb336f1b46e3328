/* What a program wrote on a terminal, frame by frame: how few bytes would have done.
 *
 *   console_screen ROWS COLS [ROW] < FRAMES
 *
 * FRAMES: four bytes of size, least first, then what the program wrote, again and again. The
 * bytes go through libvterm; of each frame but the first the least that is needed is estimated:
 * for each run of changed cells the shortest move of the cursor (or the few cells between), the
 * attributes that differ from the last ones written, the characters, and one erase for blanks
 * that reach the end of the row. Prints "frames N bytes_p50 N least_p50 N bytes N least N".
 * With ROW (-1 is the last one) it prints the text of that row after each frame instead. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <vterm.h>

enum {
    ROWS_MAX = 200,
    COLS_MAX = 400,
    FRAMES_MAX = 20000,
    FRAME_BYTES_MAX = 4 * 1024 * 1024,
    GAP_MAX = 8, /* cells that are written again rather than jumped over */
};

static struct {
    int rows, cols;
    VTerm *vterm;
    VTermScreen *screen;
    VTermScreenCell cells[ROWS_MAX][COLS_MAX];
    size_t count, bytes[FRAMES_MAX], least[FRAMES_MAX];
} run;

/* Where the cursor and the attributes of a perfect writer are. */
struct pen {
    int y, x;
    VTermScreenCell look;
};

static size_t digits(int value)
{
    return value < 10 ? 1 : value < 100 ? 2 : 3;
}

static bool same_look(const VTermScreenCell *a, const VTermScreenCell *b)
{
    return vterm_color_is_equal(&a->fg, &b->fg) && vterm_color_is_equal(&a->bg, &b->bg) &&
           a->attrs.bold == b->attrs.bold && a->attrs.reverse == b->attrs.reverse &&
           a->attrs.underline == b->attrs.underline && a->attrs.italic == b->attrs.italic;
}

static bool same_cell(const VTermScreenCell *a, const VTermScreenCell *b)
{
    for (size_t i = 0; i < VTERM_MAX_CHARS_PER_CELL; i++) {
        if (a->chars[i] != b->chars[i])
            return false;
        if (a->chars[i] == 0)
            break;
    }
    return same_look(a, b);
}

static size_t text_size(const VTermScreenCell *cell)
{
    size_t size = 0;
    for (size_t i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell->chars[i] != 0; i++)
        size += cell->chars[i] < 0x80      ? 1
                : cell->chars[i] < 0x800   ? 2
                : cell->chars[i] < 0x10000 ? 3
                                           : 4;
    return size > 0 ? size : 1;
}

static bool blank(const VTermScreenCell *cell)
{
    return cell->chars[0] == 0 || (cell->chars[0] == ' ' && cell->chars[1] == 0);
}

/* One parameter of "\x1b[...m". */
static size_t color_size(const VTermColor *color, bool is_default)
{
    if (is_default)
        return 2; /* 39 */
    if (!VTERM_COLOR_IS_INDEXED(color))
        return 5 + digits(color->rgb.red) + digits(color->rgb.green) + digits(color->rgb.blue) +
               2;
    return color->indexed.idx < 16 ? 2 : 5 + digits(color->indexed.idx);
}

static size_t look_size(const VTermScreenCell *from, const VTermScreenCell *to)
{
    size_t size = 0;
    if (same_look(from, to))
        return 0;
    if (!vterm_color_is_equal(&from->fg, &to->fg))
        size += 1 + color_size(&to->fg, VTERM_COLOR_IS_DEFAULT_FG(&to->fg));
    if (!vterm_color_is_equal(&from->bg, &to->bg))
        size += 1 + color_size(&to->bg, VTERM_COLOR_IS_DEFAULT_BG(&to->bg));
    size += 2 * (size_t)(from->attrs.bold != to->attrs.bold);
    size += 2 * (size_t)(from->attrs.reverse != to->attrs.reverse);
    size += 2 * (size_t)(from->attrs.underline != to->attrs.underline);
    size += 2 * (size_t)(from->attrs.italic != to->attrs.italic);
    return 2 + size; /* "\x1b[", parameters with a separator or the m after each */
}

static size_t move_size(const struct pen *pen, int y, int x)
{
    size_t jump = 4 + digits(y + 1) + digits(x + 1);
    if (pen->y == y && pen->x == x)
        return 0;
    if (pen->y == y && x > pen->x)
        return 3 + digits(x - pen->x);
    if (x == 0 && y == pen->y + 1)
        return 2;
    return jump;
}

static VTermScreenCell cell_now(int y, int x)
{
    VTermScreenCell cell;
    vterm_screen_get_cell(run.screen, (VTermPos){y, x}, &cell);
    return cell;
}

/* To write the cells from x on, up to `end`, from where the pen is. */
static size_t write_cells(struct pen *pen, int y, int x, int end)
{
    size_t size = 0;
    for (; x < end; x++) {
        VTermScreenCell cell = cell_now(y, x);
        if (cell.chars[0] == (uint32_t)-1) /* the other half of a wide one */
            continue;
        size += look_size(&pen->look, &cell) + text_size(&cell);
        pen->look = cell;
    }
    pen->y = y;
    pen->x = end;
    return size;
}

/* The column from which the row is blank in one look; cols when its last cell is not. */
static int blank_from(int y)
{
    int x = run.cols;
    VTermScreenCell last = cell_now(y, run.cols - 1);
    while (x > 0) {
        VTermScreenCell cell = cell_now(y, x - 1);
        if (!blank(&cell) || !same_look(&cell, &last))
            break;
        x--;
    }
    return x;
}

/* The cheaper way to x: a jump, or the cells between once more. */
static size_t reach(struct pen *pen, int y, int x)
{
    size_t jump = move_size(pen, y, x);
    if (pen->y == y && x > pen->x && x - pen->x <= GAP_MAX) {
        struct pen other = *pen;
        size_t again = write_cells(&other, y, pen->x, x);
        if (again < jump) {
            *pen = other;
            return again;
        }
    }
    pen->y = y;
    pen->x = x;
    return jump;
}

static size_t row_size(struct pen *pen, int y)
{
    size_t size = 0;
    int end = blank_from(y);
    for (int x = 0; x < run.cols; x++) {
        VTermScreenCell cell = cell_now(y, x);
        if (same_cell(&cell, &run.cells[y][x]))
            continue;
        size += reach(pen, y, x);
        if (x >= end) {
            size +=
                look_size(&pen->look, &cell) + (run.cols - x < 3 ? (size_t)(run.cols - x) : 3);
            pen->look = cell;
            break;
        }
        size += write_cells(pen, y, x, x + 1);
    }
    return size;
}

static void keep_cells(void)
{
    for (int y = 0; y < run.rows; y++)
        for (int x = 0; x < run.cols; x++)
            run.cells[y][x] = cell_now(y, x);
}

/* -- frames ---------------------------------------------------------------- */

/* False at the end. */
static bool next_frame(char *bytes, size_t *size)
{
    unsigned char head[4];
    if (fread(head, 1, sizeof(head), stdin) != sizeof(head))
        return false;
    *size = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    if (*size > FRAME_BYTES_MAX || fread(bytes, 1, *size, stdin) != *size) {
        fprintf(stderr, "console_screen: a frame is cut off or too large\n");
        exit(1);
    }
    return true;
}

static int by_size(const void *a, const void *b)
{
    const size_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

static size_t sum_sorted(size_t *values)
{
    size_t sum = 0;
    qsort(values, run.count, sizeof(*values), by_size);
    for (size_t i = 0; i < run.count; i++)
        sum += values[i];
    return sum;
}

static void report(void)
{
    size_t bytes = sum_sorted(run.bytes), least = sum_sorted(run.least);
    printf("frames %zu bytes_p50 %zu least_p50 %zu bytes %zu least %zu\n", run.count,
           run.bytes[run.count / 2], run.least[run.count / 2], bytes, least);
}

static void put_row(int y)
{
    for (int x = 0; x < run.cols; x++) {
        VTermScreenCell cell = cell_now(y, x);
        if (blank(&cell))
            putchar(' ');
        else if (cell.chars[0] != (uint32_t)-1)
            putchar(cell.chars[0] < 0x7F ? (int)cell.chars[0] : '?');
    }
    putchar('\n');
}

/* The text of a row after each frame; what is not ASCII is "?". */
static void follow(int row)
{
    static char bytes[FRAME_BYTES_MAX];
    size_t size;
    while (next_frame(bytes, &size)) {
        vterm_input_write(run.vterm, bytes, size);
        vterm_screen_flush_damage(run.screen);
        put_row(row < 0 ? run.rows + row : row);
    }
}

static void measure(void)
{
    static char bytes[FRAME_BYTES_MAX];
    size_t size;
    struct pen pen = {.y = -1, .x = -1};
    for (bool first = true; run.count < FRAMES_MAX && next_frame(bytes, &size); first = false) {
        vterm_input_write(run.vterm, bytes, size);
        vterm_screen_flush_damage(run.screen);
        size_t least = 0;
        for (int y = 0; y < run.rows; y++)
            least += row_size(&pen, y);
        if (!first) {
            run.bytes[run.count] = size;
            run.least[run.count++] = least;
        }
        keep_cells();
    }
}

int main(int argc, char **argv)
{
    run.rows = argc >= 3 ? atoi(argv[1]) : 0;
    run.cols = argc >= 3 ? atoi(argv[2]) : 0;
    if (run.rows < 1 || run.rows > ROWS_MAX || run.cols < 1 || run.cols > COLS_MAX) {
        fprintf(stderr, "usage: console_screen ROWS COLS [ROW] < FRAMES\n");
        return 2;
    }
    run.vterm = vterm_new(run.rows, run.cols);
    vterm_set_utf8(run.vterm, 1);
    run.screen = vterm_obtain_screen(run.vterm);
    vterm_screen_enable_altscreen(run.screen, 1);
    vterm_screen_reset(run.screen, 1);
    keep_cells();
    if (argc > 3) {
        follow(atoi(argv[3]));
    } else {
        measure();
        report();
    }
    vterm_free(run.vterm);
    return 0;
}
