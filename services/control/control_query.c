/* Reading tasks: StatusById, GetTask, ListTasks. */
#include "control_hear.h"
#include "control_private.h"

#include <stdlib.h>

/* -- StatusById --------------------------------------------------------------------- */
static void status_found(void *user, struct control_task *task, const struct aion_err *err)
{
    struct mesh_call *call = user;
    Aion__V1__TaskStatus reply = AION__V1__TASK_STATUS__INIT;
    if (err != NULL) {
        mesh_fail_with(call, err);
        mesh_drop(call);
        return;
    }
    reply.task_id = task->id_text;
    reply.state = (Aion__V1__TaskState)task->state;
    reply.attempt = task->attempt;
    reply.cursor = task->log.committed;
    aion_v1_aion_tasks_status_by_id_reply(call, &reply);
    mesh_drop(call);
}

/* rpc StatusById: the last committed state of one task. Inline. */
void control_status_by_id(struct mesh_call *call, const Aion__V1__TaskRef *request)
{
    struct aion_uuid id;
    aion_str tenant;
    if (control_task_id(call, request->task_id, &id) && control_task_tenant(call, &tenant))
        control_look(mesh_service(call), tenant, &id, status_found, mesh_hold(call));
}

/* -- reads with a history or a page ------------------------------------------------- */
/* A call that waits for the store. */
struct query {
    struct control *control;
    struct mesh_call *call; /* held */
    struct aion_arena arena;
    uint32_t states; /* ListTasks: bits; what the store calls QUEUED may be HELD */
    struct control_hearing hearing;
    union {
        struct store_op op;
        struct store_task_read read;
        struct store_list list;
    } as;
};

static struct query *query_new(struct mesh_call *call)
{
    struct query *query = calloc(1, sizeof(*query));
    if (query == NULL)
        abort();
    query->control = mesh_service(call);
    query->call = mesh_hold(call);
    aion_arena_init(&query->arena, 32 << 20, NULL, 0);
    return query;
}

static void query_end(struct query *query, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(query->call, err);
    mesh_drop(query->call);
    aion_arena_done(&query->arena);
    free(query);
}

/* Calls `tell` when control, too, knows what the tasks say. */
static void query_tell(struct query *query, const struct store_task *tasks, size_t count,
                       void (*tell)(struct control_hearing *hearing))
{
    query->hearing = (struct control_hearing){
        .control = query->control, .tasks = tasks, .count = count, .heard = tell};
    control_hear(&query->hearing);
}

/* The store knows no holds: a task that one has is said to be so. */
static void put_hold(struct control *control, const struct aion_uuid *id, Aion__V1__Task *task)
{
    const struct control_task *held = control_cache_peek(&control->tasks, id);
    if (task == NULL || held == NULL || held->hold == NULL)
        return;
    task->state = AION__V1__TASK_STATE__TASK_STATE_HELD;
    task->hold_id = held->hold->id;
}

/* -- GetTask ------------------------------------------------------------------------ */
/* The state in memory may be ahead of the store by a start that is not on disk yet: the store's
 * word is given whole. */
static void task_tell(struct control_hearing *hearing)
{
    struct query *query = aion_container(hearing, struct query, hearing);
    const struct store_task_read *read = &query->as.read;
    Aion__V1__Task *task = control_reply_build(query->control, &read->task, &query->arena);
    put_hold(query->control, &read->task.id, task);
    if (task != NULL)
        aion_v1_aion_tasks_get_task_reply(query->call, task);
    else
        mesh_fail(query->call, AION_EXHAUSTED, "the task does not fit in an answer");
    query_end(query, NULL);
}

static void task_read(struct store_op *op, const struct aion_err *err)
{
    struct query *query = aion_container(op, struct query, as.op);
    const struct store_task_read *read = &query->as.read;
    struct aion_err own;
    if (err == NULL && !read->found) {
        char id[AION_UUID_TEXT];
        aion_uuid_text(&read->id, id);
        aion_err_set(&own, __func__, AION_NOT_FOUND, "there is no task %s", id);
        aion_err_reason(&own, "TASK_NOT_FOUND");
        err = &own;
    }
    if (err != NULL)
        query_end(query, err);
    else
        query_tell(query, &read->task, 1, task_tell);
}

/* What the store does not know yet, a direct task, is told as it is in memory: without its
 * history. */
static bool reply_unrecorded(struct mesh_call *call, const struct aion_uuid *id,
                             aion_str tenant)
{
    struct control *control = mesh_service(call);
    const struct control_task *task = control_cache_peek(&control->tasks, id);
    if (task == NULL || task->direct == NULL || task->direct->recorded ||
        (tenant.size > 0 && !aion_str_eq(task->tenant, tenant)))
        return false;
    control_reply_task(control, call, task);
    return true;
}

/* rpc GetTask: with result, attempts, events and decision. Inline. */
void control_get_task(struct mesh_call *call, const Aion__V1__GetTaskRequest *request)
{
    struct aion_uuid id;
    aion_str tenant;
    struct aion_err err;
    if (!control_task_id(call, request->task_id, &id) || !control_task_tenant(call, &tenant))
        return;
    if (reply_unrecorded(call, &id, tenant))
        return;
    struct query *query = query_new(call);
    query->as.read = (struct store_task_read){
        .op = {.done = task_read, .arena = &query->arena},
        .tenant = tenant,
        .id = id,
        .with_history = true,
    };
    if (!store_task_read(query->control->store, &query->as.read, &err))
        query_end(query, &err);
}

