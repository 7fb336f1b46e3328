#include "key.h"

enum {
    ESC = 0x1B,
    PASTE_BEGIN = 200,
    ESCAPE_US = 30000, /* what belongs to an ESC comes with it, also over ssh */
    PASTE_SILENCE_US = 1000000,
};

struct out {
    tui_event_fn *fn;
    void *user;
};

static void emit_key(const struct out *out, uint32_t key)
{
    const struct tui_event event = {.kind = TUI_EVENT_KEY, .key = key};
    out->fn(out->user, &event);
}

/* -- single characters ----------------------------------------------------- */

static uint32_t key_of_char(uint32_t ch)
{
    switch (ch) {
    case '\r':
    case '\n':
        return TUI_KEY_ENTER;
    case '\t':
        return TUI_KEY_TAB;
    case 0x7F:
    case '\b':
        return TUI_KEY_BACKSPACE;
    case ESC:
        return TUI_KEY_ESCAPE;
    case 0:
        return TUI_KEY_CTRL | ' ';
    default:
        return ch >= 0x20 ? ch : TUI_KEY_CTRL | (ch < 27 ? ch + 'a' - 1 : ch + '@');
    }
}

/* Bytes that a character beginning with this one has; 1 for what is none. */
static size_t char_size(unsigned char first)
{
    return first >= 0xF0 && first < 0xF8 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1;
}

/* -- sequences ------------------------------------------------------------- */

enum { PARAMETERS_MAX = 8 };

struct csi {
    unsigned parameters[PARAMETERS_MAX];
    size_t count;
    char lead;         /* '<' or '?' in front of the parameters, or 0 */
    char intermediate; /* '$' ... or 0 */
    char final;
};

static void parse_csi(aion_str body, struct csi *csi)
{
    *csi = (struct csi){.count = 1, .final = body.data[body.size - 1]};
    for (size_t i = 0; i + 1 < body.size; i++) {
        char ch = body.data[i];
        unsigned *parameter = &csi->parameters[csi->count - 1];
        if (ch >= '0' && ch <= '9')
            *parameter = *parameter < 100000 ? *parameter * 10 + (unsigned)(ch - '0') : 100000;
        else if (ch == ';' && csi->count < PARAMETERS_MAX)
            csi->count++;
        else if (ch >= '<' && ch <= '?')
            csi->lead = ch;
        else
            csi->intermediate = ch;
    }
}

/* The second parameter: 1 + shift 1 + alt 2 + ctrl 4. */
static uint32_t modifiers(const struct csi *csi)
{
    unsigned bits = csi->count > 1 && csi->parameters[1] > 0 ? csi->parameters[1] - 1 : 0;
    return ((bits & 1) != 0 ? TUI_KEY_SHIFT : 0u) | ((bits & 2) != 0 ? TUI_KEY_ALT : 0u) |
           ((bits & 4) != 0 ? TUI_KEY_CTRL : 0u);
}

static uint32_t key_of_letter(char final)
{
    switch (final) {
    case 'A':
        return TUI_KEY_UP;
    case 'B':
        return TUI_KEY_DOWN;
    case 'C':
        return TUI_KEY_RIGHT;
    case 'D':
        return TUI_KEY_LEFT;
    case 'H':
        return TUI_KEY_HOME;
    case 'F':
        return TUI_KEY_END;
    case 'M':
        return TUI_KEY_ENTER; /* of the keypad */
    case 'Z':
        return TUI_KEY_TAB | TUI_KEY_SHIFT;
    default:
        return final >= 'P' && final <= 'S' ? (uint32_t)(TUI_KEY_F1 + final - 'P') : 0;
    }
}

/* ESC [ number ~ */
static uint32_t key_of_number(unsigned number)
{
    static const uint8_t f_keys[] = {11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 23, 24};
    static const uint32_t edit[] = {
        0,           TUI_KEY_HOME,    TUI_KEY_INSERT,    TUI_KEY_DELETE,
        TUI_KEY_END, TUI_KEY_PAGE_UP, TUI_KEY_PAGE_DOWN, TUI_KEY_HOME,
        TUI_KEY_END};
    if (number < aion_countof(edit))
        return edit[number];
    for (size_t i = 0; i < aion_countof(f_keys); i++)
        if (f_keys[i] == number)
            return (uint32_t)(TUI_KEY_F1 + i);
    return 0;
}

static void emit_mouse(const struct out *out, const struct csi *csi)
{
    const struct tui_event event = {.kind = TUI_EVENT_MOUSE,
                                    .button = (int)csi->parameters[0],
                                    .x = (int)csi->parameters[1] - 1,
                                    .y = (int)csi->parameters[2] - 1};
    if (csi->count == 3 && csi->final == 'M' && event.x >= 0 && event.y >= 0 &&
        (event.button < 3 || event.button == 64 || event.button == 65))
        out->fn(out->user, &event);
}

