/* Budgets, slices of them, and balances. */
#include "base/map.h"
#include "store/sqlite/sqlite_private.h"

#include <stdio.h>
#include <stdlib.h>

/* -- budgets ------------------------------------------------------------------------ */
bool sqlite_budget_put(struct sqlite_store *self, struct sqlite_conn *conn,
                       struct store_op *base)
{
    const struct store_budget *budget =
        &aion_container(base, struct store_budget_put, op)->budget;
    (void)self;
    struct sql_use use = sql_use(conn, SQL_BUDGET_PUT);
    sql_text(&use, budget->id);
    sql_text(&use, budget->tenant);
    sql_text(&use, budget->key_id);
    sql_text(&use, budget->intent);
    sql_text(&use, budget->period);
    sql_i64(&use, budget->limit_nano_usd);
    sql_i64(&use, budget->at_us);
    sql_text(&use, budget->changed_by);
    sql_i64(&use, budget->removed);
    return sql_run(&use);
}

static void get_budget(struct sql_use *use, struct store_budget *budget,
                       struct aion_arena *arena)
{
    budget->id = sql_get_str(use, arena);
    budget->tenant = sql_get_str(use, arena);
    budget->key_id = sql_get_str(use, arena);
    budget->intent = sql_get_str(use, arena);
    budget->period = sql_get_str(use, arena);
    budget->limit_nano_usd = sql_get_i64(use);
    budget->at_us = sql_get_i64(use);
    budget->changed_by = sql_get_str(use, arena);
    budget->removed = sql_get_i64(use) != 0;
}

bool sqlite_budget_list(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_budget_list *op = aion_container(base, struct store_budget_list, op);
    size_t count;
    (void)self;
    op->count = 0;
    if (!sqlite_count(conn, SQL_BUDGET_COUNT, &count) ||
        (op->budgets = sqlite_make_array(conn, base->arena, count, sizeof(*op->budgets))) ==
            NULL)
        return false;
    struct sql_use use = sql_use(conn, SQL_BUDGET_LIST);
    while (op->count < count && sql_row(&use)) {
        get_budget(&use, &op->budgets[op->count], base->arena);
        op->count += op->with_removed || !op->budgets[op->count].removed;
    }
    return sql_end(&use);
}

/* -- slices ------------------------------------------------------------------------- */
static bool move(struct sqlite_conn *conn, const char *from, const char *to, int64_t nano_usd)
{
    return nano_usd == 0 || (sqlite_balance_add(conn, aion_str_of(from), -nano_usd) &&
                             sqlite_balance_add(conn, aion_str_of(to), nano_usd));
}

static bool row_balance(struct sqlite_conn *conn, const char *account, int64_t *ret_nano_usd)
{
    struct sql_use use = sql_use(conn, SQL_BALANCE_READ);
    sql_text(&use, aion_str_of(account));
    *ret_nano_usd = sql_row(&use) ? sql_get_i64(&use) : 0;
    return sql_end(&use);
}

/* Mints the limit's difference; takes back no more than is free. */
static int64_t to_mint(int64_t limit, int64_t minted, int64_t free)
{
    int64_t mint = limit + minted; /* minted is negative */
    if (mint >= -free)
        return mint;
    return free > 0 ? -free : 0;
}

bool sqlite_carve(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_carve *op = aion_container(base, struct store_carve, op);
    struct store_slice slice = store_slice_of(op->budget, op->replica);
    int64_t free, minted;
    (void)self;
    if (!row_balance(conn, slice.budget, &free) || !row_balance(conn, slice.mint, &minted))
        return false;
    int64_t mint = to_mint(op->limit_nano_usd, minted, free);
    free += mint;
    op->carved_nano_usd = op->want_nano_usd < free ? op->want_nano_usd : free;
    if (op->carved_nano_usd < 0)
        op->carved_nano_usd = 0;
    op->left_nano_usd = free - op->carved_nano_usd;
    return move(conn, slice.mint, slice.budget, mint) &&
           move(conn, slice.budget, slice.escrow, op->carved_nano_usd);
}

