/* What the main function of every program shares: options, logging, identity, the loop, the
 * server, the admin port, signals, drain.
 *
 *   aion control [--listen ADDR] [--admin-listen ADDR] [--config FILE] [--check-config]
 * [--help] [--version] ...
 *
 * Signals are blocked in every thread and read by one: SIGTERM and SIGINT drain (a second one
 * quits at once), SIGHUP reloads. Exit status: 0 drained; 2 bad options or configuration; 1
 * anything else (the reason is on stderr, one line, and says how to mend it). */
#ifndef PROGRAM_PROGRAM_H
#define PROGRAM_PROGRAM_H

#include "aion/v1/ops.pb-c.h"
#include "base/conf.h"
#include "mesh/admin.h"
#include "mesh/channel.h"
#include "mesh/server.h"

/* Options that every program has, besides its own. Flags: --listen, --admin-listen, --tls-ca,
 * --tls-cert, --tls-key,
 * --trust-domain, --log-level, --drain-grace, --plaintext. */
struct program_common {
    const char *listen;       /* gRPC (gateway: HTTP) address; "127.0.0.1:0" */
    const char *admin_listen; /* "127.0.0.1:0" */
    const char *tls_ca, *tls_cert, *tls_key;
    const char *trust_domain; /* "aion.local" */
    const char *log_level;    /* debug, info, warn, error */
    const char *delegates;    /* services that may vouch for principals; "gateway,control" */
    int64_t drain_grace;      /* µs; 8 s */
    bool plaintext;           /* no TLS: tests on loopback only */
};

/* Handed to a program's start; lives until run returns. */
struct program {
    const char *name;
    const struct program_common *common;
    const struct mesh_tls *tls; /* NULL when plaintext */
    struct mesh_loop *loop;
    struct mesh_server *server; /* NULL when spec.no_server */
    struct mesh_admin *admin;
    char instance[64]; /* of telemetry; "" until start: then "HOST:PORT" of the listener */
    struct program_telemetry *telemetry;
};

struct program_spec {
    const char *name;               /* "control" */
    const char *summary;            /* one line for --help */
    const struct aion_opt *options; /* the program's own; offsets in its struct */
    size_t option_count;
    size_t conf_size;                      /* of the program's struct */
    bool no_server;                        /* the gateway has its own listener */
    const struct codec_file *const *files; /* for reflection, NULL-terminated */
    /* Beyond ranges: what one option cannot say alone. NULL = nothing. */
    bool (*check)(const void *conf, struct aion_err *err);
    /* Opens what the program needs and binds its services; the loop runs after it returns. NULL
     * = failed. */
    void *(*start)(struct program *program, const void *conf, struct aion_err *err);
    /* On the I/O thread, right after the server accepts calls. The program calls program_ready
     * when it can serve; NULL = ready at once. */
    void (*serving)(void *self);
    /* SIGHUP, on the I/O thread: `conf` holds the options marked reload anew. Text of *err is
     * logged. */
    bool (*reload)(void *self, const void *conf, struct aion_err *err);
    /* On the I/O thread, once the server takes no new calls: end the standing streams, and call
     * program_drained when what was begun is safe. NULL = at once. */
    void (*drain)(void *self);
    /* After the loop ended: free everything. */
    void (*stop)(void *self);
};

/* The whole life of a program. argv[0] is the program's name; see the top for the exit status.
 */
int program_run(const struct program_spec *spec, int argc, char **argv);

/* I/O thread. reason is shown by /readyz while not ready. */
void program_ready(struct program *program, bool ready, const char *reason);
void program_drained(struct program *program);
/* Begins the drain as SIGTERM would: for a program that cannot go on (failed fsync). The exit
 * status is 1 and the text is the last log line. I/O thread. */
void program_fatal(struct program *program, const struct aion_err *err);

/* Telemetry: once a second what the process measures (metric families, calls over the mesh, its
 * certificate, proc(5)) goes to control as an aion.v1.OpsReport. Never waits: what control does
 * not take at once is dropped and counted. To be called in start; the channel lives until
 * stop. */
void program_report_to(struct program *program, struct mesh_channel *control);
/* The same for control itself: `take` gets each report on the I/O thread, borrowed. */
void program_report_by(struct program *program,
                       void (*take)(void *user, const Aion__V1__OpsReport *report), void *user);
/* Something happened that people watch for: goes with the next report, at most 256 a second.
 * Copied; at_us 0 = now. I/O thread. */
void program_event(struct program *program, const Aion__V1__OpsEvent *event);

/* When it is ready each program prints one line on the fd named by AION_READY_FD (if set), then
 * closes it: "ready listen=127.0.0.1:8081 admin=127.0.0.1:8101\n". For supervisors and tests.
 */
/* Tells the bound address for a program that has its own listener (before program_ready). */
void program_bound(struct program *program, const char *address);

#endif
