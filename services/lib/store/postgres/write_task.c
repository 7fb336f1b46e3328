/* One function per table whose rows travel, in the order of store_fact.h's columns; and one per
 * shape, which says what its fact is made of. */
#include "store/postgres/write_task.h"

enum { OP_OVERHEAD = 512 };

enum pg_shape pg_shape_of(const struct store_op *op)
{
    const void *any = op;
    switch ((int)op->kind) {
    case STORE_ACCEPT:
        if (((const struct store_accept *)any)->own_id)
            return PG_SHAPE_ACCEPT_OWN;
        return ((const struct store_accept *)any)->key.size > 0 ? PG_SHAPE_ACCEPT_KEY
                                                                : PG_SHAPE_ACCEPT;
    case STORE_ROUTE:
        return PG_SHAPE_ROUTE;
    case STORE_START:
        return PG_SHAPE_START;
    case STORE_CHUNKS:
        return PG_SHAPE_CHUNKS;
    case STORE_RETRY:
        return PG_SHAPE_RETRY;
    case STORE_MARK:
        return PG_SHAPE_MARK;
    case STORE_FINISH:
        return store_admission_of(op) != NULL ? PG_SHAPE_RECORD : PG_SHAPE_FINISH;
    default:
        return PG_SHAPE_ACK;
    }
}

static const struct store_write *write_of(const struct store_op *op)
{
    return (const struct store_write *)(const void *)op; /* the first member of each */
}

bool pg_admits(const struct store_op *op)
{
    return op->kind == STORE_ACCEPT || store_admission_of(op) != NULL;
}

unsigned pg_events_of(const struct store_op *op, const struct store_write *ret_writes[2])
{
    const struct store_accept *accept = store_admission_of(op);
    unsigned count = 0;
    if (accept != NULL && accept->write.event != NULL)
        ret_writes[count++] = &accept->write;
    if (write_of(op)->event != NULL)
        ret_writes[count++] = write_of(op);
    return count;
}

static size_t chunks_of(const struct store_op *op, const struct store_chunk **ret_chunks)
{
    const void *any = op;
    const struct store_chunks *chunks = any;
    const struct store_retry *retry = any;
    const struct store_finish *finish = any;
    switch ((int)op->kind) {
    case STORE_CHUNKS:
        *ret_chunks = chunks->chunks;
        return chunks->count;
    case STORE_RETRY:
        *ret_chunks = retry->chunks;
        return retry->count;
    case STORE_FINISH:
        *ret_chunks = finish->chunks;
        return finish->count;
    default:
        return 0;
    }
}

unsigned pg_flags_of(const struct store_op *op)
{
    const struct store_write *write = write_of(op), *events[2];
    const struct store_accept *accept = store_admission_of(op);
    const struct store_chunk *chunks;
    unsigned flags = 0;
    if (pg_events_of(op, events) > 0)
        flags |= PG_WITH_EVENTS;
    if (write->entry_count > 0 || (accept != NULL && accept->write.entry_count > 0))
        flags |= PG_WITH_ENTRIES;
    if (op->kind == STORE_RETRY &&
        ((const struct store_retry *)(const void *)op)->begin != NULL)
        flags |= PG_WITH_BEGINS;
    if (op->kind != STORE_CHUNKS && chunks_of(op, &chunks) > 0)
        flags |= PG_WITH_CHUNKS;
    return flags;
}

size_t pg_size_of(const struct store_op *op)
{
    const struct store_write *events[2];
    const struct store_chunk *chunks = NULL;
    const void *any = op;
    const struct store_accept *accept = op->kind == STORE_ACCEPT ? any : store_admission_of(op);
    const struct store_finish *finish = any;
    size_t size = OP_OVERHEAD, count = chunks_of(op, &chunks);
    for (unsigned i = pg_events_of(op, events); i > 0; i--)
        size += events[i - 1]->event->payload.size;
    if (accept != NULL)
        size += accept->body.size + accept->meta.size + accept->decision.bytes.size;
    if (op->kind == STORE_FINISH)
        size += finish->result.size;
    for (size_t i = 0; i < count; i++)
        size += chunks[i].payload.size + OP_OVERHEAD / 4;
    return size;
}

