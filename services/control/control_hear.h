/* The store's word of an end may be ahead of us: it is in the database before its writer hears
 * that it is. Who was told of the end must not be told an earlier state by another call: an
 * answer with what the store says waits until control has heard of all the ends in it. */
#ifndef CONTROL_HEAR_H
#define CONTROL_HEAR_H

#include "mesh/loop.h"
#include "store/store_read.h"
#include "task.h"

struct control;

/* In what waits, from control_hear until `heard`. I/O thread. */
struct control_hearing {
    struct control *control;
    const struct store_task *tasks; /* as read */
    size_t count;
    void (*heard)(struct control_hearing *hearing); /* once; may free it */
    /* its own */
    size_t next;               /* those before it were looked at */
    struct aion_link link;     /* in control->hearings, while it waits */
    struct control_task *task; /* waited for: one reference */
    struct control_waiter waiter;
    struct mesh_timer timer;
    int64_t until_us;
};

/* Calls heard: at once where there is nothing to wait for, after five seconds in any case; then
 * the store's word is told all the same. */
void control_hear(struct control_hearing *hearing);
/* The store takes nothing any more: what is waited for is not heard of here. */
void control_hearings_end(struct control *control);

#endif
