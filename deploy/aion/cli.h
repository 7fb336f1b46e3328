/* The commands of `aion`: one command = one file + one const entry in commands.c. */
#ifndef CLI_H
#define CLI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Exit statuses, the same for every command. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_UNREACHABLE = 3, /* no mesh is running here, or it does not answer */
    CLI_NOT_FOUND = 4,
    CLI_DENIED = 5,
    CLI_TASK_FAILED = 6, /* the task ended, but not SUCCEEDED */
};

struct cli_command {
    const char *name;
    const char *arguments;    /* "INTENT [--param K=V]...", for usage; what follows a blank line
                               * is for --help alone */
    const char *summary;      /* one line */
    const char *const *words; /* flags and verbs, for completion; NULL-terminated */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct cli_command cli_up, cli_down, cli_env, cli_status, cli_logs, cli_submit,
    cli_tasks, cli_policy, cli_doctor, cli_topics, cli_events, cli_completion, cli_gateway,
    cli_control, cli_router, cli_host, cli_retention, cli_store, cli_console, cli_get,
    cli_watch, cli_budgets, cli_dead, cli_audit, cli_hosts, cli_explain;
extern const struct cli_command *const cli_commands[]; /* NULL-terminated */

/* -- options of a command ------------------------------------------------- */
struct cli_args {
    int argc;
    char **argv;
    int at; /* the next one */
};
/* The value of --name at args->at ("--name V" or "--name=V") and steps over it; NULL: another
 * argument stands there. */
const char *cli_value(struct cli_args *args, const char *name);
bool cli_flag(struct cli_args *args, const char *name);
/* Prints "aion COMMAND: text" and the usage on stderr; returns CLI_USAGE. */
int cli_usage(const struct cli_command *command, const char *fmt, ...) AION_PRINTF(2, 3);
/* The same about the argument at args->at, which no option took: it is unknown, or lacks its
 * value. */
int cli_unexpected(const struct cli_command *command, const struct cli_args *args);
/* Prints "aion: text" on stderr, and what to do about it where that is known; the exit status
 * of the error's code. */
int cli_error(const struct aion_err *err);
/* The same about what was given: INVALID is wrong usage. */
int cli_error_given(const struct aion_err *err);

/* -- home (cli_home.c) ---------------------------------------------------- */
enum { CLI_PATH_MAX = 1024, CLI_PROCESSES_MAX = 24 };

struct cli_process {
    char name[32];
    int pid;
    int port, admin_port;
    unsigned restarts;
    bool ready;
};

/* What a running mesh has written to run.json. */
struct cli_run {
    char home[CLI_PATH_MAX];
    int pid; /* of the supervisor */
    int64_t started_s;
    char trust_domain[128];
    char api_key_file[CLI_PATH_MAX];
    bool https; /* of the gateway, which was given a certificate for it */
    struct cli_process processes[CLI_PROCESSES_MAX];
    size_t process_count;
};

/* --home, AION_HOME, else $XDG_STATE_HOME/aion, else ~/.local/state/aion. `given` may be NULL.
 */
bool cli_home(const char *given, char out[CLI_PATH_MAX], struct aion_err *err);
/* Reads run.json of the home; UNAVAILABLE: nothing runs there (how to start it is in the text).
 */
bool cli_run_read(const char *home, struct cli_run *ret_run, struct aion_err *err);
bool cli_run_write(const struct cli_run *run, struct aion_err *err);
/* "http://127.0.0.1:8080": the gateway's. */
enum { CLI_URL_MAX = 64 };
const char *cli_run_url(const struct cli_run *run, char out[CLI_URL_MAX]);
const struct cli_process *cli_run_process(const struct cli_run *run, const char *name);
bool cli_path(char out[CLI_PATH_MAX], const char *dir, const char *name);

/* -- plain HTTP to an admin port (cli_http.c) ----------------------------- */
/* GET on 127.0.0.1; the body into out. The status, or 0: no answer within two seconds. */
int cli_http_get(int port, const char *path, struct aion_buf *out);

#endif
