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

/* -- sweep -------------------------------------------------------------------------- */
enum {
    SWEEP_TASKS_MAX = 10000,
    /* A task of very much output ends the batch early: one commit must stay short. */
    SWEEP_CHUNKS_MAX = 20000,
};

static bool drop(struct sqlite_conn *conn, enum sql_id statement, uint64_t task,
                 uint64_t *counter)
{
    struct sql_use use = sql_use(conn, statement);
    sql_u64(&use, task);
    if (!sql_run(&use))
        return false;
    if (counter != NULL)
        *counter += (uint64_t)sql_changes(conn);
    return true;
}

static bool drop_task(struct sqlite_conn *conn, uint64_t task, struct store_sweep *op)
{
    static const enum sql_id tables[] = {SQL_DROP_EVENTS, SQL_DROP_ATTEMPTS, SQL_DROP_ENDS,
                                         SQL_DROP_STREAM, SQL_DROP_DECISION, SQL_DROP_OUTCOME,
                                         SQL_DROP_TASK};
    for (size_t i = 0; i < aion_countof(tables); i++)
        if (!drop(conn, tables[i], task, NULL))
            return false;
    op->tasks++;
    return drop(conn, SQL_DROP_CHUNKS, task, &op->chunks);
}

static bool find_due(struct sqlite_conn *conn, bool failed, int64_t before_us, uint64_t *tasks,
                     size_t tasks_max, size_t *ret_count)
{
    struct sql_use use = sql_use(conn, SQL_DUE_TASKS);
    sql_i64(&use, failed);
    sql_i64(&use, before_us);
    sql_u64(&use, tasks_max);
    *ret_count = 0;
    while (*ret_count < tasks_max && sql_row(&use))
        tasks[(*ret_count)++] = sql_get_u64(&use);
    return sql_end(&use);
}

static bool is_full(const struct store_sweep *op)
{
    return op->tasks >= op->batch_max || op->chunks >= SWEEP_CHUNKS_MAX;
}

/* Finds a few, deletes them, until nothing is due or the batch is full. */
static bool sweep_kind(struct sqlite_conn *conn, struct store_sweep *op, bool failed,
                       int64_t before_us)
{
    uint64_t due[64];
    size_t count = 1;
    while (count > 0 && !is_full(op)) {
        size_t room = op->batch_max - (size_t)op->tasks;
        if (!find_due(conn, failed, before_us, due,
                      room < aion_countof(due) ? room : aion_countof(due), &count))
            return false;
        for (size_t i = 0; i < count && !is_full(op); i++)
            if (!drop_task(conn, due[i], op))
                return false;
    }
    return true;
}

static bool sweep_keys(struct sqlite_conn *conn, struct store_sweep *op)
{
    struct sql_use use = sql_use(conn, SQL_DROP_KEYS);
    sql_i64(&use, op->keys_before_us);
    sql_u64(&use, op->batch_max);
    if (!sql_run(&use))
        return false;
    op->keys = (uint64_t)sql_changes(conn);
    return true;
}

static bool count_due(struct sqlite_conn *conn, enum sql_id query, int failed,
                      int64_t before_us, uint64_t *counter)
{
    struct sql_use use = sql_use(conn, query);
    if (failed >= 0)
        sql_i64(&use, failed);
    sql_i64(&use, before_us);
    *counter += sql_row(&use) ? sql_get_u64(&use) : 0;
    return sql_end(&use);
}

static bool count_all_due(struct sqlite_conn *conn, struct store_sweep *op)
{
    return count_due(conn, SQL_DUE_COUNT, 0, op->succeeded_before_us, &op->tasks) &&
           count_due(conn, SQL_DUE_COUNT, 1, op->failed_before_us, &op->tasks) &&
           count_due(conn, SQL_DUE_CHUNKS, 0, op->succeeded_before_us, &op->chunks) &&
           count_due(conn, SQL_DUE_CHUNKS, 1, op->failed_before_us, &op->chunks) &&
           count_due(conn, SQL_DUE_KEYS, -1, op->keys_before_us, &op->keys);
}

bool sqlite_sweep(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_sweep *op = aion_container(base, struct store_sweep, op);
    (void)self;
    op->tasks = op->chunks = op->keys = 0;
    op->more = false;
    if (op->batch_max == 0 || op->batch_max > SWEEP_TASKS_MAX)
        op->batch_max = SWEEP_TASKS_MAX;
    if (op->dry_run)
        return count_all_due(conn, op);
    if (!sweep_kind(conn, op, false, op->succeeded_before_us) ||
        !sweep_kind(conn, op, true, op->failed_before_us) || !sweep_keys(conn, op))
        return false;
    op->more = is_full(op) || op->keys >= op->batch_max;
    return true;
}
