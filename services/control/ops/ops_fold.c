#include "ops_fold.h"

#include "aion/v1/ops.pb-c.h"

#include <stdio.h>
#include <stdlib.h>

#define MESH(name)   AION__V1__OPS_MESH_COLUMN__OPS_MESH_##name
#define ROUTE(name)  AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_##name
#define TENANT(name) AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_##name
#define MODULE(name) AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_##name
#define QUEUE(name)  AION__V1__OPS_QUEUE_COLUMN__OPS_QUEUE_##name
#define HOST(name)   AION__V1__OPS_HOST_COLUMN__OPS_HOST_##name

/* What gathers within a second, by kind. */
enum { ROUTE_ENDED, ROUTE_ERRORS, ROUTE_ATTEMPTS, ROUTE_RETRIES, ROUTE_COST, ROUTE_DECISIONS };
enum { TENANT_ENDED, TENANT_REFUSED, TENANT_COST };
enum { RUN_RUNS, RUN_ERRORS }; /* of modules and hosts */
enum { QUEUE_STARTED };

/* More than 1 % errors is a failing route. */
enum { FAILING_PPM = 10000 };

struct intent {
    int64_t decisions; /* of the second */
    size_t size;
    char name[];
};

void ops_fold_init(struct ops_fold *fold)
{
    *fold = (struct ops_fold){.closed_us = 0};
    ops_table_init(&fold->table);
    aion_list_init(&fold->pools);
    aion_map_init(&fold->intents, OPS_INTENTS_MAX);
    fold->mesh = ops_pin(ops_entity(&fold->table, OPS_MESH, AION_STR("mesh")));
}

void ops_fold_done(struct ops_fold *fold)
{
    struct intent *intent;
    size_t cursor = 0;
    while ((intent = aion_map_next(&fold->intents, &cursor)) != NULL)
        free(intent);
    aion_map_done(&fold->intents);
    while (!aion_list_empty(&fold->pools)) {
        struct ops_pool *pool = aion_container(fold->pools.next, struct ops_pool, link);
        aion_list_remove(&pool->link);
        free(pool);
    }
    ops_table_done(&fold->table);
}

/* -- queues ------------------------------------------------------------------------- */
static const char *const class_names[OPS_CLASSES] = {"critical", "high", "normal", "low",
                                                     "batch"};

static struct ops_pool *pool_make(struct ops_fold *fold, aion_str name)
{
    struct ops_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        abort(); /* OPS_POOLS_MAX of them */
    aion_str_copy(pool->name, sizeof(pool->name), name);
    aion_list_add_last(&fold->pools, &pool->link);
    for (size_t i = 0; i < OPS_CLASSES; i++) {
        char key[64];
        snprintf(key, sizeof(key), "%s/%s", pool->name, class_names[i]);
        aion_list_init(&pool->classes[i].waiting);
        pool->classes[i].entity =
            ops_pin(ops_entity(&fold->table, OPS_QUEUE, aion_str_of(key)));
    }
    return pool;
}

/* Pools are few and of the policy's making; beyond OPS_POOLS_MAX the last one stands for all.
 */
static struct ops_queue *queue_of(struct ops_fold *fold, aion_str name, unsigned priority)
{
    size_t class = priority >= 1 && priority <= OPS_CLASSES ? priority - 1 : 2, count = 0;
    struct ops_pool *pool = NULL;
    aion_list_each (link, &fold->pools) {
        pool = aion_container(link, struct ops_pool, link);
        if (aion_str_is(name, pool->name))
            return &pool->classes[class];
        count++;
    }
    if (count < OPS_POOLS_MAX)
        pool = pool_make(fold, name);
    return &pool->classes[class];
}

/* -- gauges ------------------------------------------------------------------------- */
static void queued(struct ops_fold *fold, struct ops_task *task, int delta)
{
    struct ops_table *table = &fold->table;
    if (task->route != NULL)
        ops_add(table, task->route, ROUTE(QUEUED), delta);
    if (task->queue == NULL)
        return;
    ops_add(table, task->queue->entity, QUEUE(DEPTH), delta);
    ops_add(table, task->queue->entity, QUEUE(BYTES), delta * task->bytes);
    aion_list_remove(&task->waiting);
    if (delta > 0)
        aion_list_add_last(&task->queue->waiting, &task->waiting);
}

