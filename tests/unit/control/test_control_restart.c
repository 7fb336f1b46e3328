/* Control on a real database that is closed and opened: what was acknowledged is there, runs,
 * and ends once. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { TASKS = 30 };

static char folder[64], url[96];
static struct bench bench;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/aion-restart-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", folder);
    bench_start_on(&bench, url);
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"aion.db", "aion.db-wal", "aion.db-shm",
                                        "aion.db-owner"};
    (void)state;
    bench_stop(&bench);
    for (size_t i = 0; i < aion_countof(names); i++) {
        char path[96];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static void submit_all(const char *ids[TASKS])
{
    for (int i = 0; i < TASKS; i++) {
        char text[24], key[24];
        snprintf(text, sizeof(text), "text %d", i);
        snprintf(key, sizeof(key), "key-%d", i);
        const Aion__V1__Task *task = bench_submit(&bench, text, key, 0);
        assert_non_null(task);
        ids[i] = task->task_id;
    }
}

static void every_task_ends_once_over_a_restart(void **state)
{
    const char *ids[TASKS];
    struct bench_host *host = &bench.hosts[0];
    (void)state;
    bench_attach(&bench, 0, 10, NULL, 0);
    submit_all(ids);
    bench_until(&bench, host->executes == 10);
    for (int i = 0; i < 5; i++)
        bench_result(host, &host->executed[i], host->executed[i].text);
    bench_until(&bench, host->settles == 5);
    bench_reopen(&bench, url);
    host->automatic = true;
    bench_attach(&bench, 0, 10, NULL, 0); /* a new process of that host: it has nothing */
    for (int i = 0; i < TASKS; i++) {
        char text[24], key[24];
        bench_until(&bench, bench_is(&bench, ids[i], TASK_SUCCEEDED));
        snprintf(text, sizeof(text), "text %d", i);
        snprintf(key, sizeof(key), "key-%d", i);
        assert_string_equal(bench_get(&bench, ids[i])->result->text, text);
        assert_string_equal(bench_submit(&bench, text, key, 0)->task_id, ids[i]);
    }
    assert_true(bench.control->tasks.by_id.count == TASKS);
}

static void attempts_go_on_over_a_restart_under_their_old_token(void **state)
{
    struct bench_host *host = &bench.hosts[0];
    (void)state;
    bench.conf.start_grace = bench.conf.host_grace = 5000000;
    control_reload(bench.control, &bench.conf);
    bench_attach(&bench, 0, 2, NULL, 0);
    const char *id = bench_submit(&bench, "long work", NULL, 0)->task_id;
    bench_until(&bench, host->executes == 1);
    struct bench_word word = host->executed[0];
    bench_chunk(host, &word, 1, "first ");
    bench_until(&bench, bench_status(&bench, id)->cursor == 1);
    bench_reopen(&bench, url);
    assert_true(bench.control->shards.book.epochs[0] > word.epoch);
    bench_attach(&bench, 0, 2, &word, 1);
    bench_chunk(host, &word, 1, "first ");
    bench_chunk(host, &word, 2, "second");
    bench_result(host, &word, "done");
    bench_until(&bench, bench_is(&bench, id, TASK_SUCCEEDED));
    bench_stream(&bench, id, 0);
    bench_until(&bench, bench.stream_closed);
    assert_string_equal(bench.text, "first second");
    const Aion__V1__Task *task = bench_get(&bench, id);
    assert_int_equal(task->n_attempts, 1);
    assert_string_equal(task->events[task->n_events - 2]->kind, "resumed");
}

/* The database is closed while completions are under way; ASan judges. */
static void stopping_in_the_middle_of_work_leaves_nothing_behind(void **state)
{
    struct mesh_rpc_opts opts = {.wait_for_ready = true};
    (void)state;
    bench.hosts[0].automatic = true;
    bench_attach(&bench, 0, 4, NULL, 0);
    for (int i = 0; i < 20; i++)
        mesh_unary(bench.channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
                   &bench_request(&bench, "x", NULL)->base, &opts, bench_ignore, &bench);
    bench_turn(&bench);
    bench_reopen(&bench, url);
    assert_non_null(bench_submit(&bench, "y", NULL, 0));
}

