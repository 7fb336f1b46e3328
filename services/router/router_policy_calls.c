/* rpc GetPolicy, ValidatePolicy, ReloadPolicy, RollbackPolicy, ListPolicyRevisions. */
#include "router_private.h"

#include "aion/v1/router.schema.h"

enum { PAGE_SIZE_MAX = 1000 };

static Aion__V1__PolicyFault *fault_message(const struct router_fault *fault,
                                            struct aion_arena *arena)
{
    Aion__V1__PolicyFault *message = aion_arena_alloc(arena, sizeof(*message));
    if (message == NULL)
        return NULL;
    aion__v1__policy_fault__init(message);
    message->file = aion_arena_text(arena, aion_str_of(fault->file));
    message->message = aion_arena_text(arena, aion_str_of(fault->message));
    message->line = (uint32_t)fault->line;
    message->column = (uint32_t)fault->column;
    return message->file != NULL && message->message != NULL ? message : NULL;
}

static void too_large(struct mesh_call *call)
{
    mesh_fail(call, AION_EXHAUSTED, "the policy is too large to answer with");
}

static void get_active(struct mesh_call *call)
{
    struct router *router = mesh_service(call);
    Aion__V1__Policy *message =
        router_policy_message(router_active(router), true, mesh_arena(call));
    if (message == NULL) {
        too_large(call);
        return;
    }
    pthread_mutex_lock(&router->lock);
    struct router_fault rejected = router->rejected;
    pthread_mutex_unlock(&router->lock);
    if (rejected.line > 0)
        message->rejected = fault_message(&rejected, mesh_arena(call));
    aion_v1_router_get_policy_reply(call, message);
}

/* The files as they are, valid or not: read on a worker. In the call's arena. */
struct disk {
    struct mesh_work work;
    struct mesh_call *call;
    struct router_files files;
    bool good;
    struct aion_err err;
};

static void read_disk(struct mesh_work *work)
{
    struct disk *disk = aion_container(work, struct disk, work);
    struct router *router = mesh_service(disk->call);
    disk->good = router_files_read(router->conf->policy_dir, &disk->files, &disk->err);
}

static void reply_disk(struct mesh_work *work)
{
    struct disk *disk = aion_container(work, struct disk, work);
    struct mesh_call *call = disk->call;
    struct router_policy as_it_is = {.file_count = disk->good ? disk->files.count : 0,
                                     .files = disk->files.files};
    Aion__V1__Policy *message = NULL;
    if (disk->good) {
        router_policy_digest(disk->files.files, disk->files.count, as_it_is.digest);
        message = router_policy_message(&as_it_is, true, mesh_arena(call));
    }
    if (!disk->good)
        mesh_fail_with(call, &disk->err);
    else if (message != NULL)
        aion_v1_router_get_policy_reply(call, message); /* packed before it returns */
    else
        too_large(call);
    router_files_done(&disk->files);
    mesh_drop(call);
}

static void get_disk(struct mesh_call *call)
{
    struct disk *disk = aion_arena_zalloc(mesh_arena(call), sizeof(*disk));
    if (disk == NULL) {
        too_large(call);
        return;
    }
    disk->work = (struct mesh_work){.work = read_disk, .done = reply_disk};
    disk->call = mesh_hold(call);
    if (mesh_offload(mesh_call_loop(call), &disk->work))
        return;
    mesh_fail(call, AION_EXHAUSTED, "too much is waiting to be read from disk");
    mesh_drop(call);
}

/* Control's answer, handed on. */
static void handed_on(void *user, const struct mesh_result *result)
{
    struct mesh_call *call = user;
    if (result->err != NULL)
        mesh_fail_with(call, result->err);
    else
        mesh_reply(call, result->reply);
    mesh_drop(call);
}

void router_get_policy(struct mesh_call *call, const Aion__V1__GetPolicyRequest *request)
{
    struct router *router = mesh_service(call);
    Aion__V1__GetPolicyRevisionRequest get = AION__V1__GET_POLICY_REVISION_REQUEST__INIT;
    struct mesh_rpc_opts opts = {.parent = call};
    get.ordinal = request->ordinal;
    if (request->on_disk)
        get_disk(call);
    else if (request->ordinal == 0)
        get_active(call);
    else
        aion_v1_state_get_policy_revision_call(router->control, &get, &opts, handed_on,
                                               mesh_hold(call));
}

