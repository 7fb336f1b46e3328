/* Reads of tasks: one, a tenant's page, the unfinished ones. Rows are copied into the
 * operation's arena. */
#include "store/sqlite/sqlite_private.h"

enum {
    HISTORY_MAX = 1000, /* attempts, events given for one task */
    SCAN_MAX = 5000,    /* rows tried for one page of a filtered list */
};

/* -- rows --------------------------------------------------------------------------- */
static void get_error(struct sql_use *use, struct store_error *error, struct aion_arena *arena)
{
    error->code = (int32_t)sql_get_i64(use);
    error->reason = sql_get_str(use, arena);
    error->message = sql_get_str(use, arena);
}

/* Columns of the live row and of its last attempt's end; all NULL (0) for a final task. */
static void get_live(struct sql_use *use, struct store_task *task, struct aion_arena *arena)
{
    task->state = (enum store_state)sql_get_i64(use);
    task->token.epoch = sql_get_u64(use);
    task->token.attempt = (uint32_t)sql_get_i64(use);
    task->updated_us = sql_get_i64(use);
    task->due_us = sql_get_i64(use);
    get_error(use, &task->error, arena);
    if (task->state != STORE_RETRY_WAIT)
        task->error =
            (struct store_error){0}; /* an earlier attempt's, once the next one runs */
}

static void get_outcome(struct sql_use *use, struct store_task *task, struct aion_arena *arena)
{
    if (task->state != 0) {
        sql_skip(use, 8);
        return;
    }
    task->state = (enum store_state)sql_get_i64(use);
    task->token.epoch = sql_get_u64(use);
    task->token.attempt = (uint32_t)sql_get_i64(use);
    task->updated_us = sql_get_i64(use);
    get_error(use, &task->error, arena);
    task->cursor = sql_get_u64(use);
}

/* One row of SQL_TASK_COLUMNS. */
static void get_task(struct sql_use *use, struct store_task *task, struct aion_arena *arena)
{
    *task = (struct store_task){.sequence = sql_get_u64(use)};
    sql_get_uuid(use, &task->id);
    task->tenant = sql_get_str(use, arena);
    task->intent = sql_get_str(use, arena);
    task->priority = (uint32_t)sql_get_i64(use);
    task->created_us = sql_get_i64(use);
    task->deadline_us = sql_get_i64(use);
    task->meta = sql_get_str(use, arena);
    get_live(use, task, arena);
    get_outcome(use, task, arena);
    task->acked = sql_get_u64(use);
    uint32_t attempt = (uint32_t)sql_get_i64(use);
    uint64_t sequence = sql_get_u64(use);
    task->chunk_sequence = attempt == task->token.attempt ? sequence : 0;
    task->decision = sql_get_str(use, arena);
}

/* The newest chunk of an unfinished task. */
static bool read_cursor(struct sqlite_conn *conn, struct store_task *task)
{
    if (store_state_final(task->state))
        return true;
    struct sql_use use = sql_use(conn, SQL_CHUNK_LAST);
    sql_u64(&use, task->sequence);
    if (sql_row(&use))
        task->cursor = sql_get_u64(&use);
    return sql_end(&use);
}

/* -- one task ----------------------------------------------------------------------- */
static bool read_outcome(struct sqlite_conn *conn, struct store_task *task,
                         struct aion_arena *arena)
{
    if (!store_state_final(task->state))
        return true;
    struct sql_use use = sql_use(conn, SQL_TASK_OUTCOME);
    sql_u64(&use, task->sequence);
    if (sql_row(&use)) {
        task->usage.queue_us = sql_get_i64(&use);
        task->usage.run_us = sql_get_i64(&use);
        task->usage.tokens_in = sql_get_u64(&use);
        task->usage.tokens_out = sql_get_u64(&use);
        task->usage.cost_nano_usd = sql_get_i64(&use);
        task->stream_digest = sql_get_str(&use, arena);
        task->result = sql_get_str(&use, arena);
    }
    return sql_end(&use);
}

static bool read_body(struct sqlite_conn *conn, struct store_task *task,
                      struct aion_arena *arena)
{
    struct sql_use use = sql_use(conn, SQL_TASK_BODY);
    sql_u64(&use, task->sequence);
    if (sql_row(&use))
        task->body = sql_get_str(&use, arena);
    return sql_end(&use);
}

static bool count_rows(struct sqlite_conn *conn, enum sql_id query, uint64_t task,
                       size_t *ret_count)
{
    struct sql_use use = sql_use(conn, query);
    sql_u64(&use, task);
    int64_t count = sql_row(&use) ? sql_get_i64(&use) : 0;
    *ret_count = count < HISTORY_MAX ? (size_t)count : HISTORY_MAX;
    return sql_end(&use);
}

