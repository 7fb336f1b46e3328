/* Retention by windows. A window that is over before the cutoff of succeeded tasks goes whole:
 * what must stay is copied to the kept tables first, the sums of its money to the balances, and
 * its tables are dropped. From the kept tables, and from a window in which only the kind that
 * is kept shorter is due, rows are deleted, for they are few.
 *
 * Everything of a step is one transaction. It takes its locks in one go and gives up soon, so
 * that whoever waits behind it waits for a moment only: an old reader makes the step fail, not
 * the writers. */
#include "store/postgres/sweep.h"

#include "store/postgres/schema.h"

#include "base/failpoint.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 1000, KEYS_MIN = 1000 };

/* A step of one operation. */
struct step {
    struct pg_store *self;
    struct pg_wait *wait;
    struct store_sweep *op;
};

static int64_t end_of(const struct step *step, int64_t number)
{
    return (number + 1) * step->self->windows.length_us;
}

static uint32_t batch_of(const struct step *step)
{
    return step->op->batch_max > 0 && step->op->batch_max < BATCH ? step->op->batch_max : BATCH;
}

/* -- what is due -------------------------------------------------------------------- */
/* Parameters of PG_DUE, in the order that its statements have in common. */
static struct pg_args *put_cutoffs(struct step *step, struct pg_statement statement)
{
    struct pg_args *args = pg_begin(&step->wait->conn, statement);
    pg_put_i64(args, step->op->succeeded_before_us);
    pg_put_i64(args, step->op->failed_before_us);
    pg_put_i64(args, step->self->windows.length_us);
    return args;
}

/* The places of some due tasks, as the args' arrays take them; the caller frees. */
struct places {
    int64_t *list;
    size_t count;
};

static bool find_due(struct step *step, int64_t window, struct places *ret)
{
    struct pg_statement statement = pg_windowed(PG_DUE_PLACES, window);
    struct pg_rows rows;
    struct pg_args *args = put_cutoffs(step, statement);
    pg_put_i64(args, batch_of(step));
    *ret = (struct places){0};
    bool read = pg_query(step->wait, statement, &rows);
    ret->list = calloc((size_t)rows.rows + 1, sizeof(ret->list[0]));
    while (read && ret->list != NULL && pg_next(&rows))
        ret->list[ret->count++] = pg_get_i64(&rows);
    pg_rows_done(&rows);
    return read && ret->list != NULL;
}

/* -- rows, one by one --------------------------------------------------------------- */
static bool run_for(struct step *step, struct pg_statement statement,
                    const struct places *places, uint64_t *ret_count)
{
    struct pg_args *args = pg_begin(&step->wait->conn, statement);
    for (size_t i = 0; i < places->count; i++) {
        pg_at(args, 0);
        pg_put_i64(args, places->list[i]);
    }
    return pg_run(step->wait, statement, ret_count);
}

static const enum store_table of_tasks[] = {
    STORE_TABLE_DECISION, STORE_TABLE_ATTEMPT, STORE_TABLE_ATTEMPT_END, STORE_TABLE_MARK,
    STORE_TABLE_ACK,      STORE_TABLE_OUTCOME, STORE_TABLE_LEDGER,      STORE_TABLE_TASK,
};

static bool delete_tasks(struct step *step, int64_t window, const struct places *places)
{
    uint64_t chunks, tasks;
    if (!run_for(step, pg_windowed(PG_FOLD_PLACES, window), places, NULL) ||
        !run_for(step, pg_statement(PG_DROP_OWN_IDS), places, NULL) ||
        !run_for(step, pg_delete(STORE_TABLE_CHUNK, window), places, &chunks))
        return false;
    for (size_t i = 0; i < aion_countof(of_tasks); i++)
        if (!run_for(step, pg_delete(of_tasks[i], window), places, &tasks))
            return false;
    step->op->tasks += tasks; /* the last table's */
    step->op->chunks += chunks;
    step->op->more = true;
    return true;
}

static bool delete_due(struct step *step, int64_t window)
{
    struct places places;
    bool done = find_due(step, window, &places) &&
                (places.count == 0 || delete_tasks(step, window, &places));
    free(places.list);
    return done;
}

/* -- a whole window ----------------------------------------------------------------- */
static uint64_t from_of(const struct step *step, int64_t number)
{
    return store_seq(number * step->self->windows.length_us, 0);
}

