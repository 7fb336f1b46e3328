/* Files of the store that were cut or changed behind its back.
 *
 *   store_damage [SEED]       AION_TEST_LONG: ten times as many
 *
 * The log (a writer was killed, so it holds all of its commits): whatever is cut off or
 * flipped, the store opens, with what was committed before the first damaged frame: a whole
 * number of steps of each task, in the order of their acknowledgements, and every byte of them
 * right.
 *
 * The database file (closed, so there is no log): a store that opens and whose damage is met
 * says so as DATA_LOSS, and a refusal names the file and what to do; it never crashes, and
 * never makes half of a step look like a step. A flipped bit inside a body or a result is
 * beyond SQLite's checks: how many pass unseen is counted and printed. */
#include "base/clock.h"
#include "base/rand.h"
#include "tasks/work.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TASKS = 90, LANES = 6, TAIL = 4096, SAMPLES = 150, PATH_BYTES = 128, SAID_MAX = 1000 };

static char folder[] = "/dev/shm/aion-damage-XXXXXX", url[PATH_BYTES];
static struct work_ledger ledger;
static struct work_said said[SAID_MAX]; /* in the order of acknowledgements */
static size_t said_count;
static struct aion_rand rand_state;
static int out;

/* -- making a store --------------------------------------------------------------------- */
static void say(struct work_said word)
{
    if (write(out, &word, sizeof(word)) != (ssize_t)sizeof(word))
        exit(3);
}

/* `killed`: at the end of its work, instead of closing the store. */
static void make_store(bool killed)
{
    int ends[2];
    if (pipe(ends) != 0)
        work_die("pipe", NULL);
    pid_t pid = fork();
    if (pid == 0) {
        out = ends[1];
        struct work_conf conf = {
            .url = url, .count = killed ? 0 : TASKS, .lanes = LANES, .say = say};
        work_run(&conf);
        _exit(0);
    }
    close(ends[1]);
    work_forget(&ledger);
    said_count = 0;
    while (said_count < SAID_MAX &&
           read(ends[0], &said[said_count], sizeof(*said)) == (ssize_t)sizeof(*said)) {
        work_hear(&ledger, said[said_count++]);
        if (killed && ledger.count > TASKS)
            kill(pid, SIGKILL);
    }
    close(ends[0]);
    waitpid(pid, NULL, 0);
    ledger.count += LANES;
    ledger.damaged = true;
}

/* -- files ------------------------------------------------------------------------------ */
struct bytes {
    char path[PATH_BYTES];
    uint8_t *data; /* as the writer left it */
    size_t size;
};

static void take_file(struct bytes *bytes, const char *ending)
{
    struct stat stat;
    snprintf(bytes->path, sizeof(bytes->path), "%s/aion.db%s", folder, ending);
    int fd = open(bytes->path, O_RDONLY | O_CLOEXEC);
    bytes->data = NULL;
    bytes->size = 0;
    if (fd < 0)
        return;
    if (fstat(fd, &stat) == 0 && (bytes->data = malloc((size_t)stat.st_size + 1)) != NULL)
        bytes->size = (size_t)stat.st_size;
    if (read(fd, bytes->data, bytes->size) != (ssize_t)bytes->size)
        work_die("read", NULL);
    close(fd);
}

static void put_file(const struct bytes *bytes, size_t size)
{
    unlink(bytes->path);
    if (bytes->data == NULL)
        return;
    int fd = open(bytes->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes->data, size) != (ssize_t)size)
        work_die("write", NULL);
    close(fd);
}

static void remove_shared(void)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/aion.db-shm", folder);
    unlink(path);
}

/* -- judging ---------------------------------------------------------------------------- */
/* What is there is what was acknowledged first: no later commit without an earlier one. */
static const char *judge_order(struct store *store)
{
    uint32_t there[TASKS + 8 * LANES];
    bool missing = false;
    if (ledger.count > aion_countof(there))
        return "more tasks than expected";
    for (uint32_t number = 0; number < ledger.count; number++)
        there[number] = work_steps_there(store, number);
    for (size_t i = 0; i < said_count; i++) {
        bool is_there = there[said[i].number] >= said[i].steps;
        if (is_there && missing)
            return "a later commit is there without an earlier one";
        missing |= !is_there;
    }
    return NULL;
}

static const char *judge_tasks(struct store *store)
{
    const char *wrong = work_judge_list(store, &ledger);
    for (uint32_t number = 0; wrong == NULL && number < ledger.count; number++)
        wrong = work_judge_task(store, &ledger, number);
    return wrong;
}

struct tally {
    unsigned tried, opened, refused, said, unseen;
};

/* A refusal must help whoever reads it. */
static const char *judge_refusal(const struct aion_err *err)
{
    bool damage = err->code == AION_DATA_LOSS && strstr(err->text, "damaged") != NULL &&
                  strstr(err->text, "restore a backup") != NULL;
    bool foreign = err->code == AION_PRECONDITION && strstr(err->text, "AION") != NULL;
    /* the header's version of the format makes a file one that this SQLite may only read */
    bool format = strstr(err->text, "the database is read-only") != NULL;
    if (damage || foreign || format)
        return NULL;
    printf("%s: %s (%s)\n", aion_code_name(err->code), err->text, err->detail);
    return "a refusal that does not say what is wrong";
}

