#include "world.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MESH = 1,
    ROUTE,
    METHOD,
    TENANT,
    MODULE,
    QUEUE,
    HOST,
    EDGE,
    DEPENDENCY,
    CERTIFICATE,
    PROCESS
};

/* -- numbers --------------------------------------------------------------- */

static uint64_t dice(const struct world *world, uint64_t a, uint64_t b)
{
    uint64_t words[2] = {a, b};
    return aion_siphash(world->conf.seed, 0x776f726c64, words, sizeof(words));
}

/* A number that wanders between base - swing and base + swing, a new goal every period. */
static int64_t wander(const struct world *world, uint64_t salt, int64_t at_ms,
                      int64_t period_ms, int64_t base, int64_t swing)
{
    if (swing <= 0 || world->conf.still)
        return base;
    int64_t step = at_ms / period_ms, part = at_ms % period_ms;
    int64_t from = (int64_t)(dice(world, salt, (uint64_t)step) % (uint64_t)(2 * swing + 1));
    int64_t to = (int64_t)(dice(world, salt, (uint64_t)step + 1) % (uint64_t)(2 * swing + 1));
    return base - swing + from + (to - from) * part / period_ms;
}

void world_init(struct world *world, const struct world_conf *conf)
{
    *world = (struct world){.conf = *conf};
    if (world->conf.tasks_per_s == 0)
        world->conf.tasks_per_s = 20;
    unsigned *counts = world->counts;
    counts[MESH] = 1;
    counts[ROUTE] = conf->routes > 0 ? conf->routes : 7;
    counts[METHOD] = conf->methods > 0 ? conf->methods : 10;
    counts[TENANT] = conf->tenants > 0 ? conf->tenants : 3;
    counts[MODULE] = counts[ROUTE] < 12 ? counts[ROUTE] : 12;
    counts[QUEUE] = 6;
    counts[HOST] = conf->hosts > 0 ? conf->hosts : 6;
    counts[EDGE] = conf->edges > 0 ? conf->edges : 8;
    counts[DEPENDENCY] = 4;
    counts[CERTIFICATE] = 5;
    counts[PROCESS] = 6;
}

/* -- names ----------------------------------------------------------------- */

static const char *const intents[] = {"summarize", "summarize", "invoice", "chat",
                                      "vision",    "embed",     "rerank"};
static const char *const routes[] = {"local", "api",   "local", "hybrid",
                                     "local", "local", "local"};
static const char *const tenants[] = {"acme", "beta", "gamma"};
static const char *const hosts[] = {"gpu-1", "gpu-2", "gpu-3", "cpu-1", "cpu-2", "cpu-3"};
static const char *const methods[] = {
    "control/AionTasks.Submit", "control/AionTasks.GetTask",  "control/AionTasks.Stream",
    "control/Hosts.Attach",     "gateway/AionTasks.Submit",   "gateway/AionTasks.GetTask",
    "gateway/AionTasks.Stream", "router/Router.DecideStream", "retention/Retention.GetPlan",
    "control/Ops.Watch"};
static const char *const edges[] = {
    "control>router@127.0.0.1:8082", "gateway>control@127.0.0.1:8081",
    "host-1>control@127.0.0.1:8081", "host-2>control@127.0.0.1:8081",
    "router>control@127.0.0.1:8081", "retention>control@127.0.0.1:8081",
    "gateway>router@127.0.0.1:8082", "gateway>retention@127.0.0.1:8083"};
static const char *const dependencies[] = {"kafka", "postgres", "qdrant", "redis"};
static const char *const programs[] = {
    "control/control-1", "gateway/gateway-1",     "host/gpu-1",
    "host/gpu-2",        "retention/retention-1", "router/router-1"};
static const char *const classes[] = {"cpu/high", "cpu/normal", "cpu/batch",
                                      "gpu/high", "gpu/normal", "gpu/batch"};

/* What outside names may hold: ESC, a C1 control, a bidi override, a joiner, wide ones, a mark.
 */
