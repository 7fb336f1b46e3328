/* aion tasks get|list|cancel|watch. */
#include "cli_client.h"

#include "aion/v1/tasks.mesh.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {"get",      "list",    "cancel",  "watch",   "--home", "-o",
                                    "--intent", "--state", "--limit", "--since", NULL};
static int run(int argc, char **argv);
const struct cli_command cli_tasks = {"tasks",
                                      "get ID | list [--state STATE] [--intent NAME] [--limit "
                                      "N] | cancel ID | watch ID | watch [--state STATE] "
                                      "[--intent NAME] [--since 10m]   [-o json] [--home DIR]",
                                      "show, follow and cancel tasks", words, run};

struct tasks {
    struct cli_client client;
    const char *verb, *id, *home, *intent, *state;
    int64_t limit, since_us; /* ago; -1 = from now on */
    bool json;
};

static const struct mesh_method *method(int index)
{
    return &aion_v1_aion_tasks_type.methods[index];
}

static const char *state_name(Aion__V1__TaskState state)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&aion__v1__task_state__descriptor, (int)state);
    return value != NULL ? value->name + strlen("TASK_STATE_") : "UNKNOWN";
}

static void print_row(const Aion__V1__Task *task)
{
    printf("%s  %-10s  %-20s  %s\n", task->task_id, state_name(task->state), task->intent,
           task->engine != NULL ? task->engine->route : "");
}

static int get(struct tasks *tasks)
{
    Aion__V1__GetTaskRequest request = AION__V1__GET_TASK_REQUEST__INIT;
    struct aion_err err;
    request.task_id = (char *)(uintptr_t)tasks->id;
    const ProtobufCMessage *reply = cli_call(
        &tasks->client, "control", method(AION_V1_AION_TASKS_GET_TASK), &request.base, 0, &err);
    if (reply == NULL)
        return cli_error(&err);
    if (tasks->json)
        return cli_print_json(&aion__v1__task__schema, reply);
    const Aion__V1__Task *task = (const Aion__V1__Task *)reply;
    print_row(task);
    for (size_t i = 0; i < task->n_events; i++)
        printf("  %-10s %-10s attempt %u %s\n", task->events[i]->kind,
               state_name(task->events[i]->state), task->events[i]->attempt,
               task->events[i]->note);
    if (task->error != NULL)
        printf("  error %s: %s\n", task->error->reason, task->error->message);
    if (task->result != NULL && task->result->body_case == AION__V1__TASK_RESULT__BODY_TEXT)
        printf("%s\n", task->result->text);
    return CLI_OK;
}

static bool read_state(const char *text, Aion__V1__TaskState *ret_state)
{
    char name[64];
    snprintf(name, sizeof(name), "TASK_STATE_%.40s", text);
    for (char *at = name; *at != '\0'; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 32);
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value_by_name(&aion__v1__task_state__descriptor, name);
    if (value == NULL)
        return false;
    *ret_state = (Aion__V1__TaskState)value->value;
    return true;
}

static int list(struct tasks *tasks)
{
    Aion__V1__ListTasksRequest request = AION__V1__LIST_TASKS_REQUEST__INIT;
    Aion__V1__TaskState state;
    struct aion_err err;
    request.page_size = (uint32_t)tasks->limit;
    if (tasks->intent != NULL)
        request.intent = (char *)(uintptr_t)tasks->intent;
    if (tasks->state != NULL) {
        if (!read_state(tasks->state, &state))
            return cli_usage(&cli_tasks, "--state: \"%s\" is no state of a task", tasks->state);
        request.states = &state;
        request.n_states = 1;
    }
    const ProtobufCMessage *reply =
        cli_call(&tasks->client, "control", method(AION_V1_AION_TASKS_LIST_TASKS),
                 &request.base, 0, &err);
    if (reply == NULL)
        return cli_error(&err);
    if (tasks->json)
        return cli_print_json(&aion__v1__list_tasks_reply__schema, reply);
    const Aion__V1__ListTasksReply *listed = (const Aion__V1__ListTasksReply *)reply;
    for (size_t i = 0; i < listed->n_tasks; i++)
        print_row(listed->tasks[i]);
    return CLI_OK;
}

static int cancel(struct tasks *tasks)
{
    Aion__V1__CancelRequest request = AION__V1__CANCEL_REQUEST__INIT;
    struct aion_err err;
    request.task_id = (char *)(uintptr_t)tasks->id;
    request.reason = (char *)(uintptr_t) "cancelled by aion tasks cancel";
    const ProtobufCMessage *reply = cli_call(
        &tasks->client, "control", method(AION_V1_AION_TASKS_CANCEL), &request.base, 0, &err);
    if (reply == NULL)
        return cli_error(&err);
    if (tasks->json)
        return cli_print_json(&aion__v1__task__schema, reply);
    print_row((const Aion__V1__Task *)reply);
    return CLI_OK;
}

/* -- watch ---------------------------------------------------------------- */

struct watching {
    struct tasks *tasks;
    struct aion_err err;
    bool closed, failed;
};

static void on_chunk(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct watching *watching = mesh_rpc_user(rpc);
    const Aion__V1__StreamChunk *chunk = aion_v1_aion_tasks_stream_read(message);
    if (watching->tasks->json)
        cli_print_json(&aion__v1__stream_chunk__schema, message);
    else if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_TEXT)
        printf("%s", chunk->text);
    else if (chunk->final != NULL)
        printf("\n%s\n", state_name(chunk->final->state));
    fflush(stdout);
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct watching *watching = mesh_rpc_user(rpc);
    watching->failed = result->err != NULL;
    if (result->err != NULL)
        watching->err = *result->err;
    watching->closed = true;
    mesh_loop_stop(watching->tasks->client.loop);
}

