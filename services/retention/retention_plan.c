#include "retention_plan.h"

#define SECOND ((int64_t)1000000)
#define MINUTE (60 * SECOND)
#define DAY    (1440 * MINUTE)

const struct retention_plan retention_default = {7 * DAY, 30 * DAY, DAY, 10 * MINUTE};

static bool check(const char *field, int64_t value, int64_t min, int64_t max,
                  struct aion_err *err)
{
    if (value >= min && value <= max)
        return true;
    aion_err_set(err, __func__, AION_INVALID, "%s is %llds; it must be %llds..%llds", field,
                 (long long)(value / SECOND), (long long)(min / SECOND),
                 (long long)(max / SECOND));
    aion_err_field(err, "%s", field);
    return false;
}

bool retention_plan_check(const struct retention_plan *plan, struct aion_err *err)
{
    return check("keep_succeeded", plan->keep_succeeded, MINUTE, 3650 * DAY, err) &&
           check("keep_failed", plan->keep_failed, MINUTE, 3650 * DAY, err) &&
           check("keep_idempotency", plan->keep_idempotency, DAY, 3650 * DAY, err) &&
           check("sweep_every", plan->sweep_every, 10 * SECOND, 7 * DAY, err);
}

struct retention_cutoffs retention_cutoffs(const struct retention_plan *plan,
                                           int64_t now_utc_us)
{
    return (struct retention_cutoffs){now_utc_us - plan->keep_succeeded,
                                      now_utc_us - plan->keep_failed,
                                      now_utc_us - plan->keep_idempotency};
}

int64_t retention_due(int64_t due_us, int64_t replanned, int64_t now_us)
{
    return replanned > 0 && due_us > now_us + replanned ? now_us + replanned : due_us;
}
