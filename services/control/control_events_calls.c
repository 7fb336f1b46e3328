/* The service Events: the outbox, read by position. */
#include "control_private.h"
#include "events/log.h"
#include "events/spool.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1000,
    WAIT_MAX_S = 30,
    PAGE_BYTES_MAX = 1 << 20,
    ARENA_MAX = 16 << 20,
    AGAIN_US = 20000, /* after news, so that events gather */
    LOOK_US = 250000,
    GROUP_MAX = 32,
    NAME_SIZE = 100,
    METRICS_LANE = 0,
};

/* A call of ReadEvents. */
struct page {
    struct aion_link link; /* in control_events_waiting, while it waits for news */
    struct mesh_timer timer;
    struct control *control;
    struct mesh_call *call; /* held */
    struct aion_arena arena;
    struct events_log_read read;
    union {
        struct store_cursor_read place; /* of the group */
        struct store_events_read ends;  /* FROM_END */
    } as;
    int64_t until_us; /* for the first record */
    bool reading;     /* done is to come */
    bool gone;        /* ... and the call has ended */
    bool end;         /* FROM_END */
    bool news;        /* while it was reading */
    enum events_topic topic;
    char name[NAME_SIZE];
};

static void page_free(struct page *page)
{
    mesh_timer_cancel(page->control->loop, &page->timer);
    aion_list_remove(&page->link);
    mesh_drop(page->call);
    aion_arena_done(&page->arena);
    free(page);
}

static void page_fail(struct page *page, const struct aion_err *err)
{
    mesh_fail_with(page->call, err);
    page_free(page);
}

/* The store has answered; false: there is no page any more. */
static bool goes_on(struct page *page, const struct aion_err *err)
{
    bool good = !page->gone && err == NULL;
    page->reading = false;
    if (page->gone)
        page_free(page);
    else if (!good)
        page_fail(page, err);
    return good;
}

/* -- answering ---------------------------------------------------------------------- */
static char *own_text(struct page *page, aion_str text)
{
    static char empty[] = "";
    char *copy = text.size > 0 ? aion_arena_text(&page->arena, text) : empty;
    return copy != NULL ? copy : empty;
}

static const char *source_name(const struct page *page, uint32_t lane, char out[16])
{
    if (page->topic == EVENTS_AUDIT)
        return control_events_audit_writer(control_events_source(page->control, page->topic),
                                           lane);
    if (page->topic == EVENTS_METRICS)
        return "";
    snprintf(out, 16, "%u", lane);
    return out;
}

static bool add_records(struct page *page, Aion__V1__ReadEventsReply *reply)
{
    size_t count = page->read.count;
    Aion__V1__EventRecord *records = aion_arena_array(&page->arena, count, sizeof(*records));
    reply->records = aion_arena_array(&page->arena, count, sizeof(*reply->records));
    if (records == NULL || reply->records == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct events_log_record *from = &page->read.records[i];
        char name[16];
        aion__v1__event_record__init(&records[i]);
        records[i].key = own_text(page, from->record.key);
        records[i].value = own_text(page, from->record.value);
        records[i].sequence = from->record.sequence;
        records[i].source = own_text(page, aion_str_of(source_name(page, from->lane, name)));
        records[i].schema = (char *)(uintptr_t)events_topic_about(page->topic)->schema;
        reply->records[i] = &records[i];
    }
    reply->n_records = count;
    return true;
}

static bool add_positions(struct page *page, Aion__V1__ReadEventsReply *reply)
{
    Aion__V1__EventPosition *positions =
        aion_arena_array(&page->arena, EVENTS_LANES, sizeof(*positions));
    reply->positions = aion_arena_array(&page->arena, EVENTS_LANES, sizeof(*reply->positions));
    if (positions == NULL || reply->positions == NULL)
        return false;
    for (uint32_t lane = 0; lane < EVENTS_LANES; lane++) {
        char name[16];
        const char *source = source_name(page, lane, name);
        bool there = page->topic == EVENTS_METRICS ? lane == METRICS_LANE : source[0] != '\0';
        if (!there)
            continue;
        Aion__V1__EventPosition *to = &positions[reply->n_positions];
        aion__v1__event_position__init(to);
        to->source = own_text(page, aion_str_of(source));
        to->sequence = page->read.after[lane];
        reply->positions[reply->n_positions++] = to;
    }
    return true;
}

