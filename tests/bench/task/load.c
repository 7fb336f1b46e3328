/* A closed loop of tasks over gRPC: submit with wait, until the result is here.
 *
 *   load CONTROL CA CERT KEY BYTES CONCURRENCY SECONDS
 *
 * Intent noop, its text of BYTES. After a second of warming up prints "begin" and waits for a
 * line on stdin (the caller reads the processes' CPU times), then prints: tasks, failures,
 * tasks/s, p50 and p99 in µs. */
#include "noop_request.h"

#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"
#include "base/log.h"
#include "mesh/loop.h"

#include <stdlib.h>

enum { SAMPLES_MAX = 1000 * 1000, CONCURRENCY_MAX = 1024 };

struct one {
    int64_t began_us;
};

static struct {
    struct mesh_loop *loop;
    struct mesh_channel *channel;
    Aion__V1__TaskRequest request;
    int64_t until_us;
    unsigned live;
    size_t tasks, failures;
    int64_t *samples;
} run;

static void begin(struct one *one);

static void done(void *user, const struct mesh_result *result)
{
    struct one *one = user;
    const Aion__V1__Task *task = (const Aion__V1__Task *)result->reply;
    int64_t now = aion_clock_mono_us();
    bool good = task != NULL && task->state == AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
    if (run.tasks < SAMPLES_MAX)
        run.samples[run.tasks] = now - one->began_us;
    run.tasks++;
    if (!good && run.failures++ == 0)
        fprintf(stderr, "task: %s\n", result->err != NULL ? result->err->text : "no success");
    if (now < run.until_us)
        begin(one);
    else if (--run.live == 0)
        mesh_loop_stop(run.loop);
}

static void begin(struct one *one)
{
    one->began_us = aion_clock_mono_us();
    mesh_unary(run.channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
               &run.request.base, NULL, done, one);
}

static void run_for(struct one *all, unsigned concurrency, double seconds)
{
    run.tasks = run.failures = 0;
    run.live = concurrency;
    run.until_us = aion_clock_mono_us() + (int64_t)(seconds * 1e6);
    for (unsigned i = 0; i < concurrency; i++)
        begin(&all[i]);
    mesh_loop_run(run.loop);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_result(double seconds)
{
    size_t kept = run.tasks < SAMPLES_MAX ? run.tasks : SAMPLES_MAX;
    qsort(run.samples, kept, sizeof(*run.samples), by_size);
    printf("tasks %zu failures %zu rate %.0f p50_us %lld p99_us %lld\n", run.tasks,
           run.failures, (double)run.tasks / seconds, (long long)run.samples[kept / 2],
           (long long)run.samples[kept * 99 / 100]);
}

int main(int argc, char **argv)
{
    static struct one all[CONCURRENCY_MAX];
    struct aion_err err;
    char line[16];
    if (argc != 8) {
        fprintf(stderr, "usage: load CONTROL CA CERT KEY BYTES CONCURRENCY SECONDS\n");
        return 2;
    }
    struct mesh_tls tls = {.trust_domain = "aion.local",
                           .ca_file = argv[2],
                           .cert_file = argv[3],
                           .key_file = argv[4]};
    struct mesh_channel_conf conf = {.name = "control",
                                     .target = argv[1],
                                     .tls = &tls,
                                     .peer_service = "control",
                                     .timeout_us = 30000000};
    unsigned concurrency = (unsigned)strtoul(argv[6], NULL, 10);
    concurrency = concurrency < CONCURRENCY_MAX ? concurrency : CONCURRENCY_MAX;
    double seconds = strtod(argv[7], NULL);
    static Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    wait.seconds = 20;
    bench_noop_request(&run.request, strtoul(argv[5], NULL, 10));
    run.request.wait = &wait;
    run.samples = malloc(SAMPLES_MAX * sizeof(*run.samples));
    aion_log_start("load", 2, AION_LOG_WARN);
    run.loop = mesh_loop_new(NULL, &err);
    run.channel = run.loop != NULL ? mesh_channel_new(run.loop, &conf, &err) : NULL;
    if (run.channel == NULL || run.samples == NULL) {
        fprintf(stderr, "load: %s %s\n", err.text, err.detail);
        return 1;
    }
    run_for(all, concurrency, 1);
    printf("begin\n");
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL)
        return 1;
    int64_t began = aion_clock_mono_us();
    run_for(all, concurrency, seconds);
    print_result((double)(aion_clock_mono_us() - began) * 1e-6);
    return run.failures == 0 ? 0 : 1;
}
