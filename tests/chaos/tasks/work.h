/* Tasks driven through a store step by step, and what must be found of them afterwards.
 *
 * Everything of task N follows from N: its shape (the row of steps it takes), its place, id,
 * key, body, chunks, result and price. So a judge that knows how many steps of each task were
 * acknowledged knows what the store must hold, byte for byte: the facts of exactly L steps, L
 * at least what was acknowledged and at most WORK_AHEAD more (what was under way). Half a step
 * fits no L. The same holds for the ledger and for the outbox. */
#ifndef CHAOS_WORK_H
#define CHAOS_WORK_H

#include "store/store.h"

#define WORK_FOR_GOOD UINT32_MAX

enum {
    WORK_AHEAD = 2, /* a lazy start and the step that follows it are under way together */
    WORK_LANES_MAX = 64,
    WORK_TASKS_MAX = 1 << 20,
    WORK_TEXT_MAX = 12 * 1024,
    WORK_STEPS_MAX = 7,
    WORK_STEP_US = 5000,      /* between the admissions of two tasks */
    WORK_WINDOW_US = 1000000, /* so a window holds 200 of them, and kills meet its making */
    WORK_KEPT = 800,          /* tasks before a round's first that a sweep leaves: an open
                               * checks them all */
};

enum work_step {
    WORK_END,
    WORK_ACCEPT,
    WORK_ROUTE,
    WORK_START,
    WORK_CHUNKS,
    WORK_RETRY,
    WORK_ACK,
    WORK_DOUBT,
    WORK_RESOLVE,
    WORK_HOLD,
    WORK_RELEASE,
    WORK_FINISH,
    WORK_REFUSE, /* ended without ever running */
};

/* `steps` of task `number` are on disk, as the store says. */
struct work_said {
    uint32_t number, steps;
};

/* -- what a task is --------------------------------------------------------------------- */
const uint8_t *work_shape(uint32_t number); /* ends with WORK_END */
bool work_has_own_id(uint32_t number);      /* and no key: repeats are known by it */
struct aion_uuid work_id(uint32_t number);
bool work_number(const struct aion_uuid *id, uint32_t *ret_number);
/* When the first of them is admitted; a time in 2023 unless said. */
void work_begin_at(int64_t at_us);
int64_t work_admitted_us(uint32_t number);
uint64_t work_seq(uint32_t number);
int64_t work_price(uint32_t number); /* nano-USD */
/* The body (part 0), the result (part 1), the payload of chunk `cursor` (part 1 + cursor). */
aion_str work_text(uint32_t number, uint32_t part, char out[WORK_TEXT_MAX]);
void work_fill_accept(struct store_accept *accept, uint32_t number, char key[16],
                      char body[WORK_TEXT_MAX]);
/* Whether a step's chunk begins an attempt anew (a restart comes before it). */
bool work_restarts(uint32_t attempt);

/* Money of a task moves between these. */
#define WORK_ESCROW   AION_STR("escrow:work:writer")
#define WORK_RESERVED AION_STR("reserved:work")
#define WORK_SPENT    AION_STR("spent:work")
/* Two entries: `price` from one account to another. */
void work_move(struct store_entry entries[2], aion_str from, aion_str to, int64_t price);

/* -- the store -------------------------------------------------------------------------- */
struct work_store {
    struct store *store;
    uint64_t epoch;        /* of all shards */
    uint64_t newest_event; /* in any of them */
};
/* Opens it, with small windows when it is made now, and claims all its shards. Errors: of
 * store_open. */
bool work_open(const struct store_conf *conf, struct work_store *ret_store,
               struct aion_err *err) AION_MUST_CHECK;

/* -- doing it --------------------------------------------------------------------------- */
struct work_conf {
    const char *url;
    uint32_t first, count; /* tasks; count 0: until killed */
    unsigned lanes;        /* tasks at once */
    bool sweeps;           /* now and then everything more than WORK_KEPT before first goes */
    void (*say)(struct work_said said);
    /* The store refused the next step of the task, or (WORK_FOR_GOOD) all that would come. The
     * task's lane takes no other. NULL: the process ends with an error. */
    void (*refused)(uint32_t number, const struct aion_err *err);
};
/* Opens the store, drives the tasks on this thread, closes it. The only user of the store. */
void work_run(const struct work_conf *conf);

/* -- judging ---------------------------------------------------------------------------- */
/* What was acknowledged, by task. `ended`: a judge has ended the task itself. `refused`: its
 * next step was, and must not be there. */
struct work_ledger {
    uint8_t acked[WORK_TASKS_MAX];
    bool ended[WORK_TASKS_MAX], refused[WORK_TASKS_MAX];
    bool damaged;         /* the file was spoiled: what was acknowledged may be missing */
    uint32_t count;       /* numbers below may be in the store */
    uint32_t swept_below; /* finished ones below may be gone */
};
bool work_hear(struct work_ledger *ledger, struct work_said said);
void work_forget(struct work_ledger *ledger); /* as new */

/* All of these give NULL when all is as it must be, else what is wrong (static text). */
/* One task with its history, its chunks, its bytes. */
const char *work_judge_task(struct store *store, const struct work_ledger *ledger,
                            uint32_t number);
/* The same after a kill: what was committed and never told is taken for told, so it must stay.
 */
const char *work_settle_task(struct store *store, struct work_ledger *ledger, uint32_t number);
/* How many of its steps are there. */
uint32_t work_steps_there(struct store *store, uint32_t number);
/* Its key or own id still names it, and a repeat makes no second task. */
const char *work_judge_key(struct work_store *store, const struct work_ledger *ledger,
                           uint32_t number);
/* All tasks by the listing: each once, none that was never submitted, none missing, states as
 * acknowledged. And the books: the sum over all accounts is zero, what is reserved and spent is
 * what the tasks say. */
const char *work_judge_list(struct store *store, const struct work_ledger *ledger);
/* The outbox: each task that is there was told of once when it began, and once when it ended.
 */
const char *work_judge_outbox(struct store *store, const struct work_ledger *ledger);
/* Ends what is unfinished, as a new owner may; notes it in the ledger. */
const char *work_end_leftovers(struct work_store *store, struct work_ledger *ledger);

/* Prints what went wrong and ends the process. */
void work_die(const char *what, const struct aion_err *err) AION_NORETURN;

#endif
