/* The tables, one list for all drivers: what a driver creates, what export writes and import
 * reads. Included by store.h. What they mean: services/adr/0007-store-schema.md.
 *
 * X(TABLE, name, by, keys): `by` says what it is rotated by: SEQ (window of the task's place),
 * TIME (window of at_us), KEY (time, but looked up by key), NOTHING. The first `keys` columns
 * are the primary key; reading goes in its order, within a window where there are windows.
 *
 * C(name, type): a table's columns. I64 and TEXT are never null; an empty BLOB is. */
#include "store/store.h"

#ifndef STORE_STORE_FACT_H
#define STORE_STORE_FACT_H

// clang-format off
#define STORE_TABLES(X) \
    X(TASK,        task,         SEQ,     1) \
    X(DECISION,    decision,     SEQ,     1) \
    X(ATTEMPT,     attempt,      SEQ,     2) \
    X(ATTEMPT_END, attempt_end,  SEQ,     2) \
    X(MARK,        mark,         SEQ,     2) \
    X(CHUNK,       chunk,        SEQ,     2) \
    X(ACK,         ack,          SEQ,     2) \
    X(OUTCOME,     outcome,      SEQ,     1) \
    X(LEDGER,      ledger,       SEQ,     4) \
    X(ARRIVAL,     arrival,      SEQ,     1) \
    X(OUTBOX,      outbox,       TIME,    2) \
    X(IDEMPOTENCY, idempotency,  KEY,     2) \
    X(OWN_ID,      own_id,       NOTHING, 1) \
    X(POLICY,      policy,       NOTHING, 1) \
    X(PLAN,        plan,         NOTHING, 1) \
    X(CURSOR,      event_cursor, NOTHING, 2) \
    X(BUDGET,      budget,       NOTHING, 1) \
    X(BALANCE,     balance,      NOTHING, 1) \
    X(AUDIT,       audit,        NOTHING, 2) \
    X(HOLD,        hold,         NOTHING, 1) \
    X(SHARD,       shard,        NOTHING, 1)

#define STORE_COLUMNS_TASK(C) \
    C(seq, I64) C(id, BLOB) C(own_id, I64) C(tenant, TEXT) C(intent, TEXT) C(key_id, TEXT) \
    C(priority, I64) C(deadline_us, I64) C(body_bytes, I64) C(route, TEXT) C(meta, BLOB) \
    C(decision, BLOB) C(body, BLOB)
#define STORE_COLUMNS_DECISION(C) \
    C(seq, I64) C(at_us, I64) C(route, TEXT) C(decision, BLOB)
#define STORE_COLUMNS_ATTEMPT(C) \
    C(seq, I64) C(attempt, I64) C(epoch, I64) C(at_us, I64) C(host, TEXT) C(module, TEXT) \
    C(module_digest, TEXT)
#define STORE_COLUMNS_ATTEMPT_END(C) \
    C(seq, I64) C(attempt, I64) C(at_us, I64) C(due_us, I64) C(doubt, I64) C(code, I64) \
    C(reason, TEXT) C(message, TEXT)
#define STORE_COLUMNS_MARK(C) \
    C(seq, I64) C(number, I64) C(kind, I64) C(attempt, I64) C(at_us, I64) C(other, BLOB) \
    C(note, TEXT)
#define STORE_COLUMNS_CHUNK(C) \
    C(seq, I64) C(cursor, I64) C(attempt, I64) C(sequence, I64) C(kind, I64) \
    C(discard_from, I64) C(content_type, TEXT) C(payload, BLOB)
#define STORE_COLUMNS_ACK(C) \
    C(seq, I64) C(cursor, I64) C(at_us, I64)
#define STORE_COLUMNS_OUTCOME(C) \
    C(seq, I64) C(state, I64) C(at_us, I64) C(epoch, I64) C(attempt, I64) C(started_us, I64) \
    C(host, TEXT) C(module, TEXT) C(module_digest, TEXT) C(code, I64) C(reason, TEXT) \
    C(message, TEXT) C(queue_us, I64) C(run_us, I64) C(tokens_in, I64) C(tokens_out, I64) \
    C(cost_nano_usd, I64) C(cursor, I64) C(stream_digest, BLOB) C(result, BLOB)
#define STORE_COLUMNS_LEDGER(C) \
    C(seq, I64) C(cause, I64) C(number, I64) C(account, TEXT) C(at_us, I64) C(nano_usd, I64)
#define STORE_COLUMNS_ARRIVAL(C) \
    C(seq, I64) C(tenant, TEXT) C(key_id, TEXT) C(intent, TEXT) C(priority, I64) \
    C(body_bytes, I64) C(lane, TEXT) C(reason, TEXT) C(limit_id, TEXT)
#define STORE_COLUMNS_OUTBOX(C) \
    C(shard, I64) C(sequence, I64) C(seq, I64) C(id, BLOB) C(tenant, TEXT) C(intent, TEXT) \
    C(kinds, I64) C(state, I64) C(attempt, I64) C(at_us, I64) C(started_us, I64) C(host, TEXT) \
    C(note, TEXT) C(payload, BLOB)
