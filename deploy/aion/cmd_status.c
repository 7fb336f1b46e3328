/* aion status: each process, as the kernel and its own admin port see it. */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const words[] = {"--home", "--json", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_status = {"status", "[--home DIR] [--json]",
                                       "show the processes of the mesh", words, run};

struct seen {
    uint64_t rss_kib;
    int64_t up_s;
    int ready; /* HTTP status of /readyz; 0 = no answer */
    char reason[160];
};

/* The second number of /proc/PID/statm: resident pages. */
static uint64_t resident_kib(int pid)
{
    char path[64], text[128] = "";
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    aion_str rest = aion_str_n(text, size);
    uint64_t pages = 0;
    aion_str_cut(&rest, ' ');
    (void)aion_str_u64(aion_str_cut(&rest, ' '), &pages);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* Field 22 of /proc/PID/stat: start in ticks since boot; counted behind the name's ")". */
static int64_t running_s(int pid)
{
    char path[64], text[1024] = "";
    struct timespec now;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[size] = '\0';
    const char *name_end = strrchr(text, ')');
    if (name_end == NULL)
        return 0;
    aion_str rest = aion_str_of(name_end + 2);
    uint64_t ticks = 0;
    for (int i = 3; i < 22 && rest.data != NULL; i++)
        aion_str_cut(&rest, ' ');
    if (rest.data == NULL || !aion_str_u64(aion_str_cut(&rest, ' '), &ticks))
        return 0;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec - (int64_t)(ticks / (uint64_t)sysconf(_SC_CLK_TCK));
}

static struct seen look(const struct cli_process *process)
{
    struct seen seen = {.reason = "not running"};
    struct aion_buf body;
    if (process->pid <= 0)
        return seen;
    seen.rss_kib = resident_kib(process->pid);
    seen.up_s = running_s(process->pid);
    aion_buf_init(&body, 65536);
    seen.ready = cli_http_get(process->admin_port, "/readyz", &body);
    aion_str text = seen.ready != 0 ? aion_buf_view(&body) : AION_STR("no answer");
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    aion_str_copy(seen.reason, sizeof(seen.reason), text);
    aion_buf_done(&body);
    return seen;
}

static void print_row(const struct cli_process *process, const struct seen *seen)
{
    printf("%-10s %-8s %7d %6d %6d %8lld %9.1f %8u  %s\n", process->name,
           seen->ready == 200 ? "ready" : "NOT READY", process->pid, process->port,
           process->admin_port, (long long)seen->up_s, (double)seen->rss_kib / 1024,
           process->restarts, seen->ready == 200 ? "" : seen->reason);
}

static void print_json(const struct cli_process *process, const struct seen *seen, bool first)
{
    struct aion_buf out;
    aion_buf_init(&out, 4096);
    aion_buf_printf(&out,
                    "%s{\"name\":\"%s\",\"ready\":%s,\"pid\":%d,\"port\":%d,\"admin_port\":%d,"
                    "\"up_s\":%lld,"
                    "\"rss_kib\":%llu,\"restarts\":%u,\"reason\":",
                    first ? "" : ",", process->name, seen->ready == 200 ? "true" : "false",
                    process->pid, process->port, process->admin_port, (long long)seen->up_s,
                    (unsigned long long)seen->rss_kib, process->restarts);
    aion_buf_json(&out, aion_str_of(seen->reason));
    printf("%s}", out.data);
    aion_buf_done(&out);
}

static void begin_json(const struct cli_run *mesh)
{
    struct aion_buf out;
    aion_buf_init(&out, 8 * CLI_PATH_MAX);
    aion_buf_text(&out, "{\"home\":");
    aion_buf_json(&out, aion_str_of(mesh->home));
    aion_buf_printf(&out, ",\"pid\":%d,\"processes\":[", mesh->pid);
    fputs(out.data, stdout);
    aion_buf_done(&out);
}

static int show(const struct cli_run *mesh, bool json)
{
    uint64_t rss_kib = 0;
    bool all = true;
    if (json)
        begin_json(mesh);
    else
        printf("%-10s %-8s %7s %6s %6s %8s %9s %8s\n", "PROCESS", "STATE", "PID", "PORT",
               "ADMIN", "UP s", "RSS MiB", "RESTARTS");
    for (size_t i = 0; i < mesh->process_count; i++) {
        struct seen seen = look(&mesh->processes[i]);
        rss_kib += seen.rss_kib;
        all = all && seen.ready == 200;
        if (json)
            print_json(&mesh->processes[i], &seen, i == 0);
        else
            print_row(&mesh->processes[i], &seen);
    }
    if (json)
        printf("],\"rss_kib\":%llu,\"ready\":%s}\n", (unsigned long long)rss_kib,
               all ? "true" : "false");
    else
        printf("all processes: %.1f MiB\n", (double)rss_kib / 1024);
    return all ? CLI_OK : CLI_FAILED;
}

static int run(int argc, char **argv)
{
    struct cli_args args = {argc, argv, 1};
    struct cli_run mesh;
    struct aion_err err;
    char path[CLI_PATH_MAX];
    const char *home = NULL, *value;
    bool json = false;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--home")) != NULL)
            home = value;
        else if (cli_flag(&args, "--json"))
            json = true;
        else
            return cli_unexpected(&cli_status, &args);
    }
    if (!cli_home(home, path, &err) || !cli_run_read(path, &mesh, &err))
        return cli_error(&err);
    return show(&mesh, json);
}