/* Room for `count` of something, or the connection's failure. */
static void *make_array(struct sqlite_conn *conn, struct aion_arena *arena, size_t count,
                        size_t size)
{
    void *array = aion_arena_array(arena, count, size);
    if (array == NULL)
        sqlite_conn_failed(conn, SQLITE_TOOBIG);
    return array;
}

/* The end of the last attempt is the task's own. */
static void get_attempt(struct sql_use *use, const struct store_task *task,
                        struct store_attempt *attempt, struct aion_arena *arena)
{
    attempt->token.attempt = (uint32_t)sql_get_i64(use);
    attempt->token.epoch = sql_get_u64(use);
    attempt->started_us = sql_get_i64(use);
    attempt->host = sql_get_str(use, arena);
    attempt->module = sql_get_str(use, arena);
    attempt->module_digest = sql_get_str(use, arena);
    attempt->ended_us = sql_get_i64(use);
    get_error(use, &attempt->error, arena);
    if (attempt->ended_us == 0 && store_state_final(task->state)) {
        attempt->ended_us = task->updated_us;
        attempt->error = task->error;
    }
}

static bool read_attempts(struct sqlite_conn *conn, struct store_task *task,
                          struct aion_arena *arena)
{
    size_t count;
    if (!count_rows(conn, SQL_ATTEMPT_COUNT, task->sequence, &count))
        return false;
    task->attempts = make_array(conn, arena, count, sizeof(*task->attempts));
    if (task->attempts == NULL)
        return false;
    struct sql_use use = sql_use(conn, SQL_ATTEMPT_READ);
    sql_u64(&use, task->sequence);
    sql_u64(&use, count);
    while (task->attempt_count < count && sql_row(&use))
        get_attempt(&use, task, &task->attempts[task->attempt_count++], arena);
    return sql_end(&use);
}

static bool read_events(struct sqlite_conn *conn, struct store_task *task,
                        struct aion_arena *arena)
{
    size_t count;
    if (!count_rows(conn, SQL_EVENT_COUNT, task->sequence, &count))
        return false;
    task->events = make_array(conn, arena, count, sizeof(*task->events));
    if (task->events == NULL)
        return false;
    struct sql_use use = sql_use(conn, SQL_EVENT_READ);
    sql_u64(&use, task->sequence);
    sql_u64(&use, count);
    while (task->event_count < count && sql_row(&use)) {
        struct store_event *event = &task->events[task->event_count++];
        event->kinds = (uint32_t)sql_get_i64(&use);
        event->attempt = (uint32_t)sql_get_i64(&use);
        event->at_us = sql_get_i64(&use);
        event->note = sql_get_str(&use, arena);
    }
    return sql_end(&use);
}

bool sqlite_task_read(struct sqlite_store *self, struct sqlite_conn *conn,
                      struct store_op *base)
{
    struct store_task_read *op = aion_container(base, struct store_task_read, op);
    struct store_task *task = &op->task;
    (void)self;
    struct sql_use use = sql_use(conn, SQL_TASK_READ);
    sql_uuid(&use, &op->id);
    op->found = sql_row(&use);
    if (op->found)
        get_task(&use, task, base->arena);
    if (!sql_end(&use))
        return false;
    op->found = op->found && (op->tenant.size == 0 || aion_str_eq(op->tenant, task->tenant));
    if (!op->found)
        return true;
    return read_cursor(conn, task) && read_outcome(conn, task, base->arena) &&
           (!op->with_body || read_body(conn, task, base->arena)) &&
           (!op->with_history ||
            (read_attempts(conn, task, base->arena) && read_events(conn, task, base->arena)));
}

bool sqlite_key_read(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_key_read *op = aion_container(base, struct store_key_read, op);
    (void)self;
    struct sql_use use = sql_use(conn, SQL_KEY_READ);
    sql_text(&use, op->tenant);
    sql_text(&use, op->key);
    op->found = sql_row(&use);
    if (op->found) {
        sql_get_uuid(&use, &op->id);
        aion_str digest = sql_get_str(&use, NULL);
        memset(op->digest, 0, sizeof(op->digest));
        if (digest.size == sizeof(op->digest))
            memcpy(op->digest, digest.data, digest.size);
    }
    return sql_end(&use);
}

/* -- lists -------------------------------------------------------------------------- */
static bool passes(const struct store_list *op, const struct store_task *task)
{
    return (op->states == 0 || (op->states >> task->state & 1) != 0) &&
           (op->intent.size == 0 || aion_str_eq(op->intent, task->intent));
}

/* Fills the page; *ret_tried counts the rows seen and *ret_last is the sequence of the last of
 * them. */
