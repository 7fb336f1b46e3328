/* From schema 1, in which a task's place was its admission in µs alone and a `live` row told
 * its state.
 *
 * A place gets its shard, as the id has it; as ids of that time do not hold their places, every
 * task's id goes to own_id. States become facts: what `live` says of a waiting task is in the
 * end of its last attempt. What acknowledgements had deleted leaves one empty chunk, so that
 * the numbering goes on. Of the history only what facts do not tell, the resumptions, is kept.
 */
#include "store/sqlite/sqlite_private.h"

#include <stdio.h>

/* The shard in an id's low bits. */
static void shard_of(sqlite3_context *context, int count, sqlite3_value **values)
{
    const unsigned char *id = sqlite3_value_blob(values[0]);
    int size = sqlite3_value_bytes(values[0]);
    (void)count;
    sqlite3_result_int(context, size == 16 ? id[15] & (STORE_SHARDS - 1) : 0);
}

static const char prepare_text[] =
    "ALTER TABLE policy RENAME TO policy_1; ALTER TABLE plan RENAME TO plan_1;"
    /* old place → new one */
    "CREATE TEMP TABLE place(old INTEGER PRIMARY KEY, seq INTEGER NOT NULL);"
    "INSERT INTO place SELECT seq, seq << 6 | shard_of(id) FROM task;";

/* Of one window: places in [?, ?). */
static const char *const window_texts[] = {
    "INSERT INTO task_w%1$lld SELECT p.seq, t.id, 1, t.tenant, t.intent, '', t.priority, "
    "t.deadline_us,"
    " coalesce(length(t.body), 0), '', t.meta, iif(d.at_us = t.created_us, d.decision, NULL), "
    "t.body"
    " FROM place p JOIN task t ON t.seq = p.old LEFT JOIN decision d ON d.task = p.old"
    " WHERE p.old >= %2$lld AND p.old < %3$lld",
    "INSERT INTO decision_w%1$lld SELECT p.seq, d.at_us, '', d.decision FROM place p JOIN task "
    "t ON t.seq = p.old"
    " JOIN decision d ON d.task = p.old WHERE p.old >= %2$lld AND p.old < %3$lld AND d.at_us "
    "<> t.created_us",
    "INSERT INTO attempt_w%1$lld SELECT p.seq, a.attempt, a.epoch, a.at_us, a.host, a.module, "
    "a.digest"
    " FROM place p JOIN attempt a ON a.task = p.old WHERE p.old >= %2$lld AND p.old < %3$lld",
    "INSERT INTO attempt_end_w%1$lld SELECT p.seq, e.attempt, e.at_us,"
    " iif(l.attempt = e.attempt, l.due_us, e.at_us), 0, e.code, e.reason, e.message"
    " FROM place p JOIN attempt_end e ON e.task = p.old LEFT JOIN live l ON l.task = p.old"
    " WHERE p.old >= %2$lld AND p.old < %3$lld",
    "INSERT INTO mark_w%1$lld SELECT p.seq, row_number() OVER (PARTITION BY v.task ORDER BY "
    "v.seq), 3, v.attempt,"
    " v.at_us, NULL, v.note FROM place p JOIN event v ON v.task = p.old"
    " WHERE p.old >= %2$lld AND p.old < %3$lld AND v.kinds & 32",
    "INSERT INTO chunk_w%1$lld SELECT p.seq, c.cursor, c.attempt, c.sequence, c.kind, "
    "c.discard_from, c.content_type,"
    " c.payload FROM place p JOIN chunk c ON c.task = p.old WHERE p.old >= %2$lld AND p.old < "
    "%3$lld",
    "INSERT OR IGNORE INTO chunk_w%1$lld SELECT p.seq, s.acked, s.attempt, s.sequence, 0, 0, "
    "'', NULL"
    " FROM place p JOIN stream s ON s.task = p.old WHERE p.old >= %2$lld AND p.old < %3$lld",
    "INSERT INTO ack_w%1$lld SELECT p.seq, s.acked, t.created_us FROM place p JOIN stream s ON "
    "s.task = p.old"
    " JOIN task t ON t.seq = p.old WHERE p.old >= %2$lld AND p.old < %3$lld",
    "INSERT INTO outcome_w%1$lld SELECT p.seq, o.state, o.at_us, o.epoch, o.attempt, 0, '', "
    "'', '', o.code, o.reason,"
    " o.message, o.queue_us, o.run_us, o.tokens_in, o.tokens_out, o.cost, o.cursor, o.digest, "
    "o.result"
    " FROM place p JOIN outcome o ON o.task = p.old WHERE p.old >= %2$lld AND p.old < %3$lld",
};

