/* Connections, prepared statements, and binding by order. */
#include "store/sqlite/sqlite_private.h"

#include <assert.h>
#include <stdio.h>

static const struct sql_source {
    const char *text;
    int size;
} sources[SQL_COUNT] = {
#define SQL_SOURCE(name, text_) [SQL_##name] = {text_, (int)sizeof(text_)},
    SQLITE_STATEMENTS(SQL_SOURCE)
#undef SQL_SOURCE
};

/* secure_delete off: Debian's SQLite overwrites what is deleted, which costs as much as writing
 * it did; what is deleted stays in free pages until they are used again.
 *
 * synchronous=FULL: in WAL mode the log is synced by every commit, which is what an
 * acknowledgement stands on. Automatic checkpoints are off: they would run inside a commit. */
static const char writer_setup[] = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                                   "PRAGMA secure_delete = OFF;"
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

bool sqlite_damaged(const char *path, const char *detail, struct aion_err *err)
{
    aion_err_set(
        err, __func__, AION_DATA_LOSS,
        "the database %s is damaged: restore a backup, or move the file away to start empty",
        path);
    aion_err_detail(err, "%s", detail);
    return false;
}

bool sqlite_open_error(const struct sqlite_conn *conn, const char *path, struct aion_err *err)
{
    if (!sqlite_is_environment(conn->rc))
        return sqlite_damaged(path, conn->message, err);
    sqlite_error(conn, __func__, err);
    return false;
}

bool sqlite_conn_open(struct sqlite_conn *conn, const char *path, bool writes,
                      struct aion_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writes ? SQLITE_OPEN_CREATE : 0);
    sqlite_conn_clear(conn);
    conn->generation = conn->closed = -1;
    int rc = sqlite3_open_v2(path, &conn->db, flags, NULL);
    if (rc != SQLITE_OK) {
        sqlite_conn_failed(conn, rc);
        return sqlite_open_error(conn, path, err);
    }
    sqlite3_extended_result_codes(conn->db, 1);
    sqlite3_busy_timeout(conn->db, SQLITE_BUSY_MS);
    return sqlite_conn_exec(conn, writes ? writer_setup : reader_setup) ||
           sqlite_open_error(conn, path, err);
}

static void finalize_all(sqlite3_stmt *stmts[SQL_COUNT])
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        sqlite3_finalize(stmts[i]);
        stmts[i] = NULL;
    }
}

void sqlite_conn_close(struct sqlite_conn *conn)
{
    finalize_all(conn->stmts);
    for (size_t i = 0; i < SQLITE_SLOTS; i++)
        finalize_all(conn->slots[i].stmts);
    sqlite_windows_done(conn);
    sqlite3_close(conn->db);
    *conn = (struct sqlite_conn){0};
}

/* -- statements --------------------------------------------------------------------- */
static sqlite3_stmt *prepare(struct sqlite_conn *conn, const char *text, int size,
                             unsigned flags)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v3(conn->db, text, size, flags, &stmt, NULL);
    if (rc != SQLITE_OK)
        sqlite_conn_failed(conn, rc);
    return stmt;
}

struct sql_use sql_use(struct sqlite_conn *conn, enum sql_id id)
{
    if (conn->stmts[id] == NULL)
        conn->stmts[id] =
            prepare(conn, sources[id].text, sources[id].size, SQLITE_PREPARE_PERSISTENT);
    return (struct sql_use){.conn = conn, .stmt = conn->stmts[id]};
}

/* The slot of this set; else the one that was not used for the longest time is emptied. */
static struct sqlite_slot *slot_of(struct sqlite_conn *conn, int64_t set)
{
    struct sqlite_slot *oldest = &conn->slots[0];
    for (size_t i = 0; i < SQLITE_SLOTS; i++) {
        struct sqlite_slot *slot = &conn->slots[i];
        if (slot->used != 0 && slot->set == set)
            return slot;
        if (slot->used < oldest->used)
            oldest = slot;
    }
    finalize_all(oldest->stmts);
    oldest->set = set;
    return oldest;
}

/* Window numbers and key window numbers never meet: a statement is of one kind or the other. */
static const char *set_end(enum sql_id id, int64_t set, char out[32])
{
    bool keys =
        id == SQL_KEY_ADD || id == SQL_KEY_READ || id == SQL_KEYS_COUNT || id == SQL_KEYS_DROP;
    if (set == SQLITE_KEPT)
        snprintf(out, 32, "_kept");
    else
        snprintf(out, 32, "_%c%lld", keys ? 'k' : 'w', (long long)set);
    return out;
}

static sqlite3_stmt *prepare_in(struct sqlite_conn *conn, enum sql_id id, int64_t set)
{
    char text[4096], end[32];
    size_t size = strlen(set_end(id, set, end)), used = 0;
    for (const char *from = sources[id].text; *from != '\0'; from++) {
        assert(used + size < sizeof(text));
        if (*from == '@') {
            memcpy(text + used, end, size);
            used += size;
        } else {
            text[used++] = *from;
        }
    }
    return prepare(conn, text, (int)used, SQLITE_PREPARE_PERSISTENT);
}

struct sql_use sql_use_in(struct sqlite_conn *conn, enum sql_id id, int64_t set)
{
    struct sqlite_slot *slot = slot_of(conn, set);
    slot->used = ++conn->used;
    if (slot->stmts[id] == NULL)
        slot->stmts[id] = prepare_in(conn, id, set);
    return (struct sql_use){.conn = conn, .stmt = slot->stmts[id]};
}

struct sql_use sql_use_text(struct sqlite_conn *conn, const char *text)
{
    return (struct sql_use){
        .conn = conn, .stmt = prepare(conn, text, (int)strlen(text) + 1, 0), .once = true};
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
    if (use->once)
        sqlite3_finalize(use->stmt);
    else if (use->stmt != NULL)
        sqlite3_reset(use->stmt);
    use->stmt = NULL;
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
