/* Names of keys, as the help shows them and the remap file writes them. */
#include "key.h"
#include "text.h"

#include <stdio.h>

static const struct {
    const char *name;
    uint32_t key;
} names[] = {
    {"up", TUI_KEY_UP},
    {"down", TUI_KEY_DOWN},
    {"left", TUI_KEY_LEFT},
    {"right", TUI_KEY_RIGHT},
    {"home", TUI_KEY_HOME},
    {"end", TUI_KEY_END},
    {"pgup", TUI_KEY_PAGE_UP},
    {"pgdn", TUI_KEY_PAGE_DOWN},
    {"insert", TUI_KEY_INSERT},
    {"delete", TUI_KEY_DELETE},
    {"tab", TUI_KEY_TAB},
    {"enter", TUI_KEY_ENTER},
    {"esc", TUI_KEY_ESCAPE},
    {"backspace", TUI_KEY_BACKSPACE},
    {"f1", TUI_KEY_F1},
    {"f2", TUI_KEY_F1 + 1},
    {"f3", TUI_KEY_F1 + 2},
    {"f4", TUI_KEY_F1 + 3},
    {"f5", TUI_KEY_F1 + 4},
    {"f6", TUI_KEY_F1 + 5},
    {"f7", TUI_KEY_F1 + 6},
    {"f8", TUI_KEY_F1 + 7},
    {"f9", TUI_KEY_F1 + 8},
    {"f10", TUI_KEY_F1 + 9},
    {"f11", TUI_KEY_F1 + 10},
    {"f12", TUI_KEY_F12},
    {"space", ' '},
};

static const struct {
    const char *name;
    uint32_t bit;
} modifiers[] = {{"ctrl-", TUI_KEY_CTRL}, {"alt-", TUI_KEY_ALT}, {"shift-", TUI_KEY_SHIFT}};

enum { MODIFIERS = TUI_KEY_CTRL | TUI_KEY_ALT | TUI_KEY_SHIFT };

void tui_key_name(char out[TUI_KEY_NAME_SIZE], uint32_t key)
{
    char character[5];
    const char *name = NULL;
    size_t used = 0;
    for (size_t i = 0; i < aion_countof(modifiers); i++)
        if ((key & modifiers[i].bit) != 0)
            used +=
                (size_t)snprintf(out + used, TUI_KEY_NAME_SIZE - used, "%s", modifiers[i].name);
    key &= ~(uint32_t)MODIFIERS;
    for (size_t i = 0; i < aion_countof(names); i++)
        if (names[i].key == key)
            name = names[i].name;
    if (name == NULL && key < TUI_KEY_BASE) {
        character[tui_text_encode(character, key)] = '\0';
        name = character;
    }
    snprintf(out + used, TUI_KEY_NAME_SIZE - used, "%s", name != NULL ? name : "?");
}

bool tui_key_parse(aion_str name, uint32_t *ret_key)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < aion_countof(modifiers); i++) {
        aion_str prefix = aion_str_of(modifiers[i].name);
        if (name.size > prefix.size && aion_str_starts(name, prefix)) {
            bits |= modifiers[i].bit;
            name = aion_str_n(name.data + prefix.size, name.size - prefix.size);
        }
    }
    for (size_t i = 0; i < aion_countof(names); i++)
        if (aion_str_caseeq(name, aion_str_of(names[i].name))) {
            *ret_key = names[i].key | bits;
            return true;
        }
    size_t pos = 0;
    if (name.size == 0 || !aion_utf8_valid(name.data, name.size))
        return false;
    uint32_t ch = aion_utf8_next(name, &pos);
    if (pos != name.size || ch < 0x20 || ch == 0x7F)
        return false;
    *ret_key = ch | bits;
    return true;
}
