#include "mesh/retry_budget.h"

enum { RETRY = 1000, FLOOR_SECONDS = 10, HELD_MAX = 100 };

static int64_t most(const struct mesh_retry_budget *budget)
{
    int64_t floor = (int64_t)budget->floor_per_s * FLOOR_SECONDS;
    return (floor > HELD_MAX ? floor : HELD_MAX) * RETRY;
}

static void add(struct mesh_retry_budget *budget, int64_t tokens)
{
    int64_t max = most(budget);
    budget->tokens = tokens > max - budget->tokens ? max : budget->tokens + tokens;
}

void mesh_retry_budget_init(struct mesh_retry_budget *budget, unsigned percent,
                            unsigned floor_per_s, int64_t now_us)
{
    *budget = (struct mesh_retry_budget){.percent = percent,
                                         .floor_per_s = floor_per_s,
                                         .tokens = (int64_t)floor_per_s * RETRY,
                                         .seen_us = now_us};
}

void mesh_retry_budget_call(struct mesh_retry_budget *budget)
{
    add(budget, (int64_t)budget->percent * RETRY / 100);
}

bool mesh_retry_budget_take(struct mesh_retry_budget *budget, int64_t now_us)
{
    int64_t earned = (now_us - budget->seen_us) * budget->floor_per_s * RETRY / 1000000;
    if (earned > 0) {
        add(budget, earned);
        budget->seen_us = now_us;
    }
    if (budget->tokens < RETRY)
        return false;
    budget->tokens -= RETRY;
    return true;
}

int64_t mesh_retry_backoff_us(unsigned attempt, uint64_t random)
{
    enum { FIRST_US = 25000, MOST_US = 1000000 };
    unsigned doublings = attempt > 2 ? attempt - 2 : 0;
    int64_t base = doublings < 6 ? (int64_t)FIRST_US << doublings : MOST_US;
    if (base > MOST_US)
        base = MOST_US;
    return base / 2 + (int64_t)(random % (uint64_t)base);
}
