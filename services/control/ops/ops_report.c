#include "ops_report.h"

#include <stdio.h>
#include <stdlib.h>

#define METHOD(name)      AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_##name
#define EDGE(name)        AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_##name
#define MODULE(name)      AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_##name
#define DEPENDENCY(name)  AION__V1__OPS_DEPENDENCY_COLUMN__OPS_DEPENDENCY_##name
#define CERTIFICATE(name) AION__V1__OPS_CERTIFICATE_COLUMN__OPS_CERTIFICATE_##name
#define PROCESS(name)     AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_##name
#define HOST(name)        AION__V1__OPS_HOST_COLUMN__OPS_HOST_##name

enum { NAME_MAX_BYTES = 63, STATES = 8 };

/* What a sample's numbers are, by kind: see OpsSample. */
enum { CALLS, ERRORS, RETRIES, COUNTERS, OPERATIONS = 0, REFUSED = 0, FAULTS = 1 };
enum {
    LIVE = 0,
    OUTSTANDING = 0,
    STATE = 1,
    EJECTIONS = 2,
    GAUGES,
    RESTARTS = 0,
    LAG = 1,
    EXPIRES = 0,
    NO_STATE = -1
};

/* How a kind is taken. */
static const struct about {
    bool taken;
    const char *joint; /* between the component and the key; NULL: the key stands alone */
    int state;         /* the gauge that is a state */
} abouts[OPS_KINDS] = {
    [OPS_MESH] = {true, NULL, NO_STATE}, [OPS_METHOD] = {true, "/", NO_STATE},
    [OPS_EDGE] = {true, ">", STATE},     [OPS_MODULE] = {true, NULL, NO_STATE},
    [OPS_DEPENDENCY] = {true, NULL, 0},  [OPS_CERTIFICATE] = {true, "/", NO_STATE},
};

struct part { /* what one instance says of one entity */
    struct aion_link link;
    struct ops_entity *entity; /* pinned */
    uint64_t sequence;         /* of the report that spoke of it last */
    int64_t counters[COUNTERS], gauges[GAUGES];
};

struct instance {
    struct aion_link link;
    char key[2 * (NAME_MAX_BYTES + 1)], name[NAME_MAX_BYTES + 1];
    bool host;
    bool lost;
    struct ops_entity *process; /* pinned */
    struct aion_map by_entity;  /* parts, by the entity's id */
    struct aion_link parts;
    uint64_t sequence, dropped;
    int64_t heard_us;
    Aion__V1__OpsProcess last; /* its texts are not kept */
};

/* -- instances ---------------------------------------------------------------------- */
void ops_reports_init(struct ops_reports *reports, struct ops_fold *fold)
{
    *reports = (struct ops_reports){.fold = fold};
    aion_list_init(&reports->instances);
    aion_map_init(&reports->by_key, OPS_INSTANCES_MAX);
}

static aion_str id_of(const uint32_t *id)
{
    return aion_str_n(id, sizeof(*id));
}

/* What all instances say of an entity together. */
static void add(struct ops_entity *entity, const struct part *part, int sign)
{
    struct ops_reported *sum = entity->reported;
    int state = abouts[entity->kind].state;
    for (int i = 0; i < COUNTERS; i++)
        sum->counters[i] += sign * part->counters[i];
    for (int i = 0; i < GAUGES; i++)
        if (i != state)
            sum->gauges[i] += sign * part->gauges[i];
    if (state != NO_STATE)
        sum->states[part->gauges[state] & (STATES - 1)] += sign;
    sum->parts += sign;
}

static void part_free(struct part *part)
{
    add(part->entity, part, -1);
    aion_list_remove(&part->link);
    ops_unpin(&part->entity);
    free(part);
}

static void lose_parts(struct instance *instance)
{
    while (!aion_list_empty(&instance->parts))
        part_free(aion_container(instance->parts.next, struct part, link));
    aion_map_done(&instance->by_entity);
    aion_map_init(&instance->by_entity, OPS_SAMPLES_MAX);
}

static void instance_free(struct ops_reports *reports, struct instance *instance)
{
    lose_parts(instance);
    aion_map_done(&instance->by_entity);
    ops_unpin(&instance->process);
    aion_list_remove(&instance->link);
    reports->count--;
    free(instance);
}

