#include "ops_kind.h"

#include "aion/v1/ops.pb-c.h"

_Static_assert((int)OPS_PROCESS == (int)AION__V1__OPS_KIND__OPS_KIND_PROCESS &&
                   (int)OPS_QUEUE == (int)AION__V1__OPS_KIND__OPS_KIND_QUEUE &&
                   (int)OPS_EDGE == (int)AION__V1__OPS_KIND__OPS_KIND_EDGE,
               "kinds have the same numbers in memory and on the wire");

#define MEAN               \
    {                      \
        OPS_MEAN, false, 0 \
    }
#define LAST               \
    {                      \
        OPS_LAST, false, 0 \
    }
#define SUM               \
    {                     \
        OPS_SUM, false, 0 \
    }
#define LIVE              \
    {                     \
        OPS_LAST, true, 0 \
    }
#define P50                      \
    {                            \
        OPS_QUANTILE, false, 500 \
    }
#define P95                      \
    {                            \
        OPS_QUANTILE, false, 950 \
    }
#define P99                      \
    {                            \
        OPS_QUANTILE, false, 990 \
    }

// clang-format off
static const struct ops_column mesh[] = {
    MEAN, MEAN, MEAN, MEAN, MEAN, MEAN, MEAN, /* tasks .. error */
    LIVE, LIVE, LIVE,                         /* queued, running, retry_wait */
    P50, P95, P99,
    MEAN,                                     /* cost */
    LIVE, LIVE,                               /* hosts, hosts_ok */
    MEAN, MEAN, MEAN,                         /* cancelled, stale, events */
    LAST,                                     /* reports_dropped */
    SUM, SUM, SUM, SUM, SUM, SUM, SUM, SUM, SUM, SUM, SUM, SUM,
};
static const struct ops_column route[] = {
    MEAN, P50, P95, P99,
    LIVE, LIVE,                               /* queued, running */
    MEAN, MEAN, MEAN, MEAN,                   /* retry, error, cost, share */
    LAST, LAST,                               /* hosts, state */
};
static const struct ops_column method[] = {MEAN, MEAN, P50, P95, P99, LIVE};
static const struct ops_column tenant[] = {MEAN, MEAN, LIVE, LIVE, MEAN, P95};
static const struct ops_column module[] = {
    MEAN, P50, P95, P99, MEAN, LAST, LIVE, LAST,
};
static const struct ops_column queue[] = {LIVE, LIVE, LAST, MEAN};
static const struct ops_column host[] = {
    LIVE, LIVE, LIVE, MEAN,                   /* state, slots, running, tasks */
    MEAN, LAST, LAST, LAST, MEAN, LIVE,       /* cpu, rss, memory, beat, error, workers */
};
static const struct ops_column edge[] = {
    MEAN, MEAN, P50, P95, P99, LAST, LAST, LAST, MEAN,
};
static const struct ops_column dependency[] = {LAST, P99, LAST, MEAN};
static const struct ops_column certificate[] = {LAST};
static const struct ops_column process[] = {
    LAST, MEAN, LAST, LAST, LAST, LAST, LAST, LAST,
};

#define KIND(name_, most, latency_)                                                  \
    {.name = #name_, .columns = name_, .column_count = aion_countof(name_),          \
     .entities_max = most, .latency = latency_}
static const struct ops_kind_info infos[OPS_KINDS] = {
    [OPS_NONE] = {.name = "none"},
    [OPS_MESH] = KIND(mesh, 1, true),
    [OPS_ROUTE] = KIND(route, 1024, true),
    [OPS_METHOD] = KIND(method, 1024, true),
    [OPS_TENANT] = KIND(tenant, 1024, true),
    [OPS_MODULE] = KIND(module, 512, true),
    [OPS_QUEUE] = KIND(queue, 160, false),
    [OPS_HOST] = KIND(host, 1024, false),
    [OPS_EDGE] = KIND(edge, 2048, true),
    [OPS_DEPENDENCY] = KIND(dependency, 64, true),
    [OPS_CERTIFICATE] = KIND(certificate, 1024, false),
    [OPS_PROCESS] = KIND(process, 1024, false),
};
// clang-format on

const struct ops_kind_info *ops_kind_info(enum ops_kind kind)
{
    return (int)kind > OPS_NONE && kind < OPS_KINDS ? &infos[kind] : &infos[OPS_NONE];
}

/* -- rounding ----------------------------------------------------------------------- */
static int64_t round_to(int64_t value, int64_t unit)
{
    return (value + unit / 2) / unit * unit;
}

int64_t ops_round_digits(int64_t value)
{
    int64_t unit = 1;
    while (value / unit >= 1000)
        unit *= 10;
    return value < 0 ? value : round_to(value, unit);
}

int64_t ops_round_age(int64_t us)
{
    return us < 0 ? us : round_to(us, 100000);
}

int64_t ops_round_bytes(int64_t bytes)
{
    return bytes < 0 ? bytes : round_to(bytes, 65536);
}

int64_t ops_share_ppm(int64_t part, int64_t whole)
{
    if (whole <= 0 || part <= 0)
        return 0;
    return part >= whole ? 1000000 : ops_round_digits(part * 1000000 / whole);
}
