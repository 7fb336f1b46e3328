#include "guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { RESTORE_MAX = 256, STACK_SIZE = 64 * 1024, WRITE_TRIES = 20, WRITE_MS = 50 };

enum armed { DISARMED, ARMED, RESTORING };

/* Shared with the parent: what the terminal was, and how to get it back. */
struct shared {
    atomic_int armed; /* enum armed */
    struct termios before;
    char restore[RESTORE_MAX];
    size_t restore_size;
};

static struct shared own; /* where nobody guards: tests of the handlers */
static struct shared *shared = &own;
static int terminal = -1; /* the console's or the parent's descriptor of it */
static char stack[STACK_SIZE];

static const int fatal[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGSEGV,
                            SIGABRT, SIGBUS,  SIGFPE, SIGILL};

/* -- putting it right ------------------------------------------------------ */

/* Async-signal-safe. What was still to be written is thrown away, so that this gets through. */
static void put_right(int fd)
{
    size_t at = 0;
    tcflush(fd, TCOFLUSH);
    for (int tries = 0; at < shared->restore_size && tries < WRITE_TRIES; tries++) {
        ssize_t written = write(fd, shared->restore + at, shared->restore_size - at);
        if (written > 0)
            at += (size_t)written;
        else if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, WRITE_MS);
        else if (errno != EINTR)
            break;
    }
    tcsetattr(fd, TCSANOW, &shared->before);
}

/* Two threads may be told to end at once (who loses both guard and terminal gets TERM and HUP):
 * the second waits for the first, or it would end the process in the midst of it. */
static void restore_once(void)
{
    int armed = ARMED;
    if (atomic_compare_exchange_strong(&shared->armed, &armed, RESTORING)) {
        put_right(terminal);
        atomic_store(&shared->armed, DISARMED);
    }
    for (int tries = 0; atomic_load(&shared->armed) == RESTORING && tries < WRITE_TRIES;
         tries++)
        poll(NULL, 0, WRITE_MS);
}

static void on_fatal(int number)
{
    int saved = errno;
    restore_once();
    signal(number, SIG_DFL);
    raise(number);
    errno = saved;
}

static void catch_fatal(void)
{
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};
    sigfillset(&action.sa_mask);
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < aion_countof(fatal); i++)
        sigaction(fatal[i], &action, NULL);
}

bool tui_guard_begin(int fd)
{
    terminal = fd;
    return tcgetattr(fd, &shared->before) == 0;
}

void tui_guard_arm(aion_str restore)
{
    if (restore.size > RESTORE_MAX)
        restore.size = RESTORE_MAX;
    memcpy(shared->restore, restore.data, restore.size);
    shared->restore_size = restore.size;
    atomic_store(&shared->armed, ARMED);
    catch_fatal();
}

void tui_guard_disarm(void)
{
    restore_once();
}

/* -- the parent ------------------------------------------------------------ */

static volatile sig_atomic_t console;

static void pass_on(int number)
{
    if (console > 0)
        kill((pid_t)console, number);
}

static void pass_signals(void)
{
    static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < aion_countof(passed); i++)
        sigaction(passed[i], &action, NULL);
}

/* The same end as the console's, so that a shell sees what happened. */
static int end_like(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    fprintf(stderr, "aion console: ended by signal %d (%s); the terminal was restored\n",
            number, strsignal(number));
    if (number == SIGKILL)
        return 128 + number;
    signal(number, SIG_DFL);
    raise(number);
    return 128 + number;
}

/* Stops and goes on with the console, as job control wants it. */
static int wait_for(pid_t child)
{
    int status = 0;
    for (;;) {
        pid_t got = waitpid(child, &status, WUNTRACED);
        if (got < 0 && errno != EINTR)
            return 0;
        if (got == child && !WIFSTOPPED(status))
            return status;
        if (got == child) {
            raise(SIGSTOP);
            kill(child, SIGCONT);
        }
    }
}

int tui_guard_run(int (*run)(void *user), void *user)
{
    void *memory =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigset_t all, before;
    if (memory == MAP_FAILED)
        return run(user);
    shared = memory;
    pid_t parent = getpid();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t child = fork();
    if (child <= 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent))
            return 1;
        return run(user); /* without a guard rather than not at all */
    }
    console = child;
    pass_signals();
    sigprocmask(SIG_SETMASK, &before, NULL);
    int status = wait_for(child);
    if (atomic_exchange(&shared->armed, DISARMED) != DISARMED)
        put_right(STDOUT_FILENO);
    return end_like(status);
}
