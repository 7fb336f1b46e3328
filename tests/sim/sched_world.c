#include "sched_world.h"

#include <stdio.h>
#include <stdlib.h>

enum { COMMIT_US = 2000, GRACE_US = 300000 };

/* -- building ----------------------------------------------------------------------- */
static void wake_up(struct sim_event *event)
{
    world_dispatch(aion_container(event, struct world, wake));
}

void world_init(struct world *world, uint64_t seed, bool trace)
{
    *world = (struct world){.cost_max_us = SCHED_COST_UNKNOWN};
    sim_init(&world->sim, seed, trace);
    control_sched_init(&world->sched, seed);
    world->conf =
        (struct control_sched_conf){.tasks_max = 1000000, .bytes_max = (size_t)1 << 40};
    aion_list_init(&world->waiting);
    aion_list_init(&world->orphans);
    world->wake.fire = wake_up;
}

void world_done(struct world *world)
{
    for (size_t i = 0; i < world->host_count; i++)
        control_sched_host_remove(&world->sched, &world->hosts[i].sched);
    control_sched_done(&world->sched);
    sim_done(&world->sim);
}

struct world_kind *world_kind(struct world *world, const char *pool, unsigned module,
                              unsigned intent, bool gpu, int64_t base_us)
{
    struct world_kind *kind = &world->kinds[world->kind_count++];
    snprintf(kind->pool, sizeof(kind->pool), "%s", pool);
    snprintf(kind->module, sizeof(kind->module), "m%u", module);
    snprintf(kind->intent, sizeof(kind->intent), "i%u", intent);
    snprintf(kind->labels, sizeof(kind->labels), "%s", gpu ? "gpu=true" : "");
    kind->module_number = module;
    kind->intent_number = intent;
    kind->base_us = base_us;
    return kind;
}

static void arrive(struct sim_event *event);

struct world_tenant *world_tenant(struct world *world, uint32_t weight)
{
    struct world_tenant *tenant = &world->tenants[world->tenant_count];
    tenant->world = world;
    tenant->number = (unsigned)world->tenant_count++;
    tenant->weight = weight;
    tenant->arrival.fire = arrive;
    tenant->class_spread = 1;
    snprintf(tenant->name, sizeof(tenant->name), "t%u", tenant->number);
    return tenant;
}

static void live(struct sim_event *event);

struct world_host *world_host(struct world *world, const char *pool, uint32_t modules,
                              uint32_t slots, bool gpu)
{
    static const char *const names[WORLD_MODULES] = {"m0", "m1", "m2", "m3"};
    struct world_host *host = &world->hosts[world->host_count];
    host->world = world;
    host->number = (unsigned)world->host_count++;
    host->modules = modules;
    host->gpu = gpu;
    host->slow = 100;
    host->life.fire = live;
    snprintf(host->pool, sizeof(host->pool), "%s", pool);
    host->labels[0] = (struct control_sched_label){AION_STR("gpu"), AION_STR("true")};
    host->sched = (struct control_sched_host){.pool_name = host->pool,
                                              .offers = host->offers,
                                              .labels = host->labels,
                                              .label_count = gpu ? 1 : 0,
                                              .slots = slots};
    for (unsigned i = 0; i < WORLD_MODULES; i++)
        if (modules >> i & 1)
            host->offers[host->sched.offer_count++].module = names[i];
    aion_list_init(&host->tasks);
    return host;
}

static size_t add_limit(const struct world_limit *limit, char *out, size_t size)
{
    char tenant[12] = "*", intent[12] = "*", module[12] = "*";
    if (limit->tenant >= 0)
        snprintf(tenant, sizeof(tenant), "t%d", limit->tenant);
    if (limit->intent >= 0)
        snprintf(intent, sizeof(intent), "i%d", limit->intent);
    if (limit->module >= 0)
        snprintf(module, sizeof(module), "m%d", limit->module);
    return (size_t)snprintf(out, size, "%s/%s/%s=%u,", tenant, intent, module, limit->value);
}

void world_configure(struct world *world)
{
    struct aion_err err;
    size_t used = 0;
    for (size_t i = 0; i < world->tenant_count; i++)
        used += (size_t)snprintf(world->weights_text + used, sizeof(world->weights_text) - used,
                                 "%st%zu=%u", i > 0 ? "," : "", i, world->tenants[i].weight);
    used = 0;
    world->limits_text[0] = '\0';
    for (size_t i = 0; i < world->limit_count; i++)
        used += add_limit(&world->limits[i], world->limits_text + used,
                          sizeof(world->limits_text) - used);
    if (used > 0)
        world->limits_text[used - 1] = '\0';
    world->conf.weights = world->weights_text;
    world->conf.limits = world->limits_text;
    memset(world->pairs, 0, sizeof(world->pairs));
    sim_check(&world->sim, control_sched_configure(&world->sched, &world->conf, &err), "%s",
              err.text);
}