static void answer(struct page *page)
{
    Aion__V1__ReadEventsReply reply = AION__V1__READ_EVENTS_REPLY__INIT;
    reply.more = page->read.more;
    if (add_records(page, &reply) && add_positions(page, &reply))
        aion_v1_events_read_events_reply(page->call, &reply);
    else
        mesh_fail(page->call, AION_EXHAUSTED, "the events do not fit in an answer");
    page_free(page);
}

/* -- reading ------------------------------------------------------------------------ */
static void read_page(struct page *page);

/* What other controls write nobody tells us: it is looked for. */
static void wait_for_news(struct page *page)
{
    int64_t now = mesh_loop_now(page->control->loop);
    int64_t at = page->control->shards.shared ? now + LOOK_US : page->until_us;
    if (page->news)
        at = now + AGAIN_US;
    page->news = false;
    mesh_timer_set(page->control->loop, &page->timer,
                   at < page->until_us ? at : page->until_us);
}

static void page_read(struct events_log_read *read, const struct aion_err *err)
{
    struct page *page = aion_container(read, struct page, read);
    if (!goes_on(page, err))
        return;
    if (read->count > 0 || read->more || page->control->draining ||
        mesh_loop_now(page->control->loop) >= page->until_us)
        answer(page);
    else
        wait_for_news(page);
}

static void look_again(struct mesh_timer *timer)
{
    read_page(aion_container(timer, struct page, timer));
}

/* The ring of metrics is no source: it is here. */
static void read_spool(struct page *page)
{
    const struct events_spool *spool = control_events_spool(page->control);
    struct events_log_read *read = &page->read;
    struct events_record *records =
        aion_arena_array(&page->arena, read->limit, sizeof(*records));
    read->records = aion_arena_array(&page->arena, read->limit, sizeof(*read->records));
    read->count = 0;
    if (records == NULL || read->records == NULL) {
        page_read(read, NULL);
        return;
    }
    read->count = events_spool_read(spool, read->after[METRICS_LANE], read->limit, records);
    for (size_t i = 0; i < read->count; i++) {
        read->records[i] = (struct events_log_record){.record = records[i]};
        read->after[METRICS_LANE] = records[i].sequence;
    }
    read->more = read->count == read->limit;
    page_read(read, NULL);
}

static void read_page(struct page *page)
{
    struct aion_err err;
    aion_arena_reset(&page->arena);
    page->reading = true;
    if (page->topic == EVENTS_METRICS) {
        read_spool(page);
    } else if (!events_log_read(&page->read, &err)) {
        page->reading = false;
        page_fail(page, &err);
    }
}

/* -- where it begins ---------------------------------------------------------------- */
static void ends_read(struct store_op *op, const struct aion_err *err)
{
    struct page *page = aion_container(op, struct page, as.ends.op);
    if (!goes_on(page, err))
        return;
    memcpy(page->read.after, page->as.ends.after, sizeof(page->read.after));
    read_page(page);
}

static void begin_at_end(struct page *page)
{
    const struct control *control = page->control;
    struct aion_err err;
    if (page->topic == EVENTS_AUDIT || page->topic == EVENTS_METRICS) {
        if (page->topic == EVENTS_METRICS)
            page->read.after[METRICS_LANE] = events_spool_newest(control_events_spool(control));
        read_page(page);
        return;
    }
    page->as.ends = (struct store_events_read){.op = {.done = ends_read, .arena = &page->arena},
                                               .shards = STORE_ALL_SHARDS,
                                               .limit = 1,
                                               .to_end = true};
    page->reading = store_events_read(control->store, &page->as.ends, &err);
    if (!page->reading)
        page_fail(page, &err);
}

static bool lane_of(const struct page *page, const char *source, uint32_t *ret_lane)
{
    uint64_t shard;
    int lane;
    switch (page->topic) {
    case EVENTS_METRICS:
        *ret_lane = METRICS_LANE;
        return source[0] == '\0';
    case EVENTS_AUDIT:
        lane = control_events_audit_lane(control_events_source(page->control, page->topic),
                                         aion_str_of(source));
        *ret_lane = (uint32_t)lane;
        return lane >= 0;
    case EVENTS_DECISIONS:
    case EVENTS_LIFECYCLE:
    case EVENTS_TOPICS:
        break;
    }
    *ret_lane = 0;
    if (!aion_str_u64(aion_str_of(source), &shard) || shard >= EVENTS_LANES)
        return false;
    *ret_lane = (uint32_t)shard;
    return true;
}

