/* The outbox: what others are told, written with what it tells of. Included by store.h.
 *
 * A row's sequence is given by the shard's owner when it submits the write (again when it
 * submits it again), from one counter per process that is ahead of the newest of every shard it
 * owns: strictly increasing per shard in the order of submission, never the same for two
 * shards of one owner, with holes. Writes of one shard are committed in their order, so a
 * reader by (shard, sequence) never meets a late row.
 *
 * Rows are kept 24 h at least, and until every registered cursor has passed them. */
#include "store/store.h"

#ifndef STORE_STORE_EVENTS_H
#define STORE_STORE_EVENTS_H

/* What happened, as bits: several things at one instant are one row. In the order of the bits.
 */
enum store_event_kind {
    STORE_EVENT_ACCEPTED = 1,
    STORE_EVENT_ROUTED = 2,
    STORE_EVENT_QUEUED = 4,
    STORE_EVENT_STARTED = 8,
    STORE_EVENT_RETRY = 16,
    STORE_EVENT_RESUMED = 32,
    STORE_EVENT_SUCCEEDED = 64,
    STORE_EVENT_FAILED = 128,
    STORE_EVENT_CANCELLED = 256,
    STORE_EVENT_EXPIRED = 512,
    STORE_EVENT_DEAD = 1024,
    STORE_EVENT_DOUBT = 2048,
    STORE_EVENT_RESOLVED = 4096,
    STORE_EVENT_HELD = 8192,
    STORE_EVENT_RELEASED = 16384,
    STORE_EVENT_REPLAYED = 32768,
};

struct store_outbox {
    uint64_t sequence; /* > 0 */
    uint64_t seq;      /* of the task; in a write: the write's, whatever stands here */
    struct aion_uuid id;
    aion_str tenant, intent;
    uint32_t kinds;   /* bits of store_event_kind */
    uint32_t state;   /* store_state after it */
    uint32_t attempt; /* 0 = none */
    int64_t at_us;
    /* STARTED: when and where; it may be told with the end of the same attempt. */
    int64_t started_us;
    aion_str host;
    aion_str note;    /* a reason, or what a person is told */
    aion_str payload; /* the caller's; of ROUTED: the decision */
};

/* Rows of some shards that their reader has not had. Of each shard in order; a shard that has
 * much does not keep the others from coming. */
struct store_events_read {
    struct store_op op;
    uint64_t shards;              /* set */
    uint64_t after[STORE_SHARDS]; /* sequence, exclusive; of the shards in the set */
    /* What was told before is of no interest, and is left out as far as that saves reading; so
     * is what was written more than a minute later than told. 0 = all. */
    int64_t from_us;
    uint32_t limit;   /* 1..10000 rows */
    size_t bytes_max; /* of payloads; at least one row comes. 0 = 1 MiB */
    /* No rows come; `after` is set to where the shards of the set end now. */
    bool to_end;
    /* out */
    struct store_outbox *events;
    size_t count;
    bool more; /* there may be further rows now */
};

/* How far a reader has come: registers it, and moves it on, never back. */
struct store_cursor_put {
    struct store_op op;
    aion_str name;                   /* "kafka", "audit:WRITER", ...; 1..100 bytes */
    uint64_t shards;                 /* set: those to be moved */
    uint64_t sequence[STORE_SHARDS]; /* everything up to here is done with */
};
/* It holds nothing back any more. */
struct store_cursor_drop {
    struct store_op op;
    aion_str name;
};
struct store_cursor_read {
    struct store_op op;
    aion_str name;
    /* out */
    bool found; /* registered; else all 0 */
    uint64_t sequence[STORE_SHARDS];
};

STORE_OPERATION(events_read, STORE_EVENTS_READ, op)
STORE_OPERATION(cursor_put, STORE_CURSOR_PUT, op)
STORE_OPERATION(cursor_drop, STORE_CURSOR_DROP, op)
STORE_OPERATION(cursor_read, STORE_CURSOR_READ, op)

#endif