bool sqlite_uncarve(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_uncarve *op = aion_container(base, struct store_uncarve, op);
    struct store_slice slice = store_slice_of(op->budget, op->replica);
    (void)self;
    return move(conn, slice.escrow, slice.budget, op->nano_usd) &&
           row_balance(conn, slice.budget, &op->left_nano_usd);
}

/* -- balances ----------------------------------------------------------------------- */
/* Accounts with the sums that were found so far, each in the list once. */
struct sums {
    struct aion_arena *arena;
    struct aion_map by_account;
    struct store_balance *list;
    size_t count, capacity;
    aion_str prefix, after;
};

static void sums_init(struct sums *sums, struct aion_arena *arena, aion_str prefix,
                      aion_str after)
{
    *sums = (struct sums){.arena = arena, .prefix = prefix, .after = after};
    aion_map_init(&sums->by_account, SIZE_MAX >> 1);
}

static void sums_done(struct sums *sums)
{
    aion_map_done(&sums->by_account);
    free(sums->list);
}

/* The map's values are places in the list, plus one. */
static bool add_account(struct sqlite_conn *conn, struct sums *sums, aion_str account)
{
    if (sums->count == sums->capacity) {
        sums->capacity = sums->capacity > 0 ? sums->capacity * 2 : 64;
        sums->list = realloc(sums->list, sums->capacity * sizeof(*sums->list));
        if (sums->list == NULL)
            abort();
    }
    aion_str copy = aion_arena_str(sums->arena, account);
    if (copy.data == NULL)
        return sqlite_conn_failed(conn, SQLITE_TOOBIG);
    sums->list[sums->count++] = (struct store_balance){copy, 0};
    return aion_map_put(&sums->by_account, copy, (void *)(uintptr_t)sums->count) ||
           sqlite_conn_failed(conn, SQLITE_NOMEM);
}

static bool add_sum(struct sqlite_conn *conn, struct sums *sums, aion_str account,
                    int64_t nano_usd)
{
    if (!aion_str_starts(account, sums->prefix) || aion_str_cmp(account, sums->after) <= 0)
        return true;
    if (aion_map_get(&sums->by_account, account) == NULL && !add_account(conn, sums, account))
        return false;
    size_t place = (size_t)(uintptr_t)aion_map_get(&sums->by_account, account);
    sums->list[place - 1].nano_usd += nano_usd;
    return true;
}

static bool sum_rows(struct sqlite_conn *conn, struct sums *sums)
{
    struct sql_use use = sql_use(conn, SQL_BALANCE_LIST);
    sql_text(&use, sums->prefix);
    sql_text(&use, sums->after);
    while (sql_row(&use)) {
        aion_str account = sql_get_str(&use, NULL);
        if (!aion_str_starts(account, sums->prefix) ||
            !add_sum(conn, sums, account, sql_get_i64(&use)))
            break;
    }
    return sql_end(&use);
}

/* Entries in (after, upto], times sign. */
static bool sum_entries(struct sqlite_conn *conn, struct sums *sums, int64_t set,
                        uint64_t after, uint64_t upto, int64_t sign)
{
    struct sql_use use = sql_use_in(conn, SQL_ENTRY_SUMS, set);
    sql_u64(&use, after);
    sql_u64(&use, upto);
    while (sql_row(&use)) {
        aion_str account = sql_get_str(&use, NULL);
        if (!add_sum(conn, sums, account, sign * sql_get_i64(&use)))
            break;
    }
    return sql_end(&use);
}

/* Rows, and the entries that are not in them. */
static bool sum_up(struct sqlite_conn *conn, struct sums *sums)
{
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    int64_t folded = 0;
    if (!sqlite_meta_read(conn, "folded_to", &folded) || !sum_rows(conn, sums))
        return false;
    for (size_t i = windows->count; i > 0; i--) {
        int64_t number = windows->items[i - 1].number;
        if (sqlite_window_end(conn, number) <= (uint64_t)folded)
            break;
        if (!sum_entries(conn, sums, number, (uint64_t)folded, INT64_MAX, 1))
            return false;
    }
    return true;
}

