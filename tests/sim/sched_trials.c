#include "sched_trials.h"

#include "sched_world.h"

enum { SECOND_US = 1000000, ALL = 0xff };

static unsigned some(struct world *world, unsigned least, unsigned most)
{
    return (unsigned)sim_between(&world->sim, least, most);
}

/* -- anything may happen ------------------------------------------------------------ */
static bool kind_is_there(const struct world *world, const char *pool, unsigned module,
                          unsigned intent, bool gpu)
{
    for (size_t i = 0; i < world->kind_count; i++)
        if (strcmp(world->kinds[i].pool, pool) == 0 &&
            world->kinds[i].module_number == module &&
            world->kinds[i].intent_number == intent &&
            (world->kinds[i].labels[0] != '\0') == gpu)
            return true;
    return false;
}

static void any_kinds(struct world *world, unsigned pools)
{
    unsigned count = some(world, 1, WORLD_KINDS);
    for (unsigned i = 0; i < count; i++) {
        const char *pool = some(world, 1, pools) == 1 ? "p0" : "p1";
        unsigned module = some(world, 0, WORLD_MODULES - 1),
                 intent = some(world, 0, WORLD_INTENTS - 1);
        bool gpu = sim_chance(&world->sim, 20);
        if (!kind_is_there(world, pool, module, intent, gpu))
            world_kind(world, pool, module, intent, gpu, sim_between(&world->sim, 200, 40000));
    }
}

static void any_batches(struct world *world, struct world_host *host)
{
    for (size_t i = 0; i < host->sched.offer_count; i++)
        if (sim_chance(&world->sim, 30)) {
            host->offers[i].batch_max = some(world, 1, 8);
            host->offers[i].batch_wait_us = sim_between(&world->sim, 1000, 20000);
        }
}

/* The first host of each pool can run everything, so that no task is without hope. */
static void any_hosts(struct world *world, unsigned pools)
{
    unsigned count = some(world, pools, WORLD_HOSTS);
    for (unsigned i = 0; i < count; i++) {
        const char *pool =
            i < pools ? (i == 0 ? "p0" : "p1") : (some(world, 1, pools) == 1 ? "p0" : "p1");
        struct world_host *host =
            world_host(world, pool, i < pools ? ALL : some(world, 0, ALL), some(world, 1, 8),
                       i < pools || sim_chance(&world->sim, 30));
        any_batches(world, host);
        host->trouble_every_us = sim_between(&world->sim, 200000, 2 * SECOND_US);
        world_host_up(host);
        world_troubles(world, host);
    }
}

static void any_tenants(struct world *world)
{
    unsigned count = some(world, 1, WORLD_TENANTS);
    for (unsigned i = 0; i < count; i++) {
        struct world_tenant *tenant = world_tenant(world, some(world, 1, 4));
        tenant->every_us = sim_between(&world->sim, 2000, SECOND_US);
        tenant->burst = some(world, 1, 20);
        tenant->most = some(world, 1, 120);
        tenant->class = some(world, 0, SCHED_CLASSES - 1);
        tenant->class_spread = some(world, 1, SCHED_CLASSES - tenant->class);
        tenant->kinds = ALL;
    }
}

static int any_or(struct world *world, unsigned count)
{
    return sim_chance(&world->sim, 50) ? -1 : (int)some(world, 0, count - 1);
}

static void any_limits(struct world *world)
{
    world->limit_count = some(world, 0, WORLD_LIMITS);
    for (size_t i = 0; i < world->limit_count; i++)
        world->limits[i] =
            (struct world_limit){any_or(world, WORLD_TENANTS), any_or(world, WORLD_INTENTS),
                                 any_or(world, WORLD_MODULES), some(world, 1, 4)};
}

static void any_conf(struct world *world)
{
    struct control_sched_conf *conf = &world->conf;
    *conf = (struct control_sched_conf){.tasks_max = some(world, 20, 400),
                                        .bytes_max = some(world, 20000, 1000000)};
    if (sim_chance(&world->sim, 30))
        conf->tenant_tasks_max = some(world, 5, 100);
    conf->ageing_step_us =
        sim_chance(&world->sim, 20) ? 0 : sim_between(&world->sim, 5000, 2 * SECOND_US);
    conf->adaptive = sim_chance(&world->sim, 70);
    for (size_t i = 1; i < SCHED_CLASSES && sim_chance(&world->sim, 30); i++)
        conf->wait_max_us[i] = sim_between(&world->sim, 50000, 3 * SECOND_US);
    any_limits(world);
}

