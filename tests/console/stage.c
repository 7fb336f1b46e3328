#include "stage.h"

#include "aion/v1/modules.mesh.h"
#include "aion/v1/ops.mesh.h"
#include "aion/v1/retention.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/tasks.mesh.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SECOND_US = 1000000,
    STEP_US = 100000,
    ARENA_MAX = 256 * 1024 * 1024,
    KEPT_S = 86400,
    REVISION = 42,
};

/* -- answers --------------------------------------------------------------- */

/* What a call brings; delivered when the clock moves, never from inside the call. */
struct answer {
    uint64_t id;
    const ProtobufCMessage *message;
    struct aion_err err;
    bool failed;
};

static struct answer answers[STAGE_CALLS];
static size_t answer_count;

static void answer(uint64_t id, const ProtobufCMessage *message)
{
    if (answer_count < STAGE_CALLS)
        answers[answer_count++] = (struct answer){.id = id, .message = message};
}

static void refuse(uint64_t id, enum aion_code code, const char *text)
{
    if (answer_count == STAGE_CALLS)
        return;
    answers[answer_count] = (struct answer){.id = id, .failed = true};
    aion_err_set(&answers[answer_count++].err, __func__, code, "%s", text);
}

static void deliver(struct stage *stage)
{
    for (size_t i = 0; i < answer_count; i++) { /* it may grow meanwhile */
        struct answer one = answers[i];
        if (!one.failed)
            tui_app_message(&stage->app, one.id, one.message, stage->now);
        tui_app_ended(&stage->app, one.id, one.failed ? &one.err : NULL, stage->now);
    }
    answer_count = 0;
}

/* -- streams --------------------------------------------------------------- */

static struct stage_stream *free_stream(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_STREAMS; i++)
        if (stage->streams[i].id == 0)
            return &stage->streams[i];
    abort();
}

static void end_stream(struct stage_stream *stream)
{
    world_reader_done(&stream->reader);
    *stream = (struct stage_stream){.id = 0};
}

static void reply(struct stage *stage, const struct stage_stream *stream,
                  Aion__V1__OpsWatchReply__BodyCase body, void *message)
{
    Aion__V1__OpsWatchReply watch = AION__V1__OPS_WATCH_REPLY__INIT;
    watch.server_us = stage->now.utc_us;
    watch.body_case = body;
    if (body == AION__V1__OPS_WATCH_REPLY__BODY_FRAME)
        watch.frame = message;
    else if (body == AION__V1__OPS_WATCH_REPLY__BODY_EVENTS)
        watch.events = message;
    else
        watch.hello = message;
    tui_app_message(&stage->app, stream->id, &watch.base, stage->now);
}

static void open_watch(struct stage *stage, uint64_t id,
                       const Aion__V1__OpsWatchRequest *request)
{
    struct stage_stream *stream = free_stream(stage);
    *stream = (struct stage_stream){.id = id,
                                    .watch = true,
                                    .rate_hz = request->rate_hz,
                                    .events_us = stage->now.utc_us,
                                    .live = request->from_us == 0};
    if (stream->live) {
        snprintf(stage->tenant, sizeof(stage->tenant), "%s",
                 request->events != NULL ? request->events->tenant : "");
        return;
    }
    stream->watch = false;
    stream->window = true;
    stream->span_ms = request->span_ms != 0 ? request->span_ms : 1000;
    stream->next_us = (request->from_us / SECOND_US + 1) * SECOND_US;
    if (stream->span_ms == 10000)
        stream->next_us = (request->from_us / SECOND_US / 10 + 1) * 10 * SECOND_US;
    stream->until_us = request->until_us;
}

static void run_window(struct stage *stage, struct stage_stream *stream)
{
    for (; stream->next_us <= stream->until_us;
         stream->next_us += (int64_t)stream->span_ms * 1000) {
        reply(stage, stream, AION__V1__OPS_WATCH_REPLY__BODY_FRAME,
              world_frame(&stage->world, &stream->reader, stream->next_us / 1000,
                          stream->span_ms, 0, &stage->arena));
        aion_arena_reset(&stage->arena);
    }
    uint64_t id = stream->id;
    end_stream(stream);
    tui_app_ended(&stage->app, id, NULL, stage->now);
}

