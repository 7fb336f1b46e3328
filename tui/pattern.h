/* Regular expressions that somebody types: Perl's syntax, letters in either case, UTF-8.
 * PCRE2 reads them, loaded when the first one is typed (adr/0013). POSIX's regcomp() will not
 * do: glibc's takes gigabytes for "a++++++++++++++++++++++++", each + doubles what stands
 * before it. Here an expression takes what its length allows, and a match at most
 * TUI_PATTERN_STEPS. Who needed as many TUI_PATTERN_TRIES times is not tried any more:
 * "(.+)+[!?]" took 0.4 s of each drawing of 500 tasks. */
#ifndef TUI_PATTERN_H
#define TUI_PATTERN_H

#include "base/err.h"
#include "base/str.h"

enum { TUI_PATTERN_STEPS = 20000, TUI_PATTERN_TRIES = 16 };

enum tui_verdict { TUI_NO, TUI_YES, TUI_UNJUDGED /* it took more steps or memory */ };

struct tui_pattern;

/* NULL: INVALID says what is wrong with the expression, UNAVAILABLE that PCRE2 is not
 * installed. One thread at a time uses it. */
struct tui_pattern *tui_pattern_new(aion_str text, struct aion_err *err);
enum tui_verdict tui_pattern_match(struct tui_pattern *pattern, aion_str text);
/* It is not tried any more: every text is UNJUDGED. */
bool tui_pattern_gave_up(const struct tui_pattern *pattern);
/* NULL will do. */
void tui_pattern_free(struct tui_pattern *pattern);

#endif
