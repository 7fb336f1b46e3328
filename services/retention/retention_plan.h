/* What is deleted when: pure, time is a parameter. */
#ifndef RETENTION_PLAN_H
#define RETENTION_PLAN_H

#include "base/err.h"

/* All in microseconds. */
struct retention_plan {
    int64_t keep_succeeded, keep_failed, keep_idempotency, sweep_every;
};

extern const struct retention_plan retention_default; /* 7 d, 30 d, 24 h, 10 min */

/* INVALID names the field (as in retention.proto), the value and the bounds. */
bool retention_plan_check(const struct retention_plan *plan,
                          struct aion_err *err) AION_MUST_CHECK;

/* Tasks that ended before these are due, UTC microseconds. */
struct retention_cutoffs {
    int64_t succeeded, failed, keys;
};
struct retention_cutoffs retention_cutoffs(const struct retention_plan *plan,
                                           int64_t now_utc_us);

/* When the next sweep is due after a plan with another sweep_every came (0: none came): a
 * sooner one does not wait for the old one's time. */
int64_t retention_due(int64_t due_us, int64_t replanned, int64_t now_us);

#endif