/* -- ListTasks ---------------------------------------------------------------------- */
/* How many were read; those whose state is another than was asked for are left out. */
static size_t put_tasks(struct query *query, Aion__V1__ListTasksReply *reply)
{
    const struct store_list *list = &query->as.list;
    size_t read = 0;
    reply->tasks = aion_arena_array(&query->arena, list->count, sizeof(*reply->tasks));
    for (; reply->tasks != NULL && read < list->count; read++) {
        Aion__V1__Task *task =
            control_reply_build(query->control, &list->tasks[read], &query->arena);
        if (task == NULL)
            break;
        put_hold(query->control, &list->tasks[read].id, task);
        if (query->states == 0 || (query->states >> (unsigned)task->state & 1) != 0)
            reply->tasks[reply->n_tasks++] = task;
    }
    return read;
}

static void list_tell(struct control_hearing *hearing)
{
    struct query *query = aion_container(hearing, struct query, hearing);
    const struct store_list *list = &query->as.list;
    Aion__V1__ListTasksReply reply = AION__V1__LIST_TASKS_REPLY__INIT;
    char token[24];
    size_t read = put_tasks(query, &reply);
    if (list->next != 0) {
        snprintf(token, sizeof(token), "%llu", (unsigned long long)list->next);
        reply.next_page_token = token;
    }
    if (read == list->count)
        aion_v1_aion_tasks_list_tasks_reply(query->call, &reply);
    else
        mesh_fail(query->call, AION_EXHAUSTED,
                  "the page does not fit in an answer: ask for fewer tasks");
    query_end(query, NULL);
}

static void list_read(struct store_op *op, const struct aion_err *err)
{
    struct query *query = aion_container(op, struct query, as.op);
    if (err != NULL)
        query_end(query, err);
    else
        query_tell(query, query->as.list.tasks, query->as.list.count, list_tell);
}

static bool read_states(const Aion__V1__ListTasksRequest *request, uint32_t *ret_states,
                        struct aion_err *err)
{
    *ret_states = 0;
    for (size_t i = 0; i < request->n_states; i++) {
        int state = (int)request->states[i];
        if (state < 1 || state >= (int)TASK_STATES) {
            aion_err_set(err, __func__, AION_INVALID,
                         "states holds %d, which is no state of a task", state);
            aion_err_field(err, "states");
            return false;
        }
        *ret_states |= (uint32_t)1 << state;
    }
    return true;
}

static bool read_page(const Aion__V1__ListTasksRequest *request, struct store_list *list,
                      struct aion_err *err)
{
    aion_str token = aion_str_of(request->page_token);
    list->limit = request->page_size > 0 ? request->page_size : 50;
    if (list->limit > 1000) {
        aion_err_set(err, __func__, AION_INVALID, "page_size is %u: give 1 to 1000",
                     request->page_size);
        aion_err_field(err, "page_size");
        return false;
    }
    if (token.size > 0 && (!aion_str_u64(token, &list->before) || list->before == 0)) {
        aion_err_set(err, __func__, AION_INVALID,
                     "page_token is not one that a page before has given");
        aion_err_field(err, "page_token");
        return false;
    }
    return true;
}

static int64_t time_of(const Google__Protobuf__Timestamp *stamp)
{
    return stamp != NULL ? stamp->seconds * 1000000 + stamp->nanos / 1000 : 0;
}

/* Another tenant's are for admins; the range becomes one of places. */
static bool read_whose(const struct mesh_call *call, const Aion__V1__ListTasksRequest *request,
                       struct store_list *list, struct aion_err *err)
{
    aion_str wanted = aion_str_of(request->tenant);
    if (wanted.size > 0 && !aion_str_eq(wanted, list->tenant)) {
        if (mesh_principal(call)->role != MESH_ROLE_ADMIN)
            return aion_fail(err, AION_DENIED, "only an admin may list another tenant's tasks");
        list->tenant = aion_str_is(wanted, "*") ? (aion_str){0} : wanted;
    }
    int64_t after_us = time_of(request->created_after),
            before_us = time_of(request->created_before);
    if (after_us < 0 || before_us < 0) {
        aion_err_set(err, __func__, AION_INVALID, "the time is before 1970");
        aion_err_field(err, after_us < 0 ? "created_after" : "created_before");
        return false;
    }
    list->after = after_us > 0 ? store_seq(after_us, 0) - 1 : 0;
    list->before = before_us > 0 ? store_seq(before_us, 0) : 0;
    return true;
}

/* rpc ListTasks: the tenant's own, newest first. Inline. */
void control_list_tasks(struct mesh_call *call, const Aion__V1__ListTasksRequest *request)
{
    struct aion_err err;
    struct store_list list = {.intent = aion_str_of(request->intent)};
    if (!control_tenant(call, &list.tenant))
        return;
    if (!read_whose(call, request, &list, &err) || !read_page(request, &list, &err) ||
        !read_states(request, &list.states, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct query *query = query_new(call);
    query->states = list.states;
    if ((list.states >> TASK_HELD & 1) != 0)
        list.states |= 1u << TASK_QUEUED;
    query->as.list = list;
    query->as.op.done = list_read;
    query->as.op.arena = &query->arena;
    if (!store_list(query->control->store, &query->as.list, &err))
        query_end(query, &err);
}
