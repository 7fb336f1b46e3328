/* Goal: what a stream says comes in order and whole, or the stream ends with its reason; who
 * takes it late, so that the stream was paused, loses nothing; who is not there is told.
 * Method: an Ops of our own on a loop in a thread; the feed beside it, its queue taken by hand.
 */
#include "tui_test.h"

#include "feed.h"

#include "aion/v1/ops.mesh.h"
#include "base/clock.h"
#include "mesh/server.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    SECOND_US = 1000000,
    FRAMES = 2000,   /* that a reader of `rate_hz` SHORT gets */
    COUNTS = 200000, /* of a reply that is small on the wire and large in memory */
};
enum { SHORT = 1, LARGE = 2 };

/* -- the server ------------------------------------------------------------ */

static struct {
    struct mesh_loop *loop;
    struct mesh_server *mesh;
    pthread_t thread;
    char address[32];
} server;

static void send_frames(struct mesh_call *call)
{
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    Aion__V1__OpsFrame frame = AION__V1__OPS_FRAME__INIT;
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
    reply.frame = &frame;
    for (frame.at_us = 1; frame.at_us <= FRAMES; frame.at_us++)
        aion_v1_ops_watch_send(call, &reply);
}

static void send_large(struct mesh_call *call)
{
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    Aion__V1__OpsEvents events = AION__V1__OPS_EVENTS__INIT;
    Aion__V1__OpsEventCount count = AION__V1__OPS_EVENT_COUNT__INIT;
    count.count = 1;
    events.counts = malloc(COUNTS * sizeof(*events.counts));
    for (events.n_counts = 0; events.n_counts < COUNTS; events.n_counts++)
        events.counts[events.n_counts] = &count;
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_EVENTS;
    reply.events = &events;
    aion_v1_ops_watch_send(call, &reply);
    free(events.counts);
}

static void ops_watch(struct mesh_call *call, const Aion__V1__OpsWatchRequest *request)
{
    if (request->rate_hz == LARGE)
        send_large(call);
    else
        send_frames(call);
    mesh_finish(call);
}

static void ops_watch_done(struct mesh_call *call, bool cancelled)
{
    (void)call;
    (void)cancelled;
}

static void *run(void *unused)
{
    (void)unused;
    mesh_loop_run(server.loop);
    return NULL;
}

/* -- the console's side ----------------------------------------------------- */

static struct {
    int wake;
    struct tui_feed *feed;
    int64_t last_us; /* of the newest frame */
    size_t taken;
    bool in_order, ended;
    struct aion_err err;
} console;

static void on_message(void *user, uint64_t id, const ProtobufCMessage *message)
{
    const Aion__V1__OpsWatchReply *reply = (const Aion__V1__OpsWatchReply *)message;
    (void)user;
    (void)id;
    console.taken++;
    console.in_order = console.in_order && reply->frame->at_us == console.last_us + 1;
    console.last_us = reply->frame->at_us;
}

static void on_ended(void *user, uint64_t id, const struct aion_err *err)
{
    (void)user;
    (void)id;
    console.ended = true;
    console.err = err != NULL ? *err : (struct aion_err){.code = AION_OK};
}

static void take(void)
{
    const struct tui_feed_sink sink = {NULL, on_message, on_ended};
    struct pollfd fd = {.fd = console.wake, .events = POLLIN};
    uint64_t count;
    poll(&fd, 1, 100);
    if (read(console.wake, &count, sizeof(count)) > 0)
        assert_true(count > 0);
    tui_feed_take(console.feed, &sink);
}

static void take_all(void)
{
    int64_t until = aion_clock_mono_us() + 20 * (int64_t)SECOND_US;
    while (!console.ended && aion_clock_mono_us() < until)
        take();
    assert_true(console.ended);
}

static void watch(enum tui_peer peer, unsigned rate_hz)
{
    Aion__V1__OpsWatchRequest request = AION__V1__OPS_WATCH_REQUEST__INIT;
    request.rate_hz = rate_hz;
    tui_feed_call(console.feed, 7, peer, &aion_v1_ops_type.methods[AION_V1_OPS_WATCH],
                  &request.base);
}

static int set_up(void **state)
{
    static const struct aion_v1_ops_server ops = {
        .watch = {.message = ops_watch, .done = ops_watch_done}};
    const struct mesh_server_conf conf = {.listen = "127.0.0.1:0"};
    struct aion_err err;
    (void)state;
    server.loop = mesh_loop_new(NULL, &err);
    server.mesh = mesh_server_new(server.loop, &conf, &err);
    mesh_server_bind(server.mesh, &aion_v1_ops_type, &ops, NULL);
    mesh_server_start(server.mesh);
    snprintf(server.address, sizeof(server.address), "127.0.0.1:%d",
             mesh_server_port(server.mesh));
    console.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    console.in_order = true;
    console.ended = false;
    console.taken = 0;
    console.last_us = 0;
    const struct tui_feed_conf feed = {.targets = {server.address}, .wake = console.wake};
    console.feed = tui_feed_start(&feed, &err);
    return pthread_create(&server.thread, NULL, run, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    tui_feed_stop(console.feed);
    mesh_loop_stop(server.loop);
    pthread_join(server.thread, NULL);
    mesh_server_free(server.mesh);
    mesh_loop_free(server.loop);
    close(console.wake);
    return 0;
}

/* -- tests ------------------------------------------------------------------ */

static void all_comes_in_order(void **state)
{
    (void)state;
    watch(TUI_CONTROL, SHORT);
    take_all();
    assert_int_equal(console.err.code, AION_OK);
    assert_int_equal(console.taken, FRAMES);
    assert_true(console.in_order);
}

/* More than the queue holds. */
static void who_comes_late_loses_nothing(void **state)
{
    (void)state;
    watch(TUI_CONTROL, SHORT);
    poll(NULL, 0, 1000);
    take_all();
    assert_int_equal(console.err.code, AION_OK);
    assert_int_equal(console.taken, FRAMES);
    assert_true(console.in_order);
}

static void a_reply_too_large_ends_its_stream(void **state)
{
    (void)state;
    watch(TUI_CONTROL, LARGE);
    take_all();
    assert_int_equal(console.err.code, AION_EXHAUSTED);
    assert_non_null(strstr(console.err.text, "a reply has more than"));
    assert_int_equal(console.taken, 0);
}

static void who_is_not_part_of_the_mesh_is_said_so(void **state)
{
    (void)state;
    watch(TUI_ROUTER, SHORT);
    take_all();
    assert_int_equal(console.err.code, AION_UNAVAILABLE);
    assert_non_null(strstr(console.err.text, "router is not part of this mesh"));
}

/* Nothing comes of a call that was cancelled; the feed ends though its queue is full. */
static void a_cancelled_call_is_heard_of_no_more(void **state)
{
    (void)state;
    watch(TUI_CONTROL, SHORT);
    tui_feed_cancel(console.feed, 7);
    for (int i = 0; i < 5; i++)
        take();
    assert_false(console.ended);
    watch(TUI_CONTROL, SHORT);
    poll(NULL, 0, 300);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_comes_in_order),
        TEST(who_comes_late_loses_nothing),
        TEST(a_reply_too_large_ends_its_stream),
        TEST(who_is_not_part_of_the_mesh_is_said_so),
        TEST(a_cancelled_call_is_heard_of_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
