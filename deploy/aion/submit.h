/* The parts of `aion submit`. */
#ifndef SUBMIT_H
#define SUBMIT_H

#include "cli_client.h"

#include "aion/v1/tasks.pb-c.h"

/* Without a key of the caller's, a task id of our own: a submit whose answer was lost is then
 * repeated without a second task. */
void cli_submit_id(Aion__V1__TaskRequest *request, struct aion_arena *arena);

/* Submits the lines of a file ("-": stdin), one TaskRequest as JSON each, many in a call; what
 * became of each stands in a line of stdout, in their order. FAILED: some were refused, or are
 * no requests. */
int cli_submit_batch(struct cli_client *client, const char *path, bool json);

#endif