/* -- tasks -------------------------------------------------------------------------- */
static struct control_sched_place place_of(const struct world_tenant *tenant,
                                           const struct world_kind *kind)
{
    return (struct control_sched_place){.tenant = aion_str_of(tenant->name),
                                        .pool = aion_str_of(kind->pool),
                                        .module = aion_str_of(kind->module),
                                        .intent = aion_str_of(kind->intent),
                                        .labels = aion_str_of(kind->labels)};
}

static void queue(struct world_task *task)
{
    struct world *world = task->tenant->world;
    struct control_sched_place place = place_of(task->tenant, task->kind);
    task->state = TASK_WAITS;
    task->number = ++world->next_number;
    task->queued_us = world->sim.now_us;
    aion_list_add_last(&world->waiting, &task->link);
    world->waiting_count++;
    world->bytes += task->bytes;
    task->tenant->waiting++;
    task->tenant->bytes += task->bytes;
    place.alone = task->starts > 0;
    control_sched_add(&world->sched, &task->item, &place, task->class, task->bytes,
                      world->sim.now_us);
    world_dispatch(world);
}

static void leave_waiting(struct world_task *task)
{
    struct world *world = task->tenant->world;
    aion_list_remove(&task->link);
    world->waiting_count--;
    world->bytes -= task->bytes;
    task->tenant->waiting--;
    task->tenant->bytes -= task->bytes;
}

static void end(struct world_task *task)
{
    struct world *world = task->tenant->world;
    task->state = TASK_ENDED;
    world->ended_count++;
    if (world->on_end != NULL)
        world->on_end(world, task);
    free(task);
}

/* Its acknowledgement is written: it is queued. */
static void committed(struct sim_event *event)
{
    struct world_task *task = aion_container(event, struct world_task, event);
    struct world *world = task->tenant->world;
    control_sched_unreserve(&world->sched, &task->ticket);
    world->away_count--;
    world->reserved_bytes -= task->bytes;
    task->tenant->reserved--;
    task->tenant->reserved_bytes -= task->bytes;
    queue(task);
}

struct world_task *world_send(struct world *world, struct world_tenant *tenant,
                              const struct world_kind *kind, unsigned class)
{
    struct control_sched_place place = place_of(tenant, kind);
    struct control_sched_ticket ticket = {0};
    struct aion_err err;
    size_t bytes = 500 + sim_below(&world->sim, 1000);
    bool taken = control_sched_reserve(&world->sched, aion_str_of(tenant->name), class, bytes,
                                       &ticket, &err);
    judge_refusal(world, tenant, class, bytes, taken ? NULL : &err);
    if (taken && !control_sched_admit(&world->sched, &place, class, &err)) {
        control_sched_unreserve(&world->sched, &ticket);
        world->refused[3]++;
        taken = false;
    }
    struct world_task *task = taken ? calloc(1, sizeof(*task)) : NULL;
    if (task == NULL)
        return NULL;
    control_sched_item_init(&task->item);
    task->ticket = ticket;
    task->tenant = tenant;
    task->kind = kind;
    task->class = class;
    task->bytes = bytes;
    task->size_percent = sim_between(&world->sim, 70, 130);
    task->event.fire = committed;
    world->sent_count++;
    world->away_count++;
    world->reserved_bytes += bytes;
    tenant->reserved++;
    tenant->reserved_bytes += bytes;
    sim_set(&world->sim, &task->event, sim_between(&world->sim, 0, COMMIT_US));
    return task;
}

static const struct world_kind *any_kind(struct world *world, uint32_t kinds)
{
    for (;;) {
        size_t number = sim_below(&world->sim, world->kind_count);
        if (kinds >> number & 1)
            return &world->kinds[number];
    }
}

static void arrive(struct sim_event *event)
{
    struct world_tenant *tenant = aion_container(event, struct world_tenant, arrival);
    struct world *world = tenant->world;
    for (unsigned i = 0; i < tenant->burst && tenant->most > 0; i++) {
        unsigned class = tenant->class + (unsigned)sim_below(&world->sim, tenant->class_spread);
        if (world_send(world, tenant, any_kind(world, tenant->kinds), class) != NULL ||
            !tenant->retries)
            tenant->most--;
    }
    if (tenant->most > 0)
        sim_set(&world->sim, &tenant->arrival, sim_around(&world->sim, tenant->every_us));
}

