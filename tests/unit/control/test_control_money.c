/* Goal: what is given out never exceeds what was carved, every change balances, and each budget
 * that fits bounds a task. Method: a model of the store's side (what is left of each budget)
 * beside the purses, cases by hand and random ones; all entries are added up by account. */
#include "control_money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ACCOUNTS_MAX = 64, NOON_S = 1795608000 };

static struct control_money money;
static struct {
    char account[MONEY_ACCOUNT_MAX];
    int64_t sum;
} accounts[ACCOUNTS_MAX];
static unsigned account_count;

static int64_t *account_of(const char *name)
{
    for (unsigned i = 0; i < account_count; i++)
        if (strcmp(accounts[i].account, name) == 0)
            return &accounts[i].sum;
    assert_in_range(account_count, 0, ACCOUNTS_MAX - 1);
    aion_str_copy(accounts[account_count].account, sizeof(accounts[0].account),
                  aion_str_of(name));
    return &accounts[account_count++].sum;
}

static void book(struct control_entries *entries)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < entries->count; i++) {
        *account_of(entries->all[i].account) += entries->all[i].nano_usd;
        sum += entries->all[i].nano_usd;
    }
    assert_int_equal(sum, 0);
    entries->count = 0;
}

static void begin(void)
{
    account_count = 0;
    memset(accounts, 0, sizeof(accounts));
    control_money_init(&money, "c1");
}

static void budget(const char *id, const char *tenant, const char *intent, int64_t limit)
{
    struct control_budget definition = {.period = PERIOD_DAY, .limit = limit};
    aion_str_copy(definition.id, sizeof(definition.id), aion_str_of(id));
    aion_str_copy(definition.tenant, sizeof(definition.tenant), aion_str_of(tenant));
    aion_str_copy(definition.intent, sizeof(definition.intent), aion_str_of(intent));
    assert_true(control_money_set(&money, &definition));
}

static struct control_charge fit(const char *tenant, const char *intent)
{
    struct control_charge charge;
    assert_true(control_money_fit(&money, aion_str_of(tenant), AION_STR("ak_1"),
                                  aion_str_of(intent), NOON_S, &charge));
    return charge;
}

/* One budget, of which this much is carved, and a task that it bounds. */
static struct control_charge begin_with(int64_t limit, int64_t carved)
{
    begin();
    budget("b", "", "", limit);
    struct control_charge charge = fit("acme", "chat");
    control_purse_carved(charge.purses[0], carved, limit - carved);
    return charge;
}

static enum control_reserved reserve(struct control_charge *charge, int64_t amount,
                                     struct control_purse **ret_purse)
{
    struct control_entries entries = {.count = 0};
    enum control_reserved got =
        control_money_reserve(&money, charge, amount, 0, &entries, ret_purse);
    book(&entries);
    return got;
}

static void a_task_without_a_budget_costs_nobody(void **state)
{
    (void)state;
    begin();
    budget("acme", "acme", "", 100);
    struct control_charge charge = fit("beta", "chat");
    assert_int_equal(charge.count, 0);
    assert_int_equal(control_money_left(&charge), INT64_MAX);
    control_money_done(&money);
}

static void a_reservation_waits_for_the_carve_and_is_settled(void **state)
{
    struct control_purse *purse;
    struct control_entries entries = {.count = 0};
    (void)state;
    begin();
    budget("acme", "acme", "", 1000);
    struct control_charge charge = fit("acme", "chat");
    assert_int_equal(reserve(&charge, 300, &purse), MONEY_CARVE);
    purse->wanted += 300;
    assert_int_equal(control_purse_want(purse, 1), 1000);
    control_purse_carved(purse, 1000, 0);
    assert_int_equal(reserve(&charge, 300, &purse), MONEY_RESERVED);
    assert_int_equal(control_money_left(&charge), 700);
    control_money_settle(&money, &charge, 250, &entries);
    book(&entries);
    assert_int_equal(*account_of("spent:acme@1795564800"), 250);
    assert_int_equal(*account_of("reserved:acme@1795564800"), 0);
    assert_int_equal(*account_of("escrow:acme@1795564800:c1"),
                     -250); /* 1000 came by the carve */
    assert_int_equal(purse->escrow, 750);
    control_money_done(&money);
}