static const char *const odd[] = {"evil\x1b[2Jname",
                                  "c1\xc2\x9b"
                                  "31m",
                                  "rtl\xe2\x80\xaetxt",
                                  "wide\xe6\xbc\xa2\xe5\xad\x97",
                                  "e\xcc\x81t\xcc\x81",
                                  "new\nline\ttab"};

/* The names that are known by heart, then numbered ones. */
static void name_of(const char *const *names, size_t count, const char *more, unsigned index,
                    char out[WORLD_KEY])
{
    if (index < count)
        snprintf(out, WORLD_KEY, "%s", names[index]);
    else
        snprintf(out, WORLD_KEY, "%s-%03u", more, index);
}

static void intent_of(unsigned index, char out[WORLD_KEY])
{
    name_of(intents, aion_countof(intents), "intent", index, out);
}

static void route_of(unsigned index, char out[WORLD_KEY])
{
    snprintf(out, WORLD_KEY, "%s", index < aion_countof(routes) ? routes[index] : "local");
}

void world_key(const struct world *world, unsigned kind, unsigned index, char out[WORLD_KEY])
{
    char intent[WORLD_KEY], route[WORLD_KEY];
    switch (kind) {
    case MESH:
        snprintf(out, WORLD_KEY, "mesh");
        break;
    case ROUTE:
        intent_of(index, intent);
        route_of(index, route);
        snprintf(out, WORLD_KEY, "%.60s/%.30s", intent, route);
        break;
    case METHOD:
        name_of(methods, aion_countof(methods), "control/Method", index, out);
        break;
    case TENANT:
        if (world->conf.hostile && index < aion_countof(odd))
            snprintf(out, WORLD_KEY, "%s", odd[index]);
        else
            name_of(tenants, aion_countof(tenants), "tenant", index, out);
        break;
    case MODULE:
        intent_of(index, intent);
        route_of(index, route);
        snprintf(out, WORLD_KEY, "%.60s_%.10s@1.%u.0", intent, route, index);
        break;
    case QUEUE:
        snprintf(out, WORLD_KEY, "%s", classes[index]);
        break;
    case HOST:
        name_of(hosts, aion_countof(hosts), "host", index, out);
        break;
    case EDGE:
        name_of(edges, aion_countof(edges), "host>control@10.0.0", index, out);
        break;
    case DEPENDENCY:
        snprintf(out, WORLD_KEY, "%s", dependencies[index]);
        break;
    case CERTIFICATE:
    case PROCESS:
        snprintf(out, WORLD_KEY, "%s", programs[index]);
        break;
    default:
        out[0] = '\0';
        break;
    }
}

/* -- rows ------------------------------------------------------------------ */

/* Wanders by whole seconds, so that only live columns move in between. */
struct at {
    const struct world *world;
    uint64_t salt;
    int64_t second_ms, live_ms;
};

static int64_t slow(const struct at *at, unsigned column, int64_t base, int64_t swing)
{
    return wander(at->world, at->salt + column, at->second_ms, 20000, base, swing);
}

static int64_t live(const struct at *at, unsigned column, int64_t base, int64_t swing)
{
    return wander(at->world, at->salt + column, at->live_ms, 3000, base, swing);
}

