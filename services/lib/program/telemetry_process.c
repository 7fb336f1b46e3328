/* What the kernel says of the process and its machine: proc(5). On a worker, as a process with
 * many descriptors takes its time to count them. */
#include "auth/ca.h"
#include "base/file.h"
#include "program/telemetry_private.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 8192, CERT_EVERY = 60 };

/* The file's beginning, "" when it cannot be read. */
static void read_text(const char *path, char text[TEXT_MAX])
{
    FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(text, 1, TEXT_MAX - 1, file) : 0;
    text[size] = '\0';
    if (file != NULL)
        fclose(file);
}

static int64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at != NULL ? strtoll(at + strlen(name), NULL, 10) : 0;
}

static void read_status(struct telemetry_process *process)
{
    char text[TEXT_MAX];
    read_text("/proc/self/status", text);
    process->rss_bytes = number_after(text, "VmRSS:") * 1024;
    process->threads = number_after(text, "Threads:");
}

/* Since Linux 6.2 the folder's size is the number of descriptors; before it is 0. */
static int64_t count_fds(void)
{
    struct stat about;
    int64_t count = -3; /* ".", ".." and the one that counts */
    if (stat("/proc/self/fd", &about) == 0 && about.st_size > 0)
        return about.st_size;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* "cpu  user nice system idle iowait irq softirq steal ...": busy is what is neither idle nor
 * iowait. */
static void read_machine(struct telemetry_process *process)
{
    char text[TEXT_MAX];
    uint64_t all = 0, idle = 0, busy;
    read_text("/proc/stat", text);
    char *at = text + (strncmp(text, "cpu ", 4) == 0 ? 4 : 0);
    for (int i = 0; i < 8 && at != text; i++) {
        uint64_t ticks = strtoull(at, &at, 10);
        all += ticks;
        idle += i == 3 || i == 4 ? ticks : 0;
    }
    busy = all - idle;
    if (process->machine_all > 0 && all > process->machine_all && busy >= process->machine_busy)
        process->machine_cpu_ppm =
            (int64_t)((busy - process->machine_busy) * 1000000 / (all - process->machine_all));
    process->machine_all = all;
    process->machine_busy = busy;
    process->machine_memory_bytes =
        (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
}

static int64_t time_us(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

void telemetry_process_read(struct telemetry_process *process)
{
    struct rusage usage;
    int64_t begin_s;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        process->cpu_us = time_us(usage.ru_utime) + time_us(usage.ru_stime);
    read_status(process);
    process->fds = count_fds();
    read_machine(process);
    if (process->cert_file != NULL && process->reads % CERT_EVERY == 0 &&
        !auth_cert_times(process->cert_file, &begin_s, &process->cert_expires_s, NULL))
        process->cert_expires_s = 0;
    process->reads++;
}
