/* Outlier ejection of one endpoint: pure, time is a parameter.
 *
 * `failures` consecutive failures eject it for eject_us, doubled for each ejection in a row up
 * to ten times that; after the time it is tried again, and one success forgets the past
 * (Envoy's consecutive_5xx, gRFC A50). */
#ifndef MESH_OUTLIER_H
#define MESH_OUTLIER_H

#include <stdbool.h>
#include <stdint.h>

struct mesh_outlier {
    unsigned consecutive; /* failures in a row */
    unsigned ejections;   /* in a row, for the doubling */
    int64_t until_us;     /* ejected until; 0 = not */
};

struct mesh_outlier_conf {
    unsigned failures;
    int64_t eject_us;
};

/* A call ended. True: the endpoint has just been ejected. `may_eject`: not too many others are
 * out already. */
bool mesh_outlier_record(struct mesh_outlier *outlier, const struct mesh_outlier_conf *conf,
                         bool failed, bool may_eject, int64_t now_us);
bool mesh_outlier_ejected(const struct mesh_outlier *outlier, int64_t now_us);

#endif
