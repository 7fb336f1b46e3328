/* The outbox and its cursors; the audit log. */
#include "store/sqlite/sqlite_private.h"

#define LATE_US INT64_C(60000000)

/* -- outbox ------------------------------------------------------------------------- */
static void get_event(struct sql_use *use, struct store_outbox *event, uint64_t place,
                      struct aion_arena *arena)
{
    *event =
        (struct store_outbox){.sequence = place >> STORE_SHARD_BITS, .seq = sql_get_u64(use)};
    sql_get_uuid(use, &event->id);
    event->tenant = sql_get_str(use, arena);
    event->intent = sql_get_str(use, arena);
    event->kinds = (uint32_t)sql_get_i64(use);
    event->state = (uint32_t)sql_get_i64(use);
    event->attempt = (uint32_t)sql_get_i64(use);
    event->at_us = sql_get_i64(use);
    event->started_us = sql_get_i64(use);
    event->host = sql_get_str(use, arena);
    event->note = sql_get_str(use, arena);
    event->payload = sql_get_str(use, arena);
}

/* The place behind which there is something that was not had yet. */
static uint64_t least_after(const struct store_events_read *op)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if ((op->shards >> i & 1) != 0 && op->after[i] < least)
            least = op->after[i];
    return least == UINT64_MAX ? INT64_MAX : (least + 1) << STORE_SHARD_BITS;
}

/* The first row behind a place: where it stands, and whether it was told before from_us. */
static bool look_behind(struct sqlite_conn *conn, uint64_t *place, int64_t from_us,
                        bool *ret_before)
{
    struct sql_use use = sql_use(conn, SQL_EVENT_LOOK);
    sql_u64(&use, *place);
    *ret_before = false;
    if (sql_row(&use)) {
        *place = sql_get_u64(&use);
        *ret_before = sql_get_i64(&use) < from_us;
    }
    return sql_end(&use);
}

static bool newest_place(struct sqlite_conn *conn, uint64_t *ret_place)
{
    struct sql_use use = sql_use(conn, SQL_NEWEST_EVENT);
    *ret_place = sql_row(&use) ? sql_get_u64(&use) : 0;
    return sql_end(&use);
}

/* Moves the place on behind what is of no interest: halves what is between it and the newest
 * row. Times grow with places, but for what was written late. */
static bool pass_early(struct sqlite_conn *conn, const struct store_events_read *op,
                       uint64_t *place)
{
    uint64_t high;
    if (op->from_us == 0 || !newest_place(conn, &high))
        return op->from_us == 0;
    while (*place < high) {
        uint64_t middle = *place + (high - *place) / 2, at = middle;
        bool before;
        if (!look_behind(conn, &at, op->from_us - LATE_US, &before))
            return false;
        if (before)
            *place = at;
        else
            high = middle;
    }
    return true;
}

/* One process gives all sequences, so that no shard has one beyond the newest of all. */
static bool read_ends(struct sqlite_conn *conn, struct store_events_read *op)
{
    uint64_t place;
    bool read = newest_place(conn, &place);
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        op->after[i] = (op->shards >> i & 1) != 0 ? place >> STORE_SHARD_BITS : 0;
    return read;
}

/* In the order of commits, over all shards. */
bool sqlite_events_read(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_events_read *op = aion_container(base, struct store_events_read, op);
    size_t bytes = 0, bytes_max = op->bytes_max > 0 ? op->bytes_max : (size_t)1 << 20;
    (void)self;
    op->count = 0;
    op->more = false;
    if (op->to_end)
        return read_ends(conn, op);
    op->events = sqlite_make_array(conn, base->arena, op->limit, sizeof(*op->events));
    uint64_t after = least_after(op) - 1;
    if (op->events == NULL || !pass_early(conn, op, &after))
        return false;
    struct sql_use use = sql_use(conn, SQL_EVENT_READ);
    sql_u64(&use, after);
    sql_u64(&use, op->shards);
    while (sql_row(&use)) {
        uint64_t place = sql_get_u64(&use);
        if (place >> STORE_SHARD_BITS <= op->after[place & (STORE_SHARDS - 1)])
            continue;
        op->more = op->count == op->limit || (op->count > 0 && bytes >= bytes_max);
        if (op->more)
            break;
        get_event(&use, &op->events[op->count], place, base->arena);
        bytes += op->events[op->count++].payload.size;
    }
    return sql_end(&use);
}

