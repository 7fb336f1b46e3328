#include "series.h"

#include "aion/v1/ops.schema.h"

#include <stdlib.h>

enum { SECOND_US = 1000000, MINUTE_S = 60, WINDOW_S = 15 * 60 };

static const double sum_max = 9e18; /* what an int64_t holds */

bool tui_series_init(struct tui_series *series)
{
    *series =
        (struct tui_series){.version = 1,
                            .kept = calloc(TUI_SAMPLES_KEPT, sizeof(*series->kept)),
                            .seconds = calloc(TUI_SERIES_SECONDS, sizeof(int64_t)),
                            .values = calloc(TUI_SERIES_SECONDS, sizeof(*series->values))};
    return series->kept != NULL && series->seconds != NULL && series->values != NULL;
}

/* Something is another from that second on. */
static void changed_from(struct tui_series *series, int64_t second)
{
    series->version++;
    series->changed[series->version % TUI_CHANGES_KEPT] = second;
}

void tui_series_clear(struct tui_series *series)
{
    memset(series->seconds, 0, TUI_SERIES_SECONDS * sizeof(int64_t));
    for (size_t i = 0; i < series->room; i++)
        tui_series_forget(series, (uint32_t)i);
    changed_from(series, 0);
}

void tui_series_done(struct tui_series *series)
{
    for (size_t i = 0; series->kept != NULL && i < TUI_SAMPLES_KEPT; i++)
        free(series->kept[i].values);
    free(series->kept);
    for (size_t i = 0; i < series->room; i++)
        free(series->trends[i]);
    free(series->trends);
    free(series->seconds);
    free(series->values);
    *series = (struct tui_series){.seconds = NULL};
}

void tui_series_forget(struct tui_series *series, uint32_t slot)
{
    if (slot >= series->room)
        return;
    free(series->trends[slot]);
    series->trends[slot] = NULL;
}

/* -- trends ---------------------------------------------------------------- */

/* The minute in which a frame ended: (59, 60] s belongs to minute 0. */
static int64_t minute_of(int64_t at_us)
{
    return (at_us / SECOND_US - 1) / MINUTE_S;
}

static struct tui_trend *trend_of(struct tui_series *series, uint32_t slot)
{
    if (slot >= series->room) {
        size_t room = ((size_t)slot / 256 + 1) * 256;
        struct tui_trend **trends = realloc(series->trends, room * sizeof(struct tui_trend *));
        if (trends == NULL)
            return NULL;
        memset(trends + series->room, 0, (room - series->room) * sizeof(struct tui_trend *));
        series->trends = trends;
        series->room = room;
    }
    if (series->trends[slot] == NULL)
        series->trends[slot] = calloc(1, sizeof(struct tui_trend));
    return series->trends[slot];
}

/* Makes room for a later minute; false: it is older than the ring. */
static bool reach(struct tui_trend *trend, int64_t minute)
{
    if (trend->newest == 0 || minute - trend->newest >= TUI_TREND_MINUTES) {
        for (size_t i = 0; i < TUI_TREND_MINUTES; i++)
            trend->minutes[i] = TUI_UNKNOWN;
        trend->newest = minute;
    }
    while (trend->newest < minute)
        trend->minutes[++trend->newest % TUI_TREND_MINUTES] = TUI_UNKNOWN;
    return trend->newest - minute < TUI_TREND_MINUTES;
}

void tui_series_add_most(struct tui_series *series, const struct tui_entity *entity,
                         int64_t at_us, int64_t value)
{
    struct tui_trend *trend = trend_of(series, entity->slot);
    int64_t minute = minute_of(at_us);
    if (trend == NULL || minute <= 0 || !reach(trend, minute))
        return;
    int64_t *place = &trend->minutes[minute % TUI_TREND_MINUTES];
    if (value > *place)
        *place = value;
}

int64_t tui_series_trend(const struct tui_series *series, uint32_t slot, int64_t at_us,
                         int64_t now, int64_t out[TUI_TREND_SHOWN + 1])
{
    const struct tui_trend *trend = slot < series->room ? series->trends[slot] : NULL;
    int64_t minute = minute_of(at_us), top = now;
    for (int i = 0; i < TUI_TREND_SHOWN; i++) {
        int64_t wanted = minute - TUI_TREND_SHOWN + i;
        bool there = trend != NULL && wanted > 0 && wanted <= trend->newest &&
                     trend->newest - wanted < TUI_TREND_MINUTES;
        out[i] = there ? trend->minutes[wanted % TUI_TREND_MINUTES] : TUI_UNKNOWN;
        top = out[i] > top ? out[i] : top;
    }
    out[TUI_TREND_SHOWN] = now;
    return top;
}

/* -- seconds --------------------------------------------------------------- */

enum {
    CLASSES = AION__V1__OPS_MESH_COLUMN__OPS_MESH_LATENCY_FIRST,
    CLASSES_END = AION__V1__OPS_MESH_COLUMN__OPS_MESH_LATENCY_LAST + 1,
};

/* What a frame of several seconds counted is all put into the last of them. */
static void add_seconds(struct tui_series *series, int64_t last, int64_t count,
                        const struct tui_row *mesh)
{
    for (int64_t second = last - count + 1; second <= last; second++) {
        size_t place = (size_t)(second % TUI_SERIES_SECONDS);
        if (second <= 0 || series->seconds[place] >= second)
            continue; /* finer or newer numbers stand there */
        series->seconds[place] = second;
        memcpy(series->values[place], mesh->values,
               tui_kinds[TUI_MESH].count * sizeof(int64_t));
        for (int i = CLASSES; i < CLASSES_END && second < last; i++)
            series->values[place][i] = 0;
    }
}

