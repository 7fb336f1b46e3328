/* What a module is written against: one handler, called for one task at a time, or for as many
 * as came together.
 *
 * A module is an executable of its own. Its main calls module_serve, which reads tasks from
 * stdin and writes chunks and results to stdout until the host closes the pipe; stderr is the
 * module's log. Anything that goes wrong by itself (crash, memory, time) is the host's
 * business: it ends the process and fails the attempt. */
#ifndef MODULE_MODULE_H
#define MODULE_MODULE_H

#include "base/arena.h"
#include "base/err.h"

#include "aion/v1/modules.pb-c.h"

struct module_job;

/* Runs one task and answers it exactly once by module_result_text or module_fail. */
typedef void module_handler(struct module_job *job, const Aion__V1__HostCommand__Execute *task);
/* The same for tasks that came together, 1 .. what `batch` in its module.yaml says: each is
 * answered by its own job, in any order. */
typedef void module_batch_handler(struct module_job *const *jobs,
                                  Aion__V1__HostCommand__Execute *const *tasks, size_t count);

/* Exit status for main: 0 when the host closed the pipe. What came together is run one after
 * the other. */
int module_serve(module_handler *handler);
int module_serve_batches(module_batch_handler *handler);

/* Of all jobs of a call; reset after the handler returned. */
struct aion_arena *module_arena(struct module_job *job);
/* Chunks and results of this call leave when the handler has returned, or as soon as they are
 * many: for handlers that are done at once, so that answering many tasks costs little more than
 * one. */
void module_hold(struct module_job *job);
/* A piece of output, at once on its way to the client; UTF-8. */
void module_chunk_text(struct module_job *job, aion_str text);
void module_result_text(struct module_job *job, aion_str text, const char *content_type);
/* reason: UPPER_SNAKE, stable. retriable: another attempt may succeed. */
void module_fail(struct module_job *job, enum aion_code code, const char *reason,
                 bool retriable, const char *text);

/* -- reading params ------------------------------------------------------- */
/* The member of the task's params, or NULL. */
const Google__Protobuf__Value *module_param(const Aion__V1__HostCommand__Execute *task,
                                            const char *name);
/* A text; absent gives *ret_text with data NULL. False: there, but not a string. */
bool module_param_text(const Aion__V1__HostCommand__Execute *task, const char *name,
                       aion_str *ret_text);
/* An integer within min..max; absent gives the fallback. False: there, but not such a number.
 */
bool module_param_int(const Aion__V1__HostCommand__Execute *task, const char *name, int64_t min,
                      int64_t max, int64_t fallback, int64_t *ret_value);

#endif
