/* What must hold whenever the scheduler has spoken. Everything is worked out anew from the
 * model, by going through all that waits. */
#include "sched_world.h"

#include <stdlib.h>

/* -- who could start ---------------------------------------------------------------- */
uint32_t world_limit_of(const struct world *world, const struct world_task *task)
{
    for (size_t i = 0; i < world->limit_count; i++) {
        const struct world_limit *limit = &world->limits[i];
        if ((limit->tenant < 0 || limit->tenant == (int)task->tenant->number) &&
            (limit->intent < 0 || limit->intent == (int)task->kind->intent_number) &&
            (limit->module < 0 || limit->module == (int)task->kind->module_number))
            return limit->value;
    }
    return 0;
}

static unsigned running_like(const struct world *world, const struct world_task *task)
{
    return world
        ->running[task->tenant->number][task->kind->intent_number][task->kind->module_number];
}

static bool is_parked(const struct world *world, const struct world_task *task)
{
    uint32_t limit = world_limit_of(world, task);
    return limit > 0 && running_like(world, task) >= limit;
}

static bool could_run(const struct world_host *host, const struct world_kind *kind)
{
    return host->up && strcmp(host->pool, kind->pool) == 0 &&
           (host->modules >> kind->module_number & 1) != 0 &&
           (kind->labels[0] == '\0' || host->gpu);
}

static bool has_slot(const struct world_host *host)
{
    return host->sched.open && host->sched.slots > 0 &&
           host->sched.running < control_sched_host_limit(&host->sched);
}

static bool any_host_free(const struct world *world, const struct world_kind *kind)
{
    for (size_t i = 0; i < world->host_count; i++)
        if (could_run(&world->hosts[i], kind) && has_slot(&world->hosts[i]))
            return true;
    return false;
}

struct company {
    size_t ready;
    int64_t oldest_us;
    uint32_t batch_max;
    int64_t wait_us;
};

static struct company company_of(const struct world *world, const struct world_kind *kind)
{
    struct company company = {
        .batch_max = SCHED_BATCH_MAX, .oldest_us = INT64_MAX, .wait_us = INT64_MAX};
    aion_list_each (link, (struct aion_link *)(uintptr_t)&world->waiting) {
        const struct world_task *task = aion_container(link, struct world_task, link);
        if (task->kind != kind || is_parked(world, task))
            continue;
        company.ready++;
        if (task->queued_us < company.oldest_us)
            company.oldest_us = task->queued_us;
    }
    for (size_t i = 0; i < world->host_count; i++)
        for (size_t k = 0; k < world->hosts[i].sched.offer_count; k++) {
            const struct control_sched_offer *offer = &world->hosts[i].offers[k];
            if (!could_run(&world->hosts[i], kind) || strcmp(offer->module, kind->module) != 0)
                continue;
            if (offer->batch_max < company.batch_max)
                company.batch_max = offer->batch_max;
            if (offer->batch_wait_us < company.wait_us)
                company.wait_us = offer->batch_wait_us;
        }
    if (company.batch_max < 2)
        company = (struct company){company.ready, company.oldest_us, 1, 0};
    return company;
}

/* It waits for company, and may. */
static bool may_be_held(const struct world *world, const struct world_kind *kind)
{
    struct company company = company_of(world, kind);
    return company.ready > 0 && company.ready < company.batch_max &&
           world->sim.now_us < company.oldest_us + company.wait_us;
}

void judge_eligible(struct world *world)
{
    bool free_host[WORLD_KINDS], held[WORLD_KINDS];
    if (world->cheap)
        return;
    for (size_t i = 0; i < world->kind_count; i++) {
        free_host[i] = any_host_free(world, &world->kinds[i]);
        held[i] = free_host[i] && may_be_held(world, &world->kinds[i]);
    }
    aion_list_each (link, &world->waiting) {
        struct world_task *task = aion_container(link, struct world_task, link);
        size_t kind = (size_t)(task->kind - world->kinds);
        task->eligible = free_host[kind] && !held[kind] && !is_parked(world, task);
    }
}

/* -- a pick ------------------------------------------------------------------------- */
static void judge_one(struct world *world, const struct world_task *task,
                      const struct world_host *host)
{
    struct sim *sim = &world->sim;
    uint32_t limit = world_limit_of(world, task);
    sim_check(sim, task->state == TASK_WAITS, "task %llu is started in state %d",
              (unsigned long long)task->number, (int)task->state);
    sim_check(sim, could_run(host, task->kind) && host->sched.open,
              "host %u cannot run %s for %s", host->number, task->kind->module,
              task->kind->labels);
    sim_check(sim, limit == 0 || running_like(world, task) < limit,
              "%u of %s run already, %u may", running_like(world, task), task->tenant->name,
              limit);
    int64_t step_us = world->conf.ageing_step_us, waited_us = sim->now_us - task->queued_us;
    int64_t climbed = step_us > 0 ? waited_us / step_us : 0;
    sim_check(sim, task->item.class + climbed >= task->class && task->item.class <= task->class,
              "class %u of %u after %lld us", task->item.class, task->class,
              (long long)waited_us);
}

