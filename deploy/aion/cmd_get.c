/* aion get, aion watch: the console's views without a screen. */
#include "cli_mesh.h"

#include "base/clock.h"
#include "format.h"

#include <stdio.h>
#include <string.h>

enum { COUNT_MAX = 1000000000, EVERY_MAX = 86400 };

static int run_get(int argc, char **argv);
static int run_watch(int argc, char **argv);

/* The views' and tables' names, too: for completion. The same as tui_batch_name() gives; the
 * test of the command line compares them. */
#define NAMES                                                                                 \
    "overview", "router", "tasks", "modules", "incidents", "retention", "audit", "mesh",      \
        "totals", "routes", "hosts", "offers", "queues", "tenants", "methods", "edges",       \
        "processes", "dependencies", "certificates", "attention", "task_events", "decisions", \
        "happenings", "revisions", "plan", "audit_log"

static const char *const get_words[] = {NAMES, "-o", "--at", "--filter", "--home", NULL};
static const char *const watch_words[] = {NAMES,      "-o",    "--every", "--count",
                                          "--filter", "--all", "--home",  NULL};
const struct cli_command cli_get = {
    "get",
    "VIEW|TABLE [-o json|table] [--at TIME] [--filter TERMS] [--home DIR]"
    "\n\n"
    "TERMS: as the console's / takes them.\n"
    "TIME: 11:55, 2026-11-23T11:55:07Z, or how long ago: 90s, 5m, 2h.\n\n"
    "  aion get tasks -o json --filter 'intent:noop !state:done'\n"
    "  aion get hosts --at 5m",
    "print a view of the console once", get_words, run_get};
const struct cli_command cli_watch = {
    "watch",
    "VIEW|TABLE [-o json|table] [--every SECONDS] [--count N] [--filter TERMS] [--all] [--home "
    "DIR]"
    "\n\n"
    "A picture every second (--every), --count of them; of events each as it comes, a sample "
    "when\n"
    "there are many, with --all none left out. TERMS: as the console's / takes them.\n\n"
    "  aion watch routes --every 10\n"
    "  aion watch task_events -o json --filter state:dead",
    "print a view again and again, or events as they come", watch_words, run_watch};

static bool take_number(const char *text, int64_t most, int64_t *ret)
{
    return aion_str_i64(aion_str_of(text), ret) && *ret >= 1 && *ret <= most;
}

/* True: an option that both have. */
static bool take_common(struct cli_args *args, struct tui_batch *batch, const char **home,
                        const char **form)
{
    const char *value;
    if ((value = cli_value(args, "--home")) != NULL)
        *home = value;
    else if ((value = cli_value(args, "--filter")) != NULL)
        batch->filter = value;
    else if ((value = cli_value(args, "-o")) != NULL)
        *form = value;
    else if (batch->what == NULL && args->argv[args->at][0] != '-')
        batch->what = args->argv[args->at++];
    else
        return false;
    return true;
}

static int no_such(const struct cli_command *command, const char *what)
{
    struct aion_buf names;
    aion_buf_init(&names, 4096);
    for (size_t i = 0; tui_batch_name(i) != NULL; i++)
        aion_buf_printf(&names, " %s", tui_batch_name(i));
    int status = cli_usage(command, "there is no view or table \"%s\"; there are:%s", what,
                           names.data != NULL ? names.data : "");
    aion_buf_done(&names);
    return status;
}

static int check(const struct cli_command *command, struct tui_batch *batch, const char *form)
{
    int64_t at_us;
    if (batch->what == NULL)
        return cli_usage(command, "name a view or a table");
    if (!tui_batch_knows(batch->what))
        return no_such(command, batch->what);
    if (form != NULL && strcmp(form, "json") != 0 && strcmp(form, "table") != 0)
        return cli_usage(command, "-o: \"%s\" is neither json nor table", form);
    batch->json = form != NULL && strcmp(form, "json") == 0;
    if (batch->at != NULL &&
        !tui_parse_time(aion_str_of(batch->at), aion_clock_utc_us(), false, &at_us))
        return cli_usage(
            command,
            "--at: \"%s\" is no time: 11:55, 11:55:07, 2026-11-23T11:55:07Z, or how "
            "long ago: 90s, 5m, 2h",
            batch->at);
    return CLI_OK;
}

static int run(struct tui_batch *batch, const char *home,
               bool (*print)(const struct tui_batch *, struct aion_err *))
{
    static struct cli_mesh mesh;
    struct aion_err err;
    if (!cli_mesh_find(&mesh, home, &err))
        return cli_error(&err);
    batch->mesh = &mesh.options;
    if (print(batch, &err))
        return CLI_OK;
    if (err.code == AION_UNAVAILABLE || err.code == AION_DEADLINE)
        cli_silence(&mesh.client, "control", &err);
    return cli_error_given(&err);
}

static int run_get(int argc, char **argv)
{
    struct tui_batch batch = {.what = NULL};
    struct cli_args args = {argc, argv, 1};
    const char *value, *home = NULL, *form = NULL;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--at")) != NULL)
            batch.at = value;
        else if (!take_common(&args, &batch, &home, &form))
            return cli_unexpected(&cli_get, &args);
    }
    int status = check(&cli_get, &batch, form);
    return status == CLI_OK ? run(&batch, home, tui_get) : status;
}

static int run_watch(int argc, char **argv)
{
    struct tui_batch batch = {.what = NULL};
    struct cli_args args = {argc, argv, 1};
    const char *value, *home = NULL, *form = NULL;
    int64_t number;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--every")) != NULL) {
            if (!take_number(value, EVERY_MAX, &number))
                return cli_usage(&cli_watch, "--every: \"%s\" is not 1..%d", value, EVERY_MAX);
            batch.every_s = (unsigned)number;
        } else if ((value = cli_value(&args, "--count")) != NULL) {
            if (!take_number(value, COUNT_MAX, &number))
                return cli_usage(&cli_watch, "--count: \"%s\" is not 1..%d", value, COUNT_MAX);
            batch.count = (uint64_t)number;
        } else if (cli_flag(&args, "--all")) {
            batch.all = true;
        } else if (!take_common(&args, &batch, &home, &form)) {
            return cli_unexpected(&cli_watch, &args);
        }
    }
    int status = check(&cli_watch, &batch, form);
    return status == CLI_OK ? run(&batch, home, tui_watch) : status;
}
