/* Metric families and the mesh's edges as samples. The table says which family is what; nothing
 * else of a program is known here. */
#include "mesh/edge.h"
#include "program/telemetry_private.h"

#include <stdlib.h>

enum { NONE = -1, KEY_MAX = 200 };

/* How many of the calls that a family counts: by its label of codes. */
enum class { ALL, FAILED, REFUSED, FAULTS, CLASSES };

struct telemetry_source {
    const char *family;
    Aion__V1__OpsKind kind;
    const char *name;        /* of the sample, when no label is its key */
    int8_t key, key_end;     /* labels that make the key: "a", "a@b" */
    int8_t code;             /* label with gRPC's code or HTTP's status */
    int8_t counter[CLASSES]; /* counter of the sample that takes them */
    int8_t gauge;            /* of failures alone, when there is a code */
    bool latency;
    bool sum; /* a histogram's sum counts, not its number */
};

#define KIND(name) AION__V1__OPS_KIND__OPS_KIND_##name
#define NO_COUNTER             \
    {                          \
        NONE, NONE, NONE, NONE \
    }
/* clang-format off */
static const struct telemetry_source sources[] = {
    /* family                                 kind              name    key        code   all   failed refused faults  gauge latency sum */
    {"aion_rpc_server_calls",                 KIND(METHOD),     NULL,   0,    NONE, 1,    {0,    1,    NONE, NONE}, NONE, false, false},
    {"aion_rpc_server_calls",                 KIND(MESH),       "mesh", NONE, NONE, 1,    {NONE, NONE, 0,    1},    NONE, false, false},
    {"aion_rpc_server_duration_seconds",      KIND(METHOD),     NULL,   0,    NONE, NONE, NO_COUNTER,               NONE, true,  false},
    {"aion_rpc_server_live_calls",            KIND(METHOD),     NULL,   0,    NONE, NONE, NO_COUNTER,               0,    false, false},
    {"aion_gateway_request_duration_seconds", KIND(METHOD),     NULL,   0,    NONE, 1,    {0,    1,    NONE, NONE}, NONE, true,  false},
    {"aion_gateway_requests_in_flight",       KIND(METHOD),     NULL,   0,    NONE, NONE, NO_COUNTER,               0,    false, false},
    {"aion_gateway_limited",                  KIND(MESH),       "mesh", NONE, NONE, NONE, {0,    NONE, NONE, NONE}, NONE, false, false},
    {"aion_module_process_deaths",            KIND(MODULE),     NULL,   0,    1,    2,    NO_COUNTER,               0,    false, false},
    {"aion_store_commit_seconds",             KIND(DEPENDENCY), NULL,   0,    NONE, NONE, NO_COUNTER,               NONE, true,  false},
    {"aion_store_commit_operations",          KIND(DEPENDENCY), NULL,   0,    NONE, NONE, {0,    NONE, NONE, NONE}, NONE, false, true},
    {"aion_dependency_state",                 KIND(DEPENDENCY), NULL,   0,    NONE, NONE, NO_COUNTER,               0,    false, false},
    {"aion_dependency_lag",                   KIND(DEPENDENCY), NULL,   0,    NONE, NONE, NO_COUNTER,               1,    false, false},
    {"aion_module_processes",                 KIND(PROCESS),    "",     NONE, NONE, NONE, NO_COUNTER, TELEMETRY_WORKERS,  false, false},
    {"aion_module_memory_bytes",              KIND(PROCESS),    "",     NONE, NONE, NONE, NO_COUNTER, TELEMETRY_MEMORY,   false, false},
};
/* clang-format on */

/* A series that a source takes. */
struct series {
    struct aion_link link;
    const struct telemetry_source *source;
    struct aion_metric *metric;
    struct telemetry_slot *slot; /* NULL: of the process */
    bool classes[CLASSES];       /* of its code */
    bool histogram;
    int64_t seen;
    uint32_t *seen_buckets;
};

/* -- slots -------------------------------------------------------------------------- */
void telemetry_samples_init(struct telemetry_samples *samples)
{
    *samples = (struct telemetry_samples){.series_known = 0};
    aion_map_init(&samples->by_key, TELEMETRY_SLOTS_MAX);
    aion_list_init(&samples->slots);
    aion_list_init(&samples->series);
}

