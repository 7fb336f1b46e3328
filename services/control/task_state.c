#include "task_state.h"

#include <stddef.h>

// clang-format off
/* 0 = not allowed. Final states have no row: nothing leaves them. */
static const unsigned char next_state[TASK_STATES][TASK_EVENTS] = {
    [TASK_ACCEPTED] = {
        [TASK_ROUTE] = TASK_QUEUED, [TASK_FAIL] = TASK_FAILED, [TASK_HOLD] = TASK_HELD,
        [TASK_CANCEL] = TASK_CANCELLED, [TASK_EXPIRE] = TASK_EXPIRED},
    [TASK_QUEUED] = {
        [TASK_START] = TASK_RUNNING, [TASK_HOLD] = TASK_HELD,
        [TASK_CANCEL] = TASK_CANCELLED, [TASK_EXPIRE] = TASK_EXPIRED},
    [TASK_RUNNING] = {
        [TASK_SUCCEED] = TASK_SUCCEEDED, [TASK_FAIL] = TASK_FAILED, [TASK_RETRY] = TASK_RETRY_WAIT,
        [TASK_DIE] = TASK_DEAD, [TASK_DOUBT] = TASK_IN_DOUBT,
        [TASK_CANCEL] = TASK_CANCELLED, [TASK_EXPIRE] = TASK_EXPIRED},
    [TASK_RETRY_WAIT] = {
        [TASK_DUE] = TASK_QUEUED,
        [TASK_CANCEL] = TASK_CANCELLED, [TASK_EXPIRE] = TASK_EXPIRED},
    [TASK_IN_DOUBT] = {
        [TASK_SUCCEED] = TASK_SUCCEEDED, [TASK_FAIL] = TASK_FAILED, [TASK_DIE] = TASK_DEAD,
        [TASK_REQUEUE] = TASK_QUEUED,
        [TASK_CANCEL] = TASK_CANCELLED, [TASK_EXPIRE] = TASK_EXPIRED},
    [TASK_HELD] = {
        [TASK_RELEASE] = TASK_QUEUED, [TASK_RELEASE_UNROUTED] = TASK_ACCEPTED,
        [TASK_CANCEL] = TASK_CANCELLED, [TASK_EXPIRE] = TASK_EXPIRED},
};
// clang-format on

static const char *const names[TASK_STATES] = {
    [TASK_NONE] = "NONE",
    [TASK_ACCEPTED] = "ACCEPTED",
    [TASK_QUEUED] = "QUEUED",
    [TASK_RUNNING] = "RUNNING",
    [TASK_RETRY_WAIT] = "RETRY_WAIT",
    [TASK_IN_DOUBT] = "IN_DOUBT",
    [TASK_HELD] = "HELD",
    [TASK_SUCCEEDED] = "SUCCEEDED",
    [TASK_FAILED] = "FAILED",
    [TASK_CANCELLED] = "CANCELLED",
    [TASK_EXPIRED] = "EXPIRED",
    [TASK_DEAD] = "DEAD",
};

enum control_state control_state_next(enum control_state state, enum control_event event)
{
    if ((unsigned)state >= TASK_STATES || (unsigned)event >= TASK_EVENTS)
        return TASK_NONE;
    return (enum control_state)next_state[state][event];
}

bool control_state_final(enum control_state state)
{
    return state >= TASK_SUCCEEDED && state <= TASK_DEAD;
}

const char *control_state_name(enum control_state state)
{
    return (unsigned)state < TASK_STATES ? names[state] : "NONE";
}
