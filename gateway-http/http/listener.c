/* The listening socket: bound by us, or inherited from a supervisor. */
#include "http/http_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, FIRST_INHERITED = 3, UNSENT_MAX = 128 * 1024 };

static bool split_address(const char *listen, char host[64], char port[8], struct aion_err *err)
{
    const char *colon = strrchr(listen, ':');
    size_t size = colon != NULL ? (size_t)(colon - listen) : 0;
    aion_str name = aion_str_n(listen, size);
    if (size >= 2 && listen[0] == '[' && listen[size - 1] == ']')
        name = aion_str_n(listen + 1, size - 2);
    if (colon == NULL || !aion_str_copy(host, 64, name) ||
        !aion_str_copy(port, 8, aion_str_of(colon + 1)) || port[0] == '\0')
        return aion_fail(err, AION_INVALID, "listen address \"%s\" is not host:port", listen);
    return true;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >>
                24) == 127;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static bool may_serve(const struct gw_server_conf *conf, const struct sockaddr *address,
                      struct aion_err *err)
{
    if (conf->cert_file != NULL || is_loopback(address))
        return true;
    return aion_fail(err, AION_INVALID,
                     "cleartext HTTP is served on loopback only, not on %s: give a "
                     "certificate and key, or listen on 127.0.0.1",
                     conf->listen);
}

static void name_address(int fd, char text[80])
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound);
    char host[48] = "", port[8] = "";
    getsockname(fd, (struct sockaddr *)&bound, &size);
    getnameinfo((struct sockaddr *)&bound, size, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    bool six = bound.ss_family == AF_INET6;
    snprintf(text, 80, "%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
}

static int bind_to(const struct gw_server_conf *conf, const struct addrinfo *info,
                   struct aion_err *err)
{
    if (!may_serve(conf, info->ai_addr, err))
        return -1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) {
        (void)aion_fail_errno(err, AION_UNAVAILABLE, "cannot make a socket");
    } else if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        enum aion_code code = errno == EADDRINUSE ? AION_EXISTS : AION_INVALID;
        const char *why =
            errno == EADDRINUSE ? "another process listens there" : "it is refused";
        (void)aion_fail_errno(err, code, "cannot listen on %s: %s (option listen)",
                              conf->listen, why);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_own(const struct gw_server_conf *conf, struct aion_err *err)
{
    char host[64], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *info = NULL;
    if (!split_address(conf->listen, host, port, err))
        return -1;
    const char *name = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (getaddrinfo(name, port, &hints, &info) != 0) {
        (void)aion_fail(err, AION_INVALID,
                        "listen address \"%s\": not an IP address and a port", conf->listen);
        return -1;
    }
    int fd = bind_to(conf, info, err);
    freeaddrinfo(info);
    return fd;
}

static bool adopt(const struct gw_server_conf *conf, struct aion_err *err)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof(bound), flag = sizeof(int);
    int fd = conf->inherited, listens = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &flag) != 0 || listens == 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) != 0)
        return aion_fail(err, AION_INVALID,
                         "LISTEN_FDS: descriptor %d is not a listening socket", fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "descriptor %d", fd);
    return may_serve(conf, (struct sockaddr *)&bound, err);
}

int gw_listen_inherited(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int64_t number = 0;
    bool ours = pid != NULL && count != NULL && aion_str_i64(aion_str_of(pid), &number) &&
                number == getpid() && aion_str_i64(aion_str_of(count), &number) && number > 0;
    unsetenv("LISTEN_PID"); /* not our children's */
    unsetenv("LISTEN_FDS");
    return ours ? FIRST_INHERITED : 0;
}

/* Connections inherit it: what a client does not read stays with whoever makes it, not in
 * megabytes of the kernel's memory. What is under way in the network does not count. */
static void bound_unsent(int fd)
{
    int bytes = UNSENT_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

int gw_listen(const struct gw_server_conf *conf, char ret_address[80], struct aion_err *err)
{
    int fd = conf->inherited;
    if (fd == 0)
        fd = open_own(conf, err);
    else if (!adopt(conf, err))
        fd = -1;
    if (fd >= 0) {
        bound_unsent(fd);
        name_address(fd, ret_address);
    }
    return fd;
}
