/* Tasks at a store, without a mesh: each is accepted, and when that is committed ended with its
 * start (what control writes for a task of a few milliseconds), with the events of both.
 *
 *   load URL BYTES INFLIGHT RATE SECONDS
 *
 * Body and result of BYTES; a closed loop of INFLIGHT tasks, or RATE tasks a second (0: the
 * closed loop alone). After half a second of warming up prints "begin" and waits for a line on
 * stdin (the caller reads the CPU times of the database), then prints one line: tasks,
 * failures, rate, own CPU µs a task, operations a commit, and the µs of p50 and p99 of accept
 * and of finish. */
#include "base/clock.h"
#include "store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { INFLIGHT_MAX = 4096, SAMPLES_MAX = 1000000, HOST_BYTES = 6, TICK_US = 1000 };

enum phase { ACCEPT, FINISH, PHASES };

struct one {
    struct one *next_free;
    struct store_accept accept;
    struct store_finish finish;
    struct store_outbox accepted, ended;
    struct store_begin begin;
    int64_t began_us;
};

static struct {
    struct aion_exec exec;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct aion_job *jobs; /* newest first */
    struct store *store;
    uint64_t epochs[STORE_SHARDS], seq_us, sequence;
    struct one *all, *free;
    unsigned live;
    aion_str body, meta, decision;
    bool stopping;
    size_t tasks, failures, samples[PHASES];
    int64_t *latency[PHASES];
} run;

/* -- the loop ----------------------------------------------------------------------- */
static void post(struct aion_exec *exec, struct aion_job *job)
{
    (void)exec;
    pthread_mutex_lock(&run.lock);
    job->next = run.jobs;
    run.jobs = job;
    pthread_cond_signal(&run.wake);
    pthread_mutex_unlock(&run.lock);
}

/* Runs what was posted; waits for it until the moment. */
static void run_jobs(int64_t until_us)
{
    struct timespec until = {.tv_sec = until_us / 1000000,
                             .tv_nsec = until_us % 1000000 * 1000};
    pthread_mutex_lock(&run.lock);
    while (run.jobs == NULL && pthread_cond_timedwait(&run.wake, &run.lock, &until) == 0)
        ;
    struct aion_job *job = run.jobs;
    run.jobs = NULL;
    pthread_mutex_unlock(&run.lock);
    while (job != NULL) { /* one poster posts once at a time: the order is no matter */
        struct aion_job *next = job->next;
        job->run(job);
        job = next;
    }
}

/* -- a task ------------------------------------------------------------------------- */
static void sample(enum phase phase, const struct one *one)
{
    if (run.samples[phase] < SAMPLES_MAX)
        run.latency[phase][run.samples[phase]++] = aion_clock_mono_us() - one->began_us;
}

static void begin(struct one *one);

static void ended(struct one *one, bool good)
{
    run.tasks++;
    run.failures += !good;
    one->next_free = run.free;
    run.free = one;
    run.live--;
}

static bool is_done(const struct store_write *write, const struct aion_err *err)
{
    if (err != NULL && run.failures == 0)
        fprintf(stderr, "%s (%s)\n", err->text, err->detail);
    return err == NULL && write->outcome == STORE_DONE;
}

static void finish_done(struct store_op *op, const struct aion_err *err)
{
    struct one *one = aion_container(op, struct one, finish.write.op);
    sample(FINISH, one);
    ended(one, is_done(&one->finish.write, err));
}

static void finish(struct one *one)
{
    struct store_write write = {.op.done = finish_done,
                                .seq = one->accept.write.seq,
                                .epoch = one->accept.write.epoch,
                                .event = &one->ended};
    one->began_us = aion_clock_mono_us();
    one->begin = (struct store_begin){.token = {write.epoch, 1},
                                      .at_us = aion_clock_utc_us(),
                                      .host = AION_STR("host-1"),
                                      .module = AION_STR("noop"),
                                      .module_digest = AION_STR("sha256:0123456789abcdef")};
    one->ended = one->accepted;
    one->ended.sequence = ++run.sequence;
    one->ended.kinds = STORE_EVENT_STARTED | STORE_EVENT_SUCCEEDED;
    one->ended.state = STORE_SUCCEEDED;
    one->ended.at_us = one->ended.started_us = one->begin.at_us;
    one->ended.host = one->begin.host;
    one->ended.payload = (aion_str){0};
    one->finish = (struct store_finish){.write = write,
                                        .token = one->begin.token,
                                        .begin = &one->begin,
                                        .state = STORE_SUCCEEDED,
                                        .at_us = one->begin.at_us,
                                        .usage = {.queue_us = 100, .run_us = 100},
                                        .result = run.body};
    struct aion_err err;
    if (!store_finish(run.store, &one->finish, &err))
        ended(one, is_done(&one->finish.write, &err));
}

static void accept_done(struct store_op *op, const struct aion_err *err)
{
    struct one *one = aion_container(op, struct one, accept.write.op);
    sample(ACCEPT, one);
    if (is_done(&one->accept.write, err))
        finish(one);
    else
        ended(one, false);
}

