/* kill -9 of the store alone: a writer process is killed at random moments and at named points
 * (base/failpoint.h), again and again on the same file, and what it had acknowledged is looked
 * for afterwards.
 *
 *   store_kill [KILLS] [SEED]   on SQLite; on PostgreSQL where AION_TEST_POSTGRES_URL is set
 *
 * The writer drives tasks through accept, start, finish, with idempotency keys, sweeps away
 * what rounds before it left, and tells each acknowledgement through a pipe, by one write per
 * completion, before it does anything else. After each kill the parent opens the store itself
 * and holds it to what it was told: an acknowledged task is there; a finished one has its
 * result and exactly one end; an accept repeated under the same key gives the same task; and
 * the file passes the check that every open makes.
 *
 * kill -9 leaves the page cache alone: this shows that no acknowledgement runs ahead of its
 * commit and that recovery is right, not that the disk keeps its promises. */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/rand.h"
#include "store/store.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define T0      1700000000000000
#define STEP_US 5000 /* windows of a second hold 200 tasks */

enum { KILLS = 250, LANES = 16, TASKS_MAX = 1 << 20, DELAY_US_MAX = 40000 };

/* What the writer says: task `number` is accepted, or finished. Small enough for a pipe to take
 * whole. */
struct said {
    uint32_t number;
    uint32_t finished;
};

static char folder[] = "/tmp/aion-kill-XXXXXX", url[256];
static uint64_t delay_us_max = DELAY_US_MAX;
static const char digest[] = "dddddddddddddddddddddddddddddddd";

static void die(const char *what, const struct aion_err *err)
{
    fprintf(stderr, "store_kill: %s: %s (%s)\n", what, err != NULL ? err->text : "",
            err != NULL ? err->detail : "");
    exit(1);
}

static uint64_t epoch; /* of the store that is open here */

static uint64_t seq_of(uint32_t number)
{
    return store_seq(T0 + number * STEP_US, number % STORE_SHARDS);
}

static struct aion_uuid id_of(uint32_t number)
{
    struct aion_uuid id = {.bytes = {0x01}};
    memcpy(id.bytes + 12, &number, sizeof(number));
    return id;
}

static void fill_accept(struct store_accept *accept, uint32_t number, char key[16])
{
    snprintf(key, 16, "k%u", number);
    *accept = (struct store_accept){.write = {.seq = seq_of(number), .epoch = epoch},
                                    .id = id_of(number),
                                    .tenant = AION_STR("default"),
                                    .intent = AION_STR("noop"),
                                    .key = aion_str_of(key),
                                    .digest = aion_str_n(digest, 32),
                                    .decision.bytes = AION_STR("d"),
                                    .body = AION_STR("the body of a task")};
}

/* -- the writer --------------------------------------------------------------------- */
struct lane {
    struct store_accept accept;
    struct store_start start;
    struct store_finish finish;
    uint32_t number;
    char key[16], result[16];
};

