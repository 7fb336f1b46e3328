/* From what was asked for to a task that is kept.
 *
 * The order keeps promises cheap: nothing is written before the router has said where the task
 * runs, so that a refused task leaves no trace; commit 1 holds task, key, decision, what was
 * reserved of its budgets, and event together, and the answer follows it. Is the router away,
 * the task is taken undecided. Repeats of a key are told apart by the store alone, in that same
 * transaction; only a repeat that the policy, its budgets or the load would refuse by now is
 * looked up before.
 *
 * Money: the router is told what the budgets have left and takes a route that fits; the cost is
 * reserved when the decision is here. If others were faster, it is asked again with what is
 * left then, so that a task is refused for money only when no route is cheap enough. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/rand.h"
#include "codec/message.h"
#include "control_private.h"

#include <stdlib.h>

enum {
    UNCLEAR_AGAIN_US = 200000,
    ROUNDS_MAX = 4, /* of asking for money, the router or the store */
    MOVES_MAX = 4,  /* to another shard */
    DECISION_ARENA = 131072,
    CHARGE_TEXT_MAX = 1024,
};

/* -- ends ---------------------------------------------------------------------------- */
/* Its shard need not wait for it any more. */
static void leave_shard(struct control_order *order)
{
    if (order->epoch != 0)
        control_shard_written(order->control, order->seq);
    order->epoch = 0;
}

/* The shard is ours since it was chosen: it may leave, but not before the order has ended. */
static bool has_shard(const struct control_order *order)
{
    return control_shard_has(order->control, store_seq_shard(order->seq)) &&
           control_shard_epoch(order->control, order->seq) == order->epoch;
}

static void order_free(struct control_order *order)
{
    leave_shard(order);
    control_sched_unreserve(&order->control->sched, &order->ticket);
    control_money_unreserve(&order->charge);
    mesh_timer_cancel(order->control->loop, &order->again);
    aion_list_remove(&order->unclear);
    control_bytes_free(&order->meta);
    control_bytes_free(&order->body);
    control_bytes_free(&order->decision);
    free(order->entries);
    aion_arena_done(&order->arena);
    order->free(order);
}

static void answer(struct control_order *order, struct control_task *task,
                   const struct aion_err *err, const char *first_id)
{
    struct control_answer answer = {task, err, first_id, order->checked.wait_us};
    if (!order->answered)
        order->done(order, &answer);
    order->answered = true;
}

static void refuse_with(struct control_order *order, const struct aion_err *err,
                        const char *first_id)
{
    control_count(COUNT_REFUSED);
    control_ops_refused(order->control, order->tenant, err);
    control_arrival(order, err);
    if (strcmp(err->reason, "SHED") == 0)
        control_count_shed(order->checked.priority - 1);
    answer(order, NULL, err, first_id);
    order_free(order);
}

static void refuse(struct control_order *order, const struct aion_err *err)
{
    refuse_with(order, err, NULL);
}

static void first_found(void *user, struct control_task *task, const struct aion_err *err)
{
    struct control_order *order = user;
    struct aion_err own;
    if (task == NULL && err->code == AION_NOT_FOUND) {
        aion_err_set(
            &own, __func__, AION_NOT_FOUND,
            "the task of this idempotency key was deleted by retention: use another key");
        aion_err_reason(&own, "TASK_EXPIRED");
        err = &own;
    }
    answer(order, task, err, NULL);
    order_free(order);
}

static void answer_first(struct control_order *order, const struct aion_uuid *first)
{
    control_count(COUNT_DUPLICATE);
    if (order->answered)
        order_free(order);
    else
        control_find(order->control, order->tenant, first, first_found, order);
}

static void answer_conflict(struct control_order *order, const struct aion_uuid *first)
{
    struct aion_err err;
    char text[AION_UUID_TEXT];
    aion_uuid_text(first, text);
    aion_err_set(&err, __func__, AION_EXISTS,
                 "the %s was used for task %s with another body: use a new one for new work",
                 order->checked.has_id ? "task_id" : "idempotency_key", text);
    aion_err_reason(&err, "IDEMPOTENCY_KEY_REUSED");
    aion_err_field(&err, order->checked.has_id ? "task_id" : "idempotency_key");
    refuse_with(order, &err, text);
}

