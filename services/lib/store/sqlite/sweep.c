/* Retention. The oldest window that is over before the cutoffs is gone through in pieces, each
 * one transaction with others: what must stay moves to the kept tables, the rest of the piece
 * is deleted as a range, and the list of windows says up to where. An empty window's tables are
 * dropped. Then what was kept and is due by now, keys by their windows, and the outbox.
 *
 * Pieces, because dropping a full table walks all its pages: seconds in which nobody could
 * commit. */
#include "base/failpoint.h"
#include "store/sqlite/sqlite_private.h"

enum {
    TASKS_MAX = 10000,
    /* More windows than this are not kept apart, however long tasks are kept: the oldest is
     * moved aside as a whole, as every set of tables costs each connection a start. */
    WINDOWS_MAX = 400,
    KEPT_AT_ONCE = 1000,
    KEYS_AT_ONCE = 10000,
    EVENTS_AT_ONCE = 20000,
    RANGES_MAX = 64,
};

/* A piece of a window: seqs in (after, upto]. */
struct piece {
    struct store_sweep *op;
    int64_t set;
    uint64_t after, upto;
};

/* The parameters of SQL_DUE and what uses it; number 5 is a limit. */
static struct sql_use use_due(struct sqlite_conn *conn, enum sql_id id,
                              const struct piece *piece, int64_t limit)
{
    struct sql_use use = sql_use_in(conn, id, piece->set);
    sql_u64(&use, piece->after);
    sql_u64(&use, piece->upto);
    sql_i64(&use, piece->op->succeeded_before_us);
    sql_i64(&use, piece->op->failed_before_us);
    sql_i64(&use, limit);
    sql_i64(&use, conn->window_us);
    return use;
}

static bool take_count(struct sql_use *use, uint64_t *sum)
{
    if (sql_row(use))
        *sum += sql_get_u64(use);
    return sql_end(use);
}

static int64_t cutoff_us(const struct store_sweep *op)
{
    return op->succeeded_before_us > op->failed_before_us ? op->succeeded_before_us
                                                          : op->failed_before_us;
}

static bool is_over(const struct sqlite_conn *conn, int64_t number, int64_t before_us)
{
    return (number + 1) * conn->window_us <= before_us;
}

/* -- a piece of a window ------------------------------------------------------------ */
static bool run_range(struct sqlite_conn *conn, const struct piece *piece, enum sql_id id)
{
    struct sql_use use = sql_use_in(conn, id, piece->set);
    sql_u64(&use, piece->after);
    sql_u64(&use, piece->upto);
    return sql_run(&use);
}

static bool run_all(struct sqlite_conn *conn, const struct piece *piece, const enum sql_id *ids,
                    size_t count, bool ranged)
{
    for (size_t i = 0; i < count; i++) {
        struct sql_use use = {.conn = conn};
        if (!ranged)
            use = sql_use_in(conn, ids[i], piece->set);
        if (!(ranged ? run_range(conn, piece, ids[i]) : sql_run(&use)))
            return false;
    }
    return true;
}

static const enum sql_id drops[] = {
    SQL_DROP_TASK,  SQL_DROP_DECISION, SQL_DROP_ATTEMPT, SQL_DROP_END,    SQL_DROP_MARK,
    SQL_DROP_CHUNK, SQL_DROP_ACK,      SQL_DROP_OUTCOME, SQL_DROP_LEDGER, SQL_DROP_ARRIVAL};

static bool choose_stay(struct sqlite_conn *conn, const struct piece *piece, uint64_t *ret_stay)
{
    struct sql_use clear = sql_use(conn, SQL_STAY_CLEAR);
    *ret_stay = 0;
    if (!sql_run(&clear))
        return false;
    struct sql_use choose = use_due(conn, SQL_STAY_ADD, piece, 0);
    if (!sql_run(&choose))
        return false;
    struct sql_use count = sql_use(conn, SQL_STAY_COUNT);
    return take_count(&count, ret_stay);
}

