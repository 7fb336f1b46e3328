/* aion tasks watch: a task's output as it comes, or what happens to all tasks. */
#include "cli_rows.h"
#include "tasks.h"

#include "aion/v1/tasks.mesh.h"

#include <stdio.h>

struct watching {
    struct cli_deed *deed;
    struct aion_err err;
    bool closed, failed;
    bool bad; /* the task ended, but did not succeed */
};

static void print_final(const Aion__V1__StreamChunk__Final *final)
{
    printf("\n%s\n", cli_state_name(final->state));
    if (final->error == NULL)
        return;
    printf("%s: ", final->error->reason);
    cli_print_clean(final->error->message);
    printf("\n");
}

static void on_chunk(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct watching *watching = mesh_rpc_user(rpc);
    const Aion__V1__StreamChunk *chunk = aion_v1_aion_tasks_stream_read(message);
    if (watching->deed->json)
        cli_print_json(&aion__v1__stream_chunk__schema, message);
    else if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_TEXT)
        fputs(chunk->text, stdout);
    else if (chunk->payload_case == AION__V1__STREAM_CHUNK__PAYLOAD_DATA)
        fwrite(chunk->data.data, 1, chunk->data.len, stdout);
    else if (chunk->final != NULL)
        print_final(chunk->final);
    if (chunk->final != NULL)
        watching->bad = chunk->final->state != AION__V1__TASK_STATE__TASK_STATE_SUCCEEDED;
    fflush(stdout);
}

static void on_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct watching *watching = mesh_rpc_user(rpc);
    watching->failed = result->err != NULL;
    if (result->err != NULL)
        watching->err = *result->err;
    watching->closed = true;
    mesh_loop_stop(watching->deed->client.loop);
}

static void on_event(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    const struct watching *watching = mesh_rpc_user(rpc);
    const Aion__V1__TaskEvent *event = aion_v1_aion_tasks_watch_tasks_read(message);
    if (watching->deed->json) {
        cli_print_json(&aion__v1__task_event__schema, message);
    } else {
        printf("%s  %-10s  %-20s  %-10s ", event->task_id, cli_state_name(event->state),
               event->intent, event->kind);
        cli_print_clean(event->note);
        printf("\n");
    }
    fflush(stdout);
}

static int follow(struct watching *watching)
{
    while (!watching->closed)
        mesh_loop_run(watching->deed->client.loop);
    if (watching->failed)
        return cli_error(&watching->err);
    return watching->bad ? CLI_TASK_FAILED : CLI_OK;
}

static const struct mesh_rpc_opts when_ready = {.wait_for_ready = true};

/* All tasks of the tenant, until it is interrupted. */
static int watch_all(struct watching *watching, struct mesh_channel *channel)
{
    static const struct mesh_stream_ops ops = {.message = on_event, .closed = on_closed};
    const struct cli_tasks_wish *wish = cli_tasks_of(watching->deed);
    Aion__V1__WatchTasksRequest request = AION__V1__WATCH_TASKS_REQUEST__INIT;
    Google__Protobuf__Timestamp since;
    Aion__V1__TaskState state = (Aion__V1__TaskState)wish->state;
    if (wish->filter.intent != NULL)
        request.intent = (char *)(uintptr_t)wish->filter.intent;
    if (wish->filter.tenant != NULL)
        request.tenant = (char *)(uintptr_t)wish->filter.tenant;
    request.states = &state;
    request.n_states = wish->state != 0;
    request.since = cli_stamp(wish->filter.since_us, &since);
    aion_v1_aion_tasks_watch_tasks_open(channel, &request, &when_ready, &ops, watching);
    return follow(watching);
}

int cli_tasks_check_watch(struct cli_deed *deed)
{
    const struct cli_tasks_wish *wish = cli_tasks_of(deed);
    if (deed->id_count > 0 && (wish->state != 0 || cli_filter_narrows(&wish->filter)))
        return cli_usage(&cli_tasks, "watch takes a task's id, or --state, --intent, --tenant "
                                     "and --since for all tasks, not both");
    return CLI_OK;
}

/* A stream waits for as long as its tasks run: whether anybody is there is asked before. */
static bool is_there(struct cli_deed *deed, struct aion_err *err)
{
    Aion__V1__TaskRef task = AION__V1__TASK_REF__INIT;
    Aion__V1__ListTasksRequest any = AION__V1__LIST_TASKS_REQUEST__INIT;
    bool one = deed->id_count > 0;
    task.task_id = (char *)(uintptr_t)(one ? deed->ids[0] : "");
    any.page_size = 1;
    return cli_call(&deed->client, "control",
                    cli_tasks_method(one ? AION_V1_AION_TASKS_STATUS_BY_ID
                                         : AION_V1_AION_TASKS_LIST_TASKS),
                    one ? &task.base : &any.base, 0, err) != NULL;
}

int cli_tasks_watch(struct cli_deed *deed)
{
    static const struct mesh_stream_ops ops = {.message = on_chunk, .closed = on_closed};
    struct watching watching = {.deed = deed};
    Aion__V1__StreamRequest request = AION__V1__STREAM_REQUEST__INIT;
    struct mesh_channel *channel = cli_channel(&deed->client, "control", &watching.err);
    if (channel == NULL || !is_there(deed, &watching.err))
        return cli_error(&watching.err);
    if (deed->id_count == 0)
        return watch_all(&watching, channel);
    request.task_id = (char *)(uintptr_t)deed->ids[0];
    aion_v1_aion_tasks_stream_open(channel, &request, &when_ready, &ops, &watching);
    return follow(&watching);
}
