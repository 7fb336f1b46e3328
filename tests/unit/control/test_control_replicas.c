/* Two controls on one store: shards that are shared, move and are fenced, and what clients and
 * hosts see of it.
 *
 * Goal: whichever control a client asks, it is answered as if there were one; a control that
 * goes away loses nothing; one that was away and comes back changes nothing. Method: two
 * benches on one scripted store, with a loop each, so that one can be killed or paused between
 * any two events; leases of BENCH_LEASE_US. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bench one, two;
static struct bench_body body;

static int setup(void **state)
{
    (void)state;
    body = (struct bench_body){.count = 0};
    bench_start_pair(&one, &two);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop_pair(&one, &two);
    return 0;
}

/* A key whose task is in a shard of this control. */
static const char *key_of(const struct bench *bench)
{
    static char key[32];
    static int number;
    do
        snprintf(key, sizeof(key), "key-%d", ++number);
    while ((bench_shards(bench) & control_shard_bit(control_shard_of_key(
                                      AION_STR("default"), aion_str_of(key)))) == 0);
    return key;
}

static unsigned shard_of(const char *task_id)
{
    struct aion_uuid id;
    assert_true(aion_uuid_parse(aion_str_of(task_id), &id));
    return control_shard_of(&id);
}

/* One host process with a stream to each control. */
static void attach_both(bool automatic)
{
    one.hosts[0].automatic = two.hosts[0].automatic = automatic;
    bench_attach_whole(&one, 0, 4, &body);
    bench_attach_whole(&two, 0, 4, &body);
}

/* A task of this control that its host has begun. */
static struct bench_word begin_at(struct bench *bench, const char **ret_id)
{
    struct bench_word word = *bench_begin(bench, key_of(bench), ret_id);
    assert_true((bench_shards(bench) & control_shard_bit(shard_of(*ret_id))) != 0);
    return word;
}

/* The same; its first part has come to a reader at the other. */
static struct bench_word begin_read(struct bench *owner, struct bench *reader, bool watched,
                                    const char **ret_id)
{
    struct bench_word word = begin_at(owner, ret_id);
    if (watched)
        bench_watch(reader, *ret_id, 0, 0);
    else
        bench_stream(reader, *ret_id, 0);
    bench_chunk(&owner->hosts[0], &word, 1, "first ");
    bench_until(reader, reader->chunks == 1);
    return word;
}

/* Until it has all shards and has asked its host what it has of them. */
static void wait_for_all(struct bench *bench, size_t claims_before)
{
    bench_until(bench, bench_shards(bench) == STORE_ALL_SHARDS &&
                           bench->hosts[0].claims > claims_before);
}

/* -- shards -------------------------------------------------------------------------- */
static void each_has_half_and_both_have_all(void **state)
{
    (void)state;
    assert_int_equal(bench_shards(&one) & bench_shards(&two), 0);
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        bench_until(&one, (bench_shards(&one) & control_shard_bit(i)) != 0 ||
                              control_book_owner(&one.control->shards.book, i) != NULL);
    int64_t until_us = aion_clock_mono_us() + 2 * BENCH_LEASE_US;
    while (aion_clock_mono_us() < until_us) { /* and it stays so */
        bench_turn(&one);
        assert_true(bench_shared_out(&one, &two));
    }
}

static void who_leaves_gives_back_at_once(void **state)
{
    (void)state;
    int64_t began_us = aion_clock_mono_us();
    one.control->draining = true;
    control_shards_leave(one.control);
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    /* sooner than its lease could have ended: it is renewed every third */
    assert_true(aion_clock_mono_us() - began_us < BENCH_LEASE_US * 2 / 3);
    assert_true(one.control->shards.ended);
}

static void who_dies_is_followed_within_two_leases(void **state)
{
    (void)state;
    bench_kill(&one);
    int64_t began_us = aion_clock_mono_us();
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    assert_true(aion_clock_mono_us() - began_us < 2 * BENCH_LEASE_US);
    bench_revive(&one);
    bench_until(&two, bench_shared_out(&one, &two));
}

