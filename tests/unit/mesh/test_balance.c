/* Goal: of several endpoints the less loaded and the healthy are taken; what fails is left out,
 * what is too much is refused. Method: two servers and a channel on one loop; what each handler
 * saw is counted. A name's addresses are what the test says (getaddrinfo is wrapped). */
#include "fixture.h"

#include "base/metric.h"
#include "mesh/edge.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **ret_list);
void __wrap_freeaddrinfo(struct addrinfo *list);

static struct fixture here, there; /* here: loop, channel, one server; there: another server */
static int loop_port;

/* -- names ---------------------------------------------------------------- */

static struct {
    struct addrinfo info;
    struct sockaddr_in address;
} answers[2];

/* localhost is 127.0.0.1 and 127.0.0.2. */
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **ret_list)
{
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2"};
    (void)hints;
    if (strcmp(host, "localhost") != 0)
        return EAI_NONAME;
    for (size_t i = 0; i < aion_countof(answers); i++) {
        answers[i].address = (struct sockaddr_in){.sin_family = AF_INET,
                                                  .sin_port = htons((uint16_t)atoi(port))};
        inet_pton(AF_INET, addresses[i], &answers[i].address.sin_addr);
        answers[i].info = (struct addrinfo){.ai_family = AF_INET,
                                            .ai_addr = (struct sockaddr *)&answers[i].address,
                                            .ai_next = i == 0 ? &answers[1].info : NULL};
    }
    *ret_list = &answers[0].info;
    return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
    assert_ptr_equal(list, &answers[0].info);
}

/* -- two servers ---------------------------------------------------------- */

static void start_there(const char *listen)
{
    struct aion_err err;
    struct mesh_server_conf conf = {.listen = listen};
    there = (struct fixture){.loop = here.loop};
    there.server = mesh_server_new(here.loop, &conf, &err);
    if (there.server == NULL)
        fail_msg("%s: %s", err.text, err.detail);
    mesh_server_bind(there.server, &mesh_test_echo_type, fixture_table(), &there);
    mesh_server_start(there.server);
}

static void stop_there(void)
{
    mesh_server_free(there.server);
    there.server = NULL;
}

/* One finished call to each, so that both are connected. */
static void begin(const struct mesh_channel_conf *base)
{
    struct aion_err err;
    char target[64];
    fixture_start(&here, NULL, NULL);
    mesh_channel_close(here.channel);
    loop_port = mesh_server_port(here.server);
    start_there("127.0.0.1:0");
    snprintf(target, sizeof(target), "127.0.0.1:%d,127.0.0.1:%d", loop_port,
             mesh_server_port(there.server));
    struct mesh_channel_conf conf = *base;
    conf.name = "echo";
    conf.target = conf.target != NULL ? conf.target : target;
    here.channel = mesh_channel_new(here.loop, &conf, &err);
    if (here.channel == NULL)
        fail_msg("%s: %s", err.text, err.detail);
    for (int i = 0; i < 1000 && (here.unaries == 0 || there.unaries == 0); i++)
        fixture_unary(&here, MESH_TEST_ECHO_UNARY, "hello", NULL);
    assert_true(here.unaries > 0);
    assert_true(there.unaries > 0);
    here.unaries = there.unaries = 0;
}

static void end(void)
{
    mesh_channel_close(here.channel);
    here.channel = NULL;
    stop_there();
    mesh_server_free(here.server);
    mesh_loop_free(here.loop);
}

static void call_many(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fixture_unary(&here, MESH_TEST_ECHO_UNARY, "x", NULL);
        if (here.code != AION_OK)
            fail_msg("call %u of %u: %s %s", i, count, here.err.text, here.err.detail);
    }
}

struct pending {
    struct mesh_rpc *rpc;
    bool ended;
    enum aion_code code;
    char reason[64];
};

static void pending_done(void *user, const struct mesh_result *result)
{
    struct pending *pending = user;
    pending->ended = true;
    pending->code = result->err != NULL ? result->err->code : AION_OK;
    if (result->err != NULL)
        snprintf(pending->reason, sizeof(pending->reason), "%s", result->err->reason);
    fixture_wake(&here);
}

static void start_call(struct pending *pending, int method)
{
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    pending->ended = false;
    pending->rpc = mesh_unary(here.channel, fixture_method(method), &request.base, NULL,
                              pending_done, pending);
}

/* -- the tests ------------------------------------------------------------ */

