/* Tasks as rows: what `aion tasks list` and `aion dead list` print. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "cli_table.h"

#include "aion/v1/tasks.pb-c.h"

/* "SUCCEEDED". */
const char *cli_state_name(Aion__V1__TaskState state);
/* A table of tasks on stdout; `errors` adds what the last attempt ended with. */
int cli_rows_print(Aion__V1__Task *const *tasks, size_t count, bool errors);
/* The body of a result on stdout as it is; behind a text or JSON the line ends. */
int cli_result_print(const Aion__V1__TaskResult *result);

#endif
