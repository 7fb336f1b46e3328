/* One child: started with its ready pipe and its log pipe, restarted with back-off. */
#include "up.h"

#include "base/clock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LISTEN_FD = 3 };

/* By sd_listen_fds(3)'s protocol: descriptor 3. In the child of the gateway. */
static void hand_listener(int fd)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    if (fd == LISTEN_FD)
        fcntl(fd, F_SETFD, 0);
    else
        dup2(fd, LISTEN_FD);
}

/* In the child. The supervisor's death, even by SIGKILL, ends it with a drain. */
static AION_NORETURN void become(struct up *up, struct up_child *child, int ready, int out,
                                 pid_t supervisor)
{
    sigset_t none;
    char fd_text[16], key[CLI_PATH_MAX + 64];
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != supervisor)
        _exit(0);
    setpgid(0, 0); /* a Ctrl-C at the terminal is the supervisor's to spread, in order */
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    ready = fcntl(ready, F_DUPFD, LISTEN_FD + 1); /* and not close-on-exec */
    snprintf(fd_text, sizeof(fd_text), "%d", ready);
    setenv("AION_READY_FD", fd_text, 1);
    snprintf(key, sizeof(key), "%s", up->run.api_key_file);
    setenv("AION_GATEWAY_API_KEYS_FILE", key, 0);
    if (child == &up->children[0])
        hand_listener(up->gateway_fd);
    execv(up->executable, child->args);
    _exit(127);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void up_start(struct up *up, struct up_child *child)
{
    int ready[2] = {-1, -1}, out[2] = {-1, -1};
    pid_t supervisor = getpid(), pid = -1;
    child->restart_at_us = 0;
    close_fd(&child->ready_fd);
    close_fd(&child->out_fd);
    if (pipe2(ready, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0)
        pid = fork();
    if (pid == 0)
        become(up, child, ready[1], out[1], supervisor);
    close_fd(&ready[1]);
    close_fd(&out[1]);
    child->started_us = aion_clock_mono_us();
    if (pid < 0) {
        close_fd(&ready[0]);
        close_fd(&out[0]);
        up_log_note(up, child, "cannot be started; another try follows");
        child->restart_at_us = child->started_us + UP_BACKOFF_MOST_MS * 1000;
        return;
    }
    child->pid = child->public->pid = pid;
    child->ready_fd = ready[0];
    child->out_fd = out[0];
}

void up_signal(struct up_child *child, int number)
{
    if (child->pid > 0)
        kill(child->pid, number);
}

/* At the very start nobody is served yet: better an end with its reason than tries for ever. */
static bool hopeless(const struct up *up, struct up_child *child)
{
    if (up->told || child->public->ready)
        return false;
    return ++child->failed_starts >= UP_START_TRIES;
}

void up_ended(struct up *up, struct up_child *child, int status)
{
    int64_t now = aion_clock_mono_us();
    if (!up->stopping && hopeless(up, child)) {
        up->failed = child;
        child->stopping = true;
    }
    child->pid = child->public->pid = 0;
    child->public->ready = false;
    close_fd(&child->ready_fd);
    if (up->stopping || child->stopping)
        return;
    if (now - child->started_us >= UP_STEADY_US)
        child->backoff_ms = 0;
    child->backoff_ms = child->backoff_ms == 0 ? UP_BACKOFF_FIRST_MS : child->backoff_ms * 2;
    if (child->backoff_ms > UP_BACKOFF_MOST_MS)
        child->backoff_ms = UP_BACKOFF_MOST_MS;
    child->restart_at_us = now + (int64_t)child->backoff_ms * 1000;
    child->public->restarts++;
    up_log_note(up, child, "%s %d; restarted in %u ms (restart %u)",
                WIFSIGNALED(status) ? "ended by signal" : "exited with status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), child->backoff_ms,
                child->public->restarts);
}
