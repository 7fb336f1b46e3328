/* See apart.h. */
#include "apart.h"

#include "base/str.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* At once: they wait for most of their time. */
enum { AT_ONCE = 4, TESTS_MAX = 16, TEST_SECONDS_MAX = 120 };

struct apart {
    pid_t pid; /* 0 = not running */
    FILE *output;
};

static void start_apart(struct apart *apart, const char *name)
{
    char program[] = "/proc/self/exe", test[128];
    char *const arguments[] = {program, test, NULL};
    aion_str_copy(test, sizeof(test), aion_str_of(name));
    apart->output = tmpfile();
    assert_non_null(apart->output);
    apart->pid = fork();
    assert_true(apart->pid >= 0);
    if (apart->pid != 0)
        return;
    dup2(fileno(apart->output), STDOUT_FILENO);
    dup2(fileno(apart->output), STDERR_FILENO);
    alarm(TEST_SECONDS_MAX); /* one that hangs is ended by it */
    execv(program, arguments);
    _exit(127);
}

static void print_all(FILE *output)
{
    char line[512];
    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL)
        fputs(line, stdout);
    fclose(output);
}

/* Waits for any of them; true when it failed. */
static bool end_apart(struct apart *aparts, size_t count)
{
    int status = 1;
    pid_t pid = waitpid(-1, &status, 0);
    for (size_t i = 0; i < count; i++) {
        if (aparts[i].pid != pid)
            continue;
        aparts[i].pid = 0;
        print_all(aparts[i].output);
    }
    return status != 0;
}

int apart_run(const struct CMUnitTest *tests, size_t count)
{
    struct apart aparts[TESTS_MAX] = {0};
    int failed = 0;
    assert_true(count <= TESTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (i >= AT_ONCE)
            failed += end_apart(aparts, i);
        start_apart(&aparts[i], tests[i].name);
    }
    for (size_t i = 0; i < count && i < AT_ONCE; i++)
        failed += end_apart(aparts, count);
    printf("%d of %zu tests failed\n", failed, count);
    return failed;
}