static void begin(struct one *one)
{
    uint64_t now_us = (uint64_t)aion_clock_utc_us();
    run.seq_us = now_us > run.seq_us ? now_us : run.seq_us + 1;
    struct aion_uuid id =
        aion_uuid_at((int64_t)run.seq_us, (unsigned)run.seq_us % STORE_SHARDS);
    uint64_t seq = store_seq_of(&id);
    run.live++;
    one->began_us = aion_clock_mono_us();
    one->accepted = (struct store_outbox){.sequence = ++run.sequence,
                                          .id = id,
                                          .tenant = AION_STR("default"),
                                          .intent = AION_STR("noop"),
                                          .kinds = 7,
                                          .state = STORE_QUEUED,
                                          .at_us = store_seq_us(seq),
                                          .payload = run.decision};
    one->accept = (struct store_accept){.write = {.op.done = accept_done,
                                                  .seq = seq,
                                                  .epoch = run.epochs[store_seq_shard(seq)],
                                                  .event = &one->accepted},
                                        .id = id,
                                        .tenant = one->accepted.tenant,
                                        .intent = one->accepted.intent,
                                        .priority = 3,
                                        .deadline_us = (int64_t)now_us + 3600000000,
                                        .meta = run.meta,
                                        .body = run.body,
                                        .decision = {AION_STR("local"), run.decision}};
    struct aion_err err;
    if (!store_accept(run.store, &one->accept, &err))
        ended(one, is_done(&one->accept.write, &err));
}

/* -- the load ----------------------------------------------------------------------- */
static void begin_some(unsigned count)
{
    for (; count > 0 && run.free != NULL; count--) {
        struct one *one = run.free;
        run.free = one->next_free;
        begin(one);
    }
}

static void run_for(unsigned inflight, double rate, double seconds)
{
    int64_t begun_us = aion_clock_mono_us(), now_us = begun_us;
    int64_t until_us = begun_us + (int64_t)(seconds * 1e6);
    double due = 0;
    run.tasks = run.failures = run.samples[ACCEPT] = run.samples[FINISH] = 0;
    while (now_us < until_us || run.live > 0) {
        double all_due = (double)(now_us - begun_us) * 1e-6 * rate;
        unsigned more = rate > 0 ? (unsigned)(all_due - due) : inflight - run.live;
        due += rate > 0 ? more : 0;
        if (now_us < until_us)
            begin_some(more);
        run_jobs(now_us + TICK_US);
        now_us = aion_clock_mono_us();
    }
}

static void take_all_shards(void)
{
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_lease lease = {.op.arena = &arena,
                                .replica = AION_STR("bench"),
                                .address = AION_STR("here:1"),
                                .lease_us = 3600000000,
                                .shards_max = STORE_SHARDS,
                                .first = true};
    if (!store_lease_wait(run.store, &lease, &err)) {
        fprintf(stderr, "lease: %s (%s)\n", err.text, err.detail);
        exit(1);
    }
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        run.epochs[i] = lease.shards[i].epoch;
        if (lease.shards[i].newest_event > run.sequence)
            run.sequence = lease.shards[i].newest_event;
    }
    aion_arena_done(&arena);
}

static void open_store(const char *url)
{
    struct aion_err err;
    struct store_conf conf = {.url = url, .exec = &run.exec};
    pthread_condattr_t attr;
    run.exec.post = post;
    pthread_mutex_init(&run.lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&run.wake, &attr);
    run.store = store_open(&conf, &err);
    if (run.store == NULL) {
        fprintf(stderr, "%s (%s)\n", err.text, err.detail);
        exit(1);
    }
    take_all_shards();
}

static aion_str random_bytes(size_t size)
{
    char *bytes = malloc(size + 1);
    uint64_t state = 88172645463325252;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (char)state;
    }
    return aion_str_n(bytes, size);
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static long long percentile(enum phase phase, double share)
{
    size_t count = run.samples[phase];
    return count > 0 ? run.latency[phase][(size_t)((double)(count - 1) * share)] : 0;
}

static double cpu_us(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void measure(unsigned inflight, double rate, double seconds)
{
    struct store_stats before = store_stats(run.store);
    double cpu_before = cpu_us();
    int64_t begun_us = aion_clock_mono_us();
    run_for(inflight, rate, seconds);
    double took = (double)(aion_clock_mono_us() - begun_us) * 1e-6;
    struct store_stats after = store_stats(run.store);
    for (enum phase phase = ACCEPT; phase < PHASES; phase++)
        qsort(run.latency[phase], run.samples[phase], sizeof(int64_t), by_size);
    printf("tasks %zu failures %zu rate %.0f cpu %.1f batch %.1f", run.tasks, run.failures,
           (double)run.tasks / took, (cpu_us() - cpu_before) / (double)run.tasks,
           (double)(after.operations - before.operations) /
               (double)(after.commits - before.commits));
    printf(" accept50 %lld accept99 %lld finish50 %lld finish99 %lld\n",
           percentile(ACCEPT, 0.5), percentile(ACCEPT, 0.99), percentile(FINISH, 0.5),
           percentile(FINISH, 0.99));
}

int main(int argc, char **argv)
{
    char line[16];
    if (argc != 6) {
        fprintf(stderr, "usage: load URL BYTES INFLIGHT RATE SECONDS\n");
        return 2;
    }
    unsigned inflight = (unsigned)strtoul(argv[3], NULL, 10);
    double rate = strtod(argv[4], NULL), seconds = strtod(argv[5], NULL);
    run.body = random_bytes(strtoul(argv[2], NULL, 10));
    run.meta = random_bytes(150);
    run.decision = random_bytes(200);
    run.all = calloc(INFLIGHT_MAX, sizeof(*run.all));
    for (enum phase phase = ACCEPT; phase < PHASES; phase++)
        run.latency[phase] = calloc(SAMPLES_MAX, sizeof(int64_t));
    for (unsigned i = 0; i < (rate > 0 ? INFLIGHT_MAX : inflight); i++) {
        run.all[i].next_free = run.free;
        run.free = &run.all[i];
    }
    open_store(argv[1]);
    run_for(inflight, rate, 0.5);
    puts("begin");
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL)
        return 1;
    measure(inflight, rate, seconds);
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL) /* the database is read before it is left */
        return 1;
    store_close(run.store);
    return run.failures > 0;
}
