/* A control, a router and a retention made of a world: serves Ops.Watch and GetAt, tasks,
 * hosts, policies and the plan on one loopback port, in plain text, until it is ended by a
 * signal.
 *
 *   console_server [--routes N] [--hosts N] [--edges N] [--events PER_SECOND] [--port N]
 *                  [--read-only 1] [--history SECONDS] [--still 1] [--speed N]
 *
 * Prints "ready PORT". --still: nothing moves, nothing happens. --speed: its clock runs N times
 * as fast, so that hours pass in minutes. For benchmarks, and to try the console without a
 * mesh. */
#include "world.h"

#include "aion/v1/modules.mesh.h"
#include "aion/v1/ops.mesh.h"
#include "aion/v1/retention.mesh.h"
#include "aion/v1/router.mesh.h"
#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"
#include "base/list.h"
#include "mesh/server.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SECOND_US = 1000000,
    ARENA_MAX = 64 * 1024 * 1024,
    REVISION = 42,
    BATCH_MAX = 256,
    TAIL_MAX = 200, /* events a second that a reader gets */
};

struct server {
    struct mesh_loop *loop;
    struct mesh_server *mesh;
    struct world world;
    int64_t oldest_us;
    bool read_only;
    char cancelled[64];
    int64_t cancelled_us;
    uint64_t revision;
};

static struct {
    int64_t began_us, speed;
} run;

static int64_t now_us(void)
{
    return run.began_us + (aion_clock_utc_us() - run.began_us) * run.speed;
}

/* -- Ops ------------------------------------------------------------------- */

/* One reader. Whole seconds and, when it wants them, tenths, at their time by the clock. */
struct reader {
    struct server *server;
    struct mesh_call *call;
    struct mesh_timer timer;
    struct world_reader known;
    struct aion_arena arena;
    int64_t next_us, until_us, events_us;
    uint32_t rate_hz, span_ms;
    unsigned kinds;
    bool events, joined;
    size_t tail_left;
    int64_t tail_second;
};

static void arm(struct reader *reader)
{
    int64_t wait = (reader->next_us - now_us()) / run.speed;
    mesh_timer_set(reader->server->loop, &reader->timer,
                   aion_clock_mono_us() + (wait > 0 ? wait : 0));
}

static enum mesh_sent send_reply(struct reader *reader, Aion__V1__OpsWatchReply *reply)
{
    reply->server_us = now_us();
    return aion_v1_ops_watch_send(reader->call, reply);
}

/* As control does: of tenths in which nothing moved only the fifth is sent. */
static bool is_news(const Aion__V1__OpsFrame *frame)
{
    return frame->at_us % (SECOND_US / 2) == 0 || frame->full ||
           frame->n_rows + frame->n_entities + frame->n_gone > 0;
}

/* What happened since the last time, NULL = nothing. At most TAIL_MAX events a second; the
 * counts are of all. */
static Aion__V1__OpsEvents *due_events(struct reader *reader)
{
    if (!reader->events || reader->until_us != 0)
        return NULL;
    if (reader->next_us / SECOND_US != reader->tail_second) {
        reader->tail_second = reader->next_us / SECOND_US;
        reader->tail_left = TAIL_MAX;
    }
    size_t max = reader->tail_left < BATCH_MAX ? reader->tail_left : BATCH_MAX;
    Aion__V1__OpsEvents *events = world_events(&reader->server->world, reader->events_us,
                                               reader->next_us, max, &reader->arena);
    reader->events_us = reader->next_us;
    reader->tail_left -= events->n_events;
    return events->n_counts > 0 ? events : NULL;
}

static enum mesh_sent send_events(struct reader *reader, Aion__V1__OpsEvents *events)
{
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_EVENTS;
    reply.events = events;
    return send_reply(reader, &reply);
}

/* A frame and the events that are due with it: in one reply to whoever takes it so. */
static enum mesh_sent send_due(struct reader *reader)
{
    Aion__V1__OpsWatchReply reply = AION__V1__OPS_WATCH_REPLY__INIT;
    Aion__V1__OpsEvents *events = due_events(reader);
    bool whole = reader->next_us % SECOND_US == 0;
    reply.body_case = AION__V1__OPS_WATCH_REPLY__BODY_FRAME;
    reply.frame = world_frame(&reader->server->world, &reader->known, reader->next_us / 1000,
                              reader->span_ms != 0 ? reader->span_ms
                              : whole              ? 1000
                                                   : 100,
                              reader->kinds, &reader->arena);
    bool news = is_news(reply.frame), joined = news && reader->joined;
    reply.beside = joined ? events : NULL;
    enum mesh_sent sent = news ? send_reply(reader, &reply) : MESH_SENT;
    return events != NULL && !joined ? send_events(reader, events) : sent;
}