static void answer_taken(struct control_order *order)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_EXISTS, "task_id %s is taken: make another UUID",
                 order->id_text);
    aion_err_reason(&err, "TASK_ID_TAKEN");
    aion_err_field(&err, "task_id");
    refuse(order, &err);
}

static void key_read(struct store_op *op, const struct aion_err *err)
{
    struct control_order *order = aion_container(op, struct control_order, as.op);
    const struct store_key_read *key = &order->as.key;
    struct aion_uuid first = key->id;
    if (err != NULL || !key->found)
        refuse(order, err != NULL ? err : &order->refusal);
    else if (memcmp(key->digest, order->digest, 32) == 0)
        answer_first(order, &first);
    else
        answer_conflict(order, &first);
}

/* Refused, unless it repeats what was taken before. */
static void refuse_news(struct control_order *order, const struct aion_err *err)
{
    order->refusal = *err;
    order->as.key = (struct store_key_read){
        .op.done = key_read, .tenant = order->tenant, .key = order->checked.key};
    if (order->checked.key.size == 0 ||
        !store_key_read(order->control->store, &order->as.key, NULL))
        refuse(order, &order->refusal);
}

/* -- commit 1 ------------------------------------------------------------------------ */
static void move_bytes(struct control_bytes *to, struct control_bytes *from)
{
    *to = *from;
    *from = (struct control_bytes){0};
}

static struct control_task *make_task(struct control_order *order)
{
    struct control_task *task =
        control_task_new(&order->id, order->tenant, aion_str_of(order->request->intent));
    task->control = order->control;
    task->state = order->decision.size > 0 ? TASK_QUEUED : TASK_ACCEPTED;
    task->priority = order->checked.priority;
    task->seq = order->seq;
    task->created_us = task->updated_us = store_seq_us(order->seq);
    task->deadline_us = order->checked.deadline_us;
    control_bytes_set(&task->key_id, order->key_id);
    move_bytes(&task->meta, &order->meta);
    move_bytes(&task->body, &order->body);
    move_bytes(&task->decision, &order->decision);
    task->body_known = true;
    task->ticket = order->ticket;
    order->ticket = (struct control_sched_ticket){0};
    if (order->direct)
        control_money_lend(&order->charge);
    else
        control_money_kept(&order->charge);
    task->charge = order->charge;
    order->charge = (struct control_charge){.count = 0};
    return task;
}

/* It was taken, and its shard was lost before we heard of it: the new owner has it. */
static void taken_elsewhere(struct control_order *order)
{
    struct control_task *task = make_task(order);
    control_count(COUNT_ACCEPTED);
    control_sched_unreserve(&order->control->sched, &task->ticket);
    control_money_forget(&task->charge);
    task->forgotten = task->settling = true;
    answer(order, task, NULL, NULL);
    control_task_unref(task);
    order_free(order);
}

static void enter(struct control_order *order, struct control_task *task)
{
    struct control *control = order->control;
    control_count(COUNT_ACCEPTED);
    control_ops_accepted(control, task, order->request);
    control_count_state(task->state, 1);
    control_shard_add(control, task);
    if (!control_cache_add(&control->tasks, task))
        abort(); /* the bounds of the queue are far below the cache's */
    control_deadline_set(control, task);
}

static void keep_decision(struct control_order *order, const Aion__V1__Decision *decision)
{
    if (!control_pack(&order->decision, &decision->base))
        abort();
    if (decision->engine != NULL)
        aion_str_copy(order->route, sizeof(order->route), aion_str_of(decision->engine->route));
}

/* The acknowledged task begins its life. */
static void taken(struct control_order *order)
{
    struct control *control = order->control;
    if (!has_shard(order)) {
        taken_elsewhere(order);
        return;
    }
    struct control_task *task = make_task(order);
    enter(order, task);
    answer(order, task, NULL, NULL);
    if (task->state == TASK_QUEUED &&
        control_task_decide(task, control_bytes_view(&task->decision))) {
        control_enqueue(control, task);
    } else {
        aion_list_add_last(&control->unrouted, &task->unrouted);
        control_route_unrouted(control);
    }
    control_task_unref(task);
    order_free(order);
}

