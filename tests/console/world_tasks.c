/* The tasks of the world: one is its second and its number in it, and all else follows. */
#include "world.h"

#include "base/map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SECOND_US = 1000000,
    LONG_US = 30 * SECOND_US,
    CHUNK_US = 300000,
    LIFE_S = 40, /* the longest life of a task */
};

struct task {
    int64_t second;
    unsigned number;
    unsigned route; /* index of its row */
    unsigned tenant, host;
    int64_t accepted_us, started_us, ended_us;
    int end; /* state */
    bool is_long;
};

static uint64_t dice(const struct world *world, int64_t second, unsigned number, unsigned salt)
{
    uint64_t words[3] = {(uint64_t)second, number, salt};
    return aion_siphash(world->conf.seed, 0x7461736b, words, sizeof(words));
}

/* -- a task ---------------------------------------------------------------- */

/* The first task of every tenth second is a chat that takes half a minute. */
static void make(const struct world *world, int64_t second, unsigned number, struct task *task)
{
    *task = (struct task){.second = second, .number = number};
    task->is_long = number == 0 && second % 10 == 0;
    task->route =
        task->is_long ? 3 : (unsigned)(dice(world, second, number, 1) % world->counts[2]);
    task->tenant = (unsigned)(dice(world, second, number, 2) % world->counts[4]);
    task->host = (unsigned)(dice(world, second, number, 3) % world->counts[7]);
    task->accepted_us =
        second * SECOND_US + (int64_t)number * SECOND_US / world->conf.tasks_per_s;
    task->started_us =
        task->accepted_us + 3000 + (int64_t)(dice(world, second, number, 4) % 300000);
    task->ended_us =
        task->started_us +
        (task->is_long ? LONG_US : 50000 + (int64_t)(dice(world, second, number, 5) % 2500000));
    task->end = dice(world, second, number, 6) % 40 == 0 ? 8 : 7;
}

static void id_of(const struct task *task, char out[40])
{
    snprintf(out, 40, "%08" PRIx64 "-%04x-7000-8000-%012" PRIx64, (uint64_t)task->second,
             task->number, (uint64_t)task->second * 4099 + task->number);
}

static bool find(const struct world *world, const char *task_id, struct task *task)
{
    unsigned second, number;
    char id[40];
    if (sscanf(task_id, "%8x-%4x-7000-8000-", &second, &number) != 2 ||
        number >= world->conf.tasks_per_s)
        return false;
    make(world, second, number, task);
    id_of(task, id);
    return strcmp(id, task_id) == 0;
}

static int state_at(const struct task *task, int64_t now_us, int64_t cancelled_us)
{
    if (cancelled_us != 0 && cancelled_us < task->ended_us && now_us >= cancelled_us)
        return 9;
    if (now_us >= task->ended_us)
        return task->end;
    return now_us >= task->started_us ? 3 : 2;
}

static void names(const struct world *world, const struct task *task, char intent[WORLD_KEY],
                  char route[WORLD_KEY], char tenant[WORLD_KEY], char host[WORLD_KEY])
{
    world_key(world, 2, task->route, intent);
    char *slash = strchr(intent, '/');
    snprintf(route, WORLD_KEY, "%s", slash + 1);
    *slash = '\0';
    world_key(world, 4, task->tenant, tenant);
    world_key(world, 7, task->host, host);
}

/* -- events ---------------------------------------------------------------- */

struct happening {
    int64_t at_us;
    struct task task;
    unsigned step; /* 0 accepted, 1 decided, 2 started, 3 ended; 4 an audit record */
};

static int by_time(const void *a, const void *b)
{
    const struct happening *left = a, *right = b;
    if (left->at_us != right->at_us)
        return left->at_us > right->at_us ? 1 : -1;
    return (left->step > right->step) - (left->step < right->step);
}

