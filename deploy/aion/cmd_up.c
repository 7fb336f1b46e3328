/* aion up: makes the home, starts the mesh, keeps it running. */
#include "up.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RENEW_US = 600000000, DETACH_WAIT_S = 60 };

static const char *const words[] = {"--home",     "--port-base",    "--detach", "--modules",
                                    "--policies", "--trust-domain", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_up = {"up",
                                   "[--home DIR] [--port-base N] [--detach] [--modules DIR] "
                                   "[--policies DIR] [--trust-domain NAME]",
                                   "start the whole mesh on embedded defaults", words, run};

/* -- the first one in this home ------------------------------------------- */

static bool lock_home(const char *home, int *ret_fd, struct aion_err *err)
{
    char path[CLI_PATH_MAX];
    struct cli_run other;
    char url[CLI_URL_MAX];
    struct stat about;
    if (!aion_file_mkdirs(home, 0700, err))
        return false;
    if (stat(home, &about) != 0 || access(home, R_OK | W_OK | X_OK) != 0)
        return aion_fail_errno(err, AION_DENIED,
                               "home %s cannot be read and written by this user", home);
    if (about.st_uid == geteuid())
        chmod(home, 0700);
    if (!cli_path(path, home, "lock") ||
        (*ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        return aion_fail_errno(err, AION_DENIED, "home %s cannot be written", home);
    if (flock(*ret_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    close(*ret_fd);
    if (cli_run_read(home, &other, err))
        return aion_fail(err, AION_EXISTS, "a mesh runs in %s already: pid %d, %s", home,
                         other.pid, cli_run_url(&other, url));
    return aion_fail(err, AION_EXISTS, "a mesh is starting in %s already", home);
}

static void publish(struct up *up)
{
    struct aion_err err;
    if (!cli_run_write(&up->run, &err))
        fprintf(stderr, "aion up: run.json was not written: %s\n", err.text);
}

static void on_ready(struct up *up, struct up_child *child)
{
    char text[256];
    ssize_t n = read(child->ready_fd, text, sizeof(text));
    if (n > 0 && strncmp(text, "ready ", 6) == 0) {
        child->public->ready = true;
        publish(up);
        up_tell_ready(up);
    }
    if (n <= 0 || child->public->ready) {
        close(child->ready_fd);
        child->ready_fd = -1;
    }
}

/* -- stopping: the gateway first, so that nothing new comes in; then the others -- */

static bool running(const struct up *up, size_t first)
{
    for (size_t i = first; i < up->count; i++)
        if (up->children[i].pid > 0)
            return true;
    return false;
}

static void stop_on(struct up *up)
{
    if (up->stop_step == 0) {
        up_signal(&up->children[0], SIGTERM);
        up->stop_step = 1;
    }
    if (up->stop_step == 1 && up->children[0].pid == 0) {
        for (size_t i = 1; i < up->count; i++)
            up_signal(&up->children[i], SIGTERM);
        up->stop_step = 2;
    }
    if (aion_clock_mono_us() >= up->stop_by_us && up->stop_step < 3) {
        for (size_t i = 0; i < up->count; i++)
            up_signal(&up->children[i], SIGKILL);
        up->stop_step = 3;
    }
}

static void begin_stop(struct up *up)
{
    if (up->stopping) { /* asked twice: at once */
        for (size_t i = 0; i < up->count; i++)
            up_signal(&up->children[i], SIGKILL);
        return;
    }
    up->stopping = true;
    if (up->gateway_fd >= 0)
        close(up->gateway_fd); /* nobody will come to serve who waits there */
    up->gateway_fd = -1;
    up->stop_by_us = aion_clock_mono_us() + UP_DRAIN_US;
    stop_on(up);
}

/* -- the loop ------------------------------------------------------------- */

static void reap(struct up *up)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < up->count; i++)
            if (up->children[i].pid == pid) {
                while (up->children[i].out_fd >= 0 && up->children[i].pid == pid) {
                    struct pollfd more = {up->children[i].out_fd, POLLIN, 0};
                    if (poll(&more, 1, 0) <= 0)
                        break;
                    up_log_read(up, &up->children[i]);
                }
                up_ended(up, &up->children[i], status);
                publish(up);
            }
    if (up->failed != NULL && !up->stopping) {
        up_tell_failed(up);
        begin_stop(up);
    }
    if (up->stopping)
        stop_on(up);
}

static void on_signal(struct up *up, int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (info.ssi_signo == SIGCHLD)
        reap(up);
    else if (info.ssi_signo == SIGHUP)
        for (size_t i = 0; i < up->count; i++)
            up_signal(&up->children[i], SIGHUP);
    else
        begin_stop(up);
}

static void restart_due(struct up *up)
{
    int64_t now = aion_clock_mono_us();
    for (size_t i = 0; i < up->count; i++) {
        struct up_child *child = &up->children[i];
        if (up->stopping || child->restart_at_us == 0 || now < child->restart_at_us)
            continue;
        up_start(up, child);
        publish(up);
    }
}

static void wait_and_serve(struct up *up, int signals)
{
    struct pollfd waits[1 + 2 * CLI_PROCESSES_MAX];
    waits[0] = (struct pollfd){signals, POLLIN, 0};
    for (size_t i = 0; i < up->count; i++) {
        waits[1 + 2 * i] = (struct pollfd){up->children[i].ready_fd, POLLIN, 0};
        waits[2 + 2 * i] = (struct pollfd){up->children[i].out_fd, POLLIN, 0};
    }
    if (poll(waits, 1 + 2 * up->count, 100) <= 0)
        return;
    for (size_t i = 0; i < up->count; i++) {
        if (waits[1 + 2 * i].revents != 0)
            on_ready(up, &up->children[i]);
        if (waits[2 + 2 * i].revents != 0)
            up_log_read(up, &up->children[i]);
    }
    if (waits[0].revents != 0)
        on_signal(up, signals);
}

static int supervise(struct up *up)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int64_t renew_at = aion_clock_mono_us() + RENEW_US;
    for (size_t i = 0; i < up->count; i++)
        up_start(up, &up->children[i]);
    publish(up);
    while (!up->stopping || running(up, 0)) {
        wait_and_serve(up, signals);
        restart_due(up);
        if (up->stopping)
            stop_on(up);
        if (aion_clock_mono_us() >= renew_at) {
            up_renew(up);
            renew_at += RENEW_US;
        }
    }
    close(signals);
    char path[CLI_PATH_MAX];
    if (cli_path(path, up->run.home, "run.json"))
        unlink(path);
    return up->failed != NULL ? CLI_FAILED : CLI_OK;
}

/* -- start ---------------------------------------------------------------- */

static bool find_executable(struct up *up, struct aion_err *err)
{
    ssize_t size = readlink("/proc/self/exe", up->executable, sizeof(up->executable) - 1);
    if (size <= 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "cannot find the own executable");
    up->executable[size] = '\0';
    if (up->modules[0] != '\0')
        return true;
    const char *slash = strrchr(up->executable, '/');
    snprintf(up->modules, sizeof(up->modules), "%.*s/modules", (int)(slash - up->executable),
             up->executable);
    return true;
}

static bool prepare(struct up *up, struct aion_err *err)
{
    if (!find_executable(up, err) || !up_prepare(up, err) || !up_plan(up, err))
        return false;
    for (size_t i = 0; i < up->count; i++)
        if (!up_log_open(up, &up->children[i], err))
            return false;
    return true;
}

static int start(struct up *up)
{
    struct aion_err err;
    int lock = -1, status;
    up->run.pid = getpid();
    up->run.started_s = time(NULL);
    if (lock_home(up->run.home, &lock, &err) && prepare(up, &err)) {
        status = supervise(up);
    } else {
        if (up->tell_fd >= 0)
            dprintf(up->tell_fd, "failed: %s%s%s%s\n", err.text,
                    err.detail[0] != '\0' ? " (" : "", err.detail,
                    err.detail[0] != '\0' ? ")" : "");
        else
            fprintf(stderr, "aion up: %s%s%s%s\n", err.text, err.detail[0] != '\0' ? " (" : "",
                    err.detail, err.detail[0] != '\0' ? ")" : "");
        status = CLI_FAILED;
    }
    for (size_t i = 0; i < up->count; i++)
        up_log_close(&up->children[i]);
    if (lock >= 0)
        close(lock);
    return status;
}

/* The parent of a detached mesh: waits for its first word. */
static int wait_for_word(int fd)
{
    char text[UP_TELL_MAX];
    size_t used = 0;
    bool ended = false;
    struct pollfd wait = {fd, POLLIN, 0};
    while (used < sizeof(text) - 1 && poll(&wait, 1, DETACH_WAIT_S * 1000) > 0) {
        ssize_t n = read(fd, text + used, sizeof(text) - 1 - used);
        ended = n <= 0;
        if (ended)
            break;
        used += (size_t)n;
    }
    text[used] = '\0';
    if (strncmp(text, "ready: ", 7) == 0) {
        fputs(text, stdout);
        return CLI_OK;
    }
    if (used > 0)
        fprintf(stderr, "aion up: %s", text + strlen("failed: "));
    else if (ended)
        fprintf(stderr, "aion up: the supervisor ended without a word; see aion logs\n");
    else
        fprintf(stderr,
                "aion up: the mesh is not ready after %d s, and goes on trying; see aion "
                "logs, or end it by aion down\n",
                DETACH_WAIT_S);
    return CLI_FAILED;
}

static int detach(struct up *up)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0)
        return CLI_FAILED;
    pid_t pid = fork();
    if (pid != 0) {
        close(pair[1]);
        return pid > 0 ? wait_for_word(pair[0]) : CLI_FAILED;
    }
    close(pair[0]);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    up->quiet = true;
    up->tell_fd = pair[1];
    _exit(start(up));
}

