#include "control_letter.h"

#include "base/clock.h"
#include "codec/message.h"
#include "control_private.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LETTER_ARENA = 16 << 20,
    TRIES_MAX = 50,
    AGAIN_US = 200000,
    ASK_US = 10000000, /* of the owner */
};

/* -- ends ------------------------------------------------------------------------------ */
static void over(struct control_letter *letter, const struct aion_err *err)
{
    struct aion_err own;
    if (err != NULL)
        own = *err;
    aion_arena_done(&letter->arena);
    letter->over(letter, err != NULL ? &own : NULL);
}

static void try_again(struct mesh_timer *timer)
{
    struct control_letter *letter = aion_container(timer, struct control_letter, again);
    aion_list_remove(&letter->waits);
    aion_arena_done(&letter->arena);
    if (!control_letter_replay(letter)) {
        struct aion_err err;
        aion_err_set(&err, __func__, AION_UNAVAILABLE, "the store is busy");
        aion_arena_init(&letter->arena, LETTER_ARENA, NULL, 0);
        over(letter, &err);
    }
}

/* Its shard is moving: a little later it is somebody's. */
static void refuse(struct control_letter *letter, const struct aion_err *err)
{
    struct mesh_loop *loop = letter->control->loop;
    bool moving = strcmp(err->reason, "SHARD_ELSEWHERE") == 0;
    if (!moving || letter->control->draining || letter->tries++ >= TRIES_MAX) {
        over(letter, err);
        return;
    }
    aion_list_add_last(&letter->control->letters, &letter->waits);
    letter->again.fire = try_again;
    mesh_timer_set(loop, &letter->again, mesh_loop_now(loop) + AGAIN_US);
}

void control_letters_done(struct control *control)
{
    struct aion_link *link;
    struct aion_err err;
    control_shard_elsewhere(&err);
    while ((link = aion_list_first(&control->letters)) != NULL) {
        struct control_letter *letter = aion_container(link, struct control_letter, waits);
        aion_list_remove(link);
        mesh_timer_cancel(control->loop, &letter->again);
        over(letter, &err);
    }
}

static void moving(struct control_letter *letter)
{
    struct aion_err err;
    control_shard_elsewhere(&err);
    refuse(letter, &err);
}

/* -- here ------------------------------------------------------------------------------ */
static void marked(struct store_op *op, const struct aion_err *err)
{
    struct control_letter *letter = aion_container(op, struct control_letter, mark.write.op);
    const struct store_write *write = &letter->mark.write;
    if (err != NULL) {
        refuse(letter, err); /* its key keeps a second replay from making a second task */
    } else if (write->outcome == STORE_FENCED) {
        control_shard_fenced(letter->control, write->seq, write->epoch);
        moving(letter);
    } else {
        control_events_wrote(letter->control, write);
        over(letter, NULL);
    }
}

static void write_mark(struct control_letter *letter)
{
    struct control *control = letter->control;
    const struct store_task *dead = &letter->read.task;
    struct aion_err err;
    aion_uuid_text(&letter->as, letter->as_text);
    letter->event = (struct store_outbox){.sequence = control_shard_event(control),
                                          .id = dead->id,
                                          .tenant = dead->tenant,
                                          .intent = dead->intent,
                                          .kinds = STORE_EVENT_REPLAYED,
                                          .state = STORE_DEAD,
                                          .at_us = aion_clock_utc_us(),
                                          .note = aion_str_of(letter->as_text)};
    letter->mark =
        (struct store_mark){.write = {.op.done = marked,
                                      .seq = dead->seq,
                                      .epoch = control_shard_epoch(control, dead->seq),
                                      .event = &letter->event},
                            .number = dead->marks + 1,
                            .kind = STORE_MARK_REPLAYED,
                            .at_us = letter->event.at_us,
                            .other = letter->as,
                            .note = aion_str_of(letter->as_text)};
    if (!store_mark(control->store, &letter->mark, &err))
        refuse(letter, &err);
}

static void ordered(struct control_order *order, const struct control_answer *answer)
{
    struct control_letter *letter = aion_container(order, struct control_letter, order);
    letter->refused = answer->task == NULL;
    if (letter->refused)
        letter->err = *answer->err;
    else
        letter->as = answer->task->id;
}

/* To be marked, now that the order needs its memory no more. */
static void order_gone(struct control_order *order)
{
    struct control_letter *letter = aion_container(order, struct control_letter, order);
    if (letter->refused)
        refuse(letter, &letter->err);
    else
        write_mark(letter);
}

/* The request as it was, from what control kept of it. */
static bool fill_request(struct control_letter *letter)
{
    const struct store_task *dead = &letter->read.task;
    Aion__V1__TaskRequest *request = &letter->request;
    const Aion__V1__HostCommand__Execute *body =
        (const Aion__V1__HostCommand__Execute *)codec_unpack(
            &aion__v1__host_command__execute__schema, dead->body, NULL, &letter->arena, NULL);
    const Aion__V1__TaskMeta *meta = (const Aion__V1__TaskMeta *)codec_unpack(
        &aion__v1__task_meta__schema, dead->meta, NULL, &letter->arena, NULL);
    aion__v1__task_request__init(request);
    if (body == NULL || (meta == NULL && dead->meta.size > 0))
        return false;
    request->intent = body->intent;
    request->params = body->params;
    request->input = body->input;
    request->content_type = body->content_type;
    request->priority = (Aion__V1__Priority)dead->priority;
    if (meta != NULL) {
        request->sla = meta->sla;
        request->preferred_engine = meta->preferred_engine;
        request->n_metadata = meta->n_metadata;
        request->metadata = (Aion__V1__TaskRequest__MetadataEntry **)meta->metadata;
    }
    if (letter->preferred[0] != '\0')
        request->preferred_engine = (char *)(uintptr_t)letter->preferred;
    snprintf(letter->key, sizeof(letter->key), "replay-%s", letter->id_text);
    request->_idempotency_key_case = AION__V1__TASK_REQUEST___IDEMPOTENCY_KEY_IDEMPOTENCY_KEY;
    request->idempotency_key = letter->key;
    return true;
}

