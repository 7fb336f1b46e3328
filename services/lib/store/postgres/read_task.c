/* Tasks, read: one, pages of them, the unfinished ones, their output. Windows are gone through
 * one by one; where windows were dropped, the kept tables stand for them. */
#include "store/postgres/reader.h"

#include <stdlib.h>

enum {
    SCAN_MAX = 5000, /* rows tried for one page of a filtered list */
    SCAN_STEP = 500, /* rows of one statement */
    CHUNKS_BYTES_MAX = 8 << 20,
};

void *pg_array(struct pg_wait *wait, struct aion_arena *arena, size_t count, size_t size)
{
    void *array = aion_arena_array(arena, count, size);
    if (array == NULL)
        pg_conn_fail(&wait->conn, PG_TOO_BIG, "the arena is full");
    return array;
}

/* -- windows in order --------------------------------------------------------------- */
static uint64_t start_of(const struct pg_store *self, int64_t number)
{
    return store_seq(number * self->windows.length_us, 0);
}

static void add_stretch(struct pg_stretch *list, size_t *count, int64_t window, uint64_t from,
                        uint64_t to)
{
    if (from < to)
        list[(*count)++] = (struct pg_stretch){window, from > 0 ? from - 1 : 0, to};
}

struct pg_stretch *pg_stretches(struct pg_store *self, bool unsealed_only, size_t *ret_count)
{
    size_t windows, count = 0;
    uint64_t from = 0;
    struct pg_window *list = pg_windows_copy(&self->windows, PG_BY_SEQ, &windows);
    struct pg_stretch *stretches = calloc(2 * windows + 1, sizeof(*stretches));
    if (stretches == NULL)
        abort(); /* a list without its end would lose tasks */
    for (size_t i = 0; i < windows; i++) {
        uint64_t start = start_of(self, list[i].number);
        add_stretch(stretches, &count, PG_KEPT, from, start);
        from = start_of(self, list[i].number + 1);
        if (!unsealed_only || list[i].state != PG_SEALED)
            add_stretch(stretches, &count, list[i].number, start, from);
    }
    add_stretch(stretches, &count, PG_KEPT, from, INT64_MAX);
    free(list);
    *ret_count = count;
    return stretches;
}

/* -- rows --------------------------------------------------------------------------- */
static void get_error(struct pg_rows *rows, struct store_error *error, struct aion_arena *arena)
{
    error->code = (int32_t)pg_get_i64(rows);
    error->reason = pg_get_str(rows, arena);
    error->message = pg_get_str(rows, arena);
}

/* What came with the task, unless a later decision is there. */
static void get_decision(struct pg_rows *rows, struct store_task *task, struct store_life *life,
                         struct aion_arena *arena)
{
    task->decision.route = pg_get_str(rows, arena);
    task->decision.bytes = pg_get_str(rows, arena);
    life->decided_us = task->decision.bytes.size > 0 ? store_seq_us(task->seq) : 0;
    if (pg_get_null(rows)) {
        pg_skip(rows, 3);
        return;
    }
    life->decided_us = pg_get_i64(rows);
    task->decision.route = pg_get_str(rows, arena);
    task->decision.bytes = pg_get_str(rows, arena);
}

static void get_last(struct pg_rows *rows, struct store_life *life, struct aion_arena *arena)
{
    life->last.token.attempt = (uint32_t)pg_get_i64(rows);
    life->last.token.epoch = pg_get_u64(rows);
    life->last.started_us = pg_get_i64(rows);
    life->last.host = pg_get_str(rows, arena);
    life->last.ended_us = pg_get_i64(rows);
    life->due_us = pg_get_i64(rows);
    life->last.doubt = pg_get_i64(rows) != 0;
    get_error(rows, &life->last.error, arena);
}

static void get_marks(struct pg_rows *rows, struct store_task *task, struct store_life *life)
{
    task->marks = (uint32_t)pg_get_i64(rows);
    life->held = pg_get_i64(rows) != 0;
    life->resolved = pg_get_i64(rows) != 0;
    life->marked_us = pg_get_i64(rows);
    task->replayed = pg_get_i64(rows) != 0;
}

