/* What a refusal means at a shell: its words, what to do about it, its exit status. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

/* Where the one who asked finds what there is instead. */
static const struct {
    const char *reason, *mend;
} mends[] = {
    {"TASK_NOT_FOUND", "`aion tasks list` shows the tasks there are"},
    {"BUDGET_NOT_FOUND", "`aion budgets list` shows the budgets there are"},
    {"BUDGET_EXHAUSTED",
     "`aion budgets list` shows what is left; `aion budgets set` raises it"},
    {"HOLD_NOT_FOUND", "`aion tasks holds` shows the holds in force"},
    {"HOST_NOT_FOUND", "`aion hosts list` shows the hosts that are attached"},
    {"REPLAY_NOT_FOUND", "`aion dead list` shows what is still to be replayed"},
    {"NO_DEAD_LETTER", "`aion dead list` shows the dead letters there are"},
    {"NOT_IN_DOUBT", "`aion tasks list --state in-doubt` shows the tasks that are"},
    {"INTENT_UNKNOWN", "`aion policy get` shows the routes and their intents"},
    {"NO_ROUTE", "`aion policy get` shows the routes and their rules"},
    {"ROLE_MISSING", "it needs another certificate or key, of a manager or an admin"},
    {"STORE_DOWN", "`aion doctor` looks at the store, `aion logs control` has its words"},
    {"STORE_BUSY", "try again in a moment"},
};

static const char *mend_of(const struct aion_err *err)
{
    for (size_t i = 0; i < aion_countof(mends); i++)
        if (strcmp(mends[i].reason, err->reason) == 0)
            return mends[i].mend;
    return NULL;
}

static int status_of(enum aion_code code)
{
    if (code == AION_NOT_FOUND)
        return CLI_NOT_FOUND;
    if (code == AION_DENIED || code == AION_UNAUTHENTICATED)
        return CLI_DENIED;
    if (code == AION_UNAVAILABLE || code == AION_DEADLINE)
        return CLI_UNREACHABLE;
    return CLI_FAILED;
}

int cli_error(const struct aion_err *err)
{
    const char *mend = mend_of(err);
    fprintf(stderr, "aion: %s", err->text);
    if (err->reason[0] != '\0')
        fprintf(stderr, " [%s]", err->reason);
    if (err->detail[0] != '\0')
        fprintf(stderr, " (%s)", err->detail);
    fprintf(stderr, "\n");
    if (mend != NULL)
        fprintf(stderr, "      %s\n", mend);
    return status_of(err->code);
}

int cli_error_given(const struct aion_err *err)
{
    int status = cli_error(err);
    return err->code == AION_INVALID ? CLI_USAGE : status;
}