static void a_second_process_of_a_name_ends_the_first(void **state)
{
    static struct bench third;
    (void)state;
    third = one;
    snprintf(third.replica, sizeof(third.replica), "two");
    third.conf.replica = third.replica;
    bench_revive(&third);
    bench_until(&two, two.control->shards.ended);
    assert_true(two.clashed);
    bench_kill(&third);
    bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
}

/* -- calls --------------------------------------------------------------------------- */
static void a_key_means_the_same_at_both(void **state)
{
    (void)state;
    attach_both(true);
    const char *key = key_of(&two);
    const Aion__V1__Task *first = bench_submit(&one, "text", key, 5);
    assert_non_null(first);
    assert_int_equal(first->state, TASK_SUCCEEDED);
    assert_string_equal(bench_submit(&two, "text", key, 5)->task_id, first->task_id);
    assert_string_equal(bench_submit(&one, "text", key, 0)->task_id, first->task_id);
    assert_int_equal(one.hosts[0].executes + two.hosts[0].executes, 1);
    assert_null(bench_submit(&one, "another text", key, 0));
    assert_int_equal(one.err.code, AION_EXISTS);
    assert_string_equal(one.err.reason, "IDEMPOTENCY_KEY_REUSED");
    assert_string_equal(one.err.field, "idempotency_key");
}

static void a_task_is_seen_and_cancelled_through_both(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    two.hosts[0].obedient = true;
    begin_at(&two, &id);
    bench_until(&one, bench_is(&one, id, TASK_RUNNING));
    assert_int_equal(bench_get(&one, id)->n_attempts, 1);
    const Aion__V1__Task *task = bench_cancel(&one, id);
    assert_non_null(task);
    assert_int_equal(task->state, TASK_CANCELLED);
    assert_string_equal(task->error->message, "enough");
    assert_true(bench_is(&two, id, TASK_CANCELLED));
}

static void a_batch_goes_where_its_keys_are(void **state)
{
    Aion__V1__SubmitBatchRequest request = AION__V1__SUBMIT_BATCH_REQUEST__INIT;
    Aion__V1__TaskRequest *parts[5];
    (void)state;
    parts[0] = bench_request(&one, "a", key_of(&one));
    parts[1] = bench_request(&one, "b", key_of(&two));
    parts[2] = bench_request(&one, "c", NULL);
    parts[3] = bench_request(&one, "d", parts[1]->idempotency_key); /* its key, another body */
    parts[4] = bench_request(&one, "b", parts[1]->idempotency_key); /* the same again */
    request.requests = parts;
    request.n_requests = 5;
    const Aion__V1__SubmitBatchReply *reply = (const Aion__V1__SubmitBatchReply *)bench_call(
        &one, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT_BATCH], &request.base);
    assert_non_null(reply);
    assert_int_equal(reply->n_outcomes, 5);
    for (int i = 0; i < 5; i++)
        if (i != 3)
            assert_non_null(reply->outcomes[i]->task);
    assert_string_equal(reply->outcomes[3]->error->reason, "IDEMPOTENCY_KEY_REUSED");
    assert_string_equal(reply->outcomes[4]->task->task_id, reply->outcomes[1]->task->task_id);
    assert_true((bench_shards(&two) &
                 control_shard_bit(shard_of(reply->outcomes[1]->task->task_id))) != 0);
    assert_true((bench_shards(&one) &
                 control_shard_bit(shard_of(reply->outcomes[2]->task->task_id))) != 0);
}

static void who_has_nothing_hands_everything_on(void **state)
{
    (void)state;
    attach_both(true);
    control_handover_forget(one.control, bench_shards(&one)); /* as while it is all read anew */
    one.control->shards.book.loading = one.control->shards.book.mine;
    const Aion__V1__Task *task = bench_submit(&one, "text", NULL, 5);
    assert_non_null(task);
    assert_true((bench_shards(&two) & control_shard_bit(shard_of(task->task_id))) != 0);
    assert_int_equal(task->state, TASK_SUCCEEDED);
}

