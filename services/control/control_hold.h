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
struct store_hold;
struct store_hold_list;

enum { HOLDS_MAX = 1000, HOLDS_OVER_MAX = 64, HOLD_ID_MAX = 101 };

struct control_hold {
    struct aion_link link; /* in control->holds */
    struct control *control;
    char id[HOLD_ID_MAX], tenant[65], intent[65]; /* empty = all */
    char reason[257], held_by[129];
    int64_t at_us;          /* UTC: what was let go later is not held by it again */
    struct aion_link tasks; /* oldest first */
    uint64_t held, released;
    uint64_t round; /* of polls: a list that was asked for in a later one has it */

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
/* The rules in force now, where other controls make and end them, too. */
void control_holds_take(struct control *control, const struct store_hold_list *list);
struct control_hold *control_hold_new(struct control *control, const struct store_hold *stored);
struct control_hold *control_hold_named(struct control *control, const char *id); /* or NULL */
/* Those that wait already are held. */
void control_hold_gather(struct control_hold *hold);
/* Of its tasks, those that a release would let go. */
uint64_t control_hold_fitting(const struct control_hold *hold,
                              const struct control_filter *only);
/* Lets at most so many go, at a rate (0: at once); takes the filter. `ends`: the rule goes with
 * the last of them. The hold may be gone when this returns. */
void control_hold_release(struct control_hold *hold, struct control_filter *only,
                          uint32_t per_second, uint64_t most, bool ends);
/* The task would be queued: true when a hold has it instead. */
bool control_hold_take(struct control *control, struct control_task *task);
/* A hold would have a new task of this tenant and intent. */
bool control_hold_covers(const struct control *control, aion_str tenant, aion_str intent);
/* It ends, or goes on: no hold has it any more. */
void control_hold_forget(struct control_task *task);

#endif
