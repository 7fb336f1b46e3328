/* The clock of telemetry: seconds are closed as they end by UTC, and frames go to whoever reads
 * along.
 *
 * It wakes as often as somebody needs: every 50 ms while a reader wants every event, every 100
 * ms for readers of live cells, else once a second. A second that is closed late (the process
 * stood still) or a clock that was set makes a gap, told by the frame behind it. */
#include "base/clock.h"
#include "base/metric.h"
#include "control_private.h"

#include <stdlib.h>

enum {
    SECOND_US = 1000000,
    TENTH_US = 100000,
    EVENTS_US = 50000,
    RING_BYTES = 8 << 20, /* events of about 3 s at 1 M a minute */
    WIRE_MAX = 16 << 20,
};

const struct aion_metric_family control_dependency_state = {
    .name = "aion_dependency_state",
    .help = "What this process depends on: 0 down, 1 ok, 2 degraded.",
    .kind = AION_GAUGE,
    .labels = {"dependency"},
};
const struct aion_metric_family control_dependency_lag = {
    .name = "aion_dependency_lag",
    .help = "What waits to be sent to it.",
    .kind = AION_GAUGE,
    .labels = {"dependency"},
};

static const struct aion_metric_family tick_family = {
    .name = "aion_control_telemetry_seconds",
    .help =
        "CPU time of one look of telemetry's clock: a second closed, frames and events sent.",
    .unit = "seconds",
    .kind = AION_HISTOGRAM,
    .scale = 1e-6,
};

const struct aion_metric_family control_ops_memory = {
    .name = "aion_control_telemetry_bytes",
    .help =
        "Memory of telemetry: rows, events that are kept for readers, frames that are not on "
        "disk yet or were read last.",
    .unit = "bytes",
    .kind = AION_GAUGE,
    .labels = {"part"},
};

/* -- life --------------------------------------------------------------------------- */
static void tick(struct mesh_timer *timer);

static void tell_store(struct control_ops *ops, bool repeats)
{
    int64_t state = AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_OK;
    if (repeats)
        state = AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_DEGRADED;
    if (!store_healthy(ops->control->store))
        state = AION__V1__OPS_DEPENDENCY_STATE__OPS_DEPENDENCY_STATE_DOWN;
    aion_metric_set(ops->store_state, state);
}

void control_ops_init(struct control *control)
{
    struct control_ops *ops = calloc(1, sizeof(*ops));
    if (ops == NULL)
        abort();
    control->ops = ops;
    ops->control = control;
    ops_fold_init(&ops->fold);
    ops_reports_init(&ops->reports, &ops->fold);
    ops_events_init(&ops->events, RING_BYTES);
    aion_list_init(&ops->views);
    aion_list_init(&ops->tails);
    aion_list_init(&ops->readers);
    aion_list_init(&ops->report_calls);
    aion_buf_init(&ops->wire, WIRE_MAX);
    aion_buf_init(&ops->parts, WIRE_MAX);
    ops->timer.fire = tick;
    control_ops_lanes_init(ops);
    ops->store_state =
        aion_metric(&control_dependency_state, store_info(control->store).driver);
    tell_store(ops, false); /* a report may come before the first second has ended */
    ops->cost = aion_metric(&tick_family);
    ops->rows_memory = aion_metric(&control_ops_memory, "rows");
    ops->events_memory = aion_metric(&control_ops_memory, "events");
    ops->stale = control_counted(COUNT_STALE);
    ops->repeated = control_counted(COUNT_WRITE_RETRY);
}

bool control_ops_open(struct control *control, struct aion_err *err)
{
    control->ops->past = control_past_open(control, err);
    return control->ops->past != NULL;
}

void control_ops_end(struct control *control)
{
    struct control_ops *ops = control->ops;
    ops->ended = true;
    mesh_timer_cancel(control->loop, &ops->timer);
    control_ops_readers_end(control);
    control_ops_reports_end(control);
}

void control_ops_done(struct control *control)
{
    struct control_ops *ops = control->ops;
    control_ops_end(control);
    control_past_close(ops->past);
    ops_events_done(&ops->events);
    ops_reports_done(&ops->reports);
    ops_fold_done(&ops->fold);
    control_ops_lanes_done(ops);
    aion_buf_done(&ops->wire);
    aion_buf_done(&ops->parts);
    free(ops);
    control->ops = NULL;
}

void control_ops_take(void *user, const Aion__V1__OpsReport *report)
{
    struct control *control = user;
    struct aion_err err;
    if (ops_report_check(&control->ops->reports, report, &err))
        control_ops_report_take(control, report);
}

