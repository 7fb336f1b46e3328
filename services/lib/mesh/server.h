/* A gRPC server: binds typed tables to a port. Built in: grpc.health.v1.Health, reflection v1
 * and v1alpha, limits, deadlines, identity and roles, metrics, traces, one log line a call,
 * drain.
 *
 * Middleware, outermost first: trace, metrics, log → deadline → identity → role → admission →
 * handler. */
#ifndef MESH_SERVER_H
#define MESH_SERVER_H

#include "base/err.h"
#include "mesh/identity.h"
#include "mesh/loop.h"
#include "mesh/method.h"

struct mesh_call;
struct mesh_server;

struct mesh_server_conf {
    const char *listen;         /* "127.0.0.1:8081"; port 0 = the kernel's choice */
    const struct mesh_tls *tls; /* NULL: plain text, refused unless listen is loopback */
    /* Services (NAME of spiffe://TRUST/service/NAME) that may send aion-principal-bin;
     * NULL-terminated. */
    const char *const *delegates;
    uint32_t calls_max;   /* live unary calls; 0 = 4096. Beyond: RESOURCE_EXHAUSTED at once */
    uint32_t streams_max; /* live streaming calls; 0 = 16384 */
    uint32_t calls_per_peer_max;   /* of both kinds, by SPIFFE id or address; 0 = 8192 */
    uint32_t send_queue_bytes_max; /* per call, MESH_FULL at half; 0 = 262144 */
    int64_t
        deadline_max_us; /* unary calls without or with a longer deadline get this; 0 = 60 s */
    int64_t connection_age_us; /* 0 = 10 min, -1 = none */
    const struct codec_file *const
        *files;     /* for reflection, NULL-terminated; imports are found by themselves */
    bool log_calls; /* one structured line per call */
};

/* Binds the port. EXISTS: in use (the text names the address and the option); INVALID: bad
 * address, plain text off loopback; UNAVAILABLE: certificate or key unreadable (the text names
 * the file). */
struct mesh_server *mesh_server_new(struct mesh_loop *loop, const struct mesh_server_conf *conf,
                                    struct aion_err *err);
int mesh_server_port(const struct mesh_server *server); /* the bound port */
/* Before start. `table` is the generated typed table (static const), `service` comes back by
 * mesh_service(). */
void mesh_server_bind(struct mesh_server *server, const struct mesh_service_type *type,
                      const void *table, void *service);
/* Accepts calls from now on; health SERVING for "" and every bound service. */
void mesh_server_start(struct mesh_server *server);
/* Health of one bound service, or of all with "". I/O thread. */
void mesh_server_serving(struct mesh_server *server, const char *service, bool serving);
/* `stopped` runs on the I/O thread once a drain has let the last new call in: what would never
 * end by itself (standing streams) is to be ended there. Before the drain. */
void mesh_server_on_stopped(struct mesh_server *server, void (*stopped)(void *user),
                            void *user);
/* `failed` runs when a call of a method marked `audit` ended with another status than OK
 * (malformed, failed), and when one of any method was denied. On the I/O thread; the call is
 * borrowed. Before start. */
void mesh_server_on_failed(struct mesh_server *server,
                           void (*failed)(void *user, struct mesh_call *call,
                                          const struct aion_err *err),
                           void *user);
/* NOT_SERVING → 300 ms (clients leave) → stop accepting → in-flight finishes within grace →
 * cancel. `done` runs on the I/O thread when no call is left. Once. I/O thread. */
void mesh_server_drain(struct mesh_server *server, int64_t grace_us, void (*done)(void *user),
                       void *user);
/* The end of a call of a method with `audit`, refused ones too. Borrowed. */
struct mesh_audit {
    const struct mesh_method *method;
    const struct mesh_principal *principal;
    aion_str peer; /* SPIFFE id */
    enum aion_code code;
    const char *reason; /* ErrorInfo's; "" = none */
    const char *text;   /* of the error */
    aion_str target;    /* the value of the call's first note; empty = none */
};
/* Tells `audited` of them, on the I/O thread. Before start. */
void mesh_server_on_audit(struct mesh_server *server,
                          void (*audited)(void *user, const struct mesh_audit *audit),
                          void *user);
uint32_t mesh_server_live(const struct mesh_server *server); /* calls now, all kinds */
/* After the loop stopped running, or drained. Cancels what is left. NULL fine. */
void mesh_server_free(struct mesh_server *server);

#endif
