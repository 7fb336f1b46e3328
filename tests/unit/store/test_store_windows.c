/* What the SQLite driver keeps beside its tables, and windows in numbers. Goal: unfinished
 * tasks and sums of money are right however far their places have moved on, over restarts and
 * failures; statements of many windows do not pile up. Method: enough tasks that the places
 * move, many at once; a count by SQL against what the store says. */
#include "sqlite_bench.h"

#include "base/failpoint.h"

#include <pthread.h>

enum { WAVE = 500 };

/* -- many at once ------------------------------------------------------------------- */
struct crowd {
    struct aion_exec exec;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct aion_job *job;
    size_t left;
};
static struct crowd crowd = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .wake = PTHREAD_COND_INITIALIZER};

static void post(struct aion_exec *exec, struct aion_job *job)
{
    struct crowd *to = aion_container(exec, struct crowd, exec);
    pthread_mutex_lock(&to->lock);
    to->job = job;
    pthread_cond_signal(&to->wake);
    pthread_mutex_unlock(&to->lock);
}

static void one_done(struct store_op *op, const struct aion_err *err)
{
    assert_null(err);
    assert_int_equal(aion_container(op, struct store_write, op)->outcome, STORE_DONE);
    crowd.left--;
}

static void wait_for_crowd(void)
{
    while (crowd.left > 0) {
        pthread_mutex_lock(&crowd.lock);
        while (crowd.job == NULL)
            pthread_cond_wait(&crowd.wake, &crowd.lock);
        struct aion_job *job = crowd.job;
        crowd.job = NULL;
        pthread_mutex_unlock(&crowd.lock);
        job->run(job);
    }
}

static const struct store_entry spend[] = {{{"escrow:b:one", 12}, -3}, {{"spent:b", 7}, 3}};

/* Accepts tasks first .. first + count - 1. */
static void accept_wave(struct sqlite_bench *bench, unsigned first, unsigned count,
                        int64_t step_us)
{
    static struct store_accept ops[WAVE];
    crowd.left = count;
    for (unsigned i = 0; i < count; i++) {
        ops[i] = sqlite_bench_accept(bench, sqlite_bench_seq(first + i, step_us));
        ops[i].write.op.done = one_done;
        assert_true(store_accept(bench->store, &ops[i], &bench->err));
    }
    wait_for_crowd();
}

static bool stays_open(unsigned number)
{
    return number % 100 == 0;
}

/* Every seventh of them has an attempt that was written alone. */
static struct store_token token_of(const struct sqlite_bench *bench, unsigned number)
{
    return number % 7 == 0 ? (struct store_token){bench->epoch, 1} : (struct store_token){0, 0};
}

static void start_wave(struct sqlite_bench *bench, unsigned first, unsigned count,
                       int64_t step_us)
{
    static struct store_start ops[WAVE];
    for (unsigned i = 0; i < count; i++) {
        struct store_token token = token_of(bench, first + i);
        if (token.attempt == 0 || stays_open(first + i))
            continue;
        ops[i] = (struct store_start){
            .write = sqlite_bench_write(bench, sqlite_bench_seq(first + i, step_us)),
            .begin = {.token = token, .at_us = T0}};
        ops[i].write.op.done = one_done;
        crowd.left++;
        assert_true(store_start(bench->store, &ops[i], &bench->err));
    }
}

/* Ends them, but every hundredth; each costs 3. */
static unsigned finish_wave(struct sqlite_bench *bench, unsigned first, unsigned count,
                            int64_t step_us)
{
    static struct store_finish ops[WAVE];
    unsigned ended = 0;
    for (unsigned i = 0; i < count; i++)
        ended += !stays_open(first + i);
    crowd.left = ended;
    start_wave(bench, first, count, step_us);
    for (unsigned i = 0; i < count; i++) {
        if (stays_open(first + i))
            continue;
        ops[i] = (struct store_finish){
            .write = sqlite_bench_write(bench, sqlite_bench_seq(first + i, step_us)),
            .token = token_of(bench, first + i),
            .state = STORE_SUCCEEDED,
            .at_us = T0};
        ops[i].write.entries = spend;
        ops[i].write.entry_count = 2;
        ops[i].write.op.done = one_done;
        assert_true(store_finish(bench->store, &ops[i], &bench->err));
    }
    wait_for_crowd();
    return ended;
}

static int setup(void **state)
{
    sqlite_bench_setup(state);
    crowd.exec.post = post;
    ((struct sqlite_bench *)*state)->exec = &crowd.exec;
    return 0;
}