static void slot_free(struct telemetry_slot *slot)
{
    aion_list_remove(&slot->link);
    free(slot->key);
    free(slot->buckets);
    free(slot->seen_buckets);
    free(slot);
}

void telemetry_samples_done(struct telemetry_samples *samples)
{
    while (!aion_list_empty(&samples->series)) {
        struct series *series = aion_container(samples->series.next, struct series, link);
        aion_list_remove(&series->link);
        free(series->seen_buckets);
        free(series);
    }
    while (!aion_list_empty(&samples->slots))
        slot_free(aion_container(samples->slots.next, struct telemetry_slot, link));
    aion_map_done(&samples->by_key);
}

struct telemetry_slot *telemetry_slot(struct telemetry_samples *samples, Aion__V1__OpsKind kind,
                                      const char *name)
{
    char key[KEY_MAX + 8];
    int size = snprintf(key, sizeof(key), "%d:", (int)kind);
    size_t prefix = (size_t)size;
    aion_str_copy(key + prefix, KEY_MAX + 1, aion_str_of(name));
    struct telemetry_slot *slot = aion_map_get(&samples->by_key, aion_str_of(key));
    if (slot != NULL)
        return slot;
    slot = calloc(1, sizeof(*slot));
    if (slot == NULL || (slot->key = strdup(key)) == NULL)
        abort();
    slot->kind = kind;
    slot->alive = true;
    slot->name = slot->key + prefix;
    aion_list_add_last(&samples->slots, &slot->link);
    if (aion_map_put(&samples->by_key, aion_str_of(slot->key), slot))
        return slot;
    slot_free(slot);
    return NULL;
}

static uint32_t *buckets_of(uint32_t **slot)
{
    if (*slot == NULL && (*slot = calloc(AION_HIST_BUCKETS, sizeof(**slot))) == NULL)
        abort();
    return *slot;
}

/* What a histogram counted since it was seen last. */
static void add_buckets(struct telemetry_slot *slot, const uint32_t *now, uint32_t **seen)
{
    uint32_t *before = buckets_of(seen), *to = buckets_of(&slot->buckets);
    for (unsigned i = 0; i < AION_HIST_BUCKETS; i++) {
        uint32_t more = now[i] - before[i];
        if (more == 0)
            continue;
        slot->low = slot->high == 0 || i < slot->low ? i : slot->low;
        slot->high = i >= slot->high ? i + 1 : slot->high;
        to[i] += more;
        before[i] = now[i];
    }
}

static void begin_second(struct telemetry_samples *samples)
{
    memset(samples->process, 0, sizeof(samples->process));
    aion_list_each (link, &samples->slots) {
        struct telemetry_slot *slot = aion_container(link, struct telemetry_slot, link);
        memset(slot->counters, 0, sizeof(slot->counters));
        memset(slot->gauges, 0, sizeof(slot->gauges));
        if (slot->high > slot->low)
            memset(&slot->buckets[slot->low], 0,
                   (slot->high - slot->low) * sizeof(*slot->buckets));
        slot->low = slot->high = 0;
        slot->alive = !slot->edge;
    }
}

/* -- series ------------------------------------------------------------------------- */
/* gRPC's codes, HTTP's statuses, and how a module's process ended: to be recycled or cancelled
 * is no failure of it. */
static void classify(const char *code, bool classes[CLASSES])
{
    static const char *const good[] = {"OK", "recycled", "cancel"};
    static const char *const faults[] = {"INTERNAL", "UNAVAILABLE", "UNKNOWN"};
    uint64_t status;
    bool http = aion_str_u64(aion_str_of(code), &status);
    classes[ALL] = true;
    classes[FAILED] = !http || status >= 400;
    for (size_t i = 0; i < aion_countof(good); i++)
        classes[FAILED] = classes[FAILED] && strcmp(code, good[i]) != 0;
    classes[FAULTS] = http && status >= 500;
    for (size_t i = 0; i < aion_countof(faults); i++)
        classes[FAULTS] = classes[FAULTS] || strcmp(code, faults[i]) == 0;
    classes[REFUSED] = http ? status == 429 : strcmp(code, "RESOURCE_EXHAUSTED") == 0;
}