/* A registered cursor has a row for every shard: where it never moved it holds what is there.
 */
bool sqlite_cursor_put(struct sqlite_store *self, struct sqlite_conn *conn,
                       struct store_op *base)
{
    struct store_cursor_put *op = aion_container(base, struct store_cursor_put, op);
    (void)self;
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++) {
        struct sql_use use = sql_use(conn, SQL_CURSOR_PUT);
        sql_text(&use, op->name);
        sql_i64(&use, shard);
        sql_u64(&use, (op->shards >> shard & 1) != 0 ? op->sequence[shard] : 0);
        if (!sql_run(&use))
            return false;
    }
    return true;
}

bool sqlite_cursor_drop(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_cursor_drop *op = aion_container(base, struct store_cursor_drop, op);
    (void)self;
    struct sql_use use = sql_use(conn, SQL_CURSOR_DROP);
    sql_text(&use, op->name);
    return sql_run(&use);
}

bool sqlite_cursor_read(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_cursor_read *op = aion_container(base, struct store_cursor_read, op);
    (void)self;
    op->found = false;
    memset(op->sequence, 0, sizeof(op->sequence));
    struct sql_use use = sql_use(conn, SQL_CURSOR_READ);
    sql_text(&use, op->name);
    while (sql_row(&use)) {
        uint64_t shard = sql_get_u64(&use);
        op->sequence[shard & (STORE_SHARDS - 1)] = sql_get_u64(&use);
        op->found = true;
    }
    return sql_end(&use);
}

/* -- audit -------------------------------------------------------------------------- */
/* Line it is itself: a repeat. */
static bool read_head(struct sqlite_conn *conn, const struct store_audit *line,
                      bool *ret_itself, bool *ret_follows)
{
    struct sql_use use = sql_use(conn, SQL_AUDIT_LAST);
    uint64_t number = 0;
    aion_str hash = {0};
    sql_text(&use, line->writer);
    if (sql_row(&use)) {
        number = sql_get_u64(&use);
        hash = sql_get_str(&use, NULL);
    }
    *ret_itself = number == line->number && aion_str_eq(hash, line->hash);
    *ret_follows = line->number == number + 1 && aion_str_eq(line->prev, hash);
    return sql_end(&use);
}

static void refuse(struct store_op *op)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_PRECONDITION,
                 "the line of audit does not follow the newest one of its writer");
    aion_err_reason(&err, "AUDIT_CHAIN");
    store_op_fail(op, &err);
}

bool sqlite_audit_check(struct sqlite_conn *conn, struct store_op *op)
{
    bool itself, follows;
    if (op->audit == NULL)
        return true;
    if (!read_head(conn, op->audit, &itself, &follows))
        return false;
    if (!itself && !follows)
        refuse(op);
    return true;
}

bool sqlite_audit_add(struct sqlite_conn *conn, struct store_op *op)
{
    const struct store_audit *line = store_audit_due(op);
    bool itself, follows;
    if (line == NULL)
        return true;
    if (!read_head(conn, line, &itself, &follows) || itself)
        return conn->rc == SQLITE_OK;
    struct sql_use use = sql_use(conn, SQL_AUDIT_ADD);
    sql_text(&use, line->writer);
    sql_u64(&use, line->number);
    sql_i64(&use, line->at_us);
    sql_text(&use, line->actor);
    sql_text(&use, line->role);
    sql_text(&use, line->action);
    sql_text(&use, line->target);
    sql_text(&use, line->result);
    sql_text(&use, line->reason);
    sql_blob(&use, line->body);
    sql_blob(&use, line->prev);
    sql_blob(&use, line->hash);
    return sql_run(&use);
}