/* The start may have come with the outcome: then that is the last attempt. */
static void get_outcome(struct pg_rows *rows, struct store_task *task, struct store_life *life,
                        struct aion_arena *arena)
{
    life->outcome = (enum store_state)pg_get_i64(rows);
    life->ended_us = pg_get_i64(rows);
    life->ended_by.epoch = pg_get_u64(rows);
    life->ended_by.attempt = (uint32_t)pg_get_i64(rows);
    int64_t started_us = pg_get_i64(rows);
    aion_str host = pg_get_str(rows, arena);
    if (started_us != 0)
        life->last = (struct store_attempt){
            .token = life->ended_by, .started_us = started_us, .host = host};
    get_error(rows, &life->error, arena);
    task->cursor = pg_get_u64(rows);
}

/* One row of PG_TASK_COLUMNS. */
static void get_task(struct pg_rows *rows, struct store_task *task, struct store_life *life,
                     struct aion_arena *arena)
{
    *life = (struct store_life){0};
    *task = (struct store_task){.seq = pg_get_u64(rows)};
    pg_get_uuid(rows, &task->id);
    task->own_id = pg_get_i64(rows) != 0;
    task->tenant = pg_get_str(rows, arena);
    task->intent = pg_get_str(rows, arena);
    task->key_id = pg_get_str(rows, arena);
    task->priority = (uint32_t)pg_get_i64(rows);
    task->deadline_us = pg_get_i64(rows);
    task->meta = pg_get_str(rows, arena);
    get_decision(rows, task, life, arena);
    get_last(rows, life, arena);
    get_marks(rows, task, life);
    get_outcome(rows, task, life, arena);
    task->acked = pg_get_u64(rows);
    uint64_t newest = pg_get_u64(rows);
    if (life->outcome == 0)
        task->cursor = newest;
    store_derive(task, life);
}

/* -- one task ----------------------------------------------------------------------- */
/* Where it may be: as told, as its id says, as the table of own ids says. */
static bool find_place(struct pg_wait *wait, struct store_task_read *op, uint64_t *ret_seq)
{
    struct pg_rows rows;
    *ret_seq = 0;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_OWN_PLACE));
    pg_put_bytes(args, aion_str_n(op->id.bytes, sizeof(op->id.bytes)));
    bool read = pg_query(wait, pg_statement(PG_OWN_PLACE), &rows);
    if (read && pg_next(&rows))
        *ret_seq = pg_get_u64(&rows);
    pg_rows_done(&rows);
    return read;
}

/* The results of one task, all of one moment: they are asked for together. */
struct answer {
    struct pg_rows task, body, attempts, marks;
};

static bool ask(struct pg_wait *wait, enum pg_statement_id id, int64_t window, uint64_t seq,
                struct pg_rows *rows)
{
    struct pg_statement statement = pg_windowed(id, window);
    pg_put_u64(pg_begin(&wait->conn, statement), seq);
    return pg_defer(wait, statement, rows);
}

static bool ask_all(struct pg_wait *wait, const struct store_task_read *op, int64_t window,
                    uint64_t seq, struct answer *answer)
{
    if (!ask(wait, PG_TASK_READ, window, seq, &answer->task))
        return false;
    if (op->with_body && !ask(wait, PG_TASK_BODY, window, seq, &answer->body))
        return false;
    if (op->with_history && !(ask(wait, PG_TASK_ATTEMPTS, window, seq, &answer->attempts) &&
                              ask(wait, PG_TASK_MARKS, window, seq, &answer->marks)))
        return false;
    return pg_finish(wait);
}

static void get_end(struct pg_rows *rows, struct store_task *task, struct store_life *life,
                    struct aion_arena *arena)
{
    task->chunk_sequence = pg_get_u64(rows);
    aion_str module = pg_get_str(rows, arena), digest = pg_get_str(rows, arena);
    if (life->outcome != 0 && life->last.module.size == 0) {
        life->last.module = module;
        life->last.module_digest = digest;
    }
    task->usage.queue_us = pg_get_i64(rows);
    task->usage.run_us = pg_get_i64(rows);
    task->usage.tokens_in = pg_get_u64(rows);
    task->usage.tokens_out = pg_get_u64(rows);
    task->usage.cost_nano_usd = pg_get_i64(rows);
    task->stream_digest = pg_get_str(rows, arena);
    task->result = pg_get_str(rows, arena);
}