static Aion__V1__OpsEvent *event_of(const struct world *world,
                                    const struct happening *happening, struct aion_arena *arena)
{
    static const char *const what[] = {"accepted", "rule", "started", "succeeded",
                                       "Router.ReloadPolicy"};
    char intent[WORLD_KEY], route[WORLD_KEY], tenant[WORLD_KEY], host[WORLD_KEY], id[40];
    const struct task *task = &happening->task;
    Aion__V1__OpsEvent *event = world_made(arena, sizeof(*event));
    aion__v1__ops_event__init(event);
    names(world, task, intent, route, tenant, host);
    id_of(task, id);
    event->sequence = (uint64_t)happening->at_us * 8 + happening->step;
    event->at_us = happening->at_us;
    event->what = world_text(
        arena, happening->step == 3 && task->end == 8 ? "failed" : what[happening->step]);
    event->tenant = world_text(arena, tenant);
    event->kind = happening->step == 4   ? AION__V1__OPS_EVENT__KIND__KIND_AUDIT
                  : happening->step == 1 ? AION__V1__OPS_EVENT__KIND__KIND_DECISION
                                         : AION__V1__OPS_EVENT__KIND__KIND_TASK;
    if (happening->step == 4) {
        event->actor = world_text(arena, task->second % 120 == 0 ? "ana" : "ci");
        event->note = world_text(arena, "10-routes.yaml");
        event->reason = world_text(arena, task->second % 120 == 0 ? "" : "POLICY_INVALID");
        return event;
    }
    event->task_id = world_text(arena, id);
    event->intent = world_text(arena, intent);
    if (happening->step >= 1) {
        event->route = world_text(arena, route);
        event->reason = world_text(arena, "10-routes.yaml:12 default");
    }
    if (happening->step >= 2) {
        event->attempt = 1;
        event->host = world_text(arena, host);
    }
    static const int states[] = {1, 2, 3};
    event->state =
        (Aion__V1__TaskState)(happening->step == 3 ? task->end : states[happening->step]);
    if (happening->step == 3)
        event->latency_us = task->ended_us - task->accepted_us;
    return event;
}

static size_t collect(const struct world *world, int64_t from_us, int64_t until_us,
                      struct happening *out, size_t max)
{
    size_t count = 0;
    for (int64_t second = from_us / SECOND_US - LIFE_S; second <= until_us / SECOND_US;
         second++) {
        if (second % 60 == 0 && second * SECOND_US > from_us &&
            second * SECOND_US <= until_us && count < max)
            out[count++] = (struct happening){second * SECOND_US, {.second = second}, 4};
        for (unsigned number = 0; number < world->conf.tasks_per_s; number++) {
            struct task task;
            make(world, second, number, &task);
            const int64_t times[] = {task.accepted_us, task.accepted_us + 1000, task.started_us,
                                     task.ended_us};
            for (unsigned step = 0; step < 4; step++)
                if (times[step] > from_us && times[step] <= until_us && count < max)
                    out[count++] = (struct happening){times[step], task, step};
        }
    }
    qsort(out, count, sizeof(*out), by_time);
    return count;
}

static void count_event(Aion__V1__OpsEvents *events, const Aion__V1__OpsEvent *event,
                        struct aion_arena *arena)
{
    for (size_t i = 0; i < events->n_counts; i++)
        if (events->counts[i]->kind == event->kind &&
            events->counts[i]->state == event->state) {
            events->counts[i]->count++;
            return;
        }
    Aion__V1__OpsEventCount *count = world_made(arena, sizeof(*count));
    aion__v1__ops_event_count__init(count);
    count->kind = event->kind;
    count->state = event->state;
    count->count = 1;
    events->counts[events->n_counts++] = count;
}

