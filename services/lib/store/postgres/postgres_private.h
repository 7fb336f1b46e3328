/* Inside the PostgreSQL driver. Threads, each with connections that no other touches:
 *
 *  - loop (loop.c): the lanes. A lane is a writing connection and the queue of the shards that
 *    are its own (shard % lanes, so that a shard's writes stay in order). Batches of writes on
 *    tasks leave as one pipeline each; nothing here waits for one answer.
 *  - mender (mender.c): what a lane could not settle at once: batches that failed or whose end
 *    is not known are run again one by one, refused writes learn why, windows are made.
 *  - desk (desk.c): leases, money, audit, plans: few, written straight.
 *  - keeper (keeper.c): windows ahead of time, sweeps.
 *  - readers (reader.c): reads, each in a snapshot. */
#ifndef STORE_POSTGRES_PRIVATE_H
#define STORE_POSTGRES_PRIVATE_H

#include "store/postgres/gather.h"
#include "store/postgres/wait.h"
#include "store/postgres/windows.h"
#include "store/postgres/write_task.h"
#include "store/store_private.h"

enum { PG_LANES_MAX = 4, PG_READERS = 2, PG_BATCH_MAX = 256, PG_BATCH_BYTES = 8 << 20 };

struct pg_store;

/* -- threads that take one operation after the other -------------------------------- */
struct pg_worker {
    struct pg_store *store;
    void (*run)(struct pg_worker *worker, struct store_op *op);
    /* Runs when nothing came until idle_until_us (0 = never), which it sets anew. */
    void (*idle)(struct pg_worker *worker);
    int64_t idle_until_us;
    struct pg_wait wait;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct store_op *first AION_GUARDED_BY(lock);
    struct store_op **last AION_GUARDED_BY(lock);
    size_t count AION_GUARDED_BY(lock);
    bool stopping AION_GUARDED_BY(lock);
    size_t count_max;
};
void pg_worker_init(struct pg_worker *worker, struct pg_store *store, enum pg_role role,
                    size_t count_max); /* then run, and idle if it has one */
bool pg_worker_start(struct pg_worker *worker);
bool pg_worker_add(struct pg_worker *worker, struct store_op *op, struct aion_err *err);
size_t pg_worker_waiting(struct pg_worker *worker);
/* What waits is run before. */
void pg_worker_stop(struct pg_worker *worker);
void pg_worker_done(struct pg_worker *worker);
void pg_reader_run(struct pg_worker *worker, struct store_op *op);

/* -- batches ------------------------------------------------------------------------- */
/* One write in a batch. */
struct pg_entry {
    struct store_op *op;
    struct store_write *write;
    int64_t window;
    enum pg_shape shape;
    unsigned round; /* a statement holds one fact of a task: its next may go a round later */
    unsigned place; /* in the order of submission */
    bool won;
};
/* Entries that travel in one statement. */
struct pg_group {
    struct pg_entry *entries;
    size_t count;
};
struct pg_batch {
    struct pg_lane *lane;
    int64_t begun_us;
    size_t count, groups;
    struct pg_entry entries[PG_BATCH_MAX];
    struct pg_group group[PG_BATCH_MAX];
};

/* -- lanes -------------------------------------------------------------------------- */
enum pg_lane_state {
    PG_LANE_DOWN,       /* connects again at until_us */
    PG_LANE_CONNECTING, /* gives up at until_us */
    PG_LANE_IDLE,
    PG_LANE_BUSY, /* a batch is under way; without an answer the connection is lost at until_us
                   */
};
struct pg_lane {
    struct pg_store *store;
    struct pg_conn conn;
    enum pg_lane_state state;
    bool mending; /* its batch is the mender's: nothing goes before that is settled */
    bool blocked; /* the socket takes no more for now */
    int64_t until_us;
    int64_t down_us;            /* since when it cannot be reached; 0 = it can */
    struct pg_failure why_down; /* the last one: the connection's own is of its present try */
    bool told_down;             /* counted in lanes_down */
    struct pg_gather gather;
    int64_t lingers_us; /* when the first lazy one came, while nothing urgent waits */
    struct pg_batch batch;
    struct store_op *first AION_GUARDED_BY(store->lanes_lock);
    struct store_op **last AION_GUARDED_BY(store->lanes_lock);
    size_t count AION_GUARDED_BY(store->lanes_lock);
    size_t urgent AION_GUARDED_BY(store->lanes_lock);
    bool hungry AION_GUARDED_BY(store->lanes_lock); /* it sleeps until something comes */
};

