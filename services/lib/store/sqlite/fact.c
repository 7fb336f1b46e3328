/* Tables as facts, for export and import. A page's end is written down as the set of tables and
 * the primary key of its last row. */
#include "base/base64.h"
#include "base/buf.h"
#include "store/sqlite/sqlite_private.h"

#include <stdio.h>

enum { SQL_MAX = 8192 };

/* -- where a page ended -------------------------------------------------------------- */
struct page {
    int64_t set; /* of the last row */
    struct store_value keys[STORE_COLUMNS_MAX];
    bool begun;
};

/* "SET/K/K...": integers in decimal, texts and bytes as hex. */
static aion_str write_page(struct sqlite_conn *conn, struct aion_arena *arena, int64_t set,
                           const struct store_fact *fact)
{
    const struct store_layout *layout = store_layout(fact->table);
    struct aion_buf text;
    aion_buf_init(&text, 65536);
    aion_buf_i64(&text, set);
    for (unsigned i = 0; i < layout->keys; i++) {
        const struct store_value *value = &fact->values[i];
        aion_buf_char(&text, '/');
        if (layout->column[i].type == STORE_I64)
            aion_buf_i64(&text, value->i64);
        for (size_t k = 0; layout->column[i].type != STORE_I64 && k < value->str.size; k++)
            aion_buf_printf(&text, "%02x", (unsigned char)value->str.data[k]);
    }
    aion_str copy = aion_arena_str(arena, aion_buf_view(&text));
    if (text.overflow || copy.data == NULL)
        sqlite_conn_failed(conn, SQLITE_TOOBIG);
    aion_buf_done(&text);
    return copy;
}

static bool read_key(struct aion_arena *arena, enum store_column_type type, aion_str text,
                     struct store_value *value)
{
    if (type == STORE_I64)
        return aion_str_i64(text, &value->i64);
    uint8_t *bytes = aion_arena_alloc(arena, text.size / 2 + 1);
    value->str = aion_str_n(bytes, text.size / 2);
    return bytes != NULL && aion_unhex(bytes, text.size / 2, text);
}

static bool read_page(struct store_facts_read *op, const struct store_layout *layout,
                      struct page *page)
{
    aion_str rest = op->after;
    *page = (struct page){.set = SQLITE_KEPT};
    if (rest.size == 0)
        return true;
    page->begun = true;
    if (!aion_str_i64(aion_str_cut(&rest, '/'), &page->set))
        return false;
    for (unsigned i = 0; i < layout->keys; i++)
        if (rest.data == NULL || !read_key(op->op.arena, layout->column[i].type,
                                           aion_str_cut(&rest, '/'), &page->keys[i]))
            return false;
    return true;
}

/* -- reading ------------------------------------------------------------------------- */
/* The columns of the outbox that its place stands for. */
static void put_columns(struct aion_buf *sql, enum store_table table)
{
    const struct store_layout *layout = store_layout(table);
    unsigned from = 0;
    if (table == STORE_TABLE_OUTBOX) {
        aion_buf_text(sql, "place & 63, place >> 6");
        from = 2;
    }
    for (unsigned i = from; i < layout->columns; i++)
        aion_buf_printf(sql, "%s%s", i > 0 ? ", " : "", layout->column[i].name);
}

static void put_keys(struct aion_buf *sql, enum store_table table)
{
    const struct store_layout *layout = store_layout(table);
    for (unsigned i = 0; i < layout->keys; i++)
        aion_buf_printf(sql, "%s%s", i > 0 ? ", " : "", layout->column[i].name);
}

static void put_select(struct aion_buf *sql, enum store_table table, int64_t set, bool begun)
{
    const struct store_layout *layout = store_layout(table);
    char name[64];
    sqlite_table_name(table, set, name);
    aion_buf_text(sql, "SELECT ");
    put_columns(sql, table);
    aion_buf_printf(sql, " FROM %s", name);
    if (begun && table == STORE_TABLE_OUTBOX) {
        aion_buf_text(sql, " WHERE place > (?2 << 6 | ?1)");
    } else if (begun) {
        aion_buf_text(sql, " WHERE (");
        put_keys(sql, table);
        for (unsigned i = 0; i < layout->keys; i++)
            aion_buf_text(sql, i > 0 ? ", ?" : ") > (?");
        aion_buf_text(sql, ")");
    }
    aion_buf_text(sql, " ORDER BY ");
    if (table == STORE_TABLE_OUTBOX)
        aion_buf_text(sql, "place");
    else
        put_keys(sql, table);
}

