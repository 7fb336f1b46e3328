#include "control_hear.h"

#include "control_private.h"

enum { HEAR_US = 5000000 };

static void hear_next(struct control_hearing *hearing);

static void waited(struct control_hearing *hearing)
{
    mesh_timer_cancel(hearing->control->loop, &hearing->timer);
    aion_list_remove(&hearing->waiter.link);
    control_task_unref(hearing->task);
    hear_next(hearing);
}

static void task_ended(struct control_waiter *waiter)
{
    waited(aion_container(waiter, struct control_hearing, waiter));
}

static void too_late(struct mesh_timer *timer)
{
    waited(aion_container(timer, struct control_hearing, timer));
}

static struct control_task *not_heard_of(struct control *control, const struct store_task *read)
{
    if (!control_state_final((enum control_state)read->state))
        return NULL;
    struct control_task *task = control_cache_find(&control->tasks, &read->id);
    bool ends = task != NULL && task->settling && !control_state_final(task->state);
    return ends ? task : NULL;
}

/* One after the other: those that were waited for are heard of by then. */
static void hear_next(struct control_hearing *hearing)
{
    struct control *control = hearing->control;
    struct control_task *task = NULL;
    if (mesh_loop_now(control->loop) < hearing->until_us)
        for (size_t i = 0; task == NULL && i < hearing->count; i++)
            task = not_heard_of(control, &hearing->tasks[i]);
    if (task == NULL) {
        hearing->heard(hearing);
        return;
    }
    hearing->task = control_task_ref(task);
    hearing->waiter.ended = task_ended;
    hearing->timer.fire = too_late;
    aion_list_add_last(&task->waiters, &hearing->waiter.link);
    mesh_timer_set(control->loop, &hearing->timer, hearing->until_us);
}

void control_hear(struct control_hearing *hearing)
{
    hearing->until_us = mesh_loop_now(hearing->control->loop) + HEAR_US;
    hear_next(hearing);
}