/* What the mender is given; its own copy of the entries. */
enum pg_mend { PG_MEND_BATCH, PG_MEND_REFUSED };
struct pg_job {
    struct pg_job *next;
    enum pg_mend mend;
    struct pg_lane *lane; /* waits for it; NULL: nobody does */
    bool unclear;         /* its commit may have happened */
    struct pg_failure failure;
    size_t count;
    struct store_op *ops[];
};

struct pg_store {
    struct store base;
    struct pg_url url;
    struct store_info info;
    int64_t linger_us;
    size_t writes_max;
    struct pg_windows windows;
    atomic_bool stopping, healthy;

    pthread_t loop_thread;
    bool loop_started;
    int wake_fd; /* an eventfd: the loop looks around */
    struct pg_lane *lanes;
    unsigned lane_count;
    pthread_mutex_t lanes_lock;
    size_t lanes_waiting AION_GUARDED_BY(lanes_lock);
    bool lanes_stop AION_GUARDED_BY(lanes_lock);
    atomic_uint lanes_down; /* so many cannot reach the database for longer than is waited */

    pthread_t mender_thread;
    bool mender_started;
    struct pg_wait mender, maker; /* writes; and makes windows */
    pthread_mutex_t jobs_lock;
    pthread_cond_t jobs_wake;
    struct pg_job *jobs_first AION_GUARDED_BY(jobs_lock);
    struct pg_job **jobs_last AION_GUARDED_BY(jobs_lock);
    struct pg_lane *mended[PG_LANES_MAX] AION_GUARDED_BY(jobs_lock); /* for the loop */
    size_t mended_count AION_GUARDED_BY(jobs_lock);
    bool jobs_stop AION_GUARDED_BY(jobs_lock);

    struct pg_worker desk, keeper, readers[PG_READERS];
    int64_t seal_us; /* the keeper's: when it looks again */
    atomic_uint next_reader;

    pthread_mutex_t stats_lock;
    struct store_stats stats AION_GUARDED_BY(stats_lock);
};

static inline struct pg_store *pg_of(struct store *store)
{
    return aion_container(store, struct pg_store, base);
}

/* -- loop.c -------------------------------------------------------------------------- */
bool pg_loop_start(struct pg_store *self, struct aion_err *err);
void pg_loop_stop(struct pg_store *self); /* what waits is written before, if it can be */
bool pg_loop_add(struct pg_store *self, struct store_op *op, struct aion_err *err);
void pg_loop_wake(struct pg_store *self);

/* -- batch.c ------------------------------------------------------------------------- */
/* Takes as many operations off the chain, in order, as fit. */
void pg_batch_take(struct pg_batch *batch, struct store_op **chain);
/* Sorts the entries into statements. False: it is not for a lane, for a line of audit goes with
 * it, or a window is not there. */
bool pg_batch_plan(struct pg_store *self, struct pg_batch *batch);
/* Sends it as one transaction. False: the connection is lost, or the values cannot be sent; the
 * failure tells. */
bool pg_batch_send(struct pg_batch *batch, struct pg_conn *conn, pg_result_fn *synced);
/* One entry's statement, in whatever transaction there is. */
bool pg_entry_send(struct pg_entry *entry, struct pg_conn *conn, pg_result_fn *fn, void *user);
void pg_entry_init(struct pg_entry *entry, struct store_op *op);
/* Where its facts are, if all tables it needs are there. */
bool pg_entry_find(struct pg_store *self, struct pg_entry *entry);
/* Marks those winners that the statement's result names. */
void pg_group_result(void *group, PGresult *result);

/* -- mender.c ------------------------------------------------------------------------ */
bool pg_mender_start(struct pg_store *self, struct aion_err *err);
void pg_mender_stop(struct pg_store *self);
void pg_mender_add(struct pg_store *self, struct pg_job *job);
struct pg_job *pg_job_new(enum pg_mend mend, size_t count);

/* Counts a commit and tells whoever listens. */
void pg_count_commit(struct pg_store *self, bool committed, size_t operations, int64_t took_us);
/* The store is busy: nothing was done. Returns false. */
bool pg_busy(size_t waiting, struct aion_err *err);
bool pg_is_down(const char *where, struct aion_err *err);

#endif
