/* Inside the relay: relay.c is its phases and its time, relay_lane.c what happens in a lane. */
#ifndef EVENTS_RELAY_PRIVATE_H
#define EVENTS_RELAY_PRIVATE_H

#include "base/list.h"
#include "base/rand.h"
#include "events/encode.h"
#include "events/relay.h"

enum { RELAY_READS = 4 };

struct relay_lane {
    struct aion_link all;      /* in relay->lanes */
    struct aion_link wanting;  /* in relay->wanting: rows may be there */
    struct aion_link unmarked; /* in relay->unmarked: acked > marked, nobody marks */
    struct events_relay *relay;
    struct events_lane id;
    uint64_t marked, acked, read;
    uint64_t newest;           /* seen in the lane */
    struct aion_link items;    /* under way, in order */
    struct events_cursor mark; /* the operation that loads or puts the cursor */
    int64_t mark_at_us;
    uint32_t limit;      /* rows of the next read: smaller after one that did not fit */
    bool loaded, busy;   /* the cursor is known; `mark` is under way */
    bool reading, again; /* rows came while it was read */
    bool left;           /* freed when nothing is under way */
};

/* One record under way, or a row without any. */
struct relay_item {
    struct aion_link link; /* in its lane's items, or among the free */
    struct events_post post;
    struct relay_lane *lane;
    bool last;          /* of its row */
    bool acked, failed; /* neither: the sink has not answered */
    size_t bytes;
};

/* A read under way. */
struct relay_read {
    struct events_read op;
    struct events_relay *relay;
    struct relay_lane *lane; /* NULL: unused */
    struct aion_arena arena;
    uint32_t reserved; /* items */
};

struct events_relay {
    struct events_relay_conf conf;
    struct aion_link lanes, wanting, unmarked;
    struct aion_link free_items;
    struct relay_item *items;
    size_t free_count, reserved; /* items */
    size_t under_way, bytes;     /* records the sink has not answered */
    struct relay_read reads[RELAY_READS];
    size_t reading;
    bool full; /* the sink or the window: nothing is read until a record is done */
    struct events_encoder encoder;
    struct aion_rand rand;
    int64_t poll_at_us, read_at_us;
    int64_t armed_us; /* 0 = not */
    /* after a failure: until nothing is under way, then until retry_at_us */
    bool halted;
    int64_t retry_at_us, wait_us; /* 0 = no time set */
    bool failing;                 /* as told outside: until the first acknowledgement */
    struct aion_err error;
    bool draining;
    void (*drained)(void *user);
    struct events_relay_stats stats;
};

/* -- relay.c -- */
void relay_fail(struct events_relay *relay, const struct aion_err *err);
void relay_acknowledged(struct events_relay *relay); /* the sink has taken a record */
/* After every step: reads what can be read, marks what is due, asks for the next time. */
void relay_go_on(struct events_relay *relay);
void relay_trouble(struct events_relay *relay, const struct aion_err *err);
static inline int64_t relay_now(const struct events_relay *relay)
{
    return relay->conf.now(relay->conf.user);
}

/* -- relay_lane.c -- */
void relay_lane_load(struct relay_lane *lane);
void relay_lane_want(struct relay_lane *lane); /* read it when there is room */
/* False: nothing can be read now (room, reads, the source). */
bool relay_lane_read(struct relay_lane *lane);
void relay_lane_mark(struct relay_lane *lane);
void relay_lane_rewind(struct relay_lane *lane); /* everything behind acked is sent again */
void relay_lane_leave(struct relay_lane *lane);
void relay_lane_drop_if_idle(struct relay_lane *lane); /* one that was left */

#endif
