/* Writes on tasks in memory: the contract's meaning in the plainest words, to hold the other
 * drivers to. */
#include "store/script/script_private.h"

struct script_row *script_task_of(struct script_store *self, const struct aion_uuid *id)
{
    script_each(self, STORE_TABLE_TASK, i)
    {
        struct script_row *row = script_at(self, STORE_TABLE_TASK, i);
        struct aion_uuid own = script_uuid(row, TASK_id);
        if (aion_uuid_eq(&own, id))
            return row;
    }
    return NULL;
}

/* -- accept ------------------------------------------------------------------------- */
static struct script_row *find_key(struct script_store *self, aion_str tenant, aion_str key)
{
    script_each(self, STORE_TABLE_IDEMPOTENCY, i)
    {
        struct script_row *row = script_at(self, STORE_TABLE_IDEMPOTENCY, i);
        if (aion_str_eq(script_str(row, KEY_tenant), tenant) &&
            aion_str_eq(script_str(row, KEY_key), key))
            return row;
    }
    return NULL;
}

static enum store_outcome compare_digest(const struct store_accept *op, aion_str digest)
{
    return digest.size > 0 && aion_str_eq(digest, op->digest) ? STORE_DUPLICATE
                                                              : STORE_CONFLICT;
}

static enum store_outcome find_first(struct script_store *self, struct store_accept *op)
{
    const struct script_row *key =
        op->key.size > 0 ? find_key(self, op->tenant, op->key) : NULL;
    if (key != NULL) {
        op->first = script_uuid(key, KEY_id);
        op->first_seq = script_u64(key, KEY_seq);
        return compare_digest(op, script_str(key, KEY_digest));
    }
    const struct script_row *task = op->own_id ? script_task_of(self, &op->id) : NULL;
    if (task == NULL)
        return STORE_DONE;
    op->first = op->id;
    op->first_seq = script_u64(task, TASK_seq);
    if (!aion_str_eq(script_str(task, TASK_tenant), op->tenant))
        return STORE_TAKEN;
    const struct script_row *own =
        script_find_str(self, STORE_TABLE_OWN_ID, aion_str_n(op->id.bytes, 16));
    return own != NULL ? compare_digest(op, script_str(own, OWN_digest)) : STORE_CONFLICT;
}

static void add_task(struct script_store *self, const struct store_accept *op)
{
    struct script_fill fill = script_fill(self, STORE_TABLE_TASK);
    script_put_u64(&fill, op->write.seq);
    script_put_uuid(&fill, &op->id);
    script_put(&fill, op->own_id);
    script_put_str(&fill, op->tenant);
    script_put_str(&fill, op->intent);
    script_put_str(&fill, op->key_id);
    script_put(&fill, op->priority);
    script_put(&fill, op->deadline_us);
    script_put_u64(&fill, op->body.size);
    script_put_str(&fill, op->decision.route);
    script_put_str(&fill, op->meta);
    script_put_str(&fill, op->decision.bytes);
    script_put_str(&fill, op->body);
}

static void add_key(struct script_store *self, const struct store_accept *op)
{
    struct script_fill fill = script_fill(self, STORE_TABLE_IDEMPOTENCY);
    script_put_str(&fill, op->tenant);
    script_put_str(&fill, op->key);
    script_put_str(&fill, op->digest);
    script_put_u64(&fill, op->write.seq);
    script_put_uuid(&fill, &op->id);
    script_put(&fill, store_seq_us(op->write.seq));
}

static void add_own_id(struct script_store *self, const struct store_accept *op)
{
    struct script_fill fill = script_fill(self, STORE_TABLE_OWN_ID);
    script_put_uuid(&fill, &op->id);
    script_put_u64(&fill, op->write.seq);
    script_put_str(&fill, op->digest);
}

bool script_accept(struct script_store *self, struct store_op *base)
{
    struct store_accept *op = aion_container(base, struct store_accept, write.op);
    const struct script_row *same = script_find(self, STORE_TABLE_TASK, op->write.seq);
    if (same != NULL) {
        struct aion_uuid id = script_uuid(same, TASK_id);
        op->write.outcome = STORE_DONE; /* a repeat of itself */
        return aion_uuid_eq(&id, &op->id) ? false
                                          : script_fail(base, AION_INTERNAL, NULL,
                                                        "the database refused the operation");
    }
    op->write.outcome = find_first(self, op);
    if (op->write.outcome != STORE_DONE)
        return false;
    add_task(self, op);
    if (op->key.size > 0)
        add_key(self, op);
    if (op->own_id)
        add_own_id(self, op);
    return true;
}