/* No commit 1: it runs, and its call hears of it when it has ended. */
static void run_directly(struct control_order *order)
{
    const struct control_error malformed = {.code = AION_INTERNAL,
                                            .reason = "DECISION_MALFORMED",
                                            .message = "the router's decision is malformed"};
    struct control_task *task = make_task(order);
    control_direct_make(order, task);
    enter(order, task);
    if (control_task_decide(task, control_bytes_view(&task->decision)))
        control_direct_begin(task);
    else
        control_finish(order->control, task, TASK_CANCEL, &malformed);
    answer(order, task, NULL, NULL);
    control_task_unref(task);
    order_free(order);
}

static void commit(struct control_order *order);
static void move(struct control_order *order);

/* It is decided and paid for: into its lane. */
static void go(struct control_order *order, const Aion__V1__Decision *decision)
{
    struct aion_err err;
    keep_decision(order, decision);
    if (!order->direct)
        commit(order);
    else if (!has_shard(order) || !control_shards_awake(order->control))
        move(order);
    else if (control_direct_room(order->control, &err))
        run_directly(order);
    else
        refuse(order, &err);
}

static void try_again(struct mesh_timer *timer)
{
    commit(aion_container(timer, struct control_order, again));
}

/* It may be on disk or not: its client is told so, and the very same is submitted until the
 * store can tell. Taken, it must run: its client's repeat will find it. */
static void unclear(struct control_order *order, const struct aion_err *err)
{
    struct control *control = order->control;
    if (!order->answered)
        aion_list_add_last(&control->unclear, &order->unclear);
    answer(order, NULL, err, NULL);
    order->again.fire = try_again;
    mesh_timer_set(control->loop, &order->again,
                   mesh_loop_now(control->loop) + UNCLEAR_AGAIN_US);
}

void control_orders_abandon(struct control *control)
{
    aion_list_each_safe (link, &control->unclear) {
        order_free(aion_container(link, struct control_order, unclear));
    }
}

static void refuse_elsewhere(struct control_order *order)
{
    struct aion_err err;
    control_shard_elsewhere(&err);
    refuse(order, &err);
}

/* Its shard is another control's. Nothing was written, unless that was not clear before: then
 * what it reserved may be in the books, and is not given out again. */
static void fenced(struct control_order *order)
{
    control_shard_fenced(order->control, order->seq, order->epoch);
    if (order->answered) {
        control_money_forget(&order->charge);
        order_free(order);
    } else {
        move(order);
    }
}

static bool is_unclear(const struct control_order *order, const struct aion_err *err)
{
    return order->answered || strcmp(err->reason, "STORE_UNCLEAR") == 0;
}

static void accept_done(struct store_op *op, const struct aion_err *err)
{
    struct control_order *order = aion_container(op, struct control_order, as.op);
    struct aion_uuid first = order->as.accept.first;
    if (err != NULL && is_unclear(order, err)) {
        unclear(order, err);
        return;
    }
    if (err != NULL) {
        refuse(order, err);
        return;
    }
    switch (order->as.accept.write.outcome) {
    case STORE_DONE:
        control_events_wrote(order->control, &order->as.accept.write);
        aion_failpoint("control/after_commit_before_ack");
        taken(order);
        return;
    case STORE_DUPLICATE:
        answer_first(order, &first);
        return;
    case STORE_TAKEN:
        answer_taken(order);
        return;
    case STORE_FENCED:
        fenced(order);
        return;
    case STORE_CONFLICT:
    case STORE_STALE:
    default:
        answer_conflict(order, &first);
        return;
    }
}

