/* Events: what happened, kept for a moment for those who read along. Pure; I/O thread.
 *
 * An event is packed as aion.v1.OpsEvent once, when it comes, into a ring of bytes; a view (one
 * filter, with a cursor of its own) counts what passes its filter, and takes the packed form
 * along as far as its rate allows. Without views an event costs a count.
 *
 * A view that falls behind by the whole ring loses events, never counts: what is overwritten is
 * counted first, as sampled. */
#ifndef OPS_EVENTS_H
#define OPS_EVENTS_H

#include "base/buf.h"
#include "base/list.h"

enum ops_event_kind {
    OPS_EVENT_NONE = 0,
    OPS_EVENT_TASK = 1,
    OPS_EVENT_DECISION = 2,
    OPS_EVENT_AUDIT = 3,
    OPS_EVENT_HOST = 4,
    OPS_EVENT_POLICY = 5,
    OPS_EVENT_KINDS,
};

enum {
    OPS_EVENT_STATES = 12, /* of tasks; 0 = none */
    OPS_EVENT_TEXT_MAX = 96,
    OPS_EVENT_NOTE_MAX = 160,
    OPS_EVENTS_BATCH = 256,
    OPS_EVENTS_RATE = 200, /* a second, unless the reader says otherwise */
};

/* Texts are borrowed, cut to their maxima, and left out when they are no UTF-8. */
struct ops_event {
    enum ops_event_kind kind;
    unsigned state; /* of the task, after it */
    int64_t at_us;  /* UTC */
    uint32_t attempt;
    int64_t latency_us, cost_nano_usd;
    aion_str what, task_id, tenant, intent, route, host, actor, reason, note;
};

struct ops_event_filter {
    uint32_t states, kinds; /* bits; 0 = all */
    char tenant[OPS_EVENT_TEXT_MAX + 1], intent[OPS_EVENT_TEXT_MAX + 1],
        route[OPS_EVENT_TEXT_MAX + 1], host[OPS_EVENT_TEXT_MAX + 1]; /* "" = all */
    char text[OPS_EVENT_TEXT_MAX + 1]; /* part of task_id, note or reason */
    uint32_t per_second_max;           /* not 0 */
    bool all;                          /* no sampling */
};
bool ops_event_filter_same(const struct ops_event_filter *a, const struct ops_event_filter *b);

struct ops_event_counts {
    uint64_t by[OPS_EVENT_KINDS][OPS_EVENT_STATES];
    uint64_t sampled; /* of them not taken along */
};
void ops_event_counts_add(struct ops_event_counts *to, const struct ops_event_counts *from);
bool ops_event_counts_none(const struct ops_event_counts *counts);

struct ops_events {
    char *ring;           /* NULL until the first view */
    size_t ring_bytes;    /* a power of two */
    uint64_t oldest, end; /* places: bytes since the beginning */
    uint64_t sequence;    /* of the newest event */
    struct aion_link views;
};

struct ops_event_view {
    struct aion_link link;
    struct ops_event_filter filter;
    uint64_t at; /* the place of the next event */
    struct ops_event_counts counts;
    int64_t allowed_milli; /* events that may be taken along now, in thousandths */
    int64_t allowed_us;    /* monotonic: when that was so */
};

void ops_events_init(struct ops_events *events, size_t ring_bytes);
void ops_events_done(struct ops_events *events); /* views are the caller's, and out */
/* Sees what comes from now on. False: no memory. */
bool ops_event_view_open(struct ops_events *events, struct ops_event_view *view,
                         const struct ops_event_filter *filter, int64_t now_us) AION_MUST_CHECK;
void ops_event_view_close(struct ops_event_view *view);

/* Gives it the next sequence. */
void ops_events_put(struct ops_events *events, const struct ops_event *event);
/* Adds the next events of the view to `out` as fields of aion.v1.OpsEvents, *ret_taken of them,
 * at most OPS_EVENTS_BATCH; true: there are more. Their counts stay in the view. */
bool ops_event_view_take(struct ops_events *events, struct ops_event_view *view, int64_t now_us,
                         struct aion_buf *out, size_t *ret_taken);
/* Adds counts to `out` as fields of aion.v1.OpsEvents. */
void ops_event_counts_write(const struct ops_event_counts *counts, struct aion_buf *out);
bool ops_event_view_waits(const struct ops_events *events, const struct ops_event_view *view);

#endif
