/* A mesh that is not there: telemetry, events, tasks and policies made of a seed. Everything is
 * a pure function of the seed and the time, so a second looks the same live and when it is
 * asked for later, and every screen of it can be compared. */
#ifndef WORLD_H
#define WORLD_H

#include "aion/v1/modules.schema.h"
#include "aion/v1/ops.schema.h"
#include "aion/v1/retention.schema.h"
#include "aion/v1/router.schema.h"
#include "aion/v1/tasks.schema.h"
#include "base/arena.h"

enum { WORLD_KINDS = 12, WORLD_COLUMNS = 32, WORLD_KEY = 96 };

struct world_conf {
    uint64_t seed;
    unsigned routes, hosts, tenants, edges, methods; /* 0 = a small mesh's */
    unsigned tasks_per_s;                            /* 0 = 20 */
    bool hostile; /* names with control characters, bidi marks, wide and broken ones */
    bool still;   /* nothing moves, nothing happens */
};

struct world {
    struct world_conf conf;
    unsigned counts[WORLD_KINDS];
};

void world_init(struct world *world, const struct world_conf *conf);
/* Values of a row at a time (UTC ms); returns how many columns. */
unsigned world_row(const struct world *world, unsigned kind, unsigned index, int64_t at_ms,
                   int64_t out[WORLD_COLUMNS]);
void world_key(const struct world *world, unsigned kind, unsigned index, char out[WORLD_KEY]);

/* -- frames ---------------------------------------------------------------- */
/* What one reader knows: a frame tells it the rest. */
struct world_reader {
    int64_t *last; /* values of all rows, WORLD_COLUMNS each; NULL = knows nothing */
};
void world_reader_done(struct world_reader *reader);
/* In the arena. `kinds` is a set of bits, 0 = all. */
Aion__V1__OpsFrame *world_frame(const struct world *world, struct world_reader *reader,
                                int64_t at_ms, uint32_t span_ms, unsigned kinds,
                                struct aion_arena *arena);
Aion__V1__OpsHello *world_hello(const struct world *world, int64_t oldest_us, bool read_only,
                                struct aion_arena *arena);
/* What happened after from_us up to until_us, at most `max`; counts are those of all. */
Aion__V1__OpsEvents *world_events(const struct world *world, int64_t from_us, int64_t until_us,
                                  size_t max, struct aion_arena *arena);

/* -- answers --------------------------------------------------------------- */
/* NULL: no task of this id. `cancelled_us` 0 = it was not. */
Aion__V1__Task *world_task(const struct world *world, const char *task_id, int64_t now_us,
                           int64_t cancelled_us, struct aion_arena *arena);
Aion__V1__ListTasksReply *world_tasks(const struct world *world, int64_t now_us, size_t count,
                                      struct aion_arena *arena);
/* The chunk of this number (from 1) of a task's output; NULL: not yet, or no more (*ret_final).
 * *ret_us is when it comes, or came. */
Aion__V1__StreamChunk *world_chunk(const struct world *world, const char *task_id,
                                   uint64_t cursor, int64_t now_us, int64_t cancelled_us,
                                   int64_t *ret_us, struct aion_arena *arena);
/* A running task whose output goes on for half a minute, at a time. */
void world_long_task(const struct world *world, int64_t now_us, char out[40]);
Aion__V1__Policy *world_policy(uint64_t ordinal, bool files, struct aion_arena *arena);
Aion__V1__ListHostsReply *world_hosts(const struct world *world, int64_t now_us,
                                      struct aion_arena *arena);
Aion__V1__RetentionPlan *world_plan(struct aion_arena *arena);
/* Lines of the last hours of the world, newest first, up to `until_us`; a refusal among them.
 */
Aion__V1__ListAuditReply *world_audit(int64_t until_us, struct aion_arena *arena);
Aion__V1__VerifyAuditReply *world_proof(struct aion_arena *arena);

/* For answers; the process ends where there is no memory. */
void *world_made(struct aion_arena *arena, size_t size);
char *world_text(struct aion_arena *arena, const char *value);

#endif
