/* Direct tasks whose shard moves, on two controls and one scripted store.
 *
 * Goal: whoever waits for one hears, soon, its result or that it may try again; what is in the
 * store is there once and whole; the books sum to zero, nothing stays reserved, and no budget
 * gives out more than it has. Method: as in test_control_replicas; a task's shard is chosen by
 * the turn of its control. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COST  10
#define LIMIT 200
#define LAST  (STORE_SHARDS - 1) /* the first shard that is given away */

static struct bench one, two;
static struct bench_body body;

/* A direct call under way at `one`. */
static struct {
    bool answered;
    struct aion_err err;
    char text[64];
} call;

/* One that was set at the other is known after a poll. */
static bool knows_budget(const struct bench *bench)
{
    return control_money_find(&bench->control->money, AION_STR("b")) != NULL;
}

static void prepare(struct bench *bench)
{
    bench->direct = bench->counts_money = true;
    bench->cost_nano_usd = COST;
}

static int setup(void **state)
{
    (void)state;
    body = (struct bench_body){.count = 0};
    bench_start_pair(&one, &two);
    prepare(&one);
    prepare(&two);
    bench_set_budget(&one, LIMIT);
    bench_until(&two, knows_budget(&two));
    bench_attach_whole(&one, 0, 4, &body);
    bench_attach_whole(&two, 0, 4, &body);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop_pair(&one, &two);
    return 0;
}

/* -- what the tests do -------------------------------------------------------------- */
static void answered(void *user, const struct mesh_result *result)
{
    (void)user;
    call.answered = true;
    call.err = (struct aion_err){.code = AION_OK};
    call.text[0] = '\0';
    if (result->err != NULL)
        call.err = *result->err;
    else
        snprintf(call.text, sizeof(call.text), "%s",
                 ((const Aion__V1__Task *)result->reply)->result->text);
}

static Aion__V1__TaskRequest *asking(struct bench *bench, const char *text)
{
    return bench_waiting_request(bench, text, NULL, 30);
}

static struct mesh_rpc *ask(const char *text)
{
    struct mesh_rpc_opts opts = {.wait_for_ready = true};
    call.answered = false;
    return mesh_unary(one.channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
                      &asking(&one, text)->base, &opts, answered, NULL);
}

/* A call to `one` whose task runs; in this shard, or any of its. */
static struct bench_word running(unsigned shard)
{
    struct bench_host *host = &one.hosts[0];
    size_t before = host->executes;
    one.control->shards.turn = shard;
    ask("x");
    bench_until(&one, host->executes > before);
    return host->executed[before % BENCH_EVENTS];
}

static unsigned shard_of(const struct bench_word *word)
{
    struct aion_uuid id;
    assert_true(aion_uuid_parse(aion_str_of(word->task_id), &id));
    return control_shard_of(&id);
}

/* Until the shard is another's, `one` has said so to its host. */
static bool is_gone(unsigned shard)
{
    return (bench_shards(&two) & control_shard_bit(shard)) != 0;
}

static bool is_stored(const struct bench_word *word, enum store_state *ret_state)
{
    struct store_task task;
    bool found = bench_stored(&one, word->task_id, &task);
    if (found)
        *ret_state = task.state;
    return found;
}

static int64_t balance(const char *prefix)
{
    return bench_balance(&one, prefix);
}

static size_t events_of(const struct bench_word *word)
{
    struct store_events_read read = bench_events(&one);
    struct aion_uuid id;
    size_t count = 0;
    assert_true(aion_uuid_parse(aion_str_of(word->task_id), &id));
    for (size_t i = 0; i < read.count; i++)
        count += memcmp(&read.events[i].id, &id, sizeof(id)) == 0;
    return count;
}

static bool nothing_is_left(void)
{
    const struct control *control = one.control;
    return aion_list_empty(&control->directs.open) && control->directs.unrecorded == 0 &&
           aion_list_empty(&control->writes) && body.count == 0;
}

