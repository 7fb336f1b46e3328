/* Goal: the four kinds of call keep their promises, in plain text on loopback. Method: client
 * and server of the runtime in one process, one thread. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_unary_call_is_answered(void **state)
{
    struct fixture *fixture = *state;
    fixture_unary(fixture, MESH_TEST_ECHO_UNARY, "hello", NULL);
    assert_int_equal(fixture->code, AION_OK);
    assert_string_equal(fixture->text, "hello");
    assert_int_equal(mesh_server_live(fixture->server), 0);
}

static void many_unary_calls_reuse_their_memory(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 300; i++) {
        fixture_unary(fixture, MESH_TEST_ECHO_UNARY, "again", NULL);
        assert_int_equal(fixture->code, AION_OK);
    }
}

/* Something that is always to be done: each run orders the next. */
struct endless {
    struct aion_job job;
    struct mesh_loop *loop;
    bool over, ended;
};

static void run_again(struct aion_job *job)
{
    struct endless *endless = aion_container(job, struct endless, job);
    endless->ended = endless->over;
    if (!endless->over)
        aion_exec_post(mesh_loop_exec(endless->loop), job);
}

static void sockets_are_read_however_much_is_to_be_done(void **state)
{
    struct fixture *fixture = *state;
    struct endless endless = {.job = {.run = run_again}, .loop = fixture->loop};
    aion_exec_post(mesh_loop_exec(fixture->loop), &endless.job);
    fixture_unary(fixture, MESH_TEST_ECHO_UNARY, "hello", NULL);
    assert_int_equal(fixture->code, AION_OK);
    endless.over = true;
    while (!endless.ended)
        fixture_step(fixture);
}

static void a_blocking_handler_runs_on_a_worker(void **state)
{
    struct fixture *fixture = *state;
    fixture_unary(fixture, MESH_TEST_ECHO_BLOCK, "slow", NULL);
    assert_int_equal(fixture->code, AION_OK);
    assert_string_equal(fixture->text, "slow");
}

static void a_blocking_handler_without_an_answer_is_an_internal_error(void **state)
{
    struct fixture *fixture = *state;
    fixture_unary(fixture, MESH_TEST_ECHO_BLOCK, "silent", NULL);
    assert_int_equal(fixture->code, AION_INTERNAL);
}

static void an_error_carries_reason_field_and_retry(void **state)
{
    struct fixture *fixture = *state;
    fixture_unary(fixture, MESH_TEST_ECHO_FAIL, "x", NULL);
    assert_int_equal(fixture->code, AION_INVALID);
    assert_string_equal(fixture->err.text, "text \"x\" is wrong");
    assert_string_equal(fixture->err.reason, "TEXT_WRONG");
    assert_string_equal(fixture->err.field, "text");
    assert_int_equal(fixture->err.retry_after_ms, 1500);
}

static void an_unstable_method_is_unimplemented(void **state)
{
    struct fixture *fixture = *state;
    fixture_unary(fixture, MESH_TEST_ECHO_LATER, "x", NULL);
    assert_int_equal(fixture->code, AION_UNIMPLEMENTED);
    assert_string_equal(fixture->err.text,
                        "/mesh.test.Echo/Later is not served by this version");
}

/* A call that its handler holds. */
static struct mesh_rpc *begin_held(struct fixture *fixture)
{
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    fixture->finished = false;
    struct mesh_rpc *rpc = mesh_unary(fixture->channel, fixture_method(MESH_TEST_ECHO_HELD),
                                      &request.base, NULL, fixture_done, fixture);
    fixture->waiting = true;
    while (fixture->held == NULL)
        mesh_loop_run(fixture->loop);
    return rpc;
}

static void a_held_call_is_answered_later(void **state)
{
    struct fixture *fixture = *state;
    begin_held(fixture);
    Mesh__Test__Msg reply = MESH__TEST__MSG__INIT;
    reply.text = (char *)(uintptr_t) "at last";
    mesh_reply(fixture->held, &reply.base);
    mesh_drop(fixture->held);
    fixture->held = NULL;
    fixture_run_until(fixture, &fixture->finished);
    assert_string_equal(fixture->text, "at last");
}

static void a_deadline_ends_a_held_call_on_both_sides(void **state)
{
    struct fixture *fixture = *state;
    struct mesh_rpc_opts opts = {.timeout_us = 50000};
    fixture_unary(fixture, MESH_TEST_ECHO_HELD, "x", &opts);
    assert_int_equal(fixture->code, AION_DEADLINE);
    fixture->waiting = true;
    while (fixture->cancels == 0)
        mesh_loop_run(fixture->loop);
    assert_null(fixture->held);
}

