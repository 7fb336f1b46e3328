/* Every pair of state and event, against the diagram of design.md said in words. */
#include "task_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct rule {
    enum control_state from;
    enum control_event event;
    enum control_state to;
};

static const struct rule rules[] = {
    {TASK_ACCEPTED, TASK_ROUTE, TASK_QUEUED},
    {TASK_QUEUED, TASK_START, TASK_RUNNING},
    {TASK_RUNNING, TASK_SUCCEED, TASK_SUCCEEDED},
    {TASK_RUNNING, TASK_FAIL, TASK_FAILED},
    {TASK_RUNNING, TASK_DIE, TASK_DEAD},
    {TASK_RUNNING, TASK_RETRY, TASK_RETRY_WAIT},
    {TASK_RUNNING, TASK_DOUBT, TASK_IN_DOUBT},
    {TASK_RETRY_WAIT, TASK_DUE, TASK_QUEUED},
    {TASK_IN_DOUBT, TASK_REQUEUE, TASK_QUEUED},
    {TASK_IN_DOUBT, TASK_SUCCEED, TASK_SUCCEEDED},
    {TASK_IN_DOUBT, TASK_FAIL, TASK_FAILED},
    {TASK_IN_DOUBT, TASK_DIE, TASK_DEAD},
    {TASK_ACCEPTED, TASK_FAIL, TASK_FAILED}, /* the router refuses a task that was taken
                                                undecided */
    {TASK_ACCEPTED, TASK_HOLD, TASK_HELD},
    {TASK_QUEUED, TASK_HOLD, TASK_HELD},
    {TASK_HELD, TASK_RELEASE, TASK_QUEUED},
    {TASK_HELD, TASK_RELEASE_UNROUTED, TASK_ACCEPTED},
};

static enum control_state expected(enum control_state from, enum control_event event)
{
    if (from == TASK_NONE || control_state_final(from))
        return TASK_NONE;
    if (event == TASK_CANCEL)
        return TASK_CANCELLED;
    if (event == TASK_EXPIRE)
        return TASK_EXPIRED;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].from == from && rules[i].event == event)
            return rules[i].to;
    return TASK_NONE;
}

static void every_pair_is_as_the_diagram_says(void **state)
{
    (void)state;
    for (int from = 0; from < TASK_STATES; from++)
        for (int event = 0; event < TASK_EVENTS; event++)
            assert_int_equal(
                control_state_next((enum control_state)from, (enum control_event)event),
                expected((enum control_state)from, (enum control_event)event));
}

static void numbers_outside_the_table_lead_nowhere(void **state)
{
    (void)state;
    assert_int_equal(control_state_next((enum control_state)99, TASK_START), TASK_NONE);
    assert_int_equal(control_state_next(TASK_QUEUED, (enum control_event)99), TASK_NONE);
    assert_string_equal(control_state_name((enum control_state)99), "NONE");
}

static void five_states_are_final(void **state)
{
    int final = 0;
    (void)state;
    for (int i = 0; i < TASK_STATES; i++)
        final += control_state_final((enum control_state)i);
    assert_int_equal(final, 5);
    assert_string_equal(control_state_name(TASK_DEAD), "DEAD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_is_as_the_diagram_says),
        cmocka_unit_test(numbers_outside_the_table_lead_nowhere),
        cmocka_unit_test(five_states_are_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
