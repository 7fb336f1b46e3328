/* What writes on tasks have in common, and admission: the fence, and what hangs on an effect:
 * its event and its entries in the ledger. */
#include "store/sqlite/sqlite_private.h"

/* -- admission ---------------------------------------------------------------------- */
static enum store_outcome compare_digest(const struct store_accept *op, aion_str digest)
{
    return digest.size > 0 && aion_str_eq(digest, op->digest) ? STORE_DUPLICATE
                                                              : STORE_CONFLICT;
}

/* The key's row is in one of the few windows of keys, likely in the newest. */
static bool find_key(struct sqlite_conn *conn, struct store_accept *op)
{
    const struct sqlite_windows *windows = &conn->windows[SQLITE_KEYS];
    for (size_t i = windows->count; i > 0 && op->write.outcome == STORE_DONE; i--) {
        struct sql_use use = sql_use_in(conn, SQL_KEY_READ, windows->items[i - 1].number);
        sql_text(&use, op->tenant);
        sql_text(&use, op->key);
        if (sql_row(&use)) {
            sql_get_uuid(&use, &op->first);
            op->first_seq = sql_get_u64(&use);
            op->write.outcome = compare_digest(op, sql_get_str(&use, NULL));
        }
        if (!sql_end(&use))
            return false;
    }
    return true;
}

/* A task at this place with this id: whose it is. */
static bool find_owner(struct sqlite_conn *conn, struct store_accept *op, uint64_t seq,
                       bool *ret_found, bool *ret_own)
{
    int64_t set = sqlite_set_of(conn, seq);
    *ret_found = *ret_own = false;
    if (seq == 0 || set == SQLITE_NOWHERE)
        return true;
    struct sql_use use = sql_use_in(conn, SQL_TASK_OWNER, set);
    sql_u64(&use, seq);
    if (sql_row(&use)) {
        struct aion_uuid id;
        *ret_own = aion_str_eq(sql_get_str(&use, NULL), op->tenant);
        sql_get_uuid(&use, &id);
        *ret_found = aion_uuid_eq(&id, &op->id);
    }
    return sql_end(&use);
}

/* A client's id may stand for a task of a client's, or be one that the server made. */
static bool find_own_id(struct sqlite_conn *conn, struct store_accept *op)
{
    uint64_t seq = store_seq_of(&op->id);
    enum store_outcome compared = STORE_CONFLICT;
    struct sql_use use = sql_use(conn, SQL_OWN_READ);
    sql_uuid(&use, &op->id);
    if (sql_row(&use)) {
        seq = sql_get_u64(&use);
        compared = compare_digest(op, sql_get_str(&use, NULL));
    }
    bool found, own;
    if (!sql_end(&use) || !find_owner(conn, op, seq, &found, &own))
        return false;
    if (!found)
        return true;
    op->first = op->id;
    op->first_seq = seq;
    op->write.outcome = own ? compared : STORE_TAKEN;
    return true;
}

bool sqlite_task_add(struct sqlite_conn *conn, int64_t set, const struct store_accept *op)
{
    struct sql_use use = sql_use_in(conn, SQL_TASK_ADD, set);
    sql_u64(&use, op->write.seq);
    sql_uuid(&use, &op->id);
    sql_i64(&use, op->own_id);
    sql_text(&use, op->tenant);
    sql_text(&use, op->intent);
    sql_text(&use, op->key_id);
    sql_i64(&use, op->priority);
    sql_i64(&use, op->deadline_us);
    sql_u64(&use, op->body.size);
    sql_text(&use, op->decision.route);
    sql_blob(&use, op->meta);
    sql_blob(&use, op->decision.bytes);
    sql_blob(&use, op->body);
    return sql_run(&use);
}

static bool add_key(struct sqlite_conn *conn, const struct store_accept *op)
{
    int64_t at_us = store_seq_us(op->write.seq), set;
    if (!sqlite_key_set_make(conn, at_us, &set))
        return false;
    struct sql_use use = sql_use_in(conn, SQL_KEY_ADD, set);
    sql_text(&use, op->tenant);
    sql_text(&use, op->key);
    sql_blob(&use, op->digest);
    sql_u64(&use, op->write.seq);
    sql_uuid(&use, &op->id);
    sql_i64(&use, at_us);
    return sql_run(&use);
}

static bool add_own_id(struct sqlite_conn *conn, const struct store_accept *op)
{
    struct sql_use use = sql_use(conn, SQL_OWN_ADD);
    sql_uuid(&use, &op->id);
    sql_u64(&use, op->write.seq);
    sql_blob(&use, op->digest);
    return sql_run(&use);
}

