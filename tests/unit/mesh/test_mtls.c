/* Goal: only certificates of the mesh get in, and each gets what its id allows. Method: server
 * and clients of the runtime over loopback with two authorities made for the test. */
#include "auth/start.h"
#include "certs.h"
#include "fixture.h"
#include "mesh/core_private.h"
#include "mesh/server_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct certs_tls server_certs, peer_certs;
static const char *const delegates[] = {"gateway", NULL};

static void start(struct fixture *fixture, const struct mesh_tls *client)
{
    struct mesh_server_conf conf = {
        .listen = "127.0.0.1:0", .tls = &server_certs.tls, .delegates = delegates};
    certs_make(&server_certs, 0, "echo", "aion.local", "service/echo");
    fixture_start(fixture, &conf, client);
}

/* Another channel to the same server. */
static void reconnect(struct fixture *fixture, const struct mesh_tls *tls,
                      const char *peer_service)
{
    char target[64];
    struct aion_err err;
    mesh_channel_close(fixture->channel);
    snprintf(target, sizeof(target), "127.0.0.1:%d", mesh_server_port(fixture->server));
    struct mesh_channel_conf conf = {.name = "echo",
                                     .target = target,
                                     .tls = tls,
                                     .peer_service = peer_service,
                                     .timeout_us = 5000000};
    fixture->channel = mesh_channel_new(fixture->loop, &conf, &err);
    if (fixture->channel == NULL)
        fail_msg("%s: %s", err.text, err.detail);
}

static enum aion_code call(struct fixture *fixture, int method)
{
    fixture_unary(fixture, method, "x", NULL);
    return fixture->code;
}

static void a_service_calls_under_its_name(void **state)
{
    struct fixture fixture;
    (void)state;
    certs_make(&peer_certs, 0, "control", "aion.local", "service/control");
    start(&fixture, &peer_certs.tls);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_INTERNAL), AION_OK);
    assert_string_equal(fixture.text, "control");
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_ADMIN), AION_OK);
    assert_string_equal(fixture.text, "/control/service");
    fixture_stop(&fixture);
}

static void a_tenants_client_is_a_user_and_no_more(void **state)
{
    struct fixture fixture;
    (void)state;
    certs_make(&peer_certs, 0, "acme", "aion.local", "tenant/acme/client/app-1");
    start(&fixture, &peer_certs.tls);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_UNARY), AION_OK);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_ADMIN), AION_DENIED);
    assert_string_equal(fixture.err.reason, "ROLE_MISSING");
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_INTERNAL), AION_DENIED);
    fixture_stop(&fixture);
}

static void a_user_certificate_is_an_admin_but_no_service(void **state)
{
    struct fixture fixture;
    (void)state;
    certs_make(&peer_certs, 0, "ada", "aion.local", "user/ada");
    start(&fixture, &peer_certs.tls);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_ADMIN), AION_OK);
    assert_string_equal(fixture.text, "default/ada/admin");
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_INTERNAL), AION_DENIED);
    fixture_stop(&fixture);
}

/* More of them than the server remembers, one after the other. */
static void connections_that_come_and_go_keep_their_own_names(void **state)
{
    static struct certs_tls certs[3];
    static const char *const ids[] = {"user/ada", "user/bob", "tenant/acme/client/app-1"};
    static const char *const files[] = {"ada", "bob", "app-1"};
    static const char *const names[] = {"default/ada/admin", "default/bob/admin", NULL};
    struct fixture fixture;
    (void)state;
    for (size_t i = 0; i < aion_countof(certs); i++)
        certs_make(&certs[i], 0, files[i], "aion.local", ids[i]);
    start(&fixture, &certs[0].tls);
    for (size_t i = 0; i < MESH_CONNECTIONS_KNOWN + 2; i++) {
        size_t who = i % aion_countof(certs);
        reconnect(&fixture, &certs[who].tls, NULL);
        for (int again = 0; again < 2; again++) {
            enum aion_code code = call(&fixture, MESH_TEST_ECHO_ADMIN);
            assert_int_equal(code, names[who] != NULL ? AION_OK : AION_DENIED);
            if (names[who] != NULL)
                assert_string_equal(fixture.text, names[who]);
        }
    }
    fixture_stop(&fixture);
}

