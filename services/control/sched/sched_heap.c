/* A binary heap of flows by (round, turn, order). No two flows have the same key: a turn
 * belongs to one tenant, an order to one task. */
#include "sched_private.h"

#include <stdlib.h>

bool control_sched_before(const struct control_sched_key *a, const struct control_sched_key *b)
{
    if (a->round != b->round)
        return a->round < b->round;
    return a->turn != b->turn ? a->turn < b->turn : a->order < b->order;
}

static bool before(const struct control_sched_flow *a, const struct control_sched_flow *b)
{
    return control_sched_before(&a->key, &b->key);
}

static void place(struct control_sched_heap *heap, size_t slot, struct control_sched_flow *flow)
{
    heap->flows[slot] = flow;
    flow->slot = slot + 1;
}

static void sift_up(struct control_sched_heap *heap, size_t slot)
{
    struct control_sched_flow *flow = heap->flows[slot];
    while (slot > 0 && before(flow, heap->flows[(slot - 1) / 2])) {
        place(heap, slot, heap->flows[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    place(heap, slot, flow);
}

static void sift_down(struct control_sched_heap *heap, size_t slot)
{
    struct control_sched_flow *flow = heap->flows[slot];
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(heap->flows[child + 1], heap->flows[child]))
            child++;
        if (before(flow, heap->flows[child]))
            break;
        place(heap, slot, heap->flows[child]);
        slot = child;
    }
    place(heap, slot, flow);
}

static void grow(struct control_sched_heap *heap)
{
    heap->capacity = heap->capacity > 0 ? heap->capacity * 2 : 16;
    heap->flows = realloc(heap->flows, heap->capacity * sizeof(struct control_sched_flow *));
    if (heap->flows == NULL)
        abort();
}

void control_sched_heap_set(struct control_sched_heap *heap, struct control_sched_flow *flow,
                            const struct control_sched_key *key)
{
    flow->key = *key;
    if (flow->slot == 0) {
        if (heap->count == heap->capacity)
            grow(heap);
        place(heap, heap->count++, flow);
    }
    sift_up(heap, flow->slot - 1);
    sift_down(heap, flow->slot - 1);
}

void control_sched_heap_remove(struct control_sched_heap *heap, struct control_sched_flow *flow)
{
    if (flow->slot == 0)
        return;
    size_t slot = flow->slot - 1;
    flow->slot = 0;
    struct control_sched_flow *last = heap->flows[--heap->count];
    if (last == flow)
        return;
    place(heap, slot, last);
    sift_up(heap, slot);
    sift_down(heap, last->slot - 1);
}