void ops_reports_done(struct ops_reports *reports)
{
    while (!aion_list_empty(&reports->instances))
        instance_free(reports, aion_container(reports->instances.next, struct instance, link));
    aion_map_done(&reports->by_key);
}

static struct instance *instance_make(struct ops_reports *reports, aion_str key,
                                      const Aion__V1__OpsReport *report)
{
    struct instance *instance = calloc(1, sizeof(*instance));
    if (instance == NULL)
        abort();
    aion_str_copy(instance->key, sizeof(instance->key), key);
    aion_str_copy(instance->name, sizeof(instance->name), aion_str_of(report->instance));
    instance->host = strcmp(report->component, "host") == 0;
    aion_list_init(&instance->parts);
    aion_map_init(&instance->by_entity, OPS_SAMPLES_MAX);
    instance->process = ops_pin(ops_entity(&reports->fold->table, OPS_PROCESS, key));
    if (!aion_map_put(&reports->by_key, aion_str_of(instance->key), instance))
        abort(); /* ops_report_check has seen that there is room */
    aion_list_add_last(&reports->instances, &instance->link);
    reports->count++;
    return instance;
}

/* -- checking ----------------------------------------------------------------------- */
static bool is_name(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == '/' || text[i] == 0x7f)
            return false;
    return size >= 1 && size <= NAME_MAX_BYTES;
}

static size_t key_of(const Aion__V1__OpsReport *report, char *out, size_t size)
{
    int length = snprintf(out, size, "%s/%s", report->component, report->instance);
    return length > 0 ? (size_t)length : 0;
}

static bool check_sample(const Aion__V1__OpsSample *sample, struct aion_err *err)
{
    size_t key = strlen(sample->key);
    if ((unsigned)sample->kind >= OPS_KINDS || !abouts[sample->kind].taken)
        return aion_fail(err, AION_INVALID, "samples: kind %d is not reported",
                         (int)sample->kind);
    if (key < 1 || key > OPS_KEY_MAX)
        return aion_fail(err, AION_INVALID, "samples: a key has %zu bytes: give 1 to %d", key,
                         (int)OPS_KEY_MAX);
    if (sample->latency != NULL && sample->latency->n_buckets != sample->latency->n_counts)
        return aion_fail(err, AION_INVALID,
                         "samples: latency of %s has %zu buckets, %zu counts", sample->key,
                         sample->latency->n_buckets, sample->latency->n_counts);
    return true;
}

bool ops_report_check(const struct ops_reports *reports, const Aion__V1__OpsReport *report,
                      struct aion_err *err)
{
    char key[2 * (NAME_MAX_BYTES + 1)];
    if (!is_name(report->component) || !is_name(report->instance))
        return aion_fail(err, AION_INVALID,
                         "component and instance have 1 to %d bytes without blanks and /",
                         (int)NAME_MAX_BYTES);
    if (report->n_samples > OPS_SAMPLES_MAX || report->n_events > OPS_SAMPLES_MAX)
        return aion_fail(err, AION_EXHAUSTED, "a report has at most %d samples and %d events",
                         (int)OPS_SAMPLES_MAX, (int)OPS_SAMPLES_MAX);
    for (size_t i = 0; i < report->n_samples; i++)
        if (!check_sample(report->samples[i], err))
            return false;
    aion_str name = aion_str_n(key, key_of(report, key, sizeof(key)));
    if (reports->count >= OPS_INSTANCES_MAX && aion_map_get(&reports->by_key, name) == NULL)
        return aion_fail(err, AION_EXHAUSTED, "%zu programs report already", reports->count);
    return true;
}

/* -- taking ------------------------------------------------------------------------- */
static struct ops_entity *entity_of(struct ops_table *table, const struct about *about,
                                    const Aion__V1__OpsReport *report,
                                    const Aion__V1__OpsSample *sample)
{
    char key[OPS_KEY_MAX + NAME_MAX_BYTES + 2];
    int size =
        snprintf(key, sizeof(key), "%s%s%s", about->joint != NULL ? report->component : "",
                 about->joint != NULL ? about->joint : "", sample->key);
    return ops_entity(table, (enum ops_kind)sample->kind, aion_str_n(key, (size_t)size));
}

