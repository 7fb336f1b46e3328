#include "base/clock.h"
#include "base/map.h"
#include "control_private.h"

enum {
    LEASE_ARENA = 262144,
    AGAIN_US = 250000,    /* after a lease that failed */
    END_SLACK_US = 20000, /* after another's lease has ended */
    LEAVE_AT_ONCE = 8,    /* shards that are given back together: so long they stand still */
    LEAVE_WAIT_US = 3000000,
};

/* -- giving out places --------------------------------------------------------------- */
bool control_shard_any(struct control *control, unsigned *ret_shard)
{
    uint64_t open = control_book_open(&control->shards.book);
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        *ret_shard = control->shards.turn++ & (STORE_SHARDS - 1);
        if ((open & control_shard_bit(*ret_shard)) != 0)
            return true;
    }
    return false;
}

void control_shard_of_others(struct control *control, unsigned *ret_shard)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        *ret_shard = control->shards.turn++ & (STORE_SHARDS - 1);
        if (control_book_owner(&control->shards.book, *ret_shard) != NULL)
            return;
    }
}

unsigned control_shard_of_key(aion_str tenant, aion_str key)
{
    uint64_t of_tenant = aion_siphash(0, 0, tenant.data, tenant.size);
    return (unsigned)aion_siphash(of_tenant, 0, key.data, key.size) & (STORE_SHARDS - 1);
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
    return control->shards.book.epochs[store_seq_shard(seq)];
}

bool control_shard_has(const struct control *control, unsigned shard)
{
    return (control->shards.book.mine & control_shard_bit(shard)) != 0;
}

bool control_shard_opened(const struct control *control, unsigned shard)
{
    return (control_book_open(&control->shards.book) & control_shard_bit(shard)) != 0;
}

bool control_shards_awake(const struct control *control)
{
    const struct control_shards *shards = &control->shards;
    return !shards->shared || control_book_awake(&shards->book, aion_clock_boot_us());
}

bool control_shard_acts(const struct control *control, unsigned shard)
{
    return control_shard_opened(control, shard) && control_shards_awake(control);
}

void control_shard_elsewhere(struct aion_err *err)
{
    aion_err_set(err, __func__, AION_UNAVAILABLE,
                 "the task's shard is moving to another control: try again");
    aion_err_reason(err, "SHARD_ELSEWHERE");
    err->retry_after_ms = 100;
}

/* -- what is under way in them ------------------------------------------------------- */
void control_shard_add(struct control *control, struct control_task *task)
{
    aion_list_add_last(&control->shards.tasks[store_seq_shard(task->seq)], &task->of_shard);
}

void control_shard_writes(struct control *control, uint64_t seq)
{
    control->shards.writes[store_seq_shard(seq)]++;
}

/* Shards that leave are given back once nothing of them is on its way to the disk. */
static void give_quiet(struct control_shards *shards)
{
    struct control_book *book = &shards->book;
    uint64_t quiet = 0;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if ((book->leaving & ~book->quiet & control_shard_bit(i)) != 0 &&
            shards->writes[i] == 0)
            quiet |= control_shard_bit(i);
    if (quiet == 0)
        return;
    book->quiet |= quiet;
    control_handover_forget(shards->control, quiet);
    if (!shards->leaving || book->mine == book->quiet) /* the drain gives all at once */
        control_shards_look(shards->control);
}

void control_shard_written(struct control *control, uint64_t seq)
{
    struct control_shards *shards = &control->shards;
    unsigned shard = store_seq_shard(seq);
    if (--shards->writes[shard] == 0 && (shards->book.leaving & control_shard_bit(shard)) != 0)
        give_quiet(shards);
}

static void leave(struct control_shards *shards)
{
    uint64_t set = control_book_surplus(
        &shards->book, shards->leaving ? STORE_SHARDS : LEAVE_AT_ONCE, shards->leaving);
    if (!shards->shared || set == 0)
        return;
    shards->book.leaving |= set;
    control_handover_hush(shards->control, set);
    give_quiet(shards);
}

