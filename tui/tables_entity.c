/* Tables over one kind of rows. Columns go by rank where there is no room: 0 stays. */
#include "tables.h"

#include "aion/v1/ops.schema.h"

#define MEASURE(n, r)           \
    {                           \
        .tag = (n), .rank = (r) \
    }
#define KEY(n, t, w)                                                         \
    {                                                                        \
        .name = n, .title = t, .width = w, .tag = TUI_TAG_KEY, .grows = true \
    }
#define LABEL(n, t, w, r)                                                  \
    {                                                                      \
        .name = n, .title = t, .width = w, .rank = r, .tag = TUI_TAG_LABEL \
    }
#define TREND(t, r)                                                            \
    {                                                                          \
        .name = "trend", .title = t, .unit = TUI_TREND, .width = 8, .rank = r, \
        .tag = TUI_TAG_TREND                                                   \
    }

#define ITEMS(name, kind)                                                           \
    static size_t name##_items(const struct tui_scene *scene, struct tui_item *out, \
                               size_t max)                                          \
    {                                                                               \
        return tui_entity_items(scene, kind, out, max);                             \
    }

/* The declaration of a table over one kind. */
#define TABLE(name_, text_, title_, kind_, empty_)                                \
    ITEMS(name_, kind_)                                                           \
    const struct tui_table tui_##name_ = {.name = text_,                          \
                                          .title = title_,                        \
                                          .columns = name_##_columns,             \
                                          .count = aion_countof(name_##_columns), \
                                          .kind = kind_,                          \
                                          .empty = empty_,                        \
                                          .items = name_##_items,                 \
                                          .value = tui_entity_value}

