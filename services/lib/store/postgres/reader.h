/* Reading operations. */
#ifndef STORE_POSTGRES_READER_H
#define STORE_POSTGRES_READER_H

#include "store/postgres/postgres_private.h"

/* One operation on a connection of its thread. False: the connection's failure tells. */
typedef bool pg_op_fn(struct pg_store *self, struct pg_wait *wait, struct store_op *op);
pg_op_fn pg_task_read, pg_key_read, pg_list, pg_load, pg_chunks_read, pg_events_read,
    pg_cursor_read, pg_budget_list, pg_balances, pg_audit_list, pg_audit_heads,
    pg_arrivals_read, pg_policy_list, pg_policy_read, pg_plan_read, pg_hold_list, pg_facts_read;

/* Raises `newest` of the shards of the set to their newest sequence in the windows that are
 * there, which must have been loaded in this transaction. */
bool pg_newest_events(struct pg_store *self, struct pg_wait *wait, uint64_t set,
                      uint64_t newest[STORE_SHARDS]);

/* count of size, cleared; NULL: a failure of the connection (the arena is full). */
void *pg_array(struct pg_wait *wait, struct aion_arena *arena, size_t count, size_t size);

/* A stretch of places whose tasks are in one set of tables. */
struct pg_stretch {
    int64_t window;         /* or PG_KEPT */
    uint64_t after, before; /* both exclusive */
};
/* The windows as stretches, oldest first, with those of the kept tables between them. The
 * caller frees. */
struct pg_stretch *pg_stretches(struct pg_store *self, bool unsealed_only, size_t *ret_count);

#endif