static void a_delegate_speaks_for_a_principal(void **state)
{
    struct fixture fixture;
    struct mesh_principal admin = {AION_STR("acme"), AION_STR("eve"), AION_STR("ak_1"),
                                   MESH_ROLE_ADMIN};
    struct mesh_principal user = admin;
    struct mesh_rpc_opts opts = {.principal = &admin};
    (void)state;
    user.role = MESH_ROLE_USER;
    certs_make(&peer_certs, 0, "gateway", "aion.local", "service/gateway");
    start(&fixture, &peer_certs.tls);
    fixture_unary(&fixture, MESH_TEST_ECHO_ADMIN, "x", &opts);
    assert_int_equal(fixture.code, AION_OK);
    assert_string_equal(fixture.text, "acme/eve/admin");
    opts.principal = &user; /* the principal's role counts, not the gateway's */
    fixture_unary(&fixture, MESH_TEST_ECHO_ADMIN, "x", &opts);
    assert_int_equal(fixture.code, AION_DENIED);
    fixture_stop(&fixture);
}

/* A call of this service or client is refused for this reason. */
static void assert_refused(const char *name, const char *path, struct mesh_rpc_opts *opts,
                           enum aion_code code, const char *reason)
{
    struct fixture fixture;
    certs_make(&peer_certs, 0, name, "aion.local", path);
    start(&fixture, &peer_certs.tls);
    fixture_unary(&fixture, MESH_TEST_ECHO_UNARY, "x", opts);
    assert_int_equal(fixture.code, code);
    assert_string_equal(fixture.err.reason, reason);
    fixture_stop(&fixture);
}

static void who_is_no_delegate_speaks_for_nobody(void **state)
{
    struct mesh_principal admin = {AION_STR("acme"), AION_STR("eve"), AION_STR(""),
                                   MESH_ROLE_ADMIN};
    struct mesh_rpc_opts opts = {.principal = &admin};
    (void)state;
    assert_refused("acme", "tenant/acme/client/app-1", &opts, AION_DENIED, "NOT_A_DELEGATE");
}

static void a_principal_that_is_none_is_refused(void **state)
{
    struct mesh_metadata_pair pair = {"aion-principal-bin", AION_STR("\x0a\x7f"
                                                                     "cut short")};
    struct mesh_rpc_opts opts = {.metadata = &pair, .metadata_count = 1};
    (void)state;
    assert_refused("gateway", "service/gateway", &opts, AION_INVALID, "PRINCIPAL_INVALID");
}

/* Too long for its wire form: the call must not go on as one of the gateway itself. */
static void a_principal_that_cannot_be_told_is_refused(void **state)
{
    char name[129];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct mesh_principal user = {AION_STR("acme"), aion_str_of(name), AION_STR(""),
                                  MESH_ROLE_USER};
    struct mesh_rpc_opts opts = {.principal = &user};
    (void)state;
    assert_refused("gateway", "service/gateway", &opts, AION_INVALID, "PRINCIPAL_INVALID");
}

static void another_trust_domain_has_no_identity_here(void **state)
{
    struct fixture fixture;
    (void)state;
    certs_make(&peer_certs, 0, "stranger", "other.local", "service/control");
    start(&fixture, &peer_certs.tls);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_UNARY), AION_UNAUTHENTICATED);
    assert_string_equal(fixture.err.reason, "NO_IDENTITY");
    fixture_stop(&fixture);
}

static void a_certificate_of_another_authority_gets_no_connection(void **state)
{
    struct fixture fixture;
    (void)state;
    certs_make(&peer_certs, 1, "control", "aion.local", "service/control");
    start(&fixture, &peer_certs.tls);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_UNARY), AION_UNAVAILABLE);
    fixture_stop(&fixture);
}

static void plain_text_gets_no_connection(void **state)
{
    struct fixture fixture;
    (void)state;
    start(&fixture, NULL);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_UNARY), AION_UNAVAILABLE);
    fixture_stop(&fixture);
}

