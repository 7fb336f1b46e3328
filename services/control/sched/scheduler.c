/* The life of a task in the scheduler: queued, picked, run. */
#include "sched_private.h"

#include <assert.h>
#include <stdlib.h>

/* -- life --------------------------------------------------------------------------- */
enum { NAMES_MAX = 1 << 26 }; /* of the maps alone; the queue's bounds come first */

void control_sched_init(struct control_sched *sched, uint64_t seed)
{
    *sched = (struct control_sched){.next_turn = 0};
    aion_rand_seed(&sched->rand, seed);
    aion_map_init(&sched->tenants_by_name, NAMES_MAX);
    aion_map_init(&sched->lanes_by_name, NAMES_MAX);
    aion_map_init(&sched->gates_by_name, NAMES_MAX);
    aion_map_init(&sched->pools_by_name, NAMES_MAX);
    aion_list_init(&sched->pools);
    aion_list_init(&sched->lanes);
    aion_list_init(&sched->idle_tenants);
    aion_list_init(&sched->idle_lanes);
    aion_list_init(&sched->changed_tenants);
}

void control_sched_done(struct control_sched *sched)
{
    control_sched_forget(sched);
    assert(aion_list_empty(&sched->pools));
    aion_map_done(&sched->tenants_by_name);
    aion_map_done(&sched->lanes_by_name);
    aion_map_done(&sched->gates_by_name);
    aion_map_done(&sched->pools_by_name);
    control_sched_rules_free(sched->rules);
    sched->rules = NULL;
}

static void apply_rules(struct control_sched *sched)
{
    const struct control_sched_tenant *tenant;
    struct control_sched_gate *gate;
    size_t cursor = 0;
    while ((tenant = aion_map_next(&sched->tenants_by_name, &cursor)) != NULL)
        control_sched_tenant_weigh(aion_map_get(&sched->tenants_by_name, tenant->name),
                                   control_sched_rules_weight(sched->rules, tenant->name));
    cursor = 0;
    while ((gate = aion_map_next(&sched->gates_by_name, &cursor)) != NULL)
        control_sched_gate_limit(gate,
                                 control_sched_rules_limit(sched->rules, gate->tenant->name,
                                                           gate->intent, gate->module));
}

bool control_sched_configure(struct control_sched *sched, const struct control_sched_conf *conf,
                             struct aion_err *err)
{
    struct control_sched_rules *rules =
        control_sched_rules_new(conf->weights, conf->limits, err);
    if (rules == NULL)
        return false;
    control_sched_rules_free(sched->rules);
    sched->rules = rules;
    sched->conf = *conf;
    sched->conf.weights = sched->conf.limits = NULL;
    apply_rules(sched);
    return true;
}

/* -- waiting ------------------------------------------------------------------------ */
void control_sched_item_init(struct control_sched_item *item)
{
    *item = (struct control_sched_item){.bytes = 0};
    aion_list_init(&item->link);
    aion_list_init(&item->age);
}

static void count_waiting(struct control_sched *sched, const struct control_sched_item *item,
                          int change)
{
    struct control_sched_tenant *tenant = item->gate->tenant;
    size_t tasks = (size_t)change, bytes = change > 0 ? item->bytes : 0 - item->bytes;
    sched->count += tasks; /* modulo 2^64 */
    sched->bytes += bytes;
    sched->asked_count[item->asked] += tasks;
    tenant->waiting += tasks;
    tenant->waiting_bytes += bytes;
}

void control_sched_add(struct control_sched *sched, struct control_sched_item *item,
                       const struct control_sched_place *place, unsigned class, size_t bytes,
                       int64_t now_us)
{
    assert(item->flow == NULL && item->run == NULL && !item->counted);
    struct control_sched_lane *lane = control_sched_lane_of(sched, place);
    struct control_sched_gate *gate = control_sched_gate_of(sched, place);
    item->asked = (unsigned char)(class < SCHED_CLASSES ? class : SCHED_CLASSES - 1);
    item->bytes = bytes;
    item->since_us = now_us;
    item->alone = place->alone;
    control_sched_flow_push(sched, lane, gate, item, item->asked);
    control_sched_age_add(lane->pool, item);
    count_waiting(sched, item, 1);
    control_sched_lane_changed(sched, lane);
    control_sched_tenant_changed(sched, gate->tenant);
}

