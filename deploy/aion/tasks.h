/* The verbs of `aion tasks`. */
#ifndef TASKS_H
#define TASKS_H

#include "cli_filter.h"

struct cli_tasks_wish {
    struct cli_deed deed;
    struct cli_filter filter;
    int state;             /* Aion__V1__TaskState; 0 = any */
    int64_t limit;         /* rows */
    int64_t rate, most;    /* release: tasks a second, tasks in all; 0 = no bound */
    int outcome;           /* resolve: Aion__V1__ResolveDoubtRequest__Outcome */
    int64_t cost_nano_usd; /* resolve */
    const char *result;    /* resolve: text */
    const char *reason;
};

const struct mesh_method *cli_tasks_method(int index);

int cli_tasks_check_watch(struct cli_deed *deed);
int cli_tasks_watch(struct cli_deed *deed);
int cli_tasks_check_hold(struct cli_deed *deed);
int cli_tasks_hold(struct cli_deed *deed);
int cli_tasks_release(struct cli_deed *deed);
int cli_tasks_holds(struct cli_deed *deed);
int cli_tasks_check_resolve(struct cli_deed *deed);
int cli_tasks_resolve(struct cli_deed *deed);

static inline struct cli_tasks_wish *cli_tasks_of(struct cli_deed *deed)
{
    return aion_container(deed, struct cli_tasks_wish, deed);
}

#endif
