/* Slices of budgets: moved under the locks of their balance rows, taken in the order of their
 * names. */
#include "store/postgres/desk.h"

#include <stdio.h>
#include <stdlib.h>

enum { MINT, BUDGET, ESCROW, ACCOUNTS };

struct slice {
    char text[ACCOUNTS][512];
    aion_str account[ACCOUNTS];
    int64_t nano_usd[ACCOUNTS];
};

static bool name_slice(struct pg_wait *wait, aion_str budget, aion_str replica,
                       struct slice *slice)
{
    int most = sizeof(slice->text[0]);
    bool fits =
        snprintf(slice->text[MINT], (size_t)most, "mint:%.*s", AION_STR_ARG(budget)) < most &&
        snprintf(slice->text[BUDGET], (size_t)most, "budget:%.*s", AION_STR_ARG(budget)) <
            most &&
        snprintf(slice->text[ESCROW], (size_t)most, "escrow:%.*s:%.*s", AION_STR_ARG(budget),
                 AION_STR_ARG(replica)) < most;
    for (int i = 0; i < ACCOUNTS; i++)
        slice->account[i] = aion_str_of(slice->text[i]);
    return fits || pg_conn_fail(&wait->conn, PG_ODD, "an account's name is too long");
}

/* The rows are there and ours until the transaction ends. */
static bool take(struct pg_wait *wait, struct slice *slice)
{
    struct pg_rows rows;
    for (int statement = 0; statement < 2; statement++) {
        enum pg_statement_id id = statement == 0 ? PG_BALANCE_MAKE : PG_BALANCE_TAKE;
        struct pg_args *args = pg_begin(&wait->conn, pg_statement(id));
        for (int i = 0; i < ACCOUNTS; i++) {
            pg_at(args, 0);
            pg_put_name(args, slice->account[i]);
        }
        if (statement == 0 ? !pg_run(wait, pg_statement(id), NULL)
                           : !pg_query(wait, pg_statement(id), &rows))
            return false;
    }
    while (pg_next(&rows)) {
        aion_str account = pg_get_str(&rows, NULL);
        int64_t nano_usd = pg_get_i64(&rows);
        for (int i = 0; i < ACCOUNTS; i++)
            if (aion_str_eq(slice->account[i], account))
                slice->nano_usd[i] = nano_usd;
    }
    pg_rows_done(&rows);
    return true;
}

static bool move(struct pg_wait *wait, aion_str from, aion_str to, int64_t nano_usd)
{
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_BALANCE_MOVE));
    if (nano_usd == 0)
        return true;
    pg_put_name(args, from);
    pg_put_i64(args, -nano_usd);
    pg_at(args, 0);
    pg_put_name(args, to);
    pg_put_i64(args, nano_usd);
    return pg_run(wait, pg_statement(PG_BALANCE_MOVE), NULL);
}

bool pg_carve(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_carve *op = aion_container(base, struct store_carve, op);
    struct slice slice = {0};
    (void)self;
    if (!name_slice(wait, op->budget, op->replica, &slice) || !take(wait, &slice))
        return false;
    int64_t free = slice.nano_usd[BUDGET], mint = op->limit_nano_usd + slice.nano_usd[MINT];
    if (mint < -free) /* a lower limit takes back what is not carved, no more */
        mint = free > 0 ? -free : 0;
    free += mint;
    op->carved_nano_usd = op->want_nano_usd < free ? op->want_nano_usd : free;
    if (op->carved_nano_usd < 0)
        op->carved_nano_usd = 0;
    op->left_nano_usd = free - op->carved_nano_usd;
    return move(wait, slice.account[MINT], slice.account[BUDGET], mint) &&
           move(wait, slice.account[BUDGET], slice.account[ESCROW], op->carved_nano_usd);
}

bool pg_uncarve(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_uncarve *op = aion_container(base, struct store_uncarve, op);
    struct slice slice = {0};
    (void)self;
    if (!name_slice(wait, op->budget, op->replica, &slice) || !take(wait, &slice))
        return false;
    op->left_nano_usd = slice.nano_usd[BUDGET] + op->nano_usd;
    return move(wait, slice.account[ESCROW], slice.account[BUDGET], op->nano_usd);
}

/* -- balances ----------------------------------------------------------------------- */
/* A sum by account, of pages that come from several tables, each sorted by account. */
struct sums {
    struct store_balance *list;
    size_t count, capacity;
    bool cut; /* a table had more than it gave: what is behind `edge` is not whole */
    aion_str edge;
};

static struct store_balance *find_sum(struct sums *sums, aion_str account)
{
    size_t low = 0, high = sums->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (aion_str_cmp(sums->list[middle].account, account) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < sums->count && aion_str_eq(sums->list[low].account, account))
        return &sums->list[low];
    memmove(&sums->list[low + 1], &sums->list[low],
            (sums->count++ - low) * sizeof(*sums->list));
    sums->list[low] = (struct store_balance){account, 0};
    return &sums->list[low];
}

static bool make_room(struct pg_wait *wait, struct sums *sums, size_t more)
{
    size_t need = sums->count + more;
    if (need <= sums->capacity)
        return true;
    struct store_balance *list = realloc(sums->list, 2 * need * sizeof(*list));
    if (list == NULL)
        return pg_conn_fail(&wait->conn, PG_TOO_BIG, "no memory for balances");
    sums->list = list;
    sums->capacity = 2 * need;
    return true;
}

