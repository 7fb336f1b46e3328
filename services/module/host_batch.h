/* Jobs that one module process runs together: one, or as many as its manifest allows. Each has
 * an end of its own; the process is free when it has answered for all. I/O thread. */
#ifndef HOST_BATCH_H
#define HOST_BATCH_H

#include "base/buf.h"
#include "host_manifest.h"

#include "aion/v1/modules.pb-c.h"

struct host_worker;
struct host_batch;

/* One task at work. Embedded in its owner; one of `result` and `failed` runs exactly once, then
 * the job is the owner's again. */
struct host_job {
    /* A piece of output; borrowed. */
    void (*chunk)(struct host_job *job, const Aion__V1__HostMessage__Chunk *chunk);
    /* The module's own answer; borrowed. Not called when the process failed or the job was
     * cancelled. */
    void (*result)(struct host_job *job, const Aion__V1__HostMessage__Result *result);
    /* No answer: the process died, took too long or was cancelled. */
    void (*failed)(struct host_job *job, enum aion_code code, const char *reason,
                   bool retriable, const char *text);
    struct host_batch *batch; /* private */
    size_t place;             /* private: in the batch, and as the module counts */
    aion_str execute;         /* private: packed, until it is written; owned */
    bool cancelled;
    char cancel_reason[64];
};

struct host_batch {
    struct host_batch *next; /* waits for a process */
    const struct host_manifest *manifest;
    struct host_worker *worker; /* NULL = it waits */
    int64_t timeout_us;
    size_t count;      /* places; what was cancelled before the start has none any more */
    size_t left;       /* jobs without end */
    size_t unanswered; /* by the process */
    bool answered[HOST_BATCH_MAX];
    struct host_job *jobs[HOST_BATCH_MAX]; /* NULL = ended */
};

/* Takes the packed Executes (freed with free()). Aborts without memory: bounded by the slots.
 */
struct host_batch *host_batch_new(const struct host_manifest *manifest,
                                  struct host_job *const *jobs, char *const *executes,
                                  const size_t *sizes, size_t count);
/* All jobs have ended. */
void host_batch_free(struct host_batch *batch);
/* The command for the process: places are counted anew without those that ended. Empty: too
 * large. The executes are gone. */
void host_batch_frame(struct host_batch *batch, struct aion_buf *out);
/* The job ends without an answer. */
void host_batch_fail(struct host_job *job, enum aion_code code, const char *reason,
                     bool retriable, const char *text);
/* The same for all that have not ended. */
void host_batch_fail_all(struct host_batch *batch, enum aion_code code, const char *reason,
                         bool retriable, const char *text);
/* What the process says of the place; false: it may not say that. */
bool host_batch_chunk(struct host_batch *batch, const Aion__V1__HostMessage__Chunk *chunk);
bool host_batch_result(struct host_batch *batch, const Aion__V1__HostMessage__Result *result);

#endif
