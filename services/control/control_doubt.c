/* Attempts nobody knows the end of, of routes that must not be repeated (`repeat: unsafe`).
 *
 * The host went away with it, or its module died while it worked: it may have done what cannot
 * be done twice. Such a task is IN_DOUBT: its money stays set aside, nothing is tried again,
 * until the host comes back with the result after all, or a person says what became of it. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

/* -- into doubt ------------------------------------------------------------------------ */
static void doubt_done(struct control_write *write)
{
    struct control *control = write->control;
    struct control_task *task = write->task;
    task->settling = false;
    if (write->as.write.outcome != STORE_DONE)
        return; /* it ended meanwhile */
    control->pending_bytes -= task->log.pending_bytes;
    control_log_commit(&task->log, write->cursor);
    control_task_set_error(task, &write->error);
    if (task->host != NULL)
        control_host_settled(task->host, task, NULL, task->reported);
    control_attempt_leave(task);
    control_move_at(control, task, TASK_DOUBT, write->as.retry.at_us);
    control_watchers_wake(task);
    control_hosts_pause(control);
}

static void doubt_chunks(struct control_write *write)
{
    control_write_chunks(write, &write->as.retry.chunks, &write->as.retry.count);
}

static void set_entries(struct control_write *write, const struct control_entries *entries)
{
    write->entries = control_entries_keep(entries, &write->as.write.entry_count);
    write->as.write.entries = write->entries;
}

static void doubt(struct control *control, struct control_task *task,
                  const struct control_error *error)
{
    struct control_entries entries = {.count = 0};
    struct control_write *write = control_write_new(control, task, STORE_RETRY, doubt_done);
    task->settling = true;
    control_due_never(control, task);
    write->error = *error;
    write->as.retry = (struct store_retry){
        .token = {task->epoch, task->attempt},
        .at_us = aion_clock_utc_us(),
        .doubt = true,
        .error = {write->error.code, aion_str_of(write->error.reason),
                  aion_str_of(write->error.message)},
    };
    control_money_doubt(&control->money, &task->charge, &entries);
    set_entries(write, &entries);
    write->prepare = doubt_chunks;
    control_write_end(write);
}

void control_outcome_unknown(struct control *control, struct control_task *task,
                             const struct control_error *error)
{
    if (task->repeat_unsafe && !task->cancelling)
        doubt(control, task, error);
    else
        control_retry(control, task, error);
}

/* -- out of it -------------------------------------------------------------------------- */
static void resolved_done(struct control_write *write)
{
    struct control *control = write->control;
    struct control_task *task = write->task;
    task->settling = false;
    if (write->as.write.outcome != STORE_DONE)
        return;
    control_move(control, task, TASK_REQUEUE);
    control_enqueue(control, task);
}

void control_doubt_requeue(struct control *control, struct control_task *task)
{
    struct control_entries entries = {.count = 0};
    struct control_write *write = control_write_new(control, task, STORE_MARK, resolved_done);
    task->settling = true;
    write->as.mark = (struct store_mark){
        .number = ++task->marks,
        .kind = STORE_MARK_RESOLVED,
        .attempt = task->attempt,
        .at_us = aion_clock_utc_us(),
        .note = AION_STR("it did not run"),
    };
    control_money_undoubt(&control->money, &task->charge, &entries);
    set_entries(write, &entries);
    control_write_submit(write);
}

bool control_is_doubted(const struct control_task *task, const Aion__V1__AttemptToken *token)
{
    return task != NULL && task->state == TASK_IN_DOUBT && task->attempt == token->attempt &&
           task->epoch == token->epoch;
}

/* -- rpc ResolveDoubt --------------------------------------------------------------------- */
struct resolving {
    struct mesh_call *call; /* held */
    const Aion__V1__ResolveDoubtRequest *request;
};

