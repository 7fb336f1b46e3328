/* `aion up`: one single-threaded supervisor. up_plan.c says what runs, up_prepare.c makes the
 * home, up_child.c starts and restarts, up_log.c carries their lines, up_tell.c says the first
 * word, cmd_up.c is the loop. */
#ifndef UP_H
#define UP_H

#include "cli.h"

#include <stdio.h>
#include <sys/types.h>

enum {
    UP_ARGS_MAX = 48,
    UP_LOG_MAX = 10 * 1024 * 1024, /* then it is rotated */
    UP_LOG_KEEP = 3,
    UP_LINE_MAX = 16 * 1024,
    UP_BACKOFF_FIRST_MS = 100,
    UP_BACKOFF_MOST_MS = 5000,
    UP_STEADY_US = 2000000, /* up this long: the back-off starts anew */
    UP_START_TRIES = 3,     /* failed starts of one program before the mesh was ever ready */
    UP_LAST_MAX = 1024,
    UP_TELL_MAX = UP_LAST_MAX + 2 * CLI_PATH_MAX,
    UP_DRAIN_US = 9500000, /* children that still run then are killed */
};

struct up_child {
    struct cli_process *public; /* its row of run.json */
    char *args[UP_ARGS_MAX];    /* in the arena; NULL-terminated */
    int arg_count;
    pid_t pid;                         /* 0 = not running */
    int ready_fd, out_fd;              /* -1 = closed */
    int64_t started_us, restart_at_us; /* restart_at_us 0 = none */
    unsigned backoff_ms;
    int color;
    FILE *log;
    size_t log_size;
    struct aion_buf line;   /* what came without its end */
    char last[UP_LAST_MAX]; /* its newest line: says why when it cannot start */
    unsigned failed_starts;
    bool stopping;
};

struct up {
    struct cli_run run; /* what run.json says */
    struct up_child children[CLI_PROCESSES_MAX];
    size_t count;
    struct aion_arena arena;
    char executable[CLI_PATH_MAX], modules[CLI_PATH_MAX], policies[CLI_PATH_MAX];
    int port_base;
    bool quiet; /* detached: lines go to files alone */
    bool colors;
    bool stopping;
    int stop_step;
    int64_t stop_by_us;
    int gateway_fd; /* the gateway's listener, which lives over its restarts; -1 = closed */
    int tell_fd;    /* to the parent of a detached start; -1 = none */
    bool told;      /* the mesh was ready once */
    const struct up_child *failed; /* cannot be started: the mesh is given up */
};

/* -- up_prepare.c: CA, certificates, API key, policies -------------------- */
bool up_prepare(struct up *up, struct aion_err *err);
/* Renews what is past two thirds of its life. */
void up_renew(struct up *up);

/* -- up_plan.c: ports and the command line of each program ---------------- */
bool up_plan(struct up *up, struct aion_err *err);

/* -- up_child.c ----------------------------------------------------------- */
void up_start(struct up *up, struct up_child *child);
/* A child ended: waits for its back-off, or is through when stopping. */
void up_ended(struct up *up, struct up_child *child, int status);
void up_signal(struct up_child *child, int number);

/* -- up_log.c ------------------------------------------------------------- */
bool up_log_open(struct up *up, struct up_child *child, struct aion_err *err);
void up_log_read(struct up *up, struct up_child *child);
void up_log_note(struct up *up, struct up_child *child, const char *fmt, ...) AION_PRINTF(3, 4);
void up_log_close(struct up_child *child);

/* -- up_tell.c ------------------------------------------------------------ */
/* Once every program is ready, and only the first time. */
void up_tell_ready(struct up *up);
/* Why up->failed cannot start. */
void up_tell_failed(struct up *up);

#endif
