/* Our client in the gRPC interoperability cases, against any implementation's server.
 *
 *   interop_client make DIR              makes an authority with a server's and our certificate
 *   interop_client run HOST:PORT [DIR]   runs every case, over TLS with DIR; one line a case
 *
 * Cases and figures: gRPC's interop-test-descriptions. */
#include "auth/ca.h"
#include "base/log.h"
#include "mesh/loop.h"

#include "interop.mesh.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LARGE_REQUEST = 271828, LARGE_RESPONSE = 314159, STREAM_COUNT = 4 };
static const int32_t request_sizes[STREAM_COUNT] = {27182, 8, 1828, 45904};
static const int32_t response_sizes[STREAM_COUNT] = {31415, 9, 2653, 58979};
static const char initial_value[] = "test_initial_metadata_value";
static const char trailing_value[] = "\xab\xab\xab";
static uint8_t zeros[LARGE_RESPONSE];

static struct {
    struct mesh_loop *loop;
    struct mesh_channel *channel;
    const char *name; /* of the case */
    unsigned failures;
} test;

/* One call under way, and what came of it. */
struct talk {
    struct mesh_rpc *rpc;
    bool ended, cancel_after_first;
    size_t sent, received;
    enum aion_code code;
    char text[320];
    int32_t sizes[STREAM_COUNT + 1];
    int32_t aggregated;
    bool zeros_only, echoed_initial, echoed_trailing;
};

static void check(bool good, const char *what)
{
    if (good)
        return;
    printf("FAILED  %s: %s\n", test.name, what);
    test.failures++;
}

static void check_status(const struct talk *talk, enum aion_code code)
{
    char text[400];
    snprintf(text, sizeof(text), "ended with %s %s, not %s", aion_code_name(talk->code),
             talk->text, aion_code_name(code));
    check(talk->code == code, text);
}

/* -- what all calls share ------------------------------------------------- */

static void see_payload(struct talk *talk, const Grpc__Testing__Payload *payload)
{
    size_t size = payload != NULL ? payload->body.len : 0;
    talk->zeros_only = size <= sizeof(zeros) && payload != NULL &&
                       memcmp(payload->body.data, zeros, size) == 0;
    if (talk->received <= STREAM_COUNT)
        talk->sizes[talk->received] = (int32_t)size;
    talk->received++;
}

static void see_end(struct talk *talk, const struct mesh_result *result)
{
    talk->code = result->err != NULL ? result->err->code : AION_OK;
    if (result->err != NULL)
        snprintf(talk->text, sizeof(talk->text), "%s", result->err->text);
    aion_str initial = mesh_rpc_header(talk->rpc, "x-grpc-test-echo-initial");
    aion_str trailing = mesh_rpc_trailer(talk->rpc, "x-grpc-test-echo-trailing-bin");
    talk->echoed_initial = aion_str_is(initial, initial_value);
    talk->echoed_trailing = aion_str_is(trailing, trailing_value);
    talk->ended = true;
    mesh_loop_stop(test.loop);
}

static void wait_for_end(const struct talk *talk)
{
    while (!talk->ended) /* every call has a deadline */
        mesh_loop_run(test.loop);
}

static const struct mesh_rpc_opts patient = {.timeout_us = 20000000, .wait_for_ready = true};

static void fill(Grpc__Testing__Payload *payload, int32_t size)
{
    grpc__testing__payload__init(payload);
    payload->body = (ProtobufCBinaryData){(size_t)size, zeros};
}

/* -- unary ---------------------------------------------------------------- */

static void on_simple(void *user, const struct mesh_result *result)
{
    struct talk *talk = user;
    if (result->err == NULL)
        see_payload(talk, ((const Grpc__Testing__SimpleResponse *)result->reply)->payload);
    see_end(talk, result);
}

static void on_empty(void *user, const struct mesh_result *result)
{
    see_end(user, result);
}

static struct talk call_empty(const struct mesh_method *method)
{
    struct talk talk = {.rpc = NULL};
    Grpc__Testing__Empty request = GRPC__TESTING__EMPTY__INIT;
    talk.rpc = mesh_unary(test.channel, method, &request.base, &patient, on_empty, &talk);
    wait_for_end(&talk);
    return talk;
}