static unsigned mesh_row(const struct at *at, int64_t *out)
{
    static const int64_t shape[12] = {180, 420, 640, 520, 330, 160, 70, 30, 9, 3, 1, 0};
    int64_t hill = slow(at, 90, 500, 480);
    out[0] = slow(at, 0, 2400000, 300000);
    out[1] = out[0] + slow(at, 1, 20000, 30000);
    out[2] = slow(at, 2, 12000, 9000);
    out[3] = slow(at, 3, 50000, 30000);
    out[4] = slow(at, 4, 300, 300);
    out[5] = slow(at, 5, 20000, 20000);
    out[6] = slow(at, 6, 6000, 6000);
    out[7] = live(at, 7, 500 + hill / 2, 200);
    out[8] = live(at, 8, 210, 20);
    out[9] = live(at, 9, 40, 20);
    out[10] = 400000 + hill * 300;
    out[11] = 1200000 + hill * 900;
    out[12] = 2600000 + hill * 1500;
    out[13] = slow(at, 13, 861000, 90000);
    out[14] = at->world->counts[HOST];
    out[15] = at->world->counts[HOST] - 1;
    out[16] = slow(at, 16, 2000, 2000);
    out[17] = slow(at, 17, 100, 100);
    out[18] = out[0] * 4;
    out[19] = 0;
    for (unsigned i = 0; i < 12; i++) {
        int64_t moved = i > 3 ? shape[i] * (500 + hill) / 1000 : shape[i];
        out[20 + i] = slow(at, 20 + i, moved, moved / 5);
    }
    return 32;
}

static unsigned route_row(const struct at *at, unsigned index, int64_t *out)
{
    int64_t size = 900 / (int64_t)(index + 1);
    out[0] = slow(at, 0, size * 1000, size * 200);
    out[1] = slow(at, 1, 120000 + index * 40000, 30000);
    out[2] = slow(at, 2, 500000 + index * 200000, 200000);
    out[3] = out[2] + slow(at, 3, 600000, 300000);
    out[4] = live(at, 4, 40 + size / 3, 30);
    out[5] = live(at, 5, 20 + size / 20, 10);
    out[6] = slow(at, 6, 8000, 8000);
    out[7] = index == 4 ? slow(at, 7, 41000, 9000) : slow(at, 7, 400, 400);
    out[8] = index == 1 || index == 3 ? slow(at, 8, 300000, 60000) : 0;
    out[9] = index < 2 ? (index == 0 ? 730000 : 270000) : 1000000;
    out[10] = index == 1 ? 0 : 3;
    out[11] = index == 3 ? 2 : index == 4 ? 3 : 1;
    return 12;
}

static unsigned host_row(const struct at *at, unsigned index, int64_t *out)
{
    out[0] = index == 2 ? 5 : index == 4 ? 4 : 2;
    out[1] = index < 3 ? 8 : 24;
    out[2] = index == 2 ? 0 : live(at, 2, out[1] / 2, out[1] / 2);
    out[3] = index == 2 ? 0 : slow(at, 3, 31000 + index * 40000, 9000);
    out[4] = slow(at, 4, 300000 + index % 5 * 100000, 90000);
    out[5] = slow(at, 5, 6000000000, 500000000);
    out[6] = (int64_t)24 << 30;
    out[7] = index == 2 ? 4200000 : slow(at, 7, 300000, 200000);
    out[8] = slow(at, 8, 300, 300);
    out[9] = out[1];
    return 10;
}

static unsigned latency_row(const struct at *at, unsigned index, unsigned first, int64_t *out)
{
    out[first] = slow(at, first, 900 + index * 1300, 400);
    out[first + 1] = out[first] * 3 + slow(at, first + 1, 800, 500);
    out[first + 2] = out[first + 1] * 2;
    return first + 3;
}

