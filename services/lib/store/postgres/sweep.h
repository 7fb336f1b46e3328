/* Retention. */
#ifndef STORE_POSTGRES_SWEEP_H
#define STORE_POSTGRES_SWEEP_H

#include "store/postgres/reader.h"

/* One step, in an open transaction: a window dropped, or some rows deleted. */
bool pg_sweep_step(struct pg_store *self, struct pg_wait *wait, struct store_op *op);
/* The newest sequence of each shard in a window of events; 0 = none. */
bool pg_read_tops(struct pg_wait *wait, int64_t number, uint64_t ret_top[STORE_SHARDS]);
/* What all steps together would delete; a read. */
pg_op_fn pg_sweep_count;

#endif
