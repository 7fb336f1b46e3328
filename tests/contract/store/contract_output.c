/* Output: chunks, cursors, acknowledgements. */
#include "contract.h"

static const struct store_token first = {1, 1};

static struct store_chunks_read read_chunks(struct bench *bench, uint64_t after, uint32_t limit,
                                            size_t bytes_max)
{
    struct store_chunks_read read = {.op.arena = &bench->arena,
                                     .seq = seq_of(1),
                                     .after = after,
                                     .limit = limit,
                                     .bytes_max = bytes_max};
    wait_for(bench, chunks_read, &read);
    return read;
}

static void output_is_read_from_a_cursor(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    assert_int_equal(put_chunks(bench, 1, first, 1, 10), STORE_DONE);
    assert_int_equal(put_chunks(bench, 1, first, 1, 10), STORE_DONE); /* the same */
    assert_int_equal(put_chunks(bench, 1, (struct store_token){1, 2}, 11, 1), STORE_STALE);
    struct store_chunks_read read = read_chunks(bench, 4, 3, 1000);
    assert_int_equal(read.count, 3);
    assert_true(read.more);
    assert_int_equal(read.chunks[0].cursor, 5);
    assert_int_equal(read.chunks[0].sequence, 5);
    assert_int_equal(read.chunks[0].attempt, 1);
    assert_int_equal(read.chunks[0].kind, STORE_CHUNK_TEXT);
    assert_true(str_is(read.chunks[2].payload, "words"));
    assert_true(str_is(read.chunks[2].content_type, "text/plain"));
    read = read_chunks(bench, 7, 3, 1000);
    assert_int_equal(read.count, 3);
    assert_false(read.more);
    read = read_chunks(bench, 0, 100, 6);
    assert_int_equal(read.count, 2);
    assert_true(read.more);
    assert_int_equal(read_task(bench, 1).cursor, 10);
}

static void a_restart_tells_what_to_forget(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    struct store_chunk restart = {
        .cursor = 1, .attempt = 1, .kind = STORE_CHUNK_RESTART, .discard_from = 7};
    struct store_chunks op = {
        .write = write_of(bench, seq_of(1)), .token = first, .chunks = &restart, .count = 1};
    wait_for(bench, chunks, &op);
    struct store_chunks_read read = read_chunks(bench, 0, 10, 1000);
    assert_int_equal(read.count, 1);
    assert_int_equal(read.chunks[0].kind, STORE_CHUNK_RESTART);
    assert_int_equal(read.chunks[0].discard_from, 7);
    assert_int_equal(read.chunks[0].payload.size, 0);
}

static void the_last_output_comes_with_the_end(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    struct store_chunk chunk = chunk_of(1, 1, 1);
    struct store_finish finish = finish_of(bench, seq_of(1), first, STORE_SUCCEEDED);
    finish.stream_digest = digest_a;
    finish.cursor = 1;
    finish.chunks = &chunk;
    finish.count = 1;
    wait_for(bench, finish, &finish);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.cursor, 1);
    assert_memory_equal(task.stream_digest.data, digest_a.data, 32);
    assert_int_equal(read_chunks(bench, 0, 10, 1000).count, 1);
    assert_int_equal(put_chunks(bench, 1, first, 2, 1), STORE_STALE);
}

static struct store_ack ack(struct bench *bench, uint64_t cursor)
{
    struct store_ack op = {
        .write = write_of(bench, seq_of(1)), .cursor = cursor, .at_us = T0 + 1700};
    wait_for(bench, ack, &op);
    return op;
}

static void acknowledged_output_is_gone_and_cursors_go_on(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    put_chunks(bench, 1, first, 1, 5);
    assert_int_equal(ack(bench, 3).acked, 3);
    struct store_chunks_read read = read_chunks(bench, 0, 10, 1000);
    assert_int_equal(read.count, 2);
    assert_int_equal(read.chunks[0].cursor, 4);
    assert_int_equal(ack(bench, 1).acked, 3);
    assert_int_equal(ack(bench, 99).acked, 5);
    assert_int_equal(read_chunks(bench, 0, 10, 1000).count, 0);
    struct store_task task = read_task(bench, 1);
    assert_int_equal(task.acked, 5);
    assert_int_equal(task.cursor, 5);
    struct store_load load = {
        .op.arena = &bench->arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    wait_for(bench, load, &load);
    assert_int_equal(load.tasks[0].chunk_sequence, 5);
    assert_int_equal(load.tasks[0].acked, 5);
}

static void output_of_a_final_task_is_acknowledged_and_of_no_task_not(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(ack(bench, 1).write.outcome, STORE_STALE);
    put_task(bench, 1);
    start_task(bench, 1, 1, 1);
    put_chunks(bench, 1, first, 1, 5);
    finish_task(bench, 1, first, STORE_SUCCEEDED);
    assert_int_equal(ack(bench, 4).write.outcome, STORE_DONE);
    assert_int_equal(read_task(bench, 1).acked, 4);
}

const struct CMUnitTest output_tests[] = {
    contract_test(output_is_read_from_a_cursor),
    contract_test(a_restart_tells_what_to_forget),
    contract_test(the_last_output_comes_with_the_end),
    contract_test(acknowledged_output_is_gone_and_cursors_go_on),
    contract_test(output_of_a_final_task_is_acknowledged_and_of_no_task_not),
};
const size_t output_test_count = aion_countof(output_tests);