static void run_live(struct stage *stage, struct stage_stream *stream)
{
    bool whole = stage->now.utc_us % SECOND_US == 0, first = stream->reader.last == NULL;
    if (stage->silent || (!first && !whole && stream->rate_hz < 10))
        return;
    if (first)
        reply(stage, stream, AION__V1__OPS_WATCH_REPLY__BODY_HELLO,
              world_hello(&stage->world, stage->began_us, stage->read_only, &stage->arena));
    reply(stage, stream, AION__V1__OPS_WATCH_REPLY__BODY_FRAME,
          world_frame(&stage->world, &stream->reader, stage->now.utc_us / 1000,
                      whole ? 1000 : 100, 0, &stage->arena));
    reply(stage, stream, AION__V1__OPS_WATCH_REPLY__BODY_EVENTS,
          world_events(&stage->world, stream->events_us, stage->now.utc_us, 20, &stage->arena));
    stream->events_us = stage->now.utc_us;
}

static int64_t cancelled_at(const struct stage *stage, const char *task_id)
{
    return strcmp(stage->cancelled, task_id) == 0 ? stage->cancelled_us : 0;
}

static void run_output(struct stage *stage, struct stage_stream *stream)
{
    Aion__V1__StreamChunk *chunk;
    int64_t at;
    while ((chunk = world_chunk(&stage->world, stream->task_id, stream->cursor + 1,
                                stage->now.utc_us, cancelled_at(stage, stream->task_id), &at,
                                &stage->arena)) != NULL) {
        stream->cursor++;
        tui_app_message(&stage->app, stream->id, &chunk->base, stage->now);
        if (chunk->final == NULL)
            continue;
        uint64_t id = stream->id;
        end_stream(stream);
        tui_app_ended(&stage->app, id, NULL, stage->now);
        return;
    }
}

static void run_streams(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_STREAMS; i++) {
        struct stage_stream *stream = &stage->streams[i];
        if (stream->id == 0)
            continue;
        if (stage->down) {
            uint64_t id = stream->id;
            struct aion_err err;
            end_stream(stream);
            aion_err_set(&err, __func__, AION_UNAVAILABLE, "connection refused");
            tui_app_ended(&stage->app, id, &err, stage->now);
        } else if (stream->window) {
            run_window(stage, stream);
        } else if (stream->output) {
            run_output(stage, stream);
        } else {
            run_live(stage, stream);
        }
        aion_arena_reset(&stage->arena);
    }
}

/* -- the port -------------------------------------------------------------- */

static void get_at(struct stage *stage, uint64_t id, const Aion__V1__OpsGetAtRequest *request,
                   struct aion_arena *arena)
{
    struct world_reader reader = {.last = NULL};
    if (request->at_us < stage->began_us || request->at_us > stage->now.utc_us) {
        refuse(id, AION_RANGE, "nothing is kept of that time");
        return;
    }
    answer(id,
           &world_frame(&stage->world, &reader, request->at_us / 1000, 1000, 0, arena)->base);
    world_reader_done(&reader);
}

static void cancel_task(struct stage *stage, uint64_t id,
                        const Aion__V1__CancelRequest *request, struct aion_arena *arena)
{
    stage->cancels++;
    snprintf(stage->reason, sizeof(stage->reason), "%s", request->reason);
    snprintf(stage->cancelled, sizeof(stage->cancelled), "%s", request->task_id);
    stage->cancelled_us = stage->now.utc_us;
    Aion__V1__Task *task = world_task(&stage->world, request->task_id, stage->now.utc_us,
                                      stage->cancelled_us, arena);
    if (task != NULL)
        answer(id, &task->base);
    else
        refuse(id, AION_NOT_FOUND, "no such task");
}

static void drain_host(struct stage *stage, uint64_t id,
                       const Aion__V1__DrainHostRequest *request, struct aion_arena *arena)
{
    Aion__V1__DrainHostReply *made = aion_arena_zalloc(arena, sizeof(*made));
    aion__v1__drain_host_reply__init(made);
    stage->drains++;
    snprintf(stage->reason, sizeof(stage->reason), "%s", request->reason);
    answer(id, &made->base);
}

static void revisions(uint64_t id, struct aion_arena *arena)
{
    Aion__V1__ListPolicyRevisionsReply *list = aion_arena_zalloc(arena, sizeof(*list));
    aion__v1__list_policy_revisions_reply__init(list);
    list->revisions = aion_arena_array(arena, 5, sizeof(*list->revisions));
    for (uint64_t ordinal = REVISION; list->n_revisions < 5; ordinal--)
        list->revisions[list->n_revisions++] = world_policy(ordinal, false, arena);
    answer(id, &list->base);
}

static void validate(uint64_t id, struct aion_arena *arena)
{
    Aion__V1__ValidatePolicyReply *made = aion_arena_zalloc(arena, sizeof(*made));
    aion__v1__validate_policy_reply__init(made);
    made->valid = true;
    made->digest = aion_arena_text(arena, AION_STR("sha256:new"));
    answer(id, &made->base);
}

