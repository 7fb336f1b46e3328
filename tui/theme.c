#include "theme.h"

/* Of a role: in 256 colours, in 16, and what is left in none. */
struct look {
    int16_t fg, bg;     /* of 256 */
    int16_t fg16, bg16; /* of 16 */
    uint8_t attributes;
};

// clang-format off
static const struct look dark[TUI_ROLES] = {
    [TUI_PLAIN]     = {-1, -1, -1, -1, 0},
    [TUI_DIM]       = {245, -1, 7, -1, 0},
    [TUI_TITLE]     = {240, -1, 8, -1, 0},
    [TUI_HEAD]      = {250, -1, 7, -1, TUI_BOLD},
    [TUI_BAR]       = {252, 236, 7, 0, 0},
    [TUI_BAR_ON]    = {117, 236, 14, 0, TUI_BOLD},
    [TUI_BAR_ALARM] = {231, 160, 15, 1, TUI_BOLD},
    [TUI_GOOD]      = {114, -1, 10, -1, 0},
    [TUI_WARN]      = {221, -1, 11, -1, 0},
    [TUI_ALARM]     = {203, -1, 9, -1, TUI_BOLD},
    [TUI_ACCENT]    = {117, -1, 14, -1, 0},
    [TUI_GRAPH_A]   = {75, -1, 12, -1, 0},
    [TUI_GRAPH_B]   = {221, -1, 11, -1, 0},
    [TUI_GRAPH_C]   = {203, -1, 9, -1, 0},
    [TUI_HEAT_1]    = {24, -1, 4, -1, 0},
    [TUI_HEAT_2]    = {31, -1, 6, -1, 0},
    [TUI_HEAT_3]    = {79, -1, 10, -1, 0},
    [TUI_HEAT_4]    = {221, -1, 11, -1, 0},
    [TUI_HEAT_5]    = {203, -1, 9, -1, TUI_BOLD},
    [TUI_ADDED]     = {114, -1, 10, -1, 0},
    [TUI_REMOVED]   = {203, -1, 9, -1, 0},
};
static const struct look light[TUI_ROLES] = {
    [TUI_PLAIN]     = {-1, -1, -1, -1, 0},
    [TUI_DIM]       = {241, -1, 8, -1, 0},
    [TUI_TITLE]     = {247, -1, 8, -1, 0},
    [TUI_HEAD]      = {236, -1, 0, -1, TUI_BOLD},
    [TUI_BAR]       = {235, 253, 0, 7, 0},
    [TUI_BAR_ON]    = {25, 253, 4, 7, TUI_BOLD},
    [TUI_BAR_ALARM] = {231, 124, 15, 1, TUI_BOLD},
    [TUI_GOOD]      = {28, -1, 2, -1, 0},
    [TUI_WARN]      = {130, -1, 5, -1, 0},
    [TUI_ALARM]     = {160, -1, 1, -1, TUI_BOLD},
    [TUI_ACCENT]    = {25, -1, 4, -1, 0},
    [TUI_GRAPH_A]   = {25, -1, 4, -1, 0},
    [TUI_GRAPH_B]   = {130, -1, 5, -1, 0},
    [TUI_GRAPH_C]   = {160, -1, 1, -1, 0},
    [TUI_HEAT_1]    = {152, -1, 6, -1, 0},
    [TUI_HEAT_2]    = {73, -1, 6, -1, 0},
    [TUI_HEAT_3]    = {31, -1, 4, -1, 0},
    [TUI_HEAT_4]    = {130, -1, 5, -1, 0},
    [TUI_HEAT_5]    = {160, -1, 1, -1, TUI_BOLD},
    [TUI_ADDED]     = {28, -1, 2, -1, 0},
    [TUI_REMOVED]   = {160, -1, 1, -1, 0},
};
/* What differs from dark for eyes without green: blue is good, yellow warns, orange alarms. */
static const struct look deuteranopia[TUI_ROLES] = {
    [TUI_BAR_ALARM] = {16, 214, 0, 11, TUI_BOLD},
    [TUI_GOOD]      = {75, -1, 12, -1, 0},
    [TUI_WARN]      = {228, -1, 11, -1, 0},
    [TUI_ALARM]     = {214, -1, 11, -1, TUI_BOLD | TUI_UNDERLINE},
    [TUI_GRAPH_C]   = {214, -1, 11, -1, 0},
    [TUI_HEAT_3]    = {75, -1, 12, -1, 0},
    [TUI_HEAT_5]    = {214, -1, 15, -1, TUI_BOLD},
    [TUI_ADDED]     = {75, -1, 12, -1, 0},
    [TUI_REMOVED]   = {214, -1, 11, -1, 0},
};
/* ... for eyes without blue: teal is good, pink warns, red alarms. */
static const struct look tritanopia[TUI_ROLES] = {
    [TUI_GOOD]      = {80, -1, 14, -1, 0},
    [TUI_WARN]      = {218, -1, 13, -1, 0},
    [TUI_ALARM]     = {197, -1, 9, -1, TUI_BOLD | TUI_UNDERLINE},
    [TUI_ACCENT]    = {159, -1, 15, -1, 0},
    [TUI_GRAPH_A]   = {80, -1, 14, -1, 0},
    [TUI_GRAPH_B]   = {218, -1, 13, -1, 0},
    [TUI_GRAPH_C]   = {197, -1, 9, -1, 0},
    [TUI_HEAT_1]    = {23, -1, 6, -1, 0},
    [TUI_HEAT_2]    = {30, -1, 6, -1, 0},
    [TUI_HEAT_3]    = {80, -1, 14, -1, 0},
    [TUI_HEAT_4]    = {218, -1, 13, -1, 0},
    [TUI_HEAT_5]    = {197, -1, 9, -1, TUI_BOLD},
    [TUI_ADDED]     = {80, -1, 14, -1, 0},
    [TUI_REMOVED]   = {197, -1, 9, -1, 0},
};
/* Without any colour. */
static const uint8_t plain[TUI_ROLES] = {
    [TUI_DIM]       = TUI_FAINT,
    [TUI_TITLE]     = TUI_FAINT,
    [TUI_HEAD]      = TUI_BOLD,
    [TUI_BAR]       = TUI_REVERSE,
    [TUI_BAR_ON]    = TUI_REVERSE | TUI_BOLD,
    [TUI_BAR_ALARM] = TUI_REVERSE | TUI_BOLD | TUI_UNDERLINE,
    [TUI_WARN]      = TUI_UNDERLINE,
    [TUI_ALARM]     = TUI_BOLD | TUI_UNDERLINE,
    [TUI_ACCENT]    = TUI_BOLD,
    [TUI_HEAT_5]    = TUI_BOLD,
    [TUI_ADDED]     = TUI_BOLD,
    [TUI_REMOVED]   = TUI_UNDERLINE,
};
// clang-format on