/* -- what the facts allow ----------------------------------------------------------- */
static bool is_final(struct script_store *self, uint64_t seq)
{
    return script_find(self, STORE_TABLE_OUTCOME, seq) != NULL;
}

/* There is such a task, and it has not ended. */
static bool is_open(struct script_store *self, uint64_t seq)
{
    return script_find(self, STORE_TABLE_TASK, seq) != NULL && !is_final(self, seq);
}

static bool is_last(struct script_store *self, uint64_t seq, struct store_token token)
{
    const struct script_row *last = script_last(self, STORE_TABLE_ATTEMPT, seq);
    if (last == NULL)
        return token.attempt == 0 && token.epoch == 0;
    return script_u64(last, ATTEMPT_attempt) == token.attempt &&
           script_u64(last, ATTEMPT_epoch) == token.epoch;
}

/* With a beginning: none of this number or a later one is there. */
static bool may_end(struct script_store *self, uint64_t seq, struct store_token token,
                    const struct store_begin *begin)
{
    const struct script_row *last = script_last(self, STORE_TABLE_ATTEMPT, seq);
    if (begin == NULL)
        return is_last(self, seq, token);
    return last == NULL || script_u64(last, ATTEMPT_attempt) < begin->token.attempt;
}

static bool is_running(struct script_store *self, uint64_t seq, struct store_token token)
{
    return token.attempt > 0 && is_open(self, seq) && is_last(self, seq, token) &&
           script_find_pair(self, STORE_TABLE_ATTEMPT_END, seq, token.attempt) == NULL;
}

static bool done(struct store_write *write)
{
    write->outcome = STORE_DONE;
    return true;
}

/* It was applied before, word for word. */
static bool repeated(struct store_write *write)
{
    write->outcome = STORE_DONE;
    return false;
}

/* -- decision and attempts ---------------------------------------------------------- */
bool script_route(struct script_store *self, struct store_op *base)
{
    struct store_route *op = aion_container(base, struct store_route, write.op);
    uint64_t seq = op->write.seq;
    const struct script_row *before = script_find(self, STORE_TABLE_DECISION, seq),
                            *task = script_find(self, STORE_TABLE_TASK, seq);
    if (before != NULL && script_i64(before, DECISION_at_us) == op->at_us)
        return repeated(&op->write);
    if (before != NULL || !is_open(self, seq) || script_str(task, TASK_decision).size > 0)
        return false;
    struct script_fill fill = script_fill(self, STORE_TABLE_DECISION);
    script_put_u64(&fill, seq);
    script_put(&fill, op->at_us);
    script_put_str(&fill, op->decision.route);
    script_put_str(&fill, op->decision.bytes);
    return done(&op->write);
}

static void add_attempt(struct script_store *self, uint64_t seq,
                        const struct store_begin *begin)
{
    struct script_fill fill = script_fill(self, STORE_TABLE_ATTEMPT);
    script_put_u64(&fill, seq);
    script_put(&fill, begin->token.attempt);
    script_put_u64(&fill, begin->token.epoch);
    script_put(&fill, begin->at_us);
    script_put_str(&fill, begin->host);
    script_put_str(&fill, begin->module);
    script_put_str(&fill, begin->module_digest);
}

bool script_start(struct script_store *self, struct store_op *base)
{
    struct store_start *op = aion_container(base, struct store_start, write.op);
    uint64_t seq = op->write.seq;
    const struct script_row *last = script_last(self, STORE_TABLE_ATTEMPT, seq);
    if (!is_open(self, seq))
        return false;
    if (last != NULL && is_last(self, seq, op->begin.token) &&
        script_i64(last, ATTEMPT_at_us) == op->begin.at_us)
        return repeated(&op->write);
    if (last != NULL && script_u64(last, ATTEMPT_attempt) >= op->begin.token.attempt)
        return false;
    add_attempt(self, seq, &op->begin);
    return done(&op->write);
}

static bool is_stored(struct script_store *self, uint64_t seq, const struct store_chunk *chunk)
{
    const struct script_row *row =
        script_find_pair(self, STORE_TABLE_CHUNK, seq, chunk->cursor);
    return row != NULL && script_u64(row, CHUNK_attempt) == chunk->attempt &&
           script_u64(row, CHUNK_sequence) == chunk->sequence;
}

static void add_chunks(struct script_store *self, uint64_t seq,
                       const struct store_chunk *chunks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct script_fill fill = script_fill(self, STORE_TABLE_CHUNK);
        script_put_u64(&fill, seq);
        script_put_u64(&fill, chunks[i].cursor);
        script_put(&fill, chunks[i].attempt);
        script_put_u64(&fill, chunks[i].sequence);
        script_put(&fill, chunks[i].kind);
        script_put_u64(&fill, chunks[i].discard_from);
        script_put_str(&fill, chunks[i].content_type);
        script_put_str(&fill, chunks[i].payload);
    }
}