static void a_call_waits_while_its_shard_moves(void **state)
{
    (void)state;
    const char *key = key_of(&two);
    attach_both(true);
    bench_kill(&two);
    const Aion__V1__Task *task =
        bench_submit(&one, "text", key, 5); /* until one has the shard */
    assert_non_null(task);
    assert_int_equal(task->state, TASK_SUCCEEDED);
    bench_revive(&two);
}

static void a_call_does_not_wait_for_an_owner_that_is_paused(void **state)
{
    (void)state;
    const char *key = key_of(&two);
    attach_both(true);
    two.paused = true;
    const Aion__V1__Task *task = bench_submit(&one, "text", key, 5);
    assert_non_null(task);
    assert_int_equal(task->state, TASK_SUCCEEDED);
    assert_true((bench_shards(&one) & control_shard_bit(shard_of(task->task_id))) != 0);
}

/* -- output -------------------------------------------------------------------------- */
static void output_is_read_through_both(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    struct bench_word word = begin_read(&two, &one, false, &id);
    bench_watch(&two, id, 0, 0);
    bench_chunk(&two.hosts[0], &word, 2, "second");
    bench_result(&two.hosts[0], &word, "done");
    bench_until(&one, one.stream_closed);
    assert_true(one.final && (int)one.final_state == TASK_SUCCEEDED);
    assert_string_equal(one.text, "first second");
    bench_until(&two, two.closed_code == 0);
    assert_string_equal(two.text, "first second");
    bench_watch(&one, id, 1, 0); /* final now: from the store, whoever had it */
    bench_until(&one, one.closed_code == 0);
    assert_string_equal(one.text, "second");
}

static void a_watch_of_another_s_task_keeps_to_its_window(void **state)
{
    char large[201];
    const char *id;
    (void)state;
    attach_both(false);
    memset(large, 'x', 200);
    large[200] = '\0';
    struct bench_word word = begin_at(&two, &id);
    bench_watch(&one, id, 0, 900); /* a chunk costs 456 */
    for (uint64_t i = 1; i <= 4; i++)
        bench_chunk(&two.hosts[0], &word, i, large);
    bench_until(&one, one.chunks == 2);
    bench_turns(&one, 50);
    assert_int_equal(one.chunks, 2);
    bench_credit(&one, 912);
    bench_until(&one, one.chunks == 4);
    bench_result(&two.hosts[0], &word, "done");
    bench_credit(&one, 912);
    bench_until(&one, one.closed_code == 0);
}

static void a_reader_follows_its_task_when_its_owner_dies(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    struct bench_word word = begin_read(&two, &one, true, &id);
    size_t claims = one.hosts[0].claims;
    bench_kill(&two);
    wait_for_all(&one, claims);
    bench_chunk(&one.hosts[0], &word, 1,
                "first "); /* the host says again what is not settled */
    bench_chunk(&one.hosts[0], &word, 2, "second");
    bench_result(&one.hosts[0], &word, "done");
    bench_until(&one, one.closed_code == 0);
    assert_true(one.final && (int)one.final_state == TASK_SUCCEEDED);
    assert_string_equal(one.text, "first second");
    assert_false(one.gap);
    const Aion__V1__Task *task = bench_get(&one, id);
    assert_int_equal(task->n_attempts, 1); /* the attempt went on */
    bench_revive(&two);
}

static void a_reader_follows_its_task_when_its_owner_is_paused(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    struct bench_word word = begin_read(&two, &one, true, &id);
    size_t claims = one.hosts[0].claims;
    two.paused = true;
    wait_for_all(&one, claims);
    bench_chunk(&one.hosts[0], &word, 2, "second");
    bench_result(&one.hosts[0], &word, "done");
    bench_until(&one, one.closed_code == 0);
    assert_string_equal(one.text, "first second");
}

