/* The direct lane; see control_direct.h. */
#include "base/metric.h"
#include "control_private.h"

#include <stdlib.h>

enum {
    START_US = 1000000, /* a slot must be free within */
    LEAVE_US = 1000000, /* so long a shard that is given away waits for those that run */
    UNRECORDED_MAX = 10000,
    UNRECORDED_BYTES_MAX = 64 << 20,
};

static const struct aion_metric_family
    tasks_family = {.name = "aion_control_direct_tasks",
                    .help = "tasks that ran in the direct lane",
                    .kind = AION_COUNTER},
    unrecorded_family = {.name = "aion_control_direct_unrecorded",
                         .help = "direct tasks that have ended and are not on disk yet: what a "
                                 "crash now would lose",
                         .kind = AION_GAUGE};

static void gauge(const struct control_directs *directs)
{
    aion_metric_set(aion_metric(&unrecorded_family), (int64_t)directs->unrecorded);
}

void control_directs_init(struct control_directs *directs)
{
    *directs = (struct control_directs){.unrecorded = 0};
    aion_list_init(&directs->open);
    gauge(directs);
}

/* -- becoming one ------------------------------------------------------------------- */
/* What repeats of it would be known by must be on disk first; and what must not be done twice
 * needs a row that can be in doubt. */
bool control_direct_fits(const struct control_order *order, const Aion__V1__Decision *decision)
{
    return order->waits && order->checked.wait_us > 0 && order->checked.key.size == 0 &&
           !order->checked.has_id && decision->lane == AION__V1__LANE__LANE_DIRECT &&
           !decision->repeat_unsafe && decision->engine != NULL &&
           !control_hold_covers(order->control, order->tenant,
                                aion_str_of(order->request->intent));
}

bool control_direct_room(const struct control *control, struct aion_err *err)
{
    const struct control_directs *directs = &control->directs;
    if (directs->unrecorded < UNRECORDED_MAX &&
        directs->unrecorded_bytes < UNRECORDED_BYTES_MAX)
        return true;
    aion_err_set(err, __func__, AION_UNAVAILABLE,
                 "%zu records of direct tasks wait for the store: try again",
                 directs->unrecorded);
    aion_err_reason(err, "STORE_DOWN");
    return false;
}

void control_direct_make(struct control_order *order, struct control_task *task)
{
    struct control_direct *direct = calloc(1, sizeof(*direct));
    int64_t until_us = task->created_us + order->checked.wait_us;
    if (direct == NULL)
        abort();
    direct->task = task;
    direct->entries = order->entries;
    direct->entry_count = order->entry_count;
    order->entries = NULL;
    direct->charge = task->charge;
    memcpy(direct->route, order->route, sizeof(direct->route));
    task->direct = direct;
    task->log.keeps = true;
    task->released_us = INT64_MAX; /* a hold that comes later has no row to keep it by */
    if (task->deadline_us > until_us)
        task->deadline_us = until_us; /* it ends with its call */
    aion_list_add_last(&order->control->directs.open, &direct->link);
    aion_metric_add(aion_metric(&tasks_family), 1);
}

void control_direct_free(struct control_direct *direct)
{
    if (direct == NULL)
        return;
    aion_list_remove(&direct->link);
    free(direct->entries);
    free(direct);
}

void control_direct_begin(struct control_task *task)
{
    struct control *control = task->control;
    task->attempts_max = 1;
    control_enqueue(control, task);
    if (task->state == TASK_QUEUED)
        control_due_at(control, task, mesh_loop_now(control->loop) + START_US);
}

/* -- its call ----------------------------------------------------------------------- */
struct direct_call {
    struct control_waiter waiter;
    struct control_task *task; /* one reference */
    struct mesh_call *call;    /* held */
};

static void call_free(struct direct_call *waiting)
{
    aion_list_remove(&waiting->waiter.link);
    mesh_drop(waiting->call);
    control_task_unref(waiting->task);
    free(waiting);
}

static void answer(struct mesh_call *call, const struct control_task *task)
{
    struct aion_err err;
    if (!task->direct->again) {
        control_reply_task(task->control, call, task);
        return;
    }
    aion_err_set(&err, __func__,
                 task->error->code == AION_EXHAUSTED ? AION_EXHAUSTED : AION_UNAVAILABLE, "%s",
                 task->error->message);
    aion_err_reason(&err, task->error->reason);
    mesh_note(call, "task_id", aion_str_of(task->id_text));
    mesh_fail_with(call, &err);
}

static void task_ended(struct control_waiter *waiter)
{
    struct direct_call *waiting = aion_container(waiter, struct direct_call, waiter);
    answer(waiting->call, waiting->task);
    call_free(waiting);
}

static bool is_leaving(const struct control_task *task)
{
    return !control_shard_opened(task->control, store_seq_shard(task->seq));
}

static void call_gone(struct mesh_call *call)
{
    struct direct_call *waiting = mesh_user(call);
    struct control_task *task = control_task_ref(waiting->task);
    call_free(waiting);
    if (is_leaving(task))
        control_handover_drop(task);
    else
        control_cancel_task(task->control, task, "its call ended");
    control_task_unref(task);
}

void control_direct_wait(struct mesh_call *call, struct control_task *task)
{
    struct direct_call *waiting;
    if (control_state_final(task->state)) {
        answer(call, task);
        return;
    }
    if (mesh_ended(call)) {
        control_cancel_task(task->control, task, "its call ended");
        return;
    }
    waiting = calloc(1, sizeof(*waiting));
    if (waiting == NULL)
        abort(); /* bounded by the queue */
    waiting->task = control_task_ref(task);
    waiting->call = mesh_hold(call);
    waiting->waiter.ended = task_ended;
    aion_list_add_last(&task->waiters, &waiting->waiter.link);
    mesh_set_user(call, waiting);
    mesh_on_cancel(call, call_gone);
}

