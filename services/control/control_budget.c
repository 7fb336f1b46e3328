#include "control_private.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    LOAD_ARENA = 64 << 20,
    BALANCES_PAGE = 10000,
    IDLE_EVERY_US = 5000000,
    IDLE_US = 10000000, /* without a reservation, with other controls alive */
    CARVE_ARENA = 4096,
};

/* -- definitions --------------------------------------------------------------------- */
static const char *const periods[] = {"", "hour", "day", "month", "total"};

const char *control_period_name(enum control_period period)
{
    return periods[period];
}

static enum control_period period_of(aion_str name)
{
    for (int i = PERIOD_HOUR; i <= PERIOD_TOTAL; i++)
        if (aion_str_is(name, periods[i]))
            return (enum control_period)i;
    return PERIOD_TOTAL; /* the strictest reading of what a newer control wrote */
}

void control_budget_of(const struct store_budget *stored, struct control_budget *budget)
{
    *budget = (struct control_budget){.period = period_of(stored->period),
                                      .limit = stored->limit_nano_usd,
                                      .removed = stored->removed};
    aion_str_copy(budget->id, sizeof(budget->id), stored->id);
    aion_str_copy(budget->tenant, sizeof(budget->tenant), stored->tenant);
    aion_str_copy(budget->key_id, sizeof(budget->key_id), stored->key_id);
    aion_str_copy(budget->intent, sizeof(budget->intent), stored->intent);
}

/* -- loading ------------------------------------------------------------------------- */
static bool load_definitions(struct control *control, struct aion_arena *arena,
                             struct aion_err *err)
{
    struct store_budget_list list = {.op.arena = arena, .with_removed = true};
    if (!store_budget_list_wait(control->store, &list, err))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        struct control_budget budget;
        control_budget_of(&list.budgets[i], &budget);
        if (!control_money_set(&control->money, &budget))
            return aion_fail(err, AION_EXHAUSTED, "the store holds more than %d budgets",
                             (int)MONEY_BUDGETS_MAX);
    }
    return true;
}

/* "escrow:P:REPLICA", with P = "BUDGET@START": of this replica it is what its purses hold; of
 * one that owns nothing it may be what a dead one held. */
void control_budget_escrow(struct control *control, const struct store_balance *balance)
{
    aion_str rest = balance->account, purse;
    aion_str_cut(&rest, ':');
    purse = aion_str_cut(&rest, ':');
    if (rest.data != NULL && aion_str_is(rest, control->money.replica))
        control_money_restore(&control->money, purse, balance->nano_usd);
    else if (rest.data != NULL && balance->nano_usd != 0)
        control_escrow_gone(control, rest);
}

static bool load_escrow(struct control *control, struct aion_arena *arena, struct aion_err *err)
{
    struct store_balances read = {
        .op.arena = arena, .prefix = AION_STR("escrow:"), .limit = BALANCES_PAGE};
    do {
        if (!store_balances_wait(control->store, &read, err))
            return false;
        for (size_t i = 0; i < read.count; i++) {
            control_budget_escrow(control, &read.balances[i]);
            read.after = read.balances[i].account;
        }
    } while (read.more);
    return true;
}

bool control_budgets_load(struct control *control, struct aion_err *err)
{
    struct aion_arena arena;
    aion_arena_init(&arena, LOAD_ARENA, NULL, 0);
    bool good = load_definitions(control, &arena, err) && load_escrow(control, &arena, err);
    aion_arena_done(&arena);
    return good;
}

/* -- carving ------------------------------------------------------------------------- */
struct carving {
    struct store_carve carve;
    struct control *control;
    struct control_purse *purse;
    struct aion_arena arena;
};

/* Those that come may want more of another purse: taken out first. */
static void tell_waiting(struct control *control, const struct control_purse *purse,
                         const struct aion_err *err)
{
    struct aion_link told;
    aion_list_init(&told);
    aion_list_each_safe (link, &control->money_waits) {
        if (aion_container(link, struct control_money_wait, link)->purse != purse)
            continue;
        aion_list_remove(link);
        aion_list_add_last(&told, link);
    }
    struct aion_link *link;
    while ((link = aion_list_first(&told)) != NULL) {
        struct control_money_wait *wait = aion_container(link, struct control_money_wait, link);
        aion_list_remove(link);
        wait->came(wait, err);
    }
}

static void carved(struct store_op *op, const struct aion_err *err)
{
    struct carving *carving = aion_container(op, struct carving, carve.op);
    struct control *control = carving->control;
    struct control_purse *purse = carving->purse;
    if (err == NULL)
        control_purse_carved(purse, carving->carve.carved_nano_usd,
                             carving->carve.left_nano_usd);
    purse->wanted = 0;
    purse->carving = false;
    aion_arena_done(&carving->arena);
    free(carving);
    tell_waiting(control, purse, err);
}

static void carve(struct control *control, struct control_purse *purse)
{
    struct aion_err err;
    struct carving *carving = calloc(1, sizeof(*carving));
    if (carving == NULL)
        abort();
    int64_t want = control_purse_want(purse, control->shards.book.replicas);
    aion_arena_init(&carving->arena, CARVE_ARENA, NULL, 0);
    carving->control = control;
    carving->purse = purse;
    carving->carve = (struct store_carve){
        .op = {.done = carved, .arena = &carving->arena},
        .budget = aion_str_of(purse->name),
        .replica = aion_str_of(control->money.replica),
        .limit_nano_usd = purse->budget.limit,
        .want_nano_usd = want > 0 ? want : 1,
    };
    purse->carving = true;
    if (store_carve(control->store, &carving->carve, &err))
        return;
    purse->carving = false;
    aion_arena_done(&carving->arena);
    free(carving);
    tell_waiting(control, purse, &err);
}

