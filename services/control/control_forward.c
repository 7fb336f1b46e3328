/* Calls about tasks of other controls: handed on to the owner of the shard, with the caller's
 * principal, deadline and trace, and answered as it answers.
 *
 * While a shard moves nobody can serve it: the call waits here, and is tried again when the
 * lease brings news, or a little later. What may have reached its owner is handed on again only
 * if twice has the effect of once. A call that was handed on is not handed on again: two
 * controls that each hold the other for the owner would play ball with it. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum { ANSWER_US = 20000 /* kept of the deadline for the answer */ };

bool control_was_forwarded(const struct mesh_call *call)
{
    return mesh_metadata(call, CONTROL_FORWARDED).data != NULL;
}

/* -- ends ---------------------------------------------------------------------------- */
static void finish(struct control_forward *forward, const struct mesh_result *result)
{
    struct mesh_call *call = forward->call;
    forward->done(forward, result);
    mesh_drop(call);
}

static void give_up(struct control_forward *forward)
{
    struct aion_err err;
    control_shard_elsewhere(&err);
    finish(forward, &(struct mesh_result){.err = &err});
}

static void act_here(struct control_forward *forward)
{
    struct mesh_call *call = forward->call;
    forward->here(forward);
    mesh_drop(call);
}

/* -- on the way ---------------------------------------------------------------------- */
static void step(struct control_forward *forward);

static void woken(struct control_park *park)
{
    step(aion_container(park, struct control_forward, park));
}

static void wait(struct control_forward *forward)
{
    forward->rpc = NULL;
    forward->park.wake = woken;
    control_park(forward->control, &forward->park);
}

/* Gone away, draining, or not the owner any more. */
static bool worth_another(const struct control_forward *forward, const struct aion_err *err)
{
    if (strcmp(err->reason, "SHARD_ELSEWHERE") == 0)
        return true; /* it did nothing */
    return forward->repeatable &&
           (err->code == AION_UNAVAILABLE || err->code == AION_CANCELLED);
}

static void answered(void *user, const struct mesh_result *result)
{
    struct control_forward *forward = user;
    forward->rpc = forward->flight.rpc;
    control_flight_end(&forward->flight);
    if (result->err != NULL && worth_another(forward, result->err) &&
        !mesh_ended(forward->call))
        wait(forward);
    else
        finish(forward, result);
}

static void send(struct control_forward *forward, struct mesh_channel *channel, int64_t left_us)
{
    static const struct mesh_metadata_pair pair = {CONTROL_FORWARDED, {"1", 1}};
    struct mesh_rpc_opts opts = {.parent = forward->call,
                                 .timeout_us = left_us,
                                 .principal = mesh_principal(forward->call),
                                 .metadata = &pair,
                                 .metadata_count = 1};
    control_count(COUNT_FORWARDED);
    control_flight_begin(
        forward->control, &forward->flight,
        mesh_unary(channel, forward->method, forward->request, &opts, answered, forward),
        forward->shard);
    if (!forward->repeatable)
        aion_list_remove(&forward->flight.link); /* whoever has it may be at work on it */
}

static void step(struct control_forward *forward)
{
    struct control *control = forward->control;
    int64_t left_us =
        mesh_deadline_us(forward->call) - mesh_loop_now(control->loop) - ANSWER_US;
    bool again = control_was_forwarded(forward->call);
    struct mesh_channel *channel = NULL;
    if (control_shard_acts(control, forward->shard)) {
        act_here(forward);
    } else if (mesh_ended(forward->call) || left_us <= 0 || control->draining ||
               control->shards.ended ||
               (again && !control_shard_has(control, forward->shard))) {
        give_up(forward);
    } else if (!again && (channel = control_cluster_owner(control, forward->shard)) != NULL) {
        send(forward, channel, left_us);
    } else {
        wait(forward);
    }
}

void control_forward(struct control *control, struct control_forward *forward)
{
    forward->control = control;
    forward->park = (struct control_park){.control = NULL};
    aion_list_init(&forward->park.link);
    aion_list_init(&forward->flight.link);
    forward->rpc = NULL;
    mesh_hold(forward->call);
    step(forward);
}

/* -- a whole call -------------------------------------------------------------------- */
static void reply(struct control_forward *forward, const struct mesh_result *result)
{
    struct mesh_call *call = forward->call;
    aion_str first = {0};
    if (result->err != NULL && forward->rpc != NULL)
        first = mesh_rpc_trailer(forward->rpc, "aion-first-task-id");
    if (first.size > 0)
        mesh_trailer(call, "aion-first-task-id", first);
    if (result->err != NULL)
        mesh_fail_with(call, result->err);
    else
        mesh_reply(call, result->reply);
    free(forward);
}

static void handle_here(struct control_forward *forward)
{
    struct mesh_call *call = forward->call;
    const ProtobufCMessage *request = forward->request;
    free(forward);
    mesh_call_method(call)->handler.message(call, request);
}

bool control_elsewhere(struct mesh_call *call, unsigned shard, const ProtobufCMessage *request,
                       bool repeatable)
{
    const struct control *control = mesh_service(call);
    if (!control->shards.shared || control_shard_acts(control, shard))
        return false;
    control_hand_on(call, shard, request, repeatable);
    return true;
}

void control_hand_on(struct mesh_call *call, unsigned shard, const ProtobufCMessage *request,
                     bool repeatable)
{
    struct control_forward *forward = calloc(1, sizeof(*forward));
    if (forward == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    *forward = (struct control_forward){.call = call,
                                        .method = mesh_call_method(call),
                                        .request = request,
                                        .shard = shard,
                                        .repeatable = repeatable,
                                        .done = reply,
                                        .here = handle_here};
    control_forward(mesh_service(call), forward);
}