/* A channel of the bare core that trusts the authority and shows nothing of its own. */
static grpc_channel *anonymous_channel(const struct fixture *fixture)
{
    char target[64], pem[8192];
    FILE *file = fopen(server_certs.ca, "r");
    assert_non_null(file);
    size_t size = fread(pem, 1, sizeof(pem) - 1, file);
    fclose(file);
    pem[size] = '\0';
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create(pem, NULL, NULL, NULL);
    snprintf(target, sizeof(target), "127.0.0.1:%d", mesh_server_port(fixture->server));
    grpc_channel *channel = grpc_channel_create(target, credentials, NULL);
    grpc_channel_credentials_release(credentials);
    return channel;
}

static bool anonymous_connects(struct fixture *fixture)
{
    grpc_channel *channel = anonymous_channel(fixture);
    grpc_connectivity_state seen = grpc_channel_check_connectivity_state(channel, 1);
    int64_t until = mesh_loop_now(fixture->loop) + 5000000;
    while (seen != GRPC_CHANNEL_READY && seen != GRPC_CHANNEL_TRANSIENT_FAILURE &&
           mesh_loop_now(fixture->loop) < until) {
        mesh_loop_step(fixture->loop, mesh_loop_now(fixture->loop) + 10000);
        seen = grpc_channel_check_connectivity_state(channel, 1);
    }
    grpc_channel_destroy(channel);
    assert_true(seen == GRPC_CHANNEL_READY || seen == GRPC_CHANNEL_TRANSIENT_FAILURE);
    return seen == GRPC_CHANNEL_READY;
}

struct anonymous_call {
    struct mesh_op op;
    bool ended;
};

static void anonymous_ended(struct mesh_op *op, bool ok)
{
    (void)ok;
    aion_container(op, struct anonymous_call, op)->ended = true;
}

/* One call with an empty request; returns its status. */
static int anonymous_calls(struct fixture *fixture, const char *path)
{
    struct anonymous_call mine = {.op = {.done = anonymous_ended}};
    grpc_channel *channel = anonymous_channel(fixture);
    int64_t deadline = mesh_loop_now(fixture->loop) + 5000000;
    grpc_call *call = mesh_core_call(channel, NULL, fixture->loop, path, deadline);
    grpc_metadata_array headers, trailers;
    grpc_byte_buffer *request = mesh_pack_wire(AION_STR("")), *reply = NULL;
    grpc_status_code status;
    grpc_slice text;
    grpc_metadata_array_init(&headers);
    grpc_metadata_array_init(&trailers);
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},  {.op = GRPC_OP_SEND_MESSAGE},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT}, {.op = GRPC_OP_RECV_INITIAL_METADATA},
        {.op = GRPC_OP_RECV_MESSAGE},           {.op = GRPC_OP_RECV_STATUS_ON_CLIENT}};
    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &headers;
    ops[4].data.recv_message.recv_message = &reply;
    ops[5].data.recv_status_on_client.status = &status;
    ops[5].data.recv_status_on_client.status_details = &text;
    ops[5].data.recv_status_on_client.trailing_metadata = &trailers;
    mesh_batch(call, ops, 6, &mine.op);
    while (!mine.ended)
        mesh_loop_step(fixture->loop, deadline);
    grpc_byte_buffer_destroy(request);
    if (reply != NULL)
        grpc_byte_buffer_destroy(reply);
    grpc_slice_unref(text);
    grpc_metadata_array_destroy(&headers);
    grpc_metadata_array_destroy(&trailers);
    grpc_call_unref(call);
    grpc_channel_destroy(channel);
    return (int)status;
}

static void no_certificate_gets_no_connection(void **state)
{
    struct fixture fixture;
    (void)state;
    start(&fixture, NULL);
    assert_false(anonymous_connects(&fixture));
    fixture_stop(&fixture);
}

