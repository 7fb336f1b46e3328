/* The outbox and its cursors, the audit log, arrivals, shards and facts in memory. */
#include "store/script/script_private.h"

/* -- outbox ------------------------------------------------------------------------- */
static struct store_outbox event_of(struct store_op *op, const struct script_row *row)
{
    return (struct store_outbox){
        .sequence = script_u64(row, OUTBOX_sequence),
        .seq = script_u64(row, OUTBOX_seq),
        .id = script_uuid(row, OUTBOX_id),
        .tenant = script_give(op, script_str(row, OUTBOX_tenant)),
        .intent = script_give(op, script_str(row, OUTBOX_intent)),
        .kinds = (uint32_t)script_i64(row, OUTBOX_kinds),
        .state = (uint32_t)script_i64(row, OUTBOX_state),
        .attempt = (uint32_t)script_i64(row, OUTBOX_attempt),
        .at_us = script_i64(row, OUTBOX_at_us),
        .started_us = script_i64(row, OUTBOX_started_us),
        .host = script_give(op, script_str(row, OUTBOX_host)),
        .note = script_give(op, script_str(row, OUTBOX_note)),
        .payload = script_give(op, script_str(row, OUTBOX_payload)),
    };
}

/* Rows stand in the order of their writes, so each shard's are in order. */
static void read_ends(struct script_store *self, struct store_events_read *op)
{
    memset(op->after, 0, sizeof(op->after));
    script_each(self, STORE_TABLE_OUTBOX, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_OUTBOX, i);
        unsigned shard = (unsigned)script_i64(row, OUTBOX_shard);
        uint64_t sequence = script_u64(row, OUTBOX_sequence);
        if ((op->shards >> shard & 1) != 0 && sequence > op->after[shard])
            op->after[shard] = sequence;
    }
}

void script_events_read(struct script_store *self, struct store_op *base)
{
    struct store_events_read *op = aion_container(base, struct store_events_read, op);
    size_t bytes = 0, bytes_max = op->bytes_max > 0 ? op->bytes_max : (size_t)1 << 20;
    op->count = 0;
    op->more = false;
    if (op->to_end) {
        read_ends(self, op);
        return;
    }
    op->events = script_give_array(base, op->limit, sizeof(*op->events));
    script_each(self, STORE_TABLE_OUTBOX, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_OUTBOX, i);
        unsigned shard = (unsigned)script_i64(row, OUTBOX_shard);
        if (base->err != NULL || (op->shards >> shard & 1) == 0 ||
            script_u64(row, OUTBOX_sequence) <= op->after[shard] ||
            script_i64(row, OUTBOX_at_us) < op->from_us)
            continue;
        op->more = op->count == op->limit || (op->count > 0 && bytes >= bytes_max);
        if (op->more)
            return;
        op->events[op->count++] = event_of(base, row);
        bytes += script_str(row, OUTBOX_payload).size;
    }
}

static struct script_row *find_cursor(struct script_store *self, aion_str name, unsigned shard)
{
    script_each(self, STORE_TABLE_CURSOR, i)
    {
        struct script_row *row = script_at(self, STORE_TABLE_CURSOR, i);
        if (aion_str_eq(script_str(row, CURSOR_name), name) &&
            script_i64(row, CURSOR_shard) == shard)
            return row;
    }
    return NULL;
}

static void put_cursor(struct script_store *self, aion_str name, unsigned shard,
                       uint64_t sequence)
{
    struct script_row *row = find_cursor(self, name, shard);
    if (row == NULL) {
        struct script_fill fill = script_fill(self, STORE_TABLE_CURSOR);
        script_put_str(&fill, name);
        script_put(&fill, shard);
        row = fill.row;
    }
    if (sequence > script_u64(row, CURSOR_sequence))
        row->values[CURSOR_sequence].i64 = (int64_t)sequence;
}

/* A registered cursor has a row for every shard: one that never moved holds its shard back. */
void script_cursor_put(struct script_store *self, struct store_op *base)
{
    struct store_cursor_put *op = aion_container(base, struct store_cursor_put, op);
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        put_cursor(self, op->name, shard,
                   (op->shards >> shard & 1) != 0 ? op->sequence[shard] : 0);
}

void script_cursor_drop(struct script_store *self, struct store_op *base)
{
    struct store_cursor_drop *op = aion_container(base, struct store_cursor_drop, op);
    for (size_t i = script_size(self, STORE_TABLE_CURSOR); i > 0; i--)
        if (aion_str_eq(script_str(script_at(self, STORE_TABLE_CURSOR, i - 1), CURSOR_name),
                        op->name))
            script_remove(self, STORE_TABLE_CURSOR, i - 1);
}

void script_cursor_read(struct script_store *self, struct store_op *base)
{
    struct store_cursor_read *op = aion_container(base, struct store_cursor_read, op);
    op->found = false;
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++) {
        const struct script_row *row = find_cursor(self, op->name, shard);
        op->found |= row != NULL;
        op->sequence[shard] = row != NULL ? script_u64(row, CURSOR_sequence) : 0;
    }
}

