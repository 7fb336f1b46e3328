#include "retention_private.h"

static bool read_duration(const Google__Protobuf__Duration *duration, const char *field,
                          int64_t fallback, int64_t *ret_us, struct aion_err *err)
{
    *ret_us = fallback;
    if (duration == NULL)
        return true;
    if (duration->seconds < 0 || duration->seconds > (int64_t)100 * 366 * 86400 ||
        duration->nanos < 0 || duration->nanos > 999999999) {
        aion_err_set(err, __func__, AION_INVALID, "%s is no duration from 0 to 100 years",
                     field);
        aion_err_field(err, "%s", field);
        return false;
    }
    *ret_us = duration->seconds * 1000000 + duration->nanos / 1000;
    return true;
}

bool retention_plan_read(const Aion__V1__RetentionPlan *message,
                         struct retention_plan *ret_plan, struct aion_err *err)
{
    const struct retention_plan *base = &retention_default;
    return read_duration(message->keep_succeeded, "keep_succeeded", base->keep_succeeded,
                         &ret_plan->keep_succeeded, err) &&
           read_duration(message->keep_failed, "keep_failed", base->keep_failed,
                         &ret_plan->keep_failed, err) &&
           read_duration(message->keep_idempotency, "keep_idempotency", base->keep_idempotency,
                         &ret_plan->keep_idempotency, err) &&
           read_duration(message->sweep_every, "sweep_every", base->sweep_every,
                         &ret_plan->sweep_every, err) &&
           retention_plan_check(ret_plan, err);
}

void retention_timestamp(int64_t utc_us, Google__Protobuf__Timestamp *out)
{
    google__protobuf__timestamp__init(out);
    out->seconds = utc_us / 1000000;
    out->nanos = (int32_t)(utc_us % 1000000) * 1000;
}
