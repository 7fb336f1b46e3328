/* Retention: exact to a window. Windows of a second; T0 begins one. */
#include "contract.h"

static void finish_at(struct bench *bench, uint64_t seq, enum store_state end, int64_t at_us)
{
    struct store_finish finish = finish_of(bench, seq, (struct store_token){0, 0}, end);
    finish.at_us = at_us;
    wait_for(bench, finish, &finish);
    assert_int_equal(finish.write.outcome, STORE_DONE);
}

/* Runs to the end; what was deleted in all. */
static struct store_sweep sweep_all(struct bench *bench, struct store_sweep sweep)
{
    struct store_sweep sum = {0};
    unsigned steps = 0;
    do {
        wait_for(bench, sweep, &sweep);
        sum.tasks += sweep.tasks;
        sum.chunks += sweep.chunks;
        sum.keys += sweep.keys;
        sum.events += sweep.events;
        assert_true(++steps < 1000);
    } while (sweep.more);
    return sum;
}

/* What a dry run counts, the run deletes. */
static struct store_sweep sweep_twice(struct bench *bench, struct store_sweep sweep)
{
    sweep.dry_run = true;
    struct store_sweep dry = sweep_all(bench, sweep);
    sweep.dry_run = false;
    struct store_sweep wet = sweep_all(bench, sweep);
    assert_int_equal(dry.tasks, wet.tasks);
    assert_int_equal(dry.chunks, wet.chunks);
    assert_int_equal(dry.keys, wet.keys);
    assert_int_equal(dry.events, wet.events);
    return wet;
}

static bool is_there(struct bench *bench, uint64_t seq)
{
    struct aion_uuid id = id_at(seq);
    return is_found(bench, &id);
}

static void a_window_goes_and_what_must_stay_stays(void **state)
{
    struct bench *bench = *state;
    const struct store_token first = {1, 1};
    for (unsigned i = 1; i <= 6; i++)
        put_task(bench, i);
    start_task(bench, 1, 1, 1);
    put_chunks(bench, 1, first, 1, 3);
    start_task(bench, 6, 1, 1);
    put_chunks(bench, 6, first, 1, 2);
    finish_task(bench, 1, first, STORE_SUCCEEDED);
    finish_task(bench, 2, (struct store_token){0, 0}, STORE_FAILED);
    finish_task(bench, 3, (struct store_token){0, 0}, STORE_SUCCEEDED);
    finish_at(bench, seq_of(4), STORE_SUCCEEDED, T0 + 5 * SECOND);
    put_task_at(bench, seq_at(T0 + SECOND, 1));
    finish_at(bench, seq_at(T0 + SECOND, 1), STORE_SUCCEEDED, T0 + SECOND);
    struct store_sweep sweep = {.succeeded_before_us = T0 + SECOND - 1, .batch_max = 2};
    assert_int_equal(sweep_twice(bench, sweep).tasks, 0); /* the window is not over before it */
    sweep.succeeded_before_us = T0 + SECOND;
    struct store_sweep swept = sweep_twice(bench, sweep);
    assert_int_equal(swept.tasks, 2);
    assert_int_equal(swept.chunks, 3);
    assert_false(is_there(bench, seq_of(1)));
    assert_false(is_there(bench, seq_of(3)));
    assert_true(is_there(bench, seq_at(T0 + SECOND, 1)));
    assert_int_equal(read_task(bench, 2).state, STORE_FAILED);
    assert_int_equal(read_task(bench, 4).state, STORE_SUCCEEDED);
    assert_int_equal(read_task(bench, 5).state, STORE_QUEUED);
    struct store_task task = read_task(bench, 6);
    assert_int_equal(task.state, STORE_RUNNING);
    assert_int_equal(task.cursor, 2);
    assert_true(str_is(task.body, "body"));
}

