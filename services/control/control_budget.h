/* Budgets between memory (control_money) and the store: definitions, carving, giving back.
 * Included by control_private.h. */
#ifndef CONTROL_BUDGET_H
#define CONTROL_BUDGET_H

#include "control_private.h"

/* Somebody who needs a purse to have more, or to have been asked for at all. */
struct control_money_wait {
    struct aion_link link; /* in control->money_waits */
    struct control_purse *purse;
    int64_t amount;
    /* Once: the store has answered (there may still be too little), or could not. */
    void (*came)(struct control_money_wait *wait, const struct aion_err *err);
};

/* Reads definitions and what this replica has carved before. Blocking, before the loop runs,
 * and before tasks are loaded. */
bool control_budgets_load(struct control *control, struct aion_err *err) AION_MUST_CHECK;
void control_budgets_begin(struct control *control); /* gives back what idles, from now on */
void control_budgets_done(struct control *control);
void control_budget_want(struct control *control, struct control_money_wait *wait);
void control_budgets_want_all(struct control *control); /* those that could not be asked for */
void control_budget_escrow(struct control *control, const struct store_balance *balance);

/* -- escrow when controls go (control_escrow.c) --------------------------------------- */
enum { ESCROW_GONE_MAX = 16 };
struct control_escrow {
    bool due, reading; /* ours must be read anew */
    bool again;        /* lost again while it was read */
    struct store_balances read;
    struct aion_arena arena;
    char gone[ESCROW_GONE_MAX]
             [64]; /* controls that may be dead: what they held is free again */
    unsigned tries[ESCROW_GONE_MAX];
    struct store_reap reap;
    struct aion_arena reap_arena;
    unsigned reaping; /* number in gone + 1, 0 = none */
};
/* Shards were lost: see control_money_reset. */
void control_escrow_lost(struct control *control);
/* This control is no owner any more, or never was one. */
void control_escrow_gone(struct control *control, aion_str replica);
void control_escrow_step(struct control *control); /* now and then */

/* As stored and as known. */
void control_budget_of(const struct store_budget *stored, struct control_budget *budget);
const char *control_period_name(enum control_period period); /* "day" */

/* Entries as the store takes them, on the heap; NULL: there are none. */
struct store_entry *control_entries_keep(const struct control_entries *entries,
                                         size_t *ret_count);
/* The end of a task's charge, as entries of the write that tells it; the task's cost is set
 * when its module named none. */
void control_charge_settle(struct control *control, struct control_write *write,
                           enum control_event event);

#endif
