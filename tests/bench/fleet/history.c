/* The history of a fleet, written at virtual time: how many bytes, how much CPU, how fast a
 * seek.
 *
 *   history DIR HOURS HOSTS ROUTES [END_S]
 *
 * The last frame ends at END_S (UTC; 0 or none: some day in 2026).
 * Every cell that can move moves each second, as telemetry does: counts of events are
 * Poisson-like, gauges and memory walk, quantiles come from histograms of latencies. Frames go
 * the way they go in control: table, frame, packed form, ops_history_append. */
#include "aion/v1/ops.pb-c.h"
#include "base/clock.h"
#include "base/rand.h"
#include "ops/ops_fold.h"
#include "ops/ops_history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_US ((int64_t)1000000)

enum { MODULES = 12, TENANTS = 20, METHODS = 60, EDGES = 10, SEEKS = 500, SAMPLES_MAX = 40 };

static struct {
    struct aion_rand rand;
    struct ops_fold fold;
    struct ops_history *history;
    unsigned since[OPS_TIERS], frames[OPS_TIERS];
    uint32_t stamps[OPS_TIERS];
    int64_t cpu_ns, frame_count;
} run;

/* -- numbers that move like a mesh's ------------------------------------------------ */
static double uniform(void)
{
    return (double)aion_rand_below(&run.rand, 1 << 30) / (1 << 30);
}

static double normal(void)
{
    return sqrt(-2 * log(uniform() + 1e-12)) * cos(6.28318530718 * uniform());
}

static int64_t count_of(double mean)
{
    double value = mean + sqrt(mean) * normal() + 0.5;
    return value > 0 ? (int64_t)value : 0;
}

static void walk(struct ops_entity *entity, unsigned column, int64_t step, int64_t most)
{
    int64_t value = ops_get(entity, column) +
                    (int64_t)aion_rand_below(&run.rand, (uint64_t)(2 * step + 1)) - step;
    ops_set(&run.fold.table, entity, column, value < 0 ? 0 : value > most ? most : value);
}

static void latencies(struct ops_entity *entity, int64_t count, double median_us)
{
    /* a part of many stands for all: their quantiles move the more for it */
    int64_t part = count < SAMPLES_MAX ? count : SAMPLES_MAX;
    for (int64_t i = 0; i < part; i++) {
        int64_t us = (int64_t)(median_us * exp(0.6 * normal()));
        ops_record_many(entity, aion_hist_bucket((uint64_t)us),
                        (uint64_t)(count / part + (i < count % part)));
    }
    ops_set_quantiles(&run.fold.table, entity, false);
}

static void set(struct ops_entity *entity, unsigned column, int64_t value)
{
    ops_set(&run.fold.table, entity, column, value);
}

/* Something of its own for each entity that does not change. */
static double level(const struct ops_entity *entity, double least, double most)
{
    uint64_t hash = aion_siphash(1, 2, &entity->id, sizeof(entity->id));
    return least + (most - least) * (double)(hash >> 40) / (1 << 24);
}

/* -- a second of each kind ---------------------------------------------------------- */
static void move_route(struct ops_entity *route)
{
    int64_t ended = count_of(level(route, 2, 80)), errors = count_of(0.01 * (double)ended);
    set(route, 0, ended * 1000);
    latencies(route, ended, level(route, 20000, 900000));
    walk(route, 4, 3, 400);
    walk(route, 5, 2, 64);
    set(route, 6, ops_share_ppm(count_of(0.02 * (double)ended), ended));
    set(route, 7, ops_share_ppm(errors, ended));
    set(route, 8, ended * (int64_t)level(route, 10, 90) * 1000 + count_of(3) * 1000);
    set(route, 9, ops_share_ppm(count_of((double)ended), ended * 2 + 1));
    set(route, 10, 20);
    set(route, 11, 1);
}

static void move_host(struct ops_entity *host)
{
    int64_t runs = count_of(level(host, 2, 60));
    set(host, 0, 2);
    set(host, 1, 8);
    walk(host, 2, 2, 8);
    set(host, 3, runs * 1000);
    set(host, 4, ops_round_digits((int64_t)(level(host, 1e5, 8e5) + 2e4 * normal())));
    set(host, 5, ops_round_bytes((int64_t)(level(host, 2e8, 3e9) + 1e6 * normal())));
    set(host, 6, ops_round_bytes((int64_t)16 << 30));
    set(host, 7, ops_round_age((int64_t)(1e5 * fabs(normal()))));
    set(host, 8, ops_share_ppm(count_of(0.01 * (double)runs), runs));
    set(host, 9, 12);
}

