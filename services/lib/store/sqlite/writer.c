/* The one writer: all operations that wait become one transaction, one fsync for all of them
 * (group commit).
 *
 * Each operation checks before it writes, so a refused one (duplicate, stale) costs its batch
 * nothing. Should one fail in the database itself, the batch is rolled back and run again with
 * a savepoint around each, so that only that one fails. Completions leave after COMMIT has
 * returned and never otherwise. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "store/sqlite/sqlite_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* One transaction holds at most this many: bounds the time of a rerun and the log's growth by
 * one commit. */
enum { BATCH_MAX = 1024, GATHER_FROM = 2, GATHER_MAX_US = 1000 };

static sqlite_apply_fn *const apply[STORE_KINDS] = {
    [STORE_ACCEPT] = sqlite_write,
    [STORE_ROUTE] = sqlite_write,
    [STORE_START] = sqlite_write,
    [STORE_CHUNKS] = sqlite_write,
    [STORE_RETRY] = sqlite_write,
    [STORE_FINISH] = sqlite_write,
    [STORE_MARK] = sqlite_write,
    [STORE_ACK] = sqlite_write,
    [STORE_LEASE] = sqlite_lease,
    [STORE_CURSOR_PUT] = sqlite_cursor_put,
    [STORE_CURSOR_DROP] = sqlite_cursor_drop,
    [STORE_BUDGET_PUT] = sqlite_budget_put,
    [STORE_CARVE] = sqlite_carve,
    [STORE_UNCARVE] = sqlite_uncarve,
    [STORE_REAP] = sqlite_reap,
    [STORE_AUDIT_PUT] = sqlite_audit_put,
    [STORE_ARRIVALS] = sqlite_arrivals,
    [STORE_POLICY_PUT] = sqlite_policy_put,
    [STORE_PLAN_PUT] = sqlite_plan_put,
    [STORE_HOLD_PUT] = sqlite_hold_put,
    [STORE_HOLD_DROP] = sqlite_hold_drop,
    [STORE_SWEEP] = sqlite_sweep,
    [STORE_FACTS_PUT] = sqlite_facts_put,
    [STORE_TASK_READ] = sqlite_task_read,
    [STORE_KEY_READ] = sqlite_key_read,
    [STORE_LIST] = sqlite_list,
    [STORE_CHUNKS_READ] = sqlite_chunks_read,
    [STORE_LOAD] = sqlite_load,
    [STORE_EVENTS_READ] = sqlite_events_read,
    [STORE_CURSOR_READ] = sqlite_cursor_read,
    [STORE_BUDGET_LIST] = sqlite_budget_list,
    [STORE_BALANCES] = sqlite_balances,
    [STORE_AUDIT_LIST] = sqlite_audit_list,
    [STORE_AUDIT_HEADS] = sqlite_audit_heads,
    [STORE_ARRIVALS_READ] = sqlite_arrivals_read,
    [STORE_POLICY_LIST] = sqlite_policy_list,
    [STORE_POLICY_READ] = sqlite_policy_read,
    [STORE_PLAN_READ] = sqlite_plan_read,
    [STORE_HOLD_LIST] = sqlite_hold_list,
    [STORE_FACTS_READ] = sqlite_facts_read,
};

bool sqlite_apply(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *op)
{
    if (!sqlite_audit_check(conn, op) || op->err != NULL)
        return conn->rc == SQLITE_OK;
    return apply[op->kind](self, conn, op) && sqlite_audit_add(conn, op);
}

bool sqlite_is_fatal(int rc)
{
    return rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC ||
           (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

bool sqlite_is_environment(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return true;
    default:
        return false;
    }
}

static const char *cause_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return "the disk is full: free some space";
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return "the database is read-only: check the file system and the rights of the file";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "the database is damaged: restore a backup, or move the file away to start "
               "empty";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another process holds the database";
    case SQLITE_CANTOPEN:
        return "the database cannot be opened: check that its folder exists and may be written";
    case SQLITE_NOMEM:
        return "out of memory";
    default:
        return "the disk has failed";
    }
}

