/* Tasks, read by the page: lists, newest first, and loads, oldest first. Windows are gone
 * through one after the other; what was kept of former windows is older than all of them. */
#include "store/sqlite/sqlite_private.h"

enum { SCAN_MAX = 5000 }; /* rows tried for one page of a filtered list */

/* -- lists -------------------------------------------------------------------------- */
struct listing {
    struct store_list *op;
    uint64_t before;
    uint64_t
        open_to; /* only unfinished ones are wanted, and up to here they are listed; or 0 */
    unsigned tried;
};

static bool matches(aion_str wanted, aion_str value)
{
    return wanted.size == 0 || aion_str_eq(wanted, value);
}

static bool is_listed(const struct store_list *op, const struct store_task *task)
{
    return (op->states == 0 || (op->states >> task->state & 1) != 0) &&
           matches(op->tenant, task->tenant) && matches(op->intent, task->intent) &&
           matches(op->route, task->decision.route) && !(op->unreplayed && task->replayed);
}

/* The one state that is asked for, if it is one of those that few tasks end in; else 0. */
static enum store_state rare_state(const struct store_list *op)
{
    for (enum store_state state = STORE_FAILED; state <= STORE_DEAD; state++)
        if (op->states == 1u << state)
            return state;
    return 0;
}

static bool only_open(const struct store_list *op)
{
    return op->states != 0 && op->states >> STORE_SUCCEEDED == 0;
}

static enum sql_id query_of(const struct listing *listing, bool listed)
{
    if (listed)
        return SQL_TASK_LIST_OPEN;
    if (rare_state(listing->op) != 0)
        return SQL_TASK_LIST_ENDED;
    return listing->op->tenant.size > 0 ? SQL_TASK_LIST_TENANT : SQL_TASK_LIST;
}

static struct sql_use list_use(struct sqlite_conn *conn, const struct listing *listing,
                               int64_t set, uint64_t after, bool listed)
{
    const struct store_list *op = listing->op;
    enum sql_id query = query_of(listing, listed);
    struct sql_use use = sql_use_in(conn, query, set);
    sql_u64(&use, listing->before);
    sql_u64(&use, after);
    sql_i64(&use, SCAN_MAX - (int64_t)listing->tried);
    if (query == SQL_TASK_LIST_ENDED)
        sql_i64(&use, (int64_t)rare_state(op));
    else if (query == SQL_TASK_LIST_TENANT)
        sql_text(&use, op->tenant);
    return use;
}

static bool is_full(const struct listing *listing)
{
    return listing->op->count == listing->op->limit || listing->tried == SCAN_MAX;
}

/* Rows of one set down to `after`, until the page is full or enough was tried. */
static bool list_range(struct sqlite_conn *conn, struct listing *listing, int64_t set,
                       uint64_t after, bool listed)
{
    struct store_list *op = listing->op;
    struct sql_use use = list_use(conn, listing, set, after, listed);
    while (op->count < op->limit && listing->tried < SCAN_MAX && sql_row(&use)) {
        struct store_task *task = &op->tasks[op->count];
        struct store_life life;
        if (!sqlite_get_task(conn, set, &use, task, &life, op->op.arena))
            break;
        listing->before = task->seq;
        listing->tried++;
        op->count += is_listed(op, task);
    }
    return sql_end(&use);
}

static uint64_t window_begin(const struct sqlite_conn *conn, int64_t number)
{
    return sqlite_window_end(conn, number - 1) + 1;
}

/* Unfinished ones are found by looking only where they are not listed. */
static bool list_set(struct sqlite_conn *conn, struct listing *listing, int64_t set)
{
    uint64_t after = listing->op->after, open_to = listing->open_to;
    if (open_to <= after || (set != SQLITE_KEPT && open_to < window_begin(conn, set)))
        return list_range(conn, listing, set, after, false);
    if (listing->before > open_to + 1 && !list_range(conn, listing, set, open_to, false))
        return false;
    if (is_full(listing))
        return true;
    if (listing->before > open_to + 1)
        listing->before = open_to + 1;
    return list_range(conn, listing, set, after, true);
}

