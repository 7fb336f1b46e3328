/* Goal: what every server has of itself (health, reflection, drain, its trace) works as clients
 * expect. Method: the runtime's own client. */
#include "fixture.h"
#include "mesh/core_private.h"
#include "mesh/trace_private.h"

#include "grpc/health/v1/health.mesh.h"
#include "grpc/reflection/v1/reflection.mesh.h"
#include "grpc/reflection/v1alpha/reflection.mesh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* -- health --------------------------------------------------------------- */

static int health_status;

static void on_checked(void *user, const struct mesh_result *result)
{
    const Grpc__Health__V1__HealthCheckResponse *response =
        (const Grpc__Health__V1__HealthCheckResponse *)result->reply;
    health_status = response != NULL ? (int)response->status : -1;
    fixture_done(user, &(struct mesh_result){.err = result->err});
}

static enum aion_code check(struct fixture *fixture, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)(uintptr_t)service;
    fixture->finished = false;
    mesh_unary(fixture->channel,
               &grpc_health_v1_health_type.methods[GRPC_HEALTH_V1_HEALTH_CHECK], &request.base,
               NULL, on_checked, fixture);
    fixture_run_until(fixture, &fixture->finished);
    return fixture->code;
}

static void check_knows_the_server_and_its_services(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(check(fixture, ""), AION_OK);
    assert_int_equal(health_status, 1);
    assert_int_equal(check(fixture, "mesh.test.Echo"), AION_OK);
    assert_int_equal(health_status, 1);
    assert_int_equal(check(fixture, "no.such.Service"), AION_NOT_FOUND);
}

static void a_service_that_does_not_serve_says_so(void **state)
{
    struct fixture *fixture = *state;
    mesh_server_serving(fixture->server, "mesh.test.Echo", false);
    assert_int_equal(check(fixture, "mesh.test.Echo"), AION_OK);
    assert_int_equal(health_status, 2);
    assert_int_equal(check(fixture, ""), AION_OK); /* all of it does not serve */
    assert_int_equal(health_status, 2);
    assert_int_equal(check(fixture, "grpc.health.v1.Health"), AION_OK);
    assert_int_equal(health_status, 1);
}

static int seen[8];
static size_t seen_count, seen_wanted;
static bool watch_closed;

static void on_health(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct fixture *fixture = mesh_rpc_user(rpc);
    seen[seen_count++] = (int)grpc_health_v1_health_watch_read(message)->status;
    fixture->finished = seen_count == seen_wanted;
    fixture_wake(fixture);
}

static void on_watch_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct fixture *fixture = mesh_rpc_user(rpc);
    (void)result;
    watch_closed = true;
    fixture_wake(fixture);
}

static const struct mesh_stream_ops watch_ops = {.message = on_health,
                                                 .closed = on_watch_closed};

static void watch(struct fixture *fixture, const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)(uintptr_t)service;
    seen_count = 0;
    watch_closed = false;
    grpc_health_v1_health_watch_open(fixture->channel, &request, NULL, &watch_ops, fixture);
}

static void wait_for_news(struct fixture *fixture, size_t wanted)
{
    seen_wanted = wanted;
    fixture->finished = seen_count == wanted;
    fixture_run_until(fixture, &fixture->finished);
}

static void watch_tells_changes_and_only_changes(void **state)
{
    struct fixture *fixture = *state;
    watch(fixture, "mesh.test.Echo");
    wait_for_news(fixture, 1);
    mesh_server_serving(fixture->server, "mesh.test.Echo", true); /* no change */
    mesh_server_serving(fixture->server, "mesh.test.Echo", false);
    wait_for_news(fixture, 2);
    mesh_server_serving(fixture->server, "mesh.test.Echo", true);
    wait_for_news(fixture, 3);
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 2);
    assert_int_equal(seen[2], 1);
}

static void watch_of_an_unknown_service_stays_open(void **state)
{
    struct fixture *fixture = *state;
    watch(fixture, "no.such.Service");
    wait_for_news(fixture, 1);
    assert_int_equal(seen[0], 3); /* SERVICE_UNKNOWN; it may come yet */
    assert_false(watch_closed);
}

static void on_drained(void *user)
{
    struct fixture *fixture = user;
    fixture->finished = true;
    fixture_wake(fixture);
}

