/* A connection used by one thread that waits for what it sent: reads, leases, sweeps, whatever
 * is written straight. The first failure makes what follows fail quietly until pg_clear. */
#ifndef STORE_POSTGRES_WAIT_H
#define STORE_POSTGRES_WAIT_H

#include "store/postgres/conn.h"
#include "store/postgres/statement.h"

#include "base/arena.h"

#include <stdatomic.h>

struct pg_wait {
    struct pg_conn conn;
    const atomic_bool *stopping; /* the store is closing: nothing is waited for much longer */
    int64_t answer_us;           /* an answer must come within; the server gives up before */
};

enum { PG_CONNECT_US = 6000000, PG_ANSWER_US = 35000000, PG_STOP_US = 3000000 };

void pg_wait_init(struct pg_wait *wait, const struct pg_url *url, enum pg_role role,
                  const atomic_bool *stopping);
void pg_wait_done(struct pg_wait *wait);
/* Connects unless it is. False: the failure tells. */
bool pg_wait_connect(struct pg_wait *wait);

/* Sends a sync and waits until all that was sent is answered. False: something of it failed. */
bool pg_finish(struct pg_wait *wait);
/* A text of ours, alone. */
bool pg_exec(struct pg_wait *wait, const char *text);
/* The same, printed. */
bool pg_execf(struct pg_wait *wait, const char *format, ...) AION_PRINTF(2, 3);

/* -- rows --------------------------------------------------------------------------- */
struct pg_rows {
    struct pg_conn *conn;
    PGresult *result; /* NULL: failed, or not yet there */
    int row, rows, column;
};
static inline struct pg_rows pg_rows(struct pg_wait *wait)
{
    return (struct pg_rows){.conn = &wait->conn};
}
/* Sends the statement begun; its rows are there after pg_finish. */
bool pg_defer(struct pg_wait *wait, struct pg_statement statement, struct pg_rows *rows);
/* The same, and waits. */
bool pg_query(struct pg_wait *wait, struct pg_statement statement, struct pg_rows *rows);
/* A statement without rows that are wanted. *ret_count (may be NULL): how many it touched. */
bool pg_run(struct pg_wait *wait, struct pg_statement statement, uint64_t *ret_count);
/* One number by a text of ours: the first column of the first row; 0 if there is none. */
bool pg_ask(struct pg_wait *wait, const char *text, int64_t *ret_value);

bool pg_next(struct pg_rows *rows); /* false: that was all */
void pg_rows_done(struct pg_rows *rows);
/* Columns of the row, in order. NULL is 0 or empty. */
int64_t pg_get_i64(struct pg_rows *rows);
uint64_t pg_get_u64(struct pg_rows *rows);
/* Copied into the arena (NULL: borrowed until pg_rows_done); an arena that is full is a failure
 * of the connection. */
aion_str pg_get_str(struct pg_rows *rows, struct aion_arena *arena);
void pg_get_uuid(struct pg_rows *rows, struct aion_uuid *ret_id);
/* A bigint[] of one dimension; what is missing is 0. */
void pg_get_u64_array(struct pg_rows *rows, uint64_t *ret_values, size_t count);
bool pg_get_null(const struct pg_rows *rows); /* the next column is NULL; does not step */
void pg_skip(struct pg_rows *rows, int columns);

/* The result of a statement in `user`, a pg_rows. */
void pg_take_rows(void *user, PGresult *result);

#endif
