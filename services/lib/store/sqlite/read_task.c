/* One task, read: its row and its facts, put together by store_derive. Copied into the
 * operation's arena. Lists and loads read their rows here, too. */
#include "store/sqlite/sqlite_private.h"

enum { HISTORY_MAX = 1000 }; /* attempts, marks given for one task */
enum { HAS_ATTEMPTS = 1, HAS_MARKS = 2, HAS_CHUNKS = 4, HAS_ACKS = 8 };

/* -- rows --------------------------------------------------------------------------- */
static struct store_error get_error(struct sql_use *use, struct aion_arena *arena)
{
    struct store_error error = {.code = (int32_t)sql_get_i64(use)};
    error.reason = sql_get_str(use, arena);
    error.message = sql_get_str(use, arena);
    return error;
}

static void get_admission(struct sql_use *use, struct store_task *task,
                          struct aion_arena *arena)
{
    *task = (struct store_task){.seq = sql_get_u64(use)};
    sql_get_uuid(use, &task->id);
    task->own_id = sql_get_i64(use) != 0;
    task->tenant = sql_get_str(use, arena);
    task->intent = sql_get_str(use, arena);
    task->key_id = sql_get_str(use, arena);
    task->priority = (uint32_t)sql_get_i64(use);
    task->deadline_us = sql_get_i64(use);
    task->decision.route = sql_get_str(use, arena);
    task->meta = sql_get_str(use, arena);
    task->decision.bytes = sql_get_str(use, arena);
}

static void get_decision(struct sql_use *use, struct store_task *task, struct store_life *life,
                         struct aion_arena *arena)
{
    life->decided_us = sql_get_i64(use);
    if (life->decided_us != 0) {
        task->decision.route = sql_get_str(use, arena);
        task->decision.bytes = sql_get_str(use, arena);
        return;
    }
    sql_skip(use, 2);
    if (task->decision.bytes.size > 0)
        life->decided_us = store_seq_us(task->seq);
}

static void get_outcome(struct sql_use *use, struct store_task *task, struct store_life *life,
                        struct aion_arena *arena)
{
    life->outcome = (enum store_state)sql_get_i64(use);
    life->ended_by.epoch = sql_get_u64(use);
    life->ended_by.attempt = (uint32_t)sql_get_i64(use);
    life->ended_us = sql_get_i64(use);
    life->error = get_error(use, arena);
    task->cursor = sql_get_u64(use);
    int64_t started_us = sql_get_i64(use);
    aion_str host = sql_get_str(use, arena);
    if (started_us != 0)
        life->last = (struct store_attempt){
            .token = life->ended_by, .host = host, .started_us = started_us};
}

static void get_attempt(struct sql_use *use, struct store_attempt *attempt, int64_t *ret_due_us,
                        struct aion_arena *arena)
{
    *attempt = (struct store_attempt){.token.attempt = (uint32_t)sql_get_i64(use)};
    attempt->token.epoch = sql_get_u64(use);
    attempt->started_us = sql_get_i64(use);
    attempt->host = sql_get_str(use, arena);
    attempt->module = sql_get_str(use, arena);
    attempt->module_digest = sql_get_str(use, arena);
    attempt->ended_us = sql_get_i64(use);
    *ret_due_us = sql_get_i64(use);
    attempt->doubt = sql_get_i64(use) != 0;
    if (attempt->ended_us != 0)
        attempt->error = get_error(use, arena);
}

static struct store_mark_row get_mark(struct sql_use *use, struct aion_arena *arena)
{
    struct store_mark_row mark = {.number = (uint32_t)sql_get_i64(use)};
    mark.kind = (enum store_mark_kind)sql_get_i64(use);
    mark.attempt = (uint32_t)sql_get_i64(use);
    mark.at_us = sql_get_i64(use);
    sql_get_uuid(use, &mark.other);
    mark.note = sql_get_str(use, arena);
    return mark;
}

/* -- the facts behind a row --------------------------------------------------------- */
static bool read_last_attempt(struct sqlite_conn *conn, int64_t set, uint64_t seq,
                              struct store_life *life, struct aion_arena *arena)
{
    struct sql_use use = sql_use_in(conn, SQL_ATTEMPT_READ_LAST, set);
    sql_u64(&use, seq);
    if (sql_row(&use))
        get_attempt(&use, &life->last, &life->due_us, arena);
    return sql_end(&use);
}

static bool read_marks(struct sqlite_conn *conn, int64_t set, struct store_task *task,
                       struct store_life *life)
{
    struct sql_use use = sql_use_in(conn, SQL_MARK_READ, set);
    sql_u64(&use, task->seq);
    sql_i64(&use, INT64_MAX);
    while (sql_row(&use)) {
        struct store_mark_row mark = get_mark(&use, NULL);
        store_life_mark(life, task, &mark);
    }
    return sql_end(&use);
}

static bool read_output(struct sqlite_conn *conn, int64_t set, struct store_task *task,
                        const struct store_life *life)
{
    struct sql_use use = sql_use_in(conn, SQL_CHUNK_LAST, set);
    sql_u64(&use, task->seq);
    if (sql_row(&use)) {
        uint64_t cursor = sql_get_u64(&use);
        if (life->outcome == 0)
            task->cursor = cursor;
        task->acked = sql_get_u64(&use);
    }
    return sql_end(&use);
}

