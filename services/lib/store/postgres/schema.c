/* Making and migrating the tables: one transaction under an advisory lock, so that of several
 * controls that start together one does it and the others find it done. */
#include "store/postgres/schema.h"

#include <stdio.h>

enum { SCHEMA_VERSION = 2, KEY_PARTITIONS = 8, COLUMNS_TEXT = 2048 };

/* -- tables ------------------------------------------------------------------------- */
/* Names are compared and sorted by bytes, whatever the database's language. */
static const char *const column_types[] = {
    [STORE_I64] = "bigint NOT NULL",
    [STORE_TEXT] = "text COLLATE \"C\" NOT NULL",
    [STORE_BLOB] = "bytea",
};

static void columns_of(const struct store_layout *layout, struct aion_buf *text)
{
    for (unsigned i = 0; i < layout->columns; i++)
        aion_buf_printf(text, "%s%s %s", i > 0 ? ", " : "", layout->column[i].name,
                        column_types[layout->column[i].type]);
}

static void key_of(const struct store_layout *layout, struct aion_buf *text)
{
    for (unsigned i = 0; i < layout->keys; i++)
        aion_buf_printf(text, "%s%s", i > 0 ? ", " : "", layout->column[i].name);
}

/* What is looked up by anything but its key. */
static const struct {
    enum store_table table;
    const char *name, *columns;
} indexes[] = {
    {STORE_TABLE_TASK, "tenant", "tenant, seq"},
    {STORE_TABLE_IDEMPOTENCY, "at", "at_us"},
    {STORE_TABLE_OWN_ID, "seq", "seq"},
    {STORE_TABLE_AUDIT, "at", "at_us, writer, number"},
};

bool pg_schema_table(struct pg_wait *wait, enum store_table table, const char *ending)
{
    const struct store_layout *layout = store_layout(table);
    struct aion_buf text;
    aion_buf_init(&text, COLUMNS_TEXT);
    aion_buf_printf(&text, "CREATE TABLE %s%s (", layout->name, ending);
    columns_of(layout, &text);
    aion_buf_text(&text, ", PRIMARY KEY (");
    key_of(layout, &text);
    aion_buf_text(&text, "))");
    if (layout->by == STORE_BY_KEY)
        aion_buf_text(&text, " PARTITION BY HASH (tenant, key)");
    bool made = !text.overflow && pg_exec(wait, text.data);
    aion_buf_done(&text);
    for (size_t i = 0; made && i < aion_countof(indexes); i++)
        if (indexes[i].table == table)
            made = pg_execf(wait, "CREATE INDEX %s%s_%s ON %s%s (%s)", layout->name, ending,
                            indexes[i].name, layout->name, ending, indexes[i].columns);
    return made;
}

/* The parent of windows' tables has no key: it would have to hold the column of the range. */
static bool make_parent(struct pg_wait *wait, const struct store_layout *layout)
{
    struct aion_buf text;
    aion_buf_init(&text, COLUMNS_TEXT);
    aion_buf_printf(&text, "CREATE TABLE %s (", layout->name);
    columns_of(layout, &text);
    aion_buf_printf(&text, ") PARTITION BY RANGE (%s)",
                    layout->by == STORE_BY_SEQ ? "seq" : "at_us");
    bool made = !text.overflow && pg_exec(wait, text.data);
    aion_buf_done(&text);
    return made;
}

static bool make_key_partitions(struct pg_wait *wait, const struct store_layout *layout)
{
    for (int i = 0; i < KEY_PARTITIONS; i++)
        if (!pg_execf(wait,
                      "CREATE TABLE %s_p%d PARTITION OF %s FOR VALUES WITH (MODULUS %d, "
                      "REMAINDER %d)",
                      layout->name, i, layout->name, (int)KEY_PARTITIONS, i))
            return false;
    return true;
}

static bool make_table(struct pg_wait *wait, enum store_table table)
{
    const struct store_layout *layout = store_layout(table);
    switch (layout->by) {
    case STORE_BY_SEQ:
        return make_parent(wait, layout) && pg_schema_table(wait, table, "_kept");
    case STORE_BY_TIME:
        return make_parent(wait, layout);
    case STORE_BY_KEY:
        return pg_schema_table(wait, table, "") && make_key_partitions(wait, layout);
    case STORE_BY_NOTHING:
    default:
        /* cursors are rows of another form: see pg_cursor_put */
        return table == STORE_TABLE_CURSOR || pg_schema_table(wait, table, "");
    }
}

/* What is the driver's own. A cursor's move is a row: a row that is updated many times a second
 * would leave as many dead ones behind an old snapshot. A shard's lease is its owner's, so that
 * renewing touches one row, not 64. */
