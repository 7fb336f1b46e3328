/* What is typed: bytes of a terminal in, keys out. No terminal, no time of its own.
 *
 * Understands UTF-8, the CSI and SS3 sequences of xterm, tmux, screen, the Linux console and
 * the vt100, modifiers, bracketed paste, focus reports, SGR mouse and the answer about
 * synchronised output. What it does not know is swallowed as a whole, never taken for keys. */
#ifndef TUI_KEY_H
#define TUI_KEY_H

#include "base/str.h"

/* A key: a code point, or one of these, with modifiers above. */
enum tui_key_code {
    TUI_KEY_BASE = 0x110000,
    TUI_KEY_UP,
    TUI_KEY_DOWN,
    TUI_KEY_LEFT,
    TUI_KEY_RIGHT,
    TUI_KEY_HOME,
    TUI_KEY_END,
    TUI_KEY_PAGE_UP,
    TUI_KEY_PAGE_DOWN,
    TUI_KEY_INSERT,
    TUI_KEY_DELETE,
    TUI_KEY_TAB,
    TUI_KEY_ENTER,
    TUI_KEY_ESCAPE,
    TUI_KEY_BACKSPACE,
    TUI_KEY_F1, /* .. F12 */
    TUI_KEY_F12 = TUI_KEY_F1 + 11,
};
enum {
    TUI_KEY_CTRL = 0x1000000,
    TUI_KEY_ALT = 0x2000000,
    TUI_KEY_SHIFT = 0x4000000, /* of keys that are no characters */
};

enum { TUI_KEY_NAME_SIZE = 32 };
/* "ctrl-d", "shift-tab", "space", "G": into out; and back. Names are case-sensitive for single
 * characters only. False: no key of that name. */
void tui_key_name(char out[TUI_KEY_NAME_SIZE], uint32_t key);
bool tui_key_parse(aion_str name, uint32_t *ret_key);

enum tui_event_kind {
    TUI_EVENT_KEY,
    TUI_EVENT_PASTE,  /* text; longer pastes are cut */
    TUI_EVENT_FOCUS,  /* on */
    TUI_EVENT_MOUSE,  /* button 0..2 pressed, 64 / 65 = wheel up / down, at y, x from 0 */
    TUI_EVENT_SYNCED, /* the terminal knows synchronised output (mode 2026) */
};
struct tui_event {
    enum tui_event_kind kind;
    uint32_t key;
    aion_str text; /* borrowed until the callback returns */
    bool on;
    int button, y, x;
};
typedef void tui_event_fn(void *user, const struct tui_event *event);

enum { TUI_SEQUENCE_MAX = 64, TUI_PASTE_MAX = 4096 };

struct tui_input {
    char sequence[TUI_SEQUENCE_MAX]; /* what began with ESC or is part of a character */
    size_t size;
    bool too_long; /* of the sequence: swallow to its end */
    bool pasting;
    char paste[TUI_PASTE_MAX];
    size_t paste_size;
};

/* Bytes as they come; may end anywhere. */
void tui_input_feed(struct tui_input *input, aion_str bytes, tui_event_fn *on_event,
                    void *user);
/* How long to wait for what must follow (0 = for nothing): without a byte in that time call
 * flush, which takes a lone ESC for the escape key and ends a paste that never ended. */
int64_t tui_input_wait_us(const struct tui_input *input);
void tui_input_flush(struct tui_input *input, tui_event_fn *on_event, void *user);

#endif