bool script_chunks(struct script_store *self, struct store_op *base)
{
    struct store_chunks *op = aion_container(base, struct store_chunks, write.op);
    if (op->count > 0 && is_stored(self, op->write.seq, &op->chunks[0]))
        return repeated(&op->write);
    if (!is_running(self, op->write.seq, op->token))
        return false;
    add_chunks(self, op->write.seq, op->chunks, op->count);
    return done(&op->write);
}

static void add_end(struct script_store *self, const struct store_retry *op)
{
    struct script_fill fill = script_fill(self, STORE_TABLE_ATTEMPT_END);
    script_put_u64(&fill, op->write.seq);
    script_put(&fill, op->token.attempt);
    script_put(&fill, op->at_us);
    script_put(&fill, op->due_us);
    script_put(&fill, op->doubt);
    script_put(&fill, op->error.code);
    script_put_str(&fill, op->error.reason);
    script_put_str(&fill, op->error.message);
}

bool script_retry(struct script_store *self, struct store_op *base)
{
    struct store_retry *op = aion_container(base, struct store_retry, write.op);
    uint64_t seq = op->write.seq;
    const struct script_row *end =
        script_find_pair(self, STORE_TABLE_ATTEMPT_END, seq, op->token.attempt);
    if (end != NULL && script_i64(end, END_at_us) == op->at_us && is_last(self, seq, op->token))
        return repeated(&op->write);
    if (end != NULL || op->token.attempt == 0 || !is_open(self, seq) ||
        !may_end(self, seq, op->token, op->begin))
        return false;
    if (op->begin != NULL)
        add_attempt(self, seq, op->begin);
    add_chunks(self, seq, op->chunks, op->count);
    add_end(self, op);
    return done(&op->write);
}

/* -- the end ------------------------------------------------------------------------ */
static void add_outcome(struct script_store *self, const struct store_finish *op)
{
    static const struct store_begin none;
    const struct store_begin *begin = op->begin != NULL ? op->begin : &none;
    struct script_fill fill = script_fill(self, STORE_TABLE_OUTCOME);
    script_put_u64(&fill, op->write.seq);
    script_put(&fill, op->state);
    script_put(&fill, op->at_us);
    script_put_u64(&fill, op->token.epoch);
    script_put(&fill, op->token.attempt);
    script_put(&fill, begin->at_us);
    script_put_str(&fill, begin->host);
    script_put_str(&fill, begin->module);
    script_put_str(&fill, begin->module_digest);
    script_put(&fill, op->error.code);
    script_put_str(&fill, op->error.reason);
    script_put_str(&fill, op->error.message);
    script_put(&fill, op->usage.queue_us);
    script_put(&fill, op->usage.run_us);
    script_put_u64(&fill, op->usage.tokens_in);
    script_put_u64(&fill, op->usage.tokens_out);
    script_put(&fill, op->usage.cost_nano_usd);
    script_put_u64(&fill, op->cursor);
    script_put_str(&fill, op->stream_digest);
    script_put_str(&fill, op->result);
}

static bool is_same_end(const struct script_row *row, const struct store_finish *op)
{
    return script_i64(row, OUTCOME_at_us) == op->at_us &&
           script_i64(row, OUTCOME_state) == (int64_t)op->state &&
           script_u64(row, OUTCOME_epoch) == op->token.epoch &&
           script_u64(row, OUTCOME_attempt) == op->token.attempt;
}

bool script_finish(struct script_store *self, struct store_op *base)
{
    struct store_finish *op = aion_container(base, struct store_finish, write.op);
    uint64_t seq = op->write.seq;
    const struct script_row *outcome = script_find(self, STORE_TABLE_OUTCOME, seq);
    if (outcome != NULL && is_same_end(outcome, op))
        return repeated(&op->write);
    if (op->accept != NULL && script_find(self, STORE_TABLE_TASK, seq) != NULL)
        return false;
    if (op->accept != NULL)
        add_task(self, op->accept);
    if (!is_open(self, seq) || !may_end(self, seq, op->token, op->begin))
        return false;
    add_chunks(self, seq, op->chunks, op->count);
    add_outcome(self, op);
    return done(&op->write);
}

/* -- marks and acknowledgements ----------------------------------------------------- */
static bool may_mark(struct script_store *self, const struct store_mark *op)
{
    uint64_t seq = op->write.seq;
    const struct script_row *last = script_last(self, STORE_TABLE_ATTEMPT, seq),
                            *newest = script_last(self, STORE_TABLE_MARK, seq);
    bool names_attempt = op->kind == STORE_MARK_RESUMED || op->kind == STORE_MARK_RESOLVED;
    if (newest != NULL && script_u64(newest, MARK_number) >= op->number)
        return false;
    if (op->kind == STORE_MARK_REPLAYED)
        return is_final(self, seq);
    if (names_attempt && (last == NULL || script_u64(last, ATTEMPT_attempt) != op->attempt))
        return false;
    return is_open(self, seq);
}

