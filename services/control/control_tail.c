/* rpc WatchTasks; see control_tail.h. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

enum {
    TAILS_MAX = 1024,
    PAGE_ROWS = 500,
    PAGE_BYTES = 256 << 10, /* of payloads, which are decisions: nobody is told them here */
    ARENA_MAX = 16 << 20,
    QUEUE_BYTES_MAX = 256 << 10, /* beside what the mesh queues for the call */
    ELSEWHERE_US = 500000,       /* between reads of other controls' events */
    KIND_BITS = 4,               /* of a sequence: a row of the outbox holds several events */
};
#define PAST_US_MAX (INT64_C(86400) * 1000000)
#define SKEW_US     (INT64_C(60) * 1000000) /* of a caller's clock */

enum phase {
    TAIL_READS, /* the past */
    TAIL_JOINS, /* what is committed is kept, until a read has shown what was before */
    TAIL_LIVE,
};

struct tail {
    struct aion_link link;
    struct control *control;
    struct mesh_call *call;
    enum phase phase;
    bool full; /* until `writable` */
    bool gone; /* and to be freed when the read is done */

    char tenant[65], intent[65]; /* empty = any */
    uint32_t states;             /* bits; 0 = any */
    int64_t since_us;

    uint64_t shards;              /* whose events it hears when they are committed */
    uint64_t moves;               /* of shards, when it was set */
    uint64_t after[STORE_SHARDS]; /* sequences: what it has heard */
    struct mesh_timer elsewhere;  /* reads those of the others */

    struct store_events_read read;
    struct aion_arena arena; /* of the page */
    size_t at;               /* the page's next row */
    bool reading;
    struct aion_buf queue; /* packed events behind their places */
};

/* Where an event in the queue stands; its bytes follow. */
struct place {
    uint64_t sequence;
    uint32_t shard, size;
};

/* Shards have moved, one perhaps away and back: what was told of it meanwhile comes first, by
 * pages. What was heard is known by its place. */
static void notice_moves(struct tail *tail)
{
    if (tail->moves != tail->control->shards.moves)
        tail->phase = TAIL_READS;
}

/* -- ends --------------------------------------------------------------------------- */
static void free_tail(struct tail *tail)
{
    aion_arena_done(&tail->arena);
    aion_buf_done(&tail->queue);
    free(tail);
}

static void leave(struct tail *tail)
{
    mesh_timer_cancel(tail->control->loop, &tail->elsewhere);
    mesh_set_user(tail->call, NULL);
    aion_list_remove(&tail->link);
    tail->control->tails.count--;
    tail->gone = true;
    if (!tail->reading)
        free_tail(tail);
}

static void end(struct tail *tail, const struct aion_err *err)
{
    struct mesh_call *call = tail->call;
    leave(tail);
    mesh_fail_with(call, err);
}

static void end_slow(struct tail *tail)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_EXHAUSTED,
                 "the reader is too slow: %d KiB of events wait for it; begin anew from a "
                 "second before the last one",
                 (int)QUEUE_BYTES_MAX >> 10);
    aion_err_reason(&err, "READER_TOO_SLOW");
    end(tail, &err);
}

/* -- an event as a message ---------------------------------------------------------- */
static void stamp(Google__Protobuf__Timestamp *at, int64_t utc_us)
{
    google__protobuf__timestamp__init(at);
    at->seconds = utc_us / 1000000;
    at->nanos = (int32_t)(utc_us % 1000000) * 1000;
}

static char *text_of(struct aion_arena *arena, aion_str value)
{
    static char empty[] = "";
    char *text = value.size > 0 ? aion_arena_text(arena, value) : empty;
    return text != NULL ? text : empty;
}

/* One thing of those that a row tells, into the scratch. A start has its own time and place: it
 * may be told with the end. */
