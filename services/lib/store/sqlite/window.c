/* Windows: which tables hold what, and their coming and going.
 *
 * The list of windows is a table. Each connection keeps a copy, which holds for a snapshot: a
 * reader compares the generation at the beginning of its transaction, the writer's is changed
 * in step with the table and read anew after a rollback. */
#include "base/buf.h"
#include "base/failpoint.h"
#include "store/sqlite/sqlite_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* -- names -------------------------------------------------------------------------- */
static const char *end_of(enum store_rotation by, int64_t set, char out[32])
{
    if (by == STORE_BY_NOTHING || by == STORE_BY_TIME)
        out[0] = '\0';
    else if (set == SQLITE_KEPT)
        snprintf(out, 32, "_kept");
    else
        snprintf(out, 32, "_%c%lld", by == STORE_BY_KEY ? 'k' : 'w', (long long)set);
    return out;
}

void sqlite_table_name(enum store_table table, int64_t set, char out[64])
{
    const struct store_layout *layout = store_layout(table);
    char end[32];
    snprintf(out, 64, "%s%s", layout->name, end_of(layout->by, set, end));
}

/* -- tables ------------------------------------------------------------------------- */
static const char *type_of(enum store_column_type type)
{
    return type == STORE_I64    ? "INTEGER NOT NULL"
           : type == STORE_TEXT ? "TEXT NOT NULL"
                                : "BLOB";
}

/* A single integer key is the rowid; other keys are the tree itself. */
static void put_columns(const struct store_layout *layout, struct aion_buf *sql)
{
    bool rowid = layout->keys == 1 && layout->column[0].type == STORE_I64;
    for (unsigned i = 0; i < layout->columns; i++)
        aion_buf_printf(sql, "%s%s %s", i > 0 ? ", " : "", layout->column[i].name,
                        rowid && i == 0 ? "INTEGER PRIMARY KEY"
                                        : type_of(layout->column[i].type));
    for (unsigned i = 0; !rowid && i < layout->keys; i++)
        aion_buf_printf(sql, "%s%s", i > 0 ? ", " : ", PRIMARY KEY(", layout->column[i].name);
    aion_buf_printf(sql, rowid ? ");" : ")) WITHOUT ROWID;");
}

/* Lists of a tenant; ends other than success, which are few; and of what was kept, by its end.
 */
static void put_indexes(enum store_table table, int64_t set, struct aion_buf *sql)
{
    char end[32];
    end_of(store_layout(table)->by, set, end);
    if (table == STORE_TABLE_TASK)
        aion_buf_printf(sql, "CREATE INDEX task_tenant%s ON task%s(tenant);", end, end);
    if (table == STORE_TABLE_OUTCOME)
        aion_buf_printf(sql,
                        "CREATE INDEX outcome_failed%s ON outcome%s(state) WHERE state <> 7;",
                        end, end);
    if (table == STORE_TABLE_OUTCOME && set == SQLITE_KEPT)
        aion_buf_printf(sql, "CREATE INDEX outcome_at_kept ON outcome_kept(at_us);");
    if (table == STORE_TABLE_AUDIT)
        aion_buf_printf(sql, "CREATE INDEX audit_at ON audit(at_us);");
}

/* The outbox alone is another shape: its rows stand in the order of their sequences, which is
 * the order of their commits, with the shard in the low bits. */
static void put_outbox(struct aion_buf *sql)
{
    const struct store_layout *layout = store_layout(STORE_TABLE_OUTBOX);
    aion_buf_printf(sql, "CREATE TABLE outbox(place INTEGER PRIMARY KEY");
    for (unsigned i = 2; i < layout->columns; i++)
        aion_buf_printf(sql, ", %s %s", layout->column[i].name,
                        type_of(layout->column[i].type));
    aion_buf_printf(sql, ");");
}

bool sqlite_tables_create(struct sqlite_conn *conn, enum store_rotation by, int64_t set)
{
    struct aion_buf sql;
    aion_buf_init(&sql, 65536);
    for (enum store_table table = 0; table < STORE_TABLE_COUNT; table++) {
        const struct store_layout *layout = store_layout(table);
        char name[64];
        if (layout->by != by)
            continue;
        if (table == STORE_TABLE_OUTBOX) {
            put_outbox(&sql);
            continue;
        }
        sqlite_table_name(table, set, name);
        aion_buf_printf(&sql, "CREATE TABLE %s(", name);
        put_columns(layout, &sql);
        put_indexes(table, set, &sql);
    }
    bool good = sqlite_conn_exec(conn, sql.data != NULL ? sql.data : "");
    aion_buf_done(&sql);
    return good;
}

static bool tables_drop(struct sqlite_conn *conn, enum store_rotation by, int64_t set)
{
    for (enum store_table table = 0; table < STORE_TABLE_COUNT; table++) {
        char name[64], sql[96];
        if (store_layout(table)->by != by)
            continue;
        sqlite_table_name(table, set, name);
        snprintf(sql, sizeof(sql), "DROP TABLE %s", name);
        if (!sqlite_conn_exec(conn, sql))
            return false;
    }
    return true;
}