static bool take_positions(const struct page *page, Aion__V1__EventPosition *const *positions,
                           size_t count, uint64_t after[EVENTS_LANES], uint64_t *ret_lanes,
                           struct aion_err *err)
{
    *ret_lanes = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t lane;
        if (!lane_of(page, positions[i]->source, &lane)) {
            aion_err_set(err, __func__, AION_INVALID, "%s has no source \"%.80s\"",
                         events_topic_about(page->topic)->name, positions[i]->source);
            aion_err_field(err, "positions[%zu].source", i);
            return false;
        }
        after[lane] = positions[i]->sequence;
        *ret_lanes |= UINT64_C(1) << lane;
    }
    return true;
}

static bool group_ok(enum events_topic topic, aion_str group, struct aion_err *err)
{
    bool good = group.size > 0 && group.size <= GROUP_MAX;
    for (size_t i = 0; i < group.size && good; i++)
        good = strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", group.data[i]) != NULL;
    aion_err_set(err, __func__, AION_INVALID, "group \"%.*s\" is not 1..%d of [a-z0-9._-]",
                 AION_STR_ARG(group), GROUP_MAX);
    if (good && (topic == EVENTS_METRICS || topic == EVENTS_AUDIT)) {
        aion_err_set(err, __func__, AION_INVALID,
                     "%s is kept without groups where there is no Kafka: give positions",
                     events_topic_about(topic)->name);
        good = false;
    }
    aion_err_field(err, "group");
    return good;
}

static void name_cursor(char out[NAME_SIZE], enum events_topic topic, const char *group)
{
    snprintf(out, NAME_SIZE, "group:%s:%s", group, events_topic_about(topic)->name);
}

static void place_read(struct store_op *op, const struct aion_err *err)
{
    struct page *page = aion_container(op, struct page, as.place.op);
    if (!goes_on(page, err))
        return;
    if (page->as.place.found)
        memcpy(page->read.after, page->as.place.sequence, sizeof(page->read.after));
    if (!page->as.place.found && page->end)
        begin_at_end(page);
    else
        read_page(page);
}

static bool begin(struct page *page, const Aion__V1__ReadEventsRequest *request,
                  struct aion_err *err)
{
    uint64_t lanes;
    page->end = request->from == AION__V1__READ_EVENTS_REQUEST__FROM__FROM_END;
    if (request->group[0] != '\0' && !group_ok(page->topic, aion_str_of(request->group), err))
        return false;
    if (!take_positions(page, request->after, request->n_after, page->read.after, &lanes, err))
        return false;
    if (request->n_after == 0 && request->group[0] != '\0') {
        name_cursor(page->name, page->topic, request->group);
        page->as.place = (struct store_cursor_read){
            .op = {.done = place_read, .arena = &page->arena}, .name = aion_str_of(page->name)};
        page->reading = store_cursor_read(page->control->store, &page->as.place, err);
        return page->reading;
    }
    if (request->n_after == 0 && page->end)
        begin_at_end(page);
    else
        read_page(page);
    return true;
}

/* -- ReadEvents --------------------------------------------------------------------- */
static void caller_gone(struct mesh_call *call)
{
    struct page *page = mesh_user(call);
    page->gone = true;
    if (!page->reading)
        page_free(page);
}

static bool check(const Aion__V1__ReadEventsRequest *request, enum events_topic *ret_topic,
                  struct aion_err *err)
{
    if (!events_topic_find(aion_str_of(request->topic), ret_topic)) {
        aion_err_set(err, __func__, AION_INVALID,
                     "no topic \"%.80s\": there are aion.router.decisions, "
                     "aion.tasks.lifecycle, aion.metrics.runtime, aion.audit.activity",
                     request->topic);
        aion_err_field(err, "topic");
        return false;
    }
    if (request->limit > LIMIT_MAX) {
        aion_err_set(err, __func__, AION_INVALID, "limit %u is not 0..%d", request->limit,
                     LIMIT_MAX);
        aion_err_field(err, "limit");
        return false;
    }
    if (request->wait != NULL && (request->wait->seconds < 0 || request->wait->nanos < 0 ||
                                  request->wait->seconds > WAIT_MAX_S)) {
        aion_err_set(err, __func__, AION_INVALID, "wait is not 0..%d s", WAIT_MAX_S);
        aion_err_field(err, "wait");
        return false;
    }
    return true;
}

