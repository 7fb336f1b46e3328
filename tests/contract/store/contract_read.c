/* Reads: one task, lists, loads; completions. */
#include "contract.h"

#include <pthread.h>

static void another_tenants_task_is_not_found(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct store_task_read read = {
        .op.arena = &bench->arena, .tenant = AION_STR("other"), .id = id_of(1)};
    wait_for(bench, task_read, &read);
    assert_false(read.found);
    read.tenant = AION_STR("default");
    wait_for(bench, task_read, &read);
    assert_true(read.found);
    read.seq = seq_of(1);
    wait_for(bench, task_read, &read);
    assert_true(read.found);
    read.id = id_of(2);
    wait_for(bench, task_read, &read);
    assert_false(read.found);
    read.seq = 0;
    wait_for(bench, task_read, &read);
    assert_false(read.found);
    read.id = own_id_of(1);
    wait_for(bench, task_read, &read);
    assert_false(read.found);
}

static void an_answer_beyond_the_arena_is_refused(void **state)
{
    struct bench *bench = *state;
    put_task(bench, 1);
    struct aion_arena small;
    aion_arena_init(&small, 8, NULL, 0);
    struct store_task_read read = {.op.arena = &small, .id = id_of(1), .with_body = true};
    assert_false(store_task_read_wait(bench->store, &read, &bench->err));
    assert_int_equal(bench->err.code, AION_EXHAUSTED);
    aion_arena_done(&small);
}

/* -- lists -------------------------------------------------------------------------- */
static struct store_list list_of(struct bench *bench)
{
    return (struct store_list){
        .op.arena = &bench->arena, .tenant = AION_STR("default"), .limit = 10};
}

/* All pages; how many tasks there were. */
static unsigned count_listed(struct bench *bench, struct store_list list)
{
    unsigned count = 0;
    do {
        wait_for(bench, list, &list);
        count += list.count;
        list.before = list.next;
    } while (list.next != 0);
    return count;
}

static void a_list_is_newest_first_and_pages_without_gap(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 25; i++)
        put_task(bench, i);
    struct store_list list = list_of(bench);
    unsigned seen = 0, expected = 25;
    do {
        wait_for(bench, list, &list);
        for (size_t i = 0; i < list.count; i++, seen++) {
            struct aion_uuid id = id_of(expected--);
            assert_true(aion_uuid_eq(&list.tasks[i].id, &id));
            assert_true(str_is(list.tasks[i].meta, "meta"));
            assert_true(str_is(list.tasks[i].decision.route, "local"));
        }
        list.before = list.next;
    } while (list.next != 0);
    assert_int_equal(seen, 25);
}

static void a_list_goes_through_all_windows(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 30; i++)
        put_task_at(bench, seq_at(T0 + i * SECOND / 2, i));
    assert_int_equal(count_listed(bench, list_of(bench)), 30);
    struct store_list list = list_of(bench);
    list.after = store_seq(T0 + 5 * SECOND, 0) - 1;
    list.before = store_seq(T0 + 10 * SECOND, 0);
    assert_int_equal(count_listed(bench, list), 10);
}

static void a_list_is_filtered(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 9; i++) {
        struct store_accept accept = accept_of(bench, i);
        if (i % 3 == 0)
            accept.tenant = AION_STR("other");
        if (i % 3 == 1)
            accept.intent = AION_STR("summarize");
        if (i == 8)
            accept.decision.route = AION_STR("far");
        wait_for(bench, accept, &accept);
    }
    finish_task(bench, 7, (struct store_token){0, 0}, STORE_CANCELLED);
    start_task(bench, 2, 1, 1);
    struct store_list list = list_of(bench);
    assert_int_equal(count_listed(bench, list), 6);
    list.states = 1u << STORE_CANCELLED;
    assert_int_equal(count_listed(bench, list), 1);
    list.states = 1u << STORE_QUEUED | 1u << STORE_RUNNING;
    assert_int_equal(count_listed(bench, list), 5);
    list.intent = AION_STR("summarize");
    assert_int_equal(count_listed(bench, list), 2);
    list.intent = AION_STR("nothing");
    assert_int_equal(count_listed(bench, list), 0);
    list = list_of(bench);
    list.tenant = (aion_str){0};
    assert_int_equal(count_listed(bench, list), 9);
    list.states = 1u << STORE_RUNNING;
    assert_int_equal(count_listed(bench, list), 1);
    list.states = 0;
    list.route = AION_STR("far");
    assert_int_equal(count_listed(bench, list), 1);
    list.tenant = AION_STR("nobody");
    assert_int_equal(count_listed(bench, list), 0);
}

