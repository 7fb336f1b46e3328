/* The table of commands, in the order of the help. */
#include "cli.h"

#include <stddef.h>

const struct cli_command *const cli_commands[] = {
    &cli_up,         &cli_down,    &cli_status,  &cli_console, &cli_get,
    &cli_watch,      &cli_env,     &cli_logs,    &cli_submit,  &cli_tasks,
    &cli_explain,    &cli_dead,    &cli_policy,  &cli_budgets, &cli_hosts,
    &cli_audit,      &cli_store,   &cli_doctor,  &cli_topics,  &cli_events,
    &cli_completion, &cli_gateway, &cli_control, &cli_router,  &cli_host,
    &cli_retention,  NULL,
};
