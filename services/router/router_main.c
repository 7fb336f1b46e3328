/* The router: decides by policy where a task runs. */
#include "router_main.h"

#include "router_private.h"

#include <stdlib.h>

static void stop(void *self)
{
    struct router *router = self;
    mesh_timer_cancel(router->program->loop, &router->reconcile_timer);
    mesh_channel_close(router->control);
    router_end_streams(router); /* that came after the drain */
    if (router->cached != NULL)
        aion_snap_unref(&router->cached->snap);
    aion_snapshot_done(&router->active);
    pthread_mutex_destroy(&router->activating);
    pthread_mutex_destroy(&router->lock);
    free(router);
}

static void *start(struct program *program, const void *conf, struct aion_err *err)
{
    struct router *router = calloc(1, sizeof(*router));
    if (router == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    router->program = program;
    router->conf = conf;
    aion_snapshot_init(&router->active);
    aion_list_init(&router->streams);
    pthread_mutex_init(&router->lock, NULL);
    pthread_mutex_init(&router->activating, NULL);
    struct mesh_channel_conf control = {.name = "control",
                                        .target = router->conf->control,
                                        .tls = program->tls,
                                        .peer_service = "control"};
    if (router_activate_first(router, err)) {
        router->control = mesh_channel_new(program->loop, &control, err);
        if (router->control != NULL) {
            router_bind(router);
            program_report_to(program, router->control);
            return router;
        }
    }
    stop(router);
    return NULL;
}

static void serving(void *self)
{
    router_reconcile(self);
}

static void drain(void *self)
{
    struct router *router = self;
    router_end_streams(router);
    program_drained(router->program);
}

int router_run(int argc, char **argv)
{
    const struct program_spec spec = {
        .name = "router",
        .summary = "decides by policy where a task runs",
        .options = router_options,
        .option_count = router_option_count,
        .conf_size = sizeof(struct router_conf),
        .start = start,
        .serving = serving,
        .drain = drain,
        .stop = stop,
    };
    return program_run(&spec, argc, argv);
}
