#include "base/heap.h"

#include <stdlib.h>

void aion_heap_init(struct aion_heap *heap)
{
    *heap = (struct aion_heap){0};
}

void aion_heap_done(struct aion_heap *heap)
{
    free(heap->nodes);
    *heap = (struct aion_heap){0};
}

static void place(struct aion_heap *heap, size_t slot, struct aion_heap_node *node)
{
    heap->nodes[slot] = node;
    node->slot = slot + 1;
}

static void sift_up(struct aion_heap *heap, size_t slot)
{
    struct aion_heap_node *node = heap->nodes[slot];
    while (slot > 0 && heap->nodes[(slot - 1) / 2]->key > node->key) {
        place(heap, slot, heap->nodes[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    place(heap, slot, node);
}

static void sift_down(struct aion_heap *heap, size_t slot)
{
    struct aion_heap_node *node = heap->nodes[slot];
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (heap->nodes[child]->key >= node->key)
            break;
        place(heap, slot, heap->nodes[child]);
        slot = child;
    }
    place(heap, slot, node);
}

void aion_heap_set(struct aion_heap *heap, struct aion_heap_node *node, int64_t key)
{
    node->key = key;
    if (node->slot == 0) {
        if (heap->count == heap->capacity) {
            heap->capacity = heap->capacity > 0 ? heap->capacity * 2 : 64;
            heap->nodes =
                realloc(heap->nodes, heap->capacity * sizeof(struct aion_heap_node *));
            if (heap->nodes == NULL)
                abort();
        }
        place(heap, heap->count++, node);
    }
    sift_up(heap, node->slot - 1);
    sift_down(heap, node->slot - 1);
}

void aion_heap_remove(struct aion_heap *heap, struct aion_heap_node *node)
{
    if (node->slot == 0)
        return;
    size_t slot = node->slot - 1;
    node->slot = 0;
    struct aion_heap_node *last = heap->nodes[--heap->count];
    if (last == node)
        return;
    place(heap, slot, last);
    sift_up(heap, slot);
    sift_down(heap, last->slot - 1);
}

struct aion_heap_node *aion_heap_first(const struct aion_heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}
