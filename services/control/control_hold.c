#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { LOAD_ARENA = 16 << 20, TICK_US = 50000, RELEASE_AT_ONCE = 10000 };

#define START_HOLD "start"

/* -- which tasks --------------------------------------------------------------------- */
static bool names(const struct control_hold *hold, aion_str tenant, aion_str intent)
{
    return (hold->tenant[0] == '\0' || aion_str_is(tenant, hold->tenant)) &&
           (hold->intent[0] == '\0' || aion_str_is(intent, hold->intent));
}

static bool fits(const struct control_hold *hold, const struct control_task *task)
{
    return names(hold, task->tenant, task->intent) && task->released_us < hold->at_us;
}

bool control_hold_covers(const struct control *control, aion_str tenant, aion_str intent)
{
    aion_list_each (link, &control->holds) {
        if (names(aion_container(link, struct control_hold, link), tenant, intent))
            return true;
    }
    return false;
}

static void take(struct control_hold *hold, struct control_task *task)
{
    control_move(hold->control, task, TASK_HOLD);
    task->hold = hold;
    aion_list_add_last(&hold->tasks, &task->held);
    hold->held++;
}

/* -- what was let go before a start ---------------------------------------------------- */
struct marks {
    struct store_task_read read;
    struct control_task *task; /* one reference */
    struct aion_arena arena;
};

static void marks_free(struct marks *marks)
{
    struct control_task *task = marks->task;
    aion_arena_done(&marks->arena);
    free(marks);
    if (!task->settling && task->state == TASK_QUEUED)
        control_enqueue(task->control, task);
    control_task_unref(task);
}

static void marks_read(struct store_op *op, const struct aion_err *err)
{
    struct marks *marks = aion_container(op, struct marks, read.op);
    const struct store_task *stored = &marks->read.task;
    for (size_t i = 0; err == NULL && marks->read.found && i < stored->event_count; i++)
        if ((stored->events[i].kinds & STORE_EVENT_RELEASED) != 0)
            marks->task->released_us = stored->events[i].at_us;
    marks_free(marks);
}

static void read_marks(struct control *control, struct control_task *task)
{
    struct marks *marks = calloc(1, sizeof(*marks));
    if (marks == NULL)
        abort();
    task->marks_known = true;
    marks->task = control_task_ref(task);
    aion_arena_init(&marks->arena, LOAD_ARENA, NULL, 0);
    marks->read = (struct store_task_read){.op = {.done = marks_read, .arena = &marks->arena},
                                           .id = task->id,
                                           .seq = task->seq,
                                           .with_history = true};
    if (!store_task_read(control->store, &marks->read, NULL))
        marks_free(marks); /* held again: somebody lets it go again */
}

bool control_hold_take(struct control *control, struct control_task *task)
{
    aion_list_each (link, &control->holds) {
        struct control_hold *hold = aion_container(link, struct control_hold, link);
        if (!fits(hold, task))
            continue;
        if (task->marks > 0 && !task->marks_known)
            read_marks(control, task);
        else
            take(hold, task);
        return true;
    }
    return false;
}

void control_hold_forget(struct control_task *task)
{
    if (task->hold == NULL)
        return;
    task->hold->held--;
    aion_list_remove(&task->held);
    task->hold = NULL;
}

/* Those that wait already. One walk over all tasks: a hold is a rare word of a person. */
void control_hold_gather(struct control_hold *hold)
{
    struct control *control = hold->control;
    size_t cursor = 0;
    struct control_task *task;
    while ((task = aion_map_next(&control->tasks.by_id, &cursor)) != NULL) {
        if (!control_sched_waits(&task->queued) || task->settling || !fits(hold, task))
            continue;
        control_sched_remove(&control->sched, &task->queued);
        take(hold, task);
    }
}

/* -- letting go ---------------------------------------------------------------------- */
static void mark_done(struct control_write *write)
{
    (void)write; /* without it the next start holds the task again: nothing is lost */
}

static void write_mark(struct control_hold *hold, struct control_task *task)
{
    struct control_write *write = control_write_new(hold->control, task, STORE_MARK, mark_done);
    aion_str_copy(write->host, sizeof(write->host), aion_str_of(hold->id));
    write->as.mark = (struct store_mark){
        .write.op.lazy = true,
        .number = ++task->marks,
        .kind = STORE_MARK_RELEASED,
        .at_us = task->released_us,
        .note = aion_str_of(write->host),
    };
    control_write_submit(write);
}

