/* Every statement of the driver: its text for the tables of one window, and its parameters'
 * types. Statements of one use (migrations, windows) stand where they are used.
 *
 * Writes on tasks are made up of pieces, by a shape (which fact) and flags (what hangs on it),
 * so that one statement carries all of a batch's writes of one shape:
 *
 *   WITH won AS (INSERT INTO the fact's table ... RETURNING seq),   those that went in
 *        ev  AS (INSERT INTO outbox ... of those in won),
 *        ...
 *   SELECT seq FROM won
 *
 * Whoever is not in won was refused by what the store holds; the mender finds out why. */
#ifndef STORE_POSTGRES_STATEMENT_H
#define STORE_POSTGRES_STATEMENT_H

#include "store/postgres/args.h"
#include "store/postgres/conn.h"
#include "store/postgres/sql.h"
#include "store/store.h"

enum { PG_TEXT_MAX = 16384, PG_TYPES_MAX = PG_COLUMNS_MAX + 1 };

/* In the order in which a transaction writes them: a task's later fact after its earlier. */
enum pg_shape {
    PG_SHAPE_ACCEPT,
    PG_SHAPE_ACCEPT_KEY, /* with an idempotency key */
    PG_SHAPE_ACCEPT_OWN, /* with an id that the client chose */
    PG_SHAPE_RECORD,     /* a task and its end at once */
    PG_SHAPE_ROUTE,
    PG_SHAPE_START,
    PG_SHAPE_CHUNKS,
    PG_SHAPE_RETRY,
    PG_SHAPE_MARK,
    PG_SHAPE_FINISH,
    PG_SHAPE_ACK,
    PG_SHAPES,
};
/* What hangs on the facts of a statement. */
enum {
    PG_WITH_EVENTS = 1,
    PG_WITH_ENTRIES = 2,
    PG_WITH_BEGINS = 4, /* retry: the attempt's row too */
    PG_WITH_CHUNKS = 8, /* retry, finish */
    PG_WITH_FLAGS = 16,
};
/* Where the parameters of each piece begin. */
struct pg_places {
    size_t keys, fact, events, entries, begins, chunks, count;
};
struct pg_places pg_places(enum pg_shape shape, unsigned flags);

enum { PG_KEPT = -1, PG_NO_WINDOW = -2 }; /* windows that are none */

enum pg_statement_id {
#define PG_STATEMENT_ID(name, types, text) PG_##name,
    PG_STATEMENTS(PG_STATEMENT_ID)
#undef PG_STATEMENT_ID
        PG_STATEMENT_COUNT,
    PG_IMPORT_FIRST = 512, /* + table */
    PG_DELETE_FIRST = 640, /* + table */
    PG_WRITE_FIRST = 1024, /* + shape * PG_WITH_FLAGS + flags */
};

static inline struct pg_statement pg_statement(enum pg_statement_id id)
{
    return (struct pg_statement){.id = id, .window = PG_NO_WINDOW};
}
static inline struct pg_statement pg_windowed(enum pg_statement_id id, int64_t window)
{
    return (struct pg_statement){.id = id, .window = window};
}
static inline struct pg_statement pg_write(enum pg_shape shape, unsigned flags, int64_t window)
{
    return (struct pg_statement){.id = PG_WRITE_FIRST + shape * PG_WITH_FLAGS + flags,
                                 .window = window};
}

/* The rows of some tasks in a window of a table by places. */
static inline struct pg_statement pg_delete(enum store_table table, int64_t window)
{
    return (struct pg_statement){.id = PG_DELETE_FIRST + table, .window = window};
}
/* Rows of a table as they are; those whose key is there are left out. */
static inline struct pg_statement pg_import(enum store_table table, int64_t window)
{
    return (struct pg_statement){.id = PG_IMPORT_FIRST + table, .window = window};
}

void pg_statement_types(struct pg_statement statement, char ret_types[PG_TYPES_MAX]);
void pg_statement_text(struct pg_statement statement, struct aion_buf *text);

#endif
