/* Leases. A replica's lease is one row; its shards are its own as long as that row lives, so
 * that renewing costs one update however many shards there are. All leases are taken under one
 * advisory lock: they are short and few, and see each other's claims. */
#include "store/postgres/desk.h"
#include "store/postgres/schema.h"

#include <stdlib.h>

enum { REPLICAS_MAX = 256 };

struct replica {
    aion_str id, address;
    int64_t until_us;
};

/* What the lease is decided from, and what it decided. */
struct table {
    struct store_lease *op;
    struct replica replicas[REPLICAS_MAX];
    size_t count;
    uint64_t mine, claim, give_back; /* sets */
    uint64_t newest_event[STORE_SHARDS];
};

static bool get_clock(struct pg_wait *wait, int64_t *ret_us)
{
    struct pg_rows rows;
    pg_begin(&wait->conn, pg_statement(PG_CLOCK));
    bool read = pg_query(wait, pg_statement(PG_CLOCK), &rows);
    *ret_us = read && pg_next(&rows) ? pg_get_i64(&rows) : 0;
    pg_rows_done(&rows);
    return read;
}

static bool register_replica(struct pg_wait *wait, const struct store_lease *op)
{
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(PG_REPLICA_PUT));
    pg_put_name(args, op->replica);
    pg_put_text(args, op->address);
    pg_put_i64(args, op->now_us + op->lease_us);
    return pg_run(wait, pg_statement(PG_REPLICA_PUT), NULL);
}

static bool read_replicas(struct pg_wait *wait, struct table *table)
{
    struct pg_rows rows;
    struct aion_arena *arena = table->op->op.arena;
    pg_begin(&wait->conn, pg_statement(PG_REPLICA_LIST));
    bool read = pg_query(wait, pg_statement(PG_REPLICA_LIST), &rows);
    table->op->replicas = 0;
    while (read && table->count < REPLICAS_MAX && pg_next(&rows)) {
        struct replica *replica = &table->replicas[table->count++];
        replica->id = pg_get_str(&rows, arena);
        replica->address = pg_get_str(&rows, arena);
        replica->until_us = pg_get_i64(&rows);
        table->op->replicas += replica->until_us > table->op->now_us;
    }
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}

static const struct replica *find_replica(const struct table *table, aion_str id)
{
    for (size_t i = 0; i < table->count; i++)
        if (aion_str_eq(table->replicas[i].id, id))
            return &table->replicas[i];
    return NULL;
}

static bool read_shards(struct pg_wait *wait, struct table *table)
{
    struct store_lease *op = table->op;
    struct pg_rows rows;
    pg_begin(&wait->conn, pg_statement(PG_SHARD_LIST));
    bool read = pg_query(wait, pg_statement(PG_SHARD_LIST), &rows);
    while (read && pg_next(&rows)) {
        uint64_t number = pg_get_u64(&rows) % STORE_SHARDS;
        struct store_shard *shard = &op->shards[number];
        *shard = (struct store_shard){.epoch = pg_get_u64(&rows)};
        shard->owner = pg_get_str(&rows, op->op.arena);
        table->newest_event[number] = pg_get_u64(&rows);
        const struct replica *owner = find_replica(table, shard->owner);
        if (owner != NULL) {
            shard->address = owner->address;
            shard->until_us = owner->until_us;
        }
        if (shard->owner.size > 0 && aion_str_eq(shard->owner, op->replica))
            table->mine |= UINT64_C(1) << number;
    }
    pg_rows_done(&rows);
    return read && !pg_failed(&wait->conn);
}

/* -- deciding ----------------------------------------------------------------------- */
static unsigned size_of(uint64_t set)
{
    return (unsigned)__builtin_popcountll(set);
}

static bool is_free(const struct store_lease *op, unsigned shard)
{
    return op->shards[shard].owner.size == 0 || op->shards[shard].until_us <= op->now_us;
}

/* A replica that ends or drains takes nothing. */
static unsigned share_of(const struct store_lease *op)
{
    unsigned alive = op->replicas > 0 ? op->replicas : 1;
    unsigned fair = (STORE_SHARDS + alive - 1) / alive;
    if (op->lease_us <= 0)
        return 0;
    return op->shards_max < fair ? op->shards_max : fair;
}

static void decide(struct table *table)
{
    struct store_lease *op = table->op;
    unsigned share = share_of(op);
    table->give_back = table->mine & (op->lease_us <= 0 ? STORE_ALL_SHARDS : op->release);
    uint64_t keep = table->mine & ~table->give_back, again = 0;
    if (op->first) { /* a former process's: under its old epoch nothing of ours may be written
                      */
        again = keep;
        keep = 0;
    }
    /* Our former ones first, then whoever is nobody's. */
    for (int turn = 0; turn < 2; turn++)
        for (unsigned shard = 0; shard < STORE_SHARDS; shard++) {
            uint64_t bit = UINT64_C(1) << shard;
            bool wanted = turn == 0 ? (again & bit) != 0
                                    : ((again | keep | table->give_back) & bit) == 0 &&
                                          is_free(op, shard);
            if (wanted && size_of(keep | table->claim) < share)
                table->claim |= bit;
        }
    table->give_back |= again & ~table->claim;
}

/* -- doing -------------------------------------------------------------------------- */
static struct pg_args *put_set(struct pg_wait *wait, enum pg_statement_id id, uint64_t set)
{
    struct pg_args *args = pg_begin(&wait->conn, pg_statement(id));
    for (unsigned shard = 0; shard < STORE_SHARDS; shard++)
        if ((set >> shard & 1) != 0) {
            pg_at(args, 0);
            pg_put_i64(args, shard);
        }
    return args;
}