static void dead_letters_are_dead_and_not_replayed(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 5; i++)
        put_task(bench, i);
    for (unsigned i = 1; i <= 4; i++)
        finish_task(bench, i, (struct store_token){0, 0}, i == 1 ? STORE_FAILED : STORE_DEAD);
    struct store_mark mark = mark_of(bench, seq_of(2), 1, STORE_MARK_REPLAYED);
    wait_for(bench, mark, &mark);
    struct store_list list = list_of(bench);
    list.states = 1u << STORE_DEAD;
    assert_int_equal(count_listed(bench, list), 3);
    list.unreplayed = true;
    assert_int_equal(count_listed(bench, list), 2);
}

/* -- loads -------------------------------------------------------------------------- */
static unsigned count_loaded(struct bench *bench, uint64_t shards, uint32_t limit)
{
    struct store_load load = {.op.arena = &bench->arena, .shards = shards, .limit = limit};
    unsigned seen = 0;
    uint64_t last = 0;
    do {
        wait_for(bench, load, &load);
        for (size_t i = 0; i < load.count; i++, seen++) {
            assert_true(load.tasks[i].seq > last);
            assert_true(shards >> store_seq_shard(load.tasks[i].seq) & 1);
            last = load.tasks[i].seq;
        }
        load.after = load.next;
    } while (load.more);
    return seen;
}

static void unfinished_tasks_are_loaded_in_order(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 1; i <= 9; i++)
        put_task(bench, i);
    start_task(bench, 2, 3, 1);
    put_chunks(bench, 2, (struct store_token){3, 1}, 1, 4);
    finish_task(bench, 5, (struct store_token){0, 0}, STORE_CANCELLED);
    assert_int_equal(count_loaded(bench, STORE_ALL_SHARDS, 3), 8);
    assert_int_equal(count_loaded(bench, 1u << 2 | 1u << 5, 3), 1);
    struct store_load load = {.op.arena = &bench->arena, .shards = 1u << 2, .limit = 3};
    wait_for(bench, load, &load);
    assert_int_equal(load.tasks[0].state, STORE_RUNNING);
    assert_int_equal(load.tasks[0].token.epoch, 3);
    assert_int_equal(load.tasks[0].cursor, 4);
    assert_int_equal(load.tasks[0].chunk_sequence, 4);
    assert_true(str_is(load.tasks[0].host, "host-1"));
    assert_true(str_is(load.tasks[0].decision.bytes, "decision"));
    assert_true(str_is(load.tasks[0].meta, "meta"));
}

/* Every third one ends at once, every tenth is held; more of them than the store keeps in mind.
 */
static void what_is_unfinished_is_loaded_after_a_new_start(void **state)
{
    struct bench *bench = *state;
    unsigned unfinished = 0;
    if (!place->keeps)
        skip();
    for (unsigned i = 0; i < 300; i++) {
        uint64_t seq = seq_at(T0 + i * SECOND / 20, i);
        put_task_at(bench, seq);
        struct store_finish finish =
            finish_of(bench, seq, (struct store_token){0, 0}, STORE_CANCELLED);
        struct store_mark mark = mark_of(bench, seq, 1, STORE_MARK_HELD);
        if (i % 3 == 0)
            wait_for(bench, finish, &finish);
        else if (i % 10 == 0)
            wait_for(bench, mark, &mark);
        unfinished += i % 3 != 0;
    }
    bench_reopen(bench);
    assert_int_equal(count_loaded(bench, STORE_ALL_SHARDS, 50), unfinished);
    bench_reopen(bench);
    assert_int_equal(count_loaded(bench, STORE_ALL_SHARDS, 1000), unfinished);
}

