#include "sched_pace.h"

#include <stddef.h>

static void insert(struct control_sched_pace *pace, int64_t run_us)
{
    size_t at = pace->count++;
    for (; at > 0 && pace->samples[at - 1] > run_us; at--)
        pace->samples[at] = pace->samples[at - 1];
    pace->samples[at] = run_us;
}

static bool window_over(const struct control_sched_pace *pace, int64_t now_us)
{
    return pace->count == PACE_SAMPLES_MAX ||
           (pace->count >= PACE_SAMPLES_MIN && now_us - pace->begun_us >= PACE_WINDOW_US);
}

/* base * 1.5 + slack over the median, within 1/2 .. 1, in 1/256. */
static uint32_t gradient(int64_t base_us, int64_t median_us)
{
    int64_t good_us = base_us + base_us / 2 + PACE_SLACK_US;
    if (median_us <= good_us)
        return 256;
    int64_t quotient = good_us * 256 / median_us;
    return quotient < 128 ? 128 : (uint32_t)quotient;
}

/* What is added lets the limit rest at one slot under the steepest gradient, and reach all
 * slots again in about ten windows. */
static uint32_t stepped(uint32_t limit_256, uint32_t slots, uint32_t gradient_256)
{
    uint32_t add = limit_256 / 4 > 128 ? limit_256 / 4 : 128;
    uint64_t limit = (uint64_t)limit_256 * gradient_256 / 256 + add;
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
        pace->alone = true;
    }
    pace->alone = pace->alone && limit_256 < 512;
    insert(pace, run_us > 0 ? run_us : 1);
    if (!window_over(pace, now_us))
        return limit_256;
    int64_t median_us = pace->samples[pace->count / 2];
    pace->count = 0;
    if (pace->base_us == 0 || median_us < pace->base_us || pace->alone)
        pace->base_us = median_us;
    return stepped(limit_256, slots, gradient(pace->base_us, median_us));
}
