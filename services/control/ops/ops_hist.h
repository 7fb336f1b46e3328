/* A histogram of microseconds that can be merged: log-linear buckets as in base/metric.h,
 * counted for one frame at a time. Remembers which part of it was touched, so that a frame
 * costs what it saw. Pure. */
#ifndef OPS_HIST_H
#define OPS_HIST_H

#include "base/metric.h"

enum { OPS_HIST_BUCKETS = (62 - 3) * 16 + 16 }; /* up to INT64_MAX */

struct ops_hist {
    uint64_t total;
    unsigned low, high; /* buckets touched: [low, high) */
    uint32_t counts[OPS_HIST_BUCKETS];
};

void ops_hist_reset(struct ops_hist *hist);
/* value < 0 counts as 0. */
void ops_hist_record(struct ops_hist *hist, int64_t value);
/* A bucket of another histogram; what no bucket can be is ignored. */
void ops_hist_add(struct ops_hist *hist, unsigned bucket, uint64_t count);
void ops_hist_merge(struct ops_hist *to, const struct ops_hist *from);
/* The bound of the bucket that holds the quantile (0..1000), -1 when empty. */
int64_t ops_hist_quantile(const struct ops_hist *hist, unsigned per_mille);
/* How many are above `from` and at most `to`, by whole buckets. */
uint64_t ops_hist_between(const struct ops_hist *hist, int64_t from, int64_t to);

#endif
