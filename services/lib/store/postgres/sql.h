/* Statements by name, with their parameters' types (args.h). "$w" stands for the ending of a
 * window's tables. */
#ifndef STORE_POSTGRES_SQL_H
#define STORE_POSTGRES_SQL_H

// clang-format off
/* What a task is read as, in the order of get_task (read_task.c): its row, its decision, its last attempt and that one's
 * end, what its marks say, its outcome, and how far its output came. */
#define PG_TASK_COLUMNS \
    "t.seq, t.id, t.own_id, t.tenant, t.intent, t.key_id, t.priority, t.deadline_us, t.meta, t.route, t.decision," \
    " d.at_us, d.route, d.decision, a.attempt, a.epoch, a.at_us, a.host, e.at_us, e.due_us, e.doubt, e.code, e.reason," \
    " e.message, m.number, m.held, m.resolved, m.at_us, m.replayed, o.state, o.at_us, o.epoch, o.attempt, o.started_us," \
    " o.host, o.code, o.reason, o.message, o.cursor," \
    " (SELECT max(k.cursor) FROM ack$w k WHERE k.seq = t.seq)," \
    " (SELECT max(c.cursor) FROM chunk$w c WHERE c.seq = t.seq)"
#define PG_TASK_JOINS \
    " LEFT JOIN decision$w d ON d.seq = t.seq" \
    " LEFT JOIN LATERAL (SELECT * FROM attempt$w a WHERE a.seq = t.seq ORDER BY a.attempt DESC LIMIT 1) a ON true" \
    " LEFT JOIN attempt_end$w e ON e.seq = t.seq AND e.attempt = a.attempt" \
    " LEFT JOIN outcome$w o ON o.seq = t.seq" \
    " LEFT JOIN LATERAL (SELECT max(m.number) AS number," \
    "   (max(m.number) FILTER (WHERE m.kind = 1)) > coalesce(max(m.number) FILTER (WHERE m.kind = 2), 0) AS held," \
    "   bool_or(m.kind = 4 AND m.attempt = a.attempt) AS resolved," \
    "   max(m.at_us) FILTER (WHERE m.kind IN (1, 2, 4)) AS at_us, bool_or(m.kind = 5) AS replayed" \
    "   FROM mark$w m WHERE m.seq = t.seq) m ON true"
/* The newest chunk of the last attempt, for whoever goes on with it. */
#define PG_CHUNK_SEQUENCE \
    "(SELECT max(c.sequence) FROM chunk$w c WHERE c.seq = t.seq AND c.attempt = a.attempt)"

/* The same of a task that has nothing but its row: it is queued, or accepted. */
#define PG_QUEUED_COLUMNS \
    "t.seq, t.id, t.own_id, t.tenant, t.intent, t.key_id, t.priority, t.deadline_us, t.meta, t.route, t.decision," \
    " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL," \
    " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"

#define PG_ARRIVAL_COLUMNS "seq, tenant, key_id, intent, priority, body_bytes, lane, reason, limit_id"
#define PG_AUDIT_COLUMNS "writer, number, at_us, actor, role, action, target, result, reason, body, prev, hash"
/* $2 actor, $3 action, $4 from, $5 until */
#define PG_AUDIT_FILTER \
    "($2 = '' OR actor = $2) AND ($3 = '' OR action = $3) AND at_us >= $4 AND at_us < $5"
#define PG_POLICY_COLUMNS "ordinal, digest, at_us, changed_by, cause, rules, routes"
#define PG_HOLD_COLUMNS "id, kind, tenant, intent, route, from_us, until_us, at_us, changed_by, reason"
#define PG_BUDGET_COLUMNS "id, tenant, key_id, intent, period, limit_nano_usd, at_us, changed_by, removed"