/* -- what hangs on a fact ----------------------------------------------------------- */
static void put_event(struct pg_args *args, const struct store_write *write)
{
    const struct store_outbox *event = write->event;
    pg_put_i64(args, store_seq_shard(write->seq));
    pg_put_u64(args, event->sequence);
    pg_put_u64(args, write->seq);
    pg_put_bytes(args, aion_str_n(event->id.bytes, sizeof(event->id.bytes)));
    pg_put_text(args, event->tenant);
    pg_put_text(args, event->intent);
    pg_put_i64(args, event->kinds);
    pg_put_i64(args, event->state);
    pg_put_i64(args, event->attempt);
    pg_put_i64(args, event->at_us);
    pg_put_i64(args, event->started_us);
    pg_put_text(args, event->host);
    pg_put_text(args, event->note);
    pg_put_bytes(args, event->payload);
}

static void put_entries(struct pg_args *args, size_t column, const struct store_op *op)
{
    const struct store_accept *accept = store_admission_of(op);
    if (accept != NULL)
        put_entries(args, column, &accept->write.op);
    const struct store_write *write = write_of(op);
    uint64_t number;
    enum store_cause cause = store_cause_of(op, &number);
    for (size_t i = 0; i < write->entry_count; i++) {
        pg_at(args, column);
        pg_put_u64(args, write->seq);
        pg_put_i64(args, cause);
        pg_put_u64(args, number);
        pg_put_name(args, write->entries[i].account);
        pg_put_i64(args, store_write_at(op));
        pg_put_i64(args, write->entries[i].nano_usd);
    }
}

static void put_begin(struct pg_args *args, uint64_t seq, const struct store_begin *begin)
{
    pg_put_u64(args, seq);
    pg_put_i64(args, begin->token.attempt);
    pg_put_u64(args, begin->token.epoch);
    pg_put_i64(args, begin->at_us);
    pg_put_text(args, begin->host);
    pg_put_text(args, begin->module);
    pg_put_text(args, begin->module_digest);
}

static void put_chunks(struct pg_args *args, size_t column, const struct store_op *op)
{
    const struct store_chunk *chunks = NULL;
    size_t count = chunks_of(op, &chunks);
    for (size_t i = 0; i < count; i++) {
        const struct store_chunk *chunk = &chunks[i];
        pg_at(args, column);
        pg_put_u64(args, write_of(op)->seq);
        pg_put_u64(args, chunk->cursor);
        pg_put_i64(args, chunk->attempt);
        pg_put_u64(args, chunk->sequence);
        pg_put_i64(args, chunk->kind);
        pg_put_u64(args, chunk->discard_from);
        pg_put_text(args, chunk->content_type);
        pg_put_bytes(args, chunk->payload);
    }
}

/* -- facts -------------------------------------------------------------------------- */
static void put_keys(struct pg_args *args, const struct store_accept *op)
{
    if (op->own_id) {
        pg_put_bytes(args, aion_str_n(op->id.bytes, sizeof(op->id.bytes)));
        pg_put_u64(args, op->write.seq);
        pg_put_bytes(args, op->digest);
        pg_put_u64(args, store_seq_of(&op->id));
    } else if (op->key.size > 0) {
        pg_put_name(args, op->tenant);
        pg_put_name(args, op->key);
        pg_put_bytes(args, op->digest);
        pg_put_u64(args, op->write.seq);
        pg_put_bytes(args, aion_str_n(op->id.bytes, sizeof(op->id.bytes)));
        pg_put_i64(args, store_seq_us(op->write.seq));
    }
}

static void put_accept(struct pg_args *args, const void *any)
{
    const struct store_accept *op = any;
    put_keys(args, op);
    pg_put_u64(args, op->write.seq);
    pg_put_bytes(args, aion_str_n(op->id.bytes, sizeof(op->id.bytes)));
    pg_put_i64(args, op->own_id);
    pg_put_name(args, op->tenant);
    pg_put_name(args, op->intent);
    pg_put_text(args, op->key_id);
    pg_put_i64(args, op->priority);
    pg_put_i64(args, op->deadline_us);
    pg_put_u64(args, op->body.size);
    pg_put_text(args, op->decision.route);
    pg_put_bytes(args, op->meta);
    pg_put_bytes(args, op->decision.bytes);
    pg_put_bytes(args, op->body);
}

static void put_route(struct pg_args *args, const void *any)
{
    const struct store_route *op = any;
    pg_put_u64(args, op->write.seq);
    pg_put_i64(args, op->at_us);
    pg_put_text(args, op->decision.route);
    pg_put_bytes(args, op->decision.bytes);
}

static void put_start(struct pg_args *args, const void *any)
{
    const struct store_start *op = any;
    put_begin(args, op->write.seq, &op->begin);
}