Aion__V1__OpsEvents *world_events(const struct world *world, int64_t from_us, int64_t until_us,
                                  size_t max, struct aion_arena *arena)
{
    size_t room =
        (size_t)world->conf.tasks_per_s * 8 * (size_t)((until_us - from_us) / SECOND_US + 2) +
        64;
    struct happening *list = calloc(room, sizeof(*list));
    Aion__V1__OpsEvents *events = world_made(arena, sizeof(*events));
    aion__v1__ops_events__init(events);
    if (world->conf.still || list == NULL) {
        free(list);
        return events;
    }
    size_t count = collect(world, from_us, until_us, list, room);
    events->events = world_made(arena, (max + 1) * sizeof(*events->events));
    events->counts = world_made(arena, 64 * sizeof(*events->counts));
    for (size_t i = 0; i < count; i++) {
        Aion__V1__OpsEvent *event = event_of(world, &list[i], arena);
        count_event(events, event, arena);
        if (events->n_events < max)
            events->events[events->n_events++] = event;
        else
            events->sampled++;
    }
    free(list);
    return events;
}

/* -- answers --------------------------------------------------------------- */

static Google__Protobuf__Timestamp *stamp(int64_t at_us, struct aion_arena *arena)
{
    Google__Protobuf__Timestamp *made_stamp = world_made(arena, sizeof(*made_stamp));
    google__protobuf__timestamp__init(made_stamp);
    made_stamp->seconds = at_us / SECOND_US;
    made_stamp->nanos = (int32_t)(at_us % SECOND_US) * 1000;
    return made_stamp;
}

static void add_life(Aion__V1__Task *message, const char *kind, int state, int64_t at_us,
                     const char *note, struct aion_arena *arena)
{
    Aion__V1__TaskEvent *event = world_made(arena, sizeof(*event));
    aion__v1__task_event__init(event);
    event->sequence = message->n_events + 1;
    event->kind = world_text(arena, kind);
    event->state = (Aion__V1__TaskState)state;
    event->at = stamp(at_us, arena);
    event->note = world_text(arena, note);
    message->events[message->n_events++] = event;
}

static void add_attempt(Aion__V1__Task *message, const struct task *task, int state,
                        const char *host, struct aion_arena *arena)
{
    Aion__V1__Attempt *attempt = world_made(arena, sizeof(*attempt));
    aion__v1__attempt__init(attempt);
    attempt->attempt = 1;
    attempt->host_id = world_text(arena, host);
    attempt->module = world_text(arena, "chat_hybrid@1.3.0");
    attempt->started_at = stamp(task->started_us, arena);
    if (state >= 7)
        attempt->ended_at = message->updated_at;
    message->attempts = world_made(arena, sizeof(*message->attempts));
    message->attempts[message->n_attempts++] = attempt;
}

static void add_engine(Aion__V1__Task *message, const char *route, struct aion_arena *arena)
{
    message->engine = world_made(arena, sizeof(*message->engine));
    aion__v1__engine__init(message->engine);
    message->engine->route = world_text(arena, route);
    message->engine->chosen_by = world_text(arena, "rule");
    message->engine->reason = world_text(arena, "10-routes.yaml:12 default");
    message->engine->module = world_text(arena, "chat_hybrid");
}

static Aion__V1__Task *task_message(const struct world *world, const struct task *task,
                                    int64_t now_us, int64_t cancelled_us, bool whole,
                                    struct aion_arena *arena)
{
    char intent[WORLD_KEY], route[WORLD_KEY], tenant[WORLD_KEY], host[WORLD_KEY], id[40];
    Aion__V1__Task *message = world_made(arena, sizeof(*message));
    int state = state_at(task, now_us, cancelled_us);
    int64_t changed = state == 9   ? cancelled_us
                      : state >= 7 ? task->ended_us
                      : state == 3 ? task->started_us
                                   : task->accepted_us;
    aion__v1__task__init(message);
    names(world, task, intent, route, tenant, host);
    id_of(task, id);
    message->task_id = world_text(arena, id);
    message->intent = world_text(arena, intent);
    message->tenant = world_text(arena, tenant);
    message->state = (Aion__V1__TaskState)state;
    message->created_at = stamp(task->accepted_us, arena);
    message->updated_at = stamp(changed, arena);
    message->deadline = stamp(task->accepted_us + 86400 * (int64_t)SECOND_US, arena);
    add_engine(message, route, arena);
    if (!whole)
        return message;
    message->events = world_made(arena, 5 * sizeof(*message->events));
    add_life(message, "accepted", 1, task->accepted_us, "", arena);
    add_life(message, "routed", 2, task->accepted_us + 1000, route, arena);
    if (state >= 3) {
        add_life(message, "started", 3, task->started_us, host, arena);
        add_attempt(message, task, state, host, arena);
    }
    if (state >= 7)
        add_life(message,
                 state == 9   ? "cancelled"
                 : state == 8 ? "failed"
                              : "succeeded",
                 state, changed, "", arena);
    return message;
}

