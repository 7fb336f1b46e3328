/* The PostgreSQL driver: opening, closing, and handing operations to its threads. */
#include "store/postgres/desk.h"
#include "store/postgres/keeper.h"
#include "store/postgres/schema.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    WRITES_MAX = 16384,
    READS_MAX = 1024,
    LINGER_US = 20000,
    WINDOW_US = 3600000000 / 1000, /* in ms: an enumerator is an int */
    WINDOW_LEAST_US = 1000000,
    MIGRATE_US = 600000000,
    SWEEP_US = 660000000,
};

static struct pg_worker *worker_of(struct pg_store *self, const struct store_op *op)
{
    if (store_op_reads(op))
        return &self->readers[atomic_fetch_add(&self->next_reader, 1) % PG_READERS];
    return op->kind == STORE_SWEEP ? &self->keeper : &self->desk;
}

static bool pg_driver_submit(struct store *store, struct store_op *op, struct aion_err *err)
{
    struct pg_store *self = pg_of(store);
    if (store_write_of(op) != NULL)
        return pg_loop_add(self, op, err);
    return pg_worker_add(worker_of(self, op), op, err);
}

static struct store_info pg_driver_info(const struct store *store)
{
    /* base is its first member */
    return ((const struct pg_store *)(const void *)store)->info;
}

static struct store_stats pg_driver_stats(struct store *store)
{
    struct pg_store *self = pg_of(store);
    pthread_mutex_lock(&self->stats_lock);
    struct store_stats stats = self->stats;
    pthread_mutex_unlock(&self->stats_lock);
    pthread_mutex_lock(&self->lanes_lock);
    stats.waiting = self->lanes_waiting;
    pthread_mutex_unlock(&self->lanes_lock);
    stats.waiting += pg_worker_waiting(&self->desk) + pg_worker_waiting(&self->keeper);
    return stats;
}

void pg_count_commit(struct pg_store *self, bool committed, size_t operations, int64_t took_us)
{
    store_count_commit(&self->base, &self->stats_lock, &self->stats, committed, operations,
                       took_us);
}

static bool pg_driver_healthy(struct store *store)
{
    return atomic_load(&pg_of(store)->healthy);
}

/* -- opening ------------------------------------------------------------------------ */
static bool open_schema(struct pg_store *self, const struct store_conf *conf,
                        struct aion_err *err)
{
    struct pg_wait *wait = &self->maker;
    struct pg_schema schema = {.name = self->url.schema,
                               .place = self->url.place,
                               .window_us = conf->window_us > 0 ? conf->window_us
                                                                : (int64_t)WINDOW_US * 1000};
    if (schema.window_us < WINDOW_LEAST_US)
        schema.window_us = WINDOW_LEAST_US;
    pg_clear(&wait->conn);
    if (!pg_wait_connect(wait)) {
        pg_connect_error(&wait->conn.failure, self->url.place, err);
        return false;
    }
    wait->answer_us = MIGRATE_US;
    bool opened = pg_schema_open(wait, &schema, err);
    wait->answer_us = PG_ANSWER_US;
    self->windows.length_us = schema.window_us;
    self->info = (struct store_info){.driver = "postgres",
                                     .version = schema.version,
                                     .created = schema.created,
                                     .shared = true,
                                     .window_us = schema.window_us};
    return opened;
}

static bool open_windows(struct pg_store *self, struct aion_err *err)
{
    struct pg_wait *wait = &self->maker;
    if (pg_windows_load(&self->windows, wait) && pg_keep_ahead(self, wait))
        return true;
    pg_error(&wait->conn.failure, __func__, err);
    return false;
}

static bool start_workers(struct pg_store *self, struct aion_err *err)
{
    bool started = pg_worker_start(&self->desk) && pg_worker_start(&self->keeper);
    for (size_t i = 0; started && i < PG_READERS; i++)
        started = pg_worker_start(&self->readers[i]);
    return started || aion_fail(err, AION_UNAVAILABLE, "no threads for the store");
}

