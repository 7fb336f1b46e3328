/* Hooks of hosts and policies; rows of hosts, and what hosts can run. */
#include "base/clock.h"
#include "control_private.h"

#include <stdio.h>
#include <stdlib.h>

#define HOST(name)   AION__V1__OPS_HOST_COLUMN__OPS_HOST_##name
#define MESH(name)   AION__V1__OPS_MESH_COLUMN__OPS_MESH_##name
#define MODULE(name) AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_##name
#define ROUTE(name)  AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_##name
#define STATE(name)  AION__V1__OPS_HOST_STATE__OPS_HOST_STATE_##name

enum { LANES_MAX = 4096 };

static struct ops_table *table_of(struct control *control)
{
    return &control->ops->fold.table;
}

/* -- events ------------------------------------------------------------------------- */
static void tell(const struct control_host *host, const char *what, aion_str actor,
                 aion_str note)
{
    struct ops_event event = {.kind = OPS_EVENT_HOST,
                              .at_us = aion_clock_utc_us(),
                              .what = aion_str_of(what),
                              .host = aion_str_of(host->host_id),
                              .actor = actor,
                              .note = note};
    control_ops_event(host->control, &event);
}

static int64_t state_of(const struct control_host *host)
{
    int64_t silent_us = mesh_loop_now(host->control->loop) - host->heard_us;
    if (host->ended)
        return STATE(LOST);
    if (!host->ready)
        return STATE(STARTING);
    if (silent_us > host->control->conf->host_lease / 2)
        return STATE(SILENT);
    if (host->draining)
        return STATE(DRAINING);
    return host->sched.tasks >= host->sched.slots ? STATE(FULL) : STATE(OK);
}

static void set_state(const struct control_host *host)
{
    struct ops_table *table = table_of(host->control);
    ops_set(table, host->ops, HOST(STATE), state_of(host));
    ops_set(table, host->ops, HOST(SLOTS), host->ended ? 0 : host->sched.slots);
}

static void label_host(const struct control_host *host)
{
    struct ops_label labels[OPS_LABELS_MAX] = {
        {AION_STR("pool"), aion_str_of(host->pool)},
        {AION_STR("version"), aion_str_of(host->version)}};
    size_t count = 2;
    for (size_t i = 0; i < host->sched.label_count && count < OPS_LABELS_MAX; i++)
        labels[count++] =
            (struct ops_label){host->sched.labels[i].name, host->sched.labels[i].value};
    ops_entity_label(table_of(host->control), host->ops, labels, count);
}

static void label_module(struct control *control, struct ops_entity *module,
                         const struct control_offer *offer)
{
    char intents[160];
    size_t size = 0;
    for (size_t i = 0; i < offer->intent_count && size < sizeof(intents); i++)
        size += (size_t)snprintf(intents + size, sizeof(intents) - size, "%s%.*s",
                                 i > 0 ? "," : "", AION_STR_ARG(offer->intents[i]));
    size = size < sizeof(intents) ? size : sizeof(intents) - 1;
    const struct ops_label labels[] = {{AION_STR("digest"), aion_str_of(offer->digest)},
                                       {AION_STR("intents"), aion_str_n(intents, size)}};
    ops_entity_label(table_of(control), module, labels, aion_countof(labels));
}

/* -- what hosts can run ------------------------------------------------------------- */
/* A pool and module, and how many hosts can run it. As many as policies and hosts name; beyond
 * LANES_MAX routes do not know their hosts. */
struct lane {
    int64_t hosts;
    char name[];
};

static void count_lane(struct control *control, const char *pool, const char *module, int delta)
{
    char name[128];
    int size = snprintf(name, sizeof(name), "%s/%s", pool, module);
    struct lane *lane = aion_map_get(&control->ops->lanes, aion_str_of(name));
    if (lane == NULL) {
        lane = calloc(1, sizeof(*lane) + (size_t)size + 1);
        if (lane == NULL)
            return;
        memcpy(lane->name, name, (size_t)size + 1);
        if (!aion_map_put(&control->ops->lanes, aion_str_of(lane->name), lane)) {
            free(lane);
            return;
        }
    }
    lane->hosts += delta;
}

void control_ops_lanes_init(struct control_ops *ops)
{
    aion_map_init(&ops->lanes, LANES_MAX);
}

void control_ops_lanes_done(struct control_ops *ops)
{
    struct lane *lane;
    size_t cursor = 0;
    while ((lane = aion_map_next(&ops->lanes, &cursor)) != NULL)
        free(lane);
    aion_map_done(&ops->lanes);
}

