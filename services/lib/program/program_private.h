/* The parts of a program's life: options (program_options.c), signals (program_signals.c), the
 * rest (program.c). */
#ifndef PROGRAM_PRIVATE_H
#define PROGRAM_PRIVATE_H

#include "program/program.h"

#include <pthread.h>
#include <stdatomic.h>

struct program_options {
    struct program_common common;
    void *conf;                     /* the program's own struct */
    struct aion_conf_spec own_spec; /* the common options and the own, in one table */
    bool help, version, check;
    struct aion_arena arena;
};

/* Splits argv between the two tables and fills both. */
bool program_options_load(struct program_options *options, const struct program_spec *spec,
                          int argc, char **argv, struct aion_err *err);
void program_options_done(struct program_options *options);
void program_options_help(const struct program_options *options, struct aion_buf *out);
void program_options_print(const struct program_options *options, struct aion_buf *out);
/* Warns of AION_* variables that name no option. */
void program_options_warn(const struct program_options *options);

/* A thread that waits for signals and posts what they mean to the loop. */
struct program_signals {
    pthread_t thread;
    int stop_pipe[2];
    struct aion_exec *exec;
    void (*drain)(void *user);  /* first SIGTERM or SIGINT, on the loop */
    void (*reload)(void *user); /* SIGHUP, on the loop */
    void *user;
    struct aion_job drain_job, reload_job;
    atomic_bool drain_posted, reload_posted;
};
void program_signals_block(void); /* before any thread is made */
bool program_signals_start(struct program_signals *signals, struct aion_err *err);
void program_signals_stop(struct program_signals *signals);

#endif
