#include "host_pool.h"

#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "codec/message.h"
#include "sdk/frame.h"

#include "aion/v1/modules.schema.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_TIMEOUT_US = 10000000, RESPAWN_WAIT_US = 500000 };

enum worker_state { WORKER_STARTING, WORKER_IDLE, WORKER_BUSY, WORKER_DYING };

struct host_worker {
    struct aion_link link;
    struct host_pool *pool;
    const struct host_manifest *manifest;
    uint64_t ticket;
    enum worker_state state;
    pid_t pid;
    int in;
    uint64_t jobs;
    struct host_batch *batch; /* BUSY, and DYING with jobs to fail */
    bool timed_out, garbage;
    struct mesh_timer timer; /* of the start, then of the job */
};

struct module_state {
    const struct host_manifest *manifest;
    struct host_batch *first, **last; /* those that wait for a process */
    unsigned workers;
    int64_t failed_until_us; /* its processes do not start: wait before the next */
};

struct host_pool {
    struct mesh_loop *loop;
    struct spawner *spawner;
    struct host_pipes *pipes;
    struct module_state modules[HOST_MODULES_MAX];
    size_t module_count;
    struct aion_link workers;
    unsigned warm, max, count;
    uint64_t tickets;
    bool closing;
    struct mesh_timer respawn_timer;
    struct aion_arena arena; /* of one message */
    void (*broken)(void *user);
    void *broken_user;
};

static const struct aion_metric_family workers_family = {
    .name = "aion_module_processes",
    .help = "Module processes, by module.",
    .kind = AION_GAUGE,
    .labels = {"module"},
};
static const struct aion_metric_family deaths_family = {
    .name = "aion_module_process_deaths",
    .help = "Module processes that ended, by module and cause.",
    .kind = AION_COUNTER,
    .labels = {"module", "version", "cause"},
};

static void dispatch(struct host_pool *pool, struct module_state *module);

/* -- workers -------------------------------------------------------------- */

static struct module_state *module_of(struct host_pool *pool,
                                      const struct host_manifest *manifest)
{
    size_t i = 0;
    while (i < pool->module_count && pool->modules[i].manifest != manifest)
        i++;
    assert(i < pool->module_count); /* manifests come from host_pool_module and the pool's own
                                       workers */
    return &pool->modules[i];
}

static void kill_worker(struct host_worker *worker)
{
    struct aion_err err;
    if (worker->pid > 0 && !spawner_kill(worker->pool->spawner, worker->pid, &err))
        aion_log(AION_LOG_ERROR, "cannot kill a module process", LOG_TEXT("error", err.text));
    worker->state = WORKER_DYING;
}

static void on_timer(struct mesh_timer *timer)
{
    struct host_worker *worker = aion_container(timer, struct host_worker, timer);
    worker->timed_out = true;
    kill_worker(worker);
}

static uint64_t memory_limit(const struct host_manifest *manifest)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)manifest;
    return 0; /* the sanitizer's shadow takes terabytes of address space */
#else
    return manifest->memory_bytes;
#endif
}

static void start_worker(struct host_pool *pool, struct module_state *module)
{
    const struct spawner_limits limits = {.memory_bytes = memory_limit(module->manifest),
                                          .files = 64,
                                          .file_bytes = 64 * 1024 * 1024};
    struct host_worker *worker = calloc(1, sizeof(*worker));
    struct aion_err err;
    if (worker == NULL)
        abort(); /* at most HOST_WORKERS_MAX */
    worker->pool = pool;
    worker->manifest = module->manifest;
    worker->ticket = ++pool->tickets;
    worker->in = -1;
    worker->timer.fire = on_timer;
    aion_list_add_last(&pool->workers, &worker->link);
    pool->count++;
    module->workers++;
    aion_metric_add(aion_metric(&workers_family, module->manifest->name), 1);
    if (!spawner_spawn(pool->spawner, worker->ticket, module->manifest->path, &limits, &err))
        aion_log(AION_LOG_ERROR, "cannot start a module process", LOG_TEXT("error", err.text));
    mesh_timer_set(pool->loop, &worker->timer, mesh_loop_now(pool->loop) + START_TIMEOUT_US);
}

