#include "ops_events.h"

#include "ops_wire.h"

#include <assert.h>
#include <stdlib.h>

enum {
    /* fields of aion.v1.OpsEvent */
    EVENT_SEQUENCE = 1,
    EVENT_KIND,
    EVENT_AT,
    EVENT_WHAT,
    EVENT_TASK_ID,
    EVENT_TENANT,
    EVENT_INTENT,
    EVENT_STATE,
    EVENT_ATTEMPT,
    EVENT_ROUTE,
    EVENT_HOST,
    EVENT_ACTOR,
    EVENT_REASON,
    EVENT_NOTE,
    EVENT_LATENCY,
    EVENT_COST,
    /* of OpsEvents and OpsEventCount */
    EVENTS_EVENTS = 1,
    EVENTS_COUNTS = 2,
    EVENTS_SAMPLED = 3,
    COUNT_KIND = 1,
    COUNT_STATE = 2,
    COUNT_COUNT = 3,
};

/* What filters look at, in the order of the record's `texts`. */
enum {
    TEXT_TENANT,
    TEXT_INTENT,
    TEXT_ROUTE,
    TEXT_HOST,
    TEXT_ID,
    TEXT_REASON,
    TEXT_NOTE,
    TEXTS
};

/* In front of a packed event. A record is in one piece; where the ring's end leaves too little
 * room, an empty one (wire_bytes 0) fills it. */
struct record {
    uint32_t bytes; /* of the whole record, a multiple of 8 */
    uint16_t wire_bytes;
    uint8_t kind, state;
    struct {
        uint16_t at, size;
    } texts[TEXTS]; /* within the wire form */
};

enum {
    WIRE_MAX = 8 * (OPS_EVENT_TEXT_MAX + 4) + OPS_EVENT_NOTE_MAX + 4 + 8 * 12,
    RECORD_MAX = sizeof(struct record) + (WIRE_MAX + 7) / 8 * 8,
};

void ops_events_init(struct ops_events *events, size_t ring_bytes)
{
    assert(ring_bytes >= 4 * RECORD_MAX && (ring_bytes & (ring_bytes - 1)) == 0);
    *events = (struct ops_events){.ring_bytes = ring_bytes};
    aion_list_init(&events->views);
}

void ops_events_done(struct ops_events *events)
{
    assert(aion_list_empty(&events->views));
    free(events->ring);
    events->ring = NULL;
}

/* -- counts ------------------------------------------------------------------------- */
void ops_event_counts_add(struct ops_event_counts *to, const struct ops_event_counts *from)
{
    for (size_t kind = 0; kind < OPS_EVENT_KINDS; kind++)
        for (size_t state = 0; state < OPS_EVENT_STATES; state++)
            to->by[kind][state] += from->by[kind][state];
    to->sampled += from->sampled;
}

bool ops_event_counts_none(const struct ops_event_counts *counts)
{
    static const struct ops_event_counts none;
    return memcmp(counts, &none, sizeof(none)) == 0;
}

void ops_event_counts_write(const struct ops_event_counts *counts, struct aion_buf *out)
{
    for (unsigned kind = 0; kind < OPS_EVENT_KINDS; kind++)
        for (unsigned state = 0; state < OPS_EVENT_STATES; state++) {
            char room[3 * 2 * OPS_WIRE_VARINT_MAX];
            if (counts->by[kind][state] == 0)
                continue;
            char *end = ops_wire_u64(room, COUNT_KIND, kind);
            end = ops_wire_u64(end, COUNT_STATE, state);
            end = ops_wire_u64(end, COUNT_COUNT, counts->by[kind][state]);
            ops_wire_add_head(out, EVENTS_COUNTS, (size_t)(end - room));
            aion_buf_add(out, room, (size_t)(end - room));
        }
    ops_wire_add_u64(out, EVENTS_SAMPLED, counts->sampled);
}

/* -- filters ------------------------------------------------------------------------ */
bool ops_event_filter_same(const struct ops_event_filter *a, const struct ops_event_filter *b)
{
    return a->states == b->states && a->kinds == b->kinds && a->all == b->all &&
           a->per_second_max == b->per_second_max && strcmp(a->tenant, b->tenant) == 0 &&
           strcmp(a->intent, b->intent) == 0 && strcmp(a->route, b->route) == 0 &&
           strcmp(a->host, b->host) == 0 && strcmp(a->text, b->text) == 0;
}