/* In the letter's own shard, so that its owner does it all. */
static void place(struct control_letter *letter)
{
    letter->order = (struct control_order){
        .control = letter->control,
        .request = &letter->request,
        .tenant = letter->read.task.tenant,
        .key_id = letter->read.task.key_id,
        .replay_of = letter->id_text,
        .beside = &letter->id,
        .done = ordered,
        .free = order_gone,
    };
    control_order_place(&letter->order);
}

/* -- by another control ---------------------------------------------------------------- */
static void answered(void *user, const struct mesh_result *result)
{
    struct control_letter *letter = user;
    const Aion__V1__ReplayLetterReply *reply =
        (const Aion__V1__ReplayLetterReply *)result->reply;
    if (result->err != NULL && result->err->code == AION_UNAVAILABLE)
        moving(letter);
    else if (result->err != NULL)
        refuse(letter, result->err);
    else if (!aion_uuid_parse(aion_str_of(reply->task_id), &letter->as))
        moving(letter);
    else
        over(letter, NULL);
}

static void ask_owner(struct control_letter *letter, struct mesh_channel *owner)
{
    Aion__V1__ReplayLetterRequest request = AION__V1__REPLAY_LETTER_REQUEST__INIT;
    struct mesh_rpc_opts opts = {.timeout_us = ASK_US};
    request.task_id = letter->id_text;
    request.preferred_engine = (char *)(uintptr_t)letter->preferred;
    aion_v1_state_replay_letter_call(owner, &request, &opts, answered, letter);
}

/* -- the beginning --------------------------------------------------------------------- */
static void not_dead(struct control_letter *letter)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_PRECONDITION,
                 "task %s is no dead letter of yours, or was replayed already",
                 letter->id_text);
    aion_err_reason(&err, "NO_DEAD_LETTER");
    refuse(letter, &err);
}

static void letter_read(struct store_op *op, const struct aion_err *err)
{
    struct control_letter *letter = aion_container(op, struct control_letter, read.op);
    const struct store_task *dead = &letter->read.task;
    unsigned shard = control_shard_of(&letter->id);
    struct mesh_channel *owner;
    if (err != NULL)
        refuse(letter, err);
    else if (!letter->read.found || dead->state != STORE_DEAD || dead->replayed ||
             (letter->fits != NULL && !letter->fits(letter, dead)) || !fill_request(letter))
        not_dead(letter);
    else if (control_shard_acts(letter->control, shard))
        place(letter);
    else if ((owner = control_cluster_owner(letter->control, shard)) != NULL)
        ask_owner(letter, owner);
    else
        moving(letter);
}

bool control_letter_replay(struct control_letter *letter)
{
    aion_arena_init(&letter->arena, LETTER_ARENA, NULL, 0);
    aion_uuid_text(&letter->id, letter->id_text);
    letter->read =
        (struct store_task_read){.op = {.done = letter_read, .arena = &letter->arena},
                                 .tenant = letter->tenant,
                                 .id = letter->id,
                                 .with_body = true};
    if (store_task_read(letter->control->store, &letter->read, NULL))
        return true;
    aion_arena_done(&letter->arena);
    return false;
}

/* -- rpc ReplayLetter ------------------------------------------------------------------ */
struct errand {
    struct control_letter letter;
    struct mesh_call *call; /* held: the request's texts live as long */
};

static void errand_over(struct control_letter *letter, const struct aion_err *err)
{
    struct errand *errand = aion_container(letter, struct errand, letter);
    Aion__V1__ReplayLetterReply reply = AION__V1__REPLAY_LETTER_REPLY__INIT;
    char text[AION_UUID_TEXT];
    aion_uuid_text(&letter->as, text);
    reply.task_id = text;
    if (err != NULL)
        mesh_fail_with(errand->call, err);
    else
        aion_v1_state_replay_letter_reply(errand->call, &reply);
    mesh_drop(errand->call);
    free(errand);
}

/* rpc ReplayLetter: of a shard of ours, for another control. Inline. */
void control_state_replay_letter(struct mesh_call *call,
                                 const Aion__V1__ReplayLetterRequest *request)
{
    struct control *control = mesh_service(call);
    struct aion_uuid id;
    struct aion_err err;
    if (!control_state_caller(call, "control") || !control_task_id(call, request->task_id, &id))
        return;
    control_shard_elsewhere(&err);
    struct errand *errand =
        control_shard_acts(control, control_shard_of(&id)) ? calloc(1, sizeof(*errand)) : NULL;
    if (errand == NULL) {
        mesh_fail_with(call, &err);
        return;
    }
    errand->call = mesh_hold(call);
    errand->letter = (struct control_letter){.control = control,
                                             .id = id,
                                             .preferred = request->preferred_engine,
                                             .tries = TRIES_MAX, /* the other one tries again */
                                             .over = errand_over};
    if (!control_letter_replay(&errand->letter)) {
        mesh_fail_with(call, &err);
        mesh_drop(call);
        free(errand);
    }
}