static int run(int argc, char **argv)
{
    static struct up up; /* large; one per process */
    struct cli_args args = {argc, argv, 1};
    struct aion_err err;
    const char *home = NULL, *value;
    bool detached = false;
    int64_t base = 8080;
    up.tell_fd = up.gateway_fd = -1;
    aion_arena_init(&up.arena, 1024 * 1024, NULL, 0);
    aion_str_copy(up.run.trust_domain, sizeof(up.run.trust_domain), AION_STR("aion.local"));
    while (args.at < argc) {
        if ((value = cli_value(&args, "--home")) != NULL)
            home = value;
        else if ((value = cli_value(&args, "--port-base")) != NULL) {
            if (!aion_str_i64(aion_str_of(value), &base) || base < 0 || base > 65000)
                return cli_usage(&cli_up, "--port-base: \"%s\" is not 0..65000", value);
        } else if ((value = cli_value(&args, "--modules")) != NULL)
            aion_str_copy(up.modules, sizeof(up.modules), aion_str_of(value));
        else if ((value = cli_value(&args, "--policies")) != NULL)
            aion_str_copy(up.policies, sizeof(up.policies), aion_str_of(value));
        else if ((value = cli_value(&args, "--trust-domain")) != NULL)
            aion_str_copy(up.run.trust_domain, sizeof(up.run.trust_domain), aion_str_of(value));
        else if (cli_flag(&args, "--detach"))
            detached = true;
        else
            return cli_unexpected(&cli_up, &args);
    }
    up.port_base = (int)base;
    up.colors = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
    if (!cli_home(home, up.run.home, &err))
        return cli_error(&err);
    char real[CLI_PATH_MAX];
    if (up.run.home[0] != '/' && getcwd(real, sizeof(real)) != NULL) {
        char joined[CLI_PATH_MAX];
        if (cli_path(joined, real, up.run.home))
            aion_str_copy(up.run.home, sizeof(up.run.home), aion_str_of(joined));
    }
    int status = detached ? detach(&up) : start(&up);
    aion_arena_done(&up.arena);
    return status;
}