static void move_process(struct ops_entity *process)
{
    set(process, 0, 1);
    set(process, 1, ops_round_digits((int64_t)(level(process, 1e4, 2e5) + 3e3 * normal())));
    set(process, 2, ops_round_bytes((int64_t)(level(process, 2e7, 2e8) + 1e5 * normal())));
    set(process, 3, 9);
    walk(process, 4, 1, 40);
    set(process, 5, 1795475704);
    set(process, 6, ops_round_digits((int64_t)(200 + 40 * normal())));
    set(process, 7, ops_round_age((int64_t)(3e5 * uniform())));
}

static void move_calls(struct ops_entity *entity)
{
    int64_t calls = count_of(level(entity, 1, 200));
    set(entity, 0, calls * 1000);
    set(entity, 1, ops_share_ppm(count_of(0.002 * (double)calls), calls));
    latencies(entity, calls, level(entity, 200, 20000));
}

static void move_tenant(struct ops_entity *tenant)
{
    int64_t ended = count_of(level(tenant, 1, 300));
    set(tenant, 0, ended * 1000);
    walk(tenant, 2, 3, 400);
    walk(tenant, 3, 2, 64);
    set(tenant, 4, ended * 40000);
    latencies(tenant, ended, 300000);
}

static void move_module(struct ops_entity *module)
{
    int64_t runs = count_of(level(module, 10, 400));
    set(module, 0, runs * 1000);
    set(module, 4, ops_share_ppm(count_of(0.01 * (double)runs), runs));
    set(module, 5, 40);
    walk(module, 6, 3, 300);
    latencies(module, runs, 100000);
}

static void move_mesh(struct ops_entity *mesh)
{
    for (unsigned i = 0; i < 7; i++)
        set(mesh, i, count_of(i < 2 ? 2000 : 20) * 1000);
    for (unsigned i = 7; i < 10; i++)
        walk(mesh, i, 9, 4000);
    latencies(mesh, 2000, 300000);
    for (unsigned i = 20; i < 32; i++)
        set(mesh, i, count_of(160));
}

static void each(enum ops_kind kind, void (*move)(struct ops_entity *entity))
{
    aion_list_each (link, &run.fold.table.kinds[kind].entities)
        move(aion_container(link, struct ops_entity, link));
}

static void make(enum ops_kind kind, unsigned count, const char *format)
{
    char key[64], name[32];
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "%03u", i);
        snprintf(key, sizeof(key), "%s%s", format, name);
        struct ops_entity *entity = ops_entity(&run.fold.table, kind, aion_str_of(key));
        struct ops_label labels[] = {{AION_STR("version"), AION_STR("0.1.0")},
                                     {AION_STR("pool"), AION_STR("cpu")},
                                     {AION_STR("rack"), aion_str_of(name)}};
        ops_entity_label(&run.fold.table, entity, labels, aion_countof(labels));
        ops_pin(entity);
    }
}

/* -- frames ------------------------------------------------------------------------- */
static void append(enum ops_tier_name tier, int64_t at_us)
{
    struct aion_arena arena;
    struct aion_err err;
    unsigned lost;
    aion_arena_init(&arena, 256 << 20, NULL, 0);
    int64_t began_ns = aion_clock_thread_cpu_ns();
    bool begins = run.frames[tier] % OPS_FRAMES_A_BLOCK == 0;
    uint32_t since = begins ? 0 : run.stamps[tier];
    Aion__V1__OpsFrame *frame = tier == OPS_TIER_SECOND
                                    ? ops_frame_second(&run.fold.table, since, &arena)
                                    : ops_frame_ten(&run.fold.table, since, &arena);
    if (frame == NULL)
        abort();
    frame->at_us = at_us;
    size_t size = aion__v1__ops_frame__get_packed_size(frame);
    char *wire = aion_arena_alloc(&arena, size);
    aion__v1__ops_frame__pack(frame, (uint8_t *)wire);
    if (!ops_history_append(run.history, tier, begins ? OPS_APPEND_BLOCK : OPS_APPEND_ROWS,
                            aion_str_n(wire, size), &lost, &err)) {
        fprintf(stderr, "history: %s %s\n", err.text, err.detail);
        exit(1);
    }
    run.cpu_ns += aion_clock_thread_cpu_ns() - began_ns;
    run.frame_count++;
    run.frames[tier]++;
    run.stamps[tier] = run.fold.table.stamp;
    aion_arena_done(&arena);
}

