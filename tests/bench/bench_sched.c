/* What the scheduler's queue costs with a million tasks of ten thousand tenants waiting: time
 * of an enqueue and of a pick, memory of a task. Built with the tests, timed by hand on a
 * release build: bench_sched [TASKS [TENANTS]]. One thread; CPU time. */
#include "sched/scheduler.h"

#include "base/clock.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 1000000 };

struct bench {
    struct control_sched sched;
    struct control_sched_host host;
    struct control_sched_item *items;
    char (*tenants)[32];
    size_t item_count, tenant_count;
    struct aion_rand rand;
    int64_t now_us;
};

static void add(struct bench *bench, struct control_sched_item *item)
{
    const char *tenant = bench->tenants[aion_rand_below(&bench->rand, bench->tenant_count)];
    struct control_sched_place place = {.tenant = aion_str_of(tenant),
                                        .pool = AION_STR("cpu"),
                                        .module = AION_STR("noop"),
                                        .intent = AION_STR("noop")};
    unsigned class = (unsigned)aion_rand_below(&bench->rand, SCHED_CLASSES);
    control_sched_add(&bench->sched, item, &place, class, 1000, ++bench->now_us);
}

static struct control_sched_item *pick(struct bench *bench)
{
    struct control_sched_pick pick;
    int64_t wake_us;
    if (!control_sched_next(&bench->sched, ++bench->now_us, &pick, &wake_us))
        exit(1);
    return pick.items[0];
}

static void start(struct bench *bench, int64_t ageing_step_us)
{
    struct control_sched_conf conf = {.tasks_max = SIZE_MAX / 2000,
                                      .bytes_max = SIZE_MAX / 2000,
                                      .ageing_step_us = ageing_step_us};
    static struct control_sched_offer offer = {.module = "noop"};
    control_sched_init(&bench->sched, 1);
    if (!control_sched_configure(&bench->sched, &conf, NULL))
        exit(1);
    aion_rand_seed(&bench->rand, 1);
    bench->host = (struct control_sched_host){
        .pool_name = "cpu", .offers = &offer, .offer_count = 1, .slots = 4};
    control_sched_host_add(&bench->sched, &bench->host);
    control_sched_host_set(&bench->sched, &bench->host, 4, true);
    for (size_t i = 0; i < bench->item_count; i++)
        control_sched_item_init(&bench->items[i]);
}

static void stop(struct bench *bench)
{
    for (size_t i = 0; i < bench->item_count; i++)
        control_sched_remove(&bench->sched, &bench->items[i]);
    control_sched_host_remove(&bench->sched, &bench->host);
    control_sched_done(&bench->sched);
}

static double since(int64_t begun_ns, size_t count)
{
    return (double)(aion_clock_thread_cpu_ns() - begun_ns) / (double)count;
}

/* Fills it, keeps it full for a million turns, and empties it. */
static void run(struct bench *bench, const char *what, int64_t ageing_step_us)
{
    start(bench, ageing_step_us);
    size_t before = mallinfo2().uordblks;
    int64_t begun_ns = aion_clock_thread_cpu_ns();
    for (size_t i = 0; i < bench->item_count; i++)
        add(bench, &bench->items[i]);
    double fill = since(begun_ns, bench->item_count);
    double heap = (double)(mallinfo2().uordblks - before) / (double)bench->item_count;
    begun_ns = aion_clock_thread_cpu_ns();
    for (size_t i = 0; i < ROUNDS; i++) {
        struct control_sched_item *item = pick(bench);
        control_sched_end(&bench->sched, item, bench->now_us, true);
        add(bench, item);
    }
    double turn = since(begun_ns, ROUNDS);
    begun_ns = aion_clock_thread_cpu_ns();
    for (size_t i = 0; i < bench->item_count; i++)
        control_sched_end(&bench->sched, pick(bench), bench->now_us, true);
    printf("%-12s enqueue %4.0f ns, enqueue + pick + end %4.0f ns, drain %4.0f ns each; "
           "%zu + %.1f bytes a task\n",
           what, fill, turn, since(begun_ns, bench->item_count),
           sizeof(struct control_sched_item), heap);
    stop(bench);
}

int main(int argc, char **argv)
{
    struct bench bench = {.item_count = 1000000, .tenant_count = 10000, .now_us = 1};
    uint64_t number;
    if (argc > 1 && aion_str_u64(aion_str_of(argv[1]), &number))
        bench.item_count = number;
    if (argc > 2 && aion_str_u64(aion_str_of(argv[2]), &number))
        bench.tenant_count = number;
    bench.items = calloc(bench.item_count, sizeof(*bench.items));
    bench.tenants = calloc(bench.tenant_count, sizeof(*bench.tenants));
    if (bench.items == NULL || bench.tenants == NULL)
        return 1;
    for (size_t i = 0; i < bench.tenant_count; i++)
        snprintf(bench.tenants[i], sizeof(bench.tenants[i]), "tenant-%zu", i);
    printf("%zu tasks of %zu tenants\n", bench.item_count, bench.tenant_count);
    run(&bench, "no ageing:", 0);
    run(&bench, "ageing:", 1000000); /* one microsecond passes a call: each task climbs */
    free(bench.items);
    free(bench.tenants);
    return 0;
}
