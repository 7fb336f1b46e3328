/* rpc Submit: check, decide, commit, answer.
 *
 * The order keeps promises cheap: nothing is written before the router has said where the task
 * runs, so that a refused task leaves no trace; commit 1 holds task, key, decision and event
 * together, and the answer follows it. Is the router away, the task is taken undecided. Repeats
 * of a key are told apart by the store alone, in that same transaction; only a repeat whose
 * intent the policy has meanwhile dropped is looked up before it is refused. */
#include "base/clock.h"
#include "base/rand.h"
#include "control_private.h"

#include <stdlib.h>

enum { UNCLEAR_AGAIN_US = 200000 };

struct submission {
    struct control *control;
    struct mesh_call *call; /* held */
    const Aion__V1__TaskRequest *request;
    struct control_request checked;
    struct aion_uuid id;
    uint64_t seq;
    char id_text[AION_UUID_TEXT];
    aion_str tenant;
    uint8_t digest[32];
    bool has_digest;
    struct control_bytes meta, body, decision;
    struct control_sched_ticket ticket;
    int64_t created_us;
    struct aion_err refusal; /* of the router, while the key is looked up */
    char route[128];         /* of the decision */
    struct store_outbox event;
    bool answered; /* whether it was taken was not clear; its client knows */
    struct mesh_timer again;
    struct aion_link unclear; /* then */
    union {
        struct store_op op;
        struct store_accept accept;
        struct store_key_read key;
    } as;
};

/* -- waiting for the end ------------------------------------------------------------ */
/* A call that is answered when its task is final, or when its time is over. */
struct wait {
    struct control_waiter waiter;
    struct aion_link link; /* in control->submits */
    struct mesh_timer timer;
    struct control *control;
    struct control_task *task; /* one reference */
    struct mesh_call *call;    /* held */
};

static void wait_end(struct wait *wait)
{
    mesh_timer_cancel(wait->control->loop, &wait->timer);
    aion_list_remove(&wait->waiter.link);
    aion_list_remove(&wait->link);
    control_reply_task(wait->control, wait->call, wait->task);
    mesh_drop(wait->call);
    control_task_unref(wait->task);
    free(wait);
}

static void task_ended(struct control_waiter *waiter)
{
    wait_end(aion_container(waiter, struct wait, waiter));
}

static void wait_over(struct mesh_timer *timer)
{
    wait_end(aion_container(timer, struct wait, timer));
}

/* The client is gone: the answer goes nowhere, the task goes on. */
static void client_gone(struct mesh_call *call)
{
    wait_end(mesh_user(call));
}

void control_wait(struct control *control, struct mesh_call *call, struct control_task *task,
                  int64_t wait_us)
{
    struct wait *wait;
    if (control_state_final(task->state) || wait_us <= 0 || control->draining ||
        mesh_ended(call) || (wait = calloc(1, sizeof(*wait))) == NULL) {
        control_reply_task(control, call, task);
        return;
    }
    wait->control = control;
    wait->task = control_task_ref(task);
    wait->call = mesh_hold(call);
    wait->waiter.ended = task_ended;
    wait->timer.fire = wait_over;
    aion_list_add_last(&task->waiters, &wait->waiter.link);
    aion_list_add_last(&control->submits, &wait->link);
    mesh_timer_set(control->loop, &wait->timer, mesh_loop_now(control->loop) + wait_us);
    mesh_set_user(call, wait);
    mesh_on_cancel(call, client_gone);
}

void control_waits_end(struct control *control)
{
    while (!aion_list_empty(&control->submits))
        wait_end(aion_container(control->submits.next, struct wait, link));
}

/* -- ends of a submission ----------------------------------------------------------- */
static void submission_free(struct submission *submission)
{
    control_sched_unreserve(&submission->control->sched, &submission->ticket);
    mesh_timer_cancel(submission->control->loop, &submission->again);
    aion_list_remove(&submission->unclear);
    control_bytes_free(&submission->meta);
    control_bytes_free(&submission->body);
    control_bytes_free(&submission->decision);
    mesh_drop(submission->call);
    free(submission);
}

static void refuse(struct submission *submission, const struct aion_err *err)
{
    control_count(COUNT_REFUSED);
    if (strcmp(err->reason, "SHED") == 0)
        control_count_shed(submission->checked.priority - 1);
    if (!submission->answered)
        mesh_fail_with(submission->call, err);
    submission_free(submission);
}

