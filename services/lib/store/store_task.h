/* Writes on tasks: their life as facts. Included by store.h.
 *
 * Nothing is ever updated: a task's row is inserted with its admission, every further thing
 * that happens is a row of its own, and what state a task is in is read from which rows exist:
 *
 *  - final: an outcome exists. Else HELD: its last mark of HELD and RELEASED is HELD.
 *  - else ACCEPTED: no decision, neither in its row nor on its own.
 *  - else, by the last attempt: QUEUED: none; RUNNING: it has no end; RETRY_WAIT: it ended;
 *    IN_DOUBT: it ended in doubt and no mark RESOLVED names it; with such a mark: QUEUED.
 *
 * The store refuses what facts contradict (STALE, said below), control's memory the rest. */
#include "store/store.h"

#ifndef STORE_STORE_TASK_H
#define STORE_STORE_TASK_H

/* Numbers of aion.v1.TaskState. */
enum store_state {
    STORE_ACCEPTED = 1,
    STORE_QUEUED = 2,
    STORE_RUNNING = 3,
    STORE_RETRY_WAIT = 4,
    STORE_IN_DOUBT = 5,
    STORE_HELD = 6,
    STORE_SUCCEEDED = 7,
    STORE_FAILED = 8,
    STORE_CANCELLED = 9,
    STORE_EXPIRED = 10,
    STORE_DEAD = 11,
    STORE_STATES,
};
static inline bool store_state_final(enum store_state state)
{
    return state >= STORE_SUCCEEDED;
}

/* Names one attempt: epoch is the one under which it began, which may be an older one than its
 * shard has now. Before the first one: 0, 0. */
struct store_token {
    uint64_t epoch;
    uint32_t attempt;
};

struct store_error {
    int32_t code; /* google.rpc.Code */
    aion_str reason, message;
};

struct store_usage {
    int64_t queue_us, run_us;
    uint64_t tokens_in, tokens_out;
    int64_t cost_nano_usd;
};

enum store_chunk_kind {
    STORE_CHUNK_DATA = 0,
    STORE_CHUNK_TEXT = 1,
    STORE_CHUNK_RESTART = 2, /* payload empty; discard_from counts */
};

struct store_chunk {
    uint64_t cursor;   /* > 0, strictly increasing per task */
    uint64_t sequence; /* of its attempt; restart: 0 */
    uint32_t attempt;
    enum store_chunk_kind kind;
    uint64_t discard_from;
    aion_str content_type, payload;
};

/* What every write on a task begins with. */
struct store_write {
    struct store_op op;
    uint64_t seq;                     /* the task's place; names its shard too */
    uint64_t epoch;                   /* under which the caller owns the shard */
    const struct store_outbox *event; /* NULL = nobody is told */
    const struct store_entry *entries;
    size_t entry_count;
    enum store_outcome outcome; /* out: DONE, FENCED, and as said at each */
};

/* What the router said: bytes to the store, but for the route, by which lists are filtered. */
struct store_decision {
    aion_str route;
    aion_str bytes;
};

/* A task is taken: the task, what repeats of it are known by, its decision if there is one, all
 * or nothing. Its epoch is checked first, then repeats. */
struct store_accept {
    struct store_write write; /* seq: a new one; its time is the task's created_us */
    struct aion_uuid id;
    bool own_id; /* the client chose it, and repeats are known by it; then key is empty */
    aion_str tenant, intent;
    aion_str key;        /* idempotency key; empty: none */
    aion_str digest;     /* 32 bytes with own_id or key: what a repeat must come with again */
    aion_str key_id;     /* of the API key it came with, or empty */
    uint32_t priority;   /* 1..5 */
    int64_t deadline_us; /* UTC */
    aion_str meta, body; /* body may be 4 MiB; meta is given with every listing */
    struct store_decision decision; /* no bytes: not routed yet → ACCEPTED; else QUEUED */
    /* out: outcome DONE, FENCED, DUPLICATE, CONFLICT, TAKEN */
    struct aion_uuid first; /* DUPLICATE, CONFLICT */
    uint64_t first_seq;
};

