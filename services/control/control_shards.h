/* Shards: which of them are ours (shard_book.h), and what that means for tasks. The lease is
 * renewed at a third of its length, and at once when something should be given back, when
 * another control says that it gave some back, and when another's lease ends. I/O thread;
 * included by control_private.h.
 *
 * A store of one process (sqlite) gives all shards at the start, and for good. */
#ifndef CONTROL_SHARDS_H
#define CONTROL_SHARDS_H

#include "control_private.h"
#include "shard_book.h"

struct control_loading;

struct control_shards {
    struct control *control;
    struct control_book book;
    uint64_t newest_seq;                  /* every place given from now on is greater */
    uint64_t newest_event;                /* likewise every event's sequence */
    uint64_t moves;                       /* times that shards of ours came or went */
    unsigned turn;                        /* for tasks that may go to any shard */
    struct aion_link tasks[STORE_SHARDS]; /* those not final, of each shard that is ours */
    size_t writes[STORE_SHARDS];          /* of each, that are on their way to the disk */
    uint64_t gained;                      /* of book.loading: not asked for yet */
    struct control_loading *loading;      /* under way, or NULL */

    struct store_lease lease;
    struct aion_arena arena; /* of the lease under way */
    bool shared;             /* others may have the store open, too */
    bool leasing, again;     /* one is under way; another must follow it */
    bool told_others;        /* that we are here */
    bool asleep;             /* as was told last */
    bool leaving;            /* the drain: everything is given back */
    bool ended;              /* no lease any more */
    int64_t asked_us;        /* CLOCK_BOOTTIME: the lease under way */
    int64_t leave_by_us;     /* the drain waits no longer */
    struct mesh_timer renew, doze;
    /* For the program, or NULL. */
    void (*changed)(struct control *control, const struct control_change *change);
    void (*awake)(struct control *control, bool awake);
    void (*clash)(struct control *control, const struct aion_err *err); /* it must end */
};

/* -- owning (control_shards.c) ------------------------------------------------------- */
void control_shards_init(struct control *control);
/* Takes what is free. Blocking, before the loop runs. */
bool control_shards_open(struct control *control, struct aion_err *err) AION_MUST_CHECK;
void control_shards_begin(struct control *control); /* renews from now on */
void control_shards_done(struct control *control);  /* after store_close */
/* Something changed for which the lease should be asked now. */
void control_shards_look(struct control *control);
/* All shards are given back as soon as what is under way has ended; then the drain goes on. */
void control_shards_leave(struct control *control);

/* Two thirds of the lease are over without a new one: others may have taken our shards.
 * Nothing is taken, given out, decided or written then. */
bool control_shards_awake(const struct control *control);
bool control_shard_has(const struct control *control, unsigned shard);
/* It is ours, and its tasks are in memory and go on. */
bool control_shard_opened(const struct control *control, unsigned shard);
/* Opened, and awake: decisions about its tasks are made here. */
bool control_shard_acts(const struct control *control, unsigned shard);

static inline unsigned control_shard_of(const struct aion_uuid *id)
{
    return id->bytes[15] & (STORE_SHARDS - 1);
}
/* Of the task that a key stands for: repeats must meet. */
unsigned control_shard_of_key(aion_str tenant, aion_str key);
/* For a task that may go to any of ours, in turn. False: there is none. */
bool control_shard_any(struct control *control, unsigned *ret_shard);
/* For one that must go to another control, in turn. */
void control_shard_of_others(struct control *control, unsigned *ret_shard);
/* The next place of a task, and the next sequence of an event. */
uint64_t control_shard_seq(struct control *control, unsigned shard, int64_t utc_us);
uint64_t control_shard_event(struct control *control);
/* The epoch under which this control owns the shard of a place. */
uint64_t control_shard_epoch(const struct control *control, uint64_t seq);
/* The store refused a write under this epoch: the shard is not ours any more, whatever the
 * lease says. */
void control_shard_fenced(struct control *control, uint64_t seq, uint64_t epoch);
/* Why a call cannot be served here now, for its client: retriable. */
void control_shard_elsewhere(struct aion_err *err);

/* A task in memory that is not final; until it is, or is forgotten. */
void control_shard_add(struct control *control, struct control_task *task);
/* A write of the shard begins its way to the disk; it has ended. */
void control_shard_writes(struct control *control, uint64_t seq);
void control_shard_written(struct control *control, uint64_t seq);

/* -- their tasks (control_handover.c) ------------------------------------------------ */
/* Reads the unfinished tasks of the gained shards; then they are open. */
void control_handover_load(struct control *control);
void control_handover_done(struct control *control); /* after store_close */
/* Nothing new happens to tasks of these shards; starts that linger are written. */
void control_handover_hush(struct control *control, uint64_t set);
/* Out of memory: one of a shard that leaves, or of which the store knows better. Whoever waits
 * for it looks for it anew. */
void control_handover_drop(struct control_task *task);
/* Tasks of these shards are another control's, or nobody's: out of memory. Who waits for them
 * is told, who reads them goes on reading elsewhere. */
void control_handover_forget(struct control *control, uint64_t set);

#endif