/* -- completions -------------------------------------------------------------------- */
struct gathered {
    struct aion_exec exec;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct aion_job *jobs;
};

static void gather(struct aion_exec *exec, struct aion_job *job)
{
    struct gathered *gathered = aion_container(exec, struct gathered, exec);
    pthread_mutex_lock(&gathered->lock);
    job->next = gathered->jobs;
    gathered->jobs = job;
    pthread_cond_signal(&gathered->wake);
    pthread_mutex_unlock(&gathered->lock);
}

static void run_jobs(struct gathered *gathered)
{
    pthread_mutex_lock(&gathered->lock);
    while (gathered->jobs == NULL)
        pthread_cond_wait(&gathered->wake, &gathered->lock);
    struct aion_job *job = gathered->jobs;
    gathered->jobs = job->next;
    pthread_mutex_unlock(&gathered->lock);
    job->run(job);
}

struct counted {
    struct store_accept accept;
    unsigned place;
};
static unsigned done_count;

static void count_done(struct store_op *op, const struct aion_err *err)
{
    struct counted *counted = aion_container(op, struct counted, accept.write.op);
    assert_null(err);
    assert_int_equal(counted->accept.write.outcome, STORE_DONE);
    assert_int_equal(counted->place, done_count++);
}

/* The store again, with its completions there. */
static void open_on(struct bench *bench, struct gathered *gathered)
{
    struct store_conf conf = {.url = bench->url, .exec = &gathered->exec};
    store_close(bench->store);
    bench->store = store_open(&conf, &bench->err);
    assert_non_null(bench->store);
    bench_lease(bench, "one", true);
    done_count = 0;
}

/* All of one shard: the order that every driver keeps. */
static void completions_come_in_order_on_the_exec(void **state)
{
    struct bench *bench = *state;
    struct gathered gathered = {.exec.post = gather,
                                .lock = PTHREAD_MUTEX_INITIALIZER,
                                .wake = PTHREAD_COND_INITIALIZER};
    static struct counted ops[200];
    open_on(bench, &gathered);
    for (unsigned i = 0; i < aion_countof(ops); i++) {
        ops[i] = (struct counted){.accept = accept_at(bench, seq_at(T0 + i, 7)), .place = i};
        ops[i].accept.write.op.done = count_done;
        assert_true(store_accept(bench->store, &ops[i].accept, &bench->err));
    }
    while (done_count < aion_countof(ops))
        run_jobs(&gathered);
    store_close(bench->store);
    bench_open(bench);
}

/* A loop that has ended has the job still, and runs what is left when it is freed. */
static void a_completion_told_of_too_late_is_run_by_the_close(void **state)
{
    struct bench *bench = *state;
    struct gathered gathered = {.exec.post = gather,
                                .lock = PTHREAD_MUTEX_INITIALIZER,
                                .wake = PTHREAD_COND_INITIALIZER};
    static struct counted op;
    open_on(bench, &gathered);
    op = (struct counted){.accept = accept_at(bench, seq_at(T0, 7))};
    op.accept.write.op.done = count_done;
    assert_true(store_accept(bench->store, &op.accept, &bench->err));
    store_close(bench->store);
    assert_int_equal(done_count, 1);
    run_jobs(&gathered);
    assert_int_equal(done_count, 1);
    bench_open(bench);
}

const struct CMUnitTest read_tests[] = {
    contract_test(another_tenants_task_is_not_found),
    contract_test(an_answer_beyond_the_arena_is_refused),
    contract_test(a_list_is_newest_first_and_pages_without_gap),
    contract_test_short(a_list_goes_through_all_windows),
    contract_test(a_list_is_filtered),
    contract_test(dead_letters_are_dead_and_not_replayed),
    contract_test(unfinished_tasks_are_loaded_in_order),
    contract_test_short(what_is_unfinished_is_loaded_after_a_new_start),
    contract_test(completions_come_in_order_on_the_exec),
    contract_test(a_completion_told_of_too_late_is_run_by_the_close),
};
const size_t read_test_count = aion_countof(read_tests);
