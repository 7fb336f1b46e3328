/* Tasks in memory, read. */
#include "store/script/script_private.h"

/* -- gathering ---------------------------------------------------------------------- */
static struct store_error error_at(const struct script_row *row, unsigned code)
{
    return (struct store_error){(int32_t)script_i64(row, code), script_str(row, code + 1),
                                script_str(row, code + 2)};
}

static void gather_attempt(struct script_store *self, const struct script_row *row,
                           struct store_attempt *attempt, int64_t *ret_due_us)
{
    *attempt = (struct store_attempt){
        .token = {script_u64(row, ATTEMPT_epoch), (uint32_t)script_i64(row, ATTEMPT_attempt)},
        .host = script_str(row, ATTEMPT_host),
        .module = script_str(row, ATTEMPT_module),
        .module_digest = script_str(row, ATTEMPT_module_digest),
        .started_us = script_i64(row, ATTEMPT_at_us),
    };
    const struct script_row *end = script_find_pair(
        self, STORE_TABLE_ATTEMPT_END, script_u64(row, ATTEMPT_seq), attempt->token.attempt);
    if (end == NULL)
        return;
    attempt->ended_us = script_i64(end, END_at_us);
    attempt->doubt = script_i64(end, END_doubt) != 0;
    attempt->error = error_at(end, END_code);
    *ret_due_us = script_i64(end, END_due_us);
}

/* The attempt whose start came with the outcome. */
static void attempt_of_outcome(const struct script_row *row, struct store_attempt *attempt)
{
    *attempt = (struct store_attempt){
        .token = {script_u64(row, OUTCOME_epoch), (uint32_t)script_i64(row, OUTCOME_attempt)},
        .host = script_str(row, OUTCOME_host),
        .module = script_str(row, OUTCOME_module),
        .module_digest = script_str(row, OUTCOME_module_digest),
        .started_us = script_i64(row, OUTCOME_started_us),
    };
}

static void gather_outcome(const struct script_row *row, struct store_task *task,
                           struct store_life *life)
{
    life->outcome = (enum store_state)script_i64(row, OUTCOME_state);
    life->ended_us = script_i64(row, OUTCOME_at_us);
    life->ended_by = (struct store_token){script_u64(row, OUTCOME_epoch),
                                          (uint32_t)script_i64(row, OUTCOME_attempt)};
    life->error = error_at(row, OUTCOME_code);
    if (script_i64(row, OUTCOME_started_us) != 0)
        attempt_of_outcome(row, &life->last);
    task->usage = (struct store_usage){
        script_i64(row, OUTCOME_queue_us), script_i64(row, OUTCOME_run_us),
        script_u64(row, OUTCOME_tokens_in), script_u64(row, OUTCOME_tokens_out),
        script_i64(row, OUTCOME_cost_nano_usd)};
    task->cursor = script_u64(row, OUTCOME_cursor);
    task->stream_digest = script_str(row, OUTCOME_stream_digest);
    task->result = script_str(row, OUTCOME_result);
}

static void gather_output(struct script_store *self, struct store_task *task,
                          const struct store_life *life)
{
    const struct script_row *ack = script_last(self, STORE_TABLE_ACK, task->seq);
    task->acked = ack != NULL ? script_u64(ack, ACK_cursor) : 0;
    script_each(self, STORE_TABLE_CHUNK, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_CHUNK, i);
        if (script_u64(row, CHUNK_seq) != task->seq)
            continue;
        if (life->outcome == 0 && script_u64(row, CHUNK_cursor) > task->cursor)
            task->cursor = script_u64(row, CHUNK_cursor);
        if (script_i64(row, CHUNK_attempt) == life->last.token.attempt &&
            script_u64(row, CHUNK_sequence) > task->chunk_sequence)
            task->chunk_sequence = script_u64(row, CHUNK_sequence);
    }
}