/* Of the selected row and of what was found. */
enum { CURSOR_DARK = 24, CURSOR_LIGHT = 153, FOUND_DARK = 58, FOUND_LIGHT = 229 };

static struct look look_of(enum tui_theme theme, enum tui_role role)
{
    const struct look *over = theme == TUI_DEUTERANOPIA ? &deuteranopia[role]
                              : theme == TUI_TRITANOPIA ? &tritanopia[role]
                                                        : NULL;
    if (theme == TUI_LIGHT)
        return light[role];
    return over != NULL && over->fg != 0 ? *over : dark[role];
}

static struct tui_style without_color(enum tui_role role, unsigned flags)
{
    struct tui_style style = {TUI_DEFAULT_COLOR, TUI_DEFAULT_COLOR, plain[role]};
    if ((flags & TUI_OLD) != 0)
        style.attributes = (style.attributes & TUI_REVERSE) | TUI_FAINT;
    if ((flags & TUI_SELECTED) != 0)
        style.attributes ^= TUI_REVERSE;
    if ((flags & (TUI_MARKED | TUI_FOUND)) != 0)
        style.attributes |= TUI_BOLD;
    return style;
}

struct tui_style tui_theme_style(enum tui_theme theme, unsigned colors, enum tui_role role,
                                 unsigned flags)
{
    if (theme == TUI_MONO || colors < 8)
        return without_color(role, flags);
    struct look look = look_of(theme, role);
    bool few = colors < 256;
    struct tui_style style = {few ? look.fg16 : look.fg, few ? look.bg16 : look.bg,
                              look.attributes};
    bool bright = theme == TUI_LIGHT;
    if ((flags & TUI_OLD) != 0) {
        style.fg = few ? (bright ? 8 : 7) : bright ? 246 : 242;
        style.attributes = 0;
    }
    if ((flags & TUI_FOUND) != 0) {
        style.bg = few ? style.bg : bright ? FOUND_LIGHT : FOUND_DARK;
        style.attributes |= few ? TUI_UNDERLINE : 0;
    }
    if ((flags & TUI_SELECTED) != 0) {
        style.bg = few ? style.bg : bright ? CURSOR_LIGHT : CURSOR_DARK;
        style.attributes |= few ? TUI_REVERSE : TUI_BOLD;
    }
    if ((flags & TUI_MARKED) != 0)
        style.attributes |= TUI_BOLD;
    if (few && colors == 8) { /* bright ones are bold there */
        style.attributes |= style.fg >= 8 ? TUI_BOLD : 0;
        style.fg = style.fg >= 8 ? (int16_t)(style.fg - 8) : style.fg;
        style.bg = style.bg >= 8 ? (int16_t)(style.bg - 8) : style.bg;
    }
    return style;
}

uint32_t tui_theme_rgb(int16_t color)
{
    static const uint32_t first[16] = {
        0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x1E5AE0, 0xCD00CD, 0x00CDCD, 0xE5E5E5,
        0x7F7F7F, 0xFF5C5C, 0x5CFF5C, 0xFFFF5C, 0x5C8CFF, 0xFF5CFF, 0x5CFFFF, 0xFFFFFF};
    static const uint32_t steps[6] = {0, 95, 135, 175, 215, 255};
    if (color < 0)
        return 0;
    if (color < 16)
        return first[color];
    if (color >= 232) {
        uint32_t grey = 8 + 10 * ((uint32_t)color - 232);
        return grey << 16 | grey << 8 | grey;
    }
    uint32_t cube = (uint32_t)color - 16;
    return steps[cube / 36] << 16 | steps[cube / 6 % 6] << 8 | steps[cube % 6];
}