static void sweep(uint64_t id, struct aion_arena *arena)
{
    Aion__V1__SweepProgress *made = aion_arena_zalloc(arena, sizeof(*made));
    aion__v1__sweep_progress__init(made);
    made->tasks = 812;
    made->chunks = 9140;
    made->keys = 77;
    made->done = true;
    answer(id, &made->base);
}

static void get_policy(uint64_t id, const Aion__V1__GetPolicyRequest *request,
                       struct aion_arena *arena)
{
    uint64_t ordinal = request->on_disk ? REVISION + 1 : request->ordinal;
    answer(id, &world_policy(ordinal != 0 ? ordinal : REVISION, true, arena)->base);
}

/* Of the whole log, or of what stood there at a second. */
static void list_audit(struct stage *stage, uint64_t id,
                       const Aion__V1__ListAuditRequest *request, struct aion_arena *arena)
{
    int64_t until = request->until != NULL ? request->until->seconds * (int64_t)SECOND_US
                                           : stage->now.utc_us;
    stage->audits++;
    if (stage->read_only)
        refuse(id, AION_DENIED, "the role manager may read the log");
    else
        answer(id, &world_audit(until, arena)->base);
}

static void router_call(struct stage *stage, uint64_t id, const struct mesh_method *method,
                        const ProtobufCMessage *request, struct aion_arena *arena)
{
    const struct mesh_method *methods = aion_v1_router_type.methods;
    if (method == &methods[AION_V1_ROUTER_GET_POLICY]) {
        get_policy(id, (const Aion__V1__GetPolicyRequest *)request, arena);
    } else if (method == &methods[AION_V1_ROUTER_LIST_POLICY_REVISIONS]) {
        revisions(id, arena);
    } else if (method == &methods[AION_V1_ROUTER_VALIDATE_POLICY]) {
        validate(id, arena);
    } else {
        stage->reloads++;
        answer(id, &world_policy(REVISION + 1, false, arena)->base);
    }
}

static void follow(struct stage *stage, uint64_t id, const Aion__V1__StreamRequest *request)
{
    struct stage_stream *stream = free_stream(stage);
    *stream = (struct stage_stream){.id = id, .output = true, .cursor = request->after_cursor};
    snprintf(stream->task_id, sizeof(stream->task_id), "%s", request->task_id);
}

static void tasks_call(struct stage *stage, uint64_t id, const struct mesh_method *method,
                       const ProtobufCMessage *request, struct aion_arena *arena)
{
    const struct mesh_method *methods = aion_v1_aion_tasks_type.methods;
    if (method == &methods[AION_V1_AION_TASKS_LIST_TASKS]) {
        answer(id, &world_tasks(&stage->world, stage->now.utc_us, 60, arena)->base);
    } else if (method == &methods[AION_V1_AION_TASKS_CANCEL]) {
        cancel_task(stage, id, (const Aion__V1__CancelRequest *)request, arena);
    } else if (method == &methods[AION_V1_AION_TASKS_STREAM]) {
        follow(stage, id, (const Aion__V1__StreamRequest *)request);
    } else {
        const char *task_id = ((const Aion__V1__GetTaskRequest *)request)->task_id;
        Aion__V1__Task *task = world_task(&stage->world, task_id, stage->now.utc_us,
                                          cancelled_at(stage, task_id), arena);
        if (task != NULL)
            answer(id, &task->base);
        else
            refuse(id, AION_NOT_FOUND, "no such task of this tenant");
    }
}

