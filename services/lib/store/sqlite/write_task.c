/* Writes on tasks: admission, decision, attempts, ends, marks. Each looks at what the facts
 * allow, and inserts; see store_task.h for what is stale. */
#include "store/sqlite/sqlite_private.h"

/* What stands of a task. */
struct standing {
    int64_t set;
    bool open;     /* there is such a task, and it has not ended */
    bool attempts; /* it may have some */
};

static bool look(struct sqlite_store *self, uint64_t seq, struct standing *standing)
{
    *standing = (struct standing){.set = sqlite_set_of(&self->writer, seq), .attempts = true};
    if (sqlite_unfinished_knows(self, seq, &standing->attempts)) {
        standing->open = true;
        return true;
    }
    if (standing->set == SQLITE_NOWHERE)
        return true;
    struct sql_use use = sql_use_in(&self->writer, SQL_TASK_STANDS, standing->set);
    sql_u64(&use, seq);
    if (sql_row(&use)) {
        bool there = sql_get_i64(&use) != 0, ended = sql_get_i64(&use) != 0;
        standing->open = there && !ended;
    }
    return sql_end(&use);
}

struct last {
    struct store_token token; /* 0, 0: none */
    int64_t at_us;
};

static bool last_attempt(struct sqlite_store *self, const struct standing *standing,
                         uint64_t seq, struct last *ret_last)
{
    *ret_last = (struct last){.at_us = 0};
    if (!standing->attempts)
        return true;
    struct sql_use use = sql_use_in(&self->writer, SQL_ATTEMPT_LAST, standing->set);
    sql_u64(&use, seq);
    if (sql_row(&use)) {
        ret_last->token.attempt = (uint32_t)sql_get_i64(&use);
        ret_last->token.epoch = sql_get_u64(&use);
        ret_last->at_us = sql_get_i64(&use);
    }
    return sql_end(&use);
}

static bool same_token(struct store_token a, struct store_token b)
{
    return a.epoch == b.epoch && a.attempt == b.attempt;
}

/* One i64 of one row found by seq and a number; found or not. */
static bool read_at(struct sqlite_conn *conn, enum sql_id id, int64_t set, uint64_t seq,
                    uint64_t number, bool *ret_found, int64_t *ret_value)
{
    struct sql_use use = sql_use_in(conn, id, set);
    sql_u64(&use, seq);
    if (number != 0)
        sql_u64(&use, number);
    *ret_found = sql_row(&use);
    if (*ret_found)
        *ret_value = sql_get_i64(&use);
    return sql_end(&use);
}

/* It was applied before, word for word: DONE, and nothing more is written. */
static bool repeated(struct store_write *write, bool *ret_applied)
{
    write->outcome = STORE_DONE;
    *ret_applied = false;
    return true;
}

/* -- decision ----------------------------------------------------------------------- */
bool sqlite_route(struct sqlite_store *self, struct store_op *base, bool *applied)
{
    struct store_route *op = aion_container(base, struct store_route, write.op);
    uint64_t seq = op->write.seq;
    struct standing standing;
    int64_t at_us = 0;
    bool found = false;
    if (!look(self, seq, &standing))
        return false;
    if (standing.set == SQLITE_NOWHERE)
        return true;
    if (!read_at(&self->writer, SQL_DECISION_AT, standing.set, seq, 0, &found, &at_us))
        return false;
    if (found && at_us == op->at_us)
        return repeated(&op->write, applied);
    if (!standing.open)
        return true;
    struct sql_use use = sql_use_in(&self->writer, SQL_DECISION_ADD, standing.set);
    sql_u64(&use, seq);
    sql_i64(&use, op->at_us);
    sql_text(&use, op->decision.route);
    sql_blob(&use, op->decision.bytes);
    if (!sql_run(&use))
        return false;
    *applied = sql_changes(&self->writer) > 0;
    return true;
}

/* -- attempts ----------------------------------------------------------------------- */
static bool add_attempt(struct sqlite_store *self, int64_t set, uint64_t seq,
                        const struct store_begin *begin)
{
    struct sql_use use = sql_use_in(&self->writer, SQL_ATTEMPT_ADD, set);
    sql_u64(&use, seq);
    sql_i64(&use, begin->token.attempt);
    sql_u64(&use, begin->token.epoch);
    sql_i64(&use, begin->at_us);
    sql_text(&use, begin->host);
    sql_text(&use, begin->module);
    sql_text(&use, begin->module_digest);
    sqlite_unfinished_started(self, seq);
    return sql_run(&use);
}

