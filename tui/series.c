#include "series.h"

#include <stdlib.h>

enum { SECOND_US = 1000000, MINUTE_S = 60, WINDOW_S = 15 * 60 };

bool tui_series_init(struct tui_series *series)
{
    *series =
        (struct tui_series){.version = 1,
                            .kept = calloc(TUI_SAMPLES_KEPT, sizeof(*series->kept)),
                            .seconds = calloc(TUI_SERIES_SECONDS, sizeof(int64_t)),
                            .values = calloc(TUI_SERIES_SECONDS, sizeof(*series->values))};
    return series->kept != NULL && series->seconds != NULL && series->values != NULL;
}

void tui_series_clear(struct tui_series *series)
{
    memset(series->seconds, 0, TUI_SERIES_SECONDS * sizeof(int64_t));
    for (size_t i = 0; i < series->room; i++)
        tui_series_forget(series, (uint32_t)i);
    series->version++;
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
    }
}

void tui_series_add(struct tui_series *series, const struct tui_picture *picture)
{
    const struct tui_row *mesh = tui_picture_mesh(picture);
    series->version++;
    if (mesh != NULL)
        add_seconds(series, picture->at_us / SECOND_US,
                    picture->span_ms >= 1000 ? picture->span_ms / 1000 : 1, mesh);
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
    double mean = sum / (double)known;
    return mean < (double)most ? (int64_t)mean : most;
}

static void make_samples(const struct tui_series *series, struct tui_samples *samples)
{
    int64_t now = samples->second, bucket = (now - 1) / samples->bucket_s;
    samples->top = 0;
    for (int i = 0; i < samples->count; i++) {
        int64_t begin = (bucket - (samples->count - 1 - i)) * samples->bucket_s;
        int64_t end = begin + samples->bucket_s < now ? begin + samples->bucket_s : now;
        int64_t value =
            bucket_value(series, samples->column, begin + 1, end, (enum tui_fold)samples->fold);
        samples->values[i] = value;
        samples->top = value > samples->top ? value : samples->top;
    }
}

static bool same(const struct tui_samples *a, const struct tui_samples *b)
{
    return a->version == b->version && a->second == b->second && a->column == b->column &&
           a->bucket_s == b->bucket_s && a->count == b->count && a->fold == b->fold;
}

int64_t tui_series_samples(const struct tui_series *series, unsigned column, int64_t at_us,
                           int bucket_s, enum tui_fold fold, int64_t *out, int count)
{
    struct tui_samples wanted = {series->version, at_us / SECOND_US, 0,   column, bucket_s,
                                 count,           (int)fold,         NULL};
    struct tui_samples *kept = &series->kept[(column * 3u + (unsigned)fold) % TUI_SAMPLES_KEPT];
    if (same(kept, &wanted)) {
        memcpy(out, kept->values, (size_t)count * sizeof(*out));
        return kept->top;
    }
    wanted.values = out;
    make_samples(series, &wanted);
    int64_t *values = realloc(kept->values, (size_t)count * sizeof(*out));
    if (values == NULL)
        return wanted.top;
    memcpy(values, out, (size_t)count * sizeof(*out));
    *kept = wanted;
    kept->values = values;
    return wanted.top;
}

int tui_series_bucket(int count)
{
    return count > 0 ? (WINDOW_S + count - 1) / count : WINDOW_S;
}
