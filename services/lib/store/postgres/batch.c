/* A batch: many writes on tasks as one transaction. Writes of one shape on tasks of one window
 * travel in one statement; statements go in the order of shapes, so that of one task's facts
 * the earlier is written before the later. What does not fit that order goes in a later round.
 */
#include "store/postgres/postgres_private.h"

#include <assert.h>
#include <stdlib.h>

enum { SLOTS = 2 * PG_BATCH_MAX };

void pg_entry_init(struct pg_entry *entry, struct store_op *op)
{
    *entry = (struct pg_entry){
        .op = op, .write = store_write_of(op), .shape = pg_shape_of(op), .round = 0};
    entry->write->outcome = STORE_DONE;
}

void pg_batch_take(struct pg_batch *batch, struct store_op **chain)
{
    size_t bytes = 0;
    batch->count = 0;
    while (*chain != NULL && batch->count < PG_BATCH_MAX && bytes < PG_BATCH_BYTES) {
        struct store_op *op = *chain;
        *chain = op->next;
        op->next = NULL;
        bytes += pg_size_of(op);
        pg_entry_init(&batch->entries[batch->count], op);
        batch->entries[batch->count].place = (unsigned)batch->count;
        batch->count++;
    }
}

/* -- planning ----------------------------------------------------------------------- */
static bool is_there(struct pg_store *self, enum pg_window_kind kind, int64_t number)
{
    enum pg_window_state state = pg_windows_state(&self->windows, kind, number);
    return state == PG_OPEN || state == PG_SEALED;
}

/* An own id may be one that the server made: looked for in the task's own window, which is
 * where a client that makes such ids itself has its moment; elsewhere by the mender. */
static bool id_is_near(struct pg_store *self, const struct pg_entry *entry)
{
    const struct store_accept *op = aion_container(entry->op, struct store_accept, write.op);
    uint64_t made = store_seq_of(&op->id);
    int64_t window = pg_window_of(&self->windows, store_seq_us(made));
    return entry->shape != PG_SHAPE_ACCEPT_OWN || made == 0 || window == entry->window ||
           pg_windows_state(&self->windows, PG_BY_SEQ, window) == PG_UNKNOWN;
}

/* An old window may be sealed at any moment: what would open it again is the mender's. */
static bool is_young(struct pg_store *self, enum pg_window_kind kind, int64_t number)
{
    return pg_windows_state(&self->windows, kind, number) == PG_OPEN &&
           !pg_window_is_old(&self->windows, number);
}

static bool is_plain(struct pg_store *self, const struct pg_entry *entry)
{
    const struct store_write *events[2];
    if (entry->op->audit != NULL)
        return false;
    for (unsigned i = pg_events_of(entry->op, events); i > 0; i--)
        if (!is_young(self, PG_BY_TIME,
                      pg_window_of(&self->windows, events[i - 1]->event->at_us)))
            return false;
    return !pg_admits(entry->op) ||
           (is_young(self, PG_BY_SEQ, entry->window) &&
            (entry->op->kind != STORE_ACCEPT || id_is_near(self, entry)));
}

bool pg_entry_find(struct pg_store *self, struct pg_entry *entry)
{
    const struct store_write *events[2];
    int64_t number = pg_window_of(&self->windows, store_seq_us(entry->write->seq));
    for (unsigned i = pg_events_of(entry->op, events); i > 0; i--)
        if (!is_there(self, PG_BY_TIME,
                      pg_window_of(&self->windows, events[i - 1]->event->at_us)))
            return false;
    entry->window = number;
    if (is_there(self, PG_BY_SEQ, number))
        return true;
    entry->window = PG_KEPT;
    return pg_windows_state(&self->windows, PG_BY_SEQ, number) == PG_DROPPED;
}

/* The last fact of a task in the batch so far. */
struct seen {
    uint64_t seq;
    enum pg_shape shape;
    unsigned round;
    bool used;
};

static struct seen *find_seen(struct seen slots[SLOTS], uint64_t seq)
{
    size_t at = (size_t)(seq * 0x9e3779b97f4a7c15u >> 32) % SLOTS;
    while (slots[at].used && slots[at].seq != seq)
        at = (at + 1) % SLOTS;
    return &slots[at];
}

static void set_round(struct seen slots[SLOTS], struct pg_entry *entry)
{
    struct seen *last = find_seen(slots, entry->write->seq);
    if (last->used)
        entry->round = entry->shape > last->shape ? last->round : last->round + 1;
    *last = (struct seen){entry->write->seq, entry->shape, entry->round, true};
}

