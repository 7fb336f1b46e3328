/* grpc.testing.TestService on our runtime, for the gRPC interoperability cases.
 *
 *   interop_server [DIR]    plain text; with DIR over TLS, by an authority and a certificate
 * made there
 *
 * Prints "ready PORT" when it serves; SIGTERM drains and ends it. Clients of other
 * implementations show no certificate: this server alone lets such peers in. */
#include "auth/ca.h"
#include "base/clock.h"
#include "mesh/server.h"

#include "interop.mesh.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { BODY_MAX = 4 * 1024 * 1024, RESPONSES_MAX = 64 };

static uint8_t zeros[BODY_MAX];

/* -- what all methods share ----------------------------------------------- */

static void echo_metadata(struct mesh_call *call)
{
    aion_str initial = mesh_metadata(call, "x-grpc-test-echo-initial");
    aion_str trailing = mesh_metadata(call, "x-grpc-test-echo-trailing-bin");
    if (initial.data != NULL)
        mesh_header(call, "x-grpc-test-echo-initial", initial);
    if (trailing.data != NULL)
        mesh_trailer(call, "x-grpc-test-echo-trailing-bin", trailing);
}

/* True: the request asks for a failure, and gets it. */
static bool fail_as_asked(struct mesh_call *call, const Grpc__Testing__EchoStatus *status)
{
    if (status == NULL || status->code == 0)
        return false;
    mesh_fail(call, aion_code_of(status->code), "%s", status->message);
    return true;
}

static bool fill(Grpc__Testing__Payload *payload, int32_t size)
{
    grpc__testing__payload__init(payload);
    payload->body = (ProtobufCBinaryData){(size_t)size, zeros};
    return size >= 0 && size <= BODY_MAX;
}

/* -- unary ---------------------------------------------------------------- */

static void interop_empty_call(struct mesh_call *call, const Grpc__Testing__Empty *request)
{
    grpc_testing_test_service_empty_call_reply(call, request);
}

static void interop_unary_call(struct mesh_call *call,
                               const Grpc__Testing__SimpleRequest *request)
{
    Grpc__Testing__SimpleResponse response = GRPC__TESTING__SIMPLE_RESPONSE__INIT;
    Grpc__Testing__Payload payload;
    echo_metadata(call);
    if (fail_as_asked(call, request->response_status))
        return;
    if (!fill(&payload, request->response_size)) {
        mesh_fail(call, AION_INVALID, "response_size is out of bounds");
        return;
    }
    response.payload = &payload;
    grpc_testing_test_service_unary_call_reply(call, &response);
}

/* -- responses at intervals: server-streaming and bidi -------------------- */

struct sender {
    struct mesh_call *call;
    struct mesh_timer timer;
    struct {
        int32_t size, interval_us;
    } responses[RESPONSES_MAX];
    size_t count, next;
    bool last; /* no more requests: finish when all responses are sent */
};

static void send_next(struct mesh_timer *timer);

static void go_on(struct sender *sender)
{
    struct mesh_loop *loop = mesh_call_loop(sender->call);
    if (sender->next < sender->count) {
        int64_t at_us = mesh_loop_now(loop) + sender->responses[sender->next].interval_us;
        mesh_timer_set(loop, &sender->timer, at_us);
    } else if (sender->last) {
        mesh_finish(sender->call);
    } else {
        mesh_resume(sender->call);
    }
}

static void send_next(struct mesh_timer *timer)
{
    struct sender *sender = aion_container(timer, struct sender, timer);
    Grpc__Testing__StreamingOutputCallResponse response =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
    Grpc__Testing__Payload payload;
    if (!fill(&payload, sender->responses[sender->next++].size)) {
        mesh_fail(sender->call, AION_INVALID, "size is out of bounds");
        return;
    }
    response.payload = &payload;
    enum mesh_sent sent =
        grpc_testing_test_service_full_duplex_call_send(sender->call, &response);
    if (sent == MESH_SENT)
        go_on(sender); /* else writable or done follows */
}

static struct sender *sender_new(struct mesh_call *call)
{
    struct sender *sender = calloc(1, sizeof(*sender));
    if (sender == NULL)
        abort();
    sender->call = call;
    sender->timer.fire = send_next;
    mesh_set_user(call, sender);
    echo_metadata(call);
    return sender;
}

static void answer(struct sender *sender,
                   const Grpc__Testing__StreamingOutputCallRequest *request)
{
    if (fail_as_asked(sender->call, request->response_status))
        return;
    if (request->n_response_parameters > RESPONSES_MAX) {
        mesh_fail(sender->call, AION_INVALID, "too many response_parameters");
        return;
    }
    sender->next = 0;
    sender->count = request->n_response_parameters;
    for (size_t i = 0; i < sender->count; i++) {
        sender->responses[i].size = request->response_parameters[i]->size;
        sender->responses[i].interval_us = request->response_parameters[i]->interval_us;
    }
    mesh_pause(sender->call); /* one request at a time; go_on resumes */
    go_on(sender);
}

