/* Writes on tasks as parameters: many of one shape and window in one statement. Pure: nothing
 * is sent here. */
#ifndef STORE_POSTGRES_WRITE_TASK_H
#define STORE_POSTGRES_WRITE_TASK_H

#include "store/postgres/statement.h"
#include "store/store_private.h"

enum pg_shape pg_shape_of(const struct store_op *op);
/* Another task begins with it: where, it must have its window. */
bool pg_admits(const struct store_op *op);
/* The events that it tells: none, one, or with an admission two. */
unsigned pg_events_of(const struct store_op *op, const struct store_write *ret_writes[2]);
/* What hangs on it. */
unsigned pg_flags_of(const struct store_op *op);
/* About how much memory its parameters take. */
size_t pg_size_of(const struct store_op *op);
/* Adds one write to the args of its statement, begun with these flags (its own among them). */
void pg_put_write(struct pg_args *args, const struct pg_places *places, struct store_op *op);

#endif