/* -- the list ----------------------------------------------------------------------- */
static struct sqlite_window *find(const struct sqlite_windows *windows, int64_t number)
{
    size_t low = 0, high = windows->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (windows->items[middle].number == number)
            return &windows->items[middle];
        if (windows->items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void add(struct sqlite_windows *windows, int64_t number, uint64_t moved)
{
    if (windows->count == windows->capacity) {
        windows->capacity = windows->capacity > 0 ? windows->capacity * 2 : 16;
        windows->items = realloc(windows->items, windows->capacity * sizeof(*windows->items));
        if (windows->items == NULL)
            abort();
    }
    size_t at = windows->count++;
    for (; at > 0 && windows->items[at - 1].number > number; at--)
        windows->items[at] = windows->items[at - 1];
    windows->items[at] = (struct sqlite_window){number, moved};
}

bool sqlite_meta_read(struct sqlite_conn *conn, const char *name, int64_t *value)
{
    struct sql_use use = sql_use(conn, SQL_META_READ);
    sql_text(&use, aion_str_of(name));
    if (sql_row(&use))
        *value = sql_get_i64(&use);
    return sql_end(&use);
}

bool sqlite_meta_put(struct sqlite_conn *conn, const char *name, int64_t value)
{
    struct sql_use use = sql_use(conn, SQL_META_PUT);
    sql_text(&use, aion_str_of(name));
    sql_i64(&use, value);
    return sql_run(&use);
}

static bool read_list(struct sqlite_conn *conn)
{
    for (unsigned kind = 0; kind < SQLITE_WINDOW_KINDS; kind++)
        conn->windows[kind].count = 0;
    struct sql_use use = sql_use(conn, SQL_WINDOW_LIST);
    while (sql_row(&use)) {
        int64_t kind = sql_get_i64(&use), number = sql_get_i64(&use);
        if (kind >= 0 && kind < SQLITE_WINDOW_KINDS)
            add(&conn->windows[kind], number, sql_get_u64(&use));
    }
    return sql_end(&use);
}

bool sqlite_windows_refresh(struct sqlite_conn *conn)
{
    int64_t generation = 0;
    if (!sqlite_meta_read(conn, "windows", &generation))
        return false;
    if (generation == conn->generation)
        return true;
    conn->generation = -1;
    conn->closed = -1;
    if (!read_list(conn) || !sqlite_meta_read(conn, "closed", &conn->closed))
        return false;
    conn->generation = generation;
    return true;
}

static bool changed(struct sqlite_conn *conn)
{
    return sqlite_meta_put(conn, "windows", ++conn->generation);
}

static bool put_window(struct sqlite_conn *conn, enum sqlite_window_kind kind, int64_t number,
                       uint64_t moved)
{
    struct sql_use use = sql_use(conn, SQL_WINDOW_PUT);
    sql_i64(&use, (int64_t)kind);
    sql_i64(&use, number);
    sql_u64(&use, moved);
    return sql_run(&use) && changed(conn);
}

/* -- sets --------------------------------------------------------------------------- */
int64_t sqlite_set_of(const struct sqlite_conn *conn, uint64_t seq)
{
    int64_t number = store_seq_us(seq) / conn->window_us;
    if (number <= conn->closed)
        return SQLITE_KEPT;
    const struct sqlite_window *window = find(&conn->windows[SQLITE_TASKS], number);
    if (window == NULL)
        return SQLITE_NOWHERE;
    return seq <= window->moved ? SQLITE_KEPT : number;
}

uint64_t sqlite_window_end(const struct sqlite_conn *conn, int64_t number)
{
    return store_seq((number + 1) * conn->window_us, 0) - 1;
}

static bool open_window(struct sqlite_conn *conn, enum sqlite_window_kind kind, int64_t number)
{
    add(&conn->windows[kind], number, 0);
    aion_failpoint("store/in_window");
    return sqlite_tables_create(conn, kind == SQLITE_KEYS ? STORE_BY_KEY : STORE_BY_SEQ,
                                number) &&
           put_window(conn, kind, number, 0);
}

bool sqlite_set_make(struct sqlite_conn *conn, uint64_t seq, int64_t *ret_set)
{
    *ret_set = sqlite_set_of(conn, seq);
    if (*ret_set != SQLITE_NOWHERE)
        return true;
    *ret_set = store_seq_us(seq) / conn->window_us;
    return open_window(conn, SQLITE_TASKS, *ret_set);
}

bool sqlite_key_set_make(struct sqlite_conn *conn, int64_t at_us, int64_t *ret_set)
{
    *ret_set = at_us / (conn->window_us * SQLITE_KEY_WINDOWS);
    return find(&conn->windows[SQLITE_KEYS], *ret_set) != NULL ||
           open_window(conn, SQLITE_KEYS, *ret_set);
}

bool sqlite_window_moved(struct sqlite_conn *conn, int64_t number, uint64_t moved)
{
    struct sqlite_window *window = find(&conn->windows[SQLITE_TASKS], number);
    assert(window != NULL);
    window->moved = moved;
    return put_window(conn, SQLITE_TASKS, number, moved);
}

bool sqlite_window_close(struct sqlite_conn *conn, enum sqlite_window_kind kind, int64_t number)
{
    struct sqlite_windows *windows = &conn->windows[kind];
    struct sqlite_window *window = find(windows, number);
    assert(window != NULL);
    size_t behind = windows->count - (size_t)(window - windows->items) - 1;
    memmove(window, window + 1, behind * sizeof(*window));
    windows->count--;
    struct sql_use use = sql_use(conn, SQL_WINDOW_DROP);
    sql_i64(&use, (int64_t)kind);
    sql_i64(&use, number);
    if (!sql_run(&use) ||
        !tables_drop(conn, kind == SQLITE_KEYS ? STORE_BY_KEY : STORE_BY_SEQ, number))
        return false;
    if (kind == SQLITE_TASKS && number > conn->closed) {
        conn->closed = number;
        if (!sqlite_meta_put(conn, "closed", number))
            return false;
    }
    return changed(conn);
}

void sqlite_windows_done(struct sqlite_conn *conn)
{
    for (unsigned kind = 0; kind < SQLITE_WINDOW_KINDS; kind++)
        free(conn->windows[kind].items);
}
