/* aion down: asks the supervisor to drain, waits until it is gone. */
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

enum { WAIT_S = 15 };

static const char *const words[] = {"--home", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_down = {"down", "[--home DIR]", "stop the mesh", words, run};

static int run(int argc, char **argv)
{
    struct cli_args args = {argc, argv, 1};
    struct cli_run mesh;
    struct aion_err err;
    char path[CLI_PATH_MAX];
    const char *home = NULL, *value;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--home")) == NULL)
            return cli_unexpected(&cli_down, &args);
        home = value;
    }
    if (!cli_home(home, path, &err) || !cli_run_read(path, &mesh, &err))
        return cli_error(&err);
    if (kill(mesh.pid, SIGTERM) != 0) {
        (void)aion_fail_errno(&err, AION_DENIED, "cannot stop process %d", mesh.pid);
        return cli_error(&err);
    }
    const struct timespec pause = {0, 50000000};
    for (int i = 0; i < WAIT_S * 20; i++) {
        if (kill(mesh.pid, 0) != 0) {
            printf("stopped\n");
            return CLI_OK;
        }
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "aion down: process %d still runs after %d s\n", mesh.pid, WAIT_S);
    return CLI_FAILED;
}
