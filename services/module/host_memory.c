/* What the module processes hold in memory, as a metric: read from proc(5) on a worker every
 * few seconds. */
#include "base/metric.h"
#include "host_private.h"

#include <stdlib.h>
#include <unistd.h>

enum { LOOK_US = 5000000 };

static const struct aion_metric_family memory_family = {
    .name = "aion_module_memory_bytes",
    .help = "Resident memory of all module processes together.",
    .unit = "bytes",
    .kind = AION_GAUGE,
};

struct host_memory {
    struct host *host;
    struct mesh_timer timer;
    struct mesh_work work;
    struct aion_metric *metric;
    bool working, ending;
    struct host_worker_info workers[HOST_WORKERS_MAX];
    size_t count;
    uint64_t bytes;
};

/* /proc/PID/statm: size, resident, ... in pages. */
uint64_t host_resident(pid_t pid)
{
    char path[64], text[128];
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
    if (file != NULL)
        fclose(file);
    aion_str rest = aion_str_n(text, size);
    uint64_t pages = 0;
    aion_str_cut(&rest, ' ');
    (void)aion_str_u64(aion_str_cut(&rest, ' '), &pages);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void read_all(struct mesh_work *work)
{
    struct host_memory *memory = aion_container(work, struct host_memory, work);
    memory->bytes = 0;
    for (size_t i = 0; i < memory->count; i++)
        memory->bytes += host_resident(memory->workers[i].pid);
}

static void all_read(struct mesh_work *work)
{
    struct host_memory *memory = aion_container(work, struct host_memory, work);
    memory->working = false;
    if (memory->ending)
        free(memory);
    else
        aion_metric_set(memory->metric, (int64_t)memory->bytes);
}

static void look(struct mesh_timer *timer)
{
    struct host_memory *memory = aion_container(timer, struct host_memory, timer);
    struct mesh_loop *loop = memory->host->program->loop;
    mesh_timer_set(loop, timer, mesh_loop_now(loop) + LOOK_US);
    if (memory->working)
        return;
    memory->count = host_pool_workers(memory->host->pool, memory->workers, HOST_WORKERS_MAX);
    memory->working = mesh_offload(loop, &memory->work);
}

struct host_memory *host_memory_watch(struct host *host)
{
    struct host_memory *memory = calloc(1, sizeof(*memory));
    if (memory == NULL)
        abort(); /* at start */
    memory->host = host;
    memory->timer.fire = look;
    memory->work.work = read_all;
    memory->work.done = all_read;
    memory->metric = aion_metric(&memory_family);
    look(&memory->timer);
    return memory;
}

void host_memory_stop(struct host_memory *memory)
{
    if (memory == NULL)
        return;
    mesh_timer_cancel(memory->host->program->loop, &memory->timer);
    memory->ending = true;
    if (!memory->working)
        free(memory);
}
