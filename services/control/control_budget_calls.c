/* The Budgets service: what bounds whom, and how it stands.
 *
 * How it stands is read from the store's books, not from this control's purses: other controls
 * have slices, too. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { CALL_ARENA = 32 << 20, BALANCES_MAX = 100000 };

/* -- who may ------------------------------------------------------------------------- */
static bool may_see(struct mesh_call *call, const struct control_budget *budget)
{
    const struct mesh_principal *principal = mesh_principal(call);
    return principal->role == MESH_ROLE_ADMIN ||
           (budget->tenant[0] != '\0' && aion_str_is(principal->tenant, budget->tenant));
}

static void not_found(struct mesh_call *call, const char *id)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_NOT_FOUND, "there is no budget \"%.64s\"", id);
    aion_err_reason(&err, "BUDGET_NOT_FOUND");
    mesh_fail_with(call, &err);
}

/* -- a call that reads the books ------------------------------------------------------ */
struct book {
    struct control *control;
    struct mesh_call *call; /* held */
    struct aion_arena arena;
    char only[65];   /* one budget, or empty */
    char tenant[65]; /* ListBudgets: of this one, or empty */
    union {
        struct store_op op;
        struct store_balances balances;
        struct store_budget_list list;
        struct store_budget_put put;
    } as;
    void (*known)(struct book *book);
};

static struct book *book_new(struct mesh_call *call)
{
    struct book *book = calloc(1, sizeof(*book));
    if (book == NULL)
        abort();
    book->control = mesh_service(call);
    book->call = mesh_hold(call);
    aion_arena_init(&book->arena, CALL_ARENA, NULL, 0);
    return book;
}

static void book_end(struct book *book, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(book->call, err);
    mesh_drop(book->call);
    aion_arena_done(&book->arena);
    free(book);
}

/* Adds what the account holds to the figure of its kind. Accounts: control_money.h. */
static void add_account(Aion__V1__Budget *budget, aion_str account, const char *purse,
                        int64_t nano_usd)
{
    aion_str rest = account, kind = aion_str_cut(&rest, ':');
    if (!aion_str_is(aion_str_cut(&rest, ':'), purse))
        return;
    if (aion_str_is(kind, "spent"))
        budget->spent_nano_usd += nano_usd;
    else if (aion_str_is(kind, "reserved"))
        budget->reserved_nano_usd += nano_usd;
    else if (aion_str_is(kind, "doubt"))
        budget->doubt_nano_usd += nano_usd;
}

static Aion__V1__Budget *message_of(const struct book *book,
                                    const struct control_budget *budget,
                                    struct aion_arena *arena)
{
    Aion__V1__Budget *message = aion_arena_alloc(arena, sizeof(*message));
    char purse[96];
    int64_t start_s, end_s;
    if (message == NULL)
        return NULL;
    control_period_of(budget->period, aion_clock_utc_us() / 1000000, &start_s, &end_s);
    snprintf(purse, sizeof(purse), "%s@%lld", budget->id, (long long)start_s);
    aion__v1__budget__init(message);
    message->budget_id = aion_arena_text(arena, aion_str_of(budget->id));
    message->tenant = aion_arena_text(arena, aion_str_of(budget->tenant));
    message->key_id = aion_arena_text(arena, aion_str_of(budget->key_id));
    message->intent = aion_arena_text(arena, aion_str_of(budget->intent));
    message->period = (Aion__V1__Budget__Period)budget->period;
    message->limit_nano_usd = budget->limit;
    message->removed = budget->removed;
    message->period_start_s = start_s;
    for (size_t i = 0; i < book->as.balances.count; i++)
        add_account(message, book->as.balances.balances[i].account, purse,
                    book->as.balances.balances[i].nano_usd);
    int64_t taken =
        message->spent_nano_usd + message->reserved_nano_usd + message->doubt_nano_usd;
    message->left_nano_usd = budget->limit > taken ? budget->limit - taken : 0;
    bool good = message->budget_id != NULL && message->tenant != NULL &&
                message->key_id != NULL && message->intent != NULL;
    return good ? message : NULL;
}