static bool count_leaving(struct sqlite_conn *conn, const struct piece *piece, uint64_t stay)
{
    uint64_t all = 0;
    struct sql_use tasks = sql_use_in(conn, SQL_PIECE_COUNT, piece->set);
    sql_u64(&tasks, piece->after);
    sql_u64(&tasks, piece->upto);
    if (!take_count(&tasks, &all))
        return false;
    piece->op->tasks += all - stay;
    struct sql_use chunks = sql_use_in(conn, SQL_LEAVING_CHUNKS, piece->set);
    sql_u64(&chunks, piece->after);
    sql_u64(&chunks, piece->upto);
    return take_count(&chunks, &piece->op->chunks);
}

/* Sums of entries must be in the balances before their rows go. */
static bool fold_to(struct sqlite_store *self, uint64_t upto)
{
    while (self->folded_to < upto) {
        uint64_t before = self->folded_to;
        if (!sqlite_ledger_fold(self, upto))
            return false;
        if (self->folded_to == before)
            break; /* no window holds anything between */
    }
    return true;
}

static bool sweep_piece(struct sqlite_store *self, const struct piece *piece)
{
    static const enum sql_id moves[] = {SQL_MOVE_TASK, SQL_MOVE_DECISION, SQL_MOVE_ATTEMPT,
                                        SQL_MOVE_END,  SQL_MOVE_MARK,     SQL_MOVE_CHUNK,
                                        SQL_MOVE_ACK,  SQL_MOVE_OUTCOME,  SQL_MOVE_LEDGER};
    struct sqlite_conn *conn = &self->writer;
    uint64_t stay;
    if (!fold_to(self, piece->upto) || !choose_stay(conn, piece, &stay) ||
        !count_leaving(conn, piece, stay) || !run_range(conn, piece, SQL_LEAVING_OWN) ||
        (stay > 0 && !run_all(conn, piece, moves, aion_countof(moves), false)))
        return false;
    aion_failpoint("store/in_sweep");
    return run_all(conn, piece, drops, aion_countof(drops), true);
}

/* Up to the task that fills the batch, or to the window's end. */
static bool cut_piece(struct sqlite_conn *conn, struct piece *piece, uint32_t tasks)
{
    struct sql_use use = sql_use_in(conn, SQL_PIECE_END, piece->set);
    sql_u64(&use, piece->after);
    sql_i64(&use, (int64_t)tasks - 1);
    piece->upto = sql_row(&use) ? sql_get_u64(&use) : sqlite_window_end(conn, piece->set);
    return sql_end(&use);
}

static bool sweep_window(struct sqlite_store *self, struct store_sweep *op, uint32_t tasks)
{
    struct sqlite_conn *conn = &self->writer;
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    struct piece piece = {
        .op = op, .set = windows->items[0].number, .after = windows->items[0].moved};
    uint64_t end = sqlite_window_end(conn, piece.set);
    if (self->unfinished_to < end && !sqlite_unfinished_move(self))
        return false;
    if (!cut_piece(conn, &piece, tasks) || !sweep_piece(self, &piece))
        return false;
    bool good = piece.upto < end ? sqlite_window_moved(conn, piece.set, piece.upto)
                                 : sqlite_window_close(conn, SQLITE_TASKS, piece.set);
    op->more = true; /* another window, or what was kept */
    return good;
}

/* -- what was kept ------------------------------------------------------------------ */
static bool drop_kept(struct sqlite_conn *conn, struct store_sweep *op, uint64_t seq)
{
    struct piece piece = {.op = op, .set = SQLITE_KEPT, .after = seq - 1, .upto = seq};
    struct sql_use chunks = sql_use_in(conn, SQL_KEPT_CHUNKS, SQLITE_KEPT);
    sql_u64(&chunks, seq);
    op->tasks++;
    if (!take_count(&chunks, &op->chunks) || op->dry_run)
        return conn->rc == SQLITE_OK;
    return run_range(conn, &piece, SQL_LEAVING_OWN) &&
           run_all(conn, &piece, drops, aion_countof(drops), true);
}

