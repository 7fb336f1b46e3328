/* The scheduler in simulated worlds. Each seed is one world; its number modulo eight says what
 * is proven there (sched_trials.c). Invariants are judged at every step of all of them
 * (sched_judge.c). */
#include "sched_trials.h"

int main(int argc, char **argv)
{
    return sim_main(argc, argv, "tests/sim/sched_seeds.txt", 1000, trial_run);
}
