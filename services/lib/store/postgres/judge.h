/* Why a write was refused: read from what is there. */
#ifndef STORE_POSTGRES_JUDGE_H
#define STORE_POSTGRES_JUDGE_H

#include "store/postgres/postgres_private.h"

/* Sets the outcome of a write that was not applied: its own fact is there (a repeat: DONE), or
 * another one is. False: the failure tells; PG_RETRY: nothing is there that refuses it. */
bool pg_judge(struct pg_store *self, struct pg_wait *wait, struct pg_entry *entry);
/* An id that the client chose and that is a task's which the server named: then the outcome is
 * set. */
bool pg_id_is_taken(struct pg_store *self, struct pg_wait *wait, const struct pg_entry *entry,
                    bool *ret_taken);

#endif
