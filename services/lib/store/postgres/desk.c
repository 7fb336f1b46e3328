/* The desk: what is asked of it, and small things that are put and replaced. */
#include "store/postgres/desk.h"

#include "store/postgres/audit.h"

/* -- audit, cursors ----------------------------------------------------------------- */
/* The line is written with the operation, like any other's. */
bool pg_audit_put(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    (void)self;
    return base->audit != NULL ||
           pg_conn_fail(&wait->conn, PG_ODD, "a line of audit without a line");
}

/* The newest place of a cursor; its number is 0 when there is none. */
static bool read_cursor(struct pg_wait *wait, aion_str name, uint64_t *ret_number,
                        uint64_t sequence[STORE_SHARDS])
{
    struct pg_rows rows;
    *ret_number = 0;
    memset(sequence, 0, STORE_SHARDS * sizeof(sequence[0]));
    pg_put_name(pg_begin(&wait->conn, pg_statement(PG_CURSOR_READ)), name);
    bool read = pg_query(wait, pg_statement(PG_CURSOR_READ), &rows);
    if (read && pg_next(&rows)) {
        *ret_number = pg_get_u64(&rows);
        pg_get_u64_array(&rows, sequence, STORE_SHARDS);
    }
    pg_rows_done(&rows);
    return read;
}

/* Never back: a cursor that is put twice, or late, stays where it was. */
static void move_on(const struct store_cursor_put *op, uint64_t sequence[STORE_SHARDS])
{
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        if ((op->shards >> shard & 1) != 0 && op->sequence[shard] > sequence[shard])
            sequence[shard] = op->sequence[shard];
}

static bool add_cursor(struct pg_wait *wait, aion_str name, uint64_t number,
                       const uint64_t sequence[STORE_SHARDS])
{
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_CURSOR_ADD));
    pg_put_name(args, name);
    pg_put_u64(args, number);
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++) {
        pg_at(args, 2);
        pg_put_u64(args, sequence[shard]);
    }
    return pg_run(wait, pg_statement(PG_CURSOR_ADD), NULL);
}

enum { CURSOR_TRIM_EVERY = 64 };

static bool trim_cursor(struct pg_wait *wait, aion_str name, uint64_t number)
{
    if (number % CURSOR_TRIM_EVERY != 0)
        return true;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_CURSOR_TRIM));
    pg_put_name(args, name);
    pg_put_u64(args, number);
    return pg_run(wait, pg_statement(PG_CURSOR_TRIM), NULL);
}

bool pg_cursor_put(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    const struct store_cursor_put *op = aion_container(base, struct store_cursor_put, op);
    uint64_t number, sequence[STORE_SHARDS];
    (void)self;
    if (!read_cursor(wait, op->name, &number, sequence))
        return false;
    move_on(op, sequence);
    return add_cursor(wait, op->name, number + 1, sequence) &&
           trim_cursor(wait, op->name, number + 1);
}

bool pg_cursor_drop(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    (void)self;
    pg_put_name(pg_begin(&wait->conn, pg_statement(PG_CURSOR_DROP)),
                aion_container(base, struct store_cursor_drop, op)->name);
    return pg_run(wait, pg_statement(PG_CURSOR_DROP), NULL);
}

bool pg_cursor_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_cursor_read *op = aion_container(base, struct store_cursor_read, op);
    uint64_t number;
    (void)self;
    bool read = read_cursor(wait, op->name, &number, op->sequence);
    op->found = number > 0;
    return read;
}

/* -- policy and plan ---------------------------------------------------------------- */
/* Two puts at once would take the same number: the later one waits. */
static bool lock_revisions(struct pg_wait *wait)
{
    return pg_exec(wait, "LOCK TABLE policy, plan IN SHARE ROW EXCLUSIVE MODE");
}

void pg_get_policy(struct pg_rows *rows, struct store_policy *policy, struct aion_arena *arena)
{
    policy->ordinal = pg_get_u64(rows);
    policy->digest = pg_get_str(rows, arena);
    policy->at_us = pg_get_i64(rows);
    policy->by = pg_get_str(rows, arena);
    policy->cause = pg_get_str(rows, arena);
    policy->rules = (uint32_t)pg_get_i64(rows);
    policy->routes = (uint32_t)pg_get_i64(rows);
}