/* The window's row, so that nobody else drops or opens it; and its tables, all at once. */
static bool lock_window(struct step *step, int64_t number, bool *ret_there)
{
    char text[160];
    struct pg_rows rows = pg_rows(step->wait);
    snprintf(text, sizeof(text),
             "SELECT 1 FROM time_window WHERE kind = 0 AND number = %lld AND state <> %d FOR "
             "UPDATE",
             (long long)number, (int)PG_DROPPED);
    bool read = pg_exec(step->wait, "SET LOCAL lock_timeout = '1s'") &&
                pg_schema_lock(step->wait) &&
                pg_send_text_rows(&step->wait->conn, text, pg_take_rows, &rows) &&
                pg_finish(step->wait);
    *ret_there = read && pg_next(&rows);
    pg_rows_done(&rows);
    long long n = (long long)number;
    return read &&
           (!*ret_there ||
            pg_execf(step->wait,
                     "LOCK TABLE task_w%lld, decision_w%lld, attempt_w%lld, attempt_end_w%lld, "
                     "mark_w%lld, chunk_w%lld, ack_w%lld, outcome_w%lld, ledger_w%lld, "
                     "arrival_w%lld IN ACCESS EXCLUSIVE MODE",
                     n, n, n, n, n, n, n, n, n, n));
}

static bool keep_tasks(struct step *step, int64_t number, uint64_t *ret_kept)
{
    struct pg_statement statement = pg_windowed(PG_KEEP_TASKS, number);
    put_cutoffs(step, statement);
    return pg_run(step->wait, statement, ret_kept);
}

static bool keep_rows(struct step *step, enum store_table table, int64_t number)
{
    const char *name = store_layout(table)->name;
    return pg_execf(step->wait,
                    "INSERT INTO %s_kept SELECT x.* FROM %s_w%lld x WHERE x.seq IN (SELECT seq "
                    "FROM task_kept WHERE seq >= %llu AND seq < %llu)",
                    name, name, (long long)number, (unsigned long long)from_of(step, number),
                    (unsigned long long)from_of(step, number + 1));
}

/* Their facts follow the tasks that stay. */
static bool keep_facts(struct step *step, int64_t number)
{
    for (size_t i = 0; i < aion_countof(of_tasks); i++)
        if (of_tasks[i] != STORE_TABLE_TASK && !keep_rows(step, of_tasks[i], number))
            return false;
    return keep_rows(step, STORE_TABLE_CHUNK, number);
}

static bool count_kept_chunks(struct step *step, int64_t number, uint64_t *ret_count)
{
    char text[128];
    int64_t count = 0;
    snprintf(text, sizeof(text),
             "SELECT count(*) FROM chunk_kept WHERE seq >= %llu AND seq < %llu",
             (unsigned long long)from_of(step, number),
             (unsigned long long)from_of(step, number + 1));
    bool read = pg_ask(step->wait, text, &count);
    *ret_count = (uint64_t)count;
    return read;
}

static bool count_rows(struct step *step, const char *table, int64_t number,
                       uint64_t *ret_count)
{
    char text[96];
    int64_t count = 0;
    snprintf(text, sizeof(text), "SELECT count(*) FROM %s_w%lld", table, (long long)number);
    bool read = pg_ask(step->wait, text, &count);
    *ret_count = (uint64_t)count;
    return read;
}

static bool run_range(struct step *step, enum pg_statement_id id, int64_t number)
{
    struct pg_statement statement = pg_windowed(id, number);
    struct pg_args *args = pg_begin(&step->wait->conn, statement);
    pg_put_u64(args, from_of(step, number));
    pg_put_u64(args, from_of(step, number + 1));
    return pg_run(step->wait, statement, NULL);
}

static bool drop_tables(struct step *step, int64_t number)
{
    for (enum store_table table = 0; table < STORE_TABLE_COUNT; table++)
        if (store_layout(table)->by == STORE_BY_SEQ &&
            !pg_execf(step->wait, "DROP TABLE %s_w%lld", store_layout(table)->name,
                      (long long)number))
            return false;
    return pg_execf(step->wait,
                    "UPDATE time_window SET state = %d WHERE kind = 0 AND number = %lld",
                    (int)PG_DROPPED, (long long)number);
}

/* Windows below all that have tables need no row: one number stands for them. */
static bool raise_floor(struct step *step, int kind)
{
    return pg_execf(
        step->wait,
        "WITH least AS (SELECT min(number) AS number FROM time_window WHERE kind = "
        "%d AND state <> %d), gone AS (DELETE FROM time_window w USING least l WHERE "
        "w.kind = %d AND w.number < l.number RETURNING w.number) UPDATE window_floor "
        "f SET number = greatest(f.number, (SELECT max(number) + 1 FROM gone)) WHERE "
        "f.kind = %d AND EXISTS (SELECT FROM gone)",
        kind, (int)PG_DROPPED, kind, kind);
}

