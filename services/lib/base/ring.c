#include "base/ring.h"

#include <stdlib.h>

bool aion_ring_init(struct aion_ring *ring, size_t capacity)
{
    *ring = (struct aion_ring){.capacity = capacity};
    ring->items = calloc(capacity > 0 ? capacity : 1, sizeof(void *));
    return ring->items != NULL;
}

void aion_ring_done(struct aion_ring *ring)
{
    free(ring->items);
    *ring = (struct aion_ring){0};
}

bool aion_ring_push(struct aion_ring *ring, void *item)
{
    if (ring->count == ring->capacity)
        return false;
    ring->items[(ring->head + ring->count++) % ring->capacity] = item;
    return true;
}

void *aion_ring_pop(struct aion_ring *ring)
{
    if (ring->count == 0)
        return NULL;
    void *item = ring->items[ring->head];
    ring->head = (ring->head + 1) % ring->capacity;
    ring->count--;
    return item;
}
