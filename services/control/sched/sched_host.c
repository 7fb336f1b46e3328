/* Hosts: which lanes they can run, and which of them gets the next task. */
#include "sched_private.h"

#include <assert.h>
#include <stdlib.h>

/* -- ways --------------------------------------------------------------------------- */
static bool has_label(const struct control_sched_host *host, aion_str wanted)
{
    aion_str name = aion_str_cut(&wanted, '=');
    for (size_t i = 0; i < host->label_count; i++)
        if (aion_str_eq(host->labels[i].name, name) &&
            aion_str_eq(host->labels[i].value, wanted))
            return true;
    return false;
}

static const struct control_sched_offer *offer_for(const struct control_sched_host *host,
                                                   const struct control_sched_lane *lane)
{
    aion_str labels = lane->labels;
    while (labels.size > 0)
        if (!has_label(host, aion_str_cut(&labels, ',')))
            return NULL;
    for (size_t i = 0; i < host->offer_count; i++)
        if (aion_str_is(lane->module, host->offers[i].module))
            return &host->offers[i];
    return NULL;
}

/* What all hosts of the lane agree to, so that it matters to no batch which of them is free. */
static void agree(struct control_sched_lane *lane)
{
    lane->batch_max = SCHED_BATCH_MAX;
    lane->batch_wait_us = INT64_MAX;
    aion_list_each (link, &lane->ways) {
        const struct control_sched_offer *offer =
            aion_container(link, struct control_sched_way, of_lane)->offer;
        if (offer->batch_max < lane->batch_max)
            lane->batch_max = offer->batch_max;
        if (offer->batch_wait_us < lane->batch_wait_us)
            lane->batch_wait_us = offer->batch_wait_us;
    }
    if (aion_list_empty(&lane->ways) || lane->batch_max < 2) {
        lane->batch_max = 1;
        lane->batch_wait_us = 0;
    }
}

static void join(struct control_sched_lane *lane, struct control_sched_host *host)
{
    const struct control_sched_offer *offer = offer_for(host, lane);
    if (offer == NULL)
        return;
    struct control_sched_way *way = calloc(1, sizeof(*way));
    if (way == NULL)
        abort();
    way->lane = lane;
    way->host = host;
    way->offer = offer;
    aion_list_add_last(&lane->ways, &way->of_lane);
    aion_list_add_last(&host->ways, &way->of_host);
    lane->free += host->free;
    agree(lane);
}

static void way_free(struct control_sched_way *way)
{
    struct control_sched_lane *lane = way->lane;
    lane->free -= way->host->free;
    aion_list_remove(&way->of_lane);
    aion_list_remove(&way->of_host);
    free(way);
    agree(lane);
}

void control_sched_lane_meet(struct control_sched_lane *lane)
{
    aion_list_each (link, &lane->pool->hosts)
        join(lane, aion_container(link, struct control_sched_host, link));
    agree(lane);
}

void control_sched_lane_part(struct control_sched_lane *lane)
{
    aion_list_each_safe (link, &lane->ways)
        way_free(aion_container(link, struct control_sched_way, of_lane));
}

/* -- being free --------------------------------------------------------------------- */
static void count_free(size_t *count, bool more)
{
    if (more)
        ++*count;
    else
        --*count;
}

static void refresh(struct control_sched_host *host)
{
    bool free_now =
        host->open && host->slots > 0 && host->running < control_sched_host_limit(host);
    if (free_now == host->free)
        return;
    host->free = free_now;
    count_free(&host->pool->free_hosts, free_now);
    aion_list_each (link, &host->ways) {
        struct control_sched_way *way = aion_container(link, struct control_sched_way, of_host);
        count_free(&way->lane->free, free_now);
    }
}

void control_sched_host_take(struct control_sched_host *host)
{
    host->running++;
    refresh(host);
}

void control_sched_host_release(struct control_sched_host *host)
{
    assert(host->running > 0);
    host->running--;
    refresh(host);
}

/* -- coming and going --------------------------------------------------------------- */
static uint32_t slots_of(uint32_t slots)
{
    return slots < SCHED_SLOTS_MAX ? slots : SCHED_SLOTS_MAX;
}

void control_sched_host_add(struct control_sched *sched, struct control_sched_host *host)
{
    host->slots = slots_of(host->slots);
    host->limit_256 = host->slots * 256;
    host->running = host->tasks = 0;
    host->open = host->free = false;
    host->pool = control_sched_pool_ref(sched, aion_str_of(host->pool_name));
    aion_list_init(&host->ways);
    aion_list_add_last(&host->pool->hosts, &host->link);
    aion_list_each (link, &host->pool->lanes)
        join(aion_container(link, struct control_sched_lane, of_pool), host);
}

void control_sched_host_remove(struct control_sched *sched, struct control_sched_host *host)
{
    struct control_sched_pool *pool = host->pool;
    if (pool == NULL)
        return;
    assert(host->running == 0 && host->tasks == 0);
    control_sched_host_set(sched, host, host->slots, false);
    aion_list_each_safe (link, &host->ways)
        way_free(aion_container(link, struct control_sched_way, of_host));
    aion_list_remove(&host->link);
    host->pool = NULL;
    control_sched_pool_unref(sched, pool);
}

/* New slots are all of its limit until its run times say otherwise. */
void control_sched_host_set(struct control_sched *sched, struct control_sched_host *host,
                            uint32_t slots, bool open)
{
    (void)sched;
    if (host->pool == NULL)
        return;
    slots = slots_of(slots);
    if (slots > host->slots)
        host->limit_256 += (slots - host->slots) * 256;
    if (host->limit_256 > slots * 256)
        host->limit_256 = slots * 256;
    host->slots = slots;
    host->open = open;
    refresh(host);
}

void control_sched_host_learn(struct control_sched *sched, struct control_sched_host *host,
                              const struct control_sched_lane *lane, int64_t now_us,
                              int64_t run_us)
{
    if (!sched->conf.adaptive) {
        host->limit_256 = host->slots * 256;
        refresh(host);
        return;
    }
    aion_list_each (link, &host->ways) {
        struct control_sched_way *way = aion_container(link, struct control_sched_way, of_host);
        if (way->lane != lane || host->slots == 0)
            continue;
        host->limit_256 =
            control_sched_pace(&way->pace, host->limit_256, host->slots, now_us, run_us);
        refresh(host);
        return;
    }
}

/* -- choosing ----------------------------------------------------------------------- */
/* Negative: a has a larger free share of its limit than b. */
static int64_t compare(const struct control_sched_host *a, const struct control_sched_host *b)
{
    int64_t a_limit = control_sched_host_limit(a), b_limit = control_sched_host_limit(b);
    return (b_limit - b->running) * a_limit - (a_limit - a->running) * b_limit;
}

struct control_sched_host *control_sched_host_for(struct control_sched *sched,
                                                  const struct control_sched_lane *lane)
{
    struct control_sched_host *best = NULL;
    uint64_t equals = 0;
    aion_list_each (link, &lane->ways) {
        struct control_sched_host *host =
            aion_container(link, struct control_sched_way, of_lane)->host;
        int64_t order = best == NULL || !host->free ? 0 : compare(host, best);
        if (!host->free || order > 0)
            continue;
        equals = best == NULL || order < 0 ? 1 : equals + 1;
        if (equals == 1 || aion_rand_below(&sched->rand, equals) == 0)
            best = host;
    }
    return best;
}
