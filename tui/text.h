/* Text from outside on its way to a terminal: the one door.
 *
 * What comes out of here holds no control character (C0, DEL, C1, so no ESC), no bidi control,
 * no invisible format character and no invalid UTF-8, and its width in cells is known. Every
 * text that the canvas draws, a file export holds or the clipboard gets has passed here. */
#ifndef TUI_TEXT_H
#define TUI_TEXT_H

#include "base/str.h"

enum { TUI_REPLACEMENT = 0xFFFD };

/* Columns of a code point that may be shown: 0 (a combining mark), 1 or 2. */
int tui_char_width(uint32_t ch);

/* Control and format characters are not: they move the cursor, turn lines around or hide. */
bool tui_char_shown(uint32_t ch);

/* tui_text_next where it is no plain ASCII. */
uint32_t tui_text_next_wide(aion_str text, size_t *pos, int *ret_width);

/* The next code point to show at *pos, which is stepped over it and over what is not shown;
 * 0 = the end. Tabs, line ends and control characters come as a space, invalid bytes as
 * U+FFFD. *ret_width is 0 for a mark, which belongs to the character before it. */
static inline uint32_t tui_text_next(aion_str text, size_t *pos, int *ret_width)
{
    unsigned char first = *pos < text.size ? (unsigned char)text.data[*pos] : 0;
    if (first < 0x20 || first > 0x7E)
        return tui_text_next_wide(text, pos, ret_width);
    *ret_width = 1;
    ++*pos;
    return first;
}

/* A code point as UTF-8, no NUL; returns the bytes, at most 4. */
size_t tui_text_encode(char out[4], uint32_t ch);

/* Columns of the whole text. */
int tui_text_width(aion_str text);

/* Clean UTF-8 with a NUL into out[size], at most `columns` wide; what does not fit is cut, an
 * ellipsis stands at the cut when there is room. Returns the bytes written. */
size_t tui_text_clean(char *out, size_t size, aion_str text, int columns);

#endif
