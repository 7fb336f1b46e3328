/* The states of a task and the one table by which they change. Pure. */
#ifndef CONTROL_TASK_STATE_H
#define CONTROL_TASK_STATE_H

#include <stdbool.h>

/* Numbers of aion.v1.TaskState and of store_state. */
enum control_state {
    TASK_NONE = 0,
    TASK_ACCEPTED = 1,
    TASK_QUEUED = 2,
    TASK_RUNNING = 3,
    TASK_RETRY_WAIT = 4,
    TASK_IN_DOUBT = 5,
    TASK_HELD = 6,
    TASK_SUCCEEDED = 7,
    TASK_FAILED = 8,
    TASK_CANCELLED = 9,
    TASK_EXPIRED = 10,
    TASK_DEAD = 11,
    TASK_STATES,
};

enum control_event {
    TASK_ROUTE,   /* the router has decided */
    TASK_START,   /* an attempt begins, or one that ran already is found again */
    TASK_SUCCEED, /* its result is committed */
    TASK_FAIL,    /* no further attempt can help */
    TASK_RETRY,   /* the attempt failed, another may succeed */
    TASK_DUE,     /* the time of the next attempt has come */
    TASK_DIE,     /* the last attempt failed */
    TASK_DOUBT,   /* the outcome of the attempt is unknown */
    TASK_REQUEUE, /* a doubt is resolved: it did not run */
    TASK_HOLD,
    TASK_RELEASE,          /* a held task that is routed */
    TASK_RELEASE_UNROUTED, /* one that is not */
    TASK_CANCEL,
    TASK_EXPIRE,
    TASK_EVENTS,
};

/* The state after the event, or TASK_NONE: not allowed. */
enum control_state control_state_next(enum control_state state, enum control_event event);
bool control_state_final(enum control_state state);
const char *control_state_name(enum control_state state); /* "QUEUED" */

#endif
