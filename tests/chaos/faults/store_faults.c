/* Disks that fail under the real store.
 *
 *   store_faults FAILING [SEED]           AION_TEST_LONG: every call instead of some
 *   store_faults --fiu PRELOAD [SEED]     the same by libfiu, at random; AION_TEST_LONG: more
 *
 * A writer process drives tasks while one call of its own fails, chosen by number: each write
 * in turn (I/O error, no space, read-only, half written), each fsync; or the process is killed
 * just before or after that call. What it was told it passes on through a pipe, and the failing
 * library marks the failure there, too. Then the store is opened without faults and held to
 * what was told.
 *
 * Every acknowledged step is there, nothing by half, and no step that was refused but for those
 * after a failed fsync. A failed fsync ends the acknowledgements, and the store says so for
 * good: of the log's none comes after the call, of the database file's none after the store has
 * said so. With a fault that passes, the tasks that it did not meet go on. */
#include "faults/failing.h"

#include "base/clock.h"
#include "base/rand.h"
#include "tasks/work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS_MAX = 100000, RUNS = 40, FIU_RUNS = 48, PATH_BYTES = 128 };
/* Beyond the numbers of tasks: a step of task `steps` was refused; the store has stopped. */
#define SAID_REFUSED  (UINT32_MAX - 1)
#define SAID_FOR_GOOD (UINT32_MAX - 2)

static char folder[] = "/dev/shm/aion-faults-XXXXXX", url[PATH_BYTES];
static struct work_ledger ledger;
static int out;

/* -- the writer ------------------------------------------------------------------------- */
static void say(struct work_said said)
{
    if (write(out, &said, sizeof(said)) != (ssize_t)sizeof(said))
        exit(3);
}

static void refused(uint32_t number, const struct aion_err *err)
{
    if (err->code != AION_UNAVAILABLE || strcmp(err->reason, "STORE_DOWN") != 0)
        work_die("refused in another way than STORE_DOWN", err);
    if (number == WORK_FOR_GOOD)
        say((struct work_said){SAID_FOR_GOOD, 0});
    else
        say((struct work_said){SAID_REFUSED, number});
}

/* store_faults --write URL DESCRIPTOR TASKS LANES. Ends with 1 when the store cannot be opened.
 */
static int run_writer(char **args)
{
    out = (int)strtol(args[1], NULL, 10);
    struct work_conf conf = {.url = args[0],
                             .count = (uint32_t)strtoul(args[2], NULL, 10),
                             .lanes = (unsigned)strtoul(args[3], NULL, 10),
                             .say = say,
                             .refused = refused};
    work_run(&conf);
    return 0;
}

/* -- one run ---------------------------------------------------------------------------- */
struct fault {
    const char *what; /* failing.h */
    int error;
    unsigned long count; /* of calls that fail in a row */
    bool stops;          /* the store must end for good, */
    bool at_once;        /* and nothing may be acknowledged after the call */
    uint32_t tasks;      /* of the writer */
    const char *lanes;
};

struct heard {
    bool failed;   /* the fault was met */
    bool for_good; /* the store has stopped */
    unsigned acks, refused;
    unsigned after_fault, after_stop; /* acknowledgements */
    uint32_t calls;                   /* of the fault's kind, when the writer ended well */
};

static void hear(struct heard *heard, struct work_said said)
{
    if (said.number == FAILING_SAID && said.steps > 0) {
        heard->calls = said.steps;
    } else if (said.number == FAILING_SAID) {
        heard->failed = true;
    } else if (said.number == SAID_FOR_GOOD) {
        heard->for_good = true;
    } else if (said.number == SAID_REFUSED) {
        heard->refused++;
        ledger.refused[said.steps] = true;
    } else if (!work_hear(&ledger, said)) {
        work_die("a word about no task", NULL);
    } else {
        heard->acks++;
        heard->after_fault += heard->failed;
        heard->after_stop += heard->for_good;
    }
}

struct run {
    const char *self, *preload;
    const struct fault *fault;
    char text[128]; /* failing.h's, or libfiu's */
};