static void take_labels(struct ops_table *table, struct ops_entity *entity,
                        const Aion__V1__OpsSample *sample)
{
    struct ops_label labels[OPS_LABELS_MAX];
    size_t count = 0;
    for (; count < sample->n_labels && count < OPS_LABELS_MAX; count++)
        labels[count] = (struct ops_label){aion_str_of(sample->labels[count]->key),
                                           aion_str_of(sample->labels[count]->value)};
    if (count > 0)
        ops_entity_label(table, entity, labels, count);
}

static struct part *part_of(struct instance *instance, struct ops_entity *entity)
{
    struct part *part = aion_map_get(&instance->by_entity, id_of(&entity->id));
    if (part != NULL)
        return part;
    part = calloc(1, sizeof(*part));
    if (part == NULL)
        abort();
    if (entity->reported == NULL &&
        (entity->reported = calloc(1, sizeof(*entity->reported))) == NULL)
        abort();
    part->entity = ops_pin(entity);
    aion_list_add_last(&instance->parts, &part->link);
    if (!aion_map_put(&instance->by_entity, id_of(&entity->id), part))
        abort(); /* as many as samples of a report; the rest was lost with its instance */
    add(entity, part, 1);
    return part;
}

/* Kept far from where sums of many would overflow. */
static void copy(int64_t *to, size_t to_count, const int64_t *from, size_t from_count)
{
    const int64_t most = (int64_t)1 << 38;
    for (size_t i = 0; i < to_count; i++) {
        to[i] = i < from_count ? from[i] : 0;
        to[i] = to[i] > most ? most : to[i] < -most ? -most : to[i];
    }
}

static void take_latency(struct ops_entity *entity, const Aion__V1__OpsHistogram *latency)
{
    if (latency == NULL || !ops_kind_info(entity->kind)->latency)
        return;
    for (size_t i = 0; i < latency->n_buckets; i++)
        ops_record_many(entity, latency->buckets[i], latency->counts[i]);
}

static void take_sample(struct ops_reports *reports, struct instance *instance,
                        const Aion__V1__OpsReport *report, const Aion__V1__OpsSample *sample)
{
    struct ops_table *table = &reports->fold->table;
    if (sample->kind == AION__V1__OPS_KIND__OPS_KIND_MESH) {
        int64_t counts[COUNTERS];
        copy(counts, COUNTERS, sample->counters, sample->n_counters);
        ops_mesh_count(reports->fold, OPS_NOW_REFUSED, counts[REFUSED]);
        ops_mesh_count(reports->fold, OPS_NOW_ERROR, counts[FAULTS]);
        return;
    }
    struct ops_entity *entity = entity_of(table, &abouts[sample->kind], report, sample);
    if (instance->by_entity.count >= OPS_SAMPLES_MAX &&
        aion_map_get(&instance->by_entity, id_of(&entity->id)) == NULL)
        return;
    struct part *part = part_of(instance, entity);
    add(entity, part, -1);
    copy(part->counters, COUNTERS, sample->counters, sample->n_counters);
    copy(part->gauges, GAUGES, sample->gauges, sample->n_gauges);
    part->sequence = report->sequence;
    add(entity, part, 1);
    entity->touched_us = table->now_us;
    take_labels(table, entity, sample);
    take_latency(entity, sample->latency);
}

/* What the report does not speak of did not move; a full one leaves out what is no more. */
static void settle_rest(struct instance *instance, const Aion__V1__OpsReport *report)
{
    aion_list_each_safe (link, &instance->parts) {
        struct part *part = aion_container(link, struct part, link);
        if (part->sequence == report->sequence)
            continue;
        if (report->sequence % 10 == 0) {
            aion_map_remove(&instance->by_entity, id_of(&part->entity->id));
            part_free(part);
            continue;
        }
        add(part->entity, part, -1);
        memset(part->counters, 0, sizeof(part->counters));
        add(part->entity, part, 1);
    }
}

