/* aion store: the whole store as a file, and from one store to another: an embedded mesh
 * becomes a cluster. The mesh must be down. */
#include "cli.h"

#include "base/file.h"
#include "store/store_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const words[] = {"export", "import",   "migrate", "--from",
                                    "--to",   "--resume", "--home",  NULL};
static int run(int argc, char **argv);
const struct cli_command cli_store = {
    "store",
    "export [--from URL] --to FILE | import --from FILE [--to URL] [--resume] | migrate "
    "[--from URL] --to URL [--resume]   [--home DIR]",
    "the store as a file, and from one to another; the mesh must be down", words, run};

struct wish {
    const char *from, *to, *home;
    bool resume;
    char url[CLI_PATH_MAX + 32];
};

/* The URL with its password, out of a file: the line's end is none of it. */
static const char *url_of_file(struct wish *wish, const char *file, struct aion_err *err)
{
    struct aion_buf text;
    aion_buf_init(&text, sizeof(wish->url) - 1);
    bool good = aion_file_read(file, &text, err);
    if (good)
        aion_str_copy(wish->url, sizeof(wish->url), aion_buf_view(&text));
    aion_buf_done(&text);
    wish->url[strcspn(wish->url, "\r\n")] = '\0';
    return good ? wish->url : NULL;
}

/* What control would open: AION_STORE_URL_FILE, AION_STORE_URL, else the file in the home. */
static const char *own_url(struct wish *wish, struct aion_err *err)
{
    const char *given = getenv("AION_STORE_URL"), *file = getenv("AION_STORE_URL_FILE");
    char home[CLI_PATH_MAX], path[CLI_PATH_MAX];
    if (file != NULL && file[0] != '\0')
        return url_of_file(wish, file, err);
    if (given != NULL && given[0] != '\0')
        return given;
    if (!cli_home(wish->home, home, err))
        return NULL;
    if (!cli_path(path, home, "aion.db")) {
        aion_err_set(err, __func__, AION_INVALID, "the home's path is too long");
        return NULL;
    }
    snprintf(wish->url, sizeof(wish->url), "sqlite:%s", path);
    return wish->url;
}

/* A store that is read must be there: opening would make an empty one. */
static bool check_there(const char *url, struct aion_err *err)
{
    static const char scheme[] = "sqlite:";
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0 ||
        access(url + sizeof(scheme) - 1, F_OK) == 0)
        return true;
    return aion_fail(err, AION_NOT_FOUND, "there is no store at %s", url);
}

static struct store *open_store(const char *url, struct aion_err *err)
{
    struct store_conf conf = {.url = url};
    return store_open(&conf, err);
}

static void show_progress(void *user, uint64_t rows)
{
    uint64_t *shown = user;
    if (rows - *shown < 100000)
        return;
    *shown = rows;
    fprintf(stderr, "%llu rows\n", (unsigned long long)rows);
}

static void show_counts(FILE *out, const struct store_dump *dump, bool added)
{
    for (enum store_table i = 0; i < STORE_TABLE_COUNT; i++) {
        if (dump->rows[i] == 0)
            continue;
        fprintf(out, "%-14s %12llu", store_layout(i)->name, (unsigned long long)dump->rows[i]);
        if (added && dump->added[i] != dump->rows[i] && i != STORE_TABLE_SHARD)
            fprintf(out, "  (%llu were there)",
                    (unsigned long long)(dump->rows[i] - dump->added[i]));
        fprintf(out, "\n");
    }
}

/* -- export ------------------------------------------------------------------------- */
static bool sync_file(int fd, struct aion_err *err)
{
    if (fd == STDOUT_FILENO || fsync(fd) == 0)
        return true;
    return aion_fail_errno(err, AION_UNAVAILABLE, "the export cannot be written");
}

static int open_target(const char *path, struct aion_err *err)
{
    if (strcmp(path, "-") == 0)
        return STDOUT_FILENO;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if (errno == EEXIST)
        aion_err_set(err, __func__, AION_EXISTS, "%s is there already: give another name",
                     path);
    else
        aion_err_set(err, __func__, AION_UNAVAILABLE, "%s cannot be made: %s", path,
                     strerror(errno));
    return -1;
}