static void a_reader_follows_its_task_when_it_is_given_away(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    struct bench_word word = begin_read(&one, &two, false, &id);
    size_t claims = two.hosts[0].claims;
    control_shards_leave(one.control);
    wait_for_all(&two, claims);
    bench_chunk(&two.hosts[0], &word, 1, "first ");
    bench_chunk(&two.hosts[0], &word, 2, "second");
    bench_result(&two.hosts[0], &word, "done");
    bench_until(&two, two.stream_closed);
    assert_int_equal(two.stream_err.code, AION_OK);
    assert_string_equal(two.text, "first second");
    assert_int_equal(bench_get(&two, id)->n_attempts, 1);
}

static void acknowledged_output_is_told_as_a_gap_or_refused(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    struct bench_word word = begin_at(&two, &id);
    bench_chunk(&two.hosts[0], &word, 1, "first ");
    bench_chunk(&two.hosts[0], &word, 2, "second");
    bench_until(&two, bench_status(&two, id)->cursor == 2);
    Aion__V1__AckStreamRequest ack = AION__V1__ACK_STREAM_REQUEST__INIT;
    ack.task_id = aion_arena_text(&one.arena, aion_str_of(id));
    ack.cursor = 1;
    assert_non_null(bench_call(
        &one, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_ACK_STREAM], &ack.base));
    bench_stream(&one, id, 0);
    bench_until(&one, one.stream_closed);
    assert_string_equal(one.stream_err.reason, "CURSOR_TOO_OLD");
    bench_watch(&one, id, 0, 0);
    bench_until(&one, one.chunks == 1);
    assert_true(one.gap);
    assert_string_equal(one.text, "second");
}

/* -- hosts --------------------------------------------------------------------------- */
static void a_host_hears_of_both_controls_and_of_what_each_has(void **state)
{
    char both[256];
    (void)state;
    attach_both(false);
    snprintf(both, sizeof(both), "%s|%s", one.control->cluster.self, two.control->cluster.self);
    assert_string_equal(one.hosts[0].peers, both);
    assert_true(one.hosts[0].claimed == bench_shards(&one));
    assert_true(two.hosts[0].claimed == bench_shards(&two));
    bench_kill(&two);
    bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
    snprintf(both, sizeof(both), "%s|", one.control->cluster.self);
    bench_until(&one, strcmp(one.hosts[0].peers, both) == 0);
    bench_revive(&two);
}

/* What is said of a task to the wrong control has no answer: the right one's would be lost. */
static void a_word_about_another_s_task_is_not_answered(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    struct bench_word word = begin_at(&two, &id);
    bench_result(&one.hosts[0], &word, "to the wrong one");
    bench_turns(&one, 50);
    assert_int_equal(one.hosts[0].settles + one.hosts[0].cancels, 0);
    bench_result(&two.hosts[0], &word, "to the right one");
    bench_until(&two, two.hosts[0].settles == 1);
    assert_string_equal(bench_get(&one, id)->result->text, "to the right one");
}

/* -- fences -------------------------------------------------------------------------- */
static void who_was_paused_and_wakes_changes_nothing(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    struct bench_word word = begin_at(&one, &id);
    bench_until(&one, bench_is(&two, id, TASK_RUNNING));
    size_t finishes = store_script_count(one.store, STORE_FINISH);
    size_t claims = two.hosts[0].claims;
    one.paused = true;
    bench_result(&one.hosts[0], &word, "late"); /* on its way when it stops */
    wait_for_all(&two, claims);
    bench_result(&two.hosts[0], &word, "in time");
    bench_until(&two, bench_is(&two, id, TASK_SUCCEEDED));
    one.paused = false;
    bench_until(&one, one.control->shards.book.mine == 0 || bench_shared_out(&one, &two));
    bench_until(&one, bench_shared_out(&one, &two)); /* it is one of two again */
    assert_int_equal(store_script_count(one.store, STORE_FINISH), finishes);
    assert_string_equal(bench_get(&one, id)->result->text, "in time");
    assert_int_equal(bench_get(&one, id)->n_attempts, 1);
    assert_non_null(bench_submit(&one, "goes on", NULL, 0));
}

