/* Fixed-size FIFO of pointers. One thread. */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct aion_ring {
    void **items;
    size_t head, count, capacity;
};

bool aion_ring_init(struct aion_ring *ring, size_t capacity); /* false: out of memory */
void aion_ring_done(struct aion_ring *ring);
bool aion_ring_push(struct aion_ring *ring, void *item); /* false: full is an answer */
void *aion_ring_pop(struct aion_ring *ring);             /* NULL = empty */

#endif