/* Out of its flow; it keeps its gate. */
static struct control_sched_flow *leave_queue(struct control_sched *sched,
                                              struct control_sched_item *item)
{
    count_waiting(sched, item, -1);
    aion_list_remove(&item->age);
    return control_sched_flow_pull(item);
}

void control_sched_remove(struct control_sched *sched, struct control_sched_item *item)
{
    if (item->flow == NULL)
        return;
    struct control_sched_lane *lane = item->flow->lane;
    struct control_sched_gate *gate = item->gate;
    struct control_sched_flow *rest = leave_queue(sched, item);
    if (rest != NULL)
        control_sched_flow_place(rest);
    item->gate = NULL;
    control_sched_gate_drop(sched, gate);
    control_sched_lane_changed(sched, lane);
}

/* -- running ------------------------------------------------------------------------ */
static struct control_sched_run *run_new(struct control_sched_lane *lane,
                                         struct control_sched_host *host, int64_t now_us)
{
    struct control_sched_run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        abort();
    run->lane = lane;
    run->host = host;
    run->begun_us = now_us;
    run->good = true;
    lane->runs++;
    control_sched_host_take(host);
    return run;
}

static void enter_run(struct control_sched *sched, struct control_sched_item *item,
                      struct control_sched_run *run)
{
    item->run = run;
    run->count++;
    run->left++;
    run->host->tasks++;
    run->lane->pool->running++;
    sched->running++;
}

/* The mean of about the last sixteen tasks. */
static void learn_cost(struct control_sched_lane *lane, int64_t run_us)
{
    const int64_t hour_us = (int64_t)3600 * 1000000;
    int64_t cost_us = run_us < 1 ? 1 : run_us > hour_us ? hour_us : run_us;
    lane->cost_us =
        lane->cost_us == 0 ? cost_us : lane->cost_us + (cost_us - lane->cost_us) / 16;
}

static void run_over(struct control_sched *sched, struct control_sched_run *run, int64_t now_us)
{
    struct control_sched_lane *lane = run->lane;
    if (run->good) {
        int64_t run_us = (now_us - run->begun_us) / (int64_t)run->count;
        learn_cost(lane, run_us);
        control_sched_host_learn(sched, run->host, lane, now_us, run_us);
    }
    control_sched_host_release(run->host);
    lane->runs--;
    free(run);
    control_sched_lane_changed(sched, lane);
}

static void leave_run(struct control_sched *sched, struct control_sched_item *item,
                      int64_t now_us, bool good)
{
    struct control_sched_run *run = item->run;
    item->run = NULL;
    run->good = run->good && good;
    run->host->tasks--;
    run->lane->pool->running--;
    sched->running--;
    if (--run->left == 0)
        run_over(sched, run, now_us);
}

/* For its tenant, unless it is counted already. */
static void count_running(struct control_sched *sched, struct control_sched_item *item,
                          const struct control_sched_place *place)
{
    if (item->counted)
        return;
    item->gate = control_sched_gate_of(sched, place);
    control_sched_gate_enter(item);
    control_sched_tenant_changed(sched, item->gate->tenant);
}

void control_sched_adopt(struct control_sched *sched, struct control_sched_item *item,
                         const struct control_sched_place *place,
                         struct control_sched_host *host, int64_t now_us)
{
    assert(item->flow == NULL && item->run == NULL && host->pool != NULL);
    struct control_sched_lane *lane = control_sched_lane_of(sched, place);
    count_running(sched, item, place);
    enter_run(sched, item, run_new(lane, host, now_us));
    item->run->good = false; /* when it began is not known */
    control_sched_lane_changed(sched, lane);
}

void control_sched_orphan(struct control_sched *sched, struct control_sched_item *item,
                          const struct control_sched_place *place)
{
    if (item->run != NULL)
        leave_run(sched, item, 0, false);
    count_running(sched, item, place);
}

void control_sched_end(struct control_sched *sched, struct control_sched_item *item,
                       int64_t now_us, bool good)
{
    if (item->run != NULL)
        leave_run(sched, item, now_us, good);
    control_sched_gate_leave(sched, item);
}

/* -- picking ------------------------------------------------------------------------ */
static struct control_sched_item *head_of(const struct control_sched_flow *flow)
{
    return aion_container(flow->items.next, struct control_sched_item, link);
}