static bool add_sums(struct pg_wait *wait, const struct store_balances *op,
                     struct pg_statement statement, struct sums *sums)
{
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    pg_put_text(args, op->prefix);
    pg_put_text(args, op->after);
    pg_put_i64(args, (int64_t)op->limit + 1);
    bool read = pg_query(wait, statement, &rows) && make_room(wait, sums, (size_t)rows.rows);
    aion_str account = {0};
    while (read && pg_next(&rows)) {
        account = pg_get_str(&rows, op->op.arena);
        if (pg_failed(&wait->conn))
            break;
        find_sum(sums, account)->nano_usd += pg_get_i64(&rows);
    }
    if (rows.rows > (int)op->limit && (!sums->cut || aion_str_cmp(account, sums->edge) < 0)) {
        sums->cut = true;
        sums->edge = account;
    }
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}

static bool add_windows(struct pg_store *self, struct pg_wait *wait,
                        const struct store_balances *op, struct sums *sums)
{
    size_t count;
    struct pg_window *list = pg_windows_copy(&self->windows, PG_BY_SEQ, &count);
    bool read = true;
    for (size_t i = 0; read && i < count; i++)
        read = add_sums(wait, op, pg_windowed(PG_BALANCE_SUMS, list[i].number), sums);
    free(list);
    return read && add_sums(wait, op, pg_windowed(PG_BALANCE_SUMS, PG_KEPT), sums);
}

static bool give(struct pg_wait *wait, struct store_balances *op, const struct sums *sums)
{
    size_t whole = sums->count;
    while (sums->cut && whole > 0 &&
           aion_str_cmp(sums->list[whole - 1].account, sums->edge) > 0)
        whole--;
    op->more = sums->cut || whole > op->limit;
    op->count = whole < op->limit ? whole : op->limit;
    op->balances = pg_array(wait, op->op.arena, op->count, sizeof(*op->balances));
    if (op->balances == NULL)
        return false;
    if (op->count > 0)
        memcpy(op->balances, sums->list, op->count * sizeof(*op->balances));
    return true;
}

bool pg_balances(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_balances *op = aion_container(base, struct store_balances, op);
    struct sums sums = {0};
    bool read = add_sums(wait, op, pg_statement(PG_BALANCE_ROWS), &sums) &&
                add_windows(self, wait, op, &sums) && give(wait, op, &sums);
    free(sums.list);
    return read;
}

/* -- reaping ------------------------------------------------------------------------ */
/* Alive by the database's clock, or still the owner of shards. */
static bool is_alive(struct pg_wait *wait, aion_str replica, bool *ret_alive)
{
    struct pg_rows rows;
    pg_put_name(pg_begin(&wait->conn, pg_statement(PG_REPLICA_ALIVE)), replica);
    bool read = pg_query(wait, pg_statement(PG_REPLICA_ALIVE), &rows);
    *ret_alive = read && pg_next(&rows) && pg_get_i64(&rows) != 0;
    pg_rows_done(&rows);
    return read;
}

/* "escrow:B:REPLICA" gives back to "budget:B" what its row and its entries hold together. */
static bool give_back(struct pg_wait *wait, struct store_reap *op, aion_str escrow,
                      int64_t nano_usd)
{
    static const size_t front = sizeof("escrow:") - 1;
    char text[512];
    aion_str names[2] = {escrow, {text, 0}};
    size_t budget = escrow.size - front - op->replica.size - 1;
    if (nano_usd == 0 || escrow.size < front + op->replica.size + 2)
        return true;
    names[1].size =
        (size_t)snprintf(text, sizeof(text), "budget:%.*s", (int)budget, escrow.data + front);
    op->nano_usd += nano_usd;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_BALANCE_MAKE));
    for (int i = 0; i < 2; i++) {
        pg_at(args, 0);
        pg_put_name(args, names[i]);
    }
    return pg_run(wait, pg_statement(PG_BALANCE_MAKE), NULL) &&
           move(wait, names[0], names[1], nano_usd);
}

/* Nobody else moves a dead replica's slices: a second reaper waits for the rows. */
static bool lock_escrows(struct pg_wait *wait, aion_str replica)
{
    struct pg_rows rows;
    pg_put_name(pg_begin(&wait->conn, pg_statement(PG_ESCROW_ROWS)), replica);
    bool read = pg_query(wait, pg_statement(PG_ESCROW_ROWS), &rows);
    pg_rows_done(&rows);
    return read;
}

bool pg_reap(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_reap *op = aion_container(base, struct store_reap, op);
    struct aion_arena arena;
    bool alive, done;
    op->nano_usd = 0;
    op->outcome = STORE_STALE;
    if (!is_alive(wait, op->replica, &alive) || alive)
        return !pg_failed(&wait->conn);
    op->outcome = STORE_DONE;
    aion_arena_init(&arena, 64 << 20, NULL, 0);
    struct store_balances all = {
        .op.arena = &arena, .prefix = AION_STR("escrow:"), .limit = 100000};
    done = lock_escrows(wait, op->replica) && pg_balances(self, wait, &all.op);
    for (size_t i = 0; done && i < all.count; i++) {
        aion_str account = all.balances[i].account;
        size_t at = account.size - op->replica.size;
        if (account.size > op->replica.size && account.data[at - 1] == ':' &&
            aion_str_ends(account, op->replica))
            done = give_back(wait, op, account, all.balances[i].nano_usd);
    }
    aion_arena_done(&arena);
    return done;
}
