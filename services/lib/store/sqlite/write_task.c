/* Writes of a task's life. Each finds the task's live row first and checks its token there: the
 * row exists exactly while the task is not final, so that one lookup tells final, gone and
 * stale apart from current. */
#include "store/sqlite/sqlite_private.h"

/* The live row of a task. */
struct live {
    uint64_t task; /* 0 = none */
    enum store_state state;
    struct store_token token;
};

static bool find_live(struct sqlite_conn *conn, const struct aion_uuid *id,
                      struct live *ret_live)
{
    struct sql_use use = sql_use(conn, SQL_LIVE_FIND);
    *ret_live = (struct live){0};
    sql_uuid(&use, id);
    if (sql_row(&use)) {
        ret_live->task = sql_get_u64(&use);
        ret_live->state = (enum store_state)sql_get_i64(&use);
        ret_live->token.epoch = sql_get_u64(&use);
        ret_live->token.attempt = (uint32_t)sql_get_i64(&use);
    }
    return sql_end(&use);
}

static bool is_current(const struct live *live, struct store_token token)
{
    return live->task != 0 && live->token.epoch == token.epoch &&
           live->token.attempt == token.attempt;
}

/* Epochs and attempts only grow. */
static bool is_next(const struct live *live, struct store_token token)
{
    return live->task != 0 && token.epoch >= live->token.epoch &&
           token.attempt > live->token.attempt;
}

static bool set_live(struct sqlite_conn *conn, uint64_t task, enum store_state state,
                     struct store_token token, int64_t at_us, int64_t due_us)
{
    struct sql_use use = sql_use(conn, SQL_LIVE_SET);
    sql_u64(&use, task);
    sql_i64(&use, (int64_t)state);
    sql_u64(&use, token.epoch);
    sql_i64(&use, token.attempt);
    sql_i64(&use, at_us);
    sql_i64(&use, due_us);
    return sql_run(&use);
}

static bool add_event(struct sqlite_conn *conn, uint64_t task, uint32_t kinds, uint32_t attempt,
                      int64_t at_us, aion_str note)
{
    struct sql_use use = sql_use(conn, SQL_EVENT_ADD);
    sql_u64(&use, task);
    sql_i64(&use, kinds);
    sql_i64(&use, attempt);
    sql_i64(&use, at_us);
    sql_text(&use, note);
    return sql_run(&use);
}

static bool add_decision(struct sqlite_conn *conn, uint64_t task, int64_t at_us,
                         aion_str decision)
{
    struct sql_use use = sql_use(conn, SQL_DECISION_ADD);
    sql_u64(&use, task);
    sql_i64(&use, at_us);
    sql_blob(&use, decision);
    return sql_run(&use);
}

/* -- accept ------------------------------------------------------------------------- */
static enum store_outcome compare_digest(const struct store_accept *op, aion_str digest)
{
    return digest.size > 0 && aion_str_eq(digest, op->digest) ? STORE_DUPLICATE
                                                              : STORE_CONFLICT;
}

static bool check_key(struct sqlite_conn *conn, struct store_accept *op)
{
    struct sql_use use = sql_use(conn, SQL_KEY_READ);
    sql_text(&use, op->tenant);
    sql_text(&use, op->key);
    if (sql_row(&use)) {
        sql_get_uuid(&use, &op->first);
        op->outcome = compare_digest(op, sql_get_str(&use, NULL));
    }
    return sql_end(&use);
}

static bool check_id(struct sqlite_conn *conn, struct store_accept *op)
{
    struct sql_use use = sql_use(conn, SQL_ID_FIND);
    sql_uuid(&use, &op->id);
    if (sql_row(&use)) {
        bool own = aion_str_eq(sql_get_str(&use, NULL), op->tenant);
        enum store_outcome compared = compare_digest(op, sql_get_str(&use, NULL));
        op->first = op->id;
        op->outcome = own ? compared : STORE_TAKEN;
    }
    return sql_end(&use);
}

