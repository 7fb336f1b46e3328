/* Revisions: compiled, recorded by control, then in force by one pointer. */
#include "router_private.h"

#include "aion/v1/state.schema.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum { RECONCILE_AGAIN_US = 500000 };

const struct router_policy *router_active(struct router *router)
{
    struct aion_snap *cached = router->cached != NULL ? &router->cached->snap : NULL;
    aion_snapshot_refresh(&router->active, &cached, &router->cached_generation);
    router->cached = (struct router_policy *)cached;
    return router->cached;
}

/* -- compiling ------------------------------------------------------------ */

static struct router_policy *compile(struct router *router, const struct router_file *files,
                                     size_t count, struct aion_err *err)
{
    struct router_fault *faults = calloc(ROUTER_FAULTS_MAX, sizeof(*faults));
    size_t fault_count = 0;
    if (faults == NULL)
        abort();
    struct router_policy *policy = router_policy_compile(files, count, faults, &fault_count);
    pthread_mutex_lock(&router->lock);
    router->rejected = policy == NULL ? faults[0] : (struct router_fault){.line = 0};
    pthread_mutex_unlock(&router->lock);
    if (policy == NULL) {
        aion_err_set(err, __func__, AION_INVALID, "%.100s:%d:%d: %.180s%s", faults[0].file,
                     faults[0].line, faults[0].column, faults[0].message,
                     fault_count > 1 ? " (and more)" : "");
        aion_err_reason(err, "POLICY_INVALID");
    }
    free(faults);
    return policy;
}

static void describe(struct router_policy *policy, const char *by, const char *cause,
                     uint64_t ordinal)
{
    policy->ordinal = ordinal;
    policy->activated_us = aion_clock_utc_us();
    aion_str_copy(policy->activated_by, sizeof(policy->activated_by), aion_str_of(by));
    aion_str_copy(policy->cause, sizeof(policy->cause), aion_str_of(cause));
}

static void publish(struct router *router, struct router_policy *policy)
{
    struct aion_snap *snap = &policy->snap;
    aion_log(AION_LOG_INFO, "policy in force", LOG_TEXT("digest", policy->digest),
             LOG_U64("ordinal", policy->ordinal), LOG_TEXT("cause", policy->cause),
             LOG_U64("routes", policy->route_count), LOG_U64("rules", policy->rule_count));
    aion_snapshot_publish(&router->active, &snap);
}

/* -- recording ------------------------------------------------------------ */

static Aion__V1__PutPolicyRevisionRequest *put_request(const struct router_policy *policy,
                                                       struct aion_arena *arena)
{
    const Aion__V1__Policy *message = router_policy_message(policy, true, arena);
    Aion__V1__PutPolicyRevisionRequest *request = aion_arena_alloc(arena, sizeof(*request));
    if (message == NULL || request == NULL)
        return NULL;
    aion__v1__put_policy_revision_request__init(request);
    request->digest = message->revision->digest;
    request->files = message->files;
    request->n_files = message->n_files;
    request->activated_by = message->activated_by;
    request->cause = message->cause;
    request->rules = message->rules;
    request->routes = message->routes;
    return request;
}

/* Has control record it and learns its ordinal. On a worker. */
static bool record(struct router *router, struct router_policy *policy, struct aion_err *err)
{
    struct aion_arena arena;
    aion_arena_init(&arena, (size_t)64 * 1024 * 1024, NULL, 0);
    const Aion__V1__PutPolicyRevisionRequest *request = put_request(policy, &arena);
    const ProtobufCMessage *reply = NULL;
    if (request != NULL)
        reply = mesh_unary_wait(router->control,
                                &aion_v1_state_type.methods[AION_V1_STATE_PUT_POLICY_REVISION],
                                &request->base, NULL, &arena, err);
    else
        (void)aion_fail(err, AION_EXHAUSTED, "the policy is too large to record");
    const Aion__V1__Policy *recorded = (const Aion__V1__Policy *)reply;
    if (recorded != NULL && recorded->revision != NULL)
        policy->ordinal = recorded->revision->ordinal;
    aion_arena_done(&arena);
    return recorded != NULL;
}

static struct router_policy *activate(struct router *router, const struct router_file *files,
                                      size_t count, const char *by, const char *cause,
                                      struct aion_err *err)
{
    struct router_policy *policy = compile(router, files, count, err);
    if (policy == NULL)
        return NULL;
    struct router_policy *active = (struct router_policy *)aion_snapshot_get(&router->active);
    if (strcmp(active->digest, policy->digest) == 0) { /* equal files change nothing */
        aion_snap_unref(&policy->snap);
        return active;
    }
    aion_snap_unref(&active->snap);
    describe(policy, by, cause, 0);
    if (!record(router, policy, err)) {
        aion_snap_unref(&policy->snap);
        return NULL;
    }
    aion_snap_ref(&policy->snap); /* the caller's */
    publish(router, policy);
    return policy;
}

struct router_policy *router_activate(struct router *router, const struct router_file *files,
                                      size_t count, const char *by, const char *cause,
                                      struct aion_err *err)
{
    pthread_mutex_lock(&router->activating);
    struct router_policy *policy = activate(router, files, count, by, cause, err);
    pthread_mutex_unlock(&router->activating);
    return policy;
}

