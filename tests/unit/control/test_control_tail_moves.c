/* WatchTasks while shards move between two controls on one store.
 *
 * Goal: a listener hears of every task, whoever has it, each task's events in their order and
 * once; one whose control is gone begins anew elsewhere and has missed nothing. Method: what
 * was heard is compared with all the rows of the outbox at the end. */
#include "base/clock.h"
#include "mesh_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { HEARD_MAX = 8192, KIND_BITS = 4 };

/* What came, over all calls of one listener. */
struct heard {
    char id[AION_UUID_TEXT];
    uint64_t sequence;
};
struct listener {
    struct mesh_rpc *rpc;
    struct heard all[HEARD_MAX];
    size_t count, doubles;
    bool again; /* it has begun anew: an event may come twice */
    bool closed;
    struct aion_err err;
    int64_t last_us;
};

static struct bench one, two;
static struct bench_body body;
static struct listener listener;

static int setup(void **state)
{
    (void)state;
    body = (struct bench_body){.count = 0};
    memset(&listener, 0, sizeof(listener));
    bench_start_pair(&one, &two);
    one.hosts[0].automatic = two.hosts[0].automatic = true;
    bench_attach_whole(&one, 0, 8, &body);
    bench_attach_whole(&two, 0, 8, &body);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bench_stop_pair(&one, &two);
    return 0;
}

/* -- the listener -------------------------------------------------------------------- */
static bool was_heard(const char *id, uint64_t sequence)
{
    for (size_t i = 0; i < listener.count; i++)
        if (listener.all[i].sequence == sequence && strcmp(listener.all[i].id, id) == 0)
            return true;
    return false;
}

/* Of each task in order, but for what comes again. */
static void on_event(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    const Aion__V1__TaskEvent *event = aion_v1_aion_tasks_watch_tasks_read(message);
    (void)rpc;
    listener.last_us = event->at->seconds * 1000000 + event->at->nanos / 1000;
    if (was_heard(event->task_id, event->sequence)) {
        listener.doubles++;
        return;
    }
    for (size_t i = 0; i < listener.count; i++)
        if (strcmp(listener.all[i].id, event->task_id) == 0)
            assert_true(listener.all[i].sequence < event->sequence);
    assert_true(listener.count < HEARD_MAX);
    struct heard *heard = &listener.all[listener.count++];
    aion_str_copy(heard->id, sizeof(heard->id), aion_str_of(event->task_id));
    heard->sequence = event->sequence;
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    (void)rpc;
    listener.closed = true;
    listener.rpc = NULL;
    if (result->err != NULL)
        listener.err = *result->err;
}

/* since_us 0: from now on. */
static void listen(struct bench *bench, int64_t since_us)
{
    static const struct mesh_stream_ops ops = {.message = on_event, .closed = on_closed};
    static const struct mesh_rpc_opts patient = {.wait_for_ready = true};
    Aion__V1__WatchTasksRequest request = AION__V1__WATCH_TASKS_REQUEST__INIT;
    Google__Protobuf__Timestamp since = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    size_t before = bench->control->tails.count;
    since.seconds = since_us / 1000000;
    since.nanos = (int32_t)(since_us % 1000000) * 1000;
    request.since = since_us > 0 ? &since : NULL;
    listener.closed = false;
    listener.rpc =
        aion_v1_aion_tasks_watch_tasks_open(bench->channel, &request, &patient, &ops, NULL);
    bench_until(bench, bench->control->tails.count > before);
}

static void stop_listening(void)
{
    if (!listener.closed)
        mesh_rpc_cancel(listener.rpc);
    bench_until(&one, listener.closed);
}

/* -- the outbox ---------------------------------------------------------------------- */
/* Rows of the outbox of which something was not heard; how many events they tell. */
static size_t missing(struct bench *bench, size_t *ret_told)
{
    struct aion_arena arena;
    struct store_events_read read = {
        .op.arena = &arena, .shards = STORE_ALL_SHARDS, .limit = 10000, .bytes_max = 8 << 20};
    size_t count = 0;
    *ret_told = 0;
    aion_arena_init(&arena, 32 << 20, NULL, 0);
    assert_true(store_events_read_wait(bench->store, &read, &bench->err));
    assert_false(read.more);
    for (size_t i = 0; i < read.count; i++) {
        char id[AION_UUID_TEXT];
        aion_uuid_text(&read.events[i].id, id);
        for (uint32_t kinds = read.events[i].kinds; kinds != 0; kinds &= kinds - 1) {
            unsigned bit = (unsigned)__builtin_ctz(kinds);
            ++*ret_told;
            count += !was_heard(id, read.events[i].sequence << KIND_BITS | bit);
        }
    }
    aion_arena_done(&arena);
    return count;
}

static bool all_is_heard(struct bench *bench)
{
    size_t told;
    return missing(bench, &told) == 0 && told == listener.count;
}

static void assert_all_is_heard(struct bench *bench)
{
    bench_until(bench, all_is_heard(bench));
    if (!listener.again)
        assert_int_equal(listener.doubles, 0);
}

/* -- tasks --------------------------------------------------------------------------- */
/* A key whose task is in this shard. */
static const char *key_in(uint64_t shards)
{
    static char key[32];
    static int number;
    do
        snprintf(key, sizeof(key), "key-%d", ++number);
    while ((shards & control_shard_bit(
                         control_shard_of_key(AION_STR("default"), aion_str_of(key)))) == 0);
    return key;
}

