/* Inside the engine: server, connection, exchange, and what the protocols must supply.
 *
 * Nothing is freed inside a callback: a connection that has work (bytes to write, an exchange
 * to finish, its own end) is linked into server->work, and the hook at the round's end does the
 * work. Until then every pointer is good. */
#ifndef GW_HTTP_PRIVATE_H
#define GW_HTTP_PRIVATE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "http/http.h"
#include "http/tls.h"
#include "http1/head.h"

#include <nghttp2/nghttp2.h>

enum {
    GW_READ_SIZE = 64 * 1024,    /* the server's one read buffer */
    GW_PIPELINE_MAX = 16 * 1024, /* bytes of further requests read while one is answered */
    GW_OUT_HIGH = 64 * 1024,     /* the connection takes no more from its streams above */
    GW_DISCARD_MAX = 64 * 1024, /* rest of a refused body that is read to keep the connection */
    GW_ARENA_MAX = 48 << 20,    /* one exchange: a 6 MiB body as a message and its parts */
    GW_POOL_MAX = 512,          /* exchanges kept for reuse */
};

struct gw_peer { /* an address that has connections */
    uint8_t key[16];
    char text[48];
    uint32_t connections;
};

struct gw_server {
    struct gw_loop *loop;
    struct gw_server_conf conf;
    const struct gw_app_ops *ops;
    void *app;
    int fd;
    struct gw_io accept_io;
    char address[80];
    struct gw_tls_context *tls; /* NULL: cleartext */
    struct aion_link conns, work;
    uint32_t connections;
    struct aion_map peers;
    struct gw_exchange *pool; /* by next */
    size_t pool_count;
    uint64_t bodies; /* bytes of bodies being received */
    nghttp2_session_callbacks *h2_callbacks;
    nghttp2_option *h2_options;
    char date[40]; /* "Tue, 24 Nov 2026 10:00:00 GMT" */
    int64_t date_at_us;
    bool accepting, draining, drain_idle; /* drain_idle: idle connections are closed by now */
    int64_t drain_by_us;
    struct gw_timer drain_timer, accept_timer;
    void (*drained)(void *user);
    void *drained_user;
    char *scratch; /* GW_READ_SIZE */
};

enum gw_mode { GW_HANDSHAKE, GW_SNIFF, GW_H1, GW_H2, GW_LINGER };
enum gw_h1_state { GW_H1_HEAD, GW_H1_BODY, GW_H1_CHUNKS, GW_H1_WAIT };

struct gw_conn {
    struct gw_io io;
    struct gw_timer timer;
    struct aion_link link, work;
    struct gw_server *server;
    struct gw_peer *peer;
    struct gw_tls *tls;
    int fd;
    uint32_t events; /* asked of epoll */
    enum gw_mode mode;
    bool dead;               /* to be freed at the round's end */
    bool closing;            /* no further requests; ends when `out` is written */
    bool blocked;            /* the socket took less than we had */
    struct aion_buf in, out; /* freed while empty: an idle connection owns neither */
    size_t out_at;
    int64_t since_us; /* accepted, or idle since, or its head began */
    int64_t moved_us; /* last progress of writing */
    int64_t data_us;  /* HTTP/2: when a stream's body last moved */
    uint32_t served;

    struct gw_exchange *x; /* HTTP/1: the one in progress */
    enum gw_h1_state state;
    size_t scanned;
    uint64_t left;
    struct http1_chunks chunks;
    bool keep_alive, expects, head_begun;

    nghttp2_session *session; /* HTTP/2 */
    struct aion_link streams; /* its exchanges */
    bool goaway;
};

struct gw_exchange {
    struct gw_exchange *next; /* of the pool */
    struct gw_request request;
    struct gw_conn *conn; /* NULL once closed */
    struct gw_server *server;
    struct aion_link link; /* conn->streams (HTTP/2) */
    struct aion_arena arena;
    unsigned refs;
    void *user;
    struct gw_field *fields;
    size_t field_count, field_capacity, head_bytes;
    /* request */
    struct aion_buf body;
    size_t body_max;
    uint64_t received;
    bool begun;    /* the application knows of it */
    bool complete; /* the request is read to its end */
    bool too_large_head;
    bool head_only; /* HEAD */
    /* response */
    int status;
    bool ended; /* the application has said all */
    bool full;  /* it waits for writable */
    bool streaming, chunked;
    struct gw_field reply_fields[GW_REPLY_FIELDS_MAX];
    size_t reply_count;
    uint64_t sent;
    /* HTTP/2 */
    int32_t stream_id;
    struct aion_buf out;
    size_t out_at;
    int64_t moved_us; /* since when what is in `out` waits */
    char first[3584]; /* the arena's first block */
};