static void first_found(void *user, struct control_task *task, const struct aion_err *err)
{
    struct submission *submission = user;
    struct aion_err own;
    if (task != NULL) {
        control_wait(submission->control, submission->call, task, submission->checked.wait_us);
    } else if (err->code == AION_NOT_FOUND) {
        aion_err_set(
            &own, __func__, AION_NOT_FOUND,
            "the task of this idempotency key was deleted by retention: use another key");
        aion_err_reason(&own, "TASK_EXPIRED");
        mesh_fail_with(submission->call, &own);
    } else {
        mesh_fail_with(submission->call, err);
    }
    submission_free(submission);
}

static void answer_first(struct submission *submission, const struct aion_uuid *first)
{
    control_count(COUNT_DUPLICATE);
    if (submission->answered)
        submission_free(submission);
    else
        control_find(submission->control, submission->tenant, first, first_found, submission);
}

static void answer_conflict(struct submission *submission, const struct aion_uuid *first)
{
    struct aion_err err;
    char text[AION_UUID_TEXT];
    aion_uuid_text(first, text);
    aion_err_set(&err, __func__, AION_EXISTS,
                 "the %s was used for task %s with another body: use a new one for new work",
                 submission->checked.has_id ? "task_id" : "idempotency_key", text);
    aion_err_reason(&err, "IDEMPOTENCY_KEY_REUSED");
    aion_err_field(&err, submission->checked.has_id ? "task_id" : "idempotency_key");
    if (!submission->answered)
        mesh_trailer(submission->call, "aion-first-task-id", aion_str_of(text));
    refuse(submission, &err);
}

static void answer_taken(struct submission *submission)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_EXISTS, "task_id %s is taken: make another UUID",
                 submission->id_text);
    aion_err_reason(&err, "TASK_ID_TAKEN");
    aion_err_field(&err, "task_id");
    refuse(submission, &err);
}

/* -- commit 1 ----------------------------------------------------------------------- */
static void move_bytes(struct control_bytes *to, struct control_bytes *from)
{
    *to = *from;
    *from = (struct control_bytes){0};
}

static struct control_task *make_task(struct submission *submission)
{
    struct control_task *task = control_task_new(&submission->id, submission->tenant,
                                                 aion_str_of(submission->request->intent));
    task->control = submission->control;
    task->state = submission->decision.size > 0 ? TASK_QUEUED : TASK_ACCEPTED;
    task->priority = submission->checked.priority;
    task->seq = submission->seq;
    task->created_us = task->updated_us = store_seq_us(submission->seq);
    task->deadline_us = submission->checked.deadline_us;
    move_bytes(&task->meta, &submission->meta);
    move_bytes(&task->body, &submission->body);
    move_bytes(&task->decision, &submission->decision);
    task->body_known = true;
    task->ticket = submission->ticket;
    submission->ticket = (struct control_sched_ticket){0};
    return task;
}

/* The acknowledged task begins its life. */
static void taken(struct submission *submission)
{
    struct control *control = submission->control;
    struct control_task *task = make_task(submission);
    control_count(COUNT_ACCEPTED);
    control_count_state(task->state, 1);
    if (!control_cache_add(&control->tasks, task))
        abort(); /* the bounds of the queue are far below the cache's */
    control_deadline_set(control, task);
    if (!submission->answered)
        control_wait(control, submission->call, task, submission->checked.wait_us);
    if (task->state == TASK_QUEUED &&
        control_task_decide(task, control_bytes_view(&task->decision))) {
        control_enqueue(control, task);
    } else {
        aion_list_add_last(&control->unrouted, &task->unrouted);
        control_route_unrouted(control);
    }
    control_task_unref(task);
    submission_free(submission);
}

static void commit(struct submission *submission);

static void try_again(struct mesh_timer *timer)
{
    commit(aion_container(timer, struct submission, again));
}

/* It may be on disk or not: its client is told so, and the very same is submitted until the
 * store can tell. Taken, it must run: its client's repeat will find it. */
static void unclear(struct submission *submission, const struct aion_err *err)
{
    struct control *control = submission->control;
    if (!submission->answered) {
        mesh_fail_with(submission->call, err);
        submission->answered = true;
        aion_list_add_last(&control->unclear, &submission->unclear);
    }
    submission->again.fire = try_again;
    mesh_timer_set(control->loop, &submission->again,
                   mesh_loop_now(control->loop) + UNCLEAR_AGAIN_US);
}

void control_submits_abandon(struct control *control)
{
    aion_list_each_safe (link, &control->unclear) {
        submission_free(aion_container(link, struct submission, unclear));
    }
}

static void answer_fenced(struct submission *submission)
{
    struct aion_err err;
    control_shard_fenced(submission->control, submission->seq);
    aion_err_set(&err, __func__, AION_UNAVAILABLE, "control is stopping: try again");
    refuse(submission, &err);
}