static const char *const own_tables[] = {
    "CREATE TABLE time_window (kind bigint NOT NULL, number bigint NOT NULL, state bigint NOT "
    "NULL, tops bigint[] NOT NULL DEFAULT '{}', PRIMARY KEY (kind, number))",
    "CREATE TABLE window_floor (kind bigint PRIMARY KEY, number bigint NOT NULL)",
    "INSERT INTO window_floor VALUES (0, 0), (1, 0)",
    "CREATE TABLE replica (id text COLLATE \"C\" PRIMARY KEY, address text COLLATE \"C\" NOT "
    "NULL, until_us bigint NOT NULL)",
    "CREATE TABLE event_cursor (name text COLLATE \"C\" NOT NULL, number bigint NOT NULL, "
    "sequences bigint[] NOT NULL, PRIMARY KEY (name, number))",
    "ALTER TABLE shard ADD COLUMN owner text COLLATE \"C\" NOT NULL DEFAULT '', "
    "ADD COLUMN newest_event bigint NOT NULL DEFAULT 0",
    "INSERT INTO shard (shard, epoch) SELECT n, 0 FROM generate_series(0, 63) n",
};

static bool make_all(struct pg_wait *wait, int64_t window_us)
{
    for (enum store_table table = 0; table < STORE_TABLE_COUNT; table++)
        if (!make_table(wait, table))
            return false;
    for (size_t i = 0; i < aion_countof(own_tables); i++)
        if (!pg_exec(wait, own_tables[i]))
            return false;
    return pg_exec(wait, "CREATE TABLE schema_meta (name text COLLATE \"C\" PRIMARY KEY, value "
                         "bigint NOT NULL)") &&
           pg_execf(wait,
                    "INSERT INTO schema_meta VALUES ('schema_version', %d), ('shards', %d), "
                    "('window_us', %lld)",
                    (int)SCHEMA_VERSION, (int)STORE_SHARDS, (long long)window_us);
}

/* -- opening ------------------------------------------------------------------------ */
bool pg_schema_lock(struct pg_wait *wait)
{
    return pg_exec(wait, "SELECT pg_advisory_xact_lock(hashtextextended('aion ' || "
                         "current_schema(), 0))");
}

void pg_schema_roll_back(struct pg_wait *wait)
{
    struct pg_failure failure = wait->conn.failure;
    if (wait->conn.state != PG_READY)
        return;
    pg_clear(&wait->conn);
    pg_exec(wait, "ROLLBACK");
    wait->conn.failure = failure;
}

static bool count_tables(struct pg_wait *wait, const char *condition, int64_t *ret_count)
{
    char text[256];
    snprintf(text, sizeof(text),
             "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
             "WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema() %s",
             condition);
    return pg_ask(wait, text, ret_count);
}

static bool make_schema(struct pg_wait *wait, const char *name)
{
    char text[160];
    int64_t there;
    snprintf(text, sizeof(text), "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'",
             name);
    return pg_ask(wait, text, &there) &&
           (there > 0 || pg_execf(wait, "CREATE SCHEMA %s", name));
}

static bool fail(enum aion_code code, struct aion_err *err, const char *format, ...)
    AION_PRINTF(3, 4);
static bool fail(enum aion_code code, struct aion_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    aion_err_setv(err, "pg_schema_open", code, format, args);
    va_end(args);
    return false;
}

static bool check_version(struct pg_wait *wait, struct pg_schema *schema, struct aion_err *err)
{
    int64_t version;
    if (!pg_ask(wait, "SELECT value FROM schema_meta WHERE name = 'schema_version'", &version))
        return false;
    if (version > SCHEMA_VERSION)
        return fail(AION_PRECONDITION, err,
                    "%s was written by a newer AION (schema %lld, this one knows %d): run that "
                    "version again",
                    schema->place, (long long)version, (int)SCHEMA_VERSION);
    return true;
}

/* In the transaction of the caller, under the lock. */
static bool upgrade(struct pg_wait *wait, struct pg_schema *schema, struct aion_err *err)
{
    int64_t ours, tables;
    if (!count_tables(wait, "AND c.relname = 'schema_meta'", &ours) ||
        !count_tables(wait, "", &tables))
        return false;
    if (ours == 0 && tables > 0)
        return fail(AION_PRECONDITION, err,
                    "%s: its schema %s holds tables that are not AION's: name another by "
                    "aion_schema=NAME in AION_STORE_URL",
                    schema->place, schema->name);
    schema->created = ours == 0;
    if (!(schema->created ? make_all(wait, schema->window_us)
                          : check_version(wait, schema, err)))
        return false;
    schema->version = SCHEMA_VERSION;
    return pg_ask(wait, "SELECT value FROM schema_meta WHERE name = 'window_us'",
                  &schema->window_us);
}

/* The lock is named by the schema, which must be there before. */
static bool begin(struct pg_wait *wait, const char *name)
{
    return pg_exec(wait, "BEGIN") && pg_exec(wait, "SET LOCAL lock_timeout = '10min'") &&
           pg_execf(wait, "SELECT pg_advisory_xact_lock(hashtextextended('aion %s', 0))",
                    name) &&
           make_schema(wait, name);
}

bool pg_schema_open(struct pg_wait *wait, struct pg_schema *schema, struct aion_err *err)
{
    err->code = AION_OK;
    if (begin(wait, schema->name) && upgrade(wait, schema, err) && pg_exec(wait, "COMMIT"))
        return true;
    if (err->code == AION_OK)
        pg_error(&wait->conn.failure, __func__, err);
    pg_schema_roll_back(wait);
    return false;
}
