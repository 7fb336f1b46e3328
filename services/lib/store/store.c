/* The front of the store: choosing a driver, waiting, and bringing completions to the exec's
 * thread. */
#include "store/store_private.h"

#include <assert.h>
#include <stdlib.h>

static const struct store_driver *const drivers[] = {
    &store_sqlite_driver, &store_postgres_driver, &store_script_driver /* tests' */};

const char *store_driver_name(size_t i)
{
    return i + 1 < aion_countof(drivers) ? drivers[i]->name : NULL;
}

/* One blocked thread. */
struct store_waiter {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
};

static const struct store_driver *find_driver(aion_str scheme)
{
    for (size_t i = 0; i < aion_countof(drivers); i++)
        if (aion_str_is(scheme, drivers[i]->name))
            return drivers[i];
    return NULL;
}

struct store *store_open(const struct store_conf *conf, struct aion_err *err)
{
    aion_str rest = aion_str_of(conf->url);
    aion_str scheme = aion_str_cut(&rest, ':');
    const struct store_driver *driver = find_driver(scheme);
    if (driver == NULL || rest.data == NULL)
        return aion_fail_null(err, AION_INVALID,
                              "the store's URL begins with \"%.*s:\", which is no known store: "
                              "use sqlite:/path/aion.db or postgres://USER@HOST/DATABASE",
                              (int)(scheme.size < 32 ? scheme.size : 32), scheme.data);
    return driver->open(conf, rest, err);
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->driver->close(store);
}

struct store_info store_info(const struct store *store)
{
    return store->driver->info(store);
}

struct store_stats store_stats(struct store *store)
{
    return store->driver->stats(store);
}

bool store_healthy(struct store *store)
{
    return store->driver->healthy(store);
}

void store_on_commit(struct store *store,
                     void (*fn)(void *user, int64_t commit_us, size_t operations), void *user)
{
    store->on_commit = fn;
    store->on_commit_user = user;
}

void store_count_commit(struct store *store, pthread_mutex_t *lock, struct store_stats *stats,
                        bool committed, size_t operations, int64_t took_us)
{
    pthread_mutex_lock(lock);
    stats->commits += committed;
    stats->failed_commits += !committed;
    stats->operations += committed ? operations : 0;
    stats->batch = operations;
    stats->commit_us = took_us;
    pthread_mutex_unlock(lock);
    if (committed && store->on_commit != NULL)
        store->on_commit(store->on_commit_user, took_us, operations);
}

bool store_op_reads(const struct store_op *op)
{
    if (op->kind == STORE_SWEEP)
        return ((const struct store_sweep *)(const void *)op)
            ->dry_run; /* op is its first member */
    return op->kind >= STORE_READS;
}

static bool entries_sound(const struct store_write *write)
{
    return store_entries_sound(write->entries, write->entry_count);
}

static bool is_sound(struct store_op *op)
{
    const struct store_write *write = store_write_of(op);
    const struct store_accept *accept = store_admission_of(op);
    if (accept != NULL &&
        (accept->write.op.kind != STORE_ACCEPT || accept->own_id || accept->key.size > 0 ||
         accept->write.seq != write->seq || !entries_sound(&accept->write)))
        return false;
    return write == NULL || entries_sound(write);
}

bool store_submit(struct store *store, struct store_op *op, enum store_kind kind,
                  struct aion_err *err)
{
    op->kind = kind;
    op->next = NULL;
    op->err = NULL;
    assert(is_sound(op));
    return store->driver->submit(store, op, err);
}

/* -- waiting ------------------------------------------------------------------------ */
static bool take_error(struct store_op *op, struct aion_err *err)
{
    if (op->err == NULL)
        return true;
    if (err != NULL)
        *err = *op->err;
    free(op->err);
    op->err = NULL;
    return false;
}

static void wait_for(struct store_waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->done)
        pthread_cond_wait(&waiter->wake, &waiter->lock);
    pthread_mutex_unlock(&waiter->lock);
}

bool store_wait_op(struct store *store, struct store_op *op, enum store_kind kind,
                   struct aion_err *err)
{
    struct store_waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                  .wake = PTHREAD_COND_INITIALIZER};
    op->waiter = &waiter;
    bool taken = store_submit(store, op, kind, err);
    if (taken)
        wait_for(&waiter);
    op->waiter = NULL;
    return taken && take_error(op, err);
}

struct store_waiter *store_ask(struct store *store, struct store_op *op, enum store_kind kind,
                               struct aion_err *err)
{
    struct store_waiter *waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL)
        abort();
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_cond_init(&waiter->wake, NULL);
    op->waiter = waiter;
    if (store_submit(store, op, kind, err))
        return waiter;
    op->waiter = NULL;
    free(waiter);
    return NULL;
}