static struct writer {
    struct aion_exec exec;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct aion_job *job;
    struct store *store;
    int out;
    uint32_t next;
    struct store_sweep sweep;
    unsigned finished; /* since the last sweep began */
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void post(struct aion_exec *exec, struct aion_job *job)
{
    (void)exec;
    pthread_mutex_lock(&writer.lock);
    writer.job = job;
    pthread_cond_signal(&writer.wake);
    pthread_mutex_unlock(&writer.lock);
}

static void say(uint32_t number, bool finished)
{
    struct said said = {number, finished};
    if (write(writer.out, &said, sizeof(said)) != (ssize_t)sizeof(said))
        exit(3);
}

static void next_task(struct lane *lane);

/* -- sweeping ----------------------------------------------------------------------- */
enum { SWEEP_EVERY = 200, KEPT_TASKS = 3000 };

static void submit_sweep(void)
{
    struct aion_err err;
    if (!store_sweep(writer.store, &writer.sweep, &err))
        die("submit", &err);
}

static void sweep_done(struct store_op *op, const struct aion_err *err)
{
    (void)op;
    if (err != NULL)
        die("sweep", err);
    if (writer.sweep.more)
        submit_sweep();
    else
        writer.finished = 0;
}

/* Numbers below this one may be gone when `first` begins a round. */
static uint32_t swept_below(uint32_t first)
{
    return first > KEPT_TASKS ? first - KEPT_TASKS : 0;
}

/* What rounds before left, but for the last of it. */
static void begin_sweep(uint32_t first)
{
    int64_t before_us = T0 + swept_below(first) * (int64_t)STEP_US;
    writer.sweep = (struct store_sweep){.op.done = sweep_done,
                                        .succeeded_before_us = before_us,
                                        .failed_before_us = before_us,
                                        .batch_max = 50};
    submit_sweep();
}

static void one_finished(void)
{
    if (++writer.finished == SWEEP_EVERY && !writer.sweep.more)
        submit_sweep();
}

static void finish_done(struct store_op *op, const struct aion_err *err)
{
    struct lane *lane = aion_container(op, struct lane, finish.write.op);
    if (err != NULL || lane->finish.write.outcome != STORE_DONE)
        die("finish", err);
    say(lane->number, true);
    one_finished();
    next_task(lane);
}

static void start_done(struct store_op *op, const struct aion_err *err)
{
    (void)op;
    if (err != NULL)
        die("start", err);
}

static void accept_done(struct store_op *op, const struct aion_err *err)
{
    struct lane *lane = aion_container(op, struct lane, accept.write.op);
    struct store_token token = {epoch, 1};
    struct store_write write = {.seq = seq_of(lane->number), .epoch = epoch};
    struct aion_err own;
    if (err != NULL || lane->accept.write.outcome != STORE_DONE)
        die("accept", err);
    say(lane->number, false);
    snprintf(lane->result, sizeof(lane->result), "r%u", lane->number);
    lane->start = (struct store_start){.write = write, .begin = {.token = token, .at_us = 1}};
    lane->start.write.op = (struct store_op){.done = start_done, .lazy = true};
    lane->finish = (struct store_finish){.write = write,
                                         .token = token,
                                         .state = STORE_SUCCEEDED,
                                         .at_us = 1,
                                         .result = aion_str_of(lane->result)};
    lane->finish.write.op.done = finish_done;
    if (lane->number % 2 == 0) /* the start goes with the end, or alone before it */
        lane->finish.begin = &lane->start.begin;
    else if (!store_start(writer.store, &lane->start, &own))
        die("submit", &own);
    if (!store_finish(writer.store, &lane->finish, &own))
        die("submit", &own);
}

static void next_task(struct lane *lane)
{
    struct aion_err err;
    lane->number = writer.next++;
    fill_accept(&lane->accept, lane->number, lane->key);
    lane->accept.write.op.done = accept_done;
    if (!store_accept(writer.store, &lane->accept, &err))
        die("submit", &err);
}

/* Small windows, so that kills meet their making. */
static struct store *open_store(struct aion_exec *exec, const char *what)
{
    struct aion_err err;
    struct aion_arena arena;
    struct store_conf conf = {.url = url, .exec = exec, .window_us = 1000000};
    struct store *store = store_open(&conf, &err); /* checks the file */
    aion_arena_init(&arena, 4096, NULL, 0);
    struct store_lease lease = {.op.arena = &arena,
                                .replica = AION_STR("kill"),
                                .lease_us = 600000000,
                                .shards_max = STORE_SHARDS,
                                .first = true};
    if (store == NULL || !store_lease_wait(store, &lease, &err))
        die(what, &err);
    epoch = lease.shards[0].epoch;
    aion_arena_done(&arena);
    return store;
}

static void run_writer(int out, uint32_t first, const char *points)
{
    static struct lane lanes[LANES];
    struct aion_err err;
    if (!aion_failpoints_arm(points, &err))
        die("points", &err);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    writer.exec.post = post;
    writer.out = out;
    writer.next = first;
    writer.store = open_store(&writer.exec, "open in writer");
    for (size_t i = 0; i < LANES; i++)
        next_task(&lanes[i]);
    begin_sweep(first);
    for (;;) {
        pthread_mutex_lock(&writer.lock);
        while (writer.job == NULL)
            pthread_cond_wait(&writer.wake, &writer.lock);
        struct aion_job *job = writer.job;
        writer.job = NULL;
        pthread_mutex_unlock(&writer.lock);
        job->run(job);
    }
}

/* -- the judge ---------------------------------------------------------------------- */
/* What was acknowledged over all rounds, by task number: 1 accepted, 2 finished. */
static uint8_t acked[TASKS_MAX];
static uint32_t task_count; /* numbers below were given to writers */
static uint32_t last_from;  /* the first number of the last round */
static unsigned by_point;   /* rounds that ended at a named point */

static uint32_t listen_until_end(int in)
{
    struct said said;
    uint32_t heard = 0;
    while (read(in, &said, sizeof(said)) == (ssize_t)sizeof(said)) {
        if (said.number >= TASKS_MAX)
            die("too many tasks", NULL);
        acked[said.number] = said.finished ? 2 : 1;
        if (said.number >= task_count)
            task_count = said.number + 1;
        heard++;
    }
    return heard;
}

static struct store_task read_task(struct store *store, uint32_t number,
                                   struct aion_arena *arena)
{
    struct aion_err err;
    struct store_task_read read = {
        .op.arena = arena, .id = id_of(number), .seq = seq_of(number), .with_history = true};
    if (!store_task_read_wait(store, &read, &err))
        die("read", &err);
    return read.found ? read.task : (struct store_task){.state = 0};
}

static unsigned count_ends(const struct store_task *task)
{
    unsigned ends = 0;
    for (size_t i = 0; i < task->event_count; i++)
        ends += (task->events[i].kinds & STORE_EVENT_SUCCEEDED) != 0;
    return ends;
}

static void judge_task(struct store *store, uint32_t number)
{
    struct aion_arena arena;
    char result[16];
    aion_arena_init(&arena, 1 << 20, NULL, 0);
    struct store_task task = read_task(store, number, &arena);
    if (acked[number] >= 1 && task.state == 0)
        die("an acknowledged task is lost", NULL);
    if (acked[number] == 2 && task.state != STORE_SUCCEEDED)
        die("an acknowledged end is lost", NULL);
    snprintf(result, sizeof(result), "r%u", number);
    if (task.state == STORE_SUCCEEDED &&
        (count_ends(&task) != 1 || !aion_str_is(task.result, result)))
        die("a result is doubled or another's", NULL);
    if (task.state != STORE_SUCCEEDED && count_ends(&task) != 0)
        die("an end without a result", NULL);
    aion_arena_done(&arena);
}

/* The same key again, as a client would after an answer that never came. */
static void judge_key(struct store *store, uint32_t number)
{
    struct store_accept accept;
    struct aion_err err;
    char key[16];
    fill_accept(&accept, number, key);
    struct aion_uuid first = accept.id;
    accept.write.seq += (uint64_t)1000000000 << STORE_SHARD_BITS; /* as of later */
    accept.id = aion_uuid_new();
    if (acked[number] == 0)
        return;
    if (!store_accept_wait(store, &accept, &err))
        die("repeat", &err);
    if (accept.write.outcome != STORE_DUPLICATE || !aion_uuid_eq(&accept.first, &first))
        die("a repeated key made a second task", NULL);
}

/* Unfinished tasks end under the new epoch; those that the writer was about to end may have
 * been. */
static void finish_leftovers(struct store *store)
{
    struct aion_arena arena;
    struct aion_err err;
    aion_arena_init(&arena, 16 << 20, NULL, 0);
    struct store_load load = {.op.arena = &arena, .shards = STORE_ALL_SHARDS, .limit = 1000};
    if (!store_load_wait(store, &load, &err))
        die("load", &err);
    if (load.more)
        die("more unfinished tasks than were under way", NULL);
    for (size_t i = 0; i < load.count; i++) {
        struct store_finish finish = {.write = {.seq = load.tasks[i].seq, .epoch = epoch},
                                      .token = load.tasks[i].token,
                                      .state = STORE_CANCELLED,
                                      .at_us = 1};
        if (!store_finish_wait(store, &finish, &err) || finish.write.outcome != STORE_DONE)
            die("an unfinished task cannot be ended", &err);
    }
    aion_arena_done(&arena);
}

static void judge(uint32_t from)
{
    struct store *store = open_store(NULL, "open after kill");
    for (uint32_t number = from; number < task_count; number++) {
        judge_task(store, number);
        if (number % 8 == 0)
            judge_key(store, number);
    }
    finish_leftovers(store);
    store_close(store);
}

/* Where this round's writer dies: at a named point, or "" for a moment of chance. A window is
 * made every 200 tasks; the place of unfinished ones moves at each commit when told so. */
static const char *choose_points(struct aion_rand *rand, char out[160])
{
    static const char *const points[] = {"store/before_commit", "store/after_commit",
                                         "store/in_window", "store/in_sweep",
                                         "store/move_early=error:0,store/in_move"};
    static const uint64_t most[] = {12, 12, 1, 4, 12};
    uint64_t which = aion_rand_below(rand, 2 * aion_countof(points));
    if (which >= aion_countof(points))
        return "";
    snprintf(out, 160, "%s=kill:%llu", points[which],
             (unsigned long long)(1 + aion_rand_below(rand, most[which])));
    return out;
}

/* -- rounds ------------------------------------------------------------------------- */
/* It dies by itself; if it does not come to its point in time, by the kill below. */
static void wait_for_end(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    for (int i = 0; i < 60 && info.si_pid == 0; i++) {
        struct timespec step = {.tv_nsec = 2000000};
        nanosleep(&step, NULL);
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    }
    by_point += info.si_pid != 0;
}

static uint32_t round_of_kill(struct aion_rand *rand)
{
    int ends[2];
    char text[160];
    const char *points = choose_points(rand, text);
    uint32_t from = task_count;
    if (pipe(ends) != 0)
        die("pipe", NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_writer(ends[1], task_count, points);
    }
    close(ends[1]);
    if (points[0] != '\0')
        wait_for_end(pid);
    struct timespec delay = {.tv_nsec = (long)(1000 * aion_rand_below(rand, delay_us_max))};
    nanosleep(&delay, NULL); /* the moment of the kill is the test's random input */
    kill(pid, SIGKILL);
    int status;
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status))
        die("the writer ended by itself", NULL);
    uint32_t heard = listen_until_end(ends[0]);
    close(ends[0]);
    task_count += 2 * LANES; /* numbers begun but never heard of */
    last_from = from;
    judge(from);
    return heard;
}

