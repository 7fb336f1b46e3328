/* The spawner's own process: waits for requests and for children, one thread, no library but
 * libc. */
#include "host_spawner_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    pid_t pid; /* 0 = free */
    uint64_t ticket;
};

struct serving {
    int socket;
    struct child children[SPAWNER_CHILDREN_MAX];
};

static void tell(struct serving *serving, const struct spawner_event *event, const int *fds)
{
    if (!spawner_send(serving->socket, event, sizeof(*event), fds, fds != NULL ? 3 : 0))
        _exit(0);
}

static void set_limit(int which, uint64_t value)
{
    struct rlimit limit = {value, value};
    if (value > 0)
        setrlimit((__rlimit_resource_t)which, &limit);
}

/* In the child, before exec: only async-signal-safe calls. `report` is close-on-exec and tells
 * errno of a failed exec. */
static AION_NORETURN void become_module(const struct spawner_request *request, const int *ends,
                                        int report)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    for (int fd = 0; fd < 3; fd++)
        dup2(ends[fd], fd);
    set_limit(RLIMIT_AS, request->limits.memory_bytes);
    set_limit(RLIMIT_NOFILE, request->limits.files);
    set_limit(RLIMIT_FSIZE, request->limits.file_bytes);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    char *const argv[] = {(char *)(uintptr_t)request->path, NULL};
    char *const environment[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin",
                                 (char *)(uintptr_t) "LANG=C.UTF-8", NULL};
    execve(request->path, argv, environment);
    int error = errno;
    ssize_t ignored = write(report, &error, sizeof(error));
    (void)ignored;
    _exit(127);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Three pipes and the report pipe: pipes[i][0] reads, [1] writes. False with errno. */
static bool make_pipes(int pipes[4][2])
{
    memset(pipes, -1, sizeof(int) * 8);
    for (int i = 0; i < 4; i++)
        if (pipe2(pipes[i], O_CLOEXEC) != 0) {
            int error = errno;
            close_all(&pipes[0][0], 8);
            errno = error;
            return false;
        }
    return true;
}

/* 0 once exec has happened, else its errno. */
static int exec_result(int report)
{
    int error = 0;
    ssize_t n;
    do
        n = read(report, &error, sizeof(error));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(error) ? error : 0;
}

static struct child *free_child(struct serving *serving)
{
    for (size_t i = 0; i < SPAWNER_CHILDREN_MAX; i++)
        if (serving->children[i].pid == 0)
            return &serving->children[i];
    return NULL;
}

static void tell_failed(struct serving *serving, uint64_t ticket, int error)
{
    struct spawner_event event = {.kind = SPAWNER_FAILED, .ticket = ticket, .error = error};
    tell(serving, &event, NULL);
}

static void spawn(struct serving *serving, const struct spawner_request *request)
{
    struct child *child = free_child(serving);
    int pipes[4][2]; /* stdin, stdout, stderr, report */
    if (child == NULL || !make_pipes(pipes)) {
        tell_failed(serving, request->ticket, child == NULL ? EAGAIN : errno);
        return;
    }
    int ends[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
    pid_t pid = fork();
    if (pid == 0)
        become_module(request, ends, pipes[3][1]);
    int error = pid < 0 ? errno : 0;
    close_all(ends, 3);
    close(pipes[3][1]);
    if (pid > 0)
        error = exec_result(pipes[3][0]);
    close(pipes[3][0]);
    int keep[3] = {pipes[0][1], pipes[1][0], pipes[2][0]};
    if (error == 0) {
        setpgid(pid, pid); /* the child does it too: whoever comes first */
        *child = (struct child){pid, request->ticket};
        for (int i = 0; i < 3; i++)
            fcntl(keep[i], F_SETFL, O_NONBLOCK);
        struct spawner_event event = {
            .kind = SPAWNER_STARTED, .ticket = request->ticket, .pid = pid};
        tell(serving, &event, keep);
    } else {
        if (pid > 0)
            waitpid(pid, NULL, 0);
        tell_failed(serving, request->ticket, error);
    }
    close_all(keep, 3);
}

static void kill_child(struct serving *serving, pid_t pid)
{
    for (size_t i = 0; i < SPAWNER_CHILDREN_MAX; i++)
        if (pid > 1 && serving->children[i].pid == pid)
            kill(-pid, SIGKILL);
}

/* False: the host closed its end. */
static bool serve_request(struct serving *serving)
{
    struct spawner_request request;
    ssize_t n = recv(serving->socket, &request, sizeof(request), 0);
    if (n < 0 && errno == EINTR)
        return true;
    if (n != (ssize_t)sizeof(request))
        return false;
    request.path[sizeof(request.path) - 1] = '\0';
    if (request.kind == SPAWNER_SPAWN)
        spawn(serving, &request);
    else
        kill_child(serving, request.pid);
    return true;
}

/* Reaps all that ended; what a module left behind in its process group goes with it. */
static void reap(struct serving *serving)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < SPAWNER_CHILDREN_MAX; i++) {
            struct child *child = &serving->children[i];
            if (child->pid != pid)
                continue;
            kill(-pid, SIGKILL);
            struct spawner_event event = {
                .kind = SPAWNER_EXITED, .ticket = child->ticket, .pid = pid, .status = status};
            child->pid = 0;
            tell(serving, &event, NULL);
        }
    }
}

static void kill_all(const struct serving *serving)
{
    for (size_t i = 0; i < SPAWNER_CHILDREN_MAX; i++)
        if (serving->children[i].pid > 1)
            kill(-serving->children[i].pid, SIGKILL);
}

void spawner_serve(int socket)
{
    static struct serving serving; /* 16 KiB: off the stack; one per process */
    serving.socket = socket;
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    /* The host's terminal signals are the host's: it closes the socket when it ends. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    int children = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    prctl(PR_SET_NAME, "aion-spawner");
    struct pollfd waits[2] = {{socket, POLLIN, 0}, {children, POLLIN, 0}};
    for (;;) {
        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            break;
        struct signalfd_siginfo info;
        if (waits[1].revents != 0 && read(children, &info, sizeof(info)) > 0)
            reap(&serving);
        if (waits[0].revents != 0 && !serve_request(&serving))
            break;
    }
    kill_all(&serving);
    _exit(0);
}