static bool add_policy(struct pg_wait *wait, const struct store_policy *policy)
{
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_POLICY_ADD));
    pg_put_u64(args, policy->ordinal);
    pg_put_text(args, policy->digest);
    pg_put_i64(args, policy->at_us);
    pg_put_text(args, policy->by);
    pg_put_text(args, policy->cause);
    pg_put_i64(args, policy->rules);
    pg_put_i64(args, policy->routes);
    pg_put_bytes(args, policy->files);
    return pg_run(wait, pg_statement(PG_POLICY_ADD), NULL);
}

bool pg_policy_put(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_policy_put *op = aion_container(base, struct store_policy_put, op);
    struct store_policy newest = {.files = op->policy.files};
    struct pg_rows rows;
    (void)self;
    if (!lock_revisions(wait))
        return false;
    pg_begin(&wait->conn, pg_statement(PG_POLICY_NEWEST));
    bool read = pg_query(wait, pg_statement(PG_POLICY_NEWEST), &rows);
    if (read && pg_next(&rows))
        pg_get_policy(&rows, &newest, base->arena);
    pg_rows_done(&rows);
    op->repeated = newest.ordinal > 0 && aion_str_eq(newest.digest, op->policy.digest);
    if (op->repeated)
        op->policy = newest;
    else
        op->policy.ordinal = newest.ordinal + 1;
    return read && !pg_failed(&wait->conn) && (op->repeated || add_policy(wait, &op->policy));
}

bool pg_get_plan(struct pg_wait *wait, struct store_plan *plan, struct aion_arena *arena)
{
    struct pg_rows rows;
    *plan = (struct store_plan){0};
    pg_begin(&wait->conn, pg_statement(PG_PLAN_READ));
    bool read = pg_query(wait, pg_statement(PG_PLAN_READ), &rows);
    if (read && pg_next(&rows)) {
        plan->revision = pg_get_u64(&rows);
        plan->changed_us = pg_get_i64(&rows);
        plan->changed_by = pg_get_str(&rows, arena);
        if (arena == NULL)
            plan->changed_by = (aion_str){0};
        plan->keep_succeeded_us = pg_get_i64(&rows);
        plan->keep_failed_us = pg_get_i64(&rows);
        plan->keep_idempotency_us = pg_get_i64(&rows);
        plan->sweep_every_us = pg_get_i64(&rows);
    }
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}

bool pg_plan_put(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_plan_put *op = aion_container(base, struct store_plan_put, op);
    struct store_plan newest;
    (void)self;
    if (!lock_revisions(wait) || !pg_get_plan(wait, &newest, NULL))
        return false;
    op->plan.revision = newest.revision + 1;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_PLAN_ADD));
    pg_put_u64(args, op->plan.revision);
    pg_put_i64(args, op->plan.changed_us);
    pg_put_text(args, op->plan.changed_by);
    pg_put_i64(args, op->plan.keep_succeeded_us);
    pg_put_i64(args, op->plan.keep_failed_us);
    pg_put_i64(args, op->plan.keep_idempotency_us);
    pg_put_i64(args, op->plan.sweep_every_us);
    return pg_run(wait, pg_statement(PG_PLAN_ADD), NULL);
}

/* -- holds and budgets -------------------------------------------------------------- */
bool pg_hold_put(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    const struct store_hold *hold = &aion_container(base, struct store_hold_put, op)->hold;
    (void)self;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_HOLD_PUT));
    pg_put_name(args, hold->id);
    pg_put_i64(args, hold->kind);
    pg_put_name(args, hold->tenant);
    pg_put_name(args, hold->intent);
    pg_put_name(args, hold->route);
    pg_put_i64(args, hold->from_us);
    pg_put_i64(args, hold->until_us);
    pg_put_i64(args, hold->at_us);
    pg_put_text(args, hold->changed_by);
    pg_put_text(args, hold->reason);
    return pg_run(wait, pg_statement(PG_HOLD_PUT), NULL);
}

bool pg_hold_drop(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_hold_drop *op = aion_container(base, struct store_hold_drop, op);
    uint64_t dropped = 0;
    (void)self;
    pg_put_name(pg_begin(&wait->conn, pg_statement(PG_HOLD_DROP)), op->id);
    bool done = pg_run(wait, pg_statement(PG_HOLD_DROP), &dropped);
    op->found = dropped > 0;
    return done;
}

