/* Records that came before, dropped by their names: (key, sequence).
 *
 * A window over the newest `window` different names of one topic, exact within it: a repeat is
 * always found, and nothing that is new is ever taken for one (names are compared by 128 bits
 * of SipHash under a secret). A relay that dies repeats at most what it had under way, far less
 * than the default window; what is repeated from further back than the window passes.
 *
 * Pure; one thread at a time. For every consumer that ships with AION. */
#ifndef EVENTS_DEDUP_H
#define EVENTS_DEDUP_H

#include "base/str.h"

enum { EVENTS_DEDUP_WINDOW = 1 << 18 };

struct events_dedup;

/* window: names remembered, rounded up to a power of two (24 bytes each); 0 = the default.
 * Aborts without memory. */
struct events_dedup *events_dedup_new(size_t window);
void events_dedup_free(struct events_dedup *dedup); /* NULL fine */
/* True: the name is new, and remembered from now on. False: it was seen; counted. */
bool events_dedup_first(struct events_dedup *dedup, aion_str key, uint64_t sequence);
uint64_t events_dedup_dropped(const struct events_dedup *dedup);

#endif