static bool same_pool(const struct world_task *a, const struct world_task *b)
{
    return strcmp(a->kind->pool, b->kind->pool) == 0;
}

/* The first of a pick: of the most urgent class, and of its tenant the first that came. */
static void judge_order(struct world *world, const struct world_task *first)
{
    aion_list_each (link, &world->waiting) {
        const struct world_task *other = aion_container(link, struct world_task, link);
        if (other == first || !other->eligible || !same_pool(other, first))
            continue;
        sim_check(&world->sim, other->item.class >= first->item.class,
                  "task %llu of class %u starts before task %llu of class %u",
                  (unsigned long long)first->number, first->item.class,
                  (unsigned long long)other->number, other->item.class);
        sim_check(&world->sim,
                  other->tenant != first->tenant || other->class != first->class ||
                      other->item.class != first->item.class || other->number > first->number,
                  "task %llu of %s starts before its task %llu",
                  (unsigned long long)first->number, first->tenant->name,
                  (unsigned long long)other->number);
    }
}

static void judge_batch(struct world *world, const struct control_sched_pick *pick)
{
    const struct world_task *first = world_task_of(pick->items[0]);
    struct company company = company_of(world, first->kind);
    sim_check(&world->sim, pick->count <= company.batch_max, "a batch of %zu, %u may be",
              pick->count, company.batch_max);
    for (size_t i = 0; pick->count > 1 && i < pick->count; i++)
        sim_check(&world->sim,
                  world_task_of(pick->items[i])->kind == first->kind &&
                      world_task_of(pick->items[i])->starts == 0,
                  "task %llu has other company", (unsigned long long)first->number);
}

/* -- fairness ----------------------------------------------------------------------- */
static void mark_tenants(const struct world *world, const struct world_task *first,
                         bool could[WORLD_TENANTS])
{
    memset(could, 0, WORLD_TENANTS * sizeof(*could));
    could[first->tenant->number] = true;
    aion_list_each (link, (struct aion_link *)(uintptr_t)&world->waiting) {
        const struct world_task *task = aion_container(link, struct world_task, link);
        if (task->eligible && same_pool(task, first) && task->item.class == first->item.class)
            could[task->tenant->number] = true;
    }
}

/* Both could start something at every pick since the pair began: what they were served differs
 * by no more than a task or two of each, whatever the tasks cost; a batch adds its size. */
static void judge_pair(struct world *world, struct world_pair *pair, size_t a, size_t b)
{
    double cost = (double)world->cost_max_us, batch = 1;
    for (size_t i = 0; i < world->host_count; i++)
        for (size_t k = 0; k < world->hosts[i].sched.offer_count; k++)
            if (world->hosts[i].offers[k].batch_max > batch)
                batch = world->hosts[i].offers[k].batch_max;
    double each = cost / world->tenants[a].weight + cost / world->tenants[b].weight + 2;
    double gap = pair->served[0] - pair->served[1];
    gap = gap < 0 ? -gap : gap;
    sim_check(&world->sim, gap <= each * (1 + batch),
              "t%zu was served %.0f, t%zu %.0f by weight: more than %.0f apart", a,
              pair->served[0], b, pair->served[1], each * (1 + batch));
}

static void judge_fairness(struct world *world, const struct control_sched_pick *pick,
                           const int64_t *costs)
{
    const struct world_task *first = world_task_of(pick->items[0]);
    size_t pool = strcmp(first->kind->pool, world->kinds[0].pool) != 0;
    unsigned class = first->item.class;
    bool could[WORLD_TENANTS];
    mark_tenants(world, first, could);
    for (size_t a = 0; a < world->tenant_count; a++)
        for (size_t b = a + 1; b < world->tenant_count; b++) {
            struct world_pair *pair = &world->pairs[pool][class][a][b];
            bool both = could[a] && could[b];
            if (!both || !pair->both)
                *pair = (struct world_pair){.both = both};
            for (size_t i = 0; both && i < pick->count; i++) {
                const struct world_task *task = world_task_of(pick->items[i]);
                size_t who = task->tenant->number;
                if (task->item.class == class && (who == a || who == b))
                    pair->served[who == b] += (double)costs[i] / task->tenant->weight;
            }
            if (both)
                judge_pair(world, pair, a, b);
        }
}

