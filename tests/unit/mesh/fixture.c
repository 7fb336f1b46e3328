#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { STEP_US = 1000 };

/* -- handlers ------------------------------------------------------------- */

static void echo_unary(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    struct fixture *fixture = mesh_service(call);
    fixture->unaries++;
    if (fixture->ill)
        mesh_fail(call, AION_UNAVAILABLE, "not today");
    else
        mesh_test_echo_unary_reply(call, request);
}

static void held_cancelled(struct mesh_call *call)
{
    struct fixture *fixture = mesh_service(call);
    fixture->cancels++;
    mesh_drop(fixture->held);
    fixture->held = NULL;
    fixture_wake(fixture);
}

static void echo_held(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    struct fixture *fixture = mesh_service(call);
    (void)request;
    fixture->held = mesh_hold(call);
    mesh_on_cancel(call, held_cancelled);
    fixture_wake(fixture);
}

static void echo_block(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    assert_false(mesh_loop_here(mesh_call_loop(call)));
    if (strcmp(request->text, "silent") != 0)
        mesh_test_echo_block_reply(call, request);
}

static void echo_fail(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    struct aion_err err;
    aion_err_set(&err, "echo_fail", AION_INVALID, "text \"%s\" is wrong", request->text);
    aion_err_reason(&err, "TEXT_WRONG");
    aion_err_field(&err, "text");
    err.retry_after_ms = 1500;
    mesh_fail_with(call, &err);
}

static void echo_admin(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    Mesh__Test__Msg reply = *request;
    char text[256];
    const struct mesh_principal *principal = mesh_principal(call);
    snprintf(text, sizeof(text), "%.*s/%.*s/%s", AION_STR_ARG(principal->tenant),
             AION_STR_ARG(principal->subject), mesh_role_name(principal->role));
    reply.text = text;
    mesh_test_echo_admin_reply(call, &reply);
}

static void echo_internal(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    Mesh__Test__Msg reply = *request;
    char text[128];
    snprintf(text, sizeof(text), "%.*s", AION_STR_ARG(mesh_peer(call)->service));
    reply.text = text;
    mesh_test_echo_internal_reply(call, &reply);
}

/* Sends until it is told that the queue is full; `writable` goes on. */
static void send_more(struct mesh_call *call)
{
    struct fixture *fixture = mesh_service(call);
    static uint8_t bytes[65536];
    Mesh__Test__Msg message = MESH__TEST__MSG__INIT;
    message.data = (ProtobufCBinaryData){fixture->down_size, bytes};
    while (fixture->sent < fixture->down_count) {
        message.number = (int64_t)++fixture->sent;
        if (mesh_test_echo_down_send(call, &message) != MESH_SENT)
            return;
    }
    mesh_finish(call);
}

static void echo_down(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    struct fixture *fixture = mesh_service(call);
    (void)request;
    fixture->sent = 0;
    send_more(call);
}

static void echo_down_writable(struct mesh_call *call)
{
    struct fixture *fixture = mesh_service(call);
    fixture->writables++;
    send_more(call);
}

static void count_done(struct mesh_call *call, bool cancelled)
{
    struct fixture *fixture = mesh_service(call);
    fixture->dones++;
    fixture->cancels += cancelled;
    fixture_wake(fixture);
}

static void echo_down_done(struct mesh_call *call, bool cancelled)
{
    count_done(call, cancelled);
}

static void echo_up_open(struct mesh_call *call)
{
    mesh_set_user(call, calloc(1, sizeof(int64_t)));
}

static void echo_up(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    *(int64_t *)mesh_user(call) += request->number;
}

static void echo_up_half_close(struct mesh_call *call)
{
    struct fixture *fixture = mesh_service(call);
    Mesh__Test__Msg reply = MESH__TEST__MSG__INIT;
    fixture->half_closes++;
    reply.number = *(int64_t *)mesh_user(call);
    mesh_test_echo_up_reply(call, &reply);
}

static void echo_up_writable(struct mesh_call *call)
{
    (void)call;
}

static void echo_up_done(struct mesh_call *call, bool cancelled)
{
    free(mesh_user(call));
    count_done(call, cancelled);
}

static void echo_both_open(struct mesh_call *call)
{
    (void)call;
}

static void echo_both(struct mesh_call *call, const Mesh__Test__Msg *request)
{
    struct fixture *fixture = mesh_service(call);
    Mesh__Test__Msg first = *request;
    mesh_resume(call); /* not paused: harmless, though the message is still in use */
    if (fixture->bundles)
        mesh_bundle(call);
    first.n_more = 0;
    enum mesh_sent sent = mesh_test_echo_both_send(call, &first);
    for (size_t i = 0; i < request->n_more; i++)
        sent = mesh_test_echo_both_send(call, request->more[i]);
    fixture->bundled += request->n_more;
    if (sent == MESH_FULL)
        mesh_pause(call);
}

