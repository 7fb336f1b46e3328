/* Tasks in memory: the contract's meaning in the plainest words, to hold the other drivers to.
 */
#include "store/script/script_private.h"

#include <stdlib.h>

static struct script_task *task_at(const struct script_store *self, size_t index)
{
    return *(struct script_task **)script_rows_at(&self->tasks, index);
}

struct script_task *script_find(const struct script_store *self, const struct aion_uuid *id)
{
    for (size_t i = 0; i < self->tasks.count; i++)
        if (aion_uuid_eq(&task_at(self, i)->row.id, id))
            return task_at(self, i);
    return NULL;
}

void script_task_free(struct script_task *task)
{
    free(task->attempts.items);
    free(task->events.items);
    free(task->chunks.items);
    free(task);
}

static void add_event(struct script_store *self, struct script_task *task, uint32_t kinds,
                      uint32_t attempt, int64_t at_us, aion_str note)
{
    struct store_event *event = script_rows_add(&task->events);
    *event = (struct store_event){kinds, attempt, at_us, script_keep(self, note)};
    task->row.updated_us = at_us;
}

static bool same_token(struct store_token a, struct store_token b)
{
    return a.epoch == b.epoch && a.attempt == b.attempt;
}

static struct script_task *find_current(const struct script_store *self,
                                        const struct aion_uuid *id, struct store_token token)
{
    struct script_task *task = script_find(self, id);
    return task != NULL && task->live && same_token(task->row.token, token) ? task : NULL;
}

/* -- accept ------------------------------------------------------------------------- */
static struct script_key *find_key(const struct script_store *self, aion_str tenant,
                                   aion_str key)
{
    for (size_t i = 0; i < self->keys.count; i++) {
        struct script_key *row = script_rows_at(&self->keys, i);
        if (aion_str_eq(row->tenant, tenant) && aion_str_eq(row->key, key))
            return row;
    }
    return NULL;
}

static enum store_outcome compare_digest(const struct store_accept *op, const uint8_t *digest)
{
    return op->digest.size == 32 && memcmp(digest, op->digest.data, 32) == 0 ? STORE_DUPLICATE
                                                                             : STORE_CONFLICT;
}

static enum store_outcome find_first(struct script_store *self, struct store_accept *op)
{
    if (op->key.size > 0) {
        const struct script_key *key = find_key(self, op->tenant, op->key);
        if (key == NULL)
            return STORE_DONE;
        op->first = key->id;
        return compare_digest(op, key->digest);
    }
    const struct script_task *task = script_find(self, &op->id);
    if (task == NULL)
        return STORE_DONE;
    op->first = op->id;
    if (!aion_str_eq(task->row.tenant, op->tenant))
        return STORE_TAKEN;
    return task->has_digest ? compare_digest(op, task->digest) : STORE_CONFLICT;
}

static void add_key(struct script_store *self, const struct store_accept *op)
{
    struct script_key *key = script_rows_add(&self->keys);
    key->tenant = script_keep(self, op->tenant);
    key->key = script_keep(self, op->key);
    memcpy(key->digest, op->digest.data, 32);
    key->id = op->id;
    key->at_us = op->created_us;
}

static struct script_task *add_task(struct script_store *self, const struct store_accept *op)
{
    struct script_task *task = calloc(1, sizeof(*task));
    if (task == NULL)
        abort();
    *(struct script_task **)script_rows_add(&self->tasks) = task;
    task->attempts.size = sizeof(struct store_attempt);
    task->events.size = sizeof(struct store_event);
    task->chunks.size = sizeof(struct store_chunk);
    task->live = true;
    task->has_digest = op->key.size == 0 && op->digest.size == 32;
    if (task->has_digest)
        memcpy(task->digest, op->digest.data, 32);
    task->row = (struct store_task){
        .id = op->id,
        .sequence = op->sequence,
        .tenant = script_keep(self, op->tenant),
        .intent = script_keep(self, op->intent),
        .state = op->decision.size > 0 ? STORE_QUEUED : STORE_ACCEPTED,
        .priority = op->priority,
        .created_us = op->created_us,
        .deadline_us = op->deadline_us,
        .meta = script_keep(self, op->meta),
        .decision = script_keep(self, op->decision),
        .body = script_keep(self, op->body),
    };
    return task;
}

