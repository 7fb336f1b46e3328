/* Wiring: the mesh's loop on the main thread, the HTTP loop on its own, jobs between them. */
#include "gateway_main.h"

#include "base/log.h"
#include "gateway_private.h"
#include "program/program.h"

#include <stdlib.h>
#include <sys/resource.h>

enum { READY_POLL_US = 20000, OWN_FILES = 64 /* beside connections */ };

struct gateway {
    struct program *program;
    const struct gw_conf *conf;
    struct gw_loop *loop;
    struct gw_upstream *upstream;
    struct gw_app *app;
    struct gw_server *server;
    pthread_t thread;
    bool running;
    struct mesh_timer ready_timer;
    struct aion_job drain_job, drained_job;
};

/* A connection is a descriptor: take what the system lets us, and say what it does not. */
static void raise_file_limit(int64_t connections_max)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    rlim_t before = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        files.rlim_cur = before;
    if (files.rlim_cur < (rlim_t)connections_max + OWN_FILES)
        aion_log(AION_LOG_WARN,
                 "the limit of open files is below connections_max: further connections wait "
                 "in the kernel's queue",
                 LOG_U64("files", files.rlim_cur), LOG_I64("connections_max", connections_max));
}

static bool is_ready(const struct gw_app *app)
{
    return gw_mesh_ready(app->upstream);
}

/* -- start -------------------------------------------------------------------------------- */

static struct gw_server_conf server_conf(const struct gateway *gateway)
{
    const struct gw_conf *conf = gateway->conf;
    bool tls = conf->http_cert[0] != '\0';
    return (struct gw_server_conf){
        .listen = gateway->program->common->listen,
        .inherited = gw_listen_inherited(),
        .cert_file = tls ? conf->http_cert : NULL,
        .key_file = tls ? conf->http_key : NULL,
        .connections_max = (uint32_t)conf->connections_max,
        .connections_per_peer = (uint32_t)conf->connections_per_peer,
        .streams_max = (uint32_t)conf->streams_per_connection,
        .head_bytes_max = (uint32_t)conf->head_bytes_max,
        .body_rate_min = (uint32_t)conf->body_rate_min,
        .handshake_us = conf->header_timeout,
        .head_us = conf->header_timeout,
        .body_grace_us = conf->body_timeout,
        .idle_us = conf->idle_timeout,
        .stall_us = conf->stall_timeout,
    };
}

static bool open_all(struct gateway *gateway, struct aion_err *err)
{
    const struct gw_conf *conf = gateway->conf;
    gateway->loop = gw_loop_new(err);
    if (gateway->loop == NULL)
        return false;
    struct gw_mesh_conf mesh = {.mesh = gateway->program->loop,
                                .loop = gateway->loop,
                                .tls = gateway->program->tls,
                                .control = conf->control,
                                .router = conf->router,
                                .retention = conf->retention,
                                .timeout_us = conf->timeout};
    gateway->upstream = gw_mesh_new(&mesh, err);
    if (gateway->upstream == NULL)
        return false;
    gateway->app = gw_app_new(conf, gateway->loop, gateway->upstream, err);
    if (gateway->app == NULL)
        return false;
    gateway->app->ready = is_ready;
    struct gw_server_conf server = server_conf(gateway);
    gateway->server = gw_server_new(gateway->loop, &server, &gw_app_ops, gateway->app, err);
    gateway->app->server = gateway->server;
    return gateway->server != NULL;
}

/* Completions of what was cut still need the loop and the server's pool: rounds first, then the
 * parts. */
static void stop(void *self)
{
    struct gateway *gateway = self;
    if (gateway->running) {
        gw_loop_stop(gateway->loop);
        pthread_join(gateway->thread, NULL);
    }
    mesh_timer_cancel(gateway->program->loop, &gateway->ready_timer);
    if (gateway->upstream != NULL)
        gw_mesh_close(gateway->upstream);
    if (gateway->loop != NULL)
        gw_loop_step(gateway->loop, 0);
    gw_server_free(gateway->server);
    if (gateway->upstream != NULL)
        gw_mesh_free(gateway->upstream);
    gw_app_free(gateway->app);
    gw_loop_free(gateway->loop);
    free(gateway);
}