static void on_event(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    const struct watching *watching = mesh_rpc_user(rpc);
    const Aion__V1__TaskEvent *event = aion_v1_aion_tasks_watch_tasks_read(message);
    if (watching->tasks->json)
        cli_print_json(&aion__v1__task_event__schema, message);
    else
        printf("%s  %-10s  %-20s  %-10s %s\n", event->task_id, state_name(event->state),
               event->intent, event->kind, event->note);
    fflush(stdout);
}

static int follow(struct watching *watching)
{
    while (!watching->closed)
        mesh_loop_run(watching->tasks->client.loop);
    return watching->failed ? cli_error(&watching->err) : CLI_OK;
}

static const struct mesh_rpc_opts when_ready = {.wait_for_ready = true};

/* All tasks of the tenant, until it is interrupted. */
static int watch_all(struct tasks *tasks)
{
    static const struct mesh_stream_ops ops = {.message = on_event, .closed = on_closed};
    struct watching watching = {.tasks = tasks};
    Aion__V1__WatchTasksRequest request = AION__V1__WATCH_TASKS_REQUEST__INIT;
    Google__Protobuf__Timestamp since = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Aion__V1__TaskState state;
    struct mesh_channel *channel = cli_channel(&tasks->client, "control", &watching.err);
    if (channel == NULL)
        return cli_error(&watching.err);
    if (tasks->intent != NULL)
        request.intent = (char *)(uintptr_t)tasks->intent;
    if (tasks->state != NULL) {
        if (!read_state(tasks->state, &state))
            return cli_usage(&cli_tasks, "--state: \"%s\" is no state of a task", tasks->state);
        request.states = &state;
        request.n_states = 1;
    }
    if (tasks->since_us >= 0) {
        since.seconds = (aion_clock_utc_us() - tasks->since_us) / 1000000;
        request.since = &since;
    }
    aion_v1_aion_tasks_watch_tasks_open(channel, &request, &when_ready, &ops, &watching);
    return follow(&watching);
}

static int watch(struct tasks *tasks)
{
    static const struct mesh_stream_ops ops = {.message = on_chunk, .closed = on_closed};
    struct watching watching = {.tasks = tasks};
    Aion__V1__StreamRequest request = AION__V1__STREAM_REQUEST__INIT;
    if (tasks->id == NULL)
        return watch_all(tasks);
    struct mesh_channel *channel = cli_channel(&tasks->client, "control", &watching.err);
    if (channel == NULL)
        return cli_error(&watching.err);
    request.task_id = (char *)(uintptr_t)tasks->id;
    aion_v1_aion_tasks_stream_open(channel, &request, &when_ready, &ops, &watching);
    return follow(&watching);
}

static const struct {
    const char *name;
    bool takes_id, needs_id;
    int (*run)(struct tasks *tasks);
} verbs[] = {{"get", true, true, get},
             {"list", false, false, list},
             {"cancel", true, true, cancel},
             {"watch", true, false, watch}};

static int run_verb(struct tasks *tasks)
{
    struct aion_err err;
    for (size_t i = 0; i < aion_countof(verbs); i++) {
        if (strcmp(verbs[i].name, tasks->verb) != 0)
            continue;
        if (verbs[i].needs_id && tasks->id == NULL)
            return cli_usage(&cli_tasks, "%s needs a task's id", tasks->verb);
        if (!verbs[i].takes_id && tasks->id != NULL)
            return cli_usage(&cli_tasks, "%s takes no id", tasks->verb);
        int status = cli_client_open(&tasks->client, tasks->home, &err) ? verbs[i].run(tasks)
                                                                        : cli_error(&err);
        cli_client_close(&tasks->client);
        return status;
    }
    return cli_usage(&cli_tasks, "no verb \"%s\"", tasks->verb);
}

static int run(int argc, char **argv)
{
    static struct tasks tasks;
    struct cli_args args = {argc, argv, 1};
    const char *value;
    tasks.limit = 50;
    tasks.since_us = -1;
    while (args.at < argc) {
        if ((value = cli_value(&args, "--home")) != NULL)
            tasks.home = value;
        else if ((value = cli_value(&args, "--intent")) != NULL)
            tasks.intent = value;
        else if ((value = cli_value(&args, "--state")) != NULL)
            tasks.state = value;
        else if ((value = cli_value(&args, "--limit")) != NULL) {
            if (!aion_str_i64(aion_str_of(value), &tasks.limit) || tasks.limit < 1 ||
                tasks.limit > 1000)
                return cli_usage(&cli_tasks, "--limit: \"%s\" is not 1..1000", value);
        } else if ((value = cli_value(&args, "--since")) != NULL) {
            if (!aion_str_duration(aion_str_of(value), &tasks.since_us))
                return cli_usage(&cli_tasks, "--since: \"%s\" is no time as 10m", value);
        } else if ((value = cli_value(&args, "-o")) != NULL) {
            if (strcmp(value, "json") != 0)
                return cli_usage(&cli_tasks, "-o: \"%s\" is not json", value);
            tasks.json = true;
        } else if (tasks.verb == NULL)
            tasks.verb = argv[args.at++];
        else if (tasks.id == NULL && argv[args.at][0] != '-')
            tasks.id = argv[args.at++];
        else
            return cli_unexpected(&cli_tasks, &args);
    }
    return tasks.verb != NULL ? run_verb(&tasks) : cli_usage(&cli_tasks, "name a verb");
}