#define STORE_COLUMNS_IDEMPOTENCY(C) \
    C(tenant, TEXT) C(key, TEXT) C(digest, BLOB) C(seq, I64) C(id, BLOB) C(at_us, I64)
#define STORE_COLUMNS_OWN_ID(C) \
    C(id, BLOB) C(seq, I64) C(digest, BLOB)
#define STORE_COLUMNS_POLICY(C) \
    C(ordinal, I64) C(digest, TEXT) C(at_us, I64) C(changed_by, TEXT) C(cause, TEXT) \
    C(rules, I64) C(routes, I64) C(files, BLOB)
#define STORE_COLUMNS_PLAN(C) \
    C(revision, I64) C(at_us, I64) C(changed_by, TEXT) C(keep_succeeded_us, I64) \
    C(keep_failed_us, I64) C(keep_keys_us, I64) C(sweep_us, I64)
#define STORE_COLUMNS_CURSOR(C) \
    C(name, TEXT) C(shard, I64) C(sequence, I64)
#define STORE_COLUMNS_BUDGET(C) \
    C(id, TEXT) C(tenant, TEXT) C(key_id, TEXT) C(intent, TEXT) C(period, TEXT) \
    C(limit_nano_usd, I64) C(at_us, I64) C(changed_by, TEXT) C(removed, I64)
#define STORE_COLUMNS_BALANCE(C) \
    C(account, TEXT) C(nano_usd, I64)
#define STORE_COLUMNS_AUDIT(C) \
    C(writer, TEXT) C(number, I64) C(at_us, I64) C(actor, TEXT) C(role, TEXT) C(action, TEXT) \
    C(target, TEXT) C(result, TEXT) C(reason, TEXT) C(body, BLOB) C(prev, BLOB) C(hash, BLOB)
#define STORE_COLUMNS_HOLD(C) \
    C(id, TEXT) C(kind, I64) C(tenant, TEXT) C(intent, TEXT) C(route, TEXT) C(from_us, I64) \
    C(until_us, I64) C(at_us, I64) C(changed_by, TEXT) C(reason, TEXT)
#define STORE_COLUMNS_SHARD(C) \
    C(shard, I64) C(epoch, I64)
// clang-format on

enum store_table {
#define STORE_TABLE_ID(TABLE, name, by, keys) STORE_TABLE_##TABLE,
    STORE_TABLES(STORE_TABLE_ID)
#undef STORE_TABLE_ID
        STORE_TABLE_COUNT
};
enum store_rotation { STORE_BY_SEQ, STORE_BY_TIME, STORE_BY_KEY, STORE_BY_NOTHING };
enum store_column_type { STORE_I64, STORE_TEXT, STORE_BLOB };

/* What a ledger's row came with; `number`: the attempt's or mark's. */
enum store_cause {
    STORE_CAUSE_ACCEPT = 1,
    STORE_CAUSE_ROUTE = 2,
    STORE_CAUSE_START = 3,
    STORE_CAUSE_RETRY = 4,
    STORE_CAUSE_MARK = 5,
    STORE_CAUSE_FINISH = 6,
    STORE_CAUSE_CHUNKS = 7, /* number: of the first chunk, its cursor */
    STORE_CAUSE_ACK = 8,    /* number: the cursor */
};

enum { STORE_COLUMNS_MAX = 20 };
struct store_column {
    const char *name;
    enum store_column_type type;
};
struct store_layout {
    const char *name;
    enum store_rotation by;
    unsigned keys, columns;
    struct store_column column[STORE_COLUMNS_MAX];
};
const struct store_layout *store_layout(enum store_table table);

/* One row, its values in the order of the columns: an i64, or text and bytes. */
struct store_value {
    int64_t i64;
    aion_str str;
};
struct store_fact {
    enum store_table table;
    struct store_value values[STORE_COLUMNS_MAX];
};

/* A table's rows, a page at a time, oldest window first. Whoever wants one moment's picture
 * sees to it that nobody writes meanwhile. */
struct store_facts_read {
    struct store_op op;
    enum store_table table;
    aion_str after;   /* `next` of the page before; empty = from the beginning */
    uint32_t limit;   /* 1..10000 */
    size_t bytes_max; /* at least one row comes */
    /* out */
    struct store_fact *facts;
    size_t count;
    aion_str next; /* the driver's; empty = that was all */
};
/* Rows as read from another store. Those whose primary key is there already are left out: an
 * import that was cut off is simply run again. The epochs of SHARD rows only grow. Not fenced:
 * nobody may own shards meanwhile. */
struct store_facts_put {
    struct store_op op;
    const struct store_fact *facts;
    size_t count;
    uint64_t added; /* out */
};

STORE_OPERATION(facts_read, STORE_FACTS_READ, op)
STORE_OPERATION(facts_put, STORE_FACTS_PUT, op)

#endif
