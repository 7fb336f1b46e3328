/* Tables as rows of facts, for export and import. All by the layout (store_fact.h), but for
 * cursors and shards, whose tables look otherwise here.
 *
 * A place in a table (`next`) is the part it is in and the key of the last row that was given:
 * "3 i17 x6162", numbers as they are, texts and bytes in hex. */
#include "store/postgres/desk.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEPT_FIRST = -1, TEXT_MAX = 16384, PLACE_MAX = 4096 };

/* -- reading ------------------------------------------------------------------------ */
/* The parts of a table, in the order in which they are gone through. */
struct parts {
    struct pg_window *windows;
    size_t count; /* of windows; the kept part comes before them */
    bool kept;
};

static struct parts parts_of(struct pg_store *self, enum store_table table)
{
    struct parts parts = {0};
    enum store_rotation by = store_layout(table)->by;
    if (by == STORE_BY_SEQ || by == STORE_BY_TIME)
        parts.windows = pg_windows_copy(
            &self->windows, by == STORE_BY_SEQ ? PG_BY_SEQ : PG_BY_TIME, &parts.count);
    else
        parts.kept = true;
    parts.kept |= by == STORE_BY_SEQ;
    return parts;
}

static void add_names(struct aion_buf *text, const struct store_layout *layout, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        aion_buf_printf(text, "%s%s", i > 0 ? ", " : "", layout->column[i].name);
}

/* What a part is read from. */
static void add_source(struct aion_buf *text, enum store_table table, const struct parts *parts,
                       int64_t part)
{
    const struct store_layout *layout = store_layout(table);
    if (table == STORE_TABLE_CURSOR)
        aion_buf_text(text,
                      "(SELECT c.name, s.n - 1 AS shard, c.sequences[s.n] AS sequence FROM "
                      "(SELECT DISTINCT ON (name) name, sequences FROM event_cursor ORDER "
                      "BY name, number DESC) c, generate_series(1, 64) s(n)) c");
    else if (part != KEPT_FIRST)
        aion_buf_printf(text, "%s_w%lld", layout->name, (long long)parts->windows[part].number);
    else
        aion_buf_printf(text, "%s%s", layout->name, layout->by == STORE_BY_SEQ ? "_kept" : "");
}

/* A part of a place as SQL: it holds digits and hex digits only, whoever wrote it. */
static bool add_literal(struct aion_buf *text, enum store_column_type type, aion_str part)
{
    static const char digits[] = "-0123456789", hex[] = "0123456789abcdef";
    char letter = type == STORE_I64 ? 'i' : 'x';
    if (part.size == 0 || part.data[0] != letter)
        return false;
    for (size_t i = 1; i < part.size; i++)
        if (strchr(type == STORE_I64 ? digits : hex, part.data[i]) == NULL)
            return false;
    static const char *const before[] = {
        [STORE_I64] = "", [STORE_TEXT] = "convert_from('\\x", [STORE_BLOB] = "'\\x"};
    static const char *const behind[] = {
        [STORE_I64] = "", [STORE_TEXT] = "', 'UTF8')", [STORE_BLOB] = "'::bytea"};
    aion_buf_text(text, before[type]);
    aion_buf_add(text, part.data + 1, part.size - 1);
    return aion_buf_text(text, behind[type]);
}

/* Behind the place. */
static bool add_condition(struct aion_buf *text, const struct store_layout *layout,
                          aion_str place)
{
    if (place.size == 0)
        return true;
    aion_buf_text(text, " WHERE (");
    add_names(text, layout, layout->keys);
    aion_buf_text(text, ") > (");
    for (unsigned i = 0; i < layout->keys; i++) {
        aion_buf_text(text, i > 0 ? ", " : "");
        if (!add_literal(text, layout->column[i].type, aion_str_cut(&place, ' ')))
            return false;
    }
    return aion_buf_text(text, ")");
}

static bool add_select(struct aion_buf *text, enum store_table table, const struct parts *parts,
                       int64_t part, aion_str place, size_t limit)
{
    const struct store_layout *layout = store_layout(table);
    aion_buf_text(text, "SELECT ");
    add_names(text, layout, layout->columns);
    aion_buf_text(text, " FROM ");
    add_source(text, table, parts, part);
    if (!add_condition(text, layout, place))
        return false;
    aion_buf_text(text, " ORDER BY ");
    add_names(text, layout, layout->keys);
    aion_buf_printf(text, " LIMIT %zu", limit);
    return !text->overflow;
}

