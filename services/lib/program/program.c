/* The life of a program: options → log → loop, server, admin → start → run → drain → stop. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "program/program_private.h"
#include "program/telemetry_private.h"

#include <stdlib.h>
#include <unistd.h>

enum { DELEGATES_MAX = 16, HELP_MAX = 65536 };

struct life {
    struct program program; /* first: what the program knows of it */
    const struct program_spec *spec;
    struct program_options options;
    struct program_signals signals;
    struct mesh_tls tls;
    char *delegate_text;
    const char *delegates[DELEGATES_MAX + 1];
    char bound[128];
    void *self;
    int argc;
    char **argv; /* as given, for reloads */
    bool draining, ready, told, server_drained, self_drained;
    int status;
};

/* -- ready ---------------------------------------------------------------- */

static void tell_ready(struct life *life)
{
    const char *fd_text = getenv("AION_READY_FD");
    uint64_t fd;
    if (life->told || fd_text == NULL || !aion_str_u64(aion_str_of(fd_text), &fd) || fd > 1024)
        return;
    life->told = true;
    char line[256];
    int size = snprintf(line, sizeof(line), "ready listen=%s admin=127.0.0.1:%d\n", life->bound,
                        mesh_admin_port(life->program.admin));
    ssize_t ignored = write((int)fd, line, (size_t)size);
    (void)ignored; /* nobody listens: the log says the same */
    close((int)fd);
}

void program_bound(struct program *program, const char *address)
{
    struct life *life = (struct life *)program;
    snprintf(life->bound, sizeof(life->bound), "%s", address);
}

void program_ready(struct program *program, bool ready, const char *reason)
{
    struct life *life = (struct life *)program;
    mesh_admin_ready(program->admin, ready && !life->draining, reason);
    if (!life->draining)
        telemetry_state(program->telemetry,
                        ready ? AION__V1__OPS_PROCESS_STATE__OPS_PROCESS_STATE_READY
                              : AION__V1__OPS_PROCESS_STATE__OPS_PROCESS_STATE_NOT_READY);
    if (!ready || life->ready)
        return;
    life->ready = true;
    aion_log(AION_LOG_INFO, "ready", LOG_TEXT("listen", life->bound),
             LOG_I64("admin_port", mesh_admin_port(program->admin)));
    tell_ready(life);
}

/* -- drain ---------------------------------------------------------------- */

/* Through when both are: the server has no call left, and the program is safe. */
static void end_if_drained(struct life *life)
{
    if (life->server_drained && life->self_drained)
        mesh_loop_stop(life->program.loop);
}

static void server_drained(void *user)
{
    struct life *life = user;
    life->server_drained = true;
    end_if_drained(life);
}

void program_drained(struct program *program)
{
    struct life *life = (struct life *)program;
    life->self_drained = true;
    end_if_drained(life);
}

static void drain_self(void *user)
{
    struct life *life = user;
    if (life->spec->drain != NULL)
        life->spec->drain(life->self);
    else
        program_drained(&life->program);
}

static void begin_drain(void *user)
{
    struct life *life = user;
    if (life->draining)
        return;
    life->draining = true;
    aion_log_line(AION_LOG_INFO, "draining", 0, NULL);
    mesh_admin_ready(life->program.admin, false, "draining");
    telemetry_state(life->program.telemetry,
                    AION__V1__OPS_PROCESS_STATE__OPS_PROCESS_STATE_DRAINING);
    if (life->program.server == NULL) {
        life->server_drained = true;
        drain_self(life);
        return;
    }
    mesh_server_on_stopped(life->program.server, drain_self, life);
    mesh_server_drain(life->program.server, life->options.common.drain_grace, server_drained,
                      life);
}

void program_fatal(struct program *program, const struct aion_err *err)
{
    struct life *life = (struct life *)program;
    life->status = 1;
    aion_log(AION_LOG_ERROR, "cannot go on", LOG_TEXT("error", err->text),
             LOG_TEXT("detail", err->detail));
    begin_drain(life);
}

