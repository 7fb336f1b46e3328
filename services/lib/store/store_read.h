/* Tasks as they are read. Included by store.h. */
#include "store/store.h"

#ifndef STORE_STORE_READ_H
#define STORE_STORE_READ_H

struct store_attempt {
    struct store_token token;
    aion_str host, module, module_digest;
    int64_t started_us, ended_us; /* 0 = running */
    bool doubt;                   /* it ended so */
    struct store_error error;     /* code 0: none */
};

/* A line of a task's history, made from its facts. */
struct store_event {
    uint32_t kinds; /* bits of store_event_kind */
    uint32_t attempt;
    int64_t at_us;
    aion_str note;
};

/* One task as stored. */
struct store_task {
    struct aion_uuid id;
    uint64_t seq;
    bool own_id;
    aion_str tenant, intent, key_id;
    enum store_state state;
    uint32_t priority;
    struct store_token token; /* of the last attempt */
    int64_t created_us, deadline_us;
    int64_t updated_us;       /* of the newest of: admission, decision, attempt's start and end,
                               * HELD, RELEASED and RESOLVED marks, outcome */
    int64_t due_us;           /* RETRY_WAIT */
    uint64_t cursor;          /* newest chunk, 0 = none */
    uint64_t chunk_sequence;  /* store_load: newest chunk of the attempt in token */
    uint64_t acked;           /* chunks up to here are not given any more */
    uint32_t marks;           /* how many: the newest one's number */
    bool replayed;            /* DEAD and other final ones: has a mark REPLAYED */
    struct store_error error; /* of the outcome, else of the last attempt */
    struct store_usage usage;
    aion_str host; /* store_load: of the attempt in token */
    aion_str meta, result, stream_digest;
    struct store_decision decision;
    aion_str body;                  /* with_body only */
    struct store_attempt *attempts; /* with_history only, as events */
    size_t attempt_count;
    struct store_event *events; /* oldest first */
    size_t event_count;
};

/* One task of one tenant. */
struct store_task_read {
    struct store_op op;
    aion_str tenant; /* empty: any (control's own reads) */
    struct aion_uuid id;
    uint64_t seq; /* when it is known: the id is compared still; 0: found by the id */
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
    uint64_t seq;
    uint8_t digest[32];
};

/* Tasks, newest first, without body, result and history. */
struct store_list {
    struct store_op op;
    aion_str tenant; /* empty = all */
    uint64_t before; /* seq, exclusive; 0 = from the newest */
    uint64_t after;  /* seq, exclusive; 0 = to the oldest. Times: store_seq(us, 0) */
    uint32_t limit;  /* 1..1000 */
    uint32_t states; /* bit 1 << state; 0 = all */
    aion_str intent; /* empty = all */
    aion_str route;  /* empty = all */
    bool unreplayed; /* leaves out what has a mark REPLAYED: dead letters are DEAD and not that
                      */
    /* out */
    struct store_task *tasks;
    size_t count;
    uint64_t next; /* `before` of the next page, 0 = none. A page may be short, even empty, and
                    * have a next: a filter is tried on a bounded number of rows. */
};

/* Chunks of a task with cursor > after that are not acknowledged, oldest first; the caller has
 * checked the tenant. */
struct store_chunks_read {
    struct store_op op;
    uint64_t seq;
    uint64_t after;
    uint32_t limit;   /* chunks, 1..1000 */
    size_t bytes_max; /* of payload; at least one chunk comes */
    /* out */
    struct store_chunk *chunks;
    size_t count;
    bool more;
};

/* Unfinished tasks of some shards in the order of their places, a page at a time, for a start
 * or a takeover: with meta and decision, without body. Read after the lease that claimed the
 * shards, it sees everything that was ever acknowledged of them. */
struct store_load {
    struct store_op op;
    uint64_t shards; /* set */
    uint64_t after;  /* seq */
    uint32_t limit;
    /* out */
    struct store_task *tasks;
    size_t count;
    uint64_t next; /* `after` of the next page; a page may be short and have a next */
    bool more;
};

STORE_OPERATION(task_read, STORE_TASK_READ, op)
STORE_OPERATION(key_read, STORE_KEY_READ, op)
STORE_OPERATION(list, STORE_LIST, op)
STORE_OPERATION(chunks_read, STORE_CHUNKS_READ, op)
STORE_OPERATION(load, STORE_LOAD, op)

#endif
