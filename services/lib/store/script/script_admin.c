/* Policy revisions, plan, holds and the sweep in memory. Rows live as long as the store: what
 * is given from here is not copied. */
#include "store/script/script_private.h"

/* -- policy ------------------------------------------------------------------------- */
static struct store_policy policy_of(const struct script_row *row)
{
    return (struct store_policy){
        .ordinal = script_u64(row, POLICY_ordinal),
        .digest = script_str(row, POLICY_digest),
        .at_us = script_i64(row, POLICY_at_us),
        .by = script_str(row, POLICY_changed_by),
        .cause = script_str(row, POLICY_cause),
        .rules = (uint32_t)script_i64(row, POLICY_rules),
        .routes = (uint32_t)script_i64(row, POLICY_routes),
        .files = script_str(row, POLICY_files),
    };
}

void script_policy_put(struct script_store *self, struct store_op *base)
{
    struct store_policy_put *op = aion_container(base, struct store_policy_put, op);
    size_t count = script_size(self, STORE_TABLE_POLICY);
    const struct script_row *newest =
        count > 0 ? script_at(self, STORE_TABLE_POLICY, count - 1) : NULL;
    op->repeated =
        newest != NULL && aion_str_eq(script_str(newest, POLICY_digest), op->policy.digest);
    if (op->repeated) {
        op->policy = policy_of(newest);
        return;
    }
    op->policy.ordinal = newest != NULL ? script_u64(newest, POLICY_ordinal) + 1 : 1;
    struct script_fill fill = script_fill(self, STORE_TABLE_POLICY);
    script_put_u64(&fill, op->policy.ordinal);
    script_put_str(&fill, op->policy.digest);
    script_put(&fill, op->policy.at_us);
    script_put_str(&fill, op->policy.by);
    script_put_str(&fill, op->policy.cause);
    script_put(&fill, op->policy.rules);
    script_put(&fill, op->policy.routes);
    script_put_str(&fill, op->policy.files);
}

void script_policy_list(struct script_store *self, struct store_op *base)
{
    struct store_policy_list *op = aion_container(base, struct store_policy_list, op);
    op->policies = script_give_array(base, op->limit, sizeof(*op->policies));
    op->count = 0;
    for (size_t i = script_size(self, STORE_TABLE_POLICY); i > 0 && op->count < op->limit;
         i--) {
        op->policies[op->count] = policy_of(script_at(self, STORE_TABLE_POLICY, i - 1));
        op->policies[op->count++].files = (aion_str){0};
    }
}

void script_policy_read(struct script_store *self, struct store_op *base)
{
    struct store_policy_read *op = aion_container(base, struct store_policy_read, op);
    size_t count = script_size(self, STORE_TABLE_POLICY);
    const struct script_row *row = op->ordinal > 0
                                       ? script_find(self, STORE_TABLE_POLICY, op->ordinal)
                                   : count > 0 ? script_at(self, STORE_TABLE_POLICY, count - 1)
                                               : NULL;
    op->found = row != NULL;
    if (op->found)
        op->policy = policy_of(row);
}

/* -- plan --------------------------------------------------------------------------- */
void script_plan_put(struct script_store *self, struct store_op *base)
{
    struct store_plan_put *op = aion_container(base, struct store_plan_put, op);
    op->plan.revision = script_size(self, STORE_TABLE_PLAN) + 1;
    struct script_fill fill = script_fill(self, STORE_TABLE_PLAN);
    script_put_u64(&fill, op->plan.revision);
    script_put(&fill, op->plan.changed_us);
    script_put_str(&fill, op->plan.changed_by);
    script_put(&fill, op->plan.keep_succeeded_us);
    script_put(&fill, op->plan.keep_failed_us);
    script_put(&fill, op->plan.keep_idempotency_us);
    script_put(&fill, op->plan.sweep_every_us);
}

void script_plan_read(struct script_store *self, struct store_op *base)
{
    struct store_plan_read *op = aion_container(base, struct store_plan_read, op);
    size_t count = script_size(self, STORE_TABLE_PLAN);
    op->plan = (struct store_plan){0};
    if (count == 0)
        return;
    const struct script_row *row = script_at(self, STORE_TABLE_PLAN, count - 1);
    op->plan = (struct store_plan){
        .revision = script_u64(row, PLAN_revision),
        .keep_succeeded_us = script_i64(row, PLAN_keep_succeeded_us),
        .keep_failed_us = script_i64(row, PLAN_keep_failed_us),
        .keep_idempotency_us = script_i64(row, PLAN_keep_keys_us),
        .sweep_every_us = script_i64(row, PLAN_sweep_us),
        .changed_us = script_i64(row, PLAN_at_us),
        .changed_by = script_str(row, PLAN_changed_by),
    };
}