void sqlite_error(const struct sqlite_conn *conn, const char *where, struct aion_err *err)
{
    if (conn->rc == SQLITE_TOOBIG)
        aion_err_set(err, where, AION_EXHAUSTED, "the answer is larger than allowed");
    else if (!sqlite_is_environment(conn->rc))
        aion_err_set(err, where, AION_INTERNAL, "the database refused the operation");
    else if ((conn->rc & 0xff) == SQLITE_CORRUPT || (conn->rc & 0xff) == SQLITE_NOTADB)
        aion_err_set(err, where, AION_DATA_LOSS, "the store is down: %s", cause_of(conn->rc));
    else
        aion_err_set(err, where, AION_UNAVAILABLE, "the store is down: %s", cause_of(conn->rc));
    if (sqlite_is_environment(conn->rc))
        aion_err_reason(err, "STORE_DOWN");
    aion_err_detail(err, "sqlite %d: %s", conn->rc, conn->message);
}

void sqlite_stopped_error(struct aion_err *err)
{
    aion_err_set(err, __func__, AION_UNAVAILABLE,
                 "the store is down: it has stopped after a disk failure");
    aion_err_reason(err, "STORE_DOWN");
}

void sqlite_stop_acknowledging(struct sqlite_store *self, const struct sqlite_conn *conn)
{
    struct aion_err err;
    sqlite_error(conn, __func__, &err);
    atomic_store(&self->healthy, false);
    if (!atomic_exchange(&self->stopped, true))
        store_raise_fatal(&self->base, &err);
}

/* -- one batch ---------------------------------------------------------------------- */
static bool run(struct sqlite_conn *conn, enum sql_id id)
{
    struct sql_use use = sql_use(conn, id);
    return sql_run(&use);
}

/* What is known beside the tables, as they are now. */
static bool read_anew(struct sqlite_store *self)
{
    struct sqlite_conn *conn = &self->writer;
    conn->generation = -1;
    self->events_looked_to = 0;
    if (!sqlite_windows_refresh(conn) || !sqlite_unfinished_read(self))
        return false;
    struct sql_use use = sql_use(conn, SQL_EPOCH_READ);
    if (sql_row(&use))
        self->epoch = sql_get_u64(&use);
    return sql_end(&use);
}

/* Ends a transaction that failed; the cause stays in conn->rc. */
static void roll_back(struct sqlite_store *self)
{
    struct sqlite_conn *conn = &self->writer;
    int rc = conn->rc;
    conn->rc = SQLITE_OK;
    if (sqlite3_get_autocommit(conn->db) == 0)
        run(conn, SQL_ROLLBACK);
    self->stale = !read_anew(self);
    conn->rc = rc;
}

static bool apply_plain(struct sqlite_store *self, struct store_op *batch)
{
    for (struct store_op *op = batch; op != NULL; op = op->next)
        if (!sqlite_apply(self, &self->writer, op))
            return false;
    return true;
}

/* An operation that the database refuses is undone alone. */
static bool apply_guarded(struct sqlite_store *self, struct store_op *op)
{
    struct sqlite_conn *conn = &self->writer;
    if (!run(conn, SQL_SAVEPOINT))
        return false;
    if (!sqlite_apply(self, conn, op)) {
        struct aion_err err;
        if (sqlite_is_environment(conn->rc))
            return false;
        sqlite_error(conn, __func__, &err);
        store_op_fail(op, &err);
        sqlite_conn_clear(conn);
        if (!run(conn, SQL_ROLLBACK_TO) || !read_anew(self))
            return false;
    }
    return run(conn, SQL_RELEASE);
}

static bool apply_each_guarded(struct sqlite_store *self, struct store_op *batch)
{
    for (struct store_op *op = batch; op != NULL; op = op->next)
        if (!apply_guarded(self, op))
            return false;
    return true;
}

static bool commit(struct sqlite_conn *conn)
{
    if (aion_failpoint("store/before_commit"))
        return sqlite_conn_failed(conn, SQLITE_FULL);
    if (!run(conn, SQL_COMMIT))
        return false;
    aion_failpoint("store/after_commit");
    return true;
}

/* Errors of an attempt at it that was rolled back are no more. */
static void forget_errors(struct store_op *batch)
{
    for (struct store_op *op = batch; op != NULL; op = op->next) {
        free(op->err);
        op->err = NULL;
    }
}

static bool transaction(struct sqlite_store *self, struct store_op *batch,
                        bool (*apply_all)(struct sqlite_store *, struct store_op *))
{
    struct sqlite_conn *conn = &self->writer;
    sqlite_conn_clear(conn);
    forget_errors(batch);
    if (run(conn, SQL_BEGIN) && (!self->stale || read_anew(self)) &&
        sqlite_unfinished_move_due(self) && apply_all(self, batch) && commit(conn)) {
        self->stale = false;
        return true;
    }
    roll_back(self);
    return false;
}

