/* What a start must read: the unfinished tasks, found without walking what is finished.
 *
 * The table `unfinished` holds exactly the unfinished tasks up to a place that is written down
 * as `unfinished_to`; those after it the writer keeps in mind here, and a start finds them by
 * looking through the few thousand tasks behind that place. From time to time the place moves
 * on: what is still unfinished by then gets its row. What ended before, nearly everything,
 * never had one.
 *
 * Entries of the ledger likewise: up to `folded_to` their sums are in the balance rows. */
#include "base/failpoint.h"
#include "store/sqlite/sqlite_private.h"

#include <stdlib.h>

enum { MOVE_EVERY = 8192, FOLD_MAX = 100000 };

/* A seq has 57 bits; the top one says that the task has a row in `attempt`. */
#define STARTED ((uint64_t)1 << 63)

/* -- the set ------------------------------------------------------------------------ */
static size_t home(const struct sqlite_recent *recent, uint64_t seq)
{
    return (size_t)((seq * 0x9e3779b97f4a7c15) >> 32) & (recent->capacity - 1);
}

/* Where it is, or where it would be. */
static size_t place_of(const struct sqlite_recent *recent, uint64_t seq)
{
    size_t at = home(recent, seq);
    while (recent->seqs[at] != 0 && (recent->seqs[at] & ~STARTED) != seq)
        at = (at + 1) & (recent->capacity - 1);
    return at;
}

static void grow(struct sqlite_recent *recent)
{
    struct sqlite_recent old = *recent;
    recent->capacity = old.capacity > 0 ? old.capacity * 2 : 4096;
    recent->seqs = calloc(recent->capacity, sizeof(*recent->seqs));
    if (recent->seqs == NULL)
        abort(); /* a task that is forgotten here would not be loaded */
    for (size_t i = 0; i < old.capacity; i++)
        if (old.seqs[i] != 0)
            recent->seqs[place_of(recent, old.seqs[i] & ~STARTED)] = old.seqs[i];
    free(old.seqs);
}

static void add(struct sqlite_recent *recent, uint64_t seq)
{
    if (recent->count * 2 >= recent->capacity)
        grow(recent);
    size_t at = place_of(recent, seq);
    recent->count += recent->seqs[at] == 0;
    recent->seqs[at] = seq;
}

/* Closes the hole by moving up what stands behind it and does not belong there. */
static void take_out(struct sqlite_recent *recent, size_t hole)
{
    size_t mask = recent->capacity - 1;
    for (size_t at = (hole + 1) & mask; recent->seqs[at] != 0; at = (at + 1) & mask) {
        size_t want = home(recent, recent->seqs[at] & ~STARTED);
        if (((at - want) & mask) < ((at - hole) & mask))
            continue;
        recent->seqs[hole] = recent->seqs[at];
        hole = at;
    }
    recent->seqs[hole] = 0;
    recent->count--;
}

static bool remove_seq(struct sqlite_recent *recent, uint64_t seq)
{
    if (recent->count == 0)
        return false;
    size_t at = place_of(recent, seq);
    if (recent->seqs[at] == 0)
        return false;
    take_out(recent, at);
    return true;
}

static void clear(struct sqlite_recent *recent)
{
    if (recent->count > 0)
        memset(recent->seqs, 0, recent->capacity * sizeof(*recent->seqs));
    recent->count = 0;
}

/* -- what happens to tasks ---------------------------------------------------------- */
static bool add_row(struct sqlite_conn *conn, uint64_t seq)
{
    struct sql_use use = sql_use(conn, SQL_UNFINISHED_ADD);
    sql_u64(&use, seq);
    return sql_run(&use);
}

bool sqlite_unfinished_add(struct sqlite_store *self, uint64_t seq)
{
    self->accepted++;
    if (seq > self->newest_seq)
        self->newest_seq = seq;
    if (seq <= self->unfinished_to)
        return add_row(&self->writer, seq);
    add(&self->recent, seq);
    return true;
}

bool sqlite_unfinished_end(struct sqlite_store *self, uint64_t seq)
{
    if (seq > self->unfinished_to) {
        remove_seq(&self->recent, seq);
        return true;
    }
    struct sql_use use = sql_use(&self->writer, SQL_UNFINISHED_END);
    sql_u64(&use, seq);
    return sql_run(&use);
}

bool sqlite_unfinished_knows(const struct sqlite_store *self, uint64_t seq, bool *ret_started)
{
    if (self->recent.count == 0)
        return false;
    uint64_t found = self->recent.seqs[place_of(&self->recent, seq)];
    if (found != 0)
        *ret_started = (found & STARTED) != 0;
    return found != 0;
}

void sqlite_unfinished_started(struct sqlite_store *self, uint64_t seq)
{
    if (self->recent.count == 0)
        return;
    size_t at = place_of(&self->recent, seq);
    if (self->recent.seqs[at] != 0)
        self->recent.seqs[at] |= STARTED;
}

/* -- folding ------------------------------------------------------------------------ */
bool sqlite_balance_add(struct sqlite_conn *conn, aion_str account, int64_t nano_usd)
{
    struct sql_use use = sql_use(conn, SQL_BALANCE_ADD);
    sql_text(&use, account);
    sql_i64(&use, nano_usd);
    return nano_usd == 0 ? sql_end(&use) : sql_run(&use);
}