static void trial_chaos(struct world *world)
{
    unsigned pools = some(world, 1, 2);
    world->cancel_percent = some(world, 0, 4);
    any_tenants(world);
    any_kinds(world, pools);
    any_conf(world);
    world_configure(world);
    any_hosts(world, pools);
    for (size_t i = 0; i < world->tenant_count; i++)
        world_arrivals(world, &world->tenants[i]);
    world_run(world, sim_between(&world->sim, SECOND_US / 2, 3 * SECOND_US));
    any_limits(world);
    for (size_t i = 0; i < world->tenant_count; i++)
        world->tenants[i].weight = some(world, 1, 4);
    world_configure(world);
    world_dispatch(world);
    world_run(world, sim_between(&world->sim, SECOND_US / 2, 3 * SECOND_US));
}

/* -- tenants that always have something to do --------------------------------------- */
static struct world_kind *own_kind(struct world *world, const struct world_tenant *tenant)
{
    return &world->kinds[tenant->number % world->kind_count];
}

static void send_another(struct world *world, struct world_task *task)
{
    (void)world_send(world, task->tenant, task->kind, task->class);
}

static void saturate(struct world *world, size_t backlog)
{
    for (size_t i = 0; i < world->tenant_count; i++)
        for (size_t k = 0; k < backlog; k++)
            (void)world_send(world, &world->tenants[i], own_kind(world, &world->tenants[i]),
                             world->tenants[i].class);
    world->on_start = send_another;
}

static size_t starts_of(const struct world *world)
{
    size_t starts = 0;
    for (size_t i = 0; i < world->tenant_count; i++)
        starts += world->tenants[i].started;
    return starts;
}

static void run_starts(struct world *world, size_t starts)
{
    size_t until = starts_of(world) + starts;
    while (starts_of(world) < until)
        world_run(world, 10000);
}

/* -- shares ------------------------------------------------------------------------- */
static double share_of(const struct world_tenant *tenant)
{
    return (double)tenant->served_us / tenant->weight;
}

/* What tenants were served by weight is the same; Jain's index says so in one number. */
static void judge_shares(struct world *world, size_t count)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        sum += share_of(&world->tenants[i]);
        squares += share_of(&world->tenants[i]) * share_of(&world->tenants[i]);
    }
    double jain = sum * sum / ((double)count * squares), mean = sum / (double)count;
    sim_tell(&world->sim, "Jain's index is %.6f", jain);
    sim_check(&world->sim, jain >= 0.99, "Jain's index is %.4f", jain);
    for (size_t i = 0; i < world->tenant_count; i++) {
        double share = share_of(&world->tenants[i]) / mean;
        sim_check(&world->sim, share < 1.02 && (i >= count || share > 0.98),
                  "t%zu of weight %u has %.3f of its share", i, world->tenants[i].weight,
                  share);
    }
}

/* Tasks of very different cost; weights 1:1, 3:1 or any. In some worlds one tenant more never
 * has more than one task there: that gives it no more than its share. */
static void trial_shares(struct world *world)
{
    unsigned count = some(world, 2, 5), weights = some(world, 0, 2);
    for (unsigned i = 0; i < count; i++)
        world_tenant(world, weights == 0   ? 1
                            : weights == 1 ? (i == 0 ? 3 : 1)
                                           : some(world, 1, 4));
    unsigned kinds = some(world, 1, 3);
    for (unsigned i = 0; i < kinds; i++)
        world_kind(world, "p0", i, i, false, sim_between(&world->sim, 500, 20000));
    world_configure(world);
    saturate(world, 16);
    if (sim_chance(&world->sim, 50)) {
        struct world_tenant *sly = world_tenant(world, 1);
        (void)world_send(world, sly, own_kind(world, sly), 0);
    }
    for (unsigned i = some(world, 1, 3); i > 0; i--)
        world_host_up(world_host(world, "p0", ALL, some(world, 1, 4), false));
    run_starts(world, 300);
    for (size_t i = 0; i < world->tenant_count; i++)
        world->tenants[i].served_us = 0;
    run_starts(world, 4000);
    world->on_start = NULL;
    judge_shares(world, count);
}

