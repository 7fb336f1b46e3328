/* The SQLite driver where it differs from others: whose file it is, damage, the group commit,
 * and what a failing disk does to it. Method: a file system layer (sqlite3_vfs) in front of the
 * real one that fails on demand. */
#include "base/clock.h"
#include "store/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define T0 1700000000000000

/* -- a file system that fails when told --------------------------------------------- */
static atomic_int fail_sync_of_log, fail_write_of_log; /* result code, 0 = none */

static sqlite3_vfs faulty;
static const sqlite3_io_methods *real_methods;
static sqlite3_io_methods faulty_methods;

static int faulty_sync(sqlite3_file *file, int flags)
{
    int code = atomic_load(&fail_sync_of_log);
    return code != 0 ? code : real_methods->xSync(file, flags);
}

static int faulty_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    int code = atomic_load(&fail_write_of_log);
    return code != 0 ? code : real_methods->xWrite(file, data, size, offset);
}

/* Only the log gets the faulty methods; the real ones find their own state in the same file
 * object. */
static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                       int *out)
{
    sqlite3_vfs *real = vfs->pAppData;
    int rc = real->xOpen(real, name, file, flags, out);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
        real_methods = file->pMethods;
        faulty_methods = *real_methods;
        faulty_methods.xSync = faulty_sync;
        faulty_methods.xWrite = faulty_write;
        file->pMethods = &faulty_methods;
    }
    return rc;
}

static void install_faulty(void)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    faulty = *real;
    faulty.zName = "faulty";
    faulty.pAppData = real;
    faulty.xOpen = faulty_open;
    sqlite3_vfs_register(&faulty, 1);
}

/* -- the bench ---------------------------------------------------------------------- */
struct bench {
    struct aion_exec exec;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct aion_job *job;
    char folder[64], path[96], url[128];
    struct store *store;
    struct aion_err err;
    uint64_t epoch;
    atomic_int fatal;
};

static void post(struct aion_exec *exec, struct aion_job *job)
{
    struct bench *bench = aion_container(exec, struct bench, exec);
    pthread_mutex_lock(&bench->lock);
    bench->job = job;
    pthread_cond_signal(&bench->wake);
    pthread_mutex_unlock(&bench->lock);
}

static void run_job(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    while (bench->job == NULL)
        pthread_cond_wait(&bench->wake, &bench->lock);
    struct aion_job *job = bench->job;
    bench->job = NULL;
    pthread_mutex_unlock(&bench->lock);
    job->run(job);
}

static void note_fatal(void *user, const struct aion_err *err)
{
    struct bench *bench = user;
    assert_string_equal(err->reason, "STORE_DOWN");
    bench->fatal++;
}

static bool lease(struct bench *bench)
{
    struct aion_arena arena;
    aion_arena_init(&arena, 4096, NULL, 0);
    struct store_lease lease = {
        .op.arena = &arena, .replica = AION_STR("one"), .lease_us = 1, .first = true};
    bool good = store_lease_wait(bench->store, &lease, &bench->err);
    bench->epoch = good ? lease.shards[0].epoch : 0;
    aion_arena_done(&arena);
    return good;
}

static bool try_open(struct bench *bench)
{
    struct store_conf conf = {.url = bench->url,
                              .exec = &bench->exec,
                              .fatal = note_fatal,
                              .user = bench,
                              .writes_max = 100};
    bench->store = store_open(&conf, &bench->err);
    return bench->store != NULL && lease(bench);
}

