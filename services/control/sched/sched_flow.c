/* Flows: what waits of one gate in one lane and class. */
#include "sched_private.h"

#include <stdlib.h>

static struct control_sched_flow *find(const struct control_sched_gate *gate,
                                       const struct control_sched_lane *lane, unsigned class)
{
    aion_list_each (link, &gate->flows) {
        struct control_sched_flow *flow =
            aion_container(link, struct control_sched_flow, of_gate);
        if (flow->lane == lane && flow->class == class)
            return flow;
    }
    return NULL;
}

static struct control_sched_flow *flow_of(struct control_sched *sched,
                                          struct control_sched_lane *lane,
                                          struct control_sched_gate *gate, unsigned class)
{
    struct control_sched_flow *flow = find(gate, lane, class);
    if (flow != NULL)
        return flow;
    flow = calloc(1, sizeof(*flow));
    if (flow == NULL)
        abort();
    flow->lane = lane;
    flow->gate = gate;
    flow->class = class;
    flow->member = control_sched_member_of(sched, gate->tenant, lane->pool);
    aion_list_init(&flow->items);
    aion_list_add_last(&gate->flows, &flow->of_gate);
    aion_list_add_last(&flow->member->shares[class].flows, &flow->of_share);
    return flow;
}

static void flow_free(struct control_sched_flow *flow)
{
    aion_list_remove(&flow->of_gate);
    aion_list_remove(&flow->of_share);
    free(flow);
}

/* -- the heap ----------------------------------------------------------------------- */
static void ready_change(struct control_sched_flow *flow, bool ready)
{
    struct control_sched_lane *lane = flow->lane;
    if (!ready) {
        lane->ready -= flow->count;
        return;
    }
    const struct control_sched_item *first =
        aion_container(flow->items.next, struct control_sched_item, link);
    if (lane->ready == 0 || first->since_us < lane->ready_since_us)
        lane->ready_since_us = first->since_us;
    lane->ready += flow->count;
}

void control_sched_flow_place(struct control_sched_flow *flow)
{
    struct control_sched_heap *heap = &flow->lane->heaps[flow->class];
    const struct control_sched_share *share = &flow->member->shares[flow->class];
    bool was_ready = flow->slot > 0, is_ready = !control_sched_gate_full(flow->gate);
    if (was_ready && !is_ready)
        control_sched_heap_remove(heap, flow);
    if (was_ready != is_ready)
        ready_change(flow, is_ready);
    if (!is_ready)
        return;
    const struct control_sched_item *first =
        aion_container(flow->items.next, struct control_sched_item, link);
    struct control_sched_key key = {share->round, share->turn, first->order};
    control_sched_heap_set(heap, flow, &key);
}

/* -- tasks -------------------------------------------------------------------------- */
static void count(struct control_sched_flow *flow, int change)
{
    struct control_sched_lane *lane = flow->lane;
    size_t tasks = (size_t)change; /* modulo 2^64 */
    flow->count += tasks;
    lane->counts[flow->class] += tasks;
    lane->waiting += tasks;
    lane->pool->waiting += tasks;
    flow->gate->waiting += tasks;
    if (flow->slot > 0)
        lane->ready += tasks;
}

void control_sched_flow_push(struct control_sched *sched, struct control_sched_lane *lane,
                             struct control_sched_gate *gate, struct control_sched_item *item,
                             unsigned class)
{
    struct control_sched_flow *flow = flow_of(sched, lane, gate, class);
    bool is_first = flow->count == 0;
    item->flow = flow;
    item->gate = gate;
    item->class = (unsigned char)class;
    item->order = ++sched->next_order;
    aion_list_add_last(&flow->items, &item->link);
    if (lane->waiting == 0)
        aion_list_add_last(&lane->pool->busy, &lane->busy);
    count(flow, 1);
    control_sched_share_grow(sched, flow->member, class);
    if (is_first)
        control_sched_flow_place(flow);
}

struct control_sched_flow *control_sched_flow_pull(struct control_sched_item *item)
{
    struct control_sched_flow *flow = item->flow;
    struct control_sched_lane *lane = flow->lane;
    aion_list_remove(&item->link);
    item->flow = NULL;
    count(flow, -1);
    control_sched_share_shrink(flow->member, flow->class);
    if (lane->waiting == 0)
        aion_list_remove(&lane->busy);
    if (flow->count > 0)
        return flow;
    control_sched_heap_remove(&lane->heaps[flow->class], flow);
    flow_free(flow);
    return NULL;
}