static void calls_are_spread(void **state)
{
    (void)state;
    begin(&(struct mesh_channel_conf){0});
    call_many(200); /* 5 sigma of an even coin: 65 */
    assert_in_range(here.unaries, 65, 135);
    assert_int_equal(here.unaries + there.unaries, 200);
    end();
}

static void the_less_loaded_is_taken(void **state)
{
    struct pending held = {0};
    (void)state;
    begin(&(struct mesh_channel_conf){0});
    start_call(&held, MESH_TEST_ECHO_HELD);
    while (here.held == NULL && there.held == NULL)
        fixture_step(&here);
    call_many(50);
    const struct fixture *loaded = here.held != NULL ? &here : &there;
    assert_int_equal(loaded->unaries, 0);
    mesh_rpc_cancel(held.rpc);
    fixture_run_until(&here, &held.ended);
    end();
}

static void what_fails_is_tried_elsewhere_then_left_out_then_taken_back(void **state)
{
    (void)state;
    begin(&(struct mesh_channel_conf){
        .eject_failures = 5, .eject_us = 500000, .retry_percent = 100, .no_health = true});
    there.ill = true;
    call_many(100);
    assert_int_equal(there.unaries, 5);
    there.ill = false;
    there.unaries = 0;
    for (int i = 0; i < 1000 && there.unaries == 0; i++) {
        call_many(1);
        fixture_step(&here);
    }
    assert_true(there.unaries > 0);
    end();
}

/* What telemetry is told of the endpoint with this port. */
struct wanted_edge {
    int port;
    struct mesh_edge edge;
    uint64_t timed;
};

static void look_at_edge(void *user, const struct mesh_edge *edge)
{
    struct wanted_edge *wanted = user;
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", wanted->port);
    if (strcmp(edge->address, address) != 0)
        return;
    assert_string_equal(edge->peer, "echo");
    wanted->edge = *edge;
    wanted->timed = 0;
    for (unsigned i = 0; edge->latency != NULL && i < AION_HIST_BUCKETS; i++)
        wanted->timed += edge->latency[i];
}

static void calls_are_counted_by_endpoint(void **state)
{
    (void)state;
    begin(&(struct mesh_channel_conf){
        .eject_failures = 5, .eject_us = 60000000, .retry_percent = 100, .no_health = true});
    struct wanted_edge good = {.port = loop_port},
                       ill = {.port = mesh_server_port(there.server)};
    mesh_edges_each(here.loop, look_at_edge, &good);
    uint64_t before = good.edge.calls;
    there.ill = true;
    call_many(100);
    mesh_edges_each(here.loop, look_at_edge, &good);
    mesh_edges_each(here.loop, look_at_edge, &ill);
    assert_int_equal(good.edge.calls, before + 100); /* retries come here */
    assert_int_equal(good.edge.errors, 0);
    assert_int_equal(good.timed, good.edge.calls);
    assert_int_equal(good.edge.state, MESH_EDGE_OK);
    assert_int_equal(good.edge.outstanding, 0);
    assert_int_equal(ill.edge.errors, 5);
    assert_int_equal(ill.edge.retries, 5);
    assert_int_equal(ill.edge.ejections, 1);
    assert_int_equal(ill.edge.state, MESH_EDGE_EJECTED);
    end();
}

static void the_last_one_is_never_left_out(void **state)
{
    (void)state;
    begin(&(struct mesh_channel_conf){.eject_failures = 1, .eject_us = 60000000});
    here.ill = there.ill = true;
    for (int i = 0; i < 20; i++) {
        fixture_unary(&here, MESH_TEST_ECHO_UNARY, "x", NULL);
        assert_int_equal(here.code, AION_UNAVAILABLE);
    }
    unsigned before = here.unaries + there.unaries;
    assert_true(before >= 20); /* each call still arrived somewhere */
    here.ill = there.ill = false;
    call_many(10);
    end();
}

static void a_gone_endpoint_gets_no_call(void **state)
{
    (void)state;
    begin(&(struct mesh_channel_conf){0});
    stop_there();
    call_many(50);
    assert_true(here.unaries >= 50);
    end();
}