static void sender_done(struct mesh_call *call)
{
    struct sender *sender = mesh_user(call);
    if (sender == NULL)
        return;
    mesh_timer_cancel(mesh_call_loop(call), &sender->timer);
    free(sender);
}

static void interop_streaming_output_call(
    struct mesh_call *call, const Grpc__Testing__StreamingOutputCallRequest *request)
{
    struct sender *sender = sender_new(call);
    sender->last = true;
    answer(sender, request);
}

static void interop_streaming_output_call_writable(struct mesh_call *call)
{
    go_on(mesh_user(call));
}

static void interop_streaming_output_call_done(struct mesh_call *call, bool cancelled)
{
    (void)cancelled;
    sender_done(call);
}

static void interop_full_duplex_call_open(struct mesh_call *call)
{
    sender_new(call);
}

static void interop_full_duplex_call(struct mesh_call *call,
                                     const Grpc__Testing__StreamingOutputCallRequest *request)
{
    answer(mesh_user(call), request);
}

static void interop_full_duplex_call_half_close(struct mesh_call *call)
{
    struct sender *sender = mesh_user(call);
    sender->last = true;
    go_on(sender); /* all is sent: reading goes on only then */
}

static void interop_full_duplex_call_writable(struct mesh_call *call)
{
    go_on(mesh_user(call));
}

static void interop_full_duplex_call_done(struct mesh_call *call, bool cancelled)
{
    (void)cancelled;
    sender_done(call);
}

/* -- client-streaming ----------------------------------------------------- */

static void interop_streaming_input_call_open(struct mesh_call *call)
{
    mesh_set_user(call, aion_arena_zalloc(mesh_arena(call), sizeof(int32_t)));
}

static void interop_streaming_input_call(
    struct mesh_call *call, const Grpc__Testing__StreamingInputCallRequest *request)
{
    int32_t *sum = mesh_user(call);
    if (request->payload != NULL)
        *sum += (int32_t)request->payload->body.len;
}

static void interop_streaming_input_call_half_close(struct mesh_call *call)
{
    Grpc__Testing__StreamingInputCallResponse response =
        GRPC__TESTING__STREAMING_INPUT_CALL_RESPONSE__INIT;
    response.aggregated_payload_size = *(int32_t *)mesh_user(call);
    grpc_testing_test_service_streaming_input_call_reply(call, &response);
}

static void interop_streaming_input_call_writable(struct mesh_call *call)
{
    (void)call;
}

static void interop_streaming_input_call_done(struct mesh_call *call, bool cancelled)
{
    (void)call;
    (void)cancelled;
}

static const struct grpc_testing_test_service_server table =
    GRPC_TESTING_TEST_SERVICE_SERVER(interop);

/* -- the program ---------------------------------------------------------- */

static struct mesh_loop *loop;
static struct mesh_server *server;

static void drained(void *user)
{
    (void)user;
    mesh_loop_stop(loop);
}

static void drain(struct aion_job *job)
{
    (void)job;
    mesh_server_drain(server, 2000000, drained, NULL);
}

static void *wait_for_signal(void *argument)
{
    static struct aion_job job = {.run = drain};
    int number;
    sigwait(argument, &number);
    aion_exec_post(mesh_loop_exec(loop), &job);
    return NULL;
}

static bool make_tls(const char *dir, struct mesh_tls *tls, char paths[3][512],
                     struct aion_err *err)
{
    static const char *const names[] = {"ca.crt", "server.crt", "server.key"};
    for (int i = 0; i < 3; i++)
        snprintf(paths[i], 512, "%s/%s", dir, names[i]);
    *tls = (struct mesh_tls){paths[0], paths[1], paths[2], 0, "aion.local", true};
    return auth_ca_ensure(dir, "aion.local", err) &&
           auth_leaf_ensure(dir, "server", "aion.local", "service/interop",
                            aion_clock_utc_us() / 1000000, NULL, err);
}

static bool open_server(const char *tls_dir, struct aion_err *err)
{
    char paths[3][512];
    struct mesh_tls tls;
    struct mesh_server_conf conf = {.listen = "127.0.0.1:0"};
    if (tls_dir != NULL) {
        if (!make_tls(tls_dir, &tls, paths, err))
            return false;
        conf.tls = &tls;
    }
    loop = mesh_loop_new(NULL, err);
    server = loop != NULL ? mesh_server_new(loop, &conf, err) : NULL;
    return server != NULL;
}

int main(int argc, char **argv)
{
    struct aion_err err;
    sigset_t signals;
    pthread_t waiter;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (!open_server(argc > 1 ? argv[1] : NULL, &err)) {
        fprintf(stderr, "interop_server: %s %s\n", err.text, err.detail);
        return 1;
    }
    mesh_server_bind(server, &grpc_testing_test_service_type, &table, NULL);
    mesh_server_start(server);
    if (pthread_create(&waiter, NULL, wait_for_signal, &signals) != 0)
        return 1;
    printf("ready %d\n", mesh_server_port(server));
    fflush(stdout);
    mesh_loop_run(loop);
    pthread_join(waiter, NULL);
    mesh_server_free(server);
    mesh_loop_free(loop);
    return 0;
}