static unsigned small_row(const struct at *at, unsigned kind, unsigned index, int64_t *out)
{
    switch (kind) {
    case METHOD:
        out[0] = slow(at, 0, 900000 / (index + 1), 90000 / (index + 1));
        out[1] = slow(at, 1, 300, 300);
        latency_row(at, index, 2, out);
        out[5] = live(at, 5, 12, 10);
        return 6;
    case TENANT:
        out[0] = slow(at, 0, 1402000 / (index + 1), 100000);
        out[1] = index == 0 ? slow(at, 1, 28000, 9000) : 0;
        out[2] = live(at, 2, 300 / (index + 1), 50);
        out[3] = live(at, 3, 100 / (index + 1), 20);
        out[4] = slow(at, 4, 500000 / (index + 1), 50000);
        out[5] = slow(at, 5, 1200000, 300000);
        return 6;
    case MODULE:
        out[0] = slow(at, 0, 600000 / (index + 1), 60000);
        latency_row(at, index * 90, 1, out);
        out[4] = index == 4 ? 41000 : slow(at, 4, 300, 300);
        out[5] = 2;
        out[6] = live(at, 6, 9, 8);
        out[7] = index == 4 ? 5 : 0;
        return 8;
    case QUEUE:
        out[0] = live(at, 0, 80 + index * 10, 60);
        out[1] = out[0] * 2048;
        out[2] = slow(at, 2, 700000, 500000);
        out[3] = slow(at, 3, 300000, 90000);
        return 4;
    case EDGE:
        out[0] = slow(at, 0, 400000 / (index + 1), 40000);
        out[1] = index == 6 ? 22000 : slow(at, 1, 200, 200);
        latency_row(at, index, 2, out);
        out[5] = live(at, 5, 9, 8);
        out[6] = index == 6 ? 2 : 1;
        out[7] = index == 6 ? 3 : 0;
        out[8] = index == 6 ? 1200 : 0;
        return 9;
    case DEPENDENCY:
        out[0] = index == 2 ? 2 : 1;
        out[1] = slow(at, 1, 1200 + index * 900, 400);
        out[2] = index == 0 ? slow(at, 2, 120, 60) : 0;
        out[3] = slow(at, 3, 900000, 90000);
        return 4;
    case CERTIFICATE:
        out[0] = 1800000000 + (int64_t)index * 86400;
        return 1;
    default:
        out[0] = 1;
        out[1] = slow(at, 1, 200000 + index * 30000, 90000);
        out[2] = slow(at, 2, 60000000, 9000000);
        out[3] = 9 + index;
        out[4] = 40 + index * 3;
        out[5] = 1795000000;
        out[6] = slow(at, 6, 900, 700);
        out[7] = slow(at, 7, 300000, 200000);
        return 8;
    }
}

unsigned world_row(const struct world *world, unsigned kind, unsigned index, int64_t at_ms,
                   int64_t out[WORLD_COLUMNS])
{
    const struct at at = {world, (uint64_t)kind * 1000003 + index * 1009, at_ms / 1000 * 1000,
                          at_ms};
    if (kind == MESH)
        return mesh_row(&at, out);
    if (kind == ROUTE)
        return route_row(&at, index, out);
    return kind == HOST ? host_row(&at, index, out) : small_row(&at, kind, index, out);
}

/* -- frames ---------------------------------------------------------------- */

void world_reader_done(struct world_reader *reader)
{
    free(reader->last);
    reader->last = NULL;
}

void *world_made(struct aion_arena *arena, size_t size)
{
    void *memory = aion_arena_zalloc(arena, size);
    if (memory == NULL)
        abort();
    return memory;
}

char *world_text(struct aion_arena *arena, const char *value)
{
    char *copy = aion_arena_text(arena, aion_str_of(value));
    if (copy == NULL)
        abort();
    return copy;
}

static void label(Aion__V1__OpsEntity *entity, const char *name, const char *value,
                  struct aion_arena *arena)
{
    Aion__V1__OpsEntity__LabelsEntry *entry = world_made(arena, sizeof(*entry));
    aion__v1__ops_entity__labels_entry__init(entry);
    entry->key = world_text(arena, name);
    entry->value = world_text(arena, value);
    if (entity->labels == NULL)
        entity->labels = world_made(arena, 8 * sizeof(*entity->labels));
    entity->labels[entity->n_labels++] = entry;
}

static void label_row(unsigned kind, unsigned index, Aion__V1__OpsEntity *entity,
                      struct aion_arena *arena)
{
    char value[64];
    if (kind == HOST) {
        label(entity, "pool", index < 3 ? "gpu" : "cpu", arena);
        label(entity, "version", "0.1.0", arena);
    } else if (kind == MODULE) {
        snprintf(value, sizeof(value), "sha256:%08x", 0x9f3c1a20u + index * 77777);
        label(entity, "digest", value, arena);
    } else if (kind == ROUTE) {
        label(entity, "pool", index < 3 ? "gpu" : "cpu", arena);
    } else if (kind == PROCESS) {
        snprintf(value, sizeof(value), "%u", 4100 + index);
        label(entity, "pid", value, arena);
        label(entity, "version", "0.1.0", arena);
    }
}