/* Tasks of all shards, through this control; those that cannot be taken now do not matter. */
static void submit_some(struct bench *bench, unsigned count)
{
    struct mesh_rpc_opts opts = {.timeout_us = 5000000};
    for (unsigned i = 0; i < count; i++)
        mesh_unary(bench->channel, &aion_v1_aion_tasks_type.methods[AION_V1_AION_TASKS_SUBMIT],
                   &bench_request(bench, "x", key_in(STORE_ALL_SHARDS))->base, &opts,
                   bench_ignore, NULL);
    bench_turns(bench, 20);
}

static bool all_have_ended(const struct bench *bench)
{
    for (unsigned i = 0; i < STORE_SHARDS; i++)
        if (!aion_list_empty(&bench->control->shards.tasks[i]))
            return false;
    return aion_list_empty(&bench->control->writes);
}

/* -- tests --------------------------------------------------------------------------- */
static void tasks_of_both_are_heard_through_one(void **state)
{
    (void)state;
    listen(&one, 0);
    for (int i = 0; i < 10; i++) {
        submit_some(&one, 5);
        submit_some(&two, 5);
    }
    bench_until(&one, all_have_ended(&one) && all_have_ended(&two));
    assert_all_is_heard(&one);
    assert_true(listener.count >= 500);
    stop_listening();
}

static void tasks_whose_owner_dies_are_heard_to_their_end(void **state)
{
    (void)state;
    listen(&one, 0);
    for (int round = 0; round < 2; round++) {
        submit_some(&one, 20);
        bench_kill(&two); /* in the middle of it */
        for (int i = 0; i < 5; i++)
            submit_some(&one, 4);
        bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
        submit_some(&one, 10);
        bench_revive(&two);
        bench_attach_whole(&two, 0, 8, &body);
        submit_some(&one, 10);
        bench_until(&one, bench_shared_out(&one, &two));
    }
    bench_until(&one, all_have_ended(&one) && all_have_ended(&two));
    assert_all_is_heard(&one);
    stop_listening();
}

static void tasks_of_shards_that_are_given_away_are_heard(void **state)
{
    (void)state;
    bench_kill(&two);
    bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
    listen(&one, 0);
    submit_some(&one, 20);
    bench_revive(&two);
    bench_attach_whole(&two, 0, 8, &body);
    for (int i = 0; i < 20 && !bench_shared_out(&one, &two); i++) {
        submit_some(&one, 3);
        submit_some(&two, 3);
    }
    bench_until(&one, bench_shared_out(&one, &two));
    submit_some(&two, 20);
    bench_until(&one, all_have_ended(&one) && all_have_ended(&two));
    assert_all_is_heard(&one);
    stop_listening();
}

/* The listener's own control is stopped, and wakes. */
static void who_listens_at_a_paused_control_hears_the_rest_when_it_wakes(void **state)
{
    (void)state;
    listen(&one, 0);
    submit_some(&one, 20);
    one.paused = true;
    bench_until(&two, bench_shards(&two) == STORE_ALL_SHARDS);
    submit_some(&two, 20);
    one.paused = false;
    submit_some(&two, 20);
    bench_until(&one, bench_shared_out(&one, &two));
    submit_some(&one, 20);
    bench_until(&one, all_have_ended(&one) && all_have_ended(&two));
    assert_all_is_heard(&one);
    stop_listening();
}

/* A shard was another's for a moment: what happened in it then comes before what happens in it
 * now. */
static void a_shard_that_comes_back_brings_what_happened_meanwhile(void **state)
{
    (void)state;
    uint64_t last = control_shard_bit(63);
    bench_kill(&two);
    bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
    listen(&one, 0);
    assert_non_null(bench_submit(&one, "x", key_in(last), 5));
    bench_until(&one, all_is_heard(&one));
    bench_turns(&one, 520); /* it has just looked what others tell */
    bench_revive(&two);
    bench_attach_whole(&two, 0, 8, &body);
    bench_until(&two, (bench_shards(&two) & last) != 0);
    assert_non_null(bench_submit(&two, "x", key_in(last), 5));
    control_shards_leave(two.control);
    bench_until(&one, (bench_shards(&one) & last) != 0);
    assert_non_null(bench_submit(&one, "x", key_in(last), 5));
    assert_all_is_heard(&one);
    assert_int_equal(listener.count, 15);
    stop_listening();
}

static void who_listened_at_a_control_that_died_goes_on_at_another(void **state)
{
    (void)state;
    listen(&two, 0);
    submit_some(&one, 20);
    submit_some(&two, 20);
    bench_kill(&two);
    bench_until(&one, listener.closed);
    submit_some(&one, 20);
    listener.again = true;
    listen(&one, listener.last_us - 1000000);
    submit_some(&one, 20);
    bench_until(&one, bench_shards(&one) == STORE_ALL_SHARDS);
    bench_until(&one, all_have_ended(&one));
    assert_all_is_heard(&one);
    bench_revive(&two);
    stop_listening();
}

int main(void)
{
#define pair_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        pair_test(tasks_of_both_are_heard_through_one),
        pair_test(tasks_whose_owner_dies_are_heard_to_their_end),
        pair_test(tasks_of_shards_that_are_given_away_are_heard),
        pair_test(who_listens_at_a_paused_control_hears_the_rest_when_it_wakes),
        pair_test(a_shard_that_comes_back_brings_what_happened_meanwhile),
        pair_test(who_listened_at_a_control_that_died_goes_on_at_another),
    };
    return cmocka_run_group_tests_name("control tail moves", tests, NULL, NULL);
}