static aion_str text_of(const struct record *record, unsigned text)
{
    return aion_str_n((const char *)(record + 1) + record->texts[text].at,
                      record->texts[text].size);
}

static bool is_or_any(const struct record *record, unsigned text, const char *wanted)
{
    return wanted[0] == '\0' || aion_str_is(text_of(record, text), wanted);
}

static bool holds(const struct record *record, unsigned text, const char *part)
{
    aion_str whole = text_of(record, text);
    return memmem(whole.data, whole.size, part, strlen(part)) != NULL;
}

static bool passes(const struct ops_event_filter *filter, const struct record *record)
{
    if (filter->kinds != 0 && (filter->kinds >> record->kind & 1) == 0)
        return false;
    if (filter->states != 0 && (filter->states >> record->state & 1) == 0)
        return false;
    return is_or_any(record, TEXT_TENANT, filter->tenant) &&
           is_or_any(record, TEXT_INTENT, filter->intent) &&
           is_or_any(record, TEXT_ROUTE, filter->route) &&
           is_or_any(record, TEXT_HOST, filter->host) &&
           (filter->text[0] == '\0' || holds(record, TEXT_ID, filter->text) ||
            holds(record, TEXT_REASON, filter->text) || holds(record, TEXT_NOTE, filter->text));
}

/* -- views -------------------------------------------------------------------------- */
bool ops_event_view_open(struct ops_events *events, struct ops_event_view *view,
                         const struct ops_event_filter *filter, int64_t now_us)
{
    if (events->ring == NULL && (events->ring = malloc(events->ring_bytes)) == NULL)
        return false;
    *view = (struct ops_event_view){.filter = *filter,
                                    .at = events->end,
                                    .allowed_us = now_us,
                                    .allowed_milli = (int64_t)filter->per_second_max * 1000};
    aion_list_add_last(&events->views, &view->link);
    return true;
}

void ops_event_view_close(struct ops_event_view *view)
{
    aion_list_remove(&view->link);
}

static struct record *record_at(const struct ops_events *events, uint64_t place)
{
    return (struct record *)(void *)(events->ring + (place & (events->ring_bytes - 1)));
}

/* Steps over the record; counted when it passes. */
static bool step(struct ops_events *events, struct ops_event_view *view,
                 const struct record **ret_record)
{
    const struct record *record = record_at(events, view->at);
    view->at += record->bytes;
    *ret_record = record;
    if (record->wire_bytes == 0 || !passes(&view->filter, record))
        return false;
    view->counts.by[record->kind][record->state]++;
    return true;
}

/* A second's worth may come at once after a silence of a second, and at first. */
static void earn(struct ops_event_view *view, int64_t now_us)
{
    int64_t most = (int64_t)view->filter.per_second_max * 1000,
            since = now_us - view->allowed_us;
    since = since < 1000000 ? since : 1000000;
    view->allowed_us = now_us;
    view->allowed_milli += (int64_t)view->filter.per_second_max * since / 1000;
    view->allowed_milli = view->allowed_milli < most ? view->allowed_milli : most;
}

static bool may_take(struct ops_event_view *view)
{
    if (view->filter.all)
        return true;
    if (view->allowed_milli < 1000)
        return false;
    view->allowed_milli -= 1000;
    return true;
}

bool ops_event_view_take(struct ops_events *events, struct ops_event_view *view, int64_t now_us,
                         struct aion_buf *out, size_t *ret_taken)
{
    size_t taken = 0;
    earn(view, now_us);
    while (view->at < events->end && taken < OPS_EVENTS_BATCH) {
        const struct record *record;
        if (!step(events, view, &record))
            continue;
        if (!may_take(view)) {
            view->counts.sampled++;
            continue;
        }
        ops_wire_add_head(out, EVENTS_EVENTS, record->wire_bytes);
        aion_buf_add(out, record + 1, record->wire_bytes);
        taken++;
    }
    *ret_taken = taken;
    return view->at < events->end;
}

bool ops_event_view_waits(const struct ops_events *events, const struct ops_event_view *view)
{
    return view->at < events->end;
}

