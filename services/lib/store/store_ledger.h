/* Money: a double-entry ledger in integer nano-USD. Included by store.h.
 *
 * Accounts are texts; B is a budget's id and the start of its period, as the caller writes
 * them: mint:B              what was ever given to the budget, negative budget:B what is not
 * yet carved escrow:B:REPLICA    a slice that one control may give out without asking
 *   reserved:B  spent:B  doubt:B
 * Entries of one write sum to zero, name each account once, and are in its transaction. The sum
 * over all accounts is therefore always zero. A slice is carved from the budget under a row
 * lock, and a control reserves only from its own slices: overspend is impossible.
 *
 * mint, budget and escrow have a balance row each, moved by carve, uncarve and reap. An
 * account's balance is its row plus the sum of its entries; when a window of entries is
 * dropped, their sums are folded into rows in the same transaction. */
#include "store/store.h"

#ifndef STORE_STORE_LEDGER_H
#define STORE_STORE_LEDGER_H

struct store_entry {
    aion_str account; /* 1..200 bytes */
    int64_t nano_usd;
};

/* What it is for is the caller's to say; empty = all. */
struct store_budget {
    aion_str id;
    aion_str tenant, key_id, intent;
    aion_str period; /* "day", "month", ... */
    int64_t limit_nano_usd;
    int64_t at_us;
    aion_str changed_by;
    bool removed; /* kept for the books, not in force */
};
/* Replaces the budget of the same id, or adds it. */
struct store_budget_put {
    struct store_op op;
    struct store_budget budget;
};
struct store_budget_list {
    struct store_op op;
    bool with_removed;
    /* out, by id */
    struct store_budget *budgets;
    size_t count;
};

/* Moves money from budget:B to escrow:B:REPLICA, as much as is there. The first carve of a
 * period mints the limit; when the limit was changed since, the difference is minted or, as far
 * as it is not carved yet, taken back.
 *
 * It has no identity: submitted again after STORE_UNCLEAR it may carve twice. Read the slice's
 * balance instead. */
struct store_carve {
    struct store_op op;
    aion_str budget; /* B */
    aion_str replica;
    int64_t limit_nano_usd; /* of the period, as it stands now */
    int64_t want_nano_usd;  /* > 0 */
    /* out */
    int64_t carved_nano_usd; /* 0..want */
    int64_t left_nano_usd;   /* in budget:B after it */
};
/* Gives back what the replica has not given out. The caller answers for its slice holding as
 * much: it alone moves it. */
struct store_uncarve {
    struct store_op op;
    aion_str budget, replica;
    int64_t nano_usd;      /* > 0 */
    int64_t left_nano_usd; /* out */
};
/* Moves what is left in the slices of a dead replica back to their budgets. */
struct store_reap {
    struct store_op op;
    aion_str replica;
    /* out */
    enum store_outcome outcome; /* DONE; STALE: it is alive, or owns shards still */
    int64_t nano_usd;
};

struct store_balance {
    aion_str account;
    int64_t nano_usd;
};
/* By account. */
struct store_balances {
    struct store_op op;
    aion_str prefix; /* "budget:", "escrow:B:"; empty = all */
    uint32_t limit;  /* 1..100000 */
    aion_str after;  /* account, exclusive: the next page */
    /* out */
    struct store_balance *balances;
    size_t count;
    bool more;
};

STORE_OPERATION(budget_put, STORE_BUDGET_PUT, op)
STORE_OPERATION(budget_list, STORE_BUDGET_LIST, op)
STORE_OPERATION(carve, STORE_CARVE, op)
STORE_OPERATION(uncarve, STORE_UNCARVE, op)
STORE_OPERATION(reap, STORE_REAP, op)
STORE_OPERATION(balances, STORE_BALANCES, op)

#endif
