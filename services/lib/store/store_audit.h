/* The audit log: who did what, with what result. Included by store.h.
 *
 * A chain per writer: numbers from 1 without holes, each line with the hash of the one before.
 * Any write may carry a line (store_op.audit): it is inserted in the write's transaction
 * exactly when the write is DONE (operations without an outcome: when they did not fail). So
 * that a chain has no holes, a writer has at most one such write under way; what was refused,
 * failed or changed nothing is put by store_audit_put with the number that was left over. The
 * store checks that the line follows the newest one of its writer and fails the operation
 * (PRECONDITION, reason AUDIT_CHAIN) when it does not; it knows nothing of how hashes are made.
 */
#include "store/store.h"

#ifndef STORE_STORE_AUDIT_H
#define STORE_STORE_AUDIT_H

struct store_audit {
    aion_str writer;
    uint64_t number;     /* 1, 2, ... per writer */
    aion_str prev, hash; /* 32 bytes; prev of number 1: empty */
    int64_t at_us;
    aion_str actor, role;
    aion_str action, target; /* "Budgets.SetBudget", "tenant/acme" */
    aion_str result;         /* "done", "denied", "no_op", "failed" */
    aion_str reason;
    aion_str body; /* what was asked for, the caller's form; up to 64 KiB */
};

/* A line alone: of denials, no-ops, failures. */
struct store_audit_put {
    struct store_op op; /* op.audit is the line */
};

/* Newest first: of one writer by number, of all by time. */
struct store_audit_list {
    struct store_op op;
    aion_str writer;           /* empty = all */
    aion_str actor, action;    /* empty = all */
    int64_t from_us, until_us; /* at_us in [from, until); 0 = open */
    /* The page after a line: its at_us, writer and number; number 0 = the first page. */
    int64_t before_us;
    aion_str before_writer;
    uint64_t before_number;
    uint32_t limit;    /* 1..1000 */
    bool oldest_first; /* of one writer only: ascending, `before_number` is exclusive upwards */
    /* out */
    struct store_audit *lines;
    size_t count;
    bool more;
};

struct store_audit_head {
    aion_str writer;
    uint64_t number;
    uint8_t hash[32];
    int64_t at_us;
};
/* The newest line of every writer. */
struct store_audit_heads {
    struct store_op op;
    /* out, by writer */
    struct store_audit_head *heads;
    size_t count;
};

STORE_OPERATION(audit_put, STORE_AUDIT_PUT, op)
STORE_OPERATION(audit_list, STORE_AUDIT_LIST, op)
STORE_OPERATION(audit_heads, STORE_AUDIT_HEADS, op)

#endif
