/* The schema and its version. What the tables mean and why they have this shape:
 * services/adr/0003-store-schema.md.
 *
 * A migration is one text per version step, run in one transaction together with the new
 * version number. */
#include "base/clock.h"
#include "store/sqlite/sqlite_private.h"

#include <stdio.h>

/* "AION" in the file's header, so that file(1) and we know whose it is. */
#define APPLICATION_ID 0x41494f4e

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE schema_meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE task(seq INTEGER PRIMARY KEY, id BLOB NOT NULL, tenant TEXT NOT NULL,"
    " intent TEXT NOT NULL, priority INTEGER NOT NULL, created_us INTEGER NOT NULL,"
    " deadline_us INTEGER NOT NULL, digest BLOB, meta BLOB, body BLOB);"
    "CREATE UNIQUE INDEX task_id ON task(id);"
    "CREATE INDEX task_tenant ON task(tenant);"
    "CREATE TABLE idempotency(tenant TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL,"
    " task INTEGER NOT NULL, id BLOB NOT NULL, at_us INTEGER NOT NULL,"
    " PRIMARY KEY(tenant, key)) WITHOUT ROWID;"
    "CREATE INDEX idempotency_at ON idempotency(at_us);"
    "CREATE TABLE decision(task INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, decision BLOB NOT "
    "NULL);"
    "CREATE TABLE live(task INTEGER PRIMARY KEY, state INTEGER NOT NULL, epoch INTEGER NOT "
    "NULL,"
    " attempt INTEGER NOT NULL, at_us INTEGER NOT NULL, due_us INTEGER NOT NULL);"
    "CREATE TABLE attempt(task INTEGER NOT NULL, attempt INTEGER NOT NULL, epoch INTEGER NOT "
    "NULL,"
    " at_us INTEGER NOT NULL, host TEXT NOT NULL, module TEXT NOT NULL, digest TEXT NOT NULL,"
    " PRIMARY KEY(task, attempt)) WITHOUT ROWID;"
    "CREATE TABLE attempt_end(task INTEGER NOT NULL, attempt INTEGER NOT NULL, at_us INTEGER "
    "NOT NULL,"
    " code INTEGER NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,"
    " PRIMARY KEY(task, attempt)) WITHOUT ROWID;"
    "CREATE TABLE outcome(task INTEGER PRIMARY KEY, state INTEGER NOT NULL, failed INTEGER NOT "
    "NULL,"
    " at_us INTEGER NOT NULL, epoch INTEGER NOT NULL, attempt INTEGER NOT NULL, code INTEGER "
    "NOT NULL,"
    " reason TEXT NOT NULL, message TEXT NOT NULL, queue_us INTEGER NOT NULL, run_us INTEGER "
    "NOT NULL,"
    " tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost INTEGER NOT NULL,"
    " cursor INTEGER NOT NULL, digest BLOB, result BLOB);"
    "CREATE INDEX outcome_due ON outcome(failed, at_us);"
    "CREATE TABLE chunk(task INTEGER NOT NULL, cursor INTEGER NOT NULL, attempt INTEGER NOT "
    "NULL,"
    " sequence INTEGER NOT NULL, kind INTEGER NOT NULL, discard_from INTEGER NOT NULL,"
    " content_type TEXT NOT NULL, payload BLOB, PRIMARY KEY(task, cursor)) WITHOUT ROWID;"
    "CREATE TABLE stream(task INTEGER PRIMARY KEY, acked INTEGER NOT NULL, attempt INTEGER NOT "
    "NULL,"
    " sequence INTEGER NOT NULL);"
    "CREATE TABLE event(seq INTEGER PRIMARY KEY, task INTEGER NOT NULL, kinds INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, at_us INTEGER NOT NULL, note TEXT NOT NULL);"
    "CREATE INDEX event_task ON event(task);"
    "CREATE TABLE policy(ordinal INTEGER PRIMARY KEY, digest TEXT NOT NULL, at_us INTEGER NOT "
    "NULL,"
    " by TEXT NOT NULL, cause TEXT NOT NULL, rules INTEGER NOT NULL, routes INTEGER NOT NULL, "
    "files BLOB);"
    "CREATE TABLE plan(revision INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, by TEXT NOT NULL,"
    " keep_succeeded_us INTEGER NOT NULL, keep_failed_us INTEGER NOT NULL, keep_keys_us "
    "INTEGER NOT NULL,"
    " sweep_us INTEGER NOT NULL);"
    "INSERT INTO schema_meta VALUES('shards', 64), ('epoch', 0);",
};
enum { SCHEMA_VERSION = aion_countof(steps) };

/* One number by one query; what is not there stays as it was. */
static bool query_i64(struct sqlite_conn *conn, const char *text, int64_t *value)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn->db, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        *value = sqlite3_column_int64(stmt, 0);
    bool good = rc == SQLITE_ROW || rc == SQLITE_DONE || sqlite_conn_failed(conn, rc);
    sqlite3_finalize(stmt);
    return good;
}

