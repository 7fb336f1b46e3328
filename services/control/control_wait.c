/* Calls that wait for the end of their task. */
#include "control_private.h"

#include <stdlib.h>

/* A call that is answered when its task is final, or when its time is over. */
struct wait {
    struct control_waiter waiter;
    struct aion_link link; /* in control->submits */
    struct mesh_timer timer;
    struct control *control;
    struct control_task *task; /* one reference */
    struct mesh_call *call;    /* held */
};

/* Of a task that has moved to another control we know how it stood: that is an answer to
 * whoever gave it in; who may ask again is told to. */
static void reply(struct control *control, struct mesh_call *call, struct control_task *task)
{
    struct aion_err err;
    if (!task->forgotten || !mesh_call_method(call)->idempotent) {
        control_reply_task(control, call, task);
        return;
    }
    control_shard_elsewhere(&err);
    mesh_fail_with(call, &err);
}

static void wait_end(struct wait *wait)
{
    mesh_timer_cancel(wait->control->loop, &wait->timer);
    aion_list_remove(&wait->waiter.link);
    aion_list_remove(&wait->link);
    reply(wait->control, wait->call, wait->task);
    mesh_drop(wait->call);
    control_task_unref(wait->task);
    free(wait);
}

static void task_ended(struct control_waiter *waiter)
{
    wait_end(aion_container(waiter, struct wait, waiter));
}

static void wait_over(struct mesh_timer *timer)
{
    wait_end(aion_container(timer, struct wait, timer));
}

/* The client is gone: the answer goes nowhere, the task goes on. */
static void client_gone(struct mesh_call *call)
{
    wait_end(mesh_user(call));
}

void control_wait(struct control *control, struct mesh_call *call, struct control_task *task,
                  int64_t wait_us)
{
    struct wait *wait;
    if (control_state_final(task->state) || wait_us <= 0 || control->draining ||
        task->forgotten || mesh_ended(call) || (wait = calloc(1, sizeof(*wait))) == NULL) {
        reply(control, call, task);
        return;
    }
    wait->control = control;
    wait->task = control_task_ref(task);
    wait->call = mesh_hold(call);
    wait->waiter.ended = task_ended;
    wait->timer.fire = wait_over;
    aion_list_add_last(&task->waiters, &wait->waiter.link);
    aion_list_add_last(&control->submits, &wait->link);
    mesh_timer_set(control->loop, &wait->timer, mesh_loop_now(control->loop) + wait_us);
    mesh_set_user(call, wait);
    mesh_on_cancel(call, client_gone);
}

void control_waits_tell(struct control_task *task)
{
    struct aion_link *link;
    while ((link = aion_list_first(&task->waiters)) != NULL) {
        struct control_waiter *waiter = aion_container(link, struct control_waiter, link);
        aion_list_remove(&waiter->link);
        waiter->ended(waiter);
    }
}

void control_waits_end(struct control *control)
{
    while (!aion_list_empty(&control->submits))
        wait_end(aion_container(control->submits.next, struct wait, link));
}
