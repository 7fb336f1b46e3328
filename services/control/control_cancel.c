/* rpc Cancel: asks for the end of a task, and answers with the task. */
#include "control_private.h"

#include <stdlib.h>

/* The answer waits this much longer than a module has to stop, then says how things stand. */
enum { ANSWER_SLACK_US = 500000 };

struct cancellation {
    struct mesh_call *call; /* held */
    const char *reason;     /* in the call's arena */
};

/* The effect is a write of the task's own, whenever its module stops: what is told is the wish.
 */
static void tell(struct control *control, const struct mesh_call *call,
                 const struct control_task *task, const char *reason)
{
    struct control_deed deed = control_deed_of(call);
    char target[64];
    snprintf(target, sizeof(target), "task/%s", task->id_text);
    deed.target = aion_str_of(target);
    deed.reason = aion_str_of(reason);
    deed.detail = aion_str_of(control_state_name(task->state));
    control_audit_note(control, &deed, "done");
}

static void found(void *user, struct control_task *task, const struct aion_err *err)
{
    struct cancellation *cancellation = user;
    struct mesh_call *call = cancellation->call;
    struct control *control = mesh_service(call);
    if (err != NULL) {
        mesh_fail_with(call, err);
    } else {
        tell(control, call, task, cancellation->reason);
        control_cancel_task(control, task, cancellation->reason);
        control_wait(control, call, task, control->conf->cancel_grace + ANSWER_SLACK_US);
    }
    mesh_drop(call);
    free(cancellation);
}

/* Inline. A final task is answered as it is. */
void control_cancel(struct mesh_call *call, const Aion__V1__CancelRequest *request)
{
    struct aion_uuid id;
    aion_str tenant;
    struct aion_err err;
    if (!control_task_id(call, request->task_id, &id) || !control_task_tenant(call, &tenant))
        return;
    if (strlen(request->reason) > 256) {
        aion_err_set(&err, __func__, AION_INVALID, "reason has %zu bytes, more than 256",
                     strlen(request->reason));
        aion_err_field(&err, "reason");
        mesh_fail_with(call, &err);
        return;
    }
    if (control_elsewhere(call, control_shard_of(&id), &request->base, true))
        return;
    struct cancellation *cancellation = calloc(1, sizeof(*cancellation));
    if (cancellation == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    cancellation->call = mesh_hold(call);
    cancellation->reason = request->reason;
    control_find(mesh_service(call), tenant, &id, found, cancellation);
}
