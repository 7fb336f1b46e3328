/* What the parts of `aion events` share: records come in, repeats are dropped, the rest is
 * printed. */
#ifndef CLI_TAIL_H
#define CLI_TAIL_H

#include "cli_client.h"
#include "cli_kafka.h"

#include "codec/json.h"
#include "events/dedup.h"

#include <signal.h>

struct cli_tail {
    struct cli_kafka kafka;
    struct cli_client client;
    const char *verb, *argument, *home, *from, *group;
    bool json, follow;
    struct events_dedup *dedup;
    uint64_t shown;
    struct aion_buf line, position;
};

extern volatile sig_atomic_t cli_tail_stop; /* SIGINT or SIGTERM came */
void cli_tail_catch(void);                  /* from now on they only set it */

/* A record, from wherever. Empty strings are left out. */
struct cli_tail_shown {
    aion_str key, value, schema, source;
    uint64_t sequence; /* 0: not known, so never a repeat */
    int32_t partition; /* Kafka's; -1 = none */
    int64_t offset;
};
/* Prints it, unless it is a repeat. */
void cli_tail_show(struct cli_tail *tail, const struct cli_tail_shown *record);

/* Until the end, or for ever: the exit status. The position is left in tail->position. */
int cli_tail_kafka(struct cli_tail *tail);
int cli_tail_mesh(struct cli_tail *tail);
int cli_tail_forget(struct cli_tail *tail);

#endif
