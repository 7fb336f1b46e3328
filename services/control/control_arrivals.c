/* Refused admissions; see control_arrivals.h. */
#include "base/metric.h"
#include "control_private.h"

#include <stdlib.h>

enum { GATHER_US = 1000000, TEXTS_MAX = ARRIVALS_MAX * 512 };

struct control_arrivals_batch {
    struct store_arrivals op;
    struct control *control;
    struct store_arrival rows[ARRIVALS_MAX];
    size_t count;
    struct aion_arena texts;
};

static const struct aion_metric_family family = {
    .name = "aion_control_arrivals",
    .help = "refused admissions: written for previews, or dropped because there were too many",
    .kind = AION_COUNTER,
    .labels = {"outcome"}};

static void count(const char *outcome, size_t rows)
{
    aion_metric_add(aion_metric(&family, outcome), (int64_t)rows);
}

static void batch_free(struct control_arrivals_batch *batch)
{
    if (batch == NULL)
        return;
    aion_arena_done(&batch->texts);
    free(batch);
}

/* -- writing ------------------------------------------------------------------------ */
static void flush(struct control_arrivals *arrivals);

static void written(struct store_op *op, const struct aion_err *err)
{
    struct control_arrivals_batch *batch =
        aion_container(op, struct control_arrivals_batch, op.op);
    count(err == NULL ? "written" : "dropped", batch->count);
    batch->control->arrivals.writing = NULL;
    batch_free(batch);
}

static void flush(struct control_arrivals *arrivals)
{
    struct control_arrivals_batch *batch = arrivals->filling;
    arrivals->filling = NULL;
    arrivals->writing = batch;
    batch->op = (struct store_arrivals){
        .op = {.done = written, .lazy = true}, .arrivals = batch->rows, .count = batch->count};
    if (store_arrivals(batch->control->store, &batch->op, NULL))
        return;
    count("dropped", batch->count);
    arrivals->writing = NULL;
    batch_free(batch);
}

/* While the last ones are under way those that come are bounded by their batch. */
static void gathered(struct mesh_timer *timer)
{
    struct control_arrivals *arrivals = aion_container(timer, struct control_arrivals, timer);
    struct control *control = arrivals->filling->control;
    if (arrivals->writing == NULL)
        flush(arrivals);
    else
        mesh_timer_set(control->loop, timer, mesh_loop_now(control->loop) + GATHER_US);
}

/* -- gathering ---------------------------------------------------------------------- */
static struct control_arrivals_batch *filling(struct control *control)
{
    struct control_arrivals *arrivals = &control->arrivals;
    if (arrivals->filling != NULL)
        return arrivals->filling;
    struct control_arrivals_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL)
        return NULL;
    batch->control = control;
    aion_arena_init(&batch->texts, TEXTS_MAX, NULL, 0);
    arrivals->filling = batch;
    mesh_timer_set(control->loop, &arrivals->timer, mesh_loop_now(control->loop) + GATHER_US);
    return batch;
}

static bool copy(struct aion_arena *texts, aion_str text, aion_str *ret_copy)
{
    *ret_copy = text.size > 0 ? aion_arena_str(texts, text) : (aion_str){0};
    return ret_copy->size == text.size;
}

static bool add(struct control_arrivals_batch *batch, const struct store_arrival *arrival)
{
    struct store_arrival *row = &batch->rows[batch->count];
    *row = *arrival;
    if (!copy(&batch->texts, arrival->tenant, &row->tenant) ||
        !copy(&batch->texts, arrival->key_id, &row->key_id) ||
        !copy(&batch->texts, arrival->intent, &row->intent) ||
        !copy(&batch->texts, arrival->reason, &row->reason) ||
        !copy(&batch->texts, arrival->limit_id, &row->limit_id))
        return false;
    batch->count++;
    return true;
}

void control_arrival_add(struct control *control, const struct store_arrival *arrival)
{
    struct control_arrivals_batch *batch = filling(control);
    if (batch == NULL || batch->count == ARRIVALS_MAX || !add(batch, arrival))
        count("dropped", 1);
}

static bool is_verdict(const struct aion_err *err)
{
    return err->code == AION_EXHAUSTED || err->code == AION_DENIED ||
           strcmp(err->reason, "INTENT_UNKNOWN") == 0 || strcmp(err->reason, "NO_ROUTE") == 0;
}

void control_arrival(struct control_order *order, const struct aion_err *err)
{
    struct control *control = order->control;
    if (order->seq == 0 || order->answered || order->replay_of != NULL || control->draining ||
        !is_verdict(err))
        return;
    const char *reason = err->reason[0] != '\0' ? err->reason : aion_code_name(err->code);
    const struct store_arrival arrival = {
        .seq = order->seq,
        .tenant = order->tenant,
        .key_id = order->key_id,
        .intent = aion_str_of(order->request->intent),
        .priority = order->checked.priority,
        .body_bytes = order->body.size,
        .lane = order->direct ? AION_STR("direct") : AION_STR("durable"),
        .reason = aion_str_of(reason),
        .limit_id = aion_str_of(order->limit_id),
    };
    control_arrival_add(control, &arrival);
}

/* -- life --------------------------------------------------------------------------- */
void control_arrivals_init(struct control *control)
{
    control->arrivals = (struct control_arrivals){.timer.fire = gathered};
}

void control_arrivals_end(struct control *control)
{
    struct control_arrivals *arrivals = &control->arrivals;
    mesh_timer_cancel(control->loop, &arrivals->timer);
    if (arrivals->filling != NULL && arrivals->writing == NULL)
        flush(arrivals);
}

void control_arrivals_done(struct control *control)
{
    mesh_timer_cancel(control->loop, &control->arrivals.timer);
    batch_free(control->arrivals.filling);
    control->arrivals.filling = NULL;
}