/* Ours, empty, or somebody else's? */
static bool check_owner(struct sqlite_store *self, bool *ret_empty, struct aion_err *err)
{
    int64_t application = 0, objects = 0;
    if (!query_i64(&self->writer, "PRAGMA application_id", &application) ||
        !query_i64(&self->writer, "SELECT count(*) FROM sqlite_master", &objects)) {
        sqlite_error(&self->writer, __func__, err);
        return false;
    }
    *ret_empty = application == 0 && objects == 0;
    if (!*ret_empty && application != APPLICATION_ID)
        return aion_fail(
            err, AION_PRECONDITION,
            "%s is a database, but not one of AION: give AION_STORE_URL another path",
            self->path);
    return true;
}

static bool migrate(struct sqlite_store *self, unsigned from)
{
    struct sqlite_conn *conn = &self->writer;
    char text[160];
    for (unsigned step = from; step < SCHEMA_VERSION; step++)
        if (!sqlite_conn_exec(conn, steps[step]))
            return false;
    snprintf(text, sizeof(text),
             "INSERT OR REPLACE INTO schema_meta VALUES('schema_version', %d);"
             "PRAGMA application_id = %d;",
             (int)SCHEMA_VERSION, APPLICATION_ID);
    return sqlite_conn_exec(conn, text);
}

static bool read_version(struct sqlite_store *self, bool empty, int64_t *ret_version)
{
    *ret_version = 0;
    return empty || query_i64(&self->writer,
                              "SELECT value FROM schema_meta WHERE name = 'schema_version'",
                              ret_version);
}

/* Version and epoch, in the transaction of the caller. */
static bool upgrade(struct sqlite_store *self, bool empty, struct aion_err *err)
{
    int64_t version, epoch = 0, sequence = 0;
    if (!read_version(self, empty, &version))
        return false;
    if (version > SCHEMA_VERSION) {
        aion_err_set(err, __func__, AION_PRECONDITION,
                     "%s was written by a newer AION (schema %lld, this one knows %d): run "
                     "that version again",
                     self->path, (long long)version, (int)SCHEMA_VERSION);
        return false;
    }
    if (version < SCHEMA_VERSION && !migrate(self, (unsigned)version))
        return false;
    if (!sqlite_conn_exec(&self->writer,
                          "UPDATE schema_meta SET value = value + 1 WHERE name = 'epoch'") ||
        !query_i64(&self->writer, "SELECT value FROM schema_meta WHERE name = 'epoch'",
                   &epoch) ||
        !query_i64(&self->writer, "SELECT max(seq) FROM task", &sequence))
        return false;
    self->sequence = (uint64_t)sequence;
    self->info = (struct store_info){.driver = "sqlite",
                                     .epoch = (uint64_t)epoch,
                                     .version = SCHEMA_VERSION,
                                     .created = empty};
    return true;
}

static int out_of_time(void *until)
{
    return aion_clock_mono_us() > *(const int64_t *)until;
}

static int take_verdict(void *verdict, int columns, char **values, char **names)
{
    (void)names;
    snprintf(verdict, 160, "%s", columns > 0 && values[0] != NULL ? values[0] : "");
    return 0;
}

/* The whole file when it is small; of a large one as much as fits in a second, so that a start
 * stays short. */
static bool quick_check(struct sqlite_store *self, struct aion_err *err)
{
    struct sqlite_conn *conn = &self->writer;
    int64_t until = aion_clock_mono_us() + 1000000;
    char verdict[160] = "ok";
    sqlite3_progress_handler(conn->db, 10000, out_of_time, &until);
    int rc = sqlite3_exec(conn->db, "PRAGMA quick_check(1)", take_verdict, verdict, NULL);
    sqlite3_progress_handler(conn->db, 0, NULL, NULL);
    if (rc == SQLITE_INTERRUPT || (rc == SQLITE_OK && aion_str_is(AION_STR("ok"), verdict)))
        return true;
    if (rc != SQLITE_OK) {
        sqlite_conn_failed(conn, rc);
        sqlite_error(conn, __func__, err);
        return false;
    }
    aion_err_set(
        err, __func__, AION_DATA_LOSS,
        "the database %s is damaged: restore a backup, or move the file away to start empty",
        self->path);
    aion_err_detail(err, "%s", verdict);
    return false;
}

bool sqlite_schema_open(struct sqlite_store *self, struct aion_err *err)
{
    bool empty;
    if (!check_owner(self, &empty, err) || (!empty && !quick_check(self, err)))
        return false;
    err->code = AION_OK;
    if (sqlite_conn_exec(&self->writer, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE") &&
        upgrade(self, empty, err) && sqlite_conn_exec(&self->writer, "COMMIT"))
        return true;
    if (err->code == AION_OK)
        sqlite_error(&self->writer, __func__, err);
    return false; /* closing the connection rolls back */
}