static void emit_csi(struct tui_input *input, const struct out *out, const struct csi *csi)
{
    struct tui_event event = {.kind = TUI_EVENT_FOCUS, .on = csi->final == 'I'};
    uint32_t key = 0;
    if (csi->lead == '<') {
        emit_mouse(out, csi);
    } else if (csi->lead == '?' && csi->final == 'y' && csi->parameters[0] == 2026) {
        event.kind = TUI_EVENT_SYNCED;
        event.on = csi->count > 1 && (csi->parameters[1] == 1 || csi->parameters[1] == 2);
        out->fn(out->user, &event);
    } else if (csi->lead != 0 || csi->intermediate != 0) {
        return;
    } else if (csi->final == '~' && csi->parameters[0] == PASTE_BEGIN) {
        input->pasting = true;
        input->paste_size = 0;
    } else if (csi->final == 'I' || csi->final == 'O') {
        out->fn(out->user, &event);
    } else {
        key = csi->final == '~' ? key_of_number(csi->parameters[0]) : key_of_letter(csi->final);
        if (key != 0)
            emit_key(out, key | modifiers(csi));
    }
}

enum verdict { MORE, DONE };

/* The sequence so far begins with ESC. */
static enum verdict escape_done(struct tui_input *input, const struct out *out)
{
    const char *at = input->sequence;
    unsigned char last = (unsigned char)at[input->size - 1];
    struct csi csi;
    if (input->size == 1)
        return MORE;
    if (at[1] == '[') {
        if (input->size == 2 || (input->size == 3 && last == '['))
            return MORE; /* ESC [ [ A is F1 of the Linux console */
        if (input->size == 4 && at[2] == '[') {
            if (last >= 'A' && last <= 'E')
                emit_key(out, (uint32_t)(TUI_KEY_F1 + last - 'A'));
            return DONE;
        }
        if (last >= 0x20 && last < 0x40)
            return MORE;
        parse_csi(aion_str_n(at + 2, input->size - 2), &csi);
        if (!input->too_long && last >= 0x40 && last < 0x7F)
            emit_csi(input, out, &csi);
        return DONE;
    }
    if (at[1] == 'O') {
        if (input->size == 2)
            return MORE;
        if (key_of_letter((char)last) != 0)
            emit_key(out, key_of_letter((char)last));
        return DONE;
    }
    if (last == ESC) { /* the first one was a key */
        emit_key(out, TUI_KEY_ESCAPE);
        input->size = 1;
        return MORE;
    }
    if (last < 0x80)
        emit_key(out, TUI_KEY_ALT | key_of_char(last));
    return DONE;
}

static enum verdict character_done(struct tui_input *input, const struct out *out)
{
    size_t pos = 0;
    unsigned char first = (unsigned char)input->sequence[0];
    aion_str text = aion_str_n(input->sequence, input->size);
    if (input->size < char_size(first) &&
        (input->size == 1 || (input->sequence[input->size - 1] & 0xC0) == 0x80))
        return MORE;
    if (first < 0x80)
        emit_key(out, key_of_char(first));
    else if (aion_utf8_valid(text.data, text.size))
        emit_key(out, aion_utf8_next(text, &pos));
    return DONE;
}

/* -- paste ----------------------------------------------------------------- */

static const char paste_end[] = "\x1b[201~";

static void emit_paste(struct tui_input *input, const struct out *out)
{
    const struct tui_event event = {.kind = TUI_EVENT_PASTE,
                                    .text = aion_str_n(input->paste, input->paste_size)};
    input->size = 0;
    input->pasting = false;
    out->fn(out->user, &event);
}

static void paste_byte(struct tui_input *input, const struct out *out, char byte)
{
    size_t want = sizeof(paste_end) - 1;
    if (input->size < want && byte == paste_end[input->size]) {
        input->sequence[input->size++] = byte;
        if (input->size < want)
            return;
        emit_paste(input, out);
        return;
    }
    /* what looked like the end was text */
    for (size_t i = 0; i < input->size && input->paste_size < TUI_PASTE_MAX; i++)
        input->paste[input->paste_size++] = input->sequence[i];
    input->size = 0;
    if (byte == ESC)
        input->sequence[input->size++] = byte;
    else if (input->paste_size < TUI_PASTE_MAX)
        input->paste[input->paste_size++] = byte;
}

/* -- bytes ----------------------------------------------------------------- */

static void feed_byte(struct tui_input *input, const struct out *out, char byte)
{
    if (input->pasting) {
        paste_byte(input, out, byte);
        return;
    }
    if (input->size == TUI_SEQUENCE_MAX) {
        input->too_long = true;
        input->size--; /* only its last byte matters now */
    }
    input->sequence[input->size++] = byte;
    bool escape = input->sequence[0] == ESC;
    enum verdict verdict = escape ? escape_done(input, out) : character_done(input, out);
    if (verdict == MORE)
        return;
    input->size = 0;
    input->too_long = false;
}

void tui_input_feed(struct tui_input *input, aion_str bytes, tui_event_fn *on_event, void *user)
{
    const struct out out = {on_event, user};
    for (size_t i = 0; i < bytes.size; i++)
        feed_byte(input, &out, bytes.data[i]);
}

int64_t tui_input_wait_us(const struct tui_input *input)
{
    if (input->pasting)
        return PASTE_SILENCE_US;
    return input->size > 0 ? ESCAPE_US : 0;
}

void tui_input_flush(struct tui_input *input, tui_event_fn *on_event, void *user)
{
    const struct out out = {on_event, user};
    if (input->pasting)
        emit_paste(input, &out);
    else if (input->size == 1 && input->sequence[0] == ESC)
        emit_key(&out, TUI_KEY_ESCAPE);
    else if (input->size == 2 && input->sequence[0] == ESC)
        emit_key(&out, TUI_KEY_ALT | (uint32_t)(unsigned char)input->sequence[1]);
    input->size = 0;
    input->too_long = false;
}
