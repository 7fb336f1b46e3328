/* The SQLite driver: opening, closing, and handing operations to its threads. */
#include "store/sqlite/sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { WRITES_MAX = 16384, READS_MAX = 1024, LINGER_US = 20000 };

static bool sqlite_driver_submit(struct store *store, struct store_op *op, struct aion_err *err)
{
    struct sqlite_store *self = sqlite_of(store);
    if (store_op_reads(op))
        return sqlite_queue_add(&self->reads, op, err);
    if (!atomic_load(&self->stopped))
        return sqlite_queue_add(&self->writes, op, err);
    sqlite_stopped_error(err);
    return false;
}

static struct store_info sqlite_driver_info(const struct store *store)
{
    return ((const struct sqlite_store *)(const void *)store)
        ->info; /* base is its first member */
}

static struct store_stats sqlite_driver_stats(struct store *store)
{
    struct sqlite_store *self = sqlite_of(store);
    pthread_mutex_lock(&self->stats_lock);
    struct store_stats stats = self->stats;
    pthread_mutex_unlock(&self->stats_lock);
    pthread_mutex_lock(&self->writes.lock);
    stats.waiting = self->writes.count;
    pthread_mutex_unlock(&self->writes.lock);
    return stats;
}

static bool sqlite_driver_healthy(struct store *store)
{
    return atomic_load(&sqlite_of(store)->healthy);
}

/* -- opening ------------------------------------------------------------------------ */
/* The file is made here with narrow rights: SQLite would use the umask's. */
static bool make_file(const char *path, struct aion_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return aion_fail_errno(
            err, AION_UNAVAILABLE,
            "cannot write %s: check that its folder exists and may be written", path);
    close(fd);
    return true;
}

/* One process at a time: a lock on PATH-owner, given back by the kernel when the process ends
 * however it ends. */
static bool take_ownership(struct sqlite_store *self, struct aion_err *err)
{
    char name[4096];
    if (snprintf(name, sizeof(name), "%s-owner", self->path) >= (int)sizeof(name))
        return aion_fail(err, AION_INVALID, "the store's path is too long");
    if (!make_file(name, err))
        return false;
    self->owner = open(name, O_RDWR | O_CLOEXEC);
    if (self->owner < 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "cannot open %s", name);
    if (flock(self->owner, LOCK_EX | LOCK_NB) != 0)
        return aion_fail(err, AION_PRECONDITION,
                         "%s is in use by another process: stop that one first", self->path);
    return true;
}

static bool open_connections(struct sqlite_store *self, int64_t window_us, struct aion_err *err)
{
    if (!sqlite_conn_open(&self->writer, self->path, true, err) ||
        !sqlite_schema_open(self, window_us, err) ||
        !sqlite_conn_open(&self->checkpointer, self->path, true, err))
        return false;
    for (size_t i = 0; i < SQLITE_READERS; i++) {
        if (!sqlite_conn_open(&self->readers[i], self->path, false, err))
            return false;
        self->readers[i].window_us = self->writer.window_us;
    }
    sqlite_checkpoint_watch(self);
    return true;
}

static bool start_threads(struct sqlite_store *self, struct aion_err *err)
{
    self->writer_started =
        pthread_create(&self->writer_thread, NULL, sqlite_writer_main, self) == 0;
    self->checkpoint_started =
        pthread_create(&self->checkpoint_thread, NULL, sqlite_checkpoint_main, self) == 0;
    while (self->readers_started < SQLITE_READERS &&
           pthread_create(&self->reader_threads[self->readers_started], NULL,
                          sqlite_reader_main, self) == 0)
        self->readers_started++;
    if (self->writer_started && self->checkpoint_started &&
        self->readers_started == SQLITE_READERS)
        return true;
    return aion_fail(err, AION_UNAVAILABLE, "no threads for the store");
}

static struct sqlite_store *store_alloc(const struct store_conf *conf, aion_str path)
{
    struct sqlite_store *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return NULL;
    store_base_init(&self->base, &store_sqlite_driver, conf);
    self->owner = -1;
    self->path = strndup(path.data, path.size);
    self->linger_us = conf->linger_us > 0 ? conf->linger_us : LINGER_US;
    sqlite_queue_init(&self->writes, conf->writes_max > 0 ? conf->writes_max : WRITES_MAX);
    sqlite_queue_init(&self->reads, conf->reads_max > 0 ? conf->reads_max : READS_MAX);
    pthread_mutex_init(&self->stats_lock, NULL);
    pthread_mutex_init(&self->checkpoint_lock, NULL);
    pthread_cond_init(&self->checkpoint_wake, NULL);
    atomic_init(&self->healthy, true);
    return self;
}

static void sqlite_driver_close(struct store *store);

static struct store *sqlite_driver_open(const struct store_conf *conf, aion_str path,
                                        struct aion_err *err)
{
    struct aion_err own = {.code = AION_OK};
    struct sqlite_store *self = store_alloc(conf, path);
    if (self == NULL || self->path == NULL)
        abort(); /* at start there is nothing to save */
    if (take_ownership(self, &own) && make_file(self->path, &own) &&
        open_connections(self, conf->window_us, &own) && start_threads(self, &own))
        return &self->base;
    sqlite_driver_close(&self->base);
    if (err != NULL)
        *err = own;
    return NULL;
}

/* -- closing ------------------------------------------------------------------------ */
static void stop_threads(struct sqlite_store *self)
{
    sqlite_queue_stop(&self->writes);
    sqlite_queue_stop(&self->reads);
    if (self->writer_started)
        pthread_join(self->writer_thread, NULL);
    for (unsigned i = 0; i < self->readers_started; i++)
        pthread_join(self->reader_threads[i], NULL);
    sqlite_checkpoint_stop(self);
    if (self->checkpoint_started)
        pthread_join(self->checkpoint_thread, NULL);
}

static void sqlite_driver_close(struct store *store)
{
    struct sqlite_store *self = sqlite_of(store);
    stop_threads(self);
    for (size_t i = 0; i < SQLITE_READERS; i++)
        sqlite_conn_close(&self->readers[i]);
    sqlite_conn_close(&self->checkpointer);
    sqlite_conn_close(&self->writer); /* the last one moves the log into the file */
    if (self->owner >= 0)
        close(self->owner);
    store_base_done(&self->base);
    sqlite_queue_done(&self->writes);
    sqlite_queue_done(&self->reads);
    pthread_mutex_destroy(&self->stats_lock);
    pthread_mutex_destroy(&self->checkpoint_lock);
    pthread_cond_destroy(&self->checkpoint_wake);
    free(self->recent.seqs);
    free(self->path);
    free(self);
}

const struct store_driver store_sqlite_driver = {
    .name = "sqlite",
    .open = sqlite_driver_open,
    .submit = sqlite_driver_submit,
    .info = sqlite_driver_info,
    .stats = sqlite_driver_stats,
    .healthy = sqlite_driver_healthy,
    .close = sqlite_driver_close,
};