static void a_cancelled_call_tells_the_handler(void **state)
{
    struct fixture *fixture = *state;
    mesh_rpc_cancel(begin_held(fixture));
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->code, AION_CANCELLED);
    fixture->waiting = true;
    while (fixture->cancels == 0)
        mesh_loop_run(fixture->loop);
}

/* -- streams -------------------------------------------------------------- */

static void on_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct fixture *fixture = mesh_rpc_user(rpc);
    const Mesh__Test__Msg *msg = (const Mesh__Test__Msg *)message;
    fixture->messages++;
    fixture->sum += msg->number;
    for (size_t i = 0; i < msg->n_more; i++) {
        assert_int_equal(msg->more[i]->number, msg->number + (int64_t)i + 1);
        fixture->sum += msg->more[i]->number;
    }
    fixture->messages += msg->n_more;
    fixture->bundled += msg->n_more;
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct fixture *fixture = mesh_rpc_user(rpc);
    fixture->code = result->err != NULL ? result->err->code : AION_OK;
    fixture->finished = true;
    fixture_wake(fixture);
}

static const struct mesh_stream_ops stream_ops = {.message = on_message, .closed = on_closed};

static void open_down(struct fixture *fixture, size_t count, size_t size)
{
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    fixture->down_count = count;
    fixture->down_size = size;
    mesh_test_echo_down_open(fixture->channel, &request, NULL, &stream_ops, fixture);
}

static void a_server_stream_delivers_all_in_order_and_ends(void **state)
{
    struct fixture *fixture = *state;
    open_down(fixture, 1000, 10);
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->code, AION_OK);
    assert_int_equal(fixture->messages, 1000);
    assert_int_equal(fixture->sum, 1000 * 1001 / 2);
    assert_int_equal(fixture->dones, 1);
}

static void a_client_stream_is_summed_up(void **state)
{
    struct fixture *fixture = *state;
    Mesh__Test__Msg message = MESH__TEST__MSG__INIT;
    struct mesh_rpc *rpc = mesh_test_echo_up_open(fixture->channel, NULL, &stream_ops, fixture);
    for (message.number = 1; message.number <= 100; message.number++)
        assert_int_not_equal(mesh_test_echo_up_write(rpc, &message), MESH_GONE);
    mesh_rpc_half_close(rpc);
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->code, AION_OK);
    assert_int_equal(fixture->messages, 1);
    assert_int_equal(fixture->sum, 5050);
    assert_int_equal(fixture->half_closes, 1);
}

static void a_bidi_stream_echoes_each_message(void **state)
{
    struct fixture *fixture = *state;
    Mesh__Test__Msg message = MESH__TEST__MSG__INIT;
    struct mesh_rpc *rpc =
        mesh_test_echo_both_open(fixture->channel, NULL, &stream_ops, fixture);
    for (message.number = 1; message.number <= 200; message.number++)
        mesh_test_echo_both_write(rpc, &message);
    mesh_rpc_half_close(rpc);
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->code, AION_OK);
    assert_int_equal(fixture->messages, 200);
    assert_int_equal(fixture->sum, 20100);
}

/* Each side has said that it reads `more`: no message is lost, their order is kept, one that is
 * larger than a bundle goes by itself. */
static void what_waits_on_a_stream_leaves_as_one_message(void **state)
{
    static uint8_t large[40000];
    struct fixture *fixture = *state;
    Mesh__Test__Msg message = MESH__TEST__MSG__INIT;
    struct mesh_rpc *rpc =
        mesh_test_echo_both_open(fixture->channel, NULL, &stream_ops, fixture);
    fixture->bundles = true;
    mesh_rpc_bundle(rpc);
    for (message.number = 1; message.number <= 200; message.number++) {
        message.data = (ProtobufCBinaryData){message.number == 100 ? sizeof(large) : 0, large};
        assert_int_not_equal(mesh_test_echo_both_write(rpc, &message), MESH_GONE);
    }
    mesh_rpc_half_close(rpc);
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->code, AION_OK);
    assert_int_equal(fixture->messages, 200);
    assert_int_equal(fixture->sum, 20100);
    assert_true(fixture->bundled > 200); /* most of them, each way */
}