static void drop_worker(struct host_worker *worker)
{
    struct host_pool *pool = worker->pool;
    struct module_state *module = module_of(pool, worker->manifest);
    mesh_timer_cancel(pool->loop, &worker->timer);
    if (worker->in >= 0)
        close(worker->in);
    aion_list_remove(&worker->link);
    pool->count--;
    module->workers--;
    aion_metric_add(aion_metric(&workers_family, worker->manifest->name), -1);
    free(worker);
}

static struct host_worker *find_worker(struct host_pool *pool, uint64_t ticket)
{
    aion_list_each (link, &pool->workers) {
        struct host_worker *worker = aion_container(link, struct host_worker, link);
        if (worker->ticket == ticket)
            return worker;
    }
    return NULL;
}

static struct host_worker *idle_worker(struct host_pool *pool,
                                       const struct host_manifest *manifest)
{
    aion_list_each (link, &pool->workers) {
        struct host_worker *worker = aion_container(link, struct host_worker, link);
        if (worker->manifest == manifest && worker->state == WORKER_IDLE)
            return worker;
    }
    return NULL;
}

/* -- jobs ----------------------------------------------------------------- */

/* The frame goes into the pipe at once as far as it fits; the pipes' thread writes the rest. */
static bool write_frame(struct host_worker *worker, aion_str frame)
{
    uint8_t head[MODULE_FRAME_HEAD];
    module_frame_head(head, frame.size);
    struct iovec parts[2] = {{head, sizeof(head)}, {(void *)(uintptr_t)frame.data, frame.size}};
    ssize_t n = writev(worker->in, parts, 2);
    if (n < 0 && errno != EAGAIN)
        return false;
    size_t done = n > 0 ? (size_t)n : 0;
    if (done == sizeof(head) + frame.size)
        return true;
    int copy = fcntl(worker->in, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return false;
    struct aion_buf rest;
    aion_buf_init(&rest, MODULE_FRAME_MAX + MODULE_FRAME_HEAD);
    if (done < sizeof(head))
        aion_buf_add(&rest, head + done, sizeof(head) - done);
    size_t of_body = done > sizeof(head) ? done - sizeof(head) : 0;
    aion_buf_add(&rest, frame.data + of_body, frame.size - of_body);
    bool good = host_pipes_write(worker->pool->pipes, copy, aion_buf_view(&rest));
    aion_buf_done(&rest);
    return good;
}

static void give(struct host_worker *worker, struct host_batch *batch)
{
    struct mesh_loop *loop = worker->pool->loop;
    struct aion_buf frame;
    aion_buf_init(&frame, MODULE_FRAME_MAX);
    worker->state = WORKER_BUSY;
    worker->batch = batch;
    worker->jobs += batch->left;
    worker->timed_out = false;
    batch->worker = worker;
    mesh_timer_set(loop, &worker->timer, mesh_loop_now(loop) + batch->timeout_us);
    host_batch_frame(batch, &frame);
    if (frame.size == 0 || !write_frame(worker, aion_buf_view(&frame)))
        kill_worker(worker); /* its end fails the jobs, which may be tried again */
    aion_buf_done(&frame);
}

static struct host_batch *pop(struct module_state *module)
{
    struct host_batch *batch = module->first;
    if (batch == NULL)
        return NULL;
    module->first = batch->next;
    if (module->first == NULL)
        module->last = &module->first;
    return batch;
}

/* Waiting jobs to idle processes; more processes while jobs wait and there is room. */
static void dispatch(struct host_pool *pool, struct module_state *module)
{
    struct host_worker *worker;
    while (module->first != NULL && (worker = idle_worker(pool, module->manifest)) != NULL)
        give(worker, pop(module));
    unsigned waiting = 0, starting = 0;
    for (const struct host_batch *each = module->first; each != NULL; each = each->next)
        waiting++;
    aion_list_each (link, &pool->workers) {
        const struct host_worker *each = aion_container(link, struct host_worker, link);
        starting += each->manifest == module->manifest && each->state == WORKER_STARTING;
    }
    unsigned wanted = waiting > 0                    ? waiting
                      : module->workers < pool->warm ? pool->warm - module->workers
                                                     : 0;
    bool may = !pool->closing && mesh_loop_now(pool->loop) >= module->failed_until_us;
    for (; may && starting < wanted && pool->count < pool->max; starting++)
        start_worker(pool, module);
    if (!may && wanted > 0 && !pool->closing)
        mesh_timer_set(pool->loop, &pool->respawn_timer, module->failed_until_us);
}

static void dispatch_all(struct mesh_timer *timer)
{
    struct host_pool *pool = aion_container(timer, struct host_pool, respawn_timer);
    for (size_t i = 0; i < pool->module_count; i++)
        dispatch(pool, &pool->modules[i]);
}

void host_pool_run(struct host_pool *pool, struct host_batch *batch, int64_t timeout_us)
{
    struct module_state *module = module_of(pool, batch->manifest);
    int64_t most_us = batch->manifest->timeout_us;
    batch->timeout_us = timeout_us > 0 && timeout_us < most_us ? timeout_us : most_us;
    *module->last = batch;
    module->last = &batch->next;
    dispatch(pool, module);
}

static void unqueue(struct module_state *module, const struct host_batch *batch)
{
    struct host_batch **at = &module->first;
    while (*at != batch)
        at = &(*at)->next;
    *at = batch->next;
    if (*at == NULL)
        module->last = at;
}

/* Those beside it go on; the process is ended when nobody else waits for it. */
void host_pool_cancel(struct host_pool *pool, struct host_job *job, const char *reason)
{
    struct host_batch *batch = job->batch;
    if (batch == NULL || job->cancelled)
        return;
    if (batch->worker != NULL && batch->left == 1) {
        job->cancelled = true;
        aion_str_copy(job->cancel_reason, sizeof(job->cancel_reason), aion_str_of(reason));
        kill_worker(batch->worker);
        return;
    }
    bool waits = batch->worker == NULL;
    host_batch_fail(job, AION_CANCELLED, "CANCELLED", false,
                    waits ? "cancelled before it started" : reason);
    if (batch->left > 0)
        return;
    unqueue(module_of(pool, batch->manifest), batch);
    host_batch_free(batch);
}

/* -- what the pipes tell -------------------------------------------------- */

static void on_started(struct host_pool *pool, struct host_worker *worker,
                       struct host_note *note)
{
    worker->pid = note->pid;
    worker->in = note->in;
    if (worker->state == WORKER_DYING) { /* it took too long to start */
        kill_worker(worker);
        return;
    }
    worker->state = WORKER_IDLE;
    mesh_timer_cancel(pool->loop, &worker->timer);
    dispatch(pool, module_of(pool, worker->manifest));
}

static void finished(struct host_worker *worker)
{
    struct host_pool *pool = worker->pool;
    struct module_state *module = module_of(pool, worker->manifest);
    host_batch_free(worker->batch);
    worker->batch = NULL;
    mesh_timer_cancel(pool->loop, &worker->timer);
    if (worker->jobs >= HOST_RECYCLE_AFTER)
        kill_worker(worker);
    else if (worker->state == WORKER_BUSY)
        worker->state = WORKER_IDLE;
    dispatch(pool, module);
}

static void on_garbage(struct host_worker *worker, const char *what);

static void on_message(struct host_worker *worker, const Aion__V1__HostMessage *message)
{
    struct host_batch *batch = worker->batch;
    bool good = true;
    if (message->kind_case == AION__V1__HOST_MESSAGE__KIND_CHUNK)
        good = host_batch_chunk(batch, message->chunk);
    else if (message->kind_case == AION__V1__HOST_MESSAGE__KIND_RESULT)
        good = host_batch_result(batch, message->result);
    if (!good)
        on_garbage(worker, "it answers a task that it was not given");
    else if (batch->unanswered == 0)
        finished(worker);
    else if (batch->left == 0)
        kill_worker(worker); /* what it still has was cancelled */
}

/* Its end fails the jobs. */
static void on_garbage(struct host_worker *worker, const char *what)
{
    aion_log(AION_LOG_WARN, "a module wrote what is no message",
             LOG_TEXT("module", worker->manifest->name), LOG_TEXT("error", what));
    worker->garbage = true;
    kill_worker(worker);
}

static void on_frame(struct host_pool *pool, struct host_worker *worker,
                     const struct host_note *note)
{
    struct codec_scan_limits limits = {.bytes_max = MODULE_FRAME_MAX};
    struct aion_err err;
    if (worker->batch == NULL || worker->state == WORKER_DYING)
        return; /* nobody waits for it */
    const Aion__V1__HostMessage *message = (const Aion__V1__HostMessage *)codec_unpack(
        &aion__v1__host_message__schema, aion_str_n(note->data, note->size), &limits,
        &pool->arena, &err);
    if (message != NULL)
        on_message(worker, message);
    else
        on_garbage(worker, err.text);
    aion_arena_reset(&pool->arena);
}

/* "ended by signal 9", "exited with status 3". */
static void describe_end(char *out, size_t size, const char *module, int status)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "module %s was ended by signal %d", module, WTERMSIG(status));
    else
        snprintf(out, size, "module %s exited with status %d before it answered", module,
                 WEXITSTATUS(status));
}

