/* All loops of the process: what their watchdogs saw and how full their workers are, for
 * metrics and the admin port. Lock order: the list's, then a loop's workers'. */
#include "base/metric.h"
#include "mesh/core_private.h"

static const struct aion_metric_family slow_family = {
    .name = "aion_loop_slow_handlers",
    .help = "Handlers, jobs and timers that kept an I/O thread for 0.5 ms of CPU time or more.",
    .kind = AION_COUNTER,
};

static const struct aion_metric_family longest_family = {
    .name = "aion_loop_longest_handler_seconds",
    .help = "CPU time of the longest single handler, job or timer so far.",
    .unit = "seconds",
    .kind = AION_GAUGE,
    .scale = 1e-9,
};

static struct {
    pthread_mutex_t lock;
    struct aion_link list;
} loops = {.lock = PTHREAD_MUTEX_INITIALIZER, .list = {&loops.list, &loops.list}};

void mesh_loops_add(struct mesh_loop *loop)
{
    pthread_mutex_lock(&loops.lock);
    aion_list_add_last(&loops.list, &loop->link);
    pthread_mutex_unlock(&loops.lock);
}

void mesh_loops_remove(struct mesh_loop *loop)
{
    pthread_mutex_lock(&loops.lock);
    aion_list_remove(&loop->link);
    pthread_mutex_unlock(&loops.lock);
}

void mesh_loops_slow(struct mesh_loop *loop, int64_t used_ns)
{
    aion_metric_add(aion_metric(&slow_family), 1);
    if (used_ns > atomic_load(&loop->longest_ns))
        atomic_store(&loop->longest_ns, used_ns);
    if (used_ns <= atomic_load(&loop->longest_ever_ns))
        return;
    atomic_store(&loop->longest_ever_ns, used_ns);
    aion_metric_set(aion_metric(&longest_family), used_ns);
}

static void write_loop(struct aion_buf *out, struct mesh_loop *loop)
{
    struct mesh_workers *workers = &loop->workers;
    pthread_mutex_lock(&workers->lock);
    unsigned threads = workers->threads, idle = workers->idle, queued = workers->queued;
    pthread_mutex_unlock(&workers->lock);
    aion_buf_printf(out,
                    "{\"running\":%s,\"longest_handler_us\":%lld,\"workers\":{\"threads\":%u,"
                    "\"threads_max\":%u,\"idle\":%u,\"queued\":%u,\"queued_max\":%u}}",
                    atomic_load(&loop->running) ? "true" : "false",
                    (long long)(atomic_load(&loop->longest_ever_ns) / 1000), threads,
                    workers->threads_max, idle, queued, workers->queued_max);
}

void mesh_loops_write(struct aion_buf *out)
{
    aion_buf_text(out, "{\"loops\":[");
    pthread_mutex_lock(&loops.lock);
    aion_list_each (link, &loops.list) {
        if (link != loops.list.next)
            aion_buf_char(out, ',');
        write_loop(out, aion_container(link, struct mesh_loop, link));
    }
    pthread_mutex_unlock(&loops.lock);
    aion_buf_text(out, "]}\n");
}
