/* Accepting, the peers, the drain, and the round's end. */
#include "http/http_private.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ACCEPTS_A_ROUND = 64,
    PEERS_MAX = 65536,
    DRAIN_IDLE_US = 1000000 /* a request may be on its way on an idle connection */
};

/* -- peers -------------------------------------------------------------------------------- */

struct gw_peer *gw_peer_enter(struct gw_server *server, const uint8_t key[16], const char *text)
{
    struct gw_peer *peer = aion_map_get(&server->peers, aion_str_n(key, 16));
    if (peer == NULL) {
        peer = calloc(1, sizeof(*peer));
        if (peer == NULL)
            return NULL;
        memcpy(peer->key, key, sizeof(peer->key));
        aion_str_copy(peer->text, sizeof(peer->text), aion_str_of(text));
        if (!aion_map_put(&server->peers, aion_str_n(peer->key, 16), peer)) {
            free(peer);
            return NULL;
        }
    }
    if (peer->connections >= server->conf.connections_per_peer)
        return NULL;
    peer->connections++;
    return peer;
}

void gw_peer_leave(struct gw_server *server, struct gw_peer *peer)
{
    if (--peer->connections > 0)
        return;
    aion_map_remove(&server->peers, aion_str_n(peer->key, 16));
    free(peer);
}

/* An address as 16 bytes (IPv4 mapped) and as text. */
static void name_peer(const struct sockaddr_storage *from, uint8_t key[16], char text[48])
{
    memset(key, 0, 16);
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        memcpy(key, &in6->sin6_addr, 16);
        inet_ntop(AF_INET6, &in6->sin6_addr, text, 48);
        return;
    }
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)from;
    key[10] = key[11] = 0xff;
    memcpy(key + 12, &in4->sin_addr, 4);
    inet_ntop(AF_INET, &in4->sin_addr, text, 48);
}

/* -- accepting ---------------------------------------------------------------------------- */

static void set_accepting(struct gw_server *server, bool accepting)
{
    if (server->accepting == accepting || server->fd < 0)
        return;
    server->accepting = accepting;
    if (accepting)
        gw_io_add(server->loop, server->fd, EPOLLIN, &server->accept_io);
    else
        gw_io_remove(server->loop, server->fd);
}

static void accept_again(struct gw_timer *timer)
{
    struct gw_server *server = aion_container(timer, struct gw_server, accept_timer);
    if (!server->draining)
        set_accepting(server, true);
}

/* Full, or out of descriptors: the kernel's queue holds further clients until a place is free.
 */
static void pause_accepting(struct gw_server *server)
{
    set_accepting(server, false);
    gw_timer_set(server->loop, &server->accept_timer, gw_loop_now(server->loop) + 100000);
}

