/* The echo on the bare core as a careful hand would write it: one queue, one thread, registered
 * method, 64 slots, typed messages, one batch a reply; none of what a service needs besides.
 * The measure of our own cost.
 *
 *   echo_core [CA CERT KEY]    prints "ready PORT"; ends with SIGTERM
 */
#include "bench.pb-c.h"
#include "core.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <string.h>

enum { SLOTS = 64 };

struct slot {
    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request, *reply;
    int cancelled;
    int replying;
};

static grpc_server *server;
static grpc_completion_queue *queue;
static void *method;

static void arm(struct slot *slot)
{
    slot->replying = 0;
    grpc_metadata_array_init(&slot->metadata);
    grpc_server_request_registered_call(server, method, &slot->call, &slot->deadline,
                                        &slot->metadata, &slot->request, queue, queue, slot);
}

static grpc_byte_buffer *echo(grpc_byte_buffer *request)
{
    grpc_byte_buffer_reader reader;
    grpc_byte_buffer_reader_init(&reader, request);
    grpc_slice in = grpc_byte_buffer_reader_readall(&reader);
    Aion__Bench__Msg *message =
        aion__bench__msg__unpack(NULL, GRPC_SLICE_LENGTH(in), GRPC_SLICE_START_PTR(in));
    if (message == NULL)
        abort();
    grpc_slice out = grpc_slice_malloc(aion__bench__msg__get_packed_size(message));
    aion__bench__msg__pack(message, GRPC_SLICE_START_PTR(out));
    grpc_byte_buffer *reply = grpc_raw_byte_buffer_create(&out, 1);
    grpc_slice_unref(out);
    grpc_slice_unref(in);
    grpc_byte_buffer_reader_destroy(&reader);
    aion__bench__msg__free_unpacked(message, NULL);
    return reply;
}

static void reply(struct slot *slot)
{
    grpc_op ops[4];
    memset(ops, 0, sizeof(ops));
    slot->reply = echo(slot->request);
    slot->replying = 1;
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = slot->reply;
    ops[2].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[3].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    ops[3].data.recv_close_on_server.cancelled = &slot->cancelled;
    grpc_call_start_batch(slot->call, ops, 4, slot, NULL);
}

static void finish(struct slot *slot)
{
    grpc_byte_buffer_destroy(slot->request);
    grpc_byte_buffer_destroy(slot->reply);
    grpc_metadata_array_destroy(&slot->metadata);
    grpc_call_unref(slot->call);
    arm(slot);
}

int main(int argc, char **argv)
{
    static struct slot slots[SLOTS];
    grpc_init();
    queue = grpc_completion_queue_create_for_next(NULL);
    server = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    method = grpc_server_register_method(server, "/aion.bench.Echo/Unary", NULL,
                                         GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
    grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
    if (argc == 4) {
        grpc_tls_credentials_options *options = bench_tls(argv + 1);
        grpc_tls_credentials_options_set_cert_request_type(
            options, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
        credentials = grpc_tls_server_credentials_create(options);
    }
    int port = grpc_server_add_http2_port(server, "127.0.0.1:0", credentials);
    grpc_server_start(server);
    for (int i = 0; i < SLOTS; i++)
        arm(&slots[i]);
    printf("ready %d\n", port);
    fflush(stdout);
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        struct slot *slot = event.tag;
        if (slot->replying)
            finish(slot);
        else
            reply(slot);
    }
}
