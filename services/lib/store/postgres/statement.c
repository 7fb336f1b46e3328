/* Texts of statements. Writes on tasks are put together from the layout of the tables
 * (store_fact.h), so that a column is written down once. */
#include "store/postgres/statement.h"

#include "store/store.h"

#include <assert.h>
#include <stdio.h>

static const struct source {
    const char *types, *text;
} sources[PG_STATEMENT_COUNT] = {
#define PG_SOURCE(name, types_, text_) [PG_##name] = {types_, text_},
    PG_STATEMENTS(PG_SOURCE)
#undef PG_SOURCE
};

/* -- the shapes of writes ----------------------------------------------------------- */
/* Conditions on a row u of the parameters, by what the window's tables hold. */
#define TASK_IS_THERE "EXISTS (SELECT FROM task$w t WHERE t.seq = u.seq)"
#define IS_FINAL      "EXISTS (SELECT FROM outcome$w o WHERE o.seq = u.seq)"
#define NO_SUCH_OR_LATER \
    "NOT EXISTS (SELECT FROM attempt$w a WHERE a.seq = u.seq AND a.attempt >= u.attempt)"
#define NO_LATER \
    "NOT EXISTS (SELECT FROM attempt$w a WHERE a.seq = u.seq AND a.attempt > u.attempt)"
#define IS_BEGUN                                                                         \
    "EXISTS (SELECT FROM attempt$w a WHERE a.seq = u.seq AND a.attempt = u.attempt AND " \
    "a.epoch = "                                                                         \
    "u.epoch)"
#define HAS_ENDED \
    "EXISTS (SELECT FROM attempt_end$w e WHERE e.seq = u.seq AND e.attempt = u.attempt)"
#define OF_KEYS " WHERE u.seq = ANY(ARRAY(SELECT seq FROM k))"