static aion_str pack(struct control *control, const struct store_outbox *event, unsigned kind)
{
    Aion__V1__TaskEvent message = AION__V1__TASK_EVENT__INIT;
    Google__Protobuf__Timestamp at;
    struct aion_arena arena;
    char first[1024], id[AION_UUID_TEXT];
    bool started = kind == STORE_EVENT_STARTED && event->started_us != 0;
    aion_arena_init(&arena, 65536, first, sizeof(first));
    aion_uuid_text(&event->id, id);
    stamp(&at, started ? event->started_us : event->at_us);
    message.sequence =
        event->sequence << KIND_BITS | (unsigned)__builtin_ctz(kind); /* bits are in order */
    message.task_id = id;
    message.kind = text_of(&arena, aion_str_of(control_event_name(kind, &message.state)));
    message.at = &at;
    message.attempt = event->attempt;
    message.note = text_of(&arena, started ? event->host : event->note);
    message.tenant = text_of(&arena, event->tenant);
    message.intent = text_of(&arena, event->intent);
    size_t size = protobuf_c_message_get_packed_size(&message.base);
    aion_buf_reset(&control->scratch);
    char *room = aion_buf_reserve(&control->scratch, size);
    if (room == NULL)
        abort(); /* less than a row, which fitted */
    protobuf_c_message_pack(&message.base, (uint8_t *)room);
    aion_arena_done(&arena);
    return aion_str_n(room, size);
}

/* -- giving it ---------------------------------------------------------------------- */
static bool is_or_any(const char *wanted, aion_str value)
{
    return wanted[0] == '\0' || aion_str_is(value, wanted);
}

static bool fits(const struct tail *tail, const struct store_outbox *event)
{
    return is_or_any(tail->tenant, event->tenant) && is_or_any(tail->intent, event->intent);
}

static bool fits_state(const struct tail *tail, unsigned kind)
{
    Aion__V1__TaskState state;
    control_event_name(kind, &state);
    return tail->states == 0 || (tail->states >> (unsigned)state & 1) != 0;
}

static void send(struct tail *tail, aion_str wire)
{
    if (mesh_send_packed(tail->call, wire) == MESH_FULL)
        tail->full = true;
}

static bool keep(struct tail *tail, const struct store_outbox *event, unsigned shard,
                 aion_str wire)
{
    struct place place = {event->sequence, shard, (uint32_t)wire.size};
    return aion_buf_str(&tail->queue, aion_str_n(&place, sizeof(place))) &&
           aion_buf_str(&tail->queue, wire);
}

/* Whatever of the row was asked for: on its way, or kept. False: there is no room for it. */
static bool give(struct tail *tail, const struct store_outbox *event, unsigned shard,
                 bool at_once)
{
    for (uint32_t kinds = event->kinds; kinds != 0; kinds &= kinds - 1) {
        unsigned kind = kinds & -kinds;
        if (kind > STORE_EVENT_REPLAYED || !fits_state(tail, kind))
            continue;
        aion_str wire = pack(tail->control, event, kind);
        if (at_once || (tail->phase == TAIL_LIVE && !tail->full))
            send(tail, wire);
        else if (!keep(tail, event, shard, wire))
            return false;
    }
    return true;
}

static struct place place_at(const struct tail *tail, size_t at)
{
    struct place place;
    memcpy(&place, tail->queue.data + at, sizeof(place));
    return place;
}

/* What was kept, as far as there is room. */
static void send_kept(struct tail *tail)
{
    size_t at = 0;
    while (at < tail->queue.size && !tail->full) {
        struct place place = place_at(tail, at);
        at += sizeof(place) + place.size;
        tail->after[place.shard] = place.sequence;
        send(tail, aion_str_n(tail->queue.data + at - place.size, place.size));
    }
    if (at == 0)
        return;
    memmove(tail->queue.data, tail->queue.data + at, tail->queue.size - at);
    tail->queue.size -= at;
}

/* Without what the pages have shown. */
static void drop_shown(struct tail *tail)
{
    size_t at = 0, kept = 0;
    while (at < tail->queue.size) {
        struct place place = place_at(tail, at);
        size_t size = sizeof(place) + place.size;
        if (place.sequence > tail->after[place.shard]) {
            memmove(tail->queue.data + kept, tail->queue.data + at, size);
            kept += size;
        }
        at += size;
    }
    tail->queue.size = kept;
}

/* -- pages from the store ----------------------------------------------------------- */
static void pump(struct tail *tail);

static void page_read(struct store_op *op, const struct aion_err *err)
{
    struct tail *tail = aion_container(op, struct tail, read.op);
    tail->reading = false;
    tail->at = 0;
    if (tail->gone)
        free_tail(tail);
    else if (err != NULL)
        end(tail, err);
    else
        pump(tail);
}

