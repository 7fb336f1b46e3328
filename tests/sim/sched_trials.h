/* What a seed's world is made of, and what is measured there. */
#ifndef SIM_SCHED_TRIALS_H
#define SIM_SCHED_TRIALS_H

#include "sim.h"

void trial_run(uint64_t seed, bool trace);

#endif
