/* A family of words: `aion FAMILY VERB [PARAMETERS] [OPTIONS]`, told as tables. Reading them is
 * done here, so that every family refuses the same mistakes in the same words; all of it before
 * anything is asked of the mesh.
 *
 * The family's own struct begins with a cli_deed; options are written into it by offset. What
 * was not given keeps the value that it had. */
#ifndef CLI_FAMILY_H
#define CLI_FAMILY_H

#include "cli_client.h"

#include <stddef.h>

enum { CLI_IDS_MAX = 1000 };

/* What was asked for, as far as all families share it. */
struct cli_deed {
    struct cli_client client; /* open while a verb runs */
    const char *home;
    const char *ids[CLI_IDS_MAX]; /* parameters, in their order */
    size_t id_count;
    bool json;
};

enum cli_kind {
    CLI_TEXT,   /* const char *; not empty */
    CLI_FLAG,   /* bool */
    CLI_NUMBER, /* int64_t, least..most */
    CLI_MONEY,  /* int64_t, nano-USD, not below 0 */
    CLI_TIME,   /* int64_t, UTC microseconds */
    CLI_CHOICE, /* int: an enumerator but the first */
};

struct cli_option {
    const char *name;
    enum cli_kind kind;
    size_t at;      /* offset in the family's struct */
    unsigned verbs; /* bit n: the verb n takes it */
    int64_t least, most;
    const ProtobufCEnumDescriptor *choices; /* "PERIOD_DAY" is given as "day" */
    const char *prefix;                     /* "PERIOD_" */
};

struct cli_verb {
    const char *name;
    const char *what; /* its parameters: "a budget's id"; NULL = it has none */
    size_t least, most;
    /* What options must hold together; CLI_OK, or the status of cli_usage(). NULL = nothing. */
    int (*check)(struct cli_deed *deed);
    int (*run)(struct cli_deed *deed);
};

struct cli_family {
    const struct cli_command *command;
    const struct cli_verb *verbs;
    size_t verb_count;
    const struct cli_option *options; /* besides --home and -o json|table, which all have */
    size_t option_count;
};

/* Reads the arguments into the deed, opens the mesh, runs the verb; the exit status. A family
 * of one verb without a name has no word for it. */
int cli_family_run(const struct cli_family *family, int argc, char **argv,
                   struct cli_deed *deed);
/* "did-not-run" of OUTCOME_DID_NOT_RUN. */
enum { CLI_CHOICE_SIZE = 48 };
void cli_choice_text(char out[CLI_CHOICE_SIZE], const ProtobufCEnumDescriptor *choices,
                     const char *prefix, int value);

/* A call to control, its answer printed as JSON when that was asked for: *ret_status is set and
 * NULL returned. NULL with a refusal's status, too: then it is printed. Else the reply. */
const ProtobufCMessage *cli_ask(struct cli_deed *deed, const struct mesh_method *method,
                                const ProtobufCMessage *request, int *ret_status);

#endif
