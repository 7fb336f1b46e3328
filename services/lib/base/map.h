/* Hash map from bytes to pointers: open addressing, SipHash with a key per process, so that
 * outside keys cannot be chosen to collide. Keys are borrowed: they must live inside or beside
 * the value. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct aion_map_slot {
    aion_str key;
    uint64_t hash; /* 0 = empty */
    void *value;
};

struct aion_map {
    struct aion_map_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    size_t count_max; /* aion_map_put refuses beyond */
};

void aion_map_init(struct aion_map *map, size_t count_max);
void aion_map_done(struct aion_map *map);                     /* values are the caller's */
void *aion_map_get(const struct aion_map *map, aion_str key); /* NULL = absent */
/* Adds or replaces; false when full (count_max) or out of memory. value is not NULL. */
bool aion_map_put(struct aion_map *map, aion_str key, void *value);
void *aion_map_remove(struct aion_map *map, aion_str key); /* the value, or NULL */
/* Walk in table order: start with *cursor = 0; NULL = end. No put or remove meanwhile. */
void *aion_map_next(const struct aion_map *map, size_t *cursor);

/* SipHash-2-4 (Aumasson, Bernstein 2012) with a given 128-bit key: for fixed, reproducible
 * hashes. */
uint64_t aion_siphash(uint64_t key0, uint64_t key1, const void *data, size_t size);

#endif