/* Answers live in an arena of the stage until the next second. */
static void port_call(void *user, uint64_t id, enum tui_peer peer,
                      const struct mesh_method *method, const ProtobufCMessage *request)
{
    struct stage *stage = user;
    static struct aion_arena kept;
    static bool made;
    if (!made)
        aion_arena_init(&kept, ARENA_MAX, NULL, 0);
    made = true;
    if (answer_count == 0)
        aion_arena_reset(&kept);
    stage->calls++;
    if (stage->down)
        refuse(id, AION_UNAVAILABLE, "connection refused");
    else if (peer == TUI_ROUTER)
        router_call(stage, id, method, request, &kept);
    else if (method == &aion_v1_ops_type.methods[AION_V1_OPS_WATCH])
        open_watch(stage, id, (const Aion__V1__OpsWatchRequest *)request);
    else if (method == &aion_v1_ops_type.methods[AION_V1_OPS_GET_AT])
        get_at(stage, id, (const Aion__V1__OpsGetAtRequest *)request, &kept);
    else if (method == &aion_v1_ops_type.methods[AION_V1_OPS_LIST_AUDIT])
        list_audit(stage, id, (const Aion__V1__ListAuditRequest *)request, &kept);
    else if (method == &aion_v1_ops_type.methods[AION_V1_OPS_VERIFY_AUDIT])
        answer(id, &world_proof(&kept)->base);
    else if (method == &aion_v1_hosts_type.methods[AION_V1_HOSTS_LIST_HOSTS])
        answer(id, &world_hosts(&stage->world, stage->now.utc_us, &kept)->base);
    else if (method == &aion_v1_hosts_type.methods[AION_V1_HOSTS_DRAIN_HOST])
        drain_host(stage, id, (const Aion__V1__DrainHostRequest *)request, &kept);
    else if (method == &aion_v1_retention_type.methods[AION_V1_RETENTION_GET_PLAN])
        answer(id, &world_plan(&kept)->base);
    else if (method == &aion_v1_retention_type.methods[AION_V1_RETENTION_SWEEP])
        sweep(id, &kept);
    else
        tasks_call(stage, id, method, request, &kept);
}

static void port_cancel(void *user, uint64_t id)
{
    struct stage *stage = user;
    for (size_t i = 0; i < STAGE_STREAMS; i++)
        if (stage->streams[i].id == id)
            end_stream(&stage->streams[i]);
}

static void port_renew(void *user, enum tui_peer peer)
{
    ((struct stage *)user)->renewed += peer == TUI_CONTROL;
}

static bool port_copy(void *user, aion_str text, struct aion_err *err)
{
    struct stage *stage = user;
    if (text.size >= sizeof(stage->copied))
        return aion_fail(err, AION_EXHAUSTED, "it takes less");
    return aion_str_copy(stage->copied, sizeof(stage->copied), text);
}

static bool port_save(void *user, const char *path, aion_str bytes, struct aion_err *err)
{
    struct stage *stage = user;
    if (strcmp(path, "taken") == 0)
        return aion_fail(err, AION_EXISTS, "%s: there is a file of this name", path);
    snprintf(stage->saved_path, sizeof(stage->saved_path), "%s", path);
    aion_str_copy(stage->saved, sizeof(stage->saved), bytes);
    return true;
}

static bool port_record(void *user, const char *path, struct aion_err *err)
{
    (void)user;
    (void)path;
    (void)err;
    return true;
}

/* -- the stage ------------------------------------------------------------- */

void stage_init(struct stage *stage, const struct world_conf *conf)
{
    memset(stage, 0, sizeof(*stage));
    answer_count = 0;
    world_init(&stage->world, conf);
    aion_arena_init(&stage->arena, ARENA_MAX, NULL, 0);
    stage->now = (struct tui_time){3600 * (int64_t)SECOND_US, STAGE_START_US};
    stage->began_us = STAGE_START_US - KEPT_S * (int64_t)SECOND_US;
    stage->port = (struct tui_port){.user = stage,
                                    .call = port_call,
                                    .cancel = port_cancel,
                                    .renew = port_renew,
                                    .copy = port_copy,
                                    .save = port_save,
                                    .record = port_record};
    if (!tui_app_init(&stage->app, &stage->port, stage->now))
        abort();
}

void stage_done(struct stage *stage)
{
    for (size_t i = 0; i < STAGE_STREAMS; i++)
        end_stream(&stage->streams[i]);
    tui_app_done(&stage->app);
    aion_arena_done(&stage->arena);
}

void stage_run(struct stage *stage, int64_t us)
{
    int64_t until = stage->now.mono_us + us;
    do {
        int64_t step =
            until - stage->now.mono_us < STEP_US ? until - stage->now.mono_us : STEP_US;
        stage->now.mono_us += step;
        stage->now.utc_us += step;
        tui_app_tick(&stage->app, stage->now);
        deliver(stage);
        run_streams(stage);
    } while (stage->now.mono_us < until);
}

static void press(struct stage *stage, uint32_t key)
{
    const struct tui_event event = {.kind = TUI_EVENT_KEY, .key = key};
    tui_app_event(&stage->app, &event, stage->now);
}

void stage_key(struct stage *stage, const char *name)
{
    uint32_t key;
    if (!tui_key_parse(aion_str_of(name), &key)) {
        fprintf(stderr, "no key \"%s\"\n", name);
        abort();
    }
    press(stage, key);
}

void stage_type(struct stage *stage, const char *text)
{
    for (; *text != '\0'; text++)
        press(stage, (uint32_t)(unsigned char)*text);
}