static bool is_unclear(const struct submission *submission, const struct aion_err *err)
{
    return submission->answered || strcmp(err->reason, "STORE_UNCLEAR") == 0;
}

static void accept_done(struct store_op *op, const struct aion_err *err)
{
    struct submission *submission = aion_container(op, struct submission, as.op);
    struct aion_uuid first = submission->as.accept.first;
    if (err != NULL && is_unclear(submission, err)) {
        unclear(submission, err);
        return;
    }
    if (err != NULL) {
        refuse(submission, err);
        return;
    }
    switch (submission->as.accept.write.outcome) {
    case STORE_DONE:
        taken(submission);
        return;
    case STORE_DUPLICATE:
        answer_first(submission, &first);
        return;
    case STORE_TAKEN:
        answer_taken(submission);
        return;
    case STORE_FENCED:
        answer_fenced(submission);
        return;
    case STORE_CONFLICT:
    case STORE_STALE:
    default:
        answer_conflict(submission, &first);
        return;
    }
}

static void commit(struct submission *submission)
{
    struct control *control = submission->control;
    struct aion_err err;
    submission->as.accept = (struct store_accept){
        .write = {.op.done = accept_done,
                  .seq = submission->seq,
                  .epoch = control_shard_epoch(control, submission->seq),
                  .event = &submission->event},
        .id = submission->id,
        .own_id = submission->checked.has_id,
        .tenant = submission->tenant,
        .intent = aion_str_of(submission->request->intent),
        .key = submission->checked.key,
        .digest = submission->has_digest ? aion_str_n(submission->digest, 32) : (aion_str){0},
        .priority = submission->checked.priority,
        .deadline_us = submission->checked.deadline_us,
        .meta = control_bytes_view(&submission->meta),
        .body = control_bytes_view(&submission->body),
        .decision = {aion_str_of(submission->route), control_bytes_view(&submission->decision)},
    };
    control_event_accept(control, &submission->as.accept, &submission->event);
    if (store_accept(control->store, &submission->as.accept, &err))
        return;
    if (submission->answered)
        unclear(submission, &err);
    else
        refuse(submission, &err);
}

/* -- decision ----------------------------------------------------------------------- */
static void key_read(struct store_op *op, const struct aion_err *err)
{
    struct submission *submission = aion_container(op, struct submission, as.op);
    const struct store_key_read *key = &submission->as.key;
    struct aion_uuid first = key->id;
    if (err != NULL || !key->found)
        refuse(submission, err != NULL ? err : &submission->refusal);
    else if (memcmp(key->digest, submission->digest, 32) == 0)
        answer_first(submission, &first);
    else
        answer_conflict(submission, &first);
}

static void refused_by_router(struct submission *submission, const Aion__V1__TaskError *refusal)
{
    aion_err_set(&submission->refusal, __func__, aion_code_of(refusal->code), "%s",
                 refusal->message);
    aion_err_reason(&submission->refusal, refusal->reason);
    if (submission->refusal.code == AION_NOT_FOUND)
        aion_err_field(&submission->refusal, "intent");
    submission->as.key = (struct store_key_read){
        .op.done = key_read, .tenant = submission->tenant, .key = submission->checked.key};
    if (submission->checked.key.size == 0 ||
        !store_key_read(submission->control->store, &submission->as.key, NULL))
        refuse(submission, &submission->refusal);
}

static bool pack(struct control_bytes *bytes, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    bytes->data = size > 0 ? malloc(size) : NULL;
    bytes->size = bytes->data != NULL ? size : 0;
    if (bytes->data != NULL)
        protobuf_c_message_pack(message, (uint8_t *)bytes->data);
    return size == 0 || bytes->data != NULL;
}

/* Now that it is known where it would run: would it wait too long there? */
static bool may_wait(const struct submission *submission, const Aion__V1__Decision *decision,
                     struct aion_err *err)
{
    struct control_sched_place place = {
        .tenant = submission->tenant,
        .pool = aion_str_of(decision->pool),
        .module = aion_str_of(decision->engine != NULL ? decision->engine->module : ""),
        .intent = aion_str_of(submission->request->intent)};
    return control_sched_admit(&submission->control->sched, &place,
                               submission->checked.priority - 1, err);
}

static void decided(void *user, const Aion__V1__Decision *decision,
                    const Aion__V1__TaskError *refusal)
{
    struct submission *submission = user;
    struct aion_err err;
    if (refusal != NULL) {
        refused_by_router(submission, refusal);
        return;
    }
    if (decision != NULL && !may_wait(submission, decision, &err)) {
        refuse(submission, &err);
        return;
    }
    if (decision != NULL && !pack(&submission->decision, &decision->base))
        abort();
    if (decision != NULL && decision->engine != NULL)
        aion_str_copy(submission->route, sizeof(submission->route),
                      aion_str_of(decision->engine->route));
    commit(submission);
}

