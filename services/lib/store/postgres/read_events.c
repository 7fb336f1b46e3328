/* The outbox, read. Rows of one shard are in order of their sequence, but an event's time may
 * put a later one into an earlier window; so what the windows give is merged by shard.
 *
 * A page is filled in turns: each turn gives every shard that has more the same room, so that
 * one which has much does not keep the others from coming. */
#include "store/postgres/reader.h"

#include <stdlib.h>

enum { BYTES_MAX = 1 << 20 };

/* A row in one of the results. */
struct found {
    uint64_t shard, sequence;
    struct pg_rows *rows;
    int row;
};

struct turn {
    struct store_events_read *op;
    uint64_t after[STORE_SHARDS], asking; /* a set */
    size_t room;                          /* of a shard */
    size_t bytes, bytes_max;
    int64_t from_us, window_us;
    struct pg_rows *results; /* one a window */
    size_t windows;
};

static bool ask(struct pg_wait *wait, const struct turn *turn, int64_t window,
                struct pg_rows *rows)
{
    struct pg_statement statement = pg_windowed(PG_EVENTS_READ, window);
    struct pg_args *args = pg_begin(&wait->conn, statement);
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        if ((turn->asking >> shard & 1) != 0) {
            pg_at(args, 0);
            pg_put_i64(args, shard);
            pg_put_u64(args, turn->after[shard]);
        }
    pg_at(args, 2);
    pg_put_u64(args, turn->room + 1); /* one more tells whether there is more */
    *rows = pg_rows(wait);
    return pg_defer(wait, statement, rows);
}

/* A sealed window of which the reader has had everything is not asked, nor one that ended
 * before what is of interest. */
static bool may_have(const struct turn *turn, const struct pg_window *window)
{
    if (turn->from_us > 0 && (window->number + 1) * turn->window_us <= turn->from_us)
        return false;
    if (window->state != PG_SEALED)
        return true;
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        if ((turn->asking >> shard & 1) != 0 && window->top[shard] > turn->after[shard])
            return true;
    return false;
}

