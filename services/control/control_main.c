/* Control: admits, queues and dispatches tasks, and keeps what must not be lost. */
#include "control_main.h"

#include "base/log.h"
#include "control_private.h"
#include "program/program.h"

#include <stdlib.h>

enum { ROUTER_WAIT_US = 1000000, READY_CHECK_US = 5000 };

static void on_store_fatal(void *user, const struct aion_err *err)
{
    struct control *control = user;
    control->store_ended = true;
    program_fatal(control->program, err);
}

/* The store refuses what comes from here now: whoever has the shards goes on. */
static void on_clash(struct control *control, const struct aion_err *err)
{
    program_fatal(control->program, err);
}

static int64_t size_of(uint64_t set)
{
    return __builtin_popcountll(set);
}

static void on_change(struct control *control, const struct control_change *change)
{
    const struct control_book *book = &control->shards.book;
    aion_log(AION_LOG_INFO, "shards", LOG_I64("gained", size_of(change->gained)),
             LOG_I64("lost", size_of(change->lost)),
             LOG_I64("given_back", size_of(change->returned)),
             LOG_I64("own", size_of(book->mine)), LOG_U64("controls", book->replicas));
}

/* Whoever calls goes to another control meanwhile. */
static void on_awake(struct control *control, bool awake)
{
    mesh_server_serving(control->program->server, "", awake);
    program_ready(control->program, awake, "its lease on the store is over");
    if (awake)
        aion_log_line(AION_LOG_INFO, "the lease on the store is renewed", 0, NULL);
    else
        aion_log(AION_LOG_WARN, "the lease on the store could not be renewed in time",
                 LOG_TEXT("effect", "nothing is taken or decided until it is"));
}

static void leave_router(struct control *control)
{
    control_router_close(control->router);
    control->router = NULL;
    if (control->router_channel != NULL)
        mesh_channel_close(control->router_channel);
    control->router_channel = NULL;
    control_cluster_leave(control);
}

/* The store first: it runs what completions are left, and they need control. */
static void close_all(struct control *control)
{
    control->draining = true;
    leave_router(control);
    control_events_stop(control);
    store_close(control->store);
    control_done(control);
}

/* Without a store it has not begun to be. */
static void stop(void *self)
{
    struct control *control = self;
    if (control->store != NULL)
        close_all(control);
    free(control);
}

/* What others are told; only where they may have the store open, too. */
static bool set_address(struct control *control, struct aion_err *err)
{
    const char *listen = control->program->common->listen;
    const char *colon = strrchr(listen, ':');
    aion_str host = aion_str_n(listen, colon != NULL ? (size_t)(colon - listen) : 0);
    char *self = control->cluster.self;
    int size = CLUSTER_ADDRESS_MAX;
    bool any = aion_str_is(host, "0.0.0.0") || aion_str_is(host, "[::]") || host.size == 0;
    if (control->conf->advertise[0] != '\0')
        size = snprintf(self, CLUSTER_ADDRESS_MAX, "%s", control->conf->advertise);
    else if (!any || !store_info(control->store).shared)
        size = snprintf(self, CLUSTER_ADDRESS_MAX, "%.*s:%d", AION_STR_ARG(host),
                        mesh_server_port(control->program->server));
    return size < CLUSTER_ADDRESS_MAX ||
           aion_fail(
               err, AION_INVALID,
               "other controls must be told where this one is: give --advertise HOST:PORT, "
               "at most %d bytes (it listens on %s)",
               CLUSTER_ADDRESS_MAX - 1, listen);
}

static bool open_all(struct control *control, struct program *program,
                     const struct control_conf *conf, struct aion_err *err)
{
    struct store_conf store_conf = {.url = conf->store_url,
                                    .exec = mesh_loop_exec(program->loop),
                                    .window_us = conf->store_window,
                                    .fatal = on_store_fatal,
                                    .user = control};
    struct mesh_channel_conf router = {.name = "router",
                                       .target = conf->router,
                                       .tls = program->tls,
                                       .peer_service = "router"};
    struct store *store = store_open(&store_conf, err);
    if (store == NULL)
        return false;
    control_init(control, program->loop, store, conf);
    control->program = program;
    control->tls = program->tls;
    control->shards.clash = on_clash;
    control->shards.changed = on_change;
    control->shards.awake = on_awake;
    if (!set_address(control, err) || !control_load(control, err) ||
        !control_events_open(control, err))
        return false;
    control->router_channel = mesh_channel_new(program->loop, &router, err);
    if (control->router_channel == NULL)
        return false;
    control->router = control_router_open(control, control->router_channel);
    control_bind(control, program->server);
    program_report_by(program, control_ops_take, control);
    return true;
}

static void *start(struct program *program, const void *conf, struct aion_err *err)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    if (open_all(control, program, conf, err))
        return control;
    stop(control);
    return NULL;
}

/* Ready without a router, too: tasks are then taken undecided. But a router that is just
 * starting is waited for, so that a mesh that says it is ready decides at once. */
static void check_ready(struct mesh_timer *timer)
{
    struct control *control = aion_container(timer, struct control, ready_timer);
    int64_t now = mesh_loop_now(control->loop);
    bool whole = control->shards.book.loading == 0;
    if (whole && (control_router_here(control->router) || now >= control->ready_by_us))
        program_ready(control->program, true, "");
    else
        mesh_timer_set(control->loop, timer, now + READY_CHECK_US);
}

static void serving(void *self)
{
    struct control *control = self;
    control_begin(control);
    control->ready_by_us = mesh_loop_now(control->loop) + ROUTER_WAIT_US;
    control->ready_timer.fire = check_ready;
    program_ready(control->program, false, "waiting for the router");
    check_ready(&control->ready_timer);
}

static void on_drained(struct control *control)
{
    leave_router(control);
    program_drained(control->program);
}

static void drain(void *self)
{
    struct control *control = self;
    mesh_timer_cancel(control->loop, &control->ready_timer);
    control_drain(control, on_drained);
}

static bool reload(void *self, const void *conf, struct aion_err *err)
{
    (void)err;
    control_reload(self, conf);
    return true;
}

int control_run(int argc, char **argv)
{
    static const struct codec_file *const files[] = {
        &aion__v1__tasks_proto__file,  &aion__v1__modules_proto__file,
        &aion__v1__state_proto__file,  &aion__v1__ops_proto__file,
        &aion__v1__events_proto__file, NULL};
    const struct program_spec spec = {
        .name = "control",
        .summary = "admits, queues and dispatches tasks",
        .options = control_options,
        .option_count = control_option_count,
        .conf_size = sizeof(struct control_conf),
        .files = files,
        .check = control_conf_check,
        .start = start,
        .serving = serving,
        .reload = reload,
        .drain = drain,
        .stop = stop,
    };
    return program_run(&spec, argc, argv);
}
