/* What drivers share with the front: the base of every store, and the way completions go home.
 */
#ifndef STORE_STORE_PRIVATE_H
#define STORE_STORE_PRIVATE_H

#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct store_driver {
    const char *name; /* the URL's scheme */
    struct store *(*open)(const struct store_conf *conf, aion_str rest, struct aion_err *err);
    bool (*submit)(struct store *store, struct store_op *op, struct aion_err *err);
    struct store_info (*info)(const struct store *store);
    struct store_stats (*stats)(struct store *store);
    bool (*healthy)(struct store *store);
    void (*close)(struct store *store); /* ends with store_base_done and free */
};

/* Runs completions on the exec's thread. Of its own, as it may be posted still when the store
 * is closed. */
struct store_teller {
    struct aion_job job;
    struct store *store; /* NULL: closed, whoever runs it frees it */
};

/* First member of each driver's store. */
struct store {
    const struct store_driver *driver;
    struct aion_exec *exec;
    void (*fatal)(void *user, const struct aion_err *err);
    void *user;
    void (*on_commit)(void *user, int64_t commit_us, size_t operations);
    void *on_commit_user;

    pthread_mutex_t done_lock;
    struct store_op *done_first AION_GUARDED_BY(done_lock); /* completed, done not yet called */
    struct store_op **done_last AION_GUARDED_BY(done_lock);
    bool posted AION_GUARDED_BY(done_lock); /* the teller is under way */
    bool fatal_due AION_GUARDED_BY(done_lock);
    struct aion_err fatal_err AION_GUARDED_BY(done_lock);
    struct store_teller *teller;
};

void store_base_init(struct store *store, const struct store_driver *driver,
                     const struct store_conf *conf);
/* Runs the completions that are left on this thread. */
void store_base_done(struct store *store);

/* The operations of the chain (linked by next, ended by NULL) are done; those with err set have
 * failed. Any thread. One job is posted for as many completions as gather until it runs. */
void store_complete(struct store *store, struct store_op *chain);
/* Sets op->err to a copy. */
void store_op_fail(struct store_op *op, const struct aion_err *err);
/* Acknowledgements have ended: fatal runs once, after the completions before it. Any thread. */
void store_raise_fatal(struct store *store, const struct aion_err *err);

/* Counts a commit in a driver's figures, which `lock` guards, and tells whoever wants to know.
 */
void store_count_commit(struct store *store, pthread_mutex_t *lock, struct store_stats *stats,
                        bool committed, size_t operations, int64_t took_us);

/* Reads go to readers; a dry sweep only reads. */
bool store_op_reads(const struct store_op *op);
/* The common beginning of a write on a task; NULL: it is none. */
struct store_write *store_write_of(struct store_op *op);
/* The admission that comes with an end, or NULL. */
const struct store_accept *store_admission_of(const struct store_op *op);
/* What the operation's ledger rows are told apart by. */
enum store_cause store_cause_of(const struct store_op *op, uint64_t *ret_number);
/* When what the operation tells of happened. */
int64_t store_write_at(const struct store_op *op);
/* The line of audit that goes with the operation now that it was applied: NULL when it has
 * none, or its outcome is another than DONE. */
const struct store_audit *store_audit_due(struct store_op *op);

/* -- a task from its facts (store_derive.c) ----------------------------------------- */
/* What a driver has gathered of one task; all zero: admitted, nothing more. */
struct store_life {
    int64_t decided_us;        /* 0 = no decision */
    struct store_attempt last; /* attempt 0 = none */
    int64_t due_us;            /* of its end */
    bool held;                 /* the newest mark of HELD and RELEASED is HELD */
    bool resolved;             /* a mark RESOLVED names the last attempt */
    int64_t marked_us;         /* newest of those marks */
    enum store_state outcome;  /* 0 = none */
    struct store_token ended_by;
    int64_t ended_us;
    struct store_error error; /* of the outcome */
};
struct store_mark_row {
    uint32_t number;
    enum store_mark_kind kind;
    uint32_t attempt;
    int64_t at_us;
    struct aion_uuid other;
    aion_str note;
};
/* Takes one mark into what is known; they come by number, after the attempts. */
void store_life_mark(struct store_life *life, struct store_task *task,
                     const struct store_mark_row *mark);
/* Sets what follows: state, token, times, error, host. The rest of the row is there. */
void store_derive(struct store_task *task, const struct store_life *life);
/* Makes the events; the attempts are there, and the last one's end is completed by the outcome.
 * False: the arena is full. */
bool store_derive_history(struct store_task *task, const struct store_life *life,
                          const struct store_mark_row *marks, size_t mark_count,
                          struct aion_arena *arena) AION_MUST_CHECK;
/* A hold covers a task. */
bool store_hold_covers(const struct store_hold *hold, uint64_t seq, aion_str tenant,
                       aion_str intent, aion_str route);
/* The names of the accounts between which a budget's slices move. */
struct store_slice {
    char mint[256], budget[256], escrow[512];
};
struct store_slice store_slice_of(aion_str budget, aion_str replica);
/* Accounts are named once each and the amounts sum to zero. */
bool store_entries_sound(const struct store_entry *entries, size_t count);

extern const struct store_driver store_sqlite_driver;
extern const struct store_driver store_postgres_driver;
extern const struct store_driver store_script_driver;

#endif