/* The decision of a task that was taken without: QUEUED. STALE: it has one, or is final. */
struct store_route {
    struct store_write write;
    int64_t at_us;
    struct store_decision decision;
};

/* The beginning of an attempt. */
struct store_begin {
    struct store_token token;
    int64_t at_us;
    aion_str host, module, module_digest;
};

/* An attempt begins: RUNNING; lazy as a rule. STALE: the task is final, or has an attempt of
 * this number or a later one. */
struct store_start {
    struct store_write write;
    struct store_begin begin;
};

/* More of a task's output. All chunks or none. STALE: the task is final, or the token does not
 * name its last attempt, or that has ended. */
struct store_chunks {
    struct store_write write;
    struct store_token token;
    const struct store_chunk *chunks;
    size_t count;
};

/* An attempt ended and did not end its task: RETRY_WAIT until due_us, or IN_DOUBT. STALE: as
 * of store_chunks. */
struct store_retry {
    struct store_write write;
    struct store_token token;
    /* The start of this attempt, if it was not written before; NULL: it was. STALE then as of
     * store_start. */
    const struct store_begin *begin;
    int64_t at_us, due_us;
    bool doubt; /* whether it did its work is not known */
    struct store_error error;
    const struct store_chunk *chunks; /* what the attempt had put out and was not stored yet */
    size_t count;
};

/* The end of a task, once: a final state under the token of its last attempt (that may have
 * ended before: cancelled while it waits). Also of tasks that never ran (token 0, 0):
 * cancelled, expired, refused by the router. STALE: it is final, or the token does not name its
 * last attempt. */
struct store_finish {
    struct store_write write;
    struct store_token token;
    const struct store_begin *begin; /* as in store_retry */
    /* The admission of this task, if it was not written before (it was run first, and is
     * recorded now); NULL: it was. All is written or nothing, its event and its entries too,
     * before the end's. It is of the same seq, has a decision, and neither key nor own id; its
     * op and epoch are not looked at. STALE: another task has this place. */
    const struct store_accept *accept;
    enum store_state state;
    int64_t at_us;
    struct store_error error;
    struct store_usage usage;
    uint64_t cursor; /* of the task's newest chunk, with those that come here; 0 = none */
    aion_str result;
    aion_str stream_digest;           /* 32 bytes or empty */
    const struct store_chunk *chunks; /* as in store_retry */
    size_t count;
};

enum store_mark_kind {
    STORE_MARK_HELD = 1,
    STORE_MARK_RELEASED = 2,
    STORE_MARK_RESUMED = 3,  /* the attempt goes on after its host or control was away */
    STORE_MARK_RESOLVED = 4, /* the doubt about the attempt: it did not do its work */
    STORE_MARK_REPLAYED = 5, /* a final task was given in anew: `other` */
};

/* Something that happened to a task and is none of the above. STALE: another mark has this
 * number; or the task is final, REPLAYED: it is not; or RESUMED, RESOLVED: attempt is not the
 * last one; or there is no such task. */
struct store_mark {
    struct store_write write;
    uint32_t number; /* 1, 2, ... of this task */
    enum store_mark_kind kind;
    uint32_t attempt; /* 0 = none */
    int64_t at_us;
    struct aion_uuid other; /* REPLAYED: the new task */
    aion_str note;
};

/* The reader has stored all chunks up to the cursor: they are not given any more. A cursor
 * beyond the newest chunk acknowledges what there is. Final tasks too. STALE: no such task. */
struct store_ack {
    struct store_write write;
    uint64_t cursor;
    int64_t at_us;
    uint64_t acked; /* out: the newest acknowledged */
};

STORE_OPERATION(accept, STORE_ACCEPT, write.op)
STORE_OPERATION(route, STORE_ROUTE, write.op)
STORE_OPERATION(start, STORE_START, write.op)
STORE_OPERATION(chunks, STORE_CHUNKS, write.op)
STORE_OPERATION(retry, STORE_RETRY, write.op)
STORE_OPERATION(finish, STORE_FINISH, write.op)
STORE_OPERATION(mark, STORE_MARK, write.op)
STORE_OPERATION(ack, STORE_ACK, write.op)

#endif
