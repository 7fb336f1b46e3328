/* Rate limits by GCRA (the leaky bucket as one time per key): memory driver.
 *
 * A key may spend `burst` at once and gains one every 1 / rate. The table is of fixed size: a
 * key that has its whole burst again is the same as one never seen, so such places are reused;
 * when all places of a key's row are taken by others that still spend, the one nearest to its
 * full burst is forgotten, which only loosens its limit. One thread at a time; time is a
 * parameter. */
#ifndef LIMIT_LIMIT_H
#define LIMIT_LIMIT_H

#include "base/str.h"

struct limit_table;

struct limit_rate {
    uint32_t per_second; /* gained; 0 = no limit */
    uint32_t burst;      /* at least 1 */
};

struct limit_verdict {
    bool allowed;
    uint32_t remaining;     /* whole units that could be spent now */
    int64_t retry_after_us; /* when refused: until `cost` could be spent; INT64_MAX = never
                               (cost > burst) */
    int64_t reset_us;       /* until the whole burst is back */
};

/* keys: places, rounded up to a power of two (24 bytes each). Aborts without memory: called at
 * start. */
struct limit_table *limit_table_new(size_t keys);
void limit_table_free(struct limit_table *table); /* NULL fine */
/* Spends `cost` for `key` when that is allowed, and tells how much is left. now_us: monotonic.
 */
struct limit_verdict limit_take(struct limit_table *table, const struct limit_rate *rate,
                                aion_str key, uint32_t cost, int64_t now_us);
/* Looks without spending. */
struct limit_verdict limit_look(const struct limit_table *table, const struct limit_rate *rate,
                                aion_str key, uint32_t cost, int64_t now_us);

#endif