/* "/aion.v1.AionTasks/Submit" → "AionTasks.Submit"; anything else as it is. */
static void method_name(const char *path, char *out, size_t size)
{
    const char *method = strrchr(path, '/');
    if (path[0] != '/' || method == path) {
        aion_str_copy(out, size, aion_str_of(path));
        return;
    }
    const char *service = path + 1;
    for (const char *at = service; at < method; at++)
        if (*at == '.')
            service = at + 1;
    snprintf(out, size, "%.*s.%s", (int)(method - service), service, method + 1);
}

static void name_of(const struct telemetry_source *source, const char *const *values, char *out,
                    size_t size)
{
    if (source->name != NULL)
        aion_str_copy(out, size, aion_str_of(source->name));
    else if (source->key_end != NONE)
        snprintf(out, size, "%s@%s", values[source->key], values[source->key_end]);
    else if (source->kind == KIND(METHOD))
        method_name(values[source->key], out, size);
    else
        aion_str_copy(out, size, aion_str_of(values[source->key]));
}

static bool is_known(const struct telemetry_samples *samples,
                     const struct telemetry_source *source, const struct aion_metric *metric)
{
    aion_list_each (link, &samples->series) {
        const struct series *series = aion_container(link, struct series, link);
        if (series->metric == metric && series->source == source)
            return true;
    }
    return false;
}

static void add_series(struct telemetry_samples *samples, const struct telemetry_source *source,
                       const struct aion_metric_family *family, struct aion_metric *metric,
                       const char *const *values)
{
    char name[KEY_MAX + 1];
    struct series *series = calloc(1, sizeof(*series));
    if (series == NULL)
        abort();
    series->source = source;
    series->metric = metric;
    series->histogram = family->kind == AION_HISTOGRAM;
    classify(source->code != NONE ? values[source->code] : "OK", series->classes);
    name_of(source, values, name, sizeof(name));
    if (source->kind != KIND(PROCESS))
        series->slot = telemetry_slot(samples, source->kind, name);
    aion_list_add_last(&samples->series, &series->link);
}

static void look_at(void *user, const struct aion_metric_family *family,
                    struct aion_metric *metric, const char *const *values)
{
    struct telemetry_samples *samples = user;
    for (size_t i = 0; i < aion_countof(sources); i++)
        if (strcmp(sources[i].family, family->name) == 0 &&
            !is_known(samples, &sources[i], metric))
            add_series(samples, &sources[i], family, metric, values);
}

static void read_latency(struct series *series)
{
    uint32_t now[AION_HIST_BUCKETS];
    aion_metric_buckets(series->metric, now);
    add_buckets(series->slot, now, &series->seen_buckets);
}

static void read_series(struct telemetry_samples *samples, struct series *series)
{
    const struct telemetry_source *source = series->source;
    int64_t now =
        source->sum ? aion_metric_sum(series->metric) : aion_metric_value(series->metric);
    int64_t more = now - series->seen;
    series->seen = now;
    if (source->kind == KIND(PROCESS)) {
        samples->process[source->gauge] += now;
        return;
    }
    if (series->slot == NULL)
        return;
    for (size_t i = 0; i < CLASSES; i++)
        if (source->counter[i] != NONE && series->classes[i])
            series->slot->counters[source->counter[i]] += more;
    if (source->gauge != NONE && (source->code == NONE || series->classes[FAILED]))
        series->slot->gauges[source->gauge] += now;
    if (source->latency && more > 0)
        read_latency(series);
}