bool sqlite_start(struct sqlite_store *self, struct store_op *base, bool *applied)
{
    struct store_start *op = aion_container(base, struct store_start, write.op);
    const struct store_begin *begin = &op->begin;
    struct standing standing;
    struct last last;
    if (!look(self, op->write.seq, &standing))
        return false;
    if (!standing.open)
        return true;
    if (!last_attempt(self, &standing, op->write.seq, &last))
        return false;
    if (same_token(last.token, begin->token) && last.at_us == begin->at_us)
        return repeated(&op->write, applied);
    if (last.token.attempt >= begin->token.attempt)
        return true;
    *applied = true;
    return add_attempt(self, standing.set, op->write.seq, begin);
}

static bool add_chunks(struct sqlite_store *self, int64_t set, uint64_t seq,
                       const struct store_chunk *chunks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_chunk *chunk = &chunks[i];
        struct sql_use use = sql_use_in(&self->writer, SQL_CHUNK_ADD, set);
        sql_u64(&use, seq);
        sql_u64(&use, chunk->cursor);
        sql_i64(&use, chunk->attempt);
        sql_u64(&use, chunk->sequence);
        sql_i64(&use, chunk->kind);
        sql_u64(&use, chunk->discard_from);
        sql_text(&use, chunk->content_type);
        sql_blob(&use, chunk->payload);
        if (!sql_run(&use))
            return false;
    }
    return true;
}

/* The first of these chunks is there already. */
static bool is_stored(struct sqlite_store *self, int64_t set, const struct store_chunks *op,
                      bool *ret_stored)
{
    *ret_stored = false;
    if (op->count == 0)
        return true;
    struct sql_use use = sql_use_in(&self->writer, SQL_CHUNK_AT, set);
    sql_u64(&use, op->write.seq);
    sql_u64(&use, op->chunks[0].cursor);
    if (sql_row(&use)) {
        uint64_t attempt = sql_get_u64(&use);
        *ret_stored =
            attempt == op->chunks[0].attempt && sql_get_u64(&use) == op->chunks[0].sequence;
    }
    return sql_end(&use);
}

/* The token names the last attempt, and that has not ended. */
static bool is_running(struct sqlite_store *self, const struct standing *standing, uint64_t seq,
                       struct store_token token, bool *ret_running)
{
    struct last last;
    int64_t at_us;
    bool ended = false;
    *ret_running = false;
    if (!standing->open || token.attempt == 0)
        return true;
    if (!last_attempt(self, standing, seq, &last) ||
        !read_at(&self->writer, SQL_END_AT, standing->set, seq, token.attempt, &ended, &at_us))
        return false;
    *ret_running = same_token(last.token, token) && !ended;
    return true;
}

bool sqlite_chunks(struct sqlite_store *self, struct store_op *base, bool *applied)
{
    struct store_chunks *op = aion_container(base, struct store_chunks, write.op);
    struct standing standing;
    bool stored, running;
    if (!look(self, op->write.seq, &standing))
        return false;
    if (standing.set == SQLITE_NOWHERE)
        return true;
    if (!is_stored(self, standing.set, op, &stored))
        return false;
    if (stored)
        return repeated(&op->write, applied);
    if (!is_running(self, &standing, op->write.seq, op->token, &running))
        return false;
    *applied = running;
    return !running || add_chunks(self, standing.set, op->write.seq, op->chunks, op->count);
}

/* The token names the last attempt; or its beginning comes with it and none so late is there.
 */
static bool may_end(struct sqlite_store *self, const struct standing *standing, uint64_t seq,
                    struct store_token token, const struct store_begin *begin, bool *ret_may)
{
    struct last last;
    *ret_may = false;
    if (!standing->open)
        return true;
    if (!last_attempt(self, standing, seq, &last))
        return false;
    *ret_may = begin != NULL ? last.token.attempt < begin->token.attempt
                             : same_token(last.token, token);
    return true;
}

static bool add_end(struct sqlite_store *self, int64_t set, const struct store_retry *op)
{
    struct sql_use use = sql_use_in(&self->writer, SQL_END_ADD, set);
    sql_u64(&use, op->write.seq);
    sql_i64(&use, op->token.attempt);
    sql_i64(&use, op->at_us);
    sql_i64(&use, op->due_us);
    sql_i64(&use, op->doubt);
    sql_i64(&use, op->error.code);
    sql_text(&use, op->error.reason);
    sql_text(&use, op->error.message);
    return sql_run(&use);
}

