/* One connection below the protocol: reading, writing, readiness, deadlines, end. */
#include "http/http_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS_A_ROUND = 4, LINGER_US = 2000000, IN_MAX = 2 * GW_READ_SIZE };

void gw_conn_work(struct gw_conn *conn)
{
    if (aion_list_empty(&conn->work))
        aion_list_add_last(&conn->server->work, &conn->work);
}

void gw_conn_kill(struct gw_conn *conn)
{
    conn->dead = true;
    gw_conn_work(conn);
}

/* -- deadlines ---------------------------------------------------------------------------- */

static int64_t deadline_of(const struct gw_conn *conn)
{
    const struct gw_server_conf *conf = &conn->server->conf;
    if (conn->blocked && gw_conn_queued(conn) > 0)
        return conn->moved_us + conf->stall_us;
    switch (conn->mode) {
    case GW_HANDSHAKE:
        return conn->since_us + conf->handshake_us;
    case GW_SNIFF:
        return conn->since_us + conf->head_us;
    case GW_LINGER:
        return conn->moved_us + LINGER_US;
    case GW_H1:
        return gw_h1_deadline(conn);
    case GW_H2:
    default:
        return gw_h2_deadline(conn);
    }
}

/* Lazy: a timer that is set too early looks again when it fires, so that a request costs no
 * heap operation. */
static void set_timer(struct gw_conn *conn)
{
    int64_t deadline = deadline_of(conn);
    if (deadline != INT64_MAX &&
        (!gw_timer_is_set(&conn->timer) || conn->timer.node.key > deadline))
        gw_timer_set(conn->server->loop, &conn->timer, deadline);
}

/* Whoever reads nothing must not keep the kernel's buffers either: a close would wait for them.
 */
static void reset(struct gw_conn *conn)
{
    struct linger at_once = {.l_onoff = 1};
    setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    gw_conn_kill(conn);
}

static void fired(struct gw_timer *timer)
{
    struct gw_conn *conn = aion_container(timer, struct gw_conn, timer);
    if (conn->dead)
        return;
    if (deadline_of(conn) > gw_loop_now(conn->server->loop)) {
        set_timer(conn);
        return;
    }
    bool stalled = conn->blocked && gw_conn_queued(conn) > 0;
    if (stalled)
        reset(conn);
    else if (conn->mode == GW_H1)
        gw_h1_timeout(conn);
    else if (conn->mode == GW_H2)
        gw_h2_timeout(conn);
    else
        gw_conn_kill(conn);
    gw_conn_work(conn);
}

/* -- reading ------------------------------------------------------------------------------ */

static bool wants_read(const struct gw_conn *conn)
{
    if (conn->mode == GW_LINGER || conn->mode == GW_HANDSHAKE)
        return true;
    if (conn->closing)
        return conn->mode == GW_H2;
    if (conn->mode == GW_H2)
        return gw_conn_queued(conn) <
               GW_OUT_HIGH; /* a peer that does not read is not read either */
    return conn->state != GW_H1_WAIT || conn->in.size < GW_PIPELINE_MAX;
}

static void ask_events(struct gw_conn *conn)
{
    uint32_t events = EPOLLRDHUP;
    if (wants_read(conn))
        events |= EPOLLIN;
    if (conn->blocked)
        events |= EPOLLOUT;
    if (events == conn->events)
        return;
    conn->events = events;
    gw_io_change(conn->server->loop, conn->fd, events, &conn->io);
}

/* The first bytes in cleartext tell the version: no HTTP/1 method is called "PRI" (RFC 9113
 * §3.4). */
static bool sniff(struct gw_conn *conn, aion_str data)
{
    static const char preface[] = "PRI ";
    size_t size = data.size < 4 ? data.size : 4;
    if (memcmp(data.data, preface, size) != 0) {
        conn->mode = GW_H1;
        return true;
    }
    if (size < 4)
        return false;
    if (!gw_h2_start(conn))
        gw_conn_kill(conn);
    return true;
}

static size_t take(struct gw_conn *conn, aion_str data)
{
    if (conn->mode == GW_SNIFF && !sniff(conn, data))
        return 0;
    if (conn->mode == GW_H1)
        return gw_h1_take(conn, data);
    if (conn->mode == GW_H2 && !conn->dead)
        gw_h2_take(conn, data);
    return data.size;
}

/* What is not used yet (a head in pieces, a pipelined request) waits in conn->in, which exists
 * only then. */
