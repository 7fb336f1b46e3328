/* One connection, always in libpq's pipeline mode and never blocking by itself: statements are
 * sent one after the other, their results come back in that order. Two ways of use: a loop
 * waits for the socket and pumps (loop.c), or one thread waits here for what it sent (wait.c).
 * One thread at a time.
 *
 * A row of statements up to a sync is one transaction of PostgreSQL unless BEGIN is among them:
 * it is committed when the sync's own answer comes. The first failure makes the server skip the
 * rest up to the sync. */
#ifndef STORE_POSTGRES_CONN_H
#define STORE_POSTGRES_CONN_H

#include "store/postgres/args.h"
#include "store/postgres/libpq.h"
#include "store/postgres/sqlstate.h"
#include "store/postgres/url.h"

/* A statement of ours and the window whose tables it is for (statement.h). */
struct pg_statement {
    uint32_t id;
    int64_t window;
};

/* What a result is given to. `result` is the callee's to clear; NULL: it failed or was skipped
 * (conn->failure tells), also when the connection is dropped. */
typedef void pg_result_fn(void *user, PGresult *result);

enum {
    PG_EXPECTED_MAX = 2048, /* results under way */
    PG_PREPARED_MAX = 128,  /* prepared statements of a connection */
};

enum pg_expected_kind { PG_EXPECT_ROWS, PG_EXPECT_PREPARED, PG_EXPECT_SYNC };
struct pg_expected {
    enum pg_expected_kind kind;
    uint32_t slot; /* PREPARED: which */
    pg_result_fn *fn;
    void *user;
};

struct pg_prepared {
    struct pg_statement statement;
    bool used;    /* the slot's name is taken on the server, or is about to be */
    uint64_t use; /* newest use: the oldest is given up */
};

enum pg_conn_state { PG_CLOSED, PG_CONNECTING, PG_READY };

struct pg_conn {
    const struct pg_url *url;
    enum pg_role role;
    enum pg_conn_state state;
    PGconn *pg;
    PostgresPollingStatusType polling; /* CONNECTING: what it waits for */
    struct pg_failure failure;         /* the first since pg_clear */
    struct pg_expected expected[PG_EXPECTED_MAX];
    size_t first, count;
    bool answered; /* the first expected has had its result; its end is due */
    struct pg_prepared prepared[PG_PREPARED_MAX];
    uint64_t uses;
    struct pg_args args; /* of the statement that is being made */
};

void pg_conn_init(struct pg_conn *conn, const struct pg_url *url, enum pg_role role);
void pg_conn_done(struct pg_conn *conn);

/* Begins to connect; then pg_conn_step whenever the socket is ready for what `polling` says,
 * until the state is READY or CLOSED (failure tells). The name of a host is looked up here,
 * blocking. */
void pg_conn_start(struct pg_conn *conn);
void pg_conn_step(struct pg_conn *conn);
/* Closes; what is expected is told. */
void pg_conn_drop(struct pg_conn *conn);
static inline int pg_conn_fd(const struct pg_conn *conn)
{
    return PQsocket(conn->pg);
}

static inline void pg_clear(struct pg_conn *conn)
{
    conn->failure.sqlstate[0] = '\0';
    conn->failure.message[0] = '\0';
}
static inline bool pg_failed(const struct pg_conn *conn)
{
    return conn->failure.sqlstate[0] != '\0';
}
/* Remembers a failure; returns false. */
bool pg_conn_fail(struct pg_conn *conn, const char *sqlstate, const char *message);

/* The args of a statement, to be filled row by row. */
struct pg_args *pg_begin(struct pg_conn *conn, struct pg_statement statement);
/* Sends the statement begun, prepared before it if need be. False: the connection is lost or
 * the args are bad; nothing was sent, fn is not called. */
bool pg_send(struct pg_conn *conn, struct pg_statement statement, pg_result_fn *fn, void *user);
/* A statement of one use, no parameters, results ignored. */
bool pg_send_text(struct pg_conn *conn, const char *text);
bool pg_send_text_rows(struct pg_conn *conn, const char *text, pg_result_fn *fn, void *user);
bool pg_send_sync(struct pg_conn *conn, pg_result_fn *fn, void *user);

/* Writes what waits. False: lost. *ret_more: the socket is full. */
bool pg_conn_flush(struct pg_conn *conn, bool *ret_more);
/* Takes what has come and hands out whole results. False: lost. */
bool pg_conn_pump(struct pg_conn *conn);

#endif