static void take_process(struct ops_reports *reports, struct instance *instance,
                         const Aion__V1__OpsProcess *process)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%u", process->pid);
    const struct ops_label labels[] = {{AION_STR("version"), aion_str_of(process->version)},
                                       {AION_STR("pid"), aion_str_of(pid)},
                                       {AION_STR("address"), aion_str_of(process->address)}};
    ops_entity_label(&reports->fold->table, instance->process, labels, aion_countof(labels));
    instance->last = *process;
}

/* Lost ones come out of the count of the report that follows; what the program says it lost
 * itself (control was away) comes in. */
static void count_lost(struct ops_reports *reports, struct instance *instance,
                       const Aion__V1__OpsReport *report)
{
    if (instance->sequence > 0 && report->dropped > instance->dropped)
        reports->fold->reports_lost += report->dropped - instance->dropped;
    instance->dropped = report->dropped;
    instance->sequence = report->sequence;
}

void ops_report_take(struct ops_reports *reports, const Aion__V1__OpsReport *report,
                     int64_t now_us)
{
    char key[2 * (NAME_MAX_BYTES + 1)];
    aion_str name = aion_str_n(key, key_of(report, key, sizeof(key)));
    struct instance *instance = aion_map_get(&reports->by_key, name);
    if (instance == NULL)
        instance = instance_make(reports, name, report);
    instance->heard_us = now_us;
    instance->lost = false;
    count_lost(reports, instance, report);
    for (size_t i = 0; i < report->n_samples; i++)
        take_sample(reports, instance, report, report->samples[i]);
    settle_rest(instance, report);
    if (report->process != NULL)
        take_process(reports, instance, report->process);
}

/* -- closing a second --------------------------------------------------------------- */
/* The first of these that any instance is in. */
static int64_t worst(const struct ops_reported *sum, const int8_t *order)
{
    for (; *order >= 0; order++)
        if (sum->states[*order] > 0)
            return *order;
    return OPS_UNKNOWN;
}

static void close_method(struct ops_table *table, struct ops_entity *entity)
{
    const struct ops_reported *sum = entity->reported;
    ops_set(table, entity, METHOD(CALLS_MILLI), sum->counters[CALLS] * 1000);
    ops_set(table, entity, METHOD(ERROR_PPM),
            ops_share_ppm(sum->counters[ERRORS], sum->counters[CALLS]));
    ops_set(table, entity, METHOD(LIVE), sum->gauges[LIVE]);
    ops_set_quantiles(table, entity, sum->counters[CALLS] > 0);
}

static void close_edge(struct ops_table *table, struct ops_entity *entity)
{
    static const int8_t order[] = {AION__V1__OPS_EDGE_STATE__OPS_EDGE_STATE_DOWN,
                                   AION__V1__OPS_EDGE_STATE__OPS_EDGE_STATE_BREAKER,
                                   AION__V1__OPS_EDGE_STATE__OPS_EDGE_STATE_EJECTED,
                                   AION__V1__OPS_EDGE_STATE__OPS_EDGE_STATE_DRAINING,
                                   AION__V1__OPS_EDGE_STATE__OPS_EDGE_STATE_OK,
                                   -1};
    const struct ops_reported *sum = entity->reported;
    ops_set(table, entity, EDGE(CALLS_MILLI), sum->counters[CALLS] * 1000);
    ops_set(table, entity, EDGE(ERROR_PPM),
            ops_share_ppm(sum->counters[ERRORS], sum->counters[CALLS]));
    ops_set(table, entity, EDGE(RETRIES_MILLI), sum->counters[RETRIES] * 1000);
    ops_set(table, entity, EDGE(OUTSTANDING), sum->gauges[OUTSTANDING]);
    ops_set(table, entity, EDGE(STATE), worst(sum, order));
    ops_set(table, entity, EDGE(EJECTIONS), sum->gauges[EJECTIONS]);
    ops_set_quantiles(table, entity, sum->counters[CALLS] > 0);
}

