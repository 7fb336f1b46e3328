/* The storage contract: what control keeps, as operations. Drivers: sqlite (embedded), script
 * (tests).
 *
 * Asynchronous. An operation is a struct of the caller's that begins with a store_op. The
 * caller fills it in, submits it, and leaves it alone until `done` ran, on the thread of the
 * exec given to store_open. Strings in it are borrowed until then. Operations are applied in
 * the order they were submitted (reads among themselves are not ordered, and see only what was
 * committed when they ran).
 *
 * `done` with err == NULL means: committed and on disk (writes), or read. That a write did
 * nothing because of what the store holds already (a duplicate, a stale token) is an outcome in
 * the operation, not an error.
 *
 * Errors of every operation:
 *
 *  - EXHAUSTED, reason STORE_BUSY: too many operations wait. At once; nothing was done;
 * retriable.
 *  - UNAVAILABLE, reason STORE_DOWN: disk full, I/O error, or acknowledgements have ended.
 * Nothing of it is visible now; after a failed fsync it may turn out to be there at the next
 * start.
 *  - INTERNAL: the database refused the operation itself; the others of its batch went through.
 *  - EXHAUSTED without reason: a read met its arena's limit.
 *
 * The store holds no protocol: bodies, decisions and results are bytes to it. States carry the
 * numbers of aion.v1.TaskState. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/exec.h"
#include "base/uuid.h"

struct store;
struct store_op;
struct store_waiter;

enum store_kind {
    STORE_ACCEPT,
    STORE_ROUTE,
    STORE_START,
    STORE_RESUME,
    STORE_CHUNKS,
    STORE_RETRY,
    STORE_FINISH,
    STORE_ACK,
    STORE_POLICY_PUT,
    STORE_PLAN_PUT,
    STORE_SWEEP,
    STORE_READS, /* those below are reads */
    STORE_TASK_READ = STORE_READS,
    STORE_KEY_READ,
    STORE_LIST,
    STORE_CHUNKS_READ,
    STORE_LOAD,
    STORE_POLICY_LIST,
    STORE_POLICY_READ,
    STORE_PLAN_READ,
    STORE_KINDS,
};

typedef void store_done_fn(struct store_op *op, const struct aion_err *err);

struct store_op {
    store_done_fn *done;
    /* Reads: results are put here; used by the driver's thread until done. */
    struct aion_arena *arena;
    /* Writes: need not be on disk soon; goes with the next operation that must, at the latest
     * after linger_us. */
    bool lazy;
    /* -- private to the store ----------------------------------------------------------- */
    enum store_kind kind;
    struct store_op *next;
    struct aion_err *err;
    struct store_waiter *waiter;
};

/* -- opening ------------------------------------------------------------------------ */
struct store_conf {
    const char *url;        /* "sqlite:/path/aion.db" */
    struct aion_exec *exec; /* where done runs; NULL: only store_wait is used */
    size_t writes_max;      /* waiting writes; 0 = 16384 */
    size_t reads_max;       /* waiting reads; 0 = 1024 */
    int64_t linger_us;      /* of lazy writes; 0 = 20 ms */
    /* Acknowledgements have ended for good (a failed fsync): the process must end and open
     * anew. On exec's thread, once. */
    void (*fatal)(void *user, const struct aion_err *err);
    void *user;
};

struct store_info {
    const char *driver;
    uint64_t epoch;   /* raised by every open: the first part of fencing tokens */
    uint32_t version; /* of the schema */
    bool created;     /* the store was empty */
};

/* Opens, creates or migrates. Blocking.
 *
 *  - INVALID: no such driver.
 *  - PRECONDITION: another process has it open; or it was written by a newer AION; or it is not
 * a store of AION. The text says which.
 *  - DATA_LOSS: the file is damaged; the text names it and says what to do.
 *  - UNAVAILABLE: it cannot be opened or written. */
struct store *store_open(const struct store_conf *conf, struct aion_err *err);
/* Commits what was submitted, joins all threads, runs what completions are left on this thread,
 * frees. Call it after the exec's loop has ended. NULL fine. */
void store_close(struct store *store);
struct store_info store_info(const struct store *store);
/* Any thread. False while the last commit failed. */
bool store_healthy(struct store *store);

/* Blocks until the operation is done; its `done` is not called. For workers, tests and the CLI,
 * never for exec's thread. `submit` is one of the functions below, by way of the macro. */
bool store_wait_op(struct store *store, struct store_op *op, enum store_kind kind,
                   struct aion_err *err) AION_MUST_CHECK;

/* Figures for metrics; any thread. */
struct store_stats {
    uint64_t commits, operations; /* group commits and the writes in them */
    uint64_t failed_commits;
    uint64_t waiting;   /* writes now */
    int64_t commit_us;  /* the last one: begin to fsync done */
    uint64_t batch;     /* operations in the last one */
    uint64_t wal_bytes; /* not yet in the database file */
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

/* The typed way: store_accept(store, &accept, err), store_accept_wait(store, &accept, err). */
#define STORE_OPERATION(name, kind_)                                        \
    static inline AION_MUST_CHECK bool store_##name(                        \
        struct store *store, struct store_##name *op, struct aion_err *err) \
    {                                                                       \
        return store_submit(store, &op->op, kind_, err);                    \
    }                                                                       \
    static inline AION_MUST_CHECK bool store_##name##_wait(                 \
        struct store *store, struct store_##name *op, struct aion_err *err) \
    {                                                                       \
        return store_wait_op(store, &op->op, kind_, err);                   \
    }

#include "store/store_admin.h"
#include "store/store_task.h"

#endif
