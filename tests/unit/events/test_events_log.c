/* Pages of the embedded log over a scripted source: every event once, in order, whatever the
 * pages' sizes, and progress over rows of other topics. */
#include "events/log.h"
#include "events/script/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define T0 1700000000000000

struct bench {
    struct events_script_source *source;
    struct aion_arena arena;
    struct events_log_read read;
    size_t done;
    struct aion_err err;
    bool failed;
};

static void read_done(struct events_log_read *read, const struct aion_err *err)
{
    struct bench *bench = aion_container(read, struct bench, read);
    bench->done++;
    bench->failed = err != NULL;
    if (err != NULL)
        bench->err = *err;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bench->source = events_script_source_new();
    aion_arena_init(&bench->arena, 1 << 20, NULL, 0);
    bench->read = (struct events_log_read){.source = events_script_source(bench->source),
                                           .topic = EVENTS_LIFECYCLE,
                                           .lanes = UINT64_MAX,
                                           .limit = 100,
                                           .bytes_max = 1 << 20,
                                           .arena = &bench->arena,
                                           .done = read_done};
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    events_script_source_free(bench->source);
    aion_arena_done(&bench->arena);
    free(bench);
    return 0;
}

static void add_rows(struct bench *bench, uint32_t lane, uint64_t first, size_t count,
                     uint32_t kinds)
{
    for (size_t i = 0; i < count; i++) {
        const struct events_row row = {.lane = lane,
                                       .sequence = first + i,
                                       .at_us = T0,
                                       .of.task = {.tenant = AION_STR("t"),
                                                   .intent = AION_STR("noop"),
                                                   .kinds = kinds,
                                                   .state = 3}};
        events_script_add(bench->source, &row);
    }
}

static void read_page(struct bench *bench)
{
    size_t before = bench->done;
    aion_arena_reset(&bench->arena);
    assert_true(events_log_read(&bench->read, NULL));
    assert_int_equal(bench->done, before);
    while (bench->done == before)
        assert_true(events_script_complete(bench->source) > 0);
}

static void pages_of_any_size_give_every_event_once_in_order(void **state)
{
    struct bench *bench = *state;
    uint64_t last[EVENTS_LANES] = {0};
    size_t total = 0;
    for (uint32_t lane = 0; lane < 3; lane++)
        add_rows(bench, lane, 1, 50, 8);
    bench->read.limit = 7;
    do {
        read_page(bench);
        assert_in_range(bench->read.count, 1, 7);
        for (size_t i = 0; i < bench->read.count; i++) {
            const struct events_log_record *record = &bench->read.records[i];
            assert_int_equal(record->record.sequence, last[record->lane] + 1);
            last[record->lane] = record->record.sequence;
            total++;
        }
    } while (bench->read.more);
    assert_int_equal(total, 150);
    read_page(bench);
    assert_int_equal(bench->read.count, 0);
}

static void bytes_bound_a_page_and_one_event_always_comes(void **state)
{
    struct bench *bench = *state;
    add_rows(bench, 0, 1, 10, 8);
    bench->read.bytes_max = 1;
    for (uint64_t i = 1; i <= 10; i++) {
        read_page(bench);
        assert_int_equal(bench->read.count, 1);
        assert_int_equal(bench->read.records[0].record.sequence, i);
    }
}

static void rows_of_other_topics_are_stepped_over(void **state)
{
    struct bench *bench = *state;
    bench->read.topic = EVENTS_DECISIONS;
    bench->read.limit = 10;
    add_rows(bench, 0, 1, 500, 8);
    add_rows(bench, 0, 501, 1, 1 | 2 | 4);
    size_t pages = 0;
    do {
        uint64_t before = bench->read.after[0];
        read_page(bench);
        assert_true(bench->read.after[0] > before);
        pages++;
    } while (bench->read.count == 0);
    assert_int_equal(bench->read.records[0].record.sequence, 501);
    assert_true(pages < 12);
}

static void quiet_lanes_of_an_ordered_source_move_with_the_others(void **state)
{
    struct bench *bench = *state;
    events_script_source(bench->source)->ordered = true;
    bench->read.limit = 10;
    add_rows(bench, 5, 1, 200, 8);
    do {
        read_page(bench);
        assert_int_equal(bench->read.after[63], bench->read.after[5]);
    } while (bench->read.more);
    assert_int_equal(bench->read.after[63], 200);
}

static void a_failing_store_is_told(void **state)
{
    struct bench *bench = *state;
    add_rows(bench, 0, 1, 10, 8);
    events_script_source_fail(bench->source, 1, false, AION_UNAVAILABLE);
    read_page(bench);
    assert_true(bench->failed);
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    events_script_source_fail(bench->source, 1, true, AION_EXHAUSTED);
    assert_false(events_log_read(&bench->read, &bench->err));
    assert_int_equal(bench->err.code, AION_EXHAUSTED);
    read_page(bench);
    assert_int_equal(bench->read.count, 10);
}

static void memory_that_does_not_hold_one_event_is_an_answer(void **state)
{
    struct bench *bench = *state;
    add_rows(bench, 0, 1, 1, 8);
    aion_arena_done(&bench->arena);
    for (size_t limit = 0; limit < 2000; limit += 100) {
        aion_arena_init(&bench->arena, limit, NULL, 0);
        bench->read.limit = 1;
        bench->read.after[0] = 0;
        if (events_log_read(&bench->read, &bench->err)) {
            while (events_script_complete(bench->source) > 0)
                continue;
            assert_true(bench->failed ? bench->err.code == AION_EXHAUSTED
                                      : bench->read.count == 1);
        } else {
            assert_int_equal(bench->err.code, AION_EXHAUSTED);
        }
        aion_arena_done(&bench->arena);
    }
    assert_false(bench->failed);
    aion_arena_init(&bench->arena, 1 << 20, NULL, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(pages_of_any_size_give_every_event_once_in_order),
        TEST(bytes_bound_a_page_and_one_event_always_comes),
        TEST(rows_of_other_topics_are_stepped_over),
        TEST(quiet_lanes_of_an_ordered_source_move_with_the_others),
        TEST(a_failing_store_is_told),
        TEST(memory_that_does_not_hold_one_event_is_an_answer),
    };
    return cmocka_run_group_tests_name("events log", tests, NULL, NULL);
}
