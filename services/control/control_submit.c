/* rpc Submit and SubmitBatch: orders of a client. */
#include "codec/message.h"
#include "control_private.h"

#include <stdlib.h>

enum { BATCH_MAX = 1000 };

/* -- one ----------------------------------------------------------------------------- */
struct submission {
    struct control_order order;
    struct mesh_call *call; /* held */
};

/* The shard that the request's key or id names. False: it may go to any. */
static bool named_shard(const Aion__V1__TaskRequest *request, aion_str tenant,
                        unsigned *ret_shard)
{
    struct aion_uuid id;
    bool has_id = request->_task_id_case == AION__V1__TASK_REQUEST___TASK_ID_TASK_ID &&
                  aion_uuid_parse(aion_str_of(request->task_id), &id);
    bool has_key = request->_idempotency_key_case ==
                       AION__V1__TASK_REQUEST___IDEMPOTENCY_KEY_IDEMPOTENCY_KEY &&
                   request->idempotency_key[0] != '\0';
    if (has_id)
        *ret_shard = control_shard_of(&id);
    else if (has_key)
        *ret_shard = control_shard_of_key(tenant, aion_str_of(request->idempotency_key));
    return has_id || has_key;
}

/* Whose shard it must be, when it cannot be handled here. */
struct elsewhere {
    unsigned shard;
    bool named; /* by its key or id, by which repeats are known, too */
};

static struct elsewhere place_elsewhere(struct control *control,
                                        const Aion__V1__TaskRequest *request, aion_str tenant)
{
    struct elsewhere to = {.named = named_shard(request, tenant, &to.shard)};
    if (!to.named)
        control_shard_of_others(control, &to.shard);
    return to;
}

/* Without a name it is elsewhere only when nothing here is ours. */
static bool is_elsewhere(struct control *control, const Aion__V1__TaskRequest *request,
                         aion_str tenant)
{
    unsigned shard;
    if (!control->shards.shared)
        return false;
    if (named_shard(request, tenant, &shard))
        return !control_shard_acts(control, shard);
    return control_book_open(&control->shards.book) == 0 || !control_shards_awake(control);
}

/* Its shard was lost on the way, and nothing was written. */
static bool was_lost(const struct mesh_call *call, const struct aion_err *err)
{
    return strcmp(err->reason, "SHARD_ELSEWHERE") == 0 && !control_was_forwarded(call);
}

static void hand_on(struct mesh_call *call, const Aion__V1__TaskRequest *request,
                    aion_str tenant)
{
    struct elsewhere to = place_elsewhere(mesh_service(call), request, tenant);
    control_hand_on(call, to.shard, &request->base, to.named);
}

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
    if (was_lost(call, answer->err)) {
        hand_on(call, order->request, order->tenant);
        return;
    }
    if (answer->first_id != NULL)
        mesh_trailer(call, "aion-first-task-id", aion_str_of(answer->first_id));
    mesh_fail_with(call, answer->err);
}

static void submission_free(struct control_order *order)
{
    struct submission *submission = aion_container(order, struct submission, order);
    struct control *control = order->control;
    mesh_drop(submission->call);
    aion_spares_give(&control->spare_submissions, submission);
}

size_t control_submission_size(void)
{
    return sizeof(struct submission);
}