static struct talk call_large(const struct mesh_rpc_opts *opts)
{
    struct talk talk = {.rpc = NULL};
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    Grpc__Testing__Payload payload;
    fill(&payload, LARGE_REQUEST);
    request.response_size = LARGE_RESPONSE;
    request.payload = &payload;
    talk.rpc = grpc_testing_test_service_unary_call_call(test.channel, &request, opts,
                                                         on_simple, &talk);
    wait_for_end(&talk);
    return talk;
}

static struct talk call_for_status(int32_t code, const char *message)
{
    struct talk talk = {.rpc = NULL};
    Grpc__Testing__SimpleRequest request = GRPC__TESTING__SIMPLE_REQUEST__INIT;
    Grpc__Testing__EchoStatus status = GRPC__TESTING__ECHO_STATUS__INIT;
    status.code = code;
    status.message = (char *)(uintptr_t)message;
    request.response_status = &status;
    talk.rpc = grpc_testing_test_service_unary_call_call(test.channel, &request, &patient,
                                                         on_simple, &talk);
    wait_for_end(&talk);
    return talk;
}

/* -- streams -------------------------------------------------------------- */

static void send_duplex(struct talk *talk, int32_t request_size, int32_t response_size)
{
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters = GRPC__TESTING__RESPONSE_PARAMETERS__INIT;
    Grpc__Testing__ResponseParameters *list[] = {&parameters};
    Grpc__Testing__Payload payload;
    fill(&payload, request_size);
    parameters.size = response_size;
    request.payload = &payload;
    request.n_response_parameters = 1;
    request.response_parameters = list;
    grpc_testing_test_service_full_duplex_call_write(talk->rpc, &request);
    talk->sent++;
}

static void on_output(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct talk *talk = mesh_rpc_user(rpc);
    see_payload(talk, grpc_testing_test_service_streaming_output_call_read(message)->payload);
    if (talk->cancel_after_first)
        mesh_rpc_cancel(rpc);
}

static void on_ping(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct talk *talk = mesh_rpc_user(rpc);
    on_output(rpc, message);
    if (talk->sent < STREAM_COUNT)
        send_duplex(talk, request_sizes[talk->sent], response_sizes[talk->sent]);
    else
        mesh_rpc_half_close(rpc);
}

static void on_sum(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct talk *talk = mesh_rpc_user(rpc);
    talk->received++;
    talk->aggregated =
        grpc_testing_test_service_streaming_input_call_read(message)->aggregated_payload_size;
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    see_end(mesh_rpc_user(rpc), result);
}

static const struct mesh_stream_ops output_ops = {.message = on_output, .closed = on_closed};
static const struct mesh_stream_ops ping_ops = {.message = on_ping, .closed = on_closed};
static const struct mesh_stream_ops sum_ops = {.message = on_sum, .closed = on_closed};

static void open_duplex(struct talk *talk, const struct mesh_rpc_opts *opts,
                        const struct mesh_stream_ops *ops)
{
    talk->rpc = grpc_testing_test_service_full_duplex_call_open(test.channel, opts, ops, talk);
}

/* -- the cases ------------------------------------------------------------ */

static const struct mesh_method *method(int index)
{
    return &grpc_testing_test_service_type.methods[index];
}

static void empty_unary(void)
{
    struct talk talk = call_empty(method(GRPC_TESTING_TEST_SERVICE_EMPTY_CALL));
    check_status(&talk, AION_OK);
}

static void large_unary(void)
{
    struct talk talk = call_large(&patient);
    check_status(&talk, AION_OK);
    check(talk.sizes[0] == LARGE_RESPONSE && talk.zeros_only, "another payload came back");
}

static void client_streaming(void)
{
    struct talk talk = {.rpc = NULL};
    talk.rpc = grpc_testing_test_service_streaming_input_call_open(test.channel, &patient,
                                                                   &sum_ops, &talk);
    for (int i = 0; i < STREAM_COUNT; i++) {
        Grpc__Testing__StreamingInputCallRequest request =
            GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
        Grpc__Testing__Payload payload;
        fill(&payload, request_sizes[i]);
        request.payload = &payload;
        grpc_testing_test_service_streaming_input_call_write(talk.rpc, &request);
    }
    mesh_rpc_half_close(talk.rpc);
    wait_for_end(&talk);
    check_status(&talk, AION_OK);
    check(talk.aggregated == 74922, "the aggregated size is not 74922");
}

