/* The keeper: windows are there before they are needed, old ones are sealed, retention's steps
 * are made. What it does by itself may fail: it is tried again a moment later, and a write that
 * misses its window has it made by the mender. */
#include "store/postgres/keeper.h"
#include "base/clock.h"
#include "store/postgres/desk.h"
#include "store/postgres/schema.h"
#include "store/postgres/sweep.h"

#include <stdlib.h>

enum {
    IDLE_US = 10000000,
    IDLE_LEAST_US = 1000000,
    SEAL_EVERY_US = 600000000, /* looking for an unfinished task may read a whole window */
};

/* This window and the next one, of both kinds. */
bool pg_keep_ahead(struct pg_store *self, struct pg_wait *wait)
{
    int64_t now = pg_window_of(&self->windows, aion_clock_utc_us());
    for (int64_t number = now; number <= now + 1; number++)
        if (!pg_windows_ensure(&self->windows, wait, PG_BY_SEQ, number) ||
            !pg_windows_ensure(&self->windows, wait, PG_BY_TIME, number))
            return false;
    return true;
}

/* -- sealing ------------------------------------------------------------------------ */
static bool take_open(struct pg_wait *wait, const struct pg_window *window, bool *ret_open)
{
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_SEAL_TAKE));
    pg_put_i64(args, window->kind);
    pg_put_i64(args, window->number);
    bool read = pg_query(wait, pg_statement(PG_SEAL_TAKE), &rows);
    *ret_open = read && pg_next(&rows) && pg_get_i64(&rows) == PG_OPEN;
    pg_rows_done(&rows);
    return read;
}

static bool put_sealed(struct pg_wait *wait, const struct pg_window *window)
{
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_SEAL_PUT));
    pg_put_i64(args, window->kind);
    pg_put_i64(args, window->number);
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++) {
        pg_at(args, 2);
        pg_put_u64(args, window->top[shard]);
    }
    return pg_run(wait, pg_statement(PG_SEAL_PUT), NULL);
}

/* By place: no unfinished task. By time: how far its rows go. */
static bool may_seal(struct pg_wait *wait, struct pg_window *window, bool *ret_may)
{
    struct pg_statement statement = pg_windowed(PG_SEAL_CHECK, window->number);
    struct pg_rows rows;
    *ret_may = true;
    if (window->kind == PG_BY_TIME)
        return pg_read_tops(wait, window->number, window->top);
    pg_begin(&wait->conn, statement);
    bool read = pg_query(wait, statement, &rows);
    *ret_may = read && pg_next(&rows) && pg_get_i64(&rows) == 0;
    pg_rows_done(&rows);
    return read;
}

/* Whoever opens it again holds its row until he is done; so what is seen here is all. */
static bool seal(struct pg_wait *wait, struct pg_window *window)
{
    bool open = false, may = false;
    bool done = pg_exec(wait, "BEGIN") && take_open(wait, window, &open) &&
                (!open || may_seal(wait, window, &may)) && (!may || put_sealed(wait, window)) &&
                pg_exec(wait, "COMMIT");
    if (!done)
        pg_schema_roll_back(wait);
    return done;
}

static bool seal_old(struct pg_store *self, struct pg_wait *wait, enum pg_window_kind kind)
{
    size_t count;
    bool done = true;
    struct pg_window *list = pg_windows_copy(&self->windows, kind, &count);
    int64_t before_us = aion_clock_utc_us() - PG_SEAL_US;
    for (size_t i = 0; done && i < count; i++)
        if (list[i].state == PG_OPEN &&
            (list[i].number + 1) * self->windows.length_us < before_us)
            done = seal(wait, &list[i]);
    free(list);
    return done;
}

static void keep(struct pg_worker *worker)
{
    struct pg_store *self = worker->store;
    struct pg_wait *wait = &worker->wait;
    pg_clear(&wait->conn);
    if (!pg_wait_connect(wait) || !pg_windows_load(&self->windows, wait) ||
        !pg_keep_ahead(self, wait))
        return;
    int64_t now_us = aion_clock_mono_us();
    if (now_us < self->seal_us)
        return;
    self->seal_us = now_us + SEAL_EVERY_US;
    if (seal_old(self, wait, PG_BY_SEQ) && seal_old(self, wait, PG_BY_TIME))
        pg_windows_load(&self->windows, wait);
}

void pg_keeper_idle(struct pg_worker *worker)
{
    int64_t half_us = worker->store->windows.length_us / 2;
    keep(worker);
    if (half_us > IDLE_US)
        half_us = IDLE_US;
    worker->idle_until_us =
        aion_clock_mono_us() + (half_us > IDLE_LEAST_US ? half_us : IDLE_LEAST_US);
}

void pg_keeper_run(struct pg_worker *worker, struct store_op *op)
{
    struct pg_store *self = worker->store;
    struct pg_wait *wait = &worker->wait;
    struct aion_err err;
    pg_clear(&wait->conn);
    if (pg_wait_connect(wait) && pg_windows_load(&self->windows, wait)) {
        pg_transact(self, wait, op, pg_sweep_step);
        pg_clear(&wait->conn);
        pg_windows_load(&self->windows, wait);
        return;
    }
    pg_error(&wait->conn.failure, __func__, &err);
    store_op_fail(op, &err);
}