bool store_await(struct store_waiter *waiter, struct store_op *op, struct aion_err *err)
{
    wait_for(waiter);
    op->waiter = NULL;
    pthread_cond_destroy(&waiter->wake);
    pthread_mutex_destroy(&waiter->lock);
    free(waiter);
    return take_error(op, err);
}

/* The waiter is gone once the lock is released. */
static void wake_waiter(struct store_waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    pthread_cond_signal(&waiter->wake);
    pthread_mutex_unlock(&waiter->lock);
}

/* -- completions -------------------------------------------------------------------- */
static void run_done(struct store_op *op)
{
    struct aion_err *err = op->err;
    op->err = NULL;
    op->done(op, err); /* op may be gone now */
    free(err);
}

static void run_chain(struct store_op *op)
{
    while (op != NULL) {
        struct store_op *next = op->next;
        run_done(op);
        op = next;
    }
}

/* Takes all completions gathered so far. */
static struct store_op *take_done(struct store *store, bool *ret_fatal)
{
    pthread_mutex_lock(&store->done_lock);
    struct store_op *chain = store->done_first;
    store->done_first = NULL;
    store->done_last = &store->done_first;
    store->posted = false;
    *ret_fatal = store->fatal_due;
    store->fatal_due = false;
    pthread_mutex_unlock(&store->done_lock);
    return chain;
}

static void run_completions(struct aion_job *job)
{
    struct store_teller *teller = aion_container(job, struct store_teller, job);
    struct store *store = teller->store;
    bool fatal;
    if (store == NULL) {
        free(teller);
        return;
    }
    run_chain(take_done(store, &fatal));
    if (fatal && store->fatal != NULL)
        store->fatal(store->user, &store->fatal_err);
}

/* True: the caller posts the job, outside the lock. Without an exec nobody but waiters is told.
 */
static bool must_post_locked(struct store *store)
{
    if (store->posted || store->exec == NULL)
        return false;
    store->posted = true;
    return true;
}

void store_complete(struct store *store, struct store_op *chain)
{
    bool post = false;
    pthread_mutex_lock(&store->done_lock);
    while (chain != NULL) {
        struct store_op *op = chain;
        chain = op->next;
        op->next = NULL;
        if (op->waiter != NULL) {
            wake_waiter(op->waiter);
            continue;
        }
        *store->done_last = op;
        store->done_last = &op->next;
        post |= must_post_locked(store);
    }
    pthread_mutex_unlock(&store->done_lock);
    if (post)
        aion_exec_post(store->exec, &store->teller->job);
}

void store_op_fail(struct store_op *op, const struct aion_err *err)
{
    free(op->err);
    op->err = malloc(sizeof(*op->err));
    if (op->err == NULL)
        abort(); /* an error that cannot be told would be taken for success */
    *op->err = *err;
}

void store_raise_fatal(struct store *store, const struct aion_err *err)
{
    pthread_mutex_lock(&store->done_lock);
    bool post = false;
    if (!store->fatal_due) {
        store->fatal_due = true;
        store->fatal_err = *err;
        post = must_post_locked(store);
    }
    pthread_mutex_unlock(&store->done_lock);
    if (post)
        aion_exec_post(store->exec, &store->teller->job);
}

void store_base_init(struct store *store, const struct store_driver *driver,
                     const struct store_conf *conf)
{
    store->driver = driver;
    store->exec = conf->exec;
    store->fatal = conf->fatal;
    store->user = conf->user;
    pthread_mutex_init(&store->done_lock, NULL);
    store->done_last = &store->done_first;
    store->teller = calloc(1, sizeof(*store->teller));
    if (store->teller == NULL)
        abort(); /* at start there is nothing to save */
    store->teller->store = store;
    store->teller->job.run = run_completions;
}

/* The exec's loop has ended, but a thread of ours may have posted since: that job outlives us,
 * and whoever runs or drops the loop's last jobs frees it. */
void store_base_done(struct store *store)
{
    bool fatal;
    struct store_op *chain;
    pthread_mutex_lock(&store->done_lock);
    bool posted = store->posted;
    store->exec = NULL;
    pthread_mutex_unlock(&store->done_lock);
    while ((chain = take_done(store, &fatal)) != NULL)
        run_chain(chain);
    store->teller->store = NULL;
    if (!posted)
        free(store->teller);
    pthread_mutex_destroy(&store->done_lock);
}
