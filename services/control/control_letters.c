/* Dead letters: tasks whose every attempt failed. Listing them, and replaying them as new
 * tasks.
 *
 * A replay goes on by itself at the control that was asked: it walks the letters that match,
 * newest first, and has each replayed by the owner of its shard (control_letter.c), so many a
 * second, a bounded number under way. Who asks another control for it is told what that one
 * says. */
#include "base/clock.h"
#include "codec/message.h"
#include "control_private.h"

#include <stdlib.h>

enum {
    PAGE = 100,
    PAGE_ARENA = 64 << 20,
    AT_ONCE = 32,     /* letters under way, of one replay */
    RUNNING_MAX = 16, /* replays */
    KEPT_MAX = 100,   /* replays that can still be asked about */
    PER_SECOND = 10,  /* unless said */
    PER_SECOND_MAX = 10000,
};

/* -- which --------------------------------------------------------------------------- */
/* The module is in the decision alone. */
static void put_module(const struct store_task *stored, char module[64])
{
    struct aion_arena arena;
    char first[4096];
    module[0] = '\0';
    aion_arena_init(&arena, 131072, first, sizeof(first));
    const Aion__V1__Decision *decision = (const Aion__V1__Decision *)codec_unpack(
        &aion__v1__decision__schema, stored->decision.bytes, NULL, &arena, NULL);
    if (decision != NULL && decision->engine != NULL)
        aion_str_copy(module, 64, aion_str_of(decision->engine->module));
    aion_arena_done(&arena);
}

static bool fits(const struct control_filter *filter, const struct store_task *stored)
{
    char module[64];
    put_module(stored, module);
    struct control_subject subject = {.id = stored->id,
                                      .tenant = stored->tenant,
                                      .intent = stored->intent,
                                      .module = aion_str_of(module),
                                      .reason = stored->error.reason,
                                      .created_us = stored->created_us};
    return control_filter_fits(filter, &subject);
}

static void fill_list(const struct control_filter *filter, struct store_list *list)
{
    *list = (struct store_list){
        .tenant = aion_str_of(filter->tenant),
        .intent = aion_str_of(filter->intent),
        .states = 1u << TASK_DEAD,
        .unreplayed = true,
        .after = filter->after_us > 0 ? store_seq(filter->after_us, 0) - 1 : 0,
        .before = filter->before_us > 0 ? store_seq(filter->before_us, 0) : 0,
        .limit = PAGE,
    };
}

/* -- ListDeadLetters ------------------------------------------------------------------- */
struct listing {
    struct store_list list;
    struct control *control;
    struct mesh_call *call; /* held */
    struct control_filter filter;
    struct aion_arena arena;
};

static void listing_end(struct listing *listing, const struct aion_err *err)
{
    if (err != NULL)
        mesh_fail_with(listing->call, err);
    mesh_drop(listing->call);
    control_filter_free(&listing->filter);
    aion_arena_done(&listing->arena);
    free(listing);
}

/* False: they do not fit. None is left out: the next page begins behind all of them. */
static bool put_letters(struct listing *listing, Aion__V1__ListDeadLettersReply *reply)
{
    const struct store_list *list = &listing->list;
    reply->tasks = aion_arena_array(&listing->arena, list->count, sizeof(*reply->tasks));
    for (size_t i = 0; reply->tasks != NULL && i < list->count; i++) {
        if (!fits(&listing->filter, &list->tasks[i]))
            continue;
        Aion__V1__Task *task =
            control_reply_build(listing->control, &list->tasks[i], &listing->arena);
        if (task == NULL)
            return false;
        reply->tasks[reply->n_tasks++] = task;
    }
    return list->count == 0 || reply->tasks != NULL;
}

static void list_read(struct store_op *op, const struct aion_err *err)
{
    struct listing *listing = aion_container(op, struct listing, list.op);
    const struct store_list *list = &listing->list;
    Aion__V1__ListDeadLettersReply reply = AION__V1__LIST_DEAD_LETTERS_REPLY__INIT;
    char token[24];
    if (err != NULL) {
        listing_end(listing, err);
        return;
    }
    if (list->next != 0) {
        snprintf(token, sizeof(token), "%llu", (unsigned long long)list->next);
        reply.next_page_token = token;
    }
    if (put_letters(listing, &reply))
        aion_v1_aion_tasks_list_dead_letters_reply(listing->call, &reply);
    else
        mesh_fail(listing->call, AION_EXHAUSTED,
                  "the page does not fit in an answer: ask for fewer tasks");
    listing_end(listing, NULL);
}

