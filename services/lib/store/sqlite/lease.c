/* Shards of a store that one process has: all are its own, under the epoch of this opening. */
#include "base/clock.h"
#include "store/sqlite/sqlite_private.h"

bool sqlite_lease(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *base)
{
    struct store_lease *op = aion_container(base, struct store_lease, op);
    aion_str owner = aion_arena_str(base->arena, op->replica),
             address = aion_arena_str(base->arena, op->address);
    if (owner.data == NULL || address.data == NULL)
        return sqlite_conn_failed(conn, SQLITE_TOOBIG);
    aion_str_copy(self->replica, sizeof(self->replica), op->replica);
    op->now_us = aion_clock_utc_us();
    op->replicas = 1;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        op->shards[i] = (struct store_shard){
            .owner = owner,
            .address = address,
            .epoch = self->epoch,
            .until_us = op->now_us + op->lease_us,
            .mine = true,
            .claimed = op->first || !self->leased,
            .newest_seq = self->newest_seq,
            .newest_event = self->newest_event,
        };
    self->leased = true;
    return true;
}