static bool sweep_kept(struct sqlite_conn *conn, struct store_sweep *op, int64_t tasks)
{
    struct piece piece = {.op = op, .set = SQLITE_KEPT};
    uint64_t due[KEPT_AT_ONCE];
    int64_t count = 0;
    tasks = tasks < KEPT_AT_ONCE ? tasks : KEPT_AT_ONCE;
    struct sql_use use = use_due(conn, SQL_KEPT_DUE, &piece, tasks);
    while (count < tasks && sql_row(&use))
        due[count++] = sql_get_u64(&use);
    if (!sql_end(&use))
        return false;
    struct sql_use clear = sql_use(conn, SQL_STAY_CLEAR);
    if (!sql_run(&clear))
        return false;
    for (int64_t i = 0; i < count; i++)
        if (!drop_kept(conn, op, due[i]))
            return false;
    op->more |= count == tasks;
    return true;
}

/* -- keys --------------------------------------------------------------------------- */
static bool sweep_keys(struct sqlite_conn *conn, struct store_sweep *op)
{
    const struct sqlite_windows *windows = &conn->windows[SQLITE_KEYS];
    const int64_t length_us = conn->window_us * SQLITE_KEY_WINDOWS;
    if (windows->count == 0 || (windows->items[0].number + 1) * length_us > op->keys_before_us)
        return true;
    int64_t number = windows->items[0].number;
    struct sql_use use = sql_use_in(conn, SQL_KEYS_DROP, number);
    sql_i64(&use, KEYS_AT_ONCE);
    if (!sql_run(&use))
        return false;
    int64_t count = sql_changes(conn);
    op->keys += (uint64_t)count;
    op->more = true;
    return count == KEYS_AT_ONCE || sqlite_window_close(conn, SQLITE_KEYS, number);
}

/* -- the outbox --------------------------------------------------------------------- */
struct range {
    uint64_t first, last; /* places */
};
struct events {
    uint64_t passed[STORE_SHARDS]; /* by every cursor */
    int64_t before_us;
    struct range ranges[RANGES_MAX];
    size_t range_count;
    uint64_t count, looked_to;
    bool end; /* nothing older is left */
};

static bool read_passed(struct sqlite_conn *conn, struct events *events)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        events->passed[i] = UINT64_MAX;
    struct sql_use use = sql_use(conn, SQL_CURSOR_LEAST);
    while (sql_row(&use)) {
        uint64_t shard = sql_get_u64(&use);
        events->passed[shard & (STORE_SHARDS - 1)] = sql_get_u64(&use);
    }
    return sql_end(&use);
}

static bool is_passed(const struct events *events, uint64_t place)
{
    return place >> STORE_SHARD_BITS <= events->passed[place & (STORE_SHARDS - 1)];
}

static void extend(struct events *events, uint64_t place, bool joined)
{
    if (joined && events->range_count > 0)
        events->ranges[events->range_count - 1].last = place;
    else
        events->ranges[events->range_count++] = (struct range){place, place};
    events->count++;
}

/* Rows behind looked_to that may go, as ranges without gap. */
static bool find_due(struct sqlite_conn *conn, struct events *events, int64_t rows)
{
    struct sql_use use = sql_use(conn, SQL_EVENT_LOOK);
    bool joined = false;
    sql_u64(&use, events->looked_to);
    events->end = true;
    while (sql_row(&use)) {
        uint64_t place = sql_get_u64(&use);
        bool due = is_passed(events, place);
        if (sql_get_i64(&use) >= events->before_us)
            break;
        if (rows-- == 0 || (due && !joined && events->range_count == RANGES_MAX)) {
            events->end = false;
            break;
        }
        if (due)
            extend(events, place, joined);
        joined = due;
        events->looked_to = place;
    }
    return sql_end(&use);
}

static bool drop_events(struct sqlite_conn *conn, const struct events *events)
{
    for (size_t i = 0; i < events->range_count; i++) {
        struct sql_use use = sql_use(conn, SQL_EVENT_DROP);
        sql_u64(&use, events->ranges[i].first);
        sql_u64(&use, events->ranges[i].last);
        if (!sql_run(&use))
            return false;
    }
    return true;
}

