/* Power loss, by replay: a writer works through the real store under the recorder; then for
 * every moment of its recording the folders that a power loss could have left are built, opened
 * by the store and judged.
 *
 *   powerloss RECORDER [STATES] [SEED]          about STATES folders; AION_TEST_LONG: all of
 * them powerloss RECORDER STATES SEED --lie LIE    the recorder lies (log.h): it must be
 * noticed powerloss RECORDER STATES SEED --log FILE   a recording that was kept, again
 *
 * The writer runs in several processes on one folder: killed and begun again, closed and begun
 * again, with logs long enough that checkpoints run beside commits. What it was told is on disk
 * it notes in the recording itself, so each moment knows what had been promised by then.
 *
 * For each moment: everything that was written (every prefix between synchronisations); the
 * same with the newest write torn. Before each synchronisation ends: nothing, and subsets of
 * sectors at random. Each folder must open; hold every promised step of every task, no half of
 * one and nothing twice; pass SQLite's integrity check; and let a new owner end what is
 * unfinished. */
#include "base/clock.h"
#include "base/rand.h"
#include "disk.h"
#include "tasks/work.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STATES = 1000,
    SAMPLES = 4,
    RECENT = 16,
    PATH_BYTES = 256,
    END_EACH = 8,
    OUTBOX_EACH = 4
};

/* -- the writer, a process of its own under the recorder -------------------------------- */
static struct writer {
    powerloss_note_fn *note;
    powerloss_die_fn *die;
    uint64_t left; /* notes until kill -9; 0 = never */
} writer;

static void say(struct work_said said)
{
    writer.note(&said, sizeof(said));
    if (writer.left > 0 && --writer.left == 0)
        writer.die();
}

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    if (!aion_str_u64(aion_str_of(text), &number))
        work_die(text, NULL);
    return number;
}

/* powerloss --write URL FIRST COUNT LANES DIE_AFTER */
static int run_writer(char **args)
{
    void *note = dlsym(RTLD_DEFAULT, POWERLOSS_NOTE_FN);
    void *die = dlsym(RTLD_DEFAULT, POWERLOSS_DIE_FN);
    if (note == NULL || die == NULL)
        work_die("the recorder is not loaded", NULL);
    memcpy(&writer.note, &note, sizeof(note));
    memcpy(&writer.die, &die, sizeof(die));
    writer.left = number_of(args[4]);
    struct work_conf conf = {.url = args[0],
                             .first = (uint32_t)number_of(args[1]),
                             .count = (uint32_t)number_of(args[2]),
                             .lanes = (unsigned)number_of(args[3]),
                             .say = say};
    work_run(&conf);
    return 0;
}

/* -- recording -------------------------------------------------------------------------- */
struct session {
    const char *first, *count, *lanes, *die_after;
    uint32_t end; /* no task of it has this number */
};

/* The last but one fills the log past a checkpoint while commits go on. */
static const struct session sessions[] = {
    {"0", "60", "4", "97", 60},
    {"60", "40", "1", "0", 100},
    {"100", "400", "24", "900", 500},
    {"500", "30", "6", "0", 530},
};

static char root[] = "/tmp/aion-powerloss-XXXXXX";
static char memory[] = "/dev/shm/aion-powerloss-XXXXXX"; /* fsync costs nothing there */
static char folder[PATH_BYTES], state[PATH_BYTES], log_path[PATH_BYTES];
static const char *lie;

static void run_session(const char *self, const char *recorder, const struct session *session)
{
    char url[PATH_BYTES + 16];
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", folder);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("LD_PRELOAD", recorder, 1);
        setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
        setenv(POWERLOSS_ENV_FOLDER, folder, 1);
        setenv(POWERLOSS_ENV_LOG, log_path, 1);
        if (lie != NULL)
            setenv(POWERLOSS_ENV_LIE, lie, 1);
        execl(self, self, "--write", url, session->first, session->count, session->lanes,
              session->die_after, (char *)NULL);
        _exit(127);
    }
    int status;
    waitpid(pid, &status, 0);
    bool dies = session->die_after[0] != '0';
    if (dies ? !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL
             : !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        work_die("the writer ended in another way than it should", NULL);
}

/* What is wrong with the recording itself; NULL: it is whole. */
static const char *check_recording(void)
{
    static char text[PATH_BYTES];
    struct disk *disk = disk_open(log_path);
    if (disk == NULL)
        return "it cannot be read";
    while (disk_step(disk) != NULL)
        ;
    const char *untracked = disk_untracked(disk), *differs = disk_matches(disk, folder);
    if (untracked != NULL)
        snprintf(text, sizeof(text), "a call that it cannot hold: %s", untracked);
    else if (differs != NULL)
        snprintf(text, sizeof(text), "%s is not what the recorded calls make of it", differs);
    disk_close(disk);
    return untracked != NULL || differs != NULL ? text : NULL;
}

