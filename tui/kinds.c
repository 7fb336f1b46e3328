#include "kinds.h"

#include "aion/v1/ops.schema.h"

#define WORDS(list) .words = (list), .word_count = aion_countof(list)

static const struct tui_word route_states[] = {{"idle", TUI_DIM},
                                               {"ok", TUI_GOOD},
                                               {"SLOW", TUI_WARN},
                                               {"FAILING", TUI_ALARM},
                                               {"NO HOST", TUI_ALARM}};
static const struct tui_word host_states[] = {{"LOST", TUI_ALARM},    {"STARTING", TUI_WARN},
                                              {"ok", TUI_GOOD},       {"full", TUI_PLAIN},
                                              {"DRAINING", TUI_WARN}, {"SILENT", TUI_ALARM}};
static const struct tui_word edge_states[] = {{"DOWN", TUI_ALARM},
                                              {"ok", TUI_GOOD},
                                              {"EJECTED", TUI_ALARM},
                                              {"DRAINING", TUI_WARN},
                                              {"BREAKER", TUI_ALARM}};
static const struct tui_word dependency_states[] = {
    {"DOWN", TUI_ALARM}, {"ok", TUI_GOOD}, {"DEGRADED", TUI_WARN}};
static const struct tui_word process_states[] = {
    {"LOST", TUI_ALARM}, {"ready", TUI_GOOD}, {"NOT READY", TUI_ALARM}, {"DRAINING", TUI_WARN}};

#define M(n, t, u, w)                                \
    {                                                \
        .name = n, .title = t, .unit = u, .width = w \
    }
#define X(n, t, u, w, ...)                                        \
    {                                                             \
        .name = n, .title = t, .unit = u, .width = w, __VA_ARGS__ \
    }

