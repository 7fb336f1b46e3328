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
    bool posted AION_GUARDED_BY(done_lock); /* job is under way */
    bool fatal_due AION_GUARDED_BY(done_lock);
    struct aion_err fatal_err AION_GUARDED_BY(done_lock);
    struct aion_job job;
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

/* Reads go to readers; a dry sweep only reads. */
bool store_op_reads(const struct store_op *op);

extern const struct store_driver store_sqlite_driver;
extern const struct store_driver store_script_driver;

#endif