static void init_workers(struct pg_store *self, const struct store_conf *conf)
{
    size_t reads = conf->reads_max > 0 ? conf->reads_max : READS_MAX;
    pg_worker_init(&self->desk, self, PG_WRITES, self->writes_max);
    pg_worker_init(&self->keeper, self, PG_ADMIN, self->writes_max);
    for (size_t i = 0; i < PG_READERS; i++) {
        pg_worker_init(&self->readers[i], self, PG_READS, (reads + 1) / PG_READERS);
        self->readers[i].run = pg_reader_run;
    }
    self->desk.run = pg_desk_run;
    self->keeper.run = pg_keeper_run;
    self->keeper.idle = pg_keeper_idle;
    self->keeper.wait.answer_us = SWEEP_US;
}

static struct pg_store *store_alloc(const struct store_conf *conf)
{
    struct pg_store *self = calloc(1, sizeof(*self));
    if (self == NULL)
        abort(); /* at start there is nothing to save */
    store_base_init(&self->base, &store_postgres_driver, conf);
    self->linger_us = conf->linger_us > 0 ? conf->linger_us : LINGER_US;
    self->writes_max = conf->writes_max > 0 ? conf->writes_max : WRITES_MAX;
    self->wake_fd = -1;
    atomic_init(&self->healthy, true);
    self->jobs_last = &self->jobs_first;
    pthread_mutex_init(&self->lanes_lock, NULL);
    pthread_mutex_init(&self->jobs_lock, NULL);
    pthread_cond_init(&self->jobs_wake, NULL);
    pthread_mutex_init(&self->stats_lock, NULL);
    pg_windows_init(&self->windows);
    pg_wait_init(&self->mender, &self->url, PG_WRITES, &self->stopping);
    pg_wait_init(&self->maker, &self->url, PG_ADMIN, &self->stopping);
    init_workers(self, conf);
    return self;
}

static void pg_driver_close(struct store *store);

static struct store *pg_driver_open(const struct store_conf *conf, aion_str rest,
                                    struct aion_err *err)
{
    struct aion_err own = {.code = AION_OK};
    struct pg_store *self = store_alloc(conf);
    if (pg_url_parse(rest, &self->url, &own) && open_schema(self, conf, &own) &&
        open_windows(self, &own) && pg_loop_start(self, &own) && pg_mender_start(self, &own) &&
        start_workers(self, &own))
        return &self->base;
    pg_driver_close(&self->base);
    if (err != NULL)
        *err = own;
    return NULL;
}

/* -- closing ------------------------------------------------------------------------ */
/* Lanes first: what they leave is the mender's. */
static void stop_threads(struct pg_store *self)
{
    pg_loop_stop(self);
    pg_mender_stop(self);
    atomic_store(&self->stopping, true);
    pg_worker_stop(&self->desk);
    pg_worker_stop(&self->keeper);
    for (size_t i = 0; i < PG_READERS; i++)
        pg_worker_stop(&self->readers[i]);
}

static void pg_driver_close(struct store *store)
{
    struct pg_store *self = pg_of(store);
    stop_threads(self);
    pg_worker_done(&self->desk);
    pg_worker_done(&self->keeper);
    for (size_t i = 0; i < PG_READERS; i++)
        pg_worker_done(&self->readers[i]);
    pg_wait_done(&self->mender);
    pg_wait_done(&self->maker);
    store_base_done(&self->base);
    pg_windows_done(&self->windows);
    pthread_mutex_destroy(&self->lanes_lock);
    pthread_mutex_destroy(&self->jobs_lock);
    pthread_cond_destroy(&self->jobs_wake);
    pthread_mutex_destroy(&self->stats_lock);
    pg_url_done(&self->url);
    free(self);
}

const struct store_driver store_postgres_driver = {
    .name = "postgres",
    .open = pg_driver_open,
    .submit = pg_driver_submit,
    .info = pg_driver_info,
    .stats = pg_driver_stats,
    .healthy = pg_driver_healthy,
    .close = pg_driver_close,
};