/* -- edges -------------------------------------------------------------------------- */
static void read_edge(void *user, const struct mesh_edge *edge)
{
    struct telemetry_samples *samples = user;
    char name[KEY_MAX + 1];
    snprintf(name, sizeof(name), "%.60s@%.130s", edge->peer, edge->address);
    struct telemetry_slot *slot = telemetry_slot(samples, KIND(EDGE), name);
    if (slot == NULL)
        return;
    const int64_t now[TELEMETRY_COUNTERS] = {(int64_t)edge->calls, (int64_t)edge->errors,
                                             (int64_t)edge->retries};
    bool anew = now[0] < slot->seen[0]; /* the endpoint was made again */
    for (size_t i = 0; i < TELEMETRY_COUNTERS; i++) {
        slot->counters[i] += now[i] - (anew ? 0 : slot->seen[i]);
        slot->seen[i] = now[i];
    }
    slot->edge = slot->alive = true;
    slot->gauges[0] += edge->outstanding;
    slot->gauges[1] = (int64_t)edge->state;
    slot->gauges[2] += (int64_t)edge->ejections;
    if (anew && slot->seen_buckets != NULL)
        memset(slot->seen_buckets, 0, AION_HIST_BUCKETS * sizeof(*slot->seen_buckets));
    if (edge->latency != NULL && slot->counters[0] > 0)
        add_buckets(slot, edge->latency, &slot->seen_buckets);
}

void telemetry_samples_read(struct telemetry_samples *samples, struct mesh_loop *loop)
{
    size_t made = aion_metric_made();
    begin_second(samples);
    if (made != samples->series_known)
        aion_metric_each(look_at, samples);
    samples->series_known = made;
    aion_list_each (link, &samples->series)
        read_series(samples, aion_container(link, struct series, link));
    mesh_edges_each(loop, read_edge, samples);
}

/* -- into a report ------------------------------------------------------------------ */
static bool moved(const struct telemetry_slot *slot)
{
    for (size_t i = 0; i < TELEMETRY_COUNTERS; i++)
        if (slot->counters[i] != 0)
            return true;
    return slot->high > 0 || memcmp(slot->gauges, slot->told, sizeof(slot->told)) != 0;
}

static bool put_latency(const struct telemetry_slot *slot, Aion__V1__OpsSample *sample,
                        struct aion_arena *arena)
{
    size_t most = slot->high - slot->low;
    Aion__V1__OpsHistogram *latency = aion_arena_alloc(arena, sizeof(*latency));
    if (latency == NULL)
        return false;
    aion__v1__ops_histogram__init(latency);
    latency->buckets = aion_arena_array(arena, most, sizeof(*latency->buckets));
    latency->counts = aion_arena_array(arena, most, sizeof(*latency->counts));
    if (latency->buckets == NULL || latency->counts == NULL)
        return false;
    for (unsigned i = slot->low; i < slot->high; i++)
        if (slot->buckets[i] > 0) {
            latency->buckets[latency->n_buckets++] = i;
            latency->counts[latency->n_counts++] = slot->buckets[i];
        }
    sample->latency = latency;
    return true;
}

static size_t used(const int64_t *values, size_t count)
{
    while (count > 0 && values[count - 1] == 0)
        count--;
    return count;
}

/* Numbers are borrowed from the slot: it is read anew after the report is gone. */
static bool put_sample(struct telemetry_slot *slot, Aion__V1__OpsReport *report,
                       struct aion_arena *arena)
{
    Aion__V1__OpsSample *sample = aion_arena_alloc(arena, sizeof(*sample));
    if (sample == NULL)
        return false;
    aion__v1__ops_sample__init(sample);
    sample->kind = slot->kind;
    sample->key = (char *)(uintptr_t)slot->name;
    sample->counters = slot->counters;
    sample->n_counters = used(slot->counters, TELEMETRY_COUNTERS);
    sample->gauges = slot->gauges;
    sample->n_gauges = used(slot->gauges, TELEMETRY_GAUGES);
    memcpy(slot->told, slot->gauges, sizeof(slot->told));
    report->samples[report->n_samples++] = sample;
    return slot->high == 0 || put_latency(slot, sample, arena);
}

bool telemetry_samples_put(struct telemetry_samples *samples, bool whole,
                           Aion__V1__OpsReport *report, struct aion_arena *arena)
{
    report->samples =
        aion_arena_array(arena, samples->by_key.count + 1, sizeof(*report->samples));
    if (report->samples == NULL)
        return false;
    aion_list_each (link, &samples->slots) {
        struct telemetry_slot *slot = aion_container(link, struct telemetry_slot, link);
        slot->used = slot->used || moved(slot);
        if (slot->alive && slot->used && (whole || moved(slot)) &&
            !put_sample(slot, report, arena))
            return false;
    }
    return true;
}