static void what_stayed_goes_on_living_and_goes_in_its_time(void **state)
{
    struct bench *bench = *state;
    const struct store_token first = {1, 1};
    for (unsigned i = 1; i <= 4; i++)
        put_task(bench, i);
    finish_task(bench, 1, (struct store_token){0, 0}, STORE_SUCCEEDED);
    finish_task(bench, 2, (struct store_token){0, 0}, STORE_FAILED);
    struct store_sweep sweep = {.succeeded_before_us = T0 + 10 * SECOND, .batch_max = 100};
    assert_int_equal(sweep_twice(bench, sweep).tasks, 1);
    assert_int_equal(start_task(bench, 3, 1, 1), STORE_DONE);
    assert_int_equal(put_chunks(bench, 3, first, 1, 3), STORE_DONE);
    assert_int_equal(finish_task(bench, 1, (struct store_token){0, 0}, STORE_FAILED),
                     STORE_STALE);
    struct store_load load = {
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    wait_for(bench, load, &load);
    assert_int_equal(load.count, 2);
    struct store_list list = {
        .op.arena = &bench->arena, .tenant = AION_STR("default"), .limit = 10};
    unsigned listed = 0;
    do {
        wait_for(bench, list, &list);
        listed += list.count;
        list.before = list.next;
    } while (list.next != 0);
    assert_int_equal(listed, 3);
    finish_at(bench, seq_of(4), STORE_SUCCEEDED, T0 + 2 * SECOND);
    assert_int_equal(finish_task(bench, 3, first, STORE_SUCCEEDED), STORE_DONE);
    struct store_sweep swept = sweep_twice(bench, sweep);
    assert_int_equal(swept.tasks, 2);
    assert_int_equal(swept.chunks, 3);
    sweep.failed_before_us = T0 + 10 * SECOND;
    assert_int_equal(sweep_twice(bench, sweep).tasks, 1);
    assert_false(is_there(bench, seq_of(2)));
    assert_int_equal(sweep_twice(bench, sweep).tasks, 0);
}

static void the_shorter_kept_kind_goes_first_whichever_it_is(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    put_task(bench, 2);
    finish_task(bench, 1, (struct store_token){0, 0}, STORE_SUCCEEDED);
    finish_task(bench, 2, (struct store_token){0, 0}, STORE_DEAD);
    struct store_sweep sweep = {.failed_before_us = T0 + SECOND};
    assert_int_equal(sweep_twice(bench, sweep).tasks, 1);
    assert_true(is_there(bench, seq_of(1)));
    assert_false(is_there(bench, seq_of(2)));
}

static void a_retention_hold_keeps_what_it_names(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 3; i++) {
        struct store_accept accept = accept_of(bench, i);
        accept.tenant = i == 1 ? AION_STR("acme") : AION_STR("default");
        wait_for(bench, accept, &accept);
        finish_task(bench, i, (struct store_token){0, 0}, STORE_SUCCEEDED);
    }
    struct store_hold_put put = {.hold = {.id = AION_STR("legal"),
                                          .kind = STORE_HOLD_RETENTION,
                                          .tenant = AION_STR("acme"),
                                          .from_us = T0,
                                          .until_us = T0 + 2}};
    wait_for(bench, hold_put, &put);
    put.hold = (struct store_hold){.id = AION_STR("queue"), .kind = STORE_HOLD_QUEUE};
    wait_for(bench, hold_put, &put);
    struct store_sweep sweep = {.succeeded_before_us = T0 + SECOND};
    assert_int_equal(sweep_twice(bench, sweep).tasks, 2);
    assert_true(is_there(bench, seq_of(1)));
    struct store_hold_drop drop = {.id = AION_STR("legal")};
    wait_for(bench, hold_drop, &drop);
    assert_int_equal(sweep_twice(bench, sweep).tasks, 1);
    assert_false(is_there(bench, seq_of(1)));
}

static void money_outlives_its_tasks(void **state)
{
    struct bench *bench = *state;
    const struct store_entry spend[] = {{AION_STR("escrow:b:one"), -40},
                                        {AION_STR("spent:b"), 40}};
    for (unsigned i = 1; i <= 3; i++) {
        put_task(bench, i);
        struct store_finish finish = finish_of(bench, seq_of(i), (struct store_token){0, 0},
                                               i == 3 ? STORE_FAILED : STORE_SUCCEEDED);
        finish.write.entries = spend;
        finish.write.entry_count = 2;
        wait_for(bench, finish, &finish);
    }
    struct store_sweep sweep = {.succeeded_before_us = T0 + SECOND};
    assert_int_equal(sweep_twice(bench, sweep).tasks, 2);
    assert_int_equal(balance_of(bench, "spent:b"), 120);
    assert_int_equal(balance_of(bench, "escrow:b:one"), -120);
    sweep.failed_before_us = T0 + SECOND;
    assert_int_equal(sweep_twice(bench, sweep).tasks, 1);
    assert_int_equal(balance_of(bench, "spent:b"), 120);
}

