/* Budgets, slices and balances in memory. */
#include "store/script/script_private.h"

#include <stdio.h>

/* -- budgets ------------------------------------------------------------------------ */
void script_budget_put(struct script_store *self, struct store_op *base)
{
    const struct store_budget *budget =
        &aion_container(base, struct store_budget_put, op)->budget;
    script_each(
        self, STORE_TABLE_BUDGET,
        i) if (aion_str_eq(script_str(script_at(self, STORE_TABLE_BUDGET, i), BUDGET_id),
                           budget->id))
    {
        script_remove(self, STORE_TABLE_BUDGET, i);
        break;
    }
    struct script_fill fill = script_fill(self, STORE_TABLE_BUDGET);
    script_put_str(&fill, budget->id);
    script_put_str(&fill, budget->tenant);
    script_put_str(&fill, budget->key_id);
    script_put_str(&fill, budget->intent);
    script_put_str(&fill, budget->period);
    script_put(&fill, budget->limit_nano_usd);
    script_put(&fill, budget->at_us);
    script_put_str(&fill, budget->changed_by);
    script_put(&fill, budget->removed);
}

static struct store_budget budget_of(const struct script_row *row)
{
    return (struct store_budget){
        .id = script_str(row, BUDGET_id),
        .tenant = script_str(row, BUDGET_tenant),
        .key_id = script_str(row, BUDGET_key_id),
        .intent = script_str(row, BUDGET_intent),
        .period = script_str(row, BUDGET_period),
        .limit_nano_usd = script_i64(row, BUDGET_limit_nano_usd),
        .at_us = script_i64(row, BUDGET_at_us),
        .changed_by = script_str(row, BUDGET_changed_by),
        .removed = script_i64(row, BUDGET_removed) != 0,
    };
}

void script_budget_list(struct script_store *self, struct store_op *base)
{
    struct store_budget_list *op = aion_container(base, struct store_budget_list, op);
    op->budgets =
        script_give_array(base, script_size(self, STORE_TABLE_BUDGET), sizeof(*op->budgets));
    op->count = 0;
    script_each(self, STORE_TABLE_BUDGET, i)
    {
        struct store_budget budget = budget_of(script_at(self, STORE_TABLE_BUDGET, i));
        if (budget.removed && !op->with_removed)
            continue;
        size_t at = op->count++;
        for (; at > 0 && aion_str_cmp(op->budgets[at - 1].id, budget.id) > 0; at--)
            op->budgets[at] = op->budgets[at - 1];
        op->budgets[at] = budget;
    }
}

/* -- slices ------------------------------------------------------------------------- */
void script_balance_move(struct script_store *self, aion_str account, int64_t nano_usd)
{
    struct script_row *row = script_find_str(self, STORE_TABLE_BALANCE, account);
    if (row == NULL) {
        struct script_fill fill = script_fill(self, STORE_TABLE_BALANCE);
        script_put_str(&fill, account);
        row = fill.row;
    }
    row->values[BALANCE_nano_usd].i64 += nano_usd;
}

static int64_t row_balance(struct script_store *self, const char *account)
{
    const struct script_row *row =
        script_find_str(self, STORE_TABLE_BALANCE, aion_str_of(account));
    return row != NULL ? script_i64(row, BALANCE_nano_usd) : 0;
}

static void move(struct script_store *self, const char *from, const char *to, int64_t nano_usd)
{
    script_balance_move(self, aion_str_of(from), -nano_usd);
    script_balance_move(self, aion_str_of(to), nano_usd);
}

void script_carve(struct script_store *self, struct store_op *base)
{
    struct store_carve *op = aion_container(base, struct store_carve, op);
    struct store_slice slice = store_slice_of(op->budget, op->replica);
    int64_t free = row_balance(self, slice.budget);
    int64_t mint = op->limit_nano_usd + row_balance(self, slice.mint);
    if (mint < -free)
        mint = free > 0 ? -free : 0;
    move(self, slice.mint, slice.budget, mint);
    free += mint;
    op->carved_nano_usd = op->want_nano_usd < free ? op->want_nano_usd : free;
    if (op->carved_nano_usd < 0)
        op->carved_nano_usd = 0;
    move(self, slice.budget, slice.escrow, op->carved_nano_usd);
    op->left_nano_usd = free - op->carved_nano_usd;
}

