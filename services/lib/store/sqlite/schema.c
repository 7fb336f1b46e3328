/* The schema and its version: making a store, bringing an older one up to date, refusing what
 * is not ours. What the tables mean: services/adr/0007-store-schema.md; their columns:
 * store_fact.h. A migration runs in one transaction together with the new version number. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "store/sqlite/sqlite_private.h"

#include <stdio.h>

/* "AION" in the file's header, so that file(1) and we know whose it is. */
#define APPLICATION_ID 0x41494f4e

enum { SCHEMA_VERSION = 2 };
#define WINDOW_US ((int64_t)3600000000)

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
        !query_i64(&self->writer, "SELECT count(*) FROM sqlite_master", &objects))
        return sqlite_open_error(&self->writer, self->path, err);
    *ret_empty = application == 0 && objects == 0;
    if (!*ret_empty && application != APPLICATION_ID)
        return aion_fail(
            err, AION_PRECONDITION,
            "%s is a database, but not one of AION: give AION_STORE_URL another path",
            self->path);
    return true;
}

static bool read_version(struct sqlite_store *self, bool empty, int64_t *ret_version)
{
    *ret_version = 0;
    return empty || query_i64(&self->writer,
                              "SELECT value FROM schema_meta WHERE name = 'schema_version'",
                              ret_version);
}

/* Everything that is not of a window, and the tables of what outlives its window. */
static bool create_tables(struct sqlite_conn *conn)
{
    return sqlite_conn_exec(
               conn, "CREATE TABLE window(kind INTEGER NOT NULL, number INTEGER NOT NULL,"
                     " moved INTEGER NOT NULL, PRIMARY KEY(kind, number)) WITHOUT ROWID;"
                     "CREATE TABLE unfinished(seq INTEGER PRIMARY KEY);") &&
           sqlite_tables_create(conn, STORE_BY_NOTHING, SQLITE_KEPT) &&
           sqlite_tables_create(conn, STORE_BY_TIME, SQLITE_KEPT) &&
           sqlite_tables_create(conn, STORE_BY_SEQ, SQLITE_KEPT);
}

static bool create_shards(struct sqlite_conn *conn)
{
    return sqlite_conn_exec(
        conn, "WITH RECURSIVE n(shard) AS (VALUES(0) UNION ALL SELECT shard + 1 FROM n"
              " WHERE shard < 63) INSERT INTO shard SELECT shard, 0 FROM n");
}

static bool create(struct sqlite_store *self, int64_t window_us)
{
    struct sqlite_conn *conn = &self->writer;
    char text[200];
    snprintf(text, sizeof(text),
             "CREATE TABLE schema_meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
             "INSERT INTO schema_meta VALUES('shards', %d), ('window_us', %lld);",
             (int)STORE_SHARDS, (long long)window_us);
    return sqlite_conn_exec(conn, text) && create_tables(conn) && create_shards(conn);
}

static bool migrate(struct sqlite_store *self, int64_t from, int64_t window_us)
{
    struct sqlite_conn *conn = &self->writer;
    char text[160];
    conn->window_us = window_us;
    conn->generation = 0;
    snprintf(text, sizeof(text),
             "INSERT OR REPLACE INTO schema_meta VALUES('schema_version', %d);"
             "PRAGMA application_id = %d;",
             (int)SCHEMA_VERSION, APPLICATION_ID);
    if (from == 1 && !sqlite_migrate_1(self, create_tables, create_shards))
        return false;
    if ((from == 0 && !create(self, window_us)) || !sqlite_conn_exec(conn, text))
        return false;
    aion_failpoint("store/in_migration");
    return true;
}

static bool raise_epoch(struct sqlite_store *self)
{
    int64_t epoch = 0;
    bool good =
        sqlite_conn_exec(&self->writer,
                         "UPDATE shard SET epoch = (SELECT max(epoch) FROM shard) + 1") &&
        query_i64(&self->writer, "SELECT max(epoch) FROM shard", &epoch);
    self->epoch = (uint64_t)epoch;
    return good;
}

static bool refuse_newer(struct sqlite_store *self, int64_t version, struct aion_err *err)
{
    return aion_fail(err, AION_PRECONDITION,
                     "%s was written by a newer AION (schema %lld, this one knows %d): run "
                     "that version again",
                     self->path, (long long)version, (int)SCHEMA_VERSION);
}

/* Version, length of windows and epoch, in the transaction of the caller. */
static bool upgrade(struct sqlite_store *self, bool empty, int64_t window_us,
                    struct aion_err *err)
{
    struct sqlite_conn *conn = &self->writer;
    int64_t version;
    if (!read_version(self, empty, &version))
        return false;
    if (version > SCHEMA_VERSION)
        return refuse_newer(self, version, err);
    if (version < SCHEMA_VERSION &&
        !migrate(self, version, window_us > 0 ? window_us : WINDOW_US))
        return false;
    if (!sqlite_meta_read(conn, "window_us", &conn->window_us) || !raise_epoch(self))
        return false;
    conn->generation = -1;
    self->info = (struct store_info){.driver = "sqlite",
                                     .version = SCHEMA_VERSION,
                                     .created = empty,
                                     .window_us = conn->window_us};
    return sqlite_windows_refresh(conn) && sqlite_unfinished_read(self) &&
           sqlite_conn_exec(conn, "CREATE TEMP TABLE stay(seq INTEGER PRIMARY KEY)");
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
    if (rc == SQLITE_OK)
        return sqlite_damaged(self->path, verdict, err);
    sqlite_conn_failed(conn, rc);
    return sqlite_open_error(&self->writer, self->path, err);
}

bool sqlite_schema_open(struct sqlite_store *self, int64_t window_us, struct aion_err *err)
{
    bool empty = false;
    if (!check_owner(self, &empty, err) || (!empty && !quick_check(self, err)))
        return false;
    err->code = AION_OK;
    if (sqlite_conn_exec(&self->writer, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE") &&
        upgrade(self, empty, window_us, err) && sqlite_conn_exec(&self->writer, "COMMIT"))
        return true;
    /* closing the connection rolls back */
    return err->code == AION_OK ? sqlite_open_error(&self->writer, self->path, err) : false;
}
