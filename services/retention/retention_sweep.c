/* A sweep: asks for the plan, then has control delete what is due, batch by batch, until
 * nothing is left. */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "retention_private.h"

#include <stdlib.h>

enum {
    TRY_AGAIN_US = 5000000,
    LOOK_US = 10000000, /* whether another plan came: the least sweep_every */
};

static const struct aion_metric_family deleted_family = {
    .name = "aion_retention_deleted",
    .help = "Rows deleted by sweeps, by kind.",
    .kind = AION_COUNTER,
    .labels = {"kind"},
};

struct retention_sweep {
    struct retention *retention;
    struct mesh_call *call; /* held; NULL = by the timer */
    bool dry_run, gone;
    struct retention_plan plan;
    struct retention_cutoffs cutoffs;
    uint64_t tasks, chunks, keys;
};

static void next_batch(struct retention_sweep *sweep);

static void tell(struct retention_sweep *sweep, bool done)
{
    Aion__V1__SweepProgress progress = AION__V1__SWEEP_PROGRESS__INIT;
    Google__Protobuf__Timestamp succeeded, failed;
    if (sweep->call == NULL || sweep->gone)
        return;
    retention_timestamp(sweep->cutoffs.succeeded, &succeeded);
    retention_timestamp(sweep->cutoffs.failed, &failed);
    progress.tasks = sweep->tasks;
    progress.chunks = sweep->chunks;
    progress.keys = sweep->keys;
    progress.done = done;
    progress.cutoff_succeeded = &succeeded;
    progress.cutoff_failed = &failed;
    aion_v1_retention_sweep_send(sweep->call, &progress);
}

static void end(struct retention_sweep *sweep, const struct aion_err *err)
{
    struct retention *retention = sweep->retention;
    if (sweep->call == NULL) {
        retention->scheduled = NULL;
        retention_schedule(retention, err == NULL ? sweep->plan.sweep_every : TRY_AGAIN_US);
        if (err == NULL && sweep->tasks + sweep->keys > 0)
            aion_log(AION_LOG_INFO, "swept", LOG_U64("tasks", sweep->tasks),
                     LOG_U64("chunks", sweep->chunks), LOG_U64("keys", sweep->keys));
    } else {
        mesh_set_user(sweep->call, NULL);
        if (!sweep->gone && err != NULL)
            mesh_fail_with(sweep->call, err);
        else if (!sweep->gone)
            mesh_finish(sweep->call);
        mesh_drop(sweep->call);
    }
    free(sweep);
}

static void swept(void *user, const struct mesh_result *result)
{
    struct retention_sweep *sweep = user;
    const Aion__V1__SweepTasksReply *reply = aion_v1_state_sweep_tasks_result(result);
    if (reply == NULL) {
        end(sweep, result->err);
        return;
    }
    sweep->tasks += reply->tasks;
    sweep->chunks += reply->chunks;
    sweep->keys += reply->keys;
    if (!sweep->dry_run) {
        aion_metric_add(aion_metric(&deleted_family, "task"), (int64_t)reply->tasks);
        aion_metric_add(aion_metric(&deleted_family, "chunk"), (int64_t)reply->chunks);
        aion_metric_add(aion_metric(&deleted_family, "key"), (int64_t)reply->keys);
    }
    bool more = reply->more && !sweep->dry_run && !sweep->gone;
    tell(sweep, !more);
    if (more)
        next_batch(sweep);
    else
        end(sweep, NULL);
}

static void next_batch(struct retention_sweep *sweep)
{
    Aion__V1__SweepTasksRequest request = AION__V1__SWEEP_TASKS_REQUEST__INIT;
    Google__Protobuf__Timestamp succeeded, failed, keys;
    retention_timestamp(sweep->cutoffs.succeeded, &succeeded);
    retention_timestamp(sweep->cutoffs.failed, &failed);
    retention_timestamp(sweep->cutoffs.keys, &keys);
    request.succeeded_before = &succeeded;
    request.failed_before = &failed;
    request.keys_before = &keys;
    request.batch_max = (uint32_t)sweep->retention->conf->batch;
    request.dry_run = sweep->dry_run;
    const struct mesh_rpc_opts opts = {.timeout_us = 30000000, .wait_for_ready = true};
    aion_v1_state_sweep_tasks_call(sweep->retention->control, &request, &opts, swept, sweep);
}

static void planned(void *user, const struct mesh_result *result)
{
    struct retention_sweep *sweep = user;
    const Aion__V1__RetentionPlan *message = aion_v1_state_get_retention_plan_result(result);
    struct aion_err err;
    if (message == NULL) {
        end(sweep, result->err);
    } else if (!retention_plan_read(message, &sweep->plan, &err)) {
        end(sweep, &err); /* a plan we do not understand deletes nothing */
    } else {
        sweep->cutoffs = retention_cutoffs(&sweep->plan, aion_clock_utc_us());
        next_batch(sweep);
    }
}