static struct store_mark_row mark_of(const struct script_row *row)
{
    return (struct store_mark_row){
        .number = (uint32_t)script_i64(row, MARK_number),
        .kind = (enum store_mark_kind)script_i64(row, MARK_kind),
        .attempt = (uint32_t)script_i64(row, MARK_attempt),
        .at_us = script_i64(row, MARK_at_us),
        .other = script_uuid(row, MARK_other),
        .note = script_str(row, MARK_note),
    };
}

static void gather_decision(struct script_store *self, const struct script_row *row,
                            struct store_task *task, struct store_life *life)
{
    task->decision =
        (struct store_decision){script_str(row, TASK_route), script_str(row, TASK_decision)};
    life->decided_us = task->decision.bytes.size > 0 ? store_seq_us(task->seq) : 0;
    const struct script_row *later = script_find(self, STORE_TABLE_DECISION, task->seq);
    if (later == NULL)
        return;
    task->decision = (struct store_decision){script_str(later, DECISION_route),
                                             script_str(later, DECISION_decision)};
    life->decided_us = script_i64(later, DECISION_at_us);
}

void script_gather(struct script_store *self, const struct script_row *row,
                   struct store_task *task, struct store_life *life)
{
    *life = (struct store_life){0};
    *task = (struct store_task){
        .id = script_uuid(row, TASK_id),
        .seq = script_u64(row, TASK_seq),
        .own_id = script_i64(row, TASK_own_id) != 0,
        .tenant = script_str(row, TASK_tenant),
        .intent = script_str(row, TASK_intent),
        .key_id = script_str(row, TASK_key_id),
        .priority = (uint32_t)script_i64(row, TASK_priority),
        .deadline_us = script_i64(row, TASK_deadline_us),
        .meta = script_str(row, TASK_meta),
        .body = script_str(row, TASK_body),
    };
    gather_decision(self, row, task, life);
    const struct script_row *attempt = script_last(self, STORE_TABLE_ATTEMPT, task->seq),
                            *outcome = script_find(self, STORE_TABLE_OUTCOME, task->seq);
    if (attempt != NULL)
        gather_attempt(self, attempt, &life->last, &life->due_us);
    script_each(self, STORE_TABLE_MARK,
                i) if (script_u64(script_at(self, STORE_TABLE_MARK, i), MARK_seq) == task->seq)
    {
        struct store_mark_row mark = mark_of(script_at(self, STORE_TABLE_MARK, i));
        store_life_mark(life, task, &mark);
    }
    if (outcome != NULL)
        gather_outcome(outcome, task, life);
    gather_output(self, task, life);
    store_derive(task, life);
}

/* -- giving ------------------------------------------------------------------------- */
static void give_error(struct store_op *op, struct store_error *error)
{
    error->reason = script_give(op, error->reason);
    error->message = script_give(op, error->message);
}

/* What every read gives; body, result and history are kept by those that give them. */
static void give_task(struct store_op *op, struct store_task *task)
{
    task->tenant = script_give(op, task->tenant);
    task->intent = script_give(op, task->intent);
    task->key_id = script_give(op, task->key_id);
    task->meta = script_give(op, task->meta);
    task->decision.route = script_give(op, task->decision.route);
    task->decision.bytes = script_give(op, task->decision.bytes);
    task->host = script_give(op, task->host);
    give_error(op, &task->error);
}

static void give_short(struct store_op *op, struct store_task *task)
{
    give_task(op, task);
    task->body = task->result = task->stream_digest = (aion_str){0};
    task->usage = (struct store_usage){0};
}

static size_t count_of(struct script_store *self, enum store_table table, uint64_t seq)
{
    size_t count = 0;
    script_each(self, table, i) count += script_u64(script_at(self, table, i), 0) == seq;
    return count;
}

