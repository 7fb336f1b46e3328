/* A backlog: copies of a real task, written into a store that no control has open.
 *
 *   fill PATTERN_URL URL COUNT
 *
 * The newest task of the first store, with what its client sent and what the router decided, is
 * accepted COUNT times into the second, as control would: each with a place and an id of its
 * own. Prints: tasks, bytes of meta, decision and body of each. */
#include "base/clock.h"
#include "store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { INFLIGHT = 4096, ARENA_MAX = 16 << 20 };

struct one {
    struct one *next_free;
    struct store_accept accept;
    struct store_outbox event;
};

static struct {
    struct aion_exec exec;
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct one all[INFLIGHT], *free;
    unsigned live, failures;
    uint64_t epochs[STORE_SHARDS], newest_us, sequence;
    int64_t deadline_us;
    struct store_task pattern;
} run;

static void die(const char *what, const struct aion_err *err)
{
    fprintf(stderr, "fill: %s: %s (%s)\n", what, err->text, err->detail);
    exit(1);
}

/* Completions run where they are posted: they touch nothing but the list of free ones. */
static void post(struct aion_exec *exec, struct aion_job *job)
{
    (void)exec;
    job->run(job);
}

static void open_store(const char *url)
{
    struct aion_err err;
    struct store_conf conf = {.url = url, .exec = &run.exec};
    run.exec.post = post;
    run.store = store_open(&conf, &err);
    if (run.store == NULL)
        die(url, &err);
}

/* -- the pattern -------------------------------------------------------------------- */
/* Its texts live in the arena, to the end. */
static void read_pattern(const char *url, struct aion_arena *arena)
{
    struct aion_err err;
    open_store(url);
    struct store_list list = {.op.arena = arena, .limit = 1};
    if (!store_list_wait(run.store, &list, &err))
        die("its tasks", &err);
    if (list.count == 0) {
        fprintf(stderr, "fill: %s has no task\n", url);
        exit(1);
    }
    struct store_task_read read = {
        .op.arena = arena, .id = list.tasks[0].id, .seq = list.tasks[0].seq, .with_body = true};
    if (!store_task_read_wait(run.store, &read, &err))
        die("its newest task", &err);
    run.pattern = read.task;
    store_close(run.store);
}

/* -- the copies --------------------------------------------------------------------- */
static void take_shards(void)
{
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_lease lease = {.op.arena = &arena,
                                .replica = AION_STR("fill"),
                                .address = AION_STR(""),
                                .lease_us = 3600000000,
                                .shards_max = STORE_SHARDS,
                                .first = true};
    if (!store_lease_wait(run.store, &lease, &err))
        die("the shards", &err);
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        run.epochs[i] = lease.shards[i].epoch;
        if (lease.shards[i].newest_event > run.sequence)
            run.sequence = lease.shards[i].newest_event;
    }
    aion_arena_done(&arena);
}

static void leave_shards(void)
{
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_lease end = {
        .op.arena = &arena, .replica = AION_STR("fill"), .address = AION_STR("")};
    if (!store_lease_wait(run.store, &end, &err))
        die("leaving the shards", &err);
    aion_arena_done(&arena);
}

static void give_back(struct one *one, bool good, const struct aion_err *err)
{
    pthread_mutex_lock(&run.lock);
    if (!good && run.failures++ == 0)
        fprintf(stderr, "fill: a task was not taken: %s\n", err != NULL ? err->text : "");
    one->next_free = run.free;
    run.free = one;
    run.live--;
    pthread_cond_signal(&run.wake);
    pthread_mutex_unlock(&run.lock);
}

static void accepted(struct store_op *op, const struct aion_err *err)
{
    struct one *one = aion_container(op, struct one, accept.write.op);
    give_back(one, err == NULL && one->accept.write.outcome == STORE_DONE, err);
}

static struct one *take_free(void)
{
    pthread_mutex_lock(&run.lock);
    while (run.free == NULL)
        pthread_cond_wait(&run.wake, &run.lock);
    struct one *one = run.free;
    run.free = one->next_free;
    run.live++;
    pthread_mutex_unlock(&run.lock);
    return one;
}

static void copy(struct one *one, size_t number)
{
    uint64_t now_us = (uint64_t)aion_clock_utc_us();
    run.newest_us = now_us > run.newest_us ? now_us : run.newest_us + 1;
    struct aion_uuid id =
        aion_uuid_at((int64_t)run.newest_us, (unsigned)(number % STORE_SHARDS));
    uint64_t seq = store_seq_of(&id);
    one->event = (struct store_outbox){.sequence = ++run.sequence,
                                       .id = id,
                                       .tenant = run.pattern.tenant,
                                       .intent = run.pattern.intent,
                                       .kinds = STORE_EVENT_ACCEPTED | STORE_EVENT_QUEUED,
                                       .state = STORE_QUEUED,
                                       .at_us = store_seq_us(seq),
                                       .payload = run.pattern.decision.bytes};
    one->accept = (struct store_accept){.write = {.op.done = accepted,
                                                  .seq = seq,
                                                  .epoch = run.epochs[store_seq_shard(seq)],
                                                  .event = &one->event},
                                        .id = id,
                                        .tenant = run.pattern.tenant,
                                        .intent = run.pattern.intent,
                                        .key_id = run.pattern.key_id,
                                        .priority = run.pattern.priority,
                                        .deadline_us = run.deadline_us,
                                        .meta = run.pattern.meta,
                                        .body = run.pattern.body,
                                        .decision = run.pattern.decision};
}

static void fill(size_t count)
{
    struct aion_err err;
    for (size_t i = 0; i < count && run.failures == 0; i++) {
        struct one *one = take_free();
        copy(one, i);
        if (!store_accept(run.store, &one->accept, &err))
            give_back(one, false, &err);
    }
    pthread_mutex_lock(&run.lock);
    while (run.live > 0)
        pthread_cond_wait(&run.wake, &run.lock);
    pthread_mutex_unlock(&run.lock);
}

int main(int argc, char **argv)
{
    struct aion_arena arena;
    if (argc != 4) {
        fprintf(stderr, "usage: fill PATTERN_URL URL COUNT\n");
        return 2;
    }
    size_t count = strtoul(argv[3], NULL, 10);
    pthread_mutex_init(&run.lock, NULL);
    pthread_cond_init(&run.wake, NULL);
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    for (size_t i = 0; i < INFLIGHT; i++) {
        run.all[i].next_free = run.free;
        run.free = &run.all[i];
    }
    read_pattern(argv[1], &arena);
    open_store(argv[2]);
    take_shards();
    run.deadline_us = aion_clock_utc_us() + (int64_t)86400000000;
    fill(count);
    leave_shards();
    store_close(run.store);
    printf("tasks %zu meta %zu decision %zu body %zu\n", count, run.pattern.meta.size,
           run.pattern.decision.bytes.size, run.pattern.body.size);
    aion_arena_done(&arena);
    return run.failures > 0;
}