/* -- reload --------------------------------------------------------------- */

static enum aion_log_level level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (unsigned i = 0; i < aion_countof(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum aion_log_level)i;
    return AION_LOG_INFO;
}

/* Options are read anew from file, environment and flags; on any error the old ones stay. */
static void reload(void *user)
{
    struct life *life = user;
    struct program_options fresh;
    struct aion_err err;
    char **argv = calloc((size_t)life->argc + 1, sizeof(char *));
    if (argv == NULL)
        return;
    memcpy(argv, life->argv, (size_t)life->argc * sizeof(char *));
    bool good = program_options_load(&fresh, life->spec, life->argc, argv, &err);
    if (good && life->spec->reload != NULL)
        good = life->spec->reload(life->self, fresh.conf, &err);
    if (good) {
        aion_log_start(life->spec->name, STDERR_FILENO, level_of(fresh.common.log_level));
        aion_log_line(AION_LOG_INFO, "reloaded", 0, NULL);
    } else {
        aion_log(AION_LOG_ERROR, "reload refused, the old options stay",
                 LOG_TEXT("error", err.text));
    }
    program_options_done(&fresh);
    free(argv);
}

/* -- start ---------------------------------------------------------------- */

static void split_delegates(struct life *life)
{
    size_t count = 0;
    life->delegate_text = strdup(life->options.common.delegates);
    char *rest = life->delegate_text, *name;
    while (rest != NULL && count < DELEGATES_MAX && (name = strsep(&rest, ",")) != NULL)
        if (name[0] != '\0')
            life->delegates[count++] = name;
}

static bool open_server(struct life *life, struct aion_err *err)
{
    const struct program_common *common = &life->options.common;
    split_delegates(life);
    struct mesh_server_conf conf = {.listen = common->listen,
                                    .tls = life->program.tls,
                                    .delegates = life->delegates,
                                    .files = life->spec->files,
                                    .log_calls = true};
    life->program.server = mesh_server_new(life->program.loop, &conf, err);
    if (life->program.server == NULL)
        return false;
    const char *colon = strrchr(common->listen, ':');
    int host = colon != NULL ? (int)(colon - common->listen) : 0;
    snprintf(life->bound, sizeof(life->bound), "%.*s:%d", host, common->listen,
             mesh_server_port(life->program.server));
    return true;
}

static bool open_all(struct life *life, struct aion_err *err)
{
    struct program *program = &life->program;
    const struct program_common *common = &life->options.common;
    program->name = life->spec->name;
    program->common = &life->options.common;
    if (!common->plaintext) {
        life->tls = (struct mesh_tls){.ca_file = common->tls_ca,
                                      .cert_file = common->tls_cert,
                                      .key_file = common->tls_key,
                                      .trust_domain = common->trust_domain};
        program->tls = &life->tls;
    }
    program->loop = mesh_loop_new(NULL, err);
    if (program->loop == NULL)
        return false;
    program->admin = mesh_admin_start(common->admin_listen, err);
    if (program->admin == NULL)
        return false;
    mesh_admin_ready(program->admin, false, "starting");
    if (!life->spec->no_server && !open_server(life, err))
        return false;
    program->telemetry = telemetry_new(program, aion_clock_utc_us() / 1000000);
    life->self = life->spec->start(program, life->options.conf, err);
    return life->self != NULL;
}

static void close_all(struct life *life)
{
    struct program *program = &life->program;
    if (program->telemetry != NULL)
        telemetry_end(program->telemetry);
    if (life->self != NULL && life->spec->stop != NULL)
        life->spec->stop(life->self);
    mesh_server_free(program->server);
    mesh_admin_stop(program->admin);
    mesh_loop_free(program->loop);
    telemetry_free(program->telemetry); /* a worker may have been reading for it */
    free(life->delegate_text);
}