static int compare(const void *a, const void *b)
{
    const struct pg_entry *left = a, *right = b;
    if (left->round != right->round)
        return left->round < right->round ? -1 : 1;
    if (left->shape != right->shape)
        return left->shape < right->shape ? -1 : 1;
    if (left->window != right->window)
        return left->window < right->window ? -1 : 1;
    return left->place < right->place ? -1 : 1;
}

static void make_groups(struct pg_batch *batch)
{
    batch->groups = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct pg_entry *entry = &batch->entries[i], *before = entry - 1;
        bool same = i > 0 && entry->round == before->round && entry->shape == before->shape &&
                    entry->window == before->window;
        if (!same)
            batch->group[batch->groups++] = (struct pg_group){.entries = &batch->entries[i]};
        batch->group[batch->groups - 1].count++;
    }
}

bool pg_batch_plan(struct pg_store *self, struct pg_batch *batch)
{
    struct seen slots[SLOTS];
    memset(slots, 0, sizeof(slots));
    for (size_t i = 0; i < batch->count; i++) {
        struct pg_entry *entry = &batch->entries[i];
        if (!pg_entry_find(self, entry) || !is_plain(self, entry))
            return false;
        set_round(slots, entry);
    }
    qsort(batch->entries, batch->count, sizeof(batch->entries[0]), compare);
    make_groups(batch);
    return true;
}

/* -- sending ------------------------------------------------------------------------ */
/* The shards and the epochs they are written under, each pair once. */
static size_t put_pairs(const struct pg_batch *batch, struct pg_args *args)
{
    uint64_t epochs[STORE_SHARDS], seen = 0;
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct store_write *write = batch->entries[i].write;
        unsigned shard = store_seq_shard(write->seq);
        if ((seen >> shard & 1) != 0 && epochs[shard] == write->epoch)
            continue;
        seen |= UINT64_C(1) << shard;
        epochs[shard] = write->epoch;
        pg_at(args, 0);
        pg_put_i64(args, shard);
        pg_put_u64(args, write->epoch);
        count++;
    }
    return count;
}

static bool send_fence(const struct pg_batch *batch, struct pg_conn *conn)
{
    struct pg_statement statement = pg_statement(PG_FENCE);
    struct pg_args *args = pg_begin(conn, statement);
    size_t count = put_pairs(batch, args);
    pg_at(args, 2);
    pg_put_u64(args, count);
    return pg_send(conn, statement, NULL, NULL);
}

static bool send_entries(struct pg_entry *entries, size_t count, struct pg_conn *conn,
                         pg_result_fn *fn, void *user)
{
    unsigned flags = 0;
    for (size_t i = 0; i < count; i++)
        flags |= pg_flags_of(entries[i].op);
    struct pg_places places = pg_places(entries[0].shape, flags);
    struct pg_statement statement = pg_write(entries[0].shape, flags, entries[0].window);
    struct pg_args *args = pg_begin(conn, statement);
    for (size_t i = 0; i < count; i++)
        pg_put_write(args, &places, entries[i].op);
    return pg_send(conn, statement, fn, user);
}

bool pg_entry_send(struct pg_entry *entry, struct pg_conn *conn, pg_result_fn *fn, void *user)
{
    return send_entries(entry, 1, conn, fn, user);
}

bool pg_batch_send(struct pg_batch *batch, struct pg_conn *conn, pg_result_fn *synced)
{
    if (!send_fence(batch, conn))
        return false;
    for (size_t i = 0; i < batch->groups; i++) {
        struct pg_group *group = &batch->group[i];
        if (!send_entries(group->entries, group->count, conn, pg_group_result, group))
            return false;
    }
    return pg_send_sync(conn, synced, batch);
}

/* -- results ------------------------------------------------------------------------ */
static uint64_t u64_at(const PGresult *result, int row, int column)
{
    uint64_t value = 0;
    const unsigned char *bytes = (const unsigned char *)PQgetvalue(result, row, column);
    assert(PQgetlength(result, row, column) == 8);
    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void win(struct pg_entry *entry, const PGresult *result, int row)
{
    entry->won = true;
    if (entry->op->kind == STORE_ACK)
        aion_container(entry->op, struct store_ack, write.op)->acked = u64_at(result, row, 1);
}

/* Rows come in the order of the parameters, as a rule; then this is one walk. */
void pg_group_result(void *user, PGresult *result)
{
    const struct pg_group *group = user;
    struct pg_entry *entries = group->entries;
    size_t at = 0;
    int rows = result != NULL ? PQntuples(result) : 0;
    for (int row = 0; row < rows; row++) {
        uint64_t seq = u64_at(result, row, 0);
        size_t tried = 0;
        for (; tried < group->count && entries[at].write->seq != seq; tried++)
            at = (at + 1) % group->count;
        if (tried < group->count)
            win(&entries[at], result, row);
    }
    PQclear(result);
}