/* -- validate (worker) ---------------------------------------------------- */

/* The files of the request, or those on disk when it has none. */
static bool files_of(struct mesh_call *call, const Aion__V1__ValidatePolicyRequest *request,
                     struct router_files *ret_files, struct aion_err *err)
{
    struct router *router = mesh_service(call);
    if (request->n_files == 0)
        return router_files_read(router->conf->policy_dir, ret_files, err);
    aion_arena_init(&ret_files->arena, SIZE_MAX, NULL, 0);
    ret_files->count = 0;
    if (request->n_files > ROUTER_FILES_MAX)
        return aion_fail(err, AION_INVALID, "files: %zu are given, at most %d are taken",
                         request->n_files, ROUTER_FILES_MAX);
    for (size_t i = 0; i < request->n_files; i++)
        ret_files->files[ret_files->count++] = (struct router_file){
            request->files[i]->path, aion_str_of(request->files[i]->content)};
    return true;
}

static void reply_validated(struct mesh_call *call, const struct router_files *files)
{
    struct aion_arena *arena = mesh_arena(call);
    Aion__V1__ValidatePolicyReply reply = AION__V1__VALIDATE_POLICY_REPLY__INIT;
    struct router_fault *faults = aion_arena_array(arena, ROUTER_FAULTS_MAX, sizeof(*faults));
    char digest[72];
    size_t count = 0;
    if (faults == NULL) {
        too_large(call);
        return;
    }
    struct router_policy *policy =
        router_policy_compile(files->files, files->count, faults, &count);
    router_policy_digest(files->files, files->count, digest);
    reply.digest = digest;
    reply.valid = policy != NULL;
    reply.faults = aion_arena_array(arena, count, sizeof(*reply.faults));
    for (size_t i = 0; reply.faults != NULL && i < count; i++) {
        reply.faults[i] = fault_message(&faults[i], arena);
        if (reply.faults[i] == NULL)
            break;
        reply.n_faults++;
    }
    if (policy != NULL)
        aion_snap_unref(&policy->snap);
    aion_v1_router_validate_policy_reply(call, &reply);
}

void router_validate_policy(struct mesh_call *call,
                            const Aion__V1__ValidatePolicyRequest *request)
{
    struct router_files *files = aion_arena_alloc(mesh_arena(call), sizeof(*files));
    struct aion_err err;
    if (files == NULL) {
        too_large(call);
        return;
    }
    if (files_of(call, request, files, &err))
        reply_validated(call, files);
    else
        mesh_fail_with(call, &err);
    router_files_done(files);
}

/* -- reload and rollback (worker) ----------------------------------------- */

static void reply_policy(struct mesh_call *call, struct router_policy *policy,
                         const struct aion_err *err)
{
    if (policy == NULL) {
        mesh_fail_with(call, err);
        return;
    }
    Aion__V1__Policy *message = router_policy_message(policy, false, mesh_arena(call));
    if (message != NULL)
        aion_v1_router_reload_policy_reply(call, message); /* packed before it returns */
    else
        too_large(call);
    aion_snap_unref(&policy->snap);
}

static const char *caller(struct mesh_call *call)
{
    const char *subject = aion_arena_text(mesh_arena(call), mesh_principal(call)->subject);
    return subject != NULL ? subject : "";
}

static bool good_reason(struct mesh_call *call, const char *reason)
{
    struct aion_err err;
    size_t size = strlen(reason);
    if (size <= ROUTER_REASON_MAX)
        return true;
    aion_err_set(&err, __func__, AION_INVALID, "reason has %zu bytes: at most %d are taken",
                 size, ROUTER_REASON_MAX);
    aion_err_field(&err, "reason");
    mesh_fail_with(call, &err);
    return false;
}

void router_reload_policy(struct mesh_call *call, const Aion__V1__ReloadPolicyRequest *request)
{
    struct router *router = mesh_service(call);
    struct router_files *files = aion_arena_alloc(mesh_arena(call), sizeof(*files));
    struct aion_err err;
    struct router_policy *policy = NULL;
    char cause[ROUTER_REASON_MAX + 16];
    if (files == NULL) {
        too_large(call);
        return;
    }
    if (!good_reason(call, request->reason))
        return;
    snprintf(cause, sizeof(cause), "reload%s%s", request->reason[0] != '\0' ? ": " : "",
             request->reason);
    if (router_files_read(router->conf->policy_dir, files, &err))
        policy = router_activate(router, files->files, files->count, caller(call), cause, &err);
    reply_policy(call, policy, &err);
    router_files_done(files);
}