/* One that was cancelled is the only one left. */
static const struct host_job *cancelled_job(const struct host_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i] != NULL && batch->jobs[i]->cancelled)
            return batch->jobs[i];
    return NULL;
}

static void fail_jobs_of(struct host_worker *worker, int status)
{
    struct host_batch *batch = worker->batch;
    const struct host_job *cancelled = cancelled_job(batch);
    char text[160];
    worker->batch = NULL;
    if (cancelled != NULL) {
        host_batch_fail_all(batch, AION_CANCELLED, "CANCELLED", false,
                            cancelled->cancel_reason);
    } else if (worker->timed_out) {
        snprintf(text, sizeof(text), "module %s took longer than %lld ms",
                 worker->manifest->name, (long long)(batch->timeout_us / 1000));
        host_batch_fail_all(batch, AION_DEADLINE, "MODULE_TIMEOUT", true, text);
    } else if (worker->garbage) {
        snprintf(text, sizeof(text), "module %s wrote what is no message",
                 worker->manifest->name);
        host_batch_fail_all(batch, AION_INTERNAL, "MODULE_PROTOCOL", true, text);
    } else {
        describe_end(text, sizeof(text), worker->manifest->name, status);
        host_batch_fail_all(batch, AION_INTERNAL, "MODULE_CRASHED", true, text);
    }
    host_batch_free(batch);
}

