/* Binary heap of intrusive nodes ordered by an int64 key (a time): timers, deadlines. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aion_heap_node {
    int64_t key;
    size_t slot; /* place in the heap + 1; 0 = in no heap */
};

struct aion_heap {
    struct aion_heap_node **nodes;
    size_t count, capacity;
};

void aion_heap_init(struct aion_heap *heap);
void aion_heap_done(struct aion_heap *heap);
/* Adds, or moves a node that is in already. Out of memory aborts: a lost timer would be a lost
 * task. */
void aion_heap_set(struct aion_heap *heap, struct aion_heap_node *node, int64_t key);
void aion_heap_remove(struct aion_heap *heap,
                      struct aion_heap_node *node);                   /* absent: nothing */
struct aion_heap_node *aion_heap_first(const struct aion_heap *heap); /* NULL = empty */

#endif