void script_accept(struct script_store *self, struct store_op *base)
{
    struct store_accept *op = aion_container(base, struct store_accept, op);
    op->outcome = find_first(self, op);
    if (op->outcome != STORE_DONE)
        return;
    self->sequence = self->sequence + 1 > (uint64_t)op->created_us ? self->sequence + 1
                                                                   : (uint64_t)op->created_us;
    op->sequence = self->sequence;
    struct script_task *task = add_task(self, op);
    if (op->key.size > 0)
        add_key(self, op);
    uint32_t routed = op->decision.size > 0 ? STORE_EVENT_ROUTED | STORE_EVENT_QUEUED : 0;
    add_event(self, task, STORE_EVENT_ACCEPTED | routed, 0, op->created_us, AION_STR(""));
}

void script_route(struct script_store *self, struct store_op *base)
{
    struct store_route *op = aion_container(base, struct store_route, op);
    struct script_task *task = script_find(self, &op->id);
    op->outcome = STORE_STALE;
    if (task == NULL || task->row.state != STORE_ACCEPTED)
        return;
    op->outcome = STORE_DONE;
    task->row.state = STORE_QUEUED;
    task->row.decision = script_keep(self, op->decision);
    add_event(self, task, STORE_EVENT_ROUTED | STORE_EVENT_QUEUED, 0, op->at_us, AION_STR(""));
}

/* -- attempts ----------------------------------------------------------------------- */
void script_start(struct script_store *self, struct store_op *base)
{
    struct store_start *op = aion_container(base, struct store_start, op);
    struct script_task *task = script_find(self, &op->id);
    op->outcome = STORE_STALE;
    if (task == NULL || !task->live || op->token.epoch < task->row.token.epoch ||
        op->token.attempt <= task->row.token.attempt)
        return;
    op->outcome = STORE_DONE;
    task->row.token = op->token;
    task->row.state = STORE_RUNNING;
    task->row.error = (struct store_error){0};
    task->row.chunk_sequence = 0;
    task->row.host = script_keep(self, op->host);
    struct store_attempt *attempt = script_rows_add(&task->attempts);
    attempt->token = op->token;
    attempt->host = task->row.host;
    attempt->module = script_keep(self, op->module);
    attempt->module_digest = script_keep(self, op->module_digest);
    attempt->started_us = op->at_us;
    add_event(self, task, STORE_EVENT_STARTED, op->token.attempt, op->at_us, op->host);
}

void script_resume(struct script_store *self, struct store_op *base)
{
    struct store_resume *op = aion_container(base, struct store_resume, op);
    struct script_task *task = find_current(self, &op->id, op->token);
    op->outcome = task != NULL ? STORE_DONE : STORE_STALE;
    if (task != NULL)
        add_event(self, task, STORE_EVENT_RESUMED, op->token.attempt, op->at_us, op->host);
}

static void add_chunks(struct script_store *self, struct script_task *task,
                       const struct store_chunk *chunks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct store_chunk *chunk = script_rows_add(&task->chunks);
        *chunk = chunks[i];
        chunk->content_type = script_keep(self, chunks[i].content_type);
        chunk->payload = script_keep(self, chunks[i].payload);
        task->row.cursor = chunk->cursor;
        if (chunk->attempt == task->row.token.attempt &&
            chunk->sequence > task->row.chunk_sequence)
            task->row.chunk_sequence = chunk->sequence;
    }
}

void script_chunks(struct script_store *self, struct store_op *base)
{
    struct store_chunks *op = aion_container(base, struct store_chunks, op);
    struct script_task *task = find_current(self, &op->id, op->token);
    op->outcome = task != NULL ? STORE_DONE : STORE_STALE;
    if (task != NULL)
        add_chunks(self, task, op->chunks, op->count);
}

static struct store_error keep_error(struct script_store *self, const struct store_error *error)
{
    return (struct store_error){error->code, script_keep(self, error->reason),
                                script_keep(self, error->message)};
}