/* Something is at this place already: this very task, or it is the caller's mistake. */
static bool is_itself(struct sqlite_conn *conn, struct store_accept *op)
{
    bool found, own;
    if (!find_owner(conn, op, op->write.seq, &found, &own))
        return false;
    op->write.outcome = STORE_DONE;
    return found || sqlite_conn_failed(conn, SQLITE_CONSTRAINT);
}

bool sqlite_accept(struct sqlite_store *self, struct store_op *base, bool *applied)
{
    struct store_accept *op = aion_container(base, struct store_accept, write.op);
    struct sqlite_conn *conn = &self->writer;
    int64_t set;
    op->write.outcome = STORE_DONE;
    if ((op->key.size > 0 && !find_key(conn, op)) || (op->own_id && !find_own_id(conn, op)))
        return false;
    if (op->write.outcome != STORE_DONE && op->first_seq == op->write.seq)
        return is_itself(conn, op);
    if (op->write.outcome != STORE_DONE)
        return true;
    if (!sqlite_set_make(conn, op->write.seq, &set) || !sqlite_task_add(conn, set, op))
        return false;
    if (sql_changes(conn) == 0)
        return is_itself(conn, op);
    *applied = true;
    return (op->key.size == 0 || add_key(conn, op)) && (!op->own_id || add_own_id(conn, op)) &&
           sqlite_unfinished_add(self, op->write.seq);
}

/* -- what hangs on it --------------------------------------------------------------- */
static bool add_event(struct sqlite_store *self, const struct store_write *write)
{
    const struct store_outbox *event = write->event;
    if (event == NULL)
        return true;
    struct sql_use use = sql_use(&self->writer, SQL_EVENT_ADD);
    sql_u64(&use, event->sequence << STORE_SHARD_BITS | store_seq_shard(write->seq));
    sql_u64(&use, write->seq);
    sql_uuid(&use, &event->id);
    sql_text(&use, event->tenant);
    sql_text(&use, event->intent);
    sql_i64(&use, event->kinds);
    sql_i64(&use, event->state);
    sql_i64(&use, event->attempt);
    sql_i64(&use, event->at_us);
    sql_i64(&use, event->started_us);
    sql_text(&use, event->host);
    sql_text(&use, event->note);
    sql_blob(&use, event->payload);
    if (event->sequence > self->newest_event)
        self->newest_event = event->sequence;
    return sql_run(&use);
}

/* Sums of the ledger up to folded_to are in the balance rows already. */
static bool add_entry(struct sqlite_store *self, const struct store_write *write,
                      const struct store_entry *entry)
{
    uint64_t number;
    struct sql_use use =
        sql_use_in(&self->writer, SQL_ENTRY_ADD, sqlite_set_of(&self->writer, write->seq));
    sql_u64(&use, write->seq);
    sql_i64(&use, (int64_t)store_cause_of(&write->op, &number));
    sql_u64(&use, number);
    sql_text(&use, entry->account);
    sql_i64(&use, store_write_at(&write->op));
    sql_i64(&use, entry->nano_usd);
    return sql_run(&use) &&
           (write->seq > self->folded_to ||
            sqlite_balance_add(&self->writer, entry->account, entry->nano_usd));
}

static bool add_entries(struct sqlite_store *self, const struct store_write *write)
{
    for (size_t i = 0; i < write->entry_count; i++)
        if (!add_entry(self, write, &write->entries[i]))
            return false;
    return true;
}

/* -- any write on a task ------------------------------------------------------------ */
typedef bool sqlite_write_fn(struct sqlite_store *self, struct store_op *op, bool *applied);

static sqlite_write_fn *const writes[] = {
    [STORE_ACCEPT] = sqlite_accept, [STORE_ROUTE] = sqlite_route,
    [STORE_START] = sqlite_start,   [STORE_CHUNKS] = sqlite_chunks,
    [STORE_RETRY] = sqlite_retry,   [STORE_FINISH] = sqlite_finish,
    [STORE_MARK] = sqlite_mark,     [STORE_ACK] = sqlite_ack,
};

bool sqlite_write(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *op)
{
    struct store_write *write = store_write_of(op);
    bool applied = false;
    (void)conn;
    write->outcome = STORE_FENCED;
    if (write->epoch != self->epoch)
        return true;
    write->outcome = STORE_STALE;
    if (!writes[op->kind](self, op, &applied))
        return false;
    if (!applied)
        return true;
    write->outcome = STORE_DONE;
    const struct store_accept *accept = store_admission_of(op);
    return (accept == NULL ||
            (add_event(self, &accept->write) && add_entries(self, &accept->write))) &&
           add_event(self, write) && add_entries(self, write);
}
