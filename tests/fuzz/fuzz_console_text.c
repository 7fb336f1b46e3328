/* Texts from outside: what comes out of the one door holds nothing that a terminal acts upon
 * and is as wide as it says; filters, times, key names and typed lines take any bytes. */
#include "cells.h"
#include "filter.h"
#include "format.h"
#include "key.h"
#include "prompt.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_clean(aion_str text)
{
    size_t pos = 0;
    assert(aion_utf8_valid(text.data, text.size));
    while (pos < text.size) {
        uint32_t ch = aion_utf8_next(text, &pos);
        assert(tui_char_shown(ch) || ch == ' ');
    }
}

static void clean(aion_str text)
{
    static const int widths[] = {0, 1, 2, 7, 80, 100000};
    char out[512];
    for (size_t i = 0; i < aion_countof(widths); i++) {
        size_t used = tui_text_clean(out, sizeof(out), text, widths[i]);
        assert(used < sizeof(out) && out[used] == '\0');
        assert(tui_text_width(aion_str_n(out, used)) <= widths[i]);
        check_clean(aion_str_n(out, used));
    }
}

static void draw(aion_str text)
{
    struct tui_canvas canvas = {.rows = 0, .ascii = text.size % 2 != 0};
    if (!tui_canvas_resize(&canvas, 3, 11))
        return;
    const struct tui_rect rect = {0, 1, 3, 9};
    tui_put(&canvas, rect, 0, 0, TUI_PLAIN, text);
    tui_put(&canvas, rect, 1, -3, TUI_PLAIN, text);
    tui_put_field(&canvas, rect, 2, 1, 6, true, TUI_PLAIN, text);
    for (int y = 0; y < canvas.rows; y++) {
        assert(tui_canvas_cell(&canvas, y, 0)->ch == ' ');
        for (int x = 0; x < canvas.cols; x++) {
            const struct tui_cell *cell = tui_canvas_cell(&canvas, y, x);
            assert(cell->ch == 0 || tui_char_shown(cell->ch) || cell->ch == ' ');
            assert(!canvas.ascii || (cell->ch > 0 && cell->ch < 0x7F));
        }
    }
    tui_canvas_done(&canvas);
}

static void filter(aion_str text)
{
    struct tui_filter made = {.count = 0};
    const struct tui_field fields[] = {{"name", text}, {"state", AION_STR("ok")}};
    struct aion_err err;
    if (!tui_filter_set(&made, text, &err))
        assert(made.count == 0);
    tui_filter_match(&made, fields, 2);
    tui_filter_done(&made);
    assert(tui_fuzzy(text, text) >= 0);
}

static void type(aion_str text)
{
    struct tui_prompt prompt = {.size = 0};
    tui_prompt_paste(&prompt, text);
    for (size_t i = 0; i < text.size && i < 64; i++) {
        static const uint32_t keys[] = {TUI_KEY_LEFT, TUI_KEY_BACKSPACE, TUI_KEY_CTRL | 'w',
                                        TUI_KEY_HOME, TUI_KEY_DELETE,    0x6F22};
        tui_prompt_key(&prompt, keys[(unsigned char)text.data[i] % aion_countof(keys)]);
        assert(prompt.size < TUI_PROMPT_MAX && prompt.at <= prompt.size);
        assert(aion_utf8_valid(prompt.text, prompt.size));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    aion_str text = aion_str_n(data, size);
    int64_t at;
    uint32_t key;
    clean(text);
    draw(text);
    filter(text);
    type(text);
    tui_parse_time(text, INT64_C(1795435200000000), false, &at);
    tui_key_parse(text, &key);
    return 0;
}