static void get_attempt(struct pg_rows *rows, struct store_attempt *attempt,
                        struct aion_arena *arena)
{
    attempt->token.attempt = (uint32_t)pg_get_i64(rows);
    attempt->token.epoch = pg_get_u64(rows);
    attempt->started_us = pg_get_i64(rows);
    attempt->host = pg_get_str(rows, arena);
    attempt->module = pg_get_str(rows, arena);
    attempt->module_digest = pg_get_str(rows, arena);
    attempt->ended_us = pg_get_i64(rows);
    attempt->doubt = pg_get_i64(rows) != 0;
    get_error(rows, &attempt->error, arena);
}

static bool get_history(struct pg_wait *wait, struct store_task *task, struct store_life *life,
                        struct answer *answer, struct aion_arena *arena)
{
    size_t marks = 0;
    struct store_mark_row *mark =
        pg_array(wait, arena, (size_t)answer->marks.rows, sizeof(*mark));
    task->attempts =
        pg_array(wait, arena, (size_t)answer->attempts.rows + 1, sizeof(*task->attempts));
    if (mark == NULL || task->attempts == NULL)
        return false;
    while (pg_next(&answer->attempts))
        get_attempt(&answer->attempts, &task->attempts[task->attempt_count++], arena);
    uint32_t newest =
        task->attempt_count > 0 ? task->attempts[task->attempt_count - 1].token.attempt : 0;
    if (life->last.token.attempt > newest)
        task->attempts[task->attempt_count++] = life->last;
    while (pg_next(&answer->marks)) {
        struct store_mark_row *row = &mark[marks++];
        row->number = (uint32_t)pg_get_i64(&answer->marks);
        row->kind = (enum store_mark_kind)pg_get_i64(&answer->marks);
        row->attempt = (uint32_t)pg_get_i64(&answer->marks);
        row->at_us = pg_get_i64(&answer->marks);
        pg_get_uuid(&answer->marks, &row->other);
        row->note = pg_get_str(&answer->marks, arena);
    }
    return store_derive_history(task, life, mark, marks, arena) ||
           pg_conn_fail(&wait->conn, PG_TOO_BIG, "the arena is full");
}

static bool get_answer(struct pg_wait *wait, struct store_task_read *op, struct answer *answer)
{
    struct store_life life;
    struct store_task *task = &op->task;
    if (!pg_next(&answer->task))
        return true;
    get_task(&answer->task, task, &life, op->op.arena);
    get_end(&answer->task, task, &life, op->op.arena);
    op->found = aion_uuid_eq(&task->id, &op->id) &&
                (op->tenant.size == 0 || aion_str_eq(op->tenant, task->tenant));
    if (!op->found)
        return true;
    if (op->with_body && pg_next(&answer->body))
        task->body = pg_get_str(&answer->body, op->op.arena);
    return !op->with_history || get_history(wait, task, &life, answer, op->op.arena);
}

static bool read_at(struct pg_store *self, struct pg_wait *wait, struct store_task_read *op,
                    uint64_t seq)
{
    int64_t window = pg_windows_place(&self->windows, seq);
    struct answer answer = {pg_rows(wait), pg_rows(wait), pg_rows(wait), pg_rows(wait)};
    if (seq == 0 || window == PG_NO_WINDOW)
        return true;
    bool read = ask_all(wait, op, window, seq, &answer) && get_answer(wait, op, &answer) &&
                !pg_failed(&wait->conn);
    pg_rows_done(&answer.task);
    pg_rows_done(&answer.body);
    pg_rows_done(&answer.attempts);
    pg_rows_done(&answer.marks);
    return read;
}

bool pg_task_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_task_read *op = aion_container(base, struct store_task_read, op);
    uint64_t seq = op->seq > 0 ? op->seq : store_seq_of(&op->id);
    op->found = false;
    if (!read_at(self, wait, op, seq))
        return false;
    if (op->found || op->seq > 0)
        return true;
    return find_place(wait, op, &seq) && read_at(self, wait, op, seq);
}