/* -- packing ------------------------------------------------------------------------ */
/* Cut between code points; "" when it is no UTF-8 or holds a NUL. */
static aion_str fit(aion_str text, size_t most)
{
    if (text.size > most) {
        text.size = most;
        while (text.size > 0 && ((unsigned char)text.data[text.size] >> 6) == 2)
            text.size--;
    }
    if (text.size == 0 || memchr(text.data, '\0', text.size) != NULL ||
        !aion_utf8_valid(text.data, text.size))
        return (aion_str){0};
    return text;
}

static char *add_text(char *at, unsigned field, aion_str text, struct record *record, int which)
{
    text = fit(text, field == EVENT_NOTE ? OPS_EVENT_NOTE_MAX : OPS_EVENT_TEXT_MAX);
    char *end = ops_wire_str(at, field, text);
    if (which >= 0 && text.size > 0) {
        record->texts[which].at = (uint16_t)(end - text.size - (char *)(record + 1));
        record->texts[which].size = (uint16_t)text.size;
    }
    return end;
}

static void pack(const struct ops_events *events, const struct ops_event *event,
                 struct record *record)
{
    char *start = (char *)(record + 1);
    char *at = ops_wire_u64(start, EVENT_SEQUENCE, events->sequence);
    at = ops_wire_u64(at, EVENT_KIND, (uint64_t)event->kind);
    at = ops_wire_u64(at, EVENT_AT, (uint64_t)event->at_us);
    at = add_text(at, EVENT_WHAT, event->what, record, -1);
    at = add_text(at, EVENT_TASK_ID, event->task_id, record, TEXT_ID);
    at = add_text(at, EVENT_TENANT, event->tenant, record, TEXT_TENANT);
    at = add_text(at, EVENT_INTENT, event->intent, record, TEXT_INTENT);
    at = ops_wire_u64(at, EVENT_STATE, event->state);
    at = ops_wire_u64(at, EVENT_ATTEMPT, event->attempt);
    at = add_text(at, EVENT_ROUTE, event->route, record, TEXT_ROUTE);
    at = add_text(at, EVENT_HOST, event->host, record, TEXT_HOST);
    at = add_text(at, EVENT_ACTOR, event->actor, record, -1);
    at = add_text(at, EVENT_REASON, event->reason, record, TEXT_REASON);
    at = add_text(at, EVENT_NOTE, event->note, record, TEXT_NOTE);
    at = ops_wire_u64(at, EVENT_LATENCY, (uint64_t)event->latency_us);
    at = ops_wire_u64(at, EVENT_COST, (uint64_t)event->cost_nano_usd);
    record->wire_bytes = (uint16_t)(at - start);
    record->bytes = (uint32_t)((sizeof(*record) + record->wire_bytes + 7) / 8 * 8);
}

/* Views that have not seen what is overwritten count it. */
static void drop_oldest(struct ops_events *events)
{
    uint64_t next = events->oldest + record_at(events, events->oldest)->bytes;
    aion_list_each (link, &events->views) {
        struct ops_event_view *view = aion_container(link, struct ops_event_view, link);
        const struct record *record;
        if (view->at < next && step(events, view, &record))
            view->counts.sampled++;
    }
    events->oldest = next;
}

/* Room for a record of any size, in one piece. */
static struct record *room_for_one(struct ops_events *events)
{
    size_t left = events->ring_bytes - (size_t)(events->end & (events->ring_bytes - 1));
    size_t fill = left < RECORD_MAX ? left : 0;
    while (events->end + fill + RECORD_MAX > events->oldest + events->ring_bytes)
        drop_oldest(events);
    if (fill > 0) {
        struct record *empty = record_at(events, events->end);
        empty->bytes = (uint32_t)fill;
        empty->wire_bytes = 0;
        events->end += fill;
    }
    struct record *record = record_at(events, events->end);
    *record = (struct record){0};
    return record;
}

void ops_events_put(struct ops_events *events, const struct ops_event *event)
{
    events->sequence++;
    if (aion_list_empty(&events->views))
        return;
    struct record *record = room_for_one(events);
    record->kind = event->kind < OPS_EVENT_KINDS ? (uint8_t)event->kind : 0;
    record->state = event->state < OPS_EVENT_STATES ? (uint8_t)event->state : 0;
    pack(events, event, record);
    events->end += record->bytes;
}
