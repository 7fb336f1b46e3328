/* Shards and leases in memory. A store of its own has all shards, until the test says that
 * another took some; stores of one name share them as the contract says. */
#include "store/script/script_private.h"

#include "base/clock.h"

static uint64_t newest(struct script_store *self, enum store_table table, unsigned column)
{
    uint64_t most = 0;
    script_each(self, table, i)
    {
        uint64_t value = script_u64(script_at(self, table, i), column);
        most = value > most ? value : most;
    }
    return most;
}

/* -- a store of its own -------------------------------------------------------------- */
static void lease_alone(struct script_store *self, struct store_lease *op)
{
    struct script_state *state = self->state;
    for (unsigned i = 0; op->first && state->leased && i < STORE_SHARDS; i++)
        state->epochs[i]++; /* as a new process would find it */
    op->replicas = 1;
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        bool mine = (state->lost >> i & 1) == 0;
        op->shards[i] = (struct store_shard){
            .owner = mine ? self->replica : AION_STR("other"),
            .address = mine ? script_keep(self, op->address) : AION_STR("other:1"),
            .epoch = state->epochs[i],
            .until_us = op->now_us + op->lease_us,
            .mine = mine,
            .claimed = mine && (op->first || !state->leased),
        };
    }
    state->leased = true;
}

/* -- stores of one name -------------------------------------------------------------- */
static struct script_replica *replica_of(struct script_state *state, aion_str id)
{
    for (size_t i = 0; i < state->replica_count; i++)
        if (aion_str_eq(state->replicas[i].id, id))
            return &state->replicas[i];
    return NULL;
}

/* NULL: SCRIPT_REPLICAS_MAX. */
static struct script_replica *register_replica(struct script_store *self,
                                               const struct store_lease *op)
{
    struct script_state *state = self->state;
    struct script_replica *replica = replica_of(state, op->replica);
    if (replica == NULL && state->replica_count < SCRIPT_REPLICAS_MAX) {
        replica = &state->replicas[state->replica_count++];
        replica->id = script_keep(self, op->replica);
    }
    if (replica == NULL)
        return NULL;
    replica->address = script_keep(self, op->address);
    replica->until_us = op->now_us + op->lease_us;
    return replica;
}

static uint32_t count_alive(const struct script_state *state, int64_t now_us)
{
    uint32_t alive = 0;
    for (size_t i = 0; i < state->replica_count; i++)
        alive += state->replicas[i].until_us > now_us;
    return alive;
}

static unsigned count_owned(const struct script_state *state, const struct script_replica *by)
{
    unsigned count = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        count += state->owners[i] == by;
    return count;
}

static void claim(struct script_state *state, struct store_lease *op, unsigned shard,
                  const struct script_replica *replica)
{
    state->owners[shard] = replica;
    state->epochs[shard]++;
    op->shards[shard].claimed = true;
}

static void give_back(struct script_state *state, const struct store_lease *op,
                      const struct script_replica *replica)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if (state->owners[i] == replica && (op->lease_us <= 0 || (op->release >> i & 1) != 0))
            state->owners[i] = NULL;
}

static void claim_share(struct script_state *state, struct store_lease *op,
                        const struct script_replica *replica)
{
    unsigned alive = op->replicas > 0 ? op->replicas : 1;
    unsigned share = (STORE_SHARDS + alive - 1) / alive;
    share = op->shards_max < share ? op->shards_max : share;
    share = op->lease_us > 0 ? share : 0;
    for (unsigned i = 0; op->first && i < STORE_SHARDS; i++)
        if (state->owners[i] == replica)
            claim(state, op, i, replica); /* from a former process of this name */
    for (unsigned i = 0; i < STORE_SHARDS && count_owned(state, replica) < share; i++) {
        bool given_back = (op->release >> i & 1) != 0;
        const struct script_replica *owner = state->owners[i];
        if (!given_back && (owner == NULL || owner->until_us <= op->now_us))
            claim(state, op, i, replica);
    }
}

static void lease_share(struct script_store *self, struct store_lease *op)
{
    struct script_state *state = self->state;
    const struct script_replica *replica = register_replica(self, op);
    if (replica == NULL) {
        script_fail(&op->op, AION_INTERNAL, "", "too many replicas for the script");
        return;
    }
    op->replicas = count_alive(state, op->now_us);
    give_back(state, op, replica);
    claim_share(state, op, replica);
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        const struct script_replica *owner = state->owners[i];
        struct store_shard *shard = &op->shards[i];
        shard->epoch = state->epochs[i];
        shard->mine = owner == replica;
        shard->owner = owner != NULL ? script_give(&op->op, owner->id) : (aion_str){0};
        shard->address = owner != NULL ? script_give(&op->op, owner->address) : (aion_str){0};
        shard->until_us = owner != NULL ? owner->until_us : 0;
    }
}

/* -- both ---------------------------------------------------------------------------- */
void script_lease(struct script_store *self, struct store_op *base)
{
    struct store_lease *op = aion_container(base, struct store_lease, op);
    uint64_t seq = newest(self, STORE_TABLE_TASK, TASK_seq),
             event = newest(self, STORE_TABLE_OUTBOX, OUTBOX_sequence);
    aion_str_copy(self->replica_text, sizeof(self->replica_text), op->replica);
    self->replica = aion_str_of(self->replica_text);
    op->now_us = self->state->clock_us > 0 ? self->state->clock_us : aion_clock_utc_us();
    memset(op->shards, 0, sizeof(op->shards));
    if (self->state->name[0] != '\0')
        lease_share(self, op);
    else
        lease_alone(self, op);
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        op->shards[i].newest_seq = op->shards[i].claimed ? seq : 0;
        op->shards[i].newest_event = op->shards[i].claimed ? event : 0;
    }
}

bool script_fenced(const struct script_store *self, const struct store_write *write)
{
    unsigned shard = store_seq_shard(write->seq);
    return write->epoch != self->state->epochs[shard] || (self->state->lost >> shard & 1) != 0;
}

bool script_replica_lives(struct script_store *self, aion_str replica)
{
    struct script_state *state = self->state;
    if (state->name[0] == '\0')
        return aion_str_eq(replica, self->replica);
    int64_t now_us = state->clock_us > 0 ? state->clock_us : aion_clock_utc_us();
    const struct script_replica *known = replica_of(state, replica);
    return known != NULL && (known->until_us > now_us || count_owned(state, known) > 0);
}

void store_script_lose(struct store *store, uint64_t shards)
{
    struct script_state *state = script_of(store)->state;
    state->lost |= shards;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        state->epochs[i] += shards >> i & 1;
}

void store_script_clock(struct store *store, int64_t utc_us)
{
    script_of(store)->state->clock_us = utc_us;
}
