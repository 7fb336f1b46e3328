/* Every statement of the driver, by name. Prepared once per connection. */
#ifndef STORE_SQLITE_SQL_H
#define STORE_SQLITE_SQL_H

// clang-format off
/* What a task is read as, in the order of read_row (read.c). */
#define SQL_TASK_COLUMNS \
    "t.seq, t.id, t.tenant, t.intent, t.priority, t.created_us, t.deadline_us, t.meta," \
    " l.state, l.epoch, l.attempt, l.at_us, l.due_us, e.code, e.reason, e.message," \
    " o.state, o.epoch, o.attempt, o.at_us, o.code, o.reason, o.message, o.cursor," \
    " s.acked, s.attempt, s.sequence, d.decision"
#define SQL_TASK_JOINS \
    " LEFT JOIN outcome o ON o.task = t.seq LEFT JOIN stream s ON s.task = t.seq" \
    " LEFT JOIN decision d ON d.task = t.seq" \
    " LEFT JOIN attempt_end e ON e.task = l.task AND e.attempt = l.attempt"

#define SQLITE_STATEMENTS(X) \
    X(BEGIN, "BEGIN IMMEDIATE") \
    X(COMMIT, "COMMIT") \
    X(ROLLBACK, "ROLLBACK") \
    X(SAVEPOINT, "SAVEPOINT op") \
    X(RELEASE, "RELEASE op") \
    X(ROLLBACK_TO, "ROLLBACK TO op") \
    /* tasks, written */ \
    X(KEY_ADD, "INSERT INTO idempotency(tenant, key, digest, task, id, at_us) VALUES(?, ?, ?, ?, ?, ?)") \
    X(KEY_READ, "SELECT id, digest FROM idempotency WHERE tenant = ? AND key = ?") \
    X(ID_FIND, "SELECT tenant, digest FROM task WHERE id = ?") \
    X(TASK_ADD, "INSERT INTO task(seq, id, tenant, intent, priority, created_us, deadline_us, digest, meta, body)" \
                " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(LIVE_ADD, "INSERT INTO live(task, state, epoch, attempt, at_us, due_us) VALUES(?, ?, 0, 0, ?, 0)") \
    X(LIVE_FIND, "SELECT l.task, l.state, l.epoch, l.attempt FROM task t JOIN live l ON l.task = t.seq WHERE t.id = ?") \
    X(LIVE_SET, "UPDATE live SET state = ?2, epoch = ?3, attempt = ?4, at_us = ?5, due_us = ?6 WHERE task = ?1") \
    X(LIVE_END, "DELETE FROM live WHERE task = ?") \
    X(DECISION_ADD, "INSERT INTO decision(task, at_us, decision) VALUES(?, ?, ?)") \
    X(EVENT_ADD, "INSERT INTO event(task, kinds, attempt, at_us, note) VALUES(?, ?, ?, ?, ?)") \
    X(ATTEMPT_ADD, "INSERT INTO attempt(task, attempt, epoch, at_us, host, module, digest) VALUES(?, ?, ?, ?, ?, ?, ?)") \
    X(ATTEMPT_END, "INSERT INTO attempt_end(task, attempt, at_us, code, reason, message) VALUES(?, ?, ?, ?, ?, ?)") \
    X(OUTCOME_ADD, "INSERT INTO outcome(task, state, failed, at_us, epoch, attempt, code, reason, message, queue_us," \
                   " run_us, tokens_in, tokens_out, cost, cursor, digest, result)" \
                   " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)") \
    X(CHUNK_ADD, "INSERT INTO chunk(task, cursor, attempt, sequence, kind, discard_from, content_type, payload)" \
                 " VALUES(?, ?, ?, ?, ?, ?, ?, ?)") \
    X(CHUNK_LAST, "SELECT max(coalesce((SELECT max(cursor) FROM chunk WHERE task = ?1), 0)," \
                  " coalesce((SELECT acked FROM stream WHERE task = ?1), 0))") \
    X(CHUNK_AT, "SELECT attempt, sequence FROM chunk WHERE task = ? AND cursor <= ? ORDER BY cursor DESC LIMIT 1") \
    X(CHUNK_DROP, "DELETE FROM chunk WHERE task = ? AND cursor <= ?") \
    X(SEQ_FIND, "SELECT seq FROM task WHERE id = ?") \
    X(ACK_FIND, "SELECT acked FROM stream WHERE task = ?") \
    X(ACK_PUT, "INSERT OR REPLACE INTO stream(task, acked, attempt, sequence) VALUES(?, ?, ?, ?)") \
    /* tasks, read */ \
    X(TASK_READ, "SELECT " SQL_TASK_COLUMNS " FROM task t LEFT JOIN live l ON l.task = t.seq" SQL_TASK_JOINS \
                 " WHERE t.id = ?") \
    X(TASK_OUTCOME, "SELECT queue_us, run_us, tokens_in, tokens_out, cost, digest, result FROM outcome WHERE task = ?") \
    X(TASK_BODY, "SELECT body FROM task WHERE seq = ?") \
    X(TASK_LIST, "SELECT " SQL_TASK_COLUMNS " FROM task t LEFT JOIN live l ON l.task = t.seq" SQL_TASK_JOINS \
                 " WHERE t.tenant = ? AND t.seq < ? ORDER BY t.seq DESC LIMIT ?") \
    X(TASK_LOAD, "SELECT " SQL_TASK_COLUMNS " FROM live l JOIN task t ON t.seq = l.task" SQL_TASK_JOINS \
                 " WHERE l.task > ? ORDER BY l.task LIMIT ?") \
    X(ATTEMPT_COUNT, "SELECT count(*) FROM attempt WHERE task = ?") \
    X(ATTEMPT_READ, "SELECT a.attempt, a.epoch, a.at_us, a.host, a.module, a.digest, e.at_us, e.code, e.reason, e.message" \
                    " FROM attempt a LEFT JOIN attempt_end e ON e.task = a.task AND e.attempt = a.attempt" \
                    " WHERE a.task = ? ORDER BY a.attempt LIMIT ?") \
    X(ATTEMPT_HOST, "SELECT host FROM attempt WHERE task = ? AND attempt = ?") \
    X(ATTEMPT_CHUNK, "SELECT max(sequence) FROM chunk WHERE task = ? AND attempt = ?") \
    X(EVENT_COUNT, "SELECT count(*) FROM event WHERE task = ?") \
    X(EVENT_READ, "SELECT kinds, attempt, at_us, note FROM event WHERE task = ? ORDER BY seq LIMIT ?") \
    X(CHUNK_READ, "SELECT c.cursor, c.attempt, c.sequence, c.kind, c.discard_from, c.content_type, c.payload" \
                  " FROM chunk c WHERE c.task = (SELECT seq FROM task WHERE id = ?) AND c.cursor > ?" \
                  " ORDER BY c.cursor LIMIT ?") \
    /* policy and plan */ \
    X(POLICY_ADD, "INSERT INTO policy(ordinal, digest, at_us, by, cause, rules, routes, files) VALUES(?, ?, ?, ?, ?, ?, ?, ?)") \
    X(POLICY_LIST, "SELECT ordinal, digest, at_us, by, cause, rules, routes FROM policy ORDER BY ordinal DESC LIMIT ?") \
    X(POLICY_READ, "SELECT ordinal, digest, at_us, by, cause, rules, routes, files FROM policy WHERE ordinal = ?") \
    X(POLICY_LAST, "SELECT max(ordinal) FROM policy") \
    X(PLAN_ADD, "INSERT INTO plan(revision, at_us, by, keep_succeeded_us, keep_failed_us, keep_keys_us, sweep_us)" \
                " VALUES(?, ?, ?, ?, ?, ?, ?)") \
    X(PLAN_READ, "SELECT revision, at_us, by, keep_succeeded_us, keep_failed_us, keep_keys_us, sweep_us FROM plan" \
                 " ORDER BY revision DESC LIMIT 1") \
    /* retention */ \
    X(DUE_TASKS, "SELECT task FROM outcome WHERE failed = ? AND at_us < ? ORDER BY at_us LIMIT ?") \
    X(DUE_COUNT, "SELECT count(*) FROM outcome WHERE failed = ? AND at_us < ?") \
    X(DUE_CHUNKS, "SELECT count(*) FROM outcome o JOIN chunk c ON c.task = o.task WHERE o.failed = ? AND o.at_us < ?") \
    X(DUE_KEYS, "SELECT count(*) FROM idempotency WHERE at_us < ?") \
    X(DROP_KEYS, "DELETE FROM idempotency WHERE (tenant, key) IN (SELECT tenant, key FROM idempotency WHERE at_us < ?" \
                 " ORDER BY at_us LIMIT ?)") \
    X(DROP_CHUNKS, "DELETE FROM chunk WHERE task = ?") \
    X(DROP_EVENTS, "DELETE FROM event WHERE task = ?") \
    X(DROP_ATTEMPTS, "DELETE FROM attempt WHERE task = ?") \
    X(DROP_ENDS, "DELETE FROM attempt_end WHERE task = ?") \
    X(DROP_STREAM, "DELETE FROM stream WHERE task = ?") \
    X(DROP_DECISION, "DELETE FROM decision WHERE task = ?") \
    X(DROP_OUTCOME, "DELETE FROM outcome WHERE task = ?") \
    X(DROP_TASK, "DELETE FROM task WHERE seq = ?")
// clang-format on

enum sql_id {
#define SQL_ID(name, text) SQL_##name,
    SQLITE_STATEMENTS(SQL_ID)
#undef SQL_ID
        SQL_COUNT
};

#endif