static void close_dependency(struct ops_table *table, struct ops_entity *entity)
{
    static const int8_t order[] = {
        AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_DOWN,
        AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_DEGRADED,
        AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_OK, -1};
    const struct ops_reported *sum = entity->reported;
    ops_set(table, entity, DEPENDENCY(STATE), worst(sum, order));
    ops_set(table, entity, DEPENDENCY(LAG), sum->gauges[LAG]);
    ops_set(table, entity, DEPENDENCY(OPERATIONS_MILLI), sum->counters[OPERATIONS] * 1000);
    ops_set_quantiles(table, entity, sum->counters[OPERATIONS] > 0);
}

static void close_module(struct ops_table *table, struct ops_entity *entity)
{
    ops_set(table, entity, MODULE(RESTARTS), entity->reported->gauges[RESTARTS]);
}

static void close_certificate(struct ops_table *table, struct ops_entity *entity)
{
    if (entity->reported->parts > 0)
        ops_set(table, entity, CERTIFICATE(EXPIRES_S), entity->reported->gauges[EXPIRES]);
}

static void close_kind(struct ops_table *table, enum ops_kind kind,
                       void (*close)(struct ops_table *table, struct ops_entity *entity))
{
    aion_list_each (link, &table->kinds[kind].entities) {
        struct ops_entity *entity = aion_container(link, struct ops_entity, link);
        if (entity->reported != NULL)
            close(table, entity);
    }
}

static void close_process(struct ops_reports *reports, struct instance *instance,
                          int64_t now_us)
{
    const Aion__V1__OpsProcess *last = &instance->last;
    const int64_t values[] = {
        [PROCESS(STATE)] = last->state,
        [PROCESS(CPU_PPM)] = ops_round_digits(last->cpu_us),
        [PROCESS(RSS_BYTES)] = ops_round_bytes((int64_t)last->rss_bytes),
        [PROCESS(THREADS)] = last->threads,
        [PROCESS(FDS)] = last->fds,
        [PROCESS(STARTED_S)] = last->started_s,
        [PROCESS(LOOP_US)] = last->loop_us,
        [PROCESS(BEAT_US)] = ops_round_age(now_us - instance->heard_us),
    };
    for (unsigned i = 0; i < aion_countof(values); i++)
        ops_set(&reports->fold->table, instance->process, i, values[i]);
}

/* What only the host's own program knows of it. */
static void close_host(struct ops_reports *reports, const struct instance *instance)
{
    const Aion__V1__OpsProcess *last = &instance->last;
    struct ops_table *table = &reports->fold->table;
    struct ops_entity *host = ops_entity_find(table, OPS_HOST, aion_str_of(instance->name));
    if (host == NULL)
        return;
    ops_set(table, host, HOST(CPU_PPM), ops_round_digits(last->machine_cpu_ppm));
    ops_set(table, host, HOST(RSS_BYTES),
            ops_round_bytes((int64_t)(last->rss_bytes + last->workers_rss_bytes)));
    ops_set(table, host, HOST(MEMORY_BYTES),
            ops_round_bytes((int64_t)last->machine_memory_bytes));
    ops_set(table, host, HOST(WORKERS), last->workers);
}

static void lose(struct instance *instance)
{
    instance->last =
        (Aion__V1__OpsProcess){.state = AION__V1__OPS_PROCESS_STATE__OPS_PROCESS_STATE_LOST,
                               .started_s = instance->last.started_s};
    instance->lost = true;
    lose_parts(instance);
}

void ops_reports_close(struct ops_reports *reports, int64_t now_us)
{
    struct ops_table *table = &reports->fold->table;
    aion_list_each_safe (link, &reports->instances) {
        struct instance *instance = aion_container(link, struct instance, link);
        int64_t silent_us = now_us - instance->heard_us;
        if (silent_us >= OPS_IDLE_US) {
            aion_map_remove(&reports->by_key, aion_str_of(instance->key));
            instance_free(reports, instance);
            continue;
        }
        if (silent_us >= OPS_SILENCE_US && !instance->lost)
            lose(instance);
        close_process(reports, instance, now_us);
        if (instance->host)
            close_host(reports, instance);
    }
    close_kind(table, OPS_METHOD, close_method);
    close_kind(table, OPS_EDGE, close_edge);
    close_kind(table, OPS_MODULE, close_module);
    close_kind(table, OPS_DEPENDENCY, close_dependency);
    close_kind(table, OPS_CERTIFICATE, close_certificate);
}