static void check_sizes(const struct talk *talk)
{
    check(talk->received == STREAM_COUNT, "another number of responses");
    for (int i = 0; i < STREAM_COUNT; i++)
        check(talk->sizes[i] == response_sizes[i], "a response of another size");
}

static void server_streaming(void)
{
    struct talk talk = {.rpc = NULL};
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__ResponseParameters parameters[STREAM_COUNT], *list[STREAM_COUNT];
    for (int i = 0; i < STREAM_COUNT; i++) {
        grpc__testing__response_parameters__init(&parameters[i]);
        parameters[i].size = response_sizes[i];
        list[i] = &parameters[i];
    }
    request.n_response_parameters = STREAM_COUNT;
    request.response_parameters = list;
    talk.rpc = mesh_open(test.channel, method(GRPC_TESTING_TEST_SERVICE_STREAMING_OUTPUT_CALL),
                         &patient, &output_ops, &talk);
    mesh_rpc_send(talk.rpc, &request.base);
    mesh_rpc_half_close(talk.rpc);
    wait_for_end(&talk);
    check_status(&talk, AION_OK);
    check_sizes(&talk);
}

static void ping_pong(void)
{
    struct talk talk = {.rpc = NULL};
    open_duplex(&talk, &patient, &ping_ops);
    send_duplex(&talk, request_sizes[0], response_sizes[0]);
    wait_for_end(&talk);
    check_status(&talk, AION_OK);
    check_sizes(&talk);
}

static void empty_stream(void)
{
    struct talk talk = {.rpc = NULL};
    open_duplex(&talk, &patient, &output_ops);
    mesh_rpc_half_close(talk.rpc);
    wait_for_end(&talk);
    check_status(&talk, AION_OK);
    check(talk.received == 0, "a response came");
}

static void timeout_on_sleeping_server(void)
{
    const struct mesh_rpc_opts hasty = {.timeout_us = 1000, .wait_for_ready = true};
    struct talk talk = {.rpc = NULL};
    open_duplex(&talk, &hasty, &output_ops);
    send_duplex(&talk, request_sizes[0], response_sizes[0]);
    wait_for_end(&talk);
    check_status(&talk, AION_DEADLINE);
}

static void cancel_after_begin(void)
{
    struct talk talk = {.rpc = NULL};
    talk.rpc = grpc_testing_test_service_streaming_input_call_open(test.channel, &patient,
                                                                   &sum_ops, &talk);
    mesh_rpc_cancel(talk.rpc);
    wait_for_end(&talk);
    check_status(&talk, AION_CANCELLED);
}

static void cancel_after_first_response(void)
{
    struct talk talk = {.cancel_after_first = true};
    open_duplex(&talk, &patient, &output_ops);
    send_duplex(&talk, request_sizes[0], response_sizes[0]);
    wait_for_end(&talk);
    check_status(&talk, AION_CANCELLED);
    check(talk.received == 1 && talk.sizes[0] == response_sizes[0], "another first response");
}

static void status_code_and_message(void)
{
    static const char message[] = "test status message";
    struct talk unary = call_for_status(2, message), stream = {.rpc = NULL};
    check_status(&unary, AION_UNKNOWN);
    check(strcmp(unary.text, message) == 0, "another message of the unary call");
    Grpc__Testing__StreamingOutputCallRequest request =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_REQUEST__INIT;
    Grpc__Testing__EchoStatus status = GRPC__TESTING__ECHO_STATUS__INIT;
    status.code = 2;
    status.message = (char *)(uintptr_t)message;
    request.response_status = &status;
    open_duplex(&stream, &patient, &output_ops);
    grpc_testing_test_service_full_duplex_call_write(stream.rpc, &request);
    mesh_rpc_half_close(stream.rpc);
    wait_for_end(&stream);
    check_status(&stream, AION_UNKNOWN);
    check(strcmp(stream.text, message) == 0, "another message of the stream");
}

static void special_status_message(void)
{
    static const char message[] =
        "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and "
        "non-BMP \xf0\x9f\x98\x88\t\n";
    struct talk talk = call_for_status(2, message);
    check_status(&talk, AION_UNKNOWN);
    check(strcmp(talk.text, message) == 0, "another message");
}

