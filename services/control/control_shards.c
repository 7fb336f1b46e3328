#include "base/clock.h"
#include "control_private.h"

enum { LEASE_ARENA = 65536 };

/* -- giving out places --------------------------------------------------------------- */
unsigned control_shard_any(struct control *control)
{
    return control->shards.turn++ & (STORE_SHARDS - 1);
}

/* Its moment is now, or the one after the last place's. */
uint64_t control_shard_seq(struct control *control, unsigned shard, int64_t utc_us)
{
    int64_t after_us = store_seq_us(control->shards.newest_seq) + 1;
    uint64_t seq = store_seq(utc_us > after_us ? utc_us : after_us, shard);
    control->shards.newest_seq = seq;
    return seq;
}

uint64_t control_shard_event(struct control *control)
{
    return ++control->shards.newest_event;
}

uint64_t control_shard_epoch(const struct control *control, uint64_t seq)
{
    return control->shards.epochs[store_seq_shard(seq)];
}

/* -- leases -------------------------------------------------------------------------- */
static void fill(struct control_shards *shards, bool first)
{
    const struct control_conf *conf = shards->control->conf;
    aion_arena_init(&shards->arena, LEASE_ARENA, NULL, 0);
    shards->asked_us = aion_clock_boot_us();
    shards->lease = (struct store_lease){
        .op.arena = &shards->arena,
        .replica = aion_str_of(conf->replica),
        .address = aion_str_of(""),
        .lease_us = conf->shard_lease,
        .shards_max = STORE_SHARDS,
        .first = first,
    };
}

/* What the answer says is ours; the places and sequences of shards that came are behind us. */
static void take(struct control_shards *shards)
{
    const struct store_lease *lease = &shards->lease;
    shards->mine = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        const struct store_shard *shard = &lease->shards[i];
        if (!shard->mine)
            continue;
        shards->mine |= (uint64_t)1 << i;
        shards->epochs[i] = shard->epoch;
        if (shard->claimed && shard->newest_seq > shards->newest_seq)
            shards->newest_seq = shard->newest_seq;
        if (shard->claimed && shard->newest_event > shards->newest_event)
            shards->newest_event = shard->newest_event;
    }
    shards->replicas = lease->replicas;
    shards->until_us = shards->asked_us + lease->lease_us * 2 / 3;
}

/* False: some are another's. */
static bool has_all(const struct control_shards *shards, struct aion_err *err)
{
    if (shards->mine == STORE_ALL_SHARDS)
        return true;
    unsigned missing = 0;
    while ((shards->mine >> missing & 1) != 0)
        missing++;
    const struct store_shard *shard = &shards->lease.shards[missing];
    return aion_fail(err, AION_PRECONDITION,
                     "control \"%.*s\" owns shard %u of this store: stop it, or wait until its "
                     "lease is over",
                     AION_STR_ARG(shard->owner), missing);
}

bool control_shards_open(struct control *control, struct aion_err *err)
{
    struct control_shards *shards = &control->shards;
    shards->control = control;
    fill(shards, true);
    bool good = store_lease_wait(control->store, &shards->lease, err);
    if (good)
        take(shards);
    good = good && has_all(shards, err);
    aion_arena_done(&shards->arena);
    return good;
}

/* Writes that are still under way are fenced by the epoch, which stays. */
void control_shards_leave(struct control *control)
{
    struct control_shards *shards = &control->shards;
    struct aion_arena arena;
    if (shards->mine == 0 || shards->stopped || !store_healthy(control->store))
        return;
    aion_arena_init(&arena, LEASE_ARENA, NULL, 0);
    struct store_lease end = {.op.arena = &arena,
                              .replica = aion_str_of(control->conf->replica),
                              .address = aion_str_of("")};
    struct aion_err err;
    bool left = store_lease_wait(control->store, &end, &err);
    (void)left; /* if not: it ends by itself */
    aion_arena_done(&arena);
}

/* -- renewing ------------------------------------------------------------------------ */
static void lose(struct control_shards *shards, const struct aion_err *err)
{
    if (shards->stopped)
        return;
    shards->stopped = true;
    mesh_timer_cancel(shards->control->loop, &shards->renew);
    if (shards->lost != NULL)
        shards->lost(shards->control, err);
}

static void set_renew(struct control_shards *shards)
{
    if (!shards->stopped)
        mesh_timer_set(shards->control->loop, &shards->renew,
                       mesh_loop_now(shards->control->loop) +
                           shards->control->conf->shard_lease / 3);
}

/* Only a store that others may have open can be lost by silence. */
static void check_silence(struct control_shards *shards, const struct aion_err *cause)
{
    struct aion_err err;
    if (!store_info(shards->control->store).shared || aion_clock_boot_us() < shards->until_us)
        return;
    aion_err_set(&err, __func__, AION_UNAVAILABLE,
                 "the lease on the store's shards could not be renewed in time: %.200s",
                 cause != NULL ? cause->text : "");
    lose(shards, &err);
}

static void renewed(struct store_op *op, const struct aion_err *err)
{
    struct control_shards *shards = aion_container(op, struct control_shards, lease.op);
    struct aion_err own;
    shards->leasing = false;
    if (err != NULL) {
        check_silence(shards, err);
    } else {
        take(shards);
        if (!has_all(shards, &own))
            lose(shards, &own);
    }
    aion_arena_done(&shards->arena);
}

static void renew(struct mesh_timer *timer)
{
    struct control_shards *shards = aion_container(timer, struct control_shards, renew);
    struct aion_err err;
    set_renew(shards);
    control_gauge_store(shards->control);
    if (shards->leasing) {
        check_silence(shards, NULL);
        return;
    }
    fill(shards, false);
    shards->lease.op.done = renewed;
    shards->leasing = store_lease(shards->control->store, &shards->lease, &err);
    if (shards->leasing)
        return;
    check_silence(shards, &err);
    aion_arena_done(&shards->arena);
}

void control_shards_begin(struct control *control)
{
    control->shards.renew.fire = renew;
    set_renew(&control->shards);
}

void control_shards_done(struct control *control)
{
    control->shards.stopped = true;
    mesh_timer_cancel(control->loop, &control->shards.renew);
}

void control_shard_fenced(struct control *control, uint64_t seq)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_PRECONDITION,
                 "shard %u has another owner: this control was away for too long",
                 store_seq_shard(seq));
    lose(&control->shards, &err);
}
