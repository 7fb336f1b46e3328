/* Budgets: which of them bound a task, what they have left, what is reserved and settled. Pure;
 * I/O thread.
 *
 * A budget has one purse a period. What a purse may give is carved from the budget in the
 * store, where a row lock makes overspending impossible however many controls there are; what
 * was carved is this control's own and is given out here without asking anybody. A task that
 * costs something draws on the purses of every budget that fits it, or on none.
 *
 * Every change is told as entries of a double-entry ledger, which the caller writes in the
 * transaction of the task: they sum to zero. Accounts, with P = "BUDGET@PERIOD_START":
 *
 *   escrow:P:REPLICA  carved, not reserved      reserved:P  of tasks that have not ended
 *   spent:P           settled                   doubt:P     of attempts nobody knows the end of
 *
 * (`mint:P` and `budget:P` are the store's: what was not carved.) */
#ifndef CONTROL_MONEY_H
#define CONTROL_MONEY_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"

enum {
    MONEY_BUDGETS_MAX = 4096,
    MONEY_PURSES_MAX = 16384, /* budgets and the periods that still have tasks */
    MONEY_FIT_MAX = 8,        /* budgets that bound one task */
    MONEY_ACCOUNT_MAX = 192,
    MONEY_ENTRIES_MAX = 4 * MONEY_FIT_MAX,
};

/* Numbers of aion.v1.Budget.Period. */
enum control_period { PERIOD_HOUR = 1, PERIOD_DAY, PERIOD_MONTH, PERIOD_TOTAL };

struct control_budget {
    char id[65], tenant[65], key_id[32], intent[65]; /* empty = any */
    enum control_period period;
    int64_t limit; /* nano-USD of a period */
    bool removed;
};

struct control_purse {
    struct control_budget budget; /* as it was when the purse was made or changed */
    char name[96];                /* "BUDGET@PERIOD_START" */
    int64_t start_s, end_s;       /* of the period; end exclusive, INT64_MAX = never */
    int64_t escrow;   /* may be given out; below 0: a task cost more than it reserved */
    int64_t reserved; /* of this control's tasks */
    int64_t lent;     /* of it, by tasks of the direct lane: the store knows nothing of it */
    int64_t central;  /* last heard: what could still be carved; -1 = not heard yet */
    int64_t wanted;   /* by tasks that wait for the carve under way */
    bool carving;     /* asked the store for more */
    unsigned charges; /* tasks that hold something of it */
    unsigned pending; /* those whose commit is under way, for all that is known */
    unsigned resets;  /* how often the escrow was forgotten */
    int64_t used_us;  /* monotonic: last reservation, for giving back what idles */
};

struct control_money {
    struct aion_map budgets; /* by id */
    struct aion_map purses;  /* by name */
    char replica[64];
    bool closed; /* nothing is reserved: see control_money_reset */
};

/* What one task has reserved; lives in the task. count == 0: it costs nothing. */
struct control_charge {
    struct control_purse *purses[MONEY_FIT_MAX];
    unsigned count;
    int64_t amount;  /* of each purse */
    bool kept;       /* committed */
    bool lent;       /* will be committed with the end */
    unsigned resets; /* of the purses when it was reserved */
};

struct control_entry {
    char account[MONEY_ACCOUNT_MAX];
    int64_t nano_usd;
};
struct control_entries {
    struct control_entry all[MONEY_ENTRIES_MAX];
    unsigned count;
};

void control_money_init(struct control_money *money, const char *replica);
void control_money_done(struct control_money *money);

/* A definition, new or changed; purses of running periods follow it. False: MONEY_BUDGETS_MAX.
 */
bool control_money_set(struct control_money *money,
                       const struct control_budget *budget) AION_MUST_CHECK;
const struct control_budget *control_money_find(const struct control_money *money, aion_str id);
/* Where the period that `now_s` (UTC) is in begins and ends. */
void control_period_of(enum control_period period, int64_t now_s, int64_t *ret_start_s,
                       int64_t *ret_end_s);

/* The purses that bound a task, made when they are new; sets charge->count, amount 0. False:
 * more than MONEY_FIT_MAX budgets fit, or too many purses; the task must be refused. */
