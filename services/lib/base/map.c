#include "base/map.h"

#include "base/rand.h"

#include <pthread.h>
#include <stdlib.h>

static uint64_t rotl(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

static uint64_t little(const uint8_t *p, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

uint64_t aion_siphash(uint64_t key0, uint64_t key1, const void *data, size_t size)
{
    uint64_t v[4] = {0x736f6d6570736575u ^ key0, 0x646f72616e646f6du ^ key1,
                     0x6c7967656e657261u ^ key0, 0x7465646279746573u ^ key1};
    const uint8_t *p = data;
    size_t whole = size / 8;
    for (size_t i = 0; i <= whole; i++) {
        uint64_t word = i < whole ? little(p + 8 * i, 8)
                                  : little(p + 8 * i, size % 8) | (uint64_t)size << 56;
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t process_key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    aion_rand_secret(process_key, sizeof(process_key));
}

static uint64_t hash_of(aion_str key)
{
    uint64_t hash = aion_siphash(process_key[0], process_key[1], key.data, key.size);
    return hash != 0 ? hash : 1;
}

void aion_map_init(struct aion_map *map, size_t count_max)
{
    pthread_once(&key_once, make_key);
    *map = (struct aion_map){.count_max = count_max};
}

void aion_map_done(struct aion_map *map)
{
    free(map->slots);
    *map = (struct aion_map){.count_max = map->count_max};
}

/* The slot of the key, or the empty one where it belongs. Load stays <= 3/4, so there is always
 * one. */
static struct aion_map_slot *find(const struct aion_map *map, aion_str key, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct aion_map_slot *slot = &map->slots[i];
        if (slot->hash == 0 || (slot->hash == hash && aion_str_eq(slot->key, key)))
            return slot;
    }
}

void *aion_map_get(const struct aion_map *map, aion_str key)
{
    return map->count > 0 ? find(map, key, hash_of(key))->value : NULL;
}

static bool grow(struct aion_map *map)
{
    if (map->capacity > 0 && map->count + 1 <= map->capacity / 4 * 3)
        return true;
    struct aion_map wider = *map;
    wider.capacity = map->capacity > 0 ? map->capacity * 2 : 16;
    wider.slots = calloc(wider.capacity, sizeof(*wider.slots));
    if (wider.slots == NULL)
        return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].hash != 0)
            *find(&wider, map->slots[i].key, map->slots[i].hash) = map->slots[i];
    free(map->slots);
    *map = wider;
    return true;
}

bool aion_map_put(struct aion_map *map, aion_str key, void *value)
{
    uint64_t hash = hash_of(key);
    struct aion_map_slot *slot = map->capacity > 0 ? find(map, key, hash) : NULL;
    if (slot == NULL || slot->hash == 0) {
        if (map->count >= map->count_max || !grow(map))
            return false;
        slot = find(map, key, hash);
        map->count++;
    }
    *slot = (struct aion_map_slot){key, hash, value};
    return true;
}

/* Moves later members of the run back over the hole, so that no probe stops early (Knuth 6.4
 * R). */
static void close_hole(struct aion_map *map, size_t hole)
{
    size_t mask = map->capacity - 1;
    for (size_t i = (hole + 1) & mask; map->slots[i].hash != 0; i = (i + 1) & mask) {
        size_t home = map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct aion_map_slot){0};
}

void *aion_map_remove(struct aion_map *map, aion_str key)
{
    if (map->count == 0)
        return NULL;
    struct aion_map_slot *slot = find(map, key, hash_of(key));
    void *value = slot->value;
    if (slot->hash == 0)
        return NULL;
    map->count--;
    close_hole(map, (size_t)(slot - map->slots));
    return value;
}

void *aion_map_next(const struct aion_map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        const struct aion_map_slot *slot = &map->slots[(*cursor)++];
        if (slot->hash != 0)
            return slot->value;
    }
    return NULL;
}
