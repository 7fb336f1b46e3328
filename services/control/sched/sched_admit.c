/* Admission: the queue's bounds, and what is shed before they are reached.
 *
 * Two things shed. As the queue fills, its classes are closed one after the other, the lowest
 * first, so that what is left is kept for the more urgent; a class is opened again only some
 * way below where it was closed. And a class whose wait would be beyond its bound takes no more
 * of the tenant for which it would be. The wait is predicted for a tenant, as it is served in
 * its turn: the flood of another makes it no longer than that turn. */
#include "sched_private.h"

enum {
    FILL_SPAN = 40, /* 1/1000: a class is opened again so far below where it was closed */
    RETRY_MS_MIN = 1000,
    RETRY_MS_MAX = 60000,
};

/* 1/1000 of the bounds; above the four fifths that one tenant may have. */
static const unsigned closed_at[SCHED_CLASSES] = {1001, 960, 920, 880, 840};

static const char *const class_names[SCHED_CLASSES] = {"critical", "high", "normal", "low",
                                                       "batch"};

static unsigned bounded(unsigned class)
{
    return class < SCHED_CLASSES ? class : SCHED_CLASSES - 1;
}

/* -- how long it takes -------------------------------------------------------------- */
struct ahead {
    int64_t above_us, beside_us,
        own_us; /* work of higher classes; of the same; of the tenant */
    uint64_t weights;
    int64_t slots;
};

static void add_lane(struct ahead *ahead, const struct control_sched_lane *lane, unsigned class)
{
    int64_t cost_us = control_sched_cost(lane);
    for (unsigned above = 0; above < class; above++)
        ahead->above_us += (int64_t)lane->counts[above] * cost_us;
    ahead->beside_us += (int64_t)lane->counts[class] * cost_us;
}

/* The tenant's tasks of the class; in one lane, or in all of the pool's. */
static void add_own(struct ahead *ahead, const struct control_sched_share *share,
                    const struct control_sched_lane *only)
{
    aion_list_each (link, &share->flows) {
        const struct control_sched_flow *flow =
            aion_container(link, struct control_sched_flow, of_share);
        if (only == NULL || flow->lane == only)
            ahead->own_us += (int64_t)flow->count * control_sched_cost(flow->lane);
    }
}

/* Its own work, and of the others' as much as their weights give them meanwhile. */
static int64_t wait_of(const struct ahead *ahead, int64_t cost_us, uint32_t weight)
{
    int64_t turn_us = (ahead->own_us + cost_us) * (int64_t)ahead->weights / weight;
    int64_t beside_us = turn_us < ahead->beside_us ? turn_us : ahead->beside_us;
    return ahead->slots > 0 ? (ahead->above_us + beside_us) / ahead->slots : -1;
}

static int64_t host_slots(const struct control_sched_host *host)
{
    return host->open ? control_sched_host_limit(host) : 0;
}

/* Of the pool as a whole, and of the lane's own hosts, which may be few of the pool's. */
static void look_ahead(const struct control_sched_lane *lane, unsigned class,
                       struct ahead *ret_pool, struct ahead *ret_lane)
{
    const struct control_sched_pool *pool = lane->pool;
    *ret_pool = *ret_lane = (struct ahead){.weights = pool->weights[class]};
    add_lane(ret_lane, lane, class);
    aion_list_each (link, &pool->busy)
        add_lane(ret_pool, aion_container(link, struct control_sched_lane, busy), class);
    aion_list_each (link, &pool->hosts)
        ret_pool->slots += host_slots(aion_container(link, struct control_sched_host, link));
    aion_list_each (link, &lane->ways)
        ret_lane->slots +=
            host_slots(aion_container(link, struct control_sched_way, of_lane)->host);
}

static const struct control_sched_share *share_of(const struct control_sched_tenant *tenant,
                                                  const struct control_sched_pool *pool,
                                                  unsigned class)
{
    if (tenant == NULL)
        return NULL;
    aion_list_each (link, (struct aion_link *)(uintptr_t)&tenant->members) {
        const struct control_sched_member *member =
            aion_container(link, struct control_sched_member, link);
        if (member->pool == pool)
            return &member->shares[class];
    }
    return NULL;
}

int64_t control_sched_wait_us(struct control_sched *sched,
                              const struct control_sched_place *place, unsigned class)
{
    struct control_sched_lane *lane = control_sched_lane_of(sched, place);
    const struct control_sched_tenant *tenant = control_sched_tenant_find(sched, place->tenant);
    const struct control_sched_share *share = share_of(tenant, lane->pool, bounded(class));
    uint32_t weight = tenant != NULL ? tenant->weight : 1;
    struct ahead of_pool, of_lane;
    look_ahead(lane, bounded(class), &of_pool, &of_lane);
    if (share == NULL || share->count == 0) {
        of_pool.weights += weight;
        of_lane.weights += weight;
    } else {
        add_own(&of_pool, share, NULL);
        add_own(&of_lane, share, lane);
    }
    int64_t pool_us = wait_of(&of_pool, control_sched_cost(lane), weight);
    int64_t lane_us = wait_of(&of_lane, control_sched_cost(lane), weight);
    control_sched_lane_changed(sched, lane);
    return lane_us < 0 || lane_us > pool_us ? lane_us : pool_us;
}

/* -- refusing ----------------------------------------------------------------------- */
static bool refuse(struct aion_err *err, const char *reason, int64_t after_us)
{
    int64_t after_ms = after_us / 1000;
    aion_err_reason(err, reason);
    if (err != NULL) {
        err->retriable = true;
        err->retry_after_ms = after_ms < RETRY_MS_MIN   ? RETRY_MS_MIN
                              : after_ms > RETRY_MS_MAX ? RETRY_MS_MAX
                                                        : after_ms;
    }
    return false;
}

