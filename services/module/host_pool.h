/* The pool of warm module processes: one task at a time each, with limits of memory and time.
 * All on the I/O thread.
 *
 * A process that crashed, hung or was cancelled is killed with its process group and replaced;
 * one that has run HOST_RECYCLE_AFTER tasks is replaced, too. */
#ifndef HOST_POOL_H
#define HOST_POOL_H

#include "host_manifest.h"
#include "host_pipes.h"
#include "mesh/loop.h"

#include "aion/v1/modules.pb-c.h"

enum { HOST_WORKERS_MAX = 256, HOST_RECYCLE_AFTER = 1000 };

struct host_pool;

/* One task at work. Embedded in its owner; `end` runs exactly once, then the job is the owner's
 * again. */
struct host_job {
    /* A piece of output; borrowed. */
    void (*chunk)(struct host_job *job, const Aion__V1__HostMessage__Chunk *chunk);
    /* The module's own answer; borrowed. Not called when the process failed or the job was
     * cancelled. */
    void (*result)(struct host_job *job, const Aion__V1__HostMessage__Result *result);
    /* No answer: the process died, took too long or was cancelled. */
    void (*failed)(struct host_job *job, enum aion_code code, const char *reason,
                   bool retriable, const char *text);
    struct host_worker *worker;           /* private */
    struct host_job *next;                /* private: waits for a process */
    const struct host_manifest *manifest; /* private */
    aion_str frame;                       /* private: the packed command, until it is written */
    int64_t timeout_us;
    bool cancelled;
    char cancel_reason[64];
};

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
/* Runs `frame` (a packed aion.v1.HostCommand with execute, taken: freed with free()) on a
 * process of the module. */
void host_pool_run(struct host_pool *pool, const struct host_manifest *manifest,
                   struct host_job *job, char *frame, size_t frame_size, int64_t timeout_us);
/* The job ends with failed(CANCELLED) once its process is gone. */
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
