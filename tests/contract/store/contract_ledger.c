/* Money: entries with their facts, slices, balances. */
#include "contract.h"

#define B "acme/2023-11"

static int64_t carve(struct bench *bench, const char *replica, int64_t limit, int64_t want)
{
    struct store_carve op = {.budget = AION_STR(B),
                             .replica = aion_str_of(replica),
                             .limit_nano_usd = limit,
                             .want_nano_usd = want};
    wait_for(bench, carve, &op);
    assert_int_equal(op.left_nano_usd, balance_of(bench, "budget:" B));
    return op.carved_nano_usd;
}

/* The sum over all accounts. */
static int64_t total(struct bench *bench)
{
    struct store_balances read = {.op.arena = &bench->arena, .limit = 1000};
    int64_t sum = 0;
    wait_for(bench, balances, &read);
    for (size_t i = 0; i < read.count; i++)
        sum += read.balances[i].nano_usd;
    return sum;
}

static void entries_come_and_go_with_their_write(void **state)
{
    struct bench *bench = *state;
    const struct store_entry reserve[] = {{AION_STR("escrow:" B ":one"), -100},
                                          {AION_STR("reserved:" B), 100}},
                             settle[] = {{AION_STR("reserved:" B), -100},
                                         {AION_STR("spent:" B), 70},
                                         {AION_STR("escrow:" B ":one"), 30}};
    struct store_accept accept = accept_of(bench, 1);
    accept.write.entries = reserve;
    accept.write.entry_count = 2;
    for (int i = 0; i < 2; i++)
        wait_for(bench, accept, &accept);
    assert_int_equal(balance_of(bench, "reserved:" B), 100);
    struct store_finish finish =
        finish_of(bench, seq_of(1), (struct store_token){1, 1}, STORE_SUCCEEDED);
    finish.write.entries = settle;
    finish.write.entry_count = 3;
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_STALE);
    assert_int_equal(balance_of(bench, "reserved:" B), 100);
    start_task(bench, 1, 1, 1);
    for (int i = 0; i < 2; i++)
        wait_for(bench, finish, &finish);
    assert_int_equal(balance_of(bench, "reserved:" B), 0);
    assert_int_equal(balance_of(bench, "spent:" B), 70);
    assert_int_equal(balance_of(bench, "escrow:" B ":one"), -70);
    assert_int_equal(total(bench), 0);
}

/* It ran first: all of it is one write, and there once however often that is submitted. */
static void a_task_is_recorded_whole_with_its_end(void **state)
{
    struct bench *bench = *state;
    const struct store_entry reserve[] = {{AION_STR("escrow:" B ":one"), -100},
                                          {AION_STR("reserved:" B), 100}},
                             settle[] = {{AION_STR("reserved:" B), -100},
                                         {AION_STR("spent:" B), 100}};
    struct store_outbox taken = event_of(bench, 1, STORE_EVENT_ACCEPTED | STORE_EVENT_ROUTED),
                        ended = event_of(bench, 1, STORE_EVENT_STARTED | STORE_EVENT_SUCCEEDED);
    struct store_accept accept = accept_of(bench, 1);
    accept.write.event = &taken;
    accept.write.entries = reserve;
    accept.write.entry_count = 2;
    const struct store_token token = {bench->epochs[1], 1};
    const struct store_begin begin = begin_of(token);
    const struct store_chunk chunks[] = {chunk_of(1, 1, 1), chunk_of(2, 2, 1)};
    struct store_finish finish = finish_of(bench, seq_of(1), token, STORE_SUCCEEDED);
    finish.write.event = &ended;
    finish.write.entries = settle;
    finish.write.entry_count = 2;
    finish.begin = &begin;
    finish.accept = &accept;
    finish.chunks = chunks;
    finish.count = 2;
    finish.cursor = 2;
    for (int i = 0; i < 3; i++) {
        wait_for(bench, finish, &finish);
        assert_int_equal(finish.write.outcome, STORE_DONE);
    }
    assert_int_equal(balance_of(bench, "spent:" B), 100);
    assert_int_equal(balance_of(bench, "reserved:" B), 0);
    assert_int_equal(total(bench), 0);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.state, STORE_SUCCEEDED);
    assert_true(str_is(task.body, "body") && str_is(task.decision.route, "local"));
    assert_int_equal(task.attempt_count, 1);
    assert_int_equal(task.cursor, 2);
    struct store_events_read events = {
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    wait_for(bench, events_read, &events);
    assert_int_equal(events.count, 2);
    assert_int_equal(events.events[0].sequence, taken.sequence);
    assert_int_equal(events.events[1].kinds, ended.kinds);
    struct store_load load = {
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    wait_for(bench, load, &load);
    assert_int_equal(load.count, 0);
}

/* Another task has the place, or another control the shard: nothing of it is written. */
static void what_may_not_be_recorded_leaves_no_trace(void **state)
{
    struct bench *bench = *state;
    const struct store_entry spent[] = {{AION_STR("mint:" B), -5}, {AION_STR("spent:" B), 5}};
    struct store_accept accept = accept_of(bench, 1);
    const struct store_token token = {bench->epochs[1], 1};
    const struct store_begin begin = begin_of(token);
    struct store_finish finish = finish_of(bench, seq_of(1), token, STORE_CANCELLED);
    finish.write.entries = spent;
    finish.write.entry_count = 2;
    finish.begin = &begin;
    finish.accept = &accept;
    put_task(bench, 1);
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_STALE);
    assert_int_equal(read_task(bench, 1).state, STORE_QUEUED);
    accept = accept_of(bench, 65);
    finish.write.seq = seq_of(65);
    finish.write.epoch++;
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_FENCED);
    finish.write.epoch--;
    finish.begin = NULL; /* it never ran */
    finish.token = (struct store_token){0, 0};
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_DONE);
    finish.at_us++;
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_STALE);
    assert_int_equal(balance_of(bench, "spent:" B), 5);
    assert_int_equal(read_task(bench, 65).state, STORE_CANCELLED);
}