bool control_money_fit(struct control_money *money, aion_str tenant, aion_str key_id,
                       aion_str intent, int64_t now_s,
                       struct control_charge *charge) AION_MUST_CHECK;
/* What the tightest of them could give at most, carving included; INT64_MAX: nothing bounds it,
 * or it was not asked yet. */
int64_t control_money_left(const struct control_charge *charge);
/* Which of them that is; NULL: nothing bounds it. */
const struct control_purse *control_money_tightest(const struct control_charge *charge);

enum control_reserved {
    MONEY_RESERVED, /* done; entries say what to write */
    MONEY_CARVE,    /* *ret_purse must get more first */
    MONEY_NONE,     /* *ret_purse has nothing left */
};
enum control_reserved control_money_reserve(struct control_money *money,
                                            struct control_charge *charge, int64_t amount,
                                            int64_t now_us, struct control_entries *entries,
                                            struct control_purse **ret_purse);
/* The commit that carried the reservation is known to be in the store. */
void control_money_kept(struct control_charge *charge);
/* Direct lane, instead: it is written with the end, if that is written. */
void control_money_lend(struct control_charge *charge);
/* What was lent is settled, and its entries are on their way; they have arrived, or never will.
 * `lent`: the charge as it was when it was lent. */
void control_money_await(const struct control_charge *lent);
void control_money_awaited(const struct control_charge *lent);
/* The commit that carried the reservation failed: as if it had not been. */
void control_money_unreserve(struct control_charge *charge);
/* The task is another control's from now on: what it has reserved stays so in the books, and is
 * not ours. The charge is empty afterwards. */
void control_money_forget(struct control_charge *charge);
/* What the store holds as carved by this control: before it started, or after a reset. */
void control_money_restore(struct control_money *money, aion_str purse, int64_t escrow);
/* The end: `cost` was spent, the rest is free again. The charge is empty afterwards. */
void control_money_settle(struct control_money *money, struct control_charge *charge,
                          int64_t cost, struct control_entries *entries);
/* Nobody knows whether it was spent: it stays set aside, in the account of doubt. The charge
 * keeps its amount, and is settled later with from_doubt. */
void control_money_doubt(struct control_money *money, const struct control_charge *charge,
                         struct control_entries *entries);
/* It was not spent after all, and the task goes on. */
void control_money_undoubt(struct control_money *money, const struct control_charge *charge,
                           struct control_entries *entries);
void control_money_settle_doubt(struct control_money *money, struct control_charge *charge,
                                int64_t cost, struct control_entries *entries);

/* -- when shards were lost ----------------------------------------------------------- */
/* Writes were refused whose entries were counted already, and others may have reaped what was
 * ours: escrows are forgotten, and must be read from the store again. Until control_money_open
 * nothing is reserved: every purse is to be carved first. */
void control_money_reset(struct control_money *money);
void control_money_open(struct control_money *money);
/* Nothing is under way that the store's figures may hold or not: they may be read. */
bool control_money_calm(const struct control_money *money);

/* -- carving ------------------------------------------------------------------------- */
/* How much to ask the store for, with `replicas` controls alive: what waits, and a share of
 * what is left, so that a budget is not asked for with every task, nor held by one control
 * alone. */
int64_t control_purse_want(const struct control_purse *purse, unsigned replicas);
/* The store's answer. */
void control_purse_carved(struct control_purse *purse, int64_t granted, int64_t central);
/* What idles and may be given back: half of the escrow after idle_us without a reservation. */
int64_t control_purse_idle(const struct control_purse *purse, int64_t now_us, int64_t idle_us);

/* -- as stored with the task --------------------------------------------------------- */
/* "AMOUNT NAME NAME ...", empty without a charge: kept in the task's row, so that a start knows
 * what its unfinished tasks have reserved. */
void control_charge_print(const struct control_charge *charge, struct aion_buf *out);
/* Makes purses of past periods too. False: not one that was printed. */
bool control_charge_parse(struct control_money *money, aion_str text,
                          struct control_charge *charge) AION_MUST_CHECK;

#endif