/* "$k", "$f": the unnested parameters of the keys and of the fact. */
static const struct shape {
    const char *key_types; /* of what the repeats are known by */
    enum store_table table;
    const char *extra_types; /* behind the columns of the fact */
    const char *text;        /* up to won */
    const char *result;      /* NULL: the seqs in won */
} shapes[PG_SHAPES] = {
    [PG_SHAPE_ACCEPT] = {"", STORE_TABLE_TASK, "",
                         "won AS (INSERT INTO task$w SELECT * FROM $f u(seq)"
                         " ON CONFLICT DO NOTHING RETURNING seq)",
                         NULL},
    [PG_SHAPE_ACCEPT_KEY] = {"ttblbl", STORE_TABLE_TASK, "",
                             "k AS (INSERT INTO idempotency SELECT * FROM $k"
                             " ON CONFLICT DO NOTHING RETURNING seq),"
                             " won AS (INSERT INTO task$w SELECT * FROM $f u(seq)" OF_KEYS
                             " RETURNING seq)",
                             NULL},
    /* `made`: the place that the id would have if the server had made it. */
    [PG_SHAPE_ACCEPT_OWN] =
        {"blbl", STORE_TABLE_TASK, "",
         "k AS (INSERT INTO own_id SELECT u.id, u.seq, u.digest FROM $k u(id,"
         " seq, digest, made) WHERE NOT EXISTS (SELECT FROM task$w t WHERE"
         " t.seq = u.made AND t.id = u.id)"
         " ON CONFLICT DO NOTHING RETURNING seq),"
         " won AS (INSERT INTO task$w SELECT * FROM $f u(seq)" OF_KEYS " RETURNING seq)",
         NULL},
    [PG_SHAPE_RECORD] = {"lbltttllltbbb", STORE_TABLE_OUTCOME, "",
                         "k AS (INSERT INTO task$w SELECT * FROM $k u(seq)"
                         " ON CONFLICT DO NOTHING RETURNING seq),"
                         " won AS (INSERT INTO outcome$w SELECT * FROM $f u(seq)" OF_KEYS
                         " ON CONFLICT DO NOTHING RETURNING seq)",
                         NULL},
    [PG_SHAPE_ROUTE] =
        {"", STORE_TABLE_DECISION, "",
         "won AS (INSERT INTO decision$w SELECT * FROM $f u(seq) WHERE"
         " EXISTS (SELECT FROM task$w t WHERE t.seq = u.seq AND t.decision IS NULL)"
         " AND NOT " IS_FINAL " ON CONFLICT DO NOTHING RETURNING seq)",
         NULL},
    [PG_SHAPE_START] =
        {"", STORE_TABLE_ATTEMPT, "",
         "won AS (INSERT INTO attempt$w SELECT * FROM $f u(seq, attempt) WHERE " TASK_IS_THERE
         " AND NOT " IS_FINAL " AND " NO_SUCH_OR_LATER " ON CONFLICT DO NOTHING RETURNING seq)",
         NULL},
    /* The first chunk being there: these ones were written before. */
    [PG_SHAPE_CHUNKS] =
        {"llll", STORE_TABLE_CHUNK, "",
         "won AS MATERIALIZED (SELECT u.seq FROM $k u(seq, attempt, epoch, cursor)"
         " WHERE NOT " IS_FINAL " AND " IS_BEGUN " AND " NO_LATER " AND NOT " HAS_ENDED
         " AND NOT EXISTS"
         " (SELECT FROM chunk$w c WHERE c.seq = u.seq AND c.cursor = u.cursor)),"
         " rows AS (INSERT INTO chunk$w SELECT * FROM $f u(seq)"
         " WHERE u.seq = ANY(ARRAY(SELECT seq FROM won)))",
         NULL},
    [PG_SHAPE_RETRY] =
        {"", STORE_TABLE_ATTEMPT_END, "ll",
         "won AS (INSERT INTO attempt_end$w SELECT u.seq, u.attempt, u.at_us, u.due_us,"
         " u.doubt, u.code, u.reason, u.message FROM $f u(seq, attempt, at_us, due_us,"
         " doubt, code, reason, message, epoch, begins) WHERE " TASK_IS_THERE
         " AND NOT " IS_FINAL " AND CASE WHEN u.begins = 1 THEN " NO_SUCH_OR_LATER
         " ELSE " IS_BEGUN " AND " NO_LATER " END"
         " ON CONFLICT DO NOTHING RETURNING seq)",
         NULL},
    [PG_SHAPE_MARK] =
        {"", STORE_TABLE_MARK, "",
         "won AS (INSERT INTO mark$w SELECT * FROM $f u(seq, number, kind, attempt) "
         "WHERE " TASK_IS_THERE " AND NOT EXISTS (SELECT FROM mark$w m WHERE m.seq = u.seq AND"
         " m.number >= u.number) AND CASE WHEN u.kind = 5 THEN " IS_FINAL " ELSE NOT " IS_FINAL
         " END AND (u.kind NOT IN (3, 4) OR (" NO_LATER
         " AND EXISTS (SELECT FROM attempt$w a WHERE a.seq = u.seq AND a.attempt ="
         " u.attempt))) ON CONFLICT DO NOTHING RETURNING seq)",
         NULL},
    [PG_SHAPE_FINISH] =
        {"", STORE_TABLE_OUTCOME, "",
         "won AS (INSERT INTO outcome$w SELECT * FROM $f u(seq, state, at_us, epoch,"
         " attempt, started_us) WHERE " TASK_IS_THERE
         " AND CASE WHEN u.started_us <> 0 THEN " NO_SUCH_OR_LATER " ELSE " NO_LATER
         " AND ((u.attempt = 0 AND u.epoch = 0) OR " IS_BEGUN ") END"
         " ON CONFLICT DO NOTHING RETURNING seq)",
         NULL},
    [PG_SHAPE_ACK] =
        {"", STORE_TABLE_ACK, "",
         "m AS MATERIALIZED (SELECT u.seq, u.at_us, least(u.cursor, greatest("
         "(SELECT max(c.cursor) FROM chunk$w c WHERE c.seq = u.seq),"
         " (SELECT o.cursor FROM outcome$w o WHERE o.seq = u.seq), 0)) AS cursor,"
         " coalesce((SELECT max(a.cursor) FROM ack$w a WHERE a.seq = u.seq), 0) AS acked"
         " FROM $f u(seq, cursor, at_us) WHERE " TASK_IS_THERE "),"
         " won AS (INSERT INTO ack$w SELECT seq, cursor, at_us FROM m WHERE cursor > acked"
         " ON CONFLICT DO NOTHING RETURNING seq)",
         "SELECT seq, greatest(cursor, acked) FROM m"},
};

