/* Signals are blocked everywhere and read by one thread; what they ask for runs on the loop. */
#include "program/program_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void program_signals_block(void)
{
    sigset_t set;
    fill(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void run_drain(struct aion_job *job)
{
    struct program_signals *signals = aion_container(job, struct program_signals, drain_job);
    signals->drain(signals->user);
}

static void run_reload(struct aion_job *job)
{
    struct program_signals *signals = aion_container(job, struct program_signals, reload_job);
    atomic_store(&signals->reload_posted, false);
    signals->reload(signals->user);
}

static void on_signal(struct program_signals *signals, unsigned number)
{
    if (number == SIGHUP) {
        if (!atomic_exchange(&signals->reload_posted, true))
            aion_exec_post(signals->exec, &signals->reload_job);
        return;
    }
    if (atomic_exchange(&signals->drain_posted, true))
        _exit(1); /* asked twice: at once */
    aion_exec_post(signals->exec, &signals->drain_job);
}

static void *wait_for_signals(void *argument)
{
    struct program_signals *signals = argument;
    sigset_t set;
    fill(&set);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    struct pollfd waits[2] = {{fd, POLLIN, 0}, {signals->stop_pipe[0], POLLIN, 0}};
    for (;;) {
        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            break;
        if (waits[1].revents != 0)
            break;
        struct signalfd_siginfo info;
        if (waits[0].revents != 0 && read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
            on_signal(signals, info.ssi_signo);
    }
    close(fd);
    return NULL;
}

bool program_signals_start(struct program_signals *signals, struct aion_err *err)
{
    signals->drain_job.run = run_drain;
    signals->reload_job.run = run_reload;
    if (pipe(signals->stop_pipe) != 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "cannot make a pipe");
    if (pthread_create(&signals->thread, NULL, wait_for_signals, signals) == 0)
        return true;
    return aion_fail(err, AION_UNAVAILABLE, "cannot make the signal thread");
}

void program_signals_stop(struct program_signals *signals)
{
    close(signals->stop_pipe[1]);
    pthread_join(signals->thread, NULL);
    close(signals->stop_pipe[0]);
}
