/* Goal: a rolling restart loses no call, not even one that must not be repeated. Method: calls
 * in flight without pause on one channel; each server in turn drains, ends and comes back on
 * its port. With two servers the calls go to the other; with one they wait. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { IN_FLIGHT = 16, BETWEEN = 400 /* calls between two steps */ };

static struct mesh_loop *loop;
static struct mesh_channel *channel;

static struct test_server {
    struct mesh_server *server;
    struct fixture fixture; /* what the handlers ask for */
    int port;
    bool drained;
} servers[2];

static const struct mesh_rpc_opts *call_opts;
static unsigned live, ended, failed, steps;
static bool stopping;
static char last_failure[768];

static void start_server(struct test_server *mine)
{
    struct aion_err err;
    char listen[32];
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", mine->port);
    struct mesh_server_conf conf = {.listen = listen};
    mine->server = mesh_server_new(loop, &conf, &err);
    if (mine->server == NULL)
        fail_msg("%s: %s", err.text, err.detail);
    mine->drained = false;
    mine->port = mesh_server_port(mine->server);
    mesh_server_bind(mine->server, &mesh_test_echo_type, fixture_table(), &mine->fixture);
    mesh_server_start(mine->server);
}

static void on_drained(void *user)
{
    ((struct test_server *)user)->drained = true;
    mesh_loop_stop(loop); /* a server is freed outside its own events */
}

static void call_again(void);

static void on_done(void *user, const struct mesh_result *result)
{
    (void)user;
    live--;
    ended++;
    if (result->err != NULL) {
        failed++;
        snprintf(last_failure, sizeof(last_failure), "%s %s %s",
                 aion_code_name(result->err->code), result->err->text, result->err->detail);
    }
    if (ended % BETWEEN == 0)
        mesh_loop_stop(loop);
    if (!stopping)
        call_again();
    else if (live == 0)
        mesh_loop_stop(loop);
}

/* Every other call is of a method that is not idempotent: the channel may not repeat it. */
static void call_again(void)
{
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    request.text = (char *)(uintptr_t) "x";
    int method = live % 2 == 0 ? MESH_TEST_ECHO_UNARY : MESH_TEST_ECHO_BLOCK;
    live++;
    mesh_unary(channel, fixture_method(method), &request.base, call_opts, on_done, NULL);
}

static void run_calls(unsigned count)
{
    unsigned until = ended + count;
    while (ended < until)
        mesh_loop_run(loop);
}

static void end_server(struct test_server *mine)
{
    mesh_server_drain(mine->server, 5000000, on_drained, mine);
    while (!mine->drained)
        mesh_loop_run(loop);
    mesh_server_free(mine->server);
    mine->server = NULL;
}

static void restart(struct test_server *mine)
{
    end_server(mine);
    run_calls(BETWEEN);
    start_server(mine);
    /* it has work again: who restarts in turn looks for readiness, too */
    while (mesh_server_live(mine->server) < 3)
        run_calls(BETWEEN);
    steps++;
}

static void begin(size_t server_count, const struct mesh_rpc_opts *opts)
{
    struct aion_err err;
    char target[64];
    live = ended = failed = steps = 0;
    stopping = false;
    call_opts = opts;
    loop = mesh_loop_new(NULL, &err);
    for (size_t i = 0; i < server_count; i++)
        start_server(&servers[i]);
    int size = snprintf(target, sizeof(target), "127.0.0.1:%d", servers[0].port);
    if (server_count > 1)
        snprintf(target + size, sizeof(target) - (size_t)size, ",127.0.0.1:%d",
                 servers[1].port);
    struct mesh_channel_conf conf = {.name = "echo", .target = target, .timeout_us = 5000000};
    channel = mesh_channel_new(loop, &conf, &err);
    for (int i = 0; i < IN_FLIGHT; i++)
        call_again();
    run_calls(BETWEEN);
}

static void finish(void)
{
    stopping = true;
    while (live > 0)
        mesh_loop_run(loop);
    mesh_channel_close(channel);
    for (size_t i = 0; i < aion_countof(servers); i++) {
        mesh_server_free(servers[i].server);
        servers[i] = (struct test_server){0};
    }
    mesh_loop_free(loop);
}

static void a_rolling_restart_loses_no_call(void **state)
{
    (void)state;
    begin(2, NULL);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2; i++)
            restart(&servers[i]);
    finish();
    if (failed > 0)
        fail_msg("%u of %u calls failed, the last with %s", failed, ended, last_failure);
    assert_int_equal(steps, 4);
}

static void with_one_server_calls_wait_for_its_return(void **state)
{
    (void)state;
    const struct mesh_rpc_opts wait = {.wait_for_ready = true};
    begin(1, &wait);
    for (int i = 0; i < 3; i++) {
        end_server(&servers[0]);
        assert_int_equal(live, IN_FLIGHT); /* each of them waits */
        start_server(&servers[0]);
        run_calls(BETWEEN);
    }
    finish();
    if (failed > 0)
        fail_msg("%u of %u calls failed, the last with %s", failed, ended, last_failure);
}

static void nobody_there_is_said_after_the_wait(void **state)
{
    (void)state;
    const struct mesh_rpc_opts wait = {.wait_for_ready = true, .ready_wait_us = 600000};
    begin(1, &wait);
    end_server(&servers[0]);
    stopping = true;
    while (live > 0)
        mesh_loop_run(loop);
    assert_int_equal(failed, IN_FLIGHT);
    assert_string_equal(last_failure, "UNAVAILABLE echo cannot be reached ");
    finish();
}

static void who_waits_can_be_cancelled(void **state)
{
    (void)state;
    const struct mesh_rpc_opts wait = {.wait_for_ready = true};
    begin(1, &wait);
    end_server(&servers[0]);
    stopping = true;
    struct mesh_rpc_opts more = {.wait_for_ready = true};
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    live++;
    struct mesh_rpc *rpc = mesh_unary(channel, fixture_method(MESH_TEST_ECHO_UNARY),
                                      &request.base, &more, on_done, NULL);
    mesh_rpc_cancel(rpc);
    start_server(&servers[0]);
    while (live > 0)
        mesh_loop_run(loop);
    assert_int_equal(failed, 1);
    assert_non_null(strstr(last_failure, "CANCELLED"));
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rolling_restart_loses_no_call),
        cmocka_unit_test(with_one_server_calls_wait_for_its_return),
        cmocka_unit_test(nobody_there_is_said_after_the_wait),
        cmocka_unit_test(who_waits_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
