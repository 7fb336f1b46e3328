/* The admin port. One thread, poll(2), a few connections, one request each: a scraper needs no more. */
#include "mesh/admin.h"

#include "base/clock.h"
#include "base/metric.h"
#include "http1/head.h"
#include "mesh/core_private.h"
#include "mesh/trace_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 16,
    HEAD_MAX = 8192,
    BODY_MAX = 16 * 1024 * 1024,
    PAGES_MAX = 16,
    TIME_MAX_US = 5000000, /* for a request to arrive and its answer to leave */
};

struct connection {
    int fd; /* -1 = free */
    int64_t until_us;
    size_t size, scanned;
    char head[HEAD_MAX];
    struct aion_buf out; /* answer; empty while reading */
    size_t written;
};

struct mesh_admin {
    pthread_t thread;
    int listener, wake, port;
    atomic_bool stop;
    pthread_mutex_t lock;
    bool ready AION_GUARDED_BY(lock);
    char reason[160] AION_GUARDED_BY(lock);
    struct mesh_admin_page pages[PAGES_MAX] AION_GUARDED_BY(lock);
    size_t page_count;
    struct connection connections[CONNECTIONS_MAX];
};

/* -- pages ---------------------------------------------------------------------------------------- */

static int write_metrics(void *user, struct aion_buf *out)
{
    (void)user;
    aion_metric_render(out);
    return 200;
}

static int write_health(void *user, struct aion_buf *out)
{
    (void)user;
    aion_buf_text(out, "ok\n");
    return 200;
}

static int write_ready(void *user, struct aion_buf *out)
{
    struct mesh_admin *admin = user;
    pthread_mutex_lock(&admin->lock);
    bool ready = admin->ready;
    aion_buf_printf(out, "%s\n", ready ? "ready" : admin->reason);
    pthread_mutex_unlock(&admin->lock);
    return ready ? 200 : 503;
}

static int write_spans(void *user, struct aion_buf *out)
{
    (void)user;
    mesh_spans_write(out);
    return 200;
}

/* The core's own view of its channels and servers. */
static int write_channelz(void *user, struct aion_buf *out)
{
    (void)user;
    char *channels = grpc_channelz_get_top_channels(0);
    char *servers = grpc_channelz_get_servers(0);
    aion_buf_printf(out, "{\"channels\":%s,\"servers\":%s}\n", channels != NULL ? channels : "null",
                    servers != NULL ? servers : "null");
    gpr_free(channels);
    gpr_free(servers);
    return 200;
}

static void add_builtin(struct mesh_admin *admin)
{
    static const char json[] = "application/json", text[] = "text/plain; charset=utf-8";
    const struct mesh_admin_page pages[] = {
        {"/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", write_metrics, admin},
        {"/healthz", text, write_health, admin},
        {"/readyz", text, write_ready, admin},
        {"/debug/spans", json, write_spans, admin},
        {"/debug/channelz", json, write_channelz, admin},
    };
    for (size_t i = 0; i < aion_countof(pages); i++)
        admin->pages[admin->page_count++] = pages[i];
}

void mesh_admin_page(struct mesh_admin *admin, const struct mesh_admin_page *page)
{
    pthread_mutex_lock(&admin->lock);
    if (admin->page_count == PAGES_MAX)
        abort(); /* a programmer's error */
    admin->pages[admin->page_count++] = *page;
    pthread_mutex_unlock(&admin->lock);
}

/* -- answers -------------------------------------------------------------------------------------- */

static const char *phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

static void answer(struct connection *connection, int status, const char *type, aion_str body,
                   bool head_only)
{
    aion_buf_printf(&connection->out,
                    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                    "Cache-Control: no-store\r\nConnection: close\r\n%s\r\n",
                    status, phrase(status), type, body.size,
                    status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!head_only)
        aion_buf_str(&connection->out, body);
}

static void answer_error(struct connection *connection, int status, const char *text)
{
    answer(connection, status, "text/plain; charset=utf-8", aion_str_of(text), false);
}