static void remove_files(void)
{
    static const char *const names[] = {"aion.db", "aion.db-wal", "aion.db-shm",
                                        "aion.db-owner"};
    char path[64];
    for (size_t i = 0; i < aion_countof(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* A writer on PostgreSQL takes longer to begin. */
static void set_url(void)
{
    const char *postgres = getenv("AION_TEST_POSTGRES_URL");
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", folder);
    if (postgres == NULL)
        return;
    delay_us_max = 5 * (uint64_t)DELAY_US_MAX;
    snprintf(url, sizeof(url), "%s%caion_schema=kill", postgres,
             strchr(postgres, '?') ? '&' : '?');
}

int main(int argc, char **argv)
{
    uint64_t kills = KILLS, seed = (uint64_t)aion_clock_mono_us(), heard = 0;
    if (argc > 1 && !aion_str_u64(aion_str_of(argv[1]), &kills))
        die("KILLS is a number", NULL);
    if (argc > 2 && !aion_str_u64(aion_str_of(argv[2]), &seed))
        die("SEED is a number", NULL);
    struct aion_rand rand;
    aion_rand_seed(&rand, seed);
    if (mkdtemp(folder) == NULL)
        die("mkdtemp", NULL);
    set_url();
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    int64_t begun_us = aion_clock_mono_us();
    for (uint64_t i = 0; i < kills; i++)
        heard += round_of_kill(&rand);
    judge(swept_below(last_from));
    printf("%llu kills (%u at a named point), %llu acknowledgements, none lost, none doubled, "
           "%.1f s\n",
           (unsigned long long)kills, by_point, (unsigned long long)heard,
           (double)(aion_clock_mono_us() - begun_us) / 1e6);
    remove_files();
    return 0;
}
