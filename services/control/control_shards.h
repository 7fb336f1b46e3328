/* Which shards this control owns: by a lease in the store, under an epoch, renewed at a third
 * of its length. It takes all shards at its start and keeps them; if it loses one, or could not
 * renew for two thirds of the lease by a clock that goes on while the machine sleeps, the
 * process ends: what it wrote too late the store has refused (FENCED). I/O thread; included by
 * control_private.h. */
#ifndef CONTROL_SHARDS_H
#define CONTROL_SHARDS_H

#include "control_private.h"

struct control_shards {
    struct control *control;
    uint64_t mine;
    uint64_t epochs[STORE_SHARDS];
    uint64_t newest_seq;   /* every place given from now on is greater */
    uint64_t newest_event; /* likewise every event's sequence */
    unsigned replicas;     /* controls alive, this one too */
    unsigned turn;         /* for tasks that may go to any shard */

    struct store_lease lease;
    struct aion_arena arena; /* of the lease under way */
    bool leasing, stopped;
    int64_t asked_us, until_us; /* CLOCK_BOOTTIME: the lease under way; when to stop acting */
    struct mesh_timer renew;
    /* A shard is lost: the process must end. */
    void (*lost)(struct control *control, const struct aion_err *err);
};

/* Takes all shards. Blocking, before the loop runs. PRECONDITION: another control has some. */
bool control_shards_open(struct control *control, struct aion_err *err) AION_MUST_CHECK;
void control_shards_begin(struct control *control); /* renews from now on */
/* Gives them back, so that the next one need not wait for the lease to end. Blocking, after the
 * loop has ended and before store_close. */
void control_shards_leave(struct control *control);
void control_shards_done(struct control *control); /* after store_close */

static inline unsigned control_shard_of(const struct aion_uuid *id)
{
    return id->bytes[15] & (STORE_SHARDS - 1);
}
/* For a task that may go to any, in turn. */
unsigned control_shard_any(struct control *control);
/* The next place of a task, and the next sequence of an event. */
uint64_t control_shard_seq(struct control *control, unsigned shard, int64_t utc_us);
uint64_t control_shard_event(struct control *control);
/* The epoch under which this control owns the shard of a place. */
uint64_t control_shard_epoch(const struct control *control, uint64_t seq);
/* The store said FENCED: it is not ours any more, whatever the lease says. */
void control_shard_fenced(struct control *control, uint64_t seq);

#endif
