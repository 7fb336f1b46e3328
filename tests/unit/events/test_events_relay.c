/* The relay with a scripted source and sink and a clock of our own: what is lost, repeated or
 * put out of order by each kind of fault (goal: nothing, only what lies behind the cursor,
 * nothing). Method: one test per fault, and a long random run of all of them. */
#include "events/dedup.h"
#include "events/relay.h"
#include "events/script/script.h"

#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 1700000000000000
enum { KEYS = 4 };

struct bench {
    struct events_script_source *source;
    struct events_script_sink *sink;
    struct events_relay *relay;
    struct events_relay_conf conf;
    int64_t now, armed;
    size_t failed, running, troubles, drained;
    struct aion_err last;
    uint64_t next[EVENTS_LANES]; /* newest sequence per shard */
    size_t added[EVENTS_LANES];
};

static int64_t now_of(void *user)
{
    return ((struct bench *)user)->now;
}
static void arm(void *user, int64_t at_us)
{
    ((struct bench *)user)->armed = at_us;
}
static void changed(void *user, enum events_relay_state state, const struct aion_err *err)
{
    struct bench *bench = user;
    if (state == EVENTS_RELAY_FAILED) {
        bench->failed++;
        bench->last = *err;
    } else {
        bench->running++;
    }
}
static void trouble(void *user, const struct aion_err *err)
{
    struct bench *bench = user;
    bench->troubles++;
    bench->last = *err;
}
static void drained(void *user)
{
    ((struct bench *)user)->drained++;
}

static void open_relay(struct bench *bench)
{
    bench->conf.source = events_script_source(bench->source);
    bench->conf.sink = events_script_sink(bench->sink);
    bench->conf.cursor = "test";
    bench->conf.now = now_of;
    bench->conf.arm = arm;
    bench->conf.changed = changed;
    bench->conf.trouble = trouble;
    bench->conf.user = bench;
    bench->relay = events_relay_new(&bench->conf);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->source = events_script_source_new();
    bench->sink = events_script_sink_new(20000);
    bench->now = 1000000;
    open_relay(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    events_relay_free(bench->relay);
    events_script_sink_free(bench->sink);
    events_script_source_free(bench->source);
    free(bench);
    return 0;
}

/* A row of a task of its own by shard and number; sequences have holes, as those of a store
 * may. */
static void add_row(struct bench *bench, uint32_t shard)
{
    bench->next[shard] += 1 + bench->next[shard] % 3;
    struct events_row row = {
        .lane = shard,
        .sequence = bench->next[shard],
        .at_us = T0 + (int64_t)bench->next[shard],
        .of.task = {
            .tenant = AION_STR("t"), .intent = AION_STR("noop"), .kinds = 8, .state = 3}};
    row.of.task.id.bytes[0] = (uint8_t)(bench->next[shard] % KEYS);
    row.of.task.id.bytes[15] = (uint8_t)shard;
    events_script_add(bench->source, &row);
    bench->added[shard]++;
}

static void add_rows(struct bench *bench, uint32_t shard, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add_row(bench, shard);
        events_relay_wake(bench->relay, shard, bench->next[shard]);
    }
}

/* Lets time pass until the relay has nothing more to do by itself. */
static void settle(struct bench *bench)
{
    for (size_t i = 0; i < 200; i++) {
        size_t steps = events_script_complete(bench->source);
        if (steps == 0 && (bench->armed == 0 || bench->armed > bench->now + 300000))
            return;
        if (steps == 0) {
            bench->now = bench->armed > bench->now ? bench->armed : bench->now;
            events_relay_run(bench->relay);
        }
    }
}

static void pass_time(struct bench *bench, int64_t us)
{
    int64_t until = bench->now + us;
    while (bench->armed != 0 && bench->armed <= until) {
        bench->now = bench->armed > bench->now ? bench->armed : bench->now;
        events_relay_run(bench->relay);
        while (events_script_complete(bench->source) > 0)
            continue;
    }
    bench->now = until;
}