bool pg_budget_put(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    const struct store_budget *budget =
        &aion_container(base, struct store_budget_put, op)->budget;
    (void)self;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_BUDGET_PUT));
    pg_put_name(args, budget->id);
    pg_put_name(args, budget->tenant);
    pg_put_name(args, budget->key_id);
    pg_put_name(args, budget->intent);
    pg_put_text(args, budget->period);
    pg_put_i64(args, budget->limit_nano_usd);
    pg_put_i64(args, budget->at_us);
    pg_put_text(args, budget->changed_by);
    pg_put_i64(args, budget->removed);
    return pg_run(wait, pg_statement(PG_BUDGET_PUT), NULL);
}

/* -- arrivals ----------------------------------------------------------------------- */
static void put_arrival(struct pg_args *args, const struct store_arrival *arrival)
{
    pg_at(args, 0);
    pg_put_u64(args, arrival->seq);
    pg_put_text(args, arrival->tenant);
    pg_put_text(args, arrival->key_id);
    pg_put_text(args, arrival->intent);
    pg_put_i64(args, arrival->priority);
    pg_put_u64(args, arrival->body_bytes);
    pg_put_text(args, arrival->lane);
    pg_put_text(args, arrival->reason);
    pg_put_text(args, arrival->limit_id);
}

static size_t same_window(struct pg_store *self, const struct store_arrivals *op, size_t from)
{
    int64_t window = pg_window_of(&self->windows, store_seq_us(op->arrivals[from].seq));
    size_t to = from;
    while (to < op->count &&
           pg_window_of(&self->windows, store_seq_us(op->arrivals[to].seq)) == window)
        to++;
    return to;
}

static bool put_run(struct pg_wait *wait, const struct store_arrivals *op, size_t from,
                    size_t to, int64_t window)
{
    struct pg_statement statement = pg_windowed(PG_ARRIVAL_ADD, window);
    struct pg_args *args = pg_begin(&wait->conn, statement);
    for (size_t i = from; i < to; i++)
        put_arrival(args, &op->arrivals[i]);
    return pg_run(wait, statement, NULL);
}

/* A run of arrivals of one window at a time. Windows that are not there yet are made before
 * (pg_desk_run); what comes for one that is dropped has gone with it. */
bool pg_arrivals(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    const struct store_arrivals *op = aion_container(base, struct store_arrivals, op);
    for (size_t from = 0, to; from < op->count; from = to) {
        int64_t window = pg_windows_place(&self->windows, op->arrivals[from].seq);
        to = same_window(self, op, from);
        if (window != PG_KEPT && !put_run(wait, op, from, to, window))
            return false;
    }
    return true;
}

/* In transactions of their own, before the operation's. */
static bool make_windows(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    const struct store_arrivals *op = aion_container(base, struct store_arrivals, op);
    for (size_t from = 0; base->kind == STORE_ARRIVALS && from < op->count;
         from = same_window(self, op, from))
        if (!pg_windows_ensure(
                &self->windows, wait, PG_BY_SEQ,
                pg_window_of(&self->windows, store_seq_us(op->arrivals[from].seq))))
            return false;
    return base->kind != STORE_FACTS_PUT || pg_facts_windows(self, wait, base);
}

/* -- the desk ----------------------------------------------------------------------- */
static pg_op_fn *const works[STORE_KINDS] = {
    [STORE_LEASE] = pg_lease,
    [STORE_CURSOR_PUT] = pg_cursor_put,
    [STORE_CURSOR_DROP] = pg_cursor_drop,
    [STORE_BUDGET_PUT] = pg_budget_put,
    [STORE_CARVE] = pg_carve,
    [STORE_UNCARVE] = pg_uncarve,
    [STORE_REAP] = pg_reap,
    [STORE_AUDIT_PUT] = pg_audit_put,
    [STORE_ARRIVALS] = pg_arrivals,
    [STORE_POLICY_PUT] = pg_policy_put,
    [STORE_PLAN_PUT] = pg_plan_put,
    [STORE_HOLD_PUT] = pg_hold_put,
    [STORE_HOLD_DROP] = pg_hold_drop,
    [STORE_FACTS_PUT] = pg_facts_put,
};

void pg_desk_run(struct pg_worker *worker, struct store_op *op)
{
    struct pg_store *self = worker->store;
    struct pg_wait *wait = &worker->wait;
    struct aion_err err;
    pg_clear(&wait->conn);
    if (pg_wait_connect(wait) && make_windows(self, wait, op)) {
        pg_transact(self, wait, op, works[op->kind]);
        return;
    }
    pg_error(&wait->conn.failure, __func__, &err);
    store_op_fail(op, &err);
}
