/* Numbers as people read them, in few columns. Integers in, text out; the same number gives the
 * same text everywhere, so a screen of the past can be compared with the one that was live. */
#ifndef TUI_FORMAT_H
#define TUI_FORMAT_H

#include "base/str.h"

enum { TUI_FORMAT_SIZE = 32 };

/* What an integer is; decides how it is written, sorted and exported. */
enum tui_unit {
    TUI_TEXT,  /* no number */
    TUI_COUNT, /* 2 463, 18.2M */
    TUI_RATE,  /* per mille of an event a second: 812, 0.4 */
    TUI_US,    /* a span of time: 85us, 4.1ms, 1.92s, 2m05 */
    TUI_AGE,   /* µs since something: 0.2s, 48s, 9m, 29d */
    TUI_SHARE, /* ppm: 0.2%, 61% */
    TUI_BYTES, /* 640M, 11.2G */
    TUI_USD,   /* nano-USD a second, shown an hour: $3.10/h */
    TUI_TIME,  /* UTC µs: 12:04:31 */
    TUI_DATE,  /* UTC s: 2026-12-23 */
    TUI_STATE, /* an enumerator with a word */
    TUI_TREND, /* a sparkline of the last 15 minutes */
};

/* Numbers stand on the right, are compared as such and exported as they are. */
static inline bool tui_unit_is_number(enum tui_unit unit)
{
    return unit != TUI_TEXT && unit != TUI_STATE && unit != TUI_TREND;
}

/* All write a NUL-terminated text and return its length. Negative = not known: "-". */
size_t tui_format(char out[TUI_FORMAT_SIZE], enum tui_unit unit, int64_t number);
/* The same with a sign, for differences: "+1.2ms", "-3", "0". */
size_t tui_format_change(char out[TUI_FORMAT_SIZE], enum tui_unit unit, int64_t change);
/* "12:04:31" of UTC µs; `local`: by the clocks of this machine's zone. */
size_t tui_format_clock(char out[TUI_FORMAT_SIZE], int64_t utc_us, bool local);
/* "2026-11-23 12:04:31". */
size_t tui_format_date_time(char out[TUI_FORMAT_SIZE], int64_t utc_us, bool local);
/* "11:55", "11:55:07", "2026-11-23T11:55:07Z", "-5m", "5m": UTC µs. Times of day are the latest
 * ones not after now; `local`: by the clocks of this machine's zone. */
bool tui_parse_time(aion_str text, int64_t now_us, bool local, int64_t *ret_us);

#endif
