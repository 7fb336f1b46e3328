#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { LOAD_ARENA = 16 << 20, HOLDS_MAX = 1000, TICK_US = 50000, RELEASE_AT_ONCE = 10000 };

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
static void take_waiting(struct control_hold *hold)
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
    char id[101];
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

/* -- life ---------------------------------------------------------------------------- */
static struct control_hold *hold_new(struct control *control, const struct store_hold *stored)
{
    struct control_hold *hold = calloc(1, sizeof(*hold));
    if (hold == NULL)
        abort();
    hold->control = control;
    hold->at_us = stored->at_us;
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

static struct control_hold *hold_named(struct control *control, const char *id)
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
    if (!control->conf->hold || hold_named(control, START_HOLD) != NULL)
        return true;
    if (!store_hold_put_wait(control->store, &put, err))
        return false;
    hold_new(control, &put.hold);
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
            hold_new(control, &list.holds[i]);
    aion_arena_done(&arena);
    return good && hold_start(control, err);
}

void control_holds_done(struct control *control)
{
    aion_list_each_safe (link, &control->holds)
        hold_free(aion_container(link, struct control_hold, link));
}

/* -- the calls ----------------------------------------------------------------------- */
static void fill_reply(const struct control_hold *hold, struct aion_arena *arena,
                       Aion__V1__Hold *reply)
{
    Aion__V1__TaskFilter *filter = aion_arena_alloc(arena, sizeof(*filter));
    aion__v1__hold__init(reply);
    reply->hold_id = (char *)(uintptr_t)hold->id;
    reply->reason = (char *)(uintptr_t)hold->reason;
    reply->held_by = (char *)(uintptr_t)hold->held_by;
    reply->held_at = control_timestamp(arena, hold->at_us);
    reply->held = hold->held;
    reply->released = hold->released;
    reply->releasing = hold->releasing;
    if (filter == NULL)
        return;
    aion__v1__task_filter__init(filter);
    filter->tenant = (char *)(uintptr_t)hold->tenant;
    filter->intent = (char *)(uintptr_t)hold->intent;
    filter->all = hold->tenant[0] == '\0' && hold->intent[0] == '\0';
    reply->filter = filter;
}

static void answer(struct mesh_call *call, const struct control_hold *hold)
{
    Aion__V1__Hold reply;
    fill_reply(hold, mesh_arena(call), &reply);
    mesh_reply(call, &reply.base);
}

struct holding {
    struct store_hold_put put;
    struct control *control;
    struct mesh_call *call; /* held */
    char id[AION_UUID_TEXT];
    struct control_filter filter;
};

static void holding_end(struct holding *holding, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(holding->call, err);
    mesh_drop(holding->call);
    control_filter_free(&holding->filter);
    free(holding);
}

static void hold_put(struct store_op *op, const struct aion_err *err)
{
    struct holding *holding = aion_container(op, struct holding, put.op);
    if (err == NULL) {
        struct control_hold *hold = hold_new(holding->control, &holding->put.hold);
        take_waiting(hold);
        answer(holding->call, hold);
    }
    holding_end(holding, err);
}

/* A hold is by tenant and intent, which a task has from its beginning to its end. */
static bool is_rule(const Aion__V1__TaskFilter *filter, struct aion_err *err)
{
    if (filter == NULL ||
        (filter->n_task_ids == 0 && filter->module[0] == '\0' && filter->reason[0] == '\0' &&
         filter->created_after == NULL && filter->created_before == NULL))
        return true;
    aion_err_set(err, __func__, AION_INVALID,
                 "a hold is by tenant and intent: leave the other parts of the filter out");
    aion_err_field(err, "filter");
    return false;
}

static struct control_hold *same_hold(struct control *control,
                                      const struct control_filter *filter)
{
    aion_list_each (link, &control->holds) {
        struct control_hold *hold = aion_container(link, struct control_hold, link);
        if (strcmp(hold->tenant, filter->tenant) == 0 &&
            strcmp(hold->intent, filter->intent) == 0)
            return hold;
    }
    return NULL;
}

static size_t count_holds(const struct control *control)
{
    size_t count = 0;
    aion_list_each (link, &control->holds)
        count++;
    return count;
}

static void put_hold(struct holding *holding, const char *reason)
{
    struct aion_err err;
    struct aion_uuid id = aion_uuid_new();
    struct control_deed deed = control_deed_of(holding->call);
    char target[160];
    aion_uuid_text(&id, holding->id);
    holding->put =
        (struct store_hold_put){.op.done = hold_put,
                                .hold = {.id = aion_str_of(holding->id),
                                         .kind = STORE_HOLD_QUEUE,
                                         .tenant = aion_str_of(holding->filter.tenant),
                                         .intent = aion_str_of(holding->filter.intent),
                                         .at_us = aion_clock_utc_us(),
                                         .changed_by = mesh_principal(holding->call)->subject,
                                         .reason = aion_str_of(reason)}};
    snprintf(target, sizeof(target), "queue/%s/%s",
             holding->filter.tenant[0] != '\0' ? holding->filter.tenant : "*",
             holding->filter.intent[0] != '\0' ? holding->filter.intent : "*");
    deed.target = aion_str_of(target);
    deed.reason = aion_str_of(reason);
    if (!control_audit_effect(holding->control, &deed, &holding->put.op, STORE_HOLD_PUT, &err))
        holding_end(holding, &err);
}