static void step_on(struct reader *reader)
{
    int64_t step = reader->span_ms != 0    ? (int64_t)reader->span_ms * 1000
                   : reader->rate_hz >= 10 ? SECOND_US / 10
                                           : SECOND_US;
    reader->next_us = (reader->next_us / step + 1) * step;
}

static void fire(struct mesh_timer *timer)
{
    struct reader *reader = aion_container(timer, struct reader, timer);
    enum mesh_sent sent = MESH_SENT;
    while (sent == MESH_SENT && reader->next_us <= now_us() &&
           (reader->until_us == 0 || reader->next_us <= reader->until_us)) {
        sent = send_due(reader);
        aion_arena_reset(&reader->arena);
        step_on(reader);
    }
    if (reader->until_us != 0 && reader->next_us > reader->until_us)
        mesh_finish(reader->call);
    else if (sent == MESH_SENT)
        arm(reader);
}

static void ops_watch(struct mesh_call *call, const Aion__V1__OpsWatchRequest *request)
{
    struct server *server = mesh_service(call);
    struct reader *reader = calloc(1, sizeof(*reader));
    Aion__V1__OpsWatchReply hello = AION__V1__OPS_WATCH_REPLY__INIT;
    *reader = (struct reader){.server = server,
                              .call = call,
                              .timer.fire = fire,
                              .rate_hz = request->rate_hz,
                              .until_us = request->until_us,
                              .events = request->events != NULL,
                              .joined = request->joined,
                              .events_us = now_us(),
                              .next_us = now_us() / 100000 * 100000};
    aion_arena_init(&reader->arena, ARENA_MAX, NULL, 0);
    for (size_t i = 0; i < request->n_kinds; i++)
        reader->kinds |= 1u << request->kinds[i];
    if (request->from_us != 0) {
        reader->span_ms = request->span_ms != 0 ? request->span_ms : 1000;
        reader->next_us = request->from_us - 1;
        step_on(reader);
    }
    mesh_set_user(call, reader);
    hello.body_case = AION__V1__OPS_WATCH_REPLY__BODY_HELLO;
    hello.hello =
        world_hello(&server->world, server->oldest_us, server->read_only, &reader->arena);
    send_reply(reader, &hello);
    aion_arena_reset(&reader->arena);
    fire(&reader->timer);
}

static void ops_watch_writable(struct mesh_call *call)
{
    struct reader *reader = mesh_user(call);
    if (reader != NULL)
        arm(reader);
}

static void ops_watch_done(struct mesh_call *call, bool cancelled)
{
    struct reader *reader = mesh_user(call);
    (void)cancelled;
    if (reader == NULL)
        return;
    mesh_timer_cancel(reader->server->loop, &reader->timer);
    world_reader_done(&reader->known);
    aion_arena_done(&reader->arena);
    free(reader);
    mesh_set_user(call, NULL);
}

static void ops_get_at(struct mesh_call *call, const Aion__V1__OpsGetAtRequest *request)
{
    struct server *server = mesh_service(call);
    struct world_reader known = {.last = NULL};
    if (request->at_us < server->oldest_us) {
        mesh_fail(call, AION_RANGE, "at_us: nothing is kept of that time");
        return;
    }
    aion_v1_ops_get_at_reply(call, world_frame(&server->world, &known, request->at_us / 1000,
                                               1000, 0, mesh_arena(call)));
    world_reader_done(&known);
}

static void ops_report(struct mesh_call *call, const Aion__V1__OpsReport *request)
{
    (void)call;
    (void)request;
}

static void ops_report_half_close(struct mesh_call *call)
{
    const Aion__V1__OpsReportReply reply = AION__V1__OPS_REPORT_REPLY__INIT;
    aion_v1_ops_report_reply(call, &reply);
}

/* -- tasks ----------------------------------------------------------------- */

static int64_t cancelled_at(const struct server *server, const char *task_id)
{
    return strcmp(server->cancelled, task_id) == 0 ? server->cancelled_us : 0;
}

static void reply_task(struct mesh_call *call, const char *task_id,
                       void (*reply)(struct mesh_call *, const Aion__V1__Task *))
{
    struct server *server = mesh_service(call);
    Aion__V1__Task *task = world_task(&server->world, task_id, now_us(),
                                      cancelled_at(server, task_id), mesh_arena(call));
    if (task != NULL)
        reply(call, task);
    else
        mesh_fail(call, AION_NOT_FOUND, "task_id %s: no such task", task_id);
}

static void get_task_reply(struct mesh_call *call, const Aion__V1__Task *task)
{
    aion_v1_aion_tasks_get_task_reply(call, task);
}

static void cancel_reply(struct mesh_call *call, const Aion__V1__Task *task)
{
    aion_v1_aion_tasks_cancel_reply(call, task);
}

