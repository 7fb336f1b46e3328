/* Inside the relay: relay.c is its phases and its time, relay_lanes.c how rows are read, sent
 * and marked. */
#ifndef EVENTS_RELAY_PRIVATE_H
#define EVENTS_RELAY_PRIVATE_H

#include "base/list.h"
#include "base/rand.h"
#include "events/encode.h"
#include "events/relay.h"

struct relay_lane {
    uint64_t marked, acked, read;
    struct aion_link items; /* under way, in order */
    uint64_t woken;         /* rows that woke us and were not read yet ... */
    uint64_t woken_from;    /* ... the first one's sequence */
};

/* One record under way, or a row without any. */
struct relay_item {
    struct aion_link
        link; /* in its lane's items, or among the free; alone: the lane was left */
    struct events_post post;
    struct events_relay *relay;
    uint32_t lane;
    bool left;          /* its lane was left meanwhile: freed when it is done */
    bool last;          /* of its row */
    bool acked, failed; /* neither: the sink has not answered */
    size_t bytes;
};

struct events_relay {
    struct events_relay_conf conf;
    struct relay_lane lanes[EVENTS_LANES];
    /* sets of lanes */
    uint64_t taken;       /* ours */
    uint64_t unloaded;    /* of them: the cursor is not known yet */
    uint64_t wanting;     /* rows may be there */
    uint64_t again;       /* woken while a read was under way */
    uint64_t catching_up; /* not yet read to what was there when they were taken */

    struct events_read read; /* one at a time */
    struct aion_arena read_arena;
    bool reading;
    uint32_t batch; /* rows of the next read: fewer after one that did not fit */
    int64_t read_at_us;
    bool full; /* the sink or the window: nothing is read until a record is done */

    struct events_cursor load, mark; /* one of each at a time */
    bool loading, marking;
    int64_t mark_at_us; /* 0 = nothing to mark */

    struct aion_link free_items;
    struct relay_item *items;
    size_t free_count;
    size_t under_way, bytes; /* records the sink has not answered */
    struct events_encoder encoder;
    struct aion_rand rand;
    int64_t poll_at_us;
    int64_t armed_us; /* 0 = not */

    /* after a failure: until nothing is under way, then until retry_at_us */
    bool halted;
    int64_t retry_at_us, wait_us; /* 0 = no time set */
    bool failing;                 /* as told outside: until the row that failed is through */
    uint32_t failed_lane;
    uint64_t failed_sequence;
    struct aion_err error;
    bool draining;
    void (*drained)(void *user);
    struct events_relay_stats stats;
};

static inline int64_t relay_now(const struct events_relay *relay)
{
    return relay->conf.now(relay->conf.user);
}
static inline uint64_t relay_bit(uint32_t lane)
{
    return UINT64_C(1) << lane;
}
#define relay_each_lane(relay, lane) \
    for (struct relay_lane *lane = (relay)->lanes; lane < (relay)->lanes + EVENTS_LANES; lane++)

/* -- relay.c -- */
/* The row of this place failed. */
void relay_fail(struct events_relay *relay, uint32_t lane, uint64_t sequence,
                const struct aion_err *err);
void relay_acknowledged(struct events_relay *relay); /* lanes have moved on */
/* After every step: reads what can be read, marks what is due, asks for the next time. */
void relay_go_on(struct events_relay *relay);
void relay_trouble(struct events_relay *relay, const struct aion_err *err);

/* -- relay_lanes.c -- */
void relay_load(struct events_relay *relay);
void relay_want(struct events_relay *relay, uint64_t lanes); /* after the linger */
void relay_read(struct events_relay *relay);                 /* when it can */
void relay_mark(struct events_relay *relay);
bool relay_unmarked(const struct events_relay *relay);
void relay_unread(struct relay_lane *lane, uint64_t sequence); /* one row more */
void relay_rewind(struct events_relay *relay); /* everything behind acked is sent again */
void relay_item_free(struct events_relay *relay, struct relay_item *item);

#endif