bool router_activate_first(struct router *router, struct aion_err *err)
{
    struct router_files *files = calloc(1, sizeof(*files));
    struct router_policy *policy = NULL;
    if (files == NULL)
        abort();
    if (router_files_read(router->conf->policy_dir, files, err))
        policy = compile(router, files->files, files->count, err);
    router_files_done(files);
    free(files);
    if (policy == NULL)
        return false;
    describe(policy, "router", "start", 0);
    publish(router, policy);
    return true;
}

/* -- after a start: what does control remember? --------------------------- */

static void try_again(struct mesh_timer *timer)
{
    router_reconcile(aion_container(timer, struct router, reconcile_timer));
}

static void later(struct router *router)
{
    router->reconcile_timer.fire = try_again;
    mesh_timer_set(router->program->loop, &router->reconcile_timer,
                   mesh_loop_now(router->program->loop) + RECONCILE_AGAIN_US);
}

static void reconciled(struct router *router)
{
    router->ready = true;
    program_ready(router->program, true, "");
}

/* A copy of the active policy under another ordinal: what is published is never changed. */
static void republish(struct router *router, const struct router_file *files, size_t count,
                      const char *by, const char *cause, uint64_t ordinal)
{
    struct aion_err err;
    struct router_policy *policy = compile(router, files, count, &err);
    if (policy == NULL)
        return;
    describe(policy, by, cause, ordinal);
    publish(router, policy);
}

static void recorded(void *user, const struct mesh_result *result)
{
    struct router *router = user;
    const Aion__V1__Policy *policy = aion_v1_state_put_policy_revision_result(result);
    const struct router_policy *active = router_active(router);
    if (policy == NULL || policy->revision == NULL) {
        later(router);
        return;
    }
    republish(router, active->files, active->file_count, active->activated_by, active->cause,
              policy->revision->ordinal);
    reconciled(router);
}

static void put_active(struct router *router)
{
    struct aion_arena arena;
    aion_arena_init(&arena, (size_t)64 * 1024 * 1024, NULL, 0);
    const Aion__V1__PutPolicyRevisionRequest *request =
        put_request(router_active(router), &arena);
    if (request != NULL)
        aion_v1_state_put_policy_revision_call(router->control, request, NULL, recorded,
                                               router);
    aion_arena_done(&arena);
}

/* The revision that a rollback chose before the restart. */
static void rolled_back(void *user, const struct mesh_result *result)
{
    struct router *router = user;
    const Aion__V1__Policy *policy = aion_v1_state_get_policy_revision_result(result);
    struct router_file files[ROUTER_FILES_MAX];
    if (policy == NULL || policy->n_files > ROUTER_FILES_MAX || policy->revision == NULL) {
        later(router);
        return;
    }
    for (size_t i = 0; i < policy->n_files; i++)
        files[i] = (struct router_file){policy->files[i]->path,
                                        aion_str_of(policy->files[i]->content)};
    republish(router, files, policy->n_files, policy->activated_by, policy->cause,
              policy->revision->ordinal);
    reconciled(router);
}

static bool was_seen(const Aion__V1__ListPolicyRevisionsReply *list, const char *digest)
{
    for (size_t i = 1; i < list->n_revisions; i++)
        if (list->revisions[i]->revision != NULL &&
            strcmp(list->revisions[i]->revision->digest, digest) == 0)
            return true;
    return false;
}

/* Newest first. After a rollback the files on disk are those that were rolled back from: the
 * rollback holds until the files change. In every other case the files on disk are what the
 * operator wants. */
static void listed(void *user, const struct mesh_result *result)
{
    struct router *router = user;
    const Aion__V1__ListPolicyRevisionsReply *list =
        aion_v1_state_list_policy_revisions_result(result);
    if (list == NULL) {
        later(router);
        return;
    }
    const Aion__V1__Policy *newest = list->n_revisions > 0 ? list->revisions[0] : NULL;
    const struct router_policy *active = router_active(router);
    bool differs = newest != NULL && newest->revision != NULL &&
                   strcmp(newest->revision->digest, active->digest) != 0;
    if (differs && strncmp(newest->cause, "rollback", 8) == 0 &&
        was_seen(list, active->digest)) {
        Aion__V1__GetPolicyRevisionRequest get = AION__V1__GET_POLICY_REVISION_REQUEST__INIT;
        get.ordinal = newest->revision->ordinal;
        aion_v1_state_get_policy_revision_call(router->control, &get, NULL, rolled_back,
                                               router);
        return;
    }
    put_active(router);
}

void router_reconcile(struct router *router)
{
    Aion__V1__StateListPolicyRevisionsRequest list =
        AION__V1__STATE_LIST_POLICY_REVISIONS_REQUEST__INIT;
    struct mesh_rpc_opts opts = {.timeout_us = 5000000};
    list.limit = 100;
    aion_v1_state_list_policy_revisions_call(router->control, &list, &opts, listed, router);
}
