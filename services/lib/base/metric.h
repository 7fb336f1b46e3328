/* Metrics: counters, gauges and log-linear histograms, registered once, rendered as
 * OpenMetrics 1.0.
 *
 * A family has a name, a help text, a unit and up to 4 label names; a series is one set of
 * label values. Look series up once and keep the pointer: adding to a series is one relaxed
 * atomic operation, from any thread. A family holds at most series_max series; further ones
 * share the series whose label values are all "other", so that outside values cannot exhaust
 * memory. */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include "base/buf.h"

enum aion_metric_kind { AION_COUNTER, AION_GAUGE, AION_HISTOGRAM };
enum { AION_METRIC_LABELS_MAX = 4, AION_HIST_BUCKETS = 976 /* (63 - 3) * 16 + 16 */ };

struct aion_metric_family {
    const char *name; /* without _total; "aion_rpc_server_duration_seconds" */
    const char *help;
    const char *unit; /* "seconds", "bytes" or "" */
    enum aion_metric_kind kind;
    const char *labels[AION_METRIC_LABELS_MAX]; /* NULL-terminated when fewer */
    double
        scale; /* rendered value = stored integer * scale (1e-6 for µs as seconds); 0 means 1 */
    size_t series_max; /* 0 means 256 */
};

struct aion_metric; /* one series */

/* Returns the series of these label values (as many as the family has labels), making it if
 * new. Never NULL. The family is borrowed for ever (a static const). Any thread; takes a lock.
 */
struct aion_metric *aion_metric(const struct aion_metric_family *family, ...);
void aion_metric_add(struct aion_metric *metric, int64_t delta); /* counter (>= 0), gauge */
void aion_metric_set(struct aion_metric *metric, int64_t value); /* gauge */
void aion_metric_record(struct aion_metric *metric,
                        int64_t value); /* histogram; < 0 counts as 0 */
int64_t aion_metric_value(
    const struct aion_metric *metric); /* counter, gauge; histogram: count */
/* Value at quantile q (0..1) of a histogram, within 3.2 %; 0 when empty. */
int64_t aion_metric_quantile(const struct aion_metric *metric, double q);
int64_t aion_metric_sum(const struct aion_metric *metric); /* histogram */
/* The counts of a histogram's buckets as they stand. */
void aion_metric_buckets(const struct aion_metric *metric,
                         uint32_t ret_counts[AION_HIST_BUCKETS]);
/* All series, family by family; `values` are those of the family's labels, as many as it has.
 * Series live for ever: keep pointers and come again only when aion_metric_made has grown. A
 * lock is held: fn makes no series. */
typedef void aion_metric_fn(void *user, const struct aion_metric_family *family,
                            struct aion_metric *metric, const char *const *values);
void aion_metric_each(aion_metric_fn *fn, void *user);
size_t aion_metric_made(void); /* series so far */
/* All families in the order of their names, "# EOF" at the end. */
void aion_metric_render(struct aion_buf *out);

/* Log-linear buckets, 16 per power of two: exact below 16, then within 1/16. Shared with
 * mergeable histograms of telemetry. */
unsigned aion_hist_bucket(uint64_t value);
uint64_t aion_hist_bound(unsigned bucket); /* the largest value in the bucket */

#endif
