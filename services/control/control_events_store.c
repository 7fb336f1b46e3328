/* The store's outbox as a source of rows: operations of one become operations of the other. */
#include "control_private.h"

#include <stdlib.h>

enum { READ_BYTES_MAX = 4 << 20, CURSOR_ARENA_MAX = 65536 };

struct tasks_source {
    struct events_source source;
    struct control *control;
};

static struct store *store_of(struct events_source *source)
{
    return aion_container(source, struct tasks_source, source)->control->store;
}

/* -- rows --------------------------------------------------------------------------- */
struct reading {
    struct store_events_read op;
    struct events_read *read;
};

static struct events_row row_of(const struct store_outbox *from)
{
    bool routed = (from->kinds & STORE_EVENT_ROUTED) != 0;
    bool ended = store_state_final((enum store_state)from->state);
    return (struct events_row){
        .lane = store_seq_shard(from->seq),
        .sequence = from->sequence,
        .at_us = from->at_us,
        .of.task =
            {.id = from->id,
             .tenant = from->tenant,
             .intent = from->intent,
             .note = from->note,
             .kinds = from->kinds,
             .state = from->state,
             .attempt = from->attempt,
             .started_us = from->started_us,
             .host = from->host,
             /* control_event.c: a routed row's payload is its decision, an end's usage */
             .decision = routed ? from->payload : (aion_str){0},
             .usage = ended && !routed ? from->payload : (aion_str){0}},
    };
}

static bool give_rows(struct events_read *read, const struct store_events_read *op)
{
    struct events_row *rows = aion_arena_array(read->arena, op->count, sizeof(*rows));
    if (rows == NULL)
        return false;
    for (size_t i = 0; i < op->count; i++)
        rows[i] = row_of(&op->events[i]);
    read->rows = rows;
    read->count = op->count;
    read->more = op->more;
    return true;
}

static void rows_read(struct store_op *op, const struct aion_err *err)
{
    struct reading *reading = aion_container(op, struct reading, op.op);
    struct events_read *read = reading->read;
    struct aion_err full;
    if (err == NULL && !give_rows(read, &reading->op)) {
        aion_err_set(&full, __func__, AION_EXHAUSTED, "events do not fit in memory");
        err = &full;
    }
    free(reading);
    read->done(read, err);
}

static bool tasks_read(struct events_source *source, struct events_read *read,
                       struct aion_err *err)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (reading == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    reading->read = read;
    reading->op.op.done = rows_read;
    reading->op.op.arena = read->arena;
    reading->op.shards = read->lanes;
    memcpy(reading->op.after, read->after, sizeof(read->after));
    reading->op.limit = read->limit;
    reading->op.bytes_max = READ_BYTES_MAX;
    if (store_events_read(store_of(source), &reading->op, err))
        return true;
    free(reading);
    return false;
}

/* -- cursors ------------------------------------------------------------------------ */
struct placing {
    union {
        struct store_cursor_read read;
        struct store_cursor_put put;
    } as;
    struct aion_arena arena;
    struct events_cursor *cursor;
};

static void placing_end(struct placing *placing, const struct aion_err *err)
{
    struct events_cursor *cursor = placing->cursor;
    aion_arena_done(&placing->arena);
    free(placing);
    cursor->done(cursor, err);
}

static void cursor_read(struct store_op *op, const struct aion_err *err)
{
    struct placing *placing = aion_container(op, struct placing, as.read.op);
    if (err == NULL)
        memcpy(placing->cursor->sequence, placing->as.read.sequence,
               sizeof(placing->cursor->sequence));
    placing_end(placing, err);
}

static void cursor_put(struct store_op *op, const struct aion_err *err)
{
    placing_end(aion_container(op, struct placing, as.put.op), err);
}

static struct placing *placing_new(struct events_cursor *cursor)
{
    struct placing *placing = calloc(1, sizeof(*placing));
    if (placing == NULL)
        return NULL;
    placing->cursor = cursor;
    aion_arena_init(&placing->arena, CURSOR_ARENA_MAX, NULL, 0);
    return placing;
}

static bool refused(struct placing *placing, struct aion_err *err)
{
    if (placing == NULL)
        return aion_fail(err, AION_UNAVAILABLE, "out of memory");
    aion_arena_done(&placing->arena);
    free(placing);
    return false;
}

static bool tasks_cursor_read(struct events_source *source, struct events_cursor *cursor,
                              struct aion_err *err)
{
    struct placing *placing = placing_new(cursor);
    if (placing == NULL)
        return refused(NULL, err);
    placing->as.read = (struct store_cursor_read){
        .op = {.done = cursor_read, .arena = &placing->arena}, .name = cursor->name};
    return store_cursor_read(store_of(source), &placing->as.read, err) || refused(placing, err);
}

static bool tasks_cursor_put(struct events_source *source, struct events_cursor *cursor,
                             struct aion_err *err)
{
    struct placing *placing = placing_new(cursor);
    if (placing == NULL)
        return refused(NULL, err);
    placing->as.put = (struct store_cursor_put){.op = {.done = cursor_put, .lazy = true},
                                                .name = cursor->name,
                                                .shards = cursor->lanes};
    memcpy(placing->as.put.sequence, cursor->sequence, sizeof(cursor->sequence));
    return store_cursor_put(store_of(source), &placing->as.put, err) || refused(placing, err);
}

struct events_source *control_events_tasks_new(struct control *control)
{
    struct tasks_source *tasks = calloc(1, sizeof(*tasks));
    if (tasks == NULL)
        abort();
    tasks->control = control;
    tasks->source = (struct events_source){
        .stream = EVENTS_STREAM_TASKS,
        /* one process gives all sequences, and the store applies them in their order */
        .ordered = !store_info(control->store).shared,
        .read = tasks_read,
        .cursor_read = tasks_cursor_read,
        .cursor_put = tasks_cursor_put,
    };
    return &tasks->source;
}