static void on_exited(struct host_pool *pool, struct host_worker *worker, int status)
{
    struct module_state *module = module_of(pool, worker->manifest);
    bool cancel = worker->batch != NULL &&
                  (worker->batch->left == 0 || cancelled_job(worker->batch) != NULL);
    bool recycled = worker->state == WORKER_DYING && worker->batch == NULL && !worker->garbage;
    const char *cause = worker->timed_out ? "timeout"
                        : cancel          ? "cancel"
                        : worker->garbage ? "protocol"
                        : recycled        ? "recycled"
                                          : "crash";
    aion_metric_add(
        aion_metric(&deaths_family, worker->manifest->name, worker->manifest->version, cause),
        1);
    /* one that dies without a task would be restarted in a circle: wait a little */
    if (worker->batch == NULL && !recycled)
        module->failed_until_us = mesh_loop_now(pool->loop) + RESPAWN_WAIT_US;
    if (worker->batch != NULL)
        fail_jobs_of(worker, status);
    drop_worker(worker);
    if (!pool->closing)
        dispatch(pool, module);
}

static void on_failed(struct host_pool *pool, struct host_worker *worker, int error)
{
    struct module_state *module = module_of(pool, worker->manifest);
    char text[200];
    snprintf(text, sizeof(text), "module %s cannot be started: errno %d",
             worker->manifest->name, error);
    aion_log(AION_LOG_ERROR, "module process", LOG_TEXT("error", text));
    module->failed_until_us = mesh_loop_now(pool->loop) + RESPAWN_WAIT_US;
    drop_worker(worker);
    struct host_batch *batch = pop(module);
    if (batch != NULL) {
        host_batch_fail_all(batch, AION_UNAVAILABLE, "MODULE_NOT_STARTED", true, text);
        host_batch_free(batch);
    }
    dispatch(pool, module);
}