/* -- leases -------------------------------------------------------------------------- */
static void fill(struct control_shards *shards, bool first)
{
    struct control *control = shards->control;
    bool last = shards->leaving && shards->book.mine == shards->book.quiet;
    /* After an outage the others are about to renew, too: what was theirs is left to them for
     * one more round. */
    bool late = !first && !control_shards_awake(control);
    uint32_t own = (uint32_t)__builtin_popcountll(shards->book.mine);
    aion_arena_init(&shards->arena, LEASE_ARENA, NULL, 0);
    shards->asked_us = aion_clock_boot_us();
    shards->lease = (struct store_lease){
        .op.arena = &shards->arena,
        .replica = aion_str_of(control->conf->replica),
        .address = aion_str_of(control->cluster.self),
        .lease_us = last ? 0 : control->conf->shard_lease,
        .shards_max = shards->leaving ? 0
                      : late          ? own
                                      : STORE_SHARDS,
        .release = control_book_release(&shards->book),
        .first = first,
    };
}

/* Places and sequences of shards that came are behind us. */
static void take_newest(struct control_shards *shards)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        const struct store_shard *shard = &shards->lease.shards[i];
        if (shard->claimed && shard->newest_seq > shards->newest_seq)
            shards->newest_seq = shard->newest_seq;
        if (shard->claimed && shard->newest_event > shards->newest_event)
            shards->newest_event = shard->newest_event;
    }
}

/* Owners that own nothing any more may be dead. */
static void note_gone(struct control_shards *shards, const struct control_book *before)
{
    for (unsigned i = 0; i < before->other_count; i++) {
        bool owns = false;
        for (unsigned k = 0; k < shards->book.other_count; k++)
            owns |= strcmp(shards->book.others[k].id, before->others[i].id) == 0;
        if (!owns)
            control_escrow_gone(shards->control, aion_str_of(before->others[i].id));
    }
}

static struct control_change take(struct control_shards *shards)
{
    const struct control_book before = shards->book;
    struct control_change change =
        control_book_answer(&shards->book, &shards->lease, shards->asked_us, !shards->shared);
    note_gone(shards, &before);
    take_newest(shards);
    shards->gained = (shards->gained & shards->book.loading) | change.gained;
    return change;
}

bool control_shards_open(struct control *control, struct aion_err *err)
{
    struct control_shards *shards = &control->shards;
    shards->shared = store_info(control->store).shared;
    fill(shards, true);
    bool good = store_lease_wait(control->store, &shards->lease, err);
    if (good)
        (void)take(shards); /* nothing was ours before */
    aion_arena_done(&shards->arena);
    return good;
}

/* -- waking and sleeping ------------------------------------------------------------- */
static void tell_awake(struct control_shards *shards, bool awake)
{
    if (shards->asleep == !awake)
        return;
    shards->asleep = !awake;
    if (shards->awake != NULL)
        shards->awake(shards->control, awake);
    if (awake)
        control_dispatch(shards->control);
}

static void doze(struct mesh_timer *timer)
{
    struct control_shards *shards = aion_container(timer, struct control_shards, doze);
    if (!control_shards_awake(shards->control))
        tell_awake(shards, false);
}

/* The loop's clock and CLOCK_BOOTTIME differ by a constant but for a suspend, and after one the
 * clock itself is asked wherever it matters. */
static void set_doze(struct control_shards *shards)
{
    struct mesh_loop *loop = shards->control->loop;
    if (shards->shared)
        mesh_timer_set(loop, &shards->doze,
                       mesh_loop_now(loop) + shards->book.until_us - aion_clock_boot_us());
}

/* -- answers ------------------------------------------------------------------------- */
static void clash(struct control_shards *shards, const char *text)
{
    struct aion_err err;
    shards->ended = true;
    aion_err_set(&err, __func__, AION_PRECONDITION, "%s", text);
    if (shards->clash != NULL)
        shards->clash(shards->control, &err);
}

static void follow(struct control_shards *shards, const struct control_change *change)
{
    struct control *control = shards->control;
    shards->moves += (change->gained | change->lost | change->returned) != 0;
    control_handover_forget(control, change->lost | change->returned);
    control_events_leave(control, change->lost | change->returned);
    if (change->lost != 0)
        control_escrow_lost(control);
    if (shards->changed != NULL && (change->gained | change->lost | change->returned) != 0)
        shards->changed(control, change);
    if (change->others)
        control_cluster_changed(control);
    if (change->returned != 0 || !shards->told_others)
        control_cluster_nudge(control);
    shards->told_others = true;
    control_handover_load(control);
    leave(shards);
    if (change->others || change->moved || (change->lost | change->returned) != 0)
        control_cluster_moved(control);
}

