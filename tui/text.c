#include "text.h"

/* Format characters that nobody sees and that may turn a line around (bidi), join or hide. */
static bool is_hidden(uint32_t ch)
{
    return ch == 0xAD || ch == 0x61C || ch == 0x180E || (ch >= 0x200B && ch <= 0x200F) ||
           (ch >= 0x202A && ch <= 0x202E) || (ch >= 0x2060 && ch <= 0x206F) ||
           (ch >= 0xFE00 && ch <= 0xFE0F) || ch == 0xFEFF || (ch >= 0xFFF9 && ch <= 0xFFFB) ||
           (ch >= 0xE0000 && ch <= 0xE0FFF);
}

/* C0, DEL, C1, the line and paragraph separators. */
static bool is_control(uint32_t ch)
{
    return ch < 0x20 || (ch >= 0x7F && ch <= 0x9F) || ch == 0x2028 || ch == 0x2029;
}

/* Private use and noncharacters: no two fonts agree on them. */
static bool is_nobody(uint32_t ch)
{
    return (ch >= 0xE000 && ch <= 0xF8FF) || ch >= 0xF0000 || (ch & 0xFFFE) == 0xFFFE ||
           (ch >= 0xFDD0 && ch <= 0xFDEF);
}

bool tui_char_shown(uint32_t ch)
{
    return !is_control(ch) && !is_hidden(ch) && !is_nobody(ch);
}

uint32_t tui_text_next_wide(aion_str text, size_t *pos, int *ret_width)
{
    while (*pos < text.size) {
        uint32_t ch = aion_utf8_next(text, pos);
        *ret_width = 1;
        if (is_control(ch))
            return ' ';
        if (is_hidden(ch))
            continue;
        if (is_nobody(ch))
            return TUI_REPLACEMENT;
        *ret_width = tui_char_width(ch);
        return ch;
    }
    *ret_width = 0;
    return 0;
}

int tui_text_width(aion_str text)
{
    size_t pos = 0;
    int columns = 0, width;
    while (tui_text_next(text, &pos, &width) != 0)
        columns += width;
    return columns;
}

size_t tui_text_encode(char out[4], uint32_t ch)
{
    if (ch < 0x80) {
        out[0] = (char)ch;
        return 1;
    }
    size_t size = ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (ch & 0x3F));
        ch >>= 6;
    }
    out[0] = (char)(lead[size] | ch);
    return size;
}

size_t tui_text_clean(char *out, size_t size, aion_str text, int columns)
{
    size_t pos = 0, used = 0;
    int width, left = columns;
    uint32_t ch;
    bool cut = tui_text_width(text) > columns;
    char code[4];
    left -= cut; /* for the ellipsis */
    while ((ch = tui_text_next(text, &pos, &width)) != 0) {
        size_t bytes = tui_text_encode(code, ch);
        if (width > left || used + bytes + 4 > size)
            break;
        memcpy(out + used, code, bytes);
        used += bytes;
        left -= width;
    }
    if (cut && columns > 0 && used + 4 <= size)
        used += tui_text_encode(out + used, 0x2026);
    out[used] = '\0';
    return used;
}
