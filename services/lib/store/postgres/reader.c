/* Readers: each takes a read of its queue and answers it from one snapshot. A window that was
 * dropped meanwhile makes it begin anew with the list as it is now. */
#include "store/postgres/desk.h"
#include "store/postgres/sweep.h"

enum { TRIES = 3 };

static const struct reading {
    pg_op_fn *read;
    bool windows; /* goes through many: the list must be as new as the snapshot */
} readings[STORE_KINDS] = {
    [STORE_SWEEP] = {pg_sweep_count, true}, /* dry */
    [STORE_TASK_READ] = {pg_task_read, false},
    [STORE_KEY_READ] = {pg_key_read, false},
    [STORE_LIST] = {pg_list, true},
    [STORE_CHUNKS_READ] = {pg_chunks_read, false},
    [STORE_LOAD] = {pg_load, true},
    [STORE_EVENTS_READ] = {pg_events_read, true},
    [STORE_CURSOR_READ] = {pg_cursor_read, false},
    [STORE_BUDGET_LIST] = {pg_budget_list, false},
    [STORE_BALANCES] = {pg_balances, true},
    [STORE_AUDIT_LIST] = {pg_audit_list, false},
    [STORE_AUDIT_HEADS] = {pg_audit_heads, false},
    [STORE_ARRIVALS_READ] = {pg_arrivals_read, true},
    [STORE_POLICY_LIST] = {pg_policy_list, false},
    [STORE_POLICY_READ] = {pg_policy_read, false},
    [STORE_PLAN_READ] = {pg_plan_read, false},
    [STORE_HOLD_LIST] = {pg_hold_list, false},
    [STORE_FACTS_READ] = {pg_facts_read, true},
};

static bool read_once(struct pg_store *self, struct pg_wait *wait, struct store_op *op)
{
    const struct reading *reading = &readings[op->kind];
    pg_clear(&wait->conn);
    if (!pg_wait_connect(wait) || !pg_send_text(&wait->conn, "BEGIN"))
        return false;
    return (!reading->windows || pg_windows_load(&self->windows, wait)) &&
           reading->read(self, wait, op) && pg_exec(wait, "COMMIT");
}

static void end_read(struct pg_wait *wait)
{
    struct pg_failure failure = wait->conn.failure;
    if (pg_trouble(&failure) == PG_CONNECTION)
        pg_conn_drop(&wait->conn);
    if (wait->conn.state == PG_READY) {
        pg_clear(&wait->conn);
        pg_exec(wait, "ROLLBACK");
    }
    wait->conn.failure = failure;
}

/* A read may always be done again: a broken connection, a dropped window. */
static bool may_repeat(struct pg_store *self, struct pg_wait *wait)
{
    struct pg_failure failure = wait->conn.failure;
    switch (pg_trouble(&failure)) {
    case PG_CONNECTION:
    case PG_AGAIN:
        return true;
    case PG_WINDOW:
        pg_clear(&wait->conn);
        if (pg_windows_load(&self->windows, wait))
            return true;
        wait->conn.failure = failure;
        return false;
    case PG_ENVIRONMENT:
    case PG_OPERATION:
    default:
        return false;
    }
}

void pg_reader_run(struct pg_worker *worker, struct store_op *op)
{
    struct pg_store *self = worker->store;
    struct pg_wait *wait = &worker->wait;
    struct aion_err err;
    for (int tries = 0; tries < TRIES; tries++) {
        if (read_once(self, wait, op))
            return;
        end_read(wait);
        if (!may_repeat(self, wait))
            break;
    }
    pg_error(&wait->conn.failure, __func__, &err);
    store_op_fail(op, &err);
}
