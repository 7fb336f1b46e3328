/* Colours of roles: one table for every theme and depth of colour. No terminal here. */
#ifndef TUI_THEME_H
#define TUI_THEME_H

#include "app.h"

enum tui_attribute { TUI_BOLD = 1, TUI_FAINT = 2, TUI_UNDERLINE = 4, TUI_REVERSE = 8 };
enum { TUI_DEFAULT_COLOR = -1 };

/* Numbers of the 256-colour palette, or of the first 16 where there are no more; -1 = the
 * terminal's own. */
struct tui_style {
    int16_t fg, bg;
    uint8_t attributes;
};

/* `colors`: what the terminal can: 1 (none), 8, 16, 256 or more. */
struct tui_style tui_theme_style(enum tui_theme theme, unsigned colors, enum tui_role role,
                                 unsigned flags);
/* Red, green, blue of a number of the palette: 0xRRGGBB. */
uint32_t tui_theme_rgb(int16_t color);

#endif