static void the_tightest_budget_decides_and_nothing_is_reserved_of_the_others(void **state)
{
    struct control_purse *purse;
    (void)state;
    begin();
    budget("all", "", "", 1000);
    budget("chat", "", "chat", 100);
    struct control_charge charge = fit("acme", "chat");
    assert_int_equal(charge.count, 2);
    for (unsigned i = 0; i < 2; i++)
        control_purse_carved(charge.purses[i], charge.purses[i]->budget.limit, 0);
    assert_int_equal(control_money_left(&charge), 100);
    assert_int_equal(reserve(&charge, 101, &purse), MONEY_NONE);
    assert_string_equal(purse->budget.id, "chat");
    assert_int_equal(account_count, 0);
    assert_int_equal(reserve(&charge, 100, &purse), MONEY_RESERVED);
    control_money_unreserve(&charge);
    control_money_done(&money);
}

static void doubt_stays_set_aside_until_it_is_resolved(void **state)
{
    struct control_purse *purse;
    struct control_entries entries = {.count = 0};
    (void)state;
    struct control_charge charge = begin_with(100, 100);
    assert_int_equal(reserve(&charge, 60, &purse), MONEY_RESERVED);
    control_money_doubt(&money, &charge, &entries);
    book(&entries);
    assert_int_equal(*account_of("doubt:b@1795564800"), 60);
    assert_int_equal(purse->escrow, 40);
    control_money_settle_doubt(&money, &charge, 10, &entries);
    book(&entries);
    assert_int_equal(*account_of("doubt:b@1795564800"), 0);
    assert_int_equal(*account_of("spent:b@1795564800"), 10);
    assert_int_equal(purse->escrow, 90);
    control_money_done(&money);
}

static void a_charge_survives_as_text(void **state)
{
    struct control_purse *purse;
    struct aion_buf text;
    struct control_charge again;
    (void)state;
    begin();
    budget("a", "", "", 100);
    budget("b", "", "", 100);
    struct control_charge charge = fit("acme", "chat");
    control_purse_carved(charge.purses[0], 100, 0);
    control_purse_carved(charge.purses[1], 100, 0);
    assert_int_equal(reserve(&charge, 30, &purse), MONEY_RESERVED);
    aion_buf_init(&text, 1024);
    control_charge_print(&charge, &text);
    struct control_money first = money;
    control_money_init(&money, "c2");
    assert_true(control_charge_parse(&money, aion_buf_view(&text), &again));
    assert_int_equal(again.count, 2);
    assert_int_equal(again.amount, 30);
    assert_int_equal(again.purses[0]->reserved, 30);
    assert_false(control_charge_parse(&money, AION_STR("x a@1"), &again));
    assert_false(control_charge_parse(&money, AION_STR("5"), &again));
    control_money_done(&money);
    control_money_done(&first);
    aion_buf_done(&text);
}

static void periods_begin_at_whole_ones(void **state)
{
    static const struct {
        enum control_period period;
        int64_t now, start, end;
    } cases[] = {
        {PERIOD_HOUR, 1795610096, 1795608000, 1795611600},
        {PERIOD_DAY, 1795610096, 1795564800, 1795651200},
        {PERIOD_MONTH, 1795610096, 1793491200, 1796083200}, /* November 2026 */
        {PERIOD_MONTH, 1798675200, 1796083200, 1798761600}, /* December */
        {PERIOD_TOTAL, 1795610096, 0, INT64_MAX},
    };
    int64_t start, end;
    (void)state;
    for (size_t i = 0; i < aion_countof(cases); i++) {
        control_period_of(cases[i].period, cases[i].now, &start, &end);
        assert_int_equal(start, cases[i].start);
        assert_int_equal(end, cases[i].end);
    }
}

/* The store's part: what of the limit was not carved yet. */
static int64_t carve(struct control_purse *purse, int64_t *central)
{
    int64_t want = control_purse_want(purse, 3);
    int64_t granted = want < *central ? want : *central;
    *central -= granted;
    control_purse_carved(purse, granted, *central);
    return granted;
}

static void at_any_order_nothing_is_overspent_and_everything_balances(void **state)
{
    struct control_charge held[32];
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        uint64_t random = seed * 0x9e3779b97f4a7c15u;
        int64_t central = 5000, spent = 0, carved = 0;
        struct control_purse *purse;
        struct control_entries entries = {.count = 0};
        memset(held, 0, sizeof(held));
        begin();
        budget("b", "", "", 5000);
        for (int step = 0; step < 2000; step++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            struct control_charge *charge = &held[random >> 33 & 31];
            int64_t amount = (int64_t)(random >> 40 & 127) + 1;
            if (charge->amount > 0) {
                int64_t cost = (int64_t)(random >> 50) % (charge->amount + 1);
                spent += cost;
                control_money_settle(&money, charge, cost, &entries);
                book(&entries);
                continue;
            }
            *charge = fit("acme", "chat");
            if (reserve(charge, amount, &purse) == MONEY_CARVE) {
                purse->wanted += amount;
                carved += carve(purse, &central);
                (void)reserve(charge, amount, &purse);
            }
            purse = charge->purses[0];
            assert_true(purse->escrow >= 0);
            assert_int_equal(purse->escrow + purse->reserved + spent, carved);
        }
        assert_true(carved <= 5000 && spent <= 5000);
        int64_t sum = 0;
        for (unsigned i = 0; i < account_count; i++)
            sum += accounts[i].sum;
        assert_int_equal(sum, 0);
        control_money_done(&money);
    }
}