static void commit(struct control_order *order)
{
    struct control *control = order->control;
    struct aion_err err;
    if (!order->answered && (!has_shard(order) || !control_shards_awake(control))) {
        move(order);
        return;
    }
    order->as.accept = (struct store_accept){
        .write = {.op.done = accept_done,
                  .seq = order->seq,
                  .epoch = order->epoch,
                  .event = &order->event,
                  .entries = order->entries,
                  .entry_count = order->entry_count},
        .id = order->id,
        .own_id = order->checked.has_id,
        .tenant = order->tenant,
        .intent = aion_str_of(order->request->intent),
        .key = order->checked.key,
        .digest = order->has_digest ? aion_str_n(order->digest, 32) : (aion_str){0},
        .key_id = order->key_id,
        .priority = order->checked.priority,
        .deadline_us = order->checked.deadline_us,
        .meta = control_bytes_view(&order->meta),
        .body = control_bytes_view(&order->body),
        .decision = {aion_str_of(order->route), control_bytes_view(&order->decision)},
    };
    control_event_accept(control, &order->as.accept, &order->event);
    if (store_accept(control->store, &order->as.accept, &err))
        return;
    if (order->answered)
        unclear(order, &err);
    else
        refuse(order, &err);
}

/* -- money --------------------------------------------------------------------------- */
static void ask_router(struct control_order *order);
static void reserve(struct control_order *order);

static void money_came(struct control_money_wait *wait, const struct aion_err *err)
{
    struct control_order *order = aion_container(wait, struct control_order, money);
    if (err != NULL)
        refuse(order, err);
    else if (order->decided != NULL)
        reserve(order);
    else
        ask_router(order);
}

static void wait_for_money(struct control_order *order, struct control_purse *purse,
                           int64_t amount)
{
    order->money =
        (struct control_money_wait){.purse = purse, .amount = amount, .came = money_came};
    control_budget_want(order->control, &order->money);
}

/* What was reserved is told in the stored decision, so that a start knows it. */
static void keep_charge(struct control_order *order)
{
    struct aion_buf text;
    aion_buf_init(&text, CHARGE_TEXT_MAX);
    control_charge_print(&order->charge, &text);
    order->decided->charge = aion_arena_text(&order->arena, aion_buf_view(&text));
    if (order->decided->charge == NULL)
        abort(); /* a task that forgets what it reserved would never give it back */
    aion_buf_done(&text);
}

static void no_money(struct control_order *order, const struct control_purse *purse)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_EXHAUSTED,
                 "budget \"%s\" has too little left in this period: raise its limit or wait",
                 purse->budget.id);
    aion_err_reason(&err, "BUDGET_EXHAUSTED");
    aion_str_copy(order->limit_id, sizeof(order->limit_id), aion_str_of(purse->budget.id));
    refuse_news(order, &err);
}

static void reserve(struct control_order *order)
{
    struct control *control = order->control;
    struct control_entries entries = {.count = 0};
    struct control_purse *purse;
    int64_t cost = order->decided->cost_estimate_nano_usd;
    enum control_reserved got = control_money_reserve(
        &control->money, &order->charge, cost, mesh_loop_now(control->loop), &entries, &purse);
    if (got == MONEY_RESERVED) {
        order->entries = control_entries_keep(&entries, &order->entry_count);
        keep_charge(order);
        go(order, order->decided);
    } else if (order->rounds++ >= ROUNDS_MAX) {
        no_money(order, purse);
    } else if (got == MONEY_CARVE) {
        wait_for_money(order, purse, cost);
    } else {
        order->decided = NULL;
        ask_router(order); /* another route may cost less */
    }
}

/* -- decision ------------------------------------------------------------------------ */
static void refused_by_router(struct control_order *order, const Aion__V1__TaskError *refusal)
{
    aion_err_set(&order->refusal, __func__, aion_code_of(refusal->code), "%s",
                 refusal->message);
    aion_err_reason(&order->refusal, refusal->reason);
    if (order->refusal.code == AION_NOT_FOUND)
        aion_err_field(&order->refusal, "intent");
    const struct control_purse *tightest = control_money_tightest(&order->charge);
    if (tightest != NULL && strcmp(refusal->reason, "BUDGET_EXHAUSTED") == 0)
        aion_str_copy(order->limit_id, sizeof(order->limit_id),
                      aion_str_of(tightest->budget.id));
    refuse_news(order, &order->refusal);
}

