/* When batches leave. Method: arrivals in virtual time against a database whose commit takes
 * a fixed time; counted is how many operations share a commit, and how long they wait. */
#include "store/postgres/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COMMIT_US = 400, STEP_US = 10 };

struct sim {
    struct pg_gather gather;
    size_t waiting, batches, done;
    int64_t busy_until_us, first_us, longest_us;
    size_t batch;
};

/* One step of time; returns how many operations were committed in it. */
static size_t step(struct sim *sim, size_t arrivals, int64_t now_us)
{
    size_t ended = 0;
    if (sim->batch > 0 && now_us >= sim->busy_until_us) {
        pg_gather_committed(&sim->gather, sim->batch, COMMIT_US, now_us);
        ended = sim->batch;
        sim->batch = 0;
    }
    if (sim->waiting == 0 && arrivals > 0)
        sim->first_us = now_us;
    sim->waiting += arrivals;
    if (sim->batch == 0 && sim->waiting > 0 &&
        pg_gather_due_us(&sim->gather, sim->waiting, now_us) <= now_us) {
        pg_gather_left(&sim->gather, sim->waiting);
        sim->batch = sim->waiting;
        sim->done += sim->waiting;
        sim->batches++;
        sim->waiting = 0;
        sim->busy_until_us = now_us + COMMIT_US;
        int64_t waited_us = now_us - sim->first_us;
        sim->longest_us = waited_us > sim->longest_us ? waited_us : sim->longest_us;
    }
    return ended;
}

static struct sim in_a_closed_loop(size_t clients)
{
    struct sim sim = {.waiting = 0};
    size_t arrivals = clients;
    for (int64_t now_us = 1000; now_us < 2000000; now_us += STEP_US)
        arrivals = step(&sim, arrivals, now_us);
    return sim;
}

static struct sim at_a_rate(int64_t every_us)
{
    struct sim sim = {.waiting = 0};
    for (int64_t now_us = 1000; now_us < 2000000; now_us += STEP_US)
        step(&sim, now_us % every_us == 0, now_us);
    return sim;
}

/* Each try costs the one client 2 ms: one in 32 batches. */
static void whoever_is_alone_hardly_waits(void **state)
{
    (void)state;
    struct sim sim = in_a_closed_loop(1);
    assert_true(sim.batches > 2000000 / COMMIT_US * 8 / 10);
}

static void clients_side_by_side_share_a_commit(void **state)
{
    (void)state;
    struct sim sim = in_a_closed_loop(20);
    assert_in_range(sim.done / sim.batches, 19, 20);
    assert_true(sim.batches > 2000000 / (2 * COMMIT_US) * 8 / 10);
}

static void a_steady_row_of_operations_shares_commits(void **state)
{
    (void)state;
    struct sim sim = at_a_rate(1000);
    assert_true(sim.done / sim.batches >= 2);
    assert_in_range(sim.longest_us, 1000, 2500);
}

static void what_comes_rarely_leaves_at_once(void **state)
{
    (void)state;
    struct sim sim = at_a_rate(10000);
    assert_int_equal(sim.done, sim.batches);
    assert_true(sim.gather.gain < 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_alone_hardly_waits),
        cmocka_unit_test(clients_side_by_side_share_a_commit),
        cmocka_unit_test(a_steady_row_of_operations_shares_commits),
        cmocka_unit_test(what_comes_rarely_leaves_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
