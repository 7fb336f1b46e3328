/* What a terminal may send: whatever it is and in whatever pieces, events have their bounds, a
 * flush leaves nothing behind, and the same bytes in one piece give the same keys. */
#include "key.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
    uint64_t hash;
    size_t count;
};

static void hear(void *user, const struct tui_event *event)
{
    struct heard *heard = user;
    char name[TUI_KEY_NAME_SIZE];
    uint32_t again;
    heard->count++;
    heard->hash = heard->hash * 31 + (uint64_t)event->kind * 7 + event->key + event->text.size;
    if (event->kind == TUI_EVENT_KEY) {
        tui_key_name(name, event->key);
        assert(strlen(name) > 0);
        if (strcmp(name, "?") != 0 && event->key >= ' ')
            tui_key_parse(aion_str_of(name), &again);
    } else if (event->kind == TUI_EVENT_PASTE) {
        assert(event->text.size <= TUI_PASTE_MAX);
    } else if (event->kind == TUI_EVENT_MOUSE) {
        assert(event->y >= 0 && event->x >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tui_input whole = {.size = 0}, pieces = {.size = 0};
    struct heard first = {0, 0}, second = {0, 0};
    size_t step = size > 0 ? data[0] % 7 + 1 : 1;
    aion_str bytes = aion_str_n(data, size);
    tui_input_feed(&whole, bytes, hear, &first);
    for (size_t at = 0; at < size; at += step)
        tui_input_feed(&pieces, aion_str_n(data + at, size - at < step ? size - at : step),
                       hear, &second);
    assert(first.hash == second.hash && first.count == second.count);
    tui_input_flush(&pieces, hear, &second);
    assert(tui_input_wait_us(&pieces) == 0);
    return 0;
}