/* Kills the relay: what the sink was given and did not answer is kept or lost as it likes. */
static void crash(struct bench *bench, size_t kept)
{
    while (events_script_complete(bench->source) > 0)
        continue;
    events_script_keep(bench->sink, kept);
    events_relay_free(bench->relay);
    struct events_script_sink *old = bench->sink;
    bench->sink = events_script_sink_new(20000);
    for (size_t i = 0; i < events_script_kept(old); i++) {
        const struct events_script_record *record = events_script_at(old, i);
        struct events_post post = {.record = {.topic = record->topic,
                                              .key = aion_str_of(record->key),
                                              .value = aion_str_of(record->value),
                                              .sequence = record->sequence}};
        assert_true(events_send(events_script_sink(bench->sink), &post, NULL));
        events_script_keep(bench->sink, 1);
    }
    events_script_sink_free(old);
    open_relay(bench);
}

/* All rows of the shards are there; without repeats they are in order per key. Returns the
 * repeats. */
static size_t check_all(struct bench *bench, uint32_t shards)
{
    struct events_dedup *dedup = events_dedup_new(1 << 15);
    uint64_t last[EVENTS_LANES][KEYS] = {{0}};
    size_t count[EVENTS_LANES] = {0};
    bool good = true;
    for (size_t i = 0; i < events_script_kept(bench->sink); i++) {
        const struct events_script_record *record = events_script_at(bench->sink, i);
        struct aion_uuid id;
        good &= aion_uuid_parse(aion_str_of(record->key), &id);
        if (!events_dedup_first(dedup, aion_str_of(record->key), record->sequence))
            continue;
        uint64_t *newest = &last[id.bytes[15]][id.bytes[0]];
        good &= record->sequence > *newest;
        *newest = record->sequence;
        count[id.bytes[15]]++;
    }
    for (uint32_t shard = 0; shard < shards; shard++)
        good &= count[shard] == bench->added[shard];
    size_t repeats = events_dedup_dropped(dedup);
    events_dedup_free(dedup);
    assert_true(good);
    return repeats;
}

/* -- the straight way --------------------------------------------------------------- */
static void rows_are_sent_in_order_and_marked_after_the_acknowledgement(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 3);
    settle(bench);
    add_rows(bench, 3, 10);
    settle(bench);
    assert_int_equal(events_script_waiting(bench->sink), 10);
    assert_int_equal(events_script_cursor(bench->source, "test", 3), 0);
    assert_int_equal(events_script_acknowledge(bench->sink, 4), 4);
    settle(bench);
    uint64_t fourth = events_script_at(bench->sink, 3)->sequence;
    assert_int_equal(events_script_cursor(bench->source, "test", 3), fourth);
    events_script_acknowledge(bench->sink, 6);
    settle(bench);
    assert_int_equal(events_script_cursor(bench->source, "test", 3), bench->next[3]);
    struct events_relay_stats stats = events_relay_stats(bench->relay);
    assert_int_equal(stats.rows, 10);
    assert_int_equal(stats.lag, 0);
    assert_int_equal(stats.oldest_us, 0);
    assert_int_equal(check_all(bench, 4), 0);
}

static void wakes_of_one_moment_are_one_read(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    settle(bench);
    for (size_t i = 0; i < 50; i++)
        add_rows(bench, 0, 1);
    assert_int_equal(events_script_complete(bench->source), 0); /* it lingers */
    bench->now += 10000;
    events_relay_run(bench->relay);
    assert_int_equal(events_script_complete(bench->source), 1);
    assert_int_equal(events_script_waiting(bench->sink), 50);
}

static void a_lane_that_nobody_wakes_is_looked_at_in_time(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    settle(bench);
    add_row(bench, 0);
    pass_time(bench, 1100000);
    assert_int_equal(events_script_waiting(bench->sink), 1);
}