static void end_attempt(struct script_task *task, int64_t at_us)
{
    if (task->attempts.count == 0)
        return;
    struct store_attempt *last = script_rows_at(&task->attempts, task->attempts.count - 1);
    if (last->ended_us != 0)
        return;
    last->ended_us = at_us;
    last->error = task->row.error;
}

void script_retry(struct script_store *self, struct store_op *base)
{
    struct store_retry *op = aion_container(base, struct store_retry, op);
    struct script_task *task = find_current(self, &op->id, op->token);
    op->outcome = STORE_STALE;
    if (task == NULL || task->row.state != STORE_RUNNING)
        return;
    op->outcome = STORE_DONE;
    add_chunks(self, task, op->chunks, op->count);
    task->row.state = STORE_RETRY_WAIT;
    task->row.due_us = op->due_us;
    task->row.error = keep_error(self, &op->error);
    end_attempt(task, op->at_us);
    add_event(self, task, STORE_EVENT_RETRY, op->token.attempt, op->at_us, op->error.reason);
}

static uint32_t event_of(enum store_state state)
{
    return (uint32_t)STORE_EVENT_SUCCEEDED << (state - STORE_SUCCEEDED);
}

void script_finish(struct script_store *self, struct store_op *base)
{
    struct store_finish *op = aion_container(base, struct store_finish, op);
    struct script_task *task = find_current(self, &op->id, op->token);
    op->outcome = STORE_STALE;
    if (task == NULL)
        return;
    op->outcome = STORE_DONE;
    add_chunks(self, task, op->chunks, op->count);
    task->live = false;
    task->row.state = op->state;
    task->row.due_us = 0;
    task->row.error = keep_error(self, &op->error);
    task->row.usage = op->usage;
    task->row.result = script_keep(self, op->result);
    task->row.stream_digest = script_keep(self, op->stream_digest);
    end_attempt(task, op->at_us);
    add_event(self, task, event_of(op->state), op->token.attempt, op->at_us, op->error.reason);
}

void script_ack(struct script_store *self, struct store_op *base)
{
    struct store_ack *op = aion_container(base, struct store_ack, op);
    struct script_task *task = script_find(self, &op->id);
    op->outcome = task != NULL ? STORE_DONE : STORE_STALE;
    if (task == NULL)
        return;
    uint64_t upto = op->cursor < task->row.cursor ? op->cursor : task->row.cursor;
    if (upto > task->row.acked)
        task->row.acked = upto;
    op->acked = task->row.acked;
    while (task->chunks.count > 0 &&
           ((struct store_chunk *)script_rows_at(&task->chunks, 0))->cursor <= task->row.acked)
        script_rows_remove(&task->chunks, 0);
}

/* -- reads -------------------------------------------------------------------------- */
static aion_str give(struct store_op *op, aion_str value)
{
    aion_str copy = aion_arena_str(op->arena, value);
    if (copy.data == NULL && op->err == NULL) {
        struct aion_err err;
        aion_err_set(&err, __func__, AION_EXHAUSTED, "the answer is larger than allowed");
        store_op_fail(op, &err);
    }
    return copy;
}

static void give_error(struct store_op *op, struct store_error *error)
{
    error->reason = give(op, error->reason);
    error->message = give(op, error->message);
}

/* What every read gives; body, result and history are added by those that give them. */
static void give_task(struct store_op *op, const struct script_task *task,
                      struct store_task *ret_task)
{
    *ret_task = task->row;
    ret_task->tenant = give(op, task->row.tenant);
    ret_task->intent = give(op, task->row.intent);
    ret_task->meta = give(op, task->row.meta);
    ret_task->decision = give(op, task->row.decision);
    ret_task->host = give(op, task->row.host);
    ret_task->body = ret_task->result = ret_task->stream_digest = (aion_str){0};
    ret_task->usage = (struct store_usage){0};
    give_error(op, &ret_task->error);
}

