#include "ops_hist.h"

#include <string.h>

void ops_hist_reset(struct ops_hist *hist)
{
    if (hist->high > hist->low)
        memset(&hist->counts[hist->low], 0, (hist->high - hist->low) * sizeof(hist->counts[0]));
    hist->total = 0;
    hist->low = hist->high = 0;
}

void ops_hist_add(struct ops_hist *hist, unsigned bucket, uint64_t count)
{
    if (bucket >= OPS_HIST_BUCKETS || count == 0)
        return;
    if (hist->high == 0)
        hist->low = bucket;
    hist->low = bucket < hist->low ? bucket : hist->low;
    hist->high = bucket >= hist->high ? bucket + 1 : hist->high;
    uint64_t room = UINT32_MAX - hist->counts[bucket];
    count = count < room ? count : room;
    hist->counts[bucket] += (uint32_t)count;
    hist->total += count;
}

void ops_hist_record(struct ops_hist *hist, int64_t value)
{
    ops_hist_add(hist, aion_hist_bucket(value > 0 ? (uint64_t)value : 0), 1);
}

void ops_hist_merge(struct ops_hist *to, const struct ops_hist *from)
{
    for (unsigned i = from->low; i < from->high; i++)
        ops_hist_add(to, i, from->counts[i]);
}

int64_t ops_hist_quantile(const struct ops_hist *hist, unsigned per_mille)
{
    uint64_t rank = hist->total * per_mille / 1000, seen = 0;
    for (unsigned i = hist->low; i < hist->high; i++) {
        seen += hist->counts[i];
        if (seen > rank || seen == hist->total)
            return (int64_t)aion_hist_bound(i);
    }
    return -1;
}

uint64_t ops_hist_between(const struct ops_hist *hist, int64_t from, int64_t to)
{
    uint64_t count = 0;
    for (unsigned i = hist->low; i < hist->high; i++) {
        int64_t bound = (int64_t)aion_hist_bound(i);
        if (bound > from && bound <= to)
            count += hist->counts[i];
    }
    return count;
}
