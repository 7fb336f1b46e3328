#include "sched_bench.h"

#include <stdio.h>

void sched_bench_start(struct sched_bench *bench)
{
    *bench = (struct sched_bench){.now_us = 1000000};
    bench->conf = (struct control_sched_conf){.tasks_max = 1000, .bytes_max = 1000000};
    control_sched_init(&bench->sched, 1);
    sched_bench_configure(bench);
}

void sched_bench_stop(struct sched_bench *bench)
{
    for (size_t i = 0; i < bench->item_count; i++) {
        control_sched_remove(&bench->sched, &bench->items[i]);
        control_sched_end(&bench->sched, &bench->items[i], bench->now_us, false);
    }
    for (size_t i = 0; i < bench->host_count; i++)
        control_sched_host_remove(&bench->sched, &bench->hosts[i]);
    control_sched_done(&bench->sched);
}

void sched_bench_configure(struct sched_bench *bench)
{
    struct aion_err err;
    if (!control_sched_configure(&bench->sched, &bench->conf, &err))
        fail_msg("%s", err.text);
}

struct control_sched_host *sched_bench_host(struct sched_bench *bench, uint32_t slots)
{
    struct control_sched_host *host = &bench->hosts[bench->host_count];
    struct control_sched_offer *offers = bench->offers[bench->host_count++];
    offers[0].module = "a";
    offers[1].module = "b";
    *host = (struct control_sched_host){
        .pool_name = "cpu", .offers = offers, .offer_count = 2, .slots = slots};
    control_sched_host_add(&bench->sched, host);
    control_sched_host_set(&bench->sched, host, slots, true);
    return host;
}

struct control_sched_place sched_bench_place(const char *tenant, const char *module,
                                             const char *labels)
{
    return (struct control_sched_place){.tenant = aion_str_of(tenant),
                                        .pool = AION_STR("cpu"),
                                        .module = aion_str_of(module),
                                        .intent = AION_STR("work"),
                                        .labels = aion_str_of(labels)};
}

struct control_sched_item *sched_bench_add_to(struct sched_bench *bench, const char *tenant,
                                              const char *module, const char *labels,
                                              unsigned class)
{
    struct control_sched_place place = sched_bench_place(tenant, module, labels);
    size_t number = bench->item_count++;
    assert_true(number < SCHED_BENCH_ITEMS);
    control_sched_item_init(&bench->items[number]);
    snprintf(bench->names[number], sizeof(bench->names[number]), "%s", tenant);
    control_sched_add(&bench->sched, &bench->items[number], &place, class, 10, bench->now_us);
    return &bench->items[number];
}

struct control_sched_item *sched_bench_add(struct sched_bench *bench, const char *tenant,
                                           unsigned class)
{
    return sched_bench_add_to(bench, tenant, "a", "", class);
}

struct control_sched_item *sched_bench_next(struct sched_bench *bench)
{
    struct control_sched_pick pick;
    if (!control_sched_next(&bench->sched, bench->now_us, &pick, &bench->wake_us))
        return NULL;
    assert_int_equal(pick.count, 1);
    return pick.items[0];
}

const char *sched_bench_run(struct sched_bench *bench, size_t count, int64_t run_us)
{
    static char order[SCHED_BENCH_ITEMS + 1];
    for (size_t i = 0; i < count; i++) {
        struct control_sched_item *item = sched_bench_next(bench);
        assert_non_null(item);
        bench->now_us += run_us;
        control_sched_end(&bench->sched, item, bench->now_us, true);
        order[i] = bench->names[item - bench->items][0];
    }
    order[count] = '\0';
    return order;
}

int sched_bench_setup(void **state)
{
    static struct sched_bench bench;
    sched_bench_start(&bench);
    *state = &bench;
    return 0;
}

int sched_bench_teardown(void **state)
{
    sched_bench_stop(*state);
    return 0;
}