static void read_page(struct tail *tail)
{
    struct aion_err err;
    aion_arena_reset(&tail->arena);
    tail->read = (struct store_events_read){
        .op = {.done = page_read, .arena = &tail->arena},
        .shards = tail->phase == TAIL_LIVE ? ~tail->shards : STORE_ALL_SHARDS,
        .from_us = tail->since_us,
        .limit = PAGE_ROWS,
        .bytes_max = PAGE_BYTES,
    };
    memcpy(tail->read.after, tail->after, sizeof(tail->after));
    tail->reading = store_events_read(tail->control->store, &tail->read, &err);
    if (!tail->reading)
        end(tail, &err);
}

static void look_elsewhere(struct mesh_timer *timer)
{
    struct tail *tail = aion_container(timer, struct tail, elsewhere);
    notice_moves(tail);
    if (tail->phase == TAIL_LIVE && tail->shards == STORE_ALL_SHARDS)
        mesh_timer_set(tail->control->loop, timer,
                       mesh_loop_now(tail->control->loop) + ELSEWHERE_US);
    else
        read_page(tail);
}

static void go_live(struct tail *tail)
{
    struct control *control = tail->control;
    tail->phase = TAIL_LIVE;
    tail->elsewhere.fire = look_elsewhere;
    if (store_info(control->store).shared)
        mesh_timer_set(control->loop, &tail->elsewhere,
                       mesh_loop_now(control->loop) + ELSEWHERE_US);
    send_kept(tail);
}

static void hear_ours(struct tail *tail)
{
    tail->shards = tail->control->shards.book.mine;
    tail->moves = tail->control->shards.moves;
}

static void page_ended(struct tail *tail)
{
    if (tail->read.more) {
        read_page(tail);
    } else if (tail->phase == TAIL_READS) {
        tail->phase = TAIL_JOINS;
        hear_ours(tail);
        read_page(tail);
    } else {
        if (tail->phase == TAIL_JOINS)
            drop_shown(tail);
        go_live(tail);
    }
}

/* A row of a page, in the order of its shard. */
static void take(struct tail *tail, const struct store_outbox *event)
{
    unsigned shard = store_seq_shard(event->seq);
    tail->after[shard] = event->sequence;
    if (event->at_us >= tail->since_us && fits(tail, event))
        give(tail, event, shard, true);
}

/* Gives on with the page while there is room, then goes on. */
static void pump(struct tail *tail)
{
    while (tail->at < tail->read.count && !tail->full)
        take(tail, &tail->read.events[tail->at++]);
    if (tail->at == tail->read.count)
        page_ended(tail);
}

/* -- what happens ------------------------------------------------------------------- */
static void hear(struct tail *tail, const struct store_outbox *event, unsigned shard)
{
    notice_moves(tail);
    if (tail->phase == TAIL_READS || (tail->shards >> shard & 1) == 0)
        return; /* a page will show it */
    if (fits(tail, event) && !give(tail, event, shard, false)) {
        if (tail->phase == TAIL_LIVE) {
            end_slow(tail);
            return;
        }
        aion_buf_reset(&tail->queue);
        tail->phase = TAIL_READS;
        return;
    }
    if (tail->phase == TAIL_LIVE && tail->queue.size == 0)
        tail->after[shard] = event->sequence;
}

void control_tails_told(struct control *control, const struct store_outbox *event,
                        unsigned shard)
{
    aion_list_each_safe (link, &control->tails.open) {
        hear(aion_container(link, struct tail, link), event, shard);
    }
}

/* -- the call ----------------------------------------------------------------------- */
static bool bad(struct aion_err *err, const char *field, const char *text)
{
    aion_err_set(err, __func__, AION_INVALID, "%s", text);
    aion_err_field(err, "%s", field);
    return false;
}

static bool take_states(struct tail *tail, const Aion__V1__WatchTasksRequest *request,
                        struct aion_err *err)
{
    for (size_t i = 0; i < request->n_states; i++) {
        int state = (int)request->states[i];
        if (state < 1 || state >= (int)TASK_STATES)
            return bad(err, "states", "states holds what is no state of a task");
        tail->states |= (uint32_t)1 << state;
    }
    return true;
}