void script_uncarve(struct script_store *self, struct store_op *base)
{
    struct store_uncarve *op = aion_container(base, struct store_uncarve, op);
    struct store_slice slice = store_slice_of(op->budget, op->replica);
    move(self, slice.escrow, slice.budget, op->nano_usd);
    op->left_nano_usd = row_balance(self, slice.budget);
}

/* -- balances ----------------------------------------------------------------------- */
static void add_to(struct store_balances *op, aion_str account, int64_t nano_usd)
{
    if (!aion_str_starts(account, op->prefix) || aion_str_cmp(account, op->after) <= 0)
        return;
    size_t at = 0;
    while (at < op->count && aion_str_cmp(op->balances[at].account, account) < 0)
        at++;
    if (at == op->count || !aion_str_eq(op->balances[at].account, account)) {
        memmove(&op->balances[at + 1], &op->balances[at],
                (op->count++ - at) * sizeof(*op->balances));
        op->balances[at] = (struct store_balance){account, 0};
    }
    op->balances[at].nano_usd += nano_usd;
}

static void sum_up(struct script_store *self, struct store_op *base, struct store_balances *op)
{
    size_t most =
        script_size(self, STORE_TABLE_BALANCE) + script_size(self, STORE_TABLE_LEDGER);
    op->count = 0;
    op->balances = script_give_array(base, most, sizeof(*op->balances));
    if (op->balances == NULL)
        return;
    script_each(self, STORE_TABLE_BALANCE, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_BALANCE, i);
        add_to(op, script_str(row, BALANCE_account), script_i64(row, BALANCE_nano_usd));
    }
    script_each(self, STORE_TABLE_LEDGER, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_LEDGER, i);
        add_to(op, script_str(row, LEDGER_account), script_i64(row, LEDGER_nano_usd));
    }
}

void script_balances(struct script_store *self, struct store_op *base)
{
    struct store_balances *op = aion_container(base, struct store_balances, op);
    sum_up(self, base, op);
    op->more = op->count > op->limit;
    if (op->more)
        op->count = op->limit;
}

/* "escrow:B:REPLICA" of this replica: the length of B, or 0. */
static size_t budget_in(aion_str account, aion_str replica)
{
    static const size_t front = sizeof("escrow:") - 1;
    if (!aion_str_starts(account, AION_STR("escrow:")) || !aion_str_ends(account, replica) ||
        account.size < front + replica.size + 2 ||
        account.data[account.size - replica.size - 1] != ':')
        return 0;
    return account.size - front - replica.size - 1;
}

void script_reap(struct script_store *self, struct store_op *base)
{
    struct store_reap *op = aion_container(base, struct store_reap, op);
    struct aion_arena arena;
    op->nano_usd = 0;
    op->outcome = STORE_STALE;
    if (script_replica_lives(self, op->replica))
        return;
    op->outcome = STORE_DONE;
    aion_arena_init(&arena, 1 << 24, NULL, 0);
    struct store_op reading = {.arena = &arena};
    struct store_balances all = {.prefix = AION_STR("escrow:")};
    sum_up(self, &reading, &all);
    for (size_t i = 0; i < all.count; i++) {
        size_t size = budget_in(all.balances[i].account, op->replica);
        if (size == 0)
            continue;
        struct store_slice slice =
            store_slice_of(aion_str_n(all.balances[i].account.data + 7, size), op->replica);
        move(self, slice.escrow, slice.budget, all.balances[i].nano_usd);
        op->nano_usd += all.balances[i].nano_usd;
    }
    aion_arena_done(&arena);
}