static const struct hanger {
    unsigned flag;
    const char *name;
    enum store_table table;
    const char *into, *columns; /* up to seq, by which they hang */
} hangers[] = {
    {PG_WITH_EVENTS, "ev", STORE_TABLE_OUTBOX, "outbox", "shard, sequence, seq"},
    {PG_WITH_ENTRIES, "le", STORE_TABLE_LEDGER, "ledger$w", "seq"},
    {PG_WITH_BEGINS, "be", STORE_TABLE_ATTEMPT, "attempt$w", "seq"},
    {PG_WITH_CHUNKS, "ck", STORE_TABLE_CHUNK, "chunk$w", "seq"},
};

static size_t columns_of(enum store_table table)
{
    return store_layout(table)->columns;
}

static size_t *place_of(struct pg_places *places, size_t hanger)
{
    size_t *const of[] = {&places->events, &places->entries, &places->begins, &places->chunks};
    return of[hanger];
}

struct pg_places pg_places(enum pg_shape shape, unsigned flags)
{
    const struct shape *s = &shapes[shape];
    struct pg_places places = {.fact = strlen(s->key_types)};
    places.count = places.fact + columns_of(s->table) + strlen(s->extra_types);
    for (size_t i = 0; i < aion_countof(hangers); i++) {
        *place_of(&places, i) = places.count;
        if ((flags & hangers[i].flag) != 0)
            places.count += columns_of(hangers[i].table);
    }
    assert(places.count <= PG_COLUMNS_MAX);
    return places;
}

/* -- types -------------------------------------------------------------------------- */
static bool is_write(struct pg_statement statement)
{
    return statement.id >= PG_WRITE_FIRST;
}
static bool is_delete(struct pg_statement statement)
{
    return statement.id >= PG_DELETE_FIRST && !is_write(statement);
}
static bool is_import(struct pg_statement statement)
{
    return statement.id >= PG_IMPORT_FIRST && statement.id < PG_DELETE_FIRST;
}
static enum store_table table_of(struct pg_statement statement)
{
    return (enum store_table)(statement.id -
                              (is_delete(statement) ? PG_DELETE_FIRST : PG_IMPORT_FIRST));
}
static enum pg_shape shape_of(struct pg_statement statement)
{
    return (enum pg_shape)((statement.id - PG_WRITE_FIRST) / PG_WITH_FLAGS);
}
static unsigned flags_of(struct pg_statement statement)
{
    return (statement.id - PG_WRITE_FIRST) % PG_WITH_FLAGS;
}

static char *add_table_types(char *at, enum store_table table)
{
    static const char letters[] = {[STORE_I64] = 'l', [STORE_TEXT] = 't', [STORE_BLOB] = 'b'};
    const struct store_layout *layout = store_layout(table);
    for (unsigned i = 0; i < layout->columns; i++)
        *at++ = letters[layout->column[i].type];
    return at;
}

void pg_statement_types(struct pg_statement statement, char ret_types[PG_TYPES_MAX])
{
    if (is_delete(statement)) {
        memcpy(ret_types, "l", 2);
        return;
    }
    if (is_import(statement)) {
        *add_table_types(ret_types, table_of(statement)) = '\0';
        return;
    }
    if (!is_write(statement)) {
        snprintf(ret_types, PG_TYPES_MAX, "%s", sources[statement.id].types);
        return;
    }
    const struct shape *s = &shapes[shape_of(statement)];
    char *at = stpcpy(ret_types, s->key_types);
    at = add_table_types(at, s->table);
    at = stpcpy(at, s->extra_types);
    for (size_t i = 0; i < aion_countof(hangers); i++)
        if ((flags_of(statement) & hangers[i].flag) != 0)
            at = add_table_types(at, hangers[i].table);
    *at = '\0';
}

