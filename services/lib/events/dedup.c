/* The window of names: a ring in the order of arrival, and an open-addressed table of places in
 * it. The table is twice as large as the ring, so runs stay short; deletion moves later names
 * of a run back (no tombstones). */
#include "events/dedup.h"

#include "base/map.h"
#include "base/rand.h"

#include <stdlib.h>

struct name {
    uint64_t high, low;
};

struct events_dedup {
    uint64_t secret[4];
    size_t ring_mask, table_mask;
    size_t count, next; /* names in the ring; where the next one goes */
    uint64_t dropped;
    struct name *ring;
    uint32_t *table; /* place in the ring + 1; 0 = empty */
};

struct events_dedup *events_dedup_new(size_t window)
{
    size_t size = 16;
    while (size < (window > 0 ? window : EVENTS_DEDUP_WINDOW))
        size *= 2;
    struct events_dedup *dedup = calloc(1, sizeof(*dedup));
    if (dedup == NULL)
        abort();
    dedup->ring = calloc(size, sizeof(*dedup->ring));
    dedup->table = calloc(size * 2, sizeof(*dedup->table));
    if (dedup->ring == NULL || dedup->table == NULL)
        abort();
    dedup->ring_mask = size - 1;
    dedup->table_mask = size * 2 - 1;
    aion_rand_secret(dedup->secret, sizeof(dedup->secret));
    return dedup;
}

void events_dedup_free(struct events_dedup *dedup)
{
    if (dedup == NULL)
        return;
    free(dedup->ring);
    free(dedup->table);
    free(dedup);
}

static struct name name_of(const struct events_dedup *dedup, aion_str key, uint64_t sequence)
{
    const uint64_t *secret = dedup->secret;
    uint64_t key_high = aion_siphash(secret[0], secret[1], key.data, key.size);
    uint64_t key_low = aion_siphash(secret[2], secret[3], key.data, key.size);
    uint64_t both[3] = {key_high, key_low, sequence};
    return (struct name){aion_siphash(secret[0], secret[2], both, sizeof(both)),
                         aion_siphash(secret[1], secret[3], both, sizeof(both))};
}

/* Its slot in the table, or the empty one where it would go. */
static size_t slot_of(const struct events_dedup *dedup, const struct name *name)
{
    size_t slot = name->high & dedup->table_mask;
    while (dedup->table[slot] != 0) {
        const struct name *there = &dedup->ring[dedup->table[slot] - 1];
        if (there->high == name->high && there->low == name->low)
            return slot;
        slot = (slot + 1) & dedup->table_mask;
    }
    return slot;
}

/* Empties the slot and closes the gap: a name moves back when its home is not behind the gap.
 */
static void forget(struct events_dedup *dedup, size_t gap)
{
    size_t mask = dedup->table_mask;
    for (size_t slot = (gap + 1) & mask; dedup->table[slot] != 0; slot = (slot + 1) & mask) {
        size_t home = dedup->ring[dedup->table[slot] - 1].high & mask;
        if (((slot - home) & mask) < ((slot - gap) & mask))
            continue;
        dedup->table[gap] = dedup->table[slot];
        gap = slot;
    }
    dedup->table[gap] = 0;
}

bool events_dedup_first(struct events_dedup *dedup, aion_str key, uint64_t sequence)
{
    struct name name = name_of(dedup, key, sequence);
    if (dedup->table[slot_of(dedup, &name)] != 0) {
        dedup->dropped++;
        return false;
    }
    if (dedup->count > dedup->ring_mask)
        forget(dedup, slot_of(dedup, &dedup->ring[dedup->next]));
    else
        dedup->count++;
    dedup->ring[dedup->next] = name;
    dedup->table[slot_of(dedup, &name)] = (uint32_t)dedup->next + 1;
    dedup->next = (dedup->next + 1) & dedup->ring_mask;
    return true;
}

uint64_t events_dedup_dropped(const struct events_dedup *dedup)
{
    return dedup->dropped;
}
