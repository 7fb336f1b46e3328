/* Retention at work: the plan it got from control, the sweeps it makes. All on the I/O thread
 * but the plan's calls. */
#ifndef RETENTION_PRIVATE_H
#define RETENTION_PRIVATE_H

#include "aion/v1/retention.mesh.h"
#include "aion/v1/state.mesh.h"
#include "program/program.h"
#include "retention_plan.h"

#include <stdatomic.h>

struct retention_conf {
    const char *control;
    int64_t batch;
};

extern const struct aion_opt retention_options[];
extern const size_t retention_option_count;

struct retention_sweep; /* one under way; retention_sweep.c */

struct retention {
    struct program *program;
    const struct retention_conf *conf;
    struct mesh_channel *control;
    struct mesh_timer sweep_timer;
    int64_t due_us;            /* the next sweep by the timer */
    _Atomic int64_t replanned; /* a new plan's sweep_every, from a worker; 0 = none came */
    struct retention_sweep *scheduled; /* the timer's own sweep, NULL = none runs */
};

void retention_bind(struct retention *retention);

/* -- retention_wire.c ----------------------------------------------------- */
/* Absent durations are the default's. INVALID names the field. */
bool retention_plan_read(const Aion__V1__RetentionPlan *message,
                         struct retention_plan *ret_plan, struct aion_err *err);
void retention_timestamp(int64_t utc_us, Google__Protobuf__Timestamp *out);

/* -- retention_sweep.c ---------------------------------------------------- */
/* Sets the timer for the next scheduled sweep; the first one at once after the start. */
void retention_schedule(struct retention *retention, int64_t in_us);

#endif