// clang-format off
static const struct tui_column routes_columns[] = {
    KEY("route", "ROUTE", 18),
    TREND("P95 15m", 5),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_TASKS_MILLI, 0),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_P50_US, 2),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_P95_US, 0),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_P99_US, 2),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_QUEUED, 1),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_RUNNING, 3),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_RETRY_PPM, 4),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_ERROR_PPM, 1),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_COST_NANO_USD, 5),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_SHARE_PPM, 6),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_HOSTS, 6),
    MEASURE(AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_STATE, 0),
    LABEL("module", "MODULE", 16, 7),
    LABEL("pool", "POOL", 6, 8),
};
static const struct tui_column hosts_columns[] = {
    KEY("host", "HOST", 12),
    LABEL("pool", "POOL", 6, 3),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_STATE, 0),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_CPU_PPM, 1),
    TREND("CPU 15m", 5),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_RSS_BYTES, 2),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_MEMORY_BYTES, 4),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_SLOTS, 1),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_RUNNING, 0),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_TASKS_MILLI, 0),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_ERROR_PPM, 2),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_BEAT_US, 1),
    MEASURE(AION__V1__OPS_HOST_COLUMN__OPS_HOST_WORKERS, 4),
    LABEL("version", "VERSION", 8, 5),
};
static const struct tui_column modules_columns[] = {
    KEY("module", "MODULE", 18),
    TREND("P95 15m", 4),
    MEASURE(AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_TASKS_MILLI, 0),
    MEASURE(AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_P50_US, 2),
    MEASURE(AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_P95_US, 0),
    MEASURE(AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_P99_US, 2),
    MEASURE(AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_ERROR_PPM, 0),
    MEASURE(AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_HOSTS, 1),
    MEASURE(AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_RUNNING, 1),
    MEASURE(AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_RESTARTS, 0),
    LABEL("digest", "DIGEST", 18, 5),
    LABEL("intents", "INTENTS", 20, 6),
};
static const struct tui_column queues_columns[] = {
    KEY("queue", "QUEUE", 14),
    TREND("15m", 3),
    MEASURE(AION__V1__OPS_QUEUE_COLUMN__OPS_QUEUE_DEPTH, 0),
    MEASURE(AION__V1__OPS_QUEUE_COLUMN__OPS_QUEUE_OLDEST_US, 0),
    MEASURE(AION__V1__OPS_QUEUE_COLUMN__OPS_QUEUE_STARTED_MILLI, 1),
    MEASURE(AION__V1__OPS_QUEUE_COLUMN__OPS_QUEUE_BYTES, 2),
};
static const struct tui_column tenants_columns[] = {
    KEY("tenant", "TENANT", 10),
    MEASURE(AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_TASKS_MILLI, 0),
    MEASURE(AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_REFUSED_MILLI, 0),
    MEASURE(AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_QUEUED, 1),
    MEASURE(AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_RUNNING, 2),
    MEASURE(AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_P95_US, 1),
    MEASURE(AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_COST_NANO_USD, 3),
};
static const struct tui_column methods_columns[] = {
    KEY("method", "METHOD", 30),
    TREND("P95 15m", 4),
    MEASURE(AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_CALLS_MILLI, 0),
    MEASURE(AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_ERROR_PPM, 0),
    MEASURE(AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_P50_US, 2),
    MEASURE(AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_P95_US, 0),
    MEASURE(AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_P99_US, 1),
    MEASURE(AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_LIVE, 1),
};
static const struct tui_column edges_columns[] = {
    KEY("edge", "EDGE", 30),
    TREND("P95 15m", 5),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_STATE, 0),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_CALLS_MILLI, 1),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_ERROR_PPM, 0),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_P50_US, 2),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_P95_US, 0),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_P99_US, 2),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_OUTSTANDING, 3),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_EJECTIONS, 1),
    MEASURE(AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_RETRIES_MILLI, 4),
};
static const struct tui_column dependencies_columns[] = {
    KEY("dependency", "DEPENDENCY", 12),
    MEASURE(AION__V1__OPS_DEPENDENCY_COLUMN__OPS_DEPENDENCY_STATE, 0),
    MEASURE(AION__V1__OPS_DEPENDENCY_COLUMN__OPS_DEPENDENCY_P99_US, 0),
    MEASURE(AION__V1__OPS_DEPENDENCY_COLUMN__OPS_DEPENDENCY_LAG, 1),
    MEASURE(AION__V1__OPS_DEPENDENCY_COLUMN__OPS_DEPENDENCY_OPERATIONS_MILLI, 1),
};
static const struct tui_column certificates_columns[] = {
    KEY("certificate", "CERTIFICATE", 20),
    MEASURE(AION__V1__OPS_CERTIFICATE_COLUMN__OPS_CERTIFICATE_EXPIRES_S, 0),
};
static const struct tui_column processes_columns[] = {
    KEY("process", "PROCESS", 20),
    MEASURE(AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_STATE, 0),
    MEASURE(AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_CPU_PPM, 0),
    TREND("CPU 15m", 5),
    MEASURE(AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_RSS_BYTES, 0),
    MEASURE(AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_THREADS, 3),
    MEASURE(AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_FDS, 2),
    MEASURE(AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_LOOP_US, 1),
    MEASURE(AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_BEAT_US, 1),
    MEASURE(AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_STARTED_S, 4),
    LABEL("version", "VERSION", 8, 4),
    LABEL("pid", "PID", 8, 5),
    LABEL("address", "ADDRESS", 20, 6),
};
static const struct tui_column mesh_table_columns[] = {
    KEY("mesh", "MESH", 5),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_TASKS_MILLI, 0),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_ACCEPTED_MILLI, 3),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_FAILED_MILLI, 2),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_RETRY_MILLI, 3),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_DEAD_MILLI, 3),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_REFUSED_MILLI, 2),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_ERROR_MILLI, 2),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_CANCELLED_MILLI, 4),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_STALE_MILLI, 4),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_QUEUED, 0),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_RUNNING, 0),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_RETRY_WAIT, 2),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_P50_US, 1),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_P95_US, 0),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_P99_US, 1),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_COST_NANO_USD, 2),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_HOSTS, 1),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_HOSTS_OK, 1),
    MEASURE(AION__V1__OPS_MESH_COLUMN__OPS_MESH_EVENTS_MILLI, 4),
};
// clang-format on

TABLE(routes, "routes", "ROUTES", TUI_ROUTE, "no task has been routed yet");
TABLE(hosts, "hosts", "HOSTS", TUI_HOST, "no host is attached");
TABLE(modules, "modules", "MODULES", TUI_MODULE, "no module has run yet");
TABLE(queues, "queues", "QUEUES", TUI_QUEUE, "no queue yet");
TABLE(tenants, "tenants", "TENANTS", TUI_TENANT, "no tenant has called yet");
TABLE(methods, "methods", "METHODS", TUI_METHOD, "no method was called yet");
TABLE(edges, "edges", "EDGES", TUI_EDGE, "no program calls another one yet");
TABLE(dependencies, "dependencies", "DEPENDENCIES", TUI_DEPENDENCY, "none reported");
TABLE(certificates, "certificates", "CERTIFICATES", TUI_CERTIFICATE, "none reported");
TABLE(processes, "processes", "PROCESSES", TUI_PROCESS, "none reported");
TABLE(mesh_table, "totals", "MESH", TUI_MESH, "nothing is known yet");
