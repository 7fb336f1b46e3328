/* The PostgreSQL driver where it differs from others: connections, refusals, several processes
 * on one database, what a broken connection or a full disk does. Goal: clear errors that name
 * the mend and never the password; nothing acknowledged is lost; an old owner changes nothing.
 * Method: a real server (tests/servers/postgres.sh with tcp), whose own psql-like connection
 * (libpq) stands for other people. Skipped (77) where the wrapper did not start one. */
#include "base/clock.h"
#include "store/store.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND ((int64_t)1000000)

extern char **environ;
static int deaf = -1; /* a socket in the server's place, see below */
static const char *server_url, *server_folder, *server_script;

struct bench {
    char url[400], schema[32];
    struct store *store;
    struct aion_arena arena;
    struct aion_err err;
    uint64_t epochs[STORE_SHARDS];
};

/* -- the bench ---------------------------------------------------------------------- */
/* start, stop or kill of the server. */
static void server(const char *what)
{
    char *const argv[] = {strdup(server_script), strdup(what), strdup(server_folder), NULL};
    int status = 1;
    pid_t pid;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawn(&pid, argv[0], &files, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    posix_spawn_file_actions_destroy(&files);
    for (size_t i = 0; i < 3; i++)
        free(argv[i]);
}

static PGconn *connect_aside(void)
{
    char url[400];
    snprintf(url, sizeof(url), "postgresql%s", strchr(server_url, ':'));
    PGconn *pg = PQconnectdb(url);
    if (PQstatus(pg) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(pg));
    PQclear(PQexec(pg, "SET client_min_messages = error"));
    return pg;
}

/* The first column of the first row, as a number. */
static long long ask(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    long long value = PQntuples(result) > 0 ? atoll(PQgetvalue(result, 0, 0)) : 0;
    PQclear(result);
    return value;
}

static void sql(const char *text)
{
    PGconn *pg = connect_aside();
    ask(pg, text);
    PQfinish(pg);
}

static bool try_open(struct bench *bench)
{
    struct store_conf conf = {.url = bench->url, .writes_max = 100};
    bench->store = store_open(&conf, &bench->err);
    return bench->store != NULL;
}

static void must_open(struct bench *bench)
{
    if (!try_open(bench))
        fail_msg("open: %s (%s)", bench->err.text, bench->err.detail);
}

static struct store_lease lease(struct bench *bench, const char *replica, int64_t lease_us)
{
    struct store_lease op = {.op.arena = &bench->arena,
                             .replica = aion_str_of(replica),
                             .address = AION_STR("here:1"),
                             .lease_us = lease_us,
                             .shards_max = STORE_SHARDS};
    if (!store_lease_wait(bench->store, &op, &bench->err))
        fail_msg("lease: %s (%s)", bench->err.text, bench->err.detail);
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if (op.shards[i].mine)
            bench->epochs[i] = op.shards[i].epoch;
    return op;
}

static void open_and_lease(struct bench *bench)
{
    must_open(bench);
    lease(bench, "one", 600 * SECOND);
}

static void name_schema(struct bench *bench)
{
    static unsigned number;
    snprintf(bench->schema, sizeof(bench->schema), "u%d_%u", (int)getpid(), ++number);
    snprintf(bench->url, sizeof(bench->url), "%s%caion_schema=%s", server_url,
             strchr(server_url, '?') ? '&' : '?', bench->schema);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    *state = bench;
    aion_arena_init(&bench->arena, 64 << 20, NULL, 0);
    name_schema(bench);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char text[96];
    store_close(bench->store);
    aion_arena_done(&bench->arena);
    if (deaf >= 0)
        close(deaf);
    snprintf(text, sizeof(text), "DROP SCHEMA IF EXISTS %s CASCADE", bench->schema);
    sql(text);
    free(bench);
    return 0;
}

/* -- tasks -------------------------------------------------------------------------- */
static _Atomic int64_t last_us;

/* A place of now, greater than every one before. */
static uint64_t new_seq(unsigned shard)
{
    int64_t now_us = aion_clock_utc_us(), before_us = atomic_load(&last_us), next_us;
    do
        next_us = now_us > before_us ? now_us : before_us + 1;
    while (!atomic_compare_exchange_weak(&last_us, &before_us, next_us));
    return store_seq(next_us, shard % STORE_SHARDS);
}

static struct store_accept accept_of(const struct bench *bench, uint64_t seq)
{
    struct store_write write = {.seq = seq, .epoch = bench->epochs[store_seq_shard(seq)]};
    return (struct store_accept){.write = write,
                                 .id = aion_uuid_at(store_seq_us(seq), store_seq_shard(seq)),
                                 .tenant = AION_STR("default"),
                                 .intent = AION_STR("noop"),
                                 .priority = 3,
                                 .body = AION_STR("body"),
                                 .decision = {AION_STR("r"), AION_STR("d")}};
}

static bool put(struct bench *bench, struct store_accept *accept)
{
    return store_accept_wait(bench->store, accept, &bench->err);
}

static bool put_new(struct bench *bench, struct store_accept *ret_accept)
{
    *ret_accept = accept_of(bench, new_seq(1));
    return put(bench, ret_accept);
}

static bool is_there(struct bench *bench, const struct aion_uuid *id)
{
    struct store_task_read read = {.op.arena = &bench->arena, .id = *id};
    if (!store_task_read_wait(bench->store, &read, &bench->err))
        fail_msg("read: %s (%s)", bench->err.text, bench->err.detail);
    return read.found;
}

static void sleep_ms(long ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

/* -- opening ------------------------------------------------------------------------ */
static void assert_refused(struct bench *bench, enum aion_code code, const char *mend)
{
    assert_false(try_open(bench));
    if (bench->err.code != code || strstr(bench->err.text, mend) == NULL)
        fail_msg("%d: %s (%s)", bench->err.code, bench->err.text, bench->err.detail);
    assert_null(strstr(bench->err.text, "s3cret"));
    assert_null(strstr(bench->err.detail, "s3cret"));
}

static void nobody_at_the_address_is_told_with_the_address(void **state)
{
    struct bench *bench = *state;
    strcpy(bench->url, "postgres://aion:s3cret@127.0.0.1:1/aion");
    assert_refused(bench, AION_UNAVAILABLE, "database aion at 127.0.0.1:1 as user aion");
    strcpy(bench->url, "postgres://aion:s3cret@no-such-host.invalid/aion");
    assert_refused(bench, AION_UNAVAILABLE, "cannot be reached");
    strcpy(bench->url, "mysql://aion:s3cret@host/aion");
    assert_refused(bench, AION_INVALID, "postgres://");
}

/* The server's URL with another password or database. */
static void change_url(struct bench *bench, const char *password, const char *database)
{
    const char *place = strchr(server_url, '@') + 1;
    snprintf(bench->url, sizeof(bench->url), "postgres://aion:%s@%.*s/%s", password,
             (int)strcspn(place, "/"), place, database);
}

static void a_wrong_password_is_refused_and_not_shown(void **state)
{
    struct bench *bench = *state;
    change_url(bench, "s3cret", "aion");
    assert_refused(bench, AION_DENIED, "refused the user or the password");
}

static void a_missing_database_is_named(void **state)
{
    struct bench *bench = *state;
    change_url(bench, "aion", "nosuch");
    assert_refused(bench, AION_PRECONDITION, "createdb");
    assert_non_null(strstr(bench->err.text, "database nosuch"));
}

static void a_newer_schema_is_refused(void **state)
{
    struct bench *bench = *state;
    char text[128];
    must_open(bench);
    store_close(bench->store);
    snprintf(text, sizeof(text),
             "UPDATE %s.schema_meta SET value = 99 WHERE name = 'schema_version'",
             bench->schema);
    sql(text);
    assert_refused(bench, AION_PRECONDITION, "newer AION (schema 99");
}

static void somebody_elses_tables_are_left_alone(void **state)
{
    struct bench *bench = *state;
    char text[128];
    snprintf(text, sizeof(text), "CREATE SCHEMA %s CREATE TABLE mine (x int)", bench->schema);
    sql(text);
    assert_refused(bench, AION_PRECONDITION, "not AION's");
}

static void a_user_without_rights_is_told_which(void **state)
{
    struct bench *bench = *state;
    sql("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN PASSWORD 'guest'");
    const char *place = strchr(server_url, '@') + 1;
    snprintf(bench->url, sizeof(bench->url), "postgres://guest:guest@%s?aion_schema=%s", place,
             bench->schema);
    assert_refused(bench, AION_DENIED, "GRANT CREATE ON DATABASE");
}

static void *open_one(void *arg)
{
    struct bench *bench = arg;
    try_open(bench);
    return NULL;
}

static void stores_that_open_together_migrate_once(void **state)
{
    struct bench *bench = *state;
    struct bench others[4];
    pthread_t threads[4];
    unsigned created = 0;
    for (size_t i = 0; i < 4; i++) {
        others[i] = *bench;
        pthread_create(&threads[i], NULL, open_one, &others[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        if (others[i].store == NULL)
            fail_msg("open: %s (%s)", others[i].err.text, others[i].err.detail);
        created += store_info(others[i].store).created;
    }
    assert_int_equal(created, 1);
    for (size_t i = 0; i < 4; i++)
        store_close(others[i].store);
}

/* -- batches ------------------------------------------------------------------------ */
struct writer {
    struct bench *bench;
    pthread_t thread;
    unsigned shard;
    atomic_size_t acked, failed;
    struct aion_uuid ids[4096]; /* acknowledged */
    _Atomic int64_t resumed_us; /* the first acknowledgement after a failure */
    struct aion_err wrong;
    const atomic_bool *stop;
    size_t bytes;
};

static void note(struct writer *writer, const struct store_accept *accept, bool done,
                 const struct aion_err *err)
{
    if (done && writer->acked < aion_countof(writer->ids)) {
        writer->ids[writer->acked++] = accept->id;
        if (writer->failed > 0 && writer->resumed_us == 0)
            writer->resumed_us = aion_clock_mono_us();
        return;
    }
    writer->failed++;
    writer->resumed_us = 0;
    if (err->code != AION_UNAVAILABLE)
        writer->wrong = *err; /* judged when it is joined: cmocka knows one thread */
    sleep_ms(5);
}

static void *write_on(void *arg)
{
    struct writer *writer = arg;
    static char body[1 << 16];
    struct aion_err err;
    while (!atomic_load(writer->stop) && writer->acked < aion_countof(writer->ids)) {
        struct store_accept accept = accept_of(writer->bench, new_seq(writer->shard));
        accept.body = aion_str_n(body, writer->bytes);
        note(writer, &accept, store_accept_wait(writer->bench->store, &accept, &err), &err);
    }
    return NULL;
}

enum { WRITERS = 8 };
static struct writer writers[WRITERS];

static void start_writers(struct bench *bench, const atomic_bool *stop, size_t bytes)
{
    memset(writers, 0, sizeof(writers));
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].bench = bench;
        writers[i].shard = i;
        writers[i].stop = stop;
        writers[i].bytes = bytes;
        pthread_create(&writers[i].thread, NULL, write_on, &writers[i]);
    }
}

#define wait_until(condition)                                   \
    do {                                                        \
        int64_t until_us_ = aion_clock_mono_us() + 15 * SECOND; \
        while (!(condition)) {                                  \
            if (aion_clock_mono_us() > until_us_)               \
                fail_msg("never came: %s", #condition);         \
            sleep_ms(5);                                        \
        }                                                       \
    } while (0)

static size_t acked_so_far(void)
{
    size_t acked = 0;
    for (unsigned i = 0; i < WRITERS; i++)
        acked += writers[i].acked;
    return acked;
}

static bool all_go_on(void)
{
    for (unsigned i = 0; i < WRITERS; i++)
        if (writers[i].failed > 0 && writers[i].resumed_us == 0)
            return false;
    return true;
}

/* Joins them; every acknowledged task is there. Returns how many those are. */
static size_t check_writers(struct bench *bench)
{
    size_t acked = 0;
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    for (unsigned i = 0; i < WRITERS; i++) {
        const struct aion_err *wrong = &writers[i].wrong;
        if (wrong->code != AION_OK)
            fail_msg("%d: %s (%s)", wrong->code, wrong->text, wrong->detail);
        acked += writers[i].acked;
        for (size_t k = 0; k < writers[i].acked; k++)
            assert_true(is_there(bench, &writers[i].ids[k]));
    }
    return acked;
}

static void many_writers_share_commits(void **state)
{
    struct bench *bench = *state;
    atomic_bool stop = false;
    open_and_lease(bench);
    start_writers(bench, &stop, 10);
    wait_until(acked_so_far() > 100);
    atomic_store(&stop, true);
    size_t acked = check_writers(bench);
    struct store_stats stats = store_stats(bench->store);
    assert_true(stats.operations >= acked && stats.commits < stats.operations);
    assert_int_equal(stats.failed_commits, 0);
    assert_true(store_healthy(bench->store));
}

/* The values of one cannot be sent: the others of its batch go through. */
static void an_operation_that_the_database_refuses_fails_alone(void **state)
{
    struct bench *bench = *state;
    struct store_accept bad;
    atomic_bool stop = false;
    open_and_lease(bench);
    start_writers(bench, &stop, 10);
    for (int i = 0; i < 20; i++) {
        bad = accept_of(bench, new_seq(9));
        bad.tenant = aion_str_n("de\xff\xff", 4);
        assert_false(put(bench, &bad));
        assert_int_equal(bench->err.code, AION_INTERNAL);
    }
    atomic_store(&stop, true);
    check_writers(bench);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(writers[i].failed, 0);
    assert_false(is_there(bench, &bad.id));
}

/* Nothing that is updated or deleted, so nothing that an old snapshot would have to keep. */
static void tasks_leave_no_dead_rows(void **state)
{
    struct bench *bench = *state;
    char text[256];
    open_and_lease(bench);
    for (unsigned i = 0; i < 50; i++) {
        struct store_accept accept = accept_of(bench, new_seq(i));
        assert_true(put(bench, &accept));
        struct store_finish finish = {.write = accept.write, .state = STORE_SUCCEEDED};
        finish.at_us = aion_clock_utc_us();
        assert_true(store_finish_wait(bench->store, &finish, &bench->err));
        assert_int_equal(finish.write.outcome, STORE_DONE);
    }
    store_close(bench->store);
    bench->store = NULL;
    snprintf(
        text, sizeof(text),
        "SELECT sum(n_tup_upd + n_tup_del) FROM pg_stat_all_tables WHERE schemaname = '%s' "
        "AND relname ~ '^(task|outcome|attempt|outbox|chunk|decision|mark|ledger)_w'",
        bench->schema);
    PGconn *pg = connect_aside();
    ask(pg, "SELECT pg_stat_force_next_flush()");
    assert_int_equal(ask(pg, text), 0);
    PQfinish(pg);
}

/* -- several processes -------------------------------------------------------------- */
static struct bench second(const struct bench *bench)
{
    struct bench other = *bench;
    aion_arena_init(&other.arena, 1 << 20, NULL, 0);
    return other;
}

static void close_second(struct bench *other)
{
    store_close(other->store);
    aion_arena_done(&other->arena);
}

static void a_former_owner_changes_nothing(void **state)
{
    struct bench *bench = *state, other = second(bench);
    open_and_lease(bench);
    struct store_accept accept = accept_of(bench, new_seq(7));
    assert_true(put(bench, &accept));
    must_open(&other);
    struct store_lease taken = lease(&other, "two", 600 * SECOND);
    assert_false(taken.shards[7].mine); /* the lease lives */
    lease(bench, "one", SECOND / 100);
    sleep_ms(50);
    taken = lease(&other, "two", 600 * SECOND);
    assert_true(taken.shards[7].mine && taken.shards[7].claimed);
    assert_true(taken.shards[7].newest_seq >= accept.write.seq);
    struct store_finish finish = {
        .write = accept.write, .state = STORE_SUCCEEDED, .at_us = aion_clock_utc_us()};
    assert_true(store_finish_wait(bench->store, &finish, &bench->err));
    assert_int_equal(finish.write.outcome, STORE_FENCED);
    finish.write.epoch = other.epochs[7];
    assert_true(store_finish_wait(other.store, &finish, &other.err));
    assert_int_equal(finish.write.outcome, STORE_DONE);
    close_second(&other);
}

/* A process that was stopped between its statements holds its shard's row: it does not hold up
 * the takeover. */
static void a_paused_owner_does_not_hold_up_a_takeover(void **state)
{
    struct bench *bench = *state;
    char text[128];
    must_open(bench);
    PGconn *paused = connect_aside();
    snprintf(text, sizeof(text), "SET search_path = %s", bench->schema);
    ask(paused, text);
    ask(paused, "BEGIN");
    ask(paused, "SELECT epoch FROM shard WHERE shard = 5 FOR KEY SHARE");
    int64_t begun_us = aion_clock_mono_us();
    struct store_lease taken = lease(bench, "two", 600 * SECOND);
    assert_true(taken.shards[5].mine);
    assert_true(aion_clock_mono_us() - begun_us < 8 * SECOND);
    PGresult *result = PQexec(paused, "COMMIT");
    assert_int_equal(PQresultStatus(result), PGRES_FATAL_ERROR);
    PQclear(result);
    PQfinish(paused);
}

/* Two stores on one database: what one keeps in a window that it made, the other one finds. */
static void replicas_see_each_others_tasks(void **state)
{
    struct bench *bench = *state, other = second(bench);
    open_and_lease(bench);
    must_open(&other);
    struct store_accept accept = accept_of(bench, store_seq(1500000000 * SECOND, 3));
    assert_true(put(bench, &accept));
    assert_int_equal(accept.write.outcome, STORE_DONE);
    struct store_load load = {
        .op.arena = &other.arena, .shards = STORE_ALL_SHARDS, .limit = 10};
    assert_true(store_load_wait(other.store, &load, &other.err));
    assert_int_equal(load.count, 1);
    assert_true(is_there(&other, &accept.id));
    close_second(&other);
}

/* -- failures ----------------------------------------------------------------------- */
/* The server's own end of every connection of the store is cut, again and again. */
static void cut_connections_lose_and_double_nothing(void **state)
{
    struct bench *bench = *state;
    atomic_bool stop = false;
    char text[256];
    open_and_lease(bench);
    start_writers(bench, &stop, 10);
    PGconn *pg = connect_aside();
    for (int i = 0; i < 15; i++) {
        sleep_ms(40);
        ask(pg, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                "application_name = 'aion' AND pid <> pg_backend_pid()");
    }
    atomic_store(&stop, true);
    size_t acked = check_writers(bench), failed = 0;
    for (unsigned i = 0; i < WRITERS; i++)
        failed += writers[i].failed;
    snprintf(text, sizeof(text), "SELECT count(*) FROM %s.task", bench->schema);
    assert_in_range(ask(pg, text), acked, acked + failed);
    assert_int_equal(failed, 0); /* what was cut was settled behind the scenes */
    PQfinish(pg);
}

static void a_killed_server_loses_nothing_acknowledged(void **state)
{
    struct bench *bench = *state;
    atomic_bool stop = false;
    open_and_lease(bench);
    start_writers(bench, &stop, 100);
    for (int i = 0; i < 3; i++) {
        sleep_ms(200 + 37 * i);
        server("kill");
        sleep_ms(50);
        if (i == 2) /* once for so long that the store says so */
            wait_until(!store_healthy(bench->store));
        server("start");
        size_t before = acked_so_far();
        wait_until(acked_so_far() > before + WRITERS);
    }
    wait_until(all_go_on());
    atomic_store(&stop, true);
    assert_true(check_writers(bench) > 3 * WRITERS);
    assert_true(store_healthy(bench->store));
}

/* A socket in the server's place that takes connections and says nothing. */
static int listen_in_its_place(void)
{
    const char *place = strchr(server_url, '@') + 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(strchr(place, ':') + 1)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

/* What waits while it connects is told that the store is down, not that it was refused. */
static void a_server_that_says_nothing_is_down(void **state)
{
    struct bench *bench = *state;
    struct store_accept accept;
    open_and_lease(bench);
    assert_true(put_new(bench, &accept));
    server("kill");
    deaf = listen_in_its_place();
    assert_false(put_new(bench, &accept));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    assert_string_equal(bench->err.reason, "STORE_DOWN");
    close(deaf);
    deaf = -1;
    server("start");
    wait_until(put_new(bench, &accept));
}

static void a_read_only_database_is_told_and_heals(void **state)
{
    struct bench *bench = *state;
    open_and_lease(bench);
    struct store_accept accept;
    assert_true(put_new(bench, &accept));
    sql("ALTER SYSTEM SET default_transaction_read_only = on");
    sql("SELECT pg_reload_conf()"); /* which it hears a little later */
    struct store_accept refused;
    wait_until(!put_new(bench, &refused));
    assert_int_equal(bench->err.code, AION_UNAVAILABLE);
    assert_non_null(strstr(bench->err.text, "read-only"));
    assert_false(store_healthy(bench->store));
    assert_true(is_there(bench, &accept.id));
    PGconn *pg = connect_aside();
    ask(pg, "SET default_transaction_read_only = off");
    ask(pg, "ALTER SYSTEM RESET default_transaction_read_only");
    ask(pg, "SELECT pg_reload_conf()");
    PQfinish(pg);
    wait_until(put(bench, &refused));
    assert_true(store_healthy(bench->store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define bench_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        bench_test(nobody_at_the_address_is_told_with_the_address),
        bench_test(a_wrong_password_is_refused_and_not_shown),
        bench_test(a_missing_database_is_named),
        bench_test(a_newer_schema_is_refused),
        bench_test(somebody_elses_tables_are_left_alone),
        bench_test(a_user_without_rights_is_told_which),
        bench_test(stores_that_open_together_migrate_once),
        bench_test(many_writers_share_commits),
        bench_test(an_operation_that_the_database_refuses_fails_alone),
        bench_test(tasks_leave_no_dead_rows),
        bench_test(a_former_owner_changes_nothing),
        bench_test(a_paused_owner_does_not_hold_up_a_takeover),
        bench_test(replicas_see_each_others_tasks),
        bench_test(cut_connections_lose_and_double_nothing),
        bench_test(a_killed_server_loses_nothing_acknowledged),
        bench_test(a_server_that_says_nothing_is_down),
        bench_test(a_read_only_database_is_told_and_heals),
    };
    server_url = getenv("AION_TEST_POSTGRES_URL");
    server_folder = getenv("AION_TEST_POSTGRES_DIR");
    server_script = getenv("AION_TEST_POSTGRES");
    if (server_url == NULL || server_folder == NULL || server_script == NULL) {
        puts("SKIP: no server: run it by tests/servers/postgres.sh with tcp -- ...");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
