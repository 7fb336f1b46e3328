/* What was carved from budgets when controls go: that of dead ones is given back to its
 * budgets; and ours, when shards were lost, is read anew.
 *
 * A lease that was lost is the sign for both: this control may have been taken for dead, and
 * its escrow reaped. It was registered again by the lease that told it so, so that what is read
 * now stays. */
#include "control_private.h"

enum {
    ESCROW_ARENA = 64 << 20,
    PAGE = 10000,
    TRIES_MAX = 120, /* a control that lives is no dead one */
};

/* -- ours ---------------------------------------------------------------------------- */
static void read_page(struct control *control);

static void page_read(struct store_op *op, const struct aion_err *err)
{
    struct control *control = aion_container(op, struct control, escrow.read.op);
    struct control_escrow *escrow = &control->escrow;
    struct store_balances *read = &escrow->read;
    for (size_t i = 0; err == NULL && i < read->count; i++) {
        control_budget_escrow(control, &read->balances[i]);
        read->after = read->balances[i].account;
    }
    if (err == NULL && read->more) {
        read_page(control);
        return;
    }
    aion_arena_done(&escrow->arena);
    escrow->reading = false;
    /* a direct task may have ended meanwhile: was its end counted? */
    escrow->due = err != NULL || escrow->again || !control_money_calm(&control->money);
    escrow->again = false;
    if (escrow->due) {
        control_money_reset(&control->money); /* and once more */
        return;
    }
    control_money_open(&control->money);
    control_budgets_want_all(control);
}

static void read_page(struct control *control)
{
    struct control_escrow *escrow = &control->escrow;
    escrow->read.op = (struct store_op){.done = page_read, .arena = &escrow->arena};
    escrow->read.prefix = AION_STR("escrow:");
    escrow->read.limit = PAGE;
    if (store_balances(control->store, &escrow->read, NULL))
        return;
    aion_arena_done(&escrow->arena);
    escrow->reading = false; /* and is due still */
}

static void read_ours(struct control *control)
{
    struct control_escrow *escrow = &control->escrow;
    if (!escrow->due || escrow->reading || !control_shards_awake(control) ||
        !control_money_calm(&control->money))
        return;
    aion_arena_init(&escrow->arena, ESCROW_ARENA, NULL, 0);
    escrow->reading = true;
    escrow->read.after = (aion_str){0};
    read_page(control);
}

void control_escrow_lost(struct control *control)
{
    if (control->money.purses.count == 0)
        return;
    control_money_reset(&control->money);
    control->escrow.due = true;
    control->escrow.again = control->escrow.reading;
    read_ours(control);
}

/* -- that of the dead ---------------------------------------------------------------- */
static bool owns_shards(const struct control *control, const char *replica)
{
    const struct control_book *book = &control->shards.book;
    for (unsigned i = 0; i < book->other_count; i++)
        if (strcmp(book->others[i].id, replica) == 0)
            return true;
    return strcmp(control->money.replica, replica) == 0;
}

void control_escrow_gone(struct control *control, aion_str replica)
{
    struct control_escrow *escrow = &control->escrow;
    unsigned free = ESCROW_GONE_MAX;
    for (unsigned i = 0; i < ESCROW_GONE_MAX; i++) {
        if (aion_str_is(replica, escrow->gone[i]))
            return;
        if (escrow->gone[i][0] == '\0')
            free = i;
    }
    if (free < ESCROW_GONE_MAX && replica.size < sizeof(escrow->gone[0])) {
        aion_str_copy(escrow->gone[free], sizeof(escrow->gone[free]), replica);
        escrow->tries[free] = 0;
    }
}

static void reaped(struct store_op *op, const struct aion_err *err)
{
    struct control *control = aion_container(op, struct control, escrow.reap.op);
    struct control_escrow *escrow = &control->escrow;
    unsigned number = escrow->reaping - 1;
    aion_arena_done(&escrow->reap_arena);
    escrow->reaping = 0;
    if ((err == NULL && escrow->reap.outcome == STORE_DONE) ||
        escrow->tries[number]++ >= TRIES_MAX)
        escrow->gone[number][0] = '\0';
}

static void reap(struct control *control, unsigned number)
{
    struct control_escrow *escrow = &control->escrow;
    aion_arena_init(&escrow->reap_arena, ESCROW_ARENA, NULL, 0);
    escrow->reap = (struct store_reap){.op = {.done = reaped, .arena = &escrow->reap_arena},
                                       .replica = aion_str_of(escrow->gone[number])};
    escrow->reaping = number + 1;
    if (store_reap(control->store, &escrow->reap, NULL))
        return;
    escrow->reaping = 0;
    aion_arena_done(&escrow->reap_arena);
}

void control_escrow_step(struct control *control)
{
    struct control_escrow *escrow = &control->escrow;
    read_ours(control);
    for (unsigned i = 0; escrow->reaping == 0 && i < ESCROW_GONE_MAX; i++) {
        if (escrow->gone[i][0] == '\0')
            continue;
        if (owns_shards(control, escrow->gone[i]))
            escrow->gone[i][0] = '\0';
        else
            reap(control, i);
    }
}