static bool fold_range(struct sqlite_conn *conn, int64_t set, uint64_t after, uint64_t upto)
{
    struct sql_use use = sql_use_in(conn, SQL_ENTRY_SUMS, set);
    sql_u64(&use, after);
    sql_u64(&use, upto);
    while (sql_row(&use)) {
        aion_str account = sql_get_str(&use, NULL);
        if (!sqlite_balance_add(conn, account, sql_get_i64(&use)))
            break;
    }
    return sql_end(&use);
}

/* How far FOLD_MAX entries behind `after` reach, at most `upto`. */
static bool fold_reach(struct sqlite_conn *conn, int64_t set, uint64_t after, uint64_t upto,
                       uint64_t *ret_reach)
{
    struct sql_use use = sql_use_in(conn, SQL_ENTRY_REACH, set);
    sql_u64(&use, after);
    sql_u64(&use, upto);
    sql_i64(&use, FOLD_MAX);
    *ret_reach = upto;
    if (sql_row(&use)) {
        uint64_t last = sql_get_u64(&use);
        if (sql_get_i64(&use) == FOLD_MAX)
            *ret_reach = last;
    }
    return sql_end(&use);
}

bool sqlite_ledger_fold(struct sqlite_store *self, uint64_t upto)
{
    struct sqlite_conn *conn = &self->writer;
    const struct sqlite_windows *windows = &conn->windows[SQLITE_TASKS];
    uint64_t folded = self->folded_to, before = folded;
    for (size_t i = 0; i < windows->count && folded < upto; i++) {
        int64_t number = windows->items[i].number;
        uint64_t end = sqlite_window_end(conn, number), reach;
        if (end <= folded)
            continue;
        end = end < upto ? end : upto;
        if (!fold_reach(conn, number, folded, end, &reach) ||
            !fold_range(conn, number, folded, reach))
            return false;
        folded = reach;
        if (reach < end)
            break; /* enough for once */
        if (i + 1 == windows->count)
            folded = upto;
    }
    self->folded_to = folded;
    return folded == before || sqlite_meta_put(conn, "folded_to", (int64_t)folded);
}

/* -- moving on ---------------------------------------------------------------------- */
bool sqlite_unfinished_move(struct sqlite_store *self)
{
    for (size_t i = 0; i < self->recent.capacity && self->recent.count > 0; i++)
        if (self->recent.seqs[i] != 0 &&
            !add_row(&self->writer, self->recent.seqs[i] & ~STARTED))
            return false;
    aion_failpoint("store/in_move");
    clear(&self->recent);
    self->accepted = 0;
    if (self->newest_seq > self->unfinished_to)
        self->unfinished_to = self->newest_seq;
    return sqlite_meta_put(&self->writer, "unfinished_to", (int64_t)self->unfinished_to) &&
           sqlite_ledger_fold(self, self->unfinished_to);
}

bool sqlite_unfinished_move_due(struct sqlite_store *self)
{
    bool due = self->accepted >= MOVE_EVERY || aion_failpoint("store/move_early");
    return !due || sqlite_unfinished_move(self);
}

/* -- reading it anew ---------------------------------------------------------------- */
static bool read_newest(struct sqlite_store *self, int64_t set)
{
    struct sql_use use = sql_use_in(&self->writer, SQL_NEWEST_TASK, set);
    uint64_t newest = sql_row(&use) ? sql_get_u64(&use) : 0;
    if (newest > self->newest_seq)
        self->newest_seq = newest;
    return sql_end(&use);
}

/* Tasks behind the place that have no outcome. That they may have started is taken for granted.
 */
static bool read_recent(struct sqlite_store *self, int64_t set)
{
    struct sql_use use = sql_use_in(&self->writer, SQL_UNFINISHED_AFTER, set);
    sql_u64(&use, self->unfinished_to);
    while (sql_row(&use)) {
        uint64_t seq = sql_get_u64(&use);
        add(&self->recent, seq);
        sqlite_unfinished_started(self, seq);
        self->accepted++;
    }
    return sql_end(&use);
}

static bool read_newest_event(struct sqlite_store *self)
{
    struct sql_use use = sql_use(&self->writer, SQL_NEWEST_EVENT);
    uint64_t place = sql_row(&use) ? sql_get_u64(&use) : 0;
    self->newest_event = place >> STORE_SHARD_BITS;
    return sql_end(&use);
}

static bool read_place(struct sqlite_store *self, const char *name, uint64_t *place)
{
    int64_t value = 0;
    bool good = sqlite_meta_read(&self->writer, name, &value);
    *place = (uint64_t)value;
    return good;
}

bool sqlite_unfinished_read(struct sqlite_store *self)
{
    const struct sqlite_windows *windows = &self->writer.windows[SQLITE_TASKS];
    clear(&self->recent);
    self->accepted = 0;
    if (!read_place(self, "unfinished_to", &self->unfinished_to) ||
        !read_place(self, "folded_to", &self->folded_to) || !read_newest_event(self))
        return false;
    self->newest_seq = self->unfinished_to;
    for (size_t i = windows->count; i > 0; i--) {
        int64_t number = windows->items[i - 1].number;
        if (sqlite_window_end(&self->writer, number) <= self->unfinished_to)
            break;
        if (!read_newest(self, number) || !read_recent(self, number))
            return false;
    }
    return true;
}