bool sqlite_retry(struct sqlite_store *self, struct store_op *base, bool *applied)
{
    struct store_retry *op = aion_container(base, struct store_retry, write.op);
    uint64_t seq = op->write.seq;
    struct standing standing;
    int64_t at_us = 0;
    bool ended, may;
    if (!look(self, seq, &standing))
        return false;
    if (standing.set == SQLITE_NOWHERE || op->token.attempt == 0)
        return true;
    if (!read_at(&self->writer, SQL_END_AT, standing.set, seq, op->token.attempt, &ended,
                 &at_us))
        return false;
    if (ended && at_us == op->at_us)
        return repeated(&op->write, applied);
    if (!may_end(self, &standing, seq, op->token, op->begin, &may))
        return false;
    *applied = may && !ended;
    return !*applied ||
           ((op->begin == NULL || add_attempt(self, standing.set, seq, op->begin)) &&
            add_chunks(self, standing.set, seq, op->chunks, op->count) &&
            add_end(self, standing.set, op));
}

/* -- the end ------------------------------------------------------------------------ */
static bool add_outcome(struct sqlite_store *self, int64_t set, const struct store_finish *op)
{
    static const struct store_begin none;
    const struct store_begin *begin = op->begin != NULL ? op->begin : &none;
    struct sql_use use = sql_use_in(&self->writer, SQL_OUTCOME_ADD, set);
    sql_u64(&use, op->write.seq);
    sql_i64(&use, (int64_t)op->state);
    sql_i64(&use, op->at_us);
    sql_u64(&use, op->token.epoch);
    sql_i64(&use, op->token.attempt);
    sql_i64(&use, begin->at_us);
    sql_text(&use, begin->host);
    sql_text(&use, begin->module);
    sql_text(&use, begin->module_digest);
    sql_i64(&use, op->error.code);
    sql_text(&use, op->error.reason);
    sql_text(&use, op->error.message);
    sql_i64(&use, op->usage.queue_us);
    sql_i64(&use, op->usage.run_us);
    sql_u64(&use, op->usage.tokens_in);
    sql_u64(&use, op->usage.tokens_out);
    sql_i64(&use, op->usage.cost_nano_usd);
    sql_u64(&use, op->cursor);
    sql_blob(&use, op->stream_digest);
    sql_blob(&use, op->result);
    return sql_run(&use);
}

static bool is_same_end(struct sqlite_store *self, int64_t set, const struct store_finish *op,
                        bool *ret_same)
{
    struct sql_use use = sql_use_in(&self->writer, SQL_OUTCOME_BY, set);
    sql_u64(&use, op->write.seq);
    *ret_same = false;
    if (sql_row(&use)) {
        bool same = sql_get_i64(&use) == (int64_t)op->state;
        same &= sql_get_i64(&use) == op->at_us;
        same &= sql_get_u64(&use) == op->token.epoch;
        *ret_same = same && sql_get_i64(&use) == op->token.attempt;
    }
    return sql_end(&use);
}

/* Task and end at once. */
static bool record(struct sqlite_store *self, struct store_finish *op, bool *applied)
{
    uint64_t seq = op->write.seq;
    int64_t set;
    bool same;
    if (!sqlite_set_make(&self->writer, seq, &set) ||
        !sqlite_task_add(&self->writer, set, op->accept))
        return false;
    if (sql_changes(&self->writer) == 0)
        return is_same_end(self, set, op, &same) && (!same || repeated(&op->write, applied));
    *applied = true;
    return sqlite_unfinished_add(self, seq) && sqlite_unfinished_end(self, seq) &&
           add_chunks(self, set, seq, op->chunks, op->count) && add_outcome(self, set, op);
}

bool sqlite_finish(struct sqlite_store *self, struct store_op *base, bool *applied)
{
    struct store_finish *op = aion_container(base, struct store_finish, write.op);
    struct standing standing;
    bool same, may;
    if (op->accept != NULL)
        return record(self, op, applied);
    if (!look(self, op->write.seq, &standing))
        return false;
    if (!standing.open && standing.set != SQLITE_NOWHERE) {
        if (!is_same_end(self, standing.set, op, &same))
            return false;
        if (same)
            return repeated(&op->write, applied);
    }
    if (!may_end(self, &standing, op->write.seq, op->token, op->begin, &may))
        return false;
    *applied = may;
    return !may ||
           (add_chunks(self, standing.set, op->write.seq, op->chunks, op->count) &&
            add_outcome(self, standing.set, op) && sqlite_unfinished_end(self, op->write.seq));
}