static void a_restart_goes_on_behind_the_cursor(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    add_rows(bench, 0, 20);
    settle(bench);
    events_script_acknowledge(bench->sink, 20);
    settle(bench);
    crash(bench, 0);
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    add_rows(bench, 0, 5);
    settle(bench);
    events_script_acknowledge(bench->sink, 100);
    settle(bench);
    assert_int_equal(check_all(bench, 1), 0);
}

static void quiet_lanes_of_an_ordered_source_move_with_the_others(void **state)
{
    struct bench *bench = *state;
    events_script_source(bench->source)->ordered = true;
    events_relay_take(bench->relay, UINT64_MAX);
    settle(bench);
    for (uint64_t sequence = 1; sequence <= 1000; sequence++) {
        uint32_t shard = (uint32_t)(sequence % 2); /* 62 lanes have none */
        struct events_row row = {.lane = shard,
                                 .sequence = sequence,
                                 .at_us = T0,
                                 .of.task = {.kinds = 8, .state = 3}};
        row.of.task.id.bytes[15] = (uint8_t)shard;
        events_script_add(bench->source, &row);
        bench->added[shard]++;
        events_relay_wake(bench->relay, shard, sequence);
        if (sequence % 50 == 0) {
            settle(bench);
            events_script_acknowledge(bench->sink, 100);
            settle(bench);
        }
    }
    pass_time(bench, 10000000); /* ten more looks at all lanes */
    assert_int_equal(check_all(bench, 2), 0);
    assert_int_equal(events_script_looked(bench->source), 1000);
    assert_in_range(events_script_cursor(bench->source, "test", 63), 999, 1000);
}

/* -- limits ------------------------------------------------------------------------- */
static void the_window_bounds_what_is_under_way_and_the_outbox_holds_the_rest(void **state)
{
    struct bench *bench = *state;
    events_relay_free(bench->relay);
    bench->conf.window_records = 64;
    bench->conf.batch_rows = 16;
    open_relay(bench);
    events_relay_take(bench->relay, 15);
    settle(bench);
    for (uint32_t shard = 0; shard < 4; shard++)
        add_rows(bench, shard, 100);
    settle(bench);
    size_t waiting = events_script_waiting(bench->sink);
    assert_in_range(waiting, 32, 64);
    struct events_relay_stats stats = events_relay_stats(bench->relay);
    assert_int_equal(stats.under_way, waiting);
    assert_int_equal(stats.lag, 400);
    assert_int_equal(stats.oldest_us, T0 + 1);
    for (size_t i = 0; i < 1000; i++) {
        events_script_acknowledge(bench->sink, 7);
        settle(bench);
        assert_in_range(events_script_waiting(bench->sink), 0, 64);
    }
    assert_int_equal(check_all(bench, 4), 0);
}

static void a_full_sink_is_waited_for_without_reading_again_and_again(void **state)
{
    struct bench *bench = *state;
    events_relay_free(bench->relay);
    events_script_sink_free(bench->sink);
    bench->sink = events_script_sink_new(5);
    open_relay(bench);
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    add_rows(bench, 0, 12);
    settle(bench);
    assert_int_equal(events_script_waiting(bench->sink), 5);
    assert_int_equal(events_script_complete(bench->source), 0);
    while (events_script_acknowledge(bench->sink, 1) == 1)
        settle(bench);
    assert_int_equal(bench->failed, 0);
    assert_int_equal(check_all(bench, 1), 0);
}

static void rows_too_large_to_read_together_are_read_in_smaller_batches(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    settle(bench);
    events_script_source_fail(bench->source, 3, false, AION_EXHAUSTED);
    add_rows(bench, 0, 40);
    settle(bench);
    assert_int_equal(bench->troubles, 0);
    events_script_acknowledge(bench->sink, 100);
    assert_int_equal(check_all(bench, 1), 0);
}