// clang-format off
static const struct tui_measure mesh[] = {
    M("tasks", "TASKS/s", TUI_RATE, 8),       M("accepted", "TAKEN/s", TUI_RATE, 8),
    M("failed", "FAILED/s", TUI_RATE, 8),     M("retries", "RETRY/s", TUI_RATE, 8),
    M("dead", "DEAD/s", TUI_RATE, 8),         M("refused", "REFUSED/s", TUI_RATE, 9),
    M("errors", "ERRORS/s", TUI_RATE, 8),     M("queued", "QUEUED", TUI_COUNT, 7),
    M("running", "RUNNING", TUI_COUNT, 7),    M("retry_wait", "RETRYING", TUI_COUNT, 8),
    M("p50", "P50", TUI_US, 6),               M("p95", "P95", TUI_US, 6),
    M("p99", "P99", TUI_US, 6),               M("cost", "COST", TUI_USD, 9),
    M("hosts", "HOSTS", TUI_COUNT, 5),        M("hosts_ok", "OK", TUI_COUNT, 5),
    M("cancelled", "CANCEL/s", TUI_RATE, 8),  M("stale", "STALE/s", TUI_RATE, 8),
    M("events", "EVENTS/s", TUI_RATE, 8),     M("reports_dropped", "DROPPED", TUI_COUNT, 7),
    M("le_50ms", "<50ms", TUI_COUNT, 6),      M("le_100ms", "<.1s", TUI_COUNT, 6),
    M("le_200ms", "<.2s", TUI_COUNT, 6),      M("le_400ms", "<.4s", TUI_COUNT, 6),
    M("le_800ms", "<.8s", TUI_COUNT, 6),      M("le_1600ms", "<1.6s", TUI_COUNT, 6),
    M("le_3200ms", "<3.2s", TUI_COUNT, 6),    M("le_6400ms", "<6.4s", TUI_COUNT, 6),
    M("le_12800ms", "<13s", TUI_COUNT, 6),    M("le_25600ms", "<26s", TUI_COUNT, 6),
    M("le_51200ms", "<51s", TUI_COUNT, 6),    M("beyond", ">51s", TUI_COUNT, 6),
};
static const struct tui_measure route[] = {
    M("tasks", "TASKS/s", TUI_RATE, 7),       M("p50", "P50", TUI_US, 6),
    M("p95", "P95", TUI_US, 6),               M("p99", "P99", TUI_US, 6),
    M("queued", "QUEUE", TUI_COUNT, 6),       M("running", "RUN", TUI_COUNT, 5),
    X("retry", "RETRY", TUI_SHARE, 6, .warn = 50000),
    X("error", "ERR", TUI_SHARE, 6, .warn = 1000, .alarm = 10000),
    M("cost", "COST", TUI_USD, 9),            M("share", "SHARE", TUI_SHARE, 6),
    M("hosts", "HOSTS", TUI_COUNT, 5),
    X("state", "STATE", TUI_STATE, 8, WORDS(route_states)),
};
static const struct tui_measure method[] = {
    M("calls", "CALLS/s", TUI_RATE, 7),
    X("error", "ERR", TUI_SHARE, 6, .warn = 1000, .alarm = 10000),
    M("p50", "P50", TUI_US, 6),               M("p95", "P95", TUI_US, 6),
    M("p99", "P99", TUI_US, 6),               M("live", "LIVE", TUI_COUNT, 5),
};
static const struct tui_measure tenant[] = {
    M("tasks", "TASKS/s", TUI_RATE, 7),       X("refused", "429/s", TUI_RATE, 6, .warn = 1),
    M("queued", "QUEUE", TUI_COUNT, 6),       M("running", "RUN", TUI_COUNT, 5),
    M("cost", "COST", TUI_USD, 9),            M("p95", "P95", TUI_US, 6),
};
static const struct tui_measure module[] = {
    M("tasks", "TASKS/s", TUI_RATE, 7),       M("p50", "P50", TUI_US, 6),
    M("p95", "P95", TUI_US, 6),               M("p99", "P99", TUI_US, 6),
    X("error", "ERR", TUI_SHARE, 6, .warn = 1000, .alarm = 10000),
    M("hosts", "HOSTS", TUI_COUNT, 5),        M("running", "RUN", TUI_COUNT, 5),
    X("restarts", "RESTARTS", TUI_COUNT, 8, .warn = 1),
};
static const struct tui_measure queue[] = {
    M("depth", "DEPTH", TUI_COUNT, 7),        M("bytes", "BYTES", TUI_BYTES, 6),
    M("oldest", "OLDEST", TUI_US, 6),         M("started", "START/s", TUI_RATE, 7),
};
static const struct tui_measure host[] = {
    X("state", "STATE", TUI_STATE, 8, WORDS(host_states)),
    M("slots", "SLOTS", TUI_COUNT, 5),        M("running", "RUN", TUI_COUNT, 5),
    M("tasks", "TASKS/s", TUI_RATE, 7),       X("cpu", "CPU", TUI_SHARE, 5, .warn = 900000),
    M("rss", "RSS", TUI_BYTES, 6),            M("memory", "MEMORY", TUI_BYTES, 6),
    X("beat", "BEAT", TUI_AGE, 6, .warn = 3000000, .alarm = 10000000),
    X("error", "ERR", TUI_SHARE, 6, .warn = 1000, .alarm = 10000),
    M("workers", "PROCS", TUI_COUNT, 5),
};
static const struct tui_measure edge[] = {
    M("calls", "CALLS/s", TUI_RATE, 7),
    X("error", "ERR", TUI_SHARE, 6, .warn = 1000, .alarm = 10000),
    M("p50", "P50", TUI_US, 6),               M("p95", "P95", TUI_US, 6),
    M("p99", "P99", TUI_US, 6),               M("outstanding", "OUT", TUI_COUNT, 5),
    X("state", "STATE", TUI_STATE, 8, WORDS(edge_states)),
    X("ejections", "EJECTED", TUI_COUNT, 7, .warn = 1),
    X("retries", "RETRY/s", TUI_RATE, 7, .warn = 1),
};
static const struct tui_measure dependency[] = {
    X("state", "STATE", TUI_STATE, 8, WORDS(dependency_states)),
    M("p99", "P99", TUI_US, 6),               M("lag", "LAG", TUI_COUNT, 6),
    M("operations", "OPS/s", TUI_RATE, 7),
};
static const struct tui_measure certificate[] = {
    X("expires", "EXPIRES", TUI_DATE, 11, .warn = 5 * 86400, .alarm = 1), /* as `aion doctor` */
};
static const struct tui_measure process[] = {
    X("state", "STATE", TUI_STATE, 9, WORDS(process_states)),
    X("cpu", "CPU", TUI_SHARE, 6, .warn = 900000),
    M("rss", "RSS", TUI_BYTES, 6),            M("threads", "THREADS", TUI_COUNT, 7),
    M("fds", "FDS", TUI_COUNT, 5),            M("started", "STARTED", TUI_DATE, 10),
    X("loop", "LOOP", TUI_US, 6, .warn = 50000, .alarm = 500000),
    X("beat", "BEAT", TUI_AGE, 6, .warn = 3000000, .alarm = 10000000),
};
// clang-format on

