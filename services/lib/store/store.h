/* The storage contract: what control keeps, as operations. Drivers: sqlite (embedded), postgres
 * (cluster), script (tests). By subject: store_task.h (the life of tasks), store_read.h (tasks
 * read), store_shard.h (places, shards, leases), store_ledger.h (money), store_events.h (the
 * outbox), store_audit.h, store_admin.h (policy, plan, sweep, holds, arrivals), store_fact.h
 * (the tables, for export and import).
 *
 * Asynchronous. An operation is a struct of the caller's that begins with a store_op. The
 * caller fills it in, submits it, and leaves it alone until `done` ran, on the thread of the
 * exec given to store_open. All it points to is borrowed until then. Writes of one shard are
 * applied in the order they were submitted, writes of a store with one process all of them
 * (reads among themselves are not ordered, and see only what was committed when they ran).
 *
 * `done` with err == NULL means: committed and on disk (writes), or read. That a write did
 * nothing because of what the store holds already (a duplicate, a stale token, a lost shard) is
 * an outcome in the operation, not an error; then nothing that hangs on it (event, entries,
 * audit) was written either.
 *
 * A write that is submitted again as it was, because its first end is not known, is DONE again
 * if it was applied before, and nothing is written twice.
 *
 * Errors of every operation:
 *
 *  - EXHAUSTED, reason STORE_BUSY: too many operations wait. At once; nothing was done;
 * retriable.
 *  - UNAVAILABLE, reason STORE_DOWN: disk full, I/O error, no connection, or acknowledgements
 * have ended. Nothing of it is visible now; after a failed fsync it may turn out to be there at
 * the next start.
 *  - UNAVAILABLE, reason STORE_UNCLEAR: the connection was lost while the commit was under way
 * and could not be had again in time to look: it may be there or come to be there. Submit it
 * again as it was to know. Never by sqlite.
 *  - INTERNAL: the database refused the operation itself; the others of its batch went through.
 *  - EXHAUSTED without reason: a read met its arena's limit.
 *
 * The store holds no protocol: bodies, decisions and results are bytes to it. States carry the
 * numbers of aion.v1.TaskState. Times are UTC microseconds. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/exec.h"
#include "base/uuid.h"

struct store;
struct store_op;
struct store_waiter;
struct store_audit;

enum store_kind {
    /* writes: the life of tasks */
    STORE_ACCEPT,
    STORE_ROUTE,
    STORE_START,
    STORE_CHUNKS,
    STORE_RETRY,
    STORE_FINISH,
    STORE_MARK,
    STORE_ACK,
    /* writes: the rest */
    STORE_LEASE,
    STORE_CURSOR_PUT,
    STORE_CURSOR_DROP,
    STORE_BUDGET_PUT,
    STORE_CARVE,
    STORE_UNCARVE,
    STORE_REAP,
    STORE_AUDIT_PUT,
    STORE_ARRIVALS,
    STORE_POLICY_PUT,
    STORE_PLAN_PUT,
    STORE_HOLD_PUT,
    STORE_HOLD_DROP,
    STORE_SWEEP,
    STORE_FACTS_PUT,
    STORE_READS, /* those below are reads */
    STORE_TASK_READ = STORE_READS,
    STORE_KEY_READ,
    STORE_LIST,
    STORE_CHUNKS_READ,
    STORE_LOAD,
    STORE_EVENTS_READ,
    STORE_CURSOR_READ,
    STORE_BUDGET_LIST,
    STORE_BALANCES,
    STORE_AUDIT_LIST,
    STORE_AUDIT_HEADS,
    STORE_ARRIVALS_READ,
    STORE_POLICY_LIST,
    STORE_POLICY_READ,
    STORE_PLAN_READ,
    STORE_HOLD_LIST,
    STORE_FACTS_READ,
    STORE_KINDS,
};

/* What a write came to. */
enum store_outcome {
    STORE_DONE,      /* applied */
    STORE_DUPLICATE, /* accept: the same key or id and the same digest: `first` is the task */
    STORE_CONFLICT,  /* accept: the same key or id and another digest */
    STORE_TAKEN,     /* accept: another tenant has a task of this id */
    STORE_STALE,  /* the task is final, gone, or its facts are others than the write takes for
                   * given */
    STORE_FENCED, /* the shard has another owner by now */
};

typedef void store_done_fn(struct store_op *op, const struct aion_err *err);

struct store_op {
    store_done_fn *done;
    /* Reads: results are put here; used by the driver's thread until done. */
    struct aion_arena *arena;
    /* Writes: need not be on disk soon; goes with the next operation that must, at the latest
     * after linger_us. */
    bool lazy;
    /* Writes: a line of the audit log that stands or falls with this operation, or NULL. */
    const struct store_audit *audit;
    /* -- private to the store ----------------------------------------------------------- */
    enum store_kind kind;
    struct store_op *next;
    struct aion_err *err;
    struct store_waiter *waiter;
};