static bool find_page(struct mesh_admin *admin, aion_str path, struct mesh_admin_page *ret_page)
{
    bool found = false;
    pthread_mutex_lock(&admin->lock);
    for (size_t i = 0; i < admin->page_count && !found; i++)
        if (aion_str_is(path, admin->pages[i].path)) {
            *ret_page = admin->pages[i];
            found = true;
        }
    pthread_mutex_unlock(&admin->lock);
    return found;
}

static void serve(struct mesh_admin *admin, struct connection *connection,
                  const struct http1_head *head)
{
    bool head_only = aion_str_is(head->method, "HEAD");
    struct mesh_admin_page page;
    struct aion_buf body;
    if (!head_only && !aion_str_is(head->method, "GET")) {
        answer_error(connection, 405, "only GET and HEAD\n");
        return;
    }
    if (!find_page(admin, head->path, &page)) {
        answer_error(connection, 404, "no such page; there are /metrics /healthz /readyz /debug/spans "
                                      "/debug/channelz\n");
        return;
    }
    aion_buf_init(&body, BODY_MAX);
    int status = page.write(page.user, &body);
    answer(connection, status, page.content_type, aion_buf_view(&body), head_only);
    aion_buf_done(&body);
}

/* -- connections ---------------------------------------------------------------------------------- */

static void close_connection(struct connection *connection)
{
    close(connection->fd);
    connection->fd = -1;
    aion_buf_done(&connection->out);
}

static void parse(struct mesh_admin *admin, struct connection *connection)
{
    struct http1_head head;
    size_t used;
    const char *why = "";
    enum http1_result result = http1_head_parse(aion_str_n(connection->head, connection->size),
                                                &connection->scanned, &head, &used, &why);
    if (result == HTTP1_DONE)
        serve(admin, connection, &head);
    else if (result == HTTP1_MORE && connection->size == HEAD_MAX)
        answer_error(connection, 431, "the request's head is too large\n");
    else if (result != HTTP1_MORE)
        answer_error(connection, result == HTTP1_LARGE ? 431 : 400, why);
}

static void read_some(struct mesh_admin *admin, struct connection *connection)
{
    ssize_t n = read(connection->fd, connection->head + connection->size,
                     HEAD_MAX - connection->size);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_connection(connection);
        return;
    }
    connection->size += (size_t)n;
    parse(admin, connection);
}

static void write_some(struct connection *connection)
{
    ssize_t n = send(connection->fd, connection->out.data + connection->written,
                     connection->out.size - connection->written, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        connection->written += (size_t)n;
    if (n <= 0 || connection->written == connection->out.size)
        close_connection(connection);
}

static void take_connection(struct mesh_admin *admin)
{
    int fd = accept4(admin->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &admin->connections[i];
        if (connection->fd >= 0)
            continue;
        connection->fd = fd;
        connection->size = connection->scanned = connection->written = 0;
        connection->until_us = aion_clock_mono_us() + TIME_MAX_US;
        aion_buf_init(&connection->out, BODY_MAX + HEAD_MAX);
        return;
    }
    close(fd); /* full: the scraper comes again */
}

/* -- the thread ----------------------------------------------------------------------------------- */

static int fill_waits(struct mesh_admin *admin, struct pollfd *waits)
{
    int64_t now = aion_clock_mono_us();
    int timeout_ms = -1;
    waits[0] = (struct pollfd){admin->listener, POLLIN, 0};
    waits[1] = (struct pollfd){admin->wake, POLLIN, 0};
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &admin->connections[i];
        if (connection->fd >= 0 && connection->until_us <= now)
            close_connection(connection);
        short events = connection->out.size > 0 ? POLLOUT : POLLIN;
        waits[i + 2] = (struct pollfd){connection->fd, events, 0}; /* -1 is skipped by poll */
        if (connection->fd >= 0)
            timeout_ms = 200;
    }
    return timeout_ms;
}

