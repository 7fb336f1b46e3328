#include "control_hear.h"

#include "control_private.h"

enum { HEAR_US = 5000000 };

static void hear_next(struct control_hearing *hearing);

static void waited(struct control_hearing *hearing)
{
    mesh_timer_cancel(hearing->control->loop, &hearing->timer);
    aion_list_remove(&hearing->waiter.link);
    aion_list_remove(&hearing->link);
    control_task_unref(hearing->task);
    hear_next(hearing);
}

static void give_up(struct control_hearing *hearing)
{
    hearing->next = hearing->count;
    waited(hearing);
}

static void task_ended(struct control_waiter *waiter)
{
    waited(aion_container(waiter, struct control_hearing, waiter));
}

static void too_late(struct mesh_timer *timer)
{
    give_up(aion_container(timer, struct control_hearing, timer));
}

/* Whoever looks at a list does not use the tasks in it: the cache keeps its order. */
static struct control_task *not_heard_of(struct control *control, const struct store_task *read)
{
    if (!control_state_final((enum control_state)read->state))
        return NULL;
    const struct control_task *task = control_cache_peek(&control->tasks, &read->id);
    bool ends = task != NULL && task->settling && !control_state_final(task->state);
    return ends ? control_cache_find(&control->tasks, &read->id) : NULL;
}

/* One after the other, each looked at once: an end that was heard of stays so. */
static void hear_next(struct control_hearing *hearing)
{
    struct control *control = hearing->control;
    struct control_task *task = NULL;
    while (task == NULL && hearing->next < hearing->count)
        task = not_heard_of(control, &hearing->tasks[hearing->next++]);
    if (task == NULL) {
        hearing->heard(hearing);
        return;
    }
    hearing->task = control_task_ref(task);
    hearing->waiter.ended = task_ended;
    hearing->timer.fire = too_late;
    aion_list_add_last(&task->waiters, &hearing->waiter.link);
    aion_list_add_last(&control->hearings, &hearing->link);
    mesh_timer_set(control->loop, &hearing->timer, hearing->until_us);
}

void control_hear(struct control_hearing *hearing)
{
    hearing->until_us = mesh_loop_now(hearing->control->loop) + HEAR_US;
    hear_next(hearing);
}

void control_hearings_end(struct control *control)
{
    while (!aion_list_empty(&control->hearings))
        give_up(aion_container(control->hearings.next, struct control_hearing, link));
}