static bool drop_window(struct step *step, int64_t number)
{
    uint64_t kept, all, chunks_all, chunks_kept;
    bool there;
    if (!lock_window(step, number, &there))
        return false;
    step->op->more = true;
    if (!there)
        return true; /* another control was faster: the list is read anew */
    if (!count_rows(step, "task", number, &all) ||
        !count_rows(step, "chunk", number, &chunks_all) || !keep_tasks(step, number, &kept) ||
        !keep_facts(step, number) || !run_range(step, PG_FOLD_WINDOW, number) ||
        !run_range(step, PG_DROP_OWN_RANGE, number))
        return false;
    if (!count_kept_chunks(step, number, &chunks_kept) || !drop_tables(step, number) ||
        !raise_floor(step, PG_BY_SEQ))
        return false;
    step->op->tasks += all - kept;
    step->op->chunks += chunks_all - chunks_kept;
    return true;
}

/* -- events ------------------------------------------------------------------------- */
/* How far all registered cursors have come; no cursor: everything was passed. */
static bool read_passed(struct step *step, uint64_t passed[STORE_SHARDS])
{
    struct pg_rows rows;
    pg_begin(&step->wait->conn, pg_statement(PG_CURSOR_LEAST));
    bool read = pg_query(step->wait, pg_statement(PG_CURSOR_LEAST), &rows);
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        passed[shard] = UINT64_MAX;
    while (read && pg_next(&rows)) {
        uint64_t shard = pg_get_u64(&rows) % STORE_SHARDS;
        passed[shard] = pg_get_u64(&rows);
    }
    pg_rows_done(&rows);
    return read;
}

bool pg_read_tops(struct pg_wait *wait, int64_t number, uint64_t top[STORE_SHARDS])
{
    struct pg_statement statement = pg_windowed(PG_NEWEST_EVENTS, number);
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++) {
        pg_at(args, 0);
        pg_put_i64(args, shard);
    }
    bool read = pg_query(wait, statement, &rows);
    memset(top, 0, STORE_SHARDS * sizeof(top[0]));
    while (read && pg_next(&rows)) {
        uint64_t shard = pg_get_u64(&rows) % STORE_SHARDS;
        top[shard] = pg_get_u64(&rows);
    }
    pg_rows_done(&rows);
    return read;
}

/* The rows of a window of events that may go: all of it, or none. */
static bool is_passed(const uint64_t top[STORE_SHARDS], const uint64_t passed[STORE_SHARDS])
{
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        if (top[shard] > passed[shard])
            return false;
    return true;
}

/* The newest sequences outlive their rows: an owner goes on behind them. */
static bool keep_tops(struct step *step, const uint64_t top[STORE_SHARDS])
{
    struct pg_args *args = pg_begin(&step->wait->conn, pg_statement(PG_SHARD_TOPS));
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++) {
        pg_at(args, 0);
        pg_put_i64(args, shard);
        pg_put_u64(args, top[shard]);
    }
    return pg_run(step->wait, pg_statement(PG_SHARD_TOPS), NULL);
}

static bool drop_events(struct step *step, int64_t number, const uint64_t passed[STORE_SHARDS])
{
    uint64_t top[STORE_SHARDS], count;
    long long n = (long long)number;
    if (!pg_exec(step->wait, "SET LOCAL lock_timeout = '1s'") || !pg_schema_lock(step->wait) ||
        !pg_execf(step->wait, "LOCK TABLE outbox_w%lld IN ACCESS EXCLUSIVE MODE", n) ||
        !pg_read_tops(step->wait, number, top))
        return false;
    if (!is_passed(top, passed))
        return true; /* a row came since it was looked at */
    step->op->more = true;
    bool dropped =
        count_rows(step, "outbox", number, &count) && keep_tops(step, top) &&
        pg_execf(step->wait, "DROP TABLE outbox_w%lld", n) &&
        pg_execf(step->wait,
                 "UPDATE time_window SET state = %d WHERE kind = 1 AND number = %lld",
                 (int)PG_DROPPED, n) &&
        raise_floor(step, PG_BY_TIME);
    step->op->events += dropped ? count : 0;
    return dropped;
}

/* The first window of events that may go; *ret_found. */
static bool find_events(struct step *step, const uint64_t passed[STORE_SHARDS],
                        int64_t *ret_number, bool *ret_found)
{
    size_t count;
    struct pg_window *list = pg_windows_copy(&step->self->windows, PG_BY_TIME, &count);
    bool read = true;
    *ret_found = false;
    for (size_t i = 0; read && !*ret_found && i < count; i++) {
        if (end_of(step, list[i].number) > step->op->events_before_us)
            break;
        if (list[i].state != PG_SEALED)
            read = pg_read_tops(step->wait, list[i].number, list[i].top);
        *ret_found = read && is_passed(list[i].top, passed);
        *ret_number = list[i].number;
    }
    free(list);
    return read;
}

