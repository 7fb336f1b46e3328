#include "svg.h"

#include "text.h"

enum {
    CELL_W = 8,
    CELL_H = 17,
    BASELINE = 13,
    EDGE = 8,
    BRAILLE = 0x2800,
    INK = 0xD0D0D0,
    PAPER = 0x101418,
};

struct look {
    uint32_t fg, bg; /* 0xRRGGBB */
    bool bold;
};

static uint32_t color_of(const VTermColor *color, bool is_default, uint32_t fallback,
                         uint32_t (*rgb)(int16_t color))
{
    if (is_default)
        return fallback;
    if (VTERM_COLOR_IS_INDEXED(color))
        return rgb(color->indexed.idx);
    return (uint32_t)color->rgb.red << 16 | (uint32_t)color->rgb.green << 8 | color->rgb.blue;
}

static struct look look_of(const VTermScreenCell *cell, uint32_t (*rgb)(int16_t color))
{
    struct look look = {color_of(&cell->fg, VTERM_COLOR_IS_DEFAULT_FG(&cell->fg), INK, rgb),
                        color_of(&cell->bg, VTERM_COLOR_IS_DEFAULT_BG(&cell->bg), PAPER, rgb),
                        cell->attrs.bold};
    if (cell->attrs.reverse) {
        uint32_t swap = look.fg;
        look.fg = look.bg;
        look.bg = swap;
    }
    return look;
}

static bool is_braille(const VTermScreenCell *cell)
{
    return cell->chars[0] > BRAILLE && cell->chars[0] <= BRAILLE + 0xFF;
}

static VTermScreenCell cell_at(VTermScreen *screen, int y, int x)
{
    VTermScreenCell cell;
    vterm_screen_get_cell(screen, (VTermPos){y, x}, &cell);
    return cell;
}

/* -- grounds, dots, text: one layer after the other ------------------------- */

static void put_grounds(VTermScreen *screen, int y, int cols, uint32_t (*rgb)(int16_t color),
                        struct aion_buf *out)
{
    for (int x = 0; x < cols;) {
        VTermScreenCell cell = cell_at(screen, y, x);
        uint32_t bg = look_of(&cell, rgb).bg;
        int from = x;
        do {
            cell = cell_at(screen, y, ++x < cols ? x : cols - 1);
        } while (x < cols && look_of(&cell, rgb).bg == bg);
        if (bg != PAPER)
            aion_buf_printf(
                out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#%06x\"/>\n",
                EDGE + from * CELL_W, EDGE + y * CELL_H, (x - from) * CELL_W, CELL_H, bg);
    }
}

/* The dots of a run of cells of one colour as one path. */
static void put_dots(struct aion_buf *out, int y, int x, uint32_t bits)
{
    static const uint8_t place[8][2] = {{0, 0}, {0, 1}, {0, 2}, {1, 0},
                                        {1, 1}, {1, 2}, {0, 3}, {1, 3}};
    for (int i = 0; i < 8; i++)
        if ((bits >> i & 1) != 0)
            aion_buf_printf(out, "M%d %dh3v3h-3z", EDGE + x * CELL_W + place[i][0] * 4,
                            EDGE + y * CELL_H + 1 + place[i][1] * 4);
}

static void put_graphs(VTermScreen *screen, int y, int cols, uint32_t (*rgb)(int16_t color),
                       struct aion_buf *out)
{
    for (int x = 0; x < cols; x++) {
        VTermScreenCell cell = cell_at(screen, y, x);
        if (!is_braille(&cell))
            continue;
        uint32_t fg = look_of(&cell, rgb).fg;
        aion_buf_printf(out, "<path fill=\"#%06x\" d=\"", fg);
        for (; x < cols; x++) {
            cell = cell_at(screen, y, x);
            if (!is_braille(&cell) || look_of(&cell, rgb).fg != fg)
                break;
            put_dots(out, y, x, cell.chars[0] - BRAILLE);
        }
        x--;
        aion_buf_text(out, "\"/>\n");
    }
}

static void put_char(struct aion_buf *out, uint32_t ch)
{
    char code[4];
    if (ch == '<' || ch == '>' || ch == '&')
        aion_buf_printf(out, "&#%u;", ch);
    else
        aion_buf_add(out, code, tui_text_encode(code, ch));
}

static bool is_blank(const VTermScreenCell *cell)
{
    return cell->chars[0] <= ' ' || cell->chars[0] >= 0x110000 || is_braille(cell);
}

static void put_text(VTermScreen *screen, int y, int cols, uint32_t (*rgb)(int16_t color),
                     struct aion_buf *out)
{
    for (int x = 0; x < cols; x++) {
        VTermScreenCell cell = cell_at(screen, y, x);
        if (is_blank(&cell))
            continue;
        struct look look = look_of(&cell, rgb), next = look;
        int from = x, cells = 0;
        aion_buf_printf(out, "<text x=\"%d\" y=\"%d\" fill=\"#%06x\"%s textLength=\"",
                        EDGE + from * CELL_W, EDGE + y * CELL_H + BASELINE, look.fg,
                        look.bold ? " font-weight=\"bold\"" : "");
        for (; x < cols && !is_blank(&cell) && next.fg == look.fg && next.bold == look.bold;
             cells++) {
            x += cell.width > 0 ? cell.width : 1;
            cell = cell_at(screen, y, x < cols ? x : cols - 1);
            next = look_of(&cell, rgb);
        }
        aion_buf_printf(out, "%d\">", (x - from) * CELL_W);
        for (int at = from; at < x;) {
            cell = cell_at(screen, y, at);
            put_char(out, cell.chars[0]);
            at += cell.width > 0 ? cell.width : 1;
        }
        aion_buf_text(out, "</text>\n");
        x--;
    }
}

void svg_screen(VTermScreen *screen, int rows, int cols, uint32_t (*rgb)(int16_t color),
                struct aion_buf *out)
{
    int width = cols * CELL_W + 2 * EDGE, height = rows * CELL_H + 2 * EDGE;
    aion_buf_printf(out,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                    "font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" "
                    "font-size=\"13\">\n<rect width=\"%d\" height=\"%d\" rx=\"6\" "
                    "fill=\"#%06x\"/>\n",
                    width, height, width, height, (unsigned)PAPER);
    for (int y = 0; y < rows; y++) {
        put_grounds(screen, y, cols, rgb, out);
        put_graphs(screen, y, cols, rgb, out);
        put_text(screen, y, cols, rgb, out);
    }
    aion_buf_text(out, "</svg>\n");
}