/* What was told, and the books. */
static void assert_told_to_try_again(const struct bench_word *word)
{
    enum store_state state;
    bench_until(&one, call.answered);
    assert_int_equal(call.err.code, AION_UNAVAILABLE);
    assert_string_equal(call.err.reason, "SHARD_ELSEWHERE");
    bench_until(&one, one.hosts[0].cancels + two.hosts[0].cancels > 0);
    body.count = 0; /* a host that was told to stop has stopped */
    bench_until(&one, nothing_is_left());
    assert_false(is_stored(word, &state));
    assert_int_equal(events_of(word), 0);
    assert_int_equal(balance("spent:") + balance("reserved:"), 0);
    assert_int_equal(balance(""), 0);
}

static void assert_done_once(const struct bench_word *word)
{
    enum store_state state = STORE_ACCEPTED;
    bench_until(&one, call.answered);
    assert_int_equal(call.err.code, AION_OK);
    assert_string_equal(call.text, "done");
    bench_until(&one, nothing_is_left());
    assert_true(is_stored(word, &state));
    assert_int_equal(state, STORE_SUCCEEDED);
    assert_int_equal(events_of(word), 2);
    assert_int_equal(balance("spent:"), COST);
    assert_int_equal(balance("reserved:"), 0);
    assert_int_equal(balance(""), 0);
}

static bool is_taken(struct bench *bench)
{
    return bench_submit_request(bench, asking(bench, "x")) != NULL;
}

/* What is left of the budget is given out, all of it and no more. */
static void assert_budget_is_whole(int64_t spent)
{
    bench_until(&two, knows_budget(&two));
    one.hosts[0].automatic = two.hosts[0].automatic = true;
    for (int64_t left = (LIMIT - spent) / COST; left > 0; left--)
        bench_until(&one, is_taken(left % 2 == 0 ? &one : &two) ||
                              is_taken(left % 2 == 0 ? &two : &one));
    assert_false(is_taken(&one) || is_taken(&two));
    bench_until(&one, nothing_is_left() && two.control->directs.unrecorded == 0);
    assert_int_equal(balance("spent:"), LIMIT);
    assert_int_equal(balance(""), 0);
}

/* -- shards that are lost ------------------------------------------------------------ */
static void who_waits_for_a_task_of_a_lost_shard_is_told_to_try_again(void **state)
{
    (void)state;
    struct bench_word word = running(0);
    one.paused = true;
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    one.paused = false;
    assert_told_to_try_again(&word);
    bench_until(&one, bench_shared_out(&one, &two));
    assert_budget_is_whole(0);
}

/* Its readers, too. */
static void who_reads_its_output_hears_that_it_is_gone(void **state)
{
    (void)state;
    struct bench_word word = running(0);
    bench_stream(&one, word.task_id, 0);
    bench_chunk(&one.hosts[0], &word, 1, "part");
    bench_until(&one, one.chunks == 1);
    one.paused = true;
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    one.paused = false;
    bench_until(&one, one.stream_closed);
    assert_false(one.final);
    assert_int_not_equal(one.stream_err.code, AION_OK);
    assert_told_to_try_again(&word);
}

/* The result was on its way when the owner stopped: it is told, or it may be tried again. */
static void a_result_that_comes_with_the_loss_is_told_or_may_be_tried_again(void **state)
{
    enum store_state stored;
    (void)state;
    struct bench_word word = running(0);
    one.paused = true;
    bench_result(&one.hosts[0], &word, "done");
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    one.paused = false;
    bench_until(&one, call.answered);
    assert_true(call.err.code == AION_OK || strcmp(call.err.reason, "SHARD_ELSEWHERE") == 0);
    bench_until(&one, bench_shared_out(&one, &two));
    bench_until(&one, one.control->directs.unrecorded == 0);
    assert_false(is_stored(&word, &stored));
    assert_int_equal(events_of(&word), 0);
    body.count = 0;
    assert_budget_is_whole(0);
}

/* It has ended and been told; its record comes too late. */
static void a_record_that_comes_late_is_refused_whole(void **state)
{
    enum store_state stored;
    (void)state;
    struct bench_word word = running(0);
    store_script_hold(one.store, true);
    bench_result(&one.hosts[0], &word, "done");
    bench_until(&one, call.answered && one.control->directs.unrecorded == 1);
    assert_int_equal(call.err.code, AION_OK);
    one.paused = true;
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    store_script_hold(one.store, false);
    store_script_step(one.store, SIZE_MAX);
    one.paused = false;
    bench_until(&one, bench_shared_out(&one, &two));
    bench_until(&one, one.control->directs.unrecorded == 0);
    assert_false(is_stored(&word, &stored));
    assert_int_equal(events_of(&word), 0);
    assert_int_equal(balance("spent:") + balance("reserved:"), 0);
    body.count = 0;
    assert_budget_is_whole(0);
}

