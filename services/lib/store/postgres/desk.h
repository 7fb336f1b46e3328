/* Operations that are few and written straight, each a transaction of its own. */
#ifndef STORE_POSTGRES_DESK_H
#define STORE_POSTGRES_DESK_H

#include "store/postgres/reader.h"

/* In an open transaction; committed by the caller. */
pg_op_fn pg_lease, pg_cursor_put, pg_cursor_drop, pg_budget_put, pg_carve, pg_uncarve, pg_reap,
    pg_audit_put, pg_arrivals, pg_policy_put, pg_plan_put, pg_hold_put, pg_hold_drop,
    pg_facts_put;

/* Rows of the small tables. */
void pg_get_policy(struct pg_rows *rows, struct store_policy *policy, struct aion_arena *arena);
void pg_get_hold(struct pg_rows *rows, struct store_hold *hold, struct aion_arena *arena);
/* The newest plan; without an arena: without changed_by. */
bool pg_get_plan(struct pg_wait *wait, struct store_plan *plan, struct aion_arena *arena);

/* Makes the windows that an import's rows go to. */
bool pg_facts_windows(struct pg_store *self, struct pg_wait *wait, struct store_op *op);

/* Runs `work` for the operation in a transaction with its line of audit, until it is committed,
 * refused, or it is told that it cannot be known. Sets op->err. */
void pg_transact(struct pg_store *self, struct pg_wait *wait, struct store_op *op,
                 pg_op_fn *work);
void pg_desk_run(struct pg_worker *worker, struct store_op *op);

#endif
