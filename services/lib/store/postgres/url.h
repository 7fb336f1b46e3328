/* Where the database is: the store's URL, checked, as libpq's keywords. The password is kept
 * for libpq alone; what people are shown is `place`. */
#ifndef STORE_POSTGRES_URL_H
#define STORE_POSTGRES_URL_H

#include "base/err.h"
#include "base/str.h"

#include <stddef.h>

enum { PG_KEYWORDS_MAX = 48 };

/* What a connection is for: decides how its statements are planned and what it may do. */
enum pg_role {
    PG_WRITES, /* statements by key over arrays, never a scan */
    PG_READS,  /* a snapshot per operation, read-only */
    PG_ADMIN,  /* migrations, windows, sweeps: planned as PostgreSQL likes */
    PG_ROLES,
};

struct pg_url {
    char *keywords[PG_KEYWORDS_MAX + 1]; /* NULL behind the last; owned */
    char *values[PG_KEYWORDS_MAX + 1];
    size_t count;
    char place[200];      /* "database aion at db.example:5432 as user aion" */
    unsigned connections; /* writing ones: aion_connections=, 1..4 */
    char schema[48];      /* where our tables are: aion_schema=, "aion" */
};

/* `rest` is the URL behind its scheme: "//user:password@host:port/database?keyword=value", or
 * "keyword=value ..." as libpq reads it.
 * INVALID: it does not parse; the text never repeats what may be part of the password. */
bool pg_url_parse(aion_str rest, struct pg_url *ret_url, struct aion_err *err) AION_MUST_CHECK;
void pg_url_done(struct pg_url *url);

/* Keywords and values for PQconnectStartParams of one role. They borrow from url; options is
 * the caller's memory. */
enum { PG_OPTIONS_MAX = 1024 };
struct pg_keywords {
    const char *keywords[PG_KEYWORDS_MAX + 2];
    const char *values[PG_KEYWORDS_MAX + 2];
    char options[PG_OPTIONS_MAX];
};
/* False: the URL's own options are too long. */
bool pg_url_keywords(const struct pg_url *url, enum pg_role role, struct pg_keywords *ret);

#endif