bool pg_key_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_key_read *op = aion_container(base, struct store_key_read, op);
    struct pg_rows rows;
    (void)self;
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_KEY_READ));
    pg_put_name(args, op->tenant);
    pg_put_name(args, op->key);
    bool read = pg_query(wait, pg_statement(PG_KEY_READ), &rows);
    op->found = pg_next(&rows);
    if (op->found) {
        pg_get_uuid(&rows, &op->id);
        op->seq = pg_get_u64(&rows);
        aion_str digest = pg_get_str(&rows, NULL);
        memset(op->digest, 0, sizeof(op->digest));
        if (digest.size == sizeof(op->digest))
            memcpy(op->digest, digest.data, digest.size);
    }
    pg_rows_done(&rows);
    return read;
}

/* -- lists -------------------------------------------------------------------------- */
static bool matches(aion_str wanted, aion_str value)
{
    return wanted.size == 0 || aion_str_eq(wanted, value);
}

static bool passes(const struct store_list *op, const struct store_task *task)
{
    return matches(op->tenant, task->tenant) && matches(op->intent, task->intent) &&
           matches(op->route, task->decision.route) &&
           (op->states == 0 || (op->states >> task->state & 1) != 0) &&
           !(op->unreplayed && task->replayed);
}

/* How a page is going. */
struct page {
    uint64_t before, after;
    size_t tried, tried_max, step;
};

static bool page_over(const struct store_list *op, const struct page *page)
{
    return op->count == op->limit || page->tried >= page->tried_max;
}

/* Some rows of one stretch; *ret_more: it may have others. */
static bool list_some(struct pg_wait *wait, struct store_list *op, int64_t window,
                      struct page *page, uint64_t after, bool *ret_more)
{
    bool all = op->tenant.size == 0;
    struct pg_statement statement = pg_windowed(all ? PG_LIST_ALL : PG_LIST_TENANT, window);
    struct pg_rows rows;
    struct store_life life;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    pg_put_u64(args, page->before);
    pg_put_u64(args, after);
    pg_put_u64(args, page->step);
    if (!all)
        pg_put_name(args, op->tenant);
    bool read = pg_query(wait, statement, &rows);
    *ret_more = (size_t)rows.rows == page->step;
    while (read && !page_over(op, page) && pg_next(&rows)) {
        struct store_task *task = &op->tasks[op->count];
        get_task(&rows, task, &life, op->op.arena);
        page->before = task->seq;
        page->tried++;
        op->count += passes(op, task);
    }
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}

static bool list_stretch(struct pg_wait *wait, struct store_list *op,
                         const struct pg_stretch *stretch, struct page *page)
{
    uint64_t after = stretch->after > page->after ? stretch->after : page->after;
    bool more = page->before > after + 1;
    if (page->before > stretch->before)
        page->before = stretch->before;
    while (more && !page_over(op, page))
        if (!list_some(wait, op, stretch->window, page, after, &more))
            return false;
    return true;
}

bool pg_list(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_list *op = aion_container(base, struct store_list, op);
    bool filtered =
        op->states != 0 || op->intent.size > 0 || op->route.size > 0 || op->unreplayed;
    struct page page = {
        .before = op->before > 0 && op->before < INT64_MAX ? op->before : INT64_MAX,
        .after = op->after,
        .tried_max = filtered ? SCAN_MAX : op->limit,
        .step = filtered ? SCAN_STEP : op->limit,
    };
    size_t count;
    op->count = 0;
    op->next = 0;
    op->tasks = pg_array(wait, base->arena, op->limit, sizeof(*op->tasks));
    if (op->tasks == NULL)
        return false;
    struct pg_stretch *stretches = pg_stretches(self, false, &count);
    bool read = true;
    for (size_t i = count; read && i > 0 && !page_over(op, &page); i--)
        read = list_stretch(wait, op, &stretches[i - 1], &page);
    free(stretches);
    op->next = page_over(op, &page) ? page.before : 0;
    return read;
}

