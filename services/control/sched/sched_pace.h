/* How many tasks a host keeps up with: the gradient of its run times. Pure.
 *
 * The least mean of a window of a lane's run times on the host is what the work takes when
 * nothing is in its way. When a window's mean is well above it, the host's limit shrinks by the
 * quotient of both; else it grows. Means are of logarithms, and what counts as well above
 * follows from how much the run times of the window differ among each other, so that a mixture
 * of long and short work, or a lucky window, is not taken for a host that is slow.
 *
 * What a whole window took while the host had one slot only is the new base: then the work has
 * become longer. So a host that is slow because it has too much to do gets less, and one that
 * has other work to do than before has its slots back within a few windows. */
#ifndef CONTROL_SCHED_PACE_H
#define CONTROL_SCHED_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_SAMPLES_MAX = 31, /* of a window */
    PACE_SAMPLES_MIN = 8,
    PACE_WINDOW_US = 1000000, /* a window ends then, if it has the least of samples */
    PACE_SLACK_US = 20000,    /* below this a difference says nothing about the host */
};

/* Logarithms are to the base 2, in 1/256. */
struct control_sched_pace {
    int64_t begun_us;
    int32_t base_log; /* 0 = unknown */
    uint32_t count;
    int64_t log_sum, square_sum;
    bool alone; /* one slot, for the whole window */
};

/* One task took run_us. The host's new limit in 1/256 slots, 256 .. slots * 256. */
uint32_t control_sched_pace(struct control_sched_pace *pace, uint32_t limit_256, uint32_t slots,
                            int64_t now_us, int64_t run_us);

#endif