/* -- a flood ------------------------------------------------------------------------ */
enum { FLOOD_START_US = 50000 };

static void started_in_time(struct world *world, struct world_task *task)
{
    int64_t waited_us = world->sim.now_us - task->queued_us;
    sim_check(&world->sim, task->tenant->number == 0 || waited_us <= FLOOD_START_US,
              "%s waited %lld us behind the flood of t0", task->tenant->name,
              (long long)waited_us);
}

/* One tenant has a hundred thousand tasks waiting (in most seeds: three thousand), another
 * sends one now and then, to the same module or another one. */
static void trial_flood(struct world *world)
{
    size_t flood = world->sim.seed % 400 == 1 ? 100000 : 3000;
    struct world_tenant *many = world_tenant(world, some(world, 1, 3)),
                        *few = world_tenant(world, 1);
    struct world_kind *kind =
        world_kind(world, "p0", 0, 0, false, sim_between(&world->sim, 1000, 20000));
    world_kind(world, "p0", 1, 1, false, sim_between(&world->sim, 1000, 20000));
    world->cheap = true;
    world_configure(world);
    world_host_up(world_host(world, "p0", ALL, some(world, 1, 4), false));
    for (size_t i = 0; i < flood; i++)
        (void)world_send(world, many, kind, 2);
    few->every_us = 200000;
    few->burst = 1;
    few->most = 1000;
    few->class = 2;
    few->kinds = ALL;
    world->on_start = started_in_time;
    world_arrivals(world, few);
    world_run(world, 6 * SECOND_US);
    sim_check(&world->sim, few->started > 0, "nothing of %s started", few->name);
    few->most = 0;
    world_host_up(world_host(world, "p0", ALL, 1000, false)); /* to come to an end */
}

/* -- the top class saturated -------------------------------------------------------- */
struct ageing {
    int64_t bound_us;
};

/* Of another tenant than the one that saturates: after its steps and a turn. Of the same:
 * before what came into the top class after it. */
static void judge_ageing(struct world *world, struct world_task *task)
{
    const struct ageing *ageing = world->user;
    int64_t step_us = world->conf.ageing_step_us;
    if (task->tenant->number > 0)
        sim_check(&world->sim, world->sim.now_us - task->queued_us <= ageing->bound_us,
                  "%s waited %lld us, %lld are allowed", task->tenant->name,
                  (long long)(world->sim.now_us - task->queued_us),
                  (long long)ageing->bound_us);
    aion_list_each (link, &world->waiting) {
        const struct world_task *other = aion_container(link, struct world_task, link);
        int64_t on_top_us = other->queued_us + (int64_t)other->class * step_us;
        sim_check(&world->sim,
                  other->tenant != task->tenant || other->class == 0 || task->class > 0 ||
                      task->queued_us < on_top_us + ageing->bound_us / 4,
                  "task %llu of %s came %lld us after task %llu was in the top class",
                  (unsigned long long)task->number, task->tenant->name,
                  (long long)(task->queued_us - on_top_us), (unsigned long long)other->number);
    }
}

static void trial_ageing(struct world *world)
{
    struct world_tenant *top = world_tenant(world, some(world, 1, 3)),
                        *low = world_tenant(world, 1);
    unsigned slots = some(world, 1, 4);
    int64_t run_us = sim_between(&world->sim, 2000, 20000);
    struct ageing ageing;
    world_kind(world, "p0", 0, 0, false, run_us);
    world->conf.ageing_step_us = sim_between(&world->sim, 100000, SECOND_US);
    world->conf.tasks_max = 500;
    world_configure(world);
    world_host_up(world_host(world, "p0", ALL, slots, false));
    top->every_us = run_us / slots * 2 / 3; /* half as much again as can run */
    low->every_us = world->conf.ageing_step_us;
    low->class = SCHED_CLASSES - 1;
    top->burst = low->burst = 1;
    top->most = low->most = 100000;
    top->kinds = low->kinds = ALL;
    ageing.bound_us = 4 * world->conf.ageing_step_us + 8 * run_us * (1 + top->weight);
    world->user = &ageing;
    world->on_start = judge_ageing;
    world_arrivals(world, top);
    world_arrivals(world, low);
    for (unsigned i = 0; i < 6; i++) { /* the saturating tenant's own low tasks */
        world_run(world, world->conf.ageing_step_us);
        (void)world_send(world, top, &world->kinds[0], some(world, 1, SCHED_CLASSES - 1));
    }
    world_run(world, 8 * world->conf.ageing_step_us);
    sim_check(&world->sim, low->started > 0, "nothing of class %u started", low->class);
    world->on_start = NULL;
}

