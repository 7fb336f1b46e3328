/* What PostgreSQL's five-letter codes mean for the caller of an operation. */
#ifndef STORE_POSTGRES_SQLSTATE_H
#define STORE_POSTGRES_SQLSTATE_H

#include "base/err.h"

enum { PG_MESSAGE = 200 };

/* The first failure of a connection's use. */
struct pg_failure {
    char sqlstate[6];         /* "" = none */
    char message[PG_MESSAGE]; /* PostgreSQL's or libpq's words; for the log */
};
/* Our own codes, of class "AI", which PostgreSQL leaves to others. */
#define PG_LOST    "AI001" /* the connection broke or nothing came in time */
#define PG_TOO_BIG "AI002" /* a read met its arena's limit */
#define PG_ODD     "AI003" /* an answer that does not look as our statement makes it */
#define PG_CHAIN   "AI004" /* a line of audit that does not follow its writer's newest */
#define PG_RETRY   "40AI0" /* what was in the way is gone: the same again */

enum pg_trouble {
    PG_OPERATION, /* the operation itself was refused: only that one fails */
    PG_AGAIN, /* nothing was done; the same may succeed at once (deadlock, lock, shutdown) */
    PG_ENVIRONMENT, /* disk, memory, rights, standby: the whole batch fails */
    PG_CONNECTION,  /* whether it was done is not known */
    PG_WINDOW,      /* a window's table is not there (any more) */
};
enum pg_trouble pg_trouble(const struct pg_failure *failure);

void pg_fail(struct pg_failure *failure, const char *sqlstate, const char *message);
/* For the caller of an operation: names the mend, never the URL. */
void pg_error(const struct pg_failure *failure, const char *where, struct aion_err *err);
/* Why a connection could not be made; `text` is libpq's (verbose, so that it has the code). */
void pg_connect_failure(struct pg_failure *failure, const char *text);
void pg_connect_error(const struct pg_failure *failure, const char *place,
                      struct aion_err *err);

#endif