static bool add_task(struct sqlite_conn *conn, const struct store_accept *op)
{
    struct sql_use use = sql_use(conn, SQL_TASK_ADD);
    sql_u64(&use, op->sequence);
    sql_uuid(&use, &op->id);
    sql_text(&use, op->tenant);
    sql_text(&use, op->intent);
    sql_i64(&use, op->priority);
    sql_i64(&use, op->created_us);
    sql_i64(&use, op->deadline_us);
    sql_blob(&use, op->key.size > 0 ? (aion_str){0} : op->digest);
    sql_blob(&use, op->meta);
    sql_blob(&use, op->body);
    return sql_run(&use);
}

static bool add_key(struct sqlite_conn *conn, const struct store_accept *op)
{
    struct sql_use use = sql_use(conn, SQL_KEY_ADD);
    sql_text(&use, op->tenant);
    sql_text(&use, op->key);
    sql_blob(&use, op->digest);
    sql_u64(&use, op->sequence);
    sql_uuid(&use, &op->id);
    sql_i64(&use, op->created_us);
    return sql_run(&use);
}

static bool add_live(struct sqlite_conn *conn, const struct store_accept *op)
{
    struct sql_use use = sql_use(conn, SQL_LIVE_ADD);
    sql_u64(&use, op->sequence);
    sql_i64(&use, op->decision.size > 0 ? STORE_QUEUED : STORE_ACCEPTED);
    sql_i64(&use, op->created_us);
    return sql_run(&use);
}

/* The place in the order of admission: its time in microseconds, made unique. */
static uint64_t next_sequence(struct sqlite_store *self, int64_t now_us)
{
    uint64_t sequence = self->sequence + 1;
    if (now_us > 0 && (uint64_t)now_us > sequence)
        sequence = (uint64_t)now_us;
    return self->sequence = sequence;
}

bool sqlite_accept(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_accept *op = aion_container(base, struct store_accept, op);
    op->outcome = STORE_DONE;
    if (!(op->key.size > 0 ? check_key(conn, op) : check_id(conn, op)))
        return false;
    if (op->outcome != STORE_DONE)
        return true;
    op->sequence = next_sequence(self, op->created_us);
    uint32_t routed = op->decision.size > 0 ? STORE_EVENT_ROUTED | STORE_EVENT_QUEUED : 0;
    return add_task(conn, op) && add_live(conn, op) &&
           (op->key.size == 0 || add_key(conn, op)) &&
           (routed == 0 || add_decision(conn, op->sequence, op->created_us, op->decision)) &&
           add_event(conn, op->sequence, STORE_EVENT_ACCEPTED | routed, 0, op->created_us,
                     AION_STR(""));
}

bool sqlite_route(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_route *op = aion_container(base, struct store_route, op);
    struct live live;
    (void)self;
    op->outcome = STORE_STALE;
    if (!find_live(conn, &op->id, &live))
        return false;
    if (live.task == 0 || live.state != STORE_ACCEPTED)
        return true;
    op->outcome = STORE_DONE;
    return add_decision(conn, live.task, op->at_us, op->decision) &&
           set_live(conn, live.task, STORE_QUEUED, live.token, op->at_us, 0) &&
           add_event(conn, live.task, STORE_EVENT_ROUTED | STORE_EVENT_QUEUED, 0, op->at_us,
                     AION_STR(""));
}

/* -- attempts ----------------------------------------------------------------------- */
static bool add_attempt(struct sqlite_conn *conn, uint64_t task, const struct store_start *op)
{
    struct sql_use use = sql_use(conn, SQL_ATTEMPT_ADD);
    sql_u64(&use, task);
    sql_i64(&use, op->token.attempt);
    sql_u64(&use, op->token.epoch);
    sql_i64(&use, op->at_us);
    sql_text(&use, op->host);
    sql_text(&use, op->module);
    sql_text(&use, op->module_digest);
    return sql_run(&use);
}