static int64_t balance_of(struct sqlite_bench *bench, const char *account)
{
    struct store_balances read = {
        .op.arena = &bench->arena, .prefix = aion_str_of(account), .limit = 10};
    sqlite_wait(bench, balances, &read);
    return read.count > 0 ? read.balances[0].nano_usd : 0;
}

/* -- tests -------------------------------------------------------------------------- */
/* 20,000 tasks in windows of 1,000: the place of unfinished ones moves several times, some of
 * them wait far behind it. */
static void unfinished_tasks_and_sums_are_right_however_far_their_places_moved(void **state)
{
    struct sqlite_bench *bench = *state;
    const unsigned tasks = 20000;
    unsigned ended = 0;
    sqlite_bench_open(bench, 10000000);
    for (unsigned first = 0; first < tasks; first += WAVE) {
        accept_wave(bench, first, WAVE, 10000);
        if (first >= 10 * WAVE) /* ends come much later than beginnings */
            ended += finish_wave(bench, first - 10 * WAVE, WAVE, 10000);
    }
    assert_int_equal(sqlite_bench_unfinished(bench), tasks - ended);
    assert_int_equal(balance_of(bench, "spent:"), 3 * (int64_t)ended);
    sqlite_bench_open(bench, 0);
    assert_int_equal(sqlite_bench_unfinished(bench), tasks - ended);
    assert_int_equal(balance_of(bench, "spent:"), 3 * (int64_t)ended);
    assert_int_equal(balance_of(bench, "escrow:"), -3 * (int64_t)ended);
    for (unsigned first = tasks - 10 * WAVE; first < tasks; first += WAVE)
        ended += finish_wave(bench, first, WAVE, 10000);
    assert_int_equal(sqlite_bench_unfinished(bench), tasks / 100);
    assert_int_equal(balance_of(bench, "spent:"), 3 * (int64_t)ended);
    store_close(bench->store);
    bench->store = NULL;
    /* the place has moved, and what it passed is listed; sums were folded */
    assert_true(sqlite_bench_sql(bench, "SELECT count(*) FROM unfinished") >= 100);
    assert_true(sqlite_bench_sql(bench, "SELECT count(*) FROM unfinished") <= 200);
    assert_true(sqlite_bench_sql(
                    bench, "SELECT nano_usd FROM balance WHERE account='spent:b'") > 30000);
}

/* Swept while entries are folded and tasks are listed: what stays is whole. */
static void a_sweep_in_pieces_leaves_what_is_unfinished_and_every_cent(void **state)
{
    struct sqlite_bench *bench = *state;
    const unsigned tasks = 10000;
    unsigned ended = 0, swept = 0;
    sqlite_bench_open(bench, 10000000);
    for (unsigned first = 0; first < tasks; first += WAVE) {
        accept_wave(bench, first, WAVE, 10000);
        ended += finish_wave(bench, first, WAVE, 10000);
    }
    struct store_sweep sweep = {.succeeded_before_us = T0 + 60000000, .batch_max = 333};
    do {
        sqlite_wait(bench, sweep, &sweep);
        swept += sweep.tasks;
    } while (sweep.more);
    assert_int_equal(swept, 5940);
    assert_int_equal(sqlite_bench_unfinished(bench), 100);
    assert_int_equal(balance_of(bench, "spent:"), 3 * (int64_t)ended);
    sqlite_bench_open(bench, 0);
    assert_int_equal(sqlite_bench_unfinished(bench), 100);
    assert_int_equal(balance_of(bench, "spent:"), 3 * (int64_t)ended);
    store_close(bench->store);
    bench->store = NULL;
    assert_int_equal(sqlite_bench_sql(bench, "SELECT count(*) FROM window WHERE kind = 0"), 4);
    assert_int_equal(sqlite_bench_sql(bench, "SELECT count(*) FROM task_kept"), 60);
}

/* A task in each of 200 windows, touched in turn: more sets than statements are kept for. */
static void tasks_of_many_windows_are_written_in_turn(void **state)
{
    struct sqlite_bench *bench = *state;
    sqlite_bench_open(bench, 1000000);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 200; i++) {
            uint64_t seq = sqlite_bench_seq(i, 1000000);
            struct store_accept accept = sqlite_bench_accept(bench, seq);
            struct store_mark mark = {
                .write = sqlite_bench_write(bench, seq), .number = 1, .kind = STORE_MARK_HELD};
            if (round == 0)
                sqlite_wait(bench, accept, &accept);
            else
                sqlite_wait(bench, mark, &mark);
        }
    }
    struct store_list list = {
        .op.arena = &bench->arena, .limit = 1000, .states = 1u << STORE_HELD};
    sqlite_wait(bench, list, &list);
    assert_int_equal(list.count, 200);
    assert_int_equal(sqlite_bench_unfinished(bench), 200);
}

