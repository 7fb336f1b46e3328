/* What happened in this process, kept until the next report. */
#include "base/clock.h"
#include "program/telemetry_private.h"

#include "aion/v1/ops.schema.h"
#include "codec/message.h"

enum { EVENTS_BYTES_MAX = 256 * 1024, TEXT_MAX = 200 };

void telemetry_events_init(struct telemetry_events *events)
{
    *events = (struct telemetry_events){.count = 0};
    aion_arena_init(&events->arena, EVENTS_BYTES_MAX, NULL, 0);
}

void telemetry_events_done(struct telemetry_events *events)
{
    aion_arena_done(&events->arena);
}

void telemetry_event_add(struct telemetry_events *events, const Aion__V1__OpsEvent *event)
{
    Aion__V1__OpsEvent *copy = NULL;
    if (events->count < TELEMETRY_EVENTS_MAX)
        copy = (Aion__V1__OpsEvent *)codec_message_copy(&aion__v1__ops_event__schema,
                                                        &event->base, &events->arena);
    if (copy == NULL) {
        events->dropped++;
        return;
    }
    if (copy->at_us == 0)
        copy->at_us = aion_clock_utc_us();
    events->events[events->count++] = copy;
}

void telemetry_events_forget(struct telemetry_events *events)
{
    events->count = 0;
    aion_arena_reset(&events->arena);
}

/* A copy, cut between code points: a text that is no UTF-8 would cost the whole report. */
static void copy_text(char out[TEXT_MAX], aion_str text)
{
    aion_str_copy(out, TEXT_MAX, text);
    size_t size = strlen(out);
    while (size > 0 && !aion_utf8_valid(out, size))
        out[--size] = '\0';
}

static const char *service_of(const struct mesh_method *method)
{
    const char *dot = strrchr(method->service, '.');
    return dot != NULL ? dot + 1 : method->service;
}

void telemetry_audit(void *user, const struct mesh_audit *audit)
{
    Aion__V1__OpsEvent event = AION__V1__OPS_EVENT__INIT;
    char what[TEXT_MAX], actor[TEXT_MAX], tenant[TEXT_MAX], note[TEXT_MAX];
    bool good = audit->code == AION_OK;
    snprintf(what, sizeof(what), "%s.%s", service_of(audit->method), audit->method->name);
    copy_text(actor,
              audit->principal->subject.size > 0 ? audit->principal->subject : audit->peer);
    copy_text(tenant, audit->principal->tenant);
    copy_text(note,
              audit->target.size == 0 && !good ? aion_str_of(audit->text) : audit->target);
    event.kind = AION__V1__OPS_EVENT__KIND__KIND_AUDIT;
    event.what = what;
    event.actor = actor;
    event.tenant = tenant;
    event.note = note;
    if (!good)
        event.reason =
            (char *)(uintptr_t)(audit->reason[0] != '\0' ? audit->reason
                                                         : aion_code_name(audit->code));
    telemetry_event_add(user, &event);
}
