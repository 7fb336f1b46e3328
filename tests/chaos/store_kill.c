/* kill -9 of the store alone: a writer process is killed at random moments and at named points
 * (base/failpoint.h), again and again on the same file, and what it had acknowledged is looked
 * for afterwards.
 *
 *   store_kill [KILLS] [SEED]   on SQLite; on PostgreSQL where AION_TEST_POSTGRES_URL is set.
 *                               AION_TEST_LONG: twenty times as many
 *
 * The writer drives tasks of every shape (tasks/work.h) and tells each acknowledgement through
 * a pipe, by one write per completion, before it does anything else. After each kill the parent
 * opens the store itself and holds it to what it was told: every acknowledged step is there, no
 * step by half, nothing twice, a repeat under the same key gives the same task; and the file
 * passes the check that every open makes.
 *
 * kill -9 leaves the page cache alone: this shows that no acknowledgement runs ahead of its
 * commit and that recovery is right, not that the disk keeps its promises (powerloss does). */
#include "base/clock.h"
#include "base/failpoint.h"
#include "kills.h"
#include "tasks/work.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 350, LANES = 16, DELAY_US_MAX = 40000, POINT_WAIT_MS = 300 };

static const char *folder;
static char url[256];
static struct work_ledger ledger;
static int out;
static uint64_t delay_us_max = DELAY_US_MAX;
static int point_wait_ms = POINT_WAIT_MS;

/* A window is made every 200 tasks; the place of unfinished ones moves at each commit when told
 * so. */
static struct kill_point points[] = {
    {"store/before_commit", 12, 0},
    {"store/after_commit", 12, 0},
    {"store/in_window", 1, 0},
    {"store/in_sweep", 4, 0},
    {"store/move_early=error:0,store/in_move", 12, 0}, /* SQLite's */
    {NULL, 0, 0},
};
enum { CHANCE = aion_countof(points) - 1, MOVE = CHANCE - 1 };

/* -- the writer --------------------------------------------------------------------- */
static void say(struct work_said said)
{
    if (write(out, &said, sizeof(said)) != (ssize_t)sizeof(said))
        exit(3);
}

static void run_writer(uint32_t first, const char *failpoints)
{
    struct aion_err err;
    if (!aion_failpoints_arm(failpoints, &err))
        work_die("failpoints", &err);
    struct work_conf conf = {
        .url = url, .first = first, .lanes = LANES, .sweeps = true, .say = say};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work_run(&conf);
}

/* -- the judge ---------------------------------------------------------------------- */
static uint32_t listen_until_end(int in)
{
    struct work_said said;
    uint32_t heard = 0;
    while (read(in, &said, sizeof(said)) == (ssize_t)sizeof(said)) {
        if (!work_hear(&ledger, said))
            work_die("too many tasks", NULL);
        heard++;
    }
    return heard;
}

static void hold(const char *wrong, uint32_t number)
{
    if (wrong == NULL)
        return;
    fprintf(stderr, "task %u, acknowledged %u steps: %s\n", number, ledger.acked[number],
            wrong);
    fprintf(stderr, "kept: %s\n", folder);
    exit(1);
}

static struct work_store open_store(const char *what)
{
    struct work_store store;
    struct aion_err err;
    struct store_conf conf = {.url = url};
    if (!work_open(&conf, &store, &err)) /* checks the file */
        work_die(what, &err);
    return store;
}

static void judge(uint32_t from)
{
    struct work_store store = open_store("open after kill");
    for (uint32_t number = from; number < ledger.count; number++) {
        hold(work_settle_task(store.store, &ledger, number), number);
        if (number % 8 == 0)
            hold(work_judge_key(&store, &ledger, number), number);
    }
    hold(work_end_leftovers(&store, &ledger), from);
    store_close(store.store);
}

/* Everything of every round once more, one by one, by the listing, the books and the outbox. */
static void judge_all(void)
{
    judge(0);
    struct work_store store = open_store("open at the end");
    hold(work_judge_list(store.store, &ledger), 0);
    hold(work_judge_outbox(store.store, &ledger), 0);
    store_close(store.store);
}

/* -- rounds ------------------------------------------------------------------------- */
/* The moment of the kill is the test's random input. Opening takes longer than most such
 * moments: one round in four may be killed in it, the others when work has begun. */
