/* A task in memory, and the cache that finds it. Pure; I/O thread.
 *
 * Every unfinished task of the store is in the cache; of finished ones the most recently used
 * are, within bounds. A task is counted: the cache has one reference, and each write, waiter
 * and reader under way has one. */
#ifndef CONTROL_TASK_H
#define CONTROL_TASK_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "control_money.h"
#include "ops/ops_fold.h"
#include "sched/scheduler.h"
#include "task_log.h"
#include "task_state.h"

struct control;
struct control_direct;
struct control_hold;
struct control_host;
struct control_write;
struct auth_sha256;

enum { TASK_LABELS_MAX = 256 };

struct control_usage {
    int64_t queue_us, run_us;
    uint64_t tokens_in, tokens_out;
    int64_t cost_nano_usd;
};

struct control_error {
    int32_t code; /* google.rpc.Code, 0 = none */
    char reason[48];
    char message[256];
};

/* Bytes on the heap, owned. */
struct control_bytes {
    char *data;
    size_t size;
};
void control_bytes_set(struct control_bytes *bytes,
                       aion_str value); /* a copy; aborts without memory */
void control_bytes_free(struct control_bytes *bytes);
static inline aion_str control_bytes_view(const struct control_bytes *bytes)
{
    return aion_str_n(bytes->data, bytes->size);
}

/* Told once when the task is final, then it is no waiter any more. */
struct control_waiter {
    struct aion_link link;
    void (*ended)(struct control_waiter *waiter);
};

struct control_task {
    struct control *control; /* whose it is */
    unsigned refs;
    struct aion_uuid id;
    char id_text[AION_UUID_TEXT];
    aion_str tenant, intent;                     /* behind the struct */
    enum control_state state;                    /* as committed; RUNNING: as dispatched */
    unsigned priority;                           /* 1..5 */
    int64_t created_us, updated_us, deadline_us; /* UTC */
    uint64_t seq;                                /* its place in the order of admission */

    /* Wire forms, as stored: meta and body of the request, decision, result. Body is dropped at
     * the end; a task that was loaded gets it when it is dispatched. */
    struct control_bytes meta, body, decision, result;
    struct control_bytes key_id; /* of the API key it came with */
    bool body_known;
    const struct control_error *error; /* owned; never NULL: control_error_none */
    struct control_usage usage;

    struct control_direct *direct; /* owned; NULL: it is a durable one */

    /* Decision, in short */
    char module[64], pool[32];
    char *labels; /* that its host must have: "gpu=true,zone=a"; NULL = none; owned */
    uint32_t attempts_max;
    bool repeat_unsafe;
    int64_t timeout_us;

    /* The attempt */
    uint64_t epoch;
    uint32_t attempt;          /* 0 = none yet */
    struct control_host *host; /* while it runs there, or NULL: its host is away */
    char host_id[64];
    struct aion_link on_host;      /* in the host's attempts, or in the orphans */
    int64_t queued_us, started_us; /* monotonic */
    int64_t due_utc_us;            /* loaded in RETRY_WAIT: when the next attempt may begin */
    bool starting;                 /* the start of the attempt is not on disk yet */
    bool settling;                 /* its end is being written: nothing else may be decided */
    bool reported;                 /* the attempt's end is what its host reported */
    bool cancelling;               /* the host was asked to stop */
    char *cancel_reason;           /* owned; NULL = none was given */

    struct control_sched_item queued;
    struct control_hold *hold; /* HELD: by this one */
    struct aion_link held;     /* then, in its tasks */
    int64_t released_us;       /* UTC: holds made before it do not hold it again; 0 = never */
    bool marks_known;          /* a loaded one: whether it was let go was read */
    struct control_charge charge;       /* what it has reserved of its budgets */
    struct control_sched_ticket ticket; /* its place in the queue's bounds until it is queued */

    struct control_log log;
    bool chunks_writing;             /* a write of chunks is under way */
    struct control_write *ending;    /* the end of the attempt, waiting for that write */
    struct control_write *lingering; /* the start of the attempt, not submitted yet */
    uint32_t marks;                  /* how many the store has of it */
    struct auth_sha256 *sha;         /* over the attempt's payload, when all of it was seen */
    int64_t output_bytes;            /* of the attempt */
    bool stream_digest_known;
    uint8_t stream_digest[32]; /* SHA-256 of the successful attempt's output */
    struct aion_link watchers; /* readers of the output */
    struct aion_link waiters;

    struct aion_link of_shard;      /* in the list of its shard, while it is not final */
    bool forgotten;                 /* its shard is another control's: see control_handover.c */
    struct aion_heap_node deadline; /* when it expires */
    struct aion_heap_node due;      /* retry, end of the attempt's time, of an orphan's grace */
    struct aion_link unrouted;      /* in the list of those without decision */
    bool deciding;                  /* the router was asked */
    struct ops_task ops;            /* its place in telemetry */
    struct aion_link used;          /* finished: in the order of use */
    size_t cached_bytes;            /* finished: what it counts for in the cache */
};

/* One reference, the caller's. Strings are copied; the rest is 0. Aborts without memory: an
 * acknowledged task that is not in memory would never run. */
struct control_task *control_task_new(const struct aion_uuid *id, aion_str tenant,
                                      aion_str intent);
struct control_task *control_task_ref(struct control_task *task);
void control_task_unref(struct control_task *task); /* NULL fine */
/* What it counts for in the queue's bounds. Resident it takes up to 1.15 of that: the
 * allocator's part, its places in the cache and the heaps (measured by tests/bench/queued.py).
 */
size_t control_task_bytes(const struct control_task *task);
/* Where it may run, and whose it is; borrows from the task. */
struct control_sched_place control_task_place(const struct control_task *task);
/* What went wrong last, or code 0: nothing. */
void control_task_set_error(struct control_task *task, const struct control_error *error);
/* At most 256 bytes of it are kept. */
void control_task_set_cancel_reason(struct control_task *task, const char *reason);
/* "" when none was given. */
const char *control_task_cancel_reason(const struct control_task *task);
extern const struct control_error control_error_none;
void control_error_set(struct control_error *error, int32_t code, aion_str reason,
                       aion_str message);

struct control_cache {
    struct aion_map by_id;
    struct aion_link used; /* finished tasks, least recently used first */
    size_t finished, finished_bytes;
    size_t finished_max, finished_bytes_max;
};

void control_cache_init(struct control_cache *cache, size_t tasks_max, size_t finished_max,
                        size_t finished_bytes_max);
void control_cache_done(struct control_cache *cache);
/* Takes a reference. False: tasks_max are in it. */
bool control_cache_add(struct control_cache *cache, struct control_task *task) AION_MUST_CHECK;
/* Borrowed. A finished one becomes the most recently used. */
struct control_task *control_cache_find(struct control_cache *cache,
                                        const struct aion_uuid *id);
/* The same without using it: a look from outside. */
const struct control_task *control_cache_peek(const struct control_cache *cache,
                                              const struct aion_uuid *id);
/* Forgets it, when the store is known to hold something else. */
void control_cache_remove(struct control_cache *cache, struct control_task *task);
/* Forgets all finished ones: the store has deleted some. */
void control_cache_drop_finished(struct control_cache *cache);
/* The task is final now: it may be dropped when others are used more. */
void control_cache_finished(struct control_cache *cache, struct control_task *task);

#endif
