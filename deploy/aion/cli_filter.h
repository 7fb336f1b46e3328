/* Which tasks: the words that `aion tasks` and `aion dead` share, and the filter they mean. */
#ifndef CLI_FILTER_H
#define CLI_FILTER_H

#include "cli_family.h"

#include "aion/v1/tasks.pb-c.h"

struct cli_filter {
    const char *tenant, *intent, *module, *error; /* error: its reason, "MODULE_CRASHED" */
    int64_t since_us, until_us;                   /* of their creation; 0 = not given */
    bool all;
};

/* A filter as the wire has it, with what it points to. */
struct cli_filter_wire {
    Aion__V1__TaskFilter filter;
    Google__Protobuf__Timestamp since, until;
};

/* True: something is set that narrows. */
bool cli_filter_narrows(const struct cli_filter *filter);
/* Borrows the texts and the ids; the result may not be moved. */
void cli_filter_fill(const struct cli_filter *filter, const char *const *ids, size_t id_count,
                     struct cli_filter_wire *ret_wire);
/* UTC microseconds as the wire has them, into *out; NULL for 0. */
Google__Protobuf__Timestamp *cli_stamp(int64_t utc_us, Google__Protobuf__Timestamp *out);
/* The inverse; NULL = 0. */
int64_t cli_stamp_us(const Google__Protobuf__Timestamp *stamp);

/* Rows of a family's options: `member` is its cli_filter. */
#define CLI_FILTER_ROW(type, member, option, what, of_verbs)     \
    {                                                            \
        .name = (option), .kind = CLI_TEXT, .verbs = (of_verbs), \
        .at = offsetof(type, member.what)                        \
    }
#define CLI_FILTER_TIME(type, member, option, what, of_verbs)    \
    {                                                            \
        .name = (option), .kind = CLI_TIME, .verbs = (of_verbs), \
        .at = offsetof(type, member.what)                        \
    }

#endif