static void a_drain_tells_watchers_and_does_not_wait_for_them(void **state)
{
    struct fixture *fixture = *state;
    watch(fixture, "");
    wait_for_news(fixture, 1);
    int64_t began = mesh_loop_now(fixture->loop);
    fixture->finished = false;
    seen_wanted = SIZE_MAX;
    mesh_server_drain(fixture->server, 60000000, on_drained, fixture);
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(seen[1], 2);
    assert_in_range(mesh_loop_now(fixture->loop) - began, 300000, 5000000);
}

static void a_drain_cancels_what_outlives_the_grace(void **state)
{
    struct fixture *fixture = *state;
    Mesh__Test__Msg request = MESH__TEST__MSG__INIT;
    mesh_unary(fixture->channel, fixture_method(MESH_TEST_ECHO_HELD), &request.base, NULL,
               fixture_done, fixture);
    fixture->waiting = true;
    while (fixture->held == NULL)
        mesh_loop_run(fixture->loop);
    fixture->finished = false;
    mesh_server_drain(fixture->server, 50000, NULL, NULL);
    fixture_run_until(fixture, &fixture->finished); /* the client's end of the call */
    assert_int_not_equal(fixture->code, AION_OK);
    while (fixture->cancels == 0)
        mesh_loop_run(fixture->loop);
    assert_null(fixture->held);
}

/* -- reflection ----------------------------------------------------------- */

static char listing[4096];
static size_t file_count, extension_count;
static int error_code;

static void on_reflected(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct fixture *fixture = mesh_rpc_user(rpc);
    const Grpc__Reflection__V1__ServerReflectionResponse *response =
        (const Grpc__Reflection__V1__ServerReflectionResponse *)message;
    size_t used = 0;
    if (response->list_services_response != NULL &&
        response->message_response_case ==
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE)
        for (size_t i = 0; i < response->list_services_response->n_service; i++)
            used += (size_t)snprintf(listing + used, sizeof(listing) - used, "%s ",
                                     response->list_services_response->service[i]->name);
    else if (
        response->message_response_case ==
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE)
        file_count = response->file_descriptor_response->n_file_descriptor_proto;
    else if (
        response->message_response_case ==
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE)
        extension_count = response->all_extension_numbers_response->n_extension_number;
    else if (response->message_response_case ==
             GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE)
        error_code = response->error_response->error_code;
    fixture->messages++;
}

static void on_reflection_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct fixture *fixture = mesh_rpc_user(rpc);
    fixture->code = result->err != NULL ? result->err->code : AION_OK;
    fixture->finished = true;
    fixture_wake(fixture);
}

static const struct mesh_stream_ops reflection_ops = {.message = on_reflected,
                                                      .closed = on_reflection_closed};

/* Asks `times` times in one stream. */
static void reflect(struct fixture *fixture,
                    const Grpc__Reflection__V1__ServerReflectionRequest *request, int times)
{
    fixture->finished = false;
    fixture->messages = 0;
    file_count = extension_count = 0;
    error_code = 0;
    struct mesh_rpc *rpc = grpc_reflection_v1_server_reflection_server_reflection_info_open(
        fixture->channel, NULL, &reflection_ops, fixture);
    for (int i = 0; i < times; i++)
        mesh_rpc_send(rpc, &request->base);
    mesh_rpc_half_close(rpc);
    fixture_run_until(fixture, &fixture->finished);
    assert_int_equal(fixture->code, AION_OK);
    assert_int_equal(fixture->messages, times);
}

static Grpc__Reflection__V1__ServerReflectionRequest request_of(
    Grpc__Reflection__V1__ServerReflectionRequest__MessageRequestCase kind, const char *text)
{
    Grpc__Reflection__V1__ServerReflectionRequest request =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.message_request_case = kind;
    request.list_services = (char *)(uintptr_t)text; /* one union of strings */
    return request;
}

#define ASK(kind, text) \
    request_of(GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind, text)

static void reflection_lists_all_services(void **state)
{
    Grpc__Reflection__V1__ServerReflectionRequest request = ASK(LIST_SERVICES, "*");
    reflect(*state, &request, 1);
    assert_string_equal(listing, "grpc.health.v1.Health grpc.reflection.v1.ServerReflection "
                                 "grpc.reflection.v1alpha.ServerReflection mesh.test.Echo ");
}

