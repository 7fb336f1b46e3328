#include "figures.h"

#include "graph.h"

#include "aion/v1/ops.schema.h"

#include <stdio.h>

enum { SAMPLES_MAX = 2 * TUI_COLS_MAX, AXIS = 7 };

#define MESH(column) AION__V1__OPS_MESH_COLUMN__OPS_MESH_##column

/* A measure of the mesh now; -1 = not known. */
static int64_t mesh_value(const struct tui_scene *scene, unsigned column)
{
    const struct tui_row *mesh = tui_picture_mesh(scene->picture);
    return mesh != NULL ? mesh->values[column] : TUI_UNKNOWN;
}

static int64_t mesh_base(const struct tui_scene *scene, unsigned column)
{
    const struct tui_row *mesh = scene->base != NULL ? tui_picture_mesh(scene->base) : NULL;
    return mesh != NULL ? mesh->values[column] : TUI_UNKNOWN;
}

/* -- the summary ----------------------------------------------------------- */

struct number {
    const char *name;
    unsigned column;
    enum tui_role bad; /* when it is not 0 */
};

static int put_number(struct tui_canvas *canvas, struct tui_rect rect, int x,
                      const struct tui_scene *scene, const struct number *number)
{
    char text[TUI_FORMAT_SIZE], change[TUI_FORMAT_SIZE] = "";
    int64_t value = mesh_value(scene, number->column), base = mesh_base(scene, number->column);
    const struct tui_measure *measure = &tui_kinds[TUI_MESH].measures[number->column];
    bool bad = value > 0 && number->bad != TUI_PLAIN;
    tui_format(text, measure->unit, value);
    if (base >= 0 && value >= 0)
        tui_format_change(change, measure->unit, value - base);
    if (x + (int)(strlen(number->name) + strlen(text) + strlen(change)) + 3 > rect.cols)
        return x; /* no half numbers */
    x = tui_put(canvas, rect, 0, x, TUI_DIM, aion_str_of(number->name));
    x = tui_putf(canvas, rect, 0, x + 1, bad ? number->bad : TUI_PLAIN, "%s%s", text,
                 bad ? "!" : "");
    if (change[0] != '\0')
        x = tui_putf(canvas, rect, 0, x + 1, TUI_ACCENT, "(%s)", change);
    return x + 3;
}

static int put_hosts(struct tui_canvas *canvas, struct tui_rect rect, int x,
                     const struct tui_scene *scene)
{
    int64_t all = mesh_value(scene, MESH(HOSTS)), good = mesh_value(scene, MESH(HOSTS_OK));
    if (all < 0 || x + 12 > rect.cols)
        return x;
    x = tui_put(canvas, rect, 0, x, TUI_DIM, AION_STR("hosts"));
    return tui_putf(canvas, rect, 0, x + 1, good < all ? TUI_WARN : TUI_PLAIN, "%lld/%lld%s",
                    (long long)good, (long long)all, good < all ? "!" : "") +
           3;
}

void tui_figure_summary(struct tui_canvas *canvas, struct tui_rect rect,
                        const struct tui_scene *scene)
{
    static const struct number first[] = {{"tasks/s", MESH(TASKS_MILLI), TUI_PLAIN},
                                          {"p95", MESH(P95_US), TUI_PLAIN},
                                          {"5xx/s", MESH(ERROR_MILLI), TUI_ALARM},
                                          {"queue", MESH(QUEUED), TUI_PLAIN}};
    static const struct number then[] = {{"429/s", MESH(REFUSED_MILLI), TUI_WARN},
                                         {"running", MESH(RUNNING), TUI_PLAIN},
                                         {"p50", MESH(P50_US), TUI_PLAIN},
                                         {"p99", MESH(P99_US), TUI_PLAIN},
                                         {"cost", MESH(COST_NANO_USD), TUI_PLAIN},
                                         {"events/s", MESH(EVENTS_MILLI), TUI_PLAIN},
                                         {"reports lost", MESH(REPORTS_DROPPED), TUI_WARN}};
    int x = 1;
    for (size_t i = 0; i < aion_countof(first); i++)
        x = put_number(canvas, rect, x, scene, &first[i]);
    x = put_hosts(canvas, rect, x, scene);
    for (size_t i = 0; i < aion_countof(then); i++)
        x = put_number(canvas, rect, x, scene, &then[i]);
}

/* -- graphs with an axis --------------------------------------------------- */

/* The graph's part of the pane; the axis is right of it. */
static struct tui_rect plot_of(struct tui_rect rect)
{
    return (struct tui_rect){rect.y, rect.x + 1, rect.rows, rect.cols - AXIS - 1};
}