static size_t get_fact(struct pg_rows *rows, struct store_fact *fact, enum store_table table,
                       struct aion_arena *arena)
{
    const struct store_layout *layout = store_layout(table);
    size_t bytes = 0;
    *fact = (struct store_fact){.table = table};
    for (unsigned i = 0; i < layout->columns; i++)
        if (layout->column[i].type == STORE_I64)
            fact->values[i].i64 = pg_get_i64(rows);
        else
            bytes += (fact->values[i].str = pg_get_str(rows, arena)).size;
    return bytes;
}

/* Some rows of one part. *ret_more: there may be others in it. */
static bool read_part(struct pg_wait *wait, struct store_facts_read *op,
                      const struct parts *parts, int64_t part, aion_str place, bool *ret_more)
{
    struct pg_rows rows = pg_rows(wait);
    struct aion_buf text;
    size_t limit = op->limit - op->count, bytes = 0, given = 0;
    aion_buf_init(&text, TEXT_MAX);
    bool read =
        add_select(&text, op->table, parts, part, place, limit)
            ? pg_send_text_rows(&wait->conn, text.data, pg_take_rows, &rows) && pg_finish(wait)
            : pg_conn_fail(&wait->conn, PG_ODD, "no such place in the table");
    aion_buf_done(&text);
    while (read && (given == 0 || bytes < op->bytes_max) && pg_next(&rows)) {
        bytes += get_fact(&rows, &op->facts[op->count++], op->table, op->op.arena);
        given++;
    }
    *ret_more = given < (size_t)rows.rows || given == limit;
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}

static void add_hex(struct aion_buf *text, aion_str bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        aion_buf_printf(text, "%02x", (unsigned char)bytes.data[i]);
}

/* `fact`: the last one of the part, or NULL: its beginning. */
static bool give_place(struct pg_wait *wait, struct store_facts_read *op, int64_t part,
                       const struct store_fact *fact)
{
    const struct store_layout *layout = store_layout(op->table);
    struct aion_buf text;
    aion_buf_init(&text, PLACE_MAX);
    aion_buf_i64(&text, part);
    for (unsigned i = 0; fact != NULL && i < layout->keys; i++) {
        bool number = layout->column[i].type == STORE_I64;
        aion_buf_text(&text, number ? " i" : " x");
        if (number)
            aion_buf_i64(&text, fact->values[i].i64);
        else
            add_hex(&text, fact->values[i].str);
    }
    if (!text.overflow)
        op->next = aion_arena_str(op->op.arena, aion_buf_view(&text));
    aion_buf_done(&text);
    return op->next.data != NULL || pg_conn_fail(&wait->conn, PG_TOO_BIG, "the arena is full");
}

static bool read_parts(struct pg_wait *wait, struct store_facts_read *op,
                       const struct parts *parts)
{
    int64_t part = parts->kept ? KEPT_FIRST : 0;
    aion_str place = op->after;
    if (place.size > 0)
        aion_str_i64(aion_str_cut(&place, ' '), &part);
    for (; part < (int64_t)parts->count; part++) {
        bool more;
        if (!read_part(wait, op, parts, part, place, &more))
            return false;
        if (more)
            return give_place(wait, op, part, &op->facts[op->count - 1]);
        if (op->count == op->limit)
            return part + 1 >= (int64_t)parts->count || give_place(wait, op, part + 1, NULL);
        place = (aion_str){0};
    }
    return true;
}

bool pg_facts_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_facts_read *op = aion_container(base, struct store_facts_read, op);
    op->count = 0;
    op->next = (aion_str){0};
    op->facts = pg_array(wait, base->arena, op->limit, sizeof(*op->facts));
    if (op->facts == NULL)
        return false;
    struct parts parts = parts_of(self, op->table);
    bool read = read_parts(wait, op, &parts);
    free(parts.windows);
    return read;
}

/* -- writing ------------------------------------------------------------------------ */
static int64_t time_of(const struct store_fact *fact)
{
    const struct store_layout *layout = store_layout(fact->table);
    if (layout->by == STORE_BY_SEQ)
        return store_seq_us((uint64_t)fact->values[0].i64);
    for (unsigned i = 0; i < layout->columns; i++)
        if (strcmp(layout->column[i].name, "at_us") == 0)
            return fact->values[i].i64;
    return 0;
}

static bool is_windowed(const struct store_fact *fact)
{
    enum store_rotation by = store_layout(fact->table)->by;
    return by == STORE_BY_SEQ || by == STORE_BY_TIME;
}

static enum pg_window_kind kind_of(const struct store_fact *fact)
{
    return store_layout(fact->table)->by == STORE_BY_SEQ ? PG_BY_SEQ : PG_BY_TIME;
}

