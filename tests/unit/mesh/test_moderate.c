/* Goal: waiting before a look is kept up where the callers do not lose by it, and given up
 * where they do. Method: a server and its callers as a small simulation in virtual time, around
 * the real decision. */
#include "mesh/moderate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { LOOK_US = 10, CALL_US = 8, SLEEP_LATE_US = 50, CALLS_MAX = 256, SECOND = 1000000 };

/* So many calls at once on one connection. Their side handles an answer, and makes the next
 * call, one after the other. */
struct callers {
    int calls;
    int64_t each_us;
    int64_t free_us;           /* when they are done with the answers that they have */
    int64_t arrive[CALLS_MAX]; /* at the server, in order: a ring */
    unsigned first, count;
};

struct outcome {
    int64_t answered; /* calls */
    int64_t looks, waited;
};

static struct mesh_moderation moderation;
static int64_t now_us;

static void call_again(struct callers *callers, int64_t answered_us)
{
    if (callers->free_us < answered_us)
        callers->free_us = answered_us;
    callers->free_us += callers->each_us;
    callers->arrive[(callers->first + callers->count++) % CALLS_MAX] = callers->free_us;
}

static unsigned take_arrived(struct callers *callers)
{
    unsigned taken = 0;
    while (callers->count > 0 && callers->arrive[callers->first] <= now_us) {
        callers->first = (callers->first + 1) % CALLS_MAX;
        callers->count--;
        taken++;
    }
    return taken;
}

static void look(struct callers *callers, bool moderated, struct outcome *outcome)
{
    if (now_us < callers->arrive[callers->first])
        now_us = callers->arrive[callers->first];
    unsigned row = take_arrived(callers);
    now_us += LOOK_US + (int64_t)row * CALL_US;
    for (unsigned i = 0; i < row; i++)
        call_again(callers, now_us);
    outcome->answered += row;
    outcome->looks++;
    if (!moderated)
        return;
    int64_t wait_us = mesh_moderate(&moderation, now_us, 2 * row); /* begun and sent */
    outcome->waited += wait_us > 0;
    now_us += wait_us > 0 ? wait_us + SLEEP_LATE_US : 0;
}

static struct outcome run(int calls, int64_t each_us, bool moderated)
{
    struct callers callers = {.calls = calls, .each_us = each_us, .free_us = now_us};
    struct outcome outcome = {0};
    int64_t until_us = now_us + 20 * (int64_t)SECOND;
    for (int i = 0; i < calls; i++)
        call_again(&callers, now_us);
    while (now_us < until_us)
        look(&callers, moderated, &outcome);
    return outcome;
}

static int anew(void **state)
{
    (void)state;
    moderation = (struct mesh_moderation){0};
    now_us = SECOND;
    return 0;
}

static void many_calls_at_once_are_taken_in_longer_rows(void **state)
{
    (void)state;
    struct outcome without = run(128, 14, false), with = run(128, 14, true);
    assert_true(with.answered > without.answered * 98 / 100);
    assert_true(with.waited > with.looks / 2); /* the others are those of measuring */
    assert_true(with.looks < without.looks / 4);
}

static void callers_who_wait_for_answers_are_not_slowed(void **state)
{
    (void)state;
    struct outcome without = run(16, 14, false), with = run(16, 14, true);
    assert_true(with.answered > without.answered * 98 / 100);
    assert_true(with.waited > 0); /* it was tried */
    assert_true(with.waited < with.looks / 50);
}

static void a_server_with_all_its_hands_full_does_not_wait(void **state)
{
    (void)state;
    struct outcome without = run(128, 1, false), with = run(128, 1, true);
    assert_true(with.answered > without.answered * 98 / 100);
    assert_true(with.waited < with.looks / 50);
}

static void few_calls_are_never_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run(128, 100, true).waited, 0);
    assert_int_equal(run(1, 60, true).waited, 0);
}

static void after_the_rush_nothing_is_waited_for(void **state)
{
    (void)state;
    run(128, 14, true);
    for (int i = 0; i < 100; i++) { /* a call a ms */
        now_us += 1000;
        int64_t wait_us = mesh_moderate(&moderation, now_us, 2);
        assert_true(i < 3 * MESH_MODERATE_EPOCH_US / 1000 || wait_us == 0);
    }
    assert_true(run(128, 14, true).waited > 0); /* and the next rush is helped again */
}

static void other_callers_after_a_pause_are_tried_at_once(void **state)
{
    (void)state;
    run(16, 14, true);
    now_us += SECOND;
    mesh_moderate(&moderation, now_us, 0);
    struct outcome with = run(128, 14, true);
    assert_true(with.waited > with.looks / 2);
}

/* Completions a ms through so many epochs. */
static int64_t at_rate(unsigned rate, int epochs)
{
    int64_t wait_us = 0;
    for (int i = 0; i < epochs * (MESH_MODERATE_EPOCH_US / 1000); i++) {
        now_us += 1000;
        wait_us = mesh_moderate(&moderation, now_us, rate);
    }
    return wait_us;
}

static void a_machine_that_gets_slower_does_not_end_it(void **state)
{
    (void)state;
    mesh_moderate(&moderation, now_us, 0); /* the first epoch begins */
    assert_int_equal(at_rate(100, 10), MESH_MODERATE_WAIT_US);
    assert_int_equal(at_rate(70, 1), 0); /* measured at once whether it is the waiting */
    assert_int_equal(at_rate(70, 1), MESH_MODERATE_WAIT_US);
    assert_int_equal(at_rate(70, 10), MESH_MODERATE_WAIT_US);
    assert_int_equal(at_rate(100, 10), MESH_MODERATE_WAIT_US);
}

/* Between a slow epoch and the next one without waiting hardly anybody called: the two are not
 * beside each other, and the later one says nothing of the first. */
static void epochs_with_a_lull_between_them_are_not_compared(void **state)
{
    (void)state;
    mesh_moderate(&moderation, now_us, 0); /* the first epoch begins */
    assert_int_equal(at_rate(100, 2), MESH_MODERATE_WAIT_US);
    for (int i = 0; i < 3 * MESH_MODERATE_STRIKES; i++) {
        assert_int_equal(at_rate(70, 1), 0);
        assert_int_equal(at_rate(MESH_MODERATE_RATE_MIN / 2, 2), 0);
        assert_int_equal(at_rate(100, 1), MESH_MODERATE_WAIT_US);
    }
}

#define test_of(test) cmocka_unit_test_setup(test, anew)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(many_calls_at_once_are_taken_in_longer_rows),
        test_of(callers_who_wait_for_answers_are_not_slowed),
        test_of(a_server_with_all_its_hands_full_does_not_wait),
        test_of(few_calls_are_never_waited_for),
        test_of(after_the_rush_nothing_is_waited_for),
        test_of(other_callers_after_a_pause_are_tried_at_once),
        test_of(a_machine_that_gets_slower_does_not_end_it),
        test_of(epochs_with_a_lull_between_them_are_not_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
