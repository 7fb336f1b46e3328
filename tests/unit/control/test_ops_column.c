/* Columns of blocks: whatever integers go in come out, damaged bits never do harm, and what
 * telemetry looks like is small. By hand-made and random columns. */
#include "ops/ops_column.h"

#include "base/metric.h"
#include "base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t round_trip(const int64_t *values, size_t count)
{
    int64_t back[OPS_BLOCK_FRAMES];
    struct aion_buf buf;
    aion_buf_init(&buf, 65536);
    struct ops_bits_out out = {.out = &buf};
    ops_column_write(&out, values, count);
    ops_bits_flush(&out);
    struct ops_bits_in in = {.next = (const unsigned char *)buf.data,
                             .end = (const unsigned char *)buf.data + buf.size};
    assert_true(ops_column_read(&in, back, count));
    assert_memory_equal(back, values, count * sizeof(*values));
    size_t bytes = buf.size;
    assert_in_range(bytes * 8, ops_column_cost(values, count),
                    ops_column_cost(values, count) + 7);
    aion_buf_done(&buf);
    return bytes;
}

static void one_value_all_along_costs_a_few_bytes(void **state)
{
    int64_t values[OPS_BLOCK_FRAMES];
    (void)state;
    for (size_t i = 0; i < OPS_BLOCK_FRAMES; i++)
        values[i] = 1795475704;
    assert_in_range(round_trip(values, OPS_BLOCK_FRAMES), 1, 6);
    assert_in_range(round_trip(values, 1), 1, 6);
}

static void the_ends_of_the_range_come_back(void **state)
{
    const int64_t values[] = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MIN, INT64_MAX - 1};
    (void)state;
    round_trip(values, aion_countof(values));
    round_trip(values, 2);
}

static void counts_in_thousands_cost_no_more_than_counts(void **state)
{
    int64_t plain[OPS_BLOCK_FRAMES], thousands[OPS_BLOCK_FRAMES];
    struct aion_rand rand;
    (void)state;
    aion_rand_seed(&rand, 1);
    for (size_t i = 0; i < OPS_BLOCK_FRAMES; i++) {
        plain[i] = (int64_t)aion_rand_below(&rand, 30);
        thousands[i] = plain[i] * 1000;
    }
    assert_in_range(round_trip(thousands, OPS_BLOCK_FRAMES), 1,
                    round_trip(plain, OPS_BLOCK_FRAMES) + 3);
}

static void bounds_of_buckets_are_written_as_numbers_of_buckets(void **state)
{
    int64_t values[OPS_BLOCK_FRAMES];
    struct aion_rand rand;
    (void)state;
    aion_rand_seed(&rand, 2);
    for (size_t i = 0; i < OPS_BLOCK_FRAMES; i++)
        values[i] = (int64_t)aion_hist_bound(300 + (unsigned)aion_rand_below(&rand, 4));
    values[5] = -1;
    assert_in_range(round_trip(values, OPS_BLOCK_FRAMES), 1, 34);
}

static void what_seldom_differs_costs_little_more_than_a_bit(void **state)
{
    int64_t values[OPS_BLOCK_FRAMES] = {0};
    (void)state;
    values[9] = 12000;
    values[40] = 11900;
    assert_in_range(round_trip(values, OPS_BLOCK_FRAMES), 1, 22);
}

static void any_integers_come_back(void **state)
{
    int64_t values[OPS_BLOCK_FRAMES];
    struct aion_rand rand;
    (void)state;
    aion_rand_seed(&rand, 3);
    for (int round = 0; round < 2000; round++) {
        size_t count = 1 + aion_rand_below(&rand, OPS_BLOCK_FRAMES);
        unsigned shift = (unsigned)aion_rand_below(&rand, 64);
        for (size_t i = 0; i < count; i++)
            values[i] = (int64_t)(aion_rand_u64(&rand) >> shift);
        round_trip(values, count);
    }
}

static void bits_that_end_too_soon_are_told(void **state)
{
    const int64_t values[] = {5, 900, 17, 42, 1000000};
    int64_t back[5];
    struct aion_buf buf;
    (void)state;
    aion_buf_init(&buf, 1024);
    struct ops_bits_out out = {.out = &buf};
    ops_column_write(&out, values, 5);
    ops_bits_flush(&out);
    for (size_t size = 0; size < buf.size; size++) {
        struct ops_bits_in in = {.next = (const unsigned char *)buf.data,
                                 .end = (const unsigned char *)buf.data + size};
        assert_false(ops_column_read(&in, back, 5));
    }
    aion_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_all_along_costs_a_few_bytes),
        cmocka_unit_test(the_ends_of_the_range_come_back),
        cmocka_unit_test(counts_in_thousands_cost_no_more_than_counts),
        cmocka_unit_test(bounds_of_buckets_are_written_as_numbers_of_buckets),
        cmocka_unit_test(what_seldom_differs_costs_little_more_than_a_bit),
        cmocka_unit_test(any_integers_come_back),
        cmocka_unit_test(bits_that_end_too_soon_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