static void add_entity(const struct world *world, unsigned kind, unsigned index, uint32_t id,
                       Aion__V1__OpsFrame *frame, struct aion_arena *arena)
{
    char key[WORLD_KEY];
    Aion__V1__OpsEntity *entity = world_made(arena, sizeof(*entity));
    aion__v1__ops_entity__init(entity);
    world_key(world, kind, index, key);
    entity->id = id;
    entity->kind = (Aion__V1__OpsKind)kind;
    entity->key = world_text(arena, key);
    label_row(kind, index, entity, arena);
    frame->entities[frame->n_entities++] = entity;
}

static void add_row(uint32_t id, const int64_t *now, int64_t *last, unsigned columns,
                    bool whole, Aion__V1__OpsFrame *frame, struct aion_arena *arena)
{
    Aion__V1__OpsRow *row = world_made(arena, sizeof(*row));
    aion__v1__ops_row__init(row);
    row->entity = id;
    row->values = world_made(arena, columns * sizeof(*row->values));
    for (unsigned i = 0; i < columns; i++) {
        if (!whole && now[i] == last[i])
            continue;
        row->changed |= whole ? 0 : UINT64_C(1) << i;
        row->values[row->n_values++] = now[i];
        last[i] = now[i];
    }
    if (row->n_values > 0)
        frame->rows[frame->n_rows++] = row;
}

Aion__V1__OpsFrame *world_frame(const struct world *world, struct world_reader *reader,
                                int64_t at_ms, uint32_t span_ms, unsigned kinds,
                                struct aion_arena *arena)
{
    Aion__V1__OpsFrame *frame = world_made(arena, sizeof(*frame));
    int64_t values[WORLD_COLUMNS];
    uint32_t all = 0, id = 0;
    bool whole = reader->last == NULL;
    aion__v1__ops_frame__init(frame);
    for (unsigned kind = 1; kind < WORLD_KINDS; kind++)
        all += world->counts[kind];
    if (whole)
        reader->last = calloc(all, WORLD_COLUMNS * sizeof(int64_t));
    frame->at_us = at_ms * 1000;
    frame->span_ms = span_ms;
    frame->full = whole;
    frame->entities = world_made(arena, all * sizeof(*frame->entities));
    frame->rows = world_made(arena, all * sizeof(*frame->rows));
    for (unsigned kind = 1; kind < WORLD_KINDS; kind++)
        for (unsigned index = 0; index < world->counts[kind]; index++) {
            int64_t *last = reader->last + (size_t)id * WORLD_COLUMNS;
            id++;
            if (kinds != 0 && (kinds >> kind & 1) == 0)
                continue;
            if (whole)
                add_entity(world, kind, index, id, frame, arena);
            unsigned columns = world_row(world, kind, index, at_ms, values);
            add_row(id, values, last, columns, whole, frame, arena);
        }
    return frame;
}

Aion__V1__OpsHello *world_hello(const struct world *world, int64_t oldest_us, bool read_only,
                                struct aion_arena *arena)
{
    Aion__V1__OpsHello *hello = world_made(arena, sizeof(*hello));
    (void)world;
    aion__v1__ops_hello__init(hello);
    hello->control = world_text(arena, "0.1.0");
    hello->instance = world_text(arena, "control-1");
    hello->environment = world_text(arena, "prod-eu");
    hello->subject = world_text(arena, read_only ? "guest" : "ana");
    hello->tenant = world_text(arena, "default");
    hello->roles = world_made(arena, sizeof(*hello->roles));
    hello->roles[hello->n_roles++] = world_text(arena, read_only ? "user" : "admin");
    hello->oldest_us = oldest_us;
    hello->read_only = read_only;
    return hello;
}
