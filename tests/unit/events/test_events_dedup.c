/* The window of names by its definition, and against a plain model over a long random run. */
#include "events/dedup.h"

#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void a_name_is_new_once(void **state)
{
    struct events_dedup *dedup = events_dedup_new(16);
    (void)state;
    assert_true(events_dedup_first(dedup, AION_STR("a"), 1));
    assert_true(events_dedup_first(dedup, AION_STR("a"), 2));
    assert_true(events_dedup_first(dedup, AION_STR("b"), 1));
    assert_false(events_dedup_first(dedup, AION_STR("a"), 1));
    assert_false(events_dedup_first(dedup, AION_STR("b"), 1));
    assert_int_equal(events_dedup_dropped(dedup), 2);
    events_dedup_free(dedup);
}

static void an_older_sequence_of_a_key_may_still_be_new(void **state)
{
    struct events_dedup *dedup = events_dedup_new(16);
    (void)state;
    assert_true(events_dedup_first(dedup, AION_STR("a"), 9));
    assert_true(events_dedup_first(dedup, AION_STR("a"), 3));
    events_dedup_free(dedup);
}

static void a_replayed_batch_is_dropped_whole(void **state)
{
    struct events_dedup *dedup = events_dedup_new(1024);
    (void)state;
    for (uint64_t i = 1; i <= 1000; i++)
        assert_true(events_dedup_first(dedup, AION_STR("task"), i));
    for (uint64_t i = 500; i <= 1000; i++)
        assert_false(events_dedup_first(dedup, AION_STR("task"), i));
    assert_true(events_dedup_first(dedup, AION_STR("task"), 1001));
    assert_int_equal(events_dedup_dropped(dedup), 501);
    events_dedup_free(dedup);
}

/* A window of 64 and names out of 96: many repeats, some from within the window, some from
 * behind it, the table always full. */
static void it_answers_as_a_list_of_the_newest_names_would(void **state)
{
    enum { WINDOW = 64, NAMES = 96, STEPS = 200000 };
    struct events_dedup *dedup = events_dedup_new(WINDOW);
    uint64_t newest[WINDOW];
    size_t count = 0;
    struct aion_rand rand;
    (void)state;
    aion_rand_seed(&rand, 7);
    for (size_t step = 0; step < STEPS; step++) {
        uint64_t name = aion_rand_below(&rand, NAMES);
        char key[8];
        bool seen = false;
        snprintf(key, sizeof(key), "k%u", (unsigned)(name % 5));
        for (size_t i = 0; i < count; i++)
            seen |= newest[i] == name;
        assert_int_equal(events_dedup_first(dedup, aion_str_of(key), name / 5), !seen);
        if (seen)
            continue;
        if (count == WINDOW)
            memmove(&newest[0], &newest[1], (--count) * sizeof(newest[0]));
        newest[count++] = name;
    }
    events_dedup_free(dedup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_new_once),
        cmocka_unit_test(an_older_sequence_of_a_key_may_still_be_new),
        cmocka_unit_test(a_replayed_batch_is_dropped_whole),
        cmocka_unit_test(it_answers_as_a_list_of_the_newest_names_would),
    };
    return cmocka_run_group_tests_name("events dedup", tests, NULL, NULL);
}
