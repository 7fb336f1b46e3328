/* Families and series are found under one lock; adding to a series takes none. */
#include "base/metric.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct aion_metric {
    struct aion_metric *next; /* of the family, in order of making */
    char *values[AION_METRIC_LABELS_MAX];
    atomic_int_least64_t value;     /* counter, gauge; histogram: count */
    atomic_int_least64_t sum;       /* histogram */
    atomic_uint_least32_t *buckets; /* histogram: AION_HIST_BUCKETS */
};

struct family {
    struct family *next; /* by name */
    const struct aion_metric_family *about;
    struct aion_metric *first, **end;
    size_t count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_size_t made;
static struct family *families AION_GUARDED_BY(lock);

static size_t label_count(const struct aion_metric_family *family)
{
    size_t count = 0;
    while (count < AION_METRIC_LABELS_MAX && family->labels[count] != NULL)
        count++;
    return count;
}

static void *must(void *memory)
{
    if (memory == NULL)
        abort(); /* at start, or bounded by series_max: no way to go on without */
    return memory;
}

/* Caller holds the lock. */
static struct family *family_of(const struct aion_metric_family *about)
{
    struct family **at = &families;
    while (*at != NULL && strcmp((*at)->about->name, about->name) < 0)
        at = &(*at)->next;
    if (*at != NULL && strcmp((*at)->about->name, about->name) == 0)
        return *at;
    struct family *family = must(calloc(1, sizeof(*family)));
    family->about = about;
    family->end = &family->first;
    family->next = *at;
    *at = family;
    return family;
}

static struct aion_metric *find(struct family *family, const char *const *values, size_t count)
{
    for (struct aion_metric *series = family->first; series != NULL; series = series->next) {
        size_t same = 0;
        while (same < count && strcmp(series->values[same], values[same]) == 0)
            same++;
        if (same == count)
            return series;
    }
    return NULL;
}

static struct aion_metric *make(struct family *family, const char *const *values, size_t count)
{
    struct aion_metric *series = must(calloc(1, sizeof(*series)));
    for (size_t i = 0; i < count; i++)
        series->values[i] = must(strdup(values[i]));
    if (family->about->kind == AION_HISTOGRAM)
        series->buckets = must(calloc(AION_HIST_BUCKETS, sizeof(*series->buckets)));
    *family->end = series;
    family->end = &series->next;
    family->count++;
    atomic_fetch_add(&made, 1);
    return series;
}

struct aion_metric *aion_metric(const struct aion_metric_family *about, ...)
{
    static const char *const other[AION_METRIC_LABELS_MAX] = {"other", "other", "other",
                                                              "other"};
    const char *values[AION_METRIC_LABELS_MAX];
    size_t count = label_count(about);
    va_list args;
    va_start(args, about);
    for (size_t i = 0; i < count; i++)
        values[i] = va_arg(args, const char *);
    va_end(args);

