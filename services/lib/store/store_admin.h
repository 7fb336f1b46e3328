/* Operations on what router and retention keep: policy revisions, the plan, the sweep. Included
 * by store.h. */
#ifndef STORE_STORE_ADMIN_H
#define STORE_STORE_ADMIN_H

#include "store/store.h"

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

/* Deletes at most batch_max tasks that ended before the cutoffs, and as many keys older than
 * theirs. */
struct store_sweep {
    struct store_op op;
    int64_t succeeded_before_us, failed_before_us, keys_before_us;
    uint32_t batch_max;
    bool dry_run; /* counts all that is due, in one go */
    /* out */
    uint64_t tasks, chunks, keys;
    bool more;
};

STORE_OPERATION(policy_put, STORE_POLICY_PUT)
STORE_OPERATION(plan_put, STORE_PLAN_PUT)
STORE_OPERATION(sweep, STORE_SWEEP)
STORE_OPERATION(policy_list, STORE_POLICY_LIST)
STORE_OPERATION(policy_read, STORE_POLICY_READ)
STORE_OPERATION(plan_read, STORE_PLAN_READ)

#endif
