/* Consoles that look at a control: a connection each, all kinds at `rate`, a tail of events.
 *
 *   consoles CONTROL CA CERT KEY COUNT RATE SECONDS [all]
 *
 * Prints "begin" once each has its first frame and a few seconds have passed (in its first ones
 * a connection measures its own speed with pings), waits for a line on stdin, then counts for
 * SECONDS: frames and events and bytes of the first console (a message's packed size and the 5
 * bytes in front of it), how old frames are when they come, dropped frames of all of them. With
 * `all` the first console wants every event, unsampled. */
#include "aion/v1/ops.mesh.h"
#include "base/clock.h"
#include "base/log.h"
#include "mesh/loop.h"

#include <stdlib.h>
#include <string.h>

enum { CONSOLES_MAX = 1000, SAMPLES_MAX = 1000000, GRPC_HEAD = 5, SETTLE_US = 8000000 };

struct console {
    struct mesh_channel *channel;
    bool first;
    uint64_t dropped;
};

static struct {
    struct mesh_loop *loop;
    struct mesh_timer timer;
    struct console console[CONSOLES_MAX];
    size_t count, begun;
    bool counting, failed;
    uint64_t frames, whole, frame_bytes, event_bytes, events, counted, sampled, sequence, holes;
    int64_t lags_us[SAMPLES_MAX];
    size_t lag_count;
} run;

static void take_events(const Aion__V1__OpsEvents *events)
{
    for (size_t i = 0; i < events->n_counts; i++)
        run.counted += events->counts[i]->count;
    run.sampled += events->sampled;
    run.events += events->n_events;
    for (size_t i = 0; i < events->n_events; i++) {
        uint64_t sequence = events->events[i]->sequence;
        run.holes += run.sequence != 0 && sequence != run.sequence + 1;
        run.sequence = sequence;
    }
}

static void take(struct console *console, const Aion__V1__OpsWatchReply *reply)
{
    console->dropped = reply->dropped > console->dropped ? reply->dropped : console->dropped;
    if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_FRAME &&
        run.lag_count < SAMPLES_MAX)
        run.lags_us[run.lag_count++] = aion_clock_utc_us() - reply->frame->at_us;
    if (console != &run.console[0])
        return;
    size_t bytes = protobuf_c_message_get_packed_size(&reply->base) + GRPC_HEAD;
    if (reply->beside != NULL) {
        size_t beside = protobuf_c_message_get_packed_size(&reply->beside->base);
        bytes -= beside;
        run.event_bytes += beside;
        take_events(reply->beside);
    }
    if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_FRAME) {
        run.frames++;
        run.whole += reply->frame->full;
        run.frame_bytes += bytes;
    } else if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_EVENTS) {
        run.event_bytes += bytes;
        take_events(reply->events);
    }
}

static void on_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct console *console = mesh_rpc_user(rpc);
    const Aion__V1__OpsWatchReply *reply = aion_v1_ops_watch_read(message);
    if (reply->body_case == AION__V1__OPS_WATCH_REPLY__BODY_FRAME && !console->first) {
        console->first = true;
        if (++run.begun == run.count)
            mesh_timer_set(run.loop, &run.timer, mesh_loop_now(run.loop) + SETTLE_US);
    }
    if (run.counting)
        take(console, reply);
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    (void)rpc;
    fprintf(stderr, "consoles: %s\n", result->err != NULL ? result->err->text : "ended");
    run.failed = true;
    mesh_loop_stop(run.loop);
}

static void time_over(struct mesh_timer *timer)
{
    (void)timer;
    mesh_loop_stop(run.loop);
}

static bool open_console(struct console *console, const struct mesh_channel_conf *conf,
                         uint32_t rate_hz, bool all, struct aion_err *err)
{
    static const struct mesh_stream_ops ops = {.message = on_message, .closed = on_closed};
    Aion__V1__OpsWatchRequest request = AION__V1__OPS_WATCH_REQUEST__INIT;
    Aion__V1__OpsEventFilter filter = AION__V1__OPS_EVENT_FILTER__INIT;
    console->channel = mesh_channel_new(run.loop, conf, err);
    if (console->channel == NULL)
        return false;
    request.rate_hz = rate_hz;
    request.events = &filter;
    request.joined = true;
    filter.all = all;
    aion_v1_ops_watch_open(console->channel, &request,
                           &(struct mesh_rpc_opts){.wait_for_ready = true}, &ops, console);
    return true;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_result(double seconds)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < run.count; i++)
        dropped += run.console[i].dropped;
    qsort(run.lags_us, run.lag_count, sizeof(run.lags_us[0]), by_size);
    printf("frames %llu whole %llu frame_bytes_s %.0f event_bytes_s %.0f events %llu counted "
           "%llu sampled %llu holes %llu dropped %llu lag_p50_us %lld lag_p99_us %lld\n",
           (unsigned long long)run.frames, (unsigned long long)run.whole,
           (double)run.frame_bytes / seconds, (double)run.event_bytes / seconds,
           (unsigned long long)run.events, (unsigned long long)run.counted,
           (unsigned long long)run.sampled, (unsigned long long)run.holes,
           (unsigned long long)dropped, (long long)run.lags_us[run.lag_count / 2],
           (long long)run.lags_us[run.lag_count * 99 / 100]);
}

int main(int argc, char **argv)
{
    struct aion_err err;
    char line[16];
    if (argc < 8) {
        fprintf(stderr, "usage: consoles CONTROL CA CERT KEY COUNT RATE SECONDS [all]\n");
        return 2;
    }
    struct mesh_tls tls = {.trust_domain = "aion.local",
                           .ca_file = argv[2],
                           .cert_file = argv[3],
                           .key_file = argv[4]};
    struct mesh_channel_conf conf = {
        .name = "control", .target = argv[1], .tls = &tls, .peer_service = "control"};
    run.count = strtoul(argv[5], NULL, 10);
    run.count = run.count < CONSOLES_MAX ? run.count : CONSOLES_MAX;
    double seconds = strtod(argv[7], NULL);
    aion_log_start("consoles", 2, AION_LOG_ERROR);
    run.timer.fire = time_over;
    run.loop = mesh_loop_new(NULL, &err);
    for (size_t i = 0; i < run.count; i++)
        if (run.loop == NULL ||
            !open_console(&run.console[i], &conf, (uint32_t)strtoul(argv[6], NULL, 10),
                          i == 0 && argc > 8, &err)) {
            fprintf(stderr, "consoles: %s %s\n", err.text, err.detail);
            return 1;
        }
    mesh_loop_run(run.loop);
    printf("begin\n");
    fflush(stdout);
    if (run.failed || fgets(line, sizeof(line), stdin) == NULL)
        return 1;
    run.counting = true;
    int64_t began_us = aion_clock_mono_us();
    mesh_timer_set(run.loop, &run.timer, began_us + (int64_t)(seconds * 1e6));
    mesh_loop_run(run.loop);
    print_result((double)(aion_clock_mono_us() - began_us) * 1e-6);
    return run.failed;
}
