/* The State service: what router and retention keep. Internal: each method serves one service,
 * known by its certificate. */
#include "base/clock.h"
#include "codec/message.h"
#include "control_private.h"

#include <stdlib.h>

enum { STATE_ARENA_MAX = 16 << 20 };

/* A call that waits for the store. */
struct request {
    struct control *control;
    struct mesh_call *call; /* held */
    struct aion_arena arena;
    union {
        struct store_op op;
        struct store_policy_put put;
        struct store_policy_list list;
        struct store_policy_read read;
        struct store_plan_put plan;
        struct store_plan_read known;
        struct store_sweep sweep;
    } as;
};

/* Without TLS (tests on loopback) there is no name to check. */
bool control_state_caller(struct mesh_call *call, const char *service)
{
    const struct mesh_peer *peer = mesh_peer(call);
    if (peer->spiffe_id.size == 0 || aion_str_is(peer->service, service))
        return true;
    mesh_fail(call, AION_DENIED, "only %s may call this", service);
    return false;
}

static struct request *request_new(struct mesh_call *call, store_done_fn *done)
{
    struct request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        abort();
    request->control = mesh_service(call);
    request->call = mesh_hold(call);
    aion_arena_init(&request->arena, STATE_ARENA_MAX, NULL, 0);
    request->as.op.done = done;
    request->as.op.arena = &request->arena;
    return request;
}

static void request_end(struct request *request, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(request->call, err);
    mesh_drop(request->call);
    aion_arena_done(&request->arena);
    free(request);
}

static void request_submit(struct request *request, enum store_kind kind)
{
    struct aion_err err;
    if (!store_submit(request->control->store, &request->as.op, kind, &err))
        request_end(request, &err);
}

static void request_audited(struct request *request, const struct control_deed *deed,
                            enum store_kind kind)
{
    struct aion_err err;
    if (!control_audit_effect(request->control, deed, &request->as.op, kind, &err))
        request_end(request, &err);
}

static bool refuse(struct mesh_call *call, const char *field, const char *text)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_INVALID, "%s", text);
    aion_err_field(&err, "%s", field);
    mesh_fail_with(call, &err);
    return false;
}

/* -- policy ------------------------------------------------------------------------- */
/* Files are kept as a packed Policy that holds nothing else. */
static void put_files(Aion__V1__Policy *policy, aion_str files, struct aion_arena *arena)
{
    const Aion__V1__Policy *packed = (const Aion__V1__Policy *)codec_unpack(
        &aion__v1__policy__schema, files, NULL, arena, NULL);
    if (packed == NULL)
        return;
    policy->n_files = packed->n_files;
    policy->files = packed->files;
}

static Aion__V1__Policy *policy_message(const struct store_policy *stored,
                                        struct aion_arena *arena)
{
    Aion__V1__Policy *policy = aion_arena_alloc(arena, sizeof(*policy));
    Aion__V1__PolicyRevision *revision = aion_arena_alloc(arena, sizeof(*revision));
    if (policy == NULL || revision == NULL)
        return NULL;
    aion__v1__policy__init(policy);
    aion__v1__policy_revision__init(revision);
    revision->ordinal = stored->ordinal;
    revision->digest = aion_arena_text(arena, stored->digest);
    policy->revision = revision;
    policy->activated_at = control_timestamp(arena, stored->at_us);
    policy->activated_by = aion_arena_text(arena, stored->by);
    policy->cause = aion_arena_text(arena, stored->cause);
    policy->rules = stored->rules;
    policy->routes = stored->routes;
    return revision->digest != NULL && policy->activated_by != NULL && policy->cause != NULL
               ? policy
               : NULL;
}

static void reply_policy(struct request *request, const struct store_policy *stored,
                         bool with_files)
{
    Aion__V1__Policy *policy = policy_message(stored, &request->arena);
    if (policy == NULL) {
        mesh_fail(request->call, AION_EXHAUSTED, "the policy does not fit in an answer");
        return;
    }
    if (with_files)
        put_files(policy, stored->files, &request->arena);
    mesh_reply(request->call, &policy->base);
}

