/* aion logs: the lines of the processes, from their files. */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { TAIL_DEFAULT = 50, LINE_MAX_SIZE = 16384 };

static const char *const words[] = {"--home", "-n",        "-f",     "gateway", "control",
                                    "router", "retention", "host-1", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_logs = {"logs", "[--home DIR] [-n LINES] [-f] [PROCESS]",
                                     "show the logs of the processes", words, run};

static const char *const names[] = {"gateway", "control", "router", "retention", "host-1"};

struct tail {
    const char *name;
    char path[CLI_PATH_MAX];
    FILE *file; /* NULL: not there yet */
};

/* Puts the file where its last `lines` lines begin. */
static void seek_tail(FILE *file, long lines)
{
    char chunk[4096];
    fseek(file, 0, SEEK_END);
    long at = ftell(file), found = 0;
    while (at > 0 && found <= lines) {
        long step = at < (long)sizeof(chunk) ? at : (long)sizeof(chunk);
        at -= step;
        fseek(file, at, SEEK_SET);
        size_t size = fread(chunk, 1, (size_t)step, file);
        for (size_t i = size; i > 0; i--)
            if (chunk[i - 1] == '\n' && ++found > lines) {
                fseek(file, at + (long)i, SEEK_SET);
                return;
            }
    }
    fseek(file, 0, SEEK_SET);
}

static bool print_new(struct tail *tail)
{
    static char line[LINE_MAX_SIZE];
    bool any = false;
    while (tail->file != NULL && fgets(line, sizeof(line), tail->file) != NULL) {
        printf("%-9s| %s", tail->name, line);
        any = true;
    }
    if (tail->file != NULL)
        clearerr(tail->file);
    return any;
}

/* True: the supervisor has begun another file, and writes no more to ours. */
static bool was_rotated(const struct tail *tail)
{
    struct stat ours, now;
    if (stat(tail->path, &now) != 0)
        return false;
    return tail->file == NULL || fstat(fileno(tail->file), &ours) != 0 ||
           ours.st_ino != now.st_ino || ours.st_dev != now.st_dev;
}

/* What is new, over a change of files: of the old one first what it ended with. */
static bool follow_on(struct tail *tail)
{
    bool rotated = was_rotated(tail);
    bool any = print_new(tail);
    if (!rotated)
        return any;
    if (tail->file != NULL)
        fclose(tail->file);
    tail->file = fopen(tail->path, "re");
    return print_new(tail) || any;
}

static int show(const char *home, const char *only, long lines, bool follow)
{
    struct tail tails[aion_countof(names)];
    size_t count = 0, opened = 0;
    for (size_t i = 0; i < aion_countof(names); i++) {
        if (only != NULL && strcmp(only, names[i]) != 0)
            continue;
        struct tail *tail = &tails[count++];
        tail->name = names[i];
        snprintf(tail->path, sizeof(tail->path), "%.900s/logs/%s.log", home, names[i]);
        tail->file = fopen(tail->path, "re");
        if (tail->file != NULL) {
            seek_tail(tail->file, lines);
            opened++;
        }
    }
    if (count > 0 && opened == 0) {
        fprintf(stderr, "aion: no logs in %s: no mesh has run there; start one by `aion up`\n",
                home);
        return CLI_UNREACHABLE;
    }
    const struct timespec pause = {0, 200000000};
    do {
        bool any = false;
        for (size_t i = 0; i < count; i++)
            any = (follow ? follow_on(&tails[i]) : print_new(&tails[i])) || any;
        fflush(stdout);
        if (follow && !any)
            nanosleep(&pause, NULL);
    } while (follow);
    for (size_t i = 0; i < count; i++)
        if (tails[i].file != NULL)
            fclose(tails[i].file);
    return count > 0 ? CLI_OK : CLI_NOT_FOUND;
}

static int run(int argc, char **argv)
{
    struct cli_args args = {argc, argv, 1};
    struct aion_err err;
    char path[CLI_PATH_MAX];
    const char *home = NULL, *only = NULL, *value;
    int64_t lines = TAIL_DEFAULT;
    bool follow = false;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--home")) != NULL)
            home = value;
        else if ((value = cli_value(&args, "-n")) != NULL) {
            if (!aion_str_i64(aion_str_of(value), &lines) || lines < 0 || lines > 1000000)
                return cli_usage(&cli_logs, "-n: \"%s\" is no number of lines", value);
        } else if (cli_flag(&args, "-f"))
            follow = true;
        else if (only == NULL && argv[args.at][0] != '-')
            only = argv[args.at++];
        else
            return cli_unexpected(&cli_logs, &args);
    }
    if (!cli_home(home, path, &err))
        return cli_error(&err);
    int status = show(path, only, (long)lines, follow);
    return status != CLI_NOT_FOUND ? status
                                   : cli_usage(&cli_logs,
                                               "no process \"%s\"; there are gateway, "
                                               "control, router, retention, host-1",
                                               only);
}