/* A batch waits for company, until enough of it is there or its time is over. */
static bool is_held(const struct control_sched_flow *flow, int64_t now_us, int64_t *wake_us)
{
    const struct control_sched_lane *lane = flow->lane;
    int64_t until_us = lane->ready_since_us + lane->batch_wait_us;
    if (lane->ready >= lane->batch_max || now_us >= until_us || head_of(flow)->alone)
        return false;
    if (*wake_us == 0 || until_us < *wake_us)
        *wake_us = until_us;
    return true;
}

/* Whose turn it is in the most urgent class that has something for a free host. */
static struct control_sched_flow *first_flow(const struct control_sched_pool *pool,
                                             int64_t now_us, int64_t *wake_us)
{
    struct control_sched_flow *best = NULL;
    for (unsigned each = 0; each < SCHED_CLASSES && best == NULL; each++)
        aion_list_each (link, &pool->busy) {
            const struct control_sched_lane *lane =
                aion_container(link, struct control_sched_lane, busy);
            const struct control_sched_heap *heap = &lane->heaps[each];
            if (heap->count == 0 || lane->free == 0 || is_held(heap->flows[0], now_us, wake_us))
                continue;
            if (best == NULL || control_sched_before(&heap->flows[0]->key, &best->key))
                best = heap->flows[0];
        }
    return best;
}

static void take(struct control_sched *sched, struct control_sched_flow *flow,
                 struct control_sched_run *run, struct control_sched_pick *pick)
{
    struct control_sched_item *item = head_of(flow);
    struct control_sched_member *member = flow->member;
    unsigned class = flow->class;
    (void)leave_queue(sched, item);
    enter_run(sched, item, run);
    control_sched_gate_enter(item);
    control_sched_share_serve(sched, member, class, control_sched_cost(run->lane));
    control_sched_tenant_changed(sched, member->tenant);
    pick->items[pick->count++] = item;
}

static struct control_sched_flow *next_of_lane(const struct control_sched_lane *lane)
{
    for (unsigned each = 0; each < SCHED_CLASSES; each++)
        if (lane->heaps[each].count > 0)
            return lane->heaps[each].flows[0];
    return NULL;
}

/* The first, and its company: in the order in which the lane's tasks would start anyway, each
 * on its own tenant's account. */
static void fill(struct control_sched *sched, struct control_sched_flow *flow, int64_t now_us,
                 struct control_sched_pick *pick)
{
    struct control_sched_lane *lane = flow->lane;
    struct control_sched_run *run;
    size_t bytes = 0;
    pick->host = control_sched_host_for(sched, lane);
    pick->count = 0;
    run = run_new(lane, pick->host, now_us);
    do {
        take(sched, flow, run, pick);
        bytes += pick->items[pick->count - 1]->bytes;
        flow = next_of_lane(lane);
    } while (flow != NULL && pick->count < lane->batch_max && bytes < SCHED_BATCH_BYTES_MAX &&
             !pick->items[0]->alone && !head_of(flow)->alone);
}

bool control_sched_next(struct control_sched *sched, int64_t now_us,
                        struct control_sched_pick *ret_pick, int64_t *ret_wake_us)
{
    *ret_wake_us = 0;
    aion_list_each (link, &sched->pools) {
        struct control_sched_pool *pool = aion_container(link, struct control_sched_pool, link);
        if (pool->waiting == 0 || pool->free_hosts == 0)
            continue;
        control_sched_age(sched, pool, now_us);
        struct control_sched_flow *flow = first_flow(pool, now_us, ret_wake_us);
        if (flow == NULL)
            continue;
        fill(sched, flow, now_us, ret_pick);
        return true;
    }
    return false;
}

/* -- what is seen from outside ------------------------------------------------------ */
void control_sched_tenants_changed(struct control_sched *sched, control_sched_load_fn *fn,
                                   void *user)
{
    struct aion_link *link;
    while ((link = aion_list_first(&sched->changed_tenants)) != NULL) {
        struct control_sched_tenant *tenant =
            aion_container(link, struct control_sched_tenant, changed);
        struct control_sched_load load = {tenant->name, tenant->waiting, tenant->running,
                                          &tenant->told};
        aion_list_remove(&tenant->changed);
        fn(user, &load);
    }
}

void control_sched_pools(struct control_sched *sched, control_sched_load_fn *fn, void *user)
{
    aion_list_each (link, &sched->pools) {
        struct control_sched_pool *pool = aion_container(link, struct control_sched_pool, link);
        struct control_sched_load load = {pool->name, pool->waiting, pool->running,
                                          &pool->told};
        fn(user, &load);
    }
}
