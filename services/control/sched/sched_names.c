/* What is found by name: pools, tenants, lanes. */
#include "sched_private.h"

#include <stdlib.h>

/* -- pools -------------------------------------------------------------------------- */
static struct control_sched_pool *pool_new(struct control_sched *sched, aion_str name)
{
    struct control_sched_pool *pool = calloc(1, sizeof(*pool) + name.size);
    if (pool == NULL)
        abort();
    if (name.size > 0)
        memcpy((char *)(pool + 1), name.data, name.size);
    pool->name = aion_str_n(pool + 1, name.size);
    aion_list_init(&pool->lanes);
    aion_list_init(&pool->busy);
    aion_list_init(&pool->hosts);
    for (size_t asked = 0; asked < SCHED_CLASSES; asked++)
        for (size_t climbed = 0; climbed < SCHED_CLASSES; climbed++)
            aion_list_init(&pool->ages[asked][climbed]);
    aion_list_add_last(&sched->pools, &pool->link);
    if (!aion_map_put(&sched->pools_by_name, pool->name, pool))
        abort();
    return pool;
}

struct control_sched_pool *control_sched_pool_ref(struct control_sched *sched, aion_str name)
{
    struct control_sched_pool *pool = aion_map_get(&sched->pools_by_name, name);
    if (pool == NULL)
        pool = pool_new(sched, name);
    pool->refs++;
    return pool;
}

void control_sched_pool_unref(struct control_sched *sched, struct control_sched_pool *pool)
{
    if (--pool->refs > 0)
        return;
    (void)aion_map_remove(&sched->pools_by_name, pool->name);
    aion_list_remove(&pool->link);
    free(pool);
}

/* -- tenants ------------------------------------------------------------------------ */
struct control_sched_tenant *control_sched_tenant_find(const struct control_sched *sched,
                                                       aion_str name)
{
    return aion_map_get(&sched->tenants_by_name, name);
}

struct control_sched_tenant *control_sched_tenant_of(struct control_sched *sched, aion_str name)
{
    struct control_sched_tenant *tenant = control_sched_tenant_find(sched, name);
    if (tenant != NULL)
        return tenant;
    tenant = calloc(1, sizeof(*tenant) + name.size);
    if (tenant == NULL)
        abort();
    if (name.size > 0)
        memcpy((char *)(tenant + 1), name.data, name.size);
    tenant->name = aion_str_n(tenant + 1, name.size);
    tenant->weight = control_sched_rules_weight(sched->rules, tenant->name);
    aion_list_init(&tenant->idle);
    aion_list_init(&tenant->changed);
    aion_list_init(&tenant->members);
    aion_list_init(&tenant->gates);
    if (!aion_map_put(&sched->tenants_by_name, tenant->name, tenant))
        abort();
    return tenant;
}

static void tenant_free(struct control_sched *sched, struct control_sched_tenant *tenant)
{
    aion_list_each_safe (link, &tenant->members) {
        struct control_sched_member *member =
            aion_container(link, struct control_sched_member, link);
        control_sched_pool_unref(sched, member->pool);
        free(member);
    }
    (void)aion_map_remove(&sched->tenants_by_name, tenant->name);
    aion_list_remove(&tenant->idle);
    aion_list_remove(&tenant->changed);
    free(tenant);
}

/* The longest idle; of one whose gauge is not 0 yet the last word is told first. */
static void forget_tenants(struct control_sched *sched, size_t most, bool untold)
{
    aion_list_each_safe (link, &sched->idle_tenants) {
        struct control_sched_tenant *tenant =
            aion_container(link, struct control_sched_tenant, idle);
        if (sched->idle_tenant_count <= most)
            return;
        if (tenant->told.waiting + tenant->told.running > 0 && !untold)
            continue;
        sched->idle_tenant_count--;
        tenant_free(sched, tenant);
    }
}

void control_sched_tenant_changed(struct control_sched *sched,
                                  struct control_sched_tenant *tenant)
{
    bool is_idle = aion_list_empty(&tenant->gates) && tenant->reserved == 0;
    bool was_idle = !aion_list_empty(&tenant->idle);
    if (aion_list_empty(&tenant->changed))
        aion_list_add_last(&sched->changed_tenants, &tenant->changed);
    if (is_idle == was_idle)
        return;
    if (was_idle) {
        aion_list_remove(&tenant->idle);
        sched->idle_tenant_count--;
        return;
    }
    aion_list_add_last(&sched->idle_tenants, &tenant->idle);
    sched->idle_tenant_count++;
    forget_tenants(sched, SCHED_IDLE_TENANTS_MAX, false);
}

