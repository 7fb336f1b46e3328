/* Calls that concern what every control keeps for itself alone (the tasks that a hold holds, a
 * replay): the one that was called asks the others, one after the other, as the caller. They do
 * not ask on. Who does not answer in time is left out. */
#include "base/clock.h"
#include "control_private.h"

enum { ANSWER_US = 1000000, KEEP_US = 20000 /* of the deadline, for the answer */ };

static void step(struct control_round *round);

static void answered(void *user, const struct mesh_result *result)
{
    struct control_round *round = user;
    round->heard(round, result);
    step(round);
}

static bool ask(struct control_round *round, const char *address)
{
    static const struct mesh_metadata_pair pair = {CONTROL_FORWARDED, {"1", 1}};
    struct control *control = mesh_service(round->call);
    int64_t left_us = mesh_deadline_us(round->call) - mesh_loop_now(control->loop) - KEEP_US;
    struct mesh_rpc_opts opts = {.parent = round->call,
                                 .timeout_us = left_us < ANSWER_US ? left_us : ANSWER_US,
                                 .principal = mesh_principal(round->call),
                                 .metadata = &pair,
                                 .metadata_count = 1};
    struct mesh_channel *channel =
        left_us > 0 ? control_cluster_channel(control, address) : NULL;
    if (channel == NULL)
        return false;
    mesh_unary(channel, mesh_call_method(round->call), round->request, &opts, answered, round);
    return true;
}

static void step(struct control_round *round)
{
    while (round->next < round->count && !round->enough && !mesh_ended(round->call))
        if (ask(round, round->addresses[round->next++]))
            return;
    struct mesh_call *call = round->call;
    round->done(round);
    mesh_drop(call);
}

void control_round(struct control_round *round)
{
    const struct control *control = mesh_service(round->call);
    const struct control_book *book = &control->shards.book;
    round->next = round->count = 0;
    if (!control_was_forwarded(round->call))
        for (unsigned i = 0; i < book->other_count; i++)
            aion_str_copy(round->addresses[round->count++], CLUSTER_ADDRESS_MAX,
                          aion_str_of(book->others[i].address));
    mesh_hold(round->call);
    step(round);
}
