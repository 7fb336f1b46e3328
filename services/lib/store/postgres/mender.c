/* The mender: settles what a lane could not. It runs a batch's writes one by one in a
 * transaction of their own, each behind a savepoint, so that one which the database refuses
 * fails alone; makes windows that are missing; writes lines of audit with their effect; and
 * finds out why a write was refused.
 *
 * A batch whose end is not known (the connection broke) is run again in the same way: every
 * write finds its own fact if it was committed, and is DONE then (judge.c). That holds whatever
 * became of the first transaction, also if it is committed only later. */
#include "base/clock.h"
#include "store/postgres/audit.h"
#include "store/postgres/judge.h"
#include "store/postgres/postgres_private.h"
#include "store/postgres/schema.h"

#include <stdlib.h>
#include <time.h>

enum {
    MEND_US = 10000000, /* then it is told as it is: down, or unclear */
    PAUSE_US = 50000,   /* between two tries */
};

struct pg_job *pg_job_new(enum pg_mend mend, size_t count)
{
    struct pg_job *job = calloc(1, sizeof(*job) + count * sizeof(job->ops[0]));
    if (job == NULL)
        abort(); /* operations that nobody answers would be worse */
    job->mend = mend;
    job->count = count;
    return job;
}

void pg_mender_add(struct pg_store *self, struct pg_job *job)
{
    pthread_mutex_lock(&self->jobs_lock);
    *self->jobs_last = job;
    self->jobs_last = &job->next;
    pthread_mutex_unlock(&self->jobs_lock);
    pthread_cond_signal(&self->jobs_wake);
}

/* -- windows ------------------------------------------------------------------------ */
static bool ensure(struct pg_store *self, enum pg_window_kind kind, int64_t at_us)
{
    pg_clear(&self->maker.conn);
    return pg_wait_connect(&self->maker) &&
           pg_windows_ensure(&self->windows, &self->maker, kind,
                             pg_window_of(&self->windows, at_us));
}

/* A new task in an old window: that one holds an unfinished task again; and so with an event.
 * The lock keeps the window from being sealed before they are committed. */
static bool open_windows(struct pg_store *self, const struct pg_entry *entry)
{
    const struct store_write *events[2];
    for (unsigned i = pg_events_of(entry->op, events); i > 0; i--) {
        int64_t number = pg_window_of(&self->windows, events[i - 1]->event->at_us);
        if (pg_window_is_old(&self->windows, number) &&
            !pg_windows_unseal(&self->mender, PG_BY_TIME, number))
            return false;
    }
    return !pg_admits(entry->op) || entry->window == PG_KEPT ||
           !pg_window_is_old(&self->windows, entry->window) ||
           pg_windows_unseal(&self->mender, PG_BY_SEQ, entry->window);
}

/* All tables that the entry needs. False: the failure of the maker's connection is the job's.
 */
static bool find_tables(struct pg_store *self, struct pg_entry *entry)
{
    const struct store_write *events[2];
    if (pg_entry_find(self, entry))
        return true;
    bool made = ensure(self, PG_BY_SEQ, store_seq_us(entry->write->seq));
    for (unsigned i = pg_events_of(entry->op, events); i > 0; i--)
        made = made && ensure(self, PG_BY_TIME, events[i - 1]->event->at_us);
    if (!made)
        pg_conn_fail(&self->mender.conn, self->maker.conn.failure.sqlstate,
                     self->maker.conn.failure.message);
    return made && (pg_entry_find(self, entry) ||
                    pg_conn_fail(&self->mender.conn, PG_LOST, "no window"));
}

/* -- one write ---------------------------------------------------------------------- */
/* Holds the shard under its epoch; another epoch is an outcome. */
static bool fence(struct pg_store *self, struct pg_entry *entry)
{
    struct pg_wait *wait = &self->mender;
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_SHARD_HOLD));
    pg_put_i64(args, store_seq_shard(entry->write->seq));
    bool read = pg_query(wait, pg_statement(PG_SHARD_HOLD), &rows);
    if (read && (!pg_next(&rows) || pg_get_u64(&rows) != entry->write->epoch))
        entry->write->outcome = STORE_FENCED;
    pg_rows_done(&rows);
    return read;
}