static int64_t wait_us(const Aion__V1__ReadEventsRequest *request)
{
    return request->wait != NULL
               ? request->wait->seconds * 1000000 + request->wait->nanos / 1000
               : 0;
}

void control_read_events(struct mesh_call *call, const Aion__V1__ReadEventsRequest *request)
{
    struct control *control = mesh_service(call);
    struct aion_err err;
    enum events_topic topic;
    if (!check(request, &topic, &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct page *page = calloc(1, sizeof(*page));
    if (page == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    page->control = control;
    page->topic = topic;
    page->call = mesh_hold(call);
    page->timer.fire = look_again;
    page->until_us = mesh_loop_now(control->loop) + wait_us(request);
    aion_arena_init(&page->arena, ARENA_MAX, NULL, 0);
    page->read =
        (struct events_log_read){.source = control_events_source(control, topic),
                                 .topic = topic,
                                 .lanes = UINT64_MAX,
                                 .limit = request->limit > 0 ? request->limit : LIMIT_DEFAULT,
                                 .bytes_max = PAGE_BYTES_MAX,
                                 .arena = &page->arena,
                                 .done = page_read};
    aion_list_add_last(control_events_waiting(control), &page->link);
    mesh_set_user(call, page);
    mesh_on_cancel(call, caller_gone);
    if (!begin(page, request, &err))
        page_fail(page, &err);
}

void control_events_calls_wake(struct control *control)
{
    aion_list_each (link, control_events_waiting(control)) {
        struct page *page = aion_container(link, struct page, link);
        if (page->news)
            continue;
        page->news = true;
        if (!page->reading)
            wait_for_news(page);
    }
}

/* Answers those that wait, as things stand; those that read are answered when that is done. */
void control_events_calls_end(struct control *control)
{
    aion_list_each_safe (link, control_events_waiting(control)) {
        struct page *page = aion_container(link, struct page, link);
        page->until_us = 0;
        if (!page->reading)
            answer(page);
    }
}

/* -- CommitEvents ------------------------------------------------------------------- */
/* A group's cursor is put, or dropped, for a call. */
struct grouping {
    struct mesh_call *call; /* held */
    union {
        struct store_cursor_put put;
        struct store_cursor_read read;
        struct store_cursor_drop drop;
    } as;
    struct control *control;
    struct aion_arena arena;
    size_t at; /* ForgetReader: the name under way */
    bool found;
    char names[2][NAME_SIZE];
    size_t name_count;
};

static struct grouping *grouping_new(struct mesh_call *call)
{
    struct grouping *grouping = calloc(1, sizeof(*grouping));
    if (grouping == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return NULL;
    }
    grouping->call = mesh_hold(call);
    grouping->control = mesh_service(call);
    aion_arena_init(&grouping->arena, 65536, NULL, 0);
    return grouping;
}

static void grouping_free(struct grouping *grouping)
{
    mesh_drop(grouping->call);
    aion_arena_done(&grouping->arena);
    free(grouping);
}

static void grouping_fail(struct grouping *grouping, const struct aion_err *err)
{
    mesh_fail_with(grouping->call, err);
    grouping_free(grouping);
}

static void committed(struct store_op *op, const struct aion_err *err)
{
    struct grouping *grouping = aion_container(op, struct grouping, as.put.op);
    Aion__V1__CommitEventsReply reply = AION__V1__COMMIT_EVENTS_REPLY__INIT;
    if (err != NULL) {
        grouping_fail(grouping, err);
        return;
    }
    aion_v1_events_commit_events_reply(grouping->call, &reply);
    grouping_free(grouping);
}

void control_commit_events(struct mesh_call *call, const Aion__V1__CommitEventsRequest *request)
{
    struct page where = {.control = mesh_service(call)}; /* for the names of its sources */
    struct aion_err err;
    uint64_t after[EVENTS_LANES] = {0}, lanes;
    if (!events_topic_find(aion_str_of(request->topic), &where.topic)) {
        mesh_fail(call, AION_INVALID, "no topic \"%.80s\"", request->topic);
        return;
    }
    if (!group_ok(where.topic, aion_str_of(request->group), &err) ||
        !take_positions(&where, request->positions, request->n_positions, after, &lanes,
                        &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    struct grouping *grouping = grouping_new(call);
    if (grouping == NULL)
        return;
    name_cursor(grouping->names[0], where.topic, request->group);
    grouping->as.put = (struct store_cursor_put){
        .op.done = committed, .name = aion_str_of(grouping->names[0]), .shards = lanes};
    memcpy(grouping->as.put.sequence, after, sizeof(after));
    if (!store_cursor_put(grouping->control->store, &grouping->as.put, &err))
        grouping_fail(grouping, &err);
}

/* -- ForgetReader ------------------------------------------------------------------- */
static void forget_next(struct grouping *grouping);

static void dropped(struct store_op *op, const struct aion_err *err)
{
    struct grouping *grouping = aion_container(op, struct grouping, as.drop.op);
    if (err != NULL) {
        grouping_fail(grouping, err);
        return;
    }
    grouping->found = true;
    grouping->at++;
    forget_next(grouping);
}

static void looked(struct store_op *op, const struct aion_err *err)
{
    struct grouping *grouping = aion_container(op, struct grouping, as.read.op);
    struct aion_err own;
    bool found = err == NULL && grouping->as.read.found;
    if (err != NULL) {
        grouping_fail(grouping, err);
        return;
    }
    if (!found) {
        grouping->at++;
        forget_next(grouping);
        return;
    }
    grouping->as.drop = (struct store_cursor_drop){
        .op.done = dropped, .name = aion_str_of(grouping->names[grouping->at])};
    struct control_deed deed = control_deed_of(grouping->call);
    char target[NAME_SIZE + 16];
    snprintf(target, sizeof(target), "reader/%s", grouping->names[grouping->at]);
    deed.target = aion_str_of(target);
    if (!control_audit_effect(grouping->control, &deed, &grouping->as.drop.op,
                              STORE_CURSOR_DROP, &own))
        grouping_fail(grouping, &own);
}

static void forget_next(struct grouping *grouping)
{
    Aion__V1__ForgetReaderReply reply = AION__V1__FORGET_READER_REPLY__INIT;
    struct aion_err err;
    if (grouping->at < grouping->name_count) {
        grouping->as.read =
            (struct store_cursor_read){.op = {.done = looked, .arena = &grouping->arena},
                                       .name = aion_str_of(grouping->names[grouping->at])};
        if (!store_cursor_read(grouping->control->store, &grouping->as.read, &err))
            grouping_fail(grouping, &err);
        return;
    }
    if (grouping->found)
        aion_v1_events_forget_reader_reply(grouping->call, &reply);
    else
        mesh_fail(grouping->call, AION_NOT_FOUND, "no reader of this name has a place");
    grouping_free(grouping);
}

void control_forget_reader(struct mesh_call *call, const Aion__V1__ForgetReaderRequest *request)
{
    bool group = request->reader_case == AION__V1__FORGET_READER_REQUEST__READER_GROUP;
    struct aion_err err;
    if (group && !group_ok(EVENTS_LIFECYCLE, aion_str_of(request->group), &err)) {
        mesh_fail_with(call, &err);
        return;
    }
    if (!group && !(request->reader_case == AION__V1__FORGET_READER_REQUEST__READER_KAFKA &&
                    request->kafka)) {
        mesh_fail(call, AION_INVALID, "name a group, or kafka: true");
        return;
    }
    if (!group && control_events_relayed(mesh_service(call))) {
        mesh_fail(call, AION_PRECONDITION,
                  "this mesh sends to Kafka: start it without AION_KAFKA_BROKERS first");
        return;
    }
    struct grouping *grouping = grouping_new(call);
    if (grouping == NULL)
        return;
    if (group) {
        name_cursor(grouping->names[0], EVENTS_DECISIONS, request->group);
        name_cursor(grouping->names[1], EVENTS_LIFECYCLE, request->group);
        grouping->name_count = 2;
    } else {
        snprintf(grouping->names[0], NAME_SIZE, "kafka");
        grouping->name_count = 1;
    }
    forget_next(grouping);
}
