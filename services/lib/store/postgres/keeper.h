/* Windows ahead of time, sealing, retention. */
#ifndef STORE_POSTGRES_KEEPER_H
#define STORE_POSTGRES_KEEPER_H

#include "store/postgres/postgres_private.h"

/* Makes the windows of now and of the next one. */
bool pg_keep_ahead(struct pg_store *self, struct pg_wait *wait);
void pg_keeper_idle(struct pg_worker *worker);
void pg_keeper_run(struct pg_worker *worker, struct store_op *op);

#endif