struct control_sched_member *control_sched_member_of(struct control_sched *sched,
                                                     struct control_sched_tenant *tenant,
                                                     struct control_sched_pool *pool)
{
    aion_list_each (link, &tenant->members) {
        struct control_sched_member *member =
            aion_container(link, struct control_sched_member, link);
        if (member->pool == pool)
            return member;
    }
    struct control_sched_member *member = calloc(1, sizeof(*member));
    if (member == NULL)
        abort();
    member->tenant = tenant;
    member->pool = control_sched_pool_ref(sched, pool->name);
    for (size_t i = 0; i < SCHED_CLASSES; i++)
        aion_list_init(&member->shares[i].flows);
    aion_list_add_last(&tenant->members, &member->link);
    return member;
}

/* -- lanes -------------------------------------------------------------------------- */
enum { LANE_KEY_MAX = 7 * SCHED_NAME_MAX + 4 };

static aion_str lane_key(const struct control_sched_place *place, char out[LANE_KEY_MAX])
{
    const aion_str parts[] = {place->pool, place->module, place->intent, place->labels};
    const size_t most[] = {SCHED_NAME_MAX, SCHED_NAME_MAX, SCHED_NAME_MAX, 4 * SCHED_NAME_MAX};
    size_t size = 0;
    for (size_t i = 0; i < aion_countof(parts); i++) {
        size_t part = parts[i].size < most[i] ? parts[i].size : most[i];
        if (part > 0)
            memcpy(out + size, parts[i].data, part);
        size += part;
        out[size++] = '\0';
    }
    return aion_str_n(out, size);
}

static void name_lane(struct control_sched_lane *lane, aion_str key)
{
    memcpy((char *)(lane + 1), key.data, key.size);
    lane->name = aion_str_n(lane + 1, key.size);
    aion_str rest = lane->name;
    (void)aion_str_cut(&rest, '\0');
    lane->module = aion_str_cut(&rest, '\0');
    lane->intent = aion_str_cut(&rest, '\0');
    lane->labels = aion_str_cut(&rest, '\0');
}

static struct control_sched_lane *lane_new(struct control_sched *sched, aion_str pool,
                                           aion_str key)
{
    struct control_sched_lane *lane = calloc(1, sizeof(*lane) + key.size);
    if (lane == NULL)
        abort();
    name_lane(lane, key);
    lane->pool = control_sched_pool_ref(sched, pool);
    aion_list_init(&lane->busy);
    aion_list_init(&lane->idle);
    aion_list_init(&lane->ways);
    aion_list_add_last(&sched->lanes, &lane->link);
    aion_list_add_last(&lane->pool->lanes, &lane->of_pool);
    if (!aion_map_put(&sched->lanes_by_name, lane->name, lane))
        abort();
    control_sched_lane_meet(lane);
    return lane;
}

struct control_sched_lane *control_sched_lane_find(const struct control_sched *sched,
                                                   const struct control_sched_place *place)
{
    char text[LANE_KEY_MAX];
    return aion_map_get(&sched->lanes_by_name, lane_key(place, text));
}

struct control_sched_lane *control_sched_lane_of(struct control_sched *sched,
                                                 const struct control_sched_place *place)
{
    char text[LANE_KEY_MAX];
    aion_str key = lane_key(place, text);
    struct control_sched_lane *lane = aion_map_get(&sched->lanes_by_name, key);
    return lane != NULL ? lane : lane_new(sched, place->pool, key);
}

static void lane_free(struct control_sched *sched, struct control_sched_lane *lane)
{
    control_sched_lane_part(lane);
    for (size_t i = 0; i < SCHED_CLASSES; i++)
        free(lane->heaps[i].flows);
    (void)aion_map_remove(&sched->lanes_by_name, lane->name);
    aion_list_remove(&lane->link);
    aion_list_remove(&lane->of_pool);
    aion_list_remove(&lane->idle);
    control_sched_pool_unref(sched, lane->pool);
    free(lane);
}

static void forget_lanes(struct control_sched *sched, size_t most)
{
    while (sched->idle_lane_count > most) {
        sched->idle_lane_count--;
        lane_free(sched,
                  aion_container(sched->idle_lanes.next, struct control_sched_lane, idle));
    }
}

void control_sched_lane_changed(struct control_sched *sched, struct control_sched_lane *lane)
{
    bool is_idle = lane->waiting == 0 && lane->runs == 0;
    bool was_idle = !aion_list_empty(&lane->idle);
    if (is_idle == was_idle)
        return;
    if (was_idle) {
        aion_list_remove(&lane->idle);
        sched->idle_lane_count--;
        return;
    }
    aion_list_add_last(&sched->idle_lanes, &lane->idle);
    sched->idle_lane_count++;
    forget_lanes(sched, SCHED_IDLE_LANES_MAX);
}

void control_sched_forget(struct control_sched *sched)
{
    forget_tenants(sched, 0, true);
    forget_lanes(sched, 0);
}