static void running(struct ops_fold *fold, struct ops_task *task, int delta)
{
    struct ops_table *table = &fold->table;
    ops_add(table, fold->mesh, MESH(RUNNING), delta);
    ops_add(table, task->tenant, TENANT(RUNNING), delta);
    if (task->route != NULL)
        ops_add(table, task->route, ROUTE(RUNNING), delta);
    if (task->module != NULL)
        ops_add(table, task->module, MODULE(RUNNING), delta);
    if (task->host != NULL)
        ops_add(table, task->host, HOST(RUNNING), delta);
}

/* Counts the task in its state's gauges, or out of them. Held ones wait for somebody's word;
 * final ones are in no gauge. */
static void gauge(struct ops_fold *fold, struct ops_task *task, int delta)
{
    enum control_state state = task->state;
    if (state == TASK_QUEUED)
        queued(fold, task, delta);
    if (state == TASK_QUEUED || state == TASK_ACCEPTED) {
        ops_add(&fold->table, fold->mesh, MESH(QUEUED), delta);
        ops_add(&fold->table, task->tenant, TENANT(QUEUED), delta);
    } else if (state == TASK_RUNNING || state == TASK_IN_DOUBT) {
        running(fold, task, delta);
    } else if (state == TASK_RETRY_WAIT) {
        ops_add(&fold->table, fold->mesh, MESH(RETRY_WAIT), delta);
    }
}

/* -- a task's way ------------------------------------------------------------------- */
void ops_task_init(struct ops_task *task)
{
    *task = (struct ops_task){.state = TASK_NONE};
    aion_list_init(&task->waiting);
}

void ops_task_enter(struct ops_fold *fold, struct ops_task *task, aion_str tenant,
                    enum control_state state, int64_t bytes)
{
    task->bytes = bytes;
    task->tenant = ops_pin(ops_entity(&fold->table, OPS_TENANT, tenant));
    task->tenant->touched_us = task->since_us = fold->table.now_us;
    task->state = state;
    gauge(fold, task, 1);
}

static void count_decision(struct ops_fold *fold, struct ops_task *task, aion_str name)
{
    struct intent *intent = aion_map_get(&fold->intents, name);
    ops_count(&fold->table, task->route, ROUTE_DECISIONS, 1);
    if (intent == NULL) {
        intent = calloc(1, sizeof(*intent) + name.size);
        if (intent == NULL)
            return;
        intent->size = name.size;
        memcpy(intent->name, name.data, name.size);
        if (!aion_map_put(&fold->intents, aion_str_n(intent->name, name.size), intent)) {
            free(intent); /* OPS_INTENTS_MAX: its routes show no share */
            return;
        }
    }
    intent->decisions++;
}

void ops_task_route(struct ops_fold *fold, struct ops_task *task, const struct ops_route_of *of)
{
    char key[OPS_KEY_MAX + 1];
    struct ops_label labels[] = {{AION_STR("module"), of->module},
                                 {AION_STR("pool"), of->pool}};
    int size = snprintf(key, sizeof(key), "%.*s/%.*s", AION_STR_ARG(of->intent),
                        AION_STR_ARG(of->route));
    bool counted = task->state != TASK_NONE;
    if (counted)
        gauge(fold, task, -1);
    ops_unpin(&task->route);
    task->route = ops_pin(ops_entity(
        &fold->table, OPS_ROUTE,
        aion_str_n(key, (size_t)size < sizeof(key) ? (size_t)size : sizeof(key) - 1)));
    ops_entity_label(&fold->table, task->route, labels, aion_countof(labels));
    task->queue = queue_of(fold, of->pool, of->priority);
    if (counted)
        gauge(fold, task, 1);
    if (of->fresh)
        count_decision(fold, task, of->intent);
}

void ops_task_move(struct ops_fold *fold, struct ops_task *task, enum control_state next,
                   int64_t bytes)
{
    if (task->state == TASK_NONE)
        return;
    gauge(fold, task, -1);
    if (task->state == TASK_QUEUED && next == TASK_RUNNING && task->queue != NULL)
        ops_count(&fold->table, task->queue->entity, QUEUE_STARTED, 1);
    if (next == TASK_RETRY_WAIT)
        ops_mesh_count(fold, OPS_NOW_RETRY, 1);
    if (next == TASK_RETRY_WAIT && task->route != NULL)
        ops_count(&fold->table, task->route, ROUTE_RETRIES, 1);
    task->state = next;
    if (next == TASK_QUEUED) {
        task->bytes = bytes;
        task->since_us = fold->table.now_us;
    }
    gauge(fold, task, 1);
}

