/* What router and retention keep, what holds hold, and what was asked for in vain. Included by
 * store.h. */
#include "store/store.h"

#ifndef STORE_STORE_ADMIN_H
#define STORE_STORE_ADMIN_H

struct store_policy {
    uint64_t ordinal;
    aion_str digest; /* text, "sha256:..." */
    int64_t at_us;
    aion_str by, cause;
    uint32_t rules, routes;
    aion_str files; /* bytes; not in listings */
};

/* A new revision, unless its digest is the newest one's: then that one is given back. */
struct store_policy_put {
    struct store_op op;
    struct store_policy
        policy;    /* ordinal is set by the store; when repeated, at_us and by too (arena) */
    bool repeated; /* out */
};
struct store_policy_list {
    struct store_op op;
    uint32_t limit; /* newest first */
    struct store_policy *policies;
    size_t count;
};
struct store_policy_read {
    struct store_op op;
    uint64_t ordinal; /* 0 = newest */
    bool found;
    struct store_policy policy;
};

/* -- retention ---------------------------------------------------------------------- */
struct store_plan {
    uint64_t revision; /* 0: no plan was ever put */
    int64_t keep_succeeded_us, keep_failed_us, keep_idempotency_us, sweep_every_us;
    int64_t changed_us;
    aion_str changed_by;
};
struct store_plan_put {
    struct store_op op;
    struct store_plan plan; /* revision is set by the store */
};
struct store_plan_read {
    struct store_op op;
    struct store_plan plan;
};

/* A step of retention: some work, never much at once; call it again while `more`.
 *
 * Everything of a task goes with its window (of its admission), so deletion is exact to one
 * window: a final task is due when it ended before its cutoff and its window is over before it.
 * What must stay of such a window (unfinished, ended later, the longer-kept kind, under a
 * retention hold) is moved aside first and goes later, alone. Refused admissions go with their
 * window, an own id with its task. Keys of idempotency and the outbox go by windows of their
 * own (sqlite: of keys, 24 of the store's windows). */
struct store_sweep {
    struct store_op op;
    int64_t succeeded_before_us, failed_before_us, keys_before_us; /* 0 = none is due */
    /* Of the outbox; rows that a registered cursor has not passed stay in any case. */
    int64_t events_before_us;
    uint32_t batch_max; /* tasks, about */
    bool dry_run;       /* counts all that a run to the end would delete now, in one go */
    /* out */
    uint64_t tasks, chunks, keys, events;
    bool more;
};

/* -- holds -------------------------------------------------------------------------- */
enum store_hold_kind {
    STORE_HOLD_QUEUE = 1,     /* control: such tasks are taken and not run */
    STORE_HOLD_RETENTION = 2, /* sweep: such tasks stay */
    STORE_HOLD_HOST = 3,      /* control: a host that an admin has drained, "host:ID" */
};

struct store_hold {
    aion_str id; /* 1..100 bytes */
    enum store_hold_kind kind;
    aion_str tenant, intent, route; /* empty = all */
    int64_t from_us, until_us;      /* of admission, [from, until); 0 = open */
    int64_t at_us;
    aion_str changed_by, reason;
};
/* Replaces the hold of the same id, or adds it. */
struct store_hold_put {
    struct store_op op;
    struct store_hold hold;
};
struct store_hold_drop {
    struct store_op op;
    aion_str id;
    bool found; /* out */
};
struct store_hold_list {
    struct store_op op;
    /* out, by id */
    struct store_hold *holds;
    size_t count;
};

/* -- arrivals ----------------------------------------------------------------------- */
/* What was asked for, with its verdict: what a preview of other limits runs over. Accepted ones
 * are read from their tasks; refused ones are told to the store. */
struct store_arrival {
    uint64_t seq; /* when: as a task's; unique */
    aion_str tenant, key_id, intent;
    uint32_t priority;
    uint64_t body_bytes;
    aion_str lane;     /* "durable", "direct" */
    aion_str reason;   /* of the refusal; empty: accepted */
    aion_str limit_id; /* which limit, or empty */
};
/* Refused admissions, many at once; lazy as a rule. Not fenced. */
struct store_arrivals {
    struct store_op op;
    const struct store_arrival *arrivals;
    size_t count;
};
/* Accepted and refused ones together, oldest first. */
struct store_arrivals_read {
    struct store_op op;
    uint64_t after, before; /* seq, exclusive; before 0 = to the newest */
    uint32_t limit;         /* 1..10000 */
    /* out */
    struct store_arrival *arrivals;
    size_t count;
    uint64_t next; /* `after` of the next page, 0 = none; a page may be short and have one */
};

STORE_OPERATION(policy_put, STORE_POLICY_PUT, op)
STORE_OPERATION(plan_put, STORE_PLAN_PUT, op)
STORE_OPERATION(sweep, STORE_SWEEP, op)
STORE_OPERATION(policy_list, STORE_POLICY_LIST, op)
STORE_OPERATION(policy_read, STORE_POLICY_READ, op)
STORE_OPERATION(plan_read, STORE_PLAN_READ, op)
STORE_OPERATION(hold_put, STORE_HOLD_PUT, op)
STORE_OPERATION(hold_drop, STORE_HOLD_DROP, op)
STORE_OPERATION(hold_list, STORE_HOLD_LIST, op)
STORE_OPERATION(arrivals, STORE_ARRIVALS, op)
STORE_OPERATION(arrivals_read, STORE_ARRIVALS_READ, op)

#endif