static void a_server_that_lets_anonymous_peers_in_gives_them_no_role(void **state)
{
    struct fixture fixture;
    struct mesh_server_conf conf = {.listen = "127.0.0.1:0", .tls = &server_certs.tls};
    (void)state;
    certs_make(&server_certs, 0, "echo", "aion.local", "service/echo");
    server_certs.tls.anonymous_peers = true;
    certs_make(&peer_certs, 0, "stranger", "other.local", "service/control");
    fixture_start(&fixture, &conf, &peer_certs.tls);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_UNARY), AION_UNAUTHENTICATED);
    assert_true(anonymous_connects(&fixture));
    assert_int_equal(anonymous_calls(&fixture, "/mesh.test.Echo/Unary"), AION_DENIED);
    fixture_stop(&fixture);
}

static void a_client_refuses_a_server_of_another_name(void **state)
{
    struct fixture fixture;
    (void)state;
    certs_make(&peer_certs, 0, "control", "aion.local", "service/control");
    start(&fixture, &peer_certs.tls);
    reconnect(&fixture, &peer_certs.tls, "router");
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_UNARY), AION_UNAVAILABLE);
    reconnect(&fixture, &peer_certs.tls, "echo");
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_UNARY), AION_OK);
    fixture_stop(&fixture);
}

static void a_replaced_certificate_is_shown_to_new_connections(void **state)
{
    struct fixture fixture;
    (void)state;
    certs_make(&peer_certs, 0, "control", "aion.local", "service/control");
    start(&fixture, &peer_certs.tls);
    assert_int_equal(call(&fixture, MESH_TEST_ECHO_UNARY), AION_OK);
    certs_make(&server_certs, 0, "echo", "aion.local", "service/renamed"); /* the same files */
    int64_t until = mesh_loop_now(fixture.loop) + 8000000;
    do /* the files are looked at once a second */
        reconnect(&fixture, &peer_certs.tls, "renamed");
    while (call(&fixture, MESH_TEST_ECHO_UNARY) != AION_OK &&
           mesh_loop_now(fixture.loop) < until);
    assert_int_equal(fixture.code, AION_OK);
    fixture_stop(&fixture);
}

static void an_unreadable_file_is_named(void **state)
{
    struct fixture fixture;
    struct aion_err err;
    struct mesh_tls tls = server_certs.tls;
    struct mesh_server_conf conf = {.listen = "127.0.0.1:0", .tls = &tls};
    (void)state;
    start(&fixture, NULL);
    tls.key_file = "/nowhere/echo.key";
    assert_null(mesh_server_new(fixture.loop, &conf, &err));
    assert_int_equal(err.code, AION_UNAVAILABLE);
    assert_non_null(strstr(err.text, "/nowhere/echo.key"));
    tls.key_file = NULL;
    assert_null(mesh_server_new(fixture.loop, &conf, &err));
    assert_int_equal(err.code, AION_INVALID);
    fixture_stop(&fixture);
}

int main(void)
{
    auth_start(); /* else OpenSSL clears up at exit beside the core's threads */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_calls_under_its_name),
        cmocka_unit_test(a_tenants_client_is_a_user_and_no_more),
        cmocka_unit_test(a_user_certificate_is_an_admin_but_no_service),
        cmocka_unit_test(connections_that_come_and_go_keep_their_own_names),
        cmocka_unit_test(a_delegate_speaks_for_a_principal),
        cmocka_unit_test(who_is_no_delegate_speaks_for_nobody),
        cmocka_unit_test(a_principal_that_is_none_is_refused),
        cmocka_unit_test(a_principal_that_cannot_be_told_is_refused),
        cmocka_unit_test(another_trust_domain_has_no_identity_here),
        cmocka_unit_test(a_certificate_of_another_authority_gets_no_connection),
        cmocka_unit_test(plain_text_gets_no_connection),
        cmocka_unit_test(no_certificate_gets_no_connection),
        cmocka_unit_test(a_server_that_lets_anonymous_peers_in_gives_them_no_role),
        cmocka_unit_test(a_client_refuses_a_server_of_another_name),
        cmocka_unit_test(a_replaced_certificate_is_shown_to_new_connections),
        cmocka_unit_test(an_unreadable_file_is_named),
    };
    return cmocka_run_group_tests(tests, certs_setup, certs_teardown);
}