void control_budget_want(struct control *control, struct control_money_wait *wait)
{
    struct control_purse *purse = wait->purse;
    purse->wanted += wait->amount;
    aion_list_add_last(&control->money_waits, &wait->link);
    if (!purse->carving && !control->escrow.due)
        carve(control, purse);
}

static struct control_purse *not_asked_for(struct control *control)
{
    aion_list_each (link, &control->money_waits) {
        struct control_purse *purse =
            aion_container(link, struct control_money_wait, link)->purse;
        if (!purse->carving)
            return purse;
    }
    return NULL;
}

/* A carve that is refused tells those who wait for it: they are looked through anew. */
void control_budgets_want_all(struct control *control)
{
    struct control_purse *purse;
    while ((purse = not_asked_for(control)) != NULL)
        carve(control, purse);
}

/* -- giving back --------------------------------------------------------------------- */
struct giving {
    struct store_uncarve uncarve;
    struct control *control;
    struct control_purse *purse;
    struct aion_arena arena;
};

static void given(struct store_op *op, const struct aion_err *err)
{
    struct giving *giving = aion_container(op, struct giving, uncarve.op);
    struct control_purse *purse = giving->purse;
    if (err != NULL)
        purse->escrow += giving->uncarve.nano_usd; /* not moved: it is ours still */
    else
        purse->central = giving->uncarve.left_nano_usd;
    purse->carving = false;
    tell_waiting(giving->control, purse, NULL);
    aion_arena_done(&giving->arena);
    free(giving);
}

static void give_back(struct control *control, struct control_purse *purse, int64_t amount)
{
    struct giving *giving = calloc(1, sizeof(*giving));
    if (giving == NULL)
        return;
    aion_arena_init(&giving->arena, CARVE_ARENA, NULL, 0);
    giving->control = control;
    giving->purse = purse;
    giving->uncarve = (struct store_uncarve){
        .op = {.done = given, .arena = &giving->arena},
        .budget = aion_str_of(purse->name),
        .replica = aion_str_of(control->money.replica),
        .nano_usd = amount,
    };
    purse->escrow -= amount;
    purse->carving = true;
    if (store_uncarve(control->store, &giving->uncarve, NULL))
        return;
    purse->escrow += amount;
    purse->carving = false;
    aion_arena_done(&giving->arena);
    free(giving);
}

/* A control that is alone keeps what it has: nobody else wants it. */
static void idle_tick(struct mesh_timer *timer)
{
    struct control *control = aion_container(timer, struct control, money_tick);
    int64_t now_us = mesh_loop_now(control->loop);
    size_t cursor = 0;
    struct control_purse *purse;
    mesh_timer_set(control->loop, timer, now_us + IDLE_EVERY_US);
    if (control->shards.book.replicas < 2 || control->escrow.due)
        return;
    while ((purse = aion_map_next(&control->money.purses, &cursor)) != NULL) {
        int64_t idle = control_purse_idle(purse, now_us, IDLE_US);
        if (idle > 0)
            give_back(control, purse, idle);
    }
}

void control_budgets_begin(struct control *control)
{
    control->money_tick.fire = idle_tick;
    mesh_timer_set(control->loop, &control->money_tick,
                   mesh_loop_now(control->loop) + IDLE_EVERY_US);
}

void control_budgets_done(struct control *control)
{
    mesh_timer_cancel(control->loop, &control->money_tick);
    control_money_done(&control->money);
}

/* -- entries of writes --------------------------------------------------------------- */
struct store_entry *control_entries_keep(const struct control_entries *entries,
                                         size_t *ret_count)
{
    *ret_count = entries->count;
    if (entries->count == 0)
        return NULL;
    size_t head = entries->count * sizeof(struct store_entry);
    struct store_entry *kept = calloc(1, head + entries->count * MONEY_ACCOUNT_MAX);
    if (kept == NULL)
        abort();
    char *texts = (char *)kept + head;
    for (unsigned i = 0; i < entries->count; i++, texts += MONEY_ACCOUNT_MAX) {
        aion_str_copy(texts, MONEY_ACCOUNT_MAX, aion_str_of(entries->all[i].account));
        kept[i] = (struct store_entry){aion_str_of(texts), entries->all[i].nano_usd};
    }
    return kept;
}

/* What an attempt cost its module says; a success of which it says nothing costs what was
 * reserved for it, the price of its route. */
void control_charge_settle(struct control *control, struct control_write *write,
                           enum control_event event)
{
    struct control_task *task = write->task;
    struct control_entries entries = {.count = 0};
    if (task->charge.amount == 0)
        return;
    if (event == TASK_SUCCEED && task->usage.cost_nano_usd == 0)
        task->usage.cost_nano_usd = write->as.finish.usage.cost_nano_usd = task->charge.amount;
    if (task->state == TASK_IN_DOUBT)
        control_money_settle_doubt(&control->money, &task->charge, task->usage.cost_nano_usd,
                                   &entries);
    else
        control_money_settle(&control->money, &task->charge, task->usage.cost_nano_usd,
                             &entries);
    write->entries = control_entries_keep(&entries, &write->as.write.entry_count);
    write->as.write.entries = write->entries;
}
