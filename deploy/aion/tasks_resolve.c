/* aion tasks resolve: a person says what became of an attempt that nobody knows the end of. */
#include "cli_rows.h"
#include "tasks.h"

#include "aion/v1/tasks.mesh.h"

#include <stdint.h>

int cli_tasks_check_resolve(struct cli_deed *deed)
{
    const struct cli_tasks_wish *wish = cli_tasks_of(deed);
    if (wish->outcome == 0)
        return cli_usage(&cli_tasks,
                         "resolve needs --outcome did-not-run, succeeded or failed");
    if (wish->result != NULL &&
        wish->outcome != AION__V1__RESOLVE_DOUBT_REQUEST__OUTCOME__OUTCOME_SUCCEEDED)
        return cli_usage(&cli_tasks, "--result is of what succeeded: only with --outcome "
                                     "succeeded");
    if (wish->cost_nano_usd != 0 &&
        wish->outcome == AION__V1__RESOLVE_DOUBT_REQUEST__OUTCOME__OUTCOME_DID_NOT_RUN)
        return cli_usage(&cli_tasks, "--cost: what did not run cost nothing");
    return CLI_OK;
}

int cli_tasks_resolve(struct cli_deed *deed)
{
    const struct cli_tasks_wish *wish = cli_tasks_of(deed);
    Aion__V1__ResolveDoubtRequest request = AION__V1__RESOLVE_DOUBT_REQUEST__INIT;
    Aion__V1__TaskResult result = AION__V1__TASK_RESULT__INIT;
    int status;
    request.task_id = (char *)(uintptr_t)deed->ids[0];
    request.outcome = (Aion__V1__ResolveDoubtRequest__Outcome)wish->outcome;
    request.cost_nano_usd = wish->cost_nano_usd;
    if (wish->reason != NULL)
        request.reason = (char *)(uintptr_t)wish->reason;
    if (wish->result != NULL) {
        result.body_case = AION__V1__TASK_RESULT__BODY_TEXT;
        result.text = (char *)(uintptr_t)wish->result;
        result.content_type = (char *)(uintptr_t) "text/plain; charset=utf-8";
        request.result = &result;
    }
    const ProtobufCMessage *reply = cli_ask(
        deed, cli_tasks_method(AION_V1_AION_TASKS_RESOLVE_DOUBT), &request.base, &status);
    if (reply == NULL)
        return status;
    return cli_rows_print((Aion__V1__Task *const[]){(Aion__V1__Task *)(uintptr_t)reply}, 1,
                          true);
}
