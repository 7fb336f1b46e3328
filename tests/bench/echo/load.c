/* A closed loop of unary calls on one connection, and what they cost the server.
 *
 *   load PORT PID BYTES CONCURRENCY SECONDS [CA CERT KEY]
 *
 * Prints: calls, failures, calls/s, server CPU µs per call (from /proc/PID/task/.../schedstat),
 * p50 and p99 in µs. */
#include "../cpu.h"
#include "core.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <string.h>
#include <time.h>

enum { CALLS_MAX = 1024, SAMPLES_MAX = 4 * 1000 * 1000 };

struct one {
    grpc_call *call;
    grpc_metadata_array headers, trailers;
    grpc_byte_buffer *request, *reply;
    grpc_status_code status;
    grpc_slice text;
    double began;
};

static grpc_channel *channel;
static grpc_completion_queue *queue;
static grpc_slice body;
static void *registered;
static float *samples;
static size_t calls, failures;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void start(struct one *one)
{
    grpc_op ops[6];
    memset(ops, 0, sizeof(ops));
    memset(one, 0, sizeof(*one));
    one->began = now();
    one->call = grpc_channel_create_registered_call(channel, NULL, 0, queue, registered,
                                                    gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    one->request = grpc_raw_byte_buffer_create(&body, 1);
    grpc_metadata_array_init(&one->headers);
    grpc_metadata_array_init(&one->trailers);
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = one->request;
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &one->headers;
    ops[4].op = GRPC_OP_RECV_MESSAGE;
    ops[4].data.recv_message.recv_message = &one->reply;
    ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[5].data.recv_status_on_client.status = &one->status;
    ops[5].data.recv_status_on_client.status_details = &one->text;
    ops[5].data.recv_status_on_client.trailing_metadata = &one->trailers;
    grpc_call_start_batch(one->call, ops, 6, one, NULL);
}

static void end(struct one *one)
{
    if (calls < SAMPLES_MAX)
        samples[calls] = (float)(now() - one->began);
    calls++;
    failures += one->status != GRPC_STATUS_OK;
    grpc_byte_buffer_destroy(one->request);
    if (one->reply != NULL)
        grpc_byte_buffer_destroy(one->reply);
    grpc_slice_unref(one->text);
    grpc_metadata_array_destroy(&one->headers);
    grpc_metadata_array_destroy(&one->trailers);
    grpc_call_unref(one->call);
}

static void run(struct one *all, int concurrency, double seconds)
{
    double until = now() + seconds;
    int live = concurrency;
    calls = failures = 0;
    for (int i = 0; i < concurrency; i++)
        start(&all[i]);
    while (live > 0) {
        grpc_event event =
            grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        end(event.tag);
        if (now() < until)
            start(event.tag);
        else
            live--;
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Field 1, `size` bytes of 'x'. */
static grpc_slice make_body(size_t size)
{
    grpc_slice slice = grpc_slice_malloc(size + 4);
    unsigned char *at = GRPC_SLICE_START_PTR(slice);
    size_t used = 0;
    at[used++] = 0x0a;
    if (size >= 128)
        at[used++] = (unsigned char)(size & 0x7f) | 0x80;
    at[used++] = (unsigned char)(size >= 128 ? size >> 7 : size);
    memset(at + used, 'x', size);
    grpc_slice cut = grpc_slice_sub(slice, 0, used + size);
    grpc_slice_unref(slice);
    return cut;
}

int main(int argc, char **argv)
{
    static struct one all[CALLS_MAX];
    char target[64];
    if (argc != 6 && argc != 9) {
        fprintf(stderr, "usage: load PORT PID BYTES CONCURRENCY SECONDS [CA CERT KEY]\n");
        return 2;
    }
    int concurrency = (int)strtol(argv[4], NULL, 10);
    concurrency = concurrency < CALLS_MAX ? concurrency : CALLS_MAX;
    double seconds = strtod(argv[5], NULL);
    samples = malloc(SAMPLES_MAX * sizeof(*samples));
    body = make_body((size_t)strtol(argv[3], NULL, 10));
    grpc_init();
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    if (argc == 9) {
        grpc_tls_credentials_options *options = bench_tls(argv + 6);
        grpc_tls_credentials_options_set_check_call_host(options, 0);
        credentials = grpc_tls_credentials_create(options);
    }
    snprintf(target, sizeof(target), "127.0.0.1:%s", argv[1]);
    channel = grpc_channel_create(target, credentials, NULL);
    queue = grpc_completion_queue_create_for_next(NULL);
    registered = grpc_channel_register_call(channel, "/aion.bench.Echo/Unary", NULL, NULL);
    run(all, concurrency, 0.3); /* warm */
    double cpu = bench_cpu_of(argv[2]), began = now();
    run(all, concurrency, seconds);
    cpu = bench_cpu_of(argv[2]) - cpu;
    double took = now() - began;
    size_t kept = calls < SAMPLES_MAX ? calls : SAMPLES_MAX;
    qsort(samples, kept, sizeof(*samples), by_size);
    printf("calls %zu failures %zu rate %.0f cpu_us %.2f p50_us %.0f p99_us %.0f\n", calls,
           failures, (double)calls / took, cpu * 1e6 / (double)calls,
           (double)samples[kept / 2] * 1e6, (double)samples[kept * 99 / 100] * 1e6);
    return failures == 0 ? 0 : 1;
}
