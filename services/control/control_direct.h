/* The direct lane: a task that runs at once and is recorded afterwards. Included by
 * control_private.h; I/O thread.
 *
 * The router's decision says `direct`, and its call waits for the end. Then admission, limits,
 * money and decision are those of any task, but nothing of it is written before it ran: it
 * lives in memory, with its output, and ends with its call. One attempt; whatever another could
 * mend is the caller's to try again (UNAVAILABLE). Its end is told at once; one write, which
 * waits for company, then records admission, attempt, output, end and ledger together
 * (store_finish.accept). What a crash keeps from the disk never was, to the store: no task, no
 * entry of the ledger. */
#ifndef CONTROL_DIRECT_H
#define CONTROL_DIRECT_H

#include "base/list.h"
#include "mesh/loop.h"
#include "store/store.h"

struct control;
struct control_order;
struct control_task;
struct control_write;

enum { DIRECT_OUTPUT_MAX = 1 << 20 }; /* bytes of a task's output: it is all in memory */

/* Of a direct task, beside what every task has. */
struct control_direct {
    struct aion_link link;        /* in control->directs.open, until it ends */
    struct control_task *task;    /* whose it is */
    bool again;                   /* its end is one that another try may mend */
    bool recorded;                /* the store has it, or never will */
    struct control_charge charge; /* what it has reserved, as it was lent */
    struct store_entry *entries;  /* of its reservation; owned */
    size_t entry_count;
    char route[128];
    struct store_accept accept; /* these go with the end */
    struct store_outbox event;
};

struct control_directs {
    struct aion_link open;
    size_t unrecorded; /* ended, and their record is on its way */
    size_t unrecorded_bytes;
};

void control_directs_init(struct control_directs *directs);
void control_directs_end(
    struct control *control); /* of the process: all of them, UNAVAILABLE */

/* May this order be run directly, with this decision? */
bool control_direct_fits(const struct control_order *order, const Aion__V1__Decision *decision);
/* UNAVAILABLE: too many records wait for the store. */
bool control_direct_room(const struct control *control, struct aion_err *err) AION_MUST_CHECK;
/* Makes the task a direct one, before it is queued. Takes the order's entries. */
void control_direct_make(struct control_order *order, struct control_task *task);
void control_direct_free(struct control_direct *direct); /* NULL fine */
/* It is queued or runs: a slot must be free soon. */
void control_direct_begin(struct control_task *task);
/* No slot came free: as if it had not been. */
void control_direct_overdue(struct control *control, struct control_task *task);
/* Its shard is to be given away: what runs has a moment to end. */
void control_direct_hush(struct control_task *task);
/* Its shard is another control's: no row of it can follow. Its call is told to try again. */
void control_direct_lost(struct control_task *task);
/* Answers the call at the task's end; its end is the task's. */
void control_direct_wait(struct mesh_call *call, struct control_task *task);

/* -- its only write ------------------------------------------------------------------ */
/* The end is decided, and told at once: what remains is the record. */
void control_direct_ended(struct control_write *write);
void control_direct_fill(struct control_write *write);     /* before each submission */
void control_direct_wrote(struct control_write *write);    /* it was committed */
void control_direct_recorded(struct control_write *write); /* the write's done */

#endif
