/* kill -9 of the engine, at random and at named points (base/failpoint.h), again and again on
 * the same database.
 *
 *   engine_kill [KILLS] [SEED]    on SQLite; AION_TEST_LONG: twenty times as many
 *
 * Each process is control with its store, clients and a host (run.c); its successor goes on
 * with what it left, as after a crash. Now and then one may live until every task has ended:
 * none may be stuck. At the end the database is held to what was told (judge.c). */
#include "../kills.h"
#include "engine.h"

#include "base/clock.h"
#include "base/failpoint.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    KILLS = 150,
    CALM_EACH = 25,
    DELAY_US_MAX = 120000,
    POINT_WAIT_MS = 3000,
    LONG_MS = 60000,
    FIRST_WORD_MS = 10000
};

static const char *folder;
static char url[128], complaints[128];
static struct engine_ledger ledger;

/* Three of eight at moments of chance. */
static struct kill_point points[] = {
    {"store/before_commit", 25, 0},
    {"store/after_commit", 25, 0},
    {"control/after_commit_before_ack", 20, 0},
    {"control/after_finish_before_settled", 20, 0},
    {"engine/after_run_before_report", 20, 0},
    {NULL, 0, 0},
    {NULL, 0, 0},
    {NULL, 0, 0},
};

/* What a process complains of goes into a file: a kill must not hide a sanitizer's report. */
static void complain_into_file(void)
{
    int fd = open(complaints, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
        engine_die("complaints", NULL);
    close(fd);
}

static void hold_no_complaints(void)
{
    char text[4096];
    int fd = open(complaints, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (size > 0) {
        text[size] = '\0';
        fprintf(stderr, "%s\nkept: %s\n", text, folder);
        exit(1);
    }
    if (fd >= 0)
        close(fd);
}

static pid_t start(const char *failpoints, bool calm, int *ret_in)
{
    int ends[2];
    struct aion_err err;
    if (pipe(ends) != 0)
        engine_die("pipe", NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct engine_run run = {.url = url, .ledger = &ledger, .out = ends[1], .calm = calm};
        close(ends[0]);
        complain_into_file();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!aion_failpoints_arm(failpoints, &err))
            engine_die("points", &err);
        engine_run(&run);
        _exit(0);
    }
    close(ends[1]);
    *ret_in = ends[0];
    return pid;
}

/* Hears what it says until it ends (true), or until the time. */
static bool listen_until(int in, int64_t until_us)
{
    struct engine_said said;
    struct pollfd word = {.fd = in, .events = POLLIN};
    for (;;) {
        int64_t left_ms = (until_us - aion_clock_mono_us()) / 1000;
        if (left_ms < 0 || poll(&word, 1, left_ms < LONG_MS ? (int)left_ms : LONG_MS) <= 0)
            return false;
        if (read(in, &said, sizeof(said)) != (ssize_t)sizeof(said))
            return true;
        engine_hear(&ledger, said);
    }
}

static int end(pid_t pid, int in)
{
    int status;
    waitpid(pid, &status, 0);
    listen_until(in, INT64_MAX); /* what it had said before: the pipe's end comes */
    close(in);
    hold_no_complaints();
    return status;
}

static void wait_for_first_word(int in)
{
    struct pollfd word = {.fd = in, .events = POLLIN};
    poll(&word, 1, FIRST_WORD_MS);
}

/* Opening takes longer than most moments: one process in four may be killed in it. */
static void wait_a_moment(int in, struct aion_rand *rand)
{
    if (aion_rand_below(rand, 4) > 0)
        wait_for_first_word(in);
    listen_until(in, aion_clock_mono_us() + (int64_t)aion_rand_below(rand, DELAY_US_MAX));
}

/* True: it died there. */
static bool wait_for_point(int in)
{
    wait_for_first_word(in);
    return listen_until(in, aion_clock_mono_us() + 1000 * (int64_t)POINT_WAIT_MS);
}

/* By the point itself; by hand when it is not come to in time. */
static void round_of_kill(struct aion_rand *rand)
{
    struct kill_point *point = &points[aion_rand_below(rand, aion_countof(points))];
    struct kill_point *chance = &points[aion_countof(points) - 1];
    char text[KILL_TEXT_MAX];
    int in;
    kill_point_text(point, rand, text);
    pid_t pid = start(text, false, &in);
    bool by_itself = point->name != NULL && wait_for_point(in);
    if (point->name == NULL)
        wait_a_moment(in, rand);
    kill(pid, SIGKILL);
    int status = end(pid, in);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        engine_die("the engine ended in another way than by a kill", NULL);
    (point->name == NULL || by_itself ? point : chance)->kills++;
}

/* One that lives until all is done. */
static void round_of_calm(void)
{
    int in;
    pid_t pid = start("", true, &in);
    listen_until(in, INT64_MAX);
    int status = end(pid, in);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "kept: %s\n", folder);
        engine_die("a task did not end", NULL);
    }
    ledger.all_below = ledger.count;
}

static void hold(void)
{
    uint32_t number;
    const char *wrong = engine_judge(url, &ledger, &number);
    if (wrong == NULL)
        return;
    fprintf(stderr, "task %u: %s\nkept: %s\n", number, wrong, folder);
    exit(1);
}

static void report(uint64_t kills, int64_t begun_us)
{
    const char *unmet = kill_points_unmet(points, aion_countof(points));
    printf("%llu kills, %u tasks: none lost, none ended twice, none stuck, all paid for once, "
           "%.1f s\n",
           (unsigned long long)kills, ledger.count,
           (double)(aion_clock_mono_us() - begun_us) / 1e6);
    kill_points_report(points, aion_countof(points), "the engine");
    if (unmet != NULL) {
        fprintf(stderr, "no process died at %s; kept: %s\n", unmet, folder);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    uint64_t kills = KILLS;
    struct aion_rand rand;
    if (!kill_arguments(argc, argv, &kills, &rand))
        engine_die("usage: engine_kill [KILLS] [SEED], numbers both", NULL);
    folder = kill_folder_make("engine");
    if (folder == NULL)
        engine_die("mkdtemp", NULL);
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", folder);
    snprintf(complaints, sizeof(complaints), "%s/complaints", folder);
    int64_t begun_us = aion_clock_mono_us();
    engine_make_store(url);
    for (uint64_t i = 0; i < kills; i++) {
        round_of_kill(&rand);
        if ((i + 1) % CALM_EACH == 0 || i + 1 == kills)
            round_of_calm();
    }
    hold();
    report(kills, begun_us);
    kill_folder_remove(folder);
    return 0;
}