/* The revision to go back to: the asked one, or the newest whose digest is not the active
 * one's. */
static const Aion__V1__Policy *find_revision(struct router *router, uint64_t ordinal,
                                             struct aion_arena *arena, struct aion_err *err)
{
    Aion__V1__StateListPolicyRevisionsRequest list =
        AION__V1__STATE_LIST_POLICY_REVISIONS_REQUEST__INIT;
    Aion__V1__GetPolicyRevisionRequest get = AION__V1__GET_POLICY_REVISION_REQUEST__INIT;
    get.ordinal = ordinal;
    if (ordinal == 0) {
        list.limit = 1000;
        const ProtobufCMessage *reply = mesh_unary_wait(
            router->control, &aion_v1_state_type.methods[AION_V1_STATE_LIST_POLICY_REVISIONS],
            &list.base, NULL, arena, err);
        const Aion__V1__ListPolicyRevisionsReply *revisions =
            (const Aion__V1__ListPolicyRevisionsReply *)reply;
        if (reply == NULL)
            return NULL;
        struct router_policy *active =
            (struct router_policy *)aion_snapshot_get(&router->active);
        for (size_t i = 0; get.ordinal == 0 && i < revisions->n_revisions; i++) {
            const Aion__V1__PolicyRevision *revision = revisions->revisions[i]->revision;
            if (revision != NULL && revision->ordinal < active->ordinal &&
                strcmp(revision->digest, active->digest) != 0)
                get.ordinal = revision->ordinal;
        }
        aion_snap_unref(&active->snap);
        if (get.ordinal == 0)
            return aion_fail_null(err, AION_PRECONDITION,
                                  "there is no revision before the active one");
    }
    return (const Aion__V1__Policy *)mesh_unary_wait(
        router->control, &aion_v1_state_type.methods[AION_V1_STATE_GET_POLICY_REVISION],
        &get.base, NULL, arena, err);
}

void router_rollback_policy(struct mesh_call *call,
                            const Aion__V1__RollbackPolicyRequest *request)
{
    struct router *router = mesh_service(call);
    struct aion_arena *arena = mesh_arena(call);
    struct aion_err err;
    struct router_file files[ROUTER_FILES_MAX];
    char cause[64];
    const Aion__V1__Policy *revision = find_revision(router, request->ordinal, arena, &err);
    if (revision != NULL && revision->n_files > ROUTER_FILES_MAX) {
        aion_err_set(&err, __func__, AION_INTERNAL, "the revision has %zu files, more than %d",
                     revision->n_files, ROUTER_FILES_MAX);
        revision = NULL;
    }
    if (revision == NULL) {
        mesh_fail_with(call, &err);
        return;
    }
    for (size_t i = 0; i < revision->n_files; i++)
        files[i] = (struct router_file){revision->files[i]->path,
                                        aion_str_of(revision->files[i]->content)};
    snprintf(
        cause, sizeof(cause), "rollback to %llu",
        (unsigned long long)(revision->revision != NULL ? revision->revision->ordinal : 0));
    struct router_policy *policy =
        router_activate(router, files, revision->n_files, caller(call), cause, &err);
    reply_policy(call, policy, &err);
}

/* -- list ----------------------------------------------------------------- */

void router_list_policy_revisions(struct mesh_call *call,
                                  const Aion__V1__ListPolicyRevisionsRequest *request)
{
    struct router *router = mesh_service(call);
    Aion__V1__StateListPolicyRevisionsRequest list =
        AION__V1__STATE_LIST_POLICY_REVISIONS_REQUEST__INIT;
    struct mesh_rpc_opts opts = {.parent = call};
    if (request->page_size > PAGE_SIZE_MAX) {
        struct aion_err err;
        aion_err_set(&err, __func__, AION_INVALID, "page_size is %u: give 1 to %d",
                     request->page_size, PAGE_SIZE_MAX);
        aion_err_field(&err, "page_size");
        mesh_fail_with(call, &err);
        return;
    }
    list.limit = request->page_size;
    aion_v1_state_list_policy_revisions_call(router->control, &list, &opts, handed_on,
                                             mesh_hold(call));
}