/* Of another shard than was lost: what it has reserved, of which the store knows nothing, is
 * not given out again when the escrow is read anew. */
static void a_task_of_a_shard_that_stays_keeps_what_it_reserved(void **state)
{
    (void)state;
    struct bench_word word = running(0);
    const struct control_escrow *escrow = &one.control->escrow;
    control_escrow_lost(one.control); /* as when a shard is */
    bench_until(&one, !escrow->due && !escrow->reading);
    one.hosts[0].automatic = two.hosts[0].automatic = true;
    for (int64_t left = LIMIT / COST - 1; left > 0; left--)
        bench_until(&one, is_taken(&one) || is_taken(&two));
    assert_false(is_taken(&one) || is_taken(&two));
    bench_result(&one.hosts[0], &word, "done");
    bench_until(&one, call.answered);
    assert_int_equal(call.err.code, AION_OK);
    assert_budget_is_whole(LIMIT);
}

/* Its end is on its way when the escrow is read: it is waited for. */
static void a_record_on_its_way_is_waited_for_when_the_escrow_is_read(void **state)
{
    (void)state;
    struct bench_word word = running(0);
    store_script_fail(one.store, STORE_FINISH, STORE_SCRIPT_REFUSE, AION_UNAVAILABLE, 1000);
    bench_result(&one.hosts[0], &word, "done");
    bench_until(&one, call.answered);
    control_escrow_lost(one.control);
    bench_turns(&one, 1200); /* a poll */
    assert_true(one.control->escrow.due);
    store_script_fail(one.store, STORE_FINISH, STORE_SCRIPT_REFUSE, AION_UNAVAILABLE, 0);
    bench_until(&one, !one.control->escrow.due);
    assert_budget_is_whole(COST);
}

/* -- shards that are given away ------------------------------------------------------- */
/* `one` has all; then `two` comes. */
static struct bench_word running_alone(void)
{
    bench_kill(&two);
    bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
    return running(LAST);
}

static void a_task_that_ends_soon_ends_before_its_shard_is_given_away(void **state)
{
    (void)state;
    struct bench_word word = running_alone();
    assert_int_equal(shard_of(&word), LAST);
    bench_revive(&two);
    bench_until(&one, !control_shard_opened(one.control, LAST));
    assert_false(call.answered);
    bench_chunk(&one.hosts[0], &word, 1, "part");
    bench_result(&one.hosts[0], &word, "done");
    assert_done_once(&word);
    bench_until(&one, bench_shared_out(&one, &two));
    assert_true(is_gone(LAST));
    bench_attach_whole(&two, 0, 4, &body);
    assert_budget_is_whole(COST);
}

static void a_task_that_runs_on_does_not_keep_its_shard(void **state)
{
    (void)state;
    struct bench_word word = running_alone();
    bench_revive(&two);
    bench_until(&one, !control_shard_opened(one.control, LAST));
    int64_t began_us = aion_clock_mono_us();
    assert_told_to_try_again(&word);
    assert_true(aion_clock_mono_us() - began_us < 3000000);
    bench_until(&one, bench_shared_out(&one, &two));
    assert_true(is_gone(LAST));
    assert_int_equal(store_script_count(one.store, STORE_START), 0);
}

static void a_task_without_a_slot_leaves_with_its_shard(void **state)
{
    const struct aion_link *open = &one.control->directs.open;
    (void)state;
    for (int i = 0; i < 4; i++)
        (void)running(0); /* the host is full */
    ask("waits");
    bench_until(&one, aion_list_count(open) == 5);
    assert_false(call.answered);
    control_shards_leave(one.control);
    bench_until(&one, call.answered);
    assert_int_equal(aion_list_count(open), 4); /* these have a moment to end */
    assert_int_equal(one.hosts[0].executes + two.hosts[0].executes, 4);
    assert_int_equal(call.err.code, AION_UNAVAILABLE);
    assert_string_equal(call.err.reason, "SHARD_ELSEWHERE");
}