static void let_go(struct control_hold *hold, struct control_task *task)
{
    struct control *control = hold->control;
    control_hold_forget(task);
    hold->released++;
    task->released_us = aion_clock_utc_us();
    if (!hold->ends)
        write_mark(hold, task);
    control_move(control, task, TASK_RELEASE);
    control_enqueue(control, task);
}

static struct control_subject subject_of(const struct control_task *task)
{
    return (struct control_subject){.id = task->id,
                                    .tenant = task->tenant,
                                    .intent = task->intent,
                                    .module = aion_str_of(task->module),
                                    .reason = aion_str_of(task->error->reason),
                                    .created_us = task->created_us};
}

/* At most `most` of them; true when nothing is left to let go. */
static bool let_some_go(struct control_hold *hold, uint64_t most)
{
    aion_list_each_safe (link, &hold->tasks) {
        struct control_task *task = aion_container(link, struct control_task, held);
        struct control_subject subject = subject_of(task);
        if (hold->left == 0)
            return true;
        if (most == 0)
            return false;
        if (!control_filter_fits(&hold->only, &subject))
            continue;
        let_go(hold, task);
        hold->left--;
        most--;
    }
    return true;
}

static void hold_free(struct control_hold *hold)
{
    mesh_timer_cancel(hold->control->loop, &hold->timer);
    while (!aion_list_empty(&hold->tasks))
        control_hold_forget(aion_container(hold->tasks.next, struct control_task, held));
    control_filter_free(&hold->only);
    aion_list_remove(&hold->link);
    free(hold);
}

/* The rule goes when the last of its tasks has gone: a crash before that holds the rest again.
 */
struct dropping {
    struct store_hold_drop drop;
    char id[HOLD_ID_MAX];
};

static void dropped(struct store_op *op, const struct aion_err *err)
{
    struct dropping *dropping = aion_container(op, struct dropping, drop.op);
    (void)err; /* still there: the next start holds what it finds, and somebody lets it go */
    free(dropping);
}

static void drop(struct control *control, const char *id)
{
    struct dropping *dropping = calloc(1, sizeof(*dropping));
    char *over = control->holds_over[control->hold_over++ % HOLDS_OVER_MAX];
    aion_str_copy(over, sizeof(control->holds_over[0]), aion_str_of(id));
    if (dropping == NULL)
        return;
    aion_str_copy(dropping->id, sizeof(dropping->id), aion_str_of(id));
    dropping->drop.id = aion_str_of(dropping->id);
    dropping->drop.op.done = dropped;
    if (!store_hold_drop(control->store, &dropping->drop, NULL))
        free(dropping);
}

static void release_over(struct control_hold *hold)
{
    mesh_timer_cancel(hold->control->loop, &hold->timer);
    hold->releasing = false;
    control_filter_free(&hold->only);
    hold->only = (struct control_filter){.ids = NULL};
    if (!hold->ends)
        return;
    drop(hold->control, hold->id);
    hold_free(hold);
}

static void tick(struct mesh_timer *timer)
{
    struct control_hold *hold = aion_container(timer, struct control_hold, timer);
    uint64_t most = hold->per_second == 0 ? RELEASE_AT_ONCE
                                          : (uint64_t)hold->per_second * TICK_US / 1000000;
    int64_t in_us = TICK_US;
    if (most == 0) {
        most = 1;
        in_us = 1000000 / hold->per_second;
    }
    if (let_some_go(hold, most))
        release_over(hold);
    else
        mesh_timer_set(hold->control->loop, timer, mesh_loop_now(hold->control->loop) + in_us);
}

uint64_t control_hold_fitting(const struct control_hold *hold,
                              const struct control_filter *only)
{
    uint64_t count = 0;
    aion_list_each (link, (struct aion_link *)(uintptr_t)&hold->tasks) {
        struct control_subject subject =
            subject_of(aion_container(link, struct control_task, held));
        count += control_filter_fits(only, &subject);
    }
    return count;
}