/* -- faults ------------------------------------------------------------------------- */
static void a_crash_between_send_and_mark_repeats_the_same_key_and_sequence(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    add_rows(bench, 0, 30);
    settle(bench);
    events_script_acknowledge(bench->sink, 10);
    settle(bench);
    crash(bench, 15); /* the sink has 25, the cursor says 10 */
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    settle(bench);
    events_script_acknowledge(bench->sink, 100);
    settle(bench);
    assert_int_equal(events_script_kept(bench->sink), 45);
    assert_int_equal(check_all(bench, 1), 15);
    for (size_t i = 0; i < 15; i++) {
        const struct events_script_record *once = events_script_at(bench->sink, 10 + i);
        const struct events_script_record *again = events_script_at(bench->sink, 25 + i);
        assert_string_equal(once->key, again->key);
        assert_int_equal(once->sequence, again->sequence);
        assert_string_equal(once->value, again->value);
    }
}

static void a_refused_record_stops_everything_until_it_went_through_in_its_place(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    add_rows(bench, 0, 10);
    settle(bench);
    events_script_acknowledge(bench->sink, 3);
    events_script_refuse(bench->sink, AION_NOT_FOUND);
    assert_int_equal(events_script_resets(bench->sink), 1);
    assert_int_equal(bench->failed, 1);
    struct events_relay_stats stats = events_relay_stats(bench->relay);
    assert_int_equal(stats.state, EVENTS_RELAY_FAILED);
    assert_string_equal(stats.error, "the script says so");
    add_rows(bench, 0, 5);
    settle(bench);
    assert_int_equal(events_script_waiting(bench->sink), 6); /* nothing new meanwhile */
    events_script_reset_done(bench->sink);
    pass_time(bench, 400000);
    assert_int_equal(events_script_waiting(bench->sink), 12);
    assert_int_equal(bench->running, 0);
    events_script_acknowledge(bench->sink, 1);
    assert_int_equal(bench->running, 1);
    events_script_acknowledge(bench->sink, 100);
    settle(bench);
    assert_int_equal(check_all(bench, 1), 0);
    assert_int_equal(bench->failed, 1);
}

static void waits_grow_to_the_longest_and_are_forgotten_after_a_success(void **state)
{
    struct bench *bench = *state;
    int64_t wait = 0;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    add_rows(bench, 0, 1);
    settle(bench);
    for (size_t i = 0; i < 12; i++) {
        events_script_refuse(bench->sink, AION_UNAVAILABLE);
        events_script_reset_done(bench->sink);
        int64_t began = bench->now;
        while (events_script_waiting(bench->sink) == 0)
            pass_time(bench, 1000);
        wait = bench->now - began;
        int64_t full = i < 5 ? 200000LL << i : 5000000;
        assert_in_range(wait, full * 3 / 4, full + 20000);
    }
    assert_int_equal(bench->failed, 1); /* told once */
    events_script_acknowledge(bench->sink, 1);
    add_rows(bench, 0, 1);
    settle(bench);
    events_script_refuse(bench->sink, AION_UNAVAILABLE);
    events_script_reset_done(bench->sink);
    pass_time(bench, 220000);
    assert_int_equal(events_script_waiting(bench->sink), 1);
}

static void a_read_from_before_the_failure_leaves_no_gap(void **state)
{
    struct bench *bench = *state;
    events_relay_free(bench->relay);
    bench->conf.batch_rows = 10;
    open_relay(bench);
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    settle(bench);
    add_rows(bench, 0, 30);
    bench->now += 20000;
    events_relay_run(bench->relay);
    assert_int_equal(events_script_complete(bench->source), 1); /* the next read is under way */
    assert_int_equal(events_script_waiting(bench->sink), 10);
    events_script_refuse(bench->sink, AION_UNAVAILABLE);
    events_script_reset_done(bench->sink);
    bench->now += 1000000;
    events_relay_run(bench->relay); /* anew, with the old read still under way */
    settle(bench);
    events_script_acknowledge(bench->sink, 1000);
    settle(bench);
    events_script_acknowledge(bench->sink, 1000);
    assert_int_equal(check_all(bench, 1), 0);
}