static bool take_since(struct tail *tail, const Google__Protobuf__Timestamp *since,
                       struct aion_err *err)
{
    int64_t now_us = aion_clock_utc_us();
    tail->phase = since != NULL ? TAIL_READS : TAIL_LIVE;
    tail->since_us = now_us;
    if (since == NULL)
        return true;
    if (since->seconds < now_us / 1000000 - (PAST_US_MAX + SKEW_US) / 1000000)
        return bad(err, "since", "since is more than 24 h ago: events are not kept longer");
    if (since->seconds <= now_us / 1000000)
        tail->since_us = since->seconds * 1000000 + since->nanos / 1000;
    return true;
}

static bool take_whose(struct tail *tail, const Aion__V1__WatchTasksRequest *request,
                       struct aion_err *err)
{
    const struct mesh_principal *principal = mesh_principal(tail->call);
    aion_str wanted = aion_str_of(request->tenant), own = principal->tenant;
    bool other = wanted.size > 0 && !aion_str_eq(wanted, own);
    if (other && principal->role != MESH_ROLE_ADMIN)
        return aion_fail(err, AION_DENIED, "only an admin may watch another tenant's tasks");
    if (other && aion_str_is(wanted, "*"))
        wanted = (aion_str){0};
    else if (!other)
        wanted = own;
    return (aion_str_copy(tail->tenant, sizeof(tail->tenant), wanted) ||
            bad(err, "tenant", "tenant is longer than any that could be")) &&
           (aion_str_copy(tail->intent, sizeof(tail->intent), aion_str_of(request->intent)) ||
            bad(err, "intent", "intent is longer than any that could be"));
}

static bool check_room(const struct control_tails *tails, struct aion_err *err)
{
    if (tails->ended)
        return aion_fail(err, AION_UNAVAILABLE, "control is stopping");
    return tails->count < TAILS_MAX ||
           aion_fail(err, AION_EXHAUSTED, "%zu readers watch tasks already", tails->count);
}

static void open_tail(struct tail *tail)
{
    struct control *control = tail->control;
    aion_arena_init(&tail->arena, ARENA_MAX, NULL, 0);
    aion_buf_init(&tail->queue, QUEUE_BYTES_MAX);
    aion_list_add_last(&control->tails.open, &tail->link);
    control->tails.count++;
    mesh_set_user(tail->call, tail);
    hear_ours(tail);
    if (tail->phase == TAIL_LIVE)
        go_live(tail);
    else
        read_page(tail);
}

/* rpc WatchTasks. Inline. */
void control_watch_tasks(struct mesh_call *call, const Aion__V1__WatchTasksRequest *request)
{
    struct control *control = mesh_service(call);
    struct aion_err err;
    aion_str tenant;
    if (!control_tenant(call, &tenant))
        return;
    struct tail *tail = calloc(1, sizeof(*tail));
    if (tail == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    tail->control = control;
    tail->call = call;
    aion_list_init(&tail->link);
    if (check_room(&control->tails, &err) && take_whose(tail, request, &err) &&
        take_states(tail, request, &err) && take_since(tail, request->since, &err)) {
        open_tail(tail);
        return;
    }
    free(tail);
    mesh_fail_with(call, &err);
}

void control_watch_tasks_writable(struct mesh_call *call)
{
    struct tail *tail = mesh_user(call);
    if (tail == NULL)
        return;
    tail->full = false;
    if (tail->phase == TAIL_LIVE)
        send_kept(tail);
    if (!tail->full && !tail->reading && tail->at < tail->read.count)
        pump(tail);
}

void control_watch_tasks_done(struct mesh_call *call, bool cancelled)
{
    (void)cancelled;
    if (mesh_user(call) != NULL)
        leave(mesh_user(call));
}

/* -- life --------------------------------------------------------------------------- */
void control_tails_init(struct control_tails *tails)
{
    *tails = (struct control_tails){.count = 0};
    aion_list_init(&tails->open);
}

void control_tails_end(struct control *control)
{
    struct aion_err err;
    aion_err_set(&err, __func__, AION_UNAVAILABLE, "control is stopping");
    control->tails.ended = true;
    while (!aion_list_empty(&control->tails.open))
        end(aion_container(control->tails.open.next, struct tail, link), &err);
}
