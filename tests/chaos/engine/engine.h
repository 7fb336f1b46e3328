/* Control with its store, its clients and a host in one process that is killed again and again
 * on the same database, and what must be found of its tasks at the end.
 *
 * Everything of task N follows from N: its key, its text, and what its host does with it. What
 * a process was told it passes on through a pipe before it does anything else: so the ledger
 * lives where no kill reaches it. */
#ifndef CHAOS_ENGINE_H
#define CHAOS_ENGINE_H

#include "base/uuid.h"
#include "store/store.h"

enum {
    ENGINE_TASKS_MAX = 1 << 20,
    ENGINE_TEXT_MAX = 48,
    ENGINE_CHUNKS = 3,
    ENGINE_PRICE = 1000, /* nano-USD of a task that succeeds */
};

enum engine_word { ENGINE_SUBMITS, ENGINE_ACKNOWLEDGED, ENGINE_COMMITTED };

/* The task is about to be submitted (it has no id yet); control acknowledged it; control
 * settled a result of it as the one that counts. */
struct engine_said {
    enum engine_word word;
    uint32_t number;
    struct aion_uuid id;
};

struct engine_ledger {
    struct aion_uuid ids[ENGINE_TASKS_MAX];
    bool acked[ENGINE_TASKS_MAX], committed[ENGINE_TASKS_MAX];
    uint32_t count;     /* numbers below were submitted */
    uint32_t all_below; /* tasks below are acknowledged and known to have ended */
    bool said_twice;    /* two ids for a key, or two results that count */
};
void engine_hear(struct engine_ledger *ledger, struct engine_said said);

/* -- what a task is --------------------------------------------------------------------- */
void engine_text(uint32_t number, char out[ENGINE_TEXT_MAX]);
void engine_chunk_text(uint32_t number, unsigned chunk, char out[ENGINE_TEXT_MAX]);
bool engine_streams(uint32_t number);
bool engine_fails_first(uint32_t number); /* its first attempt */

/* -- doing it --------------------------------------------------------------------------- */
struct engine_run {
    const char *url;
    struct engine_ledger *ledger; /* what is known so far; a copy of one's own */
    int out;                      /* struct engine_said */
    bool calm; /* takes no new task, and returns once all that there are have ended */
};
/* Ends the process with 1 when a task does not end in time. Without `calm` it does not return.
 */
void engine_run(const struct engine_run *run);

/* -- judging ---------------------------------------------------------------------------- */
/* A new database with a budget that pays for everything. */
void engine_make_store(const char *url);
/* NULL when the database holds what it must of all tasks, else what is wrong with *ret_number.
 */
const char *engine_judge(const char *url, const struct engine_ledger *ledger,
                         uint32_t *ret_number);
/* Prints what went wrong and ends the process. */
void engine_die(const char *what, const struct aion_err *err) AION_NORETURN;

#endif
