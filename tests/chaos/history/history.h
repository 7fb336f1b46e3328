/* A history of tasks: clients that submit, repeat, read and cancel, hosts that run attempts
 * well and badly, all in one process with one clock, each operation a line of JSON (main.go
 * judges them). Everything runs on the mesh's I/O thread. */
#ifndef CHAOS_HISTORY_H
#define CHAOS_HISTORY_H

#include "base/list.h"
#include "base/rand.h"
#include "mesh/channel.h"
#include "mesh/loop.h"

enum {
    KEY_BYTES = 32,
    ID_BYTES = 40,
    TEXT_BYTES = 64,
    LINKS_MAX = 8,
};

/* One operation, from its call to its return. `returned_us` 0: no answer, it may have happened
 * or not. */
struct operation {
    int64_t called_us, returned_us;
    unsigned client;
    const char *task; /* its key */
    const char *name, *outcome;
    const char *id, *state, *result, *kind, *host;
    uint64_t epoch;
    uint32_t attempt;
    unsigned body;
    bool whole;
};

struct history {
    struct mesh_loop *loop;
    struct aion_rand rand;
    FILE *out;
    uint64_t operations, wanted; /* no new task once there are as many */
    bool over;
};

void history_write(struct history *history, const struct operation *operation);
/* True in `percent` of cases. */
bool history_chance(struct history *history, unsigned percent);

/* -- clients ---------------------------------------------------------------------------- */
/* Each lane is a task that two clients work on at once, then the next one. */
void clients_start(struct history *history, struct mesh_channel *channel, unsigned lanes);
bool clients_ended(void);
/* Of tasks that have no end yet: prints them, gives their number. */
unsigned clients_unfinished(void);
/* When the task's first submission was called; 0: nobody knows the key. */
int64_t clients_called_us(const char *key);

/* -- hosts ------------------------------------------------------------------------------ */
/* Each host keeps a stream to every control of `targets` ("a:1,b:2"). */
bool hosts_start(struct history *history, const char *targets, const struct mesh_tls *tls,
                 unsigned count, struct aion_err *err);
/* Writes what was never settled as operations without an answer. */
void hosts_end(void);

#endif
