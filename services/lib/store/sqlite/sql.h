/* Every statement of the driver, by name. Prepared once per connection; those with an @ once
 * per set of tables (the @ becomes _w<window>, _k<key window> or _kept). */
#ifndef STORE_SQLITE_SQL_H
#define STORE_SQLITE_SQL_H

// clang-format off
/* What a task is read as, in the order of get_task (read_task.c); last, which other tables have
 * something of it. */
#define SQL_TASK \
    "SELECT t.seq, t.id, t.own_id, t.tenant, t.intent, t.key_id, t.priority, t.deadline_us," \
    " t.route, t.meta, t.decision, d.at_us, d.route, d.decision," \
    " o.state, o.epoch, o.attempt, o.at_us, o.code, o.reason, o.message, o.cursor, o.started_us, o.host," \
    " EXISTS(SELECT 1 FROM attempt@ x WHERE x.seq = t.seq) + 2 * EXISTS(SELECT 1 FROM mark@ x WHERE x.seq = t.seq)" \
    " + 4 * EXISTS(SELECT 1 FROM chunk@ x WHERE x.seq = t.seq) + 8 * EXISTS(SELECT 1 FROM ack@ x WHERE x.seq = t.seq)"
#define SQL_FACTS \
    " LEFT JOIN outcome@ o ON o.seq = t.seq LEFT JOIN decision@ d ON d.seq = t.seq"
#define SQL_ATTEMPT \
    "SELECT a.attempt, a.epoch, a.at_us, a.host, a.module, a.module_digest," \
    " e.at_us, e.due_us, e.doubt, e.code, e.reason, e.message" \
    " FROM attempt@ a LEFT JOIN attempt_end@ e ON e.seq = a.seq AND e.attempt = a.attempt WHERE a.seq = ?"

