/* A transaction of one operation, to its certain end. A commit whose answer was lost is asked
 * for by the transaction's own number; so nothing is done twice, and nothing told that did not
 * happen. */
#include "base/clock.h"
#include "store/postgres/audit.h"
#include "store/postgres/desk.h"
#include "store/postgres/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SETTLE_US = 10000000, PAUSE_US = 50000, DEADLOCKS_MAX = 5 };

enum verdict { COMMITTED, ABORTED, NOT_KNOWN };

static void pause_us(int64_t us)
{
    struct timespec wait = {.tv_nsec = us * 1000};
    nanosleep(&wait, NULL);
}

/* Everything up to COMMIT; the number is 0 when nothing was written. */
static bool prepare(struct pg_store *self, struct pg_wait *wait, struct store_op *op,
                    pg_op_fn *work, int64_t *ret_number)
{
    return pg_exec(wait, "BEGIN") && work(self, wait, op) && pg_audit_with(wait, op) &&
           pg_ask(wait, "SELECT pg_current_xact_id_if_assigned()::text::bigint", ret_number);
}

static bool ask_status(struct pg_wait *wait, int64_t number, enum verdict *ret_verdict,
                       bool *ret_over)
{
    char text[128];
    int64_t status;
    snprintf(text, sizeof(text),
             "SELECT CASE pg_xact_status('%lld'::xid8) WHEN 'committed' THEN 1 WHEN 'aborted' "
             "THEN 2 WHEN 'in progress' THEN 3 ELSE 4 END",
             (long long)number);
    if (!pg_ask(wait, text, &status)) {
        /* a number that the server has not reached: it was lost in a crash */
        *ret_over = strcmp(wait->conn.failure.sqlstate, "22023") == 0;
        *ret_verdict = ABORTED;
        return *ret_over;
    }
    *ret_over = status != 3;
    *ret_verdict = status == 1 ? COMMITTED : status == 2 ? ABORTED : NOT_KNOWN;
    return true;
}

/* What became of a transaction whose COMMIT was not answered. */
static enum verdict find_out(struct pg_wait *wait, int64_t number, int64_t until_us)
{
    enum verdict verdict = NOT_KNOWN;
    bool over = false;
    while (!over && aion_clock_mono_us() < until_us && !atomic_load(wait->stopping)) {
        pg_clear(&wait->conn);
        if (!pg_wait_connect(wait) || !ask_status(wait, number, &verdict, &over) || !over)
            pause_us(PAUSE_US);
    }
    return over ? verdict : NOT_KNOWN;
}

static void fail(struct pg_store *self, struct pg_wait *wait, struct store_op *op)
{
    struct aion_err err;
    pg_error(&wait->conn.failure, __func__, &err);
    store_op_fail(op, &err);
    if (pg_trouble(&wait->conn.failure) == PG_ENVIRONMENT)
        atomic_store(&self->healthy, false);
}

static void fail_unclear(struct pg_wait *wait, struct store_op *op)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_UNAVAILABLE,
                 "the connection to PostgreSQL was lost while it committed: read what is there "
                 "before you do it again");
    aion_err_reason(&err, "STORE_UNCLEAR");
    aion_err_detail(&err, "postgres %s: %s", wait->conn.failure.sqlstate,
                    wait->conn.failure.message);
    store_op_fail(op, &err);
}

/* A failed try. True: it may be done again. */
static bool may_repeat(struct pg_store *self, struct pg_wait *wait, int tries)
{
    enum pg_trouble trouble = pg_trouble(&wait->conn.failure);
    if (trouble == PG_CONNECTION)
        pg_conn_drop(&wait->conn);
    else
        pg_schema_roll_back(wait);
    if (tries >= DEADLOCKS_MAX || atomic_load(wait->stopping))
        return false;
    if (trouble == PG_WINDOW) {
        struct pg_failure failure = wait->conn.failure;
        pg_clear(&wait->conn);
        bool loaded = pg_windows_load(&self->windows, wait);
        if (!loaded)
            wait->conn.failure = failure;
        return loaded;
    }
    return trouble == PG_AGAIN || (trouble == PG_CONNECTION && tries == 0);
}

enum end { DONE, AGAIN, OVER };

static enum end try_once(struct pg_store *self, struct pg_wait *wait, struct store_op *op,
                         pg_op_fn *work, int tries)
{
    int64_t number = 0;
    pg_clear(&wait->conn);
    if (!pg_wait_connect(wait) || !prepare(self, wait, op, work, &number)) {
        if (may_repeat(self, wait, tries))
            return AGAIN;
        fail(self, wait, op);
        return OVER;
    }
    if (pg_exec(wait, "COMMIT"))
        return DONE;
    if (wait->conn.state == PG_READY || number == 0) /* refused, or nothing was at stake */
        return may_repeat(self, wait, tries) ? AGAIN : (fail(self, wait, op), OVER);
    switch (find_out(wait, number, aion_clock_mono_us() + SETTLE_US)) {
    case COMMITTED:
        return DONE;
    case ABORTED:
        return tries < DEADLOCKS_MAX ? AGAIN : (fail(self, wait, op), OVER);
    case NOT_KNOWN:
    default:
        fail_unclear(wait, op);
        return OVER;
    }
}

void pg_transact(struct pg_store *self, struct pg_wait *wait, struct store_op *op,
                 pg_op_fn *work)
{
    enum end end = AGAIN;
    int64_t begun_us = aion_clock_mono_us();
    for (int tries = 0; end == AGAIN; tries++)
        end = try_once(self, wait, op, work, tries);
    if (end == DONE)
        atomic_store(&self->healthy, true);
    pg_count_commit(self, end == DONE, 1, aion_clock_mono_us() - begun_us);
}