static void a_record_on_its_way_keeps_its_shard_until_it_is_written(void **state)
{
    (void)state;
    struct bench_word word = running_alone();
    store_script_fail(one.store, STORE_FINISH, STORE_SCRIPT_REFUSE, AION_UNAVAILABLE, 1000);
    bench_result(&one.hosts[0], &word, "done");
    bench_until(&one, call.answered);
    bench_revive(&two);
    bench_until(&one, !control_shard_opened(one.control, LAST));
    bench_turns(&one, 300);
    assert_false(is_gone(LAST));
    store_script_fail(one.store, STORE_FINISH, STORE_SCRIPT_REFUSE, AION_UNAVAILABLE, 0);
    assert_done_once(&word);
    bench_until(&one, is_gone(LAST));
}

/* Its call ends while its shard is leaving. */
static void a_call_that_ends_meanwhile_holds_nothing_up(void **state)
{
    struct bench_word word;
    enum store_state stored;
    (void)state;
    bench_kill(&two);
    bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
    one.control->shards.turn = LAST;
    struct mesh_rpc *rpc = ask("x");
    bench_until(&one, one.hosts[0].executes == 1);
    word = one.hosts[0].executed[0];
    bench_revive(&two);
    bench_until(&one, !control_shard_opened(one.control, LAST));
    assert_false(call.answered);
    mesh_rpc_cancel(rpc);
    bench_until(&one, one.hosts[0].cancels == 1);
    bench_until(&one, is_gone(LAST));
    assert_false(is_stored(&word, &stored) && stored != STORE_CANCELLED);
    body.count = 0;
    bench_until(&one, nothing_is_left());
    assert_int_equal(balance("reserved:") + balance("spent:"), 0);
    assert_int_equal(balance(""), 0);
}

/* -- before it runs ------------------------------------------------------------------ */
/* The shard moved between the order's beginning and its decision: another control runs it. */
static void an_order_whose_shard_moves_before_it_runs_goes_to_another(void **state)
{
    (void)state;
    one.hosts[0].automatic = two.hosts[0].automatic = true;
    store_script_hold(one.store, true); /* the carve of its budget */
    ask("moved");
    bench_until(&one, store_script_held(one.store) > 0);
    bench_turns(&one, 5);
    one.paused = true;
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    store_script_hold(one.store, false);
    store_script_step(one.store, SIZE_MAX);
    one.paused = false;
    bench_until(&one, call.answered);
    assert_int_equal(call.err.code, AION_OK);
    assert_string_equal(call.text, "moved");
    assert_int_equal(one.hosts[0].executes + two.hosts[0].executes, 1);
    bench_until(&one, nothing_is_left() && two.control->directs.unrecorded == 0);
    bench_until(&one, balance("spent:") == COST);
    assert_int_equal(balance("reserved:"), 0);
    assert_int_equal(balance(""), 0);
}

int main(void)
{
#define pair_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        pair_test(who_waits_for_a_task_of_a_lost_shard_is_told_to_try_again),
        pair_test(who_reads_its_output_hears_that_it_is_gone),
        pair_test(a_result_that_comes_with_the_loss_is_told_or_may_be_tried_again),
        pair_test(a_record_that_comes_late_is_refused_whole),
        pair_test(a_task_of_a_shard_that_stays_keeps_what_it_reserved),
        pair_test(a_record_on_its_way_is_waited_for_when_the_escrow_is_read),
        pair_test(a_task_that_ends_soon_ends_before_its_shard_is_given_away),
        pair_test(a_task_that_runs_on_does_not_keep_its_shard),
        pair_test(a_task_without_a_slot_leaves_with_its_shard),
        pair_test(a_record_on_its_way_keeps_its_shard_until_it_is_written),
        pair_test(a_call_that_ends_meanwhile_holds_nothing_up),
        pair_test(an_order_whose_shard_moves_before_it_runs_goes_to_another),
    };
    return cmocka_run_group_tests_name("control direct moves", tests, NULL, NULL);
}
