#include "store/postgres/judge.h"

/* One row of a statement of one or two numbers; *ret_found. */
static bool look(struct pg_wait *wait, enum pg_statement_id id, int64_t window, uint64_t first,
                 uint64_t second, struct pg_rows *rows, bool *ret_found)
{
    struct pg_statement statement = pg_windowed(id, window);
    struct pg_args *args = pg_begin(&wait->conn, statement);
    pg_put_u64(args, first);
    if (args->count > 1)
        pg_put_u64(args, second);
    bool read = pg_query(wait, statement, rows);
    *ret_found = read && pg_next(rows);
    return read;
}

static bool again(struct pg_wait *wait)
{
    return pg_conn_fail(&wait->conn, PG_RETRY, "what refused the write is gone");
}

static enum store_outcome compare_digest(const struct store_accept *op, aion_str digest)
{
    return digest.size > 0 && aion_str_eq(digest, op->digest) ? STORE_DUPLICATE
                                                              : STORE_CONFLICT;
}

/* -- accept ------------------------------------------------------------------------- */
/* Its place is taken: by itself, or by what cannot be. */
static bool judge_place(struct pg_wait *wait, struct pg_entry *entry)
{
    struct store_accept *op = aion_container(entry->op, struct store_accept, write.op);
    struct aion_uuid id;
    struct pg_rows rows;
    bool found;
    bool read = look(wait, PG_JUDGE_TASK, entry->window, op->write.seq, 0, &rows, &found);
    if (found)
        pg_get_uuid(&rows, &id);
    pg_rows_done(&rows);
    if (!read || !found)
        return read && again(wait);
    op->write.outcome = STORE_DONE;
    return aion_uuid_eq(&id, &op->id) ||
           pg_conn_fail(&wait->conn, PG_ODD, "two tasks at one place");
}

static bool judge_key(struct pg_wait *wait, struct pg_entry *entry)
{
    struct store_accept *op = aion_container(entry->op, struct store_accept, write.op);
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_JUDGE_KEY));
    pg_put_name(args, op->tenant);
    pg_put_name(args, op->key);
    bool read = pg_query(wait, pg_statement(PG_JUDGE_KEY), &rows), found = pg_next(&rows);
    if (found) {
        op->write.outcome = compare_digest(op, pg_get_str(&rows, NULL));
        op->first_seq = pg_get_u64(&rows);
        pg_get_uuid(&rows, &op->first);
        if (op->first_seq == op->write.seq)
            op->write.outcome = STORE_DONE;
    }
    pg_rows_done(&rows);
    return read && (found || again(wait));
}

/* The tenant of the task at a place, if its id is this one. */
static bool owns(struct pg_store *self, struct pg_wait *wait, struct store_accept *op,
                 uint64_t seq, bool *ret_found, bool *ret_own)
{
    struct pg_rows rows;
    int64_t window = pg_windows_place(&self->windows, seq);
    *ret_found = *ret_own = false;
    if (window == PG_NO_WINDOW)
        return true;
    bool read = look(wait, PG_JUDGE_TASK, window, seq, 0, &rows, ret_found);
    if (*ret_found) {
        struct aion_uuid id;
        pg_get_uuid(&rows, &id);
        *ret_found = aion_uuid_eq(&id, &op->id);
        *ret_own = aion_str_eq(pg_get_str(&rows, NULL), op->tenant);
    }
    pg_rows_done(&rows);
    return read;
}

bool pg_id_is_taken(struct pg_store *self, struct pg_wait *wait, const struct pg_entry *entry,
                    bool *ret_taken)
{
    struct store_accept *op = aion_container(entry->op, struct store_accept, write.op);
    bool own;
    *ret_taken = false;
    if (entry->shape != PG_SHAPE_ACCEPT_OWN)
        return true;
    uint64_t made = store_seq_of(&op->id);
    if (made == 0)
        return true;
    if (!owns(self, wait, op, made, ret_taken, &own))
        return false;
    if (*ret_taken) {
        op->first = op->id;
        op->first_seq = made;
        op->write.outcome = own ? STORE_CONFLICT : STORE_TAKEN;
    }
    return true;
}