/* -- holds -------------------------------------------------------------------------- */
void script_hold_of(const struct script_row *row, struct store_hold *hold)
{
    *hold = (struct store_hold){
        .id = script_str(row, HOLD_id),
        .kind = (enum store_hold_kind)script_i64(row, HOLD_kind),
        .tenant = script_str(row, HOLD_tenant),
        .intent = script_str(row, HOLD_intent),
        .route = script_str(row, HOLD_route),
        .from_us = script_i64(row, HOLD_from_us),
        .until_us = script_i64(row, HOLD_until_us),
        .at_us = script_i64(row, HOLD_at_us),
        .changed_by = script_str(row, HOLD_changed_by),
        .reason = script_str(row, HOLD_reason),
    };
}

static bool drop_hold(struct script_store *self, aion_str id)
{
    script_each(
        self, STORE_TABLE_HOLD,
        i) if (aion_str_eq(script_str(script_at(self, STORE_TABLE_HOLD, i), HOLD_id), id))
    {
        script_remove(self, STORE_TABLE_HOLD, i);
        return true;
    }
    return false;
}

void script_hold_put(struct script_store *self, struct store_op *base)
{
    const struct store_hold *hold = &aion_container(base, struct store_hold_put, op)->hold;
    drop_hold(self, hold->id);
    struct script_fill fill = script_fill(self, STORE_TABLE_HOLD);
    script_put_str(&fill, hold->id);
    script_put(&fill, hold->kind);
    script_put_str(&fill, hold->tenant);
    script_put_str(&fill, hold->intent);
    script_put_str(&fill, hold->route);
    script_put(&fill, hold->from_us);
    script_put(&fill, hold->until_us);
    script_put(&fill, hold->at_us);
    script_put_str(&fill, hold->changed_by);
    script_put_str(&fill, hold->reason);
}

void script_hold_drop(struct script_store *self, struct store_op *base)
{
    struct store_hold_drop *op = aion_container(base, struct store_hold_drop, op);
    op->found = drop_hold(self, op->id);
}

void script_hold_list(struct script_store *self, struct store_op *base)
{
    struct store_hold_list *op = aion_container(base, struct store_hold_list, op);
    op->count = script_size(self, STORE_TABLE_HOLD);
    op->holds = script_give_array(base, op->count, sizeof(*op->holds));
    script_each(self, STORE_TABLE_HOLD, i)
    {
        size_t at = 0;
        for (size_t k = 0; k < op->count; k++)
            at += aion_str_cmp(script_str(script_at(self, STORE_TABLE_HOLD, k), HOLD_id),
                               script_str(script_at(self, STORE_TABLE_HOLD, i), HOLD_id)) < 0;
        script_hold_of(script_at(self, STORE_TABLE_HOLD, i), &op->holds[at]);
    }
}

/* -- sweep -------------------------------------------------------------------------- */
static bool is_held(struct script_store *self, const struct store_task *task)
{
    script_each(self, STORE_TABLE_HOLD, i)
    {
        struct store_hold hold;
        script_hold_of(script_at(self, STORE_TABLE_HOLD, i), &hold);
        if (hold.kind == STORE_HOLD_RETENTION &&
            store_hold_covers(&hold, task->seq, task->tenant, task->intent,
                              task->decision.route))
            return true;
    }
    return false;
}

static bool is_due(struct script_store *self, const struct store_sweep *op,
                   const struct script_row *row)
{
    struct store_task task;
    struct store_life life;
    script_gather(self, row, &task, &life);
    int64_t before_us =
        task.state == STORE_SUCCEEDED ? op->succeeded_before_us : op->failed_before_us;
    return store_state_final(task.state) && life.ended_us < before_us &&
           script_window_end(self, task.created_us) <= before_us && !is_held(self, &task);
}