static void a_store_that_fails_for_a_while_delays_and_loses_nothing(void **state)
{
    struct bench *bench = *state;
    events_script_source_fail(bench->source, 2, true, AION_UNAVAILABLE);
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    pass_time(bench, 3000000);
    add_rows(bench, 0, 10);
    events_script_source_fail(bench->source, 5, false, AION_UNAVAILABLE);
    pass_time(bench, 8000000);
    events_script_acknowledge(bench->sink, 100);
    events_script_source_fail(bench->source, 2, false, AION_UNAVAILABLE);
    pass_time(bench, 3000000);
    assert_true(bench->troubles > 0);
    assert_int_equal(events_script_cursor(bench->source, "test", 0), bench->next[0]);
    assert_int_equal(check_all(bench, 1), 0);
}

static void a_lane_that_was_left_is_neither_sent_nor_marked_any_more(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    events_relay_take(bench->relay, UINT64_C(1) << 1);
    add_rows(bench, 0, 10);
    add_rows(bench, 1, 10);
    settle(bench);
    events_relay_leave(bench->relay, UINT64_C(1) << 0);
    add_rows(bench, 0, 10);
    events_script_acknowledge(bench->sink, 100);
    settle(bench);
    assert_int_equal(events_script_kept(bench->sink), 20);
    assert_int_equal(events_script_cursor(bench->source, "test", 0), 0);
    assert_int_equal(events_script_cursor(bench->source, "test", 1), bench->next[1]);
    events_relay_take(bench->relay, UINT64_C(1) << 0); /* and back */
    settle(bench);
    events_script_acknowledge(bench->sink, 100);
    settle(bench);
    assert_int_equal(check_all(bench, 2), 10);
}

static void a_row_that_cannot_be_told_is_counted_and_stepped_over(void **state)
{
    struct bench *bench = *state;
    struct events_row row = {.sequence = 1,
                             .at_us = INT64_MAX, /* no timestamp of JSON */
                             .of.task = {.kinds = 8, .state = 3}};
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    events_script_add(bench->source, &row);
    bench->next[0] = 1;
    add_rows(bench, 0, 3);
    settle(bench);
    assert_int_equal(events_relay_stats(bench->relay).malformed, 1);
    assert_int_equal(bench->troubles, 1);
    assert_int_equal(events_script_acknowledge(bench->sink, 100), 3);
    settle(bench);
    assert_int_equal(events_script_cursor(bench->source, "test", 0), bench->next[0]);
}

/* -- the end ------------------------------------------------------------------------ */
static void a_drain_waits_for_acknowledgements_and_cursors(void **state)
{
    struct bench *bench = *state;
    events_relay_take(bench->relay, UINT64_C(1) << 0);
    add_rows(bench, 0, 10);
    settle(bench);
    events_relay_drain(bench->relay, drained);
    add_rows(bench, 0, 10);
    settle(bench);
    assert_int_equal(bench->drained, 0);
    events_script_acknowledge(bench->sink, 100);
    assert_int_equal(bench->drained, 0);
    while (events_script_complete(bench->source) > 0)
        continue; /* the cursors, without waiting for their time */
    assert_int_equal(bench->drained, 1);
    assert_int_equal(events_script_kept(bench->sink), 10);
    assert_true(events_script_cursor(bench->source, "test", 0) > 0);
}

