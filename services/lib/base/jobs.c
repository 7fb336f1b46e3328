#include "base/jobs.h"

#include <stddef.h>

/* Sequentially consistent on both sides, or a post and the runner's look could pass each other:
 * an add after `woken` was cleared wakes again, one before it is taken below. */

bool aion_jobs_wake(struct aion_jobs *jobs)
{
    return !atomic_exchange(&jobs->woken, true);
}

bool aion_jobs_add(struct aion_jobs *jobs, struct aion_job *job)
{
    struct aion_job *newest = atomic_load_explicit(&jobs->newest, memory_order_relaxed);
    do
        job->next = newest;
    while (!atomic_compare_exchange_weak(&jobs->newest, &newest, job));
    return aion_jobs_wake(jobs);
}

void aion_jobs_run(struct aion_jobs *jobs)
{
    atomic_store(&jobs->woken, false);
    struct aion_job *stack = atomic_exchange(&jobs->newest, NULL);
    struct aion_job *queue = NULL;
    while (stack != NULL) {
        struct aion_job *next = stack->next;
        stack->next = queue;
        queue = stack;
        stack = next;
    }
    while (queue != NULL) {
        struct aion_job *next = queue->next; /* running it may free it */
        queue->run(queue);
        queue = next;
    }
}