static void custom_metadata(void)
{
    static const struct mesh_metadata_pair pairs[] = {
        {"x-grpc-test-echo-initial", {initial_value, sizeof(initial_value) - 1}},
        {"x-grpc-test-echo-trailing-bin", {trailing_value, sizeof(trailing_value) - 1}},
    };
    struct mesh_rpc_opts opts = patient;
    opts.metadata = pairs;
    opts.metadata_count = aion_countof(pairs);
    struct talk unary = call_large(&opts), stream = {.rpc = NULL};
    check_status(&unary, AION_OK);
    check(unary.echoed_initial && unary.echoed_trailing, "metadata of the unary call");
    open_duplex(&stream, &opts, &output_ops);
    send_duplex(&stream, LARGE_REQUEST, LARGE_RESPONSE);
    mesh_rpc_half_close(stream.rpc);
    wait_for_end(&stream);
    check_status(&stream, AION_OK);
    check(stream.echoed_initial && stream.echoed_trailing, "metadata of the stream");
}

static void unimplemented_method(void)
{
    struct talk talk = call_empty(method(GRPC_TESTING_TEST_SERVICE_UNIMPLEMENTED_CALL));
    check_status(&talk, AION_UNIMPLEMENTED);
}

static void unimplemented_service(void)
{
    struct talk talk = call_empty(&grpc_testing_unimplemented_service_type.methods[0]);
    check_status(&talk, AION_UNIMPLEMENTED);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"empty_unary", empty_unary},
    {"large_unary", large_unary},
    {"client_streaming", client_streaming},
    {"server_streaming", server_streaming},
    {"ping_pong", ping_pong},
    {"empty_stream", empty_stream},
    {"timeout_on_sleeping_server", timeout_on_sleeping_server},
    {"cancel_after_begin", cancel_after_begin},
    {"cancel_after_first_response", cancel_after_first_response},
    {"status_code_and_message", status_code_and_message},
    {"special_status_message", special_status_message},
    {"custom_metadata", custom_metadata},
    {"unimplemented_method", unimplemented_method},
    {"unimplemented_service", unimplemented_service},
};

/* -- main ----------------------------------------------------------------- */

static int make(const char *dir)
{
    struct aion_err err;
    int64_t now = (int64_t)time(NULL);
    if (auth_ca_ensure(dir, "aion.local", &err) &&
        auth_leaf_ensure(dir, "server", "aion.local", "service/interop", now, NULL, &err) &&
        auth_leaf_ensure(dir, "client", "aion.local", "service/client", now, NULL, &err))
        return 0;
    fprintf(stderr, "interop_client: %s %s\n", err.text, err.detail);
    return 1;
}

static int run(const char *target, const char *dir)
{
    struct aion_err err;
    char ca[512], cert[512], key[512];
    struct mesh_tls tls = {
        .ca_file = ca, .cert_file = cert, .key_file = key, .trust_domain = "aion.local"};
    snprintf(ca, sizeof(ca), "%s/ca.crt", dir != NULL ? dir : "");
    snprintf(cert, sizeof(cert), "%s/client.crt", dir != NULL ? dir : "");
    snprintf(key, sizeof(key), "%s/client.key", dir != NULL ? dir : "");
    struct mesh_channel_conf conf = {.name = "interop",
                                     .target = target,
                                     .tls = dir != NULL ? &tls : NULL,
                                     .peer_service = "interop"};
    aion_log_start("interop", 2, AION_LOG_ERROR);
    test.loop = mesh_loop_new(NULL, &err);
    test.channel = test.loop != NULL ? mesh_channel_new(test.loop, &conf, &err) : NULL;
    if (test.channel == NULL) {
        fprintf(stderr, "interop_client: %s %s\n", err.text, err.detail);
        return 1;
    }
    for (size_t i = 0; i < aion_countof(cases); i++) {
        unsigned before = test.failures;
        test.name = cases[i].name;
        cases[i].run();
        if (test.failures == before)
            printf("ok      %s\n", test.name);
    }
    mesh_channel_close(test.channel);
    mesh_loop_free(test.loop);
    printf("%zu cases, %u failures\n", aion_countof(cases), test.failures);
    return test.failures == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2]);
    if ((argc == 3 || argc == 4) && strcmp(argv[1], "run") == 0)
        return run(argv[2], argc == 4 ? argv[3] : NULL);
    fprintf(stderr, "usage: interop_client make DIR | run HOST:PORT [DIR]\n");
    return 2;
}
