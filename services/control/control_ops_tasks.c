/* Hooks of a task's way: each is a few adds to the table, and an event when somebody reads
 * along. */
#include "base/clock.h"
#include "control_private.h"

#include <stdio.h>

/* -- events ------------------------------------------------------------------------- */
void control_ops_event(struct control *control, const struct ops_event *event)
{
    ops_mesh_count(&control->ops->fold, OPS_NOW_EVENTS, 1);
    ops_events_put(&control->ops->events, event);
}

static aion_str route_of(const struct control_task *task)
{
    if (task->ops.route == NULL)
        return (aion_str){0};
    aion_str route = aion_str_of(task->ops.route->key);
    (void)aion_str_cut(&route, '/');
    return route;
}

static struct ops_event event_of(const struct control_task *task, const char *what)
{
    return (struct ops_event){.kind = OPS_EVENT_TASK,
                              .state = (unsigned)task->state,
                              .at_us = task->updated_us,
                              .attempt = task->attempt,
                              .what = aion_str_of(what),
                              .task_id = aion_str_of(task->id_text),
                              .tenant = task->tenant,
                              .intent = task->intent,
                              .route = route_of(task),
                              .host = aion_str_of(task->host_id)};
}

/* TaskEvent.kind, by what happened. */
static const char *const names[TASK_EVENTS] = {
    [TASK_ROUTE] = "routed",      [TASK_START] = "started",
    [TASK_SUCCEED] = "succeeded", [TASK_FAIL] = "failed",
    [TASK_RETRY] = "retry",       [TASK_DUE] = "queued",
    [TASK_DIE] = "dead",          [TASK_DOUBT] = "in_doubt",
    [TASK_REQUEUE] = "queued",    [TASK_HOLD] = "held",
    [TASK_RELEASE] = "released",  [TASK_RELEASE_UNROUTED] = "released",
    [TASK_CANCEL] = "cancelled",  [TASK_EXPIRE] = "expired",
};

/* -- a task's way ------------------------------------------------------------------- */
void control_ops_entered(struct control *control, struct control_task *task)
{
    ops_task_enter(&control->ops->fold, &task->ops, task->tenant, task->state,
                   (int64_t)control_task_bytes(task));
}

void control_ops_accepted(struct control *control, struct control_task *task,
                          const Aion__V1__TaskRequest *request)
{
    struct ops_event event = event_of(task, "accepted");
    if (request->sla != NULL)
        task->ops.wish_us = (int64_t)request->sla->p95_ms * 1000;
    control_ops_entered(control, task);
    ops_mesh_count(&control->ops->fold, OPS_NOW_ACCEPTED, 1);
    control_ops_event(control, &event);
}

static void tell_decision(struct control *control, const struct control_task *task,
                          const Aion__V1__Decision *decision)
{
    struct ops_event event = event_of(task, decision->engine->chosen_by);
    event.kind = OPS_EVENT_DECISION;
    event.state = 0;
    event.at_us = aion_clock_utc_us();
    event.host = (aion_str){0};
    event.note = aion_str_of(decision->engine->reason);
    event.cost_nano_usd = decision->cost_estimate_nano_usd;
    control_ops_event(control, &event);
}

/* Also of tasks that are loaded: what was decided long ago is neither counted nor told. */
void control_ops_decided(struct control_task *task, const Aion__V1__Decision *decision)
{
    struct control *control = task->control;
    bool fresh = task->ops.state != TASK_NONE;
    if (control_state_final(task->state))
        return;
    struct ops_route_of of = {.intent = task->intent,
                              .route = aion_str_of(decision->engine->route),
                              .module = aion_str_of(task->module),
                              .pool = aion_str_of(task->pool),
                              .priority = task->priority,
                              .fresh = fresh};
    ops_task_route(&control->ops->fold, &task->ops, &of);
    if (fresh)
        tell_decision(control, task, decision);
}

void control_ops_moved(struct control *control, struct control_task *task,
                       enum control_event what)
{
    struct ops_event event = event_of(task, names[what]);
    bool final = control_state_final(task->state);
    ops_task_move(&control->ops->fold, &task->ops, task->state,
                  (int64_t)control_task_bytes(task));
    if (what == TASK_START)
        return; /* told by control_ops_started, with its host */
    if (task->error->code != 0) {
        event.reason = aion_str_of(task->error->reason);
        event.note = aion_str_of(task->error->message);
    }
    if (final) {
        event.latency_us = task->updated_us - task->created_us;
        event.cost_nano_usd = task->usage.cost_nano_usd;
    }
    control_ops_event(control, &event);
    if (final)
        ops_task_end(&control->ops->fold, &task->ops, event.latency_us, event.cost_nano_usd);
}

void control_ops_started(struct control *control, struct control_task *task)
{
    struct ops_event event = event_of(task, "started");
    const struct control_offer *offer =
        control_host_offer(task->host, task->pool, task->module);
    char key[128];
    snprintf(key, sizeof(key), "%s@%s", task->module, offer != NULL ? offer->version : "");
    ops_task_start(&control->ops->fold, &task->ops, task->host->ops,
                   ops_entity(&control->ops->fold.table, OPS_MODULE, aion_str_of(key)));
    control_ops_event(control, &event);
}

void control_ops_attempt(struct control *control, struct control_task *task,
                         const Aion__V1__HostMessage__Result *result)
{
    int64_t run_us = result->usage != NULL ? result->usage->run_us : -1;
    ops_attempt(&control->ops->fold, &task->ops, run_us, result->error != NULL);
}

void control_ops_left(struct control *control, struct control_task *task)
{
    ops_task_leave(&control->ops->fold, &task->ops);
}

void control_ops_refused(struct control *control, aion_str tenant, const struct aion_err *err)
{
    if (err->code == AION_EXHAUSTED)
        ops_refused(&control->ops->fold, tenant);
}