/* One row here for each of the proto's columns. */
#define WHOLE(list, last) _Static_assert(aion_countof(list) == (last) + 1, "columns of " #list)
WHOLE(mesh, AION__V1__OPS_MESH_COLUMN__OPS_MESH_LATENCY_LAST);
WHOLE(route, AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_STATE);
WHOLE(method, AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_LIVE);
WHOLE(tenant, AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_P95_US);
WHOLE(module, AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_RESTARTS);
WHOLE(queue, AION__V1__OPS_QUEUE_COLUMN__OPS_QUEUE_STARTED_MILLI);
WHOLE(host, AION__V1__OPS_HOST_COLUMN__OPS_HOST_WORKERS);
WHOLE(edge, AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_RETRIES_MILLI);
WHOLE(dependency, AION__V1__OPS_DEPENDENCY_COLUMN__OPS_DEPENDENCY_OPERATIONS_MILLI);
WHOLE(certificate, AION__V1__OPS_CERTIFICATE_COLUMN__OPS_CERTIFICATE_EXPIRES_S);
WHOLE(process, AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_BEAT_US);

#define KIND(name, list, trend, state)               \
    {                                                \
        name, list, aion_countof(list), trend, state \
    }

const struct tui_kind_type tui_kinds[TUI_KINDS] = {
    [TUI_NO_KIND] = {"", NULL, 0, -1, -1},
    [TUI_MESH] = KIND("mesh", mesh, -1, -1),
    [TUI_ROUTE] = KIND("route", route, AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_P95_US,
                       AION__V1__OPS_ROUTE_COLUMN__OPS_ROUTE_STATE),
    [TUI_METHOD] = KIND("method", method, AION__V1__OPS_METHOD_COLUMN__OPS_METHOD_P95_US, -1),
    [TUI_TENANT] =
        KIND("tenant", tenant, AION__V1__OPS_TENANT_COLUMN__OPS_TENANT_TASKS_MILLI, -1),
    [TUI_MODULE] = KIND("module", module, AION__V1__OPS_MODULE_COLUMN__OPS_MODULE_P95_US, -1),
    [TUI_QUEUE] = KIND("queue", queue, AION__V1__OPS_QUEUE_COLUMN__OPS_QUEUE_DEPTH, -1),
    [TUI_HOST] = KIND("host", host, AION__V1__OPS_HOST_COLUMN__OPS_HOST_CPU_PPM,
                      AION__V1__OPS_HOST_COLUMN__OPS_HOST_STATE),
    [TUI_EDGE] = KIND("edge", edge, AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_P95_US,
                      AION__V1__OPS_EDGE_COLUMN__OPS_EDGE_STATE),
    [TUI_DEPENDENCY] =
        KIND("dependency", dependency, AION__V1__OPS_DEPENDENCY_COLUMN__OPS_DEPENDENCY_P99_US,
             AION__V1__OPS_DEPENDENCY_COLUMN__OPS_DEPENDENCY_STATE),
    [TUI_CERTIFICATE] = KIND("certificate", certificate, -1, -1),
    [TUI_PROCESS] = KIND("process", process, AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_CPU_PPM,
                         AION__V1__OPS_PROCESS_COLUMN__OPS_PROCESS_STATE),
};

struct tui_word tui_word_of(const struct tui_measure *measure, int64_t value)
{
    if (value >= 0 && (uint64_t)value < measure->word_count)
        return measure->words[value];
    return (struct tui_word){value == TUI_UNKNOWN ? "-" : "?", TUI_DIM};
}

enum tui_role tui_role_of(const struct tui_measure *measure, int64_t value, int64_t at_us)
{
    if (measure->unit == TUI_STATE)
        return tui_word_of(measure, value).role;
    if (measure->unit == TUI_DATE && value >= 0) {
        int64_t left = value - at_us / 1000000;
        if (measure->alarm > 0 && left < measure->alarm)
            return TUI_ALARM;
        return measure->warn > 0 && left < measure->warn ? TUI_WARN : TUI_PLAIN;
    }
    if (measure->alarm > 0 && value >= measure->alarm)
        return TUI_ALARM;
    return measure->warn > 0 && value >= measure->warn ? TUI_WARN : TUI_PLAIN;
}