static void policy_put_done(struct store_op *op, const struct aion_err *err)
{
    struct request *request = aion_container(op, struct request, as.op);
    if (err == NULL) {
        reply_policy(request, &request->as.put.policy, false);
        control_ops_policy(request->control, request->as.put.policy.by,
                           request->as.put.policy.cause, request->as.put.policy.digest);
    }
    request_end(request, err);
}

static bool check_policy(struct mesh_call *call,
                         const Aion__V1__PutPolicyRevisionRequest *message)
{
    if (!aion_str_starts(aion_str_of(message->digest), AION_STR("sha256:")) ||
        strlen(message->digest) != 71)
        return refuse(call, "digest", "digest is \"sha256:\" and 64 hex digits");
    if (strlen(message->activated_by) > 128 || strlen(message->cause) > 256)
        return refuse(call, "cause", "activated_by has at most 128 bytes, cause 256");
    return true;
}

void control_state_put_policy_revision(struct mesh_call *call,
                                       const Aion__V1__PutPolicyRevisionRequest *message)
{
    if (!control_state_caller(call, "router") || !check_policy(call, message))
        return;
    struct request *request = request_new(call, policy_put_done);
    Aion__V1__Policy files = AION__V1__POLICY__INIT;
    files.n_files = message->n_files;
    files.files = message->files;
    size_t size = protobuf_c_message_get_packed_size(&files.base);
    uint8_t *wire = aion_arena_alloc(&request->arena, size);
    if (wire == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "the policy is too large");
        request_end(request, NULL);
        return;
    }
    protobuf_c_message_pack(&files.base, wire);
    request->as.put.policy = (struct store_policy){
        .digest = aion_str_of(message->digest),
        .at_us = aion_clock_utc_us(),
        .by = aion_str_of(message->activated_by),
        .cause = aion_str_of(message->cause),
        .rules = message->rules,
        .routes = message->routes,
        .files = aion_str_n(wire, size),
    };
    struct control_deed deed = {.action = "Router/PolicyInForce",
                                .actor = aion_str_of(message->activated_by),
                                .role = AION_STR("router"),
                                .target = aion_str_of(message->digest),
                                .reason = aion_str_of(message->cause)};
    request_audited(request, &deed, STORE_POLICY_PUT);
}

static void policy_list_done(struct store_op *op, const struct aion_err *err)
{
    struct request *request = aion_container(op, struct request, as.op);
    const struct store_policy_list *list = &request->as.list;
    Aion__V1__ListPolicyRevisionsReply reply = AION__V1__LIST_POLICY_REVISIONS_REPLY__INIT;
    if (err == NULL) {
        reply.revisions =
            aion_arena_array(&request->arena, list->count, sizeof(*reply.revisions));
        while (reply.revisions != NULL && reply.n_revisions < list->count) {
            Aion__V1__Policy *policy =
                policy_message(&list->policies[reply.n_revisions], &request->arena);
            if (policy == NULL)
                break;
            reply.revisions[reply.n_revisions++] = policy;
        }
        aion_v1_state_list_policy_revisions_reply(request->call, &reply);
    }
    request_end(request, err);
}

void control_state_list_policy_revisions(
    struct mesh_call *call, const Aion__V1__StateListPolicyRevisionsRequest *message)
{
    if (!control_state_caller(call, "router"))
        return;
    if (message->limit > 1000) {
        refuse(call, "limit", "limit is 1 to 1000");
        return;
    }
    struct request *request = request_new(call, policy_list_done);
    request->as.list.limit = message->limit > 0 ? message->limit : 50;
    request_submit(request, STORE_POLICY_LIST);
}

