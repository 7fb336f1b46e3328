/* Retries as a share of calls, with a floor: pure, time is a parameter.
 *
 * A bucket in thousandths of a retry: each call adds percent × 10, each second floor × 1000; a
 * retry costs 1000. It never holds more than ten seconds' floor or 100 retries, so that a quiet
 * hour is no licence for a storm. */
#ifndef MESH_RETRY_BUDGET_H
#define MESH_RETRY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct mesh_retry_budget {
    unsigned percent, floor_per_s;
    int64_t tokens; /* thousandths */
    int64_t seen_us;
};

void mesh_retry_budget_init(struct mesh_retry_budget *budget, unsigned percent,
                            unsigned floor_per_s, int64_t now_us);
void mesh_retry_budget_call(struct mesh_retry_budget *budget);
/* Takes one retry; false: the budget is spent. */
bool mesh_retry_budget_take(struct mesh_retry_budget *budget, int64_t now_us);
/* Exponential back-off before attempt `attempt` (2, 3, ...): 25 ms doubled up to 1 s, times
 * 0.5..1.5 by `random`. */
int64_t mesh_retry_backoff_us(unsigned attempt, uint64_t random);

#endif
