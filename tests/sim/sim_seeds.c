/* Seeds one after the other, in a process of their own that is started anew behind each seed it
 * died of: a failed check, an assertion or a sanitizer's report costs that seed alone. */
#include "sim.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILURES_MAX = 10, KEPT_MAX = 10000 };

struct seeds {
    const char *program;
    void (*run)(uint64_t seed, bool trace);
    uint64_t *list; /* kept ones, then others */
    size_t count;
    volatile size_t *at; /* shared with the child: the one it is at */
    size_t failures;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void add_kept(struct seeds *seeds, const char *path)
{
    char line[256];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(path);
    while (fgets(line, sizeof(line), file) != NULL && seeds->count < KEPT_MAX) {
        aion_str rest = aion_str_of(line), word = aion_str_cut(&rest, ' ');
        uint64_t seed;
        if (aion_str_u64(aion_str_trim(aion_str_cut(&word, '\n')), &seed))
            seeds->list[seeds->count++] = seed;
    }
    fclose(file);
}

static void run_from(const struct seeds *seeds, size_t from)
{
    for (*seeds->at = from; *seeds->at < seeds->count; ++*seeds->at)
        seeds->run(seeds->list[*seeds->at], false);
    exit(0);
}

/* False: the child died of the seed at *seeds->at. */
static bool run_child(const struct seeds *seeds, size_t from)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0)
        run_from(seeds, from);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            fail("waitpid");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void run_all(struct seeds *seeds)
{
    for (size_t from = 0; from < seeds->count && seeds->failures < FAILURES_MAX;) {
        if (run_child(seeds, from))
            return;
        seeds->failures++;
        fprintf(stderr, "again: %s --seed %llu --trace\n", seeds->program,
                (unsigned long long)seeds->list[*seeds->at]);
        from = *seeds->at + 1;
    }
}

static int run_many(const char *program, const char *kept_file, unsigned count, uint64_t first,
                    void (*run)(uint64_t seed, bool trace))
{
    const char *longer = getenv("AION_TEST_LONG");
    size_t others = longer != NULL && longer[0] != '\0' ? (size_t)count * 10 : count;
    struct seeds seeds = {.program = program, .run = run};
    int64_t begun_us = aion_clock_mono_us();
    seeds.list = calloc(others + KEPT_MAX, sizeof(*seeds.list));
    seeds.at = mmap(NULL, sizeof(*seeds.at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                    -1, 0);
    if (seeds.list == NULL || seeds.at == MAP_FAILED)
        fail("memory");
    add_kept(&seeds, kept_file);
    size_t kept = seeds.count;
    for (size_t i = 0; i < others; i++)
        seeds.list[seeds.count++] = first + i;
    run_all(&seeds);
    printf("%zu kept seeds and %zu others from %llu: %zu failed, %.1f s\n", kept, others,
           (unsigned long long)first, seeds.failures,
           (double)(aion_clock_mono_us() - begun_us) / 1e6);
    free(seeds.list);
    return seeds.failures > 0;
}

int sim_main(int argc, char **argv, const char *kept_file, unsigned count,
             void (*run)(uint64_t seed, bool trace))
{
    uint64_t seed = 1;
    bool one = argc >= 3 && strcmp(argv[1], "--seed") == 0,
         from = argc == 3 && strcmp(argv[1], "--from") == 0;
    bool trace = argc == 4 && strcmp(argv[3], "--trace") == 0;
    if (argc != 1 && !((one || from) && aion_str_u64(aion_str_of(argv[2]), &seed))) {
        fprintf(stderr, "%s [--seed N [--trace] | --from N]\n", argv[0]);
        return 2;
    }
    if (!one)
        return run_many(argv[0], kept_file, count, seed, run);
    run(seed, trace);
    printf("seed %llu holds\n", (unsigned long long)seed);
    return 0;
}