/* More accounts than one read gives: figures would be wrong, so none are given. */
static bool is_whole(struct book *book)
{
    if (!book->as.balances.more)
        return true;
    mesh_fail(book->call, AION_EXHAUSTED, "the books hold more than %d accounts", BALANCES_MAX);
    return false;
}

static void one_read(struct store_op *op, const struct aion_err *err)
{
    struct book *book = aion_container(op, struct book, as.op);
    const struct control_budget *budget =
        control_money_find(&book->control->money, aion_str_of(book->only));
    if (err == NULL && budget != NULL && is_whole(book)) {
        const Aion__V1__Budget *reply = message_of(book, budget, &book->arena);
        if (reply != NULL)
            mesh_reply(book->call, &reply->base);
        else
            mesh_fail(book->call, AION_EXHAUSTED, "the budget does not fit in an answer");
    }
    book_end(book, err);
}

static void read_book(struct book *book, store_done_fn *done)
{
    struct aion_err err;
    book->as.balances = (struct store_balances){.op = {.done = done, .arena = &book->arena},
                                                .limit = BALANCES_MAX};
    if (!store_balances(book->control->store, &book->as.balances, &err))
        book_end(book, &err);
}

/* What another control has set a moment ago is known here after the next poll: whoever asks is
 * answered from the store. */
static void definitions_read(struct store_op *op, const struct aion_err *err)
{
    struct book *book = aion_container(op, struct book, as.op);
    if (err != NULL) {
        book_end(book, err);
        return;
    }
    control_budgets_take(book->control, &book->as.list);
    book->known(book);
}

static void read_definitions(struct book *book, void (*known)(struct book *book))
{
    struct aion_err err;
    if (!book->control->shards.shared) {
        known(book);
        return;
    }
    book->known = known;
    book->as.list = (struct store_budget_list){
        .op = {.done = definitions_read, .arena = &book->arena}, .with_removed = true};
    if (!store_budget_list(book->control->store, &book->as.list, &err))
        book_end(book, &err);
}

static void get_known(struct book *book)
{
    const struct control_budget *budget =
        control_money_find(&book->control->money, aion_str_of(book->only));
    if (budget != NULL && may_see(book->call, budget)) {
        read_book(book, one_read);
        return;
    }
    not_found(book->call, book->only);
    book_end(book, NULL);
}

/* rpc GetBudget. Inline. */
void control_get_budget(struct mesh_call *call, const Aion__V1__BudgetRef *request)
{
    if (strlen(request->budget_id) > 64) {
        not_found(call, request->budget_id);
        return;
    }
    struct book *book = book_new(call);
    aion_str_copy(book->only, sizeof(book->only), aion_str_of(request->budget_id));
    read_definitions(book, get_known);
}

/* -- ListBudgets --------------------------------------------------------------------- */
static void all_read(struct store_op *op, const struct aion_err *err)
{
    struct book *book = aion_container(op, struct book, as.op);
    const struct control_money *money = &book->control->money;
    Aion__V1__ListBudgetsReply reply = AION__V1__LIST_BUDGETS_REPLY__INIT;
    size_t cursor = 0;
    const struct control_budget *budget;
    if (err != NULL || !is_whole(book)) {
        book_end(book, err);
        return;
    }
    reply.budgets =
        aion_arena_array(&book->arena, money->budgets.count, sizeof(*reply.budgets));
    while (reply.budgets != NULL &&
           (budget = aion_map_next(&money->budgets, &cursor)) != NULL) {
        if (budget->removed || !may_see(book->call, budget) ||
            (book->tenant[0] != '\0' && strcmp(book->tenant, budget->tenant) != 0))
            continue;
        Aion__V1__Budget *message = message_of(book, budget, &book->arena);
        if (message != NULL)
            reply.budgets[reply.n_budgets++] = message;
    }
    aion_v1_budgets_list_budgets_reply(book->call, &reply);
    book_end(book, NULL);
}

static void list_known(struct book *book)
{
    read_book(book, all_read);
}

/* rpc ListBudgets. Inline. */
void control_list_budgets(struct mesh_call *call, const Aion__V1__ListBudgetsRequest *request)
{
    struct book *book = book_new(call);
    aion_str_copy(book->tenant, sizeof(book->tenant), aion_str_of(request->tenant));
    read_definitions(book, list_known);
}