/* -- hosts that slow down ----------------------------------------------------------- */
static void start_afresh(struct world *world)
{
    for (size_t i = 0; i < world->host_count; i++)
        world->hosts[i].started = 0;
}

/* The mean of a host's limit meanwhile: it swings about what the host keeps up with. */
static double mean_limit(struct world *world, const struct world_host *host, int64_t for_us)
{
    enum { SAMPLES = 50 };
    double sum = 0;
    for (int i = 0; i < SAMPLES; i++) {
        world_run(world, for_us / SAMPLES);
        sum += control_sched_host_limit(&host->sched);
    }
    return sum / SAMPLES;
}

static void judge_crowded(struct world *world, const struct world_host *slow,
                          const struct world_host *well, double limit)
{
    sim_tell(&world->sim, "the slow host has %.2f of %u slots", limit, slow->sched.slots);
    sim_check(&world->sim, limit <= slow->sched.slots * 0.7,
              "the slow host still has %.2f of %u slots", limit, slow->sched.slots);
    sim_check(&world->sim, slow->started * 2 < well->started,
              "the slow host got %zu tasks, another %zu", slow->started, well->started);
    sim_check(&world->sim, control_sched_host_limit(&well->sched) == well->sched.slots,
              "a host that is well has %u of %u slots", control_sched_host_limit(&well->sched),
              well->sched.slots);
}

static void judge_well(struct world *world, const char *when)
{
    for (size_t i = 0; i < world->host_count; i++)
        sim_check(
            &world->sim,
            control_sched_host_limit(&world->hosts[i].sched) == world->hosts[i].sched.slots,
            "%s host %zu has %u of %u slots", when, i,
            control_sched_host_limit(&world->hosts[i].sched), world->hosts[i].sched.slots);
}

/* One host has too much beside: it gets less, until it is well again. Then all work becomes ten
 * times as long: no host is to blame, and all have their slots again soon. */
static void trial_slow(struct world *world)
{
    struct world_kind *kind =
        world_kind(world, "p0", 0, 0, false, sim_between(&world->sim, 30000, 100000));
    uint32_t slots = some(world, 4, 12);
    int64_t while_us = kind->base_us * 200;
    world_tenant(world, 1);
    world->conf.adaptive = true;
    world->cheap = true;
    world_configure(world);
    for (unsigned i = 0; i < 3; i++)
        world_host_up(world_host(world, "p0", ALL, slots, false));
    saturate(world, 100);
    world_run(world, while_us);
    judge_well(world, "from the beginning");
    world->hosts[0].crowded = 200;
    world_run(world, while_us);
    start_afresh(world);
    double limit = mean_limit(world, &world->hosts[0], while_us);
    judge_crowded(world, &world->hosts[0], &world->hosts[1], limit);
    world_host_well(&world->hosts[0]);
    world_run(world, while_us);
    judge_well(world, "well again,");
    kind->base_us *= 10;
    world_run(world, while_us * 10);
    judge_well(world, "with longer work");
    world->on_start = NULL;
}

void trial_run(uint64_t seed, bool trace)
{
    static void (*const trials[4])(struct world *) = {trial_shares, trial_flood, trial_ageing,
                                                      trial_slow};
    static struct world world;
    world_init(&world, seed, trace);
    if (seed % 16 < 4)
        trials[seed % 16](&world);
    else
        trial_chaos(&world);
    world_finish(&world);
    world_done(&world);
}