static bool export_to(int fd, const char *url, struct store_dump *dump, struct aion_err *err)
{
    struct store *store = open_store(url, err);
    bool good = store != NULL && store_export(store, fd, dump, err) && sync_file(fd, err);
    store_close(store);
    return good;
}

static bool run_export(struct wish *wish, struct store_dump *dump, struct aion_err *err)
{
    const char *url = wish->from != NULL ? wish->from : own_url(wish, err);
    if (url == NULL || !check_there(url, err))
        return false;
    int fd = open_target(wish->to, err);
    if (fd < 0)
        return false;
    bool good = export_to(fd, url, dump, err);
    if (fd != STDOUT_FILENO) {
        close(fd);
        if (!good)
            unlink(wish->to); /* a part of an export is none */
    }
    show_counts(fd == STDOUT_FILENO ? stderr : stdout, dump, false);
    return good;
}

/* -- import and migrate -------------------------------------------------------------- */
static bool run_import(struct wish *wish, struct store_dump *dump, struct aion_err *err)
{
    const char *url = wish->to != NULL ? wish->to : own_url(wish, err);
    bool from_stdin = strcmp(wish->from, "-") == 0;
    if (url == NULL)
        return false;
    int fd = from_stdin ? STDIN_FILENO : open(wish->from, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return aion_fail_errno(err, AION_NOT_FOUND, "%s cannot be read", wish->from);
    struct store *store = open_store(url, err);
    bool good = store != NULL && store_import(fd, store, dump, err);
    store_close(store);
    if (!from_stdin)
        close(fd);
    show_counts(stdout, dump, true);
    return good;
}

static bool run_migrate(struct wish *wish, struct store_dump *dump, struct aion_err *err)
{
    const char *url = wish->from != NULL ? wish->from : own_url(wish, err);
    if (url == NULL || !check_there(url, err))
        return false;
    struct store *from = open_store(url, err), *to = NULL;
    bool good = from != NULL && (to = open_store(wish->to, err)) != NULL &&
                store_copy(from, to, dump, err);
    store_close(to);
    store_close(from);
    show_counts(stdout, dump, true);
    return good;
}

/* -- the command --------------------------------------------------------------------- */
static const struct verb {
    const char *name;
    bool needs_from, needs_to, resumes;
    bool (*run)(struct wish *wish, struct store_dump *dump, struct aion_err *err);
} verbs[] = {
    {"export", false, true, false, run_export},
    {"import", true, false, true, run_import},
    {"migrate", false, true, true, run_migrate},
};

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < aion_countof(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int read_wish(struct cli_args *args, struct wish *wish)
{
    const char *value;
    while (args->at < args->argc) {
        if ((value = cli_value(args, "--from")) != NULL)
            wish->from = value;
        else if ((value = cli_value(args, "--to")) != NULL)
            wish->to = value;
        else if ((value = cli_value(args, "--home")) != NULL)
            wish->home = value;
        else if (cli_flag(args, "--resume"))
            wish->resume = true;
        else
            return cli_unexpected(&cli_store, args);
    }
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    const struct verb *verb = argc > 1 ? find(argv[1]) : NULL;
    struct cli_args args = {argc, argv, 2};
    struct wish wish = {.from = NULL};
    struct aion_err err;
    uint64_t shown = 0;
    if (verb == NULL)
        return cli_usage(&cli_store, "say export, import or migrate");
    int status = read_wish(&args, &wish);
    if (status != CLI_OK)
        return status;
    if (wish.resume && !verb->resumes)
        return cli_usage(&cli_store, "%s takes no --resume", verb->name);
    if (verb->needs_from && wish.from == NULL)
        return cli_usage(&cli_store, "%s needs --from", verb->name);
    if (verb->needs_to && wish.to == NULL)
        return cli_usage(&cli_store, "%s needs --to", verb->name);
    struct store_dump dump = {.progress = show_progress, .user = &shown, .resume = wish.resume};
    return verb->run(&wish, &dump, &err) ? CLI_OK : cli_error(&err);
}