/* rpc HoldQueue. Inline. */
void control_hold_queue(struct mesh_call *call, const Aion__V1__HoldQueueRequest *request)
{
    struct control *control = mesh_service(call);
    const struct mesh_principal *principal = mesh_principal(call);
    struct control_filter filter;
    struct aion_err err;
    if (!is_rule(request->filter, &err) ||
        !control_filter_read(request->filter, principal->tenant,
                             principal->role == MESH_ROLE_ADMIN, &filter, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct control_hold *same = same_hold(control, &filter);
    if (same != NULL) {
        answer(call, same);
        control_filter_free(&filter);
        return;
    }
    if (count_holds(control) >= HOLDS_MAX || strlen(request->reason) > 256) {
        mesh_fail(call, AION_INVALID,
                  "there are %d holds already, or reason has more than 256 "
                  "bytes",
                  (int)HOLDS_MAX);
        control_filter_free(&filter);
        return;
    }
    struct holding *holding = calloc(1, sizeof(*holding));
    if (holding == NULL)
        abort();
    holding->control = control;
    holding->call = mesh_hold(call);
    holding->filter = filter;
    put_hold(holding, request->reason);
}

static bool may_touch(const struct mesh_call *call, const struct control_hold *hold)
{
    const struct mesh_principal *principal = mesh_principal(call);
    return principal->role == MESH_ROLE_ADMIN || aion_str_is(principal->tenant, hold->tenant);
}

static void tell_release(struct control *control, const struct mesh_call *call,
                         const struct control_hold *hold,
                         const Aion__V1__ReleaseQueueRequest *request)
{
    struct control_deed deed = control_deed_of(call);
    char target[160], detail[96];
    snprintf(target, sizeof(target), "hold/%s", hold->id);
    snprintf(detail, sizeof(detail), "%llu held, at most %llu, %u a second",
             (unsigned long long)hold->held, (unsigned long long)request->count_max,
             request->per_second);
    deed.target = aion_str_of(target);
    deed.detail = aion_str_of(detail);
    deed.reason = aion_str_of(request->reason);
    control_audit_note(control, &deed, "done");
}

static bool check_release(const Aion__V1__ReleaseQueueRequest *request, struct aion_err *err)
{
    if (request->hold_id[0] == '\0') {
        aion_err_set(err, __func__, AION_INVALID,
                     "hold_id is missing: ListHolds names the holds");
        aion_err_field(err, "hold_id");
        return false;
    }
    if (request->per_second > 1000000) {
        aion_err_set(err, __func__, AION_INVALID, "per_second is %u: give at most 1000000",
                     request->per_second);
        aion_err_field(err, "per_second");
        return false;
    }
    return true;
}

/* rpc ReleaseQueue. Inline. */
void control_release_queue(struct mesh_call *call, const Aion__V1__ReleaseQueueRequest *request)
{
    struct control *control = mesh_service(call);
    const struct mesh_principal *principal = mesh_principal(call);
    struct control_hold *hold = hold_named(control, request->hold_id);
    struct control_filter only = {.ids = NULL};
    struct aion_err err;
    if (!check_release(request, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    if (hold == NULL || !may_touch(call, hold)) {
        aion_err_set(&err, __func__, AION_NOT_FOUND, "there is no hold \"%.64s\"",
                     request->hold_id);
        aion_err_reason(&err, "HOLD_NOT_FOUND");
        mesh_fail_with(call, &err);
        return;
    }
    if (request->filter != NULL &&
        !control_filter_read(request->filter, principal->tenant,
                             principal->role == MESH_ROLE_ADMIN, &only, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    tell_release(control, call, hold, request);
    control_filter_free(&hold->only);
    hold->only = only;
    hold->per_second = request->per_second;
    hold->left = request->count_max > 0 ? request->count_max : UINT64_MAX;
    hold->ends = request->count_max == 0 && request->filter == NULL;
    hold->releasing = true;
    answer(call, hold);
    tick(&hold->timer);
}

/* rpc ListHolds. Inline. */
void control_list_holds(struct mesh_call *call, const Aion__V1__ListHoldsRequest *request)
{
    const struct control *control = mesh_service(call);
    struct aion_arena *arena = mesh_arena(call);
    Aion__V1__ListHoldsReply reply = AION__V1__LIST_HOLDS_REPLY__INIT;
    (void)request;
    reply.holds = aion_arena_array(arena, count_holds(control), sizeof(*reply.holds));
    aion_list_each (link, &control->holds) {
        const struct control_hold *hold = aion_container(link, struct control_hold, link);
        Aion__V1__Hold *message = aion_arena_alloc(arena, sizeof(*message));
        if (!may_touch(call, hold) || message == NULL || reply.holds == NULL)
            continue;
        fill_reply(hold, arena, message);
        reply.holds[reply.n_holds++] = message;
    }
    aion_v1_aion_tasks_list_holds_reply(call, &reply);
}