/* Final tasks that are due: $1 cutoff of succeeded ones, $2 of the others, $3 length of a window. */
#define PG_DUE_FROM "task$w t LEFT JOIN outcome$w o ON o.seq = t.seq LEFT JOIN decision$w d ON d.seq = t.seq"
#define PG_DUE_CUT "CASE WHEN o.state = 7 THEN $1 ELSE $2 END"
#define PG_DUE \
    "(o.seq IS NOT NULL AND o.at_us < " PG_DUE_CUT " AND ((t.seq >> 6) / $3 + 1) * $3 <= " PG_DUE_CUT " AND NOT EXISTS" \
    " (SELECT FROM hold h WHERE h.kind = 2 AND h.tenant IN ('', t.tenant) AND h.intent IN ('', t.intent)" \
    " AND h.route IN ('', coalesce(d.route, t.route)) AND t.seq >> 6 >= h.from_us" \
    " AND (h.until_us = 0 OR t.seq >> 6 < h.until_us)))"

#define PG_STATEMENTS(X) \
    /* The shards of a batch under the epochs it was made for: a takeover waits for it, or it for the takeover. An \
     * epoch that is another makes the whole batch fail, by division. */ \
    X(FENCE, "llL", \
      "SELECT 1 / (count(*) = $3)::int FROM (SELECT FROM unnest($1, $2) u(shard, epoch)" \
      " JOIN shard s ON s.shard = u.shard AND s.epoch = u.epoch FOR KEY SHARE OF s) held") \
    X(SHARD_HOLD, "L", "SELECT epoch FROM shard WHERE shard = $1 FOR KEY SHARE") \
    /* windows */ \
    X(WINDOW_LIST, "", "SELECT kind, number, state, tops FROM time_window ORDER BY kind, number") \
    X(WINDOW_FLOORS, "", "SELECT number FROM window_floor ORDER BY kind") \
    X(WINDOW_UNSEAL, "LL", \
      "WITH held AS (SELECT kind, number, state FROM time_window WHERE kind = $1 AND number = $2 FOR SHARE)" \
      " UPDATE time_window w SET state = 0, tops = '{}' FROM held h WHERE w.kind = h.kind AND w.number = h.number" \
      " AND h.state = 1") \
    /* why a write was refused */ \
    X(JUDGE_TASK, "L", "SELECT id, tenant FROM task$w WHERE seq = $1") \
    X(JUDGE_KEY, "TT", "SELECT digest, seq, id FROM idempotency WHERE tenant = $1 AND key = $2") \
    X(JUDGE_OWN, "B", "SELECT digest, seq FROM own_id WHERE id = $1") \
    X(JUDGE_ROUTE, "L", "SELECT at_us FROM decision$w WHERE seq = $1") \
    X(JUDGE_START, "LL", \
      "SELECT a.epoch, a.at_us FROM attempt$w a WHERE a.seq = $1 AND a.attempt = $2 AND NOT EXISTS" \
      " (SELECT FROM attempt$w b WHERE b.seq = $1 AND b.attempt > $2) AND NOT EXISTS" \
      " (SELECT FROM outcome$w o WHERE o.seq = $1)") \
    X(JUDGE_CHUNKS, "LL", "SELECT attempt, sequence FROM chunk$w WHERE seq = $1 AND cursor = $2") \
    X(JUDGE_RETRY, "LL", \
      "SELECT a.epoch, e.at_us FROM attempt_end$w e JOIN attempt$w a ON a.seq = e.seq AND a.attempt = e.attempt" \
      " WHERE e.seq = $1 AND e.attempt = $2 AND NOT EXISTS" \
      " (SELECT FROM attempt$w b WHERE b.seq = $1 AND b.attempt > $2)") \
    X(JUDGE_MARK, "LL", "SELECT kind, at_us FROM mark$w WHERE seq = $1 AND number = $2") \
    X(JUDGE_FINISH, "L", "SELECT state, at_us, epoch, attempt FROM outcome$w WHERE seq = $1") \
    /* tasks, read */ \
    X(OWN_PLACE, "B", "SELECT seq FROM own_id WHERE id = $1") \
    X(KEY_READ, "TT", "SELECT id, seq, digest FROM idempotency WHERE tenant = $1 AND key = $2") \
    X(TASK_READ, "L", \
      "SELECT " PG_TASK_COLUMNS ", " PG_CHUNK_SEQUENCE ", o.module, o.module_digest, o.queue_us, o.run_us, o.tokens_in," \
      " o.tokens_out, o.cost_nano_usd, o.stream_digest, o.result FROM task$w t" PG_TASK_JOINS " WHERE t.seq = $1") \
    X(TASK_BODY, "L", "SELECT body FROM task$w WHERE seq = $1") \
    X(TASK_ATTEMPTS, "L", \
      "SELECT a.attempt, a.epoch, a.at_us, a.host, a.module, a.module_digest, e.at_us, e.doubt, e.code, e.reason, e.message" \
      " FROM attempt$w a LEFT JOIN attempt_end$w e ON e.seq = a.seq AND e.attempt = a.attempt" \
      " WHERE a.seq = $1 ORDER BY a.attempt LIMIT 1000") \
    X(TASK_MARKS, "L", \
      "SELECT number, kind, attempt, at_us, other, note FROM mark$w WHERE seq = $1 ORDER BY number LIMIT 1000") \
    /* $1 below, $2 above, $3 how many rows, $4 tenant */ \
    X(LIST_ALL, "LLL", \
      "SELECT " PG_TASK_COLUMNS " FROM task$w t" PG_TASK_JOINS \
      " WHERE t.seq < $1 AND t.seq > $2 ORDER BY t.seq DESC LIMIT $3") \
    X(LIST_TENANT, "LLLT", \
      "SELECT " PG_TASK_COLUMNS " FROM task$w t" PG_TASK_JOINS \
      " WHERE t.tenant = $4 AND t.seq < $1 AND t.seq > $2 ORDER BY t.seq DESC LIMIT $3") \
    /* $1 above, $2 below, $3 how many, $4 the shards */ \
    X(LOAD, "LLLL", \
      "SELECT " PG_TASK_COLUMNS ", " PG_CHUNK_SEQUENCE " FROM task$w t" PG_TASK_JOINS \
      " WHERE t.seq > $1 AND t.seq < $2 AND o.seq IS NULL AND $4 >> (t.seq & 63)::int & 1 = 1 ORDER BY t.seq LIMIT $3") \
    /* the same, of those that may have nothing but their row; and whether any has more, in the range [$1, $2] */ \
    X(LOAD_QUEUED, "LLLL", \
      "SELECT " PG_QUEUED_COLUMNS ", NULL FROM task$w t WHERE t.seq > $1 AND t.seq < $2 AND NOT EXISTS" \
      " (SELECT FROM outcome$w o WHERE o.seq = t.seq) AND $4 >> (t.seq & 63)::int & 1 = 1 ORDER BY t.seq LIMIT $3") \
    X(LOAD_HAS_MORE, "LL", \
      "SELECT EXISTS (SELECT FROM decision$w WHERE seq >= $1 AND seq <= $2)" \
      " OR EXISTS (SELECT FROM attempt$w WHERE seq >= $1 AND seq <= $2)" \
      " OR EXISTS (SELECT FROM mark$w WHERE seq >= $1 AND seq <= $2)" \
      " OR EXISTS (SELECT FROM chunk$w WHERE seq >= $1 AND seq <= $2)") \
    X(CHUNKS_READ, "LLL", \
      "SELECT c.cursor, c.attempt, c.sequence, c.kind, c.discard_from, c.content_type, c.payload FROM chunk$w c" \
      " WHERE c.seq = $1 AND c.cursor > greatest($2, (SELECT max(k.cursor) FROM ack$w k WHERE k.seq = $1))" \
      " ORDER BY c.cursor LIMIT $3") \
    /* shards and replicas */ \
    X(CLOCK, "", "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint") \
    X(REPLICA_PUT, "TTL", \
      "INSERT INTO replica VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET address = $2, until_us = $3") \
    X(REPLICA_LIST, "", "SELECT id, address, until_us FROM replica ORDER BY id") \
    X(REPLICA_ALIVE, "T", \
      "SELECT EXISTS (SELECT FROM replica WHERE id = $1 AND until_us > (extract(epoch FROM clock_timestamp()) * 1000000))" \
      " OR EXISTS (SELECT FROM shard WHERE owner = $1)") \
    X(SHARD_LIST, "", "SELECT shard, epoch, owner, newest_event FROM shard ORDER BY shard") \
    X(SHARD_TAKE, "l", "SELECT shard FROM shard WHERE shard = ANY($1) ORDER BY shard FOR UPDATE") \
    X(SHARD_OWN, "lT", "UPDATE shard SET owner = $2, epoch = epoch + 1 WHERE shard = ANY($1)") \
    X(SHARD_FREE, "lT", "UPDATE shard SET owner = '' WHERE shard = ANY($1) AND owner = $2") \
    X(SHARD_RAISE, "LL", "UPDATE shard SET epoch = greatest(epoch, $2) WHERE shard = $1") \
    X(NEWEST_SEQ, "", "SELECT max(seq) FROM task$w") \
    X(NEWEST_EVENTS, "l", \
      "SELECT s.n, coalesce((SELECT o.sequence FROM outbox$w o WHERE o.shard = s.n ORDER BY o.sequence DESC LIMIT 1), 0)" \
      " FROM unnest($1) s(n)") \
    /* outbox */ \
    /* of each shard $1 what is behind $2, at most $3 rows */ \
    X(EVENTS_READ, "llL", \
      "SELECT o.shard, o.sequence, o.seq, o.id, o.tenant, o.intent, o.kinds, o.state, o.attempt, o.at_us, o.started_us," \
      " o.host, o.note, o.payload FROM unnest($1, $2) s(shard, after) CROSS JOIN LATERAL (SELECT * FROM outbox$w o" \
      " WHERE o.shard = s.shard AND o.sequence > s.after ORDER BY o.sequence LIMIT $3) o") \
    X(CURSOR_READ, "T", \
      "SELECT number, sequences FROM event_cursor WHERE name = $1 ORDER BY number DESC LIMIT 1") \
    X(CURSOR_ADD, "TLl", "INSERT INTO event_cursor VALUES ($1, $2, $3)") \
    X(CURSOR_TRIM, "TL", "DELETE FROM event_cursor WHERE name = $1 AND number < $2") \
    X(CURSOR_DROP, "T", "DELETE FROM event_cursor WHERE name = $1") \
    X(CURSOR_LEAST, "", \
      "SELECT s.n - 1, min(c.sequences[s.n]) FROM generate_series(1, 64) s(n), (SELECT DISTINCT ON (name) name, sequences" \
      " FROM event_cursor ORDER BY name, number DESC) c GROUP BY s.n ORDER BY s.n") \
    /* money */ \
    X(BUDGET_PUT, "TTTTTLLTL", \
      "INSERT INTO budget VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET tenant = $2," \
      " key_id = $3, intent = $4, period = $5, limit_nano_usd = $6, at_us = $7, changed_by = $8, removed = $9") \
    X(BUDGET_LIST, "L", "SELECT " PG_BUDGET_COLUMNS " FROM budget WHERE removed = 0 OR $1 = 1 ORDER BY id") \
    X(BALANCE_TAKE, "t", \
      "SELECT account, nano_usd FROM balance WHERE account = ANY($1) ORDER BY account FOR UPDATE") \
    X(BALANCE_MAKE, "t", "INSERT INTO balance SELECT a, 0 FROM unnest($1) a ORDER BY a ON CONFLICT DO NOTHING") \
    X(BALANCE_MOVE, "tl", \
      "UPDATE balance b SET nano_usd = b.nano_usd + u.n FROM unnest($1, $2) u(account, n) WHERE b.account = u.account") \
    X(BALANCE_ROWS, "TTL", \
      "SELECT account, nano_usd FROM balance WHERE starts_with(account, $1) AND account > $2 ORDER BY account LIMIT $3") \
    X(BALANCE_SUMS, "TTL", \
      "SELECT account, sum(nano_usd)::bigint FROM ledger$w WHERE starts_with(account, $1) AND account > $2" \
      " GROUP BY account ORDER BY account LIMIT $3") \
    X(ESCROW_ROWS, "T", \
      "SELECT account, nano_usd FROM balance WHERE starts_with(account, 'escrow:') AND right(account, length($1) + 1) =" \
      " ':' || $1 ORDER BY account FOR UPDATE") \
    /* audit */ \
    X(AUDIT_ADD, "TLLTTTTTTBBB", \
      "INSERT INTO audit (" PG_AUDIT_COLUMNS ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 WHERE" \
      " CASE WHEN $2 = 1 THEN NOT EXISTS (SELECT FROM audit WHERE writer = $1)" \
      " ELSE (SELECT a.number = $2 - 1 AND a.hash = $11 FROM audit a WHERE a.writer = $1 ORDER BY a.number DESC LIMIT 1)" \
      " END ON CONFLICT DO NOTHING") \
    X(AUDIT_NEWEST, "T", "SELECT number, hash FROM audit WHERE writer = $1 ORDER BY number DESC LIMIT 1") \
    X(AUDIT_BY_TIME, "TTTLLLLL", \
      "SELECT " PG_AUDIT_COLUMNS " FROM audit WHERE " PG_AUDIT_FILTER \
      " AND ($7 = 0 OR (at_us, writer, number) < ($6, $1, $7)) ORDER BY at_us DESC, writer DESC, number DESC LIMIT $8") \
    X(AUDIT_DOWN, "TTTLLLLL", \
      "SELECT " PG_AUDIT_COLUMNS " FROM audit WHERE writer = $1 AND " PG_AUDIT_FILTER " AND $6 IS NOT NULL" \
      " AND ($7 = 0 OR number < $7) ORDER BY number DESC LIMIT $8") \
    X(AUDIT_UP, "TTTLLLLL", \
      "SELECT " PG_AUDIT_COLUMNS " FROM audit WHERE writer = $1 AND " PG_AUDIT_FILTER " AND $6 IS NOT NULL" \
      " AND number > $7 ORDER BY number LIMIT $8") \
    X(AUDIT_HEADS, "", \
      "WITH RECURSIVE w AS ((SELECT writer FROM audit ORDER BY writer LIMIT 1) UNION ALL SELECT" \
      " (SELECT a.writer FROM audit a WHERE a.writer > w.writer ORDER BY a.writer LIMIT 1) FROM w WHERE w.writer IS NOT" \
      " NULL) SELECT h.writer, h.number, h.hash, h.at_us FROM w CROSS JOIN LATERAL (SELECT * FROM audit a WHERE" \
      " a.writer = w.writer ORDER BY a.number DESC LIMIT 1) h ORDER BY h.writer") \
    /* policy, plan, holds, arrivals */ \
    X(POLICY_NEWEST, "", "SELECT " PG_POLICY_COLUMNS " FROM policy ORDER BY ordinal DESC LIMIT 1") \
    X(POLICY_ADD, "LTLTTLLB", \
      "INSERT INTO policy (" PG_POLICY_COLUMNS ", files) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)") \
    X(POLICY_LIST, "L", "SELECT " PG_POLICY_COLUMNS " FROM policy ORDER BY ordinal DESC LIMIT $1") \
    X(POLICY_READ, "L", \
      "SELECT " PG_POLICY_COLUMNS ", files FROM policy WHERE ordinal = $1 OR $1 = 0 ORDER BY ordinal DESC LIMIT 1") \
    X(PLAN_READ, "", \
      "SELECT revision, at_us, changed_by, keep_succeeded_us, keep_failed_us, keep_keys_us, sweep_us FROM plan" \
      " ORDER BY revision DESC LIMIT 1") \
    X(PLAN_ADD, "LLTLLLL", "INSERT INTO plan VALUES ($1, $2, $3, $4, $5, $6, $7)") \
    X(HOLD_PUT, "TLTTTLLLTT", \
      "INSERT INTO hold VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET kind = $2," \
      " tenant = $3, intent = $4, route = $5, from_us = $6, until_us = $7, at_us = $8, changed_by = $9, reason = $10") \
    X(HOLD_DROP, "T", "DELETE FROM hold WHERE id = $1") \
    X(HOLD_LIST, "", "SELECT " PG_HOLD_COLUMNS " FROM hold ORDER BY id") \
    X(ARRIVAL_ADD, "ltttllttt", \
      "INSERT INTO arrival$w SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING") \
    X(ARRIVALS_READ, "LLL", \
      "SELECT " PG_ARRIVAL_COLUMNS " FROM ((SELECT " PG_ARRIVAL_COLUMNS " FROM arrival$w WHERE seq > $1 AND seq < $2" \
      " ORDER BY seq LIMIT $3) UNION ALL (SELECT seq, tenant, key_id, intent, priority, body_bytes, 'durable', '', ''" \
      " FROM task$w WHERE seq > $1 AND seq < $2 ORDER BY seq LIMIT $3)) both_kinds ORDER BY seq LIMIT $3") \
    /* retention */ \
    X(DUE_PLACES, "LLLL", "SELECT t.seq FROM " PG_DUE_FROM " WHERE " PG_DUE " ORDER BY t.seq LIMIT $4") \
    X(DUE_COUNT, "LLL", \
      "SELECT count(*), coalesce(sum((SELECT count(*) FROM chunk$w c WHERE c.seq = t.seq)), 0)::bigint FROM " PG_DUE_FROM \
      " WHERE " PG_DUE) \
    X(KEEP_TASKS, "LLL", "INSERT INTO task_kept SELECT t.* FROM " PG_DUE_FROM " WHERE NOT " PG_DUE) \
    X(FOLD_WINDOW, "LL", \
      "INSERT INTO balance AS b SELECT l.account, sum(l.nano_usd)::bigint FROM ledger$w l WHERE l.seq >= $1 AND l.seq < $2" \
      " AND NOT EXISTS (SELECT FROM task_kept k WHERE k.seq = l.seq) GROUP BY l.account ORDER BY l.account" \
      " ON CONFLICT (account) DO UPDATE SET nano_usd = b.nano_usd + excluded.nano_usd") \
    X(FOLD_PLACES, "l", \
      "INSERT INTO balance AS b SELECT l.account, sum(l.nano_usd)::bigint FROM ledger$w l WHERE l.seq = ANY($1)" \
      " GROUP BY l.account ORDER BY l.account ON CONFLICT (account) DO UPDATE SET nano_usd = b.nano_usd + excluded.nano_usd") \
    X(DROP_OWN_IDS, "l", "DELETE FROM own_id WHERE seq = ANY($1)") \
    X(DROP_OWN_RANGE, "LL", \
      "DELETE FROM own_id i WHERE i.seq >= $1 AND i.seq < $2 AND NOT EXISTS (SELECT FROM task_kept k WHERE k.seq = i.seq)") \
    X(DROP_KEYS, "LL", \
      "DELETE FROM idempotency WHERE (tenant, key) IN (SELECT tenant, key FROM idempotency WHERE at_us < $1" \
      " ORDER BY at_us LIMIT $2)") \
    X(SHARD_TOPS, "ll", \
      "UPDATE shard s SET newest_event = u.n FROM unnest($1, $2) u(shard, n) WHERE s.shard = u.shard" \
      " AND u.n > s.newest_event") \
    X(SEAL_CHECK, "", \
      "SELECT EXISTS (SELECT FROM task$w t WHERE NOT EXISTS (SELECT FROM outcome$w o WHERE o.seq = t.seq))") \
    X(SEAL_TAKE, "LL", "SELECT state FROM time_window WHERE kind = $1 AND number = $2 FOR UPDATE") \
    X(SEAL_PUT, "LLl", "UPDATE time_window SET state = 1, tops = $3 WHERE kind = $1 AND number = $2")
// clang-format on

#endif