Aion__V1__Task *world_task(const struct world *world, const char *task_id, int64_t now_us,
                           int64_t cancelled_us, struct aion_arena *arena)
{
    struct task task;
    if (!find(world, task_id, &task) || task.accepted_us > now_us)
        return NULL;
    return task_message(world, &task, now_us, cancelled_us, true, arena);
}

Aion__V1__ListTasksReply *world_tasks(const struct world *world, int64_t now_us, size_t count,
                                      struct aion_arena *arena)
{
    Aion__V1__ListTasksReply *reply = world_made(arena, sizeof(*reply));
    aion__v1__list_tasks_reply__init(reply);
    reply->tasks = world_made(arena, count * sizeof(*reply->tasks));
    for (int64_t second = now_us / SECOND_US; reply->n_tasks < count; second--)
        for (unsigned i = world->conf.tasks_per_s; i-- > 0 && reply->n_tasks < count;) {
            struct task task;
            make(world, second, i, &task);
            if (task.accepted_us <= now_us)
                reply->tasks[reply->n_tasks++] =
                    task_message(world, &task, now_us, 0, false, arena);
        }
    return reply;
}

void world_long_task(const struct world *world, int64_t now_us, char out[40])
{
    struct task task;
    make(world, now_us / SECOND_US / 10 * 10, 0, &task);
    id_of(&task, out);
}

Aion__V1__StreamChunk *world_chunk(const struct world *world, const char *task_id,
                                   uint64_t cursor, int64_t now_us, int64_t cancelled_us,
                                   int64_t *ret_us, struct aion_arena *arena)
{
    struct task task;
    char words[64];
    if (!find(world, task_id, &task))
        return NULL;
    int state = state_at(&task, INT64_MAX, cancelled_us);
    int64_t end = state == 9 ? cancelled_us : task.ended_us;
    int64_t at = task.started_us + (int64_t)cursor * CHUNK_US;
    Aion__V1__StreamChunk *chunk = world_made(arena, sizeof(*chunk));
    aion__v1__stream_chunk__init(chunk);
    chunk->cursor = cursor;
    chunk->attempt = 1;
    *ret_us = at < end ? at : end;
    if (*ret_us > now_us)
        return NULL;
    if (at < end) {
        snprintf(words, sizeof(words), "chunk %" PRIu64 " says something. ", cursor);
        chunk->payload_case = AION__V1__STREAM_CHUNK__PAYLOAD_TEXT;
        chunk->text = world_text(arena, words);
        return chunk;
    }
    chunk->final = world_made(arena, sizeof(*chunk->final));
    aion__v1__stream_chunk__final__init(chunk->final);
    chunk->final->state = (Aion__V1__TaskState)state;
    chunk->final->digest = world_text(arena, "sha256:5ad190");
    return chunk;
}

/* -- policies, hosts, plan ------------------------------------------------- */

