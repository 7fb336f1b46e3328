/* A closed loop of HTTP/1.1 requests on kept-alive connections, and what they cost the server.
 *
 *   load HOST:PORT METHOD PATH BODYFILE|- CONNECTIONS SECONDS|COUNTn KEY|- [PID]
 *
 * "10" runs ten seconds after 0.3 s of warming up, "1000000n" a million requests at once.
 * Prints: requests, those not answered 2xx, broken connections, requests/s, server CPU µs per
 * request (from /proc/PID/task/.../schedstat; 0 without PID), p50 and p99 in µs. */
#include "../cpu.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    SAMPLES_MAX = 4 * 1000 * 1000,
    IN_MAX = 16384,
    BODY_MAX = 8 << 20
};

/* What of the answer comes next. */
enum state { HEAD, BODY, CHUNK_LINE, CHUNK, TRAILER };

struct conn {
    int fd;
    enum state state;
    size_t sent, have, left; /* of the request; bytes in `in`; of the body or chunk */
    bool close;
    double began;
    char in[IN_MAX + 1];
};

static const struct addrinfo *server;
static char *request;
static size_t request_size;
static float *samples;
static size_t started, requests, others, broken;
static int epoll_fd;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* -- one connection ------------------------------------------------------------------------ */

static void connect_to(struct conn *conn)
{
    int on = 1;
    conn->have = 0;
    conn->close = false;
    conn->fd = socket(server->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || connect(conn->fd, server->ai_addr, server->ai_addrlen) != 0)
        die("cannot connect");
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(conn->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        die("epoll");
}

static void disconnect(struct conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
}

static void want(struct conn *conn, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, conn->fd, &event);
}

static void send_rest(struct conn *conn)
{
    bool stalled = conn->sent > 0;
    ssize_t put = send(conn->fd, request + conn->sent, request_size - conn->sent, MSG_NOSIGNAL);
    conn->sent += put > 0 ? (size_t)put : 0; /* a broken connection shows when read */
    if (conn->sent < request_size)
        want(conn, EPOLLIN | EPOLLOUT);
    else if (stalled)
        want(conn, EPOLLIN);
}

static void start(struct conn *conn)
{
    if (conn->fd < 0)
        connect_to(conn);
    started++;
    conn->state = HEAD;
    conn->sent = 0;
    conn->began = now();
    send_rest(conn);
}

/* -- the answer ---------------------------------------------------------------------------- */

static void drop(struct conn *conn, size_t bytes)
{
    conn->have -= bytes;
    memmove(conn->in, conn->in + bytes, conn->have + 1);
}

static const char *field(const char *head, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = strstr(head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
        at += 2;
        if (strncasecmp(at, name, size) == 0 && at[size] == ':')
            return at + size + 1 + strspn(at + size + 1, " ");
    }
    return NULL;
}

static bool take_head(struct conn *conn)
{
    char *end = strstr(conn->in, "\r\n\r\n");
    if (end == NULL)
        return false;
    end[2] = '\0';
    const char *length = field(conn->in, "content-length");
    const char *coding = field(conn->in, "transfer-encoding");
    const char *connection = field(conn->in, "connection");
    others += conn->in[9] != '2';
    conn->close = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    conn->left = length != NULL ? strtoul(length, NULL, 10) : 0;
    conn->state = coding != NULL && strncasecmp(coding, "chunked", 7) == 0 ? CHUNK_LINE : BODY;
    drop(conn, (size_t)(end + 4 - conn->in));
    return true;
}

/* A chunk's size line, or a line of the trailer. */
static bool take_line(struct conn *conn, bool *ret_over)
{
    char *end = strstr(conn->in, "\r\n");
    if (end == NULL)
        return false;
    if (conn->state == TRAILER) {
        *ret_over = end == conn->in;
    } else {
        size_t size = strtoul(conn->in, NULL, 16);
        conn->left = size + 2;
        conn->state = size > 0 ? CHUNK : TRAILER;
    }
    drop(conn, (size_t)(end + 2 - conn->in));
    return true;
}

static void take_body(struct conn *conn)
{
    size_t part = conn->have < conn->left ? conn->have : conn->left;
    conn->left -= part;
    drop(conn, part);
}

/* True when the answer is whole. */
static bool take(struct conn *conn)
{
    bool over = false, more = true;
    while (!over && more) {
        if (conn->state == HEAD) {
            more = take_head(conn);
        } else if (conn->state == BODY || conn->state == CHUNK) {
            take_body(conn);
            more = conn->left == 0;
            over = more && conn->state == BODY;
            conn->state = more && !over ? CHUNK_LINE : conn->state;
        } else {
            more = take_line(conn, &over);
        }
    }
    return over;
}

static void finish(struct conn *conn)
{
    if (requests < SAMPLES_MAX)
        samples[requests] = (float)(now() - conn->began);
    requests++;
    if (conn->close)
        disconnect(conn);
}

