/* The admin port's thread: a few connections, each one request, all bounded in bytes and time.
 * Of the loop's domain state it touches nothing: pages that need it are given by programs as
 * snapshots. */
#include "base/clock.h"
#include "mesh/admin_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD_MAX = 8192,
    OUT_MAX = 33 * 1024 * 1024,
    READ_US = 5000000,   /* for the whole head */
    WRITE_US = 10000000, /* for the whole answer */
    CLOSE_US =
        1000000, /* until the peer's close: ours at once would reset what it has not read */
    BACKLOG = 64,
    ACCEPT_AGAIN_MS = 100, /* after an accept that failed for want of descriptors */
};

/* -- connections ---------------------------------------------------------- */

static void conn_close(struct mesh_admin_conn *conn)
{
    if (conn->fd < 0)
        return;
    close(conn->fd);
    conn->fd = -1;
    aion_buf_done(&conn->in);
    aion_buf_done(&conn->out);
}

static void enter(struct mesh_admin_conn *conn, enum mesh_admin_state state, int64_t most_us)
{
    conn->state = state;
    conn->deadline_us = aion_clock_mono_us() + most_us;
}

/* A free place; when there is none, that of the connection whose time is up first: slow peers
 * go before new ones. */
static struct mesh_admin_conn *place(struct mesh_admin *admin)
{
    struct mesh_admin_conn *oldest = &admin->conns[0];
    for (size_t i = 0; i < MESH_ADMIN_CONNS_MAX; i++) {
        struct mesh_admin_conn *conn = &admin->conns[i];
        if (conn->fd < 0)
            return conn;
        if (conn->deadline_us < oldest->deadline_us)
            oldest = conn;
    }
    conn_close(oldest);
    return oldest;
}

