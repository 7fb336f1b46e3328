/* The host's side of the spawner: requests out, events in. */
#include "host_spawner_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

bool spawner_send(int socket, const void *packet, size_t size, const int *fds, size_t count)
{
    struct iovec part = {(void *)(uintptr_t)packet, size};
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = &control.align; /* CMSG_FIRSTHDR of a buffer that holds one */
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)size;
}

bool spawner_start(struct spawner *spawner, struct aion_err *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "cannot make the spawner's socket");
    pid_t host = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        aion_err_set(err, __func__, AION_UNAVAILABLE, "cannot fork the spawner");
        aion_err_errno(err);
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    if (pid == 0) {
        close(pair[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != host)
            _exit(0); /* the host died before the line above */
        spawner_serve(pair[1]);
    }
    close(pair[1]);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *spawner = (struct spawner){pair[0], pid};
    return true;
}

static bool ask(struct spawner *spawner, const struct spawner_request *request,
                struct aion_err *err)
{
    if (spawner_send(spawner->socket, request, sizeof(*request), NULL, 0))
        return true;
    return aion_fail_errno(err, AION_UNAVAILABLE,
                           "the spawner of module processes is gone or stuck");
}

bool spawner_spawn(struct spawner *spawner, uint64_t ticket, const char *path,
                   const struct spawner_limits *limits, struct aion_err *err)
{
    struct spawner_request request = {
        .kind = SPAWNER_SPAWN, .ticket = ticket, .limits = *limits};
    if (!aion_str_copy(request.path, sizeof(request.path), aion_str_of(path)))
        return aion_fail(err, AION_INVALID,
                         "path of module executable \"%.64s...\" is too long", path);
    return ask(spawner, &request, err);
}

bool spawner_kill(struct spawner *spawner, pid_t pid, struct aion_err *err)
{
    struct spawner_request request = {.kind = SPAWNER_KILL, .pid = pid};
    return ask(spawner, &request, err);
}

static void take_fds(struct msghdr *message, struct spawner_event *event)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    event->in = event->out = event->log = -1;
    if (header == NULL || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(3 * sizeof(int)))
        return;
    int fds[3];
    memcpy(fds, CMSG_DATA(header), sizeof(fds));
    event->in = fds[0];
    event->out = fds[1];
    event->log = fds[2];
}

bool spawner_next(struct spawner *spawner, struct spawner_event *ret_event,
                  struct aion_err *err)
{
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {ret_event, sizeof(*ret_event)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t n;
    do
        n = recvmsg(spawner->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return aion_fail(err, AION_OK, "no event");
    if (n != (ssize_t)sizeof(*ret_event))
        return aion_fail(err, AION_UNAVAILABLE, "the spawner of module processes is gone");
    take_fds(&message, ret_event);
    return true;
}

void spawner_stop(struct spawner *spawner)
{
    if (spawner->socket < 0)
        return;
    close(spawner->socket);
    spawner->socket = -1;
    while (waitpid(spawner->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