bool sqlite_start(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_start *op = aion_container(base, struct store_start, op);
    struct live live;
    (void)self;
    op->outcome = STORE_STALE;
    if (!find_live(conn, &op->id, &live))
        return false;
    if (!is_next(&live, op->token))
        return true;
    op->outcome = STORE_DONE;
    return add_attempt(conn, live.task, op) &&
           set_live(conn, live.task, STORE_RUNNING, op->token, op->at_us, 0) &&
           add_event(conn, live.task, STORE_EVENT_STARTED, op->token.attempt, op->at_us,
                     op->host);
}

bool sqlite_resume(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_resume *op = aion_container(base, struct store_resume, op);
    struct live live;
    (void)self;
    op->outcome = STORE_STALE;
    if (!find_live(conn, &op->id, &live))
        return false;
    if (!is_current(&live, op->token))
        return true;
    op->outcome = STORE_DONE;
    return add_event(conn, live.task, STORE_EVENT_RESUMED, op->token.attempt, op->at_us,
                     op->host);
}

static bool add_chunks(struct sqlite_conn *conn, uint64_t task,
                       const struct store_chunk *chunks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_chunk *chunk = &chunks[i];
        struct sql_use use = sql_use(conn, SQL_CHUNK_ADD);
        sql_u64(&use, task);
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

bool sqlite_chunks(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_chunks *op = aion_container(base, struct store_chunks, op);
    struct live live;
    (void)self;
    op->outcome = STORE_STALE;
    if (!find_live(conn, &op->id, &live))
        return false;
    if (!is_current(&live, op->token))
        return true;
    op->outcome = STORE_DONE;
    return add_chunks(conn, live.task, op->chunks, op->count);
}

static bool end_attempt(struct sqlite_conn *conn, uint64_t task, const struct store_retry *op)
{
    struct sql_use use = sql_use(conn, SQL_ATTEMPT_END);
    sql_u64(&use, task);
    sql_i64(&use, op->token.attempt);
    sql_i64(&use, op->at_us);
    sql_i64(&use, op->error.code);
    sql_text(&use, op->error.reason);
    sql_text(&use, op->error.message);
    return sql_run(&use);
}

bool sqlite_retry(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_retry *op = aion_container(base, struct store_retry, op);
    struct live live;
    (void)self;
    op->outcome = STORE_STALE;
    if (!find_live(conn, &op->id, &live))
        return false;
    if (!is_current(&live, op->token) || live.state != STORE_RUNNING)
        return true;
    op->outcome = STORE_DONE;
    return add_chunks(conn, live.task, op->chunks, op->count) &&
           end_attempt(conn, live.task, op) &&
           set_live(conn, live.task, STORE_RETRY_WAIT, live.token, op->at_us, op->due_us) &&
           add_event(conn, live.task, STORE_EVENT_RETRY, op->token.attempt, op->at_us,
                     op->error.reason);
}

/* -- the end ------------------------------------------------------------------------ */
static uint32_t event_of(enum store_state state)
{
    static const uint32_t events[STORE_STATES] = {
        [STORE_SUCCEEDED] = STORE_EVENT_SUCCEEDED, [STORE_FAILED] = STORE_EVENT_FAILED,
        [STORE_CANCELLED] = STORE_EVENT_CANCELLED, [STORE_EXPIRED] = STORE_EVENT_EXPIRED,
        [STORE_DEAD] = STORE_EVENT_DEAD,
    };
    return events[state];
}

/* A task without output never has chunks below the newest acknowledged one, so one query tells.
 */
static bool last_cursor(struct sqlite_conn *conn, uint64_t task, uint64_t *ret_cursor)
{
    struct sql_use use = sql_use(conn, SQL_CHUNK_LAST);
    sql_u64(&use, task);
    *ret_cursor = sql_row(&use) ? sql_get_u64(&use) : 0;
    return sql_end(&use);
}

static bool add_outcome(struct sqlite_conn *conn, uint64_t task, const struct store_finish *op,
                        uint64_t cursor)
{
    struct sql_use use = sql_use(conn, SQL_OUTCOME_ADD);
    sql_u64(&use, task);
    sql_i64(&use, (int64_t)op->state);
    sql_i64(&use, op->state != STORE_SUCCEEDED);
    sql_i64(&use, op->at_us);
    sql_u64(&use, op->token.epoch);
    sql_i64(&use, op->token.attempt);
    sql_i64(&use, op->error.code);
    sql_text(&use, op->error.reason);
    sql_text(&use, op->error.message);
    sql_i64(&use, op->usage.queue_us);
    sql_i64(&use, op->usage.run_us);
    sql_u64(&use, op->usage.tokens_in);
    sql_u64(&use, op->usage.tokens_out);
    sql_i64(&use, op->usage.cost_nano_usd);
    sql_u64(&use, cursor);
    sql_blob(&use, op->stream_digest);
    sql_blob(&use, op->result);
    return sql_run(&use);
}

static bool end_live(struct sqlite_conn *conn, uint64_t task)
{
    struct sql_use use = sql_use(conn, SQL_LIVE_END);
    sql_u64(&use, task);
    return sql_run(&use);
}

bool sqlite_finish(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_finish *op = aion_container(base, struct store_finish, op);
    struct live live;
    uint64_t cursor;
    (void)self;
    op->outcome = STORE_STALE;
    if (!find_live(conn, &op->id, &live))
        return false;
    if (!is_current(&live, op->token))
        return true;
    op->outcome = STORE_DONE;
    return add_chunks(conn, live.task, op->chunks, op->count) &&
           last_cursor(conn, live.task, &cursor) && end_live(conn, live.task) &&
           add_outcome(conn, live.task, op, cursor) &&
           add_event(conn, live.task, event_of(op->state), op->token.attempt, op->at_us,
                     op->error.reason);
}

/* -- acknowledged output ------------------------------------------------------------ */
static bool find_task(struct sqlite_conn *conn, const struct aion_uuid *id, uint64_t *ret_task)
{
    struct sql_use use = sql_use(conn, SQL_SEQ_FIND);
    sql_uuid(&use, id);
    *ret_task = sql_row(&use) ? sql_get_u64(&use) : 0;
    return sql_end(&use);
}

static bool find_acked(struct sqlite_conn *conn, uint64_t task, uint64_t *ret_acked)
{
    struct sql_use use = sql_use(conn, SQL_ACK_FIND);
    sql_u64(&use, task);
    *ret_acked = sql_row(&use) ? sql_get_u64(&use) : 0;
    return sql_end(&use);
}

/* What the newest dropped chunk was is kept, so that its attempt's numbering goes on after a
 * restart. */
static bool drop_chunks(struct sqlite_conn *conn, uint64_t task, uint64_t cursor)
{
    uint64_t attempt = 0, sequence = 0;
    struct sql_use at = sql_use(conn, SQL_CHUNK_AT);
    sql_u64(&at, task);
    sql_u64(&at, cursor);
    bool any = sql_row(&at);
    if (any) {
        attempt = sql_get_u64(&at);
        sequence = sql_get_u64(&at);
    }
    if (!sql_end(&at) || !any)
        return conn->rc == SQLITE_OK;
    struct sql_use put = sql_use(conn, SQL_ACK_PUT);
    sql_u64(&put, task);
    sql_u64(&put, cursor);
    sql_u64(&put, attempt);
    sql_u64(&put, sequence);
    if (!sql_run(&put))
        return false;
    struct sql_use drop = sql_use(conn, SQL_CHUNK_DROP);
    sql_u64(&drop, task);
    sql_u64(&drop, cursor);
    return sql_run(&drop);
}

/* A cursor beyond the newest chunk acknowledges what there is. */
bool sqlite_ack(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_ack *op = aion_container(base, struct store_ack, op);
    uint64_t task, newest, acked;
    (void)self;
    op->outcome = STORE_STALE;
    if (!find_task(conn, &op->id, &task))
        return false;
    if (task == 0)
        return true;
    op->outcome = STORE_DONE;
    if (!last_cursor(conn, task, &newest) || !find_acked(conn, task, &acked))
        return false;
    op->acked = op->cursor < newest ? op->cursor : newest;
    if (op->acked > acked)
        return drop_chunks(conn, task, op->acked);
    op->acked = acked;
    return true;
}
