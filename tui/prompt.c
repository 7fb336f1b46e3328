#include "prompt.h"

#include "key.h"

void tui_prompt_set(struct tui_prompt *prompt, aion_str text)
{
    prompt->size = prompt->at = 0;
    tui_prompt_paste(prompt, text);
}

static void insert(struct tui_prompt *prompt, uint32_t ch)
{
    char code[4];
    size_t size = tui_text_encode(code, ch);
    if (prompt->size + size >= TUI_PROMPT_MAX)
        return;
    memmove(prompt->text + prompt->at + size, prompt->text + prompt->at,
            prompt->size - prompt->at);
    memcpy(prompt->text + prompt->at, code, size);
    prompt->size += size;
    prompt->at += size;
    prompt->text[prompt->size] = '\0';
}

/* The place of the character before or behind `at`. */
static size_t step(const struct tui_prompt *prompt, size_t at, bool back)
{
    if (back) {
        while (at > 0 && (prompt->text[--at] & 0xC0) == 0x80)
            ;
        return at;
    }
    if (at < prompt->size)
        at++;
    while (at < prompt->size && (prompt->text[at] & 0xC0) == 0x80)
        at++;
    return at;
}

static void erase(struct tui_prompt *prompt, size_t from, size_t to)
{
    memmove(prompt->text + from, prompt->text + to, prompt->size - to);
    prompt->size -= to - from;
    prompt->at = from;
    prompt->text[prompt->size] = '\0';
}

static size_t word_before(const struct tui_prompt *prompt)
{
    size_t at = prompt->at;
    while (at > 0 && prompt->text[at - 1] == ' ')
        at--;
    while (at > 0 && prompt->text[at - 1] != ' ')
        at--;
    return at;
}

bool tui_prompt_key(struct tui_prompt *prompt, uint32_t key)
{
    switch (key) {
    case TUI_KEY_BACKSPACE:
        erase(prompt, step(prompt, prompt->at, true), prompt->at);
        return true;
    case TUI_KEY_DELETE:
        erase(prompt, prompt->at, step(prompt, prompt->at, false));
        return true;
    case TUI_KEY_LEFT:
        prompt->at = step(prompt, prompt->at, true);
        return true;
    case TUI_KEY_RIGHT:
        prompt->at = step(prompt, prompt->at, false);
        return true;
    case TUI_KEY_HOME:
    case TUI_KEY_CTRL | 'a':
        prompt->at = 0;
        return true;
    case TUI_KEY_END:
    case TUI_KEY_CTRL | 'e':
        prompt->at = prompt->size;
        return true;
    case TUI_KEY_CTRL | 'u':
        erase(prompt, 0, prompt->at);
        return true;
    case TUI_KEY_CTRL | 'w':
        erase(prompt, word_before(prompt), prompt->at);
        return true;
    default:
        break;
    }
    if (key >= TUI_KEY_BASE || !tui_char_shown(key))
        return false;
    insert(prompt, key);
    return true;
}

void tui_prompt_paste(struct tui_prompt *prompt, aion_str text)
{
    size_t pos = 0;
    int width;
    uint32_t ch;
    while ((ch = tui_text_next(text, &pos, &width)) != 0)
        insert(prompt, ch);
    prompt->text[prompt->size] = '\0';
}

void tui_prompt_draw(struct tui_canvas *canvas, struct tui_rect rect, int y, int x, int width,
                     const struct tui_prompt *prompt, bool focused)
{
    struct tui_rect field = {rect.y + y, rect.x + x, 1, width};
    int before = tui_text_width(aion_str_n(prompt->text, prompt->at));
    int from = before >= width ? before - width + 1 : 0;
    tui_put_run(canvas, field, 0, 0, width, TUI_DIM, focused ? '_' : ' ');
    tui_put(canvas, field, 0, -from, focused ? TUI_ACCENT : TUI_PLAIN, tui_prompt_text(prompt));
    if (focused)
        tui_flag(canvas, field, 0, before - from, 1, TUI_SELECTED);
}