static void start_writer(const struct run *run, int tell)
{
    char descriptor[16], tasks[16];
    snprintf(descriptor, sizeof(descriptor), "%d", tell);
    snprintf(tasks, sizeof(tasks), "%u", run->fault->tasks);
    setenv("LD_PRELOAD", run->preload, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0", 1);
    setenv("FIU_ENABLE", run->text, 1);
    setenv(FAILING_ENV_FOLDER, folder, 1);
    setenv(FAILING_ENV_FAULT, run->text, 1);
    setenv(FAILING_ENV_TELL, descriptor, 1);
    execl(run->self, run->self, "--write", url, descriptor, tasks, run->fault->lanes,
          (char *)NULL);
    _exit(127);
}

/* Gives what was heard, and how the writer ended. */
static struct heard listen_to_writer(const struct run *run, int *ret_status)
{
    struct heard heard = {.failed = false};
    struct work_said said;
    int ends[2];
    if (pipe(ends) != 0)
        work_die("pipe", NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        if (freopen("/dev/null", "w", stderr) == NULL) /* words of a store that cannot open */
            _exit(127);
        start_writer(run, ends[1]);
    }
    close(ends[1]);
    work_forget(&ledger);
    while (read(ends[0], &said, sizeof(said)) == (ssize_t)sizeof(said))
        hear(&heard, said);
    close(ends[0]);
    waitpid(pid, ret_status, 0);
    ledger.count = run->fault->tasks;
    if (heard.for_good) /* what was refused then may turn out to be there */
        memset(ledger.refused, 0, sizeof(ledger.refused));
    return heard;
}

static void remove_files(void)
{
    static const char *const names[] = {"", "-wal", "-shm", "-owner"};
    char path[PATH_BYTES];
    for (size_t i = 0; i < aion_countof(names); i++) {
        snprintf(path, sizeof(path), "%s/aion.db%s", folder, names[i]);
        unlink(path);
    }
}

static const char *judge_store(void)
{
    struct aion_err err;
    struct store_conf conf = {.url = url};
    struct work_store store;
    if (!work_open(&conf, &store, &err))
        return "the store cannot be opened afterwards";
    const char *wrong = work_judge_list(store.store, &ledger);
    if (wrong == NULL)
        wrong = work_judge_outbox(store.store, &ledger);
    for (uint32_t number = 0; wrong == NULL && number < ledger.count; number++)
        wrong = work_judge_task(store.store, &ledger, number);
    if (wrong == NULL)
        wrong = work_end_leftovers(&store, &ledger);
    store_close(store.store);
    return wrong;
}

/* Then the fault met the closing, with nobody left to be told. */
static bool all_done(void)
{
    for (uint32_t number = 0; number < ledger.count; number++)
        if (work_shape(number)[ledger.acked[number]] != WORK_END)
            return false;
    return true;
}

static const char *judge_writer(const struct heard *heard, const struct fault *fault,
                                int status)
{
    if (fault->error < 0 && heard->failed)
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                   ? NULL
                   : "the writer was not killed where it should";
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        return "the writer crashed";
    if (WEXITSTATUS(status) == 1)
        return heard->acks > 0 ? "the writer ended in an error" : NULL; /* it did not open */
    if (heard->after_stop > 0)
        return "acknowledged after the store had stopped";
    if (heard->failed && fault->at_once && heard->after_fault > 0)
        return "acknowledged after a failed fsync";
    if (heard->failed && fault->stops && !heard->for_good && !all_done())
        return "a failed fsync has not stopped the store";
    return NULL;
}

static struct heard try_text(struct run *run)
{
    const struct fault *fault = run->fault;
    int status;
    struct heard heard = listen_to_writer(run, &status);
    const char *wrong = judge_writer(&heard, fault, status);
    if (wrong == NULL)
        wrong = judge_store();
    if (wrong != NULL) {
        printf("FAULT \"%s\": %s (%u acknowledged, %u of them after it, %u refused); kept: "
               "%s\n",
               run->text, wrong, heard.acks, heard.after_fault, heard.refused, folder);
        exit(1);
    }
    remove_files();
    return heard;
}

static struct heard try_fault(struct run *run, unsigned long number)
{
    const struct fault *fault = run->fault;
    snprintf(run->text, sizeof(run->text), "%s %lu %d %lu", fault->what, number, fault->error,
             fault->count);
    return try_text(run);
}

/* -- all of them ------------------------------------------------------------------------ */
static const struct fault faults[] = {
    {"sync-wal", EIO, 1, true, true, 48, "6"},
    {"sync-db", EIO, 1, true, false, 300, "24"},
    {"sync-wal", FAILING_KILL_BEFORE, 1, false, false, 48, "6"}, /* before commit */
    {"sync-wal", FAILING_KILL_AFTER, 1, false, false, 48, "6"},  /* after commit, before ack */
    {"write", FAILING_KILL_AFTER, 1, false, false, 48, "6"},
    {"sync-db", FAILING_KILL_BEFORE, 1, false, false, 300, "24"}, /* a checkpoint's */
    {"sync-db", FAILING_KILL_AFTER, 1, false, false, 300, "24"},
    {"sync", EIO, 1, false, false, 48, "6"},
    {"write", EIO, 1, false, false, 48, "6"},
    {"write", ENOSPC, 1, false, false, 48, "6"},
    {"write", ENOSPC, CALLS_MAX, false, false, 48, "6"},
    {"write", EROFS, CALLS_MAX, false, false, 48, "6"},
    {"short", 0, 1, false, false, 48, "6"},
    {"truncate", EIO, 1, false, false, 48, "6"},
};

static const char *outcome_of(int error)
{
    if (error < 0)
        return error == FAILING_KILL_BEFORE ? "kill -9 before it" : "kill -9 after it";
    return error > 0 ? strerror(error) : "half written";
}

/* About RUNS of the calls, evenly; all of them in the long run. */
static unsigned try_all(struct run *run, struct aion_rand *rand)
{
    unsigned long calls = try_fault(run, CALLS_MAX).calls, number = 1;
    unsigned long stride = getenv("AION_TEST_LONG") != NULL ? 1 : calls / RUNS + 1;
    unsigned tried = 0;
    for (; try_fault(run, number).failed && number < CALLS_MAX; tried++)
        number += stride == 1 ? 1 : 1 + aion_rand_below(rand, 2 * stride - 1);
    printf("%-10s %-28s %u of about %lu calls, one a run\n", run->fault->what,
           outcome_of(run->fault->error), tried, calls);
    fflush(stdout);
    if (tried == 0)
        work_die("this fault was never met", NULL);
    return tried;
}

/* -- by libfiu -------------------------------------------------------------------------- */
/* How often a call fails is chosen so that most writers open the store and few end unharmed. */
static const struct random_fault {
    const char *point;
    int error;
    const char *probability;
} random_faults[] = {
    {"posix/io/sync/fdatasync", EIO, "0.04"}, {"posix/io/rw/pwrite", EIO, "0.004"},
    {"posix/io/rw/pwrite", ENOSPC, "0.02"},   {"posix/io/rw/pwrite/reduce", 0, "0.01"},
    {"posix/io/rw/pread", EIO, "0.02"},       {"posix/io/rw/ftruncate", ENOSPC, "0.5"},
    {"posix/io/dir/unlink", EACCES, "0.5"},   {"posix/io/oc/open", EMFILE, "0.05"},
};

static void try_randomly(const char *self, const char *preload)
{
    unsigned runs = getenv("AION_TEST_LONG") != NULL ? 20 * FIU_RUNS : FIU_RUNS, harmed = 0;
    static const struct fault writer = {.what = "libfiu", .tasks = 96, .lanes = "12"};
    for (unsigned i = 0; i < runs; i++) {
        const struct random_fault *fault = &random_faults[i % aion_countof(random_faults)];
        struct run run = {.self = self, .preload = preload, .fault = &writer};
        snprintf(run.text, sizeof(run.text), "enable_random name=%s,probability=%s,failinfo=%d",
                 fault->point, fault->probability, fault->error);
        struct heard heard = try_text(&run);
        harmed += heard.refused > 0 || heard.acks == 0;
    }
    printf("COUNTED %u runs under libfiu\n%u of them harmed: ", runs, harmed);
    if (harmed < runs / 8)
        work_die("too few were harmed to mean anything", NULL);
}

/* -- main ------------------------------------------------------------------------------- */
static void try_by_number(const char *self, const char *failing, struct aion_rand *rand)
{
    unsigned tried = 0;
    for (size_t i = 0; i < aion_countof(faults); i++)
        tried += try_all(&(struct run){self, failing, &faults[i], ""}, rand);
    printf("COUNTED %u faults of the disk\n", tried);
}

int main(int argc, char **argv)
{
    char self[256] = {0};
    uint64_t seed = (uint64_t)aion_clock_mono_us();
    struct aion_rand rand;
    if (argc == 6 && strcmp(argv[1], "--write") == 0)
        return run_writer(argv + 2);
    bool fiu = argc > 2 && strcmp(argv[1], "--fiu") == 0;
    argv += fiu;
    argc -= fiu;
    if (argc < 2 || readlink("/proc/self/exe", self, sizeof(self) - 1) <= 0)
        work_die("usage: store_faults [--fiu] PRELOAD [SEED]", NULL);
    if (argc > 2 && !aion_str_u64(aion_str_of(argv[2]), &seed))
        work_die("SEED is a number", NULL);
    if (mkdtemp(folder) == NULL) {
        printf("SKIP: no memory file system at /dev/shm\n");
        return 77;
    }
    aion_rand_seed(&rand, seed);
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", folder);
    printf("seed %llu\n", (unsigned long long)seed);
    if (fiu)
        try_randomly(self, argv[1]);
    else
        try_by_number(self, argv[1], &rand);
    printf("nothing acknowledged is missing, nothing refused has come to be\n");
    rmdir(folder);
    return 0;
}