static const char *record(const char *self, const char *recorder)
{
    for (unsigned i = 0; i < aion_countof(sessions); i++) {
        run_session(self, recorder, &sessions[i]);
        const char *wrong = check_recording();
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

/* -- judging ---------------------------------------------------------------------------- */
static struct replay {
    struct disk *disk;
    struct aion_rand rand;
    struct work_ledger ledger;
    uint32_t recent[RECENT]; /* tasks with the newest promises */
    uint64_t promises, states, moments, states_max, moments_all;
} replay;

static const char *check_integrity(void)
{
    char path[PATH_BYTES + 16];
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/aion.db", state);
    bool good =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return good ? NULL : "the integrity check fails";
}

/* The whole by its listing; in full what was promised last, and something old. */
static const char *judge_store(struct work_store *opened)
{
    const struct work_ledger *ledger = &replay.ledger;
    struct store *store = opened->store;
    const char *wrong = work_judge_list(store, ledger);
    if (wrong == NULL && replay.states % OUTBOX_EACH == 0)
        wrong = work_judge_outbox(store, ledger);
    for (size_t i = 0; wrong == NULL && i < RECENT; i++)
        wrong = work_judge_task(store, ledger, replay.recent[i]);
    uint32_t old = (uint32_t)aion_rand_below(&replay.rand, ledger->count + 1);
    for (uint32_t number = old; wrong == NULL && number < old + 3 && number < ledger->count;
         number++)
        wrong = work_judge_task(store, ledger, number);
    return wrong == NULL ? work_judge_key(opened, ledger, replay.recent[0]) : wrong;
}

/* As the next owner would: every so often, as it is the dearest part. */
static const char *end_leftovers(struct work_store *store)
{
    struct work_ledger *ledger = &replay.ledger;
    if (replay.states % END_EACH != 0)
        return NULL;
    const char *wrong = work_end_leftovers(store, ledger);
    if (wrong == NULL)
        wrong = work_judge_list(store->store, ledger);
    memset(ledger->ended, 0, ledger->count); /* in this folder only */
    return wrong;
}

static const char *judge_folder(void)
{
    char url[PATH_BYTES + 16];
    struct aion_err err;
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", state);
    struct store_conf conf = {.url = url};
    struct work_store store;
    if (!work_open(&conf, &store, &err)) {
        fprintf(stderr, "%s (%s)\n", err.text, err.detail);
        return "the store cannot be opened";
    }
    const char *wrong = judge_store(&store);
    if (wrong == NULL)
        wrong = end_leftovers(&store);
    store_close(store.store);
    return wrong == NULL ? check_integrity() : wrong;
}

/* What a state is told from: enough to build it again (the folder is kept as well). */
static bool try_state(const struct disk_loss *loss)
{
    if (!disk_build(replay.disk, state, loss))
        work_die(strerror(errno), NULL);
    replay.states++;
    const char *wrong = judge_folder();
    if (wrong == NULL)
        return true;
    printf("%s: %s (entry %zu, seed %llu, %u of 1000 kept in pieces of %u%s%s)\n",
           lie == NULL ? "LOST" : "noticed", wrong, disk_place(replay.disk),
           (unsigned long long)loss->seed, loss->keep_permille, loss->sector,
           loss->newest_only ? ", the newest write torn" : "",
           loss->rubbish ? ", rubbish" : "");
    return false;
}

static struct disk_loss loss_of(unsigned keep_permille)
{
    return (struct disk_loss){.seed = aion_rand_u64(&replay.rand),
                              .keep_permille = keep_permille,
                              .sector = aion_rand_below(&replay.rand, 2) == 0 ? 512 : 4096,
                              .rubbish = aion_rand_below(&replay.rand, 4) == 0};
}

/* Everything written so far is there; or all but a part of the newest write. */
static bool try_prefix(void)
{
    struct disk_loss whole = loss_of(1000), torn = loss_of(500);
    torn.newest_only = true;
    return try_state(&whole) && try_state(&torn);
}

static bool try_subsets(void)
{
    static const unsigned keeps[SAMPLES] = {0, 100, 500, 900};
    for (size_t i = 0; i < SAMPLES; i++) {
        struct disk_loss loss = loss_of(keeps[i]);
        if (!try_state(&loss))
            return false;
    }
    return true;
}

static bool changes_disk(const struct powerloss_entry *entry)
{
    return entry->kind != POWERLOSS_SESSION && entry->kind != POWERLOSS_FOUND &&
           entry->kind != POWERLOSS_NOTE && entry->kind != POWERLOSS_SYNC;
}

/* A recording with more moments than the run has time for is sampled evenly. */
static bool is_chosen(void)
{
    return aion_rand_below(&replay.rand, replay.moments_all) < replay.states_max;
}

/* Before the entry takes effect: the moment at which all that was promised is known. */
static bool try_moment(const struct powerloss_entry *entry)
{
    bool synced = entry->kind == POWERLOSS_SYNCED;
    if (!changes_disk(entry) || !is_chosen())
        return true;
    replay.moments++;
    return try_prefix() && (!synced || try_subsets());
}

static void hear(const struct powerloss_entry *entry)
{
    struct work_said said;
    if (entry->size != sizeof(said))
        work_die("a note of another size", NULL);
    memcpy(&said, entry + 1, sizeof(said));
    if (!work_hear(&replay.ledger, said))
        work_die("a note about no task", NULL);
    replay.recent[replay.promises++ % RECENT] = said.number;
}

/* Numbers that may be there without a promise: what lanes had begun. */
static void begin_session(unsigned index)
{
    if (index < aion_countof(sessions) && replay.ledger.count < sessions[index].end)
        replay.ledger.count = sessions[index].end;
}

static uint64_t count_moments(void)
{
    uint64_t states = 0;
    struct disk *disk = disk_open(log_path);
    for (const struct powerloss_entry *entry; (entry = disk_step(disk)) != NULL;)
        if (changes_disk(entry))
            states += 2 + (entry->kind == POWERLOSS_SYNCED ? SAMPLES : 0);
    disk_close(disk);
    return states;
}

static bool run_replay(void)
{
    unsigned session = 0;
    bool good = true;
    replay.moments_all = count_moments();
    replay.disk = disk_open(log_path);
    if (replay.disk == NULL)
        work_die("the recording cannot be read", NULL);
    for (const struct powerloss_entry *entry; good && (entry = disk_peek(replay.disk)) != NULL;
         disk_step(replay.disk)) {
        if (entry->kind == POWERLOSS_SESSION)
            begin_session(session++);
        if (entry->kind == POWERLOSS_NOTE)
            hear(entry);
        good = try_moment(entry);
    }
    good = good && try_prefix();
    return good;
}

/* -- main ------------------------------------------------------------------------------- */
static void make_folders(void)
{
    if (mkdtemp(root) == NULL)
        work_die("mkdtemp", NULL);
    const char *states =
        mkdtemp(memory) != NULL ? memory : root; /* fsync costs nothing there */
    snprintf(folder, sizeof(folder), "%s/real", root);
    snprintf(log_path, sizeof(log_path), "%s/log", root);
    snprintf(state, sizeof(state), "%s/state", states);
    if (mkdir(folder, 0700) != 0 || mkdir(state, 0700) != 0)
        work_die("mkdir", NULL);
}

static void remove_folders(void)
{
    disk_remove(folder);
    disk_remove(state);
    disk_remove(root); /* the recording */
    rmdir(memory);
}

static int report(const char *broken, bool good, int64_t took_us)
{
    if (broken != NULL)
        printf("%s: the recording is not whole: %s\n", lie == NULL ? "BROKEN" : "noticed",
               broken);
    else
        printf("%llu promises, %llu folders at %llu of %llu moments, %.1f s\n",
               (unsigned long long)replay.promises, (unsigned long long)replay.states,
               (unsigned long long)replay.moments, (unsigned long long)disk_place(replay.disk),
               (double)took_us / 1e6);
    if (lie == NULL)
        printf("COUNTED %llu power losses\n", (unsigned long long)replay.states);
    bool noticed = broken != NULL || !good;
    if (noticed != (lie != NULL)) {
        printf("%s; kept: %s %s\n", lie == NULL ? "FAILED" : "FAILED: the lie went unnoticed",
               root, state);
        return 1;
    }
    return 0;
}

static bool option_is(int argc, char **argv, const char *name)
{
    return argc > 5 && strcmp(argv[4], name) == 0;
}

static void read_arguments(int argc, char **argv)
{
    uint64_t seed = argc > 3 ? number_of(argv[3]) : (uint64_t)aion_clock_mono_us();
    replay.states_max = argc > 2 ? number_of(argv[2]) : STATES;
    if (getenv("AION_TEST_LONG") != NULL)
        replay.states_max = UINT64_MAX;
    aion_rand_seed(&replay.rand, seed);
    make_folders();
    if (option_is(argc, argv, "--lie"))
        lie = argv[5];
    if (option_is(argc, argv, "--log"))
        snprintf(log_path, sizeof(log_path), "%s", argv[5]);
    printf("seed %llu, %llu states\n", (unsigned long long)seed,
           (unsigned long long)replay.states_max);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char self[PATH_BYTES] = {0};
    if (argc == 7 && strcmp(argv[1], "--write") == 0)
        return run_writer(argv + 2);
    if (argc < 2 || readlink("/proc/self/exe", self, sizeof(self) - 1) <= 0)
        work_die("usage: powerloss RECORDER [STATES] [SEED] [--lie LIE]", NULL);
    read_arguments(argc, argv);
    const char *broken = option_is(argc, argv, "--log") ? NULL : record(self, argv[1]);
    int64_t begun_us = aion_clock_mono_us();
    bool good = broken == NULL && run_replay();
    int failed = report(broken, good, aion_clock_mono_us() - begun_us);
    if (failed == 0)
        remove_folders();
    return failed;
}
