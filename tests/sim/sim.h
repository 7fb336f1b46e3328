/* A world with a clock, chance and events of its own: what happens in it follows from the seed
 * alone. Whoever is simulated takes time and randomness as parameters; an event has the shape
 * of the mesh's timer. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/compiler.h"
#include "base/heap.h"
#include "base/rand.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_event {
    struct aion_heap_node node; /* by time */
    void (*fire)(struct sim_event *event);
};

struct sim {
    uint64_t seed;
    int64_t now_us;
    struct aion_rand rand;
    struct aion_heap events;
    uint64_t steps;
    bool trace;
};

void sim_init(struct sim *sim, uint64_t seed, bool trace);
void sim_done(struct sim *sim);
/* Once, after delay_us (< 0 counts as 0); moves an event that is set already. */
void sim_set(struct sim *sim, struct sim_event *event, int64_t delay_us);
void sim_cancel(struct sim *sim, struct sim_event *event); /* one that is not set: nothing */
/* Fires the next event; the clock steps to it. False: there is none before until_us, where the
 * clock then stands. */
bool sim_step(struct sim *sim, int64_t until_us);

/* -- chance ------------------------------------------------------------------------- */
uint64_t sim_below(struct sim *sim, uint64_t bound);               /* 0 .. bound - 1 */
int64_t sim_between(struct sim *sim, int64_t least, int64_t most); /* both included */
bool sim_chance(struct sim *sim, unsigned percent);
int64_t sim_around(struct sim *sim, int64_t mean); /* half to one and a half of it */

/* -- telling ------------------------------------------------------------------------ */
/* Ends the process with the message, the seed and the command that shows it again. */
#define sim_check(sim, condition, ...)                                      \
    do {                                                                    \
        if (!(condition))                                                   \
            sim_failed((sim), __FILE__, __LINE__, #condition, __VA_ARGS__); \
    } while (0)
void sim_failed(const struct sim *sim, const char *file, int line, const char *condition,
                const char *fmt, ...) AION_PRINTF(5, 6) AION_NORETURN;
/* With --trace: a line with the time. */
void sim_tell(const struct sim *sim, const char *fmt, ...) AION_PRINTF(2, 3);

/* -- many seeds (sim_seeds.c) ------------------------------------------------------- */
/* The main of a simulation: runs the seeds kept in a file, then `count` others (ten times as
 * many with AION_TEST_LONG=1), each in a process that may die; or one, with --seed N [--trace].
 */
int sim_main(int argc, char **argv, const char *kept_file, unsigned count,
             void (*run)(uint64_t seed, bool trace));

#endif