static int by_account(const void *a, const void *b)
{
    const struct store_balance *left = a, *right = b;
    return aion_str_cmp(left->account, right->account);
}

static void sort(struct sums *sums)
{
    if (sums->count > 1)
        qsort(sums->list, sums->count, sizeof(*sums->list), by_account);
}

static bool give(struct sqlite_conn *conn, struct store_balances *op, const struct sums *sums)
{
    op->more = sums->count > op->limit;
    op->count = op->more ? op->limit : sums->count;
    op->balances = sqlite_make_array(conn, op->op.arena, op->count, sizeof(*op->balances));
    if (op->balances == NULL)
        return false;
    if (op->count > 0)
        memcpy(op->balances, sums->list, op->count * sizeof(*op->balances));
    return true;
}

bool sqlite_balances(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_balances *op = aion_container(base, struct store_balances, op);
    struct sums sums;
    (void)self;
    sums_init(&sums, base->arena, op->prefix, op->after);
    bool good = sum_up(conn, &sums);
    sort(&sums);
    good = good && give(conn, op, &sums);
    sums_done(&sums);
    return good;
}

/* What the entries that are there do not tell: the rows without what was folded into them. */
bool sqlite_balances_bare(struct sqlite_conn *conn, struct store_balances *op)
{
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    struct sums sums;
    int64_t folded = 0;
    sums_init(&sums, op->op.arena, op->prefix, op->after);
    bool good = sqlite_meta_read(conn, "folded_to", &folded) && sum_rows(conn, &sums) &&
                sum_entries(conn, &sums, SQLITE_KEPT, 0, INT64_MAX, -1);
    for (size_t i = 0; good && i < windows->count; i++)
        good = sum_entries(conn, &sums, windows->items[i].number, 0, (uint64_t)folded, -1);
    sort(&sums);
    good = good && give(conn, op, &sums);
    sums_done(&sums);
    return good;
}

/* -- reaping ------------------------------------------------------------------------ */
/* "escrow:B:REPLICA" of this replica: the length of B, or 0. */
static size_t budget_in(aion_str account, aion_str replica)
{
    static const size_t front = sizeof("escrow:") - 1;
    if (account.size < front + replica.size + 2 || !aion_str_ends(account, replica) ||
        account.data[account.size - replica.size - 1] != ':')
        return 0;
    return account.size - front - replica.size - 1;
}

static bool reap_slice(struct sqlite_conn *conn, struct store_reap *op,
                       const struct store_balance *balance)
{
    size_t size = budget_in(balance->account, op->replica);
    if (size == 0)
        return true;
    struct store_slice slice = store_slice_of(
        aion_str_n(balance->account.data + sizeof("escrow:") - 1, size), op->replica);
    op->nano_usd += balance->nano_usd;
    return move(conn, slice.escrow, slice.budget, balance->nano_usd);
}

/* The one replica that there is lives as long as the process; all others are dead. */
bool sqlite_reap(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_reap *op = aion_container(base, struct store_reap, op);
    struct aion_arena arena;
    struct sums sums;
    op->nano_usd = 0;
    op->outcome = STORE_STALE;
    if (aion_str_is(op->replica, self->replica))
        return true;
    op->outcome = STORE_DONE;
    aion_arena_init(&arena, (size_t)1 << 26, NULL, 0);
    sums_init(&sums, &arena, AION_STR("escrow:"), (aion_str){0});
    bool good = sum_up(conn, &sums);
    for (size_t i = 0; good && i < sums.count; i++)
        good = reap_slice(conn, op, &sums.list[i]);
    sums_done(&sums);
    aion_arena_done(&arena);
    return good;
}