static void give_attempts(struct script_store *self, struct store_op *op,
                          struct store_task *task, const struct store_life *life)
{
    size_t count = count_of(self, STORE_TABLE_ATTEMPT, task->seq);
    int64_t due_us;
    task->attempts = script_give_array(op, count + 1, sizeof(*task->attempts));
    if (task->attempts == NULL)
        return;
    script_each(self, STORE_TABLE_ATTEMPT,
                i) if (script_u64(script_at(self, STORE_TABLE_ATTEMPT, i), ATTEMPT_seq) ==
                       task->seq)
        gather_attempt(self, script_at(self, STORE_TABLE_ATTEMPT, i),
                       &task->attempts[task->attempt_count++], &due_us);
    if (life->last.token.attempt > (count > 0 ? task->attempts[count - 1].token.attempt : 0))
        task->attempts[task->attempt_count++] = life->last;
}

static void give_history(struct script_store *self, struct store_op *op,
                         struct store_task *task, const struct store_life *life)
{
    size_t count = count_of(self, STORE_TABLE_MARK, task->seq), next = 0;
    struct store_mark_row *marks = script_give_array(op, count, sizeof(*marks));
    give_attempts(self, op, task, life);
    if (op->err != NULL)
        return;
    script_each(self, STORE_TABLE_MARK,
                i) if (script_u64(script_at(self, STORE_TABLE_MARK, i), MARK_seq) == task->seq)
        marks[next++] = mark_of(script_at(self, STORE_TABLE_MARK, i));
    if (!store_derive_history(task, life, marks, count, op->arena))
        script_fail(op, AION_EXHAUSTED, NULL, "the answer is larger than allowed");
}

static void copy_history(struct store_op *op, struct store_task *task)
{
    for (size_t i = 0; i < task->attempt_count; i++) {
        struct store_attempt *attempt = &task->attempts[i];
        attempt->host = script_give(op, attempt->host);
        attempt->module = script_give(op, attempt->module);
        attempt->module_digest = script_give(op, attempt->module_digest);
        give_error(op, &attempt->error);
    }
    for (size_t i = 0; i < task->event_count; i++)
        task->events[i].note = script_give(op, task->events[i].note);
}

/* -- operations --------------------------------------------------------------------- */
void script_task_read(struct script_store *self, struct store_op *base)
{
    struct store_task_read *op = aion_container(base, struct store_task_read, op);
    const struct script_row *row = script_task_of(self, &op->id);
    struct store_life life;
    op->found = row != NULL &&
                (op->tenant.size == 0 || aion_str_eq(op->tenant, script_str(row, TASK_tenant)));
    if (!op->found)
        return;
    script_gather(self, row, &op->task, &life);
    if (op->with_history)
        give_history(self, base, &op->task, &life);
    copy_history(base, &op->task);
    give_task(base, &op->task);
    op->task.body = op->with_body ? script_give(base, op->task.body) : (aion_str){0};
    op->task.result = script_give(base, op->task.result);
    op->task.stream_digest = script_give(base, op->task.stream_digest);
}

void script_key_read(struct script_store *self, struct store_op *base)
{
    struct store_key_read *op = aion_container(base, struct store_key_read, op);
    op->found = false;
    script_each(self, STORE_TABLE_IDEMPOTENCY, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_IDEMPOTENCY, i);
        if (!aion_str_eq(script_str(row, KEY_tenant), op->tenant) ||
            !aion_str_eq(script_str(row, KEY_key), op->key))
            continue;
        op->found = true;
        op->id = script_uuid(row, KEY_id);
        op->seq = script_u64(row, KEY_seq);
        memcpy(op->digest, script_str(row, KEY_digest).data, sizeof(op->digest));
    }
}

static bool matches(aion_str wanted, aion_str value)
{
    return wanted.size == 0 || aion_str_eq(wanted, value);
}

static bool is_listed(const struct store_list *op, const struct store_task *task)
{
    return matches(op->tenant, task->tenant) && matches(op->intent, task->intent) &&
           matches(op->route, task->decision.route) &&
           (op->before == 0 || task->seq < op->before) && task->seq > op->after &&
           (op->states == 0 || (op->states >> task->state & 1) != 0) &&
           !(op->unreplayed && task->replayed);
}

