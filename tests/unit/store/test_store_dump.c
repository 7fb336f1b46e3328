/* A store as a file, and from store to store. Goal: what comes out is what went in, an import
 * that was cut off is simply run again, and no damage goes unseen. Method: a store with
 * hundreds of tasks of every kind and state; files cut at and flipped in every so many bytes.
 */
#include "sqlite_bench.h"

#include "store/store_dump.h"

#include <fcntl.h>
#include <unistd.h>

enum { TASKS = 300 };

static struct sqlite_bench *other; /* the target */
static char file[128];

/* -- something in the store ---------------------------------------------------------- */
static void put_task(struct sqlite_bench *bench, unsigned number)
{
    uint64_t seq = sqlite_bench_seq(number, 100000);
    const struct store_token first = {bench->epoch, 1};
    struct store_accept accept = sqlite_bench_accept(bench, seq);
    struct store_outbox event = {.sequence = number + 1, .id = accept.id, .kinds = 7};
    struct store_begin begin = {.token = first, .at_us = T0, .host = AION_STR("host-1")};
    struct store_chunk chunk = {
        .cursor = 1, .sequence = 1, .attempt = 1, .payload = AION_STR("x")};
    struct store_retry retry = {.write = sqlite_bench_write(bench, seq),
                                .token = first,
                                .begin = &begin,
                                .at_us = T0 + 1,
                                .chunks = &chunk,
                                .count = 1};
    struct store_finish finish = {.write = sqlite_bench_write(bench, seq),
                                  .state = STORE_SUCCEEDED,
                                  .at_us = T0,
                                  .result = AION_STR("result")};
    accept.write.event = &event;
    accept.own_id = number % 5 == 0;
    accept.digest = AION_STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    sqlite_wait(bench, accept, &accept);
    if (number % 3 == 0)
        sqlite_wait(bench, retry, &retry);
    else if (number % 3 == 1)
        sqlite_wait(bench, finish, &finish);
}

static int setup(void **state)
{
    struct sqlite_bench *bench;
    sqlite_bench_setup(state);
    sqlite_bench_setup((void **)&other);
    bench = *state;
    sqlite_bench_open(bench, 1000000);
    for (unsigned i = 0; i < TASKS; i++)
        put_task(bench, i);
    snprintf(file, sizeof(file), "%s/export", bench->folder);
    return 0;
}

static int teardown(void **state)
{
    unlink(file);
    sqlite_bench_teardown((void **)&other);
    return sqlite_bench_teardown(state);
}

static void export_all(struct sqlite_bench *bench)
{
    struct store_dump dump = {.progress = NULL};
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!store_export(bench->store, fd, &dump, &bench->err))
        fail_msg("%s", bench->err.text);
    close(fd);
    assert_int_equal(dump.rows[STORE_TABLE_TASK], TASKS);
    assert_int_equal(dump.rows[STORE_TABLE_OUTCOME], TASKS / 3);
}

static bool import(struct store_dump *dump, struct aion_err *err)
{
    int fd = open(file, O_RDONLY);
    bool good = store_import(fd, other->store, dump, err);
    close(fd);
    return good;
}

static void check_target(struct sqlite_bench *bench)
{
    sqlite_bench_open(other, 0);
    assert_int_equal(sqlite_bench_unfinished(other), 2 * TASKS / 3);
    for (unsigned i = 0; i < TASKS; i += 7) {
        struct store_accept made = sqlite_bench_accept(bench, sqlite_bench_seq(i, 100000));
        struct store_task was = sqlite_bench_read(bench, &made.id, made.write.seq),
                          is = sqlite_bench_read(other, &made.id, made.write.seq);
        assert_int_equal(is.state, was.state);
        assert_int_equal(is.attempt_count, was.attempt_count);
        assert_int_equal(is.cursor, was.cursor);
        assert_true(aion_str_eq(is.body, was.body) && aion_str_eq(is.result, was.result));
    }
    assert_true(other->epoch > bench->epoch);
}

