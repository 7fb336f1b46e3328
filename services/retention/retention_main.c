/* Retention: deletes what is due, by plan. */
#include "retention_main.h"

#include "retention_private.h"

#include <stdlib.h>

enum { FIRST_SWEEP_US = 1000000 };

const struct aion_opt retention_options[] = {
    {"control", AION_OPT_TEXT, "127.0.0.1:8081", 0, 0, false, false, "AION_CONTROL",
     "address of control, host:port", offsetof(struct retention_conf, control)},
    {"batch", AION_OPT_INT, "500", 1, 10000, false, false, NULL,
     "tasks deleted in one transaction", offsetof(struct retention_conf, batch)},
};
const size_t retention_option_count = aion_countof(retention_options);

static void stop(void *self)
{
    struct retention *retention = self;
    mesh_channel_close(retention->control); /* ends the sweeps under way */
    mesh_timer_cancel(retention->program->loop, &retention->sweep_timer);
    free(retention);
}

static void *start(struct program *program, const void *conf, struct aion_err *err)
{
    struct retention *retention = calloc(1, sizeof(*retention));
    if (retention == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    retention->program = program;
    retention->conf = conf;
    const struct mesh_channel_conf control = {.name = "control",
                                              .target = retention->conf->control,
                                              .tls = program->tls,
                                              .peer_service = "control"};
    retention->control = mesh_channel_new(program->loop, &control, err);
    if (retention->control == NULL) {
        free(retention);
        return NULL;
    }
    retention_bind(retention);
    program_report_to(program, retention->control);
    return retention;
}

static void serving(void *self)
{
    struct retention *retention = self;
    retention_schedule(retention, FIRST_SWEEP_US);
    program_ready(retention->program, true, "");
}

int retention_run(int argc, char **argv)
{
    const struct program_spec spec = {
        .name = "retention",
        .summary = "deletes what is due, by plan",
        .options = retention_options,
        .option_count = retention_option_count,
        .conf_size = sizeof(struct retention_conf),
        .start = start,
        .serving = serving,
        .stop = stop,
    };
    return program_run(&spec, argc, argv);
}