/* The task with the greatest place below `before`, or the least above `after`. */
static const struct script_row *task_below(struct script_store *self, uint64_t before)
{
    const struct script_row *best = NULL;
    script_each(self, STORE_TABLE_TASK, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_TASK, i);
        if (script_u64(row, TASK_seq) < before &&
            (best == NULL || script_u64(row, TASK_seq) > script_u64(best, TASK_seq)))
            best = row;
    }
    return best;
}

static const struct script_row *task_above(struct script_store *self, uint64_t after)
{
    const struct script_row *best = NULL;
    script_each(self, STORE_TABLE_TASK, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_TASK, i);
        if (script_u64(row, TASK_seq) > after &&
            (best == NULL || script_u64(row, TASK_seq) < script_u64(best, TASK_seq)))
            best = row;
    }
    return best;
}

void script_list(struct script_store *self, struct store_op *base)
{
    struct store_list *op = aion_container(base, struct store_list, op);
    uint64_t before = op->before > 0 ? op->before : UINT64_MAX;
    const struct script_row *row;
    op->tasks = script_give_array(base, op->limit, sizeof(*op->tasks));
    op->count = 0;
    op->next = 0;
    while (base->err == NULL && op->count < op->limit &&
           (row = task_below(self, before)) != NULL) {
        struct store_task task;
        struct store_life life;
        before = script_u64(row, TASK_seq);
        script_gather(self, row, &task, &life);
        if (!is_listed(op, &task))
            continue;
        give_short(base, &task);
        op->tasks[op->count++] = task;
    }
    if (op->count == op->limit)
        op->next = before;
}

void script_load(struct script_store *self, struct store_op *base)
{
    struct store_load *op = aion_container(base, struct store_load, op);
    const struct script_row *row;
    op->tasks = script_give_array(base, op->limit, sizeof(*op->tasks));
    op->count = 0;
    op->next = op->after;
    while (base->err == NULL && op->count < op->limit &&
           (row = task_above(self, op->next)) != NULL) {
        struct store_task task;
        struct store_life life;
        op->next = script_u64(row, TASK_seq);
        script_gather(self, row, &task, &life);
        if (store_state_final(task.state) || (op->shards >> store_seq_shard(task.seq) & 1) == 0)
            continue;
        give_short(base, &task);
        op->tasks[op->count++] = task;
    }
    op->more = op->count == op->limit;
}

static struct store_chunk chunk_of(struct store_op *op, const struct script_row *row)
{
    return (struct store_chunk){
        .cursor = script_u64(row, CHUNK_cursor),
        .sequence = script_u64(row, CHUNK_sequence),
        .attempt = (uint32_t)script_i64(row, CHUNK_attempt),
        .kind = (enum store_chunk_kind)script_i64(row, CHUNK_kind),
        .discard_from = script_u64(row, CHUNK_discard_from),
        .content_type = script_give(op, script_str(row, CHUNK_content_type)),
        .payload = script_give(op, script_str(row, CHUNK_payload)),
    };
}

void script_chunks_read(struct script_store *self, struct store_op *base)
{
    struct store_chunks_read *op = aion_container(base, struct store_chunks_read, op);
    const struct script_row *ack = script_last(self, STORE_TABLE_ACK, op->seq);
    uint64_t acked = ack != NULL ? script_u64(ack, ACK_cursor) : 0,
             after = op->after > acked ? op->after : acked;
    size_t bytes = 0;
    op->count = 0;
    op->more = false;
    op->chunks = script_give_array(base, op->limit, sizeof(*op->chunks));
    script_each(self, STORE_TABLE_CHUNK, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_CHUNK, i);
        if (base->err != NULL || script_u64(row, CHUNK_seq) != op->seq ||
            script_u64(row, CHUNK_cursor) <= after)
            continue;
        op->more = op->count == op->limit || (op->count > 0 && bytes >= op->bytes_max);
        if (op->more)
            return;
        op->chunks[op->count++] = chunk_of(base, row);
        bytes += script_str(row, CHUNK_payload).size;
    }
}
