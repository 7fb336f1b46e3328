/* How many tasks a host keeps up with: the gradient of its run times. Pure.
 *
 * A lane's shortest median run time on the host is what the work takes when nothing is in its
 * way. When the median of a short window is well above it, the host's limit shrinks by the
 * quotient of both; else it grows. What a whole window took while the host had one slot only is
 * the new base: then the work has become longer, not the host slower. So a host that is slow
 * because it has too much to do gets less, and one that has other work to do than before gets
 * its slots back within a few windows. */
#ifndef CONTROL_SCHED_PACE_H
#define CONTROL_SCHED_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_SAMPLES_MAX = 31,
    PACE_SAMPLES_MIN = 8,
    PACE_WINDOW_US = 1000000, /* a window ends then, if it has the least of samples */
    PACE_SLACK_US = 20000,    /* below this a difference says nothing about the host */
};

struct control_sched_pace {
    int64_t base_us; /* 0 = unknown */
    int64_t begun_us;
    uint32_t count;
    bool alone;                        /* one slot, for the whole window */
    int64_t samples[PACE_SAMPLES_MAX]; /* in ascending order */
};

/* One task took run_us. The host's new limit in 1/256 slots, 256 .. slots * 256. */
uint32_t control_sched_pace(struct control_sched_pace *pace, uint32_t limit_256, uint32_t slots,
                            int64_t now_us, int64_t run_us);

#endif