static void feed(struct gw_conn *conn, aion_str data)
{
    if (conn->in.size == 0) {
        size_t used = take(conn, data);
        if (used == data.size || conn->dead)
            return;
        aion_buf_init(&conn->in, IN_MAX);
        data = aion_str_n(data.data + used, data.size - used);
        if (!aion_buf_str(&conn->in, data))
            gw_conn_kill(conn);
        return;
    }
    if (!aion_buf_str(&conn->in, data)) {
        gw_conn_kill(conn);
        return;
    }
    aion_buf_consume(&conn->in, take(conn, aion_buf_view(&conn->in)));
    if (conn->in.size == 0)
        aion_buf_done(&conn->in);
}

/* Bytes, 0 at the end, or a GW_TLS_x. */
static ssize_t read_some(struct gw_conn *conn)
{
    if (conn->tls != NULL)
        return gw_tls_read(conn->tls, conn->server->scratch, GW_READ_SIZE);
    ssize_t size;
    do
        size = recv(conn->fd, conn->server->scratch, GW_READ_SIZE, 0);
    while (size < 0 && errno == EINTR);
    if (size >= 0)
        return size;
    return errno == EAGAIN ? GW_TLS_READ : GW_TLS_GONE;
}

/* The peer has sent its end. Who closes does not wait for an answer, so what is under way is
 * cancelled; an answer that is ready still goes out. */
static void leave(struct gw_conn *conn)
{
    bool ready_answer = gw_conn_queued(conn) > 0 && (conn->x == NULL || conn->x->ended);
    if (conn->mode == GW_H1 && ready_answer)
        conn->closing = true;
    else
        gw_conn_kill(conn);
}

/* A short read means that the socket is empty; epoll is level-triggered, so what is left comes
 * next round. TLS may hold decrypted bytes that epoll does not see. */
static void read_all(struct gw_conn *conn)
{
    for (int i = 0; !conn->dead; i++) {
        bool hidden = conn->tls != NULL && gw_tls_pending(conn->tls);
        if ((i >= READS_A_ROUND && !hidden) || (!wants_read(conn) && !hidden))
            return;
        ssize_t size = read_some(conn);
        if (size == 0 || size == GW_TLS_GONE) {
            leave(conn);
            return;
        }
        if (size < 0)
            return;
        if (conn->mode != GW_LINGER)
            feed(conn, aion_str_n(conn->server->scratch, (size_t)size));
        if (conn->tls == NULL && size < GW_READ_SIZE)
            return;
    }
}

static void handshake(struct gw_conn *conn)
{
    int result = gw_tls_handshake(conn->tls);
    conn->blocked = result == GW_TLS_WRITE;
    if (result == GW_TLS_GONE)
        gw_conn_kill(conn);
    if (result != 0)
        return;
    conn->since_us = gw_loop_now(conn->server->loop);
    conn->mode = GW_H1;
    if (gw_tls_is_h2(conn->tls) && !gw_h2_start(conn))
        gw_conn_kill(conn);
}

static void ready(struct gw_io *io, uint32_t events)
{
    struct gw_conn *conn = aion_container(io, struct gw_conn, io);
    if (conn->dead)
        return;
    gw_conn_work(conn);
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        gw_conn_kill(conn);
        return;
    }
    if (conn->mode == GW_HANDSHAKE)
        handshake(conn);
    if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 && conn->mode != GW_HANDSHAKE && !conn->dead)
        read_all(conn);
    if ((events & EPOLLRDHUP) != 0 && (conn->events & EPOLLIN) == 0)
        gw_conn_kill(conn);
}

/* -- writing ------------------------------------------------------------------------------ */

static ssize_t write_some(struct gw_conn *conn)
{
    const char *from = conn->out.data + conn->out_at;
    size_t left = gw_conn_queued(conn);
    if (conn->tls != NULL)
        return gw_tls_write(conn->tls, from, left);
    ssize_t size;
    do
        size = send(conn->fd, from, left, MSG_NOSIGNAL);
    while (size < 0 && errno == EINTR);
    if (size >= 0)
        return size;
    return errno == EAGAIN ? GW_TLS_WRITE : GW_TLS_GONE;
}

static void flush(struct gw_conn *conn)
{
    conn->blocked = conn->mode == GW_HANDSHAKE && conn->blocked;
    while (gw_conn_queued(conn) > 0) {
        ssize_t size = write_some(conn);
        if (size == GW_TLS_READ || size == GW_TLS_WRITE) {
            conn->blocked = true;
            return;
        }
        if (size < 0) {
            gw_conn_kill(conn);
            return;
        }
        conn->out_at += (size_t)size;
        conn->moved_us = gw_loop_now(conn->server->loop);
    }
    aion_buf_done(&conn->out);
    aion_buf_init(&conn->out, SIZE_MAX);
    conn->out_at = 0;
}

