/* Inside the SQLite driver: one writer thread (writer.c), two readers (reader.c), a
 * checkpointer (checkpoint.c), each with a connection of its own that no other thread touches
 * (conn.c). */
#ifndef STORE_SQLITE_PRIVATE_H
#define STORE_SQLITE_PRIVATE_H

#include "store/sqlite/sql.h"
#include "store/store_private.h"

#include <sqlite3.h>

/* -- connections -------------------------------------------------------------------- */
/* Which tables hold a task: those of its window, or the kept ones. Windows are numbered from
 * 1970; keys of idempotency have windows of their own, SQLITE_KEY_WINDOWS times as long. */
enum { SQLITE_KEPT = -1, SQLITE_NOWHERE = -2, SQLITE_KEY_WINDOWS = 24 };
enum sqlite_window_kind { SQLITE_TASKS, SQLITE_KEYS, SQLITE_WINDOW_KINDS };

struct sqlite_window {
    int64_t number;
    uint64_t moved; /* what of it must stay has moved to the kept tables up to this seq */
};
/* The windows that have tables, ascending; as of the connection's snapshot. */
struct sqlite_windows {
    struct sqlite_window *items;
    size_t count, capacity;
};

/* Statements of one set of tables. */
struct sqlite_slot {
    int64_t set;
    uint64_t used; /* 0 = free */
    sqlite3_stmt *stmts[SQL_COUNT];
};
enum { SQLITE_SLOTS = 12 };

/* A connection with its prepared statements; one thread. */
struct sqlite_conn {
    sqlite3 *db;
    sqlite3_stmt *stmts[SQL_COUNT]; /* prepared on first use */
    struct sqlite_slot slots[SQLITE_SLOTS];
    uint64_t used; /* counts the uses of slots */

    int64_t window_us;
    struct sqlite_windows windows[SQLITE_WINDOW_KINDS];
    int64_t generation; /* of the list of windows; -1 = not read */
    int64_t closed;     /* windows up to this one are gone; -1 = none */

    int rc;            /* extended code of the first failure since it was cleared */
    char message[160]; /* sqlite's words for it */
};

enum { SQLITE_BUSY_MS = 5000 };

bool sqlite_conn_open(struct sqlite_conn *conn, const char *path, bool writes,
                      struct aion_err *err);
/* What keeps a store from opening; false. Statements of ours that the database itself refuses
 * then mean that the file is not as we left it. */
bool sqlite_open_error(const struct sqlite_conn *conn, const char *path, struct aion_err *err);
bool sqlite_damaged(const char *path, const char *detail, struct aion_err *err);
void sqlite_conn_close(struct sqlite_conn *conn);
/* Remembers a failure; returns false. */
bool sqlite_conn_failed(struct sqlite_conn *conn, int rc);
void sqlite_conn_clear(struct sqlite_conn *conn);
/* Runs SQL text of ours (several statements are fine). */
bool sqlite_conn_exec(struct sqlite_conn *conn, const char *text);

/* One use of a prepared statement: sql_use, bind in the order of the parameters, sql_run or
 * sql_row..., sql_end. A failed prepare makes every following call fail quietly; sql_end tells.
 */
struct sql_use {
    struct sqlite_conn *conn;
    sqlite3_stmt *stmt; /* NULL: prepare failed */
    int parameter, column;
    bool once; /* finalized at its end */
};
struct sql_use sql_use(struct sqlite_conn *conn, enum sql_id id);
/* The same of a statement with an @, for one set of tables. */
struct sql_use sql_use_in(struct sqlite_conn *conn, enum sql_id id, int64_t set);
/* Text of our own, prepared for one use: sql_end finalizes it. */
struct sql_use sql_use_text(struct sqlite_conn *conn, const char *text);
void sql_i64(struct sql_use *use, int64_t value);
void sql_u64(struct sql_use *use, uint64_t value);
void sql_text(struct sql_use *use, aion_str value);
void sql_blob(struct sql_use *use, aion_str value); /* empty = NULL */
void sql_uuid(struct sql_use *use, const struct aion_uuid *id);
bool sql_run(struct sql_use *use); /* no rows wanted; ends the use */
bool sql_row(
    struct sql_use *use); /* steps: true = a row. False = none, or failed: see sql_end */
bool sql_end(struct sql_use *use); /* false: anything of this use failed */
int64_t sql_changes(const struct sqlite_conn *conn);
/* Columns of the row, in order. Texts and blobs are copied into the arena (NULL arena: borrowed
 * until the next step). */
int64_t sql_get_i64(struct sql_use *use);
uint64_t sql_get_u64(struct sql_use *use);
aion_str sql_get_str(struct sql_use *use, struct aion_arena *arena);
void sql_get_uuid(struct sql_use *use, struct aion_uuid *ret_id);
void sql_skip(struct sql_use *use, int columns);