static void second(int64_t at_us)
{
    move_mesh(run.fold.mesh);
    each(OPS_ROUTE, move_route);
    each(OPS_HOST, move_host);
    each(OPS_PROCESS, move_process);
    each(OPS_METHOD, move_calls);
    each(OPS_EDGE, move_calls);
    each(OPS_TENANT, move_tenant);
    each(OPS_MODULE, move_module);
    ops_table_second(&run.fold.table);
    append(OPS_TIER_SECOND, at_us);
    if (at_us % (10 * SECOND_US) == 0) {
        append(OPS_TIER_TEN, at_us);
        ops_table_ten(&run.fold.table);
    }
    ops_table_next(&run.fold.table);
}

/* -- seeks -------------------------------------------------------------------------- */
static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void seek(int64_t from_us, int64_t to_us)
{
    static int64_t took_us[SEEKS];
    const struct ops_view all = {.kinds = OPS_ALL_KINDS};
    for (size_t i = 0; i < SEEKS; i++) {
        struct aion_arena arena;
        struct aion_err err;
        struct ops_place place;
        int64_t at_us = from_us + (int64_t)(uniform() * (double)(to_us - from_us));
        int64_t began_us = aion_clock_mono_us();
        aion_arena_init(&arena, 64 << 20, NULL, 0);
        if (!ops_history_find(run.history, at_us, 0, &place, &err) ||
            ops_block_frame(place.block, place.index, true, &all, &arena) == NULL) {
            fprintf(stderr, "history: %s\n", err.text);
            exit(1);
        }
        took_us[i] = aion_clock_mono_us() - began_us;
        aion_arena_done(&arena);
    }
    qsort(took_us, SEEKS, sizeof(took_us[0]), by_size);
    printf(" seek_p50_us %lld seek_p99_us %lld", (long long)took_us[SEEKS / 2],
           (long long)took_us[SEEKS * 99 / 100]);
}

int main(int argc, char **argv)
{
    struct aion_err err;
    if (argc < 5) {
        fprintf(stderr, "usage: history DIR HOURS HOSTS ROUTES [END_S]\n");
        return 2;
    }
    int64_t seconds = (int64_t)(strtod(argv[2], NULL) * 3600),
            begin_us = 1795478400 * SECOND_US;
    if (argc > 5 && strtoll(argv[5], NULL, 10) > 0)
        begin_us = (strtoll(argv[5], NULL, 10) - seconds) * SECOND_US;
    unsigned hosts = (unsigned)strtoul(argv[3], NULL, 10);
    aion_rand_seed(&run.rand, 7);
    ops_fold_init(&run.fold);
    run.history = ops_history_open(argv[1], INT64_MAX, &err);
    if (run.history == NULL) {
        fprintf(stderr, "history: %s %s\n", err.text, err.detail);
        return 1;
    }
    make(OPS_HOST, hosts, "host-");
    make(OPS_PROCESS, hosts + 4, "host/host-");
    make(OPS_ROUTE, (unsigned)strtoul(argv[4], NULL, 10), "intent/route-");
    make(OPS_MODULE, MODULES, "module@1.0.");
    make(OPS_TENANT, TENANTS, "tenant-");
    make(OPS_METHOD, METHODS, "control/AionTasks.Method");
    make(OPS_EDGE, EDGES, "gateway>control@10.0.0.1:8");
    for (int64_t i = 1; i <= seconds; i++)
        second(begin_us + i * SECOND_US);
    printf("bytes %lld cpu_us_a_frame %.0f frames %lld",
           (long long)ops_history_bytes(run.history),
           (double)run.cpu_ns / 1000 / (double)run.frame_count, (long long)run.frame_count);
    seek(ops_history_oldest_us(run.history), begin_us + seconds * SECOND_US);
    printf("\n");
    ops_history_close(run.history);
    ops_fold_done(&run.fold);
    return 0;
}