Aion__V1__Policy *world_policy(uint64_t ordinal, bool files, struct aion_arena *arena)
{
    Aion__V1__Policy *policy = world_made(arena, sizeof(*policy));
    char content[512], digest[32];
    aion__v1__policy__init(policy);
    policy->revision = world_made(arena, sizeof(*policy->revision));
    aion__v1__policy_revision__init(policy->revision);
    snprintf(digest, sizeof(digest), "sha256:%08" PRIx64, ordinal * 0x9f3c1a);
    policy->revision->ordinal = ordinal;
    policy->revision->digest = world_text(arena, digest);
    policy->activated_at =
        stamp(1795600000 * (int64_t)SECOND_US + (int64_t)ordinal * SECOND_US, arena);
    policy->activated_by = world_text(arena, ordinal % 2 == 0 ? "bo" : "ci");
    policy->cause = world_text(arena, ordinal == 1 ? "start" : "reload: chat prefers local");
    policy->rules = 7;
    policy->routes = 7;
    if (!files)
        return policy;
    snprintf(content, sizeof(content),
             "version: 1\nroutes:\n  - name: local\n    module: summarize\n  - name: hybrid\n"
             "    module: chat\nrules:\n  - intent: chat\n    fallback: [%s]\n    p95: %" PRIu64
             "ms\ndefault: local\n",
             ordinal % 2 == 0 ? "local, api" : "api, local", 2000 + ordinal * 100);
    policy->files = world_made(arena, sizeof(*policy->files));
    policy->files[0] = world_made(arena, sizeof(**policy->files));
    aion__v1__policy_file__init(policy->files[0]);
    policy->files[0]->path = world_text(arena, "10-routes.yaml");
    policy->files[0]->content = world_text(arena, content);
    policy->n_files = 1;
    return policy;
}

Aion__V1__ListHostsReply *world_hosts(const struct world *world, int64_t now_us,
                                      struct aion_arena *arena)
{
    Aion__V1__ListHostsReply *reply = world_made(arena, sizeof(*reply));
    aion__v1__list_hosts_reply__init(reply);
    reply->hosts = world_made(arena, world->counts[7] * sizeof(*reply->hosts));
    for (unsigned i = 0; i < world->counts[7]; i++) {
        Aion__V1__HostInfo *host = world_made(arena, sizeof(*host));
        char key[WORLD_KEY];
        int64_t values[WORLD_COLUMNS];
        aion__v1__host_info__init(host);
        world_key(world, 7, i, key);
        world_row(world, 7, i, now_us / 1000, values);
        host->host_id = world_text(arena, key);
        host->pool = world_text(arena, i < 3 ? "gpu" : "cpu");
        host->version = world_text(arena, "0.1.0");
        host->slots = (uint32_t)values[1];
        host->running = (uint32_t)values[2];
        host->draining = values[0] == 4;
        host->drained_by = world_text(arena, values[0] == 4 ? "bo" : "");
        host->drain_reason = world_text(arena, values[0] == 4 ? "new disk" : "");
        host->attached_at = stamp(1795500000 * (int64_t)SECOND_US, arena);
        host->modules = world_made(arena, sizeof(*host->modules));
        host->modules[0] = world_made(arena, sizeof(**host->modules));
        aion__v1__module_offer__init(host->modules[0]);
        host->modules[0]->module = world_text(arena, i < 3 ? "vision" : "summarize");
        host->modules[0]->version = world_text(arena, "2.1.0");
        host->modules[0]->digest = world_text(arena, "sha256:9f3c1a20");
        host->n_modules = 1;
        reply->hosts[reply->n_hosts++] = host;
    }
    return reply;
}

static Google__Protobuf__Duration *span(int64_t seconds, struct aion_arena *arena)
{
    Google__Protobuf__Duration *duration = world_made(arena, sizeof(*duration));
    google__protobuf__duration__init(duration);
    duration->seconds = seconds;
    return duration;
}

Aion__V1__RetentionPlan *world_plan(struct aion_arena *arena)
{
    Aion__V1__RetentionPlan *plan = world_made(arena, sizeof(*plan));
    aion__v1__retention_plan__init(plan);
    plan->keep_succeeded = span(7 * 86400, arena);
    plan->keep_failed = span(30 * 86400, arena);
    plan->keep_idempotency = span(86400, arena);
    plan->sweep_every = span(600, arena);
    plan->revision = 3;
    plan->changed_by = world_text(arena, "ana");
    return plan;
}