static void tasks_get_task(struct mesh_call *call, const Aion__V1__GetTaskRequest *request)
{
    reply_task(call, request->task_id, get_task_reply);
}

static void tasks_cancel(struct mesh_call *call, const Aion__V1__CancelRequest *request)
{
    struct server *server = mesh_service(call);
    snprintf(server->cancelled, sizeof(server->cancelled), "%s", request->task_id);
    server->cancelled_us = now_us();
    reply_task(call, request->task_id, cancel_reply);
}

static void tasks_list_tasks(struct mesh_call *call, const Aion__V1__ListTasksRequest *request)
{
    struct server *server = mesh_service(call);
    size_t count = request->page_size > 0 ? request->page_size : 50;
    aion_v1_aion_tasks_list_tasks_reply(
        call, world_tasks(&server->world, now_us(), count, mesh_arena(call)));
}

struct follower {
    struct server *server;
    struct mesh_call *call;
    struct mesh_timer timer;
    char task_id[64];
    uint64_t cursor;
};

static void follow_fire(struct mesh_timer *timer)
{
    struct follower *follower = aion_container(timer, struct follower, timer);
    struct aion_arena arena;
    Aion__V1__StreamChunk *chunk;
    int64_t at = 0;
    bool over = false;
    aion_arena_init(&arena, ARENA_MAX, NULL, 0);
    while (!over && (chunk = world_chunk(&follower->server->world, follower->task_id,
                                         follower->cursor + 1, now_us(),
                                         cancelled_at(follower->server, follower->task_id), &at,
                                         &arena)) != NULL) {
        follower->cursor++;
        over = chunk->final != NULL;
        aion_v1_aion_tasks_stream_send(follower->call, chunk);
    }
    aion_arena_done(&arena);
    if (over || at == 0)
        mesh_finish(follower->call);
    else
        mesh_timer_set(follower->server->loop, &follower->timer, aion_clock_mono_us() + 50000);
}

static void tasks_stream(struct mesh_call *call, const Aion__V1__StreamRequest *request)
{
    struct follower *follower = calloc(1, sizeof(*follower));
    *follower = (struct follower){.server = mesh_service(call),
                                  .call = call,
                                  .timer.fire = follow_fire,
                                  .cursor = request->after_cursor};
    snprintf(follower->task_id, sizeof(follower->task_id), "%s", request->task_id);
    mesh_set_user(call, follower);
    follow_fire(&follower->timer);
}

static void tasks_stream_done(struct mesh_call *call, bool cancelled)
{
    struct follower *follower = mesh_user(call);
    (void)cancelled;
    if (follower == NULL)
        return;
    mesh_timer_cancel(follower->server->loop, &follower->timer);
    free(follower);
    mesh_set_user(call, NULL);
}

static void ops_list_audit(struct mesh_call *call, const Aion__V1__ListAuditRequest *request)
{
    int64_t until =
        request->until != NULL ? request->until->seconds * (int64_t)1000000 : now_us();
    aion_v1_ops_list_audit_reply(call, world_audit(until, mesh_arena(call)));
}

static void ops_verify_audit(struct mesh_call *call,
                             const Aion__V1__VerifyAuditRequest *request)
{
    (void)request;
    aion_v1_ops_verify_audit_reply(call, world_proof(mesh_arena(call)));
}

/* -- router, hosts, retention ---------------------------------------------- */

static void router_get_policy(struct mesh_call *call, const Aion__V1__GetPolicyRequest *request)
{
    struct server *server = mesh_service(call);
    uint64_t ordinal = request->on_disk        ? server->revision + 1
                       : request->ordinal != 0 ? request->ordinal
                                               : server->revision;
    aion_v1_router_get_policy_reply(call, world_policy(ordinal, true, mesh_arena(call)));
}

static void router_validate_policy(struct mesh_call *call,
                                   const Aion__V1__ValidatePolicyRequest *request)
{
    Aion__V1__ValidatePolicyReply reply = AION__V1__VALIDATE_POLICY_REPLY__INIT;
    (void)request;
    reply.valid = true;
    reply.digest = (char *)(uintptr_t) "sha256:new";
    aion_v1_router_validate_policy_reply(call, &reply);
}

static void router_reload_policy(struct mesh_call *call,
                                 const Aion__V1__ReloadPolicyRequest *request)
{
    struct server *server = mesh_service(call);
    (void)request;
    aion_v1_router_reload_policy_reply(
        call, world_policy(++server->revision, false, mesh_arena(call)));
}

