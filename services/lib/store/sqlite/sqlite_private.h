/* Inside the SQLite driver: one writer thread (writer.c), two readers (reader.c), a
 * checkpointer (checkpoint.c), each with a connection of its own that no other thread touches
 * (conn.c). */
#ifndef STORE_SQLITE_PRIVATE_H
#define STORE_SQLITE_PRIVATE_H

#include "store/sqlite/sql.h"
#include "store/store_private.h"

#include <sqlite3.h>

/* -- connections -------------------------------------------------------------------- */
/* A connection with its prepared statements; one thread. */
struct sqlite_conn {
    sqlite3 *db;
    sqlite3_stmt *stmts[SQL_COUNT]; /* prepared on first use */
    int rc;            /* extended code of the first failure since it was cleared */
    char message[160]; /* sqlite's words for it */
};

enum { SQLITE_BUSY_MS = 5000 };

bool sqlite_conn_open(struct sqlite_conn *conn, const char *path, bool writes,
                      struct aion_err *err);
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
};
struct sql_use sql_use(struct sqlite_conn *conn, enum sql_id id);
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
    uint64_t sequence; /* writer: the newest task's */

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

/* Brings the file to our schema; refuses what is not ours. */
bool sqlite_schema_open(struct sqlite_store *self, struct aion_err *err);

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

/* Applies one write inside the open transaction; reads one read. False: the connection's rc
 * tells. */
typedef bool sqlite_apply_fn(struct sqlite_store *self, struct sqlite_conn *conn,
                             struct store_op *op);
sqlite_apply_fn sqlite_accept, sqlite_route, sqlite_start, sqlite_resume, sqlite_chunks,
    sqlite_retry, sqlite_finish, sqlite_ack, sqlite_policy_put, sqlite_plan_put, sqlite_sweep,
    sqlite_task_read, sqlite_key_read, sqlite_list, sqlite_chunks_read, sqlite_load,
    sqlite_policy_list, sqlite_policy_read, sqlite_plan_read;
bool sqlite_apply(struct sqlite_store *self, struct sqlite_conn *conn, struct store_op *op);

#endif