static void fail_all(struct sqlite_store *self, struct store_op *batch)
{
    struct aion_err err;
    if (self->writer.rc == SQLITE_OK) /* another connection's failure has ended it */
        sqlite_stopped_error(&err);
    else
        sqlite_error(&self->writer, __func__, &err);
    for (struct store_op *op = batch; op != NULL; op = op->next)
        store_op_fail(op, &err);
    atomic_store(&self->healthy, false);
    if (sqlite_is_fatal(self->writer.rc))
        sqlite_stop_acknowledging(self, &self->writer);
}

/* Returns how long it took, in µs. */
static int64_t commit_batch(struct sqlite_store *self, struct store_op *batch,
                            size_t operations)
{
    int64_t begun_us = aion_clock_mono_us();
    bool committed = false;
    sqlite_conn_clear(&self->writer);
    if (!atomic_load(&self->stopped)) {
        committed = transaction(self, batch, apply_plain);
        if (!committed && !sqlite_is_environment(self->writer.rc))
            committed = transaction(self, batch, apply_each_guarded);
        if (atomic_load(&self->stopped))
            committed = false; /* by a checkpoint meanwhile: nothing is told any more */
    }
    if (committed)
        atomic_store(&self->healthy, true);
    else
        fail_all(self, batch);
    int64_t took_us = aion_clock_mono_us() - begun_us;
    store_count_commit(&self->base, &self->stats_lock, &self->stats, committed, operations,
                       took_us);
    store_complete(&self->base, batch);
    if (committed)
        sqlite_checkpoint_after_commit(self);
    return took_us;
}

/* -- the thread --------------------------------------------------------------------- */
static struct timespec timespec_of(int64_t mono_us)
{
    return (struct timespec){.tv_sec = mono_us / 1000000, .tv_nsec = mono_us % 1000000 * 1000};
}

/* Waits until something must be written: an urgent operation, or the end of a lazy one's time.
 */
static void wait_for_work_locked(struct sqlite_queue *queue, int64_t linger_us)
{
    int64_t until_us = 0; /* set when the first lazy one is seen */
    queue->sleeping++;
    while (queue->urgent == 0 && !queue->stopping) {
        if (queue->first == NULL) {
            pthread_cond_wait(&queue->wake, &queue->lock);
            continue;
        }
        int64_t now_us = aion_clock_mono_us();
        if (until_us == 0)
            until_us = now_us + linger_us;
        if (now_us >= until_us)
            break;
        struct timespec until = timespec_of(until_us);
        pthread_cond_timedwait(&queue->wake, &queue->lock, &until);
    }
    queue->sleeping--;
}

/* The next batch, in order; NULL = stopped and nothing is left. */
static struct store_op *take_batch(struct sqlite_queue *queue, int64_t linger_us,
                                   size_t *ret_count)
{
    pthread_mutex_lock(&queue->lock);
    wait_for_work_locked(queue, linger_us);
    struct store_op *batch = queue->first;
    struct store_op **end = &queue->first;
    size_t count = 0;
    for (; *end != NULL && count < BATCH_MAX; end = &(*end)->next) {
        queue->urgent -= !(*end)->lazy;
        count++;
    }
    queue->first = *end;
    if (queue->first == NULL)
        queue->last = &queue->first;
    if (count > 0)
        *end = NULL;
    queue->count -= count;
    pthread_mutex_unlock(&queue->lock);
    *ret_count = count;
    return count > 0 ? batch : NULL;
}

/* Where operations come side by side, waiting about as long as a commit takes lets the next one
 * carry several for the price of one; whoever comes alone waits for nobody. */
static void gather(size_t count, int64_t commit_us)
{
    if (count < GATHER_FROM)
        return;
    struct timespec wait = timespec_of(commit_us < GATHER_MAX_US ? commit_us : GATHER_MAX_US);
    nanosleep(&wait, NULL);
}

void *sqlite_writer_main(void *arg)
{
    struct sqlite_store *self = arg;
    struct store_op *batch;
    size_t count;
    while ((batch = take_batch(&self->writes, self->linger_us, &count)) != NULL)
        gather(count, commit_batch(self, batch, count));
    return NULL;
}