/* -- SetBudget ----------------------------------------------------------------------- */
static bool refuse(struct aion_err *err, const char *field, const char *text)
{
    aion_err_set(err, __func__, AION_INVALID, "%s", text);
    aion_err_field(err, "%s", field);
    return false;
}

static bool good_id(const char *id)
{
    size_t size = strlen(id);
    if (size < 1 || size > 64 || id[0] == '.' || id[0] == '_' || id[0] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!((id[i] >= 'a' && id[i] <= 'z') || (id[i] >= '0' && id[i] <= '9') ||
              id[i] == '.' || id[i] == '_' || id[i] == '-'))
            return false;
    return true;
}

static bool check(const Aion__V1__Budget *request, struct aion_err *err)
{
    int period = (int)request->period;
    if (!good_id(request->budget_id))
        return refuse(
            err, "budget_id",
            "budget_id is 1 to 64 of a-z 0-9 . _ -, and begins with one of the first");
    if (period < PERIOD_HOUR || period > PERIOD_TOTAL)
        return refuse(err, "period",
                      "period is PERIOD_HOUR, PERIOD_DAY, PERIOD_MONTH or PERIOD_TOTAL");
    if (request->limit_nano_usd < 0)
        return refuse(err, "limit_nano_usd", "the limit is below 0");
    if (strlen(request->tenant) > 64)
        return refuse(err, "tenant", "tenant has more than 64 bytes");
    if (strlen(request->key_id) > 31)
        return refuse(err, "key_id", "key_id has more than 31 bytes");
    if (strlen(request->intent) > 64)
        return refuse(err, "intent", "intent has more than 64 bytes");
    return true;
}

static void budget_put(struct store_op *op, const struct aion_err *err)
{
    struct book *book = aion_container(op, struct book, as.op);
    struct control_budget budget;
    if (err != NULL) {
        book_end(book, err);
        return;
    }
    control_budget_of(&book->as.put.budget, &budget);
    if (!control_money_set(&book->control->money, &budget)) {
        mesh_fail(book->call, AION_EXHAUSTED, "there are %d budgets already",
                  (int)MONEY_BUDGETS_MAX);
        book_end(book, NULL);
        return;
    }
    aion_str_copy(book->only, sizeof(book->only), aion_str_of(budget.id));
    read_book(book, one_read);
}

static void describe_change(const struct control *control, const Aion__V1__Budget *request,
                            char *out, size_t size)
{
    const struct control_budget *before =
        control_money_find(&control->money, aion_str_of(request->budget_id));
    if (before == NULL || before->removed)
        snprintf(out, size, "new, limit %lld nano-USD", (long long)request->limit_nano_usd);
    else
        snprintf(out, size, "limit %lld -> %lld nano-USD%s", (long long)before->limit,
                 (long long)request->limit_nano_usd, request->removed ? ", removed" : "");
}

/* rpc SetBudget. Inline. */
void control_set_budget(struct mesh_call *call, const Aion__V1__Budget *request)
{
    struct aion_err err;
    if (!check(request, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct book *book = book_new(call);
    book->as.put = (struct store_budget_put){
        .op = {.done = budget_put, .arena = &book->arena},
        .budget = {.id = aion_str_of(request->budget_id),
                   .tenant = aion_str_of(request->tenant),
                   .key_id = aion_str_of(request->key_id),
                   .intent = aion_str_of(request->intent),
                   .period =
                       aion_str_of(control_period_name((enum control_period)request->period)),
                   .limit_nano_usd = request->limit_nano_usd,
                   .at_us = aion_clock_utc_us(),
                   .changed_by = mesh_principal(call)->subject,
                   .removed = request->removed},
    };
    struct control_deed deed = control_deed_of(call);
    char detail[160], target[80];
    describe_change(book->control, request, detail, sizeof(detail));
    snprintf(target, sizeof(target), "budget/%s", request->budget_id);
    deed.target = aion_str_of(target);
    deed.detail = aion_str_of(detail);
    if (!control_audit_effect(book->control, &deed, &book->as.op, STORE_BUDGET_PUT, &err))
        book_end(book, &err);
}