void tui_series_add(struct tui_series *series, const struct tui_picture *picture)
{
    const struct tui_row *mesh = tui_picture_mesh(picture);
    int64_t last = picture->at_us / SECOND_US;
    int64_t count = picture->span_ms >= 1000 ? picture->span_ms / 1000 : 1;
    count = count < TUI_SERIES_SECONDS ? count : TUI_SERIES_SECONDS;
    changed_from(series, last - count + 1);
    if (mesh != NULL)
        add_seconds(series, last, count, mesh);
    for (size_t i = 0; i < picture->room; i++) {
        const struct tui_row *row = picture->rows[i];
        int column = row != NULL ? tui_kinds[row->entity->kind].trend : -1;
        if (column >= 0)
            tui_series_add_most(series, row->entity, picture->at_us, row->values[column]);
    }
}

const int64_t *tui_series_second(const struct tui_series *series, int64_t second)
{
    size_t place = (size_t)(second % TUI_SERIES_SECONDS);
    return second > 0 && series->seconds[place] == second ? series->values[place] : NULL;
}

/* -- samples --------------------------------------------------------------- */

static int64_t bucket_value(const struct tui_series *series, unsigned column, int64_t first,
                            int64_t last, enum tui_fold fold)
{
    int64_t most = TUI_UNKNOWN, known = 0;
    double sum = 0; /* of whatever control sends: it cannot overflow */
    for (int64_t second = first; second <= last; second++) {
        const int64_t *values = tui_series_second(series, second);
        if (values == NULL || values[column] < 0)
            continue;
        known++;
        sum += (double)values[column];
        most = values[column] > most ? values[column] : most;
    }
    if (known <= 1 || fold == TUI_MOST)
        return most;
    if (fold == TUI_SUM)
        return (int64_t)(sum < sum_max ? sum : sum_max);
    double mean = sum / (double)known;
    return mean < (double)most ? (int64_t)mean : most;
}

/* The number of the sample that a second belongs to. */
static int64_t bucket_of(const struct tui_samples *samples, int64_t second)
{
    return (second - 1) / samples->bucket_s;
}

static int64_t changed_since(const struct tui_series *series, uint64_t version)
{
    int64_t from = INT64_MAX;
    if (series->version - version > TUI_CHANGES_KEPT)
        return 0;
    for (uint64_t i = version + 1; i <= series->version; i++) {
        int64_t second = series->changed[i % TUI_CHANGES_KEPT];
        from = second < from ? second : from;
    }
    return from;
}

/* How many samples of a graph that now ends at `second`, from its left edge on, are among the
 * kept ones and still true. */
static int64_t unchanged(const struct tui_series *series, const struct tui_samples *kept,
                         int64_t second)
{
    if (kept->version == 0 || second < kept->second)
        return 0;
    int64_t from = changed_since(series, kept->version);
    if (from > kept->second + 1)
        from = kept->second + 1; /* seconds that were not in it */
    int64_t first = bucket_of(kept, second) - (kept->count - 1);
    int64_t true_ones = bucket_of(kept, from) - first;
    return true_ones < 0 ? 0 : true_ones < kept->count ? true_ones : kept->count;
}

static void renew(const struct tui_series *series, struct tui_samples *kept, unsigned column,
                  enum tui_fold fold, int64_t second)
{
    int64_t stay = unchanged(series, kept, second), newest = bucket_of(kept, second);
    if (stay > 0)
        memmove(kept->values, kept->values + (newest - bucket_of(kept, kept->second)),
                (size_t)stay * sizeof(*kept->values));
    kept->top = 0;
    for (int64_t i = 0; i < kept->count; i++) {
        int64_t begin = (newest - (kept->count - 1) + i) * kept->bucket_s;
        int64_t end = begin + kept->bucket_s < second ? begin + kept->bucket_s : second;
        if (i >= stay)
            kept->values[i] = bucket_value(series, column, begin + 1, end, fold);
        kept->top = kept->values[i] > kept->top ? kept->values[i] : kept->top;
    }
    kept->version = series->version;
    kept->second = second;
}

/* False: out of memory. */
static bool reshape(struct tui_samples *kept, int bucket_s, int count)
{
    if (kept->bucket_s == bucket_s && kept->count == count)
        return true;
    int64_t *values = realloc(kept->values, (size_t)count * sizeof(*values));
    if (values == NULL)
        return false;
    *kept = (struct tui_samples){.bucket_s = bucket_s, .count = count, .values = values};
    return true;
}

int64_t tui_series_samples(const struct tui_series *series, unsigned column, int64_t at_us,
                           int bucket_s, enum tui_fold fold, int64_t *out, int count)
{
    struct tui_samples *kept = &series->kept[column * TUI_FOLDS + (unsigned)fold];
    int64_t second = at_us / SECOND_US;
    if (!reshape(kept, bucket_s, count)) {
        for (int i = 0; i < count; i++)
            out[i] = TUI_UNKNOWN;
        return 0;
    }
    if (kept->version != series->version || kept->second != second)
        renew(series, kept, column, fold, second);
    memcpy(out, kept->values, (size_t)count * sizeof(*out));
    return kept->top;
}

int tui_series_bucket(int count)
{
    return count > 0 ? (WINDOW_S + count - 1) / count : WINDOW_S;
}