static void the_breaker_opens_and_closes(void **state)
{
    struct pending held = {0};
    struct pending more = {0};
    (void)state;
    begin(&(struct mesh_channel_conf){.outstanding_max = 1});
    start_call(&held, MESH_TEST_ECHO_HELD);
    start_call(&more, MESH_TEST_ECHO_UNARY);
    assert_false(more.ended); /* never from inside mesh_unary */
    fixture_run_until(&here, &more.ended);
    assert_int_equal(more.code, AION_EXHAUSTED);
    assert_string_equal(more.reason, "CIRCUIT_OPEN");
    mesh_rpc_cancel(held.rpc);
    fixture_run_until(&here, &held.ended);
    call_many(1);
    end();
}

static void retries_end_with_their_budget(void **state)
{
    enum { CALLS = 100 };
    struct pending calls[CALLS] = {0};
    (void)state;
    begin(&(struct mesh_channel_conf){.retry_floor_per_s = 1, .eject_failures = 1000000});
    here.ill = there.ill = true;
    for (int i = 0; i < CALLS; i++)
        start_call(&calls[i], MESH_TEST_ECHO_UNARY);
    for (int i = 0; i < CALLS; i++) {
        fixture_run_until(&here, &calls[i].ended);
        assert_int_equal(calls[i].code, AION_UNAVAILABLE);
    }
    /* a fifth of these and of the calls of begin(), and the floor of the seconds it took */
    assert_in_range(here.unaries + there.unaries, CALLS + CALLS / 5, CALLS + CALLS / 5 + 15);
    end();
}

static void note_address(void *user, const struct mesh_edge *edge)
{
    aion_buf_printf(user, "%s ", edge->address);
}

static void a_name_with_one_address_is_an_edge_too(void **state)
{
    struct aion_err err;
    char target[64], wanted[64];
    struct aion_buf addresses;
    (void)state;
    aion_buf_init(&addresses, 256);
    begin(&(struct mesh_channel_conf){0});
    snprintf(target, sizeof(target), "dns:///localhost:%d", loop_port);
    snprintf(wanted, sizeof(wanted), "localhost:%d ", loop_port);
    assert_true(mesh_channel_set_target(here.channel, target, &err));
    mesh_edges_each(here.loop, note_address, &addresses); /* no other one was found yet */
    assert_string_equal(addresses.data, wanted);
    aion_buf_done(&addresses);
    end();
}

static void all_addresses_of_a_name_are_used(void **state)
{
    struct aion_err err;
    char listen[32], target[64];
    (void)state;
    begin(&(struct mesh_channel_conf){0});
    stop_there();
    snprintf(listen, sizeof(listen), "127.0.0.2:%d", loop_port);
    start_there(listen);
    snprintf(target, sizeof(target), "dns:///localhost:%d", loop_port);
    assert_true(mesh_channel_set_target(here.channel, target, &err));
    call_many(1); /* by the stand-in, whatever is known yet */
    for (int i = 0; i < 5000 && there.unaries == 0; i++) {
        fixture_step(&here);
        call_many(1);
    }
    here.unaries = there.unaries = 0;
    call_many(200);
    assert_in_range(here.unaries, 65, 135);
    stop_there(); /* one of them goes: the name is good for the other */
    call_many(50);
    assert_true(here.unaries >= 50);
    end();
}

static void a_name_that_nobody_knows_is_said(void **state)
{
    struct aion_err err;
    (void)state;
    begin(&(struct mesh_channel_conf){.timeout_us = 2000000});
    assert_false(mesh_channel_set_target(here.channel, "dns:///nowhere.invalid:80", &err));
    assert_non_null(strstr(err.text, "plain text is for loopback only"));
    assert_false(mesh_channel_set_target(here.channel, "localhost", &err));
    assert_non_null(strstr(err.text, "expected up to 64 host:port"));
    call_many(10); /* the old target stands */
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_spread),
        cmocka_unit_test(the_less_loaded_is_taken),
        cmocka_unit_test(what_fails_is_tried_elsewhere_then_left_out_then_taken_back),
        cmocka_unit_test(calls_are_counted_by_endpoint),
        cmocka_unit_test(the_last_one_is_never_left_out),
        cmocka_unit_test(a_gone_endpoint_gets_no_call),
        cmocka_unit_test(the_breaker_opens_and_closes),
        cmocka_unit_test(retries_end_with_their_budget),
        cmocka_unit_test(a_name_with_one_address_is_an_edge_too),
        cmocka_unit_test(all_addresses_of_a_name_are_used),
        cmocka_unit_test(a_name_that_nobody_knows_is_said),
    };
    /* the core's other resolver, c-ares, keeps a few bytes for ever: LeakSanitizer would tell
     */
    setenv("GRPC_DNS_RESOLVER", "native", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