static void put_axis(struct tui_canvas *canvas, struct tui_rect rect, enum tui_unit unit,
                     int64_t top)
{
    char text[TUI_FORMAT_SIZE];
    for (int i = 0; i < 3 && rect.rows >= 3; i += 2) {
        int64_t value = i == 0 ? top : top / 2;
        int y = i == 0 ? 0 : rect.rows / 2;
        size_t size = tui_format(text, unit, value);
        tui_put_field(canvas, rect, y, rect.cols - AXIS, AXIS, true, TUI_DIM,
                      aion_str_n(text, size));
    }
}

static int samples_of(const struct tui_canvas *canvas, struct tui_rect plot)
{
    int count = tui_graph_samples(canvas, plot.cols);
    return count < 1 ? 1 : count > SAMPLES_MAX ? SAMPLES_MAX : count;
}

static int64_t read_samples(const struct tui_scene *scene, unsigned column, enum tui_fold fold,
                            int count, int64_t *out)
{
    return tui_series_samples(tui_model_series(scene->model), column, scene->picture->at_us,
                              tui_series_bucket(count), fold, out, count);
}

const char *tui_figure_span(const struct tui_scene *scene)
{
    (void)scene;
    return "15m";
}

/* -- latency --------------------------------------------------------------- */

static void latency_lines(struct tui_canvas *canvas, struct tui_rect rect,
                          const struct tui_scene *scene)
{
    static const struct {
        unsigned column;
        enum tui_role role;
    } lines[] = {{MESH(P95_US), TUI_GRAPH_B}, {MESH(P50_US), TUI_GRAPH_A}};
    int64_t samples[SAMPLES_MAX];
    struct tui_rect plot = plot_of(rect);
    int count = samples_of(canvas, plot);
    int64_t top = tui_graph_top(read_samples(scene, MESH(P99_US), TUI_MOST, count, samples));
    for (size_t i = 0; i < aion_countof(lines); i++) {
        read_samples(scene, lines[i].column, TUI_MOST, count, samples);
        tui_graph_area(canvas, plot, samples, count, top, lines[i].role);
    }
    read_samples(scene, MESH(P99_US), TUI_MOST, count, samples);
    tui_graph_line(canvas, plot, samples, count, top, TUI_GRAPH_C);
    put_axis(canvas, rect, TUI_US, top);
}

enum { HEAT_BUCKETS = MESH(LATENCY_LAST) - MESH(LATENCY_FIRST) + 1 };

/* A count that twelve of can be added. */
static int64_t counted(int64_t sample)
{
    return sample < 0 ? 0 : sample < INT64_MAX / 16 ? sample : INT64_MAX / 16;
}

/* The most that a class holds; what the top row holds is more than the one below it. */
static void put_class(struct tui_canvas *canvas, struct tui_rect rect, int row, int bucket)
{
    static const char *const most[HEAT_BUCKETS - 1] = {
        "50ms", "0.1s", "0.2s", "0.4s", "0.8s", "1.6s", "3.2s", "6.4s", "13s", "26s", "51s"};
    char text[TUI_FORMAT_SIZE];
    int size = row > 0 ? snprintf(text, sizeof(text), "%s", most[bucket])
                       : snprintf(text, sizeof(text), ">%s", most[bucket - 1]);
    tui_put_field(canvas, rect, row, rect.cols - AXIS, AXIS, true, TUI_DIM,
                  aion_str_n(text, (size_t)size));
}

/* Samples of all classes, one class after the other. */
struct heat {
    int64_t *samples;
    int count; /* of each */
};

/* The classes from `first` to `last`, column by column. */
static void sum_classes(const struct heat *heat, int first, int last, int64_t *sums)
{
    memset(sums, 0, (size_t)heat->count * sizeof(*sums));
    for (int i = first * heat->count, x = 0; i < (last + 1) * heat->count; i++) {
        sums[x] += counted(heat->samples[i]);
        x = x + 1 < heat->count ? x + 1 : 0;
    }
}

static bool read_classes(const struct tui_scene *scene, struct heat *heat)
{
    heat->samples = aion_arena_alloc(scene->arena, (size_t)(HEAT_BUCKETS * heat->count) *
                                                       sizeof(*heat->samples));
    for (int bucket = 0; heat->samples != NULL && bucket < HEAT_BUCKETS; bucket++)
        read_samples(scene, (unsigned)(MESH(LATENCY_FIRST) + bucket), TUI_SUM, heat->count,
                     heat->samples + bucket * heat->count);
    return heat->samples != NULL;
}