static bool sweep_events(struct step *step)
{
    uint64_t passed[STORE_SHARDS];
    int64_t number = 0;
    bool found = false;
    return step->op->events_before_us == 0 ||
           (read_passed(step, passed) && find_events(step, passed, &number, &found) &&
            (!found || drop_events(step, number, passed)));
}

/* -- keys --------------------------------------------------------------------------- */
static bool sweep_keys(struct step *step)
{
    uint32_t most = batch_of(step) < KEYS_MIN ? KEYS_MIN : batch_of(step);
    struct pg_args *args = pg_begin(&step->wait->conn, pg_statement(PG_DROP_KEYS));
    pg_put_i64(args, step->op->keys_before_us);
    pg_put_i64(args, most);
    if (!pg_run(step->wait, pg_statement(PG_DROP_KEYS), &step->op->keys))
        return false;
    step->op->more |= step->op->keys == most;
    return true;
}

/* -- a step ------------------------------------------------------------------------- */
/* The oldest window with something due. */
static bool sweep_windows(struct step *step)
{
    size_t count;
    struct pg_window *list = pg_windows_copy(&step->self->windows, PG_BY_SEQ, &count);
    bool done = true;
    for (size_t i = 0; done && !step->op->more && i < count; i++) {
        int64_t end_us = end_of(step, list[i].number);
        if (end_us <= step->op->succeeded_before_us)
            done = drop_window(step, list[i].number);
        else if (end_us <= step->op->failed_before_us)
            done = delete_due(step, list[i].number);
    }
    free(list);
    return done;
}

bool pg_sweep_step(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_sweep *op = aion_container(base, struct store_sweep, op);
    struct step step = {self, wait, op};
    op->tasks = op->chunks = op->keys = op->events = 0;
    op->more = false;
    bool done = sweep_windows(&step) && (op->more || delete_due(&step, PG_KEPT)) &&
                (op->more || sweep_keys(&step)) && (op->more || sweep_events(&step));
    aion_failpoint("store/in_sweep");
    return done;
}

/* -- counting ----------------------------------------------------------------------- */
static bool count_due(struct step *step, int64_t window)
{
    struct pg_statement statement = pg_windowed(PG_DUE_COUNT, window);
    struct pg_rows rows;
    put_cutoffs(step, statement);
    bool read = pg_query(step->wait, statement, &rows);
    if (read && pg_next(&rows)) {
        step->op->tasks += pg_get_u64(&rows);
        step->op->chunks += pg_get_u64(&rows);
    }
    pg_rows_done(&rows);
    return read;
}

static bool count_windows(struct step *step)
{
    size_t count;
    struct pg_window *list = pg_windows_copy(&step->self->windows, PG_BY_SEQ, &count);
    bool read = true;
    for (size_t i = 0; read && i < count; i++) {
        int64_t end_us = end_of(step, list[i].number);
        if (end_us <= step->op->succeeded_before_us || end_us <= step->op->failed_before_us)
            read = count_due(step, list[i].number);
    }
    free(list);
    return read && count_due(step, PG_KEPT);
}

static bool count_keys(struct step *step)
{
    int64_t keys;
    char text[96];
    snprintf(text, sizeof(text), "SELECT count(*) FROM idempotency WHERE at_us < %lld",
             (long long)step->op->keys_before_us);
    bool read = pg_ask(step->wait, text, &keys);
    step->op->keys = (uint64_t)keys;
    return read;
}

static bool count_events(struct step *step)
{
    uint64_t passed[STORE_SHARDS];
    size_t count;
    bool read = read_passed(step, passed);
    struct pg_window *list = pg_windows_copy(&step->self->windows, PG_BY_TIME, &count);
    for (size_t i = 0; read && i < count; i++) {
        uint64_t rows = 0;
        if (end_of(step, list[i].number) > step->op->events_before_us)
            break;
        if (list[i].state != PG_SEALED)
            read = pg_read_tops(step->wait, list[i].number, list[i].top);
        if (read && is_passed(list[i].top, passed))
            read = count_rows(step, "outbox", list[i].number, &rows);
        step->op->events += rows;
    }
    free(list);
    return read;
}

bool pg_sweep_count(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_sweep *op = aion_container(base, struct store_sweep, op);
    struct step step = {self, wait, op};
    op->tasks = op->chunks = op->keys = op->events = 0;
    op->more = false;
    return count_windows(&step) && count_keys(&step) && count_events(&step);
}
