/* Policy revisions, plan and sweep in memory. */
#include "store/script/script_private.h"

static struct store_policy *policy_at(const struct script_store *self, size_t index)
{
    return script_rows_at(&self->policies, index);
}

void script_policy_put(struct script_store *self, struct store_op *base)
{
    struct store_policy_put *op = aion_container(base, struct store_policy_put, op);
    size_t count = self->policies.count;
    op->repeated =
        count > 0 && aion_str_eq(policy_at(self, count - 1)->digest, op->policy.digest);
    if (op->repeated) {
        op->policy = *policy_at(self, count - 1);
        return;
    }
    op->policy.ordinal = count + 1;
    struct store_policy *row = script_rows_add(&self->policies);
    *row = op->policy;
    row->digest = script_keep(self, op->policy.digest);
    row->by = script_keep(self, op->policy.by);
    row->cause = script_keep(self, op->policy.cause);
    row->files = script_keep(self, op->policy.files);
}

/* Rows live as long as the store: no copies. */
void script_policy_list(struct script_store *self, struct store_op *base)
{
    struct store_policy_list *op = aion_container(base, struct store_policy_list, op);
    op->policies = aion_arena_array(base->arena, op->limit, sizeof(*op->policies));
    op->count = 0;
    for (size_t i = self->policies.count; i > 0 && op->count < op->limit; i--) {
        op->policies[op->count] = *policy_at(self, i - 1);
        op->policies[op->count++].files = (aion_str){0};
    }
}

void script_policy_read(struct script_store *self, struct store_op *base)
{
    struct store_policy_read *op = aion_container(base, struct store_policy_read, op);
    uint64_t ordinal = op->ordinal > 0 ? op->ordinal : self->policies.count;
    op->found = ordinal > 0 && ordinal <= self->policies.count;
    if (op->found)
        op->policy = *policy_at(self, (size_t)ordinal - 1);
}

void script_plan_put(struct script_store *self, struct store_op *base)
{
    struct store_plan_put *op = aion_container(base, struct store_plan_put, op);
    op->plan.revision = self->plan.revision + 1;
    self->plan = op->plan;
    self->plan.changed_by = script_keep(self, op->plan.changed_by);
}

void script_plan_read(struct script_store *self, struct store_op *base)
{
    aion_container(base, struct store_plan_read, op)->plan = self->plan;
}

/* -- sweep -------------------------------------------------------------------------- */
static bool is_due(const struct store_sweep *op, const struct script_task *task)
{
    return !task->live &&
           task->row.updated_us < (task->row.state == STORE_SUCCEEDED ? op->succeeded_before_us
                                                                      : op->failed_before_us);
}

static void sweep_tasks(struct script_store *self, struct store_sweep *op, uint64_t tasks_max)
{
    for (size_t i = 0; i < self->tasks.count && op->tasks < tasks_max;) {
        struct script_task *task = *(struct script_task **)script_rows_at(&self->tasks, i);
        if (!is_due(op, task)) {
            i++;
            continue;
        }
        op->tasks++;
        op->chunks += task->chunks.count;
        if (op->dry_run) {
            i++;
            continue;
        }
        script_rows_remove(&self->tasks, i);
        script_task_free(task);
    }
}

static void sweep_keys(struct script_store *self, struct store_sweep *op, uint64_t keys_max)
{
    for (size_t i = 0; i < self->keys.count && op->keys < keys_max;) {
        const struct script_key *key = script_rows_at(&self->keys, i);
        bool due = key->at_us < op->keys_before_us;
        op->keys += due;
        if (due && !op->dry_run)
            script_rows_remove(&self->keys, i);
        else
            i++;
    }
}

void script_sweep(struct script_store *self, struct store_op *base)
{
    struct store_sweep *op = aion_container(base, struct store_sweep, op);
    uint64_t most = op->batch_max == 0 || op->dry_run ? UINT64_MAX : op->batch_max;
    op->tasks = op->chunks = op->keys = 0;
    sweep_tasks(self, op, most);
    sweep_keys(self, op, most);
    op->more = op->tasks == most || op->keys == most;
}
