/* The thread that reads what module processes write: it splits frames and posts them to the I/O
 * thread, which owns all state of the workers. It knows nothing of tasks. */
#ifndef HOST_PIPES_H
#define HOST_PIPES_H

#include "base/exec.h"
#include "host_spawner.h"

#include <stdatomic.h>

struct host_pipes;
struct host_process;

enum host_note_kind {
    HOST_STARTED,
    HOST_FAILED,
    HOST_FRAME,
    HOST_GARBAGE, /* what came is no frame; nothing further is read */
    HOST_LOG,
    HOST_EXITED,
    HOST_SPAWNER_GONE
};

/* What happened to a process; posted to the exec, freed by host_note_free. */
struct host_note {
    struct aion_job job;          /* private */
    struct host_pipes *pipes;     /* private */
    struct host_process *process; /* private: FRAME, LOG, whose lead it counts in */
    enum host_note_kind kind;
    uint64_t ticket; /* of the process */
    pid_t pid;       /* STARTED */
    int in;          /* STARTED: the module's stdin; the receiver closes it */
    int code;        /* FAILED: errno; EXITED: wait status */
    size_t size;
    char data[]; /* FRAME: payload; LOG: a line without its end */
};

/* `on_note(user, note)` runs on the exec's thread, in order per process. The spawner is used by
 * the pipes' thread from now on, but for host_pipes_spawn and _kill. */
struct host_pipes *host_pipes_start(struct spawner *spawner, struct aion_exec *exec,
                                    void (*on_note)(void *user, struct host_note *note),
                                    void *user, struct aion_err *err);
/* The receiver is through with a frame or line: reading of its process goes on when it had got
 * too far ahead (frames 1 MiB, lines 64 KiB). */
void host_note_free(struct host_pipes *pipes, struct host_note *note);
/* Writes the rest of a frame that the pipe did not take at once; takes the fd (a dup) and a
 * copy of the bytes. */
bool host_pipes_write(struct host_pipes *pipes, int fd, aion_str bytes);
/* Stops reading from all processes (control does not keep up), or goes on. Any thread. */
void host_pipes_pause(struct host_pipes *pipes, bool paused);
/* Ends the thread: no note is posted after it. Those posted before still come, and need the
 * pipes. */
void host_pipes_join(struct host_pipes *pipes);
void host_pipes_free(struct host_pipes *pipes); /* closes what it holds */

#endif