static void a_slow_reader_holds_the_sender_back(void **state)
{
    struct fixture *fixture = *state;
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    fixture->down_count = 2000;
    fixture->down_size = 16384; /* 32 MiB in all */
    struct mesh_rpc *rpc =
        mesh_test_echo_down_open(fixture->channel, &request, NULL, &stream_ops, fixture);
    mesh_rpc_pause(rpc);
    struct mesh_rpc_opts opts = {0};
    for (int i = 0; i < 50; i++) /* others are served meanwhile */
        fixture_unary(fixture, MESH_TEST_ECHO_UNARY, "other", &opts);
    assert_in_range(fixture->sent, 1, 600); /* windows and queue, not all of it */
    fixture->finished = false;
    mesh_rpc_resume(rpc);
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->messages, 2000);
    assert_true(fixture->writables > 0);
}

static void a_cancelled_stream_ends_on_both_sides(void **state)
{
    struct fixture *fixture = *state;
    struct mesh_rpc *rpc =
        mesh_test_echo_both_open(fixture->channel, NULL, &stream_ops, fixture);
    Mesh__Test__Msg message = MESH__TEST__MSG__INIT;
    mesh_test_echo_both_write(rpc, &message);
    fixture->waiting = true;
    struct mesh_rpc_opts opts = {0};
    fixture_unary(fixture, MESH_TEST_ECHO_UNARY, "a round trip", &opts);
    fixture->finished = false;
    mesh_rpc_cancel(rpc);
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->code, AION_CANCELLED);
    fixture->waiting = true;
    while (fixture->dones == 0)
        mesh_loop_run(fixture->loop);
    assert_int_equal(fixture->cancels, 1);
}

/* -- what must not reach a handler ---------------------------------------- */

static void send_raw(struct fixture *fixture, const Mesh__Test__Msg *request)
{
    fixture->finished = false;
    mesh_unary(fixture->channel, fixture_method(MESH_TEST_ECHO_UNARY), &request->base, NULL,
               fixture_done, fixture);
    fixture_run_until(fixture, &fixture->finished);
}

static void invalid_utf8_is_refused_and_names_the_field(void **state)
{
    struct fixture *fixture = *state;
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    request.text = (char *)(uintptr_t) "bad \xff";
    send_raw(fixture, &request);
    assert_int_equal(fixture->code, AION_INVALID);
    assert_string_equal(fixture->err.field, "text");
}

static void an_oversized_request_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t bytes[100000];
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    request.data = (ProtobufCBinaryData){sizeof(bytes), bytes};
    send_raw(fixture, &request);
    assert_int_equal(fixture->code, AION_EXHAUSTED);
}

static void deeply_nested_values_are_refused(void **state)
{
    struct fixture *fixture = *state;
    enum { DEPTH = 2000 };
    Google__Protobuf__Value *values = calloc(DEPTH, sizeof(*values));
    Google__Protobuf__ListValue *lists = calloc(DEPTH, sizeof(*lists));
    Google__Protobuf__Value **pointers = calloc(DEPTH, sizeof(*pointers));
    for (int i = 0; i < DEPTH; i++) {
        google__protobuf__value__init(&values[i]);
        google__protobuf__list_value__init(&lists[i]);
        if (i + 1 < DEPTH) {
            pointers[i] = &values[i + 1];
            lists[i].values = &pointers[i];
            lists[i].n_values = 1;
            values[i].kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
            values[i].list_value = &lists[i];
        }
    }
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    request.value = &values[0];
    send_raw(fixture, &request);
    assert_int_equal(fixture->code, AION_EXHAUSTED);
    free(pointers);
    free(lists);
    free(values);
}

/* -- limits and drain ----------------------------------------------------- */

static void a_call_beyond_the_limit_is_refused_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    struct mesh_server_conf conf = {.listen = "127.0.0.1:0", .calls_max = 1};
    fixture_start(&fixture, &conf, NULL);
    begin_held(&fixture);
    fixture_unary(&fixture, MESH_TEST_ECHO_UNARY, "one too many", NULL);
    assert_int_equal(fixture.code, AION_EXHAUSTED);
    assert_string_equal(fixture.err.reason, "TOO_MANY_CALLS");
    fixture_stop(&fixture); /* cancels the held call, whose handler lets go of it */
}