static struct retention_sweep *begin(struct retention *retention, struct mesh_call *call,
                                     bool dry_run)
{
    struct retention_sweep *sweep = calloc(1, sizeof(*sweep));
    Aion__V1__GetPlanRequest request = AION__V1__GET_PLAN_REQUEST__INIT;
    const struct mesh_rpc_opts opts = {.wait_for_ready = true};
    if (sweep == NULL)
        abort(); /* one by the timer, the others by admins' calls, which are bounded */
    sweep->retention = retention;
    sweep->call = call != NULL ? mesh_hold(call) : NULL;
    sweep->dry_run = dry_run;
    sweep->plan = retention_default;
    aion_v1_state_get_retention_plan_call(retention->control, &request, &opts, planned, sweep);
    return sweep;
}

/* -- by the timer --------------------------------------------------------- */

static void on_time(struct mesh_timer *timer);

static void wait_for(struct retention *retention, int64_t due_us)
{
    int64_t look_us = mesh_loop_now(retention->program->loop) + LOOK_US;
    retention->due_us = due_us;
    retention->sweep_timer.fire = on_time;
    mesh_timer_set(retention->program->loop, &retention->sweep_timer,
                   due_us < look_us ? due_us : look_us);
}

static void on_time(struct mesh_timer *timer)
{
    struct retention *retention = aion_container(timer, struct retention, sweep_timer);
    int64_t now_us = mesh_loop_now(retention->program->loop);
    int64_t due_us =
        retention_due(retention->due_us, atomic_exchange(&retention->replanned, 0), now_us);
    if (due_us > now_us)
        wait_for(retention, due_us);
    else if (retention->scheduled == NULL)
        retention->scheduled = begin(retention, NULL, false);
}

void retention_schedule(struct retention *retention, int64_t in_us)
{
    wait_for(retention, mesh_loop_now(retention->program->loop) + in_us);
}

/* -- by a call ------------------------------------------------------------ */

static void retention_sweep(struct mesh_call *call, const Aion__V1__SweepRequest *request)
{
    mesh_set_user(call, begin(mesh_service(call), call, request->dry_run));
}

static void retention_sweep_writable(struct mesh_call *call)
{
    (void)call; /* one small message a batch */
}

static void retention_sweep_done(struct mesh_call *call, bool cancelled)
{
    struct retention_sweep *sweep = mesh_user(call);
    (void)cancelled;
    if (sweep != NULL)
        sweep->gone = true; /* the batch under way ends, then the sweep */
}

/* -- the plan (workers) --------------------------------------------------- */

static const ProtobufCMessage *ask(struct mesh_call *call, int index,
                                   const ProtobufCMessage *request, struct aion_err *err)
{
    struct retention *retention = mesh_service(call);
    return mesh_unary_wait(retention->control, &aion_v1_state_type.methods[index], request,
                           NULL, mesh_arena(call), err);
}

static void retention_get_plan(struct mesh_call *call, const Aion__V1__GetPlanRequest *request)
{
    struct aion_err err;
    const ProtobufCMessage *reply =
        ask(call, AION_V1_STATE_GET_RETENTION_PLAN, &request->base, &err);
    if (reply == NULL)
        mesh_fail_with(call, &err);
    else
        mesh_reply(call, reply);
}

static void fill_duration(int64_t us, Google__Protobuf__Duration *out)
{
    google__protobuf__duration__init(out);
    out->seconds = us / 1000000;
    out->nanos = (int32_t)(us % 1000000) * 1000;
}

static void retention_set_plan(struct mesh_call *call, const Aion__V1__RetentionPlan *request)
{
    struct retention_plan plan;
    struct aion_err err;
    Aion__V1__RetentionPlan whole = AION__V1__RETENTION_PLAN__INIT;
    Google__Protobuf__Duration succeeded, failed, keys, every;
    if (!retention_plan_read(request, &plan, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    fill_duration(plan.keep_succeeded, &succeeded);
    fill_duration(plan.keep_failed, &failed);
    fill_duration(plan.keep_idempotency, &keys);
    fill_duration(plan.sweep_every, &every);
    whole.keep_succeeded = &succeeded;
    whole.keep_failed = &failed;
    whole.keep_idempotency = &keys;
    whole.sweep_every = &every;
    whole.changed_by = aion_arena_text(mesh_arena(call), mesh_principal(call)->subject);
    const ProtobufCMessage *reply =
        ask(call, AION_V1_STATE_PUT_RETENTION_PLAN, &whole.base, &err);
    if (reply == NULL) {
        mesh_fail_with(call, &err);
        return;
    }
    struct retention *retention = mesh_service(call);
    atomic_store(&retention->replanned, plan.sweep_every);
    mesh_reply(call, reply);
}

static const struct aion_v1_retention_server table = AION_V1_RETENTION_SERVER(retention);

void retention_bind(struct retention *retention)
{
    mesh_server_bind(retention->program->server, &aion_v1_retention_type, &table, retention);
}