bool pg_facts_windows(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    const struct store_facts_put *op = aion_container(base, struct store_facts_put, op);
    for (size_t i = 0; i < op->count; i++)
        if (is_windowed(&op->facts[i]) &&
            !pg_windows_ensure(&self->windows, wait, kind_of(&op->facts[i]),
                               pg_window_of(&self->windows, time_of(&op->facts[i]))))
            return false;
    return true;
}

/* The ending of the table that a fact goes to. */
static int64_t window_of(struct pg_store *self, const struct store_fact *fact)
{
    if (!is_windowed(fact))
        return PG_NO_WINDOW;
    int64_t number = pg_window_of(&self->windows, time_of(fact));
    bool dropped = pg_windows_state(&self->windows, kind_of(fact), number) == PG_DROPPED;
    return dropped && kind_of(fact) == PG_BY_SEQ ? PG_KEPT : number;
}

static void put_fact(struct pg_args *args, const struct store_fact *fact)
{
    const struct store_layout *layout = store_layout(fact->table);
    pg_at(args, 0);
    for (unsigned i = 0; i < layout->columns; i++)
        switch (layout->column[i].type) {
        case STORE_I64:
            pg_put_i64(args, fact->values[i].i64);
            break;
        case STORE_TEXT:
            pg_put_text(args, fact->values[i].str);
            break;
        case STORE_BLOB:
        default:
            pg_put_bytes(args, fact->values[i].str);
            break;
        }
}

/* An imported task may be unfinished, an event the newest: their window is open again. */
static bool unseal(struct pg_wait *wait, const struct store_fact *fact, int64_t window)
{
    bool may_be = fact->table == STORE_TABLE_TASK || fact->table == STORE_TABLE_OUTBOX;
    return !may_be || window < 0 || pg_windows_unseal(wait, kind_of(fact), window);
}

/* A row of facts of one table and window. */
static bool put_rows(struct pg_wait *wait, const struct store_fact *facts, size_t count,
                     int64_t window, uint64_t *added)
{
    struct pg_statement statement = pg_import(facts[0].table, window);
    struct pg_args *args;
    uint64_t rows;
    if (!unseal(wait, &facts[0], window))
        return false;
    args = pg_begin(&wait->conn, statement);
    for (size_t i = 0; i < count; i++)
        put_fact(args, &facts[i]);
    if (!pg_run(wait, statement, &rows))
        return false;
    *added += rows;
    return true;
}

/* One cursor: its 64 rows, or those of them that are here, as one more move of it. */
static bool put_cursor(struct pg_store *self, struct pg_wait *wait,
                       const struct store_fact *facts, size_t count, uint64_t *added)
{
    struct store_cursor_read there = {.name = facts[0].values[0].str};
    struct store_cursor_put put = {.name = facts[0].values[0].str};
    if (!pg_cursor_read(self, wait, &there.op))
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned shard = (unsigned)facts[i].values[1].i64 % STORE_SHARDS;
        put.shards |= UINT64_C(1) << shard;
        put.sequence[shard] = (uint64_t)facts[i].values[2].i64;
        *added += !there.found;
    }
    return pg_cursor_put(self, wait, &put.op);
}

static bool put_shard(struct pg_wait *wait, const struct store_fact *fact)
{
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_SHARD_RAISE));
    pg_put_i64(args, fact->values[0].i64);
    pg_put_i64(args, fact->values[1].i64);
    return pg_run(wait, pg_statement(PG_SHARD_RAISE), NULL);
}

static bool is_same_run(struct pg_store *self, const struct store_fact *a,
                        const struct store_fact *b)
{
    if (a->table != b->table || a->table == STORE_TABLE_SHARD)
        return false;
    if (a->table == STORE_TABLE_CURSOR)
        return aion_str_eq(a->values[0].str, b->values[0].str);
    return window_of(self, a) == window_of(self, b);
}

bool pg_facts_put(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_facts_put *op = aion_container(base, struct store_facts_put, op);
    op->added = 0;
    for (size_t from = 0, to; from < op->count; from = to) {
        const struct store_fact *facts = &op->facts[from];
        bool done;
        for (to = from + 1; to < op->count && is_same_run(self, facts, &op->facts[to]);)
            to++;
        if (facts->table == STORE_TABLE_SHARD)
            done = put_shard(wait, facts);
        else if (facts->table == STORE_TABLE_CURSOR)
            done = put_cursor(self, wait, facts, to - from, &op->added);
        else
            done = put_rows(wait, facts, to - from, window_of(self, facts), &op->added);
        if (!done)
            return false;
    }
    return true;
}