static void bind_value(struct sql_use *use, enum store_column_type type,
                       const struct store_value *value)
{
    if (type == STORE_I64)
        sql_i64(use, value->i64);
    else if (type == STORE_TEXT)
        sql_text(use, value->str);
    else
        sql_blob(use, value->str);
}

static size_t get_fact(struct sql_use *use, struct store_fact *fact, struct aion_arena *arena)
{
    const struct store_layout *layout = store_layout(fact->table);
    size_t bytes = 0;
    for (unsigned i = 0; i < layout->columns; i++) {
        struct store_value *value = &fact->values[i];
        if (layout->column[i].type == STORE_I64)
            value->i64 = sql_get_i64(use);
        else
            value->str = sql_get_str(use, arena);
        bytes += value->str.size + sizeof(int64_t);
    }
    return bytes;
}

/* Rows of one set behind the page's end; `bytes` in all so far. False with rc OK: it is full.
 */
static bool read_set(struct sqlite_conn *conn, struct store_facts_read *op, struct page *page,
                     int64_t set, size_t *bytes)
{
    const struct store_layout *layout = store_layout(op->table);
    bool begun = page->begun && page->set == set;
    struct aion_buf sql;
    aion_buf_init(&sql, SQL_MAX);
    put_select(&sql, op->table, set, begun);
    struct sql_use use = sql_use_text(conn, sql.data);
    aion_buf_done(&sql);
    for (unsigned i = 0; begun && i < layout->keys; i++)
        bind_value(&use, layout->column[i].type, &page->keys[i]);
    bool full = false;
    while (!full && sql_row(&use)) {
        full = op->count == op->limit || (op->count > 0 && *bytes >= op->bytes_max);
        if (full)
            break;
        op->facts[op->count].table = op->table;
        *bytes += get_fact(&use, &op->facts[op->count++], op->op.arena);
        page->set = set;
    }
    return sql_end(&use) && !full;
}

/* Sets in their order: what was kept, then the windows. */
static bool read_sets(struct sqlite_conn *conn, struct store_facts_read *op, struct page *page)
{
    enum store_rotation by = store_layout(op->table)->by;
    const struct sqlite_windows *windows =
        &conn->windows[by == STORE_BY_KEY ? SQLITE_KEYS : SQLITE_TASKS];
    size_t bytes = 0;
    int64_t from = page->begun ? page->set : SQLITE_KEPT;
    if (by == STORE_BY_NOTHING || by == STORE_BY_TIME)
        return read_set(conn, op, page, SQLITE_KEPT, &bytes);
    if (by == STORE_BY_SEQ && from == SQLITE_KEPT &&
        !read_set(conn, op, page, SQLITE_KEPT, &bytes))
        return false;
    for (size_t i = 0; i < windows->count; i++)
        if (windows->items[i].number >= from &&
            !read_set(conn, op, page, windows->items[i].number, &bytes))
            return false;
    return true;
}

static bool read_balances(struct sqlite_conn *conn, struct store_facts_read *op,
                          const struct page *page)
{
    struct store_balances balances = {
        .op.arena = op->op.arena, .after = page->keys[0].str, .limit = op->limit};
    if (!sqlite_balances_bare(conn, &balances))
        return false;
    for (size_t i = 0; i < balances.count; i++) {
        struct store_fact *fact = &op->facts[op->count++];
        fact->table = STORE_TABLE_BALANCE;
        fact->values[0].str = balances.balances[i].account;
        fact->values[1].i64 = balances.balances[i].nano_usd;
    }
    if (balances.more)
        op->next = write_page(conn, op->op.arena, SQLITE_KEPT, &op->facts[op->count - 1]);
    return conn->rc == SQLITE_OK;
}

bool sqlite_facts_read(struct sqlite_store *self, struct sqlite_conn *conn,
                       struct store_op *base)
{
    struct store_facts_read *op = aion_container(base, struct store_facts_read, op);
    struct page page;
    (void)self;
    op->count = 0;
    op->next = (aion_str){0};
    op->facts = sqlite_make_array(conn, base->arena, op->limit, sizeof(*op->facts));
    if (op->facts == NULL)
        return false;
    if (!read_page(op, store_layout(op->table), &page))
        return sqlite_conn_failed(conn, SQLITE_MISUSE);
    if (op->table == STORE_TABLE_BALANCE)
        return read_balances(conn, op, &page);
    if (!read_sets(conn, op, &page) && conn->rc == SQLITE_OK)
        op->next = write_page(conn, base->arena, page.set, &op->facts[op->count - 1]);
    return conn->rc == SQLITE_OK;
}