static void accept_ready(struct gw_io *io, uint32_t events)
{
    struct gw_server *server = aion_container(io, struct gw_server, accept_io);
    (void)events;
    for (int i = 0; i < ACCEPTS_A_ROUND; i++) {
        if (server->connections >= server->conf.connections_max) {
            pause_accepting(server);
            return;
        }
        struct sockaddr_storage from = {0};
        socklen_t size = sizeof(from);
        int fd =
            accept4(server->fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                pause_accepting(server);
            return;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        uint8_t key[16];
        char text[48];
        name_peer(&from, key, text);
        gw_conn_accept(server, fd, key, text);
    }
}

/* -- life --------------------------------------------------------------------------------- */

static void round_end(void *user)
{
    struct gw_server *server = user;
    struct aion_link *link;
    while ((link = aion_list_first(&server->work)) != NULL) {
        aion_list_remove(link);
        gw_conn_do_work(aion_container(link, struct gw_conn, work));
    }
}

static void set_defaults(struct gw_server_conf *conf)
{
    enum { S = 1000000 };
    conf->connections_max = conf->connections_max > 0 ? conf->connections_max : 16384;
    conf->connections_per_peer =
        conf->connections_per_peer > 0 ? conf->connections_per_peer : conf->connections_max;
    conf->streams_max = conf->streams_max > 0 ? conf->streams_max : 128;
    conf->head_bytes_max = conf->head_bytes_max > 0 ? conf->head_bytes_max : 16 * 1024;
    conf->bodies_bytes_max = conf->bodies_bytes_max > 0 ? conf->bodies_bytes_max : 256 << 20;
    conf->body_rate_min = conf->body_rate_min > 0 ? conf->body_rate_min : 1024;
    conf->handshake_us = conf->handshake_us > 0 ? conf->handshake_us : 10 * (int64_t)S;
    conf->head_us = conf->head_us > 0 ? conf->head_us : 10 * (int64_t)S;
    conf->body_grace_us = conf->body_grace_us > 0 ? conf->body_grace_us : 10 * (int64_t)S;
    conf->idle_us = conf->idle_us > 0 ? conf->idle_us : 75 * (int64_t)S;
    conf->stall_us = conf->stall_us > 0 ? conf->stall_us : 30 * (int64_t)S;
}

bool gw_server_reload(struct gw_server *server, struct aion_err *err)
{
    if (server->conf.cert_file == NULL)
        return true;
    struct gw_tls_context *fresh =
        gw_tls_context_new(server->conf.cert_file, server->conf.key_file, err);
    if (fresh == NULL)
        return false;
    gw_tls_context_free(server->tls);
    server->tls = fresh;
    return true;
}

struct gw_server *gw_server_new(struct gw_loop *loop, const struct gw_server_conf *conf,
                                const struct gw_app_ops *ops, void *app, struct aion_err *err)
{
    struct gw_server *server = calloc(1, sizeof(*server));
    if (server == NULL || (server->scratch = malloc(GW_READ_SIZE)) == NULL)
        abort(); /* at start */
    server->loop = loop;
    server->conf = *conf;
    server->ops = ops;
    server->app = app;
    server->fd = -1;
    server->accept_io.ready = accept_ready;
    server->accept_timer.fire = accept_again;
    set_defaults(&server->conf);
    aion_list_init(&server->conns);
    aion_list_init(&server->work);
    aion_map_init(&server->peers, PEERS_MAX);
    gw_loop_after_round(loop, round_end, server);
    if (gw_h2_set_up(server) && gw_server_reload(server, err) &&
        (server->fd = gw_listen(&server->conf, server->address, err)) >= 0)
        return server;
    gw_server_free(server);
    return NULL;
}

const char *gw_server_address(const struct gw_server *server)
{
    return server->address;
}

uint32_t gw_server_connections(const struct gw_server *server)
{
    return server->connections;
}

void gw_server_start(struct gw_server *server)
{
    set_accepting(server, true);
}

void gw_server_free(struct gw_server *server)
{
    if (server == NULL)
        return;
    server->drained = NULL;
    aion_list_each_safe (link, &server->conns)
        gw_conn_free(aion_container(link, struct gw_conn, link));
    set_accepting(server, false);
    gw_timer_cancel(server->loop, &server->drain_timer);
    gw_timer_cancel(server->loop, &server->accept_timer);
    if (server->fd >= 0)
        close(server->fd);
    while (server->pool != NULL) {
        struct gw_exchange *x = server->pool;
        server->pool = x->next;
        free(x);
    }
    nghttp2_session_callbacks_del(server->h2_callbacks);
    nghttp2_option_del(server->h2_options);
    gw_tls_context_free(server->tls);
    aion_map_done(&server->peers);
    free(server->scratch);
    free(server);
}

/* -- drain -------------------------------------------------------------------------------- */

static void finish_drain(struct gw_server *server)
{
    void (*drained)(void *user) = server->drained;
    if (drained == NULL)
        return;
    server->drained = NULL;
    gw_timer_cancel(server->loop, &server->drain_timer);
    drained(server->drained_user);
}

static void cut(struct gw_timer *timer)
{
    struct gw_server *server = aion_container(timer, struct gw_server, drain_timer);
    aion_list_each_safe (link, &server->conns)
        gw_conn_kill(aion_container(link, struct gw_conn, link));
}

/* Idle connections had their time: they close now, and each other one once it is idle. */
static void close_idle(struct gw_timer *timer)
{
    struct gw_server *server = aion_container(timer, struct gw_server, drain_timer);
    server->drain_idle = true;
    timer->fire = cut;
    gw_timer_set(server->loop, timer, server->drain_by_us);
    aion_list_each_safe (link, &server->conns)
        gw_conn_work(aion_container(link, struct gw_conn, link));
}

void gw_server_left(struct gw_server *server)
{
    if (--server->connections == 0 && server->draining)
        finish_drain(server);
}

/* Whom the kernel has connected already is served, too, unless the next process will: an
 * inherited listener lives on. */
static void stop_listening(struct gw_server *server)
{
    if (!server->conf.inherited)
        accept_ready(&server->accept_io, EPOLLIN);
    set_accepting(server, false);
    gw_timer_cancel(server->loop, &server->accept_timer);
    close(server->fd);
    server->fd = -1;
}

void gw_server_drain(struct gw_server *server, int64_t grace_us, void (*drained)(void *user),
                     void *user)
{
    stop_listening(server);
    server->draining = true;
    server->drained = drained;
    server->drained_user = user;
    server->drain_by_us = gw_loop_now(server->loop) + grace_us;
    int64_t linger = grace_us < DRAIN_IDLE_US ? grace_us : DRAIN_IDLE_US;
    server->drain_timer.fire = close_idle;
    gw_timer_set(server->loop, &server->drain_timer, gw_loop_now(server->loop) + linger);
    aion_list_each_safe (link, &server->conns) {
        struct gw_conn *conn = aion_container(link, struct gw_conn, link);
        if (conn->mode == GW_H2)
            gw_h2_drain(conn);
        gw_conn_work(conn);
    }
    if (server->connections == 0)
        finish_drain(server);
}

/* -- date --------------------------------------------------------------------------------- */

/* Formatted once a second. */
aion_str gw_server_date(struct gw_server *server)
{
    int64_t now = gw_loop_now(server->loop);
    if (server->date[0] == '\0' || now - server->date_at_us >= 1000000) {
        static const char days[] = "SunMonTueWedThuFriSat";
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        time_t seconds = (time_t)(aion_clock_utc_us() / 1000000);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        snprintf(server->date, sizeof(server->date), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + 3 * tm.tm_wday, tm.tm_mday % 100, months + 3 * tm.tm_mon,
                 (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100,
                 tm.tm_sec % 100);
        server->date_at_us = now;
    }
    return aion_str_of(server->date);
}
