/* The life of a bench: its loop, its store, its control. */
#include "mesh_bench.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* -- the loop ----------------------------------------------------------------------- */
struct turn {
    struct mesh_timer timer;
    struct mesh_loop *loop;
};

static void turn_over(struct mesh_timer *timer)
{
    mesh_loop_stop(aion_container(timer, struct turn, timer)->loop);
}

static void run_for(struct bench *bench, int64_t us)
{
    struct turn turn = {.timer.fire = turn_over, .loop = bench->loop};
    mesh_timer_set(bench->loop, &turn.timer, aion_clock_mono_us() + us);
    mesh_loop_run(bench->loop);
}

void bench_turn(struct bench *bench)
{
    struct bench *peer = bench->peer;
    if (!bench->paused)
        run_for(bench, peer != NULL ? 500 : 1000);
    if (peer != NULL && !peer->paused)
        run_for(peer, 500);
}

void bench_turns(struct bench *bench, unsigned milliseconds)
{
    int64_t until_us = aion_clock_mono_us() + 1000 * (int64_t)milliseconds;
    do
        bench_turn(bench);
    while (aion_clock_mono_us() < until_us);
}

/* -- life --------------------------------------------------------------------------- */
static struct bench *clash_of; /* controls do not know their bench */

static void note_clash(struct control *control, const struct aion_err *err)
{
    (void)err;
    for (struct bench *bench = clash_of; bench != NULL;
         bench = bench->peer != clash_of ? bench->peer : NULL)
        bench->clashed |= bench->control == control;
}

static void start_control(struct bench *bench)
{
    char target[32];
    struct mesh_server_conf server = {.listen = "127.0.0.1:0"};
    struct mesh_channel_conf to_control = {.name = "control", .target = target};
    struct mesh_channel_conf to_router = {.name = "router", .target = target};
    bench->server = mesh_server_new(bench->loop, &server, &bench->err);
    assert_non_null(bench->server);
    bench->control = calloc(1, sizeof(*bench->control));
    control_init(bench->control, bench->loop, bench->store, &bench->conf);
    snprintf(bench->control->cluster.self, sizeof(bench->control->cluster.self), "127.0.0.1:%d",
             mesh_server_port(bench->server));
    clash_of = clash_of != NULL ? clash_of : bench;
    bench->control->shards.clash = note_clash;
    assert_true(control_load(bench->control, &bench->err));
    control_bind(bench->control, bench->server);
    snprintf(target, sizeof(target), "127.0.0.1:%d", bench->router_port);
    bench->router_channel = mesh_channel_new(bench->loop, &to_router, &bench->err);
    bench->control->router = control_router_open(bench->control, bench->router_channel);
    mesh_server_start(bench->server);
    snprintf(target, sizeof(target), "127.0.0.1:%d", mesh_server_port(bench->server));
    bench->channel = mesh_channel_new(bench->loop, &to_control, &bench->err);
    assert_non_null(bench->channel);
    control_begin(bench->control);
}

static bool hosts_gone(const struct bench *bench)
{
    for (size_t i = 0; i < BENCH_HOSTS; i++)
        if (bench->hosts[i].rpc != NULL)
            return false;
    return bench->stream == NULL;
}

static void set_bool(void *user)
{
    *(bool *)user = true;
}

/* Everybody who speaks with control goes away. */
static void leave(struct bench *bench)
{
    bool drained = false;
    mesh_channel_close(bench->channel);
    bench_until(bench, hosts_gone(bench));
    control_router_close(bench->control->router);
    bench->control->router = NULL;
    mesh_channel_close(bench->router_channel);
    control_cluster_leave(bench->control);
    mesh_server_drain(bench->server, 100000, set_bool, &drained);
    bench_until(bench, drained);
    mesh_server_free(bench->server);
}

static void stop_control(struct bench *bench)
{
    leave(bench);
    control_done(bench->control);
    free(bench->control);
}

void bench_restart_control(struct bench *bench)
{
    stop_control(bench);
    start_control(bench);
    bench_until(bench,
                bench->router_server == NULL || control_router_here(bench->control->router));
}

static void open_store(struct bench *bench, const char *url)
{
    struct store_conf store = {
        .url = url, .exec = mesh_loop_exec(bench->loop), .window_us = 1000000};
    bench->store = store_open(&store, &bench->err);
    if (bench->store == NULL)
        fail_msg("store: %s (%s)", bench->err.text, bench->err.detail);
}