static bool judge_own(struct pg_store *self, struct pg_wait *wait, struct pg_entry *entry)
{
    struct store_accept *op = aion_container(entry->op, struct store_accept, write.op);
    struct pg_rows rows;
    bool there = false, own = true, taken;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_JUDGE_OWN));
    pg_put_bytes(args, aion_str_n(op->id.bytes, sizeof(op->id.bytes)));
    bool read = pg_query(wait, pg_statement(PG_JUDGE_OWN), &rows), found = pg_next(&rows);
    if (found) {
        op->write.outcome = compare_digest(op, pg_get_str(&rows, NULL));
        op->first_seq = pg_get_u64(&rows);
        op->first = op->id;
        if (op->first_seq == op->write.seq)
            op->write.outcome = STORE_DONE;
    }
    pg_rows_done(&rows);
    if (!read)
        return false;
    if (!found)
        return pg_id_is_taken(self, wait, entry, &taken) && (taken || again(wait));
    if (op->write.outcome == STORE_DONE)
        return true;
    if (!owns(self, wait, op, op->first_seq, &there, &own))
        return false;
    if (there && !own)
        op->write.outcome = STORE_TAKEN;
    return true;
}

/* -- the others: STALE, unless what is there is just what was to be written --------- */
static bool judge_same(struct pg_wait *wait, struct pg_entry *entry, enum pg_statement_id id,
                       uint64_t number, const int64_t *values, int count)
{
    struct pg_rows rows;
    bool found, same = true;
    bool read = look(wait, id, entry->window, entry->write->seq, number, &rows, &found);
    for (int i = 0; found && i < count; i++)
        same &= pg_get_i64(&rows) == values[i];
    pg_rows_done(&rows);
    entry->write->outcome = found && same ? STORE_DONE : STORE_STALE;
    return read;
}

static bool judge_route(struct pg_wait *wait, struct pg_entry *entry)
{
    const struct store_route *op = aion_container(entry->op, struct store_route, write.op);
    return judge_same(wait, entry, PG_JUDGE_ROUTE, 0, (int64_t[]){op->at_us}, 1);
}

static bool judge_start(struct pg_wait *wait, struct pg_entry *entry)
{
    const struct store_begin *begin =
        &aion_container(entry->op, struct store_start, write.op)->begin;
    int64_t values[] = {(int64_t)begin->token.epoch, begin->at_us};
    return judge_same(wait, entry, PG_JUDGE_START, begin->token.attempt, values, 2);
}

static bool judge_chunks(struct pg_wait *wait, struct pg_entry *entry)
{
    static const struct store_chunk none;
    const struct store_chunks *op = aion_container(entry->op, struct store_chunks, write.op);
    const struct store_chunk *first = op->count > 0 ? &op->chunks[0] : &none;
    int64_t values[] = {first->attempt, (int64_t)first->sequence};
    return judge_same(wait, entry, PG_JUDGE_CHUNKS, first->cursor, values, 2);
}

static bool judge_retry(struct pg_wait *wait, struct pg_entry *entry)
{
    const struct store_retry *op = aion_container(entry->op, struct store_retry, write.op);
    int64_t values[] = {(int64_t)op->token.epoch, op->at_us};
    return judge_same(wait, entry, PG_JUDGE_RETRY, op->token.attempt, values, 2);
}

static bool judge_mark(struct pg_wait *wait, struct pg_entry *entry)
{
    const struct store_mark *op = aion_container(entry->op, struct store_mark, write.op);
    int64_t values[] = {(int64_t)op->kind, op->at_us};
    return judge_same(wait, entry, PG_JUDGE_MARK, op->number, values, 2);
}

static bool judge_finish(struct pg_wait *wait, struct pg_entry *entry)
{
    const struct store_finish *op = aion_container(entry->op, struct store_finish, write.op);
    int64_t values[] = {(int64_t)op->state, op->at_us, (int64_t)op->token.epoch,
                        op->token.attempt};
    return judge_same(wait, entry, PG_JUDGE_FINISH, 0, values, 4);
}

bool pg_judge(struct pg_store *self, struct pg_wait *wait, struct pg_entry *entry)
{
    switch (entry->shape) {
    case PG_SHAPE_ACCEPT:
        return judge_place(wait, entry);
    case PG_SHAPE_ACCEPT_KEY:
        return judge_key(wait, entry);
    case PG_SHAPE_ACCEPT_OWN:
        return judge_own(self, wait, entry);
    case PG_SHAPE_ROUTE:
        return judge_route(wait, entry);
    case PG_SHAPE_START:
        return judge_start(wait, entry);
    case PG_SHAPE_CHUNKS:
        return judge_chunks(wait, entry);
    case PG_SHAPE_RETRY:
        return judge_retry(wait, entry);
    case PG_SHAPE_MARK:
        return judge_mark(wait, entry);
    case PG_SHAPE_RECORD:
    case PG_SHAPE_FINISH:
        return judge_finish(wait, entry);
    case PG_SHAPE_ACK: /* given for every task that is there */
    case PG_SHAPES:
    default:
        entry->write->outcome = STORE_STALE;
        return true;
    }
}