static void policy_read_done(struct store_op *op, const struct aion_err *err)
{
    struct request *request = aion_container(op, struct request, as.op);
    if (err == NULL && request->as.read.found)
        reply_policy(request, &request->as.read.policy, true);
    else if (err == NULL)
        mesh_fail(request->call, AION_NOT_FOUND, "there is no policy revision %llu",
                  (unsigned long long)request->as.read.ordinal);
    request_end(request, err);
}

void control_state_get_policy_revision(struct mesh_call *call,
                                       const Aion__V1__GetPolicyRevisionRequest *message)
{
    if (!control_state_caller(call, "router"))
        return;
    struct request *request = request_new(call, policy_read_done);
    request->as.read.ordinal = message->ordinal;
    request_submit(request, STORE_POLICY_READ);
}

/* -- retention ---------------------------------------------------------------------- */
#define SECOND_US ((int64_t)1000000)
#define DAY_US    (86400 * SECOND_US)
/* Of the outbox; cursors of its readers keep it longer. */
#define EVENTS_KEPT_US DAY_US

const struct store_plan control_plan_default = {
    .keep_succeeded_us = 7 * DAY_US,
    .keep_failed_us = 30 * DAY_US,
    .keep_idempotency_us = DAY_US,
    .sweep_every_us = 600 * SECOND_US,
};

static void duration(Google__Protobuf__Duration *duration, int64_t us)
{
    google__protobuf__duration__init(duration);
    duration->seconds = us / SECOND_US;
    duration->nanos = (int32_t)(us % SECOND_US) * 1000;
}

static void reply_plan(struct mesh_call *call, const struct store_plan *plan)
{
    Aion__V1__RetentionPlan reply = AION__V1__RETENTION_PLAN__INIT;
    Google__Protobuf__Duration durations[4];
    duration(&durations[0], plan->keep_succeeded_us);
    duration(&durations[1], plan->keep_failed_us);
    duration(&durations[2], plan->keep_idempotency_us);
    duration(&durations[3], plan->sweep_every_us);
    reply.keep_succeeded = &durations[0];
    reply.keep_failed = &durations[1];
    reply.keep_idempotency = &durations[2];
    reply.sweep_every = &durations[3];
    reply.revision = plan->revision;
    reply.changed_at = control_timestamp(mesh_arena(call), plan->changed_us);
    char *by = aion_arena_text(mesh_arena(call), plan->changed_by);
    if (by != NULL)
        reply.changed_by = by;
    mesh_reply(call, &reply.base);
}

static void plan_read_done(struct store_op *op, const struct aion_err *err)
{
    struct request *request = aion_container(op, struct request, as.op);
    const struct store_plan *stored = &request->as.known.plan;
    if (err == NULL && stored->revision > request->control->plan.revision)
        control_plan_set(request->control, stored);
    if (err == NULL)
        reply_plan(request->call, &request->control->plan);
    request_end(request, err);
}

/* Another control may have changed it since we looked. */
void control_state_get_retention_plan(struct mesh_call *call,
                                      const Aion__V1__GetPlanRequest *message)
{
    const struct control *control = mesh_service(call);
    (void)message;
    if (!control_state_caller(call, "retention"))
        return;
    if (control->shards.shared)
        request_submit(request_new(call, plan_read_done), STORE_PLAN_READ);
    else
        reply_plan(call, &control->plan);
}

static void plan_put_done(struct store_op *op, const struct aion_err *err)
{
    struct request *request = aion_container(op, struct request, as.op);
    if (err == NULL) {
        control_plan_set(request->control, &request->as.plan.plan);
        reply_plan(request->call, &request->control->plan);
    }
    request_end(request, err);
}

static bool read_duration(struct mesh_call *call, const char *field,
                          const Google__Protobuf__Duration *from, int64_t min_us,
                          int64_t max_us, int64_t *us)
{
    if (from == NULL)
        return true; /* stays as it is */
    if (from->seconds < 0 || from->seconds > max_us / SECOND_US || from->nanos < 0 ||
        from->nanos > 999999999)
        return refuse(call, field, "the time is longer than allowed, or below 0");
    *us = from->seconds * SECOND_US + from->nanos / 1000;
    return (*us >= min_us && *us <= max_us) ||
           refuse(call, field,
                  "keep times are 1 minute to 10 years, of keys at least 24 hours; sweeps come "
                  "every 10 s to 7 days");
}

