/* rpc Report: the standing stream of a program's telemetry. */
#include "base/clock.h"
#include "control_private.h"

#include <stdlib.h>

struct reporting {
    struct aion_link link; /* in control_ops.report_calls */
    struct mesh_call *call;
};

/* What the router audits as a refused reload is a word about the policy, too. */
static void tell_refused_policy(struct control *control, const struct ops_event *audit)
{
    struct ops_event event = *audit;
    if (audit->kind != OPS_EVENT_AUDIT || !aion_str_is(audit->reason, "POLICY_INVALID"))
        return;
    event.kind = OPS_EVENT_POLICY;
    event.what = AION_STR("refused");
    control_ops_event(control, &event);
}

static void take_event(struct control *control, const Aion__V1__OpsReport *report,
                       const Aion__V1__OpsEvent *from)
{
    int64_t now_us = aion_clock_utc_us();
    struct ops_event event = {.kind = (enum ops_event_kind)from->kind,
                              .state = (unsigned)from->state,
                              .at_us = from->at_us > 0 ? from->at_us : now_us,
                              .attempt = from->attempt,
                              .latency_us = from->latency_us,
                              .cost_nano_usd = from->cost_nano_usd,
                              .what = aion_str_of(from->what),
                              .task_id = aion_str_of(from->task_id),
                              .tenant = aion_str_of(from->tenant),
                              .intent = aion_str_of(from->intent),
                              .route = aion_str_of(from->route),
                              .host = aion_str_of(from->host),
                              .actor = aion_str_of(from->actor),
                              .reason = aion_str_of(from->reason),
                              .note = aion_str_of(from->note)};
    if (from->actor[0] == '\0')
        event.actor = aion_str_of(report->component);
    if (from->kind > AION__V1__OPS_EVENT__KIND__KIND_UNSPECIFIED &&
        from->kind <= AION__V1__OPS_EVENT__KIND__KIND_POLICY) {
        control_ops_event(control, &event);
        tell_refused_policy(control, &event);
    }
}

void control_ops_report_take(struct control *control, const Aion__V1__OpsReport *report)
{
    ops_report_take(&control->ops->reports, report, mesh_loop_now(control->loop));
    for (size_t i = 0; i < report->n_events; i++)
        take_event(control, report, report->events[i]);
}

/* -- the call ----------------------------------------------------------------------- */
void control_ops_report_open(struct mesh_call *call)
{
    struct control *control = mesh_service(call);
    struct reporting *reporting = calloc(1, sizeof(*reporting));
    if (reporting == NULL) {
        mesh_fail(call, AION_EXHAUSTED, "control is out of memory");
        return;
    }
    reporting->call = call;
    aion_list_add_last(&control->ops->report_calls, &reporting->link);
    mesh_set_user(call, reporting);
    if (control->draining)
        mesh_fail(call, AION_UNAVAILABLE, "control is stopping");
}

/* A program speaks for itself alone; without TLS (tests on loopback) there is no name to check.
 */
static bool is_its_own(const struct mesh_call *call, const Aion__V1__OpsReport *report,
                       struct aion_err *err)
{
    const struct mesh_peer *peer = mesh_peer(call);
    if (peer->spiffe_id.size == 0 || aion_str_is(peer->service, report->component))
        return true;
    aion_err_set(err, __func__, AION_DENIED,
                 "%.*s reports as '%.64s': a program speaks for itself alone",
                 AION_STR_ARG(peer->service), report->component);
    aion_err_field(err, "component");
    return false;
}

void control_ops_report(struct mesh_call *call, const Aion__V1__OpsReport *report)
{
    struct control *control = mesh_service(call);
    struct aion_err err;
    if (mesh_user(call) == NULL || control->ops->ended)
        return;
    if (is_its_own(call, report, &err) &&
        ops_report_check(&control->ops->reports, report, &err))
        control_ops_report_take(control, report);
    else
        mesh_fail_with(call, &err);
}

void control_ops_report_half_close(struct mesh_call *call)
{
    Aion__V1__OpsReportReply reply = AION__V1__OPS_REPORT_REPLY__INIT;
    if (mesh_user(call) != NULL)
        aion_v1_ops_report_reply(call, &reply);
}

void control_ops_report_writable(struct mesh_call *call)
{
    (void)call; /* one answer, at its end */
}

void control_ops_report_done(struct mesh_call *call, bool cancelled)
{
    struct reporting *reporting = mesh_user(call);
    (void)cancelled;
    if (reporting == NULL)
        return;
    mesh_set_user(call, NULL);
    aion_list_remove(&reporting->link);
    free(reporting);
}

/* They come again to the next control. */
void control_ops_reports_end(struct control *control)
{
    struct aion_link *calls = &control->ops->report_calls;
    while (!aion_list_empty(calls)) {
        struct reporting *reporting = aion_container(calls->next, struct reporting, link);
        struct mesh_call *call = reporting->call;
        mesh_set_user(call, NULL);
        aion_list_remove(&reporting->link);
        free(reporting);
        mesh_fail(call, AION_UNAVAILABLE, "control is stopping");
    }
}