static void echo_both_half_close(struct mesh_call *call)
{
    mesh_finish(call);
}

static void echo_both_writable(struct mesh_call *call)
{
    struct fixture *fixture = mesh_service(call);
    fixture->writables++;
    mesh_resume(call);
}

static void echo_both_done(struct mesh_call *call, bool cancelled)
{
    count_done(call, cancelled);
}

static const struct mesh_test_echo_server table = MESH_TEST_ECHO_SERVER(echo);

const void *fixture_table(void)
{
    return &table;
}

/* -- the fixture ---------------------------------------------------------- */

const struct mesh_method *fixture_method(int index)
{
    return &mesh_test_echo_type.methods[index];
}

void fixture_start(struct fixture *fixture, const struct mesh_server_conf *conf,
                   const struct mesh_tls *client_tls)
{
    struct aion_err err = {0};
    struct mesh_server_conf defaults = {.listen = "127.0.0.1:0"};
    *fixture = (struct fixture){0};
    fixture->loop = mesh_loop_new(NULL, &err);
    assert_non_null(fixture->loop);
    fixture->server = mesh_server_new(fixture->loop, conf != NULL ? conf : &defaults, &err);
    if (fixture->server == NULL)
        fail_msg("%s: %s", err.text, err.detail);
    mesh_server_bind(fixture->server, &mesh_test_echo_type, &table, fixture);
    mesh_server_start(fixture->server);
    char target[64];
    snprintf(target, sizeof(target), "127.0.0.1:%d", mesh_server_port(fixture->server));
    struct mesh_channel_conf channel = {.name = "echo",
                                        .target = target,
                                        .tls = client_tls,
                                        .timeout_us = 5000000,
                                        .no_health = true};
    fixture->channel = mesh_channel_new(fixture->loop, &channel, &err);
    if (fixture->channel == NULL)
        fail_msg("%s: %s", err.text, err.detail);
}

void fixture_stop(struct fixture *fixture)
{
    mesh_channel_close(fixture->channel);
    mesh_server_free(fixture->server);
    mesh_loop_free(fixture->loop);
}

void fixture_wake(struct fixture *fixture)
{
    if (fixture->waiting)
        mesh_loop_stop(fixture->loop);
}

static void stop_step(struct mesh_timer *timer)
{
    struct fixture *fixture = aion_container(timer, struct fixture, step);
    fixture->stepped = true;
    mesh_loop_stop(fixture->loop);
}

/* By a timer, not by a posted job: the core polls its sockets only when its queue is empty. */
void fixture_step(struct fixture *fixture)
{
    fixture->step = (struct mesh_timer){.fire = stop_step};
    fixture->stepped = false;
    mesh_timer_set(fixture->loop, &fixture->step, mesh_loop_now(fixture->loop) + STEP_US);
    while (!fixture->stepped) /* another's wake may come first */
        mesh_loop_run(fixture->loop);
}

static void too_late(struct mesh_timer *timer)
{
    (void)timer;
    fprintf(stderr, "the test waited 10 s in vain\n");
    abort();
}

void fixture_run_until(struct fixture *fixture, const bool *flag)
{
    struct mesh_timer timer = {.fire = too_late};
    mesh_timer_set(fixture->loop, &timer, mesh_loop_now(fixture->loop) + 10000000);
    fixture->waiting = true;
    while (!*flag)
        mesh_loop_run(fixture->loop);
    fixture->waiting = false;
    mesh_timer_cancel(fixture->loop, &timer);
}

void fixture_done(void *user, const struct mesh_result *result)
{
    struct fixture *fixture = user;
    const Mesh__Test__Msg *reply = (const Mesh__Test__Msg *)result->reply;
    fixture->code = result->err != NULL ? result->err->code : AION_OK;
    if (result->err != NULL)
        fixture->err = *result->err;
    if (reply != NULL) {
        snprintf(fixture->text, sizeof(fixture->text), "%s", reply->text);
        fixture->sum = reply->number;
    }
    fixture->finished = true;
    fixture_wake(fixture);
}

void fixture_unary(struct fixture *fixture, int method, const char *text,
                   const struct mesh_rpc_opts *opts)
{
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    request.text = (char *)(uintptr_t)text;
    fixture->finished = false;
    mesh_unary(fixture->channel, fixture_method(method), &request.base, opts, fixture_done,
               fixture);
    fixture_run_until(fixture, &fixture->finished);
}

int fixture_setup(void **state)
{
    static struct fixture fixture;
    fixture_start(&fixture, NULL, NULL);
    *state = &fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_stop(*state);
    return 0;
}