/* -- marks and acknowledgements ----------------------------------------------------- */
static bool is_same_mark(struct sqlite_store *self, int64_t set, const struct store_mark *op,
                         bool *ret_same)
{
    struct sql_use use = sql_use_in(&self->writer, SQL_MARK_AT, set);
    sql_u64(&use, op->write.seq);
    sql_i64(&use, op->number);
    *ret_same = false;
    if (sql_row(&use)) {
        bool same = sql_get_i64(&use) == (int64_t)op->kind;
        *ret_same = same && sql_get_i64(&use) == op->at_us;
    }
    return sql_end(&use);
}

static bool may_mark(struct sqlite_store *self, const struct standing *standing,
                     const struct store_mark *op, bool *ret_may)
{
    struct last last;
    int64_t newest = 0;
    bool found, names = op->kind == STORE_MARK_RESUMED || op->kind == STORE_MARK_RESOLVED;
    if (!read_at(&self->writer, SQL_MARK_LAST, standing->set, op->write.seq, 0, &found,
                 &newest) ||
        !last_attempt(self, standing, op->write.seq, &last))
        return false;
    *ret_may = newest < op->number && standing->open == (op->kind != STORE_MARK_REPLAYED) &&
               (!names || (op->attempt > 0 && last.token.attempt == op->attempt));
    return true;
}

/* A replayed task is a final one: there, and not open. */
static bool is_there(struct sqlite_store *self, const struct standing *standing, uint64_t seq,
                     bool *ret_there)
{
    *ret_there = standing->open;
    if (standing->open || standing->set == SQLITE_NOWHERE)
        return true;
    struct sql_use use = sql_use_in(&self->writer, SQL_TASK_STANDS, standing->set);
    sql_u64(&use, seq);
    if (sql_row(&use))
        *ret_there = sql_get_i64(&use) != 0;
    return sql_end(&use);
}

static bool add_mark(struct sqlite_store *self, int64_t set, const struct store_mark *op)
{
    static const struct aion_uuid none;
    bool other = !aion_uuid_eq(&op->other, &none);
    struct sql_use use = sql_use_in(&self->writer, SQL_MARK_ADD, set);
    sql_u64(&use, op->write.seq);
    sql_i64(&use, op->number);
    sql_i64(&use, (int64_t)op->kind);
    sql_i64(&use, op->attempt);
    sql_i64(&use, op->at_us);
    sql_blob(&use, other ? aion_str_n(op->other.bytes, 16) : (aion_str){0});
    sql_text(&use, op->note);
    return sql_run(&use);
}

bool sqlite_mark(struct sqlite_store *self, struct store_op *base, bool *applied)
{
    struct store_mark *op = aion_container(base, struct store_mark, write.op);
    struct standing standing;
    bool there, same, may;
    if (!look(self, op->write.seq, &standing) ||
        !is_there(self, &standing, op->write.seq, &there))
        return false;
    if (!there)
        return true;
    if (!is_same_mark(self, standing.set, op, &same))
        return false;
    if (same)
        return repeated(&op->write, applied);
    if (!may_mark(self, &standing, op, &may))
        return false;
    *applied = may;
    return !may || add_mark(self, standing.set, op);
}

bool sqlite_ack(struct sqlite_store *self, struct store_op *base, bool *applied)
{
    struct store_ack *op = aion_container(base, struct store_ack, write.op);
    struct standing standing;
    uint64_t newest = 0, acked = 0;
    bool there;
    if (!look(self, op->write.seq, &standing) ||
        !is_there(self, &standing, op->write.seq, &there))
        return false;
    if (!there)
        return true;
    struct sql_use last = sql_use_in(&self->writer, SQL_CHUNK_LAST, standing.set);
    sql_u64(&last, op->write.seq);
    if (sql_row(&last)) {
        newest = sql_get_u64(&last);
        acked = sql_get_u64(&last);
    }
    if (!sql_end(&last))
        return false;
    op->acked = op->cursor < newest ? op->cursor : newest;
    if (op->acked <= acked) {
        op->acked = acked;
        return repeated(&op->write, applied);
    }
    *applied = true;
    struct sql_use use = sql_use_in(&self->writer, SQL_ACK_ADD, standing.set);
    sql_u64(&use, op->write.seq);
    sql_u64(&use, op->acked);
    sql_i64(&use, op->at_us);
    return sql_run(&use);
}
