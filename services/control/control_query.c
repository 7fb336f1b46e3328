/* Reading tasks: StatusById, GetTask, ListTasks. */
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

/* rpc StatusById: the last committed state of one of the caller's own tasks. Inline. */
void control_status_by_id(struct mesh_call *call, const Aion__V1__TaskRef *request)
{
    struct aion_uuid id;
    aion_str tenant;
    if (control_task_id(call, request->task_id, &id) && control_tenant(call, &tenant))
        control_find(mesh_service(call), tenant, &id, status_found, mesh_hold(call));
}

/* -- reads with a history or a page ------------------------------------------------- */
/* A call that waits for the store. */
struct query {
    struct control *control;
    struct mesh_call *call; /* held */
    struct aion_arena arena;
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

/* -- GetTask ------------------------------------------------------------------------ */
/* The state in memory may be ahead of the store by a start that is not on disk yet: the store's
 * word is given whole. */
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
    if (err == NULL) {
        const Aion__V1__Task *task =
            control_reply_build(query->control, &read->task, &query->arena);
        if (task != NULL)
            aion_v1_aion_tasks_get_task_reply(query->call, task);
        else
            mesh_fail(query->call, AION_EXHAUSTED, "the task does not fit in an answer");
    }
    query_end(query, err);
}

/* rpc GetTask: with result, attempts, events and decision. Inline. */
void control_get_task(struct mesh_call *call, const Aion__V1__GetTaskRequest *request)
{
    struct aion_uuid id;
    aion_str tenant;
    struct aion_err err;
    if (!control_task_id(call, request->task_id, &id) || !control_tenant(call, &tenant))
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
static void list_read(struct store_op *op, const struct aion_err *err)
{
    struct query *query = aion_container(op, struct query, as.op);
    const struct store_list *list = &query->as.list;
    Aion__V1__ListTasksReply reply = AION__V1__LIST_TASKS_REPLY__INIT;
    char token[24];
    if (err != NULL) {
        query_end(query, err);
        return;
    }
    reply.tasks = aion_arena_array(&query->arena, list->count, sizeof(*reply.tasks));
    for (size_t i = 0; reply.tasks != NULL && i < list->count; i++) {
        reply.tasks[i] = control_reply_build(query->control, &list->tasks[i], &query->arena);
        if (reply.tasks[i] == NULL)
            break;
        reply.n_tasks++;
    }
    if (list->next != 0) {
        snprintf(token, sizeof(token), "%llu", (unsigned long long)list->next);
        reply.next_page_token = token;
    }
    if (reply.n_tasks == list->count)
        aion_v1_aion_tasks_list_tasks_reply(query->call, &reply);
    else
        mesh_fail(query->call, AION_EXHAUSTED,
                  "the page does not fit in an answer: ask for fewer tasks");
    query_end(query, NULL);
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

/* rpc ListTasks: the tenant's own, newest first. Inline. */
void control_list_tasks(struct mesh_call *call, const Aion__V1__ListTasksRequest *request)
{
    struct aion_err err;
    struct store_list list = {.intent = aion_str_of(request->intent)};
    if (!control_tenant(call, &list.tenant))
        return;
    if (!read_page(request, &list, &err) || !read_states(request, &list.states, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct query *query = query_new(call);
    query->as.list = list;
    query->as.op.done = list_read;
    query->as.op.arena = &query->arena;
    if (!store_list(query->control->store, &query->as.list, &err))
        query_end(query, &err);
}