void control_hold_release(struct control_hold *hold, struct control_filter *only,
                          uint32_t per_second, uint64_t most, bool ends)
{
    control_filter_free(&hold->only);
    hold->only = *only;
    *only = (struct control_filter){.ids = NULL};
    hold->per_second = per_second;
    hold->left = most;
    hold->ends = ends;
    hold->releasing = true;
    tick(&hold->timer);
}

/* -- life ---------------------------------------------------------------------------- */
struct control_hold *control_hold_new(struct control *control, const struct store_hold *stored)
{
    struct control_hold *hold = calloc(1, sizeof(*hold));
    if (hold == NULL)
        abort();
    hold->control = control;
    hold->at_us = stored->at_us;
    hold->round = control->polls.round;
    hold->timer.fire = tick;
    aion_list_init(&hold->tasks);
    aion_str_copy(hold->id, sizeof(hold->id), stored->id);
    aion_str_copy(hold->tenant, sizeof(hold->tenant), stored->tenant);
    aion_str_copy(hold->intent, sizeof(hold->intent), stored->intent);
    aion_str_copy(hold->reason, sizeof(hold->reason), stored->reason);
    aion_str_copy(hold->held_by, sizeof(hold->held_by), stored->changed_by);
    aion_list_add_last(&control->holds, &hold->link);
    return hold;
}

struct control_hold *control_hold_named(struct control *control, const char *id)
{
    aion_list_each (link, &control->holds) {
        struct control_hold *hold = aion_container(link, struct control_hold, link);
        if (strcmp(hold->id, id) == 0)
            return hold;
    }
    return NULL;
}

static bool hold_start(struct control *control, struct aion_err *err)
{
    struct store_hold_put put = {.hold = {.id = AION_STR(START_HOLD),
                                          .kind = STORE_HOLD_QUEUE,
                                          .at_us = aion_clock_utc_us(),
                                          .changed_by = AION_STR("control"),
                                          .reason = AION_STR("started with --hold")}};
    if (!control->conf->hold || control_hold_named(control, START_HOLD) != NULL)
        return true;
    if (!store_hold_put_wait(control->store, &put, err))
        return false;
    control_hold_new(control, &put.hold);
    return true;
}

bool control_holds_load(struct control *control, struct aion_err *err)
{
    struct aion_arena arena;
    aion_arena_init(&arena, LOAD_ARENA, NULL, 0);
    struct store_hold_list list = {.op.arena = &arena};
    bool good = store_hold_list_wait(control->store, &list, err);
    for (size_t i = 0; good && i < list.count; i++)
        if (list.holds[i].kind == STORE_HOLD_QUEUE)
            control_hold_new(control, &list.holds[i]);
    if (good)
        control_drains_take(control, &list);
    aion_arena_done(&arena);
    return good && hold_start(control, err);
}

/* -- holds of other controls --------------------------------------------------------- */
static bool is_over(const struct control *control, aion_str id)
{
    for (unsigned i = 0; i < HOLDS_OVER_MAX; i++)
        if (aion_str_is(id, control->holds_over[i]))
            return true;
    return false;
}

static bool is_listed(const struct store_hold_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (aion_str_is(list->holds[i].id, id))
            return true;
    return false;
}

/* The rule is gone: another control has let its tasks go. */
static void follow(struct control_hold *hold)
{
    struct control_filter all = {.ids = NULL};
    if (!hold->releasing && hold->round < hold->control->polls.round)
        control_hold_release(hold, &all, 0, UINT64_MAX, true);
}

void control_holds_take(struct control *control, const struct store_hold_list *list)
{
    char id[HOLD_ID_MAX];
    for (unsigned i = 0; i < HOLDS_OVER_MAX; i++)
        if (!is_listed(list, control->holds_over[i]))
            control->holds_over[i][0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        const struct store_hold *stored = &list->holds[i];
        if (stored->kind == STORE_HOLD_QUEUE && aion_str_copy(id, sizeof(id), stored->id) &&
            control_hold_named(control, id) == NULL && !is_over(control, stored->id))
            control_hold_gather(control_hold_new(control, stored));
    }
    aion_list_each_safe (link, &control->holds) {
        struct control_hold *hold = aion_container(link, struct control_hold, link);
        if (!is_listed(list, hold->id))
            follow(hold);
    }
}

void control_holds_done(struct control *control)
{
    aion_list_each_safe (link, &control->holds)
        hold_free(aion_container(link, struct control_hold, link));
}
