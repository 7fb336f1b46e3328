/* rpc Submit and SubmitBatch: orders of a client. */
#include "control_private.h"

#include <stdlib.h>

enum { BATCH_MAX = 1000 };

/* -- one ----------------------------------------------------------------------------- */
struct submission {
    struct control_order order;
    struct mesh_call *call; /* held */
};

static void submitted(struct control_order *order, const struct control_answer *answer)
{
    struct mesh_call *call = aion_container(order, struct submission, order)->call;
    if (answer->task != NULL && answer->task->direct != NULL) {
        control_direct_wait(call, answer->task);
        return;
    }
    if (answer->task != NULL) {
        control_wait(order->control, call, answer->task, answer->wait_us);
        return;
    }
    if (answer->first_id != NULL)
        mesh_trailer(call, "aion-first-task-id", aion_str_of(answer->first_id));
    mesh_fail_with(call, answer->err);
}

static void submission_free(struct control_order *order)
{
    struct submission *submission = aion_container(order, struct submission, order);
    mesh_drop(submission->call);
    free(submission);
}

/* rpc Submit. Inline. */
void control_submit(struct mesh_call *call, const Aion__V1__TaskRequest *request)
{
    aion_str tenant;
    if (!control_tenant(call, &tenant))
        return;
    struct submission *submission = calloc(1, sizeof(*submission));
    if (submission == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    submission->call = mesh_hold(call);
    submission->order = (struct control_order){
        .control = mesh_service(call),
        .request = request,
        .tenant = tenant,
        .key_id = mesh_principal(call)->key_id,
        .waits = true,
        .done = submitted,
        .free = submission_free,
    };
    control_order_place(&submission->order);
}

/* -- many ---------------------------------------------------------------------------- */
struct batch {
    struct mesh_call *call; /* held */
    Aion__V1__SubmitBatchReply reply;
    size_t waiting; /* orders not answered */
    size_t living;  /* orders not free */
    bool full;      /* the answer does not fit in the call's arena */
    struct batch_order *orders;
};

struct batch_order {
    struct control_order order;
    struct batch *batch;
    Aion__V1__SubmitBatchReply__Outcome *outcome; /* in the call's arena */
};

static void batch_answer(struct batch *batch)
{
    if (batch->full)
        mesh_fail(
            batch->call, AION_EXHAUSTED,
            "the answer is too large: what was taken is in ListTasks; send fewer at once");
    else
        aion_v1_aion_tasks_submit_batch_reply(batch->call, &batch->reply);
}

static void batch_submitted(struct control_order *base, const struct control_answer *answer)
{
    struct batch_order *order = aion_container(base, struct batch_order, order);
    struct batch *batch = order->batch;
    struct aion_arena *arena = mesh_arena(batch->call);
    if (answer->task != NULL) {
        struct store_task view;
        control_task_view(answer->task, &view);
        order->outcome->task = control_reply_build(base->control, &view, arena);
    } else {
        const struct aion_err *err = answer->err;
        struct store_error error = {(int32_t)err->code, aion_str_of(err->reason),
                                    aion_str_of(err->text)};
        order->outcome->error = control_task_error(arena, &error);
        if (err->code == AION_DENIED)
            control_audit_failed(base->control, batch->call, err);
    }
    batch->full |= order->outcome->task == NULL && order->outcome->error == NULL;
    if (--batch->waiting == 0)
        batch_answer(batch);
}

static void batch_free(struct batch *batch)
{
    mesh_drop(batch->call);
    free(batch->orders);
    free(batch);
}

static void batch_order_free(struct control_order *base)
{
    struct batch *batch = aion_container(base, struct batch_order, order)->batch;
    if (--batch->living == 0)
        batch_free(batch);
}

static bool check_batch(const Aion__V1__SubmitBatchRequest *request, struct aion_err *err)
{
    if (request->n_requests == 0 || request->n_requests > BATCH_MAX) {
        aion_err_set(err, __func__, AION_INVALID, "requests has %zu parts: give 1 to %d",
                     request->n_requests, (int)BATCH_MAX);
        aion_err_field(err, "requests");
        return false;
    }
    for (size_t i = 0; i < request->n_requests; i++)
        if (request->requests[i]->wait != NULL) {
            aion_err_set(err, __func__, AION_INVALID,
                         "a batch does not wait for its tasks: leave `wait` out");
            aion_err_field(err, "requests[%zu].wait", i);
            return false;
        }
    return true;
}

static struct batch *batch_new(struct mesh_call *call, size_t count)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    struct aion_arena *arena = mesh_arena(call);
    Aion__V1__SubmitBatchReply__Outcome *outcomes =
        aion_arena_array(arena, count, sizeof(*outcomes));
    Aion__V1__SubmitBatchReply__Outcome **pointers =
        aion_arena_array(arena, count, sizeof(*pointers));
    struct batch_order *orders = calloc(count, sizeof(*orders));
    if (batch == NULL || orders == NULL || outcomes == NULL || pointers == NULL) {
        free(batch);
        free(orders);
        return NULL;
    }
    *batch = (struct batch){.waiting = count, .living = count, .orders = orders};
    aion__v1__submit_batch_reply__init(&batch->reply);
    batch->reply.outcomes = pointers;
    batch->reply.n_outcomes = count;
    for (size_t i = 0; i < count; i++) {
        aion__v1__submit_batch_reply__outcome__init(&outcomes[i]);
        pointers[i] = &outcomes[i];
        orders[i].batch = batch;
        orders[i].outcome = &outcomes[i];
    }
    return batch;
}

/* rpc SubmitBatch: each is taken or refused by itself; those that are decided in one round of
 * the loop are committed together. Inline. */
void control_submit_batch(struct mesh_call *call, const Aion__V1__SubmitBatchRequest *request)
{
    aion_str tenant;
    struct aion_err err;
    size_t count = request->n_requests;
    if (!control_tenant(call, &tenant))
        return;
    if (!check_batch(request, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct batch *batch = batch_new(call, count);
    if (batch == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory: send fewer at once");
        return;
    }
    batch->call = mesh_hold(call);
    for (size_t i = 0; i < count; i++) { /* the last one's end frees the batch */
        struct batch_order *order = &batch->orders[i];
        order->order = (struct control_order){
            .control = mesh_service(call),
            .request = request->requests[i],
            .tenant = tenant,
            .key_id = mesh_principal(call)->key_id,
            .done = batch_submitted,
            .free = batch_order_free,
        };
        control_order_place(&order->order);
    }
}