/* The store's own word, not what the judge found. */
static bool is_said(const char *wrong)
{
    return strstr(wrong, "cannot be read") != NULL;
}

static const char *judge_damage(struct tally *tally, bool of_log)
{
    struct aion_err err;
    struct store_conf conf = {.url = url};
    struct work_store opened;
    tally->tried++;
    if (!work_open(&conf, &opened, &err)) {
        tally->refused++;
        return of_log ? "a damaged log keeps the store from opening" : judge_refusal(&err);
    }
    tally->opened++;
    const char *wrong = judge_tasks(opened.store);
    if (wrong == NULL && of_log && tally->tried % 16 == 0)
        wrong = judge_order(opened.store);
    store_close(opened.store);
    if (wrong == NULL || of_log)
        return wrong;
    tally->said += is_said(wrong);
    tally->unseen += !is_said(wrong);
    return NULL;
}

/* -- damage ----------------------------------------------------------------------------- */
struct case_of {
    struct bytes db, log;
    struct bytes *victim;
    struct tally cuts, flips;
};

static void hold(const char *wrong, const char *what, size_t at)
{
    if (wrong == NULL)
        return;
    printf("%s at byte %zu: %s; kept: %s\n", what, at, wrong, folder);
    exit(1);
}

static void cut_at(struct case_of *one, size_t size)
{
    put_file(&one->db, one->victim == &one->db ? size : one->db.size);
    put_file(&one->log, one->victim == &one->log ? size : one->log.size);
    remove_shared();
    hold(judge_damage(&one->cuts, one->victim == &one->log), "a cut", size);
}

static void flip_at(struct case_of *one, size_t at)
{
    uint8_t bit = (uint8_t)(1U << aion_rand_below(&rand_state, 8));
    one->victim->data[at] ^= bit;
    put_file(&one->db, one->db.size);
    put_file(&one->log, one->log.size);
    one->victim->data[at] ^= bit;
    remove_shared();
    hold(judge_damage(&one->flips, one->victim == &one->log), "a flipped bit", at);
}

/* The tail in small steps, the rest at random; the head of the file byte by byte. */
static void damage_all(struct case_of *one)
{
    size_t size = one->victim->size, tail = size > TAIL ? size - TAIL : 0;
    bool longer = getenv("AION_TEST_LONG") != NULL;
    unsigned samples = longer ? 10 * SAMPLES : SAMPLES;
    for (size_t at = 0; at < 128; at++)
        flip_at(one, at);
    for (size_t at = tail; at < size; at += longer ? 1 : 1 + aion_rand_below(&rand_state, 95)) {
        cut_at(one, at);
        flip_at(one, at);
    }
    for (unsigned i = 0; i < samples; i++)
        flip_at(one, aion_rand_below(&rand_state, size));
    for (unsigned i = 0; i < samples / 2; i++)
        cut_at(one, aion_rand_below(&rand_state, size));
}

static void print_tally(const char *what, const struct tally *tally)
{
    printf("%-28s %5u: %u refused, %u opened; of these %u said so when it was met, %u gave "
           "changed content\n",
           what, tally->tried, tally->refused, tally->opened, tally->said, tally->unseen);
    printf("COUNTED %u damaged files\n", tally->tried);
}

static void free_case(struct case_of *one)
{
    free(one->db.data);
    free(one->log.data);
    unlink(one->db.path);
    unlink(one->log.path);
    remove_shared();
}

static void try_case(bool of_log)
{
    struct case_of one = {.victim = NULL};
    make_store(of_log);
    take_file(&one.db, "");
    take_file(&one.log, "-wal");
    one.victim = of_log ? &one.log : &one.db;
    if (one.victim->size < TAIL)
        work_die("nothing to damage", NULL);
    damage_all(&one);
    print_tally(of_log ? "log, cuts" : "database, cuts", &one.cuts);
    print_tally(of_log ? "log, flipped bits" : "database, flipped bits", &one.flips);
    free_case(&one);
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)aion_clock_mono_us();
    char owner[PATH_BYTES];
    if (argc > 1 && !aion_str_u64(aion_str_of(argv[1]), &seed))
        work_die("SEED is a number", NULL);
    if (mkdtemp(folder) == NULL) {
        printf("SKIP: no memory file system at /dev/shm\n");
        return 77;
    }
    aion_rand_seed(&rand_state, seed);
    snprintf(url, sizeof(url), "sqlite:%s/aion.db", folder);
    printf("seed %llu\n", (unsigned long long)seed);
    try_case(true);
    try_case(false);
    snprintf(owner, sizeof(owner), "%s/aion.db-owner", folder);
    unlink(owner);
    rmdir(folder);
    return 0;
}
