/* What `/` narrows a list by: terms, all of which must match.
 *
 *   acme            in any column        state:SLOW   in the column state
 *   !done           nowhere              ~^sum.*l$    a regular expression
 *   route:~local$   both                 "two words"  with a blank in it
 *
 * Letters match in either case. Expressions are Perl's (pattern.h). A row is not hidden by an
 * expression that takes too long to judge it; one that does so again and again hides nothing
 * any more, and is said to be too slow. */
#ifndef TUI_FILTER_H
#define TUI_FILTER_H

#include "base/err.h"
#include "base/str.h"

enum { TUI_FILTER_MAX = 128, TUI_TERMS_MAX = 8 };

struct tui_term;

struct tui_filter {
    char text[TUI_FILTER_MAX]; /* as typed */
    struct tui_term *terms[TUI_TERMS_MAX];
    size_t count; /* 0 = everything matches */
};

/* A column of a row: its name and what is shown in it. */
struct tui_field {
    const char *name;
    aion_str text;
};

/* Replaces what was there. INVALID: a regular expression that is none (the text says why), too
 * many terms, too long; then there is no filter: everything matches. */
bool tui_filter_set(struct tui_filter *filter, aion_str text, struct aion_err *err);
void tui_filter_done(struct tui_filter *filter);
bool tui_filter_match(const struct tui_filter *filter, const struct tui_field *fields,
                      size_t count);
/* A term is too slow: it hides nothing. */
bool tui_filter_slow(const struct tui_filter *filter);
/* The value of a term "name:value" that is neither negated nor a regular expression. data NULL:
 * none. */
aion_str tui_filter_value(const struct tui_filter *filter, const char *name);
/* Does a text hold what was typed, in either case? */
bool tui_filter_holds(aion_str text, aion_str typed);

/* How well `text` answers what was typed: -1 = not at all. The letters must come in this order;
 * runs, beginnings of words and an early begin count. For the palette. */
int tui_fuzzy(aion_str typed, aion_str text);

#endif
