/* Tasks that were taken while the router was away: asked for when it is back, a bounded number
 * at a time, and then as an order is: what they cost is reserved with the decision, in one
 * write. */
#include "base/clock.h"
#include "codec/message.h"
#include "control_private.h"

#include <stdlib.h>

enum { AT_ONCE = 256, ASK_ARENA = 65536, DECISION_ARENA = 131072 };

/* -- decided ------------------------------------------------------------------------- */
static void route_done(struct control_write *write)
{
    struct control_task *task = write->task;
    task->deciding = false;
    control_money_kept(&task->charge);
    if (write->as.write.outcome != STORE_DONE)
        return; /* it was cancelled meanwhile */
    control_move(write->control, task, TASK_ROUTE);
    if (task->settling)
        return;
    control_enqueue(write->control, task);
}

static void write_route(struct control *control, struct control_task *task,
                        const Aion__V1__Decision *decision,
                        const struct control_entries *entries)
{
    control_bytes_free(&task->decision);
    if (!control_pack(&task->decision, &decision->base))
        abort();
    if (!control_task_decide(task, control_bytes_view(&task->decision))) {
        struct control_error error = {AION_INTERNAL, "DECISION_MALFORMED",
                                      "the router's decision names no module"};
        task->deciding = false;
        control_finish(control, task, TASK_FAIL, &error);
        return;
    }
    struct control_write *write = control_write_new(control, task, STORE_ROUTE, route_done);
    aion_str_copy(write->route, sizeof(write->route), aion_str_of(decision->engine->route));
    write->as.route = (struct store_route){
        .at_us = aion_clock_utc_us(),
        .decision = {aion_str_of(write->route), control_bytes_view(&task->decision)}};
    write->entries = control_entries_keep(entries, &write->as.write.entry_count);
    write->as.write.entries = write->entries;
    control_write_submit(write);
}

/* -- money --------------------------------------------------------------------------- */
/* A task that waits for a purse; then it is asked for again. */
struct money {
    struct control_money_wait wait;
    struct control_task *task; /* one reference */
};

static void ask_again(struct control *control, struct control_task *task)
{
    task->deciding = false;
    if (!task->settling && task->state == TASK_ACCEPTED)
        aion_list_add_first(&control->unrouted, &task->unrouted);
    control_route_unrouted(control);
}

static void money_came(struct control_money_wait *wait, const struct aion_err *err)
{
    struct money *money = aion_container(wait, struct money, wait);
    struct control_task *task = money->task;
    (void)err; /* the store is down: the next question finds that out */
    free(money);
    ask_again(task->control, task);
    control_task_unref(task);
}

static void wait_for_money(struct control *control, struct control_task *task,
                           struct control_purse *purse, int64_t amount)
{
    struct money *money = calloc(1, sizeof(*money));
    if (money == NULL)
        abort();
    money->task = control_task_ref(task);
    money->wait =
        (struct control_money_wait){.purse = purse, .amount = amount, .came = money_came};
    control_budget_want(control, &money->wait);
}

static void keep_charge(struct control_task *task, Aion__V1__Decision *decision,
                        struct aion_arena *arena)
{
    struct aion_buf text;
    aion_buf_init(&text, 1024);
    control_charge_print(&task->charge, &text);
    decision->charge = aion_arena_text(arena, aion_buf_view(&text));
    if (decision->charge == NULL)
        abort();
    aion_buf_done(&text);
}

static void reserve(struct control *control, struct control_task *task,
                    const Aion__V1__Decision *decision)
{
    struct control_entries entries = {.count = 0};
    struct control_purse *purse;
    struct aion_arena arena;
    enum control_reserved got =
        control_money_reserve(&control->money, &task->charge, decision->cost_estimate_nano_usd,
                              mesh_loop_now(control->loop), &entries, &purse);
    if (got != MONEY_RESERVED) {
        if (got == MONEY_CARVE)
            wait_for_money(control, task, purse, decision->cost_estimate_nano_usd);
        else
            ask_again(control, task); /* another route may cost less, or the router refuses */
        return;
    }
    aion_arena_init(&arena, DECISION_ARENA, NULL, 0);
    Aion__V1__Decision *own = (Aion__V1__Decision *)codec_message_copy(
        &aion__v1__decision__schema, &decision->base, &arena);
    if (own == NULL)
        abort();
    keep_charge(task, own, &arena);
    write_route(control, task, own, &entries);
    aion_arena_done(&arena);
}

