/* The calls of holds: HoldQueue, ReleaseQueue, ListHolds. A rule is in force at every control
 * within a second of its being made at one; each holds the tasks of its own shards, so that a
 * release and a count are asked of all. */
#include "base/clock.h"
#include "control_private.h"

#include <stdio.h>
#include <stdlib.h>

static char *copy(struct aion_arena *arena, const char *text)
{
    static char empty[] = "";
    char *own = aion_arena_text(arena, aion_str_of(text));
    return own != NULL ? own : empty;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t letting_go(const struct control_hold *hold)
{
    return hold->releasing ? least(control_hold_fitting(hold, &hold->only), hold->left) : 0;
}

/* Copies: the hold may end before the answer goes. */
static void fill_reply(const struct control_hold *hold, struct aion_arena *arena,
                       Aion__V1__Hold *reply)
{
    Aion__V1__TaskFilter *filter = aion_arena_alloc(arena, sizeof(*filter));
    aion__v1__hold__init(reply);
    reply->hold_id = copy(arena, hold->id);
    reply->reason = copy(arena, hold->reason);
    reply->held_by = copy(arena, hold->held_by);
    reply->held_at = control_timestamp(arena, hold->at_us);
    reply->held = hold->held;
    reply->released = hold->released;
    reply->releasing = hold->releasing;
    reply->letting_go = letting_go(hold);
    if (filter == NULL)
        return;
    aion__v1__task_filter__init(filter);
    filter->tenant = copy(arena, hold->tenant);
    filter->intent = copy(arena, hold->intent);
    filter->all = hold->tenant[0] == '\0' && hold->intent[0] == '\0';
    reply->filter = filter;
}

/* What another control says of the same hold: each has the tasks of its shards. */
static void add_reply(Aion__V1__Hold *sum, const Aion__V1__Hold *part)
{
    sum->held += part->held;
    sum->released += part->released;
    sum->releasing |= part->releasing;
    sum->letting_go += part->letting_go;
}

static void answer(struct mesh_call *call, const struct control_hold *hold)
{
    Aion__V1__Hold reply;
    fill_reply(hold, mesh_arena(call), &reply);
    mesh_reply(call, &reply.base);
}

struct holding {
    struct store_hold_put put;
    struct control *control;
    struct mesh_call *call; /* held */
    char id[AION_UUID_TEXT];
    struct control_filter filter;
};

static void holding_end(struct holding *holding, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(holding->call, err);
    mesh_drop(holding->call);
    control_filter_free(&holding->filter);
    free(holding);
}

static void hold_put(struct store_op *op, const struct aion_err *err)
{
    struct holding *holding = aion_container(op, struct holding, put.op);
    if (err == NULL) {
        struct control_hold *hold = control_hold_new(holding->control, &holding->put.hold);
        control_hold_gather(hold);
        answer(holding->call, hold);
    }
    holding_end(holding, err);
}

/* A hold is by tenant and intent, which a task has from its beginning to its end. */
static bool is_rule(const Aion__V1__TaskFilter *filter, struct aion_err *err)
{
    if (filter == NULL ||
        (filter->n_task_ids == 0 && filter->module[0] == '\0' && filter->reason[0] == '\0' &&
         filter->created_after == NULL && filter->created_before == NULL))
        return true;
    aion_err_set(err, __func__, AION_INVALID,
                 "a hold is by tenant and intent: leave the other parts of the filter out");
    aion_err_field(err, "filter");
    return false;
}

static struct control_hold *same_hold(struct control *control,
                                      const struct control_filter *filter)
{
    aion_list_each (link, &control->holds) {
        struct control_hold *hold = aion_container(link, struct control_hold, link);
        if (strcmp(hold->tenant, filter->tenant) == 0 &&
            strcmp(hold->intent, filter->intent) == 0)
            return hold;
    }
    return NULL;
}

static void put_hold(struct holding *holding, const char *reason)
{
    struct aion_err err;
    struct aion_uuid id = aion_uuid_new();
    struct control_deed deed = control_deed_of(holding->call);
    char target[160];
    aion_uuid_text(&id, holding->id);
    holding->put =
        (struct store_hold_put){.op.done = hold_put,
                                .hold = {.id = aion_str_of(holding->id),
                                         .kind = STORE_HOLD_QUEUE,
                                         .tenant = aion_str_of(holding->filter.tenant),
                                         .intent = aion_str_of(holding->filter.intent),
                                         .at_us = aion_clock_utc_us(),
                                         .changed_by = mesh_principal(holding->call)->subject,
                                         .reason = aion_str_of(reason)}};
    snprintf(target, sizeof(target), "queue/%s/%s",
             holding->filter.tenant[0] != '\0' ? holding->filter.tenant : "*",
             holding->filter.intent[0] != '\0' ? holding->filter.intent : "*");
    deed.target = aion_str_of(target);
    deed.reason = aion_str_of(reason);
    if (!control_audit_effect(holding->control, &deed, &holding->put.op, STORE_HOLD_PUT, &err))
        holding_end(holding, &err);
}

/* rpc HoldQueue. Inline. */
void control_hold_queue(struct mesh_call *call, const Aion__V1__HoldQueueRequest *request)
{
    struct control *control = mesh_service(call);
    const struct mesh_principal *principal = mesh_principal(call);
    struct control_filter filter;
    struct aion_err err;
    if (!is_rule(request->filter, &err) ||
        !control_filter_read(request->filter, principal->tenant,
                             principal->role == MESH_ROLE_ADMIN, &filter, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct control_hold *same = same_hold(control, &filter);
    if (same != NULL) {
        answer(call, same);
        control_filter_free(&filter);
        return;
    }
    if (aion_list_count(&control->holds) >= HOLDS_MAX || strlen(request->reason) > 256) {
        mesh_fail(call, AION_INVALID,
                  "there are %d holds already, or reason has more than 256 "
                  "bytes",
                  (int)HOLDS_MAX);
        control_filter_free(&filter);
        return;
    }
    struct holding *holding = calloc(1, sizeof(*holding));
    if (holding == NULL)
        abort();
    holding->control = control;
    holding->call = mesh_hold(call);
    holding->filter = filter;
    put_hold(holding, request->reason);
}

static bool may_touch(const struct mesh_call *call, const struct control_hold *hold)
{
    const struct mesh_principal *principal = mesh_principal(call);
    return principal->role == MESH_ROLE_ADMIN || aion_str_is(principal->tenant, hold->tenant);
}

static void tell_release(struct control *control, const struct mesh_call *call,
                         const struct control_hold *hold,
                         const Aion__V1__ReleaseQueueRequest *request)
{
    struct control_deed deed = control_deed_of(call);
    char target[160], detail[96];
    snprintf(target, sizeof(target), "hold/%s", hold->id);
    snprintf(detail, sizeof(detail), "%llu held, at most %llu, %u a second",
             (unsigned long long)hold->held, (unsigned long long)request->count_max,
             request->per_second);
    deed.target = aion_str_of(target);
    deed.detail = aion_str_of(detail);
    deed.reason = aion_str_of(request->reason);
    control_audit_note(control, &deed, "done");
}

static bool check_release(const Aion__V1__ReleaseQueueRequest *request, struct aion_err *err)
{
    if (request->hold_id[0] == '\0') {
        aion_err_set(err, __func__, AION_INVALID,
                     "hold_id is missing: ListHolds names the holds");
        aion_err_field(err, "hold_id");
        return false;
    }
    if (request->per_second > 1000000) {
        aion_err_set(err, __func__, AION_INVALID, "per_second is %u: give at most 1000000",
                     request->per_second);
        aion_err_field(err, "per_second");
        return false;
    }
    return true;
}

/* A release at every control: this one lets go what is its own, the others the rest, each at
 * its part of the rate. */
struct releasing {
    struct control_round round;
    Aion__V1__ReleaseQueueRequest request; /* of the next one */
    Aion__V1__Hold reply;                  /* the sum */
};

static void release_heard(struct control_round *round, const struct mesh_result *result)
{
    struct releasing *releasing = aion_container(round, struct releasing, round);
    const Aion__V1__Hold *part = (const Aion__V1__Hold *)result->reply;
    uint64_t *most = &releasing->request.count_max;
    if (result->err != NULL)
        return; /* it follows when the rule has gone */
    add_reply(&releasing->reply, part);
    if (*most > 0) {
        *most -= least(part->letting_go, *most);
        round->enough = *most == 0;
    }
}

static void release_asked(struct control_round *round)
{
    struct releasing *releasing = aion_container(round, struct releasing, round);
    mesh_reply(round->call, &releasing->reply.base);
    free(releasing);
}

static void release(struct mesh_call *call, struct control_hold *hold,
                    struct control_filter *only, const Aion__V1__ReleaseQueueRequest *request)
{
    struct releasing *releasing = calloc(1, sizeof(*releasing));
    if (releasing == NULL)
        abort();
    bool bounded = request->count_max > 0;
    unsigned controls =
        control_was_forwarded(call) ? 1 : hold->control->shards.book.other_count + 1;
    uint32_t rate = (request->per_second + controls - 1) / controls;
    uint64_t most = bounded ? request->count_max : UINT64_MAX;
    uint64_t ours = least(control_hold_fitting(hold, only), most);
    releasing->request = *request;
    releasing->request.per_second = rate;
    releasing->request.count_max = bounded ? most - ours : 0;
    releasing->round = (struct control_round){.call = call,
                                              .request = &releasing->request.base,
                                              .heard = release_heard,
                                              .done = release_asked,
                                              .enough = bounded && most == ours};
    fill_reply(hold, mesh_arena(call), &releasing->reply);
    releasing->reply.releasing = true;
    releasing->reply.letting_go = ours;
    control_hold_release(hold, only, rate, most, !bounded && request->filter == NULL);
    control_round(&releasing->round);
}

/* rpc ReleaseQueue. Inline. */
void control_release_queue(struct mesh_call *call, const Aion__V1__ReleaseQueueRequest *request)
{
    struct control *control = mesh_service(call);
    const struct mesh_principal *principal = mesh_principal(call);
    struct control_hold *hold = control_hold_named(control, request->hold_id);
    struct control_filter only = {.ids = NULL};
    struct aion_err err;
    if (!check_release(request, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    if (hold == NULL || !may_touch(call, hold)) {
        aion_err_set(&err, __func__, AION_NOT_FOUND, "there is no hold \"%.64s\"",
                     request->hold_id);
        aion_err_reason(&err, "HOLD_NOT_FOUND");
        mesh_fail_with(call, &err);
        return;
    }
    if (request->filter != NULL &&
        !control_filter_read(request->filter, principal->tenant,
                             principal->role == MESH_ROLE_ADMIN, &only, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    if (!control_was_forwarded(call))
        tell_release(control, call, hold, request);
    release(call, hold, &only, request);
}

struct listing {
    struct control_round round;
    Aion__V1__ListHoldsReply reply;
};

static void list_heard(struct control_round *round, const struct mesh_result *result)
{
    struct listing *listing = aion_container(round, struct listing, round);
    const Aion__V1__ListHoldsReply *part = (const Aion__V1__ListHoldsReply *)result->reply;
    for (size_t i = 0; result->err == NULL && i < part->n_holds; i++)
        for (size_t k = 0; k < listing->reply.n_holds; k++)
            if (strcmp(listing->reply.holds[k]->hold_id, part->holds[i]->hold_id) == 0)
                add_reply(listing->reply.holds[k], part->holds[i]);
}

static void list_asked(struct control_round *round)
{
    struct listing *listing = aion_container(round, struct listing, round);
    aion_v1_aion_tasks_list_holds_reply(round->call, &listing->reply);
    free(listing);
}

/* rpc ListHolds. Inline. */
void control_list_holds(struct mesh_call *call, const Aion__V1__ListHoldsRequest *request)
{
    const struct control *control = mesh_service(call);
    struct aion_arena *arena = mesh_arena(call);
    struct listing *listing = calloc(1, sizeof(*listing));
    if (listing == NULL)
        abort();
    listing->round = (struct control_round){
        .call = call, .request = &request->base, .heard = list_heard, .done = list_asked};
    Aion__V1__ListHoldsReply *reply = &listing->reply;
    aion__v1__list_holds_reply__init(reply);
    reply->holds =
        aion_arena_array(arena, aion_list_count(&control->holds), sizeof(*reply->holds));
    aion_list_each (link, &control->holds) {
        const struct control_hold *hold = aion_container(link, struct control_hold, link);
        Aion__V1__Hold *message = aion_arena_alloc(arena, sizeof(*message));
        if (!may_touch(call, hold) || message == NULL || reply->holds == NULL)
            continue;
        fill_reply(hold, arena, message);
        reply->holds[reply->n_holds++] = message;
    }
    control_round(&listing->round);
}