/* True when the request is over, answered or not. */
static bool ready(struct conn *conn, uint32_t events)
{
    if (events & EPOLLOUT)
        send_rest(conn);
    if (!(events & ~(uint32_t)EPOLLOUT))
        return false;
    ssize_t got = recv(conn->fd, conn->in + conn->have, IN_MAX - conn->have, 0);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0) {
        broken++;
        disconnect(conn);
        return true;
    }
    conn->have += (size_t)got;
    conn->in[conn->have] = '\0';
    if (!take(conn))
        return false;
    finish(conn);
    return true;
}

/* -- the load ------------------------------------------------------------------------------ */

static void run(struct conn *conns, size_t count, double seconds, size_t limit)
{
    struct epoll_event events[256];
    double until = now() + seconds;
    size_t live = 0;
    started = requests = others = broken = 0;
    for (; live < count && live < limit; live++)
        start(&conns[live]);
    while (live > 0) {
        int ends = epoll_wait(epoll_fd, events, 256, 10000);
        if (ends == 0) {
            fprintf(stderr, "load: %zu requests are not answered within 10 s\n", live);
            exit(1);
        }
        bool on = now() < until && broken < 1000;
        for (int i = 0; i < ends; i++) {
            struct conn *conn = events[i].data.ptr;
            if (!ready(conn, events[i].events))
                continue;
            if (on && started < limit)
                start(conn);
            else
                live--;
        }
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static size_t read_body(const char *name, char *out)
{
    FILE *file = strcmp(name, "-") != 0 ? fopen(name, "rb") : NULL;
    if (file == NULL && strcmp(name, "-") != 0)
        die(name);
    size_t size = file != NULL ? fread(out, 1, BODY_MAX, file) : 0;
    if (file != NULL)
        fclose(file);
    return size;
}

static void make_request(char *const *args)
{
    char *body = malloc(BODY_MAX), key[512] = "";
    size_t size = body != NULL ? read_body(args[3], body) : 0;
    request = malloc(size + 4096);
    if (body == NULL || request == NULL)
        die("memory");
    if (strcmp(args[6], "-") != 0)
        snprintf(key, sizeof(key), "authorization: Bearer %s\r\n", args[6]);
    int head = snprintf(request, 4096,
                        "%s %s HTTP/1.1\r\nhost: %s\r\n%scontent-type: application/json\r\n"
                        "content-length: %zu\r\n\r\n",
                        args[1], args[2], args[0], key, size);
    if (head <= 0 || head >= 4096)
        die("the path is too long");
    memcpy(request + head, body, size);
    request_size = (size_t)head + size;
    free(body);
}

static void resolve(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET};
    struct addrinfo *found = NULL;
    if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
        die("HOST:PORT");
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        die(address);
    server = found;
}

static void print(double took, double cpu)
{
    size_t kept = requests < SAMPLES_MAX ? requests : SAMPLES_MAX;
    double count = requests > 0 ? (double)requests : 1;
    qsort(samples, kept, sizeof(*samples), by_size);
    printf("requests %zu non2xx %zu broken %zu rate %.0f cpu_us %.2f p50_us %.0f p99_us %.0f\n",
           requests, others, broken, (double)requests / took, cpu * 1e6 / count,
           kept > 0 ? (double)samples[kept / 2] * 1e6 : 0,
           kept > 0 ? (double)samples[kept * 99 / 100] * 1e6 : 0);
}

int main(int argc, char **argv)
{
    if (argc != 8 && argc != 9) {
        fprintf(stderr, "usage: load HOST:PORT METHOD PATH BODYFILE|- CONNECTIONS "
                        "SECONDS|COUNTn KEY|- [PID]\n");
        return 2;
    }
    size_t count = strtoul(argv[5], NULL, 10);
    count = count == 0 ? 1 : count < CONNECTIONS_MAX ? count : CONNECTIONS_MAX;
    bool counted = strchr(argv[6], 'n') != NULL;
    struct conn *conns = calloc(count, sizeof(*conns));
    samples = malloc(SAMPLES_MAX * sizeof(*samples));
    if (conns == NULL || samples == NULL || (epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("start");
    for (size_t i = 0; i < count; i++)
        conns[i].fd = -1;
    resolve(argv[1]);
    make_request(argv + 1);
    if (!counted)
        run(conns, count, 0.3, (size_t)-1);
    double cpu = argc == 9 ? bench_cpu_of(argv[8]) : 0, began = now();
    run(conns, count, counted ? 1e9 : strtod(argv[6], NULL),
        counted ? strtoul(argv[6], NULL, 10) : (size_t)-1);
    cpu = argc == 9 ? bench_cpu_of(argv[8]) - cpu : 0;
    print(now() - began, cpu);
    return broken == 0 ? 0 : 1;
}