/* rpc Submit. Inline. */
void control_submit(struct mesh_call *call, const Aion__V1__TaskRequest *request)
{
    struct control *control = mesh_service(call);
    aion_str tenant;
    if (!control_tenant(call, &tenant))
        return;
    if (is_elsewhere(control, request, tenant)) {
        hand_on(call, request, tenant);
        return;
    }
    struct submission *submission = aion_spares_take(&control->spare_submissions);
    if (submission == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    memset(submission, 0, sizeof(*submission));
    submission->call = mesh_hold(call);
    submission->order = (struct control_order){
        .control = control,
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
    struct control *control;
    aion_str tenant;
    size_t waiting; /* parts not answered */
    size_t living;  /* orders and forwards under way: more than parts, for a moment */
    bool full;      /* the answer does not fit in the call's arena */
    struct batch_order *orders;
};

/* A part: an order here, or handed on. */
struct batch_order {
    struct control_order order;
    struct control_forward forward;
    const Aion__V1__TaskRequest *request;
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

static void part_answered(struct batch_order *order)
{
    struct batch *batch = order->batch;
    batch->full |= order->outcome->task == NULL && order->outcome->error == NULL;
    if (--batch->waiting == 0)
        batch_answer(batch);
}

static void part_failed(struct batch_order *order, const struct aion_err *err)
{
    struct store_error error = {(int32_t)err->code, aion_str_of(err->reason),
                                aion_str_of(err->text)};
    order->outcome->error = control_task_error(mesh_arena(order->batch->call), &error);
    if (err->code == AION_DENIED)
        control_audit_failed(mesh_service(order->batch->call), order->batch->call, err);
    part_answered(order);
}

static void part_forward(struct batch_order *order);

static void batch_submitted(struct control_order *base, const struct control_answer *answer)
{
    struct batch_order *order = aion_container(base, struct batch_order, order);
    struct store_task view;
    if (answer->task != NULL) {
        control_task_view(answer->task, &view);
        order->outcome->task =
            control_reply_build(base->control, &view, mesh_arena(order->batch->call));
        part_answered(order);
    } else if (was_lost(order->batch->call, answer->err)) {
        part_forward(order);
    } else {
        part_failed(order, answer->err);
    }
}

static void batch_free(struct batch *batch)
{
    mesh_drop(batch->call);
    free(batch->orders);
    free(batch);
}

static void batch_release(struct batch *batch)
{
    if (--batch->living == 0)
        batch_free(batch);
}

static void batch_order_free(struct control_order *base)
{
    batch_release(aion_container(base, struct batch_order, order)->batch);
}

static void part_place(struct batch_order *order)
{
    struct batch *batch = order->batch;
    batch->living++;
    order->order = (struct control_order){
        .control = batch->control,
        .request = order->request,
        .tenant = batch->tenant,
        .key_id = mesh_principal(batch->call)->key_id,
        .done = batch_submitted,
        .free = batch_order_free,
    };
    control_order_place(&order->order);
}

/* -- parts of other controls --------------------------------------------------------- */
static void part_done(struct control_forward *forward, const struct mesh_result *result)
{
    struct batch_order *order = aion_container(forward, struct batch_order, forward);
    struct batch *batch = order->batch;
    if (result->err != NULL) {
        part_failed(order, result->err);
    } else {
        order->outcome->task = (Aion__V1__Task *)codec_message_copy(
            &aion__v1__task__schema, result->reply, mesh_arena(batch->call));
        part_answered(order);
    }
    batch_release(batch);
}

static void part_here(struct control_forward *forward)
{
    struct batch_order *order = aion_container(forward, struct batch_order, forward);
    struct batch *batch = order->batch;
    part_place(order);
    batch_release(batch);
}

static void part_forward(struct batch_order *order)
{
    struct batch *batch = order->batch;
    struct elsewhere to = place_elsewhere(batch->control, order->request, batch->tenant);
    batch->living++;
    order->forward = (struct control_forward){
        .call = batch->call,
        .method = &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
        .request = &order->request->base,
        .shard = to.shard,
        .repeatable = to.named,
        .done = part_done,
        .here = part_here,
    };
    control_forward(batch->control, &order->forward);
}

static void part_begin(struct batch_order *order)
{
    if (is_elsewhere(order->batch->control, order->request, order->batch->tenant))
        part_forward(order);
    else
        part_place(order);
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
    *batch = (struct batch){.waiting = count, .living = 1, .orders = orders};
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
    batch->control = mesh_service(call);
    batch->tenant = tenant;
    for (size_t i = 0; i < count; i++) {
        batch->orders[i].request = request->requests[i];
        part_begin(&batch->orders[i]);
    }
    batch_release(batch);
}
