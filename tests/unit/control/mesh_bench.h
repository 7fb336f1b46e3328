/* Control on a real mesh in one process and one thread: its server, a channel to it, a router
 * and hosts that do what the test says, on the scripted store. A test runs the loop until what
 * it waits for has come.
 *
 * Two benches may be peers: controls on one store, each with a loop of its own. Whatever runs
 * one runs the other, unless it is paused: then nothing of it happens, as under SIGSTOP. */
#ifndef CONTROL_MESH_BENCH_H
#define CONTROL_MESH_BENCH_H

#include "control_private.h"
#include "store/script/script.h"

enum { BENCH_EVENTS = 64, BENCH_HOSTS = 4, BENCH_LEASE_US = 600000 };

/* What a host was told. */
struct bench_word {
    char task_id[AION_UUID_TEXT];
    uint32_t attempt;
    uint64_t epoch;
    char text[256]; /* params.text of an execute, reason of a cancel */
    bool accepted;  /* settled */
};

struct bench;

/* What a host process has running, over all its streams. */
struct bench_body {
    struct bench_word words[BENCH_EVENTS];
    size_t count;
};

struct bench_host {
    struct bench *bench;
    struct mesh_rpc *rpc; /* NULL = not attached */
    const char *id;
    struct bench_body *body; /* it tells whoever claims what it has; NULL: it does not */
    bool silent;             /* it answers no ping */
    uint32_t slots;
    uint64_t claimed; /* by the last claim */
    size_t claims;
    char peers[256];    /* "SELF|OTHER OTHER", as told last */
    bool automatic;     /* answers every execute at once with its text */
    bool obedient;      /* answers every cancel with a cancelled result */
    bool gpu;           /* has the label gpu=true */
    uint32_t batch_max; /* of its module */
    size_t batches;     /* commands with several executes */
    size_t executes, cancels, settles, welcomes;
    struct bench_word executed[BENCH_EVENTS], cancelled[BENCH_EVENTS], settled[BENCH_EVENTS];
};

enum bench_route { ROUTE_DECIDES, ROUTE_REFUSES, ROUTE_DENIES, ROUTE_SILENT };

struct bench {
    struct bench *peer; /* or NULL */
    bool paused;
    bool clashed; /* another process has its name */
    char url[96], replica[32];
    struct mesh_loop *loop;
    struct store *store;
    struct control_conf conf;
    struct control *control;
    struct mesh_server *server, *router_server;
    struct mesh_channel *channel, *router_channel;
    int router_port;
    enum bench_route route;
    bool wants_gpu; /* decisions ask for the label gpu=true */
    bool direct;    /* ... and say the direct lane */
    bool unsafe;    /* ... and that an attempt must not be repeated */
    uint32_t attempts_max;
    int64_t cost_nano_usd; /* of every decision */
    bool counts_money;     /* ... and what costs more than there is left is refused */
    size_t decisions;
    struct bench_host hosts[BENCH_HOSTS];
    struct aion_arena arena;         /* of answers */
    const struct mesh_principal *as; /* who calls; NULL: an admin of tenant "default" */

    /* the last unary answer */
    bool answered;
    struct aion_err err;
    const ProtobufCMessage *reply;

    /* the last stream */
    struct mesh_rpc *stream;
    bool stream_closed;
    struct aion_err stream_err;
    char text[4096]; /* payload so far */
    uint64_t last_cursor, discard_from;
    size_t chunks;
    bool gap, final;
    Aion__V1__TaskState final_state;
    int32_t closed_code; /* WatchStreams: of the closed event, -1 = none */
};

void bench_start(struct bench *bench);
void bench_start_on(struct bench *bench, const char *store_url); /* as "sqlite:/path" */
void bench_stop(struct bench *bench);
/* Of a test that has one in *state. */
int bench_setup(void **state);
int bench_teardown(void **state);
/* Two controls on one scripted store, "one" and "two", with leases of BENCH_LEASE_US; started
 * when they have shared the shards out. */