static void wait_a_moment(int in, struct aion_rand *rand)
{
    struct pollfd first_word = {.fd = in, .events = POLLIN};
    if (aion_rand_below(rand, 4) > 0)
        poll(&first_word, 1, 10000);
    struct timespec delay = {.tv_nsec = (long)(1000 * aion_rand_below(rand, delay_us_max))};
    nanosleep(&delay, NULL);
}

/* Half of the rounds end at a moment of chance. */
static struct kill_point *choose_point(struct aion_rand *rand)
{
    uint64_t count = points[MOVE].most > 0 ? CHANCE : MOVE,
             which = aion_rand_below(rand, 2 * count);
    return &points[which < count ? which : CHANCE];
}

/* True: it died by itself. One that does not come to its point soon dies by the kill that
 * follows. Points lie behind the opening, as a rule. */
static bool wait_for_end(pid_t pid, int in)
{
    siginfo_t info = {.si_pid = 0};
    struct pollfd first_word = {.fd = in, .events = POLLIN};
    poll(&first_word, 1, 10000);
    for (int i = 0; i < point_wait_ms && info.si_pid == 0; i += 2) {
        struct timespec step = {.tv_nsec = 2000000};
        nanosleep(&step, NULL);
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    }
    return info.si_pid != 0;
}

static uint32_t round_of_kill(struct aion_rand *rand)
{
    int ends[2];
    char text[KILL_TEXT_MAX];
    struct kill_point *point = choose_point(rand);
    kill_point_text(point, rand, text);
    uint32_t from = ledger.count;
    ledger.swept_below = from > WORK_KEPT ? from - WORK_KEPT : 0;
    if (pipe(ends) != 0)
        work_die("pipe", NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        out = ends[1];
        run_writer(from, text);
    }
    close(ends[1]);
    bool by_itself = point->name != NULL && wait_for_end(pid, ends[0]);
    if (point->name == NULL)
        wait_a_moment(ends[0], rand);
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        work_die("the writer ended in another way than by a kill", NULL);
    (by_itself ? point : &points[CHANCE])->kills++;
    uint32_t heard = listen_until_end(ends[0]);
    close(ends[0]);
    ledger.count += 2 * LANES; /* numbers begun but never heard of */
    judge(from);
    return heard;
}

/* A writer on PostgreSQL takes longer to begin and to come to a point. What is written into old
 * windows goes one by one there; batches, and the points in them, need tasks of today. */
static void set_url(void)
{
    const char *postgres = getenv("AION_TEST_POSTGRES_URL");
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", folder);
    if (postgres == NULL)
        return;
    delay_us_max = 5 * (uint64_t)DELAY_US_MAX;
    point_wait_ms = 5 * POINT_WAIT_MS;
    points[MOVE].most = 0;
    work_begin_at(aion_clock_utc_us());
    snprintf(url, sizeof(url), "%s%caion_schema=kill", postgres,
             strchr(postgres, '?') ? '&' : '?');
}

static void report(uint64_t kills, uint64_t heard, int64_t begun_us)
{
    const char *unmet = kill_points_unmet(points, aion_countof(points));
    printf("%llu kills, %llu acknowledgements, none lost, none doubled, %.1f s\n",
           (unsigned long long)kills, (unsigned long long)heard,
           (double)(aion_clock_mono_us() - begun_us) / 1e6);
    kill_points_report(points, aion_countof(points), "the store");
    if (unmet != NULL) {
        fprintf(stderr, "no writer died at %s; kept: %s\n", unmet, folder);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    uint64_t kills = KILLS, heard = 0;
    struct aion_rand rand;
    if (!kill_arguments(argc, argv, &kills, &rand))
        work_die("usage: store_kill [KILLS] [SEED], numbers both", NULL);
    folder = kill_folder_make("kill");
    if (folder == NULL)
        work_die("mkdtemp", NULL);
    set_url();
    int64_t begun_us = aion_clock_mono_us();
    for (uint64_t i = 0; i < kills; i++)
        heard += round_of_kill(&rand);
    judge_all();
    report(kills, heard, begun_us);
    kill_folder_remove(folder);
    return 0;
}
