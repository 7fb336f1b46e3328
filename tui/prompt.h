/* A line that is typed: one field, a cursor, UTF-8. */
#ifndef TUI_PROMPT_H
#define TUI_PROMPT_H

#include "cells.h"

enum { TUI_PROMPT_MAX = 256 };

struct tui_prompt {
    char text[TUI_PROMPT_MAX];
    size_t size, at;
};

void tui_prompt_set(struct tui_prompt *prompt, aion_str text);
/* Editing keys and characters that can be seen; false: the key is not for a line. */
bool tui_prompt_key(struct tui_prompt *prompt, uint32_t key);
/* Control characters of what was pasted become blanks; what does not fit is left out. */
void tui_prompt_paste(struct tui_prompt *prompt, aion_str text);
static inline aion_str tui_prompt_text(const struct tui_prompt *prompt)
{
    return aion_str_n(prompt->text, prompt->size);
}
/* The line with its cursor in a field of `width` columns; scrolls. */
void tui_prompt_draw(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int width,
                     const struct tui_prompt *prompt, bool focused);

#endif