void judge_pick(struct world *world, const struct control_sched_pick *pick)
{
    const struct world_host *host = aion_container(pick->host, struct world_host, sched);
    int64_t costs[SCHED_BATCH_MAX];
    sim_check(&world->sim, pick->count >= 1 && pick->count <= SCHED_BATCH_MAX, "%zu picked",
              pick->count);
    sim_check(&world->sim,
              host->sched.running <= control_sched_host_limit(&host->sched) &&
                  control_sched_host_limit(&host->sched) <= host->sched.slots,
              "host %u has %u running, %u allowed, %u slots", host->number, host->sched.running,
              control_sched_host_limit(&host->sched), host->sched.slots);
    for (size_t i = 0; i < pick->count; i++) {
        struct world_task *task = world_task_of(pick->items[i]);
        judge_one(world, task, host);
        costs[i] = control_sched_cost(task->item.run->lane);
        task->tenant->served_us += costs[i];
        if (costs[i] > world->cost_max_us)
            world->cost_max_us = costs[i];
    }
    if (world->cheap)
        return;
    judge_batch(world, pick);
    judge_order(world, world_task_of(pick->items[0]));
    judge_fairness(world, pick, costs);
}

/* -- rest --------------------------------------------------------------------------- */
void judge_rest(struct world *world, int64_t wake_us)
{
    sim_check(&world->sim, wake_us == 0 || wake_us > world->sim.now_us, "woken at %lld",
              (long long)wake_us);
    if (world->cheap)
        return;
    for (size_t i = 0; i < world->kind_count; i++) {
        const struct world_kind *kind = &world->kinds[i];
        struct company company = company_of(world, kind);
        if (company.ready == 0 || !any_host_free(world, kind))
            continue;
        sim_check(&world->sim, may_be_held(world, kind),
                  "%zu tasks of %s/%s could start, and do not", company.ready, kind->module,
                  kind->intent);
        sim_check(&world->sim, wake_us > 0 && wake_us <= company.oldest_us + company.wait_us,
                  "a batch is woken at %lld, not %lld", (long long)wake_us,
                  (long long)(company.oldest_us + company.wait_us));
    }
}

void judge_counts(struct world *world)
{
    const struct control_sched *sched = &world->sched;
    size_t asked = 0;
    for (size_t i = 0; i < SCHED_CLASSES; i++)
        asked += sched->asked_count[i];
    sim_check(&world->sim,
              sched->count == world->waiting_count && sched->bytes == world->bytes &&
                  asked == sched->count && sched->reserved == world->away_count &&
                  sched->reserved_bytes == world->reserved_bytes,
              "%zu wait, %zu in the model; %zu are away, %zu", sched->count,
              world->waiting_count, sched->reserved, world->away_count);
    sim_check(&world->sim,
              world->sent_count == world->waiting_count + world->away_count +
                                       world->running_count + world->ended_count,
              "%zu were sent", world->sent_count);
}

/* -- admission ---------------------------------------------------------------------- */
static size_t four_fifths(size_t own, size_t all)
{
    return own > 0 ? own : all - all / 5;
}

static void judge_shed(struct world *world, unsigned class)
{
    const struct control_sched *sched = &world->sched;
    size_t tasks = (sched->count + sched->reserved) * 1000 / world->conf.tasks_max;
    size_t bytes = (sched->bytes + sched->reserved_bytes) * 1000 / world->conf.bytes_max;
    size_t fill = tasks > bytes ? tasks : bytes;
    sim_check(&world->sim, fill >= 800 && class > 0, "class %u is shed at %zu/1000", class,
              fill);
    for (unsigned lower = class; lower < SCHED_CLASSES; lower++)
        sim_check(&world->sim, sched->shedding[lower], "class %u is shed before class %u",
                  class, lower);
}

void judge_refusal(struct world *world, const struct world_tenant *tenant, unsigned class,
                   size_t bytes, const struct aion_err *err)
{
    const struct control_sched *sched = &world->sched;
    bool taken = err == NULL;
    size_t count = sched->count + sched->reserved - taken;
    size_t held = sched->bytes + sched->reserved_bytes - (taken ? bytes : 0);
    bool full = count >= world->conf.tasks_max || held + bytes > world->conf.bytes_max;
    bool own_full = tenant->waiting + tenant->reserved >=
                        four_fifths(world->conf.tenant_tasks_max, world->conf.tasks_max) ||
                    tenant->bytes + tenant->reserved_bytes + bytes >
                        four_fifths(world->conf.tenant_bytes_max, world->conf.bytes_max);
    if (taken) {
        sim_check(&world->sim, !full && !own_full, "taken, though full");
        return;
    }
    sim_check(&world->sim,
              err->code == AION_EXHAUSTED && err->retriable && err->retry_after_ms > 0,
              "refused with %d, %s", (int)err->code, err->text);
    if (strcmp(err->reason, "QUEUE_FULL") == 0) {
        world->refused[0]++;
        sim_check(&world->sim, full, "%s, but it has room", err->text);
    } else if (strcmp(err->reason, "TENANT_QUEUE_FULL") == 0) {
        world->refused[1]++;
        sim_check(&world->sim, own_full, "%s, but it has room", err->text);
    } else {
        world->refused[2]++;
        judge_shed(world, class);
    }
}