static bool fill_page(struct sql_use *use, struct store_list *op, size_t *ret_tried,
                      uint64_t *ret_last)
{
    while (op->count < op->limit && sql_row(use)) {
        struct store_task *task = &op->tasks[op->count];
        get_task(use, task, op->op.arena);
        ++*ret_tried;
        *ret_last = task->sequence;
        op->count += passes(op, task);
    }
    return sql_end(use);
}

bool sqlite_list(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_list *op = aion_container(base, struct store_list, op);
    bool filtered = op->states != 0 || op->intent.size > 0;
    size_t rows_max = filtered ? SCAN_MAX : op->limit, tried = 0;
    uint64_t last = 0;
    (void)self;
    op->count = 0;
    op->tasks = make_array(conn, base->arena, op->limit, sizeof(*op->tasks));
    if (op->tasks == NULL)
        return false;
    struct sql_use use = sql_use(conn, SQL_TASK_LIST);
    sql_text(&use, op->tenant);
    sql_i64(&use, op->before == 0 || op->before > INT64_MAX ? INT64_MAX : (int64_t)op->before);
    sql_u64(&use, rows_max);
    if (!fill_page(&use, op, &tried, &last))
        return false;
    op->next = op->count == op->limit || tried == rows_max ? last : 0;
    for (size_t i = 0; i < op->count; i++)
        if (!read_cursor(conn, &op->tasks[i]))
            return false;
    return true;
}

/* -- loading ------------------------------------------------------------------------ */
static bool read_attempt_host(struct sqlite_conn *conn, struct store_task *task,
                              struct aion_arena *arena)
{
    struct sql_use host = sql_use(conn, SQL_ATTEMPT_HOST);
    sql_u64(&host, task->sequence);
    sql_i64(&host, task->token.attempt);
    if (sql_row(&host))
        task->host = sql_get_str(&host, arena);
    if (!sql_end(&host))
        return false;
    struct sql_use chunk = sql_use(conn, SQL_ATTEMPT_CHUNK);
    sql_u64(&chunk, task->sequence);
    sql_i64(&chunk, task->token.attempt);
    uint64_t sequence = sql_row(&chunk) ? sql_get_u64(&chunk) : 0;
    if (sequence > task->chunk_sequence)
        task->chunk_sequence = sequence;
    return sql_end(&chunk);
}

bool sqlite_load(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_load *op = aion_container(base, struct store_load, op);
    (void)self;
    op->count = 0;
    op->tasks = make_array(conn, base->arena, op->limit, sizeof(*op->tasks));
    if (op->tasks == NULL)
        return false;
    struct sql_use use = sql_use(conn, SQL_TASK_LOAD);
    sql_u64(&use, op->after);
    sql_u64(&use, op->limit);
    while (op->count < op->limit && sql_row(&use))
        get_task(&use, &op->tasks[op->count++], base->arena);
    if (!sql_end(&use))
        return false;
    op->more = op->count == op->limit;
    for (size_t i = 0; i < op->count; i++)
        if (!read_cursor(conn, &op->tasks[i]) ||
            (op->tasks[i].token.attempt > 0 &&
             !read_attempt_host(conn, &op->tasks[i], base->arena)))
            return false;
    return true;
}

/* -- output ------------------------------------------------------------------------- */
static void get_chunk(struct sql_use *use, struct store_chunk *chunk, struct aion_arena *arena)
{
    chunk->cursor = sql_get_u64(use);
    chunk->attempt = (uint32_t)sql_get_i64(use);
    chunk->sequence = sql_get_u64(use);
    chunk->kind = (enum store_chunk_kind)sql_get_i64(use);
    chunk->discard_from = sql_get_u64(use);
    chunk->content_type = sql_get_str(use, arena);
    chunk->payload = sql_get_str(use, arena);
}

bool sqlite_chunks_read(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_chunks_read *op = aion_container(base, struct store_chunks_read, op);
    size_t bytes = 0;
    (void)self;
    op->count = 0;
    op->chunks = make_array(conn, base->arena, op->limit, sizeof(*op->chunks));
    if (op->chunks == NULL)
        return false;
    struct sql_use use = sql_use(conn, SQL_CHUNK_READ);
    sql_uuid(&use, &op->id);
    sql_i64(&use, op->after > INT64_MAX ? INT64_MAX : (int64_t)op->after);
    sql_i64(&use, (int64_t)op->limit + 1);
    bool row;
    while ((row = sql_row(&use)) && op->count < op->limit &&
           (op->count == 0 || bytes < op->bytes_max)) {
        get_chunk(&use, &op->chunks[op->count], base->arena);
        bytes += op->chunks[op->count++].payload.size;
    }
    op->more = row;
    return sql_end(&use);
}
