/* The views without a screen: what `aion get` and `aion watch` print. */
#ifndef TUI_BATCH_H
#define TUI_BATCH_H

#include "options.h"

#include "base/err.h"

struct tui_batch {
    const struct tui_options *mesh;
    const char *what;   /* name of a view or of a table */
    const char *at;     /* get: a time as `:at` takes it; NULL = now */
    const char *filter; /* as `/` takes it; NULL = none */
    bool json;          /* else aligned text */
    bool all;           /* watch: each event, no sample */
    unsigned every_s;   /* watch: between two pictures, 0 = 1 */
    uint64_t count;     /* watch: pictures or rows until it ends, 0 = for ever */
};

/* Is there a view or a table of this name? */
bool tui_batch_knows(const char *what);
/* The n-th name, for completion and usage; NULL behind the last. */
const char *tui_batch_name(size_t index);

/* Prints it once. UNAVAILABLE: control does not answer within ten seconds; PRECONDITION: it is
 * made of events, which are followed, not kept; else what control says. */
bool tui_get(const struct tui_batch *batch, struct aion_err *err);
/* Prints it again and again, each frame once; events one by one as they come. While control
 * says nothing, nothing is printed; stderr says so. Ends by count, or by an error. */
bool tui_watch(const struct tui_batch *batch, struct aion_err *err);

#endif
