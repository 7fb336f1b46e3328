/* rpc WatchTasks: what happens to tasks, live, to whoever listens. Included by
 * control_private.h. I/O thread.
 *
 * A listener with a past to hear reads the outbox page by page, as fast as it takes them; then
 * what is committed is kept for it while one last read closes the gap, and from there on it
 * hears each event as its write is committed. Events of shards that another control owns are
 * read from the store, time and again. */
#ifndef CONTROL_TAIL_H
#define CONTROL_TAIL_H

#include "base/list.h"
#include "store/store.h"

struct control;

struct control_tails {
    struct aion_link open; /* listeners */
    size_t count;
    bool ended;
};

void control_tails_init(struct control_tails *tails);
/* A write was committed, and this is its event. */
void control_tails_told(struct control *control, const struct store_outbox *event,
                        unsigned shard);
void control_tails_end(struct control *control); /* all of them, UNAVAILABLE */

#endif
