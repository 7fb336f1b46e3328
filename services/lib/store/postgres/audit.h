/* Lines of audit. */
#ifndef STORE_POSTGRES_AUDIT_H
#define STORE_POSTGRES_AUDIT_H

#include "store/postgres/postgres_private.h"

/* In the caller's transaction. PG_CHAIN: it does not follow its writer's newest. A line that is
 * that newest one is there already, which is fine. */
bool pg_audit_add(struct pg_wait *wait, const struct store_audit *line);
/* The line that goes with an operation that was applied, if there is one. */
bool pg_audit_with(struct pg_wait *wait, struct store_op *op);

#endif