/* -- loading ------------------------------------------------------------------------ */
/* Adds a page of one stretch to the operation. */
static bool load_page(struct pg_wait *wait, struct store_load *op,
                      const struct pg_stretch *stretch, enum pg_statement_id id)
{
    struct pg_statement statement = pg_windowed(id, stretch->window);
    struct pg_rows rows;
    struct store_life life;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    pg_put_u64(args, op->next > stretch->after ? op->next : stretch->after);
    pg_put_u64(args, stretch->before);
    pg_put_u64(args, op->limit - op->count);
    pg_put_u64(args, op->shards);
    bool read = pg_query(wait, statement, &rows);
    while (read && pg_next(&rows)) {
        struct store_task *task = &op->tasks[op->count++];
        get_task(&rows, task, &life, op->op.arena);
        task->chunk_sequence = pg_get_u64(&rows);
        op->next = task->seq;
    }
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}

static bool has_more(struct pg_wait *wait, const struct pg_stretch *stretch, uint64_t first,
                     uint64_t last, bool *ret_more)
{
    struct pg_statement statement = pg_windowed(PG_LOAD_HAS_MORE, stretch->window);
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    pg_put_u64(args, first);
    pg_put_u64(args, last);
    bool read = pg_query(wait, statement, &rows);
    *ret_more = read && pg_next(&rows) && pg_get_i64(&rows) != 0;
    pg_rows_done(&rows);
    return read;
}

/* A backlog is mostly tasks of which nothing is known but their rows: looking for the rest of
 * each would take four times as long. */
static bool load_some(struct pg_wait *wait, struct store_load *op,
                      const struct pg_stretch *stretch)
{
    size_t count = op->count;
    uint64_t next = op->next;
    bool more = false;
    if (!load_page(wait, op, stretch, PG_LOAD_QUEUED))
        return false;
    if (op->count == count)
        return true;
    if (!has_more(wait, stretch, op->tasks[count].seq, op->next, &more))
        return false;
    if (!more)
        return true;
    op->count = count;
    op->next = next;
    return load_page(wait, op, stretch, PG_LOAD);
}

bool pg_load(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_load *op = aion_container(base, struct store_load, op);
    size_t count;
    bool read = true;
    op->count = 0;
    op->next = op->after;
    op->tasks = pg_array(wait, base->arena, op->limit, sizeof(*op->tasks));
    if (op->tasks == NULL)
        return false;
    struct pg_stretch *stretches = pg_stretches(self, true, &count);
    for (size_t i = 0; read && i < count && op->count < op->limit; i++)
        if (stretches[i].before > op->next + 1)
            read = load_some(wait, op, &stretches[i]);
    free(stretches);
    op->more = op->count == op->limit;
    return read;
}

/* -- output ------------------------------------------------------------------------- */
static void get_chunk(struct pg_rows *rows, struct store_chunk *chunk, struct aion_arena *arena)
{
    chunk->cursor = pg_get_u64(rows);
    chunk->attempt = (uint32_t)pg_get_i64(rows);
    chunk->sequence = pg_get_u64(rows);
    chunk->kind = (enum store_chunk_kind)pg_get_i64(rows);
    chunk->discard_from = pg_get_u64(rows);
    chunk->content_type = pg_get_str(rows, arena);
    chunk->payload = pg_get_str(rows, arena);
}

bool pg_chunks_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_chunks_read *op = aion_container(base, struct store_chunks_read, op);
    struct pg_statement statement =
        pg_windowed(PG_CHUNKS_READ, pg_windows_place(&self->windows, op->seq));
    struct pg_rows rows;
    size_t bytes = 0;
    op->count = 0;
    op->more = false;
    op->chunks = pg_array(wait, base->arena, op->limit, sizeof(*op->chunks));
    if (op->chunks == NULL || statement.window == PG_NO_WINDOW)
        return op->chunks != NULL;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    pg_put_u64(args, op->seq);
    pg_put_u64(args, op->after < INT64_MAX ? op->after : INT64_MAX);
    pg_put_i64(args, (int64_t)op->limit + 1);
    bool read = pg_query(wait, statement, &rows), row = false;
    while (read && (row = pg_next(&rows)) && op->count < op->limit &&
           (op->count == 0 || bytes < op->bytes_max)) {
        get_chunk(&rows, &op->chunks[op->count], base->arena);
        bytes += op->chunks[op->count++].payload.size;
    }
    op->more = row;
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}
