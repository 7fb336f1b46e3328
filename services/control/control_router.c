/* The standing stream to the router: a decision costs a message each way. While the stream is
 * away tasks are taken undecided, and asked for when it is back.
 *
 * Away, or here? A stream that was just opened may be waiting for a connection; it counts as
 * here once the channel is ready. Each question has its time: one that is not answered in it is
 * treated as if the router were away. */
#include "base/clock.h"
#include "control_private.h"
#include "mesh/edge.h"

#include <stdlib.h>

enum {
    REOPEN_US = 200000, /* between attempts to open the stream */
    LOOK_US = 10000,    /* is it connected? while it is away */
    ASKED_MAX = 16384,  /* questions under way; more are taken undecided */
};

/* A question under way. */
struct asked {
    struct control_router *router;
    uint64_t request_id;
    int64_t asked_us; /* monotonic */
    struct mesh_timer timer;
    control_decided_fn *decided;
    void *user;
};

struct control_router {
    struct control *control;
    struct mesh_channel *channel;
    struct mesh_rpc *rpc; /* NULL = away */
    bool here;
    bool bundles; /* it reads several questions in a message */
    bool closing;
    uint64_t next_id;
    struct aion_map asked; /* by request id */
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
    if (decision != NULL || refusal != NULL)
        mesh_rpc_answered(router->rpc, aion_clock_mono_us() - asked->asked_us, AION_OK);
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
    message.bundles = !router->bundles;
    asked->timer.fire = out_of_time;
    asked->asked_us = aion_clock_mono_us();
    mesh_timer_set(router->control->loop, &asked->timer,
                   mesh_loop_now(router->control->loop) +
                       router->control->conf->decide_timeout);
    aion_v1_router_decide_stream_write(router->rpc,
                                       &message); /* GONE: closed follows and answers */
    return true;
}

/* -- the stream --------------------------------------------------------------------- */
static void take_reply(struct control_router *router, const Aion__V1__DecideStreamReply *reply)
{
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

static void stream_message(struct mesh_rpc *rpc, const ProtobufCMessage *message)
{
    struct control_router *router = mesh_rpc_user(rpc);
    const Aion__V1__DecideStreamReply *reply = aion_v1_router_decide_stream_read(message);
    if (reply->bundles && !router->bundles) {
        router->bundles = true;
        mesh_rpc_bundle(rpc);
    }
    take_reply(router, reply);
    for (size_t i = 0; i < reply->n_more; i++)
        take_reply(router, reply->more[i]);
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
    router->bundles = false;
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
