/* Connections, prepared statements, and binding by order. */
#include "store/sqlite/sqlite_private.h"

#include <stdio.h>

static const struct sql_source {
    const char *text;
    int size;
} sources[SQL_COUNT] = {
#define SQL_SOURCE(name, text_) [SQL_##name] = {text_, (int)sizeof(text_)},
    SQLITE_STATEMENTS(SQL_SOURCE)
#undef SQL_SOURCE
};

/* synchronous=FULL: in WAL mode the log is synced by every commit, which is what an
 * acknowledgement stands on. Automatic checkpoints are off: they would run inside a commit. */
static const char writer_setup[] = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                                   "PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;"
                                   "PRAGMA cache_size = -8192; PRAGMA trusted_schema = OFF;"
                                   "PRAGMA journal_size_limit = 67108864;";
static const char reader_setup[] = "PRAGMA query_only = ON; PRAGMA cache_size = -2048;"
                                   "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;";

bool sqlite_conn_failed(struct sqlite_conn *conn, int rc)
{
    if (conn->rc != SQLITE_OK)
        return false; /* the first one is the cause */
    conn->rc = rc;    /* extended codes are on */
    snprintf(conn->message, sizeof(conn->message), "%s",
             conn->db != NULL ? sqlite3_errmsg(conn->db) : sqlite3_errstr(rc));
    return false;
}

void sqlite_conn_clear(struct sqlite_conn *conn)
{
    conn->rc = SQLITE_OK;
    conn->message[0] = '\0';
}

bool sqlite_conn_exec(struct sqlite_conn *conn, const char *text)
{
    int rc = sqlite3_exec(conn->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK || sqlite_conn_failed(conn, rc);
}

bool sqlite_conn_open(struct sqlite_conn *conn, const char *path, bool writes,
                      struct aion_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writes ? SQLITE_OPEN_CREATE : 0);
    sqlite_conn_clear(conn);
    int rc = sqlite3_open_v2(path, &conn->db, flags, NULL);
    if (rc != SQLITE_OK) {
        sqlite_conn_failed(conn, rc);
        sqlite_error(conn, __func__, err);
        return false;
    }
    sqlite3_extended_result_codes(conn->db, 1);
    sqlite3_busy_timeout(conn->db, SQLITE_BUSY_MS);
    if (sqlite_conn_exec(conn, writes ? writer_setup : reader_setup))
        return true;
    sqlite_error(conn, __func__, err);
    return false;
}

void sqlite_conn_close(struct sqlite_conn *conn)
{
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(conn->stmts[i]);
    sqlite3_close(conn->db);
    *conn = (struct sqlite_conn){0};
}

struct sql_use sql_use(struct sqlite_conn *conn, enum sql_id id)
{
    struct sql_use use = {.conn = conn, .stmt = conn->stmts[id]};
    if (use.stmt != NULL)
        return use;
    int rc = sqlite3_prepare_v3(conn->db, sources[id].text, sources[id].size,
                                SQLITE_PREPARE_PERSISTENT, &conn->stmts[id], NULL);
    if (rc != SQLITE_OK)
        sqlite_conn_failed(conn, rc);
    use.stmt = conn->stmts[id];
    return use;
}

void sql_i64(struct sql_use *use, int64_t value)
{
    if (use->stmt != NULL)
        sqlite3_bind_int64(use->stmt, ++use->parameter, value);
}

void sql_u64(struct sql_use *use, uint64_t value)
{
    sql_i64(use, (int64_t)value);
}

/* Values are bound without a copy: they outlive the statement's step, and sql_end unbinds
 * nothing but the next use binds all parameters anew. */
void sql_text(struct sql_use *use, aion_str value)
{
    if (use->stmt != NULL)
        sqlite3_bind_text(use->stmt, ++use->parameter, value.size > 0 ? value.data : "",
                          (int)value.size, SQLITE_STATIC);
}

void sql_blob(struct sql_use *use, aion_str value)
{
    if (use->stmt != NULL)
        sqlite3_bind_blob(use->stmt, ++use->parameter, value.size > 0 ? value.data : NULL,
                          (int)value.size, SQLITE_STATIC);
}

void sql_uuid(struct sql_use *use, const struct aion_uuid *id)
{
    sql_blob(use, aion_str_n(id->bytes, sizeof(id->bytes)));
}

bool sql_row(struct sql_use *use)
{
    if (use->stmt == NULL)
        return false;
    use->column = 0;
    int rc = sqlite3_step(use->stmt);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        sqlite_conn_failed(use->conn, rc);
    return false;
}

bool sql_end(struct sql_use *use)
{
    if (use->stmt != NULL)
        sqlite3_reset(use->stmt);
    return use->conn->rc == SQLITE_OK;
}

bool sql_run(struct sql_use *use)
{
    sql_row(use);
    return sql_end(use);
}

int64_t sql_changes(const struct sqlite_conn *conn)
{
    return sqlite3_changes64(conn->db);
}

int64_t sql_get_i64(struct sql_use *use)
{
    return sqlite3_column_int64(use->stmt, use->column++);
}

uint64_t sql_get_u64(struct sql_use *use)
{
    return (uint64_t)sql_get_i64(use);
}

aion_str sql_get_str(struct sql_use *use, struct aion_arena *arena)
{
    int column = use->column++;
    const void *data = sqlite3_column_blob(use->stmt, column);
    aion_str value = aion_str_n(data, (size_t)sqlite3_column_bytes(use->stmt, column));
    if (arena == NULL || data == NULL)
        return value;
    aion_str copy = aion_arena_str(arena, value);
    if (copy.data == NULL)
        sqlite_conn_failed(use->conn, SQLITE_TOOBIG);
    return copy;
}

void sql_get_uuid(struct sql_use *use, struct aion_uuid *ret_id)
{
    aion_str bytes = sql_get_str(use, NULL);
    *ret_id = (struct aion_uuid){0};
    if (bytes.size == sizeof(ret_id->bytes))
        memcpy(ret_id->bytes, bytes.data, bytes.size);
}

void sql_skip(struct sql_use *use, int columns)
{
    use->column += columns;
}
