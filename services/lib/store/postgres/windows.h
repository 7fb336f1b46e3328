/* Windows: ranges of time whose facts are tables of their own, made ahead and dropped whole. Of
 * two kinds: by a task's place, and by time (the outbox). The list is read from the database,
 * kept for all threads, and read anew when it turns out to be old. */
#ifndef STORE_POSTGRES_WINDOWS_H
#define STORE_POSTGRES_WINDOWS_H

#include "store/postgres/wait.h"

#include "store/store.h"

#include <pthread.h>

enum pg_window_kind { PG_BY_SEQ, PG_BY_TIME };
enum pg_window_state {
    PG_OPEN = 0,
    /* Over; no unfinished task is in it, or (by time) how far each shard's rows go in it is
     * written down. */
    PG_SEALED = 1,
    PG_DROPPED = 2, /* what stayed is in the kept tables */
    PG_UNKNOWN = 3, /* not in the list */
};
struct pg_window {
    enum pg_window_kind kind;
    int64_t number; /* time / length */
    enum pg_window_state state;
    uint64_t top[STORE_SHARDS]; /* by time, sealed: the newest sequence of each shard */
};

struct pg_windows {
    int64_t length_us;
    pthread_mutex_t lock;
    struct pg_window *list AION_GUARDED_BY(lock); /* by kind and number */
    size_t count AION_GUARDED_BY(lock);
    int64_t floor[2] AION_GUARDED_BY(lock); /* by kind: all below are dropped */
};

void pg_windows_init(struct pg_windows *windows);
void pg_windows_done(struct pg_windows *windows);

static inline int64_t pg_window_of(const struct pg_windows *windows, int64_t at_us)
{
    return at_us / windows->length_us;
}
/* Over for so long that another process may seal it: sealing waits longer than this. */
enum { PG_OLD_US = 300000000, PG_SEAL_US = 600000000 };
bool pg_window_is_old(const struct pg_windows *windows, int64_t number);
/* Any thread. */
enum pg_window_state pg_windows_state(struct pg_windows *windows, enum pg_window_kind kind,
                                      int64_t number);
/* Where the tasks of this place are: a window, PG_KEPT, or PG_NO_WINDOW (there are none). */
int64_t pg_windows_place(struct pg_windows *windows, uint64_t seq);
/* A copy of those of one kind that have tables, oldest first; the caller frees it. */
struct pg_window *pg_windows_copy(struct pg_windows *windows, enum pg_window_kind kind,
                                  size_t *ret_count);

/* Reads the list anew. False: the connection's failure tells. */
bool pg_windows_load(struct pg_windows *windows, struct pg_wait *wait);
/* Sees to it that a window has its tables (unless it is dropped): in a transaction of its own.
 * ADMIN connections. */
bool pg_windows_ensure(struct pg_windows *windows, struct pg_wait *wait,
                       enum pg_window_kind kind, int64_t number);

/* In the caller's transaction: the window is not sealed, and stays so until that ends. */
bool pg_windows_unseal(struct pg_wait *wait, enum pg_window_kind kind, int64_t number);

#endif
