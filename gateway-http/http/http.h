/* The HTTP server as its application sees it: exchanges (one request, one response), whatever
 * the version.
 *
 * The engine speaks HTTP/1.1, HTTP/1.0 and HTTP/2 (prior knowledge or ALPN) and calls the
 * application's four functions; the application answers with the gw_reply functions. All on the
 * loop's thread. What the application may not do: block, or touch an exchange after `closed`
 * unless it holds it.
 *
 * Bounds: heads head_bytes_max, bodies gw_body_max per request and bodies_bytes_max together,
 * connections in all and per peer, streams per connection, response queues GW_QUEUE_MAX; time
 * for handshake, head, body (least rate), idling and stalled writes. A bound that is hit is
 * answered (431, 413, 408, 503) or ends the connection. */
#ifndef GW_HTTP_HTTP_H
#define GW_HTTP_HTTP_H

#include "base/arena.h"
#include "base/err.h"
#include "http/loop.h"

struct gw_server;
struct gw_exchange;

enum {
    GW_QUEUE_MAX = 256 * 1024, /* response bytes that wait for a slow reader, per exchange */
    GW_FIELDS_MAX = 64,
    GW_REPLY_FIELDS_MAX = 24,
};

struct gw_field {
    aion_str name, value;
};

struct gw_request {
    aion_str method, path, query; /* query without '?' */
    aion_str authority;
    const struct gw_field *fields;
    size_t field_count;
    aion_str peer; /* "127.0.0.1": the address alone */
    int version;   /* 10, 11, 20 */
    bool tls;
    bool malformed; /* no request at all: the engine answers it after begin; method and path are
                       "-" */
    int64_t began_us; /* monotonic */
};

struct gw_app_ops {
    /* The head is read. May call gw_body_max, and may answer already (unless the request is
     * malformed): then `end` does not come. */
    void (*begin)(void *app, struct gw_exchange *x);
    /* The request is complete; `body` is borrowed until return. */
    void (*end)(void *app, struct gw_exchange *x, aion_str body);
    /* A streamed response has room again after gw_reply_write said full. */
    void (*writable)(void *app, struct gw_exchange *x);
    /* Once, last. whole: the response was handed to the transport entirely; else the peer went
     * away, the exchange was reset, or a bound was hit. */
    void (*closed)(void *app, struct gw_exchange *x, bool whole);
};

struct gw_server_conf {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0" */
    /* A supervisor's listening socket, given by sd_listen_fds(3)'s protocol (LISTEN_PID,
     * LISTEN_FDS), is taken instead: it outlives this process, so that a restart refuses no
     * connection. 0 = none, else the descriptor (3). */
    int inherited;
    const char *cert_file, *key_file; /* NULL: cleartext, refused unless listen is loopback */
    uint32_t connections_max;         /* 0 = 16384 */
    uint32_t connections_per_peer;    /* 0 = connections_max */
    uint32_t streams_max;             /* concurrent HTTP/2 streams of a connection; 0 = 128 */
    uint32_t head_bytes_max;          /* 0 = 16 KiB */
    uint64_t bodies_bytes_max;        /* of all bodies being received; 0 = 256 MiB */
    uint32_t body_rate_min; /* bytes per second a body must come with, after body_grace_us; 0 =
                               1024 */
    int64_t handshake_us, head_us, body_grace_us, idle_us,
        stall_us; /* 0 = 10 s, 10 s, 10 s, 75 s, 30 s */
};

/* Binds. EXISTS: address in use; INVALID: bad address, or cleartext off loopback; UNAVAILABLE:
 * certificate or key. */
struct gw_server *gw_server_new(struct gw_loop *loop, const struct gw_server_conf *conf,
                                const struct gw_app_ops *ops, void *app, struct aion_err *err);
const char *gw_server_address(const struct gw_server *server); /* "127.0.0.1:8080", as bound */
void gw_server_start(struct gw_server *server);                /* accepts from now on */
/* Reads certificate and key again for new connections; on an error the old ones stay. */
bool gw_server_reload(struct gw_server *server, struct aion_err *err);
/* The descriptor that a supervisor handed to this process, 0 = none. Once, before any thread.
 */
int gw_listen_inherited(void);
/* Stops accepting; a connection closes after its exchange (GOAWAY, connection: close), an idle
 * one after a second, in which a request under way is still answered. `drained` runs when none
 * is left, or at now + grace after the rest was cut. Once. */
void gw_server_drain(struct gw_server *server, int64_t grace_us, void (*drained)(void *user),
                     void *user);
void gw_server_free(struct gw_server *server); /* cuts what is left; NULL fine */
uint32_t gw_server_connections(const struct gw_server *server);

/* -- the request -------------------------------------------------------------------------- */
const struct gw_request *gw_request(
    const struct gw_exchange *x); /* lives as long as the exchange */
/* The first field of that name (any case), data NULL when absent. */
aion_str gw_request_field(const struct gw_exchange *x, const char *name);
/* Larger bodies are answered 413 by the engine. 0, the default, refuses any body. In begin
 * only. */
void gw_body_max(struct gw_exchange *x, size_t bytes);
uint64_t gw_request_bytes(const struct gw_exchange *x); /* body bytes received */

/* -- the exchange ------------------------------------------------------------------------- */
struct aion_arena *gw_arena(struct gw_exchange *x);
void *gw_user(const struct gw_exchange *x);
void gw_set_user(struct gw_exchange *x, void *user);
/* Keeps the memory (arena, request) after `closed`. */
void gw_hold(struct gw_exchange *x);
void gw_drop(struct gw_exchange *x);
bool gw_closed(const struct gw_exchange *x); /* replies go nowhere any more */
int64_t gw_now(const struct gw_exchange *x);

/* -- the response ------------------------------------------------------------------------- */
/* Before the status. name is static and lower-case, value is copied; more than
 * GW_REPLY_FIELDS_MAX are dropped. */
void gw_reply_field(struct gw_exchange *x, const char *name, aion_str value);
/* A whole response: content-length is added, date too; for HEAD the body is left out. */
void gw_reply(struct gw_exchange *x, int status, aion_str body);
/* A response of unknown length, in pieces. */
void gw_reply_begin(struct gw_exchange *x, int status);
enum gw_written { GW_WRITTEN, GW_FULL, GW_GONE };
/* Never refused for fullness: GW_FULL asks to wait for `writable` before the next; what was
 * given is queued. */
enum gw_written gw_reply_write(struct gw_exchange *x, aion_str bytes);
size_t gw_reply_queued(const struct gw_exchange *x); /* bytes not yet taken by the socket */
void gw_reply_end(struct gw_exchange *x);
/* Breaks a response off so that the client notices: RST_STREAM, or a close without the last
 * chunk. */
void gw_reply_abort(struct gw_exchange *x);
int gw_reply_status(const struct gw_exchange *x);     /* 0 = not yet */
uint64_t gw_reply_bytes(const struct gw_exchange *x); /* body bytes handed over */

#endif