/* -- texts -------------------------------------------------------------------------- */
static void add_unnest(struct aion_buf *text, size_t first, size_t count)
{
    aion_buf_text(text, "unnest(");
    for (size_t i = 0; i < count; i++)
        aion_buf_printf(text, "%s$%zu", i > 0 ? ", " : "", first + i + 1);
    aion_buf_text(text, ")");
}

static void add_ending(struct aion_buf *text, int64_t window)
{
    if (window == PG_KEPT)
        aion_buf_text(text, "_kept");
    else if (window != PG_NO_WINDOW)
        aion_buf_printf(text, "_w%lld", (long long)window);
}

/* Copies a source, its "$w", "$k" and "$f" filled in. */
static void add_source(struct aion_buf *text, const char *source, int64_t window,
                       const struct pg_places *places, size_t facts)
{
    for (const char *at = source; *at != '\0'; at++) {
        bool named = at[0] == '$' && at[1] >= 'a';
        if (!named)
            aion_buf_char(text, *at);
        else if (*++at == 'w')
            add_ending(text, window);
        else if (*at == 'k')
            add_unnest(text, 0, places->fact);
        else
            add_unnest(text, places->fact, facts);
    }
}

static void add_write(struct aion_buf *text, struct pg_statement statement)
{
    const struct shape *s = &shapes[shape_of(statement)];
    unsigned flags = flags_of(statement);
    struct pg_places places = pg_places(shape_of(statement), flags);
    aion_buf_text(text, "WITH ");
    add_source(text, s->text, statement.window, &places,
               columns_of(s->table) + strlen(s->extra_types));
    for (size_t i = 0; i < aion_countof(hangers); i++) {
        const struct hanger *hanger = &hangers[i];
        if ((flags & hanger->flag) == 0)
            continue;
        aion_buf_printf(text, ", %s AS (INSERT INTO ", hanger->name);
        add_source(text, hanger->into, statement.window, &places, 0);
        aion_buf_text(text, " SELECT * FROM ");
        add_unnest(text, *place_of(&places, i), columns_of(hanger->table));
        aion_buf_printf(text, " h(%s) WHERE h.seq = ANY(ARRAY(SELECT seq FROM won)))",
                        hanger->columns);
    }
    aion_buf_printf(text, " %s", s->result != NULL ? s->result : "SELECT seq FROM won");
}

static void add_import(struct aion_buf *text, struct pg_statement statement)
{
    const struct store_layout *layout = store_layout(table_of(statement));
    aion_buf_printf(text, "INSERT INTO %s", layout->name);
    add_ending(text, statement.window);
    aion_buf_text(text, " (");
    for (unsigned i = 0; i < layout->columns; i++)
        aion_buf_printf(text, "%s%s", i > 0 ? ", " : "", layout->column[i].name);
    aion_buf_text(text, ") SELECT * FROM ");
    add_unnest(text, 0, layout->columns);
    aion_buf_text(text, " ON CONFLICT DO NOTHING");
}

static void add_delete(struct aion_buf *text, struct pg_statement statement)
{
    aion_buf_printf(text, "DELETE FROM %s", store_layout(table_of(statement))->name);
    add_ending(text, statement.window);
    aion_buf_text(text, " WHERE seq = ANY($1)");
}

void pg_statement_text(struct pg_statement statement, struct aion_buf *text)
{
    static const struct pg_places none;
    if (is_delete(statement))
        add_delete(text, statement);
    else if (is_import(statement))
        add_import(text, statement);
    else if (is_write(statement))
        add_write(text, statement);
    else
        add_source(text, sources[statement.id].text, statement.window, &none, 0);
}