bool sqlite_list(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_list *op = aion_container(base, struct store_list, op);
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    struct listing listing = {.op = op, .before = op->before > 0 ? op->before : INT64_MAX};
    int64_t open_to = 0;
    (void)self;
    op->count = 0;
    op->next = 0;
    op->tasks = sqlite_make_array(conn, base->arena, op->limit, sizeof(*op->tasks));
    if (op->tasks == NULL ||
        (only_open(op) && !sqlite_meta_read(conn, "unfinished_to", &open_to)))
        return false;
    listing.open_to = (uint64_t)open_to;
    for (size_t i = windows->count; i > 0; i--) {
        int64_t number = windows->items[i - 1].number;
        if (is_full(&listing) || sqlite_window_end(conn, number) <= op->after)
            break;
        if (window_begin(conn, number) < listing.before && !list_set(conn, &listing, number))
            return false;
    }
    if (!is_full(&listing) && !list_set(conn, &listing, SQLITE_KEPT))
        return false;
    if (is_full(&listing))
        op->next = listing.before;
    return true;
}

/* -- loads -------------------------------------------------------------------------- */
/* The task's newest chunk of its last attempt: where its numbering goes on. */
static bool read_numbering(struct sqlite_conn *conn, int64_t set, struct store_task *task)
{
    if (task->cursor == 0 || task->token.attempt == 0)
        return true;
    struct sql_use use = sql_use_in(conn, SQL_CHUNK_SEQUENCE, set);
    sql_u64(&use, task->seq);
    sql_i64(&use, task->token.attempt);
    if (sql_row(&use))
        task->chunk_sequence = sql_get_u64(&use);
    return sql_end(&use);
}

/* Unfinished tasks of one set in (next, upto]: by the table of unfinished ones, or by looking.
 */
static bool load_range(struct sqlite_conn *conn, struct store_load *op, int64_t set,
                       enum sql_id query, uint64_t upto)
{
    if (op->count == op->limit || op->next >= upto)
        return true;
    struct sql_use use = sql_use_in(conn, query, set);
    sql_u64(&use, op->next);
    sql_u64(&use, upto);
    sql_i64(&use, (int64_t)op->limit);
    unsigned tried = 0;
    while (op->count < op->limit && sql_row(&use)) {
        struct store_task *task = &op->tasks[op->count];
        struct store_life life;
        tried++;
        if (!sqlite_get_task(conn, set, &use, task, &life, op->op.arena))
            break;
        op->next = task->seq;
        if ((op->shards >> store_seq_shard(task->seq) & 1) == 0)
            continue;
        if (!read_numbering(conn, set, task))
            break;
        op->count++;
    }
    op->more |= tried == op->limit;
    if (tried < op->limit && op->count < op->limit && conn->rc == SQLITE_OK)
        op->next = upto;
    return sql_end(&use);
}

static bool load_window(struct sqlite_conn *conn, struct store_load *op,
                        const struct sqlite_window *window, uint64_t listed_to)
{
    uint64_t end = sqlite_window_end(conn, window->number),
             listed = listed_to < end ? listed_to : end;
    if (op->more || end <= op->next)
        return true;
    if (op->next < window->moved)
        op->next = window->moved;
    return load_range(conn, op, window->number, SQL_TASK_LOAD, listed) &&
           (op->more || load_range(conn, op, window->number, SQL_TASK_LOAD_NEW, end));
}

/* Up to where everything that was kept is. */
static uint64_t kept_end(const struct sqlite_conn *conn)
{
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    uint64_t end = conn->closed >= 0 ? sqlite_window_end(conn, conn->closed) : 0;
    for (size_t i = 0; i < windows->count; i++)
        if (windows->items[i].moved > end)
            end = windows->items[i].moved;
    return end;
}

bool sqlite_load(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_load *op = aion_container(base, struct store_load, op);
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    int64_t listed_to = 0;
    (void)self;
    op->count = 0;
    op->more = false;
    op->next = op->after;
    op->tasks = sqlite_make_array(conn, base->arena, op->limit, sizeof(*op->tasks));
    if (op->tasks == NULL || !sqlite_meta_read(conn, "unfinished_to", &listed_to) ||
        !load_range(conn, op, SQLITE_KEPT, SQL_TASK_LOAD, kept_end(conn)))
        return false;
    for (size_t i = 0; i < windows->count && op->count < op->limit; i++)
        if (!load_window(conn, op, &windows->items[i], (uint64_t)listed_to))
            return false;
    op->more |= op->count == op->limit;
    return true;
}