/* The same when it was stopped after it had sent its write: only the store knows. */
static void a_write_that_comes_late_is_fenced(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    struct bench_word word = begin_at(&one, &id);
    bench_until(&one, bench_is(&two, id, TASK_RUNNING));
    store_script_hold(one.store, true); /* between the process and the database */
    bench_result(&one.hosts[0], &word, "late");
    bench_until(&one, store_script_held(one.store) > 0);
    size_t claims = two.hosts[0].claims;
    one.paused = true;
    wait_for_all(&two, claims);
    bench_result(&two.hosts[0], &word, "in time");
    bench_until(&two, bench_is(&two, id, TASK_SUCCEEDED));
    store_script_hold(one.store, false);
    store_script_step(one.store, SIZE_MAX);
    one.paused = false;
    bench_until(&one, bench_shared_out(&one, &two));
    assert_string_equal(bench_get(&one, id)->result->text, "in time");
    assert_int_equal(one.hosts[0].settles, 0);
}

static void a_submission_that_comes_late_is_taken_by_another_shard_or_control(void **state)
{
    struct mesh_rpc_opts opts = {.wait_for_ready = true};
    const struct mesh_method *submit =
        &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT];
    (void)state;
    const char *key = key_of(&one);
    store_script_hold(one.store, true);
    mesh_unary(one.channel, submit, &bench_request(&one, "keyed", key)->base, &opts,
               bench_ignore, &one);
    mesh_unary(one.channel, submit, &bench_request(&one, "free", NULL)->base, &opts,
               bench_ignore, &one);
    bench_until(&one, store_script_held(one.store) >= 2);
    one.paused = true;
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    store_script_hold(one.store, false);
    store_script_step(one.store, SIZE_MAX); /* both are refused */
    one.paused = false;
    bench_until(&two, two.control->tasks.by_id.count + one.control->tasks.by_id.count == 2);
    const Aion__V1__Task *task = bench_submit(&two, "keyed", key, 0);
    assert_non_null(task);
    bench_turns(&one, 20);
    assert_int_equal(two.control->tasks.by_id.count + one.control->tasks.by_id.count, 2);
}

static void who_cannot_renew_its_lease_sleeps(void **state)
{
    const char *id;
    (void)state;
    attach_both(false);
    begin_at(&one, &id);
    store_script_fail(one.store, STORE_LEASE, STORE_SCRIPT_FAIL, AION_UNAVAILABLE, 100000);
    bench_until(&one, !control_shards_awake(one.control));
    size_t executes = one.hosts[0].executes;
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    assert_non_null(bench_submit(&one, "handed on", NULL, 0));
    assert_int_equal(one.hosts[0].executes, executes);
    store_script_fail(one.store, STORE_LEASE, STORE_SCRIPT_FAIL, AION_UNAVAILABLE, 0);
    bench_until(&one, bench_shared_out(&one, &two));
}

/* -- money --------------------------------------------------------------------------- */
static const Aion__V1__Budget *get_budget(struct bench *bench)
{
    Aion__V1__BudgetRef ref = AION__V1__BUDGET_REF__INIT;
    char id[] = "b";
    ref.budget_id = id;
    return (const Aion__V1__Budget *)bench_call(
        bench, &aion_v1_budgets_type.methods[AION_V1_BUDGETS_GET_BUDGET], &ref.base);
}

static unsigned take_all(struct bench *bench)
{
    unsigned taken = 0;
    while (bench_submit(bench, "text", NULL, 0) != NULL)
        taken++;
    return taken;
}

static void a_budget_is_one_for_both_and_the_dead_leave_nothing_behind(void **state)
{
    (void)state;
    attach_both(true);
    one.cost_nano_usd = two.cost_nano_usd = 10;
    one.counts_money = two.counts_money = true;
    bench_set_budget(&one, 200);
    assert_int_equal(get_budget(&two)->limit_nano_usd, 200); /* at once */
    assert_non_null(bench_submit(&two, "text", NULL, 5));
    bench_kill(&two); /* with what it had carved */
    bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
    bench_until(&one, one.control->escrow.gone[ESCROW_GONE_MAX - 1][0] == '\0');
    bench_turns(&one, 1200); /* a poll */
    assert_int_equal(take_all(&one), 19);
    bench_until(&one, get_budget(&one)->reserved_nano_usd == 0);
    assert_int_equal(get_budget(&one)->spent_nano_usd, 200);
    bench_revive(&two);
}