/* "HOST:PORT": the listener's address, with the machine's name where that names none. */
static void name_instance(struct life *life)
{
    struct program *program = &life->program;
    aion_str bound = aion_str_of(life->bound);
    const char *colon = strrchr(life->bound, ':');
    char host[48] = "";
    bool anywhere = colon == NULL || aion_str_starts(bound, AION_STR("127.")) ||
                    aion_str_starts(bound, AION_STR("0.0.0.0:")) ||
                    aion_str_starts(bound, AION_STR("[::")) ||
                    aion_str_starts(bound, AION_STR("localhost:"));
    if (program->instance[0] != '\0')
        return;
    if (!anywhere || gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
        aion_str_copy(program->instance, sizeof(program->instance), bound);
    else
        snprintf(program->instance, sizeof(program->instance), "%s%.12s", host,
                 colon != NULL ? colon : "");
}

static void begin_telemetry(struct life *life)
{
    name_instance(life);
    telemetry_address(life->program.telemetry, life->bound);
    telemetry_begin(life->program.telemetry);
}

static int run(struct life *life)
{
    struct program *program = &life->program;
    life->signals.exec = mesh_loop_exec(program->loop);
    life->signals.drain = begin_drain;
    life->signals.reload = reload;
    life->signals.user = life;
    struct aion_err err;
    if (!program_signals_start(&life->signals, &err)) {
        aion_log(AION_LOG_ERROR, "cannot start", LOG_TEXT("error", err.text));
        return 1;
    }
    begin_telemetry(life);
    if (program->server != NULL)
        mesh_server_start(program->server);
    if (life->spec->serving != NULL)
        life->spec->serving(life->self);
    else
        program_ready(program, true, "");
    mesh_loop_run(program->loop);
    program_signals_stop(&life->signals);
    aion_log_line(AION_LOG_INFO, "stopped", 0, NULL);
    return life->status;
}

/* -- main ----------------------------------------------------------------- */

static int print_and_leave(const struct life *life)
{
    struct aion_buf out;
    aion_buf_init(&out, HELP_MAX);
    if (life->options.version)
        aion_buf_printf(&out, "aion %s %s\n", life->spec->name, AION_VERSION);
    else if (life->options.help)
        program_options_help(&life->options, &out);
    else
        program_options_print(&life->options, &out);
    fputs(out.data != NULL ? out.data : "", stdout);
    aion_buf_done(&out);
    return 0;
}

static int live(struct life *life)
{
    struct aion_err err;
    aion_log_start(life->spec->name, STDERR_FILENO, level_of(life->options.common.log_level));
    program_options_warn(&life->options);
    if (aion_failpoints_armed)
        aion_log(AION_LOG_WARN, "failpoints are armed: this process is under test",
                 LOG_TEXT("AION_FAILPOINTS", getenv("AION_FAILPOINTS")));
    int status = 1;
    if (open_all(life, &err))
        status = run(life);
    else
        aion_log(AION_LOG_ERROR, "cannot start", LOG_TEXT("error", err.text),
                 LOG_TEXT("detail", err.detail));
    close_all(life);
    aion_log_stop();
    return status;
}

int program_run(const struct program_spec *spec, int argc, char **argv)
{
    struct life life = {.spec = spec, .argc = argc};
    struct aion_err err;
    life.argv = calloc((size_t)argc + 1, sizeof(char *));
    if (life.argv == NULL)
        return 1;
    memcpy(life.argv, argv, (size_t)argc * sizeof(char *));
    int status = 2;
    if (!program_options_load(&life.options, spec, argc, argv, &err) ||
        !aion_failpoints_arm(getenv("AION_FAILPOINTS"), &err)) {
        fprintf(stderr, "aion %s: %s\n", spec->name, err.text);
    } else if (life.options.help || life.options.version || life.options.check) {
        status = print_and_leave(&life);
    } else {
        program_signals_block();
        status = live(&life);
    }
    program_options_done(&life.options);
    free(life.argv);
    return status;
}