void bench_start_pair(struct bench *one, struct bench *two);
void bench_stop_pair(struct bench *one, struct bench *two);
uint64_t bench_shards(const struct bench *bench); /* the set of those that are open at it */
bool bench_shared_out(const struct bench *one, const struct bench *two); /* each has half */
/* Control ends as by kill -9: no word to anybody; its store is closed. It may be started anew.
 */
void bench_kill(struct bench *bench);
void bench_revive(struct bench *bench);
/* Control ends without saying goodbye, and starts anew on the same store. */
void bench_restart_control(struct bench *bench);
/* The same with the database closed and opened. */
void bench_reopen(struct bench *bench, const char *store_url);
void bench_ignore(
    void *user,
    const struct mesh_result *result); /* for calls whose answer is of no interest */
void bench_router_start(struct bench *bench);
void bench_router_stop(struct bench *bench);

/* Runs the loop until the condition holds; fails the test after 10 s. */
#define bench_until(bench, condition)                        \
    do {                                                     \
        int64_t until_us_ = aion_clock_mono_us() + 10000000; \
        while (!(condition)) {                               \
            bench_turn(bench);                               \
            if (aion_clock_mono_us() > until_us_)            \
                fail_msg("never came: %s", #condition);      \
        }                                                    \
    } while (0)
/* Runs the loop for about a millisecond. */
void bench_turn(struct bench *bench);
void bench_turns(struct bench *bench, unsigned milliseconds);

/* A host that tells every control that claims shards what it runs of them. */
void bench_attach_whole(struct bench *bench, size_t number, uint32_t slots,
                        struct bench_body *body);
/* Attaches host number `number` ("host-0" ...) and says `running` with these tokens. */
void bench_attach(struct bench *bench, size_t number, uint32_t slots,
                  const struct bench_word *running, size_t running_count);
void bench_detach(struct bench *bench, size_t number);
void bench_result(struct bench_host *host, const struct bench_word *word, const char *text);
void bench_failure(struct bench_host *host, const struct bench_word *word, bool retriable,
                   const char *reason);
void bench_chunk(struct bench_host *host, const struct bench_word *word, uint64_t sequence,
                 const char *text);

/* A task that host 0 has begun; key may be NULL. */
const struct bench_word *bench_begin(struct bench *bench, const char *key, const char **ret_id);

/* Unary calls; NULL: bench->err says why. Answers live until bench_stop. */
const Aion__V1__Task *bench_submit(struct bench *bench, const char *text, const char *key,
                                   int64_t wait_s);
const Aion__V1__Task *bench_submit_request(struct bench *bench, Aion__V1__TaskRequest *request);
const Aion__V1__Task *bench_get(struct bench *bench, const char *task_id);
const Aion__V1__TaskStatus *bench_status(struct bench *bench, const char *task_id);
const Aion__V1__Task *bench_cancel(struct bench *bench, const char *task_id);
const ProtobufCMessage *bench_call(struct bench *bench, const struct mesh_method *method,
                                   const ProtobufCMessage *request);
/* A request with params.text; with wait_s it waits for the result. Lives until bench_stop. */
Aion__V1__TaskRequest *bench_request(struct bench *bench, const char *text, const char *key);
Aion__V1__TaskRequest *bench_waiting_request(struct bench *bench, const char *text,
                                             const char *key, int64_t wait_s);
bool bench_is(struct bench *bench, const char *task_id, int state); /* TASK_QUEUED ... */
void bench_set_budget(struct bench *bench, int64_t limit_nano_usd); /* "b", of everything */

/* What is in the store; lives until bench_stop. */
bool bench_stored(struct bench *bench, const char *task_id, struct store_task *ret_task);
struct store_events_read bench_events(struct bench *bench); /* the first 1000 of the outbox */
/* The sum of the accounts whose names begin so: "" must be 0. */
int64_t bench_balance(struct bench *bench, const char *prefix);

void bench_stream(struct bench *bench, const char *task_id, uint64_t after);
void bench_watch(struct bench *bench, const char *task_id, uint64_t after, uint32_t window);
void bench_credit(struct bench *bench, uint32_t bytes);

#endif
