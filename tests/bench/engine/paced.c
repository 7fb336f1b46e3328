/* Tasks at a fixed rate over gRPC, whatever the answers take: how long until they are taken,
 * and from ready to dispatched.
 *
 *   paced CONTROL CA CERT KEY BYTES RATE SECONDS
 *
 * A submission's latency counts from the moment it was due. Afterwards the tasks are read: how
 * long each was ready (committed, in the queue) before a host got it, and how long it was from
 * its admission, with the commit in between. Prints: tasks, failures, p50 and p99 of submit,
 * dispatch (ready to dispatched) and admitted (to dispatched), all in µs. */
#include "../task/noop_request.h"

#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"
#include "base/log.h"
#include "mesh/loop.h"

#include <stdlib.h>
#include <string.h>

enum { TASKS_MAX = 200000, ID_BYTES = 40, READS_AT_ONCE = 16, SETTLE_US = 3000000 };

struct one {
    int64_t due_us;
    char id[ID_BYTES];
};

static struct {
    struct mesh_loop *loop;
    struct mesh_channel *channel;
    Aion__V1__TaskRequest request;
    struct mesh_timer pace;
    struct one *all;
    int64_t *taken_us, *waited_us, *admitted_us;
    int64_t began_us, every_us;
    size_t wanted, begun, ended, failures, read, reads_ended, waits;
} run;

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t at(int64_t *values, size_t count, unsigned percent)
{
    return count > 0 ? values[count * percent / 100] : 0;
}

/* -- reading what became of them -------------------------------------------------------- */
static int64_t micros(const Google__Protobuf__Timestamp *time)
{
    return time != NULL ? time->seconds * 1000000 + time->nanos / 1000 : 0;
}

static void note_wait(const Aion__V1__Task *task)
{
    int64_t queued_us = 0;
    for (size_t i = 0; i < task->n_events; i++)
        if (strcmp(task->events[i]->kind, "queued") == 0 && queued_us == 0)
            queued_us = micros(task->events[i]->at);
    if (queued_us == 0 || task->n_attempts == 0 || task->usage == NULL)
        return;
    run.admitted_us[run.waits] = micros(task->attempts[0]->started_at) - queued_us;
    run.waited_us[run.waits++] = task->usage->queue_us;
}

static void read_next(void);

static void read_done(void *user, const struct mesh_result *result)
{
    const Aion__V1__Task *task = aion_v1_aion_tasks_get_task_result(result);
    (void)user;
    run.reads_ended++;
    if (task != NULL)
        note_wait(task);
    if (run.reads_ended == run.wanted)
        mesh_loop_stop(run.loop);
    else
        read_next();
}

static void read_next(void)
{
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    if (run.read == run.wanted)
        return;
    request.task_id = run.all[run.read++].id;
    aion_v1_aion_tasks_get_task_call(run.channel, &request, NULL, read_done, NULL);
}

static void read_all(struct mesh_timer *timer)
{
    (void)timer;
    for (size_t i = 0; i < READS_AT_ONCE; i++)
        read_next();
}

/* -- submitting ------------------------------------------------------------------------- */
static void taken(void *user, const struct mesh_result *result)
{
    struct one *one = user;
    const Aion__V1__Task *task = aion_v1_aion_tasks_submit_result(result);
    run.taken_us[run.ended++] = aion_clock_mono_us() - one->due_us;
    if (task != NULL)
        aion_str_copy(one->id, sizeof(one->id), aion_str_of(task->task_id));
    else if (run.failures++ == 0)
        fprintf(stderr, "submit: %s\n", result->err->text);
    if (run.ended < run.wanted)
        return;
    run.pace.fire = read_all; /* once they have all run */
    mesh_timer_set(run.loop, &run.pace, mesh_loop_now(run.loop) + SETTLE_US);
}

static void pace(struct mesh_timer *timer)
{
    int64_t now_us = aion_clock_mono_us();
    while (run.begun < run.wanted &&
           run.began_us + (int64_t)run.begun * run.every_us <= now_us) {
        struct one *one = &run.all[run.begun];
        one->due_us = run.began_us + (int64_t)run.begun++ * run.every_us;
        aion_v1_aion_tasks_submit_call(run.channel, &run.request, NULL, taken, one);
    }
    if (run.begun < run.wanted)
        mesh_timer_set(run.loop, timer, run.began_us + (int64_t)run.begun * run.every_us);
}

static bool connect_to(char **args, struct aion_err *err)
{
    struct mesh_tls tls = {.trust_domain = "aion.local",
                           .ca_file = args[1],
                           .cert_file = args[2],
                           .key_file = args[3]};
    struct mesh_channel_conf conf = {.name = "control",
                                     .target = args[0],
                                     .tls = &tls,
                                     .peer_service = "control",
                                     .timeout_us = 30000000};
    run.loop = mesh_loop_new(NULL, err);
    run.channel = run.loop != NULL ? mesh_channel_new(run.loop, &conf, err) : NULL;
    return run.channel != NULL;
}

static void print_one(const char *name, int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_size);
    printf(" %s_p50_us %lld %s_p99_us %lld", name, (long long)at(values, count, 50), name,
           (long long)at(values, count, 99));
}

static void print_result(void)
{
    printf("tasks %zu failures %zu dispatched %zu", run.ended, run.failures, run.waits);
    print_one("submit", run.taken_us, run.ended);
    print_one("dispatch", run.waited_us, run.waits);
    print_one("admitted", run.admitted_us, run.waits);
    printf("\n");
}

int main(int argc, char **argv)
{
    struct aion_err err = {.code = AION_OK};
    if (argc != 8) {
        fprintf(stderr, "usage: paced CONTROL CA CERT KEY BYTES RATE SECONDS\n");
        return 2;
    }
    double rate = strtod(argv[6], NULL);
    run.wanted = (size_t)(rate * strtod(argv[7], NULL));
    run.wanted = run.wanted < TASKS_MAX ? run.wanted : TASKS_MAX;
    run.every_us = (int64_t)(1e6 / rate);
    run.all = calloc(run.wanted, sizeof(*run.all));
    run.taken_us = calloc(run.wanted, sizeof(*run.taken_us));
    run.waited_us = calloc(run.wanted, sizeof(*run.waited_us));
    run.admitted_us = calloc(run.wanted, sizeof(*run.admitted_us));
    bench_noop_request(&run.request, strtoul(argv[5], NULL, 10));
    aion_log_start("paced", 2, AION_LOG_WARN);
    if (run.all == NULL || run.taken_us == NULL || run.waited_us == NULL ||
        run.admitted_us == NULL || !connect_to(argv + 1, &err)) {
        fprintf(stderr, "paced: %s %s\n", err.text, err.detail);
        return 1;
    }
    run.pace.fire = pace;
    run.began_us = aion_clock_mono_us() + 500000; /* connected by then */
    mesh_timer_set(run.loop, &run.pace, run.began_us);
    mesh_loop_run(run.loop);
    print_result();
    return run.failures == 0 ? 0 : 1;
}