/* A close with unread bytes would reset the connection and take the answer with it: shut our
 * side, read the rest away for a moment (RFC 9112 §9.6). */
static void linger(struct gw_conn *conn)
{
    if (conn->tls != NULL)
        gw_tls_close(conn->tls);
    shutdown(conn->fd, SHUT_WR);
    conn->mode = GW_LINGER;
    conn->moved_us = gw_loop_now(conn->server->loop);
}

/* -- the round's end ---------------------------------------------------------------------- */

static void tell_writable(struct gw_conn *conn, struct gw_exchange *x)
{
    if (!x->full || gw_reply_queued(x) > GW_QUEUE_MAX / 8)
        return;
    x->full = false;
    conn->server->ops->writable(conn->server->app, x);
}

static void tell_all_writable(struct gw_conn *conn)
{
    if (conn->mode == GW_H1 && conn->x != NULL)
        tell_writable(conn, conn->x);
    if (conn->mode == GW_H2)
        aion_list_each_safe (link, &conn->streams)
            tell_writable(conn, aion_container(link, struct gw_exchange, link));
}

void gw_conn_do_work(struct gw_conn *conn)
{
    if (!conn->dead && conn->mode == GW_H1)
        gw_h1_work(conn);
    if (!conn->dead && conn->mode == GW_H2)
        gw_h2_work(conn);
    if (!conn->dead)
        flush(conn);
    if (!conn->dead && conn->mode == GW_H2 && !conn->blocked)
        gw_h2_work(conn); /* what did not fit before */
    if (!conn->dead && conn->mode == GW_H1 && conn->x == NULL && conn->in.size > 0 &&
        !conn->blocked)
        gw_h1_work(conn);
    if (!conn->dead)
        tell_all_writable(conn);
    if (!conn->dead && conn->closing && gw_conn_queued(conn) == 0 && conn->mode != GW_LINGER)
        linger(conn);
    if (conn->dead) {
        gw_conn_free(conn);
        return;
    }
    if (gw_conn_queued(conn) > 0 && !conn->blocked)
        gw_conn_work(conn);
    ask_events(conn);
    set_timer(conn);
}

/* -- life --------------------------------------------------------------------------------- */

void gw_conn_free(struct gw_conn *conn)
{
    struct gw_server *server = conn->server;
    conn->dead = true;
    if (conn->x != NULL)
        gw_exchange_close(conn->x, conn->x->ended && gw_conn_queued(conn) == 0);
    aion_list_each_safe (link, &conn->streams)
        gw_exchange_close(aion_container(link, struct gw_exchange, link), false);
    if (conn->session != NULL)
        nghttp2_session_del(conn->session);
    gw_timer_cancel(server->loop, &conn->timer);
    aion_list_remove(&conn->link);
    aion_list_remove(&conn->work);
    gw_tls_free(conn->tls);
    close(conn->fd); /* leaves epoll by itself */
    aion_buf_done(&conn->in);
    aion_buf_done(&conn->out);
    gw_peer_leave(server, conn->peer);
    free(conn);
    gw_server_left(server);
}

void gw_conn_accept(struct gw_server *server, int fd, const uint8_t address[16],
                    const char *text)
{
    struct gw_peer *peer = gw_peer_enter(server, address, text);
    struct gw_conn *conn = peer != NULL ? calloc(1, sizeof(*conn)) : NULL;
    if (conn == NULL) {
        if (peer != NULL)
            gw_peer_leave(server, peer);
        close(fd);
        return;
    }
    conn->server = server;
    conn->peer = peer;
    conn->fd = fd;
    conn->io.ready = ready;
    conn->timer.fire = fired;
    conn->mode = server->tls != NULL ? GW_HANDSHAKE : GW_SNIFF;
    conn->since_us = conn->moved_us = gw_loop_now(server->loop);
    conn->events = EPOLLIN | EPOLLRDHUP;
    aion_buf_init(&conn->out, SIZE_MAX); /* bounded by GW_OUT_HIGH and GW_QUEUE_MAX */
    aion_list_init(&conn->work);
    aion_list_init(&conn->streams);
    aion_list_add_last(&server->conns, &conn->link);
    server->connections++;
    if (server->tls != NULL && (conn->tls = gw_tls_new(server->tls, fd)) == NULL)
        conn->dead = true;
    if (!gw_io_add(server->loop, fd, conn->events, &conn->io))
        conn->dead = true;
    gw_conn_work(conn);
}
