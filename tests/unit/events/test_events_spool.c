/* The ring of records that are in no outbox: what is sent, what is kept, what is counted as
 * dropped; with a scripted sink. */
#include "events/script/script.h"
#include "events/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct bench {
    struct events_script_sink *sink;
    struct events_spool *spool;
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->sink = events_script_sink_new(1000);
    const struct events_spool_conf conf = {.sink = events_script_sink(bench->sink),
                                           .records_max = 10,
                                           .bytes_max = 1000,
                                           .under_way_max = 4};
    bench->spool = events_spool_new(&conf);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    events_spool_free(bench->spool);
    events_script_sink_free(bench->sink);
    free(bench);
    return 0;
}

static bool put(struct events_spool *spool, uint64_t sequence, const char *value)
{
    const struct events_record record = {.topic = EVENTS_METRICS,
                                         .key = AION_STR("control"),
                                         .value = aion_str_of(value),
                                         .sequence = sequence};
    return events_spool_put(spool, &record);
}

static void records_go_to_the_sink_as_they_come_and_stay_readable(void **state)
{
    struct bench *bench = *state;
    struct events_record records[10];
    assert_true(put(bench->spool, 5, "five"));
    assert_true(put(bench->spool, 6, "six"));
    assert_int_equal(events_script_acknowledge(bench->sink, 10), 2);
    struct events_spool_stats stats = events_spool_stats(bench->spool);
    assert_int_equal(stats.sent, 2);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(events_spool_read(bench->spool, 0, 10, records), 2);
    assert_true(aion_str_is(records[0].value, "five"));
    assert_int_equal(events_spool_read(bench->spool, 5, 10, records), 1);
    assert_true(aion_str_is(records[0].value, "six"));
    assert_int_equal(events_spool_read(bench->spool, 6, 10, records), 0);
    assert_int_equal(events_spool_newest(bench->spool), 6);
}

static void a_sink_that_does_not_take_them_costs_the_oldest_and_they_are_counted(void **state)
{
    struct bench *bench = *state;
    events_script_send_fails(bench->sink, AION_UNAVAILABLE);
    for (uint64_t i = 1; i <= 15; i++)
        assert_true(put(bench->spool, i, "x"));
    assert_int_equal(events_spool_stats(bench->spool).dropped, 5);
    events_script_send_fails(bench->sink, AION_OK);
    events_spool_send(bench->spool);
    for (size_t i = 0; i < 10; i++) { /* four at a time */
        assert_in_range(events_script_waiting(bench->sink), 0, 4);
        events_script_acknowledge(bench->sink, 1);
        events_spool_send(bench->spool);
    }
    assert_int_equal(events_script_kept(bench->sink), 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(events_script_at(bench->sink, i)->sequence, 6 + i);
}

static void one_that_is_pushed_out_under_way_still_arrives(void **state)
{
    struct bench *bench = *state;
    for (uint64_t i = 1; i <= 13; i++)
        assert_true(put(bench->spool, i, "x"));
    /* 1..4 are under way and 1..3 pushed out; 5..13 wait */
    struct events_spool_stats stats = events_spool_stats(bench->spool);
    assert_int_equal(stats.under_way, 4);
    assert_int_equal(stats.dropped, 0);
    assert_int_equal(events_script_acknowledge(bench->sink, 10), 4);
    assert_int_equal(events_spool_stats(bench->spool).sent, 4);
}

static void what_comes_back_is_sent_again_unless_that_is_hopeless(void **state)
{
    struct bench *bench = *state;
    put(bench->spool, 1, "a");
    put(bench->spool, 2, "b");
    events_script_refuse(bench->sink, AION_UNAVAILABLE);
    events_script_reset_done(bench->sink);
    events_spool_send(bench->spool);
    assert_int_equal(events_script_waiting(bench->sink), 2);
    events_script_refuse(bench->sink, AION_PRECONDITION);
    events_spool_send(bench->spool);
    assert_int_equal(events_spool_stats(bench->spool).dropped, 1);
    assert_int_equal(events_script_waiting(bench->sink), 1);
}

static void bytes_bound_it_too(void **state)
{
    struct bench *bench = *state;
    char value[501];
    struct events_record records[10];
    memset(value, 'x', 500);
    value[500] = '\0';
    assert_true(put(bench->spool, 1, value));
    assert_true(put(bench->spool, 2, value));
    assert_int_equal(events_spool_read(bench->spool, 0, 10, records), 1);
    const struct events_record large = {
        .key = aion_str_n(value, 500), .value = aion_str_n(value, 501), .sequence = 3};
    assert_false(events_spool_put(bench->spool, &large));
    assert_int_equal(events_spool_read(bench->spool, 0, 10, records), 1);
}

static void without_a_sink_it_is_a_ring_for_readers_and_drops_nothing(void **state)
{
    const struct events_spool_conf conf = {.records_max = 3};
    struct events_spool *spool = events_spool_new(&conf);
    struct events_record records[10];
    (void)state;
    for (uint64_t i = 1; i <= 5; i++)
        put(spool, i, "x");
    assert_int_equal(events_spool_read(spool, 0, 10, records), 3);
    assert_int_equal(records[0].sequence, 3);
    assert_int_equal(events_spool_stats(spool).dropped, 0);
    events_spool_free(spool);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(records_go_to_the_sink_as_they_come_and_stay_readable),
        TEST(a_sink_that_does_not_take_them_costs_the_oldest_and_they_are_counted),
        TEST(one_that_is_pushed_out_under_way_still_arrives),
        TEST(what_comes_back_is_sent_again_unless_that_is_hopeless),
        TEST(bytes_bound_it_too),
        cmocka_unit_test(without_a_sink_it_is_a_ring_for_readers_and_drops_nothing),
    };
    return cmocka_run_group_tests_name("events spool", tests, NULL, NULL);
}
