#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void sim_init(struct sim *sim, uint64_t seed, bool trace)
{
    *sim = (struct sim){.seed = seed, .trace = trace, .now_us = 1000000};
    aion_rand_seed(&sim->rand, seed);
    aion_heap_init(&sim->events);
}

void sim_done(struct sim *sim)
{
    aion_heap_done(&sim->events);
}

void sim_set(struct sim *sim, struct sim_event *event, int64_t delay_us)
{
    aion_heap_set(&sim->events, &event->node, sim->now_us + (delay_us > 0 ? delay_us : 0));
}

void sim_cancel(struct sim *sim, struct sim_event *event)
{
    aion_heap_remove(&sim->events, &event->node);
}

bool sim_step(struct sim *sim, int64_t until_us)
{
    struct aion_heap_node *node = aion_heap_first(&sim->events);
    if (node == NULL || node->key > until_us) {
        sim->now_us = until_us > sim->now_us ? until_us : sim->now_us;
        return false;
    }
    struct sim_event *event = aion_container(node, struct sim_event, node);
    aion_heap_remove(&sim->events, node);
    sim->now_us = node->key;
    sim->steps++;
    event->fire(event);
    return true;
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    return aion_rand_below(&sim->rand, bound);
}

int64_t sim_between(struct sim *sim, int64_t least, int64_t most)
{
    return least + (int64_t)sim_below(sim, (uint64_t)(most - least) + 1);
}

bool sim_chance(struct sim *sim, unsigned percent)
{
    return sim_below(sim, 100) < percent;
}

int64_t sim_around(struct sim *sim, int64_t mean)
{
    return mean / 2 + (int64_t)sim_below(sim, (uint64_t)mean + 1);
}

void sim_failed(const struct sim *sim, const char *file, int line, const char *condition,
                const char *fmt, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "%s:%d: seed %llu, at %lld us: %s: ", file, line,
            (unsigned long long)sim->seed, (long long)sim->now_us, condition);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    _Exit(1);
}

void sim_tell(const struct sim *sim, const char *fmt, ...)
{
    va_list args;
    if (!sim->trace)
        return;
    printf("%10.6f ", (double)sim->now_us / 1e6);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}