static void router_list_policy_revisions(struct mesh_call *call,
                                         const Aion__V1__ListPolicyRevisionsRequest *request)
{
    struct server *server = mesh_service(call);
    Aion__V1__ListPolicyRevisionsReply reply = AION__V1__LIST_POLICY_REVISIONS_REPLY__INIT;
    (void)request;
    reply.revisions = aion_arena_array(mesh_arena(call), 20, sizeof(*reply.revisions));
    for (uint64_t ordinal = server->revision; reply.n_revisions < 20; ordinal--)
        reply.revisions[reply.n_revisions++] = world_policy(ordinal, false, mesh_arena(call));
    aion_v1_router_list_policy_revisions_reply(call, &reply);
}

static void hosts_list_hosts(struct mesh_call *call, const Aion__V1__ListHostsRequest *request)
{
    struct server *server = mesh_service(call);
    (void)request;
    aion_v1_hosts_list_hosts_reply(call,
                                   world_hosts(&server->world, now_us(), mesh_arena(call)));
}

static void retention_get_plan(struct mesh_call *call, const Aion__V1__GetPlanRequest *request)
{
    (void)request;
    aion_v1_retention_get_plan_reply(call, world_plan(mesh_arena(call)));
}

static void retention_sweep(struct mesh_call *call, const Aion__V1__SweepRequest *request)
{
    Aion__V1__SweepProgress progress = AION__V1__SWEEP_PROGRESS__INIT;
    if (!request->dry_run) {
        mesh_fail(call, AION_PRECONDITION, "dry_run: nothing is here to be deleted");
        return;
    }
    progress.tasks = 812;
    progress.done = true;
    aion_v1_retention_sweep_send(call, &progress);
    mesh_finish(call);
}

/* -- life ------------------------------------------------------------------ */

static const struct aion_v1_ops_server ops = {
    .watch = {.message = ops_watch, .writable = ops_watch_writable, .done = ops_watch_done},
    .report = {.message = ops_report, .half_close = ops_report_half_close},
    .get_at = ops_get_at,
    .list_audit = ops_list_audit,
    .verify_audit = ops_verify_audit};
static const struct aion_v1_aion_tasks_server tasks = {
    .get_task = tasks_get_task,
    .list_tasks = tasks_list_tasks,
    .cancel = tasks_cancel,
    .stream = {.message = tasks_stream, .done = tasks_stream_done}};
static const struct aion_v1_router_server router = {.get_policy = router_get_policy,
                                                    .validate_policy = router_validate_policy,
                                                    .reload_policy = router_reload_policy,
                                                    .list_policy_revisions =
                                                        router_list_policy_revisions};
static const struct aion_v1_hosts_server hosts = {.list_hosts = hosts_list_hosts};
static const struct aion_v1_retention_server retention = {
    .get_plan = retention_get_plan, .sweep = {.message = retention_sweep}};

static uint64_t number(int argc, char **argv, const char *name, uint64_t fallback)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return strtoull(argv[i + 1], NULL, 10);
    return fallback;
}

int main(int argc, char **argv)
{
    static struct server server;
    const struct world_conf conf = {.seed = 7,
                                    .routes = (unsigned)number(argc, argv, "--routes", 0),
                                    .hosts = (unsigned)number(argc, argv, "--hosts", 0),
                                    .edges = (unsigned)number(argc, argv, "--edges", 0),
                                    .still = number(argc, argv, "--still", 0) != 0,
                                    .tasks_per_s =
                                        (unsigned)number(argc, argv, "--events", 80) / 4};
    char listen[64];
    struct aion_err err;
    run.began_us = aion_clock_utc_us();
    run.speed = (int64_t)number(argc, argv, "--speed", 1);
    run.speed = run.speed > 0 ? run.speed : 1;
    world_init(&server.world, &conf);
    server.revision = REVISION;
    server.read_only = number(argc, argv, "--read-only", 0) != 0;
    server.oldest_us = now_us() - (int64_t)number(argc, argv, "--history", 86400) * SECOND_US;
    snprintf(listen, sizeof(listen), "127.0.0.1:%" PRIu64, number(argc, argv, "--port", 0));
    server.loop = mesh_loop_new(NULL, &err);
    const struct mesh_server_conf mesh = {.listen = listen};
    server.mesh = server.loop != NULL ? mesh_server_new(server.loop, &mesh, &err) : NULL;
    if (server.mesh == NULL) {
        fprintf(stderr, "console_server: %s\n", err.text);
        return 1;
    }
    mesh_server_bind(server.mesh, &aion_v1_ops_type, &ops, &server);
    mesh_server_bind(server.mesh, &aion_v1_aion_tasks_type, &tasks, &server);
    mesh_server_bind(server.mesh, &aion_v1_router_type, &router, &server);
    mesh_server_bind(server.mesh, &aion_v1_hosts_type, &hosts, &server);
    mesh_server_bind(server.mesh, &aion_v1_retention_type, &retention, &server);
    mesh_server_start(server.mesh);
    printf("ready %d\n", mesh_server_port(server.mesh));
    fflush(stdout);
    mesh_loop_run(server.loop);
    return 0;
}