/* The line is all there is to it. */
bool sqlite_audit_put(struct sqlite_store *self, struct sqlite_conn *conn,
                      struct store_op *base)
{
    (void)self;
    (void)conn;
    (void)base;
    return true;
}

static void get_line(struct sql_use *use, struct store_audit *line, struct aion_arena *arena)
{
    line->writer = sql_get_str(use, arena);
    line->number = sql_get_u64(use);
    line->at_us = sql_get_i64(use);
    line->actor = sql_get_str(use, arena);
    line->role = sql_get_str(use, arena);
    line->action = sql_get_str(use, arena);
    line->target = sql_get_str(use, arena);
    line->result = sql_get_str(use, arena);
    line->reason = sql_get_str(use, arena);
    line->body = sql_get_str(use, arena);
    line->prev = sql_get_str(use, arena);
    line->hash = sql_get_str(use, arena);
}

static struct sql_use audit_use(struct sqlite_conn *conn, const struct store_audit_list *op)
{
    bool one = op->writer.size > 0;
    struct sql_use use = sql_use(conn, !one               ? SQL_AUDIT_LIST
                                       : op->oldest_first ? SQL_AUDIT_CHAIN
                                                          : SQL_AUDIT_OF);
    uint64_t none = one && !op->oldest_first ? INT64_MAX : 0;
    sql_u64(&use, op->before_number > 0 ? op->before_number : none);
    sql_i64(&use, op->before_us);
    sql_text(&use, one ? op->writer : op->before_writer);
    sql_i64(&use, op->from_us > 0 ? op->from_us : INT64_MIN);
    sql_i64(&use, op->until_us > 0 ? op->until_us : INT64_MAX);
    return use;
}

static bool matches(aion_str wanted, aion_str value)
{
    return wanted.size == 0 || aion_str_eq(wanted, value);
}

bool sqlite_audit_list(struct sqlite_store *self, struct sqlite_conn *conn,
                       struct store_op *base)
{
    struct store_audit_list *op = aion_container(base, struct store_audit_list, op);
    (void)self;
    op->count = 0;
    op->more = false;
    op->lines = sqlite_make_array(conn, base->arena, op->limit, sizeof(*op->lines));
    if (op->lines == NULL)
        return false;
    struct sql_use use = audit_use(conn, op);
    while (!op->more && sql_row(&use)) {
        struct store_audit line;
        get_line(&use, &line, NULL);
        if (!matches(op->actor, line.actor) || !matches(op->action, line.action))
            continue;
        op->more = op->count == op->limit;
        use.column = 0;
        if (!op->more)
            get_line(&use, &op->lines[op->count++], base->arena);
    }
    return sql_end(&use);
}

static bool count_writers(struct sqlite_conn *conn, size_t *ret_count)
{
    struct sql_use use = sql_use(conn, SQL_AUDIT_HEADS);
    *ret_count = 0;
    while (sql_row(&use))
        (*ret_count)++;
    return sql_end(&use);
}

bool sqlite_audit_heads(struct sqlite_store *self, struct sqlite_conn *conn,
                        struct store_op *base)
{
    struct store_audit_heads *op = aion_container(base, struct store_audit_heads, op);
    size_t count;
    (void)self;
    op->count = 0;
    if (!count_writers(conn, &count) ||
        (op->heads = sqlite_make_array(conn, base->arena, count, sizeof(*op->heads))) == NULL)
        return false;
    struct sql_use use = sql_use(conn, SQL_AUDIT_HEADS);
    while (op->count < count && sql_row(&use)) {
        struct store_audit_head *head = &op->heads[op->count++];
        head->writer = sql_get_str(&use, base->arena);
        head->number = sql_get_u64(&use);
        aion_str hash = sql_get_str(&use, NULL);
        memcpy(head->hash, hash.data, hash.size < 32 ? hash.size : 32);
        head->at_us = sql_get_i64(&use);
    }
    return sql_end(&use);
}