void bench_ignore(void *user, const struct mesh_result *result)
{
    (void)user;
    (void)result;
}

void bench_reopen(struct bench *bench, const char *store_url)
{
    struct control *control = bench->control;
    leave(bench);
    store_close(bench->store);
    control_done(control);
    free(control);
    open_store(bench, store_url);
    start_control(bench);
    bench_until(bench, control_router_here(bench->control->router));
}

void bench_start(struct bench *bench)
{
    bench_start_on(bench, "script:");
}

static void start_on(struct bench *bench, const char *store_url, const char *replica,
                     int64_t lease_us)
{
    *bench = (struct bench){.attempts_max = 3, .router_port = 0};
    snprintf(bench->url, sizeof(bench->url), "%s", store_url);
    snprintf(bench->replica, sizeof(bench->replica), "%s", replica);
    bench->conf = (struct control_conf){
        .replica = bench->replica,
        .shard_lease = lease_us,
        .queue_tasks_max = 100,
        .queue_bytes_max = 1 << 20,
        .cache_tasks_max = 100,
        .cache_bytes_max = 1 << 20,
        .decide_timeout = 200000,
        .host_lease = 600000,
        .host_grace = 50000,
        .start_grace = 100000,
        .attempt_grace = 100000,
        .cancel_grace = 100000,
        .retry_first = 1000,
        .retry_longest = 10000,
        .stream_bytes_max = 1000,
        .frames_dir = "",
        .frames_bytes_max = 16 << 20,
        .environment = "dev",
    };
    aion_arena_init(&bench->arena, 64 << 20, NULL, 0);
    bench->loop = mesh_loop_new(&(struct mesh_loop_conf){.workers = 1}, &bench->err);
    assert_non_null(bench->loop);
    open_store(bench, store_url);
    bench_router_start(bench);
    start_control(bench);
    bench_until(bench, control_router_here(bench->control->router));
}

void bench_start_on(struct bench *bench, const char *store_url)
{
    start_on(bench, store_url, "test", 15000000);
}

uint64_t bench_shards(const struct bench *bench)
{
    return control_book_open(&bench->control->shards.book);
}

bool bench_shared_out(const struct bench *one, const struct bench *two)
{
    uint64_t of_one = bench_shards(one), of_two = bench_shards(two);
    return (of_one | of_two) == STORE_ALL_SHARDS &&
           __builtin_popcountll(of_one) == STORE_SHARDS / 2 &&
           __builtin_popcountll(of_two) == STORE_SHARDS / 2;
}

void bench_start_pair(struct bench *one, struct bench *two)
{
    start_on(one, "script:pair", "one", BENCH_LEASE_US);
    start_on(two, "script:pair", "two", BENCH_LEASE_US);
    one->peer = two;
    two->peer = one;
    bench_until(one, bench_shared_out(one, two));
}

/* What it still does on its way out does not reach the store. */
void bench_kill(struct bench *bench)
{
    struct control *control = bench->control;
    if (aion_str_starts(aion_str_of(bench->url), AION_STR("script:")))
        store_script_down(bench->store, true);
    leave(bench);
    control_shards_done(control);
    control_polls_done(control);
    run_for(bench, 2000); /* the loop goes on: nothing of the store's may be left in it */
    store_close(bench->store);
    control_done(control);
    free(control);
    bench->control = NULL;
}

void bench_revive(struct bench *bench)
{
    open_store(bench, bench->url);
    start_control(bench);
    bench_until(bench, control_router_here(bench->control->router));
}

/* The second's handle on the store is the last: then it is gone. */
void bench_stop_pair(struct bench *one, struct bench *two)
{
    one->paused = two->paused = false;
    bench_stop(one);
    two->peer = NULL;
    bench_stop(two);
}

void bench_stop(struct bench *bench)
{
    clash_of = NULL;
    if (bench->control != NULL)
        bench_kill(bench);
    if (bench->router_server != NULL)
        mesh_server_free(bench->router_server);
    bench_turns(bench, 1);
    mesh_loop_free(bench->loop);
    aion_arena_done(&bench->arena);
}

int bench_setup(void **state)
{
    static struct bench bench;
    bench_start(&bench);
    *state = &bench;
    return 0;
}

int bench_teardown(void **state)
{
    bench_stop(*state);
    return 0;
}
