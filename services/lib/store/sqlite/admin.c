/* Policy revisions, the retention plan, and the sweep. */
#include "store/sqlite/sqlite_private.h"

/* -- policy ------------------------------------------------------------------------- */
static void get_policy(struct sql_use *use, struct store_policy *policy,
                       struct aion_arena *arena)
{
    policy->ordinal = sql_get_u64(use);
    policy->digest = sql_get_str(use, arena);
    policy->at_us = sql_get_i64(use);
    policy->by = sql_get_str(use, arena);
    policy->cause = sql_get_str(use, arena);
    policy->rules = (uint32_t)sql_get_i64(use);
    policy->routes = (uint32_t)sql_get_i64(use);
}

static bool add_policy(struct sqlite_conn *conn, const struct store_policy *policy)
{
    struct sql_use use = sql_use(conn, SQL_POLICY_ADD);
    sql_u64(&use, policy->ordinal);
    sql_text(&use, policy->digest);
    sql_i64(&use, policy->at_us);
    sql_text(&use, policy->by);
    sql_text(&use, policy->cause);
    sql_i64(&use, policy->rules);
    sql_i64(&use, policy->routes);
    sql_blob(&use, policy->files);
    return sql_run(&use);
}

bool sqlite_policy_put(struct sqlite_store *self, struct sqlite_conn *conn,
                       struct store_op *base)
{
    struct store_policy_put *op = aion_container(base, struct store_policy_put, op);
    (void)self;
    op->policy.ordinal = 1;
    op->repeated = false;
    struct sql_use newest = sql_use(conn, SQL_POLICY_LIST);
    sql_i64(&newest, 1);
    if (sql_row(&newest)) {
        struct store_policy stored = {.files = op->policy.files};
        get_policy(&newest, &stored, base->arena);
        op->policy.ordinal = stored.ordinal + 1;
        op->repeated = aion_str_eq(stored.digest, op->policy.digest);
        if (op->repeated)
            op->policy = stored;
    }
    return sql_end(&newest) && (op->repeated || add_policy(conn, &op->policy));
}

bool sqlite_policy_list(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_policy_list *op = aion_container(base, struct store_policy_list, op);
    (void)self;
    op->count = 0;
    op->policies = aion_arena_array(base->arena, op->limit, sizeof(*op->policies));
    if (op->policies == NULL)
        return sqlite_conn_failed(conn, SQLITE_TOOBIG);
    struct sql_use use = sql_use(conn, SQL_POLICY_LIST);
    sql_i64(&use, op->limit);
    while (op->count < op->limit && sql_row(&use))
        get_policy(&use, &op->policies[op->count++], base->arena);
    return sql_end(&use);
}

static bool newest_policy(struct sqlite_conn *conn, uint64_t *ret_ordinal)
{
    struct sql_use use = sql_use(conn, SQL_POLICY_LAST);
    *ret_ordinal = sql_row(&use) ? sql_get_u64(&use) : 0;
    return sql_end(&use);
}

bool sqlite_policy_read(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_policy_read *op = aion_container(base, struct store_policy_read, op);
    uint64_t ordinal = op->ordinal;
    (void)self;
    if (ordinal == 0 && !newest_policy(conn, &ordinal))
        return false;
    struct sql_use use = sql_use(conn, SQL_POLICY_READ);
    sql_u64(&use, ordinal);
    op->found = sql_row(&use);
    if (op->found) {
        get_policy(&use, &op->policy, base->arena);
        op->policy.files = sql_get_str(&use, base->arena);
    }
    return sql_end(&use);
}

/* -- plan --------------------------------------------------------------------------- */
static bool read_plan(struct sqlite_conn *conn, struct store_plan *plan,
                      struct aion_arena *arena)
{
    struct sql_use use = sql_use(conn, SQL_PLAN_READ);
    *plan = (struct store_plan){0};
    if (sql_row(&use)) {
        plan->revision = sql_get_u64(&use);
        plan->changed_us = sql_get_i64(&use);
        plan->changed_by = sql_get_str(&use, arena);
        plan->keep_succeeded_us = sql_get_i64(&use);
        plan->keep_failed_us = sql_get_i64(&use);
        plan->keep_idempotency_us = sql_get_i64(&use);
        plan->sweep_every_us = sql_get_i64(&use);
    }
    return sql_end(&use);
}

bool sqlite_plan_read(struct sqlite_store *self, struct sqlite_conn *conn,
                      struct store_op *base)
{
    struct store_plan_read *op = aion_container(base, struct store_plan_read, op);
    (void)self;
    return read_plan(conn, &op->plan, base->arena);
}

bool sqlite_plan_put(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_plan_put *op = aion_container(base, struct store_plan_put, op);
    struct store_plan last;
    (void)self;
    if (!read_plan(conn, &last, NULL))
        return false;
    op->plan.revision = last.revision + 1;
    struct sql_use use = sql_use(conn, SQL_PLAN_ADD);
    sql_u64(&use, op->plan.revision);
    sql_i64(&use, op->plan.changed_us);
    sql_text(&use, op->plan.changed_by);
    sql_i64(&use, op->plan.keep_succeeded_us);
    sql_i64(&use, op->plan.keep_failed_us);
    sql_i64(&use, op->plan.keep_idempotency_us);
    sql_i64(&use, op->plan.sweep_every_us);
    return sql_run(&use);
}