void world_arrivals(struct world *world, struct world_tenant *tenant)
{
    sim_set(&world->sim, &tenant->arrival, sim_around(&world->sim, tenant->every_us));
}

/* -- running ------------------------------------------------------------------------ */
static void count_running(struct world_task *task, int change)
{
    struct world *world = task->tenant->world;
    world
        ->running[task->tenant->number][task->kind->intent_number][task->kind->module_number] +=
        (unsigned)change;
    world->running_count += (size_t)change;
}

static void ended(struct sim_event *event)
{
    struct world_task *task = aion_container(event, struct world_task, event);
    struct world *world = task->tenant->world;
    aion_list_remove(&task->link);
    count_running(task, -1);
    control_sched_end(&world->sched, &task->item, world->sim.now_us,
                      !sim_chance(&world->sim, 5));
    sim_tell(&world->sim, "%s task %llu ends on host %u", task->tenant->name,
             (unsigned long long)task->number, task->host->number);
    end(task);
    world_dispatch(world);
}

static int64_t run_time(struct world_task *task, struct world_host *host)
{
    int64_t us = task->kind->base_us * task->size_percent / 100 * host->slow / 100;
    if (host->crowded > 0 && host->sched.running > 1)
        us += us * host->crowded * (host->sched.running - 1) / 100;
    return us > 0 ? us : 1;
}

/* Tasks of a batch end one after the other, the later ones sooner than alone. */
static void start(struct world *world, struct world_task *task, struct world_host *host,
                  int64_t after_us)
{
    leave_waiting(task);
    task->state = TASK_RUNS;
    task->host = host;
    task->starts++;
    task->started_us = world->sim.now_us;
    task->event.fire = ended;
    count_running(task, 1);
    aion_list_add_last(&host->tasks, &task->link);
    task->tenant->started++;
    host->started++;
    sim_tell(&world->sim, "%s task %llu class %u->%u starts on host %u, waited %lld us",
             task->tenant->name, (unsigned long long)task->number, task->class,
             task->item.class, host->number, (long long)(world->sim.now_us - task->queued_us));
    sim_set(&world->sim, &task->event, after_us);
    if (host->stalled) {
        task->left_us = after_us;
        sim_cancel(&world->sim, &task->event);
    }
    if (world->on_start != NULL)
        world->on_start(world, task);
}

static void start_all(struct world *world, const struct control_sched_pick *pick)
{
    struct world_host *host = aion_container(pick->host, struct world_host, sched);
    int64_t after_us = 0;
    for (size_t i = 0; i < pick->count; i++) {
        struct world_task *task = world_task_of(pick->items[i]);
        int64_t run_us = run_time(task, host);
        after_us += i == 0 ? run_us : run_us / 4;
        start(world, task, host, after_us);
    }
}

void world_dispatch(struct world *world)
{
    struct control_sched_pick pick;
    int64_t wake_us;
    for (;;) {
        judge_eligible(world);
        if (!control_sched_next(&world->sched, world->sim.now_us, &pick, &wake_us))
            break;
        judge_pick(world, &pick);
        start_all(world, &pick);
    }
    judge_rest(world, wake_us);
    if (wake_us > 0)
        sim_set(&world->sim, &world->wake, wake_us - world->sim.now_us);
}

/* -- hosts -------------------------------------------------------------------------- */
void world_host_up(struct world_host *host)
{
    struct world *world = host->world;
    host->up = true;
    sim_tell(&world->sim, "host %u comes", host->number);
    control_sched_host_add(&world->sched, &host->sched);
    aion_list_each_safe (link, &world->orphans) {
        struct world_task *task = aion_container(link, struct world_task, link);
        struct control_sched_place place = place_of(task->tenant, task->kind);
        if (task->host != host || sim_chance(&world->sim, 50))
            continue;
        aion_list_remove(&task->link);
        aion_list_add_last(&host->tasks, &task->link);
        task->state = TASK_RUNS;
        task->event.fire = ended;
        control_sched_adopt(&world->sched, &task->item, &place, &host->sched,
                            world->sim.now_us);
        sim_set(&world->sim, &task->event, run_time(task, host) / 2);
    }
    control_sched_host_set(&world->sched, &host->sched, host->sched.slots, true);
    world_dispatch(world);
}

/* Its host did not come back with it: it is tried again. */
static void lost(struct sim_event *event)
{
    struct world_task *task = aion_container(event, struct world_task, event);
    struct world *world = task->tenant->world;
    aion_list_remove(&task->link);
    count_running(task, -1);
    control_sched_end(&world->sched, &task->item, world->sim.now_us, false);
    queue(task);
}

