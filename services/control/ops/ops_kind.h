/* What rows of telemetry are about, and how each column behaves. Pure.
 *
 * The numbers are those of aion.v1.OpsKind and its column enums: one table says for every
 * column how ten seconds of it become one value, and whether it moves between whole seconds. */
#ifndef OPS_KIND_H
#define OPS_KIND_H

#include "base/str.h"

enum ops_kind {
    OPS_NONE = 0,
    OPS_MESH = 1,
    OPS_ROUTE = 2,
    OPS_METHOD = 3,
    OPS_TENANT = 4,
    OPS_MODULE = 5,
    OPS_QUEUE = 6,
    OPS_HOST = 7,
    OPS_EDGE = 8,
    OPS_DEPENDENCY = 9,
    OPS_CERTIFICATE = 10,
    OPS_PROCESS = 11,
    OPS_KINDS,
};

enum {
    OPS_COLUMNS_MAX = 32,
    OPS_ALL_KINDS = (1 << OPS_KINDS) - 2,
    OPS_KEY_MAX = 200, /* bytes */
    OPS_UNKNOWN = -1,  /* a value that is not known */
};

/* How the values of ten seconds become one. */
enum ops_merge {
    OPS_LAST, /* as it stood at the end */
    OPS_MEAN,
    OPS_SUM,
    OPS_QUANTILE, /* of all that ended in them: from the histogram */
};

struct ops_column {
    enum ops_merge merge;
    bool live;          /* counts what is there now: moves between whole seconds */
    uint16_t per_mille; /* OPS_QUANTILE: which */
};

struct ops_kind_info {
    const char *name; /* "route" */
    const struct ops_column *columns;
    unsigned column_count;
    unsigned entities_max; /* further ones share the entity "other" */
    bool latency;          /* some column is a quantile */
};

/* OPS_NONE and what is beyond has no columns. */
const struct ops_kind_info *ops_kind_info(enum ops_kind kind);

/* Shares and ages are rounded, so that noise costs neither readers nor the disk: to three
 * digits; to a tenth of a second; to 64 KiB. Unknown stays unknown. */
int64_t ops_round_digits(int64_t value);
int64_t ops_round_age(int64_t us);
int64_t ops_round_bytes(int64_t bytes);
/* part of whole in millionths, rounded; whole 0: 0. */
int64_t ops_share_ppm(int64_t part, int64_t whole);

#endif
