/* Operations on tasks: their life, their output, their lists. Included by store.h. */
#ifndef STORE_STORE_TASK_H
#define STORE_STORE_TASK_H

#include "store/store.h"

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
};

/* Names one attempt. Before the first one: epoch 0, attempt 0. */
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

enum store_outcome {
    STORE_DONE,      /* applied */
    STORE_DUPLICATE, /* accept: the same key or id and the same digest: `first` is the task */
    STORE_CONFLICT,  /* accept: the same key or id and another digest */
    STORE_TAKEN,     /* accept: another tenant has a task of this id */
    STORE_STALE,     /* the task is final, gone, or its token is another */
};

/* A task is taken: the task, its idempotency record, its decision and its event, all or
 * nothing. */
struct store_accept {
    struct store_op op;
    struct aion_uuid id;
    aion_str tenant, intent;
    aion_str key;      /* empty: the id is what repeats are known by */
    aion_str digest;   /* 32 bytes: what the same key or id must come with again */
    uint32_t priority; /* 1..5 */
    int64_t created_us, deadline_us; /* UTC */
    aion_str meta, body;             /* body may be 4 MiB; meta is given with every listing */
    aion_str decision;               /* empty: not routed yet → ACCEPTED; else QUEUED */
    /* out */
    enum store_outcome outcome; /* DONE, DUPLICATE, CONFLICT, TAKEN */
    uint64_t sequence;          /* DONE: the task's place in the order of admission */
    struct aion_uuid first;     /* DUPLICATE, CONFLICT */
};

/* The decision of an ACCEPTED task: QUEUED. */
struct store_route {
    struct store_op op;
    struct aion_uuid id;
    int64_t at_us;
    aion_str decision;
    enum store_outcome outcome; /* DONE, STALE: not ACCEPTED any more */
};

/* An attempt begins: RUNNING. Its token must be greater than the task's; lazy as a rule. */
struct store_start {
    struct store_op op;
    struct aion_uuid id;
    struct store_token token;
    int64_t at_us;
    aion_str host, module, module_digest;
    enum store_outcome outcome; /* DONE, STALE */
};

/* The running attempt goes on after its host or control was away: an event, nothing else. */
struct store_resume {
    struct store_op op;
    struct aion_uuid id;
    struct store_token token;
    int64_t at_us;
    aion_str host;
    enum store_outcome outcome; /* DONE, STALE */
};

/* More of a task's output. All chunks or none. */
struct store_chunks {
    struct store_op op;
    struct aion_uuid id;
    struct store_token token;
    const struct store_chunk *chunks;
    size_t count;
    enum store_outcome outcome; /* DONE, STALE */
};

/* An attempt ended and did not end its task: RETRY_WAIT until due_us. */
struct store_retry {
    struct store_op op;
    struct aion_uuid id;
    struct store_token token;
    int64_t at_us, due_us;
    struct store_error error;
    const struct store_chunk *chunks; /* what the attempt had put out and was not stored yet */
    size_t count;
    enum store_outcome outcome; /* DONE, STALE */
};

/* The end of a task, once: a final state under the token of the attempt that brought it. Also
 * of tasks that never ran (token 0, 0): cancelled, expired, refused by the router. */
struct store_finish {
    struct store_op op;
    struct aion_uuid id;
    struct store_token token;
    enum store_state state;
    int64_t at_us;
    struct store_error error;
    struct store_usage usage;
    aion_str result;
    aion_str stream_digest;           /* 32 bytes or empty */
    const struct store_chunk *chunks; /* as in store_retry */
    size_t count;
    enum store_outcome outcome; /* DONE, STALE */
};

/* The reader has stored all chunks up to the cursor: they are deleted. Cursors only grow. */
struct store_ack {
    struct store_op op;
    struct aion_uuid id;
    uint64_t cursor;
    uint64_t acked;             /* out: the newest acknowledged */
    enum store_outcome outcome; /* DONE, STALE: no such task */
};

struct store_attempt {
    struct store_token token;
    aion_str host, module, module_digest;
    int64_t started_us, ended_us; /* 0 = running */
    struct store_error error;     /* code 0: none */
};

struct store_event {
    uint32_t kinds; /* bits of store_event_kind */
    uint32_t attempt;
    int64_t at_us;
    aion_str note;
};

/* One task as stored. */
struct store_task {
    struct aion_uuid id;
    uint64_t sequence;
    aion_str tenant, intent;
    enum store_state state;
    uint32_t priority;
    struct store_token token;
    int64_t created_us, deadline_us, updated_us;
    int64_t due_us;          /* RETRY_WAIT */
    uint64_t cursor;         /* newest chunk, 0 = none */
    uint64_t chunk_sequence; /* store_load: newest chunk of the attempt in token */
    uint64_t acked;          /* chunks up to here are gone */
    struct store_error error;
    struct store_usage usage;
    aion_str host; /* store_load: of the attempt in token */
    aion_str meta, decision, result, stream_digest;
    aion_str body; /* with_body only */
    struct store_attempt *attempts;
    size_t attempt_count;
    struct store_event *events;
    size_t event_count;
};

/* One task of one tenant. */
struct store_task_read {
    struct store_op op;
    aion_str tenant; /* empty: any (control's own reads) */
    struct aion_uuid id;
    bool with_body, with_history;
    /* out */
    bool found; /* another tenant's task is not found either */
    struct store_task task;
};

/* The task that an idempotency key stands for. */
struct store_key_read {
    struct store_op op;
    aion_str tenant, key;
    /* out */
    bool found;
    struct aion_uuid id;
    uint8_t digest[32];
};

/* A tenant's tasks, newest first, without body, result and history. */
struct store_list {
    struct store_op op;
    aion_str tenant;
    uint64_t before; /* sequence, exclusive; 0 = from the newest */
    uint32_t limit;  /* 1..1000 */
    uint32_t states; /* bit 1 << state; 0 = all */
    aion_str intent; /* empty = all */
    /* out */
    struct store_task *tasks;
    size_t count;
    uint64_t next; /* `before` of the next page, 0 = none. A page may be short, even empty, and
                    * have a next: a filter is tried on a bounded number of rows. */
};

/* Chunks of a task with cursor > after, oldest first; the caller has checked the tenant. */
struct store_chunks_read {
    struct store_op op;
    struct aion_uuid id;
    uint64_t after;
    uint32_t limit;   /* chunks, 1..1000 */
    size_t bytes_max; /* of payload; at least one chunk comes */
    /* out */
    struct store_chunk *chunks;
    size_t count;
    bool more;
};

/* Unfinished tasks in the order of admission, a page at a time, for a start: with meta and
 * decision, without body. */
struct store_load {
    struct store_op op;
    uint64_t after; /* sequence */
    uint32_t limit;
    /* out */
    struct store_task *tasks;
    size_t count;
    bool more;
};

STORE_OPERATION(accept, STORE_ACCEPT)
STORE_OPERATION(route, STORE_ROUTE)
STORE_OPERATION(start, STORE_START)
STORE_OPERATION(resume, STORE_RESUME)
STORE_OPERATION(chunks, STORE_CHUNKS)
STORE_OPERATION(retry, STORE_RETRY)
STORE_OPERATION(finish, STORE_FINISH)
STORE_OPERATION(ack, STORE_ACK)
STORE_OPERATION(task_read, STORE_TASK_READ)
STORE_OPERATION(key_read, STORE_KEY_READ)
STORE_OPERATION(list, STORE_LIST)
STORE_OPERATION(chunks_read, STORE_CHUNKS_READ)
STORE_OPERATION(load, STORE_LOAD)

#endif
