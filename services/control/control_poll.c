/* Small tables of the store that another control may have changed: read again and again, so
 * that what was set through one is in force at all within a second. */
#include "control_private.h"

enum { EVERY_US = 1000000, POLL_ARENA = 16 << 20 };

static void set_timer(struct control *control)
{
    mesh_timer_set(control->loop, &control->polls.timer,
                   mesh_loop_now(control->loop) + EVERY_US);
}

static void poll_over(struct control *control)
{
    aion_arena_done(&control->polls.arena);
    control->polls.reading = false;
    set_timer(control);
}

static bool same_budget(const struct control_budget *a, const struct control_budget *b)
{
    return strcmp(a->tenant, b->tenant) == 0 && strcmp(a->key_id, b->key_id) == 0 &&
           strcmp(a->intent, b->intent) == 0 && a->period == b->period &&
           a->limit == b->limit && a->removed == b->removed;
}

/* More than MONEY_BUDGETS_MAX are refused where they are set. */
void control_budgets_take(struct control *control, const struct store_budget_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct control_budget budget;
        control_budget_of(&list->budgets[i], &budget);
        const struct control_budget *known =
            control_money_find(&control->money, aion_str_of(budget.id));
        if (known == NULL || !same_budget(known, &budget))
            (void)!control_money_set(&control->money, &budget);
    }
}

static void holds_read(struct store_op *op, const struct aion_err *err)
{
    struct control *control = aion_container(op, struct control, polls.as.op);
    if (err == NULL) {
        control_holds_take(control, &control->polls.as.holds);
        control_drains_take(control, &control->polls.as.holds);
    }
    poll_over(control);
}

static void budgets_read(struct store_op *op, const struct aion_err *err)
{
    struct control *control = aion_container(op, struct control, polls.as.op);
    struct control_polls *polls = &control->polls;
    if (err == NULL)
        control_budgets_take(control, &polls->as.budgets);
    polls->round++;
    polls->as.holds =
        (struct store_hold_list){.op = {.done = holds_read, .arena = &polls->arena}};
    if (err != NULL || !store_hold_list(control->store, &polls->as.holds, NULL))
        poll_over(control);
}

static void plan_read(struct store_op *op, const struct aion_err *err)
{
    struct control *control = aion_container(op, struct control, polls.as.op);
    struct control_polls *polls = &control->polls;
    if (err == NULL && polls->as.plan.plan.revision > control->plan.revision)
        control_plan_set(control, &polls->as.plan.plan);
    polls->as.budgets = (struct store_budget_list){
        .op = {.done = budgets_read, .arena = &polls->arena}, .with_removed = true};
    if (err != NULL || !store_budget_list(control->store, &polls->as.budgets, NULL))
        poll_over(control);
}

static void poll(struct mesh_timer *timer)
{
    struct control *control = aion_container(timer, struct control, polls.timer);
    struct control_polls *polls = &control->polls;
    control_escrow_step(control);
    aion_arena_init(&polls->arena, POLL_ARENA, NULL, 0);
    polls->as.plan =
        (struct store_plan_read){.op = {.done = plan_read, .arena = &polls->arena}};
    polls->reading = store_plan_read(control->store, &polls->as.plan, NULL);
    if (!polls->reading)
        poll_over(control);
}

void control_polls_begin(struct control *control)
{
    control->polls.timer.fire = poll;
    if (control->shards.shared)
        set_timer(control);
}

void control_polls_done(struct control *control)
{
    mesh_timer_cancel(control->loop, &control->polls.timer);
}