void ops_task_start(struct ops_fold *fold, struct ops_task *task, struct ops_entity *host,
                    struct ops_entity *module)
{
    if (task->state == TASK_RUNNING)
        gauge(fold, task, -1);
    ops_unpin(&task->host);
    ops_unpin(&task->module);
    task->host = host != NULL ? ops_pin(host) : NULL;
    task->module = module != NULL ? ops_pin(module) : NULL;
    if (task->state == TASK_RUNNING)
        gauge(fold, task, 1);
}

void ops_attempt(struct ops_fold *fold, struct ops_task *task, int64_t run_us, bool failed)
{
    struct ops_entity *runs[] = {task->module, task->host};
    for (size_t i = 0; i < aion_countof(runs); i++) {
        if (runs[i] == NULL)
            continue;
        ops_count(&fold->table, runs[i], RUN_RUNS, 1);
        ops_count(&fold->table, runs[i], RUN_ERRORS, failed);
    }
    if (task->route != NULL)
        ops_count(&fold->table, task->route, ROUTE_ATTEMPTS, 1);
    if (task->module != NULL && run_us >= 0)
        ops_record(task->module, run_us);
}

static void count_end(struct ops_fold *fold, enum control_state state)
{
    static const int counts[TASK_STATES] = {
        [TASK_FAILED] = OPS_NOW_FAILED + 1,
        [TASK_EXPIRED] = OPS_NOW_FAILED + 1,
        [TASK_CANCELLED] = OPS_NOW_CANCELLED + 1,
        [TASK_DEAD] = OPS_NOW_DEAD + 1,
    };
    ops_mesh_count(fold, OPS_NOW_ENDED, 1);
    if (counts[state] > 0)
        ops_mesh_count(fold, (enum ops_mesh_count)(counts[state] - 1), 1);
}

void ops_task_end(struct ops_fold *fold, struct ops_task *task, int64_t latency_us,
                  int64_t cost_nano_usd)
{
    if (task->state == TASK_NONE)
        return;
    bool error =
        task->state == TASK_FAILED || task->state == TASK_EXPIRED || task->state == TASK_DEAD;
    count_end(fold, task->state);
    ops_mesh_count(fold, OPS_NOW_COST, cost_nano_usd);
    ops_record(fold->mesh, latency_us);
    ops_count(&fold->table, task->tenant, TENANT_ENDED, 1);
    ops_count(&fold->table, task->tenant, TENANT_COST, cost_nano_usd);
    ops_record(task->tenant, latency_us);
    if (task->route != NULL) {
        ops_count(&fold->table, task->route, ROUTE_ENDED, 1);
        ops_count(&fold->table, task->route, ROUTE_ERRORS, error);
        ops_count(&fold->table, task->route, ROUTE_COST, cost_nano_usd);
        ops_record(task->route, latency_us);
        if (task->wish_us > 0)
            task->route->wish_us = task->wish_us;
    }
    ops_task_leave(fold, task);
}

void ops_task_leave(struct ops_fold *fold, struct ops_task *task)
{
    if (task->state != TASK_NONE)
        gauge(fold, task, -1);
    task->state = TASK_NONE;
    task->queue = NULL;
    ops_unpin(&task->tenant);
    ops_unpin(&task->route);
    ops_unpin(&task->module);
    ops_unpin(&task->host);
}

void ops_refused(struct ops_fold *fold, aion_str tenant)
{
    ops_count(&fold->table, ops_entity(&fold->table, OPS_TENANT, tenant), TENANT_REFUSED, 1);
}

/* -- closing a second --------------------------------------------------------------- */
/* What gathered, a second, in thousandths. */
static int64_t rate(const struct ops_entity *entity, unsigned count, int64_t seconds)
{
    return entity->now[count] * 1000 / seconds;
}