/* -- a backlog ---------------------------------------------------------------------- */
enum { BACKLOG = 2100 }; /* two pages of a start and a bit */

static struct {
    struct aion_exec exec;
    struct store_accept accepts[BACKLOG];
    struct store_outbox events[BACKLOG];
    uint8_t decision[256];
    atomic_size_t done, good;
} filling;

static void run_at_once(struct aion_exec *exec, struct aion_job *job)
{
    (void)exec;
    job->run(job);
}

static void accepted(struct store_op *op, const struct aion_err *err)
{
    const struct store_accept *accept = aion_container(op, struct store_accept, write.op);
    filling.good += err == NULL && accept->write.outcome == STORE_DONE;
    filling.done++;
}

static aion_str pack_decision(void)
{
    Aion__V1__Decision decision = AION__V1__DECISION__INIT;
    Aion__V1__Engine engine = AION__V1__ENGINE__INIT;
    char module[] = "noop", pool[] = "cpu";
    engine.module = module;
    decision.engine = &engine;
    decision.pool = pool;
    assert_true(protobuf_c_message_get_packed_size(&decision.base) <= sizeof(filling.decision));
    return aion_str_n(filling.decision,
                      protobuf_c_message_pack(&decision.base, filling.decision));
}

static void accept_one(struct store *store, size_t i, uint64_t epoch, aion_str decision)
{
    struct aion_uuid id = aion_uuid_at(aion_clock_utc_us() + (int64_t)i, i % STORE_SHARDS);
    filling.events[i] = (struct store_outbox){.sequence = i + 1,
                                              .id = id,
                                              .tenant = AION_STR("default"),
                                              .intent = AION_STR("noop"),
                                              .kinds = STORE_EVENT_ACCEPTED,
                                              .state = STORE_QUEUED};
    filling.accepts[i] = (struct store_accept){
        .write = {.op.done = accepted,
                  .seq = store_seq_of(&id),
                  .epoch = epoch,
                  .event = &filling.events[i]},
        .id = id,
        .tenant = AION_STR("default"),
        .intent = AION_STR("noop"),
        .priority = 3,
        .deadline_us = aion_clock_utc_us() + (int64_t)3600 * 1000000,
        .decision = {AION_STR("local"), decision},
    };
    assert_true(store_accept(store, &filling.accepts[i], &bench.err));
}

/* Method: written while no control has the store open. */
static void fill(const char *to)
{
    struct store_conf conf = {.url = to, .exec = &filling.exec};
    struct store_lease lease = {.op.arena = &bench.arena,
                                .replica = AION_STR("test"),
                                .address = AION_STR(""),
                                .lease_us = 1000000,
                                .shards_max = STORE_SHARDS,
                                .first = true};
    filling.exec.post = run_at_once;
    struct store *store = store_open(&conf, &bench.err);
    assert_non_null(store);
    assert_true(store_lease_wait(store, &lease, &bench.err));
    aion_str decision = pack_decision();
    for (size_t i = 0; i < BACKLOG; i++)
        accept_one(store, i, lease.shards[i % STORE_SHARDS].epoch, decision);
    store_close(store);
    assert_int_equal(filling.done, BACKLOG);
    assert_int_equal(filling.good, BACKLOG);
}

/* Goal: pages that are read while others are taken bring every task once. */
static void a_backlog_of_several_pages_is_all_in_the_queue_after_a_start(void **state)
{
    (void)state;
    bench_stop(&bench);
    aion_arena_init(&bench.arena, 1 << 20, NULL, 0);
    fill(url);
    aion_arena_done(&bench.arena);
    bench_start_on(&bench, url);
    assert_int_equal(bench.control->sched.count, BACKLOG);
    assert_int_equal(bench.control->tasks.by_id.count, BACKLOG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_task_ends_once_over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(attempts_go_on_over_a_restart_under_their_old_token,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(stopping_in_the_middle_of_work_leaves_nothing_behind,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_backlog_of_several_pages_is_all_in_the_queue_after_a_start, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