/* -- audit -------------------------------------------------------------------------- */
static struct script_row *newest_line(struct script_store *self, aion_str writer)
{
    struct script_row *newest = NULL;
    script_each(self, STORE_TABLE_AUDIT, i)
    {
        struct script_row *row = script_at(self, STORE_TABLE_AUDIT, i);
        if (aion_str_eq(script_str(row, AUDIT_writer), writer) &&
            (newest == NULL ||
             script_u64(row, AUDIT_number) > script_u64(newest, AUDIT_number)))
            newest = row;
    }
    return newest;
}

static bool is_there(const struct script_row *newest, const struct store_audit *line)
{
    return newest != NULL && script_u64(newest, AUDIT_number) == line->number &&
           aion_str_eq(script_str(newest, AUDIT_hash), line->hash);
}

bool script_audit_follows(struct script_store *self, struct store_op *op)
{
    const struct store_audit *line = op->audit;
    if (line == NULL)
        return true;
    const struct script_row *newest = newest_line(self, line->writer);
    uint64_t number = newest != NULL ? script_u64(newest, AUDIT_number) : 0;
    aion_str hash = newest != NULL ? script_str(newest, AUDIT_hash) : (aion_str){0};
    if (is_there(newest, line) || (line->number == number + 1 && aion_str_eq(line->prev, hash)))
        return true;
    return script_fail(op, AION_PRECONDITION, "AUDIT_CHAIN",
                       "the line does not follow the newest one of its writer");
}

void script_audit_add(struct script_store *self, const struct store_audit *line)
{
    if (is_there(newest_line(self, line->writer), line))
        return;
    struct script_fill fill = script_fill(self, STORE_TABLE_AUDIT);
    script_put_str(&fill, line->writer);
    script_put_u64(&fill, line->number);
    script_put(&fill, line->at_us);
    script_put_str(&fill, line->actor);
    script_put_str(&fill, line->role);
    script_put_str(&fill, line->action);
    script_put_str(&fill, line->target);
    script_put_str(&fill, line->result);
    script_put_str(&fill, line->reason);
    script_put_str(&fill, line->body);
    script_put_str(&fill, line->prev);
    script_put_str(&fill, line->hash);
}

static struct store_audit line_of(const struct script_row *row)
{
    return (struct store_audit){
        .writer = script_str(row, AUDIT_writer),
        .number = script_u64(row, AUDIT_number),
        .prev = script_str(row, AUDIT_prev),
        .hash = script_str(row, AUDIT_hash),
        .at_us = script_i64(row, AUDIT_at_us),
        .actor = script_str(row, AUDIT_actor),
        .role = script_str(row, AUDIT_role),
        .action = script_str(row, AUDIT_action),
        .target = script_str(row, AUDIT_target),
        .result = script_str(row, AUDIT_result),
        .reason = script_str(row, AUDIT_reason),
        .body = script_str(row, AUDIT_body),
    };
}

/* Of one writer by number, of several by time, then by writer and number. */
static int compare(const struct store_audit *a, const struct store_audit *b, bool by_time)
{
    if (by_time && a->at_us != b->at_us)
        return a->at_us < b->at_us ? -1 : 1;
    int writers = aion_str_cmp(a->writer, b->writer);
    if (writers != 0)
        return writers;
    return a->number < b->number ? -1 : a->number > b->number;
}

static bool is_wanted(const struct store_audit_list *op, const struct store_audit *line)
{
    struct store_audit mark = {.writer = op->writer.size > 0 ? op->writer : op->before_writer,
                               .number = op->before_number,
                               .at_us = op->before_us};
    int side = compare(line, &mark, op->writer.size == 0);
    if (op->before_number != 0 && (op->oldest_first ? side <= 0 : side >= 0))
        return false;
    return (op->writer.size == 0 || aion_str_eq(op->writer, line->writer)) &&
           (op->actor.size == 0 || aion_str_eq(op->actor, line->actor)) &&
           (op->action.size == 0 || aion_str_eq(op->action, line->action)) &&
           (op->from_us == 0 || line->at_us >= op->from_us) &&
           (op->until_us == 0 || line->at_us < op->until_us);
}

/* Keeps the page sorted and full of the first ones. */
static void place(struct store_audit_list *op, const struct store_audit *line)
{
    size_t at = op->count;
    int sign = op->oldest_first ? 1 : -1;
    while (at > 0 && sign * compare(line, &op->lines[at - 1], op->writer.size == 0) < 0)
        at--;
    op->more |= op->count == op->limit;
    if (at == op->limit)
        return;
    size_t kept = op->count < op->limit ? op->count : op->limit - 1;
    memmove(&op->lines[at + 1], &op->lines[at], (kept - at) * sizeof(*line));
    op->lines[at] = *line;
    op->count = kept + 1;
}