/* What was posted and not run is ours to run, as a loop does that is freed. */
static void close_store(struct bench *bench)
{
    store_close(bench->store);
    bench->store = NULL;
    struct aion_job *job = bench->job;
    bench->job = NULL;
    if (job != NULL)
        job->run(job);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    *state = bench;
    bench->exec.post = post;
    pthread_mutex_init(&bench->lock, NULL);
    pthread_cond_init(&bench->wake, NULL);
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/aion-sqlite-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    snprintf(bench->path, sizeof(bench->path), "%s/aion.db", bench->folder);
    snprintf(bench->url, sizeof(bench->url), "sqlite:%s", bench->path);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", "-owner"};
    atomic_store(&fail_sync_of_log, 0);
    atomic_store(&fail_write_of_log, 0);
    close_store(bench);
    for (size_t i = 0; i < aion_countof(suffixes); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", bench->path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(bench->folder), 0);
    free(bench);
    return 0;
}

static void must_open(struct bench *bench)
{
    if (!try_open(bench))
        fail_msg("open: %s (%s)", bench->err.text, bench->err.detail);
}

static void reopen(struct bench *bench)
{
    close_store(bench);
    must_open(bench);
}

static uint64_t seq_of(unsigned number)
{
    return store_seq(T0 + number, number % STORE_SHARDS);
}

static struct aion_uuid id_of(unsigned number)
{
    struct aion_uuid id = {.bytes = {[13] = (uint8_t)(number >> 8), [14] = (uint8_t)number}};
    return id;
}

static struct store_accept accept_of(const struct bench *bench, unsigned number)
{
    return (struct store_accept){.write = {.seq = seq_of(number), .epoch = bench->epoch},
                                 .id = id_of(number),
                                 .tenant = AION_STR("default"),
                                 .intent = AION_STR("noop"),
                                 .priority = 3};
}

static bool put(struct bench *bench, unsigned number)
{
    struct store_accept accept = accept_of(bench, number);
    return store_accept_wait(bench->store, &accept, &bench->err);
}

static bool is_there(struct bench *bench, unsigned number)
{
    struct aion_arena arena;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_task_read read = {
        .op.arena = &arena, .id = id_of(number), .seq = seq_of(number)};
    assert_true(store_task_read_wait(bench->store, &read, &bench->err));
    aion_arena_done(&arena);
    return read.found;
}

static size_t count_unfinished(struct bench *bench)
{
    struct aion_arena arena;
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_load load = {.op.arena = &arena, .shards = STORE_ALL_SHARDS, .limit = 100};
    assert_true(store_load_wait(bench->store, &load, &bench->err));
    aion_arena_done(&arena);
    return load.count;
}

/* Changes the closed file with SQL of the test's own. */
static void alter(const struct bench *bench, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(bench->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* -- opening ------------------------------------------------------------------------ */
static void what_was_written_is_there_after_reopening_and_the_epoch_grows(void **state)
{
    struct bench *bench = *state;
    must_open(bench);
    assert_true(store_info(bench->store).created);
    uint64_t epoch = bench->epoch;
    assert_true(put(bench, 1));
    reopen(bench);
    assert_true(is_there(bench, 1));
    assert_false(store_info(bench->store).created);
    assert_int_equal(bench->epoch, epoch + 1);
}

static void the_file_is_for_its_owner_alone(void **state)
{
    struct bench *bench = *state;
    struct stat info;
    must_open(bench);
    assert_int_equal(stat(bench->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void a_second_process_is_refused(void **state)
{
    struct bench *bench = *state;
    must_open(bench);
    struct store_conf conf = {.url = bench->url};
    assert_null(store_open(&conf, &bench->err));
    assert_int_equal(bench->err.code, AION_PRECONDITION);
    assert_non_null(strstr(bench->err.text, "in use by another process"));
}

static void a_newer_schema_is_refused(void **state)
{
    struct bench *bench = *state;
    must_open(bench);
    close_store(bench);
    alter(bench, "UPDATE schema_meta SET value = 99 WHERE name = 'schema_version'");
    assert_false(try_open(bench));
    assert_int_equal(bench->err.code, AION_PRECONDITION);
    assert_non_null(strstr(bench->err.text, "newer AION (schema 99"));
}

static void somebody_elses_database_is_refused(void **state)
{
    struct bench *bench = *state;
    alter(bench, "CREATE TABLE mine(x)");
    assert_false(try_open(bench));
    assert_int_equal(bench->err.code, AION_PRECONDITION);
    assert_non_null(strstr(bench->err.text, "not one of AION"));
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct bench *bench = *state;
    int fd = open(bench->path, O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 100; i++)
        assert_int_equal(write(fd, "this is a letter to my aunt, not a database.", 44), 44);
    close(fd);
    assert_false(try_open(bench));
    assert_int_equal(bench->err.code, AION_DATA_LOSS);
    assert_non_null(strstr(bench->err.text, "damaged"));
}

static void a_damaged_file_is_refused(void **state)
{
    struct bench *bench = *state;
    must_open(bench);
    for (unsigned i = 0; i < 50; i++)
        assert_true(put(bench, i));
    close_store(bench);
    char noise[4096];
    memset(noise, 0x5a, sizeof(noise));
    int fd = open(bench->path, O_WRONLY);
    for (off_t page = 1; page < 12; page++)
        assert_int_equal(pwrite(fd, noise, sizeof(noise), page * 4096), 4096);
    close(fd);
    assert_false(try_open(bench));
    assert_int_equal(bench->err.code, AION_DATA_LOSS);
    assert_non_null(strstr(bench->err.text, bench->path));
}

static void an_unwritable_folder_is_named(void **state)
{
    struct bench *bench = *state;
    struct store_conf conf = {.url = "sqlite:/nonexistent/aion.db"};
    assert_null(store_open(&conf, &bench->err));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    assert_non_null(strstr(bench->err.text, "/nonexistent/"));
    conf.url = "mysql:x";
    assert_null(store_open(&conf, &bench->err));
    assert_int_equal(bench->err.code, AION_INVALID);
}

/* -- group commit ------------------------------------------------------------------- */
struct submitted {
    struct store_accept accept;
    enum aion_code code;
    bool done;
};

static void note_done(struct store_op *op, const struct aion_err *err)
{
    struct submitted *submitted = aion_container(op, struct submitted, accept.write.op);
    submitted->done = true;
    submitted->code = err != NULL ? err->code : AION_OK;
}

static void submit(struct bench *bench, struct submitted *ops, unsigned first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct submitted){.accept = accept_of(bench, first + (unsigned)i)};
        ops[i].accept.write.op.done = note_done;
        assert_true(store_accept(bench->store, &ops[i].accept, &bench->err));
    }
}

static void wait_all(struct bench *bench, const struct submitted *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        while (!ops[i].done)
            run_job(bench);
}

static void many_operations_share_a_commit(void **state)
{
    struct bench *bench = *state;
    static struct submitted ops[90];
    must_open(bench);
    submit(bench, ops, 0, aion_countof(ops));
    wait_all(bench, ops, aion_countof(ops));
    struct store_stats stats = store_stats(bench->store);
    assert_int_equal(stats.operations, aion_countof(ops) + 1); /* the lease */
    assert_true(stats.commits < aion_countof(ops) / 2);
}

static void a_full_queue_is_an_answer(void **state)
{
    struct bench *bench = *state;
    static struct submitted ops[10000];
    size_t taken = 0;
    must_open(bench);
    struct submitted *op;
    do {
        op = &ops[taken];
        *op = (struct submitted){.accept = accept_of(bench, (unsigned)taken)};
        op->accept.write.op.done = note_done;
    } while (store_accept(bench->store, &op->accept, &bench->err) &&
             ++taken < aion_countof(ops));
    assert_true(taken >= 100 && taken < aion_countof(ops));
    assert_int_equal(bench->err.code, AION_EXHAUSTED);
    assert_string_equal(bench->err.reason, "STORE_BUSY");
    assert_true(bench->err.retriable);
    wait_all(bench, ops, taken);
}

/* Two tasks have never the same place; had they, only the second one would be refused. */
static void an_operation_that_the_database_refuses_fails_alone(void **state)
{
    struct bench *bench = *state;
    static struct submitted ops[20];
    must_open(bench);
    for (unsigned i = 0; i < 20; i++) {
        ops[i] = (struct submitted){.accept = accept_of(bench, i)};
        if (i == 7)
            ops[i].accept.write.seq = seq_of(3);
        ops[i].accept.write.op.done = note_done;
        assert_true(store_accept(bench->store, &ops[i].accept, &bench->err));
    }
    wait_all(bench, ops, 20);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(ops[i].code, i == 7 ? AION_INTERNAL : AION_OK);
    assert_true(is_there(bench, 19));
    assert_false(is_there(bench, 7));
}

static void lazy_operations_wait_for_company_but_not_for_ever(void **state)
{
    struct bench *bench = *state;
    must_open(bench);
    struct submitted lazy = {.accept = accept_of(bench, 1)},
                     urgent = {.accept = accept_of(bench, 2)};
    uint64_t before = store_stats(bench->store).commits;
    lazy.accept.write.op.done = urgent.accept.write.op.done = note_done;
    lazy.accept.write.op.lazy = true;
    assert_true(store_accept(bench->store, &lazy.accept, &bench->err));
    assert_true(store_accept(bench->store, &urgent.accept, &bench->err));
    wait_all(bench, &urgent, 1);
    assert_true(lazy.done); /* in the order of submission */
    assert_int_equal(store_stats(bench->store).commits, before + 1);
    struct submitted alone = {.accept = accept_of(bench, 3)};
    alone.accept.write.op.done = note_done;
    alone.accept.write.op.lazy = true;
    int64_t begun = aion_clock_mono_us();
    assert_true(store_accept(bench->store, &alone.accept, &bench->err));
    wait_all(bench, &alone, 1);
    assert_true(aion_clock_mono_us() - begun >= 15000);
}

static void what_was_submitted_is_committed_by_closing(void **state)
{
    struct bench *bench = *state;
    static struct submitted ops[50];
    must_open(bench);
    submit(bench, ops, 0, 50);
    close_store(bench);
    for (size_t i = 0; i < 50; i++)
        assert_true(ops[i].done && ops[i].code == AION_OK);
    must_open(bench);
    assert_true(is_there(bench, 49));
}

static void the_log_starts_anew_under_steady_writing(void **state)
{
    struct bench *bench = *state;
    static char body[20000];
    must_open(bench);
    for (unsigned i = 0; i < 2000; i++) {
        struct store_accept accept = accept_of(bench, i);
        accept.body = aion_str_n(body, sizeof(body));
        assert_true(store_accept_wait(bench->store, &accept, &bench->err));
    }
    struct stat info;
    char log[128];
    snprintf(log, sizeof(log), "%s-wal", bench->path);
    assert_int_equal(stat(log, &info), 0);
    assert_true(info.st_size < 30 << 20); /* 40 MB were written */
}

/* -- failing disks ------------------------------------------------------------------ */
static void a_full_disk_fails_the_batch_and_heals_by_itself(void **state)
{
    struct bench *bench = *state;
    must_open(bench);
    assert_true(put(bench, 1));
    atomic_store(&fail_write_of_log, SQLITE_FULL);
    assert_false(put(bench, 2));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    assert_string_equal(bench->err.reason, "STORE_DOWN");
    assert_non_null(strstr(bench->err.text, "disk is full"));
    assert_false(store_healthy(bench->store));
    atomic_store(&fail_write_of_log, 0);
    assert_true(put(bench, 3));
    assert_true(store_healthy(bench->store));
    assert_false(is_there(bench, 2));
    assert_true(is_there(bench, 1) && is_there(bench, 3));
    assert_int_equal(count_unfinished(bench), 2); /* what is in mind went back with the batch */
    assert_int_equal(bench->fatal, 0);
}

static void a_failed_fsync_ends_acknowledgements_for_good(void **state)
{
    struct bench *bench = *state;
    must_open(bench);
    assert_true(put(bench, 1));
    atomic_store(&fail_sync_of_log, SQLITE_IOERR_FSYNC);
    assert_false(put(bench, 2));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    atomic_store(&fail_sync_of_log, 0);
    assert_false(put(bench, 3)); /* though the disk would do it again */
    assert_string_equal(bench->err.reason, "STORE_DOWN");
    run_job(bench);
    assert_int_equal(bench->fatal, 1);
    assert_true(is_there(bench, 1)); /* reads go on */
    reopen(bench);
    assert_true(put(bench, 4));
    assert_true(is_there(bench, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define bench_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        bench_test(what_was_written_is_there_after_reopening_and_the_epoch_grows),
        bench_test(the_file_is_for_its_owner_alone),
        bench_test(a_second_process_is_refused),
        bench_test(a_newer_schema_is_refused),
        bench_test(somebody_elses_database_is_refused),
        bench_test(a_file_that_is_no_database_is_refused),
        bench_test(a_damaged_file_is_refused),
        bench_test(an_unwritable_folder_is_named),
        bench_test(many_operations_share_a_commit),
        bench_test(a_full_queue_is_an_answer),
        bench_test(an_operation_that_the_database_refuses_fails_alone),
        bench_test(lazy_operations_wait_for_company_but_not_for_ever),
        bench_test(what_was_submitted_is_committed_by_closing),
        bench_test(the_log_starts_anew_under_steady_writing),
        bench_test(a_full_disk_fails_the_batch_and_heals_by_itself),
        bench_test(a_failed_fsync_ends_acknowledgements_for_good),
    };
    install_faulty();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