/* Until a tenth of what waits will have started. */
static int64_t drain_us(const struct control_sched *sched)
{
    int64_t work_us = 0, slots = 0;
    aion_list_each (at, (struct aion_link *)(uintptr_t)&sched->pools) {
        const struct control_sched_pool *pool =
            aion_container(at, struct control_sched_pool, link);
        aion_list_each (link, (struct aion_link *)(uintptr_t)&pool->busy) {
            const struct control_sched_lane *lane =
                aion_container(link, struct control_sched_lane, busy);
            work_us += (int64_t)lane->waiting * control_sched_cost(lane);
        }
        aion_list_each (link, (struct aion_link *)(uintptr_t)&pool->hosts)
            slots += host_slots(aion_container(link, struct control_sched_host, link));
    }
    return slots > 0 ? work_us / slots / 10 : 0;
}

static size_t part_of(size_t own_max, size_t all_max)
{
    return own_max > 0 ? own_max : all_max - all_max / 5;
}

static bool fits(size_t held, size_t more, size_t max)
{
    return held <= max && more <= max - held;
}

static bool queue_has_room(const struct control_sched *sched, size_t bytes,
                           struct aion_err *err)
{
    size_t count = sched->count + sched->reserved, held = sched->bytes + sched->reserved_bytes;
    if (fits(count, 1, sched->conf.tasks_max) && fits(held, bytes, sched->conf.bytes_max))
        return true;
    aion_err_set(err, __func__, AION_EXHAUSTED,
                 "the queue is full: %zu tasks of %zu bytes wait: try again later", count,
                 held);
    return refuse(err, "QUEUE_FULL", drain_us(sched));
}

static bool tenant_has_room(const struct control_sched *sched,
                            const struct control_sched_tenant *tenant, size_t bytes,
                            struct aion_err *err)
{
    size_t count = tenant->waiting + tenant->reserved,
           held = tenant->waiting_bytes + tenant->reserved_bytes;
    if (fits(count, 1, part_of(sched->conf.tenant_tasks_max, sched->conf.tasks_max)) &&
        fits(held, bytes, part_of(sched->conf.tenant_bytes_max, sched->conf.bytes_max)))
        return true;
    aion_err_set(err, __func__, AION_EXHAUSTED,
                 "%zu tasks of %zu bytes of this tenant wait, no more may: try again later",
                 count, held);
    return refuse(err, "TENANT_QUEUE_FULL", drain_us(sched));
}

/* -- shedding ----------------------------------------------------------------------- */
static size_t thousandths(size_t part, size_t whole)
{
    return whole > 0 ? part * 1000 / whole : 1000; /* parts are far below 2^54 */
}

static bool class_open(struct control_sched *sched, unsigned class, struct aion_err *err)
{
    size_t tasks = thousandths(sched->count + sched->reserved, sched->conf.tasks_max);
    size_t bytes = thousandths(sched->bytes + sched->reserved_bytes, sched->conf.bytes_max);
    size_t fill = tasks > bytes ? tasks : bytes;
    for (unsigned each = 0; each < SCHED_CLASSES; each++)
        sched->shedding[each] =
            fill >= closed_at[each] - (sched->shedding[each] ? FILL_SPAN : 0u);
    if (!sched->shedding[class])
        return true;
    aion_err_set(
        err, __func__, AION_EXHAUSTED,
        "the queue is nearly full, tasks of priority %s are not taken: try again later",
        class_names[class]);
    return refuse(err, "SHED", drain_us(sched));
}

bool control_sched_admit(struct control_sched *sched, const struct control_sched_place *place,
                         unsigned class, struct aion_err *err)
{
    class = bounded(class);
    int64_t most_us = sched->conf.wait_max_us[class];
    struct control_sched_tenant *tenant = control_sched_tenant_find(sched, place->tenant);
    if (most_us == 0 || tenant == NULL)
        return true;
    int64_t wait_us = control_sched_wait_us(sched, place, class);
    bool *shedding = &tenant->shedding[class];
    *shedding = wait_us > (*shedding ? most_us / 4 * 3 : most_us);
    if (!*shedding)
        return true;
    aion_err_set(
        err, __func__, AION_EXHAUSTED,
        "a task of priority %s would wait about %lld ms, more than the %lld ms that are "
        "allowed: try again later",
        class_names[class], (long long)(wait_us / 1000), (long long)(most_us / 1000));
    return refuse(err, "SHED", wait_us - most_us / 4 * 3);
}

/* -- tickets ------------------------------------------------------------------------ */
bool control_sched_reserve(struct control_sched *sched, aion_str name, unsigned class,
                           size_t bytes, struct control_sched_ticket *ret_ticket,
                           struct aion_err *err)
{
    struct control_sched_tenant *tenant = control_sched_tenant_of(sched, name);
    bool room = queue_has_room(sched, bytes, err) &&
                tenant_has_room(sched, tenant, bytes, err) &&
                class_open(sched, bounded(class), err);
    if (room) {
        *ret_ticket = (struct control_sched_ticket){tenant, bytes};
        sched->reserved++;
        sched->reserved_bytes += bytes;
        tenant->reserved++;
        tenant->reserved_bytes += bytes;
    }
    control_sched_tenant_changed(sched, tenant);
    return room;
}

void control_sched_unreserve(struct control_sched *sched, struct control_sched_ticket *ticket)
{
    struct control_sched_tenant *tenant = ticket->tenant;
    if (tenant == NULL)
        return;
    sched->reserved--;
    sched->reserved_bytes -= ticket->bytes;
    tenant->reserved--;
    tenant->reserved_bytes -= ticket->bytes;
    *ticket = (struct control_sched_ticket){0};
    control_sched_tenant_changed(sched, tenant);
}