/* -- the store ---------------------------------------------------------------------- */
struct sqlite_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct store_op *first AION_GUARDED_BY(lock);
    struct store_op **last AION_GUARDED_BY(lock);
    size_t count AION_GUARDED_BY(lock);
    size_t urgent AION_GUARDED_BY(lock);     /* of them not lazy */
    unsigned sleeping AION_GUARDED_BY(lock); /* threads in wait */
    bool stopping AION_GUARDED_BY(lock);
    size_t count_max;
};

enum { SQLITE_READERS = 2 };

/* Seqs of unfinished tasks that have no row in `unfinished` yet: open addressing. */
struct sqlite_recent {
    uint64_t *seqs; /* 0 = empty */
    size_t count, capacity;
};

struct sqlite_store {
    struct store base;
    char *path;
    int owner; /* locked file descriptor: one process opens the store */
    struct store_info info;
    int64_t linger_us;

    struct sqlite_queue writes, reads;
    struct sqlite_conn writer;                  /* the writer's thread */
    struct sqlite_conn readers[SQLITE_READERS]; /* each its reader's thread */
    struct sqlite_conn checkpointer;            /* its thread */
    pthread_t writer_thread, reader_threads[SQLITE_READERS], checkpoint_thread;
    unsigned readers_started;  /* threads made so far */
    atomic_uint readers_taken; /* connections that a reader took */
    bool writer_started, checkpoint_started;

    /* The writer's. What follows the tables is read anew after a rollback. */
    bool stale; /* that was not possible: at the next transaction */
    uint64_t epoch;
    uint64_t newest_seq, newest_event;
    uint64_t unfinished_to, folded_to;
    struct sqlite_recent recent;
    uint64_t accepted;         /* since unfinished_to moved */
    uint64_t events_looked_to; /* by the sweep under way */
    char replica[256];         /* the one that leased last */
    bool leased;

    atomic_bool healthy;   /* the last commit succeeded */
    atomic_bool stopped;   /* a failed fsync: nothing is acknowledged any more */
    atomic_uint wal_pages; /* in the log after the last commit */
    atomic_bool tail_due;  /* the checkpointer has done its part: the writer does the rest */

    pthread_mutex_t stats_lock;
    struct store_stats stats AION_GUARDED_BY(stats_lock);

    pthread_mutex_t checkpoint_lock;
    pthread_cond_t checkpoint_wake;
    bool checkpoint_due AION_GUARDED_BY(checkpoint_lock);
    bool checkpoint_stop AION_GUARDED_BY(checkpoint_lock);
};

static inline struct sqlite_store *sqlite_of(struct store *store)
{
    return aion_container(store, struct sqlite_store, base);
}

/* Brings the file to our schema; refuses what is not ours. window_us: of a store that is made
 * now, 0 = the default. */
bool sqlite_schema_open(struct sqlite_store *self, int64_t window_us, struct aion_err *err);
/* From schema 1 (migrate_1.c); the two make the tables of schema 2. */
bool sqlite_migrate_1(struct sqlite_store *self, bool (*create_tables)(struct sqlite_conn *),
                      bool (*create_shards)(struct sqlite_conn *));

void sqlite_queue_init(struct sqlite_queue *queue, size_t count_max);
void sqlite_queue_done(struct sqlite_queue *queue);
bool sqlite_queue_add(struct sqlite_queue *queue, struct store_op *op, struct aion_err *err);
void sqlite_queue_stop(struct sqlite_queue *queue);

void *sqlite_writer_main(void *self);
void *sqlite_reader_main(void *self);
void *sqlite_checkpoint_main(void *self);
/* After a commit: lets the checkpointer know how long the log is, and does the part that only
 * the writer can. */
void sqlite_checkpoint_after_commit(struct sqlite_store *self);
void sqlite_checkpoint_watch(struct sqlite_store *self); /* before the threads start */
void sqlite_checkpoint_stop(struct sqlite_store *self);

/* The file system gave up on what it had promised, or the file is damaged: never acknowledge
 * again. */
bool sqlite_is_fatal(int rc);
/* Not the operation's fault: disk, memory, locks. The whole batch fails. */
bool sqlite_is_environment(int rc);
/* What happened, for the caller of an operation. */
void sqlite_error(const struct sqlite_conn *conn, const char *where, struct aion_err *err);
void sqlite_stop_acknowledging(struct sqlite_store *self, const struct sqlite_conn *conn);
/* What is refused from then on. */
void sqlite_stopped_error(struct aion_err *err);

