/* The spawner: a small single-threaded process, forked before gRPC exists, that starts module
 * processes for the host.
 *
 * fork is only safe before grpc_init, and module processes are needed for ever; so the host
 * forks the spawner first and asks it over a socket. Each module process gets its own process
 * group, its limits before exec, and dies with the spawner, which dies with the host: a host
 * killed -9 leaves nothing behind.
 *
 * The socket is a SOCK_SEQPACKET pair: one struct spawner_request or spawner_event per packet.
 * Used by one thread. */
#ifndef HOST_SPAWNER_H
#define HOST_SPAWNER_H

#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

enum { SPAWNER_PATH_MAX = 1024 };

struct spawner_limits {
    uint64_t memory_bytes; /* RLIMIT_AS */
    uint32_t files;        /* RLIMIT_NOFILE */
    uint64_t file_bytes;   /* RLIMIT_FSIZE */
};

struct spawner {
    int socket; /* readable when an event waits; close it to end the spawner and all it started
                 */
    pid_t pid;
};

/* What the spawner tells. */
struct spawner_event {
    enum { SPAWNER_STARTED, SPAWNER_FAILED, SPAWNER_EXITED } kind;
    uint64_t ticket;  /* of the request; EXITED: of the start */
    pid_t pid;        /* STARTED, EXITED */
    int error;        /* FAILED: errno of fork, pipe or exec */
    int status;       /* EXITED: wait status */
    int in, out, log; /* STARTED: the module's stdin (write), stdout and stderr (read),
                         non-blocking, close-on-exec */
};

/* Forks. Call before any thread exists and before grpc_init. UNAVAILABLE: no process or socket.
 */
bool spawner_start(struct spawner *spawner, struct aion_err *err) AION_MUST_CHECK;
/* Asks for a process of the executable at `path` (absolute); the answer is an event with the
 * ticket. UNAVAILABLE: the spawner is gone (restart the host). */
bool spawner_spawn(struct spawner *spawner, uint64_t ticket, const char *path,
                   const struct spawner_limits *limits, struct aion_err *err) AION_MUST_CHECK;
/* SIGKILL to the process group, if the process has not been reaped yet. */
bool spawner_kill(struct spawner *spawner, pid_t pid, struct aion_err *err) AION_MUST_CHECK;
/* One event, without waiting. False with err->code AION_OK: none now; UNAVAILABLE: the spawner
 * is gone. */
bool spawner_next(struct spawner *spawner, struct spawner_event *ret_event,
                  struct aion_err *err) AION_MUST_CHECK;
/* Ends the spawner and every module process; waits for it. */
void spawner_stop(struct spawner *spawner);

#endif