static const char rest_text[] =
    "INSERT INTO own_id SELECT t.id, p.seq, t.digest FROM place p JOIN task t ON t.seq = p.old;"
    "INSERT INTO unfinished SELECT p.seq FROM place p JOIN live l ON l.task = p.old;"
    "INSERT INTO schema_meta SELECT 'unfinished_to', coalesce(max(seq), 0) FROM place;"
    "INSERT INTO policy SELECT * FROM policy_1; INSERT INTO plan SELECT * FROM plan_1;"
    "UPDATE shard SET epoch = (SELECT value FROM schema_meta WHERE name = 'epoch');"
    "DELETE FROM schema_meta WHERE name = 'epoch';";

static const char drop_text[] =
    "DROP TABLE temp.place; DROP TABLE policy_1; DROP TABLE plan_1; DROP TABLE task;"
    "DROP TABLE idempotency; DROP TABLE decision; DROP TABLE live; DROP TABLE attempt;"
    "DROP TABLE attempt_end; DROP TABLE outcome; DROP TABLE chunk; DROP TABLE stream;"
    "DROP TABLE event;";

static bool move_window(struct sqlite_conn *conn, int64_t number)
{
    char text[1024];
    int64_t set;
    if (!sqlite_set_make(conn, store_seq(number * conn->window_us, 0), &set))
        return false;
    for (size_t i = 0; i < aion_countof(window_texts); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), window_texts[i], (long long)number,
                 (long long)(number * conn->window_us),
                 (long long)((number + 1) * conn->window_us));
#pragma GCC diagnostic pop
        if (!sqlite_conn_exec(conn, text))
            return false;
    }
    return true;
}

static bool move_keys(struct sqlite_conn *conn, int64_t number)
{
    const int64_t length_us = conn->window_us * SQLITE_KEY_WINDOWS;
    char text[400];
    int64_t set;
    if (!sqlite_key_set_make(conn, number * length_us, &set))
        return false;
    /* the place of a task that was swept already is made from the old one */
    snprintf(text, sizeof(text),
             "INSERT INTO idempotency_k%lld SELECT tenant, key, digest, task << 6 | "
             "shard_of(id), id, at_us"
             " FROM idempotency WHERE at_us >= %lld AND at_us < %lld",
             (long long)number, (long long)(number * length_us),
             (long long)((number + 1) * length_us));
    return sqlite_conn_exec(conn, text);
}

/* Runs `move` for each number that the query gives. */
static bool for_each(struct sqlite_conn *conn, const char *query,
                     bool (*move)(struct sqlite_conn *, int64_t))
{
    struct sql_use use = sql_use_text(conn, query);
    while (sql_row(&use))
        if (!move(conn, sql_get_i64(&use)))
            break;
    return sql_end(&use);
}

static bool move_all(struct sqlite_conn *conn)
{
    char tasks[128], keys[128];
    snprintf(tasks, sizeof(tasks), "SELECT DISTINCT old / %lld FROM place ORDER BY 1",
             (long long)conn->window_us);
    snprintf(keys, sizeof(keys), "SELECT DISTINCT at_us / %lld FROM idempotency ORDER BY 1",
             (long long)conn->window_us * SQLITE_KEY_WINDOWS);
    return for_each(conn, tasks, move_window) && for_each(conn, keys, move_keys);
}

bool sqlite_migrate_1(struct sqlite_store *self, bool (*create_tables)(struct sqlite_conn *),
                      bool (*create_shards)(struct sqlite_conn *))
{
    struct sqlite_conn *conn = &self->writer;
    int rc =
        sqlite3_create_function(conn->db, "shard_of", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                NULL, shard_of, NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_conn_failed(conn, rc);
    return sqlite_conn_exec(conn, prepare_text) && create_tables(conn) && create_shards(conn) &&
           sqlite_meta_put(conn, "window_us", conn->window_us) && move_all(conn) &&
           sqlite_conn_exec(conn, rest_text) && sqlite_conn_exec(conn, drop_text);
}