/* -- listener.c */
/* A listening socket as conf says, with its address as bound; -1 with err. */
int gw_listen(const struct gw_server_conf *conf, char ret_address[80], struct aion_err *err);

/* -- conn.c */
void gw_conn_accept(struct gw_server *server, int fd, const uint8_t address[16],
                    const char *text);
void gw_conn_work(struct gw_conn *conn); /* links it for the round's end */
void gw_conn_do_work(struct gw_conn *conn);
void gw_conn_kill(struct gw_conn *conn); /* no more bytes either way */
void gw_conn_free(struct gw_conn *conn);
/* Forgets what was taken already, so that a queue that is never empty does not grow. */
static inline void gw_compact(struct aion_buf *buf, size_t *at)
{
    if (*at < GW_OUT_HIGH)
        return;
    aion_buf_consume(buf, *at);
    *at = 0;
}
static inline size_t gw_conn_queued(const struct gw_conn *conn)
{
    return conn->out.size - conn->out_at;
}

/* -- server.c */
struct gw_peer *gw_peer_enter(struct gw_server *server, const uint8_t key[16],
                              const char *text);
void gw_peer_leave(struct gw_server *server, struct gw_peer *peer);
aion_str gw_server_date(struct gw_server *server);
void gw_server_left(struct gw_server *server); /* a connection is gone */

/* -- exchange.c */
struct gw_exchange *gw_exchange_new(struct gw_conn *conn);
bool gw_exchange_field(struct gw_exchange *x, aion_str name, aion_str value);
void gw_exchange_begin(struct gw_exchange *x);
/* A piece of body: false when it was refused (and answered). */
bool gw_exchange_body(struct gw_exchange *x, aion_str piece);
void gw_exchange_end(struct gw_exchange *x, aion_str rest); /* body + rest */
void gw_exchange_close(struct gw_exchange *x, bool whole);
/* An answer of the engine's own: google.rpc.Status with `code`. */
void gw_exchange_refuse(struct gw_exchange *x, int status, enum aion_code code,
                        const char *text);
void gw_refusal_text(char *out, size_t size, enum aion_code code, const char *text);

/* -- h1.c, h1_reply.c */
size_t gw_h1_take(struct gw_conn *conn, aion_str data); /* bytes used */
void gw_h1_work(struct gw_conn *conn);
int64_t gw_h1_deadline(const struct gw_conn *conn);
void gw_h1_timeout(struct gw_conn *conn);
void gw_h1_refuse(struct gw_conn *conn, int status, const char *why);
void gw_h1_reply(struct gw_exchange *x, aion_str body);
void gw_h1_reply_begin(struct gw_exchange *x);
void gw_h1_reply_write(struct gw_exchange *x, aion_str bytes);
void gw_h1_reply_end(struct gw_exchange *x);
void gw_h1_continue(struct gw_conn *conn);

/* -- h2.c, h2_reply.c */
bool gw_h2_set_up(struct gw_server *server); /* callbacks and options, once */
bool gw_h2_start(struct gw_conn *conn);
void gw_h2_take(struct gw_conn *conn, aion_str data);
void gw_h2_work(struct gw_conn *conn);
int64_t gw_h2_deadline(const struct gw_conn *conn);
void gw_h2_timeout(struct gw_conn *conn);
void gw_h2_drain(struct gw_conn *conn);
void gw_h2_reply(struct gw_exchange *x, aion_str body);
void gw_h2_reply_begin(struct gw_exchange *x);
void gw_h2_reply_write(struct gw_exchange *x, aion_str bytes);
void gw_h2_reply_end(struct gw_exchange *x);
void gw_h2_reply_abort(struct gw_exchange *x);

#endif