static bool apply(struct pg_store *self, struct pg_entry *entry)
{
    struct pg_wait *wait = &self->mender;
    struct pg_group alone = {.entries = entry, .count = 1};
    bool taken = false;
    if (!open_windows(self, entry) || !pg_id_is_taken(self, wait, entry, &taken))
        return false;
    if (taken)
        return true;
    if (!pg_entry_send(entry, &wait->conn, pg_group_result, &alone) || !pg_finish(wait))
        return false;
    return (entry->won || pg_judge(self, wait, entry)) && pg_audit_with(wait, entry->op);
}

/* Fenced first, whatever else would refuse it. */
static bool write_one(struct pg_store *self, struct pg_entry *entry)
{
    if (!find_tables(self, entry) || !fence(self, entry))
        return false;
    return entry->write->outcome == STORE_FENCED || apply(self, entry);
}

/* The operation's own fault: it fails, the others go on. */
static bool refuse(struct pg_store *self, struct store_op *op)
{
    struct pg_conn *conn = &self->mender.conn;
    struct aion_err err;
    if (pg_trouble(&conn->failure) != PG_OPERATION)
        return false;
    pg_error(&conn->failure, __func__, &err);
    if (op->err == NULL)
        store_op_fail(op, &err);
    pg_clear(conn);
    return pg_exec(&self->mender, "ROLLBACK TO op");
}

static void forget(struct store_op *op)
{
    free(op->err);
    op->err = NULL;
}

static bool write_guarded(struct pg_store *self, struct store_op *op)
{
    struct pg_entry entry;
    forget(op);
    pg_entry_init(&entry, op);
    return pg_exec(&self->mender, "SAVEPOINT op") &&
           (write_one(self, &entry) || refuse(self, op)) &&
           pg_exec(&self->mender, "RELEASE op");
}

/* -- a job -------------------------------------------------------------------------- */
static bool write_all(struct pg_store *self, struct pg_job *job)
{
    if (!pg_exec(&self->mender, "BEGIN"))
        return false;
    for (size_t i = 0; i < job->count; i++)
        if (!write_guarded(self, job->ops[i]))
            return false;
    job->unclear = true; /* from here until the answer */
    if (!pg_exec(&self->mender, "COMMIT"))
        return false;
    job->unclear = false;
    return true;
}

static bool judge_all(struct pg_store *self, struct pg_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        struct pg_entry entry;
        pg_entry_init(&entry, job->ops[i]);
        if (!find_tables(self, &entry) || !pg_judge(self, &self->mender, &entry))
            return false;
    }
    return true;
}

/* Refused, and yet nothing there that refuses it: what did is gone. Then it is written anew. */
static bool settle(struct pg_store *self, struct pg_job *job)
{
    struct pg_conn *conn = &self->mender.conn;
    if (job->mend == PG_MEND_REFUSED) {
        if (judge_all(self, job))
            return true;
        if (pg_trouble(&conn->failure) != PG_AGAIN)
            return false;
        pg_clear(conn);
        job->mend = PG_MEND_BATCH;
    }
    return write_all(self, job);
}

static void fail_all(struct pg_store *self, struct pg_job *job)
{
    struct aion_err err;
    if (job->unclear) {
        aion_err_set(&err, __func__, AION_UNAVAILABLE,
                     "the connection to PostgreSQL was lost while it committed: submit the "
                     "same again to know");
        aion_err_reason(&err, "STORE_UNCLEAR");
        aion_err_detail(&err, "postgres %s: %s", job->failure.sqlstate, job->failure.message);
    } else {
        pg_error(&job->failure, __func__, &err);
    }
    for (size_t i = 0; i < job->count; i++) {
        forget(job->ops[i]);
        store_op_fail(job->ops[i], &err);
    }
    atomic_store(&self->healthy, false);
    pg_count_commit(self, false, job->count, 0);
}