static void *run(void *argument)
{
    struct mesh_admin *admin = argument;
    struct pollfd waits[CONNECTIONS_MAX + 2];
    while (!atomic_load(&admin->stop)) {
        int timeout_ms = fill_waits(admin, waits);
        if (poll(waits, aion_countof(waits), timeout_ms) < 0 && errno != EINTR)
            break;
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
            struct connection *connection = &admin->connections[i];
            if (connection->fd < 0 || waits[i + 2].revents == 0)
                continue;
            if (connection->out.size > 0)
                write_some(connection);
            else
                read_some(admin, connection);
        }
        if (waits[0].revents != 0)
            take_connection(admin);
    }
    return NULL;
}

/* -- life ----------------------------------------------------------------------------------------- */

void mesh_admin_ready(struct mesh_admin *admin, bool ready, const char *reason)
{
    pthread_mutex_lock(&admin->lock);
    admin->ready = ready;
    snprintf(admin->reason, sizeof(admin->reason), "%s", reason);
    pthread_mutex_unlock(&admin->lock);
}

int mesh_admin_port(const struct mesh_admin *admin)
{
    return admin->port;
}

static bool parse_listen(const char *listen_on, struct sockaddr_in *ret_address,
                         struct aion_err *err)
{
    char host[64];
    const char *colon = strrchr(listen_on, ':');
    uint64_t port;
    *ret_address = (struct sockaddr_in){.sin_family = AF_INET};
    if (colon != NULL &&
        aion_str_copy(host, sizeof(host), aion_str_n(listen_on, (size_t)(colon - listen_on))) &&
        aion_str_u64(aion_str_of(colon + 1), &port) && port <= 65535 &&
        inet_pton(AF_INET, host, &ret_address->sin_addr) == 1) {
        ret_address->sin_port = htons((uint16_t)port);
        return true;
    }
    return aion_fail(err, AION_INVALID, "admin_listen \"%s\": expected an IPv4 address and port",
                     listen_on);
}

static bool open_listener(struct mesh_admin *admin, const char *listen_on, struct aion_err *err)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    int one = 1;
    if (!parse_listen(listen_on, &address, err))
        return false;
    admin->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(admin->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(admin->listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(admin->listener, 16) != 0)
        return aion_fail_errno(err, AION_EXISTS,
                               "cannot listen on %s for the admin port: the address is in use or not of "
                               "this machine; choose another by --admin-listen or --port-base",
                               listen_on);
    getsockname(admin->listener, (struct sockaddr *)&address, &size);
    admin->port = ntohs(address.sin_port);
    return true;
}

static void free_admin(struct mesh_admin *admin)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (admin->connections[i].fd >= 0)
            close_connection(&admin->connections[i]);
    if (admin->listener >= 0)
        close(admin->listener);
    if (admin->wake >= 0)
        close(admin->wake);
    pthread_mutex_destroy(&admin->lock);
    free(admin);
}

struct mesh_admin *mesh_admin_start(const char *listen_on, struct aion_err *err)
{
    struct mesh_admin *admin = calloc(1, sizeof(*admin));
    if (admin == NULL)
        return aion_fail_null(err, AION_UNAVAILABLE, "out of memory");
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        admin->connections[i].fd = -1;
    admin->listener = -1;
    admin->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&admin->lock, NULL);
    add_builtin(admin);
    if (open_listener(admin, listen_on, err)) {
        if (pthread_create(&admin->thread, NULL, run, admin) == 0)
            return admin;
        (void)aion_fail(err, AION_UNAVAILABLE, "cannot make the admin thread");
    }
    free_admin(admin);
    return NULL;
}

void mesh_admin_stop(struct mesh_admin *admin)
{
    if (admin == NULL)
        return;
    uint64_t one = 1;
    atomic_store(&admin->stop, true);
    ssize_t ignored = write(admin->wake, &one, sizeof(one));
    (void)ignored;
    pthread_join(admin->thread, NULL);
    free_admin(admin);
}