static void *start(struct program *program, const void *conf, struct aion_err *err)
{
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    if (gateway == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    gateway->program = program;
    gateway->conf = conf;
    raise_file_limit(gateway->conf->connections_max);
    if (open_all(gateway, err)) {
        program_bound(program, gw_server_address(gateway->server));
        program_report_to(program, gw_mesh_control(gateway->upstream));
        return gateway;
    }
    stop(gateway);
    return NULL;
}

/* -- serving ------------------------------------------------------------------------------ */

static void *run_loop(void *argument)
{
    struct gateway *gateway = argument;
    gw_server_start(gateway->server);
    gw_loop_run(gateway->loop);
    return NULL;
}

/* Ready once control answers; afterwards /readyz follows it by itself. */
static void look_ready(struct mesh_timer *timer)
{
    struct gateway *gateway = aion_container(timer, struct gateway, ready_timer);
    if (gw_mesh_ready(gateway->upstream)) {
        program_ready(gateway->program, true, "");
        return;
    }
    mesh_timer_set(gateway->program->loop, timer,
                   mesh_loop_now(gateway->program->loop) + READY_POLL_US);
}

static void serving(void *self)
{
    struct gateway *gateway = self;
    struct aion_err err;
    gateway->running = pthread_create(&gateway->thread, NULL, run_loop, gateway) == 0;
    if (!gateway->running) {
        aion_err_set(&err, __func__, AION_UNAVAILABLE, "cannot make the HTTP thread");
        program_fatal(gateway->program, &err);
        return;
    }
    program_ready(gateway->program, false, "control cannot be reached");
    gateway->ready_timer.fire = look_ready;
    look_ready(&gateway->ready_timer);
}

/* -- drain -------------------------------------------------------------------------------- */

static void run_drained(struct aion_job *job)
{
    struct gateway *gateway = aion_container(job, struct gateway, drained_job);
    program_drained(gateway->program);
}

static void drained(void *user)
{
    struct gateway *gateway = user;
    gateway->drained_job.run = run_drained;
    aion_exec_post(mesh_loop_exec(gateway->program->loop), &gateway->drained_job);
}

static void run_drain(struct aion_job *job)
{
    struct gateway *gateway = aion_container(job, struct gateway, drain_job);
    gw_app_drain(gateway->app);
    gw_server_drain(gateway->server, gateway->program->common->drain_grace, drained, gateway);
}

static void drain(void *self)
{
    struct gateway *gateway = self;
    if (!gateway->running) {
        program_drained(gateway->program);
        return;
    }
    gateway->drain_job.run = run_drain;
    aion_exec_post(gw_loop_exec(gateway->loop), &gateway->drain_job);
}

/* -- reload ------------------------------------------------------------------------------- */

struct reload {
    struct aion_job job;
    struct gateway *gateway;
    struct gw_conf conf;
    char *api_keys;
};

static void run_reload(struct aion_job *job)
{
    struct reload *reload = aion_container(job, struct reload, job);
    struct aion_err err;
    if (!gw_app_reload(reload->gateway->app, &reload->conf, &err) ||
        !gw_server_reload(reload->gateway->server, &err))
        aion_log(AION_LOG_ERROR, "reload refused, the old values stay",
                 LOG_TEXT("error", err.text), LOG_TEXT("detail", err.detail));
    free(reload->api_keys);
    free(reload);
}

/* Judged here, where the answer is logged; put in place by the loop that owns the values. */
static bool reload(void *self, const void *conf, struct aion_err *err)
{
    const struct gw_conf *fresh = conf;
    struct auth_keys *keys = auth_keys_parse(aion_str_of(fresh->api_keys), err);
    if (keys == NULL)
        return false;
    auth_keys_free(keys);
    struct reload *order = malloc(sizeof(*order));
    char *api_keys = strdup(fresh->api_keys);
    if (order == NULL || api_keys == NULL)
        abort();
    *order = (struct reload){{NULL, run_reload}, self, *fresh, api_keys};
    order->conf.api_keys = api_keys;
    aion_exec_post(gw_loop_exec(((struct gateway *)self)->loop), &order->job);
    return true;
}

/* -- main --------------------------------------------------------------------------------- */

static bool check(const void *conf_, struct aion_err *err)
{
    const struct gw_conf *conf = conf_;
    struct auth_keys *keys = auth_keys_parse(aion_str_of(conf->api_keys), err);
    bool good = keys != NULL;
    auth_keys_free(keys);
    if (good && (conf->http_cert[0] == '\0') != (conf->http_key[0] == '\0'))
        return aion_fail(err, AION_INVALID,
                         "options http_cert and http_key come together or not at all");
    return good;
}

int gw_run(int argc, char **argv)
{
    const struct program_spec spec = {
        .name = "gateway",
        .summary = "HTTP /v1 in front of the mesh",
        .options = gw_options,
        .option_count = gw_option_count,
        .conf_size = sizeof(struct gw_conf),
        .no_server = true,
        .check = check,
        .start = start,
        .serving = serving,
        .reload = reload,
        .drain = drain,
        .stop = stop,
    };
    return program_run(&spec, argc, argv);
}