static void who_lost_its_lease_gives_out_nothing_twice(void **state)
{
    (void)state;
    attach_both(true);
    one.cost_nano_usd = two.cost_nano_usd = 10;
    one.counts_money = two.counts_money = true;
    bench_set_budget(&one, 200);
    assert_non_null(bench_submit(&one, "text", NULL, 5));
    one.paused = true; /* with what it had carved, which the other takes for dead */
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    bench_turns(&two, 1200);
    unsigned taken = take_all(&two);
    one.paused = false;
    bench_until(&one, bench_shared_out(&one, &two));
    taken += take_all(&one);
    taken += take_all(&two);
    assert_int_equal(taken, 19);
    bench_until(&one, get_budget(&one)->reserved_nano_usd == 0);
    assert_int_equal(get_budget(&one)->spent_nano_usd, 200);
}

/* The database was away for everybody: nobody takes what another is about to renew. */
static void after_an_outage_everybody_keeps_its_own(void **state)
{
    uint64_t of_one = bench_shards(&one), of_two = bench_shards(&two);
    (void)state;
    for (int i = 0; i < 2; i++)
        store_script_fail((i == 0 ? &one : &two)->store, STORE_LEASE, STORE_SCRIPT_FAIL,
                          AION_UNAVAILABLE, 100000);
    bench_turns(&one, BENCH_LEASE_US * 3 / 2 / 1000);
    assert_false(control_shards_awake(one.control) || control_shards_awake(two.control));
    store_script_fail(one.store, STORE_LEASE, STORE_SCRIPT_FAIL, AION_UNAVAILABLE, 0);
    bench_until(&one, control_shards_awake(one.control));
    assert_true(bench_shards(&one) == of_one);
    store_script_fail(two.store, STORE_LEASE, STORE_SCRIPT_FAIL, AION_UNAVAILABLE, 0);
    bench_until(&one, control_shards_awake(two.control));
    bench_turns(&one, BENCH_LEASE_US / 1000);
    assert_true(bench_shards(&one) == of_one && bench_shards(&two) == of_two);
}

int main(void)
{
#define pair_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        pair_test(each_has_half_and_both_have_all),
        pair_test(who_leaves_gives_back_at_once),
        pair_test(who_dies_is_followed_within_two_leases),
        pair_test(a_second_process_of_a_name_ends_the_first),
        pair_test(a_key_means_the_same_at_both),
        pair_test(a_task_is_seen_and_cancelled_through_both),
        pair_test(a_batch_goes_where_its_keys_are),
        pair_test(who_has_nothing_hands_everything_on),
        pair_test(a_call_waits_while_its_shard_moves),
        pair_test(a_call_does_not_wait_for_an_owner_that_is_paused),
        pair_test(output_is_read_through_both),
        pair_test(a_watch_of_another_s_task_keeps_to_its_window),
        pair_test(a_reader_follows_its_task_when_its_owner_dies),
        pair_test(a_reader_follows_its_task_when_its_owner_is_paused),
        pair_test(a_reader_follows_its_task_when_it_is_given_away),
        pair_test(acknowledged_output_is_told_as_a_gap_or_refused),
        pair_test(a_host_hears_of_both_controls_and_of_what_each_has),
        pair_test(a_word_about_another_s_task_is_not_answered),
        pair_test(who_was_paused_and_wakes_changes_nothing),
        pair_test(a_write_that_comes_late_is_fenced),
        pair_test(a_submission_that_comes_late_is_taken_by_another_shard_or_control),
        pair_test(who_cannot_renew_its_lease_sleeps),
        pair_test(after_an_outage_everybody_keeps_its_own),
        pair_test(a_budget_is_one_for_both_and_the_dead_leave_nothing_behind),
        pair_test(who_lost_its_lease_gives_out_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
