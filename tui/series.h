/* What graphs are made of: the mesh's numbers second by second, and a number a minute of every
 * entity for its sparkline. Rings of about half an hour; both fill from frames of 1 s and of
 * 10 s alike, so a window of the past is the same thing as the live one. */
#ifndef TUI_SERIES_H
#define TUI_SERIES_H

#include "picture.h"

enum {
    TUI_SERIES_SECONDS = 2048,
    TUI_TREND_MINUTES = 32,
    TUI_TREND_SHOWN = 15, /* and the value of now makes 16 */
};

struct tui_trend {
    int64_t newest; /* its minute */
    int64_t minutes[TUI_TREND_MINUTES];
};

/* How the seconds of a sample become one number. */
enum tui_fold { TUI_MOST, TUI_MEAN, TUI_SUM, TUI_FOLDS };

/* What was computed for a graph. Graphs are drawn ten times a second; of their samples the last
 * one changes, once a second. */
struct tui_samples {
    uint64_t version; /* of the series; 0 = empty */
    int64_t second, top;
    int bucket_s, count;
    int64_t *values;
};
enum { TUI_SAMPLES_KEPT = TUI_COLUMNS_MAX * TUI_FOLDS, TUI_CHANGES_KEPT = 8 };

struct tui_series {
    uint64_t version;                  /* grows when something is added */
    int64_t changed[TUI_CHANGES_KEPT]; /* by version: from which second on */
    struct tui_samples *kept;          /* TUI_SAMPLES_KEPT, by column and fold */
    int64_t *seconds;                  /* UTC second that stands in this place; 0 = none */
    int64_t (*values)[TUI_COLUMNS_MAX];
    struct tui_trend **trends; /* by slot */
    size_t room;
};

bool tui_series_init(struct tui_series *series); /* false: out of memory */
void tui_series_done(struct tui_series *series);
void tui_series_clear(struct tui_series *series);
/* A picture of a whole second, or of ten (span_ms). */
void tui_series_add(struct tui_series *series, const struct tui_picture *picture);
/* A value above what the picture had, from the `most` rows of 10 s frames. */
void tui_series_add_most(struct tui_series *series, const struct tui_entity *entity,
                         int64_t at_us, int64_t value);
/* The mesh's numbers of the second that ended at `second`; NULL: not known. */
const int64_t *tui_series_second(const struct tui_series *series, int64_t second);

/* `count` samples of a column, the last one ends at at_us, each of bucket_s seconds; buckets
 * begin at multiples of bucket_s, so a sample does not change when time goes on. -1 = not
 * known. Returns the largest. */
int64_t tui_series_samples(const struct tui_series *series, unsigned column, int64_t at_us,
                           int bucket_s, enum tui_fold fold, int64_t *out, int count);
/* The trend of an entity up to at_us: TUI_TREND_SHOWN whole minutes and `now`. Returns the
 * largest. */
int64_t tui_series_trend(const struct tui_series *series, uint32_t slot, int64_t at_us,
                         int64_t now, int64_t out[TUI_TREND_SHOWN + 1]);
/* Seconds a sample, so that `count` of them span 15 minutes. */
int tui_series_bucket(int count);
/* A slot belongs to somebody else now. */
void tui_series_forget(struct tui_series *series, uint32_t slot);

#endif
