/* A scheduler with hosts and tasks for its unit tests: short words for what they do all the
 * time. Time stands still unless a test moves it. */
#ifndef SCHED_BENCH_H
#define SCHED_BENCH_H

#include "sched/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SCHED_BENCH_HOSTS = 4, SCHED_BENCH_ITEMS = 256 };

struct sched_bench {
    struct control_sched sched;
    struct control_sched_conf conf;
    struct control_sched_host hosts[SCHED_BENCH_HOSTS];
    struct control_sched_offer offers[SCHED_BENCH_HOSTS][4];
    struct control_sched_item items[SCHED_BENCH_ITEMS];
    char names[SCHED_BENCH_ITEMS][16]; /* of whose task it is */
    size_t host_count, item_count;
    int64_t now_us, wake_us;
};

void sched_bench_start(struct sched_bench *bench);
void sched_bench_stop(struct sched_bench *bench); /* whatever waits or runs is taken out */
/* Of a test that has one in *state. */
int sched_bench_setup(void **state);
int sched_bench_teardown(void **state);
void sched_bench_configure(struct sched_bench *bench);
/* A host of pool "cpu" with modules "a" and "b" that may get work. */
struct control_sched_host *sched_bench_host(struct sched_bench *bench, uint32_t slots);
/* A task of the tenant for module "a", or as "b" says. */
struct control_sched_item *sched_bench_add(struct sched_bench *bench, const char *tenant,
                                           unsigned class);
struct control_sched_item *sched_bench_add_to(struct sched_bench *bench, const char *tenant,
                                              const char *module, const char *labels,
                                              unsigned class);
/* Starts what is next; NULL: nothing. For lanes without batches. */
struct control_sched_item *sched_bench_next(struct sched_bench *bench);
/* Runs `count` tasks to their end, one after the other, each for run_us: the first letters of
 * their tenants in that order. */
const char *sched_bench_run(struct sched_bench *bench, size_t count, int64_t run_us);
struct control_sched_place sched_bench_place(const char *tenant, const char *module,
                                             const char *labels);

#endif