static void on_note(void *user, struct host_note *note)
{
    struct host_pool *pool = user;
    struct host_worker *worker = find_worker(pool, note->ticket);
    if (note->kind == HOST_SPAWNER_GONE) {
        if (pool->broken != NULL && !pool->closing)
            pool->broken(pool->broken_user);
    } else if (worker == NULL) {
        if (note->in >= 0)
            close(note->in);
    } else if (note->kind == HOST_STARTED) {
        on_started(pool, worker, note);
    } else if (note->kind == HOST_FRAME) {
        on_frame(pool, worker, note);
    } else if (note->kind == HOST_GARBAGE) {
        on_garbage(worker, "no frame of the module protocol");
    } else if (note->kind == HOST_EXITED) {
        on_exited(pool, worker, note->code);
    } else if (note->kind == HOST_FAILED) {
        on_failed(pool, worker, note->code);
    } else {
        aion_log(AION_LOG_INFO, "module says", LOG_TEXT("module", worker->manifest->name),
                 LOG_I64("pid", worker->pid),
                 LOG_STR("line", aion_str_n(note->data, note->size)));
    }
    host_note_free(pool->pipes, note);
}

/* -- life ----------------------------------------------------------------- */

struct host_pool *host_pool_new(struct mesh_loop *loop, struct spawner *spawner,
                                const struct host_manifest *manifests, size_t manifest_count,
                                unsigned warm, unsigned max, struct aion_err *err)
{
    struct host_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    pool->loop = loop;
    pool->spawner = spawner;
    pool->warm = warm;
    pool->max = max < HOST_WORKERS_MAX ? max : HOST_WORKERS_MAX;
    pool->respawn_timer.fire = dispatch_all;
    aion_list_init(&pool->workers);
    aion_arena_init(&pool->arena, (size_t)64 * 1024 * 1024, NULL, 0);
    pool->pipes = host_pipes_start(spawner, mesh_loop_exec(loop), on_note, pool, err);
    if (pool->pipes == NULL) {
        free(pool);
        return NULL;
    }
    for (size_t i = 0; i < manifest_count; i++) {
        struct module_state *module = &pool->modules[pool->module_count++];
        module->manifest = &manifests[i];
        module->last = &module->first;
        for (unsigned k = 0; k < warm && pool->count < pool->max; k++)
            start_worker(pool, module);
    }
    return pool;
}

void host_pool_on_broken(struct host_pool *pool, void (*fn)(void *user), void *user)
{
    pool->broken = fn;
    pool->broken_user = user;
}

const struct host_manifest *host_pool_module(const struct host_pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->module_count; i++)
        if (strcmp(pool->modules[i].manifest->name, name) == 0)
            return pool->modules[i].manifest;
    return NULL;
}

void host_pool_pause(struct host_pool *pool, bool paused)
{
    host_pipes_pause(pool->pipes, paused);
}

size_t host_pool_workers(const struct host_pool *pool, struct host_worker_info *out, size_t max)
{
    size_t count = 0;
    aion_list_each (link, (struct aion_link *)(uintptr_t)&pool->workers) {
        const struct host_worker *worker = aion_container(link, struct host_worker, link);
        if (count < max)
            out[count++] =
                (struct host_worker_info){worker->manifest->name, worker->pid,
                                          worker->state == WORKER_BUSY, worker->jobs};
    }
    return count;
}

static void stop_batch(struct host_batch *batch)
{
    host_batch_fail_all(batch, AION_UNAVAILABLE, "HOST_STOPPING", true, "the host is stopping");
    host_batch_free(batch);
}

static void fail_all(struct host_pool *pool)
{
    struct host_batch *batch;
    for (size_t i = 0; i < pool->module_count; i++)
        while ((batch = pop(&pool->modules[i])) != NULL)
            stop_batch(batch);
    aion_list_each_safe (link, &pool->workers) {
        struct host_worker *worker = aion_container(link, struct host_worker, link);
        if (worker->batch != NULL)
            stop_batch(worker->batch);
        drop_worker(worker);
    }
}

void host_pool_free(struct host_pool *pool)
{
    if (pool == NULL)
        return;
    pool->closing = true;
    mesh_timer_cancel(pool->loop, &pool->respawn_timer);
    fail_all(pool);
    host_pipes_join(pool->pipes);
    mesh_loop_settle(pool->loop); /* notes that were posted before */
    host_pipes_free(pool->pipes); /* the spawner kills the processes when its socket closes */
    aion_arena_done(&pool->arena);
    free(pool);
}
