/* The pool of warm module processes: each runs one batch at a time, with limits of memory and
 * time. All on the I/O thread.
 *
 * A process that crashed, hung or was cancelled is killed with its process group and replaced;
 * one that has run HOST_RECYCLE_AFTER tasks is replaced, too. */
#ifndef HOST_POOL_H
#define HOST_POOL_H

#include "host_batch.h"
#include "host_pipes.h"
#include "mesh/loop.h"

enum { HOST_WORKERS_MAX = 256, HOST_RECYCLE_AFTER = 1000 };

struct host_pool;

struct host_worker_info {
    const char *module;
    pid_t pid;
    bool busy;
    uint64_t jobs;
};

/* Starts `warm` processes of each module at once. `max` bounds all together. */
struct host_pool *host_pool_new(struct mesh_loop *loop, struct spawner *spawner,
                                const struct host_manifest *manifests, size_t manifest_count,
                                unsigned warm, unsigned max, struct aion_err *err);
/* NULL: no such module. */
const struct host_manifest *host_pool_module(const struct host_pool *pool, const char *name);
/* Runs the batch (taken) on a process of its module, for as long at most. */
void host_pool_run(struct host_pool *pool, struct host_batch *batch, int64_t timeout_us);
/* The job ends with failed(CANCELLED): at once when its process has others to do, else when
 * that is gone. One that has ended: nothing. */
void host_pool_cancel(struct host_pool *pool, struct host_job *job, const char *reason);
/* Stops reading what modules write (control does not keep up), or goes on. */
void host_pool_pause(struct host_pool *pool, bool paused);
size_t host_pool_workers(const struct host_pool *pool, struct host_worker_info *out,
                         size_t max);
/* Kills all; jobs end with failed(UNAVAILABLE). After the loop ended. */
void host_pool_free(struct host_pool *pool);
/* Runs on the I/O thread when the spawner is gone: the host cannot go on. */
void host_pool_on_broken(struct host_pool *pool, void (*fn)(void *user), void *user);

#endif