void script_audit_list(struct script_store *self, struct store_op *base)
{
    struct store_audit_list *op = aion_container(base, struct store_audit_list, op);
    op->count = 0;
    op->more = false;
    op->lines = script_give_array(base, op->limit, sizeof(*op->lines));
    script_each(self, STORE_TABLE_AUDIT, i)
    {
        struct store_audit line = line_of(script_at(self, STORE_TABLE_AUDIT, i));
        if (op->lines != NULL && is_wanted(op, &line))
            place(op, &line);
    }
}

void script_audit_heads(struct script_store *self, struct store_op *base)
{
    struct store_audit_heads *op = aion_container(base, struct store_audit_heads, op);
    op->count = 0;
    op->heads =
        script_give_array(base, script_size(self, STORE_TABLE_AUDIT), sizeof(*op->heads));
    script_each(self, STORE_TABLE_AUDIT, i)
    {
        const struct script_row *row = script_at(self, STORE_TABLE_AUDIT, i);
        aion_str writer = script_str(row, AUDIT_writer);
        if (row != newest_line(self, writer))
            continue;
        size_t at = op->count++;
        for (; at > 0 && aion_str_cmp(op->heads[at - 1].writer, writer) > 0; at--)
            op->heads[at] = op->heads[at - 1];
        op->heads[at] = (struct store_audit_head){.writer = writer,
                                                  .number = script_u64(row, AUDIT_number),
                                                  .at_us = script_i64(row, AUDIT_at_us)};
        memcpy(op->heads[at].hash, script_str(row, AUDIT_hash).data, 32);
    }
}

/* -- arrivals ----------------------------------------------------------------------- */
void script_arrivals(struct script_store *self, struct store_op *base)
{
    const struct store_arrivals *op = aion_container(base, struct store_arrivals, op);
    for (size_t i = 0; i < op->count; i++) {
        const struct store_arrival *arrival = &op->arrivals[i];
        if (script_find(self, STORE_TABLE_ARRIVAL, arrival->seq) != NULL)
            continue;
        struct script_fill fill = script_fill(self, STORE_TABLE_ARRIVAL);
        script_put_u64(&fill, arrival->seq);
        script_put_str(&fill, arrival->tenant);
        script_put_str(&fill, arrival->key_id);
        script_put_str(&fill, arrival->intent);
        script_put(&fill, arrival->priority);
        script_put_u64(&fill, arrival->body_bytes);
        script_put_str(&fill, arrival->lane);
        script_put_str(&fill, arrival->reason);
        script_put_str(&fill, arrival->limit_id);
    }
}

static struct store_arrival refused(const struct script_row *row)
{
    return (struct store_arrival){
        .seq = script_u64(row, ARRIVAL_seq),
        .tenant = script_str(row, ARRIVAL_tenant),
        .key_id = script_str(row, ARRIVAL_key_id),
        .intent = script_str(row, ARRIVAL_intent),
        .priority = (uint32_t)script_i64(row, ARRIVAL_priority),
        .body_bytes = script_u64(row, ARRIVAL_body_bytes),
        .lane = script_str(row, ARRIVAL_lane),
        .reason = script_str(row, ARRIVAL_reason),
        .limit_id = script_str(row, ARRIVAL_limit_id),
    };
}

static struct store_arrival accepted(const struct script_row *row)
{
    return (struct store_arrival){
        .seq = script_u64(row, TASK_seq),
        .tenant = script_str(row, TASK_tenant),
        .key_id = script_str(row, TASK_key_id),
        .intent = script_str(row, TASK_intent),
        .priority = (uint32_t)script_i64(row, TASK_priority),
        .body_bytes = script_u64(row, TASK_body_bytes),
        .lane = AION_STR("durable"),
    };
}

static void add_arrival(struct store_arrivals_read *op, const struct store_arrival *arrival,
                        size_t most)
{
    if (arrival->seq <= op->after || (op->before != 0 && arrival->seq >= op->before))
        return;
    size_t at = op->count;
    while (at > 0 && op->arrivals[at - 1].seq > arrival->seq)
        at--;
    if (at == most)
        return;
    size_t kept = op->count < most ? op->count : most - 1;
    memmove(&op->arrivals[at + 1], &op->arrivals[at], (kept - at) * sizeof(*arrival));
    op->arrivals[at] = *arrival;
    op->count = kept + 1;
}

void script_arrivals_read(struct script_store *self, struct store_op *base)
{
    struct store_arrivals_read *op = aion_container(base, struct store_arrivals_read, op);
    op->count = 0;
    op->next = 0;
    op->arrivals = script_give_array(base, op->limit, sizeof(*op->arrivals));
    if (op->arrivals == NULL)
        return;
    script_each(self, STORE_TABLE_ARRIVAL, i)
    {
        struct store_arrival arrival = refused(script_at(self, STORE_TABLE_ARRIVAL, i));
        add_arrival(op, &arrival, op->limit);
    }
    script_each(self, STORE_TABLE_TASK, i)
    {
        struct store_arrival arrival = accepted(script_at(self, STORE_TABLE_TASK, i));
        add_arrival(op, &arrival, op->limit);
    }
    if (op->count == op->limit)
        op->next = op->arrivals[op->count - 1].seq;
}
