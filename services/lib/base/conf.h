/* One table of options per program: the same rows make the struct's values, --help, the
 * environment names, the file's keys and the answer to a reload. Precedence: flag > environment
 * > file > default.
 *
 * Option `queue_depth_max` of program `control` is the flag --queue-depth-max, the variable
 * AION_CONTROL_QUEUE_DEPTH_MAX and the file's key queue_depth_max. Variables that start with
 * AION_CONTROL_ and name no option are warned of with the nearest name. A secret also has the
 * form ..._FILE. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum aion_opt_kind {
    AION_OPT_INT,      /* int64_t, min..max */
    AION_OPT_DURATION, /* int64_t microseconds, written "50ms" */
    AION_OPT_BYTES,    /* int64_t, written "4MiB" */
    AION_OPT_BOOL,     /* bool: true|false|1|0|yes|no; the bare flag means true */
    AION_OPT_TEXT,     /* const char *, never NULL */
};

struct aion_opt {
    const char *name; /* lower_snake */
    enum aion_opt_kind kind;
    const char *fallback; /* default, as text */
    int64_t min, max;     /* INT, DURATION (µs), BYTES */
    bool reload;          /* takes effect on SIGHUP */
    bool secret;          /* never printed; NAME_FILE is read too */
    const char *env;      /* another variable's name instead of the made one, or NULL */
    const char *help;
    size_t offset; /* of the member in the program's struct */
};

/* Where a value came from, for errors and for `--check-config`. */
enum aion_conf_source { AION_CONF_DEFAULT, AION_CONF_FILE, AION_CONF_ENV, AION_CONF_FLAG };

struct aion_conf_spec {
    const char *program; /* "control" */
    const char *summary; /* one line for --help */
    const struct aion_opt *options;
    size_t option_count;
};

/* A value of the configuration file, in file order; `at` is "file:line:column". */
struct aion_conf_pair {
    const char *key, *value, *at;
};

/* Fills *out from all sources. `argv` after the program's name; `environ_` as in environ(7);
 * pairs from the file (may be none). Texts are copied into the arena. Positional arguments are
 * refused. AION_INVALID names the option, the value, where it came from and what was expected.
 */
bool aion_conf_load(const struct aion_conf_spec *spec, void *out, int argc, char *const *argv,
                    char *const *environ_, const struct aion_conf_pair *pairs,
                    size_t pair_count, struct aion_arena *arena,
                    struct aion_err *err) AION_MUST_CHECK;
/* --help: options with environment name, default, bounds. */
void aion_conf_help(const struct aion_conf_spec *spec, struct aion_buf *out);
/* name = value (source) lines; secrets as "(set)" or "(empty)". For --check-config. */
void aion_conf_print(const struct aion_conf_spec *spec, const void *conf, struct aion_buf *out);
/* Unknown AION_PROGRAM_* variables, one warning text each: "AION_CONTROL_QUEU is no option;
 * nearest: ...". */
void aion_conf_unknown(const struct aion_conf_spec *spec, char *const *environ_,
                       void (*warn)(void *user, const char *text), void *user);

#endif
