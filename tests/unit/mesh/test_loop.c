/* Goal: timers fire in order, jobs of all threads run once and in their order, offloaded work
 * comes back. Method: a loop without servers; this file is what the thread sanitizer looks at
 * first. */
#include "base/clock.h"
#include "mesh/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct mesh_loop *loop;

static int start(void **state)
{
    struct mesh_loop_conf conf = {.workers = 3, .work_max = 100};
    struct aion_err err;
    (void)state;
    loop = mesh_loop_new(&conf, &err);
    return loop != NULL ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    mesh_loop_free(loop);
    return 0;
}

/* -- timers --------------------------------------------------------------- */

struct test_timer {
    struct mesh_timer timer;
    int number;
};
static int fired[16], fired_count;

static void note_fired(struct mesh_timer *timer)
{
    fired[fired_count++] = aion_container(timer, struct test_timer, timer)->number;
    if (fired_count == 3)
        mesh_loop_stop(loop);
}

static void timers_fire_in_the_order_of_their_time(void **state)
{
    struct test_timer timers[4];
    int64_t now = mesh_loop_now(loop);
    static const int64_t after_us[] = {3000, 1000, 2000, 1500};
    (void)state;
    fired_count = 0;
    for (int i = 0; i < 4; i++) {
        timers[i] = (struct test_timer){.timer = {.fire = note_fired}, .number = i};
        mesh_timer_set(loop, &timers[i].timer, now + after_us[i]);
    }
    mesh_timer_cancel(loop, &timers[3].timer);
    mesh_timer_cancel(loop, &timers[3].timer); /* unset: nothing */
    mesh_loop_run(loop);
    assert_int_equal(fired[0], 1);
    assert_int_equal(fired[1], 2);
    assert_int_equal(fired[2], 0);
    assert_true(mesh_loop_now(loop) >= now + 3000);
}

static void set_again(struct mesh_timer *timer)
{
    if (++fired_count < 5)
        mesh_timer_set(loop, timer, mesh_loop_now(loop) + 100);
    else
        mesh_loop_stop(loop);
}

static void a_timer_may_set_itself_again(void **state)
{
    struct mesh_timer timer = {.fire = set_again};
    (void)state;
    fired_count = 0;
    mesh_timer_set(loop, &timer, 0);
    mesh_loop_run(loop);
    assert_int_equal(fired_count, 5);
}

/* -- jobs ----------------------------------------------------------------- */

enum { POSTERS = 4, JOBS = 5000 };

struct test_job {
    struct aion_job job;
    int poster, number;
};
static struct test_job jobs[POSTERS][JOBS];
static int next_of[POSTERS], ran;

static void run_job(struct aion_job *job)
{
    struct test_job *mine = aion_container(job, struct test_job, job);
    assert_true(mesh_loop_here(loop));
    assert_int_equal(mine->number, next_of[mine->poster]++); /* each thread's in its order */
    if (++ran == POSTERS * JOBS)
        mesh_loop_stop(loop);
}

static void *post_all(void *argument)
{
    struct test_job *mine = argument;
    for (int i = 0; i < JOBS; i++)
        aion_exec_post(mesh_loop_exec(loop), &mine[i].job);
    return NULL;
}

static void jobs_of_many_threads_run_once_and_in_order(void **state)
{
    pthread_t threads[POSTERS];
    (void)state;
    for (int p = 0; p < POSTERS; p++)
        for (int i = 0; i < JOBS; i++)
            jobs[p][i] = (struct test_job){{.run = run_job}, p, i};
    for (int p = 0; p < POSTERS; p++)
        assert_int_equal(pthread_create(&threads[p], NULL, post_all, jobs[p]), 0);
    mesh_loop_run(loop);
    for (int p = 0; p < POSTERS; p++)
        pthread_join(threads[p], NULL);
    assert_int_equal(ran, POSTERS * JOBS);
}

static void count_job(struct aion_job *job)
{
    (void)job;
    ran++;
}

static void jobs_posted_before_the_stop_run_before_run_returns(void **state)
{
    struct aion_job job = {.run = count_job};
    (void)state;
    ran = 0;
    mesh_loop_stop(loop);
    aion_exec_post(mesh_loop_exec(loop), &job);
    mesh_loop_run(loop);
    assert_int_equal(ran, 1);
}

/* -- work that may block -------------------------------------------------- */

enum { WORKS = 60 };

struct test_work {
    struct mesh_work work;
    int in, out;
};
static int came_back;

static void square(struct mesh_work *work)
{
    struct test_work *mine = aion_container(work, struct test_work, work);
    assert_false(mesh_loop_here(loop));
    mine->out = mine->in * mine->in;
}

static void work_back(struct mesh_work *work)
{
    struct test_work *mine = aion_container(work, struct test_work, work);
    assert_true(mesh_loop_here(loop));
    assert_int_equal(mine->out, mine->in * mine->in);
    if (++came_back == WORKS)
        mesh_loop_stop(loop);
}

static void offloaded_work_comes_back_on_the_loop(void **state)
{
    static struct test_work works[WORKS];
    (void)state;
    came_back = 0;
    for (int i = 0; i < WORKS; i++) {
        works[i] = (struct test_work){.work = {.work = square, .done = work_back}, .in = i};
        assert_true(mesh_offload(loop, &works[i].work));
    }
    mesh_loop_run(loop);
    assert_int_equal(came_back, WORKS);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(struct mesh_work *work)
{
    (void)work;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void gate_back(struct mesh_work *work)
{
    (void)work;
    if (--came_back == 0)
        mesh_loop_stop(loop);
}

static void work_beyond_the_bound_is_refused(void **state)
{
    static struct mesh_work works[200];
    int taken = 0;
    (void)state;
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 200; i++) {
        works[i] = (struct mesh_work){.work = wait_at_gate, .done = gate_back};
        taken += mesh_offload(loop, &works[i]);
    }
    assert_in_range(taken, 100, 103); /* 100 wait, up to 3 are at the gate */
    came_back = taken;
    pthread_mutex_unlock(&gate);
    mesh_loop_run(loop);
    assert_int_equal(came_back, 0);
}

/* -- the watchdog --------------------------------------------------------- */

static void burn(struct mesh_timer *timer)
{
    int64_t until = aion_clock_thread_cpu_ns() + 5000000;
    (void)timer;
    while (aion_clock_thread_cpu_ns() < until)
        ;
    mesh_loop_stop(loop);
}

static void the_watchdog_sees_a_long_handler(void **state)
{
    struct mesh_timer timer = {.fire = burn};
    (void)state;
    mesh_timer_set(loop, &timer, 0);
    mesh_loop_run(loop);
    assert_in_range(mesh_loop_longest_ns(loop), 4000000, 5000000000);
    assert_int_equal(mesh_loop_longest_ns(loop), 0); /* since the last look */
}

#define test_of(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(timers_fire_in_the_order_of_their_time),
        test_of(a_timer_may_set_itself_again),
        test_of(jobs_of_many_threads_run_once_and_in_order),
        test_of(jobs_posted_before_the_stop_run_before_run_returns),
        test_of(offloaded_work_comes_back_on_the_loop),
        test_of(work_beyond_the_bound_is_refused),
        test_of(the_watchdog_sees_a_long_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