bool sqlite_get_task(struct sqlite_conn *conn, int64_t set, struct sql_use *row,
                     struct store_task *task, struct store_life *life, struct aion_arena *arena)
{
    *life = (struct store_life){0};
    get_admission(row, task, arena);
    get_decision(row, task, life, arena);
    get_outcome(row, task, life, arena);
    int64_t has = sql_get_i64(row);
    if ((has & HAS_ATTEMPTS) != 0 && life->last.token.attempt == 0 &&
        !read_last_attempt(conn, set, task->seq, life, arena))
        return false;
    if ((has & HAS_MARKS) != 0 && !read_marks(conn, set, task, life))
        return false;
    if ((has & (HAS_CHUNKS | HAS_ACKS)) != 0 && !read_output(conn, set, task, life))
        return false;
    store_derive(task, life);
    return conn->rc == SQLITE_OK;
}

/* -- the rest of one task ----------------------------------------------------------- */
static bool read_result(struct sqlite_conn *conn, int64_t set, struct store_task *task,
                        struct store_life *life, struct aion_arena *arena)
{
    if (life->outcome == 0)
        return true;
    struct sql_use use = sql_use_in(conn, SQL_TASK_RESULT, set);
    sql_u64(&use, task->seq);
    if (sql_row(&use)) {
        task->usage.queue_us = sql_get_i64(&use);
        task->usage.run_us = sql_get_i64(&use);
        task->usage.tokens_in = sql_get_u64(&use);
        task->usage.tokens_out = sql_get_u64(&use);
        task->usage.cost_nano_usd = sql_get_i64(&use);
        aion_str module = sql_get_str(&use, arena), digest = sql_get_str(&use, arena);
        if (module.size > 0) { /* the start came with the end */
            life->last.module = module;
            life->last.module_digest = digest;
        }
        task->stream_digest = sql_get_str(&use, arena);
        task->result = sql_get_str(&use, arena);
    }
    return sql_end(&use);
}

static bool read_body(struct sqlite_conn *conn, int64_t set, struct store_task *task,
                      struct aion_arena *arena)
{
    struct sql_use use = sql_use_in(conn, SQL_TASK_BODY, set);
    sql_u64(&use, task->seq);
    if (sql_row(&use))
        task->body = sql_get_str(&use, arena);
    return sql_end(&use);
}

/* -- history ------------------------------------------------------------------------ */
static bool count_rows(struct sqlite_conn *conn, enum sql_id query, int64_t set, uint64_t seq,
                       size_t *ret_count)
{
    struct sql_use use = sql_use_in(conn, query, set);
    sql_u64(&use, seq);
    int64_t count = sql_row(&use) ? sql_get_i64(&use) : 0;
    *ret_count = count < HISTORY_MAX ? (size_t)count : HISTORY_MAX;
    return sql_end(&use);
}

void *sqlite_make_array(struct sqlite_conn *conn, struct aion_arena *arena, size_t count,
                        size_t size)
{
    void *array = aion_arena_array(arena, count, size);
    if (array == NULL)
        sqlite_conn_failed(conn, SQLITE_TOOBIG);
    return array;
}

static bool read_attempts(struct sqlite_conn *conn, int64_t set, struct store_task *task,
                          const struct store_life *life, struct aion_arena *arena)
{
    size_t count;
    int64_t due_us;
    if (!count_rows(conn, SQL_ATTEMPT_COUNT, set, task->seq, &count) ||
        (task->attempts = sqlite_make_array(conn, arena, count + 1, sizeof(*task->attempts))) ==
            NULL)
        return false;
    struct sql_use use = sql_use_in(conn, SQL_ATTEMPT_READ, set);
    sql_u64(&use, task->seq);
    sql_u64(&use, count);
    while (task->attempt_count < count && sql_row(&use))
        get_attempt(&use, &task->attempts[task->attempt_count++], &due_us, arena);
    uint32_t newest = count > 0 ? task->attempts[count - 1].token.attempt : 0;
    if (life->last.token.attempt > newest)
        task->attempts[task->attempt_count++] = life->last;
    return sql_end(&use);
}

static bool read_history(struct sqlite_conn *conn, int64_t set, struct store_task *task,
                         const struct store_life *life, struct aion_arena *arena)
{
    struct store_mark_row *marks;
    size_t count, got = 0;
    if (!read_attempts(conn, set, task, life, arena) ||
        !count_rows(conn, SQL_MARK_COUNT, set, task->seq, &count) ||
        (marks = sqlite_make_array(conn, arena, count, sizeof(*marks))) == NULL)
        return false;
    struct sql_use use = sql_use_in(conn, SQL_MARK_READ, set);
    sql_u64(&use, task->seq);
    sql_u64(&use, count);
    while (got < count && sql_row(&use))
        marks[got++] = get_mark(&use, arena);
    if (!sql_end(&use))
        return false;
    return store_derive_history(task, life, marks, got, arena) ||
           sqlite_conn_failed(conn, SQLITE_TOOBIG);
}