/* A module's row is pinned by each host that has it. */
static void add_offers(struct control_host *host)
{
    struct ops_table *table = table_of(host->control);
    host->ops_modules =
        aion_arena_array(&host->arena, host->offer_count, sizeof(*host->ops_modules));
    for (size_t i = 0; host->ops_modules != NULL && i < host->offer_count; i++) {
        const struct control_offer *offer = &host->offers[i];
        char key[128];
        snprintf(key, sizeof(key), "%s@%s", offer->module, offer->version);
        host->ops_modules[i] = ops_pin(ops_entity(table, OPS_MODULE, aion_str_of(key)));
        label_module(host->control, host->ops_modules[i], offer);
        ops_add(table, host->ops_modules[i], MODULE(HOSTS), 1);
        count_lane(host->control, host->pool, offer->module, 1);
    }
}

static void take_offers_back(struct control_host *host)
{
    struct ops_table *table = table_of(host->control);
    for (size_t i = 0; host->ops_modules != NULL && i < host->offer_count; i++) {
        ops_add(table, host->ops_modules[i], MODULE(HOSTS), -1);
        host->ops_modules[i]->touched_us = table->now_us;
        ops_unpin(&host->ops_modules[i]);
        count_lane(host->control, host->pool, host->offers[i].module, -1);
    }
}

/* -- coming and going ---------------------------------------------------------------- */
void control_ops_host_came(struct control_host *host)
{
    host->ops =
        ops_pin(ops_entity(table_of(host->control), OPS_HOST, aion_str_of(host->host_id)));
    label_host(host);
    add_offers(host);
    set_state(host);
    tell(host, "attached", (aion_str){0}, (aion_str){0});
}

void control_ops_host_left(struct control_host *host)
{
    if (host->ops == NULL)
        return;
    set_state(host);
    take_offers_back(host);
    host->ops->touched_us = mesh_loop_now(host->control->loop);
    tell(host, "lost", (aion_str){0}, (aion_str){0});
    ops_unpin(&host->ops);
}

void control_ops_host_changed(struct control_host *host, const char *what, aion_str actor,
                              aion_str why)
{
    if (host->ops == NULL)
        return;
    set_state(host);
    tell(host, what, actor, why);
}

void control_ops_policy(struct control *control, aion_str by, aion_str cause, aion_str digest)
{
    struct ops_event event = {.kind = OPS_EVENT_POLICY,
                              .at_us = aion_clock_utc_us(),
                              .what = AION_STR("active"),
                              .actor = by,
                              .reason = cause,
                              .note = digest};
    control_ops_event(control, &event);
}

/* -- a second ------------------------------------------------------------------------ */
static aion_str label_of(const struct ops_entity *entity, const char *name)
{
    for (size_t i = 0; i < entity->label_count; i++)
        if (aion_str_is(entity->labels[i].name, name))
            return entity->labels[i].value;
    return (aion_str){0};
}

/* A route's hosts are those of the module it chose last. */
static void set_route_hosts(struct ops_table *table, const struct aion_map *lanes)
{
    aion_list_each (link, &table->kinds[OPS_ROUTE].entities) {
        struct ops_entity *route = aion_container(link, struct ops_entity, link);
        char name[160];
        aion_str pool = label_of(route, "pool"), module = label_of(route, "module");
        snprintf(name, sizeof(name), "%.*s/%.*s", AION_STR_ARG(pool), AION_STR_ARG(module));
        const struct lane *lane = aion_map_get(lanes, aion_str_of(name));
        ops_set(table, route, ROUTE(HOSTS), lane != NULL ? lane->hosts : 0);
    }
}

void control_ops_hosts_close(struct control *control)
{
    struct ops_table *table = table_of(control);
    int64_t hosts = 0, good = 0, now_us = mesh_loop_now(control->loop);
    aion_list_each (link, &control->hosts) {
        struct control_host *host = aion_container(link, struct control_host, link);
        if (host->ops == NULL)
            continue;
        set_state(host);
        ops_set(table, host->ops, HOST(BEAT_US), ops_round_age(now_us - host->heard_us));
        hosts++;
        good += ops_get(host->ops, HOST(STATE)) == STATE(OK) ||
                ops_get(host->ops, HOST(STATE)) == STATE(FULL);
    }
    ops_set(table, control->ops->fold.mesh, MESH(HOSTS), hosts);
    ops_set(table, control->ops->fold.mesh, MESH(HOSTS_OK), good);
    set_route_hosts(table, &control->ops->lanes);
}
