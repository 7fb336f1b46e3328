/* GCRA: per key the theoretical arrival time (tat), up to which its spending reaches. See
 * limit.h.
 *
 * With T = 1 / rate: a cost c is allowed when tat' = max(tat, now) + c T <= now + burst T; then
 * tat = tat'. */
#include "limit/limit.h"

#include "base/map.h"
#include "base/rand.h"

#include <stdlib.h>

enum { WAYS = 8 }; /* places a key may take: those of its row */

struct place {
    uint64_t hash;
    int64_t tat_ns;
};

struct limit_table {
    uint64_t key[2]; /* of SipHash: outside keys cannot be chosen to meet in a row */
    size_t row_mask;
    struct place places[];
};

struct limit_table *limit_table_new(size_t keys)
{
    size_t rows = 1;
    while (rows * WAYS < keys)
        rows *= 2;
    struct limit_table *table = calloc(1, sizeof(*table) + rows * WAYS * sizeof(struct place));
    if (table == NULL)
        abort();
    table->row_mask = rows - 1;
    aion_rand_secret(table->key, sizeof(table->key));
    return table;
}

void limit_table_free(struct limit_table *table)
{
    free(table);
}

/* The key's place, or NULL; *ret_free (may be NULL) is the one to take otherwise. */
static const struct place *find(const struct limit_table *table, uint64_t hash,
                                const struct place **ret_free)
{
    const struct place *row = &table->places[(hash & table->row_mask) * WAYS];
    const struct place *oldest = &row[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (row[i].hash == hash)
            return &row[i];
        if (row[i].tat_ns < oldest->tat_ns)
            oldest = &row[i];
    }
    if (ret_free != NULL)
        *ret_free = oldest;
    return NULL;
}

static uint64_t hash_of(const struct limit_table *table, aion_str key)
{
    uint64_t hash = aion_siphash(table->key[0], table->key[1], key.data, key.size);
    return hash != 0 ? hash : 1; /* 0 marks a place never taken */
}

struct spend {
    struct limit_verdict verdict;
    int64_t tat_ns; /* after it */
};

static struct spend judge(const struct limit_rate *rate, int64_t tat_ns, uint32_t cost,
                          int64_t now_us)
{
    int64_t now_ns = now_us * 1000;
    int64_t step_ns = 1000000000 / (int64_t)rate->per_second;
    int64_t room_ns = step_ns * (int64_t)(rate->burst > 0 ? rate->burst : 1);
    int64_t from = tat_ns > now_ns ? tat_ns : now_ns;
    int64_t next = from + step_ns * (int64_t)cost;
    struct spend spend = {.tat_ns = from};
    spend.verdict.allowed = next <= now_ns + room_ns;
    if (spend.verdict.allowed)
        spend.tat_ns = next;
    else if (step_ns * (int64_t)cost > room_ns)
        spend.verdict.retry_after_us = INT64_MAX;
    else
        spend.verdict.retry_after_us = (next - room_ns - now_ns + 999) / 1000;
    spend.verdict.remaining = (uint32_t)((now_ns + room_ns - spend.tat_ns) / step_ns);
    spend.verdict.reset_us = (spend.tat_ns - now_ns + 999) / 1000;
    return spend;
}

static const struct limit_verdict unlimited = {.allowed = true, .remaining = UINT32_MAX};

struct limit_verdict limit_look(const struct limit_table *table, const struct limit_rate *rate,
                                aion_str key, uint32_t cost, int64_t now_us)
{
    if (rate->per_second == 0)
        return unlimited;
    const struct place *place = find(table, hash_of(table, key), NULL);
    return judge(rate, place != NULL ? place->tat_ns : 0, cost, now_us).verdict;
}

struct limit_verdict limit_take(struct limit_table *table, const struct limit_rate *rate,
                                aion_str key, uint32_t cost, int64_t now_us)
{
    if (rate->per_second == 0)
        return unlimited;
    uint64_t hash = hash_of(table, key);
    const struct place *other = NULL;
    const struct place *place = find(table, hash, &other);
    struct spend spend = judge(rate, place != NULL ? place->tat_ns : 0, cost, now_us);
    if (spend.verdict.allowed) {
        struct place *mine = &table->places[(place != NULL ? place : other) - table->places];
        *mine = (struct place){hash, spend.tat_ns};
    }
    return spend.verdict;
}