/* -- opening ------------------------------------------------------------------------ */
struct store_conf {
    const char *url;        /* "sqlite:/path/aion.db", "postgres:host=... dbname=..." */
    struct aion_exec *exec; /* where done runs; NULL: only store_wait is used */
    size_t writes_max;      /* waiting writes; 0 = 16384 */
    size_t reads_max;       /* waiting reads; 0 = 1024 */
    int64_t linger_us;      /* of lazy writes; 0 = 20 ms */
    int64_t window_us;      /* of a store that is created now; 0 = 1 h; at least 1 s */
    /* Acknowledgements have ended for good (a failed fsync): the process must end and open
     * anew. On exec's thread, once. */
    void (*fatal)(void *user, const struct aion_err *err);
    void *user;
};

struct store_info {
    const char *driver;
    uint32_t version;  /* of the schema */
    bool created;      /* the store was empty */
    bool shared;       /* several processes may have it open: shards are leased one by one */
    int64_t window_us; /* fixed when the store was created */
};

/* Opens, creates or migrates; two that open at once migrate once. Blocking.
 *
 *  - INVALID: no such driver.
 *  - PRECONDITION: another process has it open (sqlite); or it was written by a newer AION; or
 * it is not a store of AION. The text says which.
 *  - DATA_LOSS: the file is damaged; the text names it and says what to do.
 *  - UNAVAILABLE: it cannot be opened or written. */
struct store *store_open(const struct store_conf *conf, struct aion_err *err);
/* What a URL may begin with, of i = 0, 1, ...; NULL: no more. */
const char *store_driver_name(size_t i);
/* Commits what was submitted, joins all threads, runs what completions are left on this thread,
 * frees. Call it after the exec's loop has ended; a job that the loop was given and has not run
 * is still to be run then, and frees itself. NULL fine. */
void store_close(struct store *store);
struct store_info store_info(const struct store *store);
/* Any thread. False while the last commit failed. */
bool store_healthy(struct store *store);

/* Blocks until the operation is done; its `done` is not called. For workers, tests and the CLI,
 * never for exec's thread. `submit` is one of the functions below, by way of the macro. */
bool store_wait_op(struct store *store, struct store_op *op, enum store_kind kind,
                   struct aion_err *err) AION_MUST_CHECK;
/* Its two halves, for a caller that has something to do meanwhile: after an ask that is not
 * NULL an await must follow. */
struct store_waiter *store_ask(struct store *store, struct store_op *op, enum store_kind kind,
                               struct aion_err *err);
bool store_await(struct store_waiter *waiter, struct store_op *op,
                 struct aion_err *err) AION_MUST_CHECK;

/* Figures for metrics; any thread. */
struct store_stats {
    uint64_t commits, operations; /* group commits and the writes in them */
    uint64_t failed_commits;
    uint64_t waiting;   /* writes now */
    int64_t commit_us;  /* the last one: begin to fsync done */
    uint64_t batch;     /* operations in the last one */
    uint64_t wal_bytes; /* not yet in the database file; 0: not known */
};
struct store_stats store_stats(struct store *store);
/* Called on the writer's thread after each commit, for histograms. Set before the first
 * operation. */
void store_on_commit(struct store *store,
                     void (*fn)(void *user, int64_t commit_us, size_t operations), void *user);

/* -- submitting --------------------------------------------------------------------- */
/* False: refused at once (EXHAUSTED or UNAVAILABLE in *err), done does not run. exec's thread.
 */
bool store_submit(struct store *store, struct store_op *op, enum store_kind kind,
                  struct aion_err *err) AION_MUST_CHECK;

/* The typed way: store_accept(store, &accept, err), store_accept_wait(store, &accept, err).
 * `member` is the store_op in it. */
#define STORE_OPERATION(name, kind_, member)                                \
    static inline AION_MUST_CHECK bool store_##name(                        \
        struct store *store, struct store_##name *op, struct aion_err *err) \
    {                                                                       \
        return store_submit(store, &op->member, kind_, err);                \
    }                                                                       \
    static inline AION_MUST_CHECK bool store_##name##_wait(                 \
        struct store *store, struct store_##name *op, struct aion_err *err) \
    {                                                                       \
        return store_wait_op(store, &op->member, kind_, err);               \
    }

/* Each stands on those before it. */
// clang-format off
#include "store/store_shard.h"
#include "store/store_events.h"
#include "store/store_ledger.h"
#include "store/store_audit.h"
#include "store/store_task.h"
#include "store/store_read.h"
#include "store/store_admin.h"
#include "store/store_fact.h"
// clang-format on

#endif