bool script_mark(struct script_store *self, struct store_op *base)
{
    struct store_mark *op = aion_container(base, struct store_mark, write.op);
    const struct script_row *same =
        script_find_pair(self, STORE_TABLE_MARK, op->write.seq, op->number);
    if (same != NULL && script_i64(same, MARK_kind) == (int64_t)op->kind &&
        script_i64(same, MARK_at_us) == op->at_us)
        return repeated(&op->write);
    if (!may_mark(self, op))
        return false;
    struct script_fill fill = script_fill(self, STORE_TABLE_MARK);
    script_put_u64(&fill, op->write.seq);
    script_put(&fill, op->number);
    script_put(&fill, op->kind);
    script_put(&fill, op->attempt);
    script_put(&fill, op->at_us);
    script_put_uuid(&fill, &op->other);
    script_put_str(&fill, op->note);
    return done(&op->write);
}

bool script_ack(struct script_store *self, struct store_op *base)
{
    struct store_ack *op = aion_container(base, struct store_ack, write.op);
    uint64_t seq = op->write.seq;
    const struct script_row *chunk = script_last(self, STORE_TABLE_CHUNK, seq),
                            *ack = script_last(self, STORE_TABLE_ACK, seq);
    if (script_find(self, STORE_TABLE_TASK, seq) == NULL)
        return false;
    uint64_t newest = chunk != NULL ? script_u64(chunk, CHUNK_cursor) : 0,
             acked = ack != NULL ? script_u64(ack, ACK_cursor) : 0;
    op->acked = op->cursor < newest ? op->cursor : newest;
    if (op->acked <= acked) {
        op->acked = acked;
        return repeated(&op->write);
    }
    struct script_fill fill = script_fill(self, STORE_TABLE_ACK);
    script_put_u64(&fill, seq);
    script_put_u64(&fill, op->acked);
    script_put(&fill, op->at_us);
    return done(&op->write);
}

/* -- any of them -------------------------------------------------------------------- */
static script_write_fn *const writes[] = {
    [STORE_ACCEPT] = script_accept, [STORE_ROUTE] = script_route,
    [STORE_START] = script_start,   [STORE_CHUNKS] = script_chunks,
    [STORE_RETRY] = script_retry,   [STORE_FINISH] = script_finish,
    [STORE_MARK] = script_mark,     [STORE_ACK] = script_ack,
};

static void add_event(struct script_store *self, const struct store_write *write)
{
    const struct store_outbox *event = write->event;
    if (event == NULL)
        return;
    struct script_fill fill = script_fill(self, STORE_TABLE_OUTBOX);
    script_put(&fill, store_seq_shard(write->seq));
    script_put_u64(&fill, event->sequence);
    script_put_u64(&fill, write->seq);
    script_put_uuid(&fill, &event->id);
    script_put_str(&fill, event->tenant);
    script_put_str(&fill, event->intent);
    script_put(&fill, event->kinds);
    script_put(&fill, event->state);
    script_put(&fill, event->attempt);
    script_put(&fill, event->at_us);
    script_put(&fill, event->started_us);
    script_put_str(&fill, event->host);
    script_put_str(&fill, event->note);
    script_put_str(&fill, event->payload);
}

static void add_entries(struct script_store *self, const struct store_write *write)
{
    uint64_t number;
    enum store_cause cause = store_cause_of(&write->op, &number);
    for (size_t i = 0; i < write->entry_count; i++) {
        struct script_fill fill = script_fill(self, STORE_TABLE_LEDGER);
        script_put_u64(&fill, write->seq);
        script_put(&fill, cause);
        script_put_u64(&fill, number);
        script_put_str(&fill, write->entries[i].account);
        script_put(&fill, store_write_at(&write->op));
        script_put(&fill, write->entries[i].nano_usd);
    }
}

void script_write(struct script_store *self, struct store_op *op)
{
    struct store_write *write = store_write_of(op);
    write->outcome = STORE_FENCED;
    if (script_fenced(self, write))
        return;
    write->outcome = STORE_STALE;
    if (!writes[op->kind](self, op))
        return;
    const struct store_accept *accept = store_admission_of(op);
    if (accept != NULL) {
        add_event(self, &accept->write);
        add_entries(self, &accept->write);
    }
    add_event(self, write);
    add_entries(self, write);
}
