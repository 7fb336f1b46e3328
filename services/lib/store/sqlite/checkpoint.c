/* Checkpoints: moving the log's pages into the database file.
 *
 * Done by a thread of its own while the writer goes on, because copying and syncing thousands
 * of pages takes longer than a commit may. But only a moment without newer commits lets the log
 * start anew; so after the bulk is copied the writer does the small rest between two commits. A
 * log that still grows beyond LOG_PAGES_MAX is copied by the writer alone. */
#include "store/sqlite/sqlite_private.h"

enum {
    CHECKPOINT_PAGES = 1000, /* SQLite's own habit: 4 MiB */
    LOG_PAGES_MAX = 64 * 1024 * 1024 / 4096,
    PAGE_BYTES = 4096,
};

/* Keeps the length of the log; called by SQLite after each commit on the writer's connection.
 */
static int note_log(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_store *self = arg;
    (void)db;
    (void)name;
    atomic_store(&self->wal_pages, (unsigned)pages);
    return SQLITE_OK;
}

/* A full disk only means: later. A failed fsync means that commits already acknowledged may not
 * be in the file. */
static void checkpoint(struct sqlite_store *self, struct sqlite_conn *conn)
{
    sqlite_conn_clear(conn);
    int rc = sqlite3_wal_checkpoint_v2(conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK)
        return;
    sqlite_conn_failed(conn, rc);
    if (sqlite_is_fatal(conn->rc))
        sqlite_stop_acknowledging(self, conn);
    sqlite_conn_clear(conn);
}

static void wake_checkpointer(struct sqlite_store *self, bool stop)
{
    pthread_mutex_lock(&self->checkpoint_lock);
    self->checkpoint_due = true;
    self->checkpoint_stop |= stop;
    pthread_mutex_unlock(&self->checkpoint_lock);
    pthread_cond_signal(&self->checkpoint_wake);
}

void sqlite_checkpoint_after_commit(struct sqlite_store *self)
{
    unsigned pages = atomic_load(&self->wal_pages);
    if (pages >= LOG_PAGES_MAX || atomic_exchange(&self->tail_due, false))
        checkpoint(self, &self->writer);
    else if (pages >= CHECKPOINT_PAGES)
        wake_checkpointer(self, false);
    pthread_mutex_lock(&self->stats_lock);
    self->stats.wal_bytes = (uint64_t)pages * PAGE_BYTES;
    pthread_mutex_unlock(&self->stats_lock);
}

static bool wait_until_due(struct sqlite_store *self)
{
    pthread_mutex_lock(&self->checkpoint_lock);
    while (!self->checkpoint_due)
        pthread_cond_wait(&self->checkpoint_wake, &self->checkpoint_lock);
    self->checkpoint_due = false;
    bool stop = self->checkpoint_stop;
    pthread_mutex_unlock(&self->checkpoint_lock);
    return !stop;
}

void *sqlite_checkpoint_main(void *arg)
{
    struct sqlite_store *self = arg;
    while (wait_until_due(self)) {
        checkpoint(self, &self->checkpointer);
        atomic_store(&self->tail_due, true);
        /* What was asked for meanwhile is what the writer's part settles. */
        pthread_mutex_lock(&self->checkpoint_lock);
        self->checkpoint_due = self->checkpoint_stop;
        pthread_mutex_unlock(&self->checkpoint_lock);
    }
    return NULL;
}

void sqlite_checkpoint_stop(struct sqlite_store *self)
{
    wake_checkpointer(self, true);
}

void sqlite_checkpoint_watch(struct sqlite_store *self)
{
    sqlite3_wal_hook(self->writer.db, note_log, self);
}
