/* What programs report, folded into the table. Pure; I/O thread.
 *
 * A program's instance contributes to entities; a row is the sum of what its instances said
 * last, so that reports which come a little early or late neither double nor miss a second.
 * An instance that was silent for OPS_SILENCE_US is lost: what it contributed goes, its
 * process's row says LOST, and for how long, until OPS_IDLE_US. */
#ifndef OPS_REPORT_H
#define OPS_REPORT_H

#include "aion/v1/ops.pb-c.h"
#include "base/err.h"
#include "ops_fold.h"

enum {
    OPS_INSTANCES_MAX = 2048,
    OPS_SAMPLES_MAX = 4096, /* of one report, and entities of one instance */
    OPS_SILENCE_US = 3000000,
};

struct ops_reports {
    struct ops_fold *fold;
    struct aion_link instances;
    struct aion_map by_key; /* "component/instance" */
    size_t count;
};

void ops_reports_init(struct ops_reports *reports, struct ops_fold *fold);
void ops_reports_done(struct ops_reports *reports);
/* INVALID: a name or key; EXHAUSTED: too many instances or samples. Nothing is taken then. */
bool ops_report_check(const struct ops_reports *reports, const Aion__V1__OpsReport *report,
                      struct aion_err *err) AION_MUST_CHECK;
/* A report that was checked, heard at now_us (monotonic). */
void ops_report_take(struct ops_reports *reports, const Aion__V1__OpsReport *report,
                     int64_t now_us);
/* Sets the cells of the second that ends now. Before ops_fold_close. */
void ops_reports_close(struct ops_reports *reports, int64_t now_us);

#endif