/* The drain: our last lease is answered, or cannot be had in time; then it simply ends. */
static bool has_left(struct control_shards *shards, bool answered)
{
    bool last = answered && shards->lease.lease_us == 0;
    if (!shards->leaving || (!last && aion_clock_mono_us() < shards->leave_by_us))
        return false;
    shards->ended = true;
    control_drain_step(shards->control);
    return true;
}

static void set_renew(struct control_shards *shards, bool answered)
{
    struct mesh_loop *loop = shards->control->loop;
    int64_t wait_us = shards->control->conf->shard_lease / 3;
    int64_t end_us = shards->book.next_us;
    if (answered && end_us < wait_us - END_SLACK_US)
        wait_us = end_us + END_SLACK_US;
    if ((!answered || shards->leaving) && wait_us > AGAIN_US)
        wait_us = AGAIN_US;
    mesh_timer_set(loop, &shards->renew, mesh_loop_now(loop) + wait_us);
}

static void ask(struct control_shards *shards);

/* The next one is asked for when all of this one is done. */
static void ask_next(struct control_shards *shards, bool answered)
{
    bool again = answered && (shards->again || shards->book.strange != 0);
    shards->leasing = shards->again = false;
    if (shards->ended || has_left(shards, answered))
        return;
    if (again)
        ask(shards);
    else
        set_renew(shards, answered);
}

static void answered(struct store_op *op, const struct aion_err *err)
{
    struct control_shards *shards = aion_container(op, struct control_shards, lease.op);
    if (err != NULL) {
        aion_arena_done(&shards->arena);
        ask_next(shards, false);
        return;
    }
    struct control_change change = take(shards);
    aion_arena_done(&shards->arena);
    if (change.clash) {
        shards->leasing = false;
        clash(shards, "another process has the name of this control on the same store: give "
                      "each a name of its own by --replica");
        return;
    }
    set_doze(shards);
    follow(shards, &change);
    tell_awake(shards, control_shards_awake(shards->control));
    ask_next(shards, true);
}

static void ask(struct control_shards *shards)
{
    shards->again |= shards->leasing;
    if (shards->leasing || shards->ended)
        return;
    fill(shards, false);
    shards->lease.op.done = answered;
    shards->leasing = store_lease(shards->control->store, &shards->lease, NULL);
    if (shards->leasing)
        return;
    aion_arena_done(&shards->arena);
    ask_next(shards, false);
}

static void renew(struct mesh_timer *timer)
{
    ask(aion_container(timer, struct control_shards, renew));
}

void control_shards_look(struct control *control)
{
    if (control->shards.shared && !control->loading)
        ask(&control->shards);
}

/* -- refused ------------------------------------------------------------------------- */
void control_shard_fenced(struct control *control, uint64_t seq, uint64_t epoch)
{
    struct control_shards *shards = &control->shards;
    unsigned shard = store_seq_shard(seq);
    control_count(COUNT_FENCED);
    if (!control_book_fenced(&shards->book, shard, epoch, aion_clock_boot_us()))
        return;
    struct control_change change = {.lost = control_shard_bit(shard)};
    if (shards->shared) {
        follow(shards, &change);
        control_shards_look(control);
    } else {
        clash(shards, "another process has taken this store");
    }
}

/* -- life ---------------------------------------------------------------------------- */
void control_shards_init(struct control *control)
{
    struct control_shards *shards = &control->shards;
    shards->control = control;
    shards->renew.fire = renew;
    shards->doze.fire = doze;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        aion_list_init(&shards->tasks[i]);
}

/* A store of one process keeps its lease by being open. */
void control_shards_begin(struct control *control)
{
    struct control_shards *shards = &control->shards;
    if (!shards->shared)
        return;
    set_doze(shards);
    ask(shards); /* who else is there hears of us now */
}

void control_shards_leave(struct control *control)
{
    struct control_shards *shards = &control->shards;
    if (!shards->shared || shards->ended || shards->leaving) {
        shards->ended |= !shards->shared;
        return;
    }
    shards->leaving = true;
    shards->leave_by_us = aion_clock_mono_us() + LEAVE_WAIT_US;
    leave(shards);
    control_shards_look(control);
}

void control_shards_done(struct control *control)
{
    control->shards.ended = true;
    mesh_timer_cancel(control->loop, &control->shards.renew);
    mesh_timer_cancel(control->loop, &control->shards.doze);
}
