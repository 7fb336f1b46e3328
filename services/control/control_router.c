/* The standing stream to the router: a decision costs a message each way. While the stream is
 * away tasks are taken undecided, and asked for when it is back.
 *
 * Away, or here? A stream that was just opened may be waiting for a connection; it counts as
 * here once the channel is ready. Each question has its time: one that is not answered in it is
 * treated as if the router were away. */
#include "base/clock.h"
#include "codec/message.h"
#include "control_private.h"

#include <stdlib.h>

enum {
    REOPEN_US = 200000,    /* between attempts to open the stream */
    LOOK_US = 10000,       /* is it connected? while it is away */
    ASKED_MAX = 4096,      /* questions under way; more are taken undecided */
    UNROUTED_AT_ONCE = 256 /* of the tasks that wait undecided */
};

/* A question under way. */
struct asked {
    struct control_router *router;
    uint64_t request_id;
    struct mesh_timer timer;
    control_decided_fn *decided;
    void *user;
};

struct control_router {
    struct control *control;
    struct mesh_channel *channel;
    struct mesh_rpc *rpc; /* NULL = away */
    bool here;
    bool closing;
    uint64_t next_id;
    struct aion_map asked; /* by request id */
    size_t unrouted_asked; /* of them for tasks taken undecided */
    struct mesh_timer timer;
};

static void open_stream(struct control_router *router);

/* -- questions ---------------------------------------------------------------------- */
static aion_str key_of(const uint64_t *request_id)
{
    return aion_str_n(request_id, sizeof(*request_id));
}

static void answer(struct asked *asked, const Aion__V1__Decision *decision,
                   const Aion__V1__TaskError *refusal)
{
    struct control_router *router = asked->router;
    control_decided_fn *decided = asked->decided;
    void *user = asked->user;
    aion_map_remove(&router->asked, key_of(&asked->request_id));
    mesh_timer_cancel(router->control->loop, &asked->timer);
    free(asked);
    decided(user, decision, refusal);
}

static void out_of_time(struct mesh_timer *timer)
{
    answer(aion_container(timer, struct asked, timer), NULL, NULL);
}

bool control_router_here(const struct control_router *router)
{
    return router != NULL && router->here;
}

bool control_router_ask(struct control_router *router, const Aion__V1__DecideRequest *request,
                        control_decided_fn *decided, void *user)
{
    Aion__V1__DecideStreamRequest message = AION__V1__DECIDE_STREAM_REQUEST__INIT;
    Aion__V1__DecideRequest copy = *request;
    struct asked *asked;
    if (!control_router_here(router) || (asked = calloc(1, sizeof(*asked))) == NULL)
        return false;
    *asked = (struct asked){
        .router = router, .request_id = ++router->next_id, .decided = decided, .user = user};
    if (!aion_map_put(&router->asked, key_of(&asked->request_id), asked)) {
        free(asked);
        return false;
    }
    message.request_id = asked->request_id;
    message.request = &copy;
    asked->timer.fire = out_of_time;
    mesh_timer_set(router->control->loop, &asked->timer,
                   mesh_loop_now(router->control->loop) +
                       router->control->conf->decide_timeout);
    aion_v1_router_decide_stream_write(router->rpc,
                                       &message); /* GONE: closed follows and answers */
    return true;
}

/* -- the stream --------------------------------------------------------------------- */
static void stream_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct control_router *router = mesh_rpc_user(rpc);
    const Aion__V1__DecideStreamReply *reply = aion_v1_router_decide_stream_read(message);
    struct asked *asked = aion_map_get(&router->asked, key_of(&reply->request_id));
    if (asked == NULL)
        return; /* it came too late */
    if (reply->outcome_case == AION__V1__DECIDE_STREAM_REPLY__OUTCOME_DECISION)
        answer(asked, reply->decision, NULL);
    else if (reply->outcome_case == AION__V1__DECIDE_STREAM_REPLY__OUTCOME_ERROR)
        answer(asked, NULL, reply->error);
    else
        answer(asked, NULL, NULL);
}

static void answer_all(struct control_router *router)
{
    size_t cursor = 0;
    struct asked *asked;
    while ((asked = aion_map_next(&router->asked, &cursor)) != NULL) {
        answer(asked, NULL, NULL);
        cursor = 0; /* the table has changed */
    }
}

static void stream_closed(struct mesh_rpc *rpc, const struct mesh_result *result)
{
    struct control_router *router = mesh_rpc_user(rpc);
    (void)result; /* the mesh has logged it */
    router->rpc = NULL;
    router->here = false;
    answer_all(router);
    if (router->closing) {
        aion_map_done(&router->asked);
        free(router);
        return;
    }
    mesh_timer_set(router->control->loop, &router->timer,
                   mesh_loop_now(router->control->loop) + REOPEN_US);
}

static const struct mesh_stream_ops stream_ops = {.message = stream_message,
                                                  .closed = stream_closed};

/* Opens the stream, or looks whether it is connected meanwhile. */
static void check_stream(struct mesh_timer *timer)
{
    struct control_router *router = aion_container(timer, struct control_router, timer);
    if (router->rpc == NULL)
        open_stream(router);
    if (router->rpc == NULL || router->here)
        return;
    router->here = mesh_channel_ready(router->channel);
    if (router->here)
        control_route_unrouted(router->control);
    else
        mesh_timer_set(router->control->loop, &router->timer,
                       mesh_loop_now(router->control->loop) + LOOK_US);
}