/* -- ends that leave no trace ------------------------------------------------------- */
void control_direct_overdue(struct control *control, struct control_task *task)
{
    struct aion_err err;
    struct control_error error;
    control_task_ref(task);
    aion_err_set(&err, __func__, AION_EXHAUSTED,
                 "no slot for a direct task of module \"%s\" came free within %d ms: try again",
                 task->module, (int)START_US / 1000);
    aion_err_reason(&err, "NO_FREE_SLOT");
    control_error_set(&error, AION_EXHAUSTED, aion_str_of(err.reason), aion_str_of(err.text));
    control_task_set_error(task, &error);
    control_dequeue(control, task);
    control_money_unreserve(&task->charge);
    aion_heap_remove(&control->deadlines, &task->deadline);
    control_ops_refused(control, task->tenant, &err);
    control_arrival_add(control, &(struct store_arrival){
                                     .seq = task->seq,
                                     .tenant = task->tenant,
                                     .key_id = control_bytes_view(&task->key_id),
                                     .intent = task->intent,
                                     .priority = task->priority,
                                     .body_bytes = task->body.size,
                                     .lane = AION_STR("direct"),
                                     .reason = aion_str_of(err.reason),
                                 });
    control_count(COUNT_REFUSED);
    control_move(control, task, TASK_CANCEL);
    aion_list_remove(&task->direct->link);
    task->direct->again = true;
    control_cache_remove(&control->tasks, task);
    control_waits_tell(task);
    control_watchers_wake(task);
    control_task_unref(task);
}

/* One without a host is about to be ended anyway. The shard stays as long as its start lingers,
 * and for the record of its end. */
void control_direct_hush(struct control_task *task)
{
    struct control *control = task->control;
    if (task->state == TASK_QUEUED)
        control_handover_drop(task);
    else if (task->host != NULL)
        control_due_at(control, task, mesh_loop_now(control->loop) + LEAVE_US);
}

void control_direct_lost(struct control_task *task)
{
    struct control_error error;
    control_error_set(&error, AION_UNAVAILABLE, AION_STR("SHARD_ELSEWHERE"),
                      AION_STR("another control took over while it ran: try again"));
    control_task_set_error(task, &error);
    aion_list_remove(&task->direct->link);
    task->direct->again = true;
    if (task->host != NULL)
        control_host_cancel(task, error.message);
    control_money_unreserve(&task->charge);
}

/* -- the record --------------------------------------------------------------------- */
void control_direct_ended(struct control_write *write)
{
    struct control_directs *directs = &write->control->directs;
    aion_list_remove(&write->task->direct->link);
    control_money_await(&write->task->direct->charge);
    directs->unrecorded++;
    directs->unrecorded_bytes += control_task_bytes(write->task);
    gauge(directs);
}

/* Its events are numbered with those of the end, which they precede. */
void control_direct_fill(struct control_write *write)
{
    const struct control_task *task = write->task;
    struct control_direct *direct = task->direct;
    if (direct == NULL || write->kind != STORE_FINISH)
        return;
    direct->accept = (struct store_accept){
        .write = {.op.kind = STORE_ACCEPT,
                  .seq = task->seq,
                  .event = &direct->event,
                  .entries = direct->entries,
                  .entry_count = direct->entry_count},
        .id = task->id,
        .tenant = task->tenant,
        .intent = task->intent,
        .key_id = control_bytes_view(&task->key_id),
        .priority = task->priority,
        .deadline_us = task->deadline_us,
        .meta = control_bytes_view(&task->meta),
        .body = control_bytes_view(&task->body),
        .decision = {aion_str_of(direct->route), control_bytes_view(&task->decision)},
    };
    control_event_accept(write->control, &direct->accept, &direct->event);
    write->as.finish.accept = &direct->accept;
}

void control_direct_wrote(struct control_write *write)
{
    struct control_direct *direct = write->task->direct;
    if (direct == NULL || write->kind != STORE_FINISH)
        return;
    direct->accept.write.outcome = write->as.write.outcome;
    control_events_wrote(write->control, &direct->accept.write);
}

void control_direct_recorded(struct control_write *write)
{
    struct control_directs *directs = &write->control->directs;
    struct control_task *task = write->task;
    if (write->as.write.outcome != STORE_DONE) { /* there is no such task */
        control_count(COUNT_STALE);
        control_cache_remove(&write->control->tasks, task);
    }
    task->direct->recorded = true;
    control_money_awaited(&task->direct->charge);
    directs->unrecorded--;
    directs->unrecorded_bytes -= control_task_bytes(task);
    gauge(directs);
    control_bytes_free(&task->body);
    task->log.keeps = false;
    control_log_commit(&task->log, task->log.cursor);
}

/* -- the end of the process --------------------------------------------------------- */
void control_directs_end(struct control *control)
{
    const struct control_error error = {.code = AION_UNAVAILABLE,
                                        .reason = "CONTROL_STOPPED",
                                        .message = "control is stopping: try again"};
    aion_list_each_safe (link, &control->directs.open) {
        struct control_direct *direct = aion_container(link, struct control_direct, link);
        struct control_task *task = direct->task;
        direct->again = true;
        if (task->host != NULL)
            control_host_cancel(task, error.message);
        control_finish(control, task, TASK_CANCEL, &error);
    }
}
