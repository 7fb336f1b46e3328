/* Holds: tasks that are taken and kept, but not started until somebody lets them go.
 *
 * A hold is a rule, kept in the store; which tasks it holds is derived from it, in memory, when
 * they would be queued: a hundred thousand held tasks cost no row. What is let go while its
 * hold stays in force has a mark that says so. I/O thread; included by control_private.h. */
#ifndef CONTROL_HOLD_H
#define CONTROL_HOLD_H

#include "base/list.h"
#include "control_filter.h"
#include "mesh/loop.h"

struct control;
struct control_task;

struct control_hold {
    struct aion_link link; /* in control->holds */
    struct control *control;
    char id[101], tenant[65], intent[65]; /* empty = all */
    char reason[257], held_by[129];
    int64_t at_us;          /* UTC: what was let go later is not held by it again */
    struct aion_link tasks; /* oldest first */
    uint64_t held, released;

    bool releasing; /* at a rate */
    bool ends;      /* with its last task */
    uint32_t per_second;
    uint64_t left;              /* to let go */
    struct control_filter only; /* of its tasks, these */
    struct mesh_timer timer;
};

/* Reads the holds in force; makes the one of the option `hold`. Blocking, before the loop runs.
 */
bool control_holds_load(struct control *control, struct aion_err *err) AION_MUST_CHECK;
void control_holds_done(struct control *control);
/* The task would be queued: true when a hold has it instead. */
bool control_hold_take(struct control *control, struct control_task *task);
/* A hold would have a new task of this tenant and intent. */
bool control_hold_covers(const struct control *control, aion_str tenant, aion_str intent);
/* It ends, or goes on: no hold has it any more. */
void control_hold_forget(struct control_task *task);

#endif