static bool set_owner(struct pg_wait *wait, enum pg_statement_id id, uint64_t set,
                      aion_str replica)
{
    if (set == 0)
        return true;
    struct pg_args *args = put_set(wait, id, set);
    pg_at(args, 1);
    pg_put_name(args, replica);
    return pg_run(wait, pg_statement(id), NULL);
}

/* Waits for the writes under the old epoch to end. */
static bool take_rows(struct pg_wait *wait, uint64_t set)
{
    if (set == 0)
        return true;
    put_set(wait, PG_SHARD_TAKE, set);
    return pg_exec(wait, "SET LOCAL lock_timeout = '2s'") &&
           (put_set(wait, PG_SHARD_TAKE, set), pg_run(wait, pg_statement(PG_SHARD_TAKE), NULL));
}

/* An old owner that stopped in the middle of a transaction (a paused process) would hold its
 * shards for as long as its connection lives: the connection is ended. Of ours, only such a one
 * has a transaction open for long and waits for its client. */
static const char end_stuck[] =
    "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_stat_activity a ON "
    "a.pid = l.pid WHERE l.relation = 'shard'::regclass AND l.mode = 'RowShareLock' AND "
    "a.wait_event_type = 'Client' AND a.xact_start < clock_timestamp() - interval '1s' AND "
    "l.pid <> pg_backend_pid()";

static bool claim(struct pg_wait *wait, uint64_t set, aion_str replica)
{
    if (!take_rows(wait, set)) {
        struct pg_failure failure = wait->conn.failure;
        int64_t ended;
        if (strcmp(failure.sqlstate, "55P03") == 0) {
            pg_schema_roll_back(wait);
            pg_clear(&wait->conn);
            pg_ask(wait, end_stuck, &ended);
            pg_clear(&wait->conn);
            wait->conn.failure = failure; /* and the whole lease is tried again */
        }
        return false;
    }
    return set_owner(wait, PG_SHARD_OWN, set, replica);
}

/* -- where the shards stand --------------------------------------------------------- */
static bool newest_seq(struct pg_wait *wait, int64_t window, uint64_t *newest)
{
    struct pg_statement statement = pg_windowed(PG_NEWEST_SEQ, window);
    struct pg_rows rows;
    pg_begin(&wait->conn, statement);
    bool read = pg_query(wait, statement, &rows);
    uint64_t seq = read && pg_next(&rows) ? pg_get_u64(&rows) : 0;
    *newest = seq > *newest ? seq : *newest;
    pg_rows_done(&rows);
    return read;
}

/* No task has a greater place: whoever's shard it is in. */
static bool find_newest_seq(struct pg_store *self, struct pg_wait *wait, uint64_t *ret_newest)
{
    size_t count;
    struct pg_window *list = pg_windows_copy(&self->windows, PG_BY_SEQ, &count);
    bool read = true;
    *ret_newest = 0;
    for (size_t i = count; read && i > 0 && *ret_newest == 0; i--)
        read = newest_seq(wait, list[i - 1].number, ret_newest);
    free(list);
    return read && newest_seq(wait, PG_KEPT, ret_newest);
}

static bool tell_claims(struct pg_store *self, struct pg_wait *wait, struct table *table)
{
    struct store_lease *op = table->op;
    uint64_t seq = 0;
    if (table->claim != 0 &&
        (!pg_windows_load(&self->windows, wait) || !find_newest_seq(self, wait, &seq) ||
         !pg_newest_events(self, wait, table->claim, table->newest_event)))
        return false;
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        struct store_shard *shard = &op->shards[i];
        if ((table->give_back >> i & 1) != 0)
            *shard = (struct store_shard){.epoch = shard->epoch};
        shard->claimed = (table->claim >> i & 1) != 0;
        shard->mine = shard->claimed || ((table->mine & ~table->give_back) >> i & 1) != 0;
        if (shard->mine) {
            shard->owner = op->replica;
            shard->address = op->address;
            shard->until_us = op->now_us + op->lease_us;
        }
        shard->epoch += shard->claimed;
        shard->newest_seq = shard->claimed ? seq : 0;
        shard->newest_event = shard->claimed ? table->newest_event[i] : 0;
    }
    return true;
}

static bool run_lease(struct pg_store *self, struct pg_wait *wait, struct table *table)
{
    struct store_lease *op = table->op;
    if (!pg_exec(wait, "SELECT pg_advisory_xact_lock(hashtextextended('aion lease ' || "
                       "current_schema(), 0))") ||
        !get_clock(wait, &op->now_us) || !register_replica(wait, op) ||
        !read_replicas(wait, table) || !read_shards(wait, table))
        return false;
    decide(table);
    return set_owner(wait, PG_SHARD_FREE, table->give_back, op->replica) &&
           (table->claim == 0 || claim(wait, table->claim, op->replica)) &&
           tell_claims(self, wait, table);
}

bool pg_lease(struct pg_store *self, struct pg_wait *wait, struct store_op *base)
{
    struct table *table = calloc(1, sizeof(*table));
    if (table == NULL)
        return pg_conn_fail(&wait->conn, PG_TOO_BIG, "no memory for a lease");
    table->op = aion_container(base, struct store_lease, op);
    bool leased = run_lease(self, wait, table);
    free(table);
    return leased;
}