/* -- a second ----------------------------------------------------------------------- */
/* What control counts as metrics anyway. */
static void take_counts(struct control_ops *ops)
{
    int64_t stale = control_counted(COUNT_STALE), repeated = control_counted(COUNT_WRITE_RETRY);
    ops_mesh_count(&ops->fold, OPS_NOW_STALE, stale - ops->stale);
    tell_store(ops, repeated > ops->repeated);
    ops->stale = stale;
    ops->repeated = repeated;
}

static void close_second(struct control_ops *ops, int64_t at_us, bool gap)
{
    int64_t now_us = mesh_loop_now(ops->control->loop);
    int64_t seconds = (now_us - ops->closed_us + SECOND_US / 2) / SECOND_US;
    take_counts(ops);
    control_ops_hosts_close(ops->control);
    ops_reports_close(&ops->reports, now_us);
    ops_fold_close(&ops->fold, at_us, now_us, seconds > 0 ? seconds : 1);
    aion_metric_set(ops->rows_memory, (int64_t)ops_table_bytes(&ops->fold.table));
    aion_metric_set(ops->events_memory,
                    ops->events.ring != NULL ? (int64_t)ops->events.ring_bytes : 0);
    ops->closed_us = now_us;
    ops->gap_in_ten = ops->gap_in_ten || gap;
    control_past_keep(ops->past, at_us, gap);
}

/* -- the tick ----------------------------------------------------------------------- */
static int64_t period_us(const struct control_ops *ops)
{
    int64_t period = SECOND_US;
    aion_list_each (link, &ops->views)
        if (aion_container(link, struct control_ops_view, link)->rate_hz > 1)
            period = TENTH_US;
    aion_list_each (link, &ops->tails) {
        const struct control_ops_tail *tail =
            aion_container(link, struct control_ops_tail, link);
        if (tail->view.filter.all)
            return EVENTS_US;
        if (tail->rate_hz > 1)
            period = TENTH_US;
    }
    return period;
}

static void set_timer(struct control_ops *ops, int64_t utc_us)
{
    int64_t period = period_us(ops), wait_us = period - utc_us % period;
    mesh_timer_set(ops->control->loop, &ops->timer,
                   mesh_loop_now(ops->control->loop) + wait_us);
}

/* A frame for readers: at most one a look, for the newest tenth. */
static void make_frame(struct control_ops *ops, int64_t tenth_us)
{
    int64_t second_us = tenth_us / SECOND_US * SECOND_US;
    bool set_back = second_us < ops->second_us, whole = second_us != ops->second_us;
    bool gap = set_back || second_us - ops->second_us > SECOND_US || !ops->began;
    unsigned tenth = (unsigned)(tenth_us % SECOND_US / TENTH_US);
    if (whole) {
        close_second(ops, second_us, gap);
        ops->second_us = second_us;
        ops->began = true;
        tenth = 10;
    }
    ops->tenth_us = tenth_us;
    control_ops_tails_take(ops->control, tenth);
    control_ops_views_send(ops->control, tenth, whole ? second_us : tenth_us, whole && gap);
    control_ops_tails_send(ops->control, tenth);
    ops_table_next(&ops->fold.table);
}

static void tick(struct mesh_timer *timer)
{
    struct control_ops *ops = aion_container(timer, struct control_ops, timer);
    int64_t utc_us = aion_clock_utc_us(), tenth_us = utc_us / TENTH_US * TENTH_US;
    int64_t began_ns = aion_clock_thread_cpu_ns();
    if (tenth_us != ops->tenth_us)
        make_frame(ops, tenth_us);
    else
        control_ops_tails_send(ops->control, 0);
    set_timer(ops, utc_us);
    aion_metric_record(ops->cost, (aion_clock_thread_cpu_ns() - began_ns) / 1000);
}

void control_ops_wake(struct control *control)
{
    if (!control->ops->ended && control->ops->closed_us > 0)
        set_timer(control->ops, aion_clock_utc_us());
}

/* The second that is under way is the first to be told. */
void control_ops_begin(struct control *control)
{
    struct control_ops *ops = control->ops;
    int64_t utc_us = aion_clock_utc_us();
    ops->closed_us = mesh_loop_now(control->loop);
    ops->second_us = utc_us / SECOND_US * SECOND_US;
    ops->tenth_us = utc_us / TENTH_US * TENTH_US;
    ops_table_sweep(&ops->fold.table, ops->closed_us);
    set_timer(ops, utc_us);
}