void control_state_put_retention_plan(struct mesh_call *call,
                                      const Aion__V1__RetentionPlan *message)
{
    const struct control *control = mesh_service(call);
    struct store_plan plan = control->plan;
    if (!control_state_caller(call, "retention") ||
        !read_duration(call, "keep_succeeded", message->keep_succeeded, 60 * SECOND_US,
                       3653 * DAY_US, &plan.keep_succeeded_us) ||
        !read_duration(call, "keep_failed", message->keep_failed, 60 * SECOND_US, 3653 * DAY_US,
                       &plan.keep_failed_us) ||
        !read_duration(call, "keep_idempotency", message->keep_idempotency, DAY_US,
                       3653 * DAY_US, &plan.keep_idempotency_us) ||
        !read_duration(call, "sweep_every", message->sweep_every, 10 * SECOND_US, 7 * DAY_US,
                       &plan.sweep_every_us))
        return;
    plan.changed_us = aion_clock_utc_us();
    plan.changed_by = aion_str_of(message->changed_by);
    struct request *request = request_new(call, plan_put_done);
    request->as.plan.plan = plan;
    struct control_deed deed = {.action = "Retention/SetPlan",
                                .actor = plan.changed_by,
                                .role = AION_STR("retention"),
                                .target = AION_STR("plan")};
    request_audited(request, &deed, STORE_PLAN_PUT);
}

/* -- sweep -------------------------------------------------------------------------- */
static void sweep_done(struct store_op *op, const struct aion_err *err)
{
    struct request *request = aion_container(op, struct request, as.op);
    const struct store_sweep *sweep = &request->as.sweep;
    Aion__V1__SweepTasksReply reply = AION__V1__SWEEP_TASKS_REPLY__INIT;
    if (err == NULL) {
        reply.tasks = sweep->tasks;
        reply.chunks = sweep->chunks;
        reply.keys = sweep->keys;
        reply.more = sweep->more;
        if (!sweep->dry_run && sweep->tasks > 0)
            control_cluster_swept(request->control);
        aion_v1_state_sweep_tasks_reply(request->call, &reply);
    }
    request_end(request, err);
}

static int64_t cutoff(const Google__Protobuf__Timestamp *stamp)
{
    return stamp != NULL ? stamp->seconds * SECOND_US + stamp->nanos / 1000 : 0;
}

static bool check_cutoff(struct mesh_call *call, const char *field,
                         const Google__Protobuf__Timestamp *stamp)
{
    return stamp == NULL || (stamp->seconds >= 0 && stamp->seconds <= 253402300799) ||
           refuse(call, field, "the cutoff is no time between 1970 and 9999");
}

void control_state_sweep_tasks(struct mesh_call *call,
                               const Aion__V1__SweepTasksRequest *message)
{
    if (!control_state_caller(call, "retention") ||
        !check_cutoff(call, "succeeded_before", message->succeeded_before) ||
        !check_cutoff(call, "failed_before", message->failed_before) ||
        !check_cutoff(call, "keys_before", message->keys_before))
        return;
    if (message->batch_max > 10000) {
        refuse(call, "batch_max", "batch_max is 1 to 10000");
        return;
    }
    struct request *request = request_new(call, sweep_done);
    request->as.sweep.succeeded_before_us = cutoff(message->succeeded_before);
    request->as.sweep.failed_before_us = cutoff(message->failed_before);
    request->as.sweep.keys_before_us = cutoff(message->keys_before);
    request->as.sweep.batch_max = message->batch_max > 0 ? message->batch_max : 500;
    request->as.sweep.events_before_us = aion_clock_utc_us() - EVENTS_KEPT_US;
    request->as.sweep.dry_run = message->dry_run;
    request_submit(request, STORE_SWEEP);
}
