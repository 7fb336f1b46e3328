/* The embedded event log: what Kafka's topics would hold, read from the outbox by position.
 * Nothing is copied or kept for it; the same encoder makes the same bytes.
 *
 * One thread, never blocks. */
#ifndef EVENTS_LOG_H
#define EVENTS_LOG_H

#include "events/events.h"

struct events_log_record {
    struct events_record record;
    uint32_t lane;
};

/* A page of one topic; the caller's until done ran. */
struct events_log_read {
    struct events_source *source; /* of the topic's stream */
    enum events_topic topic;      /* not the metrics, which are in no source */
    uint64_t lanes;
    uint64_t after[EVENTS_LANES]; /* exclusive; moved on, over rows of other topics, too */
    uint32_t limit;               /* records */
    size_t bytes_max;             /* of keys and values; at least one record comes */
    struct aion_arena *arena;     /* what the records point into; NULL memory: EXHAUSTED */
    void (*done)(struct events_log_read *read, const struct aion_err *err);
    /* out */
    struct events_log_record *records; /* in order per lane */
    size_t count;
    bool more; /* there may be further ones now */
};
/* False: refused at once, done does not run. */
bool events_log_read(struct events_log_read *read, struct aion_err *err) AION_MUST_CHECK;

#endif