static void latency_heat(struct tui_canvas *canvas, struct tui_rect rect,
                         const struct tui_scene *scene)
{
    int64_t totals[TUI_COLS_MAX], sums[TUI_COLS_MAX];
    struct tui_rect plot = plot_of(rect);
    struct heat heat = {.count = plot.cols < TUI_COLS_MAX ? plot.cols : TUI_COLS_MAX};
    int rows = rect.rows < HEAT_BUCKETS ? rect.rows : HEAT_BUCKETS;
    if (!read_classes(scene, &heat))
        return;
    sum_classes(&heat, 0, HEAT_BUCKETS - 1, totals);
    for (int row = 0; row < rows; row++) {
        /* the fast classes have a row each; all that is slower shares the top one */
        int bucket = rows - 1 - row;
        sum_classes(&heat, bucket, row == 0 ? HEAT_BUCKETS - 1 : bucket, sums);
        for (int x = 0; x < heat.count; x++)
            tui_graph_heat(canvas, plot, row, x, sums[x], totals[x]);
        put_class(canvas, rect, row, bucket);
    }
}

void tui_figure_latency(struct tui_canvas *canvas, struct tui_rect rect,
                        const struct tui_scene *scene)
{
    if (rect.rows >= 6 && rect.cols >= 40)
        latency_heat(canvas, rect, scene);
    else
        latency_lines(canvas, rect, scene);
}

/* -- queue ----------------------------------------------------------------- */

void tui_figure_queue(struct tui_canvas *canvas, struct tui_rect rect,
                      const struct tui_scene *scene)
{
    int64_t samples[SAMPLES_MAX];
    struct tui_rect plot = plot_of(rect);
    int count = samples_of(canvas, plot);
    int64_t top = tui_graph_top(read_samples(scene, MESH(QUEUED), TUI_MOST, count, samples));
    tui_graph_area(canvas, plot, samples, count, top, TUI_GRAPH_A);
    put_axis(canvas, rect, TUI_COUNT, top);
}

/* -- rates ----------------------------------------------------------------- */

struct rate {
    const char *name;
    unsigned column;
    enum tui_role role;
};

/* "ok    ⣀⣠⣤⣶⣿   2 401", a row each. */
static void put_rates(struct tui_canvas *canvas, struct tui_rect rect,
                      const struct tui_scene *scene, const struct rate *rates, size_t count)
{
    int64_t samples[SAMPLES_MAX];
    char text[TUI_FORMAT_SIZE];
    int cols = rect.cols - 18;
    for (size_t i = 0; i < count && (int)i < rect.rows; i++) {
        int y = (int)i;
        int64_t now = mesh_value(scene, rates[i].column);
        tui_put(canvas, rect, y, 1, TUI_DIM, aion_str_of(rates[i].name));
        if (cols > 4) {
            int wanted = tui_graph_samples(canvas, cols);
            wanted = wanted < SAMPLES_MAX ? wanted : SAMPLES_MAX;
            int64_t top = read_samples(scene, rates[i].column, TUI_MEAN, wanted, samples);
            tui_graph_spark(canvas, rect, y, 9, cols, samples, wanted, top, rates[i].role);
        }
        size_t size = tui_format(text, TUI_RATE, now);
        tui_put_field(canvas, rect, y, rect.cols - 9, 8, true, now > 0 ? TUI_PLAIN : TUI_DIM,
                      aion_str_n(text, size));
    }
}

void tui_figure_outcomes(struct tui_canvas *canvas, struct tui_rect rect,
                         const struct tui_scene *scene)
{
    static const struct rate rates[] = {{"ended", MESH(TASKS_MILLI), TUI_GRAPH_A},
                                        {"failed", MESH(FAILED_MILLI), TUI_GRAPH_C},
                                        {"retry", MESH(RETRY_MILLI), TUI_GRAPH_B},
                                        {"dead", MESH(DEAD_MILLI), TUI_GRAPH_C}};
    put_rates(canvas, rect, scene, rates, aion_countof(rates));
}

void tui_figure_refusals(struct tui_canvas *canvas, struct tui_rect rect,
                         const struct tui_scene *scene)
{
    static const struct rate rates[] = {{"429", MESH(REFUSED_MILLI), TUI_GRAPH_B},
                                        {"5xx", MESH(ERROR_MILLI), TUI_GRAPH_C},
                                        {"cancel", MESH(CANCELLED_MILLI), TUI_GRAPH_A},
                                        {"stale", MESH(STALE_MILLI), TUI_GRAPH_B}};
    put_rates(canvas, rect, scene, rates, aion_countof(rates));
}
