/* The relay: rows from the lanes of a source to a sink, at least once, in order.
 *
 * A lane (a shard, an audit writer) has three places: `marked`, the cursor in the store;
 * `acked`, up to which the sink has everything; `read`, up to which rows were handed to it.
 * marked <= acked <= read. The cursor is moved behind the acknowledgements, so a process that
 * dies repeats at most what lies between marked and read, and skips nothing.
 *
 * Back-pressure: at most window_records and window_bytes are under way over all lanes; beyond
 * that nothing is read, and the rows wait in the outbox, which is what it is for.
 *
 * When the sink fails a record, everything under way is given up and sent again from `acked`
 * on after a wait that grows: a later record of a key must never pass an earlier one. */
#ifndef EVENTS_RELAY_H
#define EVENTS_RELAY_H

#include "events/events.h"

struct events_relay;

enum events_relay_state {
    EVENTS_RELAY_RUNNING,
    EVENTS_RELAY_FAILED, /* waits, then begins anew; the error says why */
    EVENTS_RELAY_DRAINING,
};

struct events_relay_conf {
    struct events_source *source;
    struct events_sink *sink;
    const char *cursor;         /* its name: "kafka" */
    int64_t (*now)(void *user); /* monotonic */
    /* The relay wants events_relay_run at this time and not before; each call replaces the one
     * before. */
    void (*arm)(void *user, int64_t at_us);
    /* A change of state. err only with FAILED; RUNNING after it when what failed is through. */
    void (*changed)(void *user, enum events_relay_state state, const struct aion_err *err);
    /* Something that must not go unseen but stops nothing: a row that cannot be told whole, a
     * store that does not answer. May be NULL. */
    void (*trouble)(void *user, const struct aion_err *err);
    void *user;
    uint64_t seed; /* of the waits' jitter */
    /* 0 = the default */
    uint32_t window_records; /* 8192 */
    size_t window_bytes;     /* 32 MiB */
    uint32_t batch_rows;     /* of one read: 512 */
    int64_t linger_us;       /* from a wake to the read, so that rows gather: 10 ms */
    int64_t poll_us;         /* lanes that nobody woke are looked at this often: 1 s */
    int64_t mark_us;         /* from an acknowledgement to its cursor: 100 ms */
    int64_t wait_first_us;   /* after a failure, doubled each time: 200 ms */
    int64_t wait_longest_us; /* 5 s */
};

/* Aborts without memory: called at start. */
struct events_relay *events_relay_new(const struct events_relay_conf *conf);
/* The sink has stopped and the source has completed its operations. NULL fine. */
void events_relay_free(struct events_relay *relay);

/* The lanes of the set are this process's from now on: each is read from its cursor. */
void events_relay_take(struct events_relay *relay, uint64_t lanes);
/* They are somebody else's: nothing more of them is read or marked. */
void events_relay_leave(struct events_relay *relay, uint64_t lanes);
/* A row of this sequence was written to the lane. A lane that is not taken: nothing. */
void events_relay_wake(struct events_relay *relay, uint32_t lane, uint64_t sequence);
/* The time that was armed has come. */
void events_relay_run(struct events_relay *relay);
/* Nothing more is read; `drained` runs when all under way is acknowledged and marked, perhaps
 * before this returns. While the sink is away that may be never: the caller keeps a deadline.
 */
void events_relay_drain(struct events_relay *relay, void (*drained)(void *user));

struct events_relay_stats {
    enum events_relay_state state;
    /* ever: rows and records acknowledged, failures of the sink, rows that could not be told
     * whole */
    uint64_t rows, records, failures, malformed;
    uint64_t under_way; /* records */
    /* Rows not acknowledged: those under way, and those that woke the relay and were not read
     * yet. At least that many while it catches up with what was there before its start. */
    uint64_t lag;
    bool catching_up;
    int64_t oldest_us; /* UTC of the oldest row under way; 0 = none */
    const char *error; /* FAILED: why; else "" */
};
struct events_relay_stats events_relay_stats(const struct events_relay *relay);

#endif
