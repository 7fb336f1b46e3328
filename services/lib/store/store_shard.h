/* Places, shards, and who owns them. Included by store.h.
 *
 * A task's place is its seq: (UTC µs of its admission << 6) | shard, given by the shard's
 * owner, strictly increasing per owner: max(now, the last one's + 1). A task whose id the
 * server made carries it in the id (base/uuid.h: aion_uuid_at), so that no index on ids is
 * needed.
 *
 * Every write on a task names the epoch under which its control owns the shard. A control that
 * lost a shard and does not know it yet writes under an old epoch: STORE_FENCED, no effect. */
#include "store/store.h"

#ifndef STORE_STORE_SHARD_H
#define STORE_STORE_SHARD_H

enum { STORE_SHARDS = 64, STORE_SHARD_BITS = 6 };
#define STORE_ALL_SHARDS UINT64_MAX /* a set of shards: bit n = shard n */

static inline uint64_t store_seq(int64_t utc_us, unsigned shard)
{
    return (uint64_t)utc_us << STORE_SHARD_BITS | shard;
}
static inline int64_t store_seq_us(uint64_t seq)
{
    return (int64_t)(seq >> STORE_SHARD_BITS);
}
static inline unsigned store_seq_shard(uint64_t seq)
{
    return (unsigned)(seq & (STORE_SHARDS - 1));
}
/* The place that is written in an id which the server made; of any other id: a place where it
 * is not. 0: it is no UUIDv7. */
static inline uint64_t store_seq_of(const struct aion_uuid *id)
{
    int64_t utc_us = aion_uuid_us(id);
    return utc_us > 0 ? store_seq(utc_us, id->bytes[15] & (STORE_SHARDS - 1)) : 0;
}

struct store_shard {
    aion_str owner;   /* replica id; empty: nobody ever */
    aion_str address; /* the owner's */
    uint64_t epoch;
    int64_t until_us; /* by the database's clock */
    bool mine;
    /* Of a shard that this operation has claimed: no task of it has a greater seq, no event a
     * greater sequence. */
    bool claimed;
    uint64_t newest_seq, newest_event;
};

/* Registers a replica or renews it, renews its shards, gives back those it wants to give back,
 * and claims free ones (nobody's, or their lease is over) up to its fair share:
 * ceil(64 / replicas alive). A claim raises the shard's epoch and waits for the writes under
 * the old one to end. Time is the database's.
 *
 * sqlite: the process that has the file open has all shards under one epoch, which every open
 * raises; nothing is given back or lost. */
struct store_lease {
    struct store_op op;
    aion_str replica; /* stable over restarts of the same replica */
    aion_str address; /* where others reach it */
    int64_t lease_us; /* from now on; 0 = end of this replica: all its shards are free */
    uint32_t
        shards_max; /* it owns no more than this: 64 = its fair share, 0 = a drain or a look */
    uint64_t release; /* set of shards */
    /* The first of this process: shards under its name are a former process's, and are claimed
     * anew with the next epoch. */
    bool first;
    /* out */
    int64_t now_us;
    struct store_shard shards[STORE_SHARDS];
    uint32_t replicas; /* alive, this one too */
};

STORE_OPERATION(lease, STORE_LEASE, op)

#endif
