/* Small things, read: policies, the plan, holds, budgets, arrivals. */
#include "store/postgres/desk.h"

#include <stdlib.h>

bool pg_policy_list(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_policy_list *op = aion_container(base, struct store_policy_list, op);
    struct pg_rows rows;
    (void)self;
    pg_put_u64(pg_begin(&wait->conn, pg_statement(PG_POLICY_LIST)), op->limit);
    op->count = 0;
    bool read = pg_query(wait, pg_statement(PG_POLICY_LIST), &rows);
    op->policies = pg_array(wait, base->arena, (size_t)rows.rows, sizeof(*op->policies));
    while (read && op->policies != NULL && pg_next(&rows))
        pg_get_policy(&rows, &op->policies[op->count++], base->arena);
    pg_rows_done(&rows);
    return !pg_failed(&wait->conn);
}

bool pg_policy_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_policy_read *op = aion_container(base, struct store_policy_read, op);
    struct pg_rows rows;
    (void)self;
    pg_put_u64(pg_begin(&wait->conn, pg_statement(PG_POLICY_READ)), op->ordinal);
    bool read = pg_query(wait, pg_statement(PG_POLICY_READ), &rows);
    op->found = read && pg_next(&rows);
    if (op->found) {
        pg_get_policy(&rows, &op->policy, base->arena);
        op->policy.files = pg_get_str(&rows, base->arena);
    }
    pg_rows_done(&rows);
    return !pg_failed(&wait->conn);
}

bool pg_plan_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    (void)self;
    return pg_get_plan(wait, &aion_container(base, struct store_plan_read, op)->plan,
                       base->arena);
}

void pg_get_hold(struct pg_rows *rows, struct store_hold *hold, struct aion_arena *arena)
{
    hold->id = pg_get_str(rows, arena);
    hold->kind = (enum store_hold_kind)pg_get_i64(rows);
    hold->tenant = pg_get_str(rows, arena);
    hold->intent = pg_get_str(rows, arena);
    hold->route = pg_get_str(rows, arena);
    hold->from_us = pg_get_i64(rows);
    hold->until_us = pg_get_i64(rows);
    hold->at_us = pg_get_i64(rows);
    hold->changed_by = pg_get_str(rows, arena);
    hold->reason = pg_get_str(rows, arena);
}

bool pg_hold_list(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_hold_list *op = aion_container(base, struct store_hold_list, op);
    struct pg_rows rows;
    (void)self;
    pg_begin(&wait->conn, pg_statement(PG_HOLD_LIST));
    op->count = 0;
    bool read = pg_query(wait, pg_statement(PG_HOLD_LIST), &rows);
    op->holds = pg_array(wait, base->arena, (size_t)rows.rows, sizeof(*op->holds));
    while (read && op->holds != NULL && pg_next(&rows))
        pg_get_hold(&rows, &op->holds[op->count++], base->arena);
    pg_rows_done(&rows);
    return !pg_failed(&wait->conn);
}

static void get_budget(struct pg_rows *rows, struct store_budget *budget,
                       struct aion_arena *arena)
{
    budget->id = pg_get_str(rows, arena);
    budget->tenant = pg_get_str(rows, arena);
    budget->key_id = pg_get_str(rows, arena);
    budget->intent = pg_get_str(rows, arena);
    budget->period = pg_get_str(rows, arena);
    budget->limit_nano_usd = pg_get_i64(rows);
    budget->at_us = pg_get_i64(rows);
    budget->changed_by = pg_get_str(rows, arena);
    budget->removed = pg_get_i64(rows) != 0;
}

bool pg_budget_list(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_budget_list *op = aion_container(base, struct store_budget_list, op);
    struct pg_rows rows;
    (void)self;
    pg_put_i64(pg_begin(&wait->conn, pg_statement(PG_BUDGET_LIST)), op->with_removed);
    op->count = 0;
    bool read = pg_query(wait, pg_statement(PG_BUDGET_LIST), &rows);
    op->budgets = pg_array(wait, base->arena, (size_t)rows.rows, sizeof(*op->budgets));
    while (read && op->budgets != NULL && pg_next(&rows))
        get_budget(&rows, &op->budgets[op->count++], base->arena);
    pg_rows_done(&rows);
    return !pg_failed(&wait->conn);
}

/* -- arrivals ----------------------------------------------------------------------- */
static void get_arrival(struct pg_rows *rows, struct store_arrival *arrival,
                        struct aion_arena *arena)
{
    arrival->seq = pg_get_u64(rows);
    arrival->tenant = pg_get_str(rows, arena);
    arrival->key_id = pg_get_str(rows, arena);
    arrival->intent = pg_get_str(rows, arena);
    arrival->priority = (uint32_t)pg_get_i64(rows);
    arrival->body_bytes = pg_get_u64(rows);
    arrival->lane = pg_get_str(rows, arena);
    arrival->reason = pg_get_str(rows, arena);
    arrival->limit_id = pg_get_str(rows, arena);
}

static bool read_stretch(struct pg_wait *wait, struct store_arrivals_read *op,
                         const struct pg_stretch *stretch, uint64_t before)
{
    struct pg_statement statement = pg_windowed(PG_ARRIVALS_READ, stretch->window);
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    pg_put_u64(args, op->after > stretch->after ? op->after : stretch->after);
    pg_put_u64(args, before < stretch->before ? before : stretch->before);
    pg_put_u64(args, op->limit - op->count);
    bool read = pg_query(wait, statement, &rows);
    while (read && pg_next(&rows))
        get_arrival(&rows, &op->arrivals[op->count++], op->op.arena);
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}

bool pg_arrivals_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_arrivals_read *op = aion_container(base, struct store_arrivals_read, op);
    uint64_t before = op->before > 0 && op->before < INT64_MAX ? op->before : INT64_MAX;
    size_t count;
    bool read = true;
    op->count = 0;
    op->arrivals = pg_array(wait, base->arena, op->limit, sizeof(*op->arrivals));
    if (op->arrivals == NULL)
        return false;
    struct pg_stretch *stretches = pg_stretches(self, false, &count);
    for (size_t i = 0; read && i < count && op->count < op->limit; i++)
        if (stretches[i].before > op->after + 1 && stretches[i].after + 1 < before)
            read = read_stretch(wait, op, &stretches[i], before);
    free(stretches);
    op->next = op->count == op->limit ? op->arrivals[op->count - 1].seq : 0;
    return read;
}