void world_host_down(struct world_host *host)
{
    struct world *world = host->world;
    host->up = host->stalled = false;
    sim_tell(&world->sim, "host %u goes", host->number);
    while (!aion_list_empty(&host->tasks)) {
        struct world_task *task = aion_container(host->tasks.next, struct world_task, link);
        aion_list_remove(&task->link);
        aion_list_add_last(&world->orphans, &task->link);
        task->state = TASK_ORPHANED;
        task->event.fire = lost;
        struct control_sched_place place = place_of(task->tenant, task->kind);
        control_sched_orphan(&world->sched, &task->item, &place);
        sim_set(&world->sim, &task->event, GRACE_US);
    }
    control_sched_host_remove(&world->sched, &host->sched);
}

static void stall(struct world_host *host)
{
    struct world *world = host->world;
    host->stalled = true;
    sim_tell(&world->sim, "host %u stalls", host->number);
    aion_list_each (link, &host->tasks) {
        struct world_task *task = aion_container(link, struct world_task, link);
        task->left_us = task->event.node.key - world->sim.now_us;
        sim_cancel(&world->sim, &task->event);
    }
}

void world_host_well(struct world_host *host)
{
    struct world *world = host->world;
    host->slow = 100;
    host->crowded = 0;
    if (host->stalled)
        aion_list_each (link, &host->tasks) {
            struct world_task *task = aion_container(link, struct world_task, link);
            sim_set(&world->sim, &task->event, task->left_us);
        }
    host->stalled = false;
    if (!host->up)
        world_host_up(host);
    control_sched_host_set(&world->sched, &host->sched, host->sched.slots, true);
    world_dispatch(world);
}

/* From trouble to being well, and on to the next trouble. */
static void live(struct sim_event *event)
{
    struct world_host *host = aion_container(event, struct world_host, life);
    struct world *world = host->world;
    bool well = host->up && !host->stalled && host->slow == 100 && host->sched.open;
    switch (well ? sim_below(&world->sim, 5) : 9) {
    case 0:
        world_host_down(host);
        break;
    case 1:
        stall(host);
        break;
    case 2:
        host->slow = (unsigned)sim_between(&world->sim, 200, 2000);
        break;
    case 3: /* it drains, or its stream is full */
        control_sched_host_set(&world->sched, &host->sched, host->sched.slots, false);
        break;
    case 4:
        control_sched_host_set(&world->sched, &host->sched,
                               (uint32_t)sim_between(&world->sim, 1, 8), true);
        world_dispatch(world);
        break;
    default:
        world_host_well(host);
        break;
    }
    sim_set(&world->sim, &host->life, sim_around(&world->sim, host->trouble_every_us));
}

void world_troubles(struct world *world, struct world_host *host)
{
    sim_set(&world->sim, &host->life, sim_around(&world->sim, host->trouble_every_us));
}

/* -- time --------------------------------------------------------------------------- */
static void cancel_one(struct world *world)
{
    size_t at = sim_below(&world->sim, world->waiting_count);
    struct aion_link *link = world->waiting.next;
    while (at-- > 0)
        link = link->next;
    struct world_task *task = aion_container(link, struct world_task, link);
    leave_waiting(task);
    control_sched_remove(&world->sched, &task->item);
    control_sched_remove(&world->sched, &task->item); /* absent: nothing */
    end(task);
}

void world_run(struct world *world, int64_t for_us)
{
    int64_t until_us = world->sim.now_us + for_us;
    while (sim_step(&world->sim, until_us)) {
        judge_counts(world);
        if (world->waiting_count > 0 && sim_chance(&world->sim, world->cancel_percent))
            cancel_one(world);
    }
}

void world_finish(struct world *world)
{
    for (size_t i = 0; i < world->tenant_count; i++)
        world->tenants[i].most = 0;
    for (size_t i = 0; i < world->host_count; i++) {
        sim_cancel(&world->sim, &world->hosts[i].life);
        world_host_well(&world->hosts[i]);
    }
    world_run(world, (int64_t)86400 * 1000000);
    sim_check(&world->sim,
              world->ended_count == world->sent_count && world->running_count == 0 &&
                  aion_list_empty(&world->waiting),
              "%zu of %zu tasks ended, %zu wait, %zu run", world->ended_count,
              world->sent_count, world->waiting_count, world->running_count);
    judge_counts(world);
    sim_check(&world->sim, world->sched.count == 0 && world->sched.running == 0,
              "the scheduler still has %zu waiting, %zu running", world->sched.count,
              world->sched.running);
}
