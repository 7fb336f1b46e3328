/* The output of tasks over the mesh: live and again, windows, new attempts, acknowledgements.
 */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { CHUNK_COST = 256 }; /* as tasks.proto says */

static void output_is_streamed_live_and_ends(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    bench_stream(bench, id, 0);
    bench_chunk(host, word, 1, "one ");
    bench_until(bench, bench->chunks == 1);
    bench_chunk(host, word, 2, "two ");
    bench_chunk(host, word, 2, "two "); /* a repeat is no second */
    bench_chunk(host, word, 3, "three");
    bench_result(host, word, "done");
    bench_until(bench, bench->stream_closed);
    assert_int_equal(bench->stream_err.code, AION_OK);
    assert_string_equal(bench->text, "one two three");
    assert_true(bench->final);
    assert_int_equal(bench->final_state, TASK_SUCCEEDED);
}

static void output_is_read_again_from_a_cursor_and_from_the_store(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    for (uint64_t i = 1; i <= 5; i++)
        bench_chunk(host, word, i, "x");
    bench_result(host, word, "done");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    bench_stream(bench, id, 2);
    bench_until(bench, bench->stream_closed);
    assert_string_equal(bench->text, "xxx");
    control_cache_drop_finished(&bench->control->tasks);
    bench_stream(bench, id, 1);
    bench_until(bench, bench->stream_closed);
    assert_string_equal(bench->text, "xxxx");
    assert_int_equal(bench->final_state, TASK_SUCCEEDED);
}

static void a_new_attempt_tells_readers_to_forget_the_old(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    struct bench_word word = *bench_begin(bench, NULL, &id);
    bench_stream(bench, id, 0);
    bench_chunk(host, &word, 1, "wrong");
    bench_until(bench, bench->chunks == 1);
    bench_failure(host, &word, true, "MODULE_CRASHED");
    bench_until(bench, host->executes == 2);
    bench_chunk(host, &host->executed[1], 1, "right");
    bench_result(host, &host->executed[1], "done");
    bench_until(bench, bench->stream_closed);
    assert_int_equal(bench->discard_from, 1);
    assert_string_equal(bench->text, "wrongright"); /* a reader cuts at discard_from */
    assert_int_equal(bench_get(bench, id)->n_attempts, 2);
}

static void a_gap_in_the_output_fails_the_attempt(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    bench_chunk(host, word, 1, "a");
    bench_chunk(host, word, 3, "c");
    bench_until(bench, host->executes == 2);
    assert_string_equal(bench_get(bench, id)->attempts[0]->error->reason, "STREAM_GAP");
}

static void too_much_output_fails_the_task(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    char large[600];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    bench_chunk(host, word, 1, large);
    bench_chunk(host, word, 2, large);
    bench_until(bench, bench_is(bench, id, TASK_FAILED));
    assert_string_equal(bench_get(bench, id)->error->reason, "OUTPUT_TOO_LARGE");
}

static void a_watch_stops_at_its_window_and_goes_on_with_credit(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    const char *id;
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    bench_watch(bench, id, 0, 2 * CHUNK_COST); /* a chunk counts its payload and that */
    for (uint64_t i = 1; i <= 6; i++)
        bench_chunk(host, word, i, "12345");
    bench_result(host, word, "done");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    bench_turns(bench, 10);
    assert_int_equal(bench->chunks, 2);
    bench_credit(bench, 2 * (CHUNK_COST + 5));
    bench_until(bench, bench->chunks == 4);
    bench_turns(bench, 10);
    assert_int_equal(bench->chunks, 4);
    bench_credit(bench, 4 * (CHUNK_COST + 5));
    bench_until(bench, bench->closed_code == 0);
    assert_int_equal(bench->chunks, 6);
    assert_true(bench->final);
    mesh_rpc_half_close(bench->stream);
    bench_until(bench, bench->stream_closed);
}

static void a_watch_of_no_task_is_closed_with_the_reason(void **state)
{
    struct bench *bench = *state;
    bench_watch(bench, "018c0000-0000-7000-8000-000000000001", 0, 0);
    bench_until(bench, bench->closed_code == AION_NOT_FOUND);
    mesh_rpc_cancel(bench->stream);
    bench_until(bench, bench->stream_closed);
}

static void acknowledged_output_is_out_of_range(void **state)
{
    struct bench *bench = *state;
    struct bench_host *host = &bench->hosts[0];
    Aion__V1__AckStreamRequest ack = AION__V1__ACK_STREAM_REQUEST__INIT;
    const char *id;
    char copy[AION_UUID_TEXT];
    bench_attach(bench, 0, 1, NULL, 0);
    const struct bench_word *word = bench_begin(bench, NULL, &id);
    for (uint64_t i = 1; i <= 3; i++)
        bench_chunk(host, word, i, "x");
    bench_result(host, word, "done");
    bench_until(bench, bench_is(bench, id, TASK_SUCCEEDED));
    aion_str_copy(copy, sizeof(copy), aion_str_of(id));
    ack.task_id = copy;
    ack.cursor = 2;
    const Aion__V1__AckStreamReply *reply = (const Aion__V1__AckStreamReply *)bench_call(
        bench, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_ACK_STREAM], &ack.base);
    assert_int_equal(reply->cursor, 2);
    bench_stream(bench, id, 0);
    bench_until(bench, bench->stream_closed);
    assert_int_equal(bench->stream_err.code, AION_RANGE);
    bench_stream(bench, id, 2);
    bench_until(bench, bench->stream_closed);
    assert_string_equal(bench->text, "x");
    bench_watch(bench, id, 0, 0); /* a gateway's reader is told of the gap instead */
    bench_until(bench, bench->closed_code == 0);
    assert_true(bench->gap);
    assert_string_equal(bench->text, "x");
    mesh_rpc_cancel(bench->stream);
    bench_until(bench, bench->stream_closed);
}

int main(void)
{
#define mesh_test(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        mesh_test(output_is_streamed_live_and_ends),
        mesh_test(output_is_read_again_from_a_cursor_and_from_the_store),
        mesh_test(a_new_attempt_tells_readers_to_forget_the_old),
        mesh_test(a_gap_in_the_output_fails_the_attempt),
        mesh_test(too_much_output_fails_the_task),
        mesh_test(a_watch_stops_at_its_window_and_goes_on_with_credit),
        mesh_test(a_watch_of_no_task_is_closed_with_the_reason),
        mesh_test(acknowledged_output_is_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
