/* The queue behind an exec: jobs from any thread, run by one. A lock-free stack, turned around
 * when it is taken; many posts need one wake. */
#ifndef BASE_JOBS_H
#define BASE_JOBS_H

#include "base/exec.h"

#include <stdatomic.h>
#include <stdbool.h>

struct aion_jobs {
    _Atomic(struct aion_job *) newest;
    atomic_bool woken;
};

/* Any thread. True: the runner must be woken; false: a wake is under way. */
bool aion_jobs_add(struct aion_jobs *jobs, struct aion_job *job);
/* The same without a job, for whoever wants the runner to look around. */
bool aion_jobs_wake(struct aion_jobs *jobs);
/* The runner: all that was added, in the order of adding; what they add comes with the next
 * wake. */
void aion_jobs_run(struct aion_jobs *jobs);

#endif