/* -- tests -------------------------------------------------------------------------- */
static void what_is_exported_is_imported(void **state)
{
    struct sqlite_bench *bench = *state;
    struct store_dump dump = {.progress = NULL};
    export_all(bench);
    sqlite_bench_open(other, 7000000);
    if (!import(&dump, &other->err))
        fail_msg("%s", other->err.text);
    assert_int_equal(dump.added[STORE_TABLE_TASK], TASKS);
    assert_int_equal(dump.added[STORE_TABLE_OUTBOX], TASKS);
    check_target(bench);
}

static void a_store_that_is_not_empty_is_refused_unless_told(void **state)
{
    struct sqlite_bench *bench = *state;
    struct store_dump dump = {.progress = NULL}, again = {.resume = true};
    export_all(bench);
    sqlite_bench_open(other, 0);
    assert_true(import(&dump, &other->err));
    assert_false(import(&dump, &other->err));
    assert_int_equal(other->err.code, AION_PRECONDITION);
    assert_true(import(&again, &other->err));
    assert_int_equal(again.rows[STORE_TABLE_TASK], TASKS);
    assert_int_equal(again.added[STORE_TABLE_TASK], 0);
}

static void copies_are_counted(void **state)
{
    struct sqlite_bench *bench = *state;
    struct store_dump dump = {.progress = NULL};
    sqlite_bench_open(other, 0);
    if (!store_copy(bench->store, other->store, &dump, &other->err))
        fail_msg("%s", other->err.text);
    assert_int_equal(dump.added[STORE_TABLE_TASK], TASKS);
    check_target(bench);
}

static off_t size_of_file(void)
{
    int fd = open(file, O_RDONLY);
    off_t size = lseek(fd, 0, SEEK_END);
    close(fd);
    return size;
}

/* Cut anywhere: told, and what was imported so far is taken up by the next run. */
static void a_file_that_ends_too_early_is_told_and_taken_up_again(void **state)
{
    struct sqlite_bench *bench = *state;
    export_all(bench);
    off_t size = size_of_file();
    sqlite_bench_open(other, 0);
    for (off_t cut = 0; cut < size; cut += 7919) {
        struct store_dump dump = {.resume = true};
        assert_int_equal(truncate(file, cut), 0);
        assert_false(import(&dump, &other->err));
        assert_true(other->err.code == AION_DATA_LOSS || other->err.code == AION_INVALID);
        export_all(bench);
    }
    struct store_dump dump = {.resume = true};
    assert_true(import(&dump, &other->err));
    check_target(bench);
}

static void a_flipped_bit_is_seen(void **state)
{
    struct sqlite_bench *bench = *state;
    export_all(bench);
    off_t size = size_of_file();
    sqlite_bench_open(other, 0);
    for (off_t at = 0; at < size; at += 4001) {
        struct store_dump dump = {.resume = true};
        char byte;
        int fd = open(file, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 16;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_false(import(&dump, &other->err));
        byte ^= 16;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    struct store_dump dump = {.resume = true};
    assert_true(import(&dump, &other->err));
}

static void another_file_is_refused(void **state)
{
    (void)state;
    struct store_dump dump = {.progress = NULL};
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, "a letter to my aunt, long enough", 32), 32);
    close(fd);
    sqlite_bench_open(other, 0);
    assert_false(import(&dump, &other->err));
    assert_int_equal(other->err.code, AION_INVALID);
    assert_non_null(strstr(other->err.text, "no export"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define dump_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        dump_test(what_is_exported_is_imported),
        dump_test(a_store_that_is_not_empty_is_refused_unless_told),
        dump_test(copies_are_counted),
        dump_test(a_file_that_ends_too_early_is_told_and_taken_up_again),
        dump_test(a_flipped_bit_is_seen),
        dump_test(another_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
