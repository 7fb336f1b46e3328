/* What a write tells others: its row of the outbox, and nothing when nobody needs to know. */
#include "control_private.h"

#include <assert.h>

static const uint32_t of_state[STORE_STATES] = {
    [STORE_SUCCEEDED] = STORE_EVENT_SUCCEEDED, [STORE_FAILED] = STORE_EVENT_FAILED,
    [STORE_CANCELLED] = STORE_EVENT_CANCELLED, [STORE_EXPIRED] = STORE_EVENT_EXPIRED,
    [STORE_DEAD] = STORE_EVENT_DEAD,
};

static void of_route(const struct store_route *route, struct store_outbox *event)
{
    event->kinds = STORE_EVENT_ROUTED | STORE_EVENT_QUEUED;
    event->state = STORE_QUEUED;
    event->at_us = route->at_us;
    event->payload = route->decision.bytes;
}

static void add_begin(const struct store_begin *begin, struct store_outbox *event)
{
    if (begin == NULL)
        return;
    event->kinds |= STORE_EVENT_STARTED;
    event->started_us = begin->at_us;
    event->host = begin->host;
}

static void of_start(const struct store_start *start, struct store_outbox *event)
{
    add_begin(&start->begin, event);
    event->state = STORE_RUNNING;
    event->attempt = start->begin.token.attempt;
    event->at_us = start->begin.at_us;
}

static void of_retry(const struct store_retry *retry, struct store_outbox *event)
{
    add_begin(retry->begin, event);
    event->kinds |= retry->doubt ? STORE_EVENT_DOUBT : STORE_EVENT_RETRY;
    event->state = retry->doubt ? STORE_IN_DOUBT : STORE_RETRY_WAIT;
    event->attempt = retry->token.attempt;
    event->at_us = retry->at_us;
    event->note = retry->error.reason;
}

/* The wire form of the usage, as the event's payload. */
static aion_str pack_usage(struct control_write *write)
{
    const struct control_task *task = write->task;
    const struct store_usage *from = &write->as.finish.usage;
    Aion__V1__Usage usage = AION__V1__USAGE__INIT;
    usage.latency_us = write->as.finish.at_us - task->created_us;
    usage.queue_us = from->queue_us;
    usage.run_us = from->run_us;
    usage.tokens_in = from->tokens_in;
    usage.tokens_out = from->tokens_out;
    usage.cost_nano_usd = from->cost_nano_usd;
    assert(protobuf_c_message_get_packed_size(&usage.base) <= sizeof(write->usage));
    return aion_str_n(write->usage, protobuf_c_message_pack(&usage.base, write->usage));
}

static void of_finish(struct control_write *write, struct store_outbox *event)
{
    const struct store_finish *finish = &write->as.finish;
    add_begin(finish->begin, event);
    event->kinds |= of_state[finish->state];
    event->state = finish->state;
    event->attempt = finish->token.attempt;
    event->at_us = finish->at_us;
    event->note = finish->error.reason;
    event->payload = pack_usage(write);
}

static void of_mark(const struct store_mark *mark, struct store_outbox *event)
{
    static const struct {
        uint32_t kind, state;
    } of_kind[] = {[STORE_MARK_HELD] = {STORE_EVENT_HELD, STORE_HELD},
                   [STORE_MARK_RELEASED] = {STORE_EVENT_RELEASED, STORE_QUEUED},
                   [STORE_MARK_RESUMED] = {STORE_EVENT_RESUMED, STORE_RUNNING},
                   [STORE_MARK_RESOLVED] = {STORE_EVENT_RESOLVED, STORE_QUEUED},
                   [STORE_MARK_REPLAYED] = {STORE_EVENT_REPLAYED, STORE_DEAD}};
    event->kinds = of_kind[mark->kind].kind;
    event->state = of_kind[mark->kind].state;
    event->attempt = mark->attempt;
    event->at_us = mark->at_us;
    event->note = mark->note;
    if (mark->kind == STORE_MARK_RESUMED)
        event->host = mark->note;
}

void control_event_fill(struct control_write *write)
{
    const struct control_task *task = write->task;
    struct store_outbox *event = &write->event;
    *event =
        (struct store_outbox){.id = task->id, .tenant = task->tenant, .intent = task->intent};
    switch ((int)write->kind) {
    case STORE_ROUTE:
        of_route(&write->as.route, event);
        break;
    case STORE_START:
        of_start(&write->as.start, event);
        break;
    case STORE_RETRY:
        of_retry(&write->as.retry, event);
        break;
    case STORE_FINISH:
        of_finish(write, event);
        break;
    case STORE_MARK:
        of_mark(&write->as.mark, event);
        break;
    default: /* output is read by its cursor */
        break;
    }
    write->as.write.event = event->kinds != 0 ? event : NULL;
}

void control_event_accept(struct control *control, const struct store_accept *accept,
                          struct store_outbox *event)
{
    bool routed = accept->decision.bytes.size > 0;
    *event = (struct store_outbox){
        .sequence = control_shard_event(control),
        .id = accept->id,
        .tenant = accept->tenant,
        .intent = accept->intent,
        .kinds = STORE_EVENT_ACCEPTED | (routed ? STORE_EVENT_ROUTED | STORE_EVENT_QUEUED : 0),
        .state = routed ? STORE_QUEUED : STORE_ACCEPTED,
        .at_us = store_seq_us(accept->write.seq),
        .payload = accept->decision.bytes,
    };
}