/* -- asking -------------------------------------------------------------------------- */
static void refused(struct control *control, struct control_task *task,
                    const Aion__V1__TaskError *refusal)
{
    struct control_error error;
    control_error_set(&error, refusal->code, aion_str_of(refusal->reason),
                      aion_str_of(refusal->message));
    task->deciding = false;
    control_finish(control, task, TASK_FAIL, &error);
}

static void decided(void *user, const Aion__V1__Decision *decision,
                    const Aion__V1__TaskError *refusal)
{
    static const struct control_entries none = {.count = 0};
    struct control_task *task = user;
    struct control *control = task->control;
    control->unrouted_asked--;
    if (task->settling || task->state != TASK_ACCEPTED) {
        task->deciding = false;
    } else if (refusal != NULL) {
        refused(control, task, refusal);
    } else if (decision == NULL) {
        task->deciding = false;
        aion_list_add_first(&control->unrouted, &task->unrouted);
    } else if (task->charge.count > 0 && decision->cost_estimate_nano_usd > 0) {
        reserve(control, task, decision);
    } else {
        write_route(control, task, decision, &none);
    }
    control_task_unref(task);
    control_route_unrouted(control);
}

static void fill_money(struct control *control, struct control_task *task,
                       Aion__V1__DecideRequest *request)
{
    if (!control_money_fit(&control->money, task->tenant, control_bytes_view(&task->key_id),
                           task->intent, task->created_us / 1000000, &task->charge))
        task->charge.count =
            0; /* budgets came since it was taken: it is not refused for them */
    if (task->charge.count == 0)
        return;
    request->_money_left_nano_usd_case =
        AION__V1__DECIDE_REQUEST___MONEY_LEFT_NANO_USD_MONEY_LEFT_NANO_USD;
    request->money_left_nano_usd = control_money_left(&task->charge);
}

/* The size of the input is not kept apart; the body's is near it, and policies compare it with
 * bounds in KiB. */
static bool ask_for(struct control *control, struct control_task *task)
{
    Aion__V1__DecideRequest request = AION__V1__DECIDE_REQUEST__INIT;
    char tenant[128], intent[80];
    struct aion_arena arena;
    char first[4096];
    aion_arena_init(&arena, ASK_ARENA, first, sizeof(first));
    const Aion__V1__TaskMeta *meta = (const Aion__V1__TaskMeta *)codec_unpack(
        &aion__v1__task_meta__schema, control_bytes_view(&task->meta), NULL, &arena, NULL);
    aion_str_copy(tenant, sizeof(tenant), task->tenant);
    aion_str_copy(intent, sizeof(intent), task->intent);
    request.task_id = task->id_text;
    request.tenant = tenant;
    request.intent = intent;
    request.priority = (Aion__V1__Priority)task->priority;
    request.input_bytes = task->body.size;
    memcpy(&request.seed, task->id.bytes + 8, sizeof(request.seed));
    if (meta != NULL) {
        request.sla = meta->sla;
        request.preferred_engine = meta->preferred_engine;
    }
    fill_money(control, task, &request);
    bool asked = control_router_ask(control->router, &request, decided, control_task_ref(task));
    if (!asked)
        control_task_unref(task);
    aion_arena_done(&arena);
    return asked;
}

void control_route_unrouted(struct control *control)
{
    while (control_router_here(control->router) && control->unrouted_asked < AT_ONCE &&
           !aion_list_empty(&control->unrouted)) {
        struct control_task *task =
            aion_container(control->unrouted.next, struct control_task, unrouted);
        if (!ask_for(control, task))
            return;
        control->unrouted_asked++;
        task->deciding = true;
        aion_list_remove(&task->unrouted);
    }
}