/* -- all together ------------------------------------------------------------------- */
static void any_order_of_faults_loses_nothing_and_keeps_the_order(void **state)
{
    struct bench *bench = *state;
    enum { SHARDS = 8 };
    uint64_t seeds = getenv("AION_TEST_LONG") != NULL ? 300 : 60;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct aion_rand rand;
        teardown(state);
        setup(state);
        bench = *state;
        events_relay_free(bench->relay);
        bench->conf.window_records = 128;
        bench->conf.batch_rows = 16;
        open_relay(bench);
        aion_rand_seed(&rand, seed);
        for (uint32_t shard = 0; shard < SHARDS; shard++)
            events_relay_take(bench->relay, UINT64_C(1) << shard);
        for (size_t step = 0; step < 400; step++) {
            uint32_t shard = (uint32_t)aion_rand_below(&rand, SHARDS);
            switch (aion_rand_below(&rand, 24)) {
            case 0:
                crash(bench, aion_rand_below(&rand, 50));
                for (uint32_t i = 0; i < SHARDS; i++)
                    events_relay_take(bench->relay, UINT64_C(1) << i);
                break;
            case 1:
                if (events_script_waiting(bench->sink) > 0)
                    events_script_refuse(bench->sink, AION_UNAVAILABLE);
                break;
            case 2:
                events_script_source_fail(bench->source, aion_rand_below(&rand, 4),
                                          aion_rand_below(&rand, 2) == 0, AION_UNAVAILABLE);
                break;
            case 3:
                events_script_send_fails(bench->sink, AION_UNAVAILABLE);
                break;
            case 4:
                events_relay_leave(bench->relay, UINT64_C(1) << shard);
                break;
            case 5:
            case 6:
                events_relay_take(bench->relay, UINT64_C(1) << shard);
                break;
            case 7:
            case 8:
                events_script_send_fails(bench->sink, AION_OK);
                events_script_reset_done(bench->sink);
                break;
            case 9:
            case 10:
            case 11:
                events_script_acknowledge(bench->sink, aion_rand_below(&rand, 60));
                break;
            case 12:
            case 13:
                pass_time(bench, (int64_t)aion_rand_below(&rand, 3000000));
                break;
            case 14:
            case 15:
                bench->now += 15000;
                events_relay_run(bench->relay);
                events_script_complete(bench->source);
                break;
            default:
                add_rows(bench, shard, aion_rand_below(&rand, 30));
                break;
            }
        }
        events_script_send_fails(bench->sink, AION_OK);
        events_script_source_fail(bench->source, 0, false, AION_OK);
        for (uint32_t shard = 0; shard < SHARDS; shard++)
            events_relay_take(bench->relay, UINT64_C(1) << shard);
        for (size_t i = 0; i < 2000 && (i < 100 || events_relay_stats(bench->relay).lag > 0);
             i++) {
            events_script_reset_done(bench->sink);
            pass_time(bench, 200000);
            events_script_acknowledge(bench->sink, 1000);
        }
        check_all(bench, SHARDS);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_are_sent_in_order_and_marked_after_the_acknowledgement),
        TEST(wakes_of_one_moment_are_one_read),
        TEST(a_lane_that_nobody_wakes_is_looked_at_in_time),
        TEST(a_restart_goes_on_behind_the_cursor),
        TEST(quiet_lanes_of_an_ordered_source_move_with_the_others),
        TEST(the_window_bounds_what_is_under_way_and_the_outbox_holds_the_rest),
        TEST(a_full_sink_is_waited_for_without_reading_again_and_again),
        TEST(rows_too_large_to_read_together_are_read_in_smaller_batches),
        TEST(a_crash_between_send_and_mark_repeats_the_same_key_and_sequence),
        TEST(a_refused_record_stops_everything_until_it_went_through_in_its_place),
        TEST(waits_grow_to_the_longest_and_are_forgotten_after_a_success),
        TEST(a_read_from_before_the_failure_leaves_no_gap),
        TEST(a_store_that_fails_for_a_while_delays_and_loses_nothing),
        TEST(a_lane_that_was_left_is_neither_sent_nor_marked_any_more),
        TEST(a_row_that_cannot_be_told_is_counted_and_stepped_over),
        TEST(a_drain_waits_for_acknowledgements_and_cursors),
        TEST(any_order_of_faults_loses_nothing_and_keeps_the_order),
    };
    return cmocka_run_group_tests_name("events relay", tests, NULL, NULL);
}