static bool read_page(const Aion__V1__Page *page, struct store_list *list, struct aion_err *err)
{
    if (page == NULL)
        return true;
    if (page->size > 1000) {
        aion_err_set(err, __func__, AION_INVALID, "page.size is %u: give 1 to 1000",
                     page->size);
        aion_err_field(err, "page.size");
        return false;
    }
    list->limit = page->size > 0 ? page->size : 50;
    if (page->token[0] == '\0' || aion_str_u64(aion_str_of(page->token), &list->before))
        return true;
    aion_err_set(err, __func__, AION_INVALID,
                 "page.token is not one that a page before has given");
    aion_err_field(err, "page.token");
    return false;
}

static bool read_filter(const struct mesh_call *call, const Aion__V1__TaskFilter *from,
                        struct control_filter *filter, struct aion_err *err)
{
    const struct mesh_principal *principal = mesh_principal(call);
    return control_filter_read(from, principal->tenant, principal->role == MESH_ROLE_ADMIN,
                               filter, err);
}

/* rpc ListDeadLetters. Inline. */
void control_list_dead_letters(struct mesh_call *call,
                               const Aion__V1__ListDeadLettersRequest *request)
{
    struct aion_err err;
    struct control_filter filter;
    if (!read_filter(call, request->filter, &filter, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct listing *listing = calloc(1, sizeof(*listing));
    if (listing == NULL)
        abort();
    listing->control = mesh_service(call);
    listing->call = mesh_hold(call);
    listing->filter = filter;
    aion_arena_init(&listing->arena, PAGE_ARENA, NULL, 0);
    fill_list(&listing->filter, &listing->list);
    listing->list.op = (struct store_op){.done = list_read, .arena = &listing->arena};
    if (!read_page(request->page, &listing->list, &err) ||
        !store_list(listing->control->store, &listing->list, &err))
        listing_end(listing, &err);
}

/* -- replays --------------------------------------------------------------------------- */
struct control_replay {
    struct aion_link link; /* in control->replays, oldest first */
    struct control *control;
    char id[AION_UUID_TEXT];
    char tenant[65]; /* of who asked; empty = an admin */
    struct control_filter filter;
    char preferred[65];
    uint32_t per_second;
    uint64_t count_max, matched, replayed, refused;
    struct control_error error;
    bool dry, stopping, ended;
    struct mesh_call *call; /* held: a dry run's */

    struct store_list list;
    struct aion_arena arena; /* of the page */
    bool reading, last_page;
    size_t next;      /* of the page, or of filter.ids */
    unsigned running; /* letters under way */
    struct mesh_timer timer;
};

/* One of its letters. */
struct part {
    struct control_letter letter;
    struct control_replay *replay;
};

static void replay_go(struct control_replay *replay);

static void replay_free(struct control_replay *replay)
{
    mesh_timer_cancel(replay->control->loop, &replay->timer);
    aion_list_remove(&replay->link);
    control_filter_free(&replay->filter);
    aion_arena_done(&replay->arena);
    free(replay);
}

static void fill_reply(const struct control_replay *replay, struct aion_arena *arena,
                       Aion__V1__Replay *reply)
{
    struct store_error error = {replay->error.code, aion_str_of(replay->error.reason),
                                aion_str_of(replay->error.message)};
    aion__v1__replay__init(reply);
    if (!replay->dry)
        reply->replay_id = (char *)(uintptr_t)replay->id;
    reply->matched = replay->matched;
    reply->replayed = replay->replayed;
    reply->refused = replay->refused;
    reply->running = !replay->ended;
    reply->error = control_task_error(arena, &error);
}

static void answer(struct mesh_call *call, const struct control_replay *replay)
{
    Aion__V1__Replay reply;
    fill_reply(replay, mesh_arena(call), &reply);
    mesh_reply(call, &reply.base);
}

static void replay_end(struct control_replay *replay)
{
    replay->ended = true;
    mesh_timer_cancel(replay->control->loop, &replay->timer);
    aion_arena_reset(&replay->arena);
    if (replay->call == NULL)
        return;
    struct mesh_call *call = replay->call;
    answer(call, replay);
    replay_free(replay);
    mesh_drop(call);
}

/* -- one letter ------------------------------------------------------------------------ */
static bool fits_part(struct control_letter *letter, const struct store_task *dead)
{
    return fits(&aion_container(letter, struct part, letter)->replay->filter, dead);
}

static void part_over(struct control_letter *letter, const struct aion_err *err)
{
    struct part *part = aion_container(letter, struct part, letter);
    struct control_replay *replay = part->replay;
    if (err == NULL) {
        replay->replayed++;
    } else {
        replay->refused++;
        control_error_set(&replay->error, (int32_t)err->code, aion_str_of(err->reason),
                          aion_str_of(err->text));
    }
    free(part);
    replay->running--;
    replay_go(replay);
}

static bool begin_part(struct control_replay *replay, const struct aion_uuid *id)
{
    struct part *part = calloc(1, sizeof(*part));
    if (part == NULL)
        return false;
    part->replay = replay;
    part->letter = (struct control_letter){.control = replay->control,
                                           .id = *id,
                                           .tenant = aion_str_of(replay->filter.tenant),
                                           .preferred = replay->preferred,
                                           .fits = fits_part,
                                           .over = part_over};
    replay->running++;
    if (control_letter_replay(&part->letter))
        return true;
    replay->running--;
    free(part);
    return false;
}

/* -- the walk -------------------------------------------------------------------------- */
static void page_read(struct store_op *op, const struct aion_err *err)
{
    struct control_replay *replay = aion_container(op, struct control_replay, list.op);
    replay->reading = false;
    replay->next = 0;
    if (err != NULL) {
        replay->list.count = 0;
        control_error_set(&replay->error, (int32_t)err->code, aion_str_of(err->reason),
                          aion_str_of(err->text));
        replay->stopping = true;
    }
    replay->last_page = replay->list.next == 0;
    replay_go(replay);
}

static void read_next_page(struct control_replay *replay)
{
    uint64_t before = replay->list.next;
    struct aion_err err;
    aion_arena_reset(&replay->arena);
    fill_list(&replay->filter, &replay->list);
    if (before != 0)
        replay->list.before = before;
    replay->list.op = (struct store_op){.done = page_read, .arena = &replay->arena};
    replay->reading = true;
    if (!store_list(replay->control->store, &replay->list, &err))
        page_read(&replay->list.op, &err);
}

/* The next letter that matches, NULL: none on this page. */
static const struct aion_uuid *next_letter(struct control_replay *replay)
{
    if (replay->filter.id_count > 0)
        return replay->next < replay->filter.id_count ? &replay->filter.ids[replay->next++]
                                                      : NULL;
    while (replay->next < replay->list.count) {
        const struct store_task *stored = &replay->list.tasks[replay->next++];
        if (fits(&replay->filter, stored))
            return &stored->id;
    }
    return NULL;
}

static bool is_over(const struct control_replay *replay)
{
    return replay->stopping || (replay->count_max > 0 && replay->matched >= replay->count_max);
}

static bool has_more_pages(const struct control_replay *replay)
{
    return replay->filter.id_count == 0 && !replay->last_page;
}

/* False: nothing more can be begun now. */
static bool begin_next(struct control_replay *replay)
{
    const struct aion_uuid *id = is_over(replay) ? NULL : next_letter(replay);
    if (id != NULL) {
        replay->matched++;
        if (replay->dry)
            return true;
        if (begin_part(replay, id))
            return false; /* the next when its time has come */
        replay->matched--;
        replay->next--;
        return false;
    }
    if (!is_over(replay) && has_more_pages(replay)) {
        read_next_page(replay);
        return false;
    }
    if (replay->running == 0)
        replay_end(replay);
    return false;
}

static void tick(struct mesh_timer *timer)
{
    struct control_replay *replay = aion_container(timer, struct control_replay, timer);
    if (replay->reading || replay->running >= AT_ONCE)
        return; /* who ends goes on */
    while (begin_next(replay)) {
    }
}

static void replay_go(struct control_replay *replay)
{
    if (replay->ended)
        return;
    int64_t wait_us = replay->dry || is_over(replay) ? 0 : 1000000 / replay->per_second;
    mesh_timer_set(replay->control->loop, &replay->timer,
                   mesh_loop_now(replay->control->loop) + wait_us);
}

/* -- the calls ------------------------------------------------------------------------- */
static bool check(const struct control *control,
                  const Aion__V1__ReplayDeadLettersRequest *request, struct aion_err *err)
{
    size_t running = 0;
    aion_list_each (link, &control->replays)
        running += !aion_container(link, struct control_replay, link)->ended;
    if (running >= RUNNING_MAX)
        return aion_fail(err, AION_EXHAUSTED, "%d replays run already: stop one",
                         (int)RUNNING_MAX);
    if (request->per_second > PER_SECOND_MAX) {
        aion_err_set(err, __func__, AION_INVALID, "per_second is %u: give at most %d",
                     request->per_second, (int)PER_SECOND_MAX);
        aion_err_field(err, "per_second");
        return false;
    }
    if (request->filter == NULL) {
        aion_err_set(err, __func__, AION_INVALID,
                     "filter is missing: name the letters, or set filter.all");
        aion_err_field(err, "filter");
        return false;
    }
    return true;
}

static void forget_old(struct control *control)
{
    size_t count = aion_list_count(&control->replays);
    aion_list_each_safe (link, &control->replays) {
        struct control_replay *replay = aion_container(link, struct control_replay, link);
        if (count < KEPT_MAX)
            return;
        if (!replay->ended)
            continue;
        replay_free(replay);
        count--;
    }
}

static void tell(struct mesh_call *call, const char *target, const char *detail,
                 const char *reason)
{
    struct control_deed deed = control_deed_of(call);
    deed.target = aion_str_of(target);
    deed.detail = aion_str_of(detail);
    deed.reason = aion_str_of(reason);
    control_audit_note(mesh_service(call), &deed, "done");
}

/* rpc ReplayDeadLetters. Inline. */
void control_replay_dead_letters(struct mesh_call *call,
                                 const Aion__V1__ReplayDeadLettersRequest *request)
{
    struct control *control = mesh_service(call);
    struct aion_err err;
    struct control_filter filter;
    if (!check(control, request, &err) || !read_filter(call, request->filter, &filter, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct control_replay *replay = calloc(1, sizeof(*replay));
    if (replay == NULL)
        abort();
    struct aion_uuid id = aion_uuid_new();
    forget_old(control);
    aion_uuid_text(&id, replay->id);
    replay->control = control;
    replay->filter = filter;
    replay->dry = request->dry_run;
    replay->per_second = request->per_second > 0 ? request->per_second : PER_SECOND;
    replay->count_max = request->count_max;
    replay->timer.fire = tick;
    aion_arena_init(&replay->arena, PAGE_ARENA, NULL, 0);
    aion_str_copy(replay->preferred, sizeof(replay->preferred),
                  aion_str_of(request->preferred_engine));
    if (mesh_principal(call)->role != MESH_ROLE_ADMIN)
        aion_str_copy(replay->tenant, sizeof(replay->tenant), mesh_principal(call)->tenant);
    aion_list_add_last(&control->replays, &replay->link);
    tell(call, "deadletters", replay->dry ? "dry run" : replay->id, request->reason);
    if (replay->dry)
        replay->call = mesh_hold(call);
    else
        answer(call, replay);
    mesh_timer_set(control->loop, &replay->timer, mesh_loop_now(control->loop));
}

/* -- a replay that is not here --------------------------------------------------------- */
struct asking {
    struct control_round round;
    struct aion_err err;
};

static void others_heard(struct control_round *round, const struct mesh_result *result)
{
    round->enough = result->err == NULL;
    if (round->enough)
        mesh_reply(round->call, result->reply);
}

static void others_asked(struct control_round *round)
{
    struct asking *asking = aion_container(round, struct asking, round);
    if (!round->enough)
        mesh_fail_with(round->call, &asking->err);
    free(asking);
}

static void ask_others(struct mesh_call *call, const Aion__V1__GetReplayRequest *request)
{
    struct asking *asking = calloc(1, sizeof(*asking));
    if (asking == NULL)
        abort();
    aion_err_set(&asking->err, __func__, AION_NOT_FOUND,
                 "there is no replay \"%.64s\" since its control started", request->replay_id);
    aion_err_reason(&asking->err, "REPLAY_NOT_FOUND");
    asking->round = (struct control_round){
        .call = call, .request = &request->base, .heard = others_heard, .done = others_asked};
    control_round(&asking->round);
}

/* rpc GetReplay. Inline. */
void control_get_replay(struct mesh_call *call, const Aion__V1__GetReplayRequest *request)
{
    struct control *control = mesh_service(call);
    const struct mesh_principal *principal = mesh_principal(call);
    aion_list_each (link, &control->replays) {
        struct control_replay *replay = aion_container(link, struct control_replay, link);
        if (strcmp(replay->id, request->replay_id) != 0 || replay->dry ||
            (principal->role != MESH_ROLE_ADMIN &&
             !aion_str_is(principal->tenant, replay->tenant)))
            continue;
        if (request->stop && !replay->stopping) {
            replay->stopping = true;
            tell(call, "deadletters", replay->id, "stopped");
            replay_go(replay);
        }
        answer(call, replay);
        return;
    }
    ask_others(call, request);
}

void control_replays_done(struct control *control)
{
    control_letters_done(control);
    aion_list_each_safe (link, &control->replays) {
        struct control_replay *replay = aion_container(link, struct control_replay, link);
        if (replay->call != NULL)
            mesh_drop(replay->call);
        replay_free(replay);
    }
}