/* Now that it is known where it would run: would it wait too long there? */
static bool may_wait(const struct control_order *order, const Aion__V1__Decision *decision,
                     struct aion_err *err)
{
    char labels[TASK_LABELS_MAX];
    if (decision->engine == NULL || !control_decision_labels(decision, labels))
        return true; /* malformed: that is found when it is read */
    struct control_sched_place place = {.tenant = order->tenant,
                                        .pool = aion_str_of(decision->pool),
                                        .module = aion_str_of(decision->engine->module),
                                        .intent = aion_str_of(order->request->intent),
                                        .labels = aion_str_of(labels)};
    return control_sched_admit(&order->control->sched, &place, order->checked.priority - 1,
                               err);
}

static void decided(void *user, const Aion__V1__Decision *decision,
                    const Aion__V1__TaskError *refusal)
{
    struct control_order *order = user;
    struct aion_err err;
    order->direct = decision != NULL && control_direct_fits(order, decision);
    if (refusal != NULL) {
        refused_by_router(order, refusal);
    } else if (decision == NULL) {
        commit(order);
    } else if (!may_wait(order, decision, &err)) {
        refuse_news(order, &err);
    } else if (order->charge.count == 0 || decision->cost_estimate_nano_usd == 0) {
        go(order, decision);
    } else {
        aion_arena_reset(&order->arena);
        order->decided = (Aion__V1__Decision *)codec_message_copy(
            &aion__v1__decision__schema, &decision->base, &order->arena);
        if (order->decided == NULL)
            abort(); /* DECISION_ARENA holds what one message of the router may be */
        reserve(order);
    }
}

static void ask_router(struct control_order *order)
{
    const Aion__V1__TaskRequest *from = order->request;
    Aion__V1__DecideRequest request = AION__V1__DECIDE_REQUEST__INIT;
    char tenant[128];
    aion_str_copy(tenant, sizeof(tenant), order->tenant);
    request.task_id = order->id_text;
    request.tenant = tenant;
    request.intent = from->intent;
    request.priority = (Aion__V1__Priority)order->checked.priority;
    request.sla = from->sla;
    request.preferred_engine = from->preferred_engine;
    request.input_bytes = order->body.size;
    memcpy(&request.seed, order->id.bytes + 8, sizeof(request.seed));
    if (order->charge.count > 0) {
        request._money_left_nano_usd_case =
            AION__V1__DECIDE_REQUEST___MONEY_LEFT_NANO_USD_MONEY_LEFT_NANO_USD;
        request.money_left_nano_usd = control_money_left(&order->charge);
    }
    if (!control_router_ask(order->control->router, &request, decided, order))
        commit(order);
}

/* A purse that the store was never asked about says nothing of what is left. */
static struct control_purse *unheard(const struct control_charge *charge)
{
    for (unsigned i = 0; i < charge->count; i++)
        if (charge->purses[i]->central < 0)
            return charge->purses[i];
    return NULL;
}

static void begin(struct control_order *order)
{
    struct aion_err err;
    struct control *control = order->control;
    if (!control_money_fit(&control->money, order->tenant, order->key_id,
                           aion_str_of(order->request->intent), order->created_us / 1000000,
                           &order->charge)) {
        aion_err_set(&err, __func__, AION_EXHAUSTED,
                     "more than %d budgets bound this task, or control keeps too many",
                     (int)MONEY_FIT_MAX);
        aion_err_reason(&err, "BUDGETS_TOO_MANY");
        refuse(order, &err);
        return;
    }
    struct control_purse *purse = unheard(&order->charge);
    if (purse != NULL && order->rounds++ < ROUNDS_MAX)
        wait_for_money(order, purse, 0);
    else
        ask_router(order);
}

/* -- the beginning ------------------------------------------------------------------- */
/* The shard: of a client's id, its low six bits; of a key's task, by the key, so that repeats
 * meet; of a replay, its letter's; else any. */