/* A lease was lost: what was refused was counted already, what is on its way may be in the
 * books or not, and others may have reaped the rest. */
static void after_a_loss_the_books_are_read_anew_before_anything_is_given_out(void **state)
{
    struct control_purse *purse;
    (void)state;
    struct control_charge done = begin_with(1000, 500), pending = fit("acme", "chat");
    assert_int_equal(reserve(&done, 100, &purse), MONEY_RESERVED);
    control_money_kept(&done); /* committed */
    assert_int_equal(reserve(&pending, 100, &purse), MONEY_RESERVED);
    assert_false(control_money_calm(&money));
    control_money_reset(&money);
    struct control_charge later = fit("acme", "chat");
    assert_int_equal(reserve(&later, 1, &purse), MONEY_CARVE);
    assert_false(control_money_calm(&money)); /* it may be in the books or not */
    control_money_unreserve(&pending);
    assert_int_equal(purse->escrow, 0); /* and comes with the books if it is not */
    assert_true(control_money_calm(&money));
    control_money_restore(&money, aion_str_of(purse->name), 400);
    control_money_open(&money);
    assert_int_equal(reserve(&later, 400, &purse), MONEY_RESERVED);
    struct control_entries entries = {.count = 0};
    control_money_settle(&money, &done, 60, &entries); /* ours still: the rest is free again */
    assert_int_equal(purse->escrow, 40);
    control_money_unreserve(&later);
    assert_int_equal(purse->escrow, 440);
    assert_int_equal(purse->reserved, 0);
    control_money_done(&money);
}

/* The direct lane: the store hears of it with the end. */
static void what_is_lent_is_not_in_the_books_until_it_is_settled(void **state)
{
    struct control_purse *purse;
    struct control_entries settled = {.count = 0};
    (void)state;
    struct control_charge charge = begin_with(100, 100);
    assert_int_equal(reserve(&charge, 60, &purse), MONEY_RESERVED);
    control_money_lend(&charge);
    const struct control_charge lent = charge;
    assert_true(control_money_calm(&money)); /* however long it runs */
    control_money_reset(&money);
    control_money_restore(&money, aion_str_of(purse->name), 100); /* as the books have it */
    control_money_open(&money);
    assert_int_equal(purse->escrow, 40);
    control_money_settle(&money, &charge, 10, &settled);
    control_money_await(&lent);
    assert_int_equal(purse->escrow, 90);
    assert_int_equal(purse->lent, 0);
    assert_false(control_money_calm(&money));
    control_money_awaited(&lent);
    assert_true(control_money_calm(&money));
    control_money_done(&money);
}

static void a_task_that_moves_takes_its_reservation_along(void **state)
{
    struct control_purse *purse;
    (void)state;
    struct control_charge charge = begin_with(1000, 500);
    assert_int_equal(reserve(&charge, 100, &purse), MONEY_RESERVED);
    control_money_kept(&charge);
    control_money_forget(&charge);
    assert_int_equal(purse->escrow, 400);
    assert_int_equal(purse->reserved, 0);
    assert_int_equal(purse->charges, 0);
    assert_true(control_money_calm(&money));
    control_money_done(&money);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_without_a_budget_costs_nobody),
        cmocka_unit_test(a_reservation_waits_for_the_carve_and_is_settled),
        cmocka_unit_test(the_tightest_budget_decides_and_nothing_is_reserved_of_the_others),
        cmocka_unit_test(doubt_stays_set_aside_until_it_is_resolved),
        cmocka_unit_test(a_charge_survives_as_text),
        cmocka_unit_test(periods_begin_at_whole_ones),
        cmocka_unit_test(after_a_loss_the_books_are_read_anew_before_anything_is_given_out),
        cmocka_unit_test(what_is_lent_is_not_in_the_books_until_it_is_settled),
        cmocka_unit_test(a_task_that_moves_takes_its_reservation_along),
        cmocka_unit_test(at_any_order_nothing_is_overspent_and_everything_balances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