static void tell(struct control *control, const struct resolving *resolving,
                 const struct control_task *task)
{
    static const char *const words[] = {"", "did not run", "succeeded", "failed"};
    struct control_deed deed = control_deed_of(resolving->call);
    char target[64];
    snprintf(target, sizeof(target), "task/%s", task->id_text);
    deed.target = aion_str_of(target);
    deed.detail = aion_str_of(words[resolving->request->outcome]);
    deed.reason = aion_str_of(resolving->request->reason);
    control_audit_note(control, &deed, "done");
}

static void take_outcome(struct control *control, struct control_task *task,
                         const Aion__V1__ResolveDoubtRequest *request)
{
    struct control_error error = {.code = AION_ABORTED, .reason = "RESOLVED_FAILED"};
    task->usage.cost_nano_usd += request->cost_nano_usd;
    snprintf(error.message, sizeof(error.message), "%.255s",
             request->reason[0] != '\0' ? request->reason : "it had failed");
    if (request->outcome == AION__V1__RESOLVE_DOUBT_REQUEST__OUTCOME__OUTCOME_FAILED) {
        control_finish(control, task, TASK_FAIL, &error);
        return;
    }
    control_bytes_free(&task->result);
    if (request->result != NULL && !control_pack(&task->result, &request->result->base))
        abort();
    task->stream_digest_known = false;
    control_finish(control, task, TASK_SUCCEED, NULL);
}

static void resolve(struct control *control, struct resolving *resolving,
                    struct control_task *task)
{
    const Aion__V1__ResolveDoubtRequest *request = resolving->request;
    struct aion_err err;
    if (task->state != TASK_IN_DOUBT || task->settling) {
        aion_err_set(&err, __func__, AION_PRECONDITION, "task %s is %s, not in doubt",
                     task->id_text, control_state_name(task->state));
        aion_err_reason(&err, "NOT_IN_DOUBT");
        mesh_fail_with(resolving->call, &err);
        return;
    }
    tell(control, resolving, task);
    if (request->outcome == AION__V1__RESOLVE_DOUBT_REQUEST__OUTCOME__OUTCOME_DID_NOT_RUN) {
        control_doubt_requeue(control, task);
        control_reply_task(control, resolving->call, task);
    } else {
        take_outcome(control, task, request);
        control_wait(control, resolving->call, task, 10000000);
    }
}

static void found(void *user, struct control_task *task, const struct aion_err *err)
{
    struct resolving *resolving = user;
    if (err != NULL)
        mesh_fail_with(resolving->call, err);
    else
        resolve(mesh_service(resolving->call), resolving, task);
    mesh_drop(resolving->call);
    free(resolving);
}

static bool check(const Aion__V1__ResolveDoubtRequest *request, struct aion_err *err)
{
    int outcome = (int)request->outcome;
    if (outcome < 1 || outcome > 3) {
        aion_err_set(err, __func__, AION_INVALID,
                     "outcome is OUTCOME_DID_NOT_RUN, OUTCOME_SUCCEEDED or OUTCOME_FAILED");
        aion_err_field(err, "outcome");
        return false;
    }
    if (request->cost_nano_usd < 0 || strlen(request->reason) > 256) {
        aion_err_set(err, __func__, AION_INVALID,
                     "cost_nano_usd is not below 0, and reason has at most 256 bytes");
        aion_err_field(err, request->cost_nano_usd < 0 ? "cost_nano_usd" : "reason");
        return false;
    }
    return true;
}

/* Inline. */
void control_resolve_doubt(struct mesh_call *call, const Aion__V1__ResolveDoubtRequest *request)
{
    struct aion_uuid id;
    aion_str tenant;
    struct aion_err err;
    if (!control_task_id(call, request->task_id, &id) || !control_task_tenant(call, &tenant))
        return;
    if (!check(request, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct resolving *resolving = calloc(1, sizeof(*resolving));
    if (resolving == NULL)
        abort();
    resolving->call = mesh_hold(call);
    resolving->request = request;
    control_find(mesh_service(call), tenant, &id, found, resolving);
}