static void reflection_finds_files_with_all_their_imports(void **state)
{
    Grpc__Reflection__V1__ServerReflectionRequest request =
        ASK(FILE_CONTAINING_SYMBOL, "mesh.test.Echo");
    reflect(*state, &request, 1);
    assert_int_equal(file_count, 4); /* itself, options, descriptor, struct */
    request = ASK(FILE_CONTAINING_SYMBOL, "mesh.test.Echo.Unary");
    reflect(*state, &request, 1);
    assert_int_equal(file_count, 4);
    request = ASK(FILE_CONTAINING_SYMBOL, "google.protobuf.Struct.FieldsEntry");
    reflect(*state, &request, 1);
    assert_int_equal(file_count, 1);
    request = ASK(FILE_BY_FILENAME, "aion/v1/options.proto");
    reflect(*state, &request, 1);
    assert_int_equal(file_count, 2);
}

static void reflection_knows_what_errors_carry(void **state)
{
    Grpc__Reflection__V1__ServerReflectionRequest request =
        ASK(FILE_CONTAINING_SYMBOL, "google.rpc.BadRequest");
    reflect(*state, &request, 1);
    assert_int_equal(file_count, 2); /* itself, duration */
}

static void reflection_knows_our_extensions(void **state)
{
    Grpc__Reflection__V1__ExtensionRequest extension =
        GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    Grpc__Reflection__V1__ServerReflectionRequest request =
        ASK(ALL_EXTENSION_NUMBERS_OF_TYPE, "google.protobuf.MethodOptions");
    reflect(*state, &request, 1);
    assert_int_equal(extension_count, 2);
    extension.containing_type = (char *)(uintptr_t) "google.protobuf.MethodOptions";
    extension.extension_number = 50100;
    request = ASK(FILE_CONTAINING_EXTENSION, NULL);
    request.file_containing_extension = &extension;
    reflect(*state, &request, 1);
    assert_int_equal(file_count, 2);
}

static void reflection_says_what_it_does_not_know(void **state)
{
    Grpc__Reflection__V1__ServerReflectionRequest request =
        ASK(FILE_CONTAINING_SYMBOL, "no.such.Thing");
    reflect(*state, &request, 1);
    assert_int_equal(error_code, AION_NOT_FOUND);
    request = ASK(FILE_BY_FILENAME, "no/such/file.proto");
    reflect(*state, &request, 1);
    assert_int_equal(error_code, AION_NOT_FOUND);
    request = ASK(_NOT_SET, NULL);
    reflect(*state, &request, 1);
    assert_int_equal(error_code, AION_INVALID);
}

static void a_long_reflection_stream_is_answered_to_its_end(void **state)
{
    Grpc__Reflection__V1__ServerReflectionRequest request =
        ASK(FILE_CONTAINING_SYMBOL, "mesh.test.Echo");
    reflect(*state, &request, 500);
}

/* -- tracing -------------------------------------------------------------- */

static void a_call_carries_its_trace_and_leaves_spans(void **state)
{
    struct fixture *fixture = *state;
    struct mesh_trace parent;
    char text[64], wanted[128];
    struct aion_buf out;
    mesh_trace_begin(&parent,
                     AION_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    struct mesh_rpc_opts opts = {.trace = &parent};
    fixture_unary(fixture, MESH_TEST_ECHO_UNARY, "x", &opts);
    aion_buf_init(&out, 1 << 20);
    mesh_spans_write(&out);
    snprintf(text, sizeof(text), "\"trace_id\":\"%s\"", "0af7651916cd43dd8448eb211c80319c");
    snprintf(wanted, sizeof(wanted), "\"name\":\"/mesh.test.Echo/Unary\",\"kind\":\"server\"");
    assert_non_null(strstr(out.data, text));
    assert_non_null(strstr(strstr(out.data, text), wanted));
    assert_non_null(strstr(out.data, "\"kind\":\"client\""));
    aion_buf_done(&out);
}

#define test_of(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(check_knows_the_server_and_its_services),
        test_of(a_service_that_does_not_serve_says_so),
        test_of(watch_tells_changes_and_only_changes),
        test_of(watch_of_an_unknown_service_stays_open),
        test_of(a_drain_tells_watchers_and_does_not_wait_for_them),
        test_of(a_drain_cancels_what_outlives_the_grace),
        test_of(reflection_lists_all_services),
        test_of(reflection_finds_files_with_all_their_imports),
        test_of(reflection_knows_what_errors_carry),
        test_of(reflection_knows_our_extensions),
        test_of(reflection_says_what_it_does_not_know),
        test_of(a_long_reflection_stream_is_answered_to_its_end),
        test_of(a_call_carries_its_trace_and_leaves_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