/* Money outlives its tasks. */
static void fold_entries(struct script_store *self, uint64_t seq)
{
    script_each(self, STORE_TABLE_LEDGER, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_LEDGER, i);
        if (script_u64(row, LEDGER_seq) == seq)
            script_balance_move(self, script_str(row, LEDGER_account),
                                script_i64(row, LEDGER_nano_usd));
    }
}

static uint64_t drop_rows(struct script_store *self, enum store_table table, uint64_t seq,
                          bool only_count)
{
    uint64_t count = 0;
    for (size_t i = 0; i < script_size(self, table);) {
        bool of_it = script_u64(script_at(self, table, i), 0) == seq;
        count += of_it;
        if (of_it && !only_count)
            script_remove(self, table, i);
        else
            i++;
    }
    return count;
}

static void drop_own_id(struct script_store *self, uint64_t seq)
{
    script_each(self, STORE_TABLE_OWN_ID,
                i) if (script_u64(script_at(self, STORE_TABLE_OWN_ID, i), OWN_seq) == seq)
    {
        script_remove(self, STORE_TABLE_OWN_ID, i);
        return;
    }
}

static void drop_task(struct script_store *self, struct store_sweep *op, uint64_t seq)
{
    static const enum store_table tables[] = {
        STORE_TABLE_TASK, STORE_TABLE_DECISION, STORE_TABLE_ATTEMPT, STORE_TABLE_ATTEMPT_END,
        STORE_TABLE_MARK, STORE_TABLE_ACK,      STORE_TABLE_OUTCOME, STORE_TABLE_LEDGER,
    };
    op->tasks++;
    op->chunks += drop_rows(self, STORE_TABLE_CHUNK, seq, op->dry_run);
    if (op->dry_run)
        return;
    fold_entries(self, seq);
    drop_own_id(self, seq);
    for (size_t i = 0; i < aion_countof(tables); i++)
        drop_rows(self, tables[i], seq, false);
}

static void sweep_tasks(struct script_store *self, struct store_sweep *op, uint64_t tasks_max)
{
    for (size_t i = 0; i < script_size(self, STORE_TABLE_TASK) && op->tasks < tasks_max;) {
        const struct script_row *row = script_at(self, STORE_TABLE_TASK, i);
        bool due = is_due(self, op, row);
        if (due)
            drop_task(self, op, script_u64(row, TASK_seq));
        i += !due || op->dry_run;
    }
}

static void sweep_keys(struct script_store *self, struct store_sweep *op)
{
    for (size_t i = 0; i < script_size(self, STORE_TABLE_IDEMPOTENCY);) {
        const struct script_row *row = script_at(self, STORE_TABLE_IDEMPOTENCY, i);
        bool due = script_i64(row, KEY_at_us) < op->keys_before_us;
        op->keys += due;
        if (due && !op->dry_run)
            script_remove(self, STORE_TABLE_IDEMPOTENCY, i);
        else
            i++;
    }
}

static bool is_passed(struct script_store *self, const struct script_row *event)
{
    script_each(self, STORE_TABLE_CURSOR, i)
    {
        const struct script_row *cursor = script_at(self, STORE_TABLE_CURSOR, i);
        if (script_i64(cursor, CURSOR_shard) == script_i64(event, OUTBOX_shard) &&
            script_u64(cursor, CURSOR_sequence) < script_u64(event, OUTBOX_sequence))
            return false;
    }
    return true;
}

static void sweep_events(struct script_store *self, struct store_sweep *op)
{
    for (size_t i = 0; i < script_size(self, STORE_TABLE_OUTBOX);) {
        const struct script_row *row = script_at(self, STORE_TABLE_OUTBOX, i);
        int64_t end_us = script_window_end(self, script_i64(row, OUTBOX_at_us));
        bool due = end_us <= op->events_before_us && is_passed(self, row);
        op->events += due;
        if (due && !op->dry_run)
            script_remove(self, STORE_TABLE_OUTBOX, i);
        else
            i++;
    }
}

void script_sweep(struct script_store *self, struct store_op *base)
{
    struct store_sweep *op = aion_container(base, struct store_sweep, op);
    uint64_t most = op->batch_max == 0 || op->dry_run ? UINT64_MAX : op->batch_max;
    op->tasks = op->chunks = op->keys = op->events = 0;
    sweep_tasks(self, op, most);
    sweep_keys(self, op);
    sweep_events(self, op);
    op->more = op->tasks == most;
}