/* False: no descriptor is left; asking again at once would spin. */
static bool accept_one(struct mesh_admin *admin)
{
    int fd = accept4(admin->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    struct mesh_admin_conn *conn = place(admin);
    conn->fd = fd;
    conn->scanned = conn->sent = 0;
    aion_buf_init(&conn->in, HEAD_MAX);
    aion_buf_init(&conn->out, OUT_MAX);
    enter(conn, ADMIN_READING, READ_US);
    return true;
}

static void write_some(struct mesh_admin_conn *conn)
{
    size_t left = conn->out.size - conn->sent;
    ssize_t n = send(conn->fd, conn->out.data + conn->sent, left, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        conn_close(conn);
        return;
    }
    conn->sent += n > 0 ? (size_t)n : 0;
    if (conn->sent < conn->out.size)
        return;
    shutdown(conn->fd, SHUT_WR);
    enter(conn, ADMIN_CLOSING, CLOSE_US);
}

static void answer(struct mesh_admin *admin, struct mesh_admin_conn *conn)
{
    struct http1_head head;
    size_t size;
    const char *why = NULL;
    enum http1_result result =
        http1_head_parse(aion_buf_view(&conn->in), &conn->scanned, &head, &size, &why);
    if (result == HTTP1_MORE && conn->in.size < HEAD_MAX)
        return;
    if (result == HTTP1_DONE)
        mesh_admin_answer(admin, &head, &conn->out);
    else if (result == HTTP1_MORE)
        mesh_admin_refuse(431, "the request's head is too large", &conn->out);
    else
        mesh_admin_refuse(http1_result_status(result), why, &conn->out);
    enter(conn, ADMIN_WRITING, WRITE_US);
    write_some(conn);
}

static void read_some(struct mesh_admin *admin, struct mesh_admin_conn *conn)
{
    char bytes[HEAD_MAX];
    bool reading = conn->state == ADMIN_READING;
    size_t most = reading ? HEAD_MAX - conn->in.size : sizeof(bytes);
    ssize_t n = recv(conn->fd, bytes, most, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        conn_close(conn);
    else if (reading && aion_buf_add(&conn->in, bytes, (size_t)n))
        answer(admin, conn);
}

static void serve(struct mesh_admin *admin, struct mesh_admin_conn *conn, short events)
{
    if (events != 0 && conn->state == ADMIN_WRITING)
        write_some(conn);
    else if (events != 0)
        read_some(admin, conn);
    if (conn->fd >= 0 && conn->deadline_us <= aion_clock_mono_us())
        conn_close(conn);
}

/* -- the thread ----------------------------------------------------------- */

enum { POLL_WAKE, POLL_LISTEN, POLL_FIRST };

/* Returns the milliseconds until the first connection's time is up; -1 = none has one. */
static int fill_polls(const struct mesh_admin *admin, struct pollfd *polls)
{
    int64_t first_us = INT64_MAX, now = aion_clock_mono_us();
    polls[POLL_WAKE] = (struct pollfd){.fd = admin->wake_fd, .events = POLLIN};
    polls[POLL_LISTEN] = (struct pollfd){.fd = admin->listen_fd, .events = POLLIN};
    for (size_t i = 0; i < MESH_ADMIN_CONNS_MAX; i++) {
        const struct mesh_admin_conn *conn = &admin->conns[i];
        short events = conn->state == ADMIN_WRITING ? POLLOUT : POLLIN;
        polls[POLL_FIRST + i] = (struct pollfd){.fd = conn->fd, .events = events};
        if (conn->fd >= 0 && conn->deadline_us < first_us)
            first_us = conn->deadline_us;
    }
    if (first_us == INT64_MAX)
        return -1;
    return first_us > now ? (int)((first_us - now) / 1000) + 1 : 0;
}

static void *run(void *argument)
{
    struct mesh_admin *admin = argument;
    struct pollfd polls[POLL_FIRST + MESH_ADMIN_CONNS_MAX];
    bool accepting = true;
    for (;;) {
        int wait_ms = fill_polls(admin, polls);
        if (!accepting) {
            polls[POLL_LISTEN].fd = -1;
            wait_ms = ACCEPT_AGAIN_MS;
        }
        if (poll(polls, aion_countof(polls), wait_ms) < 0 && errno != EINTR)
            return NULL;
        if (polls[POLL_WAKE].revents != 0)
            return NULL;
        for (size_t i = 0; i < MESH_ADMIN_CONNS_MAX; i++)
            if (admin->conns[i].fd >= 0)
                serve(admin, &admin->conns[i], polls[POLL_FIRST + i].revents);
        /* last: it may take another's place */
        accepting = polls[POLL_LISTEN].revents == 0 || accept_one(admin);
    }
}

/* -- listening ------------------------------------------------------------ */

/* "127.0.0.1:8101", "localhost:0", "[::1]:8101" → an address. */
static bool parse_listen(const char *listen_text, struct sockaddr_storage *ret_address,
                         socklen_t *ret_size)
{
    char host[64];
    const char *colon = strrchr(listen_text, ':');
    uint64_t port;
    if (colon == NULL || !aion_str_u64(aion_str_of(colon + 1), &port) || port > 65535)
        return false;
    aion_str name = aion_str_n(listen_text, (size_t)(colon - listen_text));
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
    memset(ret_address, 0, sizeof(*ret_address));
    if (name.size > 2 && name.data[0] == '[' && name.data[name.size - 1] == ']') {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *ret_size = sizeof(*v6);
        return aion_str_copy(host, sizeof(host), aion_str_n(name.data + 1, name.size - 2)) &&
               inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
    }
    if (aion_str_is(name, "localhost"))
        name = AION_STR("127.0.0.1");
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    *ret_size = sizeof(*v4);
    return aion_str_copy(host, sizeof(host), name) &&
           inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static bool open_port(struct mesh_admin *admin, const char *listen_text, struct aion_err *err)
{
    struct sockaddr_storage address;
    socklen_t size;
    if (!parse_listen(listen_text, &address, &size))
        return aion_fail(err, AION_INVALID,
                         "admin address \"%s\" is not ADDRESS:PORT with a numeric address",
                         listen_text);
    int one = 1;
    admin->listen_fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (admin->listen_fd < 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "no socket for the admin port");
    /* a restarted program gets its port back while old connections linger */
    setsockopt(admin->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(admin->listen_fd, (struct sockaddr *)&address, size) != 0 ||
        listen(admin->listen_fd, BACKLOG) != 0)
        return aion_fail_errno(
            err, AION_EXISTS,
            "cannot listen on %s: the address is in use or not of this machine; "
            "choose another by --admin-listen or --port-base",
            listen_text);
    admin->port = port_of(admin->listen_fd);
    return true;
}

static void release(struct mesh_admin *admin)
{
    for (size_t i = 0; i < MESH_ADMIN_CONNS_MAX; i++)
        conn_close(&admin->conns[i]);
    if (admin->listen_fd >= 0)
        close(admin->listen_fd);
    if (admin->wake_fd >= 0)
        close(admin->wake_fd);
    pthread_mutex_destroy(&admin->lock);
    free(admin);
}

/* -- the contract --------------------------------------------------------- */

static bool start(struct mesh_admin *admin, const char *listen_text, struct aion_err *err)
{
    if (!open_port(admin, listen_text, err))
        return false;
    admin->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (admin->wake_fd < 0)
        return aion_fail_errno(err, AION_UNAVAILABLE, "no descriptor for the admin thread");
    if (pthread_create(&admin->thread, NULL, run, admin) != 0)
        return aion_fail(err, AION_UNAVAILABLE, "no thread for the admin port");
    return true;
}

struct mesh_admin *mesh_admin_start(const char *listen_text, struct aion_err *err)
{
    struct mesh_admin *admin = calloc(1, sizeof(*admin));
    if (admin == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    admin->listen_fd = admin->wake_fd = -1;
    for (size_t i = 0; i < MESH_ADMIN_CONNS_MAX; i++)
        admin->conns[i].fd = -1;
    pthread_mutex_init(&admin->lock, NULL);
    snprintf(admin->reason, sizeof(admin->reason), "starting");
    if (start(admin, listen_text, err))
        return admin;
    release(admin);
    return NULL;
}

int mesh_admin_port(const struct mesh_admin *admin)
{
    return admin->port;
}

void mesh_admin_ready(struct mesh_admin *admin, bool ready, const char *reason)
{
    pthread_mutex_lock(&admin->lock);
    admin->ready = ready;
    snprintf(admin->reason, sizeof(admin->reason), "%s", reason != NULL ? reason : "not ready");
    pthread_mutex_unlock(&admin->lock);
}

void mesh_admin_page(struct mesh_admin *admin, const struct mesh_admin_page *page)
{
    pthread_mutex_lock(&admin->lock);
    bool room = admin->page_count < MESH_ADMIN_PAGES_MAX;
    if (room)
        admin->pages[admin->page_count++] = *page;
    pthread_mutex_unlock(&admin->lock);
    if (!room)
        abort(); /* a programmer's error: the pages of a program are few and known */
}

void mesh_admin_stop(struct mesh_admin *admin)
{
    if (admin == NULL)
        return;
    uint64_t one = 1;
    while (write(admin->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    pthread_join(admin->thread, NULL);
    release(admin);
}