static void give_history(struct store_op *op, const struct script_task *task,
                         struct store_task *ret_task)
{
    ret_task->attempt_count = task->attempts.count;
    ret_task->attempts =
        aion_arena_array(op->arena, task->attempts.count, sizeof(struct store_attempt));
    for (size_t i = 0; i < task->attempts.count; i++) {
        struct store_attempt *attempt = &ret_task->attempts[i];
        *attempt = *(struct store_attempt *)script_rows_at(&task->attempts, i);
        attempt->host = give(op, attempt->host);
        attempt->module = give(op, attempt->module);
        attempt->module_digest = give(op, attempt->module_digest);
        give_error(op, &attempt->error);
    }
    ret_task->event_count = task->events.count;
    ret_task->events =
        aion_arena_array(op->arena, task->events.count, sizeof(struct store_event));
    for (size_t i = 0; i < task->events.count; i++) {
        ret_task->events[i] = *(struct store_event *)script_rows_at(&task->events, i);
        ret_task->events[i].note = give(op, ret_task->events[i].note);
    }
}

void script_task_read(struct script_store *self, struct store_op *base)
{
    struct store_task_read *op = aion_container(base, struct store_task_read, op);
    const struct script_task *task = script_find(self, &op->id);
    op->found =
        task != NULL && (op->tenant.size == 0 || aion_str_eq(op->tenant, task->row.tenant));
    if (!op->found)
        return;
    give_task(base, task, &op->task);
    op->task.usage = task->row.usage;
    op->task.result = give(base, task->row.result);
    op->task.stream_digest = give(base, task->row.stream_digest);
    if (op->with_body)
        op->task.body = give(base, task->row.body);
    if (op->with_history)
        give_history(base, task, &op->task);
}

void script_key_read(struct script_store *self, struct store_op *base)
{
    struct store_key_read *op = aion_container(base, struct store_key_read, op);
    const struct script_key *key = find_key(self, op->tenant, op->key);
    op->found = key != NULL;
    if (key == NULL)
        return;
    op->id = key->id;
    memcpy(op->digest, key->digest, sizeof(op->digest));
}

static bool is_listed(const struct store_list *op, const struct store_task *row)
{
    return aion_str_eq(row->tenant, op->tenant) &&
           (op->before == 0 || row->sequence < op->before) &&
           (op->states == 0 || (op->states >> row->state & 1) != 0) &&
           (op->intent.size == 0 || aion_str_eq(row->intent, op->intent));
}

void script_list(struct script_store *self, struct store_op *base)
{
    struct store_list *op = aion_container(base, struct store_list, op);
    op->tasks = aion_arena_array(base->arena, op->limit, sizeof(*op->tasks));
    op->count = 0;
    op->next = 0;
    for (size_t i = self->tasks.count; i > 0 && op->count < op->limit; i--)
        if (is_listed(op, &task_at(self, i - 1)->row))
            give_task(base, task_at(self, i - 1), &op->tasks[op->count++]);
    if (op->count == op->limit)
        op->next = op->tasks[op->count - 1].sequence;
}

void script_chunks_read(struct script_store *self, struct store_op *base)
{
    struct store_chunks_read *op = aion_container(base, struct store_chunks_read, op);
    const struct script_task *task = script_find(self, &op->id);
    size_t bytes = 0;
    op->count = 0;
    op->more = false;
    op->chunks = aion_arena_array(base->arena, op->limit, sizeof(*op->chunks));
    for (size_t i = 0; task != NULL && i < task->chunks.count; i++) {
        const struct store_chunk *chunk = script_rows_at(&task->chunks, i);
        if (chunk->cursor <= op->after)
            continue;
        op->more = op->count == op->limit || (op->count > 0 && bytes >= op->bytes_max);
        if (op->more)
            return;
        op->chunks[op->count] = *chunk;
        op->chunks[op->count].content_type = give(base, chunk->content_type);
        op->chunks[op->count++].payload = give(base, chunk->payload);
        bytes += chunk->payload.size;
    }
}

void script_load(struct script_store *self, struct store_op *base)
{
    struct store_load *op = aion_container(base, struct store_load, op);
    op->tasks = aion_arena_array(base->arena, op->limit, sizeof(*op->tasks));
    op->count = 0;
    for (size_t i = 0; i < self->tasks.count && op->count < op->limit; i++)
        if (task_at(self, i)->live && task_at(self, i)->row.sequence > op->after)
            give_task(base, task_at(self, i), &op->tasks[op->count++]);
    op->more = op->count == op->limit;
}