static void pause_us(int64_t us)
{
    struct timespec wait = {.tv_nsec = us * 1000};
    nanosleep(&wait, NULL);
}

/* Another try helps, now or soon. */
static bool may_help(struct pg_store *self, const struct pg_job *job, int64_t until_us)
{
    if (aion_clock_mono_us() >= until_us)
        return false;
    switch (pg_trouble(&job->failure)) {
    case PG_AGAIN:
    case PG_CONNECTION:
        return true;
    case PG_WINDOW: /* somebody dropped it, or it was never made */
        pg_clear(&self->maker.conn);
        return pg_wait_connect(&self->maker) && pg_windows_load(&self->windows, &self->maker);
    case PG_ENVIRONMENT:
        return job->unclear;
    case PG_OPERATION:
    default:
        return false;
    }
}

static bool try_once(struct pg_store *self, struct pg_job *job)
{
    struct pg_wait *wait = &self->mender;
    pg_clear(&wait->conn);
    bool settled = pg_wait_connect(wait) && settle(self, job);
    if (!settled) {
        job->failure = wait->conn.failure;
        /* what was begun is over with its connection, or taken back */
        if (pg_trouble(&job->failure) == PG_CONNECTION)
            pg_conn_drop(&wait->conn);
        else
            pg_schema_roll_back(wait);
    }
    return settled;
}

static void complete(struct pg_store *self, struct pg_job *job)
{
    struct store_op *chain = NULL;
    for (size_t i = job->count; i > 0; i--) {
        job->ops[i - 1]->next = chain;
        chain = job->ops[i - 1];
    }
    if (chain != NULL)
        store_complete(&self->base, chain);
}

static void run_job(struct pg_store *self, struct pg_job *job)
{
    int64_t begun_us = aion_clock_mono_us(), until_us = begun_us + MEND_US;
    bool settled = try_once(self, job);
    while (!settled && may_help(self, job, until_us)) {
        pause_us(PAUSE_US);
        settled = try_once(self, job);
    }
    if (!settled) {
        fail_all(self, job);
    } else if (job->mend == PG_MEND_BATCH) {
        atomic_store(&self->healthy, true);
        pg_count_commit(self, true, job->count, aion_clock_mono_us() - begun_us);
    }
    complete(self, job);
}

/* -- the thread --------------------------------------------------------------------- */
static struct pg_job *take_job(struct pg_store *self)
{
    pthread_mutex_lock(&self->jobs_lock);
    while (self->jobs_first == NULL && !self->jobs_stop)
        pthread_cond_wait(&self->jobs_wake, &self->jobs_lock);
    struct pg_job *job = self->jobs_first;
    if (job != NULL) {
        self->jobs_first = job->next;
        if (self->jobs_first == NULL)
            self->jobs_last = &self->jobs_first;
    }
    pthread_mutex_unlock(&self->jobs_lock);
    return job;
}

static void give_back(struct pg_store *self, struct pg_lane *lane)
{
    pthread_mutex_lock(&self->jobs_lock);
    self->mended[self->mended_count++] = lane;
    pthread_mutex_unlock(&self->jobs_lock);
    pg_loop_wake(self);
}

static void *mender_main(void *arg)
{
    struct pg_store *self = arg;
    struct pg_job *job;
    while ((job = take_job(self)) != NULL) {
        run_job(self, job);
        if (job->lane != NULL)
            give_back(self, job->lane);
        free(job);
    }
    return NULL;
}

bool pg_mender_start(struct pg_store *self, struct aion_err *err)
{
    self->mender_started = pthread_create(&self->mender_thread, NULL, mender_main, self) == 0;
    return self->mender_started || aion_fail(err, AION_UNAVAILABLE, "no thread for the store");
}

void pg_mender_stop(struct pg_store *self)
{
    if (!self->mender_started)
        return;
    pthread_mutex_lock(&self->jobs_lock);
    self->jobs_stop = true;
    pthread_mutex_unlock(&self->jobs_lock);
    pthread_cond_signal(&self->jobs_wake);
    pthread_join(self->mender_thread, NULL);
}