static int compare(const void *a, const void *b)
{
    const struct found *left = a, *right = b;
    if (left->shard != right->shard)
        return left->shard < right->shard ? -1 : 1;
    return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

static struct found *gather(struct turn *turn, size_t *ret_count)
{
    size_t most = 0, count = 0;
    for (size_t i = 0; i < turn->windows; i++)
        most += (size_t)turn->results[i].rows;
    struct found *list = calloc(most + 1, sizeof(*list));
    for (size_t i = 0; list != NULL && i < turn->windows; i++) {
        struct pg_rows *rows = &turn->results[i];
        while (pg_next(rows)) {
            struct found *found = &list[count++];
            found->shard = pg_get_u64(rows) % STORE_SHARDS;
            found->sequence = pg_get_u64(rows);
            found->rows = rows;
            found->row = rows->row;
        }
    }
    if (list != NULL)
        qsort(list, count, sizeof(*list), compare);
    *ret_count = count;
    return list;
}

static void get_event(const struct found *found, struct store_outbox *event,
                      struct aion_arena *arena)
{
    struct pg_rows *rows = found->rows;
    rows->row = found->row;
    rows->column = 1;
    event->sequence = pg_get_u64(rows);
    event->seq = pg_get_u64(rows);
    pg_get_uuid(rows, &event->id);
    event->tenant = pg_get_str(rows, arena);
    event->intent = pg_get_str(rows, arena);
    event->kinds = (uint32_t)pg_get_i64(rows);
    event->state = (uint32_t)pg_get_i64(rows);
    event->attempt = (uint32_t)pg_get_i64(rows);
    event->at_us = pg_get_i64(rows);
    event->started_us = pg_get_i64(rows);
    event->host = pg_get_str(rows, arena);
    event->note = pg_get_str(rows, arena);
    event->payload = pg_get_str(rows, arena);
}

static bool is_full(const struct turn *turn)
{
    const struct store_events_read *op = turn->op;
    return op->count == op->limit || (op->count > 0 && turn->bytes >= turn->bytes_max);
}

/* Gives each shard's first ones, as many as there is room; what is left asks again. */
static void give(struct turn *turn, const struct found *list, size_t count)
{
    uint64_t shard = STORE_SHARDS;
    size_t given = 0;
    turn->asking = 0;
    turn->op->more = false;
    for (size_t i = 0; i < count; i++) {
        given = list[i].shard == shard ? given : 0;
        shard = list[i].shard;
        if (given == turn->room || is_full(turn)) {
            turn->asking |= UINT64_C(1) << shard;
            turn->op->more = true;
            continue;
        }
        struct store_outbox *event = &turn->op->events[turn->op->count++];
        get_event(&list[i], event, turn->op->op.arena);
        turn->after[shard] = event->sequence;
        turn->bytes += event->payload.size;
        given++;
    }
}

static bool take_turn(struct pg_wait *wait, struct turn *turn, const struct pg_window *windows)
{
    size_t asking = (size_t)__builtin_popcountll(turn->asking), count = 0;
    size_t left = turn->op->limit - turn->op->count;
    bool read = true;
    turn->room = left > asking ? left / asking : 1;
    for (size_t i = 0; read && i < turn->windows; i++) {
        turn->results[i] = pg_rows(wait);
        read = !may_have(turn, &windows[i]) ||
               ask(wait, turn, windows[i].number, &turn->results[i]);
    }
    read = read && pg_finish(wait);
    struct found *list = read ? gather(turn, &count) : NULL;
    if (list != NULL)
        give(turn, list, count);
    else if (read)
        read = pg_conn_fail(&wait->conn, PG_TOO_BIG, "no memory for a page of events");
    free(list);
    for (size_t i = 0; i < turn->windows; i++)
        pg_rows_done(&turn->results[i]);
    return read && !pg_failed(&wait->conn);
}

/* -- where shards end ---------------------------------------------------------------- */
static bool newest_of(struct pg_wait *wait, uint64_t set, int64_t window,
                      uint64_t newest[STORE_SHARDS])
{
    struct pg_statement statement = pg_windowed(PG_NEWEST_EVENTS, window);
    struct pg_rows rows;
    struct pg_args *args = pg_begin(&wait->conn, statement);
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        if ((set >> shard & 1) != 0) {
            pg_at(args, 0);
            pg_put_i64(args, shard);
        }
    bool read = pg_query(wait, statement, &rows);
    while (read && pg_next(&rows)) {
        uint64_t shard = pg_get_u64(&rows) % STORE_SHARDS, sequence = pg_get_u64(&rows);
        if (sequence > newest[shard])
            newest[shard] = sequence;
    }
    pg_rows_done(&rows);
    return read;
}

static void newest_tops(uint64_t set, const struct pg_window *window,
                        uint64_t newest[STORE_SHARDS])
{
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        if ((set >> shard & 1) != 0 && window->top[shard] > newest[shard])
            newest[shard] = window->top[shard];
}

bool pg_newest_events(struct pg_store *self, struct pg_wait *wait, uint64_t set,
                      uint64_t newest[STORE_SHARDS])
{
    size_t count;
    struct pg_window *list = pg_windows_copy(&self->windows, PG_BY_TIME, &count);
    bool read = true;
    for (size_t i = 0; read && i < count; i++)
        if (list[i].state == PG_SEALED)
            newest_tops(set, &list[i], newest);
        else
            read = newest_of(wait, set, list[i].number, newest);
    free(list);
    return read;
}

static bool read_ends(struct pg_store *self, struct pg_wait *wait, struct store_events_read *op)
{
    op->count = 0;
    op->more = false;
    memset(op->after, 0, sizeof(op->after));
    return pg_newest_events(self, wait, op->shards, op->after);
}

/* -- rows ---------------------------------------------------------------------------- */
bool pg_events_read(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct store_events_read *op = aion_container(base, struct store_events_read, op);
    if (op->to_end)
        return read_ends(self, wait, op);
    struct turn turn = {.op = op,
                        .asking = op->shards,
                        .from_us = op->from_us,
                        .window_us = self->windows.length_us,
                        .bytes_max = op->bytes_max > 0 ? op->bytes_max : BYTES_MAX};
    memcpy(turn.after, op->after, sizeof(turn.after));
    op->count = 0;
    op->more = false;
    op->events = pg_array(wait, base->arena, op->limit, sizeof(*op->events));
    if (op->events == NULL)
        return false;
    struct pg_window *windows = pg_windows_copy(&self->windows, PG_BY_TIME, &turn.windows);
    turn.results = calloc(turn.windows + 1, sizeof(*turn.results));
    bool read = turn.results != NULL ||
                pg_conn_fail(&wait->conn, PG_TOO_BIG, "no memory for a page of events");
    while (read && turn.asking != 0 && !is_full(&turn))
        read = take_turn(wait, &turn, windows);
    free(turn.results);
    free(windows);
    return read;
}