/* -- writing ------------------------------------------------------------------------ */
static void put_insert(struct aion_buf *sql, enum store_table table, int64_t set)
{
    const struct store_layout *layout = store_layout(table);
    bool outbox = table == STORE_TABLE_OUTBOX;
    char name[64];
    sqlite_table_name(table, set, name);
    aion_buf_printf(sql, "INSERT OR IGNORE INTO %s VALUES(%s", name,
                    outbox ? "?2 << 6 | ?1" : "?");
    for (unsigned i = outbox ? 2 : 1; i < layout->columns; i++)
        aion_buf_text(sql, ", ?");
    aion_buf_text(sql, ")");
}

static int64_t at_of(const struct store_fact *fact)
{
    return fact->values[5].i64; /* idempotency's at_us */
}

static bool set_for(struct sqlite_conn *conn, const struct store_fact *fact, int64_t *ret_set)
{
    *ret_set = SQLITE_KEPT;
    switch (store_layout(fact->table)->by) {
    case STORE_BY_SEQ:
        return sqlite_set_make(conn, (uint64_t)fact->values[0].i64, ret_set);
    case STORE_BY_KEY:
        return sqlite_key_set_make(conn, at_of(fact), ret_set);
    case STORE_BY_TIME:
    case STORE_BY_NOTHING:
    default:
        return true;
    }
}

static bool insert(struct sqlite_conn *conn, const struct store_fact *fact, int64_t set,
                   bool *ret_added)
{
    const struct store_layout *layout = store_layout(fact->table);
    struct aion_buf sql;
    aion_buf_init(&sql, SQL_MAX);
    put_insert(&sql, fact->table, set);
    struct sql_use use = sql_use_text(conn, sql.data);
    aion_buf_done(&sql);
    for (unsigned i = 0; i < layout->columns; i++)
        bind_value(&use, layout->column[i].type, &fact->values[i]);
    if (!sql_run(&use))
        return false;
    *ret_added = sql_changes(conn) > 0;
    return true;
}

static bool has_outcome(struct sqlite_conn *conn, int64_t set, uint64_t seq, bool *ret_has)
{
    struct sql_use use = sql_use_in(conn, SQL_OUTCOME_BY, set);
    sql_u64(&use, seq);
    *ret_has = sql_row(&use);
    return sql_end(&use);
}

/* Keeps what is known beside the tables in step with them. */
static bool note(struct sqlite_store *self, const struct store_fact *fact, int64_t set)
{
    uint64_t seq = (uint64_t)fact->values[0].i64;
    bool ended;
    if (fact->table == STORE_TABLE_TASK && seq > self->newest_seq)
        self->newest_seq = seq;
    if (fact->table == STORE_TABLE_TASK)
        return has_outcome(&self->writer, set, seq, &ended) &&
               (ended || sqlite_unfinished_add(self, seq));
    if (fact->table == STORE_TABLE_OUTCOME)
        return sqlite_unfinished_end(self, seq);
    if (fact->table == STORE_TABLE_ATTEMPT)
        sqlite_unfinished_started(self, seq);
    if (fact->table == STORE_TABLE_OUTBOX && (uint64_t)fact->values[1].i64 > self->newest_event)
        self->newest_event = (uint64_t)fact->values[1].i64;
    if (fact->table == STORE_TABLE_LEDGER && seq <= self->folded_to)
        return sqlite_balance_add(&self->writer, fact->values[3].str, fact->values[5].i64);
    return true;
}

/* The epoch of an opening is greater than any that facts name. */
static bool put_epoch(struct sqlite_store *self, const struct store_fact *fact)
{
    struct sql_use use = sql_use(&self->writer, SQL_EPOCH_RAISE);
    sql_i64(&use, fact->values[1].i64);
    if ((uint64_t)fact->values[1].i64 > self->epoch)
        self->epoch = (uint64_t)fact->values[1].i64;
    return sql_run(&use);
}

bool sqlite_facts_put(struct sqlite_store *self, struct sqlite_conn *conn,
                      struct store_op *base)
{
    struct store_facts_put *op = aion_container(base, struct store_facts_put, op);
    op->added = 0;
    for (size_t i = 0; i < op->count; i++) {
        const struct store_fact *fact = &op->facts[i];
        int64_t set;
        bool added = false;
        if (fact->table == STORE_TABLE_SHARD) {
            if (!put_epoch(self, fact))
                return false;
            continue;
        }
        if (!set_for(conn, fact, &set) || !insert(conn, fact, set, &added) ||
            (added && !note(self, fact, set)))
            return false;
        op->added += added;
    }
    return true;
}
