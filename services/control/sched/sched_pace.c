#include "sched_pace.h"

enum {
    ONE = 256,       /* of a logarithm, and of a quotient */
    TOLERANCE = 150, /* log2(1.5) */
    ERRORS = 4,      /* standard errors that a mean may be off, and the base as well */
};

/* Straight between powers of two: off by 6 % at most. */
static int32_t log_of(int64_t value)
{
    int32_t power = 0;
    for (int64_t rest = value; rest > 1; rest >>= 1)
        power++;
    return power * ONE + (int32_t)(((value << 8) >> power) - ONE);
}

static int64_t power_of(int32_t log)
{
    return ((int64_t)(ONE + log % ONE) << (log / ONE)) >> 8;
}

static int64_t root_of(int64_t square)
{
    int64_t root = 0;
    for (int64_t bit = (int64_t)1 << 30; bit > 0; bit >>= 1)
        if ((root + bit) * (root + bit) <= square)
            root += bit;
    return root;
}

static void add(struct control_sched_pace *pace, int64_t run_us)
{
    int64_t log = log_of(run_us > 2 ? run_us : 2);
    pace->count++;
    pace->log_sum += log;
    pace->square_sum += log * log;
}

static bool window_over(const struct control_sched_pace *pace, int64_t now_us)
{
    return pace->count == PACE_SAMPLES_MAX ||
           (pace->count >= PACE_SAMPLES_MIN && now_us - pace->begun_us >= PACE_WINDOW_US);
}

/* The standard error of the window's mean: deviation over the root of the count. */
static int32_t error_of(const struct control_sched_pace *pace, int64_t mean)
{
    int64_t variance = pace->square_sum / pace->count - mean * mean;
    return variance > 0 ? (int32_t)root_of(variance / pace->count) : 0;
}

/* What it may take over what it takes, within 1/2 .. 1, in 1/256. */
static uint32_t gradient(int32_t base_log, int32_t mean_log, int32_t error_log)
{
    int64_t good_us = power_of(base_log + TOLERANCE + ERRORS * error_log) + PACE_SLACK_US;
    int64_t mean_us = power_of(mean_log);
    if (mean_us <= good_us)
        return ONE;
    int64_t quotient = good_us * ONE / mean_us;
    return quotient < ONE / 2 ? ONE / 2 : (uint32_t)quotient;
}

/* What is added lets the limit rest at one slot under the steepest gradient, and reach all
 * slots again in about ten windows. */
static uint32_t stepped(uint32_t limit_256, uint32_t slots, uint32_t gradient_256)
{
    uint32_t add_256 = limit_256 / 4 > 128 ? limit_256 / 4 : 128;
    uint64_t limit = (uint64_t)limit_256 * gradient_256 / ONE + add_256;
    uint64_t most = (uint64_t)slots * 256;
    if (limit > most)
        limit = most;
    return limit < 256 ? 256 : (uint32_t)limit;
}

uint32_t control_sched_pace(struct control_sched_pace *pace, uint32_t limit_256, uint32_t slots,
                            int64_t now_us, int64_t run_us)
{
    if (pace->count == 0) {
        pace->begun_us = now_us;
        pace->log_sum = pace->square_sum = 0;
        pace->alone = true;
    }
    pace->alone = pace->alone && limit_256 < 512;
    add(pace, run_us);
    if (!window_over(pace, now_us))
        return limit_256;
    int32_t mean = (int32_t)(pace->log_sum / pace->count), error = error_of(pace, mean);
    pace->count = 0;
    if (pace->base_log == 0 || mean < pace->base_log || pace->alone)
        pace->base_log = mean;
    return stepped(limit_256, slots, gradient(pace->base_log, mean, error));
}