/* The fact's rows are put by the caller. */
static void put_output(struct pg_args *args, const void *any)
{
    const struct store_chunks *op = any;
    pg_put_u64(args, op->write.seq);
    pg_put_i64(args, op->token.attempt);
    pg_put_u64(args, op->token.epoch);
    pg_put_u64(args, op->count > 0 ? op->chunks[0].cursor : 0);
}

static void put_retry(struct pg_args *args, const void *any)
{
    const struct store_retry *op = any;
    pg_put_u64(args, op->write.seq);
    pg_put_i64(args, op->token.attempt);
    pg_put_i64(args, op->at_us);
    pg_put_i64(args, op->due_us);
    pg_put_i64(args, op->doubt);
    pg_put_i64(args, op->error.code);
    pg_put_text(args, op->error.reason);
    pg_put_text(args, op->error.message);
    pg_put_u64(args, op->token.epoch);
    pg_put_i64(args, op->begin != NULL);
}

static void put_mark(struct pg_args *args, const void *any)
{
    const struct store_mark *op = any;
    bool other = op->kind == STORE_MARK_REPLAYED;
    pg_put_u64(args, op->write.seq);
    pg_put_i64(args, op->number);
    pg_put_i64(args, op->kind);
    pg_put_i64(args, op->attempt);
    pg_put_i64(args, op->at_us);
    pg_put_bytes(args,
                 other ? aion_str_n(op->other.bytes, sizeof(op->other.bytes)) : (aion_str){0});
    pg_put_text(args, op->note);
}

static void put_finish(struct pg_args *args, const void *any)
{
    static const struct store_begin none;
    const struct store_finish *op = any;
    if (op->accept != NULL)
        put_accept(args, op->accept);
    const struct store_begin *begin = op->begin != NULL ? op->begin : &none;
    pg_put_u64(args, op->write.seq);
    pg_put_i64(args, op->state);
    pg_put_i64(args, op->at_us);
    pg_put_u64(args, op->token.epoch);
    pg_put_i64(args, op->token.attempt);
    pg_put_i64(args, begin->at_us);
    pg_put_text(args, begin->host);
    pg_put_text(args, begin->module);
    pg_put_text(args, begin->module_digest);
    pg_put_i64(args, op->error.code);
    pg_put_text(args, op->error.reason);
    pg_put_text(args, op->error.message);
    pg_put_i64(args, op->usage.queue_us);
    pg_put_i64(args, op->usage.run_us);
    pg_put_u64(args, op->usage.tokens_in);
    pg_put_u64(args, op->usage.tokens_out);
    pg_put_i64(args, op->usage.cost_nano_usd);
    pg_put_u64(args, op->cursor);
    pg_put_bytes(args, op->stream_digest);
    pg_put_bytes(args, op->result);
}

static void put_ack(struct pg_args *args, const void *any)
{
    const struct store_ack *op = any;
    pg_put_u64(args, op->write.seq);
    pg_put_u64(args, op->cursor);
    pg_put_i64(args, op->at_us);
}

static void (*const put_fact[])(struct pg_args *args, const void *op) = {
    [STORE_ACCEPT] = put_accept, [STORE_ROUTE] = put_route, [STORE_START] = put_start,
    [STORE_CHUNKS] = put_output, [STORE_RETRY] = put_retry, [STORE_FINISH] = put_finish,
    [STORE_MARK] = put_mark,     [STORE_ACK] = put_ack,
};

void pg_put_write(struct pg_args *args, const struct pg_places *places, struct store_op *op)
{
    unsigned flags = pg_flags_of(op);
    pg_at(args, 0);
    put_fact[op->kind](args, op);
    if (op->kind == STORE_CHUNKS)
        put_chunks(args, places->fact, op);
    const struct store_write *events[2];
    unsigned count = pg_events_of(op, events);
    for (unsigned i = 0; i < count; i++) {
        pg_at(args, places->events);
        put_event(args, events[i]);
    }
    if ((flags & PG_WITH_ENTRIES) != 0)
        put_entries(args, places->entries, op);
    if ((flags & PG_WITH_BEGINS) != 0) {
        pg_at(args, places->begins);
        put_begin(args, write_of(op)->seq,
                  ((const struct store_retry *)(const void *)op)->begin);
    }
    if ((flags & PG_WITH_CHUNKS) != 0)
        put_chunks(args, places->chunks, op);
}