/* Exact to one window: of the whole ones before the cutoff. */
static int64_t events_before(const struct sqlite_conn *conn, const struct store_sweep *op)
{
    return op->events_before_us / conn->window_us * conn->window_us;
}

static bool sweep_events(struct sqlite_store *self, struct store_sweep *op)
{
    struct events events = {.before_us = events_before(&self->writer, op),
                            .looked_to = self->events_looked_to};
    if (!read_passed(&self->writer, &events) ||
        !find_due(&self->writer, &events, EVENTS_AT_ONCE) ||
        !drop_events(&self->writer, &events))
        return false;
    op->events += events.count;
    op->more |= !events.end;
    self->events_looked_to = events.end ? 0 : events.looked_to;
    return true;
}

static bool count_events(struct sqlite_conn *conn, struct store_sweep *op)
{
    struct events events = {.before_us = events_before(conn, op)};
    if (!read_passed(conn, &events))
        return false;
    do {
        events.range_count = 0;
        if (!find_due(conn, &events, INT64_MAX))
            return false;
    } while (!events.end);
    op->events = events.count;
    return true;
}

/* -- counting ----------------------------------------------------------------------- */
static bool count_windows(struct sqlite_conn *conn, struct store_sweep *op)
{
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    for (size_t i = 0; i < windows->count; i++) {
        const struct sqlite_window *window = &windows->items[i];
        struct piece piece = {.op = op,
                              .set = window->number,
                              .after = window->moved,
                              .upto = sqlite_window_end(conn, window->number)};
        if (!is_over(conn, window->number, cutoff_us(op)))
            break;
        struct sql_use tasks = use_due(conn, SQL_DUE_COUNT, &piece, 0);
        if (!take_count(&tasks, &op->tasks))
            return false;
        struct sql_use chunks = use_due(conn, SQL_DUE_CHUNKS, &piece, 0);
        if (!take_count(&chunks, &op->chunks))
            return false;
    }
    return true;
}

static bool count_kept(struct sqlite_conn *conn, struct store_sweep *op)
{
    struct piece piece = {.op = op, .set = SQLITE_KEPT};
    struct sql_use use = use_due(conn, SQL_KEPT_DUE, &piece, -1);
    while (sql_row(&use))
        if (!drop_kept(conn, op, sql_get_u64(&use)))
            break;
    return sql_end(&use);
}

static bool count_keys(struct sqlite_conn *conn, struct store_sweep *op)
{
    const struct sqlite_windows *windows = &conn->windows[SQLITE_KEYS];
    const int64_t length_us = conn->window_us * SQLITE_KEY_WINDOWS;
    for (size_t i = 0; i < windows->count; i++) {
        if ((windows->items[i].number + 1) * length_us > op->keys_before_us)
            break;
        struct sql_use use = sql_use_in(conn, SQL_KEYS_COUNT, windows->items[i].number);
        if (!take_count(&use, &op->keys))
            return false;
    }
    return true;
}

/* -- the operation ------------------------------------------------------------------ */
static bool sweep_tasks(struct sqlite_store *self, struct store_sweep *op)
{
    struct sqlite_conn *conn = &self->writer;
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    uint32_t tasks =
        op->batch_max == 0 || op->batch_max > TASKS_MAX ? TASKS_MAX : op->batch_max;
    bool many = windows->count > WINDOWS_MAX ||
                (windows->count > 0 && aion_failpoint("store/many_windows"));
    bool old =
        many || (windows->count > 0 && is_over(conn, windows->items[0].number, cutoff_us(op)));
    return old ? sweep_window(self, op, tasks) : sweep_kept(conn, op, tasks);
}

bool sqlite_sweep(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_sweep *op = aion_container(base, struct store_sweep, op);
    op->tasks = op->chunks = op->keys = op->events = 0;
    op->more = false;
    if (op->dry_run)
        return count_windows(conn, op) && count_kept(conn, op) && count_keys(conn, op) &&
               count_events(conn, op);
    return sweep_tasks(self, op) && sweep_keys(conn, op) && sweep_events(self, op);
}
