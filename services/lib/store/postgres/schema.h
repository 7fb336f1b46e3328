/* The tables: made, migrated, refused. What they mean: services/adr/0007-store-schema.md; which
 * there are: store_fact.h. */
#ifndef STORE_POSTGRES_SCHEMA_H
#define STORE_POSTGRES_SCHEMA_H

#include "store/postgres/wait.h"
#include "store/store.h"

struct pg_schema {
    const char *name;  /* of PostgreSQL's schema; the connection's search_path */
    const char *place; /* for messages */
    int64_t window_us; /* in: of a store that is made now; out: of this one */
    uint32_t version;
    bool created;
};

/* Brings the schema to ours, once, whoever else is doing the same. ADMIN connection.
 *
 *  - PRECONDITION: a newer AION's, or somebody else's tables. */
bool pg_schema_open(struct pg_wait *wait, struct pg_schema *schema, struct aion_err *err);

/* One table with its indexes: name and ending. */
bool pg_schema_table(struct pg_wait *wait, enum store_table table, const char *ending);
/* Taken by whoever changes tables, until its transaction ends. */
bool pg_schema_lock(struct pg_wait *wait);
/* Ends a transaction that failed; the failure stays. */
void pg_schema_roll_back(struct pg_wait *wait);

#endif