static void ask_router(struct submission *submission)
{
    const Aion__V1__TaskRequest *from = submission->request;
    Aion__V1__DecideRequest request = AION__V1__DECIDE_REQUEST__INIT;
    char tenant[128];
    aion_str_copy(tenant, sizeof(tenant), submission->tenant);
    request.task_id = submission->id_text;
    request.tenant = tenant;
    request.intent = from->intent;
    request.priority = (Aion__V1__Priority)submission->checked.priority;
    request.sla = from->sla;
    request.preferred_engine = from->preferred_engine;
    request.input_bytes = submission->body.size;
    memcpy(&request.seed, submission->id.bytes + 8, sizeof(request.seed));
    if (!control_router_ask(submission->control->router, &request, decided, submission))
        commit(submission);
}

/* -- the beginning ------------------------------------------------------------------ */
/* The shard: of a client's id, its low six bits; of a key's task, by the key, so that repeats
 * meet; else any. */
static unsigned choose_shard(const struct submission *submission)
{
    const struct control_request *checked = &submission->checked;
    if (checked->has_id)
        return control_shard_of(&checked->id);
    if (checked->key.size == 0)
        return control_shard_any(submission->control);
    uint64_t of_tenant = aion_siphash(0, 0, submission->tenant.data, submission->tenant.size);
    return (unsigned)aion_siphash(of_tenant, 0, checked->key.data, checked->key.size) &
           (STORE_SHARDS - 1);
}

/* Its place, which an id that is made here holds. */
static void choose_id(struct submission *submission)
{
    const struct control_request *checked = &submission->checked;
    unsigned shard = choose_shard(submission);
    submission->seq = control_shard_seq(submission->control, shard, submission->created_us);
    submission->id =
        checked->has_id ? checked->id : aion_uuid_at(store_seq_us(submission->seq), shard);
    aion_uuid_text(&submission->id, submission->id_text);
}

/* The body is kept as the part of HostCommand.Execute that the client determines: dispatch adds
 * its own in front. */
static bool pack_request(struct submission *submission)
{
    const Aion__V1__TaskRequest *request = submission->request;
    Aion__V1__TaskRequest meta = AION__V1__TASK_REQUEST__INIT;
    Aion__V1__HostCommand__Execute body = AION__V1__HOST_COMMAND__EXECUTE__INIT;
    meta.sla = request->sla;
    meta.preferred_engine = request->preferred_engine;
    meta.n_metadata = request->n_metadata;
    meta.metadata = request->metadata;
    body.intent = request->intent;
    body.params = request->params;
    body.input = request->input;
    body.content_type = request->content_type;
    body.privacy =
        request->sla != NULL ? request->sla->privacy : AION__V1__PRIVACY__PRIVACY_UNSPECIFIED;
    return pack(&submission->meta, &meta.base) && pack(&submission->body, &body.base);
}

static bool prepare(struct submission *submission, struct aion_err *err)
{
    struct control *control = submission->control;
    if (control->draining)
        return aion_fail(err, AION_UNAVAILABLE, "control is stopping: try again");
    if (!control_request_check(submission->request, submission->created_us,
                               &submission->checked, err))
        return false;
    choose_id(submission);
    submission->has_digest = submission->checked.has_id || submission->checked.key.size > 0;
    if (submission->has_digest &&
        !control_request_digest(submission->request, submission->digest, &control->scratch,
                                err))
        return false;
    if (!pack_request(submission))
        return aion_fail(err, AION_EXHAUSTED, "control is out of memory");
    size_t bytes = sizeof(struct control_task) + submission->body.size + submission->meta.size;
    return control_sched_reserve(&control->sched, submission->tenant,
                                 submission->checked.priority - 1, bytes, &submission->ticket,
                                 err);
}

/* rpc Submit. Inline. */
void control_submit(struct mesh_call *call, const Aion__V1__TaskRequest *request)
{
    aion_str tenant;
    struct aion_err err;
    if (!control_tenant(call, &tenant))
        return;
    struct submission *submission = calloc(1, sizeof(*submission));
    if (submission == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    submission->control = mesh_service(call);
    submission->call = mesh_hold(call);
    submission->request = request;
    submission->tenant = tenant;
    aion_list_init(&submission->unclear);
    submission->created_us = aion_clock_utc_us();
    if (prepare(submission, &err))
        ask_router(submission);
    else
        refuse(submission, &err);
}