static void a_slice_is_as_large_as_the_budget_allows(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(carve(bench, "one", 1000, 600), 600);
    assert_int_equal(carve(bench, "two", 1000, 600), 400);
    assert_int_equal(carve(bench, "two", 1000, 1), 0);
    assert_int_equal(balance_of(bench, "mint:" B), -1000);
    assert_int_equal(balance_of(bench, "escrow:" B ":one"), 600);
    assert_int_equal(balance_of(bench, "escrow:" B ":two"), 400);
    assert_int_equal(total(bench), 0);
}

static void a_changed_limit_is_minted_or_taken_back(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(carve(bench, "one", 1000, 600), 600);
    assert_int_equal(carve(bench, "one", 1500, 1000), 900);
    struct store_uncarve uncarve = {
        .budget = AION_STR(B), .replica = AION_STR("one"), .nano_usd = 300};
    wait_for(bench, uncarve, &uncarve);
    assert_int_equal(uncarve.left_nano_usd, 300);
    assert_int_equal(carve(bench, "one", 1300, 1000), 100);
    assert_int_equal(balance_of(bench, "mint:" B), -1300);
    assert_int_equal(carve(bench, "one", 500, 1000), 0); /* it is all out */
    assert_int_equal(balance_of(bench, "mint:" B), -1300);
    assert_int_equal(total(bench), 0);
}

static void a_dead_replicas_slice_goes_back(void **state)
{
    struct bench *bench = *state;
    carve(bench, "dead", 1000, 600);
    const struct store_entry reserve[] = {{AION_STR("escrow:" B ":dead"), -100},
                                          {AION_STR("reserved:" B), 100}};
    struct store_accept accept = accept_of(bench, 1);
    accept.write.entries = reserve;
    accept.write.entry_count = 2;
    wait_for(bench, accept, &accept);
    struct store_reap reap = {.replica = AION_STR("one")};
    wait_for(bench, reap, &reap);
    assert_int_equal(reap.outcome, STORE_STALE);
    reap.replica = AION_STR("dead");
    wait_for(bench, reap, &reap);
    assert_int_equal(reap.outcome, STORE_DONE);
    assert_int_equal(reap.nano_usd, 500);
    assert_int_equal(balance_of(bench, "escrow:" B ":dead"), 0);
    assert_int_equal(balance_of(bench, "budget:" B), 900);
    wait_for(bench, reap, &reap);
    assert_int_equal(reap.nano_usd, 0);
    assert_int_equal(total(bench), 0);
}

static void balances_come_in_pages(void **state)
{
    struct bench *bench = *state;
    carve(bench, "one", 10, 1);
    carve(bench, "two", 10, 1);
    struct store_balances read = {
        .op.arena = &bench->arena, .prefix = AION_STR("escrow:"), .limit = 1};
    wait_for(bench, balances, &read);
    assert_int_equal(read.count, 1);
    assert_true(read.more && str_is(read.balances[0].account, "escrow:" B ":one"));
    read.after = read.balances[0].account;
    wait_for(bench, balances, &read);
    assert_int_equal(read.count, 1);
    assert_false(read.more);
    assert_true(str_is(read.balances[0].account, "escrow:" B ":two"));
}

static void budgets_are_listed_as_they_were_put_last(void **state)
{
    struct bench *bench = *state;
    struct store_budget_put put = {.budget = {.id = AION_STR("b"),
                                              .tenant = AION_STR("acme"),
                                              .period = AION_STR("day"),
                                              .limit_nano_usd = 5,
                                              .at_us = T0,
                                              .changed_by = AION_STR("me")}};
    wait_for(bench, budget_put, &put);
    put.budget.limit_nano_usd = 7;
    wait_for(bench, budget_put, &put);
    put.budget.id = AION_STR("a");
    put.budget.removed = true;
    wait_for(bench, budget_put, &put);
    struct store_budget_list list = {.op.arena = &bench->arena};
    wait_for(bench, budget_list, &list);
    assert_int_equal(list.count, 1);
    assert_true(str_is(list.budgets[0].tenant, "acme"));
    assert_int_equal(list.budgets[0].limit_nano_usd, 7);
    list.with_removed = true;
    wait_for(bench, budget_list, &list);
    assert_int_equal(list.count, 2);
    assert_true(str_is(list.budgets[0].id, "a") && list.budgets[0].removed);
}

const struct CMUnitTest ledger_tests[] = {
    contract_test(entries_come_and_go_with_their_write),
    contract_test(a_task_is_recorded_whole_with_its_end),
    contract_test(what_may_not_be_recorded_leaves_no_trace),
    contract_test(a_slice_is_as_large_as_the_budget_allows),
    contract_test(a_changed_limit_is_minted_or_taken_back),
    contract_test(a_dead_replicas_slice_goes_back),
    contract_test(balances_come_in_pages),
    contract_test(budgets_are_listed_as_they_were_put_last),
};
const size_t ledger_test_count = aion_countof(ledger_tests);
