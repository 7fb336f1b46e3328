/* Handing work to a thread that owns state: intrusive jobs, no allocation.
 *
 * An I/O loop (the mesh's, the gateway's) implements `post`; a driver (the store) is given an
 * exec and posts its completions there. A job is the poster's until run is called, then run's.
 */
#ifndef BASE_EXEC_H
#define BASE_EXEC_H

struct aion_job {
    struct aion_job *next;
    void (*run)(struct aion_job *job); /* on the exec's thread, exactly once */
};

struct aion_exec {
    /* Any thread; never blocks, never fails; jobs of one poster run in order. */
    void (*post)(struct aion_exec *exec, struct aion_job *job);
};

static inline void aion_exec_post(struct aion_exec *exec, struct aion_job *job)
{
    exec->post(exec, job);
}

#endif