/* -- operations --------------------------------------------------------------------- */
/* Where a task of this id would be: as the id says, or as the table of own ids does. */
static bool find_place(struct sqlite_conn *conn, const struct store_task_read *op,
                       uint64_t *ret_seq)
{
    *ret_seq = op->seq != 0 ? op->seq : store_seq_of(&op->id);
    if (op->seq != 0)
        return true;
    struct sql_use use = sql_use(conn, SQL_OWN_READ);
    sql_uuid(&use, &op->id);
    if (sql_row(&use))
        *ret_seq = sql_get_u64(&use);
    return sql_end(&use);
}

static bool read_row(struct sqlite_conn *conn, struct store_task_read *op, uint64_t seq,
                     int64_t set, struct store_life *life)
{
    struct sql_use use = sql_use_in(conn, SQL_TASK_READ, set);
    sql_u64(&use, seq);
    op->found = sql_row(&use) &&
                sqlite_get_task(conn, set, &use, &op->task, life, op->op.arena) &&
                aion_uuid_eq(&op->task.id, &op->id) &&
                (op->tenant.size == 0 || aion_str_eq(op->tenant, op->task.tenant));
    return sql_end(&use);
}

bool sqlite_task_read(struct sqlite_store *self, struct sqlite_conn *conn,
                      struct store_op *base)
{
    struct store_task_read *op = aion_container(base, struct store_task_read, op);
    struct store_life life;
    uint64_t seq;
    (void)self;
    op->found = false;
    if (!find_place(conn, op, &seq))
        return false;
    int64_t set = sqlite_set_of(conn, seq);
    if (seq == 0 || set == SQLITE_NOWHERE)
        return true;
    if (!read_row(conn, op, seq, set, &life))
        return false;
    return !op->found ||
           (read_result(conn, set, &op->task, &life, base->arena) &&
            (!op->with_body || read_body(conn, set, &op->task, base->arena)) &&
            (!op->with_history || read_history(conn, set, &op->task, &life, base->arena)));
}

bool sqlite_key_read(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_key_read *op = aion_container(base, struct store_key_read, op);
    const struct sqlite_windows *windows = &conn->windows[SQLITE_KEYS];
    (void)self;
    op->found = false;
    for (size_t i = windows->count; i > 0 && !op->found; i--) {
        struct sql_use use = sql_use_in(conn, SQL_KEY_READ, windows->items[i - 1].number);
        sql_text(&use, op->tenant);
        sql_text(&use, op->key);
        op->found = sql_row(&use);
        if (op->found) {
            sql_get_uuid(&use, &op->id);
            op->seq = sql_get_u64(&use);
            aion_str digest = sql_get_str(&use, NULL);
            memcpy(op->digest, digest.data, digest.size < 32 ? digest.size : 32);
        }
        if (!sql_end(&use))
            return false;
    }
    return true;
}

static size_t get_chunk(struct sql_use *row, struct store_chunk *chunk,
                        struct aion_arena *arena)
{
    chunk->cursor = sql_get_u64(row);
    chunk->attempt = (uint32_t)sql_get_i64(row);
    chunk->sequence = sql_get_u64(row);
    chunk->kind = (enum store_chunk_kind)sql_get_i64(row);
    chunk->discard_from = sql_get_u64(row);
    chunk->content_type = sql_get_str(row, arena);
    chunk->payload = sql_get_str(row, arena);
    return chunk->payload.size;
}

static bool read_acked(struct sqlite_conn *conn, int64_t set, uint64_t seq, uint64_t *ret_acked)
{
    struct sql_use use = sql_use_in(conn, SQL_CHUNK_LAST, set);
    sql_u64(&use, seq);
    *ret_acked = 0;
    if (sql_row(&use)) {
        sql_skip(&use, 1);
        *ret_acked = sql_get_u64(&use);
    }
    return sql_end(&use);
}

bool sqlite_chunks_read(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_chunks_read *op = aion_container(base, struct store_chunks_read, op);
    int64_t set = sqlite_set_of(conn, op->seq);
    uint64_t acked;
    size_t bytes = 0;
    (void)self;
    op->count = 0;
    op->more = false;
    op->chunks = sqlite_make_array(conn, base->arena, op->limit, sizeof(*op->chunks));
    if (op->chunks == NULL || set == SQLITE_NOWHERE)
        return op->chunks != NULL;
    if (!read_acked(conn, set, op->seq, &acked))
        return false;
    struct sql_use use = sql_use_in(conn, SQL_CHUNK_READ, set);
    sql_u64(&use, op->seq);
    sql_u64(&use, op->after > acked ? op->after : acked);
    sql_i64(&use, (int64_t)op->limit + 1);
    while (!op->more && sql_row(&use)) {
        op->more = op->count == op->limit || (op->count > 0 && bytes >= op->bytes_max);
        if (!op->more)
            bytes += get_chunk(&use, &op->chunks[op->count++], base->arena);
    }
    return sql_end(&use);
}