static void open_stream(struct control_router *router)
{
    struct mesh_rpc_opts opts = {.wait_for_ready = true};
    router->rpc =
        aion_v1_router_decide_stream_open(router->channel, &opts, &stream_ops, router);
}

struct control_router *control_router_open(struct control *control,
                                           struct mesh_channel *channel)
{
    struct control_router *router = calloc(1, sizeof(*router));
    if (router == NULL)
        abort();
    router->control = control;
    router->channel = channel;
    router->timer.fire = check_stream;
    aion_map_init(&router->asked, ASKED_MAX);
    mesh_timer_set(control->loop, &router->timer, mesh_loop_now(control->loop));
    return router;
}

void control_router_close(struct control_router *router)
{
    if (router == NULL)
        return;
    mesh_timer_cancel(router->control->loop, &router->timer);
    router->closing = true;
    router->here = false;
    answer_all(router);
    if (router->rpc != NULL) {
        mesh_rpc_cancel(router->rpc); /* closed follows */
        return;
    }
    aion_map_done(&router->asked);
    free(router);
}

/* -- tasks that were taken undecided ------------------------------------------------ */
static void route_done(struct control_write *write)
{
    struct control_task *task = write->task;
    task->deciding = false;
    if (write->as.write.outcome != STORE_DONE)
        return; /* it was cancelled meanwhile */
    control_move(write->control, task, TASK_ROUTE);
    if (task->settling)
        return;
    control_enqueue(write->control, task);
}

static void write_route(struct control *control, struct control_task *task,
                        const Aion__V1__Decision *decision)
{
    size_t size = protobuf_c_message_get_packed_size(&decision->base);
    char *wire = malloc(size > 0 ? size : 1);
    if (wire == NULL)
        abort();
    protobuf_c_message_pack(&decision->base, (uint8_t *)wire);
    control_bytes_free(&task->decision);
    task->decision = (struct control_bytes){wire, size};
    if (!control_task_decide(task, control_bytes_view(&task->decision))) {
        struct control_error error = {AION_INTERNAL, "DECISION_MALFORMED",
                                      "the router's decision names no module"};
        task->deciding = false;
        control_finish(control, task, TASK_FAIL, &error);
        return;
    }
    struct control_write *write = control_write_new(control, task, STORE_ROUTE, route_done);
    aion_str_copy(write->route, sizeof(write->route), aion_str_of(decision->engine->route));
    write->as.route = (struct store_route){
        .at_us = aion_clock_utc_us(),
        .decision = {aion_str_of(write->route), control_bytes_view(&task->decision)}};
    control_write_submit(write);
}

static void unrouted_decided(void *user, const Aion__V1__Decision *decision,
                             const Aion__V1__TaskError *refusal)
{
    struct control_task *task = user;
    struct control *control = task->control;
    control->router->unrouted_asked--;
    if (task->settling || task->state != TASK_ACCEPTED) {
        task->deciding = false;
    } else if (decision != NULL) {
        write_route(control, task, decision);
    } else if (refusal != NULL) {
        struct control_error error;
        control_error_set(&error, refusal->code, aion_str_of(refusal->reason),
                          aion_str_of(refusal->message));
        task->deciding = false;
        control_finish(control, task, TASK_FAIL, &error);
    } else {
        task->deciding = false;
        aion_list_add_first(&control->unrouted, &task->unrouted);
    }
    control_task_unref(task);
    control_route_unrouted(control);
}

/* The size of the input is not kept apart; the body's is near it, and policies compare it with
 * bounds in KiB. */
static bool ask_for(struct control *control, struct control_task *task)
{
    Aion__V1__DecideRequest request = AION__V1__DECIDE_REQUEST__INIT;
    char tenant[128], intent[80];
    struct aion_arena arena;
    char first[4096];
    aion_arena_init(&arena, 65536, first, sizeof(first));
    const Aion__V1__TaskRequest *meta = (const Aion__V1__TaskRequest *)codec_unpack(
        &aion__v1__task_request__schema, control_bytes_view(&task->meta), NULL, &arena, NULL);
    aion_str_copy(tenant, sizeof(tenant), task->tenant);
    aion_str_copy(intent, sizeof(intent), task->intent);
    request.task_id = task->id_text;
    request.tenant = tenant;
    request.intent = intent;
    request.priority = (Aion__V1__Priority)task->priority;
    request.input_bytes = task->body.size;
    memcpy(&request.seed, task->id.bytes + 8, sizeof(request.seed));
    if (meta != NULL) {
        request.sla = meta->sla;
        request.preferred_engine = meta->preferred_engine;
    }
    bool asked =
        control_router_ask(control->router, &request, unrouted_decided, control_task_ref(task));
    if (!asked)
        control_task_unref(task);
    aion_arena_done(&arena);
    return asked;
}

void control_route_unrouted(struct control *control)
{
    while (control_router_here(control->router) &&
           control->router->unrouted_asked < UNROUTED_AT_ONCE &&
           !aion_list_empty(&control->unrouted)) {
        struct control_task *task =
            aion_container(control->unrouted.next, struct control_task, unrouted);
        if (!ask_for(control, task))
            return;
        control->router->unrouted_asked++;
        task->deciding = true;
        aion_list_remove(&task->unrouted);
    }
}