#define SQLITE_STATEMENTS(X) \
    X(BEGIN, "BEGIN IMMEDIATE") \
    X(BEGIN_READ, "BEGIN") \
    X(COMMIT, "COMMIT") \
    X(ROLLBACK, "ROLLBACK") \
    X(SAVEPOINT, "SAVEPOINT op") \
    X(RELEASE, "RELEASE op") \
    X(ROLLBACK_TO, "ROLLBACK TO op") \
    X(META_READ, "SELECT value FROM schema_meta WHERE name = ?") \
    X(META_PUT, "INSERT OR REPLACE INTO schema_meta(name, value) VALUES(?, ?)") \
    X(EPOCH_RAISE, "UPDATE shard SET epoch = max(epoch, ?)") \
    X(EPOCH_READ, "SELECT max(epoch) FROM shard") \
    /* windows */ \
    X(WINDOW_LIST, "SELECT kind, number, moved FROM window ORDER BY number") \
    X(WINDOW_PUT, "INSERT OR REPLACE INTO window(kind, number, moved) VALUES(?, ?, ?)") \
    X(WINDOW_DROP, "DELETE FROM window WHERE kind = ? AND number = ?") \
    X(NEWEST_TASK, "SELECT max(seq) FROM task@") \
    X(NEWEST_EVENT, "SELECT max(place) FROM outbox") \
    X(UNFINISHED_ADD, "INSERT OR IGNORE INTO unfinished(seq) VALUES(?)") \
    X(UNFINISHED_END, "DELETE FROM unfinished WHERE seq = ?") \
    X(UNFINISHED_AFTER, "SELECT t.seq FROM task@ t WHERE t.seq > ? AND NOT EXISTS(SELECT 1 FROM outcome@ o WHERE o.seq = t.seq)") \
    /* admission */ \
    X(KEY_ADD, "INSERT INTO idempotency@(tenant, key, digest, seq, id, at_us) VALUES(?, ?, ?, ?, ?, ?)") \
    X(KEY_READ, "SELECT id, seq, digest FROM idempotency@ WHERE tenant = ? AND key = ?") \
    X(OWN_ADD, "INSERT INTO own_id(id, seq, digest) VALUES(?, ?, ?)") \
    X(OWN_READ, "SELECT seq, digest FROM own_id WHERE id = ?") \
    X(TASK_OWNER, "SELECT tenant, id FROM task@ WHERE seq = ?") \
    X(TASK_ADD, "INSERT OR IGNORE INTO task@(seq, id, own_id, tenant, intent, key_id, priority, deadline_us, body_bytes," \
                " route, meta, decision, body) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(DECISION_ADD, "INSERT OR IGNORE INTO decision@(seq, at_us, route, decision)" \
                    " SELECT seq, ?2, ?3, ?4 FROM task@ WHERE seq = ?1 AND decision IS NULL") \
    X(DECISION_AT, "SELECT at_us FROM decision@ WHERE seq = ?") \
    /* attempts and ends */ \
    X(TASK_STANDS, "SELECT (SELECT 1 FROM task@ WHERE seq = ?1), (SELECT 1 FROM outcome@ WHERE seq = ?1)") \
    X(ATTEMPT_LAST, "SELECT attempt, epoch, at_us FROM attempt@ WHERE seq = ? ORDER BY attempt DESC LIMIT 1") \
    X(ATTEMPT_ADD, "INSERT INTO attempt@(seq, attempt, epoch, at_us, host, module, module_digest) VALUES(?, ?, ?, ?, ?, ?, ?)") \
    X(END_AT, "SELECT at_us FROM attempt_end@ WHERE seq = ? AND attempt = ?") \
    X(END_ADD, "INSERT INTO attempt_end@(seq, attempt, at_us, due_us, doubt, code, reason, message)" \
               " VALUES(?, ?, ?, ?, ?, ?, ?, ?)") \
    X(OUTCOME_ADD, "INSERT OR IGNORE INTO outcome@(seq, state, at_us, epoch, attempt, started_us, host, module, module_digest," \
                   " code, reason, message, queue_us, run_us, tokens_in, tokens_out, cost_nano_usd, cursor, stream_digest," \
                   " result) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(OUTCOME_BY, "SELECT state, at_us, epoch, attempt FROM outcome@ WHERE seq = ?") \
    X(MARK_AT, "SELECT kind, at_us FROM mark@ WHERE seq = ? AND number = ?") \
    X(MARK_LAST, "SELECT max(number) FROM mark@ WHERE seq = ?") \
    X(MARK_ADD, "INSERT INTO mark@(seq, number, kind, attempt, at_us, other, note) VALUES(?, ?, ?, ?, ?, ?, ?)") \
    /* output */ \
    X(CHUNK_ADD, "INSERT INTO chunk@(seq, cursor, attempt, sequence, kind, discard_from, content_type, payload)" \
                 " VALUES(?, ?, ?, ?, ?, ?, ?, ?)") \
    X(CHUNK_AT, "SELECT attempt, sequence FROM chunk@ WHERE seq = ? AND cursor = ?") \
    X(CHUNK_LAST, "SELECT (SELECT max(cursor) FROM chunk@ WHERE seq = ?1), (SELECT max(cursor) FROM ack@ WHERE seq = ?1)") \
    X(CHUNK_SEQUENCE, "SELECT max(sequence) FROM chunk@ WHERE seq = ? AND attempt = ?") \
    X(CHUNK_READ, "SELECT cursor, attempt, sequence, kind, discard_from, content_type, payload FROM chunk@" \
                  " WHERE seq = ? AND cursor > ? ORDER BY cursor LIMIT ?") \
    X(ACK_ADD, "INSERT INTO ack@(seq, cursor, at_us) VALUES(?, ?, ?)") \
    /* tasks, read */ \
    X(TASK_READ, SQL_TASK " FROM task@ t" SQL_FACTS " WHERE t.seq = ?") \
    X(TASK_LIST, SQL_TASK " FROM task@ t" SQL_FACTS " WHERE t.seq < ? AND t.seq > ? ORDER BY t.seq DESC LIMIT ?") \
    X(TASK_LIST_TENANT, SQL_TASK " FROM task@ t" SQL_FACTS " WHERE t.seq < ? AND t.seq > ? AND t.tenant = ?4" \
                        " ORDER BY t.seq DESC LIMIT ?3") \
    X(TASK_LIST_ENDED, SQL_TASK " FROM outcome@ o JOIN task@ t ON t.seq = o.seq LEFT JOIN decision@ d ON d.seq = o.seq" \
                       " WHERE o.seq < ? AND o.seq > ? AND o.state = ?4 AND o.state <> 7 ORDER BY o.seq DESC LIMIT ?3") \
    X(TASK_LIST_OPEN, SQL_TASK " FROM unfinished u CROSS JOIN task@ t ON t.seq = u.seq" SQL_FACTS \
                      " WHERE u.seq < ? AND u.seq > ? ORDER BY u.seq DESC LIMIT ?") \
    X(TASK_LOAD, SQL_TASK " FROM unfinished u CROSS JOIN task@ t ON t.seq = u.seq" SQL_FACTS \
                 " WHERE u.seq > ? AND u.seq <= ? AND o.seq IS NULL ORDER BY u.seq LIMIT ?") \
    X(TASK_LOAD_NEW, SQL_TASK " FROM task@ t" SQL_FACTS \
                     " WHERE t.seq > ? AND t.seq <= ? AND o.seq IS NULL ORDER BY t.seq LIMIT ?") \
    X(TASK_BODY, "SELECT body FROM task@ WHERE seq = ?") \
    X(TASK_RESULT, "SELECT queue_us, run_us, tokens_in, tokens_out, cost_nano_usd, module, module_digest, stream_digest, result" \
                   " FROM outcome@ WHERE seq = ?") \
    X(ATTEMPT_READ_LAST, SQL_ATTEMPT " ORDER BY a.attempt DESC LIMIT 1") \
    X(ATTEMPT_READ, SQL_ATTEMPT " ORDER BY a.attempt LIMIT ?") \
    X(ATTEMPT_COUNT, "SELECT count(*) FROM attempt@ WHERE seq = ?") \
    X(MARK_READ, "SELECT number, kind, attempt, at_us, other, note FROM mark@ WHERE seq = ? ORDER BY number LIMIT ?") \
    X(MARK_COUNT, "SELECT count(*) FROM mark@ WHERE seq = ?") \
    /* outbox */ \
    X(EVENT_ADD, "INSERT INTO outbox(place, seq, id, tenant, intent, kinds, state, attempt, at_us, started_us, host, note," \
                 " payload) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(EVENT_READ, "SELECT place, seq, id, tenant, intent, kinds, state, attempt, at_us, started_us, host, note, payload" \
                  " FROM outbox WHERE place > ?1 AND (?2 >> (place & 63)) & 1 ORDER BY place") \
    X(CURSOR_PUT, "INSERT INTO event_cursor(name, shard, sequence) VALUES(?, ?, ?) ON CONFLICT(name, shard) DO UPDATE" \
                  " SET sequence = max(sequence, excluded.sequence)") \
    X(CURSOR_DROP, "DELETE FROM event_cursor WHERE name = ?") \
    X(CURSOR_READ, "SELECT shard, sequence FROM event_cursor WHERE name = ?") \
    X(CURSOR_LEAST, "SELECT shard, min(sequence) FROM event_cursor GROUP BY shard") \
    X(EVENT_LOOK, "SELECT place, at_us FROM outbox WHERE place > ? ORDER BY place") \
    X(EVENT_DROP, "DELETE FROM outbox WHERE place >= ? AND place <= ?") \
    /* money */ \
    X(ENTRY_ADD, "INSERT INTO ledger@(seq, cause, number, account, at_us, nano_usd) VALUES(?, ?, ?, ?, ?, ?)") \
    X(ENTRY_SUMS, "SELECT account, sum(nano_usd) FROM ledger@ WHERE seq > ? AND seq <= ? GROUP BY account") \
    X(ENTRY_REACH, "SELECT max(seq), count(*) FROM (SELECT seq FROM ledger@ WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?)") \
    X(BALANCE_ADD, "INSERT INTO balance(account, nano_usd) VALUES(?, ?) ON CONFLICT(account) DO UPDATE" \
                   " SET nano_usd = nano_usd + excluded.nano_usd") \
    X(BALANCE_READ, "SELECT nano_usd FROM balance WHERE account = ?") \
    X(BALANCE_LIST, "SELECT account, nano_usd FROM balance WHERE account >= ?1 AND account > ?2 ORDER BY account") \
    X(BUDGET_PUT, "INSERT OR REPLACE INTO budget(id, tenant, key_id, intent, period, limit_nano_usd, at_us, changed_by, removed)" \
                  " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(BUDGET_COUNT, "SELECT count(*) FROM budget") \
    X(BUDGET_LIST, "SELECT id, tenant, key_id, intent, period, limit_nano_usd, at_us, changed_by, removed FROM budget ORDER BY id") \
    /* audit */ \
    X(AUDIT_ADD, "INSERT INTO audit(writer, number, at_us, actor, role, action, target, result, reason, body, prev, hash)" \
                 " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(AUDIT_LAST, "SELECT number, hash FROM audit WHERE writer = ? ORDER BY number DESC LIMIT 1") \
    X(AUDIT_HEADS, "SELECT a.writer, a.number, a.hash, a.at_us FROM audit a" \
                   " WHERE a.number = (SELECT max(b.number) FROM audit b WHERE b.writer = a.writer) ORDER BY a.writer") \
    X(AUDIT_LIST, SQL_AUDIT " WHERE (?1 = 0 OR (at_us, writer, number) < (?2, ?3, ?1)) AND at_us >= ?4 AND at_us < ?5" \
                  " ORDER BY at_us DESC, writer DESC, number DESC") \
    X(AUDIT_OF, SQL_AUDIT " WHERE writer = ?3 AND number < ?1 AND at_us >= ?4 AND at_us < ?5 ORDER BY number DESC") \
    X(AUDIT_CHAIN, SQL_AUDIT " WHERE writer = ?3 AND number > ?1 AND at_us >= ?4 AND at_us < ?5 ORDER BY number") \
    /* policy, plan, holds, arrivals */ \
    X(POLICY_ADD, "INSERT INTO policy(ordinal, digest, at_us, changed_by, cause, rules, routes, files) VALUES(?, ?, ?, ?, ?, ?, ?, ?)") \
    X(POLICY_LIST, "SELECT ordinal, digest, at_us, changed_by, cause, rules, routes FROM policy ORDER BY ordinal DESC LIMIT ?") \
    X(POLICY_READ, "SELECT ordinal, digest, at_us, changed_by, cause, rules, routes, files FROM policy WHERE ordinal = ?") \
    X(POLICY_LAST, "SELECT max(ordinal) FROM policy") \
    X(PLAN_ADD, "INSERT INTO plan(revision, at_us, changed_by, keep_succeeded_us, keep_failed_us, keep_keys_us, sweep_us)" \
                " VALUES(?, ?, ?, ?, ?, ?, ?)") \
    X(PLAN_READ, "SELECT revision, at_us, changed_by, keep_succeeded_us, keep_failed_us, keep_keys_us, sweep_us FROM plan" \
                 " ORDER BY revision DESC LIMIT 1") \
    X(HOLD_PUT, "INSERT OR REPLACE INTO hold(id, kind, tenant, intent, route, from_us, until_us, at_us, changed_by, reason)" \
                " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(HOLD_DROP, "DELETE FROM hold WHERE id = ?") \
    X(HOLD_COUNT, "SELECT count(*) FROM hold") \
    X(HOLD_LIST, "SELECT id, kind, tenant, intent, route, from_us, until_us, at_us, changed_by, reason FROM hold ORDER BY id") \
    X(ARRIVAL_ADD, "INSERT OR IGNORE INTO arrival@(seq, tenant, key_id, intent, priority, body_bytes, lane, reason, limit_id)" \
                   " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(ARRIVAL_READ, "SELECT seq, tenant, key_id, intent, priority, body_bytes, 'durable' lane, '' reason, '' limit_id FROM task@" \
                    " WHERE seq > ?1 AND seq < ?2 UNION ALL" \
                    " SELECT seq, tenant, key_id, intent, priority, body_bytes, lane, reason, limit_id FROM arrival@" \
                    " WHERE seq > ?1 AND seq < ?2 ORDER BY 1 LIMIT ?3") \
    /* retention: temp.stay holds what of a piece must stay */ \
    X(PIECE_END, "SELECT seq FROM task@ WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?") \
    X(PIECE_COUNT, "SELECT count(*) FROM task@ WHERE seq > ? AND seq <= ?") \
    X(STAY_CLEAR, "DELETE FROM temp.stay") \
    X(STAY_ADD, "INSERT INTO temp.stay(seq) " SQL_STAY) \
    X(STAY_COUNT, "SELECT count(*) FROM temp.stay") \
    X(DUE_COUNT, "SELECT count(*) FROM task@ WHERE seq > ?1 AND seq <= ?2 AND seq NOT IN (" SQL_STAY ")") \
    X(DUE_CHUNKS, "SELECT count(*) FROM chunk@ WHERE seq > ?1 AND seq <= ?2 AND seq NOT IN (" SQL_STAY ")") \
    X(LEAVING_CHUNKS, "SELECT count(*) FROM chunk@ WHERE seq > ? AND seq <= ? AND seq NOT IN (SELECT seq FROM temp.stay)") \
    X(LEAVING_OWN, "DELETE FROM own_id WHERE id IN (SELECT id FROM task@ WHERE seq > ? AND seq <= ? AND own_id" \
                   " AND seq NOT IN (SELECT seq FROM temp.stay))") \
    X(MOVE_TASK, "INSERT INTO task_kept SELECT * FROM task@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(MOVE_DECISION, "INSERT INTO decision_kept SELECT * FROM decision@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(MOVE_ATTEMPT, "INSERT INTO attempt_kept SELECT * FROM attempt@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(MOVE_END, "INSERT INTO attempt_end_kept SELECT * FROM attempt_end@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(MOVE_MARK, "INSERT INTO mark_kept SELECT * FROM mark@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(MOVE_CHUNK, "INSERT INTO chunk_kept SELECT * FROM chunk@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(MOVE_ACK, "INSERT INTO ack_kept SELECT * FROM ack@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(MOVE_OUTCOME, "INSERT INTO outcome_kept SELECT * FROM outcome@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(MOVE_LEDGER, "INSERT INTO ledger_kept SELECT * FROM ledger@ WHERE seq IN (SELECT seq FROM temp.stay)") \
    X(DROP_TASK, "DELETE FROM task@ WHERE seq > ? AND seq <= ?") \
    X(DROP_DECISION, "DELETE FROM decision@ WHERE seq > ? AND seq <= ?") \
    X(DROP_ATTEMPT, "DELETE FROM attempt@ WHERE seq > ? AND seq <= ?") \
    X(DROP_END, "DELETE FROM attempt_end@ WHERE seq > ? AND seq <= ?") \
    X(DROP_MARK, "DELETE FROM mark@ WHERE seq > ? AND seq <= ?") \
    X(DROP_CHUNK, "DELETE FROM chunk@ WHERE seq > ? AND seq <= ?") \
    X(DROP_ACK, "DELETE FROM ack@ WHERE seq > ? AND seq <= ?") \
    X(DROP_OUTCOME, "DELETE FROM outcome@ WHERE seq > ? AND seq <= ?") \
    X(DROP_LEDGER, "DELETE FROM ledger@ WHERE seq > ? AND seq <= ?") \
    X(DROP_ARRIVAL, "DELETE FROM arrival@ WHERE seq > ? AND seq <= ?") \
    X(KEPT_DUE, "SELECT o.seq FROM outcome@ o JOIN task@ t ON t.seq = o.seq WHERE o.at_us < max(?3, ?4)" \
                " AND " SQL_DUE " AND NOT " SQL_HELD " LIMIT ?5") \
    X(KEPT_CHUNKS, "SELECT count(*) FROM chunk@ WHERE seq = ?") \
    X(KEYS_COUNT, "SELECT count(*) FROM idempotency@") \
    X(KEYS_DROP, "DELETE FROM idempotency@ WHERE (tenant, key) IN (SELECT tenant, key FROM idempotency@ LIMIT ?)")

/* Of an outcome o: ended before the cutoff of its kind (?3 succeeded, ?4 others), and its window
 * over by then (?6: the length of a window). */
#define SQL_DUE \
    "o.at_us < iif(o.state = 7, ?3, ?4) AND ((o.seq >> 6) / ?6 + 1) * ?6 <= iif(o.state = 7, ?3, ?4)"
/* A retention hold covers the task t. */
#define SQL_HELD \
    "EXISTS(SELECT 1 FROM hold h WHERE h.kind = 2 AND h.tenant IN ('', t.tenant) AND h.intent IN ('', t.intent)" \
    " AND h.route IN ('', coalesce((SELECT route FROM decision@ WHERE seq = t.seq), t.route))" \
    " AND (h.from_us = 0 OR (t.seq >> 6) >= h.from_us)" \
    " AND (h.until_us = 0 OR (t.seq >> 6) < h.until_us))"
#define SQL_STAY \
    "SELECT t.seq FROM task@ t LEFT JOIN outcome@ o ON o.seq = t.seq WHERE t.seq > ?1 AND t.seq <= ?2" \
    " AND (o.seq IS NULL OR NOT (" SQL_DUE ") OR " SQL_HELD ")"
#define SQL_AUDIT \
    "SELECT writer, number, at_us, actor, role, action, target, result, reason, body, prev, hash FROM audit"
// clang-format on

enum sql_id {
#define SQL_ID(name, text) SQL_##name,
    SQLITE_STATEMENTS(SQL_ID)
#undef SQL_ID
        SQL_COUNT
};

#endif