static void a_peer_beyond_its_own_limit_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct mesh_server_conf conf = {.listen = "127.0.0.1:0", .calls_per_peer_max = 2};
    fixture_start(&fixture, &conf, NULL);
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    struct mesh_rpc *stream =
        mesh_test_echo_both_open(fixture.channel, NULL, &stream_ops, &fixture);
    mesh_unary(fixture.channel, fixture_method(MESH_TEST_ECHO_HELD), &request.base, NULL,
               fixture_done, &fixture);
    fixture.waiting = true;
    while (fixture.held == NULL || mesh_server_live(fixture.server) < 2)
        fixture_step(&fixture);
    fixture_unary(&fixture, MESH_TEST_ECHO_UNARY, "a third one", NULL);
    assert_int_equal(fixture.code, AION_EXHAUSTED);
    assert_string_equal(fixture.err.reason, "TOO_MANY_CALLS_OF_PEER");
    mesh_rpc_cancel(stream);
    fixture_stop(&fixture);
}

static void a_stream_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct mesh_server_conf conf = {.listen = "127.0.0.1:0", .streams_max = 1};
    fixture_start(&fixture, &conf, NULL);
    struct mesh_rpc *first =
        mesh_test_echo_both_open(fixture.channel, NULL, &stream_ops, &fixture);
    while (mesh_server_live(fixture.server) < 1)
        fixture_step(&fixture);
    mesh_test_echo_both_open(fixture.channel, NULL, &stream_ops, &fixture);
    fixture_run_until(&fixture, &fixture.finished);
    assert_int_equal(fixture.code, AION_EXHAUSTED);
    mesh_rpc_cancel(first);
    fixture_stop(&fixture);
}

static void plain_text_off_loopback_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct mesh_server_conf conf = {.listen = "0.0.0.0:0"};
    struct aion_err err;
    assert_null(mesh_server_new(fixture->loop, &conf, &err));
    assert_int_equal(err.code, AION_INVALID);
}

static void a_port_in_use_is_a_clear_error(void **state)
{
    struct fixture *fixture = *state;
    char listen[64];
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", mesh_server_port(fixture->server));
    struct mesh_server_conf conf = {.listen = listen};
    struct aion_err err;
    assert_null(mesh_server_new(fixture->loop, &conf, &err));
    assert_int_equal(err.code, AION_EXISTS);
    assert_non_null(strstr(err.text, listen));
}

static void on_drained(void *user)
{
    *(bool *)user = true;
}

static void a_drain_lets_a_call_in_flight_finish(void **state)
{
    struct fixture *fixture = *state;
    begin_held(fixture);
    bool drained = false;
    mesh_server_drain(fixture->server, 5000000, on_drained, &drained);
    Mesh__Test__Msg reply = MESH__TEST__MSG__INIT;
    reply.text = (char *)(uintptr_t) "finished";
    mesh_reply(fixture->held, &reply.base);
    mesh_drop(fixture->held);
    fixture->held = NULL;
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->code, AION_OK);
    assert_string_equal(fixture->text, "finished");
}

#define test_of(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(a_unary_call_is_answered),
        test_of(many_unary_calls_reuse_their_memory),
        test_of(sockets_are_read_however_much_is_to_be_done),
        test_of(a_blocking_handler_runs_on_a_worker),
        test_of(a_blocking_handler_without_an_answer_is_an_internal_error),
        test_of(an_error_carries_reason_field_and_retry),
        test_of(an_unstable_method_is_unimplemented),
        test_of(a_held_call_is_answered_later),
        test_of(a_deadline_ends_a_held_call_on_both_sides),
        test_of(a_cancelled_call_tells_the_handler),
        test_of(a_server_stream_delivers_all_in_order_and_ends),
        test_of(a_client_stream_is_summed_up),
        test_of(a_bidi_stream_echoes_each_message),
        test_of(what_waits_on_a_stream_leaves_as_one_message),
        test_of(a_slow_reader_holds_the_sender_back),
        test_of(a_cancelled_stream_ends_on_both_sides),
        test_of(invalid_utf8_is_refused_and_names_the_field),
        test_of(an_oversized_request_is_refused),
        test_of(deeply_nested_values_are_refused),
        cmocka_unit_test(a_call_beyond_the_limit_is_refused_at_once),
        cmocka_unit_test(a_peer_beyond_its_own_limit_is_refused),
        cmocka_unit_test(a_stream_beyond_the_limit_is_refused),
        test_of(plain_text_off_loopback_is_refused),
        test_of(a_port_in_use_is_a_clear_error),
        test_of(a_drain_lets_a_call_in_flight_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