static bool choose_shard(const struct control_order *order, unsigned *ret_shard)
{
    const struct control_request *checked = &order->checked;
    if (order->beside != NULL) {
        *ret_shard = control_shard_of(order->beside);
        return control_shard_opened(order->control, *ret_shard);
    }
    if (!checked->has_id && checked->key.size == 0)
        return control_shard_any(order->control, ret_shard);
    *ret_shard = checked->has_id ? control_shard_of(&checked->id)
                                 : control_shard_of_key(order->tenant, checked->key);
    return control_shard_opened(order->control, *ret_shard);
}

/* Its place, which an id that is made here holds. False: it is not ours to give. */
static bool choose_id(struct control_order *order)
{
    const struct control_request *checked = &order->checked;
    unsigned shard;
    if (!control_shards_awake(order->control) || !choose_shard(order, &shard))
        return false;
    order->seq = control_shard_seq(order->control, shard, order->created_us);
    order->id = checked->has_id ? checked->id : aion_uuid_at(store_seq_us(order->seq), shard);
    aion_uuid_text(&order->id, order->id_text);
    order->epoch = control_shard_epoch(order->control, order->seq);
    control_shard_writes(order->control, order->seq);
    return true;
}

/* The shard was given away before it was submitted, or the store refused it: one that may go to
 * any begins anew in another, for its decision rests on its id. */
static void move(struct control_order *order)
{
    const struct control_request *checked = &order->checked;
    leave_shard(order);
    control_money_unreserve(&order->charge);
    free(order->entries);
    order->entries = NULL;
    order->entry_count = 0;
    control_bytes_free(&order->decision);
    order->route[0] = '\0';
    order->decided = NULL;
    if (checked->has_id || checked->key.size > 0 || order->moves++ >= MOVES_MAX ||
        !choose_id(order))
        refuse_elsewhere(order);
    else
        begin(order);
}

/* The body is kept as the part of HostCommand.Execute that the client determines: dispatch adds
 * its own in front. */
static bool pack_request(struct control_order *order)
{
    const Aion__V1__TaskRequest *request = order->request;
    Aion__V1__TaskMeta meta = AION__V1__TASK_META__INIT;
    Aion__V1__HostCommand__Execute body = AION__V1__HOST_COMMAND__EXECUTE__INIT;
    char *replay_of = (char *)(uintptr_t)order->replay_of;
    meta.sla = request->sla;
    meta.preferred_engine = request->preferred_engine;
    meta.n_metadata = request->n_metadata;
    meta.metadata = (Aion__V1__TaskMeta__MetadataEntry **)request->metadata;
    if (replay_of != NULL)
        meta.replay_of = replay_of;
    body.intent = request->intent;
    body.params = request->params;
    body.input = request->input;
    body.content_type = request->content_type;
    body.privacy =
        request->sla != NULL ? request->sla->privacy : AION__V1__PRIVACY__PRIVACY_UNSPECIFIED;
    return control_pack(&order->meta, &meta.base) && control_pack(&order->body, &body.base);
}

static bool prepare(struct control_order *order, struct aion_err *err)
{
    struct control *control = order->control;
    if (control->draining)
        return aion_fail(err, AION_UNAVAILABLE, "control is stopping: try again");
    if (!control_request_check(order->request, order->created_us, &order->checked, err))
        return false;
    if (!choose_id(order)) {
        control_shard_elsewhere(err);
        return false;
    }
    order->has_digest = order->checked.has_id || order->checked.key.size > 0;
    if (order->has_digest &&
        !control_request_digest(order->request, order->digest, &control->scratch, err))
        return false;
    if (!pack_request(order))
        return aion_fail(err, AION_EXHAUSTED, "control is out of memory");
    size_t bytes = sizeof(struct control_task) + order->body.size + order->meta.size;
    return control_sched_reserve(&control->sched, order->tenant, order->checked.priority - 1,
                                 bytes, &order->ticket, err);
}

void control_order_place(struct control_order *order)
{
    struct aion_err err;
    aion_list_init(&order->unclear);
    aion_list_init(&order->money.link);
    aion_arena_init(&order->arena, DECISION_ARENA, NULL, 0);
    order->created_us = aion_clock_utc_us();
    if (prepare(order, &err))
        begin(order);
    else
        refuse(order, &err);
}