/* -- holds -------------------------------------------------------------------------- */
bool sqlite_hold_put(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    const struct store_hold *hold = &aion_container(base, struct store_hold_put, op)->hold;
    (void)self;
    struct sql_use use = sql_use(conn, SQL_HOLD_PUT);
    sql_text(&use, hold->id);
    sql_i64(&use, (int64_t)hold->kind);
    sql_text(&use, hold->tenant);
    sql_text(&use, hold->intent);
    sql_text(&use, hold->route);
    sql_i64(&use, hold->from_us);
    sql_i64(&use, hold->until_us);
    sql_i64(&use, hold->at_us);
    sql_text(&use, hold->changed_by);
    sql_text(&use, hold->reason);
    return sql_run(&use);
}

bool sqlite_hold_drop(struct sqlite_store *self, struct sqlite_conn *conn,
                      struct store_op *base)
{
    struct store_hold_drop *op = aion_container(base, struct store_hold_drop, op);
    (void)self;
    struct sql_use use = sql_use(conn, SQL_HOLD_DROP);
    sql_text(&use, op->id);
    if (!sql_run(&use))
        return false;
    op->found = sql_changes(conn) > 0;
    return true;
}

static void get_hold(struct sql_use *use, struct store_hold *hold, struct aion_arena *arena)
{
    hold->id = sql_get_str(use, arena);
    hold->kind = (enum store_hold_kind)sql_get_i64(use);
    hold->tenant = sql_get_str(use, arena);
    hold->intent = sql_get_str(use, arena);
    hold->route = sql_get_str(use, arena);
    hold->from_us = sql_get_i64(use);
    hold->until_us = sql_get_i64(use);
    hold->at_us = sql_get_i64(use);
    hold->changed_by = sql_get_str(use, arena);
    hold->reason = sql_get_str(use, arena);
}

bool sqlite_count(struct sqlite_conn *conn, enum sql_id id, size_t *ret_count)
{
    struct sql_use use = sql_use(conn, id);
    *ret_count = sql_row(&use) ? (size_t)sql_get_i64(&use) : 0;
    return sql_end(&use);
}

bool sqlite_hold_list(struct sqlite_store *self, struct sqlite_conn *conn,
                      struct store_op *base)
{
    struct store_hold_list *op = aion_container(base, struct store_hold_list, op);
    size_t count;
    (void)self;
    op->count = 0;
    if (!sqlite_count(conn, SQL_HOLD_COUNT, &count) ||
        (op->holds = sqlite_make_array(conn, base->arena, count, sizeof(*op->holds))) == NULL)
        return false;
    struct sql_use use = sql_use(conn, SQL_HOLD_LIST);
    while (op->count < count && sql_row(&use))
        get_hold(&use, &op->holds[op->count++], base->arena);
    return sql_end(&use);
}

/* -- arrivals ----------------------------------------------------------------------- */
static bool add_arrival(struct sqlite_conn *conn, const struct store_arrival *arrival)
{
    int64_t set;
    if (!sqlite_set_make(conn, arrival->seq, &set))
        return false;
    struct sql_use use = sql_use_in(conn, SQL_ARRIVAL_ADD, set);
    sql_u64(&use, arrival->seq);
    sql_text(&use, arrival->tenant);
    sql_text(&use, arrival->key_id);
    sql_text(&use, arrival->intent);
    sql_i64(&use, arrival->priority);
    sql_u64(&use, arrival->body_bytes);
    sql_text(&use, arrival->lane);
    sql_text(&use, arrival->reason);
    sql_text(&use, arrival->limit_id);
    return sql_run(&use);
}

bool sqlite_arrivals(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    const struct store_arrivals *op = aion_container(base, struct store_arrivals, op);
    (void)self;
    for (size_t i = 0; i < op->count; i++)
        if (!add_arrival(conn, &op->arrivals[i]))
            return false;
    return true;
}

static void get_arrival(struct sql_use *use, struct store_arrival *arrival,
                        struct aion_arena *arena)
{
    arrival->seq = sql_get_u64(use);
    arrival->tenant = sql_get_str(use, arena);
    arrival->key_id = sql_get_str(use, arena);
    arrival->intent = sql_get_str(use, arena);
    arrival->priority = (uint32_t)sql_get_i64(use);
    arrival->body_bytes = sql_get_u64(use);
    arrival->lane = sql_get_str(use, arena);
    arrival->reason = sql_get_str(use, arena);
    arrival->limit_id = sql_get_str(use, arena);
}

static bool read_arrivals(struct sqlite_conn *conn, struct store_arrivals_read *op, int64_t set,
                          uint64_t after)
{
    struct sql_use use = sql_use_in(conn, SQL_ARRIVAL_READ, set);
    sql_u64(&use, after);
    sql_u64(&use, op->before > 0 ? op->before : INT64_MAX);
    sql_i64(&use, (int64_t)(op->limit - op->count));
    while (op->count < op->limit && sql_row(&use))
        get_arrival(&use, &op->arrivals[op->count++], op->op.arena);
    return sql_end(&use);
}

/* Kept tasks are older than all windows'. */
bool sqlite_arrivals_read(struct sqlite_store *self, struct sqlite_conn *conn,
                          struct store_op *base)
{
    struct store_arrivals_read *op = aion_container(base, struct store_arrivals_read, op);
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    (void)self;
    op->count = 0;
    op->next = 0;
    op->arrivals = sqlite_make_array(conn, base->arena, op->limit, sizeof(*op->arrivals));
    if (op->arrivals == NULL || !read_arrivals(conn, op, SQLITE_KEPT, op->after))
        return false;
    for (size_t i = 0; i < windows->count && op->count < op->limit; i++)
        if (!read_arrivals(conn, op, windows->items[i].number,
                           op->after > windows->items[i].moved ? op->after
                                                               : windows->items[i].moved))
            return false;
    if (op->count == op->limit)
        op->next = op->arrivals[op->count - 1].seq;
    return true;
}
