/* What rows of telemetry are about, and what stands in them: one table for screens, JSON, CSV,
 * sorting and filters. The numbers are protos/aion/v1/ops.proto's. */
#ifndef TUI_KINDS_H
#define TUI_KINDS_H

#include "cells.h"
#include "format.h"

enum tui_kind {
    TUI_NO_KIND,
    TUI_MESH,
    TUI_ROUTE,
    TUI_METHOD,
    TUI_TENANT,
    TUI_MODULE,
    TUI_QUEUE,
    TUI_HOST,
    TUI_EDGE,
    TUI_DEPENDENCY,
    TUI_CERTIFICATE,
    TUI_PROCESS,
    TUI_KINDS,
};
enum { TUI_COLUMNS_MAX = 32, TUI_UNKNOWN = -1 };

/* A word for an enumerator: states are words first, colours second. */
struct tui_word {
    const char *word;
    enum tui_role role;
};

struct tui_measure {
    const char *name;  /* "p95": JSON, CSV, filter, sort */
    const char *title; /* "P95" */
    enum tui_unit unit;
    uint8_t width;
    int64_t warn, alarm; /* from here on; of a date: so many seconds before it; 0 = never */
    const struct tui_word *words;
    size_t word_count;
};

struct tui_kind_type {
    const char *name; /* "route" */
    const struct tui_measure *measures;
    size_t count;
    int trend; /* the column a sparkline shows, or -1 */
    int state; /* the column that says how it is, or -1 */
};
extern const struct tui_kind_type tui_kinds[TUI_KINDS];

/* The word of a state; "?" for numbers this console does not know. */
struct tui_word tui_word_of(const struct tui_measure *measure, int64_t value);
/* How alarming a value was at that time: TUI_PLAIN, TUI_WARN, TUI_ALARM, or the state's role.
 */
enum tui_role tui_role_of(const struct tui_measure *measure, int64_t value, int64_t at_us);

#endif