/* -- windows (window.c) ------------------------------------------------------------- */
void sqlite_table_name(enum store_table table, int64_t set, char out[64]);
bool sqlite_tables_create(struct sqlite_conn *conn, enum store_rotation by, int64_t set);
bool sqlite_meta_read(struct sqlite_conn *conn, const char *name, int64_t *value);
bool sqlite_meta_put(struct sqlite_conn *conn, const char *name, int64_t value);
/* At the beginning of a transaction: the list of windows as of its snapshot. */
bool sqlite_windows_refresh(struct sqlite_conn *conn);
void sqlite_windows_done(struct sqlite_conn *conn);
/* Where a task of this place is or would be; SQLITE_NOWHERE: its window has no tables. */
int64_t sqlite_set_of(const struct sqlite_conn *conn, uint64_t seq);
uint64_t sqlite_window_end(const struct sqlite_conn *conn, int64_t number); /* its last seq */
/* The same for a row to be inserted; makes the window. */
bool sqlite_set_make(struct sqlite_conn *conn, uint64_t seq, int64_t *ret_set);
bool sqlite_key_set_make(struct sqlite_conn *conn, int64_t at_us, int64_t *ret_set);
bool sqlite_window_moved(struct sqlite_conn *conn, int64_t number, uint64_t moved);
/* Drops its tables. */
bool sqlite_window_close(struct sqlite_conn *conn, enum sqlite_window_kind kind,
                         int64_t number);

/* -- unfinished tasks, folded sums (unfinished.c); the writer's --------------------- */
bool sqlite_unfinished_read(struct sqlite_store *self); /* all of it anew */
bool sqlite_unfinished_add(struct sqlite_store *self, uint64_t seq);
bool sqlite_unfinished_end(struct sqlite_store *self, uint64_t seq);
/* True: it is there and not final, that is known without a look. */
bool sqlite_unfinished_knows(const struct sqlite_store *self, uint64_t seq, bool *ret_started);
void sqlite_unfinished_started(struct sqlite_store *self, uint64_t seq);
bool sqlite_unfinished_move(struct sqlite_store *self);
bool sqlite_unfinished_move_due(struct sqlite_store *self); /* at a transaction's beginning */
/* Takes entries up to a place, but not many at once, into the balance rows. */
bool sqlite_ledger_fold(struct sqlite_store *self, uint64_t upto);
bool sqlite_balance_add(struct sqlite_conn *conn, aion_str account, int64_t nano_usd);
bool sqlite_balances_bare(struct sqlite_conn *conn, struct store_balances *op);

/* -- operations --------------------------------------------------------------------- */
/* Writes on tasks: the outcome is STALE before; true in *applied: it is DONE now, and was not
 * before. */
/* Ignored where there is one: see sql_changes. */
bool sqlite_task_add(struct sqlite_conn *conn, int64_t set, const struct store_accept *op);
bool sqlite_accept(struct sqlite_store *self, struct store_op *op, bool *applied);
bool sqlite_route(struct sqlite_store *self, struct store_op *op, bool *applied);
bool sqlite_start(struct sqlite_store *self, struct store_op *op, bool *applied);
bool sqlite_chunks(struct sqlite_store *self, struct store_op *op, bool *applied);
bool sqlite_retry(struct sqlite_store *self, struct store_op *op, bool *applied);
bool sqlite_finish(struct sqlite_store *self, struct store_op *op, bool *applied);
bool sqlite_mark(struct sqlite_store *self, struct store_op *op, bool *applied);
bool sqlite_ack(struct sqlite_store *self, struct store_op *op, bool *applied);

/* A row of SQL_TASK with what hangs on it. */
bool sqlite_get_task(struct sqlite_conn *conn, int64_t set, struct sql_use *row,
                     struct store_task *task, struct store_life *life,
                     struct aion_arena *arena);
/* Cleared; NULL: the arena is full, and the connection has failed so. */
void *sqlite_make_array(struct sqlite_conn *conn, struct aion_arena *arena, size_t count,
                        size_t size);
bool sqlite_count(struct sqlite_conn *conn, enum sql_id id, size_t *ret_count);
/* Before the operation is applied: fails it when its line of audit does not follow. */
bool sqlite_audit_check(struct sqlite_conn *conn, struct store_op *op);
bool sqlite_audit_add(struct sqlite_conn *conn, struct store_op *op); /* after it */

/* Applies one write inside the open transaction; reads one read. False: the connection's rc
 * tells. */
typedef bool sqlite_apply_fn(struct sqlite_store *self, struct sqlite_conn *conn,
                             struct store_op *op);
sqlite_apply_fn sqlite_write, sqlite_lease, sqlite_cursor_put, sqlite_cursor_drop,
    sqlite_budget_put, sqlite_carve, sqlite_uncarve, sqlite_reap, sqlite_audit_put,
    sqlite_arrivals, sqlite_policy_put, sqlite_plan_put, sqlite_hold_put, sqlite_hold_drop,
    sqlite_sweep, sqlite_facts_put, sqlite_task_read, sqlite_key_read, sqlite_list,
    sqlite_chunks_read, sqlite_load, sqlite_events_read, sqlite_cursor_read, sqlite_budget_list,
    sqlite_balances, sqlite_audit_list, sqlite_audit_heads, sqlite_arrivals_read,
    sqlite_policy_list, sqlite_policy_read, sqlite_plan_read, sqlite_hold_list,
    sqlite_facts_read;
bool sqlite_apply(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *op);

#endif