static void an_own_id_is_free_when_its_task_is_gone(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept = accept_of(bench, 1);
    accept.id = own_id_of(1);
    accept.own_id = true;
    accept.digest = digest_a;
    wait_for(bench, accept, &accept);
    finish_task(bench, 1, (struct store_token){0, 0}, STORE_SUCCEEDED);
    struct store_sweep sweep = {.succeeded_before_us = T0 + SECOND};
    assert_int_equal(sweep_twice(bench, sweep).tasks, 1);
    assert_false(is_found(bench, &accept.id));
    accept.write.seq = seq_at(T0 + 5 * SECOND, 1);
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DONE);
    assert_true(is_found(bench, &accept.id));
}

/* Keys may stay up to a day of the store's windows longer than asked for. */
static void old_keys_go_and_young_ones_stay(void **state)
{
    struct bench *bench = *state;
    uint64_t young = seq_at(T0 + 100 * SECOND, 2);
    struct store_accept accept = accept_of(bench, 1);
    accept.key = AION_STR("old");
    accept.digest = digest_a;
    wait_for(bench, accept, &accept);
    accept = accept_at(bench, young);
    accept.key = AION_STR("young");
    accept.digest = digest_a;
    wait_for(bench, accept, &accept);
    struct store_sweep sweep = {.keys_before_us = T0 + 50 * SECOND};
    assert_int_equal(sweep_twice(bench, sweep).keys, 1);
    accept = accept_at(bench, seq_at(T0 + 101 * SECOND, 1));
    accept.key = AION_STR("old");
    accept.digest = digest_a;
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DONE);
    accept.write.seq++;
    accept.key = AION_STR("young");
    accept.write.epoch = bench->epochs[2];
    wait_for(bench, accept, &accept);
    assert_int_equal(accept.write.outcome, STORE_DUPLICATE);
    assert_int_equal(accept.first_seq, young);
}

static void events_stay_until_every_cursor_has_passed(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 4; i++) {
        struct store_outbox event = event_of(bench, i, STORE_EVENT_ACCEPTED);
        struct store_accept accept = accept_of(bench, i);
        if (i == 4)
            event.at_us = T0 + 9 * SECOND;
        accept.write.event = &event;
        wait_for(bench, accept, &accept);
    }
    struct store_cursor_put put = {.name = AION_STR("kafka"), .shards = 1u << 1};
    wait_for(bench, cursor_put, &put);
    struct store_sweep sweep = {.events_before_us = T0 + 3 * SECOND};
    assert_int_equal(sweep_twice(bench, sweep).events, 0);
    put.shards = STORE_ALL_SHARDS;
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        put.sequence[i] = bench->sequence;
    wait_for(bench, cursor_put, &put);
    assert_int_equal(sweep_twice(bench, sweep).events, 3);
    struct store_events_read read = {
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    wait_for(bench, events_read, &read);
    assert_int_equal(read.count, 1);
}

const struct CMUnitTest sweep_tests[] = {
    contract_test_short(a_window_goes_and_what_must_stay_stays),
    contract_test_short(what_stayed_goes_on_living_and_goes_in_its_time),
    contract_test_short(the_shorter_kept_kind_goes_first_whichever_it_is),
    contract_test_short(a_retention_hold_keeps_what_it_names),
    contract_test_short(money_outlives_its_tasks),
    contract_test_short(an_own_id_is_free_when_its_task_is_gone),
    contract_test_short(old_keys_go_and_young_ones_stay),
    contract_test_short(events_stay_until_every_cursor_has_passed),
};
const size_t sweep_test_count = aion_countof(sweep_tests);