void ops_set_quantiles(struct ops_table *table, struct ops_entity *entity, bool held)
{
    const struct ops_kind_info *info = ops_kind_info(entity->kind);
    bool none = entity->second == NULL || entity->second->total == 0;
    for (unsigned i = 0; i < info->column_count && !(none && held); i++)
        if (info->columns[i].merge == OPS_QUANTILE)
            ops_set(table, entity, i,
                    none ? OPS_UNKNOWN
                         : ops_hist_quantile(entity->second, info->columns[i].per_mille));
}

static void close_mesh(struct ops_fold *fold, int64_t seconds)
{
    static const struct {
        int column, count;
    } rates[] = {
        {MESH(TASKS_MILLI), OPS_NOW_ENDED},   {MESH(ACCEPTED_MILLI), OPS_NOW_ACCEPTED},
        {MESH(FAILED_MILLI), OPS_NOW_FAILED}, {MESH(RETRY_MILLI), OPS_NOW_RETRY},
        {MESH(DEAD_MILLI), OPS_NOW_DEAD},     {MESH(REFUSED_MILLI), OPS_NOW_REFUSED},
        {MESH(ERROR_MILLI), OPS_NOW_ERROR},   {MESH(CANCELLED_MILLI), OPS_NOW_CANCELLED},
        {MESH(STALE_MILLI), OPS_NOW_STALE},   {MESH(EVENTS_MILLI), OPS_NOW_EVENTS},
    };
    struct ops_table *table = &fold->table;
    struct ops_entity *mesh = fold->mesh;
    int64_t from = -1, to = 50000;
    for (size_t i = 0; i < aion_countof(rates); i++)
        ops_set(table, mesh, (unsigned)rates[i].column,
                rate(mesh, (unsigned)rates[i].count, seconds));
    ops_set(table, mesh, MESH(COST_NANO_USD), mesh->now[OPS_NOW_COST] / seconds);
    ops_set(table, mesh, MESH(REPORTS_DROPPED), (int64_t)fold->reports_lost);
    for (unsigned i = MESH(LATENCY_FIRST); i <= MESH(LATENCY_LAST); i++) {
        bool last = i == MESH(LATENCY_LAST);
        ops_set(table, mesh, i,
                mesh->second == NULL
                    ? 0
                    : (int64_t)ops_hist_between(mesh->second, from, last ? INT64_MAX : to));
        from = to;
        to *= 2;
    }
    ops_set_quantiles(table, mesh, false);
}

static enum _Aion__V1__OpsRouteState route_state(const struct ops_entity *route)
{
    int64_t p95_us = ops_get(route, ROUTE(P95_US));
    if (ops_get(route, ROUTE(QUEUED)) > 0 && ops_get(route, ROUTE(HOSTS)) == 0)
        return AION__V1__OPS_ROUTE_STATE__OPS_ROUTE_STATE_NO_HOST;
    if (ops_get(route, ROUTE(ERROR_PPM)) > FAILING_PPM)
        return AION__V1__OPS_ROUTE_STATE__OPS_ROUTE_STATE_FAILING;
    if (route->wish_us > 0 && p95_us > route->wish_us)
        return AION__V1__OPS_ROUTE_STATE__OPS_ROUTE_STATE_SLOW;
    if (route->now[ROUTE_ENDED] + ops_get(route, ROUTE(QUEUED)) +
            ops_get(route, ROUTE(RUNNING)) >
        0)
        return AION__V1__OPS_ROUTE_STATE__OPS_ROUTE_STATE_OK;
    return AION__V1__OPS_ROUTE_STATE__OPS_ROUTE_STATE_IDLE;
}

/* Without decisions in the second the share stays what it was. */
static void close_share(struct ops_fold *fold, struct ops_entity *route)
{
    aion_str rest = aion_str_of(route->key);
    const struct intent *intent = aion_map_get(&fold->intents, aion_str_cut(&rest, '/'));
    if (intent != NULL && intent->decisions > 0)
        ops_set(&fold->table, route, ROUTE(SHARE_PPM),
                ops_share_ppm(route->now[ROUTE_DECISIONS], intent->decisions));
}

