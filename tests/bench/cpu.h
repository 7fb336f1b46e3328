/* What a process has used, for the clients that load it. */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <dirent.h>
#include <stdio.h>

/* CPU seconds of all threads of a process. */
static inline double bench_cpu_of(const char *pid)
{
    char path[600];
    double sum = 0;
    snprintf(path, sizeof(path), "/proc/%s/task", pid);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        unsigned long long ns = 0;
        snprintf(path, sizeof(path), "/proc/%s/task/%s/schedstat", pid, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (file == NULL)
            continue;
        if (fscanf(file, "%llu", &ns) == 1)
            sum += (double)ns * 1e-9;
        fclose(file);
    }
    if (dir != NULL)
        closedir(dir);
    return sum;
}

#endif