/* Old unfinished tasks behind many finished ones are listed in one page. */
static void unfinished_tasks_are_listed_without_a_walk(void **state)
{
    struct sqlite_bench *bench = *state;
    unsigned seen = 0;
    sqlite_bench_open(bench, 10000000);
    for (unsigned first = 0; first < 24 * WAVE; first += WAVE) {
        accept_wave(bench, first, WAVE, 10000);
        finish_wave(bench, first, WAVE, 10000);
    }
    struct store_list list = {
        .op.arena = &bench->arena, .limit = 150, .states = 1u << STORE_QUEUED};
    for (unsigned pages = 0; pages < 4; pages++) {
        sqlite_wait(bench, list, &list);
        for (size_t i = 0; i < list.count; i++, seen++)
            assert_true(list.before == 0 || list.tasks[i].seq < list.before);
        list.before = list.next;
        if (list.next == 0)
            break;
    }
    assert_int_equal(list.next, 0);
    assert_int_equal(seen, 120);
}

/* More windows than are kept apart, but all of them to be kept: the oldest are moved aside,
 * nothing is deleted. The failpoint says "more" as often as it is asked. */
static void windows_do_not_grow_in_number_for_ever(void **state)
{
    struct sqlite_bench *bench = *state;
    struct store_sweep sweep = {.batch_max = 100};
    sqlite_bench_open(bench, 1000000);
    accept_wave(bench, 0, 60, 1000000);
    assert_true(aion_failpoints_arm("store/many_windows=error:0", &bench->err));
    for (int i = 0; i < 50; i++) {
        sqlite_wait(bench, sweep, &sweep);
        assert_true(sweep.tasks == 0 && sweep.more);
    }
    assert_true(aion_failpoints_arm("", &bench->err));
    assert_int_equal(sqlite_bench_unfinished(bench), 60);
    struct store_list list = {.op.arena = &bench->arena, .limit = 1000};
    sqlite_wait(bench, list, &list);
    assert_int_equal(list.count, 60);
    finish_wave(bench, 0, 60, 1000000);
    sweep.succeeded_before_us = T0 + 1000000000;
    uint64_t swept = 0;
    do {
        sqlite_wait(bench, sweep, &sweep);
        swept += sweep.tasks;
    } while (sweep.more);
    assert_int_equal(swept, 59);
    store_close(bench->store);
    bench->store = NULL;
    assert_int_equal(sqlite_bench_sql(bench, "SELECT count(*) FROM window WHERE kind = 0"), 0);
}

/* What an export gives is what the entries do not tell, folded or not. */
static void balances_are_exported_without_what_was_folded(void **state)
{
    struct sqlite_bench *bench = *state;
    int64_t spent = 0;
    sqlite_bench_open(bench, 10000000);
    for (unsigned first = 0; first < 20 * WAVE; first += WAVE) {
        accept_wave(bench, first, WAVE, 10000);
        spent += 3 * (int64_t)finish_wave(bench, first, WAVE, 10000);
    }
    struct store_carve carve = {.budget = AION_STR("b"),
                                .replica = AION_STR("one"),
                                .limit_nano_usd = 1000000,
                                .want_nano_usd = 500000};
    sqlite_wait(bench, carve, &carve);
    struct store_facts_read read = {.op.arena = &bench->arena,
                                    .table = STORE_TABLE_BALANCE,
                                    .limit = 100,
                                    .bytes_max = 1 << 20};
    sqlite_wait(bench, facts_read, &read);
    for (size_t i = 0; i < read.count; i++)
        if (aion_str_is(read.facts[i].values[0].str, "escrow:b:one"))
            assert_int_equal(read.facts[i].values[1].i64, 500000);
        else if (aion_str_is(read.facts[i].values[0].str, "spent:b"))
            assert_int_equal(read.facts[i].values[1].i64, 0);
    assert_int_equal(balance_of(bench, "escrow:"), 500000 - spent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define window_test(test) cmocka_unit_test_setup_teardown(test, setup, sqlite_bench_teardown)
        window_test(unfinished_tasks_and_sums_are_right_however_far_their_places_moved),
        window_test(a_sweep_in_pieces_leaves_what_is_unfinished_and_every_cent),
        window_test(tasks_of_many_windows_are_written_in_turn),
        window_test(unfinished_tasks_are_listed_without_a_walk),
        window_test(windows_do_not_grow_in_number_for_ever),
        window_test(balances_are_exported_without_what_was_folded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