static void close_route(struct ops_fold *fold, struct ops_entity *route, int64_t seconds)
{
    struct ops_table *table = &fold->table;
    ops_set(table, route, ROUTE(TASKS_MILLI), rate(route, ROUTE_ENDED, seconds));
    ops_set(table, route, ROUTE(RETRY_PPM),
            ops_share_ppm(route->now[ROUTE_RETRIES], route->now[ROUTE_ATTEMPTS]));
    ops_set(table, route, ROUTE(ERROR_PPM),
            ops_share_ppm(route->now[ROUTE_ERRORS], route->now[ROUTE_ENDED]));
    ops_set(table, route, ROUTE(COST_NANO_USD), route->now[ROUTE_COST] / seconds);
    close_share(fold, route);
    ops_set_quantiles(table, route, false);
    ops_set(table, route, ROUTE(STATE), route_state(route));
}

static void close_tenant(struct ops_fold *fold, struct ops_entity *tenant, int64_t seconds)
{
    struct ops_table *table = &fold->table;
    ops_set(table, tenant, TENANT(TASKS_MILLI), rate(tenant, TENANT_ENDED, seconds));
    ops_set(table, tenant, TENANT(REFUSED_MILLI), rate(tenant, TENANT_REFUSED, seconds));
    ops_set(table, tenant, TENANT(COST_NANO_USD), tenant->now[TENANT_COST] / seconds);
    ops_set_quantiles(table, tenant, false);
}

static void close_module(struct ops_fold *fold, struct ops_entity *module, int64_t seconds)
{
    struct ops_table *table = &fold->table;
    ops_set(table, module, MODULE(TASKS_MILLI), rate(module, RUN_RUNS, seconds));
    ops_set(table, module, MODULE(ERROR_PPM),
            ops_share_ppm(module->now[RUN_ERRORS], module->now[RUN_RUNS]));
    ops_set_quantiles(table, module, false);
}

static void close_host(struct ops_fold *fold, struct ops_entity *host, int64_t seconds)
{
    ops_set(&fold->table, host, HOST(TASKS_MILLI), rate(host, RUN_RUNS, seconds));
    ops_set(&fold->table, host, HOST(ERROR_PPM),
            ops_share_ppm(host->now[RUN_ERRORS], host->now[RUN_RUNS]));
}

static void close_queues(struct ops_fold *fold, int64_t now_us, int64_t seconds)
{
    aion_list_each (link, &fold->pools) {
        struct ops_pool *pool = aion_container(link, struct ops_pool, link);
        for (size_t i = 0; i < OPS_CLASSES; i++) {
            struct ops_queue *queue = &pool->classes[i];
            struct aion_link *first = aion_list_first(&queue->waiting);
            int64_t oldest_us = 0;
            if (first != NULL)
                oldest_us = now_us - aion_container(first, struct ops_task, waiting)->since_us;
            ops_set(&fold->table, queue->entity, QUEUE(OLDEST_US), ops_round_age(oldest_us));
            ops_set(&fold->table, queue->entity, QUEUE(STARTED_MILLI),
                    rate(queue->entity, QUEUE_STARTED, seconds));
        }
    }
}

static void each(struct ops_fold *fold, enum ops_kind kind, int64_t seconds,
                 void (*close)(struct ops_fold *fold, struct ops_entity *entity,
                               int64_t seconds))
{
    aion_list_each (link, &fold->table.kinds[kind].entities)
        close(fold, aion_container(link, struct ops_entity, link), seconds);
}

static void begin_second(struct ops_fold *fold)
{
    struct intent *intent;
    size_t cursor = 0;
    for (int kind = 0; kind < OPS_KINDS; kind++)
        aion_list_each (link, &fold->table.kinds[kind].entities) {
            struct ops_entity *entity = aion_container(link, struct ops_entity, link);
            memset(entity->now, 0, sizeof(entity->now));
        }
    while ((intent = aion_map_next(&fold->intents, &cursor)) != NULL)
        intent->decisions = 0;
}

void ops_fold_close(struct ops_fold *fold, int64_t utc_us, int64_t now_us, int64_t seconds)
{
    close_mesh(fold, seconds);
    each(fold, OPS_ROUTE, seconds, close_route);
    each(fold, OPS_TENANT, seconds, close_tenant);
    each(fold, OPS_MODULE, seconds, close_module);
    each(fold, OPS_HOST, seconds, close_host);
    close_queues(fold, now_us, seconds);
    ops_table_second(&fold->table);
    begin_second(fold);
    ops_table_sweep(&fold->table, now_us);
    fold->closed_us = utc_us;
}