    pthread_mutex_lock(&lock);
    struct family *family = family_of(about);
    struct aion_metric *series = find(family, values, count);
    size_t max = about->series_max > 0 ? about->series_max : 256;
    if (series == NULL && count > 0 && family->count + 1 >= max)
        series = find(family, other, count);
    if (series == NULL)
        series = make(family, family->count + 1 >= max && count > 0 ? other : values, count);
    pthread_mutex_unlock(&lock);
    return series;
}

void aion_metric_add(struct aion_metric *metric, int64_t delta)
{
    atomic_fetch_add_explicit(&metric->value, delta, memory_order_relaxed);
}

void aion_metric_set(struct aion_metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

int64_t aion_metric_value(const struct aion_metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

int64_t aion_metric_sum(const struct aion_metric *metric)
{
    return atomic_load_explicit(&metric->sum, memory_order_relaxed);
}

void aion_metric_buckets(const struct aion_metric *metric,
                         uint32_t ret_counts[AION_HIST_BUCKETS])
{
    for (unsigned i = 0; i < AION_HIST_BUCKETS; i++)
        ret_counts[i] = atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
}

void aion_metric_each(aion_metric_fn *fn, void *user)
{
    pthread_mutex_lock(&lock);
    for (const struct family *family = families; family != NULL; family = family->next)
        for (struct aion_metric *series = family->first; series != NULL; series = series->next)
            fn(user, family->about, series, (const char *const *)series->values);
    pthread_mutex_unlock(&lock);
}

size_t aion_metric_made(void)
{
    return atomic_load(&made);
}

unsigned aion_hist_bucket(uint64_t value)
{
    if (value < 16)
        return (unsigned)value;
    unsigned power = 63 - (unsigned)__builtin_clzll(value); /* >= 4 */
    return (power - 3) * 16 + (unsigned)(value >> (power - 4) & 15);
}

uint64_t aion_hist_bound(unsigned bucket)
{
    if (bucket < 16)
        return bucket;
    unsigned power = bucket / 16 + 3;
    uint64_t width = (uint64_t)1 << (power - 4);
    return ((uint64_t)16 + bucket % 16) * width + (width - 1);
}

void aion_metric_record(struct aion_metric *metric, int64_t value)
{
    uint64_t counted = value > 0 ? (uint64_t)value : 0;
    atomic_fetch_add_explicit(&metric->buckets[aion_hist_bucket(counted)], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->sum, (int64_t)counted, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->value, 1, memory_order_relaxed);
}

static uint64_t bucket_count(const struct aion_metric *metric, unsigned bucket)
{
    return atomic_load_explicit(&metric->buckets[bucket], memory_order_relaxed);
}

int64_t aion_metric_quantile(const struct aion_metric *metric, double q)
{
    uint64_t total = 0, seen = 0;
    for (unsigned i = 0; i < AION_HIST_BUCKETS; i++)
        total += bucket_count(metric, i);
    uint64_t rank = (uint64_t)(q * (double)total);
    for (unsigned i = 0; i < AION_HIST_BUCKETS; i++) {
        seen += bucket_count(metric, i);
        if (seen > rank || (seen == total && seen > 0))
            return (int64_t)aion_hist_bound(i);
    }
    return 0;
}

/* -- OpenMetrics ---------------------------------------------------------- */

static double scale_of(const struct aion_metric_family *about)
{
    return about->scale > 0 ? about->scale : 1;
}

static void add_label(struct aion_buf *out, const char *name, const char *value, bool *first)
{
    aion_buf_char(out, *first ? '{' : ',');
    *first = false;
    aion_buf_text(out, name);
    aion_buf_text(out, "=\"");
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            aion_buf_char(out, '\\');
        if (*value == '\n')
            aion_buf_text(out, "\\n");
        else
            aion_buf_char(out, *value);
    }
    aion_buf_char(out, '"');
}

/* name + suffix, labels, and the label `le` when it is not NULL. */
static void add_name(struct aion_buf *out, const struct aion_metric_family *about,
                     const struct aion_metric *series, const char *suffix, const char *le)
{
    bool first = true;
    aion_buf_text(out, about->name);
    aion_buf_text(out, suffix);
    for (size_t i = 0; i < label_count(about); i++)
        add_label(out, about->labels[i], series->values[i], &first);
    if (le != NULL)
        add_label(out, "le", le, &first);
    aion_buf_text(out, first ? " " : "} ");
}

static void add_number(struct aion_buf *out, int64_t value, double scale)
{
    if (scale < 1 || scale > 1)
        aion_buf_printf(out, "%.9g\n", (double)value * scale);
    else
        aion_buf_printf(out, "%lld\n", (long long)value);
}

/* One bound for every second power of two: 24 lines tell the shape of nanoseconds to hours. */
static void add_histogram(struct aion_buf *out, const struct aion_metric_family *about,
                          const struct aion_metric *series)
{
    uint64_t cumulative = 0;
    unsigned bucket = 0;
    char le[32];
    for (unsigned power = 4; power <= 40; power += 2) {
        for (; bucket < (power - 3) * 16; bucket++)
            cumulative += bucket_count(series, bucket);
        uint64_t bound = ((uint64_t)1 << power) - 1;
        snprintf(le, sizeof(le), "%.6g", (double)bound * scale_of(about));
        add_name(out, about, series, "_bucket", le);
        aion_buf_u64(out, cumulative);
        aion_buf_char(out, '\n');
    }
    for (; bucket < AION_HIST_BUCKETS; bucket++)
        cumulative += bucket_count(series, bucket);
    add_name(out, about, series, "_bucket", "+Inf");
    aion_buf_u64(out, cumulative);
    aion_buf_char(out, '\n');
    add_name(out, about, series, "_sum", NULL);
    add_number(out, atomic_load_explicit(&series->sum, memory_order_relaxed), scale_of(about));
    add_name(out, about, series, "_count", NULL);
    aion_buf_u64(out, cumulative);
    aion_buf_char(out, '\n');
}

static void add_family(struct aion_buf *out, const struct family *family)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const struct aion_metric_family *about = family->about;
    aion_buf_printf(out, "# TYPE %s %s\n", about->name, kinds[about->kind]);
    if (about->unit != NULL && about->unit[0] != '\0')
        aion_buf_printf(out, "# UNIT %s %s\n", about->name, about->unit);
    aion_buf_printf(out, "# HELP %s %s\n", about->name, about->help);
    for (const struct aion_metric *series = family->first; series != NULL;
         series = series->next) {
        if (about->kind == AION_HISTOGRAM) {
            add_histogram(out, about, series);
            continue;
        }
        add_name(out, about, series, about->kind == AION_COUNTER ? "_total" : "", NULL);
        add_number(out, aion_metric_value(series), scale_of(about));
    }
}

void aion_metric_render(struct aion_buf *out)
{
    pthread_mutex_lock(&lock);
    for (const struct family *family = families; family != NULL; family = family->next)
        add_family(out, family);
    pthread_mutex_unlock(&lock);
    aion_buf_text(out, "# EOF\n");
}
