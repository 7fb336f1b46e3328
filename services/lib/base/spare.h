/* Freed pieces of one size, kept for the next that wants one. For what a busy loop makes and
 * frees all the time and the heap is slow at: pieces above 1 KiB, which the C library looks for
 * in its sorted bins and merges when they are freed. One thread at a time. Under the address
 * sanitizer nothing is kept, so that a piece that is used after it was freed is found. */
#ifndef BASE_SPARE_H
#define BASE_SPARE_H

#include <stddef.h>

struct aion_spares {
    size_t size;  /* of a piece; at least a pointer's */
    unsigned max; /* pieces kept */
    unsigned count;
    void *first; /* each begins with a pointer to the next */
};

#define AION_SPARES(size, max) ((struct aion_spares){(size), (max), 0, NULL})

/* Not cleared; NULL: out of memory. */
void *aion_spares_take(struct aion_spares *spares);
void aion_spares_give(struct aion_spares *spares, void *piece); /* NULL fine */
void aion_spares_done(struct aion_spares *spares);              /* frees what is kept */

#endif
