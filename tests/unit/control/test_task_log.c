/* The output of a task: what readers see and when, what stays in memory, what a restart does.
 */
#include "task_log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void append(struct control_log *log, uint64_t sequence, size_t size)
{
    static char bytes[8192];
    control_log_append(log, 1, sequence, CHUNK_TEXT, AION_STR("text/plain"),
                       aion_str_n(bytes, size));
}

static uint64_t after(const struct control_log *log, uint64_t cursor, bool *ret_stored)
{
    const struct control_chunk *chunk = control_log_after(log, cursor, ret_stored);
    return chunk != NULL ? chunk->cursor : 0;
}

static void chunks_are_seen_when_they_are_committed(void **state)
{
    struct control_log log = {.cursor = 0};
    bool stored;
    (void)state;
    append(&log, 1, 10);
    append(&log, 2, 10);
    assert_int_equal(after(&log, 0, &stored), 0);
    assert_false(stored);
    control_log_commit(&log, 1);
    assert_int_equal(after(&log, 0, &stored), 1);
    assert_int_equal(after(&log, 1, &stored), 0);
    append(&log, 3, 10);
    control_log_commit(&log, 3);
    assert_int_equal(after(&log, 1, &stored), 2);
    assert_int_equal(log.pending_bytes, 0);
    assert_int_equal(log.sequence, 3);
    control_log_done(&log);
}

static void memory_keeps_the_newest_and_the_store_the_rest(void **state)
{
    struct control_log log = {.cursor = 0};
    bool stored;
    (void)state;
    for (uint64_t i = 1; i <= 100; i++)
        append(&log, i, 4000);
    assert_true(log.bytes > LOG_TAIL_BYTES); /* not committed: must be kept */
    control_log_commit(&log, 100);
    assert_true(log.bytes <= LOG_TAIL_BYTES && log.bytes > LOG_TAIL_BYTES / 2);
    assert_int_equal(after(&log, 0, &stored), 0);
    assert_true(stored);
    assert_int_equal(after(&log, log.dropped, &stored), log.dropped + 1);
    assert_false(stored);
    assert_int_equal(after(&log, 100, &stored), 0);
    assert_false(stored);
    control_log_done(&log);
}

static void a_new_attempt_says_what_to_forget(void **state)
{
    struct control_log log = {.cursor = 0};
    (void)state;
    assert_null(control_log_restart(&log, 1)); /* nothing was put out */
    append(&log, 1, 5);
    append(&log, 2, 5);
    const struct control_chunk *restart = control_log_restart(&log, 2);
    assert_int_equal(restart->kind, CHUNK_RESTART);
    assert_int_equal(restart->discard_from, 1);
    assert_int_equal(restart->cursor, 3);
    assert_int_equal(restart->attempt, 2);
    assert_null(control_log_restart(&log, 3));
    append(&log, 1, 5);
    restart = control_log_restart(&log, 4);
    assert_int_equal(restart->discard_from, 4);
    control_log_done(&log);
}

static void a_loaded_log_goes_on_where_it_was(void **state)
{
    struct control_log log;
    bool stored;
    (void)state;
    control_log_load(&log, 20, 5, 7);
    assert_int_equal(after(&log, 5, &stored), 0);
    assert_true(stored);
    assert_int_equal(after(&log, 20, &stored), 0);
    assert_false(stored);
    append(&log, 8, 5);
    control_log_commit(&log, 21);
    assert_int_equal(after(&log, 20, &stored), 21);
    assert_int_equal(after(&log, 10, &stored), 0);
    assert_true(stored);
    control_log_done(&log);
}

static void acknowledged_output_is_gone(void **state)
{
    struct control_log log = {.cursor = 0};
    bool stored;
    (void)state;
    for (uint64_t i = 1; i <= 5; i++)
        append(&log, i, 5);
    control_log_commit(&log, 4);
    control_log_ack(&log, 3);
    assert_int_equal(after(&log, 0, &stored), 4); /* not in the store either */
    assert_false(stored);
    control_log_ack(&log, 9); /* what is not committed stays */
    control_log_commit(&log, 5);
    assert_int_equal(after(&log, 4, &stored), 5);
    control_log_done(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_seen_when_they_are_committed),
        cmocka_unit_test(memory_keeps_the_newest_and_the_store_the_rest),
        cmocka_unit_test(a_new_attempt_says_what_to_forget),
        cmocka_unit_test(a_loaded_log_goes_on_where_it_was),
        cmocka_unit_test(acknowledged_output_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
